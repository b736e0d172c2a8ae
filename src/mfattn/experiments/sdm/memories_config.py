"""Config of associative memories, and the memories that it makes."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from mfattn.experiments.sections import distinct_mistakes, one_of
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.temperatures import Estimator, Kind, fit_beta, least_radius

MOST_PATTERN_BITS = 10_000
"""Bound on the length of what a memory stores."""

LARGEST_MEMORY = 8 * 2**30
"""Bytes of the counters or counts of a memory."""

Space = Literal["bits", "vectors"]
Radii = Annotated[
    Tuple[Annotated[int, Field(ge=0, le=MOST_PATTERN_BITS)]],
    Field(min_length=1, max_length=100, description="Radii d of the balls of reads and writes, a memory for each."),
]


class Member(NamedTuple):
    """One memory of a family: its radius (-1 without one) and its inverse temperature (NaN without one)."""

    radius: int = -1
    beta: float = np.nan


class FamilyConfig(Config):
    """Memories of one kind."""

    space: ClassVar[Space] = "bits"

    @property
    @abstractmethod
    def words(self) -> str:
        """What the family is called in figures and tables."""

    @property
    def size(self) -> int:
        """Number of memories."""
        return 1

    def describe(self) -> str:
        """What it is called, and its members."""
        lists = (("d", getattr(self, "radii", None)), ("β", getattr(self, "betas", None)))
        listed = [f"{name} = {', '.join(map(str, values))}" for name, values in lists if values is not None]
        return "; ".join([self.words, *listed])

    @abstractmethod
    def members(self, n: int) -> list[Member]:
        """The memories, for patterns of N bits or numbers."""

    @abstractmethod
    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """One of the memories, empty."""

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit patterns of N bits."""
        yield from ()

    def reading_cost(self, n: int, patterns: int) -> float:
        """Rough core-seconds of a read, for each query."""
        return 1e-10 * patterns * n

    def writing_cost(self, n: int, patterns: int) -> float:
        """Rough core-seconds of writing."""
        return 1e-9 * patterns * n


class BallFamilyConfig(FamilyConfig):
    """Memories with a ball of each of some radii."""

    radii: Radii

    @property
    def size(self) -> int:
        """Number of radii."""
        return len(self.radii)

    def members(self, n: int) -> list[Member]:
        """One for each radius."""
        return [Member(radius) for radius in self.radii]

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """Radii beyond the space."""
        for number, radius in enumerate(self.radii):
            if radius > n:
                yield ("radii", number), f"at most the {n:,} bits of a pattern, found {radius:,}"
        yield from distinct_mistakes(("radii",), self.radii)


class NeuronsConfig(BallFamilyConfig):
    """Sparse distributed memory with real neurons."""

    memory: Literal["neurons"] = Field(description="Sparse distributed memory with real neurons.")
    neurons: int = Field(ge=1, le=100_000_000, description="Number r of neurons, at random addresses.")
    counters: Literal["int8", "int16", "int32"] = Field("int16", description="Type of the counters, which are clipped.")

    @property
    def words(self) -> str:
        """What it is called."""
        return f"SDM, {self.neurons:,} neurons" + ("" if self.counters == "int16" else f", {self.counters}")

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory, with neurons drawn from the seed."""
        from mfattn.sdm.memories import NeuronSDM

        return NeuronSDM(n, self.neurons, member.radius, counters=self.counters, seed=seed, threads=threads)

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """Radii beyond the space, and counters that do not fit into memory."""
        yield from super().misfits(n, patterns)
        yield from _size_mistakes(self.neurons * n * np.dtype(self.counters).itemsize, "neurons", self.neurons)

    def reading_cost(self, n: int, patterns: int) -> float:
        """Distances to all neurons, and the counters of those in the ball."""
        return self.neurons * (0.15e-9 * (n / 64 + 1) + 0.5e-12 * n)

    def writing_cost(self, n: int, patterns: int) -> float:
        """The same for every pattern."""
        return patterns * self.reading_cost(n, patterns) + 2e-10 * self.neurons * n


class InfiniteConfig(BallFamilyConfig):
    """Sparse distributed memory with infinitely many neurons."""

    memory: Literal["infinite"] = Field(description="Sparse distributed memory with infinitely many neurons.")

    @property
    def words(self) -> str:
        """What it is called."""
        return "SDM, infinitely many neurons"

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory."""
        from mfattn.sdm.memories import InfiniteSDM

        return InfiniteSDM(n, member.radius, threads=threads)


