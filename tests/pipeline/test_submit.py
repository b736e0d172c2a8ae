"""Submission, jobs, status and collection with a make-believe scheduler that runs the real templates at once."""

import json
import math
import os
import re
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.cli import main
from mfattn.pipeline.executors.slurm import scheduler
from mfattn.pipeline.executors.slurm.submission import Submission
from mfattn.pipeline.plan import consecutive, strided
from mfattn.pipeline.store import read_arrays, result_hash

from .helpers import SMALL

FAKE_SBATCH = """#!{python}
import os, pathlib, re, subprocess, sys
state = pathlib.Path({state!r})
words = sys.argv[1:]
(state / "calls").open("a").write(repr(words) + "\\n")
if (state / "refuse").exists():
    sys.exit("sbatch: error: " + (state / "refuse").read_text())
job = str(1 + len((state / "calls").read_text().splitlines()))
script = next(number for number, word in enumerate(words) if word.endswith(".sbatch"))
options = dict(word.partition("=")[::2] for word in words[:script] if "=" in word)
indices = re.match(r"0-(\\d+)", options.get("--array", "") or "-")
for index in range(int(indices[1]) + 1) if indices else [None]:
    environment = {{"PATH": os.environ["PATH"], "SLURM_JOB_ID": job, "SLURM_CPUS_PER_TASK": "1"}}
    if index is not None:
        environment |= {{"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(index)}}
    log = options["--output"].replace("%A", job).replace("%j", job).replace("%a", str(index))
    with open(log.replace("%%", "%"), "a") as file:
        job_words, folder = ["bash", *words[script:]], options["--chdir"]
        done = subprocess.run(job_words, env=environment, cwd=folder, stdout=file, stderr=file)
    (state / "statuses").open("a").write(f"{{job}} {{index}} {{done.returncode}}\\n")
print(job)
"""
FAKE_SQUEUE = """#!/bin/bash
[ -f {state}/waiting ] && cat {state}/waiting
case "$*" in *%L*) cat {state}/left 2>/dev/null || echo UNLIMITED;; *%r*) echo RUNNING None;; esac
exit 0
"""
FAKE_SCONTROL = """#!/bin/bash
echo "$*" >> {state}/scontrol
echo 'MaxArraySize            = 6'
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Commands of a scheduler that runs every job at once, and notes what it was asked."""
    state, commands = tmp_path / "state", tmp_path / "commands"
    state.mkdir()
    commands.mkdir()
    for name, text in (("sbatch", FAKE_SBATCH), ("squeue", FAKE_SQUEUE), ("scontrol", FAKE_SCONTROL)):
        path = commands / name
        path.write_text(text.format(state=str(state), python=sys.executable))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(scheduler.time, "sleep", lambda seconds: None)
    return state


QUICK = ("lyapunov=null", "slurm.patience=0", *SMALL)


def words_of(root, out, *more, settings=QUICK, config="smoke"):
    arguments = [str(root / "cfgs" / f"{config}.yaml"), "--out", str(out)]
    return [*arguments, *(word for setting in settings for word in ("--set", setting)), *map(str, more)]


def folder_in(out):
    return next(path.parent for path in out.glob("*/run.json"))


def hash_of(out):
    return result_hash(read_arrays(folder_in(out) / "result.npz"))


