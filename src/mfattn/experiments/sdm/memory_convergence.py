"""Associative memories under perturbation: how near to its pattern a noisy query comes to rest."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.sdm.memories_config import AnyFamily, FamilyConfig, Member
from mfattn.experiments.sdm.patterns_config import AnyPatterns, Patterns
from mfattn.experiments.sections import LARGEST_SEED, distinct_mistakes
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.messages import counted
from mfattn.pipeline.yaml_text import KeyPath, dotted_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXACT = 1e-6
"""Distance of a cosine from 1 at which a pattern counts as recovered."""

USUAL_UPDATES = 4
"""Updates of a query, for estimates."""

USUAL_LENGTH = 1000
"""Pixels of an image, for estimates."""

PATTERN_STREAM, QUERY_STREAM, MEMORY_STREAM = range(3)


class ConvergenceFigureConfig(Config):
    """What the figure shows."""

    band: Literal["deviation", "quantiles", "error"] = Field(
        "deviation",
        description="Band around a mean: standard deviation over queries, their 5 and 95 % quantiles, or two errors.",
    )


class MemoryConvergenceConfig(RunConfig):
    """Associative memories under perturbation."""

    experiment: Literal["memory_convergence"] = Field(description="This kind of run.")
    patterns: AnyPatterns = Field(description="What is stored.")
    memories: Tuple[AnyFamily] = Field(min_length=1, max_length=50, description="The memories, by family.")
    flips: Tuple[Annotated[int, Field(ge=0, le=10_000)]] = Field(
        min_length=1,
        max_length=100,
        description="Perturbations k: bits flipped, or for vectors a turn to the cosine 1 - 2k/n.",
    )
    queries: int | None = Field(
        None, ge=1, le=1_000_000, description="Patterns that are asked for, the first ones; without it, all."
    )
    draws: int = Field(1, ge=1, le=10_000, description="Independent draws of patterns, perturbations and neurons.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of all draws.")
    rivals: Literal["redraw", "allow"] = Field(
        "redraw",
        description="Bits flipped so that another pattern is nearer are drawn again, or are allowed as they come.",
    )
    updates: int = Field(100, ge=1, le=100_000, description="Updates after which a query is given up.")

    figure: ConvergenceFigureConfig = Field(
        ConvergenceFigureConfig(), description="What the figure shows; changes no number."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("patterns", *path), message) for path, message in self.patterns.mistakes())
        if self.patterns.known_length is not None:
            yield from self.misfits(self.patterns.known_length)
        number = self.patterns.number
        yield from distinct_mistakes(("flips",), self.flips)
        for place, family in enumerate(self.memories):
            if family.words in (earlier.words for earlier in self.memories[:place]):
                yield ("memories", place), f"different memories, found '{family.words}' again; join their lists"
        if self.queries is not None and self.queries > number:
            yield ("queries",), f"at most the {number:,} patterns, found {self.queries:,}"
        yield from size_mistakes(("draws",), self.layout(self.points), "take fewer draws or queries")

    def misfits(self, length: int) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit patterns of some LENGTH."""
        for place, family in enumerate(self.memories):
            found = family.misfits(length, self.patterns.number)
            yield from ((("memories", place, *path), message) for path, message in found)
        for place, flips in enumerate(self.flips):
            if flips > length:
                yield ("flips", place), f"at most the {length:,} bits of a pattern, found {flips:,}"

    @property
    def points(self) -> int:
        """Memories times draws."""
        return self.draws * sum(family.size for family in self.memories)

    @property
    def asked(self) -> int:
        """Number of queries at each perturbation."""
        return self.queries or self.patterns.number

    def layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points."""
        flips = len(self.flips)
        each = (points, flips, self.asked)
        share = ArrayLayout((points, flips), np.dtype(np.float64))
        return {
            "cosine": ArrayLayout(each, np.dtype(np.float64)),
            "status": ArrayLayout(each, np.dtype(np.int8)),
            "steps": ArrayLayout(each, np.dtype(np.int32)),
            "nearest_share": share,
            "label_share": share,
        }


class Line(NamedTuple):
    """One memory: its family, and which of it."""

    family: FamilyConfig
    member: Member

    @property
    def label(self) -> str:
        """What it is called in a table."""
        radius = f", d = {self.member.radius}" if self.member.radius >= 0 else ""
        beta = f", β = {self.member.beta:.4g}" if np.isfinite(self.member.beta) else ""
        return f"{self.family.words}{radius}{beta}"


class MemoryConvergence(PointwiseExperiment[MemoryConvergenceConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a memory and a draw."""

    @cached_property
    def lines(self) -> list[Line]:
        """All memories."""
        length = self.config.patterns.length
        return [Line(family, member) for family in self.config.memories for member in family.members(length)]

    @property
    def points(self) -> int:
        """Memories times draws."""
        return self.config.points

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a memory, on average."""
        config, length, number = (
            self.config,
            self.config.patterns.known_length or USUAL_LENGTH,
            self.config.patterns.number,
        )
        reads = USUAL_UPDATES * config.asked * len(config.flips)
        seconds = [
            family.size * (family.writing_cost(length, number) + reads * family.reading_cost(length, number))
            for family in config.memories
        ]
        return 0.01 + sum(seconds) / sum(family.size for family in config.memories)

    def identity(self) -> dict[str, Any]:
        """The config, and what is in the files that it reads.

        Raises
        ------
        InputError
            If images cannot be read, or memories do not fit them.
        """
        contents = self.config.patterns.contents()
        length = self.config.patterns.length
        misfits = [f"{dotted_name(path)}: {message}" for path, message in self.config.misfits(length)]
        if misfits:
            raise InputError(*misfits)
        return super().identity() | {"patterns": contents}

    def describe(self) -> list[tuple[str, str]]:
        """Patterns, memories and perturbations."""
        config = self.config
        flips = ", ".join(map(str, config.flips))
        return [
            ("patterns", f"{config.patterns.describe()}, {counted(config.draws, 'draw')}, seed {config.seed}"),
            *(("memory", family.describe()) for family in config.memories),
            ("queries", f"{config.asked:,} at each of {flips} flips, up to {config.updates:,} updates"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Final cosines, how the reading ended, and updates of every query; shares of queries."""
        return {name: ArrayLayout(shape[1:], dtype) for name, (shape, dtype) in self.config.layout(1).items()}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Write the patterns of a draw into a memory, and read every perturbed query until it comes to rest."""
        line, draw = self.lines[point // self.config.draws], point % self.config.draws
        patterns = self.config.patterns.make(self._stream(draw, PATTERN_STREAM))
        stored = patterns.bits if line.family.space == "bits" else patterns.vectors
        memory = self._memory(line, draw)
        memory.write(stored)
        rows = [self._recall(memory, line, draw, flips, patterns) for flips in self.config.flips]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def _stream(self, draw: int, *names: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.config.seed, spawn_key=(draw, *names))

    def _memory(self, line: Line, draw: int) -> Any:
        from mfattn.sdm.memories.threads import checked_threads

        # Points run beside each other where there are enough of them.
        threads = max(1, checked_threads(None) // self.points)
        seed = self._stream(draw, MEMORY_STREAM)
        return line.family.make(self.config.patterns.length, line.member, seed, threads)

    def _recall(self, memory: Any, line: Line, draw: int, flips: int, patterns: Patterns) -> Arrays:
        from mfattn.sdm.perturb import nearest_patterns, nearest_vectors

        stored = patterns.bits if line.family.space == "bits" else patterns.vectors
        targets = stored[: self.config.asked]
        result = memory.iterate(self._queries(line, draw, flips, stored), max_steps=self.config.updates)
        nearest = nearest_patterns if line.family.space == "bits" else nearest_vectors
        found = nearest(result.state, stored)
        own = np.arange(len(targets))
        labels = patterns.labels
        return {
            "cosine": cosines(result.state, targets),
            "status": result.status,
            "steps": result.steps,
            "nearest_share": np.array((found == own).mean()),
            "label_share": np.array(np.nan if labels is None else (labels[found] == labels[own]).mean()),
        }

    def _queries(self, line: Line, draw: int, flips: int, stored: NDArray[Any]) -> NDArray[Any]:
        from mfattn.sdm.perturb import flip_bits, turn_vectors

        targets, seed = stored[: self.config.asked], self._stream(draw, QUERY_STREAM, flips)
        if line.family.space == "vectors":
            return turn_vectors(targets, 1 - 2 * flips / stored.shape[1], seed=seed)
        try:
            return flip_bits(targets, flips, seed=seed, rivals=stored if self.config.rivals == "redraw" else None)
        except ValueError as error:
            raise RunError(f"flips: {error}; take fewer, or set rivals to allow") from None

    def constants(self) -> Arrays:
        """The perturbations, and radius and temperature of every memory."""
        members = [line.member for line in self.lines]
        return {
            "flips": np.array(self.config.flips),
            "radius": np.array([member.radius for member in members]),
            "beta": np.array([member.beta for member in members]),
        }

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Statistics of the cosines of each memory over its queries and draws."""
        by_line = arrays["cosine"].reshape(len(self.lines), self.config.draws, len(self.config.flips), -1)
        rows = [statistics(cosine[np.isfinite(cosine[:, 0, 0])]) for cosine in by_line]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Mean cosine of each memory at the first and the last perturbation."""
        first, last = self.config.flips[0], self.config.flips[-1]
        return [
            (line.label, f"cosine {mean[0]:.3f} at {first} flips, {mean[-1]:.3f} at {last}")
            for line, mean in zip(self.lines, arrays["mean_cosine"], strict=True)
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every memory and perturbation."""
        from mfattn.sdm.memories import Status

        shape = (len(self.lines), self.config.draws, len(self.config.flips))
        status, steps = (arrays[name].reshape(*shape, -1) for name in ("status", "steps"))
        shares = {name: arrays[name].reshape(shape).mean(axis=1) for name in ("nearest_share", "label_share")}
        numbers = {name: arrays[name] for name in STATISTICS} | shares | {"steps": steps.mean(axis=(1, 3))}
        numbers |= {kind.name.lower(): (status == kind).sum(axis=(1, 3)) for kind in Status if kind != Status.READ}
        rows = [
            [line.label, flips, *(array[row, place].item() for array in numbers.values())]
            for row, line in enumerate(self.lines)
            for place, flips in enumerate(self.config.flips)
        ]
        return {"values": Table(["memory", "flips", *numbers], rows)}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """A panel for every family: mean cosine over the perturbation, a line and a band for each memory."""
        from mfattn.figures.sdm.memory_convergence import draw_convergence

        config = self.config
        caption = f"{config.patterns.label}, {config.asked:,} queries, {counted(config.draws, 'draw')}{note}"
        families = [family.words for family in config.memories for _ in range(family.size)]
        return draw_convergence(arrays, families, config.patterns.length, config.figure.band, caption)


