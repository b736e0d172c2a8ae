r"""The theory of `mfattn.sdm.theory` against simulated memories, with bands of confidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mfattn.sdm.checks import Array, Integers, checked_distances, checked_integer
from mfattn.sdm.geometry import log_intersection
from mfattn.sdm.theory import interpolated_critical_distance

Words = NDArray[np.uint64]

CONFIDENCE = 0.95
"""Of the bands around simulated means."""

BLOCK = 4096
"""Neurons that a simulation holds at once."""


@dataclass(frozen=True, eq=False)
class SignalSimulation:
    """Overlaps of real neurons at several distances, with 95 % confidence bands from the spread of the draws."""

    distance: Integers  # (distances,)
    signal: Array  # (distances,) neurons that query and pattern share, the mean
    signal_band: Array  # (2, distances) its lower and upper bounds
    sigma: Array  # (distances,) standard deviation of what a bit is read from, over bits, queries and draws
    sigma_band: Array  # (2, distances)
    ratio: Array  # (distances,) of signal to sigma
    ratio_band: Array  # (2, distances)


def _generators(seed: int, draws: int) -> list[np.random.Generator]:
    """One stream for each draw, which does not depend on how many there are."""
    children = np.random.SeedSequence(checked_integer("seed", seed, 0)).spawn(checked_integer("draws", draws, 2))
    return [np.random.Generator(np.random.PCG64(child)) for child in children]


def _addresses(generator: np.random.Generator, number: int, n: int) -> Words:
    """Random addresses of n bits, packed into words whose last is zero beyond them."""
    words = generator.integers(0, 2**64, (number, -(-n // 64)), dtype=np.uint64)
    if n % 64:
        words[:, -1] &= np.uint64(2 ** (n % 64) - 1)
    return words


def _signs(words: Words, n: int) -> Array:
    """The bits of addresses as signs, one for 1 and minus one for 0."""
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=n, bitorder="little")
    return np.where(bits == 1, 1.0, -1.0)


def _flipped(generator: np.random.Generator, words: Words, n: int, number: int) -> Words:
    """Copies of addresses with a number of different random bits flipped in each."""
    changes = np.zeros((len(words), 64 * words.shape[1]), dtype=np.uint8)
    if number:
        places = generator.random((len(words), n)).argpartition(number - 1, axis=1)[:, :number]
        np.put_along_axis(changes, places, 1, axis=1)
    packed = np.packbits(changes, axis=1, bitorder="little").view("<u8")
    return words ^ packed.astype(np.uint64)


def _distances(first: Words, second: Words) -> NDArray[np.uint32]:
    """Hamming distances, by words: no product of matrices, whose threads would fight with those of other processes."""
    total = np.zeros((len(first), len(second)), dtype=np.uint32)
    for word in range(first.shape[1]):
        total += np.bitwise_count(first[:, word, np.newaxis] ^ second[:, word])
    return total


def _band(mean: Array, error: Array, draws: int) -> Array:
    """Bounds of a mean, by Student's t."""
    width = special.stdtrit(draws - 1, 0.5 * (1.0 + CONFIDENCE)) * error
    return np.stack([mean - width, mean + width])


def simulate_signal(
    n: int, d: int, r: int, m: int, distances: Sequence[int], *, draws: int = 40, queries: int = 10, seed: int = 0
) -> SignalSimulation:
    """Signal and noise of memories with real neurons, to check `snr` against.

    Every draw has its own neurons and patterns. A query is one of the patterns with bits flipped; a bit is read from
    the sum, over all patterns, of the neurons that it shares with the query, with the sign of the pattern's bit; the
    sign of the true bit is divided out.

    Parameters
    ----------
    n, d, r, m : int
        Bits, radius, neurons and patterns; r of any size, in time but not in memory.
    distances : sequence of int
        Bits that are flipped, 0 to n.
    draws, queries : int
        Independent memories, at least 2, and queries in each, 1 to m.
    seed : int
        At least 0: of a SeedSequence, with one child for each draw.

    Returns
    -------
    SignalSimulation

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> found = simulate_signal(100, 35, 2000, 20, [0], draws=20, seed=1)
    >>> bool(found.signal_band[0] < 2000 * 17.588 / 10_000 < found.signal_band[1])
    True
    """
    n, r, m = checked_integer("n", n, 1), checked_integer("r", r, 1), checked_integer("m", m, 1)
    d, queries = checked_integer("d", d, 0, n), checked_integer("queries", queries, 1, m)
    v = checked_distances(n, distances).ravel()
    sums = [_one_memory(generator, n, d, r, m, v, queries) for generator in _generators(seed, draws)]
    signal, total, square = (np.array(part) for part in zip(*sums, strict=True))
    mean = total.mean(axis=0)
    variance = square.mean(axis=0) - np.square(mean)
    # How much each draw moves the variance.
    moved = square - 2.0 * mean * total
    sigma = np.sqrt(np.maximum(variance, 0.0))
    scale = np.maximum(sigma, 1e-100)
    ratio = signal.mean(axis=0) / scale
    found = (
        (signal.mean(axis=0), signal),
        (sigma, moved / (2.0 * scale)),
        (ratio, signal / scale - ratio * moved / (2.0 * np.square(scale))),
    )
    bands = [(value, _band(value, part.std(axis=0, ddof=1) / math.sqrt(draws), draws)) for value, part in found]
    return SignalSimulation(v, *bands[0], *bands[1], *bands[2])


