"""Bifurcation diagrams: what the orbits visit, as a density over a swept parameter."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import StartedExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.locating import locate_bifurcations
from mfattn.experiments.meanfield_config import (
    LyapunovConfig,
    SettlingStepsConfig,
    StartedConfig,
    SweepConfig,
    caption_of,
    spaced_mistakes,
)
from mfattn.experiments.measuring import (
    REGIME_LABELS,
    alignment_within,
    copies,
    describe_measurement,
    finite_time_layout,
    measure,
    measured_steps,
    motion_arrays,
    motion_layout,
    motion_warnings,
    pass_transient,
)
from mfattn.experiments.stepping import mover, pieces, record_orbits, step_seconds
from mfattn.experiments.weights_config import Tuple
from mfattn.meanfield import Orbits
from mfattn.meanfield.observe import OBSERVED, Observation, ObservedName, Observer, Raster, is_range, section_pairs
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mfattn.figures.exponents import Exponents

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
    keep_orbits: Tuple[float] = Field(
        (), description="Values of the swept parameter whose whole orbits are kept; the nearest grid point of each."
    )


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


class BifurcationConfig(StartedConfig):
    """A bifurcation diagram."""

    experiment: Literal["bifurcation"] = Field(description="This kind of run.")
    sweep: SweepConfig = Field(description="The swept parameter and its values.")
    steps: SettlingStepsConfig = Field(description="Numbers of steps a point.")
    lyapunov: LyapunovConfig | None = Field(None, description="Lyapunov exponents and regimes; without it, none.")
    observe: ObserveConfig = Field(ObserveConfig(), description="What is kept of the orbits.")
    figure: FigureConfig = Field(FigureConfig(), description="What the figure shows.")

    @property
    def features(self) -> tuple[int, ...]:
        """Observed features, counted from 1."""
        return self.observe.features or tuple(range(1, min(self.model.features, DEFAULT_FEATURES) + 1))

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
        yield from self._kept_mistakes()
        without = self.layout(self.sweep.count, 0)
        yield from size_mistakes(("sweep", "num"), without, "sweep fewer values, or observe fewer features or bins")
        kept = {name: array for name, array in self.layout(0, len(observe.keep_orbits)).items() if "orbit" in name}
        yield from size_mistakes(("observe", "keep_orbits"), kept, "keep fewer orbits, or record fewer steps")

    def _kept_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        if self.sweep.start is None or self.sweep.stop is None:
            return
        low, high = sorted((self.sweep.start, self.sweep.stop))
        for number, value in enumerate(self.observe.keep_orbits):
            if not low <= value <= high:
                yield (
                    ("observe", "keep_orbits", number),
                    f"a value inside the sweep, {low:g} to {high:g}, found {value:g}",
                )

    def layout(self, points: int, kept: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points, of which a number keep their orbits."""
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
        layout |= {"final_attention": ArrayLayout(window, real), "final_position": ArrayLayout((points,), whole)}
        layout["orbit_point"] = ArrayLayout((kept,), whole)
        orbit = ArrayLayout((kept, self.steps.record, self.model.features), real)
        return layout | {f"orbit_{name}": orbit for name in OBSERVED}

    def kept_points(self) -> list[int]:
        """Grid points whose whole orbits are kept, ascending."""
        values = self.sweep.grid
        return sorted({int(np.argmin(np.abs(values - value))) for value in self.observe.keep_orbits})


def _choice_mistakes(
    path: KeyPath, chosen: tuple[Any, ...] | None, allowed: Any, name: str
) -> Iterator[tuple[KeyPath, str]]:
    chosen = chosen or ()
    for item in chosen:
        if item not in allowed:
            yield path, f"{name} ({', '.join(map(str, allowed))}), found {item}"
    if len(set(chosen)) != len(chosen):
        yield path, f"different ones, found {', '.join(map(str, chosen))}"


