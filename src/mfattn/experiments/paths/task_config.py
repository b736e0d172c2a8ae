"""Config sections of the learning problems of attention paths."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from mfattn.experiments.sections import Seed
from mfattn.paths.tasks.markov import (
    Attends,
    CrossScale,
    MarkovInstance,
    MarkovTask,
    Perturbation,
    Seeding,
    four_paths,
    markov_head,
    two_paths,
)
from mfattn.paths.tasks.problem import Labels, Problem, RandomFeatures
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath

MOST_EXAMPLES = 4000
"""Bound on the examples of a problem, whose kernel is factorised at every step."""

MOST_TEST_EXAMPLES = 100_000
MOST_PATHS = 64
LARGEST_FEATURES = 2**28
"""Bound on the numbers that the features of a problem hold."""

LABELS_IN_WORDS: Mapping[Labels, str] = {"teacher": "a teacher", "random": "random labels"}

Probability = Annotated[float, Field(ge=0, le=1)]
Noise = Annotated[float, Field(ge=0, le=1e6)]
Heads = Annotated[int, Field(ge=1, le=MOST_PATHS)]


class TaskConfig(Config):
    """Where examples come from."""

    def problem(self, sigma0: float = 1.0) -> Problem:
        """Features and labels, computed once per process."""
        return _problem(self, sigma0)

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        raise NotImplementedError

    @property
    def training_size(self) -> int:
        """Number P of training examples."""
        raise NotImplementedError

    @property
    def test_size(self) -> int:
        """Number of test examples."""
        raise NotImplementedError

    @property
    def input_width(self) -> int:
        """Width of the features."""
        raise NotImplementedError

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the paths: the heads that they pass through, counted from 1."""
        places = [""]
        for number in self.head_counts:
            places = [before + str(head + 1) for before in places for head in range(number)]
        return tuple(places)

    def size_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Problems that no memory holds."""
        paths = prod(self.head_counts)
        if paths > MOST_PATHS:
            yield (), f"at most {MOST_PATHS} paths, found {paths:,}"
        numbers = (self.training_size + self.test_size) * self.input_width * paths
        if numbers > LARGEST_FEATURES:
            yield (), f"features of at most {LARGEST_FEATURES:,} numbers, found {numbers:,}; take fewer examples"

    @property
    def solve_seconds(self) -> float:
        """Rough core-seconds of an order parameter."""
        return 2e-3 + 30 * 3e-10 * (self.training_size**3 + prod(self.head_counts) ** 2 * self.training_size**2)

    def describe(self) -> tuple[str, str]:
        """A line that tells a user the problem."""
        heads = " x ".join(map(str, self.head_counts))
        return "task", f"{self.label}: {heads} heads, P = {self.training_size:,}, {self.test_size:,} for the test"

    @property
    def label(self) -> str:
        """The task in words."""
        raise NotImplementedError

    def build(self, sigma0: float) -> Problem:
        """Features and labels."""
        raise NotImplementedError


@lru_cache(maxsize=2)
def _problem(task: TaskConfig, sigma0: float) -> Problem:
    return task.build(sigma0)


class SequencesConfig(TaskConfig):
    """Sequences of a hidden Markov chain."""

    per_class: int = Field(50, ge=1, le=MOST_EXAMPLES // 2, description="Training sequences of each class.")
    test_per_class: int = Field(500, ge=1, le=MOST_TEST_EXAMPLES // 2, description="Test sequences of each class.")
    rng: Seeding = Field(
        "modern", description="Streams of NumPy, or `torch`: the draws of the published program, one by one."
    )

    def instance(self) -> MarkovInstance:
        """Heads and sequences."""
        raise NotImplementedError

    @property
    def training_size(self) -> int:
        """Number P of training sequences."""
        return 2 * self.per_class

    @property
    def test_size(self) -> int:
        """Number of test sequences."""
        return 2 * self.test_per_class

    @property
    def input_width(self) -> int:
        """Width of a token."""
        return MarkovTask().inputs

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Too large."""
        yield from self.size_mistakes()

    def build(self, sigma0: float) -> Problem:
        """Features of the last token."""
        return sequence_problem(self.instance(), sigma0)


