r"""The action of the order parameter: entropy of the weights and energy of the labels.

Given the blocks of the order parameter the labels are Gaussian of covariance K(U_1) + T, so the posterior is
:math:`e^{-S}` but for factors of order one, with

.. math::

    2S = \underbrace{\log\det(K + T) + Y^T (K + T)^{-1} Y}_{\text{energy}} + \underbrace{\sum_{l=1}^{L+1} N_l \left(
    \frac{\mathrm{tr}[(I_{H_l} \otimes U_{l+1})^{-1} U_l]}{\sigma_l^2} - \log\det U_l + H_l \log\det U_{l+1}
    \right)}_{\text{entropy}}

in which :math:`U_{L+1} = U_a`, :math:`N_{L+1} = N_a`, :math:`H_{L+1} = C` outputs and :math:`U_{L+2} = 1`.

Everything is computed by LAPACK in double precision. The number of its threads may change results by rounding, some
1e-13 of their size, and more only where K + T is nearly singular.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), action and order parameter.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.checks import Array, checked_array, checked_number, checked_real
from mfattn.paths.coordinates import Coordinates, entropy_of, to_triangles
from mfattn.paths.elimination import eliminate
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.regression import NotPositiveDefinite, Regression
from mfattn.paths.symmetric import (
    checked_positive_definite,
    checked_symmetric,
    inverse,
    symmetrised,
    to_matrix,
    to_vector,
)

AT_ONCE = 256
"""Columns of a Hessian that are computed together."""

BLOCK = "a block of the order parameter"


class Action:
    """Twice the action, 2S, of one network, data set and temperature.

    Parameters
    ----------
    network : Network
    kernels : PathKernels
        Of the examples; share one between all networks and temperatures.
    labels : (P,) or (P, C) array
        Real; two axes are needed where the network has more than one output.
    temperature : float
        T, above 0.

    Attributes
    ----------
    coordinates : Coordinates
        Non-centred coordinates of the network's order parameter.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or the temperature is out of range.

    Examples
    --------
    >>> action = Action(Network((1,), (10, 10)), PathKernels([[[1.0]], [[-1.0]]]), [1.0, -1.0], 0.1)
    >>> round(action.value(np.eye(1)), 6)
    19.391733
    """

    def __init__(self, network: Network, kernels: PathKernels, labels: ArrayLike, temperature: float) -> None:
        if network.paths != kernels.paths:
            raise ValueError(f"features must have the {network.paths} paths of the network, found {kernels.paths}")
        given = checked_real("labels", labels)
        shape = (kernels.examples, network.outputs)
        self.network, self.kernels = network, kernels
        self.labels = checked_array("labels", given, shape[: max(given.ndim, 1)] if network.outputs == 1 else shape)
        self.labels = self.labels.reshape(shape)
        self.temperature = checked_number("temperature", temperature, above=0)
        self.coordinates = Coordinates(network)
        basis, self._reduced = kernels.compressed
        inside = self.labels if basis is None else basis.T @ self.labels
        self._targets = inside.ravel()
        self.energy_offset = 0.0
        if basis is not None:
            unexplained = self.labels - basis @ inside
            missing = self.labels.size - inside.size
            self.energy_offset = missing * math.log(self.temperature) + float((unexplained**2).sum()) / self.temperature

    def regression(self, order: Array) -> Regression:
        """Regression of the labels at U_1, in the examples' directions that some path reaches."""
        return Regression(self.kernels.compressed[1], self._targets, self.temperature, order)

    def energy(self, order: ArrayLike) -> float:
        """Energy at U_1, which may be singular, as that of fewer weights than paths is."""
        return self.regression(self._symmetric(order)).energy + self.energy_offset

    def energy_gradient(self, order: ArrayLike) -> Array:
        """Gradient E' of the energy by U_1, symmetric."""
        return self.regression(self._symmetric(order)).gradient

    def entropy(self, blocks: Sequence[ArrayLike]) -> float:
        """Entropy at blocks U_1 ... U_L, U_a, which must be positive definite."""
        if len(blocks) != len(self.network.sizes):
            raise ValueError(f"blocks must be {len(self.network.sizes)}, U_1 to U_a, found {len(blocks)}")
        matrices = [
            checked_positive_definite(BLOCK, block, size)
            for block, size in zip(blocks, self.network.sizes, strict=True)
        ]
        return entropy_of(self.network, to_triangles(self.network, matrices))

    def eliminate(self, order: ArrayLike) -> tuple[Array, ...]:
        """Blocks U_2 ... U_L, U_a at which the action is least, given a positive definite U_1."""
        return eliminate(self.network, self._positive_definite(order))

    def value(self, order: ArrayLike) -> float:
        """2S at U_1, least over the other blocks."""
        matrix = self._positive_definite(order)
        return self.energy(matrix) + self.entropy((matrix, *self.eliminate(matrix)))

    def reduced_value_and_gradient(self, order: ArrayLike) -> tuple[float, Array]:
        r"""2S at U_1, least over the other blocks, and its gradient by U_1.

        As the others are at a minimum, the gradient is
        :math:`E' + N_1 [(I \otimes U_2^{-1})/\sigma_1^2 - U_1^{-1}]`.
        """
        matrix = self._positive_definite(order)
        regression, upper = self.regression(matrix), self.eliminate(matrix)
        above = np.kron(np.eye(self.network.heads[0]), inverse(upper[0]))
        slope = self.network.widths[0] * (above / self.network.variances[1] - inverse(matrix))
        value = regression.energy + self.energy_offset + self.entropy((matrix, *upper))
        return value, symmetrised(regression.gradient + slope)

    def to_order_parameters(self, x: Array) -> tuple[Array, ...]:
        """Blocks U_1 ... U_L, U_a at non-centred coordinates."""
        return self.coordinates.order_parameters(x)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """2S at non-centred coordinates and its gradient; infinity and zeros where it cannot be computed."""
        expansion = self.expand(x)
        if expansion is None:
            return math.inf, np.zeros(len(x))
        return expansion.value, expansion.gradient

    def hessian(self, x: Array) -> Array:
        """Second derivatives of 2S in non-centred coordinates."""
        return self._expanded(x).matrix()

    def hessian_product(self, x: Array, directions: Array) -> Array:
        """Hessian times directions, (size,) or (k, size); `expand` is better for many products at one point."""
        return self._expanded(x).product(directions)

    def expand(self, x: Array) -> "Expansion | None":
        """Value and derivatives of 2S at non-centred coordinates, None where it cannot be computed."""
        if x.shape != (self.coordinates.size,):
            raise ValueError(f"coordinates must have shape ({self.coordinates.size},), found {x.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                return Expansion(self, x)
            except NotPositiveDefinite:
                return None

    def _expanded(self, x: Array) -> "Expansion":
        """An expansion that must exist."""
        expansion = self.expand(x)
        if expansion is None:
            raise ValueError("the action is not finite at these coordinates")
        return expansion

    def _symmetric(self, order: ArrayLike) -> Array:
        """U_1 as a finite symmetric matrix of the right size."""
        return checked_symmetric(BLOCK, order, self.network.sizes[0])

    def _positive_definite(self, order: ArrayLike) -> Array:
        """U_1, which must be positive definite."""
        return checked_positive_definite(BLOCK, order, self.network.sizes[0])


class Expansion:
    """Value of 2S at non-centred coordinates x, with derivatives that are computed when asked for.

    Parameters
    ----------
    action : Action
    x : (size,) array

    Raises
    ------
    NotPositiveDefinite
        If the energy cannot be computed.
    """

    def __init__(self, action: Action, x: Array) -> None:
        self.action, self.x = action, x
        self.frame = action.coordinates.at(x)
        if not np.isfinite(self.frame.order).all():
            raise NotPositiveDefinite("the order parameter is not finite")
        self.regression = action.regression(self.frame.order)
        self.energy = self.regression.energy + action.energy_offset
        self.entropy = self.frame.entropy
        self.value = self.energy + self.entropy

    @cached_property
    def gradient(self) -> Array:
        """Gradient of 2S."""
        return self.frame.gradient(self.regression.gradient)

    @property
    def matrix_cost(self) -> float:
        """How many products with one direction the matrix costs."""
        return self.regression.matrix_cost

    def product(self, directions: Array) -> Array:
        """Hessian times directions, (size,) or (k, size)."""
        if directions.ndim == 1:
            return self.product(directions[None])[0]
        pushed = self.frame.push(directions)
        moved = np.stack([self.regression.curvature(one) for one in pushed[2]])
        return self.frame.pull(pushed, self.regression.gradient, moved)

    def matrix(self) -> Array:
        """Hessian."""
        curvature = self.regression.curvature_matrix()
        rows = []
        for directions in np.array_split(np.eye(len(self.x)), math.ceil(len(self.x) / AT_ONCE)):
            pushed = self.frame.push(directions)
            moved = to_matrix(to_vector(pushed[2]) @ curvature, len(self.frame.order))
            rows.append(self.frame.pull(pushed, self.regression.gradient, moved))
        return symmetrised(np.concatenate(rows))
