"""Networks narrower than they have paths, whose order parameter is singular: theory beside the exact posterior."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.paths.config import (
    PosteriorConfig,
    SolverConfig,
    Temperature,
    Variances,
    Widths,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.exact import importance_mistakes, posterior_of, relative_distance
from mfattn.experiments.paths.measured import SAMPLERS
from mfattn.experiments.paths.solutions import blank, solution_of, widths_in_words
from mfattn.experiments.paths.task_config import AnyTask
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.posterior import Posterior
from mfattn.paths.predict import Predictor, accuracy, log_evidence
from mfattn.paths.solve import Solution
from mfattn.paths.starts import gaussian_process_order
from mfattn.paths.tasks.problem import Problem
from mfattn.pipeline.config import RunConfig
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

COMPARED = ("order_parameter", "predictor", "variance")
"""What is compared: U_1, and mean and variance of the predictions for the test."""

NUMBERS = (
    *(f"{name}_{what}" for name in COMPARED for what in ("deviation", "noise")),
    *("accuracy", "exact_accuracy", "limit_accuracy"),
    *("log_evidence", "exact_log_evidence", "exact_log_evidence_error"),
    *("effective_size", "r_hat"),
)
"""Numbers of a width."""

CHECKED = ("check_deviation", "check_noise", "check_effective_size", "check_r_hat")
"""Numbers of the second sampler, at widths below the number of paths."""

DRAW_SECONDS = 2.5e-3
"""Of a draw of a chain, beside what its matrices cost."""

ENTRIES_PER_SECOND = 5e7
"""Entries of kernels that a draw goes through."""

SPECTRA = 200
"""Networks that are drawn for the eigenvalues of their order parameters."""

LARGEST_R_HAT, FEWEST = 1.05, 100
"""R-hat above which, and effective draws below which, a posterior is doubtful."""


class NarrowWidthsConfig(RunConfig):
    """Networks narrower than they have paths."""

    experiment: Literal["narrow_widths"] = Field(description="This kind of run.")
    task: AnyTask = Field(description="What is learnt, by which heads.")
    widths: Widths = Field(description="Widths N, from below the number of paths to above.")
    temperature: Temperature = Field(0.1, description="Temperature T of the posterior.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    solver: SolverConfig = Field(SolverConfig(), description="How the action is minimised.")
    posterior: PosteriorConfig = Field(PosteriorConfig(), description="The exact posterior.")
    check: PosteriorConfig | None = Field(
        None, description="A second sampler, for widths below the number of paths, such as elliptical slices."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths)
        yield from variance_mistakes(self.variances, self.task.head_counts)
        paths = math.prod(self.task.head_counts)
        for name, sampler in (("posterior", self.posterior), ("check", self.check)):
            found = importance_mistakes(sampler, min(self.widths), paths) if sampler is not None else ()
            yield from (((name, *path), message) for path, message in found)


class NarrowWidths(PointwiseExperiment[NarrowWidthsConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a width."""

    @property
    def paths(self) -> int:
        """Number of paths."""
        return math.prod(self.config.task.head_counts)

    @property
    def points(self) -> int:
        """Number of widths."""
        return len(self.config.widths)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a solution and of the draws."""
        config, task = self.config, self.config.task
        draws = config.posterior.draws + (config.check.draws if config.check else 0)
        entries = task.training_size**2 * self.paths
        return 10 * task.solve_seconds + draws * (DRAW_SECONDS + entries / ENTRIES_PER_SECOND)

    def describe(self) -> list[tuple[str, str]]:
        """Task, widths and samplers."""
        config = self.config
        check = f", checked by {config.check.draws:,}, {config.check.method}" if config.check else ""
        return [
            config.task.describe(),
            ("network", f"{widths_in_words(config.widths)}; {self.paths} paths; T = {config.temperature:g}"),
            ("exact", f"{config.posterior.draws:,} draws, {config.posterior.method}{check}"),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Order parameters with their eigenvalues and ranks, distances, and what is known of the draws."""
        names = (*NUMBERS, *CHECKED) if self.config.check else NUMBERS
        layout = {name: ArrayLayout((), REAL) for name in names}
        for name in ("order_parameter", "exact_order_parameter"):
            layout |= {name: ArrayLayout((self.paths, self.paths), REAL)}
        for name in ("eigenvalue", "drawn_eigenvalue"):
            layout |= {name: ArrayLayout((self.paths,), REAL)}
        return layout | dict.fromkeys(("rank", "minima", "sampler"), ArrayLayout((), COUNT))

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Theory and the exact posterior of a width."""
        config = self.config
        width = config.widths[point]
        problem = config.task.problem(input_scale(config.variances))
        action = Action(
            network_of(problem.heads, width, config.variances), problem.kernels, problem.labels, config.temperature
        )
        found: dict[str, Any] = dict(blank(self.point_layout()))
        solution = solution_of(action, config.solver)
        posterior = posterior_of(action, config.posterior)
        if solution is None or posterior is None:
            return found
        found |= _compared(action, solution, posterior, problem) | _of_draws(posterior)
        if config.check is not None and width < self.paths:
            other = posterior_of(action, config.check)
            found |= {} if other is None else _agreement(posterior, other)
        return found

    def constants(self) -> Arrays:
        """Widths, and paths per width."""
        widths = np.array(self.config.widths)
        return {"width": widths, "paths_per_width": self.paths / widths}

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Distances, accuracies and ranks of every width."""
        lines = []
        for row, width in enumerate(self.config.widths):
            number = {name: arrays[name][row] for name in (*NUMBERS, "rank")}
            words = (
                f"rank {number['rank']} of {self.paths}; theory off by {number['order_parameter_deviation']:.3f} in U",
                f"{number['predictor_deviation']:.3f} in predictions; accuracy {number['accuracy']:.3f}",
                f"exactly {number['exact_accuracy']:.3f}; {number['effective_size']:.0f} effective draws",
            )
            lines.append((f"N = {width}", ", ".join(words)))
        return lines

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Widths that are narrow, without a solution, with several minima, and with doubtful draws."""
        doubtful = (arrays["r_hat"] > LARGEST_R_HAT) | (arrays["effective_size"] < FEWEST)
        groups = {
            f"order parameters of {self.paths} paths are singular, and theory is not meant for": (
                arrays["paths_per_width"] > 1
            ),
            "no certain minimum of the action, or no draws": arrays["minima"] < 0,
            "several minima of the action, of which the least is taken": arrays["minima"] > 1,
            "doubtful draws, take more": doubtful,
        }
        return [
            f"{words}: N = {', '.join(map(str, arrays['width'][group]))}"
            for words, group in groups.items()
            if group.any()
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every width."""
        names = [name for name, (shape, _) in self.point_layout().items() if not shape]
        return {"widths": values_table({name: arrays[name] for name in (*self.constants(), *names)}, self.points)}

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Distances, accuracies, evidence and eigenvalues over the width."""
        from mfattn.figures.paths.narrow_widths import draw_narrow

        task = self.config.task
        caption = f"{task.label}: $P = {task.training_size}$, $T = {self.config.temperature:g}${note}"
        samplers = self.config.posterior.method, self.config.check.method if self.config.check else ""
        return draw_narrow(arrays, self.paths, samplers, caption)


def _compared(action: Action, solution: Solution, posterior: Posterior, problem: Problem) -> dict[str, Any]:
    """Theory beside the posterior, and accuracies."""
    features, labels = problem.test_features, problem.test_labels
    theory, exact = Predictor(action, solution.U1).predict(features), posterior.predict(features)
    order = posterior.order_parameter()
    limit = Predictor(action, gaussian_process_order(action.network)).mean(features)
    return {
        **relative_distance("order_parameter", solution.U1, order),
        **relative_distance("predictor", theory.mean, exact.mean),
        **relative_distance("variance", theory.variance, exact.variance),
        "order_parameter": solution.U1,
        "exact_order_parameter": order.value,
        "eigenvalue": np.linalg.eigvalsh(solution.U1)[::-1],
        "accuracy": accuracy(theory.mean, labels),
        "exact_accuracy": accuracy(exact.mean.value, labels),
        "limit_accuracy": accuracy(limit, labels),
        "log_evidence": log_evidence(action, solution.value),
        "minima": len(solution.certificate.minima),
    }


def _of_draws(posterior: Posterior) -> dict[str, Any]:
    """Eigenvalues and rank of drawn order parameters, and how good the draws are."""
    weights = posterior.sample_weights(SPECTRA).effective
    drawn = weights @ weights.swapaxes(1, 2) / weights.shape[2]
    return {
        "drawn_eigenvalue": np.median(np.linalg.eigvalsh(drawn)[:, ::-1], axis=0),
        "rank": int(np.median(np.linalg.matrix_rank(drawn, hermitian=True))),
        "exact_log_evidence": posterior.log_evidence.value,
        "exact_log_evidence_error": posterior.log_evidence.error,
        "effective_size": posterior.effective_size,
        "r_hat": posterior.r_hat,
        "sampler": SAMPLERS.index(posterior.method),
    }


def _agreement(posterior: Posterior, other: Posterior) -> dict[str, float]:
    """How far two samplers are from each other, beside the noise of both."""
    first, second = posterior.order_parameter(), other.order_parameter()
    size = float(np.linalg.norm(first.value))
    return {
        "check_deviation": float(np.linalg.norm(first.value - second.value)) / size,
        "check_noise": float(np.hypot(np.linalg.norm(first.error), np.linalg.norm(second.error))) / size,
        "check_effective_size": other.effective_size,
        "check_r_hat": other.r_hat,
    }
