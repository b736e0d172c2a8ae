"""The command `mfattn`, and the scripts that are its single experiments."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mfattn import __version__
from mfattn.pipeline.errors import COMPLETE, FAILED, STOPPED, InputError, PipelineError

if TYPE_CHECKING:
    from mfattn.pipeline.experiment import Experiment

RUN_EPILOG = """\
exit status:
  0   complete
  1   failed while running; finished blocks are kept, run again to go on
  2   bad config, option or folder; nothing was written
  75  stopped by a signal; run again to go on

A run's folder is DIR/NAME-HASH, with NAME from the config's file name and HASH from everything that changes its
numbers. The same command again computes nothing that is done; it goes on where a stopped run ended.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return _reporting(_command_parser().parse_args(arguments))


def script(experiment: str, default: Path | None = None) -> int:
    """Run `scripts/NAME.py`: one experiment from one config, which may be left out if there is a DEFAULT."""
    parser = argparse.ArgumentParser(
        description=f"Run the {experiment.replace('_', ' ')} that a config describes and draw its figure.",
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run_arguments(parser, default)
    parser.set_defaults(action=_run, experiment=experiment)
    return _reporting(parser.parse_args())


def _reporting(options: argparse.Namespace) -> int:
    """Carry out the chosen action; an expected error becomes its message and its status."""
    # A terminal that cannot write a Greek letter shows a question mark.
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
        return STOPPED if options.action is _run else COMPLETE
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

    run = commands.add_parser(
        "run",
        help="compute what a config describes, and draw its figure",
        description="Compute what a config describes, and draw its figure.",
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run_arguments(run)
    run.set_defaults(action=_run, experiment=None)

    check = commands.add_parser("check", help="say whether configs are valid, and compute nothing")
    check.add_argument("configs", metavar="CFG", nargs="+", type=Path, help="a YAML config")
    check.set_defaults(action=_check)

    plot = commands.add_parser("plot", help="draw the figure of a finished run again, with the config's figure section")
    _add_config_arguments(plot)
    plot.set_defaults(action=_plot, experiment=None)

    digest = commands.add_parser("hash", help="print the hash of a finished run's result")
    digest.add_argument("run", metavar="RUN", type=Path, help="a run's folder")
    digest.set_defaults(action=_hash)

    schema = commands.add_parser("schema", help="print the JSON Schema of an experiment's configs, for editors")
    form = schema.add_mutually_exclusive_group(required=True)
    form.add_argument("experiment", metavar="EXPERIMENT", nargs="?", help="such as bifurcation")
    form.add_argument("--markdown", action="store_true", help="print the reference of all experiments' keys instead")
    schema.set_defaults(action=_schema)
    return parser


def _add_config_arguments(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    if default is None:
        parser.add_argument("config", metavar="CFG", type=Path, help="a YAML config, such as cfgs/zoom.yaml")
    else:
        text = f"a YAML config; without it, the published {default.name}"
        parser.add_argument("config", metavar="CFG", type=Path, nargs="?", default=default, help=text)
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


def _add_run_arguments(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    _add_config_arguments(parser, default)
    parser.add_argument("--jobs", metavar="N", type=int, help="worker processes (default: the cores that we may use)")
    parser.add_argument("--block-size", metavar="N", type=int, help="grid points a block; changes no number")
    parser.add_argument("--dry-run", action="store_true", help="say what would be computed, and write nothing")
    parser.add_argument("--force", action="store_true", help="rename a run that exists to NAME.1, and compute anew")


def _load(options: argparse.Namespace) -> "Experiment":
    # Imported late, here and below: --help and --version answer at once.
    from mfattn.experiments import CONFIGS, make_experiment
    from mfattn.pipeline.config import load

    schemas = CONFIGS if options.experiment is None else {options.experiment: CONFIGS[options.experiment]}
    return make_experiment(load(options.config, schemas, options.assignments))


def _run(options: argparse.Namespace) -> None:
    from mfattn.pipeline.run import Options, run

    chosen = Options(
        out=options.out,
        jobs=options.jobs,
        block_size=options.block_size,
        dry_run=options.dry_run,
        force=options.force,
    )
    run(_load(options), options.config.stem, chosen)


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


def _plot(options: argparse.Namespace) -> None:
    from mfattn.pipeline.run import Options, plot

    plot(_load(options), options.config.stem, Options(out=options.out))


def _hash(options: argparse.Namespace) -> None:
    from mfattn.pipeline.store import InvalidFile, RunFolder, read_arrays, result_hash

    result = RunFolder(options.run).result
    try:
        print(result_hash(read_arrays(result)))
    except InvalidFile as error:
        raise InputError(f"{result}: {error}") from None


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
