"""Finite networks: their draws, their law bit by bit, their symmetries, and how they approach the mean field.

The statistical tests have fixed seeds. Companions apply the same comparisons to something slightly wrong.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numpy.testing import assert_allclose
from scipy import special, stats

from mfattn.meanfield import (
    Columns,
    Context,
    DenseNetwork,
    DrawnContext,
    FiniteNetwork,
    Model,
    Orbits,
    Tangents,
    Weights,
    assigned_weights,
    context_after_prompt,
    gaussian_weights,
    joint_classes,
    product_weights,
    prompt_token,
    random_weights,
    segmented_weights,
    share_of_equal_bits,
    spectrum,
    streams,
    token_fields,
)
from mfattn.meanfield.kernels.draws import _FACTORIAL_TAILS, DRAW_ROWS, INVERTED, _factorial_tail, draw_mean
from mfattn.meanfield.kernels.lanes import LANES, load, store, uniform
from mfattn.meanfield.model import OBSERVABLES
from mfattn.meanfield.network import MOST_BITS, MOST_DENSE_BITS

from . import strategies as own

RISK = 1e-3
"""Chance of a false alarm in each statistical test."""


@njit(error_model="numpy")
def draw_into(means, fields, bits, words):
    rows = np.empty((DRAW_ROWS, LANES))
    for pack in range(means.shape[0]):
        for time in range(means.shape[1]):
            store(means[pack], time, draw_mean(load(fields, pack), load(bits, pack), words[pack], rows))


@njit(error_model="numpy")
def uniform_into(numbers, active, words):
    for time in range(len(numbers)):
        store(numbers, time, uniform(words, load(active, time)))


@njit(error_model="numpy")
def factorial_tail_into(tails, counts):
    rows = np.empty((DRAW_ROWS, LANES))
    for row in range(len(counts)):
        store(tails, row, _factorial_tail(load(counts, row), rows))


def packs_of_streams(packs, seed=1):
    """Words of independent streams, (packs, 4, LANES)."""
    words = streams(seed, [(key,) for key in range(packs * LANES)])
    return np.ascontiguousarray(words.reshape(packs, LANES, 4).swapaxes(1, 2))


def draw(fields, bits, words, number):
    """NUMBER means in every lane, (packs, number, LANES); the words move on."""
    shape = (len(words), LANES)
    means = np.empty((len(words), number, LANES))
    lanes = [np.ascontiguousarray(np.broadcast_to(values, shape), dtype=float) for values in (fields, bits)]
    draw_into(means, *lanes, words)
    return means


# Draws.

DRAWS = 160_000
SIZES = [1, 2, 10, 33, 59, 61, 330, 33_000, 3_300_000, 10**10]


def fields_to_draw(bits):
    """Fields with a fair bit, unlikely ones, means on both sides of `INVERTED`, and saturation; of either sign."""
    likely = [0.5, 0.3, 0.05] if bits < 10**10 else []
    chances = [*likely, *(mean / bits for mean in (0.97 * INVERTED, 1.03 * INVERTED, 3.0, 0.1))]
    return [(-1) ** i * 0.5 * np.log((1 - chance) / chance) for i, chance in enumerate(chances) if chance <= 0.5]


CASES = sum(len(fields_to_draw(bits)) for bits in SIZES)


def counts_against(field, bits, seed, draws=DRAWS):
    """Numbers of bits against the field's sign in many draws."""
    means = draw(field, bits, packs_of_streams(10, seed), draws // (10 * LANES)).ravel()
    counts = bits * (1 - np.copysign(1.0, field) * means) / 2
    assert_allclose(counts, np.rint(counts), rtol=0, atol=1e-5)
    return np.rint(counts)


def law_against(field, bits):
    return stats.binom(bits, special.expit(-2 * abs(field)))


def goodness_of_fit(counts, law):
    """p-value of chi-square, over at most some thousand bins that expect at least 20 counts."""
    edges, below = [], [0.0]
    candidates = np.unique(law.ppf(np.arange(1, 4000) / 4000))
    for edge, expected in zip(candidates, len(counts) * law.cdf(candidates), strict=True):
        if expected - below[-1] >= 20 and len(counts) - expected >= 20:
            edges.append(edge)
            below.append(expected)
    assert edges
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(edges) + 1)
    return stats.chisquare(observed, np.diff([*below, len(counts)])).pvalue


@pytest.mark.parametrize("bits", SIZES)
def test_draws_are_binomial(bits):
    for seed, field in enumerate(fields_to_draw(bits)):
        assert goodness_of_fit(counts_against(field, bits, seed), law_against(field, bits)) * CASES > RISK


@pytest.mark.parametrize("bits", [61, 330, 33_000])
def test_millions_of_draws_by_rejection_are_binomial(bits):
    # A squeeze that is a little too wide distorts the law by less than fewer draws show.
    for seed, chance in enumerate((1.03 * INVERTED / bits, 0.5)):
        if chance <= 0.5:
            field = 0.5 * np.log((1 - chance) / chance)
            counts = counts_against(field, bits, seed, 8_000_000)
            assert goodness_of_fit(counts, law_against(field, bits)) > RISK


