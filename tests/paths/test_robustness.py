"""Widths, temperatures and numbers of paths that are hard: a certified minimum, or an error that says why."""

import numpy as np
import pytest

from mfattn.paths.network import Network
from mfattn.paths.solve import SolveError, solve
from mfattn.paths.starts import continued
from tests.paths.references import random_action

SHAPES = [(4,), (2, 2), (2, 1, 2), (16,), (4, 4), (4, 2, 2)]
"""Heads of the layers."""


def check(certificate):
    """Nothing but rounding is left of the gradient, and this is a minimum."""
    assert certificate.gradient_norm < 1e-9 and certificate.residual < 1e-8
    assert 0 < certificate.smallest_curvature <= certificate.largest_curvature


@pytest.mark.parametrize("temperature", [1e-8, 1e-4, 0.1])
@pytest.mark.parametrize("width", [1, 3, 100, 1e5])
def test_any_width_and_temperature(width, temperature):
    for heads in SHAPES:
        network = Network(heads, (width,) * (len(heads) + 1))
        check(solve(random_action(3, network, temperature=temperature), starts="gp").certificate)


@pytest.mark.parametrize("temperature", [1e-6, 0.1])
@pytest.mark.parametrize("width", [2, 1e5])
def test_several_outputs(width, temperature):
    for heads in SHAPES[:3]:
        network = Network(heads, (width,) * (len(heads) + 1), outputs=3)
        check(solve(random_action(3, network, temperature=temperature), starts="gp").certificate)


@pytest.mark.parametrize("heads", [(8, 8), (4, 4, 4)])
def test_sixty_four_paths(heads):
    for width, temperature in ((1, 1e-4), (30, 0.01)):
        network = Network(heads, (width,) * (len(heads) + 1))
        action = random_action(1, network, examples=20, inputs=10, temperature=temperature)
        check(solve(action, starts="gp").certificate)


@pytest.mark.parametrize("width", [1, 5, 100])
def test_more_examples_than_inputs_at_a_small_temperature(width):
    action = random_action(2, Network((2, 2), (width,) * 3), examples=60, inputs=4, temperature=1e-8)
    certificate = solve(action).certificate
    check(certificate)
    assert certificate.gradient_norm < 1e-10


def test_widths_that_differ_by_orders():
    for widths in ((1, 1e5, 10), (1e5, 1, 1e3), (2, 3, 1e4)):
        action = random_action(1, Network((2, 2), widths, (0.5, 2, 0.1, 3)), temperature=1e-3)
        check(solve(action, starts="gp").certificate)


def test_a_branch_that_is_lost_is_given_up():
    action = random_action(9, Network((4, 4), (1,) * 3), examples=20, inputs=10, temperature=1e-6)
    orders = list(continued(action, "noncentred"))
    assert 0 < len(orders) < 3
    for order in orders:
        assert np.isfinite(order).all()


def test_an_error_says_why():
    action = random_action(1, Network((2, 2), (4, 4, 4)))
    action.labels[:] = action._targets[:] = 1e200
    with pytest.raises(SolveError, match=r"widths 4, 4, 4, T = 0\.1"):
        solve(action)
