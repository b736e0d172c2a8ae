r"""Tokens of images: what a network sees of an episode.

Images are resized and cut into patches. A patch of pixels is normalised to zero mean and unit variance, and to it are
added a code of its position in the episode, and a vector of its image's label or of "unknown",

.. math:: x_t = \frac{p_t - \langle p_t \rangle}{\sqrt{\mathrm{var}(p_t) + \epsilon}} + r_t + e_{\ell(t)}.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), figure 3; Vaswani et al., NeurIPS 2017, for
the codes of positions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.checks import Array, checked_array, checked_integer, checked_number
from mfattn.paths.tasks.characters import Pixels
from mfattn.paths.tasks.resizing import resized

IMAGES = 3
"""Images of an episode: one of each class, and the query."""

EPSILON, POSITION_EPSILON = 1e-5, 1e-6
"""Added to the variance of a patch, and to the standard deviation of the codes of positions."""

SLOWEST = 10_000.0
"""Wave lengths of the codes of positions grow up to 2 pi times this."""


@dataclass(frozen=True)
class Encoding:
    """How images become tokens.

    Parameters
    ----------
    side : int
        Rows and columns to which images are resized.
    patch : int
        Rows and columns of a patch, a divisor of the side.
    channels : int
        How often every pixel is repeated, as for images in colour.
    mean, deviation : float
        By which pixels from 0 to 1 are shifted and divided, before patches are normalised. It matters little: the
        normalisation of patches undoes it but for its epsilon.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> published = Encoding()
    >>> published.inputs, published.tokens
    (192, 48)
    """

    side: int = 32
    patch: int = 8
    channels: int = 3
    mean: float = 0.922
    deviation: float = 0.084

    def __post_init__(self) -> None:
        if checked_integer("side", self.side, 1) % checked_integer("patch", self.patch, 1):
            raise ValueError(f"patch must divide the side {self.side}, found {self.patch}")
        checked_integer("channels", self.channels, 1)
        checked_number("mean", self.mean)
        checked_number("deviation", self.deviation, above=0.0)

    @property
    def inputs(self) -> int:
        """Width N0 of a token."""
        return self.patch**2 * self.channels

    @property
    def patches(self) -> int:
        """Tokens of an image."""
        return (self.side // self.patch) ** 2

    @property
    def tokens(self) -> int:
        """Tokens of an episode."""
        return IMAGES * self.patches

    def label_vectors(self, seed: int) -> Array:
        """Vectors (3, N0) of label 0, label 1, and unknown, of standard normal numbers."""
        return np.random.default_rng(checked_integer("seed", seed, 0)).standard_normal((IMAGES, self.inputs))

    def encode(self, images: Pixels, label_ids: ArrayLike, label_vectors: ArrayLike) -> Array:
        """Tokens of episodes.

        Parameters
        ----------
        images : (P, 3, rows, columns) array of uint8
        label_ids : (P, 3) array of int
            0, 1 or 2.
        label_vectors : (3, N0) array

        Returns
        -------
        (P, N0, tokens) array

        Raises
        ------
        ValueError
            If the shapes do not agree.
        """
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] != IMAGES:
            raise ValueError(f"images must be uint8 (P, 3, rows, columns), found {images.dtype} {images.shape}")
        return self.assemble(self.cut(images), label_ids, label_vectors)

    def cut(self, images: Pixels) -> Array:
        """Patches (..., patches of an image, pixels) of images (..., rows, columns), resized and normalised.

        Pixels are not repeated yet, which changes neither their mean nor their variance.
        """
        pixels = (resized(images, self.side) / 255.0 - self.mean) / self.deviation
        patches = _patches(pixels, self.patch)
        patches -= patches.mean(axis=-1, keepdims=True)
        patches /= np.sqrt((patches**2).mean(axis=-1, keepdims=True) + EPSILON)
        return patches

    def assemble(self, patches: Array, label_ids: ArrayLike, label_vectors: ArrayLike) -> Array:
        """Tokens (P, N0, tokens) of episodes whose images are patches (P, 3, patches of an image, pixels).

        ValueError if the shapes do not agree.
        """
        ids = np.asarray(label_ids)
        if ids.shape != patches.shape[:2] or ids.dtype.kind not in "iu" or not np.isin(ids, range(IMAGES)).all():
            raise ValueError(f"label_ids must be 0, 1 or 2, of shape {patches.shape[:2]}")
        vectors = checked_array("label_vectors", label_vectors, (IMAGES, self.inputs))
        rows = np.repeat(patches, self.channels, axis=-1) + vectors[ids][:, :, np.newaxis]
        rows = rows.reshape(len(patches), self.tokens, self.inputs) + position_codes(self.tokens, self.inputs)
        return np.ascontiguousarray(rows.swapaxes(1, 2))


def position_codes(tokens: int, width: int) -> Array:
    r"""Codes of positions t: :math:`\sin(\omega_i t)` and :math:`\cos(\omega_i t)` in turns, normalised as a whole.

    The frequencies are :math:`\omega_i = 10000^{-2i/N_0}`; the whole table has zero mean and unit variance.

    Parameters
    ----------
    tokens, width : int
        Number of positions, at least 2, and N0.

    Returns
    -------
    (tokens, width) array

    Examples
    --------
    >>> codes = position_codes(48, 192)
    >>> bool(abs(codes.mean()) < 1e-12), round(float(codes.std(ddof=1)), 5)
    (True, 1.0)
    """
    tokens, width = checked_integer("tokens", tokens, 2), checked_integer("width", width, 1)
    column = np.arange(width)
    angles = np.arange(tokens)[:, np.newaxis] * SLOWEST ** (-2.0 * (column // 2) / width)
    codes = np.where(column % 2, np.cos(angles), np.sin(angles))
    return np.asarray((codes - codes.mean()) / (codes.std(ddof=1) + POSITION_EPSILON))


def _patches(images: Array, patch: int) -> Array:
    """Patches (..., number, pixels) of square images, row by row."""
    *outer, side, _ = images.shape
    number = side // patch
    cut = images.reshape(*outer, number, patch, number, patch).swapaxes(-3, -2)
    return cut.reshape(*outer, number**2, patch**2)
