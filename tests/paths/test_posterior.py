"""Samplers of the exact posterior: against reference draws, exact integrals, and networks drawn from the prior."""

import math
from functools import partial

import numpy as np
import pytest

from mfattn.experiments.paths.config import PosteriorConfig
from mfattn.experiments.paths.exact import posterior_of
from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.posterior import ChainsDisagree, NoDensity, sample_posterior
from mfattn.paths.posterior import hamiltonian as hamiltonian_module
from mfattn.paths.posterior import sampling as sampling_module
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.elliptical import sample_elliptical
from mfattn.paths.posterior.evidence import bridge_evidence
from mfattn.paths.posterior.hamiltonian import sample_hamiltonian
from mfattn.paths.posterior.laplace import laplace
from mfattn.paths.predict import Predictor
from mfattn.paths.tasks.markov import four_paths
from tests.paths.references import random_action, random_features, reference, unequal
from tests.paths.test_outputs import drawn_networks, weighted

TINY = ("tiny_L1H1", "tiny_L1H2", "tiny_L2H21_var", "tiny_L2H22")
CASES = [(name, method) for name in TINY for method in ("importance", "hamiltonian")]
NARROW = [("tiny_L2H22_singular", "hamiltonian"), ("tiny_L2H22_singular", "elliptical")]


def deviation(estimate, value, error):
    """Largest difference from a reference, in combined standard errors."""
    return float(np.abs((estimate.value - value) / np.hypot(estimate.error, error)).max())


@pytest.mark.parametrize(("name", "method"), CASES + NARROW)
def test_tiny_networks_have_the_posterior_of_two_million_draws_of_the_prior(name, method):
    action, data = unequal(name)
    draws = {"importance": 8192, "hamiltonian": 4096, "elliptical": 768}[method]
    posterior = sample_posterior(action, method=method, draws=draws, warm_up=20, starts=2, threads=2)
    prediction = posterior.predict(data["Zt"], threads=2)
    read_out = posterior.order_parameter(action.network.depth + 1)
    assert deviation(posterior.order_parameter(), data["is_U1"], data["is_U1_se"]) < 4.5
    assert deviation(read_out, data["is_Ua"], data["is_Ua_se"]) < 4.5
    assert deviation(prediction.mean, data["is_mean"], data["is_mean_se"]) < 4.5
    assert deviation(prediction.variance, data["is_var"], data["is_var_se"]) < 4.5
    log_evidence = data["is_log_evidence"] - 0.5 * action.labels.size * math.log(2 * math.pi)
    error = math.sqrt(1 / data["is_neff"] - 1 / data["is_n"])
    assert deviation(posterior.log_evidence, log_evidence, error) < 4.5


@pytest.mark.parametrize("method", ["importance", "hamiltonian"])
def test_one_path_has_the_posterior_of_an_integral(method):
    action, data = unequal("tiny_L1H1")
    posterior = sample_posterior(action, method=method, draws=8192, warm_up=20, seed=3, threads=2)
    prediction = posterior.predict(data["Zt"])
    assert deviation(posterior.order_parameter(), data["exact_U1"], 0) < 4.5
    assert deviation(prediction.mean, data["exact_mean"], 0) < 4.5
    assert deviation(prediction.variance, data["exact_var"], 0) < 4.5


def test_the_published_network_has_the_posterior_of_reference_chains():
    instance, data = four_paths(), reference("published_posterior")
    features, others = instance.features()
    action = Action(Network(instance.heads, (10, 10, 10)), PathKernels(features), instance.training.labels, 0.01)
    posterior = sample_posterior(action, draws=4096, starts=2, threads=2)
    assert posterior.method == "importance"
    assert posterior.effective_size > 0.1 * 4096
    assert posterior.reason.startswith("of the importance draws an effective share of 0.")
    assert deviation(posterior.order_parameter(), data["U"], data["U_se"]) < 4.5
    for place, value, error in (((0, 0), 14.90, 0.06), ((0, 2), -5.96, 0.03), ((2, 2), 7.20, 0.03)):
        found = posterior.order_parameter()
        assert abs(found.value[place] - value) < 4.5 * math.hypot(found.error[place], error)
    prediction = posterior.predict(others[:10], threads=2)
    assert deviation(prediction.mean, data["mean"][:10], data["mean_se"][:10]) < 4.5
    np.testing.assert_allclose(prediction.variance.value, data["var"][:10], rtol=0.15)


