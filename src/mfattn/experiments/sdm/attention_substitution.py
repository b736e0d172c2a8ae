"""Language models whose attention is replaced by the weights of a sparse distributed memory: what that changes."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.sdm.models_config import REAL, WHOLE, LanguageModelConfig, LanguageModelExperiment
from mfattn.pipeline.config import Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.messages import counted
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.transformers import Head, LanguageModel, Replacement, compare_weights
from mfattn.sdm.transformers.files import Tokens
from mfattn.sdm.transformers.heads import SMALLEST_DIMENSION
from mfattn.sdm.transformers.models import mean_divergence, mean_loss
from mfattn.sdm.transformers.substitution import WEIGHTINGS, Weighting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_WEIGHTS = ("total_variation", "divergence", "agreement", "empty")
"""How the weights of each head differ, as `mfattn.sdm.transformers.Comparison` says."""

OF_WORDS = ("substituted_loss", "word_divergence", "word_agreement")
"""How the words that come next differ."""

PAIR_SECONDS = 1.2e-7
"""Of the weights of a query and a key of a head."""


class AttentionSubstitutionConfig(LanguageModelConfig):
    """Language models with the attention of sparse distributed memories."""

    experiment: Literal["attention_substitution"] = Field(description="This kind of run.")
    weightings: Annotated[Tuple[Weighting], Field(min_length=1, max_length=len(WEIGHTINGS))] = Field(
        WEIGHTINGS,
        description="What takes the place of the softmax: itself; that of unit vectors at the mean inverse "
        "temperature of the head; intersections of balls; those of caps.",
    )
    radius: int | None = Field(
        None, ge=1, le=100_000, description="Radius d of all heads; without it, each has that of its temperature."
    )
    layers: Literal["together", "one_by_one"] = Field(
        "together", description="Layers that are replaced in one reading of a text: all, or each by itself."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What is there twice, beside a model or texts that are not there."""
        if len(set(self.weightings)) != len(self.weightings):
            yield ("weightings",), f"different words, found {', '.join(self.weightings)}"
        yield from super().mistakes()

    def misfits(self) -> Iterator[tuple[KeyPath, str]]:
        """Heads for which there are no balls."""
        dimension = self.shape.dimension
        if dimension < SMALLEST_DIMENSION:
            least = f"heads of at least {SMALLEST_DIMENSION} dimensions"
            yield ("model",), f"{least}, found {dimension}"
        elif self.radius is not None and self.radius > dimension:
            yield ("radius",), f"at most the dimension of a head ({dimension:,}), found {self.radius:,}"
        yield from super().misfits()

    @property
    def passes(self) -> int:
        """Readings of a text with other weights."""
        return 1 if self.layers == "together" else self.shape.layers

    def heads_layout(self) -> dict[str, ArrayLayout]:
        """The temperature of each head, and what each weighting changes for the heads and for the next words."""
        kinds = len(self.weightings)
        heads = (self.shape.layers, self.shape.heads)
        return {
            "effective_beta": ArrayLayout(heads, REAL),
            "radius": ArrayLayout((kinds, *heads), WHOLE),
            **{name: ArrayLayout((kinds, *heads), REAL) for name in OF_WEIGHTS},
            **{name: ArrayLayout((kinds, self.passes), REAL) for name in OF_WORDS},
        }


