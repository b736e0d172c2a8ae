"""Language models of the library transformers, from a folder of this machine or drawn at random: its extra.

Nothing is downloaded, and no code of a folder is run. What a model attends to is seen, and may be replaced, through
the registry of attention functions that transformers has for all its architectures: queries and keys come as they meet,
after positions have been turned into them, so that GPT-2 and models like LLaMA are the same here.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.sdm.checks import Array
from mfattn.sdm.transformers.files import ModelShape, Tokens, has_tokenizer, model_shape
from mfattn.sdm.transformers.heads import Head, Mask

EXTRA = "pip install 'mfattn[transformers]'"

ATTENTION, USUAL = "mfattn", "eager"
"""Names of our attention function, and of the one that transformers writes out as it reads."""

Weights = NDArray[np.float64]
Attend = Callable[[int, list[Head]], Weights | None]
"""Told of a layer and its heads; returns the weights (heads, tokens, tokens) by which it is to attend, or None."""

ROWS = 64
"""Positions whose logits over the vocabulary are compared at once."""


class MissingExtra(ImportError):
    """The libraries of the extra ``mfattn[transformers]`` are not installed; one line says how they are."""


class BadModel(ValueError):
    """A model, or a tokenizer, that cannot be used; one line says why."""


def check_libraries() -> None:
    """Raise MissingExtra where torch or transformers is not installed; imports neither."""
    if any(find_spec(name) is None for name in ("torch", "transformers")):
        raise MissingExtra(f"reading a model needs the extra mfattn[transformers]: {EXTRA}")


def libraries() -> tuple[Any, Any]:
    """The modules torch and transformers, which look for nothing on the network.

    Raises
    ------
    MissingExtra
        If one of them is not installed.
    """
    check_libraries()
    # Read when they are imported for the first time.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return torch, transformers


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal language model in float32 on the processor.

    Parameters
    ----------
    network : torch.nn.Module
    shape : ModelShape
    """

    network: Any
    shape: ModelShape

    def log_probabilities(self, tokens: Tokens, attend: Attend | None = None) -> Array:
        """Logarithms of the probabilities of what comes after each token.

        Parameters
        ----------
        tokens : (tokens,) array of int
        attend : callable, optional
            Called once for each layer, in order, with its number and its heads. What it returns are the weights by
            which the layer attends; None leaves the layer its own softmax.

        Returns
        -------
        (tokens, vocabulary) array

        Raises
        ------
        BadModel
            If the architecture does not attend through the registry of transformers.
        """
        torch, _ = libraries()
        asked = torch.from_numpy(np.array(tokens, dtype=np.int64))[None]
        layers: list[int] = []

        def checked(layer: int, heads: list[Head]) -> Weights | None:
            layers.append(layer)
            assert attend is not None
            if layer >= self.shape.layers or len(heads) != self.shape.heads:
                raise BadModel(f"layer {layer} has {len(heads)} heads, which its config.json does not tell")
            return attend(layer, heads)

        watched = _attending(self.network, checked) if attend is not None else nullcontext()
        with _one_thread(torch), torch.inference_mode(), watched:
            logits = self.network(asked, use_cache=False).logits[0].to(torch.float64)
            logs = torch.log_softmax(logits, dim=-1).numpy()
        if attend is not None and not layers:
            raise BadModel(f"models of the kind {self.shape.architecture} do not let their attention be seen")
        return np.asarray(logs)

    def attentions(self, tokens: Tokens) -> list[Array]:
        """Attention weights (heads, tokens, tokens) of every layer, as the model itself gives them out."""
        torch, _ = libraries()
        asked = torch.from_numpy(np.array(tokens, dtype=np.int64))[None]
        with _one_thread(torch), torch.inference_mode():
            layers = self.network(asked, use_cache=False, output_attentions=True).attentions
        return [layer[0].to(torch.float64).numpy() for layer in layers]

    def heads(self, tokens: Tokens) -> list[list[Head]]:
        """The heads of every layer on a text."""
        found: list[list[Head]] = []
        self.log_probabilities(tokens, lambda layer, heads: found.append(heads))
        return found


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Within the block torch computes on one core: more of them add up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _attending(network: Any, attend: Attend) -> Iterator[None]:
    """Within the block the layers of a network attend as they are told."""
    _, transformers = libraries()
    transformers.AttentionInterface.register(ATTENTION, _attention)
    transformers.AttentionMaskInterface.register(ATTENTION, transformers.AttentionMaskInterface()[USUAL])
    network.set_attn_implementation(ATTENTION)
    before = _asked.set(attend)
    try:
        yield
    finally:
        _asked.reset(before)
        network.set_attn_implementation(USUAL)


_asked: ContextVar[Attend] = ContextVar("_asked")


