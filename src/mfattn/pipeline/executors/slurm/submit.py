"""The executor that gives a run to SLURM: a chain of jobs, an array of elements, and a collector after them."""

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mfattn.pipeline.config import SlurmConfig
from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.executors.slurm import scheduler
from mfattn.pipeline.executors.slurm.order import Order
from mfattn.pipeline.executors.slurm.pilot import fly_pilot
from mfattn.pipeline.executors.slurm.submission import Submitted, submitted_jobs
from mfattn.pipeline.messages import say
from mfattn.pipeline.store import make_folder, write_file
from mfattn.pipeline.work import Missing, Work


@dataclass(frozen=True)
class SlurmExecutor:
    """A SLURM cluster, reached by its commands.

    Parameters
    ----------
    settings : SlurmConfig
        What is asked of the cluster.
    only_missing : bool
        Submit what is missing even while jobs of an earlier submission are waiting or running.
    """

    settings: SlurmConfig
    only_missing: bool = False

    def check(self, work: Work) -> None:
        """Raise InputError where there is no SLURM, no log can be kept, or jobs submitted before are in the queue."""
        if shutil.which("sbatch") is None:
            raise InputError("sbatch: not found: submit where SLURM's commands are, or use mfattn run")
        if "\\" in str(work.folder.path.resolve()):
            raise InputError(
                f"{work.folder.path}: a backslash in its name, where SLURM writes no log; choose --out DIR"
            )
        if self.only_missing:
            return
        waiting = scheduler.job_states(job for jobs in submitted_jobs(work.folder) for job in jobs.all) or {}
        if waiting:
            jobs = " ".join(waiting)
            raise InputError(
                f"{work.folder.path}: submitted before, and still in the queue as {jobs}: wait, or scancel {jobs}; "
                "with --only-missing, what is missing is submitted all the same"
            )

    def rehearse(self, work: Work, missing: Missing) -> None:
        """Fly the pilot, say what would be submitted, and submit nothing."""
        if missing:
            order = self._order(work, missing)
            chain = [f"<chain {job}>" for job in range(order.submission.chain_jobs)]
            requests = [order.chain_options(after) for after in [None, *chain][: len(chain)]]
            requests.append(order.array_options(chain[-1] if chain else None))
            requests.append(order.collector_options([*chain, "<array>"]))
            for options in requests:
                say("would run", f"sbatch --parsable {shlex.join(options)}")
        if shutil.which("sbatch") is None:
            say("note", "sbatch is not found here: submit where SLURM's commands are")
        say("dry run", "nothing submitted, nothing written")

    def execute(self, work: Work, missing: Missing) -> bool:
        """Submit; the work is then on its way, and not done.

        Raises
        ------
        RunError
            If the scheduler does not take a job.
        """
        order = self._order(work, missing)
        folder = order.submission.save(work.folder).resolve()
        make_folder(work.folder.logs)
        for name in ("chain", "element", "collect"):
            write_file(folder / f"{name}.sbatch", order.script(name, folder).encode("utf-8", "surrogateescape"))
        submitted = Submitted()
        try:
            for submitted in _submissions(order, folder):
                submitted.save(folder)
        except RunError as error:
            taken = f"submitted before: {' '.join(submitted.all)}" if submitted.all else "nothing submitted"
            raise RunError(f"{error} ({taken})") from None
        chain = f"chain {' '.join(submitted.chain)}, " if submitted.chain else ""
        say("submitted", f"{chain}array {submitted.array}, collector {submitted.collector}")
        say("next", f"mfattn status {shlex.quote(str(work.folder.path))}")
        return False

    def _order(self, work: Work, missing: Missing) -> Order:
        order = Order.of(work, self.settings, fly_pilot(work, missing), missing)
        for word, text in order.describe():
            say(word, text)
        return order


def _submissions(order: Order, folder: Path) -> Iterator[Submitted]:
    """Submit job after job; yields the ids so far."""
    submitted = Submitted()
    for number in range(order.submission.chain_jobs):
        after = submitted.chain[-1] if submitted.chain else None
        job = scheduler.submit([*order.chain_options(after), str(folder / "chain.sbatch"), str(number)])
        submitted = Submitted(chain=(*submitted.chain, job))
        yield submitted
    after = submitted.chain[-1] if submitted.chain else None
    array = scheduler.submit([*order.array_options(after), str(folder / "element.sbatch")])
    submitted = Submitted(chain=submitted.chain, array=array)
    yield submitted
    collector = scheduler.submit([*order.collector_options(submitted.all), str(folder / "collect.sbatch")])
    yield Submitted(chain=submitted.chain, array=array, collector=collector)
