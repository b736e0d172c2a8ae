"""Settling, escapes from chaotic saddles, and the attractor census."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mfattn.meanfield import Context, Orbits, segmented_weights
from mfattn.meanfield.census import attractors
from mfattn.meanfield.motion import measure_motion
from mfattn.meanfield.regimes import Regime
from mfattn.meanfield.settling import escape_rate, escape_times, is_stationary, settle, survival

from . import strategies as own


@given(own.seeds, st.floats(-0.5, 0.5), st.floats(1e-6, 0.05))
def test_steady_noise_is_stationary(seed, mean, scatter):
    assert is_stationary(np.random.default_rng(seed).normal(mean, scatter, (1, 64))).all()


@given(own.seeds, st.integers(3, 61), st.floats(0.03, 0.3))
def test_a_change_of_the_mean_is_seen_wherever_it_happens(seed, cut, shift):
    values = np.random.default_rng(seed).normal(0, shift / 20, (1, 64))
    values[:, cut:] += shift
    assert not is_stationary(values).any()


def test_sequences_that_are_not_finite_are_not_stationary_but_for_minus_infinity():
    values = np.zeros((3, 64))
    values[0], values[1, 5] = -np.inf, np.nan
    assert is_stationary(values).tolist() == [True, False, True]


def random_starts(number, seed=1):
    windows = np.random.default_rng(seed).uniform(-1, 1, (number, 4, 3))
    return [Context(window, 3) for window in windows]


def orbits_at(weights, beta, number, *, epsilon=0.02, gamma=220):
    return Orbits(weights, beta=beta, gamma=gamma, epsilon=epsilon, starts=random_starts(number))


def test_points_run_until_they_settle_and_chaos_to_the_limit(published):
    orbits = orbits_at(published, [1.0, 1.27, 1.4], 3)
    settling = settle(orbits, first=4000, limit=40_000)
    assert settling.settled.all()
    assert settling.steps[0] == 4000 and settling.steps[1] < 40_000 and settling.steps[2] == 40_000
    plain = orbits_at(published, [1.0, 1.27, 1.4], 3)
    plain.advance(4000)
    assert np.array_equal(plain.contexts()[0].attention, settling.orbits.contexts()[0].attention)


def test_an_escape_while_it_is_measured_is_unsettled(published):
    """At beta = 1.2742 the chaotic saddle loses an orbit in some 10^5 steps."""
    orbits = orbits_at(published, 1.2742, 24)
    times = escape_times(orbits_at(published, 1.2742, 24), threshold=0.02, window=1000, limit=200_000)
    orbits.advance(1000)
    motion = measure_motion(orbits, 1, 199_000, alignment=0)
    during = (times > 40_000) & (times < 160_000)
    assert during.sum() >= 3
    assert (motion.regime[during] == Regime.UNSETTLED).all()
    assert (motion.regime[times < 0] == Regime.CHAOTIC).mean() > 0.8


def test_limits_that_leave_nothing_to_measure_are_refused(published):
    with pytest.raises(ValueError, match="first"):
        settle(orbits_at(published, 1.0, 1), first=100, limit=1000)
    with pytest.raises(ValueError, match="window"):
        escape_times(orbits_at(published, 1.0, 1), threshold=0, window=100, limit=10)


def test_escape_times_are_those_of_each_orbit_alone(published):
    together = escape_times(orbits_at(published, 1.2735, 20), threshold=0.02, window=2000, limit=60_000)
    assert len(set(together)) > 3
    for point, start in list(enumerate(random_starts(20)))[::6]:
        alone = Orbits(published, beta=1.2735, gamma=220, epsilon=0.02, starts=start)
        assert escape_times(alone, threshold=0.02, window=2000, limit=60_000)[0] == together[point]


@given(own.seeds, st.floats(1e-5, 1e-3))
def test_the_rate_of_exponential_escapes_is_found_within_its_error(seed, rate):
    drawn = np.random.default_rng(seed).exponential(1 / rate, 400).astype(np.int64) + 1
    limit = int(1.5 / rate)
    times = np.where(drawn < limit, drawn, -1)
    found, error = escape_rate(times, limit=limit, start=0)
    assert abs(found - rate) < 5 * error < 0.5 * rate
    assert_allclose(survival(times, [0, limit]), [1, np.mean(times < 0)])


def test_rates_without_escapes():
    assert escape_rate([-1, -1], limit=1000, start=0) == (0.0, 1 / 2000)
    assert np.isnan(escape_rate([10, 20], limit=1000, start=100)).all()


# Starts at epsilon = 0 come in pairs A and -A.


@pytest.mark.parametrize(("features", "seed", "expected"), [(3, 5, 1), (2, 4, 3)])
def test_images_of_an_attractor_are_one_where_the_symmetry_holds(features, seed, expected):
    weights = segmented_weights(features, 2, template=99, segments=3, seed=seed, rng="legacy")
    windows = np.random.default_rng(1).uniform(-1, 1, (6, 4, features))
    starts = [Context(sign * window, 3) for window in windows for sign in (1, -1)]
    orbits = Orbits(weights, beta=3.0, gamma=5.0, epsilon=0.0, starts=starts)
    orbits.advance(5000)
    motion = measure_motion(orbits, 2, 5000)
    number, mirrored = attractors(motion, symmetric=True)
    assert np.array_equal(number[::2], number[1::2])
    assert number.max() + 1 == expected
    apart, _ = attractors(motion, symmetric=False)
    assert apart.max() > number.max()
    assert mirrored.any() and not mirrored.all()


def test_one_attractor_has_one_number_from_every_start(published):
    orbits = orbits_at(published, [1.0] * 6 + [1.255] * 6, 12)
    orbits.advance(30_000)
    number, mirrored = attractors(measure_motion(orbits, 3, 20_000), symmetric=False)
    assert number.tolist() == [0] * 6 + [1] * 6 and not mirrored.any()


def test_a_point_that_had_not_settled_is_on_no_attractor(published):
    orbits = orbits_at(published, [1.0] * 3, 3)
    orbits.advance(5000)
    motion = measure_motion(orbits, 2, 5000, settled=np.array([True, False, True]))
    assert attractors(motion, symmetric=False)[0].tolist() == [0, -1, 0]


def test_the_most_visited_attractor_comes_first(published):
    orbits = orbits_at(published, [1.0] * 2 + [1.255] * 6, 8)
    orbits.advance(30_000)
    assert attractors(measure_motion(orbits, 3, 20_000), symmetric=False)[0].tolist() == [1] * 2 + [0] * 6
