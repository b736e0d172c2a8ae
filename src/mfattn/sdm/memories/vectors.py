r"""Memories of vectors: sparse distributed memory on the sphere, and attention.

.. math:: q' = \frac{\sum_j w(\cos(p_j, q))\, v_j}{\big\lVert \sum_j w(\cos(p_j, q))\, v_j \big\rVert}

with the fraction of the sphere that two caps share, the intersection of two balls at the nearest Hamming distance, or
an exponential for w. Weights are relative to the largest of a query.

References
----------
Bricken and Pehlevan, NeurIPS 2021; Vaswani et al., NeurIPS 2017; Ramsauer et al., ICLR 2021.
"""

import math
from abc import abstractmethod
from typing import Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from mfattn.sdm.checks import checked_choice, checked_integer
from mfattn.sdm.geometry import cosine_to_hamming, log_expected_neurons
from mfattn.sdm.memories.attention import checked_beta
from mfattn.sdm.memories.interface import MAX_STEPS, Array, Mask, Memory, Result, Status
from mfattn.sdm.memories.threads import WORTHWHILE, over_ranges
from mfattn.sdm.sphere import CapTable

Norms = Literal["unit", "kept"]

TOLERANCE = 1e-9
"""Relative change of a state up to which it counts as the same."""

VANISHED = 1e-12
"""Norm of a weighted mean of unit vectors that is 0 but for rounding."""


def checked_vectors(name: str, array: ArrayLike, n: int) -> Array:
    """Rows of n finite numbers, (m, n), none of them all 0; a single row (n,) counts as one.

    Raises
    ------
    ValueError
        If the shape or the contents are others.

    Examples
    --------
    >>> checked_vectors("queries", [3, 4], 2)
    array([[3., 4.]])
    """
    values = np.asarray(array)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, found {values.dtype}")
    if values.ndim == 1:
        values = values[np.newaxis]
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != n:
        raise ValueError(f"{name} must have shape (m, {n}) with m at least 1, found {np.shape(array)}")
    vectors = np.ascontiguousarray(values, dtype=np.float64)
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise ValueError(f"{name} must be finite, and no row may be all 0")
    return vectors


def normalised(vectors: Array) -> Array:
    """Rows divided by their lengths, whatever their size.

    >>> normalised(np.array([[3e200, 4e200]]))
    array([[0.6, 0.8]])
    """
    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(scaled / np.sqrt(np.square(scaled).sum(axis=1, keepdims=True)))


def cosines_with(queries: Array, patterns: Array) -> Array:
    """Cosines (Q, m) of rows (Q, n) and (m, n), summed in their order: the same bits on any number of threads.

    >>> cosines_with(np.array([[3.0, 4.0]]), np.array([[2.0, 0.0], [0.0, 5.0]])).round(12).tolist()
    [[0.6, 0.8]]
    """
    from mfattn.sdm import kernels

    cosines = np.empty((len(queries), len(patterns)))
    kernels.ordered_product(normalised(queries), np.ascontiguousarray(normalised(patterns).T), 0, len(queries), cosines)
    return cosines


class VectorSettings(TypedDict, total=False):
    """Settings that all memories of vectors share, as of `VectorMemory`."""

    value_length: int | None
    tolerance: float
    threads: int | None


