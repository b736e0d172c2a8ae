"""Names and colours of the models of the noise, numbers of a memory, and logarithmic axes of the figures."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes

from mfattn.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, grouped, scientific

NOISE_LABELS = {
    "exact": "exact variance",
    "paper": r"paper's variance, $\lambda = \mu(n/2)$",
    "closed": "variance of the closed form",
    "book": "variance of the book",
    "book_integral": "variance and signal of the book",
    "hopfield": "Hopfield network",
}
"""What a model is called."""

NOISE_COLOURS = {
    "exact": VERMILION,
    "paper": BLUE,
    "closed": GREEN,
    "book": PURPLE,
    "book_integral": ORANGE,
    "hopfield": SKY,
}
"""Colour of each model."""

SIMULATED = "0.15"
"""Colour of what is simulated."""

NARROW = 8.0
"""Least ratio of heights that the room around them is taken from."""

AXIS_LABELS = {
    "bits": "number $n$ of bits",
    "radius": "Hamming radius $d$",
    "fraction": "fraction $p$ of the space in a ball",
    "patterns": "number $m$ of patterns",
    "neurons": "number $r$ of neurons",
}


def amount(number: float) -> str:
    """A number for mathematical text: whole ones with all digits, and large powers of two as such.

    >>> amount(10_000), amount(2.0**64), amount(1e6)
    ('10{,}000', '2^{64}', '10^{6}')
    """
    if number == round(number) and abs(number) < 1e5:
        return grouped(round(number))
    mantissa, exponent = math.frexp(number)
    return f"2^{{{exponent - 1}}}" if mantissa == 0.5 and exponent > 20 else scientific(number, 3)


def of_memory(numbers: Mapping[str, float]) -> str:
    """The numbers of a memory, by their symbols, as one piece of mathematical text.

    >>> of_memory({"n": 64, "r": 2.0**64})
    '$n = 64$, $r = 2^{64}$'
    """
    return ", ".join(f"${symbol} = {amount(number)}$" for symbol, number in numbers.items())


def logarithmic_heights(axes: Axes) -> None:
    """Make the axis of heights logarithmic, with room around what is drawn even where all of it is the same."""
    low, high = float(axes.dataLim.minposy), float(axes.dataLim.y1)
    if not (math.isfinite(low) and math.isfinite(high) and 0 < low <= high):
        low, high = 0.1, 1.0
    room = max(high / low, NARROW) ** 0.05
    axes.set_ylim(low / room, high * room)
    axes.set_yscale("log")
