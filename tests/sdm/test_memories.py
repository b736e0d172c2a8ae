"""Memories that keep their patterns: against sums in exact arithmetic, and the reference runs in `tests/data/sdm/`.

The reference runs: S1 has 128 patterns of 64 bits, or as many unit vectors, S2 has 500 patterns of 1000 bits. A
query is a pattern with a given number of flipped bits, or turned as far. Updates are synchronous, a tie reads 0, what
is empty keeps the query, and every query stops at its own fixed point or after 100 updates.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import special

from mfattn.sdm.geometry import intersection_counts_unequal, log_expected_neurons
from mfattn.sdm.memories import (
    BinaryAttention,
    CapSDM,
    ContinuousAttention,
    FiniteSDM,
    Hopfield,
    InfiniteSDM,
    NeuronSDM,
    RoundedSDM,
    Status,
    hamming_distances,
    interface,
    pack_bits,
    random_bits,
    transformer_attention,
    vectors,
)
from mfattn.sdm.perturb import flip_bits
from mfattn.sdm.sphere import log_double_cap, radius_to_angle

from .conftest import unpacked

RADII = [5, 9, 11, 15, 19, 27]
STORED = 1e-9
"""Tolerance of stored cosines of bits."""
STORED_VECTORS = 1e-6
"""The same of vectors."""

seeds = st.integers(0, 2**32 - 1)


def filled(memory, patterns, values=None):
    memory.write(patterns, values)
    return memory


# The reference runs.


@pytest.mark.parametrize("d", RADII)
@pytest.mark.parametrize("kind", ["pattern_sdm_infinite", "binary_attention_beta_ols", "binary_attention_beta_repo"])
def test_s1_final_states_and_steps(arrays, summary, kind, d):
    memory = InfiniteSDM(64, d)
    if kind != "pattern_sdm_infinite":
        beta = {"binary_attention_beta_ols": "ols_binary", "binary_attention_beta_repo": "repo_binary"}[kind]
        memory = BinaryAttention(64, summary["S1"]["beta"][str(d)][beta])
    patterns = unpacked(arrays["s1_patterns_bits"], 64)
    result = filled(memory, patterns).iterate(unpacked(arrays["s1_queries_bits"], 64))
    assert (result.state == unpacked(arrays[f"s1_{kind}_d{d}_final"], 64)).all()
    assert (result.steps == arrays[f"s1_{kind}_d{d}_steps"].ravel()).all()
    cosines = 1 - 2 * (result.state.reshape(6, 128, 64) != patterns).mean(axis=(1, 2))
    assert_allclose(cosines, [row["mean_cos"] for row in summary["S1"]["results"][f"{kind}|d={d}"]], atol=STORED)


def test_s1_bits_that_tie_exactly(arrays):
    memory = filled(InfiniteSDM(64, 11), unpacked(arrays["s1_patterns_bits"], 64))
    ties = memory.iterate(unpacked(arrays["s1_queries_bits"], 64)).ties
    assert ties.sum() == 293


def test_s1_hopfield_cut_after_a_hundred_updates(arrays, summary):
    patterns = unpacked(arrays["s1_patterns_bits"], 64)
    result = filled(Hopfield(64), patterns).iterate(unpacked(arrays["s1_queries_bits"], 64))
    cosines = 1 - 2 * (result.state.reshape(6, 128, 64) != patterns).mean(axis=(1, 2))
    assert_allclose(cosines, [row["mean_cos"] for row in summary["S1"]["results"]["hopfield"]], atol=STORED)
    cycles = (result.status.reshape(6, 128) == Status.CYCLE).sum(axis=1)
    assert (cycles >= 84).all()
    assert (cycles <= 98).all()


@pytest.mark.parametrize("d", RADII)
@pytest.mark.parametrize(
    "kind", ["cont_sdm_cap", "cont_binary_sdm_round", "cont_attention_beta_ols_binary", "cont_attention_beta_ols_cap"]
)
def test_s1_vectors(arrays, summary, kind, d):
    beta = summary["S1"]["beta"][str(d)]
    memory = {
        "cont_sdm_cap": lambda: CapSDM(64, d),
        "cont_binary_sdm_round": lambda: RoundedSDM(64, d),
        "cont_attention_beta_ols_binary": lambda: ContinuousAttention(64, beta["ols_binary"]),
        "cont_attention_beta_ols_cap": lambda: ContinuousAttention(64, beta["ols_cap"]),
    }[kind]()
    check_vectors(memory, arrays, summary, f"{kind}|d={d}")
    for updates in (1, 10):
        state = memory.iterate(arrays["s1_cont_queries"][3], max_steps=updates).state
        assert_allclose(state[:4], arrays[f"s1_{kind}_d{d}_p12_T{updates}_first4"], atol=STORED_VECTORS)


def test_s1_transformer_collapses_to_the_mean(arrays, summary):
    check_vectors(transformer_attention(64), arrays, summary, "transformer_attention_beta_1_over_sqrt_n")


def check_vectors(memory, arrays, summary, key):
    patterns, queries = arrays["s1_cont_patterns"], arrays["s1_cont_queries"].reshape(-1, 64)
    memory.write(patterns)
    for updates in (1, 10):
        state = memory.iterate(queries, max_steps=updates).state.reshape(6, 128, 64)
        expected = [row[f"mean_cos_T{updates}"] for row in summary["S1"]["results"][key]]
        assert_allclose((state * patterns).sum(axis=2).mean(axis=1), expected, atol=STORED_VECTORS)


def test_s2_final_states(arrays, summary):
    patterns, queries = unpacked(arrays["s2_patterns_bits"], 1000), unpacked(arrays["s2_queries_bits"], 1000)
    result = filled(InfiniteSDM(1000, 451), patterns).iterate(queries)
    assert (result.state == unpacked(arrays["s2_pattern_sdm_infinite_final"], 1000)).all()
    attention = filled(BinaryAttention(1000, summary["S2"]["beta_ols"]), patterns).iterate(queries)
    for key, found in (("pattern_sdm_infinite", result), ("binary_attention_beta_ols", attention)):
        cosines = 1 - 2 * (found.state.reshape(8, 100, 1000) != patterns[:100]).mean(axis=(1, 2))
        assert_allclose(cosines, [row["mean_cos"] for row in summary["S2"]["results"][key]], atol=STORED)


# Single reads in exact arithmetic, ties and all.


@st.composite
def small(draw):
    """Few patterns of few bits, where ties are common, and queries among and between them."""
    n, m, seed = draw(st.integers(1, 12)), draw(st.integers(1, 8)), draw(seeds)
    generator = np.random.default_rng(seed)
    patterns = generator.integers(0, 2, (m, n), dtype=np.uint8)
    if draw(st.booleans()):
        # Opposite pairs tie wherever they are as near as each other.
        patterns = np.concatenate([patterns, 1 - patterns])
    queries = np.concatenate([generator.integers(0, 2, (6, n), dtype=np.uint8), patterns[:2]])
    return n, patterns, queries


DIGITS = 800
"""Of sums of exponentials; what is smaller than that of its terms by half as many digits is a tie."""


def exact_sign(terms):
    """Sign of a sum of integers, or of decimals with `DIGITS`."""
    total, largest = sum(terms), max(map(abs, terms))
    return 0 if abs(total) <= largest * Decimal(10) ** (-DIGITS // 2) else (1 if total > 0 else -1)


def exponentials(rate):
    """exp(rate * x) in `DIGITS`, of whole numbers x."""
    return lru_cache(maxsize=None)(lambda x: (Decimal(rate.numerator) / rate.denominator * x).exp())


def check_read(memory, weights_at, patterns, values, queries):
    """A read against WEIGHTS_AT(distances of a query), which are integers or decimals."""
    result = memory.read(queries)
    signs = 2 * values.astype(int) - 1
    distances = hamming_distances(pack_bits(queries), pack_bits(patterns), queries.shape[1])
    for query, near, state, status, ties in zip(
        queries, distances, result.state, result.status, result.ties, strict=True
    ):
        with localcontext(prec=DIGITS):
            weights = weights_at(near)
            if not any(weights):
                assert status == Status.EMPTY
                assert (state == (query if len(query) == len(state) else 0)).all()
                continue
            products = ([w * int(s) for w, s in zip(weights, column, strict=True)] for column in signs.T)
            expected = [exact_sign(terms) for terms in products]
        assert state.tolist() == [sign > 0 for sign in expected]
        assert ties == expected.count(0)
        assert status == (Status.TIE if ties else Status.READ)


@given(case=small(), data=st.data())
def test_infinite_neurons_in_integers(case, data):
    n, patterns, queries = case
    radii = data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))
    counts = intersection_counts_unequal(n, *radii)
    values = data.draw(st.sampled_from([patterns, patterns[:, ::-1], patterns[:, :1]]))
    memory = filled(InfiniteSDM(n, radii[0], read_radius=radii[1], value_length=values.shape[1]), patterns, values)
    check_read(memory, lambda near: [counts[distance] for distance in near], patterns, values, queries)


@settings(max_examples=40)
@given(case=small(), beta=st.sampled_from([0.0, 1e-12, 0.5, -3.0, 20.0, 400.0]))
def test_attention_in_many_digits(case, beta):
    n, patterns, queries = case
    weight = exponentials(Fraction(-2 * Fraction(beta), n))
    memory = filled(BinaryAttention(n, beta), patterns)
    check_read(memory, lambda near: [weight(int(distance)) for distance in near], patterns, patterns, queries)


def test_a_tie_of_large_weights_is_broken_by_a_tiny_one():
    # Two patterns as near as each other, and one whose weight is 1e-500 of theirs.
    n = 2000
    patterns = np.zeros((3, n), dtype=np.uint8)
    patterns[0, :100], patterns[1, 100:200], patterns[2, 200:] = 1, 1, 1
    for memory in (InfiniteSDM(n, 950), BinaryAttention(n, 800.0)):
        result = filled(memory, patterns).read(np.zeros((1, n)))
        assert (result.state[0, :200] == 0).all(), "the far pattern has 0 there"
        assert result.ties[0] == 0
        result = filled(type(memory)(n, *([950] if isinstance(memory, InfiniteSDM) else [800.0])), patterns[:2])
        assert result.read(np.zeros((1, n))).ties[0] == 200


@given(case=small(), degree=st.integers(2, 5), seed=seeds)
def test_dense_networks_by_their_energy(case, degree, seed):
    n, patterns, queries = case
    check_network(filled(Hopfield(n, "polynomial", degree=degree), patterns), lambda x: x**degree, patterns, queries)
    if degree == 2:
        check_network(filled(Hopfield(n), patterns), lambda x: x**2, patterns, queries)


@settings(max_examples=40)
@given(case=small(), beta=st.sampled_from([0.01, 0.3, 1.0, 4.0, 30.0]))
def test_exponential_networks_by_their_energy(case, beta):
    n, patterns, queries = case
    network = filled(Hopfield(n, "exponential", beta=beta), patterns)
    with localcontext(prec=DIGITS):
        check_network(network, exponentials(Fraction(beta)), patterns, queries)


def check_network(network, energy, patterns, queries):
    """A read against the energies of both values of every bit."""
    result, signs = network.read(queries), 2 * patterns.astype(int) - 1
    for query, state, ties in zip(queries, result.state, result.ties, strict=True):
        spins, expected, tied = 2 * query.astype(int) - 1, [], 0
        for bit in range(len(query)):
            fields = signs @ spins - signs[:, bit] * spins[bit]
            pairs = [(int(s), int(h)) for s, h in zip(signs[:, bit], fields, strict=True)]
            sign = exact_sign([term for s, h in pairs for term in (energy(s + h), -energy(-s + h))])
            tied += sign == 0
            expected.append(sign > 0 if sign else query[bit])
        assert state.tolist() == [int(bit) for bit in expected]
        assert ties == tied


def test_the_classic_network_is_that_of_its_weights():
    patterns, queries = random_bits(40, 130, seed=1), random_bits(300, 130, seed=2)
    signs, spins = 2 * patterns.astype(int) - 1, 2 * queries.astype(int) - 1
    weights = signs.T @ signs
    np.fill_diagonal(weights, 0)
    fields = spins @ weights
    expected = np.where(fields == 0, queries, fields > 0)
    assert (filled(Hopfield(130), patterns).read(queries).state == expected).all()


def test_one_step_of_the_classic_network_is_that_of_the_mean_field():
    n, m, flips = 2000, 300, 400
    patterns = random_bits(m, n, seed=1)
    state = filled(Hopfield(n), patterns).read(flip_bits(patterns, flips, seed=2)).state
    expected = special.ndtr(-(1 - 2 * flips / n) * math.sqrt(n / m))
    found = (state != patterns).mean(axis=1)
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(m)


@pytest.mark.parametrize("energy", [{"energy": "polynomial", "degree": 4}, {"energy": "exponential", "beta": 0.5}])
def test_modern_networks_hold_more_than_the_classic_one(energy):
    patterns = random_bits(300, 100, seed=1)
    queries = flip_bits(patterns, 10, seed=2)
    assert (filled(Hopfield(100, **energy), patterns).iterate(queries).state == patterns).all()
    assert not (filled(Hopfield(100), patterns).iterate(queries).state == patterns).all()


# Finitely many neurons.


@given(case=small(), counting=st.sampled_from(["poisson", "rounded"]), seed=seeds)
def test_finite_counts_in_integers(case, counting, seed):
    n, patterns, queries = case
    memory = filled(FiniteSDM(n, n // 2, 50, counting=counting, seed=seed), patterns)
    counts = memory.counts
    assert (counts == np.rint(counts)).all()
    rows = np.arange(len(patterns))
    check_read(memory, lambda near: [int(count) for count in counts[rows, near]], patterns, patterns, queries)


@pytest.mark.parametrize(("counting", "most"), [("poisson", None), ("rounded", 0.25)])
def test_finite_counts_have_their_mean_and_variance(counting, most):
    memory = filled(FiniteSDM(64, 19, 10**5, counting=counting, seed=1), random_bits(4000, 64, seed=2))
    counts, mean = memory.counts, np.exp(log_expected_neurons(64, 19, 10**5))
    variance = mean if most is None else (mean % 1) * (1 - mean % 1)
    assert (np.abs(counts.mean(axis=0) - mean) <= 5 * np.sqrt(variance / 4000) + 1e-9).all()
    assert_allclose(counts.var(axis=0)[:20], variance[:20], rtol=0.2, atol=0.02)


def test_finite_counts_do_not_depend_on_the_cuts_of_the_stream():
    patterns = random_bits(60, 64, seed=1)
    for counting in ("poisson", "rounded"):
        whole, cut = (FiniteSDM(64, 19, 10**5, counting=counting, seed=5) for _ in range(2))
        whole.write(patterns)
        for block in np.split(patterns, [1, 20, 21]):
            cut.write(block)
        assert (whole.counts == cut.counts).all()


def test_very_many_neurons_are_infinitely_many():
    patterns = random_bits(300, 64, seed=1)
    queries = flip_bits(patterns, 14, seed=2)
    expected = filled(InfiniteSDM(64, 15), patterns).iterate(queries)
    found = filled(FiniteSDM(64, 15, 10**60), patterns).iterate(queries)
    assert (found.state == expected.state).all()


def test_published_rounding_is_better_than_real_neurons(summary):
    patterns = random_bits(1024, 64, seed=1)
    queries, cosines = flip_bits(patterns, 12, seed=2), {}
    for counting in ("poisson", "rounded"):
        state = filled(FiniteSDM(64, 19, 10**5, counting=counting, seed=3), patterns).iterate(queries).state
        cosines[counting] = 1 - 2 * (state != patterns).mean()
    real = summary["S3"]["results"]["d=19"]["neuron_sdm_keep_on_empty"][6]
    assert real + 0.02 < cosines["poisson"] < cosines["rounded"] - 0.02


# The interface: stopping, ties, cycles, limits, empty queries.


def test_a_memory_without_patterns_is_empty():
    for memory in (InfiniteSDM(8, 3), BinaryAttention(8, 1.0), Hopfield(8), FiniteSDM(8, 3, 10)):
        result = memory.iterate(np.eye(8))
        assert result.tally()["EMPTY"] == 8
        assert (result.state == np.eye(8)).all()
    result = CapSDM(8, 3).iterate(np.eye(8))
    assert result.tally()["EMPTY"] == 8
    assert (result.state == np.eye(8)).all()


def test_a_query_may_end_empty_after_an_update():
    # Both patterns tie in their first two bits, and the state that follows is out of reach of both.
    memory = InfiniteSDM(4, 1, read_radius=0)
    memory.write([[1, 1, 0, 0], [0, 0, 1, 1]])
    assert memory.read([[1, 1, 0, 0]]).status[0] == Status.READ
    assert memory.iterate([[1, 0, 1, 0]]).status[0] == Status.EMPTY


TWO = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=np.uint8)


def test_ties_become_zero_or_stay_or_are_drawn():
    query = np.array([[1, 0, 1, 0]], dtype=np.uint8)
    zero = filled(InfiniteSDM(4, 2), TWO).read(query)
    keep = filled(InfiniteSDM(4, 2, ties="keep"), TWO).read(query)
    assert zero.state.tolist() == [[0, 0, 0, 0]]
    assert keep.state.tolist() == query.tolist()
    assert (zero.status[0], keep.status[0], keep.ties[0]) == (Status.TIE, Status.TIE, 4)
    assert filled(InfiniteSDM(4, 2, ties="keep"), TWO).iterate(query).status[0] == Status.TIE
    many = np.repeat(query, 4000, axis=0)
    drawn = filled(InfiniteSDM(4, 2, ties="random", tie_seed=1), TWO).read(many).state
    assert (np.abs(drawn.mean(axis=0) - 0.5) < 4 * 0.5 / math.sqrt(4000)).all()
    again = filled(InfiniteSDM(4, 2, ties="random", tie_seed=1), TWO).read(many).state
    other = filled(InfiniteSDM(4, 2, ties="random", tie_seed=2), TWO).read(many).state
    assert (drawn == again).all()
    assert not (drawn == other).all()


@pytest.mark.parametrize("max_steps", [1, 2, 3, 4, 7, 100])
@given(seed=seeds)
@settings(max_examples=10)
def test_a_cycle_ends_where_all_updates_would_have(max_steps, seed):
    patterns, queries = random_bits(20, 16, seed=seed), random_bits(40, 16, seed=seed + 1)
    network = filled(Hopfield(16), patterns)
    result, state = network.iterate(queries, max_steps=max_steps), queries
    steps = np.zeros(40, dtype=int)
    for _ in range(max_steps):
        new = network.read(state).state
        steps += (new != state).any(axis=1)
        state, before = new, state
    assert (result.state == state).all()
    assert (result.steps == steps).all()
    moving = (state != before).any(axis=1)
    assert (np.isin(result.status, [Status.CYCLE, Status.LIMIT]) == moving).all()


def test_a_query_ends_on_its_own(arrays):
    patterns, queries = unpacked(arrays["s1_patterns_bits"], 64), unpacked(arrays["s1_queries_bits"], 64)[-40:]
    for memory in (InfiniteSDM(64, 27), NeuronSDM(64, 20_000, 27, seed=777), Hopfield(64)):
        memory.write(patterns)
        together = memory.iterate(queries)
        alone = [memory.iterate(query) for query in queries]
        for name in ("state", "steps", "status", "ties"):
            assert (np.concatenate([getattr(result, name) for result in alone]) == getattr(together, name)).all()


def test_blocks_and_threads_change_nothing(arrays, monkeypatch):
    patterns, queries = unpacked(arrays["s1_patterns_bits"], 64), unpacked(arrays["s1_queries_bits"], 64)
    turned, directions = arrays["s1_cont_queries"].reshape(-1, 64), arrays["s1_cont_patterns"]

    def results(threads):
        bits = [InfiniteSDM(64, 11, ties="random", threads=threads), Hopfield(64, threads=threads)]
        bits += [FiniteSDM(64, 15, 10**6, threads=threads), BinaryAttention(64, 9.4, threads=threads)]
        floats = [CapSDM(64, 19, threads=threads), RoundedSDM(64, 19, threads=threads)]
        floats += [ContinuousAttention(64, 6.0, threads=threads)]
        found = [filled(memory, patterns).iterate(queries) for memory in bits]
        return found + [filled(memory, directions).iterate(turned) for memory in floats]

    expected = results(1)
    monkeypatch.setattr(interface, "ENTRIES", 128 * 37)
    monkeypatch.setattr(vectors, "WORTHWHILE", 1)
    for first, second in zip(expected, results(3), strict=True):
        assert all(
            (getattr(first, name) == getattr(second, name)).all() for name in ("state", "steps", "status", "ties")
        )


@pytest.mark.parametrize("make", [lambda: InfiniteSDM(64, 11), lambda: Hopfield(64), lambda: CapSDM(64, 11)])
def test_patterns_may_be_written_one_by_one(make):
    patterns = random_bits(30, 64, seed=1)
    patterns[:, 0] = 1
    whole, cut = filled(make(), patterns), make()
    for pattern in patterns:
        cut.write(pattern)
    queries = flip_bits(patterns, 3, seed=2)
    assert len(cut) == 30
    assert (whole.iterate(queries).state == cut.iterate(queries).state).all()


def test_pairs_are_read_at_noisy_addresses():
    addresses, values = random_bits(50, 128, seed=1), random_bits(50, 10, seed=2)
    queries = flip_bits(addresses, 12, seed=3)
    for memory in (
        InfiniteSDM(128, 45, value_length=10),
        BinaryAttention(128, 15.0, value_length=10),
        FiniteSDM(128, 45, 10**7, value_length=10),
    ):
        result = filled(memory, addresses, values).read(queries)
        assert (result.state == values).all()
        assert (result.steps == 1).all()
        with pytest.raises(ValueError, match="only values of 128 bits can be read again, found 10"):
            memory.iterate(queries)
    vectors_read = filled(ContinuousAttention(128, 50.0, value_length=10), 2.0 * addresses - 1, 2.0 * values - 1)
    assert ((vectors_read.read(2.0 * queries - 1).state > 0) == values).all()


# Vectors.


@given(n=st.integers(2, 70), d=st.floats(0.05, 1), seed=seeds)
def test_caps_weigh_as_the_integral_does(n, d, seed):
    generator = np.random.default_rng(seed)
    patterns, queries = generator.normal(size=(7, n)), generator.normal(size=(5, n))
    memory = filled(CapSDM(n, d * n), patterns)
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (patterns, queries)]
    logs = log_double_cap(n, radius_to_angle(n, d * n), np.clip(units[1] @ units[0].T, -1, 1))
    result = memory.read(queries)
    empty = np.isneginf(logs).all(axis=1)
    assert ((result.status == Status.EMPTY) == empty).all()
    assert_allclose(result.state[empty], units[1][empty], rtol=1e-14)
    weights = special.softmax(logs[~empty], axis=1)
    means = weights @ units[0]
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    # What is left of vectors that cancel has the rounding of all of them.
    assert_allclose(result.state[~empty] * lengths, means, atol=20 * memory.error_bound + 1e-12)


def test_attention_that_keeps_norms_is_the_plain_formula():
    generator = np.random.default_rng(1)
    keys, values, queries = (
        generator.normal(size=(50, 16)),
        generator.normal(size=(50, 9)),
        generator.normal(size=(20, 16)),
    )
    memory = filled(transformer_attention(16, norms="kept", value_length=9), keys, values)
    assert_allclose(memory.read(queries).state, special.softmax(queries @ keys.T / 4.0, axis=1) @ values, rtol=1e-12)


def test_large_beta_and_long_vectors_do_not_overflow():
    memory = filled(ContinuousAttention(2, 1e6, norms="kept"), [[1e3, 0], [0, 1e3]])
    result = memory.iterate([[1e3, 0.9e3]])
    assert result.state.tolist() == [[1000.0, 0.0]]
    assert result.tally()["CONVERGED"] == 1


def test_opposite_vectors_that_cancel_tie():
    result = filled(ContinuousAttention(2, 0.0), [[1, 0], [-1, 0]]).iterate([[0.6, 0.8]])
    assert result.status.tolist() == [Status.TIE]
    assert_allclose(result.state, [[0.6, 0.8]], rtol=1e-15)


def test_tolerance_decides_when_a_vector_rests(arrays):
    patterns, queries = arrays["s1_cont_patterns"], arrays["s1_cont_queries"][3]
    rough = filled(ContinuousAttention(64, 6.0, tolerance=0.05), patterns).iterate(queries)
    fine = filled(ContinuousAttention(64, 6.0), patterns).iterate(queries)
    assert (rough.steps < fine.steps).all()
    again = filled(ContinuousAttention(64, 6.0), patterns).read(fine.state).state
    assert (np.linalg.norm(again - fine.state, axis=1) <= 1e-9).all()


# Bad input.

ROWS = np.zeros((2, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: InfiniteSDM(8, 9), "radius must be 0 to 8, found 9"),
        (lambda: InfiniteSDM(8, -1), "radius must be 0 to 8, found -1"),
        (lambda: InfiniteSDM(8, 2.5), "radius must be an integer, found 2.5"),
        (lambda: InfiniteSDM(8, 2, read_radius=9), "read_radius must be 0 to 8, found 9"),
        (lambda: InfiniteSDM(-8, 2), "n must be at least 1, found -8"),
        (lambda: InfiniteSDM(8, 2).write(ROWS[:0]), "with m at least 1"),
        (lambda: InfiniteSDM(8, 2).write(ROWS + 2), "addresses must be bits 0 and 1, found 2"),
        (lambda: InfiniteSDM(8, 2).read(ROWS[:, 1:]), r"queries must have shape \(m, 8\)"),
        (lambda: FiniteSDM(8, 2, 0), "r must be a number above 0, found 0"),
        (lambda: FiniteSDM(8, 2, math.inf), "r must be finite, found inf"),
        (lambda: FiniteSDM(8, 2, 10**400), "neurons must share fewer"),
        (lambda: FiniteSDM(8, 2, 10, counting="exact"), "counting must be one of poisson, rounded"),
        (lambda: FiniteSDM(8, 2, 10, seed=-1), "seed must be at least 0, found -1"),
        (lambda: BinaryAttention(8, math.inf), "beta must be a finite number, found inf"),
        (lambda: BinaryAttention(8, math.nan), "beta must be a finite number, found nan"),
        (lambda: BinaryAttention(8, "1"), "beta must be a finite number, found '1'"),
        (lambda: Hopfield(8, "cubic"), "energy must be one of classic, polynomial, exponential"),
        (lambda: Hopfield(8, "polynomial"), "a degree goes with the polynomial energy"),
        (lambda: Hopfield(8, degree=3), "a degree goes with the polynomial energy"),
        (lambda: Hopfield(8, "polynomial", degree=1), "degree must be 2 to 200, found 1"),
        (lambda: Hopfield(8, "polynomial", degree=0), "degree must be 2 to 200, found 0"),
        (lambda: Hopfield(8, beta=1.0), "beta goes with the exponential energy"),
        (lambda: Hopfield(8, "exponential", beta=0.0), "beta must be above 0, found 0.0"),
        (lambda: Hopfield(8).write(ROWS, ROWS), "it takes no values"),
        (lambda: CapSDM(8, 0), "d must be above 0"),
        (lambda: CapSDM(8, 9), "d must be above 0"),
        (lambda: RoundedSDM(8, 9), "radius must be 0 to 8, found 9"),
        (lambda: ContinuousAttention(8, math.nan), "beta must be a finite number, found nan"),
        (lambda: ContinuousAttention(8, 1.0, norms="other"), "norms must be one of unit, kept"),
        (lambda: ContinuousAttention(8, 1.0, tolerance=-1), "tolerance must be 0 to 1, found -1"),
        (lambda: ContinuousAttention(8, 1.0, value_length=3).write(ROWS + 1), "values of length 3 must be given"),
        (lambda: ContinuousAttention(8, 1.0).write(ROWS + 1, ROWS[:1] + 1), "every address needs a value"),
        (lambda: ContinuousAttention(8, 1.0).write(ROWS), "no row may be all 0"),
        (lambda: ContinuousAttention(8, 1.0).write(ROWS + math.nan), "must be finite"),
        (lambda: ContinuousAttention(8, 1.0).write(ROWS[:, 1:] + 1), r"addresses must have shape \(m, 8\)"),
        (lambda: ContinuousAttention(8, 1.0).write(ROWS[:0]), "with m at least 1"),
        (lambda: ContinuousAttention(8, 1.0).write(ROWS + 1j), "must be real numbers, found complex128"),
        (lambda: ContinuousAttention(8, 1.0).iterate(ROWS + 1, max_steps=-1), "max_steps must be at least 1"),
        (lambda: transformer_attention(0), "n must be at least 1"),
    ],
)
def test_bad_input_is_one_clear_line(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)
