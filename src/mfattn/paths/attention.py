r"""Fixed attention heads, the paths through a network of them, and the features that the paths make of the inputs.

The attention of head h in layer l is a matrix :math:`\Omega^{l,h}_{st}`, the weight of key s for query t, whose columns
sum to one. It depends on the bare input tokens :math:`x_t` in every layer, and is not learnt with the values. A path
:math:`\pi = (h_1, \dots, h_L)` passes one head of each layer, so that there are :math:`\Pi = \prod_l H_l` of them, and
makes of an input the vector

.. math:: \xi^\pi = X\, \Omega^{1,h_1} \Omega^{2,h_2} \cdots \Omega^{L,h_L} e_{t^*}, \qquad
          Z_{\mu i \pi} = \frac{\sigma_0}{\sqrt{N_0 \Pi}}\, \xi^\pi_{\mu i},

where :math:`t^*` is the token that is read out, or the mean over all of them. Paths are numbered row by row, with the
head of the first layer slowest. Columns of a matrix of tokens are tokens.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.checks import Array, Integers, checked_array, checked_choice, checked_integer, checked_number

Readout = Literal["last_token", "first_token", "average_pooling"]
Selection = Literal["softmax", "hardmax"]

ROUNDING = 1e-6
"""By how much the weights of a query may miss a sum of one; single precision misses it by 1e-7."""

CHUNK = 2**16
"""Numbers of input that are worked on at once; so many stay in the processor's cache."""

EVERY = slice(None)


class Batch(NamedTuple):
    """Some of the examples, one after the other.

    Parameters
    ----------
    rows : (p, T, N0) array
        Their tokens, which are rows here.
    first, total : int
        Number of the first of these examples, and of all that there are.
    """

    rows: Array
    first: int
    total: int


class Head(Protocol):
    """What makes attention weights of tokens."""

    def attend(self, batch: Batch, queries: slice) -> Array:
        """Weights (p, queries, T) of every token for some of them, which are the queries; each row sums to one."""
        ...


@dataclass(frozen=True, eq=False)
class BilinearHead:
    r"""Logits :math:`x_s^T W x_t`, with the key s on the left; W carries its own scale.

    Parameters
    ----------
    weights : (N0, N0) array
        W.
    selection : {'softmax', 'hardmax'}
        With 'hardmax' a query attends to the key of the largest logit alone, the first one if several are equal.

    Raises
    ------
    ValueError
        If the weights are no square matrix, or not finite.

    Examples
    --------
    >>> head = BilinearHead(np.eye(2), "hardmax")
    >>> attention(head, [[[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]])[0]
    array([[1., 0., 1.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """

    weights: Array
    selection: Selection = "softmax"

    def __post_init__(self) -> None:
        weights = checked_array("weights", self.weights, ("N0", "N0"))
        if weights.shape[0] != weights.shape[1]:
            raise ValueError(f"weights must be a square matrix, found {weights.shape}")
        checked_choice("selection", self.selection, Selection)
        object.__setattr__(self, "weights", weights)

    @classmethod
    def random(cls, inputs: int, rng: np.random.Generator, selection: Selection = "softmax") -> "BilinearHead":
        """A head whose weights are normal, of standard deviation 1/N0."""
        inputs = checked_integer("inputs", inputs, 1)
        return cls(rng.standard_normal((inputs, inputs)) / inputs, selection)

    def attend(self, batch: Batch, queries: slice) -> Array:
        """Weights (p, queries, T)."""
        _check_width("weights", self.weights.shape[1], batch)
        return _select(_product(batch.rows[:, queries], self.weights), batch.rows, self.selection)


@dataclass(frozen=True, eq=False)
class QueryKeyHead:
    r"""Logits :math:`(K x_s) \cdot (Q x_t) / \sqrt G`.

    Parameters
    ----------
    queries, keys : (G, N0) array
        Q and K.
    selection : {'softmax', 'hardmax'}
        As for `BilinearHead`.

    Raises
    ------
    ValueError
        If the two have other shapes, or are not finite.

    Examples
    --------
    >>> head = QueryKeyHead([[2.0]], [[1.0]])
    >>> attention(head, [[[0.0, 1.0]]])[0].round(6)
    array([[0.5     , 0.119203],
           [0.5     , 0.880797]])
    """

    queries: Array
    keys: Array
    selection: Selection = "softmax"

    def __post_init__(self) -> None:
        queries = checked_array("queries", self.queries, ("G", "N0"))
        object.__setattr__(self, "queries", queries)
        object.__setattr__(self, "keys", checked_array("keys", self.keys, queries.shape))
        checked_choice("selection", self.selection, Selection)

    @classmethod
    def random(
        cls, inputs: int, key_size: int, rng: np.random.Generator, selection: Selection = "softmax"
    ) -> "QueryKeyHead":
        """A head whose weights are normal, of variance 1/N0."""
        shape = (2, checked_integer("key_size", key_size, 1), checked_integer("inputs", inputs, 1))
        queries, keys = rng.standard_normal(shape) / math.sqrt(inputs)
        return cls(queries, keys, selection)

    def attend(self, batch: Batch, queries: slice) -> Array:
        """Weights (p, queries, T)."""
        _check_width("queries", self.queries.shape[1], batch)
        asked = _product(batch.rows[:, queries], self.queries / math.sqrt(len(self.queries)))
        return _select(asked, _product(batch.rows, self.keys), self.selection)


