"""Trajectories: whole orbits with every observable, at one parameter point or along a sweep."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import StartedExperiment
from mfattn.experiments.meanfield.config import (
    LyapunovConfig,
    SettlingStepsConfig,
    StartedConfig,
    SweepConfig,
    caption_of,
)
from mfattn.experiments.meanfield.measuring import (
    REGIME_LABELS,
    alignment_within,
    describe_measurement,
    finite_time_layout,
    measure,
    motion_arrays,
    motion_layout,
    motion_warnings,
    pass_transient,
    seconds_of_point,
    steps_of_point,
)
from mfattn.experiments.meanfield.stepping import mover, record_orbits
from mfattn.meanfield.lyapunov import block_lengths
from mfattn.meanfield.model import OBSERVABLES
from mfattn.meanfield.signals import autocorrelation, power_spectrum
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, array_bytes
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from mfattn.figures.meanfield.trajectory import GrowthTrace

BLOCK_BYTES = 2**28
"""Largest block that is made of several points."""

MOST_PAGES = 50
"""Pages that a run draws, one a point; longer sweeps keep their arrays and draw none."""


class TrajectoryConfig(StartedConfig):
    """Whole orbits."""

    experiment: Literal["trajectory"] = Field(description="This kind of run.")
    sweep: SweepConfig | None = Field(None, description="The swept parameter and its values; without it, one point.")
    steps: SettlingStepsConfig = Field(description="Numbers of steps a point.")
    lyapunov: LyapunovConfig | None = Field(None, description="Lyapunov exponents and regimes; without it, none.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        layout = self.layout(1 if self.sweep is None else self.sweep.count)
        yield from size_mistakes(("steps", "record"), layout, "record fewer steps or sweep fewer values")

    def layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points."""
        shape = (points, self.steps.record, self.model.features)
        layout = {name: ArrayLayout(shape, np.dtype(np.float64)) for name in OBSERVABLES}
        layout["transient"] = ArrayLayout((points,), np.dtype(np.int64))
        if self.lyapunov is not None:
            layout |= motion_layout((points,), self.lyapunov)
            layout |= finite_time_layout(points, self.lyapunov, self.steps.record)
        return layout


class Trajectory(StartedExperiment[TrajectoryConfig]):
    """The trajectory experiment; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections = ("start", "sweep", "steps", "lyapunov")

    @property
    def block_size(self) -> int:
        """As many points as make a block of reasonable size."""
        return max(1, min(64, BLOCK_BYTES // array_bytes(self.config.layout(1))))

    @property
    def steps_per_point(self) -> int:
        """Transient and recorded steps, and those of the tangent vectors."""
        return steps_of_point(self.config.steps, self.config.lyapunov, self._weights.context_length)

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid, steps and exponents."""
        return [*super().describe(), *describe_measurement(self.config.steps, self.config.lyapunov)]

    def estimate(self) -> float:
        """Rough core-seconds; a recorded step costs about three transient ones."""
        return self.points * seconds_of_point(self.config.steps, self.config.lyapunov, self._weights, 3.0)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Every observable of every step, and the motion."""
        return self.config.layout(len(points))

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Advance the points past the transient, then record them, and measure their motion beside it."""
        config = self.config
        settling = pass_transient(self._orbits(points), config.steps, advance)
        orbits, beside = settling.orbits, settling.orbits.copies()
        mover(advance, self._weights)(orbits, alignment_within(config.steps, self._weights.context_length))
        arrays = record_orbits(orbits, config.steps.record, OBSERVABLES, advance) | {"transient": settling.steps}
        if config.lyapunov is not None:
            motion = measure(beside, settling.settled, config.lyapunov, config.steps, advance)
            arrays |= motion_arrays(motion) | {"finite_time_exponents": motion.spectrum.finite_time}
        return arrays

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """What the exponents do not support."""
        return list(motion_warnings(arrays)) if self.config.lyapunov else []

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """A page for each point as PNG and PDF; none for long sweeps."""
        from mfattn.figures.meanfield.trajectory import DRAWN_FEATURES, Signals, draw_trajectory
        from mfattn.figures.style import render

        files: dict[str, bytes] = {}
        for point in range(self.points if self.points <= MOST_PAGES else 0):
            if np.isnan(arrays["attention"][point]).all():
                continue
            recorded = {name: arrays[name][point] for name in OBSERVABLES}
            overlap = recorded["overlap_o_semantic"][:, :DRAWN_FEATURES]
            signals = Signals(*power_spectrum(overlap), autocorrelation(overlap))
            page = draw_trajectory(recorded, signals, self._caption(arrays, point) + note, self._growth(arrays, point))
            files |= render(page, self._page_name(point))
        return files

    def _page_name(self, point: int) -> str:
        if self.config.sweep is None:
            return ""
        parameter = self.config.sweep.parameter
        names = [f"_{parameter}{value:.10g}" for value in getattr(self._grid, parameter)]
        return names[point] if len(set(names)) == len(names) else f"{names[point]}_{point}"

    def _caption(self, arrays: Mapping[str, NDArray[Any]], point: int) -> str:
        swept = set() if self.config.sweep is None else self.config.sweep.parameters
        values = {name: float(getattr(self._grid, name)[point]) for name in swept}
        regime = f", {REGIME_LABELS[arrays['regime'][point]]}" if self.config.lyapunov else ""
        return f"{caption_of(self.config, **values)}{regime}"

    def _growth(self, arrays: Mapping[str, NDArray[Any]], point: int) -> "GrowthTrace | None":
        """Accumulated growth at the ends of the blocks of finite-time exponents."""
        from mfattn.figures.meanfield.trajectory import GrowthTrace

        if self.config.lyapunov is None:
            return None
        finite_time = arrays["finite_time_exponents"][point]
        steps = block_lengths(self.config.steps.record, len(finite_time))
        return GrowthTrace(
            np.cumsum(steps),
            np.cumsum(finite_time * steps[:, np.newaxis], axis=0),
            arrays["exponents"][point],
            arrays["exponent_errors"][point],
            arrays["exponents_resolved"][point],
        )
