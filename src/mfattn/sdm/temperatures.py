r"""Inverse temperatures: softmax attention fitted to the weights that a sparse distributed memory gives its patterns.

A memory weights a pattern at Hamming distance dv by what the two balls around it and the query share. If that were
exponential in the cosine, :math:`I(dv) = c\, e^{\beta (1 - 2 dv / n)}`, reading would be softmax attention of inverse
temperature :math:`\beta`. It nearly is for dv up to d, and falls faster beyond; so :math:`\beta` depends on which
distances are asked, and on what is to be right there. Here are the published estimator, with its defect, and others.

References
----------
Bricken and Pehlevan, Attention approximates sparse distributed memory, NeurIPS 2021.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.sdm.bounds import largest_term
from mfattn.sdm.checks import Array, Integers, checked_choice, checked_distances, checked_integer, checked_number
from mfattn.sdm.geometry import hamming_to_cosine, log_binomial, log_expected_neurons, log_of_finite_neurons
from mfattn.sdm.sphere import double_cap_slope, log_double_cap, radius_to_angle

Kind = Literal["binary", "cap", "largest_term"]
Estimator = Literal["ols", "paper", "weighted", "levels", "softmax", "kl", "taylor"]
Density = Literal["flat", "binomial"]

LINES = ("ols", "paper", "weighted", "levels")
"""Estimators that draw a line through the logarithms; the others compare normalised weights."""

STEEPEST = 1e6
"""Largest inverse temperature that is looked for."""


@dataclass(frozen=True)
class BetaFit:
    r"""A softmax fitted to the weights of a memory, :math:`\log w \approx b + \beta (1 - 2 dv/n)`.

    Parameters
    ----------
    beta, bias : float
        Slope and intercept.
    r_squared : float
        1 less the squared residuals of the logarithms over their variation, where there is weight; below 0 where a
        constant would be better, NaN where they do not vary.
    largest_error : float
        Largest difference of the weights, each normalised over the distances that were fitted.
    standard_error : float
        Of the slope of a line, from the scatter about it: how far it is from a line, not a random error. NaN where
        there are only two points, or no line was fitted.
    points : int
        Distances that were fitted; of a line, those where the memory has weight.
    first, last : int
        The least and the greatest of them.
    """

    beta: float
    bias: float
    r_squared: float
    largest_error: float
    standard_error: float
    points: int
    first: int
    last: int


def log_weights(n: int, d: float, dv: ArrayLike | None = None, *, kind: Kind = "binary") -> Array:
    """Logarithms of the weights of a memory, as fractions of the space.

    Parameters
    ----------
    n : int
        Bits, or dimensions.
    d : int, or float for caps
        Radius, 0 to n, for caps above 0.
    dv : array of int, optional
        Distances from 0 to n; all of them if left out.
    kind : {'binary', 'cap', 'largest_term'}
        The intersection of balls, that of caps at the same cosines, or the largest term of the former.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> [log_weights(64, 11, [10], kind=kind).round(2).tolist() for kind in ("binary", "cap", "largest_term")]
    [[-21.45], [-26.75], [-21.77]]
    """
    checked_choice("kind", kind, Kind)
    if kind == "cap":
        return log_double_cap(n, radius_to_angle(n, d), hamming_to_cosine(n, checked_distances(n, dv)))
    whole = checked_integer("d", d, 0, checked_integer("n", n, 1))
    return log_expected_neurons(n, whole, 1, dv) if kind == "binary" else largest_term(n, whole, dv)


def softmax_weights(n: int, beta: float, dv: ArrayLike | None = None) -> Array:
    """Softmax of beta times the cosines at distances, which do not overflow at any beta.

    >>> softmax_weights(64, 14.4, [0, 1, 2]).round(4).tolist()
    [0.4892, 0.3119, 0.1989]
    """
    return np.asarray(special.softmax(_checked_beta(beta) * hamming_to_cosine(n, checked_distances(n, dv))))


def _checked_beta(beta: float) -> float:
    """BETA as a finite float."""
    value = checked_number("beta", beta)
    if math.isinf(value):
        raise ValueError(f"beta must be finite, found {beta!r}")
    return value


def default_distances(n: int, d: float, estimator: Estimator) -> Integers:
    """Distances that an estimator fits if none are given.

    Those below d for lines, the even ones of them for 'levels', all from 0 to n for 'softmax' and 'kl'.

    >>> default_distances(64, 5, "levels").tolist()
    [0, 2, 4]
    """
    if estimator in ("softmax", "kl"):
        return np.arange(n + 1)
    return np.arange(0, math.ceil(d), 2 if estimator == "levels" else 1)


def fit_beta(
    n: int,
    d: float,
    *,
    kind: Kind = "binary",
    estimator: Estimator = "ols",
    distances: ArrayLike | None = None,
    r: float = 1,
) -> BetaFit:
    r"""Inverse temperature of the softmax that stands for a memory of radius d.

    With :math:`x_i = 1 - 2 dv_i/n` and :math:`y_i = \log(r\, I(dv_i)/2^n)`:

    ============  ======================================================================================
    ols           least squares through the points, :math:`\beta = \mathrm{cov}(x, y) / \mathrm{var}(x)`
    paper         N/(N - 1) times that, for N points: the published program divides a covariance over
                  N - 1 by a variance over N; the bias goes with the slope
    weighted      least squares, a point weighted by I(dv)
    levels        least squares through even distances, as I(2k - 1) = I(2k) counts every level twice
    softmax       least mean square difference of the weights, each normalised over the distances
    kl            least Kullback-Leibler divergence of the softmax from the weights: equal mean cosine
    taylor        :math:`(n - 2d)^2 / 4n`, the slope of the Taylor approximation, published as "approx"
    ============  ======================================================================================

    Parameters
    ----------
    n, d : int
        Bits and radius; for caps the radius need not be whole.
    kind : {'binary', 'cap', 'largest_term'}
        Weights of `log_weights`.
    estimator : {'ols', 'paper', 'weighted', 'levels', 'softmax', 'kl', 'taylor'}
    distances : array of int, optional
        Distances that are fitted, from 0 to n, by default `default_distances`; lines leave out those without weight.
    r : int or float
        Neurons, above 0; they only shift the bias.

    Returns
    -------
    BetaFit
        The bias of the last three is such that softmax and weights have the same sum.

    Raises
    ------
    ValueError
        If an argument is out of range, or fewer than two distances have weight.

    References
    ----------
    Bricken and Pehlevan, NeurIPS 2021, who print the values of 'paper' at n = 64 and d = 5, 11, 15.

    Examples
    --------
    >>> [round(fit_beta(64, d, estimator="paper").beta, 1) for d in (5, 11, 15)]
    [35.5, 15.9, 10.1]
    >>> [round(fit_beta(64, d).beta, 2) for d in (5, 11, 15)]
    [28.39, 14.41, 9.44]
    """
    checked_choice("estimator", estimator, Estimator)
    n = checked_integer("n", n, 1)
    asked = checked_distances(n, distances) if distances is not None else default_distances(n, _radius(n, d), estimator)
    used = np.unique(asked)
    y = log_weights(n, d, used, kind=kind)
    if np.isfinite(y).sum() < 2:
        found = int(np.isfinite(y).sum())
        raise ValueError(f"a fit needs at least 2 distances with weight, found {found} at n = {n}, d = {d}")
    if estimator in LINES:
        used, y = used[np.isfinite(y)], y[np.isfinite(y)]
    x = hamming_to_cosine(n, used)
    if estimator in LINES:
        beta, bias = _line(x, y, estimator)
    else:
        beta = _slope_of_weights(x, y, (n - 2 * d) ** 2 / (4 * n), estimator)
        bias = float(special.logsumexp(y) - special.logsumexp(beta * x))
    scatter = _scatter(x, y - bias - beta * x) if estimator in LINES else math.nan
    return BetaFit(
        beta=beta,
        bias=bias + log_of_finite_neurons(r),
        r_squared=r_squared(y, bias + beta * x),
        largest_error=float(np.abs(special.softmax(y) - special.softmax(beta * x)).max()),
        standard_error=scatter,
        points=len(used),
        first=int(used[0]),
        last=int(used[-1]),
    )


def _radius(n: int, d: float) -> float:
    """A radius from 0 to n, so that distances below it make sense."""
    radius = checked_number("d", d)
    if not 0 <= radius <= n:
        raise ValueError(f"d must be 0 to n = {n}, found {d!r}")
    return radius


def _line(x: Array, y: Array, estimator: Estimator) -> tuple[float, float]:
    """Slope and intercept of the line through the points."""
    weights = np.exp(y - y.max()) if estimator == "weighted" else np.ones(len(x))
    weights /= weights.sum()
    # Sums, not products of BLAS, whose order depends on the number of threads.
    middle, height = (weights * x).sum(), (weights * y).sum()
    slope = (weights * (x - middle) * (y - height)).sum() / (weights * np.square(x - middle)).sum()
    if estimator == "paper":
        slope *= len(x) / (len(x) - 1)
    return float(slope), float(height - slope * middle)


def _slope_of_weights(x: Array, y: Array, taylor: float, estimator: Estimator) -> float:
    """Slope of the estimators that are no lines."""
    if estimator == "taylor":
        return taylor
    weights = special.softmax(y)
    mean = (weights * x).sum()

    def moment(beta: float) -> float:
        return float((special.softmax(beta * x) * x).sum() - mean)

    def descent(beta: float) -> float:
        # Derivative of the mean square difference, but for a factor.
        attention = special.softmax(beta * x)
        centred = x - (attention * x).sum()
        return float(((attention - weights) * attention * centred).sum())

    if np.isfinite(y).all() and np.ptp(y) == 0:
        return 0.0
    return _root(moment, *_around(moment)) if estimator == "kl" else _root(descent, *_deepest(x, weights))


def _around(function: Callable[[float], float]) -> tuple[float, float]:
    """Bounds of the root of a function that increases and is not above 0 at 0."""
    upper = 1.0
    while function(upper) < 0 and upper < STEEPEST:
        upper *= 4.0
    return 0.0, upper


def _deepest(x: Array, weights: Array) -> tuple[float, float]:
    """Bounds of the least mean square difference, from a grid of inverse temperatures."""
    grid = np.concatenate([[0.0], np.geomspace(1e-4, STEEPEST, 240)])
    attention = special.softmax(grid[:, np.newaxis] * x, axis=1)
    best = int(np.square(attention - weights).sum(axis=1).argmin())
    return float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a function that increases from LOW to HIGH; the end that is nearer to one if there is none."""
    # It takes a while to import, and only these fits need it.
    from scipy import optimize

    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    return float(optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-13))


