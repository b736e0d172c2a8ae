"""What the pipeline asks of an experiment."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline.config import Config

Arrays = dict[str, NDArray[Any]]

Advance = Callable[[int], None]
"""Told of steps as they are done (summed over points); raises `Stopped` when the run is to end."""


class ArrayLayout(NamedTuple):
    """Shape and type of an array of a block; blocks are joined along the first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Experiment(Protocol):
    """A grid of parameter points, how a range of them is computed, and what the result becomes.

    An experiment is built from its validated config alone and is pickled to the worker processes.
    """

    @property
    def config(self) -> Config:
        """The config that it was built from."""

    @property
    def points(self) -> int:
        """Number of grid points."""

    @property
    def block_size(self) -> int:
        """Grid points of a block, unless the user says otherwise."""

    @property
    def steps_per_point(self) -> int:
        """Steps of a point, for progress and estimates."""

    def identity(self) -> dict[str, Any]:
        """Everything that changes the numbers of the result, as plain values."""

    def describe(self) -> list[tuple[str, str]]:
        """Lines (word, text) that tell a user what will be computed."""

    def estimate(self) -> float:
        """Rough core-seconds of the whole run, without compilation."""

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Names, shapes and types of the arrays of a block that holds POINTS."""

    def compute(self, points: range, advance: Advance) -> Arrays:
        """The arrays of `layout` for POINTS; calls ADVANCE as steps are done."""

    def constants(self) -> Arrays:
        """Arrays of the result that belong to no block, such as the grid."""

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Further arrays of the result, computed from those of all points."""

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """What a user should know about a complete result before trusting its figure."""

    def draw(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
        """The figure of a complete result as files, content by suffix; empty where the experiment draws none."""
