"""Attractor census: which attractors coexist at each value of a parameter, from many random starts."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import MeanFieldExperiment
from mfattn.experiments.meanfield.config import (
    LyapunovConfig,
    MeanFieldConfig,
    RandomStartsConfig,
    SettlingStepsConfig,
    SweepConfig,
    caption_of,
    make_orbits,
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
from mfattn.meanfield.census import attractors
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORBITS_PER_BLOCK = 256


class CensusConfig(MeanFieldConfig):
    """An attractor census."""

    experiment: Literal["census"] = Field(description="This kind of run.")
    sweep: SweepConfig = Field(description="The swept parameter and its values.")
    starts: RandomStartsConfig = Field(description="Random starts at every value.")
    steps: SettlingStepsConfig = Field(description="Numbers of steps a start.")
    lyapunov: LyapunovConfig = Field(LyapunovConfig(), description="Lyapunov exponents.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from size_mistakes(("starts", "number"), self.layout(self.sweep.count), "sweep fewer values or starts")

    def layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points."""
        shape = (points, self.starts.number)
        extents = ArrayLayout((*shape, self.model.features), np.dtype(np.float64))
        whole, flag = ArrayLayout(shape, np.dtype(np.int64)), ArrayLayout(shape, np.dtype(np.bool_))
        own = {"attractor": whole, "mirrored": flag, "minimum": extents, "maximum": extents, "transient": whole}
        return motion_layout(shape, self.lyapunov) | own


class Census(MeanFieldExperiment[CensusConfig]):
    """The census experiment; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections = ("sweep", "starts", "steps", "lyapunov")

    @property
    def block_size(self) -> int:
        """As many values as make a block of reasonable size."""
        return max(1, ORBITS_PER_BLOCK // self.config.starts.number)

    @property
    def steps_per_point(self) -> int:
        """Steps of all starts."""
        return self.config.starts.number * steps_to_measure(self.config.steps, self._weights.context_length)

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid, starts, steps and exponents."""
        starts = self.config.starts
        line = ("starts", f"{starts.number:,} random contexts a value, seed {starts.seed}")
        return [*super().describe(), line, *describe_measurement(self.config.steps, self.config.lyapunov)]

    def estimate(self) -> float:
        """Rough core-seconds."""
        steps, lyapunov = self.config.steps, self.config.lyapunov
        measured = measured_steps(steps, self._weights.context_length) * step_seconds(
            self._weights, lyapunov.exponents, lyapunov.every
        )
        return self.points * self.config.starts.number * (steps.longest * step_seconds(self._weights) + measured)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """The motion of every start, and the attractor that it reached."""
        return self.config.layout(len(points))

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Run every start past the transient, measure its motion, and tell the attractors apart."""
        config, number = self.config, self.config.starts.number
        starts = [start for point in points for start in config.starts.contexts(self._weights, point)]
        orbits = make_orbits(config, self._weights, self._grid, np.repeat(np.array(points), number), starts)
        settling = pass_transient(orbits, config.steps, advance)
        motion = measure(settling.orbits, settling.settled, config.lyapunov, config.steps, advance)
        arrays = motion_arrays(motion) | {
            "minimum": motion.minimum,
            "maximum": motion.maximum,
            "transient": settling.steps,
        }
        shape = (len(points), number)
        arrays = {name: array.reshape(*shape, *array.shape[1:]) for name, array in arrays.items()}
        found = [
            attractors(motion.part(slice(i * number, (i + 1) * number)), symmetric=bool(self._grid.epsilon[point] == 0))
            for i, point in enumerate(points)
        ]
        numbers, mirrored = zip(*found, strict=True)
        return arrays | {"attractor": np.stack(numbers), "mirrored": np.stack(mirrored)}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Orbits that had not settled, and runs too short for their errors."""
        return list(motion_warnings(arrays))

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure as PNG and PDF."""
        from mfattn.figures.style import render

        return render(self.figure(arrays, note))

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """Leading exponent, extents and share of every attractor over the parameter."""
        from mfattn.figures.meanfield.census import draw_census

        parameter = self.config.sweep.parameter
        caption = f"{caption_of(self.config)}, {self.config.starts.number:,} random starts a value{note}"
        return draw_census(parameter, arrays, REGIME_LABELS, caption)
