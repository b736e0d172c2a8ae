"""Upper blocks in closed form: at the minimum of the entropy, whatever the widths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.paths.coordinates import partial_trace
from mfattn.paths.elimination import Chain, _newton, _swept, eliminate
from mfattn.paths.network import Network
from tests.paths.references import random_order, relative, unequal

heads = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
widths = st.floats(0.5, 1e5)


@given(heads, st.data(), st.integers(1, 2), st.integers(0, 1000))
def test_entropy_has_no_slope_at_the_eliminated_blocks(heads, data, outputs, seed):
    chosen = data.draw(st.lists(widths, min_size=len(heads) + 1, max_size=len(heads) + 1))
    variances = np.exp(np.random.default_rng(seed).normal(size=len(heads) + 2))
    network = Network(heads, chosen, variances, outputs)
    order = random_order(seed, network.sizes[0])
    upper = eliminate(network, order)
    assert [len(block) for block in upper] == list(network.sizes[1:])
    slopes = Chain(network, (order, *upper)).upper_gradient()
    # The widths below and above a block are what cancels in its slope.
    assert np.abs(slopes).max() < 1e-10 * max(chosen) * max(network.branches)


@given(st.integers(0, 1000))
def test_the_scalar_equation_and_newton_agree(seed):
    network = Network((2, 3), tuple(np.exp(np.random.default_rng(seed).uniform(0, 7, 3))), (1, 2, 0.5, 1.5))
    order = random_order(seed, 6)
    for block, other in zip(eliminate(network, order), _newton(network, order, _swept(network, order)), strict=True):
        assert relative(block, other) < 1e-11


def test_readout_is_the_root_of_the_published_quadratic():
    network = Network((2, 3), (20, 13, 31), (1, 1.3, 0.9, 1.1))
    second, readout = eliminate(network, random_order(3, 6))
    width, last = network.widths[1:]
    a, linear = 1.1, 1.1 * (3 * width / last - 1)
    constant = a * width * np.trace(second) / (last * 0.9)
    assert readout[0, 0] ** 2 + linear * readout[0, 0] == pytest.approx(constant, rel=1e-13)


def test_second_block_commutes_with_the_trace_of_the_first():
    network = Network((2, 4), (20, 13, 31))
    order = random_order(3, 8)
    second = eliminate(network, order)[0]
    trace = partial_trace(order, 4)
    np.testing.assert_allclose(second @ trace, trace @ second, atol=1e-13)


def test_three_layers_against_reference_numbers():
    action, data = unequal("deep_L3")
    upper = eliminate(action.network, data["U1"])
    for block, name in zip(upper, ("U2", "U3", "Ua"), strict=True):
        assert relative(block, data[name]) < 1e-12


@pytest.mark.parametrize("ratio", [1e-8, 1e-4, 1e4, 1e8])
def test_nothing_cancels_where_one_width_is_much_larger(ratio):
    network = Network((2, 2), (1e3, 1e3 * ratio, 1e3), (1, 1.2, 0.8, 1.1))
    order = random_order(1, 4)
    upper = eliminate(network, order)
    assert np.isfinite(upper[0]).all()
    slopes = Chain(network, (order, *upper)).upper_gradient()
    assert np.abs(slopes).max() < 1e-12 * max(network.widths) * 2


@given(heads, st.integers(1, 2), st.integers(0, 100))
def test_second_derivatives_of_the_chain(heads, outputs, seed):
    network = Network(heads, np.exp(np.random.default_rng(seed).uniform(0, 3, len(heads) + 1)), 1.0, outputs)
    blocks = [random_order(seed + size, size) for size in network.sizes]
    chain = Chain(network, blocks)
    step, direction = 1e-5, np.random.default_rng(seed).normal(size=sum(chain.unknowns))

    def slope(length):
        """Directional derivative by difference quotients of the entropy along the geodesic."""
        ends = [entropy(network, chain.moved((length + sign * step) * direction)) for sign in (1, -1)]
        return (ends[0] - ends[1]) / (2 * step)

    assert slope(0.0) == pytest.approx(chain.upper_gradient() @ direction, rel=1e-6, abs=1e-6)
    curvature = (slope(1e-3) - slope(-1e-3)) / 2e-3
    assert direction @ chain.upper_hessian @ direction == pytest.approx(curvature, rel=1e-3)


def entropy(network, blocks):
    """Entropy of blocks."""
    from mfattn.paths.coordinates import entropy_of, to_triangles

    return entropy_of(network, to_triangles(network, blocks))
