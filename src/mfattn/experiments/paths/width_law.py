"""How far the theory of wide networks is from the exact posterior, over the width at a fixed load: the law 1 / N."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.paths.config import (
    PosteriorConfig,
    SolverConfig,
    Temperature,
    Widths,
    network_of,
    sweep_mistakes,
)
from mfattn.experiments.paths.exact import importance_mistakes, posterior_of, relative_distance
from mfattn.experiments.paths.instances import given_size_mistakes, instance_of
from mfattn.experiments.paths.measured import SAMPLERS
from mfattn.experiments.paths.solutions import blank, solution_of, widths_in_words
from mfattn.experiments.paths.task_config import MOST_EXAMPLES, MarkovConfig, RandomConfig
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.predict import Predictor, log_evidence
from mfattn.pipeline.config import RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

COMPARED = ("order_parameter", "predictor", "variance")
"""What is compared: U_1, and mean and variance of the predictions for the test."""

DRAW_SECONDS = 1e-4
"""Of a draw, beside what its matrices cost."""

ENTRIES_PER_SECOND = 1e9
"""Entries of matrices that a draw goes through, in its likelihood and its predictions."""

SizableTask = Annotated[MarkovConfig | RandomConfig, Field(discriminator="name")]
"""A task whose inputs may have any width."""

PerWidth = Annotated[float, Field(ge=0.01, le=100)]


class LawFit(NamedTuple):
    """A power law: exponent with its standard error, prefactor, and the prefactor of 1 / N."""

    exponent: float
    error: float
    prefactor: float
    inverse_prefactor: float


class WidthLawConfig(RunConfig):
    """Distance of theory and exact posterior over the width."""

    experiment: Literal["width_law"] = Field(description="This kind of run.")
    tasks: Tuple[SizableTask] = Field(
        min_length=1, max_length=6, description="What is learnt; examples and inputs are given below."
    )
    widths: Widths = Field(description="Widths N; all layers have the same.")
    examples_per_width: PerWidth = Field(2.0, description="Training examples P per width, made even.")
    inputs_per_width: PerWidth = Field(
        3.0, description="Width of random features, or features of a token, per width N, made even."
    )
    instances: int = Field(4, ge=1, le=1000, description="Instances of every task and width.")
    temperature: Temperature = Field(0.01, description="Temperature T of the posterior.")
    solver: SolverConfig = Field(SolverConfig(), description="How the action is minimised.")
    posterior: PosteriorConfig = Field(PosteriorConfig(draws=8192), description="The exact posterior.")

    def sized(self, task: MarkovConfig | RandomConfig, width: int, number: int) -> MarkovConfig | RandomConfig:
        """An instance of a task, as large as the width asks for."""
        examples, inputs = (
            2 * max(1, round(per_width * width / 2)) for per_width in (self.examples_per_width, self.inputs_per_width)
        )
        return instance_of(task, number, examples=examples, inputs=inputs)

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Tasks that would be too large, and repeated widths."""
        examples = self.sized(self.tasks[0], max(self.widths), 0).training_size
        if examples > MOST_EXAMPLES:
            yield ("widths",), f"at most {MOST_EXAMPLES:,} examples, found {examples:,}; take smaller widths or loads"
            return
        for place, task in enumerate(self.tasks):
            largest = self.sized(task, max(self.widths), 0)
            of_task = [*given_size_mistakes(task, inputs=True), *largest.mistakes()]
            yield from ((("tasks", place, *path), message) for path, message in of_task)
        yield from sweep_mistakes(widths=self.widths)
        paths = max(prod(task.head_counts) for task in self.tasks)
        found = importance_mistakes(self.posterior, min(self.widths), paths)
        yield from ((("posterior", *path), message) for path, message in found)


