"""What was given to the scheduler at once: recorded in the run's folder, read by its jobs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mfattn.pipeline.errors import InputError
from mfattn.pipeline.folder import RunFolder
from mfattn.pipeline.plan import consecutive, strided
from mfattn.pipeline.store import make_folder, write_file


@dataclass(frozen=True)
class Submission:
    """Links and blocks, and into how many jobs they were cut.

    Parameters
    ----------
    links, blocks : sequence of int
        What is to be computed.
    chain_jobs, elements : int
        Jobs that walk the links one after the other, and elements of the array that share the blocks.
    link_seconds, block_seconds : float
        What one takes, by the pilot.
    requeues : int
        Times that a job puts itself back into the queue.
    program : dict
        Versions and git state at submission: the checkout can change while jobs wait.
    created : str
        Time of submission.
    """

    links: Sequence[int]
    blocks: Sequence[int]
    chain_jobs: int
    elements: int
    link_seconds: float
    block_seconds: float
    requeues: int
    program: dict[str, Any]
    created: str

    def blocks_of(self, element: int) -> Sequence[int]:
        """Blocks of one element."""
        return strided(self.blocks, self.elements, element)

    def links_of(self, job: int) -> Sequence[int]:
        """Links of one job of the chain."""
        return consecutive(self.links, self.chain_jobs, job)

    def save(self, folder: RunFolder) -> Path:
        """Keep it under the next free number; returns its own folder."""
        make_folder(folder.submissions)
        number = 1
        while True:
            path = folder.submissions / f"{number:04d}"
            try:
                path.mkdir()
                break
            except FileExistsError:
                number += 1
        write_file(path / "submission.json", (json.dumps(asdict(self), indent=1) + "\n").encode())
        return path

    @classmethod
    def load(cls, path: Path) -> "Submission":
        """The submission kept in a folder.

        Raises
        ------
        InputError
            If there is none.
        """
        try:
            return cls(**json.loads((path / "submission.json").read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not a submission ({error})") from None


@dataclass(frozen=True)
class Submitted:
    """Ids of the jobs of one submission, each None where it has none or was not taken."""

    chain: Sequence[str] = ()
    array: str | None = None
    collector: str | None = None

    @property
    def all(self) -> list[str]:
        """All ids."""
        return [*self.chain, *filter(None, (self.array, self.collector))]

    def save(self, path: Path) -> None:
        """Keep them beside the submission."""
        write_file(path / "jobs.json", (json.dumps(asdict(self)) + "\n").encode())


def submitted_jobs(folder: RunFolder) -> Iterator[Submitted]:
    """The jobs of every submission of a run, oldest first; a record that cannot be read counts as none."""
    for path in sorted(folder.submissions.glob("*/jobs.json")):
        try:
            yield Submitted(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue
