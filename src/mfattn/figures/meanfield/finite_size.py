"""Finite networks beside the mean field: series and planes together, laws in N, and diagrams side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mfattn.figures.meanfield.bifurcation import (
    Diagram,
    add_shading_bar,
    draw_density,
    occupied_bins,
    panel_grid,
    shading,
)
from mfattn.figures.style import AXIS_LABELS, BLUE, CYCLE, VERMILION, feature_symbol, house_style

Array = NDArray[np.float64]

DRAWN_FEATURES = 3
"""The first so many features are drawn."""

MOST_POINTS = 20_000
"""Steps of an orbit that are drawn in a plane."""

FEW_POINTS, SAME_POINT = 500, 9
"""Distinct points below which an orbit is drawn as dots, and decimals up to which points are the same."""

DASHED = (0, (4, 2))


@dataclass(frozen=True, eq=False)
class Overlaid:
    """Network and mean field of one observable, arrays (steps, M).

    `mean`, `lower` and `upper` are of networks that left the mean field with its context: their mean, and the band that
    holds 95 % of them; `beside` is the mean field's orbit from there. `network` and `mean_field` are orbits of both
    from their start, past the transient.
    """

    mean: Array
    lower: Array
    upper: Array
    beside: Array
    network: Array
    mean_field: Array


class Line(Protocol):
    """A fitted line, such as `mfattn.meanfield.finite_size.Law`."""

    @property
    def slope(self) -> float:
        """Its slope."""

    @property
    def error(self) -> float:
        """Half-width of the confidence interval of the slope."""

    def at(self, x: Array) -> Array:
        """Its values."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Values for each size with standard errors, and the line through them, if there is one."""

    values: Array
    errors: Array
    line: Line | None


@dataclass(frozen=True, eq=False)
class Laws:
    """What a figure of the laws in N shows.

    `curves` (sizes, steps) is the deviation at the first steps beside the mean field. `powers` are quantities that
    follow a power of N, with lines of the logarithms to base 10; `times` is when the deviation exceeds the threshold,
    with a line over ln N, and `diverged` is the share of networks that ever did. `exponent` is the leading one of the
    mean field, where it is positive.
    """

    size: NDArray[np.int64]
    curves: Array
    powers: Mapping[str, Measured]
    times: Measured
    diverged: Array
    threshold: float
    exponent: float | None


def draw_pair(pairs: Mapping[str, Overlaid], caption: str) -> Figure:
    """Page with a row for each observable: time series with the band of the networks, and planes of both orbits.

    Parameters
    ----------
    pairs : mapping
        By observable.
    caption : str
        Line above the panels.
    """
    features = min(next(iter(pairs.values())).beside.shape[1], DRAWN_FEATURES)
    planes = [(0, other) for other in range(1, features)]
    with house_style():
        figure, grid = _page(len(pairs), len(planes))
        for row, (name, pair) in zip(grid, pairs.items(), strict=True):
            _draw_series(row[0], name, pair, features)
            for axes, plane in zip(row[1:], planes, strict=True):
                _draw_plane(axes, name, pair, *plane)
        for axes in grid[:-1, 0]:
            axes.tick_params(labelbottom=False)
        grid[-1, 0].set_xlabel("steps since networks and mean field had one context")
        grid[0, 0].set_title(caption, loc="left")
        handles = [
            Line2D([], [], color="black", linewidth=0.9, linestyle=DASHED, label="mean field"),
            *(Line2D([], [], color=CYCLE[i], label=f"networks' mean, feature {i + 1}") for i in range(features)),
            Patch(color="0.8", label="networks, quantiles 2.5 to 97.5 %"),
        ]
        if planes:
            handles += [_dot("black", "mean field"), _dot(VERMILION, "one network")]
        figure.legend(handles=handles, loc="lower center", ncols=4)
    return figure


def _page(rows: int, planes: int) -> tuple[Figure, NDArray[Any]]:
    """Wide panels, and planes beside them; placed by hand, which takes no trial drawing."""
    width, height, foot = 5.35 + 2.35 * planes, 1.75 * rows + 1.25, 0.95
    figure = Figure(figsize=(width, height))
    margins = {"left": 0.85 / width, "right": 1 - 0.1 / width, "bottom": foot / height, "top": 1 - 0.3 / height}
    ratios = [2.6] + [1.0] * planes
    grid = figure.subplots(
        rows,
        len(ratios),
        squeeze=False,
        gridspec_kw={**margins, "width_ratios": ratios, "wspace": 0.42, "hspace": 0.36},
    )
    figure.align_ylabels(grid[:, 0])
    return figure, grid


def _dot(colour: str, label: str) -> Line2D:
    return Line2D([], [], linestyle="", marker="o", markersize=3, color=colour, label=label)


def _draw_series(axes: Axes, name: str, pair: Overlaid, features: int) -> None:
    steps = np.arange(1, len(pair.beside) + 1)
    for feature in range(features):
        band = pair.lower[:, feature], pair.upper[:, feature]
        axes.fill_between(steps, *band, color=CYCLE[feature], alpha=0.25, linewidth=0)
        axes.plot(steps, pair.mean[:, feature], color=CYCLE[feature], linewidth=1.1)
    axes.plot(steps, pair.beside[:, :features], color="black", linewidth=0.6, linestyle=DASHED)
    if len(steps) > 1:
        axes.set_xlim(steps[0], steps[-1])
    axes.set_ylabel(f"${feature_symbol(name, 'a')}$")


