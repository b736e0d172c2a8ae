"""Optimal radii against published and reference numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.sdm.theory import bit_quantile, capacity

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

NAME = "sdm_optimal_radius_64"


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, NAME)
    arrays = complete(run)
    return run, arrays | run.derive(arrays)


def test_the_three_published_radii_and_their_temperatures(root, small):
    run, arrays = small
    published = reference(root, "optimal_d")["paper"]["n64_m1024_r2p64"]
    chosen = {
        "mem": arrays["equation_radius_capacity"],
        "snr": arrays["equation_radius_signal_to_noise"],
        "cd": arrays["optimal_radius_critical_distance_paper"],
    }
    for name, radius in chosen.items():
        assert radius == published[f"d_{name}"]
        assert round(float(arrays["beta_paper"][radius - 1]), 1) == published[f"beta_{name}"]
    betas = [float(arrays["beta"][radius - 1]) for radius in chosen.values()]
    assert_allclose(betas, [28.388, 14.412, 9.436], atol=5e-4)
    criteria = [found.criterion for found in run.optima(arrays)]
    assert len(criteria) == len(set(criteria)) == 10


def test_the_best_ratio_depends_on_the_model_at_64_bits_and_not_at_1000(root, small):
    models = ("closed", "paper", "exact")
    assert [int(small[1][f"optimal_radius_signal_to_noise_{model}"]) for model in models] == [11, 15, 8]
    assert [int(small[1][f"optimal_radius_critical_distance_{model}"]) for model in models] == [15, 15, 12]
    run = experiment_of(root, "sdm_optimal_radius_1000", "bits=1000")
    some = complete(run_of_radii(run, 440, 452))
    assert int(run.constants()["equation_radius_signal_to_noise"]) == 447
    for model in models:
        assert 440 + some[f"signal_to_noise_{model}"].argmax() == 446
    assert 440 + some["critical_distance_paper"].argmax() == 448 and some["critical_distance_paper"].max() == 176


def run_of_radii(run, first, stop):
    """The run as if these were all of its points; constants are those of all radii."""
    whole = run.compute

    class Part(type(run)):
        points = stop - first

        def compute(self, points, advance):
            return whole(range(first - 1, stop - 1), advance)

    return Part(run.config)


def test_ratios_are_those_of_the_three_models(small):
    # At n = 64, m = 1024, r = 2^64 and distance 0.
    radii = np.array([7, 8, 9, 11, 13, 15, 16, 19])
    paper = [2.65e4, 7.16e4, 1.81e5, 9.63e5, 4.17e6, 1.50e7, 3.71e4, 115]
    exact = [2.65e4, 6.35e4, 5.27e4, 9244, 1665, 326, 150, 17]
    assert_allclose(small[1]["signal_to_noise_paper"][radii - 1], paper, rtol=4e-3)
    assert_allclose(small[1]["signal_to_noise_exact"][radii - 1], exact, rtol=2e-2)


def test_critical_distances_are_those_of_the_reference(root, small):
    (case,) = [case for case in reference(root, "critical_distance")["tables"] if (case["n"], case["m"]) == (64, 1024)]
    radii = np.array(case["d"])
    assert small[1]["critical_distance_paper"][radii - 1].tolist() == case["crit_paper_variance"]
    assert small[1]["critical_distance_exact"][radii - 1].tolist() == case["crit_exact_variance"]
    published = complete(experiment_of(root, NAME, "rule=paper"))
    assert published["critical_distance_paper"][radii - 1].tolist() == case["crit_repo_rule"]


@pytest.mark.parametrize("place", range(9))
def test_equations_have_the_roots_of_the_reference(root, place):
    memory, ratio = (reference(root, "optimal_d")[name][place] for name in ("memory", "snr"))
    neurons = float(int(memory["r"]))
    run = experiment_of(root, NAME, f"bits={memory['n']}", f"neurons={neurons}", "patterns=1000")
    if "z_per_bit" in memory:
        constants = run.constants()
        assert float(constants["quantile"]) == pytest.approx(memory["z_per_bit"], rel=1e-10)
        assert float(constants["equation_fraction_capacity"]) == pytest.approx(memory["p_mem"], rel=1e-9)
        assert int(constants["equation_radius_capacity"]) == memory["d_mem"]
        assert float(constants["equation_value_capacity"]) == pytest.approx(memory["capacity_m"], rel=1e-9)
        assert float(constants["capacity_bound"]) == pytest.approx(memory["upper_bound_r_over_z2"], rel=1e-9)
    settings = (f"bits={ratio['n']}", f"neurons={float(int(ratio['r']))}", f"patterns={ratio['m']}")
    constants = experiment_of(root, NAME, *settings).constants()
    assert float(constants["equation_fraction_signal_to_noise"]) == pytest.approx(ratio["p_snr"], rel=1e-10)
    assert int(constants["equation_radius_signal_to_noise"]) == ratio["d_snr"]


def test_capacities_are_those_of_the_equation_and_never_below_none(small):
    arrays = small[1]
    some = arrays["capacity_of_fraction"] > 0
    expected = capacity(2**64, arrays["capacity_fraction"][some], bit_quantile(64))
    assert_allclose(arrays["capacity_of_fraction"][some], expected)
    assert (arrays["capacity_of_fraction"] >= 0).all()
    assert (arrays["capacity"] <= arrays["equation_value_capacity"] * (1 + 1e-12)).all()


def test_blocks_figures_tables_and_findings(small, monkeypatch):
    run, arrays = small
    check_blocks(run, 5)
    check_results(run, arrays, [""], monkeypatch)
    assert list(run.tables(arrays)) == ["optima", "values", "capacity"]


def test_a_partial_result_names_no_best_radius(small):
    run, arrays = small
    left = {name: array.copy() for name, array in arrays.items()}
    left["critical_distance_paper"][3] = -1
    left["signal_to_noise_exact"][3] = np.nan
    best = run.derive(left)
    assert best["optimal_radius_critical_distance_paper"] == best["optimal_radius_signal_to_noise_exact"] == -1
    assert best["optimal_radius_capacity"] == 5


@pytest.mark.parametrize("settings", [("bits=2", "neurons=1"), ("bits=3", "neurons=1e200", "patterns=1")])
def test_the_smallest_memories(root, settings):
    run = experiment_of(root, NAME, *settings)
    arrays = complete(run)
    assert len(run.optima(arrays)) == 10 and run.derive(arrays)["optimal_radius_capacity"] == 1


def test_too_few_neurons_are_a_mistake(root):
    check_mistake(root, NAME, ["neurons=5"], "neurons", "at least 8.24, with which some radius has a capacity")
