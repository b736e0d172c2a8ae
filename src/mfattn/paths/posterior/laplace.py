r"""Modes of the exact posterior, and Student's t around them.

Modes of the density are found from the limit of infinite width and from draws of the prior. Each becomes a Student's t
of its curvature, with a share of the mixture by the Laplace approximation of its mass,
:math:`p(Y, x^*) (2\pi)^{d/2} |{-\nabla^2 \log p}|^{-1/2}`.
"""

from functools import cached_property
from typing import Self

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.optimise import quasi_newton
from mfattn.paths.posterior.coordinates import WishartCoordinates
from mfattn.paths.posterior.density import Density, NoDensity
from mfattn.paths.posterior.streams import MODES, stream
from mfattn.paths.posterior.student import Mixture, Student
from mfattn.paths.symmetric import symmetrised

DIFFERENCE = 1e-3
"""Step of differences of gradients, in spreads of the prior; the curvature of a proposal needs few digits."""

TOLERANCE = 1e-3
"""Length of the gradient at a mode, in spreads of the prior; a proposal need not be centred better."""

STEPS = 1000
"""Of the search for a mode, at most."""

SAME = 0.1
"""Distance of ends that are one mode, in units of its curvature."""

KEPT = 0.75
"""Share of the curvature at a mode that its law has: narrow networks have posteriors wider than their modes tell."""

SMALLEST = 0.01
"""Share of a mode in the mixture, at least, relative to the largest."""


def laplace(density: Density, starts: int, seed: int) -> Mixture:
    """Mixture of the modes that are found from infinite width and from STARTS draws of the prior, the largest first.

    Rotations of the weights make a continuum of a mode of a singular order parameter. Then the best one stands alone,
    with its curvature averaged over them: it gives the scales of the posterior, not its shape.

    Raises
    ------
    NoDensity
        If the density cannot be computed at any start.
    """
    ends = _ends(density, starts, seed)
    if density.prior.is_singular:
        best = min(ends, key=lambda end: end.value)
        return Mixture([Student(best.x, KEPT * averaged(density.prior, best.curvature))], np.ones(1))
    found: list[tuple[float, Student]] = []
    for end in ends:
        law = Student(end.x, KEPT * end.curvature)
        if not any(np.linalg.norm(other.whitened(end.x[None])) < SAME for _, other in found):
            found.append((law.log_volume - 0.5 * end.value, law))
    found.sort(key=lambda pair: -pair[0])
    masses = np.array([mass for mass, _ in found])
    return Mixture([law for _, law in found], np.maximum(np.exp(masses - masses[0]), SMALLEST))


def averaged(prior: WishartCoordinates, matrix: Array) -> Array:
    """A bilinear form (d, d) averaged over the rotations of the weights of narrow layers, which leave U as it is."""
    found = np.zeros_like(matrix)
    turned = 1  # rows of a head that the rotations of the layer above mix
    for part, (rows, columns) in reversed(list(zip(prior.slices, prior.shapes, strict=True))):
        if rows == columns:
            found[part, part] = matrix[part, part]
            turned = 1
        else:
            split = matrix[part, part].reshape((rows // turned, turned, columns) * 2)
            means = np.einsum("grchrc->gh", split) / (turned * columns)
            found[part, part] = np.kron(means, np.eye(turned * columns))
            turned = columns
    return found


class _Point:
    """Minus twice the logarithm of the density at a point, in units of the spread of the prior."""

    def __init__(self, density: Density, x: Array) -> None:
        self.density, self.x = density, x
        self._scales = density.prior.spreads
        values, gradients = density.log_joint_and_gradient(x[None])
        self.value, self.gradient = -2 * float(values[0]), -2 * gradients[0] * self._scales

    @cached_property
    def curvature(self) -> Array:
        """Second derivatives by x of minus the logarithm, from differences of gradients."""
        steps = np.diag(DIFFERENCE * self._scales)
        up = self.density.log_joint_and_gradient(self.x + steps)[1]
        down = self.density.log_joint_and_gradient(self.x - steps)[1]
        return symmetrised((down - up) / (2 * DIFFERENCE * self._scales[:, None]))

    def length(self, step: Array) -> float:
        return float(np.abs(self._scales * step).max())

    def moved(self, step: Array) -> Self | None:
        new = type(self)(self.density, self.x + self._scales * step)
        return new if np.isfinite(new.value) else None


def _ends(density: Density, starts: int, seed: int) -> list[_Point]:
    """Where the searches end."""
    prior = density.prior
    points = prior.draw(stream(seed, MODES), starts + 1)
    if not prior.is_singular:
        points[0] = 0.0
    points[0, prior.diagonal] = 1.0
    searches = [start for start in (_Point(density, point) for point in points) if np.isfinite(start.value)]
    if not searches:
        raise NoDensity(f"the posterior density cannot be computed at any of {len(points)} starts")
    return [quasi_newton(start, TOLERANCE, STEPS) for start in searches]