def sequence_problem(instance: MarkovInstance, sigma0: float) -> Problem:
    """Features and labels of sequences."""
    training, test = instance.features(sigma0)
    return Problem(instance.heads, training, instance.training.labels, test, instance.test.labels)


class FourPathsConfig(SequencesConfig):
    """The published network of four paths."""

    name: Literal["four_paths"] = Field(description="The published network: good, adversarial, denoising, adversarial.")
    seeds: tuple[Seed, Seed, Seed, Seed] = Field(
        (27, 59, 147, 247), description="Of training and test sequences, and of the random heads of the two layers."
    )

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Two layers of two."""
        return 2, 2

    @property
    def path_names(self) -> tuple[str, ...]:
        """What the paths do."""
        return "good", "adversarial 1", "denoising", "adversarial 2"

    @property
    def label(self) -> str:
        """The task in words."""
        return "hidden Markov chain, 4 paths"

    def instance(self) -> MarkovInstance:
        """Heads and sequences."""
        return four_paths(per_class=self.per_class, test_per_class=self.test_per_class, seeds=self.seeds, rng=self.rng)


class TwoPathsConfig(SequencesConfig):
    """The published network of two paths, for noisier sequences."""

    name: Literal["two_paths"] = Field(description="The published network for noisier sequences: good, denoising.")
    seeds: tuple[Seed, Seed] = Field((27, 59), description="Of training and test sequences.")

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Two heads, and one."""
        return 2, 1

    @property
    def path_names(self) -> tuple[str, ...]:
        """What the paths do."""
        return "good", "denoising"

    @property
    def label(self) -> str:
        """The task in words."""
        return "hidden Markov chain, 2 paths, noisy"

    def instance(self) -> MarkovInstance:
        """Heads and sequences."""
        return two_paths(per_class=self.per_class, test_per_class=self.test_per_class, seeds=self.seeds, rng=self.rng)


class PerturbationConfig(Config):
    """Random numbers that are added to the weights of a head."""

    features: Noise = Field(0.0, description="Strength between features.")
    positions: Noise = Field(0.0, description="Strength between positions.")
    cross: Noise = Field(0.0, description="Strength between the two.")
    cross_scale: CrossScale = Field(
        "own", description="`published`: the cross part has the strength of the features, as in the published program."
    )
    seed: Seed = Field(0, description="Seed.")


class HeadConfig(Config):
    """A head for sequences."""

    attends: Attends = Field(description="What it looks at.")
    beta: float = Field(10.0, ge=0, le=1e6, description="Inverse temperature of its softmax.")
    perturbation: PerturbationConfig | None = Field(None, description="What is added to its weights.")


