"""Streaming reduction of orbits: rasters, zero-plane sections, moments and periods instead of every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mfattn.meanfield.orbits import Batch, check_steps, size_for_kernel
from mfattn.meanfield.period import WINDOW, period

ObservedName = Literal["overlap_o_semantic", "attention"]
OBSERVED: tuple[ObservedName, ...] = get_args(ObservedName)
"""Observables that can be reduced."""


def is_range(low: float, high: float) -> bool:
    """Whether LOW to HIGH ascends, and its extent and the extent's inverse are numbers that float64 holds."""
    return low < high and bool(np.finfo(np.float64).tiny <= high - low < np.inf)


@dataclass(frozen=True)
class Raster:
    r"""Bins of a density raster: value x falls into bin :math:`\lfloor (x - lo)/(hi - lo)\, n \rfloor`, in float64.

    Parameters
    ----------
    bins : int
        n >= 1.
    low, high : float
        Range; what lies outside is counted apart.

    Raises
    ------
    ValueError
        For no bins, or a range that is empty, not finite, or too wide for float64.
    """

    bins: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ValueError(f"bins must be at least 1, found {self.bins}")
        if not is_range(self.low, self.high):
            raise ValueError(f"the range must be finite and ascending, found {self.low} to {self.high}")


@dataclass(frozen=True, eq=False)
class Observation:
    """What is kept of the orbits of a batch, for O observables and F features in the order in which they were given.

    `raster` counts the recorded values of each feature. `section` counts, for each ordered pair (i, j) of different
    features, the values of feature i at the steps where feature j lies within the width of zero; `pairs` names the
    pairs. `outside` counts the values below and above the raster's range.
    """

    raster: NDArray[np.unsignedinteger]  # (points, O, F, bins)
    outside: NDArray[np.unsignedinteger]  # (points, O, F, 2)
    section: NDArray[np.unsignedinteger]  # (points, O, F (F - 1), bins)
    mean: NDArray[np.float64]  # (points, O, F)
    variance: NDArray[np.float64]  # (points, O, F)
    minimum: NDArray[np.float64]  # (points, O, F)
    maximum: NDArray[np.float64]  # (points, O, F)
    period: NDArray[np.int64]  # (points,)


def section_pairs(features: Sequence[int]) -> list[tuple[int, int]]:
    """Ordered pairs (i, j) of different features, in the order of `Observation.section`."""
    return [(i, j) for i in features for j in features if i != j]


class Observer:
    """Advances orbits and reduces what they visit, as they run.

    Any sequence of `observe` calls gives the bits that one call over all their steps gives.

    Parameters
    ----------
    orbits : Orbits or FiniteNetwork
        Advanced in place.
    raster : Raster
        Bins of rasters and sections.
    width : float
        Half-width of the zero plane: a step is in the section of feature j where abs(value) < width.
    features : sequence of int
        Observed features, numbered from 0.
    observables : sequence of str
        Some of `OBSERVED`; by default all.
    window : int
        Number of last steps kept for the detection of a period.

    Raises
    ------
    ValueError
        For a feature or an observable that is unknown or named twice, a width that is negative or not finite, or an
        empty window.
    """

    def __init__(
        self,
        orbits: Batch,
        *,
        raster: Raster,
        width: float,
        features: Sequence[int],
        observables: Sequence[str] = OBSERVED,
        window: int = WINDOW,
    ) -> None:
        number = orbits.weights.features
        _check_choice("features", features, range(number))
        _check_choice("observables", observables, OBSERVED)
        if not 0 <= width < np.inf:
            raise ValueError(f"width must be a finite number of at least 0, found {width}")
        if window < 1:
            raise ValueError(f"window must be at least 1, found {window}")
        self.orbits = orbits
        self.raster = raster
        self.recorded = 0
        kernels, packs = orbits.kernels, orbits.packs
        first_row = {"attention": 0, "overlap_o_semantic": number}
        rows = np.array([[first_row[name] + feature for feature in features] for name in observables], dtype=np.int64)
        self._binning = kernels.Binning(
            raster.low, raster.high, raster.bins, width, size_for_kernel(len(features)), rows
        )
        rows_observed, row_bins = rows.size, kernels.LANES * (raster.bins + 2)
        self._sums = kernels.Sums(
            np.zeros((packs, rows_observed * row_bins), dtype=np.uint32),
            np.zeros((packs, rows_observed * (len(features) - 1) * row_bins), dtype=np.uint32),
            np.zeros((packs, rows_observed, 5, kernels.LANES)),
            np.zeros((packs, window, number, kernels.LANES)),
        )

    def observe(self, steps: int) -> None:
        """Advance by STEPS steps, all of them observed; ValueError beyond 2^32 - 1 of them, which the counts hold."""
        if self.recorded + check_steps(steps) > np.iinfo(np.uint32).max:
            raise ValueError(f"at most {np.iinfo(np.uint32).max:,} steps can be observed")
        self.orbits.run(self.orbits.kernels.observe_orbits, steps, self.recorded, self._binning, self._sums)
        self.recorded += steps

    def result(self) -> Observation:
        """What was observed so far."""
        if self.recorded == 0:
            raise ValueError("nothing was observed yet")
        observables, features = self._binning.rows.shape
        raster = self._counts(self._sums.raster, observables, features)
        section = self._counts(self._sums.section, observables, features * (features - 1))
        moments = self.orbits.unpack(self._sums.moments)
        origin, total, squares, minimum, maximum = np.moveaxis(moments, 2, 0)
        shape = (len(self.orbits), observables, features)
        shift = total / self.recorded
        return Observation(
            raster=raster[..., 1:-1],
            outside=raster[..., [0, -1]],
            section=section[..., 1:-1],
            mean=(origin + shift).reshape(shape),
            variance=np.maximum(squares / self.recorded - shift * shift, 0.0).reshape(shape),
            minimum=minimum.reshape(shape),
            maximum=maximum.reshape(shape),
            period=np.array([period(tail) for tail in self._tails()]),
        )

    def _counts(self, flat: NDArray[np.uint32], *shape: int) -> NDArray[np.uint32]:
        """Flat counts (packs, ...) as an array (points, *SHAPE, bins + 2)."""
        lanes, bins = self.orbits.kernels.LANES, self.raster.bins + 2
        return self.orbits.unpack(np.moveaxis(flat.reshape(self.orbits.packs, *shape, lanes, bins), -2, -1))

    def _tails(self) -> NDArray[np.float64]:
        """Last recorded attention vectors of every point in the order of time, (points, steps, M)."""
        kept = self._sums.tail.shape[1]
        if self.recorded < kept:
            return self.orbits.unpack(self._sums.tail[:, : self.recorded])
        return np.roll(self.orbits.unpack(self._sums.tail), -(self.recorded % kept), axis=1)


def _check_choice(name: str, chosen: Sequence[object], allowed: Sequence[object]) -> None:
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise ValueError(f"{name} must be different ones of {list(allowed)}, found {list(chosen)}")
