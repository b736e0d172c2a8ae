"""Attractor census: every coexisting attractor's exponent, extents and share over a parameter."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.style import AXIS_LABELS, feature_symbol, house_style, regime_handles, regime_image

LARGEST_MARK = 60.0
"""Area of the mark of an attractor that every start reaches."""


def draw_census(parameter: str, arrays: Mapping[str, NDArray[Any]], labels: Sequence[str], caption: str) -> Figure:
    """Leading exponents, extents of the first feature and number of attractors over the parameter.

    Parameters
    ----------
    parameter : str
        Name of the swept parameter.
    arrays : mapping
        Result of a census: `attractor`, `regime`, `exponents`, `minimum`, `maximum`, each (values, starts, ...).
    labels : sequence of str
        Name of each regime.
    caption : str
    """
    values, groups = arrays[parameter], _Groups(arrays)
    with house_style():
        figure = Figure(figsize=(8.0, 7.4), layout="constrained")
        first, extents, number = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
        colours = regime_image(groups.regime, labels)
        x, area = values[groups.value], LARGEST_MARK * groups.share
        first.scatter(x, groups.exponent, area, colours, linewidths=0.3, edgecolors="white")
        first.axhline(0, color="black", linewidth=0.5)
        first.set(ylabel=r"$\lambda_1$ [1/step]")
        first.set_title(caption, loc="left")
        extents.vlines(x, groups.low, groups.high, colors="0.8", linewidth=0.5, zorder=1)
        extents.scatter(x, groups.low, 6, colours)
        extents.scatter(x, groups.high, 6, colours)
        extents.set_ylabel(f"least and largest ${feature_symbol('attention', 1)}$")
        _draw_numbers(number, values, arrays["attractor"])
        number.set_xlabel(AXIS_LABELS[parameter])
        handles = regime_handles(groups.regime, labels)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), title=_LEGEND)
        return figure


_LEGEND = "regime; the area of a mark is the share of the starts that reach the attractor"


def _draw_numbers(axes: Axes, values: NDArray[np.float64], attractor: NDArray[np.int64]) -> None:
    axes.plot(values, attractor.max(axis=1) + 1, "k.-", linewidth=0.6, markersize=4)
    axes.set_ylabel("attractors")
    axes.set_ylim(0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


class _Groups:
    """One entry for each attractor at each value: means over the starts that reach it."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        members = [
            (value, row == number)
            for value, row in enumerate(arrays["attractor"])
            for number in range(int(row.max()) + 1)
        ]
        self.value = np.array([value for value, _ in members], dtype=np.int64)
        self.share = np.array([inside.mean() for _, inside in members])
        self.regime = np.array([arrays["regime"][value, inside][0] for value, inside in members], dtype=np.int64)
        self.exponent = np.array([arrays["exponents"][value, inside, 0].mean() for value, inside in members])
        self.low = np.array([arrays["minimum"][value, inside, 0].min() for value, inside in members])
        self.high = np.array([arrays["maximum"][value, inside, 0].max() for value, inside in members])
