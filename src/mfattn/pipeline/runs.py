"""Runs: from a config or a folder to what is computed, where it is kept, and how it stands."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mfattn.pipeline import provenance
from mfattn.pipeline.config import Config
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import Experiment
from mfattn.pipeline.folder import RunFolder
from mfattn.pipeline.messages import say
from mfattn.pipeline.plan import Plan, run_hash
from mfattn.pipeline.store import InvalidFile, check_writable, set_aside, write_file
from mfattn.pipeline.work import Work

HASH_LENGTH = 10
"""Digits of the run's hash in the name of its folder."""


class RunRecord(Config):
    """What a run's folder tells of it: its name, and the way from it to the folder of its figures."""

    name: str = Field(pattern=r"^[^/\x00]+$")
    figures: str = Field(pattern=r"^[^\x00]+$")


@dataclass(frozen=True)
class Places:
    """Where the command line puts run folders and figures.

    Parameters
    ----------
    out : Path, optional
        Folder of the run folders, with the figures below it; without it, `results/` and `figures/`.
    """

    out: Path | None = None

    @property
    def results(self) -> Path:
        """Folder of the run folders."""
        return self.out or Path("results")

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.out / "figures" if self.out else Path("figures")


@dataclass(frozen=True)
class Run:
    """A run: what it computes, and where it is kept.

    Parameters
    ----------
    name : str
        The stem of its config's file name, and of its figure.
    experiment : Experiment
    plan : Plan
    folder : RunFolder
    figures : Path
        Folder of its figure.
    """

    name: str
    experiment: Experiment
    plan: Plan
    folder: RunFolder
    figures: Path

    def work(self, program: dict[str, Any] | None = None) -> Work:
        """What there is to compute, by a PROGRAM: without one, the present."""
        return Work(
            self.name, self.experiment, self.plan, self.folder, provenance.program() if program is None else program
        )

    def check_writable(self) -> None:
        """Raise InputError where results or figures cannot be written."""
        check_writable(self.folder.path.parent)
        check_writable(self.figures)

    def open(self) -> "Run":
        """Make the folder, with the plan, the config and the run's name; a plan that is there already is kept."""
        try:
            str(self.folder.path.resolve() / self.figures).encode()
        except UnicodeEncodeError:
            raise InputError(f"{str(self.folder.path)!r}: a name that is not UTF-8; choose another") from None
        plan = self.folder.open(self.plan)
        config = self.experiment.config.model_dump(mode="json", by_alias=True)
        about = RunRecord(name=self.name, figures=os.path.relpath(self.figures, self.folder.path))
        for path, content in ((self.folder.config, config), (self.folder.about, about.model_dump())):
            text = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
            if not path.exists() or path.read_bytes() != text:
                write_file(path, text)
        return replace(self, plan=plan)

    def with_kept_plan(self) -> "Run":
        """The run with the plan with which it was begun, if it was."""
        try:
            return replace(self, plan=self.folder.kept_plan(self.plan) or self.plan)
        except InvalidFile:
            return self

    def set_bad_plan_aside(self) -> None:
        """Rename a plan that is not this run's."""
        try:
            self.folder.kept_plan(self.plan)
        except InvalidFile as error:
            path = self.folder.plan_path
            say("bad", f"{path}: {error}; renamed to {set_aside(path, '.bad').name}")


def new_run(experiment: Experiment, name: str, places: Places, block_size: int | None = None) -> Run:
    """The run NAME of EXPERIMENT, begun or not."""
    plan = Plan(run_hash(experiment.identity()), experiment.points, block_size or experiment.block_size)
    folder = RunFolder(places.results / f"{name}-{plan.run[:HASH_LENGTH]}")
    return Run(name, experiment, plan, folder, places.figures).with_kept_plan()


def open_run(path: Path, load: Callable[[Path], Experiment]) -> Run:
    """The run whose folder is PATH; LOAD makes the experiment of a config.

    Raises
    ------
    InputError
        If PATH is not the folder of a run, or one that this version of the program would not make from its config.
    """
    folder = RunFolder(path)
    try:
        about = RunRecord.model_validate_json(folder.about.read_bytes())
    except (OSError, ValidationError):
        raise InputError(f"{path}: not the folder of a run: it has no run.json that tells its name") from None
    experiment = load(folder.config)
    plan = Plan(run_hash(experiment.identity()), experiment.points, experiment.block_size)
    try:
        kept = folder.kept_plan(plan)
    except InvalidFile as error:
        reason = "another version of the program made it, --set makes another run, or its config.json was edited"
        raise InputError(f"{folder.plan_path}: {error}; {reason}: run its config again") from None
    if kept is None:
        raise InputError(f"{folder.plan_path}: missing; run its config again")
    return Run(about.name, experiment, kept, folder, Path(os.path.normpath(path / about.figures)))


def find_runs(results: Path) -> list[Path]:
    """Folders of runs in a folder, by name."""
    return sorted(path.parent for path in results.glob("*/run.json"))
