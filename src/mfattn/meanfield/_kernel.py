"""Compiled kernels of the mean-field map: the step, the orbit and its streaming reduction.

Everything that a cached kernel inlines stands in this one file, because Numba's cache on disk notices edits of the
file that defines a kernel and of no other.

Points of a batch travel in *packs* of `LANES`. A pack's state is an array whose last axis runs over its lanes, and
every operation on it is one vector instruction (or a few) of the processor: the type `LanesType` below is that axis.
Vectors are written out, not left to the compiler's loop vectoriser, so that the speed does not hang on its mood, and so
that a lane's arithmetic is the same whatever the pack it rides in. No fast-math flag anywhere: a fused multiply-add
happens where `fma` says so and nowhere else, which is why the bits agree between processors.
"""

import contextlib
import math
import operator
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Points that a pack holds: two vectors of the widest registers, so that their latencies overlap."""

CHUNK, COUNTED = 32, 512
"""Recorded steps that are binned, and that are counted, together: the former stay in the first-level cache."""

GROUP = 4
"""Lanes whose counters are raised together."""

# A mask of the lanes is a uint16, and four masks are looked at in one word.
assert LANES == 16
assert LANES % GROUP == COUNTED % CHUNK == COUNTED % 4 == 0

inlined = njit(forceinline=True, error_model="numpy")


class _ForgivingCache(FunctionCache):
    """Numba's cache on disk, without being a reason why a run fails: a damaged file is compiled and written anew."""

    def load_overload(self, signature, target_context):
        try:
            return super().load_overload(signature, target_context)
        except Exception:
            return None

    def save_overload(self, signature, data):
        try:
            super().save_overload(signature, data)
        except Exception:
            # The index is damaged, or the disk is full.
            with contextlib.suppress(Exception):
                self.flush()
                super().save_overload(signature, data)


def compiled(function):
    """Compile FUNCTION, cached on disk where there is a place to write."""
    dispatcher = njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):
        dispatcher._cache = _ForgivingCache(function)
    return dispatcher


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


def _row_pointer(context, builder, array_type, array, row, vector=_DOUBLES):
    data = context.make_array(array_type)(context, builder, array).data
    start = builder.gep(data, [builder.mul(row, ir.Constant(row.type, LANES))])
    return builder.bitcast(start, vector.as_pointer())


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
def store_indices(typing_context, indices, row, vector, stride):
    """Write to row ROW of an int32 array the whole numbers of VECTOR, that of lane n raised by n * STRIDE."""

    def codegen(context, builder, signature, arguments):
        indices, row, vector, stride = arguments
        numbers = ir.VectorType(ir.IntType(32), LANES)
        pointer = _row_pointer(context, builder, signature.args[0], indices, row, numbers)
        offsets = ir.Constant(numbers, ir.Undefined)
        for lane in range(LANES):
            offset = builder.mul(builder.trunc(stride, ir.IntType(32)), ir.Constant(ir.IntType(32), lane))
            offsets = builder.insert_element(offsets, offset, ir.Constant(ir.IntType(32), lane))
        builder.store(builder.add(builder.fptosi(vector, numbers), offsets), pointer, align=4)
        return context.get_dummy_value()

    return types.none(indices, types.intp, lanes, types.intp), codegen


@intrinsic
def count(typing_context, counts, start, indices, at):
    """counts[START + indices[AT]] += 1, both arrays read flat."""

    def codegen(context, builder, signature, arguments):
        counts, start, indices, at = arguments
        data = context.make_array(signature.args[2])(context, builder, indices).data
        index = builder.sext(builder.load(builder.gep(data, [at])), start.type)
        data = context.make_array(signature.args[0])(context, builder, counts).data
        counter = builder.gep(builder.gep(data, [start]), [index])
        builder.store(builder.add(builder.load(counter), ir.Constant(counter.type.pointee, 1)), counter)
        return context.get_dummy_value()

    return types.none(counts, types.intp, indices, types.intp), codegen


