"""What experiments have in common that draw what orbits visit, as a density over a swept parameter."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import MeanFieldExperiment
from mfattn.experiments.meanfield.config import (
    LyapunovConfig,
    MeanFieldConfig,
    SettlingStepsConfig,
    SweepConfig,
    caption_of,
    spaced_mistakes,
)
from mfattn.experiments.meanfield.measuring import (
    alignment_within,
    describe_measurement,
    finite_time_layout,
    measure,
    motion_arrays,
    motion_layout,
    motion_warnings,
    pass_transient,
    seconds_of_point,
    steps_of_point,
)
from mfattn.experiments.meanfield.stepping import mover, observe
from mfattn.experiments.meanfield.weights_config import Tuple
from mfattn.meanfield import Orbits
from mfattn.meanfield.observe import OBSERVED, Observation, ObservedName, Observer, Raster, is_range, section_pairs
from mfattn.meanfield.orbits import Batch
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

DEFAULT_FEATURES = 3
"""Features that are observed and drawn where the config names none: the first three."""

LARGEST_BLOCK = 2**28
"""Bytes of the rasters of a block."""

LARGEST_SECTIONS = 6
"""Features whose sections a figure tells apart by colour."""


class RasterConfig(Config):
    """Bins of the density rasters and sections."""

    bins: int = Field(2000, ge=1, le=100_000, description="Number of bins.")
    range: tuple[float, float] = Field(
        (-1.0, 1.0), description="Lower and upper end; what lies outside is counted apart."
    )


class SectionConfig(Config):
    """The zero-plane section."""

    width: float = Field(0.001, ge=0, description="A step is in the section of feature j where abs(feature j) < width.")


class ObserveConfig(Config):
    """What is kept of the orbits."""

    observables: Tuple[ObservedName] = Field(OBSERVED, min_length=1, description="Observables that are reduced.")
    features: Tuple[int] | None = Field(
        None, min_length=1, description="Observed features, counted from 1; without it, the first three."
    )
    raster: RasterConfig = Field(RasterConfig(), description="Bins of the density rasters and sections.")
    section: SectionConfig = Field(SectionConfig(), description="The zero-plane section.")


class FigureConfig(Config):
    """What the figure shows; changes no number."""

    features: Tuple[int] | None = Field(
        None, min_length=1, description="Features drawn, counted from 1; without it, the first three observed."
    )
    observables: Tuple[ObservedName] | None = Field(
        None, min_length=1, description="Observables drawn, a column each; without it, all observed."
    )
    section: Tuple[int] | None = Field(
        None,
        max_length=LARGEST_SECTIONS,
        description="Features whose section is drawn, counted from 1; without it, the first six; with `[]`, none.",
    )

    def crossed(self, features: tuple[int, ...]) -> tuple[int, ...]:
        """Features whose section is drawn, out of those observed."""
        return features[:LARGEST_SECTIONS] if self.section is None else self.section


class DiagramConfig(MeanFieldConfig):
    """What the experiments say that draw a diagram."""

    sweep: SweepConfig = Field(description="The swept parameter and its values.")
    steps: SettlingStepsConfig = Field(description="Numbers of steps a point.")
    lyapunov: LyapunovConfig | None = Field(None, description="Lyapunov exponents and regimes; without it, none.")
    observe: ObserveConfig = Field(ObserveConfig(), description="What is kept of the orbits.")
    figure: FigureConfig = Field(FigureConfig(), description="What the figure shows.")

    @property
    def features(self) -> tuple[int, ...]:
        """Observed features, counted from 1."""
        return self.observe.features or tuple(range(1, min(self.model.features, DEFAULT_FEATURES) + 1))

    @property
    def orbits(self) -> int:
        """Orbits that are observed: one at each value."""
        return self.sweep.count

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from spaced_mistakes("sweep", self.sweep)
        raster = self.observe.raster
        if not is_range(*raster.range):
            yield ("observe", "raster", "range"), f"an ascending pair of finite extent, found {list(raster.range)}"
        observe, figure = self.observe, self.figure
        every = range(1, self.model.features + 1)
        yield from _choice_mistakes(("observe", "features"), observe.features, every, "features of the model")
        yield from _choice_mistakes(("observe", "observables"), observe.observables, OBSERVED, "observables")
        yield from _choice_mistakes(("figure", "features"), figure.features, self.features, "observed features")
        observed = observe.observables
        yield from _choice_mistakes(("figure", "observables"), figure.observables, observed, "observed ones")
        yield from _choice_mistakes(("figure", "section"), figure.section, self.features, "observed features")
        layout = self.layout(self.orbits)
        yield from size_mistakes(("sweep", "num"), layout, "sweep fewer values, or observe fewer features or bins")

    def layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points."""
        features, bins = len(self.features), self.observe.raster.bins
        counts, real, whole = np.dtype(np.min_scalar_type(self.steps.record)), np.dtype(np.float64), np.dtype(np.int64)
        layout = {"period": ArrayLayout((points,), whole), "transient": ArrayLayout((points,), whole)}
        if self.lyapunov is not None:
            layout |= motion_layout((points,), self.lyapunov)
            layout |= finite_time_layout(points, self.lyapunov, self.steps.record)
        for name in self.observe.observables:
            layout[f"raster_{name}"] = ArrayLayout((points, features, bins), counts)
            layout[f"outside_{name}"] = ArrayLayout((points, features, 2), counts)
            layout[f"section_{name}"] = ArrayLayout((points, features * (features - 1), bins), counts)
            for moment in ("mean", "variance", "minimum", "maximum"):
                layout[f"{moment}_{name}"] = ArrayLayout((points, features), real)
        window = (points, 2**self.model.position_bits, self.model.features)
        return layout | {"final_attention": ArrayLayout(window, real), "final_position": ArrayLayout((points,), whole)}


