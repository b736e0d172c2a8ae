"""Accuracies over the width, alignment of the kernel, order parameters of the paths, and what else changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.paths.labels import draw_order_parameter, largest_size, width_axis
from mfattn.figures.style import BLUE, CYCLE, GREEN, ORANGE, PURPLE, SKY, VERMILION, grouped, house_style

Arrays = Mapping[str, NDArray[Any]]

THEORY: dict[str, Any] = {"color": VERMILION, "marker": "x", "markersize": 5, "linewidth": 1.2, "label": "theory"}
EXACT: dict[str, Any] = {
    "color": "0.15",
    "marker": "o",
    "markersize": 3.5,
    "linestyle": "",
    "label": "exact posterior (band: one s.e.)",
}

LIMIT_COLOURS, LIMIT_LINES = (BLUE, GREEN, PURPLE, ORANGE, SKY), ("--", "-.", ":")
"""Lines of the limits of infinite width."""

ALTERED = {
    "diagonal_accuracy": (SKY, "v", "theory, no overlaps"),
    "equal_diagonal_accuracy": (PURPLE, "^", "theory, equal sizes"),
}
"""Colour, marker and name of accuracies at altered order parameters."""


def draw_widths(
    arrays: Arrays, paths: Sequence[int], maps: Sequence[int], aligned: int, altered: bool, caption: str
) -> Figure:
    """Accuracies of the mean predictor and of one network, overlaps of the labels, and maps of order parameters.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment; those of the exact posterior may be missing.
    paths : sequence of int
        Paths of the maps, in their order.
    maps : sequence of int
        Points whose order parameters are drawn.
    aligned : int
        Point whose overlaps are drawn beside those of infinite width.
    altered : bool
        Whether accuracies at altered order parameters are drawn.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(11.2, 6.9), layout="constrained")
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(1.3, 1.0)))
        accuracy, sampled, alignment = above.subplots(1, 3)
        _draw_accuracy(accuracy, arrays, altered)
        _draw_sampled(sampled, arrays)
        _draw_alignment(alignment, arrays, aligned)
        above.legend(*accuracy.get_legend_handles_labels(), ncols=8, loc="outside upper left", columnspacing=1.4)
        _draw_maps(below, arrays, paths, maps)
        return figure


def _draw_accuracy(axes: Axes, arrays: Arrays, altered: bool) -> None:
    """Accuracy of the mean predictor: theory, exact with the band of its errors, and limits."""
    finite = np.isfinite(arrays["width"])
    widths = arrays["width"][finite]
    _draw_limits(axes, arrays, "accuracy")
    if altered:
        for name, (colour, marker, label) in ALTERED.items():
            axes.plot(
                widths, arrays[name][finite], color=colour, marker=marker, markersize=3, linewidth=0.9, label=label
            )
    axes.plot(widths, arrays["accuracy"][finite], **THEORY)
    if "exact_accuracy" in arrays:
        exact, low, high = (arrays[f"exact_accuracy{end}"][finite] for end in ("", "_low", "_high"))
        axes.fill_between(widths, low, high, color="0.15", alpha=0.15, linewidth=0)
        axes.plot(widths, exact, **EXACT)
    axes.set_ylabel("accuracy of the mean predictor")
    width_axis(axes, widths)


def _draw_sampled(axes: Axes, arrays: Arrays) -> None:
    """Accuracy expected of one network of the posterior."""
    finite = np.isfinite(arrays["width"])
    widths = arrays["width"][finite]
    _draw_limits(axes, arrays, "sampled_accuracy")
    axes.plot(widths, arrays["sampled_accuracy"][finite], **THEORY)
    if "exact_sampled_accuracy" in arrays:
        axes.plot(widths, arrays["exact_sampled_accuracy"][finite], **EXACT)
    axes.set_ylabel("expected accuracy of one network")
    width_axis(axes, widths)


def _draw_limits(axes: Axes, arrays: Arrays, name: str) -> None:
    """A line for each limit of infinite width."""
    for number, row in enumerate(np.flatnonzero(np.isinf(arrays["width"]))):
        axes.axhline(
            arrays[name][row],
            color=LIMIT_COLOURS[number % len(LIMIT_COLOURS)],
            linestyle=LIMIT_LINES[number % len(LIMIT_LINES)],
            linewidth=1.0,
            label=rf"$N \to \infty$, {arrays['network'][row]}",
        )


def _draw_alignment(axes: Axes, arrays: Arrays, aligned: int) -> None:
    """Overlaps of the labels with the principal components of two kernels."""
    limit = int(np.flatnonzero(np.isinf(arrays["width"]))[0])
    rows = ((limit, BLUE, "s", r"$N \to \infty$"), (aligned, VERMILION, "x", f"$N = {_width(arrays, aligned)}$"))
    for row, colour, marker, label in rows:
        overlap = arrays["label_overlap"][row]
        axes.plot(arrays["component"], overlap, color=colour, marker=marker, markersize=3.5, linewidth=1.0, label=label)
    axes.set(xlabel="principal component of the kernel", ylabel=r"overlap with the labels $|v_k \cdot Y| / |Y|$")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def _draw_maps(figure: SubFigure, arrays: Arrays, paths: Sequence[int], maps: Sequence[int]) -> None:
    """Order parameters by theory, each beside the exact one where it is there."""
    kinds = {"order_parameter": "theory", "exact_order_parameter": "exact"}
    present = {name: label for name, label in kinds.items() if name in arrays}
    names = arrays["path"][list(paths)].tolist()
    rows = figure.subplots(1, len(maps) * len(present), squeeze=False).reshape(len(maps), -1)
    for panels, row in zip(rows, maps, strict=True):
        orders = [arrays[name][row][np.ix_(paths, paths)] for name in present]
        limit = largest_size(*orders)
        for axes, order, label in zip(panels, orders, present.values(), strict=True):
            image = draw_order_parameter(axes, order, limit, names)
            axes.set_title(f"$N = {_width(arrays, row)}$, {label}", loc="left")
        figure.colorbar(image, ax=panels.tolist(), shrink=0.58, aspect=12, pad=0.02)
    for axes in rows.flat[1:]:
        axes.set_yticks([])
    figure.suptitle(r"order parameter $U^{\pi\pi'}$ of the paths", fontsize=9, x=0.01, ha="left")


