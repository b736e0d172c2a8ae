"""Networks of several widths, by theory and exactly, and limits of infinite width, also of some heads alone."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.paths.config import (
    PosteriorConfig,
    SolverConfig,
    Temperature,
    Variances,
    Width,
    Widths,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.exact import importance_mistakes
from mfattn.experiments.paths.measured import (
    EXACT,
    PREDICTED,
    SOLVED,
    at_order,
    of_limit,
    of_posterior,
    of_solution,
    order_of_heads,
)
from mfattn.experiments.paths.solutions import STARTS, PathOrder, blank, order_mistakes, solution_of, widths_in_words
from mfattn.experiments.paths.task_config import AnyTask, Heads
from mfattn.experiments.sections import distinct_mistakes
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.regression import NotPositiveDefinite
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIRS_PER_SECOND = 3e9
"""Pairs of training examples that the exact posterior goes through for each of its predictions."""

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

WHOLE = "all paths"
"""Name of the network with all of its heads."""

MATRICES = ("order_parameter", "exact_order_parameter", "exact_order_parameter_error")
SPECTRA = ("kernel_eigenvalue", "label_overlap")
"""Arrays with a table of their own."""

FEW_DRAWS, LARGEST_R_HAT = 100, 1.05
"""What makes a posterior doubtful."""


class ComparisonConfig(Config):
    """A network of infinite width that has some of the heads alone."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9 ,.+()-]{1,40}$", examples=["good only"], description="What the figure calls it."
    )
    heads: Tuple[Tuple[Heads]] = Field(min_length=1, max_length=4, description="Heads of each layer, counted from 1.")

    @property
    def kept(self) -> tuple[tuple[int, ...], ...]:
        """The heads of each layer, counted from 0."""
        return tuple(tuple(head - 1 for head in layer) for layer in self.heads)

    def misfits(self, head_counts: tuple[int, ...]) -> Iterator[tuple[KeyPath, str]]:
        """Heads that the network does not have."""
        if len(self.heads) != len(head_counts):
            yield ("heads",), f"the heads of {len(head_counts)} layers, found {len(self.heads)}"
            return
        for layer, (heads, number) in enumerate(zip(self.heads, head_counts, strict=True)):
            if not heads or max(heads) > number:
                yield (
                    ("heads", layer),
                    f"at least one head of 1 to {number}, found {', '.join(map(str, heads)) or 'none'}",
                )
            yield from distinct_mistakes(("heads", layer), heads)


class WidthFigureConfig(Config):
    """What the figure shows."""

    order: PathOrder | None = Field(
        None, description="Paths of the maps in their order, counted from 1; without it, all."
    )
    maps: Tuple[Width] | None = Field(
        None, min_length=1, max_length=6, description="Widths of the maps; without it, the first, middle and last."
    )
    alignment: Width | None = Field(None, description="Width of the kernel alignment; without it, the least.")
    altered: bool = Field(
        False, description="Also accuracies at U_1 without overlaps of paths, and with the same size of all paths."
    )


