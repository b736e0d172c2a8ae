"""Optimal radii: signal to noise, capacity and critical distance over the radius, and the softmax of each optimum."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.parameters_config import Neurons, Patterns, least_neurons
from mfattn.experiments.tables import values_table
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm import theory
from mfattn.sdm.geometry import fraction_for_radius
from mfattn.sdm.temperatures import fit_beta
from mfattn.sdm.theory import Noise, Rule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISES: tuple[Noise, ...] = get_args(Noise)
REAL, WHOLE_NUMBER = np.dtype(np.float64), np.dtype(np.int64)

FRACTIONS = 512
"""Fractions of the space at which the capacity is drawn."""

SMALLEST_FITTED = 2
"""Radius from which on a softmax can be fitted."""

OPTIMA: dict[str, str] = {
    "signal_to_noise_closed": "signal to noise, closed form",
    "signal_to_noise_paper": "signal to noise, paper's variance",
    "signal_to_noise_exact": "signal to noise, exact variance",
    "capacity": "capacity",
    **{f"critical_distance_{noise}": f"critical distance, {noise} variance" for noise in NOISES},
}
"""What has a largest value over the radius; the signal-to-noise ratio with the variance of the book has none inside."""


class OptimalRadiusConfig(RunConfig):
    """Optimal radii of a memory."""

    experiment: Literal["optimal_radius"] = Field(description="This kind of run.")
    bits: int = Field(ge=2, le=10_000, description="Number n of bits; all radii from 1 to n/2 are tried.")
    patterns: Patterns = Field(description="Number m of stored patterns.")
    neurons: Neurons = Field(description="Number r of neurons.")
    probability: float = Field(
        0.5, ge=0.5, le=0.999999, description="Probability that all bits of a pattern are right, at capacity."
    )
    rule: Rule = Field("strict", description="Rule of the critical distance.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Fewer neurons than any radius is best for."""
        least = least_neurons(self.bits, self.probability)
        if self.neurons < least:
            yield ("neurons",), f"at least {least:.3g}, with which some radius has a capacity, found {self.neurons:g}"


class Optimum(NamedTuple):
    """A radius that is best by some criterion, and the softmax that stands for it."""

    criterion: str
    radius: int
    fraction: float
    value: float
    beta: float
    beta_paper: float


