"""Inverse temperatures of attention heads, by layer and head, beside those of sparse distributed memories."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, house_style

Array = NDArray[np.float64]

LINE_COLOURS = (SKY, GREEN, PURPLE, ORANGE, VERMILION, BLUE, "0.2", "0.4", "0.6", "0.8")
"""Colours of the radii."""

MEAN = 0
"""Place of the mean among the statistics of a head."""


def mean_over(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Mean of what is there along axes; NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0))


def draw_temperatures(arrays: Mapping[str, NDArray[Any]], bins: int, caption: str) -> Figure:
    """Temperatures over the layers, their histogram and map, and the lengths of values over attention weights.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `published_beta` (texts, layers, heads), `effective_beta` (texts, layers, heads,
        statistics), `equivalent_radius` (texts, layers, heads), `pairs_by_weight` and `value_norm_by_weight` (texts,
        layers, heads, bins), `weight_edge` (bins + 1,), `line_radius`, `line_beta` and `line_beta_published` (lines,).
    bins : int
        Of the histogram.
    caption : str
    """
    published, effective = arrays["published_beta"], arrays["effective_beta"][..., MEAN]
    with house_style():
        figure = Figure(figsize=(13.2, 7.2), layout="constrained")
        panels = figure.subplots(2, 3)
        draw_layers(panels[0, 0], published, arrays, r"largest logit $\max_j s_{Tj}$ of the last token")
        draw_layers(panels[0, 1], effective, arrays, r"mean $|q||k|$ $\times$ scale")
        draw_histogram(panels[0, 2], {"largest logit": published, r"mean $|q||k|$": effective}, bins, arrays)
        draw_map(figure, panels[1, 0], mean_over(effective, 0), r"$\beta$ = mean $|q||k|$ $\times$ scale")
        radii = np.where(arrays["equivalent_radius"] >= 0, arrays["equivalent_radius"], np.nan)
        draw_map(figure, panels[1, 1], mean_over(radii, 0), "mean equivalent radius $d$ (grey: none)")
        draw_values(figure, panels[1, 2], arrays)
        panels[0, 0].set_title(caption, loc="left")
        figure.legend(handles=_keys(arrays), ncols=4, loc="outside upper left")
        return figure


def draw_layers(axes: Axes, betas: Array, arrays: Mapping[str, NDArray[Any]], label: str) -> None:
    """Every head of every text, and the mean, median and maximum over the heads of each layer."""
    texts, layers, heads = betas.shape
    number = np.arange(1, layers + 1)
    spread = np.linspace(-0.25, 0.25, heads) if heads > 1 else np.zeros(1)
    x = np.broadcast_to(number[np.newaxis, :, np.newaxis] + spread, betas.shape)
    axes.plot(x.ravel(), betas.ravel(), ".", color="0.75", markersize=2, rasterized=texts * layers * heads > 5000)
    merged = np.moveaxis(betas, 0, 1).reshape(layers, -1)
    rows = [row[np.isfinite(row)] for row in merged]
    for colour, marker, statistic in ((VERMILION, "^", np.max), (BLUE, "o", np.mean), (ORANGE, "s", np.median)):
        values = [float(statistic(row)) if row.size else np.nan for row in rows]
        axes.plot(number, values, marker=marker, color=colour, markersize=3.5, linewidth=1.1)
    draw_lines(axes.axhline, arrays)
    _limit_beta(axes.set_ylim, betas, arrays)
    axes.set(xlabel="layer", ylabel=label, xlim=(0.5, layers + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_lines(line: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """A line at the inverse temperature of each radius: solid by least squares, dashed as published."""
    for beta, published, colour in zip(arrays["line_beta"], arrays["line_beta_published"], LINE_COLOURS, strict=False):
        line(beta, color=colour, linewidth=0.9)
        line(published, color=colour, linewidth=0.9, linestyle=(0, (4, 2)))


def _limit_beta(limit: Any, betas: Array, arrays: Mapping[str, NDArray[Any]]) -> None:
    """An axis that shows all betas and all lines, from 0 on if none is below."""
    found = [*betas[np.isfinite(betas)], *arrays["line_beta_published"]]
    limit(min(0.0, 1.1 * float(min(found))), 1.05 * float(max(found)))


def _keys(arrays: Mapping[str, NDArray[Any]]) -> list[Line2D]:
    """What symbols and lines mean."""
    statistics = (("largest of the heads", VERMILION, "^"), ("mean", BLUE, "o"), ("median", ORANGE, "s"))
    keys = [
        Line2D([], [], color=colour, marker=marker, markersize=3.5, label=label) for label, colour, marker in statistics
    ]
    keys.append(Line2D([], [], color="0.75", marker=".", linestyle="", label="a head on a text"))
    rows = zip(arrays["line_radius"], arrays["line_beta"], arrays["line_beta_published"], LINE_COLOURS, strict=False)
    for radius, beta, published, colour in rows:
        label = rf"$d = {radius}$: $\beta = {beta:.4g}$ (dashed: {published:.4g} as published)"
        keys.append(Line2D([], [], color=colour, label=label))
    return keys


def draw_histogram(axes: Axes, kinds: Mapping[str, Array], bins: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Numbers of heads, over all texts, by their inverse temperature."""
    finite = {label: values[np.isfinite(values)] for label, values in kinds.items()}
    everything = np.concatenate([*finite.values(), arrays["line_beta_published"], [0.0]])
    edges = np.linspace(everything.min(), everything.max() * 1.02, bins + 1).tolist()
    for (label, values), colour in zip(finite.items(), (BLUE, VERMILION), strict=False):
        axes.hist(values, edges, histtype="stepfilled", color=colour, alpha=0.35, label=label)
        axes.hist(values, edges, histtype="step", color=colour, linewidth=0.9)
    draw_lines(axes.axvline, arrays)
    axes.set(xlabel=r"inverse temperature $\beta$ of a head on a text", ylabel="heads", xlim=(edges[0], edges[-1]))
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none")


