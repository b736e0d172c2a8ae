"""Distances from every address of a range of groups to every row of a list."""

import numpy as np

from mfattn.compilation import compiled, inlined
from mfattn.sdm.kernels.popcount import LANES, chunk_distances, plus, store_lanes

TILE = 16
"""Groups that stay in the cache while the rows pass."""


@inlined
def group_distances(groups, group, words, row, size):
    """Distances of one group's addresses to one row, a vector."""
    chunks = words.shape[1] // len(size)
    total = chunk_distances(groups, group * chunks, words, row * chunks, size)
    for chunk in range(1, chunks):
        total = plus(total, chunk_distances(groups, group * chunks + chunk, words, row * chunks + chunk, size))
    return total


@compiled
def distances(groups, words, first, last, out, size):
    """Write to OUT (rows, LANES * groups) the distances of rows FIRST <= row < LAST to all addresses."""
    addresses = LANES * groups.shape[0]
    for tile in range(0, groups.shape[0], TILE):
        for row in range(first, last):
            for group in range(tile, min(tile + TILE, groups.shape[0])):
                store_lanes(out, row * addresses + group * LANES, group_distances(groups, group, words, row, size))


@compiled
def histograms(groups, first, last, addresses, words, counts, size):
    """Add to COUNTS (rows, n + 1) how many addresses of groups FIRST <= group < LAST lie at each distance from a row.

    Only the first ADDRESSES of all groups are addresses; the others fill up the last group.
    """
    found = np.empty(LANES, dtype=np.int64)
    for tile in range(first, last, TILE):
        for row in range(words.shape[0]):
            for group in range(tile, min(tile + TILE, last)):
                store_lanes(found, 0, group_distances(groups, group, words, row, size))
                for lane in range(min(LANES, addresses - group * LANES)):
                    counts[row, found[lane]] += 1
