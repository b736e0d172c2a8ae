"""Config sections of the recognition of images from one example: characters, networks, and files that hold both."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from math import ceil, prod
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from mfattn.datasets import BadData, OmniglotFolder, read_split
from mfattn.experiments.data_config import DataConfig
from mfattn.experiments.paths.task_config import LARGEST_FEATURES, MOST_EXAMPLES, Heads, TaskConfig
from mfattn.experiments.sections import LocalPath, Seed
from mfattn.paths.checks import Array
from mfattn.paths.tasks.characters import Characters, alphabet_of, generated_characters
from mfattn.paths.tasks.descent import Descent, MissingExtra, Precision, torch_module, weight_shapes
from mfattn.paths.tasks.dump import BadDump, Dump, Examples, read_dump
from mfattn.paths.tasks.encoding import Encoding
from mfattn.paths.tasks.oneshot import EncodedCharacters, fixed_context_episodes, resized_characters
from mfattn.paths.tasks.trained import RandomHeads, TrainedNetwork
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import KeyPath

MOST_DRAWINGS = 40_000
"""Bound on the generated drawings, which are held in memory at first."""

DRAWING_SIDE = 105
"""Rows and columns of a generated drawing, as of Omniglot's."""

MOST_TOKENS = 1024
LARGEST_BATCH = 2**27
"""Bound on the attention weights of a batch of training, and on its numbers of any other kind."""

LARGEST_TRAINING = 4 * 2**30
"""Bytes of all links of a training."""

STATES = 3
"""Numbers that are kept of a weight in training: itself, and two means of its gradients."""

TRAINING_STREAM, EXAMPLES_STREAM, TEST_STREAM = range(3)

Network = TrainedNetwork | RandomHeads


def _holds(check: Callable[[], bool]) -> bool:
    """Whether something is so of a path, which need not be a possible one."""
    try:
        return check()
    except (OSError, ValueError):
        return False


def _odd_mistakes(section: Config, *names: str) -> Iterator[tuple[KeyPath, str]]:
    """Numbers of examples that are not half of each label."""
    for name in names:
        number = getattr(section, name)
        if number % 2:
            yield (name,), f"an even number, found {number}"


def stream_seed(seed: int, *names: int) -> int:
    """A seed of a stream's own."""
    return int(np.random.SeedSequence(seed, spawn_key=names).generate_state(1, np.uint64)[0])


