"""Rest states and cycles of maps, and the parameter values where they bifurcate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.families import Family
from mfattn.meanfield.model import Array

SHORTEST_RUN = 2  # values of a sweep that a followed cycle spans: a window that one value hits is barely seen
LONGEST_CYCLE = 64  # of a sweep that is followed, in steps of the family's map
SLOW = 0.05  # rate -log|μ| up to which a cycle attracts so slowly that a sweep may not recognise it
FARTHEST = 100.0  # how far beyond its run a slow cycle is followed, in distances of values
ITERATIONS = 20  # of Newton's method, before a cycle counts as not there
LARGEST_STEP = 0.25  # of the continuation, as a share of the parameter interval
SMALLEST_STEP = 1e-5  # where a branch is given up
ALIGNMENT = 0.98  # cosine between the tangents of neighbouring points below which the step is shortened
TINY = np.finfo(float).tiny  # the least modulus of a multiplier whose logarithm is taken
REAL = 1e-7  # imaginary part up to which a critical multiplier is real

BifurcationKind = Literal["fold", "pitchfork", "period doubling", "Neimark-Sacker"]


class NoCycle(ValueError):
    """Newton's method finds no cycle of the period asked for."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """A cycle: its states in the order in which they are visited, and its multipliers.

    The multipliers are the eigenvalues of the derivative of the map iterated `period` times, largest modulus first.
    """

    states: Array  # (period, n)
    parameter: float
    multipliers: NDArray[np.complex128]  # (n,)
    period: int


@dataclass(frozen=True, eq=False)
class BifurcationPoint:
    """Where a multiplier of a cycle reaches the unit circle.

    `fold`: at +1, where the cycle meets another one and both end. `pitchfork`: at +1, where it meets others and goes
    on, or is one that ends in a symmetric cycle; transcritical bifurcations too. `period doubling`: at -1.
    `Neimark-Sacker`: a complex pair.
    """

    kind: BifurcationKind
    parameter: float
    angle: float  # of the critical multiplier, over 2π: 0 to 0.5
    period: int
    state: Array  # (n,)


def find_cycle(family: Family, state: ArrayLike, parameter: float, period: int = 1) -> Cycle:
    r"""Cycle near a state, to machine precision.

    Newton's method for :math:`F^q(x) = x`, with the product of the Jacobians along the q states as derivative.

    Parameters
    ----------
    family : Family
    state : (n,) array
        Where Newton's method starts.
    parameter : float
    period : int
        q, at least 1.

    Raises
    ------
    NoCycle
        Where Newton's method does not converge, the derivative of :math:`F^q(x) - x` is singular, or the states that
        it finds repeat after a divisor of q.
    """
    if period < 1:
        raise ValueError(f"period must be at least 1, found {period}")

    def equations(state: Array) -> tuple[Array, Array]:
        image, product = family.power(state, parameter, period)
        return image - state, product - np.eye(len(state))

    found, derivative = _newton(equations, np.array(state, dtype=np.float64), 1e-14)
    states = [found]
    for _ in range(1, period):
        states.append(family.step(states[-1], parameter))
        if np.abs(states[-1] - found).max() <= 1e-9 * (1 + np.abs(found).max()):
            raise NoCycle(f"no cycle of period {period} at {parameter}: its states repeat after {len(states) - 1}")
    return Cycle(np.array(states), parameter, _multipliers(derivative + np.eye(len(found))), period)


def find_bifurcation(family: Family, cycle: Cycle, stop: float) -> BifurcationPoint | None:
    r"""First bifurcation of a cycle on its way to another parameter value.

    The branch (x, λ) of :math:`F_\lambda^q(x) = x` is followed by pseudo-arclength continuation, until the number of
    multipliers outside the unit circle changes or the branch turns back. The zero of :math:`\log |\mu|` of the
    multiplier that crosses, or of the tangent's component along λ, is then found with the branch solved anew at every
    iterate. Bifurcations that undo each other within one continuation step are missed.

    Parameters
    ----------
    family : Family
    cycle : Cycle
        Where the branch starts; stable or not.
    stop : float
        Parameter value at which it ends.

    Returns
    -------
    BifurcationPoint or None
        None where there is no bifurcation up to `stop`, or the branch is lost before.

    References
    ----------
    Kuznetsov, *Elements of Applied Bifurcation Theory*, chapters 4, 5 and 10.
    """
    try:
        return _Branch(family, cycle, stop).first_bifurcation()
    except ValueError:
        return None


def bifurcation_points(
    family: Family, parameters: ArrayLike, states: ArrayLike, periods: ArrayLike, *, reach: float = 2.0
) -> list[BifurcationPoint]:
    """Bifurcations at which the cycles of a sweep appear and disappear.

    Every run of `SHORTEST_RUN` neighbouring values of equal period, up to `LONGEST_CYCLE`, or of more, is followed
    outward from its two ends.

    Parameters
    ----------
    family : Family
    parameters : (n_values,) array
        In ascending or descending order.
    states : (n_values, n) array
        A state of the attractor at each value.
    periods : (n_values,) array of int
        Periods in steps of the family's map, 0 where there is none.
    reach : float
        How far a cycle is followed, in distances to the first value outside its run. More than 1, because cycles
        that attract slowly go unrecognised before they end.

    Returns
    -------
    list of BifurcationPoint
        In ascending order, each once, though it be found from both sides. A run that cannot be followed adds none.
    """
    parameters, periods = np.asarray(parameters, dtype=np.float64), np.asarray(periods)
    states = np.asarray(states, dtype=np.float64)
    cuts = np.flatnonzero(np.diff(periods))
    lengths = np.diff([-1, *cuts, len(periods) - 1])
    length_of_run = np.repeat(lengths, lengths)
    found: list[BifurcationPoint] = []
    for inside, outside in sorted([*zip(cuts, cuts + 1, strict=True), *zip(cuts + 1, cuts, strict=True)]):
        if not 1 <= periods[inside] <= LONGEST_CYCLE or length_of_run[inside] < SHORTEST_RUN:
            continue
        start, distance = float(parameters[inside]), float(parameters[outside] - parameters[inside])
        try:
            cycle = find_cycle(family, states[inside], start, int(periods[inside]))
        except NoCycle:
            continue
        stop = start + distance * _reach(family, cycle, start + distance, reach)
        point = find_bifurcation(family, cycle, stop)
        if point is None:
            continue
        alike = (other for other in found if (other.kind, other.period) == (point.kind, point.period))
        if all(abs(other.parameter - point.parameter) > 1e-3 * abs(distance) for other in alike):
            found.append(point)
    return sorted(found, key=lambda point: point.parameter)


def _reach(family: Family, cycle: Cycle, beyond: float, reach: float) -> float:
    """How far to follow a cycle, at least, so that one that attracts slowly is followed to its end."""
    try:
        other = find_cycle(family, cycle.states[0], beyond, cycle.period)
    except NoCycle:
        return reach
    rate, rate_beyond = (-np.log(max(abs(at.multipliers[0]), TINY)) for at in (cycle, other))
    if not 0 < rate_beyond < min(rate, SLOW):
        return reach
    return float(np.clip(1.5 * rate / (rate - rate_beyond), reach, max(reach, FARTHEST)))


def _multipliers(product: Array) -> NDArray[np.complex128]:
    """Eigenvalues, largest modulus first."""
    values = np.linalg.eigvals(product).astype(np.complex128)
    return values[np.argsort(-np.abs(values), kind="stable")]


def _newton(equations: Callable[[Array], tuple[Array, Array]], start: Array, accuracy: float) -> tuple[Array, Array]:
    """Zero of equations given with their derivative, and the derivative no further from it than the accuracy.

    Small corrections that shrink no more are rounding errors.
    """
    unknown, previous = start, np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(ITERATIONS):
            try:
                values, derivative = equations(unknown)
                correction = np.linalg.solve(derivative, values)
            except ValueError as error:
                raise NoCycle(f"Newton's method finds no cycle: {error}") from error
            size = np.abs(correction).max() / (1 + np.abs(unknown).max())
            if not np.isfinite(size):
                break
            unknown = unknown - correction
            if size <= accuracy or (previous <= 1e4 * accuracy and size > previous / 4):
                return unknown, derivative
            previous = size
    raise NoCycle("Newton's method finds no cycle: it does not converge")


def _kind(multiplier: complex, turns: bool) -> tuple[BifurcationKind, float]:
    """Kind and angle of a bifurcation with a given critical multiplier on a branch that turns back or goes on."""
    if abs(multiplier.imag) > REAL:
        return "Neimark-Sacker", float(abs(np.angle(multiplier)) / (2 * np.pi))
    if multiplier.real < 0:
        return "period doubling", 0.5
    return "fold" if turns else "pitchfork", 0.0


@dataclass(frozen=True, eq=False)
class _Point:
    """A point of a branch in its scaled coordinates, (n + 1,), with the unit tangent there."""

    coordinates: Array
    tangent: Array
    multipliers: NDArray[np.complex128]

    @property
    def outside(self) -> int:
        """Number of multipliers outside the unit circle."""
        return int((np.abs(self.multipliers) > 1).sum())

    @property
    def offset(self) -> float:
        return float(self.tangent @ self.coordinates)


@dataclass(frozen=True, eq=False)
class _Segment:
    """Two neighbouring points of a branch; the place of those between them is told along the tangent of the first."""

    start: _Point
    end: _Point
    length: float

    def rate(self, at: _Point) -> Array:
        """Derivative of the coordinates by the place."""
        return at.tangent / (self.start.tangent @ at.tangent)

    def guess(self, place: float) -> Array:
        """Coordinates at a place, by the cubic through both points."""
        share, chord = place / self.length, self.end.coordinates - self.start.coordinates
        first, last = self.length * self.rate(self.start), self.length * self.rate(self.end)
        bend = (1 - share) * (first - chord) - share * (last - chord)
        return self.start.coordinates + share * (chord + (1 - share) * bend)


class _Branch:
    """The branch of a cycle from its parameter value to another.

    Its coordinates are the state in units of its change over the interval, as it seems from the start, so that folds
    are about as wide as high, and last the parameter, 0 at the cycle and 1 at the other value.
    """

    def __init__(self, family: Family, cycle: Cycle, stop: float) -> None:
        self.family, self.period = family, cycle.period
        self.origin, self.span, self.unit = cycle.parameter, stop - cycle.parameter, 1.0
        coordinates, onward = np.append(cycle.states[0], 0.0), np.eye(cycle.states.shape[1] + 1)[-1]
        slope = self._tangent(self._equations(coordinates)[1], onward)
        change = float(np.linalg.norm(slope[:-1] / slope[-1]))
        self.unit = max(change, 1e-6 * (1 + np.abs(coordinates).max()))
        self.start = self._solve(coordinates / self.unit, onward, 0.0)

    def _place(self, coordinates: Array) -> tuple[Array, float]:
        """State and parameter."""
        return self.unit * coordinates[:-1], float(self.origin + self.span * coordinates[-1])

    def _equations(self, coordinates: Array) -> tuple[Array, Array]:
        """How much the cycle fails to close, (n,), and its derivative by the coordinates, (n, n + 1)."""
        state, parameter = self._place(coordinates)
        image, product = self.family.power(state, parameter, self.period)
        # Towards the middle of the interval, beyond whose ends the map may not be defined.
        shifted = parameter + (1e-6 if coordinates[-1] < 0.5 else -1e-6) * self.span
        change = self.family.power(state, shifted, self.period)[0] - image
        by_parameter = change / (shifted - parameter) * self.span / self.unit
        return (image - state) / self.unit, np.column_stack([product - np.eye(len(state)), by_parameter])

    def _tangent(self, derivative: Array, direction: Array) -> Array:
        """Unit vector that the derivative annihilates, on the side of DIRECTION."""
        tangent = np.linalg.solve(np.vstack([derivative, direction]), np.eye(len(direction))[-1])
        return tangent / np.linalg.norm(tangent)

    def _solve(self, guess: Array, normal: Array, offset: float) -> _Point:
        """Point of the branch on the plane ``normal @ coordinates == offset``."""

        def equations(coordinates: Array) -> tuple[Array, Array]:
            values, derivative = self._equations(coordinates)
            return np.append(values, normal @ coordinates - offset), np.vstack([derivative, normal])

        coordinates, derivative = _newton(equations, guess, 1e-13)
        product = derivative[:-1, :-1] + np.eye(len(guess) - 1)
        return _Point(coordinates, self._tangent(derivative[:-1], normal), _multipliers(product))

    def _between(self, segment: _Segment, place: float) -> _Point:
        """Point of the branch at a place of a segment."""
        return self._solve(segment.guess(place), segment.start.tangent, segment.start.offset + place)

    def first_bifurcation(self) -> BifurcationPoint | None:
        """Follow the branch until it bifurcates or reaches the other parameter value."""
        point, step = self.start, LARGEST_STEP
        while point.coordinates[-1] < 1 - 1e-6 and step >= SMALLEST_STEP:
            length = min(step, float((1 - point.coordinates[-1]) / point.tangent[-1]))
            try:
                guess = point.coordinates + length * point.tangent
                following = self._solve(guess, point.tangent, point.offset + length)
                alignment = point.tangent @ following.tangent
                if alignment < ALIGNMENT:
                    raise NoCycle("the branch bends too much for the step")
                found = self._event(_Segment(point, following, length))
            except ValueError:
                step = length / 2
                continue
            if found is not None:
                return found if abs(found.parameter - self.origin) <= abs(self.span) * (1 + 1e-9) else None
            point, step = following, min(2 * step if 1 - alignment < (1 - ALIGNMENT) / 4 else step, LARGEST_STEP)
        return None

    def _event(self, segment: _Segment) -> BifurcationPoint | None:
        """Bifurcation in a segment, if any."""
        turns, before, after = bool(segment.end.tangent[-1] <= 0), segment.start.outside, segment.end.outside
        if after == before:
            return self._merger(segment) if turns else None
        index = before if after > before else before - 1

        def log_modulus(at: _Point) -> float:
            return float(np.log(max(np.abs(at.multipliers[index]), TINY)))

        def tolerance(at: _Point) -> float:
            return 1e-3 if _kind(at.multipliers[index], turns)[0] == "pitchfork" else 1e-14

        place, at = self._zero(segment, log_modulus, tolerance)
        kind, angle = _kind(at.multipliers[index], turns)
        coordinates = at.coordinates if kind != "pitchfork" else self._meeting(segment, place, log_modulus, (0.1, 0.02))
        state, parameter = self._place(coordinates)
        return BifurcationPoint(kind, parameter, angle, self.period, state)

    def _merger(self, segment: _Segment) -> BifurcationPoint:
        """Where the cycle ends without a change of stability, in a cycle of half its period or in a symmetric one."""

        def climb(at: _Point) -> float:
            return float(segment.rate(at)[-1])

        first, last = climb(segment.start), climb(segment.end)
        place = segment.length * first / (first - last)
        state, parameter = self._place(self._meeting(segment, place, climb, (0.1,)))
        margin, half = 0.02 * self.span, self.period // 2
        if self.period == 2 * half:
            between = (state + self.family.power(state, parameter, half)[0]) / 2
            try:
                cycle = find_cycle(self.family, between, parameter + margin, half)
            except NoCycle:
                cycle = None
            doubling = cycle and find_bifurcation(self.family, cycle, parameter - margin)
            if doubling and doubling.kind == "period doubling":
                return doubling
        return BifurcationPoint("pitchfork", parameter, 0.0, self.period, state)

    def _zero(
        self, segment: _Segment, function: Callable[[_Point], float], tolerance: Callable[[_Point], float]
    ) -> tuple[float, _Point]:
        """Where a function of the points of a segment vanishes, by the regula falsi of Anderson and Björck.

        The last point, and the place of the one that would be next.
        """
        fixed, last, at = 0.0, segment.length, segment.end
        at_fixed, at_last = function(segment.start), function(segment.end)
        for _ in range(3 * ITERATIONS):
            place = (fixed * at_last - last * at_fixed) / (at_last - at_fixed)
            if abs(at_last) <= tolerance(at) or abs(place - last) <= 1e-12 * segment.length:
                break
            at = self._between(segment, place)
            value = function(at)
            if (value > 0) == (at_last > 0):
                at_fixed *= 1 - value / at_last if abs(value) < abs(at_last) else 0.5
            else:
                fixed, at_fixed = last, at_last
            last, at_last = place, value
        if abs(at_last) > 1e-3:
            raise NoCycle("the points belong to different branches")
        return place, at

    def _meeting(
        self, segment: _Segment, place: float, function: Callable[[_Point], float], widths: Sequence[float]
    ) -> Array:
        """Coordinates near a place at which a function vanishes because the branch meets another one.

        No point can be solved for there: they are interpolated between four points around it.
        """
        for width in widths:
            places = place + width * segment.length * np.array([-1.0, -0.5, 0.5, 1.0])
            points = [self._between(segment, float(at)) for at in places]
            values = np.array([function(at) for at in points])
            if values[0] * values[-1] > 0:
                raise NoCycle("the points belong to different branches")
            table = np.column_stack([places, [at.coordinates for at in points]])
            place, *coordinates = np.linalg.solve(np.vander(values / np.abs(values).max()), table)[-1]
        return np.array(coordinates)
