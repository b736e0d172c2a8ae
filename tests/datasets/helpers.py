"""Small files of images, as the published ones are written."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np

IDX_NAMES = {"train": "train", "test": "t10k"}


def random_pixels(number: int, size: int = 28, seed: int = 0) -> np.ndarray:
    """Images of random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (number, size, size), dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, part: str, pixels: np.ndarray, labels: np.ndarray, mark: str = "-", suffix: str = ""):
    """Both files of a part; returns their paths."""
    paths = []
    for content, array in (("images", pixels), ("labels", labels)):
        path = folder / f"{IDX_NAMES[part]}-{content}{mark}idx{array.ndim}-ubyte{suffix}"
        data = idx_bytes(array)
        path.write_bytes(gzip.compress(data, mtime=0) if suffix else data)
        paths.append(path)
    return paths


def batch(number: int = 20, seed: int = 0) -> dict[bytes, object]:
    """A batch of colour images, as the published ones are, but smaller."""
    generator = np.random.default_rng(seed)
    data = generator.integers(0, 256, (number, 3072), dtype=np.uint8)
    return {b"batch_label": b"a batch", b"labels": generator.integers(0, 10, number).tolist(), b"data": data}


def python2_pickle(data: np.ndarray, labels: list[int]) -> bytes:
    """What Python 2 wrote: texts are bytes, and what it remembers is numbered from 1."""
    raw = data.tobytes()
    rows, columns = data.shape
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x07a batchq\x03U\x06labelsq\x04]q\x05(",
            *(b"K" + bytes([label]) for label in labels),
            b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\tU\x01b\x87q\nRq\x0b",
            b"(K\x01" + b"".join(b"J" + struct.pack("<i", length) for length in (rows, columns)) + b"\x86q\x0c",
            b"cnumpy\ndtype\nq\rU\x02u1q\x0eK\x00K\x01\x87q\x0fRq\x10",
            b"(K\x03U\x01|q\x11NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x12b\x89",
            b"T" + struct.pack("<i", len(raw)) + raw + b"q\x13tq\x14bu.",
        ]
    )


def write_batches(folder: Path, number: int = 20, protocol: int = 2) -> list[dict[bytes, object]]:
    """All files of CIFAR-10; returns the batches, the test last."""
    batches = [batch(number, seed) for seed in range(6)]
    names = [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]
    for name, content in zip(names, batches, strict=True):
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    return batches
