"""Learned projections: configs, what is recalled, data of a user's own, and figures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.cli import main
from mfattn.experiments import CONFIGS, make_experiment
from mfattn.experiments.sdm.learned_projection import IMAGES, SPACES
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import BAD_INPUT, COMPLETE, InputError
from mfattn.pipeline.experiment import missing_value

from ...datasets.helpers import random_pixels, write_idx

SMALL = (
    "training={images: digits, part: train, number: 60}",
    "test={images: digits, part: test, number: 30}",
    "radii=[2, 4]",
    "initialisations=2",
    "learning={epochs: 2, batch: 16, flips: [1, 8]}",
    "evaluation={flips: [0, 16], queries: 5, updates: 2}",
)


def make(root, *assignments, small=SMALL):
    return make_experiment(load(root / "cfgs" / "sdm_projections.yaml", CONFIGS, [*small, *assignments]))


def computed(run):
    return {**run.compute(range(run.points), lambda steps: None), **run.constants()}


def mean(arrays, images, space, memory):
    """Cosines of all points, (P, F)."""
    return arrays["mean_cosine"][:, IMAGES.index(images), SPACES.index(space), list(arrays["memory"]).index(memory)]


@pytest.mark.parametrize(
    ("assignment", "place", "message"),
    [
        ("training={images: digits, number: 1798}", "training.number", "at most the 1,797 of digits, found 1,798"),
        ("test={images: idx, folder: missing}", "test.folder", "missing: no such folder"),
        ("test={images: mnist}", "test.images", "one of cifar, digits, idx, found 'mnist'"),
        ("radii=[2, 17]", "radii[1]", "2 to latent \\(16\\), found 17"),
        ("radii=[3, 3]", "radii", "different numbers"),
        ("beta={estimator: levels}", "radii[0]", "3 to latent"),
        ("beta={initial: 3, factor: 2}", "beta.factor", "one of factor and initial"),
        ("learning.flips=[8, 1]", "learning.flips", "the lower number first, found 8 before 1"),
        ("learning.flips=[1, 65]", "learning.flips", "at most the 64 pixels of an image, found 65"),
        ("learning.keys_per_step=10", "learning.keys_per_step", "at least the batch \\(16\\), found 10"),
        ("learning={batch: 4096, keys_per_step: 1000000}", "learning.keys_per_step", "at most 32,768 with this batch"),
        ("evaluation.flips=[0, 65]", "evaluation.flips[1]", "at most the 64 pixels of an image, found 65"),
        ("evaluation.flips=[4, 4]", "evaluation.flips", "different numbers"),
        ("evaluation.neurons=[1e5, 100000]", "evaluation.neurons", "different numbers"),
        ("figure.radius=3", "figure.radius", "one of 2, 4, found 3"),
    ],
)
def test_mistakes_are_named_at_their_place(root, assignment, place, message):
    with pytest.raises(InputError, match=message) as caught:
        make(root, assignment)
    assert f": {place}: " in str(caught.value)


def test_a_result_beyond_memory_is_refused(root):
    many = ("initialisations=1000", "latent=1024", "radii=[2, 3, 4, 5, 6, 7, 8, 9]")
    flips, neurons = list(range(50)), list(range(1, 13))
    with pytest.raises(InputError, match="initialisations: a result of at most 8 GiB"):
        make(root, *many, f"evaluation={{flips: {flips}, neurons: {neurons}}}")


@pytest.mark.parametrize("estimator", ["ols", "paper", "weighted", "levels", "softmax", "kl", "taylor"])
@pytest.mark.parametrize("latent", [4, 5, 64])
def test_every_radius_that_is_allowed_has_fits(root, estimator, latent):
    radii = sorted({3, latent // 2, latent - 1, latent} - {2})
    run = make(root, f"latent={latent}", f"radii={radii}", f"beta.estimator={estimator}")
    fits = run.constants()
    assert np.isfinite(fits["beta_of_balls"]).all() and np.isfinite(fits["beta_of_caps"]).all()


def test_caps_have_a_temperature_of_their_own(root):
    # Published with that of the balls in both places.
    fits = make(root, "latent=64", "radii=[5, 11]", "initialisations=1").constants()
    assert_allclose(fits["beta_of_balls"], [28.388, 14.412], atol=1e-3)
    assert_allclose(fits["beta_of_caps"], [57.37, 19.58], atol=5e-3)


def test_blocks_of_any_size_give_the_same_arrays(root):
    run = make(root, "evaluation.neurons=[1e3]")
    whole, steps = run.compute(range(run.points), lambda steps: None), []
    for point in range(run.points):
        alone = run.compute(range(point, point + 1), steps.append)
        assert {name: array[0].tobytes() for name, array in alone.items()} == {
            name: array[point].tobytes() for name, array in whole.items()
        }
    assert sum(steps) == run.points * run.steps_per_point
    for name, (shape, dtype) in run.layout(range(run.points)).items():
        assert whole[name].shape == shape and whole[name].dtype == dtype


def test_learning_and_centring_set_the_images_apart(root):
    small = [setting for setting in SMALL if not setting.startswith(("learning", "training", "evaluation", "radii"))]
    more = ("training={images: digits, part: train, number: 400}", "learning={epochs: 15, flips: [1, 8]}")
    more += ("evaluation={flips: [0, 8], queries: 20}", "radii=[2]", "initialisations=1")
    arrays = computed(make(root, *more, small=small))
    for images in IMAGES:
        learned, random, pixels, centred = (mean(arrays, images, space, "attention_balls")[0] for space in SPACES[:4])
        assert (learned > random + 0.02).all() and centred[0] > pixels[0] + 0.02
    assert arrays["loss"][0, -1] < 0.7 * arrays["loss"][0, 0]


def test_a_query_that_finds_no_neuron_keeps_its_cosine(root):
    arrays = computed(make(root, "evaluation.neurons=[1]", "evaluation.counting=rounded", "radii=[2]", "latent=64"))
    empty = arrays["empty_share"] == 1
    assert empty[..., -2:, :].mean() > 0.9
    queries = np.broadcast_to(arrays["query_cosine"], empty.shape)
    assert_allclose(arrays["mean_cosine"][empty], queries[empty], atol=1e-12)


def test_queries_have_the_published_cosines(root, tmp_path):
    # Printed where the published memory of 28 x 28 pixels reads nothing at all.
    pixels, labels = random_pixels(12) | 1, np.zeros(12)
    write_idx(tmp_path, "train", pixels, labels)
    source = f"{{images: idx, folder: {tmp_path}}}"
    run = make(root, f"training={source}", f"test={source}", "evaluation.flips=[0, 50, 100, 150, 200, 250, 300]")
    assert_allclose(
        run.constants()["query_cosine"],
        [1, 0.87250346, 0.74489784, 0.61734676, 0.4897958, 0.36224496, 0.23469394],
        atol=1e-4,
    )


def test_images_that_are_stored_for_the_test(root):
    own, train = (computed(make(root, f"evaluation.stored={which}")) for which in ("own", "train"))
    training, test = ((own["mean_cosine"][:, place], train["mean_cosine"][:, place]) for place in (0, 1))
    assert (training[0] == training[1]).all() and (test[0] != test[1]).any()
    # Nothing that is not stored can be recalled.
    unperturbed = [mean(arrays, "test", "centred", "attention_caps")[:, 0] for arrays in (own, train)]
    assert (unperturbed[0] > unperturbed[1]).all()


def test_a_learnt_temperature_recalls_beside_the_fits(root):
    run = make(root, "beta={estimator: paper, factor: 3, learnt: true}")
    arrays = computed(run)
    assert arrays["memory"].tolist() == ["attention_trained", "attention_balls", "attention_caps", "caps", "balls"]
    assert_allclose(arrays["beta"][:, 0], 3 * arrays["beta_of_balls"])
    assert (arrays["beta"][:, -1] != arrays["beta"][:, 0]).all()
    assert any("beta" in word for word, _ in run.findings(arrays))
    fixed = computed(make(root, "beta={initial: 7}"))
    assert (fixed["beta"] == 7).all() and fixed["memory"][0] == "attention_trained"


def test_tables_and_findings_have_everything(root):
    run = make(root)
    arrays = computed(run)
    tables = {name: (table.columns, list(table.rows)) for name, table in run.tables(arrays).items()}
    columns, rows = tables["recall"]
    assert len(rows) == arrays["mean_cosine"].size and all(len(row) == len(columns) for row in rows)
    wanted = [row for row in rows if row[:6] == [4, 1, "test", "centred", "caps", 16]]
    assert wanted[0][columns.index("mean_cosine")] == mean(arrays, "test", "centred", "caps")[3, 1]
    columns, rows = tables["learning"]
    assert len(rows) == arrays["loss"].size and all(len(row) == len(columns) for row in rows)
    assert len(run.findings(arrays)) == 4


@pytest.mark.parametrize(
    ("assignment", "missing"),
    [
        ("evaluation.neurons=[1e20]", ()),
        ("figure.images=training", (0, 1, 3)),
        ("beta.learnt=true", (0, 1, 2, 3)),
    ],
)
def test_figures_of_whole_and_partial_results_are_drawn(root, assignment, missing):
    run = make(root, assignment, "figure.radius=4")
    arrays = {}
    for name, (shape, dtype) in run.layout(range(run.points)).items():
        arrays[name] = np.random.default_rng(1).random(shape).astype(dtype) + 0.1
        arrays[name][list(missing)] = missing_value(dtype)
    files = run.draw(arrays | run.constants(), note=", partial")
    assert set(files) == {".png", ".pdf", "_examples.png", "_examples.pdf"}


# Images of a user's own.


def own_images(folder, number=20, size=6):
    pixels = random_pixels(number, size) | 1
    for part in ("train", "test"):
        write_idx(folder, part, pixels, np.arange(number) % 10)
    return (
        f"training={{images: idx, folder: {folder}}}",
        f"test={{images: idx, folder: {folder}, part: test}}",
        "learning.flips=[1, 4]",
    )


def run_command(root, tmp_path, *assignments):
    settings = [word for assignment in (*SMALL, *assignments) for word in ("--set", assignment)]
    config = root / "cfgs" / "sdm_projections.yaml"
    return main(["run", str(config), "--out", str(tmp_path / "out"), "--jobs", "1", *settings])


def test_images_of_a_user_are_learnt(root, tmp_path, capsys):
    folder = tmp_path / "with $ and ü"
    folder.mkdir()
    assert run_command(root, tmp_path, *own_images(folder)) == COMPLETE
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("damage", "assignments", "message"),
    [
        (lambda folder: (folder / "t10k-labels-idx1-ubyte").write_bytes(b"no"), (), "found 0x6e6f"),
        (lambda folder: (folder / "t10k-labels-idx1-ubyte").unlink(), (), "no file t10k-labels-idx1-ubyte"),
        (lambda folder: None, ("training.number=21",), "holds 20 images, number asks for 21"),
        (
            lambda folder: None,
            ("learning.flips=[1, 50]",),
            "learning.flips: at most the 36 pixels of an image, found 50",
        ),
        (lambda folder: None, ("evaluation.flips=[1, 50]",), "evaluation.flips[1]: at most the 36 pixels"),
        (lambda folder: None, ("test={images: digits}",), "test: images of 6 x 6 pixels, as those of the training"),
    ],
)
def test_images_that_do_not_do_are_one_line_and_nothing_is_written(
    root, tmp_path, capsys, damage, assignments, message
):
    settings = own_images(tmp_path)
    damage(tmp_path)
    assert run_command(root, tmp_path, *settings, *assignments) == BAD_INPUT
    streams = capsys.readouterr()
    assert message in streams.err and streams.err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_run_is_that_of_the_images_and_not_of_their_folder(root, tmp_path):
    runs = []
    for name, number in (("a", 20), ("b", 20), ("c", 19)):
        (tmp_path / name).mkdir()
        runs.append(make(root, *own_images(tmp_path / name, number)).identity())
    assert runs[0] == runs[1] != runs[2]
