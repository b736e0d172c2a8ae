"""Images of other sizes, as the library Pillow makes them."""

from functools import lru_cache

import numpy as np

from mfattn.paths.checks import Array, checked_integer
from mfattn.paths.tasks.characters import Pixels

BITS = 22
"""Binary digits of the weights of pixels."""


def resized(images: Pixels, side: int) -> Pixels:
    """Images of SIDE rows and columns, bilinear, in the fixed-point arithmetic of Pillow.

    A smaller image is a mean of its pixels with weights that fall linearly over the distance of two new pixels. Columns
    are taken together first, and rounded to bytes, and then rows. Square images are those of Pillow bit by bit; of
    others it may take the rows first, and differ by one where both roundings matter.

    Parameters
    ----------
    images : (..., rows, columns) array of uint8
    side : int

    Returns
    -------
    (..., side, side) array of uint8

    Examples
    --------
    >>> resized(np.array([[0, 200], [0, 200]], dtype=np.uint8), 4)[0].tolist()
    [0, 50, 150, 200]
    """
    if images.ndim < 2 or images.dtype != np.uint8 or 0 in images.shape:
        raise ValueError(f"images must be uint8 (..., rows, columns), found {images.dtype} {images.shape}")
    rows, columns = images.shape[-2:]
    checked_integer("side", side, 1)
    if (rows, columns) == (side, side):
        return images
    narrow = _rounded(images @ _weights(columns, side).T)
    return _rounded(_weights(rows, side) @ narrow).astype(np.uint8)


@lru_cache(maxsize=16)
def _weights(old: int, new: int) -> Array:
    """Weight (new, old) of every old pixel in every new one: whole numbers, which a double holds exactly."""
    step = old / new
    reach = max(step, 1.0)
    centres = (np.arange(new) + 0.5) * step
    first = np.maximum(np.floor(centres - reach + 0.5), 0.0)[:, np.newaxis]
    end = np.minimum(np.floor(centres + reach + 0.5), old)[:, np.newaxis]
    pixel = np.arange(old)
    weights = np.maximum(1.0 - abs(pixel - centres[:, np.newaxis] + 0.5) / reach, 0.0)
    weights *= (pixel >= first) & (pixel < end)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.floor(weights * 2.0**BITS + 0.5)


def _rounded(sums: Array) -> Array:
    return np.clip(np.floor(sums * 2.0**-BITS + 0.5), 0.0, 255.0)
