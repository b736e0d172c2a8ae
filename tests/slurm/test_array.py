"""Arrays on a real scheduler: the same bits as on one machine, whatever happens to them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import LARGEST_ARRAY, QUICK, SLOW, SubmittedRun

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


@pytest.mark.parametrize("elements", [3, 7])
def test_an_array_gives_the_bits_of_the_local_run(submitted, quick_hash, elements):
    run = submitted(QUICK)
    job = run.submit("--elements", elements, "--max-running", 4)
    run.wait()
    assert run.hash == quick_hash
    assert len(list((run.folder / "logs").glob(f"element-{job}_*.log"))) == elements
    assert (run.out / "figures" / "small.png").exists()
    about = json.loads((run.folder / "provenance.json").read_text())
    assert {fact["slurm_array"] for fact in about["blocks"]} == {job}


def test_elements_with_two_cores_give_the_same_bits(submitted, quick_hash):
    run = submitted(QUICK)
    run.submit("--elements", 2, "--cpus", 2)
    run.wait()
    assert run.hash == quick_hash


def test_a_killed_element_is_named_and_only_missing_finishes(submitted, slow_hash):
    run = submitted(SLOW)
    job = run.submit("--elements", 3)
    run.wait_for(lambda: run.blocks() >= 3)
    run.cluster.call("scancel", f"{job}_1")
    run.wait()
    assert not (run.folder / "result.npz").exists()
    collected = run.log("collect")
    assert "missing" in collected and "--only-missing" in collected
    assert "partial" not in collected.splitlines()[-1]
    assert (run.out / "figures" / "small.png").exists()
    status = run.status()
    assert status.returncode == 3
    assert "missing" in status.stdout
    run.submit("--only-missing", "--elements", 2)
    run.wait()
    assert run.hash == slow_hash


def test_a_warned_element_saves_and_requeues_itself_but_not_for_ever(submitted, slow_hash):
    run = submitted(SLOW, "slurm.requeues=1")
    job = run.submit("--elements", 1)
    for attempt in (1, 2):
        run.wait_for(lambda attempt=attempt: f"attempt {attempt}," in run.log("element"))
        run.cluster.call("scancel", "--batch", "--signal=USR1", f"{job}_0")
        words = ("the job is back in the queue", "put back into the queue 1 time already, not again")[attempt - 1]
        run.wait_for(lambda words=words: words in run.log("element"))
    run.wait()
    log = run.log("element")
    assert log.count("share ") == 2
    # What was in flight at a warning is finished and kept: each attempt computes at least one block.
    assert run.blocks() >= 2
    run.submit("--only-missing", "--elements", 2)
    run.wait()
    assert run.hash == slow_hash


def test_a_cancelled_element_stays_cancelled(submitted):
    run = submitted(SLOW)
    job = run.submit("--elements", 1)
    run.wait_for(lambda: run.blocks() >= 1)
    run.cluster.call("scancel", f"{job}_0")
    run.wait()
    assert "the job was cancelled" in run.log("element")
    assert run.log("element").count("share ") == 1


def test_a_failing_element_leaves_a_hole_that_the_collector_names(submitted, quick_hash):
    run = submitted(QUICK)
    fail = 'slurm.setup=["if [ \\"$SLURM_ARRAY_TASK_ID\\" = 1 ]; then echo broken node; exit 7; fi"]'
    run.submit("--elements", 3, "--set", fail)
    run.wait()
    collected = run.log("collect")
    assert "missing 3 blocks of 8 (1,4,7)" in collected
    assert "partial" in (run.log("collect")) or (run.out / "figures" / "small.png").exists()
    assert "exit 3" in _exit_of_collector(run)
    run.submit("--only-missing", "--elements", 3)
    run.wait()
    assert run.hash == quick_hash


def _exit_of_collector(run: SubmittedRun) -> str:
    (jobs,) = [json.loads(path.read_text()) for path in run.folder.glob("submissions/*/jobs.json")]
    shown = run.cluster.call("scontrol", "show", "job", jobs["collector"]).stdout
    return f"exit {shown.partition('ExitCode=')[2].partition(':')[0]}"


def test_more_elements_than_an_array_may_have_take_more_blocks_each(submitted, quick_hash):
    run = submitted(QUICK)
    job = run.submit("--elements", 20, block_size=2)
    run.wait()
    assert run.hash == quick_hash
    assert len(list((run.folder / "logs").glob(f"element-{job}_*.log"))) == LARGEST_ARRAY


@pytest.mark.slow
def test_the_deadline_guard_meets_a_time_limit(submitted, cluster, root, tmp_path):
    settings = ("steps.transient=30000000",)
    expected = SubmittedRun(cluster, root, tmp_path / "local", *settings).local_hash(tmp_path / "local")
    run = submitted(*settings)
    run.submit("--elements", 1, "--partition", "short", "--time", 1, "--lead", 1)
    run.wait(400)
    assert run.hash == expected
    log = run.log("element")
    # On a slow machine the scheduler's warning, which it may send half a minute early, comes before the guard.
    assert "left, and a block takes up to" in log or "warned that the time is nearly over" in log
    assert "attempt 2" in log
    assert "TIME LIMIT" not in log


@pytest.mark.slow
def test_the_elements_of_a_node_that_dies_run_again(submitted, slow_hash):
    run = submitted(SLOW)
    run.submit("--elements", 4)
    run.wait_for(lambda: run.blocks() >= 2)
    time_of_death = run.blocks()
    try:
        run.cluster.down("--node", "mf0")
        run.wait_for(lambda: "attempt 2" in run.log("element") or run.is_collected(), 180)
        run.wait(180)
    finally:
        run.cluster.up()
    assert time_of_death < 8
    assert run.hash == slow_hash


def test_a_template_needs_nothing_from_its_surroundings(submitted, quick_hash):
    run = submitted(QUICK)
    job = run.submit("--elements", 2, "--sbatch=--hold")
    script = run.folder / "submissions" / "0001" / "element.sbatch"
    run.cluster.call("scancel", job)
    for element in range(2):
        words = ["env", "-i", f"SLURM_ARRAY_TASK_ID={element}", "/bin/bash", str(script)]
        done = subprocess.run(words, capture_output=True, text=True, cwd="/", timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    run.cluster.mfattn("collect", run.folder)
    assert run.hash == quick_hash


def test_status_without_a_scheduler_says_so(submitted):
    run = submitted(QUICK)
    run.submit("--elements", 2)
    environment = {**run.cluster.environment, "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(
        [sys.executable, "-m", "mfattn", "status", run.folder], env=environment, capture_output=True, text=True
    )
    assert "scheduler: unknown" in done.stdout
    assert done.returncode in (0, 3)
    run.wait()


def test_a_config_edited_after_submission_changes_nothing(submitted, quick_hash):
    run = submitted(QUICK)
    run.submit("--elements", 2)
    run.config.write_text(run.config.read_text().replace("seed: 1", "seed: 2"))
    run.wait()
    assert run.hash == quick_hash


def test_submitting_twice_is_refused_while_jobs_wait(submitted):
    run = submitted(QUICK)
    job = run.submit("--sbatch=--hold")
    again = run.cluster.mfattn("submit", run.folder, check=False)
    assert again.returncode == 2
    assert "scancel" in again.stderr and job in again.stderr


HOSTILE = ["-with space and 'quote' and \"quotes\"", "new\nline ünïcödé-β 100%j $HOME;ls"]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name.encode("ascii", "replace").decode().replace("\n", "_"))
def test_odd_names_of_folders_go_through_the_scheduler(cluster, root, tmp_path, quick_hash, name):
    run = SubmittedRun(cluster, root, tmp_path / name, QUICK)
    run.submit("--elements", 2)
    run.wait()
    assert run.hash == quick_hash
    assert "share" in run.log("element")