@pytest.mark.parametrize("bits", SIZES)
def test_draws_of_a_field_slightly_off_are_not_binomial(bits):
    # So many draws show a mean that is 0.02 standard deviations off in a few bins, and 0.07 in some thousand bins. One
    # percent moves the mean of few bits by less.
    for seed, field in enumerate(fields_to_draw(bits)):
        change = 0.1 if bits < 330 else max(0.01, 0.01 * abs(field))
        counts = counts_against(field - np.copysign(change, field), bits, seed)
        assert goodness_of_fit(counts, law_against(field, bits)) * CASES < RISK


@pytest.mark.parametrize("field", [0.0, 0.3, -2.0, 5.0, 10.0, -11.5])
def test_the_most_bits_have_the_mean_and_variance_of_their_law(field):
    law = law_against(field, MOST_BITS)
    mean, variance, _, kurtosis = (float(moment) for moment in law.stats("mvsk"))
    counts = counts_against(field, MOST_BITS, 1)
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / DRAWS))
    assert counts.var() == pytest.approx(variance, rel=4 * np.sqrt((kurtosis + 2) / DRAWS))


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.parametrize("field", [400.0, 1e6, -400.0, -1e6])
def test_a_saturated_field_leaves_no_bit_against_it(bits, field):
    assert (draw(field, bits, packs_of_streams(1), 100) == np.sign(field)).all()


def crafted_streams(first_words):
    """Streams whose next words are these."""
    words = np.zeros((1, 4, LANES), dtype=np.uint64)
    words[0, 0] = first_words
    return words


@pytest.mark.parametrize("bits", [59, 330, 33_000, 3_300_000, 10**10])
def test_no_count_is_impossible_however_near_to_one_the_uniform_number(bits):
    # What rounding leaves beyond the distribution must not turn into bits.
    highest = np.array([2**64 - 1 - (k << 12) for k in range(LANES)], dtype=np.uint64)
    for mean in np.linspace(0.05, INVERTED, 100)[:-1]:
        chance = mean / bits
        if chance <= 0.5:
            field = 0.5 * np.log((1 - chance) / chance)
            counts = np.rint(bits * (1 - draw(field, bits, crafted_streams(highest), 1)) / 2)
            assert (stats.binom.sf(counts - 1, bits, chance) > 1e-30).all()


def mixed_fields(generator, packs):
    """Fields of 1,000 bits whose means lie below and above `INVERTED` in the lanes of one pack."""
    shape = (packs, LANES)
    means = generator.choice([INVERTED / 2, 10 * INVERTED], shape) * generator.uniform(0.5, 1.5, shape)
    return generator.choice([-1.0, 1.0], shape) * 0.5 * np.log(1000 / means - 1)


def test_opposite_fields_give_opposite_means_from_equal_streams():
    fields = mixed_fields(np.random.default_rng(1), 20)
    words, again = packs_of_streams(20), packs_of_streams(20)
    assert np.array_equal(draw(fields, 1000, words, 100), -draw(-fields, 1000, again, 100))
    assert np.array_equal(words, again)


def test_a_lane_has_the_same_bits_in_a_mixed_pack_as_among_its_equals():
    fields, words = mixed_fields(np.random.default_rng(2), 1), packs_of_streams(1)
    before = words.copy()
    means = draw(fields, 1000, words, 200)
    for lane in range(LANES):
        own_words = before.copy()
        assert np.array_equal(draw(fields[0, lane], 1000, own_words, 200)[..., lane], means[..., lane])
        assert np.array_equal(own_words[..., lane], words[..., lane])


def test_uniform_numbers_are_the_upper_bits_of_sfc64_in_the_lanes_that_move():
    active = np.random.default_rng(1).choice([-1.0, 0.0, 0.5, 2.0], (500, LANES))
    words, numbers = packs_of_streams(1, seed=5)[0], np.empty((500, LANES))
    uniform_into(numbers, active, words)
    for lane in range(LANES):
        generator = np.random.SFC64(np.random.SeedSequence(5, spawn_key=(lane,)))
        moved = active[:, lane] > 0
        expected = ((generator.random_raw(moved.sum()) >> 12) + 0.5) * 2.0**-52
        assert np.array_equal(numbers[moved, lane], expected)
        assert np.array_equal(words[:, lane], generator.state["state"]["state"])


