"""Exact statements about the map at epsilon = 0, on models built from column classes so that C is any matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.meanfield import ColumnClasses, Context, Model, Orbits, Weights, orbit, random_weights
from mfattn.meanfield.classes import sign_vectors
from mfattn.meanfield.period import period

from . import strategies as own


def weights_with(correlation, position_bits, seed=0) -> Weights:
    """Weights whose value-output correlation is the given matrix; query, key and output couplings are random."""
    correlation = np.atleast_2d(np.asarray(correlation, dtype=float))
    features = len(correlation)
    signs = sign_vectors(features)
    generator = np.random.default_rng(seed)
    couplings = generator.normal(0, 0.3, (4, *signs.shape))
    couplings[1] = (correlation @ np.linalg.pinv(signs.T)).T
    positional = generator.choice([-1.0, 1.0], (4, features, position_bits))
    weights = Weights(ColumnClasses(signs, couplings), positional)
    assert weights.classes.value_output_correlation == pytest.approx(correlation, abs=1e-12)
    return weights


def multipliers(beta, eigenvalue, length):
    """Roots of mu^L = (beta c / L)(mu^(L-1) + ... + 1)."""
    return np.roots([1.0, *[-beta * eigenvalue / length] * length])


def growth_rate(weights, beta, steps=4000):
    """Growth per step of a start of size 1e-9, kept small by scaling it back."""
    length, features = weights.context_length, weights.features
    generator = np.random.default_rng(1)
    window, total = generator.normal(0, 1e-9, (length, features)), 0.0
    for done in range(0, steps, 8):
        orbits = Orbits(weights, beta=beta, gamma=50, epsilon=0, starts=Context(window, length - 1))
        orbits.advance(8)
        (context,) = orbits.contexts()
        size = np.linalg.norm(context.attention) / 1e-9
        # The first half lets the leading direction win.
        total += np.log(size) if done >= steps // 2 else 0.0
        window = context.attention / size
    return np.exp(total / (steps / 2))


@given(st.data())
def test_multipliers_of_the_origin_solve_the_polynomial(data):
    weights = data.draw(own.weights(features=st.integers(1, 4), position_bits=st.integers(0, 3)))
    beta = data.draw(st.floats(0.1, 3))
    model = Model(weights, beta=beta, gamma=data.draw(st.floats(0, 300)), epsilon=0)
    length = weights.context_length
    jacobian = model.jacobian(Context(np.zeros((length, weights.features)), 0))
    # Characteristic polynomials, not eigenvalues: a multiple root is only good to the root of the rounding error.
    for z in np.exp(2j * np.pi * np.arange(5) / 5) * 1.3:
        blocks = beta / length * sum(z**k for k in range(length)) * weights.classes.value_output_correlation
        expected = np.linalg.det(z**length * np.eye(weights.features) - blocks)
        found = np.linalg.det(z * np.eye(len(jacobian)) - jacobian)
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("position_bits", [0, 1, 2, 3])
def test_eigenvalues_of_the_jacobian_at_the_origin_are_the_roots(position_bits):
    correlation = [[0.5, 0.2], [-0.3, 0.4]]
    weights = weights_with(correlation, position_bits)
    length = 2**position_bits
    jacobian = Model(weights, beta=1.7, gamma=80, epsilon=0).jacobian(Context(np.zeros((length, 2)), 0))
    roots = np.concatenate([multipliers(1.7, c, length) for c in np.linalg.eigvals(correlation)])
    found = np.linalg.eigvals(jacobian)
    assert max(np.abs(found - root).min() for root in roots) < 1e-10
    assert max(np.abs(roots - value).min() for value in found) < 1e-10


@pytest.mark.parametrize("position_bits", [0, 2, 3])
@pytest.mark.parametrize(
    "correlation", [[[0.8]], [[-0.9]], [[0.3286, 0.1820], [-0.1820, 0.3286]], [[0.6, 0.1], [0.2, -0.4]]]
)
@pytest.mark.parametrize("beta", [0.9, 1.4, 2.9])
def test_small_starts_grow_at_the_rate_of_the_largest_multiplier(correlation, position_bits, beta):
    weights = weights_with(correlation, position_bits)
    roots = [multipliers(beta, c, 2**position_bits) for c in np.linalg.eigvals(correlation)]
    assert growth_rate(weights, beta) == pytest.approx(np.abs(roots).max(), rel=2e-3)


@pytest.mark.parametrize("position_bits", [0, 1, 2, 4])
def test_a_positive_correlation_loses_stability_at_its_inverse(position_bits):
    length = 2**position_bits
    assert np.abs(multipliers(1 / 0.8, 0.8, length)).max() == pytest.approx(1)
    start = Context(np.full((length, 1), 1e-9), 0)
    below, above = (
        Orbits(weights_with([[0.8]], position_bits), beta=beta, gamma=10, epsilon=0, starts=start)
        for beta in (1.2, 1.3)
    )
    below.advance(20_000)
    above.advance(20_000)
    assert np.abs(below.contexts()[0].attention).max() < 1e-12
    assert np.abs(above.contexts()[0].attention).max() > 0.1


@pytest.mark.parametrize("position_bits", [1, 2, 3])
def test_a_negative_correlation_loses_stability_in_all_roots_of_unity_at_once(position_bits):
    length = 2**position_bits
    roots = multipliers(length / 0.9, -0.9, length)
    expected = np.exp(2j * np.pi * np.arange(1, length + 1) / (length + 1))
    assert max(np.abs(expected - root).min() for root in roots) < 1e-12


@pytest.mark.parametrize("position_bits", [1, 2, 3])
def test_uniform_attention_with_a_negative_correlation_has_period_l_plus_1(position_bits):
    length = 2**position_bits
    start = Context(np.random.default_rng(2).normal(0, 0.3, (length, 1)), 0)
    recorded = orbit(
        weights_with([[-0.9]], position_bits),
        start,
        2048,
        transient=100_000,
        beta=1.3 * length / 0.9,
        gamma=0,
        epsilon=0,
    )
    assert np.abs(recorded.attention).max() > 0.03
    assert period(recorded.attention) == length + 1


def test_a_complex_correlation_bifurcates_where_the_polynomial_says():
    c = 0.3286 + 0.1820j
    roots = multipliers(2.731552501, c, 4)
    leading = roots[np.abs(roots).argmax()]
    assert abs(leading) == pytest.approx(1, abs=1e-9)
    assert abs(np.angle(leading)) / (2 * np.pi) == pytest.approx(0.0322005876, abs=1e-9)
    weights = weights_with([[c.real, c.imag], [-c.imag, c.real]], 2)
    jacobian = Model(weights, beta=2.731552501, gamma=220, epsilon=0).jacobian(Context(np.zeros((4, 2)), 0))
    assert np.abs(np.linalg.eigvals(jacobian)).max() == pytest.approx(1, abs=1e-9)


@given(st.data())
def test_mirrored_starts_give_mirrored_orbits_to_the_bit(data):
    weights = data.draw(own.weights(position_bits=st.integers(0, 4)))
    start = data.draw(own.contexts(weights))
    mirrored = Context(-start.attention, start.position)
    parameters = {"beta": data.draw(own.gains), "gamma": data.draw(st.floats(0, 300)), "epsilon": 0.0}
    orbits = Orbits(weights, starts=[start, mirrored], **parameters)
    attention = orbits.record(200).attention
    assert np.array_equal(attention[0], -attention[1])


@given(st.data())
def test_with_a_context_of_one_token_attention_has_no_effect(data):
    weights = data.draw(own.weights(position_bits=st.just(0)))
    start = data.draw(own.contexts(weights))
    beta = data.draw(own.gains)
    found = Orbits(weights, beta=beta, gamma=[0.0, 300.0], epsilon=0, starts=start).record(30).attention
    assert np.array_equal(found[0], found[1])
    value, expected = weights.classes.couplings[1], start.attention[0]
    for row in found[0]:
        expected = np.tanh(beta * weights.classes.signs @ expected) @ value
        assert row == pytest.approx(expected, abs=1e-12)
        expected = row


@given(st.data())
def test_without_attention_the_window_is_averaged(data):
    weights = data.draw(own.weights(position_bits=st.integers(1, 3)))
    start = data.draw(own.contexts(weights))
    model = Model(weights, beta=1.5, gamma=0, epsilon=data.draw(own.epsilons(weights)))
    positions = (start.position - np.arange(len(start.attention))) % weights.context_length
    expected = model.fields(start.attention, positions).value.mean(axis=0)
    found = Orbits(weights, beta=1.5, gamma=0, epsilon=model.epsilon, starts=start).record(1).attention[0, 0]
    assert found == pytest.approx(expected, abs=1e-14)


def test_an_infinitely_sharp_attention_takes_the_largest_logit(published):
    start = Context(np.random.default_rng(3).normal(0, 0.3, (4, 3)), 3)
    fields = Model(published, beta=1.3, gamma=1, epsilon=0.02).fields(start.attention, [3, 2, 1, 0])
    winner = np.argmax(fields.key @ fields.query[0])
    found = Orbits(published, beta=1.3, gamma=1e9, epsilon=0.02, starts=start).record(1).attention[0, 0]
    assert found == pytest.approx(fields.value[winner], abs=1e-14)


def test_without_output_gain_everything_is_zero_after_one_window():
    weights = random_weights(3, 2, template=30, seed=4)
    start = Context(np.random.default_rng(0).normal(size=(4, 3)), 1)
    assert not orbit(weights, start, 10, transient=4, beta=0, gamma=100, epsilon=0).attention.any()
    positional = orbit(weights, start, 40, transient=4, beta=0, gamma=100, epsilon=0.3).attention
    assert period(positional) in (1, 2, 4)


def test_below_its_neimark_sacker_point_the_published_system_sits_on_the_cycle_of_the_code(published):
    start = Context(np.full((4, 3), 0.05), 3)
    orbits = Orbits(published, beta=[1.2434, 1.2435], gamma=220, epsilon=0.02, starts=start)
    orbits.advance(3_000_000)
    locked, torus = orbits.record(4096).attention
    assert period(locked) == 4
    assert 1e-4 < np.abs(locked).max() < 1e-2
    assert period(torus) == 0
