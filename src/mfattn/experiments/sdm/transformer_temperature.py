"""Inverse temperatures of the attention heads of a language model, beside those of sparse distributed memories."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.sdm.lines_config import LinesConfig
from mfattn.experiments.sdm.models_config import REAL, WHOLE, LanguageModelConfig, LanguageModelExperiment
from mfattn.pipeline.config import Config
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.transformers import Head, equivalent_radius, head_statistics
from mfattn.sdm.transformers.heads import STATISTICS, WEIGHT_BINS, largest_logits, weight_edges

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DISTRIBUTIONS = (
    "largest_logit",
    "largest_logit_without_sink",
    "logit_excess",
    "effective_beta",
    "effective_beta_without_sink",
    "query_norm",
    "key_norm",
    "value_norm",
    "cosine",
    "cosine_without_sink",
)
"""Arrays with the five statistics of each head."""

NUMBERS = (
    "published_beta",
    "published_beta_without_sink",
    "logit_slope",
    "sink_key_norm",
    "sink_value_norm",
    "sink_weight",
    "entropy",
    "value_norm_correlation",
)
"""Arrays with a number of each head."""

RADII = ("published_radius", "equivalent_radius")

PAIR_SECONDS = 3e-7
"""Of the statistics of a query and a key of a head."""


class TransformerFigureConfig(Config):
    """What the figure shows."""

    bins: int = Field(40, ge=1, le=1000, description="Bins of the histogram.")


class TransformerTemperatureConfig(LanguageModelConfig):
    """Inverse temperatures of the attention heads of a language model."""

    experiment: Literal["transformer_temperature"] = Field(description="This kind of run.")
    positions: Literal["last", "all"] = Field(
        "all", description="Queries that are looked at: of the last token, as published, or of all."
    )
    lines: LinesConfig = Field(LinesConfig(), description="Radii whose inverse temperatures are drawn as lines.")
    figure: TransformerFigureConfig = Field(
        TransformerFigureConfig(), description="What the figure shows; changes no number."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Lines that there are not, beside a model or texts that are not there."""
        yield from ((("lines", *path), message) for path, message in self.lines.mistakes())
        yield from super().mistakes()

    def heads_layout(self) -> dict[str, ArrayLayout]:
        """What is found of each head."""
        heads = (self.shape.layers, self.shape.heads)
        return {
            **{name: ArrayLayout(heads, REAL) for name in NUMBERS},
            **{name: ArrayLayout(heads, WHOLE) for name in RADII},
            **{name: ArrayLayout((*heads, len(STATISTICS)), REAL) for name in DISTRIBUTIONS},
            "pairs_by_weight": ArrayLayout((*heads, WEIGHT_BINS), WHOLE),
            "value_norm_by_weight": ArrayLayout((*heads, WEIGHT_BINS), REAL),
        }


class TransformerTemperature(LanguageModelExperiment[TransformerTemperatureConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a text."""

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of reading a text twice, and of the statistics of its pairs."""
        tokens = self.usual_tokens
        pairs = tokens if self.config.positions == "last" else tokens**2
        return 2 * self.reading_seconds + PAIR_SECONDS * self.shape.layers * self.shape.heads * pairs

    def describe(self) -> list[tuple[str, str]]:
        """The model, the texts and the queries."""
        queries = {"last": "of the last token of each text", "all": "of all tokens"}[self.config.positions]
        return [*super().describe(), ("queries", queries)]

    def look(self, layer: int, heads: list[Head], found: Arrays) -> None:
        """All that is found of the heads of a layer."""
        for number, head in enumerate(heads):
            for name, values in self._of_head(head).items():
                found[name][layer, number] = values

    def _of_head(self, head: Head) -> Mapping[str, Any]:
        """What is found of a head: of the last query as published, and of the queries that the config asks for."""
        last = head.last()
        published = float(largest_logits(last, last.visible)[0])
        others = largest_logits(last, last.without_sink)
        return {
            **head_statistics(last if self.config.positions == "last" else head),
            "published_beta": published,
            "published_beta_without_sink": others[0] if others.size else np.nan,
            "published_radius": equivalent_radius(head.dimension, published),
        }

    def constants(self) -> Arrays:
        """The lines, the names of the statistics, and the edges of the bins of attention weights."""
        return {**self.config.lines.arrays(), "statistic": np.array(STATISTICS), "weight_edge": weight_edges()}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Temperatures over all texts and heads, and where they lie between the lines."""
        rows = [("loss", f"{np.nanmean(arrays['loss']):.4g} nats a token")] if np.isfinite(arrays["loss"]).any() else []
        for name, values in (
            ("largest logit of the last token", arrays["published_beta"]),
            ("mean |q||k| times scale", arrays["effective_beta"][..., 0]),
        ):
            some = values[np.isfinite(values)]
            if some.size:
                shares = [f"{np.mean(some < beta):.1%} below {beta:.4g}" for beta in np.sort(arrays["line_beta"])]
                centre = f"mean {some.mean():.4g}, median {np.median(some):.4g}, {some.min():.4g} to {some.max():.4g}"
                rows.append((name, f"{centre}; {', '.join(shares)}"))
        return rows

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for each text, layer and head; and one for each text."""
        numbers = {name: arrays[name] for name in (*NUMBERS, *RADII)}
        statistics = {
            f"{name}_{statistic.replace(' ', '_')}": arrays[name][..., column]
            for name in DISTRIBUTIONS
            for column, statistic in enumerate(STATISTICS)
        }
        columns = numbers | statistics
        places = np.indices(arrays["published_beta"].shape).reshape(3, -1)
        rows = zip(*places.tolist(), *(column.ravel().tolist() for column in columns.values()), strict=True)
        return {"heads": Table(["text", "layer", "head", *columns], rows), **super().tables(arrays)}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Temperatures by layer and head, and lengths of values over attention weights."""
        from mfattn.figures.sdm.transformer_temperature import draw_temperatures

        config = self.config
        queries = {"last": "last query of each text", "all": "all queries"}[config.positions]
        caption = f"{self.model_name}, {self.points:,} texts, {queries}; lines: $n = {config.lines.bits}${note}"
        return draw_temperatures(arrays, config.figure.bins, caption)
