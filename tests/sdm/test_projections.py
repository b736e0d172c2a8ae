"""Learned projections: slopes against differences, learning, weights of finite neurons, and recall."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mfattn.sdm.projections import (
    Adam,
    Learner,
    Projection,
    attention_weights,
    ball_weights,
    cap_weights,
    centred_projection,
    finite_weights,
    loss_and_slopes,
    product,
    random_projection,
    recall,
    unit_rows,
    whitened_projection,
)

SIZES = st.tuples(*[st.integers(1, 6)] * 4)


def stream(*key):
    return np.random.SeedSequence(7, spawn_key=key)


@given(SIZES, st.floats(-20, 40), st.integers(0, 2**32))
def test_slopes_are_those_of_differences(sizes, beta, seed):
    latent, n, keys_number, queries_number = sizes
    rng = np.random.default_rng(seed)
    matrix, keys = rng.standard_normal((latent, n)), rng.standard_normal((keys_number, n))
    queries, targets = rng.standard_normal((2, queries_number, n))
    found = loss_and_slopes(matrix, beta, keys, queries, targets)

    def loss(moved, temperature):
        return loss_and_slopes(moved, temperature, keys, queries, targets).loss

    # Near a vector of length 0 a difference says little.
    lengths = min(unit_rows(product(rows, matrix.T))[1].min() for rows in (keys, queries))
    step = 1e-6 * min(lengths, 1.0)
    expected = np.zeros_like(matrix)
    for place in np.ndindex(matrix.shape):
        moves = np.zeros_like(matrix)
        moves[place] = step
        expected[place] = (loss(matrix + moves, beta) - loss(matrix - moves, beta)) / (2 * step)
    scale = 1 + np.abs(found.matrix).max()
    assert_allclose(found.matrix, expected, atol=1e-4 * scale)
    slope = (loss(matrix, beta + 1e-5) - loss(matrix, beta - 1e-5)) / 2e-5
    assert_allclose(found.beta, slope, atol=1e-5 * (1 + abs(slope)))


def test_the_loss_is_as_the_equation_reads():
    rng = np.random.default_rng(1)
    matrix, keys = rng.standard_normal((3, 5)), rng.random((7, 5))
    queries, targets = rng.random((2, 4, 5))
    expected = 0.0
    for query, target in zip(queries, targets, strict=True):
        asked = matrix @ query
        cosines = [matrix @ key @ asked / np.linalg.norm(matrix @ key) / np.linalg.norm(asked) for key in keys]
        weights = np.exp(9.0 * np.array(cosines))
        expected += np.linalg.norm(weights @ keys / weights.sum() - target) ** 2 / len(queries)
    assert_allclose(loss_and_slopes(matrix, 9.0, keys, queries, targets).loss, expected)


def test_a_vector_of_zeros_has_no_slope():
    keys = np.array([[1.0, 0.0], [0.0, 0.0]])
    found = loss_and_slopes(np.eye(2), 5.0, keys, keys, keys)
    assert np.isfinite(found.matrix).all() and np.isfinite(found.beta)


def test_adam_takes_the_published_steps():
    # Kingma and Ba's algorithm, written out for two steps.
    adam, rate, slopes = Adam(np.array([1.0]), 0.1), 0.1, (2.0, -1.0)
    mean = square = 0.0
    value = 1.0
    for number, slope in enumerate(slopes, start=1):
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        value -= rate * (mean / (1 - 0.9**number)) / (np.sqrt(square / (1 - 0.999**number)) + 1e-8)
        assert_allclose(adam.stepped(np.array([slope])), [value])


def learner(keys, **changes):
    settings = {"seed": stream(1), "rate": 0.01, "batch": 8, "flips": (0, 2), **changes}
    return Learner(keys, random_projection(4, keys.shape[1], seed=3).matrix, 12.0, **settings)


@pytest.fixture(scope="module")
def keys():
    return np.random.default_rng(5).random((50, 12))


def test_learning_lowers_the_loss_and_is_repeatable(keys):
    runs = [[np.mean(list(one.epoch())) for _ in range(15)] for one in (learner(keys), learner(keys))]
    assert runs[0] == runs[1] and runs[0][-1] < 0.95 * runs[0][0]


def test_every_image_is_a_target_once(keys, monkeypatch):
    seen = []
    one = learner(keys)
    monkeypatch.setattr(one, "_step", lambda chosen, order: seen.append(chosen) or 0.0)
    assert len(list(one.epoch())) == 7
    assert sorted(np.concatenate(seen).tolist()) == list(range(50))


def test_keys_of_a_step_are_those_of_the_batch_and_others(keys):
    one = learner(keys, keys_per_step=20)
    order = np.arange(50)
    compared = one._compared(order[:8], order)
    assert (compared[:8] == keys[:8]).all() and len(np.unique(compared, axis=0)) == 20
    assert np.isfinite(list(one.epoch())).all()
    with pytest.raises(ValueError, match="at least the batch"):
        learner(keys, keys_per_step=5)


def test_all_keys_or_as_many_are_the_same(keys):
    losses = [list(learner(keys, keys_per_step=number).epoch()) for number in (None, 50, 1000)]
    assert losses[0] == losses[1] == losses[2]


def test_the_temperature_is_learnt_only_if_it_is_to_be(keys):
    fixed, learnt = learner(keys), learner(keys, learn_beta=True)
    for one in (fixed, learnt):
        list(one.epoch())
    assert fixed.beta == 12.0 and abs(learnt.beta - 12.0) > 0.01


def test_one_image_can_be_learnt():
    one = learner(np.ones((1, 12)))
    assert len(list(one.epoch())) == 1


# Spaces.


def test_whitened_latents_are_uncorrelated():
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((400, 10)) @ np.diag(np.arange(10.0, 0, -1)) @ rng.standard_normal((10, 10))
    found = whitened_projection(vectors, 4)
    latents = (vectors - found.offset) @ found.matrix.T
    assert_allclose(np.cov(latents, rowvar=False, bias=True), np.eye(4), atol=1e-6)
    values, axes = np.linalg.eigh(np.cov(vectors, rowvar=False, bias=True))
    assert_allclose(np.abs(found.matrix @ axes[:, ::-1][:, :4] * np.sqrt(values[::-1][:4])), np.eye(4), atol=1e-6)


@pytest.mark.parametrize("vectors", [np.ones((1, 5)), np.ones((4, 5)), np.eye(3)])
def test_few_images_have_few_components(vectors):
    found = whitened_projection(vectors, 64)
    assert len(found.matrix) <= len(vectors) and np.isfinite(found(vectors)).all()


def test_centred_latents_are_unit_vectors_less_the_mean():
    vectors = np.random.default_rng(3).random((6, 4))
    expected = vectors - vectors.mean(axis=0)
    assert_allclose(centred_projection(vectors)(vectors), expected / np.linalg.norm(expected, axis=1, keepdims=True))


# Weights.


def test_counts_of_finite_neurons_have_the_mean_of_infinitely_many():
    latent, d, neurons = 16, 3, 2000.0
    cosines = 1 - 2 * np.arange(latent + 1) / latent
    for make in (cap_weights, ball_weights):
        exact = make(latent, d)
        for counting in ("poisson", "rounded"):
            finite = finite_weights(exact, latent, neurons, 4000, counting, stream(2))
            weights = np.exp(finite(np.repeat(cosines[:, np.newaxis], 4000, axis=1)))
            counts = neurons * weights
            assert_allclose(counts, np.rint(counts), atol=1e-6)
            mean = neurons * np.exp(exact(cosines[np.newaxis]))[0]
            deviation = np.sqrt(mean if counting == "poisson" else np.full_like(mean, 0.25))
            assert (np.abs(counts.mean(axis=1) - mean) <= 5 * deviation / np.sqrt(4000) + 1e-12).all()


def test_draws_of_finite_neurons_are_frozen():
    finite = finite_weights(cap_weights(16, 3), 16, 100.0, 5, "poisson", stream(3))
    cosines = np.linspace(0.5, 1, 15).reshape(3, 5)
    assert (finite(cosines) == finite(cosines)).all()


# Recall.


def test_a_recall_is_as_the_equation_reads():
    rng = np.random.default_rng(4)
    stored, queries, projection = rng.random((9, 6)), rng.random((3, 6)), random_projection(4, 6, seed=1)
    states = queries
    for _ in range(3):
        latents, asked = projection(stored), projection(states)
        weights = np.exp(25.0 * asked @ latents.T)
        states = weights @ stored / weights.sum(axis=1, keepdims=True)
    found = recall(projection, attention_weights(25.0), stored, queries, updates=3, tolerance=0)
    assert_allclose(found.states, states)
    assert (found.updates == 3).all() and not found.empty.any()


def test_queries_are_recalled_alike_alone_and_together(monkeypatch):
    rng = np.random.default_rng(4)
    stored, queries = rng.random((30, 6)), rng.random((11, 6))
    weights = cap_weights(6, 1)
    together = recall(Projection(), weights, stored, queries)
    monkeypatch.setattr("mfattn.sdm.projections.ENTRIES", 60)
    blocks = recall(Projection(), weights, stored, queries)
    for name in ("states", "updates", "empty"):
        assert (getattr(together, name) == getattr(blocks, name)).all()
        alone = [getattr(recall(Projection(), weights, stored, query[np.newaxis]), name)[0] for query in queries]
        assert (getattr(together, name) == np.array(alone)).all()


def test_a_query_that_shares_nothing_stays_what_it_was():
    stored = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    queries = np.array([[0.0, 0.0, 1.0], [1.0, 0.1, 0.0]])
    found = recall(Projection(), cap_weights(3, 0.1), stored, queries)
    assert found.empty.tolist() == [True, False] and found.updates.tolist() == [0, 1]
    assert (found.states == np.array([queries[0], stored[0]])).all()


def test_a_large_temperature_recalls_the_nearest():
    rng = np.random.default_rng(6)
    stored = rng.standard_normal((40, 20))
    queries = stored + 0.3 * rng.standard_normal(stored.shape)
    found = recall(random_projection(15, 20, seed=2), attention_weights(200.0), stored, queries)
    assert_allclose(found.states[3], stored[3], atol=1e-3)