def test_uniform_numbers_lie_strictly_between_zero_and_one():
    numbers = np.empty((1, LANES))
    extremes = np.array([0, 2**64 - 1] * (LANES // 2), dtype=np.uint64)
    uniform_into(numbers, np.ones((1, LANES)), crafted_streams(extremes)[0])
    assert numbers[0, :2].tolist() == [2.0**-53, 1 - 2.0**-53]


def test_the_tails_of_the_factorials_are_tabulated_and_their_series_goes_on_where_the_table_ends():
    counts = np.arange(4.0 * LANES)
    tails = np.empty((4, LANES))
    factorial_tail_into(tails, counts.reshape(4, LANES))
    stirling = (counts + 0.5) * np.log(counts + 1) - (counts + 1) + 0.5 * np.log(2 * np.pi)
    expected = np.array([math.lgamma(count + 1) for count in counts]) - stirling
    number = len(_FACTORIAL_TAILS)
    assert number == 10
    assert_allclose(_FACTORIAL_TAILS, expected[:number], rtol=0, atol=1e-14)
    assert np.array_equal(tails.flat[:number], _FACTORIAL_TAILS)
    # The first term that the series leaves out.
    left_out = 1 / (1680 * (counts + 1) ** 7)
    assert (np.abs(tails.ravel() - expected) <= left_out + 1e-13)[number:].all()


@given(own.seeds, st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 9)), min_size=1, max_size=5))
def test_streams_depend_on_seed_and_key_alone(seed, keys):
    together = streams(seed, keys)
    assert together.shape == (len(keys), 4)
    for key, words in zip(keys, together, strict=True):
        assert np.array_equal(streams(seed, [key])[0], words)
        generator = np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key))
        assert np.array_equal(words, generator.state["state"]["state"])
    assert len({tuple(words) for words in together}) == len(set(keys))


# Classes of exchangeable bits.

UNSYMMETRIC = {"output": (1, 2, 1), "value": (1, 2, 0), "query": (0, 0, 1), "key": (2, 1, 0)}
"""Patterns that the two conventions of the assigned ensemble read differently."""


def assigned(convention):
    position = np.random.default_rng(4).choice([-1.0, 1.0], (4, 3, 2))
    return assigned_weights(3, UNSYMMETRIC, position, convention=convention)


@st.composite
def weights_with_columns(draw) -> Weights:
    """An instance of any ensemble that has weights, in any convention."""
    instance = draw(own.weights(position_bits=st.integers(0, 3)))
    if instance.columns is not None:
        return instance
    # The ensembles of correlations make room for the published convention.
    m, generator = instance.features, np.random.default_rng(draw(own.seeds))
    base = draw(st.integers(1, 4))
    patterns = {name: generator.integers(0, m, m) for name in UNSYMMETRIC}
    position = generator.choice([-1.0, 1.0], (4, m, instance.position_bits))
    copies = generator.integers(0, base, m)
    return assigned_weights(base, patterns, position, base_of=copies, convention="published")


@given(weights_with_columns(), st.data())
def test_joint_classes_have_the_mean_field_of_the_columns(instance, data):
    classes, sizes = joint_classes(instance.columns)
    assert sizes.sum() == instance.columns.number
    merged = Weights(classes, instance.position_weights, pattern_order=instance.pattern_order)
    generator = np.random.default_rng(data.draw(own.seeds))
    attention = generator.normal(0, 0.5, (6, instance.features))
    positions = generator.integers(0, instance.context_length, 6)
    parameters = {"beta": data.draw(own.gains), "gamma": 1.0, "epsilon": data.draw(own.epsilons(instance))}
    found, expected = (Model(weights, **parameters).fields(attention, positions) for weights in (merged, instance))
    for name, values in vars(expected).items():
        assert_allclose(getattr(found, name), values, rtol=0, atol=1e-13)


@given(weights_with_columns(), own.seeds)
def test_joint_classes_are_distinct_and_blind_to_a_column_s_sign_and_place(instance, seed):
    columns, generator = instance.columns, np.random.default_rng(seed)
    classes, sizes = joint_classes(columns)
    weights = classes.couplings * (columns.number / sizes)[:, np.newaxis]
    together = np.concatenate([classes.signs, *np.rint(weights)], axis=1)
    assert_allclose(np.abs(weights), 1, rtol=1e-12)
    assert len(np.unique([*together, *-together], axis=0)) == 2 * len(sizes)
    order, signs = generator.permutation(columns.number), generator.choice([-1.0, 1.0], columns.number)
    shuffled = Columns(columns.inside[:, order] * signs, columns.weights[:, :, order] * signs)
    again, sizes_again = joint_classes(shuffled)
    assert np.array_equal(again.signs, classes.signs)
    assert np.array_equal(again.couplings, classes.couplings)
    assert np.array_equal(sizes_again, sizes)


def test_the_published_instance_has_three_classes_of_33_bits(published):
    classes, sizes = joint_classes(published.columns)
    assert sizes.tolist() == [33, 33, 33]
    assert classes.signs.tolist() == [[1, -1, 1], [1, 1, -1], [1, 1, 1]]


def test_assigned_patterns_have_a_class_for_each_sign_vector_of_the_patterns_in_use():
    sizes = {convention: joint_classes(assigned(convention).columns)[1] for convention in ("weights", "published")}
    assert all(found.tolist() == [1] * 4 for found in sizes.values())
    inside = {convention: joint_classes(assigned(convention).columns)[0].signs for convention in sizes}
    assert set(np.abs(inside["weights"]).flat) == {1}
    assert set(np.abs(inside["published"]).flat) == {0, 1, 2}
    two_of_three = assigned_weights(3, dict.fromkeys(UNSYMMETRIC, (0, 1)), np.ones((4, 2, 0)))
    assert joint_classes(two_of_three.columns)[1].tolist() == [2, 2]


