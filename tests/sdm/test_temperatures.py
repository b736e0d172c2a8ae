"""Fitted inverse temperatures: against reference fits, the published values, their definitions, and enumeration."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from mfattn.sdm.geometry import hamming_to_cosine, log_binomial, log_intersection
from mfattn.sdm.sphere import log_double_cap, matched_radius, radius_to_angle
from mfattn.sdm.temperatures import (
    beta_table,
    compare,
    comparison_table,
    default_distances,
    fit_beta,
    least_radius,
    local_beta,
    log_weights,
    radius_for_beta,
    softmax_weights,
)

DATA = Path(__file__).parent.parent / "data" / "sdm"
FITS = json.loads((DATA / "beta_fits.json").read_text())
CAP_FITS = json.loads((DATA / "cap_intersection.json").read_text())["beta_fits"]
ESTIMATORS = ("ols", "paper", "weighted", "levels", "softmax", "kl", "taylor")

sizes = st.integers(8, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(3, n // 2)))


@pytest.mark.parametrize("case", FITS["rows"], ids=lambda case: f"{case['n']}-{case['d']}")
def test_reference_fits(case):
    n, d, r = case["n"], case["d"], int(case["r"])
    ols = fit_beta(n, d, r=r)
    assert ols.beta == pytest.approx(case["beta_ols"], rel=1e-9)
    assert ols.bias == pytest.approx(case["bias_ols"], rel=1e-9)
    assert ols.r_squared == pytest.approx(case["r2_ols"], rel=1e-9)
    assert [ols.first, ols.last] == case["dv_used"]
    assert ols.points == case["n_points"]
    paper = fit_beta(n, d, estimator="paper", r=r)
    assert paper.beta == pytest.approx(case["beta_repo_definition"], rel=1e-9)
    assert paper.bias == pytest.approx(case["bias_repo_definition"], rel=1e-9)
    shifted = fit_beta(n, d, estimator="paper", distances=range(1, d + 1))
    assert shifted.beta == pytest.approx(case["repo_variant_dv_1_to_d"], rel=1e-9)
    levels = fit_beta(n, d, estimator="levels")
    assert levels.beta == pytest.approx(case["distinct_levels_beta_ols (dv even only, 0..d-1)"], rel=1e-9)
    softmax = fit_beta(n, d, estimator="softmax")
    assert softmax.beta == pytest.approx(case["beta_softmax_mse"], rel=1e-4)
    error = np.exp(special.log_softmax(log_intersection(n, d))) - softmax_weights(n, softmax.beta)
    assert np.square(error).mean() == pytest.approx(case["mse"], rel=1e-6)
    assert fit_beta(n, d, estimator="kl").beta == pytest.approx(case["beta_kl_mean_match"], rel=1e-9)
    assert fit_beta(n, d, estimator="taylor").beta == pytest.approx(case["beta_taylor_(n-2d)^2/(4n)"], rel=1e-12)


@pytest.mark.parametrize("case", CAP_FITS, ids=lambda case: str(case["d"]))
def test_reference_fits_of_caps(case):
    n, d = case["n"], case["d"]
    ols = fit_beta(n, d, kind="cap")
    assert ols.beta == pytest.approx(case["beta_ols"], rel=1e-9)
    assert ols.bias == pytest.approx(case["bias_ols_log_fraction"], rel=1e-9)
    assert fit_beta(n, d, kind="cap", estimator="paper").beta == pytest.approx(case["beta_repo_definition"], rel=1e-9)


def test_values_that_were_published():
    paper = {d: fit_beta(64, d, estimator="paper").beta for d in (5, 11, 15)}
    assert [round(beta, 1) for beta in paper.values()] == [35.5, 15.9, 10.1]
    assert [round(fit_beta(64, d).beta, 2) for d in (5, 11, 15)] == [28.39, 14.41, 9.44]
    stored = FITS["paper"]["stored_outputs"]
    for d in (5, 9, 11, 15):
        values = stored[f"n64_d{d}"]
        assert fit_beta(64, d, estimator="paper").beta == pytest.approx(values["bin_log"], rel=1e-9)
        for name, kind in (("bin", "binary"), ("cont", "cap")):
            if f"{name}_softmax" in values:
                found = fit_beta(64, d, kind=kind, estimator="softmax").beta
                assert found == pytest.approx(values[f"{name}_softmax"], rel=1e-4)
            if name == "cont" and "cont_log" in values:
                # Their cosines of coinciding centres are 1 - 1e-15.
                found = fit_beta(64, d, kind=kind, estimator="paper").beta
                assert found == pytest.approx(values["cont_log"], rel=1e-7)
    for d, beta in stored["n1000"].items():
        # Their intersections cancel, which leaves six digits.
        assert fit_beta(1000, int(d), estimator="paper").beta == pytest.approx(beta, rel=1e-6)
    for d, beta in stored["n64_table_dv_1_to_d"].items():
        found = fit_beta(64, int(d), estimator="paper", distances=range(1, int(d) + 1)).beta
        assert found == pytest.approx(beta, abs=1e-6)


def test_how_straight_the_logarithms_are():
    found = {(n, d): fit_beta(n, d).r_squared for n, d in ((64, 5), (64, 9), (64, 11), (64, 15), (64, 27), (1000, 451))}
    expected = [0.887, 0.960, 0.972, 0.984, 0.991, 0.992]
    assert list(found.values()) == pytest.approx(expected, abs=5e-4)


# Estimators by their definitions


@given(sizes, st.sampled_from(["binary", "cap", "largest_term"]))
def test_lines_are_least_squares(size, kind):
    n, d = size
    for estimator in ("ols", "weighted", "levels"):
        dv = default_distances(n, d, estimator)
        if len(dv) < 2:
            continue
        y = log_weights(n, d, dv, kind=kind)
        x = hamming_to_cosine(n, dv)
        weights = np.exp(0.5 * (y - y.max())) if estimator == "weighted" else None
        slope, intercept = np.polyfit(x, y, 1, w=weights) if len(x) > 2 else ((y[0] - y[1]) / (x[0] - x[1]), math.nan)
        found = fit_beta(n, d, kind=kind, estimator=estimator)
        assert found.beta == pytest.approx(slope, rel=1e-6)
        assert found.points == len(dv)
        if len(x) > 2:
            assert found.bias == pytest.approx(intercept, rel=1e-6, abs=1e-6)
            assert found.standard_error >= 0
        else:
            assert math.isnan(found.standard_error)
    points = len(default_distances(n, d, "ols"))
    ratio = fit_beta(n, d, kind=kind, estimator="paper").beta / fit_beta(n, d, kind=kind).beta
    assert ratio == pytest.approx(points / (points - 1), rel=1e-9)


@given(sizes, st.sampled_from(["binary", "cap"]))
def test_fits_of_weights_are_optimal(size, kind):
    n, d = size
    x, weights = hamming_to_cosine(n, np.arange(n + 1)), special.softmax(log_weights(n, d, kind=kind))

    def square(beta):
        return np.square(softmax_weights(n, beta) - weights).sum()

    def divergence(beta):
        return -(weights * special.log_softmax(beta * x)).sum()

    for estimator, loss in (("softmax", square), ("kl", divergence)):
        found = fit_beta(n, d, kind=kind, estimator=estimator)
        # At a minimum the loss is flat to rounding.
        assert loss(found.beta) <= min(loss(found.beta * f) for f in (0.5, 0.99, 1.01, 2.0)) + 1e-13
        assert found.largest_error == pytest.approx(np.abs(softmax_weights(n, found.beta) - weights).max(), abs=1e-12)
        assert found.points == n + 1
    assert softmax_weights(n, found.beta) @ x == pytest.approx(weights @ x, abs=1e-9)


@given(sizes, st.sampled_from(ESTIMATORS), st.integers(1, 10**30))
def test_neurons_shift_only_the_bias(size, estimator, r):
    n, d = size
    one, many = fit_beta(n, d, estimator=estimator), fit_beta(n, d, estimator=estimator, r=r)
    assert many.beta == one.beta
    assert many.bias == pytest.approx(one.bias + math.log(r), rel=1e-9, abs=1e-9)
    assert many.r_squared == one.r_squared


def test_distances_without_weight_are_left_out_of_lines_only():
    line = fit_beta(64, 5, distances=range(65))
    assert (line.points, line.first, line.last) == (11, 0, 10)
    softmax = fit_beta(64, 5, estimator="softmax")
    assert (softmax.points, softmax.first, softmax.last) == (65, 0, 64)
    assert softmax.r_squared < 1


def test_equal_weights_have_no_temperature():
    fit = fit_beta(64, 64, estimator="kl")
    assert fit.beta == 0.0
    assert math.isnan(fit.r_squared)
    assert fit_beta(64, 64).beta == pytest.approx(0.0, abs=1e-12)
    assert compare(64, 64, 0.0).total_variation == pytest.approx(0.0, abs=1e-14)


def test_softmax_at_any_temperature():
    assert softmax_weights(64, 1e5)[:2].tolist() == [1.0, 0.0]
    assert softmax_weights(64, 0.0) == pytest.approx(np.full(65, 1 / 65))


# Tables and inverses


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("n", "kind"), [(64, "binary"), (64, "cap"), (100, "binary"), (9, "binary")])
def test_radius_of_a_temperature_is_the_nearest(n, kind, estimator):
    table = beta_table(n, kind=kind, estimator=estimator)
    for beta in (*np.geomspace(0.3, 60, 12), *table.beta[: -1 if estimator == "taylor" else None]):
        distance = np.abs(np.log(np.maximum(table.beta, 1e-300) / beta))
        assert radius_for_beta(n, beta, kind=kind, estimator=estimator) == table.d[distance.argmin()]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("n", "kind"), list(product((4, 9, 64, 1000), ("binary", "cap", "largest_term"))))
def test_the_least_radius_is_the_first_that_can_be_fitted(n, kind, estimator):
    least = least_radius(estimator, kind)
    assert fit_beta(n, least, kind=kind, estimator=estimator).points > 1
    if least > 1:
        with pytest.raises(ValueError, match="at least 2 distances"):
            fit_beta(n, least - 1, kind=kind, estimator=estimator)


def test_temperatures_fall_with_the_radius():
    table = beta_table(1000, range(300, 500, 10))
    assert (np.diff(table.beta) < 0).all()
    assert table.d.tolist() == list(range(300, 500, 10))
    assert (table.r_squared > 0.9).all()
    # At an equal fraction of the space they hardly depend on the number of bits.
    assert fit_beta(64, 19).beta == pytest.approx(fit_beta(1000, 451).beta, rel=0.01)


def test_local_slopes_of_steps():
    logs = log_intersection(64, 11)
    slopes = local_beta(64, 11)
    assert slopes[:21] == pytest.approx(16 * (logs[:21] - logs[2:23]), rel=1e-12)
    assert np.isinf(slopes[21:23]).all()
    assert np.isnan(slopes[23:]).all()
    assert np.isnan(local_beta(64, 40)[63:]).all()
    # Twice as many bits apart, the mean of two.
    assert fit_beta(64, 11, distances=[4, 6, 8]).beta == pytest.approx(slopes[[4, 6]].mean(), rel=1e-9)


def test_local_slopes_of_caps():
    step = 1e-5
    theta = radius_to_angle(64, 11)
    cosines = hamming_to_cosine(64, [4, 16])
    difference = log_double_cap(64, theta, cosines + step) - log_double_cap(64, theta, cosines - step)
    assert local_beta(64, 11, [4, 16], kind="cap") == pytest.approx(difference / (2 * step), rel=1e-6)


def test_caps_of_the_same_fraction_have_nearly_the_same_temperature():
    ball, cap = fit_beta(1000, 451).beta, fit_beta(1000, matched_radius(1000, 451), kind="cap").beta
    assert cap == pytest.approx(ball, rel=0.02)
    assert fit_beta(64, matched_radius(64, 11), kind="cap").beta < fit_beta(64, 11, kind="cap").beta


# Comparisons


@given(sizes, st.floats(0, 60), st.sampled_from(["flat", "binomial"]), st.integers(1, 100))
def test_measures_of_difference(size, beta, density, keys):
    n, d = size
    found = compare(n, d, beta, density=density, keys=keys)
    assert 0 <= found.total_variation <= 1
    assert 0 <= found.agreement <= 1
    # Pinsker's inequality.
    assert found.total_variation <= math.sqrt(found.divergence / 2) + 1e-9


def test_differences_by_hand():
    dv = np.arange(11)
    weights, attention = special.softmax(log_intersection(64, 11, dv)), softmax_weights(64, 14.41, dv)
    found = compare(64, 11, 14.41, distances=dv)
    assert found.total_variation == pytest.approx(0.5 * np.abs(weights - attention).sum(), rel=1e-12)
    assert found.divergence == pytest.approx((weights * np.log(weights / attention)).sum(), rel=1e-9)
    random = special.softmax(log_intersection(64, 11) + log_binomial(64, np.arange(65)))
    attention = special.softmax(14.41 * hamming_to_cosine(64, np.arange(65)) + log_binomial(64, np.arange(65)))
    found = compare(64, 11, 14.41, density="binomial")
    assert found.total_variation == pytest.approx(0.5 * np.abs(random - attention).sum(), rel=1e-12)


@pytest.mark.parametrize(("n", "d", "reach"), [(8, 2, 8), (8, 3, 6), (6, 6, 5), (7, 1, 7), (9, 3, 4)])
@pytest.mark.parametrize("keys", [1, 2, 3])
@pytest.mark.parametrize("density", ["flat", "binomial"])
def test_agreement_by_enumeration(n, d, reach, keys, density):
    dv = range(reach + 1)
    logs = log_intersection(n, d)
    shares = [1.0 if density == "flat" else math.comb(n, v) for v in dv]
    expected = 0.0
    for chosen in product(dv, repeat=keys):
        largest = max(logs[v] for v in chosen)
        if np.isneginf(largest):
            continue
        first = [v for v in chosen if logs[v] == largest]
        share = first.count(min(chosen)) / len(first)
        expected += share * math.prod(shares[v] / sum(shares) for v in chosen)
    found = compare(n, d, 3.0, distances=dv, density=density, keys=keys)
    assert found.agreement == pytest.approx(expected, rel=1e-12)


def test_tables_of_comparisons():
    table = comparison_table(64, [5, 11, 27], [4, 10, 64], keys=16)
    assert table["beta"] == pytest.approx([28.388, 14.412, 1.780], abs=1e-3)
    for i, d in enumerate((5, 11, 27)):
        for j, reach in enumerate((4, 10, 64)):
            one = compare(64, d, float(table["beta"][i]), distances=range(reach + 1), keys=16)
            assert table["total_variation"][i, j] == one.total_variation
            assert table["divergence"][i, j] == one.divergence
            assert table["agreement"][i, j] == one.agreement


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: fit_beta(64, 65), "d must be 0 to n = 64, found 65"),
        (lambda: fit_beta(64, -1), "d must be 0 to n = 64, found -1"),
        (lambda: fit_beta(64, 5.5), "d must be an integer, found 5.5"),
        (lambda: fit_beta(64, 1), "a fit needs at least 2 distances with weight, found 1 at n = 64, d = 1"),
        (lambda: fit_beta(64, 0), "a fit needs at least 2 distances with weight, found 0"),
        (lambda: fit_beta(64, 5, distances=[40, 50]), "a fit needs at least 2 distances with weight, found 0"),
        (lambda: fit_beta(64, 5, distances=[2, 2]), "a fit needs at least 2 distances with weight, found 1"),
        (lambda: fit_beta(64, 5, distances=[65]), "dv must be 0 to n = 64"),
        (lambda: fit_beta(64, 5, estimator="huber"), "estimator must be one of ols, paper.*found 'huber'"),
        (lambda: fit_beta(64, 5, kind="torus"), "kind must be one of binary, cap, largest_term, found 'torus'"),
        (lambda: fit_beta(64, 5, r=0), "r must be a number above 0, found 0"),
        (lambda: fit_beta(64, 0, kind="cap"), "d must be above 0"),
        (lambda: softmax_weights(64, math.inf), "beta must be finite, found inf"),
        (lambda: compare(64, 5, math.nan), "beta must be a number, found nan"),
        (lambda: compare(64, 5, "hot"), "beta must be a number, found 'hot'"),
        (lambda: compare(64, 5, 1.0, distances=[1, 1]), "distances must be there, and each of them once"),
        (lambda: compare(64, 5, 1.0, distances=[40]), "no distance has weight at n = 64, d = 5"),
        (lambda: compare(64, 5, 1.0, keys=0), "keys must be at least 1, found 0"),
        (lambda: compare(64, 5, 1.0, density="normal"), "density must be one of flat, binomial"),
        (lambda: radius_for_beta(64, -1.0), "beta must be above 0, found -1.0"),
        (lambda: radius_for_beta(64, math.inf), "beta must be finite, found inf"),
        (lambda: comparison_table(64, [5], [65]), "reach must be 0 to 64, found 65"),
        (lambda: local_beta(64, 5, kind="torus"), "kind must be one of"),
    ],
)
def test_bad_input_is_one_clear_line(ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask()
    assert "\n" not in str(error.value)
