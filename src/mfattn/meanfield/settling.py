"""Whether an orbit kept its kind while it was measured, and escapes from chaotic saddles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.lyapunov import ZERO, Tangents, spectrum
from mfattn.meanfield.model import Array
from mfattn.meanfield.orbits import Orbits

SIGNIFICANT_SHIFT = 6.0
"""Standard errors by which the mean exponents before and after a change differ."""

SMALLEST_SHIFT = 1e-3
"""Difference of exponents below which nothing is called a change."""


def is_stationary(finite_time: ArrayLike) -> NDArray[np.bool_]:
    """Whether sequences of finite-time exponents keep their mean.

    A sequence has changed if it can be cut in two (the last part at least two blocks long) such that the means differ
    by more than `SMALLEST_SHIFT` and by more than `SIGNIFICANT_SHIFT` times what the scatter about them explains.

    Parameters
    ----------
    finite_time : (points, blocks) array
        Exponents of consecutive blocks of equal length.

    Returns
    -------
    (points,) array of bool
        False too for sequences that are not finite, but for those that are -inf throughout; True for fewer than four
        blocks, which show nothing.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(0, 0.01, (2, 64))
    >>> is_stationary(noise + [[0.1], [0.1]] + 0.1 * np.array([[0], [1]]) * (np.arange(64) > 40)).tolist()
    [True, False]
    """
    values = np.asarray(finite_time, dtype=np.float64)
    blocks = values.shape[1]
    usable = np.all(np.isfinite(values), axis=1)
    stationary: NDArray[np.bool_] = np.logical_or(usable, np.all(np.isneginf(values), axis=1))
    for cut in range(2, blocks - 1):
        left, right = values[usable, :cut], values[usable, cut:]
        shift = np.abs(left.mean(axis=1) - right.mean(axis=1))
        squares = left.var(axis=1) * cut + right.var(axis=1) * (blocks - cut)
        scatter = np.sqrt(squares / (blocks - 2) * (1 / cut + 1 / (blocks - cut)))
        stationary[usable] &= (shift <= SMALLEST_SHIFT) | (shift <= SIGNIFICANT_SHIFT * scatter)
    return stationary


class Steppable(Protocol):
    """Points that can be advanced together."""

    def advance(self, steps: int) -> None:
        """Advance every point by STEPS steps."""

    def __len__(self) -> int: ...


Move = Callable[[Steppable, int], None]
"""Advances points by a number of steps, perhaps piece by piece and with a report of progress."""


def move_at_once(points: Steppable, steps: int) -> None:
    """Advance without any report."""
    points.advance(steps)


@dataclass(frozen=True, eq=False)
class Settling:
    """Orbits where they settled or reached the limit, after how many steps, and which of the two."""

    orbits: Orbits
    steps: NDArray[np.int64]  # (points,)
    settled: NDArray[np.bool_]  # (points,)


def settle(orbits: Orbits, *, first: int, limit: int, move: Move = move_at_once) -> Settling:
    """Run each point until it settles, or to the limit.

    The time is doubled from `first` on, and the leading exponent measured over its last half. A point has settled when
    that exponent is stationary and not positive: it is then on a cycle or a torus. A chaotic orbit may be a transient
    for as long as one cares to look, so it is run to the limit, and has settled if it was stationary over the last
    part measured.

    Parameters
    ----------
    orbits : Orbits
        With full windows; left where they are.
    first : int
        Steps after which a point can have settled, at least 256.
    limit : int
        Most steps of a point.
    move : callable
        Advances a batch, in place of its own method.

    Raises
    ------
    ValueError
        If the limit is below first, or first below 256.
    """
    if not 256 <= first <= limit:
        raise ValueError(f"first must be from 256 to limit, found {first} and {limit}")
    contexts, steps = orbits.contexts(), np.zeros(len(orbits), dtype=np.int64)
    settled = np.zeros(len(orbits), dtype=bool)
    running, elapsed = np.arange(len(orbits)), 0
    while running.size and elapsed < limit:
        target = max(first, 2 * elapsed)
        # The last look is never shorter than half of all steps.
        target = limit if 2 * target > limit else target
        batch = orbits.restarted(running, [contexts[point] for point in running])
        leading = _leading_exponent(batch, target - elapsed, min(target // 2, target - elapsed), move)
        elapsed = target
        for point, context in zip(running, batch.contexts(), strict=True):
            contexts[point] = context
        steps[running] = elapsed
        regular = leading.mean(axis=1) <= ZERO
        settled[running] = is_stationary(leading) & (regular | (elapsed == limit))
        running = running[~settled[running]]
    return Settling(orbits.restarted(np.arange(len(orbits)), contexts), steps, settled)


def _leading_exponent(batch: Orbits, steps: int, measured: int, move: Move) -> Array:
    """Finite-time exponents (points, blocks) of the last MEASURED of STEPS steps."""
    move(batch, steps - measured)
    tangents = Tangents(batch, 1)
    alignment = measured // 8
    flow = spectrum(tangents, measured - alignment, alignment=alignment, advance=lambda n: move(tangents, n))
    return flow.finite_time[..., 0]


def escape_times(
    orbits: Orbits, *, threshold: float, window: int, limit: int, move: Move = move_at_once
) -> NDArray[np.int64]:
    """Steps until the leading exponent over a window no longer exceeds a threshold.

    Parameters
    ----------
    orbits : Orbits
        With full windows; advanced in place, or not, as the points escape.
    threshold : float
        Exponent per step above which an orbit counts as still on the chaotic saddle.
    window : int
        Steps over which it is measured, at least 1.
    limit : int
        Most steps of a point, at least a window.
    move : callable
        Advances a batch, in place of its own method.

    Returns
    -------
    (points,) array
        Steps before the first window at or below the threshold; -1 where there was none up to the limit.
    """
    if not 1 <= window <= limit:
        raise ValueError(f"window must be from 1 to limit, found {window} and {limit}")
    times = np.full(len(orbits), -1, dtype=np.int64)
    running, tangents = np.arange(len(orbits)), Tangents(orbits, 1)
    for start in range(0, limit - window + 1, window):
        move(tangents, window)
        tangents.orthonormalise()
        escaped = tangents.growth[:, 0] <= threshold * window
        tangents.restart()
        times[running[escaped]] = start
        running = running[~escaped]
        if not running.size:
            break
        if escaped.any():
            stay = np.flatnonzero(~escaped)
            contexts = tangents.orbits.contexts()
            batch = tangents.orbits.restarted(stay, [contexts[point] for point in stay])
            tangents = Tangents(batch, 1, basis=tangents.basis[stay])
    return times


def survival(times: ArrayLike, steps: ArrayLike) -> Array:
    """Share of the orbits that have not escaped before each of given numbers of steps.

    Parameters
    ----------
    times : (orbits,) array
        As `escape_times` gives them, -1 for no escape.
    steps : (n,) array

    Examples
    --------
    >>> survival([0, 100, 300, -1], [0, 1, 200, 400]).tolist()
    [1.0, 0.75, 0.5, 0.25]
    """
    escapes = np.where(np.asarray(times) < 0, np.inf, times)
    return np.mean(escapes[:, np.newaxis] >= np.asarray(steps), axis=0)


def escape_rate(times: ArrayLike, *, limit: int, start: int) -> tuple[float, float]:
    r"""Rate of exponential escape after a number of steps, and its standard error.

    The likeliest rate is :math:`\kappa = n / \sum_i (t_i - t_0)` over the orbits still there at :math:`t_0`, with n
    escapes among them and :math:`t_i` the escape or the limit; its error is :math:`\kappa / \sqrt n`.

    Parameters
    ----------
    times : (orbits,) array
        As `escape_times` gives them.
    limit : int
        Steps after which it looked no further.
    start : int
        :math:`t_0`: what escapes before never came to the saddle.

    Returns
    -------
    rate, error : float
        Per step. Without any escape the rate is 0 and the error the rate whose chance of none is 1/e; both NaN where
        no orbit is left at the start.
    """
    times = np.asarray(times)
    ends = np.where(times < 0, limit, times)[(times < 0) | (times > start)]
    escapes, exposure = np.count_nonzero(times > start), float(np.sum(ends - start))
    if exposure <= 0:
        return float("nan"), float("nan")
    return escapes / exposure, max(np.sqrt(escapes), 1.0) / exposure
