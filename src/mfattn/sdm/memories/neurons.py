r"""Sparse distributed memory with real neurons.

Neuron i has a fixed address :math:`x_i` and a counter for every bit of a value. A write at address p adds the value's
signs to the counters of the neurons with :math:`|x_i - p| \le d`; a read at q sums the counters of the neurons within
its radius of q, and reads 1 where the sum is positive.

References
----------
Kanerva, Sparse Distributed Memory (MIT Press, 1988); Bricken and Pehlevan, NeurIPS 2021.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Literal, Self, TypeVar, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.sdm.checks import checked_choice, checked_integer
from mfattn.sdm.memories.bits import (
    Bits,
    Words,
    checked_bits,
    checked_words,
    in_groups,
    out_of_groups,
    pack_bits,
    padded,
    random_words,
    size_for_kernel,
)
from mfattn.sdm.memories.interface import BinaryMemory, BinarySettings, Integers, Mask, Signs, checked_radii, signs_of
from mfattn.sdm.memories.threads import WORTHWHILE, over_ranges

T = TypeVar("T")

Counters = Literal["int8", "int16", "int32"]

FORMAT = "mfattn sdm neurons 1"
"""First entry of a saved memory."""

ROWS = 1024
"""Patterns or queries that pass the neurons together."""


class NeuronSDM(BinaryMemory):
    r"""Memory of r neurons, of which those near an address store and answer.

    Parameters
    ----------
    n : int
        Bits of an address.
    neurons : int or (r, ceil(n / 64)) array of uint64
        Their number, whose addresses are drawn from `seed`, or their addresses, as `pack_bits` makes them.
    radius : int, optional
        d: neurons within this distance take part, 0 to n.
    nearest : int, optional
        Instead of a radius, the number k of neurons that take part: the k nearest to the address, and all as near as
        the k-th.
    read_radius : int, optional
        Of reads; that of writes if left out.
    read_weights : (n + 1,) array of int, optional
        Weight of a neuron in a read by its distance from the query, from 0 to 2^20; 1 if left out.
    counters : {'int8', 'int16', 'int32'}
        Type of the counters.
    limit : int, optional
        A counter at plus or minus this value grows no further; the largest number of its type if left out.
    seed : int or SeedSequence
        Of the neurons' addresses.
    value_length, ties, tie_seed, threads
        As of `BinaryMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range, or not exactly one of `radius` and `nearest` is given.

    Notes
    -----
    Counters hold +1 for a written 1 and -1 for a written 0. Unclipped, their sum S over the neurons near a query and
    the number H of writes to these say the same as the mean of the written bits: (1 + S / H) / 2 > 1/2 where S > 0.
    A query without a written neuron near it, H = 0, is EMPTY.

    The memory takes r (value_length times the size of a counter + n / 8 + 4) bytes. All sums are of integers, and every
    neuron takes its patterns in the order of the writes, so no bit depends on threads, blocks, or how a stream of
    patterns is cut into calls of `write`.

    Examples
    --------
    >>> from mfattn.sdm.memories import NeuronSDM, random_bits
    >>> patterns = random_bits(20, 64, seed=1)
    >>> memory = NeuronSDM(64, 20_000, radius=20, seed=2)
    >>> memory.write(patterns)
    >>> noisy = patterns.copy()
    >>> noisy[:, :6] ^= 1
    >>> result = memory.iterate(noisy)
    >>> bool((result.state == patterns).all()), result.tally()["CONVERGED"]
    (True, 20)
    """

    def __init__(
        self,
        n: int,
        neurons: int | Words,
        radius: int | None = None,
        *,
        nearest: int | None = None,
        read_radius: int | None = None,
        read_weights: ArrayLike | None = None,
        counters: Counters = "int16",
        limit: int | None = None,
        seed: int | np.random.SeedSequence = 0,
        **settings: Unpack[BinarySettings],
    ) -> None:
        super().__init__(n, **settings)
        checked_choice("counters", counters, Counters)
        if isinstance(neurons, np.ndarray):
            words = checked_words("neurons", neurons, self.n)
        else:
            words = random_words(checked_integer("neurons", neurons, 1), self.n, seed)
        self.neurons = len(words)
        self._groups = in_groups(words, self.n)
        self._set_radii(radius, read_radius, nearest)
        self.read_weights = _checked_weights(read_weights, self.n)
        self.limit = int(np.iinfo(counters).max)
        if limit is not None:
            self.limit = checked_integer("limit", limit, 1, self.limit)
        if self.neurons * self.limit * int(self.read_weights.max()) >= 2**63:
            raise ValueError(f"read_weights must leave sums below 2^63, found {self.read_weights.max()}")
        self.counters: NDArray[Any] = np.zeros((self.neurons, self.value_length), dtype=counters)
        self.writes: NDArray[np.int32] = np.zeros(self.neurons, dtype=np.int32)

    def _set_radii(self, radius: int | None, read_radius: int | None, nearest: int | None) -> None:
        if (radius is None) == (nearest is None):
            raise ValueError("one of radius and nearest must be given")
        if nearest is not None and read_radius is not None:
            raise ValueError("read_radius goes with radius, not with nearest")
        self.radius: int | None = None
        self.read_radius: int | None = None
        if radius is not None:
            self.radius, self.read_radius = checked_radii(self.n, radius, read_radius)
        self.nearest = None if nearest is None else checked_integer("nearest", nearest, 1, self.neurons)

    @property
    def addresses(self) -> Words:
        """Addresses of the neurons, (r, ceil(n / 64)) words."""
        return out_of_groups(self._groups, self.neurons, self.n)

    def write(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Add the signs of values of bits, (m, value_length), to the neurons near their addresses, (m, n)."""
        self._add(addresses, values, 1)

    def erase(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Undo a write of the same patterns: exactly, where no counter was clipped in between.

        Parameters
        ----------
        addresses, values
            As of `write`. What was never written must not be erased; counters do not notice.
        """
        self._add(addresses, values, -1)

    def _add(self, addresses: ArrayLike, values: ArrayLike | None, direction: int) -> None:
        rows, contents = self._checked_pairs(addresses, values)
        for start in range(0, len(rows), ROWS):
            block = slice(start, start + ROWS)
            self._add_block(padded(pack_bits(rows[block]), self.n), signs_of(contents[block]), np.int8(direction))
        self._written += direction * len(rows)

    def _add_block(self, words: Words, signs: Signs, direction: np.int8) -> None:
        from mfattn.sdm import kernels

        radii, size = self._radii(words, self.radius), size_for_kernel(self.n)
        stored = self.counters, self.writes, self.counters.dtype.type(self.limit)

        def task(first: int, last: int) -> None:
            kernels.write(self._groups, first, last, self.neurons, words, radii, signs, *stored, direction, size)

        self._over_neurons(task, len(words))

    def _over_neurons(self, task: Callable[[int, int], T], rows: int) -> list[T]:
        """What TASK(first, last) returns for ranges of groups of neurons, which ROWS pass."""
        return over_ranges(task, len(self._groups), self.threads, least=1 + WORTHWHILE // rows)

    def _radii(self, words: Words, radius: int | None) -> Integers:
        """Radius of every row: the given one, or the distance of the `nearest`-th neuron."""
        if radius is not None:
            return np.full(len(words), radius)
        from mfattn.sdm import kernels

        size = size_for_kernel(self.n)

        def task(first: int, last: int) -> Integers:
            counts = np.zeros((len(words), self.n + 1), dtype=np.int64)
            kernels.histograms(self._groups, first, last, self.neurons, words, counts, size)
            return counts

        within = np.cumsum(sum(self._over_neurons(task, len(words))), axis=1)
        return (within < self.nearest).sum(axis=1)

    def _sums(self, queries: Bits) -> tuple[Integers, Integers, Integers]:
        """Weighted sums of counters (Q, values) and of writes (Q,), and number of neurons near each query (Q,)."""
        from mfattn.sdm import kernels

        words = padded(pack_bits(queries), self.n)
        radii = self._radii(words, self.read_radius)
        size = size_for_kernel(self.n)

        def task(first: int, last: int) -> tuple[Integers, Integers, Integers]:
            sums = np.zeros((len(words), self.value_length), dtype=np.int64)
            totals, active = np.zeros(len(words), dtype=np.int64), np.zeros(len(words), dtype=np.int64)
            stored = self.read_weights, self.counters, self.writes
            kernels.read(self._groups, first, last, self.neurons, words, radii, *stored, sums, totals, active, size)
            return sums, totals, active

        parts = self._over_neurons(task, len(words))
        sums, totals, active = parts[0]
        for part in parts[1:]:
            for whole, added in zip((sums, totals, active), part, strict=True):
                whole += added
        return sums, totals, active

    def _signs(self, queries: Bits) -> tuple[Signs, Mask]:
        signs, empty = np.empty((len(queries), self.value_length), np.int8), np.empty(len(queries), np.bool_)
        for start in range(0, len(queries), ROWS):
            block = slice(start, start + ROWS)
            sums, totals, _ = self._sums(queries[block])
            signs[block], empty[block] = np.sign(sums), totals == 0
        signs[empty] = 0
        return signs, empty

    def active(self, queries: ArrayLike) -> Integers:
        """Number of neurons near each query, written or not, (Q,).

        Parameters
        ----------
        queries : (Q, n) array
        """
        rows = checked_bits("queries", queries, self.n)
        return np.concatenate([self._sums(rows[start : start + ROWS])[2] for start in range(0, len(rows), ROWS)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that makes the memory, as plain arrays; `from_arrays` makes the same memory of them."""
        unset = -1
        settings = {
            "n": self.n,
            "written": self._written,
            "radius": unset if self.radius is None else self.radius,
            "read_radius": unset if self.read_radius is None else self.read_radius,
            "nearest": unset if self.nearest is None else self.nearest,
            "limit": self.limit,
            "tie_seed": self.tie_seed,
        }
        arrays = {
            "addresses": self.addresses,
            "counters": self.counters,
            "writes": self.writes,
            "read_weights": self.read_weights,
        }
        texts = {"format": np.array(FORMAT), "ties": np.array(self.ties)}
        return texts | {name: np.array(value) for name, value in settings.items()} | arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, threads: int | None = None) -> Self:
        """The memory of `to_arrays`.

        Raises
        ------
        ValueError
            If the arrays are not those of a memory, or do not fit each other.
        """
        try:
            found = str(arrays["format"])
            if found != FORMAT:
                raise ValueError(f"format must be {FORMAT!r}, found {found!r}")
            counters, writes, words = arrays["counters"], arrays["writes"], arrays["addresses"]
            names = ("n", "written", "radius", "read_radius", "nearest", "limit", "tie_seed")
            n, written, radius, read_radius, nearest, limit, tie_seed = (int(arrays[name]) for name in names)
            weights, ties = arrays["read_weights"], str(arrays["ties"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"the arrays are not those of a memory: {error}") from None
        if counters.dtype.name not in get_args(Counters) or counters.ndim != 2:
            raise ValueError(f"counters must be a table of small integers, found {counters.dtype} {counters.shape}")
        if writes.dtype != np.int32 or not writes.shape == counters.shape[:1] == words.shape[:1]:
            raise ValueError("writes, counters and addresses must have one row a neuron")
        memory = cls(
            n,
            words,
            None if radius < 0 else radius,
            nearest=None if nearest < 0 else nearest,
            read_radius=None if read_radius < 0 else read_radius,
            read_weights=weights,
            counters=counters.dtype.name,  # type: ignore[arg-type]
            limit=limit,
            value_length=counters.shape[1],
            ties=ties,  # type: ignore[arg-type]
            tie_seed=tie_seed,
            threads=threads,
        )
        memory.counters[...], memory.writes[...], memory._written = counters, writes, written
        return memory

    def save(self, path: str | PathLike[str]) -> None:
        """Write `to_arrays` to an .npz file."""
        with open(path, "wb") as file:
            np.savez(file, **self.to_arrays())  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | PathLike[str], *, threads: int | None = None) -> Self:
        """Read a memory from an .npz file, which may hold no pickles; ValueError if it is another or a damaged file."""
        with open(path, "rb") as stream:
            try:
                arrays = dict(np.load(stream, allow_pickle=False))
            except (EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
                raise ValueError(f"{path} must be an .npz file of a memory: {error}") from None
        return cls.from_arrays(arrays, threads=threads)


def _checked_weights(weights: ArrayLike | None, n: int) -> Integers:
    if weights is None:
        return np.ones(n + 1, dtype=np.int64)
    found = np.asarray(weights)
    if found.shape != (n + 1,) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() > 2**20:
        raise ValueError(f"read_weights must be {n + 1} integers from 0 to 2^20, found {weights!r}")
    return found.astype(np.int64)