def r_squared(y: Array, fitted: Array) -> float:
    """Share of the variation of logarithms that a line explains, where they are finite; NaN where they do not vary.

    Parameters
    ----------
    y, fitted : (distances,) arrays
        Logarithms of the weights, and the line's.

    Examples
    --------
    >>> logs = log_weights(64, 11)
    >>> fit = fit_beta(64, 11)
    >>> line = fit.bias + fit.beta * hamming_to_cosine(64, range(65))
    >>> round(r_squared(logs[:11], line[:11]), 3), round(r_squared(logs, line), 3)
    (0.972, 0.861)
    """
    some = np.isfinite(y)
    variation = float(np.square(y[some] - y[some].mean()).sum())
    return 1.0 - float(np.square(y[some] - fitted[some]).sum()) / variation if variation > 0 else math.nan


def _scatter(x: Array, residuals: Array) -> float:
    """Standard error of a slope, from the scatter about the line."""
    free = len(x) - 2
    squares = float(np.square(residuals).sum()) / float(np.square(x - x.mean()).sum())
    return math.sqrt(squares / free) if free > 0 else math.nan


@dataclass(frozen=True, eq=False)
class BetaTable:
    """Fits of one kind at many radii."""

    d: Integers  # (radii,)
    beta: Array  # (radii,)
    bias: Array  # (radii,)
    r_squared: Array  # (radii,)
    largest_error: Array  # (radii,)


