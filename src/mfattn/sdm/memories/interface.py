"""What all memories have in common: writing, reading once, and reading again and again until nothing changes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, Literal, TypedDict, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.sdm.checks import checked_choice, checked_integer
from mfattn.sdm.memories.bits import Bits, checked_bits
from mfattn.sdm.memories.threads import checked_threads

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Signs = NDArray[np.int8]
Mask = NDArray[np.bool_]

Ties = Literal["zero", "keep", "random"]

MAX_STEPS = 100
"""Updates after which an iteration gives up, unless told otherwise."""

ENTRIES = 2**23
"""Of a matrix of queries by patterns that is held at once."""

S = TypeVar("S", bound=np.generic)


class Status(IntEnum):
    """How the reading of a query ended."""

    READ = 0
    """Something was read, once."""
    CONVERGED = 1
    """The last update left the state as it was."""
    TIE = 2
    """The same, or read once, but the policy for ties decided at least one bit of the last update."""
    CYCLE = 3
    """The state went back and forth between two, and is the one that the last update allowed leaves."""
    LIMIT = 4
    """The state still changed at the last update allowed."""
    EMPTY = 5
    """The state shares no neuron or pattern with anything that was written, and so stays what it is."""


@dataclass(frozen=True, eq=False)
class Result:
    """What was read for Q queries.

    Parameters
    ----------
    state : (Q, n) array
        Bits, or vectors of floats.
    steps : (Q,) array of int
        Updates that changed the state.
    status : (Q,) array of int
        Values of `Status`.
    ties : (Q,) array of int
        Bits that the policy for ties decided, over all updates.
    """

    state: NDArray[Any]
    steps: Integers
    status: Integers
    ties: Integers

    def tally(self) -> dict[str, int]:
        """Number of queries of each status.

        >>> two = np.array([1, 1])
        >>> Result(state=np.zeros((2, 3)), steps=two, status=two, ties=two).tally()["CONVERGED"]
        2
        """
        return {status.name: int((self.status == status).sum()) for status in Status}


class Memory(ABC, Generic[S]):
    """An associative memory: values are written at addresses, and read at noisy ones.

    Parameters
    ----------
    n : int
        Length of an address.
    value_length : int, optional
        Length of a value, that of an address if left out.
    threads : int, optional
        Of the compiled kernels; as many as this process may use if left out. Results do not depend on it.
    """

    def __init__(self, n: int, *, value_length: int | None = None, threads: int | None = None) -> None:
        self.n = checked_integer("n", n, 1)
        self.value_length = self.n if value_length is None else checked_integer("value_length", value_length, 1)
        self.threads = checked_threads(threads)
        self._written = 0

    def __len__(self) -> int:
        """Number of patterns written."""
        return self._written

    @abstractmethod
    def write(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Store a value at each address, or each address itself.

        Parameters
        ----------
        addresses : (m, n) array
        values : (m, value_length) array, optional
            The addresses if left out, which makes the memory autoassociative.

        Raises
        ------
        ValueError
            If the arrays have other shapes or contents, or hold no pattern.
        """

    @abstractmethod
    def read(self, queries: ArrayLike) -> Result:
        """Read once at every query.

        Parameters
        ----------
        queries : (Q, n) array

        Returns
        -------
        Result
            With the values as states, and the status READ, TIE or EMPTY. What is EMPTY keeps the query as its state, or
            reads as zeros where values have another length.

        Raises
        ------
        ValueError
            If the queries have another shape or other contents.
        """

    @abstractmethod
    def iterate(self, queries: ArrayLike, *, max_steps: int = MAX_STEPS) -> Result:
        """Read, and read again at what was read, each query until it stays the same.

        Parameters
        ----------
        queries : (Q, n) array
        max_steps : int
            Updates after which a query is given up, at least 1.

        Returns
        -------
        Result
            With any status but READ.

        Raises
        ------
        ValueError
            If the queries have another shape or other contents, or values another length than addresses.
        """

    def _checked_steps(self, max_steps: int) -> int:
        if self.value_length != self.n:
            raise ValueError(f"only values of {self.n} bits can be read again, found {self.value_length}")
        return checked_integer("max_steps", max_steps, 1)

    def _blocks(self, queries: NDArray[S], row: int) -> Iterator[NDArray[S]]:
        """Queries by blocks, where each takes ROW numbers of working memory."""
        step = max(1, ENTRIES // max(1, row))
        return (queries[start : start + step] for start in range(0, len(queries), step))


class BinarySettings(TypedDict, total=False):
    """Settings that all memories of bits share, as of `BinaryMemory`."""

    value_length: int | None
    ties: Ties
    tie_seed: int
    threads: int | None


class BinaryMemory(Memory[np.uint8]):
    """A memory of bits, which reads a bit as the sign of a weighted sum over what was written.

    Parameters
    ----------
    n, value_length, threads
        As of `Memory`, in bits.
    ties : {'zero', 'keep', 'random'}
        What a bit becomes whose sum is 0: 0, the bit of the query, or a fair draw. Draws depend on the seed, on the
        place of the query among the queries and on the number of the update, and on nothing else.
    tie_seed : int
        Of these draws.
    """

    def __init__(
        self,
        n: int,
        *,
        value_length: int | None = None,
        ties: Ties = "zero",
        tie_seed: int = 0,
        threads: int | None = None,
    ) -> None:
        super().__init__(n, value_length=value_length, threads=threads)
        checked_choice("ties", ties, Ties)
        if ties == "keep" and self.value_length != self.n:
            raise ValueError("ties cannot keep the bits of a query whose values have another length")
        self.ties, self.tie_seed = ties, checked_integer("tie_seed", tie_seed, 0)

    @abstractmethod
    def _signs(self, queries: Bits) -> tuple[Signs, Mask]:
        """Signs of the sums of every value bit, 0 for a tie, and which queries share nothing with what was written."""

    def _checked_pairs(self, addresses: ArrayLike, values: ArrayLike | None) -> tuple[Bits, Bits]:
        rows = checked_bits("addresses", addresses, self.n)
        if values is None and self.value_length != self.n:
            raise ValueError(f"values of {self.value_length} bits must be given for addresses of {self.n}")
        contents = rows if values is None else checked_bits("values", values, self.value_length)
        if len(contents) != len(rows):
            raise ValueError(f"every address needs a value, found {len(rows)} addresses and {len(contents)} values")
        return rows, contents

    def _updated(self, state: Bits, update: int, place: Integers, number: int) -> tuple[Bits, Integers, Mask]:
        """New states, bits decided by the policy for ties, and which are empty; PLACE is that among NUMBER queries."""
        signs, empty = self._signs(state)
        tied = (signs == 0) & ~empty[:, np.newaxis]
        bits = (signs > 0).view(np.uint8)
        if self.ties == "keep":
            bits = np.where(tied, state, bits)
        elif self.ties == "random" and tied.any():
            sequence = np.random.SeedSequence(self.tie_seed, spawn_key=(update,))
            draws = np.random.Generator(np.random.PCG64(sequence)).integers(0, 2, (number, signs.shape[1]), np.uint8)
            bits = np.where(tied, draws[place], bits)
        if self.value_length == self.n:
            bits[empty] = state[empty]
        return bits, tied.sum(axis=1), empty

    def read(self, queries: ArrayLike) -> Result:
        """Read once at every query, (Q, n) of 0 and 1."""
        state = checked_bits("queries", queries, self.n)
        bits, ties, empty = self._updated(state, 0, np.arange(len(state)), len(state))
        status = np.where(empty, Status.EMPTY, np.where(ties > 0, Status.TIE, Status.READ))
        changed = (bits != state).any(axis=1) if self.value_length == self.n else ~empty
        return Result(bits, changed.astype(np.int64), status, ties)

    def iterate(self, queries: ArrayLike, *, max_steps: int = MAX_STEPS) -> Result:
        """Read until nothing changes, from queries (Q, n) of 0 and 1."""
        max_steps = self._checked_steps(max_steps)
        state = checked_bits("queries", queries, self.n).copy()
        number = len(state)
        steps, ties = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
        status = np.full(number, int(Status.LIMIT))
        active, before = np.arange(number), None
        for update in range(max_steps):
            old = state[active]
            new, tied, empty = self._updated(old, update, active, number)
            ties[active] += tied
            changed = (new != old).any(axis=1)
            ended = np.where(empty, Status.EMPTY, np.where(tied > 0, Status.TIE, Status.CONVERGED))
            status[active[~changed]] = ended[~changed]
            state[active], steps[active] = new, steps[active] + changed
            if before is not None and self.ties != "random":
                back = changed & (new == before).all(axis=1)
                status[active[back]], steps[active[back]] = Status.CYCLE, max_steps
                if (max_steps - 1 - update) % 2:
                    state[active[back]] = old[back]
                changed &= ~back
            active, before = active[changed], old[changed]
            if len(active) == 0:
                break
        return Result(state, steps, status, ties)


def signs_of(bits: Bits) -> Signs:
    """Bits 0 and 1 as -1 and 1.

    >>> signs_of(np.array([0, 1], dtype=np.uint8)).tolist()
    [-1, 1]
    """
    return (2 * bits.astype(np.int8) - 1).astype(np.int8, copy=False)


def checked_radii(n: int, radius: int, read_radius: int | None) -> tuple[int, int]:
    """Radii of writes and of reads, which are the same if one is given; ValueError unless from 0 to N.

    >>> checked_radii(64, 19, None)
    (19, 19)
    """
    written = checked_integer("radius", radius, 0, n)
    return written, written if read_radius is None else checked_integer("read_radius", read_radius, 0, n)
