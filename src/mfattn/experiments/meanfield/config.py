"""Config sections that the mean-field experiments share, and what they build: weights, starts, grids."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn import meanfield
from mfattn.experiments.meanfield.weights_config import (
    LARGEST_SEED,
    MOST_WEIGHTS,
    AnyWeights,
    AssignedWeights,
    DrawnWeights,
    GaussianWeights,
    ProductWeights,
    SegmentedWeights,
    Tuple,
)
from mfattn.meanfield import FIELDS, Context, Weights
from mfattn.meanfield.lyapunov import EVERY
from mfattn.meanfield.starts import RANDOM_PROMPTS, PromptSource
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.yaml_text import KeyPath

Parameter = Literal["beta", "gamma", "epsilon"]
PARAMETERS: tuple[Parameter, ...] = get_args(Parameter)
SYMBOLS = {"beta": "β", "gamma": "γ", "epsilon": "ε"}

LARGEST_PARAMETER = 1e100
"""Bound on the size of inverse temperatures and their factors, whose products stay numbers."""

LARGEST_TRANSIENT, LARGEST_RECORD = 10**12, 2**32 - 1

MOST_POINTS = 10_000_000
"""Bound on the grid points of a run."""

SHORTEST_LIMIT = 1000
"""Steps below which nothing can be said to have settled."""

Temperature = Annotated[float, Field(ge=-LARGEST_PARAMETER, le=LARGEST_PARAMETER)]


class ModelConfig(Config):
    """The map: sizes, parameters and weights."""

    features: int = Field(ge=1, le=64, description="Number M of features.")
    position_bits: int = Field(ge=0, le=12, description="Number P of positional bits; the context holds 2^P tokens.")
    beta: Temperature | None = Field(None, description="Output inverse temperature β; not needed where it is swept.")
    gamma: Temperature | None = Field(
        None, description="Attention inverse temperature γ; not needed where it is swept."
    )
    epsilon: float | None = Field(
        None, ge=0, le=1, description="Share ε of the position in every mean field; not needed where it is swept."
    )
    output_scale: Temperature = Field(1.0, description="Factor of β.")
    weights: AnyWeights = Field(description="The weights, by ensemble.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Weights that do not fit the sizes."""
        weights = self.weights
        yield from ((("weights", *path), message) for path, message in weights.mistakes())
        if isinstance(weights, GaussianWeights | ProductWeights) and self.features > 3:
            yield ("features",), f"at most 3 with the ensemble '{weights.ensemble}', found {self.features}"
        if isinstance(weights, SegmentedWeights) and weights.rng == "legacy" and self.position_bits > weights.template:
            yield ("position_bits",), f"at most template ({weights.template}), found {self.position_bits}"
        if isinstance(weights, DrawnWeights) and self.features * weights.template > MOST_WEIGHTS:
            allowed = f"at most {MOST_WEIGHTS // self.features:,} with {self.features} features"
            yield ("weights", "template"), f"{allowed}, found {weights.template:,}"
        if isinstance(weights, AssignedWeights):
            yield from self._assigned_mistakes(weights)

    def _assigned_mistakes(self, weights: AssignedWeights) -> Iterator[tuple[KeyPath, str]]:
        for name in FIELDS:
            listed = len(getattr(weights.patterns, name))
            if listed != self.features:
                yield ("weights", "patterns", name), f"a list of {self.features}, one a feature, found {listed}"
            shape = tuple(len(row) for row in getattr(weights.position, name))
            if shape != (self.position_bits,) * self.features:
                expected = f"{self.features} rows of {self.position_bits}"
                yield ("weights", "position", name), f"{expected}, found rows of {list(shape)}"

    def build(self) -> Weights:
        """The weights."""
        weights = self.weights
        if isinstance(weights, AssignedWeights):
            position = [np.reshape(getattr(weights.position, f), (self.features, self.position_bits)) for f in FIELDS]
            patterns = {name: getattr(weights.patterns, name) for name in FIELDS}
            base_of, convention = weights.base_of, weights.convention
            return meanfield.assigned_weights(
                weights.base_patterns, patterns, np.array(position), base_of=base_of, convention=convention
            )
        ensembles: dict[str, Callable[..., Weights]] = {
            "segments": meanfield.segmented_weights,
            "random": meanfield.random_weights,
            "gaussian": meanfield.gaussian_weights,
            "product": meanfield.product_weights,
        }
        return ensembles[weights.ensemble](self.features, self.position_bits, **weights.draw())


class PromptConfig(Config):
    """A prompt token."""

    source: PromptSource = Field(
        alias="from", description="Kind of weights whose row is the prompt, or `random` for one of ten fixed tokens."
    )
    row: int = Field(ge=0, description="Row, counted from 0.")


