"""The command line and the scripts."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys

import numpy as np
import pytest

from mfattn import __version__
from mfattn.cli import main

from .pipeline.helpers import run_command, small_arguments

SIZES = ("--set", "steps.transient=100", "--set", "steps.record=100")


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["check", "--help"], ["plot", "--help"], ["--version"]]
)
def test_help_and_version(root, words):
    process = run_command(root, *words)
    assert process.returncode == 0
    assert process.stdout.strip()


def test_version_is_the_packages(root):
    assert run_command(root, "--version").stdout.strip() == f"mfattn {__version__}"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["run"], ["run", "x.yaml", "--jobs", "two"]])
def test_wrong_usage_is_exit_2(root, words):
    process = run_command(root, *words)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr


def test_help_needs_no_heavy_import(root):
    code = "import sys; from mfattn.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "import json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(process.stderr))
    assert not modules & {"numpy", "numba", "pydantic", "matplotlib", "yaml", "loky"}


def test_the_numerical_modules_need_no_yaml_plots_or_processes(root):
    code = "import sys, json, mfattn.meanfield; print(json.dumps(sorted(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(process.stdout))
    assert not modules & {"numba", "pydantic", "matplotlib", "yaml", "loky", "tqdm"}


@pytest.mark.parametrize("bad", ["typo", "missing", "folder", "set"])
def test_bad_input_is_exit_2_with_nothing_written(root, tmp_path, capsys, bad):
    config = tmp_path / "c.yaml"
    config.write_text((root / "cfgs" / "smoke.yaml").read_text().replace("num: 201", "nun: 201"))
    (tmp_path / "file").write_text("")
    smoke = str(root / "cfgs" / "smoke.yaml")
    words = {
        "typo": [str(config), "--out", str(tmp_path / "out")],
        "missing": [str(tmp_path / "none.yaml"), "--out", str(tmp_path / "out")],
        "folder": [smoke, "--out", str(tmp_path / "file" / "below")],
        "set": [smoke, "--set", "sweep.nmu=3", "--out", str(tmp_path / "out")],
    }[bad]
    assert main(["run", *words]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml", "file"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1


def test_check_names_the_valid_and_the_mistakes(root, tmp_path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text("experiment: nothing")
    assert main(["check", str(root / "cfgs" / "smoke.yaml"), str(config)]) == 2
    output = capsys.readouterr()
    assert "smoke.yaml: valid" in output.out
    assert output.err.startswith(f"{config}:1:13: experiment: one of")


def test_schema_is_json_that_names_every_section(capsys):
    assert main(["schema", "bifurcation"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"model", "start", "sweep", "steps", "observe", "figure"} <= schema["properties"].keys()
    assert main(["schema", "nothing"]) == 2


def test_hash_is_the_one_that_run_prints(root, tmp_path, capsys):
    assert main(list(map(str, small_arguments(root, tmp_path, "--jobs", 1)))) == 0
    printed = re.search(r"^hash +(\w+)$", capsys.readouterr().out, re.MULTILINE)[1]
    (folder,) = tmp_path.glob("smoke-*")
    assert main(["hash", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == printed
    assert main(["hash", str(tmp_path)]) == 2


def test_scripts_take_their_own_experiment_only(root, tmp_path):
    words = [sys.executable, "scripts/trajectory.py", "cfgs/smoke.yaml", "--out", str(tmp_path / "out")]
    process = subprocess.run(words, capture_output=True, text=True, cwd=root)
    assert process.returncode == 2
    assert "experiment: one of trajectory, found 'bifurcation' (text)" in process.stderr
    assert not list(tmp_path.iterdir())


def test_the_trajectory_script_makes_the_published_ones_by_itself(root, tmp_path):
    words = [sys.executable, str(root / "scripts" / "trajectory.py"), "--out", str(tmp_path), *SIZES]
    process = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    (folder,) = tmp_path.glob("trajectory-*")
    with np.load(folder / "result.npz") as result:
        for name in ("attention", "overlap_o", "overlap_o_semantic", "overlap_v", "overlap_q", "overlap_k"):
            assert result[name].shape == (7, 100, 3)
        assert result["beta"].tolist() == [1.255, 1.26405, 1.26451, 1.266, 1.27, 1.28, 1.4]
    assert (tmp_path / "figures" / "trajectory_beta1.26405.png").exists()


def test_reference_figures_are_made_with_a_table_of_their_commands(root, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reference_figures.py"])
    script = runpy.run_path(str(root / "scripts" / "reference_figures.py"))
    script["main"].__globals__.update(CONFIG_NAMES=("smoke",), REFERENCE=tmp_path)
    assert script["main"]() == 0
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "smoke.png", "smoke_exponents.png"}
    table = (tmp_path / "README.md").read_text()
    assert "`python scripts/bifurcation.py cfgs/smoke.yaml`" in table and "[smoke](smoke.png)" in table


def test_every_reference_figure_is_in_their_table(root):
    reference = root / "figures" / "reference"
    table = (reference / "README.md").read_text()
    assert all(f"({picture.name})" in table for picture in reference.glob("*.png"))


def test_the_config_reference_is_made_from_the_schema(root, capsys):
    assert main(["schema", "--markdown"]) == 0
    assert capsys.readouterr().out == (root / "docs" / "configuration.md").read_text(), (
        "docs/configuration.md is old: mfattn schema --markdown > docs/configuration.md"
    )


def test_a_command_computes_on_one_thread(root):
    code = "import sys, mfattn.cli; assert 'numpy' not in sys.modules; import scipy.linalg, threadpoolctl as pools; "
    code += "assert {pool['num_threads'] for pool in pools.threadpool_info()} == {1}"
    threads = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    process = subprocess.run([sys.executable, "-c", code], env=os.environ | threads, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


STEPS = "steps={transient: 50, record: 50}"
SMALL_RUNS = {
    "continuation": ("sweep.num=5", "chain.steps=50", "steps.record=50", "lyapunov.exponents=2"),
    "phase_diagram": (STEPS, "plane.x.num=4", "plane.y.num=3"),
    "census": (STEPS, "sweep.num=2", "starts.number=3"),
    "escape": ("starts.number=2", "saddle={window: 100, fit_from: 0, limit: 1000}"),
    "trajectory": (STEPS, "sweep.values=[1.0]"),
    "finite_size": (STEPS, "network.replicas=2", "follow={steps: 50, forget: 10, window: 20}"),
    "sdm_softmax": ("bits=[64]", "fractions=[1.0e-8]"),
    "sdm_temperature": ("radii.step=10",),
    "sdm_vary_radius": ("sweep.grid.num=5",),
    "sdm_kanerva": ("memories=[{memory: neurons, radii: [451], neurons: 1000}]", "patterns.number=256"),
    "sdm_digits": ("memories=[{memory: infinite, radii: [5]}]",),
    "sdm_memories": ("memories=[{memory: infinite, radii: [5]}, {memory: hopfield}]", "draws=1"),
    "sdm_projections": (
        *("radii=[2]", "initialisations=1", "training.number=60", "test.number=30", "learning.epochs=2"),
        "evaluation={flips: [0, 8], queries: 5}",
    ),
    "paths_kernels": ("widths=[100]", "task.test_per_class=1"),
    "paths_ablation": ("widths=[300]", "task.test_per_class=20"),
    "paths_width_law": ("widths=[4, 6, 8]", "instances=1", "posterior.draws=256"),
    "paths_images_random": (
        "task.characters={source: generated, alphabets: 3, unseen: 1, characters: 3, drawings: 4}",
        *("task.encoding={side: 16, patch: 8, channels: 1}", "task.examples=24", "task.test_examples=40"),
        *("widths=[6]", "temperatures=[0.2]", "pruning=~"),
    ),
    "paths_": ("posterior=~", "widths=[100]", "figure={}", "task.test_per_class=20"),
    "": (STEPS, "sweep.num=20"),
}
"""Settings by which a command of the README becomes quick."""


def readme_commands(root):
    """Commands of the README that run a config."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(mfattn|python scripts/)", line)]


