"""What is asked for, checked once at the door."""

import math
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def checked_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """VALUE as an int from LEAST to MOST, or a ValueError that says what NAME must be.

    >>> checked_integer("n", 64, 1)
    64
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be an integer, found {value!r}")
    if most is None and value < least:
        raise ValueError(f"{name} must be at least {least}, found {value}")
    if most is not None and not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, found {value}")
    return int(value)


def checked_number(name: str, value: Any) -> float:
    """VALUE as a float, or a ValueError if it is none, or NaN.

    >>> checked_number("beta", 2)
    2.0
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} must be a number, found {value!r}")
    if math.isnan(value):
        raise ValueError(f"{name} must be a number, found nan")
    return float(value)


def checked_choice(name: str, value: Any, choices: Any) -> None:
    """A ValueError unless VALUE is one of the strings of a Literal.

    >>> from typing import Literal
    >>> checked_choice("formula", "exact", Literal["exact", "published"])
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, found {value!r}")
