"""Blocks on the cores of this machine: in this process, or in several."""

import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from loky import ProcessPoolExecutor
from loky.backend import get_context
from tqdm import tqdm

from mfattn.pipeline.errors import RunError
from mfattn.pipeline.experiment import Advance
from mfattn.pipeline.messages import clock, counted, say
from mfattn.pipeline.stop import SIGNALS, WARNING, StopFlag, stop_on_signals
from mfattn.pipeline.work import Done, Missing, Work, compute_block, walk_link

POLL_SECONDS = 0.1


def available_cores() -> int:
    """Cores that this process may use: the job's where SLURM says so, else the affinity mask's."""
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(granted) if granted.isdigit() and int(granted) > 0 else len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class LocalExecutor:
    """Worker processes on this machine.

    Parameters
    ----------
    jobs : int, optional
        Their number; without it, as many as there are cores for us.
    """

    jobs: int | None = None

    @property
    def workers(self) -> int:
        """Number of worker processes."""
        return self.jobs or available_cores()

    def check(self, work: Work) -> None:
        """Nothing stands in the way."""

    def rehearse(self, work: Work, missing: Missing) -> None:
        """Say what there is to do."""
        self._announce(work)
        say("dry run", "nothing computed, nothing written")

    def execute(self, work: Work, missing: Missing) -> bool:
        """Compute what is missing under a progress bar, or with a line a block where there is no terminal."""
        self._announce(work)
        with stop_on_signals() as stop, _progress(work, missing) as progress:
            for link in missing.links:
                stop.check()
                progress.finish("link", walk_link(work, link, stepping_checked(stop, progress.advance)))
            ready = work.after_chain()
            for block in compute_blocks(ready, missing.blocks, self.workers, stop, progress.advance):
                progress.finish("block", block)
        return True

    def _announce(self, work: Work) -> None:
        """Say how many points, blocks and steps there are, and how long they may take."""
        plan, workers = work.plan, self.workers
        chain = f"{counted(work.links, 'link')} of a chain, then " if work.links else ""
        seconds = work.experiment.estimate() / min(workers, plan.blocks, available_cores())
        grid = f"{chain}{counted(plan.points, 'point')} in {counted(plan.blocks, 'block')}, {work.steps:,} steps"
        say("plan", f"{grid}   about {clock(seconds)} of stepping on {counted(workers, 'worker')}")


class _Progress:
    """A bar on a terminal, a line for each block and link elsewhere."""

    def __init__(self, work: Work, missing: Missing, bar: Any) -> None:
        self._work, self._bar = work, bar
        self._done = {"link": work.links - len(missing.links), "block": work.plan.blocks - len(missing.blocks)}
        self._terminal = sys.stderr.isatty()

    def advance(self, steps: int) -> None:
        """Note that so many steps are done."""
        self._bar.update(steps)

    def finish(self, kind: str, part: Done) -> None:
        """Note that a link or block is on disk."""
        self._done[kind] += 1
        total = {"link": self._work.links, "block": self._work.plan.blocks}[kind]
        state = f"{self._done[kind]}/{total}"
        self._bar.set_postfix_str(f"{kind} {state}")
        if not self._terminal:
            say_finished(self._work, kind, part, state)


def say_finished(work: Work, kind: str, part: Done, state: str) -> None:
    """The line of a link or block that is on disk."""
    points = work.plan.points_of(part.number) if kind == "block" else None
    where = "" if points is None else f" points {points.start}-{points.stop - 1},"
    say(kind, f"{part.number}:{where} {part.seconds:.2f} s   {state}")


@contextlib.contextmanager
def _progress(work: Work, missing: Missing) -> Iterator[_Progress]:
    ahead = sum(len(work.plan.points_of(block)) for block in missing.blocks) * work.experiment.steps_per_point
    if missing.links:
        ahead += work.chain_steps * len(missing.links) // work.links
    bar = tqdm(
        total=work.steps,
        initial=work.steps - ahead,
        desc="steps",
        unit="step",
        unit_scale=True,
        disable=None,
        dynamic_ncols=True,
    )
    with bar:
        yield _Progress(work, missing, bar)


def stepping_checked(stop: StopFlag, advance: Advance) -> Advance:
    """ADVANCE that also looks at the flag."""

    def checked(steps: int) -> None:
        advance(steps)
        stop.check()

    return checked


def compute_blocks(
    work: Work, blocks: Iterable[int], jobs: int, stop: StopFlag, progress: Callable[[int], None]
) -> Iterator[Done]:
    """Compute BLOCKS on JOBS cores; yields each when it is on disk, in any order.

    A block is taken from BLOCKS when a core is free for it, and not before. PROGRESS is told of steps as they are done.
    When STOP is raised, the blocks in flight are given up.

    Raises
    ------
    Stopped
        When STOP was raised.
    RunError
        If a block cannot be written, or a worker process dies.
    """
    if isinstance(blocks, Sized):
        jobs = min(jobs, len(blocks))
    if jobs <= 1:
        yield from _in_this_process(work, blocks, stop, progress)
    else:
        yield from _in_workers(work, blocks, jobs, stop, progress)


def _in_this_process(
    work: Work, blocks: Iterable[int], stop: StopFlag, progress: Callable[[int], None]
) -> Iterator[Done]:
    for block in blocks:
        stop.check()
        yield compute_block(work, block, stepping_checked(stop, progress))


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
def _deaf_to_signals() -> Iterator[None]:
    """Processes started within the block ignore what may stop a job: the parent hears it, and stops them itself.

    They inherit what is ignored. What comes to the parent meanwhile is held back until the end of the block, since a
    blocked signal is not discarded.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, WARNING))
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (*SIGNALS, WARNING)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _in_workers(
    work: Work, blocks: Iterable[int], jobs: int, stop: StopFlag, progress: Callable[[int], None]
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
    waiting = iter(blocks)
    pending: set[Future[Done]] = set()
    complete = False

    def refill() -> None:
        for block in itertools.islice(waiting, jobs - len(pending)):
            pending.add(pool.submit(_work_on, block))

    try:
        with _deaf_to_signals():
            refill()
        while pending:
            finished, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            stop.check()
            while not steps_done.empty():
                progress(steps_done.get())
            refill()
            for future in finished:
                yield future.result()
        complete = True
    except BrokenProcessPool:
        raise RunError("a worker process died (out of memory?); finished blocks are kept, run again to go on") from None
    finally:
        pool.shutdown(wait=complete, kill_workers=not complete)
