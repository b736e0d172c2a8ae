"""Circle intersections, bounds that hold, and the published approximations where they are bounds and where not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, house_style, scientific

Array = NDArray[np.float64]

FITS = {"intersection": ("to the intersection", GREEN), "largest_term": ("to its largest term", ORANGE)}
"""What exponentials are fitted to, and their colours."""


def draw_bounds(arrays: Mapping[str, NDArray[Any]], limit: int | None, constant: bool, caption: str) -> Figure:
    """For every radius, the intersection, its bounds and approximations; below, their ratios to it.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `radius` and `fraction` (radii,), `distance` (n + 1,), and the curves and fits of
        every radius.
    limit : int, optional
        Largest distance that is drawn; without it, the largest at which two balls meet.
    constant : bool
        Whether the published bounds and approximations have the constant factors.
    caption : str
    """
    columns, distance = len(arrays["radius"]), arrays["distance"]
    with house_style():
        figure = Figure(figsize=(2.9 * columns + 2.4, 6.4), layout="constrained")
        panels = figure.subplots(2, columns, squeeze=False, sharex="col", height_ratios=(3, 2))
        for column, (top, bottom) in enumerate(panels.T):
            here = {name: array[column] for name, array in arrays.items() if name != "distance"}
            last = max(min(limit or 2 * int(here["radius"]), int(distance[-1])), 1)
            shown = slice(1, last + 1)
            curves = {name: _decimal(array[shown]) for name, array in here.items() if name.startswith("log_")}
            top.set_title(f"$d = {here['radius']}$, $p = {scientific(here['fraction'])}$", fontsize=8)
            _draw_curves(top, distance[shown], curves, np.zeros(curves["log_share"].shape), constant)
            _draw_curves(bottom, distance[shown], curves, curves["log_share"], constant)
            _draw_fits(top, distance, shown, here)
            bottom.set_xlim(0, 1.03 * last)
        panels[0, 0].set_ylabel(r"$\log_{10}$ share of the space in both balls")
        panels[1, 0].set_ylabel(r"$\log_{10}$ ratio to the intersection")
        figure.supxlabel(r"Hamming distance $d_v$ of the centres", fontsize=10)
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _decimal(logs: Array) -> Array:
    """Decimal logarithms, NaN where there is nothing."""
    return np.where(np.isfinite(logs), logs, np.nan) / np.log(10)


def _draw_curves(axes: Axes, distance: Array, curves: Mapping[str, Array], origin: Array, constant: bool) -> None:
    """Intersection, bounds and approximations, less the origin; the published bounds are filled where they fail."""
    exact = curves["log_share"]
    lower = curves["log_normal_lower_constant" if constant else "log_normal_approximation"]
    upper = curves["log_published_upper_bound_constant" if constant else "log_published_upper_bound"]

    def filled(below: Array, above: Array, **look: Any) -> None:
        axes.fill_between(distance, below - origin, above - origin, where=above > below, linewidth=0, **look)

    filled(
        curves["log_largest_term"], curves["log_upper_bound"], color="0.88", label="largest term, once and $N$ times"
    )
    filled(curves["log_sharp_lower_bound"], curves["log_sharp_upper_bound"], color=SKY, label="geometric bounds")
    filled(exact, lower, color=VERMILION, alpha=0.3, label="published bounds fail")
    filled(upper, exact, color=VERMILION, alpha=0.3)
    axes.plot(distance, upper - origin, color=VERMILION, linewidth=1.0, linestyle="--", label='published "upper bound"')
    axes.plot(distance, lower - origin, color=VERMILION, linewidth=1.0, linestyle="-.", label='published "lower bound"')
    zero = np.isfinite(exact) & np.isfinite(lower) & np.isnan(upper)
    feet = axes.get_xaxis_transform()
    axes.plot(
        distance[zero],
        np.full(zero.sum(), 0.02),
        "x",
        transform=feet,
        color=VERMILION,
        markersize=4,
        label='where the "upper bound" is 0',
    )
    ends = ("lower_constant", "upper_constant") if constant else ("approximation",)
    taylor = np.array([curves[f"log_taylor_{end}"] - origin for end in ends]).T
    labels = ["Taylor approximation", *[None] * (len(ends) - 1)]
    axes.plot(distance, taylor, color=PURPLE, linewidth=1.0, linestyle=":", label=labels)
    axes.plot(distance, exact - origin, color="black", linewidth=1.3, label="intersection")


def _draw_fits(axes: Axes, distance: NDArray[Any], shown: slice, here: Mapping[str, Any]) -> None:
    """The exponentials that were fitted, with their inverse temperatures."""
    cosine = 1 - 2 * distance[shown] / distance[-1]
    for line, (what, (words, colour)) in enumerate(FITS.items()):
        beta = here[f"beta_{what}"]
        fitted = (here[f"bias_{what}"] + beta * cosine) / np.log(10)
        axes.plot(distance[shown], fitted, color=colour, linewidth=0.9, linestyle=(0, (5, 2)), label=f"fitted {words}")
        if np.isfinite(beta):
            place, text = (0.96, 0.95 - 0.07 * line), rf"$\beta = {beta:.4g}$"
            axes.annotate(text, place, xycoords="axes fraction", ha="right", va="top", fontsize=8, color=colour)


def draw_components(
    radii: NDArray[np.int64], distance: NDArray[np.int64], components: Mapping[str, Array], caption: str
) -> Figure:
    """The factors of the published upper bound over the distance, each over what it is at the first.

    Parameters
    ----------
    radii : (radii,) array
    distance : (distances,) array
    components : mapping
        Logarithms (radii, distances) of each factor by its name.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(2.6 * len(radii) + 1.6, 3.4), layout="constrained")
        panels = figure.subplots(1, len(radii), squeeze=False, sharey=True)[0]
        for row, (axes, radius) in enumerate(zip(panels, radii, strict=True)):
            for (name, logs), colour in zip(components.items(), (BLUE, GREEN, VERMILION), strict=True):
                axes.plot(distance, _decimal(logs[row]), color=colour, linewidth=1.2, label=name)
            axes.set_title(f"$d = {radius}$", fontsize=8)
        panels[0].set_ylabel(r"$\log_{10}$ factor, relative to $d_v = 1$")
        figure.supxlabel(r"Hamming distance $d_v$ of the centres", fontsize=10)
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure
