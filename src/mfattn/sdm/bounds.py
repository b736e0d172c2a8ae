r"""Bounds of circle intersections that hold, and the published approximations.

Symbols are those of `mfattn.sdm.geometry`.

References
----------
Bricken and Pehlevan, NeurIPS 2021.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.sdm.checks import Array, Integers, checked_choice, checked_distances, checked_integer
from mfattn.sdm.geometry import LOG_2, log_ball_fraction, log_binomial

Prefactor = Literal["distance", "lower", "upper"]


@dataclass(frozen=True, eq=False)
class IntersectionBounds:
    """Bounds of log I(n, d, dv) / 2^n, each an array like the distances; they hold but for rounding.

    The simple ones are T and N T, with the largest of the N terms of the double sum over the bits in which a point
    differs from the first centre. The sharp ones also bound the ratios of neighbouring terms.
    """

    largest_term: Array  # log T / 2^n, which is the simple lower bound
    terms: Integers  # N, in exact integers
    upper: Array  # log N T / 2^n
    sharp_lower: Array
    sharp_upper: Array


def bounds(n: int, d: int, dv: ArrayLike | None = None) -> IntersectionBounds:
    r"""Rigorous bounds of the intersection of two balls.

    .. math:: I = \sum_{i} \binom{dv}{i} \sum_{j=0}^{J(i)} \binom{n-dv}{j}, \quad
              J(i) = \min(d - \max(i, dv - i),\, n - dv); \qquad T \le I \le N T.

    The largest term T has i = ⌊dv/2⌋ and j = min(J(i), ⌊(n - dv)/2⌋). For 2d <= n the terms fall from there at least
    as fast as geometric sequences, of ratio :math:`\rho = J/(n - dv - J + 1)` in j and at most that in i; and the
    first K at most as fast as sequences of the ratio found after them, which bounds the sum from below, for the best
    of several K. For 2d > n the same is said of the two complements, balls of radius n - d - 1 around the opposite
    points: :math:`I = 2^n - 2A' + I'`.

    Parameters
    ----------
    n, d : int
        Bits and radius.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.

    Returns
    -------
    IntersectionBounds

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from mfattn.sdm.geometry import log_expected_neurons
    >>> found = bounds(64, 11, [10])
    >>> logs = [found.largest_term, found.sharp_lower, log_expected_neurons(64, 11, 1, [10]), found.sharp_upper]
    >>> np.concatenate([*logs, found.upper]).round(2).tolist()
    [-21.77, -21.52, -21.45, -21.43, -17.91]
    """
    n = checked_integer("n", n, 1)
    d = checked_integer("d", d, 0, n)
    distances = checked_distances(n, dv)
    log_largest = largest_term(n, d, distances)
    terms = number_of_terms(n, d, distances)
    with np.errstate(divide="ignore"):
        upper = log_largest + np.log(terms)
    if 2 * d <= n:
        lower_factor, upper_factor = _geometric_factors(n, d, distances)
        sharp = log_largest + lower_factor, np.minimum(log_largest + upper_factor, upper)
    else:
        # Twice the complement leaves P(n - d <= Bin <= d), a sum of positive terms.
        middle = special.logsumexp(log_binomial(n, np.arange(n - d, d + 1)))
        rest = n - d - 1
        factors = _geometric_factors(n, rest, distances) if rest >= 0 else (-np.inf, -np.inf)
        far = largest_term(n, rest, distances) if rest >= 0 else np.zeros(distances.shape)
        sharp = np.logaddexp(middle, far + factors[0]), np.minimum(np.logaddexp(middle, far + factors[1]), upper)
    return IntersectionBounds(log_largest, terms, upper, sharp[0], np.minimum(sharp[1], log_ball_fraction(n, d)))


def largest_term(n: int, d: int, dv: ArrayLike | None = None) -> Array:
    r"""Logarithm of the largest term of the intersection, as a fraction of the space.

    .. math:: T = \binom{dv}{\lfloor dv/2 \rfloor} \binom{n - dv}{j}, \qquad
              j = \min(d - \lceil dv/2 \rceil,\, \lfloor (n - dv)/2 \rfloor).

    For 2d <= n it is the first of the two, and the term that the published approximations start from.

    >>> round(float(np.exp(largest_term(64, 5, 10) + 64 * LOG_2)), 6)
    252.0
    """
    n = checked_integer("n", n, 1)
    d = checked_integer("d", d, 0, n)
    v = checked_distances(n, dv)
    return log_binomial(v, v // 2) + log_binomial(n - v, np.minimum(d - (v + 1) // 2, (n - v) // 2))


def number_of_terms(n: int, d: int, dv: ArrayLike | None = None) -> Integers:
    """Number N of pairs (i, j) in the double sum of `bounds`, i <= dv and 0 <= j <= J(i).

    >>> number_of_terms(64, 5, [1, 2, 3, 10, 16]).tolist()
    [10, 13, 14, 1, 0]
    """
    n = checked_integer("n", n, 1)
    d = checked_integer("d", d, 0, n)
    v = checked_distances(n, dv)
    # Steps t away from the middle leave room for j up to d - ⌈dv/2⌉ - t, and never beyond n - dv.
    room, cap = d - (v + 1) // 2, n - v
    steps = np.clip(np.minimum(v // 2, room) + 1, 0, None)
    full = np.clip(room - cap + 1, 0, steps)
    falling = (steps - full) * (room + 1) - (steps * (steps - 1) - full * (full - 1)) // 2
    centre = np.where(v % 2 == 0, np.clip(np.minimum(room, cap) + 1, 0, None), 0)
    return np.where(room < 0, 0, 2 * (full * (cap + 1) + falling) - centre)


def _log_geometric(log_ratio: Array, last: Integers) -> Array:
    """Logarithm of the sum of ratio^s for s from 0 to LAST, for a ratio of at most 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        closed = np.log(-np.expm1((last + 1) * log_ratio)) - np.log(-np.expm1(log_ratio))
    return np.where(log_ratio == 0, np.log(last + 1), closed)


