"""Means over weighted draws, with errors from the differences between independent pieces."""

from dataclasses import dataclass

import numpy as np

from mfattn.paths.checks import Array


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number or array with its standard error."""

    value: Array
    error: Array


def weighted_mean(weights: Array, sums: Array) -> Estimate:
    """Ratio of the total of SUMS (pieces, ...) to that of WEIGHTS (pieces,), by the delta method over the pieces.

    >>> weighted_mean(np.ones(2), np.array([1.0, 3.0])).value, weighted_mean(np.ones(2), np.array([1.0, 3.0])).error
    (np.float64(2.0), np.float64(1.0))
    """
    value = sums.sum(axis=0) / weights.sum()
    return Estimate(value, delta_error(weights, sums - _times(weights, value)))


def total_variance(weights: Array, means: Array, squares: Array) -> Estimate:
    """Mean of squares less the squared mean, from sums (pieces, ...) of both."""
    mean, square = means.sum(axis=0) / weights.sum(), squares.sum(axis=0) / weights.sum()
    influence = squares - 2 * mean * means - _times(weights, square - 2 * mean**2)
    return Estimate(square - mean**2, delta_error(weights, influence))


def delta_error(weights: Array, influences: Array) -> Array:
    """Standard error of a ratio of totals, from influences (pieces, ...) that add to zero."""
    pieces = len(weights)
    return np.sqrt(pieces / (pieces - 1) * (influences**2).sum(axis=0)) / weights.sum()


def _times(weights: Array, values: Array) -> Array:
    """Outer product (pieces, ...)."""
    return np.multiply.outer(weights, values)