def test_with_the_share_of_equal_bits_every_bit_of_a_token_weighs_the_same(published):
    token = prompt_token(published, "random", 3)
    together = np.concatenate([published.template, published.position_weights], axis=2)
    found = token_fields(published, token, float(share_of_equal_bits(99, 2)))
    assert_allclose(found, together @ token / 101, atol=1e-15)


# The law of the network, against its bits.

STEPS = 12
INSTANCES = {
    "random": random_weights(3, 2, template=99, seed=1),
    "assigned": assigned("weights"),
    "assigned as published": assigned("published"),
    "one token": random_weights(3, 0, template=99, seed=2),
}
PARAMETERS = {
    "segments": {"beta": 1.2, "gamma": 220.0, "epsilon": 0.02},
    "random": {"beta": 1.2, "gamma": 100.0, "epsilon": 0.1, "output_scale": 3.0},
    "assigned": {"beta": 1.2, "gamma": 20.0, "epsilon": 0.2},
    "assigned as published": {"beta": 0.8, "gamma": 20.0, "epsilon": 0.2},
    "one token": {"beta": 1.2, "gamma": 20.0, "epsilon": 0.0, "output_scale": 3.0},
}
REPLICAS = {99: 400, 990: 400, 9_900: 240}
"""Dense networks of about so many bits, to which five times as many finite networks are compared."""

COMPARISONS = [
    *((name, start, size) for name in PARAMETERS for start in ("context", "prompt") for size in (99, 990)),
    *((name, "context", 9_900) for name in PARAMETERS),
    ("segments", "prompt", 9_900),
]


def instance(name, published) -> Weights:
    return published if name == "segments" else INSTANCES[name]


def number_near(weights, size):
    """The number of bits nearest to SIZE that a network can have."""
    return weights.columns.number * round(size / weights.columns.number)


def one_context(weights):
    attention = np.random.default_rng(3).normal(0, 0.4, (weights.context_length, weights.features))
    return Context(attention, 2 % weights.context_length)


def one_prompt(weights):
    semantic = np.random.default_rng(8).choice([-1.0, 1.0], weights.columns.number)
    return np.concatenate([semantic, -np.ones(weights.position_bits)])


def fields_of_prompt(weights, epsilon):
    if weights.template is not None:
        return token_fields(weights, one_prompt(weights), epsilon)
    number = weights.columns.number
    overlaps = weights.columns.weights @ one_prompt(weights)[:number] / number
    return (1 - epsilon) * overlaps + epsilon * weights.position_fields[:, 0]


def start_of(weights, start, epsilon):
    if start == "context":
        return one_context(weights)
    fields = fields_of_prompt(weights, epsilon)
    return context_after_prompt(weights, fields) if start == "prompt" else Context(fields[1:2], 1)


def observe(orbit, first=0):
    """Every observable after one step and after many, (..., 2, number)."""
    rows = [getattr(orbit, name)[..., [first, first + STEPS - 1], :] for name in OBSERVABLES]
    # Equal shares of bits must tie, though their last bits depend on the order of the sums.
    return np.concatenate(rows, axis=-1).round(12)


def dense_sample(weights, start, bits, replicas, seed, **parameters):
    prompt = start == "prompt"
    first = one_prompt(weights) if prompt else one_context(weights)
    generator, rows = np.random.default_rng(seed), []
    for _ in range(replicas):
        network = DenseNetwork(weights, bits=bits, start=first, generator=generator, **parameters)
        # The first row of a record after a prompt is that of the prompt itself.
        rows.append(observe(network.record(STEPS + prompt), int(prompt)))
    return np.array(rows)


def finite_sample(weights, start, bits, replicas, seed, **parameters):
    starts = start_of(weights, start, parameters["epsilon"])
    words = streams(seed, [(replica,) for replica in range(replicas)])
    network = FiniteNetwork(weights, bits=bits, starts=starts, streams=words, **parameters)
    return observe(network.record(STEPS))


def least_p(first, second):
    """Least p-value over the marginals and the covariances of two samples, by Bonferroni also over `COMPARISONS`."""
    found = []
    for time in range(2):
        samples = first[:, time], second[:, time]
        found += [stats.ks_2samp(*pair, method="asymp").pvalue for pair in zip(*(s.T for s in samples), strict=True)]
        centred = [sample - sample.mean(axis=0) for sample in samples]
        one, other = np.triu_indices(first.shape[2])
        found += stats.ttest_ind(*(c[:, one] * c[:, other] for c in centred), equal_var=False).pvalue.tolist()
        # The scatter in all directions together shows a wrong number of bits best.
        metric = np.linalg.pinv(np.cov(np.concatenate(centred).T), rcond=1e-9, hermitian=True)
        found.append(stats.ttest_ind(*((c @ metric * c).sum(axis=1) for c in centred), equal_var=False).pvalue)
    assert not np.isnan(found).any()
    return min(found) * len(found) * len(COMPARISONS)