def _width(arrays: Arrays, row: int) -> str:
    return grouped(round(arrays["width"][row]))


def draw_numbers(arrays: Arrays, caption: str) -> Figure:
    """Evidence, read-out, alignment and scores of the heads over the width, and how certain and how exact theory is.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment; those of the exact posterior may be missing.
    caption : str
    """
    finite = np.isfinite(arrays["width"])
    widths = arrays["width"][finite]
    with house_style():
        figure = Figure(figsize=(11.2, 6.2), layout="constrained")
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        panels = figure.subplots(2, 3)
        compared = {
            "log_evidence": "log evidence",
            "readout_order_parameter": "order parameter $U_a$ of the read-out",
        }
        for axes, (name, label) in zip(panels[0], compared.items(), strict=False):
            axes.axhline(arrays[name][~finite][0], color=BLUE, linestyle="--", linewidth=1.0, label=r"$N \to \infty$")
            axes.plot(widths, arrays[name][finite], **THEORY)
            if f"exact_{name}" in arrays:
                errors = arrays[f"exact_{name}_error"][finite]
                axes.errorbar(widths, arrays[f"exact_{name}"][finite], errors, **EXACT | {"label": "exact posterior"})
            axes.set_ylabel(label)
        _draw_target_alignment(panels[0, 2], arrays, widths)
        _draw_scores(panels[1, 0], arrays, widths)
        _draw_certificate(panels[1, 1], arrays, widths)
        _draw_deviations(panels[1, 2], arrays, widths)
        for axes in panels.flat:
            width_axis(axes, widths)
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        panels[1, 2].set_visible("order_parameter_deviation" in arrays)
        return figure


def _draw_target_alignment(axes: Axes, arrays: Arrays, widths: NDArray[Any]) -> None:
    """Alignment of the kernel with the labels, and the largest overlap of a principal component."""
    finite = np.isfinite(arrays["width"])
    measures = {
        "largest overlap of a component": (arrays["label_overlap"].max(axis=1), GREEN, "s"),
        "kernel-target alignment": (arrays["kernel_target_alignment"], VERMILION, "x"),
    }
    for label, (values, colour, marker) in measures.items():
        axes.plot(widths, values[finite], color=colour, marker=marker, markersize=4, linewidth=1.1, label=label)
        axes.axhline(values[~finite][0], color=colour, linestyle="--", linewidth=0.9)
    axes.set(ylabel=r"alignment (dashed: $N \to \infty$)", ylim=(0, 1.25))


def _draw_scores(axes: Axes, arrays: Arrays, widths: NDArray[Any]) -> None:
    """Scores of the heads, which share a colour in a layer."""
    finite = np.isfinite(arrays["width"])
    layers, heads = arrays["head_layer"], arrays["head"]
    for number, (layer, head) in enumerate(zip(layers, heads, strict=True)):
        axes.plot(
            widths,
            arrays["head_score"][finite, number],
            color=CYCLE[(layer - 1) % len(CYCLE)],
            marker="osv^Dx"[(head - 1) % 6],
            markersize=3.5,
            linewidth=1.0,
            label=f"layer {layer}, head {head}" if len(heads) <= 8 else None,
        )
    axes.set(ylabel="head score", ylim=(0, 1.05))


def _draw_certificate(axes: Axes, arrays: Arrays, widths: NDArray[Any]) -> None:
    """What certifies the solutions."""
    finite = np.isfinite(arrays["width"])
    measures = {
        "gradient_norm": ("gradient over $N$", VERMILION, "x"),
        "residual": ("residual of the saddle point", BLUE, "s"),
        "smallest_curvature": ("smallest curvature", GREEN, "^"),
    }
    for name, (label, colour, marker) in measures.items():
        axes.plot(widths, arrays[name][finite], color=colour, marker=marker, markersize=4, linewidth=1.0, label=label)
    axes.set_ylabel("certificate")
    _logarithmic(axes, [arrays[name][finite] for name in measures])


def _draw_deviations(axes: Axes, arrays: Arrays, widths: NDArray[Any]) -> None:
    """How far theory is from the exact posterior."""
    finite = np.isfinite(arrays["width"])
    measures = {
        "order_parameter_deviation": ("order parameter", VERMILION, "x"),
        "predictor_deviation": ("mean predictor", BLUE, "s"),
    }
    present = {name: style for name, style in measures.items() if name in arrays}
    for name, (label, colour, marker) in present.items():
        axes.plot(widths, arrays[name][finite], color=colour, marker=marker, markersize=4, linewidth=1.0, label=label)
    axes.set_ylabel("relative deviation from exact")
    _logarithmic(axes, [arrays[name][finite] for name in present])


def _logarithmic(axes: Axes, heights: Sequence[NDArray[Any]]) -> None:
    """A logarithmic axis, if there is anything for it."""
    if any((values > 0).any() for values in heights):
        axes.set_yscale("log")
