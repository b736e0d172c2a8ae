"""Config of the numbers that theory asks of a memory, and of lists of values for one of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from mfattn.experiments.sdm.config import MOST_BITS, Bits, Radius
from mfattn.experiments.sections import LARGEST_SEED, one_of
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath
from mfattn.sdm.geometry import radius_for_fraction
from mfattn.sdm.theory import bit_quantile

if TYPE_CHECKING:
    from mfattn.sdm.simulations import StepSimulation

Parameter = Literal["bits", "radius", "fraction", "patterns", "neurons"]

MOST_NEURONS, LEAST_FRACTION = 1e200, 1e-200
"""Bounds on r and p, between which logarithmic axes still have room for margins."""

MOST_PATTERNS = 10**15
"""Bound on the number m of patterns of what is computed in closed form."""

LIMITS: dict[Parameter, tuple[float, float]] = {
    "bits": (1, MOST_BITS),
    "radius": (0, MOST_BITS),
    "fraction": (LEAST_FRACTION, 1),
    "patterns": (1, MOST_PATTERNS),
    "neurons": (1, MOST_NEURONS),
}
"""Least and greatest value of each parameter."""

WHOLE: tuple[Parameter, ...] = ("bits", "radius", "patterns")
"""Parameters that are whole numbers."""

SYMBOLS: dict[Parameter, str] = {"bits": "n", "radius": "d", "fraction": "p", "patterns": "m", "neurons": "r"}

WIDE = 50.0
"""Ratio of listed values from which their axis is logarithmic."""

LARGEST_SIMULATION = 2**25
"""Numbers that a simulated memory holds at once: patterns times bits and queries."""

Patterns = Annotated[int, Field(ge=1, le=MOST_PATTERNS)]
Neurons = Annotated[float, Field(ge=1, le=MOST_NEURONS)]


class Memory(NamedTuple):
    """The numbers of a memory: bits n, radius d, patterns m and neurons r."""

    bits: int
    radius: int
    patterns: int
    neurons: float


class MemoryConfig(Config):
    """What all memories have in common: each of its numbers that is not listed elsewhere."""

    bits: Bits | None = Field(None, description="Number n of bits.")
    radius: Radius | None = Field(None, description="Radius d of the balls; or fraction.")
    fraction: float | None = Field(
        None,
        ge=LEAST_FRACTION,
        le=1,
        description="Share p of the space: the radius is the smallest whose ball holds as much; or radius.",
    )
    patterns: Patterns | None = Field(None, description="Number m of stored patterns.")
    neurons: Neurons | None = Field(None, description="Number r of neurons.")


class GridConfig(Config):
    """Values at even distances, or even ratios."""

    start: float = Field(description="First value.")
    stop: float = Field(description="Last value.")
    num: int = Field(ge=1, le=1000, description="Number of values; of whole numbers, those that differ when rounded.")
    spacing: Literal["linear", "logarithmic"] = Field("linear", description="Even distances, or even ratios.")


class ValuesConfig(Config):
    """Values of one number of a memory."""

    parameter: Parameter = Field(description="Which number of the memory.")
    values: Tuple[float] | None = Field(None, min_length=1, max_length=1000, description="Its values; or grid.")
    grid: GridConfig | None = Field(None, description="Its values on a grid; or values.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """Not one list, or values that the number cannot have."""
        if message := one_of(self, "values", "grid"):
            yield (), message
        for number, value in enumerate(self.values or ()):
            yield from ((("values", number), message) for message in self._misfits(value))
        if self.values is not None and len(set(self.values)) != len(self.values):
            yield ("values",), "different numbers"
        if self.grid is not None:
            for end in ("start", "stop"):
                yield from ((("grid", end), message) for message in self._misfits(getattr(self.grid, end)))
            if self.grid.spacing == "logarithmic" and min(self.grid.start, self.grid.stop) <= 0:
                yield ("grid", "spacing"), "linear where start or stop is 0"

    def _misfits(self, value: float) -> Iterator[str]:
        """What is wrong with a value, if anything."""
        least, most = LIMITS[self.parameter]
        whole = self.parameter in WHOLE
        if not least <= value <= most or (whole and value != round(value)):
            yield f"{'a whole number' if whole else 'a number'} from {least:,g} to {most:,g}, found {value:g}"

    @property
    def numbers(self) -> tuple[float, ...]:
        """The values, each once."""
        if self.grid is None:
            values = list(self.values or ())
        else:
            spaced = np.linspace if self.grid.spacing == "linear" else np.geomspace
            values = spaced(self.grid.start, self.grid.stop, self.grid.num).tolist()
        return tuple(dict.fromkeys(round(value) if self.parameter in WHOLE else value for value in values))

    def place_of(self, number: float) -> KeyPath:
        """Where one of the numbers is given: in the list, or as the nearer end of the grid."""
        if self.grid is None:
            return "values", (self.values or ()).index(number)
        start, stop = (abs(number - end) for end in (self.grid.start, self.grid.stop))
        return "grid", "start" if start < stop else "stop"

    @property
    def logarithmic(self) -> bool:
        """Whether an axis of the values is logarithmic."""
        if self.grid is not None:
            return self.grid.spacing == "logarithmic"
        return self.values is not None and max(self.values) > WIDE * min(self.values) > 0

    def describe(self) -> str:
        """The values in words."""
        numbers = self.numbers
        few = [f"{number:g}" for number in (numbers if len(numbers) < 9 else (*numbers[:2], *numbers[-1:]))]
        if len(numbers) >= 9:
            few[2:2] = ["..."]
        return f"{SYMBOLS[self.parameter]} = {', '.join(few)}"


class SimulationConfig(Config):
    """Memories of random patterns and infinitely many neurons that are simulated beside the theory."""

    draws: int = Field(8, ge=2, le=10_000, description="Independent sets of patterns.")
    queries: int = Field(128, ge=1, le=100_000, description="Queries at each distance in each of them.")
    spacing: int = Field(2, ge=1, le=MOST_BITS, description="Bits between the distances of queries, from 0 to n/2.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of all draws.")

    def distances(self, bits: int) -> list[int]:
        """Distances of the queries."""
        return list(range(0, bits // 2 + 1, self.spacing))

    def misfits(self, bits: Sequence[float], patterns: Sequence[float]) -> Iterator[tuple[KeyPath, str]]:
        """Memories of some BITS and PATTERNS that cannot be simulated."""
        if self.spacing > min(bits) // 2:
            yield ("spacing",), f"at most half of the {min(bits):,.0f} bits, found {self.spacing:,}"
        if self.queries > min(patterns):
            yield ("queries",), f"at most the {min(patterns):,.0f} patterns, found {self.queries:,}"
        most = LARGEST_SIMULATION // (max(bits) + self.queries)
        if max(patterns) > most:
            yield (), f"at most {most:,.0f} patterns with {max(bits):,.0f} bits, found {max(patterns):,.0f}"

    def simulate(self, memory: Memory) -> "StepSimulation":
        """One update of a memory, from draws that do not depend on what else is simulated."""
        from mfattn.sdm.simulations import simulate_one_step

        n, d, m, _ = memory
        stream = np.random.SeedSequence(self.seed, spawn_key=(n, d, m))
        seed = int(stream.generate_state(1, np.uint64)[0])
        return simulate_one_step(n, d, m, self.distances(n), draws=self.draws, queries=self.queries, seed=seed)

    def seconds(self, bits: int, patterns: int) -> float:
        """Rough core-seconds of one memory."""
        return self.draws * len(self.distances(bits)) * self.queries * patterns * (2e-8 + 9e-10 * bits)


def parameter_mistakes(memory: MemoryConfig, lists: Mapping[str, ValuesConfig | None]) -> Iterator[tuple[KeyPath, str]]:
    """Numbers that are given nowhere, or twice, and balls that reach beyond the space."""
    found = {name: values for name, values in lists.items() if values is not None}
    wrong = [((name, *path), message) for name, values in found.items() for path, message in values.mistakes()]
    yield from wrong
    given: list[tuple[Parameter, KeyPath]] = [
        *((name, ("memory", name)) for name in given_numbers(memory)),
        *((values.parameter, (name, "parameter")) for name, values in found.items()),
    ]
    for alternatives in (("bits",), ("radius", "fraction"), ("patterns",), ("neurons",)):
        places = [(name, path) for name, path in given if name in alternatives]
        if not places:
            yield (
                ("memory",),
                f"{' or '.join(alternatives)} is needed here, or as the parameter of {' or '.join(lists)}",
            )
        for name, path in places[1:]:
            yield path, f"nothing that is given already, found {name} beside {'.'.join(map(str, places[0][1]))}"
    if wrong or len(given) != 4:
        return
    radii, bits = values_of("radius", memory, *found.values()), values_of("bits", memory, *found.values())
    if radii and bits and max(radii) > min(bits):
        yield _beyond(max(radii), min(bits), found)


def _beyond(radius: float, bits: float, lists: Mapping[str, ValuesConfig]) -> tuple[KeyPath, str]:
    """The mistake of a ball beyond the space, at what is listed of the two."""
    places = {values.parameter: (name, values) for name, values in lists.items()}
    if "radius" not in places and "bits" in places:
        name, values = places["bits"]
        return (name, *values.place_of(bits)), f"at least the radius ({radius:,.0f}), found {bits:,.0f}"
    path: KeyPath = ("memory", "radius")
    if "radius" in places:
        name, values = places["radius"]
        path = (name, *values.place_of(radius))
    return path, f"at most the {bits:,.0f} bits, found {radius:,.0f}"


def values_of(parameter: Parameter, memory: MemoryConfig, *lists: ValuesConfig) -> tuple[float, ...]:
    """All values of a parameter; none if it is not given."""
    for values in lists:
        if values.parameter == parameter:
            return values.numbers
    value = getattr(memory, parameter)
    return () if value is None else (value,)


def make_memory(memory: MemoryConfig, values: Mapping[Parameter, float]) -> Memory:
    """The memory that has some further VALUES."""
    numbers = {**given_numbers(memory), **values}
    bits = int(numbers["bits"])
    radius = int(numbers["radius"]) if "radius" in numbers else radius_for_fraction(bits, numbers["fraction"])
    return Memory(bits, radius, int(numbers["patterns"]), float(numbers["neurons"]))


def describe_memory(
    memory: MemoryConfig, lists: Mapping[str, ValuesConfig | None], simulation: SimulationConfig | None
) -> list[tuple[str, str]]:
    """Lines that tell a user what all memories have in common, and what is listed."""
    fixed = [f"{symbol} = {value:g}" for symbol, value in by_symbol(memory).items()]
    lines = [("memory", ", ".join(fixed) or "all its numbers are listed")]
    lines += [(name, values.describe()) for name, values in lists.items() if values is not None]
    return lines + ([("simulated", f"{simulation.draws:,} draws of the patterns")] if simulation is not None else [])


def given_numbers(memory: MemoryConfig) -> dict[Parameter, float]:
    """The numbers that all memories share, by name."""
    return {name: value for name in SYMBOLS if (value := getattr(memory, name)) is not None}


def by_symbol(memory: MemoryConfig) -> dict[str, float]:
    """The same by symbol."""
    return {SYMBOLS[name]: value for name, value in given_numbers(memory).items()}


def least_neurons(bits: int, probability: float) -> float:
    r"""Neurons with which the fraction of the space of best capacity is 1: r of :math:`2 r^2 = 3 z^2 r + z^2`."""
    square = bit_quantile(bits, probability) ** 2
    return 0.25 * (3.0 * square + math.sqrt(9.0 * square**2 + 8.0 * square))
