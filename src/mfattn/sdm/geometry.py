r"""Hamming balls in {0, 1}^n and what two of them share: exact counts, and logarithms at any size.

A neuron is active for an address within Hamming distance d of its own. So the neurons that a query and a pattern at
distance dv have in common are those in the intersection of two balls, of which there are r I(n, d, dv) / 2^n among r
random neurons,

.. math:: I(n, d, dv) = \#\{z \in \{0, 1\}^n : |z - x| \le d,\ |z - y| \le d\}, \qquad |x - y| = dv.

Symbols are those of the papers: n bits, radius d, distance dv, r neurons, fraction p of the space. Logarithms are
natural, and minus infinity where there is nothing.

References
----------
Kanerva, Sparse Distributed Memory (MIT Press, 1988); Bricken and Pehlevan, NeurIPS 2021.
"""

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.sdm.checks import Array, Integers, checked_choice, checked_distances, checked_integer, checked_number

Weighting = Literal["uniform", "linear", "exponential", "cosine"]
NeuronFormula = Literal["exact", "published"]

LOG_2 = math.log(2.0)

EQUAL = 1e-12
"""Relative difference below which the logarithms of two fractions are the same: more than what rounding does."""


def log_of_neurons(r: float) -> float:
    """Logarithm of a number of neurons, which may be an int of any size, a float, or infinite.

    Raises
    ------
    ValueError
        Unless it is a number above 0.

    Examples
    --------
    >>> round(log_of_neurons(10**400) / math.log(10), 9)
    400.0
    """
    if isinstance(r, bool) or not isinstance(r, int | float | np.integer | np.floating) or not r > 0:
        raise ValueError(f"r must be a number above 0, found {r!r}")
    return math.log(int(r) if isinstance(r, np.integer) else r)


def hamming_to_cosine(n: int, dv: ArrayLike) -> Array:
    """Cosine 1 - 2 dv / n of two vectors of n signs that differ in dv of them.

    >>> hamming_to_cosine(64, [0, 16, 64]).tolist()
    [1.0, 0.5, -1.0]
    """
    n = checked_integer("n", n, 1)
    return 1.0 - 2.0 * checked_distances(n, dv) / n


def cosine_to_hamming(n: int, cosine: ArrayLike) -> Integers:
    """The Hamming distance whose cosine is nearest, n (1 - cosine) / 2 rounded and from 0 to n.

    The published program rounded down, and so lost one bit of 84 in 1001 distances at n = 1000.

    >>> cosine_to_hamming(1000, hamming_to_cosine(1000, [0, 6, 7, 999])).tolist()
    [0, 6, 7, 999]
    """
    n = checked_integer("n", n, 1)
    values = np.asarray(cosine, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("cosine must be finite")
    return np.rint(0.5 * n * (1.0 - np.clip(values, -1.0, 1.0))).astype(np.int64)


# Binomial weights and balls.

_SMALL_FACTORIALS = np.array([0.0, *(math.lgamma(x + 1) - x * math.log(x) + x for x in range(1, 16))])


def _log_factorial_rest(x: Integers) -> Array:
    """log x! - x log x + x: by Stirling's series from 16 on, where five terms are exact to the last bit."""
    inverse = 1.0 / np.maximum(x, 16.0)
    square = inverse * inverse
    series = 1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - square / 1188) * square) * square) * square
    large = series * inverse - 0.5 * np.log(inverse * (0.5 / np.pi))
    return np.where(x < 16, _SMALL_FACTORIALS[np.minimum(x, 15)], large)


def log_binomial(n: ArrayLike, k: ArrayLike) -> Array:
    r"""Logarithm of the binomial weight :math:`\binom{n}{k} 2^{-n}`, to the last bits at any n.

    The entropy of k/n and what Stirling's formula leaves out are computed apart, so that nothing large cancels: the
    difference of three log-gamma functions would lose :math:`10^{-10}` at n = 100,000.

    Parameters
    ----------
    n, k : arrays of int
        Broadcast against each other; n >= 0.

    Returns
    -------
    array
        Minus infinity where k is not from 0 to n.

    References
    ----------
    Loader, Fast and accurate computation of binomial probabilities (2000).

    Examples
    --------
    >>> np.exp(log_binomial(4, [0, 1, 2, 5])).round(12).tolist()
    [0.0625, 0.25, 0.375, 0.0]
    """
    total, chosen = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(k, dtype=np.int64))
    inside = (chosen >= 0) & (chosen <= total)
    chosen = np.where(inside, chosen, 0)
    rest = total - chosen
    excess = (chosen - rest) / np.maximum(total, 1)
    entropy = 0.5 * total * (special.xlog1py(1 + excess, excess) + special.xlog1py(1 - excess, -excess))
    stirling = _log_factorial_rest(total) - _log_factorial_rest(chosen) - _log_factorial_rest(rest)
    return np.where(inside, stirling - entropy, -np.inf)


