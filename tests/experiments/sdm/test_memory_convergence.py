"""Memories under perturbation: against the memories themselves, and against published and reference recalls."""

import json

import numpy as np
import pytest

from mfattn.cli import main
from mfattn.experiments import CONFIGS, make_experiment
from mfattn.experiments.sdm.memory_convergence import cosines, statistics
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError
from mfattn.sdm.memories import InfiniteSDM, Status

from ...datasets.helpers import write_idx

SMALL = """\
experiment: memory_convergence
patterns: {source: random, length: 64, number: 40}
memories:
  - {memory: neurons, radii: [19], neurons: 2000}
  - {memory: infinite, radii: [5, 15]}
  - {memory: finite, radii: [19], neurons: 1.0e+5}
  - {memory: attention, radii: [11]}
  - {memory: attention, betas: [20]}
  - {memory: hopfield}
  - {memory: hopfield, energy: polynomial, degree: 3}
  - {memory: caps, radii: [11]}
  - {memory: rounded, radii: [11]}
  - {memory: vector_attention, radii: [11], fitted_to: cap}
  - {memory: transformer}
flips: [0, 6, 12]
queries: 10
draws: 2
seed: 3
rivals: allow
"""


@pytest.fixture
def config_of(tmp_path):
    def build(*changes, text=SMALL):
        path = tmp_path / "memories.yaml"
        path.write_text(text)
        return load(path, CONFIGS, changes)

    return build


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("memories") / "memories.yaml"
    path.write_text(SMALL)
    experiment = make_experiment(load(path, CONFIGS))
    arrays = experiment.compute(range(experiment.points), lambda steps: None)
    return experiment, arrays | experiment.constants() | experiment.derive(arrays)


def test_every_memory_recalls_unperturbed_patterns_or_blurs_them(small):
    experiment, arrays = small
    unperturbed = dict(zip([line.label for line in experiment.lines], arrays["mean_cosine"][:, 0], strict=True))
    blurred = {label for label, cosine in unperturbed.items() if cosine < 0.999}
    assert blurred == {"Hopfield, classic", "attention, β = 1/√n, β = 0.125"}


def test_recall_falls_with_the_perturbation(small):
    _, arrays = small
    assert (np.diff(arrays["mean_cosine"], axis=1) < 0.02).all()
    assert ((arrays["cosine"] <= 1 + 1e-12) & (arrays["cosine"] >= -1 - 1e-12)).all()


def test_points_do_not_depend_on_their_block(small):
    experiment, arrays = small
    for point in (0, 3, 8, 15, 21):
        alone = experiment.compute(range(point, point + 1), lambda steps: None)
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], arrays[name][point])


def test_beyond_twice_the_radius_nothing_is_read(small):
    experiment, arrays = small
    row = [line.label for line in experiment.lines].index("SDM, infinitely many neurons, d = 5")
    status = arrays["status"][row * 2 : row * 2 + 2]
    assert (status[:, 2] == Status.EMPTY).all()
    np.testing.assert_allclose(arrays["mean_cosine"][row], [1, 1, 1 - 24 / 64])


def test_an_iterated_memory_gives_the_cosines(small):
    experiment, arrays = small
    row = [line.label for line in experiment.lines].index("SDM, infinitely many neurons, d = 15")
    patterns = experiment.config.patterns.make(np.random.SeedSequence(3, spawn_key=(1, 0)))
    line = experiment.lines[row]
    queries = experiment._queries(line, 1, 12, patterns.bits)
    assert ((queries != patterns.bits[:10]).sum(axis=1) == 12).all()
    memory = InfiniteSDM(64, 15)
    memory.write(patterns.bits)
    result = memory.iterate(queries)
    np.testing.assert_array_equal(arrays["cosine"][row * 2 + 1, 2], cosines(result.state, patterns.bits[:10]))
    np.testing.assert_array_equal(arrays["steps"][row * 2 + 1, 2], result.steps)


