"""A real scheduler for the tests, and a run on it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from mfattn.pipeline.store import read_arrays, result_hash

LARGEST_ARRAY = 8
"""The cluster's MaxArraySize, smaller than the number of blocks of some tests."""

SETTINGS = ("slurm.patience=1", "sweep.num=64", "lyapunov=null", "observe.raster.bins=50", "steps.record=1000")
QUICK, SLOW = "steps.transient=300000", "steps.transient=4000000"
"""Blocks of a tenth of a second, and of some seconds."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that was started for the tests."""

    environment: dict[str, str]
    script: Path

    def call(self, *words: object, check: bool = True, **more: object) -> subprocess.CompletedProcess[str]:
        """Run a command with the cluster's settings."""
        done = subprocess.run(
            [str(word) for word in words], env=self.environment, capture_output=True, text=True, timeout=300, **more
        )
        assert not check or done.returncode == 0, f"{shlex.join(done.args)}\n{done.stdout}\n{done.stderr}"
        return done

    def mfattn(self, *words: object, check: bool = True, **more: object) -> subprocess.CompletedProcess[str]:
        """Run the command `mfattn`."""
        return self.call(sys.executable, "-m", "mfattn", *words, check=check, **more)

    def down(self, *words: str) -> None:
        """Stop the cluster, or one node of it."""
        self.call(self.script.with_name("slurm-down"), *words)

    def up(self) -> None:
        """Start what is not running."""
        self.call(self.script)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    script = os.environ.get("MFATTN_SLURM_UP")
    if not script:
        pytest.skip("set MFATTN_SLURM_UP to a script that starts a SLURM, such as tests/slurm/slurm-up (as root)")
    folder = Path(f"/tmp/mfattn-slurm-{os.getpid()}")
    settings = tmp_path_factory.mktemp("slurm") / "extra.conf"
    settings.write_text(f"MaxArraySize={LARGEST_ARRAY}\n")
    environment = {
        **os.environ,
        "MFATTN_SLURM_DIR": str(folder),
        "MFATTN_SLURM_PORT": str(28000 + os.getpid() % 1000 * 4),
        "MFATTN_SLURM_EXTRA": str(settings),
    }
    cluster = Cluster(environment, Path(script).resolve())
    try:
        cluster.up()
        exported = re.search(r"SLURM_CONF=(\S+)", (folder / "env.sh").read_text())
        environment["SLURM_CONF"] = exported[1].strip("'\"")
        yield cluster
    finally:
        cluster.down("--purge")
        shutil.rmtree(folder, ignore_errors=True)


class SubmittedRun:
    """A run of a config, made small, in a folder of its own."""

    def __init__(self, cluster: Cluster, root: Path, out: Path, *settings: str, config: str = "smoke") -> None:
        self.cluster, self.out = cluster, out
        self.config = out / "small.yaml"
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_bytes((root / "cfgs" / f"{config}.yaml").read_bytes())
        common = SETTINGS if config == "smoke" else ()
        self._settings = [word for setting in (*common, *settings) for word in ("--set", setting)]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        (path,) = [file.parent for file in self.out.glob("*/run.json")]
        return path

    @property
    def hash(self) -> str:
        """Hash of its result."""
        return result_hash(read_arrays(self.folder / "result.npz"))

    def submit(self, *words: object, block_size: int = 8) -> str:
        """Submit it in blocks of a size; returns the array's id."""
        arguments = [self.config, *self._settings, "--out", self.out, "--block-size", block_size, *words]
        answer = self.cluster.mfattn("submit", *arguments).stdout
        return re.search(r"array (\d+)", answer)[1]

    def status(self) -> subprocess.CompletedProcess[str]:
        """Its status."""
        return self.cluster.mfattn("status", self.folder, check=False)

    def local_hash(self, out: Path) -> str:
        """Hash of the same run, computed on this machine."""
        self.cluster.mfattn("run", self.config, *self._settings, "--out", out, "--jobs", 1)
        (result,) = out.glob("*/result.npz")
        return result_hash(read_arrays(result))

    def log(self, name: str) -> str:
        """What the jobs wrote whose logs' names contain NAME."""
        return "\n".join(path.read_text() for path in sorted((self.folder / "logs").glob(f"*{name}*")))

    def wait(self, seconds: float = 120) -> None:
        """Until nothing of it is in the queue."""
        self.wait_for(lambda: "nothing of this run" in self.status().stdout or self.is_collected(), seconds)

    def is_collected(self) -> bool:
        """Whether its result is there, and nothing is in the queue any more."""
        return (self.folder / "result.npz").exists() and not self.queue()

    def queue(self) -> str:
        """All jobs of the cluster that are waiting or running."""
        return self.cluster.call("squeue", "--noheader", "--array", "--format=%i %T").stdout

    def wait_for(self, condition, seconds: float = 120) -> None:
        """Until CONDITION holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{self.queue()}\n{self.log('')}"
            time.sleep(0.5)

    def blocks(self) -> int:
        """Blocks on disk."""
        return len(list((self.folder / "blocks").glob("*.npz")))


@pytest.fixture
def submitted(cluster, root, tmp_path):
    """Makes a small run in a folder of the test."""
    yield lambda *settings, **more: SubmittedRun(cluster, root, tmp_path / "out", *settings, **more)
    cluster.call("scancel", "--user=root", check=False)


@pytest.fixture(scope="session")
def quick_hash(cluster, root, tmp_path_factory):
    """Hash of the quick run, computed on this machine."""
    out = tmp_path_factory.mktemp("local")
    return SubmittedRun(cluster, root, out, QUICK).local_hash(out)


@pytest.fixture(scope="session")
def slow_hash(cluster, root, tmp_path_factory):
    """Hash of the slow run, computed on this machine."""
    out = tmp_path_factory.mktemp("local")
    return SubmittedRun(cluster, root, out, SLOW).local_hash(out)
