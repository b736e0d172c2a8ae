"""Orbits of the map at many parameter points at once, on the compiled kernels."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.classes import FIELDS, ColumnClasses
from mfattn.meanfield.model import Context, Orbit, check_parameters
from mfattn.meanfield.weights import Weights

if TYPE_CHECKING:
    from mfattn.meanfield.kernels import Tables

UNROLLED_FEATURES = 3
"""Up to this many features the kernel is compiled for their number; beyond, one kernel serves all."""


@dataclass(frozen=True, eq=False)
class _Packing:
    """Where each point travels: starts of one kind, position and filling share packs, the last lane padding them."""

    pack: NDArray[np.int64]  # (points,)
    lane: NDArray[np.int64]  # (points,)
    point: NDArray[np.int64]  # (packs, LANES)

    @classmethod
    def of(cls, starts: Sequence[Context], lanes: int) -> "_Packing":
        groups: dict[tuple[type, int, int], list[int]] = {}
        for index, start in enumerate(starts):
            groups.setdefault((type(start), start.position, len(start.attention)), []).append(index)
        rows = [group[i : i + lanes] for group in groups.values() for i in range(0, len(group), lanes)]
        pack, lane = np.empty(len(starts), dtype=np.int64), np.empty(len(starts), dtype=np.int64)
        for number, row in enumerate(rows):
            pack[row], lane[row] = number, np.arange(len(row))
        return cls(pack, lane, np.array([row + row[-1:] * (lanes - len(row)) for row in rows]))

    def unpack(self, array: NDArray[Any]) -> NDArray[Any]:
        """(packs, ..., LANES) to (points, ...)."""
        return np.moveaxis(array, -1, 1)[self.pack, self.lane]


class Batch(ABC):
    """Points that compiled kernels advance together, in packs of lanes.

    Parameters
    ----------
    weights : Weights
        Shared by all points.
    classes : ColumnClasses
        Whose activities the kernels compute.
    beta, gamma, epsilon : (points,) array
        Parameters of `Model`.
    output_scale : float
        Factor of beta.
    starts : sequence of Context
        One a point.
    """

    def __init__(
        self,
        weights: Weights,
        classes: ColumnClasses,
        beta: NDArray[np.float64],
        gamma: NDArray[np.float64],
        epsilon: NDArray[np.float64],
        output_scale: float,
        starts: Sequence[Context],
    ) -> None:
        self.weights, self.classes = weights, classes
        self.beta, self.gamma, self.epsilon = beta, gamma, epsilon
        self.output_scale = output_scale
        self._packing = _Packing.of(starts, self.kernels.LANES)
        self._tables = self._make_tables()
        self._window = self._make_window(starts)

    @property
    def kernels(self) -> Any:
        """The compiled kernels."""
        # Numba takes a third of a second to import, and much of the package works without it.
        from mfattn.meanfield import kernels

        return kernels

    def __len__(self) -> int:
        return len(self.beta)

    def _make_tables(self) -> "Tables":
        features = size_for_kernel(self.weights.features)
        couplings = np.ascontiguousarray(self.classes.couplings.transpose(2, 1, 0))
        position_fields = np.ascontiguousarray(self.weights.position_fields.transpose(1, 2, 0))
        return self.kernels.Tables(features, self.classes.signs, couplings, position_fields)

    def _make_window(self, starts: Sequence[Context]) -> Any:
        first = self._packing.point[:, 0]
        position = np.array([starts[point].position for point in first], dtype=np.int64)
        filled = np.array([len(starts[point].attention) for point in first], dtype=np.int64)
        attention = self._ring([start.attention for start in starts], position)
        beta, gamma = self.output_scale * self.beta, self.weights.logit_scale * self.gamma
        parameters = np.stack([beta, gamma, 1.0 - self.epsilon, self.epsilon])[:, self._packing.point]
        return self.kernels.Window(attention, position, filled, aligned(parameters.swapaxes(0, 1)))

    def _ring(self, rows: Sequence[NDArray[np.float64]], newest: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows (n, M) of every point, that of the newest token first, by position: (packs, L, M, lanes)."""
        length = self.weights.context_length
        ring = aligned(np.zeros((self.packs, length, self.weights.features, self.kernels.LANES)))
        for pack, points in enumerate(self._packing.point):
            slots = (newest[pack] - np.arange(len(rows[points[0]]))) % length
            ring[pack, slots] = np.stack([rows[point] for point in points], axis=-1)
        return ring

    def _newest_first(self, ring: NDArray[np.float64], pack: int, lane: int) -> NDArray[np.float64]:
        """Rows (n, M) of a lane's ring, that of the newest token first."""
        slots = (self._window.position[pack] - np.arange(self._window.filled[pack])) % self.weights.context_length
        return ring[pack, slots, :, lane]

    @abstractmethod
    def contexts(self) -> Sequence[Context]:
        """Present context of every point."""

    @abstractmethod
    def restarted(self, points: NDArray[np.int64], starts: Sequence[Context]) -> Self:
        """A batch of some of the points, from other contexts."""

    def copies(self, points: NDArray[np.int64] | None = None) -> Self:
        """A batch of some of the points, or all, in the same states, to be advanced apart."""
        points, contexts = np.arange(len(self)) if points is None else points, self.contexts()
        return self.restarted(points, [contexts[point] for point in points])

    @property
    def packs(self) -> int:
        """Number of packs in which the points travel."""
        return len(self._packing.point)

    @property
    def full(self) -> bool:
        """Whether all windows hold L tokens."""
        return bool((self._window.filled == self.weights.context_length).all())

    def unpack(self, array: NDArray[Any]) -> NDArray[Any]:
        """Values by point, (points, ...), of an array of values by pack and lane, (packs, ..., lanes)."""
        return self._packing.unpack(array)

    def pack(self, array: NDArray[Any]) -> NDArray[Any]:
        """Values by pack and lane, (packs, ..., lanes), of an array of values by point, (points, ...)."""
        return np.ascontiguousarray(np.moveaxis(array[self._packing.point], 1, -1))

    def run(self, kernel: Callable[..., None], *arguments: object) -> None:
        """Let a compiled kernel advance the packs in place."""
        kernel(self._tables, self._window, *arguments)

    def advance(self, steps: int) -> None:
        """Advance every point by STEPS steps, keeping nothing."""
        self.run(self.kernels.advance, check_steps(steps))

    def record_attention(self, steps: int) -> list[NDArray[np.float64]]:
        """Advance every point by STEPS steps and keep the attention vectors: an array (steps, M) a point."""
        records = np.empty((self.packs, check_steps(steps), self.weights.features, self.kernels.LANES))
        self.run(self.kernels.record_attention, records)
        return [records[pack, ..., lane] for pack, lane in zip(self._packing.pack, self._packing.lane, strict=True)]

    def record(self, steps: int) -> Orbit:
        """Advance every point by STEPS steps and keep every observable: arrays (points, steps, M)."""
        records = np.empty((self.packs, check_steps(steps), 5, self.weights.features, self.kernels.LANES))
        position = self._window.position[self._packing.pack]
        self.run(self.kernels.record_orbits, records)
        attention, semantic, value, query, key = np.moveaxis(self.unpack(records), 2, 0)
        positions = (position[:, np.newaxis] + np.arange(steps)) % self.weights.context_length
        output_position = self.weights.position_fields[FIELDS.index("output")][positions]
        output = semantic + self.epsilon[:, np.newaxis, np.newaxis] * output_position
        return Orbit(attention, output, semantic, value, query, key)