@intrinsic
def store_lanes_below(typing_context, masks, row, vector, bound):
    """Write to masks[ROW] the bits of the lanes whose value is less than BOUND."""

    def codegen(context, builder, signature, arguments):
        masks, row, vector, bound = arguments
        below = builder.fcmp_ordered("<", vector, _as_lanes(builder, types.float64, bound))
        pointer = builder.gep(context.make_array(signature.args[0])(context, builder, masks).data, [row])
        builder.store(builder.bitcast(below, ir.IntType(LANES)), pointer)
        return context.get_dummy_value()

    return types.none(masks, types.intp, lanes, types.float64), codegen


@intrinsic
def trailing_zeros(typing_context, mask):
    """Index of the lowest set bit of a MASK that is not 0."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


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
    couplings: np.ndarray  # (M, J, 4)
    position_fields: np.ndarray  # (L, M, 4)


class Window(NamedTuple):
    """State of the packs; the token at position r stands in row r."""

    attention: np.ndarray  # (packs, L, M, LANES)
    position: np.ndarray  # (packs,) of the newest token
    filled: np.ndarray  # (packs,) tokens in the window
    parameters: np.ndarray  # (packs, 4, LANES): beta, gamma/sqrt(M), 1 - epsilon, epsilon


class Scratch(NamedTuple):
    """Working memory of one pack."""

    tanh: np.ndarray  # (J, LANES)
    query: np.ndarray  # (M, LANES) of the newest token
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
    features, classes, context = number(tables.features), tables.signs.shape[0], tables.position_fields.shape[0]
    return Scratch(
        np.empty((classes, LANES)),
        np.empty((features, LANES)),
        np.empty((context, features, LANES)),
        np.empty((context, features, LANES)),
        np.empty((context, LANES)),
    )


@inlined
def _semantic_output(tables, parameters, tanh, feature):
    """(1 - epsilon) Sum_j G^o_{j,a} tanh_j."""
    total = tables.couplings[feature, 0, OUTPUT] * load(tanh, 0)
    for j in range(1, tables.signs.shape[0]):
        total = fma(tables.couplings[feature, j, OUTPUT], load(tanh, j), total)
    return load(parameters, SEMANTIC_SHARE) * total


@inlined
def _compute_fields(tables, parameters, attention, position, scratch):
    """Value, query and key fields of the token at POSITION; its value and key enter the ring."""
    features, classes = number(tables.features), tables.signs.shape[0]
    newest = position * features
    beta = load(parameters, BETA)
    for j in range(classes):
        overlap = tables.signs[j, 0] * load(attention, newest)
        for b in range(1, features):
            overlap = fma(tables.signs[j, b], load(attention, newest + b), overlap)
        store(scratch.tanh, j, hyperbolic_tangent(beta * overlap))
    semantic_share, share = load(parameters, SEMANTIC_SHARE), load(parameters, POSITION_SHARE)
    for a in range(features):
        coupling, code = tables.couplings[a], tables.position_fields[position, a]
        tanh = load(scratch.tanh, 0)
        value, query, key = coupling[0, VALUE] * tanh, coupling[0, QUERY] * tanh, coupling[0, KEY] * tanh
        for j in range(1, classes):
            tanh = load(scratch.tanh, j)
            value = fma(coupling[j, VALUE], tanh, value)
            query = fma(coupling[j, QUERY], tanh, query)
            key = fma(coupling[j, KEY], tanh, key)
        store(scratch.query, a, fma(share, code[QUERY], semantic_share * query))
        store(scratch.values, newest + a, fma(share, code[VALUE], semantic_share * value))
        store(scratch.keys, newest + a, fma(share, code[KEY], semantic_share * key))


@inlined
def _attend(tables, parameters, position, filled, scratch, attention, produced):
    """A' = Sum_d softmax(logits)_d m^v_d, written to the row of position PRODUCED."""
    features, context = number(tables.features), tables.position_fields.shape[0]
    scale = load(parameters, LOGIT_SCALE)
    # A full window is read in the order of its rows; one that is filling begins at its oldest token.
    oldest = 0 if filled == context else (position - filled + 1) % context
    top = everywhere(-np.inf)
    for d in range(filled):
        token = (oldest + d if oldest + d < context else oldest + d - context) * features
        overlap = load(scratch.query, 0) * load(scratch.keys, token)
        for a in range(1, features):
            overlap = fma(load(scratch.query, a), load(scratch.keys, token + a), overlap)
        logit = scale * overlap
        store(scratch.logits, d, logit)
        top = larger(top, logit)
    total = everywhere(0.0)
    result = produced * features
    for a in range(features):
        store(attention, result + a, total)
    for d in range(filled):
        token = (oldest + d if oldest + d < context else oldest + d - context) * features
        weight = exponential(load(scratch.logits, d) - top)
        total = total + weight
        for a in range(features):
            store(attention, result + a, fma(weight, load(scratch.values, token + a), load(attention, result + a)))
    inverse = 1.0 / total
    for a in range(features):
        store(attention, result + a, load(attention, result + a) * inverse)


