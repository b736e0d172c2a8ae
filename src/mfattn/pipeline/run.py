"""One run from start to end in one place: plan, compute what is missing, collect, draw."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mfattn.pipeline import provenance
from mfattn.pipeline.collect import join_blocks, write_result
from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.executors.local import Done, Work, available_cores, compute_blocks
from mfattn.pipeline.experiment import ArrayLayout, Arrays, Experiment
from mfattn.pipeline.plan import Plan, run_hash
from mfattn.pipeline.stop import stop_on_signals
from mfattn.pipeline.store import (
    InvalidFile,
    RunFolder,
    check_writable,
    read_arrays,
    result_hash,
    set_aside,
    write_file,
)

HASH_LENGTH = 10
"""Digits of the run's hash in the name of its folder."""


@dataclass(frozen=True)
class Options:
    """What the command line says about a run beside its config; none of it changes a number."""

    out: Path | None = None
    jobs: int | None = None
    block_size: int | None = None
    dry_run: bool = False
    force: bool = False

    @property
    def workers(self) -> int:
        """Worker processes: those asked for, else as many as there are cores for us."""
        return self.jobs or available_cores()

    @property
    def results(self) -> Path:
        """Folder of the run folders."""
        return self.out or Path("results")

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.out / "figures" if self.out else Path("figures")


def say(word: str, text: str) -> None:
    """One line of report: what, and its particulars."""
    print(f"{word:<8} {text}", flush=True)


def run(experiment: Experiment, name: str, options: Options) -> None:
    """Compute the run NAME of EXPERIMENT, or what is missing of it, and draw its figure.

    Raises
    ------
    PipelineError
        With the message for the user, and the exit status.
    """
    for size, option in ((options.jobs, "--jobs"), (options.block_size, "--block-size")):
        if size is not None and size < 1:
            raise InputError(f"{option}: a whole number above 0, found {size}")
    check_writable(options.results)
    check_writable(options.figures)
    plan = Plan(run_hash(experiment.identity()), experiment.points, options.block_size or experiment.block_size)
    folder = RunFolder(options.results / f"{name}-{plan.run[:HASH_LENGTH]}")
    if options.force and folder.path.exists() and not options.dry_run:
        say("aside", f"{folder.path} is now {set_aside(folder.path)}")
    plan = _kept_plan(folder, plan, options)
    _announce(experiment, plan, folder, options)
    if options.dry_run:
        say("dry run", "nothing computed, nothing written")
        return
    arrays = _finished_result(experiment, plan, folder)
    if arrays is None:
        plan = folder.open(plan)
        arrays = _complete(experiment, name, plan, folder, options.workers)
    say("result", str(folder.result))
    say("hash", str(_recorded_hash(folder)))
    for warning in experiment.warnings(arrays):
        say("warning", warning)
    draw(experiment, name, arrays, options.figures)


def _kept_plan(folder: RunFolder, plan: Plan, options: Options) -> Plan:
    """The plan with which a run was begun, else PLAN; one that is not this run's is set aside."""
    try:
        return folder.kept_plan(plan) or plan
    except InvalidFile as error:
        if not options.dry_run:
            say("bad", f"{folder.plan_path}: {error}; renamed to {set_aside(folder.plan_path, '.bad').name}")
        return plan


