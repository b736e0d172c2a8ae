"""The command `mfattn`, and the scripts that are its single experiments."""

import argparse
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfattn import __version__
from mfattn.pipeline.errors import COMPLETE, FAILED, STOPPED, InputError, PipelineError

if TYPE_CHECKING:
    from mfattn.pipeline.config import SlurmConfig
    from mfattn.pipeline.executors import Executor
    from mfattn.pipeline.experiment import Experiment
    from mfattn.pipeline.runs import Run

# Libraries read it when they are loaded: results must not depend on their threads, and workers fill all cores.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

RUN_EPILOG = """\
exit status:
  0   complete
  1   failed while running; finished blocks are kept, run again to go on
  2   bad config, option or folder; nothing was written
  3   incomplete; what is missing is named
  75  stopped by a signal; run again to go on

A run's folder is DIR/NAME-HASH, with NAME from the config's file name and HASH from everything that changes its
numbers. The same command again computes nothing that is done; it goes on where a stopped run ended.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return _reporting(_command_parser().parse_args(arguments))


def script(*experiments: str, kind: str = "", example: str = "cfgs/zoom.yaml", default: Path | None = None) -> int:
    """Run `scripts/NAME.py`: an experiment of a KIND, from one config, which may be left out if there is a DEFAULT."""
    kind = kind or experiments[0].replace("_", " ")
    listed = textwrap.fill(f"experiments: {', '.join(experiments)}", 110) + "\n\n" if len(experiments) > 1 else ""
    parser = argparse.ArgumentParser(
        description=f"Run the {kind} that a config describes and draw its figure.",
        epilog=listed + RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run_arguments(parser, default, example)
    parser.set_defaults(action=_run, experiments=experiments)
    return _reporting(parser.parse_args())


def _reporting(options: argparse.Namespace) -> int:
    """Carry out the chosen action; an expected error becomes its message and its status."""
    # A terminal that cannot write a Greek letter shows a question mark.
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    # Outside the computation, which has its own way to stop, a termination is an interrupt.
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options.action(options)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("stopped; what is on disk is kept, the same command goes on from there", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # The reader of our output has gone: that is no harm to `mfattn schema | head`, but the end of a run.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED if options.action in (_run, _submit) else COMPLETE
    except (OSError, MemoryError) as error:
        print(f"failed: {error or 'out of memory'}; finished blocks are kept, run again to go on", file=sys.stderr)
        return FAILED
    return COMPLETE


def _command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mfattn", description="The statistical physics of attention, as one reproducible research pipeline."
    )
    parser.add_argument("--version", action="version", version=f"mfattn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_computing_commands(commands)
    _add_result_commands(commands)
    _add_config_commands(commands)
    _add_job_commands(commands)
    return parser


def _add_computing_commands(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="compute what a config describes, and draw its figure",
        description="Compute what a config describes, and draw its figure.",
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run_arguments(run)
    run.set_defaults(action=_run, experiments=())

    submit = commands.add_parser(
        "submit",
        help="give what a config describes to a SLURM cluster",
        description="Give what a config describes, or what is missing of it, to a SLURM cluster. Everything that is "
        "asked of the cluster can stand in the config's slurm section; an option here comes before it.",
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    submit.add_argument("config", metavar="CFG|RUN", type=Path, help="a YAML config, or the folder of a run")
    _add_settings(submit)
    submit.add_argument("--block-size", metavar="N", type=int, help="grid points a block; changes no number")
    submit.add_argument("--dry-run", action="store_true", help="say what would be submitted, and submit nothing")
    submit.add_argument("--force", action="store_true", help="rename a run that exists to NAME.1, and compute anew")
    submit.add_argument(
        "--only-missing",
        action="store_true",
        help="submit what is missing, even while jobs submitted before are waiting or running",
    )
    for option, metavar, text in SLURM_OPTIONS:
        submit.add_argument(f"--{option}", metavar=metavar, help=text)
    submit.add_argument(
        "--sbatch", metavar="OPTION", action="append", default=[], help="a further option of sbatch; may be given again"
    )
    submit.set_defaults(action=_submit, experiments=())


SLURM_OPTIONS = (
    ("elements", "K", "elements of the array (default: 16, or as many as make one last an hour)"),
    ("max-running", "N", "elements that run at once, at most"),
    ("partition", "NAME", "partition"),
    ("account", "NAME", "account that is charged"),
    ("time", "LIMIT", "time limit of an element, such as 12:30:00 (default: from a pilot block)"),
    ("memory", "SIZE", "memory of an element, such as 4G (default: from a pilot block)"),
    ("cpus", "N", "cores of an element (default: 1)"),
    ("chain-jobs", "N", "jobs into which the chain of a continuation is cut"),
    ("lead", "SECONDS", "warning before the time limit"),
)
"""Options of `submit` that set a key of the config's slurm section."""


