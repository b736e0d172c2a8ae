"""Wall time and memory of whole commands at full published size, compilation and figure included.

python benchmarks/whole_run.py
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def timed(label: str, cache: Path, out: Path, *arguments: str) -> None:
    """Run `mfattn run` and print its wall time and the largest memory of a process so far."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "MPLBACKEND": "Agg"}
    words = [sys.executable, "-m", "mfattn", "run", *arguments, "--out", str(out)]
    start = time.perf_counter()
    subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{label:<40} {seconds:>6.1f} s   {memory:.2f} GiB at most so far", flush=True)


def main() -> None:
    zoom, full = str(ROOT / "cfgs" / "zoom.yaml"), str(ROOT / "cfgs" / "full.yaml")
    print(f"{len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory() as folder:
        cache, out = Path(folder) / "cache", Path(folder) / "out"
        timed("zoom.yaml, nothing compiled", cache, out, zoom)
        timed("zoom.yaml, the same command again", cache, out, zoom)
        timed("zoom.yaml, --force, compiled before", cache, out, zoom, "--force")
        timed("full.yaml, compiled before", cache, out, full)
        timed("full.yaml, the same command again", cache, out, full)


if __name__ == "__main__":
    main()
