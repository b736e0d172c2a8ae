"""Alignment of kernels, scores of heads, and networks with heads left out."""

import itertools

import numpy as np
import pytest

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.limits import gaussian_process_kernel
from mfattn.paths.network import Network
from mfattn.paths.observables import (
    effective_weights,
    head_scores,
    kernel_alignment,
    kernel_target_alignment,
    passes_head,
    path_products,
    pruned,
    sampled_order_parameter,
    silenced,
)
from mfattn.paths.predict import Predictor
from mfattn.paths.solve import solve
from tests.paths.references import (
    query_key,
    random_features,
    random_order,
    reference,
    relative,
    small_chain,
    unequal,
)


def check_alignment(action, order, data, prefix=""):
    """Kernels of the order parameter and of infinite width align with the labels as in the reference."""
    labels = data["y"]
    limit = gaussian_process_kernel(action.network, action.kernels)
    for kernel, suffix in ((action.kernels.kernel(order), ""), (limit, "_gp")):
        alignment = kernel_alignment(kernel, labels)
        eigenvalues, overlaps = data[f"{prefix}pc_eig{suffix}"], data[f"{prefix}pc_overlap{suffix}"]
        count = len(eigenvalues)
        np.testing.assert_allclose(alignment.eigenvalues[:count], eigenvalues, atol=1e-12 * eigenvalues[0])
        kept = eigenvalues > 1e-10 * eigenvalues[0]
        np.testing.assert_allclose(alignment.overlaps[:count][kept], overlaps[kept], atol=1e-9)
        assert kernel_target_alignment(kernel, labels) == pytest.approx(float(data[f"{prefix}kta{suffix}"]), rel=1e-12)


@pytest.mark.parametrize("width", [5, 20, 100])
def test_small_chain(width):
    data, action = reference("hmc_small"), small_chain(width)
    order = data[f"N{width}_U1"]
    check_alignment(action, order, data, f"N{width}_")
    scores = np.concatenate(head_scores(order, (2, 2)))
    np.testing.assert_allclose(scores, data[f"N{width}_head_scores"][:, 2], rtol=1e-12)


@pytest.mark.parametrize("name", ["deep_L3", "single_path"])
def test_unequal_networks(name):
    action, data = unequal(name)
    check_alignment(action, data["U1"], data)
    scores = np.concatenate(head_scores(data["U1"], action.network.heads))
    np.testing.assert_allclose(scores, data["head_scores"][:, 2], rtol=1e-12)


def test_query_key_heads():
    action, data = query_key()
    check_alignment(action, data["U1"], data)
    scores = np.concatenate(head_scores(data["U1"], (2, 3)))
    np.testing.assert_allclose(scores, data["head_scores"][:, 2], rtol=1e-12)


def test_published_overlaps():
    data = reference("published_paths")
    assert data["four_N10_pc_overlap"].argmax() == 2
    for paths in ("four", "two"):
        scores = np.concatenate(head_scores(data[f"{paths}_N10_U1"], (2, 2) if paths == "four" else (2, 1)))
        np.testing.assert_allclose(scores, data[f"{paths}_N10_head_scores"][:, 2], rtol=1e-12)


def test_scores_are_sums_over_pairs():
    heads, order = (2, 3), random_order(1, 6) - 0.3
    paths = list(itertools.product(range(2), range(3)))
    plain, scaled = {}, {}
    for layer, number in enumerate(heads):
        for head in range(number):
            plain[layer, head] = scaled[layer, head] = 0.0
            for (one, first), (other, second) in itertools.product(enumerate(paths), repeat=2):
                passes = (first[layer] == head) + (second[layer] == head)
                plain[layer, head] += abs(order[one, other]) * (passes > 0)
                scaled[layer, head] += abs(order[one, other]) * {0: 0, 1: 0.5 / number, 2: 1}[passes]
    for expected, name in ((plain, "sum"), (scaled, "scaled")):
        values = np.array(list(expected.values()))
        np.testing.assert_allclose(np.concatenate(head_scores(order, heads, name)), values / values.max())


def test_nothing_has_no_score():
    assert not np.concatenate(head_scores(np.zeros((4, 4)), (2, 2))).any()


def test_scores_of_several_outputs_add_their_entries():
    order = random_order(1, 8)
    added = np.abs(order).reshape(4, 2, 4, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(np.concatenate(head_scores(order, (2, 2))), np.concatenate(head_scores(added, (2, 2))))


def test_silenced_heads_leave_the_others_as_they_were():
    order = random_order(1, 12)
    left = silenced(order, (2, 3), 1, 2)
    kept = np.repeat(~passes_head((2, 3), 1, 2), 2)
    np.testing.assert_array_equal(left[np.ix_(kept, kept)], order[np.ix_(kept, kept)])
    assert not left[~kept].any()
    assert not left[:, ~kept].any()


def test_silencing_at_infinite_width_is_pruning_but_for_the_number_of_paths():
    network, features = Network((2, 2), (1e9,) * 3), random_features(1, 8, 5, 4)
    labels = np.random.default_rng(1).normal(size=8)
    action = Action(network, PathKernels(features), labels, 0.1)
    new = random_features(2, 3, 5, 4)
    smaller, kept = pruned(network, features, [(1, 0)])
    _, kept_new = pruned(network, new, [(1, 0)])
    assert smaller == Network((2, 1), (1e9,) * 3)
    alone = Action(smaller, PathKernels(kept), labels, 0.1)
    silent = 2 * silenced(np.eye(4), (2, 2), 1, 0)
    np.testing.assert_allclose(
        Predictor(action, silent).mean(new), Predictor(alone, solve(alone).U1).mean(kept_new), atol=1e-6
    )


def test_pruning_several_heads():
    network = Network((3, 2), (5, 5, 5), outputs=2)
    features = random_features(1, 4, 3, 6)
    smaller, kept = pruned(network, features, [(0, 1), (1, 0), (0, 1)])
    assert (smaller.heads, smaller.outputs) == ((2, 1), 2)
    np.testing.assert_allclose(kept, features[:, :, [1, 5]] * np.sqrt(3))


def test_overlaps_of_weights():
    rng = np.random.default_rng(1)
    values, readout = [rng.normal(size=(2, 4, 3)), rng.normal(size=(3, 5, 4))], rng.normal(size=5)
    raw, weights = path_products(values, readout), effective_weights(values, readout)
    np.testing.assert_allclose(raw[1 * 3 + 2], readout @ values[1][2] @ values[0][1])
    np.testing.assert_allclose(weights, raw / np.sqrt(20))
    samples = np.stack([weights, 2 * weights])
    np.testing.assert_allclose(sampled_order_parameter(samples), 2.5 * weights @ weights.T / 3)


def test_overlaps_of_drawn_weights_have_the_mean_of_infinite_width():
    rng = np.random.default_rng(1)
    samples = [
        effective_weights([rng.normal(size=(2, 30, 20)), rng.normal(size=(2, 40, 30))], rng.normal(size=40))
        for _ in range(400)
    ]
    np.testing.assert_allclose(sampled_order_parameter(samples), np.eye(4), atol=0.15)
    assert relative(sampled_order_parameter(samples[:1]), np.eye(4)) < 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: passes_head((2, 2), 2, 0), "layer must be 0 to 1, found 2"),
        (lambda: passes_head((2, 2), 0, 2), "head must be 0 to 1, found 2"),
        (lambda: head_scores(np.eye(3), (2, 2)), "square with 4 rows"),
        (lambda: head_scores(np.eye(4), (2, 2), "mean"), "score must be one of sum, scaled"),
        (lambda: pruned(Network((1,), (5, 5)), np.ones((1, 1, 1)), [(0, 0)]), "at least one head must stay"),
        (lambda: kernel_alignment(np.eye(3), [1, 1]), "kernel must have shape"),
        (lambda: kernel_alignment(np.eye(2), [0, 0]), "labels must not all be 0"),
        (lambda: kernel_target_alignment(np.zeros((2, 2)), [1, 1]), "kernel must not all be 0"),
        (lambda: silenced(np.eye(3), (2, 2), 0, 0), "square with 4 rows"),
        (lambda: path_products([np.ones((2, 3, 3)), np.ones((2, 4, 4))], np.ones(4)), "lead to 4 weights"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
