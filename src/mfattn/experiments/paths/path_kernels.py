"""Kernels as images: those of every path, that of infinite width, and those of networks of several widths."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.paths.config import (
    SolverConfig,
    Temperature,
    Variances,
    Widths,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.solutions import STARTS, PathOrder, blank, order_mistakes, solution_of, widths_in_words
from mfattn.experiments.paths.task_config import MOST_EXAMPLES, AnyTask
from mfattn.paths.action import Action
from mfattn.paths.observables import kernel_target_alignment
from mfattn.paths.starts import gaussian_process_order
from mfattn.paths.tasks.problem import Problem
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.messages import counted
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL = np.dtype(np.float64)

Example = Annotated[int, Field(ge=1, le=MOST_EXAMPLES)]


class KernelFigureConfig(Config):
    """What the figure shows."""

    order: PathOrder | None = Field(None, description="Paths in their order, counted from 1; without it, all.")
    scale: Literal["shared", "own"] = Field(
        "shared", description="One scale of colours for all paths and one for all networks, or one for each kernel."
    )


class PathKernelsConfig(RunConfig):
    """Kernels as images."""

    experiment: Literal["path_kernels"] = Field(description="This kind of run.")
    task: AnyTask = Field(description="What is learnt, by which heads.")
    widths: Widths = Field((10,), description="Widths N of the networks; all layers have the same.")
    temperature: Temperature = Field(0.01, description="Temperature T of the posterior, which no kernel contains.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    solver: SolverConfig = Field(SolverConfig(), description="How the action is minimised.")
    examples: Tuple[tuple[Example, Example]] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="First and last of each run of training examples that is shown, counted from 1; without it, all.",
    )
    figure: KernelFigureConfig = Field(KernelFigureConfig(), description="What the figure shows; changes no number.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit to the task."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths)
        yield from variance_mistakes(self.variances, self.task.head_counts)
        yield from order_mistakes(self.figure.order, prod(self.task.head_counts))
        size = self.task.training_size
        for place, (first, last) in enumerate(self.examples or ()):
            if not first <= last <= size:
                yield ("examples", place), f"two rising numbers of 1 to {size}, found {first} and {last}"
        if self.shown_number > size:
            yield ("examples",), f"at most the {size} examples that there are, found {self.shown_number:,}"
        run = PathKernels(self)
        yield from size_mistakes(("examples",), run.layout(range(run.points)), "show fewer examples")

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """First and last of the examples that are shown, counted from 1."""
        return self.examples or ((1, self.task.training_size),)

    @property
    def shown_number(self) -> int:
        """Number of examples that are shown."""
        return sum(last - first + 1 for first, last in self.runs)


class Case(NamedTuple):
    """A kernel: its name, and the path or the width that it is of, if it is of one."""

    name: str
    path: int | None = None
    width: float | None = None


class PathKernels(PointwiseExperiment[PathKernelsConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`.

    The first points are the paths. Then comes infinite width, and then the widths.
    """

    @property
    def points(self) -> int:
        """Number of kernels."""
        return prod(self.config.task.head_counts) + 1 + len(self.config.widths)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a solution."""
        return STARTS * self.config.task.solve_seconds

    def describe(self) -> list[tuple[str, str]]:
        """Task, widths and examples."""
        config = self.config
        return [
            config.task.describe(),
            ("network", f"{widths_in_words(config.widths)}; T = {config.temperature:g}"),
            ("shown", counted(config.shown_number, "example")),
        ]

    @cached_property
    def _cases(self) -> list[Case]:
        paths = [Case(name, path=path) for path, name in enumerate(self.config.task.path_names)]
        return [*paths, Case("N infinite"), *(Case(f"N = {width}", width=width) for width in self.config.widths)]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """The kernel between the examples that are shown, and how well that of all is aligned."""
        shape = (self.config.shown_number,) * 2
        return {"kernel": ArrayLayout(shape, REAL), "kernel_target_alignment": ArrayLayout((), REAL)}

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """A kernel, without the temperature."""
        problem = self.config.task.problem(input_scale(self.config.variances))
        order = self._order(self._cases[point], problem)
        if order is None:
            return blank(self.point_layout())
        kernel = problem.kernels.kernel(order)
        shown = self.constants()["example"] - 1
        return {
            "kernel": kernel[np.ix_(shown, shown)],
            "kernel_target_alignment": kernel_target_alignment(kernel, problem.labels),
        }

    def _order(self, case: Case, problem: Problem) -> NDArray[np.float64] | None:
        """The order parameter of a kernel; that of a path is its number of all paths, as their mean is the limit."""
        config = self.config
        network = network_of(problem.heads, case.width or 1, config.variances)
        if case.path is not None:
            return np.diag(np.where(np.arange(network.paths) == case.path, float(network.paths), 0.0))
        if case.width is None:
            return gaussian_process_order(network)
        solution = solution_of(Action(network, problem.kernels, problem.labels, config.temperature), config.solver)
        return None if solution is None else solution.U1

    def constants(self) -> Arrays:
        """Names of the kernels, and the examples that are shown, counted from 1."""
        return {
            "name": np.array([case.name for case in self._cases]),
            "example": np.concatenate([np.arange(first, last + 1) for first, last in self.config.runs]),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """How well every kernel is aligned."""
        rows = zip(self._cases, arrays["kernel_target_alignment"], strict=True)
        return [(case.name, f"kernel-target alignment {alignment:.4f}") for case, alignment in rows]

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Widths without a solution."""
        missing = arrays["name"][np.isnan(arrays["kernel_target_alignment"])].tolist()
        return [f"no kernel: {', '.join(missing)}"] if missing else []

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every kernel, and one for every pair of examples."""
        names, examples = arrays["name"].tolist(), arrays["example"].tolist()
        alignments = zip(names, arrays["kernel_target_alignment"].tolist(), strict=True)
        places = list(product(enumerate(examples), repeat=2))
        pairs = (
            [example, other, *arrays["kernel"][:, row, column].tolist()] for (row, example), (column, other) in places
        )
        return {
            "alignment": Table(("kernel", "kernel_target_alignment"), alignments),
            "kernels": Table(("example", "other", *names), pairs),
        }

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Kernels of the paths above, those of networks below."""
        from mfattn.figures.paths.path_kernels import draw_kernels

        task, figure = self.config.task, self.config.figure
        paths = prod(task.head_counts)
        shown = [number - 1 for number in figure.order or range(1, paths + 1)]
        caption = f"{task.label}: $P = {task.training_size}$, $T = {self.config.temperature:g}${note}"
        return draw_kernels(arrays, {"paths": shown, "networks": range(paths, self.points)}, figure.scale, caption)
