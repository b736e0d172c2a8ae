"""Sources of images: what is missing is named at its key, what is damaged in one line before anything is written."""

import gzip

import numpy as np
import pytest
from pydantic import TypeAdapter

from mfattn.experiments.data_config import DataConfig
from mfattn.pipeline.errors import InputError

from ..datasets.helpers import random_pixels, write_batches, write_idx

PIXELS, LABELS = random_pixels(12, 5) | 1, np.arange(12) % 10


def source(**values):
    return TypeAdapter(DataConfig).validate_python(values)


def test_digits_are_known_without_a_look_at_them():
    data = source(images="digits", part="train")
    assert list(data.mistakes()) == [] and "loaded" not in vars(data)
    assert (data.count, data.size, data.describe()) == (1200, (8, 8), "digits, train")
    assert data.identity() == {"images": "digits", "part": "train", "number": None}
    assert "loaded" not in vars(data)
    assert len(data.loaded) == data.count and data.loaded.size == data.size


def test_the_first_images_are_taken():
    data = source(images="digits", number=7)
    assert data.loaded.labels.tolist() == list(range(7)) and data.count == 7
    assert data.describe() == "digits, the first 7"


def test_more_digits_than_there_are_is_a_mistake():
    data = source(images="digits", part="test", number=598)
    assert list(data.mistakes()) == [(("number",), "at most the 597 of digits, test, found 598")]


def test_scikit_learn_is_asked_for(monkeypatch):
    monkeypatch.setattr("mfattn.datasets.digits.find_spec", lambda name: None)
    data = source(images="digits")
    assert list(data.mistakes()) == [(("images",), "digits need scikit-learn: pip install 'mfattn[digits]'")]
    with pytest.raises(InputError, match="scikit-learn is not installed"):
        _ = data.loaded


@pytest.mark.parametrize(("images", "first"), [("idx", "train-images-idx3-ubyte"), ("cifar", "data_batch_1")])
@pytest.mark.parametrize("folder", ["missing", "b" * 999, "a\0b", "a\nb", "", "file"])
def test_missing_files_are_a_mistake_at_the_folder(tmp_path, monkeypatch, images, first, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    ((path, message),) = source(images=images, folder=folder).mistakes()
    expected = {"": f"no file {first}", "file": "not a folder"}.get(folder, "no such folder")
    assert path == ("folder",) and message.startswith(f"{tmp_path / folder}: {expected}")


def test_a_folder_is_looked_for_from_where_the_command_runs(tmp_path, monkeypatch):
    write_idx(tmp_path, "train", PIXELS, LABELS)
    monkeypatch.chdir(tmp_path.parent)
    data = source(images="idx", folder=tmp_path.name)
    monkeypatch.chdir("/")
    assert data.model_dump(mode="json")["folder"] == str(tmp_path) and list(data.mistakes()) == []
    assert data.count == len(PIXELS)


def test_images_of_one_pixel_are_refused(tmp_path):
    write_idx(tmp_path, "train", PIXELS[:, :1, :1], LABELS)
    with pytest.raises(InputError, match="train: images of 1 x 1 pixels; at least 2 pixels are needed"):
        _ = source(images="idx", folder=str(tmp_path)).loaded


def test_the_identity_is_of_the_images_wherever_they_are(tmp_path):
    folders = [tmp_path / name for name in ("plain", "packed", "other")]
    for folder in folders:
        folder.mkdir()
    write_idx(folders[0], "train", PIXELS, LABELS)
    write_idx(folders[1], "train", PIXELS, LABELS, suffix=".gz")
    write_idx(folders[2], "train", PIXELS[::-1], LABELS)
    identities = [source(images="idx", folder=str(folder)).identity() for folder in folders]
    assert identities[0] == identities[1] != identities[2]
    assert "folder" not in identities[0] and len(identities[0]["sha256"]) == 64


def test_colour_images_are_read(tmp_path):
    write_batches(tmp_path)
    data = source(images="cifar", folder=str(tmp_path), part="test")
    assert list(data.mistakes()) == [] and data.known_size == data.size == data.loaded.size == (32, 32)
    assert data.count == 20


@pytest.mark.parametrize(
    ("damage", "number", "message"),
    [
        (lambda path: path.write_bytes(b"nothing"), None, "must begin with 0x00000803"),
        (lambda path: path.write_bytes(gzip.compress(path.read_bytes())[:-9]), None, "damaged gzip"),
        (lambda path: None, 13, "train: holds 12 images, number asks for 13"),
        (lambda path: path.write_bytes(path.read_bytes()[:-25] + bytes(25)), None, "image 12 is all black"),
    ],
)
def test_bad_images_are_an_error_of_one_line(tmp_path, damage, number, message):
    damage(write_idx(tmp_path, "train", PIXELS, LABELS)[0])
    data = source(images="idx", folder=str(tmp_path), number=number)
    assert list(data.mistakes()) == []
    for read in (lambda: data.loaded, data.identity, lambda: data.size, lambda: data.count):
        with pytest.raises(InputError, match=message) as caught:
            read()
        assert len(caught.value.mistakes) == 1 and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("folder", ["$x_{", "ü", "a\nb", "///"])
def test_a_caption_takes_any_folder(folder):
    assert source(images="idx", folder=folder).label.isascii()
