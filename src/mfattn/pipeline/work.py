"""What there is to compute of a run: its links, its blocks, and which of them are missing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mfattn.pipeline import provenance
from mfattn.pipeline.errors import RunError
from mfattn.pipeline.experiment import Advance, Arrays, Experiment
from mfattn.pipeline.folder import Part, RunFolder
from mfattn.pipeline.messages import say
from mfattn.pipeline.plan import Plan
from mfattn.pipeline.store import InvalidFile, MissingFile, set_aside


@dataclass(frozen=True)
class Work:
    """What a process needs to compute any part of a run.

    Parameters
    ----------
    name : str
        The run's name.
    experiment : Experiment
    plan : Plan
    folder : RunFolder
    program : dict
        Versions and git state to be recorded, as they were when the work was given out.
    """

    name: str
    experiment: Experiment
    plan: Plan
    folder: RunFolder
    program: dict[str, Any]

    @property
    def links(self) -> int:
        """Links that must be walked before any block."""
        return self.experiment.chain.links if self.experiment.chain else 0

    @property
    def chain_steps(self) -> int:
        """Steps of the chain."""
        return self.experiment.chain.steps if self.experiment.chain else 0

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.chain_steps + self.plan.points * self.experiment.steps_per_point

    def block(self, block: int) -> Part:
        """A block on disk."""
        return self.folder.block(self.plan, block, self.experiment.layout(self.plan.points_of(block)))

    def link(self, link: int) -> Part:
        """A link on disk."""
        chain = self.experiment.chain
        assert chain is not None
        return self.folder.link(self.plan, link, chain.stages(link), chain.layout(link))

    def read_link(self, link: int) -> Arrays:
        """The arrays of a link, or RunError where it is missing."""
        try:
            return self.link(link).read()[0]
        except InvalidFile as error:
            path = self.folder.link_path(link)
            raise RunError(f"{path}: {error}; its chain must be walked first: run or submit again") from None

    def after_chain(self) -> "Work":
        """The work whose blocks can be computed, because the whole chain has been walked; RunError where it is not."""
        chain = self.experiment.chain
        if chain is None:
            return self
        return replace(self, experiment=chain.experiment_from([self.read_link(link) for link in range(chain.links)]))


@dataclass(frozen=True)
class Missing:
    """Links and blocks that are not on disk, or not valid; the latter's files among BAD."""

    links: list[int]
    blocks: list[int]
    bad: list[Part]

    def __bool__(self) -> bool:
        return bool(self.links or self.blocks)


@dataclass(frozen=True)
class Done:
    """A block or link that is computed and on disk."""

    number: int
    seconds: float


def compute_block(work: Work, block: int, advance: Advance) -> Done:
    """Compute one block and write it."""
    points = work.plan.points_of(block)
    return _compute(work, block, work.block(block), lambda: work.experiment.compute(points, advance))


def walk_link(work: Work, link: int, advance: Advance) -> Done:
    """Walk one link, on from the one before it, and write it.

    Raises
    ------
    RunError
        If the link before it is not there.
    """
    chain = work.experiment.chain
    assert chain is not None
    before = work.read_link(link - 1) if link else None
    return _compute(work, link, work.link(link), lambda: chain.walk(link, before, advance))


def _compute(work: Work, number: int, part: Part, compute: Callable[[], Arrays]) -> Done:
    started, clock = provenance.now(), time.perf_counter()
    arrays = compute()
    seconds = round(time.perf_counter() - clock, 3)
    part.write(arrays, {"started": started, "seconds": seconds, **provenance.machine(), "program": work.program})
    return Done(number, seconds)


def missing_parts(work: Work) -> Missing:
    """What of the run is not on disk, or not valid."""
    return missing_among(work, range(work.links), range(work.plan.blocks))


def missing_among(work: Work, links: Sequence[int], blocks: Sequence[int]) -> Missing:
    """What of these LINKS and BLOCKS is not on disk, or not valid."""
    missing = Missing([], [], [])
    for found, numbers, part_of in ((missing.links, links, work.link), (missing.blocks, blocks, work.block)):
        for number in numbers:
            part = part_of(number)
            try:
                part.check()
            except InvalidFile as error:
                found.append(number)
                if not isinstance(error, MissingFile):
                    missing.bad.append(part)
    return missing


def set_bad_aside(missing: Missing) -> None:
    """Rename the files that are not valid, and name them."""
    for part in missing.bad:
        try:
            # Another process may have mended it since.
            part.check()
        except MissingFile:
            continue
        except InvalidFile as error:
            say("bad", f"{part.path}: {error}; renamed to {set_aside(part.path, '.bad').name} and computed again")
