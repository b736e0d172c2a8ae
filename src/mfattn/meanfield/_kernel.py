"""Compiled kernels of the mean-field map: the step, the orbit and its streaming reduction.

Everything that a cached kernel inlines stands in this one file, because Numba's cache on disk notices edits of the
file that defines a kernel and of no other.

Points of a batch travel in *packs* of `LANES`. A pack's state is an array whose last axis runs over its lanes, and every
operation on it is one vector instruction (or a few) of the processor: the type `Lanes` below is that last axis. Vectors
are written out, not left to the compiler's loop vectoriser, so that the speed does not hang on its mood, and so that
a lane's arithmetic is the same whatever the pack it rides in. No fast-math flag anywhere: a fused multiply-add
happens where `fma` says so and nowhere else, which is why the bits agree between processors.
"""

import math
import operator
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Points that a pack holds: two vectors of the widest registers, so that their latencies overlap."""

CHUNK = 128
"""Recorded steps between two reductions: the chunk of a pack stays in the second-level cache."""

inlined = njit(forceinline=True, error_model="numpy")
compiled = njit(cache=True, nogil=True, error_model="numpy")


# ---------------------------------------------------------------------------------------------------------------------
# Lanes: a vector of LANES doubles as a Numba type, with the operators that the kernels use.
# ---------------------------------------------------------------------------------------------------------------------


class LanesType(types.Type):
    """Numba type of a vector of `LANES` doubles that lives in registers."""

    def __init__(self):
        super().__init__(f"Lanes({LANES})")


lanes = LanesType()
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_WORDS = ir.VectorType(ir.IntType(64), LANES)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _DOUBLES)


def _words(value):
    return ir.Constant(_WORDS, [value] * LANES)


def _as_lanes(builder, numba_type, value):
    """A vector as it is; a double copied to every lane."""
    if isinstance(numba_type, LanesType):
        return value
    undefined = ir.Constant(_DOUBLES, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, everywhere)


def _llvm(builder, name, arguments):
    """Call the LLVM intrinsic NAME on vectors."""
    signature = ir.FunctionType(_DOUBLES, [_DOUBLES] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{LANES}f64")
    return builder.call(function, arguments)


def _signature(arguments):
    return lanes(*(lanes if isinstance(argument, LanesType) else types.float64 for argument in arguments))


def _generate(emit):
    """Code generator that hands EMIT its arguments as vectors."""

    def codegen(context, builder, signature, arguments):
        vectors = [_as_lanes(builder, *pair) for pair in zip(signature.args, arguments, strict=True)]
        return emit(builder, *vectors)

    return codegen


def _unary(emit):
    @intrinsic
    def operation(typing_context, x):
        return _signature((x,)), _generate(emit)

    return operation


def _binary(emit):
    @intrinsic
    def operation(typing_context, x, y):
        return _signature((x, y)), _generate(emit)

    return operation


def _bind_operator(symbol, operation):
    @overload(symbol)
    def choose(x, y):
        if isinstance(x, LanesType) or isinstance(y, LanesType):
            return lambda x, y: operation(x, y)


for _symbol, _instruction in (
    (operator.add, lambda builder, x, y: builder.fadd(x, y)),
    (operator.sub, lambda builder, x, y: builder.fsub(x, y)),
    (operator.mul, lambda builder, x, y: builder.fmul(x, y)),
    (operator.truediv, lambda builder, x, y: builder.fdiv(x, y)),
):
    _bind_operator(_symbol, _binary(_instruction))

everywhere = _unary(lambda builder, x: x)
absolute = _unary(lambda builder, x: _llvm(builder, "fabs", [x]))
round_down = _unary(lambda builder, x: _llvm(builder, "floor", [x]))
copy_sign = _binary(lambda builder, x, y: _llvm(builder, "copysign", [x, y]))
larger = _binary(lambda builder, x, y: builder.select(builder.fcmp_ordered(">", x, y), x, y))
smaller = _binary(lambda builder, x, y: builder.select(builder.fcmp_ordered("<", x, y), x, y))


@intrinsic
def fma(typing_context, x, y, z):
    """x * y + z, rounded once."""
    return _signature((x, y, z)), _generate(lambda builder, *xyz: _llvm(builder, "fma", xyz))


@_unary
def power_of_two(builder, shifted):
    """2^k from k + `_SHIFTER`: k stands in the low bits of the sum, and moves to the exponent."""
    bits = builder.shl(builder.bitcast(shifted, _WORDS), _words(52))
    return builder.bitcast(builder.add(bits, _words(1023 << 52)), _DOUBLES)


def _row_pointer(context, builder, array_type, array, row, element=_DOUBLES):
    data = context.make_array(array_type)(context, builder, array).data
    start = builder.gep(data, [builder.mul(row, ir.Constant(row.type, LANES))])
    return builder.bitcast(start, element.as_pointer())


@intrinsic
def load(typing_context, array, row):
    """Row ROW of a C-contiguous array of doubles, counted in vectors."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_row_pointer(context, builder, signature.args[0], *arguments), align=8)

    return lanes(array, types.intp), codegen


