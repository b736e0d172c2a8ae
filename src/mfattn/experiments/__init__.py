"""Kinds of runs: the only place where a theory and the pipeline meet.

The experiment `finite_size` of the theory `meanfield` is the class `FiniteSize` of the module
`mfattn.experiments.meanfield.finite_size`, with the schema `FiniteSizeConfig` beside it. A module is imported when it
is first asked for: jobs start by the thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import Experiment

THEORIES: dict[str, tuple[str, ...]] = {
    "meanfield": (
        "bifurcation",
        "continuation",
        "trajectory",
        "phase_diagram",
        "census",
        "escape",
        "finite_size",
        "finite_size_bifurcation",
    ),
    "sdm": (
        "circle_intersection",
        "critical_distance",
        "intersection_variance",
        "book_comparison",
        "design_comparison",
        "optimal_radius",
        "memory_capacity",
        "recall_curve",
        "softmax_comparison",
        "softmax_temperature",
        "exponential_bounds",
        "neuron_distribution",
        "memory_convergence",
        "learned_projection",
        "pattern_geometry",
        "transformer_temperature",
        "attention_substitution",
        "query_key_temperature",
    ),
    "paths": (
        "width_sweep",
        "path_kernels",
        "image_paths",
        "order_parameter_ablation",
        "minima_map",
        "width_law",
        "temperature_selection",
        "narrow_widths",
        "solver_timing",
    ),
}
"""Experiments of each theory, by the value of the key `experiment`."""


class Schemas(Mapping[str, type[RunConfig]]):
    """Schemas of the experiments of some names, each imported when it is first asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> type[RunConfig]:
        if name not in self._names:
            raise KeyError(name)
        schema: type[RunConfig] = _of_experiment(name, "Config")
        return schema

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


CONFIGS = Schemas([name for names in THEORIES.values() for name in names])
"""Schema of each experiment."""


def make_experiment(config: RunConfig) -> Experiment:
    """The experiment that a validated config describes."""
    experiment: Experiment = _of_experiment(config.experiment, "")(config)
    return experiment


def _of_experiment(name: str, suffix: str) -> Any:
    """The class of an experiment, or another of its module whose name begins alike."""
    theory = next(theory for theory, names in THEORIES.items() if name in names)
    module = import_module(f"mfattn.experiments.{theory}.{name}")
    return getattr(module, "".join(word.capitalize() for word in name.split("_")) + suffix)
