"""Signal, noise, capacity and critical distances: against reference numbers, closed forms and simulations."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from mfattn.sdm.geometry import fraction_for_radius, log_ball_fraction, log_expected_neurons
from mfattn.sdm.simulations import simulate_one_step, simulate_signal
from mfattn.sdm.theory import (
    bit_quantile,
    book_intersection,
    book_slope,
    capacity,
    capacity_optimum,
    convergence_curve,
    critical_distance,
    crossing,
    fidelity,
    hopfield_curve,
    noise_moments,
    noise_sigma,
    optimal_radius,
    snr,
)

DATA = Path(__file__).parent.parent / "data" / "sdm"
OPTIMA = json.loads((DATA / "optimal_d.json").read_text())
CRITICAL = json.loads((DATA / "critical_distance.json").read_text())
VARIANCE = json.loads((DATA / "variance_comparison.json").read_text())
SIGNAL = json.loads((DATA / "mc_variance_n100.json").read_text())
STEPS = json.loads((DATA / "mc_one_step_n64_m1024.json").read_text())
KANERVA = json.loads((DATA / "circle_intersection.json").read_text())["kanerva_table"]
HOPFIELD = json.loads((DATA / "jaeckel_hopfield.json").read_text())["hopfield_one_step"]

NOISES = ("paper", "exact", "closed", "book")
RULES = {
    "crit_paper_variance": ("paper", "strict"),
    "crit_repo_rule": ("paper", "paper"),
    "crit_basin_paper": ("paper", "basin"),
    "crit_exact_variance": ("exact", "strict"),
    "crit_basin_exact": ("exact", "basin"),
}

sizes = st.integers(4, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n // 2)))
neurons = st.one_of(st.integers(1, 10**40), st.floats(1, 1e20))
patterns = st.integers(1, 10**6)


# Signal and noise


def test_noise_at_100_bits():
    parameters = VARIANCE["params"]
    n, d, r, m, dv = (parameters[name] for name in ("n", "d", "r", "m", "dv"))
    assert np.exp(log_expected_neurons(n, d, r, dv)) == pytest.approx(VARIANCE["signal_exact"], rel=1e-10)
    assert noise_sigma(n, d, r, m, dv, noise="paper") == pytest.approx(VARIANCE["sigma_appendix"], rel=1e-10)
    assert noise_sigma(n, d, r, m, dv) == pytest.approx(VARIANCE["sigma_exact_random_patterns"], rel=1e-10)
    assert noise_sigma(n, d, r, m, dv, noise="book") == pytest.approx([VARIANCE["sigma_book_old"]] * len(dv), rel=1e-10)
    assert noise_moments(n, d, r) == pytest.approx((VARIANCE["E_lambda"], VARIANCE["E_lambda_sq"]), rel=1e-10)
    assert np.exp(log_expected_neurons(n, d, r, n // 2)) == pytest.approx(VARIANCE["lambda_half"], rel=1e-10)


@pytest.mark.parametrize("table", CRITICAL["tables"], ids=lambda table: f"{table['n']}-{table['m']}")
def test_critical_distances(table):
    n, m, r = table["n"], table["m"], int(table["r"])
    for name, (noise, rule) in RULES.items():
        if table[name]:
            found = [critical_distance(n, d, r, m, noise=noise, rule=rule) for d in table["d"]]
            assert found == table[name], name
    for noise in ("paper", "exact"):
        if table[f"snr0_{noise}"]:
            found = [float(snr(n, d, r, m, 0, noise=noise)) for d in table["d"]]
            assert found == pytest.approx(table[f"snr0_{noise}"], rel=1e-10)


def test_critical_distances_by_number_of_patterns():
    case = CRITICAL["vary_m"]
    for name in ("crit_paper_variance", "crit_basin_paper"):
        noise, rule = RULES[name]
        found = [critical_distance(case["n"], case["d"], case["r"], m, noise=noise, rule=rule) for m in case["m"]]
        assert found == case[name]


def test_a_convergence_curve():
    case = CRITICAL["convergence_curve"]
    sizes = (case["n"], case["d"], case["r"], case["m"])
    dv = np.arange(case["n"] // 2 + 1)
    assert np.exp(log_expected_neurons(*sizes[:3], dv)) == pytest.approx(case["signal"], rel=1e-10)
    assert snr(*sizes, dv, noise="paper") == pytest.approx(case["snr"], rel=1e-10)
    assert convergence_curve(*sizes, noise="paper") == pytest.approx(case["new_distance"], rel=1e-10)
    assert convergence_curve(*sizes) == pytest.approx(case["new_distance_exact_variance"], rel=1e-10)
    # The variances but for the signal's own.
    for noise, name in (("paper", "noise_var"), ("exact", "noise_var_exact")):
        variance = noise_sigma(*sizes, 0, noise=noise) ** 2 - case["signal"][0]
        assert variance == pytest.approx(case[name], rel=1e-10)
    assert critical_distance(*sizes, noise="paper") == case["crit_paper_variance"]
    assert critical_distance(*sizes) == case["crit_exact_variance"]
    # With the variance of the book it crosses at about 210.
    assert critical_distance(*sizes, noise="book") == pytest.approx(210, abs=4)


@given(sizes, neurons, patterns, st.sampled_from(NOISES))
def test_curves_rise_to_half_of_the_bits(size, r, m, noise):
    n, d = size
    curve = convergence_curve(n, d, r, m, noise=noise)
    assert len(curve) == n // 2 + 1
    assert (np.diff(curve) >= -1e-9).all()
    assert curve.min() >= 0
    assert curve.max() <= n / 2 + 1e-9
    strict, basin, paper = (
        critical_distance(n, d, r, m, noise=noise, rule=rule) for rule in ("strict", "basin", "paper")
    )
    assert 0 <= strict <= n // 2
    assert 0 <= paper <= n // 2 + 1
    assert basin >= strict or strict <= n / 4 or basin == 0
    assert (curve[1 : strict + 1] < np.arange(1, strict + 1)).all()
    assert strict == n // 2 or not curve[strict + 1] < strict + 1


@given(sizes, st.integers(1, 10**12), patterns)
def test_ratio_by_its_definition(size, r, m):
    n, d = size
    p, mu = float(fraction_for_radius(n, d)), np.exp(log_expected_neurons(n, d, r))
    half = mu[n // 2]
    first, second = noise_moments(n, d, r)
    c = (d - n / 2) / math.sqrt(n / 4)
    variances = {
        "paper": mu + (m - 1) * (half + half**2),
        "exact": mu + (m - 1) * (first + second),
        "closed": mu + m * (p**2 * r + p**4 * r**2),
        "book": (1 + (math.exp(-(c**2)) / math.pi) ** 2 * r / (4 * p**2 * n)) * p**2 * r * m + 0 * mu,
    }
    for noise, variance in variances.items():
        some = (mu > 1e-280) & (variance > 1e-280)
        sigma = np.sqrt(variance[some])
        assert snr(n, d, r, m, noise=noise)[some] == pytest.approx(mu[some] / sigma, rel=1e-8)
        assert noise_sigma(n, d, r, m, noise=noise)[some] == pytest.approx(sigma, rel=1e-8)
    closed = p * r / (1 + p * m + p**3 * m * r)
    assert float(snr(n, d, r, m, 0, noise="closed")) == pytest.approx(math.sqrt(closed), rel=1e-8)


def test_ratios_at_the_ends():
    # Without a share of neurons there is no signal, and without other patterns or their share no noise but its own.
    assert snr(64, 5, 2**64, 1024, [11, 64]).tolist() == [0.0, 0.0]
    assert np.isinf(snr(64, 5, math.inf, 1, 0))
    assert snr(64, 5, 10**6, 1, 0) == pytest.approx(math.sqrt(10**6 * 8303633 / 2**64), rel=1e-12)
    # Neurons without number: what is left is the spread of the overlaps.
    assert float(snr(64, 15, math.inf, 1024, 8)) == pytest.approx(float(snr(64, 15, 10**60, 1024, 8)), rel=1e-12)
    assert fidelity([0.0, np.inf]).tolist() == [0.5, 1.0]
    assert float(fidelity(bit_quantile(1000, 0.99)) ** 1000) == pytest.approx(0.99, rel=1e-10)


def test_published_noise_is_too_small():
    for d in (5, 11, 15, 19):
        assert (noise_sigma(64, d, 2**64, 1024, noise="paper") < noise_sigma(64, d, 2**64, 1024)).all()
    found = [[float(snr(64, d, 2**64, 1024, 0, noise=noise)) for d in (7, 11, 15, 19)] for noise in ("paper", "exact")]
    assert found[0] == pytest.approx([2.65e4, 9.63e5, 1.50e7, 115], rel=5e-3)
    assert found[1] == pytest.approx([2.65e4, 9244, 326, 17], rel=5e-3)


def test_integral_of_the_book():
    found = book_intersection(1000, 451, 10**6, KANERVA["dv"])
    assert found == pytest.approx(KANERVA["continuous_book_integral_mp"], rel=1e-10)
    assert found == pytest.approx(KANERVA["repo_stored_continuous_approx"], abs=1e-6)
    # By quadrature over the angle whose squared sine is the relative distance.
    x, w = np.polynomial.legendre.leggauss(80)
    for n, d, dv in ((100, 35, 10), (64, 30, 40), (64, 32, 8)):
        start = math.asin(math.sqrt(dv / n))
        angle = start + (math.pi / 2 - start) * (0.5 + 0.5 * x)
        c = (d - n / 2) / math.sqrt(n / 4)
        integral = (math.pi / 2 - start) / 2 * np.sum(w * np.exp(-(c**2) / (2 * np.cos(angle) ** 2))) / math.pi
        assert float(book_intersection(n, d, 1, dv)) == pytest.approx(integral, rel=1e-6)
    # Balls of half the space and more, and addresses that are opposite.
    assert float(book_intersection(1000, 500, 1, 0)) == pytest.approx(0.5, rel=1e-12)
    assert float(book_intersection(1000, 550, 1, 0)) == pytest.approx(float(fraction_for_radius(1000, 550)), abs=2e-4)
    assert float(book_intersection(1000, 450, 1, 1000)) == pytest.approx(0.0, abs=1e-18)
    # Its slope is h: at half of the bits, the fraction falls by h / n for every bit.
    slope = float(np.diff(book_intersection(10_000, 4900, 1, [4999, 5001]))[0]) * 10_000 / 2
    assert -slope == pytest.approx(book_slope(10_000, 4900), rel=1e-3)


def test_hopfield_curve():
    for case in HOPFIELD:
        found = float(hopfield_curve(case["n"], case["m"], case["dv"]))
        assert found == pytest.approx(case["new_distance"], rel=1e-12)
    assert len(hopfield_curve(1000, 100)) == 501


def test_crossings():
    curve = convergence_curve(1000, 451, 10**6, 10_000, noise="paper")
    even = np.arange(0, 501, 2)
    assert 164 < crossing(even[1:], curve[even][1:]) < 166
    assert math.isnan(crossing([1, 2, 3], [0.0, 0.0, 0.0]))
    assert crossing([1, 2, 3], [0.0, 2.0, 9.0]) == 2.0


# Optimal radii


def test_radii_with_the_best_ratio():
    for case in OPTIMA["snr"]:
        found = optimal_radius(case["n"], case["m"], int(case["r"]))
        assert math.exp(found.log_fraction) == pytest.approx(case["p_snr"], rel=1e-10)
        assert found.d == case["d_snr"]


def test_radii_with_the_largest_capacity():
    for case in OPTIMA["memory"]:
        n, r = case["n"], int(case["r"])
        z = bit_quantile(n)
        assert z == pytest.approx(case["z_per_bit"], rel=1e-10)
        found = optimal_radius(n, 1, r, criterion="capacity")
        assert math.exp(found.log_fraction) == pytest.approx(case["p_mem"], rel=1e-10)
        assert found.d == case["d_mem"]
        assert found.value == pytest.approx(case["capacity_m"], rel=1e-10)
        assert r / z**2 == pytest.approx(case["upper_bound_r_over_z2"], rel=1e-10)
        assert found.value < r / z**2
        if r < 10**10:
            # The published closed form, where floats can hold it.
            a = 2 * r**4 * z**2 + r**3 * z**6 + 2 * math.sqrt(r**8 * z**4 + r**7 * z**8)
            p = (z**4 / a ** (1 / 3) + a ** (1 / 3) / r**2 + z**2 / r) / 2
            assert math.exp(found.log_fraction) == pytest.approx(p, rel=1e-10)


@given(st.floats(30, 1e18), st.floats(0.5, 4))
def test_the_capacity_is_largest_at_its_optimum(r, z):
    log_p = capacity_optimum(r, z)
    if log_p < 0:
        best = float(capacity(r, math.exp(log_p), z))
        assert all(
            float(capacity(r, min(math.exp(log_p) * f, 1.0), z)) <= best * (1 + 1e-12) for f in (0.9, 0.999, 1.001, 1.1)
        )
    a, b = math.exp(log_p), 2 * math.exp(log_p) * r
    assert b * a**2 * r == pytest.approx(3 * z**2 * a**2 * r + z**2, rel=1e-9)


def test_capacity_of_a_million_neurons():
    best = capacity_optimum(10**6, 2.33)
    assert math.exp(best) == pytest.approx(1.423e-4, rel=1e-3)
    assert round(float(capacity(10**6, math.exp(best), 2.33))) == 173_657
    # Too few active neurons to read anything at that ratio.
    assert float(capacity(10**6, 1e-6, 2.33)) < 1
    # Far beyond floats.
    assert capacity_optimum(10**400, 2.3) == pytest.approx(
        -2 / 3 * 400 * math.log(10) + math.log(2.3**2 / 2) / 3, rel=1e-6
    )


def test_the_three_radii_of_the_paper():
    sizes = (64, 1024, 2**64)
    assert optimal_radius(*sizes, criterion="capacity").d == OPTIMA["paper"]["n64_m1024_r2p64"]["d_mem"]
    assert optimal_radius(*sizes, criterion="snr").d == OPTIMA["paper"]["n64_m1024_r2p64"]["d_snr"]
    published = optimal_radius(*sizes, criterion="critical", mode="discrete", noise="paper", rule="paper")
    assert (published.d, published.value) == (OPTIMA["paper"]["n64_m1024_r2p64"]["d_cd"], 31.0)
    corrected = optimal_radius(*sizes, criterion="critical", mode="discrete")
    assert (corrected.d, corrected.value) == (12, 18.0)


def test_the_best_ratio_depends_on_the_noise():
    found = {
        noise: optimal_radius(64, 1024, 2**64, mode="discrete", noise=noise).d for noise in ("closed", "paper", "exact")
    }
    assert found == {"closed": 11, "paper": 15, "exact": 8}
    radii = range(430, 460)
    found = {
        noise: optimal_radius(1000, 10_000, 10**6, mode="discrete", noise=noise, radii=radii).d
        for noise in ("closed", "paper", "exact")
    }
    assert found == {"closed": 446, "paper": 446, "exact": 446}
    assert optimal_radius(1000, 10_000, 10**6).d == 447


def test_the_peak_of_the_critical_distance():
    found = optimal_radius(
        1000, 10_000, 10**6, criterion="critical", mode="discrete", noise="paper", radii=range(440, 460)
    )
    assert (found.d, found.value) == (448, 176.0)
    assert found.log_fraction == float(log_ball_fraction(1000, 448))
    discrete = optimal_radius(1000, 1, 10**6, criterion="capacity", mode="discrete")
    assert discrete.d in (443, 444)
    assert discrete.value <= optimal_radius(1000, 1, 10**6, criterion="capacity").value


# Simulations


def test_signal_and_noise_of_real_neurons():
    n, d, r, m = 100, 35, 10_000, 100
    dv = [int(v) for v in SIGNAL]
    found = simulate_signal(n, d, r, m, dv, draws=50, seed=7)
    stored = {name: np.array([case[name] for case in SIGNAL.values()]) for name in ("mean_signal", "sigma_total")}
    signal = np.exp(log_expected_neurons(n, d, r, dv))
    wide = np.diff(found.signal_band, axis=0)[0]
    assert (np.abs(found.signal - signal) < wide).all()
    assert (np.abs(found.signal - stored["mean_signal"]) < wide + 0.03 * stored["mean_signal"]).all()
    wide = np.diff(found.sigma_band, axis=0)[0]
    assert (np.abs(found.sigma - noise_sigma(n, d, r, m, dv)) < wide).all()
    assert (np.abs(found.sigma - stored["sigma_total"]) < wide + 0.03 * stored["sigma_total"]).all()
    # The band tells the exact noise from the others, where they are far apart.
    assert noise_sigma(n, d, r, m, 50, noise="paper") < found.sigma_band[0, -1]
    assert noise_sigma(n, d, r, m, 0, noise="book") < found.sigma_band[0, 0]
    # The stored trials are within 3 % of the exact theory.
    assert stored["sigma_total"] == pytest.approx(noise_sigma(n, d, r, m, dv), rel=0.035)


@pytest.mark.parametrize("d", [9, 11, 15, 19])
def test_one_step_of_infinitely_many_neurons(d):
    stored = STEPS[str(d)]
    dv = [int(v) for v in stored]
    found = simulate_one_step(64, d, 1024, dv, draws=12, queries=64, seed=1)
    mean, error, empty = (
        np.array([case[name] for case in stored.values()]) for name in ("mean_new", "sem", "frac_no_overlap")
    )
    # A mean of zeros has no spread, though the next trial may not be 0.
    allowed = 4 * np.hypot(found.error, error) + 4 / (12 * 64)
    assert (np.abs(found.new_distance - mean) < allowed).all()
    assert np.abs(found.empty - empty).max() < 0.1
    assert (found.band[0] <= found.new_distance).all()
    assert (found.new_distance <= found.band[1]).all()


def test_theory_and_simulation_of_critical_distances():
    dv = range(16, 30, 2)
    found = simulate_one_step(64, 15, 1024, dv, draws=8, queries=64, seed=2)
    simulated = crossing(dv, found.new_distance)
    # In between: the published theory is too far, the normal one with the exact noise too near.
    assert 21 < simulated < 23
    assert critical_distance(64, 15, 2**64, 1024) == 18
    assert critical_distance(64, 15, 2**64, 1024, noise="paper") == 30


def test_simulations_are_those_of_their_seed():
    first, second, other = (simulate_signal(40, 12, 500, 10, [0, 4], draws=3, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.signal, second.signal)
    assert np.array_equal(first.sigma_band, second.sigma_band)
    assert not np.array_equal(first.signal, other.signal)
    step = [simulate_one_step(40, 12, 50, [0, 8, 16], draws=2, queries=10, seed=5) for _ in range(2)]
    assert np.array_equal(step[0].new_distance, step[1].new_distance)


def test_queries_without_weight_stay():
    found = simulate_one_step(64, 1, 20, [3, 10], draws=2, queries=5)
    assert found.new_distance.tolist() == [3.0, 10.0]
    assert found.empty.tolist() == [1.0, 1.0]
    assert simulate_one_step(64, 1, 20, [2], draws=2, queries=5).new_distance.tolist() == [0.0]


def test_probability_of_a_bit_is_that_of_the_normal_distribution():
    ratios = np.linspace(-3, 3, 7)
    assert fidelity(ratios) == pytest.approx(0.5 * special.erfc(-ratios / math.sqrt(2)), rel=1e-12)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: snr(64, 65, 10, 10), "d must be 0 to 64, found 65"),
        (lambda: snr(64, 5, 0, 10), "r must be a number above 0, found 0"),
        (lambda: snr(64, 5, -1, 10), "r must be a number above 0, found -1"),
        (lambda: snr(64, 5, 10, 0), "m must be at least 1, found 0"),
        (lambda: snr(64, 5, 10, 2.5), "m must be an integer, found 2.5"),
        (lambda: snr(64, 5, 10, 10, noise="white"), "noise must be one of paper, exact, closed, book, found 'white'"),
        (lambda: snr(64, 5, 10, 10, [-1]), "dv must be 0 to n = 64"),
        (lambda: critical_distance(64, 5, 10, 10, rule="loose"), "rule must be one of strict, basin, paper"),
        (lambda: convergence_curve(0, 0, 10, 10), "n must be at least 1, found 0"),
        (lambda: bit_quantile(64, 1.0), "probability must be above 0 and below 1, found 1.0"),
        (lambda: capacity(10, 0.0, 2.0), "p must be above 0 and at most 1"),
        (lambda: capacity(10, 0.5, 0.0), "z must be finite and above 0, found 0.0"),
        (lambda: capacity(math.inf, 0.5, 2.0), "r must be finite, found inf"),
        (lambda: optimal_radius(64, 0, 10), "m must be at least 1, found 0"),
        (lambda: optimal_radius(64, 10, 10, criterion="beauty"), "criterion must be one of snr, capacity, critical"),
        (lambda: optimal_radius(64, 10, 10, mode="open"), "mode must be one of closed, discrete"),
        (
            lambda: optimal_radius(64, 10, 10, criterion="critical"),
            "no optimum in closed form: mode must be 'discrete'",
        ),
        (lambda: optimal_radius(64, 10, 3, criterion="capacity"), "there are too few neurons"),
        (lambda: optimal_radius(64, 10, 10, mode="discrete", radii=[]), "radii must not be empty"),
        (lambda: optimal_radius(64, 10, 10, mode="discrete", radii=[65]), "d must be 0 to 64, found 65"),
        (lambda: book_intersection(64, 5, -1.0), "r must be a number above 0"),
        (lambda: noise_moments(64, 65, 10), "d must be 0 to 64, found 65"),
        (lambda: crossing([1, 2], [1.0]), "distances must be two sequences of one length"),
        (lambda: hopfield_curve(64, 0), "m must be at least 1, found 0"),
        (lambda: simulate_signal(64, 5, 0, 10, [0]), "r must be at least 1, found 0"),
        (lambda: simulate_signal(64, 5, 10, 10, [0], queries=11), "queries must be 1 to 10, found 11"),
        (lambda: simulate_signal(64, 5, 10, 10, [0], draws=1), "draws must be at least 2, found 1"),
        (lambda: simulate_one_step(64, 5, 10, [65], queries=5), "dv must be 0 to n = 64"),
        (lambda: simulate_one_step(64, 5, 10, [0], queries=5, seed=-1), "seed must be at least 0, found -1"),
    ],
)
def test_bad_input_is_one_clear_line(ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask()
    assert "\n" not in str(error.value)
