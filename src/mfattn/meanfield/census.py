"""Which attractors coexist: orbits from many starts, told apart by what does not depend on the start."""

import numpy as np
from numpy.typing import NDArray

from mfattn.meanfield.lyapunov import CONFIDENCE
from mfattn.meanfield.motion import Motion
from mfattn.meanfield.regimes import Regime

EXPONENT_TOLERANCE = 1e-3
"""Exponents of one attractor agree to this, beside their errors."""

EXTENT_TOLERANCE = 1e-3
"""Extents of one regular attractor agree to this."""

CHAOTIC_SHARE = 0.03
"""Share of its size to which the extents of a chaotic attractor, read from a finite orbit, agree."""

MEASURABLE = -1.0
"""Exponents below this are not compared: at a hard softmax they are rounding."""


class _Invariants:
    """What the orbits of a measurement have in common if they lie on one attractor."""

    def __init__(self, motion: Motion) -> None:
        self.kind = np.stack([motion.regime.astype(np.int64), motion.period], axis=1)
        self.exponents, self.errors = motion.spectrum.exponents, np.nan_to_num(motion.spectrum.errors)
        self.minimum, self.maximum = motion.minimum, motion.maximum
        irregular = ~np.isin(motion.regime, [Regime.REST, Regime.PERIODIC])
        size = (motion.maximum - motion.minimum).max(axis=1)
        self.room = EXTENT_TOLERANCE + np.where(irregular, CHAOTIC_SHARE * size, 0.0)

    def same(self, i: int, j: int, *, mirrored: bool = False) -> bool:
        """Whether points I and J lie on one attractor, or J on the image of that of I under A -> -A."""
        if (self.kind[i] != self.kind[j]).any():
            return False
        exponents = self.exponents[[i, j]]
        compared = (exponents > MEASURABLE).all(axis=0)
        room = EXPONENT_TOLERANCE + CONFIDENCE * np.hypot(self.errors[i], self.errors[j])
        if (np.abs(exponents[0] - exponents[1]) > room)[compared].any():
            return False
        low, high = (-self.maximum[j], -self.minimum[j]) if mirrored else (self.minimum[j], self.maximum[j])
        distance = max(np.abs(self.minimum[i] - low).max(), np.abs(self.maximum[i] - high).max())
        return bool(distance <= self.room[i])


def attractors(motion: Motion, *, symmetric: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number the attractors that the points of a measurement, started differently at one parameter point, lie on.

    Two points lie on one attractor if regime and period are the same, the leading exponents agree within
    `EXPONENT_TOLERANCE` and three standard errors, and the extents of the attention vector agree.

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
    invariants = _Invariants(motion)
    representatives: list[int] = []
    number = np.zeros(len(motion.regime), dtype=np.int64)
    mirrored = np.zeros(len(motion.regime), dtype=bool)
    on_none = motion.regime == Regime.UNSETTLED
    for point in map(int, np.flatnonzero(~on_none)):
        for label, other in enumerate(representatives):
            direct = invariants.same(other, point)
            if direct or (symmetric and invariants.same(other, point, mirrored=True)):
                number[point], mirrored[point] = label, not direct
                break
        else:
            number[point] = len(representatives)
            representatives.append(point)
    sizes = np.bincount(number[~on_none], minlength=1)
    ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return np.where(on_none, -1, ranks[number]), mirrored
