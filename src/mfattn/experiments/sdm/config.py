"""Config sections that the experiments on Sparse Distributed Memory share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import radius_for_fraction

MOST_BITS = 100_000
"""Bound on the bits n of what is computed in closed form."""

MOST_NEURONS = 1e300
"""Bound on the number r of neurons of what is computed in closed form."""

LARGEST_SEED = 2**32 - 1

Bits = Annotated[int, Field(ge=1, le=MOST_BITS)]
Radius = Annotated[int, Field(ge=0, le=MOST_BITS)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Neurons = Annotated[float, Field(ge=1, le=MOST_NEURONS)]


def _absolute(path: Path) -> Path:
    """A path that means the same from any folder."""
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):
        # Of a user, or below a present folder, that there is not.
        return path


LocalPath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
"""A file or folder of the user; one that is not absolute is looked for from where the command runs."""


def one_of(section: Config, *names: str) -> str | None:
    """What is wrong where not exactly one of some keys of a section is given; None if nothing is.

    >>> one_of(BallsConfig(bits=8), "radii", "fractions")
    'one of radii and fractions is needed'
    >>> one_of(BallsConfig(bits=8, radii=(1,), fractions=(0.5,)), "radii", "fractions")
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


class BallsConfig(Config):
    """Balls of addresses in the space of n bits: by their radii, or by their shares of the space."""

    bits: Bits = Field(description="Number n of bits.")
    radii: Tuple[Radius] | None = Field(None, min_length=1, max_length=1000, description="Radii d; or fractions.")
    fractions: Tuple[Fraction] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Shares p of the space: the radius is the smallest whose ball holds as much; or radii.",
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Not one list, or balls that reach beyond the space."""
        if message := one_of(self, "radii", "fractions"):
            yield (), message
        for number, radius in enumerate(self.radii or ()):
            if radius > self.bits:
                yield ("radii", number), f"at most bits ({self.bits:,}), found {radius:,}"
        yield from distinct_mistakes(("radii",), self.radii)
        if self.radii is None and len(set(self.sizes)) != len(self.sizes):
            yield ("fractions",), f"shares with different radii, found d = {', '.join(map(str, self.sizes))}"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The radii d, whichever way they were given."""
        if self.radii is not None:
            return self.radii
        return tuple(radius_for_fraction(self.bits, fraction) for fraction in self.fractions or ())

    def describe(self) -> tuple[str, str]:
        """A line that tells a user the balls."""
        return "balls", f"n = {self.bits:,} bits, d = {', '.join(map(str, self.sizes))}"


def distinct_mistakes(path: KeyPath, values: Sequence[float] | None) -> Iterator[tuple[KeyPath, str]]:
    """A mistake at PATH where VALUES repeat themselves."""
    if values is not None and len(set(values)) != len(values):
        yield path, f"different numbers, found {', '.join(map(str, values))}"
