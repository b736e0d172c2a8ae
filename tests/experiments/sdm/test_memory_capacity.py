"""Capacity over the number of bits."""

import pytest

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "sdm_capacity"
SMALL = "sweep={parameter: bits, values: [100, 1000, 3000]}"


def test_capacities_of_the_published_sweep(root):
    arrays = complete(experiment_of(root, NAME, SMALL))
    assert arrays["capacity_bound"][0, 0] == pytest.approx(164_972, abs=1)
    assert arrays["capacity_bound"][1, 0] == pytest.approx(97_804, abs=1)
    assert arrays["capacity"][1, 0] == pytest.approx(89_356, abs=1) and arrays["capacity_radius"][1, 0] == 444
    assert arrays["capacity_fraction"][1, 0] == pytest.approx(1.775e-4, rel=1e-3)
    assert (arrays["discrete_capacity"] <= arrays["capacity"]).all()
    assert (arrays["capacity"] < arrays["capacity_bound"]).all()
    # The more bits must be right, and the more surely, the fewer patterns.
    assert (arrays["capacity"][1:] < arrays["capacity"][:-1]).all()
    assert (arrays["capacity"][:, 1] < arrays["capacity"][:, 0]).all()


def test_blocks_figures_tables_and_findings(root, monkeypatch):
    run = experiment_of(root, NAME, SMALL)
    check_blocks(run, 2)
    check_results(run, complete(run), [""], monkeypatch)
    single = experiment_of(root, NAME, "sweep={parameter: bits, values: [64]}", "probabilities=[0.9]")
    check_results(single, complete(single), [""], monkeypatch)


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["sweep={parameter: radius, values: [5]}"], "sweep.parameter", "bits, found radius"),
        (["sweep={parameter: bits, values: [1, 64]}"], "sweep", "at least 2 bits, found 1"),
        (["neurons=10"], "neurons", "with which some radius has a capacity, found 10"),
        (["probabilities=[0.5, 0.5]"], "probabilities", "different numbers"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
