"""Random streams of pieces of work, and threads for these."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

T = TypeVar("T")

MODES, IMPORTANCE, HAMILTONIAN, ELLIPTICAL, BRIDGE, WEIGHTS = range(6)
"""First numbers of the keys of streams: what they are for."""


def stream(seed: int, *key: int) -> np.random.Generator:
    """The stream of a key, which no other key and no number of threads changes.

    >>> stream(1, MODES).integers(100) == stream(1, MODES).integers(100)
    np.True_
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def over_threads(task: Callable[[int], T], number: int, threads: int) -> list[T]:
    """What TASK returns for 0, 1, ..., in this order, from as many threads.

    >>> over_threads(lambda index: index * index, 4, 2)
    [0, 1, 4, 9]
    """
    if threads == 1:
        return [task(index) for index in range(number)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(task, range(number)))
