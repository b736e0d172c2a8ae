"""Times of solvers over the width, and how near they come to the minimum."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.paths.labels import width_axis
from mfattn.figures.style import BLUE, GREEN, VERMILION, house_style

STYLES = {
    "adam": (VERMILION, "o", "Adam, as published"),
    "reduced": (GREEN, "^", "Riemannian Newton"),
    "noncentred": (BLUE, "s", "L-BFGS and Newton"),
}
"""Colour, marker and name of each solver, in the order of the legend."""

PANELS = {
    "seconds": "seconds of the processor",
    "gradient": r"largest entry of $\partial (2S/N) / \partial U$",
    "difference": "relative difference of $U$",
}


def draw_times(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """Seconds of every solver, the gradient where it stops, and the difference between their order parameters.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `width`, and numbers of every solver at every width.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(11.2, 3.9), layout="constrained")
        columns = figure.subplots(1, len(PANELS))
        for axes, (name, label) in zip(columns, PANELS.items(), strict=True):
            _draw_solvers(axes, arrays, name)
            axes.set_ylabel(label)
        _draw_ratios(columns[0], arrays)
        columns[0].set_title(caption, loc="left")
        columns[0].legend(loc="best")
        columns[-1].set_title("from $U$ by L-BFGS and Newton", loc="left")
        return figure


def _draw_solvers(axes: Axes, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
    """A line for each solver, with hollow markers where it does not converge."""
    anything = False
    for solver, (colour, marker, label) in STYLES.items():
        values = arrays.get(f"{solver}_{name}")
        if values is None:
            continue
        heights = np.where(values > 0, values, np.nan)
        axes.plot(arrays["width"], heights, color=colour, marker=marker, markersize=4, linewidth=1.1, label=label)
        if solver == "adam":
            stuck = arrays["adam_converged"] == 0
            axes.plot(arrays["width"][stuck], heights[stuck], color="white", marker=marker, markersize=2, linestyle="")
        anything |= bool(np.isfinite(heights).any())
    if anything:
        axes.set_yscale("log")
    width_axis(axes, np.asarray(arrays["width"], dtype=float))


def _draw_ratios(axes: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """How many times as fast as Adam the quickest solver is, above its times."""
    ratios = arrays["adam_seconds"] / arrays["noncentred_seconds"]
    for width, seconds, ratio in zip(arrays["width"], arrays["noncentred_seconds"], ratios, strict=True):
        if np.isfinite(ratio):
            axes.annotate(
                f"{ratio:.0f}×",
                (width, seconds),
                xytext=(0, -13),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                color=BLUE,
            )
    axes.margins(y=0.15)
