"""Escape from chaotic saddles: how long chaos lasts, from many random starts at each value of a parameter."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import MeanFieldExperiment
from mfattn.experiments.meanfield.config import (
    LARGEST_TRANSIENT,
    MeanFieldConfig,
    RandomStartsConfig,
    SweepConfig,
    caption_of,
    make_orbits,
)
from mfattn.experiments.meanfield.stepping import mover, step_seconds
from mfattn.meanfield.settling import escape_rate, escape_times
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SaddleConfig(Config):
    """When an orbit counts as still on the chaotic saddle."""

    threshold: float = Field(0.05, description="Leading exponent per step above which it does.")
    window: int = Field(4000, ge=1, le=LARGEST_TRANSIENT, description="Steps over which the exponent is measured.")
    fit_from: int = Field(
        20_000, ge=0, le=LARGEST_TRANSIENT, description="Steps from which on the exponential law is fitted."
    )
    limit: int = Field(ge=1, le=LARGEST_TRANSIENT, description="Most steps of an orbit.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Lengths that do not fit into the limit."""
        for name in ("window", "fit_from"):
            if getattr(self, name) > self.limit:
                yield (name,), f"at most limit ({self.limit:,}), found {getattr(self, name):,}"
                return
        if self.limit % self.window:
            yield ("window",), f"a divisor of limit ({self.limit:,}), found {self.window:,}"


class EscapeConfig(MeanFieldConfig):
    """Escape from chaotic saddles."""

    experiment: Literal["escape"] = Field(description="This kind of run.")
    sweep: SweepConfig = Field(description="The swept parameter and its values.")
    starts: RandomStartsConfig = Field(description="Random starts at every value.")
    saddle: SaddleConfig = Field(description="When an orbit counts as still on the chaotic saddle.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from ((("saddle", *path), message) for path, message in self.saddle.mistakes())
        yield from size_mistakes(("starts", "number"), self.layout(self.sweep.count), "sweep fewer values or starts")

    def layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points."""
        real = ArrayLayout((points,), np.dtype(np.float64))
        times = ArrayLayout((points, self.starts.number), np.dtype(np.int64))
        return {"escape_time": times, "escape_rate": real, "escape_rate_error": real}


class Escape(MeanFieldExperiment[EscapeConfig]):
    """The escape experiment; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections = ("sweep", "starts", "saddle")
    block_size = 1

    @property
    def steps_per_point(self) -> int:
        """Steps of all starts, at most."""
        return self.config.starts.number * self.config.saddle.limit

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid, starts and limit."""
        starts, saddle = self.config.starts, self.config.saddle
        return [
            *super().describe(),
            ("starts", f"{starts.number:,} random contexts a value, seed {starts.seed}"),
            ("escape", f"λ₁ ≤ {saddle.threshold:g} over {saddle.window:,} steps; looked for up to {saddle.limit:,}"),
        ]

    def estimate(self) -> float:
        """Rough core-seconds, if nothing escapes."""
        return self.points * self.steps_per_point * step_seconds(self._weights, 1)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Escape time of every start, and the rate of each value."""
        return self.config.layout(len(points))

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Run every start until it escapes, or to the limit."""
        saddle = self.config.saddle
        times = np.stack([self._escape_times(point, advance) for point in points])
        rates = [escape_rate(row, limit=saddle.limit, start=saddle.fit_from) for row in times]
        rate, error = np.array(rates).T
        return {"escape_time": times, "escape_rate": rate, "escape_rate_error": error}

    def _escape_times(self, point: int, advance: Advance) -> NDArray[np.int64]:
        config, saddle, done = self.config, self.config.saddle, 0

        def count(steps: int) -> None:
            nonlocal done
            done += steps
            advance(steps)

        starts = config.starts.contexts(self._weights, point)
        orbits = make_orbits(config, self._weights, self._grid, np.full(len(starts), point), starts)
        move = mover(count, self._weights)
        times = escape_times(orbits, threshold=saddle.threshold, window=saddle.window, limit=saddle.limit, move=move)
        advance(self.steps_per_point - done)
        return times

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure as PNG and PDF."""
        from mfattn.figures.style import render

        return render(self.figure(arrays, note))

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """Survival curves with their exponential laws, and the mean escape time over the parameter."""
        from mfattn.figures.meanfield.escape import draw_escape

        saddle = self.config.saddle
        caption = f"{caption_of(self.config)}, {self.config.starts.number:,} random starts a value{note}"
        return draw_escape(self.config.sweep.parameter, arrays, saddle.fit_from, saddle.limit, caption)