class ContextConfig(Config):
    """A full context."""

    newest_position: int = Field(ge=0, description="Position of the newest token, 0 to L - 1.")
    attention: Tuple[Tuple[float]] = Field(description="L attention vectors of M numbers, newest first.")


class StartConfig(Config):
    """Where orbits start: exactly one of the three."""

    prompt: PromptConfig | None = Field(None, description="Start from a prompt token.")
    pattern: int | None = Field(None, ge=0, description="Start from a pattern of the ensemble `assigned`.")
    context: ContextConfig | None = Field(None, description="Start from a full context.")

    def context_of(self, weights: Weights, epsilon: float) -> Context:
        """The start at one parameter point."""
        if self.context is not None:
            return Context(np.array(self.context.attention, dtype=np.float64), self.context.newest_position)
        if self.pattern is not None:
            return meanfield.context_from_pattern(weights, self.pattern)
        assert self.prompt is not None
        token = meanfield.prompt_token(weights, self.prompt.source, self.prompt.row)
        return meanfield.context_from_token(weights, token, epsilon)


class RandomStartsConfig(Config):
    """Random contexts, every component uniform between -1 and 1."""

    number: int = Field(ge=1, le=100_000, description="Number of random starts at every point.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of the starts.")

    def contexts(self, weights: Weights, point: int) -> list[Context]:
        """The starts at a grid point, whose stream depends on nothing but the seed and the point."""
        generator = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(point,)))
        length = weights.context_length
        windows = generator.uniform(-1.0, 1.0, (self.number, length, weights.features))
        return [Context(window, length - 1) for window in windows]


