"""Orbits of the map at many parameter points at once, on the compiled kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.classes import FIELDS
from mfattn.meanfield.model import Context, Orbit, check_parameters
from mfattn.meanfield.weights import Weights

if TYPE_CHECKING:
    from mfattn.meanfield.kernels import Tables, Window

UNROLLED_FEATURES = 3
"""Up to this many features the kernel is compiled for their number; beyond, one kernel serves all."""


@dataclass(frozen=True, eq=False)
class _Packing:
    """Where each point travels: points of equal position and filling share packs, the last lane padding them."""

    pack: NDArray[np.int64]  # (points,)
    lane: NDArray[np.int64]  # (points,)
    point: NDArray[np.int64]  # (packs, LANES)

    @classmethod
    def of(cls, starts: Sequence[Context], lanes: int) -> "_Packing":
        groups: dict[tuple[int, int], list[int]] = {}
        for index, start in enumerate(starts):
            groups.setdefault((start.position, len(start.attention)), []).append(index)
        rows = [group[i : i + lanes] for group in groups.values() for i in range(0, len(group), lanes)]
        pack, lane = np.empty(len(starts), dtype=np.int64), np.empty(len(starts), dtype=np.int64)
        for number, row in enumerate(rows):
            pack[row], lane[row] = number, np.arange(len(row))
        return cls(pack, lane, np.array([row + row[-1:] * (lanes - len(row)) for row in rows]))

    def unpack(self, array: NDArray[Any]) -> NDArray[Any]:
        """(packs, ..., LANES) to (points, ...)."""
        return np.moveaxis(array, -1, 1)[self.pack, self.lane]


class Orbits:
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
        several = [starts] if isinstance(starts, Context) else list(starts)
        for start in several:
            start.check(weights)
        lists = (np.asarray(p, dtype=np.float64) for p in (beta, gamma, epsilon))
        *parameters, index = np.broadcast_arrays(*lists, np.arange(len(several)))
        if index.ndim != 1 or index.size == 0:
            raise ValueError(f"parameters must be numbers or one-dimensional and not empty, found shape {index.shape}")
        self.weights = weights
        self.beta, self.gamma, self.epsilon = (np.array(parameter) for parameter in parameters)
        self.output_scale = output_scale
        starts = [several[i] for i in index]
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
        classes = self.weights.classes
        couplings = np.ascontiguousarray(classes.couplings.transpose(2, 1, 0))
        position_fields = np.ascontiguousarray(self.weights.position_fields.transpose(1, 2, 0))
        return self.kernels.Tables(features, classes.signs, couplings, position_fields)

    def _make_window(self, starts: Sequence[Context]) -> "Window":
        first, length = self._packing.point[:, 0], self.weights.context_length
        position = np.array([starts[point].position for point in first], dtype=np.int64)
        filled = np.array([len(starts[point].attention) for point in first], dtype=np.int64)
        attention = aligned(np.zeros((len(first), length, self.weights.features, self.kernels.LANES)))
        for pack, row in enumerate(self._packing.point):
            slots = (position[pack] - np.arange(filled[pack])) % length
            attention[pack, slots] = np.stack([starts[point].attention for point in row], axis=-1)
        beta, gamma = self.output_scale * self.beta, self.weights.logit_scale * self.gamma
        parameters = np.stack([beta, gamma, 1.0 - self.epsilon, self.epsilon])[:, self._packing.point]
        return self.kernels.Window(attention, position, filled, aligned(parameters.swapaxes(0, 1)))

    def contexts(self) -> list[Context]:
        """Present context of every point; an `Orbits` started from them continues with the same bits."""
        contexts = []
        for pack, lane in zip(self._packing.pack, self._packing.lane, strict=True):
            position = int(self._window.position[pack])
            slots = (position - np.arange(self._window.filled[pack])) % self.weights.context_length
            contexts.append(Context(self._window.attention[pack, slots, :, lane], position))
        return contexts

    def restarted(self, points: NDArray[np.int64], starts: Sequence[Context]) -> "Orbits":
        """Orbits at some of the points, from other contexts."""
        return Orbits(
            self.weights,
            beta=self.beta[points],
            gamma=self.gamma[points],
            epsilon=self.epsilon[points],
            starts=starts,
            output_scale=self.output_scale,
        )

    @property
    def packs(self) -> int:
        """Number of packs in which the points travel."""
        return len(self._window.position)

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

    def exchange_slots_and_positions(self, array: NDArray[Any]) -> NDArray[Any]:
        """Rows of a (points, L, ...) array ordered by position where they were by slot, newest first, or back."""
        position = self._window.position[self._packing.pack]
        rows = (position[:, np.newaxis] - np.arange(self.weights.context_length)) % self.weights.context_length
        return array[np.arange(len(self))[:, np.newaxis], rows]

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