class Orbits(Batch):
    """Orbits at a batch of parameter points, advanced together and as far as one likes.

    A point's orbit does not depend on its neighbours in the batch, on how the steps are cut into calls, or on the
    processor: the bits are the same.

    Parameters
    ----------
    weights : Weights
        Shared by all points.
    beta, gamma, epsilon : float or (points,) array
        Parameters of `Model`, broadcast against each other and the starts.
    starts : Context or sequence of Context
        One for all points, or one a point.
    output_scale : float
        Factor of beta.

    Raises
    ------
    ValueError
        For parameters that `Model` refuses, contexts that do not fit the weights, or lengths that do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from mfattn.meanfield import Context, Orbits, segmented_weights
    >>> weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    >>> start = Context(np.full((4, 3), 0.1), position=3)
    >>> orbits = Orbits(weights, beta=[0.5, 1.27], gamma=220, epsilon=0.02, starts=start)
    >>> orbits.advance(1000)
    >>> orbits.record(10).attention.shape
    (2, 10, 3)
    """

    def __init__(
        self,
        weights: Weights,
        *,
        beta: ArrayLike,
        gamma: ArrayLike,
        epsilon: ArrayLike,
        starts: Context | Sequence[Context],
        output_scale: float = 1.0,
    ) -> None:
        check_parameters(weights, beta, gamma, epsilon, output_scale)
        several = check_starts(weights, starts)
        beta, gamma, epsilon, index = broadcast_points(beta, gamma, epsilon, np.arange(len(several)))
        super().__init__(weights, weights.classes, beta, gamma, epsilon, output_scale, [several[int(i)] for i in index])

    def contexts(self) -> list[Context]:
        """Present context of every point; an `Orbits` started from them continues with the same bits."""
        attention, position = self._window.attention, self._window.position
        places = zip(self._packing.pack, self._packing.lane, strict=True)
        return [Context(self._newest_first(attention, pack, lane), int(position[pack])) for pack, lane in places]

    def restarted(self, points: NDArray[np.int64], starts: Sequence[Context]) -> Self:
        """Orbits at some of the points, from other contexts."""
        return type(self)(
            self.weights,
            beta=self.beta[points],
            gamma=self.gamma[points],
            epsilon=self.epsilon[points],
            starts=starts,
            output_scale=self.output_scale,
        )

    def exchange_slots_and_positions(self, array: NDArray[Any]) -> NDArray[Any]:
        """Rows of a (points, L, ...) array ordered by position where they were by slot, newest first, or back."""
        position = self._window.position[self._packing.pack]
        rows = (position[:, np.newaxis] - np.arange(self.weights.context_length)) % self.weights.context_length
        return array[np.arange(len(self))[:, np.newaxis], rows]