class WidthSweepConfig(RunConfig):
    """Networks of several widths."""

    experiment: Literal["width_sweep"] = Field(description="This kind of run.")
    task: AnyTask = Field(description="What is learnt, by which heads.")
    widths: Widths = Field(description="Widths N; all layers have the same.")
    temperature: Temperature = Field(0.01, description="Temperature T of the posterior.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    solver: SolverConfig = Field(SolverConfig(), description="How the action is minimised.")
    posterior: PosteriorConfig | None = Field(
        None, description="The exact posterior of finite networks; without it, theory alone."
    )
    comparisons: Tuple[ComparisonConfig] = Field(
        (), max_length=16, description="Networks of infinite width with some of the heads alone."
    )
    components: int = Field(30, ge=1, le=4000, description="Principal components of the kernels, at most P.")
    figure: WidthFigureConfig = Field(WidthFigureConfig(), description="What the figure shows; changes no number.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit to the task."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths)
        yield from variance_mistakes(self.variances, self.task.head_counts)
        for place, comparison in enumerate(self.comparisons):
            found = comparison.misfits(self.task.head_counts)
            yield from ((("comparisons", place, *path), message) for path, message in found)
        names = [WHOLE, *(comparison.name for comparison in self.comparisons)]
        if len(set(names)) != len(names):
            yield ("comparisons",), f"different names, none of them '{WHOLE}'"
        yield from self._posterior_mistakes()
        yield from self._figure_mistakes()

    def _posterior_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        if self.posterior is not None:
            found = importance_mistakes(self.posterior, min(self.widths), prod(self.task.head_counts))
            yield from ((("posterior", *path), message) for path, message in found)

    def _figure_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        figure = self.figure
        yield from order_mistakes(figure.order, prod(self.task.head_counts))
        for name, chosen in (("maps", figure.maps or ()), ("alignment", (figure.alignment,))):
            strange = [width for width in chosen if width is not None and width not in self.widths]
            if strange:
                yield ("figure", name), f"of the widths {', '.join(map(str, self.widths))}, found {strange[0]}"


class Case(NamedTuple):
    """A network: its name, its width, infinite for a limit, and the heads of each layer."""

    name: str
    width: float
    kept: tuple[tuple[int, ...], ...]


class WidthSweep(PointwiseExperiment[WidthSweepConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`.

    The first points are widths. Then comes infinite width, where the network is a Gaussian process, at first with all
    heads and then with some of them alone.
    """

    @property
    def points(self) -> int:
        """Number of widths, and of limits."""
        return len(self.config.widths) + 1 + len(self.config.comparisons)

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a solution, and of the exact posterior."""
        config, task = self.config, self.config.task
        seconds = STARTS * task.solve_seconds
        if config.posterior is not None:
            pairs = (task.test_size + task.training_size) * task.training_size**2
            seconds += config.posterior.draws * pairs / PAIRS_PER_SECOND
        return seconds

    def describe(self) -> list[tuple[str, str]]:
        """Task, widths and posterior."""
        config = self.config
        exact = "none" if config.posterior is None else f"{config.posterior.draws:,} draws, {config.posterior.method}"
        return [
            config.task.describe(),
            ("network", f"{widths_in_words(config.widths)}; T = {config.temperature:g}"),
            ("exact", exact),
        ]

    @cached_property
    def _cases(self) -> list[Case]:
        config = self.config
        every = tuple(tuple(range(number)) for number in config.task.head_counts)
        limits = [(WHOLE, every), *((comparison.name, comparison.kept) for comparison in config.comparisons)]
        return [
            *(Case(WHOLE, float(width), every) for width in config.widths),
            *(Case(name, np.inf, kept) for name, kept in limits),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Order parameter, predictions, kernel and certificate of a network, and what the exact posterior has."""
        task, exact = self.config.task, self.config.posterior is not None
        matrix = (prod(task.head_counts),) * 2
        spectrum = (min(self.config.components, task.training_size),)
        shapes: dict[str, tuple[int, ...]] = {"order_parameter": matrix}
        shapes |= dict.fromkeys(("kernel_eigenvalue", "label_overlap"), spectrum)
        shapes["head_score"] = (sum(task.head_counts),)
        shapes |= dict.fromkeys((*PREDICTED, *SOLVED, *(EXACT if exact else ())), ())
        if exact:
            shapes |= dict.fromkeys(("exact_order_parameter", "exact_order_parameter_error"), matrix)
        layout = {name: ArrayLayout(shape, REAL) for name, shape in shapes.items()}
        return layout | dict.fromkeys(("starts", "minima", *(("sampler",) if exact else ())), ArrayLayout((), COUNT))

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """A width by theory and exactly, or a limit."""
        config, case = self.config, self._cases[point]
        problem = config.task.problem(input_scale(config.variances))
        # A limit depends on no width.
        network = network_of(problem.heads, case.width if np.isfinite(case.width) else 1, config.variances)
        action = Action(network, problem.kernels, problem.labels, config.temperature)
        found = blank(self.point_layout())
        if np.isfinite(case.width):
            solution = solution_of(action, config.solver)
            if solution is not None:
                found |= of_solution(action, solution)
                found |= at_order(action, solution.U1, problem, config.components)
            if solution is not None and config.posterior is not None:
                found |= of_posterior(action, solution.U1, problem, config.posterior)
            return found
        order = order_of_heads(network, case.kept)
        try:
            return found | of_limit(action, order) | at_order(action, order, problem, config.components)
        except NotPositiveDefinite:
            return found

    def constants(self) -> Arrays:
        """Name and width of every point, names of paths and heads, and numbers of the components."""
        task, counts = self.config.task, self.config.task.head_counts
        return {
            "network": np.array([case.name for case in self._cases]),
            "width": np.array([case.width for case in self._cases]),
            "path": np.array(task.path_names),
            "head_layer": np.repeat(np.arange(1, len(counts) + 1), counts),
            "head": np.concatenate([np.arange(1, number + 1) for number in counts]),
            "component": np.arange(1, min(self.config.components, task.training_size) + 1),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Accuracies, the evidence, and how well the kernel is aligned."""
        lines = []
        for row, case in enumerate(self._cases):
            finite = np.isfinite(case.width)
            words = [f"accuracy {arrays['accuracy'][row]:.3f}"]
            if finite and "exact_accuracy" in arrays:
                words[0] += f" (exactly {arrays['exact_accuracy'][row]:.3f})"
            words.append(f"one network {arrays['sampled_accuracy'][row]:.3f}")
            if finite:
                words.append(f"2S = {arrays['action'][row]:.6f}, U_a = {arrays['readout_order_parameter'][row]:.5f}")
            words.append(f"log evidence {arrays['log_evidence'][row]:.2f}")
            words.append(f"alignment {arrays['kernel_target_alignment'][row]:.3f}")
            lines.append((f"N = {case.width:g}" if finite else f"{case.name}, N infinite", ", ".join(words)))
        return lines

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Widths without a solution, with several minima, or with a poor posterior."""
        finite = np.isfinite(arrays["width"])
        unsolved = finite & np.isnan(arrays["action"])
        groups = {
            "no certain minimum of the action": unsolved,
            "several minima of the action, of which the least is taken": finite & (arrays["minima"] > 1),
        }
        if self.config.posterior is not None:
            size = arrays["effective_size"]
            groups |= {
                "no draws of the exact posterior": finite & ~unsolved & np.isnan(size),
                f"fewer than {FEW_DRAWS} effective draws of the exact posterior": finite & (size < FEW_DRAWS),
                f"R-hat of the exact posterior above {LARGEST_R_HAT}": finite & (arrays["r_hat"] > LARGEST_R_HAT),
            }
        return [
            f"{words}: N = {', '.join(f'{width:g}' for width in arrays['width'][group])}"
            for words, group in groups.items()
            if group.any()
        ]

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """Numbers of every network, entries of the order parameters, and principal components of the kernels."""
        scores = [
            f"head_score_{layer}_{head}" for layer, head in zip(arrays["head_layer"], arrays["head"], strict=True)
        ]
        numbers = [name for name, (shape, _) in self.point_layout().items() if not shape]
        values = {name: arrays[name] for name in ("network", "width", *numbers)}
        values |= dict(zip(scores, arrays["head_score"].T, strict=True))
        return {
            "networks": values_table(values, self.points),
            "order_parameters": self._entries(arrays, {"path": arrays["path"], "other": arrays["path"]}, MATRICES),
            "components": self._entries(arrays, {"component": arrays["component"]}, SPECTRA),
        }

    def _entries(
        self, arrays: Mapping[str, NDArray[Any]], axes: Mapping[str, NDArray[Any]], names: Sequence[str]
    ) -> Table:
        """A row for every network and place along axes, of the arrays that are there."""
        present = [name for name in names if name in arrays]
        places = list(np.ndindex(*map(len, axes.values())))
        rows = (
            [
                *(case.name, case.width),
                *(labels[number].item() for labels, number in zip(axes.values(), place, strict=True)),
                *(arrays[name][row][place].item() for name in present),
            ]
            for row, case in enumerate(self._cases)
            for place in places
        )
        return Table(["network", "width", *axes, *present], rows)

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """Accuracies, alignment and order parameters, and on a page of its own what else changes with the width."""
        from mfattn.figures.paths.width_sweep import draw_numbers
        from mfattn.figures.style import render

        return super().draw(arrays, note) | render(draw_numbers(arrays, self._caption(note)), "_numbers")

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Accuracies over the width, kernel alignment, and order parameters."""
        from mfattn.figures.paths.width_sweep import draw_widths

        figure, widths = self.config.figure, self.config.widths
        shown = tuple(dict.fromkeys((widths[0], widths[len(widths) // 2], widths[-1])))
        order = figure.order or range(1, len(arrays["path"]) + 1)
        return draw_widths(
            arrays,
            paths=[number - 1 for number in order],
            maps=[widths.index(width) for width in figure.maps or shown],
            aligned=widths.index(figure.alignment or min(widths)),
            altered=figure.altered,
            caption=self._caption(note),
        )

    def _caption(self, note: str) -> str:
        task = self.config.task
        return f"{task.label}: $P = {task.training_size}$, $T = {self.config.temperature:g}${note}"
