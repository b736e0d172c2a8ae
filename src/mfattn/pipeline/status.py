"""How a run stands: what is on disk and, as a hint, what the scheduler still has of it."""

import shlex
import time
from collections import Counter

from mfattn.pipeline.collect import read_result, what_is_missing
from mfattn.pipeline.errors import Incomplete
from mfattn.pipeline.executors.slurm import scheduler
from mfattn.pipeline.executors.slurm.submission import submitted_jobs
from mfattn.pipeline.messages import compact, say
from mfattn.pipeline.runs import Run
from mfattn.pipeline.store import InvalidFile
from mfattn.pipeline.work import Missing, Work, missing_parts, set_bad_aside


def show_status(run: Run) -> None:
    """Say how many blocks are done, bad and missing, and what of the run's jobs is in the queue.

    Raises
    ------
    Incomplete
        If anything is missing; the message names it.
    """
    _show(run)


def watch_status(run: Run, seconds: float) -> None:
    """Show the status every so many SECONDS, until the run is complete or nothing of it is in the queue any more.

    Raises
    ------
    Incomplete
        If anything is missing at the end.
    """
    while True:
        try:
            _show(run)
            return
        except Incomplete:
            if _states(run) == {} and any(submitted_jobs(run.folder)):
                raise
        say("watch", f"again in {seconds:g} s; Ctrl-C ends the watching, not the run")
        time.sleep(seconds)


def _show(run: Run) -> None:
    work = run.work({})
    if _is_collected(run):
        say("result", f"complete: {run.folder.result}")
        return
    missing = missing_parts(work)
    set_bad_aside(missing)
    for word, text in _counts(work, missing):
        say(word, text)
    states = _states(run)
    for line in _queue(run, states):
        say("queue", line)
    if missing:
        raise Incomplete(what_is_missing(run, missing))
    say("next", f"mfattn collect {shlex.quote(str(run.folder.path))}")


def _is_collected(run: Run) -> bool:
    try:
        read_result(run)
        return True
    except InvalidFile:
        return False


def _counts(work: Work, missing: Missing) -> list[tuple[str, str]]:
    plan = work.plan
    lines = []
    if work.links:
        lines.append(("links", f"{work.links - len(missing.links):,}/{work.links:,} done"))
    bad = f", {len(missing.bad)} bad (renamed)" if missing.bad else ""
    done = plan.blocks - len(missing.blocks)
    points = plan.points - sum(len(plan.points_of(block)) for block in missing.blocks)
    lines.append(
        (
            "blocks",
            f"{done:,}/{plan.blocks:,} done{bad}, {len(missing.blocks):,} missing   points {points:,}/{plan.points:,}",
        )
    )
    if missing.blocks:
        lines.append(("missing", compact(missing.blocks)))
    return lines


def _states(run: Run) -> dict[str, Counter[str]] | None:
    return scheduler.job_states(job for jobs in submitted_jobs(run.folder) for job in jobs.all)


def _queue(run: Run, states: dict[str, Counter[str]] | None) -> list[str]:
    """A line for each job of the run that the scheduler knows."""
    submissions = list(submitted_jobs(run.folder))
    if not submissions:
        return []
    if states is None:
        return ["scheduler: unknown (no answer from squeue)"]
    lines = []
    for jobs in submissions:
        for kind, job in [
            *(("chain", job) for job in jobs.chain),
            ("array", jobs.array),
            ("collector", jobs.collector),
        ]:
            if job in states:
                counts = ", ".join(f"{count:,} {state}" for state, count in sorted(states[job].items()))
                lines.append(f"{kind} {job}: {counts}")
    return lines or ["nothing of this run is waiting or running"]
