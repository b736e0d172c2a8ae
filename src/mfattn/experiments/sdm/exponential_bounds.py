"""Circle intersections between bounds that hold, beside the published exponential approximations, which were called so.

The published program took the normal approximation of the largest term for a lower bound of the intersection, and that
times a number of terms for an upper one. Neither is a bound: see `mfattn.sdm.bounds`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.sdm.config import MOST_BITS, BallsConfig
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.bounds import bounds, normal_approximation, published_multiplier, taylor_approximation
from mfattn.sdm.checks import Array
from mfattn.sdm.geometry import fraction_for_radius, log_expected_neurons
from mfattn.sdm.temperatures import Kind, default_distances, fit_beta

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, WHOLE = np.dtype(np.float64), np.dtype(np.int64)
CURVES = (
    *("log_share", "log_largest_term", "log_upper_bound", "log_sharp_lower_bound", "log_sharp_upper_bound"),
    *("log_normal_approximation", "log_normal_lower_constant", "log_normal_upper_constant"),
    *("log_taylor_approximation", "log_taylor_lower_constant", "log_taylor_upper_constant"),
    *("log_published_upper_bound", "log_published_upper_bound_constant"),
)
NUMBERS = (
    *("beta_intersection", "bias_intersection", "r_squared_intersection"),
    *("beta_largest_term", "bias_largest_term", "r_squared_largest_term"),
    *("beta_taylor", "sum_of_squares_taylor", "sum_of_squares_normal"),
)
COUNTS = ("distances_with_weight", "lower_bound_failures", "upper_bound_failures")

FAILS_BY = 1e-9
"""Excess of a logarithm from which a bound is said to fail: rounding is less."""

SHOWN_BALLS = 8
"""Radii that are drawn and reported, at most."""


class BoundsFigureConfig(Config):
    """What the figure shows."""

    distance: int | None = Field(None, ge=1, description="Largest distance that is drawn; without it, 2d or n.")
    prefactor: Literal["distance", "constant"] = Field(
        "distance",
        description="Factor of the published bounds: that of each distance, or its least and largest value.",
    )


class ExponentialBoundsConfig(RunConfig):
    """Bounds and approximations of circle intersections."""

    experiment: Literal["exponential_bounds"] = Field(description="This kind of run.")
    balls: BallsConfig = Field(description="The balls.")
    estimator: Literal["ols", "paper", "weighted", "levels"] = Field(
        "ols", description="How exponentials are fitted to the intersection and to its largest term."
    )
    compared_to: int | None = Field(
        None,
        ge=1,
        le=MOST_BITS,
        description="Largest distance of the sums of squares and of the components; without it, half the bits.",
    )
    figure: BoundsFigureConfig = Field(BoundsFigureConfig(), description="What the figure shows.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Balls that do not fit, and more numbers than memory holds."""
        yield from ((("balls", *path), message) for path, message in self.balls.mistakes())
        number = len(self.balls.radii or self.balls.fractions or ())
        yield from size_mistakes(("balls", "bits"), self.layout(number), "take fewer bits or balls")

    def layout(self, number: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of balls."""
        shape = (number, self.balls.bits + 1)
        layout = {name: ArrayLayout(shape, REAL) for name in CURVES}
        layout |= {name: ArrayLayout(shape, WHOLE) for name in ("number_of_terms", "published_multiplier")}
        layout |= {name: ArrayLayout((number,), REAL) for name in NUMBERS}
        return layout | {name: ArrayLayout((number,), WHOLE) for name in COUNTS}


class ExponentialBounds(PointwiseExperiment[ExponentialBoundsConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a radius."""

    @property
    def points(self) -> int:
        """Number of radii."""
        return len(self.config.balls.radii or self.config.balls.fractions or ())

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all distances of one radius."""
        return 5e-3 + self.config.balls.bits * 4e-6

    def describe(self) -> list[tuple[str, str]]:
        """The balls and the fit."""
        return [self.config.balls.describe(), ("fit", self.config.estimator)]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Bounds and approximations at every distance, the fits, and how often the published bounds fail."""
        return {name: ArrayLayout(shape[1:], dtype) for name, (shape, dtype) in self.config.layout(1).items()}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All distances of one radius."""
        n, d = self.config.balls.bits, self.config.balls.sizes[point]
        found, multiplier = bounds(n, d), published_multiplier(n, d)
        normal, taylor = normal_approximation(n, d), taylor_approximation(n, d)
        largest_normal = normal_approximation(n, d, prefactor="upper")
        with np.errstate(divide="ignore"):
            log_multiplier = np.log(multiplier)
        arrays: dict[str, Any] = {
            "log_share": log_expected_neurons(n, d),
            "log_largest_term": found.largest_term,
            "log_upper_bound": found.upper,
            "log_sharp_lower_bound": found.sharp_lower,
            "log_sharp_upper_bound": found.sharp_upper,
            "log_normal_approximation": normal,
            "log_taylor_approximation": taylor,
            "log_published_upper_bound": normal + log_multiplier,
            "log_published_upper_bound_constant": largest_normal + log_multiplier,
            "log_normal_lower_constant": normal_approximation(n, d, prefactor="lower"),
            "log_normal_upper_constant": largest_normal,
            "log_taylor_lower_constant": taylor_approximation(n, d, prefactor="lower"),
            "log_taylor_upper_constant": taylor_approximation(n, d, prefactor="upper"),
            "number_of_terms": found.terms,
            "published_multiplier": multiplier,
            "beta_taylor": (n - 2 * d) ** 2 / (4 * n),
        }
        for name, approximation in (("normal", normal), ("taylor", taylor)):
            arrays[f"sum_of_squares_{name}"] = self._sum_of_squares(found.largest_term, approximation)
        arrays |= self._fit(n, d, "binary", "intersection") | self._fit(n, d, "largest_term", "largest_term")
        return arrays | _failures(arrays["log_share"], normal, normal + log_multiplier)

    def _sum_of_squares(self, largest: Array, approximation: Array) -> float:
        """Squared differences of the two, summed over the distances at which both are there."""
        difference = np.exp(largest[self._compared]) - np.exp(approximation[self._compared])
        return float(np.nansum(np.square(difference)))

    @property
    def _compared(self) -> slice:
        """Distances of the sums of squares and of the components."""
        bits = self.config.balls.bits
        return slice(1, min(self.config.compared_to or bits // 2, bits) + 1)

    def _fit(self, n: int, d: int, kind: Kind, name: str) -> dict[str, float]:
        """The exponential fitted to one of the two, NaN where the radius has too few distances."""
        estimator = self.config.estimator
        if len(default_distances(n, d, estimator)) < 2:
            return dict.fromkeys((f"beta_{name}", f"bias_{name}", f"r_squared_{name}"), np.nan)
        fit = fit_beta(n, d, kind=kind, estimator=estimator)
        return {f"beta_{name}": fit.beta, f"bias_{name}": fit.bias, f"r_squared_{name}": fit.r_squared}

    def constants(self) -> Arrays:
        """Radii, their shares of the space, and the distances."""
        bits, radii = self.config.balls.bits, np.array(self.config.balls.sizes)
        return {"radius": radii, "fraction": fraction_for_radius(bits, radii), "distance": np.arange(bits + 1)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Fits, sums of squares, and at how many distances the published bounds fail."""
        found, components = [], self._components(arrays)
        for row in np.flatnonzero(arrays["distances_with_weight"] >= 0)[:SHOWN_BALLS]:
            here = {name: arrays[name][row] for name in (*NUMBERS, *COUNTS)}
            betas = f"beta {here['beta_intersection']:.4g}, of the largest term {here['beta_largest_term']:.4g}"
            found.append((f"d = {arrays['radius'][row]}", f"{betas}, of Taylor {here['beta_taylor']:.4g}"))
            squares = f"{here['sum_of_squares_taylor']:.2e} Taylor, {here['sum_of_squares_normal']:.2e} normal"
            found.append(("sum of squares from the largest term", squares))
            total = here["distances_with_weight"]
            fails = f"lower at {here['lower_bound_failures']}, upper at {here['upper_bound_failures']}"
            found.append(("published bounds fail", f"{fails} of {total} distances"))
            text = ", ".join(f"{name} {_span(logs[row]):.4g}" for name, logs in components.items())
            found.append(("largest over least", text))
        return found

    def _components(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        """Logarithms of the factors of the published upper bound, each over what it is at distance 1."""
        normal, exponential = arrays["log_normal_approximation"], arrays["log_normal_lower_constant"]
        with np.errstate(divide="ignore", invalid="ignore"):
            multiplier = arrays["log_published_upper_bound"] - normal
            factors = {"prefactor": normal - exponential, "multiplier": multiplier, "exponential": exponential}
            return {name: (logs - logs[:, 1:2])[:, self._compared] for name, logs in factors.items()}

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """Bounds and approximations, and the factors of the published upper bound; as PNG and PDF."""
        from mfattn.figures.sdm.exponential_bounds import draw_components
        from mfattn.figures.style import render

        shown = self._shown(arrays)
        distance, caption = shown["distance"][self._compared], f"factors of the published upper bound, {self._caption}"
        components = draw_components(shown["radius"], distance, self._components(shown), caption + note)
        return super().draw(arrays, note) | render(components, "_components")

    def _shown(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Arrays of the radii that are drawn."""
        return {name: array if name == "distance" else array[:SHOWN_BALLS] for name, array in arrays.items()}

    @property
    def _caption(self) -> str:
        """Bits, and how many radii are not drawn."""
        rest = f", the first {SHOWN_BALLS} of {self.points} radii" if self.points > SHOWN_BALLS else ""
        return f"$n = {self.config.balls.bits}${rest}"

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Bounds and approximations over the distance, and their ratios to the intersection."""
        from mfattn.figures.sdm.exponential_bounds import draw_bounds

        figure = self.config.figure
        constant = figure.prefactor == "constant"
        caption = self._caption + (", constant prefactors" if constant else "") + note
        return draw_bounds(self._shown(arrays), figure.distance, constant, caption)


def _span(logs: Array) -> float:
    """Largest over least of the numbers that are there, given as logarithms."""
    there = logs[np.isfinite(logs)]
    return float(np.exp(min(np.ptp(there), 700.0))) if there.size else np.nan


def _failures(exact: Array, lower: Array, upper: Array) -> dict[str, int]:
    """At how many distances from 1 on balls share something, and at how many published bounds are on the wrong side."""
    shared = np.isfinite(exact) & np.isfinite(lower)
    return {
        "distances_with_weight": int(shared.sum()),
        "lower_bound_failures": int((lower[shared] > exact[shared] + FAILS_BY).sum()),
        "upper_bound_failures": int((upper[shared] < exact[shared] - FAILS_BY).sum()),
    }
