"""What is asked of the scheduler for a submission: how it is cut into jobs, their options, and their scripts."""

import math
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mfattn
from mfattn.pipeline import provenance
from mfattn.pipeline.config import SlurmConfig
from mfattn.pipeline.errors import RunError
from mfattn.pipeline.executors.slurm import scheduler
from mfattn.pipeline.executors.slurm.pilot import Pilot
from mfattn.pipeline.executors.slurm.submission import Submission
from mfattn.pipeline.experiment import array_bytes
from mfattn.pipeline.messages import clock, counted, gibibytes
from mfattn.pipeline.work import Missing, Work

FEWEST_ELEMENTS = 16
"""Elements where the user names no number and the blocks are few: some seconds of scheduling."""

JOB_SECONDS = 3600.0
"""What an element or a job of the chain should take at most, where the user names no number."""

CAREFUL_ARRAY = 1000
"""Elements of an array where the scheduler does not say how many it takes."""

SHORTEST_LIMIT = 600.0
"""Least time limit that is asked for, in seconds."""

LEAST_MEMORY = 2**30
"""Least memory that is asked for, in bytes."""


@dataclass(frozen=True)
class Order:
    """All that is asked of the scheduler for one submission of a run."""

    work: Work
    settings: SlurmConfig
    pilot: Pilot
    submission: Submission
    largest_array: int | None

    @classmethod
    def of(cls, work: Work, settings: SlurmConfig, pilot: Pilot, missing: Missing) -> "Order":
        """The order for what is MISSING, cut as the settings say or as the pilot advises."""
        largest = scheduler.largest_array()
        return cls(work, settings, pilot, _cut(work, missing, pilot, settings, largest), largest)

    @property
    def element_seconds(self) -> float:
        """What an element is expected to take."""
        rounds = math.ceil(len(self.submission.blocks) / self.submission.elements / self.settings.cpus)
        return self.pilot.compile_seconds + rounds * self.submission.block_seconds

    @property
    def chain_seconds(self) -> float:
        """What a job of the chain is expected to take."""
        links = math.ceil(len(self.submission.links) / max(self.submission.chain_jobs, 1))
        return self.pilot.compile_seconds + links * self.submission.link_seconds

    def describe(self) -> list[tuple[str, str]]:
        """Lines that tell a user what is asked for, and why."""
        cut, settings, pilot = self.submission, self.settings, self.pilot
        blocks = math.ceil(len(cut.blocks) / cut.elements)
        chain = f"{counted(cut.chain_jobs, 'job')} for {counted(len(cut.links), 'link')}, then " if cut.links else ""
        running = f", at most {settings.max_running} at once" if settings.max_running else ""
        limit = self.largest_array or "unknown"
        tried = f"pilot link {cut.link_seconds:.1f} s, block perhaps" if cut.links else "pilot block"
        total = cut.link_seconds * len(cut.links) + cut.block_seconds * len(cut.blocks)
        asks = f"asks {self._time(self.element_seconds)}, {self._memory(settings.cpus)}"
        estimate = (
            f"{tried} {cut.block_seconds:.1f} s -> {total:,.0f} core-s, {clock(self.element_seconds)} an element, "
            f"{pilot.compile_seconds:.0f} s of it for compiling, {gibibytes(pilot.memory)}   ({asks})"
        )
        plan = f"{chain}{counted(cut.elements, 'element')} x {counted(blocks, 'block')}{running}"
        return [("plan", f"{plan}   cluster MaxArraySize {limit}"), ("estimate", estimate), *self._notes()]

    def _notes(self) -> list[tuple[str, str]]:
        cut, settings = self.submission, self.settings
        notes = []
        if settings.elements and self.largest_array and self.largest_array < min(settings.elements, len(cut.blocks)):
            few = f"{counted(cut.elements, 'element')}, each with more blocks, in place of {settings.elements:,}"
            notes.append(("note", f"{few}: the cluster's arrays hold no more"))
        limit = self._limit
        if limit is not None and limit < max(self.element_seconds, self.chain_seconds if cut.links else 0.0):
            again = f"it saves and goes back into the queue, up to {counted(cut.requeues, 'time')}"
            notes.append(("note", f"a job is expected to take longer than {settings.time}: {again}"))
        return notes

    def chain_options(self, after: str | None) -> list[str]:
        """Options of a job of the chain, which starts when the one AFTER which it comes has ended well."""
        needs = self._needs(self.chain_seconds, self.submission.link_seconds, cpus=1)
        return [*self._common("chain", "%j"), *needs, *_if_well(after)]

    def array_options(self, after: str | None) -> list[str]:
        """Options of the array, which starts when the last job of the chain has ended well."""
        throttle = f"%{self.settings.max_running}" if self.settings.max_running else ""
        array = f"--array=0-{self.submission.elements - 1}{throttle}"
        needs = self._needs(self.element_seconds, self.submission.block_seconds, self.settings.cpus)
        return [array, *self._common("element", "%A_%a"), *needs, *_if_well(after)]

    def collector_options(self, after: Sequence[str]) -> list[str]:
        """Options of the collector, which starts when all other jobs are over, whatever became of them."""
        size = array_bytes(self.work.experiment.layout(range(self.work.plan.points)))
        time = f"--time={scheduler.format_time(self._collector_seconds)}"
        memory = f"--mem={_mebibytes(3 * size + LEAST_MEMORY)}"
        return [*self._common("collect", "%j"), time, memory, f"--dependency=afterany:{':'.join(after)}"]

    def _common(self, kind: str, log: str) -> list[str]:
        """Name, folder and log of a job, and whom it is charged to."""
        settings = self.settings
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{self.work.name}-{kind}")
        # The scheduler fills in what follows a percent sign, also one in the folder's own name.
        logs = str(self.work.folder.logs.resolve()).replace("%", "%%")
        options = [
            f"--job-name={name}",
            f"--chdir={self.work.folder.path.resolve()}",
            f"--output={logs}/{kind}-{log}.log",
        ]
        options += [f"--partition={settings.partition}"] if settings.partition else []
        return options + ([f"--account={settings.account}"] if settings.account else [])

    def _needs(self, seconds: float, slowest: float, cpus: int) -> list[str]:
        time = self._time(seconds)
        lead = self.settings.lead or max(120, round(2 * slowest + 60))
        limit = scheduler.parse_time(time)
        if self.settings.lead is None and limit:
            # A warning that comes at once would stop a short job before its first block.
            lead = min(lead, int(limit / 2))
        return [f"--time={time}", f"--mem={self._memory(cpus)}", f"--cpus-per-task={cpus}", f"--signal=B:USR1@{lead}"]

    @property
    def _collector_seconds(self) -> float:
        """Time of the collector: it may wait for late blocks, but not beyond the limit that the settings name."""
        return min(self.settings.patience + SHORTEST_LIMIT, self._limit or math.inf)

    @property
    def _limit(self) -> float | None:
        """Seconds of the time limit that the settings name; for the scheduler 0 is none."""
        return scheduler.parse_time(self.settings.time or "") or None

    def _time(self, seconds: float) -> str:
        return self.settings.time or scheduler.format_time(max(2 * seconds, SHORTEST_LIMIT))

    def _memory(self, cpus: int) -> str:
        return self.settings.memory or _mebibytes(max(1.5 * self.pilot.memory * cpus, LEAST_MEMORY))

    def script(self, name: str, folder: Path) -> str:
        """The template NAME, filled in for the submission kept in FOLDER."""
        words = {
            "OPTIONS": "\n".join(f"#SBATCH {option}" for option in self.settings.options),
            "SETUP": "\n".join(self.settings.setup),
            "SCRATCH": self.settings.scratch,
            "PYTHON": shlex.quote(sys.executable),
            "PACKAGE": shlex.quote(str(Path(mfattn.__file__).resolve().parents[1])),
            "COMMANDS": shlex.quote(str(Path(shutil.which("sbatch") or "/usr/bin/sbatch").parent)),
            "RUN": shlex.quote(str(self.work.folder.path.resolve())),
            "PATIENCE": str(min(self.settings.patience, int(self._collector_seconds / 4))),
            "SUBMISSION": shlex.quote(folder.name),
        }
        return re.sub(r"@([A-Z]+)@", lambda found: words.get(found[1], found[0]), _template(name))


