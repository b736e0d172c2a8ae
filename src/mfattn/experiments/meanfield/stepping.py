"""Advancing orbits in pieces: short enough for the progress bar and the signals, small enough for the memory."""

from collections.abc import Iterator

import numpy as np

from mfattn.meanfield import FiniteNetwork, Tangents, Weights
from mfattn.meanfield.lyapunov import EVERY
from mfattn.meanfield.model import OBSERVABLES
from mfattn.meanfield.observe import Observation, Observer
from mfattn.meanfield.orbits import Batch
from mfattn.meanfield.settling import Move, Steppable
from mfattn.pipeline.experiment import Advance, Arrays

PIECE_SECONDS = 0.1
"""Rough time between two looks at the progress and the signals."""

PIECE_BYTES = 2**26
"""Memory of the steps that are recorded at once."""


def step_seconds(weights: Weights, exponents: int = 0, every: int = EVERY) -> float:
    """Rough seconds of a step of one point, and of its tangent vectors, on one core.

    J tanh and L exp, each with the multiplications by M features around it, and the multiplications of the tangent
    vectors and their re-orthonormalisation, at the speed of a recent core.
    """
    classes, length, features = len(weights.classes.signs), weights.context_length, weights.features
    step = classes * (1.2 + 0.3 * features) + length * (0.6 + 0.15 * features)
    push = 4 * classes * features + 3 * features * length + features**2
    renewal = length * features * (4 * classes + 2 * exponents)
    return 1e-9 * (step + 0.08 * exponents * (push + renewal / every))


LANES = 16
"""Points of a pack; `mfattn.meanfield.kernels` says so too, but takes long to import."""

DRAW_NANOSECONDS = 45.0
"""Rough time of a binomial draw."""


def network_step_seconds(weights: Weights) -> float:
    """Rough seconds of a step of a network, on one core."""
    return step_seconds(weights) + 1e-9 * DRAW_NANOSECONDS * len(weights.joint_classes[1])


def lanes_of(points: int) -> int:
    """Lanes in which a number of points travel: a pack takes its time however few it holds."""
    return -(-points // LANES) * LANES


def seconds_of(points: Steppable, weights: Weights) -> float:
    """Rough seconds of a step of all POINTS."""
    if isinstance(points, FiniteNetwork):
        return lanes_of(len(points)) * network_step_seconds(weights)
    return lanes_of(len(points)) * step_seconds(weights, points.exponents if isinstance(points, Tangents) else 0)


def _pieces(steps: int, longest: int) -> Iterator[int]:
    for start in range(0, steps, longest):
        yield min(longest, steps - start)


def piece_steps(seconds: float) -> int:
    """Number of steps, of so many SECONDS each, that take about `PIECE_SECONDS`."""
    return max(1, int(PIECE_SECONDS / seconds))


def pieces(steps: int, seconds: float) -> Iterator[int]:
    """Cut steps that take so many SECONDS each into pieces of about `PIECE_SECONDS`."""
    yield from _pieces(steps, piece_steps(seconds))


def mover(advance: Advance, weights: Weights) -> Move:
    """Advances a batch, or its tangent vectors, in pieces, and tells ADVANCE as they are done."""

    def move(points: Steppable, steps: int) -> None:
        for piece in pieces(steps, seconds_of(points, weights)):
            points.advance(piece)
            advance(piece * len(points))

    return move


def observe(observer: Observer, steps: int, advance: Advance) -> Observation:
    """Let an observer observe STEPS steps of its orbits in pieces, and tell ADVANCE as they are done."""
    orbits = observer.orbits
    for piece in pieces(steps, seconds_of(orbits, orbits.weights)):
        observer.observe(piece)
        advance(piece * len(orbits))
    return observer.result()


def record_orbits(orbits: Batch, steps: int, names: tuple[str, ...], advance: Advance) -> Arrays:
    """Record the named observables over STEPS steps, arrays (points, steps, M), and tell ADVANCE as they are done."""
    features = orbits.weights.features
    arrays = {name: np.empty((len(orbits), steps, features)) for name in names}
    bytes_per_step = 8 * len(OBSERVABLES) * features * orbits.packs * orbits.kernels.LANES
    done = 0
    quick = piece_steps(seconds_of(orbits, orbits.weights))
    for piece in _pieces(steps, max(1, min(PIECE_BYTES // bytes_per_step, quick))):
        orbit = orbits.record(piece)
        for name, array in arrays.items():
            array[:, done : done + piece] = getattr(orbit, name)
        done += piece
        advance(piece * len(orbits))
    return arrays
