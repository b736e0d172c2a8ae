"""Handwritten characters in a folder laid out like Omniglot, read when they are asked for; they need Pillow.

Drawings are ``images_background/ALPHABET/CHARACTER/*.png`` and ``images_evaluation/...``, in black ink on white; what
is read has bright ink, as handwriting of other datasets has. A split is a file of JSON that chooses characters,
``{"background": {ALPHABET: [CHARACTER, ...]}, "evaluation": {...}}``.

References
----------
Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program induction, Science 350,
1332 (2015).
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.datasets.files import BadData, read_at_most

PARTS = ("images_background", "images_evaluation")
"""Folders of alphabets."""

LARGEST_SIDE = 1024
"""Rows or columns that a drawing may have: ten times those of Omniglot."""

MOST_BYTES = 2**24
"""Bytes of a drawing, or of a split."""


class OmniglotFolder:
    """Characters of a folder; their files are listed at once, and read one by one.

    Parameters
    ----------
    folder : Path
        Holds ``images_background``, ``images_evaluation``, or both.
    names : sequence of str, optional
        Characters such as ``images_background/Greek/character01``, as `read_split` gives them; all of them, sorted, if
        left out.

    Raises
    ------
    BadData
        If the folder, a character, or its drawings are missing.
    """

    def __init__(self, folder: Path, names: Sequence[str] | None = None) -> None:
        found = _drawings_of(folder)
        for name in names or ():
            if name not in found:
                raise BadData(f"{folder}: no character {name[:80]!r}")
        self.folder = folder
        self.names = tuple(found) if names is None else tuple(names)
        self._files = tuple(found[name] for name in self.names)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of drawings of every character."""
        return tuple(map(len, self._files))

    def drawing(self, character: int, number: int) -> NDArray[np.uint8]:
        """One drawing (rows, columns), from black to white ink.

        BadData if its file is damaged.
        """
        return _read_drawing(self._files[character][number])


def read_split(path: Path) -> tuple[str, ...]:
    """The characters of a split, for `OmniglotFolder`.

    Raises
    ------
    BadData
        If the file cannot be read, or is no such split.
    """
    try:
        with path.open("rb") as file:
            content = read_at_most(file, MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BadData(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MOST_BYTES:
        raise BadData(f"{path}: more than {MOST_BYTES:,} bytes")
    try:
        split = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}: no JSON: {error}") from None
    names = tuple(_names_of(path, split))
    if not names or len(set(names)) < len(names):
        raise BadData(f"{path}: " + ("a character comes twice" if names else "no characters"))
    return names


def write_omniglot(folder: Path, characters: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write drawings in the layout of Omniglot, as PNG files of one bit a pixel.

    Parameters
    ----------
    folder : Path
        Made if need be; it must hold nothing yet.
    characters : mapping of str to (drawings, rows, columns) array of uint8
        Under names such as ``images_background/Greek/character01``; ink is 128 or more.

    Raises
    ------
    BadData
        If the folder is not empty, or a name is none of those.
    """
    pillow = _pillow()
    for name in characters:
        part, *folders = name.split("/")
        if part not in PARTS or len(folders) != 2 or not all(map(_plain, folders)):
            raise BadData(f"{name[:80]!r}: a character's name is {PARTS[0]} or {PARTS[1]}/ALPHABET/CHARACTER")
    if folder.exists() and any(folder.iterdir()):
        raise BadData(f"{folder}: holds something already")
    for character, (name, drawings) in enumerate(characters.items(), start=1):
        (folder / name).mkdir(parents=True)
        for number, drawing in enumerate(drawings, start=1):
            image = pillow.fromarray(np.where(drawing < 128, 255, 0).astype(np.uint8)).convert("1")
            image.save(folder / name / f"{character:04}_{number:02}.png")


def _plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set(name) & set("\\\0")


def _drawings_of(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Sorted files of every character of the folder."""
    try:
        parts = [part for part in PARTS if (folder / part).is_dir()]
        if not parts:
            raise BadData(f"{folder}: no folder {' or '.join(PARTS)}")
        found = {
            f"{part}/{alphabet.name}/{character.name}": tuple(sorted(character.glob("*.png")))
            for part in parts
            for alphabet in _folders(folder / part)
            for character in _folders(alphabet)
        }
    except OSError as error:
        raise BadData(f"{error.filename or folder}: cannot be read: {error.strerror or error}") from None
    for name, files in found.items():
        if not files:
            raise BadData(f"{folder / name}: no file *.png")
    if not found:
        raise BadData(f"{folder}: no characters, which are {parts[0]}/ALPHABET/CHARACTER/*.png")
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith("."))


def _pillow() -> ModuleType:
    """The module of Pillow's images; it takes time to import, and few need it."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise BadData("drawings: Pillow is not installed; pip install 'mfattn[images]'") from None
    return Image


def _read_drawing(path: Path) -> NDArray[np.uint8]:
    pillow = _pillow()
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadData(f"{path}: more than {MOST_BYTES:,} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pillow.open(path, formats=["PNG"]) as image:
                if max(image.size) > LARGEST_SIDE:
                    size = " x ".join(map(str, image.size))
                    raise BadData(f"{path}: {size} pixels; allowed are {LARGEST_SIDE} x {LARGEST_SIDE}")
                return 255 - np.asarray(image.convert("L"))
    except BadData:
        raise
    # A damaged file can end in almost any of them.
    except Exception as error:
        raise BadData(f"{path}: no PNG, or a damaged one: {type(error).__name__}") from None


def _names_of(path: Path, split: Any) -> list[str]:
    """Names of the characters that a split lists."""
    if not isinstance(split, dict) or not set(split) <= {"background", "evaluation"}:
        raise BadData(f"{path}: a split has the keys background and evaluation, and no others")
    names = []
    for part, alphabets in split.items():
        if not isinstance(alphabets, dict) or not all(isinstance(listed, list) for listed in alphabets.values()):
            raise BadData(f"{path}: {part} must name alphabets, with a list of characters each")
        for alphabet, characters in alphabets.items():
            if not all(isinstance(character, str) for character in characters):
                raise BadData(f"{path}: {part}: {alphabet[:80]!r}: characters must be names")
            names += [f"images_{part}/{alphabet}/{character}" for character in characters]
    return names
