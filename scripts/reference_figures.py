"""Make all published figures, and small copies in figures/reference: python scripts/reference_figures.py."""

import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import PipelineError
from mfattn.pipeline.executors.local import available_cores
from mfattn.pipeline.messages import say
from mfattn.pipeline.run import Options, run_named
from mfattn.pipeline.runs import Places

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "figures" / "reference"
CONFIG_NAMES = (
    "zoom",
    "full",
    "zoom2",
    "random_weights",
    "phase_diagram",
    "trajectory",
    "trajectory_p5",
    "census",
    "escape",
    "continuation",
    "continuation_zoom",
    "continuation_zoom2",
    "continuation_p5",
    "continuation_p5_zoom",
    "continuation_p5_zoom2",
)
SCALE = 0.45
"""Size of a small copy."""

INTRODUCTION = """\
Small copies of the published figures of the mean-field dynamics, as we make them: `python scripts/reference_figures.py`
makes them all anew, and this table. Times are of whole runs on {cores} cores, the figures included.

| config | figures | command | time |
|---|---|---|---|
"""


def make(name: str, out: Path) -> str:
    """Run one config, copy its figures, and return its row of the table."""
    experiment = make_experiment(load(ROOT / "cfgs" / f"{name}.yaml", CONFIGS))
    start = time.perf_counter()
    run_named(experiment, name, Options(Places(out)))
    seconds = time.perf_counter() - start
    pictures = sorted((out / "figures").glob("*.png"))
    for picture in pictures:
        with Image.open(picture) as image:
            size = (round(SCALE * image.width), round(SCALE * image.height))
            small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            # The octree keeps the few saturated colours that a legend names.
            palette = small.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
            palette.save(REFERENCE / picture.name, optimize=True)
    figures = ", ".join(f"[{picture.stem}]({picture.name})" for picture in pictures)
    script = f"scripts/{experiment.config.experiment}.py"
    return f"| `cfgs/{name}.yaml` | {figures} | `python {script} cfgs/{name}.yaml` | {seconds:.0f} s |\n"


def main() -> int:
    """Make all figures; returns the exit status."""
    rows = []
    for name in CONFIG_NAMES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append(make(name, Path(folder)))
            except PipelineError as error:
                print(error, file=sys.stderr)
                return error.status
    (REFERENCE / "README.md").write_text(INTRODUCTION.format(cores=available_cores()) + "".join(rows))
    say("written", str(REFERENCE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