class AttentionSubstitution(LanguageModelExperiment[AttentionSubstitutionConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a text."""

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of reading a text with all weightings."""
        kinds, passes = len(self.config.weightings), self.config.passes
        pairs = self.shape.layers * self.shape.heads * self.usual_tokens**2
        return (2 + kinds * passes) * self.reading_seconds + PAIR_SECONDS * pairs * (1 + 2 * kinds)

    def describe(self) -> list[tuple[str, str]]:
        """The model, the texts and the weightings."""
        config = self.config
        radius = "of its temperature" if config.radius is None else f"d = {config.radius}"
        layers = {"together": "all layers together", "one_by_one": "one layer after the other"}[config.layers]
        return [*super().describe(), ("weights", f"{', '.join(config.weightings)}, radius {radius}, {layers}")]

    def constants(self) -> Arrays:
        """Names of the weightings."""
        return {"weighting": np.array(self.config.weightings)}

    def look(self, layer: int, heads: list[Head], found: Arrays) -> None:
        """The temperatures of the heads of a layer, and how far all weightings are from their softmax."""
        for number, head in enumerate(heads):
            found["effective_beta"][layer, number] = head.mean_beta
            for kind, weighting in enumerate(self.config.weightings):
                replacement = Replacement.of_head(weighting, head, self.config.radius)
                comparison = compare_weights(head, replacement.log_weights(head))
                found["radius"][kind, layer, number] = replacement.radius
                for name in OF_WEIGHTS:
                    found[name][kind, layer, number] = getattr(comparison, name)

    def read_otherwise(self, model: LanguageModel, tokens: Tokens, usual: NDArray[np.float64], found: Arrays) -> None:
        """The words that come next with every weighting in all layers, or in each."""
        for kind, number in np.ndindex(len(self.config.weightings), self.config.passes):
            only = number if self.config.layers == "one_by_one" else None
            other = model.log_probabilities(tokens, partial(self._attend, kind, only, found))
            found["substituted_loss"][kind, number] = mean_loss(other, tokens)
            found["word_divergence"][kind, number] = mean_divergence(usual, other)
            found["word_agreement"][kind, number] = np.mean(usual.argmax(axis=1) == other.argmax(axis=1))

    def _attend(
        self, kind: int, only: int | None, found: Arrays, layer: int, heads: list[Head]
    ) -> NDArray[np.float64] | None:
        """Weights of a layer by the temperatures and radii that were found in it; None if another is to be replaced."""
        if only not in (None, layer):
            return None
        numbers = zip(found["effective_beta"][layer].tolist(), found["radius"][kind, layer].tolist(), strict=True)
        replacements = [Replacement(self.config.weightings[kind], beta, radius) for beta, radius in numbers]
        return np.exp([own.log_weights(head) for own, head in zip(replacements, heads, strict=True)])

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """The loss, and by how much each weighting changes it and the weights."""
        tokens = arrays["tokens"].clip(min=0)
        if not np.isfinite(arrays["loss"]).any():
            return []
        rows = [("loss", f"{_weighted_mean(arrays['loss'], tokens):.5g} nats a token")]
        for kind, weighting in enumerate(self.config.weightings):
            increase = (arrays["substituted_loss"][:, kind] - arrays["loss"][:, np.newaxis]).max(axis=1)
            values = [
                f"loss {_weighted_mean(increase, tokens):+.4g}" + (" at most" if self.config.passes > 1 else ""),
                f"divergence of the next words {np.nanmean(arrays['word_divergence'][:, kind]):.4g} nats",
                f"total variation of the weights {np.nanmean(arrays['total_variation'][:, kind]):.4g}",
                f"{np.nanmean(arrays['empty'][:, kind]):.1%} of the reads empty",
            ]
            rows.append((weighting, ", ".join(values)))
        return rows

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for each text, weighting and replacement; and one for each text, weighting and head."""
        names = arrays["weighting"].tolist()
        texts = len(arrays["loss"])
        words = [
            [text, names[kind], number, arrays["loss"][text], *(arrays[name][text, kind, number] for name in OF_WORDS)]
            for text, kind, number in np.ndindex(texts, len(names), self.config.passes)
        ]
        heads = [
            [text, names[kind], layer, head, arrays["effective_beta"][text, layer, head]]
            + [arrays[name][text, kind, layer, head] for name in ("radius", *OF_WEIGHTS)]
            for text, kind, layer, head in np.ndindex(*arrays["radius"].shape)
        ]
        replaced = "layer" if self.config.layers == "one_by_one" else "pass"
        return {
            "words": Table(["text", "weighting", replaced, "loss", *OF_WORDS], words),
            "heads": Table(["text", "weighting", "layer", "head", "effective_beta", "radius", *OF_WEIGHTS], heads),
        }

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Distances of the weights over the temperature and the layer, and the change of the loss."""
        from mfattn.figures.sdm.attention_substitution import draw_substitution

        config = self.config
        radius = "radius of each head from its $\\beta$" if config.radius is None else f"$d = {config.radius}$"
        return draw_substitution(arrays, f"{self.model_name}, {counted(self.points, 'text')}, {radius}{note}")


def _weighted_mean(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    """Mean of the values that there are; NaN of none."""
    some = np.isfinite(values)
    return float(np.average(values[some], weights=weights[some])) if some.any() else np.nan
