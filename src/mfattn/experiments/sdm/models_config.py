"""Language models that read texts: their config sections, and what the experiments on their heads have in common."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.sections import LARGEST_SEED, LocalPath, one_of
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.experiment import ArrayLayout, Arrays, missing_value
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.transformers import BadFile, BadModel, Head, LanguageModel, MissingExtra, ModelShape, models
from mfattn.sdm.transformers.files import (
    MOST_TEXTS,
    Tokens,
    file_digest,
    has_tokenizer,
    model_digest,
    model_shape,
    read_texts,
    read_tokens,
)

REAL, WHOLE = np.dtype(np.float64), np.dtype(np.int64)

MOST_WEIGHTS = 2**28
"""Weights of a random model."""

MOST_TOKENS = 16_384
"""Tokens that are read of a text."""

BYTES_PER_TOKEN = 4
"""Of a text, on average."""

NOT_RECONSTRUCTED = 1e-3
"""Difference of a probability beyond which queries and keys do not tell what a model attends to."""


def file_mistakes(key: str, path: Path, read: Callable[[Path], object]) -> Iterator[tuple[KeyPath, str]]:
    """A mistake at KEY if a file or folder cannot be READ."""
    try:
        read(path)
    except BadFile as error:
        yield (key,), f"{error}, found '{path}'"


class RandomModelConfig(Config):
    """A GPT-2 with random weights."""

    layers: int = Field(ge=1, le=100, description="Layers.")
    heads: int = Field(ge=1, le=100, description="Heads of a layer.")
    width: int = Field(ge=8, le=4096, description="Numbers of the state of a token; a multiple of the heads.")
    vocabulary: int = Field(97, ge=2, le=100_000, description="Different tokens.")
    spread: float = Field(0.02, gt=0, le=10, description="Standard deviation of the weights; training starts at 0.02.")
    seed: int = Field(1, ge=0, le=LARGEST_SEED, description="Seed of the weights.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Heads that do not fill the width, or weights that do not fit into memory."""
        if self.width % self.heads:
            yield ("width",), f"a multiple of heads ({self.heads}), found {self.width:,}"
        weights = self.width * (12 * self.layers * self.width + self.vocabulary)
        if weights > MOST_WEIGHTS:
            yield ("width",), f"a model of at most {MOST_WEIGHTS:,} weights, found {weights:,}"

    def shape(self, positions: int) -> ModelShape:
        """Layers, heads and the like, for texts of so many tokens."""
        dimension = self.width // self.heads
        return ModelShape("gpt2", self.layers, self.heads, dimension, self.width, self.vocabulary, positions)


