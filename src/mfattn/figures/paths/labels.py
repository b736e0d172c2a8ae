"""Axes, maps and colours that figures of attention paths share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

WIDTH_LABEL = "width $N$"

MOST_NAMES, MOST_NUMBERS, SMALLEST_NUMBER = 16, 5, 0.01
"""Paths of a map up to which they are named; and up to which entries are written out, from a share of the largest."""


def width_axis(axes: Axes, widths: NDArray[np.float64]) -> None:
    """A logarithmic axis of widths with powers of ten as plain numbers."""
    axes.set_xscale("log")
    low, high = float(widths.min()), float(widths.max())
    room = max(high / low, 4.0) ** 0.06
    axes.set_xlim(low / room, high * room)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(WIDTH_LABEL)


def draw_order_parameter(axes: Axes, order: NDArray[Any], limit: float, names: Sequence[str]) -> AxesImage:
    """A map of an order parameter, blue where it is positive and red where it is negative."""
    image = axes.imshow(order, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    if len(names) <= MOST_NAMES:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(length=0)
    if len(names) <= MOST_NUMBERS:
        for row, column in zip(*np.nonzero(np.abs(order) >= SMALLEST_NUMBER * limit), strict=True):
            value = order[row, column]
            colour = "white" if abs(value) > 0.65 * limit else "0.15"
            text = f"{value:.{1 if abs(value) >= 10 else 2}f}".replace("-", "\N{MINUS SIGN}")
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=6.5)
    return image


def largest_size(*arrays: NDArray[Any]) -> float:
    """Largest size of a finite entry; 1 where there is none."""
    found = max((float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays), default=0.0)
    return found or 1.0
