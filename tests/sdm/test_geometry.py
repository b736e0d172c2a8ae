"""Balls and their intersections: against exact counts, enumeration, identities, and bounds that must hold."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.sdm.bounds import (
    bounds,
    largest_term,
    normal_approximation,
    number_of_terms,
    published_multiplier,
    taylor_approximation,
)
from mfattn.sdm.geometry import (
    LOG_2,
    ball_size,
    cosine_to_hamming,
    expected_neurons,
    fraction_for_radius,
    hamming_to_cosine,
    intersection_counts,
    intersection_counts_unequal,
    log_ball_fraction,
    log_binomial,
    log_expected_neurons,
    log_expected_neurons_unequal,
    log_intersection,
    log_intersection_unequal,
    log_weighted_intersection,
    prob_any_neuron,
    radius_for_any_neuron,
    radius_for_fraction,
    radius_for_log_fraction,
    radius_for_neurons,
)

DATA = Path(__file__).parent.parent / "data" / "sdm"
CIRCLES = json.loads((DATA / "circle_intersection.json").read_text())
LOG_COUNTS = np.load(DATA / "circle_log_counts.npz")
FRACTIONS = json.loads((DATA / "space_fraction_radius.json").read_text())
NEURONS = json.loads((DATA / "neuron_address_distribution.json").read_text())
BOUNDS = json.loads((DATA / "exp_bounds.json").read_text())["rows"]

ROUNDING = 1e-10
"""In a logarithm, of bounds that can be equal to what they bound."""


@st.composite
def sizes(draw, largest=200):
    n = draw(st.integers(1, largest))
    return n, draw(st.integers(0, n))


def logs(counts):
    return np.array([math.log(count) if count else -math.inf for count in counts])


def assert_logs_close(found, expected, tolerance=1e-11):
    found, expected = np.asarray(found), np.array([-math.inf if x is None else x for x in expected])
    assert np.array_equal(np.isneginf(found), np.isneginf(expected))
    some = np.isfinite(expected)
    assert np.abs(found[some] - expected[some]).max(initial=0.0) <= tolerance


# Intersections


@pytest.mark.parametrize("n", range(1, 13))
def test_all_intersections_of_few_bits(n):
    for d, expected in CIRCLES["all_small_n_1_to_12"][str(n)].items():
        assert intersection_counts(n, int(d)) == expected
        assert_logs_close(log_intersection(n, int(d)), logs(expected))


def test_all_intersections_of_64_bits():
    for d, expected in CIRCLES["n64_all_d_all_dv_counts"].items():
        assert intersection_counts(64, int(d)) == [int(count) for count in expected]
        assert_logs_close(log_intersection(64, int(d)), logs([int(count) for count in expected]))


def test_unequal_radii():
    for case in CIRCLES["unequal_radii"]:
        n, radii, dv = case["n"], (case["d1"], case["d2"]), case["dv"]
        assert intersection_counts_unequal(n, *radii)[dv] == int(case["count"])
        assert_logs_close(log_intersection_unequal(n, *radii, [dv]), [case["log_count"]])


@pytest.mark.parametrize("key", LOG_COUNTS.files)
def test_logarithms_up_to_4096_bits(key):
    n, d = (int(part[1:]) for part in key.split("_")[1:])
    expected = LOG_COUNTS[key]
    assert_logs_close(log_intersection(n, d), expected)
    assert_logs_close(log_expected_neurons(n, d), expected - n * LOG_2)


def test_kanerva_table():
    table = CIRCLES["kanerva_table"]
    found = expected_neurons(1000, 451, 10**6, table["dv"])
    assert found == pytest.approx(table["exact"], rel=1e-11)
    assert found == pytest.approx(table["repo_stored_exact"], abs=1e-6)


def test_expected_neurons():
    case = CIRCLES["n1000_d451_r1e6"]
    assert expected_neurons(1000, 451, case["r"]) == pytest.approx(case["expected_neurons_all_dv"], rel=1e-11)
    for key, case in CIRCLES["n64_r2p64"].items():
        expected = [float(count) for count in case["expected_neurons"]]
        assert expected_neurons(64, int(key[2:]), 2**64) == pytest.approx(expected, rel=1e-11)
        assert expected_neurons(64, int(key[2:])) == pytest.approx(expected, rel=1e-11)


def test_radii_of_write_and_read_may_differ():
    found = np.exp(log_expected_neurons_unequal(1000, 451, 405, 10**6, [0, 10]))
    expected = [intersection_counts_unequal(1000, 405, 451)[dv] * 10**6 / 2**1000 for dv in (0, 10)]
    assert found == pytest.approx(expected, rel=1e-11)


@given(sizes())
def test_squares_of_balls(size):
    n, d = size
    counts = intersection_counts(n, d)
    assert sum(math.comb(n, dv) * count for dv, count in enumerate(counts)) == counts[0] ** 2
    assert counts[0] == ball_size(n, d)
    mean = np.logaddexp.reduce(log_binomial(n, np.arange(n + 1)) + log_expected_neurons(n, d))
    assert mean == pytest.approx(2 * log_ball_fraction(n, d), abs=1e-11)


@given(sizes())
def test_intersections_fall_in_steps_of_two(size):
    n, d = size
    counts = intersection_counts(n, d)
    assert all(counts[dv] >= counts[dv + 1] for dv in range(n))
    assert all(counts[2 * k - 1] == counts[2 * k] for k in range(1, n // 2 + 1))
    if 2 * d < n:
        assert [count == 0 for count in counts] == [dv > 2 * d for dv in range(n + 1)]
    table = log_intersection(n, d)
    assert (np.diff(table[np.isfinite(table)]) <= 0).all()
    assert np.array_equal(table[1:-1:2], table[2::2])


@given(sizes(60), st.data())
def test_unequal_radii_in_either_order(size, data):
    n, d1 = size
    d2 = data.draw(st.integers(0, n))
    counts = intersection_counts_unequal(n, d1, d2)
    assert counts == intersection_counts_unequal(n, d2, d1)
    assert np.array_equal(log_intersection_unequal(n, d1, d2), log_intersection_unequal(n, d2, d1))
    assert_logs_close(log_intersection_unequal(n, d1, d2), logs(counts))
    # The sum over bits in which a point differs from the first centre.
    for dv in {0, n // 3, n}:
        direct = sum(
            math.comb(dv, i) * math.comb(n - dv, j)
            for i in range(dv + 1)
            for j in range(min(d1 - i, d2 - (dv - i), n - dv) + 1)
        )
        assert counts[dv] == direct
    assert sum(math.comb(n, dv) * count for dv, count in enumerate(counts)) == ball_size(n, d1) * ball_size(n, d2)


@given(sizes(40), st.data())
def test_published_sum_over_agreements(size, data):
    n, d = size
    dv = data.draw(st.integers(0, n))
    least = range(max(0, n - d - dv // 2), n - dv + 1)
    terms = [
        math.comb(n - dv, a) * math.comb(dv, b)
        for a in least
        for b in range(max(0, n - d - a), min(dv, dv - (n - d - a)) + 1)
    ]
    assert sum(terms) == intersection_counts(n, d)[dv]


@pytest.mark.parametrize("n", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("weight", ["uniform", "linear", "exponential", "cosine"])
def test_weighted_sums_by_enumeration(n, weight):
    weights = {
        "uniform": lambda s: 1.0,
        "linear": lambda s: 1 - s / n,
        "exponential": lambda s: math.exp(-0.3 * s),
        "cosine": lambda s: (1 - s / n) / 2,
    }[weight]
    for d in range(n + 1):
        for dv in range(n + 1):
            distances = [(z.bit_count(), (z ^ ((1 << dv) - 1)).bit_count()) for z in range(2**n)]
            expected = sum(weights(s) * weights(t) for s, t in distances if max(s, t) <= d)
            found = float(np.exp(log_weighted_intersection(n, d, dv, weight=weight, rate=0.3)))
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_uniform_weights_are_none():
    assert_logs_close(log_weighted_intersection(200, 70, weight="uniform"), log_intersection(200, 70))
    assert log_weighted_intersection(64, 11, [[0, 1], [2, 3]]).shape == (2, 2)


@pytest.mark.parametrize("n", [1100, 10_000])
def test_no_overflow_at_many_bits(n):
    d = n * 45 // 100
    table = log_expected_neurons(n, d)
    some = [0, 1, 2, n // 10, d, 2 * d]
    counts = intersection_counts(n, d)
    # Python takes logarithms of integers of any size.
    exact = np.array([math.log(counts[dv]) for dv in some])
    assert log_intersection(n, d, some) == pytest.approx(exact, rel=1e-14)
    assert table[some] == pytest.approx(exact - n * LOG_2, abs=1e-11)
    assert np.isfinite(table[: 2 * d + 1]).all()
    assert np.isneginf(table[2 * d + 1 :]).all()
    # Neurons without end, as Python's integers count them.
    assert log_expected_neurons(n, d, 2**n, 0) == pytest.approx(log_intersection(n, d, 0), rel=1e-12)


def test_identity_at_100_000_bits():
    n, d = 100_000, 49_500
    mean = np.logaddexp.reduce(log_binomial(n, np.arange(n + 1)) + log_expected_neurons(n, d))
    assert mean == pytest.approx(2 * float(log_ball_fraction(n, d)), abs=1e-11)


# Balls


def test_radii_of_fractions():
    for case in FRACTIONS["rows"]:
        n, d = case["n"], case["d"]
        assert radius_for_fraction(n, case["p"]) == d
        assert fraction_for_radius(n, [d, d - 1]) == pytest.approx([case["cdf_d"], case["cdf_d_minus_1"]], rel=1e-12)
    assert fraction_for_radius(64) == pytest.approx(FRACTIONS["cdf_table_n64"], rel=1e-12)
    assert radius_for_fraction(1000, 0.0035) == 457


@given(sizes(300))
def test_fraction_and_radius_are_inverse(size):
    n, d = size
    log_p = float(log_ball_fraction(n, d))
    size_of_ball = ball_size(n, d)
    outside = (2**n - size_of_ball) / 2**n
    exact = math.log(size_of_ball) - n * LOG_2 if outside > 0.5 else math.log1p(-outside)
    assert log_p == pytest.approx(exact, rel=1e-13, abs=1e-15)
    if d < n and outside > 1e-12:
        assert radius_for_log_fraction(n, log_p) == d
        assert radius_for_fraction(n, math.exp(log_p)) == d
    if outside > 1e-3:
        assert radius_for_fraction(n, math.exp(log_p) * (1 + 1e-9)) == d + 1
    assert radius_for_fraction(n, 1.0) == n


def test_fractions_below_floats():
    assert radius_for_log_fraction(10_000, float(log_ball_fraction(10_000, 3))) == 3
    assert float(log_ball_fraction(10_000, 0)) == pytest.approx(-10_000 * LOG_2, rel=1e-15)


def test_neurons_near_an_address():
    n, r = NEURONS["n"], NEURONS["r"]
    d = np.arange(500)
    exact, published = NEURONS["prob_at_least_one_exact"], NEURONS["repo_normal_poisson_formula"]
    assert prob_any_neuron(n, d, r) == pytest.approx(exact, rel=1e-12)
    assert prob_any_neuron(n, d, r, formula="published") == pytest.approx(published, rel=1e-12)
    assert r * fraction_for_radius(n, d) == pytest.approx(NEURONS["expected_neurons_exact"], rel=1e-12)
    for case in NEURONS["extra"]:
        found = float(prob_any_neuron(case["n"], case["d"], int(case["r"])))
        assert found == pytest.approx(case["prob"], rel=1e-12)
    assert radius_for_any_neuron(n, r) == NEURONS["d_first_prob_ge_half"]["exact"]
    assert radius_for_any_neuron(n, r, 0.99) == NEURONS["d_first_prob_ge_0p99"]["exact"]
    assert radius_for_neurons(n, r) == NEURONS["d_first_expected_ge_1"]["exact"]


def test_any_neuron_of_more_than_a_float_counts():
    assert prob_any_neuron(2000, [0, 2000], 10**700).tolist() == [1.0, 1.0]
    # (1 - p)^r = exp(-r p) where p is that small.
    assert float(prob_any_neuron(2000, 0, 10**400)) == pytest.approx(10**400 / 2**2000, rel=1e-11)


def test_hamming_and_cosine_round_trip_up_to_4096():
    for n in range(1, 4097):
        distances = np.arange(n + 1)
        assert np.array_equal(cosine_to_hamming(n, hamming_to_cosine(n, distances)), distances)
    # In single precision, too, and without touching what is given.
    cosines = hamming_to_cosine(1000, np.arange(1001)).astype(np.float32)
    before = cosines.copy()
    assert np.array_equal(cosine_to_hamming(1000, cosines), np.arange(1001))
    assert np.array_equal(cosines, before)
    assert cosine_to_hamming(8, [1 + 1e-9, -1 - 1e-9]).tolist() == [0, 8]


# Bounds


@pytest.mark.parametrize("case", BOUNDS, ids=lambda case: f"{case['n']}-{case['d']}")
def test_published_approximations_and_their_multiplier(case):
    n, d, dv = case["n"], case["d"], case["dv"]
    found = bounds(n, d, dv)
    assert_logs_close(log_expected_neurons(n, d, 1, dv), case["log_p_exact"], ROUNDING)
    assert_logs_close(found.largest_term, case["log_p_largest_term"], ROUNDING)
    assert found.terms.tolist() == case["n_terms"]
    assert_logs_close(normal_approximation(n, d, dv), case["log_p_normal_approx"], ROUNDING)
    assert_logs_close(taylor_approximation(n, d, dv), case["log_p_taylor"], ROUNDING)
    assert published_multiplier(n, d, dv).tolist() == case["repo_num_sum_elements"]


@given(sizes(120))
def test_bounds_hold(size):
    n, d = size
    exact = log_expected_neurons(n, d)
    found = bounds(n, d)
    for lower in (found.largest_term, found.sharp_lower):
        assert (lower <= exact + ROUNDING).all()
    for upper in (found.upper, found.sharp_upper):
        assert (exact <= upper + ROUNDING).all()
    assert (found.sharp_lower >= found.largest_term - ROUNDING).all()
    assert (found.sharp_upper <= found.upper + ROUNDING).all()


@given(sizes(16))
def test_terms_by_enumeration(size):
    n, d = size
    for dv in range(n + 1):
        terms = [
            math.comb(dv, i) * math.comb(n - dv, j)
            for i in range(dv + 1)
            for j in range(min(d - i, d - (dv - i), n - dv) + 1)
        ]
        assert number_of_terms(n, d, dv) == len(terms)
        assert np.exp(largest_term(n, d, dv) + n * LOG_2) == pytest.approx(max(terms, default=0), rel=1e-12)
        published = sum(dv - (n - d - a) - max(0, n - d - a) for a in range(n - d - dv // 2, n - dv + 1))
        assert published_multiplier(n, d, dv) == published


@pytest.mark.parametrize(("n", "d"), [(64, 11), (100, 44), (1000, 405), (1000, 451), (10_000, 4800), (1000, 600)])
def test_sharp_bounds_are_within_a_factor(n, d):
    found, exact = bounds(n, d), log_expected_neurons(n, d)
    some = np.isfinite(exact)
    assert (found.sharp_upper[some] - exact[some]).max() < math.log(2)
    assert (exact[some] - found.sharp_lower[some]).max() < math.log(8)
    assert (found.upper[some] - found.largest_term[some]).max() > 3


def test_the_published_lower_bound_is_above_and_the_upper_one_below():
    assert normal_approximation(64, 11, 1) > log_expected_neurons(64, 11, 1, 1) + math.log(3)
    assert normal_approximation(64, 5, 1) > log_expected_neurons(64, 5, 1, 1) + math.log(90)
    assert published_multiplier(64, 5, 10) == 0
    assert intersection_counts(64, 5)[10] == 252


def test_constant_prefactors_are_the_extremes():
    n, d = 1000, 451
    dv = np.arange(1, n)
    for approximation in (normal_approximation, taylor_approximation):
        lower, middle, upper = (approximation(n, d, dv, prefactor=name) for name in ("lower", "distance", "upper"))
        assert (lower <= middle + 1e-12).all()
        assert (middle <= upper + 1e-12).all()
        assert middle[0] == pytest.approx(upper[0], rel=1e-14)
        assert middle[n // 2 - 1] == pytest.approx(lower[n // 2 - 1], rel=1e-14)
    assert np.isnan(normal_approximation(n, d, [0, n])).all()


# What must not be asked


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: log_intersection(64, 65), "d must be 0 to 64, found 65"),
        (lambda: log_intersection(64, -1), "d must be 0 to 64, found -1"),
        (lambda: intersection_counts(0, 0), "n must be at least 1, found 0"),
        (lambda: intersection_counts(8, 2.0), "d must be an integer, found 2.0"),
        (lambda: intersection_counts(True, 0), "n must be an integer, found True"),
        (lambda: intersection_counts("8", 0), "n must be an integer, found '8'"),
        (lambda: intersection_counts_unequal(8, 2, 9), "d2 must be 0 to 8, found 9"),
        (lambda: log_intersection(8, 2, [9]), "dv must be 0 to n = 8, found 9 to 9"),
        (lambda: log_intersection(8, 2, [-1]), "dv must be 0 to n = 8"),
        (lambda: log_intersection(8, 2, [0.5]), "dv must be integers, found float64"),
        (lambda: expected_neurons(8, 2, 0), "r must be a number above 0, found 0"),
        (lambda: expected_neurons(8, 2, -5), "r must be a number above 0, found -5"),
        (lambda: expected_neurons(8, 2, math.nan), "r must be a number above 0, found nan"),
        (lambda: expected_neurons(8, 2, math.inf), "r must be finite, found inf"),
        (lambda: expected_neurons(8, 2, "many"), "r must be a number above 0, found 'many'"),
        (lambda: ball_size(8, 9), "d must be 0 to 8, found 9"),
        (lambda: fraction_for_radius(8, 9), "d must be 0 to n = 8"),
        (lambda: radius_for_fraction(8, 0.0), "p must be above 0 and at most 1, found 0.0"),
        (lambda: radius_for_fraction(8, 1.5), "p must be above 0 and at most 1, found 1.5"),
        (lambda: radius_for_log_fraction(8, math.nan), "log_p must be a number, found nan"),
        (lambda: radius_for_log_fraction(8, 0.1), "a fraction of the space must be at most 1"),
        (lambda: radius_for_fraction(8, "half"), "p must be a number, found 'half'"),
        (
            lambda: prob_any_neuron(8, 2, 10, formula="normal"),
            "formula must be one of exact, published, found 'normal'",
        ),
        (lambda: radius_for_neurons(8, 10, 0), "expected must be above 0 and at most r, found 0"),
        (lambda: radius_for_any_neuron(8, 10, 1.0), "probability must be above 0 and below 1, found 1.0"),
        (lambda: log_weighted_intersection(8, 2, weight="cubic"), "weight must be one of uniform, linear"),
        (lambda: log_weighted_intersection(8, 2, rate=math.inf), "rate must be finite, found inf"),
        (lambda: normal_approximation(8, 2, prefactor="none"), "prefactor must be one of distance, lower, upper"),
        (lambda: bounds(8, 9), "d must be 0 to 8, found 9"),
        (lambda: hamming_to_cosine(8, [9]), "dv must be 0 to n = 8"),
        (lambda: cosine_to_hamming(8, [math.nan]), "cosine must be finite"),
    ],
)
def test_bad_input_is_one_clear_line(ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask()
    assert "\n" not in str(error.value)