def _announce(experiment: Experiment, plan: Plan, folder: RunFolder, options: Options) -> None:
    if folder.result.exists():
        state = "complete"
    elif folder.path.exists():
        on_disk = sum(folder.block_path(block).exists() for block in range(plan.blocks))
        state = f"begun before, {on_disk} of {plan.blocks} blocks on disk"
    else:
        state = "new"
    say("run", f"{folder.path}   {state}")
    for word, text in experiment.describe():
        say(word, text)
    total = plan.points * experiment.steps_per_point
    seconds = experiment.estimate() / min(options.workers, plan.blocks, available_cores())
    grid = f"{_count(plan.points, 'point')} in {_count(plan.blocks, 'block')}, {total:,} steps"
    say("plan", f"{grid}   about {_clock(seconds)} of stepping on {_count(options.workers, 'worker')}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _finished_result(experiment: Experiment, plan: Plan, folder: RunFolder) -> Arrays | None:
    """The arrays of a result that is on disk and whole, or None; a broken one is set aside."""
    if not folder.result.exists():
        return None
    try:
        return _read_result(experiment, plan, folder)
    except InvalidFile as error:
        say("bad", f"{folder.result}: {error}; renamed to {set_aside(folder.result, '.bad').name} and collected again")
        return None


def _read_result(experiment: Experiment, plan: Plan, folder: RunFolder) -> Arrays:
    """The arrays of the result on disk, or InvalidFile where they are not what this run made."""
    arrays = read_arrays(folder.result)
    expected = experiment.layout(range(plan.points)) | {
        name: ArrayLayout(array.shape, array.dtype) for name, array in experiment.constants().items()
    }
    if not expected.items() <= {name: ArrayLayout(array.shape, array.dtype) for name, array in arrays.items()}.items():
        raise InvalidFile("its arrays are not this run's")
    if _recorded_hash(folder) != result_hash(arrays):
        raise InvalidFile("it is not the result that its provenance names")
    return arrays


def _recorded_hash(folder: RunFolder) -> object:
    """Hash of the result that the provenance beside it names, or None."""
    try:
        about = json.loads(folder.provenance.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return about.get("result") if isinstance(about, dict) else None


def _complete(experiment: Experiment, name: str, plan: Plan, folder: RunFolder, jobs: int) -> Arrays:
    """Compute the missing blocks and collect the result."""
    program = provenance.program()
    started = provenance.now()
    missing = _missing_blocks(experiment, plan, folder)
    if missing:
        _compute(Work(experiment, plan, folder, program), missing, jobs)
    arrays, facts, bad = join_blocks(experiment, plan, folder)
    if bad:
        blocks = ", ".join(map(str, bad))
        raise RunError(f"{folder.path}: blocks {blocks} were damaged after they were written; run again to mend them")
    arrays |= experiment.derive(arrays)
    about = {
        "run": plan.run,
        "name": name,
        "result": result_hash(arrays),
        "config": experiment.config.model_dump(mode="json"),
        "identity": experiment.identity(),
        "program": program,
        "argv": sys.argv,
        "started": started,
        "finished": provenance.now(),
        "core_seconds": round(sum(fact["seconds"] for fact in facts), 3),
        "blocks": facts,
    }
    for warning in _mixtures(facts):
        say("warning", warning)
    write_result(folder, arrays, about)
    return arrays


def _mixtures(facts: list[dict[str, Any]]) -> Iterator[str]:
    """Warnings where blocks come from different machines or programs."""
    for name, key in (("kinds of processor", "processor"), ("programs", "program")):
        kinds = {json.dumps(fact[key], sort_keys=True) for fact in facts}
        if len(kinds) > 1:
            yield f"blocks come from {len(kinds)} {name}: {', '.join(sorted(kinds))}"


def _missing_blocks(experiment: Experiment, plan: Plan, folder: RunFolder) -> list[int]:
    """Blocks that are not on disk, or not valid; the latter are set aside and named."""
    missing = []
    for block, points in enumerate(plan.ranges()):
        path = folder.block_path(block)
        if path.exists():
            try:
                folder.read_block(plan, block, experiment.layout(points))
                continue
            except InvalidFile as error:
                say("bad", f"{path}: {error}; renamed to {set_aside(path, '.bad').name} and computed again")
        missing.append(block)
    return missing


def _compute(work: Work, missing: list[int], jobs: int) -> None:
    """Compute the missing blocks under a progress bar, or with a line a block where there is no terminal."""
    done = work.plan.blocks - len(missing)
    with stop_on_signals() as stop, _progress(work, missing) as (advance, finish):
        for block in compute_blocks(work, missing, jobs, stop, advance):
            done += 1
            finish(block, done)


@contextmanager
def _progress(work: Work, missing: list[int]) -> Iterator[tuple[Callable[[int], None], Callable[[Done, int], None]]]:
    plan, per_point = work.plan, work.experiment.steps_per_point
    total = plan.points * per_point
    ahead = sum(len(plan.points_of(block)) for block in missing) * per_point
    terminal = sys.stderr.isatty()
    bar = tqdm(
        total=total, initial=total - ahead, desc="steps", unit="step", unit_scale=True, disable=None, dynamic_ncols=True
    )

    def finish(block: Done, done: int) -> None:
        bar.set_postfix_str(f"block {done}/{plan.blocks}")
        if not terminal:
            points = plan.points_of(block.block)
            say(
                "block",
                f"{block.block}: points {points.start}-{points.stop - 1}, {block.seconds:.2f} s   {done}/{plan.blocks}",
            )

    with bar:
        yield lambda steps: bar.update(steps) and None, finish


def draw(experiment: Experiment, name: str, arrays: Arrays, folder: Path) -> None:
    """Draw the figure of a result as FOLDER/NAME.png and .pdf, if the experiment has one."""
    files = experiment.draw(arrays)
    if not files:
        say("figure", "none: the arrays of the result are what this experiment makes")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror or error}") from None
    for suffix, content in files.items():
        write_file(folder / f"{name}{suffix}", content)
    say("figure", f"{folder / name}{', '.join(files)}")


def plot(experiment: Experiment, name: str, options: Options) -> None:
    """Draw the figure of a run that is complete, and compute nothing; in place of `run`.

    Raises
    ------
    InputError
        If the run is not complete.
    """
    check_writable(options.figures)
    plan = Plan(run_hash(experiment.identity()), experiment.points, experiment.block_size)
    folder = RunFolder(options.results / f"{name}-{plan.run[:HASH_LENGTH]}")
    try:
        arrays = _read_result(experiment, plan, folder)
    except InvalidFile as error:
        raise InputError(f"{folder.result}: {error}; compute it with mfattn run and the same options") from None
    draw(experiment, name, arrays, options.figures)
