"""Networks narrower than they have paths."""

import numpy as np
import pytest

from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "paths_narrow"
TASK = "task={name: random_features, heads: [2, 2], inputs: 4, examples: 6, test_examples: 5}"
SMALL = (TASK, "widths=[2, 8, 64]", "posterior.draws=1024", "check={method: hamiltonian, draws: 512, seed: 1}")


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, NAME, *SMALL)
    return run, complete(run)


def test_ranks_and_distances(small):
    _, arrays = small
    assert arrays["rank"].tolist() == [2, 4, 4]
    assert arrays["paths_per_width"].tolist() == [2, 0.5, 0.0625]
    assert arrays["order_parameter_deviation"][0] > 5 * arrays["order_parameter_deviation"][2]
    assert (arrays["eigenvalue"] > 0).all()
    assert np.abs(arrays["drawn_eigenvalue"][0, 2:]).max() < 1e-10
    assert np.linalg.norm(arrays["order_parameter"] - arrays["exact_order_parameter"], axis=(1, 2))[2] < 0.2


def test_both_samplers_agree(small):
    _, arrays = small
    assert arrays["check_deviation"][0] < 5 * arrays["check_noise"][0]
    assert np.isnan(arrays["check_deviation"][1:]).all()


def test_blocks_figures_tables_findings_and_warnings(small, root, monkeypatch):
    run, arrays = small
    check_results(run, arrays, [""], monkeypatch)
    check_blocks(experiment_of(root, NAME, TASK, "widths=[4, 8]", "posterior.draws=256"), 1)
    assert "not meant for: N = 2" in run.warnings(arrays)[0]


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["posterior.method=importance"], "posterior.method", "below the number of paths (16)"),
        (["check.method=importance"], "check.method", "below the number of paths (16)"),
        (["widths=[1, 1]"], "widths", "different numbers"),
        (["variances=[1.0, 1.0, 1.0]"], "variances", "4 numbers"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
