"""A matrix product whose sums are added in one order.

A library's product may add in another order for another number of rows or threads. Here element (i, k) is the sum over
j = 0, 1, ... one by one, with no fused operations, so its bits depend on row i and column k alone.
"""

from mfattn.compilation import compiled, inlined

TERMS, COLUMNS = 64, 512
"""Of a tile of the right matrix that stays in the cache while the rows pass."""


@compiled
def ordered_product(left, right, first, last, out):
    """Rows FIRST <= i < LAST of OUT = LEFT @ RIGHT."""
    out[first:last] = 0.0
    for start in range(0, right.shape[1], COLUMNS):
        stop = min(start + COLUMNS, right.shape[1])
        for top in range(0, right.shape[0], TERMS):
            bottom = min(top + TERMS, right.shape[0])
            for row in range(first, last):
                _add_terms(left[row, top:bottom], right, top, start, stop, out[row, start:stop])


@inlined
def _add_terms(weights, right, top, start, stop, sums):
    # Four terms at a time, one after the other: a sum is loaded and stored once for all of them.
    fours = len(weights) // 4 * 4
    for j in range(0, fours, 4):
        a, b, c, d = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        first, second = right[top + j][start:stop], right[top + j + 1][start:stop]
        third, fourth = right[top + j + 2][start:stop], right[top + j + 3][start:stop]
        for k in range(len(sums)):
            sums[k] = (((sums[k] + a * first[k]) + b * second[k]) + c * third[k]) + d * fourth[k]
    for j in range(fours, len(weights)):
        row = right[top + j][start:stop]
        for k in range(len(sums)):
            sums[k] += weights[j] * row[k]