@intrinsic
def store(typing_context, array, row, vector):
    """Write VECTOR to row ROW of a C-contiguous array of doubles."""

    def codegen(context, builder, signature, arguments):
        array, row, vector = arguments
        builder.store(vector, _row_pointer(context, builder, signature.args[0], array, row), align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), codegen


@intrinsic
def store_whole_numbers(typing_context, array, row, vector):
    """Write VECTOR, which holds whole numbers, to row ROW of an int32 array."""

    def codegen(context, builder, signature, arguments):
        array, row, vector = arguments
        numbers = ir.VectorType(ir.IntType(32), LANES)
        pointer = _row_pointer(context, builder, signature.args[0], array, row, numbers)
        builder.store(builder.fptosi(vector, numbers), pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), codegen


@intrinsic
def lanes_below(typing_context, vector, bound):
    """Bit mask of the lanes whose value is less than BOUND."""

    def codegen(context, builder, signature, arguments):
        vectors = [_as_lanes(builder, *pair) for pair in zip(signature.args, arguments, strict=True)]
        mask = builder.bitcast(builder.fcmp_ordered("<", *vectors), ir.IntType(LANES))
        return builder.zext(mask, ir.IntType(64))

    return types.int64(lanes, types.float64), codegen


# ---------------------------------------------------------------------------------------------------------------------
# exp and tanh: range reduction by ln 2 and a polynomial, 1 and 2 units in the last place.
# ---------------------------------------------------------------------------------------------------------------------

_SHIFTER = 1.5 * 2.0**52
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471805599453
_LN2_LOW = 2.3190468138462996e-17
_C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11, _C12, _C13 = (1.0 / math.factorial(n) for n in range(2, 14))


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
def hyperbolic_tangent(x):
    """tanh(x), odd to the bit and relatively accurate down to the smallest numbers."""
    expm1, power = _reduced_expm1(larger(-2.0 * absolute(x), -80.0))
    e = fma(power, expm1, power - 1.0)
    return copy_sign(e / (e + 2.0), x)


# ---------------------------------------------------------------------------------------------------------------------
# The map.
# ---------------------------------------------------------------------------------------------------------------------

OUTPUT, VALUE, QUERY, KEY = range(4)
BETA, LOGIT_SCALE, SEMANTIC_SHARE, POSITION_SHARE = range(4)


class Tables(NamedTuple):
    """What all points share: the sizes and the column classes.

    `features` is a tuple of length M where M <= 3 (its length is a constant to the compiler, and loops over features
    unroll) and the number M elsewhere.
    """

    features: tuple[int, ...] | int
    signs: np.ndarray  # (J, M)
    couplings: np.ndarray  # (4, J, M)
    position_fields: np.ndarray  # (4, L, M)


class Window(NamedTuple):
    """State of the packs; the token at position r stands in row r."""

    attention: np.ndarray  # (packs, L, M, LANES)
    position: np.ndarray  # (packs,) of the newest token
    filled: np.ndarray  # (packs,) tokens in the window
    parameters: np.ndarray  # (packs, 4, LANES): beta, gamma/sqrt(M), 1 - epsilon, epsilon


class Scratch(NamedTuple):
    """Working memory of one pack."""

    tanh: np.ndarray  # (J, LANES)
    fields: np.ndarray  # (4, M, LANES) of the newest token; the output field's row is its semantic part
    values: np.ndarray  # (L, M, LANES)
    keys: np.ndarray  # (L, M, LANES)
    logits: np.ndarray  # (L, LANES)


def number(features):
    """The number of features, from either form of `Tables.features`."""
    return len(features) if isinstance(features, tuple) else features


@overload(number, inline="always")
def _number(features):
    if isinstance(features, types.BaseTuple):
        constant = len(features)
        return lambda features: constant
    return lambda features: features


@inlined
def _new_scratch(tables):
    features, classes, context = number(tables.features), tables.signs.shape[0], tables.position_fields.shape[1]
    return Scratch(
        np.empty((classes, LANES)),
        np.empty((4, features, LANES)),
        np.empty((context, features, LANES)),
        np.empty((context, features, LANES)),
        np.empty((context, LANES)),
    )


@inlined
def _semantic_field(tables, parameters, tanh, field, feature):
    """(1 - epsilon) Sum_j G_{j,a} tanh_j."""
    total = tables.couplings[field, 0, feature] * load(tanh, 0)
    for j in range(1, tables.signs.shape[0]):
        total = fma(tables.couplings[field, j, feature], load(tanh, j), total)
    return load(parameters, SEMANTIC_SHARE) * total


