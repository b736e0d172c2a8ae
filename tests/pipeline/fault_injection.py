"""Faults of every kind against a running sweep, counted: ``python tests/pipeline/fault_injection.py --times 100``.

Whatever is done to a run, it must end in the same bits, and what was finished before must not be computed again.
"""

import argparse
import collections
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = ("sweep.num=70", "steps.transient=1000", "steps.record=400", "observe.raster.bins=50", "lyapunov=null")
"""A sweep of 35 blocks, each of some milliseconds."""

Counts = collections.Counter[str]


class Sweep:
    """A small run in a folder of its own."""

    def __init__(self, out: Path, *settings: str, transient: int = 1000) -> None:
        self.out = out
        self.config = out / "small.yaml"
        out.mkdir(parents=True, exist_ok=True)
        self.config.write_bytes((ROOT / "cfgs" / "smoke.yaml").read_bytes())
        chosen = (*SETTINGS, f"steps.transient={transient}", *settings)
        self.arguments = [str(self.config), *(word for setting in chosen for word in ("--set", setting))]
        self.arguments += ["--out", str(out), "--block-size", "2"]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return next(path.parent for path in self.out.glob("*/plan.json"))

    def command(self, *words: str) -> list[str]:
        """The command line of the whole run."""
        return [sys.executable, "-m", "mfattn", "run", *self.arguments, *words]

    def start(self, *words: str, **more: object) -> subprocess.Popen[str]:
        """The run as a process in a group of its own."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        return subprocess.Popen(self.command(*words), **{**pipes, **more})

    def finish(self) -> tuple[int, str]:
        """Run it to its end in this process; returns the exit status and what it said."""
        from mfattn.cli import main

        said = io.StringIO()
        said.reconfigure = lambda **_: None  # type: ignore[attr-defined]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(["run", *self.arguments, "--jobs", "1"])
        return status, said.getvalue()

    def hash(self) -> str:
        """Hash of the result."""
        from mfattn.pipeline.store import read_arrays, result_hash

        return result_hash(read_arrays(self.folder / "result.npz"))

    def blocks(self) -> dict[Path, int]:
        """Blocks on disk, and when they were written."""
        return {path: path.stat().st_mtime_ns for path in self.out.glob("*/blocks/*.npz")}


def expected_hash(work: Path, **more: int) -> str:
    """Hash of a run to which nothing happens."""
    sweep = Sweep(work / "undisturbed", **more)
    assert sweep.finish()[0] == 0
    digest = sweep.hash()
    shutil.rmtree(sweep.out)
    return digest


def kills(work: Path, times: int, chance: random.Random) -> Counts:
    """SIGKILL at random moments of a run, which is begun anew whenever it completes."""
    counts, slow = Counts(), 300_000
    expected, number = expected_hash(work, transient=slow), 0
    sweep = Sweep(work / "kills0", transient=slow)
    for _ in range(times):
        before = sweep.blocks()
        process = sweep.start("--jobs", "2")
        end = time.monotonic() + chance.uniform(0.0, 4.0)
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            counts["killed"] += 1
        process.communicate()
        after = sweep.blocks()
        counts["blocks lost"] += len(before.keys() - after.keys())
        counts["blocks computed twice"] += sum(before[path] != after[path] for path in before.keys() & after.keys())
        if process.returncode == 0:
            counts["completed between kills"] += 1
            counts["wrong hashes"] += sweep.hash() != expected
            number += 1
            sweep = Sweep(work / f"kills{number}", transient=slow)
    status, said = sweep.finish()
    counts["torn blocks found"] += said.count("renamed")
    counts["wrong hashes"] += status != 0 or sweep.hash() != expected
    return counts


def damage(work: Path, times: int, chance: random.Random, harm: Callable[[bytearray, random.Random], bytes]) -> Counts:
    """A file of the run damaged while nothing runs; every other time the result is gone too."""
    counts, expected = Counts(), expected_hash(work)
    sweep = Sweep(work / harm.__name__)
    sweep.finish()
    for number in range(times):
        if number % 2:
            (sweep.folder / "result.npz").unlink()
        kinds: dict[str, list[Path]] = {}
        for path in sorted(path for path in sweep.folder.rglob("*") if path.is_file() and ".bad" not in path.name):
            kinds.setdefault("blocks" if path.parent.name == "blocks" else path.name, []).append(path)
        # Every kind of file as often; of the blocks, which are many, half of all.
        kind = chance.choice([*kinds, *["blocks"] * (len(kinds) - 2)])
        path = chance.choice(kinds[kind])
        content = path.read_bytes()
        path.write_bytes(harm(bytearray(content), chance))
        status, said = sweep.finish()
        counts[f"in {kind}"] += 1
        counts["found and renamed"] += "renamed" in said
        counts["failed"] += status != 0
        counts["wrong hashes"] += sweep.hash() != expected
    return counts


def flipped(content: bytearray, chance: random.Random) -> bytes:
    """CONTENT with one bit flipped."""
    bit = chance.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def truncated(content: bytearray, chance: random.Random) -> bytes:
    """CONTENT cut off at a random place."""
    return bytes(content[: chance.randrange(len(content))])


def full_disk(work: Path, times: int, chance: random.Random) -> Counts:
    """A limit on the size of files at random, as a full disk sets it; then the same without."""
    counts, expected = Counts(), expected_hash(work)
    for number in range(times):
        sweep = Sweep(work / f"full{number}")
        limit = chance.randrange(100, 60_000)
        process = sweep.start(
            "--jobs", "1", preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        _, errors = process.communicate()
        counts["stopped"] += process.returncode == 1
        counts["more than a line"] += sum("steps" not in line for line in errors.splitlines()) > 1
        counts["temporary files left"] += len(list(sweep.out.rglob("*.tmp")))
        status, said = sweep.finish()
        counts["torn files found"] += said.count("renamed")
        counts["wrong hashes"] += status != 0 or sweep.hash() != expected
        shutil.rmtree(sweep.out)
    return counts


def small_disk(work: Path, times: int, chance: random.Random) -> Counts:
    """A file system that is really full, where one may be mounted."""
    counts, expected = Counts(), expected_hash(work)
    place = work / "disk"
    place.mkdir()
    for _ in range(times):
        size = chance.randrange(40, 400)
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place], capture_output=True
        ).returncode:
            return Counts({"not allowed to mount": 1})
        try:
            sweep = Sweep(place / "out")
            process = sweep.start("--jobs", "1")
            process.communicate()
            counts["stopped"] += process.returncode == 1
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            status, said = sweep.finish()
            counts["torn files found"] += said.count("renamed")
            counts["wrong hashes"] += status != 0 or sweep.hash() != expected
        finally:
            subprocess.run(["umount", place], check=True)
    return counts


def read_only(work: Path, times: int, chance: random.Random) -> Counts:
    """A results folder that cannot be made: below a file, and in places where nobody may write."""
    counts = Counts()
    file = work / "file"
    file.write_text("")
    for place in (file / "below", Path("/proc/mfattn"), Path("/sys/mfattn")):
        sweep = Sweep(work / "config")
        words = [str(place) if word == str(sweep.out) else word for word in sweep.command()]
        done = subprocess.run(words, capture_output=True, text=True)
        counts["refused"] += done.returncode == 2 and "Traceback" not in done.stderr
        counts["else"] += done.returncode != 2
    return counts


def twins(work: Path, times: int, chance: random.Random) -> Counts:
    """Two identical commands at once."""
    counts, expected = Counts(), expected_hash(work)
    for number in range(max(1, times // 10)):
        sweep = Sweep(work / f"twins{number}")
        processes = [sweep.start("--jobs", "2") for _ in range(2)]
        for process in processes:
            process.communicate()
        counts["pairs"] += 1
        counts["failed"] += sum(process.returncode != 0 for process in processes)
        counts["wrong hashes"] += sweep.hash() != expected
    return counts


def strangers(work: Path, times: int, chance: random.Random) -> Counts:
    """A block of another run, or of another range, copied in."""
    counts, expected = Counts(), expected_hash(work)
    sweep, other = Sweep(work / "own"), Sweep(work / "other", "model.epsilon=0.03")
    sweep.finish()
    other.finish()
    for _ in range(max(1, times // 10)):
        source = chance.choice(sorted((chance.choice([sweep, other]).folder / "blocks").glob("*.npz")))
        target = chance.choice([path for path in sorted(sweep.blocks()) if path != source])
        shutil.copy(source, target)
        (sweep.folder / "result.npz").unlink()
        _, said = sweep.finish()
        counts["copied in"] += 1
        counts["found and renamed"] += "renamed" in said
        counts["wrong hashes"] += sweep.hash() != expected
    return counts


def edited_config(work: Path, times: int, chance: random.Random) -> Counts:
    """The config edited while half of the blocks are there: the run's folder goes on as it was begun."""
    from mfattn.cli import main

    counts, expected = Counts(), expected_hash(work)
    sweep = Sweep(work / "edited")
    sweep.finish()
    (sweep.folder / "result.npz").unlink()
    sweep.config.write_text(sweep.config.read_text().replace("epsilon: 0.02", "epsilon: 0.03"))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        said.reconfigure = lambda **_: None  # type: ignore[attr-defined]
        counts["failed"] += main(["collect", str(sweep.folder)]) != 0
    counts["collected"] += 1
    counts["wrong hashes"] += sweep.hash() != expected
    return counts


