"""Cycles and their bifurcations: known maps, the origin of the attention map, the published system."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.testing import assert_allclose

from mfattn.meanfield import Context, Model, Orbits
from mfattn.meanfield.cycles import (
    NoCycle,
    bifurcation_points,
    find_bifurcation,
    find_cycle,
)
from mfattn.meanfield.families import Family, attention_family

from .test_exact import multipliers, weights_with

CONFIGS = Path(__file__).parents[2] / "cfgs"
LOGISTIC = Family(lambda x, r: r * x * (1 - x), lambda x, r: np.diag(r - 2 * r * x))
DELAYED_LOGISTIC = Family(
    lambda s, a: np.array([a * s[0] * (1 - s[1]), s[0]]),
    lambda s, a: np.array([[a * (1 - s[1]), -a * s[0]], [1.0, 0.0]]),
)
CUBIC = Family(lambda x, p: p * x - x**3, lambda x, p: np.diag(p - 3 * x**2))
COMPLEX = [0.3286 + 0.1820j, 0.1 + 0.5j, -0.2 + 0.4j, 0.6 + 0.05j, -0.5 + 0.3j]


def settled(family, state, parameter, steps=5000):
    state = np.array(state, dtype=float)
    for _ in range(steps):
        state = family.step(state, parameter)
    return state


def logistic_cycle(r, period):
    return find_cycle(LOGISTIC, settled(LOGISTIC, [0.3], r), r, period)


def rotation(c):
    return [[c.real, c.imag], [-c.imag, c.real]]


def polynomial_crossing(c, length):
    """Beta at which the largest root reaches the unit circle, and that root's angle over 2 pi."""
    low, high = 0.0, length / abs(c)
    for _ in range(200):
        middle = (low + high) / 2
        if np.abs(multipliers(middle, c, length)).max() > 1:
            high = middle
        else:
            low = middle
    roots = multipliers(high, c, length)
    return high, abs(np.angle(roots[np.abs(roots).argmax()])) / (2 * np.pi)


def published_contexts(weights, beta):
    """Contexts of the published system after 20,000 steps."""
    start = yaml.safe_load((CONFIGS / "zoom.yaml").read_text())["start"]["context"]
    context = Context(np.array(start["attention"]), start["newest_position"])
    orbits = Orbits(weights, beta=beta, gamma=220, epsilon=0.02, starts=context)
    orbits.advance(20_000)
    return orbits.contexts()


@pytest.fixture(scope="module")
def locked(published):
    """Family of the published system, and its cycle at beta = 1.242."""
    (context,) = published_contexts(published, [1.242])
    family = attention_family(published, "beta", context.position, beta=0, gamma=220, epsilon=0.02)
    return family, find_cycle(family, context.attention.ravel(), 1.242)


def test_the_delayed_logistic_map_has_its_neimark_sacker_point_at_two():
    cycle = find_cycle(DELAYED_LOGISTIC, settled(DELAYED_LOGISTIC, [0.4, 0.4], 1.8), 1.8)
    point = find_bifurcation(DELAYED_LOGISTIC, cycle, 2.2)
    assert (point.kind, point.period) == ("Neimark-Sacker", 1)
    assert point.parameter == pytest.approx(2, abs=1e-12)
    assert point.angle == pytest.approx(1 / 6, abs=1e-12)
    assert_allclose(point.state, [0.5, 0.5], atol=1e-10)
    assert find_bifurcation(DELAYED_LOGISTIC, cycle, 1.99) is None


@pytest.mark.parametrize(
    ("r", "period", "stop", "kind", "expected", "expected_period"),
    [
        (2.8, 1, 3.2, "period doubling", 3, 1),
        (3.3, 2, 3.5, "period doubling", 1 + np.sqrt(6), 2),
        (3.84, 3, 3.8, "fold", 1 + np.sqrt(8), 3),
        (3.3, 2, 2.9, "period doubling", 3, 1),
        (3.5, 4, 3.4, "period doubling", 1 + np.sqrt(6), 2),
        (2.8, 1, 0.5, "pitchfork", 1, 1),
    ],
)
def test_bifurcations_of_the_logistic_map(r, period, stop, kind, expected, expected_period):
    point = find_bifurcation(LOGISTIC, logistic_cycle(r, period), stop)
    assert (point.kind, point.period) == (kind, expected_period)
    assert point.parameter == pytest.approx(expected, abs=1e-10)
    assert point.angle == (0.5 if kind == "period doubling" else 0)


def test_a_pitchfork_is_found_along_and_across():
    for state in (0.0, 0.5):
        point = find_bifurcation(CUBIC, find_cycle(CUBIC, [state], 1.4), 0.7)
        assert point.kind == "pitchfork"
        assert point.parameter == pytest.approx(1, abs=1e-9)
        assert_allclose(point.state, [0], atol=1e-6)


