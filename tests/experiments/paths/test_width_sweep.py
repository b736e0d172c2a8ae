"""Width sweeps as experiments: the published accuracies, the exact posterior, limits, figures and mistakes."""

import numpy as np
import pytest

from mfattn.experiments.paths import solutions
from mfattn.paths.attention import sub_network_features
from mfattn.paths.certificate import SolveError
from mfattn.paths.kernels import PathKernels
from mfattn.paths.posterior import NoDensity
from mfattn.paths.predict import accuracy

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

THEORY_ALONE = ("posterior=~", "solver.starts=gp")
SMALL = (
    "task={name: random_features, heads: [2, 2], inputs: 6, examples: 12, test_examples: 30, seed: 1}",
    "widths=[20, 30]",
    "posterior={draws: 256}",
    "figure={order: [4, 1], altered: true}",
)
"""A problem of four paths that is solved at once."""

PUBLISHED = {
    "four_paths": [0.964, 0.961, 0.945, 0.911, 0.855, 0.84, 0.834, 0.826, 0.94, 0.955],
    "two_paths": [0.957, 0.955, 0.954, 0.925, 0.881, 0.862, 0.857, 0.843],
}
"""Accuracies at the published widths and limits."""


@pytest.mark.parametrize("task", PUBLISHED)
def test_published_networks(root, task):
    arrays = complete(experiment_of(root, f"paths_{task}", *THEORY_ALONE))
    assert arrays["accuracy"].tolist() == PUBLISHED[task]
    name = task.removesuffix("_paths")
    with np.load(root / "tests" / "data" / "paths" / "published_paths.npz") as reference:
        for row, width in enumerate(arrays["width"][:7]):
            known = {key: reference[f"{name}_N{width:.0f}_{key}"] for key in ("U1", "Ua", "twoS", "kta", "pc_overlap")}
            np.testing.assert_allclose(arrays["order_parameter"][row], known["U1"], rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(arrays["readout_order_parameter"][row], known["Ua"], rtol=1e-8)
            np.testing.assert_allclose(arrays["action"][row], known["twoS"], rtol=1e-11)
            np.testing.assert_allclose(arrays["kernel_target_alignment"][row], known["kta"], rtol=1e-8)
            np.testing.assert_allclose(arrays["label_overlap"][row], known["pc_overlap"], atol=1e-6)
        np.testing.assert_allclose(arrays["label_overlap"][7], reference[f"{name}_N10_pc_overlap_gp"], atol=1e-8)
    assert (arrays["gradient_norm"][:7] < 1e-10).all() and (arrays["smallest_curvature"][:7] > 0).all()


def test_the_exact_posterior_of_a_published_network(root):
    settings = ("task={name: four_paths, rng: torch, test_per_class: 20}", "widths=[10]", "figure={}", "comparisons=[]")
    arrays = complete(experiment_of(root, "paths_four_paths", *settings, "solver.starts=gp"))
    exact, error = arrays["exact_order_parameter"][0], arrays["exact_order_parameter_error"][0]
    for place, (value, own_error) in {(0, 0): (14.90, 0.06), (0, 2): (-5.96, 0.03), (2, 2): (7.20, 0.03)}.items():
        assert abs(exact[place] - value) < 4.5 * np.hypot(error[place], own_error)
    assert arrays["exact_accuracy_low"][0] <= arrays["exact_accuracy"][0] <= arrays["exact_accuracy_high"][0]
    assert arrays["predictor_deviation"][0] < 0.1 and arrays["effective_size"][0] > 100


def test_a_limit_of_some_heads_is_that_of_a_network_of_its_own(root):
    run = experiment_of(root, "paths_random_teacher", *SMALL, "comparisons=[{name: part, heads: [[2], [1, 2]]}]")
    arrays = complete(run)
    problem = run.config.task.problem()
    kept = [[1], [0, 1]]
    features, test = (
        sub_network_features(some, problem.heads, kept) for some in (problem.features, problem.test_features)
    )
    cross = PathKernels(features).cross(np.eye(2), test)
    kernel = PathKernels(features).kernel(np.eye(2)) + 0.01 * np.eye(len(features))
    means = np.linalg.solve(kernel, problem.labels) @ cross
    assert arrays["network"][-1] == "part" and arrays["accuracy"][-1] == accuracy(means, problem.test_labels)


def test_tables_name_networks_paths_and_components(root):
    run = experiment_of(root, "paths_random_teacher", *SMALL)
    tables = run.tables(complete(run))
    assert [len(list(table.rows)) for table in tables.values()] == [3, 3 * 16, 3 * 12]
    assert tables["networks"].columns[:3] == ["network", "width", "accuracy"]
    assert tables["order_parameters"].columns[:4] == ["network", "width", "path", "other"]


def test_blocks_do_not_matter(root):
    check_blocks(experiment_of(root, "paths_random_teacher", *SMALL), 2)


def test_results_are_drawn(root, monkeypatch):
    run = experiment_of(root, "paths_random_teacher", *SMALL)
    check_results(run, complete(run), ["", "_numbers"], monkeypatch)


def test_without_the_exact_posterior_maps_are_of_theory(root):
    run = experiment_of(root, "paths_random_teacher", *SMALL, "posterior=~")
    titles = [axes.get_title("left") for axes in run.figure(complete(run), "").get_axes()]
    assert [title for title in titles if title] == ["$N = 20$, theory", "$N = 30$, theory"]


def test_what_fails_leaves_its_point_empty(root, monkeypatch):
    def failing(exception):
        def fails(*arguments, **options):
            raise exception("nothing is found")

        return fails

    run = experiment_of(root, "paths_random_teacher", *SMALL)
    monkeypatch.setattr("mfattn.paths.posterior.sample_posterior", failing(NoDensity))
    arrays = complete(run)
    assert np.isnan(arrays["exact_accuracy"]).all() and np.isfinite(arrays["accuracy"]).all()
    assert run.warnings(arrays) == ["no draws of the exact posterior: N = 20, 30"]
    monkeypatch.setattr(solutions, "solve", failing(SolveError))
    arrays = complete(run)
    assert np.isnan(arrays["accuracy"][:2]).all() and np.isfinite(arrays["accuracy"][2])
    assert run.warnings(arrays) == ["no certain minimum of the action: N = 20, 30"]


@pytest.mark.parametrize(
    ("assignment", "key", "message"),
    [
        ("task.rng=numpy", "task.rng", "one of"),
        ("task.test_per_class=1000000", "task.test_per_class", "a whole number from"),
        ("widths=[10, 100, 1000, 10]", "widths", "different numbers"),
        ("widths=[0]", "widths[0]", "a whole number from 1"),
        ("temperature=0", "temperature", "a finite number from"),
        ("variances=[1, 1, 1]", "variances", "4 numbers"),
        ("posterior={method: importance}", "posterior.method", "below the number of paths (4)"),
        ("comparisons=[{name: a, heads: [[1]]}]", "comparisons[0].heads", "the heads of 2 layers"),
        ("comparisons=[{name: a, heads: [[1], []]}]", "comparisons[0].heads[1]", "found none"),
        ("comparisons=[{name: a, heads: [[1], [3]]}]", "comparisons[0].heads[1]", "at least one head of 1 to 2"),
        ("comparisons=[{name: a, heads: [[1, 1], [1]]}]", "comparisons[0].heads[0]", "different numbers"),
        ("comparisons=[{name: all paths, heads: [[1], [1]]}]", "comparisons", "different names"),
        ("comparisons=[{name: $, heads: [[1], [1]]}]", "comparisons[0].name", "text such as 'good only'"),
        ("figure.order=[1, 5]", "figure.order", "paths from 1 to 4, found 5"),
        ("figure.maps=[11]", "figure.maps", "of the widths"),
        ("figure.alignment=11", "figure.alignment", "of the widths"),
    ],
)
def test_mistakes_name_their_key(root, assignment, key, message):
    widths = ("widths=[3, 10]", "figure={order: [1]}") if "importance" in assignment else ()
    check_mistake(root, "paths_four_paths", [*widths, assignment], key, message)
