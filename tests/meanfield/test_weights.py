"""Weight ensembles and their column classes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.meanfield import (
    FIELDS,
    ColumnClasses,
    Weights,
    assigned_weights,
    classes_from_columns,
    classes_from_correlations,
    context_from_pattern,
    context_from_token,
    gaussian_weights,
    position_codes,
    product_weights,
    prompt_token,
    random_weights,
    segmented_weights,
)
from mfattn.meanfield.classes import odd_characters, sign_vectors

from .strategies import seeds


def same(patterns):
    """The same patterns for the four kinds of weights."""
    return dict.fromkeys(FIELDS, patterns)


@given(st.integers(1, 7), st.integers(1, 40), st.floats(0, 3), seeds)
def test_the_sum_over_classes_is_the_mean_over_columns(features, number, beta, seed):
    generator = np.random.default_rng(seed)
    weights = generator.choice([-1.0, 1.0], (4, features, number))
    attention = generator.normal(size=features)
    classes = classes_from_columns(weights[0], weights)
    by_column = (weights * np.tanh(beta * attention @ weights[0])).mean(axis=2)
    by_class = np.einsum("fja,j->fa", classes.couplings, np.tanh(beta * classes.signs @ attention))
    assert by_class == pytest.approx(by_column, abs=1e-14)
    assert len(classes.signs) <= min(2 ** (features - 1), number)


@given(st.integers(1, 3), seeds)
def test_classes_have_the_correlations_that_they_were_made_from(features, seed):
    characters = 4 if features == 3 else features
    wanted = np.random.default_rng(seed).uniform(-1, 1, (4, characters, features))
    classes = classes_from_correlations(wanted)
    found = np.einsum("bj,fja->fba", odd_characters(classes.signs), classes.couplings)
    assert found == pytest.approx(wanted, abs=1e-14)


def test_columns_of_zeros_contribute_nothing():
    columns = np.array([[0.0, 2.0], [0.0, -1.0]])
    classes = classes_from_columns(columns, np.ones((4, 2, 2)))
    assert classes.signs.tolist() == [[2.0, -1.0]]
    assert classes.couplings[0].tolist() == [[0.5, 0.5]]
    assert classes_from_columns(np.zeros((2, 3)), np.ones((4, 2, 3))).couplings.tolist() == [[[0.0, 0.0]]] * 4


def test_position_codes_are_binary_digits_most_significant_first():
    assert position_codes(3)[6].tolist() == [1, 1, -1]
    assert position_codes(0).shape == (1, 0)


def test_position_fields_are_the_mean_over_bits():
    weights = random_weights(3, 3, template=10, seed=5)
    expected = np.einsum("faj,rj->fra", weights.position_weights, position_codes(3)) / 3
    assert np.array_equal(weights.position_fields, expected)
    assert not random_weights(3, 0, template=10, seed=5).position_fields.any()


@pytest.mark.parametrize("rng", ["legacy", "modern"])
def test_segments_are_constant_and_fill_the_template(rng):
    template = segmented_weights(4, 2, template=30, segments=5, seed=3, rng=rng).template
    assert (template.reshape(4, 4, 5, 6) == template.reshape(4, 4, 5, 6)[..., :1]).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda seed, rng: random_weights(3, 2, template=9, seed=seed, rng=rng),
        lambda seed, rng: segmented_weights(3, 2, template=9, segments=3, seed=seed, rng=rng),
        lambda seed, rng: gaussian_weights(3, 2, template=9, seed=seed, rng=rng),
        lambda seed, rng: product_weights(3, 2, template=9, seed=seed, rng=rng),
    ],
)
def test_a_seed_names_one_instance_in_each_seeding(make):
    def drawn(seed, rng):
        weights = make(seed, rng)
        parts = (weights.classes.signs, weights.classes.couplings, weights.position_weights, weights.template)
        return b"".join(part.tobytes() for part in parts)

    draws = [drawn(seed, rng) for seed in (1, 2) for rng in ("legacy", "modern")]
    assert len(set(draws)) == 4
    assert drawn(1, "modern") == draws[1]


def test_gaussian_correlations_are_clipped_with_unit_diagonal():
    classes = gaussian_weights(3, 2, template=9, seed=1, scale=5.0).classes
    found = np.einsum("bj,fja->fba", odd_characters(classes.signs), classes.couplings)
    assert np.abs(found).max() <= 1 + 1e-14
    assert np.diagonal(found[0]) == pytest.approx(1)
    assert found[:, 3] == pytest.approx(found[:, :3].prod(axis=1))


def test_product_correlations_factor():
    classes = product_weights(3, 2, template=9, seed=1).classes
    found = np.einsum("bj,fja->fba", odd_characters(classes.signs), classes.couplings)
    assert np.linalg.matrix_rank(found[1][:3], tol=1e-10) == 1
    assert found[0][3] == pytest.approx([found[0][1, 2], found[0][0, 2], found[0][0, 1]])


def test_assigned_patterns_are_the_expectation_over_base_patterns():
    patterns = {"output": [0, 1, 2], "value": [1, 2, 0], "query": [0, 0, 1], "key": [2, 1, 0]}
    weights = assigned_weights(3, patterns, np.ones((4, 3, 1)))
    attention, beta = np.array([0.3, -0.2, 0.7]), 1.3
    sigma = np.array(list(itertools.product([-1, 1], repeat=3)))
    activity = np.tanh(beta * sigma[:, patterns["output"]] @ attention)
    for index, name in enumerate(FIELDS):
        expected = (sigma[:, patterns[name]] * activity[:, np.newaxis]).mean(axis=0)
        found = weights.classes.couplings[index].T @ np.tanh(beta * weights.classes.signs @ attention)
        assert found == pytest.approx(expected)


def test_assigned_conventions_agree_where_the_output_order_is_symmetric_and_differ_elsewhere():
    def signs(order, convention):
        patterns = {"output": order, "value": [0, 1, 2], "query": [0, 1, 2], "key": [0, 1, 2]}
        return assigned_weights(3, patterns, np.ones((4, 3, 0)), convention=convention).classes.signs.tolist()

    assert signs([1, 0, 2], "published") == signs([1, 0, 2], "weights")
    assert signs([0, 1, 1], "published") != signs([0, 1, 1], "weights")


def test_assigned_positions_are_rectified_and_logits_unscaled():
    patterns = same([0, 1])
    weights = assigned_weights(2, patterns, -np.ones((4, 2, 1)))
    assert weights.position_fields[0].tolist() == [[1, 1], [0, 0]]
    assert weights.logit_scale == 1
    assert random_weights(4, 1, template=9, seed=1).logit_scale == 0.5


def test_a_pattern_prompt_attends_to_the_features_that_hold_it():
    patterns = {"output": [0, 1, 2], "value": [1, 2, 1], "query": [0, 1, 2], "key": [0, 1, 2]}
    weights = assigned_weights(3, patterns, np.ones((4, 3, 2)))
    start = context_from_pattern(weights, 1)
    assert start.attention.tolist() == [[1, 0, 1]]
    assert start.position == 0


def test_sign_vectors_are_all_those_that_begin_with_plus_one():
    vectors = sign_vectors(4)
    assert len({tuple(vector) for vector in vectors}) == 8
    assert (vectors[:, 0] == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random_weights(0, 2, template=9, seed=1), "features must be at least 1, found 0"),
        (lambda: random_weights(1, -1, template=9, seed=1), "position_bits must be at least 0, found -1"),
        (lambda: random_weights(1, 2, template=0, seed=1), "template must be at least 1, found 0"),
        (lambda: random_weights(1, 2, template=3, seed=1, rng="new"), "rng must be 'legacy' or 'modern', found 'new'"),
        (lambda: segmented_weights(3, 2, template=99, segments=4, seed=1), "segments must divide .* found 4"),
        (lambda: segmented_weights(3, 5, template=4, segments=2, seed=1, rng="legacy"), "need a template of 5"),
        (lambda: gaussian_weights(4, 2, template=9, seed=1), "at most 3 features, found 4"),
        (lambda: gaussian_weights(3, 2, template=9, seed=1, scale=-1), "scale must be .* found -1"),
        (lambda: product_weights(5, 2, template=9, seed=1), "at most 3 features, found 5"),
        (lambda: assigned_weights(17, {}, []), "base_patterns must be 1 to 16, found 17"),
        (lambda: assigned_weights(2, same([2]), []), "numbers from 0 to 1"),
        (lambda: assigned_weights(2, same([0]), [], base_of=[2]), "base_of must hold"),
        (lambda: assigned_weights(2, same([0]), [], convention="other"), "convention must be"),
        (lambda: assigned_weights(2, same([0]), [], convention="published"), "as many patterns"),
        (lambda: ColumnClasses([[1.0]], np.ones((3, 1, 1))), r"couplings must have shape \(4, 1, 1\)"),
        (lambda: ColumnClasses([[np.nan]], np.ones((4, 1, 1))), "must be finite"),
        (lambda: ColumnClasses(np.ones((0, 2)), np.ones((4, 0, 2))), "signs must have shape"),
        (lambda: Weights(ColumnClasses([[1.0]], np.ones((4, 1, 1))), np.ones((4, 2, 1))), "position_weights must"),
        (lambda: prompt_token(random_weights(3, 2, template=9, seed=1), "output", 3), "row must be 0 to 2, found 3"),
        (lambda: prompt_token(random_weights(3, 2, template=9, seed=1), "random", 10), "row must be 0 to 9, found 10"),
        (lambda: prompt_token(random_weights(3, 2, template=9, seed=1), "x", 0), "source must be one of"),
        (lambda: context_from_token(random_weights(3, 2, template=9, seed=1), np.ones(9), 0), r"shape \(11,\)"),
        (lambda: context_from_pattern(random_weights(3, 2, template=9, seed=1), 0), "only the assigned ensemble"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_found(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_assigned_weights_have_no_prompt_tokens():
    weights = assigned_weights(2, same([0, 1]), np.ones((4, 2, 0)))
    with pytest.raises(ValueError, match="no template"):
        prompt_token(weights, "output", 0)
    with pytest.raises(ValueError, match="no template"):
        context_from_token(weights, np.ones(2), 0)
    with pytest.raises(ValueError, match="pattern must be one that a feature holds, found 5"):
        context_from_pattern(weights, 5)
