"""Advancing orbits in pieces: short enough for the progress bar and the signals, small enough for the memory."""

from collections.abc import Iterator

import numpy as np

from mfattn.meanfield import Orbits, Weights
from mfattn.meanfield.model import OBSERVABLES
from mfattn.pipeline.experiment import Advance, Arrays

PIECE_SECONDS = 0.1
"""Rough time between two looks at the progress and the signals."""

PIECE_BYTES = 2**26
"""Memory of the steps that are recorded at once."""


def step_seconds(weights: Weights) -> float:
    """Rough seconds of a step of one point on one core.

    J tanh and L exp, each with the multiplications by M features around it, at the speed of a recent core.
    """
    classes, length, features = len(weights.classes.signs), weights.context_length, weights.features
    return 1e-9 * (classes * (1.2 + 0.3 * features) + length * (0.6 + 0.15 * features))


def _pieces(steps: int, longest: int) -> Iterator[int]:
    for start in range(0, steps, longest):
        yield min(longest, steps - start)


def pieces(steps: int, orbits: Orbits) -> Iterator[int]:
    """Cut STEPS of a batch into pieces of about `PIECE_SECONDS`."""
    seconds = step_seconds(orbits.weights) * orbits.packs * orbits.kernels.LANES
    yield from _pieces(steps, max(1, int(PIECE_SECONDS / seconds)))


def advance_orbits(orbits: Orbits, steps: int, advance: Advance) -> None:
    """Advance a batch by STEPS steps, and tell ADVANCE as they are done."""
    for piece in pieces(steps, orbits):
        orbits.advance(piece)
        advance(piece * len(orbits))


def record_orbits(orbits: Orbits, steps: int, names: tuple[str, ...], advance: Advance) -> Arrays:
    """Record the named observables over STEPS steps, arrays (points, steps, M), and tell ADVANCE as they are done."""
    features = orbits.weights.features
    arrays = {name: np.empty((len(orbits), steps, features)) for name in names}
    bytes_per_step = 8 * len(OBSERVABLES) * features * orbits.packs * orbits.kernels.LANES
    done = 0
    for piece in _pieces(steps, max(1, PIECE_BYTES // bytes_per_step)):
        orbit = orbits.record(piece)
        for name, array in arrays.items():
            array[:, done : done + piece] = getattr(orbit, name)
        done += piece
        advance(piece * len(orbits))
    return arrays
