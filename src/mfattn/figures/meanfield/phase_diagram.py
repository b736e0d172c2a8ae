"""Phase diagrams: planes of exponents, regimes, periods and rotation numbers over two parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfattn.figures.style import AXIS_LABELS, cells, house_style, regime_handles, regime_image

Axis = tuple[str, NDArray[np.float64]]

SMALLEST_EXPONENT, LARGEST_EXPONENT = 1e-3, 0.5
"""Exponents between which the colours of both signs are logarithmic."""


def draw_phase_diagram(
    x: Axis, y: Axis, planes: Mapping[str, NDArray[Any]], labels: Sequence[str], caption: str
) -> Figure:
    """Planes over two parameters.

    Parameters
    ----------
    x, y : (name, values)
        The parameters, evenly spaced.
    planes : mapping
        `exponents` (ny, nx, k), `regime`, `period` and `rotation` (ny, nx).
    labels : sequence of str
        Name of each regime.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(12.0, 7.2), layout="constrained")
        panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
        exponents = planes["exponents"]
        for number in range(min(2, exponents.shape[2])):
            _draw_exponent(
                figure, panels[number], x, y, exponents[..., number], rf"$\lambda_{{{number + 1}}}$ [1/step]"
            )
        _show(panels[2], x, y, regime_image(planes["regime"], labels))
        panels[2].set_title("regime", loc="left")
        _draw_period(figure, panels[3], x, y, planes["period"])
        _draw_rotation(figure, panels[4], x, y, planes["rotation"])
        for panel in panels[3:5]:
            panel.set_xlabel(AXIS_LABELS[x[0]])
        for panel in panels[:4:3]:
            panel.set_ylabel(AXIS_LABELS[y[0]])
        for panel in panels[(5,) if exponents.shape[2] > 1 else (1, 5),]:
            panel.set_axis_off()
        panels[5].legend(handles=regime_handles(planes["regime"], labels), loc="upper left", title=caption)
        panels[2].tick_params(labelbottom=True)
        panels[2].set_xlabel(AXIS_LABELS[x[0]])
        return figure


def _show(axes: Axes, x: Axis, y: Axis, image: NDArray[Any]) -> None:
    extent = (*cells(x[1]), *cells(y[1]))
    axes.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")


def _draw_mapped(
    figure: Figure, axes: Axes, x: Axis, y: Axis, plane: NDArray[Any], colours: ScalarMappable, title: str
) -> None:
    image = colours.to_rgba(np.ma.masked_invalid(plane))
    _show(axes, x, y, image)
    axes.set_title(title, loc="left")
    figure.colorbar(colours, ax=axes, extend="both" if isinstance(colours.norm, SymLogNorm) else "neither")


def _draw_exponent(figure: Figure, axes: Axes, x: Axis, y: Axis, plane: NDArray[np.float64], title: str) -> None:
    norm = SymLogNorm(SMALLEST_EXPONENT, vmin=-LARGEST_EXPONENT, vmax=LARGEST_EXPONENT)
    plane = np.where(np.isneginf(plane), -LARGEST_EXPONENT, plane)
    _draw_mapped(figure, axes, x, y, plane, ScalarMappable(norm, "RdBu_r"), title)


def _draw_period(figure: Figure, axes: Axes, x: Axis, y: Axis, plane: NDArray[np.int64]) -> None:
    norm = LogNorm(1, max(2, plane.max()))
    periods = np.where(plane > 0, plane, np.nan)
    _draw_mapped(figure, axes, x, y, periods, ScalarMappable(norm, "viridis_r"), "period [steps] (white: none)")


def _draw_rotation(figure: Figure, axes: Axes, x: Axis, y: Axis, plane: NDArray[np.float64]) -> None:
    turning = plane[np.isfinite(plane)]
    ends = (turning.min(), turning.max()) if turning.size else (0.0, 0.5)
    colours = ScalarMappable(Normalize(*ends), "viridis")
    _draw_mapped(figure, axes, x, y, plane, colours, "rotation number [turns a positional period] (white: none)")
