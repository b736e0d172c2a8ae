"""Which kind of motion an orbit is: one rule from exponents, period and averages."""

from enum import IntEnum

import numpy as np

from mfattn.meanfield.lyapunov import ZERO, zero_bound
from mfattn.meanfield.model import Array

COARSE = 3e-3
"""An exponent whose error leaves more room than this says nothing about its being zero."""

SLOW_DIGITS = 3.0
"""Digits that chaos of a few thousand steps does not reach."""

CONVERGED_DIGITS = 5.0
"""Digits of a weighted Birkhoff average from which on an orbit is regular."""


class Regime(IntEnum):
    """Kinds of motion."""

    UNDECIDED = 0
    UNSETTLED = 1
    REST = 2
    PERIODIC = 3
    QUASI_PERIODIC = 4
    TWO_FREQUENCIES = 5
    CHAOTIC = 6
    HYPERCHAOTIC = 7

    @property
    def label(self) -> str:
        """Name for people."""
        return _LABELS[self]


_LABELS = {
    Regime.UNDECIDED: "undecided",
    Regime.UNSETTLED: "unsettled",
    Regime.REST: "rest (locked)",
    Regime.PERIODIC: "periodic",
    Regime.QUASI_PERIODIC: "quasi-periodic",
    Regime.TWO_FREQUENCIES: "quasi-periodic, two frequencies",
    Regime.CHAOTIC: "chaotic",
    Regime.HYPERCHAOTIC: "hyperchaotic",
}


def classify(
    exponents: Array, errors: Array, *, period: int, resting_period: int, digits: float, settled: bool
) -> Regime:
    r"""Regime of one orbit.

    An exponent is positive, negative or zero as it lies above, below or within
    :math:`\max(10^{-4}, 3 \sigma)` of zero; where that bound is wider than `COARSE`, it is neither. Then

    * an orbit that was not settled is unsettled, whatever its exponents;
    * a positive first exponent is chaos, a positive second one hyperchaos, but for a small one (below `COARSE`) with
      averages that converge to `SLOW_DIGITS`, as in the bottleneck beside a locked window: that is undecided;
    * a negative first exponent, or a period that was found, is rest where the period divides `resting_period`, and
      a cycle elsewhere (of a period longer than was looked for, where none was found);
    * a zero first exponent is quasi-periodic if weighted Birkhoff averages have converged, with two frequencies where
      the second one is zero too;
    * all else is undecided.

    Parameters
    ----------
    exponents, errors : (k,) array
        Leading exponents per step, descending, and their standard errors; an error that is NaN stands for an
        exponent that is not resolved, an upper bound.
    period : int
        In steps; 0 where none was found.
    resting_period : int
        Period of a fixed point of the map over one positional period: L where the position enters, else 1.
    digits : float
        `converged_digits` of the orbit.
    settled : bool
        Whether the orbit kept its kind while it was measured.

    Examples
    --------
    >>> options = {"period": 0, "resting_period": 4, "digits": 12.0, "settled": True}
    >>> classify(np.array([1e-6, -0.1]), np.array([1e-6, 1e-6]), **options).label
    'quasi-periodic'
    >>> classify(np.array([0.1, -0.1]), np.array([1e-3, 1e-3]), **{**options, "settled": False}).label
    'unsettled'
    """
    if not settled:
        return Regime.UNSETTLED
    signs = [_sign(exponent, error) for exponent, error in zip(exponents[:2], errors[:2], strict=True)]
    first, second = (*signs, None)[:2]
    if first == 1 and exponents[0] < COARSE and digits > SLOW_DIGITS:
        return Regime.UNDECIDED
    if first == 1:
        return Regime.HYPERCHAOTIC if second == 1 else Regime.CHAOTIC
    if first == -1 or period:
        return Regime.REST if period and resting_period % period == 0 else Regime.PERIODIC
    if first == 0 and digits >= CONVERGED_DIGITS:
        return Regime.TWO_FREQUENCIES if second == 0 else Regime.QUASI_PERIODIC
    return Regime.UNDECIDED


def _sign(exponent: float, error: float) -> int | None:
    """1, 0 or -1, or None where the error leaves it open."""
    if np.isnan(error):
        # An upper bound, and -inf, can only be shown to be negative.
        return -1 if exponent < -ZERO else None
    bound = float(zero_bound(error))
    if abs(exponent) > bound:
        return 1 if exponent > 0 else -1
    return 0 if bound <= COARSE else None
