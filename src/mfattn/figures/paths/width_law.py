"""Distances of theory and exact posterior over the width, with their power laws."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from mfattn.figures.style import CYCLE, house_style

Real = NDArray[np.float64]

TITLES = {
    "order_parameter": r"order parameter: $|U - \mathrm{E}[U]| \, / \, |\mathrm{E}[U]|$",
    "predictor": r"mean of the predictions",
    "variance": r"variance of the predictions",
}
"""Of the panels."""

MARKERS = "osD^v<"


class Law(Protocol):
    """A power law."""

    @property
    def exponent(self) -> float:
        """Exponent."""

    @property
    def error(self) -> float:
        """Its standard error."""

    @property
    def prefactor(self) -> float:
        """Prefactor."""

    @property
    def inverse_prefactor(self) -> float:
        """That of 1 / N."""


def draw_laws(
    widths: Real,
    distances: Mapping[str, Real],
    laws: Mapping[str, Sequence[Law]],
    labels: Sequence[str],
    caption: str,
) -> Figure:
    """Mean distances of every task, bands from the least to the largest of its instances, and fitted lines.

    Parameters
    ----------
    widths : (n,) array
    distances : mapping
        By name, in the order of the panels, (tasks, n, instances) arrays; NaN where one is missing.
    laws : mapping
        By the same names, one of each task.
    labels : sequence of str
        Of the tasks.
    caption : str
    """
    order = np.argsort(widths)
    with house_style():
        figure = Figure(figsize=(11.6, 3.9), layout="constrained")
        panels = figure.subplots(1, len(distances), sharey=True)
        for panel, (name, values) in zip(panels, distances.items(), strict=True):
            for number, law in enumerate(laws[name]):
                colour, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
                _draw_task(panel, widths[order], values[number, order], law, colour, marker)
            panel.set(xscale="log", yscale="log", xlabel="width $N$")
            panel.set_title(TITLES[name], loc="left")
            panel.xaxis.set_major_locator(FixedLocator(_few(widths[order])))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter("{x:g}")
            if panel.get_legend_handles_labels()[0]:
                panel.legend(loc="lower left", title="fitted,  best $1/N$", alignment="left")
        panels[0].set_ylabel("relative distance of theory")
        handles = [
            panels[0].plot([], [], MARKERS[n % len(MARKERS)], color=CYCLE[n % len(CYCLE)], label=label)[0]
            for n, label in enumerate(labels)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
        return figure


def _draw_task(panel: Axes, widths: Real, values: Real, law: Law, colour: str, marker: str) -> None:
    """One task: widths (n,), and distances (n, instances)."""
    shown = np.where(values > 0, values, np.nan)
    known = np.isfinite(shown).any(axis=1)
    if not known.any():
        return
    x, y = widths[known], shown[known]
    panel.fill_between(x, np.nanmin(y, axis=1), np.nanmax(y, axis=1), color=colour, alpha=0.15, linewidth=0)
    label = None
    if np.isfinite(law.exponent):
        ends = np.array([x[0], x[-1]])
        panel.plot(ends, law.prefactor * ends**law.exponent, color=colour, linewidth=1.2)
        label = rf"$N^{{{law.exponent:.2f} \pm {law.error:.2f}}}$,  ${law.inverse_prefactor:.2f} \, / \, N$"
    panel.plot(x, np.nanmean(y, axis=1), marker, color=colour, markersize=4.5, label=label)


def _few(widths: Real) -> list[float]:
    """Widths that labels of an axis name."""
    return widths[:: -(-len(widths) // 8)].tolist()
