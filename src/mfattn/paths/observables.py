r"""What an order parameter says about paths and heads.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926): order parameter, kernel alignment, head scores.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.paths.attention import sub_network_features
from mfattn.paths.checks import Array, checked_array, checked_choice, checked_integer
from mfattn.paths.network import Network
from mfattn.paths.symmetric import checked_symmetric

Score = Literal["sum", "scaled"]


@dataclass(frozen=True, eq=False)
class Alignment:
    r"""Principal components of a kernel, the largest first.

    Parameters
    ----------
    eigenvalues : (P,) array
    overlaps : (P,) array
        :math:`|v_k \cdot Y| / |Y|` with the labels; arbitrary where eigenvalues are equal, or zero.
    """

    eigenvalues: Array
    overlaps: Array


def kernel_alignment(kernel: ArrayLike, labels: ArrayLike) -> Alignment:
    """Overlaps of the principal components of a kernel with labels.

    >>> kernel_alignment([[2.0, 0.0], [0.0, 3.0]], [3.0, 4.0]).overlaps.tolist()
    [0.8, 0.6]
    """
    matrix, targets = _checked_pair(kernel, labels)
    values, vectors = np.linalg.eigh(matrix)
    overlaps = np.abs(vectors.T @ targets) / np.linalg.norm(targets)
    return Alignment(values[::-1], overlaps[::-1])


def kernel_target_alignment(kernel: ArrayLike, labels: ArrayLike) -> float:
    r"""Cosine between a kernel and that of the labels, :math:`Y^T K Y / (|K|_F |Y|^2)`.

    >>> kernel_target_alignment([[1.0, -1.0], [-1.0, 1.0]], [1, -1])
    1.0
    """
    matrix, targets = _checked_pair(kernel, labels)
    return float(targets @ matrix @ targets / (np.linalg.norm(matrix) * (targets @ targets)))


def _checked_pair(kernel: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """A kernel and labels, neither of which may vanish."""
    targets = checked_array("labels", labels, ("P",))
    matrix = checked_symmetric("kernel", kernel, len(targets))
    for name, values in (("labels", targets), ("kernel", matrix)):
        if not values.any():
            raise ValueError(f"{name} must not all be 0")
    return matrix, targets


def passes_head(heads: Sequence[int], layer: int, head: int) -> NDArray[np.bool_]:
    """Which paths pass a head, both counted from 0, in the order of `Network`.

    >>> passes_head((2, 2), 0, 1).tolist()
    [False, False, True, True]
    """
    layer = checked_integer("layer", layer, 0, len(heads) - 1)
    head = checked_integer("head", head, 0, heads[layer] - 1)
    return np.unravel_index(np.arange(math.prod(heads)), tuple(heads))[layer] == head


def head_scores(order: ArrayLike, heads: Sequence[int], score: Score = "sum") -> tuple[Array, ...]:
    r"""How much every head matters: the sizes of all entries of U_1 whose paths pass it.

    ==========  =========================================================================================
    sum         :math:`\sum |U^{\pi\pi'}|` over pairs of which :math:`\pi` or :math:`\pi'` passes the head
    scaled      pairs of which only one does count :math:`1 / 2 H_l`
    ==========  =========================================================================================

    Parameters
    ----------
    order : (p_1, p_1) array
        U_1; the entries of several outputs are added.
    heads : sequence of int
        H_1 ... H_L.
    score : {'sum', 'scaled'}

    Returns
    -------
    tuple of (H_l,) array
        Scores of every layer, over the largest of all.

    Examples
    --------
    >>> [scores.round(2).tolist() for scores in head_scores(np.diag([3.0, 1.0, 0.0, 0.0]), (2, 2))]
    [[1.0, 0.0], [0.75, 0.25]]
    """
    checked_choice("score", score, Score)
    paths = math.prod(heads)
    matrix, outputs = _checked_order(order, paths)
    sizes = np.abs(matrix).reshape(paths, outputs, paths, outputs).sum(axis=(1, 3))
    scores = []
    for layer, number in enumerate(heads):
        passes = np.stack([passes_head(heads, layer, head) for head in range(number)]).astype(float)
        rows, both = passes @ sizes.sum(axis=1), np.einsum("hp,pq,hq->h", passes, sizes, passes)
        scores.append(2 * rows - both if score == "sum" else (rows - both) / number + both)
    largest = max(values.max() for values in scores)
    return tuple(values / (largest or 1.0) for values in scores)


def _checked_order(order: ArrayLike, paths: int) -> tuple[Array, int]:
    """A square matrix, and its rows per path."""
    matrix = checked_array("order", order, ("p", "p"))
    outputs, rest = divmod(len(matrix), paths)
    if rest or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"order must be square with {paths} rows per output, found {matrix.shape}")
    return checked_symmetric("order", matrix, len(matrix)), outputs


def silenced(order: ArrayLike, heads: Sequence[int], layer: int, head: int) -> Array:
    """U_1 without the paths through a head, all else as it was: rows and columns of zeros.

    >>> silenced(np.ones((2, 2)), (2,), 0, 1).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    given, outputs = _checked_order(order, math.prod(heads))
    matrix = given.copy()
    gone = np.repeat(passes_head(heads, layer, head), outputs)
    matrix[gone] = 0.0
    matrix[:, gone] = 0.0
    return matrix


def pruned(network: Network, features: ArrayLike, heads: Sequence[tuple[int, int]]) -> tuple[Network, Array]:
    r"""The network without some heads, and its features, to be solved anew.

    The features of the paths that are left grow by the root of :math:`\Pi / \Pi'`, as a network of fewer heads has it.

    Parameters
    ----------
    network : Network
    features : (P, D, paths) array
    heads : sequence of (layer, head)
        Those to leave out, counted from 0; at least one must stay in every layer.

    Examples
    --------
    >>> smaller, features = pruned(Network((2, 2), (5, 5, 5)), np.ones((1, 1, 4)), [(0, 1)])
    >>> smaller.heads, features.round(4).tolist()
    ((1, 2), [[[1.4142, 1.4142]]])
    """
    found = checked_array("features", features, ("P", "D", network.paths))
    for layer, head in heads:
        checked_integer("layer", layer, 0, network.depth - 1)
        checked_integer("head", head, 0, network.heads[layer] - 1)
    kept = [
        [head for head in range(number) if (layer, head) not in set(heads)]
        for layer, number in enumerate(network.heads)
    ]
    left = [len(layer) for layer in kept]
    if min(left) == 0:
        raise ValueError(f"at least one head must stay in every layer, found {left}")
    smaller = Network(left, network.widths, network.variances, network.outputs)
    return smaller, sub_network_features(found, network.heads, kept)


def path_products(values: Sequence[ArrayLike], readout: ArrayLike) -> Array:
    r"""Products :math:`a_c^T V_L^{h_L} \cdots V_1^{h_1}` of the weights along every path.

    Parameters
    ----------
    values : sequence of (H_l, N_{l+1}, N_l) array
        V_1 ... V_L.
    readout : (N_a,) or (C, N_a) array

    Returns
    -------
    (p_1, N_1) array
        Rows in the order of the order parameter.
    """
    rows = np.atleast_2d(np.asarray(readout, dtype=float))[None]
    for matrices in reversed([checked_array("values", value, ("H", "to", "from")) for value in values]):
        if matrices.shape[1] != rows.shape[2]:
            raise ValueError(f"values must lead to {rows.shape[2]} weights of the next layer, found {matrices.shape}")
        rows = np.einsum("pcn,hnm->hpcm", rows, matrices).reshape(-1, rows.shape[1], matrices.shape[2])
    return rows.reshape(-1, rows.shape[2])


def effective_weights(values: Sequence[ArrayLike], readout: ArrayLike) -> Array:
    r"""Effective weights :math:`w_\pi = (N_a N_L \cdots N_2)^{-1/2} a^T V_L^{h_L} \cdots V_1^{h_1}`, (p_1, N_1).

    Their overlaps :math:`w w^T / N_1` are the order parameter of those weights.

    >>> effective_weights([[[[1.0, 2.0]], [[0.0, 4.0]]]], [3.0]).tolist()
    [[3.0, 6.0], [0.0, 12.0]]
    """
    return path_products(values, readout) / math.sqrt(math.prod(np.shape(value)[1] for value in values))


def sampled_order_parameter(weights: ArrayLike) -> Array:
    """Mean of w w^T / N_1 over samples (n, p_1, N_1) of effective weights.

    >>> sampled_order_parameter([[[3.0, 6.0], [0.0, 12.0]]]).tolist()
    [[22.5, 36.0], [36.0, 72.0]]
    """
    samples = checked_array("weights", weights, ("n", "p", "N"))
    return np.einsum("npi,nqi->pq", samples, samples) / (len(samples) * samples.shape[2])
