"""Bifurcation diagrams: density of the visited values over the swept parameter, with zero-plane sections."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.meanfield.exponents import Exponents, draw_dimension, draw_exponents, exponent_handles, mark_lines
from mfattn.figures.style import AXIS_LABELS, CYCLE, cells, feature_symbol, house_style

LARGEST_COLUMNS, LARGEST_ROWS = 800, 240
"""Size of a panel's image: below its pixels in a saved figure, so that no row or column is dropped."""

DARKEST_SHARE = 0.03
"""Share of the recorded steps in one bin from which on a bin is black."""

SECTION_SHARE = 0.08
"""Share of a column that one section may cover; a denser one is thinned evenly, so that the density shows between."""

INK = LinearSegmentedColormap.from_list("ink", [(0.80, 0.80, 0.80), (0.45, 0.45, 0.45), (0.0, 0.0, 0.0)])


@dataclass(frozen=True, eq=False)
class Diagram:
    """One panel: a feature of an observable.

    `counts` (values, bins) are the steps in each bin; `sections` holds, for each other feature j, the steps in each bin
    at which j lies in the zero plane.
    """

    observable: str
    feature: int
    edges: NDArray[np.float64]
    counts: NDArray[np.unsignedinteger]
    total: int
    sections: Mapping[int, NDArray[np.unsignedinteger]]

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        observable: str,
        feature: int,
        sections: Sequence[int],
        points: slice = slice(None),
    ) -> "Diagram":
        """The panel of FEATURE, with the SECTIONS of some features, from some points of a result."""
        index = list(arrays["features"]).index(feature)
        counts = arrays[f"raster_{observable}"][points, index]
        outside = arrays[f"outside_{observable}"][points, index].sum(axis=1, dtype=np.int64)
        total = int((counts.sum(axis=1, dtype=np.int64) + outside).max())
        chosen = {
            int(j): arrays[f"section_{observable}"][points, pair]
            for pair, (i, j) in enumerate(arrays["section_pairs"])
            if i == feature and j in sections
        }
        return cls(observable, feature, arrays["bin_edges"], counts, total, chosen)


def draw_diagrams(
    values: NDArray[np.float64],
    parameter: str,
    diagrams: Sequence[Sequence[Diagram]],
    caption: str,
    measured: Exponents | None = None,
) -> Figure:
    """Figure with a panel for each diagram, rows over columns, above one axis of the swept PARAMETER.

    Parameters
    ----------
    values : (values,) array
        The swept parameter, evenly spaced.
    parameter : str
        Its name: 'beta', 'gamma' or 'epsilon'.
    diagrams : rows of Diagram
        All rows of the same length.
    caption : str
        Line above the panels.
    measured : Exponents
        Drawn in panels below, the exponents and the dimension, and marked in those of the diagrams.
    """
    columns = len(diagrams[0])
    below = [] if measured is None else [(draw_exponents, measured), (draw_dimension, measured)]
    rows = len(diagrams) + math.ceil(len(below) / columns)
    with house_style():
        figure, axes = panel_grid(rows, columns, legend_rows=1 + 2 * bool(below))
        norm = shading(diagrams[0][0].total)
        for row, line in zip(axes, diagrams, strict=False):
            for panel, diagram in zip(row, line, strict=True):
                draw_density(panel, values, diagram, norm)
                if measured is not None:
                    mark_lines(panel, measured)
        for panel, (draw, shown) in zip(axes[len(diagrams) :].ravel(), below, strict=False):
            draw(panel, values, shown)
        for panel in axes[-1]:
            panel.set_xlabel(AXIS_LABELS[parameter])
        axes[0, 0].set_title(caption, loc="left")
        add_shading_bar(axes[0, -1], norm)
        _add_legend(figure, diagrams, measured)
    return figure


def panel_grid(
    rows: int, columns: int, *, legend_rows: int, row_height: float = 2.0, head: float = 0.4, alike: bool = False
) -> tuple[Figure, NDArray[Any]]:
    """Panels of one size whatever their number; placed by hand, which takes no trial drawing.

    The HEAD above them is for titles; where those of a row are ALIKE, they share an axis.
    """
    foot = 0.6 + 0.3 * legend_rows
    width, height = 1.9 + 4.5 * columns, head + foot + row_height * rows
    figure = Figure(figsize=(width, height))
    margins = {"left": 0.75 / width, "right": 1 - 1.15 / width, "bottom": foot / height, "top": 1 - head / height}
    room = {"wspace": 0.12 if alike else 0.2, "hspace": 0.1}
    axes = figure.subplots(
        rows,
        columns,
        sharex=True,
        sharey="row" if alike else False,
        squeeze=False,
        gridspec_kw={**margins, **room},
    )
    figure.align_ylabels(axes)
    return figure, axes


