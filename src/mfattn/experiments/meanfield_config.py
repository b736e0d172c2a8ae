"""Config sections that the mean-field experiments share, and what they build: weights, starts, grids."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn import meanfield
from mfattn.meanfield import FIELDS, Context, Weights
from mfattn.meanfield.starts import RANDOM_PROMPTS, PromptSource
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.yaml_text import KeyPath

Item = TypeVar("Item")
Tuple = tuple[Item, ...]

Parameter = Literal["beta", "gamma", "epsilon"]
PARAMETERS: tuple[Parameter, ...] = get_args(Parameter)
SYMBOLS = {"beta": "β", "gamma": "γ", "epsilon": "ε"}

LARGEST_PARAMETER = 1e100
"""Bound on the size of inverse temperatures and their factors, whose products stay numbers."""

Temperature = Annotated[float, Field(ge=-LARGEST_PARAMETER, le=LARGEST_PARAMETER)]

LARGEST_SEED = 2**32 - 1
"""What NumPy's legacy generator takes."""


class DrawnWeights(Config):
    """Keys of every ensemble that is drawn at random."""

    template: int = Field(ge=1, le=1_000_000, description="Number N of columns of the drawn weights.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of the instance.")
    rng: Literal["modern", "legacy"] = Field(
        "modern", description="`legacy` reproduces the published instances; `modern` draws from a `SeedSequence`."
    )

    def draw(self) -> dict[str, Any]:
        """Arguments of the ensemble's function."""
        return self.model_dump(exclude={"ensemble"})


class RandomWeights(DrawnWeights):
    """Independent ±1 weights at finite N."""

    ensemble: Literal["random"] = Field(description="Independent ±1 weights.")


