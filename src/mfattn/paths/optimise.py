"""Minimisation of smooth functions that may be infinite: quasi-Newton steps from afar, Newton steps to the end.

Both work on points that know their value, gradient and Hessian and can move, so that the same steps serve a vector
space and the manifold of positive definite matrices.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import numpy as np

from mfattn.paths.checks import Array

ARMIJO = 1e-4
WOLFE = 0.9
"""How much of the predicted decrease, and at most of the slope, a step must gain and may leave."""

CHEAP = 20
"""Products with a direction for which a Hessian's matrix is computed at once."""

MEMORY = 30
"""Steps that L-BFGS remembers."""

HALVINGS = 40
"""Doublings and halvings of a step at most."""


class SmoothPoint(Protocol):
    """A point of a function that is to be minimised, in local coordinates of unit scale."""

    @property
    def value(self) -> float:
        """Value of the function."""

    @property
    def gradient(self) -> Array:
        """Gradient in local coordinates."""

    def length(self, step: Array) -> float:
        """Length of a step, in units of how far a quadratic expansion can be trusted."""

    def moved(self, step: Array) -> Self | None:
        """The point after a step, None where the function is infinite."""


class Point(SmoothPoint, Protocol):
    """A point of which the second derivatives are known too."""

    @property
    def matrix_cost(self) -> float:
        """How many products with a direction the Hessian's matrix costs."""

    def matrix(self) -> Array:
        """Hessian in local coordinates."""

    def product(self, direction: Array) -> Array:
        """Hessian times a direction."""


S = TypeVar("S", bound=SmoothPoint)
P = TypeVar("P", bound=Point)


def quasi_newton(point: S, tolerance: float, steps: int) -> S:
    """Point after L-BFGS steps until the gradient is below TOLERANCE, or nothing more is gained.

    Local coordinates must be those of a vector space.
    """
    history: deque[tuple[Array, Array]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        if np.linalg.norm(point.gradient) <= tolerance:
            break
        direction = -_inverse_times(history, point.gradient)
        if not history:
            direction /= max(1.0, point.length(direction))
        found = _line_search(point, direction)
        if found is None:
            break
        new, step = found
        change = new.gradient - point.gradient
        if change @ step > 1e-14 * float(np.linalg.norm(change) * np.linalg.norm(step)):
            history.append((step, change))
        gained, point = point.value - new.value, new
        if gained <= 1e-15 * abs(point.value):
            break
    return point


def newton(point: P, tolerance: float, steps: int) -> P:
    """Point after Newton steps until the gradient is below TOLERANCE, or only rounding is left.

    Conjugate gradients solve for a step as long as they take fewer products, from the first step on, than the matrix
    costs. From then on it is computed, and kept as long as the gradient shrinks tenfold at every step. Negative
    curvature is turned upwards in a matrix, and ends conjugate gradients.
    """
    solver: Callable[[Array], Array] | None = None
    spent = 0
    for _ in range(steps):
        size = float(np.linalg.norm(point.gradient))
        if size <= tolerance:
            break
        fresh = solver is None
        if solver is None and point.matrix_cost <= max(CHEAP, spent):
            solver = _dense_solver(point.matrix())
        if solver is not None:
            direction = solver(-point.gradient)
        else:
            direction, products = _conjugate_gradients(point, -point.gradient, point.matrix_cost)
            spent += products
        new = _backtracked(point, direction / max(1.0, point.length(direction)), size)
        if new is None and fresh:
            break
        if new is None or np.linalg.norm(new.gradient) > 0.1 * size:
            solver = None
        point = new or point
    return point


def _inverse_times(history: deque[tuple[Array, Array]], gradient: Array) -> Array:
    """The two loops of L-BFGS."""
    vector = gradient.copy()
    factors = []
    for step, change in reversed(history):
        factor = step @ vector / (step @ change)
        vector -= factor * change
        factors.append(factor)
    if history:
        step, change = history[-1]
        vector *= step @ change / (change @ change)
    for (step, change), factor in zip(history, reversed(factors), strict=True):
        vector += (factor - change @ vector / (step @ change)) * step
    return vector


def _line_search(point: S, direction: Array) -> tuple[S, Array] | None:
    """A point that meets the weak Wolfe conditions, by doubling and halving; the best one after too many of them."""
    slope = float(point.gradient @ direction)
    low, high, length = 0.0, np.inf, 1.0
    best: tuple[S, Array] | None = None
    for _ in range(HALVINGS):
        new = point.moved(length * direction)
        if new is None or new.value > point.value + ARMIJO * length * slope:
            high = length
        else:
            best = new, length * direction
            if new.gradient @ direction >= WOLFE * slope:
                return best
            low = length
        length = (low + high) / 2 if np.isfinite(high) else 2 * low
    return best


def _backtracked(point: P, direction: Array, size: float) -> P | None:
    """A point of lower value; or where rounding hides that, the next one if its gradient is smaller."""
    slope = float(point.gradient @ direction)
    length = 1.0
    while -slope * length > 1e-13 * (1.0 + abs(point.value)):
        new = point.moved(length * direction)
        if new is not None:
            if new.value <= point.value + ARMIJO * length * slope:
                return new
            if length == 1.0 and _is_settling(point, new, size):
                return new
        length /= 2
    new = point.moved(direction)
    return new if new is not None and _is_settling(point, new, size) else None


def _is_settling(point: P, new: P, size: float) -> bool:
    """Whether the gradient shrinks from SIZE to less than half of it, at the same value but for rounding."""
    return new.value <= point.value + 1e-9 * (1.0 + abs(point.value)) and bool(
        np.linalg.norm(new.gradient) < 0.5 * size
    )


def _dense_solver(hessian: Array) -> Callable[[Array], Array]:
    """Inverse of a Hessian, with the absolute values of its eigenvalues if some are negative."""
    from scipy.linalg import lapack

    factor, failed = lapack.dpotrf(hessian, lower=1)
    if not failed:
        return lambda vector: lapack.dpotrs(factor, vector, lower=1)[0]
    values, vectors = np.linalg.eigh(hessian)
    values = np.maximum(np.abs(values), 1e-8 * np.abs(values).max())
    return lambda vector: vectors @ ((vectors.T @ vector) / values)


def _conjugate_gradients(point: Point, target: Array, most: float) -> tuple[Array, int]:
    """Solution of Hessian x = target, good enough for fast convergence or before negative curvature; and products."""
    size = float(np.linalg.norm(target))
    wanted = size * min(0.1, size**0.5)
    solution, residual = np.zeros_like(target), target
    search, square = residual, float(residual @ residual)
    count = 0
    while square**0.5 > wanted and count < min(most, 2 * len(target)):
        product = point.product(search)
        curvature = float(search @ product)
        count += 1
        if curvature <= 1e-12 * float(search @ search):
            return (solution if solution.any() else target), count
        length = square / curvature
        solution = solution + length * search
        residual = residual - length * product
        before, square = square, float(residual @ residual)
        search = residual + square / before * search
    return solution, count
