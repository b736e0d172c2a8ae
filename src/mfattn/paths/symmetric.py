"""Symmetric matrices as vectors: their triangles, with off-diagonal entries times the root of 2.

The inner product of two such vectors is the trace of the product of the matrices.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.checks import Array, Integers, checked_array


@lru_cache(maxsize=16)
def triangle(size: int) -> tuple[Integers, Integers, Array]:
    """Flat positions of the lower triangle, of its mirror image, and the factors of the entries."""
    rows, columns = np.tril_indices(size)
    factors = np.where(rows == columns, 1.0, np.sqrt(2.0))
    return rows * size + columns, columns * size + rows, factors


def to_vector(matrices: Array) -> Array:
    """Matrices (..., n, n), of which the lower triangle is read, as vectors (..., n (n + 1) / 2).

    >>> to_vector(np.array([[1.0, 2.0], [2.0, 3.0]])).round(3).tolist()
    [1.0, 2.828, 3.0]
    """
    size = matrices.shape[-1]
    lower, _, factors = triangle(size)
    vectors = matrices.reshape(*matrices.shape[:-2], size * size).take(lower, axis=-1)
    vectors *= factors
    return vectors


def to_matrix(vectors: Array, size: int) -> Array:
    """Vectors (..., n (n + 1) / 2) as symmetric matrices (..., n, n): the inverse of `to_vector`."""
    lower, upper, factors = triangle(size)
    entries = vectors / factors
    matrices = np.empty((*vectors.shape[:-1], size * size))
    matrices[..., lower] = entries
    matrices[..., upper] = entries
    return matrices.reshape(*vectors.shape[:-1], size, size)


def symmetrised(matrices: Array) -> Array:
    """Symmetric part of matrices (..., n, n)."""
    return 0.5 * (matrices + matrices.swapaxes(-1, -2))


def mirrored(matrix: Array) -> Array:
    """The symmetric matrix of which only the lower triangle is given."""
    lower = np.tril(matrix)
    full = lower + lower.T
    np.fill_diagonal(full, matrix.diagonal())
    return full


def checked_symmetric(name: str, matrix: ArrayLike, size: int) -> Array:
    """A finite symmetric matrix of SIZE, or a ValueError."""
    found = checked_array(name, matrix, (size, size))
    if not np.allclose(found, found.T, rtol=1e-10, atol=1e-10 * np.abs(found).max()):
        raise ValueError(f"{name} must be symmetric")
    return symmetrised(found)


def checked_positive_definite(name: str, matrix: ArrayLike, size: int) -> Array:
    """A finite positive definite matrix of SIZE, or a ValueError."""
    found = checked_symmetric(name, matrix, size)
    try:
        cholesky(found)
    except np.linalg.LinAlgError:
        raise ValueError(f"{name} must be positive definite") from None
    return found


def cholesky(matrix: Array) -> Array:
    """Lower Cholesky factor, or a LinAlgError."""
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def inverse(matrix: Array) -> Array:
    """Inverse of a square matrix."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def solution(matrix: Array, right: Array) -> Array:
    """Solution x of matrix x = right."""
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
