"""What was given to the scheduler at once: recorded in the run's folder, read by its jobs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.folder import RunFolder
from mfattn.pipeline.plan import consecutive, strided
from mfattn.pipeline.store import make_folder, write_file


class Submission(Config):
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

    links: Tuple[int]
    blocks: Tuple[int]
    chain_jobs: int = Field(ge=0)
    elements: int = Field(ge=1)
    link_seconds: float = Field(ge=0)
    block_seconds: float = Field(ge=0)
    requeues: int = Field(ge=0)
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
        write_file(path / "submission.json", (self.model_dump_json(indent=1) + "\n").encode())
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
            return cls.model_validate_json((path / "submission.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(f"{path}: not a submission ({' '.join(str(error).split())})") from None


class Submitted(Config):
    """Ids of the jobs of one submission, each None where it has none or was not taken."""

    chain: Tuple[str] = ()
    array: str | None = None
    collector: str | None = None

    @property
    def all(self) -> list[str]:
        """All ids."""
        return [*self.chain, *filter(None, (self.array, self.collector))]

    def save(self, path: Path) -> None:
        """Keep them beside the submission."""
        write_file(path / "jobs.json", (self.model_dump_json() + "\n").encode())


def submitted_jobs(folder: RunFolder) -> Iterator[Submitted]:
    """The jobs of every submission of a run, oldest first; a record that cannot be read counts as none."""
    for path in sorted(folder.submissions.glob("*/jobs.json")):
        try:
            yield Submitted.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
