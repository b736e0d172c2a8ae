"""Geometry of patterns: how near they are to each other, as vectors and as bits."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.patterns_config import AnyPatterns, Patterns
from mfattn.experiments.sections import LARGEST_SEED
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COMPARED = 20_000
"""Bound on patterns of which all pairs are compared."""

ROWS = 256
"""Patterns that are compared with all at once."""


class PatternGeometryConfig(RunConfig):
    """Cosines of all pairs of patterns."""

    experiment: Literal["pattern_geometry"] = Field(description="This kind of run.")
    patterns: AnyPatterns = Field(description="The patterns.")
    bins: int = Field(200, ge=2, le=100_000, description="Bins of the histograms, from -1 to 1.")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of random patterns.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Patterns that are none, or too many."""
        yield from ((("patterns", *path), message) for path, message in self.patterns.mistakes())
        if self.patterns.is_counted and not 2 <= self.patterns.number <= MOST_COMPARED:
            yield ("patterns",), f"2 to {MOST_COMPARED:,} patterns, found {self.patterns.number:,}"


class PatternGeometry(PointwiseExperiment[PatternGeometryConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. Its one point is the whole."""

    points = 1

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all pairs."""
        return 1e-3 + 1e-7 * self.config.patterns.number**2

    @cached_property
    def patterns(self) -> Patterns:
        """The patterns."""
        return self.config.patterns.make(np.random.SeedSequence(self.config.seed))

    def identity(self) -> dict[str, Any]:
        """The config, and what is in the files that it reads."""
        return super().identity() | {"patterns": self.config.patterns.contents()}

    def describe(self) -> list[tuple[str, str]]:
        """The patterns."""
        return [("patterns", self.config.patterns.describe())]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Histograms, means and deviations of the cosines of pairs of vectors, and of bits; and their length."""
        counts = ArrayLayout((2, self.config.bins), np.dtype(np.int64))
        pair = ArrayLayout((2,), np.dtype(np.float64))
        return {
            "pair_count": counts,
            "mean_cosine": pair,
            "cosine_deviation": pair,
            "length": ArrayLayout((), np.dtype(np.int64)),
        }

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All pairs, of vectors and of bits as signs."""
        vectors, bits, _ = self.patterns
        found = [self._pairs(array) for array in (vectors, np.where(bits, 1.0, -1.0))]
        counts, means, deviations = (np.array(values) for values in zip(*found, strict=True))
        return {
            "pair_count": counts,
            "mean_cosine": means,
            "cosine_deviation": deviations,
            "length": bits.shape[1],
        }

    def _pairs(self, vectors: NDArray[np.float64]) -> tuple[NDArray[np.int64], float, float]:
        """Histogram, mean and deviation of the cosines of all pairs."""
        from mfattn.sdm.memories.vectors import cosines_with

        counts, sums, squares = np.zeros(self.config.bins, dtype=np.int64), 0.0, 0.0
        pairs = len(vectors) * (len(vectors) - 1) // 2
        for start in range(0, len(vectors), ROWS):
            rows = vectors[start : start + ROWS]
            cosines = cosines_with(rows, vectors[start:])[np.triu_indices(len(rows), 1, len(vectors) - start)]
            counts += np.histogram(cosines, bins=self.config.bins, range=(-1, 1))[0]
            sums, squares = sums + cosines.sum(), squares + np.square(cosines).sum()
        mean = sums / pairs
        return counts, mean, float(np.sqrt(max(squares / pairs - mean**2, 0.0)))

    def constants(self) -> Arrays:
        """Edges of the bins."""
        return {"edge": np.linspace(-1, 1, self.config.bins + 1)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Means and deviations, and the deviation of independent bits."""
        independent = 1 / np.sqrt(arrays["length"][0])
        return [
            (f"cosine of {space}", f"{mean:.4f} ± {deviation:.4f} (independent bits: 0 ± {independent:.4f})")
            for space, mean, deviation in zip(
                ("vectors", "bits"), arrays["mean_cosine"][0], arrays["cosine_deviation"][0], strict=True
            )
        ]

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Both histograms, and the law of independent bits."""
        from mfattn.figures.sdm.pattern_geometry import draw_geometry

        return draw_geometry(arrays, f"pairs of {self.config.patterns.label}{note}")