def cosines(states: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Cosines between states and targets (Q, n): of bits as signs, of vectors as they are."""
    if states.dtype == np.uint8:
        return np.asarray(1.0 - 2.0 * (states != targets).mean(axis=1))
    lengths = np.sqrt((states**2).sum(axis=1) * (targets**2).sum(axis=1))
    return np.asarray((states * targets).sum(axis=1) / lengths)


STATISTICS = ("mean_cosine", "cosine_deviation", "cosine_error", "low_cosine", "high_cosine", "exact_share")


def statistics(cosine: NDArray[np.float64]) -> Arrays:
    """Mean, deviation and error, quantiles, and share of 1 of cosines (draws, flips, queries), each (flips,).

    The error of the mean is that over draws, if there are some, and else that over queries. Without a draw all are NaN.
    """
    draws, flips, _ = cosine.shape
    if draws == 0:
        return {name: np.full(flips, np.nan) for name in STATISTICS}
    spread = cosine.mean(axis=2) if draws > 1 else cosine[0].T
    error = spread.std(axis=0, ddof=1) / np.sqrt(len(spread)) if len(spread) > 1 else np.full(flips, np.nan)
    low, high = np.quantile(cosine, (0.05, 0.95), axis=(0, 2))
    values = (
        cosine.mean(axis=(0, 2)),
        cosine.std(axis=(0, 2)),
        error,
        low,
        high,
        (cosine > 1 - EXACT).mean(axis=(0, 2)),
    )
    return dict(zip(STATISTICS, values, strict=True))
