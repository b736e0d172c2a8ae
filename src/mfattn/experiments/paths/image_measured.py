"""What is measured of images: at an order parameter, of the trained network, and of networks that lose heads."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.paths.image_sections import Network
from mfattn.experiments.paths.images_config import ImageTask
from mfattn.experiments.paths.measured import accuracy_at
from mfattn.paths.action import Action
from mfattn.paths.observables import head_scores, pruned, silenced
from mfattn.paths.predict import Predictor, accuracy, sampled_accuracy
from mfattn.paths.pruning import dropping_order, solve_pruned
from mfattn.paths.solve import SeveralMinima, SolveError
from mfattn.paths.tasks.problem import Problem
from mfattn.paths.tasks.trained import TrainedNetwork, without_heads

Array = NDArray[np.float64]
Heads = tuple[tuple[int, int], ...]


class ImageProblem(NamedTuple):
    """Features of all examples, and the network that they come from."""

    problem: Problem
    transfer: Mapping[str, tuple[Array, Array]]
    network: Network

    @property
    def trained(self) -> TrainedNetwork | None:
        """The network, if it has values."""
        return self.network if isinstance(self.network, TrainedNetwork) else None


class Solved(NamedTuple):
    """Accuracy of a network that is solved anew, and how many minima were found."""

    accuracy: float
    minima: int


UNSOLVED = Solved(np.nan, -1)
"""Where no minimum is found, or no network is."""


def image_problem(task: ImageTask, network: Network, scale: float) -> ImageProblem:
    """The examples of a task as a network sees them, with features times SCALE."""
    data = task.data()
    training, test = (scale * network.features(part.tokens) for part in (data.training, data.test))
    transfer = {
        name: (scale * network.features(examples.tokens), examples.labels) for name, examples in data.transfer.items()
    }
    return ImageProblem(
        Problem(task.head_counts, training, data.training.labels, test, data.test.labels), transfer, network
    )


def places_of(heads: tuple[int, ...]) -> Heads:
    """Layer and head of all heads, from 0 on."""
    return tuple((layer, head) for layer, number in enumerate(heads) for head in range(number))


def of_images(action: Action, order: Array, images: ImageProblem) -> dict[str, Any]:
    """Tests on other images, errors of what is left out, and what heads matter, at an order parameter."""
    heads = images.problem.heads
    predictor = Predictor(action, order)
    found: dict[str, Any] = {
        "leave_one_out_error": np.mean(predictor.leave_one_out() ** 2),
        "scaled_head_score": np.concatenate(head_scores(order, heads, "scaled")),
        "silenced_accuracy": [
            accuracy_at(action, silenced(order, heads, *place), images.problem) for place in places_of(heads)
        ],
    }
    if images.transfer:
        predictions = [(predictor.predict(features), labels) for features, labels in images.transfer.values()]
        found["transfer_accuracy"] = [accuracy(one.mean, labels) for one, labels in predictions]
        found["transfer_sampled_accuracy"] = [
            sampled_accuracy(one.mean, one.variance, labels) for one, labels in predictions
        ]
    return found


def of_trained(images: ImageProblem) -> dict[str, Any]:
    """Accuracies of the trained network, also without each of its heads, and overlaps of its paths; if there is one."""
    trained, heads = images.trained, images.problem.heads
    if trained is None:
        return {}
    dropped = [
        _trained_accuracy(images, trained, (place,)) if heads[place[0]] > 1 else np.nan for place in places_of(heads)
    ]
    found: dict[str, Any] = {
        "trained_accuracy": np.array(_trained_accuracy(images, trained, ())),
        "trained_dropped_accuracy": np.array(dropped),
        "trained_overlap": trained.overlap,
    }
    if images.transfer:
        tests = images.transfer.values()
        found["trained_transfer_accuracy"] = np.array([trained.accuracy(*examples) for examples in tests])
    return found


def _trained_accuracy(images: ImageProblem, trained: TrainedNetwork, dropped: Heads) -> float:
    """Accuracy of the trained network without some heads."""
    problem = images.problem
    return trained.accuracy(problem.test_features, problem.test_labels, without_heads(problem.heads, dropped))


def rankings(scores: Array, images: ImageProblem, random_orders: int, seed: int) -> Iterator[Array]:
    """What the heads are ranked by, for every order in which they are dropped: those of the least number come first.

    The scores, the sizes of the heads of a trained network, and random numbers.
    """
    yield scores
    if images.trained is not None:
        yield np.concatenate(images.trained.magnitudes)
    for number in range(random_orders):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        yield rng.permutation(len(scores)).astype(float)


def of_pruning(action: Action, order: Array, images: ImageProblem, ranked: Iterator[Array]) -> dict[str, Any]:
    """Accuracies without each of the heads, and without one after the other, of the theory that is solved anew.

    To solve a smaller network anew is what training it again would be for the posterior: all of its values follow the
    loss of a head. Those of the trained network do not: it is not trained again, and its accuracies are of values that
    stay as they are. The minima are counted of networks that have lost a head.
    """
    heads = images.problem.heads
    places = places_of(heads)
    orders = [dropping_order(np.argsort(numbers, kind="stable").tolist(), heads) for numbers in ranked]
    # Orders share some of their networks.
    known: dict[frozenset[tuple[int, int]], Solved] = {}

    def solved(dropped: Heads) -> Solved:
        if frozenset(dropped) not in known:
            known[frozenset(dropped)] = _solved_without(action, order, images.problem, tuple(sorted(dropped)))
        return known[frozenset(dropped)]

    whole = accuracy_at(action, order, images.problem)
    alone = [solved((place,)) if heads[place[0]] > 1 else UNSOLVED for place in places]
    smaller = [[solved(dropped[:end]) for end in range(1, len(dropped) + 1)] for dropped in orders]
    found: dict[str, Any] = {
        "dropped_accuracy": [one.accuracy for one in alone],
        "dropped_minima": [one.minima for one in alone],
        "pruning_head": [[places.index(place) for place in dropped] for dropped in orders],
        "pruned_accuracy": [[whole, *(one.accuracy for one in some)] for some in smaller],
        "pruned_minima": [[one.minima for one in some] for some in smaller],
    }
    trained = images.trained
    if trained is not None:
        found["trained_pruned_accuracy"] = [
            [_trained_accuracy(images, trained, dropped[:end]) for end in range(len(dropped) + 1)] for dropped in orders
        ]
    return found


def _solved_without(action: Action, order: Array, problem: Problem, dropped: Heads) -> Solved:
    """A network without some heads that is solved anew, the Bayesian counterpart of training it again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeveralMinima)
        try:
            smaller = solve_pruned(action, order, dropped)
        except SolveError:
            return UNSOLVED
    features = pruned(action.network, problem.test_features, dropped)[1]
    mean = Predictor(smaller.action, smaller.solution.U1).mean(features)
    return Solved(accuracy(mean, problem.test_labels), len(smaller.solution.certificate.minima))