@pytest.fixture(scope="module")
def local_hash(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("local")
    assert main(["run", *words_of(root, out, "--jobs", 1)]) == 0
    return hash_of(out)


@pytest.mark.parametrize("elements", [1, 3, 5])
def test_the_templates_give_the_bits_of_the_local_run(root, tmp_path, fake, local_hash, elements, capsys):
    out = tmp_path / "out of the way"
    assert main(["submit", *words_of(root, out, "--elements", elements, "--block-size", 8)]) == 0
    assert hash_of(out) == local_hash
    assert (out / "figures" / "smoke.png").exists()
    statuses = (fake / "statuses").read_text().split()[2::3]
    assert statuses == ["0"] * (elements + 1)
    logs = sorted(path.name for path in (folder_in(out) / "logs").glob("element-*"))
    assert len(logs) == elements
    capsys.readouterr()
    assert main(["status", str(folder_in(out))]) == 0
    assert "complete" in capsys.readouterr().out


def test_a_chain_comes_before_the_array(root, tmp_path, fake):
    settings = ("sweep.num=6", "chain={steps: 500, link: 2}", "steps={transient: 0, record: 300}", "lyapunov=null")
    local, out = tmp_path / "local", tmp_path / "out"
    assert main(["run", *words_of(root, local, settings=settings, config="continuation_zoom")]) == 0
    words = words_of(root, out, "--chain-jobs", 2, settings=settings, config="continuation_zoom")
    assert main(["submit", *words]) == 0
    assert hash_of(out) == hash_of(local)
    calls = (fake / "calls").read_text().splitlines()
    assert [re.search(r"(chain|element|collect)\.sbatch", call)[1] for call in calls] == [
        "chain", "chain", "element", "collect",
    ]  # fmt: skip
    assert "--dependency=afterok:2'" in calls[1] and "--kill-on-invalid-dep=yes" in calls[1]
    assert "--dependency=afterok:3'" in calls[2]
    assert "--dependency=afterany:2:3:4'" in calls[3]


def test_a_dry_run_submits_and_writes_nothing(root, tmp_path, fake, capsys):
    out = tmp_path / "out"
    assert main(["submit", *words_of(root, out, "--dry-run", "--max-running", 2)]) == 0
    said = capsys.readouterr().out
    assert "would run sbatch --parsable --array=0-1%2" in said
    assert "nothing submitted" in said
    assert not out.exists()
    assert not (fake / "calls").exists()


def test_more_elements_than_an_array_holds_are_told(root, tmp_path, fake, capsys):
    assert main(["submit", *words_of(root, tmp_path, "--dry-run", "--elements", 20, "--block-size", 1)]) == 0
    said = capsys.readouterr().out
    assert "6 elements x 12 blocks" in said
    assert "in place of 20: the cluster's arrays hold no more" in said


def test_settings_reach_the_scheduler_and_the_scripts(root, tmp_path, fake):
    more = ["--partition", "fast", "--account", "physics", "--time", "30", "--memory", "3G", "--lead", 99, "--cpus", 2]
    more += ["--sbatch=--constraint=avx512", "--set", "slurm.setup=[echo set up]", "--elements", 1]
    assert main(["submit", *words_of(root, tmp_path / "out", *more)]) == 0
    call = (fake / "calls").read_text().splitlines()[0]
    for option in ("partition=fast", "account=physics", "time=30", "mem=3G", "signal=B:USR1@99", "cpus-per-task=2"):
        assert f"'--{option}'" in call
    folder = folder_in(tmp_path / "out")
    script = (folder / "submissions" / "0001" / "element.sbatch").read_text()
    assert "\n#SBATCH --constraint=avx512\n" in script
    assert "\necho set up\n" in script
    assert "set up" in next((folder / "logs").glob("element-*")).read_text()
    assert not re.search(r"@[A-Z]+@", script)


def test_what_is_missing_is_named_drawn_and_computed(root, tmp_path, fake, local_hash, capsys):
    out = tmp_path / "out"
    # The second element never starts.
    fail = "slurm.setup=['[ \"$SLURM_ARRAY_TASK_ID\" = 1 ] && exit 7']"
    words = words_of(root, out, "--block-size", 8)
    assert main(["submit", *words, "--elements", "3", "--set", fail]) == 0
    folder = folder_in(out)
    log = next((folder / "logs").glob("collect-*")).read_text()
    assert "missing 3 blocks of 9 (1,4,7)" in log
    assert (fake / "statuses").read_text().splitlines()[-1].endswith(" 3")
    assert (out / "figures" / "smoke.png").exists()
    capsys.readouterr()
    assert main(["status", str(folder)]) == 3
    assert "6/9 done, 3 missing" in capsys.readouterr().out
    assert main(["collect", str(folder)]) == 3
    # The folder keeps the settings of the cluster too, until others are given.
    assert main(["submit", str(folder), "--only-missing", "--elements", "2", "--set", "slurm.setup=[]"]) == 0
    assert hash_of(out) == local_hash


def test_a_refusal_is_one_line_in_the_schedulers_words(root, tmp_path, fake, capsys):
    (fake / "refuse").write_text("invalid partition specified: fast")
    assert main(["submit", *words_of(root, tmp_path / "out")]) == 1
    assert capsys.readouterr().err.strip().endswith("invalid partition specified: fast (nothing submitted)")
    assert len((fake / "calls").read_text().splitlines()) == 1


def test_a_backslash_in_the_folders_name_is_refused(root, tmp_path, fake, capsys):
    assert main(["submit", *words_of(root, tmp_path / "back\\slash")]) == 2
    assert "a backslash in its name" in capsys.readouterr().err


def test_a_busy_controller_is_asked_again(root, tmp_path, fake, capsys):
    (fake / "refuse").write_text("Batch job submission failed: Socket timed out on send/recv operation")
    assert main(["submit", *words_of(root, tmp_path / "out")]) == 1
    assert "no answer after 5 attempts" in capsys.readouterr().err
    assert len((fake / "calls").read_text().splitlines()) == 5


def test_without_a_scheduler_submission_says_so(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["submit", *words_of(root, tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    assert "sbatch: not found" in capsys.readouterr().err


def test_a_run_that_waits_is_not_submitted_again(root, tmp_path, fake, capsys):
    words = words_of(root, tmp_path / "out", "--elements", 2)
    assert main(["submit", *words]) == 0
    folder = folder_in(tmp_path / "out")
    (folder / "result.npz").unlink()
    next((folder / "blocks").glob("*.npz")).unlink()
    (fake / "waiting").write_text("2_1 PENDING\n2_0 RUNNING\n")
    capsys.readouterr()
    assert main(["submit", *words]) == 2
    assert "still in the queue as 2: wait, or scancel 2" in capsys.readouterr().err
    assert main(["status", str(folder)]) == 3
    assert "array 2: 1 pending, 1 running" in capsys.readouterr().out


def test_no_block_is_started_that_cannot_finish(root, tmp_path, fake, capsys):
    out = tmp_path / "out"
    (fake / "left").write_text("0:04")
    assert main(["submit", *words_of(root, out, "--elements", 1)]) == 0
    log = next((folder_in(out) / "logs").glob("element-*")).read_text()
    assert "0:04 left" in log
    assert "ask for more --time, or for a smaller --block-size" in log
    assert "requeue" not in (fake / "scontrol").read_text()
    assert (fake / "statuses").read_text().splitlines()[0].endswith(" 1")


@pytest.mark.parametrize(("restarts", "requeued"), [(None, False), (1, True), (5, False)])
def test_requeues_are_bounded(root, tmp_path, fake, restarts, requeued):
    out = tmp_path / "out"
    assert main(["submit", *words_of(root, out, "--elements", 1)]) == 0
    folder = folder_in(out)
    next((folder / "blocks").glob("*.npz")).unlink()
    (fake / "left").write_text("0:03")
    (fake / "scontrol").unlink()
    environment = {**os.environ, "SLURM_ARRAY_JOB_ID": "2", "SLURM_ARRAY_TASK_ID": "0"}
    if restarts is not None:
        environment["SLURM_RESTART_COUNT"] = str(restarts)
    script = folder / "submissions" / "0001" / "element.sbatch"
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
    assert done.returncode == (1 if restarts is None else 75)
    asked = (fake / "scontrol").read_text() if (fake / "scontrol").exists() else ""
    assert ("requeue 2_0" in asked) == requeued


def test_a_version_with_other_numbers_is_refused(root, tmp_path, fake, monkeypatch, capsys):
    assert main(["submit", *words_of(root, tmp_path / "out")]) == 0
    from mfattn.pipeline import plan

    monkeypatch.setattr(plan, "NUMERICS_VERSION", 999)
    assert main(["status", str(folder_in(tmp_path / "out"))]) == 2
    assert "another version of the program made it" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["", "x.txt", "submissions"])
def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys, word):
    (tmp_path / "submissions").mkdir()
    assert main(["status", str(tmp_path / word)]) == 2
    assert "Traceback" not in capsys.readouterr().err


items = st.lists(st.integers(0, 10**6), unique=True, max_size=200).map(sorted)


@given(items, st.integers(1, 50))
def test_each_item_is_in_exactly_one_share(numbers, shares):
    for cut in (strided, consecutive):
        parts = [cut(numbers, shares, share) for share in range(shares)]
        assert sorted(number for part in parts for number in part) == numbers
        sizes = {len(part) for part in parts}
        assert max(sizes) - min(sizes) <= 1
    assert [number for share in range(shares) for number in consecutive(numbers, shares, share)] == numbers


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 40), st.data())
def test_any_number_of_elements_resumes_any_other(blocks, first, second, data):
    def submission(missing, elements):
        return Submission(
            links=(), blocks=tuple(missing), chain_jobs=0, elements=elements, link_seconds=0.0, block_seconds=1.0,
            requeues=5, program={}, created="",
        )  # fmt: skip

    begun = submission(range(blocks), first)
    finished = data.draw(st.sets(st.integers(0, first - 1)))
    done = {block for element in finished for block in begun.blocks_of(element)}
    again = submission([block for block in range(blocks) if block not in done], second)
    rest = [block for element in range(second) for block in again.blocks_of(element)]
    assert sorted(rest) == sorted(set(range(blocks)) - done)


