"""Matrix products in parts that a library computes on the thread that calls it.

Threads of the library would meet at every small product, and cost more than they gain where the caller has threads of
its own. Nor do the bits of a result depend on their number.
"""

import numpy as np

from mfattn.paths.checks import Array

MULTIPLICATIONS = 2**18
"""Of a part: OpenBLAS takes threads for more."""


def product(left: Array, right: Array) -> Array:
    """LEFT @ RIGHT, columns part by part, for a RIGHT of many columns.

    >>> product(np.ones((2, 3)), np.ones((3, 1))).ravel()
    array([3., 3.])
    """
    found = np.empty((len(left), right.shape[1]))
    step = _step(left)
    for start in range(0, right.shape[1], step):
        part = slice(start, start + step)
        np.matmul(left, right[:, part], out=found[:, part])
    return found


def contraction(left: Array, right: Array) -> Array:
    """LEFT @ RIGHT.T, the sum part by part, for many columns.

    >>> contraction(np.ones((2, 3)), np.ones((1, 3))).ravel()
    array([3., 3.])
    """
    found = np.zeros((len(left), len(right)))
    step = _step(found)
    for start in range(0, left.shape[1], step):
        part = slice(start, start + step)
        found += left[:, part] @ right[:, part].T
    return found


def _step(matrix: Array) -> int:
    """Columns or terms of a part."""
    return max(1, MULTIPLICATIONS // matrix.size)
