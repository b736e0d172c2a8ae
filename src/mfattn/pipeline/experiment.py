"""What the pipeline asks of an experiment."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline.config import RunConfig

Arrays = dict[str, NDArray[Any]]

Advance = Callable[[int], None]
"""Told of steps as they are done (summed over points); raises `Stopped` when the run is to end."""


class ArrayLayout(NamedTuple):
    """Shape and type of an array of a block; blocks are joined along the first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Table(NamedTuple):
    """Rows of numbers and words under their names, as for a CSV file."""

    columns: Sequence[str]
    rows: Iterable[Sequence[object]]


class Chain(Protocol):
    """What is walked before any block: link after link, each from where the one before it ended."""

    @property
    def links(self) -> int:
        """Number of links."""

    @property
    def steps(self) -> int:
        """Steps of the whole chain, for progress and estimates."""

    def stages(self, link: int) -> range:
        """Stages of the walk that LINK holds."""

    def layout(self, link: int) -> dict[str, ArrayLayout]:
        """Names, shapes and types of the arrays of LINK."""

    def walk(self, link: int, before: Mapping[str, NDArray[Any]] | None, advance: Advance) -> Arrays:
        """The arrays of LINK, walked on from those of the link BEFORE it; the first link has none before it."""

    def experiment_from(self, links: Sequence[Mapping[str, NDArray[Any]]]) -> "Experiment":
        """The experiment that computes blocks from the arrays of all LINKS."""


class Experiment(Protocol):
    """A grid of parameter points, how a range of them is computed, and what the result becomes.

    An experiment is built from its validated config alone and is pickled to the worker processes.
    """

    @property
    def config(self) -> RunConfig:
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

    @property
    def chain(self) -> Chain | None:
        """What must be walked before any block can be computed, if anything."""

    def check(self) -> None:
        """Raise InputError where something is not installed that the computation needs."""

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

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure of a result as files, content by suffix, with NOTE in its caption; empty where there is none.

        Points that are missing from a partial result hold `missing_value`.
        """

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Lines (what, how much) that sum up a result for a report."""

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The result as tables by name; the first is what a diagram shows."""


def array_bytes(layout: Mapping[str, ArrayLayout]) -> int:
    """Bytes of the arrays of a layout."""
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in layout.values())


def missing_value(dtype: np.dtype[Any]) -> float | int | bool:
    """What a partial result holds where nothing was computed: NaN, -1 (0 for counts), or false."""
    return {"f": np.nan, "i": -1}.get(dtype.kind, False)
