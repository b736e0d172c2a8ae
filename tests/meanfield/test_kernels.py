"""Compiled kernels against the plain model, and against themselves: batches, lanes, cuts."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core import registry
from numpy.testing import assert_allclose

from mfattn import compilation
from mfattn.meanfield import Context, Model, Orbits, orbit, random_weights
from mfattn.meanfield.kernels import advance
from mfattn.meanfield.kernels.elementary import exponential, hyperbolic_tangent, logarithm, tangent_and_slope
from mfattn.meanfield.kernels.lanes import LANES, load, store
from mfattn.meanfield.model import OBSERVABLES

from . import strategies as own


def columns(array: np.ndarray) -> np.ndarray:
    """Values as rows of packs, the last padded."""
    rows = np.zeros((-(-array.size // LANES), LANES))
    rows.flat[: array.size] = array
    return rows


@njit(error_model="numpy")
def apply_exponential(rows, out):
    for row in range(len(rows)):
        store(out, row, exponential(load(rows, row)))


@njit(error_model="numpy")
def apply_tanh(rows, out):
    for row in range(len(rows)):
        store(out, row, hyperbolic_tangent(load(rows, row)))


@njit(error_model="numpy")
def apply_logarithm(rows, out):
    for row in range(len(rows)):
        store(out, row, logarithm(load(rows, row)))


@njit(error_model="numpy")
def apply_slope(rows, out):
    for row in range(len(rows)):
        store(out, row, tangent_and_slope(load(rows, row))[1])


@njit(error_model="numpy")
def apply_tanh_of_pair(rows, out):
    for row in range(len(rows)):
        store(out, row, tangent_and_slope(load(rows, row))[0])


def evaluate(kernel, values):
    rows = columns(np.asarray(values, dtype=float))
    out = np.empty_like(rows)
    kernel(rows, out)
    return out.flat[: np.size(values)]


@given(st.lists(st.floats(-700, 0), min_size=1, max_size=40))
def test_exponential_is_accurate_to_two_units_in_the_last_place(values):
    expected = np.exp(np.longdouble(values))
    assert (np.abs(evaluate(apply_exponential, values) - expected) <= 2 * np.spacing(expected.astype(float))).all()


def test_exponential_of_what_underflows_is_next_to_nothing():
    assert (evaluate(apply_exponential, [-709.0, -1e5, -np.inf]) < 1e-300).all()
    assert evaluate(apply_exponential, [0.0, -0.0]).tolist() == [1.0, 1.0]


magnitudes = st.one_of(st.floats(0, 50), st.floats(0, 1e-3), st.floats(0, allow_infinity=True))


@given(st.lists(magnitudes, min_size=1, max_size=40))
def test_tanh_is_accurate_to_three_units_in_the_last_place_however_small(values):
    expected = np.tanh(np.longdouble(values))
    assert (np.abs(evaluate(apply_tanh, values) - expected) <= 3 * np.spacing(expected.astype(float))).all()


@given(st.lists(magnitudes, min_size=1, max_size=40))
def test_tanh_is_odd_to_the_bit(values):
    assert np.array_equal(evaluate(apply_tanh, values), -evaluate(apply_tanh, np.negative(values)))


@given(st.lists(magnitudes, min_size=1, max_size=40))
def test_tanh_has_the_same_bits_with_its_slope(values):
    assert np.array_equal(evaluate(apply_tanh, values), evaluate(apply_tanh_of_pair, values))


@given(st.lists(st.floats(-350, 350), min_size=1, max_size=40))
def test_the_slope_of_tanh_is_accurate_far_into_saturation(values):
    expected = np.cosh(np.longdouble(values)) ** -2
    assert_allclose(evaluate(apply_slope, values), expected.astype(float), rtol=2e-15)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=40))
def test_logarithm_is_accurate_to_three_units_in_the_last_place(values):
    expected = np.log(np.longdouble(values))
    assert (
        np.abs(evaluate(apply_logarithm, values) - expected) <= 3 * np.spacing(np.abs(expected.astype(float)))
    ).all()
    assert evaluate(apply_logarithm, [1.0]).tolist() == [0.0]


@settings(max_examples=150)
@given(st.data())
def test_every_step_of_the_kernel_is_a_step_of_the_plain_model(data):
    weights = data.draw(own.weights())
    beta, gamma = data.draw(own.gains), data.draw(st.floats(0, 300))
    parameters = {"beta": beta, "gamma": gamma, "epsilon": data.draw(own.epsilons(weights))}
    start = data.draw(own.contexts(weights))
    model, orbits = Model(weights, **parameters), Orbits(weights, starts=start, **parameters)
    # A last bit of a logit counts gamma times as much in the softmax.
    tolerance = 1e-14 * (10 + gamma * weights.features**2)
    for _ in range(4):
        (before,) = orbits.contexts()
        record = orbits.record(1)
        (after,) = orbits.contexts()
        expected, context = model.orbit(before, 1)
        for name in OBSERVABLES:
            assert getattr(record, name)[0] == pytest.approx(getattr(expected, name), abs=tolerance, rel=0)
        assert after.position == context.position
        assert np.array_equal(after.attention[0], record.attention[0, 0])
        assert np.array_equal(after.attention[1:], context.attention[1:])


@given(st.data())
def test_a_point_does_not_depend_on_its_neighbours_or_its_place_in_the_batch(data):
    weights = data.draw(own.weights(position_bits=st.integers(0, 4)))
    number = data.draw(st.integers(2, 40))
    generator = np.random.default_rng(data.draw(own.seeds))
    starts = [data.draw(own.contexts(weights)) for _ in range(3)]
    starts = [starts[i] for i in generator.integers(0, 3, number)]
    epsilon = np.zeros(number) if weights.position_bits == 0 else generator.uniform(0, 1, number)
    parameters = {
        "beta": generator.uniform(0, 4, number),
        "gamma": generator.uniform(0, 300, number),
        "epsilon": epsilon,
    }
    together = Orbits(weights, starts=starts, **parameters).record(20)
    chosen = data.draw(st.integers(0, number - 1))
    single = {name: value[chosen] for name, value in parameters.items()}
    alone = Orbits(weights, starts=starts[chosen], **single).record(20)
    for name in OBSERVABLES:
        assert np.array_equal(getattr(together, name)[chosen], getattr(alone, name)[0])


@given(st.data())
def test_cutting_a_run_and_continuing_it_from_its_contexts_changes_no_bit(data):
    weights = data.draw(own.weights(position_bits=st.integers(0, 4)))
    parameters = {"beta": 1.5, "gamma": 220.0, "epsilon": data.draw(own.epsilons(weights))}
    start = data.draw(own.contexts(weights))
    cuts = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=5))
    whole = Orbits(weights, starts=start, **parameters).record(sum(cuts)).attention
    contexts, pieces = [start], []
    for cut in cuts:
        orbits = Orbits(weights, starts=contexts, **parameters)
        pieces.append(orbits.record(cut).attention)
        contexts = orbits.contexts()
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)


@given(st.data())
def test_advancing_is_recording_without_keeping(data):
    weights = data.draw(own.weights(position_bits=st.integers(0, 4)))
    parameters = {"beta": 1.5, "gamma": 220.0, "epsilon": data.draw(own.epsilons(weights))}
    start = data.draw(own.contexts(weights))
    silent, recording = (Orbits(weights, starts=start, **parameters) for _ in range(2))
    silent.advance(37)
    recording.record(37)
    assert np.array_equal(silent.contexts()[0].attention, recording.contexts()[0].attention)


def test_output_scale_is_a_factor_of_beta(published):
    start = Context(np.full((4, 3), 0.1), 3)
    scaled = orbit(published, start, 20, beta=0.5, gamma=220, epsilon=0.02, output_scale=2.5)
    assert np.array_equal(scaled.attention, orbit(published, start, 20, beta=1.25, gamma=220, epsilon=0.02).attention)


def test_orbit_leaves_out_its_transient(published):
    start = Context(np.full((4, 3), 0.1), 3)
    whole = orbit(published, start, 30, beta=1.27, gamma=220, epsilon=0.02)
    late = orbit(published, start, 10, transient=20, beta=1.27, gamma=220, epsilon=0.02)
    for name in OBSERVABLES:
        assert np.array_equal(getattr(late, name), getattr(whole, name)[20:])


def test_a_window_grows_from_a_prompt_until_it_is_full():
    weights = random_weights(2, 3, template=9, seed=1)
    orbits = Orbits(weights, beta=1, gamma=5, epsilon=0.1, starts=Context([[0.3, -0.2]], 0))
    lengths = []
    for _ in range(10):
        lengths.append(len(orbits.contexts()[0].attention))
        orbits.advance(1)
    assert lengths == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": np.inf}, "beta must be finite"),
        ({"gamma": [1.0, np.nan]}, "gamma must be finite"),
        ({"beta": 1e300, "output_scale": 1e300}, "output_scale \\* beta must be finite"),
        ({"epsilon": 1.5}, "epsilon must lie from 0 to 1"),
        ({"beta": [1.0, 2.0, 3.0], "gamma": [1.0, 2.0]}, "broadcast"),
        ({"beta": np.ones((2, 2))}, "one-dimensional"),
        ({"starts": Context(np.zeros((4, 2)), 0)}, r"attention must have shape \(4, 3\)"),
        ({"starts": Context(np.zeros((5, 3)), 0)}, r"attention must have shape \(4, 3\)"),
        ({"starts": Context(np.zeros((4, 3)), 4)}, "position must be 0 to 3, found 4"),
        ({"starts": []}, "not empty"),
    ],
)
def test_orbits_refuse_what_does_not_fit(published, changes, message):
    arguments = {"beta": 1.0, "gamma": 220.0, "epsilon": 0.02, "starts": Context(np.zeros((4, 3)), 0), **changes}
    with pytest.raises(ValueError, match=message):
        Orbits(published, **arguments)


def test_without_positional_bits_epsilon_must_be_zero():
    with pytest.raises(ValueError, match="epsilon must be 0 where there are no positional bits"):
        Model(random_weights(2, 0, template=9, seed=1), beta=1, gamma=1, epsilon=0.1)


def test_steps_are_not_negative(published):
    orbits = Orbits(published, beta=1, gamma=220, epsilon=0.02, starts=Context(np.zeros((4, 3)), 0))
    for call in (orbits.advance, orbits.record):
        with pytest.raises(ValueError, match="steps must be at least 0, found -1"):
            call(-1)


def test_context_must_be_finite_and_not_empty():
    with pytest.raises(ValueError, match="finite"):
        Context([[np.nan]], 0)
    with pytest.raises(ValueError, match="shape"):
        Context(np.empty((0, 3)), 0)


@given(st.data())
def test_the_jacobian_is_the_derivative_of_the_step(data):
    weights = data.draw(own.weights(position_bits=st.integers(0, 3)))
    epsilon = data.draw(own.epsilons(weights))
    model = Model(weights, beta=data.draw(st.floats(0.1, 2)), gamma=data.draw(st.floats(0, 20)), epsilon=epsilon)
    start = data.draw(own.contexts(weights))
    assume(len(start.attention) == weights.context_length)

    def step(flat):
        return model.step(Context(flat.reshape(start.attention.shape), start.position)).attention.ravel()

    point, width = start.attention.ravel(), 1e-6
    directions = np.eye(point.size) * width
    numeric = np.array([(step(point + d) - step(point - d)) / (2 * width) for d in directions]).T
    assert model.jacobian(start) == pytest.approx(numeric, abs=1e-6)


def test_the_jacobian_needs_a_full_window(published):
    with pytest.raises(ValueError, match="must hold 4 tokens, found 1"):
        Model(published, beta=1, gamma=1, epsilon=0).jacobian(Context(np.zeros((1, 3)), 0))


def test_orbits_keep_their_own_parameters_and_can_be_sent_to_another_process(published):
    epsilon = np.array([0.02, 0.5])
    orbits = Orbits(published, beta=1, gamma=220, epsilon=epsilon, starts=Context(np.full((4, 3), 0.1), 0))
    sent = pickle.loads(pickle.dumps(orbits))
    epsilon[:] = 0
    expected = Orbits(published, beta=1, gamma=220, epsilon=[0.02, 0.5], starts=Context(np.full((4, 3), 0.1), 0))
    overlap = expected.record(5).overlap_o
    assert np.array_equal(orbits.record(5).overlap_o, overlap)
    assert np.array_equal(sent.record(5).overlap_o, overlap)


def test_an_edit_of_any_kernel_source_is_another_key_of_the_cache(monkeypatch):
    cache = advance._cache
    codegen = registry.cpu_target.target_context.codegen()
    before = cache._index_key((), codegen)
    assert cache._index_key((), codegen) == before
    monkeypatch.setattr(compilation, "source_of", lambda folder: "edited")
    assert cache._index_key((), codegen) != before
