"""What the samplers are made of: coordinates, densities, laws, kernels, diagnostics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from mfattn.paths.network import Network
from mfattn.paths.posterior.coordinates import WishartCoordinates
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.diagnostics import bulk_effective_size, kish_effective_size, r_hat
from mfattn.paths.posterior.estimates import total_variance, weighted_mean
from mfattn.paths.posterior.kernels.factors import factorise, inverses
from mfattn.paths.posterior.products import contraction, product
from mfattn.paths.posterior.student import Mixture, Student
from tests.paths.references import random_action

NETWORKS = st.builds(
    lambda heads, widths, outputs: Network(
        heads, widths[: len(heads) + 1], (1, 1.3, 0.7, 1.2, 0.9)[: len(heads) + 2], outputs
    ),
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.tuples(*[st.integers(1, 9)] * 4),
    st.integers(1, 2),
)


@settings(max_examples=25, deadline=None)
@given(NETWORKS, st.integers(0, 100))
def test_gradients_are_those_of_differences(network, seed):
    density = Density(random_action(seed, network, examples=5, inputs=2))
    x = density.prior.draw(np.random.default_rng(seed), 1)
    value, gradient = density.log_joint_and_gradient(x)
    assert value == density.log_joint(x)
    direction = np.random.default_rng(seed + 1).standard_normal(x.shape) * density.prior.spreads
    step = 1e-5
    difference = (density.log_joint(x + step * direction) - density.log_joint(x - step * direction)) / (2 * step)
    size = np.linalg.norm(gradient * density.prior.spreads) * np.linalg.norm(direction / density.prior.spreads)
    np.testing.assert_allclose(gradient[0] @ direction[0], difference[0], atol=1e-6 * (1 + size))


@settings(max_examples=25, deadline=None)
@given(NETWORKS, st.integers(0, 100))
def test_the_density_is_that_of_the_energy(network, seed):
    action = random_action(seed, network, examples=5, inputs=2)
    density = Density(action)
    x = density.prior.draw(np.random.default_rng(seed), 3)
    blocks = density.prior.order_parameters(x)
    energies = np.array([action.energy(order) for order in blocks[0]]) + action.labels.size * np.log(2 * np.pi)
    np.testing.assert_allclose(density.energies(blocks[0]), energies, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(density.log_joint(x), density.prior.log_prior(x) - 0.5 * energies, rtol=1e-9, atol=1e-9)
    ranks = [np.linalg.matrix_rank(block[0], tol=1e-12) for block in blocks]
    assert all(rank <= width for rank, width in zip(ranks, network.widths, strict=True))


def test_the_prior_is_normalised():
    prior = WishartCoordinates(Network((1,), (3, 1.5)))
    volume, _ = integrate.dblquad(lambda u, v: np.exp(prior.log_prior(np.array([[u, v]]))[0]), 1e-9, 3, 1e-9, 3)
    assert abs(volume - 1) < 1e-6


@pytest.mark.parametrize("width", [3, 7])
def test_the_prior_is_that_of_gaussian_weights(width):
    """Moments of the overlaps of weights in one layer of four heads, also when it is narrower than four."""
    prior = WishartCoordinates(Network((4,), (width, 5), (1, 1.3, 0.8)))
    random = np.random.default_rng(0)
    orders = prior.order_parameters(prior.draw(random, 40_000))[0]
    read_out = random.chisquare(5, 40_000) / 5
    gaussian = random.standard_normal((40_000, 4, width)) * np.sqrt(1.3 * 0.8 * read_out / width)[:, None, None]
    expected = gaussian @ gaussian.swapaxes(1, 2)
    for power in (1, 2):
        found, wanted = orders**power, expected**power
        error = np.sqrt((found.var(axis=0) + wanted.var(axis=0)) / 40_000)
        assert (np.abs(found.mean(axis=0) - wanted.mean(axis=0)) < 4.5 * error).all()


def test_points_without_positive_diagonals_have_no_density():
    density = Density(random_action(0, Network((2,), (5, 5))))
    x = np.ones((3, density.prior.size))
    x[1, density.prior.diagonal[0]] = -0.5
    x[2] = np.inf
    values, gradients = density.log_joint_and_gradient(x)
    assert np.isfinite(values[0]) and (values[1:] == -np.inf).all() and (gradients[1:] == 0).all()
    assert (density.log_joint(x) == values).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 80), st.integers(1, 5), st.integers(0, 1000))
def test_factors_and_inverses_are_those_of_a_library(size, columns, seed):
    random = np.random.default_rng(seed)
    half = random.standard_normal((3, size, size))
    matrices = half @ half.swapaxes(1, 2) / size + np.eye(size)
    beside = random.standard_normal((3, size, columns))
    factors = np.concatenate([matrices, beside], axis=2)
    factorise(factors)
    lower = np.linalg.cholesky(matrices)
    np.testing.assert_allclose(np.triu(factors[:, :, :size]), lower.swapaxes(1, 2), atol=1e-11)
    np.testing.assert_allclose(factors[:, :, size:], np.linalg.solve(lower, beside), atol=1e-10)
    found = np.full_like(factors, np.nan)
    inverses(factors, found)
    alpha = np.linalg.solve(matrices, beside[:, :, :1])
    expected = np.tril(np.linalg.inv(matrices) - alpha @ alpha.swapaxes(1, 2))
    np.testing.assert_allclose(found[:, :, :size], expected, atol=1e-9)


def test_a_matrix_without_a_factor_is_no_number():
    matrices = np.array([[[1.0, 2.0, 1.0], [2.0, 1.0, 1.0]]])
    factorise(matrices)
    assert np.isnan(matrices[0, 1, 1])


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 5000))
@settings(max_examples=15, deadline=None)
def test_products_in_parts_are_products(rows, terms, columns):
    random = np.random.default_rng(0)
    left, right = random.standard_normal((rows, terms)), random.standard_normal((terms, columns))
    np.testing.assert_allclose(product(left, right), left @ right, atol=1e-12)
    np.testing.assert_allclose(contraction(left @ right, right), left @ right @ right.T, rtol=1e-9, atol=1e-9)


def test_student_is_that_of_a_library():
    random = np.random.default_rng(0)
    half = random.standard_normal((3, 3))
    scale = half @ half.T + np.eye(3)
    law = Student(np.arange(3.0), np.linalg.inv(scale), freedom=5)
    x = law.draw(random, 100)
    expected = stats.multivariate_t(np.arange(3.0), scale, df=5).logpdf(x)
    np.testing.assert_allclose(law.log_density(x), expected, atol=1e-10)
    mixture = Mixture([law, Student(np.zeros(3), np.eye(3), freedom=5)], np.array([3.0, 1.0]))
    other = stats.multivariate_t(np.zeros(3), np.eye(3), df=5).pdf(x)
    np.testing.assert_allclose(np.exp(mixture.log_density(x)), 0.75 * np.exp(expected) + 0.25 * other, atol=1e-12)
    assert abs(mixture.draw(random, 20_000).mean(axis=0) - 0.75 * np.arange(3.0)).max() < 0.1


def test_effective_sizes_are_those_of_autocorrelated_draws():
    random = np.random.default_rng(1)
    chains = random.standard_normal((16, 2000))
    for index in range(1, 2000):
        chains[:, index] = 0.8 * chains[:, index - 1] + 0.6 * chains[:, index]
    assert abs(bulk_effective_size(chains) / (32_000 / 9) - 1) < 0.15
    assert r_hat(chains) < 1.01
    assert r_hat(chains + np.arange(16)[:, None]) > 1.5
    assert r_hat(chains * np.linspace(0.2, 3, 16)[:, None]) > 1.1
    assert kish_effective_size(np.log([[3.0, 1.0], [1.0, 1.0]])) == pytest.approx(36 / 12)


def test_chains_must_be_long_enough():
    with pytest.raises(ValueError, match="four draws at least, found 3"):
        r_hat(np.zeros((2, 3)))


def test_errors_of_estimates_are_their_spread():
    random = np.random.default_rng(2)
    means, variances, of_means, of_variances = [], [], [], []
    for _ in range(400):
        values = random.gamma(2.0, size=(20, 10))
        weights = random.exponential(size=(20, 10))
        mean = weighted_mean(weights.sum(axis=1), (weights * values).sum(axis=1))
        spread = total_variance(weights.sum(axis=1), (weights * values).sum(axis=1), (weights * values**2).sum(axis=1))
        means.append(mean.value), of_means.append(mean.error)
        variances.append(spread.value), of_variances.append(spread.error)
    assert abs(np.std(means) / np.mean(of_means) - 1) < 0.15
    assert abs(np.std(variances) / np.mean(of_variances) - 1) < 0.2
    assert abs(np.mean(means) - 2) < 0.03
