"""Signal and noise of real neurons beside theory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import NOISE_COLOURS, NOISE_LABELS, SIMULATED, logarithmic_heights
from mfattn.figures.style import house_style

DISTANCE_LABEL = r"Hamming distance $d_v$"


def draw_variance(arrays: Mapping[str, NDArray[Any]], caption: str) -> Figure:
    """Neurons that two addresses share, noise, and the ratio of signal to noise, measured and expected.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `distance` (distances,), what is measured (distances,) with its band
        (distances, 2), `theory_distance`, and what is expected there.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(12.6, 3.8), layout="constrained")
        shared, sigma, ratio = figure.subplots(1, 3)
        v, expected = arrays["theory_distance"], arrays["expected_overlap"]
        some = expected > 0
        shared.plot(v[some], expected[some], color="0.6", linewidth=1.2, label=r"circle intersection, $r\,I/2^n$")
        _draw_measured(shared, arrays, "overlap", "pairs of addresses", "s", -0.15)
        _draw_measured(shared, arrays, "signal", "queries of memories", "o", 0.15)
        for axes, name in ((sigma, "sigma"), (ratio, "signal_to_noise")):
            for noise, colour in NOISE_COLOURS.items():
                if f"{name}_{noise}" in arrays:
                    values = np.where(arrays[f"{name}_{noise}"] > 0, arrays[f"{name}_{noise}"], np.nan)
                    axes.plot(v, values, color=colour, linewidth=1.1, label=NOISE_LABELS[noise])
            _draw_measured(axes, arrays, name, "simulated, 95 %", "o", 0)
        shared.set(ylabel="neurons active for both")
        sigma.set(ylabel=r"noise $\sigma$ (neurons)")
        sigma.set_ylim(bottom=0)
        ratio.set(ylabel="signal to noise")
        for axes in (shared, ratio):
            logarithmic_heights(axes)
        for axes in (shared, sigma, ratio):
            axes.set_xlabel(DISTANCE_LABEL)
            axes.set_xlim(-0.02 * v[-1], 1.02 * v[-1])
            axes.grid(color="0.9", linewidth=0.5)
        shared.legend()
        sigma.legend()
        shared.set_title(caption, loc="left")
        return figure


def _draw_measured(
    axes: Axes, arrays: Mapping[str, NDArray[Any]], name: str, label: str, marker: str, shift: float
) -> None:
    """Points with the bars of their bands, SHIFT bits to the side; those at 0 are left out of logarithmic axes."""
    value, band = arrays[name], arrays[f"{name}_band"]
    there = value > 0
    colour: dict[str, Any] = {"color": SIMULATED, "markerfacecolor": SIMULATED if marker == "o" else "white"}
    bars = np.abs(band[there].T - value[there])
    x = arrays["distance"][there] + shift
    axes.errorbar(
        x, value[there], yerr=bars, marker=marker, markersize=3.5, linestyle="", capsize=1.5, label=label, **colour
    )
