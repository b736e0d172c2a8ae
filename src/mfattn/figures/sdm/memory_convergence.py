"""How near to its pattern a memory brings a perturbed query."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.style import CYCLE, house_style, scientific

Band = Literal["deviation", "quantiles", "error"]
BANDS = {"deviation": "standard deviation", "quantiles": "5 to 95 %", "error": "two standard errors"}
COLUMNS = 3


def draw_convergence(
    arrays: Mapping[str, NDArray[Any]], families: Sequence[str], length: int, band: Band, caption: str
) -> Figure:
    """A panel for every family: mean cosine of the final states over the perturbation, with bands.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `flips` (F,), `radius` and `beta` (L,), `mean_cosine`, `cosine_deviation`,
        `cosine_error`, `low_cosine` and `high_cosine` (L, F).
    families : sequence of str
        Family of each of the L memories; those of one family follow each other.
    length : int
        Bits n of a pattern.
    band : {'deviation', 'quantiles', 'error'}
    caption : str
    """
    names = list(dict.fromkeys(families))
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    radii = np.unique(arrays["radius"][arrays["radius"] >= 0])
    shades = dict(zip(radii.tolist(), colormaps["viridis"](np.linspace(0, 0.88, len(radii))), strict=True))
    with house_style():
        figure = Figure(figsize=(3.9 * columns + 1.2, 3.1 * rows + 0.4), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for panel, name in zip(panels, names, strict=False):
            lines = [line for line, family in enumerate(families) if family == name]
            _draw_family(panel, arrays, lines, shades, band)
            panel.plot(arrays["flips"], 1 - 2 * arrays["flips"] / length, "k.", markersize=3)
            panel.set_title(name, loc="left")
        for panel in panels[len(names) :]:
            panel.axis("off")
        handles = [Line2D([], [], color=shade, marker="o", markersize=2.5) for shade in shades.values()]
        handles.append(Line2D([], [], color="black", marker=".", linestyle="none", markersize=3))
        figure.legend(handles, [*(f"$d = {radius}$" for radius in shades), "the query"], loc="outside right upper")
        figure.supxlabel(rf"flipped bits $k$ (bands: {BANDS[band]})", fontsize=10)
        figure.supylabel("cosine of the final state and the pattern", fontsize=10)
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        return figure


def _draw_family(
    axes: Axes, arrays: Mapping[str, NDArray[Any]], lines: Sequence[int], shades: Mapping[int, Any], band: Band
) -> None:
    others = iter(CYCLE * len(lines))
    for line in lines:
        radius, beta = int(arrays["radius"][line]), float(arrays["beta"][line])
        colour = shades[radius] if radius in shades else next(others)
        low, high = _band(arrays, line, band)
        label = rf"$\beta = {scientific(beta, 3)}$" if np.isfinite(beta) else None
        axes.fill_between(arrays["flips"], low, high, color=colour, alpha=0.15, linewidth=0)
        mean = arrays["mean_cosine"][line]
        axes.plot(arrays["flips"], mean, color=colour, linewidth=1.1, marker="o", markersize=2.5, label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6.5, loc="best", labelspacing=0.2)


def _band(arrays: Mapping[str, NDArray[Any]], line: int, band: Band) -> tuple[NDArray[Any], NDArray[Any]]:
    if band == "quantiles":
        return arrays["low_cosine"][line], arrays["high_cosine"][line]
    mean = arrays["mean_cosine"][line]
    half = arrays["cosine_deviation"][line] if band == "deviation" else 2 * arrays["cosine_error"][line]
    return mean - half, np.minimum(mean + half, 1.0)