@dataclass(frozen=True)
class IdentityHead:
    """Every token attends to itself, as a residual connection around a layer does.

    >>> attention(IdentityHead(), np.zeros((1, 5, 2)))[0]
    array([[1., 0.],
           [0., 1.]])
    """

    def attend(self, batch: Batch, queries: slice) -> Array:
        """Weights (p, queries, T)."""
        own = np.eye(batch.rows.shape[1])[queries]
        return np.broadcast_to(own, (len(batch.rows), *own.shape))


@dataclass(frozen=True, eq=False)
class GivenAttention:
    """Attention that was computed elsewhere.

    Parameters
    ----------
    weights : (P, T, T) or (T, T) array
        Weight of key s (row) for query t (column), of every example, or the same for all of them.

    Raises
    ------
    ValueError
        If a weight is negative, or the weights of a query do not sum to one.

    Examples
    --------
    >>> GivenAttention([[0.5, 0.0], [0.5, 0.9]])
    Traceback (most recent call last):
    ...
    ValueError: attention must be column-stochastic, but the weights over the keys of query 1 sum to 0.9
    """

    weights: Array

    def __post_init__(self) -> None:
        shape: tuple[int | str, ...] = ("P", "T", "T") if np.ndim(self.weights) == 3 else ("T", "T")
        weights = checked_array("attention", self.weights, shape)
        if weights.shape[-1] != weights.shape[-2]:
            raise ValueError(f"attention must be square matrices, found {weights.shape}")
        if weights.min() < 0:
            raise ValueError(f"attention must be column-stochastic, but a weight is {weights.min():g}")
        sums = weights.sum(axis=-2)
        wrong = np.argwhere(abs(sums - 1.0) > ROUNDING)
        if len(wrong):
            *example, query = wrong[0]
            place = f"query {query}" + "".join(f" of example {number}" for number in example)
            total = sums[tuple(wrong[0])]
            raise ValueError(
                f"attention must be column-stochastic, but the weights over the keys of {place} sum to {total:g}"
            )
        object.__setattr__(self, "weights", weights)

    def attend(self, batch: Batch, queries: slice) -> Array:
        """Weights (p, queries, T)."""
        tokens = batch.rows.shape[1]
        shape = (batch.total, tokens, tokens)
        if self.weights.shape not in (shape, shape[1:]):
            raise ValueError(f"attention must have shape {shape} or {shape[1:]}, found {self.weights.shape}")
        same = np.broadcast_to(self.weights, shape)[batch.first : batch.first + len(batch.rows)]
        return same.swapaxes(1, 2)[:, queries]


def attention(head: Head, tokens: ArrayLike) -> Array:
    """Attention matrices of a head: weight of every key (second axis) for every query (third).

    Parameters
    ----------
    head : Head
    tokens : (P, N0, T) array

    Returns
    -------
    (P, T, T) array
        Every column sums to one.

    Raises
    ------
    ValueError
        If the tokens do not fit the head, or a logit overflows.

    Examples
    --------
    >>> attention(BilinearHead(np.zeros((3, 3))), np.ones((1, 3, 4)))[0, :, 0]
    array([0.25, 0.25, 0.25, 0.25])
    """
    rows = checked_array("tokens", tokens, ("P", "N0", "T")).swapaxes(1, 2)
    return head.attend(Batch(rows, 0, len(rows)), EVERY).swapaxes(1, 2)


