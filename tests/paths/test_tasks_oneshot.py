"""One-shot images: tokens against reference numbers, resizing against Pillow, and what episodes must be."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mfattn.datasets import Images
from mfattn.datasets.omniglot import OmniglotFolder
from mfattn.paths.tasks.characters import Characters, generated_characters
from mfattn.paths.tasks.encoding import Encoding, position_codes
from mfattn.paths.tasks.oneshot import (
    EncodedCharacters,
    draw_episodes,
    episode_images,
    fixed_context_episodes,
    resized_characters,
)
from mfattn.paths.tasks.resizing import resized


@pytest.fixture(scope="module")
def reference(root):
    return np.load(root / "tests/data/paths/image_small.npz")


@pytest.fixture(scope="module")
def folder(root):
    return OmniglotFolder(root / "tests/data/paths/tiny_omniglot")


@pytest.fixture(scope="module")
def some():
    return generated_characters(2, 3, 4, evaluation=1, side=16)


# Tokens.


def test_an_image_is_resized_and_normalised_as_published(reference):
    pixels = resized(255 - reference["first_image_105"], 32)
    assert abs((pixels / 255 - 0.922) / 0.084 - reference["first_image_32_normalised"]).max() < 1e-12


def reference_pixels(reference):
    """The images of the episodes, before they were normalised."""
    return np.rint(255 * (0.084 * reference["episode_images"] + 0.922)).astype(np.uint8)


def test_tokens_of_reference_episodes(reference):
    pixels = reference_pixels(reference)
    tokens = Encoding().encode(pixels, reference["episode_label_ids"], reference["label_embedding"])
    assert tokens.shape == (3, 192, 48) and abs(tokens - reference["tokens"]).max() < 1e-12


def test_reference_episodes_are_of_the_folder(reference, folder):
    known = resized_characters(folder, 32)
    for episode, label_ids, label in zip(
        reference_pixels(reference), reference["episode_label_ids"], reference["episode_y"], strict=True
    ):
        found = [np.flatnonzero((known.pixels == image).all(axis=(1, 2))) for image in episode]
        assert all(map(len, found))
        first, other, query = (int(places[0]) // 4 for places in found)
        assert first != other and query in (first, other) and found[2][0] not in (found[0][0], found[1][0])
        assert label == 2 * label_ids[[first, other].index(query)] - 1


@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 10**6))
def test_resizing_is_that_of_pillow(old, side, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (2, old, old)).astype(np.uint8)
    for image, small in zip(pixels, resized(pixels, side), strict=True):
        assert (small == np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))).all()


def test_rows_and_columns_may_differ():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 7)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((9, 9), Image.Resampling.BILINEAR)).astype(int)
    assert abs(resized(pixels, 9) - expected).max() <= 1


def test_codes_of_positions():
    codes = position_codes(48, 192)
    angles = np.arange(48) * 10000.0 ** (-2 * 7 / 192)
    for column, values in ((14, np.sin(angles)), (15, np.cos(angles))):
        assert np.corrcoef(codes[:, column], values)[0, 1] > 1 - 1e-12
    assert position_codes(5, 3).shape == (5, 3)


def test_patches_are_normalised_and_their_order_is_row_by_row():
    encoding = Encoding(side=4, patch=2, channels=1)
    images = np.zeros((1, 3, 4, 4), dtype=np.uint8)
    images[0, 0, 1, 2] = 255
    tokens = encoding.encode(images, [[0, 1, 2]], np.zeros((3, 4)))[0] - position_codes(12, 4).T
    # The bright pixel is the third of the second patch: (2, 0) of rows 0 and 1 and columns 2 and 3.
    assert np.allclose(tokens[:, 1], np.array([-1, -1, 3, -1]) / np.sqrt(3), atol=1e-6)
    assert np.allclose(np.delete(tokens, 1, axis=1), 0, atol=1e-12)


def test_labels_are_told_by_vectors():
    encoding = Encoding(side=4, patch=2, channels=2)
    images, vectors = np.full((2, 3, 4, 4), 7, dtype=np.uint8), encoding.label_vectors(3)
    tokens = encoding.encode(images, [[0, 1, 2], [1, 0, 2]], vectors)
    difference = (tokens[0] - tokens[1]).reshape(8, 3, 4)
    assert np.allclose(difference[:, 0], (vectors[0] - vectors[1])[:, np.newaxis])
    assert np.allclose(difference[:, 1], -difference[:, 0]) and np.allclose(difference[:, 2], 0)
    assert (vectors == encoding.label_vectors(3)).all() and (vectors != encoding.label_vectors(4)).all()


# Episodes.


@given(st.integers(1, 20), st.integers(0, 2**32), st.lists(st.integers(2, 5), min_size=2, max_size=6))
def test_episodes_ask_for_one_of_two_characters(number, seed, counts):
    episodes = draw_episodes(counts, number, seed)
    first, other, query = episodes.characters.T
    assert (first != other).all() and ((query == first) | (query == other)).all()
    assert (episodes.drawings >= 0).all() and (episodes.drawings < np.array(counts)[episodes.characters]).all()
    asked = np.where(query == first, 0, 1)
    rows = np.arange(2 * number)
    assert (episodes.drawings[rows, asked] != episodes.drawings[:, 2]).all()
    assert (np.sort(episodes.label_ids, axis=1) == [0, 1, 2]).all() and (episodes.label_ids[:, 2] == 2).all()
    assert (2 * episodes.label_ids[rows, asked] - 1 == episodes.labels).all()
    assert episodes.labels.tolist() == [1] * number + [-1] * number
    more = draw_episodes(counts, number + 3, seed)
    kept = np.r_[:number, number + 3 : 2 * number + 3]
    assert all((few == many[kept]).all() for few, many in zip(episodes, more, strict=True))


def test_episodes_are_uniform():
    episodes = draw_episodes([3] * 4, 5000, seed=1)
    number = 10_000

    def uniform(values, size):
        counts = np.bincount(values, minlength=size)
        return len(counts) == size and abs(counts - number / size).max() < 5 * np.sqrt(number / size)

    first, other, query = episodes.characters.T
    assert uniform((other - first - 1) % 4, 3)
    assert uniform(first, 4) and uniform(query, 4) and uniform((query == first).astype(int), 2)
    assert uniform(episodes.label_ids[:, 0], 2)
    assert all(uniform(drawings, 3) for drawings in episodes.drawings.T)
    asked = np.where(query == first, episodes.drawings[:, 0], episodes.drawings[:, 1])
    assert uniform((episodes.drawings[:, 2] - asked - 1) % 3, 2)


def test_images_of_episodes(some):
    episodes = draw_episodes(some.counts, 5, seed=2)
    images = episode_images(some, episodes, 16)
    for place in np.ndindex(10, 3):
        assert (images.images[place] == some.drawing(episodes.characters[place], episodes.drawings[place])).all()
    assert images.label_ids is episodes.label_ids and images.labels is episodes.labels
    small = episode_images(some, episodes, 8)
    assert (small.images == resized(images.images, 8)).all()
    assert (episode_images(resized_characters(some, 8), episodes, 8).images == small.images).all()


def test_every_drawing_is_read_once(folder):
    read = []

    class Counted:
        names, counts = folder.names, folder.counts

        def drawing(self, character, number):
            read.append((character, number))
            return folder.drawing(character, number)

    episodes = draw_episodes(Counted.counts, 40, seed=2)
    assert episode_images(Counted(), episodes, 8).images.shape == (80, 3, 8, 8)
    assert len(read) == len(set(read)) <= 24


def labelled(number, largest=255, side=4):
    """Images whose pixels are all their number."""
    pixels = np.broadcast_to(np.arange(number, dtype=np.uint8)[:, np.newaxis, np.newaxis], (number, side, side))
    return SimpleNamespace(pixels=pixels, labels=np.arange(number) % 3, largest=largest)


def test_contexts_of_another_kind():
    episodes = fixed_context_episodes(labelled(30), labelled(12, largest=12), classes=(0, 2), per_class=3)
    assert episodes.labels.tolist() == [1, 1, 1, -1, -1, -1]
    assert (episodes.label_ids == [0, 1, 2]).all()
    seen = episodes.images[:, :, 0, 0]
    assert seen[:, 0].tolist() == [0, 3, 6, 9, 12, 15] and seen[:, 1].tolist() == [2, 5, 8, 11, 14, 17]
    assert seen[:, 2].tolist() == [round(255 / 12 * pixel) for pixel in (2, 5, 8, 0, 3, 6)]
    assert Encoding(side=4, patch=2).encode(episodes.images, episodes.label_ids, np.zeros((3, 12))).shape == (6, 12, 12)


def test_contexts_are_of_datasets_that_users_have():
    pixels = np.random.default_rng(1).integers(0, 17, (300, 8, 8)).astype(np.uint8)
    images = Images(pixels, np.arange(300) % 3, largest=16)
    episodes = fixed_context_episodes(images, images, per_class=50)
    assert (episodes.images[:, 0] == np.rint(255 / 16 * pixels[::3])).all()
    tokens = Encoding().encode(episodes.images, episodes.label_ids, Encoding().label_vectors(0))
    assert tokens.shape == (100, 192, 48) and np.isfinite(tokens).all()


# Characters.


def test_generated_characters_have_the_layout_of_omniglot(some):
    assert some.names[0] == "images_background/Alphabet_00/character01"
    assert some.names[3] == "images_evaluation/Alphabet_01/character01"
    assert some.counts == (4,) * 6 and some.pixels.shape == (24, 16, 16)
    assert some.alphabets == ("Alphabet_00", "Alphabet_01")
    assert set(np.unique(some.pixels).tolist()) == {0, 255}


def test_a_character_does_not_depend_on_the_others(some):
    more = generated_characters(3, 4, 6, evaluation=1, side=16).by_name()
    for name, drawings in some.by_name().items():
        assert (more[name.replace("evaluation", "background")][:4] == drawings).all()
    assert (generated_characters(2, 3, 4, side=16, seed=1).pixels != some.pixels).any()


def test_drawings_of_a_character_are_alike():
    characters = generated_characters(2, 10, 4, side=105)
    ink = resized(characters.pixels, 13).reshape(20, 4, -1).astype(float)
    ink /= np.linalg.norm(ink, axis=2, keepdims=True)
    likeness = np.einsum("cdi,eki->cdek", ink, ink)
    own = np.eye(20, dtype=bool)
    assert likeness.transpose(0, 2, 1, 3)[own].mean() > 1.5 * likeness.transpose(0, 2, 1, 3)[~own].mean()
    assert (likeness[np.arange(20), 0, np.arange(20), 1] < 1 - 1e-9).all()
    share = (characters.pixels > 0).mean(axis=(1, 2))
    assert share.min() > 0.01 and share.max() < 0.2


def test_characters_are_chosen(some):
    chosen = some.named(some.names[:2:-1])
    assert chosen.names == some.names[3:] and (chosen.pixels == some.pixels[12:]).all()
    assert (chosen.drawing(1, 2) == some.drawing(4, 2)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda some: some.named(["a/b/c"]), "no character a/b/c"),
        (lambda some: some.named([]), "names must be of at least one character"),
        (lambda some: Characters(("a/b/c",), (2, 2), some.pixels[:4]), "counts must be of 1 characters, found 2"),
        (lambda some: Characters(("a/b/c",), (5,), some.pixels[:4]), r"pixels must be uint8 \(5, rows, columns\)"),
        (lambda some: generated_characters(2, evaluation=3), "evaluation must be 0 to 2, found 3"),
        (lambda some: generated_characters(side=3), "side must be at least 4"),
        (lambda some: draw_episodes([20], 3, 1), "counts must be of at least two characters"),
        (lambda some: draw_episodes([20, 1], 3, 1), "with at least two drawings each"),
        (lambda some: draw_episodes([20, 20], 0, 1), "per_class must be at least 1"),
        (lambda some: Encoding(side=30), "patch must divide the side 30, found 8"),
        (lambda some: Encoding(deviation=0), "deviation must be above 0"),
        (lambda some: Encoding().encode(some.pixels, [[0, 1, 2]], np.zeros((3, 192))), "images must be uint8"),
        (
            lambda some: Encoding().encode(some.pixels[:3][np.newaxis], [[0, 1, 3]], np.zeros((3, 192))),
            r"label_ids must be 0, 1 or 2, of shape \(1, 3\)",
        ),
        (
            lambda some: Encoding().encode(some.pixels[:3][np.newaxis], [[0, 1, 2]], np.zeros((2, 192))),
            r"label_vectors must have shape \(3, 192\)",
        ),
        (lambda some: resized(some.pixels.astype(float), 8), "images must be uint8"),
        (lambda some: resized(some.pixels, 0), "side must be at least 1"),
        (lambda some: fixed_context_episodes(labelled(9), labelled(9), per_class=3), "examples must hold 6 .* found 3"),
        (lambda some: fixed_context_episodes(labelled(30), labelled(9), per_class=4), "queries must hold 4 .* found 3"),
        (lambda some: fixed_context_episodes(labelled(9), labelled(9, side=5)), "must be of one size"),
    ],
)
def test_what_cannot_be_says_why(some, call, message):
    with pytest.raises(ValueError, match=message):
        call(some)


def test_characters_that_are_encoded_once_give_the_tokens_of_their_episodes(some):
    encoding = Encoding(side=8, patch=4, channels=2)
    vectors, small = encoding.label_vectors(3), resized_characters(some, 8)
    tokens, labels = EncodedCharacters(small, encoding, vectors).episodes(5, seed=4)
    shown = episode_images(some, draw_episodes(some.counts, 5, seed=4), 8)
    assert (labels == shown.labels).all()
    assert abs(tokens - encoding.encode(shown.images, shown.label_ids, vectors)).max() < 1e-13


def test_drawings_without_variation_are_the_same():
    same = generated_characters(1, 2, 3, evaluation=0, side=16, variation=0.0)
    assert (same.of(1) == same.of(1)[0]).all() and (same.of(0)[0] != same.of(1)[0]).any()
    with pytest.raises(ValueError, match="variation must be at least 0"):
        generated_characters(1, 2, 3, evaluation=0, variation=-1.0)
