"""How far the nearest neurons are: probability that one lies within a distance, exactly and as published."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import special

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.config import Bits, Neurons, Radius
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import log_ball_fraction, prob_any_neuron, radius_for_any_neuron, radius_for_neurons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, WHOLE = np.dtype(np.float64), np.dtype(np.int64)
CURVES = (
    *("probability", "published_probability", "relative_error"),
    *("log_expected_neurons", "log_published_expected_neurons"),
)
RADII = ("radius_of_one_neuron", "published_radius_of_one_neuron", "radius_of_even_odds")


class DistributionFigureConfig(Config):
    """What the figure shows."""

    expected: float = Field(5.0, gt=0, le=1e300, description="Expected number of neurons that is drawn as a line.")
    first_radius: Radius = Field(0, description="Least radius of the panels of probabilities.")


class NeuronDistributionConfig(RunConfig):
    """Neurons within a distance."""

    experiment: Literal["neuron_distribution"] = Field(description="This kind of run.")
    bits: Bits = Field(description="Number n of bits.")
    neurons: Tuple[Neurons] = Field(min_length=1, max_length=12, description="Numbers r of neurons.")
    last_radius: Radius | None = Field(
        None, description="Greatest radius d, from 0 on; without it, the last below half the bits."
    )
    figure: DistributionFigureConfig = Field(DistributionFigureConfig(), description="What the figure shows.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Radii beyond the space, nothing to be drawn, and numbers twice."""
        if self.last_radius is not None and self.last_radius > self.bits:
            yield ("last_radius",), f"at most bits ({self.bits:,}), found {self.last_radius:,}"
        elif self.figure.first_radius > self.radii[-1]:
            allowed = f"at most the last radius ({self.radii[-1]:,})"
            yield ("figure", "first_radius"), f"{allowed}, found {self.figure.first_radius:,}"
        if len(set(self.neurons)) != len(self.neurons):
            yield ("neurons",), f"different numbers, found {', '.join(f'{number:g}' for number in self.neurons)}"

    @property
    def radii(self) -> NDArray[np.int64]:
        """The radii d."""
        last = (self.bits - 1) // 2 if self.last_radius is None else self.last_radius
        return np.arange(last + 1)


class NeuronDistribution(PointwiseExperiment[NeuronDistributionConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a number of neurons."""

    @property
    def points(self) -> int:
        """Numbers of neurons."""
        return len(self.config.neurons)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all radii."""
        return 1e-3 + self.config.bits * 1e-6

    def describe(self) -> list[tuple[str, str]]:
        """Bits, neurons and radii."""
        neurons = ", ".join(f"{number:g}" for number in self.config.neurons)
        return [("neurons", f"n = {self.config.bits:,}, r = {neurons}, d = 0 to {self.config.radii[-1]:,}")]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Probabilities and expected numbers at every radius, and the radii that are marked."""
        curves = {name: ArrayLayout(self.config.radii.shape, REAL) for name in CURVES}
        return curves | {name: ArrayLayout((), WHOLE) for name in RADII}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All radii with one number of neurons."""
        n, r, d = self.config.bits, self.config.neurons[point], self.config.radii
        exact, published = (prob_any_neuron(n, d, r, formula=formula) for formula in ("exact", "published"))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            error = np.where(exact > 0, published / exact - 1, np.nan)
        return {
            "probability": exact,
            "published_probability": published,
            "relative_error": error,
            "log_expected_neurons": log_ball_fraction(n, d) + math.log(r),
            "log_published_expected_neurons": special.log_ndtr((d - 0.5 * n) / math.sqrt(0.25 * n)) + math.log(r),
            "radius_of_one_neuron": radius_for_neurons(n, r),
            "published_radius_of_one_neuron": _published_radius(n, r),
            "radius_of_even_odds": radius_for_any_neuron(n, r),
        }

    def constants(self) -> Arrays:
        """Numbers of neurons, and radii with their shares of the space."""
        radii = self.config.radii
        return {
            "neurons": np.array(self.config.neurons),
            "radius": radii,
            "log_fraction": log_ball_fraction(self.config.bits, radii),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Where one neuron is expected, and how probable one is there by both formulas."""
        found = []
        for row in np.flatnonzero(arrays["radius_of_one_neuron"] >= 0):
            here = {name: arrays[name][row] for name in (*CURVES, *RADII)}
            radii = f"d = {here['radius_of_one_neuron']}, as published {here['published_radius_of_one_neuron']}"
            found.append((f"one of r = {arrays['neurons'][row]:g} neurons is expected at", radii))
            found.append(("one is as likely as none at", f"d = {here['radius_of_even_odds']}"))
            radius = here["published_radius_of_one_neuron"]
            if radius < len(here["probability"]):
                text = f"{here['probability'][radius]:.4f}, as published {here['published_probability'][radius]:.4f}"
                found.append((f"probability of one within d = {radius}", text))
        return found

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Probabilities over the radius, the error of the published formula, and expected numbers."""
        from mfattn.figures.sdm.neuron_distribution import draw_distribution

        figure, caption = self.config.figure, f"$n = {self.config.bits}${note}"
        return draw_distribution(arrays, figure.expected, figure.first_radius, caption)


def _published_radius(n: int, r: float) -> int:
    """Radius at which the normal distribution expects one of r neurons, rounded down as the published line is."""
    radius = 0.5 * n + math.sqrt(0.25 * n) * float(special.ndtri(1 / r))
    return math.floor(min(max(radius, 0.0), n))
