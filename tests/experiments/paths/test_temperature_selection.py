"""Temperatures chosen with and without test labels."""

import numpy as np
import pytest

from mfattn.paths.action import Action
from mfattn.paths.network import Network
from mfattn.paths.predict import Predictor

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAMES = ("paths_temperature", "paths_temperature_teacher")
SMALL = (
    "task={name: random_features, heads: [2], inputs: 5, examples: 14, test_examples: 50}",
    "widths=[5]",
    "temperatures=[0.01, 0.3, 1.0]",
    "instances=2",
)


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, NAMES[1], *SMALL)
    return run, complete(run)


def test_choices_are_the_best_of_what_they_look_at(small):
    run, arrays = small
    chosen = run.derive(arrays)
    accuracies = arrays["accuracy"].reshape(run.shape)
    assert np.array_equal(chosen["accuracy_by_oracle"], accuracies.max(axis=2))
    best = arrays["log_evidence"].reshape(run.shape).argmax(axis=2)
    assert np.array_equal(chosen["temperature_by_evidence"], np.array([0.01, 0.3, 1.0])[best])
    assert (chosen["accuracy_by_leave_one_out"] <= chosen["accuracy_by_oracle"]).all()


def test_infinite_width_is_a_gaussian_process(small):
    run, arrays = small
    problem = run.config.task.problem()
    action = Action(Network((2,), (1, 1)), problem.kernels, problem.labels, 0.3)
    kernel = problem.kernels.kernel(np.eye(2)) + 0.3 * np.eye(14)
    gaussian = -0.5 * (
        problem.labels @ np.linalg.solve(kernel, problem.labels) + np.linalg.slogdet(2 * np.pi * kernel)[1]
    )
    assert arrays["width"][4] == np.inf and arrays["temperature"][4] == 0.3
    assert arrays["log_evidence"][4] == pytest.approx(gaussian, rel=1e-10)
    left_out = Predictor(action, np.eye(2)).leave_one_out()
    assert arrays["leave_one_out_error"][4] == pytest.approx((left_out**2).mean(), rel=1e-10)


def test_blocks_figures_tables_and_findings(small, monkeypatch):
    run, arrays = small
    check_blocks(run, 5)
    check_results(run, arrays, [""], monkeypatch)
    assert run.warnings(arrays) == []
    arrays["minima"][:2] = -1, 2
    assert len(run.warnings(arrays)) == 2


@pytest.mark.parametrize("name", NAMES)
def test_instances_but_the_first_have_seeds_of_their_own(root, name):
    from mfattn.experiments.paths.instances import instance_of

    task = experiment_of(root, name).config.task
    first, *others = [instance_of(task, number) for number in range(3)]
    assert first == task and len({task, *others}) == 3


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["temperatures=[1.0, 1.0]"], "temperatures", "different numbers"),
        (["variances=[1.0, 1.0, 1.0]"], "variances", "4 numbers"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAMES[0], settings, key, message)
