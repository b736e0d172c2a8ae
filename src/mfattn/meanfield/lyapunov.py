"""Lyapunov exponents: tangent vectors carried along orbits, and what their growth says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.model import Array
from mfattn.meanfield.orbits import Orbits, aligned, check_steps

EVERY = 5
"""Steps between two re-orthonormalisations, at most."""

ALIGNMENT = 1000
"""Steps in which tangent vectors turn to their directions before growth counts."""

BLOCKS = 64
"""Finite-time exponents of a measurement, whose convergence and error are read from them."""

ERROR_BLOCKS = 16
"""Longer blocks whose scatter gives the standard error."""

RESOLVED_SPREAD = np.exp(30.0)
"""Ratio R_11 / R_ii up to which an exponent is resolved in float64."""


ZERO = 1e-4
"""An exponent no larger than this is zero."""

CONFIDENCE = 3.0
"""Standard errors within which an exponent may be zero."""


class TangentFlow(Protocol):
    """Points of any map that carry k tangent vectors each: all that a spectrum needs."""

    @property
    def growth(self) -> Array:
        """(points, k) sum of log R_ii over all re-orthonormalisations so far."""

    @property
    def spread(self) -> Array:
        """(points, k) largest R_11 / R_ii since `restart`."""

    def advance(self, steps: int) -> None:
        """Advance points and tangent vectors, with re-orthonormalisations as they are due."""

    def orthonormalise(self) -> None:
        """Re-orthonormalise now, so that `growth` counts every step."""

    def restart(self) -> None:
        """Forget `growth` and `spread`, and keep the directions."""


class Tangents:
    r"""Orbits that carry k tangent vectors at every point, on the compiled kernels.

    Only the window of attention vectors is perturbed, so the tangent space has n = M L dimensions, and the Jacobian
    is a dense block of M rows over a shift (`Model.jacobian`). The images of a token's value and key fields are
    computed once and cached while the token stays in the window. Every s steps the vectors V are replaced by the Q of
    V = Q R, and :math:`\log R_{ii}` is added to their growth. Where R_11 / R_kk comes near what float64 resolves, s is
    halved, for that point alone.

    A point's numbers do not depend on its neighbours or on how the steps are cut into calls, and the first k growths
    are those of more tangent vectors at the same s: the bits are the same on one kind of processor.

    Parameters
    ----------
    orbits : Orbits
        With full windows; advanced in place.
    exponents : int
        Number k of tangent vectors, 1 to n.
    every : int
        Steps s between two re-orthonormalisations, before any halving.
    basis : (points, n, k) or (n, k) array
        Initial tangent vectors as columns, rows ordered by slot, newest first, then feature; by default the first k
        unit vectors.

    Raises
    ------
    ValueError
        If a window is not full, k or s is out of range, or the basis has another shape.

    References
    ----------
    Benettin et al., Meccanica 15 (1980); the companion structure is that of arXiv 2406.07247.
    """

    def __init__(self, orbits: Orbits, exponents: int, *, every: int = EVERY, basis: ArrayLike | None = None) -> None:
        length, features = orbits.weights.context_length, orbits.weights.features
        dimension = length * features
        if not orbits.full:
            raise ValueError("tangent vectors start when the windows are full: advance the orbits first")
        if not 1 <= exponents <= dimension:
            raise ValueError(f"exponents must be 1 to {dimension} (M L), found {exponents}")
        if every < 1:
            raise ValueError(f"every must be at least 1, found {every}")
        columns = np.eye(dimension, exponents) if basis is None else np.asarray(basis, dtype=np.float64)
        shape = (len(orbits), dimension, exponents)
        if columns.shape not in (shape, shape[1:]):
            raise ValueError(f"basis must have shape {shape} or {shape[1:]}, found {columns.shape}")
        self.orbits, self.exponents = orbits, exponents
        lanes, packs = orbits.kernels.LANES, orbits.packs
        vectors = np.broadcast_to(columns, shape).reshape(len(orbits), length, features, exponents)
        self._state = orbits.kernels.Tangents(
            aligned(orbits.pack(orbits.exchange_slots_and_positions(vectors)).transpose(0, 3, 1, 2, 4)),
            np.zeros((packs, exponents, lanes)),
            np.zeros((packs, exponents, lanes)),
            np.full((packs, lanes), float(every)),
            np.zeros((packs, lanes)),
        )

    def __len__(self) -> int:
        return len(self.orbits)

    @property
    def growth(self) -> Array:
        """(points, k) sum of log R_ii so far."""
        return self.orbits.unpack(self._state.growth)

    @property
    def spread(self) -> Array:
        """(points, k) largest R_11 / R_ii since `restart`."""
        return self.orbits.unpack(self._state.spread)

    @property
    def interval(self) -> NDArray[np.int64]:
        """(points,) present steps between re-orthonormalisations."""
        return self.orbits.unpack(self._state.interval).astype(np.int64)

    @property
    def basis(self) -> Array:
        """(points, n, k) present tangent vectors as columns, in the order of the argument."""
        vectors = self.orbits.unpack(self._state.vectors.transpose(0, 2, 3, 1, 4))
        vectors = self.orbits.exchange_slots_and_positions(vectors)
        return vectors.reshape(len(vectors), -1, vectors.shape[-1])

    def advance(self, steps: int) -> None:
        """Advance every point and its tangent vectors by STEPS steps."""
        self.orbits.run(self.orbits.kernels.advance_tangents, check_steps(steps), self._state)

    def orthonormalise(self) -> None:
        """Re-orthonormalise every point now."""
        self.orbits.run(self.orbits.kernels.orthonormalise_tangents, self._state)

    def restart(self) -> None:
        """Forget growth and spread."""
        self._state.growth[...] = 0.0
        self._state.spread[...] = 0.0


class MapTangents:
    """Tangent vectors along orbits of any map, in plain NumPy.

    Parameters
    ----------
    step : callable
        States (points, n) to the next states.
    tangent : callable
        States (points, n) and tangent vectors (points, n, k) to the images of the vectors under the Jacobian there.
    states : (points, n) array
    exponents : int
        Number k of tangent vectors, 1 to n.
    every : int
        Steps between two re-orthonormalisations.
    basis : (n, k) array
        Initial tangent vectors; by default the first k unit vectors.

    Raises
    ------
    ValueError
        If k or the interval is out of range.

    Examples
    --------
    The logistic map at r = 4, whose exponent is log 2:

    >>> step = lambda x: 4 * x * (1 - x)
    >>> tangent = lambda x, v: (4 - 8 * x)[..., np.newaxis] * v
    >>> flow = MapTangents(step, tangent, np.array([[0.3]]), 1)
    >>> round(float(spectrum(flow, 20_000).exponents[0, 0]), 2)
    0.69
    """

    def __init__(
        self,
        step: Callable[[Array], Array],
        tangent: Callable[[Array, Array], Array],
        states: ArrayLike,
        exponents: int,
        *,
        every: int = EVERY,
        basis: ArrayLike | None = None,
    ) -> None:
        self._step, self._tangent, self._every, self._age = step, tangent, every, 0
        self.states = np.array(states, dtype=np.float64)
        points, dimension = self.states.shape
        if not 1 <= exponents <= dimension:
            raise ValueError(f"exponents must be 1 to {dimension}, found {exponents}")
        if every < 1:
            raise ValueError(f"every must be at least 1, found {every}")
        columns = np.eye(dimension, exponents) if basis is None else np.asarray(basis, dtype=np.float64)
        self._vectors = np.broadcast_to(columns, (points, dimension, exponents))
        self.growth = np.zeros((points, exponents))
        self.spread = np.zeros((points, exponents))

    def advance(self, steps: int) -> None:
        """Advance every point and its tangent vectors by STEPS steps."""
        for _ in range(check_steps(steps)):
            self._vectors = self._tangent(self.states, self._vectors)
            self.states = self._step(self.states)
            self._age += 1
            if self._age == self._every:
                self.orthonormalise()

    def orthonormalise(self) -> None:
        """Re-orthonormalise every point now; a vector that is annihilated has growth -inf."""
        self._vectors, triangle = np.linalg.qr(self._vectors)
        lengths = np.abs(np.diagonal(triangle, axis1=1, axis2=2))
        self._vectors = self._vectors * (lengths > 0)[:, np.newaxis]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.growth = self.growth + np.log(lengths)
            self.spread = np.fmax(self.spread, lengths[:, :1] / lengths)
        self._age = 0

    def restart(self) -> None:
        """Forget growth and spread."""
        self.growth = np.zeros_like(self.growth)
        self.spread = np.zeros_like(self.spread)


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""Leading Lyapunov exponents per step, of every point of a batch.

    An exponent that is not resolved is an upper bound: in some re-orthonormalisation R_11 / R_ii was beyond exp(30),
    where float64 holds no digit of R_ii. It has no error (NaN). -inf stands only where the map forgets its state.
    """

    finite_time: Array  # (points, blocks, k) exponents of consecutive blocks of steps
    block_steps: NDArray[np.int64]  # (blocks,)
    within_digits: NDArray[np.bool_]  # (points, k) whether every R_ii had digits

    @property
    def exponents(self) -> Array:
        """(points, k) growth per step over all blocks."""
        return np.einsum("pbk,b->pk", self.finite_time, self.block_steps) / self.block_steps.sum()

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """(points, k) whether the exponent is a number, or -inf, and not an upper bound."""
        exponents = self.exponents
        return (self.within_digits & np.isfinite(exponents)) | np.isneginf(exponents)

    @property
    def errors(self) -> Array:
        """(points, k) standard errors, from the scatter of `ERROR_BLOCKS` long blocks; NaN where there are fewer."""
        return np.where(self.resolved, self._scatter(ERROR_BLOCKS), np.nan)

    @property
    def short(self) -> NDArray[np.bool_]:
        """(points, k) whether the run is too short for its error.

        The blocks are too few, or the scatter of longer blocks says more than twice the error that shorter ones say:
        the growth is correlated over more than a block.
        """
        long, brief = self._scatter(ERROR_BLOCKS), self._scatter(BLOCKS)
        return self.resolved & ~(np.isneginf(self.exponents) | (long <= 2.0 * brief + 1e-12))

    @property
    def kaplan_yorke(self) -> Array:
        """(points,) Kaplan-Yorke dimension; NaN where it needs more exponents than there are, or than are resolved.

        An exponent that is zero within its error counts as zero: its sign would decide between 0 and more than 1.
        """
        exponents, resolved = self.exponents, self.resolved
        zero = np.abs(exponents) <= zero_bound(self.errors)
        values = np.where(resolved, np.where(zero, 0.0, exponents), np.nan)
        return np.array([kaplan_yorke(known[: _length_known(known)]) for known in values])

    def traces(self) -> Array:
        """(points, blocks, k) estimates of the exponents after each block."""
        steps = self.block_steps[:, np.newaxis]
        return np.cumsum(self.finite_time * steps, axis=1) / np.cumsum(steps, axis=0)

    def _scatter(self, number: int) -> Array:
        """Standard error of the mean of NUMBER blocks, each of as many consecutive finite-time exponents."""
        points, blocks, exponents = self.finite_time.shape
        if blocks < number:
            return np.full((points, exponents), np.nan)
        joined = blocks // number
        kept = self.finite_time[:, blocks - joined * number :].reshape(points, number, joined, exponents)
        with np.errstate(invalid="ignore"):
            return kept.mean(axis=2).std(axis=1, ddof=1) / np.sqrt(number)