class Bifurcation(StartedExperiment[BifurcationConfig]):
    """The bifurcation experiment; see `mfattn.pipeline.experiment.Experiment`."""

    @property
    def block_size(self) -> int:
        """64 points, or fewer where their rasters take much memory, which they do at 32 bits a count."""
        features = len(self.config.features)
        rasters = len(self.config.observe.observables) * features**2 * self.config.observe.raster.bins
        return max(1, min(64, LARGEST_BLOCK // (4 * rasters)))

    numeric_sections = ("start", "sweep", "steps", "lyapunov")

    @property
    def steps_per_point(self) -> int:
        """Transient and recorded steps, and those of the tangent vectors."""
        steps = self.config.steps
        return (
            steps.longest
            + steps.record
            + (measured_steps(steps, self._weights.context_length) if self.config.lyapunov else 0)
        )

    def identity(self) -> dict[str, Any]:
        """Model, start, sweep, steps, exponents and what is observed."""
        observe = self.config.observe.model_dump(mode="json") | {
            "features": list(self.config.features),
            "keep_orbits": self._kept_points,
        }
        return super().identity() | {"observe": observe}

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid and steps."""
        return [*super().describe(), *describe_measurement(self.config.steps, self.config.lyapunov)]

    def estimate(self) -> float:
        """Rough core-seconds; a recorded step costs about twice a transient one."""
        steps, lyapunov = self.config.steps, self.config.lyapunov
        seconds = (steps.longest + 2 * steps.record) * step_seconds(self._weights)
        if lyapunov is not None:
            seconds += measured_steps(steps, self._weights.context_length) * step_seconds(
                self._weights, lyapunov.exponents, lyapunov.every
            )
        return self.points * seconds

    @cached_property
    def _raster(self) -> Raster:
        raster = self.config.observe.raster
        return Raster(raster.bins, *raster.range)

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Arrays of the points, and of the kept orbits among them."""
        return self.config.layout(len(points), len(self._kept(points)))

    def _kept(self, points: range) -> list[int]:
        return [point for point in self._kept_points if point in points]

    @cached_property
    def _kept_points(self) -> list[int]:
        return self.config.kept_points()

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Advance the points past the transient, then observe them, and measure their motion beside it."""
        config = self.config
        settling = pass_transient(self._orbits(points), config.steps, advance)
        orbits, beside = settling.orbits, copies(settling.orbits)
        mover(advance, self._weights)(orbits, alignment_within(config.steps, self._weights.context_length))
        arrays = self._observe(orbits, advance) | {"transient": settling.steps} | _final_contexts(orbits)
        if config.lyapunov is not None:
            motion = measure(beside, settling.settled, config.lyapunov, config.steps, advance)
            arrays |= motion_arrays(motion) | {"finite_time_exponents": motion.spectrum.finite_time}
        arrays |= self._kept_orbits(points, settling.steps, advance)
        layout = self.layout(points)
        return {name: array.astype(layout[name].dtype, copy=False) for name, array in arrays.items()}

    def _observe(self, orbits: Orbits, advance: Advance) -> Arrays:
        config = self.config
        observer = Observer(
            orbits,
            raster=self._raster,
            width=config.observe.section.width,
            features=[feature - 1 for feature in config.features],
            observables=config.observe.observables,
        )
        for steps in pieces(config.steps.record, len(orbits), self._weights):
            observer.observe(steps)
            advance(steps * len(orbits))
        return self._reduced(observer.result())

    def _reduced(self, observation: Observation) -> Arrays:
        arrays: Arrays = {"period": observation.period}
        for number, name in enumerate(self.config.observe.observables):
            for kind in ("raster", "outside", "section", "mean", "variance", "minimum", "maximum"):
                arrays[f"{kind}_{name}"] = getattr(observation, kind)[:, number]
        return arrays

    def _kept_orbits(self, points: range, transients: NDArray[np.int64], advance: Advance) -> Arrays:
        """Whole orbits of the points that the config names, run once more from their starts."""
        kept = self._kept(points)
        arrays: Arrays = {"orbit_point": np.array(kept, dtype=np.int64)}
        if not kept:
            layout = self.layout(points)
            return arrays | {f"orbit_{name}": np.empty(layout[f"orbit_{name}"].shape) for name in OBSERVED}

        def only_check(steps: int) -> None:
            # The progress counts each point once; the signals are looked at all the same.
            advance(0)

        recorded = []
        for point in kept:
            orbits = self._orbits([point])
            mover(only_check, self._weights)(orbits, int(transients[point - points.start]))
            recorded.append(record_orbits(orbits, self.config.steps.record, OBSERVED, only_check))
        return arrays | {f"orbit_{name}": np.concatenate([orbit[name] for orbit in recorded]) for name in OBSERVED}

    def constants(self) -> Arrays:
        """The swept values, the bins' edges, and which features and pairs the arrays' axes are."""
        edges = np.linspace(self._raster.low, self._raster.high, self._raster.bins + 1)
        pairs = np.array(section_pairs(self.config.features), dtype=np.int64).reshape(-1, 2)
        features = np.array(self.config.features, dtype=np.int64)
        return {**super().constants(), "bin_edges": edges, "features": features, "section_pairs": pairs}

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Observables of which a share lies outside the rasters."""
        found = list(motion_warnings(arrays)) if self.config.lyapunov else []
        for name in self.config.observe.observables:
            outside = arrays[f"outside_{name}"].sum(dtype=np.int64)
            share = outside / (self.points * self.config.steps.record * len(self.config.features))
            if outside:
                found.append(f"{share:.2%} of the recorded values of {name} lie outside observe.raster.range")
        return found

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """The bifurcation points, where exponents were measured."""
        if self.config.lyapunov is None:
            return {}
        return locate_bifurcations(self.config, self.config.sweep, self._weights, arrays)

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figures as PNG and PDF."""
        from mfattn.figures.exponents import draw_statistics
        from mfattn.figures.style import render

        files = render(self.figure(arrays, note))
        measured = self._measured(arrays)
        if measured is not None:
            files |= render(draw_statistics(measured, self._caption() + note), "_exponents")
        return files

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """The diagram of the features and observables that the config's figure names."""
        from mfattn.figures.bifurcation import Diagram, draw_diagrams

        config, figure = self.config, self.config.figure
        features = figure.features or config.features[:DEFAULT_FEATURES]
        sections = figure.crossed(config.features)
        diagrams = [
            [Diagram.of(arrays, name, feature, sections) for name in figure.observables or config.observe.observables]
            for feature in features
        ]
        parameter = config.sweep.parameter
        return draw_diagrams(arrays[parameter], parameter, diagrams, self._caption() + note, self._measured(arrays))

    def _measured(self, arrays: Mapping[str, NDArray[Any]]) -> "Exponents | None":
        from mfattn.figures.exponents import Exponents

        return Exponents.of(arrays, REGIME_LABELS) if self.config.lyapunov else None

    def _caption(self) -> str:
        """The parameters that do not change along the axis."""
        return f"{caption_of(self.config)}, {self.config.steps.record:,} steps a value"


def _final_contexts(orbits: Any) -> Arrays:
    """Contexts from which any orbit can be continued; a window that is not full is filled with NaN."""
    contexts = orbits.contexts()
    length, features = orbits.weights.context_length, orbits.weights.features
    attention = np.full((len(contexts), length, features), np.nan)
    for row, context in zip(attention, contexts, strict=True):
        row[: len(context.attention)] = context.attention
    return {"final_attention": attention, "final_position": np.array([context.position for context in contexts])}
