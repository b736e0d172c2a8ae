"""Circle intersections, exact and by the integral of Kanerva's book."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.sdm.config import MOST_BITS, BallsConfig
from mfattn.experiments.sdm.parameters_config import MOST_NEURONS, Neurons
from mfattn.pipeline.config import RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import expected_neurons, fraction_for_radius
from mfattn.sdm.theory import book_intersection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL = np.dtype(np.float64)

MOST_RADII = 20
"""Radii of one run."""


class BookComparisonConfig(RunConfig):
    """Circle intersections and the integral of the book."""

    experiment: Literal["book_comparison"] = Field(description="This kind of run.")
    balls: BallsConfig = Field(description="The balls.")
    neurons: Neurons = Field(description="Number r of neurons.")
    distances: Tuple[Annotated[int, Field(ge=0, le=MOST_BITS)]] = Field(
        min_length=1, max_length=1000, description="Distances of the table."
    )
    printed: Tuple[Annotated[float, Field(ge=0, le=MOST_NEURONS)]] = Field(
        (),
        max_length=1000,
        description="What is printed for each of these distances, of the only radius; may be empty.",
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        wrong = [(("balls", *path), message) for path, message in self.balls.mistakes()]
        yield from wrong
        for number, distance in enumerate(self.distances):
            if distance > self.balls.bits:
                yield ("distances", number), f"at most balls.bits ({self.balls.bits:,}), found {distance:,}"
        radii = len(self.balls.radii or self.balls.fractions or ())
        if self.printed and radii > 1:
            yield ("printed",), f"nothing with several radii, found {len(self.printed)} numbers for {radii}"
        if self.printed and len(self.printed) != len(self.distances):
            yield ("printed",), f"a number for each of the {len(self.distances)} distances, found {len(self.printed)}"
        if radii > MOST_RADII:
            yield ("balls",), f"at most {MOST_RADII} radii, found {radii:,}"
        layout = {"expected_neurons": ArrayLayout((2 * radii, self.balls.bits + 1), REAL)}
        yield from size_mistakes(("balls", "bits"), layout, "take fewer bits")


class BookComparison(PointwiseExperiment[BookComparisonConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a radius."""

    @property
    def points(self) -> int:
        """Number of radii."""
        return len(self.config.balls.radii or self.config.balls.fractions or ())

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all distances of one radius."""
        return 1e-3 + 2e-6 * self.config.balls.bits

    def describe(self) -> list[tuple[str, str]]:
        """The balls."""
        return [self.config.balls.describe(), ("neurons", f"r = {self.config.neurons:g}")]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Neurons in both balls at every distance."""
        each = ArrayLayout((self.config.balls.bits + 1,), REAL)
        return {"expected_neurons": each, "expected_neurons_book": each}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All distances of one radius."""
        n, d, r = self.config.balls.bits, self.config.balls.sizes[point], self.config.neurons
        return {"expected_neurons": expected_neurons(n, d, r), "expected_neurons_book": book_intersection(n, d, r)}

    def constants(self) -> Arrays:
        """Radii, their shares of the space, the distances of the table, and what is printed for them."""
        bits, radii = self.config.balls.bits, np.array(self.config.balls.sizes)
        return {
            "radius": radii,
            "fraction": fraction_for_radius(bits, radii),
            "table_distance": np.array(self.config.distances),
            "printed": np.array(self.config.printed, dtype=np.float64),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Neurons in both balls at the distances of the table."""
        words = ("exact", "by the integral", "printed")
        return [
            (
                f"d = {radius}, distance {distance}",
                ", ".join(f"{word} {number:.6g}" for word, number in zip(words, numbers, strict=False)),
            )
            for radius, distance, *numbers in self._rows(arrays)
            if not np.isnan(numbers[0])
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """Neurons in both balls, a row for each radius and distance of the table."""
        columns = ["radius", "distance", "expected_neurons", "expected_neurons_book"]
        columns += ["printed"] if self.config.printed else []
        return {"table": Table(columns, self._rows(arrays))}

    def _rows(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[float, ...]]:
        """Radius, distance, and neurons: exact, by the integral, and printed if they are."""
        return [
            (
                int(radius),
                distance,
                *(float(arrays[name][row, distance]) for name in ("expected_neurons", "expected_neurons_book")),
                *self.config.printed[number : number + 1],
            )
            for row, radius in enumerate(arrays["radius"])
            for number, distance in enumerate(self.config.distances)
        ]

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Neurons in both balls over the distance, and their ratio."""
        from mfattn.figures.sdm.book_comparison import draw_book
        from mfattn.figures.sdm.labels import of_memory

        numbers = {"n": self.config.balls.bits, "r": self.config.neurons}
        return draw_book(arrays, of_memory(numbers) + note)