def clock_back(work: Path, times: int, chance: random.Random) -> Counts:
    """The clock a year back for the second half of the blocks."""
    counts, expected = Counts(), expected_hash(work)
    sweep = Sweep(work / "clock")
    sweep.finish()
    (sweep.folder / "result.npz").unlink()
    for path in sorted(sweep.blocks())[::2]:
        path.unlink()
    year = 365 * 86400
    for path in sweep.folder.rglob("*"):
        os.utime(path, (time.time() + year, time.time() + year))
    real = time.time
    time.time = lambda: real() - year
    try:
        status, said = sweep.finish()
    finally:
        time.time = real
    counts["failed"] += status != 0
    counts["blocks computed again"] += said.count("block ")
    counts["wrong hashes"] += sweep.hash() != expected
    return counts


FAULTS: dict[str, Callable[[Path, int, random.Random], Counts]] = {
    "SIGKILL at random moments": kills,
    "bits flipped": lambda work, times, chance: damage(work, times, chance, flipped),
    "files truncated": lambda work, times, chance: damage(work, times, chance, truncated),
    "disk full (file size limit)": full_disk,
    "disk full (small file system)": small_disk,
    "read-only folders": read_only,
    "two identical commands at once": twins,
    "blocks of another run copied in": strangers,
    "config edited before collecting": edited_config,
    "clock set back": clock_back,
}

HARM = {
    "failed",
    "wrong hashes",
    "blocks lost",
    "blocks computed twice",
    "more than a line",
    "else",
    "temporary files left",
}
"""Counts that must be zero."""


def inject(words: list[str], times: int, seed: int) -> Iterator[tuple[str, Counts]]:
    """Each kind of fault whose name has one of WORDS in it, or each, and what came of it."""
    for name, fault in FAULTS.items():
        if words and not any(word in name for word in words):
            continue
        with tempfile.TemporaryDirectory() as work:
            yield name, fault(Path(work), times, random.Random(seed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", metavar="WORD", nargs="*", help="only kinds whose names have a word in them")
    parser.add_argument("--times", type=int, default=100, help="faults of each kind (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments and places")
    options = parser.parse_args()
    harm = 0
    for name, counts in inject(options.faults, options.times, options.seed):
        print(f"{name:<34} {', '.join(f'{what} {count}' for what, count in counts.items())}", flush=True)
        harm += sum(count for what, count in counts.items() if what in HARM)
    print(f"harm done: {harm}")
    return 1 if harm else 0


if __name__ == "__main__":
    sys.exit(main())