def _cut(work: Work, missing: Missing, pilot: Pilot, settings: SlurmConfig, largest: int | None) -> Submission:
    """How the missing links and blocks are cut into jobs."""
    wanted = settings.elements or _jobs(pilot.block_seconds * len(missing.blocks) / settings.cpus, FEWEST_ELEMENTS)
    chain_jobs = settings.chain_jobs or _jobs(pilot.link_seconds * len(missing.links), 1)
    return Submission(
        links=tuple(missing.links),
        blocks=tuple(missing.blocks),
        chain_jobs=min(chain_jobs, len(missing.links)),
        # A cluster's limit caps an array's largest index; more blocks an element make up for it.
        elements=max(1, min(wanted, math.ceil(len(missing.blocks) / settings.cpus), largest or CAREFUL_ARRAY)),
        link_seconds=pilot.link_seconds,
        block_seconds=pilot.block_seconds,
        requeues=settings.requeues,
        program=work.program,
        created=provenance.now(),
    )


def _jobs(seconds: float, fewest: int) -> int:
    return max(fewest, math.ceil(seconds / JOB_SECONDS))


def _mebibytes(size: float) -> str:
    return f"{math.ceil(size / 2**20)}M"


def _if_well(after: str | None) -> list[str]:
    """A dependency that ends a job when it cannot be met, for it would wait for ever."""
    return [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"] if after else []


def _template(name: str) -> str:
    """A batch template: in a checkout the one in `slurm/`, else the one that was installed with the package."""
    package = Path(mfattn.__file__).resolve().parent
    for folder in (package / "slurm_templates", package.parents[1] / "slurm"):
        path = folder / f"{name}.sbatch"
        if path.exists():
            return path.read_text()
    raise RunError(f"{name}.sbatch: not found beside the package; install mfattn again")
