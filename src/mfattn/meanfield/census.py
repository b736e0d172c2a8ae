"""Which attractors coexist: orbits from many starts, told apart by what does not depend on the start."""

import numpy as np
from numpy.typing import NDArray

from mfattn.meanfield.motion import Motion
from mfattn.meanfield.regimes import CONFIDENCE, Regime

EXPONENT_TOLERANCE = 1e-3
"""Exponents of one attractor agree to this, beside their errors."""

EXTENT_TOLERANCE = 1e-3
"""Extents of one regular attractor agree to this."""

CHAOTIC_SHARE = 0.03
"""Share of its size to which the extents of a chaotic attractor, read from a finite orbit, agree."""

MEASURABLE = -1.0
"""Exponents below this are not compared: at a hard softmax they are rounding."""


def same_attractor(motion: Motion, i: int, j: int, *, mirrored: bool = False) -> bool:
    """Whether points I and J of a measurement lie on one attractor, or on its image under A -> -A.

    They do if regime and period are the same, the leading exponents agree within `EXPONENT_TOLERANCE` and their
    errors, and the extents of the attention vector agree.
    """
    if motion.regime[i] != motion.regime[j] or motion.period[i] != motion.period[j]:
        return False
    exponents, errors = motion.spectrum.exponents[[i, j]], np.nan_to_num(motion.spectrum.errors[[i, j]])
    compared = (exponents > MEASURABLE).all(axis=0)
    room = EXPONENT_TOLERANCE + CONFIDENCE * np.hypot(*errors)
    if (np.abs(exponents[0] - exponents[1]) > room)[compared].any():
        return False
    low, high = motion.minimum[j], motion.maximum[j]
    if mirrored:
        low, high = -high, -low
    size = float(np.max(motion.maximum[i] - motion.minimum[i]))
    irregular = motion.regime[i] not in (Regime.REST, Regime.PERIODIC)
    room_of_extents = EXTENT_TOLERANCE + (CHAOTIC_SHARE * size if irregular else 0.0)
    distance = max(np.abs(motion.minimum[i] - low).max(), np.abs(motion.maximum[i] - high).max())
    return bool(distance <= room_of_extents)


def attractors(motion: Motion, *, symmetric: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number the attractors that the points of a measurement, started differently at one parameter point, lie on.

    Parameters
    ----------
    motion : Motion
    symmetric : bool
        Whether A -> -A maps orbits to orbits (epsilon = 0): an attractor and its image then have one number.

    Returns
    -------
    number : (points,) array
        0 for the attractor that most points reach, 1 for the next; ties in the order of the first point. -1 for a
        point that had not settled, which is on none.
    mirrored : (points,) array of bool
        Whether the point lies on the image of the one that its number was first given to.
    """
    representatives: list[int] = []
    number = np.zeros(len(motion.regime), dtype=np.int64)
    mirrored = np.zeros(len(motion.regime), dtype=bool)
    on_none = motion.regime == Regime.UNSETTLED
    for point in map(int, np.flatnonzero(~on_none)):
        for label, other in enumerate(representatives):
            direct = same_attractor(motion, other, point)
            if direct or (symmetric and same_attractor(motion, other, point, mirrored=True)):
                number[point], mirrored[point] = label, not direct
                break
        else:
            number[point] = len(representatives)
            representatives.append(point)
    sizes = np.bincount(number[~on_none], minlength=1)
    ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return np.where(on_none, -1, ranks[number]), mirrored
