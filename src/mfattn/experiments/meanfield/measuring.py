"""The motion of the points of a block: transients, exponents and regimes, and the arrays that hold them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.meanfield.config import LyapunovConfig, SettlingStepsConfig
from mfattn.experiments.meanfield.stepping import mover, step_seconds
from mfattn.meanfield import Orbits, Weights
from mfattn.meanfield.lyapunov import ALIGNMENT, BLOCKS
from mfattn.meanfield.motion import Motion, measure_motion, tail_steps
from mfattn.meanfield.regimes import Regime
from mfattn.meanfield.settling import Settling, settle
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays

REGIME_LABELS = [regime.label for regime in Regime]
"""Name of each regime, by the number that results hold."""

FIRST_LOOK = 20_000
"""Steps after which a point with an automatic transient can have settled."""


def pass_transient(orbits: Orbits, steps: SettlingStepsConfig, advance: Advance) -> Settling:
    """Run the transient but for the steps that align tangent vectors; an automatic one as long as each point needs."""
    move, length = mover(advance, orbits.weights), orbits.weights.context_length
    if steps.transient != "auto":
        move(orbits, steps.longest - alignment_within(steps, length))
        return Settling(orbits, np.full(len(orbits), steps.longest), np.ones(len(orbits), dtype=bool))
    move(orbits, length)
    limit = steps.longest - length
    settling = settle(orbits, first=min(FIRST_LOOK, limit), limit=limit, move=move)
    advance(int((limit - settling.steps).sum()))
    return replace(settling, steps=settling.steps + length)


def alignment_within(steps: SettlingStepsConfig, length: int) -> int:
    """Steps of the transient that align the tangent vectors: its last ones, or none where it is too short."""
    fits = steps.transient != "auto" and steps.longest >= length + ALIGNMENT
    return ALIGNMENT if fits else 0


def measured_steps(steps: SettlingStepsConfig, length: int) -> int:
    """Steps that `measure` runs at a point whose window is full."""
    return ALIGNMENT + steps.record + tail_steps(steps.record, length)


def steps_to_measure(steps: SettlingStepsConfig, length: int) -> int:
    """Steps of a point that is run past its transient and measured."""
    return steps.longest - alignment_within(steps, length) + measured_steps(steps, length)


def steps_of_point(steps: SettlingStepsConfig, lyapunov: LyapunovConfig | None, length: int) -> int:
    """Steps of a point that is run past its transient, recorded and, beside it, measured."""
    return steps.longest + steps.record + (measured_steps(steps, length) if lyapunov else 0)


def seconds_of_point(
    steps: SettlingStepsConfig, lyapunov: LyapunovConfig | None, weights: Weights, recording: float
) -> float:
    """Rough core-seconds of such a point, where a recorded step costs RECORDING plain ones."""
    seconds = (steps.longest + recording * steps.record) * step_seconds(weights)
    if lyapunov is None:
        return seconds
    step = step_seconds(weights, lyapunov.exponents, lyapunov.every)
    return seconds + measured_steps(steps, weights.context_length) * step


def measure(
    orbits: Orbits, settled: NDArray[np.bool_], lyapunov: LyapunovConfig, steps: SettlingStepsConfig, advance: Advance
) -> Motion:
    """Align the tangent vectors, and measure the motion over the recorded steps."""
    move, length = mover(advance, orbits.weights), orbits.weights.context_length
    if not orbits.full:
        # Tangent vectors start when the windows are full.
        move(orbits, length)
    return measure_motion(orbits, lyapunov.exponents, steps.record, every=lyapunov.every, settled=settled, move=move)


def describe_measurement(steps: SettlingStepsConfig, lyapunov: LyapunovConfig | None) -> Iterator[tuple[str, str]]:
    """Lines that tell a user the steps and the exponents."""
    transient = f"{steps.longest:,} transient"
    if steps.transient == "auto":
        transient = f"transient until settled, at most {steps.longest:,},"
    yield "steps", f"{transient} + {steps.record:,} recorded a point"
    if lyapunov is not None:
        yield "lyapunov", f"leading {lyapunov.exponents}, re-orthonormalised every {lyapunov.every} steps or less"


def motion_layout(shape: tuple[int, ...], lyapunov: LyapunovConfig) -> dict[str, ArrayLayout]:
    """Arrays of the motion of points of a shape."""
    exponents = (*shape, lyapunov.exponents)
    real, flag = np.dtype(np.float64), np.dtype(np.bool_)
    return {
        "exponents": ArrayLayout(exponents, real),
        "exponent_errors": ArrayLayout(exponents, real),
        "exponents_resolved": ArrayLayout(exponents, flag),
        "exponents_short": ArrayLayout(exponents, flag),
        "kaplan_yorke": ArrayLayout(shape, real),
        "regime": ArrayLayout(shape, np.dtype(np.int8)),
        "period": ArrayLayout(shape, np.dtype(np.int64)),
        "positional_period": ArrayLayout(shape, np.dtype(np.int64)),
        "rotation": ArrayLayout(shape, real),
        "settled": ArrayLayout(shape, flag),
    }


def finite_time_layout(points: int, lyapunov: LyapunovConfig, record: int) -> dict[str, ArrayLayout]:
    """The array of the finite-time exponents of consecutive blocks of the recorded steps."""
    shape = (points, min(BLOCKS, record), lyapunov.exponents)
    return {"finite_time_exponents": ArrayLayout(shape, np.dtype(np.float64))}


def motion_arrays(motion: Motion) -> Arrays:
    """The arrays of `motion_layout`."""
    spectrum = motion.spectrum
    return {
        "exponents": spectrum.exponents,
        "exponent_errors": spectrum.errors,
        "exponents_resolved": spectrum.resolved,
        "exponents_short": spectrum.short,
        # Just before a bifurcation an exponent of a cycle is zero within its error.
        "kaplan_yorke": np.where(np.isin(motion.regime, [Regime.REST, Regime.PERIODIC]), 0.0, spectrum.kaplan_yorke),
        "regime": motion.regime,
        "period": motion.period,
        "positional_period": motion.positional_period,
        "rotation": motion.rotation,
        "settled": motion.settled,
    }


def motion_warnings(arrays: Mapping[str, NDArray[Any]], also: str = "") -> Iterator[str]:
    """What the numbers of a result do not support; ALSO says what else lengthens the transient."""
    points = arrays["regime"].size
    unsettled = np.count_nonzero(arrays["regime"] == Regime.UNSETTLED)
    if unsettled:
        yield (
            f"{unsettled:,} of {points:,} orbits had not settled: lengthen steps.transient or, with auto, steps.limit"
            + also
        )
    short = np.count_nonzero(arrays["exponents_short"][..., 0])
    if short:
        yield f"{short:,} of {points:,} leading exponents come from runs too short for their errors: record more steps"
    bad = np.count_nonzero(np.isnan(arrays["exponents"][..., 0]))
    if bad:
        yield f"{bad:,} of {points:,} leading exponents are not finite"
