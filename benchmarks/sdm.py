"""Time of the memories: distances, neurons written and read, intersections, iterated reads; plain NumPy and floors.

    python benchmarks/sdm.py              # a minute
    python benchmarks/sdm.py --kanerva    # a million neurons of 1000 bits and 10,000 patterns: a minute or two, 3 GB

The floor of distances and of neurons is an xor, a population count and a sum over as many words of one cached array, in
a compiled loop on one thread. It counts word by word; the kernels may be faster, as they first add words.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from scipy import special

from mfattn.pipeline.provenance import machine
from mfattn.sdm.geometry import _log_intersections, log_intersection
from mfattn.sdm.memories import (
    BinaryAttention,
    ContinuousAttention,
    FiniteSDM,
    Hopfield,
    InfiniteSDM,
    Memory,
    NeuronSDM,
    hamming_distances,
    pack_bits,
    random_bits,
    random_words,
)
from mfattn.sdm.perturb import flip_bits

PATTERNS = 1024
SAMPLE = 64
"""Patterns that the slowest plain programs take; their times are scaled up."""

LEAST = 1.0
"""Seconds over which a call is repeated, of which the shortest counts."""

CACHED = 2048
"""Words of the array of the floor, half of the first level of the cache."""


def once(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def best(call: Callable[[], object]) -> float:
    """Least time of a call, in seconds, after one that may compile."""
    call()
    times = [once(call)]
    while sum(times) < LEAST:
        times.append(once(call))
    return min(times)


@intrinsic
def population_count(typing_context, word):
    """Number of ones of a word."""

    def codegen(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), codegen


@njit(error_model="numpy")
def count_cached(words, passes):
    total = np.uint64(0)
    for step in range(passes):
        key = np.uint64(step)
        for k in range(words.shape[0]):
            total += population_count(words[k] ^ key)
    return total


def floor(words: int) -> float:
    """Seconds of xor, population count and sum over so many words."""
    cached = random_words(CACHED, 64, seed=1)[:, 0].copy()
    return best(lambda: count_cached(cached, words // CACHED))


def plain_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    out = np.empty((len(first), len(second)), dtype=np.int16)
    for row, words in enumerate(first):
        np.bitwise_count(words ^ second).sum(axis=1, dtype=np.int16, out=out[row])
    return out


class PlainSDM:
    """The memory with real neurons in NumPy, pattern by pattern."""

    def __init__(self, addresses: np.ndarray, bits: int, d: int) -> None:
        self.addresses, self.d = addresses, d
        self.counters = np.zeros((len(addresses), bits), dtype=np.int32)
        self.writes = np.zeros(len(addresses), dtype=np.int32)

    def near(self, words: np.ndarray) -> np.ndarray:
        """Neurons within d of an address."""
        return np.flatnonzero(np.bitwise_count(self.addresses ^ words).sum(axis=1) <= self.d)

    def write(self, patterns: np.ndarray) -> None:
        """Add patterns to the neurons near them."""
        for pattern, words in zip(patterns, pack_bits(patterns), strict=True):
            near = self.near(words)
            self.counters[near] += 2 * pattern.astype(np.int32) - 1
            self.writes[near] += 1

    def read(self, queries: np.ndarray) -> np.ndarray:
        """Signs of the sums of the neurons near queries."""
        states = queries.copy()
        for row, words in enumerate(pack_bits(queries)):
            near = self.near(words)
            if self.writes[near].any():
                states[row] = self.counters[near].sum(axis=0) > 0
        return states


def on_threads(call: Callable[[int], object]) -> tuple[float, float]:
    """Seconds of a call with one thread, and with two."""
    return best(lambda: call(1)), best(lambda: call(2))


def show(name: str, times: tuple[float, float], plain: float, least: float) -> None:
    print(
        f"{name:>44} {times[0]:>8.3f} s {times[1]:>8.3f} s {plain:>8.2f} s {plain / times[0]:>6.1f}"
        f" {least:>8.3f} s {times[0] / least:>8.2f}"
    )


def report_distances(number: int, n: int) -> None:
    first, second = random_words(PATTERNS, n, seed=1), random_words(number, n, seed=2)
    times = on_threads(lambda threads: hamming_distances(first, second, n, threads=threads))
    plain, least = best(lambda: plain_distances(first, second)), floor(PATTERNS * number * first.shape[1])
    show(f"distances {PATTERNS} x {number:,}, n = {n}", times, plain, least)


def report_neurons(r: int, n: int, d: int) -> None:
    patterns = random_bits(PATTERNS, n, seed=1)
    queries, words = flip_bits(patterns, n // 10, seed=2), random_words(r, n, seed=3)
    plain, least = PlainSDM(words, n, d), floor(PATTERNS * r * words.shape[1])
    memories = {threads: NeuronSDM(n, words, d, threads=threads) for threads in (1, 2)}
    scale = PATTERNS / SAMPLE
    writing = on_threads(lambda threads: memories[threads].write(patterns))
    show(f"write, r = {r:,}, n = {n}, d = {d}", writing, scale * once(lambda: plain.write(patterns[:SAMPLE])), least)
    reading = on_threads(lambda threads: memories[threads].read(queries))
    show("and read", reading, scale * once(lambda: plain.read(queries[:SAMPLE])), least)


def plain_intersections(n: int, d: int) -> np.ndarray:
    """Logarithms of the intersections at all distances, each as a sum over the bits that are turned."""
    logs = np.full(n + 1, -np.inf)
    for dv in range(min(2 * d, n) + 1):
        turned = np.arange(max(0, dv - d), min(dv, d) + 1)
        others = np.logaddexp.accumulate(log_choose(n - dv, np.arange(n - dv + 1)))
        most = np.minimum(np.minimum(d - turned, d - dv + turned), n - dv)
        logs[dv] = np.logaddexp.reduce(log_choose(dv, turned) + others[most])
    return logs


def log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


def report_intersections() -> None:
    print(f"\n{'circle intersections at all distances':>44} {'time':>10} {'NumPy':>10} {'ratio':>8}")
    for n, d in ((64, 11), (1000, 451), (100_000, 49_000)):

        def anew(n: int = n, d: int = d) -> np.ndarray:
            _log_intersections.cache_clear()
            return log_intersection(n, d)

        ours = best(anew)
        if n > 1000:
            print(f"{f'n = {n:,}, d = {d:,}':>44} {1e3 * ours:>7.2f} ms")
            continue
        plain = best(lambda n=n, d=d: plain_intersections(n, d))
        assert np.allclose(anew(), plain_intersections(n, d), rtol=1e-9)
        print(f"{f'n = {n:,}, d = {d:,}':>44} {1e3 * ours:>7.2f} ms {1e3 * plain:>7.1f} ms {plain / ours:>8.0f}")


def plain_iteration(patterns: np.ndarray, queries: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Reads with weights by distance until no query changes, all of them together."""
    signs, states = 2.0 * patterns - 1, 2.0 * queries - 1
    for _ in range(100):
        distances = np.rint((patterns.shape[1] - states @ signs.T) / 2).astype(np.int64)
        new = np.where(weights[distances] @ signs > 0, 1.0, -1.0)
        if (new == states).all():
            break
        states = new
    return states


