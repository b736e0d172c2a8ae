"""The weights of a config, by ensemble."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from mfattn.meanfield import FIELDS
from mfattn.pipeline.config import Config
from mfattn.pipeline.yaml_text import KeyPath

Item = TypeVar("Item")
Tuple = tuple[Item, ...]

LARGEST_SEED = 2**32 - 1
"""What NumPy's legacy generator takes."""

MOST_WEIGHTS = 4_000_000
"""Weights of a kind, features times columns, that are drawn in seconds and fit into every worker process."""


class DrawnWeights(Config):
    """Keys of every ensemble that is drawn at random."""

    template: int = Field(ge=1, le=1_000_000, description="Number N of columns of the drawn weights.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of the instance.")
    rng: Literal["modern", "legacy"] = Field(
        "modern", description="`legacy` reproduces the published instances; `modern` draws from a `SeedSequence`."
    )

    def draw(self) -> dict[str, Any]:
        """Arguments of the ensemble's function."""
        return self.model_dump(exclude={"ensemble"})


class RandomWeights(DrawnWeights):
    """Independent ±1 weights at finite N."""

    ensemble: Literal["random"] = Field(description="Independent ±1 weights.")


class SegmentedWeights(DrawnWeights):
    """Weights that are constant on equal segments of the template."""

    ensemble: Literal["segments"] = Field(description="Weights constant on equal segments of the template.")
    segments: int = Field(ge=1, description="Number of segments; divides `template`.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Segments that do not fit."""
        if self.template % self.segments:
            yield ("segments",), f"a divisor of template ({self.template}), found {self.segments}"


class GaussianWeights(DrawnWeights):
    """Normal correlations instead of weights."""

    ensemble: Literal["gaussian"] = Field(description="Normal correlations instead of weights; at most 3 features.")
    scale: float = Field(0.5, ge=0, description="Standard deviation of the correlations.")


class ProductWeights(DrawnWeights):
    """Factorising correlations instead of weights."""

    ensemble: Literal["product"] = Field(description="Correlations that factor into means; at most 3 features.")


class PatternLists(Config):
    """Pattern that each feature holds, for the four kinds of weights."""

    output: Tuple[int] = Field(min_length=1, description="Pattern of each feature in the output weights.")
    value: Tuple[int] = Field(min_length=1, description="The same for the value weights.")
    query: Tuple[int] = Field(min_length=1, description="The same for the query weights.")
    key: Tuple[int] = Field(min_length=1, description="The same for the key weights.")


class PositionWeights(Config):
    """Positional weights of ±1, a row of P for each feature."""

    output: Tuple[Tuple[int]] = Field(description="Rows of the positional output weights, one a feature.")
    value: Tuple[Tuple[int]] = Field(description="The same for the value weights.")
    query: Tuple[Tuple[int]] = Field(description="The same for the query weights.")
    key: Tuple[Tuple[int]] = Field(description="The same for the key weights.")


class AssignedWeights(Config):
    """Given patterns as weights, in the limit of infinite N."""

    ensemble: Literal["assigned"] = Field(description="Given patterns, N → ∞.")
    base_patterns: int = Field(ge=1, le=16, description="Number of independent ±1 patterns.")
    base_of: Tuple[int] | None = Field(
        None,
        min_length=1,
        description="Base pattern of which pattern k is a copy; without it, pattern k is base pattern k.",
    )
    patterns: PatternLists = Field(description="Pattern that each feature holds, by kind of weights, counted from 0.")
    position: PositionWeights = Field(description="Positional weights of ±1, by kind of weights.")
    convention: Literal["weights", "published"] = Field(
        "weights",
        description="What stands inside the tanh: the output weights, or what the published program computes.",
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Indices out of range and rows that are not ±1."""
        copies = range(self.base_patterns) if self.base_of is None else self.base_of
        for index in self.base_of or ():
            if not 0 <= index < self.base_patterns:
                yield ("base_of",), f"numbers from 0 to {self.base_patterns - 1}, found {index}"
        for name in FIELDS:
            for index in getattr(self.patterns, name):
                if not 0 <= index < len(copies):
                    yield ("patterns", name), f"numbers from 0 to {len(copies) - 1}, found {index}"
            for number, row in enumerate(getattr(self.position, name)):
                if not set(row) <= {-1, 1}:
                    yield ("position", name, number), f"entries -1 and 1, found {list(row)}"
        if self.convention == "published" and len(copies) != len(self.patterns.output):
            needed = len(self.patterns.output)
            yield ("convention",), f"'published' needs as many patterns as features ({needed}), found {len(copies)}"


AnyWeights = Annotated[
    SegmentedWeights | RandomWeights | GaussianWeights | ProductWeights | AssignedWeights,
    Field(discriminator="ensemble"),
]
