"""Images in IDX files, the format of MNIST: big-endian sizes, then bytes; plain or compressed by gzip.

The files have the names that MNIST has: ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or
``t10k-...`` for the test; with a dot before ``idx``, and with ``.gz``, they are found, too.

References
----------
LeCun, Cortes and Burges, The MNIST database of handwritten digits.
"""

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfattn.datasets.files import BadData, Part, existing_file, read_at_most
from mfattn.datasets.images import Images

MOST_BYTES = 2**31
"""Bytes that a file may announce: more than any dataset of this kind has, and less than fills a memory."""

STEMS = {"train": "train", "test": "t10k"}
"""Beginning of the names of each part's files."""


def idx_files(folder: Path, part: Part) -> tuple[Path, Path]:
    """The files of images and of labels of a part.

    Raises
    ------
    BadData
        If one is missing.
    """
    return _file(folder, part, "images", 3), _file(folder, part, "labels", 1)


def load_idx(folder: Path, part: Part) -> Images:
    """The images of a part.

    Parameters
    ----------
    folder : Path
        Where the files are.
    part : {'train', 'test'}

    Returns
    -------
    Images

    Raises
    ------
    BadData
        If a file is missing, cannot be read, or is not what its name says.
    """
    image_file, label_file = idx_files(folder, part)
    pixels, labels = _read(image_file, 3), _read(label_file, 1)
    if len(pixels) != len(labels):
        raise BadData(f"{label_file}: {len(labels):,} labels, for {len(pixels):,} images in {image_file.name}")
    return Images(pixels, labels.astype(np.int64))


def _file(folder: Path, part: Part, content: str, axes: int) -> Path:
    names = [f"{STEMS[part]}-{content}{mark}idx{axes}-ubyte" for mark in "-."]
    return existing_file(folder, [name + suffix for name in names for suffix in ("", ".gz")])


def _read(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array of bytes that a file holds, which must have so many axes."""
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            return _parse(path, stream, axes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadData(f"{path}: damaged gzip: {error}") from None
    except OSError as error:
        raise BadData(f"{path}: cannot be read: {error.strerror or error}") from None


def _parse(path: Path, stream: BufferedIOBase, axes: int) -> NDArray[np.uint8]:
    header = np.frombuffer(read_at_most(stream, 4 + 4 * axes), dtype=np.uint8)
    magic = bytes((0, 0, 8, axes))
    if header[:4].tobytes() != magic:
        found = f"0x{header[:4].tobytes().hex()}" if len(header) else "an empty file"
        raise BadData(f"{path}: must begin with 0x{magic.hex()} (IDX of {axes} axes of bytes), found {found}")
    if len(header) < 4 + 4 * axes:
        raise BadData(f"{path}: ends within its header, after {len(header)} of {4 + 4 * axes} bytes")
    shape = tuple(map(int, header[4:].view(">u4")))
    size, announced = math.prod(shape), " x ".join(f"{length:,}" for length in shape)
    if not 0 < size <= MOST_BYTES:
        raise BadData(f"{path}: announces {announced} bytes; allowed are 1 to {MOST_BYTES:,} in all")
    content = read_at_most(stream, size + 1)
    if len(content) != size:
        found = f"ends after {len(content):,}" if len(content) < size else "goes on after them"
        raise BadData(f"{path}: announces {announced} bytes and {found}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
