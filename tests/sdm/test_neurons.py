"""The memory with real neurons: against loops that say the same, and against the reference runs in `tests/data/sdm/`.

The reference runs: S1 has 128 patterns of 64 bits, S2 has 500 of 1000; S3 is a mean over ten draws of neurons and of
1024 patterns of 64 bits. Queries have a given number of flipped bits.
"""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import registry

from mfattn import compilation
from mfattn.sdm import kernels
from mfattn.sdm.memories import (
    NeuronSDM,
    Status,
    hamming_distances,
    neurons,
    pack_bits,
    random_bits,
    random_words,
    unpack_bits,
)
from mfattn.sdm.memories.bits import in_groups, out_of_groups
from mfattn.sdm.perturb import flip_bits

from .conftest import unpacked

lengths = st.integers(1, 128)
seeds = st.integers(0, 2**32 - 1)


def draw_bits(seed, *shape):
    return np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)


def plain_distances(first, second):
    return (first[:, np.newaxis] != second).sum(axis=2)


class PlainSDM:
    """The memory as loops over patterns and neurons."""

    def __init__(self, addresses, value_length, limit):
        self.addresses, self.limit = addresses, limit
        self.counters = np.zeros((len(addresses), value_length), dtype=np.int64)
        self.writes = np.zeros(len(addresses), dtype=np.int64)

    def near(self, query, radius, nearest):
        distances = plain_distances(query[np.newaxis], self.addresses)[0]
        bound = radius if nearest is None else np.sort(distances)[nearest - 1]
        return np.flatnonzero(distances <= bound), distances

    def write(self, rows, values, radius, nearest, direction=1):
        for row, value in zip(rows, values, strict=True):
            for neuron in self.near(row, radius, nearest)[0]:
                step = direction * (2 * value.astype(np.int64) - 1)
                self.counters[neuron] = np.clip(self.counters[neuron] + step, -self.limit, self.limit)
                self.writes[neuron] += direction

    def sums(self, query, radius, nearest, weights):
        near, distances = self.near(query, radius, nearest)
        scale = weights[distances[near]]
        return scale @ self.counters[near], scale @ self.writes[near]


# Bits, words and distances.