class OptimalRadius(PointwiseExperiment[OptimalRadiusConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a radius."""

    @property
    def points(self) -> int:
        """Number of radii."""
        return self.config.bits // 2

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all models of one radius."""
        return 3e-3 + 1e-6 * self.config.bits

    def describe(self) -> list[tuple[str, str]]:
        """The memory."""
        config = self.config
        return [
            ("memory", f"n = {config.bits:,} bits, m = {config.patterns:,} patterns, r = {config.neurons:g} neurons"),
            ("radii", f"d = 1 to {self.points:,}"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """What may be largest, and the fitted softmax."""
        layout = {f"signal_to_noise_{noise}": ArrayLayout((), REAL) for noise in NOISES}
        layout["capacity"] = ArrayLayout((), REAL)
        layout |= {f"critical_distance_{noise}": ArrayLayout((), WHOLE_NUMBER) for noise in NOISES}
        return layout | {"beta": ArrayLayout((), REAL), "beta_paper": ArrayLayout((), REAL)}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All models of one radius."""
        config, d = self.config, point + 1
        n, m, r = config.bits, config.patterns, config.neurons
        numbers: dict[str, Any] = {}
        for noise in NOISES:
            numbers[f"signal_to_noise_{noise}"] = theory.snr(n, d, r, m, 0, noise=noise)
            found = theory.critical_distance(n, d, r, m, noise=noise, rule=config.rule)
            numbers[f"critical_distance_{noise}"] = found
        fraction = float(fraction_for_radius(n, d))
        numbers["capacity"] = self._capacity(np.array([fraction]))[0]
        for name, estimator in (("beta", "ols"), ("beta_paper", "paper")):
            fitted = d >= SMALLEST_FITTED
            numbers[name] = fit_beta(n, d, estimator=estimator).beta if fitted else math.nan  # type: ignore[arg-type]
        return numbers

    @property
    def _quantile(self) -> float:
        return theory.bit_quantile(self.config.bits, self.config.probability)

    def _capacity(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patterns that can be stored at some fractions of the space, 0 where not even one can."""
        found = np.zeros(fractions.shape)
        some = fractions > 0
        found[some] = np.maximum(theory.capacity(self.config.neurons, fractions[some], self._quantile), 0.0)
        return found

    def constants(self) -> Arrays:
        """Radii, the capacity over the fraction of the space, its upper approximation, and the optima of equations."""
        n, z = self.config.bits, self._quantile
        radii = np.arange(1, self.points + 1)
        # With fewer than z² active neurons nothing can be stored.
        fractions = np.geomspace(min(z**2 / self.config.neurons, 0.5), 0.5, FRACTIONS)
        closed = dict(zip(("capacity", "signal_to_noise"), self._closed(), strict=True))
        return {
            "radius": radii,
            "fraction": fraction_for_radius(n, radii),
            "capacity_fraction": fractions,
            "capacity_of_fraction": self._capacity(fractions),
            "capacity_bound": np.array(self.config.neurons / z**2),
            "quantile": np.array(z),
            **{f"equation_radius_{name}": np.array(optimum.d) for name, optimum in closed.items()},
            **{f"equation_fraction_{name}": np.exp(optimum.log_fraction) for name, optimum in closed.items()},
            **{f"equation_value_{name}": np.array(optimum.value) for name, optimum in closed.items()},
        }

    def _closed(self) -> tuple[theory.OptimalRadius, theory.OptimalRadius]:
        """Optima of capacity and signal to noise that are roots of equations for the fraction."""
        config = self.config
        n, m, r = config.bits, config.patterns, config.neurons
        return (
            theory.optimal_radius(n, m, r, criterion="capacity", z=self._quantile),
            theory.optimal_radius(n, m, r, criterion="snr"),
        )

    def optima(self, arrays: Mapping[str, NDArray[Any]]) -> list[Optimum]:
        """The best radii: first those of the equations, then the best of all radii, where all were computed."""

        def optimum(criterion: str, radius: int, fraction: float, value: float) -> Optimum:
            fitted = SMALLEST_FITTED <= radius <= self.points
            betas = (float(arrays[name][radius - 1]) if fitted else math.nan for name in ("beta", "beta_paper"))
            return Optimum(criterion, radius, fraction, value, *betas)

        found = [
            optimum(
                f"{words}, equation",
                int(arrays[f"equation_radius_{name}"]),
                float(arrays[f"equation_fraction_{name}"]),
                float(arrays[f"equation_value_{name}"]),
            )
            for name, words in (("capacity", "capacity"), ("signal_to_noise", "signal to noise"))
        ]
        for name, words in OPTIMA.items():
            values = arrays[name]
            if not (np.isnan(values) | (values < 0)).any():
                best = int(values.argmax())
                found.append(optimum(words, best + 1, float(arrays["fraction"][best]), float(values[best])))
        return found

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """The best radius by every criterion, -1 where one is missing."""
        best = {words: radius for words, radius, *_ in self.optima(arrays)}
        return {f"optimal_radius_{name}": np.array(best.get(words, -1)) for name, words in OPTIMA.items()}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """The best radii with the softmax that stands for them."""
        return [
            (
                found.criterion,
                f"d = {found.radius}, p = {found.fraction:.4g}, value {found.value:.6g}, "
                f"β = {found.beta:.4g} ({found.beta_paper:.4g} by the published estimator)",
            )
            for found in self.optima(arrays)
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The best radii, the numbers of every radius, and the capacity over the fraction of the space."""
        names = ("capacity_fraction", "capacity_of_fraction")
        values = {name: arrays[name] for name in ("radius", "fraction", *self.point_layout())}
        return {
            "optima": Table(Optimum._fields, self.optima(arrays)),
            "values": values_table(values, self.points),
            "capacity": values_table({name: arrays[name] for name in names}, FRACTIONS),
        }

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Signal to noise, capacity, critical distance and inverse temperature, with the best radii."""
        from mfattn.figures.sdm.labels import of_memory
        from mfattn.figures.sdm.optimal_radius import draw_optima

        config = self.config
        numbers = {"n": config.bits, "m": config.patterns, "r": config.neurons}
        best = {name: int(value) for name, value in self.derive(arrays).items()}
        return draw_optima(arrays, best, config.neurons, of_memory(numbers) + note)