@inlined
def _compute_fields(tables, parameters, attention, position, scratch):
    """Value, query and key fields of the token at POSITION; its value and key enter the ring."""
    features = number(tables.features)
    newest = position * features
    beta = load(parameters, BETA)
    for j in range(tables.signs.shape[0]):
        overlap = tables.signs[j, 0] * load(attention, newest)
        for b in range(1, features):
            overlap = fma(tables.signs[j, b], load(attention, newest + b), overlap)
        store(scratch.tanh, j, hyperbolic_tangent(beta * overlap))
    share = load(parameters, POSITION_SHARE)
    for field in range(VALUE, KEY + 1):
        for a in range(features):
            semantic = _semantic_field(tables, parameters, scratch.tanh, field, a)
            store(scratch.fields, field * features + a, fma(share, tables.position_fields[field, position, a], semantic))
    for a in range(features):
        store(scratch.values, newest + a, load(scratch.fields, VALUE * features + a))
        store(scratch.keys, newest + a, load(scratch.fields, KEY * features + a))


@inlined
def _attend(tables, parameters, filled, scratch, attention, produced):
    """A' = Sum_d softmax(logits)_d m^v_d, written to the row of position PRODUCED."""
    features = number(tables.features)
    scale = load(parameters, LOGIT_SCALE)
    top = everywhere(-np.inf)
    for d in range(filled):
        overlap = load(scratch.fields, QUERY * features) * load(scratch.keys, d * features)
        for a in range(1, features):
            query, key = load(scratch.fields, QUERY * features + a), load(scratch.keys, d * features + a)
            overlap = fma(query, key, overlap)
        logit = scale * overlap
        store(scratch.logits, d, logit)
        top = larger(top, logit)
    total = everywhere(0.0)
    for a in range(features):
        store(attention, produced * features + a, total)
    for d in range(filled):
        weight = exponential(load(scratch.logits, d) - top)
        total = total + weight
        for a in range(features):
            row = produced * features + a
            store(attention, row, fma(weight, load(scratch.values, d * features + a), load(attention, row)))
    inverse = 1.0 / total
    for a in range(features):
        row = produced * features + a
        store(attention, row, load(attention, row) * inverse)


@inlined
def _open_pack(tables, window, pack, scratch):
    """Values and keys of all tokens but the newest, from the attention vectors of the window."""
    context = tables.position_fields.shape[1]
    for age in range(1, window.filled[pack]):
        position = (window.position[pack] - age) % context
        _compute_fields(tables, window.parameters[pack], window.attention[pack], position, scratch)


@inlined
def _step(tables, window, pack, scratch):
    """One step of a pack, on the rings that `_open_pack` filled."""
    context = tables.position_fields.shape[1]
    position, filled = window.position[pack], window.filled[pack]
    parameters, attention = window.parameters[pack], window.attention[pack]
    _compute_fields(tables, parameters, attention, position, scratch)
    produced = position + 1 if position + 1 < context else 0
    _attend(tables, parameters, filled, scratch, attention, produced)
    window.position[pack] = produced
    window.filled[pack] = min(filled + 1, context)


@compiled
def advance(tables, window, steps):
    """Advance every pack by STEPS steps, in place."""
    scratch = _new_scratch(tables)
    for pack in range(window.position.size):
        _open_pack(tables, window, pack, scratch)
        for _ in range(steps):
            _step(tables, window, pack, scratch)


@inlined
def _recorded_step(tables, window, pack, scratch, record):
    """One step whose row of the record is A', the semantic output field, and the value, query and key fields."""
    features = number(tables.features)
    _step(tables, window, pack, scratch)
    produced = window.position[pack] * features
    for a in range(features):
        store(record, a, load(window.attention[pack], produced + a))
        semantic = _semantic_field(tables, window.parameters[pack], scratch.tanh, OUTPUT, a)
        store(record, features + a, semantic)
    for row in range(VALUE * features, 4 * features):
        store(record, features + row, load(scratch.fields, row))


@compiled
def record_orbits(tables, window, records):
    """Advance every pack and write every step to RECORDS (packs, steps, 5, M, LANES)."""
    scratch = _new_scratch(tables)
    for pack in range(window.position.size):
        _open_pack(tables, window, pack, scratch)
        for step in range(records.shape[1]):
            _recorded_step(tables, window, pack, scratch, records[pack, step])


# ---------------------------------------------------------------------------------------------------------------------
# Reduction while running.
# ---------------------------------------------------------------------------------------------------------------------

ORIGIN, SUM, SQUARES, MINIMUM, MAXIMUM = range(5)