class FiniteConfig(BallFamilyConfig):
    """The limit of infinitely many neurons with the counts of finitely many."""

    memory: Literal["finite"] = Field(description="The limit of infinitely many with counts of finitely many neurons.")
    neurons: float = Field(ge=1, le=1e200, description="Number r of neurons.")
    counting: Literal["poisson", "rounded"] = Field(
        "poisson", description="Counts as of random neurons, or the rounded means of the published program."
    )

    @property
    def words(self) -> str:
        """What it is called."""
        return f"SDM, {self.counting} counts of {self.neurons:g} neurons"

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory, with counts drawn from the seed."""
        from mfattn.sdm.memories import FiniteSDM

        drawn = int(seed.generate_state(1, np.uint64)[0])
        return FiniteSDM(n, member.radius, self.neurons, counting=self.counting, seed=drawn, threads=threads)

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """Radii beyond the space, and counts that do not fit into memory."""
        yield from super().misfits(n, patterns)
        yield from _size_mistakes(8 * patterns * (n + 1), "memory", patterns)


class TemperedConfig(FamilyConfig):
    """Softmax attention, at given inverse temperatures or at those that stand for balls."""

    radii: Radii | None = Field(None, description="Radii d at whose balls β is fitted; or betas.")
    betas: Tuple[Annotated[float, Field(ge=-1e6, le=1e6)]] | None = Field(
        None, min_length=1, max_length=100, description="Inverse temperatures β of the cosine; or radii."
    )
    estimator: Estimator = Field("ols", description="How β is fitted; `paper` is the published estimator.")

    @property
    def fitted_kind(self) -> Kind:
        """What β is fitted to."""
        return "binary"

    @property
    def fitted_words(self) -> str:
        """Where β comes from, if not from the usual fit."""
        if self.radii is None:
            return ", given β"
        return "" if self.estimator == "ols" else f", β by '{self.estimator}'"

    @property
    def size(self) -> int:
        """Number of radii or temperatures."""
        return len(self.betas or self.radii or ())

    def members(self, n: int) -> list[Member]:
        """One for each radius or temperature."""
        if self.betas is not None:
            return [Member(beta=beta) for beta in self.betas]
        fits = [fit_beta(n, d, kind=self.fitted_kind, estimator=self.estimator) for d in self.radii or ()]
        return [Member(radius, fit.beta) for radius, fit in zip(self.radii or (), fits, strict=True)]

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """Not one list, or radii at which nothing can be fitted."""
        if message := one_of(self, "radii", "betas"):
            yield (), message
        least = least_radius(self.estimator)
        for number, radius in enumerate(self.radii or ()):
            if not least <= radius <= n:
                yield ("radii", number), f"from {least} to the {n:,} bits of a pattern, found {radius:,}"
        yield from distinct_mistakes(("radii",), self.radii)
        yield from distinct_mistakes(("betas",), self.betas)


class AttentionConfig(TemperedConfig):
    """Softmax attention over bits."""

    memory: Literal["attention"] = Field(description="Softmax attention over bits.")

    @property
    def words(self) -> str:
        """What it is called."""
        return f"attention, bits{self.fitted_words}"

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory."""
        from mfattn.sdm.memories import BinaryAttention

        return BinaryAttention(n, member.beta, threads=threads)


