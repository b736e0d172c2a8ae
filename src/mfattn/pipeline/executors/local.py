"""Blocks on the cores of this machine: in this process, or in several."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from loky import ProcessPoolExecutor
from loky.backend import get_context

from mfattn.pipeline import provenance
from mfattn.pipeline.errors import RunError
from mfattn.pipeline.experiment import Advance, Experiment
from mfattn.pipeline.plan import Plan
from mfattn.pipeline.stop import StopFlag
from mfattn.pipeline.store import RunFolder

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Work:
    """What a worker needs to compute any block of a run."""

    experiment: Experiment
    plan: Plan
    folder: RunFolder
    program: dict[str, Any]


@dataclass(frozen=True)
class Done:
    """A block that is computed and on disk."""

    block: int
    seconds: float


def available_cores() -> int:
    """Cores that this process may use: the job's where SLURM says so, else the affinity mask's."""
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(granted) if granted.isdigit() and int(granted) > 0 else len(os.sched_getaffinity(0))


def compute_block(work: Work, block: int, advance: Advance) -> Done:
    """Compute one block and write it."""
    started, clock = provenance.now(), time.perf_counter()
    arrays = work.experiment.compute(work.plan.points_of(block), advance)
    seconds = time.perf_counter() - clock
    about = {"started": started, "seconds": round(seconds, 3), **provenance.machine(), "program": work.program}
    work.folder.write_block(work.plan, block, arrays, about)
    return Done(block, seconds)


def compute_blocks(
    work: Work, blocks: Sequence[int], jobs: int, stop: StopFlag, progress: Callable[[int], None]
) -> Iterator[Done]:
    """Compute BLOCKS on JOBS cores; yields each when it is on disk, in any order.

    PROGRESS is told of steps as they are done. When STOP is raised, the blocks in flight are given up.

    Raises
    ------
    Stopped
        When STOP was raised.
    RunError
        If a block cannot be written, or a worker process dies.
    """
    if jobs == 1 or len(blocks) == 1:
        yield from _in_this_process(work, blocks, stop, progress)
    else:
        yield from _in_workers(work, blocks, min(jobs, len(blocks)), stop, progress)


def _in_this_process(
    work: Work, blocks: Sequence[int], stop: StopFlag, progress: Callable[[int], None]
) -> Iterator[Done]:
    def advance(steps: int) -> None:
        progress(steps)
        stop.check()

    for block in blocks:
        stop.check()
        yield compute_block(work, block, advance)


_worker: tuple[Work, Any]


def _start_worker(work: Work, steps_done: Any) -> None:
    """Keep what all blocks share, and end when the parent does."""
    global _worker
    _worker = (work, steps_done)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when PARENT, which may have been killed, is no longer the one above it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work_on(block: int) -> Done:
    work, steps_done = _worker
    return compute_block(work, block, steps_done.put)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started within the block ignore interrupts: the parent hears them, and stops its workers itself."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _in_workers(
    work: Work, blocks: Sequence[int], jobs: int, stop: StopFlag, progress: Callable[[int], None]
) -> Iterator[Done]:
    context = get_context("loky")
    steps_done = context.SimpleQueue()
    pool = ProcessPoolExecutor(
        jobs,
        context=context,
        initializer=_start_worker,
        initargs=(work, steps_done),
        env={"OMP_NUM_THREADS": "1"},
    )
    complete = False
    try:
        with _deaf_to_interrupts():
            pending: set[Future[Done]] = {pool.submit(_work_on, block) for block in blocks}
        while pending:
            finished, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            stop.check()
            while not steps_done.empty():
                progress(steps_done.get())
            for future in finished:
                yield future.result()
        complete = True
    except BrokenProcessPool:
        raise RunError("a worker process died (out of memory?); finished blocks are kept, run again to go on") from None
    finally:
        pool.shutdown(wait=complete, kill_workers=not complete)
