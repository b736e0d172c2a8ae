"""Compiled kernels on several threads, each with a range of the work to itself."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from mfattn.sdm.checks import checked_integer

T = TypeVar("T")

WORTHWHILE = 2**14
"""Distances of eight addresses from a row, or as long a work, from which on a thread of its own is faster."""


def checked_threads(threads: int | None) -> int:
    """THREADS itself, or as many as this process may use if it is None; ValueError where it is below 1.

    >>> checked_threads(2)
    2
    """
    if threads is not None:
        return checked_integer("threads", threads, 1)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def over_ranges(task: Callable[[int, int], T], number: int, threads: int, *, least: int = 1) -> list[T]:
    """What TASK(first, last) returns for consecutive ranges of 0 .. NUMBER, one a thread, in their order.

    Ranges shorter than LEAST are not worth a thread.

    >>> over_ranges(lambda first, last: (first, last), 10, 3)
    [(0, 4), (4, 7), (7, 10)]
    """
    parts = max(1, min(threads, number // least))
    cuts = [(number * part + parts - 1) // parts for part in range(parts + 1)]
    ranges = list(pairwise(cuts))
    if parts == 1:
        return [task(*ranges[0])]
    with ThreadPoolExecutor(parts) as pool:
        return [future.result() for future in [pool.submit(task, *limits) for limits in ranges]]
