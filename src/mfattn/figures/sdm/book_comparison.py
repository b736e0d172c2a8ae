"""Circle intersections, exact and by the integral of the book, and what the book prints."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import logarithmic_heights
from mfattn.figures.style import house_style, scientific

PRINTED_COLOUR = "0.15"

NOTHING = 1e-12
"""Share of the largest number of neurons below which there is nothing to compare."""


def draw_book(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """Neurons in both balls over the distance on a logarithmic scale, and the integral over the exact number.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `radius` and `fraction` (radii,), `expected_neurons` and `expected_neurons_book`
        (radii, n + 1), `table_distance` and `printed` (distances,), the latter may be empty.
    caption : str
    """
    exact, book = arrays["expected_neurons"], arrays["expected_neurons_book"]
    colours = colormaps["viridis"](np.linspace(0, 0.85, len(exact)))
    distance = np.arange(exact.shape[1])
    last = max(int(arrays["table_distance"].max()), 1)
    with house_style():
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        counts, ratio = figure.subplots(1, 2)
        handles = []
        for row, colour in enumerate(colours):
            # The exact number is a staircase with steps two bits wide.
            even = distance % 2 == 0
            some = even & (exact[row] > NOTHING * exact[row, 0]) & (distance <= 1.02 * last)
            counts.plot(distance[some], exact[row][some], color=colour, linewidth=1.3)
            counts.plot(distance[some], book[row][some], color=colour, linewidth=1.3, linestyle="--")
            ratio.plot(distance[some], book[row][some] / exact[row][some], color=colour, linewidth=1.1, linestyle="--")
            radius, fraction = int(arrays["radius"][row]), float(arrays["fraction"][row])
            handles.append(Line2D([], [], color=colour, label=f"$d = {radius}$, $p = {scientific(fraction)}$"))
        handles += [
            Line2D([], [], color="0.4", label="exact"),
            Line2D([], [], color="0.4", linestyle="--", label="integral of the book"),
        ]
        if arrays["printed"].size:
            dots: dict[str, Any] = {"color": PRINTED_COLOUR, "marker": "o", "markersize": 3.5, "linestyle": ""}
            of_table = exact[0][arrays["table_distance"]]
            positive = (arrays["printed"] > 0) & (of_table > 0)
            counts.plot(arrays["table_distance"][positive], arrays["printed"][positive], **dots)
            share = arrays["printed"][positive] / of_table[positive]
            ratio.plot(arrays["table_distance"][positive], share, **dots)
            handles.append(Line2D([], [], label="printed in the book", **dots))
        ratio.axhline(1.0, color="0.6", linewidth=0.8)
        counts.set(ylabel="expected neurons in both balls")
        logarithmic_heights(counts)
        ratio.set(ylabel="ratio to exact")
        for axes in (counts, ratio):
            axes.set(xlabel=r"Hamming distance $d_v$ of the centres", xlim=(-0.02 * last, 1.02 * last))
            axes.grid(color="0.9", linewidth=0.5)
        counts.set_title(caption, loc="left")
        counts.legend(handles=handles)
        return figure
