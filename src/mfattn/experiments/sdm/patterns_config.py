"""Config of what memories store: random patterns, or images."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.data_config import DataConfig
from mfattn.experiments.sdm.memories_config import MOST_PATTERN_BITS
from mfattn.pipeline.config import Config
from mfattn.pipeline.yaml_text import KeyPath

MOST_STORED = 100_000
"""Images that are assumed while their number is missing."""

MOST_NUMBERS = 2**28
"""Bound on the numbers of all patterns."""


class Patterns(NamedTuple):
    """Patterns as vectors (m, n) and as bits (m, n), with their labels (m,) where they have any."""

    vectors: NDArray[np.float64]
    bits: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None


class RandomPatternsConfig(Config):
    """Random patterns: vectors uniform in a cube, whose signs are the bits."""

    source: Literal["random"] = Field(description="Independent numbers from -1 to 1, whose signs are the bits.")
    length: int = Field(ge=2, le=MOST_PATTERN_BITS, description="Bits n, or numbers, of a pattern.")
    number: int = Field(ge=1, le=10_000_000, description="Number m of patterns.")

    @property
    def known_length(self) -> int:
        """The same."""
        return self.length

    def describe(self) -> str:
        """What they are."""
        return f"{self.number:,} random patterns of {self.length:,} bits"

    @property
    def label(self) -> str:
        """The same, for the caption of a figure."""
        return self.describe()

    def contents(self) -> dict[str, Any]:
        """What tells them from others."""
        return self.model_dump(mode="json")

    @property
    def is_counted(self) -> bool:
        """Whether their number is given."""
        return True

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Patterns that do not fit into memory."""
        if self.number * self.length > MOST_NUMBERS:
            allowed = f"at most {MOST_NUMBERS // self.length:,} with {self.length:,} bits"
            yield ("number",), f"{allowed}, found {self.number:,}"

    def make(self, seed: np.random.SeedSequence) -> Patterns:
        """The patterns, drawn from the seed."""
        vectors = np.random.default_rng(seed).uniform(-1, 1, (self.number, self.length))
        return Patterns(vectors, (vectors > 0).astype(np.uint8))


class ImagePatternsConfig(Config):
    """Images: their pixels as vectors, and as bits that tell the brighter half of the scale."""

    source: Literal["images"] = Field(description="Images.")
    data: DataConfig = Field(description="Where they come from; their number is needed.")

    @property
    def known_length(self) -> int | None:
        """Pixels n of an image where they are known without reading a file."""
        return math.prod(self.data.known_size) if self.data.known_size else None

    @property
    def length(self) -> int:
        """Pixels n of an image; may read the files."""
        return math.prod(self.data.size)

    @property
    def number(self) -> int:
        """Number m of images."""
        return self.data.number or MOST_STORED

    def describe(self) -> str:
        """What they are."""
        return self.data.describe()

    @property
    def label(self) -> str:
        """The same in plain letters, for the caption of a figure."""
        return f"{self.data.label}, {self.number:,} images"

    def contents(self) -> dict[str, Any]:
        """What is in the files."""
        return {"source": self.source, "data": self.data.identity()}

    @property
    def is_counted(self) -> bool:
        """Whether their number is given."""
        return self.data.number is not None

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Files that are missing, and no number."""
        yield from ((("data", *path), message) for path, message in self.data.mistakes())
        if self.data.number is None:
            yield ("data",), "number is needed: how many images are stored"

    def make(self, seed: np.random.SeedSequence) -> Patterns:
        """The images, whatever the seed.

        Raises
        ------
        InputError
            If they cannot be read.
        """
        vectors = self.data.loaded.vectors()
        return Patterns(vectors, (vectors > 0.5).astype(np.uint8), self.data.loaded.labels)


AnyPatterns = Annotated[RandomPatternsConfig | ImagePatternsConfig, Field(discriminator="source")]
