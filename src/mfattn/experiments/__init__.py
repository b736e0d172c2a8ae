"""Kinds of runs: the only place where a theory and the pipeline meet."""

from collections.abc import Callable
from typing import Any

from mfattn.experiments.bifurcation import Bifurcation, BifurcationConfig
from mfattn.experiments.census import Census, CensusConfig
from mfattn.experiments.continuation import Continuation, ContinuationConfig
from mfattn.experiments.escape import Escape, EscapeConfig
from mfattn.experiments.finite_size import FiniteSize, FiniteSizeConfig
from mfattn.experiments.finite_size_bifurcation import FiniteSizeBifurcation, FiniteSizeBifurcationConfig
from mfattn.experiments.phase_diagram import PhaseDiagram, PhaseDiagramConfig
from mfattn.experiments.trajectory import Trajectory, TrajectoryConfig
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import Experiment

CONFIGS: dict[str, type[RunConfig]] = {
    "bifurcation": BifurcationConfig,
    "continuation": ContinuationConfig,
    "trajectory": TrajectoryConfig,
    "phase_diagram": PhaseDiagramConfig,
    "census": CensusConfig,
    "escape": EscapeConfig,
    "finite_size": FiniteSizeConfig,
    "finite_size_bifurcation": FiniteSizeBifurcationConfig,
}
"""Schema of each experiment, by the value of the key `experiment`."""

_EXPERIMENTS: dict[str, Callable[[Any], Experiment]] = {
    "bifurcation": Bifurcation,
    "continuation": Continuation,
    "trajectory": Trajectory,
    "phase_diagram": PhaseDiagram,
    "census": Census,
    "escape": Escape,
    "finite_size": FiniteSize,
    "finite_size_bifurcation": FiniteSizeBifurcation,
}


def make_experiment(config: RunConfig) -> Experiment:
    """The experiment that a validated config describes."""
    return _EXPERIMENTS[config.experiment](config)
