"""Bifurcation points of the rest states and cycles that a sweep found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.meanfield.config import PARAMETERS, MeanFieldConfig, SweepConfig
from mfattn.meanfield import Context, Orbits, Weights
from mfattn.meanfield.cycles import BifurcationPoint, bifurcation_points
from mfattn.meanfield.families import attention_family
from mfattn.meanfield.regimes import Regime
from mfattn.pipeline.experiment import Arrays

_NEEDED = ("regime", "period", "final_attention", "final_position")

KIND_TYPE = np.dtype("<U15")


def locate_bifurcations(
    config: MeanFieldConfig, sweep: SweepConfig, weights: Weights, arrays: Mapping[str, NDArray[Any]]
) -> Arrays:
    """Arrays of the bifurcation points: kind, parameter, angle over 2π, and period in steps of the cycle."""
    model, computed = config.model, arrays["final_position"] >= 0
    if not computed.any():
        return _point_arrays([], 1)
    arrays = {name: arrays[name][computed] for name in (*PARAMETERS, *_NEEDED)}
    resting = weights.context_length if sweep.parameter == "epsilon" or model.epsilon else 1
    states = _states_at_one_position(weights, model.output_scale, arrays)
    attracted = np.isin(arrays["regime"], [Regime.REST, Regime.PERIODIC]) & (arrays["period"] % resting == 0)
    periods = np.where(attracted, arrays["period"] // resting, 0)
    family = attention_family(
        weights,
        sweep.parameter,
        int(arrays["final_position"][0]),
        beta=model.beta or 0.0,
        gamma=model.gamma or 0.0,
        epsilon=model.epsilon or 0.0,
        output_scale=model.output_scale,
        gamma_per_beta=sweep.gamma_per_beta,
    )
    return _point_arrays(bifurcation_points(family, arrays[sweep.parameter], states, periods), resting)


def _states_at_one_position(
    weights: Weights, output_scale: float, arrays: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """Final windows (points, M L), advanced until the newest token stands where that of the first point does."""
    positions = arrays["final_position"]
    states = arrays["final_attention"].copy()
    behind = (positions[0] - positions) % weights.context_length
    for steps in np.unique(behind[behind > 0]):
        points = np.flatnonzero(behind == steps)
        starts = [Context(states[point], int(positions[point])) for point in points]
        parameters = {name: arrays[name][points] for name in PARAMETERS}
        orbits = Orbits(weights, starts=starts, output_scale=output_scale, **parameters)
        orbits.advance(int(steps))
        states[points] = [context.attention for context in orbits.contexts()]
    return states.reshape(len(states), -1)


def _point_arrays(points: list[BifurcationPoint], resting: int) -> Arrays:
    return {
        "bifurcation_kind": np.array([point.kind for point in points], dtype=KIND_TYPE),
        "bifurcation_parameter": np.array([point.parameter for point in points], dtype=np.float64),
        "bifurcation_angle": np.array([point.angle for point in points], dtype=np.float64),
        "bifurcation_period": np.array([point.period * resting for point in points], dtype=np.int64),
    }
