"""Families of order parameters over the width: how well they predict, and how probable they make the labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.paths.labels import width_axis
from mfattn.figures.style import BLUE, GREEN, ORANGE, VERMILION, house_style

FAMILY_STYLES = {
    "full": (VERMILION, "o", "full"),
    "equal_diagonal": (GREEN, "^", "paths of equal size"),
    "diagonal": (BLUE, "s", "diagonal: no overlaps"),
    "scalar": (ORANGE, "v", "scalar: one number"),
}
"""Colour, marker and name of each family, in the order of the legend."""


def draw_families(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """Accuracy of the mean predictor and of one network, and the evidence that is lost in each family.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `width` (widths,), `family` (families,), and `accuracy`, `sampled_accuracy` and
        `log_evidence` (widths, families).
    caption : str
    """
    lost = arrays["log_evidence"][:, arrays["family"] == "full"] - arrays["log_evidence"]
    panels = {
        "accuracy of the mean predictor": arrays["accuracy"],
        "expected accuracy of one network": arrays["sampled_accuracy"],
        "log evidence lost against the full one": lost,
    }
    with house_style():
        figure = Figure(figsize=(11.2, 3.9), layout="constrained")
        columns = figure.subplots(1, len(panels))
        for axes, (label, values) in zip(columns, panels.items(), strict=True):
            _draw_families(axes, arrays, values)
            axes.set_ylabel(label)
        columns[0].set_title(caption, loc="left")
        columns[-1].legend()
        return figure


def _draw_families(axes: Axes, arrays: Mapping[str, NDArray[Any]], values: NDArray[Any]) -> None:
    """A line for each family."""
    names = arrays["family"].tolist()
    for family, (colour, marker, label) in FAMILY_STYLES.items():
        heights = values[:, names.index(family)]
        axes.plot(arrays["width"], heights, color=colour, marker=marker, markersize=4, linewidth=1.1, label=label)
    width_axis(axes, np.asarray(arrays["width"], dtype=float))