def _add_result_commands(commands: Any) -> None:
    status = commands.add_parser("status", help="say how a run stands: blocks on disk, jobs in the queue")
    _add_run_or_config(status)
    status.add_argument(
        "--watch",
        metavar="SECONDS",
        type=_seconds,
        nargs="?",
        const=30.0,
        help="again and again (default: every 30 s), until the run is complete or its jobs are gone",
    )
    status.set_defaults(action=_status)

    collect = commands.add_parser("collect", help="join the blocks of a run, and draw its figure")
    _add_run_or_config(collect)
    collect.add_argument("--partial", action="store_true", help="where blocks are missing, draw those that are there")
    collect.add_argument(
        "--wait", metavar="SECONDS", type=_seconds, default=0.0, help="look for missing blocks again, so long"
    )
    collect.set_defaults(action=_collect)

    plot = commands.add_parser("plot", help="draw the figure of a complete run again, with the config's figure section")
    _add_run_or_config(plot)
    plot.set_defaults(action=_plot)

    report = commands.add_parser("report", help="write one HTML page about a run: figure, findings, times, provenance")
    _add_run_or_config(report)
    report.add_argument(
        "--output", metavar="FILE", type=Path, help="the page (default: report.html in the run's folder)"
    )
    report.set_defaults(action=_report)

    export = commands.add_parser("export", help="print a complete run's diagram, or its numbers, as CSV")
    _add_run_or_config(export)
    export.add_argument("--table", metavar="NAME", help="which table, such as values (default: what the diagram shows)")
    export.add_argument("--output", metavar="FILE", type=Path, help="write there instead of printing")
    export.set_defaults(action=_export)

    digest = commands.add_parser("hash", help="print the hash of a finished run's result")
    digest.add_argument("run", metavar="RUN", type=Path, help="a run's folder")
    digest.set_defaults(action=_hash)

    overview = commands.add_parser("list", help="list the runs on disk")
    overview.add_argument("--out", metavar="DIR", type=Path, help="folder of the run folders (default: results)")
    overview.set_defaults(action=_list)

    clean = commands.add_parser("clean", help="remove temporary files of killed writers, and damaged files set aside")
    clean.add_argument("--out", metavar="DIR", type=Path, help="folder of the run folders (default: results)")
    clean.add_argument("--dry-run", action="store_true", help="name the files, and remove nothing")
    clean.set_defaults(action=_clean)


def _add_config_commands(commands: Any) -> None:
    check = commands.add_parser("check", help="say whether configs are valid, and compute nothing")
    check.add_argument("configs", metavar="CFG", nargs="+", type=Path, help="a YAML config")
    check.set_defaults(action=_check)

    schema = commands.add_parser("schema", help="print the JSON Schema of an experiment's configs, for editors")
    form = schema.add_mutually_exclusive_group(required=True)
    form.add_argument("experiment", metavar="EXPERIMENT", nargs="?", help="such as bifurcation")
    form.add_argument("--markdown", action="store_true", help="print the reference of all experiments' keys instead")
    schema.set_defaults(action=_schema)


def _add_job_commands(commands: Any) -> None:
    for name, action, text in (
        ("element", _element, "compute an array element's share of the blocks (called by slurm/element.sbatch)"),
        ("chain", _chain, "walk a job's share of the chain's links (called by slurm/chain.sbatch)"),
    ):
        job = commands.add_parser(name, help=text)
        job.add_argument("run", metavar="RUN", type=Path, help="the run's folder")
        job.add_argument(
            "--submission", metavar="NUMBER", type=_submission, required=True, help="its submission, such as 0001"
        )
        job.add_argument("--index", metavar="K", type=int, required=True, help="which element, or job of the chain")
        job.set_defaults(action=action)


