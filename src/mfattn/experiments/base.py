"""What the mean-field experiments have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.meanfield_config import (
    Grid,
    MeanFieldConfig,
    StartedConfig,
    describe_model,
    identity_of,
    make_orbits,
)
from mfattn.meanfield import Orbits
from mfattn.pipeline.experiment import Arrays

Configured = TypeVar("Configured", bound=MeanFieldConfig)
Started = TypeVar("Started", bound=StartedConfig)


class MeanFieldExperiment(Generic[Configured]):
    """A grid of parameter points of one model; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections: ClassVar[tuple[str, ...]]
    """Sections of the config, beside the model, that the numbers depend on."""

    def __init__(self, config: Configured) -> None:
        self.config = config
        self._weights = config.model.build()
        self._grid = Grid.of(config)

    @property
    def points(self) -> int:
        """Number of grid points."""
        return len(self._grid.beta)

    def identity(self) -> dict[str, Any]:
        """Experiment, model, and the sections that change numbers."""
        return identity_of(self.config, self.numeric_sections)

    def describe(self) -> list[tuple[str, str]]:
        """Model and grid."""
        return describe_model(self.config)

    def constants(self) -> Arrays:
        """The swept values."""
        return {**self._grid.arrays()}

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Nothing: every number belongs to a point."""
        return {}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """None."""
        return []


class StartedExperiment(MeanFieldExperiment[Started]):
    """An experiment with one start at every point."""

    def _orbits(self, points: range | list[int]) -> Orbits:
        """Orbits at some points of the grid, at their starts."""
        index = np.array(points, dtype=np.int64)
        starts = [self.config.start.context_of(self._weights, epsilon) for epsilon in self._grid.epsilon[index]]
        return make_orbits(self.config, self._weights, self._grid, index, starts)
