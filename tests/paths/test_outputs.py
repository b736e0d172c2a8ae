"""Several outputs: against one output, symmetries, and networks whose weights are drawn."""

import math

import numpy as np
import pytest
from scipy import stats

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.observables import effective_weights
from mfattn.paths.predict import Predictor, log_evidence
from mfattn.paths.solve import solve
from tests.paths.references import random_action, random_features, relative

NETWORK = Network((2, 1), (3, 4, 5), (1, 1.2, 0.8, 1.1), outputs=2)


def drawn_networks(network, features, samples, seed):
    """Outputs (samples, P, C) and effective weights of networks whose weights are drawn from the prior."""
    rng = np.random.default_rng(seed)
    widths = [int(width) for width in network.widths]
    inputs = features.shape[1]
    first = rng.normal(size=(samples, widths[0], inputs))
    weights = rng.normal(size=(samples, network.outputs, widths[-1])) * math.sqrt(network.variances[-1])
    rows = weights[:, None]
    for layer in reversed(range(network.depth)):
        shape = (samples, network.heads[layer], widths[layer + 1], widths[layer])
        values = rng.normal(size=shape) * math.sqrt(network.variances[layer + 1] / widths[layer + 1])
        rows = np.einsum("spcn,shnm->shpcm", rows, values).reshape(samples, -1, network.outputs, widths[layer])
    hidden = np.einsum("snd,mdp->smpn", first, features)
    outputs = np.einsum("spcn,smpn->smc", rows, hidden) / math.sqrt(widths[0])
    return outputs, rows.reshape(samples, -1, widths[0])


def bartlett_draws(action, samples, seed):
    """Non-centred coordinates drawn from the prior, which has the degrees of freedom of Wishart matrices."""
    rng = np.random.default_rng(seed)
    coordinates = action.coordinates
    x = rng.normal(size=(samples, coordinates.size)) / np.sqrt(coordinates.weights)
    for places, width in zip(coordinates.log_diagonals, action.network.widths, strict=True):
        degrees = width - np.arange(len(places))
        x[:, places] = 0.5 * np.log(rng.chisquare(degrees, size=(samples, len(places))) / width)
    return x


def weighted(values, logarithms):
    """Weighted mean of values along the first axis, with its standard error."""
    weights = np.exp(logarithms - logarithms.max())
    weights = weights / weights.sum()
    mean = np.tensordot(weights, values, axes=1)
    return mean, np.sqrt(np.tensordot(weights**2, (values - mean) ** 2, axes=1))


def test_order_parameters_give_the_posterior_of_drawn_networks():
    network = Network((2, 1), (5, 6, 4), (1, 1.2, 0.8, 1.1), outputs=2)
    features, new = random_features(1, 3, 3, 2) * 2, random_features(2, 2, 3, 2) * 2
    labels = np.array([[1.0, -0.5], [-1.0, 0.3], [0.2, 0.8]])
    temperature = 0.5
    action = Action(network, PathKernels(features), labels, temperature)

    outputs, rows = drawn_networks(network, np.concatenate([features, new]), 150_000, 3)
    squares = ((outputs[:, :3] - labels) ** 2).sum(axis=(1, 2))
    likelihood = -0.5 * squares / temperature - 3 * math.log(temperature)
    x = bartlett_draws(action, 2000, 4)
    orders = [action.to_order_parameters(one)[0] for one in x]
    energies = -0.5 * np.array([action.energy(order) for order in orders])

    sides = [np.exp(likelihood), np.exp(energies)]
    errors = [side.std() / math.sqrt(len(side)) for side in sides]
    assert abs(sides[0].mean() - sides[1].mean()) < 4.5 * math.hypot(*errors)

    predictors = [Predictor(action, order) for order in orders]
    means = np.stack([predictor.mean(new) for predictor in predictors])
    variances = np.stack([predictor.variance(new) for predictor in predictors])
    overlaps = np.einsum("spn,sqn->spq", rows, rows) / network.widths[0]
    pairs = [
        (outputs[:, 3:], means),
        (outputs[:, 3:] ** 2, means**2 + variances),
        (overlaps, np.stack(orders)),
    ]
    for drawn, theory in pairs:
        (one, one_error), (other, other_error) = weighted(drawn, likelihood), weighted(theory, energies)
        assert (np.abs(one - other) < 4.5 * np.hypot(one_error, other_error)).all()


