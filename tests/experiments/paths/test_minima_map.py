"""Numbers of minima over the examples per width and the temperature."""

import numpy as np
import pytest

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "paths_minima"
SMALL = ("examples=[8, 17]", "temperatures=[0.003, 0.1]", "instances=3", "task.seed=6")


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, NAME, *SMALL)
    return run, complete(run)


def test_averages_are_those_of_the_instances(small):
    _, arrays = small
    assert (arrays["minima"] >= 1).all() and (arrays["solved"] == 3).all()
    assert arrays["mean_minima"] == pytest.approx(arrays["minima"].mean(axis=1))
    assert arrays["share_with_several"] == pytest.approx((arrays["minima"] > 1).mean(axis=1))
    assert (arrays["share_misled"] <= arrays["share_with_several"]).all()
    assert np.array_equal(arrays["gap"] > 0, arrays["minima"] > 1)
    assert arrays["examples_per_width"].tolist() == [8, 8, 17, 17]


def test_several_minima_of_one_instance_are_found(root):
    # Which of the five multiples of the start find it is known from many random starts.
    run = experiment_of(root, NAME, "examples=[17]", "temperatures=[0.003]", "instances=8")
    arrays = complete(run)
    assert arrays["share_with_several"][0] > 0
    assert "several" in run.tables(arrays) and len(list(run.tables(arrays)["several"].rows)) >= 1


def test_blocks_figures_tables_and_findings(small, monkeypatch):
    run, arrays = small
    check_blocks(run, 3)
    check_results(run, arrays, [""], monkeypatch)
    assert run.warnings(arrays) == []
    arrays["minima"][0, 0] = 0
    assert "1 instances" in run.warnings(arrays)[0]


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["task.examples=20"], "task.examples", "left out here"),
        (["task.inputs=10000", "examples=[4000]", "task.heads=[64]"], "task", "take fewer"),
        (["examples=[3, 3]"], "examples", "different numbers"),
        (["variances=[1.0, 1.0, 1.0, 1.0]"], "variances", "3 numbers"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
