"""Continuation diagrams: chains that walk outward over a sweep, each value from its neighbour's last context."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.meanfield.config import Grid, StartConfig, make_orbits, start_mistakes
from mfattn.experiments.meanfield.diagram import DEFAULT_FEATURES, DiagramConfig, DiagramExperiment, diagram_table
from mfattn.experiments.meanfield.measuring import REGIME_LABELS
from mfattn.experiments.meanfield.stepping import mover, step_seconds
from mfattn.experiments.meanfield.weights_config import Tuple
from mfattn.meanfield import Context, Orbits
from mfattn.meanfield.hysteresis import are_apart, density_distance, outward, runs
from mfattn.meanfield.regimes import Regime
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Chain, Experiment, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REGULAR = (Regime.REST, Regime.PERIODIC, Regime.QUASI_PERIODIC, Regime.TWO_FREQUENCIES)
"""Regimes whose densities have no sampling noise."""


class ChainStepsConfig(Config):
    """How the chains are walked."""

    steps: int = Field(ge=1, le=10**9, description="Steps at each value, from its neighbour's last context.")
    link: int = Field(32, ge=1, le=100_000, description="Values of a link, which is saved at once.")


class ChainConfig(Config):
    """One chain."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,30}$", examples=["up"], description="Its name.")
    origin: float = Field(alias="from", description="Value at which it starts; the nearest one of the sweep.")
    start: StartConfig = Field(description="Where it starts: exactly one of `prompt`, `pattern` and `context`.")


class ContinuationConfig(DiagramConfig):
    """A continuation diagram."""

    experiment: Literal["continuation"] = Field(description="This kind of run.")
    chain: ChainStepsConfig = Field(description="How the chains are walked.")
    chains: Tuple[ChainConfig] = Field(
        min_length=1, max_length=6, description="The chains; each walks outward both ways from where it starts."
    )

    @property
    def orbits(self) -> int:
        """Orbits that are observed: one at each value of each chain."""
        return len(self.chains) * self.sweep.count

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        length = 2**self.model.position_bits
        if self.chain.steps < length:
            yield ("chain", "steps"), f"at least {length} (the window's length), found {self.chain.steps}"
        names = [chain.name for chain in self.chains]
        for number, chain in enumerate(self.chains):
            if chain.name in names[:number]:
                yield ("chains", number, "name"), f"a name of its own, found '{chain.name}' again"
            yield from self._origin_mistakes(number, chain.origin)
            yield from start_mistakes(("chains", number, "start"), chain.start, self.model)

    def _origin_mistakes(self, number: int, origin: float) -> Iterator[tuple[KeyPath, str]]:
        if self.sweep.start is None or self.sweep.stop is None:
            return
        low, high = sorted((self.sweep.start, self.sweep.stop))
        if not low <= origin <= high:
            yield ("chains", number, "from"), f"a value inside the sweep, {low:g} to {high:g}, found {origin:g}"


