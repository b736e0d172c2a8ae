"""Kernels of paths as an experiment: what they are, how they add up, figures and mistakes."""

import numpy as np
import pytest

from mfattn.experiments.paths import solutions
from mfattn.paths.certificate import SolveError

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "paths_kernels"
SMALL = (
    "task={name: random_features, heads: [2, 1], inputs: 6, examples: 12, test_examples: 1}",
    "widths=[20, 30]",
    "examples=[[1, 3], [7, 8]]",
    "figure={}",
)


def test_kernels_are_of_paths_and_of_networks(root):
    run = experiment_of(root, NAME, *SMALL)
    arrays = complete(run)
    assert arrays["name"].tolist() == ["11", "21", "N infinite", "N = 20", "N = 30"]
    assert arrays["example"].tolist() == [1, 2, 3, 7, 8]
    problem = run.config.task.problem()
    shown = problem.features[[0, 1, 2, 6, 7]]
    for path in range(2):
        np.testing.assert_allclose(arrays["kernel"][path], 2 * shown[..., path] @ shown[..., path].T, atol=1e-14)
    np.testing.assert_allclose(arrays["kernel"][2], arrays["kernel"][:2].mean(axis=0), atol=1e-14)


def test_alignments_of_the_published_networks(root):
    arrays = complete(experiment_of(root, NAME, "solver.starts=gp", "task.test_per_class=1"))
    with np.load(root / "tests" / "data" / "paths" / "published_paths.npz") as reference:
        known = [reference[f"four_{key}"] for key in ("N10_kta_gp", "N10_kta", "N100_kta")]
    np.testing.assert_allclose(arrays["kernel_target_alignment"][4:], known, rtol=1e-8)
    assert arrays["kernel"].shape == (7, 50, 50) and arrays["example"][[24, 25]].tolist() == [25, 76]


def test_blocks_do_not_matter(root):
    check_blocks(experiment_of(root, NAME, *SMALL), 2)


@pytest.mark.parametrize(("figure", "examples"), [("{}", "[[1, 3], [7, 8]]"), ("{order: [2], scale: own}", "[[2, 2]]")])
def test_results_are_drawn(root, monkeypatch, figure, examples):
    run = experiment_of(root, NAME, *SMALL, f"figure={figure}", f"examples={examples}")
    check_results(run, complete(run), [""], monkeypatch)


def test_what_fails_leaves_its_point_empty(root, monkeypatch):
    def fails(*arguments, **options):
        raise SolveError("nothing is found")

    monkeypatch.setattr(solutions, "solve", fails)
    run = experiment_of(root, NAME, *SMALL)
    arrays = complete(run)
    assert np.isnan(arrays["kernel"]).all(axis=(1, 2)).tolist() == [False, False, False, True, True]
    assert run.warnings(arrays) == ["no kernel: N = 20, N = 30"]


@pytest.mark.parametrize(
    ("assignment", "key", "message"),
    [
        ("examples=[[76, 101]]", "examples[0]", "two rising numbers of 1 to 100, found 76 and 101"),
        ("examples=[[2, 1]]", "examples[0]", "two rising numbers"),
        ("examples=[[1, 100], [1, 1]]", "examples", "at most the 100 examples that there are, found 101"),
        ("examples=[]", "examples", "a list of at least 1"),
        ("figure.order=[5]", "figure.order", "paths from 1 to 4"),
        ("figure.order=[1, 1]", "figure.order", "different numbers"),
        ("variances=[1, 1, 1, 1, 1]", "variances", "4 numbers"),
        ("widths=[2, 2]", "widths", "different numbers"),
        ("task.per_class=0", "task.per_class", "a whole number from 1"),
    ],
)
def test_mistakes_name_their_key(root, assignment, key, message):
    check_mistake(root, NAME, [assignment], key, message)