@inlined
def _open_pack(tables, window, pack, scratch):
    """Values and keys of all tokens but the newest, from the attention vectors of the window."""
    context = tables.position_fields.shape[0]
    for age in range(1, window.filled[pack]):
        position = (window.position[pack] - age) % context
        _compute_fields(tables, window.parameters[pack], window.attention[pack], position, scratch)


@inlined
def _step(tables, window, pack, scratch):
    """One step of a pack, on the rings that `_open_pack` filled."""
    context = tables.position_fields.shape[0]
    position, filled = window.position[pack], window.filled[pack]
    parameters, attention = window.parameters[pack], window.attention[pack]
    _compute_fields(tables, parameters, attention, position, scratch)
    produced = position + 1 if position + 1 < context else 0
    _attend(tables, parameters, position, filled, scratch, attention, produced)
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
def _observed_step(tables, window, pack, scratch, record):
    """One step; A' and the semantic output field of the newest token before it go to rows 0 and 1 of the record."""
    features = number(tables.features)
    _step(tables, window, pack, scratch)
    produced = window.position[pack] * features
    for a in range(features):
        store(record, a, load(window.attention[pack], produced + a))
        store(record, features + a, _semantic_output(tables, window.parameters[pack], scratch.tanh, a))


@compiled
def record_orbits(tables, window, records):
    """Advance every pack and write A', then the semantic output, value, query and key fields of every step.

    RECORDS has shape (packs, steps, 5, M, LANES).
    """
    features = number(tables.features)
    scratch = _new_scratch(tables)
    for pack in range(window.position.size):
        _open_pack(tables, window, pack, scratch)
        for step in range(records.shape[1]):
            record, newest = records[pack, step], window.position[pack] * features
            _observed_step(tables, window, pack, scratch, record)
            for a in range(features):
                store(record, 2 * features + a, load(scratch.values, newest + a))
                store(record, 3 * features + a, load(scratch.query, a))
                store(record, 4 * features + a, load(scratch.keys, newest + a))


# ---------------------------------------------------------------------------------------------------------------------
# Reduction while running.
# ---------------------------------------------------------------------------------------------------------------------

ORIGIN, SUM, SQUARES, MINIMUM, MAXIMUM = range(5)


class Binning(NamedTuple):
    """Bins of the rasters, half-width of the sections, and what is observed."""

    low: float
    high: float
    bins: int
    width: float
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
    return smaller(larger(round_down(quotient * number), -1.0), number)


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
def _count_section(masks, j, bins, first_pair, stride, section):
    """At the noted steps and lanes where feature j is in the zero plane: count the bin of every other feature i."""
    features = bins.shape[0]
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
    observables, features = binning.rows.shape
    stride = LANES * (binning.bins + 2)
    for observable in range(observables):
        first = observable * features
        own = bins[first : first + features]
        for i in range(features):
            _count_raster(length, own[i], (first + i) * stride + 1, raster)
            _count_section(masks[first + i], i, own, first * (features - 1), stride, section)


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
    scratch = _new_scratch(tables)
    records = np.empty((CHUNK, 2 * features, LANES))
    bins = np.empty((rows.size, COUNTED, LANES), np.int32)
    masks = np.zeros((rows.size, COUNTED), np.uint16)
    for pack in range(window.position.size):
        _open_pack(tables, window, pack, scratch)
        moments, tail = sums.moments[pack], sums.tail[pack]
        done, slot = 0, recorded % kept
        while done < steps:
            noted = 0
            while noted < COUNTED and done < steps:
                length = min(CHUNK, steps - done)
                for step in range(length):
                    _observed_step(tables, window, pack, scratch, records[step])
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
