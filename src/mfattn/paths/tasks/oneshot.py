"""Recognition of images from one example: episodes of two examples and a query.

An episode shows one image of each of two classes with the labels 0 and 1, and then another image of one of the two,
whose label is asked for. What a network learns is +1 for label 1 and -1 for label 0.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), figure 3.
"""

from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.paths.checks import Array, Integers, checked_array, checked_integer
from mfattn.paths.tasks.characters import Characters, Drawings, Pixels
from mfattn.paths.tasks.encoding import IMAGES, Encoding
from mfattn.paths.tasks.resizing import resized

UNKNOWN = 2
"""Label of the query."""


class Episodes(NamedTuple):
    """Which drawings the episodes show; those whose label is +1 come first.

    Parameters
    ----------
    characters, drawings : (P, 3) array of int
        Two examples, and the query.
    label_ids : (P, 3) array of int
        0 and 1 in either order, and 2.
    labels : (P,) array of ±1
        The query's label.
    """

    characters: Integers
    drawings: Integers
    label_ids: Integers
    labels: Array


class ImageEpisodes(NamedTuple):
    """Episodes with their images.

    Parameters
    ----------
    images : (P, 3, rows, columns) array of uint8
    label_ids : (P, 3) array of int
    labels : (P,) array of ±1
    """

    images: Pixels
    label_ids: Integers
    labels: Array


