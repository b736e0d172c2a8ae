"""Probability that a neuron lies within a distance, and expected numbers of neurons, exactly and as published."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.style import VERMILION, house_style, scientific

Array = NDArray[np.float64]

EXACT: dict[str, Any] = {"linestyle": "-", "linewidth": 1.6}
PUBLISHED: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.0}
"""Look of the two formulas, in a colour for each number of neurons."""

RARE = 1e-9
"""Probability of any neuron below which errors may leave the panel."""


def draw_distribution(arrays: Mapping[str, NDArray[Any]], expected: float, first_radius: int, caption: str) -> Figure:
    """Both formulas over the radius, for the probability of any neuron and the expected number; below, their errors.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `neurons` (numbers,), `radius` (radii,), curves (numbers, radii) and the radii at
        which one neuron is expected (numbers,).
    expected : float
        Expected number of neurons that is drawn as a line.
    first_radius : int
        Least radius of the panels of probabilities; the others show all.
    caption : str
    """
    radius, numbers = arrays["radius"], arrays["neurons"]
    shown = radius >= min(first_radius, radius[-1])
    with house_style():
        figure = Figure(figsize=(10.4, 5.8), layout="constrained")
        (probability, count), (error, ratio) = panels = figure.subplots(2, 2, sharex="col", height_ratios=(5, 3))
        colours = colormaps["viridis"](np.linspace(0.3, 0.85, len(numbers)))
        for row, colour in enumerate(colours):
            here = {name: _there(array[row]) for name, array in arrays.items() if array.ndim == 2}
            exact, published = here["log_expected_neurons"], here["log_published_expected_neurons"]
            probability.plot(radius[shown], here["probability"][shown], color=colour, **EXACT)
            probability.plot(radius[shown], here["published_probability"][shown], color=colour, **PUBLISHED)
            error.plot(radius[shown], 100 * here["relative_error"][shown], color=colour, **EXACT)
            count.plot(radius, exact / np.log(10), color=colour, **EXACT)
            count.plot(radius, published / np.log(10), color=colour, **PUBLISHED)
            ratio.plot(radius, (published - exact) / np.log(10), color=colour, **EXACT)
            _mark_one_neuron(panels[:, 0], arrays["published_radius_of_one_neuron"][row])
        for axes in (error, ratio):
            axes.axhline(0, color="0.6", linewidth=0.7, zorder=0)
            axes.set_xlabel("Hamming radius $d$ around an address")
        _limit_errors(error, arrays)
        count.axhline(np.log10(expected), color="0.6", linewidth=0.7, zorder=0)
        label = f"{scientific(expected)} neurons"
        count.annotate(label, (0.02, np.log10(expected)), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
        probability.set(ylabel="probability of any neuron within $d$", ylim=(-0.03, 1.03))
        error.set_ylabel("relative error (%)")
        count.set_ylabel(r"$\log_{10}$ expected neurons within $d$")
        ratio.set_ylabel(r"$\log_{10}$ ratio to exact")
        probability.set_title(caption, loc="left")
        count.legend(handles=_handles(arrays, colours), loc="lower right")
    return figure


def _there(values: Array) -> Array:
    """Values, NaN where they are infinite."""
    return np.where(np.isfinite(values), values, np.nan)


def _mark_one_neuron(panels: NDArray[Any], radius: int) -> None:
    """The published line, where its formula expects one neuron."""
    for axes in panels if radius >= 0 else ():
        axes.axvline(radius, color=VERMILION, linewidth=0.8, linestyle=":")


def _limit_errors(axes: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Half as much again as the largest error where a neuron is not too rare; far below, no scale holds them."""
    errors = np.abs(arrays["relative_error"][arrays["probability"] >= RARE])
    errors = errors[np.isfinite(errors)]
    if errors.size and errors.max() > 0:
        axes.set_ylim(-150 * errors.max(), 150 * errors.max())


def _handles(arrays: Mapping[str, NDArray[Any]], colours: Array) -> list[Line2D]:
    """Handles of the numbers of neurons, the formulas and the published line."""
    handles = []
    for r, one, colour in zip(arrays["neurons"], arrays["radius_of_one_neuron"], colours, strict=True):
        where = f", one expected within $d = {one}$" if one >= 0 else ""
        handles.append(Line2D([], [], color=colour, label=f"$r = {scientific(r)}${where}", **EXACT))
    handles.append(Line2D([], [], color="0.3", label="published formula", **PUBLISHED))
    ones = ", ".join(str(one) for one in arrays["published_radius_of_one_neuron"] if one >= 0)
    line: dict[str, Any] = {"color": VERMILION, "linewidth": 0.8, "linestyle": ":"}
    return [*handles, Line2D([], [], label=f"published line, $d = {ones}$", **line)] if ones else handles
