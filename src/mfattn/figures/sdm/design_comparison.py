"""Jaeckel's designs beside Kanerva's balls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import logarithmic_heights
from mfattn.figures.style import CYCLE, house_style, scientific

BALL_STYLE = (0, (1, 1.5))

LEAST = 1e-12
"""Smallest number that is drawn."""


def draw_designs(arrays: Mapping[str, NDArray[Any]], names: Sequence[str], caption: str) -> Figure:
    """A row for selected coordinates and one for hyperplanes: shares, those over the balls', and signal to noise.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment, a row for each design: `ones` (-1 with random addresses), `activation`,
        `mean_distance`, `ball_radius`, and `log_share`, `signal_to_noise` and those of the balls (designs, n + 1).
    names : sequence of str
        Of the designs.
    caption : str
    """
    kinds = {"random": arrays["ones"] < 0, "sparse": arrays["ones"] >= 0}
    kinds = {kind: chosen for kind, chosen in kinds.items() if chosen.any()}
    with house_style():
        figure = Figure(figsize=(13.6, 0.5 + 3.2 * len(kinds)), layout="constrained")
        grid = figure.subplots(len(kinds), 3, squeeze=False)
        for row, (kind, chosen) in zip(grid, kinds.items(), strict=True):
            handles = []
            reach = 1.1 * np.nanmax(np.append(arrays["mean_distance"][chosen], 1.0))
            for number, design in enumerate(np.flatnonzero(chosen).tolist()):
                colour = CYCLE[number % len(CYCLE)]
                _draw_design(row, arrays, design, reach, colour)
                handles.append(Line2D([], [], color=colour, label=_label(arrays, design, names[design])))
            handles += [
                Line2D([], [], color="0.4", linestyle=BALL_STYLE, label="balls of the same share of neurons"),
                Line2D([], [], color="0.4", marker="o", markersize=4, linestyle="", label="mean distance of addresses"),
            ]
            for axes in row:
                axes.set(xlabel=rf"distance $d_v$ of {kind} addresses", xlim=(0, reach))
                axes.grid(color="0.9", linewidth=0.5)
            row[0].set(ylabel="share of their neurons in common")
            row[1].set(ylabel="the same over that of balls")
            row[1].set_ylim(bottom=0)
            row[2].set(ylabel="signal to noise")
            for axes in (row[0], row[2]):
                logarithmic_heights(axes)
            row[2].legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
        grid[0, 0].set_title(caption, loc="left")
        return figure


def _label(arrays: Mapping[str, NDArray[Any]], design: int, name: str) -> str:
    """The design, the share of neurons that it activates, and the radius of the ball that activates as many."""
    if np.isnan(arrays["activation"][design]):
        return f"{name}: missing"
    share = scientific(float(arrays["activation"][design]))
    return f"{name}: $p = {share}$ (ball: $d = {int(arrays['ball_radius'][design])}$)"


def _draw_design(
    row: Sequence[Axes], arrays: Mapping[str, NDArray[Any]], design: int, reach: float, colour: str
) -> None:
    """One design and the balls that match it, with a dot at the mean distance of two addresses."""
    logs = arrays["log_share"][design]
    # What balls share is a staircase with steps two bits wide.
    there = 2 * np.flatnonzero(~np.isnan(logs[: int(reach) + 1 : 2]))
    if not len(there):
        return

    def of_one(name: str) -> NDArray[np.float64]:
        return np.exp(arrays[name][design][there] - arrays[name][design][0])

    design_share, ball_share = of_one("log_share"), of_one("ball_log_share")
    middle = int(np.abs(there - arrays["mean_distance"][design]).argmin())
    with np.errstate(divide="ignore", invalid="ignore"):
        over = design_share / ball_share
    lines = (
        (row[0], design_share, ball_share),
        (row[1], over, np.ones(len(there))),
        (row[2], arrays["signal_to_noise"][design][there], arrays["ball_signal_to_noise"][design][there]),
    )
    for axes, own, balls in lines:
        for values, style in ((own, "-"), (balls, BALL_STYLE)):
            shown = np.where(np.isfinite(values) & (values > LEAST), values, np.nan)
            axes.plot(there, shown, color=colour, linewidth=1.2, linestyle=style)
        axes.plot(there[middle], own[middle], color=colour, marker="o", markersize=4, linestyle="")