class HopfieldConfig(FamilyConfig):
    """A Hopfield network."""

    memory: Literal["hopfield"] = Field(description="A Hopfield network.")
    energy: Literal["classic", "polynomial", "exponential"] = Field("classic", description="Energy F of an overlap.")
    degree: int | None = Field(None, ge=2, le=200, description="Degree of the polynomial energy.")
    rate: float | None = Field(None, gt=0, le=100, description="Rate of the exponential energy; without it, 1.")

    @property
    def words(self) -> str:
        """What it is called in a figure."""
        return f"Hopfield, {self.energy}" + (f" of degree {self.degree}" if self.degree else "")

    def members(self, n: int) -> list[Member]:
        """One."""
        return [Member()]

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """A degree or a rate that the energy has not."""
        for name, energy in (("degree", "polynomial"), ("rate", "exponential")):
            if getattr(self, name) is not None and self.energy != energy:
                yield (name,), f"only with the energy '{energy}', found '{self.energy}'"
        if self.energy == "polynomial" and self.degree is None:
            yield (), "degree is needed with the energy 'polynomial'"

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The network."""
        from mfattn.sdm.memories import Hopfield

        return Hopfield(n, energy=self.energy, degree=self.degree, beta=self.rate, threads=threads)


class CapsConfig(BallFamilyConfig):
    """Sparse distributed memory on the sphere."""

    space = "vectors"
    memory: Literal["caps"] = Field(description="Sparse distributed memory on the sphere.")

    @property
    def words(self) -> str:
        """What it is called."""
        return "SDM, caps"

    def reading_cost(self, n: int, patterns: int) -> float:
        """Products, and a table that is looked up."""
        return vectors_cost(n, patterns, each=1.5e-7)

    def misfits(self, n: int, patterns: int) -> Iterator[tuple[KeyPath, str]]:
        """Radii beyond the space, or caps without a size."""
        yield from super().misfits(n, patterns)
        for number, radius in enumerate(self.radii):
            if radius == 0:
                yield ("radii", number), "at least 1, found 0"

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory."""
        from mfattn.sdm.memories import CapSDM

        return CapSDM(n, member.radius, threads=threads)


class RoundedConfig(BallFamilyConfig):
    """Sparse distributed memory of vectors with the weights of bits."""

    space = "vectors"
    memory: Literal["rounded"] = Field(description="Vectors with the weights of bits at the nearest distance.")

    @property
    def words(self) -> str:
        """What it is called."""
        return "SDM, rounded cosines"

    def reading_cost(self, n: int, patterns: int) -> float:
        """Products and distances."""
        return vectors_cost(n, patterns, each=3e-8)

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory."""
        from mfattn.sdm.memories import RoundedSDM

        return RoundedSDM(n, member.radius, threads=threads)


class VectorAttentionConfig(TemperedConfig):
    """Softmax attention over unit vectors."""

    space = "vectors"
    memory: Literal["vector_attention"] = Field(description="Softmax attention over unit vectors.")
    fitted_to: Literal["binary", "cap"] = Field("binary", description="Weights to which β is fitted: balls or caps.")

    def reading_cost(self, n: int, patterns: int) -> float:
        """Products and exponentials."""
        return vectors_cost(n, patterns, each=1e-8)

    @property
    def words(self) -> str:
        """What it is called in a figure."""
        fitted = {"binary": ", β of balls", "cap": ", β of caps"}[self.fitted_to] if self.radii else ""
        return f"attention, vectors{fitted}{self.fitted_words}"

    @property
    def fitted_kind(self) -> Kind:
        """Balls of bits, or caps."""
        return self.fitted_to

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory."""
        from mfattn.sdm.memories import ContinuousAttention

        return ContinuousAttention(n, member.beta, threads=threads)


class TransformerConfig(FamilyConfig):
    """Attention at the temperature of a transformer."""

    space = "vectors"
    memory: Literal["transformer"] = Field(description="Attention over unit vectors at β = 1/√n.")

    @property
    def words(self) -> str:
        """What it is called."""
        return "attention, β = 1/√n"

    def members(self, n: int) -> list[Member]:
        """One."""
        return [Member(beta=float(n) ** -0.5)]

    def make(self, n: int, member: Member, seed: np.random.SeedSequence, threads: int) -> Any:
        """The memory."""
        from mfattn.sdm.memories import transformer_attention

        return transformer_attention(n, threads=threads)


AnyFamily = Annotated[
    NeuronsConfig
    | InfiniteConfig
    | FiniteConfig
    | AttentionConfig
    | HopfieldConfig
    | CapsConfig
    | RoundedConfig
    | VectorAttentionConfig
    | TransformerConfig,
    Field(discriminator="memory"),
]


def vectors_cost(n: int, patterns: int, each: float) -> float:
    """Rough core-seconds of a read, EACH of a weight; vectors come to rest slowly, after ten times as many reads."""
    return 10 * patterns * (each + 4e-10 * n)


def _size_mistakes(size: float, key: str, found: int) -> Iterator[tuple[KeyPath, str]]:
    if size > LARGEST_MEMORY:
        allowed = f"a memory of at most {LARGEST_MEMORY / 2**30:.0f} GiB"
        yield (key,), f"{allowed}, found {size / 2**30:,.1f} GiB with {found:,}"
