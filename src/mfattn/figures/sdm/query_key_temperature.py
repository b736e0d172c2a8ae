"""Histogram of learnt scales between the inverse temperatures of some radii."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mfattn.figures.sdm.transformer_temperature import LINE_COLOURS, draw_lines
from mfattn.figures.style import BLUE, house_style


def draw_scales(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """The histogram, with the published summary above it.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `histogram` (1, bins) and `bin_edge` (1, bins + 1); `henry` (number, mean, standard
        deviation, minimum, median, maximum); `line_radius`, `line_beta` and `line_beta_published` (lines,).
    caption : str
    """
    counts, edges = np.maximum(arrays["histogram"][0], 0), arrays["bin_edge"][0]
    drawn = counts.sum() > 0
    with house_style():
        figure = Figure(figsize=(7.2, 4.2 if drawn else 2.4), layout="constrained")
        if drawn:
            summary, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[1, 5])
            histogram.stairs(counts, edges, fill=True, color=BLUE, alpha=0.8)
            draw_lines(histogram.axvline, arrays)
            histogram.set(ylabel="scales")
            summary.tick_params(labelbottom=False)
        else:
            summary = histogram = figure.subplots()
        _draw_summary(summary, arrays["henry"])
        draw_lines(summary.axvline, arrays)
        histogram.set_xlabel(r"inverse temperature $\beta$ of normalised queries and keys")
        found = [*arrays["line_beta"], *arrays["line_beta_published"], *arrays["henry"][[3, 5]]]
        found += edges[[0, -1]].tolist() if drawn else []
        margin = 0.04 * (max(found) - min(found))
        summary.set_xlim(min(found) - margin, max(found) + margin)
        summary.set_title(caption, loc="left")
        figure.legend(handles=_keys(arrays), ncols=2, loc="outside lower left")
        return figure


def _draw_summary(axes: Axes, henry: NDArray[np.float64]) -> None:
    """Range, mean with standard deviation, and median, on one height."""
    _, mean, deviation, least, median, most = henry
    axes.hlines(0.0, least, most, color="0.35", linewidth=1.0)
    axes.plot([least, most], [0.0, 0.0], "|", color="0.35", markersize=8)
    axes.barh(0.0, 2 * deviation, left=mean - deviation, height=0.5, color="0.8", edgecolor="0.35", linewidth=0.7)
    axes.plot([mean], [0.0], "o", color="black", markersize=4, zorder=3)
    axes.plot([median], [0.0], "x", color="black", markersize=5, zorder=3)
    axes.set(ylim=(-0.6, 0.6), yticks=[])


def _keys(arrays: Mapping[str, NDArray[Any]]) -> list[Any]:
    """What the lines and the summary are."""
    rows = zip(arrays["line_radius"], arrays["line_beta"], arrays["line_beta_published"], LINE_COLOURS, strict=False)
    lines = [
        Line2D(
            [], [], color=colour, label=rf"$d = {radius}$: $\beta = {beta:.4g}$ (dashed: {published:.4g} as published)"
        )
        for radius, beta, published, colour in rows
    ]
    count = int(arrays["henry"][0])
    return [
        *lines,
        Patch(facecolor="0.8", edgecolor="0.35", label=f"Henry et al. 2020, {count} scales: range, mean ± deviation"),
        Line2D([], [], color="black", marker="o", linestyle="", markersize=4, label="their mean"),
        Line2D([], [], color="black", marker="x", linestyle="", markersize=5, label="their median"),
    ]
