"""Heads, paths and features: against reference numbers, and against the definition, matrix by matrix."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.paths import attention as rooms
from mfattn.paths.attention import (
    BilinearHead,
    GivenAttention,
    IdentityHead,
    QueryKeyHead,
    attention,
    path_features,
    path_heads,
    path_sizes,
    paths_through,
    sub_network_features,
)

READOUTS = ("last_token", "first_token", "average_pooling")


@pytest.fixture(scope="module")
def small(root):
    return np.load(root / "tests/data/paths/hmc_small.npz")


@pytest.fixture(scope="module")
def small_layers(small):
    return [[BilinearHead(weights) for weights in small[name]] for name in ("W1", "W2")]


@pytest.mark.parametrize("readout", READOUTS)
def test_features_of_a_small_hidden_markov_task(small, small_layers, readout):
    assert abs(path_features(small["X"], small_layers, readout) - small[f"Z_{readout}"]).max() < 1e-12


def test_features_of_its_test_and_its_path_path_kernel(small, small_layers):
    assert abs(path_features(small["X_test"], small_layers) - small["Z_test_last_token"]).max() < 1e-12
    features = path_features(small["X"], small_layers)
    kernel = 4 * np.einsum("aip,biq->pqab", features, features)
    assert abs(kernel - small["C_pathpath"]).max() < 1e-12


def test_attention_of_its_first_layer(small, small_layers):
    for head, expected in zip(small_layers[0], small["attention1_example0"], strict=True):
        assert abs(attention(head, small["X"][:1])[0] - expected).max() < 1e-12


@pytest.mark.parametrize("readout", READOUTS)
def test_features_of_queries_and_keys(root, readout):
    data = np.load(root / "tests/data/paths/qk_heads.npz")
    layers = [list(map(QueryKeyHead, data[f"Q{layer}"], data[f"K{layer}"])) for layer in (1, 2)]
    features = path_features(data["X"], layers, readout, math.sqrt(1.4))
    assert abs(features - data[f"Z_{readout}"]).max() < 1e-12


def random_layers(rng, sizes, inputs):
    """Heads of all kinds."""
    kinds = [
        lambda: BilinearHead(rng.standard_normal((inputs, inputs))),
        lambda: BilinearHead.random(inputs, rng, "hardmax"),
        lambda: QueryKeyHead.random(inputs, 3, rng),
        lambda: IdentityHead(),
    ]
    return [[kinds[rng.integers(len(kinds))]() for _ in range(number)] for number in sizes]


def features_by_definition(tokens, layers, readout, sigma0):
    """Whole products of whole attention matrices, path by path and example by example."""
    columns = []
    for path in itertools.product(*layers):
        of_examples = []
        for example in tokens:
            product = example
            for head in path:
                product = product @ attention(head, example[np.newaxis])[0]
            read = {"last_token": product[:, -1], "first_token": product[:, 0], "average_pooling": product.mean(axis=1)}
            of_examples.append(read[readout])
        columns.append(of_examples)
    return sigma0 / math.sqrt(tokens.shape[1] * len(columns)) * np.moveaxis(columns, 0, -1)


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.sampled_from(READOUTS),
    st.integers(0, 10**6),
    st.integers(1, 6),
)
def test_features_are_what_the_definition_says(sizes, readout, seed, length):
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((3, 4, length))
    layers = random_layers(rng, sizes, 4)
    assert path_sizes(layers) == tuple(sizes)
    expected = features_by_definition(tokens, layers, readout, 0.7)
    assert abs(path_features(tokens, layers, readout, 0.7) - expected).max() < 1e-13


@given(st.integers(0, 10**6))
def test_heads_in_another_order_are_paths_in_another_order(seed):
    rng = np.random.default_rng(seed)
    tokens, layers = rng.standard_normal((2, 4, 3)), random_layers(rng, (2, 3), 4)
    orders = [rng.permutation(2), rng.permutation(3)]
    permuted = [[heads[number] for number in order] for heads, order in zip(layers, orders, strict=True)]
    paths = np.arange(6).reshape(2, 3)[np.ix_(*orders)].ravel()
    assert (path_features(tokens, permuted) == path_features(tokens, layers)[..., paths]).all()


def test_examples_do_not_depend_on_how_many_are_worked_on_at_once(monkeypatch, small, small_layers):
    whole = path_features(small["X"], small_layers)
    monkeypatch.setattr(rooms, "CHUNK", 1)
    assert abs(path_features(small["X"], small_layers) - whole).max() < 1e-14


def test_attention_given_from_outside_is_that_of_the_heads(small, small_layers, monkeypatch):
    given_layers = [[GivenAttention(attention(head, small["X"])) for head in heads] for heads in small_layers]
    monkeypatch.setattr(rooms, "CHUNK", 1000)
    for readout in READOUTS:
        assert abs(path_features(small["X"], given_layers, readout) - small[f"Z_{readout}"]).max() < 1e-12


def test_one_attention_for_all_examples():
    tokens = np.random.default_rng(1).standard_normal((5, 2, 3))
    shift = np.eye(3)[:, [0, 0, 1]]
    features = path_features(tokens, [[GivenAttention(shift)], [GivenAttention(shift)]])
    assert np.allclose(features[..., 0] * math.sqrt(2), tokens[:, :, 0])


def test_an_identity_head_skips_a_layer():
    rng = np.random.default_rng(2)
    tokens, head = rng.standard_normal((4, 5, 6)), BilinearHead.random(5, rng)
    for layers in ([[IdentityHead()], [head]], [[head], [IdentityHead()]]):
        assert abs(path_features(tokens, layers) - path_features(tokens, [[head]])).max() < 1e-14


def test_hardmax_is_the_limit_of_softmax():
    rng = np.random.default_rng(3)
    tokens, weights = rng.standard_normal((4, 5, 6)), rng.standard_normal((5, 5))
    assert (
        abs(attention(BilinearHead(1e4 * weights), tokens) - attention(BilinearHead(weights, "hardmax"), tokens)).max()
        < 1e-9
    )
    factors = weights[:2], weights[2:4]
    hard, soft = QueryKeyHead(*factors, "hardmax"), QueryKeyHead(1e4 * factors[0], factors[1])
    assert abs(attention(soft, tokens) - attention(hard, tokens)).max() < 1e-9


def test_a_tie_goes_to_the_first_key():
    weights = attention(BilinearHead(np.zeros((2, 2)), "hardmax"), np.ones((1, 2, 4)))[0]
    assert (weights[0] == 1).all() and (weights[1:] == 0).all()


def test_large_logits_are_no_trouble_and_infinite_ones_are_an_error():
    tokens = np.array([[[1.0, 2.0]]])
    assert attention(BilinearHead(np.array([[1e4]])), tokens)[0].tolist() == [[0.0, 0.0], [1.0, 1.0]]
    with pytest.raises(ValueError, match="logits of the attention must be finite"):
        attention(BilinearHead(np.array([[1e308]])), 1e10 * tokens)
    with pytest.raises(ValueError, match="logits of the attention must be finite"):
        path_features(1e200 * tokens, [[QueryKeyHead([[1.0]], [[1.0]])]])


def test_sub_networks_are_those_of_the_remaining_heads(small, small_layers):
    features = path_features(small["X"], small_layers)
    for kept in ([[0], [0]], [[0, 1], [0]], [[1], [0, 1]], [[0, 1], [0, 1]]):
        remaining = [[heads[number] for number in chosen] for heads, chosen in zip(small_layers, kept, strict=True)]
        expected = path_features(small["X"], remaining)
        assert abs(sub_network_features(features, (2, 2), kept) - expected).max() < 1e-14


def test_paths_are_numbered_with_the_first_layer_slowest():
    table = path_heads([2, 3, 4])
    assert [tuple(row) for row in table.tolist()] == list(itertools.product(range(2), range(3), range(4)))
    assert paths_through([2, 3, 4], [[1], [0, 2], [3]]).tolist() == [15, 23]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BilinearHead(np.zeros((2, 3))), r"weights must be a square matrix, found \(2, 3\)"),
        (lambda: BilinearHead(np.full((2, 2), np.nan)), "weights must be finite"),
        (lambda: BilinearHead(np.eye(2), "argmax"), "selection must be one of softmax, hardmax, found 'argmax'"),
        (lambda: QueryKeyHead(np.eye(2), np.ones((3, 2))), r"keys must have shape \(2, 2\), found \(3, 2\)"),
        (lambda: attention(BilinearHead(np.eye(2)), np.ones((1, 3, 4))), "weights must have 3 columns.* found 2"),
        (lambda: attention(QueryKeyHead(np.eye(2), np.eye(2)), np.ones((1, 3, 4))), "queries must have 3 columns"),
        (lambda: attention(IdentityHead(), np.ones((3, 4))), r"tokens must have shape \(P, N0, T\), found \(3, 4\)"),
        (lambda: path_features(np.ones((1, 2, 3)), []), "there must be layers"),
        (lambda: path_features(np.ones((1, 2, 3)), [[IdentityHead()], []]), r"heads in each, found \[1, 0\]"),
        (lambda: path_features(np.ones((1, 2, 3)), [[IdentityHead()]], "mean"), "readout must be one of last_token"),
        (lambda: path_features(np.ones((1, 2, 3)), [[IdentityHead()]], sigma0=0), "sigma0 must be above 0, found 0"),
        (lambda: path_features(np.full((1, 2, 3), np.inf), [[IdentityHead()]]), "tokens must be finite"),
        (lambda: path_features(np.ones((0, 2, 3)), [[IdentityHead()]]), "tokens must have shape"),
        (lambda: GivenAttention(np.ones((2, 3)) / 2), r"attention must be square matrices, found \(2, 3\)"),
        (lambda: GivenAttention([[1.5, 0.5], [-0.5, 0.5]]), "column-stochastic, but a weight is -0.5"),
        (
            lambda: GivenAttention(np.array([np.eye(2), [[0.5, 0.5], [0.5, 0.2]]])),
            "column-stochastic, but the weights over the keys of query 1 of example 1 sum to 0.7$",
        ),
        (
            lambda: path_features(np.ones((2, 2, 3)), [[GivenAttention(np.array([np.eye(3)] * 3))]]),
            r"attention must have shape \(2, 3, 3\) or \(3, 3\), found \(3, 3, 3\)",
        ),
        (lambda: attention(GivenAttention(np.eye(2)), np.ones((2, 2, 3))), r"or \(3, 3\), found \(2, 2\)"),
        (lambda: path_heads([2, 0]), "heads must be at least 1, found 0"),
        (lambda: paths_through([2, 2], [[0]]), "kept must have 2 layers, found 1"),
        (lambda: paths_through([2, 2], [[0], []]), "kept must have different heads in each layer, and at least one"),
        (lambda: paths_through([2, 2], [[0, 0], [1]]), "kept must have different heads"),
        (lambda: paths_through([2, 2], [[0], [2]]), "kept must be 0 to 1, found 2"),
        (lambda: sub_network_features(np.ones((1, 1, 3)), [2, 2], [[0], [0]]), "features must be of 4 paths, found 3"),
    ],
)
def test_what_cannot_be_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_rows_that_sum_to_one_are_not_columns():
    softmax_over_queries = np.array([[0.9, 0.1], [0.4, 0.6]])
    with pytest.raises(ValueError, match=r"weights over the keys of query 0 sum to 1\.3$"):
        GivenAttention(softmax_over_queries)
    assert GivenAttention(softmax_over_queries.T.astype(np.float32)).weights.dtype == np.float64