def test_order_of_effective_weights_is_that_of_drawn_networks():
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(2, 4, 3)), rng.normal(size=(3, 5, 4))]
    readout = rng.normal(size=(2, 5))
    weights = effective_weights(values, readout)
    for first in range(2):
        for second in range(3):
            for output in range(2):
                expected = readout[output] @ values[1][second] @ values[0][first] / math.sqrt(4 * 5)
                np.testing.assert_allclose(weights[(first * 3 + second) * 2 + output], expected)


def test_entropy_is_the_density_of_wishart_matrices():
    action = random_action(1, NETWORK)
    network, coordinates = action.network, action.coordinates
    offsets = []
    for seed in range(5):
        blocks = coordinates.order_parameters(0.3 * np.random.default_rng(seed).normal(size=coordinates.size))
        above = [*blocks[1:], np.eye(1)]
        density, measure = 0.0, 0.0
        for layer, (block, upper) in enumerate(zip(blocks, above, strict=True)):
            size, width = len(block), network.widths[layer] + 10
            scale = network.variances[layer + 1] / width * np.kron(np.eye(network.branches[layer]), upper)
            density += stats.wishart(width, scale).logpdf(block)
            measure -= 0.5 * (size + 1) * np.linalg.slogdet(block)[1]
        wider = Action(network.with_widths([width + 10 for width in network.widths]), action.kernels, action.labels, 1)
        offsets.append(density - measure + 0.5 * wider.entropy(blocks))
    np.testing.assert_allclose(offsets, offsets[0], rtol=1e-11)


@pytest.mark.parametrize("method", ["noncentred", "reduced"])
def test_turning_the_labels_turns_the_order_parameter(method):
    action = random_action(1, Network((2, 2), (6, 6, 6), outputs=3))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = Action(action.network, action.kernels, action.labels @ turn, action.temperature)
    one, other = solve(action, method=method, starts="gp"), solve(turned, method=method, starts="gp")
    large = np.kron(np.eye(4), turn)
    assert other.value == pytest.approx(one.value, rel=1e-11)
    np.testing.assert_allclose(other.U1, large.T @ one.U1 @ large, atol=1e-8)
    np.testing.assert_allclose(other.Ua, turn.T @ one.Ua @ turn, atol=1e-8)
    new = random_features(9, 3, 5, 4)
    np.testing.assert_allclose(
        Predictor(turned, other.U1).mean(new), Predictor(action, one.U1).mean(new) @ turn, atol=1e-8
    )


def test_one_output_may_be_a_column():
    action = random_action(1, Network((2, 2), (6, 6, 6)))
    column = Action(action.network, action.kernels, action.labels.reshape(-1, 1), action.temperature)
    np.testing.assert_array_equal(solve(column).U1, solve(action).U1)


def test_outputs_are_independent_at_infinite_width():
    network = Network((2,), (1e9, 1e9), outputs=2)
    action = random_action(3, network)
    new = random_features(9, 3, 5, 2)
    prediction = Predictor(action, solve(action).U1).predict(new)
    for output in range(2):
        alone = Action(Network((2,), (1e9, 1e9)), action.kernels, action.labels[:, output], action.temperature)
        single = Predictor(alone, np.eye(2)).predict(new)
        np.testing.assert_allclose(prediction.mean[:, output], single.mean, atol=1e-6)
        np.testing.assert_allclose(prediction.variance[:, output], single.variance, atol=1e-6)


def test_evidence_of_independent_outputs_is_the_sum():
    network = Network((2,), (1e9, 1e9), outputs=2)
    action = random_action(3, network)
    both = log_evidence(action, solve(action).value)
    single = 0.0
    for output in range(2):
        alone = Action(Network((2,), (1e9, 1e9)), action.kernels, action.labels[:, output], action.temperature)
        single += log_evidence(alone, solve(alone).value)
    assert both == pytest.approx(single, abs=1e-5)


def test_outputs_share_heads_at_finite_width():
    action = random_action(3, Network((2, 2), (4, 4, 4), outputs=2))
    solution = solve(action)
    assert solution.certificate.gradient_norm < 1e-10
    assert solution.Ua.shape == (2, 2)
    assert abs(solution.Ua[0, 1]) > 1e-3
    assert relative(solution.U1, np.eye(8)) > 0.1