@pytest.mark.parametrize(("name", "start", "size"), COMPARISONS)
def test_sums_over_classes_have_the_law_of_the_single_bits(published, name, start, size):
    weights, seed = instance(name, published), COMPARISONS.index((name, start, size))
    bits, replicas = number_near(weights, size), REPLICAS[size]
    single = dense_sample(weights, start, bits, replicas, [1, seed], **PARAMETERS[name])
    assert least_p(single, finite_sample(weights, start, bits, 5 * replicas, seed, **PARAMETERS[name])) > RISK


@pytest.mark.parametrize(
    ("name", "size", "wrong"),
    [
        *((name, 9_900, "bits") for name in PARAMETERS),
        ("segments", 990, "bits"),
        ("segments", 99, "beta"),
        ("random", 990, "beta"),
        ("assigned", 99, "beta"),
        ("assigned as published", 9_900, "beta"),
        ("one token", 990, "beta"),
        ("segments", 99, "prompt"),
        ("random", 9_900, "prompt"),
        ("assigned", 990, "prompt"),
        ("assigned as published", 99, "prompt"),
    ],
)
def test_a_network_that_is_slightly_wrong_does_not_have_the_law_of_the_single_bits(published, name, size, wrong):
    # Of these sizes every one of 40 pairs of samples was told apart: by standard deviations a fifth smaller, means some
    # tenths of a standard deviation off, or a prompt that left the window.
    weights, replicas = instance(name, published), REPLICAS[size]
    bits, parameters, start = number_near(weights, size), PARAMETERS[name], "prompt" if wrong == "prompt" else "context"
    factor = {99: 1.25, 990: 1.1, 9_900: 1.04}[size]
    changed = {**parameters, "beta": factor * parameters["beta"]} if wrong == "beta" else parameters
    wrong_bits = number_near(weights, 1.5 * size) if wrong == "bits" else bits
    wrong_start = "prompt forgotten" if wrong == "prompt" else start
    for seed in range(3):
        right = finite_sample(weights, start, bits, replicas, 1000 + seed, **parameters)
        assert least_p(right, finite_sample(weights, wrong_start, wrong_bits, 5 * replicas, seed, **changed)) < RISK


# Symmetries.


def negated(start):
    if isinstance(start, DrawnContext):
        return DrawnContext(-start.attention, start.position, -start.values, -start.keys)
    return Context(-start.attention, start.position)


def replicas_of(number, seed=1):
    return streams(seed, [(replica,) for replica in range(number)])


@pytest.mark.parametrize("gamma", [20.0, 220.0])
@pytest.mark.parametrize("copies", [1, 10_001])
@pytest.mark.parametrize("name", ["segments", "random"])
def test_the_negated_start_has_the_negated_orbit_to_the_bit(published, name, copies, gamma):
    weights = instance(name, published)
    prompt = context_after_prompt(weights, fields_of_prompt(weights, 0.0))
    starts = [one_context(weights), prompt, Context([[0.3, 0.0, -0.1], [0.0, 0.2, 0.0], [0.0, 0.0, 0.1]], 1)]
    parameters = {"bits": 99 * copies, "beta": 1.3, "gamma": gamma, "epsilon": 0.0}
    for start in starts:
        orbit, opposite = (
            FiniteNetwork(weights, starts=each, streams=replicas_of(20), **parameters).record(200)
            for each in (start, negated(start))
        )
        for observable in OBSERVABLES:
            assert np.array_equal(getattr(orbit, observable), -getattr(opposite, observable))


def assert_fair(overlaps, bits):
    """Rows have mean 0 and variance 1 / bits, within errors."""
    number = len(overlaps)
    assert (np.abs(overlaps.mean(axis=0)) * np.sqrt(bits * number) < 4.5).all()
    assert (np.abs((overlaps**2).mean(axis=0) * bits - 1) < 4.5 * np.sqrt(2 / number)).all()


def overlaps_of(orbit):
    together = [orbit.overlap_o, orbit.overlap_v, orbit.overlap_q, orbit.overlap_k]
    return np.concatenate(together, axis=-1).reshape(-1, 4 * orbit.overlap_o.shape[-1])


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_at_beta_zero_every_bit_is_fair(published, name):
    weights = instance(name, published)
    bits, start = number_near(weights, 990), one_context(weights)
    parameters = {"bits": bits, "beta": 0.0, "gamma": 220.0, "epsilon": 0.0}
    single = DenseNetwork(weights, start=start, generator=np.random.default_rng(1), **parameters)
    assert_fair(overlaps_of(single.record(3000)), bits)
    summed = FiniteNetwork(weights, starts=start, streams=replicas_of(20), **parameters)
    assert_fair(overlaps_of(summed.record(500)), bits)


