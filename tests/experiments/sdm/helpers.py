"""Runs of experiments whose points are computed one by one."""

import io
import json

import numpy as np
import pytest

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.figures import style
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import missing_value


def experiment_of(root, name, *assignments):
    """The experiment of a config, with some of its keys set."""
    return make_experiment(load(root / "cfgs" / f"{name}.yaml", CONFIGS, assignments))


def complete(run):
    """All arrays of its result."""
    steps = []
    arrays = run.compute(range(run.points), steps.append)
    assert sum(steps) == run.points * run.steps_per_point
    layout = run.layout(range(run.points))
    assert {name: (array.shape, array.dtype) for name, array in arrays.items()} == layout
    return arrays | run.constants()


def check_blocks(run, size):
    """State that blocks of a size hold what the whole does."""
    whole = run.compute(range(run.points), lambda steps: None)
    firsts = range(0, run.points, size)
    parts = [run.compute(range(first, min(first + size, run.points)), lambda steps: None) for first in firsts]
    for name, array in whole.items():
        joined = np.concatenate([part[name] for part in parts])
        assert np.array_equal(joined, array, equal_nan=array.dtype.kind == "f"), name


def check_results(run, arrays, names, monkeypatch):
    """State that a result is drawn as figures of some names, tabulated and summed up, with all its points and one."""
    monkeypatch.setattr(style, "render", lambda figure, name="": {name: draw_small(figure)})
    for kept in (slice(None), slice(1)):
        left = {name: array.copy() for name, array in arrays.items()}
        for name in run.layout(range(1)):
            left[name][:] = missing_value(left[name].dtype)
            left[name][kept] = arrays[name][kept]
        drawn = run.draw(left, ", incomplete")
        assert set(drawn) == set(names) and all(content[:4] == b"\x89PNG" for content in drawn.values())
        assert run.findings(left) and all(word and text for word, text in run.findings(left))
        for table in run.tables(left).values():
            assert all(len(row) == len(table.columns) for row in table.rows)


def draw_small(figure):
    """The figure as a small PNG."""
    buffer = io.BytesIO()
    with style.house_style():
        figure.savefig(buffer, dpi=40)
    return buffer.getvalue()


def check_mistake(root, name, assignments, key, message):
    """State that assignments are refused with one line, which names a key and says what is wrong."""
    with pytest.raises(InputError) as caught:
        experiment_of(root, name, *assignments)
    (line,) = str(caught.value).splitlines()
    assert message in line and f": {key}: " in line


def reference(root, name):
    """Reference numbers."""
    return json.loads((root / "tests" / "data" / "sdm" / f"{name}.json").read_text())
