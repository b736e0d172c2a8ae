r"""The stream of random numbers that torch draws on a processor in double precision, by NumPy alone.

Published instances were drawn with torch, whose generator is the Mersenne twister MT19937 with the seeding that NumPy's
`RandomState` has. Two of its words make a uniform number,

.. math:: u = ((w_1 2^{32} + w_2) \bmod 2^{53})\, 2^{-53},

and two uniform numbers make two normal ones by Box and Muller's formula. An array of 16 numbers or more takes all its
uniform numbers first, in blocks of 16: the first eight of a block, as 1 - u, give the radii and the other eight the
angles. If the last block is incomplete, the last 16 numbers are drawn a second time. A shorter array takes pairs one
after the other, and what is left of a pair is kept for the next short array.

References
----------
Matsumoto and Nishimura, ACM Trans. Model. Comput. Simul. 8, 3 (1998); Box and Muller, Ann. Math. Statist. 29, 610
(1958).
"""

import math

import numpy as np

from mfattn.paths.checks import Array, checked_integer

BLOCK = 16
"""Normal numbers that torch makes together."""

PIECE = 2**10 * BLOCK
"""Numbers that are made at once; so many stay in the processor's cache."""


class TorchStream:
    """Numbers in the order in which torch draws them after ``torch.manual_seed(seed)``, as double precision.

    Parameters
    ----------
    seed : int
        0 to 2^32 - 1.

    Raises
    ------
    ValueError
        If the seed, or a number of draws, is out of range.

    Examples
    --------
    >>> stream = TorchStream(27)
    >>> stream.uniforms(2).round(6).tolist()
    [0.877451, 0.267491]
    >>> stream.normals(16)[:2].round(6).tolist()
    [0.215104, 0.370258]
    """

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(checked_integer("seed", seed, 0, 2**32 - 1))
        self._left_over: list[float] = []

    def uniforms(self, number: int) -> Array:
        """NUMBER numbers from 0 to 1, like as many calls of ``torch.rand(1)`` or one of ``torch.rand(number)``."""
        shape = (checked_integer("number", number, 0), 2)
        words = self._words.randint(0, 2**32, shape, dtype=np.uint32)
        return np.asarray(((words[:, 0] & 0x1FFFFF) * 2.0**32 + words[:, 1]) * 2.0**-53, dtype=np.float64)

    def normals(self, *shape: int) -> Array:
        """An array of standard normal numbers, like one call of ``torch.randn(*shape)``."""
        number = math.prod(checked_integer("shape", length, 0) for length in shape)
        return (self._in_blocks(number) if number >= BLOCK else self._in_pairs(number)).reshape(shape)

    def _in_blocks(self, number: int) -> Array:
        normals = np.empty(number)
        whole = number - number % BLOCK
        for start in range(0, whole, PIECE):
            piece = normals[start : min(start + PIECE, whole)]
            _box_muller(self.uniforms(len(piece)), piece)
        if whole < number:
            self.uniforms(number - whole)
            _box_muller(self.uniforms(BLOCK), normals[-BLOCK:])
        return normals

    def _in_pairs(self, number: int) -> Array:
        normals = self._left_over
        while len(normals) < number:
            angle, other = self.uniforms(2)
            radius = math.sqrt(-2.0 * math.log1p(-other))
            normals += [radius * math.cos(2.0 * math.pi * angle), radius * math.sin(2.0 * math.pi * angle)]
        self._left_over = normals[number:]
        return np.array(normals[:number])


def _box_muller(uniforms: Array, normals: Array) -> None:
    """Write the normal numbers of whole blocks of uniform ones."""
    radii, angles = np.moveaxis(uniforms.reshape(-1, 2, BLOCK // 2), 1, 0)
    radii = np.sqrt(-2.0 * np.log(1.0 - radii))
    angles = 2.0 * np.pi * angles
    blocks = normals.reshape(-1, 2, BLOCK // 2)
    np.multiply(radii, np.cos(angles), out=blocks[:, 0])
    np.multiply(radii, np.sin(angles), out=blocks[:, 1])
