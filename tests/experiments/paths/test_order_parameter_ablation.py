"""Families of order parameters as an experiment: how they are nested, the published networks, figures and mistakes."""

import numpy as np
import pytest

from mfattn.experiments.paths import order_parameter_ablation
from mfattn.paths.certificate import SolveError

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "paths_ablation"
SMALL = (
    "task={name: random_features, heads: [2, 1], inputs: 6, examples: 12, test_examples: 30}",
    "widths=[20, 30]",
)
FULL, DIAGONAL, EQUAL, SCALAR = range(4)


def test_a_family_within_another_has_no_less_action(root):
    arrays = complete(experiment_of(root, NAME, *SMALL))
    action = arrays["action"]
    assert arrays["family"].tolist() == ["full", "diagonal", "equal_diagonal", "scalar"]
    for larger, smaller in ((FULL, DIAGONAL), (FULL, EQUAL), (DIAGONAL, SCALAR), (EQUAL, SCALAR)):
        assert (action[:, larger] < action[:, smaller]).all()
    diagonal, equal, scalar = np.moveaxis(arrays["order_parameter"], 1, 0)[1:]
    assert not diagonal[:, 0, 1].any() and not scalar[:, 0, 1].any()
    np.testing.assert_allclose(equal[:, 0, 0], equal[:, 1, 1])
    np.testing.assert_allclose(scalar[:, 0, 0], scalar[:, 1, 1])


def test_overlaps_are_what_the_published_network_of_two_paths_needs(root):
    arrays = complete(experiment_of(root, "paths_ablation_two", "widths=[100]"))
    np.testing.assert_allclose(arrays["action"][0, FULL], 457.628860, atol=1e-6)
    assert arrays["accuracy"][0].tolist() == [0.925, 0.857, 0.911, 0.841]
    assert np.ptp(arrays["log_evidence"][0, [FULL, EQUAL]]) < np.ptp(arrays["log_evidence"][0, [FULL, DIAGONAL]])


def test_blocks_do_not_matter(root):
    check_blocks(experiment_of(root, NAME, *SMALL), 1)


def test_results_are_drawn(root, monkeypatch):
    run = experiment_of(root, NAME, *SMALL)
    check_results(run, complete(run), [""], monkeypatch)


def test_what_fails_leaves_its_place_empty(root, monkeypatch):
    real = order_parameter_ablation.constrained

    def constrained(action, family):
        if family == "scalar":
            raise SolveError("nothing is found")
        return real(action, family)

    monkeypatch.setattr(order_parameter_ablation, "constrained", constrained)
    run = experiment_of(root, NAME, *SMALL)
    arrays = complete(run)
    assert np.isnan(arrays["accuracy"]).tolist() == [[False, False, False, True]] * 2
    assert run.warnings(arrays) == ["no minimum found in the family scalar: N = 20, 30"]


@pytest.mark.parametrize(
    ("assignment", "key", "message"),
    [
        ("widths=[]", "widths", "a list of at least 1"),
        ("widths=[3, 3]", "widths", "different numbers"),
        ("variances=[1, 1, 1]", "variances", "4 numbers"),
        ("temperature=-1", "temperature", "a finite number from"),
        ("task={name: random_features, heads: [9, 9]}", "task", "at most 64 paths, found 81"),
    ],
)
def test_mistakes_name_their_key(root, assignment, key, message):
    check_mistake(root, NAME, [assignment], key, message)
