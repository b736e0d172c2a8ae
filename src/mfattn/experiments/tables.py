"""Results as tables."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mfattn.pipeline.experiment import Table

MOST_COLUMNS = 100
"""Columns that an array may fill in a table of the points."""


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
