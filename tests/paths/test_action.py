"""Energy, entropy, coordinates and derivatives: against reference numbers and finite differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.regression import NotPositiveDefinite
from tests.paths.references import (
    query_key,
    random_action,
    random_features,
    random_order,
    reference,
    relative,
    small_chain,
    unequal,
)

NETWORKS = [
    Network((3,), (6, 4)),
    Network((2, 2), (10, 8, 6), (1, 0.7, 1.3, 1.1)),
    Network((2, 1, 2), (5, 7, 9, 6), 1.5),
    Network((2, 2), (6, 9, 7), (1, 1.2, 0.8, 1.1), outputs=2),
]
shapes = st.sampled_from(NETWORKS)


def differences(function, x, step=1e-3):
    """Differences of fourth order along every coordinate."""

    def along(unit):
        near, far = (function(x + length * unit) - function(x - length * unit) for length in (step, 2 * step))
        return (8 * near - far) / (12 * step)

    return np.array([along(unit) for unit in np.eye(len(x))])


# Values


@pytest.mark.parametrize("name", ["deep_L3", "single_path"])
@pytest.mark.parametrize("draw", [0, 1, 2])
def test_action_at_random_blocks(name, draw):
    action, data = unequal(name)
    blocks = [data[f"rand{draw}_U{layer + 1}"] for layer in range(action.network.depth)]
    readout = data[f"rand{draw}_Ua"].reshape(1, 1)
    energy, entropy = action.energy(blocks[0]), action.entropy((*blocks, readout))
    assert energy == pytest.approx(data[f"rand{draw}_energy"], rel=1e-13)
    assert entropy == pytest.approx(data[f"rand{draw}_entropy"], rel=1e-13)
    assert (energy + entropy) / max(action.network.widths) == pytest.approx(data[f"rand{draw}_loss_way2"], rel=1e-13)
    assert relative(action.energy_gradient(blocks[0]), data[f"rand{draw}_dEdU1"]) < 1e-12


@pytest.mark.parametrize("width", [5, 20, 100])
def test_action_at_the_minima_of_the_small_chain(width):
    data, action = reference("hmc_small"), small_chain(width)
    blocks = [data[f"N{width}_{name}"] for name in ("U1", "U2")]
    readout = data[f"N{width}_Ua"].reshape(1, 1)
    assert action.energy(blocks[0]) == pytest.approx(data[f"N{width}_energy"], rel=1e-13)
    assert action.entropy((*blocks, readout)) == pytest.approx(data[f"N{width}_entropy"], rel=1e-13)
    assert action.value(blocks[0]) == pytest.approx(data[f"N{width}_twoS"], rel=1e-13)


def test_action_of_query_key_heads():
    action, data = query_key()
    assert action.value(data["U1"]) == pytest.approx(float(data["twoS"]), rel=1e-13)
    assert action.energy(data["U1"]) == pytest.approx(float(data["energy"]), rel=1e-13)


@given(shapes, st.integers(0, 1000))
def test_entropy_is_least_at_infinite_width(network, seed):
    action = random_action(seed, network)
    coordinates = action.coordinates
    origin = np.zeros(coordinates.size)
    least = sum(
        width * size * (1 - math.log(variance))
        for width, size, variance in zip(network.widths, network.sizes, network.variances[1:], strict=True)
    )
    assert coordinates.at(origin).entropy == pytest.approx(least)
    np.testing.assert_allclose(coordinates.at(origin).gradient(np.zeros((network.sizes[0],) * 2)), 0, atol=1e-12)
    x = 0.3 * np.random.default_rng(seed).normal(size=coordinates.size)
    assert coordinates.at(x).entropy > least
    assert coordinates.at(x).entropy == pytest.approx(action.entropy(coordinates.order_parameters(x)), rel=1e-12)
    np.testing.assert_allclose(
        coordinates.order_parameters(origin)[0], network.gaussian_process_scale * np.eye(network.sizes[0])
    )


@given(shapes, st.integers(0, 1000))
def test_coordinates_there_and_back(network, seed):
    coordinates = random_action(seed, network).coordinates
    x = 0.5 * np.random.default_rng(seed).normal(size=coordinates.size)
    blocks = coordinates.order_parameters(x)
    assert [len(block) for block in blocks] == list(network.sizes)
    np.testing.assert_allclose(coordinates.from_order_parameters(blocks), x, atol=1e-9)
    for block, factor in zip(blocks, coordinates.at(x).factors, strict=True):
        np.testing.assert_allclose(np.linalg.cholesky(block), factor, atol=1e-10)


def test_entropy_is_that_of_the_published_sum():
    network = NETWORKS[2]
    action = random_action(1, network)
    blocks = [random_order(seed, size) for seed, size in enumerate(network.sizes)]
    expected = 0.0
    for layer, block in enumerate(blocks):
        above = blocks[layer + 1] if layer + 1 < len(blocks) else np.eye(1)
        heads, width = network.branches[layer], network.widths[layer]
        inside = np.linalg.solve(np.kron(np.eye(heads), above), block)
        expected += width * (
            np.trace(inside) / network.variances[layer + 1]
            - np.linalg.slogdet(block)[1]
            + heads * np.linalg.slogdet(above)[1]
        )
    assert action.entropy(blocks) == pytest.approx(expected, rel=1e-13)


def test_energy_where_few_directions_are_reached():
    features = random_features(3, 30, 2, 3)
    labels = np.random.default_rng(0).normal(size=30)
    order = random_order(1, 3)
    for temperature in (1e-8, 1e-3, 1.0):
        action = Action(Network((3,), (5, 5)), PathKernels(features), labels, temperature)
        half = (features @ np.linalg.cholesky(order)).reshape(30, -1)
        left, sizes, _ = np.linalg.svd(half, full_matrices=True)
        eigenvalues = temperature + np.r_[sizes**2, np.zeros(30 - len(sizes))]
        expected = np.log(eigenvalues).sum() + ((left.T @ labels) ** 2 / eigenvalues).sum()
        assert action.energy(order) == pytest.approx(expected, rel=1e-11)
        inverse = (left / eigenvalues) @ left.T
        # The same gradient from the singular vectors that K has: nothing of order 1/T cancels.
        reached = left[:, : len(sizes)]
        inside = reached @ (reached.T @ inverse @ reached) @ reached.T
        alpha = reached @ (reached.T @ (inverse @ labels))
        weights = inside - np.outer(alpha, alpha)
        expected_gradient = np.einsum("mia,mn,nib->ab", features, weights, features)
        assert relative(action.energy_gradient(order), expected_gradient) < 1e-8


def test_energy_of_a_singular_order_parameter():
    action = random_action(2, NETWORKS[1])
    vector = np.arange(1.0, 5.0)
    singular = np.outer(vector, vector)
    assert action.energy(singular) == pytest.approx(action.energy(singular + 1e-9 * np.eye(4)), abs=1e-6)


# Derivatives


@settings(max_examples=20)
@given(shapes, st.integers(0, 1000))
def test_gradient_and_hessian_are_those_of_finite_differences(network, seed):
    action = random_action(seed, network, temperature=0.5)
    x = 0.2 * np.random.default_rng(seed).normal(size=action.coordinates.size)
    value, gradient = action.value_and_gradient(x)
    assert value == pytest.approx(action.expand(x).energy + action.expand(x).entropy)
    expected = differences(lambda place: action.value_and_gradient(place)[0], x)
    assert relative(gradient, expected) < 1e-8
    hessian = action.hessian(x)
    expected = differences(lambda place: action.value_and_gradient(place)[1], x)
    assert relative(hessian, expected) < 1e-8
    directions = np.random.default_rng(seed + 1).normal(size=(2, len(x)))
    np.testing.assert_allclose(action.hessian_product(x, directions), directions @ hessian, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(action.hessian_product(x, directions[0]), directions[0] @ hessian, atol=1e-10)


@settings(max_examples=40)
@given(shapes, st.integers(0, 1000))
def test_reduced_gradient_is_that_of_finite_differences(network, seed):
    action = random_action(seed, network, temperature=0.5)
    order = random_order(seed, network.sizes[0]) + 0.5 * np.eye(network.sizes[0])
    direction = random_order(seed + 1, network.sizes[0])
    value, gradient = action.reduced_value_and_gradient(order)
    assert value == pytest.approx(action.value(order), rel=1e-13)
    slope = differences(lambda length: action.value(order + length[0] * direction), np.zeros(1))[0]
    assert abs(np.sum(gradient * direction) - slope) < 1e-8 * np.linalg.norm(gradient) * np.linalg.norm(direction)


def test_both_ways_to_second_derivatives_agree():
    action = random_action(4, Network((2, 3), (5, 5, 5)), examples=9, inputs=60)
    regression = action.regression(random_order(1, 6))
    assert action.kernels.is_packed
    np.testing.assert_allclose(regression._curvature_of_pack(), regression._curvature_of_features(), atol=1e-11)


def test_far_coordinates_are_infinite_and_not_an_error():
    action = random_action(1, NETWORKS[1])
    for x in (np.full(action.coordinates.size, 1e3), np.full(action.coordinates.size, np.nan)):
        value, gradient = action.value_and_gradient(x)
        assert value == math.inf
        assert not gradient.any()
    with pytest.raises(ValueError, match="not finite"):
        action.hessian(np.full(action.coordinates.size, 1e3))


# Mistakes


def test_a_kernel_that_is_not_positive_definite_is_refused():
    action = random_action(1, NETWORKS[1])
    with pytest.raises(NotPositiveDefinite, match="not positive definite"):
        action.energy(-10 * np.eye(4))
    with pytest.raises(ValueError, match="positive definite"):
        action.entropy((-np.eye(4), np.eye(2), np.eye(1)))
    for call in (action.value, action.eliminate, action.reduced_value_and_gradient):
        with pytest.raises(ValueError, match="a block of the order parameter must be positive definite"):
            call(np.diag([1.0, 1.0, 1.0, -1e-3]))


def test_blocks_and_coordinates_of_a_wrong_number_are_refused():
    action = random_action(1, NETWORKS[1])
    with pytest.raises(ValueError, match="blocks must be 3, U_1 to U_a, found 1"):
        action.entropy((np.eye(4),))
    with pytest.raises(ValueError, match=r"coordinates must have shape \(14,\), found \(3,\)"):
        action.value_and_gradient(np.zeros(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature must be above 0"),
        ({"temperature": -1.0}, "temperature must be above 0"),
        ({"labels": np.ones(3)}, r"labels must have shape \(4,\)"),
        ({"labels": 1.0}, r"labels must have shape \(4,\)"),
        ({"labels": ["a", "b", "c", "d"]}, "labels must be an array of real numbers"),
        ({"labels": [[1], [1, 2], [1], [1]]}, "labels must be an array of real numbers"),
        ({"labels": np.ones((4, 2))}, r"labels must have shape \(4, 1\)"),
        ({"network": Network((3,), (5, 5))}, "3 paths of the network, found 2"),
        ({"network": Network((2,), (5, 5), outputs=2)}, r"labels must have shape \(4, 2\)"),
    ],
)
def test_mistakes_are_named(settings, message):
    kernels = PathKernels(random_features(0, 4, 3, 2))
    usual = {"network": Network((2,), (5, 5)), "kernels": kernels, "labels": np.ones(4), "temperature": 0.1}
    with pytest.raises(ValueError, match=message):
        Action(**{**usual, **settings})


def test_order_parameters_of_a_wrong_kind_are_refused():
    action = random_action(1, NETWORKS[1])
    with pytest.raises(ValueError, match="must have shape"):
        action.energy(np.eye(3))
    with pytest.raises(ValueError, match="must be symmetric"):
        action.energy(np.eye(4) + np.triu(np.ones((4, 4)), 1))