def draw_map(figure: Figure, axes: Axes, values: Array, label: str) -> None:
    """A number of every head, layer by layer."""
    colours = colormaps["viridis"].with_extremes(bad="0.85")
    layers, heads = values.shape
    shown = np.ma.masked_invalid(values)
    if shown.count():
        edges = (0.5, layers + 0.5, 0.5, heads + 0.5)
        image = axes.imshow(shown.T, origin="lower", aspect="auto", extent=edges, cmap=colours, interpolation="nearest")
        figure.colorbar(image, ax=axes, label=label)
    else:
        axes.text(0.5, 0.5, "no head has one", ha="center", va="center", transform=axes.transAxes, color="0.4")
        axes.set_title(label, loc="left")
    axes.set(xlabel="layer", ylabel="head", xlim=(0.5, layers + 0.5), ylim=(0.5, heads + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def draw_values(figure: Figure, axes: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Mean length of the values over the weights with which they are attended to, for each layer."""
    counts = np.maximum(arrays["pairs_by_weight"], 0)
    norms = np.where(counts > 0, np.nan_to_num(arrays["value_norm_by_weight"]), 0.0)
    edges = arrays["weight_edge"]
    middles = np.sqrt(edges[1:] * edges[:-1])
    total = counts.sum(axis=(0, 2))
    sums = (counts * norms).sum(axis=(0, 2))
    means = np.divide(sums, total, out=np.full(sums.shape, np.nan), where=sums > 0)
    axes.set(xscale="log", yscale="log", xlabel="attention weight $a$", ylabel=r"length of the value $|v|$")
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(means)))
    for row, colour in zip(means, colours, strict=True):
        axes.plot(middles, row, color=colour, linewidth=1.0, marker=".", markersize=3)
        axes.plot(middles, row * middles, color=colour, linewidth=0.9, linestyle=":")
    axes.set_xlim(edges[0], 1.0)
    found = means[np.isfinite(means)]
    if found.size:
        axes.set_ylim(float(found.min()) * 1e-4, float(found.max()) * 5)
    handles = [
        Line2D([], [], color="0.3", marker=".", markersize=3, label="mean $|v|$"),
        Line2D([], [], color="0.3", linestyle=":", label="$a$ times mean $|v|$"),
    ]
    axes.legend(handles=handles, loc="center left")
    scale = colormaps["viridis"].resampled(max(len(means), 2))
    figure.colorbar(ScalarMappable(Normalize(0.5, len(means) + 0.5), scale), ax=axes, label="layer")
