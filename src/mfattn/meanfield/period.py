"""Period of a recorded orbit."""

import numpy as np
from numpy.typing import NDArray

LONGEST_PERIOD = 1024
WINDOW = 2048
TOLERANCE = 1e-9

NEAR = 1e-3
"""Differences that may still shrink: an orbit this close to its cycle is on the way to it."""

SHRINKING = 0.97
"""Factor by which they shrink, at the least, from one half of the window to the next."""

LONGEST_SPIRAL = 128
"""Longest period of a cycle that an orbit still approaches."""

SAMPLES = 64
"""Steps of each half on which differences are compared first."""

GOLDEN = 0.6180339887498949


def period(
    orbit: NDArray[np.float64],
    *,
    longest: int = LONGEST_PERIOD,
    window: int = WINDOW,
    tolerance: float = TOLERANCE,
    attracts: bool = True,
) -> int:
    r"""Smallest period of an orbit, or of the cycle that it spirals into, or 0 where it has none.

    The smallest :math:`p` with :math:`\max_t |x_t - x_{t-p}|` below `tolerance`, the times t and t - p both among the
    last `window` steps; or, up to `LONGEST_SPIRAL`, with that maximum below `NEAR` and shrinking: from the first to the
    second half of the times t by `SHRINKING` at the least, and from quarter to quarter. Without the second clause a
    slow spiral would seem to have the period of its own rotation wherever that happens to be nearly rational.

    Parameters
    ----------
    orbit : (steps, M) array
    longest : int
        Longest period looked for; no longer than half of the steps compared, whatever is asked.
    window : int
        Number of last steps that are compared.
    tolerance : float
        Bound on the difference of every component.
    attracts : bool
        Whether the orbit may be on its way to a cycle; if it is known not to be, the second clause is left out. Beside
        a fold an orbit passes slowly where the cycle was, and that looks like an approach for a while.

    Returns
    -------
    int
        In steps. An orbit that is not finite has period 0.

    Examples
    --------
    >>> period(np.tile([[0.0], [1.0], [2.0]], (20, 1)))
    3
    >>> steps = np.arange(2000)[:, np.newaxis]
    >>> period((-1.0) ** steps + 1e-4 * 0.999**steps * np.cos(2 * np.pi * 0.1 * steps))
    2
    >>> period(np.random.default_rng(1).normal(size=(60, 1)))
    0
    """
    last = orbit[-window:]
    longest = min(longest, len(last) // 2)
    if longest == 0:
        return 0
    spiral = _approached_period(last, min(longest, LONGEST_SPIRAL)) if attracts else 0
    # Nearly every wrong candidate fails on the last step alone.
    earlier = last[len(last) - 1 - longest : len(last) - 1][::-1]
    for candidate in 1 + np.flatnonzero((np.abs(earlier - last[-1]) < tolerance).all(axis=1)):
        if 0 < spiral < candidate:
            break
        if (np.abs(last[candidate:] - last[:-candidate]) < tolerance).all():
            return int(candidate)
    return spiral


def _approached_period(orbit: NDArray[np.float64], longest: int) -> int:
    """Smallest lag at which differences shrink, if they are small there, else 0."""
    steps = len(orbit)
    # Uneven, so that they do not beat with the orbit.
    shares = (np.arange(2 * SAMPLES) + (GOLDEN * np.arange(2 * SAMPLES)) % 1.0) / (2 * SAMPLES)
    times = longest + (shares * (steps - longest)).astype(np.int64)
    lags = np.arange(1, longest + 1)[:, np.newaxis]
    sampled = np.abs(orbit[times] - orbit[times - lags]).max(axis=2)
    before, after = sampled[:, :SAMPLES].max(axis=1), sampled[:, SAMPLES:].max(axis=1)
    for lag in 1 + np.flatnonzero(after < SHRINKING * before):
        quarters = [part.max(initial=0.0) for part in np.array_split(np.abs(orbit[lag:] - orbit[:-lag]), 4)]
        halves = max(quarters[:2]), max(quarters[2:])
        if halves[1] < SHRINKING * halves[0] and halves[0] > TOLERANCE:
            return int(lag) if halves[0] < NEAR and quarters == sorted(quarters, reverse=True) else 0
    return 0
