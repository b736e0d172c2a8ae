"""Networks that lose heads: the order in which they do, and what is solved of those that are left."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from mfattn.paths.action import Action
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.observables import pruned
from mfattn.paths.pruning import dropping_order, solve_pruned
from mfattn.paths.solve import SeveralMinima, solve
from mfattn.paths.tasks.problem import RandomFeatures
from mfattn.paths.tasks.trained import RandomHeads

from .references import reference, two_minima
from .test_tasks_trained import random_network


@pytest.fixture(scope="module")
def problem():
    return RandomFeatures((2, 3), 6).draw(20, 10, seed=1)


def action_of(problem):
    return Action(Network(problem.heads, (12, 12, 12)), problem.kernels, problem.labels, 0.2)


def test_a_layer_keeps_its_last_head():
    assert dropping_order([1, 0, 4, 3, 2], (2, 3)) == ((0, 1), (1, 2), (1, 1))
    assert dropping_order([0], (1,)) == ()


@pytest.mark.parametrize("ranking", [[0, 1], [0, 1, 2, 3, 3], [0, 1, 2, 3, 5]])
def test_a_ranking_has_every_head_once(ranking):
    with pytest.raises(ValueError, match="ranking must have each of 5 heads once"):
        dropping_order(ranking, (2, 3))


@pytest.mark.parametrize("dropped", [[(1, 0)], [(0, 1), (1, 2)], [(0, 0), (1, 0), (1, 1)]])
def test_a_smaller_network_is_solved_as_if_there_had_been_no_other(problem, dropped):
    action = action_of(problem)
    smaller = solve_pruned(action, solve(action).U1, dropped)
    network, features = pruned(action.network, problem.features, dropped)
    alone = solve(Action(network, PathKernels(features), problem.labels, 0.2))
    assert smaller.action.network == network
    assert np.allclose(smaller.solution.U1, alone.U1, atol=1e-9) and np.isclose(smaller.solution.value, alone.value)


def test_infinite_width_is_a_start_beside_what_is_left(problem):
    action = action_of(problem)
    smaller = solve_pruned(action, solve(action).U1, [(0, 1)])
    assert smaller.solution.certificate.starts == 2 and len(smaller.solution.certificate.minima) == 1


def test_the_least_of_several_minima_is_taken():
    """What is left of the whole network leads to one of them, and infinite width to the other."""
    least, other = reference("multi_minima")["s2_U1"]
    left = two_minima("s2")
    features = np.sqrt(2 / 3) * np.concatenate([left.kernels.features, left.kernels.features[..., :2]], axis=2)
    whole = Action(Network((3, 2), (3, 3, 3)), PathKernels(features), left.labels, left.temperature)
    with pytest.warns(SeveralMinima):
        smaller = solve_pruned(whole, block_diag(other, np.eye(2)), [(0, 2)])
    assert len(smaller.solution.certificate.minima) == 2 and np.allclose(smaller.solution.U1, least, rtol=1e-4)


def test_several_outputs_are_pruned_alike(problem):
    labels = np.stack([problem.labels, -problem.labels], axis=1)
    action = Action(Network(problem.heads, (12, 12, 12), outputs=2), problem.kernels, labels, 0.2)
    smaller = solve_pruned(action, np.eye(12), [(0, 0)])
    assert smaller.solution.U1.shape == (6, 6)


def test_a_layer_without_heads_is_refused(problem):
    with pytest.raises(ValueError, match="a layer must keep a head"):
        solve_pruned(action_of(problem), np.eye(6), [(0, 0), (0, 1)])
    with pytest.raises(ValueError, match="no head 3 in layer 1"):
        solve_pruned(action_of(problem), np.eye(6), [(1, 3)])


def test_magnitudes_are_norms_of_values():
    network = random_network(heads=(2, 3), widths=(4, 4, 4))
    assert [len(sizes) for sizes in network.magnitudes] == [2, 3]
    assert np.isclose(network.magnitudes[1][2], np.linalg.norm(network.values[1][2]))


def test_random_heads_grow_with_the_gain():
    small, large = (RandomHeads.drawn((2, 3), 50, 40, gain, seed=1) for gain in (1.0, 3.0))
    assert [len(layer) for layer in small.layers] == [2, 3]
    assert np.allclose(3 * small.layers[1][2].keys, large.layers[1][2].keys)
    assert abs(50 * small.layers[0][0].queries.var() - 1) < 0.1
    with pytest.raises(ValueError, match="gain must be above 0"):
        RandomHeads.drawn((2,), 4, 3, gain=0.0)