def _choice_mistakes(
    path: KeyPath, chosen: tuple[Any, ...] | None, allowed: Any, name: str
) -> Iterator[tuple[KeyPath, str]]:
    chosen = chosen or ()
    for item in chosen:
        if item not in allowed:
            yield path, f"{name} ({', '.join(map(str, allowed))}), found {item}"
    if len(set(chosen)) != len(chosen):
        yield path, f"different ones, found {', '.join(map(str, chosen))}"


Drawn = TypeVar("Drawn", bound=DiagramConfig)


class DiagramExperiment(MeanFieldExperiment[Drawn]):
    """Orbits that are advanced, observed and measured at every point; see `mfattn.pipeline.experiment.Experiment`."""

    @property
    def block_size(self) -> int:
        """64 points, or fewer where their rasters take much memory, which they do at 32 bits a count."""
        features = len(self.config.features)
        rasters = len(self.config.observe.observables) * features**2 * self.config.observe.raster.bins
        return max(1, min(64, LARGEST_BLOCK // (4 * rasters)))

    @property
    def steps_per_point(self) -> int:
        """Transient and recorded steps, and those of the tangent vectors."""
        return steps_of_point(self.config.steps, self.config.lyapunov, self._weights.context_length)

    def identity(self) -> dict[str, Any]:
        """Model, sweep, steps, exponents and what is observed."""
        observe = self.config.observe.model_dump(mode="json") | {
            "features": list(self.config.features),
        }
        return super().identity() | {"observe": observe}

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid and steps."""
        return [*super().describe(), *describe_measurement(self.config.steps, self.config.lyapunov)]

    def estimate(self) -> float:
        """Rough core-seconds; a recorded step costs about twice a transient one."""
        return self.points * seconds_of_point(self.config.steps, self.config.lyapunov, self._weights, 2.0)

    _lengthen = ""
    """What lengthens the transient beside the steps, for a warning."""

    @cached_property
    def _raster(self) -> Raster:
        raster = self.config.observe.raster
        return Raster(raster.bins, *raster.range)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Arrays of the points."""
        return self.config.layout(len(points))

    @abstractmethod
    def _orbits(self, points: range | list[int]) -> Orbits:
        """Orbits at some points of the grid, where they start."""

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Advance the points past the transient, then observe them, and measure their motion beside it."""
        config = self.config
        settling = pass_transient(self._orbits(points), config.steps, advance)
        orbits, beside = settling.orbits, settling.orbits.copies()
        mover(advance, self._weights)(orbits, alignment_within(config.steps, self._weights.context_length))
        arrays = self._observe(orbits, advance) | {"transient": settling.steps} | _final_contexts(orbits)
        if config.lyapunov is not None:
            motion = measure(beside, settling.settled, config.lyapunov, config.steps, advance)
            arrays |= motion_arrays(motion) | {"finite_time_exponents": motion.spectrum.finite_time}
        layout = self.config.layout(len(points))
        return {name: array.astype(layout[name].dtype, copy=False) for name, array in arrays.items()}

    def _observe(self, orbits: Batch, advance: Advance) -> Arrays:
        config = self.config
        observer = Observer(
            orbits,
            raster=self._raster,
            width=config.observe.section.width,
            features=[feature - 1 for feature in config.features],
            observables=config.observe.observables,
        )
        return self._reduced(observe(observer, config.steps.record, advance))

    def _reduced(self, observation: Observation) -> Arrays:
        arrays: Arrays = {"period": observation.period}
        for number, name in enumerate(self.config.observe.observables):
            for kind in ("raster", "outside", "section", "mean", "variance", "minimum", "maximum"):
                arrays[f"{kind}_{name}"] = getattr(observation, kind)[:, number]
        return arrays

    def constants(self) -> Arrays:
        """The swept values, the bins' edges, and which features and pairs the arrays' axes are."""
        edges = np.linspace(self._raster.low, self._raster.high, self._raster.bins + 1)
        pairs = np.array(section_pairs(self.config.features), dtype=np.int64).reshape(-1, 2)
        features = np.array(self.config.features, dtype=np.int64)
        return {**super().constants(), "bin_edges": edges, "features": features, "section_pairs": pairs}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Observables of which a share lies outside the rasters."""
        found = list(motion_warnings(arrays, self._lengthen)) if self.config.lyapunov else []
        for name in self.config.observe.observables:
            outside = arrays[f"outside_{name}"].sum(dtype=np.int64)
            share = outside / (self.points * self.config.steps.record * len(self.config.features))
            if outside:
                found.append(f"{share:.2%} of the recorded values of {name} lie outside observe.raster.range")
        return found

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """What the diagram shows, and the numbers of every point."""
        labels: dict[str, NDArray[Any]] = {self.config.sweep.parameter: arrays[self.config.sweep.parameter]}
        return {"diagram": diagram_table(arrays, self.config.observe.observables, labels), **super().tables(arrays)}

    def _caption(self) -> str:
        """The parameters that do not change along the axis."""
        return f"{caption_of(self.config)}, {self.config.steps.record:,} steps a value"


def diagram_table(
    arrays: Mapping[str, NDArray[Any]], observables: Sequence[str], labels: Mapping[str, NDArray[Any]]
) -> Table:
    """A row for every bin that holds anything: the LABELS of its point, whose bin it is, its centre and its steps."""

    def rows() -> Iterator[list[object]]:
        centres = (arrays["bin_edges"][:-1] + arrays["bin_edges"][1:]) / 2
        for name in observables:
            for point, counts in enumerate(arrays[f"raster_{name}"]):
                of_point = [column[point].item() for column in labels.values()]
                for index, number in zip(*np.nonzero(counts), strict=True):
                    feature, steps = int(arrays["features"][index]), int(counts[index, number])
                    yield [*of_point, name, feature, float(centres[number]), steps]

    return Table([*labels, "observable", "feature", "value", "steps"], rows())


def _final_contexts(orbits: Any) -> Arrays:
    """Contexts from which any orbit can be continued; a window that is not full is filled with NaN."""
    contexts = orbits.contexts()
    length, features = orbits.weights.context_length, orbits.weights.features
    attention = np.full((len(contexts), length, features), np.nan)
    for row, context in zip(attention, contexts, strict=True):
        row[: len(context.attention)] = context.attention
    return {"final_attention": attention, "final_position": np.array([context.position for context in contexts])}
