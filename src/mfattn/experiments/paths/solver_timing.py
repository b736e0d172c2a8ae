"""Times of both solvers, at several widths, and of Adam as it was published.

Times are those of the processor, of the least of some repetitions for the solvers, which are quick, and of one run of
Adam. They are not the same bit for bit when a run is repeated; all else is.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.paths.config import (
    Temperature,
    Variances,
    Widths,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.solutions import blank, widths_in_words
from mfattn.experiments.paths.task_config import AnyTask
from mfattn.paths.action import Action
from mfattn.paths.adam import Descent, adam
from mfattn.paths.checks import Array
from mfattn.paths.kernels import PathKernels
from mfattn.paths.points import Method
from mfattn.paths.solve import Solution, SolveError, solve
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS: tuple[Method, ...] = get_args(Method)

OPERATIONS_PER_SECOND = 1e10
"""Of a core, for estimates."""

USUAL_STEPS = 500
"""Steps of Adam, for estimates."""

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

Result = TypeVar("Result")


class AdamConfig(Config):
    """Adam as it was published."""

    rate: float = Field(0.1, gt=0, le=100, description="Of learning; 0.008 was published for images.")
    tolerance: float = Field(1e-5, ge=1e-14, le=1e3, description="Largest entry of the gradient at which it stops.")
    steps: int = Field(50_000, ge=1, le=1_000_000, description="Steps at most.")


class SolverTimingConfig(RunConfig):
    """Times of solvers."""

    experiment: Literal["solver_timing"] = Field(description="This kind of run.")
    task: AnyTask = Field(description="What is learnt, by which heads.")
    widths: Widths = Field(description="Widths N; all layers have the same.")
    temperature: Temperature = Field(0.01, description="Temperature T of the posterior.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    adam: AdamConfig = Field(AdamConfig(), description="The published solver, for comparison.")
    repetitions: int = Field(5, ge=1, le=1000, description="Repetitions of a solver, of which the quickest counts.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit to the task."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths)
        yield from variance_mistakes(self.variances, self.task.head_counts)


class SolverTiming(PointwiseExperiment[SolverTimingConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a width.

    All solvers start at infinite width, and none tries other starts. Differences are those from the solution in
    non-centred coordinates; gradients are the largest entry of that of 2S / N by U_1, the other blocks at their best.
    """

    @property
    def points(self) -> int:
        """Number of widths."""
        return len(self.config.widths)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of Adam and of the solvers."""
        task = self.config.task
        paths, examples = prod(task.head_counts), task.training_size
        contractions = 2.0 * examples * task.input_width * paths * (paths + examples)
        step = 2e-4 + (2 * contractions + examples**3) / OPERATIONS_PER_SECOND
        solvers = len(METHODS) * (self.config.repetitions + 1) * task.solve_seconds
        return min(USUAL_STEPS, self.config.adam.steps) * step + solvers

    def describe(self) -> list[tuple[str, str]]:
        """Task, widths and solvers."""
        config = self.config
        return [
            config.task.describe(),
            ("network", f"{widths_in_words(config.widths)}; T = {config.temperature:g}"),
            ("solvers", f"{', '.join(METHODS)}; Adam of rate {config.adam.rate:g}"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Seconds, gradients and differences of every solver."""
        solvers = (*METHODS, "adam")
        names = [
            "products_seconds",
            "action",
            *(f"{solver}_seconds" for solver in solvers),
            *(f"{solver}_gradient" for solver in solvers),
            *(f"{solver}_difference" for solver in solvers[1:]),
            *(f"{solver}_action_difference" for solver in solvers[1:]),
        ]
        return dict.fromkeys(names, ArrayLayout((), REAL)) | dict.fromkeys(
            ("adam_steps", "adam_converged"), ArrayLayout((), COUNT)
        )

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """All solvers at a width."""
        config = self.config
        problem = config.task.problem(input_scale(config.variances))
        network = network_of(problem.heads, config.widths[point], config.variances)
        seconds, kernels = timed(lambda: packed(problem.features), config.repetitions)
        action = Action(network, kernels, problem.labels, config.temperature)
        solutions = {}
        found: dict[str, Any] = blank(self.point_layout()) | {"products_seconds": seconds}
        for method in METHODS:
            solved = solution_with_seconds(action, method, config.repetitions)
            if solved is not None:
                found[f"{method}_seconds"], solutions[method] = solved
                found[f"{method}_gradient"] = gradient_size(action, solutions[method].U1)
        settings = config.adam
        found["adam_seconds"], descent = timed(
            lambda: adam(action, rate=settings.rate, tolerance=settings.tolerance, steps=settings.steps), 1
        )
        found |= {"adam_steps": descent.steps, "adam_converged": int(descent.converged)}
        found["adam_gradient"] = gradient_size(action, descent.U1)
        if "noncentred" in solutions:
            found["action"] = solutions["noncentred"].value
            for name, other in {"reduced": solutions.get("reduced"), "adam": descent}.items():
                found |= differences(action, solutions["noncentred"], name, other)
        return found

    def constants(self) -> Arrays:
        """Widths."""
        return {"width": np.array(self.config.widths)}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Times and their ratios, at every width and in all."""
        lines = [
            (f"N = {width}", self._times({name: arrays[name][row] for name in arrays}))
            for row, width in enumerate(arrays["width"])
        ]
        return [*lines, ("all widths", self._times({name: arrays[name].sum() for name in arrays}))]

    def _times(self, numbers: Mapping[str, Any]) -> str:
        steps = max(int(numbers["adam_steps"]), 0)
        parts = [f"Adam {numbers['adam_seconds']:.3f} s, {steps:,} steps"]
        for method in METHODS:
            own = numbers[f"{method}_seconds"]
            parts.append(f"{method} {own:.4f} s, {numbers['adam_seconds'] / own:.0f} times as fast")
        return "; ".join(parts)

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Widths at which a solver does not converge."""
        groups = {
            f"no certain minimum from infinite width alone, {method}": np.isnan(arrays[f"{method}_seconds"])
            for method in METHODS
        }
        groups["Adam does not converge"] = arrays["adam_converged"] == 0
        return [
            f"{words}: N = {', '.join(map(str, arrays['width'][group]))}"
            for words, group in groups.items()
            if group.any()
        ]

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Times, gradients and differences over the width."""
        from mfattn.figures.paths.solver_timing import draw_times

        task = self.config.task
        caption = f"{task.label}: $P = {task.training_size}$, $T = {self.config.temperature:g}${note}"
        return draw_times(arrays, caption)


def timed(call: Callable[[], Result], repetitions: int) -> tuple[float, Result]:
    """Least seconds of the processor of some calls, and what the last one returns."""
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def packed(features: Array) -> PathKernels:
    """Kernels of which all is computed that does not depend on the width."""
    kernels = PathKernels(features)
    # One kernel is asked for, so that products are taken, in whatever form is the fastest.
    kernels.compressed[1].kernel(np.eye(kernels.paths))
    return kernels


def solution_with_seconds(action: Action, method: Method, repetitions: int) -> tuple[float, Solution] | None:
    """Least seconds of a solution and the solution, None where none is certain."""
    try:
        solve(action, method=method, starts="gp")  # imports what is imported when it is needed
        return timed(lambda: solve(action, method=method, starts="gp"), repetitions)
    except SolveError:
        return None


def gradient_size(action: Action, order: Array) -> float:
    """Largest entry of the gradient of 2S over the width, NaN where U_1 is not positive definite."""
    try:
        gradient = action.reduced_value_and_gradient(order)[1]
    except ValueError:
        return np.nan
    return float(np.abs(gradient).max()) / max(action.network.widths)


def differences(action: Action, best: Solution, name: str, other: Solution | Descent | None) -> dict[str, float]:
    """Differences of U_1, relative, and of 2S, from a solution; NaN where there is none."""
    if other is None:
        return {}
    difference = float(np.abs(other.U1 - best.U1).max() / np.abs(best.U1).max())
    try:
        value = action.value(other.U1) - best.value
    except ValueError:
        value = np.nan
    return {f"{name}_difference": difference, f"{name}_action_difference": value}
