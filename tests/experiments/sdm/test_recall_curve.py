"""Recall curves against reference numbers and simulations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

SIMULATED = ("simulation={draws: 6, queries: 64, seed: 2}", "curves.values=[11, 15]")
FEW = ("simulation={draws: 2, queries: 8, seed: 2}", "curves.values=[11, 15]")


def test_curves_are_those_of_the_reference(root):
    case = reference(root, "critical_distance")["convergence_curve"]
    arrays = complete(experiment_of(root, "sdm_recall_1000"))
    assert_allclose(arrays["new_distance_paper"][0], case["new_distance"], rtol=1e-8)
    assert_allclose(arrays["new_distance_exact"][0], case["new_distance_exact_variance"], rtol=1e-8)
    found = [int(arrays[f"critical_distance_{noise}"][0]) for noise in ("paper", "exact", "book")]
    assert found == [case["crit_paper_variance"], case["crit_exact_variance"], 212]
    # With the book's integral as the signal, which is too small, the curve crosses earlier.
    assert 190 < np.flatnonzero(arrays["new_distance_book_integral"][0] > arrays["distance"])[1:].min() < 200


def test_hopfield_curves_are_those_of_the_reference(root):
    arrays = complete(experiment_of(root, "sdm_recall_hopfield"))
    patterns = arrays["patterns"].tolist()
    cases = [case for case in reference(root, "jaeckel_hopfield")["hopfield_one_step"] if case["m"] in patterns]
    assert len(cases) == 14
    for case in cases:
        found = arrays["new_distance_hopfield"][patterns.index(case["m"]), case["dv"]]
        assert found == pytest.approx(case["new_distance"], rel=1e-10)


def test_simulated_distances_are_those_of_the_reference(root):
    arrays = complete(experiment_of(root, "sdm_recall_64", *SIMULATED))
    for row, radius in enumerate((11, 15)):
        for distance, case in reference(root, "mc_one_step_n64_m1024")[str(radius)].items():
            place = arrays["distance_simulated"].tolist().index(int(distance))
            half = np.ptp(arrays["new_distance_simulated_band"][row, :, place]) / 2
            near = abs(arrays["new_distance_simulated"][row, place] - case["mean_new"])
            assert near <= 2 * half + 4 * case["sem"] + 1e-3, (radius, distance)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sdm_recall_64", FEW),
        ("sdm_recall_64", (*FEW, "figure={models: [hopfield], distance: 20}")),
        ("sdm_recall_1000", ()),
    ],
    ids=["panels", "one model", "one memory"],
)
def test_blocks_figures_tables_and_findings(root, monkeypatch, name, settings):
    run = experiment_of(root, name, *settings)
    if settings == FEW:
        check_blocks(run, 1)
    check_results(run, complete(run), [""], monkeypatch)


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (
            ["memory={patterns: 9, radius: 3, neurons: 9}", "curves={parameter: bits, values: [64]}"],
            "curves.parameter",
            "not bits",
        ),
        (["memory={patterns: 9, neurons: 9}"], "memory", "bits is needed here, or as the parameter of curves"),
        (["curves={parameter: radius, grid: {start: 1, stop: 30, num: 30}}"], "curves", "at most 24 values, found 30"),
        (["simulation.queries=2000"], "simulation.queries", "at most the 1,024 patterns, found 2,000"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, "sdm_recall_64", settings, key, message)
