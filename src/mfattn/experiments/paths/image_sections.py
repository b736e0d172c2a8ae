"""What the config sections of images share."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mfattn.paths.tasks.dump import Examples
from mfattn.paths.tasks.trained import RandomHeads, TrainedNetwork
from mfattn.pipeline.config import Config
from mfattn.pipeline.yaml_text import KeyPath

TEST_NAME = r"^[A-Za-z0-9 ,.+()-]{1,40}$"
"""What a test on images of another kind may be called."""

MOST_TESTS = 6
"""Bound on such tests."""

Network = TrainedNetwork | RandomHeads


class ImageData(NamedTuple):
    """Examples for the theory, for the test on classes that were not seen, and for tests on images of other kinds."""

    training: Examples
    test: Examples
    transfer: Mapping[str, Examples]


def holds(check: Callable[[], bool]) -> bool:
    """Whether something is so of a path, which need not be a possible one."""
    try:
        return check()
    except (OSError, ValueError):
        return False


def odd_mistakes(section: Config, *names: str) -> Iterator[tuple[KeyPath, str]]:
    """Numbers of examples that are not half of each label."""
    for name in names:
        number = getattr(section, name)
        if number % 2:
            yield (name,), f"an even number, found {number}"
