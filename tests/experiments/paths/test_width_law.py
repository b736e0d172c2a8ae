"""Distance of theory and the exact posterior over the width."""

import numpy as np
import pytest

from mfattn.experiments.paths.width_law import power_law

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "paths_width_law"
TASK = "tasks=[{name: random_features, heads: [2], labels: teacher, test_examples: 5}]"
SMALL = (TASK, "widths=[4, 8, 16, 32]", "instances=2", "posterior.draws=4096")


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, NAME, *SMALL)
    return run, complete(run)


def test_the_distance_falls_as_the_inverse_of_the_width(small):
    run, arrays = small
    law = run.derive(arrays)
    assert law["order_parameter_law_exponent"][0] == pytest.approx(-1, abs=0.3)
    assert 0.1 < law["order_parameter_law_inverse_prefactor"][0] < 1.5
    assert (arrays["order_parameter_noise"] < arrays["order_parameter_deviation"]).sum() > 4
    assert (np.abs(arrays["log_evidence"] - arrays["exact_log_evidence"]) < 3).all()


def test_sizes_grow_with_the_width(root):
    config = experiment_of(root, NAME).config
    sizes = [[config.sized(task, width, 0).training_size for width in (8, 11, 64)] for task in config.tasks]
    assert sizes == [[16, 22, 128]] * 3
    assert [config.sized(task, 8, 0).input_width for task in config.tasks] == [24, 24, 24 + 31]
    first, second = (config.sized(config.tasks[0], 8, number).build(1.0) for number in (0, 1))
    assert not np.allclose(first.features, second.features)


def test_blocks_figures_tables_and_findings(small, root, monkeypatch):
    run, arrays = small
    check_results(run, arrays, [""], monkeypatch)
    check_blocks(experiment_of(root, NAME, TASK, "widths=[4]", "instances=2", "posterior.draws=256"), 1)
    arrays["minima"][:2] = -1, 2
    assert [line.split(" instances")[0] for line in run.warnings(arrays)[:2]] == ["1", "1"]


def test_a_power_law_needs_three_widths():
    assert np.isnan(power_law(np.array([1.0, 2.0]), np.ones((2, 1)))).all()


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["tasks=[{name: random_features, inputs: 5}]"], "tasks[0].inputs", "left out here"),
        (["widths=[8, 8]"], "widths", "different numbers"),
        (["widths=[100000]"], "widths", "at most 4,000 examples, found 200,000"),
        (["widths=[2, 8]", "posterior.method=importance"], "posterior.method", "below the number of paths (4)"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
