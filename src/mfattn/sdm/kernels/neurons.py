"""Writing to and reading from the counters of the neurons near an address.

A range of neurons belongs to one thread, and takes its patterns in the order in which they are written. So clipped
counters, whose values depend on that order, are the same whatever the number of threads and the size of blocks.
"""

import numpy as np

from mfattn.compilation import compiled, inlined
from mfattn.sdm.kernels.popcount import LANES, lanes_within, lowest_lane, store_lanes
from mfattn.sdm.kernels.scan import TILE, group_distances


@inlined
def _mark_near(near, groups, first, last, neurons, words, row, radius, size):
    """Bits of the lanes within RADIUS of a row, for every group of a tile; returns whether there may be any."""
    anywhere = 0
    for group in range(first, last):
        near[group - first] = lanes_within(group_distances(groups, group, words, row, size), radius)
        anywhere |= near[group - first]
    if last * LANES > neurons:
        # What fills up the last group is no neuron.
        near[last - 1 - first] &= (1 << (neurons - (last - 1) * LANES)) - 1
    return anywhere != 0


@inlined
def _add_clipped(counters, signs, limit, direction):
    """Add DIRECTION times the signs to a row of counters, but for those that would leave -LIMIT .. LIMIT."""
    for k in range(counters.shape[0]):
        # Equalities of small integers vectorise in their own width; a minimum would widen them, four times slower.
        up = (signs[k] == direction) & (counters[k] != limit)
        down = (signs[k] != direction) & (counters[k] != -limit)
        counters[k] = counters[k] + up - down


@inlined
def _add_weighted(counters, weight, sums):
    if weight == 1:
        for k in range(counters.shape[0]):
            sums[k] += counters[k]
    else:
        for k in range(counters.shape[0]):
            sums[k] += weight * counters[k]


@compiled
def write(groups, first, last, neurons, words, radii, signs, counters, writes, limit, direction, size):
    """Add DIRECTION (1 or -1) times the signs of every row to the counters of the neurons within its radius.

    Groups FIRST <= group < LAST take part, and of their addresses the first NEURONS of all groups. LIMIT has the type
    of the counters, DIRECTION that of the signs.
    """
    near = np.empty(TILE, dtype=np.int64)
    for tile in range(first, last, TILE):
        for row in range(words.shape[0]):
            if not _mark_near(near, groups, tile, min(tile + TILE, last), neurons, words, row, radii[row], size):
                continue
            for group in range(tile, min(tile + TILE, last)):
                mask = near[group - tile]
                while mask != 0:
                    neuron = group * LANES + lowest_lane(mask)
                    mask &= mask - 1
                    _add_clipped(counters[neuron], signs[row], limit, direction)
                    writes[neuron] += direction


@compiled
def read(groups, first, last, neurons, words, radii, weights, counters, writes, sums, totals, active, size):
    """Add to SUMS (rows, values), TOTALS and ACTIVE (rows) the counters, writes and number of the neurons near a row.

    WEIGHTS (n + 1) are integers by distance, which multiply counters and writes.
    """
    near, found = np.empty(TILE, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    for tile in range(first, last, TILE):
        for row in range(words.shape[0]):
            if not _mark_near(near, groups, tile, min(tile + TILE, last), neurons, words, row, radii[row], size):
                continue
            for group in range(tile, min(tile + TILE, last)):
                mask = near[group - tile]
                if mask != 0:
                    store_lanes(found, 0, group_distances(groups, group, words, row, size))
                while mask != 0:
                    lane = lowest_lane(mask)
                    mask &= mask - 1
                    neuron, weight = group * LANES + lane, weights[found[lane]]
                    active[row] += 1
                    totals[row] += weight * writes[neuron]
                    if writes[neuron] != 0:
                        _add_weighted(counters[neuron], weight, sums[row])