def test_several_outputs_have_the_posterior_of_networks_drawn_from_the_prior():
    network = Network((2, 1), (5, 6, 4), (1, 1.2, 0.8, 1.1), outputs=2)
    features, new = random_features(1, 3, 3, 2) * 2, random_features(2, 2, 3, 2) * 2
    labels = np.array([[1.0, -0.5], [-1.0, 0.3], [0.2, 0.8]])
    temperature = 0.5
    outputs, effective = drawn_networks(network, np.concatenate([features, new]), 60_000, seed=11)
    logarithms = -0.5 * ((outputs[:, :3] - labels) ** 2).sum(axis=(1, 2)) / temperature
    posterior = sample_posterior(Action(network, PathKernels(features), labels, temperature), draws=4096, threads=2)
    overlaps = np.einsum("spn,sqn->spq", effective, effective) / 5
    assert deviation(posterior.order_parameter(), *weighted(overlaps, logarithms)) < 4.5
    prediction = posterior.predict(new)
    mean, error = weighted(outputs[:, 3:], logarithms)
    assert deviation(prediction.mean, mean, error) < 4.5
    assert deviation(prediction.variance, *weighted((outputs[:, 3:] - mean) ** 2, logarithms)) < 4.5
    weights = np.exp(logarithms)
    evidence = math.log(weights.mean()) - 3 * math.log(2 * math.pi * temperature)
    spread = weights.std() / weights.mean() / math.sqrt(len(weights))
    assert deviation(posterior.log_evidence, evidence, spread) < 4.5


@pytest.mark.parametrize("network", [Network((2, 2), (8, 6, 5)), Network((2, 2), (3, 2, 2), outputs=2)])
def test_weights_are_draws_of_the_posterior(network):
    action = random_action(5, network, examples=4, inputs=3, temperature=0.3)
    new = random_features(6, 3, 3, 4)
    posterior = sample_posterior(action, draws=1024, warm_up=30, starts=1, threads=2)
    prediction = posterior.predict(new)
    weights = posterior.sample_weights(1000, seed=4)
    number = 1 / (1 / 1000 + 1 / posterior.effective_size)  # weights repeat some of the posterior's draws
    outputs = weights.outputs(new).reshape(1000, *prediction.mean.value.shape)
    spread = prediction.variance.value / number
    assert deviation(prediction.mean, outputs.mean(axis=0), np.sqrt(spread)) < 4.5
    assert deviation(prediction.variance, outputs.var(axis=0), 3 * spread * math.sqrt(number)) < 4.5
    overlaps = np.einsum("spn,sqn->spq", weights.effective, weights.effective) / network.widths[0]
    assert deviation(posterior.order_parameter(), overlaps.mean(axis=0), overlaps.std(axis=0) / math.sqrt(number)) < 4.5
    residuals = weights.outputs(action.kernels.features) - action.labels
    assert (residuals**2).mean() < 3 * action.temperature


@pytest.mark.parametrize("width", [6, 2])
def test_threads_change_no_bit(width, monkeypatch):
    monkeypatch.setattr(hamiltonian_module, "SHORTEST", 2)
    action = random_action(1, Network((2, 2), (width,) * 3), examples=40, temperature=0.3)
    density = Density(action)
    laws = laplace(density, 1, 2)
    for sampler in (partial(sample_hamiltonian, density, laws), partial(sample_elliptical, density)):
        np.testing.assert_array_equal(sampler(64, 1, 2, 1), sampler(64, 1, 2, 2))