class SweepConfig(Config):
    """A grid of values of one parameter: evenly spaced ones, or a list."""

    parameter: Parameter = Field(description="The swept parameter.")
    start: float | None = Field(None, description="First of evenly spaced values.")
    stop: float | None = Field(None, description="Last of them.")
    num: int | None = Field(None, ge=1, le=MOST_POINTS, description="Their number.")
    values: Tuple[float] | None = Field(
        None, min_length=1, description="The values themselves, in place of start, stop and num."
    )
    gamma_per_beta: Temperature | None = Field(
        None, description="With `parameter: beta`: sweep γ too, as this multiple of β."
    )

    @property
    def grid(self) -> NDArray[np.float64]:
        """The list, or start + (stop - start) i / (num - 1), not rounded beyond its ends; the start where num is 1."""
        if self.values is not None:
            return np.array(self.values)
        assert self.start is not None and self.stop is not None and self.num is not None
        values = self.start + (self.stop - self.start) * np.arange(self.num) / max(self.num - 1, 1)
        return np.clip(values, min(self.start, self.stop), max(self.start, self.stop))

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.values) if self.values is not None else self.num or 0

    @property
    def ends(self) -> tuple[float, float]:
        """First and last value, or the least and largest of a list."""
        if self.values is not None:
            return min(self.values), max(self.values)
        assert self.start is not None and self.stop is not None
        return self.start, self.stop

    @property
    def parameters(self) -> set[str]:
        """Names of the parameters that it sets."""
        return {self.parameter} | ({"gamma"} if self.gamma_per_beta is not None else set())

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Keys that do not go together, and values that the parameter does not allow."""
        spaced = [name for name in ("start", "stop", "num") if getattr(self, name) is not None]
        if self.values is not None and spaced:
            yield ("values",), f"either values or start, stop and num, found values and {' and '.join(spaced)}"
            return
        if self.values is None and len(spaced) < 3:
            for name in ("start", "stop", "num"):
                if name not in spaced:
                    yield (name,), "missing"
            return
        first, last = self.ends
        largest = max(abs(first), abs(last)) * max(abs(self.gamma_per_beta or 0.0), 1.0)
        key = "stop" if self.values is None else "values"
        if largest > LARGEST_PARAMETER:
            yield (key,), f"a range within ±{LARGEST_PARAMETER:g}, found {first:g} to {last:g}"
        if self.parameter == "epsilon":
            for name, end in zip(
                ("start", "stop") if self.values is None else ("values",) * 2, (first, last), strict=True
            ):
                if not 0 <= end <= 1:
                    yield (name,), f"from 0 to 1 where epsilon is swept, found {end}"
        if self.gamma_per_beta is not None and self.parameter != "beta":
            yield ("gamma_per_beta",), f"only with 'parameter: beta', found '{self.parameter}'"


def spaced_mistakes(key: str, sweep: SweepConfig) -> Iterator[tuple[KeyPath, str]]:
    """A mistake where the values are a list and a figure needs them evenly spaced."""
    if sweep.values is not None:
        yield (*key.split("."), "values"), "not here: start, stop and num give the evenly spaced values of the figure"


class StepsConfig(Config):
    """Numbers of steps."""

    transient: int = Field(ge=0, le=LARGEST_TRANSIENT, description="Steps that are run and not recorded.")
    record: int = Field(ge=1, le=LARGEST_RECORD, description="Steps recorded after them.")


class SettlingStepsConfig(Config):
    """Numbers of steps, where the transient may be as long as each point needs."""

    transient: Annotated[int, Field(ge=0, le=LARGEST_TRANSIENT)] | Literal["auto"] = Field(
        description="Steps that are run and not recorded; with `auto`, each point runs until it settles."
    )
    limit: int | None = Field(
        None, ge=1, le=LARGEST_TRANSIENT, description="Most transient steps of a point with `auto`."
    )
    record: int = Field(ge=1, le=LARGEST_RECORD, description="Steps recorded after them.")

    @property
    def longest(self) -> int:
        """Transient steps of a point, at most."""
        return self.transient if isinstance(self.transient, int) else self.limit or 0

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """A limit without `auto`, or the other way round."""
        if self.transient == "auto" and self.limit is None:
            yield ("limit",), "missing; needed with 'transient: auto'"
        if self.transient != "auto" and self.limit is not None:
            yield ("limit",), f"only with 'transient: auto', found {self.limit}"


class LyapunovConfig(Config):
    """Lyapunov exponents, and the regimes that they tell."""

    exponents: int = Field(3, ge=1, le=4096, description="Number of leading exponents, 1 to M L.")
    every: int = Field(
        EVERY, ge=1, le=100, description="Steps between re-orthonormalisations; less where a point needs it."
    )


class MeanFieldConfig(RunConfig):
    """What every mean-field experiment says."""

    model: ModelConfig = Field(description="The map.")

    @property
    def sweeps(self) -> tuple[tuple[str, SweepConfig], ...]:
        """The sweeps and their keys, that of the slowest index first."""
        sweep = getattr(self, "sweep", None)
        return () if sweep is None else (("sweep", sweep),)

    @property
    def replaced(self) -> set[str]:
        """Parameters of the model that are set elsewhere: those of the sweeps."""
        return set().union(*(sweep.parameters for _, sweep in self.sweeps))

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("model", *path), message) for path, message in self.model.mistakes())
        yield from self._sweep_mistakes()
        yield from self._parameter_mistakes()
        yield from self._lyapunov_mistakes()
        yield from self._steps_mistakes()

    def _sweep_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        for key, sweep in self.sweeps:
            yield from (((*key.split("."), *path), message) for path, message in sweep.mistakes())
        points = math.prod(sweep.count for _, sweep in self.sweeps)
        if points > MOST_POINTS:
            key, _ = self.sweeps[-1]
            yield (*key.split("."), "num"), f"a grid of at most {MOST_POINTS:,} points, found {points:,}"

    def _parameter_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        swept = self.replaced
        for name in PARAMETERS:
            if getattr(self.model, name) is None and name not in swept:
                yield ("model", name), "missing"
        if self.model.position_bits == 0:
            for key, sweep in self.sweeps:
                if sweep.parameter == "epsilon":
                    yield (*key.split("."), "parameter"), "beta or gamma where position_bits is 0, found 'epsilon'"
            if "epsilon" not in swept and self.model.epsilon:
                yield ("model", "epsilon"), f"0 where position_bits is 0, found {self.model.epsilon:g}"

    def _lyapunov_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        lyapunov = getattr(self, "lyapunov", None)
        dimension = self.model.features * 2**self.model.position_bits
        if lyapunov is not None and lyapunov.exponents > dimension:
            place = ("lyapunov", "exponents")
            yield place, f"a whole number from 1 to {dimension} (M L), found {lyapunov.exponents}"

    def _steps_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        steps = getattr(self, "steps", None)
        if isinstance(steps, SettlingStepsConfig):
            yield from ((("steps", *path), message) for path, message in steps.mistakes())
            least = SHORTEST_LIMIT + 2**self.model.position_bits
            if steps.limit is not None and steps.limit < least:
                yield (
                    ("steps", "limit"),
                    f"at least {least:,} (1,000 and the window's length), found {steps.limit}",
                )


class StartedConfig(MeanFieldConfig):
    """What an experiment says whose orbits start alike at every point."""

    start: StartConfig = Field(description="Where orbits start: exactly one of `prompt`, `pattern` and `context`.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from start_mistakes(("start",), self.start, self.model)


def start_mistakes(path: KeyPath, start: StartConfig, model: ModelConfig) -> Iterator[tuple[KeyPath, str]]:
    """Why the start at PATH is not one of the model."""
    given = [name for name in ("prompt", "pattern", "context") if getattr(start, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield path, f"exactly one of prompt, pattern and context, found {found}"
        return
    assigned = isinstance(model.weights, AssignedWeights)
    if start.context is not None:
        yield from ((((*path, "context", *inner), text) for inner, text in _context_mistakes(start.context, model)))
    elif start.prompt is not None and assigned:
        yield (*path, "prompt"), "not with the ensemble 'assigned', which has no tokens; use pattern or context"
    elif start.prompt is not None:
        rows = RANDOM_PROMPTS if start.prompt.source == "random" else model.features
        if start.prompt.row >= rows:
            yield (*path, "prompt", "row"), f"a whole number from 0 to {rows - 1}, found {start.prompt.row}"
    elif not isinstance(model.weights, AssignedWeights):
        yield (*path, "pattern"), f"only with the ensemble 'assigned', found '{model.weights.ensemble}'"
    elif start.pattern not in {index for name in FIELDS for index in getattr(model.weights.patterns, name)}:
        yield (*path, "pattern"), f"a pattern that some feature holds, found {start.pattern}"


def _context_mistakes(context: ContextConfig, model: ModelConfig) -> Iterator[tuple[KeyPath, str]]:
    length, features = 2**model.position_bits, model.features
    if context.newest_position >= length:
        yield ("newest_position",), f"a whole number from 0 to {length - 1}, found {context.newest_position}"
    widths = [len(row) for row in context.attention]
    if widths != [features] * length:
        found = f"{len(widths)} of {sorted(set(widths))}"
        yield ("attention",), f"{length} vectors of {features} numbers (L, M), found {found}"


@dataclass(frozen=True, eq=False)
class Grid:
    """Parameters at every grid point; with several sweeps, the last one's index runs fastest."""

    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    epsilon: NDArray[np.float64]

    @classmethod
    def of(cls, config: MeanFieldConfig) -> "Grid":
        """The product of a config's sweeps, or the single point of its model."""
        axes = np.meshgrid(*(sweep.grid for _, sweep in config.sweeps), indexing="ij")
        number = axes[0].size if axes else 1
        values: dict[str, NDArray[np.float64]] = {
            name: np.full(number, np.nan if getattr(config.model, name) is None else getattr(config.model, name))
            for name in PARAMETERS
        }
        for (_, sweep), axis in zip(config.sweeps, axes, strict=True):
            values[sweep.parameter] = axis.ravel()
            if sweep.gamma_per_beta is not None:
                values["gamma"] = sweep.gamma_per_beta * axis.ravel()
        return cls(**values)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The swept values as arrays of a result."""
        return {"beta": self.beta, "gamma": self.gamma, "epsilon": self.epsilon}


def make_orbits(
    config: MeanFieldConfig, weights: Weights, grid: Grid, points: NDArray[np.int64], starts: list[Context]
) -> meanfield.Orbits:
    """Orbits at some points of the grid, one from each start."""
    return meanfield.Orbits(
        weights,
        beta=grid.beta[points],
        gamma=grid.gamma[points],
        epsilon=grid.epsilon[points],
        starts=starts,
        output_scale=config.model.output_scale,
    )


def describe_model(config: MeanFieldConfig) -> list[tuple[str, str]]:
    """Lines that tell a user the model and the grid."""
    model, swept = config.model, config.replaced
    fixed = [f"{SYMBOLS[name]}={getattr(model, name):g}" for name in PARAMETERS if name not in swept]
    scale = [] if model.output_scale == 1 else [f"output_scale={model.output_scale:g}"]
    sizes = [f"M={model.features}", f"L={2**model.position_bits}", model.weights.ensemble]
    lines = [("model", " ".join([*sizes, *fixed, *scale]))]
    for _, sweep in config.sweeps:
        first, last = sweep.ends
        both = f", γ = {sweep.gamma_per_beta:g} β" if sweep.gamma_per_beta is not None else ""
        lines.append(("grid", f"{sweep.parameter} {first:g} .. {last:g} in {sweep.count:,}{both}"))
    return lines


def caption_of(config: MeanFieldConfig, **values: float) -> str:
    """Sizes and parameters for a figure: those that no sweep sets, and given VALUES of those that one does."""
    swept = config.replaced - set(values)
    fixed = {name: values.get(name, getattr(config.model, name)) for name in PARAMETERS if name not in swept}
    parts = [f"$M = {config.model.features}$", f"$L = {2**config.model.position_bits}$"]
    parts += [rf"$\{name} = {value:g}$" for name, value in fixed.items()]
    parts += [rf"$\gamma = {s.gamma_per_beta:g}\,\beta$" for _, s in config.sweeps if s.gamma_per_beta is not None]
    return ", ".join(parts)


def identity_of(config: MeanFieldConfig, sections: tuple[str, ...]) -> dict[str, Any]:
    """What the numbers depend on: the model without what the sweeps replace, and the named sections."""
    whole = config.model_dump(mode="json")
    model = config.model.model_dump(mode="json", exclude=config.replaced)
    return {"experiment": config.experiment, "model": model} | {name: whole[name] for name in sections}
