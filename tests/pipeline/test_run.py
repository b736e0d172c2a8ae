"""Runs: one hash whatever the way, resumed, damaged, killed, stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.pipeline.collect import complete_result, draw_result
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.executors.local import LocalExecutor
from mfattn.pipeline.run import Options as RunOptions
from mfattn.pipeline.run import run_named as run
from mfattn.pipeline.runs import Places, new_run
from mfattn.pipeline.store import read_arrays, result_hash

from .helpers import command, run_command, small_arguments, small_experiment


def Options(out, jobs=None, **more):  # noqa: N802 -- stands for the class in these tests
    return RunOptions(Places(out), LocalExecutor(jobs), **more)


def plot(experiment, name, out):
    chosen = new_run(experiment, name, Places(out))
    draw_result(chosen, complete_result(chosen))


SMOKE_HASH = "27cf993b2a3d96fc6ff2ace2373db0074953541196897709324c85980bc7217a"


def folder_in(out):
    names = ("small-", "smoke-")
    (folder,) = [path for path in out.iterdir() if path.name.startswith(names) and "." not in path.name]
    return folder


def hash_of(out):
    return result_hash(read_arrays(folder_in(out) / "result.npz"))


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """A finished small run."""
    out = tmp_path_factory.mktemp("finished")
    run(small_experiment(root), "small", Options(out=out, jobs=1))
    return out


def test_the_golden_hash(root, tmp_path):
    # Without exponents: their last digits are promised within one kind of processor only.
    config = load(root / "cfgs" / "smoke.yaml", CONFIGS, ["lyapunov=null"])
    run(make_experiment(config), "smoke", Options(tmp_path))
    assert hash_of(tmp_path) == SMOKE_HASH, (
        "the numbers of cfgs/smoke.yaml have changed: raise NUMERICS_VERSION in mfattn/pipeline/plan.py, "
        "then write the new hash here"
    )


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("block_size", [1, 17, 64, 70])
def test_blocks_and_workers_change_no_bit(root, tmp_path, finished, block_size, jobs):
    run(small_experiment(root), "small", Options(tmp_path, jobs=jobs, block_size=block_size))
    assert hash_of(tmp_path) == hash_of(finished)


@pytest.mark.parametrize("cpu", ["haswell", "skylake-avx512"])
def test_another_processor_target_changes_no_bit(root, tmp_path, finished, cpu):
    cache = tmp_path / "cache"
    process = run_command(
        root, *small_arguments(root, tmp_path / "out", "--jobs", 1), NUMBA_CPU_NAME=cpu, NUMBA_CACHE_DIR=str(cache)
    )
    assert process.returncode == 0, process.stderr
    assert any(cache.rglob("*.nbc"))
    assert hash_of(tmp_path / "out") == hash_of(finished)


def test_a_second_run_computes_nothing(root, tmp_path, capsys):
    options = Options(tmp_path, jobs=1, block_size=16)
    run(small_experiment(root), "small", options)
    times = {path: path.stat().st_mtime_ns for path in folder_in(tmp_path).rglob("*")}
    capsys.readouterr()
    run(small_experiment(root), "small", options)
    assert {path: path.stat().st_mtime_ns for path in folder_in(tmp_path).rglob("*")} == times
    output = capsys.readouterr().out
    assert "complete" in output
    assert "block " not in output
    assert (tmp_path / "figures" / "small.png").exists()
    assert (tmp_path / "figures" / "small.pdf").exists()


def test_force_sets_the_old_run_aside(root, tmp_path):
    options = Options(tmp_path, jobs=1)
    run(small_experiment(root), "small", options)
    name = folder_in(tmp_path).name
    for _ in range(2):
        run(small_experiment(root), "small", Options(tmp_path, jobs=1, force=True))
    folders = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("small"))
    assert folders == [name, f"{name}.1", f"{name}.2"]


def test_a_dry_run_writes_nothing(root, tmp_path, capsys):
    run(small_experiment(root), "small", Options(tmp_path / "out", dry_run=True, force=True))
    assert not list(tmp_path.iterdir())
    assert "70 points" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["truncated", "flipped", "swapped", "emptied"])
def test_a_damaged_block_is_found_set_aside_and_computed_again(root, tmp_path, finished, capsys, damage):
    options = Options(tmp_path, jobs=1, block_size=16)
    run(small_experiment(root), "small", options)
    folder = folder_in(tmp_path)
    (folder / "result.npz").unlink()
    block, other = folder / "blocks" / "00002.npz", folder / "blocks" / "00001.npz"
    content = bytearray(block.read_bytes())
    if damage == "flipped":
        content[len(content) // 3] ^= 8
    damaged = {"truncated": content[:-100], "flipped": content, "swapped": other.read_bytes(), "emptied": b""}[damage]
    block.write_bytes(damaged)
    run(small_experiment(root), "small", options)
    assert hash_of(tmp_path) == hash_of(finished)
    assert (folder / "blocks" / "00002.npz.bad").read_bytes() == bytes(damaged)
    assert "renamed to 00002.npz.bad and computed again" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["result.npz", "provenance.json"])
def test_a_damaged_result_is_collected_again(root, tmp_path, finished, file):
    options = Options(tmp_path, jobs=1)
    run(small_experiment(root), "small", options)
    path = folder_in(tmp_path) / file
    path.write_bytes(path.read_bytes()[:-20])
    run(small_experiment(root), "small", options)
    assert hash_of(tmp_path) == hash_of(finished)
    assert (path.parent / "result.npz.bad").exists()


def test_only_missing_blocks_are_computed(root, tmp_path, finished):
    options = Options(tmp_path, jobs=1, block_size=16)
    run(small_experiment(root), "small", options)
    folder = folder_in(tmp_path)
    (folder / "result.npz").unlink()
    (folder / "blocks" / "00003.npz").unlink()
    kept = {path: path.stat().st_mtime_ns for path in (folder / "blocks").iterdir()}
    run(small_experiment(root), "small", Options(tmp_path, jobs=1, block_size=5))
    assert hash_of(tmp_path) == hash_of(finished)
    assert len(list((folder / "blocks").iterdir())) == len(kept) + 1
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_provenance_says_where_a_result_came_from(root, finished):
    about = json.loads((folder_in(finished) / "provenance.json").read_text())
    assert about["result"] == hash_of(finished)
    assert about["config"]["sweep"]["num"] == 70
    assert about["config"]["model"]["weights"]["seed"] == 1
    assert set(about["program"]["versions"]) >= {"python", "numpy", "numba", "mfattn"}
    assert about["blocks"][0]["processor"]
    assert about["blocks"][0]["seconds"] >= 0
    assert {"started", "finished", "core_seconds"} <= about.keys()


def test_a_result_holds_plain_arrays_only(finished):
    assert all(array.dtype.kind in "fiubU" for array in read_arrays(folder_in(finished) / "result.npz").values())


def test_plot_draws_again_and_needs_a_finished_run(root, tmp_path, finished):
    figure = finished / "figures" / "small.png"
    figure.unlink()
    plot(small_experiment(root, "figure.features=[2]"), "small", finished)
    assert figure.exists()
    with pytest.raises(InputError, match="run or collect it first"):
        plot(small_experiment(root), "small", tmp_path)


def test_a_full_disk_is_one_line_and_keeps_finished_blocks(root, tmp_path, finished, monkeypatch):
    from mfattn.pipeline import store

    replace, calls = os.replace, []

    def full_after_three(source, target):
        calls.append(target)
        # The config and the name of the run come first.
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(store.os, "replace", full_after_three)
    options = Options(tmp_path, jobs=1, block_size=16)
    with pytest.raises(RunError, match=r"no space left; finished blocks are kept") as error:
        run(small_experiment(root), "small", options)
    assert error.value.status == 1
    assert len(str(error.value).splitlines()) == 1
    assert len(list((folder_in(tmp_path) / "blocks").iterdir())) == 3
    monkeypatch.undo()
    run(small_experiment(root), "small", options)
    assert hash_of(tmp_path) == hash_of(finished)


def test_a_file_size_limit_in_the_workers_is_one_line(root, tmp_path):
    words = " ".join(f"'{word}'" for word in command(root, *small_arguments(root, tmp_path / "out", "--jobs", 2)))
    process = subprocess.run(
        ["bash", "-c", f"ulimit -f 4; exec {words} --block-size 20"],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=300,
    )
    assert process.returncode == 1, process.stderr
    lines = [line for line in process.stderr.splitlines() if "steps:" not in line]
    assert len(lines) == 1
    assert "no space left; finished blocks are kept" in lines[0]


LONG = ("--set", "steps.transient=1000000", "--block-size", 2)
"""Some ten seconds of work in 35 blocks."""


def start_long(root, out, jobs):
    words = command(root, *small_arguments(root, out, *LONG, "--jobs", jobs))
    return subprocess.Popen(
        words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_blocks(process, out, number):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if len(list(out.rglob("blocks/*.npz"))) >= number:
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


@pytest.fixture(scope="module")
def long_hash(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("long")
    process = start_long(root, out, 1)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return hash_of(out)


def test_killed_at_random_moments_a_run_goes_on_to_the_same_bits(root, tmp_path, long_hash):
    chance = random.Random(5)
    for attempt in range(4):
        process = start_long(root, tmp_path, 2)
        wait_for_blocks(process, tmp_path, 4 * attempt + 1)
        time.sleep(chance.uniform(0, 0.2))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not list(tmp_path.rglob("result.npz"))
    process = start_long(root, tmp_path, 2)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert hash_of(tmp_path) == long_hash
    assert "begun before" in output


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_a_run_says_so_and_goes_on(root, tmp_path, long_hash, number, jobs):
    process = start_long(root, tmp_path, jobs)
    wait_for_blocks(process, tmp_path, 3)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert f"stopped by {number.name}; finished blocks are kept" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    process = start_long(root, tmp_path, jobs)
    assert process.communicate(timeout=300)[1] is not None
    assert process.returncode == 0
    assert hash_of(tmp_path) == long_hash


def children_of(pid):
    """Processes whose parent is PID, and their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue
    return found


