"""Streaming reduction against whole orbits, and periods of known orbits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfattn.meanfield import Context, Orbits, random_weights, segmented_weights
from mfattn.meanfield.observe import OBSERVED, Observer, Raster, section_pairs
from mfattn.meanfield.period import period

from . import strategies as own


def bins_of(values, raster):
    """Documented binning: -1 below the range, n above it."""
    index = np.floor((values - raster.low) / (raster.high - raster.low) * raster.bins)
    return np.clip(index, -1, raster.bins).astype(int)


def histogram(index, bins):
    return np.bincount(index + 1, minlength=bins + 2)


@settings(max_examples=60)
@given(st.data())
def test_reductions_are_those_of_the_whole_orbit(data):
    weights = data.draw(own.weights(features=st.integers(1, 5), position_bits=st.integers(0, 3)))
    number = data.draw(st.integers(1, 20))
    start = data.draw(own.contexts(weights))
    epsilon = data.draw(own.epsilons(weights))
    features = data.draw(st.permutations(range(weights.features)))[: data.draw(st.integers(1, weights.features))]
    observables = data.draw(st.permutations(OBSERVED))[: data.draw(st.integers(1, 2))]
    low = data.draw(st.floats(-1, 0.5))
    raster = Raster(data.draw(st.integers(1, 50)), low, low + data.draw(st.floats(1e-3, 2)))
    width = data.draw(st.floats(0, 0.3))
    pieces = data.draw(st.lists(st.integers(0, 700), min_size=1, max_size=4).filter(any))

    def fresh():
        return Orbits(weights, beta=np.linspace(0.5, 3, number), gamma=50, epsilon=epsilon, starts=start)

    observer = Observer(fresh(), raster=raster, width=width, features=features, observables=observables)
    for steps in pieces:
        observer.observe(steps)
    found = observer.result()
    orbit = fresh().record(sum(pieces))
    for family, name in enumerate(observables):
        values = getattr(orbit, name)[:, :, features]
        index = bins_of(values, raster)
        for point in range(number):
            for i in range(len(features)):
                expected = histogram(index[point, :, i], raster.bins)
                assert np.array_equal(found.raster[point, family, i], expected[1:-1])
                assert np.array_equal(found.outside[point, family, i], expected[[0, -1]])
            for pair, (i, j) in enumerate(section_pairs(range(len(features)))):
                near = np.abs(values[point, :, j]) < width
                expected = histogram(index[point, near, i], raster.bins)[1:-1]
                assert np.array_equal(found.section[point, family, pair], expected)
        assert found.mean[:, family] == pytest.approx(values.mean(axis=1), abs=1e-13)
        assert found.variance[:, family] == pytest.approx(values.var(axis=1), rel=1e-9, abs=1e-12)
        assert np.array_equal(found.minimum[:, family], values.min(axis=1))
        assert np.array_equal(found.maximum[:, family], values.max(axis=1))
    assert found.period.tolist() == [period(attention) for attention in orbit.attention]


def test_the_smallest_numbers_fall_on_their_side_of_a_range():
    weights = segmented_weights(3, 0, template=9, segments=3, seed=1)
    # Decays through the subnormal numbers to 0, from both sides.
    orbits = Orbits(weights, beta=0.5, gamma=0, epsilon=0, starts=[Context([[s, -s, s]], 0) for s in (0.3, -0.3)])
    observer = Observer(orbits.copies(), raster=Raster(1, 0.0, 1.75), width=0.0, features=[0, 1, 2])
    observer.observe(2000)
    orbit, found = orbits.record(2000), observer.result()
    assert (np.abs(orbit.attention[orbit.attention != 0]) < 1e-310).any()
    for family, name in enumerate(OBSERVED):
        assert np.array_equal(found.outside[:, family, :, 0], (getattr(orbit, name) < 0).sum(axis=1))


@given(st.data())
def test_cutting_an_observation_changes_no_bit(data):
    weights = random_weights(3, 2, template=20, seed=data.draw(own.seeds))
    pieces = data.draw(st.lists(st.integers(0, 600), min_size=2, max_size=6).filter(any))

    def observed(cuts):
        orbits = Orbits(weights, beta=[1.5, 3.0], gamma=100, epsilon=0.1, starts=Context(np.full((4, 3), 0.2), 1))
        observer = Observer(orbits, raster=Raster(100, -1, 1), width=0.05, features=[0, 1, 2])
        for cut in cuts:
            observer.observe(cut)
        return observer.result()

    whole, cut = observed([sum(pieces)]), observed(pieces)
    for name, array in vars(whole).items():
        assert np.array_equal(getattr(cut, name), array), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": []}, "features must be different ones"),
        ({"features": [0, 0]}, "features must be different ones"),
        ({"features": [3]}, "features must be different ones"),
        ({"observables": ["overlap_v"]}, "observables must be different ones"),
        ({"width": -1.0}, "width must be a finite number of at least 0"),
        ({"width": np.nan}, "width must be a finite number of at least 0"),
        ({"window": 0}, "window must be at least 1"),
    ],
)
def test_observers_refuse_what_does_not_fit(published, changes, message):
    orbits = Orbits(published, beta=1, gamma=220, epsilon=0.02, starts=Context(np.zeros((4, 3)), 0))
    arguments = {"raster": Raster(10, -1, 1), "width": 0.1, "features": [0], **changes}
    with pytest.raises(ValueError, match=message):
        Observer(orbits, **arguments)


def test_nothing_observed_is_no_result(published):
    orbits = Orbits(published, beta=1, gamma=220, epsilon=0.02, starts=Context(np.zeros((4, 3)), 0))
    with pytest.raises(ValueError, match="nothing was observed"):
        Observer(orbits, raster=Raster(10, -1, 1), width=0.1, features=[0]).result()


@pytest.mark.parametrize(
    ("bins", "low", "high"), [(0, 0, 1), (1, 1, 1), (1, 1, 0), (1, -np.inf, 0), (1, -1e308, 1e308)]
)
def test_rasters_need_bins_and_an_ascending_range(bins, low, high):
    with pytest.raises(ValueError, match=r"bins must|range must"):
        Raster(bins, low, high)


@given(st.integers(1, 1024), st.integers(1, 3), own.seeds)
def test_a_repeated_pattern_has_its_period(length, features, seed):
    pattern = np.random.default_rng(seed).normal(size=(length, features))
    assert period(np.tile(pattern, (3000 // length + 3, 1))) == length


def test_a_constant_has_period_one():
    assert period(np.full((100, 2), 0.3)) == 1


def test_periods_that_are_too_long_or_too_little_seen_are_not_claimed():
    pattern = np.random.default_rng(1).normal(size=(1025, 1))
    assert period(np.tile(pattern, (5, 1))) == 0
    assert period(np.arange(3.0)[:, np.newaxis] % 2) == 0
    assert period(np.empty((0, 2))) == 0
    assert period(np.full((100, 1), np.nan)) == 0


def test_the_tolerance_decides():
    noise = np.random.default_rng(2).uniform(-1, 1, (4096, 1))
    wave = np.tile([[0.0], [1.0], [0.5]], (1400, 1))[:4096]
    assert period(wave + 4e-10 * noise) == 3
    assert period(wave + 1e-8 * noise) == 0
    assert period(wave + 1e-8 * noise, tolerance=1e-7) == 3


def test_only_the_last_steps_count():
    orbit = np.concatenate([np.random.default_rng(3).normal(size=(500, 1)), np.tile([[0.0], [1.0]], (1024, 1))])
    assert period(orbit) == 2
