r"""Kernels of attention paths, and all that is linear in them.

With the features :math:`Z_{\mu i \pi} = \sigma_0 (N_0 \Pi)^{-1/2} \xi^\pi_{\mu i}` of P examples, D inputs and
:math:`\Pi` paths, the network's kernel is

.. math:: K(U) = \sum_{\pi \pi'} U^{\pi \pi'} Z_\pi Z_{\pi'}^T = \frac{1}{\Pi} \sum_{\pi\pi'} U^{\pi\pi'} C^{\pi\pi'}.

With C outputs, U has an index :math:`(\pi, c)` and K an index :math:`(\mu, c)`, c fastest in both, and
:math:`K_{(\mu c),(\nu c')} = \sum_{\pi\pi'} U^{(\pi c),(\pi' c')} Z_{\mu\pi} \cdot Z_{\nu\pi'}`. The number of outputs
is read off the size of U.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), equations of the kernel and its paths.
"""

import math
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.checks import Array, checked_array, checked_integer
from mfattn.paths.symmetric import mirrored, symmetrised, to_matrix, to_vector

MEMORY = 2**30
"""Bytes that products of features may take by default."""


class LinearMap(Protocol):
    """From order parameters to kernels, and back."""

    def kernel(self, order: Array) -> Array:
        """K(U), for a symmetric U."""

    def pull_back(self, matrix: Array) -> Array:
        """Transpose of that map, for a symmetric matrix of which the lower triangle is read."""


class PathKernels:
    r"""Kernels of all pairs of paths for one set of examples, reused for any width, variance and temperature.

    Products of features are computed once, if they take no more than LIMIT bytes: then K(U) and its transpose are one
    matrix-vector product each, whatever the number of inputs. Else both are computed from the features.

    Parameters
    ----------
    features : (P, D, paths) array
        Scaled by :math:`\sigma_0 (N_0 \Pi)^{-1/2}`, paths in the order of `Network`.
    limit : int
        Bytes that products of features may take.

    Raises
    ------
    ValueError
        If the features are not finite, or not of that shape.

    Examples
    --------
    >>> kernels = PathKernels([[[1.0, 0.0], [0.0, 2.0]]])
    >>> kernels.kernel(np.diag([3.0, 0.5]))
    array([[5.]])
    """

    def __init__(self, features: ArrayLike, limit: int = MEMORY) -> None:
        self.features = np.ascontiguousarray(checked_array("features", features, ("P", "D", "paths")))
        self.limit = checked_integer("limit", limit, 0)
        self.examples, self.inputs, self.paths = self.features.shape

    def kernel(self, order: Array) -> Array:
        """Kernel of the examples, (P C, P C), for a symmetric order parameter of size paths times C."""
        return self.linear_map(self.outputs_of(order)).kernel(order)

    def pull_back(self, matrix: Array) -> Array:
        r"""The symmetric matrix of :math:`\mathrm{tr}[A Z_\pi Z_{\pi'}^T]`, of the size of the order parameter.

        It is the derivative of :math:`\mathrm{tr}[A K(U)]` by U. A is symmetric, (P C, P C), of which only the lower
        triangle is read.
        """
        outputs, rest = divmod(len(matrix), self.examples)
        if rest or matrix.shape != (outputs * self.examples,) * 2:
            raise ValueError(f"a matrix of kernels must have {self.examples} rows per output, found {matrix.shape}")
        return self.linear_map(outputs).pull_back(matrix)

    def cross(self, order: Array, features: ArrayLike) -> Array:
        """Kernel (P C, Q C) between the examples and Q others, of features (Q, D, paths)."""
        other = self._checked_other(features)
        outputs = self.outputs_of(order)
        weighted = np.matmul(self.features, order.reshape(self.paths, outputs * self.paths * outputs))
        weighted = weighted.reshape(self.examples, self.inputs, outputs, self.paths, outputs).transpose(0, 2, 4, 1, 3)
        products = weighted.reshape(-1, self.inputs * self.paths) @ other.reshape(len(other), -1).T
        products = products.reshape(self.examples, outputs, outputs, len(other)).swapaxes(2, 3)
        return products.reshape(self.examples * outputs, len(other) * outputs)

    def diagonal(self, order: Array, features: ArrayLike) -> Array:
        """Kernel of every one of Q examples with itself, (Q C,)."""
        other = self._checked_other(features)
        outputs = self.outputs_of(order)
        blocks = order.reshape(self.paths, outputs, self.paths, outputs).diagonal(axis1=1, axis2=3)
        own = [np.einsum("qdp,qdp->q", other @ blocks[:, :, output], other) for output in range(outputs)]
        return np.stack(own, axis=-1).ravel()

    def path_path(self) -> Array:
        r"""Path-path kernels :math:`C^{\pi\pi'}`, (paths, paths, P, P), the Gram matrix of the features times paths."""
        columns = self.features.transpose(2, 0, 1).reshape(self.paths * self.examples, self.inputs)
        gram = (columns @ columns.T).reshape(self.paths, self.examples, self.paths, self.examples)
        return self.paths * gram.transpose(0, 2, 1, 3)

    def outputs_of(self, order: Array) -> int:
        """Outputs C of an order parameter of size paths times C, or a ValueError."""
        outputs, rest = divmod(len(order), self.paths)
        if rest or outputs == 0 or order.shape != (outputs * self.paths,) * 2:
            raise ValueError(f"an order parameter must be square with {self.paths} rows, found {order.shape}")
        return outputs

    def linear_map(self, outputs: int) -> LinearMap:
        """The fastest form of K(U) and its transpose that memory allows."""
        form = self._fastest(outputs)
        if form == "packed":
            return self._packed_map
        return self._gram_map if form == "gram" else self._feature_map

    def operations(self, outputs: int) -> float:
        """Operations that K(U) takes, where reading a byte counts as three."""
        return self._operations(outputs)[self._fastest(outputs)]

    def _fastest(self, outputs: int) -> str:
        """Name of the fastest form."""
        operations = self._operations(outputs)
        return min(operations, key=operations.__getitem__)

    def _operations(self, outputs: int) -> dict[str, float]:
        """Operations of K(U) for every form, infinite where it does not fit the memory."""
        examples, inputs, paths = self.features.shape
        packed = 8.0 * paths * (paths + 1) / 2 * examples * (examples + 1) / 2
        gram = 8.0 * paths**2 * examples**2
        return {
            "packed": 3 * packed if outputs == 1 and packed <= self.limit else math.inf,
            "gram": outputs**2 * gram if outputs > 1 and gram <= self.limit else math.inf,
            "features": 2.0 * outputs**2 * examples * inputs * paths * (paths + examples),
        }

    @property
    def is_packed(self) -> bool:
        """Whether products of features between triangles are the fastest form for one output."""
        return self._fastest(1) == "packed"

    @cached_property
    def compressed(self) -> tuple[Array | None, "PathKernels"]:
        r"""The same kernels without their null space: a basis Q (P, r) and kernels with K(U) = Q K'(U) Q^T.

        The basis is None, and stands for the identity, where every direction of the examples is reached by some path.
        The null space is best left out: there K + T is T, and rounding in K over T would swamp all else at small T.
        The inputs are turned and cut to the P paths that they can differ in.
        """
        features = _with_fewer_inputs(self.features)
        basis = _range_of(features.reshape(self.examples, -1))
        if basis is not None:
            features = np.tensordot(basis.T, features, axes=1)
        elif features is self.features:
            return None, self
        return basis, PathKernels(features, self.limit)

    @cached_property
    def packed(self) -> Array:
        """K(U) of one output as a matrix between triangles of U and of K."""
        columns = np.ascontiguousarray(self.features.transpose(2, 0, 1))
        pack = np.empty((self.paths * (self.paths + 1) // 2, self.examples * (self.examples + 1) // 2))
        for path, own in enumerate(columns):
            products = columns[: path + 1] @ own.T
            rows = slice(path * (path + 1) // 2, (path + 1) * (path + 2) // 2)
            pack[rows] = to_vector(products + products.swapaxes(1, 2))
            pack[rows] *= np.r_[np.full(path, np.sqrt(0.5)), 0.5][:, None]
        return pack

    @cached_property
    def _packed_map(self) -> LinearMap:
        return _Packed(self.packed, self.paths, self.examples)

    @cached_property
    def _gram_map(self) -> LinearMap:
        return _Gram(self.path_path() / self.paths)

    @cached_property
    def _feature_map(self) -> LinearMap:
        return _Features(self.features)

    def _checked_other(self, features: ArrayLike) -> Array:
        """Features of other examples, with the inputs and paths of these."""
        return np.ascontiguousarray(checked_array("features", features, ("Q", self.inputs, self.paths)))


class _Packed:
    """One output, from products of features between triangles."""

    def __init__(self, pack: Array, paths: int, examples: int) -> None:
        self.pack, self.paths, self.examples = pack, paths, examples

    def kernel(self, order: Array) -> Array:
        return to_matrix(to_vector(order) @ self.pack, self.examples)

    def pull_back(self, matrix: Array) -> Array:
        return to_matrix(self.pack @ to_vector(matrix), self.paths)


class _Gram:
    """Any number of outputs, from products of features of all pairs of paths and of examples."""

    def __init__(self, gram: Array) -> None:
        self.paths, _, self.examples, _ = gram.shape
        self.gram = gram.reshape(self.paths**2, self.examples**2)

    def kernel(self, order: Array) -> Array:
        pairs = _pairs_of_outputs(order, self.paths) @ self.gram
        return symmetrised(_joined_outputs(pairs, self.examples))

    def pull_back(self, matrix: Array) -> Array:
        pairs = _pairs_of_outputs(mirrored(matrix), self.examples) @ self.gram.T
        return symmetrised(_joined_outputs(pairs, self.paths))


class _Features:
    """Any number of outputs, from the features themselves."""

    def __init__(self, features: Array) -> None:
        self.features = features
        self.examples, self.inputs, self.paths = features.shape

    def kernel(self, order: Array) -> Array:
        flat = self.features.reshape(self.examples, -1)
        columns = self.features.reshape(-1, self.paths)
        pairs = [
            (columns @ block.reshape(self.paths, self.paths)).reshape(self.examples, -1) @ flat.T
            for block in _pairs_of_outputs(order, self.paths)
        ]
        return symmetrised(_joined_outputs(np.stack(pairs), self.examples))

    def pull_back(self, matrix: Array) -> Array:
        flat = self.features.reshape(self.examples, -1)
        columns = self.features.reshape(-1, self.paths)
        pairs = [
            columns.T @ (block.reshape(self.examples, self.examples) @ flat).reshape(-1, self.paths)
            for block in _pairs_of_outputs(mirrored(matrix), self.examples)
        ]
        return symmetrised(_joined_outputs(np.stack(pairs), self.paths))


def _pairs_of_outputs(matrix: Array, size: int) -> Array:
    """A matrix of indices (i, c), (j, c') as one of (c, c') and (i, j)."""
    outputs = len(matrix) // size
    return matrix.reshape(size, outputs, size, outputs).transpose(1, 3, 0, 2).reshape(outputs**2, size**2)


def _joined_outputs(pairs: Array, size: int) -> Array:
    """The inverse of `_pairs_of_outputs`."""
    outputs = round(len(pairs) ** 0.5)
    return pairs.reshape(outputs, outputs, size, size).transpose(2, 0, 3, 1).reshape(size * outputs, size * outputs)


def _with_fewer_inputs(features: Array) -> Array:
    """Features turned to as few inputs as examples times paths can differ in, all inner products kept."""
    examples, inputs, paths = features.shape
    if inputs <= examples * paths:
        return features
    columns = features.transpose(1, 0, 2).reshape(inputs, examples * paths)
    return _upper_triangle(columns).reshape(-1, examples, paths).transpose(1, 0, 2).copy()


def _range_of(matrix: Array) -> Array | None:
    """Orthonormal basis of the columns of a matrix; None if they span everything."""
    from scipy import linalg

    rows, columns = matrix.shape
    if columns > rows:
        matrix = _upper_triangle(matrix.T).T
    basis, triangular, _ = linalg.qr(matrix, mode="economic", pivoting=True, check_finite=False)
    sizes = np.abs(triangular.diagonal())
    rank = max(int((sizes > np.finfo(float).eps * max(rows, columns) * sizes[0]).sum()), 1)
    return None if rank == rows else np.ascontiguousarray(basis[:, :rank])


def _upper_triangle(matrix: Array) -> Array:
    """Factor R of a matrix Q R with orthonormal Q."""
    return np.asarray(np.linalg.qr(matrix, mode="r"), dtype=np.float64)