def test_an_unstable_cycle_is_followed_too():
    unstable = find_cycle(LOGISTIC, [0.7], 3.3)
    assert np.abs(unstable.multipliers[0]) > 1
    assert find_bifurcation(LOGISTIC, unstable, 2.9).parameter == pytest.approx(3, abs=1e-10)


@pytest.mark.parametrize("position_bits", [0, 1, 2, 3])
@pytest.mark.parametrize("c", COMPLEX)
def test_the_origin_has_its_neimark_sacker_point_where_the_polynomial_says(c, position_bits):
    length = 2**position_bits
    expected, angle = polynomial_crossing(c, length)
    weights = weights_with(rotation(c), position_bits)
    family = attention_family(weights, "beta", beta=0, gamma=50, epsilon=0)
    point = find_bifurcation(family, find_cycle(family, np.zeros(2 * length), 0.8 * expected), 1.2 * expected)
    assert point.kind == "Neimark-Sacker"
    assert point.parameter == pytest.approx(expected, abs=1e-9)
    assert point.angle == pytest.approx(angle, abs=1e-9)


@pytest.mark.parametrize("steps", [1, 4])
def test_the_documented_complex_correlation(steps):
    family = attention_family(weights_with(rotation(COMPLEX[0]), 2), "beta", beta=0, gamma=220, epsilon=0, steps=steps)
    point = find_bifurcation(family, find_cycle(family, np.zeros(8), 2.0), 3.0)
    assert point.parameter == pytest.approx(2.731552501, abs=1e-9)
    assert point.angle == pytest.approx(steps * 0.0322005876, abs=1e-9)


@pytest.mark.parametrize("position_bits", [0, 1, 2, 3])
@pytest.mark.parametrize("c", [0.8, -0.9])
def test_the_origin_with_a_real_correlation(c, position_bits):
    length = 2**position_bits
    expected = 1 / c if c > 0 else length / -c
    family = attention_family(weights_with([[c]], position_bits), "beta", beta=0, gamma=50, epsilon=0)
    point = find_bifurcation(family, find_cycle(family, np.zeros(length), 0.7 * expected), 1.2 * expected)
    assert point.parameter == pytest.approx(expected, abs=1e-9)
    if c > 0:
        assert (point.kind, point.angle) == ("pitchfork", 0)
    else:
        assert point.kind == ("period doubling" if length == 1 else "Neimark-Sacker")
        turns = point.angle * (length + 1)
        assert turns == pytest.approx(round(turns), abs=1e-9)
        assert round(turns) > 0


def test_the_published_system_has_its_published_neimark_sacker_point(locked):
    family, cycle = locked
    for stop in (1.2436, 1.25, 1.28):
        point = find_bifurcation(family, cycle, stop)
        assert (point.kind, point.period) == ("Neimark-Sacker", 1)
        assert point.parameter == pytest.approx(1.2434445478, abs=2e-10)
        assert point.angle == pytest.approx(0.24194, abs=5e-6)


def test_the_multiplier_is_critical_at_a_bifurcation(locked):
    family, cycle = locked
    for parameter, stop in ((1.242, 1.25), (1.246, 1.242)):
        point = find_bifurcation(family, find_cycle(family, cycle.states[0], parameter), stop)
        there = find_cycle(family, point.state, point.parameter)
        assert np.abs(there.multipliers[0]) == pytest.approx(1, abs=1e-11)
        assert_allclose(there.states[0], point.state, atol=1e-11)


def test_a_sweep_of_the_logistic_map():
    parameters = np.linspace(2.5, 3.6, 111)
    states = np.array([settled(LOGISTIC, [0.3], r) for r in parameters])
    periods = np.array([1 if r < 3 else 2 if r < 1 + np.sqrt(6) else 4 if r < 3.544 else 0 for r in parameters])
    found = bifurcation_points(LOGISTIC, parameters, states, periods)
    assert [(point.kind, point.period) for point in found] == [("period doubling", q) for q in (1, 2, 4)]
    assert [point.parameter for point in found[:2]] == pytest.approx([3, 1 + np.sqrt(6)], abs=1e-10)
    assert found[2].parameter == pytest.approx(3.5440903596, abs=1e-9)
    backwards = bifurcation_points(LOGISTIC, parameters[::-1], states[::-1], periods[::-1])
    assert [point.parameter for point in backwards] == pytest.approx([point.parameter for point in found], abs=1e-10)


