"""Continuation diagrams: a column for each chain, with its density, exponents, and distance to the other chains."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mfattn.figures.meanfield.bifurcation import (
    Diagram,
    add_section_legend,
    add_shading_bar,
    draw_density,
    occupied_bins,
    panel_grid,
    shading,
)
from mfattn.figures.meanfield.exponents import Exponents, draw_exponents, exponent_handles
from mfattn.figures.style import AXIS_LABELS, PARAMETER_SYMBOLS, cells, house_style

SHOWN_EXPONENTS = 4
"""Leading exponents of each chain that are drawn."""

LEAST_DISTANCE = 1e-5
"""Distance below which chains are drawn as equal."""

APART = (1.0, 0.91, 0.68)
"""Colour behind the values at which a chain is on another attractor."""

LINES = [(colour, style) for style in ("-", (0, (3, 2)), ":") for colour in ("black", "0.6")]
"""Colour and style of the distance to each chain."""


def draw_continuation(
    arrays: Mapping[str, NDArray[Any]],
    parameter: str,
    shown: Sequence[tuple[str, int]],
    sections: Sequence[int],
    labels: Sequence[str],
    caption: str,
) -> Figure:
    """Figure of a continuation result.

    Parameters
    ----------
    arrays : mapping
        The result: points ordered by chain, then by value.
    parameter : str
        Name of the swept parameter.
    shown : sequence of (observable, feature)
        What has a row of panels.
    sections : sequence of int
        Features whose zero-plane sections are drawn.
    labels : sequence of str
        Name of each regime.
    caption : str
        Line above the panels.
    """
    chains = len(arrays["chain_name"])
    values = arrays[parameter].reshape(chains, -1)[0]
    parts = [slice(chain * len(values), (chain + 1) * len(values)) for chain in range(chains)]
    diagrams = [[Diagram.of(arrays, *what, sections, part) for part in parts] for what in shown]
    measured = [_exponents(arrays, part, labels) for part in parts] if "regime" in arrays else []
    rows = len(shown) + bool(measured) + (chains > 1)
    with house_style():
        figure, axes = panel_grid(rows, chains, legend_rows=3 + 2 * (chains == 1), row_height=1.6, head=0.8, alike=True)
        _draw_densities(axes, values, diagrams, _apart(arrays))
        if measured:
            for panel, exponents in zip(axes[len(shown)], measured, strict=True):
                draw_exponents(panel, values, exponents)
            _show_all(axes[len(shown)])
        if chains > 1:
            _draw_distances(axes[-1], values, arrays)
        _add_titles(figure, axes, arrays, parameter, caption)
        _add_legends(figure, diagrams, measured)
    return figure


def _exponents(arrays: Mapping[str, NDArray[Any]], part: slice, labels: Sequence[str]) -> Exponents:
    exponents, errors = (arrays[name][part, :SHOWN_EXPONENTS] for name in ("exponents", "exponent_errors"))
    return Exponents(exponents, errors, arrays["kaplan_yorke"][part], arrays["regime"][part], labels, {})


def _apart(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether each chain, (chains, values), is on an attractor that another chain is not on."""
    apart = np.zeros((len(arrays["chain_name"]), arrays["chain_apart"].shape[1]), dtype=bool)
    for pair, flags in zip(arrays["chain_pair"], arrays["chain_apart"], strict=True):
        apart[pair] |= flags
    return apart


def _draw_densities(
    axes: NDArray[Any], values: NDArray[np.float64], diagrams: Sequence[Sequence[Diagram]], apart: NDArray[np.bool_]
) -> None:
    norm = shading(max(1, *(diagram.total for line in diagrams for diagram in line)))
    for row, line in zip(axes, diagrams, strict=False):
        bins = occupied_bins(np.concatenate([diagram.counts for diagram in line]))
        for panel, diagram, flags in zip(row, line, apart, strict=True):
            draw_density(panel, values, diagram, norm, bins)
            _tint(panel, values, flags)
            panel.label_outer()
    add_shading_bar(axes[0, -1], norm)


def _draw_distances(row: NDArray[Any], values: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Distance of the chain of each panel to every other chain."""
    names, apart = arrays["chain_name"], _apart(arrays)
    for pair, distance in zip(arrays["chain_pair"], arrays["chain_distance"], strict=True):
        for own, other in (pair, pair[::-1]):
            colour, style = LINES[other % len(LINES)]
            # A missing distance stays so.
            height = np.maximum(distance, LEAST_DISTANCE)
            row[own].plot(values, height, color=colour, linestyle=style, linewidth=0.9, label=f"to {names[other]}")
    for panel, flags in zip(row, apart, strict=True):
        panel.set(yscale="log", ylim=(LEAST_DISTANCE / 1.5, 30.0))
        panel.legend(loc="upper left", ncols=len(names), borderaxespad=0.1, handlelength=1.6)
        _tint(panel, values, flags)
    row[0].set_ylabel("distance [height]")


def _tint(axes: Axes, values: NDArray[np.float64], flags: NDArray[np.bool_]) -> None:
    """Flagged values as a tint behind a panel."""
    left, right = cells(values)
    image = np.where(flags[np.newaxis, :, np.newaxis], APART, 1.0)
    limits = axes.get_xlim(), axes.get_ylim()
    extent, across = (left, right, 0, 1), axes.get_xaxis_transform()
    axes.imshow(image, extent=extent, transform=across, aspect="auto", zorder=-1, interpolation="nearest")
    axes.set(xlim=limits[0], ylim=limits[1])


def _show_all(row: NDArray[Any]) -> None:
    """One range of heights for the panels of a row, and one label."""
    limits = np.array([panel.get_ylim() for panel in row])
    row[0].set_ylim(limits[:, 0].min(), limits[:, 1].max())
    for panel in row:
        panel.label_outer()


def _add_titles(
    figure: Figure, axes: NDArray[Any], arrays: Mapping[str, NDArray[Any]], parameter: str, caption: str
) -> None:
    """The name of each chain and where it starts, which a mark over the panel shows too."""
    place, height = axes[0, 0].get_position(), figure.get_size_inches()[1]
    figure.text(place.x0, 1 - 0.25 / height, caption, fontsize=9)
    for panel, name, origin in zip(axes[0], arrays["chain_name"], arrays["chain_origin"], strict=True):
        start = arrays[parameter][origin]
        panel.set_title(f"chain {name}, from ${PARAMETER_SYMBOLS[parameter]}$ = {start:.6g}", loc="left", pad=11)
        panel.plot(start, 1.03, "kv", markersize=5, transform=panel.get_xaxis_transform(), clip_on=False)
    for panel in axes[-1]:
        panel.set_xlabel(AXIS_LABELS[parameter])


def _add_legends(figure: Figure, diagrams: Sequence[Sequence[Diagram]], measured: Sequence[Exponents]) -> None:
    lonely, height = len(diagrams[0]) == 1, figure.get_size_inches()[1]
    handles: list[Any] = [
        Line2D([], [], linestyle="", marker="v", color="black", markersize=5, label="start of the chain")
    ]
    if not lonely:
        handles.append(Patch(color=APART, label="another chain is on another attractor"))
    if measured:
        every = np.concatenate([own.regimes for own in measured])
        first = measured[0]
        handles += exponent_handles(Exponents(first.exponents, first.errors, first.dimension, every, first.labels, {}))
    add_section_legend(figure, diagrams, "lower left", 0.95 / height if lonely else 0.0)
    figure.legend(handles=handles, loc="lower right", ncols=math.ceil(len(handles) / 3))
