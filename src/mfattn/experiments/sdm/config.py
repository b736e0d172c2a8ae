"""Config sections that the experiments on Sparse Distributed Memory share."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from mfattn.experiments.sections import distinct_mistakes, one_of
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import radius_for_fraction

MOST_BITS = 100_000
"""Bound on the bits n of what is computed in closed form."""

MOST_NEURONS = 1e300
"""Bound on the number r of neurons of what is computed in closed form."""

Bits = Annotated[int, Field(ge=1, le=MOST_BITS)]
Radius = Annotated[int, Field(ge=0, le=MOST_BITS)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Neurons = Annotated[float, Field(ge=1, le=MOST_NEURONS)]


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