def test_a_sweep_of_the_published_system(published):
    """The cycle below 1.2434 attracts too slowly to be recognised up to its end."""
    beta = np.linspace(1.2425, 1.2437, 13)
    contexts = published_contexts(published, beta)
    states = np.array([context.attention.ravel() for context in contexts])
    family = attention_family(published, "beta", contexts[0].position, beta=0, gamma=220, epsilon=0.02)
    (point,) = bifurcation_points(family, beta, states, np.where(beta < 1.2429, 1, 0))
    assert point.parameter == pytest.approx(1.2434445478, abs=2e-10)


def test_runs_that_cannot_be_followed_are_skipped():
    states = np.full((4, 1), 0.3)
    assert bifurcation_points(LOGISTIC, [3.7, 3.71, 3.72, 3.73], states, [5, 5, 0, 65]) == []
    assert bifurcation_points(LOGISTIC, [2.0], states[:1], [1]) == []


@pytest.mark.parametrize("parameter", ["beta", "gamma", "epsilon"])
def test_the_attention_family_is_the_model_iterated(published, parameter):
    values = {"beta": 1.2, "gamma": 30.0, "epsilon": 0.1}
    state = np.random.default_rng(1).normal(0, 0.3, 12)
    family = attention_family(published, parameter, 2, **values)
    model, context, product = Model(published, **values), Context(state.reshape(4, 3), 2), np.eye(12)
    for _ in range(8):
        product = model.jacobian(context) @ product
        context = model.step(context)
    image, derivative = family.power(state, values[parameter], 2)
    assert_allclose(image, context.attention.ravel(), atol=1e-13)
    assert_allclose(derivative, product, atol=1e-12)
    half = family.step(state, values[parameter])
    assert_allclose(family.step(half, values[parameter]), image, atol=1e-14)
    chained = family.jacobian(half, values[parameter]) @ family.jacobian(state, values[parameter])
    assert_allclose(chained, derivative, atol=1e-12)


def test_gamma_can_go_with_beta(published):
    state = np.random.default_rng(2).normal(0, 0.3, 12)
    both = attention_family(published, "beta", 1, beta=0, gamma=0, epsilon=0.02, gamma_per_beta=100)
    alone = attention_family(published, "beta", 1, beta=0, gamma=130, epsilon=0.02)
    assert np.array_equal(both.step(state, 1.3), alone.step(state, 1.3))


@pytest.mark.parametrize(
    "arguments",
    [
        {"parameter": "delta"},
        {"parameter": "gamma", "gamma_per_beta": 100.0},
        {"parameter": "beta", "steps": 2},
        {"parameter": "beta", "steps": 0},
    ],
)
def test_impossible_attention_families_are_refused(published, arguments):
    with pytest.raises(ValueError, match=r"parameter|steps"):
        attention_family(published, beta=1, gamma=1, epsilon=0.1, **arguments)


@pytest.mark.parametrize(("r", "period"), [(2.8, 1), (3.3, 2), (3.5, 4), (3.84, 3)])
def test_multipliers_are_derivatives_of_the_iterated_map(r, period):
    cycle = logistic_cycle(r, period)
    assert cycle.states.shape == (period, 1)
    assert_allclose(cycle.multipliers[0], np.prod(r - 2 * r * cycle.states), atol=1e-12)
    assert_allclose(settled(LOGISTIC, cycle.states[0], r, period), cycle.states[0], atol=1e-14)


def test_multipliers_agree_with_finite_differences(locked):
    family, cycle = locked
    shifts = 1e-5 * np.eye(12)
    columns = [
        family.step(cycle.states[0] + shift, cycle.parameter) - family.step(cycle.states[0] - shift, cycle.parameter)
        for shift in shifts
    ]
    expected = np.linalg.eigvals(np.array(columns).T / 2e-5)
    assert max(np.abs(expected - multiplier).min() for multiplier in cycle.multipliers) < 1e-6
    assert (np.diff(np.abs(cycle.multipliers)) <= 0).all()


def test_no_cycle_is_raised_where_there_is_none():
    shift = Family(lambda x, p: x + p, lambda x, p: np.eye(1))
    square = Family(lambda x, p: x**2 + p, lambda x, p: np.diag(2 * x))
    with pytest.raises(NoCycle, match="Singular"):
        find_cycle(shift, [0.3], 0.1)
    with pytest.raises(NoCycle, match="does not converge"):
        find_cycle(square, [0.3], 1.0)
    with pytest.raises(NoCycle, match="repeat after 1"):
        find_cycle(LOGISTIC, [0.6], 2.8, 2)
    attention = attention_family(weights_with([[0.8]], 1), "epsilon", beta=1, gamma=1, epsilon=0)
    with pytest.raises(NoCycle, match="epsilon must lie"):
        find_cycle(attention, [0.1, 0.1], -0.1)
    with pytest.raises(ValueError, match="at least 1"):
        find_cycle(LOGISTIC, [0.3], 2.8, 0)
