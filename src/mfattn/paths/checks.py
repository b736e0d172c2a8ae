"""What is asked for, checked once at the door."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfattn import checks
from mfattn.checks import Array, Integers, checked_choice, checked_integer

__all__ = ["Array", "Integers", "checked_array", "checked_choice", "checked_integer", "checked_number", "checked_real"]


def checked_number(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """VALUE as a finite float that is at least LEAST and larger than ABOVE, or a ValueError.

    >>> checked_number("temperature", 0.01, above=0)
    0.01
    """
    number = checks.checked_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, found {value}")
    if number <= above:
        raise ValueError(f"{name} must be above {above:g}, found {value}")
    if number < least:
        raise ValueError(f"{name} must be at least {least:g}, found {value}")
    return number


def checked_real(name: str, values: ArrayLike) -> Array:
    """VALUES as floats of any shape, or a ValueError where they are no real numbers, or rows of different lengths.

    >>> checked_real("labels", [[1, 2]])
    array([[1., 2.]])
    """
    try:
        found = np.asarray(values)
    except ValueError:
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers")
    return found.astype(np.float64, copy=False)


def checked_array(name: str, values: ArrayLike, shape: tuple[int | str, ...]) -> Array:
    """VALUES as finite floats of a SHAPE, in which a string is the name of any length.

    >>> checked_array("labels", [1, -1], ("P",))
    array([ 1., -1.])
    """
    found = checked_real(name, values)
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    fits = found.ndim == len(shape) and all(
        isinstance(length, str) or length == have for length, have in zip(shape, found.shape, strict=True)
    )
    if not fits or 0 in found.shape:
        raise ValueError(f"{name} must have shape {wanted}, found {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite")
    return found