class VectorMemory(Memory[np.float64]):
    """A memory of vectors, which reads a weighted mean.

    Parameters
    ----------
    n, value_length, threads
        As of `Memory`.
    norms : {'unit', 'kept'}
        Whether addresses, values and states are divided by their lengths.
    tolerance : float
        A state has converged when an update moves it by no more than this share of its length, from 0 to 1.
    """

    def __init__(
        self,
        n: int,
        *,
        value_length: int | None = None,
        norms: Norms = "unit",
        tolerance: float = TOLERANCE,
        threads: int | None = None,
    ) -> None:
        super().__init__(n, value_length=value_length, threads=threads)
        checked_choice("norms", norms, Norms)
        if not 0 <= tolerance <= 1:
            raise ValueError(f"tolerance must be 0 to 1, found {tolerance!r}")
        self.norms, self.tolerance = norms, float(tolerance)
        self._parts: list[tuple[Array, Array]] = []
        self._transposed: Array | None = None

    @abstractmethod
    def _log_weights(self, similarities: Array) -> Array:
        """Logarithms of weights, like the similarities: cosines, or scalar products where norms are kept."""

    def _scaled(self, vectors: Array) -> Array:
        return normalised(vectors) if self.norms == "unit" else vectors

    def write(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Store vectors, (m, n), and their values, (m, value_length)."""
        rows = self._scaled(checked_vectors("addresses", addresses, self.n))
        if values is None and self.value_length != self.n:
            raise ValueError(f"values of length {self.value_length} must be given for addresses of length {self.n}")
        contents = rows
        if values is not None:
            contents = self._scaled(checked_vectors("values", values, self.value_length))
        if len(contents) != len(rows):
            raise ValueError(f"every address needs a value, found {len(rows)} addresses and {len(contents)} values")
        self._parts.append((rows, contents))
        self._transposed = None
        self._written += len(rows)

    def _gather(self) -> tuple[Array, Array]:
        """Addresses (n, m) and values (m, value_length) of all that was written."""
        if self._transposed is None:
            rows, values = (np.concatenate(arrays) for arrays in zip(*self._parts, strict=True))
            self._parts, self._transposed = [(rows, values)], np.ascontiguousarray(rows.T)
        return self._transposed, self._parts[0][1]

    def _product(self, left: Array, right: Array) -> Array:
        from mfattn.sdm import kernels

        out = np.empty((len(left), right.shape[1]))

        def task(first: int, last: int) -> None:
            kernels.ordered_product(left, right, first, last, out)

        # Some 16 products take as long as the distances of eight addresses.
        over_ranges(task, len(left), self.threads, least=1 + 16 * WORTHWHILE // right.size)
        return out

    def _means(self, state: Array) -> tuple[Array, Mask, Mask]:
        """Weighted means (Q, value_length), which queries overlap with nothing, and for which the mean vanishes."""
        means = np.zeros((len(state), self.value_length))
        empty = np.ones(len(state), dtype=np.bool_)
        if len(self):
            start = 0
            for block in self._blocks(state, len(self)):
                rows = slice(start, start + len(block))
                means[rows], empty[rows] = self._means_of_block(block)
                start += len(block)
        if self.norms == "kept":
            return means, empty, np.zeros_like(empty)
        vanished = ~empty & (np.sqrt(np.square(means).sum(axis=1)) <= VANISHED)
        means[~(empty | vanished)] = normalised(means[~(empty | vanished)])
        return means, empty, vanished

    def _means_of_block(self, state: Array) -> tuple[Array, Mask]:
        addresses, values = self._gather()
        similarities = self._product(state, addresses)
        if self.norms == "unit":
            np.clip(similarities, -1.0, 1.0, out=similarities)
        logs = self._log_weights(similarities)
        largest = logs.max(axis=1, keepdims=True)
        empty = np.isneginf(largest[:, 0])
        weights = np.exp(logs - np.where(np.isneginf(largest), 0.0, largest))
        totals = np.where(empty, 1.0, weights.sum(axis=1))
        return self._product(weights, values) / totals[:, np.newaxis], empty

    def _updated(self, state: Array) -> tuple[Array, Mask, Mask]:
        """New states, those that are empty or vanish as they were; and which these are."""
        means, empty, vanished = self._means(state)
        if self.value_length == self.n:
            means[empty | vanished] = state[empty | vanished]
        else:
            means[empty | vanished] = 0.0
        return means, empty, vanished

    def read(self, queries: ArrayLike) -> Result:
        """Read once at every query, (Q, n)."""
        state = self._scaled(checked_vectors("queries", queries, self.n))
        means, empty, vanished = self._updated(state)
        status = np.where(empty, Status.EMPTY, np.where(vanished, Status.TIE, Status.READ))
        changed = self._moved(means, state) if self.value_length == self.n else ~empty
        return Result(means, changed.astype(np.int64), status, vanished.astype(np.int64))

    def iterate(self, queries: ArrayLike, *, max_steps: int = MAX_STEPS) -> Result:
        """Read until nothing moves, from queries (Q, n)."""
        max_steps = self._checked_steps(max_steps)
        state = self._scaled(checked_vectors("queries", queries, self.n)).copy()
        steps, ties = np.zeros(len(state), dtype=np.int64), np.zeros(len(state), dtype=np.int64)
        status, active = np.full(len(state), int(Status.LIMIT)), np.arange(len(state))
        for _ in range(max_steps):
            new, empty, vanished = self._updated(state[active])
            changed = self._moved(new, state[active])
            ended = np.where(empty, Status.EMPTY, np.where(vanished, Status.TIE, Status.CONVERGED))
            status[active[~changed]] = ended[~changed]
            ties[active] += vanished
            state[active], steps[active] = new, steps[active] + changed
            active = active[changed]
            if len(active) == 0:
                break
        return Result(state, steps, status, ties)

    def _moved(self, new: Array, old: Array) -> Mask:
        change = np.sqrt(np.square(new - old).sum(axis=1))
        return np.asarray(change > self.tolerance * np.sqrt(np.square(old).sum(axis=1)))


class CapSDM(VectorMemory):
    r"""Sparse distributed memory on the sphere with infinitely many neurons: weights are fractions in two caps.

    Parameters
    ----------
    n : int
        Dimension, at least 2.
    radius : float
        d, above 0 and at most n: caps have the half-angle :math:`\arccos(1 - 2d/n)`.
    resolution : int
        Nodes of the table of weights, whose logarithms are off by at most `error_bound`.
    value_length, tolerance, threads
        As of `VectorMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from mfattn.sdm.memories import CapSDM
    >>> memory = CapSDM(3, radius=0.25)
    >>> memory.write([[1, 0, 0], [0, 0, 1]])
    >>> memory.iterate([[0.9, 0.1, 0.0]]).state.round(6).tolist()
    [[1.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        n: int,
        radius: float,
        *,
        resolution: int = 4096,
        **settings: Unpack[VectorSettings],
    ) -> None:
        super().__init__(n, **settings)
        self._table = CapTable(self.n, radius, resolution)
        self.radius, self.error_bound = radius, self._table.error_bound

    def _log_weights(self, similarities: Array) -> Array:
        return self._table(similarities)


class RoundedSDM(VectorMemory):
    """Sparse distributed memory of vectors with the weights of bits, at the Hamming distance of the nearest cosine.

    Parameters
    ----------
    n : int
        Dimension, and bits.
    radius : int
        d, 0 to n.
    value_length, tolerance, threads
        As of `VectorMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from mfattn.sdm.memories import RoundedSDM
    >>> memory = RoundedSDM(4, radius=1)
    >>> memory.write([[1, 1, 1, 1], [-1, -1, -1, -1]])
    >>> memory.read([[1, 1, 1, 0.5]]).state.tolist()
    [[0.5, 0.5, 0.5, 0.5]]
    """

    def __init__(self, n: int, radius: int, **settings: Unpack[VectorSettings]) -> None:
        super().__init__(n, **settings)
        self.radius = checked_integer("radius", radius, 0, self.n)
        self._logs = log_expected_neurons(self.n, self.radius)

    def _log_weights(self, similarities: Array) -> Array:
        return self._logs[cosine_to_hamming(self.n, similarities)]


class ContinuousAttention(VectorMemory):
    r"""Softmax attention, :math:`w = \exp(\beta \cos(p_j, q))`.

    Parameters
    ----------
    n : int
        Dimension.
    beta : float
        Inverse temperature, finite.
    norms : {'unit', 'kept'}
        With 'kept', similarities are scalar products, and states the weighted means themselves: attention as in a
        transformer, whose effective beta is beta times the two lengths, and the continuous Hopfield network of Ramsauer
        et al.
    value_length, tolerance, threads
        As of `VectorMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from mfattn.sdm.memories import ContinuousAttention
    >>> memory = ContinuousAttention(2, beta=10)
    >>> memory.write([[1, 0], [0, 1]])
    >>> memory.iterate([[2, 1]]).state.round(3).tolist()
    [[1.0, 0.0]]
    """

    def __init__(
        self,
        n: int,
        beta: float,
        *,
        norms: Norms = "unit",
        **settings: Unpack[VectorSettings],
    ) -> None:
        super().__init__(n, norms=norms, **settings)
        self.beta = checked_beta(beta)

    def _log_weights(self, similarities: Array) -> Array:
        return self.beta * similarities


def transformer_attention(n: int, *, norms: Norms = "unit", **settings: Unpack[VectorSettings]) -> ContinuousAttention:
    r"""Attention at the temperature of a transformer, :math:`\beta = 1/\sqrt n`.

    On unit vectors it reads little but the mean of all patterns: the scale goes with lengths of about :math:`\sqrt n`,
    as under `norms="kept"`.

    Parameters
    ----------
    n, norms, value_length, tolerance, threads
        As of `ContinuousAttention`.

    Examples
    --------
    >>> transformer_attention(64).beta
    0.125
    """
    n = checked_integer("n", n, 1)
    return ContinuousAttention(n, 1.0 / math.sqrt(n), norms=norms, **settings)
