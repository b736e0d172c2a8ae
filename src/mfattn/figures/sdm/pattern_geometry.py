"""Cosines of all pairs of patterns, as vectors and as bits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, VERMILION, house_style


def draw_geometry(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """Densities of the cosines of pairs, with the normal law of independent bits.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `pair_count` (1, 2, bins), `edge` (bins + 1,), `mean_cosine`, `length` (1,).
    caption : str
    """
    edges, length = arrays["edge"], int(arrays["length"][0])
    with house_style():
        figure = Figure(figsize=(6.0, 4.0), layout="constrained")
        axes = figure.subplots()
        for counts, name, colour in zip(arrays["pair_count"][0], ("vectors", "bits"), (BLUE, VERMILION), strict=True):
            density = counts / (max(counts.sum(), 1) * np.diff(edges))
            axes.stairs(density, edges, color=colour, linewidth=1.1, label=f"as {name}")
        x = np.linspace(-1, 1, 1001)
        law = np.sqrt(length / (2 * np.pi)) * np.exp(-length * x**2 / 2)
        axes.plot(x, law, color="black", linestyle="--", linewidth=0.9, label=rf"independent bits, $n = {length}$")
        axes.set(xlabel=r"cosine of a pair, $1 - 2 d_v / n$ for bits", ylabel="density", xlim=(-1, 1))
        axes.set_ylim(bottom=0)
        axes.set_title(caption, loc="left")
        axes.legend()
        return figure
