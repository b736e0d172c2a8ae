"""Where a result came from: program, versions, machine and times. Never kills a run: what is unknown reads null."""

import hashlib
import os
import platform
import socket
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

VECTOR_UNITS = ("sse4_2", "avx2", "fma", "avx512f", "asimd", "sve")

DISTRIBUTIONS = ("mfattn", "numpy", "scipy", "numba", "llvmlite", "matplotlib")
EXTRAS = ("scikit-learn", "torch", "transformers")


def program() -> dict[str, Any]:
    """Versions and git state of the program; taken once, when a run starts."""
    versions = {name: _version(name) for name in (*DISTRIBUTIONS, *EXTRAS)}
    installed = {name: version for name, version in versions.items() if version or name not in EXTRAS}
    return {
        "versions": {"python": platform.python_version()} | installed,
        "git": _git_state(),
    }


def machine() -> dict[str, Any]:
    """Host and processor that compute a block."""
    return {
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "processor": _cpu_line("model name") or platform.processor() or None,
        "vector_units": _vector_units(),
        "numba_cpu": os.environ.get("NUMBA_CPU_NAME"),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "slurm_array": os.environ.get("SLURM_ARRAY_JOB_ID"),
        "slurm_task": os.environ.get("SLURM_ARRAY_TASK_ID"),
        "slurm_restarts": os.environ.get("SLURM_RESTART_COUNT"),
    }


def now() -> str:
    """Present time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    """Revision of the checkout that the package runs from, and the hash of what differs from it."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout

    try:
        # An installed package may lie inside somebody else's repository.
        git("ls-files", "--error-unmatch", Path(__file__).name)
        difference = git("diff", "HEAD")
        return {
            "describe": git("describe", "--always", "--dirty", "--tags").decode().strip(),
            "revision": git("rev-parse", "HEAD").decode().strip(),
            "difference": hashlib.sha256(difference).hexdigest() if difference else None,
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _vector_units() -> str | None:
    """Vector instructions of the processor that a compiler may choose between."""
    flags = (_cpu_line("flags") or _cpu_line("Features") or "").split()
    return " ".join(flag for flag in VECTOR_UNITS if flag in flags) or None


def _cpu_line(name: str) -> str | None:
    """A line of what the system tells about its processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