@pytest.mark.parametrize("bits", [99, 990, 990_000])
def test_bits_are_fair_where_their_field_is_exactly_zero(published, bits):
    zeros, parameters = Context(np.zeros((4, 3)), 3), {"bits": bits, "beta": 1.3, "gamma": 220.0, "epsilon": 0.0}
    for start in (zeros, negated(zeros)):
        network = FiniteNetwork(published, starts=start, streams=replicas_of(3000), **parameters)
        assert_fair(overlaps_of(network.record(1)), bits)


# Independence of the batch.


def points(weights):
    """Forty points with bits, parameters, starts and streams of their own."""
    generator, number, columns = np.random.default_rng(6), 40, weights.columns.number
    share = 0.3 if weights.position_bits else 0.0
    kinds = [
        one_context(weights),
        Context(generator.normal(0, 0.4, (1, weights.features)), weights.context_length - 1),
        context_after_prompt(weights, fields_of_prompt(weights, 0.0)),
        Context(generator.normal(0, 0.4, (weights.context_length, weights.features)), 0),
    ]
    return {
        "bits": columns * (10 ** generator.uniform(0, 8, number)).astype(int),
        "beta": generator.uniform(0, 3, number),
        "gamma": generator.uniform(0, 300, number),
        "epsilon": generator.uniform(0, share, number),
        "starts": [kinds[kind] for kind in generator.integers(0, len(kinds), number)],
        "streams": replicas_of(number, seed=9),
    }


def network_at(weights, chosen, everything):
    some = {name: [values[point] for point in chosen] for name, values in everything.items()}
    return FiniteNetwork(weights, **some)


BATCHED = {
    "published": segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy"),
    "five features": random_weights(5, 3, template=21, seed=1),
    "one token": INSTANCES["one token"],
}


@pytest.mark.parametrize("size", [1, 3, 17])
@pytest.mark.parametrize("weights", BATCHED.values(), ids=BATCHED.keys())
def test_a_point_has_the_same_bits_in_any_batch_and_order(weights, size):
    everything = points(weights)
    whole = network_at(weights, range(40), everything).record(30)
    order = np.random.default_rng(size).permutation(40)
    for first in range(0, 40, size):
        chosen = order[first : first + size]
        part = network_at(weights, chosen, everything).record(30)
        for name in OBSERVABLES:
            assert np.array_equal(getattr(part, name), getattr(whole, name)[chosen])


@pytest.mark.parametrize("weights", BATCHED.values(), ids=BATCHED.keys())
def test_cutting_a_run_of_networks_changes_no_bit(weights):
    everything = points(weights)
    whole = network_at(weights, range(40), everything).record(30)
    network = network_at(weights, range(40), everything)
    pieces = [network.record(steps) for steps in (1, 0, 2, 7, 20)]
    network = network_at(weights, range(40), everything)
    for steps in (3, 6, 11):
        network.advance(steps)
    late = network.record(10)
    for name, rows in vars(whole).items():
        assert np.array_equal(np.concatenate([getattr(piece, name) for piece in pieces], axis=1), rows)
        assert np.array_equal(getattr(late, name), rows[:, 20:])


@pytest.mark.parametrize("weights", BATCHED.values(), ids=BATCHED.keys())
@pytest.mark.parametrize("done", [0, 1, 9])
def test_a_network_goes_on_from_its_contexts_and_streams_with_the_same_bits(weights, done):
    everything = points(weights)
    whole = network_at(weights, range(40), everything).record(30)
    network = network_at(weights, range(40), everything)
    network.advance(done)
    backwards = range(39, -1, -1)
    again = {**everything, "starts": network.contexts(), "streams": network.streams}
    rest = network_at(weights, backwards, again).record(30 - done)
    for name in OBSERVABLES:
        assert np.array_equal(getattr(rest, name), getattr(whole, name)[::-1, done:])


# The limit of many bits.