def spectrum(
    flow: TangentFlow,
    steps: int,
    *,
    alignment: int = ALIGNMENT,
    blocks: int = BLOCKS,
    advance: Callable[[int], None] | None = None,
) -> Spectrum:
    """Measure the Lyapunov exponents of the points of a flow.

    Parameters
    ----------
    flow : TangentFlow
        `Tangents` of the attention map, or `MapTangents` of any.
    steps : int
        Measured steps, at least 1.
    alignment : int
        Steps before them, in which the vectors turn to their directions.
    blocks : int
        Number of finite-time exponents, no more than steps.
    advance : callable
        In place of ``flow.advance``, such as one that reports progress.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        For no steps or no blocks.
    """
    if steps < 1 or blocks < 1:
        raise ValueError(f"steps and blocks must be at least 1, found {steps} and {blocks}")
    advance = advance or flow.advance
    advance(alignment)
    flow.orthonormalise()
    flow.restart()
    block_steps = block_lengths(steps, min(blocks, steps))
    growth, spread = [], np.zeros_like(flow.spread)
    for block in block_steps:
        advance(int(block))
        flow.orthonormalise()
        growth.append(flow.growth / block)
        spread = np.fmax(spread, flow.spread)
        flow.restart()
    return Spectrum(np.stack(growth, axis=1), block_steps, spread <= RESOLVED_SPREAD)


