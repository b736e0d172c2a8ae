"""Power spectra and autocorrelations against their defining sums and known signals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.meanfield.signals import autocorrelation, power_spectrum

from . import strategies as own


@st.composite
def signals(draw, longest=80):
    """Noise about some mean, of any size, one or several features."""
    steps, features = draw(st.integers(2, longest)), draw(st.integers(1, 4))
    generator = np.random.default_rng(draw(own.seeds))
    size, mean = 10.0 ** draw(st.integers(-8, 8)), draw(st.floats(-10, 10))
    return size * (mean + generator.normal(size=(steps, features)))


def plain_power(signal):
    steps = len(signal)
    deviation = signal - signal.mean(axis=0)
    frequencies = [k / steps for k in range(steps // 2 + 1)]
    transforms = [
        sum(np.exp(-2j * np.pi * frequency * t) * deviation[t] for t in range(steps)) for frequency in frequencies
    ]
    return frequencies, np.abs(transforms) ** 2 / steps


def plain_autocorrelation(signal, longest):
    deviation = signal - signal.mean(axis=0)
    variance = (deviation**2).sum(axis=0)
    lags = range(min(longest, len(signal) - 1) + 1)
    return np.array(
        [sum(deviation[t] * deviation[t + lag] for t in range(len(signal) - lag)) / variance for lag in lags]
    )


@given(signals())
def test_the_power_spectrum_is_the_sum_that_defines_it(signal):
    frequencies, power = power_spectrum(signal)
    expected_frequencies, expected = plain_power(signal)
    assert frequencies.tolist() == expected_frequencies
    assert power == pytest.approx(expected, rel=1e-9, abs=1e-11 * signal.var() * len(signal))


@given(signals(), st.integers(0, 100))
def test_the_autocorrelation_is_the_sum_that_defines_it(signal, longest):
    assert autocorrelation(signal, longest) == pytest.approx(plain_autocorrelation(signal, longest), abs=1e-9)


@given(signals(longest=500))
def test_parseval(signal):
    _, power = power_spectrum(signal)
    twice = np.full(len(power), 2.0)
    twice[0] = 1.0
    if len(signal) % 2 == 0:
        twice[-1] = 1.0
    assert twice @ power == pytest.approx(len(signal) * signal.var(axis=0), rel=1e-9)


@given(signals(longest=500))
def test_a_feature_does_not_depend_on_its_neighbours_and_is_bounded(signal):
    correlation, (_, power) = autocorrelation(signal), power_spectrum(signal)
    assert correlation[0].tolist() == [1.0] * signal.shape[1]
    assert np.abs(correlation).max() <= 1 + 1e-12
    for feature, column in enumerate(signal.T):
        assert autocorrelation(column) == pytest.approx(correlation[:, feature], abs=1e-12)
        assert power_spectrum(column)[1] == pytest.approx(power[:, feature], rel=1e-9, abs=1e-12 * power.max())


def test_a_cosine_is_one_line():
    signal = 0.7 + 3.0 * np.cos(2 * np.pi * 20 / 400 * np.arange(400) + 0.4)
    frequencies, power = power_spectrum(signal)
    assert frequencies[20] == 0.05
    assert power[20] == pytest.approx(9 * 400 / 4)
    assert np.delete(power, 20) == pytest.approx(0, abs=1e-20 * power[20] + 1e-22)


def test_a_cosine_is_correlated_with_itself_a_period_later():
    signal = 0.7 + 3.0 * np.cos(2 * np.pi * 20 / 400 * np.arange(400) + 0.4)
    correlation = autocorrelation(signal)
    periods = np.arange(0, 101, 20)
    assert len(correlation) == 101
    assert correlation[periods] == pytest.approx(1 - periods / 400, abs=1e-12)
    assert correlation[periods[:-1] + 10] == pytest.approx(-(1 - (periods[:-1] + 10) / 400), abs=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e300])
def test_a_constant_has_no_power_and_no_correlation(steps, value):
    signal = np.full((steps, 2), value)
    assert not power_spectrum(signal)[1].any()
    assert np.isnan(autocorrelation(signal)).all()
    assert len(autocorrelation(signal)) == min(steps, 101)


def test_a_constant_feature_leaves_the_others_alone():
    moving = np.random.default_rng(1).normal(size=50)
    correlation = autocorrelation(np.stack([np.full(50, 0.1), moving], axis=1))
    assert np.isnan(correlation[:, 0]).all()
    assert correlation[:, 1] == pytest.approx(autocorrelation(moving), abs=1e-14)


def test_correlations_of_tiny_signals_do_not_underflow():
    signal = np.random.default_rng(2).normal(size=50)
    assert autocorrelation(1e-250 * signal) == pytest.approx(autocorrelation(signal), abs=1e-12)


@pytest.mark.parametrize("function", [power_spectrum, autocorrelation])
@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (1.0, r"shape \(steps,\) or \(steps, features\), steps >= 1, found \(\)"),
        (np.empty((0, 3)), r"found \(0, 3\)"),
        (np.zeros((2, 2, 2)), r"found \(2, 2, 2\)"),
        ([0.0, np.nan], "must be finite"),
        ([0.0, np.inf], "must be finite"),
    ],
)
def test_what_is_no_signal_is_refused(function, signal, message):
    with pytest.raises(ValueError, match=message):
        function(signal)


def test_negative_lags_are_refused():
    with pytest.raises(ValueError, match="longest must be at least 0, found -1"):
        autocorrelation([0.0, 1.0], -1)
