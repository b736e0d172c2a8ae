"""The claim that attention approximates a memory: its weights beside the softmax that is fitted to them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import special

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.sdm.config import Fraction, Radius
from mfattn.experiments.sdm.softmax_temperature import MATCH_SECONDS, CapMatch, FittedBits, cap_radius
from mfattn.experiments.sections import one_of
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.checks import Array, Integers
from mfattn.sdm.geometry import fraction_for_radius, hamming_to_cosine, radius_for_fraction
from mfattn.sdm.temperatures import (
    Density,
    Estimator,
    compare,
    default_distances,
    fit_beta,
    least_radius,
    log_weights,
    r_squared,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Space = Literal["binary", "cap"]
SPACES: tuple[Space, ...] = get_args(Space)

REAL, WHOLE = np.dtype(np.float64), np.dtype(np.int64)
DIAGNOSTICS = ("total_variation", "divergence", "agreement", "r_squared")

POINT_SECONDS, BIT_SECONDS, PAIR_SECONDS = 1e-2, 5e-6, 1e-8
"""Of a point, for each bit, and for each pair of distances."""


class ComparisonFigureConfig(Config):
    """What the figure shows."""

    scale: Literal["linear", "log"] = Field("log", description="Scale of the weights.")
    spaces: Tuple[Space] = Field(SPACES, min_length=1, max_length=2, description="Weights that are drawn.")
    distance: int | None = Field(
        None, ge=1, description="Largest distance that is drawn; without it, 2d + 5, or where linear weights end."
    )


class SoftmaxComparisonConfig(RunConfig):
    """Weights of memories beside softmax attention."""

    experiment: Literal["softmax_comparison"] = Field(description="This kind of run.")
    bits: Tuple[FittedBits] = Field(min_length=1, max_length=12, description="Numbers n of bits.")
    radii: Tuple[Radius] | None = Field(
        None, min_length=1, max_length=12, description="Radii d, for one number of bits; or fractions."
    )
    fractions: Tuple[Fraction] | None = Field(
        None,
        min_length=1,
        max_length=12,
        description="Shares p of the space: the radius is the smallest whose ball holds as much; or radii.",
    )
    caps: CapMatch = Field("radius", description="Caps at the angle of the radius, or of the same share of the space.")
    estimator: Estimator = Field("ols", description="How the softmax is fitted, to balls and to caps.")
    density: Density = Field(
        "flat", description="Keys that are compared: as many at every distance, or as of random addresses."
    )
    keys: int = Field(2, ge=1, le=10**6, description="Number of keys among which the largest weight is sought.")
    samples: int = Field(
        1024, ge=2, le=10_001, description="Distances whose weights are kept, evenly spread from 0 to n."
    )
    figure: ComparisonFigureConfig = Field(ComparisonFigureConfig(), description="What the figure shows.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Not one list, and balls that do not fit or cannot be fitted."""
        if message := one_of(self, "radii", "fractions"):
            yield ("fractions",), message
            return
        if self.radii is not None and len(self.bits) > 1:
            yield ("radii",), f"fractions with {len(self.bits)} numbers of bits"
        for key in ("bits", "radii"):
            numbers = getattr(self, key) or ()
            if len(set(numbers)) != len(numbers):
                yield (key,), f"different numbers, found {', '.join(map(str, numbers))}"
        least = max(least_radius(self.estimator, space) for space in SPACES)
        key = "radii" if self.radii is not None else "fractions"
        for n, (column, wanted) in product(self.bits, enumerate(self.radii or self.fractions or ())):
            radius = self.radius(n, wanted)
            most = n - (self.caps == "fraction")
            if not least <= radius <= most:
                yield (key, column), f"a radius from {least} to {most:,} at n = {n:,}, found {radius:,}"

    def radius(self, n: int, wanted: float) -> int:
        """The radius that a number of the list stands for."""
        return int(wanted) if self.radii is not None else radius_for_fraction(n, wanted)

    @property
    def balls(self) -> list[tuple[int, int]]:
        """Bits and radius of every point."""
        return [(n, self.radius(n, wanted)) for n, wanted in product(self.bits, self.radii or self.fractions or ())]


