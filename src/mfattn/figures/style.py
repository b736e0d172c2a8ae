"""Look of all figures: fonts, sizes, and colours that a colour-blind reader tells apart."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
"""Okabe and Ito's colours, which are told apart on grey."""

AXIS_LABELS = {
    "beta": r"output inverse temperature $\beta$",
    "gamma": r"attention inverse temperature $\gamma$",
    "epsilon": r"share of the position $\epsilon$",
}

PARAMETER_SYMBOLS = {"beta": r"\beta", "gamma": r"\gamma", "epsilon": r"\epsilon"}

REGIME_COLOURS = {
    "undecided": "#BBBBBB",
    "unsettled": "#666666",
    "rest (locked)": SKY,
    "periodic": BLUE,
    "quasi-periodic": GREEN,
    "quasi-periodic, two frequencies": "#F0E442",
    "chaotic": VERMILION,
    "hyperchaotic": PURPLE,
}
"""Colour of each regime, by its label."""

FEATURE_SYMBOLS = {
    "overlap_o_semantic": "m^o_{%s}",
    "attention": "A_{%s}",
    "overlap_v": "m^v_{%s}",
    "overlap_q": "m^q_{%s}",
    "overlap_k": "m^k_{%s}",
}
"""Symbol of a feature of each observable; the semantic part of the output overlap is what the literature draws."""

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "cm",
    "axes.labelsize": 10,
    "axes.titlesize": 9,
    "axes.linewidth": 0.7,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.dpi": 200,
    "savefig.dpi": "figure",
    "figure.facecolor": "white",
    "pdf.fonttype": 42,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Within the block, figures have the house's look."""
    with mpl.rc_context(_STYLE):
        yield


def render(figure: Figure, name: str = "") -> dict[str, bytes]:
    """The figure as files: content by suffix (NAME and that of the format), the same bytes for the same figure."""
    files = {}
    # Its subsetting of fonts remarks on every font's date.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with house_style():
        for suffix, metadata in ((".png", {}), (".pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], metadata=metadata)
            files[name + suffix] = buffer.getvalue()
    return files


def grouped(number: int) -> str:
    """A whole number for mathematical text, its thousands set apart."""
    return f"{number:,}".replace(",", "{,}")


def scientific(number: float, digits: int = 2) -> str:
    """A number for mathematical text: small and large ones with a power of ten."""
    if number == 0 or 1e-3 <= abs(number) < 1e5:
        return f"{number:.{max(digits, 1)}g}" if abs(number) < 1e3 else grouped(round(number))
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    factor = "" if float(mantissa) == 1 else rf"{float(mantissa):g} \times "
    return f"{factor}10^{{{int(exponent)}}}"


def cells(values: NDArray[np.float64]) -> tuple[float, float]:
    """Outer edges of the cells around evenly spaced values, in their order."""
    step = (values[-1] - values[0]) / max(len(values) - 1, 1) or max(abs(values[0]), 1.0) * 1e-3
    return float(values[0] - step / 2), float(values[-1] + step / 2)


def regime_handles(codes: NDArray[np.integer], labels: Sequence[str]) -> list[Patch]:
    """Handles for a legend of the regimes that occur; LABELS names each code, and a missing point has none."""
    return [Patch(color=REGIME_COLOURS[labels[code]], label=labels[code]) for code in np.unique(codes) if code >= 0]


def regime_image(codes: NDArray[np.integer], labels: Sequence[str]) -> NDArray[np.float64]:
    """Colours (..., RGB) of an array of regimes, white where one is missing (-1)."""
    return np.array([*(to_rgb(REGIME_COLOURS[label]) for label in labels), to_rgb("white")])[codes]


def feature_symbol(observable: str, feature: int | str) -> str:
    """Symbol of FEATURE (counted from 1, or a letter) of OBSERVABLE, without dollar signs."""
    return FEATURE_SYMBOLS[observable] % feature
