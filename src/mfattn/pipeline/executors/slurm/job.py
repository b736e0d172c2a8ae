"""What runs inside a job: an element of the array, or a job of the chain; in time, and again if need be."""

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mfattn.pipeline.errors import InputError, RunError, Stopped
from mfattn.pipeline.executors.local import available_cores, compute_blocks, say_finished, stepping_checked
from mfattn.pipeline.executors.slurm import scheduler
from mfattn.pipeline.executors.slurm.submission import Submission
from mfattn.pipeline.messages import clock, compact, counted, say
from mfattn.pipeline.runs import Run
from mfattn.pipeline.stop import StopFlag, stop_on_scheduler_signals
from mfattn.pipeline.work import Done, Work, missing_among, set_bad_aside, walk_link

SAFETY = 1.5
"""Times the slowest block so far that must be left for another one."""

MARGIN_SECONDS = 5.0
"""Time beyond it, for writing and for putting the job back into the queue."""


def run_element(run: Run, path: Path, element: int) -> None:
    """Compute the blocks of an ELEMENT of the submission at PATH that are still missing.

    Raises
    ------
    Stopped
        If some are left; the job is then back in the queue, unless that has happened too often.
    RunError
        If a block cannot be written, or not even one fits into the job's time.
    """
    submission = Submission.load(path)
    _check_index(element, submission.elements)
    if not all(0 <= block < run.plan.blocks for block in submission.blocks):
        raise InputError(f"{path}: not a submission of this run: it names blocks that the run does not have")
    work = run.work(submission.program).after_chain()
    missing = missing_among(work, [], submission.blocks_of(element))
    set_bad_aside(missing)
    attempt = Attempt(work, "block", missing.blocks, submission.block_seconds, submission.requeues)
    attempt.announce(f"{element} of {submission.elements}")
    with stop_on_scheduler_signals() as stop:
        try:
            for done in compute_blocks(
                work, attempt.admitted(stop), min(available_cores(), len(missing.blocks)), stop, _uncounted
            ):
                attempt.finish(done)
        except Stopped as stopped:
            attempt.reason = str(stopped)
        attempt.conclude()


def run_chain(run: Run, path: Path, job: int) -> None:
    """Walk the links of a JOB of the chain of the submission at PATH; raises as `run_element` does."""
    submission = Submission.load(path)
    _check_index(job, submission.chain_jobs)
    work = run.work(submission.program)
    missing = missing_among(work, submission.links_of(job), [])
    set_bad_aside(missing)
    attempt = Attempt(work, "link", missing.links, submission.link_seconds, submission.requeues)
    attempt.announce(f"{job} of {submission.chain_jobs}")
    with stop_on_scheduler_signals() as stop:
        try:
            for link in attempt.admitted(stop):
                attempt.finish(walk_link(work, link, stepping_checked(stop, _uncounted)))
        except Stopped as stopped:
            attempt.reason = str(stopped)
        attempt.conclude()


def _uncounted(steps: int) -> None:
    """A log gets one line a block, and nothing between."""


def _check_index(index: int, number: int) -> None:
    if not 0 <= index < number:
        raise InputError(f"--index: a whole number from 0 to {number - 1}, found {index}")


class Attempt:
    """One attempt of a job at its blocks or links, within its time.

    Parameters
    ----------
    work : Work
    kind : str
        'block' or 'link'.
    numbers : sequence of int
        Those that it is to compute.
    seconds : float
        What one of them takes, by the pilot.
    requeues : int
        Times that the job may put itself back into the queue.
    """

    def __init__(self, work: Work, kind: str, numbers: Sequence[int], seconds: float, requeues: int) -> None:
        self.reason = ""
        self._refused = False
        self._work, self._kind, self._numbers, self._requeues = work, kind, numbers, requeues
        self._expected = seconds
        self._finished: list[Done] = []
        self._job = scheduler.Job.current()
        self._seconds = scheduler.seconds_left(self._job.id) if self._job else None
        self._start = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the job's limit."""
        return float("inf") if self._seconds is None else self._seconds - (time.monotonic() - self._start)

    @property
    def slowest(self) -> float:
        """What another one takes at most, by the pilot and by those finished; the first may have compiled kernels."""
        later = self._finished[1:] or self._finished
        return max([self._expected, *(done.seconds for done in later)])

    def announce(self, share: str) -> None:
        """One line for the log: where, which attempt, what is to be done, and in what time."""
        job = f"job {self._job.id}, attempt {self._job.restarts + 1}" if self._job else "no job"
        limit = "no limit" if self._seconds is None else f"{clock(self._seconds)} left"
        todo = f"{counted(len(self._numbers), self._kind)} to compute: {compact(self._numbers) or 'none'}"
        say("share", f"{share} on {socket.gethostname()}, {job}, {limit}; {todo}")

    def admitted(self, stop: StopFlag) -> Iterator[int]:
        """The numbers, as long as there is time for another one and no warning has come."""
        for number in self._numbers:
            if stop.warned:
                self.reason = "warned that the time is nearly over"
                return
            if self.left < SAFETY * self.slowest + MARGIN_SECONDS:
                self._refused = True
                self.reason = f"{clock(self.left)} left, and a {self._kind} takes up to {self.slowest:.1f} s"
                return
            yield number

    def finish(self, done: Done) -> None:
        """Note that a number is done."""
        self._finished.append(done)
        say_finished(self._work, self._kind, done, f"{len(self._finished)}/{len(self._numbers)}")

    def conclude(self) -> None:
        """End well, or put the job back into the queue for what is left."""
        left = len(self._numbers) - len(self._finished)
        if not left:
            return
        what = f"{self.reason}; {counted(left, self._kind)} left"
        if self._job is None:
            raise Stopped(what)
        if scheduler.was_cancelled(self._job.id):
            raise Stopped(f"{what}; the job was cancelled")
        if self._refused and not self._finished and not self._job.restarts:
            raise RunError(f"{what}: ask for more --time, or for a smaller --block-size")
        if self._job.restarts >= self._requeues:
            raise Stopped(f"{what}; put back into the queue {counted(self._requeues, 'time')} already, not again")
        if not scheduler.requeue(self._job.id):
            raise Stopped(f"{what}; the scheduler did not take the job back")
        raise Stopped(f"{what}; the job is back in the queue")