class ModelConfig(Config):
    """A language model: a folder of this machine, or random weights."""

    folder: LocalPath | None = Field(
        None, description="Folder with config.json and weights as safetensors; nothing is downloaded."
    )
    random: RandomModelConfig | None = Field(None, description="A GPT-2 with random weights, to try things out.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Not one model, or one that is not there."""
        if message := one_of(self, "folder", "random"):
            yield (), message
        elif self.folder is not None:
            yield from file_mistakes("folder", self.folder, model_shape)
        elif self.random is not None:
            yield from ((("random", *path), message) for path, message in self.random.mistakes())

    def shape(self, longest: int) -> ModelShape:
        """Layers, heads and the like; a random model is made for the LONGEST text."""
        if self.folder is not None:
            return model_shape(self.folder)
        assert self.random is not None
        return self.random.shape(longest)

    def contents(self) -> dict[str, Any]:
        """What makes its numbers, wherever it lies."""
        return self.model_dump(include={"random"}) if self.folder is None else {"digest": model_digest(self.folder)}


class RandomTextsConfig(Config):
    """Random token ids, every one as likely."""

    number: int = Field(ge=1, le=MOST_TEXTS, description="Texts.")
    tokens: int = Field(ge=2, le=MOST_TOKENS, description="Tokens of each.")
    seed: int = Field(1, ge=0, le=LARGEST_SEED, description="Seed of the tokens.")


class TextsConfig(Config):
    """What the model reads: texts, token ids, or random ones."""

    file: LocalPath | None = Field(None, description="A text on each line, in UTF-8, for a model with a tokenizer.")
    tokens: LocalPath | None = Field(
        None, description="Token ids: a JSON list of lists, or an .npy array with a row for each text."
    )
    random: RandomTextsConfig | None = Field(None, description="Random token ids.")
    longest: int = Field(
        1024, ge=2, le=MOST_TOKENS, description="Tokens that are read of a text, at most; no more than the model takes."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Not one source, or one that is not there."""
        if message := one_of(self, "file", "tokens", "random"):
            yield (), message
        elif self.file is not None:
            yield from file_mistakes("file", self.file, read_texts)
        elif self.tokens is not None:
            yield from file_mistakes("tokens", self.tokens, read_tokens)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text, where they are words about so many."""
        if self.file is not None:
            return [len(text) // BYTES_PER_TOKEN + 1 for text in read_texts(self.file)]
        if self.tokens is not None:
            return [len(tokens) for tokens in read_tokens(self.tokens)]
        assert self.random is not None
        return [self.random.tokens] * self.random.number

    def contents(self) -> dict[str, Any]:
        """What makes its tokens, wherever the files lie."""
        path = self.file or self.tokens
        source = {"digest": file_digest(path)} if path else self.model_dump(include={"random"})
        return {"longest": self.longest, "words": self.file is not None, **source}

    def describe(self) -> str:
        """What they are."""
        if self.random is not None:
            return f"{self.random.number:,} of {self.random.tokens:,} random tokens"
        return f"{len(self.lengths):,} of {self.file or self.tokens}"


class LanguageModelConfig(RunConfig):
    """What the experiments on language models have in common."""

    model: ModelConfig = Field(description="The language model.")
    texts: TextsConfig = Field(description="What it reads.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """A model or texts that are not there, or do not fit each other."""
        own = [(("model", *path), message) for path, message in self.model.mistakes()]
        own += [(("texts", *path), message) for path, message in self.texts.mistakes()]
        yield from own or self.misfits()

    def misfits(self) -> Iterator[tuple[KeyPath, str]]:
        """Texts that the model cannot read, and what does not fit into memory."""
        shape, texts = self.shape, self.texts
        if texts.file is not None and (self.model.folder is None or not has_tokenizer(self.model.folder)):
            yield ("texts", "file"), "tokens or random: the model has no tokenizer that reads words"
        elif texts.tokens is not None:
            largest = max(int(tokens.max()) for tokens in read_tokens(texts.tokens))
            if largest >= shape.vocabulary:
                yield ("texts", "tokens"), f"token ids below {shape.vocabulary:,}, as the model has, found {largest:,}"
        result = {
            name: ArrayLayout((len(texts.lengths), *of_text), dtype)
            for name, (of_text, dtype) in self.point_layout().items()
        }
        yield from size_mistakes(("texts",), result, "read fewer texts")
        tokens = self.limit
        passing = {
            "weights": ArrayLayout((2, shape.heads, tokens, tokens), REAL),
            "words": ArrayLayout((2, tokens, shape.vocabulary), REAL),
        }
        yield from size_mistakes(("texts", "longest"), passing, "read fewer tokens")

    @abstractmethod
    def heads_layout(self) -> dict[str, ArrayLayout]:
        """Names, shapes and types of what is found of the heads on a text."""

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Of a text: tokens that are read and that there are, how well they are foretold, and what is found of heads.

        The reconstruction error is the largest difference of a probability where the softmax of the logits of all heads
        takes the place of what the model does.
        """
        numbers = {name: ArrayLayout((), WHOLE) for name in ("tokens", "tokens_given")}
        return (
            numbers | {name: ArrayLayout((), REAL) for name in ("loss", "reconstruction_error")} | self.heads_layout()
        )

    @property
    def shape(self) -> ModelShape:
        """Layers, heads and the like."""
        return self.model.shape(self.texts.longest)

    @property
    def limit(self) -> int:
        """Tokens that are read of a text, at most."""
        return min(self.texts.longest, self.shape.positions or MOST_TOKENS)


Configured = TypeVar("Configured", bound=LanguageModelConfig)


class LanguageModelExperiment(PointwiseExperiment[Configured]):
    """Texts, each of which a language model reads on its own. A point is a text."""

    @cached_property
    def shape(self) -> ModelShape:
        """Layers, heads and the like."""
        return self.config.shape

    @cached_property
    def points(self) -> int:
        """Number of texts."""
        return len(self.config.texts.lengths)

    @cached_property
    def usual_tokens(self) -> float:
        """Tokens that are read of a text, roughly and on average."""
        return float(np.minimum(self.config.texts.lengths, self.config.limit).mean())

    @property
    def reading_seconds(self) -> float:
        """Rough core-seconds of reading a text."""
        shape, tokens = self.shape, self.usual_tokens
        multiplications = tokens * shape.width * (12 * shape.layers * shape.width + shape.vocabulary)
        return 0.01 + 4e-11 * multiplications + 2e-8 * shape.layers * shape.heads * tokens**2

    @property
    def model_name(self) -> str:
        """What a figure calls the model."""
        return "random weights" if self.config.model.folder is None else self.config.model.folder.name

    def check(self) -> None:
        """The extra is needed."""
        try:
            models.check_libraries()
        except MissingExtra as error:
            raise InputError(str(error)) from None

    def identity(self) -> dict[str, Any]:
        """The config, with what is in the files in place of their names."""
        files = {"model": self.config.model.contents(), "texts": self.config.texts.contents()}
        return super().identity() | files

    def describe(self) -> list[tuple[str, str]]:
        """The model and the texts."""
        shape, name = self.shape, str(self.config.model.folder or "random weights")
        size = f"{shape.architecture}, {shape.layers} layers of {shape.heads} heads of {shape.dimension} dimensions"
        return [("model", f"{name}: {size}"), ("texts", self.config.texts.describe())]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Names, shapes and types of the arrays of a text."""
        return self.config.point_layout()

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Read a text: as the model does, to look at its heads, and however else it is to be read.

        Raises
        ------
        RunError
            If the model or its tokenizer cannot be used.
        """
        folder = self.config.model.folder
        try:
            model = _loaded(self.config.model, self.shape, model_digest(folder) if folder else "")
            whole = self._tokens(point)
            return self._found(model, whole[: self.config.limit]) | {"tokens_given": len(whole)}
        except ValueError as error:
            # Of the folder or the texts; or of numbers that are not finite, which a damaged model gives.
            raise RunError(str(error)) from None

    def _found(self, model: LanguageModel, tokens: Tokens) -> Arrays:
        """What is found of a text."""
        found: Arrays = {
            name: np.full(shape, missing_value(dtype), dtype) for name, (shape, dtype) in self.point_layout().items()
        }
        usual = model.log_probabilities(tokens)
        seen = model.log_probabilities(tokens, lambda layer, heads: self.look(layer, heads, found))
        found["tokens"][()] = len(tokens)
        found["loss"][()] = models.mean_loss(usual, tokens)
        found["reconstruction_error"][()] = np.abs(np.exp(seen) - np.exp(usual)).max()
        self.read_otherwise(model, tokens, usual, found)
        return found

    @abstractmethod
    def look(self, layer: int, heads: list[Head], found: Arrays) -> None:
        """Put into FOUND what the heads of a layer are like."""

    def read_otherwise(self, model: LanguageModel, tokens: Tokens, usual: NDArray[np.float64], found: Arrays) -> None:
        """Put into FOUND what comes of other ways to read a text, beside the USUAL logarithms of probabilities."""

    def _tokens(self, point: int) -> Tokens:
        texts, folder = self.config.texts, self.config.model.folder
        if texts.file is not None and folder is not None:
            tokens = _tokenizer(folder, model_digest(folder))(read_texts(texts.file)[point])
            if tokens.max() >= self.shape.vocabulary:
                raise BadModel(f"{folder}: its tokenizer knows token {tokens.max():,}, but the model does not")
            return tokens
        if texts.tokens is not None:
            return read_tokens(texts.tokens)[point]
        assert texts.random is not None
        generator = np.random.default_rng(np.random.SeedSequence(texts.random.seed, spawn_key=(point,)))
        return generator.integers(0, self.shape.vocabulary, texts.random.tokens)

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Texts that were cut, and a model that does not attend by its logits alone."""
        cut = int((arrays["tokens_given"] > arrays["tokens"]).sum())
        error = float(arrays["reconstruction_error"].max())
        cutting = f"{cut:,} of {self.points:,} texts are longer than the {self.config.limit:,} tokens read of them"
        missing = f"the model attends by more than the softmax of its logits: a probability differs by {error:.2g}"
        return [cutting] * (cut > 0) + [missing] * (error > NOT_RECONSTRUCTED)


@lru_cache(maxsize=1)
def _loaded(config: ModelConfig, shape: ModelShape, digest: str) -> LanguageModel:
    """A model, which the process keeps; DIGEST tells when its folder has changed."""
    if config.folder is not None:
        return models.load_model(config.folder)
    assert config.random is not None
    return models.random_model(shape, spread=config.random.spread, seed=config.random.seed)


@lru_cache(maxsize=1)
def _tokenizer(folder: Path, digest: str) -> Callable[[str], Tokens]:
    """A tokenizer, which the process keeps."""
    return models.load_tokenizer(folder)
