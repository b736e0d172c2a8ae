r"""Exact posterior density of the order parameter at finite width, for many points at once.

.. math:: \log p(Y, x) = -\tfrac12 E(U_1(x)) - \tfrac{PC}{2} \log 2\pi + \log p(x),

with the energy E of `mfattn.paths.action` and the prior p(x) of `mfattn.paths.posterior.coordinates`: the weights of
the network are integrated out, none is left to be sampled.

Energies of many points come from one matrix product for all kernels, which are then factorised one by one in the cache.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), action of the order parameter.
"""

import math
from functools import cached_property

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.checks import Array
from mfattn.paths.posterior.coordinates import WishartCoordinates
from mfattn.paths.posterior.products import contraction, product
from mfattn.paths.regression import NotPositiveDefinite
from mfattn.paths.symmetric import to_matrix, to_vector

BATCH = 2**17
"""Entries of kernels that are computed together: few enough for a cache, and fixed, so that results are."""


class NoDensity(RuntimeError):
    """The posterior density cannot be computed, as K + T is singular to rounding."""


class Density:
    """Joint density of labels and order parameter.

    Parameters
    ----------
    action : Action

    Attributes
    ----------
    prior : WishartCoordinates
        Coordinates, with their prior.

    Raises
    ------
    NoDensity
        If it cannot be computed where all weights have the variances of the prior.

    Examples
    --------
    >>> from mfattn.paths.kernels import PathKernels
    >>> from mfattn.paths.network import Network
    >>> density = Density(Action(Network((1,), (10, 10)), PathKernels([[[1.0]]]), [1.0], 0.1))
    >>> density.log_joint(np.ones((2, 2))).round(3)
    array([1.901, 1.901])
    """

    def __init__(self, action: Action) -> None:
        self.action = action
        self.prior = WishartCoordinates(action.network)
        try:
            sample = action.regression(np.eye(action.network.sizes[0]))
        except NotPositiveDefinite as error:
            raise NoDensity(str(error)) from error
        self.kernels, self.targets = sample.kernels, sample.labels
        self.rows = len(self.targets)
        self._offset = action.energy_offset + action.labels.size * math.log(2 * math.pi)

    def log_joint(self, x: Array) -> Array:
        """Logarithm of the density of labels and points (n, d); minus infinity where it cannot be computed."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            factor = self.prior.factors(self.prior.matrices(x))[0]
            energies = self.energies(factor @ factor.swapaxes(1, 2))
            return _or_minus_infinity(self.prior.log_prior(x) - 0.5 * energies)

    def log_joint_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """The same and its gradient (n, d), zero where it cannot be computed."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            matrices = self.prior.matrices(x)
            factors = self.prior.factors(matrices)
            energies, slopes = self.energies_and_gradients(factors[0] @ factors[0].swapaxes(1, 2))
            values = _or_minus_infinity(self.prior.log_prior(x) - 0.5 * energies)
            gradient = self.prior.log_prior_gradient(x)
            gradient -= 0.5 * self.prior.gradient(x, matrices, factors, slopes)
            gradient[~np.isfinite(values)] = 0.0
        return values, gradient

    def energies(self, orders: Array) -> Array:
        """Energies, with PC log 2π, of order parameters (n, p_1, p_1); infinite where they cannot be computed."""
        return np.concatenate([_energies(self.factors(orders[part])) for part in self._parts(orders)]) + self._offset

    def energies_and_gradients(self, orders: Array) -> tuple[Array, Array]:
        """The same and their gradients by U_1."""
        energies, gradients = [], []
        for part in self._parts(orders):
            factors = self.factors(orders[part])
            energies.append(_energies(factors))
            gradients.append(self._gradients(factors))
        return np.concatenate(energies) + self._offset, np.concatenate(gradients)

    def factors(self, orders: Array, columns: Array | None = None) -> Array:
        """Upper Cholesky factors R of K + T in (n, rows, rows + 1 ...), NaN where there is none.

        The column beside is R^{-T} y, and further ones are R^{-T} times COLUMNS (n, rows, ...).
        """
        from mfattn.paths.posterior.kernels.factors import factorise

        matrices = self._bordered(orders)
        if columns is not None:
            matrices = np.concatenate([matrices, columns], axis=2)
        factorise(matrices)
        return matrices

    def cross_tables(self, features: Array) -> tuple[Array, Array]:
        """Kernels with other examples (Q, D, paths), and their own, of a basis of symmetric matrices."""
        kernels = self.action.kernels
        turned = kernels.compressed[0]
        cross, diagonal = [], []
        for order in self._basis:
            found = kernels.cross(order, features)
            if turned is not None:
                found = np.tensordot(turned.T, found.reshape(len(turned), -1), axes=1)
            cross.append(found.ravel())
            diagonal.append(kernels.diagonal(order, features))
        return np.stack(cross), np.stack(diagonal)

    def predictions(self, orders: Array, cross: Array, diagonal: Array) -> tuple[Array, Array]:
        """Means and variances (n, Q C) of the outputs given order parameters, from `cross_tables`."""
        number = diagonal.shape[1]
        means, variances = np.empty((len(orders), number)), np.empty((len(orders), number))
        for part in self._parts(orders, number):
            vectors = to_vector(orders[part])
            white = self.factors(orders[part], product(vectors, cross).reshape(-1, self.rows, number))
            columns = white[:, :, self.rows + 1 :]
            means[part] = np.einsum("nr,nrq->nq", white[:, :, self.rows], columns)
            variances[part] = vectors @ diagonal - np.einsum("nrq,nrq->nq", columns, columns)
        return means, variances

    def _parts(self, orders: Array, more: int = 0) -> list[slice]:
        """Cuts of points whose kernels, with so many more columns, are computed together."""
        step = max(8, BATCH // (self.rows * (self.rows + more)))
        return [slice(start, start + step) for start in range(0, len(orders), step)]

    def _bordered(self, orders: Array) -> Array:
        """K + T, of which the upper triangle holds, with the labels as one more column."""
        shape = (len(orders), self.rows, self.rows + 1)
        if self._table is not None:
            matrices = product(to_vector(orders), self._table).reshape(shape)
            matrices += self._border
            return matrices
        matrices = np.tile(self._border, (len(orders), 1, 1))
        for matrix, order in zip(matrices, orders, strict=True):
            matrix[:, :-1] += self.kernels.kernel(order)
        return matrices

    def _gradients(self, factors: Array) -> Array:
        """Gradients of the energy by U_1."""
        from mfattn.paths.posterior.kernels.factors import inverses

        weights = np.empty_like(factors)
        inverses(factors, weights)
        if self._table is None:
            return np.stack([self.kernels.pull_back(weight[:, :-1]) for weight in weights])
        return to_matrix(contraction(weights.reshape(len(weights), -1), self._table), self.action.network.sizes[0])

    @cached_property
    def _border(self) -> Array:
        """T on the diagonal, and the labels."""
        return np.column_stack([np.diag(np.full(self.rows, self.action.temperature)), self.targets])

    @cached_property
    def _table(self) -> Array | None:
        """Kernels of a basis of symmetric matrices, None if they would not fit the memory.

        Kernels are read in the upper triangle, and gradients in the lower one, where each entry stands for two.
        """
        shape = (len(self._basis), self.rows, self.rows + 1)
        if 8 * math.prod(shape) > self.kernels.limit:
            return None
        table = np.zeros(shape)
        for own, order in zip(table, self._basis, strict=True):
            kernel = self.kernels.kernel(order)
            own[:, :-1] = kernel + np.tril(kernel, -1)
        return table.reshape(len(table), -1)

    @cached_property
    def _basis(self) -> Array:
        """Symmetric matrices that U_1 is a combination of, with its vector as coefficients."""
        size = self.action.network.sizes[0]
        return to_matrix(np.eye(size * (size + 1) // 2), size)


def _or_minus_infinity(values: Array) -> Array:
    """Values with minus infinity in the place of all that is not finite."""
    return np.where(np.isfinite(values), values, -np.inf)


def _energies(factors: Array) -> Array:
    """Log-determinant and quadratic form of what `Density.factors` gave, infinite without a factor."""
    found = 2 * np.log(np.einsum("nii->ni", factors[:, :, :-1])).sum(axis=1) + (factors[:, :, -1] ** 2).sum(axis=1)
    return np.where(np.isfinite(found), found, np.inf)