@given(st.integers(0, 10**7))
def test_limits_are_whole_minutes_upwards(seconds):
    assert scheduler.parse_time(scheduler.format_time(seconds)) == 60 * math.ceil(seconds / 60)


def test_a_submission_is_read_back_as_it_was(tmp_path):
    from mfattn.pipeline.folder import RunFolder

    kept = Submission(
        links=(0, 1), blocks=(3, 4), chain_jobs=1, elements=2, link_seconds=0.5, block_seconds=1.5,
        requeues=5, program={"git": None}, created="now",
    )  # fmt: skip
    assert Submission.load(kept.save(RunFolder(tmp_path))) == kept
    assert kept.save(RunFolder(tmp_path)).name == "0002"
    assert json.loads((tmp_path / "submissions" / "0001" / "submission.json").read_text())["elements"] == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "null", '{"chain": 5}', '{"chain": [1, 2]}', '{"array": 5}', '{"x": 1}']
)
def test_damaged_records_are_no_traceback(root, tmp_path, fake, capsys, text):
    out = tmp_path / "out"
    assert main(["submit", *words_of(root, out, "--elements", 1)]) == 0
    folder = folder_in(out)
    kept = folder / "submissions" / "0001"
    (kept / "jobs.json").write_text(text)
    (folder / "result.npz").unlink()
    next((folder / "blocks").glob("*.npz")).unlink()
    assert main(["status", str(folder)]) == 3
    (kept / "submission.json").write_text(text)
    assert main(["element", str(folder), "--submission", "0001", "--index", "0"]) == 2
    (folder / "run.json").write_text(text)
    assert main(["status", str(folder)]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"blocks": [7]}, {"blocks": [-1]}, {"elements": 0}, {"blocks": "x"}])
