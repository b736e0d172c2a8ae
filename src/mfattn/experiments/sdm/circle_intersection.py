"""Circle intersections: how many addresses, or neurons, two balls share, over the distance of their centres."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.config import BallsConfig, Neurons
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import Weighting, fraction_for_radius, log_intersection, log_weighted_intersection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL = np.dtype(np.float64)
WEIGHTED_SECONDS = 2e-7
"""Of a weighted intersection, for each pair of bits and distance."""


class CircleFigureConfig(Config):
    """What the figure shows."""

    neurons: Neurons = Field(1.0, description="Number r of neurons; with 1, shares of the space are drawn.")
    distance: int | None = Field(None, ge=1, description="Largest distance that is drawn; without it, 2d + 2 or n.")


class CircleIntersectionConfig(RunConfig):
    """Circle intersections."""

    experiment: Literal["circle_intersection"] = Field(description="This kind of run.")
    balls: BallsConfig = Field(description="The balls.")
    weighting: Weighting = Field("uniform", description="Weight of an address by how near it is to both centres.")
    rate: float = Field(0.01, ge=-100, le=100, description="Rate k of the exponential weighting.")
    figure: CircleFigureConfig = Field(CircleFigureConfig(), description="What the figure shows; changes no number.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Balls that do not fit."""
        yield from ((("balls", *path), message) for path, message in self.balls.mistakes())


class CircleIntersection(PointwiseExperiment[CircleIntersectionConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a radius."""

    @property
    def points(self) -> int:
        """Number of radii."""
        return len(self.config.balls.sizes)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all distances of one radius."""
        bits = self.config.balls.bits
        return 1e-3 + (bits * 1e-6 if self.config.weighting == "uniform" else bits**2 * WEIGHTED_SECONDS)

    def identity(self) -> dict[str, Any]:
        """The balls and the weighting; the rate where it has one."""
        unused = set() if self.config.weighting == "exponential" else {"rate"}
        return {key: value for key, value in super().identity().items() if key not in unused}

    def describe(self) -> list[tuple[str, str]]:
        """The balls and the weighting."""
        return [self.config.balls.describe(), ("weights", self.config.weighting)]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """The logarithm of what two balls share, over that of the space, at every distance."""
        return {"log_share": ArrayLayout((self.config.balls.bits + 1,), REAL)}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All distances of one radius."""
        config, bits = self.config, self.config.balls.bits
        radius = config.balls.sizes[point]
        if config.weighting == "uniform":
            logs = log_intersection(bits, radius)
        else:
            logs = log_weighted_intersection(bits, radius, weight=config.weighting, rate=config.rate)
        return {"log_share": logs - bits * np.log(2)}

    def constants(self) -> Arrays:
        """Radii, their shares of the space, and the distances."""
        bits, radii = self.config.balls.bits, np.array(self.config.balls.sizes)
        return {"radius": radii, "fraction": fraction_for_radius(bits, radii), "distance": np.arange(bits + 1)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Neurons of one ball."""
        return [
            (f"d = {radius}", f"p = {fraction:.4g}, r p = {self.config.figure.neurons * fraction:.4g}")
            for radius, fraction in zip(arrays["radius"], arrays["fraction"], strict=True)
        ]

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Intersections over the distance, on both scales."""
        from mfattn.figures.sdm.circle_intersection import draw_circles

        config = self.config
        caption = f"$n = {config.balls.bits}$, {config.weighting} weights{note}"
        return draw_circles(arrays, config.figure.neurons, config.figure.distance, caption)
