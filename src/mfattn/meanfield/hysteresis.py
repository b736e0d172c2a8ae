"""Hysteresis: whether orbits that came to the same parameters by different ways are on the same attractor."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RECORD = 150_000
"""Steps of the published runs, at which the thresholds were measured."""

APART = 0.02
"""Distance from which two densities are not samples of one attractor, as a share of the height of the diagram.

Chaotic orbits of the published continuations were recorded for 150,000 steps, and again for the next 150,000: in the
median of 507 orbits the two densities were 0.002 apart, in nine of ten less than 0.006. Beyond 0.02 lay one of 215 at
P = 2, and some of 292 at P = 5, weakly chaotic ones that had not yet settled.
"""

REGULAR_APART = 0.005
"""The same where both orbits are cycles or tori.

On those runs, regular orbits of one period and one exponent were at most 0.0004 apart, those that had not yet settled
beside a bifurcation 0.003, and the closest of the cycles that coexist at P = 5, for β up to 3, 0.007.
"""


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


def are_apart(
    distance: NDArray[np.float64], regular: NDArray[np.bool_], bin_size: float = 0.0, steps: int = RECORD
) -> NDArray[np.bool_]:
    """Whether orbits are on different attractors, by the distance of their densities.

    Parameters
    ----------
    distance : (...) array
        Distances between the densities of two orbits, as shares of the height of the diagram.
    regular : (...) array of bool
        Whether both orbits are known to be cycles or tori, which their densities show without noise; such densities
        are told apart from `REGULAR_APART` on, others from `APART` on.
    bin_size : float
        Height of a bin, as the same share: by binning alone, equal densities can be as far apart.
    steps : int
        Steps of which the densities are made: where they are fewer than `RECORD`, the noise of chaotic ones grows as
        steps^(-1/2), and the threshold with it.

    Returns
    -------
    (...) array of bool
        False where a distance is NaN.

    Examples
    --------
    >>> are_apart(np.array([0.01, 0.01, np.nan]), np.array([True, False, False])).tolist()
    [True, False, False]
    """
    result: NDArray[np.bool_] = distance > np.maximum(
        np.where(regular, REGULAR_APART, APART * max(1.0, (RECORD / steps) ** 0.5)), bin_size
    )
    return result


def runs(values: NDArray[np.float64], flags: NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
    """First and last of each run of neighbouring VALUES that are flagged.

    >>> list(runs(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, True])))
    [(1.0, 2.0), (4.0, 4.0)]
    """
    padded = np.concatenate([[False], flags, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        yield float(values[begin]), float(values[end - 1])
