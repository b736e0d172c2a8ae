"""Overview of the runs on disk, and removal of what no run needs."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from mfattn.pipeline.plan import Plan
from mfattn.pipeline.runs import find_runs

OLD_SECONDS = 3600.0
"""Age from which a temporary file of another host is an orphan: no write takes so long."""


def list_runs(results: Path) -> Iterator[str]:
    """A line for each run below RESULTS: its folder, how it stands, its size and its age."""
    for path in find_runs(results):
        files = list(_stats(path))
        size = sum(file.st_size for file in files) / 2**20
        latest = max((file.st_mtime for file in files), default=0.0)
        changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(latest))
        yield f"{path!s:<48} {_state(path):<16} {size:>9,.1f} MB   {changed}"


def _stats(folder: Path) -> Iterator[os.stat_result]:
    """Size and times of all files in a folder, but for those that vanish meanwhile, as temporary ones do."""
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                yield path.stat()


def _state(path: Path) -> str:
    """How a run stands, by the names of its files."""
    if (path / "result.npz").exists():
        return "complete"
    done = len(list((path / "blocks").glob("*.npz")))
    try:
        plan = Plan.from_json((path / "plan.json").read_text())
    except (OSError, ValueError, TypeError, RecursionError):
        return "without a plan"
    return f"{done:,}/{plan.blocks:,} blocks"


def orphans(results: Path, figures: Path) -> Iterator[Path]:
    """Files that no run needs: temporary files of writers that are gone, and damaged files that were set aside."""
    for run in find_runs(results):
        for path in sorted(run.rglob("*")):
            if path.is_file() and (_is_abandoned(path) or ".bad" in path.suffixes):
                yield path
    yield from (path for path in sorted(figures.glob(".*.tmp")) if _is_abandoned(path))


def _is_abandoned(path: Path) -> bool:
    """Whether a file is a temporary one (.NAME.HOST.PID.RANDOM.tmp) of a process that does not write it any more."""
    if not (path.name.startswith(".") and path.suffix == ".tmp"):
        return False
    parts = path.name.split(".")
    host, process = ".".join(parts[3:-3]), parts[-3]
    if host == socket.gethostname() and process.isdigit():
        return not _is_alive(int(process))
    try:
        return time.time() - path.stat().st_mtime > OLD_SECONDS
    except FileNotFoundError:
        return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
