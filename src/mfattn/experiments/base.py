"""What the mean-field experiments have in common."""

from abc import abstractmethod
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
from mfattn.meanfield.regimes import Regime
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Chain, Table

Configured = TypeVar("Configured", bound=MeanFieldConfig)
Started = TypeVar("Started", bound=StartedConfig)


MOST_COLUMNS = 100
"""Columns that an array may fill in a table of the points."""


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

    @property
    def chain(self) -> Chain | None:
        """None: every point starts anew."""
        return None

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

    @abstractmethod
    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Names, shapes and types of the arrays of a block that holds POINTS."""


def values_table(arrays: Mapping[str, NDArray[Any]], points: int) -> Table:
    """A row for every point: each array that has a number, or a few, for each of them."""
    names: list[str] = []
    columns: list[NDArray[Any]] = []
    for name, array in arrays.items():
        if array.ndim not in (1, 2) or len(array) != points or array[:1].size > MOST_COLUMNS:
            continue
        numbers = [""] if array.ndim == 1 else [f"_{number}" for number in range(1, array.shape[1] + 1)]
        names += [name + number for number in numbers]
        columns += [array] if array.ndim == 1 else list(array.T)
    return Table(names, zip(*(column.tolist() for column in columns), strict=True))


class StartedExperiment(MeanFieldExperiment[Started]):
    """An experiment with one start at every point."""

    def _orbits(self, points: range | list[int]) -> Orbits:
        """Orbits at some points of the grid, at their starts."""
        index = np.array(points, dtype=np.int64)
        starts = [self.config.start.context_of(self._weights, epsilon) for epsilon in self._grid.epsilon[index]]
        return make_orbits(self.config, self._weights, self._grid, index, starts)
