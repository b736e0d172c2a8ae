"""Config section of the inverse temperatures that others are compared with: those of some radii."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.experiment import Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.temperatures import Estimator, fit_beta

ESTIMATORS: tuple[Estimator, ...] = ("ols", "paper")
"""The least squares fit, and the published one, which is too large by N/(N - 1)."""


class LinesConfig(Config):
    """Radii whose inverse temperatures are drawn as lines."""

    bits: int = Field(64, ge=8, le=4096, description="Number n of bits.")
    radii: Tuple[Annotated[int, Field(ge=2, le=2048)]] = Field(
        (5, 11, 15),
        min_length=1,
        max_length=10,
        description="Radii d, from 2 to half the bits; by default the published best for memory, noise and distance.",
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Radii that hold more than half the space, or are there twice."""
        for number, radius in enumerate(self.radii):
            if radius > self.bits // 2:
                yield ("radii", number), f"at most half the bits ({self.bits // 2:,}), found {radius:,}"
        if len(set(self.radii)) != len(self.radii):
            yield ("radii",), f"different numbers, found {', '.join(map(str, self.radii))}"

    def arrays(self) -> Arrays:
        """The radii, and the inverse temperature of each by least squares and as it was published."""
        betas = {
            name: np.array([fit_beta(self.bits, radius, estimator=estimator).beta for radius in self.radii])
            for name, estimator in zip(("line_beta", "line_beta_published"), ESTIMATORS, strict=True)
        }
        return {"line_radius": np.array(self.radii), **betas}
