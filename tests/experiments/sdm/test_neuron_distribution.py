"""Neurons within a distance, against exact numbers and the published formula."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference


def test_both_formulas_are_those_of_the_reference(root):
    data = reference(root, "neuron_address_distribution")
    arrays = complete(experiment_of(root, "sdm_neurons"))
    assert_allclose(arrays["probability"][0], data["prob_at_least_one_exact"], rtol=1e-12)
    assert_allclose(np.exp(arrays["log_expected_neurons"][0]), data["expected_neurons_exact"], rtol=1e-11)
    assert_allclose(arrays["published_probability"][0], data["repo_normal_poisson_formula"], rtol=1e-11)
    assert arrays["radius_of_one_neuron"] == [data["d_first_expected_ge_1"]["exact"]]
    assert arrays["radius_of_even_odds"] == [data["d_first_prob_ge_half"]["exact"]]


def test_the_published_line_and_its_error(root):
    run = experiment_of(root, "sdm_neurons")
    arrays = complete(run)
    assert arrays["published_radius_of_one_neuron"] == [424]
    assert arrays["relative_error"][0, 424] == pytest.approx(0.5358 / 0.5769 - 1, abs=2e-4)
    assert ("probability of one within d = 424", "0.5769, as published 0.5358") in run.findings(arrays)


def test_blocks_and_partial_results(root, monkeypatch):
    run = experiment_of(
        root, "sdm_neurons", "neurons=[1.0, 1000, 1.0e+300]", "bits=100", "last_radius=null", "figure={}"
    )
    arrays = complete(run)
    assert arrays["radius"][-1] == 49
    check_blocks(run, 2)
    check_results(run, arrays, [""], monkeypatch)


def test_more_bits_than_a_float_can_count(root):
    arrays = complete(experiment_of(root, "sdm_neurons", "bits=20000", "last_radius=9999"))
    assert arrays["probability"][0, 0] == 0 and np.isnan(arrays["relative_error"][0, 0])
    assert np.isfinite(arrays["log_expected_neurons"]).all()


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["last_radius=1001"], "last_radius", "at most bits (1,000)"),
        (["last_radius=5", "figure.first_radius=6"], "figure.first_radius", "at most the last radius (5), found 6"),
        (["neurons=[10, 10.0]"], "neurons", "different numbers"),
        (["neurons=[0.5]"], "neurons[0]", "from 1 to 1e+300"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, "sdm_neurons", assignments, key, message)