class SoftmaxComparison(PointwiseExperiment[SoftmaxComparisonConfig]):
    """The experiment, a point a ball; see `mfattn.pipeline.experiment.Experiment`. Bits change slowest."""

    @cached_property
    def balls(self) -> list[tuple[int, int]]:
        """Bits and radius of every point."""
        return self.config.balls

    @property
    def points(self) -> int:
        """Number of balls."""
        return len(self.config.bits) * len(self.config.radii or self.config.fractions or ())

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of both spaces at one ball."""
        bits = float(np.mean(self.config.bits))
        match = MATCH_SECONDS if self.config.caps == "fraction" else 0.0
        return match + POINT_SECONDS + bits * BIT_SECONDS + float(np.mean(np.square(self.config.bits))) * PAIR_SECONDS

    def describe(self) -> list[tuple[str, str]]:
        """The balls and the fit."""
        config = self.config
        balls = "; ".join(
            f"n = {n:,}, d = {', '.join(str(d) for bits, d in self.balls if bits == n)}" for n in config.bits
        )
        return [("balls", balls), ("fit", f"{config.estimator}, caps of the same {config.caps}")]

    @property
    def _samples(self) -> int:
        """Distances that are kept of the largest n."""
        return min(self.config.samples, max(self.config.bits) + 1)

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Weights over the distance, fits, and how far weights and softmax differ."""
        number, curve = ArrayLayout((), REAL), ArrayLayout((self._samples,), REAL)
        layout = {"distance": ArrayLayout((self._samples,), WHOLE), "cap_radius": number}
        for space in SPACES:
            layout |= {f"log_weight_{space}": curve, f"log_softmax_{space}": curve}
            layout |= {f"beta_{space}": number, f"fitted_r_squared_{space}": number}
            layout |= {f"{name}_{space}{near}": number for name in DIAGNOSTICS for near in ("", "_near")}
        return layout

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """One ball, and the cap that stands for it."""
        n, d = self.balls[point]
        cap = cap_radius(n, d, self.config.caps)
        shown = np.unique(np.linspace(0, n, self.config.samples).astype(np.int64))
        arrays: dict[str, Any] = {"distance": self._padded(shown, -1), "cap_radius": cap}
        return arrays | self._space("binary", n, d, d, shown) | self._space("cap", n, d, cap, shown)

    def _padded(self, values: NDArray[Any], missing: float) -> NDArray[Any]:
        """Values at the kept distances, and MISSING after them where n is not the largest."""
        return np.pad(values, (0, self._samples - len(values)), constant_values=missing)

    def _space(self, space: Space, n: int, d: int, radius: float, shown: Integers) -> dict[str, Any]:
        """Weights, softmax and their differences in one space."""
        config = self.config
        distances = default_distances(n, d, config.estimator)
        fit = fit_beta(n, radius, kind=space, estimator=config.estimator, distances=distances)
        logs, line = log_weights(n, radius, kind=space), fit.bias + fit.beta * hamming_to_cosine(n, np.arange(n + 1))
        arrays: dict[str, Any] = {
            f"log_weight_{space}": self._padded(_normalised(logs)[shown], np.nan),
            f"log_softmax_{space}": self._padded(_normalised(line)[shown], np.nan),
            f"beta_{space}": fit.beta,
            f"fitted_r_squared_{space}": fit.r_squared,
        }
        for near, reach in (("", n), ("_near", d)):
            reached = np.arange(reach + 1)
            found = compare(
                n, radius, fit.beta, kind=space, distances=reached, density=config.density, keys=config.keys
            )
            arrays |= {f"{name}_{space}{near}": getattr(found, name) for name in DIAGNOSTICS[:3]}
            arrays[f"r_squared_{space}{near}"] = r_squared(logs[reached], line[reached])
        return arrays

    def constants(self) -> Arrays:
        """Bits, radii and shares of the space of the balls."""
        bits, radii = np.array(self.balls).T
        fractions = np.array([float(fraction_for_radius(n, d)) for n, d in self.balls])
        return {"bits": bits, "radius": radii, "fraction": fractions}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """What each number of bits comes to."""
        found = []
        for n in self.config.bits:
            rows = np.flatnonzero((arrays["bits"] == n) & np.isfinite(arrays["beta_binary"]))
            if not rows.size:
                continue
            found.append((f"n = {n:,}", f"d = {', '.join(str(d) for d in arrays['radius'][rows])}"))
            for space in SPACES:
                words = {"beta": f"beta_{space}", "R²": f"fitted_r_squared_{space}"}
                words |= {"total variation": f"total_variation_{space}", "dv <= d": f"total_variation_{space}_near"}
                texts = (
                    f"{word} {', '.join(f'{value:.3g}' for value in arrays[name][rows])}"
                    for word, name in words.items()
                )
                found.append((space, "; ".join(texts)))
        return found

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """Weights of every ball, and what they come to over the share of the space; as PNG and PDF."""
        from mfattn.figures.sdm.softmax_comparison import draw_summary
        from mfattn.figures.style import render

        config = self.config
        densities = {"flat": "as many keys at every distance", "binomial": "keys at random addresses"}
        space = config.figure.spaces[0]
        caption = f"{self._caption([space])}, {densities[config.density]}, {config.keys:,} keys{note}"
        return super().draw(arrays, note) | render(draw_summary(arrays, space, caption), "_summary")

    def _caption(self, spaces: Sequence[Space]) -> str:
        """Parameters of the fits."""
        from mfattn.figures.sdm.softmax_temperature import ESTIMATORS

        name, _ = ESTIMATORS[self.config.estimator]
        return f"softmax by {name}" + (f", caps of the same {self.config.caps}" if "cap" in spaces else "")

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Weights of every ball over the distance."""
        from mfattn.figures.sdm.softmax_comparison import draw_comparison

        figure = self.config.figure
        caption = self._caption(figure.spaces) + note
        return draw_comparison(arrays, figure.spaces, figure.distance, figure.scale == "log", caption)


def _normalised(logs: Array) -> Array:
    """Logarithms of weights that sum to one."""
    return np.asarray(logs - special.logsumexp(logs))
