"""Make published figures, and small copies in figures/reference: python scripts/reference_figures.py [NAME ...]."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from mfattn.cli import main as command
from mfattn.experiments import CONFIGS, THEORIES
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import PipelineError
from mfattn.pipeline.executors.local import available_cores
from mfattn.pipeline.messages import say

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
    "finite_size",
    "finite_size_law",
    "finite_size_chaos",
    "finite_size_bifurcation",
    "sdm_circles",
    "sdm_circles_64",
    "sdm_softmax",
    "sdm_temperature_64",
    "sdm_temperature_784",
    "sdm_temperature_largest",
    "sdm_bounds",
    "sdm_bounds_64",
    "sdm_optimal_radius_64",
    "sdm_optimal_radius_1000",
    "sdm_capacity",
    "sdm_vary_bits",
    "sdm_vary_radius",
    "sdm_vary_radius_64",
    "sdm_vary_fraction",
    "sdm_vary_patterns",
    "sdm_vary_neurons",
    "sdm_vary_neurons_64",
    "sdm_simulated_64",
    "sdm_recall_1000",
    "sdm_recall_64",
    "sdm_recall_hopfield",
    "sdm_neurons",
    "sdm_variance",
    "sdm_kanerva_table",
    "sdm_designs",
    "sdm_memories",
    "sdm_memories_1000",
    "sdm_kanerva",
    "sdm_digits",
    "sdm_geometry",
    "sdm_projections",
    "sdm_query_key",
    "paths_four_paths",
    "paths_two_paths",
    "paths_random_teacher",
    "paths_kernels",
    "paths_ablation",
    "paths_ablation_two",
    "paths_width_law",
    "paths_temperature",
    "paths_temperature_teacher",
    "paths_minima",
    "paths_narrow",
    "paths_solver_timing",
    "paths_images_random",
    "paths_images",
)
SCRIPTS = {"finite_size_bifurcation": "finite_size"} | {
    name: theory for theory in ("sdm", "paths") for name in THEORIES[theory]
}
"""Scripts of the experiments that have none of their own name."""

SCALE = 0.45
"""Size of a small copy."""

INTRODUCTION = """\
Small copies of the published figures, as we make them: `python scripts/reference_figures.py` makes them all anew, and
this table. Times are of whole runs on {cores} cores, the figures included.

| config | figures | command | time |
|---|---|---|---|
"""


def make(name: str, out: Path) -> str:
    """Run one config, copy its figures, and return its row of the table."""
    path = ROOT / "cfgs" / f"{name}.yaml"
    experiment = load(path, CONFIGS).experiment
    start = time.perf_counter()
    if status := command(["run", str(path), "--out", str(out)]):
        sys.exit(status)
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
    script = f"scripts/{SCRIPTS.get(experiment, experiment)}.py"
    return f"| `cfgs/{name}.yaml` | {figures} | `python {script} cfgs/{name}.yaml` | {seconds:.0f} s |\n"


def kept_rows() -> dict[str, str]:
    """Rows of the table as it is, by the name of the config."""
    lines = (
        (REFERENCE / "README.md").read_text().splitlines(keepends=True) if (REFERENCE / "README.md").exists() else []
    )
    return {name: line for name in CONFIG_NAMES for line in lines if line.startswith(f"| `cfgs/{name}.yaml`")}


def main() -> int:
    """Make the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make published figures, small copies of them, and their table.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="configs, such as zoom (default: all)")
    names = parser.parse_args().names or CONFIG_NAMES
    rows = kept_rows()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows[name] = make(name, Path(folder))
            except PipelineError as error:
                print(error, file=sys.stderr)
                return error.status
    table = "".join(rows[name] for name in CONFIG_NAMES if name in rows)
    (REFERENCE / "README.md").write_text(INTRODUCTION.format(cores=available_cores()) + table)
    say("written", str(REFERENCE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
