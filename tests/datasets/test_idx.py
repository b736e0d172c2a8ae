"""IDX files: every way to write them is read, and every damaged one is named."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.datasets import BadData, idx_files, load_idx

from .helpers import idx_bytes, random_pixels, write_idx

PIXELS, LABELS = random_pixels(12), np.arange(12) % 10


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_read_however_they_are_called(tmp_path, part, mark, suffix):
    write_idx(tmp_path, part, PIXELS, LABELS, mark, suffix)
    images = load_idx(tmp_path, part)
    assert (images.pixels == PIXELS).all() and (images.labels == LABELS).all() and images.largest == 255
    assert images.pixels.dtype == np.uint8 and images.labels.dtype == np.int64


def test_the_content_says_whether_a_file_is_compressed(tmp_path):
    for path in write_idx(tmp_path, "train", PIXELS, LABELS):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert (load_idx(tmp_path, "train").pixels == PIXELS).all()


def test_the_fingerprint_is_of_the_images_and_not_of_their_files(tmp_path):
    write_idx(tmp_path, "train", PIXELS, LABELS)
    plain = load_idx(tmp_path, "train").fingerprint()
    for path in idx_files(tmp_path, "train"):
        path.unlink()
    write_idx(tmp_path, "train", PIXELS, LABELS, suffix=".gz")
    assert load_idx(tmp_path, "train").fingerprint() == plain
    other = PIXELS.copy()
    other[3, 5, 7] ^= 1
    write_idx(tmp_path, "train", other, LABELS)
    assert load_idx(tmp_path, "train").fingerprint() != plain


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadData, match=r"no file train-images-idx3-ubyte or .*\.gz$"):
        idx_files(tmp_path, "train")


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("missing", "no such folder"),
        ("a" * 300, "no such folder"),
        ("a\0b", "no such folder"),
        ("file", "not a folder"),
    ],
)
def test_a_missing_folder_is_named(tmp_path, folder, message):
    (tmp_path / "file").touch()
    with pytest.raises(BadData, match=f": {message}$"):
        idx_files(tmp_path / folder, "train")


def test_missing_labels_are_named(tmp_path):
    write_idx(tmp_path, "train", PIXELS, LABELS)[1].unlink()
    with pytest.raises(BadData, match="no file train-labels-idx1-ubyte"):
        load_idx(tmp_path, "train")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path, suffix, which):
    path = write_idx(tmp_path, "train", PIXELS[:, :4, :4], LABELS, suffix=suffix)[which]
    content = path.read_bytes()
    for end in range(0, len(content), 10):
        path.write_bytes(content[:end])
        with pytest.raises(BadData) as caught:
            load_idx(tmp_path, "train")
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def written(tmp_path, content, labels=None):
    """The folder with CONTENT as its images."""
    image_file, label_file = write_idx(tmp_path, "train", PIXELS, LABELS)
    image_file.write_bytes(content)
    if labels is not None:
        label_file.write_bytes(labels)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"\0\0\x08\x01" + idx_bytes(PIXELS)[4:],
            r"must begin with 0x00000803 \(IDX of 3 axes of bytes\), found 0x00000801$",
        ),
        (b"\0\0\x0d\x03" + idx_bytes(PIXELS)[4:], "found 0x00000d03$"),
        (b"\x89PNG\r\n\x1a\n", "found 0x89504e47$"),
        (b"", "found an empty file$"),
        (idx_bytes(PIXELS)[:9], "ends within its header, after 9 of 16 bytes"),
        (idx_bytes(PIXELS) + b"\0", "announces 12 x 28 x 28 bytes and goes on after them"),
        (idx_bytes(PIXELS)[:-1], "announces 12 x 28 x 28 bytes and ends after 9,407"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28), "announces 0 x 28 x 28 bytes; allowed are 1 to"),
        (struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "allowed are 1 to 2,147,483,648 in all"),
        (gzip.compress(idx_bytes(PIXELS)) + b"more", "damaged gzip"),
        (b"\x1f\x8b\x08nothing of the kind", "damaged gzip|cannot be read"),
    ],
)
def test_a_file_that_is_something_else_says_what(tmp_path, content, message):
    with pytest.raises(BadData, match=message):
        load_idx(written(tmp_path, content), "train")


def test_swapped_files_are_refused(tmp_path):
    with pytest.raises(BadData, match="found 0x00000801"):
        load_idx(written(tmp_path, idx_bytes(LABELS), idx_bytes(PIXELS)), "train")


def test_images_and_labels_are_as_many(tmp_path):
    with pytest.raises(BadData, match="11 labels, for 12 images in train-images-idx3-ubyte"):
        load_idx(written(tmp_path, idx_bytes(PIXELS), idx_bytes(LABELS[:11])), "train")


def test_a_file_that_may_not_be_read_says_why(tmp_path):
    path = write_idx(tmp_path, "train", PIXELS, LABELS)[0]
    path.unlink()
    path.mkdir()
    with pytest.raises(BadData, match="no file"):
        load_idx(tmp_path, "train")


def test_memory_is_taken_only_for_what_the_header_announces(tmp_path):
    zeros = idx_bytes(np.zeros((1, 4, 4), dtype=np.uint8)) + bytes(2**28)
    folder = written(tmp_path, gzip.compress(zeros, compresslevel=1))
    tracemalloc.start()
    with pytest.raises(BadData, match="goes on after them"):
        load_idx(folder, "train")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_memory_is_taken_only_for_what_the_file_holds(tmp_path):
    folder = written(tmp_path, struct.pack(">4B3I", 0, 0, 8, 3, 2**11, 2**10, 2**10) + bytes(100))
    tracemalloc.start()
    with pytest.raises(BadData, match="ends after 100"):
        load_idx(folder, "train")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


@given(st.data())
def test_a_mutated_file_is_read_or_refused(folder, data):
    suffix = data.draw(st.sampled_from(["", ".gz"]))
    path = data.draw(st.sampled_from(write_idx(folder, "train", PIXELS[:, :3, :3], LABELS, suffix=suffix)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    try:
        images = load_idx(folder, "train")
    except BadData as error:
        assert str(error).startswith(str(folder)) and "\n" not in str(error)
    else:
        assert len(images) == len(images.labels)
    finally:
        for written_file in folder.iterdir():
            written_file.unlink()
