"""Handwritten characters: in memory, and generated ones of random strokes for which nothing need be downloaded.

Characters are named as the folders of Omniglot are, ``images_background/Alphabet_00/character01``. Ink is bright.

References
----------
Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program induction, Science 350,
1332 (2015).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfattn.paths.checks import Array, Integers, checked_integer, checked_number

Pixels = NDArray[np.uint8]

POINT_JITTER, SHIFT, SCALE, TURN = 0.012, 0.018, 0.03, 0.05
"""Standard deviations in which drawings of a character differ: two lengths as parts of a side, a factor, radians."""

STROKES = (2, 3, 4)
"""How many strokes a character may have."""

PEN = 1.5 / 105
"""Radius of the pen as a part of a side."""


class Drawings(Protocol):
    """Characters with several drawings each, which are in memory or read when they are asked for."""

    @property
    def names(self) -> Sequence[str]:
        """Part, alphabet and name of every character."""
        ...

    @property
    def counts(self) -> Sequence[int]:
        """Number of drawings of every character."""
        ...

    def drawing(self, character: int, number: int) -> Pixels:
        """One drawing (rows, columns), ink bright."""
        ...


@dataclass(frozen=True, eq=False)
class Characters:
    """Drawings of one size in memory.

    Parameters
    ----------
    names : tuple of str
        Part, alphabet and name of every character, with a slash between them.
    counts : tuple of int
        Number of drawings of every character.
    pixels : (drawings of all characters, rows, columns) array of uint8
        Character by character; ink is bright.

    Raises
    ------
    ValueError
        If the sizes do not agree.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    pixels: Pixels

    def __post_init__(self) -> None:
        if len(self.names) != len(self.counts):
            raise ValueError(f"counts must be of {len(self.names)} characters, found {len(self.counts)}")
        if self.pixels.ndim != 3 or self.pixels.dtype != np.uint8 or len(self.pixels) != sum(self.counts):
            found = f"{self.pixels.dtype} {self.pixels.shape}"
            raise ValueError(f"pixels must be uint8 ({sum(self.counts)}, rows, columns), found {found}")

    @cached_property
    def starts(self) -> Integers:
        """Index of the first drawing of every character."""
        return np.cumsum([0, *self.counts[:-1]])

    def of(self, character: int) -> Pixels:
        """All drawings of a character."""
        start = self.starts[character]
        return self.pixels[start : start + self.counts[character]]

    def drawing(self, character: int, number: int) -> Pixels:
        """One drawing."""
        return self.of(character)[number]

    def by_name(self) -> Mapping[str, Pixels]:
        """The drawings of every character under its name."""
        return {name: self.of(character) for character, name in enumerate(self.names)}

    def named(self, names: Collection[str]) -> "Characters":
        """The characters of some names, in the order that they have here.

        ValueError if there is no such character, or none is named.
        """
        missing = sorted(set(names) - set(self.names))
        if missing or not names:
            raise ValueError(f"no character {missing[0]}" if missing else "names must be of at least one character")
        kept = [number for number, name in enumerate(self.names) if name in names]
        drawings = np.concatenate([self.of(number) for number in kept])
        return Characters(
            tuple(self.names[number] for number in kept), tuple(self.counts[number] for number in kept), drawings
        )

    @property
    def alphabets(self) -> tuple[str, ...]:
        """Alphabets in their order."""
        return tuple(dict.fromkeys(map(alphabet_of, self.names)))


def alphabet_of(name: str) -> str:
    """The alphabet in the name of a character.

    >>> alphabet_of("images_background/Alphabet_00/character01")
    'Alphabet_00'
    """
    return name.split("/")[-2]


def generated_characters(
    alphabets: int = 8,
    characters: int = 12,
    drawings: int = 20,
    *,
    evaluation: int = 2,
    side: int = 105,
    variation: float = 1.0,
    seed: int = 0,
) -> Characters:
    r"""Characters of a few random strokes, each a cubic Bézier curve

    .. math:: b(t) = \sum_{k=0}^{3} \binom3k t^k (1 - t)^{3-k} c_k, \qquad 0 \le t \le 1,

    whose control points :math:`c_k` are uniform for the character and jitter from drawing to drawing, which are turned,
    scaled and shifted a little, too. A character, and its first drawings, do not depend on how many others there are.

    Parameters
    ----------
    alphabets, characters, drawings : int
        How many; characters of each alphabet, and drawings of each character.
    evaluation : int
        How many of the alphabets, the last ones, belong to the part ``images_evaluation``.
    side : int
        Rows and columns of a drawing.
    variation : float
        Factor of how much drawings of a character differ.
    seed : int

    Returns
    -------
    Characters
        Of black and white pixels, 0 and 255.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> some = generated_characters(3, 2, 4, evaluation=1, side=20)
    >>> some.pixels.shape, some.names[-1]
    ((24, 20, 20), 'images_evaluation/Alphabet_02/character02')
    """
    alphabets, characters = checked_integer("alphabets", alphabets, 1), checked_integer("characters", characters, 1)
    checked_integer("drawings", drawings, 1)
    checked_integer("side", side, 4)
    checked_number("variation", variation, least=0.0)
    checked_integer("seed", seed, 0)
    background = alphabets - checked_integer("evaluation", evaluation, 0, alphabets)
    names, pixels = [], []
    for alphabet in range(alphabets):
        part = "images_background" if alphabet < background else "images_evaluation"
        for character in range(characters):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(alphabet, character)))
            names.append(f"{part}/Alphabet_{alphabet:02}/character{character + 1:02}")
            pixels.append(_inked(_curves(_control_points(drawings, variation, rng), 2 * side), side))
    return Characters(tuple(names), (drawings,) * len(names), np.concatenate(pixels))


def _control_points(drawings: int, variation: float, rng: np.random.Generator) -> Array:
    """Control points (drawings, strokes, 4, 2) of a new character; a square from 0 to 1 is the paper."""
    points = rng.uniform(0.15, 0.85, (rng.choice(STROKES), 4, 2))
    jitter = variation * rng.standard_normal((drawings, 4 + points.size))
    shift, scale = SHIFT * jitter[:, :2], 1.0 + SCALE * jitter[:, 2]
    angle = TURN * jitter[:, 3]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    drawn = points + POINT_JITTER * jitter[:, 4:].reshape(drawings, *points.shape)
    turned = np.einsum("abd,dskb->dska", turn, drawn - 0.5)
    return np.asarray(turned + 0.5 + shift[:, np.newaxis, np.newaxis])


def _curves(points: Array, number: int) -> Array:
    """Points (drawings, number of all strokes, 2) of the curves."""
    t = np.linspace(0.0, 1.0, number)[:, np.newaxis]
    k = np.arange(4)
    curves = (np.array([1.0, 3.0, 3.0, 1.0]) * t**k * (1.0 - t) ** (3 - k)) @ points
    return curves.reshape(len(points), -1, 2)


def _inked(curves: Array, side: int) -> Pixels:
    """Drawings (drawings, side, side) by a round pen."""
    reach = math.ceil(PEN * side)
    square = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    pen = square[(square**2).sum(axis=1) <= (PEN * side) ** 2]
    places = np.clip(np.floor(side * curves)[:, :, np.newaxis].astype(np.int64) + pen, 0, side - 1)
    pixels = np.zeros((len(curves), side, side), dtype=np.uint8)
    pixels[np.arange(len(curves))[:, np.newaxis, np.newaxis], places[..., 0], places[..., 1]] = 255
    return pixels
