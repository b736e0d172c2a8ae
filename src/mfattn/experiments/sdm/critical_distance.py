"""Critical distances of a memory over one of its numbers, by every model of the noise and every rule."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

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
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import fraction_for_radius
from mfattn.sdm.theory import (
    Noise,
    Rule,
    convergence_curve,
    critical_distance,
    interpolated_critical_distance,
    snr,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISES: tuple[Noise, ...] = get_args(Noise)
RULES: tuple[Rule, ...] = get_args(Rule)
DrawnRule = Literal[Rule, "interpolated"]
REAL, WHOLE_NUMBER = np.dtype(np.float64), np.dtype(np.int64)

MOST_CURVES = 20
"""Curves of one run."""


class CriticalFigureConfig(Config):
    """What the figure shows."""

    noises: Tuple[Noise] = Field(("paper", "exact"), min_length=1, max_length=4, description="Models of the noise.")
    rules: Tuple[DrawnRule] = Field(("strict",), min_length=1, max_length=4, description="Rules, by the kind of line.")


class CriticalDistanceConfig(RunConfig):
    """Critical distances of a memory."""

    experiment: Literal["critical_distance"] = Field(description="This kind of run.")
    memory: MemoryConfig = Field(description="What all memories have in common.")
    sweep: ValuesConfig = Field(description="The number of the memory over which the critical distance is shown.")
    curves: ValuesConfig | None = Field(None, description="Another of its numbers, with a curve for each value.")
    simulation: SimulationConfig | None = Field(None, description="Simulated memories; without it, none.")
    figure: CriticalFigureConfig = Field(CriticalFigureConfig(), description="What the figure shows.")

    @property
    def lists(self) -> tuple[ValuesConfig, ...]:
        """What is swept."""
        return (self.sweep,) if self.curves is None else (self.sweep, self.curves)

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        wrong = list(parameter_mistakes(self.memory, {"sweep": self.sweep, "curves": self.curves}))
        yield from wrong
        if self.curves is not None and not wrong and len(self.curves.numbers) > MOST_CURVES:
            yield ("curves",), f"at most {MOST_CURVES} values, found {len(self.curves.numbers):,}"
        if self.simulation is not None and not wrong:
            bits, patterns = (values_of(name, self.memory, *self.lists) for name in ("bits", "patterns"))
            yield from ((("simulation", *path), text) for path, text in self.simulation.misfits(bits, patterns))


class CriticalDistance(PointwiseExperiment[CriticalDistanceConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a memory: curve by curve."""

    def __init__(self, config: CriticalDistanceConfig) -> None:
        super().__init__(config)
        self._swept = config.sweep.numbers
        self._curves = config.curves.numbers if config.curves is not None else ()

    @property
    def points(self) -> int:
        """Values of the sweep, for each curve."""
        return len(self._swept) * max(len(self._curves), 1)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all models and rules of the largest memory."""
        bits, patterns = (
            int(max(values_of(name, self.config.memory, *self.config.lists))) for name in ("bits", "patterns")
        )
        simulation = self.config.simulation
        return 5e-3 + 1.3e-6 * bits + (simulation.seconds(bits, patterns) if simulation is not None else 0.0)

    def describe(self) -> list[tuple[str, str]]:
        """What is swept, and what is not."""
        config = self.config
        return describe_memory(config.memory, {"sweep": config.sweep, "curves": config.curves}, config.simulation)

    def memory(self, point: int) -> Memory:
        """The memory of a point."""
        curve, value = divmod(point, len(self._swept))
        values = {self.config.sweep.parameter: self._swept[value]}
        if self.config.curves is not None:
            values[self.config.curves.parameter] = self._curves[curve]
        return make_memory(self.config.memory, values)

    def point_layout(self) -> dict[str, ArrayLayout]:
        """The numbers of the memory, its signal-to-noise ratios at distance 0, and its critical distances."""
        layout = {"radius": ArrayLayout((), WHOLE_NUMBER), "fraction": ArrayLayout((), REAL)}
        layout |= {f"signal_to_noise_{noise}": ArrayLayout((), REAL) for noise in NOISES}
        layout |= {
            f"critical_distance_{noise}_{rule}": ArrayLayout((), WHOLE_NUMBER) for noise in NOISES for rule in RULES
        }
        layout |= {f"critical_distance_{noise}_interpolated": ArrayLayout((), REAL) for noise in NOISES}
        if self.config.simulation is not None:
            layout["critical_distance_simulated"] = ArrayLayout((), REAL)
            layout["critical_distance_simulated_band"] = ArrayLayout((2,), REAL)
        return layout

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All models and rules of one memory."""
        memory = self.memory(point)
        n, d, m, r = memory
        numbers: dict[str, Any] = {"radius": d, "fraction": fraction_for_radius(n, d)}
        for noise in NOISES:
            numbers[f"signal_to_noise_{noise}"] = snr(n, d, r, m, 0, noise=noise)
            for rule in RULES:
                found = critical_distance(n, d, r, m, noise=noise, rule=rule)
                numbers[f"critical_distance_{noise}_{rule}"] = found
            numbers[f"critical_distance_{noise}_interpolated"] = _interpolated(memory, noise)
        return numbers | self._simulated(memory)

    def _simulated(self, memory: Memory) -> dict[str, Any]:
        """The critical distance of simulated memories, with its band."""
        if self.config.simulation is None:
            return {}
        from mfattn.sdm.simulations import simulated_critical_distance

        value, *band = simulated_critical_distance(self.config.simulation.simulate(memory))
        return {"critical_distance_simulated": value, "critical_distance_simulated_band": band}

    def constants(self) -> Arrays:
        """The other numbers of every memory, where they are not shared."""
        curves = self._curves or (0.0,)
        lists = {self.config.sweep.parameter: np.tile(self._swept, len(curves))}
        if self.config.curves is not None:
            lists[self.config.curves.parameter] = np.repeat(self._curves, len(self._swept))
        # The radius and its fraction are computed with the points.
        return {name: values for name, values in lists.items() if name not in ("radius", "fraction")}

    def _by_curve(self, array: NDArray[Any]) -> NDArray[np.float64]:
        """An array of points as one row for each curve, with NaN where a point is missing."""
        values = array.reshape(-1, len(self._swept), *array.shape[1:]).astype(np.float64)
        return np.where(values < 0, np.nan, values)

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """The largest critical distance of each curve, and the first value that has it."""
        config, symbol = self.config, SYMBOLS[self.config.sweep.parameter]
        lines = []
        for noise in config.figure.noises:
            for row, values in enumerate(self._by_curve(arrays[f"critical_distance_{noise}_strict"])):
                if np.isnan(values).all():
                    continue
                best = int(np.nanargmax(values))
                of_curve = f", {SYMBOLS[config.curves.parameter]} = {self._curves[row]:g}" if config.curves else ""
                lines.append(
                    (f"{noise}{of_curve}", f"at most {values[best]:.0f} bits, at {symbol} = {self._swept[best]:g}")
                )
        return lines

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """A panel for each model of the noise, or one for all if there are no curves."""
        from mfattn.figures.sdm.critical_distance import Simulated, draw_critical_distances
        from mfattn.figures.sdm.labels import of_memory

        config = self.config
        distances = {
            noise: {rule: self._by_curve(arrays[f"critical_distance_{noise}_{rule}"]) for rule in config.figure.rules}
            for noise in config.figure.noises
        }
        simulated = None
        if config.simulation is not None:
            names = ("critical_distance_simulated", "critical_distance_simulated_band")
            simulated = Simulated(*(self._by_curve(arrays[name]) for name in names))
        labels = (
            []
            if config.curves is None
            else [of_memory({SYMBOLS[config.curves.parameter]: value}) for value in self._curves]
        )
        caption = of_memory(by_symbol(config.memory)) + note
        return draw_critical_distances(
            np.array(self._swept),
            distances,
            simulated,
            parameter=config.sweep.parameter,
            logarithmic=config.sweep.logarithmic,
            labels=labels,
            caption=caption,
        )


def _interpolated(memory: Memory, noise: Noise) -> float:
    """The critical distance between even distances, NaN without any."""
    even = np.arange(2, memory.bits // 2 + 1, 2)
    if not len(even):
        return np.nan
    n, d, m, r = memory
    return interpolated_critical_distance(even, convergence_curve(n, d, r, m, noise=noise)[even])
