"""Critical distances over a number of the memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import AXIS_LABELS, NOISE_COLOURS, NOISE_LABELS, SIMULATED
from mfattn.figures.style import house_style

Array = NDArray[np.float64]

RULE_STYLES: dict[str, Any] = {"strict": "-", "interpolated": "-", "basin": (0, (4, 2)), "paper": (0, (1, 1.5))}
"""Kind of line of each rule."""

RULE_LABELS = {
    "strict": "all nearer distances converge",
    "interpolated": "interpolated between even distances",
    "basin": "all but the nearest converge",
    "paper": "published rule",
}


FEW = 40
"""Points of a curve below which they are drawn as dots."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """Critical distances of simulated memories (curves, points), and the bounds of their bands (curves, points, 2)."""

    value: Array
    band: Array


def draw_critical_distances(
    x: Array,
    distances: Mapping[Any, Mapping[Any, Array]],
    simulated: Simulated | None,
    *,
    parameter: str,
    logarithmic: bool,
    labels: Sequence[str],
    caption: str,
) -> Figure:
    """Critical distances over a number of the memory; a panel for each model of the noise, or one without curves.

    Parameters
    ----------
    x : (points,) array
        Values of the number.
    distances : mapping of mappings
        By model of the noise and rule: (curves, points), NaN where one is missing.
    simulated : Simulated, optional
    parameter : str
        Name of the number, as in `mfattn.figures.sdm.labels`.
    logarithmic : bool
        Whether its axis is.
    labels : sequence of str
        Of the curves; empty if there is only one.
    caption : str
    """
    curves = list(colormaps["viridis"](np.linspace(0, 0.9, len(labels))))
    panels = len(distances) if curves else 1
    with house_style():
        figure = Figure(figsize=(1.6 + 4.2 * panels, 4.0), layout="constrained")
        grid: list[Axes] = list(figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0])
        for number, (noise, by_rule) in enumerate(distances.items()):
            _draw_rules(grid[number % panels], x, by_rule, curves or [NOISE_COLOURS[noise]])
        if simulated is not None:
            for axes in grid:
                _draw_simulated(axes, x, simulated, curves or [SIMULATED])
        titles = [NOISE_LABELS[noise] for noise in distances] if curves else [""]
        _finish(grid, x, parameter, logarithmic, titles, caption)
        colours = {NOISE_LABELS[noise]: NOISE_COLOURS[noise] for noise in distances}
        handles = _handles(dict(zip(labels, curves, strict=True)) or colours, list(next(iter(distances.values()))))
        if simulated is not None:
            label = "simulated, 95 %"
            handles.append(Line2D([], [], color=SIMULATED, marker="s", markersize=3, linestyle="", label=label))
        figure.legend(handles=handles, loc="outside right center")
        return figure


def _draw_rules(axes: Axes, x: Array, by_rule: Mapping[Any, Array], colours: Sequence[Any]) -> None:
    """Every curve by every rule, with dots where there are few of them."""
    for rule, curves in by_rule.items():
        style = RULE_STYLES[rule]
        for curve, colour in zip(curves, colours, strict=True):
            axes.plot(x, curve, color=colour, linewidth=1.1, linestyle=style)
            if style == "-" and len(x) < FEW:
                axes.plot(x, curve, color=colour, marker="o", markersize=2.5, linestyle="")


def _handles(colours: Mapping[str, Any], rules: Sequence[str]) -> list[Line2D]:
    """What the colours mean, and the kinds of lines if there are several."""
    handles = [Line2D([], [], color=colour, label=label) for label, colour in colours.items()]
    if len(rules) > 1:
        styles = [(RULE_STYLES[rule], RULE_LABELS[rule]) for rule in rules]
        handles += [Line2D([], [], color="0.4", linestyle=style, label=label) for style, label in styles]
    return handles


def _draw_simulated(axes: Axes, x: Array, simulated: Simulated, colours: Sequence[Any]) -> None:
    """Points with the bars of their bands."""
    for value, band, colour in zip(simulated.value, simulated.band, colours, strict=False):
        bars = np.abs(band.T - value)
        axes.errorbar(
            x, value, yerr=bars, color=colour, marker="s", markersize=3, linestyle="", elinewidth=0.9, capsize=1.5
        )


def _finish(
    grid: Sequence[Axes], x: Array, parameter: str, logarithmic: bool, titles: Sequence[str], caption: str
) -> None:
    """Labels, limits and titles of the panels."""
    ends = min(x[0], x[-1]), max(x[0], x[-1])
    for axes, title in zip(grid, titles, strict=True):
        axes.set_xlabel(AXIS_LABELS[parameter])
        axes.set_title("\n".join(part for part in ((caption if axes is grid[0] else " "), title) if part), loc="left")
        if logarithmic:
            axes.set_xscale("log")
        elif ends[1] > 10:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if ends[0] < ends[1]:
            axes.set_xlim(ends)
        # Lines at 0 are to be seen.
        axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])
        axes.grid(color="0.9", linewidth=0.5)
    grid[0].set_ylabel("critical distance (bits)")
