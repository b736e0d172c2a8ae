"""Minima of the action: against reference numbers, between methods, in limits, and where it is hard."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.observables import head_scores
from mfattn.paths.predict import Predictor
from mfattn.paths.solve import SeveralMinima, SolveError, solve, solve_grid
from tests.paths.references import (
    query_key,
    random_action,
    random_features,
    random_order,
    reference,
    relative,
    small_chain,
    two_minima,
    unequal,
)

METHODS = ("noncentred", "reduced")
methods = pytest.mark.parametrize("method", METHODS)


def check(solution, data, prefix=""):
    """A solution has the reference's order parameter and action."""
    assert solution.value == pytest.approx(float(data[f"{prefix}twoS"]), rel=1e-11)
    assert relative(solution.U1, data[f"{prefix}U1"]) < 1e-8
    assert relative(solution.Ua, data[f"{prefix}Ua"]) < 1e-8
    for layer, block in enumerate(solution.upper):
        assert relative(block, data[f"{prefix}U{layer + 2}"]) < 1e-8
    certificate = solution.certificate
    assert certificate.gradient_norm < 1e-10
    assert certificate.residual < 1e-10
    assert certificate.smallest_curvature > 0
    assert len(certificate.minima) == 1


# Reference numbers


@methods
@pytest.mark.parametrize("width", [5, 20, 100])
def test_small_chain(method, width):
    check(solve(small_chain(width), method=method), reference("hmc_small"), f"N{width}_")


@methods
@pytest.mark.parametrize("name", ["deep_L3", "single_path"])
def test_unequal_widths_and_variances(method, name):
    action, data = unequal(name)
    check(solve(action, method=method, starts="gp"), data)


@methods
def test_query_key_heads(method):
    action, data = query_key()
    check(solve(action, method=method), data)


def test_one_head_against_25_digits():
    data = reference("mpmath_saddle")
    action = Action(Network((1,), data["widths"], data["var"]), PathKernels(data["Z"]), data["y"], float(data["T"]))
    solution = solve(action)
    np.testing.assert_allclose([solution.U1[0, 0], solution.Ua[0, 0]], data["saddle"].astype(float), rtol=1e-12)


@methods
@pytest.mark.parametrize("instance", ["s2", "s25"])
def test_both_minima_are_found_and_reported(method, instance):
    data, action = reference("multi_minima"), two_minima(instance)
    with pytest.warns(SeveralMinima, match="several minima of 2S"):
        solution = solve(action, method=method)
    minima = solution.certificate.minima
    np.testing.assert_allclose([minimum.value for minimum in minima], data[f"{instance}_values2S"], rtol=1e-8)
    for minimum, order in zip(minima, data[f"{instance}_U1"], strict=True):
        assert relative(minimum.U1, order) < 1e-5
    assert solution.certificate.starts >= sum(minimum.hits for minimum in minima) > 2
    assert solution.certificate.smallest_curvature == pytest.approx(data[f"{instance}_min_hess"][0], rel=1e-6)
    assert solution.value == minima[0].value


def test_one_start_alone_may_miss_the_better_minimum():
    solution = solve(two_minima("s2"), method="reduced", starts="gp")
    assert solution.value == pytest.approx(float(reference("multi_minima")["s2_from_gp"]), rel=1e-11)
    assert solution.certificate.starts == 1


# What a minimum must satisfy


@settings(max_examples=15)
@given(
    st.sampled_from([((1,), 1), ((3,), 1), ((2, 2), 1), ((2, 1, 2), 1), ((2,), 2), ((2, 2), 2)]),
    st.floats(2, 300),
    st.sampled_from([0.01, 0.1, 1.0]),
    st.integers(0, 1000),
)
def test_methods_agree_and_the_saddle_point_equation_holds(shape, width, temperature, seed):
    heads, outputs = shape
    variances = np.exp(0.3 * np.random.default_rng(seed).normal(size=len(heads) + 2))
    widths = width * np.exp(0.3 * np.random.default_rng(seed + 1).normal(size=len(heads) + 1))
    action = random_action(seed, Network(heads, widths, variances, outputs), temperature=temperature)
    first = solve(action, starts="gp")
    second = solve(action, method="reduced", starts=[first.U1])
    assert second.value == pytest.approx(first.value, rel=1e-11, abs=1e-9)
    assert relative(second.U1, first.U1) < 1e-10
    inverse = np.kron(np.eye(heads[0]), np.linalg.inv(first.blocks[1])) / variances[1]
    expected = np.linalg.inv(inverse + action.energy_gradient(first.U1) / widths[0])
    assert relative(expected, first.U1) < 1e-10
    assert relative(action.eliminate(first.U1)[-1], first.Ua) < 1e-10
    assert np.abs(action.value_and_gradient(first.x)[1]).max() < 1e-8 * max(widths)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.permutations(range(2)), st.permutations(range(3)))
