"""Talking to the scheduler. What it says is a hint: it may be absent, slow, or know nothing of finished jobs."""

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mfattn.pipeline.errors import RunError

ANSWER_SECONDS = 20.0
"""Time after which a query counts as unanswered."""

ATTEMPTS = 5
"""Times that a submission is tried where the controller is only busy."""

_BUSY = re.compile(r"timed out|temporarily unavailable|unable to contact|communication|try again|too fast", re.I)


def submit(arguments: Sequence[str]) -> str:
    """Call `sbatch` with options, script and the script's ARGUMENTS; returns the job's id.

    Raises
    ------
    RunError
        With the scheduler's own words, if it does not take the job.
    """
    command = ["sbatch", "--parsable", *arguments]
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2**attempt)
        try:
            answer = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120
            )
        except FileNotFoundError:
            raise RunError("sbatch: not found: submit where SLURM's commands are, or use mfattn run") from None
        except subprocess.TimeoutExpired:
            continue
        job = answer.stdout.strip().partition(";")[0]
        if answer.returncode == 0 and job.isdigit():
            return job
        if not _BUSY.search(answer.stderr):
            break
    else:
        raise RunError(f"sbatch: no answer after {ATTEMPTS} attempts; submit again later")
    words = " ".join(answer.stderr.split()) or f"exit status {answer.returncode}, no job id"
    raise RunError(f"sbatch: {words}")


def largest_array() -> int | None:
    """Elements that an array may have (its largest index is one less), or None where the scheduler does not say."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config") or "", re.M)
    return int(found[1]) if found else None


def job_states(jobs: Iterable[str]) -> dict[str, Counter[str]] | None:
    """States of the elements of JOBS that are pending or running, by job; None where the scheduler does not answer."""
    jobs = list(jobs)
    if not jobs:
        return {}
    answer = _ask("squeue", "--noheader", "--array", f"--jobs={','.join(jobs)}", "--format=%i %T", known_jobs_only=True)
    if answer is None:
        return None
    states: dict[str, Counter[str]] = {}
    for line in answer.splitlines():
        element, _, state = line.strip().partition(" ")
        states.setdefault(element.partition("_")[0], Counter())[state.lower()] += 1
    return states


def seconds_left(job: str) -> float | None:
    """Time that JOB may still run; None where there is no limit, or nobody says."""
    return parse_time((_ask("squeue", "--noheader", f"--jobs={job}", "--format=%L") or "").strip())


def was_cancelled(job: str) -> bool:
    """Whether a user ended JOB, which is about to stop: it is over for the scheduler, and not for want of time."""
    answer = _ask("squeue", "--noheader", f"--jobs={job}", "--states=all", "--format=%T %r") or ""
    state, _, reason = answer.strip().partition(" ")
    return state in ("CANCELLED", "COMPLETING") and reason != "TimeLimit"


def requeue(job: str) -> bool:
    """Put a running job back into the queue, which ends it; returns whether the scheduler agreed."""
    return _ask("scontrol", "requeue", job) is not None


def _ask(*command: str, known_jobs_only: bool = False) -> str | None:
    """What a query prints, or None where it fails; with KNOWN_JOBS_ONLY, jobs that are over have no lines."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode == 0:
        return answer.stdout
    return answer.stdout if known_jobs_only and "Invalid job id" in answer.stderr else None


def parse_time(text: str) -> float | None:
    """Seconds of a time as SLURM writes it: ``MM``, ``MM:SS``, ``HH:MM:SS``, ``D-HH``, ``D-HH:MM`` or ``D-HH:MM:SS``.

    >>> parse_time("1-02:03:04")
    93784.0
    >>> parse_time("90"), parse_time("2:30"), parse_time("UNLIMITED")
    (5400.0, 150.0, None)
    """
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        return None
    days, dash, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    return float(((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds)


def format_time(seconds: float) -> str:
    """``HH:MM:SS``, in whole minutes upwards, as limits are."""
    minutes = -(-int(seconds) // 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


@dataclass(frozen=True)
class Job:
    """The job in which this process runs.

    Parameters
    ----------
    id : str
        As `scontrol` takes it: an element of an array is ``ARRAY_INDEX``.
    restarts : int
        Times that it was put back into the queue before.
    """

    id: str
    restarts: int

    @classmethod
    def current(cls) -> "Job | None":
        """The job of the environment, or None outside of one."""
        array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        job = f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")
        return cls(job, int(os.environ.get("SLURM_RESTART_COUNT") or 0)) if job else None
