"""What it costs to manage many blocks: python benchmarks/scheduling.py [--blocks 10000].

A run of as many blocks, each of one point and a few steps; times of whole commands, and as a floor the time that it
takes to read the same files once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (
    "lyapunov=null",
    "steps={transient: 10, record: 10}",
    "figure={}",
    "observe={observables: [attention], features: [1], raster: {bins: 10}}",
)


def timed(out: Path, blocks: int, command: str, *words: str) -> float:
    """Seconds of a command of `mfattn` about the run."""
    settings = [word for setting in (f"sweep.num={blocks}", *SETTINGS) for word in ("--set", setting)]
    config = str(ROOT / "cfgs" / "smoke.yaml")
    start = time.perf_counter()
    line = [sys.executable, "-m", "mfattn", command, config, *settings, "--out", str(out), *words]
    done = subprocess.run(line, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    print(f"{command + ' ' + ' '.join(words):<40} {seconds:8.2f} s   status {done.returncode}", flush=True)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description="Time what it costs to manage many blocks.")
    parser.add_argument("--blocks", type=int, default=10_000, help="their number (default: 10,000)")
    blocks = parser.parse_args().blocks
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        timed(out, blocks, "run", "--dry-run", "--block-size", "1")
        timed(out, blocks, "submit", "--dry-run", "--block-size", "1")
        computed = timed(out, blocks, "run", "--block-size", "1", "--jobs", "1")
        (run,) = [path.parent for path in out.glob("*/run.json")]
        (run / "result.npz").unlink()
        status = timed(out, blocks, "status")
        collect = timed(out, blocks, "collect")
        start = time.perf_counter()
        size = sum(len(path.read_bytes()) for path in (run / "blocks").iterdir())
        floor = time.perf_counter() - start
        print(f"reading the {blocks:,} files once ({size / 2**20:.0f} MB) {floor:8.2f} s")
        ratios = f"status {status / floor:.1f}, collect {collect / floor:.1f} times that"
        print(f"{ratios}; computing {1e3 * computed / blocks:.1f} ms a block")
    return 0


if __name__ == "__main__":
    sys.exit(main())
