r"""Signal, noise, capacity and critical distance of a sparse distributed memory, and simulations that check them.

A query at distance v from one of m stored patterns activates :math:`\mu(v) = r\, I(v)/2^n` neurons that hold it, the
signal, and others that hold the rest, the noise. With a normal distribution of what is read, a bit comes out right with
probability :math:`\Phi(\mu/\sigma)`, so that the next state is :math:`f(v) = n\, (1 - \Phi(\mu/\sigma))` bits away.
The critical distance is that from which f leads back to the pattern.

Which :math:`\sigma` is meant matters more than anything else here (`Noise`):

- 'paper': :math:`\mu + (m - 1)(\lambda + \lambda^2)`, with the overlap :math:`\lambda = \mu(\lfloor n/2 \rfloor)`
  of the most likely distance. It is 0 where 4d < n, and always too small.
- 'exact': the mean over random patterns, :math:`\mu + (m - 1)(E[\mu] + E[\mu^2])`, at binomial distances.
- 'closed': :math:`\mu + m\,(p^2 r + p^4 r^2)`, the same without the spread of :math:`\mu`, which has closed optima.
- 'book': :math:`m\, p^2 r\,(1 + h^2 r / 4 p^2 n)`, without the signal's own.

References
----------
Kanerva, Sparse Distributed Memory (MIT Press, 1988); Bricken and Pehlevan, NeurIPS 2021, appendix.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from mfattn.sdm.checks import Array, checked_choice, checked_distances, checked_integer, checked_number
from mfattn.sdm.geometry import (
    log_ball_fraction,
    log_binomial,
    log_expected_neurons,
    log_of_finite_neurons,
    log_of_neurons,
    radius_for_log_fraction,
)

Noise = Literal["paper", "exact", "closed", "book"]
Rule = Literal["strict", "basin", "paper"]
Criterion = Literal["snr", "capacity", "critical"]
Mode = Literal["closed", "discrete"]


# Signal and noise.


def book_slope(n: int, d: int) -> float:
    r"""The book's h but for its sign, :math:`e^{-c^2} / \pi` with :math:`c = (d - n/2) / \sqrt{n/4}`.

    It is how fast the fraction of shared neurons falls with the relative distance dv/n, at 1/2.

    >>> round(book_slope(1000, 451), 12)
    2.1472664e-05
    """
    return math.exp(-(_standardised(n, d) ** 2)) / math.pi


def _standardised(n: int, d: int) -> float:
    """A radius in standard deviations of the distance between random addresses."""
    n = checked_integer("n", n, 1)
    return (checked_integer("d", d, 0, n) - 0.5 * n) / math.sqrt(0.25 * n)


def book_intersection(n: int, d: int, r: float, dv: ArrayLike | None = None) -> Array:
    r"""Expected neurons that two addresses share, by the integral of the book.

    .. math:: r \int_{dv/n}^{1} \frac{e^{-c^2 / 2(1 - x)}}{2 \pi \sqrt{x (1 - x)}}\, dx
              = 2 r \Big( T(c, \infty) - T\big(c, \sqrt{x_0/(1 - x_0)}\big) \Big), \qquad x_0 = dv/n,

    with Owen's function T: :math:`x = \sin^2\varphi` makes it that integral. It is the normal limit of the
    intersection of two caps.

    Parameters
    ----------
    n, d : int
        Bits and radius.
    r : int or float
        Neurons, above 0.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.

    References
    ----------
    Kanerva (1988), appendix B, where c is (d - n/2) / sqrt(n/4).

    Examples
    --------
    >>> book_intersection(1000, 451, 10**6, [0, 100, 500]).round(6).tolist()
    [970.769893, 254.636411, 0.942394]
    """
    c = abs(_standardised(n, d))
    log_r = log_of_neurons(r)
    x = checked_distances(n, dv) / n
    with np.errstate(divide="ignore"):
        tangent = np.sqrt(x / (1.0 - x))
    share = 2.0 * (special.owens_t(c, np.inf) - special.owens_t(c, tangent))
    # Beyond the middle, the ball holds what its complement does not.
    if 2 * d > n:
        share = share + special.erf(c / math.sqrt(2.0))
    return np.asarray(share * math.exp(log_r))


def noise_moments(n: int, d: int, r: float) -> tuple[float, float]:
    r"""Mean and mean square of the overlap with a random pattern, :math:`E[\mu]` and :math:`E[\mu^2]`.

    .. math:: E[\mu] = p^2 r, \qquad
              E[\mu^2] = r^2 \sum_v \binom nv 2^{-n} \Big(\frac{I(v)}{2^n}\Big)^2

    Examples
    --------
    >>> first, second = noise_moments(100, 35, 10_000)
    >>> round(first, 9), round(second, 12)
    (0.030934508, 0.002390551058)
    """
    log_r = log_of_neurons(r)
    first, second = _log_moments(n, d)
    with np.errstate(over="ignore"):
        return float(np.exp(first + log_r)), float(np.exp(second + 2.0 * log_r))


def _log_moments(n: int, d: int) -> tuple[float, float]:
    """Logarithms of the mean and the mean square of I / 2^n at the distances of random addresses."""
    logs = log_expected_neurons(n, d)
    return 2.0 * float(log_ball_fraction(n, d)), float(
        special.logsumexp(log_binomial(n, np.arange(n + 1)) + 2.0 * logs)
    )


def _log_noise(n: int, d: int, log_r: float, m: int, noise: Noise) -> float:
    """Logarithm of the noise variance that does not depend on the distance, over r²."""
    if noise == "exact":
        first, second = _log_moments(n, d)
    elif noise == "paper":
        first = float(log_expected_neurons(n, d, 1, n // 2))
        second = 2.0 * first
    else:
        first = 2.0 * float(log_ball_fraction(n, d))
        slope = -(_standardised(n, d) ** 2) - math.log(math.pi)
        second = 2.0 * first if noise == "closed" else 2.0 * slope - math.log(4.0 * n)
    others = m - 1 if noise in ("paper", "exact") else m
    return float(np.logaddexp(first - log_r, second)) + (math.log(others) if others else -math.inf)


def _log_signal_and_variance(
    n: int, d: int, r: float, m: int, dv: ArrayLike | None, noise: Noise
) -> tuple[Array, Array, float]:
    """Logarithms of the signal over r and of the variance over r², and of r."""
    checked_choice("noise", noise, Noise)
    m, log_r = checked_integer("m", m, 1), log_of_neurons(r)
    signal = log_expected_neurons(n, d, 1, dv)
    constant = _log_noise(n, d, log_r, m, noise)
    if noise == "book":
        return signal, np.full(signal.shape, constant), log_r
    return signal, np.logaddexp(signal - log_r, constant), log_r


def noise_sigma(n: int, d: int, r: float, m: int, dv: ArrayLike | None = None, *, noise: Noise = "exact") -> Array:
    r"""Standard deviation :math:`\sigma` of what a bit is read from, in neurons. Parameters are those of `snr`.

    >>> noise_sigma(100, 35, 10_000, 100, [0, 50]).round(3).tolist()
    [4.57, 1.822]
    >>> noise_sigma(100, 35, 10_000, 100, [0, 50], noise="paper").round(3).tolist()
    [4.437, 1.456]
    """
    _, variance, log_r = _log_signal_and_variance(n, d, r, m, dv, noise)
    with np.errstate(over="ignore"):
        return np.exp(0.5 * variance + log_r)


def snr(n: int, d: int, r: float, m: int, dv: ArrayLike | None = None, *, noise: Noise = "exact") -> Array:
    r"""Ratio :math:`\mu(v) / \sigma(v)` of signal to noise.

    Parameters
    ----------
    n, d : int
        Bits, at least 1, and radius, 0 to n.
    r : int or float
        Neurons, above 0: an int of any size, or infinite.
    m : int
        Patterns, at least 1.
    dv : array of int, optional
        Distances of the query from its pattern, 0 to n; all of them if left out.
    noise : {'exact', 'paper', 'closed', 'book'}
        Which variance; see the top of this module.

    Returns
    -------
    array
        0 where there is no signal, infinite where there is no noise.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, appendix; Kanerva (1988).

    Examples
    --------
    >>> [round(float(snr(64, 15, 2**64, 1024, 0, noise=noise))) for noise in ("paper", "exact")]
    [14990781, 326]
    """
    signal, variance, _ = _log_signal_and_variance(n, d, r, m, dv, noise)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.isneginf(signal), 0.0, np.exp(signal - 0.5 * variance))


def fidelity(ratio: ArrayLike) -> Array:
    r"""Probability :math:`\Phi(\mathrm{SNR})` that a bit is read right, if what is read is normal.

    It is not quite: with few patterns in reach the noise has heavy tails, and `simulate_one_step` finds more wrong.

    >>> fidelity([0.0, 2.33]).round(4).tolist()
    [0.5, 0.9901]
    """
    return np.asarray(special.ndtr(np.asarray(ratio, dtype=np.float64)))


# From one step to convergence.


def convergence_curve(n: int, d: int, r: float, m: int, *, noise: Noise = "exact") -> Array:
    r"""Distance after one update, :math:`f(v) = n\,(1 - \Phi(\mu(v)/\sigma(v)))`, for v from 0 to n // 2.

    Parameters are those of `snr`.

    Returns
    -------
    (n // 2 + 1,) array

    Examples
    --------
    >>> convergence_curve(1000, 451, 10**6, 10_000, noise="paper")[[0, 100, 300]].round(3).tolist()
    [0.0, 30.911, 415.917]
    """
    n = checked_integer("n", n, 1)
    return n * special.ndtr(-snr(n, d, r, m, np.arange(n // 2 + 1), noise=noise))


def hopfield_curve(n: int, m: int, dv: ArrayLike | None = None) -> Array:
    r"""The same for a Hopfield network, :math:`f(v) = n\, \Phi(-(1 - 2v/n) \sqrt{n/m})`.

    Parameters
    ----------
    n, m : int
        Bits and patterns, at least 1.
    dv : array of int, optional
        Distances from 0 to n; 0 to n // 2 if left out.

    Examples
    --------
    >>> hopfield_curve(10_000, 1000, [0, 4000]).round(3).tolist()
    [7.827, 2635.446]
    """
    n, m = checked_integer("n", n, 1), checked_integer("m", m, 1)
    v = np.arange(n // 2 + 1) if dv is None else checked_distances(n, dv)
    return np.asarray(n * special.ndtr(-(1.0 - 2.0 * v / n) * math.sqrt(n / m)))


def critical_distance(n: int, d: int, r: float, m: int, *, noise: Noise = "exact", rule: Rule = "strict") -> int:
    r"""Largest distance from which updates lead back to the pattern.

    ========  ========================================================================================
    strict    the largest v with f(u) < u for all 1 <= u <= v
    basin     the same from the smallest u >= 1 with f(u) < u on, if that is at most n/4: a few bits
              that stay wrong do not make it 0
    paper     the rule of the published program, on distances with signal: one beyond the last of
              them if f(v) < v + 0.01 at all, else one below the first v >= 5 with f(v) >= v;
              0 where f at half of the result is above it
    ========  ========================================================================================

    Parameters
    ----------
    n, d, r, m, noise
        As in `snr`.
    rule : {'strict', 'basin', 'paper'}

    Returns
    -------
    int
        From 0, where the memory does not converge, to n // 2.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, and the published program.

    Examples
    --------
    >>> [critical_distance(1000, 451, 10**6, 10_000, noise=noise) for noise in ("paper", "exact")]
    [164, 152]
    """
    checked_choice("rule", rule, Rule)
    curve = convergence_curve(n, d, r, m, noise=noise)
    if rule == "paper":
        return _published_rule(curve, np.isfinite(log_expected_neurons(n, d, 1, np.arange(n // 2 + 1))))
    nearer = curve < np.arange(len(curve))
    start = 1
    if rule == "basin":
        start = int(nearer[1:].argmax()) + 1 if nearer[1:].any() else n
        if start > n / 4:
            return 0
    away = ~nearer[start:]
    return start - 1 + (int(away.argmax()) if away.any() else len(away))


def _published_rule(curve: Array, signal: NDArray[np.bool_]) -> int:
    """The published program's critical distance, from f and where there is signal."""
    half = len(curve) - 1
    v = np.flatnonzero(signal)
    if (curve[v] - v < 0.01).all():
        found = half if signal.all() else int(v[-1]) + 1
    else:
        beyond = v[(v >= 5) & (curve[v] >= v)]
        found = int(beyond[0]) - 1 if len(beyond) else half
    return 0 if found > 0 and curve[found // 2] > found / 2 else found


def crossing(distance: ArrayLike, new_distance: ArrayLike) -> float:
    """Where a curve first goes from below the diagonal to above it, by linear interpolation.

    Parameters
    ----------
    distance, new_distance : (points,) array
        Increasing distances, and those after an update. Theory's curves are staircases of steps two bits wide: give
        every other point.

    Returns
    -------
    float
        NaN if it nowhere does.

    Examples
    --------
    >>> crossing([4, 8, 12], [0.0, 5.0, 14.0])
    10.4
    """
    x, new = np.asarray(distance, dtype=np.float64), np.asarray(new_distance, dtype=np.float64)
    if x.ndim != 1 or x.shape != new.shape:
        raise ValueError(f"distances must be two sequences of one length, found shapes {x.shape} and {new.shape}")
    gap = new - x
    up = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
    if not len(up):
        return math.nan
    i = int(up[0])
    return float(x[i] - gap[i] * (x[i + 1] - x[i]) / (gap[i + 1] - gap[i]))


def interpolated_critical_distance(distance: ArrayLike, new_distance: ArrayLike) -> float:
    """Critical distance by linear interpolation, so that what a simulation finds can be compared with theory.

    Parameters
    ----------
    distance, new_distance : (points,) array
        As in `crossing`, all distances above 0.

    Returns
    -------
    float
        The `crossing`; 0 if the first distance already is not led nearer, the last one if all are.

    Raises
    ------
    ValueError
        If there is no distance, or one of 0.

    Examples
    --------
    >>> v = np.arange(2, 33, 2)
    >>> [
    ...     round(interpolated_critical_distance(v, convergence_curve(64, d, 2**64, 1024)[v]), 2)
    ...     for d in (11, 15, 27)
    ... ]
    [17.96, 19.61, 0.0]
    """
    x, new = np.asarray(distance, dtype=np.float64), np.asarray(new_distance, dtype=np.float64)
    met = crossing(x, new)
    if not (len(x) and x.min() > 0):
        raise ValueError("distances must be there, and above 0")
    if new[0] >= x[0]:
        return 0.0
    return float(x[-1]) if math.isnan(met) else met


# Capacity and optimal radii.


def bit_quantile(n: int, probability: float = 0.5) -> float:
    r"""Signal-to-noise ratio z at which all n bits are right with a probability, :math:`\Phi(z)^n = P`.

    The published program takes P = 1/2, where its comment says 99 %.

    Raises
    ------
    ValueError
        Unless the probability is above 0 and below 1.

    Examples
    --------
    >>> round(bit_quantile(64), 6)
    2.298313
    """
    n = checked_integer("n", n, 1)
    if not 0 < checked_number("probability", probability) < 1:
        raise ValueError(f"probability must be above 0 and below 1, found {probability!r}")
    return float(-special.ndtri(-math.expm1(math.log(probability) / n)))


def _checked_quantile(z: float) -> float:
    """A ratio z above 0."""
    if not 0 < checked_number("z", z) < math.inf:
        raise ValueError(f"z must be finite and above 0, found {z!r}")
    return float(z)


def capacity(r: float, p: ArrayLike, z: float) -> Array:
    r"""Patterns that can be stored so that each is read at a ratio z from its own address.

    .. math:: m(p) = \frac{(p r)^2 / z^2 - p r}{p^2 r + (p^2 r)^2} + 1

    Parameters
    ----------
    r : int or float
        Neurons, above 0 and finite.
    p : array
        Fraction of the space in a ball, above 0 and at most 1.
    z : float
        As of `bit_quantile`.

    Returns
    -------
    array
        Below 1 where not even one pattern is read at that ratio.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, appendix.

    Examples
    --------
    >>> round(float(capacity(10**6, 1.423e-4, 2.33)))
    173657
    """
    fractions = np.asarray(p, dtype=np.float64)
    if not ((fractions > 0) & (fractions <= 1)).all():
        raise ValueError("p must be above 0 and at most 1")
    return _capacity(log_of_finite_neurons(r), np.log(fractions), _checked_quantile(z))


def _capacity(log_r: float, log_p: Array, z: float) -> Array:
    """`capacity` from logarithms, so that neither p² nor r² leave the range of floats before their product does."""
    with np.errstate(over="ignore"):
        active = np.exp(log_p + log_r)
        return np.asarray((active / z**2 - 1.0) * np.exp(-log_p) / (1.0 + np.exp(2.0 * log_p + log_r)) + 1.0)


def capacity_optimum(r: float, z: float) -> float:
    r"""Logarithm of the fraction p at which the capacity is largest.

    With q = p r it is the root above :math:`3 z^2/2` of :math:`2 q^3 - 3 z^2 q^2 = z^2 r`, found in the logarithm: the
    published closed form takes r to the eighth power, which overflows at r = 1e39.

    Examples
    --------
    >>> round(math.exp(capacity_optimum(10**6, 2.33)), 9)
    0.000142264
    """
    return _log_optimum(log_of_finite_neurons(r), _checked_quantile(z))


def _log_optimum(log_r: float, z: float) -> float:
    """`capacity_optimum` from the logarithm of the neurons: the equation increases with y = log(q - 3 z²/2)."""
    # It takes a while to import, and only this root needs it.
    from scipy import optimize

    least = math.log(1.5 * z**2)
    target = 2.0 * math.log(z) + log_r - math.log(2.0)
    highest = target / 3.0
    lowest = target - 2.0 * float(np.logaddexp(least, highest))
    y = optimize.brentq(lambda y: 2.0 * np.logaddexp(least, y) + y - target, lowest, highest, xtol=1e-14, rtol=1e-14)
    return float(np.logaddexp(least, y)) - log_r


@dataclass(frozen=True)
class OptimalRadius:
    """A radius that is best by some criterion.

    Parameters
    ----------
    d : int
    log_fraction : float
        Logarithm of the fraction p of the space in a ball: of the optimum over all p where that is in closed form,
        and otherwise of the radius.
    value : float
        What is largest: the ratio of signal to noise, the number of patterns, or the critical distance.
    """

    d: int
    log_fraction: float
    value: float


def optimal_radius(
    n: int,
    m: int,
    r: float,
    *,
    criterion: Criterion = "snr",
    mode: Mode = "closed",
    noise: Noise = "exact",
    rule: Rule = "strict",
    z: float | None = None,
    radii: Iterable[int] | None = None,
) -> OptimalRadius:
    r"""Radius that is best for a number of patterns and neurons.

    In closed form: for the signal-to-noise ratio at distance 0, :math:`p = (2 m r)^{-1/3}`; for the capacity, p of
    `capacity_optimum`; and the least radius whose ball holds that fraction. Discrete: the best of all radii, the
    smallest of those that are equal.

    Parameters
    ----------
    n, m : int
        Bits and patterns, at least 1.
    r : int or float
        Neurons, above 0 and finite.
    criterion : {'snr', 'capacity', 'critical'}
    mode : {'closed', 'discrete'}
        A critical distance has no closed form.
    noise, rule : str
        As in `critical_distance`; of the discrete modes for 'snr' (noise) and 'critical' (both).
    z : float, optional
        Ratio of the capacity; `bit_quantile` of n if left out.
    radii : iterable of int, optional
        Radii that the discrete mode tries, by default 1 to n // 2.

    Returns
    -------
    OptimalRadius

    Raises
    ------
    ValueError
        If an argument is out of range, or the optimum in closed form is a fraction above 1.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, appendix.

    Examples
    --------
    At n = 64, m = 1024 and r = 2^64 the radii of the paper, and what the exact noise makes of the second:

    >>> optimal_radius(64, 1024, 2**64, criterion="capacity").d, optimal_radius(64, 1024, 2**64).d
    (5, 11)
    >>> optimal_radius(64, 1024, 2**64, criterion="critical", mode="discrete", noise="paper").d
    15
    >>> optimal_radius(64, 1024, 2**64, mode="discrete").d
    8
    """
    checked_choice("criterion", criterion, Criterion)
    checked_choice("mode", mode, Mode)
    n, m, log_r = checked_integer("n", n, 1), checked_integer("m", m, 1), log_of_finite_neurons(r)
    z = bit_quantile(n) if z is None else _checked_quantile(z)
    if mode == "closed":
        return _closed_optimum(n, m, log_r, criterion, z)
    tried = [checked_integer("d", d, 0, n) for d in (range(1, max(n // 2, 1) + 1) if radii is None else radii)]
    if not tried:
        raise ValueError("radii must not be empty")
    if criterion == "snr":
        values = [float(snr(n, d, r, m, 0, noise=noise)) for d in tried]
    elif criterion == "critical":
        values = [float(critical_distance(n, d, r, m, noise=noise, rule=rule)) for d in tried]
    else:
        values = [float(value) for value in _capacity(log_r, log_ball_fraction(n, tried), z)]
    best = int(np.argmax(values))
    return OptimalRadius(tried[best], float(log_ball_fraction(n, tried[best])), values[best])


def _closed_optimum(n: int, m: int, log_r: float, criterion: Criterion, z: float) -> OptimalRadius:
    """The optima that are roots of an equation for p."""
    if criterion == "critical":
        raise ValueError("the critical distance has no optimum in closed form: mode must be 'discrete'")
    if criterion == "capacity":
        log_p = _log_optimum(log_r, z)
        value = float(_capacity(log_r, np.array(log_p), z))
    else:
        log_p = -(math.log(2.0 * m) + log_r) / 3.0
        # The square is p r / (1 + p m + p³ m r), whose last term is 1/2.
        with np.errstate(over="ignore"):
            value = float(np.exp(0.5 * (log_p + log_r - math.log(1.5 + math.exp(log_p + math.log(m))))))
    if log_p > 0:
        raise ValueError(f"the optimum is a fraction of exp({log_p:.3g}) of the space: there are too few neurons")
    return OptimalRadius(radius_for_log_fraction(n, log_p), log_p, value)
