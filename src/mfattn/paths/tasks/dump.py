"""Files with a trained network and the episodes that the theory takes from it.

The published program dumps a dictionary of torch: episodes under ``x_zeros_train`` and ``y_labels_train``, others with
the endings ``_test``, ``_test_mnist`` and so on, and weights under names like ``w_q_weigts`` (sic). It is read as plain
tensors alone, so that nothing in the file can run. The same names and shapes in an npz file need no torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.tasks.descent import torch_module
from mfattn.paths.tasks.trained import TrainedNetwork

TOKENS, LABELS, INFO = "x_zeros_", "y_labels_", "info_string"

WEIGHTS = {
    "w_q_weigts": "(L, H, N0, G)",
    "w_k_weigts": "(L, H, N0, G)",
    "w_v_weigts": "(L, H, N, N)",
    "input_projection_weights": "(N, N0)",
    "readout_weights": "(1, N)",
}
"""Names of weights, with their axes; inputs come before outputs in those of heads."""


NAME = re.compile(r"[A-Za-z0-9 _,.+()-]{1,50}")
"""What examples may be called."""

LARGEST_DUMP = 8 * 2**30
"""Bytes of all arrays of a file."""


class BadDump(ValueError):
    """A file that cannot be read, or holds something else; one line says what."""


class Examples(NamedTuple):
    """Tokens (P, N0, T) with their labels (P,)."""

    tokens: Array
    labels: Array

    def first_of_each_label(self, per_class: int) -> "Examples":
        """The first examples of label +1, and then as many of label -1.

        BadDump if there are fewer.
        """
        places = [np.flatnonzero(self.labels == label)[:per_class] for label in (1, -1)]
        if min(map(len, places)) < per_class:
            found = " and ".join(str(len(place)) for place in places)
            raise BadDump(f"there are {found} examples of the labels +1 and -1, for {per_class} of each")
        chosen = np.concatenate(places)
        return Examples(self.tokens[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Dump:
    """A trained network and examples.

    Parameters
    ----------
    network : TrainedNetwork
        With the same number of heads in all layers, and the mean over tokens as its read-out.
    examples : mapping of str to Examples
        Such as 'train', 'test' and 'test_mnist'.
    info : str
    """

    network: TrainedNetwork
    examples: Mapping[str, Examples]
    info: str = ""


def read_dump(path: Path) -> Dump:
    """Read a dump: one of torch, or, with the ending ``.npz``, one of NumPy.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BadDump
        If the file cannot be read, is too large, or an array is missing or of another shape.
    MissingExtra
        If it is one of torch, and torch is not installed.
    """
    try:
        return _dump_of(_of_numpy(path) if path.suffix == ".npz" else _of_torch(path))
    except ValueError as error:
        raise BadDump(f"{path}: {error}") from None


def write_dump(path: Path, dump: Dump) -> None:
    """Write a dump as an npz file, under the names of the published one.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``.
    dump : Dump

    Raises
    ------
    BadDump
        If the name ends otherwise, examples have a name that is not plain, or layers have other numbers of heads, or
        other sizes, than each other.
    """
    if path.suffix != ".npz":
        raise BadDump(f"{path}: the name must end in .npz")
    network = dump.network
    layers = {"w_q_weigts": network.queries, "w_k_weigts": network.keys, "w_v_weigts": network.values}
    if network.readout != "average_pooling" or any(len({one.shape for one in some}) > 1 for some in layers.values()):
        raise BadDump(f"{path}: a dump is of layers of the same sizes, and of the mean over tokens")
    arrays = {name: np.stack(some) for name, some in layers.items()}
    for name in ("w_q_weigts", "w_k_weigts"):
        arrays[name] = arrays[name].swapaxes(-1, -2)
    arrays["input_projection_weights"] = network.projection
    arrays["readout_weights"] = network.read_out[np.newaxis]
    for name, examples in dump.examples.items():
        _check_name(name)
        arrays[TOKENS + name] = examples.tokens.swapaxes(-1, -2)
        arrays[LABELS + name] = examples.labels
    np.savez_compressed(path, allow_pickle=False, **arrays, **{INFO: np.array(dump.info)})


def _of_numpy(path: Path) -> dict[str, Any]:
    try:
        # NumPy leaves a damaged file open that it has opened itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            members = file.zip.infolist()
            _check_size(sum(one.file_size for one in members if _wanted(one.filename.removesuffix(".npy"))))
            return {name: file[name] for name in file.files if _wanted(name)}
    except BadDump:
        raise
    # A damaged file can end in almost any of them.
    except Exception as error:
        raise ValueError(f"cannot be read as npz: {type(error).__name__}") from None


def _of_torch(path: Path) -> dict[str, Any]:
    torch = torch_module("a file of torch")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        wanted = {name: value for name, value in content.items() if isinstance(name, str) and _wanted(name)}
        tensors = {name: value for name, value in wanted.items() if isinstance(value, torch.Tensor)}
        _check_size(sum(8 * tensor.numel() for tensor in tensors.values()))
        return wanted | {name: tensor.detach().double().numpy() for name, tensor in tensors.items()}
    except BadDump:
        raise
    # So can a damaged or hostile one.
    except Exception as error:
        raise ValueError(f"cannot be read as a dictionary of plain tensors: {type(error).__name__}") from None


def _wanted(name: str) -> bool:
    return name in WEIGHTS or name == INFO or name.startswith((TOKENS, LABELS))


def _check_size(size: int) -> None:
    if size > LARGEST_DUMP:
        raise BadDump(f"arrays of {size:,} bytes; allowed are {LARGEST_DUMP:,}")


def _check_name(name: str) -> None:
    """Names come from files of others, and go into messages and figures."""
    if not NAME.fullmatch(name):
        raise BadDump(f"{(TOKENS + name)[:80]!r}: names are of up to 50 letters, digits, and signs _ , . + - ( )")


def _dump_of(content: dict[str, Any]) -> Dump:
    weights = {name: _array(content, name, axes) for name, axes in WEIGHTS.items()}
    network = TrainedNetwork(
        [*weights["w_q_weigts"].swapaxes(-1, -2)],
        [*weights["w_k_weigts"].swapaxes(-1, -2)],
        [*weights["w_v_weigts"]],
        weights["input_projection_weights"],
        weights["readout_weights"][0],
        "average_pooling",
    )
    examples = {}
    for name in [name.removeprefix(TOKENS) for name in content if name.startswith(TOKENS)]:
        _check_name(name)
        tokens, labels = _array(content, TOKENS + name, "(P, T, N0)"), _array(content, LABELS + name, "(P,)")
        if len(labels) != len(tokens) or not np.isin(labels, (-1.0, 1.0)).all():
            raise ValueError(f"{LABELS}{name} must be {len(tokens)} labels, 1 or -1")
        if tokens.shape[2] != network.projection.shape[1]:
            raise ValueError(f"{TOKENS}{name} must be of tokens of {network.projection.shape[1]} numbers")
        examples[name] = Examples(tokens.swapaxes(-1, -2), labels)
    return Dump(network, examples, str(content.get(INFO, "")))


def _array(content: dict[str, Any], name: str, axes: str) -> Array:
    """An array of a dump, of finite numbers."""
    found = content.get(name)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf" or found.ndim != len(axes.split()):
        kind = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "none"
        raise ValueError(f"{name} must be an array {axes}, found {kind}")
    values = found.astype(np.float64)
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"{name} must hold finite numbers")
    return values