def report_iteration(memory: Memory, patterns: np.ndarray, queries: np.ndarray, plain: float | None = None) -> None:
    memory.write(patterns)
    ours, result = best(lambda: memory.iterate(queries)), memory.iterate(queries)
    updates, cycles = result.steps[result.status <= 2].max(initial=0) + 1, result.tally()["CYCLE"]
    compared = "" if plain is None else f" {plain:>8.3f} s"
    print(f"{type(memory).__name__:>24} n = {memory.n:>4} {updates:>8} {cycles:>8} {ours:>8.3f} s" + compared)


def report_iterations(n: int, d: int, flips: int) -> None:
    patterns = random_bits(PATTERNS, n, seed=1)
    queries, logs = flip_bits(patterns, flips, seed=2), log_intersection(n, d)
    weights = np.exp(logs - logs[0])
    plain = best(lambda: plain_iteration(patterns, queries, weights))
    report_iteration(InfiniteSDM(n, d), patterns, queries, plain)
    for memory in (FiniteSDM(n, d, 10**6), BinaryAttention(n, 9.4), Hopfield(n)):
        report_iteration(memory, patterns, queries)
    report_iteration(ContinuousAttention(n, 20.0), 2.0 * patterns - 1, 2.0 * queries - 1)


def report_flips() -> None:
    patterns, generator = random_bits(PATTERNS, 1000, seed=1), np.random.default_rng(2)

    def loop() -> None:
        queries = patterns.copy()
        for query in queries:
            query[generator.choice(1000, 200, replace=False)] ^= 1

    ours, plain = best(lambda: flip_bits(patterns, 200, seed=2)), best(loop)
    print(f"\n200 of 1000 bits flipped in {PATTERNS} patterns: {ours:.4f} s, pattern by pattern {plain:.4f} s")


def report_kanerva() -> None:
    n, r, d, m, each, distances = 1000, 10**6, 451, 10**4, 256, range(0, 301, 50)
    patterns, start = random_bits(m, n, seed=1), time.perf_counter()
    memory = NeuronSDM(n, r, d, seed=2)
    print(f"n = {n}, r = {r:,}, d = {d}, m = {m:,}, {memory.threads} threads")
    print(f"neurons drawn: {time.perf_counter() - start:.1f} s")
    hamming_distances(memory.addresses[:8], memory.addresses[:8], n)
    print(f"patterns written: {once(lambda: memory.write(patterns)):.1f} s, {memory.writes.sum() / m:.1f} neurons each")
    queries = np.concatenate([flip_bits(patterns[:each], flips, seed=3) for flips in distances])
    print(f"{len(queries)} queries read once: {once(lambda: memory.read(queries)):.1f} s")
    start = time.perf_counter()
    result = memory.iterate(queries, max_steps=20)
    print(f"and up to 20 times: {time.perf_counter() - start:.1f} s, {result.tally()}")
    cosines = 1 - 2 * (result.state.reshape(-1, each, n) != patterns[:each]).mean(axis=2)
    for flips, found in zip(distances, cosines, strict=True):
        error = found.std() / np.sqrt(each)
        print(f"{flips:>8} flips: cosine {found.mean():.4f} +- {error:.4f}, exact {(found == 1).mean():.3f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kanerva", action="store_true", help="the full size of Kanerva's book, and nothing else")
    kanerva = parser.parse_args().kanerva
    print(f"{machine()['processor']}, NumPy {np.__version__}\n")
    if kanerva:
        report_kanerva()
        return
    print(f"{'':>44} {'1 thread':>10} {'2 threads':>10} {'NumPy':>10} {'ratio':>6} {'floor':>10} {'of floor':>8}")
    report_distances(20_000, 1000)
    report_distances(100_000, 64)
    report_neurons(10**5, 64, 19)
    report_neurons(10**5, 1000, 451)
    report_intersections()
    print(f"\n{f'{PATTERNS} queries':>24} {'until they rest':>17} {'cycles':>5} {'time':>10} {'NumPy':>10}")
    report_iterations(64, 15, 12)
    report_iterations(1000, 451, 200)
    report_flips()


if __name__ == "__main__":
    main()