def path_features(
    tokens: ArrayLike, layers: Sequence[Sequence[Head]], readout: Readout = "last_token", sigma0: float = 1.0
) -> Array:
    r"""Features :math:`Z_{\mu i \pi}` that the paths through a network make of the tokens.

    Products are taken from the read-out backwards, so that of the last layer no more than the columns that are read
    are computed, and the products of layers are with a few vectors, never with matrices.

    Parameters
    ----------
    tokens : (P, N0, T) array
        Columns are tokens.
    layers : sequence of sequences of heads
        The heads of the layers, first layer first.
    readout : {'last_token', 'first_token', 'average_pooling'}
        Of the last layer: its last token, its first, or the mean over its tokens.
    sigma0 : float
        Standard deviation of the weights of the input projection, above 0.

    Returns
    -------
    (P, N0, paths) array

    Raises
    ------
    ValueError
        If there is a layer without heads, or no layer, or the tokens do not fit the heads.

    Examples
    --------
    Two layers of one head that looks at itself, or at all tokens: four paths, of which two are equal.

    >>> average = BilinearHead(np.zeros((1, 1)))
    >>> path_features([[[0.0, 0.0, 3.0]]], [[IdentityHead(), average]] * 2)[0] * 2
    array([[3., 1., 1., 1.]])
    """
    inputs = checked_array("tokens", tokens, ("P", "N0", "T"))
    checked_choice("readout", readout, Readout)
    scale = checked_number("sigma0", sigma0, above=0.0)
    paths = math.prod(path_sizes(layers))
    examples, width, length = inputs.shape
    scale /= math.sqrt(width * paths)
    features = np.empty((examples, width, paths))
    step = max(1, CHUNK // (width * length))
    for start in range(0, examples, step):
        chunk = inputs[start : start + step]
        batch = Batch(np.ascontiguousarray(chunk.swapaxes(1, 2)), start, examples)
        np.matmul(chunk, scale * _path_weights(batch, layers, readout), out=features[start : start + step])
    return features


def path_sizes(layers: Sequence[Sequence[Head]]) -> tuple[int, ...]:
    """Numbers of heads of the layers.

    >>> path_sizes([[IdentityHead()] * 2, [IdentityHead()]])
    (2, 1)
    """
    if not layers or not all(len(heads) for heads in layers):
        raise ValueError(f"there must be layers, and heads in each, found {[len(heads) for heads in layers]}")
    return tuple(len(heads) for heads in layers)


def path_heads(heads: Sequence[int]) -> Integers:
    """The head of every layer (column) that each path (row) passes.

    Parameters
    ----------
    heads : sequence of int
        Numbers of heads of the layers.

    Examples
    --------
    >>> path_heads([2, 2]).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    sizes = [checked_integer("heads", number, 1) for number in heads]
    return np.indices(sizes).reshape(len(sizes), -1).T.astype(np.int64)


def paths_through(heads: Sequence[int], kept: Sequence[Sequence[int]]) -> Integers:
    """Indices of the paths that pass no other heads than those KEPT in each layer.

    >>> paths_through([2, 2], [[0, 1], [0]]).tolist()
    [0, 2]
    """
    table = path_heads(heads)
    if len(kept) != len(heads):
        raise ValueError(f"kept must have {len(heads)} layers, found {len(kept)}")
    for number, layer in zip(heads, kept, strict=True):
        for head in layer:
            checked_integer("kept", head, 0, number - 1)
        if not layer or len(set(layer)) < len(layer):
            raise ValueError(f"kept must have different heads in each layer, and at least one, found {list(layer)}")
    inside = [np.isin(table[:, layer], list(chosen)) for layer, chosen in enumerate(kept)]
    return np.flatnonzero(np.all(inside, axis=0))


def sub_network_features(features: Array, heads: Sequence[int], kept: Sequence[Sequence[int]]) -> Array:
    r"""Features of the network that has some of the heads alone, which has fewer paths :math:`\Pi` to share among.

    Parameters
    ----------
    features : (P, N0, paths) array
        As `path_features` gives them for all heads.
    heads : sequence of int
        Numbers of heads of the layers.
    kept : sequence of sequences of int
        The heads of each layer that remain.

    Returns
    -------
    (P, N0, fewer paths) array

    Examples
    --------
    >>> sub_network_features(np.array([[[1.0, 2.0, 3.0, 4.0]]]), [2, 2], [[1], [0]])
    array([[[6.]]])
    """
    chosen = paths_through(heads, kept)
    if features.shape[-1] != math.prod(heads):
        raise ValueError(f"features must be of {math.prod(heads)} paths, found {features.shape[-1]}")
    return features[..., chosen] * math.sqrt(features.shape[-1] / len(chosen))


def _path_weights(batch: Batch, layers: Sequence[Sequence[Head]], readout: Readout) -> Array:
    """Weight (p, T, paths) that each token has in what each path reads out."""
    length = batch.rows.shape[1]
    queries = {"last_token": slice(length - 1, length), "first_token": slice(0, 1), "average_pooling": EVERY}[readout]
    read = [head.attend(batch, queries).mean(axis=1) for head in layers[-1]]
    weights = np.stack(read, axis=-1)
    for heads in reversed(layers[:-1]):
        before = [head.attend(batch, EVERY).swapaxes(1, 2) @ weights for head in heads]
        weights = np.concatenate(before, axis=-1)
    return weights


def _check_width(name: str, width: int, batch: Batch) -> None:
    if batch.rows.shape[2] != width:
        raise ValueError(f"{name} must have {batch.rows.shape[2]} columns, as tokens have numbers, found {width}")


def _product(rows: Array, matrix: Array) -> Array:
    """The matrix times every row: one product of matrices, which is faster than one for each example."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (rows.reshape(-1, rows.shape[-1]) @ matrix.T).reshape(*rows.shape[:-1], len(matrix))


def _select(asked: Array, offered: Array, selection: Selection) -> Array:
    """Weights (p, queries, T) of the logits that are scalar products of what is asked for and what is offered."""
    with np.errstate(over="ignore", invalid="ignore"):
        logits = asked @ offered.swapaxes(1, 2)
    if not np.isfinite(logits).all():
        raise ValueError("logits of the attention must be finite; the tokens or the weights are too large")
    if selection == "hardmax":
        return np.asarray(logits.argmax(axis=2)[..., np.newaxis] == np.arange(logits.shape[2]), dtype=np.float64)
    logits -= logits.max(axis=2, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=2, keepdims=True)
    return logits
