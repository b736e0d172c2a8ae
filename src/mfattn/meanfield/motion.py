"""Everything that is measured of the motion of a batch of points: exponents, period, rotation, extents, regime."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mfattn.meanfield.birkhoff import converged_digits, rotation_number
from mfattn.meanfield.lyapunov import ALIGNMENT, CONFIDENCE, EVERY, Spectrum, Tangents, spectrum, zero_bound
from mfattn.meanfield.model import Array
from mfattn.meanfield.orbits import Orbits
from mfattn.meanfield.period import LONGEST_PERIOD, period
from mfattn.meanfield.regimes import Regime, classify
from mfattn.meanfield.settling import Move, is_stationary, move_at_once

STATES = 2048
"""States, one a positional period, from which averages and rotation numbers are read."""

WINDOW = 4096
"""Last steps in which a period is looked for, or twice the context length where that is more."""

PIECE = 1024


@dataclass(frozen=True, eq=False)
class Motion:
    """What was measured at each point."""

    spectrum: Spectrum
    period: NDArray[np.int64]  # (points,) in steps, 0 where none was found
    positional_period: NDArray[np.int64]  # (points,) the same in positional periods of L steps, 0 where not a multiple
    rotation: Array  # (points,) turns a positional period (a step where epsilon = 0)
    digits: Array  # (points,) of the weighted Birkhoff averages of the attention vector
    minimum: Array  # (points, M) of the attention vector
    maximum: Array  # (points, M)
    settled: NDArray[np.bool_]  # (points,)
    regime: NDArray[np.int8]  # (points,) values of `Regime`

    def part(self, points: slice) -> "Motion":
        """The motion of some of the points."""
        spectrum = replace(
            self.spectrum,
            finite_time=self.spectrum.finite_time[points],
            within_digits=self.spectrum.within_digits[points],
        )
        arrays = {name: array[points] for name, array in vars(self).items() if name != "spectrum"}
        return Motion(spectrum, **arrays)


def measure_motion(
    orbits: Orbits,
    exponents: int,
    steps: int,
    *,
    every: int = EVERY,
    alignment: int = ALIGNMENT,
    settled: NDArray[np.bool_] | None = None,
    move: Move = move_at_once,
) -> Motion:
    """Measure the motion over STEPS steps, and over `tail_steps` more what needs every step.

    Parameters
    ----------
    orbits : Orbits
        With full windows, past their transients but for `alignment` steps; advanced in place.
    exponents : int
        Number of leading Lyapunov exponents.
    steps : int
        Steps over which they are measured.
    every : int
        Steps between re-orthonormalisations, at most.
    alignment : int
        Steps before, in which the tangent vectors turn to their directions.
    settled : (points,) array of bool
        What is known from before; a point is settled if it was, and its leading exponent is stationary.
    move : callable
        Advances a batch, in place of its own method.
    """
    tangents = Tangents(orbits, exponents, every=every)
    measured = spectrum(tangents, steps, alignment=alignment, advance=lambda n: move(tangents, n))
    stationary = is_stationary(measured.finite_time[..., 0])
    settled = stationary if settled is None else settled & stationary
    length = orbits.weights.context_length
    autonomous = np.where(orbits.epsilon > 0, length, 1)
    tail = _Tail(orbits, tail_steps(steps, length), autonomous)
    move(tail, tail.steps)
    attracts = _attracting(measured)
    options = {"window": max(WINDOW, 2 * length), "longest": max(LONGEST_PERIOD, length)}
    periods = np.array(
        [period(orbit, attracts=bool(toward), **options) for orbit, toward in zip(tail.last, attracts, strict=True)],
        dtype=np.int64,
    )
    strobed = tail.strobed
    digits = np.array([converged_digits(orbit) for orbit in strobed])
    regimes = [
        classify(*pair, period=p, resting_period=int(rest), digits=d, settled=bool(s))
        for *pair, p, rest, d, s in zip(
            measured.exponents, measured.errors, periods, autonomous, digits, settled, strict=True
        )
    ]
    turning = np.isin(regimes, [Regime.PERIODIC, Regime.QUASI_PERIODIC])
    rotation = [rotation_number(orbit) if turns else np.nan for orbit, turns in zip(strobed, turning, strict=True)]
    kinds = np.array(regimes, dtype=np.int8)
    positional = np.where(periods % length == 0, periods // length, 0)
    return Motion(measured, periods, positional, np.array(rotation), digits, tail.minimum, tail.maximum, settled, kinds)


def _attracting(measured: Spectrum) -> NDArray[np.bool_]:
    """Points that may be on their way to a cycle: the first exponent is negative, or the first two are zero.

    Of a torus, and beside a fold, only the first is zero.
    """
    exponents, errors = measured.exponents, np.nan_to_num(measured.errors)
    negative = exponents[:, 0] < -CONFIDENCE * errors[:, 0]
    return negative | (np.abs(exponents[:, :2]) <= zero_bound(errors[:, :2])).all(axis=1)


def tail_steps(steps: int, length: int) -> int:
    """Steps that are recorded after STEPS measured ones, where the context has a LENGTH."""
    return min(steps, max(STATES * length, WINDOW))


class _Tail:
    """The last steps of a measurement, of which only what is needed is kept as they are made."""

    def __init__(self, orbits: Orbits, steps: int, every: NDArray[np.int64]) -> None:
        self.steps = steps
        self._orbits, self._every, self._done = orbits, every, 0
        self._kept = max(WINDOW, 2 * orbits.weights.context_length)
        self._states: list[list[Array]] = [[] for _ in every]
        self._last: list[list[Array]] = [[] for _ in every]
        self.minimum = np.full((len(orbits), orbits.weights.features), np.inf)
        self.maximum = -self.minimum

    def __len__(self) -> int:
        return len(self._orbits)

    def advance(self, steps: int) -> None:
        for start in range(0, steps, PIECE):
            self._record(min(PIECE, steps - start))

    def _record(self, steps: int) -> None:
        for point, orbit in enumerate(self._orbits.record_attention(steps)):
            # Counted back from the end, so that the last step is a state.
            first = (self.steps - 1 - self._done) % self._every[point]
            self._states[point].append(orbit[first :: self._every[point]])
            if self.steps - self._done - steps < self._kept:
                self._last[point].append(orbit)
            self.minimum[point] = np.minimum(self.minimum[point], orbit.min(axis=0))
            self.maximum[point] = np.maximum(self.maximum[point], orbit.max(axis=0))
        self._done += steps

    @property
    def strobed(self) -> list[Array]:
        """States of every point, one a positional period and the last step among them."""
        return [np.concatenate(states)[-STATES:] for states in self._states]

    @property
    def last(self) -> list[Array]:
        """The last steps of every point."""
        return [np.concatenate(pieces) for pieces in self._last]