def _one_memory(
    generator: np.random.Generator, n: int, d: int, r: int, m: int, v: Integers, queries: int
) -> tuple[Array, Array, Array]:
    """Means, at each distance, of the signal, of what bits are read from, and of its square, in one memory."""
    patterns = _addresses(generator, m, n)
    asked = np.concatenate([_flipped(generator, patterns[:queries], n, int(number)) for number in v])
    shared = np.zeros((len(asked), m))
    for start in range(0, r, BLOCK):
        neurons = _addresses(generator, min(BLOCK, r - start), n)
        by_query = _distances(asked, neurons) <= d
        # The few neurons that any query activates are all that matters.
        some = by_query.any(axis=0)
        by_pattern = _distances(patterns, neurons[some]) <= d
        shared += np.einsum("qi,pi->qp", by_query[:, some].astype(np.float32), by_pattern.astype(np.float32))
    own, signs = np.arange(queries), _signs(patterns, n)
    signal = shared.reshape(len(v), queries, m)[:, own, own]
    read = np.einsum("qp,np->qn", shared, signs.T.copy()).reshape(len(v), queries, n) * signs[:queries]
    return signal.mean(axis=1), read.mean(axis=(1, 2)), np.square(read).mean(axis=(1, 2))


@dataclass(frozen=True, eq=False)
class OverlapSimulation:
    """Real neurons that two addresses both activate."""

    distance: Integers  # (distances,)
    mean: Array  # (distances,) number of neurons
    band: Array  # (2, distances) its exact 95 % confidence bounds: of a binomial number, over all neurons and draws
    variance: Array  # (distances,) of the number, over the draws


def simulate_overlap(
    n: int, d: int, r: int, distances: Sequence[int], *, draws: int = 20, seed: int = 0
) -> OverlapSimulation:
    """Count the random neurons within both of two balls, to check the circle intersection against.

    Parameters
    ----------
    n, d, r : int
        Bits, radius and neurons; r of any size, in time but not in memory.
    distances : sequence of int
        Distances of the two addresses, 0 to n.
    draws : int
        Independent draws of the neurons and of the addresses, at least 2.
    seed : int
        At least 0: of a SeedSequence, with one child for each draw.

    Returns
    -------
    OverlapSimulation

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> found = simulate_overlap(100, 35, 2000, [0, 10], draws=50, seed=1)
    >>> bool(((found.band[0] < [3.518, 1.027]) & (found.band[1] > [3.518, 1.027])).all())
    True
    """
    n, r = checked_integer("n", n, 1), checked_integer("r", r, 1)
    d, v = checked_integer("d", d, 0, n), checked_distances(n, distances).ravel()
    counts = np.array([_one_overlap(generator, n, d, r, v) for generator in _generators(seed, draws)])
    return OverlapSimulation(
        v, counts.mean(axis=0), r * _binomial_band(counts.sum(axis=0), draws * r), counts.var(axis=0, ddof=1)
    )


def _binomial_band(counts: Integers, trials: int) -> Array:
    """Bounds of a probability, by Clopper and Pearson."""
    outside = 0.5 * (1.0 - CONFIDENCE)
    lower = special.betaincinv(np.maximum(counts, 1), trials - counts + 1, outside)
    upper = special.betaincinv(counts + 1, np.maximum(trials - counts, 1), 1.0 - outside)
    return np.stack([np.where(counts > 0, lower, 0.0), np.where(counts < trials, upper, 1.0)])


