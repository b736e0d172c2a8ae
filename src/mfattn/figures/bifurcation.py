"""Bifurcation diagrams: density of the visited values over the swept parameter, with zero-plane sections."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfattn.figures.style import AXIS_LABELS, CYCLE, feature_symbol, house_style

LARGEST_COLUMNS, LARGEST_ROWS = 1600, 700
"""Size of a panel's image, about twice what it shows on a screen."""

DARKEST_SHARE = 0.03
"""Share of the recorded steps in one bin from which on a bin is black."""

_INK = LinearSegmentedColormap.from_list("ink", [(0.80, 0.80, 0.80), (0.45, 0.45, 0.45), (0.0, 0.0, 0.0)])


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
        cls, arrays: Mapping[str, NDArray[Any]], observable: str, feature: int, sections: Sequence[int]
    ) -> "Diagram":
        """The panel of FEATURE, with the SECTIONS of some features, from a bifurcation result."""
        index = list(arrays["features"]).index(feature)
        counts = arrays[f"raster_{observable}"][:, index]
        total = int(counts[0].sum()) + int(arrays[f"outside_{observable}"][0, index].sum())
        chosen = {
            int(j): arrays[f"section_{observable}"][:, pair]
            for pair, (i, j) in enumerate(arrays["section_pairs"])
            if i == feature and j in sections
        }
        return cls(observable, feature, arrays["bin_edges"], counts, total, chosen)


def draw_diagrams(
    values: NDArray[np.float64], parameter: str, diagrams: Sequence[Sequence[Diagram]], caption: str
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
    """
    rows, columns = len(diagrams), len(diagrams[0])
    with house_style():
        figure = Figure(figsize=(1.2 + 4.6 * columns, 0.9 + 2.1 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
        norm = LogNorm(1 / diagrams[0][0].total, DARKEST_SHARE, clip=True)
        if norm.vmin is not None and norm.vmin >= DARKEST_SHARE:
            norm = LogNorm(DARKEST_SHARE / 10, DARKEST_SHARE, clip=True)
        for row, line in zip(axes, diagrams, strict=True):
            for panel, diagram in zip(row, line, strict=True):
                _draw_panel(panel, values, diagram, norm)
        for panel in axes[-1]:
            panel.set_xlabel(AXIS_LABELS[parameter])
        figure.suptitle(caption, fontsize=9)
        shades = mpl.cm.ScalarMappable(norm, _INK)
        figure.colorbar(shades, ax=axes, label="share of the recorded steps in a bin", shrink=0.6, aspect=35, pad=0.01)
        _add_legend(figure, diagrams)
    return figure


def _add_legend(figure: Figure, diagrams: Sequence[Sequence[Diagram]]) -> None:
    crossed = sorted({j for line in diagrams for diagram in line for j in diagram.sections})
    if not crossed:
        return
    handles = [Line2D([], [], linestyle="", marker="s", markersize=4, color=_colour(j)) for j in crossed]
    labels = [f"section: feature {j} within the zero plane" for j in crossed]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(crossed), handletextpad=0.2)


def _colour(feature: int) -> str:
    return CYCLE[(feature - 1) % len(CYCLE)]


def _draw_panel(axes: Axes, values: NDArray[np.float64], diagram: Diagram, norm: LogNorm) -> None:
    """Density as an image in grey, the sections over it in colour."""
    order = slice(None) if values[0] <= values[-1] else slice(None, None, -1)
    low, high = _occupied(diagram.counts)
    step = abs(values[-1] - values[0]) / max(len(values) - 1, 1) or max(abs(values[0]), 1.0) * 1e-3
    extent = (
        float(values.min() - step / 2),
        float(values.max() + step / 2),
        float(diagram.edges[low]),
        float(diagram.edges[high]),
    )
    stride, height = math.ceil(len(values) / LARGEST_COLUMNS), math.ceil((high - low) / LARGEST_ROWS)
    share = _pool(diagram.counts[order, low:high], stride, height) / diagram.total
    image = np.ma.masked_equal(share.T, 0)
    options: dict[str, Any] = {"origin": "lower", "aspect": "auto", "extent": extent, "interpolation": "nearest"}
    axes.imshow(image, cmap=_INK, norm=norm, **options)
    for feature, section in sorted(diagram.sections.items()):
        # One value out of each pooled few: pooled, the dots of a chaotic band would hide the density.
        hit = _pool(section[order][::stride, low:high], 1, height).T > 0
        overlay = np.zeros((*hit.shape, 4))
        overlay[hit] = to_rgba(_colour(feature))
        axes.imshow(overlay, **options)
    axes.set_ylabel(f"${feature_symbol(diagram.observable, diagram.feature)}$")


def _occupied(counts: NDArray[np.unsignedinteger]) -> tuple[int, int]:
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
