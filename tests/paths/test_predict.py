"""Predictions and their quality: against reference numbers, from both forms, and by leaving examples out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.predict import (
    Predictor,
    accuracy,
    brier_score,
    log_evidence,
    negative_log_density,
    negative_log_likelihood,
    sampled_accuracy,
    squared_error,
)
from mfattn.paths.solve import solve
from mfattn.paths.starts import gaussian_process_order
from mfattn.paths.tasks.markov import four_paths, two_paths
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

PUBLISHED = {
    "four": ((10, 0.964), (30, 0.961), (50, 0.945), (100, 0.911), (300, 0.855), (500, 0.840), (1000, 0.834)),
    "two": ((10, 0.957), (30, 0.955), (50, 0.954), (100, 0.925), (300, 0.881), (500, 0.862), (1000, 0.857)),
}
INFINITE = {"four": 0.826, "two": 0.843}


@pytest.fixture(scope="module")
def instances():
    """The published networks of four and of two paths."""
    return {"four": four_paths(), "two": two_paths()}


def check(action, order, features, data, prefix=""):
    """Both forms predict what the reference does."""
    for form in ("dual", "primal"):
        prediction = Predictor(action, order, form).predict(features)
        assert relative(prediction.mean, data[f"{prefix}mean"]) < 1e-11
        assert relative(prediction.variance, data[f"{prefix}variance"]) < 1e-11
        limit = Predictor(action, gaussian_process_order(action.network), form).predict(features)
        assert relative(limit.mean, data[f"{prefix}gp_mean"]) < 1e-11
        assert relative(limit.variance, data[f"{prefix}gp_variance"]) < 1e-11


# Reference numbers


@pytest.mark.parametrize("width", [5, 20, 100])
def test_small_chain(width):
    data = reference("hmc_small")
    check(small_chain(width), data[f"N{width}_U1"], data["Z_test_last_token"], data, f"N{width}_")


@pytest.mark.parametrize("name", ["deep_L3", "single_path"])
def test_unequal_widths_and_variances(name):
    action, data = unequal(name)
    check(action, data["U1"], data["Z_test"], data)


def test_query_key_heads():
    action, data = query_key()
    check(action, data["U1"], data["Z_test"], data)


@pytest.mark.parametrize("paths", ["four", "two"])
def test_published_networks(instances, paths):
    instance, data = instances[paths], reference("published_paths")
    training, test = instance.features()
    kernels = PathKernels(training)
    for width, expected in PUBLISHED[paths]:
        network = Network(instance.heads, (width,) * 3)
        action = Action(network, kernels, instance.training.labels, 0.01)
        solution = solve(action, starts="gp")
        assert solution.value == pytest.approx(float(data[f"{paths}_N{width}_twoS"]), rel=1e-11)
        assert relative(solution.U1, data[f"{paths}_N{width}_U1"]) < 1e-8
        assert relative(solution.Ua, data[f"{paths}_N{width}_Ua"]) < 1e-8
        mean = Predictor(action, solution.U1).mean(test)
        assert accuracy(mean, instance.test.labels) == pytest.approx(expected, abs=1e-12)
    limit = Predictor(action, gaussian_process_order(network)).mean(test)
    assert accuracy(limit, instance.test.labels) == pytest.approx(INFINITE[paths], abs=1e-12)


def test_infinite_width_with_fewer_heads(instances):
    for kept, expected in ((((0,), (0,)), 0.940), (((0, 1), (0,)), 0.955)):
        instance = instances["four"].sub_network(kept)
        training, test = instance.features()
        network = Network(instance.heads, (10,) * 3)
        action = Action(network, PathKernels(training), instance.training.labels, 0.01)
        mean = Predictor(action, gaussian_process_order(network)).mean(test)
        assert accuracy(mean, instance.test.labels) == pytest.approx(expected, abs=1e-12)


# Forms, and examples left out


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1000))
def test_forms_agree_and_residuals_are_those_of_the_mean(examples, inputs, paths, outputs, seed):
    network = Network((paths,), (5, 5), outputs=outputs)
    action = random_action(seed, network, examples=examples, inputs=inputs)
    order, new = random_order(seed, paths * outputs), random_features(seed + 1, 4, inputs, paths)
    dual, primal = (Predictor(action, order, form) for form in ("dual", "primal"))
    np.testing.assert_allclose(dual.mean(new), primal.mean(new), atol=1e-11)
    np.testing.assert_allclose(dual.variance(new), primal.variance(new), atol=1e-11)
    labels = action.labels if outputs == 2 else action.labels[:, 0]
    np.testing.assert_allclose(dual.residuals(), labels - dual.mean(action.kernels.features), atol=1e-10)


@settings(max_examples=20)
@given(st.integers(2, 10), st.integers(1, 5), st.integers(1, 2), st.integers(0, 1000))
def test_leaving_one_out_is_predicting_from_the_others(examples, inputs, outputs, seed):
    network = Network((2,), (5, 5), outputs=outputs)
    action = random_action(seed, network, examples=examples, inputs=inputs)
    order, features = random_order(seed, 2 * outputs), action.kernels.features
    left_out = Predictor(action, order).leave_one_out().reshape(examples, outputs)
    for example in range(examples):
        others = np.arange(examples) != example
        rest = Action(network, PathKernels(features[others]), action.labels[others], action.temperature)
        mean = Predictor(rest, order).mean(features[example : example + 1])
        np.testing.assert_allclose(left_out[example], action.labels[example] - mean.ravel(), atol=1e-9)


def test_many_new_inputs_are_taken_in_parts(monkeypatch):
    action = random_action(1, Network((2,), (5, 5)))
    order, new = random_order(1, 2), random_features(2, 10, 5, 2)
    expected = Predictor(action, order).variance(new)
    monkeypatch.setattr("mfattn.paths.predict.AT_ONCE", 20)
    np.testing.assert_allclose(Predictor(action, order).variance(new), expected, rtol=1e-12)


def test_singular_and_indefinite_order_parameters():
    action = random_action(1, Network((2,), (5, 5)))
    new = random_features(2, 3, 5, 2)
    silent = np.diag([1.0, 0.0])
    np.testing.assert_allclose(
        Predictor(action, silent).mean(new), Predictor(action, silent, "primal").mean(new), atol=1e-12
    )
    with pytest.raises(ValueError, match="no negative eigenvalue"):
        Predictor(action, np.diag([1.0, -1e-3]), "primal").mean(new)
    with pytest.raises(ValueError, match="not positive definite"):
        Predictor(action, -9 * np.eye(2))


# Evidence


def test_evidence_prefers_the_temperature_and_the_noise_of_the_data():
    rng = np.random.default_rng(0)
    features = random_features(0, 60, 6, 2)
    labels = features[:, :, 0] @ rng.normal(size=6) + 0.3 * rng.normal(size=60)
    network = Network((2,), (1000, 1000))
    values = []
    for temperature in (1e-3, 0.01, 0.09, 1.0, 10.0):
        action = Action(network, PathKernels(features), labels, temperature)
        values.append(log_evidence(action, solve(action).value))
    assert int(np.argmax(values)) == 2


def test_evidence_at_infinite_width_is_that_of_a_gaussian():
    network = Network((2,), (1e9, 1e9), (1, 1.2, 0.7))
    action = random_action(1, network)
    covariance = action.kernels.kernel(gaussian_process_order(network)) + action.temperature * np.eye(8)
    labels = action.labels[:, 0]
    expected = -0.5 * (labels @ np.linalg.solve(covariance, labels) + np.linalg.slogdet(2 * np.pi * covariance)[1])
    assert log_evidence(action, solve(action).value) == pytest.approx(expected, abs=1e-4)


# Scores


def test_a_mean_of_zero_counts_half():
    assert accuracy([0.0, 1.0], [1, 1]) == 0.75
    assert accuracy([0.0, 0.0], [1, -1]) == 0.5


def test_the_largest_of_several_outputs_is_the_class():
    means = [[0.1, 0.5, 0.2], [0.3, 0.3, 0.0], [1.0, 0.0, 0.0]]
    labels = np.eye(3)[[1, 0, 2]] - 1 / 3
    assert accuracy(means, labels) == pytest.approx((1 + 0.5 + 0) / 3)


def test_scores_of_sampled_networks():
    means, variances, labels = np.array([0.5, -1.0, 0.0]), np.array([1.0, 0.25, 0.0]), [1, 1, -1]
    right = np.array([special.ndtr(0.5), special.ndtr(-2.0), 0.5])
    assert sampled_accuracy(means, variances, labels) == pytest.approx(right.mean())
    assert negative_log_likelihood(means, variances, labels) == pytest.approx(-np.log(right).mean())
    assert brier_score(means, variances, labels) == pytest.approx(((1 - right) ** 2).mean())
    assert squared_error(means, variances, labels).total == pytest.approx(((means - labels) ** 2 + variances).mean())
    assert negative_log_density([1.0], [0.5], [1.0], 0.5) == pytest.approx(0.5 * np.log(2 * np.pi))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy([1.0, 2.0], [1, 0]), "labels of two classes must be 1 or -1, found 0"),
        (lambda: accuracy([1.0, 2.0], [1]), "labels must have shape"),
        (lambda: accuracy(1.0, [1]), "mean must have shape"),
        (lambda: accuracy([[1.0], [2.0]], [[1], [-1]]), r"mean of one output must have shape \(Q,\)"),
        (lambda: accuracy([[np.nan, 1.0]], [[1, 0]]), "mean must be finite"),
        (lambda: squared_error([np.nan], [1.0], [1.0]), "mean must be finite"),
        (lambda: negative_log_density([1.0], [[1.0]], [1.0], 1.0), "variance must have shape"),
        (lambda: negative_log_density([1.0], [0.0], [1.0], 0.0), "must not both be 0"),
        (lambda: brier_score([1.0], [-0.5], [1]), "variance must not be negative, found -0.5"),
        (lambda: squared_error([1.0], [1.0, 2.0], [1.0]), "variance must have shape"),
        (
            lambda: Predictor(random_action(1, Network((2,), (5, 5))), np.triu(np.ones((2, 2)))),
            "order must be symmetric",
        ),
        (lambda: sampled_accuracy([1.0], [1.0], [0.5]), "must be 1 or -1, found 0.5"),
        (lambda: Predictor(random_action(1, Network((2,), (5, 5))), np.eye(2), "both"), "form must be one of"),
        (lambda: Predictor(random_action(1, Network((2,), (5, 5))), np.eye(2)).mean(np.ones((2, 5))), "features must"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
