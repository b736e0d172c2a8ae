"""Learned projections: images recalled in a space in which they are apart, against spaces that nobody has learnt."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.base import PointwiseExperiment
from mfattn.experiments.data_config import DataConfig
from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.sdm.projection_config import MOST_COMPARED, BetaConfig, EvaluationConfig, LearningConfig
from mfattn.experiments.sections import LARGEST_SEED
from mfattn.pipeline.config import Config, RunConfig, Tuple
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Table
from mfattn.pipeline.messages import counted
from mfattn.pipeline.yaml_text import KeyPath, dotted_name
from mfattn.sdm.perturb import turn_vectors
from mfattn.sdm.projections import (
    Learner,
    LogWeights,
    Projection,
    Recall,
    attention_weights,
    ball_weights,
    cap_weights,
    centred_projection,
    finite_weights,
    random_projection,
    recall,
    whitened_projection,
)
from mfattn.sdm.temperatures import fit_beta, least_radius

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USUAL_UPDATES = 8
"""Updates of a query, for estimates."""

PRODUCTS_PER_SECOND, WEIGHTS_PER_SECOND = 4e9, 4e7
"""Multiplications, and weights of a memory, that a core does in a second."""

SPACES = ("learned", "random", "pixels", "centred", "whitened")
"""Where cosines are taken: after training, before it, of pixels, less their mean, of their principal components."""

IMAGES = ("training", "test")
"""What is recalled."""

START_STREAM, LEARNING_STREAM, QUERY_STREAM, NEURON_STREAM = range(4)

REAL = np.dtype(np.float64)

Vectors = NDArray[np.float64]


class ProjectionFigureConfig(Config):
    """What the figure shows."""

    images: Literal["training", "test"] = Field("test", description="Which images were recalled.")
    radius: int | None = Field(None, ge=1, description="Radius of the recalled examples; without it, the first.")


class LearnedProjectionConfig(RunConfig):
    """Learned projections."""

    experiment: Literal["learned_projection"] = Field(description="This kind of run.")
    training: DataConfig = Field(description="Images from which a projection is learnt.")
    test: DataConfig = Field(description="Images that it has not seen.")
    latent: int = Field(64, ge=4, le=1024, description="Dimension l of the latent space.")
    radii: Tuple[Annotated[int, Field(ge=1, le=1024)]] = Field(
        min_length=1, max_length=8, description="Radii d of balls of l bits, to which attention is fitted."
    )
    initialisations: int = Field(3, ge=1, le=1000, description="Random projections to begin with, for each radius.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of all draws.")
    beta: BetaConfig = Field(BetaConfig(), description="Inverse temperature of the attention that is trained.")
    learning: LearningConfig = Field(LearningConfig(), description="How the projection is learnt.")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="What is recalled, and by which memories.")
    figure: ProjectionFigureConfig = Field(
        ProjectionFigureConfig(), description="What the figure shows; changes no number."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together, as far as it is seen without a look at the images."""
        for name in (*IMAGES, "beta", "learning", "evaluation"):
            yield from (((name, *path), message) for path, message in getattr(self, name).mistakes())
        least = max(least_radius(self.beta.estimator, kind) for kind in ("binary", "cap"))
        for place, radius in enumerate(self.radii):
            if not least <= radius <= self.latent:
                yield ("radii", place), f"{least} to latent ({self.latent}), found {radius}"
        if len(set(self.radii)) != len(self.radii):
            yield ("radii",), f"different numbers, found {', '.join(map(str, self.radii))}"
        if self.figure.radius is not None and self.figure.radius not in self.radii:
            yield ("figure", "radius"), f"one of {', '.join(map(str, self.radii))}, found {self.figure.radius}"
        if self.learning.keys_per_step is not None:
            yield from self.crowds(self.learning.keys_per_step)
        if self.training.known_size is not None and self.test.known_size is not None:
            yield from self.misfits(self.training.known_size, self.test.known_size)

    def crowds(self, compared: int) -> Iterator[tuple[KeyPath, str]]:
        """More images to compare a batch with than memory is meant for."""
        most = MOST_COMPARED // self.learning.batch
        if compared > most:
            yield ("learning", "keys_per_step"), f"at most {most:,} with this batch, found {compared:,}"

    def misfits(self, size: tuple[int, int], other: tuple[int, int]) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit images of some rows and columns, and those of the test."""
        pixels = prod(size)
        if size != other:
            found = f"{other[0]} x {other[1]}"
            yield ("test",), f"images of {size[0]} x {size[1]} pixels, as those of the training, found {found}"
        for place, flips in enumerate(self.evaluation.flips):
            if flips > pixels:
                yield ("evaluation", "flips", place), f"at most the {pixels:,} pixels of an image, found {flips:,}"
        if self.learning.flips[1] > pixels:
            yield ("learning", "flips"), f"at most the {pixels:,} pixels of an image, found {self.learning.flips[1]:g}"
        layout = self.point_layout(pixels)
        whole = {name: ArrayLayout((self.points, *shape), dtype) for name, (shape, dtype) in layout.items()}
        yield from size_mistakes(("initialisations",), whole, "take fewer initialisations, radii or flips")

    @property
    def points(self) -> int:
        """Radii times initialisations."""
        return len(self.radii) * self.initialisations

    @property
    def memories(self) -> tuple[str, ...]:
        """Names of the memories that recall."""
        own = ("attention_trained",) if self.beta.own else ()
        finite = tuple(f"{kind}_{neurons:g}" for kind in ("caps", "balls") for neurons in self.evaluation.neurons)
        return (*own, "attention_balls", "attention_caps", "caps", "balls", *finite)

    def point_layout(self, pixels: int) -> dict[str, ArrayLayout]:
        """Arrays of a point, for images of so many PIXELS."""
        epochs, flips, memories = self.learning.epochs, len(self.evaluation.flips), len(self.memories)
        recalled = ArrayLayout((len(IMAGES), len(SPACES), memories, flips), REAL)
        return {
            "loss": ArrayLayout((epochs,), REAL),
            "beta": ArrayLayout((epochs + 1,), REAL),
            "projection": ArrayLayout((self.latent, pixels), REAL),
            **dict.fromkeys(("mean_cosine", "cosine_deviation", "mean_updates", "empty_share"), recalled),
            "example_query": ArrayLayout((flips, pixels), REAL),
            "example_recalled": ArrayLayout((memories, flips, pixels), REAL),
        }


class LearnedProjection(PointwiseExperiment[LearnedProjectionConfig]):
    """The experiment; see `mfattn.pipeline.experiment.Experiment`. A point is a radius and an initialisation."""

    @property
    def points(self) -> int:
        """Radii times initialisations."""
        return self.config.points

    @property
    def steps_per_point(self) -> int:
        """Steps of learning, and recalls."""
        learning = self.config.learning
        recalls = len(IMAGES) * len(SPACES) * len(self.config.memories) * len(self.config.evaluation.flips)
        return learning.epochs * learning.steps(self.config.training.count) + recalls

    @property
    def seconds_per_point(self) -> float:
        """Rough core-seconds of learning a projection and of all that is recalled with it."""
        config, evaluation = self.config, self.config.evaluation
        pixels, latent, images = prod(config.training.size), config.latent, config.training.count
        keys, batch = config.learning.compared(images), config.learning.batch
        step = 4 * keys * (pixels * latent + batch * pixels + batch * latent) / PRODUCTS_PER_SECOND
        compared = min(evaluation.queries, images) * images
        update = compared * ((pixels + latent) / PRODUCTS_PER_SECOND + 1 / WEIGHTS_PER_SECOND)
        recalls = len(IMAGES) * len(SPACES) * len(config.memories) * len(evaluation.flips)
        return 0.1 + config.learning.epochs * config.learning.steps(images) * step + recalls * USUAL_UPDATES * update

    def identity(self) -> dict[str, Any]:
        """The config, and the content of the images in the place of their folders.

        Raises
        ------
        InputError
            If images cannot be read, or do not fit.
        """
        config = self.config
        sources = {name: getattr(config, name).identity() for name in IMAGES}
        misfits = [
            *config.misfits(config.training.size, config.test.size),
            *config.crowds(config.learning.compared(config.training.count)),
        ]
        if misfits:
            raise InputError(*(f"{dotted_name(path)}: {message}" for path, message in misfits))
        return super().identity() | sources

    def describe(self) -> list[tuple[str, str]]:
        """Images, projections and memories."""
        config, learning, evaluation = self.config, self.config.learning, self.config.evaluation
        radii, flips = (", ".join(map(str, numbers)) for numbers in (config.radii, evaluation.flips))
        compared = "all images" if learning.keys_per_step is None else f"{learning.keys_per_step:,} images a step"
        return [
            ("images", f"{config.training.describe()}; test: {config.test.describe()}"),
            ("latent", f"l = {config.latent}, d = {radii}, {config.initialisations} initialisations each"),
            ("learning", f"{learning.epochs} epochs in batches of {learning.batch}, against {compared}"),
            ("recall", f"{evaluation.queries:,} queries at {flips} flips, up to {evaluation.updates} updates"),
            ("memories", ", ".join(config.memories)),
        ]

    def point_layout(self) -> dict[str, ArrayLayout]:
        """Course of the learning, the projection, and how well each memory recalls in each space."""
        return self.config.point_layout(prod(self.config.training.size))

    def compute(self, points: range, advance: Advance) -> Arrays:
        """Every point, one after the other."""
        found = [self.compute_point(point, advance) for point in points]
        return {name: np.stack([arrays[name] for arrays in found]) for name in self.point_layout()}

    def compute_point(self, point: int, advance: Advance = lambda steps: None) -> Arrays:
        """Learn a projection, and recall with it and without."""
        radius, initialisation = self._cases[point]
        training, latent = self.config.training.loaded.vectors(), self.config.latent
        start = random_projection(latent, training.shape[1], self._stream(initialisation, START_STREAM))
        learner = self._learner(start, training, radius, initialisation)
        learning = self._learn(learner, advance)
        learned = Projection(learner.matrix)
        spaces = (learned, start, Projection(), centred_projection(training), whitened_projection(training, latent))
        betas = {"trained": learner.beta} | {kind: fits[radius] for kind, fits in self._fits.items()}
        arrays: Arrays = {name: np.empty(shape, dtype) for name, (shape, dtype) in self.point_layout().items()}
        for (images, space, memory, level), asked, targets, found in self._recalls(spaces, betas, point, training):
            where, cosine = (images, space, memory, level), cosines(found.states, targets)
            arrays["mean_cosine"][where], arrays["cosine_deviation"][where] = cosine.mean(), cosine.std()
            arrays["mean_updates"][where], arrays["empty_share"][where] = found.updates.mean(), found.empty.mean()
            if (IMAGES[images], SPACES[space]) == ("test", "learned"):
                arrays["example_query"][level], arrays["example_recalled"][memory, level] = asked[0], found.states[0]
            advance(1)
        return arrays | learning

    def _learner(self, start: Projection, training: Vectors, radius: int, initialisation: int) -> Learner:
        """What is about to learn."""
        learning, beta = self.config.learning, self.config.beta
        assert start.matrix is not None
        return Learner(
            training,
            start.matrix,
            beta.factor * self._fits["balls"][radius] if beta.initial is None else beta.initial,
            seed=self._stream(initialisation, LEARNING_STREAM),
            rate=learning.rate,
            batch=learning.batch,
            flips=learning.flips,
            keys_per_step=learning.keys_per_step,
            learn_beta=beta.learnt,
        )

    def _learn(self, learner: Learner, advance: Advance) -> Arrays:
        """Loss and inverse temperature over the epochs, and the projection at their end."""
        losses, betas = [], [learner.beta]
        for _ in range(self.config.learning.epochs):
            steps = []
            for loss in learner.epoch():
                steps.append(loss)
                advance(1)
            losses.append(np.mean(steps))
            betas.append(learner.beta)
        return {"loss": np.array(losses), "beta": np.array(betas), "projection": learner.matrix}

    def _recalls(
        self, spaces: tuple[Projection, ...], betas: Mapping[str, float], point: int, training: Vectors
    ) -> Iterator[tuple[tuple[int, int, int, int], Vectors, Vectors, Recall]]:
        """Place, queries, targets and recall of all images, spaces, memories and noises of a point."""
        evaluation, initialisation = self.config.evaluation, self._cases[point][1]
        sources = (training, self.config.test.loaded.vectors())
        for images, source in enumerate(sources):
            stored, targets = source if evaluation.stored == "own" else training, source[: evaluation.queries]
            weights = self._weights(point, images, betas, len(stored))
            for level, flips in enumerate(evaluation.flips):
                seed = self._stream(initialisation, QUERY_STREAM, images, flips)
                queries = turn_vectors(targets, 1 - 2 * flips / targets.shape[1], seed=seed)
                for (memory, log_weights), (space, projection) in product(enumerate(weights), enumerate(spaces)):
                    found = recall(
                        projection,
                        log_weights,
                        stored,
                        queries,
                        updates=evaluation.updates,
                        tolerance=evaluation.tolerance,
                    )
                    yield (images, space, memory, level), queries, targets, found

    def _weights(self, point: int, images: int, betas: Mapping[str, float], stored: int) -> list[LogWeights]:
        """Weights of every memory, in the order of their names."""
        latent, evaluation, (radius, initialisation) = self.config.latent, self.config.evaluation, self._cases[point]
        weights: dict[str, LogWeights] = {f"attention_{kind}": attention_weights(beta) for kind, beta in betas.items()}
        weights |= {"caps": cap_weights(latent, radius), "balls": ball_weights(latent, radius)}
        for (kind, name), (place, neurons) in product(enumerate(("caps", "balls")), enumerate(evaluation.neurons)):
            seed, counting = self._stream(initialisation, NEURON_STREAM, images, kind, place), evaluation.counting
            weights[f"{name}_{neurons:g}"] = finite_weights(weights[name], latent, neurons, stored, counting, seed)
        return [weights[name] for name in self.config.memories]

    def _stream(self, initialisation: int, *names: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.config.seed, spawn_key=(initialisation, *names))

    @cached_property
    def _cases(self) -> list[tuple[int, int]]:
        """Radius and initialisation of every point."""
        return list(product(self.config.radii, range(self.config.initialisations)))

    @cached_property
    def _fits(self) -> dict[str, dict[int, float]]:
        """Inverse temperatures fitted to balls and to caps of every radius."""
        latent, estimator = self.config.latent, self.config.beta.estimator
        return {
            "balls": {d: fit_beta(latent, d, estimator=estimator).beta for d in self.config.radii},
            "caps": {d: fit_beta(latent, d, kind="cap", estimator=estimator).beta for d in self.config.radii},
        }

    def constants(self) -> Arrays:
        """Radius, initialisation and fits of every point, the noise, and names along the axes of what is recalled."""
        radii = [radius for radius, _ in self._cases]
        flips = np.array(self.config.evaluation.flips)
        return {
            "radius": np.array(radii),
            "initialisation": np.array([initialisation for _, initialisation in self._cases]),
            "beta_of_balls": np.array([self._fits["balls"][radius] for radius in radii]),
            "beta_of_caps": np.array([self._fits["caps"][radius] for radius in radii]),
            "flips": flips,
            "query_cosine": 1 - 2 * flips / prod(self.config.training.size),
            "images": np.array(IMAGES),
            "space": np.array(SPACES),
            "memory": np.array(self.config.memories),
        }

    def findings(self, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
        """Cosines of the trained attention on test images in every space, and what was learnt."""
        first, last = self.config.evaluation.flips[0], self.config.evaluation.flips[-1]
        cosine = arrays["mean_cosine"][:, IMAGES.index("test"), :, 0]
        lines = []
        for radius in self.config.radii:
            mine = arrays["radius"] == radius
            means = cosine[mine].mean(axis=0)
            words = [f"{name} {mean[0]:.3f} to {mean[-1]:.3f}" for name, mean in zip(SPACES, means, strict=True)]
            lines.append((f"d = {radius}, {first} to {last} flips", ", ".join(words)))
            losses = arrays["loss"][mine]
            lines.append((f"d = {radius}, loss", f"{losses[:, 0].mean():.4g} to {losses[:, -1].mean():.4g}"))
            if self.config.beta.learnt:
                ends = ", ".join(f"{beta:.4g}" for beta in arrays["beta"][mine][:, -1])
                lines.append((f"d = {radius}, beta", f"{arrays['beta'][mine][0, 0]:.4g} to {ends}"))
        return lines

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """A row for everything that is recalled, and one for every epoch."""
        names = ("mean_cosine", "cosine_deviation", "mean_updates", "empty_share")
        axes = (IMAGES, SPACES, self.config.memories, self.config.evaluation.flips)
        recalled = (
            [*self._cases[point], *words, *(arrays[name][point].flat[place].item() for name in names)]
            for point in range(self.points)
            for place, words in enumerate(product(*axes))
        )
        learning = (
            [
                *self._cases[point],
                epoch + 1,
                arrays["loss"][point, epoch].item(),
                arrays["beta"][point, epoch + 1].item(),
            ]
            for point in range(self.points)
            for epoch in range(self.config.learning.epochs)
        )
        case = ("radius", "initialisation")
        return {
            "recall": Table((*case, "images", "space", "memory", "flips", *names), recalled),
            "learning": Table((*case, "epoch", "loss", "beta"), learning),
        }

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """Recall and learning, and on a page of its own what is recalled of one image."""
        from mfattn.figures.sdm.learned_projection import draw_examples
        from mfattn.figures.style import render

        radius = self.config.figure.radius or self.config.radii[0]
        point = self._cases.index((radius, 0))
        caption = f"{self._caption()}, $d = {radius}${note}"
        examples = draw_examples(arrays, point, self.config.training.size, caption)
        return super().draw(arrays, note) | render(examples, "_examples")

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str) -> "Figure":
        """Recall over the noise, by space and by memory, and the course of learning."""
        from mfattn.figures.sdm.learned_projection import draw_projections

        shown = IMAGES.index(self.config.figure.images)
        runs = counted(self.config.initialisations, "initialisation")
        caption = f"{self._caption()}, {runs}; recall of {self.config.figure.images} images{note}"
        return draw_projections(arrays, shown, self.config.beta.learnt, caption)

    def _caption(self) -> str:
        config = self.config
        return f"{config.training.label}, $l = {config.latent}$, {counted(config.learning.epochs, 'epoch')}"


def cosines(states: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Cosines between states and targets (Q, n), row by row; 0 for a state of zeros."""
    lengths = np.sqrt(np.square(states).sum(axis=1) * np.square(targets).sum(axis=1))
    return np.asarray((states * targets).sum(axis=1) / np.where(lengths > 0, lengths, 1.0))
