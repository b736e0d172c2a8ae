"""Maps of the number of minima of the action over the examples per width and the temperature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from mfattn.figures.style import house_style, scientific

MISSING = "#DDDDDD"
MOST_TICKS, MOST_NUMBERS = 12, 150
"""Ticks of an axis, and cells up to which numbers are written into them."""


def draw_minima(arrays: Mapping[str, NDArray[Any]], shape: tuple[int, int], threshold: float, caption: str) -> Figure:
    """Share of instances with several minima, share that infinite width leads astray, and the gap of the minima.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment, of cells in which the temperature changes fastest.
    shape : (int, int)
        Numbers of examples, and of temperatures.
    threshold : float
        Examples per width at which features of all paths are as many as examples; it is marked.
    caption : str
    """
    ratios = arrays["examples_per_width"].reshape(shape)[:, 0]
    temperatures = arrays["temperature"].reshape(shape)[0]
    columns, rows = np.argsort(ratios), np.argsort(temperatures)
    several = np.fmax.reduce(arrays["share_with_several"])
    shares = Normalize(0, several if several > 0 else 1)
    place = float(np.interp(threshold, ratios[columns], np.arange(len(ratios)), left=np.nan, right=np.nan))
    with house_style():
        figure = Figure(figsize=(11.6, 3.3), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        for panel, name, norm, title in (
            (panels[0], "share_with_several", shares, "several minima: share of instances"),
            (panels[1], "share_misled", shares, r"start at $N = \infty$ ends in a worse minimum: share"),
            (panels[2], "mean_gap", _log_norm(arrays["mean_gap"]), r"mean gap of $2S$ between the two least minima"),
        ):
            _draw_cells(figure, panel, arrays[name].reshape(shape)[np.ix_(columns, rows)].T, norm)
            panel.set_title(title, loc="left")
            panel.set_xlabel(r"examples per width $P/N$")
            panel.set_xticks(*_ticks([f"{ratio:.4g}" for ratio in ratios[columns]]))
            panel.plot(place, 1, "v", transform=panel.get_xaxis_transform(), color="black", clip_on=False, markersize=5)
        panels[0].set_yticks(*_ticks([f"${scientific(temperature)}$" for temperature in temperatures[rows]]))
        panels[0].set_ylabel("temperature $T$")
        marked = rf"{caption}; $\blacktriangledown$ as many features $D \Pi$ as examples"
        figure.suptitle(marked, x=0.01, ha="left", fontsize=9)
        return figure


def _draw_cells(figure: Figure, panel: Axes, values: NDArray[np.float64], norm: Normalize) -> None:
    """Cells in colours, with their numbers where they are few; grey where there is none."""
    colours = colormaps["Blues"]
    image = panel.imshow(
        np.ma.masked_invalid(values), norm=norm, cmap=colours, origin="lower", aspect="auto", interpolation="nearest"
    )
    panel.set_facecolor(MISSING)
    is_share = not isinstance(norm, LogNorm)
    figure.colorbar(image, ax=panel, pad=0.02, format=PercentFormatter(1, decimals=0) if is_share else None)
    if values.size > MOST_NUMBERS:
        return
    for row, column in np.argwhere(np.nan_to_num(values) > 0):
        value = values[row, column]
        text = f"{100 * value:.2g}" if is_share else f"{value:.2g}" if value < 100 else f"{value:.0f}"
        colour = "white" if norm(value) > 0.5 else "black"
        panel.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)


def _log_norm(values: NDArray[np.float64]) -> LogNorm:
    """A logarithmic scale of the positive values."""
    positive = values[values > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 10.0)
    return LogNorm(low, high if high > low else 10 * low)


def _ticks(labels: list[str]) -> tuple[list[int], list[str]]:
    """Places of cells and their labels, some left out where there are many."""
    kept = range(0, len(labels), -(-len(labels) // MOST_TICKS))
    return list(kept), [labels[place] for place in kept]
