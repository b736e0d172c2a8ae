"""How many minima the action of narrow networks has, over the examples per width and the temperature."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.paths.config import (
    SolverConfig,
    Temperatures,
    Variances,
    Width,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.instances import given_size_mistakes, instance_of
from mfattn.experiments.paths.solutions import blank, solution_of
from mfattn.experiments.paths.task_config import LABELS_IN_WORDS, MOST_EXAMPLES, RandomConfig
from mfattn.experiments.sections import Seed
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.points import Method
from mfattn.paths.starts import drawn, gaussian_process_order, scaled
from mfattn.pipeline.config import RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

CELL = ("solved", "mean_minima", "share_with_several", "share_misled", "mean_gap")
"""Numbers of a cell."""

FIXED_STARTS = 7
"""Starts beside random ones, that of infinite width twice."""

START_SECONDS = 12e-3
"""Of a descent in a small problem, of which the rest is in the seconds of a solution."""

SAME = 1e-8
"""Relative difference of 2S below which two minima are one."""


class MinimaMapConfig(RunConfig):
    """Numbers of minima over the examples per width and the temperature."""

    experiment: Literal["minima_map"] = Field(description="This kind of run.")
    task: RandomConfig = Field(description="Random problems; `examples` are given below.")
    width: Width = Field(description="Width N of all layers.")
    examples: Tuple[Annotated[int, Field(ge=1, le=MOST_EXAMPLES)]] = Field(
        min_length=1, max_length=100, description="Numbers P of training examples."
    )
    temperatures: Temperatures = Field(description="Temperatures T of the posterior.")
    instances: int = Field(40, ge=1, le=10_000, description="Random problems of each cell.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    method: Method = Field("noncentred", description="How the action is minimised.")
    random_starts: int = Field(
        0, ge=0, le=1000, description="Random starts beside the limit of infinite width and five multiples of it."
    )
    seed: Seed = Field(0, description="Seed of the random starts.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("task", *path), message) for path, message in given_size_mistakes(self.task))
        largest = instance_of(self.task, 0, examples=max(self.examples))
        yield from ((("task", *path), message) for path, message in largest.mistakes())
        yield from sweep_mistakes(examples=self.examples, temperatures=self.temperatures)
        yield from variance_mistakes(self.variances, self.task.head_counts)


class MinimaMap(PointwiseExperiment[MinimaMapConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`.

    A point is a number of examples and a temperature, which changes fastest. An instance has the same first examples
    at all points.
    """

    @property
    def points(self) -> int:
        """Cells of the map."""
        return len(self.config.examples) * len(self.config.temperatures)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of all instances of a cell."""
        config = self.config
        largest = instance_of(config.task, 0, examples=max(config.examples))
        starts = FIXED_STARTS + config.random_starts
        return config.instances * starts * (START_SECONDS + largest.solve_seconds)

    def describe(self) -> list[tuple[str, str]]:
        """The problems and the map."""
        config = self.config
        heads = " x ".join(map(str, config.task.heads))
        labels = LABELS_IN_WORDS[config.task.labels]
        return [
            ("task", f"{config.instances:,} instances of {config.task.inputs} random inputs, {labels}, {heads} heads"),
            ("map", f"N = {config.width}; {len(config.examples)} numbers P, {len(config.temperatures)} temperatures"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Of a cell: averages. Of every instance: minima, their gap, and what the start at infinite width misses."""
        layout = {name: ArrayLayout((), REAL) for name in CELL}
        instances = (self.config.instances,)
        layout |= {name: ArrayLayout(instances, REAL) for name in ("least_action", "gap", "excess_of_infinite_width")}
        return layout | {"minima": ArrayLayout(instances, COUNT)}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All instances of a cell."""
        config = self.config
        row, column = divmod(point, len(config.temperatures))
        found = blank(self.point_layout())
        for number in range(config.instances):
            task = instance_of(config.task, number, examples=config.examples[row])
            problem = task.build(input_scale(config.variances))
            network = network_of(problem.heads, config.width, config.variances)
            action = Action(network, problem.kernels, problem.labels, config.temperatures[column])
            for name, value in self._minima(action).items():
                found[name][number] = value
        return found | _averages(found)

    def _minima(self, action: Action) -> dict[str, float]:
        """Minima of one instance, and where the start at infinite width ends; no minima where none is certain."""
        config, first = self.config, gaussian_process_order(action.network)
        others = [*scaled(action.network), *drawn(action.network, config.random_starts, config.seed)]
        solver = SolverConfig(method=config.method)
        alone, best = (solution_of(action, solver, starts) for starts in ([first], [first, *others]))
        if alone is None or best is None:
            return {"minima": 0}
        minima = best.certificate.minima
        excess = alone.value - best.value
        return {
            "minima": len(minima),
            "least_action": best.value,
            "gap": minima[1].value - minima[0].value if len(minima) > 1 else np.nan,
            "excess_of_infinite_width": excess if excess > SAME * (1 + abs(best.value)) else 0.0,
        }

    def constants(self) -> Arrays:
        """Examples, their ratio to the width, and temperatures of all cells."""
        config = self.config
        examples = np.repeat(config.examples, len(config.temperatures))
        return {
            "examples": examples,
            "examples_per_width": examples / config.width,
            "temperature": np.tile(config.temperatures, len(config.examples)),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """How often there are several minima, in all and where most often."""
        share, solved = arrays["share_with_several"], arrays["solved"]
        if np.isnan(share).all():
            return [("several minima", "no cell is known")]
        most, several = int(np.nanargmax(share)), np.nansum(share * solved)
        largest_gap = np.fmax.reduce(arrays["gap"], axis=None)
        misled = np.nansum(arrays["share_misled"] * solved)
        lines = [
            ("several minima", f"{several:.0f} of {np.nansum(solved):,.0f} instances"),
            (
                "most often",
                f"{share[most]:.1%} of {solved[most]:.0f} at P/N = {arrays['examples_per_width'][most]:.4g}, "
                f"T = {arrays['temperature'][most]:g}",
            ),
            ("infinite width leads to a worse one", f"{misled:.0f} of {several:.0f}"),
        ]
        return [*lines, ("largest gap of 2S", f"{largest_gap:.4g}")] if np.isfinite(largest_gap) else lines

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Instances without a certain minimum."""
        failed = int((arrays["minima"] == 0).sum())
        return [f"{failed:,} instances have no certain minimum and are left out of the averages"] if failed else []

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """The cells, and the instances that have several minima."""
        cells = {name: arrays[name] for name in (*self.constants(), *CELL)}
        places = np.argwhere(arrays["minima"] > 1)
        names = ("minima", "least_action", "gap", "excess_of_infinite_width")
        rows = (
            [
                arrays["examples"][cell].item(),
                arrays["temperature"][cell].item(),
                number,
                *(arrays[name][cell, number].item() for name in names),
            ]
            for cell, number in places.tolist()
        )
        several = Table(["examples", "temperature", "instance", *names], rows)
        return {"cells": values_table(cells, self.points), "several": several}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """The map of the share of instances with several minima, and what they mean."""
        from mfattn.figures.paths.minima_map import draw_minima

        config = self.config
        heads = r" \times ".join(map(str, config.task.heads))
        caption = (
            rf"$N = {config.width}$, ${heads}$ heads, $D = {config.task.inputs}$ inputs, "
            f"{LABELS_IN_WORDS[config.task.labels]}, {config.instances} instances a cell{note}"
        )
        threshold = config.task.inputs * prod(config.task.heads) / config.width
        return draw_minima(arrays, (len(config.examples), len(config.temperatures)), threshold, caption)


def _averages(found: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Averages over the instances that are solved, NaN without any."""
    solved = found["minima"] > 0
    if not solved.any():
        return {"solved": 0.0}
    several = found["minima"] > 1
    return {
        "solved": float(solved.sum()),
        "mean_minima": float(found["minima"][solved].mean()),
        "share_with_several": float(several.sum() / solved.sum()),
        "share_misled": float((found["excess_of_infinite_width"] > 0).sum() / solved.sum()),
        "mean_gap": float(found["gap"][several].mean()) if several.any() else np.nan,
    }
