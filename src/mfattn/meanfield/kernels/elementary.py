"""exp, tanh and log of lanes: range reduction by ln 2 and a polynomial, one to three units in the last place."""

import math

from mfattn.compilation import inlined
from mfattn.meanfield.kernels.lanes import (
    absolute,
    copy_sign,
    everywhere,
    fma,
    larger,
    mantissa,
    power_of_two,
    shifted_exponent,
    where_less,
)

_SHIFTER = 1.5 * 2.0**52
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471805599453
_LN2_LOW = 2.3190468138462996e-17
_C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11, _C12, _C13 = (1.0 / math.factorial(n) for n in range(2, 14))
_SQRT_2 = math.sqrt(2.0)
_ARTANH = tuple(1.0 / odd for odd in range(23, 1, -2))


@inlined
def _reduced_expm1(x):
    """(expm1(r), 2^k) with x = k ln 2 + r and |r| <= ln(2)/2, from Taylor's series to order 13."""
    shifted = fma(x, _LOG2_E, _SHIFTER)
    k = shifted - _SHIFTER
    r = fma(k, -_LN2_LOW, fma(k, -_LN2_HIGH, x))
    r2 = r * r
    r4 = r2 * r2
    low = fma(r2, fma(r, _C5, _C4), fma(r, _C3, _C2))
    middle = fma(r2, fma(r, _C9, _C8), fma(r, _C7, _C6))
    high = fma(r2, fma(r, _C13, _C12), fma(r, _C11, _C10))
    tail = fma(r4 * r4, high, fma(r4, middle, low))
    return fma(r2, tail, r), power_of_two(shifted)


@inlined
def exponential(x):
    """exp(x) for x <= 0; below -708, where the result would be subnormal, exp(-708)."""
    expm1, power = _reduced_expm1(larger(x, -708.0))
    return fma(power, expm1, power)


@inlined
def _decay(x):
    """exp(-2|x|) - 1 and exp(-2|x|), both relatively accurate."""
    expm1, power = _reduced_expm1(larger(-2.0 * absolute(x), -708.0))
    return fma(power, expm1, power - 1.0), fma(power, expm1, power)


@inlined
def hyperbolic_tangent(x):
    """tanh(x), odd to the bit and relatively accurate down to the smallest numbers."""
    decay_minus_1, _ = _decay(x)
    return copy_sign(decay_minus_1 / (decay_minus_1 + 2.0), x)


@inlined
def tangent_and_slope(x):
    """tanh(x), with the bits of `hyperbolic_tangent`, and its derivative 4 exp(-2|x|) / (1 + exp(-2|x|))^2."""
    decay_minus_1, decay = _decay(x)
    denominator = decay_minus_1 + 2.0
    return copy_sign(decay_minus_1 / denominator, x), 4.0 * decay / (denominator * denominator)


@inlined
def logarithm(x):
    """log(x) of normal x > 0, as k ln 2 + 2 artanh((m - 1) / (m + 1)) with x = m 2^k and m near 1."""
    m, k = mantissa(x), shifted_exponent(x) - (2.0**52 + 1023.0)
    k = where_less(_SQRT_2, m, k + 1.0, k)
    m = where_less(_SQRT_2, m, 0.5 * m, m)
    s = (m - 1.0) / (m + 1.0)
    s2 = s * s
    tail = everywhere(0.0)
    for coefficient in _ARTANH:
        tail = fma(tail, s2, coefficient)
    s = 2.0 * s
    return fma(k, _LN2_HIGH, fma(k, _LN2_LOW, fma(s * s2, tail, s)))
