"""Learnt scales of normalised queries and keys, beside the inverse temperatures of sparse distributed memories."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.lines_config import LinesConfig
from mfattn.experiments.sdm.models_config import file_mistakes
from mfattn.experiments.sections import LocalPath, one_of
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.messages import counted
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.transformers.files import file_digest
from mfattn.sdm.transformers.heads import STATISTICS, statistics_of
from mfattn.sdm.transformers.scales import HENRY, MOST_SCALES, UNNAMED, read_scales

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, WHOLE = np.dtype(np.float64), np.dtype(np.int64)

Scale = Annotated[float, Field(ge=-1e6, le=1e6)]


class ScalesConfig(Config):
    """Scales: of a file, or listed here."""

    file: LocalPath | None = Field(
        None, description="JSON (a list of numbers, or a mapping of lists), or text with `tensor(x` in its lines."
    )
    listed: Tuple[Scale] | None = Field(None, min_length=1, max_length=MOST_SCALES, description="The numbers.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Not one source, or one that is not there."""
        if message := one_of(self, "file", "listed"):
            yield (), message
        elif self.file is not None:
            yield from file_mistakes("file", self.file, read_scales)

    @property
    def groups(self) -> dict[str, NDArray[np.float64]]:
        """The numbers, by group."""
        return read_scales(self.file) if self.file else {UNNAMED: np.array(self.listed)}

    def contents(self) -> dict[str, Any]:
        """The numbers, wherever their file lies."""
        return {"digest": file_digest(self.file)} if self.file else {"listed": list(self.listed or ())}


class QueryKeyTemperatureConfig(RunConfig):
    """Learnt scales of normalised queries and keys."""

    experiment: Literal["query_key_temperature"] = Field(description="This kind of run.")
    values: ScalesConfig | None = Field(
        None, description="Scales; without them, the published summary of others stands alone."
    )
    lines: LinesConfig = Field(LinesConfig(), description="Radii whose inverse temperatures are drawn as lines.")
    bins: int = Field(50, ge=1, le=10_000, description="Bins of the histogram.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Lines that there are not, or scales that are not there."""
        yield from ((("lines", *path), message) for path, message in self.lines.mistakes())
        if self.values is not None:
            yield from ((("values", *path), message) for path, message in self.values.mistakes())

    @property
    def groups(self) -> dict[str, NDArray[np.float64]]:
        """The scales, by group; none if none are given."""
        return self.values.groups if self.values is not None else {}


class QueryKeyTemperature(PointwiseExperiment[QueryKeyTemperatureConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. All scales are one point."""

    @property
    def points(self) -> int:
        """One."""
        return 1

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds."""
        return 0.01

    def identity(self) -> dict[str, Any]:
        """The config, with what is in the file in place of its name."""
        values = self.config.values
        return super().identity() | {"values": None if values is None else values.contents()}

    def describe(self) -> list[tuple[str, str]]:
        """The scales and the lines."""
        number = sum(len(group) for group in self.config.groups.values())
        lines, groups = self.config.lines, counted(len(self.config.groups), "group")
        return [
            ("scales", f"{number:,} in {groups}" if number else "the published summary alone"),
            ("lines", f"n = {lines.bits:,} bits, d = {', '.join(map(str, lines.radii))}"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """The scales with their groups, their statistics, how many lie below each line, and their histogram."""
        number, lines = sum(len(group) for group in self.config.groups.values()), len(self.config.lines.radii)
        return {
            "scale": ArrayLayout((number,), REAL),
            "group": ArrayLayout((number,), WHOLE),
            "statistics": ArrayLayout((len(STATISTICS),), REAL),
            "below": ArrayLayout((lines,), WHOLE),
            "below_published": ArrayLayout((lines,), WHOLE),
            "histogram": ArrayLayout((self.config.bins,), WHOLE),
            "bin_edge": ArrayLayout((self.config.bins + 1,), REAL),
        }

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All that is to be found of the scales; without any, the histogram spans the published ones and is empty."""
        groups = list(self.config.groups.values())
        scales = np.concatenate([*groups, np.zeros(0)])
        lines = self.config.lines.arrays()
        histogram, edges = np.histogram(scales, self.config.bins, self._span(scales))
        return {
            "scale": scales,
            "group": np.repeat(np.arange(len(groups)), [len(group) for group in groups]),
            "statistics": statistics_of(scales),
            "below": [int((scales < beta).sum()) for beta in lines["line_beta"]],
            "below_published": [int((scales < beta).sum()) for beta in lines["line_beta_published"]],
            "histogram": histogram,
            "bin_edge": edges,
        }

    @staticmethod
    def _span(scales: NDArray[np.float64]) -> tuple[float, float]:
        """Ends of the histogram."""
        if not scales.size:
            return HENRY.minimum, HENRY.maximum
        low, high = float(scales.min()), float(scales.max())
        # Bins between two equal ends would have no width.
        margin = 0.0 if high - low > 1e-9 * max(abs(low), abs(high)) else 0.5 + 1e-6 * abs(high)
        return low - margin, high + margin

    def constants(self) -> Arrays:
        """The lines, the names of groups and statistics, and the published summary."""
        return {
            **self.config.lines.arrays(),
            "group_name": np.array(list(self.config.groups), dtype="U40"),
            "statistic": np.array(STATISTICS),
            "henry": np.array(HENRY, dtype=np.float64),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """The statistics, and how many scales lie below and above each line."""
        published = f"mean {HENRY.mean}, standard deviation {HENRY.standard_deviation}, median {HENRY.median}"
        rows = [("Henry et al.", f"{HENRY.number} scales, {published}, {HENRY.minimum} to {HENRY.maximum}")]
        number = arrays["scale"].shape[1]
        if not number or not np.isfinite(arrays["statistics"]).all():
            return rows
        mean, deviation, least, median, most = arrays["statistics"][0]
        centre = f"mean {mean:.6g}, standard deviation {deviation:.6g}, median {median:.6g}"
        rows.append(("these", f"{counted(number, 'scale')}, {centre}, {least:.6g} to {most:.6g}"))
        for name, betas in (("below", "line_beta"), ("below_published", "line_beta_published")):
            for radius, beta, below in zip(arrays["line_radius"], arrays[betas], arrays[name][0], strict=True):
                kind = "as published" if name == "below_published" else "least squares"
                rows.append((f"d = {radius}", f"{below:,} below and {number - below:,} above {beta:.4g} ({kind})"))
        return rows

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for each group, and one for each scale."""
        names, groups, scales = arrays["group_name"], arrays["group"][0], arrays["scale"][0]
        rows = [
            [str(name), int((groups == number).sum()), *statistics_of(scales[groups == number]).tolist()]
            for number, name in enumerate(names)
        ]
        each = ((str(names[group]), scale) for group, scale in zip(groups, scales.tolist(), strict=True))
        columns = [statistic.replace(" ", "_") for statistic in STATISTICS]
        return {"groups": Table(["group", "count", *columns], rows), "scales": Table(["group", "scale"], each)}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """The histogram of the scales, or the published summary, between the lines."""
        from mfattn.figures.sdm.query_key_temperature import draw_scales

        number = arrays["scale"].shape[1]
        what = counted(number, "scale") if number else "published summary"
        return draw_scales(arrays, f"{what}; lines: $n = {self.config.lines.bits}${note}")