def _seconds(text: str) -> float:
    """Seconds on the command line: not negative, and less than a year."""
    seconds = float(text)
    if not 0 <= seconds < 3e7:
        raise ValueError
    return seconds


def _submission(text: str) -> str:
    """Number of a submission, as its folder is called."""
    if not re.fullmatch(r"[0-9]{4,}", text):
        raise ValueError
    return text


def _add_run_or_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|CFG", type=Path, help="a run's folder, or its YAML config")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="set one key of the config, such as --set sweep.num=401; may be given again",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="folder of the run folders (default: results) and, with it, of figures/"
    )


def _add_run_arguments(
    parser: argparse.ArgumentParser, default: Path | None = None, example: str = "cfgs/zoom.yaml"
) -> None:
    if default is None:
        text = f"a YAML config, such as {example}, or the folder of a run"
        parser.add_argument("config", metavar="CFG", type=Path, help=text)
    else:
        text = f"a YAML config; without it, the published {default.name}"
        parser.add_argument("config", metavar="CFG", type=Path, nargs="?", default=default, help=text)
    _add_settings(parser)
    parser.add_argument("--jobs", metavar="N", type=int, help="worker processes (default: the cores that we may use)")
    parser.add_argument("--block-size", metavar="N", type=int, help="grid points a block; changes no number")
    parser.add_argument("--dry-run", action="store_true", help="say what would be computed, and write nothing")
    parser.add_argument("--force", action="store_true", help="rename a run that exists to NAME.1, and compute anew")


def _load(path: Path, assignments: Sequence[str], experiments: Sequence[str] = ()) -> "Experiment":
    # Imported late, here and below: --help and --version answer at once.
    from mfattn.experiments import CONFIGS, Schemas, make_experiment
    from mfattn.pipeline.config import load

    return make_experiment(load(path, Schemas(experiments) if experiments else CONFIGS, assignments))


def _run(options: argparse.Namespace) -> None:
    from mfattn.pipeline.executors.local import LocalExecutor

    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs: a whole number above 0, found {options.jobs}")
    _get_computed(options, lambda experiment: LocalExecutor(options.jobs))


def _get_computed(options: argparse.Namespace, executor_for: Callable[["Experiment"], "Executor"]) -> None:
    """Get the run computed that a config, or the folder of a run, names."""
    from mfattn.pipeline.run import Options, run, run_named
    from mfattn.pipeline.runs import Places, open_run

    path, experiment = options.config, None
    if path.is_dir():
        if options.force or options.block_size is not None or options.out is not None:
            raise InputError(f"{path}: --force, --block-size and --out need the run's config in place of its folder")
        chosen = open_run(path, lambda config: _load(config, options.assignments, options.experiments))
        experiment = chosen.experiment
    else:
        experiment = _load(path, options.assignments, options.experiments)
    executor = executor_for(experiment)
    settings = Options(Places(options.out), executor, options.block_size, options.dry_run, options.force)
    if path.is_dir():
        run(chosen, settings)
    else:
        run_named(experiment, path.stem, settings)


def _open_run(options: argparse.Namespace) -> "Run":
    """The run that a folder, or a config with its settings, names."""
    from mfattn.pipeline.runs import Places, new_run, open_run

    if options.run.is_dir():
        run = open_run(options.run, lambda config: _load(config, options.assignments))
        return run if options.out is None else replace(run, figures=Places(options.out).figures)
    return new_run(_load(options.run, options.assignments), options.run.stem, Places(options.out))


def _submit(options: argparse.Namespace) -> None:
    import json

    from mfattn.pipeline.executors.slurm.submit import SlurmExecutor

    for option, _, _ in SLURM_OPTIONS:
        key = option.replace("-", "_")
        value = getattr(options, key)
        if value is not None:
            # A JSON string is a YAML string: a limit of 30 stays text, and a number stays a number.
            text = json.dumps(value) if key in ("partition", "account", "time", "memory") else value
            options.assignments.append(f"slurm.{key}={text}")
    _get_computed(options, lambda experiment: SlurmExecutor(_with_options(experiment, options), options.only_missing))


