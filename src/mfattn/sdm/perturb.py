r"""Noisy queries: patterns with a given number of flipped bits, or at a given cosine.

Draws go through the patterns one by one, so that a query depends on the seed and the patterns before it alone.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.sdm.checks import Array, checked_integer
from mfattn.sdm.memories.bits import Bits, checked_bits, hamming_distances, pack_bits
from mfattn.sdm.memories.vectors import checked_vectors, cosines_with, normalised

ATTEMPTS = 10
"""Draws of a query, at most, until its pattern is the nearest."""

ENTRIES = 2**23
"""Random numbers that are held at once."""

Seed = int | np.random.SeedSequence | np.random.Generator


def flip_bits(patterns: ArrayLike, flips: int, *, seed: Seed, rivals: ArrayLike | None = None) -> Bits:
    """Patterns with a number of different bits flipped, every choice of bits equally likely.

    Parameters
    ----------
    patterns : (m, n) array of 0 and 1
    flips : int
        0 to n.
    seed : int, SeedSequence or Generator
    rivals : (k, n) array of 0 and 1, optional
        Queries to which one of these is nearer than their own pattern are drawn again, up to 10 times.

    Returns
    -------
    (m, n) array of uint8

    Raises
    ------
    ValueError
        If an argument is out of range, or a rival stays nearer.

    Examples
    --------
    >>> flip_bits([[0] * 8, [1] * 8], 3, seed=1).sum(axis=1).tolist()
    [3, 5]
    """
    rows = checked_bits("patterns", patterns)
    flips = checked_integer("flips", flips, 0, rows.shape[1])
    generator = np.random.default_rng(seed)
    if rivals is None:
        return _flipped(rows, flips, generator)
    others = pack_bits(checked_bits("rivals", rivals, rows.shape[1]))
    queries, waiting = np.empty_like(rows), np.arange(len(rows))
    for _ in range(ATTEMPTS):
        queries[waiting] = _flipped(rows[waiting], flips, generator)
        nearest = hamming_distances(pack_bits(queries[waiting]), others, rows.shape[1]).min(axis=1)
        waiting = waiting[nearest < flips]
        if len(waiting) == 0:
            return queries
    raise ValueError(f"flips must leave the patterns nearest, found {flips}: {len(waiting)} of {len(rows)} are not")


def _flipped(rows: Bits, flips: int, generator: np.random.Generator) -> Bits:
    queries = rows.copy()
    step = max(1, ENTRIES // rows.shape[1])
    for start in range(0, len(rows), step) if flips else ():
        block = queries[start : start + step]
        draws = generator.random(block.shape)
        chosen = np.argpartition(draws, flips - 1, axis=1)[:, :flips]
        block[np.arange(len(block))[:, np.newaxis], chosen] ^= 1
    return queries


def turn_vectors(patterns: ArrayLike, cosine: ArrayLike, *, seed: Seed) -> Array:
    r"""Vectors at a given cosine to the patterns, in a uniformly random direction from them, and as long.

    .. math:: q = \lVert p \rVert \big(c\, u + \sqrt{1 - c^2}\, u_\perp\big), \qquad u = p / \lVert p \rVert

    A direction is made orthogonal twice: after a single pass rounding leaves up to some 1e-16 over its own length.

    Parameters
    ----------
    patterns : (m, n) array
        n at least 2.
    cosine : float, or (m,) array
        c, from -1 to 1, of all or of each.
    seed : int, SeedSequence or Generator

    Returns
    -------
    (m, n) array

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> (turn_vectors([[3.0, 4.0]], 0.6, seed=1) @ [3.0, 4.0] / 25).round(12).tolist()
    [0.6]
    """
    length = np.shape(patterns)[-1] if np.ndim(patterns) else 0
    rows = checked_vectors("patterns", patterns, length)
    if length < 2:
        raise ValueError("patterns must have at least 2 dimensions to be turned")
    cosines = np.asarray(cosine)
    if cosines.dtype.kind not in "iuf" or not (np.abs(cosines) <= 1).all():
        raise ValueError(f"cosine must be -1 to 1, found {cosine!r}")
    if cosines.shape not in ((), rows.shape[:1]):
        raise ValueError(f"cosine must be one for all or one for each of {len(rows)} patterns, found {cosines.shape}")
    cosines = cosines.reshape(-1, 1).astype(np.float64)
    generator, units = np.random.default_rng(seed), normalised(rows)
    directions = generator.standard_normal(rows.shape)
    for _ in range(2):
        directions = normalised(directions - units * (directions * units).sum(axis=1, keepdims=True))
    lengths = np.abs(rows).max(axis=1, keepdims=True)
    lengths = lengths * np.sqrt(np.square(rows / lengths).sum(axis=1, keepdims=True))
    return np.asarray(lengths * (cosines * units + np.sqrt(1.0 - np.square(cosines)) * directions))


def nearest_patterns(queries: ArrayLike, patterns: ArrayLike) -> NDArray[np.int64]:
    """Index of the pattern nearest to each query, the first of those as near, (Q,).

    >>> nearest_patterns([[1, 1, 0]], [[0, 0, 0], [1, 1, 1]]).tolist()
    [1]
    """
    rows = checked_bits("patterns", patterns)
    asked = checked_bits("queries", queries, rows.shape[1])
    return hamming_distances(pack_bits(asked), pack_bits(rows), rows.shape[1]).argmin(axis=1)


def nearest_vectors(queries: ArrayLike, patterns: ArrayLike) -> NDArray[np.int64]:
    """Index of the pattern at the largest cosine to each query, the first of those as near, (Q,).

    >>> nearest_vectors([[3.0, 2.0]], [[0.0, 1.0], [9.0, 0.0]]).tolist()
    [1]
    """
    rows = checked_vectors("patterns", patterns, np.shape(patterns)[-1])
    asked = checked_vectors("queries", queries, rows.shape[1])
    step = max(1, ENTRIES // len(rows))
    blocks = (asked[start : start + step] for start in range(0, len(asked), step))
    return np.concatenate([cosines_with(block, rows).argmax(axis=1) for block in blocks])