def workers_of(pid):
    return [child for child, name in children_of(pid).items() if "LokyProcess" in name]


def test_a_dead_worker_is_one_line(root, tmp_path):
    process = start_long(root, tmp_path, 2)
    wait_for_blocks(process, tmp_path, 2)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "a worker process died" in errors
    assert "Traceback" not in errors


def test_workers_do_not_outlive_a_killed_parent(root, tmp_path):
    process = start_long(root, tmp_path, 2)
    wait_for_blocks(process, tmp_path, 1)
    workers = workers_of(process.pid)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(workers) == 2
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_drawing_a_run_says_so(root, tmp_path, number):
    code = f"""
import os, sys
from mfattn.experiments.meanfield.bifurcation import Bifurcation
Bifurcation.draw = lambda self, arrays, note: os.kill(os.getpid(), {int(number)}) or {{}}
from mfattn.cli import main
sys.exit(main({[str(word) for word in small_arguments(root, tmp_path, "--jobs", 1)]!r}))
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert process.returncode == 75
    assert process.stderr.splitlines()[-1].startswith("stopped; what is on disk is kept")
    assert "Traceback" not in process.stderr


def test_a_reader_that_goes_away_ends_a_run_as_stopped(root, tmp_path):
    words = " ".join(f"'{word}'" for word in command(root, *small_arguments(root, tmp_path, "--jobs", 1)))
    line = f"{words} --block-size 2 | head -n 3; exit ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=root)
    assert process.returncode == 75
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("change", [("points", 71), ("run", "0" * 64), ("block_size", "x"), (None, None)])
def test_a_tampered_plan_is_set_aside_and_the_result_stays(root, tmp_path, finished, change):
    options = Options(tmp_path, jobs=1)
    run(small_experiment(root), "small", options)
    path = folder_in(tmp_path) / "plan.json"
    name, value = change
    path.write_text("{" if name is None else json.dumps(json.loads(path.read_text()) | {name: value}))
    run(small_experiment(root), "small", options)
    assert hash_of(tmp_path) == hash_of(finished)
    assert path.with_name("plan.json.bad").exists()
    assert not path.with_name("result.npz.bad").exists()


def test_plot_leaves_a_damaged_result_where_it_is(root, tmp_path):
    run(small_experiment(root), "small", Options(tmp_path, jobs=1))
    result = folder_in(tmp_path) / "result.npz"
    result.write_bytes(result.read_bytes()[:-1])
    with pytest.raises(InputError, match="checksum does not match"):
        plot(small_experiment(root), "small", tmp_path)
    assert result.exists()


@pytest.mark.parametrize("damage", ["truncated", "unwritable"])
def test_a_damaged_or_missing_kernel_cache_does_not_stop_a_run(root, tmp_path, finished, damage):
    cache = tmp_path / "cache"
    environment = {"NUMBA_CACHE_DIR": str(cache)}
    words = small_arguments(root, tmp_path / "out", "--jobs", 1)
    if damage == "unwritable":
        cache.write_text("")
    else:
        assert run_command(root, *words, **environment).returncode == 0
        for file in cache.rglob("*.nb?"):
            file.write_bytes(file.read_bytes()[:100])
    process = run_command(root, *words, "--force", **environment)
    assert process.returncode == 0, process.stderr
    assert hash_of(tmp_path / "out") == hash_of(finished)


def test_blocks_of_two_programs_are_warned_of(root, tmp_path, capsys, monkeypatch):
    from mfattn.pipeline import provenance

    options = Options(tmp_path, jobs=1, block_size=40)
    run(small_experiment(root), "small", options)
    (folder_in(tmp_path) / "result.npz").unlink()
    (folder_in(tmp_path) / "blocks" / "00001.npz").unlink()
    monkeypatch.setattr(provenance, "program", lambda: {"versions": {}, "git": None})
    run(small_experiment(root), "small", options)
    assert "blocks come from 2 programs" in capsys.readouterr().out


HOSTILE = ["-with space, 'quote' and \"quotes\"", "new\nline ünïcödé-β 100%j", "back\\slash $HOME;ls a=b"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_odd_names_of_folders_and_configs_are_no_harm(root, tmp_path, monkeypatch, finished, name):
    from mfattn.cli import main

    place = tmp_path / name
    place.mkdir()
    monkeypatch.chdir(place)
    (place / f"{name}.yaml").write_bytes((root / "cfgs" / "smoke.yaml").read_bytes())
    settings = small_arguments(root, place)[4:]
    assert main(["run", f"./{name}.yaml", *map(str, settings), f"--out={name}", "--jobs", "2"]) == 0
    folder = next(path.parent for path in (place / name).glob("*/run.json"))
    assert result_hash(read_arrays(folder / "result.npz")) == hash_of(finished)
    assert (place / name / "figures" / f"{name}.png").exists()
    for word in ("status", "hash"):
        assert main([word, "--", str(folder.relative_to(place))]) == 0