@pytest.mark.parametrize("of", ["sdm", "paths", "others"])
def test_every_command_of_the_readme_runs(root, tmp_path, of):
    """Those of the scripts for one theory by themselves, the others one after the other."""
    commands = [
        line for line in readme_commands(root) if (re.findall(r"scripts/(sdm|paths)\.py", line) or ["others"])[0] == of
    ]
    assert len(commands) > 1
    for line in commands:
        words = shlex.split(line, comments=True)
        words[:1] = [sys.executable, "-m", "mfattn"] if words[0] == "mfattn" else [sys.executable]
        if {"run", "plot", "report", "export"} & set(words) or "scripts/" in line:
            small = next(sizes for name, sizes in SMALL_RUNS.items() if name in line)
            words += ["--out", str(tmp_path), *(word for size in small for word in ("--set", size))]
        words = [str(tmp_path / word) if word == "smoke.csv" else word for word in words]
        process = subprocess.run(words, capture_output=True, text=True, cwd=root)
        assert process.returncode == 0, f"{line}\n{process.stderr}"


def test_the_readmes_python_runs(root):
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert blocks
    code = "import matplotlib; matplotlib.use('Agg')\n" + "".join(blocks).replace("100_000", "1_000")
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert process.returncode == 0, process.stderr
