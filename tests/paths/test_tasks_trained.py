"""Trained networks: their paths against a forward pass token by token, and what is left of them without some heads."""

import numpy as np
import pytest

from mfattn.paths.tasks.trained import TrainedNetwork, without_heads

READOUTS = ("last_token", "first_token", "average_pooling")


def random_network(seed=0, heads=(2, 3), readout="average_pooling", inputs=5, widths=(4, 6, 3)):
    rng = np.random.default_rng(seed)
    return TrainedNetwork(
        [rng.standard_normal((number, 2, inputs)) for number in heads],
        [rng.standard_normal((number, 2, inputs)) for number in heads],
        [rng.standard_normal((number, *widths[layer : layer + 2])) for layer, number in enumerate(heads)],
        rng.standard_normal((widths[0], inputs)),
        rng.standard_normal(widths[len(heads)]),
        readout,
    )


def forward(network, tokens, dropped=()):
    """The outputs, layer by layer and token by token."""
    outputs = []
    for example in tokens:
        vectors = network.projection @ example
        for layer, heads in enumerate(network.heads):
            total = np.zeros((network.values[layer].shape[2], example.shape[1]))
            left = [head for head in range(heads) if (layer, head) not in dropped]
            for head in left:
                asked, offered = network.queries[layer][head] @ example, network.keys[layer][head] @ example
                weights = np.exp(offered.T @ asked / np.sqrt(len(asked)))
                total += network.values[layer][head].T @ vectors @ (weights / weights.sum(axis=0))
            vectors = total / np.sqrt(len(left))
        read = {"last_token": vectors[:, -1], "first_token": vectors[:, 0], "average_pooling": vectors.mean(axis=1)}
        outputs.append(network.read_out @ read[network.readout])
    return np.array(outputs)


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("heads", [(3,), (2, 3), (2, 1, 2)])
def test_outputs_are_those_of_a_forward_pass(readout, heads):
    network = random_network(1, heads, readout, widths=(4, 6, 3, 5))
    tokens = np.random.default_rng(2).standard_normal((6, 5, 7))
    features = network.features(tokens)
    assert features.shape == (6, 5, np.prod(heads))
    assert np.allclose(network.outputs(features), forward(network, tokens), rtol=1e-12)


@pytest.mark.parametrize("dropped", [[(0, 1)], [(1, 0)], [(1, 2), (0, 0)], [(1, 0), (1, 1)]])
def test_outputs_without_some_heads(dropped):
    network = random_network()
    tokens = np.random.default_rng(2).standard_normal((6, 5, 7))
    outputs = network.outputs(network.features(tokens), without_heads(network.heads, dropped))
    assert np.allclose(outputs, forward(network, tokens, dropped), rtol=1e-12)


def test_vectors_of_paths_and_their_overlap():
    network = random_network()
    first, second = network.values
    for path in np.ndindex(2, 3):
        expected = first[path[0]] @ second[path[1]] @ network.read_out
        assert np.allclose(network.path_vectors[np.ravel_multi_index(path, (2, 3))], expected)
    assert np.allclose(network.overlap, network.path_vectors @ network.path_vectors.T)


def test_accuracy():
    network = random_network()
    features = network.features(np.random.default_rng(2).standard_normal((6, 5, 7)))
    labels = np.sign(network.outputs(features))
    assert network.accuracy(features, labels) == 1 and network.accuracy(features, -labels) == 0
    labels[:3] *= -1
    assert network.accuracy(features, labels) == 0.5
    assert network.accuracy(np.zeros_like(features), labels) == 0.5


def test_heads_that_are_left():
    assert without_heads([2, 3], []) == ((0, 1), (0, 1, 2))
    assert without_heads([2, 3], [(0, 1), (0, 1), (1, 1)]) == ((0,), (0, 2))
    with pytest.raises(ValueError, match="a layer must keep a head, and layer 1 has none"):
        without_heads([2, 1], [(1, 0)])
    for dropped in ((2, 0), (0, 2), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="no head"):
            without_heads([2, 1], [dropped])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": [np.zeros((2, 2, 5))]}, "queries, keys and values must be of as many layers"),
        ({"queries": [], "keys": [], "values": []}, "at least one, found"),
        ({"projection": np.zeros((3, 5))}, r"values of layer 1 must have shape \(H, 3, N\), found \(2, 4, 6\)"),
        ({"read_out": np.zeros(4)}, r"read_out must have shape \(3,\), found \(4,\)"),
        ({"queries": [np.zeros((2, 2, 5)), np.zeros((2, 2, 5))]}, r"queries of layer 2 must have shape \(3, G, 5\)"),
        ({"keys": [np.zeros((2, 2, 5)), np.zeros((3, 3, 5))]}, r"keys of layer 2 must have shape \(3, 2, 5\)"),
        ({"readout": "mean"}, "readout must be one of"),
    ],
)
def test_weights_must_fit_together(change, message):
    network = random_network()
    names = ("queries", "keys", "values", "projection", "read_out", "readout")
    with pytest.raises(ValueError, match=message):
        TrainedNetwork(**{**{name: getattr(network, name) for name in names}, **change})