class MarkovConfig(SequencesConfig):
    """Sequences and heads of the user's choice."""

    name: Literal["markov"] = Field(description="Sequences and heads of your choice.")
    features: int = Field(200, ge=2, le=10_000, multiple_of=2, description="Features of a token.")
    length: int = Field(30, ge=1, le=1000, description="States of a sequence.")
    stay_positive: tuple[Probability, Probability] = Field(
        (0.7, 0.7), description="Probabilities that state +1, and -1, stays, in class +1."
    )
    stay_negative: tuple[Probability, Probability] = Field((0.3, 0.3), description="The same in class -1.")
    noise_along_difference: Noise = Field(1.0, description="Noise along v+ - v-.")
    noise_along_sum: Noise = Field(1.0, description="Noise along v+ + v-.")
    noise_out_of_plane: Noise = Field(1.0, description="Noise in all other directions.")
    layers: Tuple[Tuple[HeadConfig]] = Field(
        min_length=1, max_length=4, description="Heads of each layer, from the first."
    )
    seeds: tuple[Seed, Seed] = Field((0, 1), description="Of training and test sequences.")

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return tuple(map(len, self.layers))

    @property
    def input_width(self) -> int:
        """Width of a token."""
        return self._task().inputs

    @property
    def label(self) -> str:
        """The task in words."""
        return f"hidden Markov chain, {prod(self.head_counts)} paths"

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """A layer without heads; too large."""
        for number, layer in enumerate(self.layers):
            if not layer:
                yield ("layers", number), "a list of at least 1 head, found none"
        yield from self.size_mistakes()
        sequences = (self.training_size + self.test_size) * self.input_width * (self.length + 1)
        if sequences > LARGEST_FEATURES:
            yield (), f"sequences of at most {LARGEST_FEATURES:,} numbers, found {sequences:,}; take fewer"

    def _task(self) -> MarkovTask:
        return MarkovTask(
            features=self.features,
            length=self.length,
            stay_positive=self.stay_positive,
            stay_negative=self.stay_negative,
            noise_along_difference=self.noise_along_difference,
            noise_along_sum=self.noise_along_sum,
            noise_out_of_plane=self.noise_out_of_plane,
        )

    def instance(self) -> MarkovInstance:
        """Heads and sequences."""
        task = self._task()
        training, test = self.seeds
        layers = tuple(
            tuple(
                markov_head(
                    head.attends,
                    task,
                    beta=head.beta,
                    perturbation=Perturbation(**chosen.model_dump(exclude={"seed"})),
                    seed=chosen.seed,
                    rng=self.rng,
                )
                for head in layer
                for chosen in (head.perturbation or PerturbationConfig(),)
            )
            for layer in self.layers
        )
        return MarkovInstance(
            task, layers, task.draw(self.per_class, training, self.rng), task.draw(self.test_per_class, test, self.rng)
        )


class RandomConfig(TaskConfig):
    """Random features of the paths, labelled by a teacher or by chance."""

    name: Literal["random_features"] = Field(description="Random features of the paths.")
    heads: Tuple[Heads] = Field((2, 2), min_length=1, max_length=4, description="Numbers of heads of the layers.")
    inputs: int = Field(20, ge=1, le=10_000, description="Width of the features.")
    examples: int = Field(40, ge=1, le=MOST_EXAMPLES, description="Training examples.")
    test_examples: int = Field(1000, ge=1, le=MOST_TEST_EXAMPLES, description="Test examples.")
    labels: Labels = Field("teacher", description="Labels of a teacher of width 1, or by chance.")
    seed: Seed = Field(0, description="Seed.")

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return self.heads

    @property
    def training_size(self) -> int:
        """Number P of training examples."""
        return self.examples

    @property
    def test_size(self) -> int:
        """Number of test examples."""
        return self.test_examples

    @property
    def input_width(self) -> int:
        """Width of the features."""
        return self.inputs

    @property
    def label(self) -> str:
        """The task in words."""
        return f"random features, {prod(self.head_counts)} paths, {LABELS_IN_WORDS[self.labels]}"

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Too large."""
        yield from self.size_mistakes()

    def build(self, sigma0: float) -> Problem:
        """Features times σ_0."""
        drawn = RandomFeatures(self.head_counts, self.input_width, self.labels).draw(
            self.examples, self.test_examples, self.seed
        )
        return Problem(
            self.head_counts, sigma0 * drawn.features, drawn.labels, sigma0 * drawn.test_features, drawn.test_labels
        )


SequenceTask = Annotated[FourPathsConfig | TwoPathsConfig | MarkovConfig, Field(discriminator="name")]
"""Sequences of any kind."""

AnyTask = Annotated[FourPathsConfig | TwoPathsConfig | MarkovConfig | RandomConfig, Field(discriminator="name")]
"""A learning problem of any kind."""