def test_permuting_heads_permutes_the_order_parameter(seed, first, second):
    network = Network((2, 3), (20, 20, 20))
    paths = np.arange(6).reshape(2, 3)[np.ix_(first, second)].ravel()
    features = random_features(seed, 8, 5, 6)
    labels = np.sign(np.random.default_rng(seed).normal(size=8))
    one = solve(Action(network, PathKernels(features), labels, 0.1), starts="gp")
    other = solve(Action(network, PathKernels(features[:, :, paths]), labels, 0.1), starts="gp")
    np.testing.assert_allclose(other.U1, one.U1[np.ix_(paths, paths)], atol=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_scaling_inputs_labels_and_temperature_together_changes_nothing(seed, scale):
    network = Network((2, 2), (10, 10, 10))
    features, labels = random_features(seed), np.sign(np.random.default_rng(seed).normal(size=8))
    one = solve(Action(network, PathKernels(features), labels, 0.1), starts="gp")
    scaled = Action(network, PathKernels(np.sqrt(scale) * features), np.sqrt(scale) * labels, scale * 0.1)
    np.testing.assert_allclose(solve(scaled, starts="gp").U1, one.U1, atol=1e-8)


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_turning_the_inputs_changes_nothing(seed):
    network = Network((2, 2), (10, 10, 10))
    features, labels = random_features(seed), np.sign(np.random.default_rng(seed).normal(size=8))
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    turned = np.einsum("mip,ij->mjp", features, turn)
    one = solve(Action(network, PathKernels(features), labels, 0.1), starts="gp")
    other = solve(Action(network, PathKernels(turned), labels, 0.1), starts="gp")
    np.testing.assert_allclose(other.U1, one.U1, atol=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(2, 100))
def test_heads_that_do_the_same_are_one_head_but_for_their_prior(seed, width):
    network = Network((2, 2), (width,) * 3)
    features, labels = random_features(seed, 10, 6, 2), np.sign(np.random.default_rng(seed).normal(size=10))
    twice = np.repeat(features, 2, axis=2) / np.sqrt(2)
    order = solve(Action(network, PathKernels(twice), labels, 0.1), starts="gp").U1
    swapped = [1, 0, 3, 2]
    np.testing.assert_allclose(order, order[np.ix_(swapped, swapped)], atol=1e-9)
    # The difference of two equal heads is not seen by the data, and stays as it is without them.
    seen = np.kron(np.eye(2), [1, 1]) / np.sqrt(2)
    unseen = np.kron(np.eye(2), [1, -1]) / np.sqrt(2)
    np.testing.assert_allclose(seen @ order @ unseen.T, 0, atol=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from([((4,), 1), ((2, 2), 1), ((2, 1, 2), 1), ((2, 2), 2)]))
def test_infinite_width_is_a_gaussian_process(seed, shape):
    heads, outputs = shape
    variances = np.exp(0.3 * np.random.default_rng(seed).normal(size=len(heads) + 2))
    network = Network(heads, (1e8,) * (len(heads) + 1), variances, outputs)
    order = solve(random_action(seed, network)).U1
    np.testing.assert_allclose(order, network.gaussian_process_scale * np.eye(network.sizes[0]), atol=1e-5)


def test_error_of_infinite_width_falls_with_the_width():
    orders = [solve(random_action(1, Network((2, 2), (width,) * 3))).U1 for width in (1e3, 1e4)]
    first, second = (np.abs(order - np.eye(4)).max() for order in orders)
    assert first / second == pytest.approx(10, rel=0.05)


# Where it is hard


def test_conjugate_gradients_find_the_same_minimum():
    dense = random_action(1, Network((2, 3), (10, 10, 10)))
    kernels = PathKernels(dense.kernels.features, limit=0)
    lean = Action(dense.network, kernels, dense.labels[:, 0], dense.temperature)
    assert dense.regression(np.eye(6)).matrix_cost < np.inf
    assert lean.regression(np.eye(6)).matrix_cost == np.inf
    expected = solve(dense, starts="gp")
    for method in METHODS:
        found = solve(lean, method=method, starts="gp")
        assert relative(found.U1, expected.U1) < 1e-8
        curvatures = found.certificate.smallest_curvature, found.certificate.largest_curvature
        assert curvatures[0] == pytest.approx(expected.certificate.smallest_curvature, rel=1e-3)
        assert curvatures[1] == pytest.approx(expected.certificate.largest_curvature, rel=1e-3)


def test_a_saddle_is_left():
    action = two_minima("s2")
    ends = [
        action.coordinates.from_order_parameters((order, *action.eliminate(order)))
        for order in reference("multi_minima")["s2_U1"]
    ]
    between = optimize.root(lambda x: action.value_and_gradient(x)[1], np.mean(ends, axis=0), jac=action.hessian)
    assert np.linalg.eigvalsh(action.hessian(between.x))[0] < -1
    solution = solve(action, starts=[action.to_order_parameters(between.x)[0]])
    assert solution.certificate.smallest_curvature > 0
    assert solution.value < action.value_and_gradient(between.x)[0] - 1


# Starts and grids


def test_starts_that_are_given():
    action = random_action(1, Network((2, 2), (4, 4, 4)))
    solution = solve(action, starts=[random_order(seed, 4) for seed in range(3)])
    assert solution.certificate.starts == 3
    assert solution.value == pytest.approx(solve(action).value, rel=1e-11)


def test_random_starts_are_reproducible():
    action = random_action(1, Network((2,), (3, 3)))
    first, second = (solve(action, starts="all", random_starts=4, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.U1, second.U1)
    assert first.certificate.starts == 1 + 3 + 5 + 4
    assert first.certificate.spread < 1e-8


def test_wide_networks_need_no_more_than_one_start():
    assert solve(random_action(1, Network((2, 2), (1000,) * 3))).certificate.starts == 1


@methods
def test_grid_has_the_solutions_of_every_cell(method):
    data = reference("hmc_small")
    networks = [Network((2, 2), (width,) * 3) for width in (20, 5, 100)]
    kernels = PathKernels(data["Z_last_token"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid = solve_grid(networks, kernels, data["y"], (0.1, 0.01), method=method)
    for row, network in zip(grid, networks, strict=True):
        for solution, temperature in zip(row, (0.1, 0.01), strict=True):
            expected = solve(Action(network, kernels, data["y"], temperature))
            assert solution.value == pytest.approx(expected.value, rel=1e-11)
            assert relative(solution.U1, expected.U1) < 1e-8
        check(row[1], data, f"N{network.widths[0]:.0f}_")


def test_grid_finds_both_minima_of_one_cell():
    data, action = reference("multi_minima"), two_minima("s2")
    networks = [action.network.with_widths(width) for width in (30, 10, 3, 1)]
    grid = solve_grid(networks, action.kernels, data["s2_y"], (1e-4, 1e-2))
    assert grid[2][1].value == pytest.approx(data["s2_values2S"][0], rel=1e-8)


# Mistakes


def test_no_finite_start_is_an_error():
    action = random_action(1, Network((2, 2), (4, 4, 4)))
    with pytest.raises(SolveError, match="numbers are not finite"):
        solve(Action(action.network, PathKernels(1e200 * action.kernels.features), action.labels[:, 0], 0.1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "adam"}, "method must be one of noncentred, reduced"),
        ({"starts": "many"}, "starts must be one of auto, gp, all"),
        ({"starts": [np.eye(3)]}, "starts must have shape"),
        ({"starts": [np.diag([1.0, 1.0, 1.0, -1.0])]}, "starts must be positive definite"),
        ({"starts": []}, "starts must hold at least one U_1"),
        ({"random_starts": -1}, "random_starts must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        solve(random_action(1, Network((2, 2), (4, 4, 4))), **settings)


@pytest.mark.parametrize(
    ("networks", "temperatures", "message"),
    [
        ([], [0.1], "must have networks and temperatures"),
        ([Network((2, 2), (4, 4, 4))], [], "must have networks and temperatures"),
        ([Network((2, 2), (4, 4, 4)), Network((4,), (4, 4))], [0.1], "the same heads and outputs"),
        ([Network((2, 2), (4, 4, 4))], [0.0], "temperature must be above 0"),
    ],
)
def test_mistakes_of_a_grid_are_named(networks, temperatures, message):
    action = random_action(1, Network((2, 2), (4, 4, 4)))
    with pytest.raises(ValueError, match=message):
        solve_grid(networks, action.kernels, action.labels[:, 0], temperatures)


@pytest.mark.parametrize(
    ("width", "temperature", "method"),
    [
        (10, 0.5, "noncentred"),
        (10, 0.5, "reduced"),
        (20, 0.5, "noncentred"),
        (100, 0.25, "reduced"),
        (1000, 0.1, "reduced"),
    ],
)
def test_sixteen_paths_through_trained_heads(width, temperature, method):
    data = reference("image_theory")
    expected = {
        name: data[f"N{width}_T{temperature:g}_{name}"] for name in ("U1", "U2", "Ua", "twoS", "mean", "variance")
    }
    network = Network(tuple(data["heads"].tolist()), (width,) * 3)
    action = Action(network, PathKernels(data["Z"]), data["y"], temperature)
    solution = solve(action, method=method, starts="gp")
    for found, name in zip(solution.blocks, ("U1", "U2", "Ua"), strict=True):
        np.testing.assert_allclose(found, np.reshape(expected[name], found.shape), atol=1e-8)
    assert solution.value == pytest.approx(float(expected["twoS"]), rel=1e-11)
    prediction = Predictor(action, solution.U1).predict(data["Z_test"])
    np.testing.assert_allclose(prediction.mean, expected["mean"], atol=1e-8)
    np.testing.assert_allclose(prediction.variance, expected["variance"], atol=1e-8)
    for layer, head, score in data[f"N{width}_T{temperature:g}_head_scores"]:
        assert head_scores(solution.U1, network.heads)[int(layer)][int(head)] == pytest.approx(score, abs=1e-8)