class WidthLaw(PointwiseExperiment[WidthLawConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`.

    A point is a task, a width and an instance, which changes fastest.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tasks, widths and instances."""
        return len(self.config.tasks), len(self.config.widths), self.config.instances

    @property
    def points(self) -> int:
        """Tasks times widths times instances."""
        return prod(self.shape)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of the middle width."""
        config = self.config
        width = sorted(config.widths)[len(config.widths) // 2]
        task = config.sized(config.tasks[0], width, 0)
        entries = task.training_size**2 * (task.training_size + task.test_size)
        return 10 * task.solve_seconds + config.posterior.draws * (DRAW_SECONDS + entries / ENTRIES_PER_SECOND)

    def describe(self) -> list[tuple[str, str]]:
        """Tasks, widths and draws."""
        config = self.config
        return [
            ("tasks", "; ".join(task.label for task in config.tasks)),
            ("network", f"{widths_in_words(config.widths)}; T = {config.temperature:g}"),
            ("load", f"P = {config.examples_per_width:g} N, {config.inputs_per_width:g} N inputs"),
            ("exact", f"{config.instances:,} instances, {config.posterior.draws:,} draws, {config.posterior.method}"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Relative distances with their noise of sampling, evidence, and what is known of the draws."""
        names = [f"{name}_{what}" for name in COMPARED for what in ("deviation", "noise")]
        names += ["log_evidence", "exact_log_evidence", "exact_log_evidence_error", "effective_size", "r_hat"]
        return {name: ArrayLayout((), REAL) for name in names} | dict.fromkeys(
            ("minima", "sampler"), ArrayLayout((), COUNT)
        )

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Theory and exact posterior of an instance."""
        config = self.config
        of_task, of_width, number = np.unravel_index(point, self.shape)
        width = config.widths[of_width]
        problem = config.sized(config.tasks[of_task], width, int(number)).build(1.0)
        action = Action(network_of(problem.heads, width, None), problem.kernels, problem.labels, config.temperature)
        found: dict[str, Any] = dict(blank(self.point_layout()))
        solution = solution_of(action, config.solver)
        posterior = posterior_of(action, config.posterior)
        if solution is None or posterior is None:
            return found
        exact, theory = posterior.predict(problem.test_features), Predictor(action, solution.U1)
        found |= relative_distance("order_parameter", solution.U1, posterior.order_parameter())
        found |= relative_distance("predictor", theory.mean(problem.test_features), exact.mean)
        found |= relative_distance("variance", theory.variance(problem.test_features), exact.variance)
        return found | {
            "log_evidence": log_evidence(action, solution.value),
            "exact_log_evidence": posterior.log_evidence.value,
            "exact_log_evidence_error": posterior.log_evidence.error,
            "effective_size": posterior.effective_size,
            "r_hat": posterior.r_hat,
            "minima": len(solution.certificate.minima),
            "sampler": SAMPLERS.index(posterior.method),
        }

    def constants(self) -> Arrays:
        """Task, width and instance of every point."""
        tasks, widths, instances = (places.ravel() for places in np.indices(self.shape))
        return {
            "task": np.array([task.label for task in self.config.tasks])[tasks],
            "width": np.array(self.config.widths)[widths],
            "instance": instances,
        }

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Power laws of every task."""
        derived: Arrays = {}
        for name in COMPARED:
            fits = np.array(self._fits(arrays, name))
            for place, field in enumerate(LawFit._fields):
                derived[f"{name}_law_{field}"] = fits[:, place]
        return derived

    def _fits(self, arrays: Mapping[str, NDArray[Any]], name: str) -> list[LawFit]:
        """Power laws of a distance over the width."""
        widths = np.array(self.config.widths, dtype=np.float64)
        return [power_law(widths, values) for values in arrays[f"{name}_deviation"].reshape(self.shape)]

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Power laws of the order parameter and of the predictions."""
        lines = []
        for name in COMPARED:
            for task, fit in zip(self.config.tasks, self._fits(arrays, name), strict=True):
                text = f"exponent {fit.exponent:.3f} +- {fit.error:.3f}, {fit.inverse_prefactor:.3g} / N"
                lines.append((f"{name.replace('_', ' ')}, {task.label}", text))
        return lines

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Instances without a solution, with several minima, and laws that are not 1 / N."""
        lines = []
        failed, several = int((arrays["minima"] < 0).sum()), int((arrays["minima"] > 1).sum())
        if failed:
            lines.append(f"{failed:,} instances have no certain minimum, or no draws, and are left out")
        if several:
            lines.append(f"{several:,} instances have several minima, of which the least is taken")
        noisy = int((arrays["order_parameter_noise"] > 0.5 * arrays["order_parameter_deviation"]).sum())
        if noisy:
            lines.append(f"{noisy:,} instances have noise of sampling of more than half the distance; take more draws")
        return lines

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every instance, and one for every law."""
        rows = (
            [task.label, name, *fit]
            for name in COMPARED
            for task, fit in zip(self.config.tasks, self._fits(arrays, name), strict=True)
        )
        values = {name: arrays[name] for name in (*self.constants(), *self.point_layout())}
        return {
            "instances": values_table(values, self.points),
            "laws": Table(["task", "distance", *LawFit._fields], rows),
        }

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Distances over the width, with their power laws."""
        from mfattn.figures.paths.width_law import draw_laws

        config = self.config
        distances = {name: arrays[f"{name}_deviation"].reshape(self.shape) for name in COMPARED}
        fits = {name: self._fits(arrays, name) for name in COMPARED}
        caption = (
            rf"$P = {config.examples_per_width:g}\,N$, ${config.inputs_per_width:g}\,N$ inputs, "
            rf"$T = {config.temperature:g}$, {config.instances} instances{note}"
        )
        labels = [task.label for task in config.tasks]
        return draw_laws(np.array(config.widths, dtype=np.float64), distances, fits, labels, caption)


def power_law(widths: NDArray[np.float64], distances: NDArray[np.float64]) -> LawFit:
    """Straight line through the logarithms of mean distances (widths, instances), NaN with fewer than three widths.

    >>> fit = power_law(np.array([8.0, 16.0, 32.0]), 2 / np.array([[8.0], [16.0], [32.0]]))
    >>> round(fit.exponent, 9), round(fit.inverse_prefactor, 9)
    (-1.0, 2.0)
    """
    known = np.isfinite(distances)
    means = np.where(known, distances, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    used = means > 0
    if used.sum() < 3:
        return LawFit(*[np.nan] * 4)
    from scipy.stats import linregress

    x, y = np.log(widths[used]), np.log(means[used])
    line = linregress(x, y)
    return LawFit(float(line.slope), float(line.stderr), float(np.exp(line.intercept)), float(np.exp(np.mean(x + y))))
