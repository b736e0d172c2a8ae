"""Signal to noise, capacity, critical distance and inverse temperature over the radius, with the best radii."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.sdm.labels import AXIS_LABELS, NOISE_COLOURS, NOISE_LABELS, logarithmic_heights
from mfattn.figures.style import house_style

DARK = "0.15"

MARKED = {
    "capacity": ("memory", "-"),
    "signal_to_noise": ("signal to noise", "--"),
    "critical_distance": ("critical distance", ":"),
}
"""Word and kind of line of the three optima in the panel of the inverse temperature."""


def draw_optima(arrays: Mapping[str, NDArray[Any]], best: Mapping[str, int], neurons: float, caption: str) -> Figure:
    """Four panels over the radius, or for the capacity over the fraction of the space in a ball.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `radius`, `fraction`, `signal_to_noise_*`, `critical_distance_*`, `capacity`, `beta`
        and `beta_paper` (radii,); `capacity_fraction`, `capacity_of_fraction` (fractions,); `capacity_bound`; and
        `equation_*`.
    best : mapping
        Best radius by `optimal_radius_*`, -1 where it is not known.
    neurons : float
        Number r of neurons: radii whose balls hold less than one of them are left out.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(13.2, 7.0), layout="constrained")
        (ratio, capacity), (critical, beta) = figure.subplots(2, 2)
        first = min(int(np.searchsorted(arrays["fraction"] * neurons, 1.0)), len(arrays["radius"]) - 1)
        _draw_models(ratio, arrays, best, "signal_to_noise", first)
        _draw_models(critical, arrays, best, "critical_distance", first)
        _draw_capacity(capacity, arrays)
        _draw_temperatures(beta, arrays, best, first)
        ratio.set(ylabel="signal to noise at distance 0")
        critical.set(ylabel="critical distance (bits)")
        ratio.set_title(caption, loc="left")
        for axes in (ratio, capacity, beta):
            logarithmic_heights(axes)
        for axes in (ratio, critical, beta):
            axes.set_xlabel(AXIS_LABELS["radius"])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (ratio, capacity, critical, beta):
            axes.grid(color="0.9", linewidth=0.5)
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return figure


def _draw_models(
    axes: Axes, arrays: Mapping[str, NDArray[Any]], best: Mapping[str, int], name: str, first: int
) -> None:
    """What every model of the noise gives, with its largest value."""
    for noise, colour in NOISE_COLOURS.items():
        if f"{name}_{noise}" not in arrays:
            continue
        values = arrays[f"{name}_{noise}"].astype(np.float64)
        values = np.where((values < 0) | ((values == 0) & (name == "signal_to_noise")), np.nan, values)
        top = best.get(f"optimal_radius_{name}_{noise}", -1)
        label = NOISE_LABELS[noise] + (f", $d = {top}$" if top > 0 else "")
        axes.plot(arrays["radius"][first:], values[first:], color=colour, linewidth=1.1, label=label)
        if top > 0:
            axes.plot(top, values[top - 1], color=colour, marker="o", markersize=5, linestyle="")


def _draw_capacity(axes: Axes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """The capacity over the fraction, its upper approximation, and the largest one."""
    fraction, values = arrays["capacity_fraction"], arrays["capacity_of_fraction"]
    some = values >= 1
    axes.plot(fraction[some], values[some], color=DARK, linewidth=1.1, label="full equation")
    whole = arrays["capacity"] >= 1
    label = "at a radius $d$"
    axes.plot(
        arrays["fraction"][whole],
        arrays["capacity"][whole],
        color=DARK,
        marker=".",
        markersize=4,
        linestyle="",
        label=label,
    )
    axes.axhline(
        float(arrays["capacity_bound"]), color="0.5", linewidth=1, linestyle="--", label=r"upper approximation $r/z^2$"
    )
    top = arrays["equation_fraction_capacity"], arrays["equation_value_capacity"]
    label = f"largest, $d = {int(arrays['equation_radius_capacity'])}$"
    axes.plot(*top, color=DARK, marker="o", markersize=5, linestyle="", label=label)
    axes.set(xscale="log", xlabel=AXIS_LABELS["fraction"], ylabel="capacity $m$ (patterns)")


def _draw_temperatures(axes: Axes, arrays: Mapping[str, NDArray[Any]], best: Mapping[str, int], first: int) -> None:
    """Fitted inverse temperatures, and the three optima as published."""
    for name, label, colour, width in (
        ("beta_paper", "published estimator", "0.7", 2.4),
        ("beta", "least squares", DARK, 1.1),
    ):
        axes.plot(arrays["radius"][first:], arrays[name][first:], color=colour, linewidth=width, label=label)
    chosen = {
        "capacity": int(arrays["equation_radius_capacity"]),
        "signal_to_noise": int(arrays["equation_radius_signal_to_noise"]),
        "critical_distance": best.get("optimal_radius_critical_distance_paper", -1),
    }
    for name, (word, style) in MARKED.items():
        d = chosen[name]
        if first < d <= len(arrays["beta"]) and np.isfinite(arrays["beta"][d - 1]):
            published = arrays["beta_paper"][d - 1]
            label = rf"{word}: $d = {d}$," "\n" rf"$\beta = {arrays['beta'][d - 1]:.2f}$, as published {published:.2f}"
            axes.axvline(d, color=NOISE_COLOURS["paper"], linewidth=1, linestyle=style, label=label)
    axes.set(ylabel=r"fitted inverse temperature $\beta$")