@dataclass(frozen=True, eq=False)
class OutwardChain:
    """The chains of an experiment, all walked side by side; see `mfattn.pipeline.experiment.Chain`.

    Stage t of a chain holds the values t places away from where it starts; a link holds some stages of all chains.
    Every chain walks twice from its start, upward and downward; the walks are the lanes of one batch, which does not
    change a bit of any of them.
    """

    experiment: "Continuation"

    @property
    def _config(self) -> ContinuationConfig:
        return self.experiment.config

    @cached_property
    def _walks(self) -> list[range]:
        """Indices of the values of each walk, in order: upward and downward for each chain."""
        return [walk for start in self.experiment.origins for walk in outward(self._config.sweep.count, start)]

    @property
    def links(self) -> int:
        """Number of links."""
        return math.ceil(max(map(len, self._walks)) / self._config.chain.link)

    @property
    def steps(self) -> int:
        """Steps of all walks."""
        return sum(map(len, self._walks)) * self._config.chain.steps

    def stages(self, link: int) -> range:
        """Stages of LINK."""
        first = link * self._config.chain.link
        return range(first, min(first + self._config.chain.link, max(map(len, self._walks))))

    def layout(self, link: int) -> dict[str, ArrayLayout]:
        """Last contexts of every stage and walk; a walk that is over has none."""
        model, shape = self._config.model, (len(self.stages(link)), len(self._walks))
        window = (*shape, 2**model.position_bits, model.features)
        return {
            "attention": ArrayLayout(window, np.dtype(np.float64)),
            "position": ArrayLayout(shape, np.dtype(np.int64)),
        }

    def walk(self, link: int, before: Mapping[str, NDArray[Any]] | None, advance: Advance) -> Arrays:
        """Walk the stages of LINK."""
        contexts = self._starts() if before is None else _last_contexts(before)
        arrays = {name: np.full(shape, -1, dtype) for name, (shape, dtype) in self.layout(link).items()}
        arrays["attention"][:] = np.nan
        for row, stage in enumerate(self.stages(link)):
            walks = [number for number, walk in enumerate(self._walks) if stage < len(walk)]
            values = np.array([self._walks[number][stage] for number in walks])
            for number, context in zip(walks, self._stage(values, [contexts[i] for i in walks], advance), strict=True):
                contexts[number] = context
                arrays["attention"][row, number], arrays["position"][row, number] = context.attention, context.position
        return arrays

    def _starts(self) -> dict[int, Context]:
        """First context of every walk."""
        experiment = self.experiment
        starts = [
            chain.start.context_of(experiment.weights, experiment.grid.epsilon[origin])
            for chain, origin in zip(self._config.chains, experiment.origins, strict=True)
        ]
        return {walk: starts[walk // 2] for walk in range(len(self._walks))}

    def _stage(self, values: NDArray[np.int64], starts: list[Context], advance: Advance) -> list[Context]:
        experiment = self.experiment
        orbits = make_orbits(self._config, experiment.weights, experiment.grid, values, starts)
        mover(advance, experiment.weights)(orbits, self._config.chain.steps)
        return orbits.contexts()

    def experiment_from(self, links: Sequence[Mapping[str, NDArray[Any]]]) -> Experiment:
        """The experiment that starts from the contexts of all LINKS."""
        attention, position = (np.concatenate([link[name] for link in links]) for name in ("attention", "position"))
        states = []
        for number, origin in enumerate(self.experiment.origins):
            for value in range(self._config.sweep.count):
                stage, walk = abs(value - origin), 2 * number + (value < origin)
                states.append(Context(attention[stage, walk], int(position[stage, walk])))
        return Continuation(self._config, states)


def _last_contexts(link: Mapping[str, NDArray[Any]]) -> dict[int, Context]:
    """Context of every walk that was not over at the end of a link."""
    attention, position = link["attention"][-1], link["position"][-1]
    return {int(walk): Context(attention[walk], int(position[walk])) for walk in np.flatnonzero(position >= 0)}


class Continuation(DiagramExperiment[ContinuationConfig]):
    """The continuation experiment; see `mfattn.pipeline.experiment.Experiment`.

    Point `chain * num + value` is a value of a chain.

    Parameters
    ----------
    config : ContinuationConfig
    states : sequence of Context, optional
        Where the points start, once the chain has been walked.
    """

    numeric_sections = ("sweep", "chains", "steps", "lyapunov")
    _lengthen = ", or chain.steps"

    def __init__(self, config: ContinuationConfig, states: Sequence[Context] = ()) -> None:
        super().__init__(config)
        self._states = states
        times = len(config.chains)
        self._grid = Grid(**{name: np.tile(values, times) for name, values in self._grid.arrays().items()})
        self.weights, self.grid = self._weights, self._grid

    @cached_property
    def origins(self) -> list[int]:
        """Index of the value at which each chain starts."""
        values = self.config.sweep.grid
        return [int(np.argmin(np.abs(values - chain.origin))) for chain in self.config.chains]

    @property
    def chain(self) -> Chain:
        """What is walked before any point is measured."""
        return OutwardChain(self)

    def identity(self) -> dict[str, Any]:
        """Model, sweep, chains, steps, exponents and what is observed."""
        # The link changes no number, but the files in which the folder keeps the chain.
        return super().identity() | {"chain": self.config.chain.model_dump()}

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid, chains and steps."""
        config = self.config
        chains = ", ".join(f"{chain.name} from {chain.origin:g}" for chain in config.chains)
        lines = super().describe()
        return [*lines[:2], ("chains", f"{chains}; {config.chain.steps:,} steps a value"), *lines[2:]]

    def estimate(self) -> float:
        """Rough core-seconds; the few lanes of the chain take as long as a full batch."""
        stages = max(max(origin, self.config.sweep.count - 1 - origin) + 1 for origin in self.origins)
        return super().estimate() + CHAIN_LANES * stages * self.config.chain.steps * step_seconds(self._weights)

    def _orbits(self, points: range | list[int]) -> Orbits:
        index = np.array(points, dtype=np.int64)
        return make_orbits(self.config, self._weights, self._grid, index, [self._states[point] for point in index])

    def constants(self) -> Arrays:
        """The grid, and the chain of each point."""
        names = [chain.name for chain in self.config.chains]
        return {
            **super().constants(),
            "chain": np.repeat(np.arange(len(names)), self.config.sweep.count),
            "chain_name": np.array(names),
            "chain_origin": np.array(self.origins, dtype=np.int64),
            "chain_pair": np.array(list(combinations(range(len(names)), 2)), dtype=np.int64).reshape(-1, 2),
        }

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Distance of each pair of chains, in heights of the diagram, and whether they are on different attractors.

        The distance is the largest over features and observables. Bifurcation points are what `bifurcation` looks for.
        """
        pairs, chains, count = arrays["chain_pair"], len(self.config.chains), self.config.sweep.count
        width, bin_size = float(arrays["bin_edges"][1] - arrays["bin_edges"][0]), 0.0
        distances = np.zeros((len(pairs), count))
        for name in self.config.observe.observables:
            rasters = arrays[f"raster_{name}"].reshape(chains, count, len(self.config.features), -1)
            heights = np.maximum((rasters > 0).any(axis=(0, 1)).sum(axis=-1), 1) * width
            bin_size = max(bin_size, width / heights.min())
            for row, (first, second) in zip(distances, pairs, strict=True):
                distance = density_distance(rasters[first], rasters[second], width) / heights
                np.maximum(row, distance.max(axis=1), out=row)
        regular = np.zeros((chains, count), dtype=bool)
        if self.config.lyapunov is not None:
            regular = np.isin(arrays["regime"], REGULAR).reshape(chains, count)
        apart = are_apart(distances, regular[pairs].all(axis=1), bin_size, self.config.steps.record)
        return {"chain_distance": distances, "chain_apart": apart}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Regimes of each chain, and where chains are on different attractors."""
        found = []
        for number, chain in enumerate(self.config.chains if "regime" in arrays else ()):
            own = arrays["regime"][arrays["chain"] == number]
            counts = [
                f"{np.count_nonzero(own == regime):,} {regime.label}" for regime in Regime if (own == regime).any()
            ]
            found.append((f"chain {chain.name}", ", ".join(counts)))
        for (first, second), apart in zip(arrays["chain_pair"], arrays["chain_apart"], strict=True):
            names = f"{self.config.chains[first].name} and {self.config.chains[second].name}"
            found.append((f"{names} apart", self._ranges(apart) or "nowhere"))
        return found

    def _ranges(self, flags: NDArray[np.bool_]) -> str:
        """Where in the sweep something is so, in words."""
        ranges = [
            f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in runs(self.config.sweep.grid, flags)
        ]
        return f"{self.config.sweep.parameter} = {', '.join(ranges)}" if ranges else ""

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """What the diagram shows, with the chain of each row, the numbers of every point, and those of every pair."""
        parameter = self.config.sweep.parameter
        labels = {"chain": arrays["chain_name"][arrays["chain"]], parameter: arrays[parameter]}
        diagram = diagram_table(arrays, self.config.observe.observables, labels)
        return super().tables(arrays) | {"diagram": diagram, "distances": self._distance_table(arrays)}

    def _distance_table(self, arrays: Mapping[str, NDArray[Any]]) -> Table:
        """A row for every pair of chains at every value."""
        names, values = arrays["chain_name"], self.config.sweep.grid.tolist()
        pairs = zip(
            arrays["chain_pair"], arrays["chain_distance"].tolist(), arrays["chain_apart"].tolist(), strict=True
        )
        rows = (
            (value, names[first].item(), names[second].item(), distance, apart)
            for (first, second), distances, flags in pairs
            for value, distance, apart in zip(values, distances, flags, strict=True)
        )
        return Table([self.config.sweep.parameter, "chain", "other", "distance", "apart"], rows)

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure as PNG and PDF."""
        from mfattn.figures.style import render

        return render(self.figure(arrays, note))

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """The diagrams of all chains side by side, with their exponents, regimes and distances."""
        from mfattn.figures.meanfield.continuation import draw_continuation

        config, figure = self.config, self.config.figure
        shown = [
            (name, feature)
            for name in figure.observables or config.observe.observables
            for feature in figure.features or config.features[:DEFAULT_FEATURES]
        ]
        sections, caption = figure.crossed(config.features), self._caption() + note
        return draw_continuation(arrays, config.sweep.parameter, shown, sections, REGIME_LABELS, caption)


CHAIN_LANES = 32
"""Points of a full batch that take as long as the few walks of a chain, whose steps wait for each other."""