def _geometric_factors(n: int, d: int, v: Integers) -> tuple[Array, Array]:
    """Logarithms of the factors by which the largest term bounds the sum from below and above, for 2d <= n."""
    i, j, shared = v // 2, np.maximum(d - (v + 1) // 2, 0), n - v

    def both_sides(log_ratio: Array, last: Integers) -> Array:
        # An even distance has one term in the middle, an odd one has two.
        twice = LOG_2 + _log_geometric(log_ratio, last)
        return np.where(v % 2 == 0, np.log(np.maximum(np.expm1(twice), 1.0)), twice)

    with np.errstate(divide="ignore"):
        inner = np.log(j / (shared - j + 1))
        outer = inner + np.log(i / (v - i + 1))
    widest = np.minimum(both_sides(outer, np.minimum(i, j)), -log_binomial(v, i))
    upper = _log_geometric(inner, j) + widest
    lower = np.zeros(v.shape)
    for reach in [0, *(2**k for k in range(n.bit_length()))]:
        sideways = np.minimum(np.minimum(reach, i), j // 2)
        down = np.minimum(reach, j - sideways)
        moved = sideways + down
        with np.errstate(divide="ignore"):
            inner = np.log((j - moved + 1) / np.maximum(shared - j + moved, 1))
            outer = inner + np.log((i - sideways + 1) / np.maximum(v - i + sideways, 1))
        inner, outer = np.minimum(inner, 0.0), np.minimum(outer, 0.0)
        lower = np.maximum(lower, _log_geometric(inner, down) + both_sides(outer, sideways))
    return lower, upper


def normal_approximation(n: int, d: int, dv: ArrayLike | None = None, *, prefactor: Prefactor = "distance") -> Array:
    r"""Logarithm of the normal approximation of the largest term, as a fraction of the space.

    .. math:: \frac{2}{\pi \sqrt{dv\,(n - dv)}} \exp\!\Big(-\frac{(n - 2d)^2}{2 (n - dv)}\Big)

    It was published as a lower bound of the intersection, and is none: at n = 64 and d = 5 it is a hundred times
    larger. `bounds` gives bounds.

    Parameters
    ----------
    n, d : int
        Bits and radius.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.
    prefactor : {'distance', 'lower', 'upper'}
        The factor before the exponential: as above, or its least value :math:`4 / (\pi n)`, or its largest,
        :math:`2 / (\pi \sqrt{n - 1})`.

    Returns
    -------
    array
        NaN where it is not defined, at dv = 0 and dv = n with the factor of the distance, at dv = n with a constant.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, appendix, and the published program.

    Examples
    --------
    >>> normal_approximation(64, 5, [1, 10]).round(6).tolist()
    [-25.666007, -30.597367]
    """
    n, d, v = _sizes(n, d, dv)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(v < n, -((n - 2 * d) ** 2) / (2.0 * (n - v)), np.nan)
    return _log_prefactor(n, v, prefactor) + exponent


def taylor_approximation(n: int, d: int, dv: ArrayLike | None = None, *, prefactor: Prefactor = "distance") -> Array:
    r"""Logarithm of the exponential in dv that the normal approximation becomes for small dv / n.

    .. math:: \frac{2}{\pi \sqrt{dv\,(n - dv)}} \exp\!\Big(-\frac{(n - 2d)^2}{2n} - \frac{(n - 2d)^2}{2n^2} dv\Big)

    Parameters are those of `normal_approximation`. The exponent is that of a softmax of temperature
    :math:`\beta = (n - 2d)^2 / 4n`.

    >>> taylor_approximation(64, 5, [1, 10]).round(6).tolist()
    [-25.660357, -29.938188]
    """
    n, d, v = _sizes(n, d, dv)
    square = (n - 2.0 * d) ** 2
    return _log_prefactor(n, v, prefactor) - square / (2 * n) - square * v / (2.0 * n * n)


def _sizes(n: int, d: int, dv: ArrayLike | None) -> tuple[int, int, Integers]:
    """Bits, radius and distances, checked."""
    n = checked_integer("n", n, 1)
    return n, checked_integer("d", d, 0, n), checked_distances(n, dv)


def _log_prefactor(n: int, v: Integers, prefactor: Prefactor) -> Array:
    """Logarithm of the factor before the exponential of the two approximations."""
    checked_choice("prefactor", prefactor, Prefactor)
    if prefactor == "lower":
        return np.full(v.shape, math.log(4 / (math.pi * n)))
    if prefactor == "upper":
        return np.full(v.shape, math.log(2 / (math.pi * math.sqrt(max(n - 1, 1)))))
    inside = (v > 0) & (v < n)
    product = np.where(inside, v * (n - v), 1)
    return np.where(inside, math.log(2 / math.pi) - 0.5 * np.log(product), np.nan)


def published_multiplier(n: int, d: int, dv: ArrayLike | None = None) -> Integers:
    r"""The factor by which the published program multiplied the normal approximation for an upper bound.

    .. math:: \sum_{a=n-d-\lfloor dv/2 \rfloor}^{n-dv} \big(dv - (n-d-a) - \max(0, n-d-a)\big)

    It counts one term too few for every a, and counts b beyond dv; with it the bound is 0 at n = 64, d = 5, dv = 10,
    where the intersection holds 252 points. `number_of_terms` is the right one.

    >>> published_multiplier(64, 5, [1, 2, 10]).tolist()
    [15, 14, 0]
    """
    n, d, v = _sizes(n, d, dv)
    # With u = n - d - a from dv - d to ⌊dv/2⌋, the summand is dv - 2u for u > 0 and dv - u for the others.
    low, high = v - d, v // 2
    above = np.maximum(low, 1)
    positive = np.where(high >= above, (high - above + 1) * (v - (high + above)), 0)
    top = np.minimum(high, 0)
    others = np.where(top >= low, (top - low + 1) * v - (top - low + 1) * (top + low) // 2, 0)
    return positive + others
