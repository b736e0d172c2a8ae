"""Signal and noise of real neurons against theory: what two addresses share, and what a bit is read from."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sections import LARGEST_SEED
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import expected_neurons
from mfattn.sdm.theory import Noise, noise_sigma, snr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISES: tuple[Noise, ...] = get_args(Noise)
REAL = np.dtype(np.float64)

MOST_BITS, MOST_PATTERNS, MOST_QUERIES = 4096, 10_000, 1000

OVERLAP_STREAM, MEMORY_STREAM = range(2)


class OverlapsConfig(Config):
    """Pairs of addresses whose common neurons are counted."""

    draws: int = Field(20, ge=2, le=100_000, description="Independent draws of the neurons and of a pair of addresses.")


class MemoriesConfig(Config):
    """Memories of random patterns that are read."""

    patterns: int = Field(ge=1, le=MOST_PATTERNS, description="Number m of patterns.")
    draws: int = Field(200, ge=2, le=100_000, description="Independent draws of the neurons and of the patterns.")
    queries: int = Field(10, ge=1, le=MOST_QUERIES, description="Patterns that are asked for, in each draw.")


class IntersectionVarianceConfig(RunConfig):
    """Signal and noise of real neurons."""

    experiment: Literal["intersection_variance"] = Field(description="This kind of run.")
    bits: int = Field(ge=1, le=MOST_BITS, description="Number n of bits.")
    radius: int = Field(ge=0, le=MOST_BITS, description="Radius d of the balls.")
    neurons: int = Field(ge=1, le=10_000_000, description="Number r of neurons, at random addresses.")
    distances: Tuple[Annotated[int, Field(ge=0, le=MOST_BITS)]] = Field(
        min_length=1, max_length=200, description="Distances of the two addresses, and of queries from their patterns."
    )
    overlaps: OverlapsConfig = Field(OverlapsConfig(), description="Pairs of addresses.")
    memories: MemoriesConfig = Field(description="Memories that are read.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of all draws.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        if self.radius > self.bits:
            yield ("radius",), f"at most bits ({self.bits:,}), found {self.radius:,}"
        for number, distance in enumerate(self.distances):
            if distance > self.bits:
                yield ("distances", number), f"at most bits ({self.bits:,}), found {distance:,}"
        if len(set(self.distances)) != len(self.distances):
            yield ("distances",), f"different numbers, found {', '.join(map(str, self.distances))}"
        if self.memories.queries > self.memories.patterns:
            found = f"found {self.memories.queries:,}"
            yield ("memories", "queries"), f"at most the {self.memories.patterns:,} patterns, {found}"


class IntersectionVariance(PointwiseExperiment[IntersectionVarianceConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a distance."""

    @property
    def points(self) -> int:
        """Number of distances."""
        return len(self.config.distances)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of one distance."""
        config, memories = self.config, self.config.memories
        words = -(-config.bits // 64)
        overlaps = config.overlaps.draws * config.neurons * words * 8e-9
        asked = memories.draws * config.neurons * words * (8e-9 + 2e-9 * memories.queries)
        read = memories.draws * memories.queries * memories.patterns * config.bits * 1e-9
        return 1e-3 + overlaps + asked + read + memories.draws * 1e-3

    def describe(self) -> list[tuple[str, str]]:
        """Neurons, pairs and memories."""
        config = self.config
        return [
            ("neurons", f"r = {config.neurons:,}, n = {config.bits:,} bits, d = {config.radius}"),
            ("distances", ", ".join(map(str, config.distances))),
            ("pairs", f"{config.overlaps.draws:,} draws"),
            ("memories", f"{config.memories.draws:,} draws of m = {config.memories.patterns:,} patterns"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """What is measured, with 95 % bands of the means over the draws."""
        names = ("overlap", "signal", "sigma", "signal_to_noise")
        layout = {name: ArrayLayout((), REAL) for name in (*names, "overlap_variance")}
        return layout | {f"{name}_band": ArrayLayout((2,), REAL) for name in names}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Both simulations at one distance."""
        from mfattn.sdm.simulations import simulate_overlap, simulate_signal

        config, distance = self.config, self.config.distances[point]
        n, d, r = config.bits, config.radius, config.neurons
        seeds = (self._seed(distance, stream) for stream in (OVERLAP_STREAM, MEMORY_STREAM))
        pairs = simulate_overlap(n, d, r, [distance], draws=config.overlaps.draws, seed=next(seeds))
        m, draws, queries = config.memories.patterns, config.memories.draws, config.memories.queries
        found = simulate_signal(n, d, r, m, [distance], draws=draws, queries=queries, seed=next(seeds))
        return {
            "overlap": pairs.mean[0],
            "overlap_band": pairs.band[:, 0],
            "overlap_variance": pairs.variance[0],
            "signal": found.signal[0],
            "signal_band": found.signal_band[:, 0],
            "sigma": found.sigma[0],
            "sigma_band": found.sigma_band[:, 0],
            "signal_to_noise": found.ratio[0],
            "signal_to_noise_band": found.ratio_band[:, 0],
        }

    def _seed(self, distance: int, stream: int) -> int:
        """Seed of a simulation at one distance."""
        sequence = np.random.SeedSequence(self.config.seed, spawn_key=(distance, stream))
        return int(sequence.generate_state(1, np.uint64)[0])

    def constants(self) -> Arrays:
        """Distances, and the theory at all of them from 0 to n/2 or beyond."""
        config = self.config
        n, d, r, m = config.bits, config.radius, config.neurons, config.memories.patterns
        v = np.arange(max(n // 2, *config.distances, 1) + 1)
        return {
            "distance": np.array(config.distances),
            "theory_distance": v,
            "expected_overlap": expected_neurons(n, d, r, v),
            **{f"sigma_{noise}": noise_sigma(n, d, r, m, v, noise=noise) for noise in NOISES},
            **{f"signal_to_noise_{noise}": snr(n, d, r, m, v, noise=noise) for noise in NOISES},
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Measured and expected numbers at every distance."""
        lines = []
        for row, distance in enumerate(self.config.distances):
            if np.isnan(arrays["sigma"][row]):
                continue
            sigmas = ", ".join(f"{noise} {arrays[f'sigma_{noise}'][distance]:.3f}" for noise in NOISES)
            overlap, expected = arrays["overlap"][row], arrays["expected_overlap"][distance]
            text = f"shared {overlap:.4g}, expected {expected:.4g}; σ {arrays['sigma'][row]:.3f}, {sigmas}"
            lines.append((f"distance {distance}", text))
        return lines

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """What is measured beside what is expected, a row for each distance."""
        names = ("overlap", "signal", "sigma", "signal_to_noise")
        measured = [part for name in names for part in (name, f"{name}_lower", f"{name}_upper")]
        expected = ["expected_overlap", *(f"{name}_{noise}" for name in names[2:] for noise in NOISES)]
        rows = (
            (
                distance,
                *(float(value) for name in names for value in (arrays[name][row], *arrays[f"{name}_band"][row])),
                *(float(arrays[name][distance]) for name in expected),
            )
            for row, distance in enumerate(self.config.distances)
        )
        return {"comparison": Table(("distance", *measured, *expected), rows)}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Shared neurons, noise and their ratio over the distance."""
        from mfattn.figures.sdm.intersection_variance import draw_variance
        from mfattn.figures.sdm.labels import of_memory

        config = self.config
        numbers = {"n": config.bits, "d": config.radius, "m": config.memories.patterns, "r": config.neurons}
        return draw_variance(arrays, of_memory(numbers) + note)
