"""What a block takes: tried on one, before a cluster is asked for time and memory."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

from mfattn.pipeline.experiment import Advance, array_bytes
from mfattn.pipeline.work import Missing, Work

LONGEST_SECONDS = 60.0
"""Time after which a trial is given up, and the rest estimated from the steps that it has done."""

COLD_COMPILATION = 60.0
"""Seconds that a node may need to compile what the pilot found compiled."""

UNMEASURED = 2.0
"""Factor on an estimate that no trial supports."""


@dataclass(frozen=True)
class Pilot:
    """Seconds of a link, a block and the compilation on a node, and bytes of memory of a process that computes them."""

    link_seconds: float
    block_seconds: float
    compile_seconds: float
    memory: float


def fly_pilot(work: Work, missing: Missing) -> Pilot:
    """Compute the first missing link or, where the chain is complete, the middle one of the missing blocks.

    Nothing is written. While links are missing no block can be computed, and its time is the experiment's estimate.
    """
    link, block, compilation = 0.0, UNMEASURED * work.experiment.estimate() / work.plan.blocks, 0.0
    if missing.links:
        link, compilation = _try_twice(lambda advance: _walk(work, missing.links[0], advance), _link_steps(work))
    elif missing.blocks:
        ready, points = work.after_chain(), work.plan.points_of(missing.blocks[len(missing.blocks) // 2])
        steps = len(points) * work.experiment.steps_per_point
        block, compilation = _try_twice(lambda advance: ready.experiment.compute(points, advance), steps)
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if missing.links:
        # No block was computed: its arrays come on top.
        memory += 3 * array_bytes(work.experiment.layout(work.plan.points_of(0)))
    return Pilot(link, block, max(compilation, COLD_COMPILATION), memory)


def _link_steps(work: Work) -> int:
    return work.chain_steps // work.links


def _walk(work: Work, link: int, advance: Advance) -> None:
    assert work.experiment.chain is not None
    work.experiment.chain.walk(link, work.read_link(link - 1) if link else None, advance)


class _EnoughError(Exception):
    """A trial has taken long enough."""


def _try_twice(compute: Callable[[Advance], object], steps: int) -> tuple[float, float]:
    """Seconds that COMPUTE takes, and those that it took longer the first time, for compilation."""
    first, finished = _try(compute, steps)
    if not finished:
        return first, 0.0
    second, _ = _try(compute, steps)
    return second, max(first - second, 0.0)


def _try(compute: Callable[[Advance], object], steps: int) -> tuple[float, bool]:
    start, done = time.perf_counter(), 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        if time.perf_counter() - start > LONGEST_SECONDS:
            raise _EnoughError

    try:
        compute(advance)
    except _EnoughError:
        return (time.perf_counter() - start) * steps / max(done, 1), False
    return time.perf_counter() - start, True
