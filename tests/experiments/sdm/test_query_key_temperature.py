"""Learnt scales beside the temperatures of some radii."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.pipeline.plan import run_hash

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "sdm_query_key"
LISTED = "values={listed: [10.5, 12.0, 14.5, 15.87, 24.0]}"


@pytest.mark.parametrize("assignments", [(), (LISTED,), ("values={listed: [3.0, 3.0]}",)])
def test_blocks_and_partial_results(root, monkeypatch, assignments):
    run = experiment_of(root, NAME, *assignments)
    check_blocks(run, 1)
    check_results(run, complete(run), [""], monkeypatch)


def test_scales_are_summed_up_and_counted_at_the_lines(root):
    run = experiment_of(root, NAME, LISTED, "bins=5")
    arrays = complete(run)
    assert_allclose(arrays["statistics"][0], [15.374, np.std([10.5, 12.0, 14.5, 15.87, 24.0]), 10.5, 14.5, 24.0])
    assert_allclose(arrays["line_beta"].round(2), [28.39, 14.41, 9.44])
    assert_allclose(arrays["line_beta_published"].round(1), [35.5, 15.9, 10.1])
    assert arrays["below"].tolist() == [[5, 2, 0]] and arrays["below_published"].tolist() == [[5, 3, 0]]
    assert arrays["histogram"].tolist() == [[2, 2, 0, 0, 1]]
    assert_allclose(arrays["bin_edge"][0], np.linspace(10.5, 24.0, 6))
    assert ("d = 11", "2 below and 3 above 14.41 (least squares)") in run.findings(arrays)


def test_without_scales_the_published_summary_stands_alone(root):
    run = experiment_of(root, NAME)
    arrays = complete(run)
    assert arrays["scale"].shape == (1, 0) and np.isnan(arrays["statistics"]).all()
    assert arrays["henry"].tolist() == [90, 15.6475, 3.0797, 10.3109, 15.1115, 24.8478]
    assert [word for word, _ in run.findings(arrays)] == ["Henry et al."]


def test_groups_of_a_file(root, tmp_path):
    path = tmp_path / "scales.json"
    path.write_text(json.dumps({"ar-en": [12.0, 13.0], "en-he": [14.0]}))
    run = experiment_of(root, NAME, f"values={{file: {path}}}")
    arrays = complete(run)
    assert arrays["group_name"].tolist() == ["ar-en", "en-he"] and arrays["group"].tolist() == [[0, 0, 1]]
    rows = list(run.tables(arrays)["groups"].rows)
    assert rows[0][:3] == ["ar-en", 2, 12.5] and rows[1][1] == 1
    printed = tmp_path / "scales.txt"
    printed.write_text("ar-en\na tensor(12.)\nb tensor(13.)\nen-he\nc tensor(14.)\n")
    same = experiment_of(root, NAME, f"values={{file: {printed}}}")
    assert np.array_equal(complete(same)["scale"], arrays["scale"])
    first = run_hash(run.identity())
    path.write_text("[1]")
    assert run_hash(experiment_of(root, NAME, f"values={{file: {path}}}").identity()) != first


def test_one_scale_is_not_many(root):
    run = experiment_of(root, NAME, "values={listed: [12.5]}")
    assert ("scales", "1 in 1 group") in run.describe()
    assert dict(run.findings(complete(run)))["these"].startswith("1 scale, ")


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["values={}"], "values", "one of file and listed is needed"),
        (["values={file: /none, listed: [1]}"], "values", "only one of file and listed, found both"),
        (["values={file: /none}"], "values.file", "an existing file is needed, found '/none'"),
        (["values={listed: []}"], "values.listed", "a list of at least 1"),
        (["values={listed: [.nan]}"], "values.listed[0]", "a finite number"),
        (["lines={bits: 16, radii: [9]}"], "lines.radii[0]", "at most half the bits (8), found 9"),
        (["lines.radii=[5, 5]"], "lines.radii", "different numbers, found 5, 5"),
        (["lines.radii=[1]"], "lines.radii[0]", "from 2 to 2,048"),
        (["bins=0"], "bins", "from 1 to 10,000"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, NAME, assignments, key, message)
