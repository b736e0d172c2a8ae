"""Distances between densities, and walks over values, against what is known."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.meanfield.hysteresis import APART, REGULAR_APART, are_apart, density_distance, outward, runs

counts = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any).map(np.array)


@given(st.integers(1, 50), st.data())
def test_walks_go_outward_and_reach_every_value_once_but_for_their_start(number, data):
    start = data.draw(st.integers(0, number - 1))
    up, down = outward(number, start)
    assert up[0] == down[0] == start
    assert sorted([*up, *down[1:]]) == list(range(number))
    assert all(abs(value - start) == stage for walk in (up, down) for stage, value in enumerate(walk))


@given(counts, st.integers(0, 3))
def test_a_shift_by_bins_is_as_far_as_it_is_wide(density, shift):
    first, second = np.pad(density, (0, 3)), np.pad(density, (shift, 3 - shift))
    assert density_distance(first, second, 0.5) == pytest.approx(0.5 * shift, abs=1e-12)


@given(counts, counts, counts)
def test_it_is_a_distance(a, b, c):
    def distance(x, y):
        return float(density_distance(x, y, 1.0))

    assert distance(a, a) == 0
    assert distance(a, 3 * a) == pytest.approx(0, abs=1e-12)
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-12)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


def test_it_is_the_transport_cost_of_sorted_samples():
    generator = np.random.default_rng(3)
    edges = np.linspace(0, 1, 2001)
    first, second = generator.beta(2, 5, 4000), generator.beta(3, 3, 4000)
    exact = np.abs(np.sort(first) - np.sort(second)).mean()
    binned = density_distance(np.histogram(first, edges)[0], np.histogram(second, edges)[0], edges[1])
    assert binned == pytest.approx(exact, abs=edges[1])


def test_nothing_is_no_distance_away():
    assert np.isnan(density_distance(np.zeros(3), np.ones(3), 1.0))


def test_noise_is_allowed_where_there_may_be_some():
    between = (APART + REGULAR_APART) / 2
    distance = np.array([between, between, 2 * APART, REGULAR_APART / 2, np.nan])
    regular = np.array([True, False, False, True, True])
    assert are_apart(distance, regular).tolist() == [True, False, True, False, False]
    # Bins as coarse as that tell nothing apart.
    assert not are_apart(distance, regular, bin_size=3 * APART).any()


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_runs_hold_what_is_flagged_and_nothing_else(flags):
    values = np.arange(len(flags)) / 8
    found = list(runs(values, np.array(flags)))
    assert [any(low <= value <= high for low, high in found) for value in values] == flags
    # Neighbouring runs have something between them.
    assert all(high < low - 1 / 8 for (_, high), (low, _) in pairwise(found))
