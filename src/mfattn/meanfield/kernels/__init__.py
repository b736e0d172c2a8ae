"""Compiled kernels of the mean-field map: the step, the orbit, its streaming reduction and its tangent vectors.

Points of a batch travel in *packs* of `LANES`. A pack's state is an array whose last axis runs over its lanes, and
every operation on it is one vector instruction (or a few) of the processor: the type in `lanes` is that axis. Vectors
are written out, not left to the compiler's loop vectoriser, so that the speed does not hang on its mood, and so that a
lane's arithmetic is the same whatever the pack it rides in. No fast-math flag anywhere: a fused multiply-add happens
where `fma` says so and nowhere else, which is why the bits agree between processors.
"""

from mfattn.meanfield.kernels.lanes import LANES
from mfattn.meanfield.kernels.reduction import Binning, Sums, observe_orbits
from mfattn.meanfield.kernels.step import (
    NetworkWindow,
    Tables,
    Window,
    advance,
    draw_older,
    record_attention,
    record_orbits,
)
from mfattn.meanfield.kernels.tangent import Tangents, advance_tangents, orthonormalise_tangents

__all__ = [
    "LANES",
    "Binning",
    "NetworkWindow",
    "Sums",
    "Tables",
    "Tangents",
    "Window",
    "advance",
    "advance_tangents",
    "draw_older",
    "observe_orbits",
    "orthonormalise_tangents",
    "record_attention",
    "record_orbits",
]