def add_shading_bar(panel: Axes, norm: LogNorm) -> None:
    """The scale of the densities, beside the upper right PANEL."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    height, place = figure.get_size_inches()[1], panel.get_position()
    bar = figure.add_axes((place.x1 + 0.015, place.y1 - 3 / height, 0.012, 3 / height))
    figure.colorbar(ScalarMappable(norm, INK), cax=bar, extend="max", label="share of steps in a bin")


def shading(total: int) -> LogNorm:
    """Logarithmic shades from a single step of TOTAL to `DARKEST_SHARE`, over a decade at the least."""
    return LogNorm(min(1 / total, DARKEST_SHARE / 10), DARKEST_SHARE, clip=True)


def _add_legend(figure: Figure, diagrams: Sequence[Sequence[Diagram]], measured: Exponents | None) -> None:
    add_section_legend(figure, diagrams, "lower center" if measured is None else "lower left")
    if measured is None:
        return
    own = exponent_handles(measured)
    figure.legend(handles=own, title=_LEGEND, loc="lower right", ncols=math.ceil(len(own) / 3))


def add_section_legend(
    figure: Figure,
    diagrams: Sequence[Sequence[Diagram]],
    place: Literal["lower left", "lower center"],
    bottom: float = 0.0,
) -> None:
    """Colours of the sections that diagrams show, if any."""
    crossed = sorted({j for line in diagrams for diagram in line for j in diagram.sections})
    handles = [Line2D([], [], linestyle="", marker="s", markersize=4, color=_colour(j)) for j in crossed]
    title = "zero-plane section: steps at which\nthis other feature is within the plane"
    if crossed:
        box = (0, bottom, 1, 1 - bottom)
        names = list(map(str, crossed))
        figure.legend(handles, names, title=title, ncols=len(crossed), loc=place, bbox_to_anchor=box)


_LEGEND = "exponents with bands of two standard errors; regimes; bifurcation points of rest states and cycles"


def _colour(feature: int) -> str:
    return CYCLE[(feature - 1) % len(CYCLE)]


def draw_density(
    axes: Axes,
    values: NDArray[np.float64],
    diagram: Diagram,
    norm: LogNorm,
    bins: tuple[int, int] | None = None,
) -> None:
    """Density as an image in grey, the sections over it in colour; over a range of BINS, or those that are occupied."""
    low, high = bins or occupied_bins(diagram.counts)
    columns, rows = math.ceil(len(values) / LARGEST_COLUMNS), math.ceil((high - low) / LARGEST_ROWS)
    image = _render(diagram, slice(low, high), columns, rows, norm)
    left, right_cell = cells(values)
    step = (right_cell - left) / len(values)
    bottom, bin_width = diagram.edges[low], diagram.edges[1] - diagram.edges[0]
    # The last cells may reach beyond the last value and bin; the limits below cut them there.
    right, top = left + image.shape[1] * columns * step, bottom + image.shape[0] * rows * bin_width
    axes.imshow(image, origin="lower", aspect="auto", extent=(left, right, bottom, top), interpolation="nearest")
    axes.set_xlim(min(left, right_cell), max(left, right_cell))
    axes.set_ylim(bottom, diagram.edges[high])
    axes.set_ylabel(f"${feature_symbol(diagram.observable, diagram.feature)}$")


def _render(diagram: Diagram, bins: slice, columns: int, rows: int, norm: LogNorm) -> NDArray[np.uint8]:
    """Image (bins, values, RGBA) of a panel, with a cell for each so many values (COLUMNS) and bins (ROWS)."""
    pooled = _pool(diagram.counts[:, bins], columns, rows).T
    image = INK(norm(pooled / max(1, diagram.total)), bytes=True)
    # Empty bins are clear: a panel may be tinted.
    image[pooled == 0] = (255, 255, 255, 0)
    for feature, section in sorted(diagram.sections.items()):
        # One value out of each pooled few: pooled, the dots of a chaotic band would hide the density.
        hit = _thin(_pool(section[::columns, bins], 1, rows).T > 0)
        image[hit] = np.multiply(to_rgba(_colour(feature)), 255)
    return image


def _thin(hit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every k-th hit of each column, k the least that covers no more than `SECTION_SHARE` of it."""
    every = np.maximum(1, np.ceil(hit.sum(axis=0) / (SECTION_SHARE * len(hit)))).astype(int)
    rank = np.cumsum(hit, axis=0) + 7 * np.arange(hit.shape[1])
    return hit & (rank % every == 0)


def occupied_bins(counts: NDArray[np.unsignedinteger]) -> tuple[int, int]:
    """Range of bins that hold anything, with a margin; all of them where none does."""
    held = np.flatnonzero(counts.any(axis=0))
    if held.size == 0:
        return 0, counts.shape[1]
    margin = max(3, (held[-1] - held[0]) // 30)
    return max(0, int(held[0]) - margin), min(counts.shape[1], int(held[-1]) + 1 + margin)


def _pool(counts: NDArray[np.unsignedinteger], columns: int, rows: int) -> NDArray[np.unsignedinteger]:
    """Largest count of each cell of COLUMNS values and ROWS bins, so that thin lines survive."""
    if columns > 1:
        counts = np.maximum.reduceat(counts, np.arange(0, counts.shape[0], columns), axis=0)
    if rows > 1:
        counts = np.maximum.reduceat(counts, np.arange(0, counts.shape[1], rows), axis=1)
    return counts