class LabelledImages(Protocol):
    """Grey images with their classes, as `mfattn.datasets.Images` holds them."""

    @property
    def pixels(self) -> Pixels:
        """Images (N, rows, columns)."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """Their classes (N,)."""
        ...

    @property
    def largest(self) -> int:
        """Value of a white pixel."""
        ...


def draw_episodes(counts: ArrayLike, per_class: int, seed: int) -> Episodes:
    """Draw episodes at random, as many of label +1, which come first, as of label -1.

    Both characters, which of them has label 1, which one is asked for, and the drawings are uniform; the query is
    another drawing than the example. The first episodes of a label are the same for any number of them.

    Parameters
    ----------
    counts : (characters,) array of int
        Drawings of every character, of which two are needed.
    per_class : int
        Episodes of each label.
    seed : int

    Raises
    ------
    ValueError
        If there are less than two characters, or a number is out of range.

    Examples
    --------
    >>> episodes = draw_episodes([20] * 12, per_class=3, seed=1)
    >>> episodes.labels.tolist()
    [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]
    """
    numbers = np.asarray(counts)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or len(numbers) < 2 or numbers.min() < 2:
        raise ValueError("counts must be of at least two characters, with at least two drawings each")
    per_class, seed = checked_integer("per_class", per_class, 1), checked_integer("seed", seed, 0)
    streams = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(label,))) for label in (1, 0)]
    uniform = np.concatenate([stream.random((per_class, 6)) for stream in streams])
    label = np.repeat([1, 0], per_class)
    first, other = _two_of(len(numbers), uniform[:, 0], uniform[:, 1])
    label_of_first = (uniform[:, 2] < 0.5).astype(np.int64)
    query = np.where(label_of_first == label, first, other)
    example, again = _two_of(numbers[query], uniform[:, 3], uniform[:, 4])
    unasked = np.where(label_of_first == label, other, first)
    of_unasked = (uniform[:, 5] * numbers[unasked]).astype(np.int64)
    drawing_of_first = np.where(query == first, example, of_unasked)
    drawing_of_other = np.where(query == first, of_unasked, example)
    return Episodes(
        np.stack([first, other, query], axis=1),
        np.stack([drawing_of_first, drawing_of_other, again], axis=1),
        np.stack([label_of_first, 1 - label_of_first, np.full(2 * per_class, UNKNOWN)], axis=1),
        2.0 * label - 1.0,
    )


def _two_of(number: int | Integers, first: Array, second: Array) -> tuple[Integers, Integers]:
    """Two different numbers below NUMBER, of two uniform ones."""
    one = (first * number).astype(np.int64)
    other = (second * (number - 1)).astype(np.int64)
    return one, other + (other >= one)


def episode_images(source: Drawings, episodes: Episodes, side: int) -> ImageEpisodes:
    """The episodes with their images, of which every one is read and resized once.

    Parameters
    ----------
    source : Drawings
        Characters, in memory or in a folder.
    episodes : Episodes
    side : int
        Rows and columns.
    """
    asked = np.stack([episodes.characters, episodes.drawings], axis=-1).reshape(-1, 2)
    distinct, place = np.unique(asked, axis=0, return_inverse=True)
    images = np.stack([resized(source.drawing(*map(int, one)), side) for one in distinct])
    shape = (*episodes.characters.shape, side, side)
    return ImageEpisodes(images[place.ravel()].reshape(shape), episodes.label_ids, episodes.labels)


def resized_characters(source: Drawings, side: int) -> Characters:
    """All drawings in memory, resized: 1 kB each for 32 rows."""
    pixels = [
        resized(source.drawing(character, number), side)
        for character, count in enumerate(source.counts)
        for number in range(count)
    ]
    return Characters(tuple(source.names), tuple(source.counts), np.stack(pixels))


class EncodedCharacters:
    """Characters of which every drawing is resized and normalised once, for many episodes.

    Parameters
    ----------
    characters : Characters
    encoding : Encoding
    label_vectors : (3, N0) array

    Examples
    --------
    >>> from mfattn.paths.tasks.characters import generated_characters
    >>> encoding = Encoding(side=8, patch=4, channels=1)
    >>> some = EncodedCharacters(generated_characters(1, 3, 4, evaluation=0), encoding, encoding.label_vectors(0))
    >>> tokens, labels = some.episodes(per_class=5, seed=1)
    >>> tokens.shape, labels.shape
    ((10, 16, 12), (10,))
    """

    def __init__(self, characters: Characters, encoding: Encoding, label_vectors: ArrayLike) -> None:
        self.characters, self.encoding = characters, encoding
        self.label_vectors = checked_array("label_vectors", label_vectors, (IMAGES, encoding.inputs))

    @cached_property
    def _patches(self) -> Array:
        return self.encoding.cut(self.characters.pixels)

    def episodes(self, per_class: int, seed: int) -> tuple[Array, Array]:
        """Tokens (P, N0, T) and labels (P,) of episodes that `draw_episodes` draws."""
        drawn = draw_episodes(self.characters.counts, per_class, seed)
        shown = self._patches[self.characters.starts[drawn.characters] + drawn.drawings]
        return self.encoding.assemble(shown, drawn.label_ids, self.label_vectors), drawn.labels


def fixed_context_episodes(
    examples: LabelledImages, queries: LabelledImages, classes: tuple[int, int] = (0, 1), per_class: int = 500
) -> ImageEpisodes:
    """Episodes of images of another kind, such as digits, to see whether a network recognises what it has never seen.

    The context always shows the first class with label 0, then the second with label 1; that of episode i is of the
    i-th examples of both. Queries of the second class, label +1, come first.

    Parameters
    ----------
    examples, queries : LabelledImages
        Such as the training and the test part of a dataset.
    classes : (int, int)
        Two classes of it.
    per_class : int
        Queries of each class, from the first on.

    Raises
    ------
    ValueError
        If a class has fewer images.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> some = SimpleNamespace(pixels=np.zeros((4, 8, 8), dtype=np.uint8), labels=np.array([0, 1, 0, 1]), largest=255)
    >>> fixed_context_episodes(some, some, per_class=1).label_ids.tolist()
    [[0, 1, 2], [0, 1, 2]]
    """
    per_class = checked_integer("per_class", per_class, 1)
    number = 2 * per_class
    sizes = examples.pixels.shape[1:], queries.pixels.shape[1:]
    if sizes[0] != sizes[1]:
        raise ValueError(f"examples and queries must be of one size, found {sizes[0]} and {sizes[1]}")
    context = [_first_of(examples, chosen, number, "examples") for chosen in classes]
    asked = np.concatenate([_first_of(queries, chosen, per_class, "queries") for chosen in reversed(classes)])
    return ImageEpisodes(
        np.stack([*context, asked], axis=1),
        np.tile(np.arange(IMAGES), (number, 1)),
        np.repeat([1.0, -1.0], per_class),
    )


def _first_of(images: LabelledImages, chosen: int, number: int, name: str) -> Pixels:
    """The first images of a class, white being 255."""
    places = np.flatnonzero(images.labels == chosen)[:number]
    if len(places) < number:
        raise ValueError(f"{name} must hold {number} images of class {chosen}, found {len(places)}")
    return np.rint(images.pixels[places] * (255.0 / images.largest)).astype(np.uint8)
