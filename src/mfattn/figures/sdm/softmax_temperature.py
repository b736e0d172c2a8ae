"""Inverse temperatures over the radius of the balls and their share of the space."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, house_style

Array = NDArray[np.float64]

ESTIMATORS = {
    "ols": ("least squares", BLUE),
    "paper": ("least squares, as published", VERMILION),
    "weighted": ("weighted least squares", SKY),
    "levels": ("least squares, even distances", "#000000"),
    "softmax": ("least difference of weights", GREEN),
    "kl": ("least divergence of weights", PURPLE),
    "taylor": (r"Taylor, $(n - 2d)^2 / 4n$", ORANGE),
}
"""Name and colour of each estimator."""

KINDS: dict[str, tuple[str, Any]] = {
    "binary": ("balls", "-"),
    "cap": ("caps", (0, (5, 2))),
    "largest_term": ("largest term", (0, (1, 1.2))),
}
"""Name and dashes of each kind of weights."""


class Marks(NamedTuple):
    """What is drawn beside the curves."""

    lines: Sequence[float]
    radii: Sequence[int]
    taylor_multiple: float


class Curve(NamedTuple):
    """Where a fit's arrays are, and how they are drawn."""

    kind: str
    estimator: str
    drawn: Mapping[str, Any]

    def of(self, arrays: Mapping[str, Array], quantity: str) -> Array:
        """One of its quantities."""
        return arrays[f"{quantity}_{self.kind}_{self.estimator}"]


def draw_temperatures(
    arrays: Mapping[str, NDArray[Any]],
    kinds: Sequence[str],
    estimators: Sequence[str],
    lines: Sequence[str],
    marks: Marks,
    caption: str,
) -> Figure:
    """Inverse temperatures over d and over log p; below, how good the lines are.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `radius` and `fraction` (radii,), and `beta`, `r_squared` and `standard_error`
        (radii,) of every kind and estimator.
    kinds, estimators : sequence of str
        Those that are drawn.
    lines : sequence of str
        Estimators that draw a line through the logarithms.
    marks : Marks
        Inverse temperatures and radii to mark, and the multiple of the Taylor estimate.
    caption : str
    """
    radius, exponent = arrays["radius"], np.log10(arrays["fraction"])
    curves = list(_curves(kinds, estimators))
    fitted = [curve for curve in curves if curve.estimator in lines]
    with house_style():
        figure = Figure(figsize=(10.4, 6.4), layout="constrained")
        panels = figure.subplots(2, 2, sharex="col", height_ratios=(5, 2))
        for axes, places in zip(panels[0], (radius, exponent), strict=True):
            _draw_lines(axes, marks.lines)
            _draw_betas(axes, places, arrays, curves, marks.taylor_multiple)
        _mark_radii(panels[0, 0], arrays, kinds[0], estimators[:2], marks.radii)
        for curve in fitted:
            panels[1, 0].plot(radius, curve.of(arrays, "r_squared"), **curve.drawn)
            panels[1, 1].plot(exponent, curve.of(arrays, "standard_error"), **curve.drawn)
        panels[1, 0].set(xlabel="Hamming radius $d$", ylabel=r"$R^2$ of the line")
        panels[1, 1].set(xlabel=r"share of the space $\log_{10} p$", ylabel=r"standard error of $\beta$")
        panels[0, 0].set_title(caption, loc="left")
        panels[0, 1].legend(handles=_handles(kinds, estimators, marks.taylor_multiple), loc="upper right")
    return figure


def _curves(kinds: Sequence[str], estimators: Sequence[str]) -> Iterator[Curve]:
    """All curves, the first estimator narrow and above the others; the Taylor estimate is the same for all kinds."""
    for estimator in estimators:
        above = {"linewidth": 1.0, "zorder": 2.5} if estimator == estimators[0] else {"linewidth": 1.8, "zorder": 2.2}
        for kind in kinds[:1] if estimator == "taylor" else kinds:
            drawn = {"color": ESTIMATORS[estimator][1], "linestyle": KINDS[kind][1], **above}
            yield Curve(kind, estimator, drawn)


def _draw_betas(
    axes: Axes, places: Array, arrays: Mapping[str, Array], curves: Sequence[Curve], multiple: float
) -> None:
    """Inverse temperatures over some places, those of least squares with their standard error."""
    for curve in curves:
        beta = curve.of(arrays, "beta")
        axes.plot(places, beta, **curve.drawn)
        if curve.estimator == "ols":
            error = curve.of(arrays, "standard_error")
            axes.fill_between(places, beta - error, beta + error, color=curve.drawn["color"], alpha=0.15, linewidth=0)
        if curve.estimator == "taylor" and multiple != 1:
            axes.plot(places, multiple * beta, **{**curve.drawn, "linestyle": ":"})
    axes.set_ylim(bottom=0)
    axes.set_ylabel(r"inverse temperature $\beta$")
    axes.margins(x=0.06)


def _draw_lines(axes: Axes, lines: Sequence[float]) -> None:
    """Horizontal lines, each with its number."""
    for line in lines:
        axes.axhline(line, color="0.6", linewidth=0.7, zorder=0)
        axes.annotate(
            rf"$\beta = {line:g}$",
            (1, line),
            xycoords=("axes fraction", "data"),
            xytext=(-3, 2),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color="0.4",
        )


def _mark_radii(
    axes: Axes, arrays: Mapping[str, Array], kind: str, estimators: Sequence[str], radii: Sequence[int]
) -> None:
    """Dots at some radii with their inverse temperatures, the first estimator's to the lower left."""
    offsets = (((-3, -3), "right", "top"), ((3, 3), "left", "bottom"))
    for row in np.flatnonzero(np.isin(arrays["radius"], radii)):
        radius = arrays["radius"][row]
        axes.axvline(radius, color="0.8", linewidth=0.7, zorder=0)
        for estimator, (offset, side, end) in zip(estimators, offsets, strict=False):
            beta, colour = arrays[f"beta_{kind}_{estimator}"][row], ESTIMATORS[estimator][1]
            axes.plot([radius], [beta], "o", markersize=3.5, color=colour)
            if np.isfinite(beta):
                axes.annotate(
                    f"{beta:.2f}",
                    (radius, beta),
                    xytext=offset,
                    textcoords="offset points",
                    ha=side,
                    va=end,
                    color=colour,
                    fontsize=8,
                    path_effects=[withStroke(linewidth=2.5, foreground="white")],
                )


def _handles(kinds: Sequence[str], estimators: Sequence[str], multiple: float) -> list[Line2D]:
    """A handle for each estimator, and for each kind if there are several."""
    handles = [
        Line2D([], [], color=ESTIMATORS[estimator][1], linestyle="-", label=ESTIMATORS[estimator][0])
        for estimator in estimators
    ]
    if "taylor" in estimators and multiple != 1:
        handles.append(Line2D([], [], color=ESTIMATORS["taylor"][1], linestyle=":", label=f"{multiple:g} times that"))
    if len(kinds) > 1:
        handles += [Line2D([], [], color="0.3", linestyle=KINDS[kind][1], label=KINDS[kind][0]) for kind in kinds]
    return handles
