"""What the config sections of all theories share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from mfattn.pipeline.yaml_text import KeyPath

LARGEST_SEED = 2**32 - 1

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


def _absolute(path: Path) -> Path:
    """A path that means the same from any folder."""
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):
        # Of a user, or below a present folder, that there is not.
        return path


LocalPath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
"""A file or folder of the user; one that is not absolute is looked for from where the command runs."""


def one_of(section: object, *names: str) -> str | None:
    """What is wrong where not exactly one of some keys of a section is given; None if nothing is.

    >>> from types import SimpleNamespace
    >>> one_of(SimpleNamespace(radii=None, fractions=None), "radii", "fractions")
    'one of radii and fractions is needed'
    >>> one_of(SimpleNamespace(radii=(1,), fractions=(0.5,)), "radii", "fractions")
    'only one of radii and fractions, found both'
    """
    given = [name for name in names if getattr(section, name) is not None]
    if len(given) == 1:
        return None
    alternatives = _listed(names)
    if not given:
        return f"one of {alternatives} is needed"
    return f"only one of {alternatives}, found {'both' if len(given) == len(names) == 2 else _listed(given)}"


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]])


def distinct_mistakes(path: KeyPath, values: Sequence[float] | None) -> Iterator[tuple[KeyPath, str]]:
    """A mistake at PATH where VALUES repeat themselves."""
    if values is not None and len(set(values)) != len(values):
        yield path, f"different numbers, found {', '.join(map(str, values))}"