def zero_bound(errors: ArrayLike) -> Array:
    r"""Size up to which exponents of given standard errors are zero: :math:`\max(10^{-4}, 3 \sigma)`.

    The first is the published convention (arXiv 2406.07247).
    """
    return np.fmax(ZERO, CONFIDENCE * np.asarray(errors, dtype=np.float64))


def _length_known(values: Array) -> int:
    """Number of leading entries before the first NaN."""
    unknown = np.flatnonzero(np.isnan(values))
    return int(unknown[0]) if unknown.size else len(values)


def block_lengths(steps: int, blocks: int) -> NDArray[np.int64]:
    """Lengths of blocks, equal to within a step, that make up STEPS steps."""
    return np.diff(steps * np.arange(blocks + 1) // blocks)


def kaplan_yorke(exponents: ArrayLike) -> float:
    r"""Kaplan-Yorke dimension :math:`j + \sum_{i \le j} \lambda_i / |\lambda_{j+1}|`, j the last with a sum >= 0.

    Parameters
    ----------
    exponents : (k,) array
        Leading exponents, in any order.

    Returns
    -------
    float
        NaN where the sum of all exponents is not negative, so that more are needed, or one is NaN.

    Examples
    --------
    >>> round(kaplan_yorke([0.4192, -1.6232]), 3)
    1.258
    """
    ordered = np.sort(np.asarray(exponents, dtype=np.float64))[::-1]
    sums = np.cumsum(ordered)
    below = np.flatnonzero(sums < 0)
    if np.isnan(ordered).any() or below.size == 0:
        return float("nan")
    j = int(below[0])
    return j + (float(sums[j - 1] / -ordered[j]) if j else 0.0)
