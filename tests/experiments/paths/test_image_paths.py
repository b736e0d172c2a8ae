"""One-shot images: heads that are random, trained, or of a file, and characters that are generated, or of a folder."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mfattn.cli import main
from mfattn.datasets import OmniglotFolder, write_omniglot
from mfattn.experiments import make_experiment
from mfattn.experiments.paths import image_characters, image_measured, images_config
from mfattn.experiments.paths.image_dump import DumpConfig
from mfattn.experiments.paths.image_results import agreement, best_place, correlation, rank_correlation
from mfattn.figures import style
from mfattn.paths.action import Action
from mfattn.paths.network import Network
from mfattn.paths.observables import head_scores
from mfattn.paths.solve import solve
from mfattn.paths.tasks.characters import generated_characters
from mfattn.paths.tasks.descent import MissingExtra
from mfattn.paths.tasks.dump import Dump, Examples, write_dump
from mfattn.pipeline.errors import InputError, RunError

from ...paths.test_tasks_trained import random_network
from ..sdm.helpers import check_blocks, check_mistake, check_results, complete, draw_small, experiment_of

SMALL = (
    "task.characters={source: generated, alphabets: 3, unseen: 1, characters: 3, drawings: 4}",
    "task.encoding={side: 16, patch: 8, channels: 1}",
    "task.examples=24",
    "task.test_examples=40",
    "widths=[6, 30]",
    "temperatures=[0.2, 1.0]",
    "pruning={width: 6, random_orders: 2}",
)
TRAINING = (
    "task.network={source: training, heads: [2, 2], key_size: 4, width: 8, steps: 7, batch: 8, link: 3, rate: 0.01}"
)
DIGITS = "{images: digits, part: train}", "{images: digits, part: test}"
TRANSFER = f"task.transfer=[{{name: digits, examples: {DIGITS[0]}, queries: {DIGITS[1]}, per_class: 10}}]"


def small(root, *assignments):
    return experiment_of(root, "paths_images_random", *SMALL, *assignments)


def trained_small(root, *assignments):
    return experiment_of(root, "paths_images", *SMALL, "task.transfer=[]", "posterior=null", TRAINING, *assignments)


@pytest.fixture(scope="module")
def result(root):
    run = small(root, TRANSFER, "posterior={width: 30, draws: 256}")
    arrays = complete(run)
    return run, arrays | run.derive(arrays)


def test_blocks_and_tables(result):
    run, arrays = result
    check_blocks(run, 2)
    assert set(run.tables(arrays)) == {"accuracies", "widths", "heads", "pruning"} and run.warnings(arrays) == []


def test_a_partial_result_is_derived_and_drawn(result, monkeypatch):
    run, arrays = result
    left = {name: array.copy() for name, array in arrays.items() if name not in run.derive(arrays)}
    for name in run.layout(range(1)):
        left[name][1:] = -1 if left[name].dtype.kind == "i" else np.nan
    left |= run.derive(left)
    assert left["evidence_choice"].tolist()[1:] == [-1, -1]
    monkeypatch.setattr(style, "render", lambda figure: {"": draw_small(figure)})
    assert run.draw(left, ", incomplete")[""][:4] == b"\x89PNG" and run.findings(left) and len(run.warnings(left)) == 1


def test_a_point_is_the_solution_of_its_width_and_temperature(result):
    run, arrays = result
    problem = run._images.problem
    action = Action(Network((2, 2), (6, 6, 6)), problem.kernels, problem.labels, 1.0)
    solution = solve(action, starts="gp")
    assert np.allclose(arrays["order_parameter"][0, 1], solution.U1)
    assert np.isclose(arrays["action"][0, 1], solution.value)
    assert np.allclose(arrays["scaled_head_score"][0, 1], np.concatenate(head_scores(solution.U1, (2, 2), "scaled")))
    assert (arrays["order_parameter"][-1] == np.eye(4)).all() and np.isinf(arrays["width"][-1])
    assert np.isnan(arrays["action"][-1]).all() and np.isfinite(arrays["log_evidence"]).all()


def test_the_evidence_chooses_the_temperature_whatever_the_test_says(result):
    run, arrays = result
    other = arrays | {"accuracy": 1 - arrays["accuracy"]}
    assert (run.derive(other)["evidence_choice"] == arrays["log_evidence"].argmax(axis=1)).all()
    assert (arrays["leave_one_out_choice"] == arrays["leave_one_out_error"].argmin(axis=1)).all()
    assert (arrays["test_choice"] == arrays["accuracy"].argmax(axis=1)).all()


def test_pruning_is_at_one_width_and_begins_with_the_whole_network(result):
    _, arrays = result
    best = arrays["evidence_choice"][0]
    assert np.isnan(arrays["pruned_accuracy"][1:]).all() and (arrays["pruning_head"][1:] == -1).all()
    assert (arrays["pruned_accuracy"][0, :, 0] == arrays["accuracy"][0, best]).all()
    assert arrays["pruning_order"].tolist() == ["score", "random 1", "random 2"]
    scores = arrays["head_score"][0, best]
    assert arrays["pruning_head"][0, 0, 0] == scores.argmin()
    assert arrays["pruned_accuracy"][0, 0, 1] == arrays["dropped_accuracy"][0, scores.argmin()]


def test_an_order_of_a_single_head_has_nothing_to_drop(root):
    run = small(root, "task.network.heads=[1, 2]", "widths=[6]")
    arrays = complete(run)
    assert np.isnan(arrays["dropped_accuracy"][0]).tolist() == [True, False, False]
    assert arrays["pruned_accuracy"].shape == (2, 3, 2)


def test_doubts_are_told(result):
    run, arrays = result

    def told(words, **changed):
        (line,) = run.warnings(arrays | changed)
        return line.startswith(words)

    nothing = np.full(3, np.nan)
    assert told("no draws of the exact posterior: N = 30", effective_size=nothing, r_hat=nothing)
    assert told("the exact posterior is uncertain: N = 30, 5 effective draws", effective_size=np.full(3, 5.0))
    assert told("the exact posterior is uncertain", r_hat=np.full(3, 1.2))
    narrow = "below the 4 paths, where order parameters are singular and theory is approximate: N = 3"
    assert told(narrow, width=np.array([3, 30, np.inf]))
    several = np.where(arrays["pruned_minima"] > 0, 2, -1)
    assert told("several minima of networks without heads", pruned_minima=several)


def test_several_minima_of_smaller_networks_are_counted(result, monkeypatch):
    run, arrays = result
    best = arrays["evidence_choice"][0]
    assert (arrays["dropped_minima"][0] == 1).all() and (arrays["pruned_minima"][0] == 1).all()
    real = image_measured.solve_pruned

    def twice(*arguments):
        smaller = real(*arguments)
        certificate = smaller.solution.certificate
        both = replace(certificate, minima=certificate.minima * 2)
        return smaller._replace(solution=replace(smaller.solution, certificate=both))

    monkeypatch.setattr(image_measured, "solve_pruned", twice)
    action, order = run._action(0, best), arrays["order_parameter"][0, best]
    found = image_measured.of_pruning(action, order, run._images, iter([np.arange(4.0)]))
    assert found["dropped_minima"] == [2] * 4 and found["pruned_minima"] == [[2, 2]]


def test_the_exact_posterior_is_at_one_width(result):
    _, arrays = result
    assert np.isfinite(arrays["exact_accuracy"]).tolist() == [False, True, False]
    order = arrays["order_parameter"][1, arrays["evidence_choice"][1]]
    assert np.linalg.norm(arrays["exact_order_parameter"][1] - order) < 0.2 * np.linalg.norm(order)


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["task.examples=25"], "task.examples", "an even number"),
        (["task.encoding.patch=7"], "task.encoding.patch", "a divisor of the side 16, found 7"),
        (["task.encoding={side: 128, patch: 2}"], "task.encoding.patch", "at most 1,024 tokens"),
        (["task.characters.unseen=3"], "task.characters.unseen", "fewer than the 3 alphabets"),
        (["task.characters.characters=1"], "task.characters.characters", "at least 2 characters"),
        (["task.characters.drawings=1000", "task.characters.characters=1000"], "task.characters.drawings", "at most"),
        (["task.network.heads=[9, 9]"], "task", "at most 64 paths, found 81"),
        (["pruning.width=7"], "pruning.width", "one of the widths 6, 30, found 7"),
        (["posterior={width: 7}"], "posterior.width", "one of the widths"),
        (
            ["task.network.heads=[4, 4]", "posterior={width: 6, method: importance}"],
            "posterior.method",
            "another than importance where a width is below the number of paths (16)",
        ),
        (["figure.width=7"], "figure.width", "one of the widths"),
        (["widths=[6, 6]", "pruning=null"], "widths", "different numbers"),
        (["temperatures=[1.0, 1.0]"], "temperatures", "different numbers"),
        (["variances=[1.0, 1.0, 1.0]"], "variances", "4 numbers"),
        (
            [TRANSFER.replace("per_class", "classes: [1, 1], per_class")],
            "task.transfer[0].classes",
            "two different classes",
        ),
        ([TRAINING, "task.network.batch=7"], "task.network.batch", "an even number"),
        (
            [TRAINING, "task.network={source: training, width: 4096, steps: 9999999, link: 1}"],
            "task.network.link",
            "GiB",
        ),
        (
            [TRAINING, "task.encoding.patch=1", "task.encoding={side: 36, patch: 2}", "task.network.batch=4096"],
            "task.network.batch",
            "at most",
        ),
        (["task={name: dump, file: nowhere.npz}"], "task.file", "a file, found none"),
        (["task.characters={source: omniglot, folder: nowhere}"], "task.characters.folder", "a folder, found none"),
    ],
)
def test_mistakes_are_named(root, assignments, key, message):
    check_mistake(root, "paths_images_random", [*SMALL, *assignments], key, message)


# Images of other kinds.


def test_too_few_images_of_a_class_end_a_run_before_it_begins(root, tmp_path, capsys):
    assignments = [*SMALL, TRANSFER.replace("per_class: 10", "per_class: 400")]
    check_refused(root, tmp_path, capsys, assignments, "digits: examples must hold 800 images of class 0")


def check_refused(root, tmp_path, capsys, assignments, *messages, config="paths_images_random"):
    """State that the command refuses a run with one line, and writes nothing."""
    settings = [word for assignment in assignments for word in ("--set", assignment)]
    out = tmp_path / "out"
    assert main(["run", str(root / "cfgs" / f"{config}.yaml"), "--out", str(out), *settings]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if any(message in line for message in messages)]
    assert line and not out.exists()


# Folders.


@pytest.fixture
def folder(tmp_path):
    write_omniglot(tmp_path / "images", generated_characters(3, 3, 4, evaluation=1, side=20).by_name())
    return tmp_path / "images"


def of_folder(folder, **more):
    keys = "".join(f", {name}: {value}" for name, value in more.items())
    return f"task.characters={{source: omniglot, folder: {folder}{keys}}}"


def test_a_folder_gives_what_its_drawings_would_in_memory(root, folder, tmp_path):
    run = small(root, of_folder(folder), "widths=[6]", "pruning=null")
    arrays = complete(run)
    assert np.isfinite(arrays["accuracy"]).all()
    shutil.copytree(folder, tmp_path / "copy")
    assert small(root, of_folder(tmp_path / "copy"), "widths=[6]", "pruning=null").identity() == run.identity()
    (tmp_path / "copy" / OmniglotFolder(folder).names[0] / "0001_01.png").unlink()
    image_characters.characters_of.cache_clear()
    other = small(root, of_folder(tmp_path / "copy"), "widths=[6]", "pruning=null")
    assert other.identity() != run.identity()


def test_a_folder_is_split_by_part_by_alphabet_or_by_files(root, folder, tmp_path):
    def names(**more):
        source = small(root, of_folder(folder, **more)).config.task.characters
        return [part.alphabets for part in source.load(16)]

    for part, alphabet in (("training", "01"), ("test", "00")):
        split = f'{{"background": {{"Alphabet_{alphabet}": ["character01", "character02"]}}}}'
        (tmp_path / f"{part}.json").write_text(split)
    files = {f"{part}_split": tmp_path / f"{part}.json" for part in ("training", "test")}
    assert names() == [("Alphabet_00", "Alphabet_01"), ("Alphabet_02",)]
    assert names(test_alphabets="[Alphabet_00]") == [("Alphabet_01", "Alphabet_02"), ("Alphabet_00",)]
    assert names(**files) == [("Alphabet_01",), ("Alphabet_00",)]
    key = "task.characters.training_split"
    check_mistake(root, "paths_images_random", [of_folder(folder, test_split="a.json")], key, "needed")
    key = "task.characters.test_alphabets"
    check_mistake(root, "paths_images_random", [of_folder(folder, test_alphabets="[a]", **files)], key, "only one of")


def test_an_alphabet_of_both_folders_is_split_by_folder(root, folder):
    shutil.copytree(folder / "images_background" / "Alphabet_00", folder / "images_evaluation" / "Alphabet_00")
    training, test = small(root, of_folder(folder)).config.task.characters.load(16)
    assert training.alphabets == ("Alphabet_00", "Alphabet_01") and test.alphabets == ("Alphabet_00", "Alphabet_02")
    assert all(name.startswith("images_background/") for name in training.names) and len(training.names) == 6


def test_splits_share_no_characters(root, folder, tmp_path, capsys):
    for part, names in (("training", ["character01", "character02"]), ("test", ["character02", "character03"])):
        (tmp_path / f"{part}.json").write_text(json.dumps({"background": {"Alphabet_00": names}}))
    files = {f"{part}_split": tmp_path / f"{part}.json" for part in ("training", "test")}
    message = "test.json: 'images_background/Alphabet_00/character02' is in"
    check_refused(root, tmp_path, capsys, [*SMALL, of_folder(folder, **files)], message)


@pytest.mark.parametrize("damage", ["broken", "no drawings", "empty", "one drawing", "no test", "no such alphabet"])
def test_a_folder_that_is_no_use_ends_a_run_before_it_begins(root, folder, tmp_path, capsys, damage):
    first, more, message = folder / OmniglotFolder(folder).names[0], {}, f"{folder}"
    if damage == "broken":
        (first / "0001_02.png").write_bytes(b"\x89PNG broken")
        message = "0001_02.png: no PNG, or a damaged one"
    elif damage == "no drawings":
        shutil.rmtree(first)
        first.mkdir()
        message = "no file *.png"
    elif damage == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
        message = "no folder images_background or images_evaluation"
    elif damage == "one drawing":
        for number in (2, 3, 4):
            (first / f"0001_0{number}.png").unlink()
        message = "at least 2 characters of 2 drawings each are needed for the training"
    elif damage == "no test":
        shutil.rmtree(folder / "images_evaluation")
        message = "no alphabets for the test"
    else:
        more, message = {"test_alphabets": "[Greek]"}, "no alphabet 'Greek'"
    check_refused(root, tmp_path, capsys, [*SMALL, of_folder(folder, **more)], message)


# Files of trained networks.


def dumped(path, seed=0, per_class=30):
    """A file of a network of two layers of two heads, and of examples in a random order."""
    rng = np.random.default_rng(seed)
    network = random_network(heads=(2, 2), widths=(4, 4, 4))
    inputs = network.projection.shape[1]
    examples = {}
    for name in ("train", "test", "test_mnist"):
        labels = rng.permutation(np.repeat([1.0, -1.0], per_class))
        tokens = rng.standard_normal((len(labels), inputs, 6)) + 0.5 * labels[:, None, None]
        examples[name] = Examples(tokens, labels)
    write_dump(path, Dump(network, examples))
    return network, examples


def of_dump(root, path, *assignments):
    return experiment_of(root, "paths_images_random", dump_task(path), *SMALL[4:], *assignments)


def dump_task(path):
    return f"task={{name: dump, file: '{path}', examples: 24, test_examples: 40}}"


def test_a_file_of_a_network_is_looked_at(root, tmp_path, monkeypatch):
    network, examples = dumped(tmp_path / "some.npz")
    run = of_dump(root, tmp_path / "some.npz")
    arrays = complete(run)
    arrays |= run.derive(arrays)
    assert run.chain is None and arrays["transfer"].tolist() == ["mnist"]
    used = examples["test"].first_of_each_label(20)
    features = network.features(used.tokens)
    assert arrays["trained_accuracy"][1] == network.accuracy(features, used.labels)
    assert arrays["trained_dropped_accuracy"][0, 3] == network.accuracy(features, used.labels, [[0, 1], [0]])
    assert arrays["pruning_order"].tolist() == ["score", "magnitude", "random 1", "random 2"]
    assert arrays["pruning_head"][0, 1, 0] == np.concatenate(network.magnitudes).argmin()
    whole = arrays["trained_pruned_accuracy"][0, :, 0]
    assert (whole == arrays["trained_accuracy"][0]).all()
    order = arrays["order_parameter"][0, 1].ravel()
    assert np.isclose(arrays["overlap_correlation"][0, 1], np.corrcoef(order, network.overlap.ravel())[0, 1])
    check_results(run, arrays, [""], monkeypatch)
    check_blocks(run, 1)


def test_a_file_counts_by_what_is_in_it(root, tmp_path):
    for name, seed in (("some", 0), ("same", 0), ("other", 1)):
        dumped(tmp_path / f"{name}.npz", seed)
    some, same, other = (of_dump(root, tmp_path / f"{name}.npz").identity() for name in ("some", "same", "other"))
    assert some == same != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w_q_weigts": np.zeros((2, 5))}, "w_q_weigts must be an array"),
        ({"w_q_weigts": np.array([None])}, "cannot be read as npz: ValueError"),
        ({"y_labels_train": np.zeros(60)}, "y_labels_train must be 60 labels, 1 or -1"),
        ({"x_zeros_test": None, "y_labels_test": None}, "no examples x_zeros_test"),
        ({"y_labels_train": np.ones(60)}, "train: there are 12 and 0 examples of the labels +1 and -1, for 12 of each"),
        ({"y_labels_test_mnist": np.ones(60)}, "test_mnist: there are 1 and 0 examples"),
    ],
)
def test_a_file_of_something_else_ends_a_run_before_it_begins(root, tmp_path, capsys, change, message):
    dumped(tmp_path / "some.npz")
    content = {**np.load(tmp_path / "some.npz"), **change}
    np.savez(tmp_path / "bad.npz", **{name: array for name, array in content.items() if array is not None})
    task = dump_task(tmp_path / "bad.npz")
    check_refused(root, tmp_path, capsys, [task, *SMALL[4:]], message)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "test_a"], "x_zeros_a: two tests are called 'a'"),
        (["test_fashion_mnist", "fashion mnist"], "two tests are called 'fashion mnist'"),
        (["test_"], "x_zeros_test_: a test needs a name of 1 to 40 letters, found ''"),
        ([r"test_$\bad{x$"], r"'x_zeros_test_$\\bad{x$': names are of up to 50 letters"),
        (["two\nlines"], r"'x_zeros_two\nlines': names are of up to 50 letters"),
        ([f"test_{number}" for number in range(6)], "at most 6 tests beside x_zeros_test, found 7"),
    ],
)
def test_names_of_tests_in_a_file_are_plain_and_different(root, tmp_path, capsys, names, message):
    dumped(tmp_path / "some.npz")
    content = dict(np.load(tmp_path / "some.npz"))
    for name in names:
        content |= {f"{kind}_{name}": content[f"{kind}_test"] for kind in ("x_zeros", "y_labels")}
    np.savez(tmp_path / "bad.npz", **content)
    check_refused(root, tmp_path, capsys, [dump_task(tmp_path / "bad.npz"), *SMALL[4:]], message)


def test_a_caption_shows_no_more_of_the_name_of_a_file_than_figures_can(root, tmp_path):
    dumped(tmp_path / r"n$\bad$.npz")
    run = of_dump(root, tmp_path / r"n$\bad$.npz")
    arrays = run.constants() | {
        name: np.full(shape, -1, dtype) for name, (shape, dtype) in run.layout(range(3)).items()
    }
    arrays |= run.derive(arrays)
    assert draw_small(run.figure(arrays, ""))[:4] == b"\x89PNG"
    assert run.config.task.describe_network() == "trained, of nbad.npz"


def test_a_file_has_no_importance_sampling_below_its_number_of_paths(root, tmp_path, capsys):
    dumped(tmp_path / "some.npz")
    assignments = [dump_task(tmp_path / "some.npz"), "widths=[3]", "pruning=null"]
    assignments += ["posterior={width: 3, method: importance}"]
    check_refused(root, tmp_path, capsys, assignments, "posterior.method: another than importance")


def test_variances_that_do_not_fit_a_file_end_a_run_before_it_begins(root, tmp_path, capsys):
    dumped(tmp_path / "some.npz")
    task = dump_task(tmp_path / "some.npz")
    check_refused(root, tmp_path, capsys, [task, *SMALL[4:], "variances=[1.0, 1.0, 1.0]"], "variances: 4 numbers")


def test_a_file_of_torch_without_torch_ends_a_run_before_it_begins(root, tmp_path, capsys, monkeypatch):
    (tmp_path / "some.pt").write_bytes(b"nothing")
    monkeypatch.setattr("mfattn.paths.tasks.dump.torch_module", refused)
    task = dump_task(tmp_path / "some.pt")
    check_refused(
        root, tmp_path, capsys, [task, *SMALL[4:]], "some.pt: a file of torch needs the extra mfattn[torch]: pip"
    )


def refused(purpose="gradient descent"):
    raise MissingExtra(f"{purpose} needs the extra mfattn[torch]: pip install 'mfattn[torch]'")


# Training.


def test_a_training_without_torch_ends_before_it_begins(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(images_config, "torch_module", refused)
    check_refused(root, tmp_path, capsys, [*SMALL, TRAINING], "pip install 'mfattn[torch]'")


def test_a_training_is_planned_without_torch(root, monkeypatch):
    monkeypatch.setattr(images_config, "torch_module", refused)
    chain = trained_small(root).chain
    assert (chain.links, chain.steps, [list(chain.stages(link)) for link in (0, 2)]) == (3, 7, [[0, 1, 2], [6]])
    assert chain.layout(2)["loss"].shape == (1,) and trained_small(root).estimate() > small(root).estimate()


class TestTraining:
    @pytest.fixture(autouse=True)
    def _torch(self):
        pytest.importorskip("torch")

    def walked(self, chain):
        links, before = [], None
        for link in range(chain.links):
            steps = []
            before = chain.walk(link, before, steps.append)
            layout = {name: (array.shape, array.dtype) for name, array in before.items()}
            assert layout == chain.layout(link) and sum(steps) == len(chain.stages(link))
            links.append(before)
        return links

    def test_links_of_any_length_train_the_same_network(self, root):
        parts = self.walked(trained_small(root).chain)
        (whole,) = self.walked(trained_small(root, "task.network.link=7").chain)
        assert (np.concatenate([part["loss"] for part in parts]) == whole["loss"]).all()
        assert all((parts[-1][name] == whole[name]).all() for name in ("weights", "gradient_mean", "gradient_square"))

    def test_the_trained_network_is_looked_at(self, root):
        chain = trained_small(root).chain
        run = chain.experiment_from(self.walked(chain))
        arrays = complete(run)
        arrays |= run.derive(arrays)
        assert np.isfinite(arrays["trained_accuracy"]).all() and np.isfinite(arrays["overlap_correlation"][:2]).all()

    def test_a_training_that_diverges_ends_with_a_line(self, root):
        run = trained_small(root, "task.network.rate=1.0", "task.network.steps=2000", "task.network.link=2000")
        huge = make_experiment(run.config)
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch, pytest.raises(RunError, match=r"task.network: the loss is .* at step"):
            patch.setattr(type(run.config.task), "label_vectors", property(lambda _: np.full((3, 64), 1e30)))
            huge.chain.walk(0, None, lambda steps: None)

    def test_the_command_trains_and_looks(self, root, tmp_path):
        settings = [
            word
            for assignment in (*SMALL, "task.transfer=[]", "posterior=null", TRAINING)
            for word in ("--set", assignment)
        ]
        words = ["run", str(root / "cfgs" / "paths_images.yaml"), "--out", str(tmp_path), "--jobs", "1", *settings]
        assert main(words) == 0
        (result,) = tmp_path.glob("paths_images-*/result.npz")
        assert np.load(result)["trained_overlap"].shape == (3, 4, 4)


# Numbers.


def test_the_best_place_of_nothing_is_none():
    assert best_place(np.array([[1.0, 3.0], [np.nan, -2.0], [np.nan, np.nan]])).tolist() == [1, 1, -1]


def test_correlations_are_of_numbers_that_vary():
    first, second = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 100.0])
    assert np.isclose(correlation(first, first), 1) and np.isclose(rank_correlation(first, -second), -1)
    assert np.isnan(correlation(first, np.ones(3))) and np.isnan(rank_correlation(first, np.array([1, np.nan, np.nan])))


def test_scores_are_compared_with_drops_of_heads_that_can_be_dropped():
    drops = np.array([[np.nan, 0.7, 0.8, 0.9]])
    arrays = {
        "trained_overlap": np.eye(3)[np.newaxis],
        "order_parameter": np.stack([[np.eye(3)] * 2]),
        "trained_accuracy": np.array([0.9]),
        "trained_dropped_accuracy": drops,
        "accuracy": np.ones((1, 2)),
        "head_score": np.array([[[1.0, 0.9, 0.5, 0.1], [np.nan] * 4]]),
    }
    found = agreement(arrays)
    assert np.isclose(found["score_drop_correlation"][0, 0], 1) and np.isnan(found["score_drop_correlation"][0, 1])
    assert np.allclose(found["overlap_correlation"], 1)


def test_errors_of_files_are_those_of_input(tmp_path):
    task = DumpConfig(name="dump", file=tmp_path / "missing.npz")
    with pytest.raises(InputError, match="cannot be read as npz"):
        assert task.head_counts
