"""Temperatures chosen without test labels, by the evidence or by leaving examples out, beside the best for the test."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.paths.config import (
    SolverConfig,
    Temperatures,
    Variances,
    Widths,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.instances import instance_of
from mfattn.experiments.paths.measured import of_limit
from mfattn.experiments.paths.solutions import blank, solution_of, widths_in_words
from mfattn.experiments.paths.task_config import AnyTask
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.predict import (
    Predictor,
    accuracy,
    brier_score,
    log_evidence,
    negative_log_likelihood,
    sampled_accuracy,
)
from mfattn.paths.starts import gaussian_process_order
from mfattn.paths.tasks.problem import Problem
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Real = NDArray[np.float64]

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

CRITERIA: Mapping[str, tuple[str, float]] = {
    "evidence": ("log_evidence", 1.0),
    "leave_one_out": ("leave_one_out_error", -1.0),
    "oracle": ("accuracy", 1.0),
}
"""What a temperature is chosen by, and the sign with which it is to be large; the last one looks at the test."""

NUMBERS = (
    "log_evidence",
    "leave_one_out_error",
    "leave_one_out_accuracy",
    "accuracy",
    "sampled_accuracy",
    "negative_log_likelihood",
    "brier_score",
)
"""Numbers of a point."""

STARTS = 8
"""Usual number of starts of a solution, for estimates."""


class TemperatureSelectionConfig(RunConfig):
    """Choice of the temperature."""

    experiment: Literal["temperature_selection"] = Field(description="This kind of run.")
    task: AnyTask = Field(description="What is learnt, by which heads.")
    widths: Widths = Field(description="Widths N, beside which infinite width is shown.")
    temperatures: Temperatures = Field(description="Temperatures T that there are to choose from.")
    instances: int = Field(1, ge=1, le=1000, description="Instances of the task, of which all is averaged.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    solver: SolverConfig = Field(SolverConfig(), description="How the action is minimised.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths, temperatures=self.temperatures)
        yield from variance_mistakes(self.variances, self.task.head_counts)


class TemperatureSelection(PointwiseExperiment[TemperatureSelectionConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`.

    A point is an instance, a width, of which infinity is the last, and a temperature, which changes fastest.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Instances, widths and temperatures."""
        return self.config.instances, len(self.config.widths) + 1, len(self.config.temperatures)

    @property
    def points(self) -> int:
        """Instances times widths times temperatures."""
        return prod(self.shape)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a solution and its predictions."""
        task = self.config.task
        return STARTS * task.solve_seconds + 1e-9 * task.training_size**2 * task.test_size

    def describe(self) -> list[tuple[str, str]]:
        """Task, widths and temperatures."""
        config = self.config
        temperatures = f"{min(config.temperatures):g} to {max(config.temperatures):g}"
        return [
            config.task.describe(),
            ("network", widths_in_words(config.widths)),
            ("choice", f"{len(config.temperatures)} temperatures, {temperatures}; {config.instances:,} instances"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """What a temperature may be chosen by, and how good predictions are."""
        return dict.fromkeys(NUMBERS, ArrayLayout((), REAL)) | {"minima": ArrayLayout((), COUNT)}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """One instance, width and temperature."""
        config = self.config
        number, row, column = (int(place) for place in np.unravel_index(point, self.shape))
        problem = instance_of(config.task, number).problem(input_scale(config.variances))
        width = (*config.widths, 1)[row]
        network = network_of(problem.heads, width, config.variances)
        action = Action(network, problem.kernels, problem.labels, config.temperatures[column])
        if row == len(config.widths):
            limit = gaussian_process_order(network)
            evidence = of_limit(action, limit)["log_evidence"]
            return {"minima": 1, "log_evidence": evidence, **_quality(action, limit, problem)}
        solution = solution_of(action, config.solver)
        if solution is None:
            return blank(self.point_layout())
        return {
            "minima": len(solution.certificate.minima),
            "log_evidence": log_evidence(action, solution.value),
            **_quality(action, solution.U1, problem),
        }

    def constants(self) -> Arrays:
        """Instance, width and temperature of every point."""
        numbers, rows, columns = (places.ravel() for places in np.indices(self.shape))
        return {
            "instance": numbers,
            "width": np.array([*self.config.widths, np.inf])[rows],
            "temperature": np.array(self.config.temperatures)[columns],
        }

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Temperatures that are chosen for every instance and width, and accuracies there."""
        derived: Arrays = {}
        for criterion in CRITERIA:
            derived |= {
                f"{name}_by_{criterion}": values
                for name, values in zip(("temperature", "accuracy"), self._chosen(arrays, criterion), strict=True)
            }
        return derived

    def _chosen(self, arrays: Mapping[str, NDArray[Any]], criterion: str) -> tuple[Real, Real]:
        """Temperatures and accuracies (instances, widths) of a criterion, NaN where nothing is known."""
        name, sign = CRITERIA[criterion]
        values = sign * arrays[name].reshape(self.shape)
        known = ~np.isnan(values).all(axis=2)
        places = np.where(np.isnan(values), -np.inf, values).argmax(axis=2)
        temperatures = np.array(self.config.temperatures)[places]
        accuracies = np.take_along_axis(arrays["accuracy"].reshape(self.shape), places[..., None], axis=2)[..., 0]
        return np.where(known, temperatures, np.nan), np.where(known, accuracies, np.nan)

    def _loss(self, arrays: Mapping[str, NDArray[Any]], criterion: str) -> Real:
        """Accuracy (instances, widths) that a criterion loses against the oracle."""
        return self._chosen(arrays, "oracle")[1] - self._chosen(arrays, criterion)[1]

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Chosen temperatures, and what the choice costs, of every width, by averages over the instances."""
        lines = []
        for row, width in enumerate((*self.config.widths, np.inf)):
            words = []
            for criterion in CRITERIA:
                temperatures, accuracies = (values[:, row] for values in self._chosen(arrays, criterion))
                typical = np.exp(_average(np.log(temperatures)))
                words.append(f"{criterion.replace('_', '-')} T = {typical:.2g}: {_average(accuracies):.3f}")
            lines.append((f"N = {width:g}", ", ".join(words)))
        for criterion in ("evidence", "leave_one_out"):
            loss = _average(self._loss(arrays, criterion).ravel())
            lines.append((f"lost by {criterion.replace('_', '-')}", f"{loss:.4f} of accuracy, in the mean"))
        return lines

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Points without a solution, and with several minima."""
        failed, several = int((arrays["minima"] < 0).sum()), int((arrays["minima"] > 1).sum())
        lines = []
        if failed:
            lines.append(f"{failed:,} points have no certain minimum and are left out")
        if several:
            lines.append(f"{several:,} points have several minima, of which the least is taken")
        return lines

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every choice, and one for every point."""
        widths = (*self.config.widths, np.inf)
        choices = {criterion: self._chosen(arrays, criterion) for criterion in CRITERIA}
        rows = (
            [number, width, criterion, temperatures[number, row].item(), accuracies[number, row].item()]
            for number in range(self.config.instances)
            for row, width in enumerate(widths)
            for criterion, (temperatures, accuracies) in choices.items()
        )
        values = {name: arrays[name] for name in (*self.constants(), *self.point_layout())}
        return {
            "choices": Table(["instance", "width", "criterion", "temperature", "accuracy"], rows),
            "points": values_table(values, self.points),
        }

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """What is known at each temperature, and what the choice costs."""
        from mfattn.figures.paths.temperature_selection import draw_selection

        config = self.config
        curves = {name: arrays[name].reshape(self.shape) for name in NUMBERS}
        curves["log_evidence"] = curves["log_evidence"] / config.task.training_size
        instances = f", {config.instances} instances" if config.instances > 1 else ""
        caption = f"{config.task.label}: $P = {config.task.training_size}${instances}{note}"
        return draw_selection(
            np.array([*config.widths, np.inf]),
            np.array(config.temperatures),
            curves,
            {criterion: self._chosen(arrays, criterion) for criterion in CRITERIA},
            caption,
        )


def _quality(action: Action, order: Real, problem: Problem) -> dict[str, float]:
    """What is left out and predicted, and how good predictions for the test are."""
    predictor = Predictor(action, order)
    prediction = predictor.predict(problem.test_features)
    left_out = predictor.leave_one_out()
    of_test = prediction.mean, prediction.variance, problem.test_labels
    return {
        "leave_one_out_error": float((left_out**2).mean()),
        "leave_one_out_accuracy": accuracy(problem.labels - left_out, problem.labels),
        "accuracy": accuracy(prediction.mean, problem.test_labels),
        "sampled_accuracy": sampled_accuracy(*of_test),
        "negative_log_likelihood": negative_log_likelihood(*of_test),
        "brier_score": brier_score(*of_test),
    }


def _average(values: Real) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan
