r"""Gaussian-process regression of the labels at one order parameter: the energy of the action.

.. math::

    E(U) = \log\det \tilde K + y^T \tilde K^{-1} y, \qquad \tilde K = K(U) + T I, \qquad \alpha = \tilde K^{-1} y,
    \qquad E'_{\pi\pi'} = \mathrm{tr}[(\tilde K^{-1} - \alpha\alpha^T) Z_\pi Z_{\pi'}^T].

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), energy of the action and predictor.
"""

from functools import cache, cached_property
from typing import Any

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.kernels import PathKernels
from mfattn.paths.symmetric import mirrored, symmetrised, to_matrix, to_vector


@cache
def _lapack() -> Any:
    """LAPACK, imported when it is needed first."""
    from scipy.linalg import lapack

    return lapack


@cache
def _blas() -> Any:
    """BLAS, imported when it is needed first."""
    from scipy.linalg import blas

    return blas


class NotPositiveDefinite(ValueError):
    """K + T has no Cholesky factor, or one that is not finite."""


class Regression:
    """Regression of flat labels on kernels without null space.

    Parameters
    ----------
    kernels : PathKernels
        The second part of `PathKernels.compressed`.
    labels : (P C,) array
        Turned to the basis of those kernels.
    temperature : float
    order : (p, p) array
        Order parameter U_1, symmetric; it need not be positive definite as long as K + T is.

    Raises
    ------
    NotPositiveDefinite
    """

    def __init__(self, kernels: PathKernels, labels: Array, temperature: float, order: Array) -> None:
        self.kernels, self.labels, self.temperature, self.order = kernels, labels, temperature, order
        kernel = kernels.kernel(order)
        kernel.flat[:: len(kernel) + 1] += temperature
        # A view of the transpose is in the order of LAPACK: nothing is copied, and the upper factor is the lower one.
        self._upper, failed = _lapack().dpotrf(kernel.T, lower=0, clean=1, overwrite_a=1)
        if failed:
            raise NotPositiveDefinite(f"K(U) + T is not positive definite (T = {temperature:g})")
        self.alpha: Array = _lapack().dpotrs(self._upper, labels, lower=0)[0]
        self.log_determinant = 2 * float(np.log(self._upper.diagonal()).sum())
        self.energy = self.log_determinant + float(labels @ self.alpha)
        if not np.isfinite(self.energy):
            raise NotPositiveDefinite(f"K(U) + T is not finite (T = {temperature:g})")

    @property
    def factor(self) -> Array:
        """Lower Cholesky factor of K + T."""
        return self._upper.T

    @property
    def condition(self) -> float:
        """Estimate of the condition of K + T, in the norm of absolute sums of columns."""
        sums = np.abs(self.kernels.kernel(self.order)).sum(axis=0) + self.temperature
        return 1 / float(_lapack().dpocon(self._upper, sums.max(), uplo="U")[0])

    @cached_property
    def inverse(self) -> Array:
        """Inverse of K + T."""
        return mirrored(self._lower_inverse)

    @cached_property
    def _lower_inverse(self) -> Array:
        """Lower triangle of the inverse."""
        return _lapack().dpotri(self._upper, lower=0)[0].T

    @cached_property
    def gradient(self) -> Array:
        """Gradient E' of the energy, symmetric, of the size of U_1."""
        return self.kernels.pull_back(self._lower_inverse - np.outer(self.alpha, self.alpha))

    def whitened(self, columns: Array) -> Array:
        """Columns (P C, n) times the inverse of the factor."""
        return _lapack().dtrtrs(self._upper, np.asfortranarray(columns), lower=0, trans=1)[0]

    def curvature(self, direction: Array) -> Array:
        """Derivative of the gradient E' along a symmetric matrix."""
        moved = self.inverse @ self.kernels.kernel(direction)
        vector = np.outer(moved @ self.alpha, self.alpha)
        return self.kernels.pull_back(vector + vector.T - symmetrised(moved @ self.inverse))

    def curvature_matrix(self) -> Array:
        """Derivative of E' as a matrix between vectors of symmetric matrices (`symmetric.to_vector`)."""
        from_pack, from_features = self._matrix_operations
        return self._curvature_of_pack() if from_pack <= from_features else self._curvature_of_features()

    @property
    def matrix_cost(self) -> float:
        """How many calls of `curvature` the matrix costs, infinite where memory does not allow it."""
        outputs = len(self.order) // self.kernels.paths
        product = 4.0 * len(self.labels) ** 3 + 2 * self.kernels.operations(outputs)
        return min(self._matrix_operations) / product

    @property
    def _matrix_operations(self) -> tuple[float, float]:
        """Operations of the matrix from packed products and from features, infinite where memory does not allow it."""
        size, rows, inputs = len(self.order), len(self.labels), self.kernels.inputs
        unknowns, limit = size * (size + 1) // 2, self.kernels.limit
        from_pack = 4.0 * rows**3 * unknowns + 0.5 * rows**2 * unknowns**2
        if size != self.kernels.paths or not self.kernels.is_packed or 4 * unknowns * rows**2 > limit:
            from_pack = np.inf
        from_features = 1.0 * rows**2 * inputs * size + 1.0 * rows * (inputs * size) ** 2 + 1.0 * size**4 * inputs**2
        if 16 * max(inputs, size) ** 2 * size**2 > limit:
            from_features = np.inf
        return from_pack, from_features

    def _curvature_of_pack(self) -> Array:
        """-tr(W_i W_j) + 2 w_i w_j for whitened kernels W of a basis and their products w with the labels."""
        turned = _lapack().dtrtri(self._upper, lower=0)[0]
        packed, product = self.kernels.packed, _blas().dtrmm
        white, vectors = np.empty_like(packed), np.empty((len(packed), len(self.labels)))
        for row, products in enumerate(packed):
            kernel = to_matrix(products, len(self.labels))
            vectors[row] = turned.T @ (kernel @ self.alpha)
            half = product(1.0, turned, kernel.T, trans_a=1, overwrite_b=1)
            white[row] = to_vector(product(1.0, turned, half, side=1, overwrite_b=1).T)
        return 2 * vectors @ vectors.T - white @ white.T

    def _curvature_of_features(self) -> Array:
        """The same, with traces of features in the place of those of examples."""
        size, outputs = len(self.order), len(self.order) // self.kernels.paths
        examples, inputs, paths = self.kernels.features.shape
        wide = np.zeros((examples, outputs, inputs, paths, outputs))
        for output in range(outputs):
            wide[:, output, :, :, output] = self.kernels.features
        columns = wide.reshape(examples * outputs, inputs * size)
        white = self.whitened(columns)
        gram = (white.T @ white).reshape(inputs, size, inputs, size)
        pairs = gram.transpose(1, 3, 0, 2).reshape(size**2, inputs**2)
        traces = (pairs @ pairs.T).reshape((size,) * 4)  # tr(inverse Z_b Z_d^T inverse Z_c Z_a^T) at (a, b, c, d)
        vectors = white.reshape(-1, inputs, size).swapaxes(1, 2) @ (columns.T @ self.alpha).reshape(inputs, size)
        directions = to_vector(symmetrised(vectors))
        return 2 * directions.T @ directions - _between_vectors(traces.transpose(1, 3, 0, 2))


def _between_vectors(tensor: Array) -> Array:
    """A bilinear form of two square matrices, as one of two vectors of symmetric matrices."""
    size = len(tensor)
    rows = to_vector(symmetrised(tensor.reshape(size * size, size, size)))
    columns = symmetrised(rows.T.reshape(-1, size, size))
    return to_vector(columns)
