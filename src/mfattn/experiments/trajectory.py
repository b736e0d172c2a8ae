"""Trajectories: whole orbits with every observable, at one parameter point or along a sweep."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import MeanFieldExperiment
from mfattn.experiments.limits import result_bytes, size_mistakes
from mfattn.experiments.meanfield_config import (
    MeanFieldConfig,
    SweepConfig,
    make_orbits,
)
from mfattn.experiments.stepping import advance_orbits, record_orbits, step_seconds
from mfattn.meanfield.model import OBSERVABLES
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

BLOCK_BYTES = 2**28
"""Largest block that is made of several points."""


class TrajectoryConfig(MeanFieldConfig):
    """Whole orbits."""

    experiment: Literal["trajectory"] = Field(description="This kind of run.")
    sweep: SweepConfig | None = Field(None, description="The swept parameter and its values; without it, one point.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        number = 1 if self.sweep is None else self.sweep.num
        layout = _layout(self, number)
        yield from size_mistakes(("steps", "record"), layout, "record fewer steps or sweep fewer values")


def _layout(config: TrajectoryConfig, points: int) -> dict[str, ArrayLayout]:
    shape = (points, config.steps.record, config.model.features)
    return {name: ArrayLayout(shape, np.dtype(np.float64)) for name in OBSERVABLES}


class Trajectory(MeanFieldExperiment[TrajectoryConfig]):
    """The trajectory experiment; see `mfattn.pipeline.experiment.Experiment`."""

    @property
    def block_size(self) -> int:
        """As many points as make a block of reasonable size."""
        return max(1, min(64, BLOCK_BYTES // result_bytes(_layout(self.config, 1))))

    def estimate(self) -> float:
        """Rough core-seconds; a recorded step costs about three transient ones."""
        steps = self.config.steps
        return self.points * (steps.transient + 3 * steps.record) * step_seconds(self._weights)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Every observable of every step."""
        return _layout(self.config, len(points))

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Advance the points past the transient, then record them."""
        steps = self.config.steps
        orbits = make_orbits(self.config, self._weights, self._grid, np.array(points))
        advance_orbits(orbits, steps.transient, advance)
        return record_orbits(orbits, steps.record, OBSERVABLES, advance)

    def constants(self) -> Arrays:
        """The swept values."""
        return {**self._grid.arrays()}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """None."""
        return []

    def draw(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
        """None: a trajectory's result is its arrays."""
        return {}