def _draw_plane(axes: Axes, name: str, pair: Overlaid, first: int, second: int) -> None:
    for orbit, colour in ((pair.network, VERMILION), (pair.mean_field, "black")):
        shown = orbit[-MOST_POINTS:, [first, second]]
        points = np.unique(shown.round(SAME_POINT), axis=0)
        # The few points of a cycle would hide among those of the network.
        marker = "." if len(points) < FEW_POINTS else ","
        axes.plot(*points.T, marker, color=colour, markersize=3, rasterized=True)
    axes.set_xlabel(f"${feature_symbol(name, first + 1)}$", labelpad=1)
    axes.set_ylabel(f"${feature_symbol(name, second + 1)}$", labelpad=1)


def draw_scaling(laws: Laws, caption: str) -> Figure:
    """Deviation from the mean field over time, and over N with its law; divergence times over N."""
    with house_style():
        figure = Figure(figsize=(12.4, 3.9), layout="constrained")
        growth, powers, times = figure.subplots(1, 3)
        colours = colormaps["viridis"](np.linspace(0, 0.92, len(laws.size)))
        for size, curve, colour in zip(laws.size, laws.curves, colours, strict=True):
            growth.plot(np.arange(1, len(curve) + 1), curve, color=colour, linewidth=0.9, label=f"{size:,}")
        growth.axhline(laws.threshold, color="0.5", linewidth=0.7, linestyle=":")
        growth.set(xlabel="steps since networks and mean field had one context", yscale=_scale(laws.curves))
        growth.set_ylabel("deviation of the attention vector")
        growth.legend(title="$N$", fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
        _draw_powers(powers, laws)
        _draw_times(times, laws)
        figure.suptitle(caption, x=0.01, ha="left", fontsize=9)
    return figure


def _scale(*values: Array) -> str:
    """A logarithmic axis where some value has a logarithm."""
    return "log" if any((array > 0).any() for array in values) else "linear"


def _draw_powers(axes: Axes, laws: Laws) -> None:
    for (what, measured), colour in zip(laws.powers.items(), (BLUE, VERMILION), strict=True):
        axes.errorbar(
            laws.size, measured.values, np.nan_to_num(measured.errors), fmt="o", markersize=4, color=colour, label=what
        )
        line = measured.line
        if line is None:
            axes.plot(laws.size, measured.values, color=colour, linewidth=0.6, linestyle=":")
        else:
            error = rf" \pm {line.error:.3f}" if np.isfinite(line.error) else ""
            axes.plot(
                laws.size,
                10 ** line.at(np.log10(laws.size)),
                color=colour,
                linewidth=0.8,
                label=f"$N^{{{line.slope:.3f}{error}}}$",
            )
    scale = _scale(*(measured.values for measured in laws.powers.values()))
    axes.set(xscale="log", yscale=scale, xlabel="semantic bits $N$")
    axes.legend()


def _draw_times(axes: Axes, laws: Laws) -> None:
    times, open_end = laws.times, laws.diverged < 1
    axes.errorbar(laws.size, times.values, np.nan_to_num(times.errors), fmt="ko", markersize=4)
    if open_end.any():
        label = "some networks never did: counted with all steps"
        axes.plot(
            laws.size[open_end],
            times.values[open_end],
            "ko",
            markerfacecolor="white",
            markersize=4,
            zorder=3,
            label=label,
        )
        axes.legend(loc="lower right", fontsize=7)
    if times.line is not None:
        axes.plot(laws.size, times.line.at(np.log(laws.size)), color="0.5", linewidth=0.8)
        lines = [rf"$({times.line.slope:.1f} \pm {times.line.error:.1f})\,\ln N$"]
        if laws.exponent is not None:
            lines.append(rf"$1/2\lambda_1 = {1 / (2 * laws.exponent):.1f}$")
        axes.annotate("\n".join(lines), (0.05, 0.95), xycoords="axes fraction", va="top")
    axes.set(xscale="log", xlabel="semantic bits $N$", ylabel=f"steps until the deviation exceeds {laws.threshold:g}")


def draw_beside(
    values: Array, parameter: str, diagrams: Sequence[Sequence[Diagram]], titles: Sequence[str], caption: str
) -> Figure:
    """Diagrams with a row for each feature, and columns for the mean field and for networks of each size.

    Parameters
    ----------
    values : (values,) array
        The swept parameter, evenly spaced.
    parameter : str
        Its name.
    diagrams : rows of Diagram
        All rows of the same length.
    titles : sequence of str
        One a column.
    caption : str
        Line above the panels.
    """
    with house_style():
        figure, grid = panel_grid(len(diagrams), len(titles), legend_rows=0, head=0.6, alike=True)
        norm = shading(diagrams[0][0].total)
        for row, line in zip(grid, diagrams, strict=True):
            ranges = [occupied_bins(diagram.counts) for diagram in line]
            bins = min(low for low, _ in ranges), max(high for _, high in ranges)
            for axes, diagram in zip(row, line, strict=True):
                draw_density(axes, values, diagram, norm, bins)
            for axes in row[1:]:
                axes.set_ylabel("")
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, loc="left")
        for axes in grid[-1]:
            axes.set_xlabel(AXIS_LABELS[parameter])
        width, height = figure.get_size_inches()
        figure.suptitle(caption, x=0.75 / width, y=1 - 0.12 / height, ha="left", va="top", fontsize=9)
        add_shading_bar(grid[0, -1], norm)
    return figure
