"""Cholesky factors of many matrices, one after the other in the cache, and what a gradient needs of their inverses.

A library would use threads of its own for every matrix, though each is small and there are many; here the caller has
the threads, and the bits of a result depend on its matrix alone. Every inner loop adds four rows to another one, which
compilers vectorise without changing the order of a sum.
"""

# mypy: ignore-errors

import numpy as np

from mfattn.compilation import compiled, inlined

BLOCK = 32
"""Rows that stay in the cache while they are subtracted from all below."""


@compiled
def factorise(matrices):
    """Factors R with R^T R = M of matrices (n, size, size + columns), in place of their upper triangles.

    The columns beside become R^{-T} times themselves. Without a factor there is a NaN on the diagonal.
    """
    width = matrices.shape[2]
    for index in range(len(matrices)):
        matrix = matrices[index]
        size = len(matrix)
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            for i in range(start, size):
                _add_rows(matrix[i], -1.0, matrix, i, matrix, start, min(i, stop), i, width)
                if i < stop:
                    _scale(matrix[i], 1.0 / np.sqrt(matrix[i, i]), i, width)


@compiled
def inverses(factors, out):
    """Lower triangles of (R^T R)^{-1} - alpha alpha^T with alpha = (R^T R)^{-1} y, of what `factorise` gave.

    The rest of OUT, of the shape of FACTORS, is zero.
    """
    size = factors.shape[1]
    inverse = np.zeros((size, size))  # of the lower factor
    alpha = np.zeros((1, size))
    out[:] = 0.0
    for index in range(len(factors)):
        factor, found = factors[index], out[index]
        for i in range(size):
            inverse[i, : i + 1] = 0.0
            inverse[i, i] = 1.0
            _add_rows(inverse[i], -1.0, factor, i, inverse, 0, i, 0, i)
            _scale(inverse[i], 1.0 / factor[i, i], 0, i + 1)
        alpha[:] = 0.0
        _add_rows(alpha[0], 1.0, factor, size, inverse, 0, size, 0, size)
        for i in range(size):
            _add_rows(found[i], 1.0, inverse, i, inverse, i, size, 0, i + 1)
            _add_rows(found[i], -1.0, alpha, i, alpha, 0, 1, 0, i + 1)


@inlined
def _add_rows(target, sign, weights, column, rows, first, last, left, right):
    # TARGET[left:right] += SIGN * the sum over m = first ... last - 1 of WEIGHTS[m, column] * ROWS[m, left:right].
    fours = first + (last - first) // 4 * 4
    sums = target[left:right]
    for m in range(first, fours, 4):
        a, b = sign * weights[m, column], sign * weights[m + 1, column]
        c, d = sign * weights[m + 2, column], sign * weights[m + 3, column]
        one, two = rows[m, left:right], rows[m + 1, left:right]
        three, four = rows[m + 2, left:right], rows[m + 3, left:right]
        for k in range(len(sums)):
            sums[k] += ((a * one[k] + b * two[k]) + c * three[k]) + d * four[k]
    for m in range(fours, last):
        a, one = sign * weights[m, column], rows[m, left:right]
        for k in range(len(sums)):
            sums[k] += a * one[k]


@inlined
def _scale(row, factor, left, right):
    for k in range(left, right):
        row[k] *= factor
