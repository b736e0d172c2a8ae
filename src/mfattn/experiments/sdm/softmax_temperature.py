"""Inverse temperature of the softmax that stands for a memory, over its radius and its share of the space."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.checks import Integers
from mfattn.sdm.geometry import fraction_for_radius
from mfattn.sdm.sphere import matched_radius
from mfattn.sdm.temperatures import LINES, Estimator, Kind, default_distances, fit_beta, least_radius

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CapMatch = Literal["radius", "fraction"]
FittedRange = Literal["below_radius", "to_radius"]

MOST_FITTED_BITS = 10_000
"""Bound on the bits n where a softmax is compared with the weights at all distances, for hundreds of temperatures."""

FittedBits = Annotated[int, Field(ge=4, le=MOST_FITTED_BITS)]
FittedRadius = Annotated[int, Field(ge=1, le=MOST_FITTED_BITS)]

REAL = np.dtype(np.float64)
QUANTITIES = ("beta", "bias", "r_squared", "standard_error", "largest_error")
"""What is kept of every fit, by its names in `mfattn.sdm.temperatures.BetaFit`."""

FIT_SECONDS, FIT_BIT_SECONDS, MATCH_SECONDS = 1.5e-3, 8e-6, 1e-2
"""Of a fit, of each bit of it, and of matching a cap."""


def cap_radius(n: int, d: int, match: CapMatch) -> float:
    """Radius of the cap that stands for the ball of radius d: the same, or that which holds as much of its space.

    >>> cap_radius(64, 11, "radius"), round(cap_radius(64, 11, "fraction"), 3)
    (11, 12.675)
    """
    return d if match == "radius" else matched_radius(n, d)


def fitted_distances(n: int, d: int, estimator: Estimator, fitted: FittedRange) -> Integers:
    """Distances that an estimator fits, in either range; those that compare weights fit all of them.

    >>> [fitted_distances(64, 5, estimator, "to_radius").tolist() for estimator in ("ols", "levels")]
    [[1, 2, 3, 4, 5], [2, 4]]
    """
    if fitted == "below_radius" or estimator in ("softmax", "kl"):
        return default_distances(n, d, estimator)
    step = 2 if estimator == "levels" else 1
    return np.arange(step, d + 1, step)


class RadiiConfig(Config):
    """Evenly spaced radii."""

    first: FittedRadius = Field(description="Least radius d.")
    last: FittedRadius = Field(description="Greatest radius, if a step leads there.")
    step: FittedRadius = Field(1, description="Distance of neighbouring radii.")

    @property
    def sizes(self) -> range:
        """The radii d."""
        return range(self.first, self.last + 1, self.step)


class TemperatureFigureConfig(Config):
    """What the figure shows."""

    lines: Tuple[Annotated[float, Field(gt=0, le=1e6)]] = Field(
        (10.0, 25.0), max_length=12, description="Inverse temperatures that are drawn as lines."
    )
    radii: Tuple[FittedRadius] = Field(
        (), max_length=12, description="Radii that are marked with what the first two estimators give."
    )
    taylor_multiple: float = Field(
        1.0, gt=0, le=100, description="The Taylor estimate is also drawn this many times as large."
    )


class SoftmaxTemperatureConfig(RunConfig):
    """Inverse temperatures over the radius."""

    experiment: Literal["softmax_temperature"] = Field(description="This kind of run.")
    bits: FittedBits = Field(description="Number n of bits.")
    radii: RadiiConfig = Field(description="Radii of the balls.")
    kinds: Tuple[Kind] = Field(
        ("binary", "cap"), min_length=1, max_length=3, description="Weights: of balls, caps, or the largest term alone."
    )
    estimators: Tuple[Estimator] = Field(
        ("ols", "paper"), min_length=1, max_length=7, description="How the softmax is fitted."
    )
    fitted: FittedRange = Field(
        "below_radius",
        description="Distances of lines: 0 to below the radius, or, as in the published table, 1 to the radius.",
    )
    caps: CapMatch = Field("radius", description="Caps at the angle of the radius, or of the same share of the space.")
    figure: TemperatureFigureConfig = Field(TemperatureFigureConfig(), description="What the figure shows.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Radii that cannot be fitted, and what is named twice."""
        for key in ("kinds", "estimators"):
            names = getattr(self, key)
            if len(set(names)) != len(names):
                yield (key,), f"different ones, found {', '.join(names)}"
        first, last = self.radii.first, self.radii.last
        most = self.bits - (self.caps == "fraction")
        if not first <= last <= most:
            yield ("radii", "last"), f"from radii.first ({first:,}) to {most:,}, found {last:,}"
        elif (least := self._least_radius()) > first:
            yield ("radii", "first"), f"at least {least}, so that two distances are fitted, found {first}"

    def _least_radius(self) -> int:
        """Least radius at which every estimator has two distances."""
        least = max(least_radius(estimator, kind) for estimator, kind in product(self.estimators, self.kinds))
        # Without distance 0, levels begin at 2.
        return least + 1 if self.fitted == "to_radius" and "levels" in self.estimators else least


