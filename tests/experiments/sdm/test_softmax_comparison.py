"""Weights beside softmax attention: against exact counts, and what the comparison must show."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from mfattn.sdm.geometry import intersection_counts

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of

SMALL = ("bits=[64, 100]", "fractions=[4.0e-13, 1.0e-8, 0.1]")
NAMES = ("", "_summary")


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, "sdm_softmax", *SMALL)
    return run, complete(run)


def test_weights_are_exact_counts_and_sum_to_one(small):
    _, arrays = small
    assert arrays["radius"].tolist() == [5, 11, 27, 16, 23, 44]
    for row, (n, d) in enumerate(zip(arrays["bits"].tolist(), arrays["radius"].tolist(), strict=True)):
        there = arrays["distance"][row] >= 0
        assert arrays["distance"][row][there].tolist() == list(range(n + 1))
        counts = intersection_counts(n, d)
        exact = [count / sum(counts) for count in counts]
        assert_allclose(np.exp(arrays["log_weight_binary"][row][there]), exact, rtol=1e-11)
        for name in ("log_weight_cap", "log_softmax_binary", "log_softmax_cap"):
            assert special.logsumexp(arrays[name][row][there]) == pytest.approx(0, abs=1e-12)
        assert np.isnan(arrays["log_weight_binary"][row][~there]).all()


def test_the_softmax_is_nearly_right_up_to_the_radius_and_too_large_beyond(small):
    _, arrays = small
    assert_allclose(arrays["beta_binary"][:3], [28.388, 14.412, 1.780], atol=5e-4)
    assert_allclose(arrays["beta_cap"][:3], [57.37, 19.58, 1.97], atol=5e-3)
    assert_allclose(arrays["fitted_r_squared_binary"][:3], [0.887, 0.972, 0.991], atol=5e-4)
    assert (arrays["total_variation_binary_near"] <= arrays["total_variation_binary"]).all()
    far = arrays["distance"] >= 2 * arrays["radius"][:, np.newaxis]
    assert (arrays["log_softmax_binary"][far] > arrays["log_weight_binary"][far]).all()


def test_with_keys_at_random_addresses_the_tail_is_what_counts(root, small):
    run = experiment_of(root, "sdm_softmax", *SMALL, "density=binomial")
    assert_allclose(complete(run)["total_variation_binary"][:2], [0.991, 0.772], atol=5e-4)
    assert_allclose(small[1]["total_variation_binary"][:2], [0.156, 0.122], atol=5e-4)


def test_fewer_samples_keep_the_weights_of_their_distances(root, small):
    _, all_distances = small
    arrays = complete(experiment_of(root, "sdm_softmax", *SMALL, "samples=9"))
    assert arrays["distance"][0].tolist() == list(range(0, 65, 8))
    assert np.array_equal(arrays["log_weight_cap"][0], all_distances["log_weight_cap"][0][:65:8])
    assert np.array_equal(arrays["divergence_cap"], all_distances["divergence_cap"])


def test_caps_of_the_same_share_are_wider(root, small):
    arrays = complete(experiment_of(root, "sdm_softmax", *SMALL, "caps=fraction"))
    assert (arrays["cap_radius"] > arrays["radius"]).all()
    assert (arrays["beta_cap"] < small[1]["beta_cap"]).all()
    assert np.array_equal(arrays["beta_binary"], small[1]["beta_binary"])


def test_blocks_and_partial_results(root, monkeypatch, small):
    check_blocks(small[0], 4)
    run = experiment_of(root, "sdm_softmax", "bits=[64]", "fractions=null", "radii=[5, 11]", "figure.scale=linear")
    check_results(run, complete(run), NAMES, monkeypatch)


def test_logarithmic_panels_of_one_space_are_drawn(root, monkeypatch):
    figure = "figure={scale: log, spaces: [cap], distance: 9}"
    run = experiment_of(root, "sdm_softmax", "bits=[64, 100]", "fractions=[1.0e-8]", "estimator=softmax", figure)
    check_results(run, complete(run), NAMES, monkeypatch)


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["fractions=null"], "fractions", "one of radii and fractions"),
        (["radii=[11]"], "fractions", "only one of radii and fractions, found both"),
        (["fractions=null", "radii=[11]"], "radii", "fractions with 4 numbers of bits"),
        (["bits=[64, 64]"], "bits", "different numbers"),
        (["bits=[64]", "fractions=[0.1, 1.0e-20]"], "fractions[1]", "a radius from 2 to 64 at n = 64, found 0"),
        (["bits=[64]", "fractions=null", "radii=[11, 65]"], "radii[1]", "a radius from 2 to 64"),
        (["bits=[64]", "fractions=[1.0]", "caps=fraction"], "fractions[0]", "to 63"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, "sdm_softmax", assignments, key, message)
