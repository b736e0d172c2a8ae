"""Noisy queries: exactly as noisy as asked for, uniformly, and the same whatever comes after them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from mfattn.sdm import perturb
from mfattn.sdm.memories import hamming_distances, pack_bits, random_bits
from mfattn.sdm.perturb import flip_bits, nearest_patterns, turn_vectors

RISK = 1e-4
"""Chance of a false alarm in each statistical test."""

seeds = st.integers(0, 2**32 - 1)


@given(n=st.integers(1, 200), number=st.integers(1, 20), seed=seeds, data=st.data())
def test_exactly_as_many_bits_are_flipped(n, number, seed, data):
    flips = data.draw(st.integers(0, n))
    patterns = random_bits(number, n, seed)
    queries = flip_bits(patterns, flips, seed=seed)
    assert ((queries != patterns).sum(axis=1) == flips).all()


def test_every_choice_of_bits_is_as_likely():
    queries = flip_bits(np.zeros((60_000, 5), dtype=np.uint8), 2, seed=1)
    _, counts = np.unique(queries @ (1 << np.arange(5)), return_counts=True)
    assert len(counts) == math.comb(5, 2)
    assert stats.chisquare(counts).pvalue > RISK


def test_queries_do_not_depend_on_those_after_them(monkeypatch):
    patterns = random_bits(50, 100, seed=1)
    expected = flip_bits(patterns, 20, seed=2)
    assert (flip_bits(patterns[:7], 20, seed=2) == expected[:7]).all()
    monkeypatch.setattr(perturb, "ENTRIES", 300)
    assert (flip_bits(patterns, 20, seed=2) == expected).all()
    assert not (flip_bits(patterns, 20, seed=3) == expected).all()


def test_patterns_stay_the_nearest_where_asked():
    patterns = random_bits(200, 20, seed=1)
    patterns = np.unique(patterns, axis=0)
    free = hamming_distances(pack_bits(flip_bits(patterns, 3, seed=2)), pack_bits(patterns), 20)
    assert (free.min(axis=1) < 3).any()
    queries = flip_bits(patterns, 3, seed=2, rivals=patterns)
    assert (hamming_distances(pack_bits(queries), pack_bits(patterns), 20).min(axis=1) == 3).all()
    assert ((queries != patterns).sum(axis=1) == 3).all()
    with pytest.raises(ValueError, match="flips must leave the patterns nearest, found 19: 200 of 200 are not"):
        flip_bits(patterns, 19, seed=2, rivals=patterns)


def test_the_nearest_pattern():
    patterns, queries = random_bits(30, 70, seed=1), random_bits(40, 70, seed=2)
    distances = (queries[:, np.newaxis] != patterns).sum(axis=2)
    assert (nearest_patterns(queries, patterns) == distances.argmin(axis=1)).all()


@given(n=st.integers(2, 300), cosine=st.floats(-1, 1), log_length=st.floats(-100, 100), seed=seeds)
def test_vectors_have_the_cosine_and_the_length(n, cosine, log_length, seed):
    patterns = np.random.default_rng(seed).uniform(-1, 1, (5, n)) * 10**log_length
    queries = turn_vectors(patterns, cosine, seed=seed)
    lengths = np.linalg.norm(patterns / 10**log_length, axis=1)
    assert_allclose(np.linalg.norm(queries / 10**log_length, axis=1), lengths, rtol=1e-12)
    products = ((queries / 10**log_length) * (patterns / 10**log_length)).sum(axis=1)
    assert_allclose(products / lengths**2, cosine, atol=1e-13)


def test_every_vector_may_have_a_cosine_of_its_own():
    patterns, cosines = np.random.default_rng(1).uniform(-1, 1, (5, 9)), np.linspace(-1, 1, 5)
    queries = turn_vectors(patterns, cosines, seed=2)
    assert_allclose((queries * patterns).sum(axis=1) / np.square(patterns).sum(axis=1), cosines, atol=1e-13)
    assert (queries[3] == turn_vectors(patterns, float(cosines[3]), seed=2)[3]).all()


def test_directions_are_uniform():
    # The coordinates of a uniform direction across a vector in three dimensions are those of a circle.
    queries = turn_vectors(np.repeat([[0.0, 0.0, 2.0]], 20_000, axis=0), 0.0, seed=1)
    angles = np.arctan2(queries[:, 0], queries[:, 1])
    assert stats.kstest(angles, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > RISK


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flip_bits([[0, 1]], 3, seed=1), "flips must be 0 to 2, found 3"),
        (lambda: flip_bits([[0, 1]], -1, seed=1), "flips must be 0 to 2, found -1"),
        (lambda: flip_bits([[0, 2]], 1, seed=1), "patterns must be bits 0 and 1, found 2"),
        (lambda: flip_bits(np.zeros((0, 4)), 1, seed=1), "patterns must have shape"),
        (lambda: flip_bits([[0, 1]], 1, seed=1, rivals=[[0, 1, 1]]), r"rivals must have shape \(m, 2\)"),
        (lambda: nearest_patterns([[0, 1]], [[0, 1, 1]]), r"queries must have shape \(m, 3\)"),
        (lambda: turn_vectors([[1.0, 0.0]], 1.5, seed=1), "cosine must be -1 to 1, found 1.5"),
        (lambda: turn_vectors([[1.0, 0.0]], math.nan, seed=1), "cosine must be -1 to 1, found nan"),
        (lambda: turn_vectors([[1.0, 0.0]], [0.5, 0.5], seed=1), "one for each of 1 patterns, found \\(2,\\)"),
        (lambda: turn_vectors([[0.0, 0.0]], 0.5, seed=1), "no row may be all 0"),
        (lambda: turn_vectors([[1.0]], 0.5, seed=1), "at least 2 dimensions"),
        (lambda: turn_vectors(1.0, 0.5, seed=1), "patterns must have shape"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
