"""Folders of drawings: what is written is read, and what is missing or damaged is named."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mfattn.datasets import BadData
from mfattn.datasets.omniglot import LARGEST_SIDE, MOST_BYTES, OmniglotFolder, read_split, write_omniglot

NAMES = ("images_background/Greek/character01", "images_background/Greek/character02", "images_evaluation/Runes/r")


@pytest.fixture(scope="module")
def tiny(root):
    return root / "tests/data/paths/tiny_omniglot"


@pytest.fixture(scope="module")
def reference(root):
    return np.load(root / "tests/data/paths/image_small.npz")


def drawings(seed=0, side=9):
    """Random black and white drawings of all names, one more for each."""
    rng = np.random.default_rng(seed)
    return {name: 255 * rng.integers(0, 2, (2 + more, side, side)).astype(np.uint8) for more, name in enumerate(NAMES)}


def test_characters_of_the_reference_folder(tiny, reference):
    folder = OmniglotFolder(tiny)
    assert folder.names == tuple(reference["class_names"]) and folder.counts == tuple(reference["n_images"])
    assert (255 - folder.drawing(0, 0) == reference["first_image_105"]).all()
    assert folder.drawing(5, 3).shape == (105, 105) and folder.drawing(5, 3).dtype == np.uint8


def test_a_split_chooses_characters(tiny, reference, tmp_path):
    split = tmp_path / "split.json"
    split.write_text(
        json.dumps(
            {
                "background": {"Alphabet_00": ["character01"]},
                "evaluation": {"Alphabet_02": ["character01", "character02"]},
            }
        )
    )
    names = read_split(split)
    assert names == tuple(reference["split_names"])
    folder = OmniglotFolder(tiny, names)
    assert folder.names == names and folder.counts == (4, 4, 4)
    assert (folder.drawing(2, 1) == OmniglotFolder(tiny).drawing(5, 1)).all()


def test_what_is_written_is_read(tmp_path):
    written = drawings()
    write_omniglot(tmp_path / "new" / "folder", written)
    folder = OmniglotFolder(tmp_path / "new" / "folder")
    assert folder.names == NAMES and folder.counts == (2, 3, 4)
    for character, name in enumerate(folder.names):
        for number, drawing in enumerate(written[name]):
            assert (folder.drawing(character, number) == drawing).all()
    with Image.open(tmp_path / "new/folder/images_background/Greek/character02/0002_03.png") as image:
        assert image.mode == "1"


def test_drawings_are_read_when_they_are_asked_for(tmp_path):
    write_omniglot(tmp_path, drawings())
    damaged = tmp_path / NAMES[1] / "0002_02.png"
    damaged.write_bytes(b"no image")
    folder = OmniglotFolder(tmp_path)
    assert folder.drawing(1, 0).shape == (9, 9)
    with pytest.raises(BadData, match=r"0002_02.png: no PNG, or a damaged one: UnidentifiedImageError$"):
        folder.drawing(1, 1)


def test_other_files_are_left_alone(tmp_path):
    write_omniglot(tmp_path, drawings())
    (tmp_path / "images_background/.DS_Store").write_bytes(b"")
    (tmp_path / "images_background/Greek/notes.txt").write_text("of no concern")
    (tmp_path / "images_background/.cache").mkdir()
    (tmp_path / NAMES[0] / "strokes.txt").write_text("of no concern")
    assert OmniglotFolder(tmp_path).names == NAMES


@pytest.mark.parametrize("part", ["images_background", "images_evaluation"])
def test_one_part_is_enough(tmp_path, part):
    write_omniglot(tmp_path, drawings())
    shutil.rmtree(tmp_path / part)
    assert OmniglotFolder(tmp_path).names == tuple(name for name in NAMES if not name.startswith(part))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no folder images_background or images_evaluation"),
        (["images_background"], "no characters, which are images_background/ALPHABET/CHARACTER/"),
        (["images_evaluation/Greek"], "no characters, which are images_evaluation/"),
        (["images_background/Greek/alpha"], r"images_background/Greek/alpha: no file \*\.png"),
    ],
)
def test_an_empty_folder_says_what_is_missing(tmp_path, paths, message):
    for path in paths:
        (tmp_path / path).mkdir(parents=True)
    with pytest.raises(BadData, match=message) as caught:
        OmniglotFolder(tmp_path)
    assert str(caught.value).startswith(str(tmp_path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "a" * 300, "a\0b"])
def test_a_missing_folder_is_named(tmp_path, name):
    with pytest.raises(BadData, match=r"no folder images_background|cannot be read: File name too long"):
        OmniglotFolder(tmp_path / name)


def test_a_missing_character_is_named(tiny):
    with pytest.raises(BadData, match=r"no character 'images_background/Greek/alpha\\n'$"):
        OmniglotFolder(tiny, ["images_background/Greek/alpha\n"])


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "I;16"])
def test_drawings_in_other_modes_become_grey(tmp_path, mode):
    write_omniglot(tmp_path, drawings())
    pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    images = {"I;16": Image.fromarray(pixels.astype(np.uint16) * 257)}
    images.get(mode, Image.fromarray(pixels).convert(mode)).save(tmp_path / NAMES[0] / "0001_01.png")
    assert (OmniglotFolder(tmp_path).drawing(0, 0) == 255 - pixels).all()


def test_a_drawing_is_of_bounded_size(tmp_path):
    write_omniglot(tmp_path, drawings())
    path = tmp_path / NAMES[0] / "0001_01.png"
    Image.new("1", (LARGEST_SIDE + 1, 2)).save(path)
    with pytest.raises(BadData, match="1025 x 2 pixels; allowed are 1024 x 1024"):
        OmniglotFolder(tmp_path).drawing(0, 0)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(BadData, match="more than 16,777,216 bytes"):
        OmniglotFolder(tmp_path).drawing(0, 0)


def test_a_drawing_that_ends_early_is_refused_unless_nothing_is_missed(tmp_path):
    write_omniglot(tmp_path, drawings())
    path = tmp_path / NAMES[0] / "0001_01.png"
    content, folder = path.read_bytes(), OmniglotFolder(tmp_path)
    refused = 0
    for end in range(len(content)):
        path.write_bytes(content[:end])
        try:
            assert (folder.drawing(0, 0) == drawings()[NAMES[0]][0]).all()
        except BadData as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
    assert refused > content.index(b"IDAT") + 8


@given(st.data())
def test_a_mutated_drawing_is_read_or_refused(tmp_path_factory, tiny, data):
    copy = tmp_path_factory.getbasetemp() / "mutated"
    if not copy.exists():
        shutil.copytree(tiny, copy)
    original = tiny / "images_background/Alphabet_00/character01/0001_01.png"
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    (copy / original.relative_to(tiny)).write_bytes(content)
    try:
        assert OmniglotFolder(copy).drawing(0, 0).ndim == 2
    except BadData as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON: Expecting value"),
        ("{", "no JSON"),
        ("[" * 10**5, "no JSON"),
        (b"\xff\xfe", "no JSON"),
        ("[]", "a split has the keys background and evaluation, and no others"),
        ('{"train": {}}', "a split has the keys"),
        ("{}", "no characters"),
        ('{"background": {"Greek": []}}', "no characters"),
        ('{"background": ["Greek"]}', "background must name alphabets, with a list of characters each"),
        ('{"background": {"Greek": "alpha"}}', "background must name alphabets"),
        ('{"evaluation": {"Greek": [1]}}', "evaluation: 'Greek': characters must be names"),
        ('{"evaluation": {"Greek": ["a", "a"]}}', "a character comes twice"),
    ],
)
def test_a_split_of_another_form_says_why(tmp_path, content, message):
    path = tmp_path / "split.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadData, match=message) as caught:
        read_split(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_split_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(BadData, match="cannot be read: No such file"):
        read_split(tmp_path / "split.json")
    with pytest.raises(BadData, match="cannot be read: embedded null byte"):
        read_split(tmp_path / "a\0b")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(BadData, match="more than"):
        read_split(tmp_path / "large")


@pytest.mark.parametrize(
    "name",
    ["Greek/alpha", "images_test/Greek/alpha", "images_background/../alpha", "images_background/Greek", "a/b/c/d"],
)
def test_names_of_another_form_are_not_written(tmp_path, name):
    with pytest.raises(
        BadData, match="a character's name is images_background or images_evaluation/ALPHABET/CHARACTER"
    ):
        write_omniglot(tmp_path, {name: np.zeros((1, 5, 5), dtype=np.uint8)})
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path):
    write_omniglot(tmp_path, drawings())
    with pytest.raises(BadData, match="holds something already"):
        write_omniglot(tmp_path, drawings())
