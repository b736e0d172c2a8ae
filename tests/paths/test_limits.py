"""Infinite width, and families of order parameters."""

import numpy as np
import pytest
from scipy import optimize

from mfattn.paths.limits import constrained, gaussian_process_kernel, gaussian_process_order
from mfattn.paths.network import Network
from mfattn.paths.solve import solve
from tests.paths.references import random_action, reference, relative, small_chain

FAMILIES = ("scalar", "diagonal", "full")


def test_kernel_of_infinite_width_is_the_mean_over_paths():
    data, action = reference("hmc_small"), small_chain(5)
    kernel = gaussian_process_kernel(action.network, action.kernels)
    assert relative(kernel, np.einsum("aamn->mn", data["C_pathpath"]) / 4) < 1e-13
    np.testing.assert_allclose(gaussian_process_order(Network((2,), (5, 5), (1, 2, 3))), 6 * np.eye(2))


@pytest.mark.parametrize("width", [3, 50])
def test_larger_families_have_less_action(width):
    action = small_chain(width)
    values = [constrained(action, family).value for family in FAMILIES]
    assert values[0] > values[1] > values[2] - 1e-9
    assert values[0] > constrained(action, "equal_diagonal").value > values[2]
    assert values[2] == solve(action).value


def test_shapes_of_families():
    action = small_chain(5)
    scalar, diagonal, equal = (constrained(action, name).U1 for name in ("scalar", "diagonal", "equal_diagonal"))
    np.testing.assert_allclose(scalar, scalar[0, 0] * np.eye(4))
    np.testing.assert_allclose(diagonal, np.diag(diagonal.diagonal()))
    np.testing.assert_allclose(equal.diagonal(), equal[0, 0])
    assert np.abs(equal - scalar).max() > 0.1


def test_families_against_plain_minimisation():
    action = small_chain(5)
    scalar = optimize.minimize_scalar(lambda s: action.value(np.exp(s) * np.eye(4)), bounds=(-3, 5), method="bounded")
    assert constrained(action, "scalar").value == pytest.approx(scalar.fun, rel=1e-9)
    diagonal = optimize.minimize(lambda s: action.value(np.diag(np.exp(s))), np.zeros(4), options={"gtol": 1e-6})
    assert constrained(action, "diagonal").value == pytest.approx(diagonal.fun, rel=1e-9)

    def with_equal_diagonal(parameters):
        rows = np.eye(4)
        rows[np.tril_indices(4, -1)] = parameters[1:]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return action.value(np.exp(parameters[0]) * rows @ rows.T)

    equal = optimize.minimize(with_equal_diagonal, np.zeros(7), options={"gtol": 1e-6})
    assert constrained(action, "equal_diagonal").value == pytest.approx(equal.fun, rel=1e-9)


def test_one_path_has_one_family():
    action = random_action(1, Network((1, 1), (20, 20, 20)))
    values = [constrained(action, family).value for family in (*FAMILIES, "equal_diagonal")]
    np.testing.assert_allclose(values, values[-1], rtol=1e-11)


def test_unknown_families_are_refused():
    with pytest.raises(ValueError, match="family must be one of full, diagonal, equal_diagonal, scalar"):
        constrained(small_chain(5), "block")
