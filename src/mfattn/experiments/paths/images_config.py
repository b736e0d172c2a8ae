"""Config sections of the recognition of images from one example: episodes, and networks that learn from them."""

from collections.abc import Iterator
from math import ceil, prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mfattn.experiments.data_config import DataConfig
from mfattn.experiments.paths.image_characters import AnyCharacters, characters_of
from mfattn.experiments.paths.image_dump import DumpConfig
from mfattn.experiments.paths.image_sections import MOST_TESTS, TEST_NAME, ImageData, Network, odd_mistakes
from mfattn.experiments.paths.task_config import LARGEST_FEATURES, MOST_EXAMPLES, Heads, TaskConfig
from mfattn.experiments.sections import Seed
from mfattn.paths.checks import Array
from mfattn.paths.tasks.descent import Descent, MissingExtra, Precision, torch_module, weight_shapes
from mfattn.paths.tasks.dump import Examples
from mfattn.paths.tasks.encoding import Encoding
from mfattn.paths.tasks.oneshot import EncodedCharacters, fixed_context_episodes
from mfattn.paths.tasks.trained import RandomHeads
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import KeyPath

MOST_TOKENS = 1024
LARGEST_BATCH = 2**27
"""Bound on the attention weights of a batch of training, and on its numbers of any other kind."""

LARGEST_TRAINING = 4 * 2**30
"""Bytes of all links of a training."""

STATES = 3
"""Numbers that are kept of a weight in training: itself, and two means of its gradients."""

TRAINING_STREAM, EXAMPLES_STREAM, TEST_STREAM = range(3)


def stream_seed(seed: int, *names: int) -> int:
    """A seed of a stream's own."""
    return int(np.random.SeedSequence(seed, spawn_key=names).generate_state(1, np.uint64)[0])


