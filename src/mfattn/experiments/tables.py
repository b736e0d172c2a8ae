"""Results as tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
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


def curves_table(arrays: Mapping[str, NDArray[Any]], points: int) -> Table | None:
    """A row for every point and value of an axis, of all arrays over both; None where there are none.

    The axis is the first list of numbers that is as long as the second dimension of an array, and not as the points.
    """
    axes: dict[int, str] = {}
    for name, array in arrays.items():
        if array.ndim == 1 and len(array) != points:
            axes.setdefault(len(array), name)
    curves = [name for name, array in arrays.items() if array.ndim == 2 and len(array) == points]
    lengths = [arrays[name].shape[1] for name in curves if arrays[name].shape[1] in axes]
    if not lengths:
        return None
    length = lengths[0]
    curves = [name for name in curves if arrays[name].shape[1] == length]
    of_points = [name for name, array in arrays.items() if array.ndim == 1 and len(array) == points]
    columns = [np.repeat(arrays[name], length) for name in of_points]
    columns += [np.tile(arrays[axes[length]], points), *(arrays[name].ravel() for name in curves)]
    names = [*of_points, axes[length], *curves]
    return Table(names, zip(*(column.tolist() for column in columns), strict=True))
