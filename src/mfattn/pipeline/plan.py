"""Which run a config describes, and the blocks in which its grid is computed."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NUMERICS_VERSION = 2
"""Raised by whoever changes the numbers that a config gives; a golden test says when."""

SCHEMA_VERSION = 2
"""Raised by whoever changes the names, shapes or meaning of a result's arrays."""


def run_hash(identity: dict[str, Any]) -> str:
    """Hash of everything that changes a run's numbers: its identity and the versions of numerics and schema."""
    content = {"identity": identity, "numerics": NUMERICS_VERSION, "schema": SCHEMA_VERSION}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """A run cut into blocks: every grid point stands in exactly one.

    Parameters
    ----------
    run : str
        The full hash of the run.
    points : int
        Grid points.
    block_size : int
        Points of each block but perhaps the last.
    """

    run: str
    points: int
    block_size: int

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return math.ceil(self.points / self.block_size)

    def points_of(self, block: int) -> range:
        """Grid points of BLOCK."""
        start = block * self.block_size
        return range(start, min(start + self.block_size, self.points))

    def ranges(self) -> Iterator[range]:
        """Grid points of every block, in order."""
        return (self.points_of(block) for block in range(self.blocks))

    def to_json(self) -> str:
        """Text of `plan.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan that TEXT holds; ValueError or TypeError where it holds none."""
        plan = cls(**json.loads(text))
        sizes = (plan.points, plan.block_size)
        if not isinstance(plan.run, str) or not all(isinstance(n, int) and n > 0 for n in sizes):
            raise ValueError("a run and two sizes above 0 are needed")
        return plan


def strided(items: Sequence[int], shares: int, share: int) -> Sequence[int]:
    """Every so many of ITEMS: slow regions spread over all shares, and any few shares cover the whole axis."""
    return items[share::shares]


def consecutive(items: Sequence[int], shares: int, share: int) -> Sequence[int]:
    """One of so many consecutive pieces of ITEMS, of nearly the same length."""
    return items[share * len(items) // shares : (share + 1) * len(items) // shares]
