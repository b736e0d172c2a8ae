"""Config section of a file that holds a trained network and examples."""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mfattn.experiments.paths.image_sections import (
    MOST_TESTS,
    TEST_NAME,
    ImageData,
    Network,
    holds,
    odd_mistakes,
)
from mfattn.experiments.paths.task_config import MOST_EXAMPLES, TaskConfig
from mfattn.experiments.sections import LocalPath
from mfattn.paths.tasks.descent import MissingExtra
from mfattn.paths.tasks.dump import BadDump, Dump, Examples, read_dump
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import KeyPath


class DumpConfig(TaskConfig):
    """A file with a trained network, and with the examples that were made for it."""

    name: Literal["dump"] = Field(description="A file with a trained network and examples.")
    file: LocalPath = Field(description="Ends in .npz, or is one of torch.", examples=["network.npz"])
    examples: int = Field(600, ge=2, le=MOST_EXAMPLES, description="Training examples P of the theory.")
    test_examples: int = Field(1000, ge=2, le=20_000, description="Examples of each test, at most.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """No such file."""
        yield from odd_mistakes(self, "examples", "test_examples")
        if not holds(self.file.is_file):
            yield ("file",), f"a file, found none at {self.file}"

    @property
    def dump(self) -> Dump:
        """What is in the file, read once.

        Raises
        ------
        InputError
            If it cannot be read, or holds something else, or too few examples.
        """
        return _dump(self)

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return self.dump.network.heads

    @property
    def training_size(self) -> int:
        """Number P of training examples."""
        return self.examples

    @property
    def test_size(self) -> int:
        """Number of test examples of all kinds."""
        return sum(len(examples.labels) for name, examples in self.dump.examples.items() if name != "train")

    @property
    def input_width(self) -> int:
        """Width of a token."""
        return self.dump.network.projection.shape[1]

    @property
    def label(self) -> str:
        """The task in words."""
        return "images of a file"

    @property
    def transfer_names(self) -> tuple[str, ...]:
        """Names of the tests on images of other kinds."""
        return tuple(map(shown_name, other_tests(self.dump)))

    @property
    def training(self) -> None:
        """None: the network is there."""
        return None

    @property
    def has_values(self) -> bool:
        """Whether the network has values and a read-out of its own."""
        return True

    def describe_network(self) -> str:
        """Where the heads come from."""
        # Figures cannot show all that a name may have.
        letters = re.findall(r"[A-Za-z0-9 ._+-]", self.file.name)
        return f"trained, of {''.join(letters) or 'a file'}"

    def check(self) -> None:
        """Raise InputError if the file cannot be used."""
        for _, message in self.size_mistakes():
            raise InputError(f"{self.file}: {message}")

    def identity(self) -> dict[str, Any]:
        """The numbers that are used of the file, not where it is; InputError if it cannot be read."""
        digest = hashlib.sha256()
        network = self.dump.network
        arrays = [*network.queries, *network.keys, *network.values, network.projection, network.read_out]
        for name, examples in self.dump.examples.items():
            digest.update(name.encode())
            arrays += [examples.tokens, examples.labels]
        for array in arrays:
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return self.model_dump(mode="json", exclude={"file"}) | {"sha256": digest.hexdigest()}

    def given_network(self) -> Network | None:
        """The network of the file."""
        return self.dump.network

    def data(self) -> ImageData:
        """Examples of the file."""
        examples = self.dump.examples
        others = {shown_name(name): examples[name] for name in other_tests(self.dump)}
        return ImageData(examples["train"], examples["test"], others)


def other_tests(dump: Dump) -> tuple[str, ...]:
    """Names in a file of the tests on images of other kinds."""
    return tuple(name for name in dump.examples if name not in ("train", "test"))


def shown_name(name: str) -> str:
    """What a test on images of another kind is called.

    >>> shown_name("test_fashion_mnist")
    'fashion mnist'
    """
    return name.removeprefix("test_").replace("_", " ")


@lru_cache(maxsize=1)
def _dump(task: DumpConfig) -> Dump:
    """The network, and the examples that a task takes of a dump."""
    try:
        dump = read_dump(task.file)
        for name in ("train", "test"):
            if name not in dump.examples:
                raise BadDump(f"{task.file}: no examples x_zeros_{name}")
        _check_names(task, other_tests(dump))
        examples = {name: _taken(task, name, found) for name, found in dump.examples.items()}
    except BadDump as error:
        raise InputError(str(error)) from None
    except MissingExtra as error:
        raise InputError(f"{task.file}: {error}") from None
    return Dump(dump.network, examples, dump.info)


def _check_names(task: DumpConfig, names: tuple[str, ...]) -> None:
    """BadDump where tests have no proper names, or the same, or are too many."""
    shown = [shown_name(name) for name in names]
    for name, called in zip(names, shown, strict=True):
        if not re.fullmatch(TEST_NAME, called):
            raise BadDump(f"{task.file}: x_zeros_{name}: a test needs a name of 1 to 40 letters, found {called!r}")
        if shown.count(called) > 1:
            raise BadDump(f"{task.file}: x_zeros_{name}: two tests are called {called!r}")
    if len(names) > MOST_TESTS:
        raise BadDump(f"{task.file}: at most {MOST_TESTS} tests beside x_zeros_test, found {len(names)}")


def _taken(task: DumpConfig, name: str, found: Examples) -> Examples:
    """The first examples of each label: as many as are asked for to train, and at most as many for a test."""
    try:
        if name == "train":
            return found.first_of_each_label(task.examples // 2)
        least = int(min((found.labels == label).sum() for label in (1, -1)))
        return found.first_of_each_label(max(1, min(task.test_examples // 2, least)))
    except BadDump as error:
        raise BadDump(f"{task.file}: {name}: {error}") from None
