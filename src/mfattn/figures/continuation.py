"""Continuation diagrams: densities of several chains over each other, and where their attractors differ."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mfattn.figures.bifurcation import (
    INK,
    LARGEST_COLUMNS,
    LARGEST_ROWS,
    occupied_bins,
    panel_grid,
    pooled_counts,
    shading,
)
from mfattn.figures.exponents import LOWEST
from mfattn.figures.style import (
    AXIS_LABELS,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    cells,
    feature_symbol,
    house_style,
    regime_handles,
    regime_image,
)

CHAIN_COLOURS = (BLUE, ORANGE, PURPLE, GREEN, SKY, VERMILION)

SHOWN_EXPONENTS = 2
"""Leading exponents of each chain that are drawn."""

LEAST_DISTANCE = 1e-5
"""Distance below which chains are drawn as equal."""


def draw_continuation(
    arrays: Mapping[str, NDArray[Any]],
    parameter: str,
    shown: Sequence[tuple[str, int]],
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
        What has a panel, row by row.
    labels : sequence of str
        Name of each regime.
    caption : str
        Line above the panels.
    """
    chains = len(arrays["chain_name"])
    values = arrays[parameter].reshape(chains, -1)[0]
    observables = len({name for name, _ in shown})
    measured = "regime" in arrays
    apart = np.asarray(arrays["chain_apart"].any(axis=0))
    below = [_draw_distances] * (chains > 1) + [_draw_exponents, _draw_regimes] * measured
    rows = len(shown) // observables
    with house_style():
        figure, axes = panel_grid(rows + -(-len(below) // observables), observables, legend_rows=3)
        for panel, (name, feature) in zip(axes.ravel(), shown, strict=False):
            _draw_densities(panel, values, arrays, name, feature)
        for panel, draw in zip(axes[rows:].ravel(), below, strict=False):
            draw(panel, values, arrays, labels)
        for panel in axes[rows:].ravel()[len(below) :]:
            panel.set_axis_off()
        for panel in axes.ravel()[: len(shown) + len(below)]:
            _shade(panel, values, apart)
        for column in axes.T:
            lowest = [panel for panel in column if panel.axison][-1]
            lowest.tick_params(labelbottom=True)
            lowest.set_xlabel(AXIS_LABELS[parameter])
        axes[0, 0].set_title(caption, loc="left")
        _add_legends(figure, arrays, labels)
    return figure


def _colour(chain: int) -> str:
    return CHAIN_COLOURS[chain % len(CHAIN_COLOURS)]


def _mixed(*chains: int) -> str:
    """Colour of what several chains visit, but not all."""
    return to_hex(np.mean([to_rgb(_colour(chain)) for chain in chains], axis=0))


def _draw_densities(
    axes: Axes, values: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]], name: str, feature: int
) -> None:
    """Grey where all chains go, darker where they stay longer; in their colours where only some go."""
    chains, index = len(arrays["chain_name"]), list(arrays["features"]).index(feature)
    counts = arrays[f"raster_{name}"][:, index].reshape(chains, len(values), -1)
    low, high = occupied_bins(counts.reshape(chains * len(values), -1))
    columns, rows = -(-len(values) // LARGEST_COLUMNS), -(-(high - low) // LARGEST_ROWS)
    pooled = np.array([pooled_counts(chain[:, low:high], columns, rows).T for chain in counts])
    total = max(1, int(counts.sum(axis=2, dtype=np.int64).max()))
    image = _overlay(pooled, total, shading(total))
    left, right = cells(values)
    step, bins = (right - left) / len(values), arrays["bin_edges"]
    extent = (
        left,
        left + image.shape[1] * columns * step,
        bins[low],
        bins[low] + image.shape[0] * rows * (bins[1] - bins[0]),
    )
    axes.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    axes.set(xlim=(min(left, right), max(left, right)), ylim=(bins[low], bins[high]))
    axes.set_ylabel(f"${feature_symbol(name, feature)}$")


def _overlay(pooled: NDArray[np.unsignedinteger], total: int, norm: LogNorm) -> NDArray[np.float64]:
    """Image (bins, values, RGBA) of the pooled counts (chains, bins, values)."""
    visited = pooled > 0
    image: NDArray[np.float64] = INK(norm(pooled.max(axis=0) / total))
    colours = np.array([to_rgb(_colour(chain)) for chain in range(len(pooled))])
    some = visited.any(axis=0) & ~visited.all(axis=0)
    mixed = np.tensordot(visited, colours, axes=(0, 0)) / np.maximum(visited.sum(axis=0), 1)[..., np.newaxis]
    image[some, :3] = mixed[some]
    image[~visited.any(axis=0), 3] = 0.0
    return image


def _draw_distances(
    axes: Axes, values: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]
) -> None:
    for (first, second), distance in zip(arrays["chain_pair"], arrays["chain_distance"], strict=True):
        height = np.maximum(distance, LEAST_DISTANCE)
        axes.plot(values, height, color=_colour(first), linewidth=1.6)
        axes.plot(values, height, color=_colour(second), linewidth=1.6, linestyle=(0, (2, 2)))
    axes.set(yscale="log", ylim=(LEAST_DISTANCE / 1.5, 2.0), ylabel="distance of chains")