class SegmentedWeights(DrawnWeights):
    """Weights that are constant on equal segments of the template."""

    ensemble: Literal["segments"] = Field(description="Weights constant on equal segments of the template.")
    segments: int = Field(ge=1, description="Number of segments; divides `template`.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Segments that do not fit."""
        if self.template % self.segments:
            yield ("segments",), f"a divisor of template ({self.template}), found {self.segments}"


class GaussianWeights(DrawnWeights):
    """Normal correlations instead of weights."""

    ensemble: Literal["gaussian"] = Field(description="Normal correlations instead of weights; at most 3 features.")
    scale: float = Field(0.5, ge=0, description="Standard deviation of the correlations.")


class ProductWeights(DrawnWeights):
    """Factorising correlations instead of weights."""

    ensemble: Literal["product"] = Field(description="Correlations that factor into means; at most 3 features.")


class PatternLists(Config):
    """Pattern that each feature holds, for the four kinds of weights."""

    output: Tuple[int] = Field(min_length=1, description="Pattern of each feature in the output weights.")
    value: Tuple[int] = Field(min_length=1, description="The same for the value weights.")
    query: Tuple[int] = Field(min_length=1, description="The same for the query weights.")
    key: Tuple[int] = Field(min_length=1, description="The same for the key weights.")


class PositionWeights(Config):
    """Positional weights of ±1, a row of P for each feature."""

    output: Tuple[Tuple[int]] = Field(description="Rows of the positional output weights, one a feature.")
    value: Tuple[Tuple[int]] = Field(description="The same for the value weights.")
    query: Tuple[Tuple[int]] = Field(description="The same for the query weights.")
    key: Tuple[Tuple[int]] = Field(description="The same for the key weights.")


class AssignedWeights(Config):
    """Given patterns as weights, in the limit of infinite N."""

    ensemble: Literal["assigned"] = Field(description="Given patterns, N → ∞.")
    base_patterns: int = Field(ge=1, le=16, description="Number of independent ±1 patterns.")
    base_of: Tuple[int] | None = Field(
        None,
        min_length=1,
        description="Base pattern of which pattern k is a copy; without it, pattern k is base pattern k.",
    )
    patterns: PatternLists = Field(description="Pattern that each feature holds, by kind of weights, counted from 0.")
    position: PositionWeights = Field(description="Positional weights of ±1, by kind of weights.")
    convention: Literal["weights", "published"] = Field(
        "weights",
        description="What stands inside the tanh: the output weights, or what the published program computes.",
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Indices out of range and rows that are not ±1."""
        copies = range(self.base_patterns) if self.base_of is None else self.base_of
        for index in self.base_of or ():
            if not 0 <= index < self.base_patterns:
                yield ("base_of",), f"numbers from 0 to {self.base_patterns - 1}, found {index}"
        for name in FIELDS:
            for index in getattr(self.patterns, name):
                if not 0 <= index < len(copies):
                    yield ("patterns", name), f"numbers from 0 to {len(copies) - 1}, found {index}"
            for number, row in enumerate(getattr(self.position, name)):
                if not set(row) <= {-1, 1}:
                    yield ("position", name, number), f"entries -1 and 1, found {list(row)}"
        if self.convention == "published" and len(copies) != len(self.patterns.output):
            needed = len(self.patterns.output)
            yield ("convention",), f"'published' needs as many patterns as features ({needed}), found {len(copies)}"


AnyWeights = Annotated[
    SegmentedWeights | RandomWeights | GaussianWeights | ProductWeights | AssignedWeights,
    Field(discriminator="ensemble"),
]


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


class SweepConfig(Config):
    """A grid of evenly spaced values of one parameter."""

    parameter: Parameter = Field(description="The swept parameter.")
    start: float = Field(description="First value.")
    stop: float = Field(description="Last value.")
    num: int = Field(ge=1, le=10_000_000, description="Number of values.")
    gamma_per_beta: Temperature | None = Field(
        None, description="With `parameter: beta`: sweep γ too, as this multiple of β."
    )

    def values(self) -> NDArray[np.float64]:
        """start + (stop - start) i / (num - 1), not rounded beyond its ends; the start alone where num is 1."""
        values = self.start + (self.stop - self.start) * np.arange(self.num) / max(self.num - 1, 1)
        return np.clip(values, min(self.start, self.stop), max(self.start, self.stop))

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Values that the parameter does not allow."""
        largest = max(abs(self.start), abs(self.stop)) * max(abs(self.gamma_per_beta or 0.0), 1.0)
        if largest > LARGEST_PARAMETER:
            yield ("stop",), f"a range within ±{LARGEST_PARAMETER:g}, found {self.start:g} to {self.stop:g}"
        if self.parameter == "epsilon":
            for name in ("start", "stop"):
                if not 0 <= getattr(self, name) <= 1:
                    yield (name,), f"from 0 to 1 where epsilon is swept, found {getattr(self, name)}"
        if self.gamma_per_beta is not None and self.parameter != "beta":
            yield ("gamma_per_beta",), f"only with 'parameter: beta', found '{self.parameter}'"


class StepsConfig(Config):
    """Numbers of steps."""

    transient: int = Field(ge=0, le=10**12, description="Steps that are run and not recorded.")
    record: int = Field(ge=1, le=2**32 - 1, description="Steps recorded after them.")


class MeanFieldConfig(RunConfig):
    """What every mean-field experiment says."""

    model: ModelConfig = Field(description="The map.")
    start: StartConfig = Field(description="Where orbits start: exactly one of `prompt`, `pattern` and `context`.")
    steps: StepsConfig = Field(description="Numbers of steps a point.")

    @property
    def swept(self) -> SweepConfig | None:
        """The sweep, if there is one."""
        return getattr(self, "sweep", None)

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("model", *path), message) for path, message in self.model.mistakes())
        if self.swept is not None:
            yield from ((("sweep", *path), message) for path, message in self.swept.mistakes())
        yield from self._parameter_mistakes()
        yield from self._start_mistakes()

    def _parameter_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        for name in PARAMETERS:
            if getattr(self.model, name) is None and name not in swept_parameters(self.swept):
                yield ("model", name), "missing"
        if self.model.position_bits == 0:
            if "epsilon" in swept_parameters(self.swept):
                yield ("sweep", "parameter"), "beta or gamma where position_bits is 0, found 'epsilon'"
            elif self.model.epsilon:
                yield ("model", "epsilon"), f"0 where position_bits is 0, found {self.model.epsilon:g}"

    def _start_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        start, model = self.start, self.model
        given = [name for name in ("prompt", "pattern", "context") if getattr(start, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            yield ("start",), f"exactly one of prompt, pattern and context, found {found}"
            return
        assigned = isinstance(model.weights, AssignedWeights)
        if start.context is not None:
            yield from self._context_mistakes(start.context)
        elif start.prompt is not None and assigned:
            yield ("start", "prompt"), "not with the ensemble 'assigned', which has no tokens; use pattern or context"
        elif start.prompt is not None:
            rows = RANDOM_PROMPTS if start.prompt.source == "random" else model.features
            if start.prompt.row >= rows:
                yield ("start", "prompt", "row"), f"a whole number from 0 to {rows - 1}, found {start.prompt.row}"
        elif not isinstance(model.weights, AssignedWeights):
            yield ("start", "pattern"), f"only with the ensemble 'assigned', found '{model.weights.ensemble}'"
        elif start.pattern not in {index for name in FIELDS for index in getattr(model.weights.patterns, name)}:
            yield ("start", "pattern"), f"a pattern that some feature holds, found {start.pattern}"

    def _context_mistakes(self, context: ContextConfig) -> Iterator[tuple[KeyPath, str]]:
        length, features = 2**self.model.position_bits, self.model.features
        if context.newest_position >= length:
            place = ("start", "context", "newest_position")
            yield place, f"a whole number from 0 to {length - 1}, found {context.newest_position}"
        widths = [len(row) for row in context.attention]
        if widths != [features] * length:
            found = f"{len(widths)} of {sorted(set(widths))}"
            yield ("start", "context", "attention"), f"{length} vectors of {features} numbers (L, M), found {found}"


def swept_parameters(sweep: SweepConfig | None) -> set[str]:
    """Names of the parameters that a sweep sets."""
    if sweep is None:
        return set()
    return {sweep.parameter} | ({"gamma"} if sweep.gamma_per_beta is not None else set())


@dataclass(frozen=True, eq=False)
class Grid:
    """Parameters at every grid point."""

    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    epsilon: NDArray[np.float64]

    @classmethod
    def of(cls, model: ModelConfig, sweep: SweepConfig | None) -> "Grid":
        """The grid of a sweep, or the single point of the model."""
        number = 1 if sweep is None else sweep.num
        values: dict[str, NDArray[np.float64]] = {
            name: np.full(number, np.nan if getattr(model, name) is None else getattr(model, name))
            for name in PARAMETERS
        }
        if sweep is not None:
            values[sweep.parameter] = sweep.values()
            if sweep.gamma_per_beta is not None:
                values["gamma"] = sweep.gamma_per_beta * values["beta"]
        return cls(**values)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The swept values as arrays of a result."""
        return {"beta": self.beta, "gamma": self.gamma, "epsilon": self.epsilon}


def make_orbits(config: MeanFieldConfig, weights: Weights, grid: Grid, points: NDArray[np.int64]) -> meanfield.Orbits:
    """Orbits at some points of the grid, at their starts."""
    epsilon = grid.epsilon[points]
    starts = [config.start.context_of(weights, value) for value in epsilon]
    return meanfield.Orbits(
        weights,
        beta=grid.beta[points],
        gamma=grid.gamma[points],
        epsilon=epsilon,
        starts=starts,
        output_scale=config.model.output_scale,
    )


def describe_model(config: MeanFieldConfig) -> list[tuple[str, str]]:
    """Lines that tell a user the grid, the model and the steps."""
    model, sweep = config.model, config.swept
    fixed = [f"{SYMBOLS[name]}={getattr(model, name):g}" for name in PARAMETERS if name not in swept_parameters(sweep)]
    scale = [] if model.output_scale == 1 else [f"output_scale={model.output_scale:g}"]
    sizes = [f"M={model.features}", f"L={2**model.position_bits}", model.weights.ensemble]
    lines = [("model", " ".join([*sizes, *fixed, *scale]))]
    if sweep is not None:
        both = f", γ = {sweep.gamma_per_beta:g} β" if sweep.gamma_per_beta is not None else ""
        lines.append(("grid", f"{sweep.parameter} {sweep.start:g} .. {sweep.stop:g} in {sweep.num:,}{both}"))
    steps = config.steps
    lines.append(("steps", f"{steps.transient:,} transient + {steps.record:,} recorded a point"))
    return lines


def identity_of(config: MeanFieldConfig, sections: Mapping[str, Any]) -> dict[str, Any]:
    """What the numbers depend on: the model without what the sweep replaces, and the given sections."""
    model = config.model.model_dump(mode="json", exclude=swept_parameters(config.swept))
    return {"model": model, "start": config.start.model_dump(mode="json"), **sections}
