"""Attention by the weights of sparse distributed memories: how far they are from softmax, and what that costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.sdm.transformer_temperature import mean_over
from mfattn.figures.style import BLUE, ORANGE, VERMILION, house_style

LOOKS = {
    "softmax": ("own softmax", "0.5", "x"),
    "unit_softmax": ("softmax of unit vectors", ORANGE, "s"),
    "balls": ("intersections of balls", BLUE, "o"),
    "caps": ("intersections of caps", VERMILION, "^"),
}
"""Name, colour and marker of each weighting."""


def draw_substitution(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """Distances of the weights over the temperature of a head and over the layer, and what they change.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `effective_beta` (texts, layers, heads); `total_variation` and `empty` (texts,
        weightings, layers, heads); `loss` (texts,); `substituted_loss` and `word_divergence` (texts, weightings,
        readings); `weighting` (weightings,).
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(13.2, 3.9), layout="constrained")
        by_beta, by_layer, empty, words = figure.subplots(1, 4)
        _draw_heads(by_beta, arrays)
        _draw_layers(by_layer, arrays, "total_variation", "total variation, mean of the heads")
        _draw_layers(empty, arrays, "empty", "share of queries that read nothing")
        _draw_words(words, arrays)
        by_beta.set_title(caption, loc="left")
        handles = [*by_layer.get_legend_handles_labels()[0], *_fills()]
        figure.legend(handles=handles, ncols=len(handles), loc="outside upper left")
        return figure


def _fills() -> list[Line2D]:
    """What filled and open markers are, where both are drawn."""
    fills = {"change of the loss": "0.3", "divergence of the next words": "white"}
    return [
        Line2D([], [], color="0.3", marker="o", linestyle="", markersize=4, markerfacecolor=fill, label=label)
        for label, fill in fills.items()
    ]


def _rows(arrays: Mapping[str, NDArray[Any]]) -> list[tuple[int, str, str, str]]:
    """Number, name, colour and marker of each weighting."""
    return [(number, *LOOKS[str(name)]) for number, name in enumerate(arrays["weighting"])]


def _draw_heads(axes: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Total variation of every head on every text."""
    betas = arrays["effective_beta"].ravel()
    for number, label, colour, marker in _rows(arrays):
        values = arrays["total_variation"][:, number].ravel()
        axes.plot(betas, values, marker, color=colour, markersize=2.5, label=label, rasterized=betas.size > 5000)
    axes.set(xlabel=r"$\beta$ = mean $|q||k|$ $\times$ scale of a head", ylabel="total variation from its softmax")
    axes.set_ylim(-0.02, 1.02)


def _draw_layers(axes: Axes, arrays: Mapping[str, NDArray[Any]], name: str, label: str) -> None:
    """Mean over texts and heads, for each layer."""
    for number, word, colour, marker in _rows(arrays):
        values = mean_over(arrays[name][:, number], (0, 2))
        x = np.arange(1, len(values) + 1)
        axes.plot(x, values, marker=marker, color=colour, markersize=3.5, linewidth=1.1, label=word)
    axes.set(xlabel="layer", ylabel=label, ylim=(-0.02, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_words(axes: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Change of the loss: for each text where all layers are replaced together, else for each layer."""
    changes = arrays["substituted_loss"] - arrays["loss"][:, np.newaxis, np.newaxis]
    together = changes.shape[2] == 1
    for number, _, colour, marker in _rows(arrays):
        values = changes[:, number, 0] if together else mean_over(changes[:, number], 0)
        divergence = arrays["word_divergence"][:, number]
        spent = divergence[:, 0] if together else mean_over(divergence, 0)
        x = np.arange(1, len(values) + 1)
        line = "" if together else "-"
        axes.plot(x, values, marker=marker, linestyle=line, color=colour, markersize=4, linewidth=1.1)
        axes.plot(x, spent, marker=marker, linestyle=line or "", color=colour, markersize=4, markerfacecolor="white")
    axes.axhline(0.0, color="0.6", linewidth=0.6, zorder=0)
    axes.set(xlabel="text" if together else "replaced layer", ylabel="nats a token")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