def test_with_the_most_bits_one_step_is_that_of_the_mean_field(published):
    bits, start = 99 * (MOST_BITS // 99), one_context(published)
    parameters = {"beta": 1.2, "gamma": 20.0, "epsilon": 0.02}
    expected = Orbits(published, starts=start, **parameters).record(1)
    found = FiniteNetwork(published, bits=bits, starts=start, streams=replicas_of(200), **parameters).record(1)
    for name in OBSERVABLES:
        # The logits, and so the attention, multiply a deviation by gamma.
        widest = 30 if name == "attention" else 5
        deviation = np.abs(getattr(found, name) - getattr(expected, name)) * np.sqrt(bits)
        assert 0.5 < deviation.max() < widest


def exact_covariance(weights, attention, bits, beta, epsilon):
    """Of the overlaps of a token, in the order of `FIELDS`."""
    classes, sizes = joint_classes(weights.columns)
    share = (sizes / weights.columns.number)[:, np.newaxis]
    columns = np.concatenate(classes.couplings / share, axis=1)
    spread = share * (1 - np.tanh(beta * classes.signs @ attention) ** 2)[:, np.newaxis] / bits
    return (1 - epsilon) ** 2 * (columns * spread).T @ columns


@pytest.mark.parametrize("name", ["segments", "random", "assigned as published"])
@pytest.mark.parametrize("size", [99, 9_900, 990_000, 99_000_000, 9_900_000_000])
def test_deviations_after_one_step_have_the_exact_covariance(published, name, size):
    weights = instance(name, published)
    bits, start, number = number_near(weights, size), one_context(weights), 5000
    parameters = {"beta": 1.2, "gamma": 20.0, "epsilon": 0.02}
    expected = overlaps_of(Orbits(weights, starts=start, **parameters).record(1))
    network = FiniteNetwork(weights, bits=bits, starts=start, streams=replicas_of(number, size), **parameters)
    deviation = overlaps_of(network.record(1)) - expected
    exact = exact_covariance(weights, start.attention[0], bits, 1.2, 0.02)
    variance = np.diag(exact)
    error = np.sqrt((np.outer(variance, variance) + exact**2) / number)
    assert (np.abs(deviation.mean(axis=0)) < 4.5 * np.sqrt(variance / number)).all()
    assert (np.abs(deviation.T @ deviation / number - exact) < 4.5 * error).all()
    assert np.sqrt((deviation**2).mean()) == pytest.approx(np.sqrt(variance.mean()), rel=0.02)


DECADES = 99 * 10 ** np.arange(6)


@pytest.fixture(scope="module", params=[0.5, 1.0], ids=["beta 0.5", "beta 1.0"])
def fluctuations(request):
    """Deviations from the locked cycle of the published parameters, (decades, replicas, steps, M)."""
    weights, steps, replicas = BATCHED["published"], 400, 32
    parameters = {"beta": request.param, "gamma": 220.0, "epsilon": 0.02}
    orbits = Orbits(weights, starts=Context(np.full((4, 3), 0.1), 3), **parameters)
    orbits.advance(4000)
    (settled,) = orbits.contexts()
    cycle = Orbits(weights, starts=settled, **parameters)
    exponents = spectrum(Tangents(cycle, 12), 2000)
    assert exponents.resolved[0, 0]
    assert np.exp(4 * exponents.exponents[0, 0]) < 0.9
    cycle = Orbits(weights, starts=settled, **parameters).record(500 + steps).attention[0]
    assert_allclose(cycle[4:], cycle[:-4], rtol=0, atol=1e-12)
    bits = np.repeat(DECADES, replicas)
    network = FiniteNetwork(weights, bits=bits, starts=settled, streams=replicas_of(len(bits)), **parameters)
    # It forgets its start, which has no fluctuations.
    network.advance(500)
    return network.record(steps).attention.reshape(len(DECADES), replicas, steps, 3) - cycle[500:]


def scaling(sizes, deviations):
    """Exponent of the root mean square deviations against the sizes, half its confidence interval, and the fit."""
    fit = stats.linregress(np.log(sizes), np.log(np.sqrt((deviations**2).mean(axis=(1, 2, 3)))))
    return fit.slope, stats.t.ppf(0.975, len(sizes) - 2) * fit.stderr, fit


def test_fluctuations_around_a_cycle_fall_with_the_root_of_the_bits(fluctuations):
    exponent, half, _ = scaling(DECADES[1:], fluctuations[1:])
    assert abs(exponent + 0.5) < half < 0.02


def test_with_few_bits_fluctuations_are_larger_than_the_law_of_many(fluctuations):
    *_, fit = scaling(DECADES[1:], fluctuations[1:])
    measured = np.sqrt((fluctuations[0] ** 2).mean())
    assert measured > 1.3 * np.exp(fit.intercept + fit.slope * np.log(DECADES[0]))


def test_the_cycle_lies_in_the_band_of_the_replicas_and_near_their_mean(fluctuations):
    mean, deviation = fluctuations.mean(axis=1), fluctuations.std(axis=1, ddof=1)
    assert ((np.abs(mean) < 2 * deviation).mean(axis=(1, 2)) > 0.99).all()
    # By phase of the cycle, over steps and replicas: 32 replicas alone would make rare errors too small.
    steps = fluctuations.shape[2]
    phases = np.arange(steps) % 4
    pooled = np.stack([fluctuations[:, :, phases == phase].std(axis=(1, 2)) for phase in range(4)], axis=1)
    assert (np.abs(mean) < 5 * pooled[:, phases] / np.sqrt(fluctuations.shape[1])).all()


# Input that networks refuse.

GOOD = {"bits": 990, "beta": 1.2, "gamma": 220.0, "epsilon": 0.02}
BAD_BITS = [100, 0, -99, 990.0, np.nan, True, 99 * 10**20]


def finite(weights, **changes):
    arguments = {**GOOD, "starts": Context(np.zeros((4, 3)), 3), "streams": replicas_of(2), **changes}
    return FiniteNetwork(weights, **arguments)


def dense(weights, **changes):
    arguments = {**GOOD, "start": Context(np.zeros((4, 3)), 3), "generator": np.random.default_rng(1), **changes}
    return DenseNetwork(weights, **arguments)


def refused(network, weights, message, **changes):
    with pytest.raises(ValueError, match=message) as error:
        network(weights, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bits", BAD_BITS)
@pytest.mark.parametrize("network", [finite, dense])
def test_bits_are_whole_multiples_of_the_columns(published, network, bits):
    refused(network, published, r"^bits must be multiples of the 99 columns, 99 to [\d,]+, found", bits=bits)


def test_bits_have_a_limit(published):
    first_beyond = {finite: 99 * (MOST_BITS // 99 + 1), dense: 99 * (MOST_DENSE_BITS // 99 + 1)}
    refused(finite, published, "99 to 10,000,000,000, found 10000000098", bits=first_beyond[finite])
    refused(finite, published, "bits must be multiples", bits=[990, first_beyond[finite]])
    refused(dense, published, "99 to 16,777,216, found 16777233", bits=first_beyond[dense])


@pytest.mark.parametrize("network", [finite, dense])
@pytest.mark.parametrize("ensemble", [gaussian_weights, product_weights])
def test_a_network_needs_weights(network, ensemble):
    refused(network, ensemble(3, 2, template=99, seed=1), "a network needs weights, and this ensemble has correlations")


@pytest.mark.parametrize("words", [np.empty((0, 4)), np.zeros(4), np.zeros((2, 3)), np.zeros((1, 2, 4)), []])
def test_streams_are_four_words_a_point(published, words):
    refused(finite, published, r"^streams must have shape \(points, 4\) with at least one point", streams=words)


def test_numbers_of_points_must_fit(published):
    refused(finite, published, "broadcast", bits=[99, 990, 9900])
    refused(finite, published, "broadcast", starts=[Context(np.zeros((4, 3)), 3)] * 3)


@pytest.mark.parametrize("network", [finite, dense])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": np.inf}, "beta must be finite"),
        ({"epsilon": 1.5}, "epsilon must lie from 0 to 1"),
        ({"output_scale": np.nan}, "output_scale must be finite"),
    ],
)
def test_networks_refuse_the_parameters_that_the_map_refuses(published, network, changes, message):
    refused(network, published, message, **changes)


@pytest.mark.parametrize(("network", "argument"), [(finite, "starts"), (dense, "start")])
def test_contexts_fit_the_weights(published, network, argument):
    refused(network, published, r"attention must have shape \(4, 3\)", **{argument: Context(np.zeros((5, 3)), 3)})
    refused(network, published, "position must be 0 to 3, found 4", **{argument: Context(np.zeros((4, 3)), 4)})


@pytest.mark.parametrize("token", [np.ones(100), np.ones(991), np.ones((1, 101)), np.zeros(101), np.full(101, np.nan)])
def test_a_prompt_token_has_a_sign_for_every_column_and_positional_bit(published, token):
    refused(dense, published, r"^token must have shape \(101,\) and entries -1 and 1", start=token)


def test_fields_after_a_prompt_have_one_row_a_kind_of_weights(published):
    with pytest.raises(ValueError, match=r"fields must have shape \(4, 3\), found \(3, 4\)"):
        context_after_prompt(published, np.zeros((3, 4)))


@pytest.mark.parametrize("values", [np.zeros((4, 3)), np.zeros((3, 2)), np.full((3, 3), np.inf)])
@pytest.mark.parametrize("name", ["values", "keys"])
def test_a_drawn_context_has_values_and_keys_of_all_tokens_but_the_newest(name, values):
    fields = {"values": np.zeros((3, 3)), "keys": np.zeros((3, 3)), name: values}
    with pytest.raises(ValueError, match=rf"^{name} must be finite, of shape \(3, 3\)"):
        DrawnContext(np.zeros((4, 3)), 3, **fields)


@pytest.mark.parametrize("network", [finite, dense])
def test_a_network_does_not_step_back(published, network):
    with pytest.raises(ValueError, match="steps must be at least 0, found -1"):
        network(published).record(-1)


def test_each_point_needs_a_stream_of_its_own(published):
    start, one = Context(np.full((4, 3), 0.1), 3), streams(1, [(0,)])
    parameters = {"gamma": 1, "epsilon": 0.02, "starts": start}
    with pytest.raises(ValueError, match="streams must be one a point, found 1 for 2 points"):
        FiniteNetwork(published, bits=99, beta=[1, 2], streams=one, **parameters)
    with pytest.raises(ValueError, match="streams must be of type uint64, found float64"):
        FiniteNetwork(published, bits=99, beta=1, streams=one.astype(float), **parameters)


def test_a_network_of_single_bits_does_not_go_on_from_sums(published):
    prompt = context_after_prompt(published, token_fields(published, prompt_token(published, "output", 0), 0.02))
    generator = np.random.default_rng(1)
    with pytest.raises(ValueError, match="start must be a context, every token of which is drawn"):
        DenseNetwork(published, bits=99, beta=1, gamma=1, epsilon=0.02, start=prompt, generator=generator)
