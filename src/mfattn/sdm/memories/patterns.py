r"""Memories that keep their patterns, and weight each by its Hamming distance from the query.

With many neurons, those that a query at distance dv from a pattern shares with it number r I(n, d, dv) / 2^n, so that
a read no longer needs them:

.. math:: q_i' = [2 S_i > s], \qquad S_i = \sum_j w(|p_j - q|)\, v_{ji}, \quad s = \sum_j w(|p_j - q|),

with w = I for infinitely many neurons, and softmax attention where w is exponential. Weights span hundreds of orders of
magnitude, so they are kept as logarithms until they are summed. Sums that rounding could have moved across 0 are
decided anew by exact arithmetic: ties are common where few patterns overlap.

References
----------
Bricken and Pehlevan, Attention approximates sparse distributed memory, NeurIPS 2021.
"""

from abc import abstractmethod
from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.sdm.checks import checked_choice, checked_integer
from mfattn.sdm.geometry import intersection_counts_unequal, log_expected_neurons_unequal
from mfattn.sdm.memories.bits import Bits, Words, distances_to_groups, in_groups, pack_bits, padded
from mfattn.sdm.memories.interface import (
    Array,
    BinaryMemory,
    BinarySettings,
    Integers,
    Mask,
    Signs,
    checked_radii,
    signs_of,
)

Counting = Literal["poisson", "rounded"]

UNSURE = 1e-9
"""Sums up to this share of their terms' sizes are decided exactly; rounding moves them by some 1e-12."""

SPAN = 500.0
"""Of logarithms of weights, up to which one unit serves all queries."""

PATTERNS = 4096
"""Whose values are held as floats at once."""

Distances = NDArray[np.signedinteger]


