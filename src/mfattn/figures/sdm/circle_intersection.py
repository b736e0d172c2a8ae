"""Circle intersections over the distance: expected neurons, and weights that sum to one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.style import house_style, scientific


def draw_circles(arrays: Mapping[str, NDArray[Any]], neurons: float, limit: int | None, caption: str) -> Figure:
    """Expected neurons in both balls on a logarithmic scale, and the same as normalised weights.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `radius` and `fraction` (radii,), `distance` (n + 1,), `log_share` (radii, n + 1).
    neurons : float
        Number r of neurons, by which the shares of the space are multiplied.
    limit : int, optional
        Largest distance that is drawn; without it, the largest at which any ball meets another.
    caption : str
    """
    distance = arrays["distance"]
    last = min(limit or 2 * int(arrays["radius"].max()) + 2, int(distance[-1]))
    shown = slice(0, last + 1)
    with house_style():
        figure = Figure(figsize=(10.4, 4.0), layout="constrained")
        counts, weights = figure.subplots(1, 2)
        colours = colormaps["viridis"](np.linspace(0, 0.88, len(arrays["radius"])))
        for radius, fraction, logs, colour in zip(
            arrays["radius"], arrays["fraction"], arrays["log_share"], colours, strict=True
        ):
            with np.errstate(divide="ignore", invalid="ignore"):
                label = f"$d = {radius}$, $p = {scientific(fraction)}$"
                log_count = (logs + np.log(neurons)) / np.log(10)
                share = np.exp(logs - logs.max())
            log_count[~np.isfinite(log_count)] = np.nan
            counts.plot(distance[shown], log_count[shown], color=colour, linewidth=1.1, label=label)
            weights.plot(distance[shown], (share / share.sum())[shown], color=colour, linewidth=1.1)
        unit = "expected neurons in both balls" if neurons > 1 else "share of the space in both balls"
        counts.set(xlabel=r"Hamming distance $d_v$ of the centres", ylabel=rf"$\log_{{10}}$ {unit}", xlim=(0, last))
        weights.set(xlabel=r"Hamming distance $d_v$ of the centres", ylabel="normalised weight", xlim=(0, last))
        weights.set_ylim(bottom=0)
        counts.set_title(caption, loc="left")
        counts.legend()
        return figure
