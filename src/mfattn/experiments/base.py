"""What all experiments have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.tables import curves_table, values_table
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Chain, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Configured = TypeVar("Configured", bound=RunConfig)

BLOCK_SECONDS = 5.0
"""Seconds of a block that is worth a file of its own."""


class GridExperiment(Generic[Configured]):
    """A grid of points, of which nothing is special; see `mfattn.pipeline.experiment.Experiment`."""

    def __init__(self, config: Configured) -> None:
        self.config = config

    @property
    @abstractmethod
    def points(self) -> int:
        """Number of grid points."""

    @property
    def chain(self) -> Chain | None:
        """None: every point starts anew."""
        return None

    def check(self) -> None:
        """Nothing is needed but what comes with the package."""

    @abstractmethod
    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Names, shapes and types of the arrays of a block that holds POINTS."""

    def constants(self) -> Arrays:
        """None."""
        return {}

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Nothing: every number belongs to a point."""
        return {}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """None."""
        return []

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """None."""
        return []

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The curves of every point, if it has some, and its numbers."""
        own = {name: arrays[name] for name in (*self.constants(), *self.layout(range(self.points)))}
        curves = curves_table(own, self.points)
        return ({} if curves is None else {"curves": curves}) | {"values": values_table(own, self.points)}


class PointwiseExperiment(GridExperiment[Configured]):
    """A grid whose points are computed one by one, each on its own."""

    @property
    @abstractmethod
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a point."""

    @property
    def steps_per_point(self) -> int:
        """One: what is counted is points."""
        return 1

    @property
    def block_size(self) -> int:
        """As many points as are worth a file."""
        return max(1, min(self.points, round(BLOCK_SECONDS / self.seconds_per_point)))

    def identity(self) -> dict[str, Any]:
        """The whole config but what it looks like and where it runs."""
        return self.config.model_dump(mode="json", by_alias=True, exclude={"figure", "slurm"})

    def estimate(self) -> float:
        """Rough core-seconds."""
        return self.points * self.seconds_per_point

    @abstractmethod
    def point_layout(self) -> dict[str, ArrayLayout]:
        """Names, shapes and types of the arrays of one point."""

    @abstractmethod
    def compute_point(self, point: int) -> Mapping[str, Any]:
        """The arrays, or numbers, of `point_layout` for POINT."""

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """The arrays of a point, once for each of POINTS."""
        return {name: ArrayLayout((len(points), *shape), dtype) for name, (shape, dtype) in self.point_layout().items()}

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Every point, one after the other."""
        arrays: Arrays = {name: np.empty(shape, dtype) for name, (shape, dtype) in self.layout(points).items()}
        for row, point in enumerate(points):
            for name, values in self.compute_point(point).items():
                arrays[name][row] = values
            advance(1)
        return arrays

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure as PNG and PDF."""
        from mfattn.figures.style import render

        return render(self.figure(arrays, note))

    @abstractmethod
    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """The figure, with NOTE in its caption."""
