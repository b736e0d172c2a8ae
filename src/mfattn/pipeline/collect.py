"""Blocks of a complete run to its result."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mfattn.pipeline.experiment import Arrays, Experiment
from mfattn.pipeline.plan import Plan
from mfattn.pipeline.store import InvalidFile, RunFolder, pack_arrays, write_file


def join_blocks(
    experiment: Experiment, plan: Plan, folder: RunFolder
) -> tuple[Arrays, list[dict[str, Any]], list[int]]:
    """Arrays over the whole grid, what is known about each block, and the blocks that are missing or invalid.

    An invalid block does not stop the others; where any is returned, the arrays are not complete.
    """
    whole = {name: np.empty(shape, dtype) for name, (shape, dtype) in experiment.layout(range(plan.points)).items()}
    filled = dict.fromkeys(whole, 0)
    facts: list[dict[str, Any]] = []
    bad: list[int] = []
    for block, points in enumerate(plan.ranges()):
        try:
            arrays, about = folder.read_block(plan, block, experiment.layout(points))
        except InvalidFile:
            bad.append(block)
            continue
        facts.append({"block": block, **about})
        for name, array in arrays.items():
            whole[name][filled[name] : filled[name] + len(array)] = array
            filled[name] += len(array)
    return {**whole, **experiment.constants()}, facts, bad


def write_result(folder: RunFolder, arrays: Arrays, about: Mapping[str, Any]) -> None:
    """Write provenance, then the result: a result on disk always has its provenance beside it."""
    write_file(folder.provenance, (json.dumps(about, indent=2) + "\n").encode())
    write_file(folder.result, pack_arrays(arrays))
