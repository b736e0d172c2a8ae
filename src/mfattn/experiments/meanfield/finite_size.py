"""Finite size: networks of N bits beside the mean field, at one parameter point and several N."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn import meanfield
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import MeanFieldExperiment
from mfattn.experiments.meanfield.config import LARGEST_TRANSIENT, StartedConfig, StepsConfig, caption_of
from mfattn.experiments.meanfield.diagram import DEFAULT_FEATURES
from mfattn.experiments.meanfield.network_config import SharingNetworkConfig, network_mistakes, network_start
from mfattn.experiments.meanfield.stepping import (
    lanes_of,
    mover,
    network_step_seconds,
    observe,
    piece_steps,
    record_orbits,
    seconds_of,
    step_seconds,
)
from mfattn.experiments.tables import values_table
from mfattn.meanfield import Context, FiniteNetwork, Orbits, Tangents
from mfattn.meanfield.finite_size import Scaling, bands, contexts_after, follow
from mfattn.meanfield.hysteresis import density_distance
from mfattn.meanfield.lyapunov import ZERO, spectrum
from mfattn.meanfield.model import OBSERVABLES
from mfattn.meanfield.observe import OBSERVED, Observation, Observer, Raster
from mfattn.meanfield.orbits import Batch
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Table, array_bytes
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from mfattn.figures.meanfield.finite_size import Laws, Overlaid

NETWORKS_PER_BLOCK = 64

BLOCK_BYTES = 2**28
"""Largest block that is made of several networks."""

KEPT_STEPS = 20_000
"""Recorded steps that are kept whole of the mean field and of one network of each size."""

RASTER = Raster(4002, -1.0005, 1.0005)
"""Bins of the densities whose distance is measured: overlaps and attention lie from -1 to 1, and can be 1."""

MOST_PAGES = 12
"""Pages that a run draws, one a size."""

OWN_WAY, ONE_CONTEXT, SEVERAL_CONTEXTS = range(3)
"""What a network's random stream is for, so that no two measurements of it share their noise."""

FOLLOWED = ("attention", "overlap_o_semantic", "overlap_v", "overlap_q", "overlap_k")
"""Observables of the networks that leave the mean field with its context."""


