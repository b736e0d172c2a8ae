"""Blocks of a run to its result and its figure, or to what there is of them."""

import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline import provenance
from mfattn.pipeline.errors import Incomplete, InputError, PipelineError, RunError
from mfattn.pipeline.experiment import ArrayLayout, Arrays, missing_value
from mfattn.pipeline.messages import compact, counted, say
from mfattn.pipeline.runs import Run
from mfattn.pipeline.store import (
    InvalidFile,
    make_folder,
    pack_arrays,
    read_arrays,
    result_hash,
    set_aside,
    write_file,
)
from mfattn.pipeline.work import Missing, Work, missing_parts, set_bad_aside

LOOK_AGAIN_SECONDS = 5.0
"""Time between two looks for blocks that a network file system may not list yet."""

Facts = dict[str, Any]


class Joined(NamedTuple):
    """Arrays over the whole grid, what is known about each block that is there, and the blocks that are not."""

    arrays: Arrays
    facts: list[Facts]
    missing: list[int]


def join_blocks(work: Work) -> Joined:
    """Join the blocks on disk; rows of a missing or invalid one hold `missing_value`."""
    plan, experiment = work.plan, work.experiment
    layout = experiment.layout(range(plan.points))
    whole = {name: np.full(shape, missing_value(dtype), dtype) for name, (shape, dtype) in layout.items()}
    filled = dict.fromkeys(whole, 0)
    facts: list[Facts] = []
    missing: list[int] = []
    for block in range(plan.blocks):
        part = work.block(block)
        arrays: Mapping[str, NDArray[Any]] = {}
        try:
            arrays, about = part.read()
            facts.append({"block": block, **about})
        except InvalidFile:
            missing.append(block)
        for name, (shape, _) in part.layout.items():
            if name in arrays:
                whole[name][filled[name] : filled[name] + shape[0]] = arrays[name]
            filled[name] += shape[0]
    return Joined({**whole, **experiment.constants()}, facts, missing)


def collect(run: Run, work: Work, joined: Joined) -> Arrays:
    """Write the result and provenance of a run whose blocks are all JOINED.

    Raises
    ------
    RunError
        If a block is missing after all, or a file cannot be written.
    """
    if joined.missing:
        blocks = compact(joined.missing)
        raise RunError(f"{run.folder.path}: blocks {blocks} were damaged after they were written; run again")
    arrays = joined.arrays | run.experiment.derive(joined.arrays)
    links = _facts_of_links(work)
    about = _provenance(run, work.program, result_hash(arrays), joined.facts, links)
    for warning in mixtures(joined.facts + links):
        say("warning", warning)
    # Provenance first: a result on disk always has its provenance beside it.
    write_file(run.folder.provenance, (json.dumps(about, indent=2) + "\n").encode())
    write_file(run.folder.result, pack_arrays(arrays))
    return arrays


def _facts_of_links(work: Work) -> list[Facts]:
    facts = []
    for link in range(work.links):
        try:
            facts.append({"link": link, **work.link(link).read()[1]})
        except InvalidFile:
            # Its blocks are there all the same, and only the account of its time is lost.
            say("warning", f"link {link} of the chain is missing or damaged: its provenance is lost")
    return facts


def _provenance(run: Run, program: Facts, digest: str, blocks: list[Facts], links: list[Facts]) -> Facts:
    return {
        "run": run.plan.run,
        "name": run.name,
        "result": digest,
        "config": run.experiment.config.model_dump(mode="json", by_alias=True),
        "identity": run.experiment.identity(),
        "program": program,
        "collected_by": {"argv": sys.argv, **provenance.machine()},
        "started": min(fact["started"] for fact in blocks + links),
        "finished": provenance.now(),
        "core_seconds": round(sum(fact["seconds"] for fact in blocks + links), 3),
        "links": links,
        "blocks": blocks,
    }


def mixtures(facts: list[Facts]) -> Iterator[str]:
    """Warnings where blocks come from different machines or programs."""
    for name, key in (("kinds of processor", "processor"), ("programs", "program")):
        kinds = {json.dumps(fact[key], sort_keys=True) for fact in facts}
        if len(kinds) > 1:
            yield f"blocks come from {len(kinds)} {name}: {', '.join(sorted(kinds))}"


