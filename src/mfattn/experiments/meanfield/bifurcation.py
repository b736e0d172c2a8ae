"""Bifurcation diagrams: every value of a swept parameter from one start."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import StartedExperiment
from mfattn.experiments.meanfield.config import StartedConfig
from mfattn.experiments.meanfield.diagram import DEFAULT_FEATURES, DiagramConfig, DiagramExperiment, ObserveConfig
from mfattn.experiments.meanfield.locating import locate_bifurcations
from mfattn.experiments.meanfield.measuring import REGIME_LABELS
from mfattn.experiments.meanfield.stepping import mover, record_orbits
from mfattn.experiments.meanfield.weights_config import Tuple
from mfattn.meanfield.observe import OBSERVED
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mfattn.figures.meanfield.exponents import Exponents


class KeepingObserveConfig(ObserveConfig):
    """What is kept of the orbits, some of them whole."""

    keep_orbits: Tuple[float] = Field(
        (), description="Values of the swept parameter whose whole orbits are kept; the nearest grid point of each."
    )


class BifurcationConfig(DiagramConfig, StartedConfig):
    """A bifurcation diagram."""

    experiment: Literal["bifurcation"] = Field(description="This kind of run.")
    observe: KeepingObserveConfig = Field(KeepingObserveConfig(), description="What is kept of the orbits.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from self._kept_mistakes()
        kept = self.kept_layout(len(self.observe.keep_orbits))
        yield from size_mistakes(("observe", "keep_orbits"), kept, "keep fewer orbits, or record fewer steps")

    def _kept_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        if self.sweep.start is None or self.sweep.stop is None:
            return
        low, high = sorted((self.sweep.start, self.sweep.stop))
        for number, value in enumerate(self.observe.keep_orbits):
            if not low <= value <= high:
                yield (
                    ("observe", "keep_orbits", number),
                    f"a value inside the sweep, {low:g} to {high:g}, found {value:g}",
                )

    def kept_layout(self, kept: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of orbits that are kept."""
        orbit = ArrayLayout((kept, self.steps.record, self.model.features), np.dtype(np.float64))
        return {"orbit_point": ArrayLayout((kept,), np.dtype(np.int64))} | {f"orbit_{name}": orbit for name in OBSERVED}

    def kept_points(self) -> list[int]:
        """Grid points whose whole orbits are kept, ascending."""
        values = self.sweep.grid
        return sorted({int(np.argmin(np.abs(values - value))) for value in self.observe.keep_orbits})


class Bifurcation(StartedExperiment[BifurcationConfig], DiagramExperiment[BifurcationConfig]):
    """The bifurcation experiment; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections = ("start", "sweep", "steps", "lyapunov")

    def identity(self) -> dict[str, Any]:
        """Model, start, sweep, steps, exponents and what is observed."""
        whole = super().identity()
        return whole | {"observe": whole["observe"] | {"keep_orbits": self._kept_points}}

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Arrays of the points, and of the kept orbits among them."""
        return super().layout(points) | self.config.kept_layout(len(self._kept(points)))

    def _kept(self, points: range) -> list[int]:
        return [point for point in self._kept_points if point in points]

    @cached_property
    def _kept_points(self) -> list[int]:
        return self.config.kept_points()

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Advance, observe and measure the points, and record the orbits that are kept."""
        arrays = super().compute(points, advance)
        return arrays | self._kept_orbits(points, arrays["transient"], advance)

    def _kept_orbits(self, points: range, transients: NDArray[np.int64], advance: Advance) -> Arrays:
        """Whole orbits of the points that the config names, run once more from their starts."""
        kept = self._kept(points)
        arrays: Arrays = {"orbit_point": np.array(kept, dtype=np.int64)}
        if not kept:
            layout = self.layout(points)
            return arrays | {f"orbit_{name}": np.empty(layout[f"orbit_{name}"].shape) for name in OBSERVED}

        def only_check(steps: int) -> None:
            # The progress counts each point once; the signals are looked at all the same.
            advance(0)

        recorded = []
        for point in kept:
            orbits = self._orbits([point])
            mover(only_check, self._weights)(orbits, int(transients[point - points.start]))
            recorded.append(record_orbits(orbits, self.config.steps.record, OBSERVED, only_check))
        return arrays | {f"orbit_{name}": np.concatenate([orbit[name] for orbit in recorded]) for name in OBSERVED}

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """The bifurcation points, where exponents were measured."""
        if self.config.lyapunov is None:
            return {}
        return locate_bifurcations(self.config, self.config.sweep, self._weights, arrays)

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Regimes and, where they were looked for, the bifurcation points."""
        rows = self._bifurcation_rows(arrays)
        symbol = self.config.sweep.parameter
        return super().findings(arrays) + [
            (str(kind), f"{symbol} = {value:.10g}, period {period}") for kind, value, _, period in rows
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """Diagram, numbers of every point and, where they were looked for, the bifurcation points."""
        columns = ["kind", self.config.sweep.parameter, "angle", "period"]
        points = {"bifurcations": Table(columns, self._bifurcation_rows(arrays))} if self.config.lyapunov else {}
        return super().tables(arrays) | points

    @staticmethod
    def _bifurcation_rows(arrays: Mapping[str, NDArray[Any]]) -> list[tuple[Any, ...]]:
        names = ("kind", "parameter", "angle", "period")
        return list(zip(*(arrays.get(f"bifurcation_{name}", np.empty(0)).tolist() for name in names), strict=True))

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figures as PNG and PDF."""
        from mfattn.figures.meanfield.exponents import draw_statistics
        from mfattn.figures.style import render

        files = render(self.figure(arrays, note))
        measured = self._measured(arrays)
        if measured is not None:
            files |= render(draw_statistics(measured, self._caption() + note), "_exponents")
        return files

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """The diagram of the features and observables that the config's figure names."""
        from mfattn.figures.meanfield.bifurcation import Diagram, draw_diagrams

        config, figure = self.config, self.config.figure
        features = figure.features or config.features[:DEFAULT_FEATURES]
        sections = figure.crossed(config.features)
        diagrams = [
            [Diagram.of(arrays, name, feature, sections) for name in figure.observables or config.observe.observables]
            for feature in features
        ]
        parameter = config.sweep.parameter
        return draw_diagrams(arrays[parameter], parameter, diagrams, self._caption() + note, self._measured(arrays))

    def _measured(self, arrays: Mapping[str, NDArray[Any]]) -> "Exponents | None":
        from mfattn.figures.meanfield.exponents import Exponents

        return Exponents.of(arrays, REGIME_LABELS) if self.config.lyapunov else None
