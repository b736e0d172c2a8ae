"""Hysteresis: whether orbits that came to the same parameters by different ways are on the same attractor."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def outward(number: int, start: int) -> tuple[range, range]:
    """Indices of NUMBER values in the order of two walks from START: upward, and downward.

    >>> [list(walk) for walk in outward(5, 1)]
    [[1, 2, 3, 4], [1, 0]]
    """
    return range(start, number), range(start, -1, -1)


def density_distance(first: NDArray[np.number], second: NDArray[np.number], width: float) -> NDArray[np.float64]:
    """Wasserstein distance between densities that are given as counts in the same bins.

    In one dimension W_1(p, q) = ∫ |P(x) - Q(x)| dx, with the cumulated densities P and Q [1]. It is a distance of the
    values themselves, so that an orbit on the edge of two bins is near itself, as total variation would not have it.

    Parameters
    ----------
    first, second : (..., bins) array
        Counts; their sums may differ.
    width : float
        Width of a bin.

    Returns
    -------
    (...) array
        Distances, in units of the values; NaN where one of the two holds no count.

    References
    ----------
    .. [1] S. S. Vallender, Theory Probab. Appl. 18, 784 (1974).

    Examples
    --------
    >>> density_distance(np.array([4, 0, 0]), np.array([0, 0, 1]), 0.5)
    array(1.)
    """
    cumulated = []
    for counts in (first, second):
        sums = np.cumsum(counts, axis=-1, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            cumulated.append(sums / sums[..., -1:])
    return np.asarray(width * np.abs(cumulated[0] - cumulated[1]).sum(axis=-1))


def ranges_above(
    values: NDArray[np.float64], heights: NDArray[np.float64], threshold: float
) -> Iterator[tuple[float, float]]:
    """First and last of each run of neighbouring VALUES whose HEIGHTS exceed a threshold; NaN exceeds none."""
    above = np.concatenate([[False], heights > threshold, [False]])
    edges = np.flatnonzero(above[1:] != above[:-1])
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        yield float(values[begin]), float(values[end - 1])
