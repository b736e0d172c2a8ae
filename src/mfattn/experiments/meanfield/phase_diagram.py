"""Phase diagrams: exponents, regime, period and rotation number over two parameters."""

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
    spaced_mistakes,
)
from mfattn.experiments.meanfield.measuring import (
    REGIME_LABELS,
    describe_measurement,
    measure,
    measured_steps,
    motion_arrays,
    motion_layout,
    motion_warnings,
    pass_transient,
    steps_to_measure,
)
from mfattn.experiments.meanfield.stepping import step_seconds
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PlaneConfig(Config):
    """The two swept parameters, drawn along x and y."""

    x: SweepConfig = Field(description="The parameter along x, and its values.")
    y: SweepConfig = Field(description="The parameter along y, and its values.")


class PhaseDiagramConfig(StartedConfig):
    """A phase diagram."""

    experiment: Literal["phase_diagram"] = Field(description="This kind of run.")
    plane: PlaneConfig = Field(description="The two swept parameters, drawn along x and y.")
    steps: SettlingStepsConfig = Field(description="Numbers of steps a point.")
    lyapunov: LyapunovConfig = Field(LyapunovConfig(exponents=2), description="Lyapunov exponents.")

    @property
    def sweeps(self) -> tuple[tuple[str, SweepConfig], ...]:
        """The sweeps along y and x; x runs fastest."""
        return ("plane.y", self.plane.y), ("plane.x", self.plane.x)

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        for key, sweep in self.sweeps:
            yield from spaced_mistakes(key, sweep)
        common = self.plane.x.parameters & self.plane.y.parameters
        if common:
            yield ("plane", "y"), f"a parameter that x does not set, found {', '.join(sorted(common))} in both"
        layout = motion_layout((self.plane.x.count * self.plane.y.count,), self.lyapunov)
        yield from size_mistakes(("plane", "x", "num"), layout, "sweep fewer values")


class PhaseDiagram(StartedExperiment[PhaseDiagramConfig]):
    """The phase diagram experiment; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections = ("start", "plane", "steps", "lyapunov")
    block_size = 256

    @property
    def steps_per_point(self) -> int:
        """Steps of the transient and of the measurement."""
        return steps_to_measure(self.config.steps, self._weights.context_length)

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid, steps and exponents."""
        return [*super().describe(), *describe_measurement(self.config.steps, self.config.lyapunov)]

    def estimate(self) -> float:
        """Rough core-seconds."""
        steps, lyapunov = self.config.steps, self.config.lyapunov
        measured = measured_steps(steps, self._weights.context_length) * step_seconds(
            self._weights, lyapunov.exponents, lyapunov.every
        )
        return self.points * (steps.longest * step_seconds(self._weights) + measured)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """The motion at every point."""
        transient = {"transient": ArrayLayout((len(points),), np.dtype(np.int64))}
        return motion_layout((len(points),), self.config.lyapunov) | transient

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Advance the points past the transient, and measure their motion."""
        steps = self.config.steps
        settling = pass_transient(self._orbits(points), steps, advance)
        motion = measure(settling.orbits, settling.settled, self.config.lyapunov, steps, advance)
        return motion_arrays(motion) | {"transient": settling.steps}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Orbits that had not settled, and runs too short for their errors."""
        return list(motion_warnings(arrays))

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure as PNG and PDF."""
        from mfattn.figures.style import render

        return render(self.figure(arrays, note))

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """The planes of the exponents, the regimes, the periods and the rotation numbers."""
        from mfattn.figures.meanfield.phase_diagram import draw_phase_diagram

        x, y = self.config.plane.x, self.config.plane.y
        planes = {name: array.reshape(y.count, x.count, *array.shape[1:]) for name, array in arrays.items()}
        return draw_phase_diagram(
            (x.parameter, x.grid), (y.parameter, y.grid), planes, REGIME_LABELS, caption_of(self.config) + note
        )
