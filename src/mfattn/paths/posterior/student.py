"""Student's t in many dimensions, and mixtures of it: laws that are easy to draw from and have heavy tails."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from mfattn.paths.checks import Array

FREEDOM = 16.0
"""Degrees of freedom by default: tails that are heavier than those of a posterior, but little volume in them."""


class Student:
    """Student's t around a centre.

    Parameters
    ----------
    centre : (d,) array
    precision : (d, d) array
        Inverse of the squared scale, symmetric; it is turned to positive where it is not.
    freedom : float
        Degrees of freedom.

    Attributes
    ----------
    root : (d, d) array
        S with S S^T the squared scale.
    log_volume : float
        Logarithm of the determinant of S.

    Examples
    --------
    >>> Student(np.zeros(1), np.eye(1), freedom=1.0).log_density(np.zeros((1, 1))).round(6)
    array([-1.14473])
    """

    def __init__(self, centre: Array, precision: Array, freedom: float = FREEDOM) -> None:
        values, vectors = np.linalg.eigh(precision)
        roots = np.sqrt(np.maximum(np.abs(values), 1e-6 * np.abs(values).max()))
        self.centre, self.freedom = centre, freedom
        self.root = vectors / roots
        self.inverse_root = (vectors * roots).T
        self.log_volume = -float(np.log(roots).sum())

    def draw(self, random: np.random.Generator, number: int) -> Array:
        """Points (number, d)."""
        normal = random.standard_normal((number, len(self.centre)))
        normal *= np.sqrt(self.freedom / random.chisquare(self.freedom, number))[:, None]
        return self.centre + normal @ self.root.T

    def whitened(self, x: Array) -> Array:
        """Points (n, d) from the centre, in units of the scale."""
        return (x - self.centre) @ self.inverse_root.T

    def log_density(self, x: Array) -> Array:
        """Logarithm of the density of points (n, d)."""
        size, freedom = len(self.centre), self.freedom
        constant = special.gammaln(0.5 * (freedom + size)) - special.gammaln(0.5 * freedom)
        constant -= 0.5 * size * np.log(freedom * np.pi) + self.log_volume
        squares = (self.whitened(x) ** 2).sum(axis=1)
        return constant - 0.5 * (freedom + size) * np.log1p(squares / freedom)


class Mixture:
    """Mixture of laws of Student's t with given shares."""

    def __init__(self, laws: Sequence[Student], shares: Array) -> None:
        self.laws, self.shares = tuple(laws), shares / shares.sum()

    def draw(self, random: np.random.Generator, number: int) -> Array:
        """Points (number, d)."""
        chosen = random.choice(len(self.laws), number, p=self.shares)
        drawn = np.stack([law.draw(random, number) for law in self.laws])
        return drawn[chosen, np.arange(number)]

    def log_density(self, x: Array) -> Array:
        """Logarithm of the density of points (n, d)."""
        terms = [np.log(share) + law.log_density(x) for share, law in zip(self.shares, self.laws, strict=True)]
        return special.logsumexp(terms, axis=0)
