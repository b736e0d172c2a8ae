"""Points of the action from which it is minimised, in two kinds of coordinates, and descents between them."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np

from mfattn.paths.action import Action, Expansion
from mfattn.paths.checks import Array
from mfattn.paths.coordinates import entropy_of
from mfattn.paths.elimination import Chain, along_geodesic, eliminate
from mfattn.paths.optimise import newton, quasi_newton
from mfattn.paths.regression import NotPositiveDefinite
from mfattn.paths.symmetric import cholesky, inverse, symmetrised, to_matrix, to_vector

Method = Literal["noncentred", "reduced"]

LONGEST = 1.5
"""Longest step that is taken at once: of coordinates, and of the logarithm of an order parameter."""

QUASI_NEWTON_STEPS = 500
NEWTON_STEPS = 200
"""Steps at most from a start."""

BRANCH_STEPS = 50
"""Newton steps at most on a way between networks."""

AT_ONCE = 256
"""Columns of a Hessian that are computed together."""


class NonCentredPoint:
    """2S in non-centred coordinates, scaled to unit curvature of the entropy."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion, self.value, self.order = expansion, expansion.value, expansion.frame.order
        coordinates = expansion.action.coordinates
        self.scale = 1 / np.sqrt(2 * coordinates.weights)
        self.scale[coordinates.diagonal] /= math.sqrt(2)

    @cached_property
    def gradient(self) -> Array:
        """Gradient of 2S."""
        return self.scale * self.expansion.gradient

    @property
    def matrix_cost(self) -> float:
        """How many products with a direction the Hessian's matrix costs."""
        return self.expansion.matrix_cost

    def matrix(self) -> Array:
        """Hessian."""
        return self.scale[:, None] * self.expansion.matrix() * self.scale

    def product(self, direction: Array) -> Array:
        """Hessian times a direction."""
        return self.scale * self.expansion.product(self.scale * direction)

    def length(self, step: Array) -> float:
        """Length of a step, in units of the longest that is taken at once."""
        return float(np.abs(self.scale * step).max()) / LONGEST

    def moved(self, step: Array) -> "NonCentredPoint | None":
        """The point after a step, None where 2S is infinite."""
        expansion = self.expansion.action.expand(self.expansion.x + self.scale * step)
        return None if expansion is None else NonCentredPoint(expansion)


class ReducedPoint:
    """2S of U_1 alone, in whitened symmetric coordinates scaled to unit curvature of the entropy.

    Raises
    ------
    LinAlgError, NotPositiveDefinite
        If U_1 is not positive definite, or K + T.
    """

    def __init__(self, action: Action, order: Array) -> None:
        self.action, self.order = action, order
        self.scale = 1 / math.sqrt(action.network.widths[0])
        self.factor = cholesky(order)
        self.chain = Chain(action.network, (order, *eliminate(action.network, order)))
        self.regression = action.regression(order)
        self.value = self.regression.energy + action.energy_offset + entropy_of(action.network, self.chain.triangles)

    @property
    def order_gradient(self) -> Array:
        """Gradient by U_1."""
        white = inverse(self.factor)
        return self.regression.gradient + white.T @ self.chain.gradient(0) @ white

    @cached_property
    def _energy_gradient(self) -> Array:
        """Whitened gradient of the energy."""
        return self.factor.T @ self.regression.gradient @ self.factor

    @cached_property
    def gradient(self) -> Array:
        """Gradient of 2S, the other blocks at its minimum."""
        return self.scale * to_vector(self._energy_gradient + self.chain.gradient(0))

    @property
    def matrix_cost(self) -> float:
        """How many products with a direction the Hessian's matrix costs."""
        return self.regression.matrix_cost

    def matrix(self) -> Array:
        """Hessian."""
        size, unknowns = len(self.order), len(self.gradient)
        curvature = self.regression.curvature_matrix()

        def moved(orders: Array) -> Array:
            return to_matrix(to_vector(orders) @ curvature, size)

        parts = np.array_split(to_matrix(np.eye(unknowns), size), math.ceil(unknowns / AT_ONCE))
        return symmetrised(self.scale**2 * np.concatenate([self._hessian_times(part, moved) for part in parts]))

    def product(self, direction: Array) -> Array:
        """Hessian times a direction."""
        matrix = to_matrix(direction[None], len(self.order))
        return self.scale**2 * self._hessian_times(matrix, lambda orders: self.regression.curvature(orders[0])[None])[0]

    def _hessian_times(self, directions: Array, curvature: Callable[[Array], Array]) -> Array:
        """Riemannian Hessian times symmetric directions, from the derivative of the energy's gradient."""
        moved = self.factor.T @ curvature(self.factor @ directions @ self.factor.T) @ self.factor
        bent = symmetrised(directions @ self._energy_gradient)
        return to_vector(moved + bent + self.chain.reduced_product(directions))

    def length(self, step: Array) -> float:
        """Length of a step, in units of the longest that is taken at once."""
        return self.scale * float(np.linalg.norm(to_matrix(step, len(self.order)), 2)) / LONGEST

    def moved(self, step: Array) -> "ReducedPoint | None":
        """The point after a step, None where 2S is infinite."""
        return reduced_point(self.action, along_geodesic(self.factor, self.scale * to_matrix(step, len(self.order))))


def reduced_point(action: Action, order: Array) -> ReducedPoint | None:
    """A point of the reduced action, None where it is infinite."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            return ReducedPoint(action, order)
        except (np.linalg.LinAlgError, NotPositiveDefinite):
            return None


def minimised(
    action: Action, method: Method, order: Array, near: bool = False
) -> ReducedPoint | NonCentredPoint | None:
    """The point that U_1 leads to, by Newton steps alone if it is near; None where numbers are not finite.

    Newton steps stay on their branch of minima, where L-BFGS may leave for another one.
    """
    point = _point_at(action, method, order)
    if isinstance(point, NonCentredPoint) and not near:
        point = quasi_newton(point, 1e-2 * math.sqrt(min(action.network.widths)), QUASI_NEWTON_STEPS)
    return point and newton(point, 1e-12 * math.sqrt(max(action.network.widths)), NEWTON_STEPS)


def followed(action: Action, method: Method, order: Array) -> Array | None:
    """U_1 of the minimum that U_1 is near, but for some digits; None where Newton steps do not soon come there."""
    point = _point_at(action, method, order)
    if point is None:
        return None
    tolerance = 1e-6 * math.sqrt(max(action.network.widths))
    point = newton(point, tolerance, BRANCH_STEPS)
    return point.order if np.linalg.norm(point.gradient) <= tolerance else None


def _point_at(action: Action, method: Method, order: Array) -> ReducedPoint | NonCentredPoint | None:
    """The point at U_1 in the coordinates of a method, None where the action is infinite."""
    if method == "reduced":
        return reduced_point(action, order)
    try:
        blocks = (order, *eliminate(action.network, order))
        expansion = action.expand(action.coordinates.from_order_parameters(blocks))
    except np.linalg.LinAlgError:
        return None
    return None if expansion is None else NonCentredPoint(expansion)


def expansion_at(point: ReducedPoint | NonCentredPoint) -> Expansion:
    """The same point in non-centred coordinates."""
    if isinstance(point, NonCentredPoint):
        return point.expansion
    return Expansion(point.action, point.action.coordinates.from_order_parameters(point.chain.blocks))
