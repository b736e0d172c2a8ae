"""One-shot recognition of images: heads that gradient descent has trained, and what the theory says of their paths."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import inf, isfinite, prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.paths.config import (
    PosteriorConfig,
    SolverConfig,
    Temperatures,
    Variances,
    Width,
    Widths,
    input_scale,
    network_of,
    sweep_mistakes,
    variance_mistakes,
)
from mfattn.experiments.paths.exact import importance_mistakes
from mfattn.experiments.paths.image_dump import DumpConfig
from mfattn.experiments.paths.image_measured import (
    ImageProblem,
    image_problem,
    of_images,
    of_pruning,
    of_trained,
    places_of,
    rankings,
)
from mfattn.experiments.paths.image_results import (
    CHOICES,
    accuracy_table,
    agreement,
    choices,
    doubtful_posterior,
    doubtful_pruning,
    doubtful_solutions,
    findings_of,
    head_table,
    narrow_networks,
    pruning_table,
)
from mfattn.experiments.paths.image_training import TrainingChain
from mfattn.experiments.paths.images_config import ImageTask, OneShotConfig
from mfattn.experiments.paths.measured import (
    EXACT,
    PREDICTED,
    SOLVED,
    at_order,
    of_limit,
    of_posterior,
    of_solution,
)
from mfattn.experiments.paths.solutions import blank, solution_of
from mfattn.experiments.sections import Seed
from mfattn.experiments.tables import values_table
from mfattn.paths.action import Action
from mfattn.paths.regression import NotPositiveDefinite
from mfattn.paths.tasks.trained import TrainedNetwork
from mfattn.pipeline.config import Config, RunConfig
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Chain, Experiment, Table
from mfattn.pipeline.yaml_text import KeyPath, dotted_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

REAL, COUNT = np.dtype(np.float64), np.dtype(np.int64)

STEP_FLOPS = 2.5e10
"""Multiplications of a step of training in a second."""

PAIRS_PER_SECOND = 2e8
"""Pairs of training examples that the exact posterior goes through for each of its predictions."""


class ImagePosteriorConfig(PosteriorConfig):
    """The exact posterior of one network."""

    width: Width = Field(description="Width of the network, one of `widths`.")


class PruningConfig(Config):
    """Networks that lose heads."""

    width: Width = Field(description="Width of the network that the theory prunes, one of `widths`.")
    random_orders: int = Field(10, ge=0, le=100, description="Random orders in which heads are dropped.")
    seed: Seed = Field(0, description="Seed of the random orders.")


class ImageFigureConfig(Config):
    """What the figure shows."""

    width: Width | None = Field(None, description="Width of the order parameter and of the components; else the least.")


class ImagePathsConfig(RunConfig):
    """One-shot recognition of images."""

    experiment: Literal["image_paths"] = Field(description="This kind of run.")
    task: ImageTask = Field(description="Images, and the network that looks at them.")
    widths: Widths = Field(description="Widths N; all layers have the same.")
    temperatures: Temperatures = Field(description="Temperatures T of the posterior, of which the evidence chooses.")
    variances: Variances | None = Field(None, description="Prior variances of V_0 ... V_L and a; without it, 1.")
    solver: SolverConfig = Field(
        SolverConfig(starts="gp"),
        description="How the action is minimised; for time from infinite width alone, where other minima go unseen: "
        "`starts: auto` looks for them.",
    )
    posterior: ImagePosteriorConfig | None = Field(None, description="The exact posterior at one of the widths.")
    pruning: PruningConfig | None = Field(None, description="Networks that lose heads, at one of the widths.")
    components: int = Field(50, ge=1, le=4000, description="Principal components of the kernels, at most P.")
    figure: ImageFigureConfig = Field(ImageFigureConfig(), description="What the figure shows; changes no number.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from ((("task", *path), message) for path, message in self.task.mistakes())
        yield from sweep_mistakes(widths=self.widths, temperatures=self.temperatures)
        sections = {"posterior": self.posterior, "pruning": self.pruning, "figure": self.figure}
        for name, section in sections.items():
            width = None if section is None else section.width
            if width is not None and width not in self.widths:
                yield (name, "width"), f"one of the widths {', '.join(map(str, self.widths))}, found {width}"
        # Heads of a file are known only when it is read.
        if not isinstance(self.task, DumpConfig):
            yield from self.head_mistakes()

    def head_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit the heads, or is too large with them."""
        heads = self.task.head_counts
        yield from variance_mistakes(self.variances, heads)
        if self.posterior is not None:
            found = importance_mistakes(self.posterior, self.posterior.width, prod(heads))
            yield from ((("posterior", *path), message) for path, message in found)
        yield from size_mistakes(("temperatures",), self.layout(len(self.widths) + 1), "take fewer")

    def layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of a number of points."""
        heads = self.task.head_counts
        number, paths = sum(heads), prod(heads)
        at_each: dict[str, tuple[int, ...]] = dict.fromkeys((*PREDICTED, *SOLVED, "leave_one_out_error"), ())
        at_each |= dict.fromkeys(("kernel_eigenvalue", "label_overlap"), (min(self.components, self.task.examples),))
        at_each |= dict.fromkeys(("head_score", "scaled_head_score", "silenced_accuracy"), (number,))
        tests = (len(self.task.transfer_names),)
        if tests[0]:
            at_each |= dict.fromkeys(("transfer_accuracy", "transfer_sampled_accuracy"), tests)
        at_each["order_parameter"] = (paths, paths)
        times = len(self.temperatures)
        shapes = {name: (times, *shape) for name, shape in at_each.items()}
        layout = {name: ArrayLayout((points, *shape), REAL) for name, shape in shapes.items()}
        layout |= dict.fromkeys(("starts", "minima"), ArrayLayout((points, times), COUNT))
        if self.task.has_values:
            trained: dict[str, tuple[int, ...]] = {
                "trained_accuracy": (),
                "trained_dropped_accuracy": (number,),
                "trained_overlap": (paths, paths),
            }
            if tests[0]:
                trained["trained_transfer_accuracy"] = tests
            layout |= {name: ArrayLayout((points, *shape), REAL) for name, shape in trained.items()}
        return layout | self._posterior_layout(points) | self._pruning_layout(points)

    def _posterior_layout(self, points: int) -> dict[str, ArrayLayout]:
        if self.posterior is None:
            return {}
        matrix = (points, *(prod(self.task.head_counts),) * 2)
        return {
            **{name: ArrayLayout((points,), REAL) for name in EXACT},
            **dict.fromkeys(("exact_order_parameter", "exact_order_parameter_error"), ArrayLayout(matrix, REAL)),
            "sampler": ArrayLayout((points,), COUNT),
        }

    def _pruning_layout(self, points: int) -> dict[str, ArrayLayout]:
        if self.pruning is None:
            return {}
        heads = self.task.head_counts
        orders, drops = len(self.order_names), sum(heads) - len(heads)
        layout = {
            "dropped_accuracy": ArrayLayout((points, sum(heads)), REAL),
            "dropped_minima": ArrayLayout((points, sum(heads)), COUNT),
            "pruning_head": ArrayLayout((points, orders, drops), COUNT),
            "pruned_minima": ArrayLayout((points, orders, drops), COUNT),
            "pruned_accuracy": ArrayLayout((points, orders, drops + 1), REAL),
        }
        if self.task.has_values:
            layout["trained_pruned_accuracy"] = layout["pruned_accuracy"]
        return layout

    @property
    def order_names(self) -> tuple[str, ...]:
        """Names of the orders in which heads are dropped."""
        if self.pruning is None:
            return ()
        magnitude = ("magnitude",) if self.task.has_values else ()
        return ("score", *magnitude, *(f"random {number}" for number in range(1, self.pruning.random_orders + 1)))


class ImagePaths(PointwiseExperiment[ImagePathsConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`.

    A point is a width with all temperatures; the last one is infinite width, where the network is a Gaussian process.

    Parameters
    ----------
    config : ImagePathsConfig
    network : TrainedNetwork, optional
        What the training came to, where there is one.
    """

    def __init__(self, config: ImagePathsConfig, network: TrainedNetwork | None = None) -> None:
        super().__init__(config)
        self._trained = network

    @property
    def widths(self) -> list[float]:
        """Width of every point."""
        return [*map(float, self.config.widths), inf]

    @property
    def points(self) -> int:
        """Number of widths, and the limit."""
        return len(self.config.widths) + 1

    @property
    def chain(self) -> Chain | None:
        """The training, if there is one."""
        task = self.config.task
        if not isinstance(task, OneShotConfig) or task.training is None:
            return None
        return TrainingChain(task, self._with)

    def _with(self, network: TrainedNetwork) -> Experiment:
        return ImagePaths(self.config, network)

    def check(self) -> None:
        """What is missing of libraries and images, or does not fit a file."""
        self.config.task.check()
        for path, message in self.config.head_mistakes():
            raise InputError(f"{dotted_name(path)}: {message}")

    def identity(self) -> dict[str, Any]:
        """The config, with what is in the files that it names."""
        return super().identity() | {"task": self.config.task.identity()}

    @property
    def block_size(self) -> int:
        """One: what is done at one width alone may take longer than all the rest."""
        return 1

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of a width, on average."""
        config, task = self.config, self.config.task
        solutions = float(len(config.temperatures))
        if config.pruning is not None:
            # Networks of fewer heads are smaller, and have two starts.
            drops = len(config.order_names) * (sum(task.head_counts) - len(task.head_counts))
            solutions += 2 * (drops + sum(task.head_counts)) / (3 * self.points)
        seconds = solutions * task.solve_seconds
        if config.posterior is not None:
            pairs = (task.test_size + task.training_size) * task.training_size**2
            seconds += config.posterior.draws * pairs / PAIRS_PER_SECOND / self.points
        return seconds

    def estimate(self) -> float:
        """Rough core-seconds, with those of the training."""
        return super().estimate() + self._training_seconds

    @property
    def _training_seconds(self) -> float:
        task = self.config.task
        if not isinstance(task, OneShotConfig) or task.training is None:
            return 0.0
        training, tokens = task.training, task.encoding.make().tokens
        each = sum(training.heads) * tokens * (2 * task.input_width * training.key_size + 3 * tokens * task.input_width)
        weights = sum(training.heads) * training.width**2
        return training.steps * (3 * training.batch * each + 30 * weights) / STEP_FLOPS

    def describe(self) -> list[tuple[str, str]]:
        """Task, network, widths and temperatures."""
        config = self.config
        lists = [
            f"{', '.join(f'{value:,g}' for value in values[:12])}" for values in (config.widths, config.temperatures)
        ]
        lines = [
            config.task.describe(),
            ("heads", config.task.describe_network()),
            ("network", f"N = {lists[0]}; T = {lists[1]}"),
        ]
        if config.pruning is not None:
            orders = f"N = {config.pruning.width}, {len(config.order_names)} orders"
            lines.append(("pruning", orders))
        if config.posterior is not None:
            lines.append(("exact", f"N = {config.posterior.width}, {config.posterior.draws:,} draws"))
        return lines

    def point_layout(self) -> dict[str, ArrayLayout]:
        """What is found at every temperature, of the trained network, exactly, and of networks that lose heads."""
        return {name: ArrayLayout(shape[1:], dtype) for name, (shape, dtype) in self.config.layout(1).items()}

    @cached_property
    def _images(self) -> ImageProblem:
        """Features of all examples, computed once per process."""
        network = self._trained or self.config.task.given_network()
        assert network is not None
        return image_problem(self.config.task, network, input_scale(self.config.variances))

    def compute_point(self, point: int) -> Mapping[str, Any]:
        """Solutions at all temperatures; what the trained network does; the exact posterior and pruning at the best."""
        found = blank(self.point_layout()) | of_trained(self._images)
        for place in range(len(self.config.temperatures)):
            for name, value in self._at(self._action(point, place), self.widths[point]).items():
                found[name][place] = value
        evidence = found["log_evidence"]
        if not np.isfinite(evidence).any():
            return found
        best = int(np.nanargmax(evidence))
        action, order = self._action(point, best), found["order_parameter"][best]
        config, problem = self.config, self._images.problem
        if config.posterior is not None and config.posterior.width == self.widths[point]:
            found |= of_posterior(action, order, problem, config.posterior)
        if config.pruning is not None and config.pruning.width == self.widths[point]:
            scores, pruning = found["head_score"][best], config.pruning
            ranked = rankings(scores, self._images, pruning.random_orders, pruning.seed)
            found |= of_pruning(action, order, self._images, ranked)
        return found

    def _action(self, point: int, place: int) -> Action:
        """The action of a width and a temperature; the limit depends on no width."""
        problem, width = self._images.problem, self.widths[point]
        network = network_of(problem.heads, width if isfinite(width) else 1, self.config.variances)
        return Action(network, problem.kernels, problem.labels, self.config.temperatures[place])

    def _at(self, action: Action, width: float) -> dict[str, Any]:
        """What is found at a temperature; nothing where no minimum is."""
        problem, components = self._images.problem, self.config.components
        try:
            if isfinite(width):
                solution = solution_of(action, self.config.solver)
                if solution is None:
                    return {}
                order, found = solution.U1, of_solution(action, solution)
            else:
                order = action.network.gaussian_process_scale * np.eye(action.network.paths)
                found = of_limit(action, order)
            return found | at_order(action, order, problem, components) | of_images(action, order, self._images)
        except NotPositiveDefinite:
            return {}

    def constants(self) -> Arrays:
        """Widths, temperatures, names of paths, heads and tests."""
        config, task = self.config, self.config.task
        places = np.array(places_of(task.head_counts))
        constants: Arrays = {
            "width": np.array(self.widths),
            "temperature": np.array(config.temperatures),
            "path": np.array(task.path_names),
            "head_layer": places[:, 0] + 1,
            "head": places[:, 1] + 1,
            "component": np.arange(1, min(config.components, task.examples) + 1),
        }
        if task.transfer_names:
            constants["transfer"] = np.array(task.transfer_names)
        if config.pruning is not None:
            constants["pruning_order"] = np.array(config.order_names)
        return constants

    def derive(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """The temperatures that are best, and how far theory agrees with the trained network."""
        return choices(arrays) | (agreement(arrays) if self.config.task.has_values else {})

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """What is doubtful: solutions, networks that are narrow, or lose heads, and the posterior."""
        lines = [*doubtful_solutions(arrays), *narrow_networks(arrays)]
        if self._pruned is not None:
            lines += doubtful_pruning(arrays, self._pruned)
        if self._exact is not None:
            lines += doubtful_posterior(arrays, self._exact)
        return lines

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Accuracies at the temperatures that the evidence chooses, and agreement with the trained network."""
        return findings_of(arrays)

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for every width and temperature, for every head, and for every network that has lost heads."""
        tables = {
            "accuracies": accuracy_table(arrays),
            "widths": values_table({name: arrays[name] for name in ("width", *CHOICES)}, self.points),
            "heads": head_table(arrays),
        }
        return tables | ({} if self._pruned is None else {"pruning": pruning_table(arrays, self._pruned)})

    @property
    def _exact(self) -> int | None:
        """Point with the exact posterior."""
        return None if self.config.posterior is None else self.config.widths.index(self.config.posterior.width)

    @property
    def _pruned(self) -> int | None:
        """Point whose heads are dropped."""
        return None if self.config.pruning is None else self.config.widths.index(self.config.pruning.width)

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Accuracies, components, order parameters, scores of heads, and curves of pruning."""
        from mfattn.figures.paths.image_paths import draw_images

        config, task = self.config, self.config.task
        row = config.widths.index(config.figure.width or min(config.widths))
        caption = f"{task.label}, {task.describe_network()}: $P = {task.training_size}${note}"
        return draw_images(arrays, row, self._exact, self._pruned, caption)