class PatternMemory(BinaryMemory):
    """A memory that keeps its patterns.

    Parameters
    ----------
    n, value_length, ties, tie_seed, threads
        As of `BinaryMemory`.
    """

    def __init__(self, n: int, **settings: Unpack[BinarySettings]) -> None:
        super().__init__(n, **settings)
        self._parts: list[tuple[Words, Signs]] = []
        self._groups: Words | None = None

    def write(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Store patterns of bits, (m, n), and their values, (m, value_length)."""
        rows, contents = self._checked_pairs(addresses, values)
        self._parts.append((pack_bits(rows), signs_of(contents)))
        self._groups = None
        self._written += len(rows)

    def _gather(self) -> tuple[Words, Signs]:
        """Addresses as groups and values as signs, of all patterns written."""
        if self._groups is None:
            words, signs = (np.concatenate(arrays) for arrays in zip(*self._parts, strict=True))
            self._parts, self._groups = [(words, signs)], in_groups(words, self.n)
        return self._groups, self._parts[0][1]

    def _distances(self, queries: Bits) -> Distances:
        """Distances of queries (Q, n) to all patterns, (Q, m)."""
        groups, _ = self._gather()
        return distances_to_groups(padded(pack_bits(queries), self.n), groups, self.n, self.threads)[:, : len(self)]

    @abstractmethod
    def _signs_of_block(self, queries: Bits) -> tuple[Signs, Mask]:
        """`_signs` of as many queries as are compared at once with all patterns, of which there is at least one."""

    def _signs(self, queries: Bits) -> tuple[Signs, Mask]:
        signs = np.zeros((len(queries), self.value_length), dtype=np.int8)
        empty = np.ones(len(queries), dtype=np.bool_)
        if len(self) == 0:
            return signs, empty
        start = 0
        for block in self._blocks(queries, len(self)):
            rows = slice(start, start + len(block))
            signs[rows], empty[rows] = self._signs_of_block(block)
            start += len(block)
        return signs, empty


class WeightedMemory(PatternMemory):
    """A memory that reads the weighted mean of its patterns' values, rounded."""

    @abstractmethod
    def _weights(self, distances: Distances) -> Array:
        """Weights (Q, m) of patterns at these distances, each row in a unit of its own; a row of 0 where nothing is."""

    @abstractmethod
    def _exact_signs(self, distances: Distances, weights: Array, signs: Signs) -> Signs:
        """Signs of the sums of one query, (f,), as rounding has no part in them.

        Distances and weights of all patterns are (m,), signs of their values (m, f).
        """

    def _unsure(self, sums: Array, sizes: Array) -> Mask:
        """Where rounding may have moved a sum (Q, f) across 0, given the sum of all weights, (Q,)."""
        return (np.abs(sums) <= UNSURE * sizes[:, np.newaxis]) & (sizes > 0)[:, np.newaxis]

    def _signs_of_block(self, queries: Bits) -> tuple[Signs, Mask]:
        distances, (_, values) = self._distances(queries), self._gather()
        weights = self._weights(distances)
        sizes, sums = weights.sum(axis=1), product(weights, values)
        signs, unsure = np.sign(sums).astype(np.int8), self._unsure(sums, sizes)
        for row in np.flatnonzero(unsure.any(axis=1)):
            columns = np.flatnonzero(unsure[row])
            signs[row, columns] = self._exact_signs(distances[row], weights[row], values[:, columns])
        return signs, sizes == 0


def product(weights: Array, values: NDArray[np.int8] | Mask) -> Array:
    """Weights (Q, m) times small values (m, f), some of which at a time become floats.

    >>> product(np.array([[2.0, 3.0]]), np.array([[1], [-1]], dtype=np.int8)).tolist()
    [[-1.0]]
    """
    starts = range(0, len(values), PATTERNS)
    parts = (weights[:, i : i + PATTERNS] @ values[i : i + PATTERNS].astype(np.float64) for i in starts)
    return sum(parts, np.zeros((len(weights), values.shape[1])))


def weights_at(logs: Array, distances: Distances) -> Array:
    """Weights (Q, m) at distances, from their logarithms by distance (n + 1); each row in a unit of its own.

    >>> weights_at(np.log([4.0, 2.0, 1.0]), np.array([[1, 2, 2]])).tolist()
    [[0.5, 0.25, 0.25]]
    """
    possible = logs[np.isfinite(logs)]
    if possible.size and np.ptp(possible) < SPAN:
        return np.asarray(np.exp(logs - possible.max())[distances])
    present = logs[distances].max(axis=1, keepdims=True)
    largest = np.where(np.isfinite(present), present, 0.0)
    # Distances nearer than any that occur are cut to weight 1, which nothing asks for.
    table = np.exp(np.minimum(logs - largest, 0.0))
    return np.take_along_axis(table, distances.astype(np.int64), axis=1)


def counted_by_distance(distances: Distances, signs: Signs) -> tuple[Integers, Integers]:
    """The distances (g,) that occur, and sums (g, f) of the signs of the patterns at each.

    >>> found, counts = counted_by_distance(np.array([2, 5, 2]), np.array([[1], [1], [-1]], dtype=np.int8))
    >>> found.tolist(), counts.tolist()
    ([2, 5], [[0], [1]])
    """
    found, group = np.unique(distances, return_inverse=True)
    counts = np.zeros((len(found), signs.shape[1]), dtype=np.int64)
    np.add.at(counts, group, signs)
    return found.astype(np.int64), counts


def signs_of_integer_sums(weights: list[int], counts: Integers) -> Signs:
    """Signs of the sums over g of weights (g) times counts (g, f), in integers of any size.

    >>> signs_of_integer_sums([2**70, 1], np.array([[1, -1, 0], [-1, 2, 0]])).tolist()
    [1, -1, 0]
    """
    columns: list[list[int]] = counts.T.tolist()
    sums = (sum(weight * count for weight, count in zip(weights, column, strict=True)) for column in columns)
    return np.array([(total > 0) - (total < 0) for total in sums], dtype=np.int8)


class InfiniteSDM(WeightedMemory):
    r"""Sparse distributed memory with infinitely many neurons: weights :math:`I(n, d, dv)`.

    Parameters
    ----------
    n : int
        Bits.
    radius : int
        d, 0 to n.
    read_radius : int, optional
        Of reads; that of writes if left out.
    value_length, ties, tie_seed, threads
        As of `BinaryMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Ties are exact, in integers of any size. A query beyond the sum of the radii from all patterns is EMPTY.

    Examples
    --------
    >>> from mfattn.sdm.memories import InfiniteSDM
    >>> memory = InfiniteSDM(8, radius=2)
    >>> memory.write([[0] * 8, [1] * 8])
    >>> memory.iterate([[1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]]).tally()["TIE"]
    0
    """

    def __init__(
        self,
        n: int,
        radius: int,
        *,
        read_radius: int | None = None,
        **settings: Unpack[BinarySettings],
    ) -> None:
        super().__init__(n, **settings)
        self.radius, self.read_radius = checked_radii(self.n, radius, read_radius)
        self._logs = log_expected_neurons_unequal(self.n, self.radius, self.read_radius)
        self._counts: list[int] | None = None

    def _weights(self, distances: Distances) -> Array:
        return weights_at(self._logs, distances)

    def _exact_signs(self, distances: Distances, weights: Array, signs: Signs) -> Signs:
        if self._counts is None:
            self._counts = intersection_counts_unequal(self.n, self.radius, self.read_radius)
        found, counts = counted_by_distance(distances, signs)
        return signs_of_integer_sums([self._counts[distance] for distance in found], counts)


def drawn_counts(means: Array, counting: Counting, generator: np.random.Generator) -> Array:
    """Whole numbers with the given means: Poisson draws, or the means rounded up or down at random.

    Those beyond 2^53 are the rounded means, which their fluctuations do not change by much.

    >>> drawn_counts(np.array([0.0, 2.5, 1e20]), "rounded", np.random.default_rng(1)).tolist()
    [0.0, 3.0, 1e+20]
    """
    uncertain = np.where(means < 2.0**53, means, 0.0)
    if counting == "poisson":
        counts = generator.poisson(uncertain).astype(np.float64)
    else:
        counts = np.floor(uncertain + generator.random(uncertain.shape))
    return np.where(means < 2.0**53, counts, np.rint(means))


class FiniteSDM(WeightedMemory):
    r"""The limit of infinitely many neurons with the counts of a finite number r of them, drawn once.

    The number of neurons that a query at distance dv shares with pattern j is a draw with mean
    :math:`r\, I(n, d, dv) / 2^n`, for every j and dv, which stays what it is as long as the memory lives: readings are
    repeatable, and iterations come to rest.

    Parameters
    ----------
    n, radius, read_radius
        As of `InfiniteSDM`.
    neurons : int or float
        r, above 0 and finite; an int of any size.
    counting : {'poisson', 'rounded'}
        Poisson draws, as of random neurons; or the mean rounded up or down at random so that it stays the mean, as in
        the published program, whose variance of at most 1/4 makes the memory far better than one of r real neurons.
    seed : int
        Of the draws. Pattern j has the same draws however the patterns are cut into calls of `write`.
    value_length, ties, tie_seed, threads
        As of `BinaryMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    The draws are independent in j and dv. Those of real neurons are not: patterns near each other share neurons, and a
    neuron near a query is likely to be near it after a small change. `NeuronSDM` has all of that. The counts take
    8 (n + 1) bytes a pattern. Beyond 2^53 neurons they are the rounded means.

    Examples
    --------
    >>> from mfattn.sdm.memories import FiniteSDM
    >>> memory = FiniteSDM(64, 19, 10**5, seed=3)
    >>> memory.write([[0] * 64, [1] * 64])
    >>> memory.iterate([[1] * 5 + [0] * 59]).state.sum()
    np.uint64(0)
    """

    def __init__(
        self,
        n: int,
        radius: int,
        neurons: float,
        *,
        read_radius: int | None = None,
        counting: Counting = "poisson",
        seed: int = 0,
        **settings: Unpack[BinarySettings],
    ) -> None:
        super().__init__(n, **settings)
        self.radius, self.read_radius = checked_radii(self.n, radius, read_radius)
        checked_choice("counting", counting, Counting)
        self.neurons, self.counting = neurons, counting
        logs = log_expected_neurons_unequal(self.n, self.radius, self.read_radius, neurons)
        if logs[0] > 600:
            raise ValueError(f"neurons must share fewer than 1e260 with a pattern, found {neurons!r}")
        self._means = np.exp(logs)
        self._generator = np.random.Generator(np.random.PCG64(checked_integer("seed", seed, 0)))
        self._draws: list[Array] = []

    def write(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Store patterns of bits, (m, n), and their values, (m, value_length)."""
        before = len(self)
        super().write(addresses, values)
        self._draws.append(self._draw(len(self) - before))

    @property
    def counts(self) -> Array:
        """Neurons shared with every pattern at every distance, whole numbers, (m, n + 1)."""
        if len(self._draws) != 1:
            self._draws = [np.concatenate([np.empty((0, self.n + 1)), *self._draws])]
        return self._draws[0]

    def _draw(self, patterns: int) -> Array:
        """Counts by pattern and distance, whole numbers, (patterns, n + 1)."""
        return drawn_counts(np.broadcast_to(self._means, (patterns, self.n + 1)), self.counting, self._generator)

    def _weights(self, distances: Distances) -> Array:
        return self.counts[np.arange(len(self)), distances]

    def _unsure(self, sums: Array, sizes: Array) -> Mask:
        # Sums of whole numbers below 2^53 are not rounded.
        return super()._unsure(sums, sizes) & (sizes >= 2.0**53)[:, np.newaxis]

    def _exact_signs(self, distances: Distances, weights: Array, signs: Signs) -> Signs:
        return signs_of_integer_sums([int(weight) for weight in weights], signs.astype(np.int64))
