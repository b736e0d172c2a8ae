"""Adam as it was published: its gradient, where it ends, and that it finds what the solvers find."""

import numpy as np
import pytest

from mfattn.paths import adam as module
from mfattn.paths.action import Action
from mfattn.paths.adam import adam
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.solve import solve
from tests.paths.references import random_action, random_order, reference, relative, small_chain, unequal


@pytest.mark.parametrize(("width", "rate"), [(20, 0.03), (100, 0.1)])
def test_it_comes_near_the_solution(width, rate):
    action = small_chain(width)
    descent = adam(action, rate=rate)
    assert descent.converged and descent.gradient < 1e-5
    solution = solve(action, starts="gp")
    assert relative(descent.U1, solution.U1) < 1e-3
    assert relative(descent.Ua, solution.Ua) < 1e-3
    assert 0 < action.value(descent.U1) - solution.value < 1e-4


@pytest.mark.parametrize("name", ["deep_L3", "single_path"])
def test_gradients_are_those_of_the_action(name):
    action, _ = unequal(name)
    kernels = PathKernels(action.kernels.features, limit=0)
    blocks = [random_order(seed, size) for seed, size in enumerate(action.network.sizes[:-1])]
    gradients = module._gradients(action, kernels, blocks)

    def value(blocks):
        readout = np.array([[module._readout(action.network, blocks[-1])]])
        return (action.energy(blocks[0]) + action.entropy((*blocks, readout))) / max(action.network.widths)

    for layer, gradient in enumerate(gradients):
        direction, step = random_order(layer + 10, len(gradient)) - np.eye(len(gradient)), 1e-5
        ends = [[block.copy() for block in blocks] for _ in range(2)]
        ends[0][layer] += step * direction
        ends[1][layer] -= step * direction
        slope = (value(ends[0]) - value(ends[1])) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6)


def test_readout_is_that_of_the_elimination():
    action, data = unequal("deep_L3")
    assert module._readout(action.network, data["U3"]) == pytest.approx(float(data["Ua"]), rel=1e-12)


def test_steps_run_out():
    descent = adam(small_chain(20), steps=3)
    assert (descent.steps, descent.converged) == (3, False)


def test_it_ends_where_the_kernel_is_not_positive_definite():
    descent = adam(small_chain(5), rate=5.0)
    assert not descent.converged
    assert np.isnan(descent.gradient)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "rate must be above 0"),
        ({"tolerance": -1.0}, "tolerance must be above 0"),
        ({"steps": 0}, "steps must be at least 1"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adam(random_action(1, Network((2,), (5, 5))), **settings)


def test_several_outputs_are_refused():
    with pytest.raises(ValueError, match="one output, found 2"):
        adam(random_action(1, Network((2,), (5, 5), outputs=2)))


def test_published_network_at_a_wide_width():
    data = reference("hmc_small")
    action = Action(Network((2, 2), (300,) * 3), PathKernels(data["Z_last_token"]), data["y"], 0.01)
    assert relative(adam(action).U1, solve(action, starts="gp").U1) < 1e-4