def size_for_kernel(features: int) -> tuple[int, ...] | int:
    """A small number of features as a tuple of that length, for which the kernel is compiled; a larger one as it is."""
    return (0,) * features if features <= UNROLLED_FEATURES else features


def aligned(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """A copy whose memory begins where a line of the cache does, as the kernels like it."""
    memory = np.empty(array.size + 8)
    skip = (-memory.ctypes.data // 8) % 8
    copy = memory[skip : skip + array.size].reshape(array.shape)
    copy[...] = array
    return copy


def check_starts(weights: Weights, starts: Context | Sequence[Context]) -> list[Context]:
    """The starts as a list, each of which fits the weights; ValueError elsewhere."""
    several = [starts] if isinstance(starts, Context) else list(starts)
    for start in several:
        start.check(weights)
    return several


def broadcast_points(*values: ArrayLike) -> list[NDArray[np.float64]]:
    """Numbers, or one a point, as arrays (points,); ValueError where there is no point, or the lengths do not fit."""
    arrays = [np.array(array) for array in np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values))]
    if arrays[0].ndim != 1 or arrays[0].size == 0:
        raise ValueError(f"parameters must be numbers or one-dimensional and not empty, found shape {arrays[0].shape}")
    return arrays


def check_steps(steps: int) -> int:
    """STEPS itself, or ValueError where it is negative."""
    if steps < 0:
        raise ValueError(f"steps must be at least 0, found {steps}")
    return steps


def orbit(weights: Weights, start: Context, steps: int, *, transient: int = 0, **parameters: float) -> Orbit:
    """Orbit at one parameter point, after a transient that is not recorded.

    Parameters
    ----------
    weights : Weights
    start : Context
    steps : int
        Recorded steps.
    transient : int
        Steps before them.
    **parameters
        beta, gamma, epsilon and, if not 1, output_scale, as for `Model`.

    Returns
    -------
    Orbit
        Arrays (steps, M).
    """
    orbits = Orbits(weights, starts=start, **parameters)
    orbits.advance(transient)
    batch = orbits.record(steps)
    return Orbit(**{name: recorded[0] for name, recorded in vars(batch).items()})