def test_statistics_of_known_cosines():
    cosine = np.array([[[1.0, 0.0]], [[1.0, 1.0]]])
    found = statistics(cosine)
    np.testing.assert_allclose(found["mean_cosine"], [0.75])
    np.testing.assert_allclose(found["cosine_error"], [0.25])
    np.testing.assert_allclose(found["exact_share"], [0.75])
    assert all(np.isnan(values).all() for values in statistics(cosine[:0]).values())


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ("memories=[{memory: infinite, radii: [65]}]", "memories[0].radii[0]", "at most the 64 bits of a pattern"),
        ("memories=[{memory: caps, radii: [0]}]", "memories[0].radii[0]", "at least 1, found 0"),
        ("memories=[{memory: attention}]", "memories[0]", "one of radii and betas is needed"),
        (
            "memories=[{memory: attention, radii: [2], estimator: levels}]",
            "memories[0].radii[0]",
            "from 3 to the 64 bits",
        ),
        ("memories=[{memory: attention, radii: [5, 5]}]", "memories[0].radii", "different numbers"),
        ("memories=[{memory: hopfield}, {memory: hopfield}]", "memories[1]", "different memories"),
        ("memories=[{memory: attention, radii: [1]}]", "memories[0].radii[0]", "from 2 to the 64 bits"),
        ("memories=[{memory: attention, betas: [.inf]}]", "memories[0].betas[0]", "a finite number"),
        ("memories=[{memory: neurons, radii: [9], neurons: 0}]", "memories[0].neurons", "a whole number from 1"),
        ("memories=[{memory: neurons, radii: [9], neurons: 100000000}]", "memories[0].neurons", "at most 8 GiB"),
        ("memories=[{memory: hopfield, degree: 3}]", "memories[0].degree", "only with the energy 'polynomial'"),
        ("memories=[{memory: hopfield, energy: polynomial}]", "memories[0]", "degree is needed"),
        ("memories=[{memory: elephant}]", "memories[0].memory", "one of attention, caps"),
        ("patterns.number=0", "patterns.number", "a whole number from 1"),
        ("patterns.number=9000000", "patterns.number", "at most 4,194,304 with 64 bits"),
        ("flips=[-1]", "flips[0]", "a whole number from 0"),
        ("flips=[65]", "flips[0]", "at most the 64 bits"),
        ("flips=[2, 2]", "flips", "different numbers"),
        ("queries=41", "queries", "at most the 40 patterns"),
        (
            "patterns={source: images, data: {images: idx, folder: nowhere, number: 50}}",
            "patterns.data.folder",
            "nowhere",
        ),
        ("patterns={source: images, data: {images: digits}}", "patterns.data", "number is needed"),
    ],
)
def test_mistakes_name_their_key(config_of, change, place, message):
    with pytest.raises(InputError) as error:
        config_of(change)
    assert len(error.value.mistakes) == 1
    assert f": {place}: " in str(error.value) and message in str(error.value)


def test_images_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, capsys):
    write_idx(tmp_path, "train", np.full((40, 4, 4), 9, dtype=np.uint8), np.zeros(40))
    path = tmp_path / "memories.yaml"
    images = f"{{source: images, data: {{images: idx, folder: {tmp_path}, number: 40}}}}"
    path.write_text(SMALL.replace("{source: random, length: 64, number: 40}", images))
    assert main(["run", str(path), "--out", str(tmp_path / "out"), "--set", "flips=[17]"]) == 2
    assert "flips[0]: at most the 16 bits" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels_of_images_are_told(config_of):
    pytest.importorskip("sklearn")
    config = config_of(
        "patterns={source: images, data: {images: digits, number: 200}}",
        "memories=[{memory: infinite, radii: [5]}]",
        "flips=[0, 10]",
        "draws=1",
    )
    experiment = make_experiment(config)
    point = experiment.compute_point(0)
    np.testing.assert_array_equal(point["label_share"][0], 1)
    assert 0.5 < point["label_share"][1] <= 1


def test_bits_too_far_from_their_pattern_are_said_so(tmp_path, capsys):
    path = tmp_path / "memories.yaml"
    path.write_text(SMALL)
    words = ["--set", "rivals=redraw", "--set", "flips=[32]", "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main(["run", str(path), *words]) == 1
    assert "set rivals to allow" in capsys.readouterr().err


def test_kanervas_neurons_agree_with_the_published_recall(root, config_of):
    """Real neurons at n = 64, m = 1024, r = 1e5, d = 19: the mean of the notebook's eight to ten draws."""
    stored = json.loads((root / "tests/data/sdm/convergence.json").read_text())["S3"]
    config = config_of(
        "patterns.number=1024",
        "memories=[{memory: neurons, radii: [19], neurons: 100000}]",
        "queries=null",
        "draws=3",
        f"flips={stored['perturb']}",
    )
    experiment = make_experiment(config)
    mean = experiment.derive(experiment.compute(range(3), lambda steps: None))["mean_cosine"][0]
    np.testing.assert_allclose(mean, stored["results"]["d=19"]["neuron_sdm_keep_on_empty"], atol=0.02)


def test_the_table_has_a_row_for_every_memory_and_perturbation(small):
    experiment, arrays = small
    table = experiment.tables(arrays)["values"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert len(rows) == len(experiment.lines) * 3
    endings = ("converged", "tie", "cycle", "limit", "empty")
    assert all(sum(row[name] for name in endings) == 20 for row in rows)


def test_partial_results_are_drawn(small):
    experiment, arrays = small
    raw = {name: arrays[name].copy() for name in experiment.layout(range(experiment.points))}
    for values in raw.values():
        values[1:] = np.nan if values.dtype.kind == "f" else -1
    experiment.draw(raw | experiment.constants() | experiment.derive(raw), ", partial")
