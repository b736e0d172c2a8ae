"""Jaeckel's designs against reference numbers, and against balls."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.sdm.designs import Hyperplanes, SelectedCoordinates, design_snr
from mfattn.sdm.geometry import log_binomial, log_expected_neurons
from mfattn.sdm.theory import snr

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

NAME = "sdm_designs"


@pytest.fixture(scope="module")
def published(root):
    run = experiment_of(root, NAME)
    return run, complete(run)


def test_selected_coordinates_are_those_of_the_reference(root, published):
    run, arrays = published
    compared = 0
    for case in reference(root, "jaeckel_hopfield")["scd"]:
        for row, coordinates in enumerate(run.config.coordinates):
            if (case["n"], case["k"], case["l"]) == (1000, coordinates, arrays["threshold"][row]):
                assert arrays["activation"][row] == pytest.approx(case["p_activation"], rel=1e-12)
                shares = np.exp(arrays["log_share"][row][case["dv"]])
                assert_allclose(shares, np.array(case["p_both"], float), rtol=1e-10, atol=1e-300)
                compared += 1
    assert compared


def test_random_addresses_share_what_independent_ones_would(published):
    run, arrays = published
    for row in range(run.points):
        design = run.design(row)
        planes = isinstance(design, Hyperplanes)
        distances = 2 * np.arange(design.ones + 1)[::-1] if planes else np.arange(1001)
        expected = np.exp(design.log_random()) @ np.exp(arrays["log_share"][row][distances])
        assert expected == pytest.approx(arrays["activation"][row] ** 2, rel=1e-9)
        mean = 2 * design.ones * (1 - design.ones / 1000) if planes else 500
        assert arrays["mean_distance"][row] == pytest.approx(mean)
        assert arrays["ball_fraction"][row] >= arrays["activation"][row] * (1 - 1e-9)


def test_the_ratio_of_balls_is_that_of_the_exact_noise(published):
    logs, random = log_expected_neurons(200, 80), log_binomial(200, np.arange(201))
    assert_allclose(design_snr(logs, random, 1e5, 50), snr(200, 80, 1e5, 50), rtol=1e-9)
    assert_allclose(design_snr(logs, random, 1e5, 1, logs[:1]), np.sqrt(1e5 * np.exp(logs[:1])), rtol=1e-9)
    arrays = published[1]
    radius = int(arrays["ball_radius"][0])
    assert_allclose(arrays["ball_signal_to_noise"][0], snr(1000, radius, 1e6, 10_000), rtol=1e-9)


def test_sparse_addresses_read_better_by_hyperplanes_than_by_balls(published):
    arrays = published[1]
    sparse = arrays["ones"] >= 0
    assert (arrays["signal_to_noise"][sparse, 0] > arrays["ball_signal_to_noise"][sparse, 0]).all()
    # Odd distances are impossible, and so are those beyond twice the ones.
    row = int(np.flatnonzero(sparse)[0])
    assert np.isnan(arrays["log_share"][row, 1::2]).all() and np.isnan(arrays["log_share"][row, 202:]).all()
    assert arrays["log_share"][row, 200] == -np.inf and arrays["signal_to_noise"][row, 200] == 0
    assert arrays["log_share"][row, 0] == pytest.approx(np.log(Hyperplanes(1000, 3, 100).activation))


def test_many_coordinates_are_a_ball(root):
    settings = ("bits=100", "coordinates=[100]", "hyperplanes=[]", "fraction=0.0017")
    arrays = complete(experiment_of(root, NAME, *settings))
    assert arrays["threshold"].tolist() == [65] and arrays["ball_radius"].tolist() == [35]
    assert_allclose(arrays["log_share"], arrays["ball_log_share"], rtol=1e-9)
    assert SelectedCoordinates(100, 100, 65).activation == pytest.approx(float(arrays["ball_fraction"][0]))


def test_blocks_figures_tables_and_findings(root, published, monkeypatch):
    check_blocks(published[0], 3)
    check_results(*published, [""], monkeypatch)


def test_the_densest_addresses_and_a_single_pattern(root):
    planes = "hyperplanes=[{coordinates: 1, ones: 10}, {coordinates: 7, ones: 7}]"
    run = experiment_of(root, NAME, "bits=10", "coordinates=[10]", planes, "patterns=1", "neurons=1e200")
    arrays = complete(run)
    # All ones: the only distance is 0, and all neurons are active.
    assert np.isfinite(arrays["log_share"][1]).tolist() == [True] + [False] * 10
    assert arrays["activation"][1] == 1 and arrays["ball_radius"][1] == 10 and arrays["mean_distance"][1] == 0
    # Seven of ten: three ones at most are elsewhere.
    assert np.flatnonzero(~np.isnan(arrays["log_share"][2])).tolist() == [0, 2, 4, 6]
    assert_allclose(arrays["signal_to_noise"][2, 0], np.sqrt(1e200 / 120), rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["bits=450"], "hyperplanes[2].ones", "at most bits (450), found 500"),
        (["coordinates=[20]", "bits=10", "hyperplanes=[]"], "coordinates[0]", "at most bits (10), found 20"),
        (["coordinates=[20, 20]"], "coordinates", "different numbers, found 20, 20"),
        (["hyperplanes=[{coordinates: 4, ones: 3}]"], "hyperplanes[0].coordinates", "at most the 3 ones"),
        (["coordinates=[]", "hyperplanes=[]"], "coordinates", "at least one, where there are no hyperplanes"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
