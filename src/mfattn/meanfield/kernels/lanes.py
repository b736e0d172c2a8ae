"""Lanes: a vector of doubles as a Numba type, with the operators that the kernels use."""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Points that a pack holds: two vectors of the widest registers, so that their latencies overlap."""


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
square_root = _unary(lambda builder, x: _llvm(builder, "sqrt", [x]))
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


@_unary
def mantissa(builder, x):
    """m of x = m 2^k with 1 <= m < 2, for normal x > 0."""
    fraction = builder.and_(builder.bitcast(x, _WORDS), _words((1 << 52) - 1))
    return builder.bitcast(builder.or_(fraction, _words(1023 << 52)), _DOUBLES)


@_unary
def shifted_exponent(builder, x):
    """2^52 + 1023 + k of x = m 2^k, for normal x > 0."""
    exponents = builder.lshr(builder.bitcast(x, _WORDS), _words(52))
    return builder.bitcast(builder.or_(exponents, _words(1075 << 52)), _DOUBLES)


@intrinsic
def where_less(typing_context, x, y, less, otherwise):
    """LESS in the lanes where x < y, OTHERWISE elsewhere."""

    def emit(builder, x, y, less, otherwise):
        return builder.select(builder.fcmp_ordered("<", x, y), less, otherwise)

    return _signature((x, y, less, otherwise)), _generate(emit)


@intrinsic
def any_less(typing_context, x, y):
    """Whether x < y in any lane."""

    def codegen(context, builder, signature, arguments):
        x, y = (_as_lanes(builder, *pair) for pair in zip(signature.args, arguments, strict=True))
        mask = builder.bitcast(builder.fcmp_ordered("<", x, y), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0))

    return types.boolean(*_signature((x, y)).args), codegen


def _row_pointer(context, builder, array_type, array, row, vector=_DOUBLES):
    data = context.make_array(array_type)(context, builder, array).data
    start = builder.gep(data, [builder.mul(row, ir.Constant(row.type, LANES))])
    return builder.bitcast(start, vector.as_pointer())


@intrinsic
def address(typing_context, array):
    """Address of the first number of an array."""

    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), codegen


@intrinsic
def scalar(typing_context, array, index):
    """Number at INDEX of a C-contiguous array of doubles, read flat; an index is not checked, which costs as much."""

    def codegen(context, builder, signature, arguments):
        array, index = arguments
        return builder.load(builder.gep(context.make_array(signature.args[0])(context, builder, array).data, [index]))

    return types.float64(array, types.intp), codegen


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


@intrinsic
def uniform(typing_context, streams, active):
    """A number of each lane's stream, one of 2^52 that lie evenly and symmetrically in (0, 1).

    STREAMS holds four rows of words, the state of SFC64; it advances in the lanes where ACTIVE is greater than 0.
    """

    def codegen(context, builder, signature, arguments):
        streams, active = arguments
        pointers = [
            _row_pointer(context, builder, signature.args[0], streams, ir.Constant(ir.IntType(64), row), _WORDS)
            for row in range(4)
        ]
        a, b, c, counter = state = [builder.load(pointer, align=8) for pointer in pointers]
        word = builder.add(builder.add(a, b), counter)
        rotated = builder.or_(builder.shl(c, _words(24)), builder.lshr(c, _words(40)))
        after = (
            builder.xor(b, builder.lshr(b, _words(11))),
            builder.add(c, builder.shl(c, _words(3))),
            builder.add(rotated, word),
            builder.add(counter, _words(1)),
        )
        moves = builder.fcmp_ordered(">", active, _as_lanes(builder, types.float64, ir.Constant(ir.DoubleType(), 0.0)))
        for pointer, new, old in zip(pointers, after, state, strict=True):
            builder.store(builder.select(moves, new, old), pointer, align=8)
        # Its upper 52 bits as the fraction of a number from 1 to 2.
        fraction = builder.or_(builder.lshr(word, _words(12)), _words(1023 << 52))
        less = ir.Constant(_DOUBLES, [1.0 - 2.0**-53] * LANES)
        return builder.fsub(builder.bitcast(fraction, _DOUBLES), less)

    return lanes(streams, active), codegen
