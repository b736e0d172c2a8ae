"""Capacity over the number of bits."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import AXIS_LABELS
from mfattn.figures.style import CYCLE, house_style

STYLES: dict[str, tuple[Any, str]] = {
    "capacity_bound": ((0, (4, 2)), r"upper approximation $r/z^2$"),
    "capacity": ("-", "full equation, best fraction $p$"),
    "discrete_capacity": ((0, (1, 1.5)), "full equation, best radius $d$"),
}
"""Kind of line and label of each capacity."""


def draw_capacity(arrays: Mapping[str, NDArray[Any]], logarithmic: bool, caption: str) -> Figure:
    """Capacities over the number of bits, a colour for each probability that all bits are right.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `bits` (points,), `probability` (probabilities,), and `capacity`, `capacity_bound`
        and `discrete_capacity` (points, probabilities).
    logarithmic : bool
        Whether the axis of bits is.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(5.4, 4.0), layout="constrained")
        axes = figure.subplots()
        colours = [CYCLE[number % len(CYCLE)] for number in range(len(arrays["probability"]))]
        marker: dict[str, Any] = {"marker": "o"} if len(arrays["bits"]) == 1 else {}
        for name, (style, _) in STYLES.items():
            for column, colour in enumerate(colours):
                axes.plot(
                    arrays["bits"], arrays[name][:, column], color=colour, linestyle=style, linewidth=1.2, **marker
                )
        if logarithmic:
            axes.set_xscale("log")
        axes.set(xlabel=AXIS_LABELS["bits"], ylabel="capacity $m$ (patterns)")
        axes.set_ylim(bottom=0)
        axes.grid(color="0.9", linewidth=0.5)
        axes.set_title(caption, loc="left")
        handles = [
            Line2D([], [], color=colour, label=f"all bits right with probability {probability:g}")
            for colour, probability in zip(colours, arrays["probability"], strict=True)
        ]
        handles += [Line2D([], [], color="0.4", linestyle=style, label=label) for style, label in STYLES.values()]
        axes.legend(handles=handles)
        return figure
