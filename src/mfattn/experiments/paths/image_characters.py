"""Config sections of characters: generated ones, and those of a folder."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mfattn.datasets import BadData, OmniglotFolder, read_split
from mfattn.experiments.paths.image_sections import holds
from mfattn.experiments.sections import LocalPath, Seed
from mfattn.paths.tasks.characters import Characters, alphabet_of, generated_characters
from mfattn.paths.tasks.oneshot import resized_characters
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import KeyPath

MOST_DRAWINGS = 40_000
"""Bound on the generated drawings, which are held in memory at first."""

DRAWING_SIDE = 105
"""Rows and columns of a generated drawing, as of Omniglot's."""


class GeneratedConfig(Config):
    """Characters of random strokes, which need no files."""

    source: Literal["generated"] = Field(description="Characters of random strokes.")
    alphabets: int = Field(8, ge=2, le=1000, description="Alphabets.")
    unseen: int = Field(2, ge=1, le=999, description="How many of them are kept for the test, the last ones.")
    characters: int = Field(12, ge=1, le=1000, description="Characters of each alphabet.")
    drawings: int = Field(20, ge=2, le=1000, description="Drawings of each character.")
    variation: float = Field(1.0, ge=0, le=10, description="Factor of how much drawings of a character differ.")
    seed: Seed = Field(0, description="Seed.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Nothing to train with, or to test; too many."""
        if self.unseen >= self.alphabets:
            yield ("unseen",), f"fewer than the {self.alphabets} alphabets, found {self.unseen}"
        elif self.characters * min(self.unseen, self.alphabets - self.unseen) < 2:
            yield ("characters",), "at least 2 characters for training and for the test, found 1"
        number = self.alphabets * self.characters * self.drawings
        if number > MOST_DRAWINGS:
            yield ("drawings",), f"at most {MOST_DRAWINGS:,} drawings in all, found {number:,}"

    @property
    def label(self) -> str:
        """What they are."""
        return f"{self.alphabets * self.characters:,} generated characters"

    def load(self, side: int) -> tuple[Characters, Characters]:
        """Characters for training and for the test, of some rows and columns."""
        drawn = generated_characters(
            self.alphabets,
            self.characters,
            self.drawings,
            evaluation=self.unseen,
            side=DRAWING_SIDE,
            variation=self.variation,
            seed=self.seed,
        )
        return parted(resized_characters(drawn, side), set(filter(is_of_evaluation, drawn.names)))

    def identity(self, side: int) -> dict[str, Any]:
        """What tells them from others."""
        return self.model_dump(mode="json")


class OmniglotConfig(Config):
    """Characters in a folder laid out like Omniglot."""

    source: Literal["omniglot"] = Field(description="Characters in a folder laid out like Omniglot.")
    folder: LocalPath = Field(
        description="Holds images_background and images_evaluation.", examples=["data/omniglot-py"]
    )
    training_split: LocalPath | None = Field(
        None, description="JSON file that names the characters for training; without it, images_background."
    )
    test_split: LocalPath | None = Field(
        None, description="JSON file that names those of the test; without it, images_evaluation."
    )
    test_alphabets: Tuple[str] | None = Field(
        None, min_length=1, max_length=100, description="Alphabets of the test; all others are for training."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """A folder that is missing, and more than one way to split it."""
        if not holds(self.folder.is_dir):
            yield ("folder",), f"a folder, found none at {self.folder}"
        if (self.training_split is None) != (self.test_split is None):
            missing = "training_split" if self.training_split is None else "test_split"
            yield (missing,), "needed, as the other split is given"
        if self.test_alphabets is not None and self.test_split is not None:
            yield ("test_alphabets",), "only one of test_alphabets and test_split, found both"

    @property
    def label(self) -> str:
        """What they are."""
        return "Omniglot"

    def load(self, side: int) -> tuple[Characters, Characters]:
        """Characters for training and for the test, of some rows and columns.

        Raises
        ------
        InputError
            If the folder or a split cannot be read, or a part has less than two characters or drawings of one.
        """
        try:
            parts = self._parts(side)
        except BadData as error:
            raise InputError(str(error)) from None
        for name, part in zip(("training", "test"), parts, strict=True):
            if len(part.names) < 2 or min(part.counts) < 2:
                raise InputError(f"{self.folder}: at least 2 characters of 2 drawings each are needed for the {name}")
        return parts

    def _parts(self, side: int) -> tuple[Characters, Characters]:
        if self.training_split is not None and self.test_split is not None:
            names, other = read_split(self.training_split), read_split(self.test_split)
            shared = sorted(set(names) & set(other))
            if shared:
                raise BadData(f"{self.test_split}: {shared[0][:80]!r} is in {self.training_split}, too")
            training, test = (resized_characters(OmniglotFolder(self.folder, part), side) for part in (names, other))
            return training, test
        every = OmniglotFolder(self.folder)
        unseen = {name for name in every.names if self._is_unseen(name)}
        strange = sorted(set(self.test_alphabets or ()) - set(map(alphabet_of, every.names)))
        if strange:
            raise BadData(f"{self.folder}: no alphabet {strange[0][:80]!r}")
        if len(unseen) in (0, len(every.names)):
            raise BadData(f"{self.folder}: no alphabets for {'training' if unseen else 'the test'}")
        return parted(resized_characters(every, side), unseen)

    def _is_unseen(self, name: str) -> bool:
        """Whether a character is of the test: by its alphabet, or by its folder, whose alphabets may be in both."""
        if self.test_alphabets is None:
            return is_of_evaluation(name)
        return alphabet_of(name) in self.test_alphabets

    def identity(self, side: int) -> dict[str, Any]:
        """What the drawings are, not where; reads them.

        InputError as `load`.
        """
        digest = hashlib.sha256()
        for part in characters_of(self, side):
            digest.update(repr((part.names, part.counts, part.pixels.shape)).encode())
            digest.update(np.ascontiguousarray(part.pixels).data)
        return {"source": self.source, "sha256": digest.hexdigest()}


def is_of_evaluation(name: str) -> bool:
    """Whether a character is in the folder of the test."""
    return name.startswith("images_evaluation/")


def parted(every: Characters, unseen: set[str]) -> tuple[Characters, Characters]:
    """All other characters, and those that are unseen."""
    return every.named(set(every.names) - unseen), every.named(unseen)


AnyCharacters = Annotated[GeneratedConfig | OmniglotConfig, Field(discriminator="source")]


@lru_cache(maxsize=2)
def characters_of(source: GeneratedConfig | OmniglotConfig, side: int) -> tuple[Characters, Characters]:
    """Characters for training and for the test, read once per process."""
    return source.load(side)
