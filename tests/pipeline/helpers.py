"""Small runs for the tests of the pipeline."""

import os
import subprocess
import sys
from pathlib import Path

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.pipeline.config import load
from mfattn.pipeline.experiment import Experiment

SMALL = ("sweep.num=70", "steps.transient=300", "steps.record=400", "observe.raster.bins=50")
"""Assignments that make cfgs/smoke.yaml a run of some milliseconds."""


def small_experiment(root: Path, *assignments: str) -> Experiment:
    """The smoke run, made smaller still."""
    return make_experiment(load(root / "cfgs" / "smoke.yaml", CONFIGS, [*SMALL, *assignments]))


def command(root: Path, *arguments: object) -> list[str]:
    """Command line of `mfattn` with the interpreter that runs the tests."""
    return [sys.executable, "-m", "mfattn", *map(str, arguments)]


def run_command(root: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `mfattn` to its end."""
    environment = {**os.environ, **environment}
    return subprocess.run(
        command(root, *arguments), capture_output=True, text=True, cwd=root, env=environment, timeout=300
    )


def small_arguments(root: Path, out: Path, *more: object) -> list[object]:
    """Arguments of `mfattn run` for the small run."""
    settings = [word for assignment in SMALL for word in ("--set", assignment)]
    return ["run", root / "cfgs" / "smoke.yaml", "--out", out, *settings, *more]