@given(n=st.integers(1, 300), number=st.integers(1, 20), seed=seeds)
def test_packing_and_back(n, number, seed):
    bits = draw_bits(seed, number, n)
    words = pack_bits(bits)
    assert words.shape == (number, -(-n // 64))
    assert (unpack_bits(words, n) == bits).all()
    assert all(
        int(row[k // 64]) >> (k % 64) & 1 == bit
        for row, own in zip(words, bits, strict=True)
        for k, bit in enumerate(own)
    )


@given(n=lengths, number=st.integers(1, 20), seed=seeds)
def test_groups_and_back(n, number, seed):
    words = random_words(number, n, seed)
    assert (out_of_groups(in_groups(words, n), number, n) == words).all()


@given(n=lengths, first=st.integers(1, 20), second=st.integers(1, 20), seed=seeds)
def test_distances_are_those_of_the_bits(n, first, second, seed):
    a, b = draw_bits(seed, first, n), draw_bits(seed + 1, second, n)
    assert (hamming_distances(pack_bits(a), pack_bits(b), n) == plain_distances(a, b)).all()


@pytest.mark.parametrize("n", [1, 63, 64, 65, 128, 129, 256, 257, 512, 784, 1000, 1024, 1025, 3072, 40_000])
def test_distances_at_every_width(n):
    a, b = draw_bits(1, 5, n), draw_bits(2, 21, n)
    # The far ends, 0 and n, fill every column of the carry-save adders.
    b[0], b[1] = a[0], 1 - a[0]
    found = hamming_distances(pack_bits(a), pack_bits(b), n)
    assert (found == plain_distances(a, b)).all()
    assert found.dtype == (np.int16 if n < 2**15 else np.int32)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_distances_do_not_depend_on_threads(threads):
    a, b = random_words(700, 1000, 1), random_words(999, 1000, 2)
    expected = hamming_distances(a[:9], b, 1000, threads=1)
    assert (hamming_distances(a, b, 1000, threads=threads)[:9] == expected).all()


# The memory against loops.


@st.composite
def cases(draw):
    """Settings of a memory, patterns and queries."""
    n, r, seed = draw(lengths), draw(st.integers(1, 40)), draw(seeds)
    value_length = draw(st.sampled_from([n, 7]))
    kind = draw(st.sampled_from(["radius", "unequal", "nearest"]))
    options = {"radius": {"radius": draw(st.integers(0, n))}, "nearest": {"nearest": draw(st.integers(1, r))}}
    chosen = dict(options["nearest" if kind == "nearest" else "radius"])
    if kind == "unequal":
        chosen["read_radius"] = draw(st.integers(0, n))
    weights = draw(st.sampled_from([None, np.arange(n + 1) % 5]))
    counters = draw(st.sampled_from(["int8", "int16", "int32"]))
    limit = draw(st.sampled_from([None, 1, 2, 3]))
    chosen |= {"read_weights": weights, "counters": counters, "limit": limit, "value_length": value_length}
    return n, r, value_length, chosen, seed


@settings(max_examples=60)
@given(case=cases(), patterns=st.integers(1, 12))
def test_memory_is_that_of_the_loops(case, patterns):
    n, r, value_length, options, seed = case
    memory = NeuronSDM(n, r, seed=seed, **options)
    plain = PlainSDM(unpack_bits(memory.addresses, n), value_length, memory.limit)
    rows, values, queries = (
        draw_bits(seed, patterns, n),
        draw_bits(seed + 1, patterns, value_length),
        draw_bits(seed + 2, 9, n),
    )
    memory.write(rows, values)
    plain.write(rows, values, memory.radius, memory.nearest)
    memory.erase(rows[:2], values[:2])
    plain.write(rows[:2], values[:2], memory.radius, memory.nearest, direction=-1)
    assert (memory.counters == plain.counters).all()
    assert (memory.writes == plain.writes).all()
    assert len(memory) == patterns - len(rows[:2])
    result = memory.read(queries)
    for query, state, status, ties in zip(queries, result.state, result.status, result.ties, strict=True):
        sums, total = plain.sums(query, memory.read_radius, memory.nearest, memory.read_weights)
        if total == 0:
            assert status == Status.EMPTY
            assert (state == (query if value_length == n else 0)).all()
        else:
            assert (state == (sums > 0)).all()
            assert ties == (sums == 0).sum()
            assert status == (Status.TIE if ties else Status.READ)


def test_counters_stop_at_the_limit_of_their_type():
    memory = NeuronSDM(4, 3, 4, counters="int8")
    for _ in range(2):
        memory.write([[0, 1, 1, 0]] * 100)
    assert memory.counters.tolist() == [[-127, 127, 127, -127]] * 3
    assert memory.writes.tolist() == [200] * 3


def test_a_given_limit_clips_every_pattern_in_turn():
    memory = NeuronSDM(1, 1, 1, limit=2)
    memory.write([[1], [1], [1], [0]])
    assert memory.counters.tolist() == [[1]]


# What results do not depend on.


def test_an_edit_of_any_kernel_source_is_another_key_of_the_cache(monkeypatch):
    cache, codegen = kernels.write._cache, registry.cpu_target.target_context.codegen()
    before = cache._index_key((), codegen)
    assert cache._index_key((), codegen) == before
    monkeypatch.setattr(compilation, "source_of", lambda folder: "edited")
    assert cache._index_key((), codegen) != before


def filled(threads=1, cuts=(), seed=3):
    """A memory with clipped counters, after the same stream of patterns, and what it reads."""
    memory = NeuronSDM(70, 3001, 28, read_radius=30, limit=3, seed=seed, threads=threads)
    patterns = random_bits(500, 70, seed=4)
    for block in np.split(patterns, cuts):
        memory.write(block)
    return memory, memory.iterate(flip_bits(patterns[:200], 5, seed=5))


def same(first, second):
    pairs = ("counters", "writes"), ("state", "steps", "status", "ties")
    equal = [
        (getattr(a, name) == getattr(b, name)).all()
        for a, b, names in zip(first, second, pairs, strict=True)
        for name in names
    ]
    return all(equal)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing(threads, monkeypatch):
    expected = filled()
    assert not (expected[0].counters == filled(seed=6)[0].counters).all()
    monkeypatch.setattr(neurons, "WORTHWHILE", 1)
    assert same(filled(threads), expected)


@pytest.mark.parametrize("rows", [1, 7, 499])
def test_blocks_change_nothing(rows, monkeypatch):
    expected = filled()
    monkeypatch.setattr(neurons, "ROWS", rows)
    assert same(filled(), expected)


@pytest.mark.parametrize("cuts", [[1], [100, 101, 350], list(range(5, 500, 5))])
def test_cuts_of_the_stream_change_nothing(cuts):
    assert same(filled(cuts=cuts), filled())


def test_order_matters_where_counters_are_clipped():
    patterns = random_bits(500, 70, seed=4)
    memory = NeuronSDM(70, 3001, 28, read_radius=30, limit=3, seed=3)
    memory.write(patterns[::-1])
    assert not (memory.counters == filled()[0].counters).all()


def test_erasing_undoes_writing():
    patterns = random_bits(100, 64, seed=1)
    memory, other = NeuronSDM(64, 2000, 22, seed=2), NeuronSDM(64, 2000, 22, seed=2)
    memory.write(patterns)
    memory.erase(patterns[30:])
    other.write(patterns[:30])
    assert (memory.counters == other.counters).all()
    assert (memory.writes == other.writes).all()


def test_a_memory_of_pairs_reads_the_value():
    addresses, values = random_bits(30, 256, seed=1), random_bits(30, 100, seed=2)
    memory = NeuronSDM(256, 20_000, 106, value_length=100, seed=3)
    memory.write(addresses, values)
    result = memory.read(flip_bits(addresses, 10, seed=4))
    assert (result.state == values).all()
    with pytest.raises(ValueError, match="only values of 256 bits"):
        memory.iterate(addresses)


def test_the_nearest_neurons_include_those_as_near():
    memory = NeuronSDM(16, 500, nearest=20, seed=1)
    queries = random_bits(50, 16, seed=2)
    distances = np.sort(hamming_distances(pack_bits(queries), memory.addresses, 16), axis=1)
    assert (memory.active(queries) == (distances <= distances[:, 19:20]).sum(axis=1)).all()


def test_nothing_near_is_empty_and_keeps_the_query():
    memory = NeuronSDM(64, 100, 3, seed=1)
    queries = random_bits(10, 64, seed=2)
    assert memory.iterate(queries).tally()["EMPTY"] == 10
    memory.write(queries)
    result = memory.iterate(queries)
    assert (result.state == queries).all()
    assert (result.status == Status.EMPTY).all()
    assert (result.steps == 0).all()


# Files.


@pytest.fixture
def memory():
    """A memory with nothing at its default."""
    weights = np.arange(71)
    memory = NeuronSDM(
        70,
        99,
        30,
        read_radius=32,
        read_weights=weights,
        counters="int8",
        limit=5,
        value_length=9,
        ties="random",
        tie_seed=8,
    )
    memory.write(random_bits(50, 70, seed=1), random_bits(50, 9, seed=2))
    return memory


def test_a_file_holds_the_whole_memory(memory, tmp_path):
    path, queries = tmp_path / "memory.npz", random_bits(60, 70, seed=3)
    memory.save(path)
    copy = NeuronSDM.load(path)
    assert len(copy) == len(memory)
    assert (copy.read(queries).state == memory.read(queries).state).all()
    copy.write(queries, random_bits(60, 9, seed=4))
    memory.write(queries, random_bits(60, 9, seed=4))
    assert (copy.counters == memory.counters).all()


def test_the_nearest_go_to_arrays_and_back():
    memory = NeuronSDM(10, 20, nearest=3)
    copy = NeuronSDM.from_arrays(memory.to_arrays())
    assert (copy.nearest, copy.radius, copy.read_radius) == (3, None, None)
    copy.write([[1] * 10])
    assert not memory.counters.any()


def test_what_is_no_memory_is_refused(memory, tmp_path):
    path, arrays = tmp_path / "memory.npz", memory.to_arrays()
    memory.save(path)
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="file of a memory: "):
            NeuronSDM.load(path)
    np.savez(path, **{**arrays, "counters": np.array([{}], dtype=object)}, allow_pickle=True)
    with pytest.raises(ValueError, match="file of a memory: "):
        NeuronSDM.load(path)
    np.save(tmp_path / "one.npy", arrays["counters"])
    with pytest.raises(ValueError, match="file of a memory: "):
        NeuronSDM.load(tmp_path / "one.npy")
    wrong = [
        ({"format": np.array("2")}, "format must be"),
        ({"counters": arrays["counters"][0]}, "counters must be"),
        ({"counters": arrays["counters"].astype(float)}, "counters must be"),
        ({"writes": arrays["writes"][1:]}, "one row a neuron"),
        ({"addresses": arrays["addresses"][:, :1]}, "neurons must be uint64 words"),
        ({"radius": np.array(71)}, "radius must be 0 to 70"),
        ({"ties": np.array("some")}, "ties must be one of"),
    ]
    for change, message in wrong:
        with pytest.raises(ValueError, match=message):
            NeuronSDM.from_arrays(arrays | change)
    del arrays["limit"]
    with pytest.raises(ValueError, match="not those of a memory: 'limit'"):
        NeuronSDM.from_arrays(arrays)


# Bad input.

ROWS = np.zeros((2, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NeuronSDM(0, 10, 0), "n must be at least 1, found 0"),
        (lambda: NeuronSDM(8.0, 10, 0), "n must be an integer, found 8.0"),
        (lambda: NeuronSDM(8, 0, 2), "neurons must be at least 1, found 0"),
        (lambda: NeuronSDM(8, -3, 2), "neurons must be at least 1, found -3"),
        (lambda: NeuronSDM(8, 10, 9), "radius must be 0 to 8, found 9"),
        (lambda: NeuronSDM(8, 10, -1), "radius must be 0 to 8, found -1"),
        (lambda: NeuronSDM(8, 10, 2, read_radius=9), "read_radius must be 0 to 8, found 9"),
        (lambda: NeuronSDM(8, 10), "one of radius and nearest"),
        (lambda: NeuronSDM(8, 10, 2, nearest=3), "one of radius and nearest"),
        (lambda: NeuronSDM(8, 10, nearest=3, read_radius=3), "read_radius goes with radius"),
        (lambda: NeuronSDM(8, 10, nearest=11), "nearest must be 1 to 10, found 11"),
        (lambda: NeuronSDM(8, 10, 2, counters="int64"), "counters must be one of int8, int16, int32"),
        (lambda: NeuronSDM(8, 10, 2, counters="int8", limit=128), "limit must be 1 to 127, found 128"),
        (lambda: NeuronSDM(8, 10, 2, value_length=0), "value_length must be at least 1, found 0"),
        (lambda: NeuronSDM(8, 10, 2, ties="one"), "ties must be one of zero, keep, random"),
        (lambda: NeuronSDM(8, 10, 2, ties="keep", value_length=3), "ties cannot keep"),
        (lambda: NeuronSDM(8, 10, 2, tie_seed=-1), "tie_seed must be at least 0"),
        (lambda: NeuronSDM(8, 10, 2, threads=0), "threads must be at least 1"),
        (lambda: NeuronSDM(8, 10, 2, read_weights=[1] * 8), "read_weights must be 9 integers"),
        (lambda: NeuronSDM(8, 10, 2, read_weights=[0.5] * 9), "read_weights must be 9 integers"),
        (lambda: NeuronSDM(8, 10, 2, read_weights=[-1] * 9), "read_weights must be 9 integers"),
        (
            lambda: NeuronSDM(8, 2**13, 2, counters="int32", read_weights=[2**20] * 9),
            r"read_weights must leave sums below 2\^63, found 1048576",
        ),
        (lambda: NeuronSDM(8, ROWS, 2), "neurons must be uint64 words of shape"),
        (lambda: NeuronSDM(8, np.array([[256]], dtype=np.uint64), 2), "neurons must have no bits beyond n = 8"),
        (lambda: NeuronSDM(8, 10, 2).write(ROWS[:, :7]), r"addresses must have shape \(m, 8\)"),
        (lambda: NeuronSDM(8, 10, 2).write(ROWS[:0]), r"addresses must have shape \(m, 8\) with m at least 1"),
        (lambda: NeuronSDM(8, 10, 2).write(ROWS - 1), "addresses must be bits 0 and 1, found 255"),
        (lambda: NeuronSDM(8, 10, 2).write(ROWS.astype(int) + 257), "addresses must be bits 0 and 1, found 257"),
        (lambda: NeuronSDM(8, 10, 2).write(ROWS - 0.5), "addresses must be bits 0 and 1, found -0.5"),
        (lambda: NeuronSDM(8, 10, 2).write(ROWS * math.nan), "addresses must be bits 0 and 1, found nan"),
        (lambda: NeuronSDM(8, 10, 2).write([["a"] * 8]), "addresses must be bits 0 and 1, found <U1"),
        (
            lambda: NeuronSDM(8, 10, 2).write(ROWS, ROWS[:1]),
            "every address needs a value, found 2 addresses and 1 values",
        ),
        (lambda: NeuronSDM(8, 10, 2, value_length=3).write(ROWS), "values of 3 bits must be given"),
        (lambda: NeuronSDM(8, 10, 2).read(ROWS[np.newaxis]), r"queries must have shape \(m, 8\)"),
        (lambda: NeuronSDM(8, 10, 2).iterate(ROWS, max_steps=0), "max_steps must be at least 1, found 0"),
        (lambda: random_words(0, 8, 1), "number must be at least 1"),
        (lambda: hamming_distances(pack_bits(ROWS), pack_bits(ROWS), 65), "first must be uint64 words of shape"),
        (lambda: hamming_distances(pack_bits(ROWS + 1), pack_bits(ROWS), 7), "first must have no bits beyond n = 7"),
    ],
)
def test_bad_input_is_one_clear_line(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


# The reference runs.


def test_neurons_are_those_of_the_reference(summary):
    for key, seed, number, n in (("S1", 777, 20_000, 64), ("S2", 778, 100_000, 1000)):
        words = random_words(number, n, seed)
        assert hashlib.sha256(words.astype("<u8").tobytes()).hexdigest() == summary[key]["neuron_sha256"]


@pytest.mark.parametrize("d", [15, 19, 27])
def test_s1_counters_and_final_states(arrays, d):
    patterns, queries = unpacked(arrays["s1_patterns_bits"], 64), unpacked(arrays["s1_queries_bits"], 64)
    memory = NeuronSDM(64, random_words(20_000, 64, 777), d)
    memory.write(patterns)
    ones = (memory.counters[:64] + memory.writes[:64, np.newaxis]) // 2
    assert (memory.writes == arrays[f"s1_neuron_writecount_d{d}"]).all()
    assert (ones == arrays[f"s1_neuron_counters_first64_d{d}"]).all()
    assert (memory.iterate(queries).state == unpacked(arrays[f"s1_neuron_sdm_d{d}_final"], 64)).all()


@pytest.mark.parametrize("d", [15, 19, 27])
def test_s1_activity(arrays, summary, d):
    memory = NeuronSDM(64, 20_000, d, seed=777)
    memory.write(unpacked(arrays["s1_patterns_bits"], 64))
    queries = unpacked(arrays["s1_queries_bits"], 64)
    rows, result = summary["S1"]["results"][f"neuron_sdm|d={d}"], memory.iterate(queries)
    active = memory.active(queries).reshape(6, -1).mean(axis=1)
    assert active.tolist() == [row["mean_active_neurons"] for row in rows]
    assert np.isin(result.status, [Status.LIMIT, Status.CYCLE]).sum() == sum(row["not_converged"] for row in rows)
    empty = (memory.read(queries).status == Status.EMPTY).reshape(6, -1).mean(axis=1)
    assert empty.tolist() == [row["frac_no_written_neuron"] for row in rows]


@pytest.mark.slow
def test_s2_final_states(arrays, summary):
    memory = NeuronSDM(1000, 100_000, 451, seed=778)
    memory.write(unpacked(arrays["s2_patterns_bits"], 1000))
    queries = unpacked(arrays["s2_queries_bits"], 1000)
    ones = (memory.counters.sum(dtype=np.int64) + 1000 * memory.writes.sum(dtype=np.int64)) // 2
    expected = summary["S2"]
    assert (memory.writes.sum(), memory.writes.max()) == (expected["writecount_sum"], expected["writecount_max"])
    assert ones == expected["counter_sum"]
    assert (memory.read(queries).state == unpacked(arrays["s2_neuron_sdm_1step"], 1000)).all()
    result = memory.iterate(queries, max_steps=50)
    assert (result.state == unpacked(arrays["s2_neuron_sdm_final"], 1000)).all()
    limits = (result.status.reshape(8, -1) == Status.LIMIT).sum(axis=1)
    cycles = (result.status.reshape(8, -1) == Status.CYCLE).sum(axis=1)
    assert (limits + cycles).tolist() == [row["not_converged"] for row in expected["results"]["neuron_sdm"]]


@pytest.mark.slow
@pytest.mark.parametrize(("d", "draws", "queries"), [(15, 4, 1024), (19, 3, 1024), (27, 2, 128)])
def test_s3_statistics_of_own_draws(summary, d, draws, queries):
    cosines = np.zeros((draws, 7))
    for draw in range(draws):
        seeds = np.random.SeedSequence(20, spawn_key=(d, draw)).spawn(3)
        patterns, generator = random_bits(1024, 64, seeds[0]), np.random.default_rng(seeds[1])
        memory = NeuronSDM(64, 100_000, d, seed=seeds[2])
        memory.write(patterns)
        asked = [flip_bits(patterns[:queries], flips, seed=generator) for flips in summary["S3"]["perturb"]]
        state = memory.iterate(np.concatenate(asked)).state.reshape(7, queries, 64)
        cosines[draw] = 1 - 2 * (state != patterns[:queries]).mean(axis=(1, 2))
    stored = summary["S3"]["results"][f"d={d}"]
    mean, spread = (np.array(stored[f"neuron_sdm_keep_on_empty{end}"]) for end in ("", "_std_over_reps"))
    allowed = 4 * spread / math.sqrt(8) + 4 * spread / math.sqrt(draws)
    assert (np.abs(cosines.mean(axis=0) - mean) <= allowed).all()