def collect_what_is_there(run: Run, *, partial: bool, patience: float) -> None:
    """Collect a run if it is complete; else name what is missing and, if a PARTIAL figure is asked for, draw it.

    A part that is missing is looked for again during PATIENCE seconds.

    Raises
    ------
    Incomplete
        If anything is missing.
    """
    arrays = finished_result(run)
    if arrays is None:
        work = run.work()
        _await_blocks(work, patience)
        joined = join_blocks(work)
        missing = missing_parts(work) if joined.missing else Missing([], [], [])
        if missing.blocks:
            set_bad_aside(missing)
            if partial:
                _draw_partial(run, joined)
            raise Incomplete(what_is_missing(run, missing))
        arrays = collect(run, work, join_blocks(work) if joined.missing else joined)
    report_result(run, arrays)
    draw_result(run, arrays)


def _await_blocks(work: Work, patience: float) -> None:
    """Until all blocks are listed, or PATIENCE is over."""
    end = time.monotonic() + patience
    paths = [work.folder.block_path(block) for block in range(work.plan.blocks)]
    while not all(path.exists() for path in paths) and (left := end - time.monotonic()) > 0:
        time.sleep(min(LOOK_AGAIN_SECONDS, left))


def _draw_partial(run: Run, joined: Joined) -> None:
    if not joined.facts:
        say("figure", "none: no block is there yet")
        return
    arrays = joined.arrays | run.experiment.derive(joined.arrays)
    try:
        draw_result(run, arrays, f", partial: {run.plan.blocks - len(joined.missing)} of {run.plan.blocks} blocks")
    except PipelineError as error:
        # What is missing must be named all the same.
        say("warning", str(error))


def what_is_missing(run: Run, missing: Missing) -> str:
    """One line that names missing links and blocks, and the command that computes them."""
    parts = []
    if missing.links:
        parts.append(f"links {compact(missing.links)} of the chain")
    if missing.blocks:
        few = counted(len(missing.blocks), "block")
        parts.append(f"{few} of {run.plan.blocks:,} ({compact(missing.blocks)})")
    path = run.folder.path
    if run.folder.about.exists():
        advice = f"mfattn submit {shlex.quote(str(path))} --only-missing (or mfattn run) computes them"
    else:
        advice = "not begun; mfattn run or submit its config"
    return f"{path}: missing {' and '.join(parts)}; {advice}"


def finished_result(run: Run) -> Arrays | None:
    """The arrays of a result that is on disk and whole, or None; a broken one is set aside."""
    result = run.folder.result
    if not result.exists():
        return None
    try:
        return read_result(run)
    except InvalidFile as error:
        say("bad", f"{result}: {error}; renamed to {set_aside(result, '.bad').name} and collected again")
        return None


def read_result(run: Run) -> Arrays:
    """The arrays of the result on disk, or InvalidFile where they are not what this run made."""
    arrays = read_arrays(run.folder.result)
    constants = run.experiment.constants().items()
    expected = run.experiment.layout(range(run.plan.points)) | {
        name: ArrayLayout(array.shape, array.dtype) for name, array in constants
    }
    if not expected.items() <= {name: ArrayLayout(array.shape, array.dtype) for name, array in arrays.items()}.items():
        raise InvalidFile("its arrays are not this run's")
    if recorded_provenance(run).get("result") != result_hash(arrays):
        raise InvalidFile("it is not the result that its provenance names")
    return arrays


def complete_result(run: Run) -> Arrays:
    """The arrays of a run that is complete.

    Raises
    ------
    InputError
        If it is not.
    """
    try:
        return read_result(run)
    except InvalidFile as error:
        raise InputError(f"{run.folder.result}: {error}; run or collect it first") from None


def recorded_provenance(run: Run) -> Facts:
    """What stands in the provenance of the result; empty where there is none to read."""
    try:
        about = json.loads(run.folder.provenance.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def report_result(run: Run, arrays: Arrays) -> None:
    """Lines that name the result, its hash, and what a user should know of it."""
    say("result", str(run.folder.result))
    say("hash", str(recorded_provenance(run).get("result")))
    for warning in run.experiment.warnings(arrays):
        say("warning", warning)


def draw_result(run: Run, arrays: Arrays, note: str = "") -> None:
    """Draw the figure of a result as NAME.png and .pdf, if the experiment has one."""
    files = run.experiment.draw(arrays, note)
    if not files:
        say("figure", "none: the arrays of the result are what this experiment makes")
        return
    make_folder(run.figures)
    for suffix, content in files.items():
        write_file(run.figures / f"{run.name}{suffix}", content)
    say("figure", f"{run.figures / run.name}{', '.join(files)}")