class FollowConfig(Config):
    """Networks that leave the mean field with a context of it, after the transient, and run beside it."""

    steps: int = Field(10_000, ge=1, le=10**9, description="Steps of the comparison.")
    forget: int = Field(500, ge=0, description="First steps that the root-mean-square deviation leaves out.")
    threshold: float = Field(0.1, ge=1e-12, le=1e12, description="Deviation from which a network has diverged.")
    spacing: int = Field(
        101,
        ge=0,
        le=LARGEST_TRANSIENT,
        description="Steps of the mean field from where one network leaves to the next.",
    )
    window: int = Field(
        300,
        ge=1,
        le=100_000,
        description="First steps that are kept and drawn; drawn are networks that all leave with one context.",
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Lengths that do not fit into the steps."""
        if self.forget >= self.steps:
            yield ("forget",), f"less than steps ({self.steps:,}), found {self.forget:,}"
        if self.window > self.steps:
            yield ("window",), f"at most steps ({self.steps:,}), found {self.window:,}"


class FiniteSizeFigureConfig(Config):
    """What the figure shows; changes no number."""

    fit_from: int = Field(0, ge=0, description="Least N that the laws are fitted to.")


class FiniteSizeConfig(StartedConfig):
    """Networks of several sizes beside the mean field."""

    experiment: Literal["finite_size"] = Field(description="This kind of run.")
    network: SharingNetworkConfig = Field(description="Finite networks beside the mean field.")
    steps: StepsConfig = Field(description="Numbers of steps of the mean field, and of each network from its start.")
    follow: FollowConfig = Field(
        FollowConfig(), description="Networks that leave the mean field with its context, and run beside it."
    )
    figure: FiniteSizeFigureConfig = Field(FiniteSizeFigureConfig(), description="What the figure shows.")

    @property
    def replaced(self) -> set[str]:
        """The share of the position, where the bits give it."""
        return {"epsilon"} if self.network.share == "bits" else set()

    @property
    def networks(self) -> int:
        """Number of networks."""
        return len(self.network.bits) * self.network.replicas

    @property
    def kept_steps(self) -> int:
        """Recorded steps that are kept whole."""
        return min(self.steps.record, KEPT_STEPS)

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from network_mistakes(self.network, self.model)
        yield from ((("follow", *path), message) for path, message in self.follow.mistakes())
        if "epsilon" in self.replaced and self.model.epsilon is not None:
            yield ("model", "epsilon"), f"nothing with 'share: bits', which sets it, found {self.model.epsilon:g}"
        layout = self.layout(self.networks, len(self.network.bits))
        advice = "fewer replicas or sizes, or a shorter follow.window"
        yield from size_mistakes(("network", "replicas"), layout, advice)

    def layout(self, networks: int, sizes: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of networks, and of the sizes whose first replica is among them."""
        features, shown = self.model.features, min(self.model.features, DEFAULT_FEATURES)
        real, whole = np.dtype(np.float64), np.dtype(np.int64)
        moments = ArrayLayout((networks, shown), real)
        layout = {"deviation": ArrayLayout((networks,), real), "divergence_time": ArrayLayout((networks,), whole)}
        layout["first_deviations"] = ArrayLayout((networks, self.follow.window), real)
        layout |= {f"{word}_{name}": moments for name in OBSERVED for word in ("mean", "variance", "density_distance")}
        window = (self.follow.window, features)
        layout |= {f"followed_{name}": ArrayLayout((networks, *window), real) for name in FOLLOWED}
        layout |= {f"mean_field_followed_{name}": ArrayLayout((sizes, *window), real) for name in FOLLOWED}
        orbit = ArrayLayout((sizes, self.kept_steps, features), real)
        for name in OBSERVABLES:
            layout |= {f"orbit_{name}": orbit, f"mean_field_orbit_{name}": orbit}
        return layout | {"mean_field_exponent": ArrayLayout((sizes,), real)}


class FiniteSize(MeanFieldExperiment[FiniteSizeConfig]):
    """The finite-size experiment, a point a network; see `mfattn.pipeline.experiment.Experiment`.

    Points are ordered by size, then by replica. Arrays `orbit_*` and `mean_field_*` have a row for each size.
    """

    numeric_sections = ("start", "network", "steps", "follow")

    @property
    def block_size(self) -> int:
        """As many networks as make a block of reasonable size."""
        return max(1, min(NETWORKS_PER_BLOCK, BLOCK_BYTES // array_bytes(self.config.layout(1, 0))))

    @property
    def points(self) -> int:
        """Number of networks."""
        return self.config.networks

    @property
    def steps_per_point(self) -> int:
        """Transient and recorded steps, and those beside the mean field."""
        return self.config.steps.transient + self.config.steps.record + self.config.follow.steps

    def describe(self) -> list[tuple[str, str]]:
        """Model, networks and steps."""
        steps, follow = self.config.steps, self.config.follow
        return [
            *super().describe(),
            ("networks", self.config.network.describe(self._weights)),
            ("steps", f"{steps.transient:,} transient + {steps.record:,} recorded, and {follow.steps:,} beside it"),
        ]

    def estimate(self) -> float:
        """Rough core-seconds, those of the mean field beside the networks included."""
        config, blocks = self.config, range(0, self.points, self.block_size)
        lanes = sum(lanes_of(min(self.block_size, self.points - first)) for first in blocks)
        step = step_seconds(self._weights)
        # A block's mean field runs on to where the last of its networks leaves.
        last = sum(min(first + self.block_size, config.network.replicas) for first in blocks)
        before = config.follow.spacing * last * lanes_of(1) * step
        return before + lanes * self.steps_per_point * (step + network_step_seconds(self._weights))

    def _first_sizes(self, points: range) -> list[int]:
        """Sizes whose first replica is among the points."""
        replicas = self.config.network.replicas
        return [size for size in range(len(self.config.network.bits)) if size * replicas in points]

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Deviations and series of every network, and the orbits of each size."""
        return self.config.layout(len(points), len(self._first_sizes(points)))

    def constants(self) -> Arrays:
        """Size and number of every network, and the sizes."""
        bits, replicas = np.array(self.config.network.bits), self.config.network.replicas
        return {
            "size": bits,
            "epsilon": self._epsilon(bits),
            "bits": np.repeat(bits, replicas),
            "replica": np.tile(np.arange(replicas), len(bits)),
        }

    def _epsilon(self, bits: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of the position in networks of some sizes."""
        if self.config.network.share == "bits":
            return meanfield.share_of_equal_bits(bits, self.config.model.position_bits)
        assert self.config.model.epsilon is not None
        return np.full(bits.shape, self.config.model.epsilon)

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Run networks and mean field past the transient, keep and observe both, and let copies run side by side."""
        index = np.array(points)
        networks, mean_field = self._networks(index, OWN_WAY), self._mean_field(index)
        mover(advance, self._weights)(networks, self.config.steps.transient)
        mover(_only_check(advance), self._weights)(mean_field, self.config.steps.transient)
        first = np.flatnonzero(index % self.config.network.replicas == 0)
        arrays = self._of_sizes(networks, mean_field, first, _only_check(advance))
        arrays |= self._followed(index, mean_field, first, _only_check(advance))
        arrays |= self._deviations(index, mean_field, advance)
        # Last, as these advance the batches themselves.
        return arrays | self._densities(networks, mean_field, advance)

    def _networks(
        self, index: NDArray[np.int64], purpose: int, starts: Sequence[Context] | None = None
    ) -> FiniteNetwork:
        """Networks at some points, where they start or where the config says."""
        config, replicas = self.config, self.config.network.replicas
        bits = np.array(config.network.bits)[index // replicas]
        epsilon = self._epsilon(bits)
        return FiniteNetwork(
            self._weights,
            bits=bits,
            beta=self._grid.beta,
            gamma=self._grid.gamma,
            epsilon=epsilon,
            starts=starts or [network_start(config.start, self._weights, share) for share in epsilon],
            streams=config.network.streams(
                [(int(n), int(i % replicas), purpose) for n, i in zip(bits, index, strict=True)]
            ),
            output_scale=config.model.output_scale,
        )

    def _mean_field(self, index: NDArray[np.int64]) -> Orbits:
        """The mean field beside each of the networks at some points, where it starts."""
        config = self.config
        epsilon = self._epsilon(np.array(config.network.bits)[index // config.network.replicas])
        return Orbits(
            self._weights,
            beta=self._grid.beta,
            gamma=self._grid.gamma,
            epsilon=epsilon,
            starts=[config.start.context_of(self._weights, share) for share in epsilon],
            output_scale=config.model.output_scale,
        )

    def _of_sizes(
        self, networks: FiniteNetwork, mean_field: Orbits, first: NDArray[np.int64], check: Advance
    ) -> Arrays:
        """Whole orbits of the first replica and of the mean field, and the leading exponent of the latter."""
        kept, features = self.config.kept_steps, self.config.model.features
        if not first.size:
            orbit = np.empty((0, kept, features))
            names = [f"{prefix}orbit_{name}" for prefix in ("", "mean_field_") for name in OBSERVABLES]
            return dict.fromkeys(names, orbit) | {"mean_field_exponent": np.empty(0)}
        arrays: Arrays = {}
        for prefix, batch in (("", networks), ("mean_field_", mean_field)):
            orbits = record_orbits(batch.copies(first), kept, OBSERVABLES, check)
            arrays |= {f"{prefix}orbit_{name}": array for name, array in orbits.items()}
        return arrays | {"mean_field_exponent": self._exponents(mean_field.copies(first), check)}

    def _exponents(self, mean_field: Orbits, check: Advance) -> NDArray[np.float64]:
        """Leading Lyapunov exponents over the recorded steps."""
        move = mover(check, self._weights)
        if not mean_field.full:
            move(mean_field, self._weights.context_length)
        tangents = Tangents(mean_field, 1)
        return spectrum(tangents, self.config.steps.record, advance=partial(move, tangents)).exponents[:, 0]

    def _followed(
        self, index: NDArray[np.int64], mean_field: Orbits, first: NDArray[np.int64], check: Advance
    ) -> Arrays:
        """First steps of networks that all leave the mean field with one context, and of the mean field."""
        window = self.config.follow.window
        followers = self._networks(index, ONE_CONTEXT, mean_field.contexts())
        shown = record_orbits(followers, window, FOLLOWED, check)
        beside = record_orbits(mean_field.copies(), window, FOLLOWED, check)
        return {
            **{f"followed_{name}": array for name, array in shown.items()},
            **{f"mean_field_followed_{name}": array[first] for name, array in beside.items()},
        }

    def _deviations(self, index: NDArray[np.int64], mean_field: Orbits, advance: Advance) -> Arrays:
        """Deviations and divergence times of networks that leave the mean field one after the other."""
        config, replicas = self.config.follow, self.config.network.replicas
        move = mover(_only_check(advance), self._weights)
        _, one_a_size, size = np.unique(index // replicas, return_index=True, return_inverse=True)
        starts = contexts_after(mean_field.copies(one_a_size), size, config.spacing * (index % replicas), move)
        networks = self._networks(index, SEVERAL_CONTEXTS, starts)
        following = follow(
            networks,
            mean_field.restarted(np.arange(len(index)), starts),
            steps=config.steps,
            forget=config.forget,
            threshold=config.threshold,
            keep=config.window,
            piece=piece_steps(seconds_of(networks, self._weights)),
            advance=lambda steps: advance(steps * len(index)),
        )
        return {
            "deviation": following.deviation,
            "divergence_time": following.divergence_time,
            "first_deviations": following.first,
        }

    def _densities(self, networks: FiniteNetwork, mean_field: Orbits, advance: Advance) -> Arrays:
        """Moments of the networks, and how far their densities are from those of the mean field."""
        features = range(min(self.config.model.features, DEFAULT_FEATURES))

        def observed(batch: Batch, advance: Advance) -> Observation:
            observer = Observer(batch, raster=RASTER, width=0.0, features=features)
            return observe(observer, self.config.steps.record, advance)

        ours, theirs = observed(networks, advance), observed(mean_field, _only_check(advance))
        distance = density_distance(ours.raster, theirs.raster, (RASTER.high - RASTER.low) / RASTER.bins)
        arrays: Arrays = {}
        for number, name in enumerate(OBSERVED):
            arrays[f"mean_{name}"], arrays[f"variance_{name}"] = ours.mean[:, number], ours.variance[:, number]
            arrays[f"density_distance_{name}"] = distance[:, number]
        return arrays

    def scaling(self, arrays: Mapping[str, NDArray[Any]]) -> Scaling:
        """What the replicas of each size come to, and the laws in N."""
        shape = (len(self.config.network.bits), self.config.network.replicas)
        distances = np.stack([arrays[f"density_distance_{name}"] for name in OBSERVED])
        return Scaling.of(
            arrays["size"],
            deviation=arrays["deviation"].reshape(shape),
            distance=distances.mean(axis=(0, 2)).reshape(shape),
            times=arrays["divergence_time"].reshape(shape),
            steps=self.config.follow.steps,
            fit_from=self.config.figure.fit_from,
        )

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """The laws in N, and how far sizes that were not fitted are from them."""
        scaling, exponent, found = self.scaling(arrays), self._exponent(arrays), []
        if exponent is not None:
            found.append(("leading exponent of the mean field", f"{exponent:.6f}"))
        law = scaling.deviation_law
        if law is not None:
            found.append(("deviation goes as", f"N^({law.slope:.4f} ± {law.error:.4f})"))
            ratios = scaling.deviation / 10 ** law.at(np.log10(scaling.size))
            for bits, ratio in zip(scaling.size, ratios, strict=True):
                if bits < self.config.figure.fit_from and np.isfinite(ratio):
                    found.append((f"deviation at N = {bits:,}", f"{ratio:.3f} times the law"))
        if scaling.divergence_law is not None:
            slope, error = scaling.divergence_law.slope, scaling.divergence_law.error
            found.append(("divergence time grows with ln N by", f"({slope:.2f} ± {error:.2f}) steps"))
            if exponent is not None and exponent > ZERO:
                found.append(("1/(2λ) of the mean field", f"{1 / (2 * exponent):.2f} steps"))
        return found

    def _exponent(self, arrays: Mapping[str, NDArray[Any]]) -> float | None:
        """Leading exponent of the mean field of the largest size that is there."""
        exponents = arrays["mean_field_exponent"][np.argsort(arrays["size"])]
        there = exponents[~np.isnan(exponents)]
        return float(there[-1]) if there.size else None

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """What the replicas of each size come to, and the numbers of every network."""
        names = [name for name in self.config.layout(1, 1) if not name.startswith(("mean_field_", "orbit_"))]
        values = {name: arrays[name] for name in ("bits", "replica", *names)}
        return {"sizes": self._sizes_table(arrays), "values": values_table(values, self.points)}

    def _sizes_table(self, arrays: Mapping[str, NDArray[Any]]) -> Table:
        scaling = self.scaling(arrays)
        values = ("deviation", "deviation_error", "distance", "distance_error")
        names = ("size", *values, "divergence_time", "divergence_error", "diverged")
        return Table(names, zip(*(getattr(scaling, name).tolist() for name in names), strict=True))

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """For several sizes, the laws in N; and a page for each size; as PNG and PDF."""
        from mfattn.figures.meanfield.finite_size import draw_pair, draw_scaling
        from mfattn.figures.style import render

        sizes = self.config.network.bits
        files: dict[str, bytes] = {}
        if len(sizes) > 1:
            files |= render(draw_scaling(self._laws(arrays), self._caption() + note))
        for row, bits in enumerate(sizes if len(sizes) <= MOST_PAGES else ()):
            if not np.isnan(arrays["mean_field_orbit_attention"][row]).any():
                page = draw_pair(self._pair(arrays, row), self._page_caption(arrays, row) + note)
                files |= render(page, f"_N{bits}" if len(sizes) > 1 else "")
        return files

    def _caption(self, **replaced: float) -> str:
        return f"{caption_of(self.config, **replaced)}, {self.config.network.replicas:,} networks"

    def _page_caption(self, arrays: Mapping[str, NDArray[Any]], row: int) -> str:
        from mfattn.figures.style import grouped

        replaced = {name: float(arrays[name][row]) for name in self.config.replaced}
        return f"{self._caption(**replaced)}, $N = {grouped(self.config.network.bits[row])}$"

    def _laws(self, arrays: Mapping[str, NDArray[Any]]) -> "Laws":
        """What the figure of the laws in N shows."""
        from mfattn.figures.meanfield.finite_size import Laws, Measured

        scaling, follow = self.scaling(arrays), self.config.follow
        deviation = Measured(scaling.deviation, scaling.deviation_error, scaling.deviation_law)
        distance = Measured(scaling.distance, scaling.distance_error, None)
        exponent = self._exponent(arrays)
        return Laws(
            size=scaling.size,
            curves=self._curves(arrays),
            powers={f"deviation after {follow.forget:,} steps": deviation, "distance of the densities": distance},
            times=Measured(scaling.divergence_time, scaling.divergence_error, scaling.divergence_law),
            diverged=scaling.diverged,
            threshold=follow.threshold,
            exponent=exponent if exponent is not None and exponent > ZERO else None,
        )

    def _rows(self, array: NDArray[Any], row: int) -> NDArray[Any]:
        """Rows of an array of networks that belong to a size."""
        replicas = self.config.network.replicas
        return array[row * replicas : (row + 1) * replicas]

    def _pair(self, arrays: Mapping[str, NDArray[Any]], row: int) -> "dict[str, Overlaid]":
        """Network and mean field of a size, by observable."""
        from mfattn.figures.meanfield.finite_size import Overlaid

        overlaid = {}
        for name in FOLLOWED:
            followed = self._rows(arrays[f"followed_{name}"], row)
            there = ~np.isnan(followed).any(axis=(1, 2))
            overlaid[name] = Overlaid(
                *bands(followed[there]),
                arrays[f"mean_field_followed_{name}"][row],
                arrays[f"orbit_{name}"][row],
                arrays[f"mean_field_orbit_{name}"][row],
            )
        return overlaid

    def _curves(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Root-mean-square deviation over the replicas of each size at the first steps beside the mean field."""
        curves = []
        for row in range(len(self.config.network.bits)):
            deviations = self._rows(arrays["first_deviations"], row)
            there = deviations[~np.isnan(deviations).any(axis=1)]
            curves.append(np.sqrt(np.square(there).mean(axis=0)) if len(there) else deviations[0])
        return np.array(curves)


def _only_check(advance: Advance) -> Advance:
    """Looks at the signals, and counts nothing: the progress counts the steps of the networks."""
    return lambda steps: advance(0)