def _one_overlap(generator: np.random.Generator, n: int, d: int, r: int, v: Integers) -> Integers:
    """Neurons of one draw that an address shares with others at each distance."""
    address = _addresses(generator, 1, n)
    others = np.concatenate([_flipped(generator, address, n, int(number)) for number in v])
    counts = np.zeros(len(v), dtype=np.int64)
    for start in range(0, r, BLOCK):
        neurons = _addresses(generator, min(BLOCK, r - start), n)
        active = neurons[_distances(address, neurons)[0] <= d]
        counts += np.count_nonzero(_distances(others, active) <= d, axis=1)
    return counts


@dataclass(frozen=True, eq=False)
class StepSimulation:
    """Distances after one update of a memory with infinitely many neurons, with 95 % confidence bands."""

    distance: Integers  # (distances,)
    new_distance: Array  # (distances,) the mean
    error: Array  # (distances,) its standard error, from the spread of the draws
    band: Array  # (2, distances)
    empty: Array  # (distances,) share of queries that shared nothing with any pattern, and stayed what they were


def simulate_one_step(
    n: int, d: int, m: int, distances: Sequence[int], *, draws: int = 32, queries: int = 128, seed: int = 0
) -> StepSimulation:
    """One update of a memory that weights every pattern with I(n, d, dv), to check `convergence_curve` against.

    A bit becomes 1 if more than half of the weight has it, and 0 in a tie; a query without weight stays what it is.

    Parameters
    ----------
    n, d, m : int
        Bits, radius and patterns.
    distances : sequence of int
        Bits that are flipped, 0 to n.
    draws, queries : int
        Independent sets of patterns, at least 2, and queries in each, 1 to m.
    seed : int
        At least 0: of a SeedSequence, with one child for each draw.

    Returns
    -------
    StepSimulation

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> simulate_one_step(64, 11, 128, [0, 8], draws=4, queries=16).new_distance.tolist()
    [0.0, 0.0]
    """
    n, m = checked_integer("n", n, 1), checked_integer("m", m, 1)
    d, queries = checked_integer("d", d, 0, n), checked_integer("queries", queries, 1, m)
    v = checked_distances(n, distances).ravel()
    logs = log_intersection(n, d)
    results = []
    for generator in _generators(seed, draws):
        patterns = _addresses(generator, m, n)
        asked = (_flipped(generator, patterns[:queries], n, int(number)) for number in v)
        steps = (_one_step(words, patterns, n, logs) for words in asked)
        results.append(list(steps))
    found = np.array(results)
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(draws)
    return StepSimulation(v, mean[:, 0], error[:, 0], _band(mean[:, 0], error[:, 0], draws), mean[:, 1])


def simulated_critical_distance(found: StepSimulation) -> Array:
    """Critical distance of simulated memories by linear interpolation, with the bounds of its band.

    Queries that share nothing with any pattern stay where they are: where most do, nothing leads back.

    Parameters
    ----------
    found : StepSimulation
        At increasing distances, one of them above 0.

    Returns
    -------
    (3,) array
        `interpolated_critical_distance` of the mean, the upper and the lower bound of the new distances.

    Raises
    ------
    ValueError
        If no distance is above 0.

    Examples
    --------
    >>> simulated_critical_distance(simulate_one_step(64, 11, 128, [4, 8, 16], draws=4, queries=16)).tolist()
    [16.0, 16.0, 16.0]
    """
    some = found.distance > 0
    if not some.any():
        raise ValueError("one of the distances must be above 0")
    distance, lost = found.distance[some], found.empty[some] > 0.5
    curves = (new[some] for new in (found.new_distance, found.band[1], found.band[0]))
    return np.array(
        [interpolated_critical_distance(distance, np.where(lost, np.maximum(new, distance), new)) for new in curves]
    )


def _one_step(queries: Words, patterns: Words, n: int, logs: Array) -> tuple[float, float]:
    """Mean distance of the updated queries from the first patterns, and the share of them that had no weight."""
    weights = logs[_distances(queries, patterns)]
    largest = weights.max(axis=1, keepdims=True)
    empty = np.isneginf(largest[:, 0])
    weights = np.exp(weights - np.where(np.isneginf(largest), 0.0, largest))
    signs = _signs(patterns, n)
    field = np.einsum("qp,np->qn", weights, signs.T.copy())
    # Ties are common, and rounding must not decide them.
    read = np.where(field > 1e-9 * weights.sum(axis=1, keepdims=True), 1.0, -1.0)
    state = np.where(empty[:, np.newaxis], _signs(queries, n), read)
    distance = np.count_nonzero(state != signs[: len(queries)], axis=1)
    return float(distance.mean()), float(empty.mean())
