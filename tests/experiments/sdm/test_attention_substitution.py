"""Weights of sparse distributed memories in the place of softmax."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.sdm.temperatures import radius_for_beta

from ...sdm.tiny_models import libraries, write_config
from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "sdm_substitution"
SMALL = (
    "model={random: {layers: 2, heads: 2, width: 32, spread: 0.2}}",
    "texts={random: {number: 3, tokens: 12}}",
)


@pytest.mark.parametrize("layers", ["together", "one_by_one"])
def test_blocks_and_partial_results(root, monkeypatch, layers):
    libraries()
    run = experiment_of(root, NAME, *SMALL, f"layers={layers}")
    check_blocks(run, 2)
    arrays = complete(run)
    assert arrays["substituted_loss"].shape == (3, 4, 1 if layers == "together" else 2)
    check_results(run, arrays, [""], monkeypatch)


def test_the_own_softmax_changes_nothing_and_the_others_do(root):
    libraries()
    arrays = complete(experiment_of(root, NAME, *SMALL))
    assert arrays["weighting"].tolist() == ["softmax", "unit_softmax", "balls", "caps"]
    assert_allclose(arrays["substituted_loss"][:, 0, 0], arrays["loss"], atol=1e-5)
    assert not arrays["total_variation"][:, 0].any() and (arrays["word_agreement"][:, 0] == 1).all()
    assert (np.abs(arrays["word_divergence"][:, 0]) < 1e-9).all()
    assert (arrays["total_variation"][:, 1:] > 1e-6).all() and (arrays["word_divergence"][:, 1:] > 1e-6).all()
    assert (arrays["total_variation"] <= 1).all() and (arrays["empty"][:, [0, 1]] == 0).all()


def test_each_head_has_the_radius_of_its_temperature(root):
    libraries()
    arrays = complete(experiment_of(root, NAME, *SMALL, "weightings=[balls]"))
    expected = [radius_for_beta(16, beta) for beta in arrays["effective_beta"].ravel()]
    assert arrays["radius"].ravel().tolist() == expected
    given = complete(experiment_of(root, NAME, *SMALL, "weightings=[balls, caps]", "radius=7"))
    assert (given["radius"] == 7).all()


def test_one_layer_alone_changes_less_than_all(root):
    libraries()
    alone, together = (
        complete(experiment_of(root, NAME, *SMALL, "weightings=[caps]", "radius=7", f"layers={layers}"))
        for layers in ("one_by_one", "together")
    )
    assert np.array_equal(alone["total_variation"], together["total_variation"])
    assert alone["word_divergence"].mean() < together["word_divergence"].mean()


def test_a_radius_that_meets_nothing_leaves_the_residual_stream(root):
    libraries()
    run = experiment_of(root, NAME, *SMALL, "model.random.spread=0.05", "weightings=[balls]", "radius=1")
    arrays = complete(run)
    assert arrays["empty"].mean() > 0.9 and arrays["total_variation"].mean() > 0.9
    assert np.isfinite(arrays["substituted_loss"]).all()
    assert np.isnan(arrays["divergence"][arrays["empty"] == 1]).all()


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["model.random.heads=128"], "model.random.heads", "from 1 to 100"),
        (["model.random.heads=100", "model.random.width=500"], "model", "at least 8 dimensions, found 5"),
        (["radius=65"], "radius", "at most the dimension of a head (64), found 65"),
        (["weightings=[balls, balls]"], "weightings", "different words, found balls, balls"),
        (["weightings=[softmin]"], "weightings[0]", "one of softmax, unit_softmax, balls, caps"),
        (["weightings=[]"], "weightings", "a list of at least 1"),
        (["layers=some"], "layers", "one of together, one_by_one"),
        (["model={folder: /none}"], "model.folder", "an existing folder is needed"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, NAME, assignments, key, message)


def test_heads_of_a_folder_are_looked_at_before_it_is_loaded(root, tmp_path):
    folder = write_config(tmp_path, n_head=8)
    message = "at least 8 dimensions, found 4"
    check_mistake(root, NAME, [f"model={{folder: {folder}}}"], "model", message)
