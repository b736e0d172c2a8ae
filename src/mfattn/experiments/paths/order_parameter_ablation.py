"""What overlaps of different paths buy: the order parameter held to families of matrices, at several widths."""

import warnings
from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Literal, get_args

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
from mfattn.experiments.paths.solutions import STARTS, blank, widths_in_words
from mfattn.experiments.paths.task_config import AnyTask
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.limits import Constrained, Family, constrained
from mfattn.paths.observables import kernel_target_alignment
from mfattn.paths.predict import Predictor, accuracy, log_evidence, sampled_accuracy
from mfattn.paths.solve import SeveralMinima, SolveError
from mfattn.paths.tasks.problem import Problem
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES: tuple[Family, ...] = get_args(Family)

NUMBERS = ("action", "log_evidence", "accuracy", "sampled_accuracy", "kernel_target_alignment", "gradient_norm")
"""What is known of a member of a family; its action is 2S."""

REAL = np.dtype(np.float64)


class OrderParameterAblationConfig(RunConfig):
    """The order parameter held to families of matrices."""

    experiment: Literal["order_parameter_ablation"] = Field(description="This kind of run.")
    task: AnyTask = Field(description="What is learnt, by which heads.")
    widths: Widths = Field(description="Widths N; all layers have the same.")
    temperature: Temperature = Field(0.01, description="Temperature T of the posterior.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit to the task."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths)
        yield from variance_mistakes(self.variances, self.task.head_counts)


class OrderParameterAblation(PointwiseExperiment[OrderParameterAblationConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a width."""

    @property
    def points(self) -> int:
        """Number of widths."""
        return len(self.config.widths)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a minimum in every family."""
        return len(FAMILIES) * STARTS * self.config.task.solve_seconds

    def describe(self) -> list[tuple[str, str]]:
        """Task and widths."""
        config = self.config
        return [
            config.task.describe(),
            ("network", f"{widths_in_words(config.widths)}; T = {config.temperature:g}"),
            ("families", ", ".join(FAMILIES)),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Order parameter and numbers of every family."""
        paths = prod(self.config.task.head_counts)
        layout = {"order_parameter": ArrayLayout((len(FAMILIES), paths, paths), REAL)}
        return layout | dict.fromkeys(NUMBERS, ArrayLayout((len(FAMILIES),), REAL))

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Least action in every family."""
        config = self.config
        problem = config.task.problem(input_scale(config.variances))
        network = network_of(problem.heads, config.widths[point], config.variances)
        action = Action(network, problem.kernels, problem.labels, config.temperature)
        found = blank(self.point_layout())
        for place, family in enumerate(FAMILIES):
            member = least_member(action, family)
            if member is not None:
                for name, value in of_member(action, member, problem).items():
                    found[name][place] = value
        return found

    def constants(self) -> Arrays:
        """Widths, and the names of the families and of the paths."""
        return {
            "width": np.array(self.config.widths),
            "family": np.array(FAMILIES),
            "path": np.array(self.config.task.path_names),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Accuracy and evidence of every family."""
        rows = zip(arrays["width"], arrays["accuracy"], arrays["log_evidence"], strict=True)
        return [
            (
                f"N = {width}",
                "; ".join(
                    f"{family} {right:.3f}, log evidence {evidence:.2f}"
                    for family, right, evidence in zip(FAMILIES, accuracies, evidences, strict=True)
                ),
            )
            for width, accuracies, evidences in rows
        ]

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Families without a minimum."""
        return [
            f"no minimum found in the family {family}: N = {', '.join(map(str, arrays['width'][missing]))}"
            for family, missing in zip(FAMILIES, np.isnan(arrays["action"]).T, strict=True)
            if missing.any()
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every width and family."""
        values = {
            "width": np.repeat(arrays["width"], len(FAMILIES)),
            "family": np.tile(arrays["family"], self.points),
        }
        values |= {name: arrays[name].ravel() for name in NUMBERS}
        return {"families": values_table(values, self.points * len(FAMILIES))}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Accuracy, evidence and the loss of evidence over the width."""
        from mfattn.figures.paths.order_parameter_ablation import draw_families

        task = self.config.task
        caption = f"{task.label}: $P = {task.training_size}$, $T = {self.config.temperature:g}${note}"
        return draw_families(arrays, caption)


def least_member(action: Action, family: Family) -> Constrained | None:
    """Least action in a family; None where no minimum is found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeveralMinima)
        try:
            return constrained(action, family)
        except SolveError:
            return None


def of_member(action: Action, member: Constrained, problem: Problem) -> dict[str, Any]:
    """Order parameter and numbers of a member of a family."""
    prediction = Predictor(action, member.U1).predict(problem.test_features)
    return {
        "order_parameter": member.U1,
        "action": member.value,
        "log_evidence": log_evidence(action, member.value),
        "accuracy": accuracy(prediction.mean, problem.test_labels),
        "sampled_accuracy": sampled_accuracy(prediction.mean, prediction.variance, problem.test_labels),
        "kernel_target_alignment": kernel_target_alignment(problem.kernels.kernel(member.U1), problem.labels),
        "gradient_norm": member.gradient_norm,
    }