def _draw_exponents(
    axes: Axes, values: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]
) -> None:
    chains = len(arrays["chain_name"])
    exponents = arrays["exponents"].reshape(chains, len(values), -1)[..., :SHOWN_EXPONENTS]
    for chain, own in enumerate(exponents):
        for number, exponent in enumerate(own.T):
            finite = np.where(np.isfinite(exponent), exponent, np.nan)
            axes.plot(values, finite, color=_colour(chain), linewidth=0.8, alpha=1.0 if number == 0 else 0.45)
    axes.axhline(0, color="black", linewidth=0.5)
    shown = exponents[exponents > LOWEST]
    low, high = (shown.min(), max(shown.max(), 0.0)) if shown.size else (LOWEST, 0.1)
    room = max(high - low, 1e-6)
    axes.set_ylim(low - 0.05 * room, high + 0.1 * room)
    symbols = ", ".join(rf"\lambda_{number}" for number in range(1, exponents.shape[2] + 1))
    axes.set_ylabel(f"${symbols}$ [1/step]")


def _draw_regimes(
    axes: Axes, values: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]
) -> None:
    """A strip for each chain."""
    names = arrays["chain_name"]
    strips = regime_image(arrays["regime"].reshape(len(names), -1), labels)
    left, right = cells(values)
    for row, strip in enumerate(strips):
        extent = (left, right, row - 0.32, row + 0.32)
        axes.imshow(strip[np.newaxis], extent=extent, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(names)), list(names))
    axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(min(left, right), max(left, right)))
    axes.plot(values[arrays["chain_origin"]], range(len(names)), "k>", markersize=5, clip_on=False)


def _shade(axes: Axes, values: NDArray[np.float64], apart: NDArray[np.bool_]) -> None:
    """Values at which chains are on different attractors, as a tint behind a panel."""
    left, right = cells(values)
    tint = np.ones((1, len(values), 4))
    tint[0, apart, :3] = (1.0, 0.93, 0.75)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        tint,
        extent=(left, right, 0, 1),
        transform=axes.get_xaxis_transform(),
        aspect="auto",
        zorder=-1,
        interpolation="nearest",
    )
    axes.set(xlim=limits[0], ylim=limits[1])


def _add_legends(figure: Figure, arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]) -> None:
    names = arrays["chain_name"]
    handles: list[Any] = [Patch(color=_colour(chain), label=f"only {name}") for chain, name in enumerate(names)]
    if len(names) > 1:
        handles += [Patch(color=_mixed(0, 1), label="some chains: mixed colours")] * (len(names) > 2)
        handles += [
            Patch(color="0.45", label="all chains, darker where they stay longer"),
            Patch(color=(1.0, 0.93, 0.75), label="different attractors"),
        ]
    handles.append(Line2D([], [], linestyle="", marker=">", color="black", markersize=5, label="start of a chain"))
    figure.legend(handles=handles, loc="lower left", ncols=2, title="chains")
    if "regime" in arrays:
        regimes = regime_handles(arrays["regime"], labels)
        figure.legend(handles=regimes, loc="lower right", ncols=-(-len(regimes) // 3), title="regimes")
