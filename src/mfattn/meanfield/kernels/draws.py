"""Binomial draws of lanes, each from a stream of its own.

A lane's stream is NumPy's SFC64 [1]_, word for word. A binomial count comes from the inversion of its distribution
where its mean is below `INVERTED`, and from Hörmann's transformed rejection with squeeze (BTRS) [2]_ elsewhere. Both
are exact but for the rounding of float64. All lanes of a pack take part in every attempt; a lane that has its count
neither changes it nor moves in its stream.

References
----------
.. [1] C. Doty-Humphrey, PractRand, sfc64; in NumPy `numpy.random.SFC64`.
.. [2] W. Hörmann, The generation of binomial random variates, J. Stat. Comput. Simul. 46, 101 (1993).
"""

import numpy as np

from mfattn.compilation import inlined
from mfattn.meanfield.kernels.elementary import exponential, logarithm
from mfattn.meanfield.kernels.lanes import (
    LANES,
    absolute,
    any_less,
    copy_sign,
    everywhere,
    fma,
    larger,
    load,
    round_down,
    smaller,
    square_root,
    store,
    uniform,
    where_less,
)

INVERTED = 30.0
"""Mean below which the distribution is inverted."""

NEGLIGIBLE = 2.0**-55
"""Share of a count that no uniform number can be told to lie in."""

DRAW_ROWS = 3
"""Rows of the working memory of a draw."""

_TABULATED = 10.0
_FACTORIAL_TAILS = np.array(
    [
        0.08106146679532726,
        0.0413406959554093,
        0.02767792568499834,
        0.020790672103765093,
        0.016644691189821193,
        0.013876128823070748,
        0.01189670994589177,
        0.010411265261972096,
        0.009255462182712733,
        0.00833056343336287,
    ]
)
"""log k! - [(k + 1/2) log(k + 1) - (k + 1) + log(2 pi)/2] for k = 0 .. 9."""


@inlined
def _factorial_tail(count, rows):
    """What Stirling's formula for log(count!) leaves out."""
    inverse = 1.0 / (count + 1.0)
    square = inverse * inverse
    tail = inverse * fma(square, fma(square, 1.0 / 1260.0, -1.0 / 360.0), 1.0 / 12.0)
    if any_less(count, _TABULATED):
        store(rows, 0, tail)
        store(rows, 1, count)
        for lane in range(LANES):
            if 0.0 <= rows[1, lane] < _TABULATED:
                rows[0, lane] = _FACTORIAL_TAILS[np.intp(rows[1, lane])]
        tail = load(rows, 0)
    return tail


@inlined
def _invert(bits, odds, mean, active, streams):
    """Counts by inversion: the share of each count is taken from a uniform number, until none is left of it.

    In the lanes that are not ACTIVE the count is 0.
    """
    total = 1.0 + odds
    # log(1 + odds), accurate also where the sum is rounded to 1 (Kahan).
    rounded = total - 1.0
    log1p = where_less(0.0, rounded, logarithm(total) * (odds / rounded), odds)
    share = exponential(0.0 - bits * log1p)
    rest = where_less(0.0, active, uniform(streams, active), 0.0)
    result, count = everywhere(0.0), 0.0
    while any_less(share, rest):
        rest = rest - share
        count += 1.0
        share = larger(share * (fma(bits + 1.0, 1.0 / count, -1.0) * odds), 0.0)
        # Far above the mean, and beyond the last count, what is left of the number is rounding.
        rest = where_less(where_less(count, mean, -1.0, NEGLIGIBLE), share, rest, 0.0)
        result = where_less(0.0, rest, count, result)
    return result


@inlined
def _reject(bits, odds, active, streams, rows):
    """Counts by transformed rejection; 0 in the lanes that are not ACTIVE."""
    bits, odds = where_less(0.0, active, bits, 4.0 * INVERTED), where_less(0.0, active, odds, 1.0)
    rare, usual = odds / (1.0 + odds), 1.0 / (1.0 + odds)
    mean = bits * rare
    deviation = square_root(mean * usual)
    width = fma(2.53, deviation, 1.15)
    skew = fma(0.0248, width, fma(0.01, rare, -0.0873))
    inverse_width = 1.0 / width
    squeeze, height_scale = fma(-4.2, inverse_width, 0.92), fma(5.1, inverse_width, 2.83) * deviation
    mode = round_down((bits + 1.0) * rare)
    above_mode = bits - mode + 1.0
    peak = _factorial_tail(mode, rows) + _factorial_tail(bits - mode, rows)
    peak = fma(mode + 0.5, logarithm((mode + 1.0) / (odds * above_mode)), peak)
    result = everywhere(0.0)
    while any_less(0.0, active):
        height, place = uniform(streams, active), uniform(streams, active) - 0.5
        edge = 0.5 - absolute(place)
        inverse_edge = 1.0 / edge
        count = round_down(fma(fma(2.0 * skew, inverse_edge, width), place, mean + 0.5))
        # Negative where the attempt is not, or not yet, accepted.
        accepted = smaller(edge - 0.07, squeeze - height)
        if any_less(accepted, where_less(0.0, active, 0.0, -np.inf)):
            inside = smaller(count, bits - count)
            possible = where_less(inside, 0.0, mode, count)
            above = bits - possible + 1.0
            excess = peak - _factorial_tail(possible, rows) - _factorial_tail(bits - possible, rows)
            excess = fma(bits + 1.0, logarithm(above_mode / above), excess)
            excess = fma(possible + 0.5, logarithm(odds * above / (possible + 1.0)), excess)
            excess = excess - logarithm(height * height_scale / fma(skew * inverse_edge, inverse_edge, width))
            accepted = where_less(accepted, 0.0, where_less(inside, 0.0, -1.0, excess), accepted)
        found = where_less(accepted, 0.0, 0.0, active)
        result = where_less(0.0, found, count, result)
        active = active - found
    return result


@inlined
def draw_mean(field, bits, streams, rows):
    """Mean of BITS independent ±1, each of mean tanh(FIELD), in every lane.

    What is drawn is the count of the bits against the field's sign, each of probability 1 / (1 + exp(2|field|)):
    opposite fields give opposite means from the same stream.
    """
    odds = exponential(-2.0 * absolute(field))
    mean = bits * (odds / (1.0 + odds))
    counts = everywhere(0.0)
    if any_less(mean, INVERTED):
        counts = _invert(bits, odds, mean, where_less(mean, INVERTED, 1.0, 0.0), streams)
    if any_less(0.0, where_less(mean, INVERTED, 0.0, 1.0)):
        counts = counts + _reject(bits, odds, where_less(mean, INVERTED, 0.0, 1.0), streams, rows)
    return copy_sign(1.0, field) * ((bits - 2.0 * counts) / bits)
