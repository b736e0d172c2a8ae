"""Config sections of images: the bundled digits, or files that a user has."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mfattn.datasets import (
    BadData,
    Images,
    Part,
    cifar_files,
    digits_installed,
    idx_files,
    load_cifar,
    load_digits,
    load_idx,
)
from mfattn.datasets.cifar import CIFAR_SIDE
from mfattn.datasets.digits import DIGIT_SIDE, DIGITS
from mfattn.experiments.sections import LocalPath
from mfattn.pipeline.config import Config
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import KeyPath

MOST_IMAGES = 1_000_000
"""Bound on the images that are taken."""

Number = Annotated[int | None, Field(ge=1, le=MOST_IMAGES)]


class SourceConfig(Config):
    """Where images come from, and how many of them are taken."""

    number: Number = Field(None, description="How many are taken, from the first; all of them if left out.")

    @cached_property
    def loaded(self) -> Images:
        """The images, read once.

        Raises
        ------
        InputError
            If files are missing or damaged, or hold fewer images, or these are of one pixel, or one is black, which
            has no direction.
        """
        try:
            images = self._load()
        except BadData as error:
            raise InputError(str(error)) from None
        if self.number is not None and self.number > len(images):
            raise InputError(f"{self.source}: holds {len(images):,} images, number asks for {self.number:,}")
        chosen = images if self.number is None else images.first(self.number)
        if chosen.size == (1, 1):
            raise InputError(f"{self.source}: images of 1 x 1 pixels; at least 2 pixels are needed")
        black = np.flatnonzero(~chosen.pixels.any(axis=(1, 2)))
        if len(black):
            raise InputError(f"{self.source}: image {black[0] + 1:,} is all black, and has no direction")
        return chosen

    @property
    def known_size(self) -> tuple[int, int] | None:
        """Rows and columns of an image where they are known without reading a file."""
        return None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of an image; may read the files."""
        return self.known_size or self.loaded.size

    @property
    def count(self) -> int:
        """Number of images; may read the files."""
        return len(self.loaded)

    @property
    def source(self) -> str:
        """The source in words."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The source in few plain letters, for the caption of a figure."""
        return self.source

    def _load(self) -> Images:
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """What tells the images from others: for files their content, not their folder; reads them.

        Raises
        ------
        InputError
            As `loaded`.
        """
        return {**self.model_dump(mode="json", exclude={"folder"}), "sha256": self.loaded.fingerprint()}

    def describe(self) -> str:
        """The images in words, without a look at them."""
        return self.source if self.number is None else f"{self.source}, the first {self.number:,}"


class DigitsConfig(SourceConfig):
    """The digits of 8 x 8 pixels that scikit-learn brings along."""

    images: Literal["digits"] = Field(description="The bundled digits.")
    part: Part | Literal["all"] = Field("all", description="The first 1,200 (train), the other 597 (test), or all.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """No scikit-learn, or not as many digits."""
        if not digits_installed():
            yield ("images",), "digits need scikit-learn: pip install 'mfattn[digits]'"
        if self.number is not None and self.number > DIGITS[self.part]:
            yield ("number",), f"at most the {DIGITS[self.part]:,} of {self.source}, found {self.number:,}"

    @property
    def known_size(self) -> tuple[int, int]:
        """Rows and columns of a digit."""
        return DIGIT_SIDE, DIGIT_SIDE

    @property
    def count(self) -> int:
        """Number of digits."""
        return self.number or DIGITS[self.part]

    @property
    def source(self) -> str:
        """The source in words."""
        return "digits" if self.part == "all" else f"digits, {self.part}"

    def _load(self) -> Images:
        return load_digits(self.part)

    def identity(self) -> dict[str, Any]:
        """Part and number: these images are the same everywhere."""
        return self.model_dump(mode="json")


class FilesConfig(SourceConfig):
    """Images in files of a folder."""

    folder: LocalPath = Field(description="Folder of the files.", examples=["data/mnist"])
    part: Part = Field("train", description="The training images, or those of the test.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """A file that is missing."""
        try:
            self._files()
        except BadData as error:
            yield ("folder",), str(error)

    def _files(self) -> tuple[Path, ...]:
        raise NotImplementedError

    @property
    def source(self) -> str:
        """The source in words."""
        return f"{self.folder}, {self.part}"

    @property
    def label(self) -> str:
        """Name of the folder, without what a figure cannot show, and the part."""
        name = "".join(re.findall(r"[A-Za-z0-9 ._+-]", self.folder.name))
        return f"{name or 'images'}, {self.part}"


class IdxConfig(FilesConfig):
    """IDX files, the format of MNIST."""

    images: Literal["idx"] = Field(description="IDX files such as train-images-idx3-ubyte.gz.")

    def _files(self) -> tuple[Path, ...]:
        return idx_files(self.folder, self.part)

    def _load(self) -> Images:
        return load_idx(self.folder, self.part)


class CifarConfig(FilesConfig):
    """The batches of CIFAR-10, in grey."""

    images: Literal["cifar"] = Field(description="Batches of CIFAR-10, such as data_batch_1.")

    @property
    def known_size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return CIFAR_SIDE, CIFAR_SIDE

    def _files(self) -> tuple[Path, ...]:
        return cifar_files(self.folder, self.part)

    def _load(self) -> Images:
        return load_cifar(self.folder, self.part)


DataConfig = Annotated[DigitsConfig | IdxConfig | CifarConfig, Field(discriminator="images")]
"""Images of any source."""
