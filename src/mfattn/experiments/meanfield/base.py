"""What the mean-field experiments have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.base import GridExperiment
from mfattn.experiments.meanfield.config import (
    Grid,
    MeanFieldConfig,
    StartedConfig,
    describe_model,
    identity_of,
    make_orbits,
)
from mfattn.experiments.tables import values_table
from mfattn.meanfield import Orbits
from mfattn.meanfield.regimes import Regime
from mfattn.pipeline.experiment import Arrays, Table

Configured = TypeVar("Configured", bound=MeanFieldConfig)
Started = TypeVar("Started", bound=StartedConfig)


class MeanFieldExperiment(GridExperiment[Configured]):
    """A grid of parameter points of one model; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections: ClassVar[tuple[str, ...]]
    """Sections of the config, beside the model, that the numbers depend on."""

    def __init__(self, config: Configured) -> None:
        super().__init__(config)
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

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """How many points, or orbits, are of each regime, where regimes were measured."""
        if "regime" not in arrays:
            return []
        counts = [(regime.label, np.count_nonzero(arrays["regime"] == regime)) for regime in Regime]
        return [(label, f"{count:,}") for label, count in counts if count]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The numbers of every point."""
        own = {**self.layout(range(self.points)), **self._grid.arrays(), "chain": None}
        return {"values": values_table({name: arrays[name] for name in arrays if name in own}, self.points)}


class StartedExperiment(MeanFieldExperiment[Started]):
    """An experiment with one start at every point."""

    def _orbits(self, points: range | list[int]) -> Orbits:
        """Orbits at some points of the grid, at their starts."""
        index = np.array(points, dtype=np.int64)
        starts = [self.config.start.context_of(self._weights, epsilon) for epsilon in self._grid.epsilon[index]]
        return make_orbits(self.config, self._weights, self._grid, index, starts)