class EncodingConfig(Config):
    """How images become tokens."""

    side: int = Field(32, ge=4, le=128, description="Rows and columns to which images are resized.")
    patch: int = Field(8, ge=2, le=64, description="Rows and columns of a patch, a divisor of the side.")
    channels: int = Field(3, ge=1, le=3, description="How often every pixel is repeated.")
    label_seed: Seed = Field(0, description="Seed of the vectors that stand for labels.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Patches that do not fill an image, or too many of them."""
        tokens = 3 * (self.side // self.patch) ** 2
        if self.side % self.patch:
            yield ("patch",), f"a divisor of the side {self.side}, found {self.patch}"
        elif tokens > MOST_TOKENS:
            yield ("patch",), f"at most {MOST_TOKENS:,} tokens of an episode, found {tokens:,}; take larger patches"

    def make(self) -> Encoding:
        """The encoding."""
        return Encoding(self.side, self.patch, self.channels)

    @property
    def inputs(self) -> int:
        """Width N0 of a token."""
        return self.patch**2 * self.channels


HeadNumbers = Annotated[Tuple[Heads], Field(min_length=1, max_length=4)]
KeySize = Annotated[int, Field(ge=1, le=4096)]


class TrainingConfig(Config):
    """Heads that gradient descent learns, together with the rest of the network."""

    source: Literal["training"] = Field(description="Gradient descent, which needs torch: mfattn[torch].")
    heads: HeadNumbers = Field((4, 4), description="Numbers of heads of the layers.")
    key_size: KeySize = Field(128, description="Width G of queries and keys.")
    width: int = Field(512, ge=1, le=4096, description="Width N of all layers.")
    steps: int = Field(1500, ge=1, le=10**7, description="Steps of Adam.")
    batch: int = Field(128, ge=2, le=4096, description="Episodes of a step, all of them new.")
    rate: float = Field(3e-4, gt=0, le=1, description="Learning rate.")
    decay: float = Field(5e-5, ge=0, le=1, description="Factor of the weights that is added to their gradients.")
    precision: Precision = Field("single", description="Precision of the training.")
    threads: int = Field(1, ge=1, le=256, description="Threads of torch; another number may change the last digits.")
    seed: Seed = Field(0, description="Seed of first weights and episodes.")
    link: int = Field(250, ge=1, le=10**6, description="Steps of a link of the chain, which is saved at once.")

    def misfits(self, encoding: EncodingConfig) -> Iterator[tuple[KeyPath, str]]:
        """Batches and states that no memory holds."""
        yield from odd_mistakes(self, "batch")
        tokens = encoding.make().tokens
        largest = max(max(self.heads) * (tokens + self.key_size), encoding.inputs)
        if self.batch * tokens * largest > LARGEST_BATCH:
            allowed = max(LARGEST_BATCH // (tokens * largest), 1)
            yield ("batch",), f"at most {allowed:,} episodes of these sizes, found {self.batch:,}"
        size = sum(map(prod, weight_shapes(encoding.inputs, self.descent))) * STATES * self.bytes_per_number
        whole = ceil(self.steps / self.link) * size
        if whole > LARGEST_TRAINING:
            most = f"at most {LARGEST_TRAINING / 2**30:.0f} GiB"
            yield ("link",), f"links of {most} in all, found {whole / 2**30:,.1f} GiB; take longer ones"

    @property
    def bytes_per_number(self) -> int:
        """Bytes of a weight."""
        return 4 if self.precision == "single" else 8

    @property
    def descent(self) -> Descent:
        """How the network is trained."""
        return Descent(
            heads=self.heads,
            key_size=self.key_size,
            width=self.width,
            rate=self.rate,
            decay=self.decay,
            seed=self.seed,
            precision=self.precision,
        )

    def describe(self) -> str:
        """The training in words."""
        sizes = f"G = {self.key_size}, N = {self.width}"
        return f"{self.steps:,} steps of Adam, {self.batch} episodes each, rate {self.rate:g}, {sizes}"


class RandomHeadsConfig(Config):
    """Heads of random queries and keys."""

    source: Literal["random"] = Field(description="Random queries and keys.")
    heads: HeadNumbers = Field((4, 4), description="Numbers of heads of the layers.")
    key_size: KeySize = Field(128, description="Width G of queries and keys.")
    gain: float = Field(1.0, gt=0, le=1000, description="Factor of the weights, whose variance is 1/N0.")
    seed: Seed = Field(0, description="Seed.")

    def misfits(self, encoding: EncodingConfig) -> Iterator[tuple[KeyPath, str]]:
        """None."""
        yield from ()

    def make(self, inputs: int) -> RandomHeads:
        """The heads."""
        return RandomHeads.drawn(self.heads, inputs, self.key_size, self.gain, self.seed)

    def describe(self) -> str:
        """The heads in words."""
        return f"random queries and keys, G = {self.key_size}"


AnyNetwork = Annotated[TrainingConfig | RandomHeadsConfig, Field(discriminator="source")]


class TransferConfig(Config):
    """A test on images of another kind."""

    name: str = Field(pattern=TEST_NAME, examples=["digits"], description="What it is called.")
    examples: DataConfig = Field(description="Images that the episodes show with their labels.")
    queries: DataConfig = Field(description="Images whose labels are asked for.")
    classes: tuple[Annotated[int, Field(ge=0, le=10**6)], Annotated[int, Field(ge=0, le=10**6)]] = Field(
        (0, 1), description="Two classes; the first has label -1."
    )
    per_class: int = Field(500, ge=1, le=10_000, description="Queries of each class.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Images that there are not, or one class."""
        for name, data in (("examples", self.examples), ("queries", self.queries)):
            yield from (((name, *path), message) for path, message in data.mistakes())
        if self.classes[0] == self.classes[1]:
            yield ("classes",), f"two different classes, found {self.classes[0]} twice"

    def load(self, encoding: Encoding, label_vectors: Array) -> Examples:
        """Tokens and labels; InputError if there are not enough images, or of two sizes."""
        try:
            shown = fixed_context_episodes(self.examples.loaded, self.queries.loaded, self.classes, self.per_class)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from None
        return Examples(encoding.encode(shown.images, shown.label_ids, label_vectors), shown.labels)

    def identity(self) -> dict[str, Any]:
        """What it is called, and what the images are."""
        data = {"examples": self.examples.identity(), "queries": self.queries.identity()}
        return self.model_dump(mode="json", exclude={"examples", "queries"}) | data


class OneShotConfig(TaskConfig):
    """Recognition of characters from one example, by a network that has learnt it from others."""

    name: Literal["one_shot"] = Field(description="Characters, and a network that looks at them.")
    characters: AnyCharacters = Field(description="Where the characters come from.")
    encoding: EncodingConfig = Field(EncodingConfig(), description="How images become tokens.")
    network: AnyNetwork = Field(description="Where queries and keys come from.")
    examples: int = Field(
        600, ge=2, le=MOST_EXAMPLES, description="Training examples P of the theory, half of each label."
    )
    test_examples: int = Field(1000, ge=2, le=20_000, description="Test examples, of characters of unseen alphabets.")
    transfer: Tuple[TransferConfig] = Field((), max_length=MOST_TESTS, description="Tests on images of other kinds.")
    seed: Seed = Field(0, description="Seed of the examples of theory and test.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together, or is too large."""
        yield from odd_mistakes(self, "examples", "test_examples")
        yield from ((("characters", *path), message) for path, message in self.characters.mistakes())
        for place, transfer in enumerate(self.transfer):
            yield from ((("transfer", place, *path), message) for path, message in transfer.mistakes())
        if len(set(self.transfer_names)) != len(self.transfer):
            yield ("transfer",), f"different names, found {', '.join(self.transfer_names)}"
        misfits = [*self.encoding.mistakes()]
        yield from ((("encoding", *path), message) for path, message in misfits)
        if not misfits:
            found = self.network.misfits(self.encoding)
            yield from ((("network", *path), message) for path, message in found)
            yield from self.size_mistakes()

    def size_mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Too many paths, features or tokens."""
        yield from super().size_mistakes()
        most = max(self.examples, self.test_examples, *(2 * transfer.per_class for transfer in self.transfer))
        numbers = most * self.input_width * self.encoding.make().tokens
        if numbers > LARGEST_FEATURES:
            yield (), f"tokens of at most {LARGEST_FEATURES:,} numbers, found {numbers:,}; take fewer examples"

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return self.network.heads

    @property
    def training_size(self) -> int:
        """Number P of training examples."""
        return self.examples

    @property
    def test_size(self) -> int:
        """Number of test examples of all kinds."""
        return self.test_examples + sum(2 * transfer.per_class for transfer in self.transfer)

    @property
    def input_width(self) -> int:
        """Width of a token."""
        return self.encoding.inputs

    @property
    def label(self) -> str:
        """The task in words."""
        return f"one-shot images, {self.characters.label}"

    @property
    def transfer_names(self) -> tuple[str, ...]:
        """Names of the tests on images of other kinds."""
        return tuple(transfer.name for transfer in self.transfer)

    @property
    def training(self) -> TrainingConfig | None:
        """The training that comes first, if there is one."""
        return self.network if isinstance(self.network, TrainingConfig) else None

    @property
    def has_values(self) -> bool:
        """Whether the network has values and a read-out of its own."""
        return self.training is not None

    def describe_network(self) -> str:
        """Where the heads come from."""
        return self.network.describe()

    def check(self) -> None:
        """Raise InputError if torch, or images, are missing."""
        if self.training is not None:
            try:
                torch_module()
            except MissingExtra as error:
                raise InputError(str(error)) from None
        self._transferred()

    def identity(self) -> dict[str, Any]:
        """The section, with what is in the files in place of their names; InputError if they cannot be read."""
        return self.model_dump(mode="json", exclude={"characters", "transfer"}) | {
            "characters": self.characters.identity(self.encoding.side),
            "transfer": [transfer.identity() for transfer in self.transfer],
        }

    def given_network(self) -> Network | None:
        """The network that there is without a training."""
        return None if isinstance(self.network, TrainingConfig) else self.network.make(self.input_width)

    def encoded(self) -> tuple[EncodedCharacters, EncodedCharacters]:
        """Characters for training and for the test, as episodes are made of them."""
        seen, unseen = characters_of(self.characters, self.encoding.side)
        encoding, vectors = self.encoding.make(), self.label_vectors
        return EncodedCharacters(seen, encoding, vectors), EncodedCharacters(unseen, encoding, vectors)

    @property
    def label_vectors(self) -> Array:
        """Vectors that stand for the labels."""
        return self.encoding.make().label_vectors(self.encoding.label_seed)

    def data(self) -> ImageData:
        """Examples of the theory, of characters that training has seen, and of the tests."""
        seen, unseen = self.encoded()
        return ImageData(
            Examples(*seen.episodes(self.examples // 2, stream_seed(self.seed, EXAMPLES_STREAM))),
            Examples(*unseen.episodes(self.test_examples // 2, stream_seed(self.seed, TEST_STREAM))),
            self._transferred(),
        )

    def _transferred(self) -> dict[str, Examples]:
        encoding, vectors = self.encoding.make(), self.label_vectors
        return {transfer.name: transfer.load(encoding, vectors) for transfer in self.transfer}


ImageTask = Annotated[OneShotConfig | DumpConfig, Field(discriminator="name")]
"""Recognition of images from one example."""
