"""Weights of memories beside softmax attention: a panel for every ball, and how far they differ over their shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, VERMILION, house_style, scientific

Array = NDArray[np.float64]

SPACES = {"binary": ("balls", BLUE), "cap": ("caps", VERMILION)}
"""Name and colour of each kind of weights."""

STYLES: dict[str, dict[str, Any]] = {
    "log_weight": {"linewidth": 1.8, "alpha": 0.5},
    "log_softmax": {"linewidth": 0.9, "linestyle": (0, (4, 1.5))},
}
"""Look of the weights and of the softmax, by the names of the arrays."""

VANISHED = 0.005
"""Share of the largest weight below which the linear panels end."""

MEASURES = {
    "total_variation": "total variation",
    "divergence": "Kullback-Leibler divergence",
    "agreement": "agreement on the largest weight",
    "r_squared": r"$R^2$ of the logarithms",
}
"""What the summary shows, by the names of the arrays."""

RANGES: dict[str, dict[str, Any]] = {
    "": {"linestyle": "-", "linewidth": 1.0},
    "_near": {"linestyle": "--", "linewidth": 1.0},
}
"""Look of what is compared at all distances, and at those up to the radius, by the endings of the names."""


def draw_comparison(
    arrays: Mapping[str, NDArray[Any]], spaces: Sequence[str], limit: int | None, logarithmic: bool, caption: str
) -> Figure:
    """Weights that sum to one and the softmax fitted to them, a row for each number of bits.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `bits`, `radius`, `fraction` and `beta` of each space (balls,); `distance`,
        `log_weight` and `log_softmax` of each space (balls, samples).
    spaces : sequence of str
        Those that are drawn.
    limit : int, optional
        Largest distance.
    logarithmic : bool
        Scale of the weights.
    caption : str
    """
    rows = len(np.unique(arrays["bits"]))
    columns = len(arrays["bits"]) // rows
    with house_style():
        figure = Figure(figsize=(max(2.1 * columns, 4.2) + 0.4, max(1.75 * rows, 2.4) + 0.7), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for point, axes in enumerate(panels.flat):
            here = {name: array[point] for name, array in arrays.items()}
            _draw_panel(axes, here, spaces, limit, logarithmic)
        weight = r"$\log_{10}$ weight" if logarithmic else "weight"
        figure.supylabel(weight, fontsize=10)
        figure.supxlabel(r"Hamming distance $d_v$ of query and pattern", fontsize=10)
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
        figure.legend(handles=_handles(spaces), loc="outside upper right", ncols=2 * len(spaces))
    return figure


def _draw_panel(axes: Axes, here: Mapping[str, Any], spaces: Sequence[str], limit: int | None, log: bool) -> None:
    """The weights of one ball, and the inverse temperatures of the softmax."""
    axes.set_title(f"$n = {here['bits']}$, $d = {here['radius']}$, $p = {scientific(here['fraction'])}$", fontsize=7)
    axes.tick_params(labelsize=6, length=2)
    kept = here["distance"] >= 0
    distance = here["distance"][kept]
    if not kept.any():
        return
    curves = {name: here[name][kept] for name in here if name.startswith(("log_weight_", "log_softmax_"))}
    drawn = [curves[f"{what}_{space}"] for space in spaces for what in ("log_weight", "log_softmax")]
    last = min(limit or _last(here["radius"], distance, drawn, log), int(distance[-1]))
    shown = distance <= last
    axes.set_xlim(0, last)
    for line, space in enumerate(spaces):
        for what, style in STYLES.items():
            values = _scaled(curves[f"{what}_{space}"][shown], log)
            axes.plot(distance[shown], values, color=SPACES[space][1], **style)
        # What falls leaves the lower left free on a logarithmic scale, and the upper right on a linear one.
        corner = (0.04, 0.05 + 0.13 * line) if log else (0.96, 0.95 - 0.13 * line)
        axes.annotate(
            rf"$\beta = {here[f'beta_{space}']:.4g}$",
            corner,
            xycoords="axes fraction",
            ha="left" if log else "right",
            va="bottom" if log else "top",
            fontsize=7,
            color=SPACES[space][1],
        )


def _last(radius: int, distance: NDArray[np.int64], drawn: Sequence[Array], log: bool) -> int:
    """Largest distance of a panel: beyond what two balls can reach, or where all weights have vanished."""
    if log:
        return 2 * int(radius) + 5
    some = np.max([curve >= curve.max() + np.log(VANISHED) for curve in drawn], axis=0)
    return max(int(distance[some].max()), 2)


def _scaled(logs: Array, log: bool) -> Array:
    """Weights, or their decimal logarithms where there are some."""
    return np.where(np.isfinite(logs), logs, np.nan) / np.log(10) if log else np.exp(logs)


def _handles(spaces: Sequence[str]) -> list[Line2D]:
    """Handles of the weights and of the softmax."""
    words = {"log_weight": "intersection of", "log_softmax": "softmax fitted to"}
    drawn = [(*SPACES[space], what) for space in spaces for what in STYLES]
    return [Line2D([], [], color=colour, label=f"{words[what]} {name}", **STYLES[what]) for name, colour, what in drawn]


def draw_summary(arrays: Mapping[str, NDArray[Any]], space: str, caption: str) -> Figure:
    """How far weights and softmax differ, over the share of the space, a colour for each number of bits.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `bits`, `fraction` and `beta` (balls,), and the measures of the space at all
        distances and, ending in `_near`, at those up to the radius.
    space : str
        The one that is drawn.
    caption : str
    """
    sizes = np.unique(arrays["bits"])
    colours = colormaps["viridis"](np.linspace(0, 0.88, len(sizes)))
    with house_style():
        figure = Figure(figsize=(10.4, 6.4), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True)
        for axes, (name, label) in zip(panels.flat, MEASURES.items(), strict=True):
            for n, colour in zip(sizes, colours, strict=True):
                rows = np.flatnonzero(arrays["bits"] == n)
                rows = rows[np.argsort(arrays["fraction"][rows])]
                for ending, style in RANGES.items():
                    values = arrays[f"{name}_{space}{ending}"][rows]
                    axes.plot(arrays["fraction"][rows], values, color=colour, marker="o", markersize=3, **style)
            axes.set(xscale="log", ylabel=label)
        for axes in panels[1]:
            axes.set_xlabel("share of the space $p$")
        handles = [Line2D([], [], color=colour, label=f"$n = {n}$") for n, colour in zip(sizes, colours, strict=True)]
        handles += [
            Line2D([], [], color="0.3", label=label, **RANGES[ending])
            for ending, label in (("", "all $d_v$"), ("_near", r"$d_v \leq d$"))
        ]
        panels[0, 0].legend(handles=handles)
        panels[0, 0].set_title(f"{SPACES[space][0]}, {caption}", loc="left")
    return figure
