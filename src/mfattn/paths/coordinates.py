r"""Blocks of the order parameter, and non-centred coordinates in which they are free.

The blocks :math:`U_1, ..., U_L, U_{L+1} = U_a` are overlaps of the effective weights that enter every layer. With
:math:`U_{L+2} = 1` and :math:`H_{L+1} = C` outputs they are a chain of Wishart matrices,

.. math:: U_l \mid U_{l+1} \sim \mathrm{Wishart}_{p_l}(N_l, \; (\sigma_l^2 / N_l)\, I_{H_l} \otimes U_{l+1}),

and in lower triangles :math:`A_l` with positive diagonals :math:`e^{s_i}` they do not depend on each other:

.. math:: U_l = C_l C_l^T, \qquad C_l = \sigma_l (I_{H_l} \otimes C_{l+1}) A_l, \qquad C_{L+2} = 1.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), order parameters and action; the coordinates
are the Bartlett factors of the Wishart matrices.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mfattn.paths.checks import Array, Integers
from mfattn.paths.network import Network
from mfattn.paths.symmetric import cholesky, inverse


def expanded(small: Array, large: Array) -> Array:
    """Product (I ⊗ C') A of matrices (..., q, q) and (..., H q, n)."""
    size = small.shape[-1]
    split = large.reshape(*large.shape[:-2], large.shape[-2] // size, size, large.shape[-1])
    product = np.matmul(small[..., None, :, :], split)
    return product.reshape(*product.shape[:-3], *large.shape[-2:])


def partial_trace(matrices: Array, size: int) -> Array:
    """Sum over the diagonal blocks (q, q) of matrices (..., H q, H q): the trace over the heads of a layer.

    >>> partial_trace(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[10.0, 12.0], [18.0, 20.0]]
    """
    heads = matrices.shape[-1] // size
    return matrices.reshape(*matrices.shape[:-2], heads, size, heads, size).trace(axis1=-4, axis2=-2)


def to_triangles(network: Network, blocks: Sequence[Array]) -> list[Array]:
    """Triangles A_l of positive definite blocks, or a LinAlgError."""
    factors = [cholesky(block) for block in blocks]
    scales = np.sqrt(network.variances[1:])
    above = [*factors[1:], np.ones((1, 1))]
    return [
        expanded(inverse(upper), factor) / scale for factor, upper, scale in zip(factors, above, scales, strict=True)
    ]


def entropy_of(network: Network, triangles: Sequence[Array]) -> float:
    r"""Entropy :math:`\sum_l N_l (|A_l|^2 - 2 \sum_i \log A_{l,ii} - p_l \log \sigma_l^2)` of triangles."""
    terms = (
        width * ((triangle**2).sum() - 2 * np.log(triangle.diagonal()).sum() - len(triangle) * np.log(variance))
        for width, triangle, variance in zip(network.widths, triangles, network.variances[1:], strict=True)
    )
    return float(sum(terms))


class Coordinates:
    """Vectors x of the non-centred coordinates of a network, of length `size`.

    They hold, one block after the other from l = 1 to L + 1, the lower triangle of A_l row by row, with the logarithms
    of its diagonal. The origin is the limit of infinite width.

    Parameters
    ----------
    network : Network

    Attributes
    ----------
    size : int
        Length of x.
    slices : list of slice
        Where every block is.
    log_diagonals : list of array of int
        Where the logarithms of the diagonal of every block are.
    weights : (size,) array
        The width N_l that every entry belongs to.

    Examples
    --------
    >>> coordinates = Coordinates(Network((2,), (10, 10)))
    >>> [block.tolist() for block in coordinates.order_parameters(np.array([0.0, 3.0, 0.0, 0.0]))]
    [[[1.0, 3.0], [3.0, 10.0]], [[1.0]]]
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.scales = np.sqrt(network.variances[1:])
        lengths = [size * (size + 1) // 2 for size in network.sizes]
        ends = np.cumsum([0, *lengths])
        self.size = int(ends[-1])
        self.slices = [slice(start, stop) for start, stop in pairwise(ends)]
        self._lower = [np.ravel_multi_index(np.tril_indices(size), (size, size)) for size in network.sizes]
        self.log_diagonals = [
            block.start + np.cumsum(np.arange(1, size + 1)) - 1
            for block, size in zip(self.slices, network.sizes, strict=True)
        ]
        self.diagonal: Integers = np.concatenate(self.log_diagonals)
        self.weights = np.repeat(network.widths, lengths)
        self.diagonal_weights = self.weights[self.diagonal]
        self.entropy_offset = -float(self.diagonal_weights @ np.repeat(2 * np.log(self.scales), network.sizes))

    def at(self, x: Array) -> "Frame":
        """Factors and derivatives at a point."""
        return Frame(self, x)

    def order_parameters(self, x: Array) -> tuple[Array, ...]:
        """Blocks U_1 ... U_L, U_a."""
        return tuple(factor @ factor.T for factor in self.at(x).factors)

    def from_order_parameters(self, blocks: Sequence[Array]) -> Array:
        """Coordinates of positive definite blocks U_1 ... U_L, U_a, or a LinAlgError."""
        entries = self.joined(to_triangles(self.network, blocks))
        entries[self.diagonal] = np.log(entries[self.diagonal])
        return entries

    def split(self, entries: Array) -> list[Array]:
        """Vectors (..., size) as lower triangles."""
        blocks = []
        for block, lower, size in zip(self.slices, self._lower, self.network.sizes, strict=True):
            matrix = np.zeros((*entries.shape[:-1], size * size))
            matrix[..., lower] = entries[..., block]
            blocks.append(matrix.reshape(*entries.shape[:-1], size, size))
        return blocks

    def joined(self, matrices: Sequence[Array]) -> Array:
        """Lower triangles of matrices as vectors (..., size)."""
        parts = [
            matrix.reshape(*matrix.shape[:-2], -1)[..., lower]
            for matrix, lower in zip(matrices, self._lower, strict=True)
        ]
        return np.concatenate(parts, axis=-1)


class Frame:
    """Factors at one point x of non-centred coordinates, and derivatives there.

    Attributes
    ----------
    triangles, factors : list of (p_l, p_l) array
        A_l and C_l, the Cholesky factors of the blocks.
    order : (p_1, p_1) array
        U_1.
    entropy : float
    """

    def __init__(self, coordinates: Coordinates, x: Array) -> None:
        self.coordinates, self.x = coordinates, x
        self.diagonal = np.exp(x[coordinates.diagonal])
        entries = x.copy()
        entries[coordinates.diagonal] = self.diagonal
        self.triangles = coordinates.split(entries)
        self.factors: list[Array] = []
        above = np.ones((1, 1))
        for triangle, scale in zip(reversed(self.triangles), coordinates.scales[::-1], strict=True):
            above = scale * expanded(above, triangle)
            self.factors.insert(0, above)
        self.above = [*self.factors[1:], np.ones((1, 1))]
        self.order = self.factors[0] @ self.factors[0].T
        logarithms = float(coordinates.diagonal_weights @ x[coordinates.diagonal])
        self.entropy = float(coordinates.weights @ (entries * entries)) - 2 * logarithms + coordinates.entropy_offset

    def gradient(self, order_gradient: Array) -> Array:
        """Gradient by x of the entropy and of a function of U_1 that has a symmetric gradient."""
        weights = self.coordinates.diagonal_weights
        entries = self.coordinates.joined([gradient for gradient, _ in self._backward(order_gradient)])
        total = entries + 2 * self.coordinates.weights * self.x
        slopes = entries[self.coordinates.diagonal] + 2 * weights * self.diagonal
        total[self.coordinates.diagonal] = self.diagonal * slopes - 2 * weights
        return total

    def push(self, directions: Array) -> tuple[list[Array], list[Array], Array]:
        """Derivatives along directions (k, size) of the triangles, of the factors, and of U_1."""
        entries = directions.copy()
        entries[:, self.coordinates.diagonal] *= self.diagonal
        triangles = self.coordinates.split(entries)
        factors: list[Array] = []
        above_moved = np.zeros((1, 1, 1))
        layers = zip(self.triangles, triangles, self.above, self.coordinates.scales, strict=True)
        for triangle, moved, above, scale in reversed(list(layers)):
            above_moved = scale * (expanded(above_moved, triangle) + expanded(above, moved))
            factors.insert(0, above_moved)
        order = factors[0] @ self.factors[0].T
        return triangles, factors, order + order.swapaxes(1, 2)

    def pull(self, pushed: tuple[list[Array], list[Array], Array], order_gradient: Array, order_moved: Array) -> Array:
        """Hessian times directions of the entropy and of a function of U_1.

        Parameters
        ----------
        pushed : tuple
            What `push` gave for the directions.
        order_gradient : (p_1, p_1) array
            Gradient of the function by U_1.
        order_moved : (k, p_1, p_1) array
            Derivatives of that gradient along the directions.

        Returns
        -------
        (k, size) array
        """
        triangles, factors, _ = pushed
        backward = self._backward(order_gradient)
        above_moved = [*factors[1:], np.zeros((1, 1, 1))]
        moved = 2 * (order_moved @ self.factors[0] + order_gradient @ factors[0])
        parts = []
        for layer, (_, gradient) in enumerate(backward):
            scale, above = self.coordinates.scales[layer], self.above[layer]
            parts.append(scale * (expanded(above_moved[layer].swapaxes(1, 2), gradient) + expanded(above.T, moved)))
            inner = moved @ self.triangles[layer].T + gradient @ triangles[layer].swapaxes(1, 2)
            moved = scale * partial_trace(inner, len(above))
        entries = self.coordinates.joined([gradient for gradient, _ in backward])
        return self._second_derivative(self.coordinates.joined(triangles), entries, self.coordinates.joined(parts))

    def _second_derivative(self, directions: Array, gradient: Array, moved: Array) -> Array:
        """Second derivatives by x from directions, gradient and its derivative by the entries of the triangles."""
        diagonal, weights = self.coordinates.diagonal, self.coordinates.weights
        total = moved + 2 * weights * directions
        slopes = gradient[diagonal] + 2 * self.coordinates.diagonal_weights * self.diagonal
        total[:, diagonal] = self.diagonal * total[:, diagonal] + slopes * directions[:, diagonal]
        return total

    def _backward(self, order_gradient: Array) -> list[tuple[Array, Array]]:
        """Derivatives by A_l and by C_l, from l = 1 upwards; they hold in the lower triangles only."""
        factor_gradient = 2 * order_gradient @ self.factors[0]
        derivatives = []
        for triangle, above, scale in zip(self.triangles, self.above, self.coordinates.scales, strict=True):
            derivatives.append((scale * expanded(above.T, factor_gradient), factor_gradient))
            factor_gradient = scale * partial_trace(factor_gradient @ triangle.T, len(above))
        return derivatives