def test_a_submission_of_other_blocks_is_refused(root, tmp_path, fake, capsys, change):
    out = tmp_path / "out"
    assert main(["submit", *words_of(root, out, "--elements", 1)]) == 0
    kept = folder_in(out) / "submissions" / "0001" / "submission.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | change))
    assert main(["element", str(folder_in(out)), "--submission", "0001", "--index", "0"]) == 2
    assert "not a submission" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", 5, None])
def test_a_run_whose_name_leads_elsewhere_is_refused(root, tmp_path, fake, capsys, name):
    out = tmp_path / "out"
    assert main(["submit", *words_of(root, out, "--elements", 1)]) == 0
    about = folder_in(out) / "run.json"
    about.write_text(json.dumps({"name": name, "figures": "../figures"}))
    assert main(["plot", str(about.parent)]) == 2
    assert "not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["status", "x", "--watch=nan"],
        ["status", "x", "--watch=inf"],
        ["collect", "x", "--wait=-1"],
        ["element", "x", "--submission", "../..", "--index", "0"],
    ],
)
def test_odd_numbers_on_the_command_line_are_refused(words, capsys):
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2
    assert "invalid" in capsys.readouterr().err


def test_further_options_come_on_top_of_the_configs(root, tmp_path, fake, capsys):
    out = tmp_path / "out"
    more = ["--set", "slurm.options=[--constraint=avx512]", "--sbatch=--mail-type=END"]
    assert main(["submit", *words_of(root, out, "--elements", 1, *more)]) == 0
    script = (folder_in(out) / "submissions" / "0001" / "element.sbatch").read_text()
    assert "#SBATCH --constraint=avx512\n#SBATCH --mail-type=END\n" in script
    assert main(["submit", *words_of(root, tmp_path / "b", "--sbatch=no option")]) == 2
    assert "--sbatch: text such as '--constraint=avx512'" in capsys.readouterr().err


def test_a_leading_dash_in_a_relative_folder_is_no_option(root, tmp_path, fake, local_hash, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["submit", *words_of(root, "-x", "--elements", 1)[:1], "--out=-x", *words_of(root, "-x")[3:]]) == 0
    assert hash_of(tmp_path / "-x") == local_hash


def test_an_element_of_several_cores_takes_several_blocks_at_once(root, tmp_path, fake, capsys):
    words = words_of(root, tmp_path, "--dry-run", "--elements", 6, "--cpus", 4, "--block-size", 10)
    assert main(["submit", *words]) == 0
    assert "2 elements x 4 blocks" in capsys.readouterr().out
