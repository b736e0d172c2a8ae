"""What certifies a minimum of the action."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfattn.paths.action import Expansion
from mfattn.paths.checks import Array
from mfattn.paths.elimination import Chain
from mfattn.paths.optimise import CHEAP
from mfattn.paths.symmetric import inverse

TOLERANCE = 1e-10
"""Largest gradient per width, in the affine-invariant metric, of a minimum."""

MOST_ROUNDING = 1e-4
"""Largest gradient per width that rounding excuses, where K + T is nearly singular."""

DIRECT_SIZE = 600
"""Unknowns up to which all eigenvalues of a Hessian are computed."""


class SolveError(RuntimeError):
    """No minimum was found, or none that can be certified."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """A minimum that was found: 2S, U_1, and how many starts ended there."""

    value: float
    U1: Array
    hits: int


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is known of a solution.

    Parameters
    ----------
    gradient_norm : float
        Largest entry of the gradient of 2S by any block, in the affine-invariant metric, per largest width.
    residual : float
        Of the saddle-point equation of U_1, relative to U_1.
    rounding : float
        What rounding alone may leave of the gradient, where K + T is nearly singular.
    smallest_curvature, largest_curvature : float
        Eigenvalues of the Hessian of 2S in non-centred coordinates.
    starts : int
        Starts that came to an end; others met numbers that are not finite.
    minima : tuple of Minimum
        Those of distinct values, the least first.
    spread : float
        Largest relative difference of U_1 between starts that ended in the least.
    """

    gradient_norm: float
    residual: float
    rounding: float
    smallest_curvature: float
    largest_curvature: float
    starts: int
    minima: tuple[Minimum, ...]
    spread: float


class End:
    """Where a start ended, and what certifies it."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion, self.action = expansion, expansion.action
        self.order = expansion.frame.order
        self.hits, self.spread = 1, 0.0

    def has_value_of(self, other: "End") -> bool:
        """Whether two values differ by rounding at most."""
        return abs(self.expansion.value - other.expansion.value) <= 1e-8 * (1 + abs(self.expansion.value))

    def joined(self, other: "End") -> "End":
        """The better of two ends of the same value, which counts for both."""
        best, rest = (self, other) if self.is_stationary or not other.is_stationary else (other, self)
        if rest.is_stationary:
            difference = np.abs(best.order - rest.order).max() / np.abs(best.order).max()
            best.spread = max(self.spread, other.spread, float(difference))
        best.hits = self.hits + other.hits
        return best

    @cached_property
    def gradient_norm(self) -> float:
        """Largest entry of the gradient by any block in the affine-invariant metric, per largest width."""
        chain = Chain(self.action.network, self.action.to_order_parameters(self.expansion.x))
        factor = self.expansion.frame.factors[0]
        gradients = [chain.gradient(layer) for layer in range(len(chain.blocks))]
        gradients[0] = gradients[0] + factor.T @ self.expansion.regression.gradient @ factor
        return max(float(np.abs(gradient).max()) for gradient in gradients) / max(self.action.network.widths)

    @cached_property
    def residual(self) -> float:
        """Relative residual of the saddle-point equation of U_1."""
        network = self.action.network
        above = inverse(self.action.to_order_parameters(self.expansion.x)[1])
        expected = np.kron(np.eye(network.heads[0]), above) / network.variances[1]
        expected = inverse(expected + self.expansion.regression.gradient / network.widths[0])
        return float(np.abs(self.order - expected).max() / np.abs(self.order).max())

    @cached_property
    def rounding(self) -> float:
        """Rounding of the gradient, per largest width: a hundred times that of its terms times the condition."""
        regression = self.expansion.regression
        terms = len(regression.labels) + float(regression.labels @ regression.alpha)
        return float(100 * np.finfo(float).eps * regression.condition * terms / max(self.action.network.widths))

    @property
    def is_stationary(self) -> bool:
        """Whether the gradient is zero but for rounding."""
        return self.gradient_norm <= max(TOLERANCE, min(self.rounding, MOST_ROUNDING))

    @property
    def is_converged(self) -> bool:
        """Whether this is a minimum."""
        return self.is_stationary and self.smallest_curvature > 0

    @property
    def is_saddle(self) -> bool:
        """Whether this is stationary, and no minimum."""
        return self.is_stationary and self.smallest_curvature <= 0

    @property
    def smallest_curvature(self) -> float:
        """Least eigenvalue of the Hessian."""
        return self._extremes[0]

    @property
    def largest_curvature(self) -> float:
        """Largest eigenvalue of the Hessian."""
        return self._extremes[1]

    def beside(self) -> Array:
        """Coordinates beside a saddle, along its downward direction."""
        direction = self._extremes[2]
        return self.expansion.x + 0.1 * direction / np.abs(direction).max()

    @cached_property
    def _extremes(self) -> tuple[float, float, Array]:
        """Extreme eigenvalues of the Hessian, and the eigenvector of the least."""
        if self.expansion.matrix_cost <= CHEAP and len(self.expansion.x) <= DIRECT_SIZE:
            values, vectors = np.linalg.eigh(self.expansion.matrix())
            return float(values[0]), float(values[-1]), vectors[:, 0]
        cost = self.expansion.matrix_cost
        found = extreme_eigenvalues(self.expansion.product, len(self.expansion.x), cost) if cost > CHEAP else None
        if found is None and math.isfinite(cost):
            found = extreme_eigenvalues(self.expansion.matrix().__matmul__, len(self.expansion.x), math.inf)
        if found is None:
            raise SolveError("the eigenvalues of the Hessian are not found")
        return found


def extreme_eigenvalues(product: Callable[[Array], Array], size: int, most: float) -> tuple[float, float, Array] | None:
    """Extreme eigenvalues and the eigenvector of the least, None if they take more products than MOST, or very many."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((size, size), matvec=product, dtype=float)
    settings = {"k": 1, "v0": np.linspace(0.5, 1.5, size), "tol": 1e-4, "maxiter": int(min(most / 10, 1000)) + 1}
    try:
        smallest, vectors = eigsh(operator, which="SA", **settings)
        largest = eigsh(operator, which="LA", return_eigenvectors=False, **settings)
    except ArpackNoConvergence:
        return None
    return float(smallest[0]), float(largest[0]), vectors[:, 0]
