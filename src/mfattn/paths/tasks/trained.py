r"""Networks that gradient descent has trained, seen through their attention paths.

The network has the architecture of the theory, without its factors of widths,

.. math:: z^0_t = V_0 x_t, \qquad z^l_t = H_l^{-1/2} \sum_{h s} V_l^h z^{l-1}_s \Omega^{l,h}_{st}, \qquad
          f = a \cdot z^L_{t^*},

so that its output is linear in what the paths make of the input, with an effective vector for every path,

.. math:: w_\pi = (a^T V_L^{h_L} \cdots V_1^{h_1})^T, \qquad f = \Pi^{-1/2} \sum_\pi w_\pi^T V_0\, \xi^\pi.

Without some of its heads, and with :math:`H_l` the number of those left, it is a network of fewer paths.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), figure 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfattn.paths.attention import QueryKeyHead, Readout, path_features, paths_through
from mfattn.paths.checks import Array, checked_array, checked_choice, checked_integer, checked_number
from mfattn.paths.predict import accuracy


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    r"""Weights of a trained network.

    Parameters
    ----------
    queries, keys : sequence of (H_l, G, N0) arrays
        Of every layer.
    values : sequence of (H_l, N_l, N_{l+1}) arrays
        Transposed :math:`V_l^h`: rows are inputs, columns are outputs.
    projection : (N_1, N0) array
        :math:`V_0`.
    read_out : (N_a,) array
        a.
    readout : {'last_token', 'first_token', 'average_pooling'}

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> heads = [rng.standard_normal((2, 3, 5)) for _ in range(2)]
    >>> network = TrainedNetwork(heads, heads, [np.ones((2, 4, 4))] * 2, np.ones((4, 5)), np.ones(4))
    >>> network.heads, network.path_vectors.shape, float(network.overlap[0, 0])
    ((2, 2), (4, 4), 1024.0)
    """

    queries: Sequence[Array]
    keys: Sequence[Array]
    values: Sequence[Array]
    projection: Array
    read_out: Array
    readout: Readout = "average_pooling"

    def __post_init__(self) -> None:
        checked_choice("readout", self.readout, Readout)
        projection = checked_array("projection", self.projection, ("N_1", "N0"))
        if not len(self.queries) == len(self.keys) == len(self.values) > 0:
            layers = len(self.queries), len(self.keys), len(self.values)
            raise ValueError(f"queries, keys and values must be of as many layers, at least one, found {layers}")
        width, inputs = projection.shape
        queries, keys, values = [], [], []
        for number, value in enumerate(self.values, start=1):
            values.append(checked_array(f"values of layer {number}", value, ("H", width, "N")))
            heads, _, width = values[-1].shape
            queries.append(checked_array(f"queries of layer {number}", self.queries[number - 1], (heads, "G", inputs)))
            keys.append(checked_array(f"keys of layer {number}", self.keys[number - 1], queries[-1].shape))
        read_out = checked_array("read_out", self.read_out, (width,))
        found = {"queries": queries, "keys": keys, "values": values, "projection": projection, "read_out": read_out}
        for name, arrays in found.items():
            object.__setattr__(self, name, tuple(arrays) if isinstance(arrays, list) else arrays)

    @property
    def heads(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return tuple(len(values) for values in self.values)

    @property
    def layers(self) -> tuple[tuple[QueryKeyHead, ...], ...]:
        """Its heads, of which the theory learns the values anew."""
        pairs = zip(self.queries, self.keys, strict=True)
        return tuple(tuple(map(QueryKeyHead, queries, keys)) for queries, keys in pairs)

    @property
    def magnitudes(self) -> tuple[Array, ...]:
        """Sizes of the heads of every layer: Frobenius norms of their values."""
        return tuple(np.sqrt((values**2).sum(axis=(1, 2))) for values in self.values)

    @cached_property
    def path_vectors(self) -> Array:
        """Vectors w (paths, N_1) of the paths."""
        vectors = self.read_out[np.newaxis]
        for values in reversed(self.values):
            vectors = (vectors @ values.swapaxes(1, 2)).reshape(-1, values.shape[1])
        return vectors

    @property
    def overlap(self) -> Array:
        r"""Overlaps :math:`w_\pi \cdot w_{\pi'}`, (paths, paths): the order parameter but for its scale."""
        return self.path_vectors @ self.path_vectors.T

    def features(self, tokens: Array) -> Array:
        """Features (P, N0, paths) of tokens (P, N0, T), which the theory takes as well."""
        return path_features(tokens, self.layers, self.readout)

    def outputs(self, features: Array, kept: Sequence[Sequence[int]] | None = None) -> Array:
        """Outputs f of inputs that are given by their features.

        Parameters
        ----------
        features : (P, N0, paths) array
            As `features` gives them.
        kept : sequence of sequences of int, optional
            Heads of each layer that are not dropped; the sum over those left is divided by the root of their number.

        Returns
        -------
        (P,) array
        """
        every = [range(number) for number in self.heads]
        paths = paths_through(self.heads, every if kept is None else kept)
        vectors = self.path_vectors[paths] @ self.projection
        inputs, total = features.shape[1:]
        outputs = np.einsum("aip,pi->a", features[..., paths], vectors, optimize=True)
        return np.asarray(math.sqrt(inputs * total / len(paths)) * outputs)

    def accuracy(self, features: Array, labels: Array, kept: Sequence[Sequence[int]] | None = None) -> float:
        """Fraction of labels ±1 that are the signs of the outputs; an output of exactly 0 counts half."""
        return accuracy(self.outputs(features, kept), labels)


@dataclass(frozen=True, eq=False)
class RandomHeads:
    """Queries and keys alone, of layers that no training has seen.

    Parameters
    ----------
    layers : sequence of sequences of QueryKeyHead
    readout : {'last_token', 'first_token', 'average_pooling'}
    """

    layers: tuple[tuple[QueryKeyHead, ...], ...]
    readout: Readout = "average_pooling"

    @classmethod
    def drawn(cls, heads: Sequence[int], inputs: int, key_size: int, gain: float = 1.0, seed: int = 0) -> "RandomHeads":
        """Normal weights of variance gain²/N0.

        >>> RandomHeads.drawn((2, 1), inputs=6, key_size=3).features(np.ones((5, 6, 4))).shape
        (5, 6, 2)
        """
        gain = checked_number("gain", gain, above=0.0)
        rng = np.random.default_rng(checked_integer("seed", seed, 0))
        layers = []
        for number in heads:
            drawn = [QueryKeyHead.random(inputs, key_size, rng) for _ in range(checked_integer("heads", number, 1))]
            layers.append(tuple(QueryKeyHead(gain * head.queries, gain * head.keys) for head in drawn))
        return cls(tuple(layers))

    def features(self, tokens: Array) -> Array:
        """Features (P, N0, paths) of tokens (P, N0, T)."""
        return path_features(tokens, self.layers, self.readout)


def without_heads(heads: Sequence[int], dropped: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """The heads of each layer that are left when some, named by layer and head from 0 on, are dropped.

    >>> without_heads([2, 3], [(1, 0), (1, 2)])
    ((0, 1), (1,))

    ValueError if a layer is left without a head, or there is no such head.
    """
    for layer, head in dropped:
        if not 0 <= layer < len(heads) or not 0 <= head < heads[layer]:
            raise ValueError(f"no head {head} in layer {layer}; there are {tuple(heads)} of them")
    kept = tuple(
        tuple(head for head in range(number) if (layer, head) not in set(dropped)) for layer, number in enumerate(heads)
    )
    if not all(kept):
        raise ValueError(f"a layer must keep a head, and layer {kept.index(())} has none")
    return kept
