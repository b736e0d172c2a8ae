"""Hamming distances of eight addresses at once, as vectors of 64-bit words that live in registers.

Addresses travel in *groups* of `LANES`: word k of all addresses of a group is one vector. Counting the ones of 16 words
one by one takes six instructions a word; carry-save adders first add the words' bits column by column, so that five
words (ones, twos, fours, eights) hold the sums, and only these are counted [1]_. The vectors are written out, not left
to the compiler's loop vectoriser; every processor has some instructions for them.

References
----------
.. [1] W. Muła, N. Kurz and D. Lemire, Faster population counts using AVX2 instructions, Comput. J. 61, 111 (2018).
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 8
"""Addresses of a group: the words of the widest registers."""

CHUNK = 16
"""Words of an address that one call takes; longer addresses take several."""

_WORD = ir.IntType(64)
_WORDS = ir.VectorType(_WORD, LANES)
_BYTES = ir.VectorType(ir.IntType(8), 8 * LANES)


class LanesType(types.Type):
    """Numba type of a vector of `LANES` words."""

    def __init__(self):
        super().__init__(f"Words({LANES})")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _WORDS)


def _constant(value):
    return ir.Constant(_WORDS, [value] * LANES)


def _everywhere(builder, word):
    """WORD in every lane."""
    undefined = ir.Constant(_WORDS, ir.Undefined)
    first = builder.insert_element(undefined, word, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _full_add(builder, x, y, z):
    """Sum and carry of three bits, in every column."""
    either = builder.xor(x, y)
    return builder.xor(either, z), builder.xor(x, builder.and_(either, builder.xor(x, z)))


def _columns(builder, words):
    """Words by weight 1, 2, 4, ..., at most two of each, whose weighted ones are those of WORDS."""
    levels, waiting = [], list(words)
    while waiting:
        carries = []
        while len(waiting) > 2:
            total, carry = _full_add(builder, *waiting[:3])
            waiting = [*waiting[3:], total]
            carries.append(carry)
        levels.append(waiting)
        waiting = carries
    return levels


def _ones_of_bytes(builder, vector):
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_BYTES, [_BYTES]), f"llvm.ctpop.v{8 * LANES}i8"
    )
    return builder.call(function, [builder.bitcast(vector, _BYTES)])


def _ones(builder, words):
    """Number of ones of up to `CHUNK` words, lane by lane: a byte's columns hold at most 8 * 16 = 128."""
    count = None
    for level in reversed(_columns(builder, words)):
        count = None if count is None else builder.add(count, count)
        for word in level:
            ones = _ones_of_bytes(builder, word)
            count = ones if count is None else builder.add(count, ones)
    pairs = builder.bitcast(count, _WORDS)
    low = _constant(0x00FF00FF00FF00FF)
    fours = builder.add(builder.and_(pairs, low), builder.and_(builder.lshr(pairs, _constant(8)), low))
    halves = builder.add(fours, builder.lshr(fours, _constant(16)))
    return builder.and_(builder.add(halves, builder.lshr(halves, _constant(32))), _constant(0xFFFF))


@intrinsic
def chunk_distances(typing_context, groups, chunk, words, row, size):
    """Distances of a group's addresses to a word list, over one chunk of as many words as the tuple SIZE is long.

    GROUPS (groups, width, LANES) and WORDS (rows, width) are C-contiguous and read flat, in chunks: CHUNK and ROW are
    their numbers. Indices are not checked.
    """
    length = size.count

    def pointer(context, builder, array_type, array, index, stride):
        data = context.make_array(array_type)(context, builder, array).data
        return builder.gep(data, [builder.mul(index, ir.Constant(_WORD, stride))])

    def codegen(context, builder, signature, arguments):
        groups, chunk, words, row, _ = arguments
        vectors = pointer(context, builder, signature.args[0], groups, chunk, length * LANES)
        scalars = pointer(context, builder, signature.args[2], words, row, length)
        differing = []
        for k in range(length):
            place = builder.gep(vectors, [ir.Constant(_WORD, k * LANES)])
            vector = builder.load(builder.bitcast(place, _WORDS.as_pointer()), align=8)
            word = builder.load(builder.gep(scalars, [ir.Constant(_WORD, k)]))
            differing.append(builder.xor(vector, _everywhere(builder, word)))
        return _ones(builder, differing)

    return lanes(groups, types.intp, words, types.intp, size), codegen


@intrinsic
def plus(typing_context, x, y):
    """x + y in every lane."""
    return lanes(lanes, lanes), lambda context, builder, signature, arguments: builder.add(*arguments)


@intrinsic
def lanes_within(typing_context, vector, bound):
    """Bits of the lanes whose number is at most BOUND."""

    def codegen(context, builder, signature, arguments):
        vector, bound = arguments
        within = builder.icmp_signed("<=", vector, _everywhere(builder, bound))
        return builder.zext(builder.bitcast(within, ir.IntType(LANES)), _WORD)

    return types.int64(lanes, types.int64), codegen


@intrinsic
def store_lanes(typing_context, array, index, vector):
    """Write the lanes to a C-contiguous integer array from flat INDEX on, in its type."""

    def codegen(context, builder, signature, arguments):
        array, index, vector = arguments
        bits = signature.args[0].dtype.bitwidth
        numbers = ir.VectorType(ir.IntType(bits), LANES)
        place = builder.gep(context.make_array(signature.args[0])(context, builder, array).data, [index])
        cut = vector if bits == 64 else builder.trunc(vector, numbers)
        builder.store(cut, builder.bitcast(place, numbers.as_pointer()), align=bits // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), codegen


@intrinsic
def lowest_lane(typing_context, mask):
    """Number of the lowest set bit of a MASK that is not 0."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen
