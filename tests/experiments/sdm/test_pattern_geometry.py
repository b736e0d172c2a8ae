"""Cosines of all pairs: against all of them at once."""

import numpy as np
import pytest

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError

SMALL = """\
experiment: pattern_geometry
patterns: {source: random, length: 20, number: 600}
bins: 40
seed: 1
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "geometry.yaml"
    path.write_text(SMALL)
    return path


def test_pairs_are_counted_once(path):
    experiment = make_experiment(load(path, CONFIGS))
    point = experiment.compute_point(0)
    vectors, bits, _ = experiment.patterns
    for row, array in enumerate((vectors, 2.0 * bits - 1)):
        units = array / np.linalg.norm(array, axis=1, keepdims=True)
        cosines = (units @ units.T)[np.triu_indices(600, 1)]
        assert point["pair_count"][row].sum() == 600 * 599 // 2
        np.testing.assert_allclose(point["mean_cosine"][row], cosines.mean(), atol=1e-12)
        np.testing.assert_allclose(point["cosine_deviation"][row], cosines.std(), rtol=1e-10)
    np.testing.assert_allclose(point["cosine_deviation"], 1 / np.sqrt(20), rtol=0.03)


def test_digits_are_near_each_other(root):
    pytest.importorskip("sklearn")
    experiment = make_experiment(load(root / "cfgs" / "sdm_geometry.yaml", CONFIGS, ["patterns.data.number=300"]))
    arrays = experiment.compute(range(1), lambda steps: None) | experiment.constants()
    assert arrays["mean_cosine"][0, 0] > 0.5
    assert experiment.draw(arrays)[".png"]
    assert len(experiment.findings(arrays)) == 2


def test_too_many_or_too_few_patterns_are_refused(path):
    for number in (1, 20_001):
        with pytest.raises(InputError, match="2 to 20,000 patterns"):
            load(path, CONFIGS, [f"patterns.number={number}"])
