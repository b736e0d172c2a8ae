"""Jaeckel's designs beside Kanerva's balls: neurons that two addresses share, and the signal they read, at equal p."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.parameters_config import Neurons, Patterns
from mfattn.experiments.tables import values_table
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.designs import Hyperplanes, SelectedCoordinates, design_snr
from mfattn.sdm.geometry import fraction_for_radius, log_expected_neurons, radius_for_log_fraction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, WHOLE_NUMBER = np.dtype(np.float64), np.dtype(np.int64)

MOST_BITS, MOST_COORDINATES = 10_000, 500

Coordinates = Annotated[int, Field(ge=1, le=MOST_COORDINATES)]


class HyperplanesConfig(Config):
    """Neurons that are active where all of their coordinates are one."""

    coordinates: Coordinates = Field(description="Number k of coordinates that a neuron looks at.")
    ones: int = Field(ge=1, le=MOST_BITS, description="Number w of ones in an address.")


class DesignComparisonConfig(RunConfig):
    """Jaeckel's designs."""

    experiment: Literal["design_comparison"] = Field(description="This kind of run.")
    bits: int = Field(ge=1, le=MOST_BITS, description="Number n of bits.")
    fraction: float = Field(
        ge=1e-100, le=1, description="Least share of the neurons that an address activates, of selected coordinates."
    )
    coordinates: Tuple[Coordinates] = Field(
        (), max_length=12, description="Numbers k of coordinates that neurons look at, a design for each."
    )
    hyperplanes: Tuple[HyperplanesConfig] = Field((), max_length=12, description="Hyperplane designs.")
    patterns: Patterns = Field(description="Number m of stored patterns.")
    neurons: Neurons = Field(description="Number r of neurons.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """No design, or one that does not fit."""
        if not self.coordinates and not self.hyperplanes:
            yield ("coordinates",), "at least one, where there are no hyperplanes"
        for number, coordinates in enumerate(self.coordinates):
            if coordinates > self.bits:
                yield ("coordinates", number), f"at most bits ({self.bits:,}), found {coordinates:,}"
        if len(set(self.coordinates)) != len(self.coordinates):
            yield ("coordinates",), f"different numbers, found {', '.join(map(str, self.coordinates))}"
        for number, design in enumerate(self.hyperplanes):
            if design.ones > self.bits:
                yield ("hyperplanes", number, "ones"), f"at most bits ({self.bits:,}), found {design.ones:,}"
            if design.coordinates > design.ones:
                found = f"at most the {design.ones:,} ones of an address, found {design.coordinates:,}"
                yield ("hyperplanes", number, "coordinates"), found


class DesignComparison(PointwiseExperiment[DesignComparisonConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a design: selected coordinates first."""

    @property
    def points(self) -> int:
        """Number of designs."""
        return len(self.config.coordinates) + len(self.config.hyperplanes)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all distances of one design."""
        return 2e-3 + 6e-7 * self.config.bits * max(self.config.coordinates, default=1)

    def describe(self) -> list[tuple[str, str]]:
        """The designs."""
        config = self.config
        planes = ", ".join(f"k = {design.coordinates}, w = {design.ones}" for design in config.hyperplanes)
        selected = ", ".join(map(str, config.coordinates))
        return [
            ("memory", f"n = {config.bits:,} bits, m = {config.patterns:,} patterns, r = {config.neurons:g} neurons"),
            ("selected", f"k = {selected}, p of at least {config.fraction:g}" if selected else "none"),
            ("hyperplanes", planes or "none"),
        ]

    def design(self, point: int) -> SelectedCoordinates | Hyperplanes:
        """The design of a point."""
        config = self.config
        if point < len(config.coordinates):
            return SelectedCoordinates.for_fraction(config.bits, config.coordinates[point], config.fraction)
        planes = config.hyperplanes[point - len(config.coordinates)]
        return Hyperplanes(config.bits, planes.coordinates, planes.ones)

    def point_layout(self) -> dict[str, ArrayLayout]:
        """What two addresses share at every distance, and in the balls that match; NaN at impossible distances."""
        each = ArrayLayout((self.config.bits + 1,), REAL)
        one, whole = ArrayLayout((), REAL), ArrayLayout((), WHOLE_NUMBER)
        return {
            "threshold": whole,
            "activation": one,
            "mean_distance": one,
            "log_share": each,
            "signal_to_noise": each,
            "ball_radius": whole,
            "ball_fraction": one,
            "ball_log_share": each,
            "ball_signal_to_noise": each,
        }

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """One design, and the smallest ball that activates as many neurons, for the same addresses."""
        n, design = self.config.bits, self.design(point)
        v = _distances(design)
        log_both = design.log_both(v if isinstance(design, SelectedCoordinates) else design.shared_ones(v))
        # Hyperplanes count the ones that are shared, from none to all.
        log_random = design.log_random() if isinstance(design, SelectedCoordinates) else design.log_random()[::-1]
        log_random = log_random[: len(v)]
        log_p = min(float(log_both[0]), 0.0)
        radius = radius_for_log_fraction(n, log_p)
        ball = log_expected_neurons(n, radius, 1, v)
        r, m = self.config.neurons, self.config.patterns

        def at_distances(values: NDArray[np.float64]) -> NDArray[np.float64]:
            row = np.full(n + 1, np.nan)
            row[v] = values
            return row

        return {
            "threshold": design.threshold if isinstance(design, SelectedCoordinates) else design.k,
            "activation": math.exp(log_p),
            "mean_distance": float((np.exp(log_random) * v).sum()),
            "log_share": at_distances(log_both),
            "signal_to_noise": at_distances(design_snr(log_both, log_random, r, m)),
            "ball_radius": radius,
            "ball_fraction": fraction_for_radius(n, radius),
            "ball_log_share": at_distances(ball),
            "ball_signal_to_noise": at_distances(design_snr(ball, log_random, r, m)),
        }

    def constants(self) -> Arrays:
        """Coordinates of every design, and the ones of its addresses, -1 where they are random."""
        config = self.config
        ones = [-1] * len(config.coordinates) + [planes.ones for planes in config.hyperplanes]
        coordinates = [*config.coordinates, *(planes.coordinates for planes in config.hyperplanes)]
        return {"coordinates": np.array(coordinates), "ones": np.array(ones)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Activation and the ratio of signal to noise at distance 0, with that of the balls."""
        lines = []
        for point in range(self.points):
            if np.isnan(arrays["activation"][point]):
                continue
            ratio, ball = (float(arrays[name][point, 0]) for name in ("signal_to_noise", "ball_signal_to_noise"))
            radius = int(arrays["ball_radius"][point])
            text = f"p = {arrays['activation'][point]:.4g}, signal to noise {ratio:.4g}; {ball:.4g} with d = {radius}"
            lines.append((self._name(point), text))
        return lines

    def _name(self, point: int) -> str:
        """The design of a point in words."""
        design = self.design(point)
        if isinstance(design, SelectedCoordinates):
            return f"{design.threshold} of {design.k} coordinates"
        return f"{design.k} of {design.ones} ones"

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The designs, and what two addresses share at every possible distance."""
        names = ("log_share", "signal_to_noise", "ball_log_share", "ball_signal_to_noise")
        rows = (
            (
                int(arrays["coordinates"][point]),
                int(arrays["ones"][point]),
                distance,
                *(float(row[distance]) for row in own),
            )
            for point in range(self.points)
            for own in [[arrays[name][point] for name in names]]
            for distance in np.flatnonzero(~np.isnan(own[0])).tolist()
        )
        shares = Table(("coordinates", "ones", "distance", *names), rows)
        columns = ("coordinates", "threshold", "ones", "activation", "mean_distance", "ball_radius", "ball_fraction")
        return {"designs": values_table({name: arrays[name] for name in columns}, self.points), "shares": shares}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """A row of panels for each kind of design."""
        from mfattn.figures.sdm.design_comparison import draw_designs
        from mfattn.figures.sdm.labels import of_memory

        config = self.config
        numbers = {"n": config.bits, "m": config.patterns, "r": config.neurons}
        return draw_designs(arrays, [self._name(point) for point in range(self.points)], of_memory(numbers) + note)


def _distances(design: SelectedCoordinates | Hyperplanes) -> NDArray[np.int64]:
    """Distances at which two addresses of a design can be; those of w ones differ in as many ones as zeros."""
    if isinstance(design, SelectedCoordinates):
        return np.arange(design.n + 1)
    return 2 * np.arange(min(design.ones, design.n - design.ones) + 1)
