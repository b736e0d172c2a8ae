"""Kernels as images, those of paths above and those of networks below."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from mfattn.figures.style import house_style

COLUMNS = 4
"""Kernels of a row at most."""

TITLES = {"paths": r"same-path kernels $C^{\pi\pi}$ between examples", "networks": "kernels $K$ of whole networks"}

Array = NDArray[Any]


def draw_kernels(arrays: Mapping[str, Array], kinds: Mapping[str, Sequence[int]], scale: str, caption: str) -> Figure:
    """Images of kernels, with colours for what is between different examples.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `name` (kernels,), `example` (n,), `kernel` (kernels, n, n).
    kinds : mapping
        Which of the kernels are of "paths", and which of "networks".
    scale : {'shared', 'own'}
        Whether kernels of a kind share their scale of colours.
    caption : str
    """
    rows = [math.ceil(len(shown) / COLUMNS) for shown in kinds.values()]
    with house_style():
        figure = Figure(figsize=(11.2, 2.5 * sum(rows) + 0.9), layout="constrained")
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        parts = np.asarray(figure.subfigures(len(kinds), 1, height_ratios=rows))
        for part, (kind, shown) in zip(parts, kinds.items(), strict=True):
            part.suptitle(TITLES[kind], fontsize=9, x=0.01, ha="left")
            _draw_kind(part, arrays, shown, scale)
        return figure


def _draw_kind(figure: SubFigure, arrays: Mapping[str, Array], shown: Sequence[int], scale: str) -> None:
    """Kernels of one kind, row by row."""
    panels = figure.subplots(math.ceil(len(shown) / COLUMNS), COLUMNS, squeeze=False).ravel()
    kernels = arrays["kernel"][list(shown)]
    limits = [_limits(kernels if scale == "shared" else kernel[None]) for kernel in kernels]
    for axes, kernel, name, (low, high) in zip(panels, kernels, arrays["name"][list(shown)], limits, strict=False):
        image = axes.imshow(kernel, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
        figure.colorbar(image, ax=axes, shrink=0.85, aspect=18, pad=0.02, extend="max")
        axes.set_title(name, loc="left")
        axes.set_xlabel("example")
        _mark_runs(axes, arrays["example"])
    for axes in panels[len(shown) :]:
        axes.set_axis_off()


def _limits(kernels: Array) -> tuple[float, float]:
    """Smallest and largest entry off the diagonals, which are larger and would hide the rest; 0 to 1 without any."""
    between = kernels[:, ~np.eye(kernels.shape[1], dtype=bool)]
    between = between[np.isfinite(between)]
    return (float(between.min()), float(between.max())) if between.size else (0.0, 1.0)


def _mark_runs(axes: Axes, example: Array) -> None:
    """Lines between runs of examples, and the number of the first of each and of the last."""
    begins = np.flatnonzero(np.diff(example, prepend=example[0] - 2) != 1)
    for begin in begins[1:]:
        axes.axhline(begin - 0.5, color="white", linewidth=0.7)
        axes.axvline(begin - 0.5, color="white", linewidth=0.7)
    ticks = np.unique([*begins, len(example) - 1])
    axes.set_xticks(ticks, example[ticks], fontsize=7)
    axes.set_yticks(ticks, example[ticks], fontsize=7)
