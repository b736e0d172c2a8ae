r"""How much draws are worth: effective sample sizes and R-hat.

References
----------
Kish, Survey Sampling (1965). Vehtari, Gelman, Simpson, Carpenter and Bürkner, Bayesian Analysis 16, 667 (2021),
arXiv 1903.08008, for rank-normalised, split chains.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.paths.checks import Array, checked_array


def kish_effective_size(log_weights: ArrayLike) -> float:
    r"""Effective number :math:`(\sum w)^2 / \sum w^2` of draws with weights of given logarithms.

    Parameters
    ----------
    log_weights : array
        Any shape; minus infinity for weight zero, but not all of them.

    Examples
    --------
    >>> kish_effective_size([0.0, 0.0, -np.inf])
    2.0
    """
    logarithms = np.asarray(log_weights, dtype=np.float64)
    weights = np.exp(logarithms - logarithms.max())
    return float(weights.sum() ** 2 / (weights**2).sum())


def r_hat(chains: ArrayLike) -> float:
    """Ratio of the spread of all draws to that within chains: 1 where these agree, also in scale.

    Parameters
    ----------
    chains : (chains, draws) array
        Of one quantity, four draws at least in each.

    Examples
    --------
    >>> r_hat(np.random.default_rng(0).standard_normal((8, 500))) < 1.01
    True
    """
    draws = _split(_checked(chains))
    folded = np.abs(draws - np.median(draws))
    return max(_spread_ratio(_normal_scores(draws)), _spread_ratio(_normal_scores(folded)))


def bulk_effective_size(chains: ArrayLike) -> float:
    """Effective number of independent draws, from the autocorrelation of ranks.

    Parameters
    ----------
    chains : (chains, draws) array
        Of one quantity, four draws at least in each.

    Examples
    --------
    >>> draws = np.random.default_rng(0).standard_normal((8, 500))
    >>> 3000 < bulk_effective_size(draws) < 5000, 1500 < bulk_effective_size(draws.repeat(2, axis=1)[:, :500]) < 2500
    (True, True)
    """
    draws = _normal_scores(_split(_checked(chains)))
    count, length = draws.shape
    within, total = _variances(draws)
    if within == 0:
        return float(draws.size)
    correlation = 1 - (within - _autocovariance(draws)) / total
    correlation[0] = 1.0
    pairs = correlation[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    kept = np.minimum.accumulate(pairs[: max(int(negative[0]), 1) if len(negative) else None])
    time = max(2 * float(kept.sum()) - 1, 1 / np.log10(count * length))
    return count * length / time


def _checked(chains: ArrayLike) -> Array:
    """Chains that are long enough to be split."""
    found = checked_array("chains", chains, ("chains", "draws"))
    if found.shape[1] < 4:
        raise ValueError(f"chains must have four draws at least, found {found.shape[1]}")
    return found


def _split(chains: Array) -> Array:
    """Every chain as two of half the length."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def _normal_scores(draws: Array) -> Array:
    """Quantiles of a Gaussian at the ranks of all draws, equal ones at their mean rank."""
    _, places, counts = np.unique(draws, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1)
    return special.ndtri((ranks[places].reshape(draws.shape) - 0.375) / (draws.size + 0.25))


def _variances(draws: Array) -> tuple[float, float]:
    """Mean variance within chains, and the estimate of the total variance."""
    length = draws.shape[1]
    within = float(draws.var(axis=1, ddof=1).mean())
    return within, within * (length - 1) / length + float(draws.mean(axis=1).var(ddof=1))


def _spread_ratio(draws: Array) -> float:
    """Root of total over inner variance."""
    within, total = _variances(draws)
    return float(np.sqrt(total / within)) if within > 0 else 1.0


def _autocovariance(draws: Array) -> Array:
    """Mean autocovariance (draws,) of the chains."""
    length = draws.shape[1]
    spectrum = np.fft.rfft(draws - draws.mean(axis=1, keepdims=True), 2 * length)
    return np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :length].mean(axis=0) / length
