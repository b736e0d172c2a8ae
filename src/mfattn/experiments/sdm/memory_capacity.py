"""Capacity of a memory over the number of bits: the full equation at its best radius, and its upper approximation."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.parameters_config import Neurons, ValuesConfig, least_neurons
from mfattn.experiments.tables import values_table
from mfattn.pipeline.config import RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.theory import bit_quantile, optimal_radius

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, WHOLE_NUMBER = np.dtype(np.float64), np.dtype(np.int64)


class MemoryCapacityConfig(RunConfig):
    """Capacity over the number of bits."""

    experiment: Literal["memory_capacity"] = Field(description="This kind of run.")
    sweep: ValuesConfig = Field(description="Values of bits.")
    neurons: Neurons = Field(description="Number r of neurons.")
    probabilities: Tuple[Annotated[float, Field(ge=0.5, le=0.999999)]] = Field(
        (0.5,), min_length=1, max_length=10, description="Probabilities that all bits of a pattern are right."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Another sweep than one of bits, or too few neurons."""
        wrong = [(("sweep", *path), message) for path, message in self.sweep.mistakes()]
        if self.sweep.parameter != "bits":
            wrong.append((("sweep", "parameter"), f"bits, found {self.sweep.parameter}"))
        yield from wrong
        if len(set(self.probabilities)) != len(self.probabilities):
            yield ("probabilities",), "different numbers"
        if wrong:
            return
        if min(self.sweep.numbers) < 2:
            yield ("sweep",), "at least 2 bits, found 1"
            return
        least = least_neurons(int(max(self.sweep.numbers)), max(self.probabilities))
        if self.neurons < least:
            yield ("neurons",), f"at least {least:.3g}, with which some radius has a capacity, found {self.neurons:g}"


class MemoryCapacity(PointwiseExperiment[MemoryCapacityConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a number of bits."""

    def __init__(self, config: MemoryCapacityConfig) -> None:
        super().__init__(config)
        self._bits = [int(bits) for bits in config.sweep.numbers]

    @property
    def points(self) -> int:
        """Numbers of bits."""
        return len(self._bits)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of the largest memory."""
        return 2e-3 + 2e-6 * max(self._bits) * len(self.config.probabilities)

    def describe(self) -> list[tuple[str, str]]:
        """The memories."""
        return [("sweep", self.config.sweep.describe()), ("neurons", f"r = {self.config.neurons:g}")]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Capacities and where they are largest, for each probability."""
        each = (len(self.config.probabilities),)
        real = ("quantile", "capacity_bound", "capacity", "capacity_fraction", "discrete_capacity")
        whole = ("capacity_radius", "discrete_radius")
        layout = {name: ArrayLayout(each, REAL) for name in real}
        return layout | {name: ArrayLayout(each, WHOLE_NUMBER) for name in whole}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All probabilities of one number of bits."""
        n, r = self._bits[point], self.config.neurons
        rows = []
        for probability in self.config.probabilities:
            z = bit_quantile(n, probability)
            best = optimal_radius(n, 1, r, criterion="capacity", z=z)
            discrete = optimal_radius(n, 1, r, criterion="capacity", mode="discrete", z=z)
            rows.append((z, r / z**2, best.value, np.exp(best.log_fraction), discrete.value, best.d, discrete.d))
        return dict(zip(self.point_layout(), zip(*rows, strict=True), strict=True))

    def constants(self) -> Arrays:
        """Numbers of bits, and the probabilities."""
        return {"bits": np.array(self._bits), "probability": np.array(self.config.probabilities)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """The first and the last capacities."""
        lines = []
        for point in dict.fromkeys((0, self.points - 1)):
            if np.isnan(arrays["capacity"][point]).any():
                continue
            for column, probability in enumerate(self.config.probabilities):
                most, bound = (float(arrays[name][point, column]) for name in ("capacity", "capacity_bound"))
                text = f"m = {most:,.0f} at d = {arrays['capacity_radius'][point, column]}, below r/z² = {bound:,.0f}"
                lines.append((f"n = {self._bits[point]:,}, {probability:.3g}", text))
        return lines

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The numbers of every number of bits."""
        return {"values": values_table({name: arrays[name] for name in ("bits", *self.point_layout())}, self.points)}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Capacities over the number of bits."""
        from mfattn.figures.sdm.labels import of_memory
        from mfattn.figures.sdm.memory_capacity import draw_capacity

        caption = of_memory({"r": self.config.neurons}) + note
        return draw_capacity(arrays, self.config.sweep.logarithmic, caption)
