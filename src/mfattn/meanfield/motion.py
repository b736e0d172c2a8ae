"""Everything that is measured of the motion of a batch of points: exponents, period, rotation, extents, regime."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfattn.meanfield.birkhoff import converged_digits, rotation_number, stroboscopic
from mfattn.meanfield.lyapunov import ALIGNMENT, EVERY, Spectrum, Tangents, spectrum
from mfattn.meanfield.model import Array
from mfattn.meanfield.orbits import Orbits
from mfattn.meanfield.period import period
from mfattn.meanfield.regimes import Regime, classify
from mfattn.meanfield.settling import Move, is_stationary, move_at_once

TAIL = 8192
"""Most steps from which period, rotation number and extents are read."""

PIECE = 1024


@dataclass(frozen=True, eq=False)
class Motion:
    """What was measured at each point."""

    spectrum: Spectrum
    period: NDArray[np.int64]  # (points,) in steps, 0 where none was found
    rotation: Array  # (points,) turns a positional period (a step where epsilon = 0)
    digits: Array  # (points,) of the weighted Birkhoff averages of the attention vector
    minimum: Array  # (points, M) of the attention vector
    maximum: Array  # (points, M)
    settled: NDArray[np.bool_]  # (points,)
    regime: NDArray[np.int8]  # (points,) values of `Regime`


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
    """Measure the motion over STEPS steps, and over as many more (`TAIL` at most) what needs every step.

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
    tail = _record_tail(orbits, min(steps, TAIL), move)
    autonomous = np.where(orbits.epsilon > 0, orbits.weights.context_length, 1)
    periods = np.array([period(orbit, window=TAIL // 2) for orbit in tail], dtype=np.int64)
    strobed = [stroboscopic(orbit, every) for orbit, every in zip(tail, autonomous, strict=True)]
    digits = np.array([converged_digits(orbit) for orbit in strobed])
    regimes = [
        classify(*pair, period=p, resting_period=int(rest), digits=d, settled=bool(s))
        for *pair, p, rest, d, s in zip(
            measured.exponents, measured.errors, periods, autonomous, digits, settled, strict=True
        )
    ]
    turning = np.isin(regimes, [Regime.PERIODIC, Regime.QUASI_PERIODIC])
    rotation = [rotation_number(orbit) if turns else np.nan for orbit, turns in zip(strobed, turning, strict=True)]
    minimum, maximum = (np.array([reach(orbit, axis=0) for orbit in tail]) for reach in (np.min, np.max))
    kinds = np.array(regimes, dtype=np.int8)
    return Motion(measured, periods, np.array(rotation), digits, minimum, maximum, settled, kinds)


def _record_tail(orbits: Orbits, steps: int, move: Move) -> list[Array]:
    """Attention vectors (steps, M) of every point over the next steps."""
    recorder = _Recorder(orbits)
    move(recorder, steps)
    return [np.concatenate(pieces) for pieces in zip(*recorder.pieces, strict=True)]


class _Recorder:
    """Orbits whose attention vectors are kept as they are advanced."""

    def __init__(self, orbits: Orbits) -> None:
        self._orbits = orbits
        self.pieces: list[list[Array]] = []

    def __len__(self) -> int:
        return len(self._orbits)

    def advance(self, steps: int) -> None:
        for start in range(0, steps, PIECE):
            self.pieces.append(self._orbits.record_attention(min(PIECE, steps - start)))
