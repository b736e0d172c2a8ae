"""Recall curves: the distance after one update over that before it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import NOISE_COLOURS, NOISE_LABELS, SIMULATED
from mfattn.figures.style import house_style

COLUMNS = 3
"""Panels beside each other."""


def draw_recall(
    arrays: Mapping[str, NDArray[Any]], models: Sequence[str], labels: Sequence[str], limit: int | None, caption: str
) -> Figure:
    """Curves of several models, a panel for each memory; or of one model, all memories in one panel.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `distance` (distances,) and `new_distance_*` (memories, distances) of each model; of
        simulated memories `distance_simulated`, `new_distance_simulated` and `new_distance_simulated_band`.
    models : sequence of str
        Which are drawn.
    labels : sequence of str
        Of the memories; empty if there is only one.
    limit : int, optional
        Largest distance that is drawn; without it, all of them.
    caption : str
    """
    memories = len(arrays[f"new_distance_{models[0]}"])
    together = len(models) == 1 and memories > 1
    panels = 1 if together else memories
    columns = min(panels, COLUMNS)
    rows = -(-panels // columns)
    with house_style():
        figure = Figure(figsize=(2.2 + 3.2 * columns, 0.6 + 3.0 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        colours = colormaps["viridis"](np.linspace(0, 0.9, memories))
        for memory in range(memories):
            axes = grid.flat[0 if together else memory]
            for model in models:
                colour = colours[memory] if together else NOISE_COLOURS[model]
                axes.plot(arrays["distance"], arrays[f"new_distance_{model}"][memory], color=colour, linewidth=1.1)
            if "distance_simulated" in arrays:
                _draw_simulated(axes, arrays, memory, colours[memory] if together else SIMULATED)
        for number, axes in enumerate(grid.flat):
            if number < panels:
                title = NOISE_LABELS[models[0]] if together else labels[number] if labels else ""
                _finish(
                    axes, arrays["distance"], limit, "\n".join(filter(None, [caption if not number else "", title]))
                )
            axes.set_visible(number < panels)
        for axes in grid[:, 0]:
            axes.set_ylabel("distance after one update (bits)")
        for number in range(max(panels - columns, 0), panels):
            grid.flat[number].set_xlabel("distance of the query (bits)")
            grid.flat[number].tick_params(labelbottom=True)
        lines = (
            dict(zip(labels, colours, strict=True))
            if together
            else {NOISE_LABELS[model]: NOISE_COLOURS[model] for model in models}
        )
        handles = [Line2D([], [], color=colour, label=label) for label, colour in lines.items()]
        handles.append(Line2D([], [], color="0.6", linewidth=0.8, linestyle="--", label="unchanged"))
        if "distance_simulated" in arrays:
            label = "simulated, 95 %"
            handles.append(Line2D([], [], color=SIMULATED, marker="s", markersize=3, linestyle="", label=label))
        figure.legend(handles=handles, loc="outside right center")
        return figure


def _draw_simulated(axes: Axes, arrays: Mapping[str, NDArray[Any]], memory: int, colour: Any) -> None:
    """Points with the bars of their bands."""
    value, band = arrays["new_distance_simulated"][memory], arrays["new_distance_simulated_band"][memory]
    bars = np.abs(band - value)
    axes.errorbar(
        arrays["distance_simulated"],
        value,
        yerr=bars,
        color=colour,
        marker="s",
        markersize=3,
        linestyle="",
        capsize=1.5,
    )


def _finish(axes: Axes, distance: NDArray[Any], limit: int | None, title: str) -> None:
    """The diagonal, limits and title of a panel."""
    last = min(limit or int(distance[-1]), int(distance[-1])) or 1
    axes.plot([0, last], [0, last], color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    axes.set(xlim=(0, last), ylim=(0, 1.05 * last))
    axes.set_title(title, loc="left")
    axes.grid(color="0.9", linewidth=0.5)