def beta_table(
    n: int, radii: Sequence[int] | None = None, *, kind: Kind = "binary", estimator: Estimator = "ols"
) -> BetaTable:
    """`fit_beta` at many radii.

    Parameters
    ----------
    n : int
        Bits, at least 4.
    radii : sequence of int, optional
        By default `least_radius` to n // 2.
    kind, estimator : str
        As in `fit_beta`.

    Examples
    --------
    >>> beta_table(64, [5, 27]).beta.round(3).tolist()
    [28.388, 1.78]
    """
    n = checked_integer("n", n, 4)
    chosen = list(range(least_radius(estimator, kind), n // 2 + 1)) if radii is None else list(radii)
    fits = [_fitted(n, checked_integer("d", d, 0, n), kind, estimator) for d in chosen]
    columns = {
        name: np.array([getattr(fit, name) for fit in fits]) for name in ("beta", "bias", "r_squared", "largest_error")
    }
    return BetaTable(np.array(chosen, dtype=np.int64), **columns)


@lru_cache(maxsize=32)
def least_radius(estimator: Estimator, kind: Kind = "binary") -> int:
    """Least radius that can be fitted: two of the default distances have weight, whatever n is from 4 on.

    Parameters
    ----------
    estimator, kind : str
        As in `fit_beta`.

    Raises
    ------
    ValueError
        If there is no such estimator or kind.

    Examples
    --------
    >>> [least_radius(estimator) for estimator in ("ols", "levels", "softmax")]
    [2, 3, 1]
    """
    checked_choice("estimator", estimator, Estimator)
    n = 4

    def fitted(d: int) -> int:
        return int(np.isfinite(log_weights(n, d, default_distances(n, d, estimator), kind=kind)).sum())

    return next(d for d in range(1, n + 1) if fitted(d) > 1)


@lru_cache(maxsize=4096)
def _fitted(n: int, d: int, kind: Kind, estimator: Estimator) -> BetaFit:
    """`fit_beta`, kept for searches that come back to the same radii."""
    return fit_beta(n, d, kind=kind, estimator=estimator)


def radius_for_beta(n: int, beta: float, *, kind: Kind = "binary", estimator: Estimator = "ols") -> int:
    r"""Radius whose fit is nearest to an inverse temperature, in its logarithm: the inverse of `fit_beta`.

    Parameters
    ----------
    n : int
        Bits, at least 8.
    beta : float
        Finite, above 0. One that no radius reaches gives the radius at that end, from `least_radius` to n // 2.
    kind, estimator : str
        As in `fit_beta`.

    Returns
    -------
    int
        The smallest of those that are as near.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> [radius_for_beta(64, beta) for beta in (28.4, 14.4, 9.4)]
    [5, 11, 15]
    """
    n = checked_integer("n", n, 8)
    if not _checked_beta(beta) > 0:
        raise ValueError(f"beta must be above 0, found {beta!r}")

    def fitted(d: int) -> float:
        return _fitted(n, d, kind, estimator).beta

    # It falls with the radius, but for the smallest, where few points are fitted: those are looked at one by one.
    small = min(16, n // 2 - 1)
    low, high = small, n // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fitted(middle) > beta else (low, middle)
    candidates = [*range(least_radius(estimator, kind), small), low, high]
    return min(candidates, key=lambda d: abs(math.log(max(fitted(d), 1e-300) / beta)))


def local_beta(n: int, d: float, dv: ArrayLike | None = None, *, kind: Kind = "binary") -> Array:
    r"""Slope of the logarithm of the weights by the cosine at a distance, d log w / d cos.

    A softmax has the same everywhere. For balls, whose weights are a staircase with steps two bits wide, it is that
    between this and the next step, :math:`\tfrac n4 (\log I(dv) - \log I(dv + 2))`; for caps the derivative.

    Parameters
    ----------
    n, d, dv, kind
        As in `log_weights`.

    Returns
    -------
    array
        Infinite where the next step is empty (for caps, at distance 0), NaN where the distance has no weight, and
        for balls less than two bits from n.

    Examples
    --------
    >>> local_beta(64, 11, [0, 10, 20, 22]).round(2).tolist()
    [17.44, 16.64, 40.1, inf]
    """
    checked_choice("kind", kind, Kind)
    v = checked_distances(checked_integer("n", n, 1), dv)
    if kind == "cap":
        return double_cap_slope(n, radius_to_angle(n, d), hamming_to_cosine(n, v))
    here, there = log_weights(n, d, v, kind=kind), log_weights(n, d, np.minimum(v + 2, n), kind=kind)
    with np.errstate(invalid="ignore"):
        return np.where(v + 2 <= n, 0.25 * n * (here - there), np.nan)


# How alike the two are.


@dataclass(frozen=True)
class Comparison:
    """How the weights w of a memory and the softmax a differ over the distances that were compared.

    Parameters
    ----------
    total_variation : float
        Half the sum of |w - a|.
    divergence : float
        Kullback-Leibler divergence of the softmax from the weights, sum of w log(w / a), in natural units.
    agreement : float
        Probability that both give the largest weight to the same of several keys.
    """

    total_variation: float
    divergence: float
    agreement: float


def compare(
    n: int,
    d: float,
    beta: float,
    *,
    kind: Kind = "binary",
    distances: ArrayLike | None = None,
    density: Density = "flat",
    keys: int = 2,
) -> Comparison:
    r"""Compare softmax(beta x) with the weights of a memory.

    Parameters
    ----------
    n, d, kind
        As in `log_weights`.
    beta : float
        Finite.
    distances : array of int, optional
        From 0 to n, each once; all of them if left out.
    density : {'flat', 'binomial'}
        How many keys there are at each distance: as many everywhere, or in proportion to :math:`\binom{n}{dv}`, as of
        random addresses.
    keys : int
        Number of keys, at independent distances of that density, among which the largest weight is sought. Keys of
        equal weight share the first place; without any weight there is none.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If an argument is out of range, or no distance has weight.

    Examples
    --------
    >>> found = compare(64, 11, 14.41, distances=range(11))
    >>> round(found.total_variation, 3), round(found.divergence, 3), round(found.agreement, 3)
    (0.121, 0.035, 0.959)
    """
    beta, keys = _checked_beta(beta), checked_integer("keys", keys, 1)
    v = checked_distances(checked_integer("n", n, 1), distances).ravel()
    if len(np.unique(v)) < max(len(v), 1):
        raise ValueError("distances must be there, and each of them once")
    checked_choice("density", density, Density)
    logs = log_weights(n, d, v, kind=kind)
    if not np.isfinite(logs).any():
        raise ValueError(f"no distance has weight at n = {n}, d = {d}")
    log_counts = log_binomial(n, v) if density == "binomial" else np.zeros(len(v))
    weights = special.log_softmax(logs + log_counts)
    attention = special.log_softmax(beta * hamming_to_cosine(n, v) + log_counts)
    w, a = np.exp(weights), np.exp(attention)
    some = w > 0
    divergence = float((w[some] * (weights[some] - attention[some])).sum())
    agreement = _agreement(logs, beta * hamming_to_cosine(n, v), special.softmax(log_counts), keys)
    return Comparison(min(0.5 * float(np.abs(w - a).sum()), 1.0), max(divergence, 0.0), min(agreement, 1.0))


def _agreement(logs: Array, scores: Array, shares: Array, keys: int) -> float:
    r"""Probability that the same key has the largest weight and the largest score.

    If the memory's largest weight is at one of the distances in a level, which all have the same weight, the key that
    the memory takes is any of those in the level, and the softmax takes the best of them. With Q(v) the share of the
    level at v or worse, q(v) that at v, and t that of all lesser levels, the sum over the number k of keys in the
    level gives :math:`\sum_v \frac{q(v)}{Q(v)} \big((Q(v) + t)^m - t^m\big)` for m keys.
    """
    total = 0.0
    for level in np.unique(logs[np.isfinite(logs)]):
        inside = logs == level
        lesser = float(shares[logs < level].sum())
        order = np.argsort(scores[inside])
        share = shares[inside][order]
        worse = np.cumsum(share)
        some = share > 0
        total += float((share[some] / worse[some] * ((worse[some] + lesser) ** keys - lesser**keys)).sum())
    return total


def comparison_table(
    n: int,
    radii: Sequence[int],
    reaches: Sequence[int],
    *,
    kind: Kind = "binary",
    estimator: Estimator = "ols",
    density: Density = "flat",
    keys: int = 2,
) -> dict[str, Array]:
    """`compare` at the fitted inverse temperature, over radii and how far away keys may be.

    Parameters
    ----------
    n : int
        Bits.
    radii : sequence of int
        Those at which the estimator has at least two points.
    reaches : sequence of int
        Distances 0 to each of them are compared.
    kind, estimator, density, keys
        As in `fit_beta` and `compare`.

    Returns
    -------
    dict of arrays
        'beta' (radii,); 'total_variation', 'divergence' and 'agreement' (radii, reaches).

    Examples
    --------
    >>> table = comparison_table(64, [5, 11], [4, 64])
    >>> table["total_variation"].round(2).tolist()
    [[0.15, 0.16], [0.12, 0.12]]
    """
    betas = beta_table(n, radii, kind=kind, estimator=estimator).beta

    def one(d: int, beta: float, reach: int) -> Comparison:
        reached = range(checked_integer("reach", reach, 0, n) + 1)
        return compare(n, d, beta, kind=kind, distances=reached, density=density, keys=keys)

    found = [[one(d, float(beta), reach) for reach in reaches] for d, beta in zip(radii, betas, strict=True)]
    names = ("total_variation", "divergence", "agreement")
    tables = {name: np.array([[getattr(entry, name) for entry in row] for row in found]) for name in names}
    return {"beta": betas, **tables}
