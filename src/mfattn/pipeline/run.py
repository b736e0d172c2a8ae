"""One run from start to end: plan, get what is missing computed, collect, draw."""

from dataclasses import dataclass, field

from mfattn.pipeline.collect import collect, draw_result, finished_result, join_blocks, report_result
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.executors import Executor
from mfattn.pipeline.executors.local import LocalExecutor
from mfattn.pipeline.experiment import Experiment
from mfattn.pipeline.messages import say
from mfattn.pipeline.runs import Places, Run, new_run
from mfattn.pipeline.store import set_aside
from mfattn.pipeline.work import Missing, missing_parts, set_bad_aside


@dataclass(frozen=True)
class Options:
    """What the command line says about a run beside its config; none of it changes a number."""

    places: Places = field(default_factory=Places)
    executor: Executor = field(default_factory=LocalExecutor)
    block_size: int | None = None
    dry_run: bool = False
    force: bool = False


def run_named(experiment: Experiment, name: str, options: Options) -> None:
    """Get the run NAME of EXPERIMENT computed; see `run`."""
    if options.block_size is not None and options.block_size < 1:
        raise InputError(f"--block-size: a whole number above 0, found {options.block_size}")
    chosen = new_run(experiment, name, options.places, options.block_size)
    path = chosen.folder.path
    if options.force and path.exists():
        chosen.check_writable()
        if options.dry_run:
            say("aside", f"{path} would be renamed, and all of it computed anew")
        else:
            experiment.check()
            options.executor.check(chosen.work({}))
            say("aside", f"{path} is now {set_aside(path)}")
        chosen = new_run(experiment, name, options.places, options.block_size)
    run(chosen, options)


def run(chosen: Run, options: Options) -> None:
    """Get a run computed, or what is missing of it, and draw its figure when it is complete.

    Raises
    ------
    PipelineError
        With the message for the user, and the exit status.
    """
    chosen.check_writable()
    _announce(chosen)
    if not options.dry_run and not chosen.folder.result.exists():
        chosen.experiment.check()
        options.executor.check(chosen.work({}))
    if options.dry_run:
        work = chosen.work()
        anew = Missing(list(range(work.links)), list(range(work.plan.blocks)), [])
        options.executor.rehearse(work, anew if options.force else missing_parts(work))
        return
    chosen.set_bad_plan_aside()
    chosen = chosen.open()
    arrays = finished_result(chosen)
    if arrays is None:
        work = chosen.work()
        missing = missing_parts(work)
        set_bad_aside(missing)
        if missing and not options.executor.execute(work, missing):
            return
        arrays = collect(chosen, work, join_blocks(work))
    report_result(chosen, arrays)
    draw_result(chosen, arrays)


def _announce(chosen: Run) -> None:
    plan, folder = chosen.plan, chosen.folder
    if folder.result.exists():
        state = "complete"
    elif folder.path.exists():
        on_disk = sum(folder.block_path(block).exists() for block in range(plan.blocks))
        state = f"begun before, {on_disk} of {plan.blocks} blocks on disk"
    else:
        state = "new"
    say("run", f"{folder.path}   {state}")
    for word, text in chosen.experiment.describe():
        say(word, text)
