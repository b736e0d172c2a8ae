"""Caps of the sphere: against high-precision numbers, closed forms, other integrals and points on the sphere."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from mfattn.sdm.geometry import log_ball_fraction
from mfattn.sdm.sphere import (
    PUBLISHED_EXCESS,
    CapTable,
    angle_for_fraction,
    angle_for_log_fraction,
    angle_to_radius,
    double_cap_slope,
    log_ball_volume,
    log_cap_fraction,
    log_double_cap,
    log_sphere_area,
    matched_radius,
    radius_to_angle,
)

CAPS = json.loads((Path(__file__).parent.parent / "data" / "sdm" / "cap_intersection.json").read_text())

NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)

dimensions = st.integers(2, 3000)
angles = st.floats(0.05, math.pi - 0.05)


def lens(theta: float, tau: float) -> float:
    """Fraction of the sphere in three dimensions in two caps, in closed form."""
    c, s = math.cos(theta), math.sin(theta)
    corner = math.acos((math.cos(tau) - c * c) / (s * s))
    side = math.acos((c - math.cos(tau) * c) / (math.sin(tau) * s))
    return (math.pi - corner - 2 * c * side) / (2 * math.pi)


@pytest.mark.parametrize("case", CAPS["rows"], ids=lambda case: f"{case['n']}-{case['d']}")
def test_pairs_of_caps(case):
    n, theta = case["n"], radius_to_angle(case["n"], case["d"])
    assert theta == pytest.approx(case["theta"], rel=1e-14)
    expected = np.array([-math.inf if x is None else x for x in case["log_fraction"]])
    found = log_double_cap(n, theta, case["cos"])
    assert np.array_equal(np.isneginf(found), np.isneginf(expected))
    some = np.isfinite(expected)
    assert np.abs(found[some] - expected[some]).max() < 1e-10
    assert log_cap_fraction(n, theta) == pytest.approx(case["log_cap_fraction"], abs=1e-12)
    assert np.exp(found) == pytest.approx(case["fraction"], rel=1e-8, abs=1e-300)


def test_areas_of_spheres():
    for n, expected in CAPS["log_sphere_area"].items():
        assert log_sphere_area(int(n)) == pytest.approx(float(expected), rel=1e-13)
        # The area is the derivative of the volume by the radius.
        assert log_ball_volume(int(n)) + math.log(int(n)) == pytest.approx(float(expected), rel=1e-12)


def test_the_published_constant_is_half_e_squared():
    assert math.exp(PUBLISHED_EXCESS) == pytest.approx(3.694528049465325, rel=1e-15)


@given(dimensions, angles)
def test_coinciding_caps_are_one_cap(n, theta):
    half = 0.5 * special.betainc(0.5 * (n - 1), 0.5, math.sin(theta) ** 2)
    exact = half if theta <= math.pi / 2 else 1 - half
    if exact > 1e-290:
        assert log_cap_fraction(n, theta) == pytest.approx(math.log(exact), rel=1e-10, abs=1e-10)
    assert log_double_cap(n, theta, 1.0) == log_cap_fraction(n, theta)


@given(angles, st.floats(0.01, 0.99))
def test_lenses_in_three_dimensions(theta, share):
    if theta <= math.pi / 2:
        tau = share * 2 * theta
        assert math.exp(log_double_cap(3, theta, math.cos(tau))) == pytest.approx(lens(theta, tau), rel=1e-7, abs=1e-12)
    # On a circle, arcs overlap by what is left of their length.
    tau = share * math.pi
    arcs = max(2 * theta - tau, 0) / (2 * math.pi) + max(2 * theta - 2 * math.pi + tau, 0) / (2 * math.pi)
    assert math.exp(log_double_cap(2, theta, math.cos(tau))) == pytest.approx(arcs, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize(("n", "d", "tau"), [(8, 2, 0.5), (64, 11, 0.9), (64, 27, 1.2), (1000, 451, 0.3)])
def test_the_published_double_integral(n, d, tau):
    theta = radius_to_angle(n, d)
    angle = tau / 2 + (theta - tau / 2) * (0.5 + 0.5 * NODES)
    inner = special.betainc(0.5 * (n - 2), 0.5, 1 - np.square(math.tan(tau / 2) / np.tan(angle)))
    integral = (theta - tau / 2) * np.sum(WEIGHTS * np.sin(angle) ** (n - 2) * inner)
    # Both halves of the lens.
    area = math.log(integral) + 0.5 * (n - 1) * math.log(math.pi) - math.lgamma(0.5 * (n - 1))
    assert area - log_sphere_area(n) == pytest.approx(float(log_double_cap(n, theta, math.cos(tau))), abs=1e-8)


@given(st.integers(3, 400), angles)
def test_random_centres_share_the_square_of_a_cap(n, theta):
    tau = 0.5 * math.pi * (1 + NODES)
    density = np.log(WEIGHTS) + (n - 2) * np.log(np.sin(tau))
    logs = log_double_cap(n, theta, np.cos(tau))
    mean = special.logsumexp(density + logs) - special.logsumexp(density)
    # The rule has no node where the intersection ends, so that is as exact as it gets for small caps.
    if 2 * log_cap_fraction(n, theta) > -40:
        assert mean == pytest.approx(2 * log_cap_fraction(n, theta), abs=2e-2)


@pytest.mark.parametrize("theta", [0.8, 1.7, 2.4])
def test_points_on_the_sphere(theta):
    number = 40_000
    height = 1 - (2 * np.arange(number) + 1) / number
    turn = np.pi * (3 - math.sqrt(5)) * np.arange(number)
    across = np.sqrt(1 - height**2) * np.cos(turn)
    for tau in (0.0, 0.7, 2.0, 3.1):
        other = math.cos(tau) * height + math.sin(tau) * across
        share = np.mean((height >= math.cos(theta)) & (other >= math.cos(theta)))
        assert math.exp(log_double_cap(3, theta, math.cos(tau))) == pytest.approx(share, abs=1e-3)


@given(dimensions, angles, st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_one_pass_for_many_cosines(n, theta, cosines):
    together = log_double_cap(n, theta, cosines)
    alone = [float(log_double_cap(n, theta, cosine)) for cosine in cosines]
    assert together == pytest.approx(alone, rel=1e-10, abs=1e-10)
    order = np.argsort(cosines)
    rising = together[order]
    some = np.isfinite(rising)
    assert (np.diff(rising[some]) >= -1e-10 * np.abs(rising[some][1:])).all()
    assert np.array_equal(some, np.sort(some))


def test_wide_caps_are_complements_of_narrow_ones():
    for n in (2, 3, 10, 1000):
        for theta in (1.6, 2.0, 3.0, math.pi):
            # Opposite caps leave what is not in either complement.
            beyond = log_double_cap(n, theta, -1.0)
            narrow = math.exp(log_cap_fraction(n, math.pi - theta)) if theta < math.pi else 0.0
            assert math.exp(beyond) == pytest.approx(1 - 2 * narrow, abs=1e-12)
            assert math.exp(log_cap_fraction(n, theta)) == pytest.approx(1 - narrow, abs=1e-12)
    left, right = (log_double_cap(1000, math.pi / 2 + shift, [0.9, 0.0, -0.9]) for shift in (-1e-9, 1e-9))
    assert left == pytest.approx(right, abs=1e-6)


def test_the_smallest_caps_do_not_underflow():
    theta = radius_to_angle(4096, 1)
    assert log_cap_fraction(4096, theta) < -14_000
    assert np.isfinite(log_double_cap(4096, theta, math.cos(1.99 * theta)))


def test_slopes_are_derivatives():
    for n, d in ((3, 1), (64, 11), (64, 40), (1000, 451)):
        theta = radius_to_angle(n, d)
        cosines = np.array([0.95, 0.7, 0.5])
        step = 1e-5
        difference = log_double_cap(n, theta, cosines + step) - log_double_cap(n, theta, cosines - step)
        assert double_cap_slope(n, theta, cosines) == pytest.approx(difference / (2 * step), rel=1e-6)
    assert np.isinf(double_cap_slope(64, 1.0, 1.0))
    assert np.isnan(double_cap_slope(64, 1.0, -1.0))


# Angles and radii


@given(dimensions, angles)
def test_angle_of_a_fraction(n, theta):
    log_p = log_cap_fraction(n, theta)
    if log_p < -1e-9:
        assert angle_for_log_fraction(n, log_p) == pytest.approx(theta, rel=1e-6)
        assert log_cap_fraction(n, angle_for_log_fraction(n, log_p)) == pytest.approx(log_p, rel=1e-9)
    assert radius_to_angle(n, angle_to_radius(n, theta)) == pytest.approx(theta, rel=1e-12)


def test_matching_by_fraction():
    for n, d in ((64, 5), (64, 11), (64, 32), (64, 40), (1000, 451)):
        radius = matched_radius(n, d)
        assert log_cap_fraction(n, radius_to_angle(n, radius)) == pytest.approx(
            float(log_ball_fraction(n, d)), abs=1e-10
        )
    assert matched_radius(64, 11) > 11
    assert angle_for_fraction(1000, 0.5) == pytest.approx(math.pi / 2, rel=1e-12)


# Tables


@given(st.integers(2, 1200), st.floats(0.02, 0.99), st.sampled_from([50, 200, 1000]), st.integers(0, 2**32 - 1))
def test_errors_of_tables_are_bounded(n, share, resolution, seed):
    table = CapTable(n, share * n, resolution=resolution)
    cosines = np.concatenate([np.random.default_rng(seed).uniform(-1, 1, 300), [1.0, -1.0]])
    exact, found = log_double_cap(n, table.theta, cosines), table(cosines)
    assert np.array_equal(np.isneginf(found), np.isneginf(exact))
    some = np.isfinite(exact)
    assert np.abs(found[some] - exact[some]).max() <= table.error_bound


@pytest.mark.parametrize(("n", "d"), [(64, 5), (64, 32), (784, 331), (1000, 451), (1000, 499), (1000, 501), (64, 64)])
def test_default_tables_are_fine(n, d):
    table = CapTable(n, d)
    assert table.error_bound < 1e-8
    cosines = np.linspace(-1, 1, 2001).reshape(3, -1)
    assert np.exp(table(cosines)) == pytest.approx(np.exp(log_double_cap(n, table.theta, cosines)), rel=1e-8)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: log_double_cap(1, 1.0, 0.5), "n must be at least 2, found 1"),
        (lambda: log_double_cap(8, 0.0, 0.5), "theta must be above 0 and at most pi, found 0.0"),
        (lambda: log_double_cap(8, 4.0, 0.5), "theta must be above 0 and at most pi, found 4.0"),
        (lambda: log_double_cap(8, math.nan, 0.5), "theta must be a number, found nan"),
        (lambda: log_double_cap(8, "wide", 0.5), "theta must be a number, found 'wide'"),
        (lambda: log_double_cap(8, 1.0, [1.5]), "cosines must be -1 to 1, found 1.5 to 1.5"),
        (lambda: log_double_cap(8, 1.0, [math.nan]), "cosines must be -1 to 1, found nan to nan"),
        (lambda: radius_to_angle(8, 0), "d must be above 0 and at most n = 8, found 0"),
        (lambda: radius_to_angle(8, 9), "d must be above 0 and at most n = 8, found 9"),
        (lambda: radius_to_angle(8, None), "d must be a number, found None"),
        (lambda: angle_for_fraction(8, 0), "p must be above 0 and below 1, found 0"),
        (lambda: angle_for_log_fraction(8, 0.0), "a fraction of the sphere must be above 0 and below 1"),
        (lambda: angle_for_log_fraction(2, -1e4), "is narrower than"),
        (lambda: matched_radius(8, 8), "d must be 0 to 7, found 8"),
        (lambda: CapTable(8, 2, resolution=4), "resolution must be at least 8, found 4"),
        (lambda: CapTable(8, -1), "d must be above 0 and at most n = 8, found -1"),
        (lambda: log_sphere_area(0), "n must be at least 1, found 0"),
    ],
)
def test_bad_input_is_one_clear_line(ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask()
    assert "\n" not in str(error.value)
