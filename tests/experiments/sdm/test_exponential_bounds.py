"""Bounds of intersections: those that hold do, the published ones fail where they are known to."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

NAMES = ("", "_components")


@pytest.fixture(scope="module")
def near(root):
    run = experiment_of(root, "sdm_bounds_64")
    return run, complete(run)


@pytest.fixture(scope="module")
def large(root):
    run = experiment_of(root, "sdm_bounds")
    return run, complete(run)


@pytest.mark.parametrize("name", ["sdm_bounds", "sdm_bounds_64"])
def test_curves_are_those_of_the_reference(root, name):
    radii = {"sdm_bounds": (1000, [405, 451, 480]), "sdm_bounds_64": (64, [5, 11, 15, 27])}[name]
    arrays = complete(experiment_of(root, name, f"balls={{bits: {radii[0]}, radii: {radii[1]}}}"))
    names = {
        "log_p_exact": "log_share",
        "log_p_largest_term": "log_largest_term",
        "n_terms": "number_of_terms",
        "log_p_normal_approx": "log_normal_approximation",
        "log_p_taylor": "log_taylor_approximation",
        "repo_num_sum_elements": "published_multiplier",
    }
    cases = [case for case in reference(root, "exp_bounds")["rows"] if case["n"] == radii[0]]
    assert [case["d"] for case in cases] == radii[1]
    for row, case in enumerate(cases):
        for key, array in names.items():
            some = [place for place, value in enumerate(case[key]) if value is not None]
            ours = arrays[array][row][np.array(case["dv"])[some]]
            assert_allclose(ours, np.array(case[key], float)[some], rtol=1e-10, err_msg=key)


def test_rigorous_bounds_hold_and_published_ones_fail(near):
    _, arrays = near
    exact = arrays["log_share"]
    bounds = ("log_largest_term", "log_sharp_lower_bound", "log_share", "log_sharp_upper_bound", "log_upper_bound")
    for lower, upper in pairwise(bounds):
        assert (arrays[lower] <= arrays[upper] + 1e-12).all(), (lower, upper)
    # At d = 5 the "lower bound" is above everywhere, by a hundred at distance 1; the "upper bound" ends at 0.
    ratio = np.exp(arrays["log_normal_approximation"][0, 1] - exact[0, 1])
    assert ratio == pytest.approx(103, abs=1)
    assert arrays["lower_bound_failures"].tolist() == [10, 22, 26, 3]
    assert arrays["log_published_upper_bound"][0, 10] == -np.inf and exact[0, 10] == pytest.approx(np.log(252 / 2**64))
    assert arrays["upper_bound_failures"].tolist() == [1, 1, 1, 1]


def test_published_sums_of_squares_and_spans(root, large):
    _, arrays = large
    assert arrays["radius"].tolist() == [384, 418, 441, 463]
    assert [float(f"{value:.1e}") for value in arrays["sum_of_squares_taylor"]] == [1.0e-27, 3.0e-16, 1.0e-10, 4.5e-7]
    single = experiment_of(root, "sdm_bounds", "balls={bits: 1000, radii: [451]}")
    found = dict(single.findings(complete(single)))
    assert found["largest over least"] == "prefactor 15.82, multiplier 2.51, exponential 121.2"


def test_exponentials_fitted_to_the_whole_and_to_its_largest_term(large):
    _, arrays = large
    assert_allclose(arrays["beta_intersection"], [24.555, 13.486, 7.900, 4.003], atol=6e-4)
    assert (arrays["beta_largest_term"] < arrays["beta_intersection"]).all()
    assert_allclose(arrays["beta_taylor"], (1000 - 2 * arrays["radius"]) ** 2 / 4000)


def test_blocks_and_partial_results(root, monkeypatch, near):
    check_blocks(near[0], 3)
    run = experiment_of(root, "sdm_bounds_64", "balls.radii=[11, 27]")
    check_results(run, complete(run), NAMES, monkeypatch)


def test_small_balls_have_bounds_and_no_fit(root, monkeypatch):
    run = experiment_of(root, "sdm_bounds_64", "balls={bits: 6, radii: [0, 1, 3, 6]}", "figure.prefactor=constant")
    arrays = complete(run)
    assert np.isnan(arrays["beta_intersection"][:2]).all() and np.isfinite(arrays["beta_intersection"][2:]).all()
    check_results(run, arrays, NAMES, monkeypatch)


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["balls.radii=[65]"], "balls.radii[0]", "at most bits"),
        ([f"balls={{bits: 100000, radii: {list(range(1000))}}}"], "balls.bits", "at most 8 GiB"),
        (["compared_to=0"], "compared_to", "from 1 to 100,000"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, "sdm_bounds_64", assignments, key, message)