def _attention(module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: Any = None, **rest: Any) -> Any:
    """Attention of a layer, as the registry of transformers calls it: tensors (1, heads, tokens, dimension)."""
    torch, _ = libraries()
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scale = 1.0 / math.sqrt(query.shape[-1]) if scaling is None else float(scaling)
    visible = _visible(torch, mask, query.shape[2], key.shape[2])
    chosen = _asked.get()(module.layer_idx, [Head(*arrays, visible, scale) for arrays in _matrices(query, key, value)])
    weights = _softmax(torch, query, key, mask, scale) if chosen is None else torch.from_numpy(chosen)[None]
    return (weights.to(value.dtype) @ value).transpose(1, 2).contiguous(), weights


def _matrices(query: Any, key: Any, value: Any) -> Iterator[tuple[Array, Array, Array]]:
    """Of tensors (1, heads, ...), the matrices of each head."""
    arrays = [tensor[0].double().numpy() for tensor in (query, key, value)]
    return zip(*arrays, strict=True)


def _visible(torch: Any, mask: Any, queries: int, keys: int) -> Mask:
    """Which keys a query sees, from what is added to the logits."""
    if mask is None:
        return np.ones((queries, keys), dtype=np.bool_)
    return np.asarray((mask[0, 0] > torch.finfo(mask.dtype).min / 2).expand(queries, keys).numpy())


def _softmax(torch: Any, query: Any, key: Any, mask: Any, scale: float) -> Any:
    """The weights that a layer has of its own, in its own precision."""
    logits = query @ key.transpose(-1, -2) * scale
    return torch.softmax(logits if mask is None else logits + mask, dim=-1)


# Where models and tokens come from.


def random_model(shape: ModelShape, *, spread: float, seed: int) -> LanguageModel:
    """GPT-2 with weights drawn from a normal distribution: nothing is learnt, and nothing need be downloaded.

    Parameters
    ----------
    shape : ModelShape
        The width is the heads times their dimension.
    spread : float
        Standard deviation of the weights.
    seed : int

    Raises
    ------
    MissingExtra
        If the libraries are not installed.
    """
    torch, transformers = libraries()
    config = transformers.GPT2Config(
        n_layer=shape.layers,
        n_head=shape.heads,
        n_embd=shape.width,
        vocab_size=shape.vocabulary,
        n_positions=shape.positions,
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation=USUAL,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = transformers.GPT2LMHeadModel(config).eval()
    return LanguageModel(network, shape)


def load_model(folder: Path) -> LanguageModel:
    """The causal language model of a folder, in float32.

    Parameters
    ----------
    folder : Path
        With `config.json` and weights as safetensors, as `save_pretrained` writes them.

    Raises
    ------
    MissingExtra
        If the libraries are not installed.
    BadFile
        If the folder holds no such model.
    BadModel
        If the model cannot be loaded, or weights are missing.
    """
    shape = model_shape(folder)
    torch, transformers = libraries()
    with _refusing(folder):
        network, found = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=USUAL,
            dtype=torch.float32,
            output_loading_info=True,
        )
    missing = sorted([*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])])
    if missing:
        raise BadModel(f"{folder}: {len(missing)} weights are missing or of another shape, such as {missing[0]}")
    return LanguageModel(network.eval(), shape)


def load_tokenizer(folder: Path) -> Callable[[str], Tokens]:
    """The tokenizer that a folder holds beside its model: from a text to its token ids.

    Raises
    ------
    MissingExtra
        If the libraries are not installed.
    BadModel
        If there is no tokenizer, or it cannot be loaded; and, from the tokenizer, if a text has no token.
    """
    if not has_tokenizer(folder):
        raise BadModel(f"{folder}: no tokenizer; give token ids")
    _, transformers = libraries()
    with _refusing(folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )

    def tokenise(text: str) -> Tokens:
        with _refusing(folder):
            tokens = np.array(tokenizer(text)["input_ids"], dtype=np.int64)
        if not tokens.size:
            raise BadModel(f"{folder}: its tokenizer finds no token in '{text[:40]}'")
        return tokens

    return tokenise


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Within the block, whatever goes wrong is the folder's fault, in one line."""
    try:
        yield
    except (MissingExtra, MemoryError):
        raise
    except Exception as error:
        # A damaged or hostile folder can make the libraries raise anything.
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadModel(f"{folder}: transformers cannot load it: {reason[:300]}") from error


def mean_loss(log_probabilities: Array, tokens: Tokens) -> float:
    """Mean negative logarithm of the probabilities of the tokens that come next, in nats; NaN of a single token.

    >>> mean_loss(np.log([[0.25, 0.75], [0.5, 0.5]]), np.array([0, 1])) == -math.log(0.75)
    True
    """
    if len(tokens) < 2:
        return math.nan
    return -float(log_probabilities[np.arange(len(tokens) - 1), tokens[1:]].mean())


def mean_divergence(first: Array, second: Array) -> float:
    """Mean Kullback-Leibler divergence of the distributions in FIRST from those in SECOND, row by row, in nats.

    >>> round(mean_divergence(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])), 6)
    0.143841
    """
    total = 0.0
    for start in range(0, len(first), ROWS):
        p, q = first[start : start + ROWS], second[start : start + ROWS]
        total += float((np.exp(p) * (p - q)).sum())
    return total / len(first)
