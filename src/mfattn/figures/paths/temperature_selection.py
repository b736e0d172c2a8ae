"""Evidence, errors of left out examples, and accuracy over the temperature; and what a choice of it costs."""

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, VERMILION, house_style

Real = NDArray[np.float64]
Choice = tuple[Real, Real]

CURVES = {
    "log_evidence": r"log evidence $\log p(Y) \, / \, P$",
    "leave_one_out_error": "leave-one-out squared error",
    "accuracy": "test accuracy",
    "negative_log_likelihood": "test negative log-likelihood",
}
"""Panels of the curves."""

CHOSEN = {
    "evidence": ("o", BLUE, "by evidence"),
    "leave_one_out": ("s", VERMILION, "by leave-one-out"),
    "oracle": ("D", "black", "best for the test"),
}
"""Marker, colour and name of every criterion."""


SHOWN = 2.0
"""Log evidence per example below the largest that is shown."""

SIDE = 0.22
"""Distance of criteria side by side."""


def draw_selection(
    widths: Real, temperatures: Real, curves: Mapping[str, Real], choices: Mapping[str, Choice], caption: str
) -> Figure:
    """Curves over the temperature for every width, and accuracies at chosen temperatures over the width.

    Parameters
    ----------
    widths : (n,) array
        The last one is infinite.
    temperatures : (m,) array
    curves : mapping
        Arrays (instances, n, m), of which means over the instances are drawn; the evidence is that per example.
    choices : mapping
        Temperatures and accuracies (instances, n) of every criterion.
    caption : str
    """
    order = np.argsort(temperatures)
    with house_style():
        figure = Figure(figsize=(11.6, 6.2), layout="constrained")
        panels = figure.subplots(2, 3).ravel()
        colours = [*colormaps["viridis_r"](np.linspace(0.08, 1, max(len(widths) - 1, 1)))[: len(widths) - 1], "black"]
        for panel, (name, label) in zip(panels[[0, 1, 3, 4]], CURVES.items(), strict=True):
            for width, values, colour in zip(widths, _mean(curves[name]), colours, strict=True):
                kind = "-" if np.isfinite(width) else "--"
                panel.plot(temperatures[order], values[order], kind, color=colour, linewidth=1.2, label=_name(width))
            panel.set(xscale="log", xlabel="temperature $T$", ylabel=label)
        panels[4].set_yscale("log")
        _limit_evidence(panels[0], curves["log_evidence"])
        panels[0].legend(title="width", ncols=2)
        _draw_choices(panels[2], widths, choices, 1)
        panels[2].set_ylabel("test accuracy at the chosen $T$")
        panels[2].legend()
        _draw_choices(panels[5], widths, choices, 0)
        panels[5].set(yscale="log", ylabel="chosen temperature $T$")
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
        return figure


def _mean(values: Real) -> Real:
    """Means over the first axis of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan)


def _name(width: float) -> str:
    """A width for a legend or an axis."""
    return f"{width:,.0f}" if np.isfinite(width) else r"$\infty$"


def _limit_evidence(panel: Axes, evidence: Real) -> None:
    """Leave out what is far below the largest evidence."""
    means = _mean(evidence)
    if np.isfinite(means).any():
        top, bottom = float(np.nanmax(means)), float(np.nanmin(means))
        panel.set_ylim(max(bottom, top - SHOWN) - 0.05, top + 0.05 * min(top - bottom, SHOWN) + 0.02)


def _draw_choices(panel: Axes, widths: Real, choices: Mapping[str, Choice], part: int) -> None:
    """Temperatures or accuracies of every criterion, side by side: small of instances, large their mean."""
    for number, (criterion, (marker, colour, label)) in enumerate(CHOSEN.items()):
        values = choices[criterion][part]
        places = np.arange(len(widths)) + SIDE * (number - 1)
        for row in values:
            panel.plot(places, row, marker, color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
        mean = _mean(values) if part else np.exp(_mean(np.log(values)))
        panel.plot(places, mean, marker, color=colour, markersize=6, label=label)
    panel.set_xticks(range(len(widths)), [_name(width) for width in widths])
    panel.set_xlabel("width $N$")