class SoftmaxTemperature(PointwiseExperiment[SoftmaxTemperatureConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a radius."""

    @property
    def points(self) -> int:
        """Number of radii."""
        return len(self.config.radii.sizes)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all fits of one radius."""
        fits = len(self.config.kinds) * len(self.config.estimators)
        match = MATCH_SECONDS if self.config.caps == "fraction" else 0.0
        return match + fits * (FIT_SECONDS + self.config.bits * FIT_BIT_SECONDS)

    def describe(self) -> list[tuple[str, str]]:
        """The balls and the fits."""
        config, radii = self.config, self.config.radii.sizes
        return [
            ("balls", f"n = {config.bits:,} bits, {len(radii):,} radii d = {radii[0]} to {radii[-1]}"),
            ("fits", f"{', '.join(config.estimators)} of {', '.join(config.kinds)}"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Every quantity of every fit."""
        fits = product(QUANTITIES, self.config.kinds, self.config.estimators)
        return {f"{quantity}_{kind}_{estimator}": ArrayLayout((), REAL) for quantity, kind, estimator in fits}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All fits of one radius."""
        config = self.config
        values: dict[str, float] = {}
        n, d = config.bits, config.radii.sizes[point]
        for kind in config.kinds:
            radius = cap_radius(n, d, config.caps) if kind == "cap" else d
            for estimator in config.estimators:
                distances = fitted_distances(n, d, estimator, config.fitted)
                fit = fit_beta(n, radius, kind=kind, estimator=estimator, distances=distances)
                values |= {f"{quantity}_{kind}_{estimator}": getattr(fit, quantity) for quantity in QUANTITIES}
        return values

    def constants(self) -> Arrays:
        """Radii and their shares of the space."""
        radii = np.array(self.config.radii.sizes)
        return {"radius": radii, "fraction": fraction_for_radius(self.config.bits, radii)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Inverse temperatures at the marked radii, and the radii whose line is nearest to the drawn ones."""
        config, kind = self.config, self.config.kinds[0]
        betas = {estimator: arrays[f"beta_{kind}_{estimator}"] for estimator in config.estimators}
        found = []
        for row in np.flatnonzero(np.isin(arrays["radius"], config.figure.radii)):
            numbers = ", ".join(f"{estimator} {beta[row]:.2f}" for estimator, beta in betas.items())
            found.append((f"beta at d = {arrays['radius'][row]}", f"{numbers} (p = {arrays['fraction'][row]:.3g})"))
        first = betas[config.estimators[0]]
        for line in config.figure.lines if np.isfinite(first).any() else ():
            best = int(np.nanargmin(np.abs(first - line)))
            nearest = f"d = {arrays['radius'][best]}, with {first[best]:.2f} (p = {arrays['fraction'][best]:.3g})"
            found.append((f"nearest to beta = {line:g} ({config.estimators[0]})", nearest))
        return found

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Inverse temperatures over the radius and the share of the space."""
        from mfattn.figures.sdm.softmax_temperature import Marks, draw_temperatures

        config = self.config
        ranges = {"below_radius": r"$0 \leq d_v < d$", "to_radius": r"$1 \leq d_v \leq d$"}
        matched = ", caps of the same share" if config.caps == "fraction" and "cap" in config.kinds else ""
        caption = f"$n = {config.bits}$, lines through {ranges[config.fitted]}{matched}{note}"
        marks = Marks(config.figure.lines, config.figure.radii, config.figure.taylor_multiple)
        return draw_temperatures(arrays, config.kinds, config.estimators, LINES, marks, caption)