class GeneratedConfig(Config):
    """Characters of random strokes, which need no files."""

    source: Literal["generated"] = Field(description="Characters of random strokes.")
    alphabets: int = Field(8, ge=2, le=1000, description="Alphabets.")
    unseen: int = Field(2, ge=1, le=999, description="How many of them are kept for the test, the last ones.")
    characters: int = Field(12, ge=1, le=1000, description="Characters of each alphabet.")
    drawings: int = Field(20, ge=2, le=1000, description="Drawings of each character.")
    variation: float = Field(1.0, ge=0, le=10, description="Factor of how much drawings of a character differ.")
    seed: Seed = Field(0, description="Seed.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Nothing to train with, or to test; too many."""
        if self.unseen >= self.alphabets:
            yield ("unseen",), f"fewer than the {self.alphabets} alphabets, found {self.unseen}"
        elif self.characters * min(self.unseen, self.alphabets - self.unseen) < 2:
            yield ("characters",), "at least 2 characters for training and for the test, found 1"
        number = self.alphabets * self.characters * self.drawings
        if number > MOST_DRAWINGS:
            yield ("drawings",), f"at most {MOST_DRAWINGS:,} drawings in all, found {number:,}"

    @property
    def label(self) -> str:
        """What they are."""
        return f"{self.alphabets * self.characters:,} generated characters"

    def load(self, side: int) -> tuple[Characters, Characters]:
        """Characters for training and for the test, of some rows and columns."""
        drawn = generated_characters(
            self.alphabets,
            self.characters,
            self.drawings,
            evaluation=self.unseen,
            side=DRAWING_SIDE,
            variation=self.variation,
            seed=self.seed,
        )
        return split_by_alphabet(resized_characters(drawn, side), drawn.alphabets[-self.unseen :])

    def identity(self, side: int) -> dict[str, Any]:
        """What tells them from others."""
        return self.model_dump(mode="json")


class OmniglotConfig(Config):
    """Characters in a folder laid out like Omniglot."""

    source: Literal["omniglot"] = Field(description="Characters in a folder laid out like Omniglot.")
    folder: LocalPath = Field(
        description="Holds images_background and images_evaluation.", examples=["data/omniglot-py"]
    )
    training_split: LocalPath | None = Field(
        None, description="JSON file that names the characters for training; without it, images_background."
    )
    test_split: LocalPath | None = Field(
        None, description="JSON file that names those of the test; without it, images_evaluation."
    )
    test_alphabets: Tuple[str] | None = Field(
        None, min_length=1, max_length=100, description="Alphabets of the test; all others are for training."
    )

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """A folder that is missing, and more than one way to split it."""
        if not _holds(self.folder.is_dir):
            yield ("folder",), f"a folder, found none at {self.folder}"
        if (self.training_split is None) != (self.test_split is None):
            missing = "training_split" if self.training_split is None else "test_split"
            yield (missing,), "needed, as the other split is given"
        if self.test_alphabets is not None and self.test_split is not None:
            yield ("test_alphabets",), "only one of test_alphabets and test_split, found both"

    @property
    def label(self) -> str:
        """What they are."""
        return "Omniglot"

    def load(self, side: int) -> tuple[Characters, Characters]:
        """Characters for training and for the test, of some rows and columns.

        Raises
        ------
        InputError
            If the folder or a split cannot be read, or a part has less than two characters or drawings of one.
        """
        try:
            parts = self._parts(side)
        except BadData as error:
            raise InputError(str(error)) from None
        for name, part in zip(("training", "test"), parts, strict=True):
            if len(part.names) < 2 or min(part.counts) < 2:
                raise InputError(f"{self.folder}: at least 2 characters of 2 drawings each are needed for the {name}")
        return parts

    def _parts(self, side: int) -> tuple[Characters, Characters]:
        if self.training_split is not None and self.test_split is not None:
            training, test = (
                resized_characters(OmniglotFolder(self.folder, read_split(path)), side)
                for path in (self.training_split, self.test_split)
            )
            return training, test
        every = OmniglotFolder(self.folder)
        if self.test_alphabets is None:
            unseen = {alphabet_of(name) for name in every.names if name.startswith("images_evaluation/")}
        else:
            unseen = set(self.test_alphabets)
        alphabets = {alphabet_of(name) for name in every.names}
        if not unseen <= alphabets or not unseen or unseen == alphabets:
            strange = sorted(unseen - alphabets)
            found = f"no alphabet {strange[0][:80]!r}" if strange else "no alphabets for " + _lacking(unseen)
            raise BadData(f"{self.folder}: {found}")
        return split_by_alphabet(resized_characters(every, side), tuple(unseen))

    def identity(self, side: int) -> dict[str, Any]:
        """What the drawings are, not where; reads them.

        InputError as `load`.
        """
        digest = hashlib.sha256()
        for part in characters_of(self, side):
            digest.update(repr((part.names, part.counts, part.pixels.shape)).encode())
            digest.update(np.ascontiguousarray(part.pixels).data)
        return {"source": self.source, "sha256": digest.hexdigest()}


def _lacking(unseen: set[str]) -> str:
    return "training" if unseen else "the test"


def split_by_alphabet(every: Characters, unseen: tuple[str, ...]) -> tuple[Characters, Characters]:
    """Characters of all other alphabets, and of those that are unseen."""
    seen = [alphabet for alphabet in every.alphabets if alphabet not in unseen]
    return every.of_alphabets(seen), every.of_alphabets(unseen)


AnyCharacters = Annotated[GeneratedConfig | OmniglotConfig, Field(discriminator="source")]


@lru_cache(maxsize=2)
def characters_of(source: GeneratedConfig | OmniglotConfig, side: int) -> tuple[Characters, Characters]:
    """Characters for training and for the test, read once per process."""
    return source.load(side)


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
        yield from _odd_mistakes(self, "batch")
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

    name: str = Field(pattern=r"^[A-Za-z0-9 ,.+()-]{1,40}$", examples=["digits"], description="What it is called.")
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


class ImageData(NamedTuple):
    """Examples for the theory, for the test on classes that were not seen, and for tests on images of other kinds."""

    training: Examples
    test: Examples
    transfer: Mapping[str, Examples]


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
    transfer: Tuple[TransferConfig] = Field((), max_length=6, description="Tests on images of other kinds.")
    seed: Seed = Field(0, description="Seed of the examples of theory and test.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together, or is too large."""
        yield from _odd_mistakes(self, "examples", "test_examples")
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


class DumpConfig(TaskConfig):
    """A file with a trained network, and with the examples that were made for it."""

    name: Literal["dump"] = Field(description="A file with a trained network and examples.")
    file: LocalPath = Field(description="Ends in .npz, or is one of torch.", examples=["network.npz"])
    examples: int = Field(600, ge=2, le=MOST_EXAMPLES, description="Training examples P of the theory.")
    test_examples: int = Field(1000, ge=2, le=20_000, description="Examples of each test, at most.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """No such file."""
        yield from _odd_mistakes(self, "examples", "test_examples")
        if not _holds(self.file.is_file):
            yield ("file",), f"a file, found none at {self.file}"

    @property
    def dump(self) -> Dump:
        """What is in the file, read once.

        Raises
        ------
        InputError
            If it cannot be read, or holds something else, or too few examples.
        """
        return _dump(self)

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return self.dump.network.heads

    @property
    def training_size(self) -> int:
        """Number P of training examples."""
        return self.examples

    @property
    def test_size(self) -> int:
        """Number of test examples of all kinds."""
        return sum(len(examples.labels) for name, examples in self.dump.examples.items() if name != "train")

    @property
    def input_width(self) -> int:
        """Width of a token."""
        return self.dump.network.projection.shape[1]

    @property
    def label(self) -> str:
        """The task in words."""
        return "images of a file"

    @property
    def transfer_names(self) -> tuple[str, ...]:
        """Names of the tests on images of other kinds."""
        return tuple(name.removeprefix("test_") for name in self.dump.examples if name not in ("train", "test"))

    @property
    def training(self) -> TrainingConfig | None:
        """None: the network is there."""
        return None

    @property
    def has_values(self) -> bool:
        """Whether the network has values and a read-out of its own."""
        return True

    def describe_network(self) -> str:
        """Where the heads come from."""
        return f"trained, of {self.file.name}"

    def check(self) -> None:
        """Raise InputError if the file cannot be used."""
        for _, message in self.size_mistakes():
            raise InputError(f"{self.file}: {message}")

    def identity(self) -> dict[str, Any]:
        """The numbers that are used of the file, not where it is; InputError if it cannot be read."""
        digest = hashlib.sha256()
        network = self.dump.network
        arrays = [*network.queries, *network.keys, *network.values, network.projection, network.read_out]
        for name, examples in self.dump.examples.items():
            digest.update(name.encode())
            arrays += [examples.tokens, examples.labels]
        for array in arrays:
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return self.model_dump(mode="json", exclude={"file"}) | {"sha256": digest.hexdigest()}

    def given_network(self) -> Network | None:
        """The network of the file."""
        return self.dump.network

    def data(self) -> ImageData:
        """Examples of the file."""
        kept = dict(self.dump.examples)
        training, test = kept.pop("train"), kept.pop("test")
        return ImageData(training, test, {name.removeprefix("test_"): found for name, found in kept.items()})


@lru_cache(maxsize=1)
def _dump(task: DumpConfig) -> Dump:
    """The network, and the examples that a task takes of a dump."""
    try:
        dump = read_dump(task.file)
        for name in ("train", "test"):
            if name not in dump.examples:
                raise BadDump(f"{task.file}: no examples x_zeros_{name}")
        examples = {name: _taken(task, name, found) for name, found in dump.examples.items()}
    except BadDump as error:
        raise InputError(str(error)) from None
    except MissingExtra as error:
        raise InputError(f"{task.file}: {error}") from None
    return Dump(dump.network, examples, dump.info)


def _taken(task: DumpConfig, name: str, found: Examples) -> Examples:
    """The first examples of each label: as many as are asked for to train, and at most as many for a test."""
    try:
        if name == "train":
            return found.first_of_each_label(task.examples // 2)
        least = int(min((found.labels == label).sum() for label in (1, -1)))
        return found.first_of_each_label(max(1, min(task.test_examples // 2, least)))
    except BadDump as error:
        raise BadDump(f"{task.file}: {name}: {error}") from None


ImageTask = Annotated[OneShotConfig | DumpConfig, Field(discriminator="name")]
"""Recognition of images from one example."""