class Binning(NamedTuple):
    """Bins of the rasters, half-width of the sections, and the rows of the record that are observed."""

    low: float
    high: float
    bins: int
    width: float
    rows: np.ndarray  # (families, F), rows of a recorded step


class Sums(NamedTuple):
    """Accumulators. Bin 0 counts what lies below the range and bin n + 1 what lies above it."""

    raster: np.ndarray  # (packs, LANES, families, F, bins + 2) counts
    section: np.ndarray  # (packs, LANES, families, F * (F - 1), bins + 2) counts
    moments: np.ndarray  # (packs, 5, families * F, LANES): first value, sum and sum of squares about it, extrema
    tail: np.ndarray  # (packs, steps kept, M, LANES): attention vectors, a ring over time


@inlined
def _bin_rows(record, binning, bins):
    """Bin of every observed value of one recorded step: floor((x - low) / (high - low) * n) + 1, clipped."""
    extent = binning.high - binning.low
    reciprocal = 1.0 / extent
    for row in range(binning.rows.size):
        distance = load(record, binning.rows.flat[row]) - binning.low
        # A quotient, a remainder and one correction: the bits of the division at a third of its time (Markstein 1990).
        estimate = distance * reciprocal
        quotient = fma(fma(estimate, -extent, distance), reciprocal, estimate)
        index = round_down(quotient * float(binning.bins)) + 1.0
        store_whole_numbers(bins, row, smaller(larger(index, 0.0), float(binning.bins + 1)))


@inlined
def _lanes_in_section(record, binning, family):
    """Bit mask of the lanes where any feature of the family lies within the width of zero."""
    mask = 0
    for row in binning.rows[family]:
        mask |= lanes_below(absolute(load(record, row)), binning.width)
    return mask


@inlined
def _count_section(record, binning, bins, family, lane, section):
    """For each ordered pair (i, j): the bin of feature i where feature j lies within the width of zero."""
    features = binning.rows.shape[1]
    for j in range(features):
        row = binning.rows[family, j]
        if abs(record[row // record.shape[1], row % record.shape[1], lane]) < binning.width:
            for i in range(features):
                if i != j:
                    pair = i * (features - 1) + (j if j < i else j - 1)
                    section[lane, family, pair, bins[family * features + i, lane]] += 1


@inlined
def _add_moments(record, binning, moments):
    for row in range(binning.rows.size):
        value = load(record, binning.rows.flat[row])
        size = binning.rows.size
        deviation = value - load(moments, ORIGIN * size + row)
        store(moments, SUM * size + row, load(moments, SUM * size + row) + deviation)
        store(moments, SQUARES * size + row, fma(deviation, deviation, load(moments, SQUARES * size + row)))
        store(moments, MINIMUM * size + row, smaller(value, load(moments, MINIMUM * size + row)))
        store(moments, MAXIMUM * size + row, larger(value, load(moments, MAXIMUM * size + row)))


@inlined
def _reduce(record, binning, bins, sums, pack):
    """Add one recorded step of a pack to its sums."""
    features = binning.rows.shape[1]
    _bin_rows(record, binning, bins)
    _add_moments(record, binning, sums.moments[pack])
    raster, section = sums.raster[pack], sums.section[pack]
    for family in range(binning.rows.shape[0]):
        for i in range(features):
            for lane in range(LANES):
                raster[lane, family, i, bins[family * features + i, lane]] += 1
        if features > 1:
            mask = _lanes_in_section(record, binning, family)
            if mask:
                for lane in range(LANES):
                    if (mask >> lane) & 1:
                        _count_section(record, binning, bins, family, lane, section)


@inlined
def _start_moments(record, binning, moments):
    for row in range(binning.rows.size):
        size = binning.rows.size
        value = load(record, binning.rows.flat[row])
        store(moments, ORIGIN * size + row, value)
        store(moments, MINIMUM * size + row, value)
        store(moments, MAXIMUM * size + row, value)


@compiled
def observe_orbits(tables, window, steps, recorded, binning, sums):
    """Advance every pack by STEPS steps and add them to SUMS; RECORDED steps were added before."""
    features = number(tables.features)
    scratch = _new_scratch(tables)
    records = np.empty((CHUNK, 5, features, LANES))
    bins = np.empty((binning.rows.size, LANES), np.int32)
    kept = sums.tail.shape[1]
    for pack in range(window.position.size):
        _open_pack(tables, window, pack, scratch)
        for start in range(0, steps, CHUNK):
            length = min(CHUNK, steps - start)
            for step in range(length):
                _recorded_step(tables, window, pack, scratch, records[step])
            if recorded == 0 and start == 0:
                _start_moments(records[0], binning, sums.moments[pack])
            for step in range(length):
                _reduce(records[step], binning, bins, sums, pack)
                sums.tail[pack, (recorded + start + step) % kept] = records[step, 0]