def _with_options(experiment: "Experiment", options: argparse.Namespace) -> "SlurmConfig":
    """The config's settings of the cluster, and the further options of sbatch on the command line."""
    from pydantic import ValidationError

    from mfattn.pipeline.config import SlurmConfig

    settings = experiment.config.slurm
    try:
        return SlurmConfig.model_validate({**settings.model_dump(), "options": (*settings.options, *options.sbatch)})
    except ValidationError:
        found = " ".join(options.sbatch)
        raise InputError(f"--sbatch: text such as '--constraint=avx512', found {found!r}") from None


def _status(options: argparse.Namespace) -> None:
    from mfattn.pipeline.status import show_status, watch_status

    if options.watch is None:
        show_status(_open_run(options))
    else:
        watch_status(_open_run(options), max(options.watch, 1.0))


def _collect(options: argparse.Namespace) -> None:
    from mfattn.pipeline.collect import collect_what_is_there

    collect_what_is_there(_open_run(options), partial=options.partial, patience=options.wait)


def _plot(options: argparse.Namespace) -> None:
    from mfattn.pipeline.collect import complete_result, draw_result

    run = _open_run(options)
    run.check_writable()
    draw_result(run, complete_result(run))


def _report(options: argparse.Namespace) -> None:
    from mfattn.pipeline.report import write_report

    write_report(_open_run(options), options.output)


def _export(options: argparse.Namespace) -> None:
    from mfattn.pipeline.collect import complete_result
    from mfattn.pipeline.export import csv_lines, write_csv

    run = _open_run(options)
    lines = csv_lines(run.experiment, complete_result(run), options.table)
    if options.output is not None:
        write_csv(options.output, lines)
        return
    for text in lines:
        sys.stdout.write(text)


def _hash(options: argparse.Namespace) -> None:
    from mfattn.pipeline.folder import RunFolder
    from mfattn.pipeline.store import InvalidFile, read_arrays, result_hash

    if not options.run.is_dir():
        raise InputError(f"{options.run}: hash takes the folder of a run, as mfattn list shows it")
    result = RunFolder(options.run).result
    try:
        print(result_hash(read_arrays(result)))
    except InvalidFile as error:
        raise InputError(f"{result}: {error}") from None


def _list(options: argparse.Namespace) -> None:
    from mfattn.pipeline.housekeeping import list_runs
    from mfattn.pipeline.runs import Places

    results = Places(options.out).results
    lines = list(list_runs(results))
    print("\n".join(lines) if lines else f"no runs in {results}")


def _clean(options: argparse.Namespace) -> None:
    from mfattn.pipeline.housekeeping import orphans
    from mfattn.pipeline.messages import counted, say
    from mfattn.pipeline.runs import Places

    places = Places(options.out)
    found = list(orphans(places.results, places.figures))
    for path in found:
        say("found" if options.dry_run else "removed", str(path))
        if not options.dry_run:
            path.unlink(missing_ok=True)
    say("clean", f"{counted(len(found), 'orphan')}{' would be removed' if options.dry_run else ''}")


def _element(options: argparse.Namespace) -> None:
    from mfattn.pipeline.executors.slurm.job import run_element

    run = _open_folder(options.run)
    run_element(run, run.folder.submissions / options.submission, options.index)


def _chain(options: argparse.Namespace) -> None:
    from mfattn.pipeline.executors.slurm.job import run_chain

    run = _open_folder(options.run)
    run_chain(run, run.folder.submissions / options.submission, options.index)


def _open_folder(path: Path) -> "Run":
    from mfattn.pipeline.runs import open_run

    return open_run(path, lambda config: _load(config, ()))


def _check(options: argparse.Namespace) -> None:
    from mfattn.experiments import CONFIGS
    from mfattn.pipeline.config import load

    mistakes: list[str] = []
    for path in options.configs:
        try:
            load(path, CONFIGS)
            print(f"{path}: valid")
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(*mistakes)


def _schema(options: argparse.Namespace) -> None:
    import json

    from mfattn.experiments import CONFIGS
    from mfattn.pipeline.reference import markdown

    if options.markdown:
        print(markdown(CONFIGS), end="")
        return
    if options.experiment not in CONFIGS:
        raise InputError(f"EXPERIMENT: one of {', '.join(CONFIGS)}, found '{options.experiment}'")
    print(json.dumps(CONFIGS[options.experiment].model_json_schema(), indent=2))
