"""Reduction of orbits while they run: counts in bins, sections of the zero plane, moments, last steps."""

from typing import NamedTuple

import numpy as np

from mfattn.compilation import compiled, inlined
from mfattn.meanfield.kernels.lanes import (
    LANES,
    absolute,
    count,
    fma,
    larger,
    load,
    round_down,
    smaller,
    store,
    store_indices,
    store_lanes_below,
    trailing_zeros,
    where_less,
)
from mfattn.meanfield.kernels.step import new_rows, new_scratch, number, observed_step, open_pack

CHUNK, COUNTED = 64, 512
"""Recorded steps that are binned, and that are counted, together: the former stay in the first-level cache."""

GROUP = 4
"""Lanes whose counters are raised together."""

# A mask of the lanes is a uint16, and four masks are looked at in one word.
assert LANES == 16
assert LANES % GROUP == COUNTED % CHUNK == COUNTED % 4 == 0

ORIGIN, SUM, SQUARES, MINIMUM, MAXIMUM = range(5)


class Binning(NamedTuple):
    """Bins of the rasters, half-width of the sections, and what is observed."""

    low: float
    high: float
    bins: int
    width: float
    features: tuple[int, ...] | int  # F, in either form of `Tables.features`
    rows: np.ndarray  # (O, F) rows of a recorded step: the features of each observable


class Sums(NamedTuple):
    """Accumulators. Of each n + 2 counts the first is of what lies below the range, the last of what lies above it."""

    raster: np.ndarray  # (packs, O * F * LANES * (bins + 2)) counts
    section: np.ndarray  # (packs, O * F * (F - 1) * LANES * (bins + 2)) counts
    moments: np.ndarray  # (packs, O * F, 5, LANES): first value, sum and sum of squares about it, extrema
    tail: np.ndarray  # (packs, steps kept, M, LANES): attention vectors, a ring over time


@inlined
def _bin(value, binning):
    """floor((x - low) / (high - low) * n), clipped to -1 .. n."""
    extent = binning.high - binning.low
    reciprocal = 1.0 / extent
    distance = value - binning.low
    # A quotient, a remainder and one correction: the bits of the division at a third of its time (Markstein 1990).
    estimate = distance * reciprocal
    quotient = fma(fma(estimate, -extent, distance), reciprocal, estimate)
    number = float(binning.bins)
    # The sign of the distance, as a quotient near the smallest numbers can lose its own.
    return smaller(where_less(distance, 0.0, -1.0, round_down(quotient * number)), number)


@inlined
def _reduce_row(records, length, row, start, binning, moments, bins, masks):
    """Add LENGTH values of a row to its moments; note from step START on their bins and the lanes in the zero plane."""
    origin, total, squares = load(moments, ORIGIN), load(moments, SUM), load(moments, SQUARES)
    minimum, maximum = load(moments, MINIMUM), load(moments, MAXIMUM)
    rows = records.shape[1]
    for step in range(length):
        value = load(records, step * rows + row)
        deviation = value - origin
        total = total + deviation
        squares = fma(deviation, deviation, squares)
        minimum, maximum = smaller(value, minimum), larger(value, maximum)
        store_indices(bins, start + step, _bin(value, binning), binning.bins + 2)
        store_lanes_below(masks, start + step, absolute(value), binning.width)
    store(moments, SUM, total)
    store(moments, SQUARES, squares)
    store(moments, MINIMUM, minimum)
    store(moments, MAXIMUM, maximum)


@inlined
def _count_raster(length, bins, start, raster):
    """Count LENGTH steps of one row, a few lanes at a time, whose counters then stay in the first-level cache."""
    for group in range(0, LANES, GROUP):
        for step in range(length):
            for lane in range(group, group + GROUP):
                count(raster, start, bins, step * LANES + lane)


@inlined
def _count_section(masks, j, features, bins, first_pair, stride, section):
    """At the noted steps and lanes where feature j is in the zero plane: count the bin of every other feature i."""
    words = masks.view(np.int64)
    for word in range(words.size):
        remaining = words[word]
        words[word] = 0
        # The bits of four steps' masks in a row are the places of their lanes in the rows of bins.
        while remaining != 0:
            place = 64 * word + trailing_zeros(remaining)
            remaining &= remaining - 1
            for i in range(j):
                count(section, (first_pair + i * (features - 1) + j - 1) * stride + 1, bins[i], place)
            for i in range(j + 1, features):
                count(section, (first_pair + i * (features - 1) + j) * stride + 1, bins[i], place)


@inlined
def _count(length, binning, bins, masks, raster, section):
    """Add LENGTH noted steps of a pack to its counts."""
    observables, features = binning.rows.shape[0], number(binning.features)
    stride = LANES * (binning.bins + 2)
    for observable in range(observables):
        first = observable * features
        own = bins[first : first + features]
        for i in range(features):
            _count_raster(length, own[i], (first + i) * stride + 1, raster)
            _count_section(masks[first + i], i, features, own, first * (features - 1), stride, section)


@inlined
def _start_moments(record, rows, moments):
    for row in range(rows.size):
        first = load(record, rows[row])
        store(moments, row * 5 + ORIGIN, first)
        store(moments, row * 5 + MINIMUM, first)
        store(moments, row * 5 + MAXIMUM, first)


@compiled
def observe_orbits(tables, window, steps, recorded, binning, sums):
    """Advance every pack by STEPS steps and add them to SUMS; RECORDED steps were added before."""
    features, rows, kept = number(tables.features), binning.rows.ravel(), sums.tail.shape[1]
    memory = new_scratch(tables)
    records = new_rows(CHUNK * 2 * features).reshape(CHUNK, 2 * features, LANES)
    bins = np.empty((rows.size, COUNTED, LANES), np.int32)
    masks = np.zeros((rows.size, COUNTED), np.uint16)
    for pack in range(window.position.size):
        scratch = open_pack(tables, window, pack, memory)
        moments, tail = sums.moments[pack], sums.tail[pack]
        done, slot = 0, recorded % kept
        while done < steps:
            noted = 0
            while noted < COUNTED and done < steps:
                length = min(CHUNK, steps - done)
                for step in range(length):
                    observed_step(tables, window, pack, scratch, records[step])
                    for a in range(features):
                        store(tail, slot * features + a, load(records, step * 2 * features + a))
                    slot = slot + 1 if slot + 1 < kept else 0
                if recorded + done == 0:
                    _start_moments(records[0], rows, moments)
                for row in range(rows.size):
                    _reduce_row(records, length, rows[row], noted, binning, moments[row], bins[row], masks[row])
                noted += length
                done += length
            _count(noted, binning, bins, masks, sums.raster[pack], sums.section[pack])
