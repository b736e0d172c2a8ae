"""Config sections of learned projections: what is trained, how, and what is recalled with it."""

from collections.abc import Iterator
from math import ceil
from typing import Annotated, Literal

from pydantic import Field

from mfattn.experiments.sdm.config import Neurons
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.memories.patterns import Counting
from mfattn.sdm.temperatures import Estimator

MOST_PIXELS = 2**20
"""Bound on the flips of an image."""

MOST_COMPARED = 2**27
"""Cosines of the queries and keys of a training step that are held at once."""

Flips = Annotated[float, Field(ge=0, le=MOST_PIXELS)]


class BetaConfig(Config):
    """Inverse temperature of the attention that is trained: fixed, or learnt from there."""

    estimator: Estimator = Field("ols", description="How it is fitted to a radius; paper is the published fit.")
    factor: float = Field(
        1.0, ge=1e-3, le=1e3, description="What the fit is multiplied by; published with 3 if learnt."
    )
    initial: float | None = Field(None, ge=0, le=1e4, description="The value itself, in the place of a fit.")
    learnt: bool = Field(False, description="Whether it is learnt along with the projection.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Two ways to say it."""
        if self.initial is not None and self.factor != 1.0:
            yield ("factor",), "one of factor and initial, found both"

    @property
    def own(self) -> bool:
        """Whether the trained attention has another temperature than the fit."""
        return self.learnt or self.initial is not None or self.factor != 1.0


class LearningConfig(Config):
    """How the projection is learnt."""

    epochs: int = Field(10, ge=1, le=10_000, description="Times that every image is a target.")
    batch: int = Field(128, ge=1, le=4096, description="Images of a step.")
    rate: float = Field(0.005, gt=0, le=1, description="Learning rate of Adam.")
    flips: tuple[Flips, Flips] = Field(
        (10.0, 100.0), description="Between which the noise is drawn: flips k of n pixels are the cosine 1 - 2k/n."
    )
    keys_per_step: int | None = Field(
        None, ge=1, le=1_000_000, description="Images that a step compares a query with; all of them if left out."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Numbers that do not go together."""
        if self.flips[0] > self.flips[1]:
            yield ("flips",), f"the lower number first, found {self.flips[0]:g} before {self.flips[1]:g}"
        if self.keys_per_step is not None and self.keys_per_step < self.batch:
            yield ("keys_per_step",), f"at least the batch ({self.batch:,}), found {self.keys_per_step:,}"

    def steps(self, images: int) -> int:
        """Steps of an epoch."""
        return ceil(images / self.batch)

    def compared(self, images: int) -> int:
        """Images that a query is compared with."""
        return min(self.keys_per_step or images, images)


class EvaluationConfig(Config):
    """What is recalled, and by which memories."""

    flips: Tuple[Annotated[int, Field(ge=0, le=MOST_PIXELS)]] = Field(
        (0, 50, 100, 150, 200, 250, 300),
        min_length=1,
        max_length=50,
        description="Noise k: queries at the cosine 1 - 2k/n.",
    )
    queries: int = Field(1000, ge=1, le=100_000, description="Images that are recalled, the first ones of each source.")
    updates: int = Field(10, ge=1, le=1000, description="Updates of a query, at most.")
    tolerance: float = Field(1e-3, ge=0, le=1, description="Relative change of a state up to which it rests.")
    stored: Literal["own", "train"] = Field(
        "own", description="What is stored as the test images are recalled: they, or as published the training images."
    )
    neurons: Tuple[Neurons] = Field(
        (), max_length=12, description="Finite numbers r of neurons of further memories beside infinitely many."
    )
    counting: Counting = Field(
        "poisson", description="Fluctuation of the counts of finite neurons; rounded is the published one."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Numbers that occur twice."""
        for name in ("flips", "neurons"):
            # Memories are named by six digits of their neurons.
            values = [f"{value:g}" for value in getattr(self, name)]
            if len(set(values)) != len(values):
                yield (name,), f"different numbers, found {', '.join(values)}"
