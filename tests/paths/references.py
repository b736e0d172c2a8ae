"""Reference numbers, and problems of random features."""

from pathlib import Path

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network

DATA = Path(__file__).parent.parent / "data" / "paths"


def reference(name):
    """Arrays of one file of reference numbers."""
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def relative(found, expected):
    """Largest difference, relative to the largest number expected."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


def random_features(seed, examples=8, inputs=5, paths=4):
    """Features of the size that attention gives them."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(examples, inputs, paths)) / np.sqrt(inputs * paths)


def random_action(seed, network, *, examples=8, inputs=5, temperature=0.1):
    """An action of random features, whose labels a linear function of the first path mostly gives."""
    features = random_features(seed, examples, inputs, network.paths)
    rng = np.random.default_rng(seed + 1000)
    noise = 0.3 * rng.normal(size=(examples, network.outputs)) / np.sqrt(inputs)
    labels = np.sign(features[:, :, 0] @ rng.normal(size=(inputs, network.outputs)) + noise)
    if network.outputs == 1:
        labels = labels[:, 0]
    return Action(network, PathKernels(features), labels, temperature)


def random_order(seed, size):
    """A positive definite matrix."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(size, size + 2))
    return half @ half.T / (size + 2)


def small_chain(width, temperature=0.01):
    """The small hidden-Markov task at one width."""
    data = reference("hmc_small")
    network = Network(data["heads"], (width,) * 3)
    return Action(network, PathKernels(data["Z_last_token"]), data["y"], temperature)


def unequal(name):
    """The action of a reference file that stores heads, widths and variances."""
    data = reference(name)
    network = Network(data["heads"], data["widths"], data["var"])
    return Action(network, PathKernels(data["Z"]), data["y"], float(data["T"])), data


def query_key():
    """The action of query-key heads, two and three of them."""
    data = reference("qk_heads")
    network = Network(data["heads"], (12, 12, 12), (1.4, 1, 1, 1))
    return Action(network, PathKernels(data["Z_average_pooling"]), data["y"], float(data["T"])), data


def two_minima(instance):
    """A narrow network of two minima: 's2' or 's25'."""
    data = reference("multi_minima")
    network = Network((2, 2), (3, 3, 3))
    return Action(network, PathKernels(data[f"{instance}_Z"]), data[f"{instance}_y"], 0.01)