def test_threads_change_no_bit_of_what_weighted_draws_tell():
    action, new = random_action(1, Network((2, 2), (6,) * 3), examples=40, temperature=0.3), random_features(3, 5)
    one, two = (sample_posterior(action, draws=512, starts=1, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.log_weights, two.log_weights)
    assert one.log_evidence.value == two.log_evidence.value
    first, second = one.predict(new, threads=1), two.predict(new, threads=2)
    np.testing.assert_array_equal(first.mean.value, second.mean.value)
    np.testing.assert_array_equal(first.variance.error, second.variance.error)


def test_seeds_are_independent():
    action, _ = unequal("tiny_L2H22")
    one, other = (sample_posterior(action, draws=256, seed=seed) for seed in (0, 1))
    assert not np.isin(one.x, other.x).any()
    assert deviation(one.order_parameter(), other.order_parameter().value, other.order_parameter().error) < 4.5


def test_wide_networks_are_gaussian_processes():
    action = random_action(2, Network((2, 2), (1e5, 1e5, 1e5), (1, 1.5, 0.5, 1.2)))
    posterior, new = sample_posterior(action, draws=512), random_features(4, 5)
    scale = action.network.gaussian_process_scale
    np.testing.assert_allclose(posterior.order_parameter().value, scale * np.eye(4), atol=1e-3)
    np.testing.assert_allclose(posterior.kernel(), action.kernels.kernel(scale * np.eye(4)), atol=1e-3)
    expected = Predictor(action, scale * np.eye(4)).predict(new)
    prediction = posterior.predict(new)
    np.testing.assert_allclose(prediction.mean.value, expected.mean, atol=2e-3)
    np.testing.assert_allclose(prediction.variance.value, expected.variance, rtol=5e-3)
    regression = action.regression(scale * np.eye(4))
    energy = regression.energy + action.energy_offset + 8 * math.log(2 * math.pi)
    assert deviation(posterior.log_evidence, -0.5 * energy, 1e-3) < 4.5


@pytest.mark.parametrize("width", [1, 2, 3])
def test_networks_narrower_than_their_paths_have_singular_order_parameters(width):
    action = random_action(7, Network((4, 4), (width,) * 3), temperature=0.3)
    posterior = sample_posterior(action, draws=1024, warm_up=40, starts=1, threads=2)
    assert posterior.method == "hamiltonian"
    assert "singular" in posterior.reason
    order = posterior.order_parameter()
    assert np.isfinite(order.value).all() and (order.error > 0).all()
    prediction = posterior.predict(random_features(8, 2, paths=16))
    assert (prediction.variance.value > 0).all()
    assert np.isfinite(posterior.log_evidence.error)


def test_hamiltonian_chains_take_over_where_few_weights_count(monkeypatch):
    action, data = unequal("tiny_L2H22")
    monkeypatch.setattr(sampling_module, "LEAST_EFFICIENCY", 0.99)
    posterior = sample_posterior(action, draws=2048, warm_up=50, starts=2, threads=2)
    assert posterior.method == "hamiltonian"
    assert posterior.reason.startswith("of the importance draws only")
    assert posterior.r_hat < 1.05
    assert deviation(posterior.order_parameter(), data["is_U1"], data["is_U1_se"]) < 4.5


def test_several_modes_are_all_sampled():
    """The evidence and the order parameter agree with chains that start from the prior."""
    features = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    action = Action(Network((2,), (2, 2)), PathKernels(features), [3.0, -3.0], 0.05)
    importance = sample_posterior(action, method="importance", draws=8192, threads=2)
    chains = sample_posterior(action, method="elliptical", draws=512, warm_up=10, threads=2)
    found, expected = importance.order_parameter(), chains.order_parameter()
    assert deviation(found, expected.value, expected.error) < 4.5
    assert deviation(importance.log_evidence, chains.log_evidence.value, chains.log_evidence.error) < 4.5


def test_chains_that_disagree_are_an_error_that_keeps_them(monkeypatch):
    action, _ = unequal("tiny_L2H22_singular")
    monkeypatch.setattr(sampling_module, "MOST_SPREAD", 1.0)
    with pytest.raises(ChainsDisagree, match=r"chains disagree \(R-hat 1\.\d\d, \d+ effective draws\)") as caught:
        sample_posterior(action, draws=256, warm_up=10, starts=1)
    assert caught.value.posterior.method == "hamiltonian"


def test_few_draws_of_many_coordinates_have_the_evidence_of_importance():
    """The covariance of 147 coordinates from 512 draws alone would be wrong by tens."""
    action = random_action(0, Network((4, 4), (20, 20, 20)), examples=6, temperature=0.1)
    chains = sample_posterior(action, method="hamiltonian", draws=1024, warm_up=50, starts=1, threads=2)
    importance = sample_posterior(action, method="importance", draws=4096, starts=1, threads=2)
    assert chains.x.shape[2] == 147
    assert chains.log_evidence.error < 0.2
    assert deviation(chains.log_evidence, importance.log_evidence.value, importance.log_evidence.error) < 4.5


def test_evidence_is_unknown_where_chains_are_far_from_every_law():
    action, _ = unequal("tiny_L2H22")
    density = Density(action)
    posterior = sample_posterior(action, method="hamiltonian", draws=1024, warm_up=20, starts=1)
    laws = laplace(density, 1, 0)
    assert np.isfinite(bridge_evidence(density, laws, posterior.x, 0).value)
    half = posterior.x.shape[1] // 2
    moved = np.concatenate([posterior.x[:, :half], posterior.x[:, half:] * 20], axis=1)
    impossible = np.concatenate([posterior.x[:, :half], -posterior.x[:, half:]], axis=1)
    for chains in (moved, impossible):
        unknown = bridge_evidence(density, laws, chains, 0)
        assert np.isnan(unknown.value) and unknown.error == np.inf


def test_chains_are_long_enough_to_be_compared():
    action, _ = unequal("tiny_L1H1")
    assert sample_posterior(action, method="hamiltonian", draws=256, warm_up=20, starts=1).x.shape[:2] == (32, 32)


def test_kernels_without_a_factor_have_no_density():
    huge = PathKernels(1e155 * random_features(0, 4, 2, 2))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(NoDensity, match=r"K\(U\) \+ T is not"):
        sample_posterior(Action(Network((2,), (5, 5)), huge, np.ones(4), 0.1), draws=256)


def test_experiments_leave_out_what_has_no_density_and_nothing_else(monkeypatch):
    def fails(action, *, warm_up, **options):
        assert warm_up == 7
        raise error

    action, config = random_action(0, Network((2,), (5, 5))), PosteriorConfig(warm_up=7)
    monkeypatch.setattr("mfattn.paths.posterior.sample_posterior", fails)
    error = NoDensity("nowhere")
    assert posterior_of(action, config) is None
    error = RuntimeError("a mistake")
    with pytest.raises(RuntimeError, match="a mistake"):
        posterior_of(action, config)


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        (Network((2,), (5, 5)), {"method": "gibbs"}, "method must be one of auto, importance"),
        (Network((2,), (5, 5)), {"draws": 10}, "draws must be at least 256, found 10"),
        (Network((2,), (5, 5)), {"threads": 0}, "threads must be at least 1, found 0"),
        (Network((2,), (5, 5)), {"seed": -1}, "seed must be at least 0, found -1"),
        (Network((2,), (1, 5)), {"method": "importance"}, "importance sampling needs layers as wide"),
        (Network((4,), (2.5, 5)), {}, "must be an integer, found 2.5"),
        (Network((2,), (5.5, 5)), {"method": "elliptical"}, "elliptical slices need integer widths"),
    ],
)
def test_what_cannot_be_sampled_is_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_posterior(random_action(0, network), **arguments)


def test_weights_of_a_width_that_is_no_integer_are_refused():
    posterior = sample_posterior(random_action(0, Network((2,), (5.5, 5))), draws=256)
    with pytest.raises(ValueError, match="weights need integer widths"):
        posterior.sample_weights(3)


def test_labels_that_no_network_gives_are_sampled_or_refused():
    """Labels a thousand times too large, at a temperature of 1e-8."""
    action = random_action(3, Network((2,), (5, 5)), temperature=1e-8)
    hard = Action(action.network, action.kernels, 1e3 * action.labels, 1e-8)
    try:
        posterior = sample_posterior(hard, draws=512, warm_up=100, starts=2)
    except NoDensity:
        return
    assert np.isfinite(posterior.order_parameter().value).all()
    assert np.isfinite(posterior.log_evidence.value)
