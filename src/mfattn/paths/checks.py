"""What is asked for, checked once at the door."""

import math
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def checked_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """VALUE as an int from LEAST to MOST, or a ValueError that says what NAME must be.

    >>> checked_integer("states", 30, 1)
    30
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be an integer, found {value!r}")
    if most is None and value < least:
        raise ValueError(f"{name} must be at least {least}, found {value}")
    if most is not None and not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, found {value}")
    return int(value)


def checked_number(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """VALUE as a finite float that is at least LEAST and larger than ABOVE, or a ValueError.

    >>> checked_number("temperature", 0.01, above=0)
    0.01
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} must be a number, found {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, found {value}")
    if value <= above:
        raise ValueError(f"{name} must be above {above:g}, found {value}")
    if value < least:
        raise ValueError(f"{name} must be at least {least:g}, found {value}")
    return float(value)


def checked_choice(name: str, value: Any, choices: Any) -> None:
    """A ValueError unless VALUE is one of the strings of a Literal.

    >>> from typing import Literal
    >>> checked_choice("head", "first", Literal["first", "last"])
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, found {value!r}")


def checked_array(name: str, values: ArrayLike, shape: tuple[int | str, ...]) -> Array:
    """VALUES as finite floats of a SHAPE, in which a string is the name of any length.

    >>> checked_array("labels", [1, -1], ("P",))
    array([ 1., -1.])
    """
    found = np.asarray(values, dtype=np.float64)
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    fits = found.ndim == len(shape) and all(
        isinstance(length, str) or length == have for length, have in zip(shape, found.shape, strict=True)
    )
    if not fits or 0 in found.shape:
        raise ValueError(f"{name} must have shape {wanted}, found {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite")
    return found
