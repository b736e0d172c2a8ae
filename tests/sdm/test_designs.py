"""Jaeckel's designs: against reference numbers, enumeration, and Kanerva's geometry where they meet."""

import json
import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.sdm.designs import Hyperplanes, SelectedCoordinates
from mfattn.sdm.geometry import fraction_for_radius, log_binomial, log_expected_neurons

CASES = json.loads((Path(__file__).parent.parent / "data" / "sdm" / "jaeckel_hopfield.json").read_text())["scd"]

designs = st.integers(1, 120).flatmap(
    lambda n: st.integers(1, n).flatmap(
        lambda k: st.builds(SelectedCoordinates, st.just(n), st.just(k), st.integers(0, k))
    )
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['n']}-{case['k']}-{case['l']}")
def test_selected_coordinates(case):
    design = SelectedCoordinates(case["n"], case["k"], case["l"])
    assert design.activation == pytest.approx(case["p_activation"], rel=1e-12)
    found = design.both(case["dv"])
    assert found == pytest.approx(case["p_both"], rel=1e-12)
    assert np.array_equal(found == 0, np.array(case["p_both"]) == 0)


@pytest.mark.parametrize(("n", "k", "threshold"), [(4, 2, 1), (5, 3, 2), (5, 3, 3), (6, 4, 2), (3, 3, 0)])
def test_selected_coordinates_by_enumeration(n, k, threshold):
    design = SelectedCoordinates(n, k, threshold)
    for dv in range(n + 1):
        both = 0
        for chosen in combinations(range(n), k):
            for expected in product((0, 1), repeat=k):
                # One address is all zeros, the other has ones in its first dv coordinates.
                near = sum(value == 0 for value in expected)
                far = sum(value == (place < dv) for place, value in zip(chosen, expected, strict=True))
                both += near >= threshold and far >= threshold
        assert float(design.both(dv)) == pytest.approx(both / math.comb(n, k) / 2**k, rel=1e-12, abs=1e-300)


@given(designs)
def test_random_addresses_share_the_square_of_what_is_active(design):
    both = design.log_both()
    assert math.exp(both[0]) == pytest.approx(design.activation, rel=1e-11)
    finite = both[np.isfinite(both)]
    assert (np.diff(finite) <= 1e-11).all()
    mean = np.logaddexp.reduce(log_binomial(design.n, np.arange(design.n + 1)) + both)
    assert math.exp(mean) == pytest.approx(design.activation**2, rel=1e-10)


@given(st.integers(1, 200), st.data())
def test_neurons_that_look_at_everything_are_those_of_kanerva(n, data):
    d = data.draw(st.integers(0, n))
    design = SelectedCoordinates(n, n, n - d)
    expected = log_expected_neurons(n, d)
    found = design.log_both()
    assert np.array_equal(np.isneginf(found), np.isneginf(expected))
    some = np.isfinite(expected)
    assert found[some] == pytest.approx(expected[some], abs=1e-10)
    assert design.activation == pytest.approx(float(fraction_for_radius(n, d)), rel=1e-12)


def test_all_coordinates_must_match():
    design = SelectedCoordinates(1000, 10, 10)
    dv = [0, 1, 10, 100, 990, 991]
    expected = [math.comb(1000 - v, 10) / math.comb(1000, 10) / 2**10 for v in dv]
    assert design.both(dv) == pytest.approx(expected, rel=1e-12)
    assert design.both([[0, 1], [2, 3]]).shape == (2, 2)


def test_threshold_for_a_fraction():
    for k in (8, 10, 20, 50):
        design = SelectedCoordinates.for_fraction(1000, k, 0.001)
        assert design.activation >= 0.001 * (1 - 1e-9)
        if design.threshold < k:
            assert SelectedCoordinates(1000, k, design.threshold + 1).activation < 0.001


@pytest.mark.parametrize(("n", "k", "ones"), [(6, 2, 3), (7, 3, 4), (5, 5, 5), (6, 4, 2)])
def test_hyperplanes_by_enumeration(n, k, ones):
    design = Hyperplanes(n, k, ones)
    for shared in range(max(0, 2 * ones - n), ones + 1):
        first, second = set(range(ones)), set(range(ones - shared, 2 * ones - shared))
        active = [first >= set(chosen) for chosen in combinations(range(n), k)]
        both = [first & second >= set(chosen) for chosen in combinations(range(n), k)]
        assert design.activation == pytest.approx(np.mean(active), rel=1e-12)
        assert float(design.both(shared)) == pytest.approx(np.mean(both), rel=1e-12, abs=1e-300)
        assert design.shared_ones(len(first ^ second)) == shared


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: SelectedCoordinates(0, 1, 1), "n must be at least 1, found 0"),
        (lambda: SelectedCoordinates(8, 9, 1), "k must be 1 to 8, found 9"),
        (lambda: SelectedCoordinates(8, 4, 5), "threshold must be 0 to 4, found 5"),
        (lambda: SelectedCoordinates(8, 4, -1), "threshold must be 0 to 4, found -1"),
        (lambda: SelectedCoordinates(8, 4.0, 1), "k must be an integer, found 4.0"),
        (lambda: SelectedCoordinates(8, 4, 2).both(9), "dv must be 0 to n = 8, found 9 to 9"),
        (lambda: SelectedCoordinates.for_fraction(8, 4, 0.0), "p must be above 0 and at most 1, found 0.0"),
        (lambda: SelectedCoordinates.for_fraction(8, 9, 0.1), "k must be 1 to 8, found 9"),
        (lambda: Hyperplanes(8, 0, 4), "k must be 1 to 8, found 0"),
        (lambda: Hyperplanes(8, 2, 9), "ones must be 0 to 8, found 9"),
        (lambda: Hyperplanes(8, 2, 4).both(5), "shared must be 0 to n = 4, found 5 to 5"),
        (lambda: Hyperplanes(8, 2, 4).shared_ones(3), "an even distance apart"),
    ],
)
def test_bad_input_is_one_clear_line(ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask()
    assert "\n" not in str(error.value)
