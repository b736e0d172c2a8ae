"""Lyapunov spectra: references, plain products of Jacobians, exact systems, independence of how they are computed."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mfattn.meanfield import (
    FIELDS,
    Context,
    MapTangents,
    Model,
    Orbits,
    Tangents,
    assigned_weights,
    kaplan_yorke,
    segmented_weights,
    spectrum,
)
from mfattn.meanfield.lyapunov import ERROR_BLOCKS

from . import strategies as own

DATA = Path(__file__).parents[1] / "data"
CONFIGS = Path(__file__).parents[2] / "cfgs"
HARD = {"gamma": 220.0, "epsilon": 0.02}


def instance(position_bits=2):
    return segmented_weights(3, position_bits, template=99, segments=3, seed=1, rng="legacy")


def start_of(config):
    context = yaml.safe_load((CONFIGS / config).read_text())["start"]["context"]
    return Context(np.array(context["attention"]), context["newest_position"])


def published(beta, *, config="smoke.yaml", position_bits=2, gamma=220.0):
    start = start_of(config)
    return Orbits(instance(position_bits), beta=beta, gamma=gamma, epsilon=0.02, starts=start)


def log_growth(tangents, steps):
    rows = [tangents.growth]
    for _ in range(steps):
        tangents.advance(1)
        rows.append(tangents.growth)
    return np.diff(rows, axis=0)


# file, columns of the first three steps, columns of the means, tolerance of the means
REFERENCES = [
    ("beta0.5", 12, 12, 1e-9),
    ("beta1.27", 6, 3, 1e-9),
    ("beta2.5", 6, 1, 1e-6),
    ("pe5_beta1.554", 87, 39, 1e-9),
]


@pytest.mark.parametrize(("name", "first", "means", "tolerance"), REFERENCES)
def test_growth_is_that_of_the_references(name, first, means, tolerance):
    expected = np.load(DATA / f"lyapunov_{name}.npz")["log_growth"]
    long = name.startswith("pe5")
    options = {"config": "trajectory_p5.yaml", "position_bits": 5} if long else {}
    orbits = published(float(name.rsplit("beta", 1)[1]), **options)
    found = log_growth(Tangents(orbits, expected.shape[1], every=1), len(expected))[:, 0]
    assert_allclose(found[:3, :first], expected[:3, :first], atol=1e-9)
    assert_allclose(found[:, :means].mean(axis=0), expected[:, :means].mean(axis=0), atol=tolerance)


@st.composite
def soft_orbits(draw):
    """A model whose spectrum is resolved over a few steps, and a full window."""
    weights = draw(own.weights(position_bits=st.integers(0, 3)))
    parameters = {
        "beta": draw(st.floats(0.2, 1.5)),
        "gamma": draw(st.floats(0, 5)),
        "epsilon": draw(own.epsilons(weights)),
    }
    generator = np.random.default_rng(draw(own.seeds))
    window = generator.normal(0, 0.4, (weights.context_length, weights.features))
    return weights, parameters, Context(window, draw(st.integers(0, weights.context_length - 1)))


@settings(max_examples=40)
@given(st.data())
def test_growth_is_that_of_products_of_plain_jacobians(data):
    weights, parameters, start = data.draw(soft_orbits())
    dimension = start.attention.size
    exponents, every = data.draw(st.integers(1, dimension)), data.draw(st.integers(1, 4))
    tangents = Tangents(Orbits(weights, starts=start, **parameters), exponents, every=every)
    tangents.advance(3 * every)
    model, context, vectors = Model(weights, **parameters), start, np.eye(dimension, exponents)
    growth, ratios = np.zeros(exponents), np.ones(exponents)
    for step in range(3 * every):
        vectors = model.jacobian(context) @ vectors
        context = model.step(context)
        if (step + 1) % every == 0:
            vectors, triangle = np.linalg.qr(vectors)
            lengths = np.abs(np.diagonal(triangle))
            with np.errstate(divide="ignore", invalid="ignore"):
                growth, ratios = growth + np.log(lengths), np.minimum(ratios, lengths / lengths[0])
    exact = np.minimum.accumulate(ratios) > 1e-6
    assert_allclose(tangents.growth[0, exact], growth[exact], atol=1e-7)
    signs = np.sign(np.sum(tangents.basis[0] * vectors, axis=0))
    assert_allclose((tangents.basis[0] * signs)[:, exact], vectors[:, exact], atol=1e-7)


@settings(max_examples=30)
@given(st.data())
def test_growth_has_the_same_bits_however_it_is_computed(data):
    weights, parameters, start = data.draw(soft_orbits())
    points = data.draw(st.integers(1, 20))
    betas = np.linspace(0.3, 1.4, points)
    every, exponents = data.draw(st.integers(1, 4)), data.draw(st.integers(1, start.attention.size))

    def tangents(beta, number):
        return Tangents(Orbits(weights, starts=start, **{**parameters, "beta": beta}), number, every=every)

    whole, cut = tangents(betas, exponents), tangents(betas, exponents)
    whole.advance(17)
    for steps in (1, 6, 0, 10):
        cut.advance(steps)
    point = data.draw(st.integers(0, points - 1))
    alone, full = tangents(betas[point], exponents), tangents(betas, start.attention.size)
    alone.advance(17)
    full.advance(17)
    assert np.array_equal(whole.growth, cut.growth)
    assert np.array_equal(whole.basis, cut.basis)
    assert np.array_equal(whole.growth[point], alone.growth[0])
    same = full.interval == every
    assert np.array_equal(full.growth[same, :exponents], whole.growth[same])


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize(("beta", "gamma"), [(1.3, 20.0), (1.0, 5.0), (0.5, 220.0)])
def test_the_sum_of_all_exponents_is_the_mean_logarithm_of_the_determinant(beta, gamma, every):
    orbits = published(beta, gamma=gamma)
    orbits.advance(500)
    (context,) = orbits.contexts()
    found = spectrum(Tangents(orbits, 12, every=every), 200, alignment=0)
    model, logs = Model(instance(), beta=beta, gamma=gamma, epsilon=0.02), []
    for _ in range(200):
        logs.append(np.linalg.slogdet(model.jacobian(context)[:3, -3:])[1])
        context = model.step(context)
    assert found.resolved.all()
    assert_allclose(found.exponents.sum(), np.mean(logs), atol=1e-9)


def test_exponents_above_minus_one_do_not_depend_on_the_interval():
    measured = []
    for every in (1, 2, 5):
        orbits = published([1.255, 1.266, 1.28, 1.4])
        orbits.advance(20_000)
        measured.append(spectrum(Tangents(orbits, 3, every=every), 20_000))
    for one, other in itertools.pairwise(measured):
        compared = (one.exponents > -1) & one.resolved & other.resolved
        assert compared[:, 0].all()
        assert_allclose(one.exponents[compared], other.exponents[compared], atol=1e-3)


def test_exponents_do_not_depend_on_the_initial_basis():
    def measure(basis):
        orbits = published([0.5, 1.0], gamma=5.0)
        orbits.advance(2000)
        exponents = spectrum(Tangents(orbits, 4, basis=basis), 5000, alignment=3000).exponents
        # Within a pair of complex multipliers the two exponents are told apart by nothing.
        return exponents[:, ::2] + exponents[:, 1::2]

    assert_allclose(measure(None), measure(np.random.default_rng(3).normal(size=(12, 4))), atol=1e-9)


def test_intervals_shorten_by_themselves_point_by_point_and_what_stays_unresolved_is_flagged():
    orbits = published([0.5, 1.27, 2.5])
    orbits.advance(2000)
    tangents = Tangents(orbits, 12, every=8)
    found = spectrum(tangents, 2000)
    assert tangents.interval[0] > 1 and tangents.interval[2] == 1
    assert found.resolved[0].all() and found.resolved[2, 0] and not found.resolved[2].all()
    assert np.isnan(found.errors[~found.resolved]).all() and np.isfinite(found.errors[found.resolved]).all()


def test_exponents_are_minus_infinity_where_the_map_forgets_its_state_and_only_there():
    orbits = published([0.0, 0.5])
    found = spectrum(Tangents(orbits, 12), 500)
    assert np.isneginf(found.exponents[0]).all() and found.resolved[0].all() and not found.short[0].any()
    assert np.isfinite(found.exponents[1]).all()
    assert found.kaplan_yorke.tolist() == [0.0, 0.0]


def test_an_exponent_that_underflows_is_no_number_and_not_minus_infinity():
    weights = assigned_weights(1, {name: [0] for name in FIELDS}, np.ones((4, 1, 0)))
    orbits = Orbits(weights, beta=1e6, gamma=1.0, epsilon=0.0, starts=Context(np.ones((1, 1)), 0))
    found = spectrum(Tangents(orbits, 1, every=1), 100)
    assert not found.resolved.any() and np.isfinite(found.exponents).all()


def test_growth_beyond_float64_is_not_fatal():
    orbits = Orbits(instance(), beta=[1e90, 1.0], gamma=1.0, epsilon=0.02, starts=Context(np.zeros((4, 3)), 3))
    found = spectrum(Tangents(orbits, 2), 100, alignment=0)
    assert np.isfinite(found.exponents[1]).all() and found.resolved[1].all()


def test_what_does_not_fit_is_refused():
    weights = instance()
    filling = Orbits(weights, beta=1.0, starts=Context(np.zeros((2, 3)), 1), **HARD)
    with pytest.raises(ValueError, match="full"):
        Tangents(filling, 1)
    for options, message in (
        ({"exponents": 0}, "1 to 12"),
        ({"exponents": 13}, "1 to 12"),
        ({"exponents": 1, "every": 0}, "every"),
        ({"exponents": 2, "basis": np.eye(12)}, "basis"),
    ):
        with pytest.raises(ValueError, match=message):
            Tangents(published(1.0), **options)
    with pytest.raises(ValueError, match="steps"):
        spectrum(Tangents(published(1.0), 1), 0)


# Exact systems, as maps given by a step and a tangent.


def measure(step, tangent, state, exponents, steps=20_000):
    flow = MapTangents(step, tangent, np.atleast_2d(state), exponents)
    flow.advance(1000)
    flow.restart()
    return spectrum(flow, steps)


@pytest.mark.parametrize(("delay", "newest", "steps"), [(12, 0.3, 20_000), (96, 0.0, 3000)])
def test_linear_delay_maps_have_the_logarithms_of_their_roots(delay, newest, steps):
    companion = np.eye(delay, k=-1)
    companion[0, [0, -1]] = newest, 0.5
    found = measure(lambda x: x @ companion.T, lambda x, v: companion @ v, np.zeros(delay), delay, steps)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(companion))))[::-1]
    assert_allclose(found.exponents[0], expected, atol=3 / steps)


def test_the_logistic_map_has_log_2():
    found = measure(lambda x: 4 * x * (1 - x), lambda x, v: (4 - 8 * x)[..., np.newaxis] * v, 0.3, 1)
    assert abs(found.exponents[0, 0] - np.log(2)) < 4 * found.errors[0, 0] < 0.02


def test_the_two_cycle_of_the_logistic_map_has_its_multiplier():
    r = 3.3
    found = measure(lambda x: r * x * (1 - x), lambda x, v: (r * (1 - 2 * x))[..., np.newaxis] * v, 0.3, 1)
    assert_allclose(found.exponents, np.log(abs(4 + 2 * r - r * r)) / 2, atol=1e-9)


def henon(x):
    return np.stack([1 - 1.4 * x[:, 0] ** 2 + x[:, 1], 0.3 * x[:, 0]], axis=-1)


def henon_tangent(x, v):
    return np.stack([-2.8 * x[:, 0, np.newaxis] * v[:, 0] + v[:, 1], 0.3 * v[:, 0]], axis=1)


def test_the_henon_map_has_its_known_exponents():
    found = measure(henon, henon_tangent, [0.1, 0.1], 2, 60_000)
    assert_allclose(found.exponents[0], [0.4192, -1.6232], atol=4 * found.errors[0].max())
    assert_allclose(found.exponents.sum(), np.log(0.3), atol=1e-9)
    assert_allclose(found.kaplan_yorke, 1.258, atol=0.005)
    assert not found.short.any()


def test_the_kaplan_yorke_map_has_log_2_and_log_0_2():
    # A binary shift loses a bit a step: an odd modulus keeps the orbit going.
    modulus = 2**31 - 1

    def step(x):
        return np.stack([np.mod(2 * x[:, 0], modulus), 0.2 * x[:, 1] + np.cos(4 * np.pi * x[:, 0] / modulus)], axis=-1)

    def tangent(x, v):
        bend = -4 * np.pi / modulus * np.sin(4 * np.pi * x[:, 0] / modulus)
        return np.stack([2 * v[:, 0], 0.2 * v[:, 1] + bend[:, np.newaxis] * v[:, 0]], axis=1)

    found = measure(step, tangent, [123_457.0, 0.1], 2)
    assert_allclose(found.exponents[0], [np.log(2), np.log(0.2)], atol=1e-6)
    assert_allclose(found.kaplan_yorke, 1 + np.log(2) / np.log(5), atol=1e-6)


def test_the_delayed_logistic_map_has_two_equal_exponents_before_its_torus():
    a = 1.8
    found = measure(
        lambda x: np.stack([a * x[:, 0] * (1 - x[:, 1]), x[:, 0]], axis=-1),
        lambda x, v: np.stack([a * (1 - x[:, 1, np.newaxis]) * v[:, 0] - a * x[:, :1] * v[:, 1], v[:, 0]], axis=1),
        [0.4, 0.4],
        2,
    )
    assert_allclose(found.exponents[0], np.log(a - 1) / 2, atol=1e-4)


def test_rings_of_coupled_logistic_maps_in_step_have_the_exponents_of_their_modes():
    sites, coupling = 8, 0.1
    identity = np.eye(sites)
    ring = (1 - coupling) * identity + coupling / 2 * (np.roll(identity, 1, 0) + np.roll(identity, -1, 0))

    def step(x):
        return (4 * x * (1 - x)) @ ring.T

    def tangent(x, v):
        return ring @ ((4 - 8 * x)[..., np.newaxis] * v)

    class InStep(MapTangents):
        # Rounding must not take the sites apart: the state in step is unstable.
        def advance(self, steps):
            for _ in range(steps):
                super().advance(1)
                self.states[...] = self.states[:, :1]

    flow = InStep(step, tangent, np.full((1, sites), 0.3), sites)
    found = spectrum(flow, 20_000)
    modes = np.log(2) + np.log(np.abs(1 - coupling * (1 - np.cos(2 * np.pi * np.arange(sites) / sites))))
    assert_allclose(found.exponents[0], np.sort(modes)[::-1], atol=4 * found.errors[0].max())


def test_a_map_that_annihilates_a_direction_has_minus_infinity():
    nilpotent = np.diag([0.5, 0.0])
    found = measure(lambda x: x @ nilpotent, lambda x, v: nilpotent @ v, [1.0, 1.0], 2, 100)
    assert_allclose(found.exponents[0], [np.log(0.5), -np.inf])


def test_a_run_too_short_for_its_error_says_so():
    found = measure(henon, henon_tangent, [0.1, 0.1], 2, ERROR_BLOCKS - 1)
    assert found.short.all() and np.isnan(found.errors).all()


def test_traces_end_in_the_exponents():
    found = measure(henon, henon_tangent, [[0.1, 0.1], [0.2, 0.1]], 2, 1000)
    assert_allclose(found.traces()[:, -1], found.exponents, rtol=1e-12)


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [([0.1, 0.0, -0.2, -1.0], 2.5), ([-0.1, -0.2], 0.0), ([0.1, -np.inf], 1.0), ([-0.3, 0.2], 1 + 2 / 3)],
)
def test_kaplan_yorke_dimension(exponents, dimension):
    assert_allclose(kaplan_yorke(exponents), dimension)


def test_kaplan_yorke_dimension_is_unknown_where_it_needs_more_exponents():
    assert np.isnan(kaplan_yorke([0.1, 0.05])) and np.isnan(kaplan_yorke([0.1, np.nan]))
