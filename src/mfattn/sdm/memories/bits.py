"""Bits packed into 64-bit words, and Hamming distances between them.

Bit k of an address is bit k mod 64 of its word k // 64; the bits beyond the last are 0.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.sdm.checks import checked_integer
from mfattn.sdm.memories.threads import WORTHWHILE, checked_threads, over_ranges

WORD = 64

Bits = NDArray[np.uint8]
Words = NDArray[np.uint64]


def words_of(n: int) -> int:
    """Number of 64-bit words that hold n bits.

    >>> words_of(1000)
    16
    """
    return -(-n // WORD)


def checked_bits(name: str, array: ArrayLike, n: int | None = None) -> Bits:
    """Rows of n bits, (m, n), from an array of 0 and 1 of any type; a single row (n,) counts as one.

    Raises
    ------
    ValueError
        If the shape is another one, there is no row or no bit, or anything but 0 and 1 occurs.

    Examples
    --------
    >>> checked_bits("queries", [True, False, True])
    array([[1, 0, 1]], dtype=uint8)
    """
    values = np.asarray(array)
    if values.ndim == 1:
        values = values[np.newaxis]
    expected = "n" if n is None else n
    if values.ndim != 2 or 0 in values.shape or (n is not None and values.shape[1] != n):
        raise ValueError(f"{name} must have shape (m, {expected}) with m at least 1, found {np.shape(array)}")
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be bits 0 and 1, found {values.dtype}")
    bits = values.astype(np.uint8, copy=False) if values.dtype.kind in "bu" else (values == 1).astype(np.uint8)
    if bits.max() > 1 or not (bits == values).all():
        raise ValueError(f"{name} must be bits 0 and 1, found {values[(values != 0) & (values != 1)][0]}")
    return np.ascontiguousarray(bits)


def pack_bits(bits: ArrayLike) -> Words:
    """Rows of bits, (m, n), as rows of words, (m, ceil(n / 64)).

    >>> pack_bits([[1, 0, 1] + [0] * 61 + [1]]).tolist()
    [[5, 1]]
    """
    rows = checked_bits("bits", bits)
    padded = np.zeros((len(rows), 8 * words_of(rows.shape[1])), dtype=np.uint8)
    packed = np.packbits(rows, axis=1, bitorder="little")
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


def unpack_bits(words: Words, n: int) -> Bits:
    """Rows of words as rows of n bits, the inverse of `pack_bits`.

    >>> unpack_bits(np.array([[5]], dtype=np.uint64), 4).tolist()
    [[1, 0, 1, 0]]
    """
    rows = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(rows, axis=1, count=n, bitorder="little")


def checked_words(name: str, words: Any, n: int) -> Words:
    """Addresses of n bits as rows of words; ValueError where the shape, the type or the unused bits do not fit."""
    found = np.asarray(words)
    if found.dtype != np.uint64 or found.ndim != 2 or len(found) == 0 or found.shape[1] != words_of(n):
        raise ValueError(
            f"{name} must be uint64 words of shape (r, {words_of(n)}) with r at least 1, "
            f"found {found.dtype} of shape {found.shape}"
        )
    if n % WORD and (found[:, -1] >> np.uint64(n % WORD)).any():
        raise ValueError(f"{name} must have no bits beyond n = {n}")
    return found


def random_words(number: int, n: int, seed: int | np.random.SeedSequence) -> Words:
    """Independent uniform addresses of n bits, as words: the raw output of PCG64, its last word of a row cut to size.

    Parameters
    ----------
    number : int
        Rows, at least 1.
    n : int
        Bits, at least 1.
    seed : int or SeedSequence

    Returns
    -------
    (number, ceil(n / 64)) array of uint64

    Examples
    --------
    >>> random_words(2, 70, seed=1).shape
    (2, 2)
    """
    number, n = checked_integer("number", number, 1), checked_integer("n", n, 1)
    words = np.random.PCG64(seed).random_raw(number * words_of(n)).reshape(number, -1)
    if n % WORD:
        words[:, -1] &= np.uint64(2 ** (n % WORD) - 1)
    return words


def random_bits(number: int, n: int, seed: int | np.random.SeedSequence) -> Bits:
    """Independent uniform patterns, (number, n).

    >>> random_bits(3, 5, seed=1).shape
    (3, 5)
    """
    return unpack_bits(random_words(number, n, seed), n)


def size_for_kernel(n: int) -> tuple[int, ...]:
    """A tuple as long as the chunks of words in which kernels take n bits; they are compiled for that length.

    >>> len(size_for_kernel(100)), len(size_for_kernel(784)), len(size_for_kernel(3072))
    (2, 16, 16)
    """
    from mfattn.sdm.kernels import CHUNK

    return (0,) * min(2 ** math.ceil(math.log2(words_of(n))), CHUNK)


def padded(words: Words, n: int) -> Words:
    """Rows of words as kernels take them: with words of 0 up to whole chunks."""
    chunk = len(size_for_kernel(n))
    width = -(-words_of(n) // chunk) * chunk
    if width == words.shape[1]:
        return np.ascontiguousarray(words)
    rows = np.zeros((len(words), width), dtype=np.uint64)
    rows[:, : words.shape[1]] = words
    return rows


def in_groups(words: Words, n: int) -> Words:
    """Rows of words as kernels take addresses: (groups, width, LANES), the last group filled up with rows of 0."""
    from mfattn.sdm.kernels import LANES

    rows = padded(words, n)
    groups = np.zeros((-(-len(rows) // LANES), rows.shape[1], LANES), dtype=np.uint64)
    whole = len(rows) // LANES
    groups[:whole] = rows[: whole * LANES].reshape(whole, LANES, rows.shape[1]).swapaxes(1, 2)
    groups[whole:, :, : len(rows) - whole * LANES] = rows[whole * LANES :].T
    return groups


def out_of_groups(groups: Words, number: int, n: int) -> Words:
    """The first NUMBER rows of words of `in_groups`."""
    rows = groups.swapaxes(1, 2).reshape(-1, groups.shape[1])
    return np.ascontiguousarray(rows[:number, : words_of(n)])


def hamming_distances(first: Words, second: Words, n: int, *, threads: int | None = None) -> NDArray[np.signedinteger]:
    """Number of bits in which every row of words differs from every other.

    Parameters
    ----------
    first, second : (a, ceil(n / 64)) and (b, ceil(n / 64)) array of uint64
        As `pack_bits` makes them.
    n : int
        Bits of a row.
    threads : int, optional
        As many as this process may use if left out.

    Returns
    -------
    (a, b) array
        Of int16, or of int32 where n does not fit.

    Raises
    ------
    ValueError
        If the words do not have that shape, or bits beyond n.

    Examples
    --------
    >>> words = pack_bits([[0, 0, 0], [0, 1, 1]])
    >>> hamming_distances(words, words, 3).tolist()
    [[0, 2], [2, 0]]
    """
    n = checked_integer("n", n, 1)
    rows, groups = padded(checked_words("first", first, n), n), in_groups(checked_words("second", second, n), n)
    return distances_to_groups(rows, groups, n, checked_threads(threads))[:, : len(second)]


def distances_to_groups(rows: Words, groups: Words, n: int, threads: int) -> NDArray[np.signedinteger]:
    """Distances of padded rows to all addresses of groups, those that fill up the last one included."""
    from mfattn.sdm import kernels

    kind = np.int16 if n <= np.iinfo(np.int16).max else np.int32
    out = np.empty((len(rows), len(groups) * kernels.LANES), dtype=kind)
    size = size_for_kernel(n)

    def task(first: int, last: int) -> None:
        kernels.distances(groups, rows, first, last, out, size)

    over_ranges(task, len(rows), threads, least=1 + WORTHWHILE // len(groups))
    return out
