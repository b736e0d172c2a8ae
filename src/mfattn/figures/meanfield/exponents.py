"""Lyapunov exponents over a swept parameter: panels under a diagram, histograms and the plane of the first two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.style import CYCLE, cells, house_style, regime_handles, regime_image

LOWEST = -0.5
"""Least exponent that a panel shows: what lies below is far from every bifurcation."""

BAND = 2.0
"""Half-width of the error bands in standard errors."""

MARKERS = {"fold": "v", "pitchfork": "D", "period doubling": "s", "Neimark-Sacker": "o"}

MOST_LINES = 40
"""Bifurcation points beyond which they are marked without a line through the panels."""


@dataclass(frozen=True, eq=False)
class Exponents:
    """Exponents (values, k), their errors, and the regimes over the values of a parameter."""

    exponents: NDArray[np.float64]
    errors: NDArray[np.float64]
    dimension: NDArray[np.float64]
    regimes: NDArray[np.int8]
    labels: Sequence[str]
    bifurcations: Mapping[str, NDArray[np.float64]]  # parameter values by kind

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]) -> "Exponents":
        """From the arrays of a result; LABELS names each regime."""
        kinds = arrays["bifurcation_kind"]
        points = {kind: arrays["bifurcation_parameter"][kinds == kind] for kind in MARKERS}
        return cls(
            arrays["exponents"],
            arrays["exponent_errors"],
            arrays["kaplan_yorke"],
            arrays["regime"],
            labels,
            {kind: values for kind, values in points.items() if values.size},
        )


def draw_exponents(axes: Axes, values: NDArray[np.float64], measured: Exponents) -> None:
    """Exponents with error bands, over the regimes as shades."""
    _shade(axes, values, measured)
    for number, (exponent, error) in enumerate(zip(measured.exponents.T, measured.errors.T, strict=True), start=1):
        colour = _colour(number)
        room = BAND * np.nan_to_num(error)
        finite = np.where(np.isfinite(exponent), exponent, np.nan)
        axes.fill_between(values, finite - room, finite + room, color=colour, alpha=0.3, linewidth=0)
        axes.plot(values, finite, color=colour, linewidth=0.5)
    axes.axhline(0, color="black", linewidth=0.5)
    shown = measured.exponents[measured.exponents > LOWEST]
    low, high = (shown.min(), max(shown.max(), 0.0)) if shown.size else (LOWEST, 0.1)
    room = max(high - low, 1e-6)
    axes.set_ylim(low - 0.05 * room, high + 0.18 * room)
    axes.set_ylabel(r"$\lambda_i$ [1/step]")
    _mark(axes, measured)


def draw_dimension(axes: Axes, values: NDArray[np.float64], measured: Exponents) -> None:
    """Kaplan-Yorke dimension, over the regimes as shades."""
    _shade(axes, values, measured)
    axes.plot(values, measured.dimension, ".", color="black", markersize=1.2)
    axes.set_ylabel("Kaplan–Yorke dimension")
    top = np.nanmax(measured.dimension, initial=1.0)
    axes.set_ylim(-0.08 * top, 1.15 * top)
    _mark(axes, measured)


def mark_lines(axes: Axes, measured: Exponents) -> None:
    """Thin lines at the bifurcation points."""
    points = np.concatenate([*measured.bifurcations.values(), []])
    if len(points) <= MOST_LINES:
        for point in points:
            axes.axvline(point, color="0.3", linewidth=0.35, linestyle=(0, (4, 3)))


def exponent_handles(measured: Exponents) -> list[Any]:
    """Handles for the legend: exponents, regimes, bifurcations."""
    lines = [
        Line2D([], [], color=_colour(i), label=rf"$\lambda_{{{i}}}$") for i in range(1, measured.exponents.shape[1] + 1)
    ]
    marks = [
        Line2D([], [], linestyle="", marker=MARKERS[kind], color="black", markersize=4, label=kind.replace("-", "–"))
        for kind in measured.bifurcations
    ]
    return [*lines, *regime_handles(measured.regimes, measured.labels), *marks]


def draw_statistics(measured: Exponents, caption: str) -> Figure:
    """Histograms of the exponents over all values, and the plane of the first two."""
    with house_style():
        several = measured.exponents.shape[1] > 1
        figure = Figure(figsize=(11.4 if several else 4.8, 3.6), layout="constrained")
        panels = figure.subplots(1, 2 if several else 1, squeeze=False)[0]
        _draw_histograms(panels[0], measured)
        panels[0].set_title(caption, loc="left")
        if several:
            _draw_plane(panels[1], measured)
        return figure


def _draw_histograms(axes: Axes, measured: Exponents) -> None:
    shown = measured.exponents[measured.exponents > LOWEST]
    edges = np.linspace(shown.min(), shown.max() + 1e-9, 101) if shown.size else np.linspace(LOWEST, 0, 101)
    for number, exponent in enumerate(measured.exponents.T, start=1):
        symbol = rf"$\lambda_{{{number}}}$"
        inside = exponent[exponent > LOWEST]
        axes.hist(inside, list(edges), color=_colour(number), histtype="step", linewidth=1.0, label=symbol)
    axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel=r"exponent $\lambda_i$ [1/step]", ylabel="values of the parameter")
    axes.axvline(0, color="black", linewidth=0.5)
    axes.legend(loc="upper left")


def _draw_plane(axes: Axes, measured: Exponents) -> None:
    for handle in regime_handles(measured.regimes, measured.labels):
        code = measured.labels.index(handle.get_label())
        first, second = measured.exponents[measured.regimes == code, :2].T
        axes.plot(first, second, ".", markersize=2.5, color=handle.get_facecolor(), label=handle.get_label())
    axes.axhline(0, color="black", linewidth=0.5)
    axes.axvline(0, color="black", linewidth=0.5)
    shown = measured.exponents[(measured.exponents[:, :2] > LOWEST).all(axis=1), :2]
    if shown.size:
        low, high = shown.min(axis=0), np.maximum(shown.max(axis=0), 0.01)
        room = 0.05 * (high - low)
        axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
    axes.set(xlabel=r"$\lambda_1$ [1/step]", ylabel=r"$\lambda_2$ [1/step]")
    axes.legend(markerscale=3, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _shade(axes: Axes, values: NDArray[np.float64], measured: Exponents) -> None:
    """Regimes as pale colours behind a panel."""
    image = 1.0 - 0.3 * (1.0 - regime_image(measured.regimes, measured.labels))
    left, right = cells(values)
    axes.imshow(
        image[np.newaxis], extent=(left, right, 0, 1), transform=axes.get_xaxis_transform(), aspect="auto", zorder=0
    )


def _mark(axes: Axes, measured: Exponents) -> None:
    """A marker for each bifurcation point along the top of a panel."""
    for kind, points in measured.bifurcations.items():
        height = np.full(len(points), 0.94)
        transform = axes.get_xaxis_transform()
        axes.plot(points, height, MARKERS[kind], color="black", markersize=3.5, transform=transform, clip_on=True)
    mark_lines(axes, measured)


def _colour(number: int) -> str:
    return ("black", *CYCLE)[(number - 1) % (len(CYCLE) + 1)]
