r"""How far networks of N bits stay from the mean field: deviations, divergence times, and their laws in N."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.model import Array, Context
from mfattn.meanfield.network import FiniteNetwork
from mfattn.meanfield.orbits import Orbits
from mfattn.meanfield.settling import Move, move_at_once

CHUNK = 1000
"""Steps whose deviations are added at once; a fixed number, so that no sum depends on how the steps are cut."""

CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Following:
    """How networks followed the mean field, which each left with a context of it.

    The deviation at a step is the root mean square, over the M features, of the difference of the attention vectors.
    """

    deviation: Array  # (networks,) root mean square over the steps after those that were left out
    divergence_time: NDArray[np.int64]  # (networks,) first step beyond the threshold, from 1 on, or -1
    first: Array  # (networks, steps) deviation at each of the first steps


def follow(
    network: FiniteNetwork,
    reference: Orbits,
    *,
    steps: int,
    forget: int,
    threshold: float,
    keep: int,
    piece: int = CHUNK,
    advance: Callable[[int], None] | None = None,
) -> Following:
    """Let networks and the mean field run side by side.

    Parameters
    ----------
    network : FiniteNetwork
        Advanced in place.
    reference : Orbits
        The mean field, a point for each network, in the contexts from which these start; advanced in place.
    steps, forget : int
        Steps of the comparison, and how many of its first steps the deviation leaves out.
    threshold : float
        Deviation beyond which a network has diverged.
    keep : int
        First steps whose deviations are kept.
    piece : int
        Most steps between two calls of `advance`; changes no number.
    advance : callable, optional
        Told of the steps of each piece.

    Returns
    -------
    Following
    """
    if not (0 <= forget < steps and 0 <= keep <= steps and piece >= 1 and len(network) == len(reference)):
        raise ValueError(
            f"forget and keep must fit into {steps} steps, and each network needs its reference, found "
            f"{forget=}, {keep=}, {piece=}, {len(network)} networks and {len(reference)} references"
        )
    squares = np.zeros(len(network))
    times = np.full(len(network), -1)
    first = np.empty((len(network), keep))
    for start in range(0, steps, CHUNK):
        length = min(CHUNK, steps - start)
        deviations = np.empty((len(network), length))
        for done in range(0, length, piece):
            part = min(piece, length - done)
            difference = np.stack(network.record_attention(part)) - np.stack(reference.record_attention(part))
            deviations[:, done : done + part] = np.square(difference).mean(axis=2)
            if advance is not None:
                advance(part)
        kept = deviations[:, : max(keep - start, 0)]
        first[:, start : start + kept.shape[1]] = np.sqrt(kept)
        squares += deviations[:, max(forget - start, 0) :].sum(axis=1)
        beyond = np.sqrt(deviations) > threshold
        new = (times < 0) & beyond.any(axis=1)
        times[new] = start + beyond[new].argmax(axis=1) + 1
    return Following(np.sqrt(squares / (steps - forget)), times, first)


@dataclass(frozen=True)
class Law:
    """A straight line through data: its slope, the half-width of its 95 % confidence interval, and its intercept.

    The interval comes from the scatter about the line, by Student's t with n - 2 degrees of freedom; NaN for less than
    three points.
    """

    slope: float
    error: float
    intercept: float

    def at(self, x: ArrayLike) -> Array:
        """Its values."""
        return self.intercept + self.slope * np.asarray(x, dtype=np.float64)


def contexts_after(
    reference: Orbits, points: NDArray[np.int64], steps: NDArray[np.int64], move: Move = move_at_once
) -> list[Context]:
    """Contexts of orbits of a reference, after several numbers of steps.

    Parameters
    ----------
    reference : Orbits
        Advanced in place, by the largest number.
    points, steps : (contexts,) array of int
        Orbit and number of steps of each context.
    move : callable
        In place of ``reference.advance``, such as one that reports progress.
    """
    contexts = [reference.contexts()[point] for point in points]
    done = 0
    for number in np.unique(steps):
        move(reference, int(number) - done)
        done, present = int(number), reference.contexts()
        for index in np.flatnonzero(steps == number):
            contexts[index] = present[points[index]]
    return contexts


def fit_line(x: ArrayLike, y: ArrayLike) -> Law | None:
    """Ordinary least squares through the finite points, or None where there are fewer than two abscissae.

    Examples
    --------
    >>> fit_line([0, 1, 2], [1, 3, 5])
    Law(slope=2.0, error=0.0, intercept=1.0)
    """
    # It takes most of a second to import, and only fits need it.
    from scipy import stats

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    finite = np.isfinite(x) & np.isfinite(y)
    if len(np.unique(x[finite])) < 2:
        return None
    line = stats.linregress(x[finite], y[finite])
    free = np.count_nonzero(finite) - 2
    error = line.stderr * stats.t.ppf((1 + CONFIDENCE) / 2, free) if free > 0 else np.nan
    return Law(float(line.slope), float(error), float(line.intercept))


def power_law(sizes: ArrayLike, values: ArrayLike) -> Law | None:
    """The line through the logarithms to base 10; values that are not positive are left out.

    Examples
    --------
    >>> round(power_law([10, 100, 1000], [0.3, 0.1, 0.03]).slope, 3)
    -0.5
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return fit_line(np.log10(sizes), np.log10(values))


@dataclass(frozen=True, eq=False)
class Scaling:
    r"""What replicas of each size come to, and the laws in N; NaN where a size has no replica.

    Beside a cycle or a rest state deviations fall as :math:`N^{-1/2}`. A network that runs beside a chaotic orbit with
    leading exponent :math:`\lambda` has a distance of :math:`N^{-1/2} e^{\lambda t}` from it, and so diverges after
    :math:`\ln N / (2 \lambda) + \mathrm{const}` steps. Replicas of one number leave the mean field at the same place
    whatever their size, so that the times of different N are not independent, and the law is one of these places.
    """

    size: NDArray[np.int64]  # (sizes,) N
    deviation: Array  # (sizes,) root mean square over replicas
    deviation_error: Array  # (sizes,) standard error
    distance: Array  # (sizes,) of the densities
    distance_error: Array  # (sizes,)
    divergence_time: Array  # (sizes,) mean, a replica that did not diverge counted with all steps
    divergence_error: Array  # (sizes,)
    diverged: Array  # (sizes,) share of the replicas
    deviation_law: Law | None  # of the logarithms to base 10
    divergence_law: Law | None  # of the times over ln N, of the sizes all of whose replicas diverged

    @classmethod
    def of(
        cls,
        size: NDArray[np.int64],
        *,
        deviation: Array,
        distance: Array,
        times: NDArray[np.int64],
        steps: int,
        fit_from: int = 0,
    ) -> "Scaling":
        """Summary of arrays (sizes, replicas).

        Parameters
        ----------
        size : (sizes,) array
            N.
        deviation, distance : (sizes, replicas) array
            From the mean field; NaN where a replica is missing.
        times : (sizes, replicas) array of int
            Divergence times, -1 where none was seen within a number of STEPS.
        steps : int
        fit_from : int
            Least N that the laws are fitted to.

        Examples
        --------
        >>> deviation = 1 / np.sqrt([[100, 100], [10_000, 10_000]])
        >>> times = np.array([[10, 30], [50, -1]])
        >>> size = np.array([100, 10_000])
        >>> scaling = Scaling.of(size, deviation=deviation, distance=deviation, times=times, steps=100)
        >>> scaling.divergence_time, scaling.diverged
        (array([20., 75.]), array([1. , 0.5]))
        >>> round(scaling.deviation_law.slope, 6)
        -0.5
        """
        there = np.isfinite(deviation)
        seen = np.where(there, np.where(times < 0, steps, times), np.nan)
        squares, squares_error = _mean_and_error(np.square(deviation))
        root = np.sqrt(squares)
        distance_mean, distance_error = _mean_and_error(distance)
        time, time_error = _mean_and_error(seen)
        diverged, _ = _mean_and_error(np.where(there, times >= 0, np.nan))
        fitted = size >= fit_from
        return cls(
            size,
            root,
            squares_error / (2 * root),
            distance_mean,
            distance_error,
            time,
            time_error,
            diverged,
            power_law(size[fitted], root[fitted]),
            fit_line(np.log(size), np.where(fitted & (diverged == 1), time, np.nan)),
        )


def _mean_and_error(values: Array) -> tuple[Array, Array]:
    """Mean of the finite values of each row, and its standard error; NaN where there are too few."""
    finite = np.isfinite(values)
    number = finite.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(finite, values, 0.0).sum(axis=1) / number
        squares = np.where(finite, np.square(values - mean[:, np.newaxis]), 0.0).sum(axis=1)
        return mean, np.sqrt(squares / (number - 1) / number)


def bands(series: Array) -> tuple[Array, Array, Array]:
    """Mean over the first axis (replicas), and the quantiles between which 95 % of them lie."""
    lower, upper = np.quantile(series, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return series.mean(axis=0), lower, upper
