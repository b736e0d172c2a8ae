"""What is asked for, checked once at the door."""

import numpy as np
from numpy.typing import ArrayLike

from mfattn.checks import Array, Integers, checked_choice, checked_integer, checked_number

__all__ = ["Array", "Integers", "checked_choice", "checked_distances", "checked_integer", "checked_number"]


def checked_distances(n: int, dv: ArrayLike | None, *, name: str = "dv") -> Integers:
    """Distances (or radii) as an array of int from 0 to N; None stands for all of them.

    >>> checked_distances(3, None).tolist()
    [0, 1, 2, 3]
    """
    if dv is None:
        return np.arange(n + 1)
    values = np.asarray(dv)
    if values.size and values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, found {values.dtype}")
    if values.size and not (values.min() >= 0 and values.max() <= n):
        raise ValueError(f"{name} must be 0 to n = {n}, found {values.min()} to {values.max()}")
    return values.astype(np.int64)
