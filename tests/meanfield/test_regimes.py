"""Periods, weighted Birkhoff averages, rotation numbers and the rule that names the regime."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mfattn.meanfield import Context, Orbits
from mfattn.meanfield.birkhoff import converged_digits, rotation_number, weighted_birkhoff_average
from mfattn.meanfield.motion import measure_motion
from mfattn.meanfield.period import period
from mfattn.meanfield.regimes import Regime, classify

GOLDEN = (np.sqrt(5) - 1) / 2


def circle_orbit(omega, coupling, steps):
    """Angles, not wrapped, of the circle map."""
    angles = np.zeros(steps)
    for t in range(1, steps):
        angles[t] = angles[t - 1] + omega + coupling / (2 * np.pi) * np.sin(2 * np.pi * angles[t - 1])
    return angles


def on_a_curve(angles):
    turns = 2 * np.pi * angles
    return np.stack([np.cos(turns) + 0.2 * np.cos(2 * turns), 0.4 * np.sin(turns)], axis=1)


@given(st.floats(0.01, 0.49))
def test_rotation_number_of_a_rigid_rotation(rotation):
    assert_allclose(rotation_number(on_a_curve(rotation * np.arange(4000))), rotation, atol=1e-5)


@pytest.mark.parametrize(("omega", "coupling"), [(GOLDEN, 0.0), (0.3, 0.5), (0.41, 0.8)])
def test_rotation_number_of_the_circle_map_is_that_of_its_lift(omega, coupling):
    angles = circle_orbit(omega, coupling, 100_000)
    winding = weighted_birkhoff_average(np.diff(angles)) % 1
    assert_allclose(rotation_number(on_a_curve(angles[:5000])), min(winding, 1 - winding), atol=1e-7)


def test_a_locked_circle_map_rotates_rationally():
    angles = circle_orbit(0.34, 0.95, 3000)[1000:]
    assert_allclose(rotation_number(on_a_curve(angles)), 1 / 3, atol=1e-9)


def test_what_does_not_turn_has_no_rotation_number():
    assert np.isnan(rotation_number(np.full((100, 3), 0.2)))
    assert np.isnan(rotation_number(np.random.default_rng(1).normal(size=(1000, 2))))
    assert np.isnan(rotation_number(on_a_curve(0.3 * np.arange(10))))


def test_averages_converge_fast_on_a_torus_and_slowly_in_chaos():
    chaos = np.empty((4000, 1))
    chaos[0] = 0.3
    for t in range(1, len(chaos)):
        chaos[t] = 3.99 * chaos[t - 1] * (1 - chaos[t - 1])
    assert converged_digits(on_a_curve(GOLDEN * np.arange(4000))) > 8
    assert converged_digits(chaos) < 3
    assert converged_digits(np.full((100, 2), 0.1)) == 16
    assert np.isnan(converged_digits(np.zeros((3, 1))))


@given(st.integers(1, 12), st.floats(0.01, 0.49), st.floats(3e-4, 5e-3))
def test_a_spiral_has_the_period_of_the_cycle_that_it_approaches(length, rotation, decay):
    pattern = np.random.default_rng(length).permutation(length)[:, np.newaxis] / 10
    steps = np.arange(4096)[:, np.newaxis]
    spiral = 1e-4 * np.exp(-decay * steps) * np.cos(2 * np.pi * rotation * steps / length)
    assert period(pattern[steps[:, 0] % length] + spiral) == length


@pytest.mark.parametrize("drift", [1e-5, 3e-5, 6e-5])
def test_what_passes_slowly_where_a_cycle_was_has_no_period_if_it_is_known_not_to_be_attracted(drift):
    angle, orbit = 0.3, np.empty((4096, 2))
    for t in range(len(orbit)):
        orbit[t] = 0.1 * np.cos(angle), 0.1 * np.sin(angle)
        angle += 2 * np.pi / 3 + 2 * np.pi * drift * (1 - 0.95 * np.sin(3 * angle))
    assert period(orbit, window=4096, attracts=False) == 0


def test_neither_tori_nor_growing_spirals_have_a_period():
    steps = np.arange(4096)[:, np.newaxis]
    turns = 2 * np.pi * GOLDEN * steps
    for amplitude in (1e-5, 1e-3, 0.3):
        assert period(amplitude * np.hstack([np.cos(turns), np.sin(2 * turns)]), window=4096) == 0
    assert period(1e-5 * np.exp(1e-3 * steps) * np.cos(turns)) == 0


OPTIONS = {"period": 0, "resting_period": 4, "digits": 12.0, "settled": True}


@pytest.mark.parametrize(
    ("exponents", "errors", "options", "regime"),
    [
        ([-0.1, -0.2], [1e-3, 1e-3], {"period": 4}, Regime.REST),
        ([-0.1, -0.2], [1e-3, 1e-3], {"period": 2}, Regime.REST),
        ([-0.1, -0.2], [1e-3, 1e-3], {"period": 8}, Regime.PERIODIC),
        ([-0.1, -0.2], [1e-3, 1e-3], {"period": 4, "resting_period": 1}, Regime.PERIODIC),
        ([-0.1, -0.2], [1e-3, 1e-3], {}, Regime.PERIODIC),
        ([0.0, -0.2], [1e-5, 1e-3], {"period": 8}, Regime.PERIODIC),
        ([-np.inf, -np.inf], [np.nan, np.nan], {"period": 4}, Regime.REST),
        ([5e-5, -0.2], [1e-5, 1e-3], {}, Regime.QUASI_PERIODIC),
        ([5e-5, -0.2], [1e-5, 1e-3], {"digits": 2.0}, Regime.UNDECIDED),
        ([5e-5, -8e-5], [1e-5, 1e-5], {}, Regime.TWO_FREQUENCIES),
        ([0.1, -0.2], [1e-3, 1e-3], {}, Regime.CHAOTIC),
        ([0.1, 1e-5], [1e-3, 1e-5], {}, Regime.CHAOTIC),
        ([0.1, 0.05], [1e-3, 1e-3], {}, Regime.HYPERCHAOTIC),
        ([0.1], [1e-3], {}, Regime.CHAOTIC),
        ([0.1, -0.2], [0.1, 1e-3], {}, Regime.UNDECIDED),
        ([6e-4, -0.2], [1e-4, 1e-3], {"digits": 4.3}, Regime.UNDECIDED),
        ([6e-4, -0.2], [1e-4, 1e-3], {"digits": 2.0}, Regime.CHAOTIC),
        ([0.1, -0.2], [1e-3, 1e-3], {"settled": False}, Regime.UNSETTLED),
        ([np.nan, np.nan], [np.nan, np.nan], {}, Regime.UNDECIDED),
    ],
)
def test_the_rule(exponents, errors, options, regime):
    assert classify(np.array(exponents), np.array(errors), **{**OPTIONS, **options}) == regime


def test_every_regime_has_a_label():
    assert len({regime.label for regime in Regime}) == len(Regime)


def test_the_published_system_is_locked_then_a_torus_then_a_cycle_then_chaotic(published):
    start = Context(np.random.default_rng(1).normal(0, 0.3, (4, 3)), 3)
    orbits = Orbits(published, beta=[1.0, 1.25, 1.255, 1.27, 1.4], gamma=220, epsilon=0.02, starts=start)
    orbits.advance(20_000)
    motion = measure_motion(orbits, 2, 20_000)
    found = [Regime(code) for code in motion.regime]
    assert found == [Regime.REST, Regime.PERIODIC, Regime.QUASI_PERIODIC, Regime.PERIODIC, Regime.CHAOTIC]
    assert motion.period.tolist() == [4, 16, 0, 28, 0]
    assert motion.positional_period.tolist() == [1, 4, 0, 7, 0]
    assert_allclose(motion.rotation[[1, 3]], [0.25, 2 / 7], atol=1e-6)
    # An angle over 2π of 0.24194 where the torus is born, and more as it grows.
    assert 0.25 < motion.rotation[2] < 0.26
    assert np.isnan(motion.rotation[[0, 4]]).all()
    assert motion.settled.all()
    dimension = motion.spectrum.kaplan_yorke
    assert dimension[[0, 1, 3]].tolist() == [0, 0, 0] and dimension[2] == 1 and dimension[4] > 1
