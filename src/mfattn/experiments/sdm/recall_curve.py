"""Recall curves: the distance from a pattern after one update over that before it, by every model and simulated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import special

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.parameters_config import (
    SYMBOLS,
    Memory,
    MemoryConfig,
    SimulationConfig,
    ValuesConfig,
    by_symbol,
    describe_memory,
    make_memory,
    parameter_mistakes,
    values_of,
)
from mfattn.experiments.tables import values_table
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import fraction_for_radius
from mfattn.sdm.theory import (
    Noise,
    book_intersection,
    convergence_curve,
    critical_distance,
    hopfield_curve,
    noise_sigma,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Model = Literal[Noise, "book_integral", "hopfield"]

NOISES: tuple[Noise, ...] = get_args(Noise)
MODELS: tuple[Model, ...] = get_args(Model)
REAL, WHOLE_NUMBER = np.dtype(np.float64), np.dtype(np.int64)

OF_HOPFIELD = ("n", "m")
"""Numbers that a Hopfield network has too."""

MOST_CURVES = 24
"""Curves of one run."""


class RecallFigureConfig(Config):
    """What the figure shows."""

    models: Tuple[Model] = Field(
        ("paper", "exact"), min_length=1, max_length=6, description="Models; with one, all curves are in one panel."
    )
    distance: int | None = Field(None, ge=1, description="Largest distance that is drawn; without it, n/2.")


class RecallCurveConfig(RunConfig):
    """Recall curves of a memory."""

    experiment: Literal["recall_curve"] = Field(description="This kind of run.")
    memory: MemoryConfig = Field(description="What all memories have in common.")
    curves: ValuesConfig | None = Field(None, description="Another number of the memory, with a curve for each value.")
    simulation: SimulationConfig | None = Field(None, description="Simulated memories; without it, none.")
    figure: RecallFigureConfig = Field(RecallFigureConfig(), description="What the figure shows.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        wrong = list(parameter_mistakes(self.memory, {"curves": self.curves}))
        if self.curves is not None and self.curves.parameter == "bits":
            wrong.append((("curves", "parameter"), "not bits, as all curves are over the same distances"))
        yield from wrong
        if wrong:
            return
        if self.curves is not None and len(self.curves.numbers) > MOST_CURVES:
            yield ("curves",), f"at most {MOST_CURVES} values, found {len(self.curves.numbers):,}"
        if self.simulation is not None:
            lists = () if self.curves is None else (self.curves,)
            bits, patterns = (values_of(name, self.memory, *lists) for name in ("bits", "patterns"))
            yield from ((("simulation", *path), text) for path, text in self.simulation.misfits(bits, patterns))


class RecallCurve(PointwiseExperiment[RecallCurveConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a memory, with a curve of each model."""

    def __init__(self, config: RecallCurveConfig) -> None:
        super().__init__(config)
        assert config.memory.bits is not None
        self._bits = config.memory.bits
        self._curves = config.curves.numbers if config.curves is not None else ()

    @property
    def points(self) -> int:
        """Number of memories."""
        return max(len(self._curves), 1)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all models of the memory with most patterns."""
        simulation, patterns = self.config.simulation, max(self._patterns)
        return 5e-3 + 1e-6 * self._bits + (simulation.seconds(self._bits, patterns) if simulation is not None else 0.0)

    @property
    def _patterns(self) -> list[int]:
        """Numbers of patterns of all memories."""
        lists = () if self.config.curves is None else (self.config.curves,)
        return [int(number) for number in values_of("patterns", self.config.memory, *lists)]

    def describe(self) -> list[tuple[str, str]]:
        """The memories."""
        return describe_memory(self.config.memory, {"curves": self.config.curves}, self.config.simulation)

    def memory(self, point: int) -> Memory:
        """The memory of a point."""
        curves = self.config.curves
        return make_memory(self.config.memory, {} if curves is None else {curves.parameter: self._curves[point]})

    def point_layout(self) -> dict[str, ArrayLayout]:
        """The numbers of the memory, its critical distances, and its curves."""
        layout = {"radius": ArrayLayout((), WHOLE_NUMBER), "fraction": ArrayLayout((), REAL)}
        layout |= {f"critical_distance_{noise}": ArrayLayout((), WHOLE_NUMBER) for noise in NOISES}
        layout |= {f"new_distance_{model}": ArrayLayout((self._bits // 2 + 1,), REAL) for model in MODELS}
        if self.config.simulation is not None:
            simulated = len(self.config.simulation.distances(self._bits))
            layout["new_distance_simulated"] = ArrayLayout((simulated,), REAL)
            layout["new_distance_simulated_band"] = ArrayLayout((2, simulated), REAL)
            layout["empty_share"] = ArrayLayout((simulated,), REAL)
        return layout

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All curves of one memory."""
        memory = self.memory(point)
        n, d, m, r = memory
        numbers: dict[str, Any] = {"radius": d, "fraction": fraction_for_radius(n, d)}
        for noise in NOISES:
            numbers[f"critical_distance_{noise}"] = critical_distance(n, d, r, m, noise=noise)
            numbers[f"new_distance_{noise}"] = convergence_curve(n, d, r, m, noise=noise)
        numbers["new_distance_book_integral"] = _book_curve(memory)
        numbers["new_distance_hopfield"] = hopfield_curve(n, m)
        return numbers | self._simulated(memory)

    def _simulated(self, memory: Memory) -> dict[str, Any]:
        """The curve of simulated memories, with its band."""
        if self.config.simulation is None:
            return {}
        found = self.config.simulation.simulate(memory)
        return {
            "new_distance_simulated": found.new_distance,
            "new_distance_simulated_band": found.band,
            "empty_share": found.empty,
        }

    def constants(self) -> Arrays:
        """Distances, and what the curves are of."""
        arrays: Arrays = {"distance": np.arange(self._bits // 2 + 1)}
        if self.config.simulation is not None:
            arrays["distance_simulated"] = np.array(self.config.simulation.distances(self._bits))
        if self.config.curves is not None and self.config.curves.parameter not in ("radius", "fraction"):
            arrays[self.config.curves.parameter] = np.array(self._curves)
        return arrays

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Critical distances."""
        curves = self.config.curves
        words = [f"{SYMBOLS[curves.parameter]} = {value:g}" for value in self._curves] if curves else ["all models"]
        return [
            (word, ", ".join(f"{noise} {arrays[f'critical_distance_{noise}'][point]}" for noise in NOISES) + " bits")
            for point, word in enumerate(words)
            if arrays["radius"][point] >= 0
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The curves of all models, those of simulated memories, and the critical distances."""
        models = [f"new_distance_{model}" for model in MODELS]
        tables = {"curves": self._table(arrays, "distance", models)}
        if self.config.simulation is not None:
            band = arrays["new_distance_simulated_band"]
            bounds = {"lower": band[:, 0], "upper": band[:, 1]}
            names = ["new_distance_simulated", *bounds, "empty_share"]
            tables["simulated"] = self._table({**arrays, **bounds}, "distance_simulated", names)
        numbers = [f"critical_distance_{noise}" for noise in NOISES]
        own = {name: arrays[name] for name in ("patterns", "neurons", "radius", "fraction", *numbers) if name in arrays}
        return tables | {"memories": values_table(own, self.points)}

    def _table(self, arrays: Mapping[str, NDArray[Any]], distance: str, names: Sequence[str]) -> Table:
        """A row for each memory, by what the curves are of, and each distance."""
        key = self.config.curves.parameter if self.config.curves is not None else "radius"
        rows = (
            (arrays[key][point].item(), int(at), *(float(arrays[name][point, place]) for name in names))
            for point in range(self.points)
            for place, at in enumerate(arrays[distance])
        )
        return Table((key, distance, *names), rows)

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """A panel for each memory, or one for all if there is one model."""
        from mfattn.figures.sdm.labels import of_memory
        from mfattn.figures.sdm.recall_curve import draw_recall

        config = self.config
        labels = (
            []
            if config.curves is None
            else [of_memory({SYMBOLS[config.curves.parameter]: value}) for value in self._curves]
        )
        numbers = by_symbol(config.memory)
        if set(config.figure.models) == {"hopfield"}:
            numbers = {symbol: value for symbol, value in numbers.items() if symbol in OF_HOPFIELD}
        caption = of_memory(numbers) + note
        return draw_recall(arrays, config.figure.models, labels, config.figure.distance, caption)


def _book_curve(memory: Memory) -> NDArray[np.float64]:
    """The curve whose signal is the integral of the book too."""
    n, d, m, r = memory
    v = np.arange(n // 2 + 1)
    sigma = noise_sigma(n, d, r, m, v, noise="book")
    ratio = np.divide(book_intersection(n, d, r, v), sigma, out=np.zeros(v.shape), where=sigma > 0)
    return np.asarray(n * special.ndtr(-ratio))
