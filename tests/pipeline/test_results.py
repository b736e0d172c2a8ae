"""What can be done with runs on disk: plot, report, export, list, clean, collect in part."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from mfattn.cli import main
from mfattn.pipeline.messages import clock, compact
from mfattn.pipeline.store import read_arrays

from .helpers import SMALL

SETTINGS = ("sweep.num=20", *SMALL[1:], "lyapunov={exponents: 2}")


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """Folder of a finished run."""
    out = tmp_path_factory.mktemp("results")
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    words = ["run", str(root / "cfgs" / "smoke.yaml"), "--out", str(out), *settings, "--block-size", "6", "--jobs", "1"]
    assert main(words) == 0
    return next(path.parent for path in out.glob("*/run.json"))


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished run that a test may spoil."""
    shutil.copytree(finished.parent, tmp_path / "out")
    return tmp_path / "out" / finished.name


def test_plot_takes_a_folder_and_settings_of_the_figure(folder, capsys):
    figure = folder.parent / "figures" / "smoke.png"
    before = figure.read_bytes()
    assert main(["plot", str(folder), "--set", "figure.features=[1]"]) == 0
    assert figure.read_bytes() != before
    assert main(["plot", str(folder), "--set", "sweep.num=21"]) == 2
    assert "--set makes another run" in capsys.readouterr().err


def test_plot_of_a_folder_keeps_its_figure_where_another_place_is_named(folder, tmp_path):
    figure = folder.parent / "figures" / "smoke.png"
    before = figure.read_bytes()
    assert main(["plot", str(folder), "--set", "figure.features=[1]", "--out", str(tmp_path / "other")]) == 0
    assert figure.read_bytes() == before and (tmp_path / "other" / "figures" / "smoke.png").read_bytes() != before


def test_run_takes_a_folder_and_finds_it_complete(folder, capsys):
    assert main(["run", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "complete" in said and "block " not in said


class Page(HTMLParser):
    """Tags that are open, addresses, and text of a page."""

    def __init__(self):
        super().__init__()
        self.addresses, self.text, self.open = [], "", []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(path):
    page = Page()
    page.feed(path.read_text())
    assert page.open == []
    return page


def test_a_report_is_one_page_that_needs_nothing_else(folder):
    assert main(["report", str(folder)]) == 0
    page = page_of(folder / "report.html")
    assert page.addresses and all(address.startswith("data:image/png;base64,") for address in page.addresses)
    about = json.loads((folder / "provenance.json").read_text())
    for text in ("complete", "core-hours", about["result"], about["run"], "model.gamma", "220", "version of numpy"):
        assert text in page.text
    found = re.findall(r"(?:chaotic|periodic|locked\)|frequencies|undecided|unsettled)\s*(\d+)", page.text)
    assert sum(map(int, found)) == 20


def test_a_report_of_half_a_run_names_what_is_missing(folder):
    (folder / "result.npz").unlink()
    (folder / "blocks" / "00002.npz").unlink()
    assert main(["report", str(folder), "--output", str(folder.parent / "sub" / "page.html")]) == 0
    page = page_of(folder.parent / "sub" / "page.html")
    assert "Missing blocks: 2" in page.text
    assert "3 of 4 blocks" in page.text
    assert page.addresses


def test_a_report_shows_odd_names_as_they_are(folder):
    odd = folder.with_name("<b>&amp;-" + folder.name.rpartition("-")[2])
    folder.rename(odd)
    about = json.loads((odd / "run.json").read_text())
    (odd / "run.json").write_text(json.dumps(about | {"name": "<script>alert(1)"}))
    assert main(["report", str(odd)]) == 0
    assert "<script>" not in (odd / "report.html").read_text()
    assert "<script>alert(1)" in page_of(odd / "report.html").text


def test_export_gives_every_recorded_step_and_every_number(folder):
    target = folder.parent / "points.csv"
    assert main(["export", str(folder), "--output", str(target)]) == 0
    with target.open() as file:
        rows = list(csv.DictReader(file))
    arrays = read_arrays(folder / "result.npz")
    inside = sum(int(arrays[name].sum()) for name in ("raster_attention", "raster_overlap_o_semantic"))
    assert sum(int(row["steps"]) for row in rows) == inside > 0
    assert main(["export", str(folder), "--table", "values", "--output", str(target)]) == 0
    with target.open() as file:
        values = list(csv.DictReader(file))
    assert [float(row["beta"]) for row in values] == arrays["beta"].tolist()
    assert [float(row["exponents_2"]) for row in values] == arrays["exponents"][:, 1].tolist()


def test_export_prints_and_knows_its_tables(folder, capsys):
    assert main(["export", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "beta,observable,feature,value,steps"
    assert main(["export", str(folder), "--table", "x"]) == 2
    assert "--table: one of diagram, values, bifurcations, found 'x'" in capsys.readouterr().err
    (folder / "result.npz").unlink()
    assert main(["export", str(folder)]) == 2
    assert "run or collect it first" in capsys.readouterr().err


def test_list_tells_how_runs_stand(folder, capsys):
    assert main(["list", "--out", str(folder.parent)]) == 0
    assert re.search(rf"{folder.name}\s+complete\s+[\d.]+ MB   20", capsys.readouterr().out)
    (folder / "result.npz").unlink()
    (folder / "blocks" / "00000.npz").unlink()
    assert main(["list", "--out", str(folder.parent)]) == 0
    assert "3/4 blocks" in capsys.readouterr().out
    assert main(["list", "--out", str(folder.parent / "nowhere")]) == 0
    assert "no runs" in capsys.readouterr().out


def test_clean_removes_orphans_and_nothing_else(folder, capsys):
    gone = subprocess.run(["true"])
    process = subprocess.Popen(["true"])
    process.wait()
    assert gone.returncode == 0
    host = socket.gethostname()
    orphans = [
        folder / "blocks" / f".00001.npz.{host}.{process.pid}.0a0b.tmp",
        folder / f".result.npz.{host}.{process.pid}.0a0b.tmp",
        folder / "blocks" / "00001.npz.bad",
        folder / "blocks" / "00001.npz.bad.1",
        folder / "blocks" / ".00001.npz.another.host.1.0a0b.tmp",
        folder.parent / "figures" / f".smoke.png.{host}.{process.pid}.0a0b.tmp",
    ]
    kept = [
        folder / "blocks" / f".00002.npz.{host}.{os.getpid()}.0a0b.tmp",
        folder / "blocks" / ".00002.npz.another.host.1.0a0b.tmp",
    ]
    for path in orphans + kept:
        path.write_text("x")
    os.utime(orphans[4], (0, 0))
    before = {path for path in folder.parent.rglob("*") if path.is_file()}
    assert main(["clean", "--out", str(folder.parent), "--dry-run"]) == 0
    assert {path for path in folder.parent.rglob("*") if path.is_file()} == before
    assert main(["clean", "--out", str(folder.parent)]) == 0
    assert {path for path in folder.parent.rglob("*") if path.is_file()} == before - set(orphans)
    assert "6 orphans" in capsys.readouterr().out


FOLLOW = "follow={steps: 60, forget: 10, window: 30}"

PARTIAL = {
    "bifurcation": ("smoke", SETTINGS),
    "phase diagram": ("phase_diagram", ("plane.x.num=5", "plane.y.num=4", "steps={transient: 50, record: 50}")),
    "census": ("census", ("sweep.num=3", "starts.number=3", "steps={transient: 50, record: 50}")),
    "escape": ("escape", ("starts.number=3", "saddle={window: 100, fit_from: 0, limit: 1000}")),
    "trajectory": ("trajectory", ("sweep.values=[1.0, 1.2]", "steps={transient: 50, record: 50}")),
    "finite size": (
        "finite_size_law",
        ("network={bits: [99, 990], replicas: 3, seed: 1}", "steps={transient: 50, record: 50}", FOLLOW),
    ),
    "finite-size bifurcation": (
        "finite_size_bifurcation",
        ("sweep.num=4", "steps={transient: 50, record: 50}", "observe.raster.bins=50"),
    ),
    "continuation": ("continuation_zoom", ("sweep.num=5", "chain.steps=50", "steps.record=50")),
}


@pytest.mark.parametrize("name", PARTIAL)
@pytest.mark.parametrize("lost", ["first", "all but one"])
def test_what_is_there_is_drawn_over_the_whole_axis(root, tmp_path, capsys, name, lost):
    config, settings = PARTIAL[name]
    words = [word for setting in settings for word in ("--set", setting)]
    config_path = str(root / "cfgs" / f"{config}.yaml")
    assert main(["run", config_path, "--out", str(tmp_path), *words, "--block-size", "1", "--jobs", "1"]) == 0
    folder = next(path.parent for path in tmp_path.glob("*/run.json"))
    (folder / "result.npz").unlink()
    shutil.rmtree(tmp_path / "figures")
    blocks = sorted((folder / "blocks").glob("*.npz"))
    for path in blocks[:1] if lost == "first" else blocks[1:]:
        path.unlink()
    capsys.readouterr()
    assert main(["collect", str(folder), "--partial"]) == 3
    assert "missing" in capsys.readouterr().err
    assert list((tmp_path / "figures").glob("*.png"))
    assert not (folder / "result.npz").exists()


def test_collecting_nothing_draws_nothing(folder, capsys):
    (folder / "result.npz").unlink()
    shutil.rmtree(folder / "blocks")
    assert main(["collect", str(folder), "--partial"]) == 3
    assert "no block is there yet" in capsys.readouterr().out


def test_numbers_read_well():
    assert compact([1, 2, 3, 7, 9, 10]) == "1-3,7,9-10"
    assert compact([]) == ""
    assert (clock(7), clock(3723)) == ("0:07", "1:02:03")


def test_values_tables_leave_out_what_is_too_wide(folder):
    from mfattn.experiments.tables import MOST_COLUMNS, values_table

    arrays = {"x": np.arange(3.0), "wide": np.zeros((3, MOST_COLUMNS + 1)), "other": np.zeros(4)}
    table = values_table(arrays, 3)
    assert table.columns == ["x"]
    assert [list(row) for row in table.rows] == [[0.0], [1.0], [2.0]]
