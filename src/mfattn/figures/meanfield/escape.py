"""Escape from chaotic saddles: survival curves, and the mean escape time over a parameter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.style import AXIS_LABELS, PARAMETER_SYMBOLS, house_style

MOST_CURVES = 10
"""Survival curves that are drawn, evenly chosen among the values of the parameter."""


def draw_escape(parameter: str, arrays: Mapping[str, NDArray[Any]], fit_from: int, limit: int, caption: str) -> Figure:
    """Survival curves with the fitted laws, and the mean escape time over the parameter.

    Parameters
    ----------
    parameter : str
        Name of the swept parameter.
    arrays : mapping
        Result of an escape run: `escape_time` (values, starts), `escape_rate` and `escape_rate_error` (values,).
    fit_from, limit : int
        Steps from which the law was fitted, and after which no escape was looked for.
    caption : str
    """
    values = arrays[parameter]
    with house_style():
        figure = Figure(figsize=(11.6, 4.2), layout="constrained")
        curves, means = figure.subplots(1, 2)
        computed = np.flatnonzero(np.isfinite(arrays["escape_rate"]))
        chosen = computed[np.unique(np.linspace(0, len(computed) - 1, min(MOST_CURVES, len(computed))).astype(int))]
        for point, colour in zip(chosen, colormaps["viridis"](np.linspace(0, 0.9, len(chosen))), strict=True):
            label = f"${PARAMETER_SYMBOLS[parameter]} = {values[point]:.6g}$"
            rate = float(arrays["escape_rate"][point])
            _draw_survival(curves, arrays["escape_time"][point], rate, (fit_from, limit), colour, label)
        curves.set(xlabel="step $t$", ylabel="share still on the saddle", ylim=(0, 1.03), xlim=(0, limit))
        curves.set_title(caption, loc="left")
        curves.legend(title="dashed: exponential law", loc="center left", bbox_to_anchor=(1.0, 0.5))
        _draw_means(means, values, arrays["escape_rate"], arrays["escape_rate_error"])
        means.set_xlabel(AXIS_LABELS[parameter])
        return figure


def _draw_survival(
    axes: Axes, times: NDArray[np.int64], rate: float, span: tuple[int, int], colour: Any, label: str
) -> None:
    fit_from, limit = span
    escapes = np.sort(times[times >= 0])
    shares = 1.0 - np.arange(len(escapes) + 1) / len(times)
    steps, heights = np.append(escapes, limit), shares
    axes.stairs(heights, np.concatenate([[0], steps]), baseline=None, color=colour, linewidth=1.0, label=label)
    if rate > 0:
        law = np.linspace(fit_from, limit, 200)
        there = np.mean((times < 0) | (times > fit_from))
        axes.plot(law, there * np.exp(-rate * (law - fit_from)), color=colour, linewidth=0.8, linestyle="--")


def _draw_means(
    axes: Axes, values: NDArray[np.float64], rates: NDArray[np.float64], errors: NDArray[np.float64]
) -> None:
    """Mean escape times 1/rate, or where nothing escaped, the mean for which that has a chance of 5 percent."""
    escaped, none = rates > 0, rates == 0
    bounds = 1 / (np.log(20) * errors[none])
    heights = np.concatenate([1 / rates[escaped], bounds, [1.0] * (not (escaped | none).any())])
    # Before anything is drawn: a single point would leave the axis without extent.
    axes.set(yscale="log", ylim=(heights.min() / 2, heights.max() * 2))
    axes.errorbar(
        values[escaped], 1 / rates[escaped], errors[escaped] / rates[escaped] ** 2, fmt="k.", linewidth=0.8, capsize=2
    )
    axes.plot(values[none], bounds, "k^", markersize=5, label="nothing escaped: at least (95 %)")
    axes.set_ylabel("mean escape time [steps]")
    if none.any():
        axes.legend()
