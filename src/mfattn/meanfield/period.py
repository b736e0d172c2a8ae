"""Period of a recorded orbit."""

import numpy as np
from numpy.typing import NDArray

LONGEST_PERIOD = 1024
WINDOW = 2048
TOLERANCE = 1e-9


def period(
    orbit: NDArray[np.float64],
    *,
    longest: int = LONGEST_PERIOD,
    window: int = WINDOW,
    tolerance: float = TOLERANCE,
) -> int:
    r"""Smallest period of an orbit, or 0 where it has none.

    The smallest :math:`p` with :math:`\max_t |x_t - x_{t-p}| <` `tolerance`, the times t and t - p both among the last
    `window` steps.

    Parameters
    ----------
    orbit : (steps, M) array
    longest : int
        Longest period looked for; no longer than half of the steps compared, whatever is asked.
    window : int
        Number of last steps that are compared.
    tolerance : float
        Bound on the difference of every component.

    Returns
    -------
    int
        In steps. An orbit that is not finite has period 0.

    Examples
    --------
    >>> period(np.tile([[0.0], [1.0], [2.0]], (20, 1)))
    3
    >>> period(np.random.default_rng(1).normal(size=(60, 1)))
    0
    """
    last = orbit[-window:]
    longest = min(longest, len(last) // 2)
    if longest == 0:
        return 0
    # Nearly every wrong candidate fails on the last step alone.
    earlier = last[len(last) - 1 - longest : len(last) - 1][::-1]
    for candidate in 1 + np.flatnonzero((np.abs(earlier - last[-1]) < tolerance).all(axis=1)):
        if (np.abs(last[candidate:] - last[:-candidate]) < tolerance).all():
            return int(candidate)
    return 0
