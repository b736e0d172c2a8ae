"""Hidden Markov chains: the published instances draw by draw, their statistics, and the Gaussian process on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.paths.attention import attention, sub_network_features
from mfattn.paths.tasks.markov import (
    GOOD,
    GOOD_AND_DENOISING,
    PUBLISHED,
    MarkovTask,
    Perturbation,
    four_paths,
    markov_head,
    two_paths,
)
from mfattn.paths.tasks.torch_stream import TorchStream


@pytest.fixture(scope="module")
def four():
    instance = four_paths()
    return instance, *instance.features()


@pytest.fixture(scope="module")
def two():
    instance = two_paths()
    return instance, *instance.features()


@pytest.fixture(scope="module")
def published(root):
    return np.load(root / "tests/data/paths/markov_published.npz")


def gaussian_process_accuracy(instance, training, test, temperature=0.01):
    """Of the mean predictor on the test."""
    kernel = np.einsum("aip,bip->ab", training, training, optimize=True) + temperature * np.eye(len(training))
    mean = np.einsum("aip,bip->ab", test, training, optimize=True) @ np.linalg.solve(kernel, instance.training.labels)
    return (np.sign(mean) == instance.test.labels).mean()


@pytest.mark.parametrize("name", ["four", "two"])
def test_features_of_the_published_instances(name, published, request):
    _, training, test = request.getfixturevalue(name)
    assert len(training) == 100 and len(test) == 1000
    chosen = test[published[f"{name}_test_index"]]
    assert abs(training[published[f"{name}_rows"]] - published[f"{name}_features"]).max() < 1e-12
    assert abs(chosen[[0, -1]] - published[f"{name}_test_features"]).max() < 1e-12
    # Of all the others, one number that depends on all features of a path.
    direction = np.cos(np.arange(training.shape[1]))
    for features, expected in ((training, "projected"), (chosen, "test_projected")):
        assert abs(np.einsum("aip,i->ap", features, direction) - published[f"{name}_{expected}"]).max() < 1e-12


def test_accuracies_of_the_gaussian_process(four, two):
    assert gaussian_process_accuracy(*four) == 0.826
    assert gaussian_process_accuracy(*two) == 0.843
    instance, training, test = four
    for kept, accuracy in ((GOOD, 0.940), (GOOD_AND_DENOISING, 0.955)):
        parts = [sub_network_features(features, instance.heads, kept) for features in (training, test)]
        assert gaussian_process_accuracy(instance, *parts) == accuracy


def test_sub_networks(four):
    instance, training, _ = four
    network = instance.sub_network(GOOD_AND_DENOISING)
    assert network.heads == (2, 1)
    expected = sub_network_features(training, instance.heads, GOOD_AND_DENOISING)
    assert abs(network.features()[0] - expected).max() < 1e-15
    with pytest.raises(ValueError, match="kept must be 0 to 1"):
        instance.sub_network(((2,), (0,)))


def test_how_often_states_stay(four):
    training = four[0].training
    stays = training.states[:, 1:] == training.states[:, :-1]
    assert round(stays[training.labels == 1].mean(), 3) == 0.698
    assert round(stays[training.labels == -1].mean(), 3) == 0.286


def test_what_the_published_heads_attend_to(four):
    instance = four[0]
    tokens, states = instance.training.tokens, instance.training.states
    (good, random), (uniform, second) = ([attention(head, tokens) for head in heads] for heads in instance.layers)
    before = good[:, np.arange(1, 30), np.arange(2, 31)]
    agree = states[:, 1:] == states[:, :-1]
    assert round(before[agree].mean(), 3) == 0.984
    assert f"{before[~agree].mean():.0e}" == "6e-07" and round(good[:, 0, 2:][~agree].mean(), 2) == 0.81
    assert round(random.max(axis=1).mean(), 3) == 0.948
    assert round((1 / (random**2).sum(axis=1)).mean(), 2) == 1.13
    assert round(second[:, :, -1].max(axis=1).mean(), 3) == 0.938
    assert (uniform == 1 / 31).all()
    assert all(abs(weights.sum(axis=1) - 1).max() < 1e-12 for weights in (good, random, uniform, second))


def test_noise_along_the_difference_of_the_states(four):
    instance = four[0]
    seen = instance.task.direction @ instance.training.tokens[:, :200, 1:]
    assert abs((seen - instance.training.states).std() - 0.1) < 0.001


def test_what_tokens_are_made_of():
    data = MarkovTask(features=6, length=5).draw(3, seed=4)
    assert data.tokens.shape == (6, 12, 6) and data.states.shape == (6, 5)
    assert data.labels.tolist() == [1, 1, 1, -1, -1, -1]
    assert (data.tokens[:, :6, 0] == 0).all() and (data.tokens[:, 6:] == np.eye(6)).all()
    assert set(data.states.ravel().tolist()) == {1, -1}


@pytest.mark.parametrize("rng", ["modern", "torch"])
def test_the_parts_of_the_noise(rng):
    strengths = {"noise_along_difference": 0.5, "noise_along_sum": 2.0, "noise_out_of_plane": 3.0}
    names = list(strengths)

    def features(**changes):
        data = MarkovTask(features=8, length=6, **{**dict.fromkeys(names, 0.0), **changes}).draw(50, 3, rng)
        return data.tokens[:, :8, 1:], data.states

    quiet, states = features()
    half = np.sqrt(2.0) * np.stack([states > 0] * 4 + [states < 0] * 4, axis=1)
    assert abs(quiet - half).max() < 1e-14
    parts = {name: features(**{name: strength})[0] - quiet for name, strength in strengths.items()}
    together = features(**strengths)[0] - quiet
    assert abs(sum(parts.values()) - together).max() < 1e-13
    plane = {names[0]: np.repeat([1.0, -1.0], 4), names[1]: np.ones(8)}
    for name, part in parts.items():
        for other, direction in plane.items():
            along = np.einsum("pit,i->pt", part, direction) / np.sqrt(8)
            expected = strengths[name] if name == other else 0.0
            assert abs(along.std() - expected) < 0.15 * expected + 1e-13
    if rng == "modern":
        assert (features(noise_along_sum=1.0)[1] == states).all()


def test_probabilities_may_depend_on_the_state():
    task = MarkovTask(features=2, length=200, stay_positive=(1.0, 0.0), stay_negative=(0.9, 0.2))
    states = task.draw(200, seed=1).states
    positive, negative = states[:200], states[200:]
    assert (np.diff(positive, axis=1) >= 0).all() and (positive[:, 1] == 1).all()
    for state, probability in ((1, 0.9), (-1, 0.2)):
        stays = (negative[:, 1:] == state)[negative[:, :-1] == state]
        assert abs(stays.mean() - probability) < 0.02


@given(st.integers(1, 5), st.integers(0, 2**32))
def test_more_sequences_begin_with_the_same_ones(number, seed):
    task = MarkovTask(features=4, length=3)
    some, more = task.draw(number, seed), task.draw(number + 2, seed)
    for few, many in zip(some, more, strict=True):
        assert (few == np.concatenate([many[:number], many[number + 2 : 2 * number + 2]])).all()


def test_a_seed_is_an_instance():
    task = MarkovTask(features=4, length=3)
    for rng in ("modern", "torch"):
        assert (task.draw(2, 1, rng).tokens == task.draw(2, 1, rng).tokens).all()
        assert (task.draw(2, 1, rng).tokens != task.draw(2, 2, rng).tokens).any()
    instance = four_paths(per_class=2, test_per_class=3, rng="modern")
    assert instance.test.tokens.shape == (6, 231, 31)
    assert (instance.training.tokens != four_paths(per_class=2, test_per_class=3).training.tokens).any()


def test_heads_of_the_small_task(root):
    """Reference weights, and the normal numbers behind them."""
    data = np.load(root / "tests/data/paths/hmc_small.npz")
    task = MarkovTask(features=10, length=8)
    assert abs(markov_head("same_token", task).weights - data["W1"][0]).max() < 1e-14
    assert abs(markov_head("uniform_attention", task).weights - data["W2"][0]).max() < 1e-14
    for layer in (1, 2):
        numbers = {name: data[f"rand{layer}_{name}"] for name in ("features", "positions", "cross")}
        weights = data[f"W{layer}"][1] / 10
        assert abs(weights[:10, :10] - numbers["features"] / 10).max() < 1e-14
        assert abs(weights[10:, 10:] - numbers["positions"]).max() < 1e-14
        assert abs(weights[:10, 10:] - numbers["cross"][:10, 10:] / np.sqrt(10)).max() < 1e-14


def test_perturbations_are_drawn_in_the_published_order():
    task = MarkovTask(features=10, length=8)
    stream = TorchStream(5)
    features, positions, cross = stream.normals(10, 10), stream.normals(9, 9), stream.normals(19, 19)
    weights = Perturbation(0.5, 2.0, 3.0).draw(task, 5, "torch")
    assert np.allclose(weights[:10, :10], 0.5 * features / 10)
    assert np.allclose(weights[10:, 10:], 2.0 * positions)
    assert np.allclose(weights[:10, 10:], 3.0 * cross[:10, 10:] / np.sqrt(10))
    assert np.allclose(weights[10:, :10], 3.0 * cross[10:, :10] / np.sqrt(10))
    published = Perturbation(0.5, 2.0, 3.0, "published").draw(task, 5, "torch")
    assert np.allclose(published[:10, 10:], 0.5 * cross[:10, 10:] / np.sqrt(10))
    assert (Perturbation(0.5, 2.0, 0.0, "published").draw(task, 5, "torch")[:10, 10:] == 0).all()
    # Without features, their numbers are not drawn; those of the positions always are.
    first = TorchStream(5).normals(9, 9)
    assert np.allclose(Perturbation(positions=1.0).draw(task, 5, "torch")[10:, 10:], first)
    skipped = TorchStream(5)
    skipped.normals(9, 9)
    of_cross = Perturbation(cross=1.0).draw(task, 5, "torch")[:10, 10:] * np.sqrt(10)
    assert np.allclose(of_cross, skipped.normals(19, 19)[:10, 10:])


def test_modern_perturbations_do_not_depend_on_each_other():
    task = MarkovTask(features=10, length=8)
    every = Perturbation(1.0, 1.0, 1.0).draw(task, 5)
    assert (Perturbation(positions=1.0).draw(task, 5)[10:, 10:] == every[10:, 10:]).all()
    assert (Perturbation(cross=1.0).draw(task, 5)[:10, 10:] == every[:10, 10:]).all()
    assert (Perturbation(cross=1.0).draw(task, 5)[:10, :10] == 0).all()


def test_a_head_for_the_other_state():
    task = MarkovTask(features=4, length=3, noise_along_difference=0.0, noise_along_sum=0.0, noise_out_of_plane=0.0)
    data = task.draw(20, seed=1)
    weights = attention(markov_head("different_token", task, beta=50), data.tokens)
    differ = data.states[:, 1:] != data.states[:, :-1]
    before = weights[:, np.arange(1, 3), np.arange(2, 4)]
    assert (before[differ] > 0.999).all() and (before[~differ] < 1e-6).all()


def test_a_blank_head_is_uniform_and_one_that_is_perturbed_is_not():
    task = MarkovTask(features=4, length=3)
    assert (markov_head("blank", task).weights == 0).all()
    weights = markov_head("blank", task, perturbation=PUBLISHED, seed=3, beta=2).weights
    assert np.allclose(weights, 2 * PUBLISHED.draw(task, 3))
    assert (markov_head("same_token", task, perturbation=PUBLISHED, seed=3).weights != 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MarkovTask(features=5), "features must be even, found 5"),
        (lambda: MarkovTask(features=0), "features must be at least 2"),
        (lambda: MarkovTask(length=0), "length must be at least 1"),
        (lambda: MarkovTask(stay_positive=(0.5, 1.1)), "stay_positive must be two probabilities"),
        (lambda: MarkovTask(stay_negative=(0.5,)), "stay_negative must be two probabilities"),
        (lambda: MarkovTask(noise_along_sum=-1), "noise_along_sum must be at least 0"),
        (lambda: MarkovTask().draw(0, 1), "per_class must be at least 1"),
        (lambda: MarkovTask().draw(1, -1), "seed must be at least 0"),
        (lambda: MarkovTask().draw(1, 2**32, "torch"), "seed must be 0 to 4294967295"),
        (lambda: MarkovTask().draw(1, 1, "legacy"), "rng must be one of modern, torch"),
        (lambda: Perturbation(cross=float("nan")), "cross must be a number, found nan"),
        (lambda: Perturbation(cross_scale="slip"), "cross_scale must be one of own, published"),
        (lambda: markov_head("other", MarkovTask()), "attends must be one of same_token"),
        (lambda: markov_head("blank", MarkovTask(), beta=-1), "beta must be at least 0"),
    ],
)
def test_what_cannot_be_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
