"""Times of solvers as an experiment: what does not depend on the clock, figures and mistakes."""

import numpy as np
import pytest

from mfattn.experiments.paths import solver_timing
from mfattn.paths.certificate import SolveError

from ..sdm.helpers import check_mistake, check_results, complete, experiment_of

NAME = "paths_solver_timing"
SMALL = (
    "task={name: random_features, heads: [2, 1], inputs: 6, examples: 12, test_examples: 1}",
    "widths=[20, 30]",
    "adam.rate=0.02",
    "repetitions=1",
)


@pytest.fixture(scope="module")
def run(root):
    """A small run."""
    return experiment_of(root, NAME, *SMALL)


@pytest.fixture(scope="module")
def arrays(run):
    """Its result."""
    return complete(run)


def test_all_solvers_find_the_same(arrays):
    assert (arrays["adam_converged"] == 1).all() and (arrays["adam_steps"] > 10).all()
    assert (arrays["reduced_difference"] < 1e-8).all() and (abs(arrays["reduced_action_difference"]) < 1e-9).all()
    assert (arrays["adam_difference"] < 1e-2).all() and (arrays["adam_action_difference"] > 0).all()
    for name, most in (("noncentred", 1e-10), ("reduced", 1e-10), ("adam", 1e-4)):
        assert (arrays[f"{name}_gradient"] < most).all()
        assert (arrays[f"{name}_seconds"] >= 0).all()
    assert (arrays["products_seconds"] >= 0).all()


def test_all_but_the_times_is_reproducible(run, arrays):
    again = complete(run)
    for name, values in arrays.items():
        if not name.endswith("_seconds"):
            np.testing.assert_array_equal(again[name], values)


def test_results_are_drawn(run, arrays, monkeypatch):
    check_results(run, arrays, [""], monkeypatch)


def test_what_fails_leaves_its_place_empty(root, monkeypatch):
    def solve(action, **settings):
        raise SolveError("nothing is found")

    monkeypatch.setattr(solver_timing, "solve", solve)
    run = experiment_of(root, NAME, *SMALL, "adam.steps=2", "widths=[20]")
    arrays = complete(run)
    assert np.isnan(arrays["noncentred_seconds"]).all() and np.isnan(arrays["adam_difference"]).all()
    assert run.warnings(arrays) == [
        "no certain minimum from infinite width alone, noncentred: N = 20",
        "no certain minimum from infinite width alone, reduced: N = 20",
        "Adam does not converge: N = 20",
    ]


def test_findings_give_the_ratio(run, arrays):
    numbers = arrays | {"noncentred_seconds": arrays["adam_seconds"] / 50}
    assert [name for name, _ in run.findings(numbers)] == ["N = 20", "N = 30", "all widths"]


@pytest.mark.parametrize(
    ("assignment", "key", "message"),
    [
        ("widths=[3, 3]", "widths", "different numbers"),
        ("variances=[1, 1]", "variances", "a list of at least 3"),
        ("adam.rate=0", "adam.rate", "above 0"),
        ("repetitions=0", "repetitions", "from 1 to"),
        ("temperature=0", "temperature", "a finite number from"),
    ],
)
def test_mistakes_name_their_key(root, assignment, key, message):
    check_mistake(root, NAME, [assignment], key, message)
