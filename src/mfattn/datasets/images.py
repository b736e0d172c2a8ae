"""Grey images with their labels."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Images:
    """Grey images of one size, and what each of them shows.

    Parameters
    ----------
    pixels : (N, rows, columns) array of uint8
        0 is black.
    labels : (N,) array of int64
    largest : int
        Value of a white pixel.

    Raises
    ------
    ValueError
        If the arrays have other types or shapes, or a pixel is brighter than white.

    Examples
    --------
    >>> images = Images(np.array([[[0, 51], [102, 255]]], dtype=np.uint8), np.array([7]))
    >>> images.vectors().tolist()
    [[0.0, 0.2, 0.4, 1.0]]
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    largest: int = 255

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or 0 in self.pixels.shape or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 (N, rows, columns), found {_kind(self.pixels)}")
        if self.labels.shape != self.pixels.shape[:1] or self.labels.dtype != np.int64:
            raise ValueError(f"labels must be int64 ({len(self.pixels)},), found {_kind(self.labels)}")
        if self.pixels.max() > self.largest:
            raise ValueError(f"pixels must be at most {self.largest}, found {self.pixels.max()}")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def first(self, number: int) -> "Images":
        """The first images, NUMBER of them at most."""
        return Images(self.pixels[:number], self.labels[:number], self.largest)

    def vectors(self) -> NDArray[np.float64]:
        """Every image as a row of numbers from 0 to 1, (N, rows * columns)."""
        return self.pixels.reshape(len(self.pixels), -1) / float(self.largest)

    def fingerprint(self) -> str:
        """SHA-256 of the images and labels: the same for the same images, however their files were written."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.largest)).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        digest.update(self.labels.astype("<i8").data)
        return digest.hexdigest()


def _kind(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} {array.shape}"