def ball_size(n: int, d: int) -> int:
    """Number of addresses within distance d of one of n bits, exactly.

    >>> ball_size(64, 5)
    8303633
    """
    n = checked_integer("n", n, 1)
    d = checked_integer("d", d, 0, n)
    return _binomial_sum(n, 0, d)


def _binomial_sum(n: int, first: int, last: int) -> int:
    """Sum of the binomial coefficients of n from FIRST to LAST."""
    if first > last:
        return 0
    total = term = math.comb(n, first)
    for k in range(first, last):
        term = term * (n - k) // (k + 1)
        total += term
    return total


@lru_cache(maxsize=64)
def _log_balls(n: int) -> Array:
    """Logarithms of the fractions of the space in the balls of all radii."""
    logs = np.logaddexp.accumulate(log_binomial(n, np.arange(n + 1)))
    # From the middle on, what is outside is the smaller part, and the ball of radius n is everything.
    outside = np.arange((n + 1) // 2, n)
    logs[outside] = np.log1p(-np.exp(logs[n - 1 - outside]))
    logs[n] = 0.0
    logs.flags.writeable = False
    return logs


def log_ball_fraction(n: int, d: ArrayLike | None = None) -> Array:
    r"""Logarithm of the fraction of the space in a ball, :math:`p(d) = P(\mathrm{Bin}(n, 1/2) \le d)`.

    Parameters
    ----------
    n : int
    d : array of int, optional
        Radii from 0 to n; all of them if left out.

    Examples
    --------
    >>> round(float(log_ball_fraction(1000, 451)), 12)
    -6.838369105853
    """
    n = checked_integer("n", n, 1)
    return _log_balls(n)[checked_distances(n, d, name="d")]


def fraction_for_radius(n: int, d: ArrayLike | None = None) -> Array:
    """Fraction p of the space in a ball of radius d; see `log_ball_fraction` where it is too small for a float.

    >>> round(float(fraction_for_radius(64, 11)), 14)
    5.02929e-08
    """
    return np.exp(log_ball_fraction(n, d))


def radius_for_log_fraction(n: int, log_p: float) -> int:
    """Least radius of a ball that holds a fraction of the space, given as its logarithm.

    A fraction counts as reached where it is but for rounding (`EQUAL`), so that this inverts `log_ball_fraction`.

    Raises
    ------
    ValueError
        For a fraction above 1, or NaN.

    Examples
    --------
    >>> radius_for_log_fraction(10_000, -700.0)
    3157
    """
    n = checked_integer("n", n, 1)
    log_p = checked_number("log_p", log_p)
    if log_p > 0:
        raise ValueError(f"a fraction of the space must be at most 1, found exp({log_p})")
    if log_p == 0:
        return n
    return int(np.searchsorted(_log_balls(n), log_p - EQUAL * abs(log_p) - 2 * np.finfo(float).eps))


def radius_for_fraction(n: int, p: float) -> int:
    r"""Least radius of a ball that holds a fraction of the space, :math:`\min\{d : p(d) \ge p\}`.

    Parameters
    ----------
    n : int
    p : float
        Above 0, at most 1.

    Raises
    ------
    ValueError
        If p is out of range.

    Examples
    --------
    >>> [radius_for_fraction(64, p) for p in (1e-13, 1e-9, 1e-8, 7e-6, 3.68e-4, 0.1)]
    [5, 9, 11, 15, 19, 27]
    """
    if not 0 < checked_number("p", p) <= 1:
        raise ValueError(f"p must be above 0 and at most 1, found {p!r}")
    return radius_for_log_fraction(n, math.log(p))


# Intersections.


def intersection_counts(n: int, d: int) -> list[int]:
    r"""Exact sizes of the intersection of two balls of radius d, at every distance.

    From the far end, where the two centres are opposite, every bit that comes to agree adds the points that lie on
    both spheres in the other n - 1 bits, so that all terms are positive:

    .. math:: I(n) = \sum_{k=n-d}^{d} \binom nk, \qquad
              I(dv - 1) = I(dv) + [dv\ \mathrm{odd}] \binom{dv-1}{(dv-1)/2} \binom{n-dv}{d-(dv-1)/2}.

    Parameters
    ----------
    n, d : int
        Bits, at least 1, and radius, 0 to n.

    Returns
    -------
    list of int
        The n + 1 counts at distances 0 to n. They do not increase, those at 2k - 1 and 2k are equal, and

        .. math:: \sum_{dv} \binom{n}{dv} I(dv) = I(0)^2.

    Raises
    ------
    ValueError
        If n or d is no integer, or out of range.

    Examples
    --------
    >>> intersection_counts(5, 2)
    [16, 10, 10, 6, 6, 0]
    """
    d = checked_integer("d", d, 0, checked_integer("n", n, 1))
    return intersection_counts_unequal(n, d, d)


def intersection_counts_unequal(n: int, d1: int, d2: int) -> list[int]:
    r"""The same for two balls of radii d1 and d2, as of a memory that writes and reads with different ones.

    .. math:: I(dv - 1) = I(dv) + \binom{dv-1}{i} \binom{n-dv}{j}, \qquad
              i = \frac{dv - 1 + d_1 - d_2}{2},\quad j = \frac{d_1 + d_2 + 1 - dv}{2},

    where these are integers, and otherwise without the second term.

    Examples
    --------
    >>> intersection_counts_unequal(8, 2, 3)[:4]
    [37, 37, 22, 22]
    """
    n = checked_integer("n", n, 1)
    larger, smaller = sorted((checked_integer("d1", d1, 0, n), checked_integer("d2", d2, 0, n)), reverse=True)
    apart = larger - smaller
    counts = [0] * (n + 1)
    added = [0] * (n + 2)
    # The first distance at which the spheres touch is one beyond the difference of the radii.
    i, j = apart, smaller
    term = math.comb(n - apart - 1, smaller) if apart < n else 0
    for dv in range(apart + 1, n + 1, 2):
        added[dv] = term
        if dv + 2 <= n:
            term = term * dv * (dv + 1) * j * (n - dv - j) // ((i + 1) * (dv - i) * (n - dv) * (n - dv - 1))
        i, j = i + 1, j - 1
    current = _binomial_sum(n, max(0, n - smaller), larger)
    for dv in range(n, -1, -1):
        counts[dv] = current
        current += added[dv]
    return counts


@lru_cache(maxsize=128)
def _log_intersections(n: int, d1: int, d2: int) -> Array:
    """Logarithms of I / 2^n at distances 0 to n, by the recurrence of `intersection_counts_unequal`."""
    odd = (d1 - d2) % 2
    grown = np.arange(odd + 1, n + 1, 2)
    added = log_binomial(grown - 1, (grown - 1 + d1 - d2) // 2) + log_binomial(n - grown, (d1 + d2 + 1 - grown) // 2)
    opposite = log_binomial(n, np.arange(max(0, n - d2), d1 + 1))
    farthest = special.logsumexp(opposite) if opposite.size else -np.inf
    levels = np.logaddexp.accumulate(np.concatenate([[farthest], added[::-1] - LOG_2]))[::-1]
    logs = levels[(np.arange(n + 1) + 1 - odd) // 2]
    logs.flags.writeable = False
    return logs


def log_intersection(n: int, d: int, dv: ArrayLike | None = None) -> Array:
    """Logarithm of the number of addresses in two balls of radius d, in O(n) for all distances at once.

    Parameters
    ----------
    n, d : int
        Bits, at least 1, and radius, 0 to n.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.

    Returns
    -------
    array
        Like dv. Relative errors of the counts are a few units in the last place of the logarithm: 5e-13 at n = 4096.

    Raises
    ------
    ValueError
        If n, d or dv is no integer, or out of range.

    Examples
    --------
    >>> np.exp(log_intersection(5, 2, [0, 1, 2, 5])).round(9).tolist()
    [16.0, 10.0, 10.0, 0.0]
    """
    return log_expected_neurons(n, d, None, dv)


def log_intersection_unequal(n: int, d1: int, d2: int, dv: ArrayLike | None = None) -> Array:
    """`log_intersection` for two balls of radii d1 and d2, in either order.

    >>> np.exp(log_intersection_unequal(8, 2, 3, [0, 2])).round(9).tolist()
    [37.0, 22.0]
    """
    return log_expected_neurons_unequal(n, d1, d2, None, dv)


def log_expected_neurons(n: int, d: int, r: float | None = 1, dv: ArrayLike | None = None) -> Array:
    """Logarithm of r I(n, d, dv) / 2^n, the expected number of neurons that two addresses share.

    Parameters
    ----------
    n, d : int
        Bits and radius.
    r : int or float, optional
        Neurons, an int of any size or a float above 0. With 1, the fraction of the space; None stands for 2^n, so
        that this is the number of addresses.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(float(log_expected_neurons(1000, 451, 10**6, 0)), 9)
    6.977141452
    """
    d = checked_integer("d", d, 0, checked_integer("n", n, 1))
    return log_expected_neurons_unequal(n, d, d, r, dv)


def log_expected_neurons_unequal(n: int, d1: int, d2: int, r: float | None = 1, dv: ArrayLike | None = None) -> Array:
    """`log_expected_neurons` for two balls of radii d1 and d2.

    >>> float(log_expected_neurons_unequal(64, 11, 15, 1, 0) - log_ball_fraction(64, 11))
    0.0
    """
    n = checked_integer("n", n, 1)
    radii = checked_integer("d1", d1, 0, n), checked_integer("d2", d2, 0, n)
    logs = _log_intersections(n, max(radii), min(radii))[checked_distances(n, dv)]
    return logs + (n * LOG_2 if r is None else log_of_finite_neurons(r))


def log_of_finite_neurons(r: float) -> float:
    """`log_of_neurons` where their number must be finite.

    >>> log_of_finite_neurons(1)
    0.0
    """
    log_r = log_of_neurons(r)
    if math.isinf(log_r):
        raise ValueError("r must be finite, found inf")
    return log_r


def expected_neurons(n: int, d: int, r: float | None = None, dv: ArrayLike | None = None) -> Array:
    """Expected number r I(n, d, dv) / 2^n of neurons that two addresses share; infinite where too large for a float.

    See `log_expected_neurons`, which has the same arguments; r = None gives the number of addresses.

    >>> expected_neurons(1000, 451, 10**6, [0, 100, 500]).round(6).tolist()
    [1071.850049, 285.830559, 1.101265]
    """
    with np.errstate(over="ignore"):
        return np.exp(log_expected_neurons(n, d, r, dv))


def log_weighted_intersection(
    n: int, d: int, dv: ArrayLike | None = None, *, weight: Weighting = "linear", rate: float = 0.01
) -> Array:
    r"""Logarithm of the intersection with every address weighted by how near it is to both centres.

    .. math:: \sum_{|z-x| \le d,\, |z-y| \le d} w(|z - x|)\, w(|z - y|)

    with :math:`w(s) = 1` (uniform), :math:`1 - s/n` (linear), :math:`e^{-k s}` (exponential, of rate k) or
    :math:`(1 - s/n)/2` (cosine, as published: a quarter of the linear sum). Where a of the n - dv bits in which the
    centres agree are those of z, and z has b and c = dv - b of the others with x and y, the linear weight is
    (a + b)(a + c) = a² + a dv + b c, whose parts are sums over a and over b: O(n) for each distance, all positive.

    Parameters
    ----------
    n, d : int
        Bits and radius.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.
    weight : {'uniform', 'linear', 'exponential', 'cosine'}
    rate : float
        k, finite; of the exponential weight alone.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(float(np.exp(log_weighted_intersection(2, 1, 0, weight="linear"))), 12)
    1.5
    """
    n = checked_integer("n", n, 1)
    d = checked_integer("d", d, 0, n)
    checked_choice("weight", weight, Weighting)
    if not math.isfinite(checked_number("rate", rate)):
        raise ValueError(f"rate must be finite, found {rate!r}")
    distances = checked_distances(n, dv)
    logs = [_log_weighted(n, d, int(v), weight, rate) for v in distances.ravel()]
    return np.array(logs).reshape(distances.shape) + n * LOG_2


def _log_weighted(n: int, d: int, v: int, weight: Weighting, rate: float) -> float:
    """The weighted sum at one distance over 2^n: i of the bits where the centres differ are not those of x."""
    i = np.arange(max(0, v - d), min(v, d) + 1)
    if not i.size:
        return -math.inf
    farthest = np.minimum(d - np.maximum(i, v - i), n - v)
    j = np.arange(farthest.max() + 1)
    agreeing = n - v - j
    with np.errstate(divide="ignore"):
        if weight == "uniform":
            parts = [(0.0 * j, 0.0 * i)]
        elif weight == "exponential":
            parts = [(-2.0 * rate * j, np.full(i.shape, -rate * v))]
        else:
            scale = -2.0 * math.log(n if weight == "linear" else 2 * n)
            one = np.full(i.shape, scale)
            parts = [
                (2.0 * np.log(agreeing), one),
                (np.log(agreeing * float(v)), one),
                (0.0 * j, np.log(i * (v - i)) + scale),
            ]
    shared, differing = log_binomial(n - v, j), log_binomial(v, i)
    sums = [differing + outer + np.logaddexp.accumulate(shared + inner)[farthest] for inner, outer in parts]
    return float(special.logsumexp(sums))


# Neurons around an address.


def prob_any_neuron(n: int, d: ArrayLike | None, r: float, *, formula: NeuronFormula = "exact") -> Array:
    r"""Probability that at least one of r random neurons lies within distance d of an address.

    .. math:: 1 - (1 - p(d))^r \quad\text{or, as published,}\quad
              1 - \exp\!\big(-r\, \Phi\big((d - n/2) / \sqrt{n/4}\big)\big).

    The published formula takes the normal distribution without a correction for continuity: at n = 1000 and r = 10^6
    it expects 0.767 neurons within d = 424, where there are 0.860.

    Parameters
    ----------
    n : int
        Bits.
    d : array of int, or None
        Radii from 0 to n; None stands for all of them.
    r : int or float
        Neurons, above 0 and finite.
    formula : {'exact', 'published'}

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, and the published program.

    Examples
    --------
    >>> round(float(prob_any_neuron(1000, 424, 10**6)), 4)
    0.5769
    >>> round(float(prob_any_neuron(1000, 424, 10**6, formula="published")), 4)
    0.5358
    """
    checked_choice("formula", formula, NeuronFormula)
    log_p = log_ball_fraction(n, d)
    if formula == "exact":
        with np.errstate(divide="ignore"):
            # log(-log(1 - p)), which is log p where p is below the smallest float.
            hazard = np.where(log_p < -700, log_p, np.log(-np.log1p(-np.exp(np.maximum(log_p, -700)))))
    else:
        radii = checked_distances(n, d, name="d")
        hazard = special.log_ndtr((radii - 0.5 * n) / math.sqrt(0.25 * n))
    with np.errstate(over="ignore"):
        return np.asarray(-np.expm1(-np.exp(hazard + log_of_finite_neurons(r))))


def radius_for_neurons(n: int, r: float, expected: float = 1.0) -> int:
    """Least radius within which a number of r random neurons is expected.

    Raises
    ------
    ValueError
        Unless 0 < expected <= r.

    Examples
    --------
    >>> radius_for_neurons(1000, 10**6)
    425
    """
    log_r = log_of_finite_neurons(r)
    if not 0 < checked_number("expected", expected) <= r:
        raise ValueError(f"expected must be above 0 and at most r, found {expected!r}")
    return radius_for_log_fraction(n, min(math.log(expected) - log_r, 0.0))


def radius_for_any_neuron(n: int, r: float, probability: float = 0.5) -> int:
    """Least radius within which there is at least one of r random neurons with a probability.

    Raises
    ------
    ValueError
        Unless the probability is above 0 and below 1.

    Examples
    --------
    >>> radius_for_any_neuron(1000, 10**6), radius_for_any_neuron(1000, 10**6, 0.99)
    (424, 430)
    """
    if not 0 < checked_number("probability", probability) < 1:
        raise ValueError(f"probability must be above 0 and below 1, found {probability!r}")
    return int(np.searchsorted(prob_any_neuron(n, None, r), probability))
