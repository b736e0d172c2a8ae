"""Networks narrower than they have paths: theory beside the exact posterior, over the width."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.paths.labels import width_axis
from mfattn.figures.style import BLUE, CYCLE, VERMILION, house_style

DISTANCES = {
    "order_parameter": ("o", "order parameter $U$"),
    "predictor": ("s", "mean of predictions"),
    "variance": ("D", "variance of predictions"),
}
"""Marker and name of every distance."""

MOST_SPECTRA = 6
"""Widths whose eigenvalues are drawn."""


def draw_narrow(arrays: Mapping[str, NDArray[Any]], paths: int, samplers: tuple[str, str], caption: str) -> Figure:
    """Distances of theory, accuracies, effective sizes of the samplers, and eigenvalues of the order parameter.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment, by widths.
    paths : int
        Number of paths, below which widths are shaded.
    samplers : (str, str)
        Names of the sampler, and of the second one.
    caption : str
    """
    order = np.argsort(arrays["width"])
    sorted_arrays = {name: values[order] for name, values in arrays.items() if len(values) == len(order)}
    with house_style():
        figure = Figure(figsize=(10.4, 6.6), layout="constrained")
        panels = figure.subplots(2, 2).ravel()
        _draw_distances(panels[0], sorted_arrays)
        _draw_accuracies(panels[1], sorted_arrays)
        _draw_sizes(panels[2], sorted_arrays, samplers)
        for panel in panels[:3]:
            width_axis(panel, sorted_arrays["width"])
            panel.axvspan(panel.get_xlim()[0], paths, color="0.93", zorder=0)
            panel.axvline(paths, color="0.5", linewidth=0.8, linestyle="--")
        panels[0].text(paths, 1.01, r"$N = \Pi$", transform=panels[0].get_xaxis_transform(), ha="center", va="bottom")
        _draw_spectra(panels[3], sorted_arrays)
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
        return figure


def _draw_distances(panel: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Relative distances, with a band of the noise of sampling."""
    widths = arrays["width"]
    for (name, (marker, label)), colour in zip(DISTANCES.items(), CYCLE, strict=False):
        distance, noise = arrays[f"{name}_deviation"], arrays[f"{name}_noise"]
        shown = np.where(distance > 0, distance, np.nan)
        panel.plot(widths, shown, marker + "-", color=colour, markersize=4.5, linewidth=1.1, label=label)
        panel.fill_between(
            widths,
            np.maximum(distance - noise, 1e-3 * distance),
            distance + noise,
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
    panel.set(yscale="log", ylabel="relative distance of theory")
    drawn = np.concatenate([arrays[f"{name}_deviation"] for name in DISTANCES])
    smallest = float(drawn[drawn > 0].min(initial=1.0))
    panel.set_ylim(bottom=0.3 * smallest)
    panel.legend(loc="lower left")


def _draw_accuracies(panel: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Accuracies of theory, of the posterior and of infinite width."""
    widths = arrays["width"]
    panel.plot(widths, arrays["accuracy"], "o-", color=BLUE, markersize=4.5, linewidth=1.1, label="theory")
    panel.plot(
        widths, arrays["exact_accuracy"], "s", color=VERMILION, markersize=5, markerfacecolor="none", label="exact"
    )
    panel.plot(widths, arrays["limit_accuracy"], "--", color="black", linewidth=1.0, label=r"$N = \infty$")
    panel.set_ylabel("test accuracy of the mean predictor")
    panel.legend(loc="best")


def _draw_sizes(panel: Axes, arrays: Mapping[str, NDArray[Any]], samplers: tuple[str, str]) -> None:
    """Effective draws of the samplers."""
    widths = arrays["width"]
    names = ("effective_size", "check_effective_size")
    for name, marker, colour, label in zip(names, "os", (BLUE, VERMILION), samplers, strict=True):
        if name in arrays:
            panel.plot(widths, arrays[name], marker + "-", color=colour, markersize=4.5, linewidth=1.1, label=label)
    panel.set(yscale="log", ylabel="effective draws")
    panel.legend(loc="best")


def _draw_spectra(panel: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Eigenvalues of the order parameter: lines by theory, markers of drawn networks, only those that are not zero."""
    chosen = np.unique(np.linspace(0, len(arrays["width"]) - 1, MOST_SPECTRA).round().astype(int))
    for row, colour in zip(chosen, colormaps["viridis_r"](np.linspace(0.1, 1, len(chosen))), strict=True):
        theory, drawn = arrays["eigenvalue"][row], arrays["drawn_eigenvalue"][row]
        places = np.arange(1, len(theory) + 1)
        rank = max(int(arrays["rank"][row]), 0)
        panel.plot(places, theory, "-", color=colour, linewidth=1.1)
        panel.plot(places[:rank], drawn[:rank], "o", color=colour, markersize=3.8, label=f"{arrays['width'][row]}")
    panel.set(yscale="log", xlabel="number of the eigenvalue", ylabel="eigenvalue of $U$ (lines: theory)")
    panel.legend(title="width $N$", ncols=2)
