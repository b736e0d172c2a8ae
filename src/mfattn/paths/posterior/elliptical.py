r"""Elliptical slice sampling of the order parameter from Gaussian weights.

Every block of the order parameter is a function of Gaussian weights, :math:`A_l = g_l / \sqrt{N_l}`, turned to a
triangle where `mfattn.paths.posterior.coordinates` has one. Nothing is tuned and no mode is needed, also where narrow
layers make the order parameter singular: a check of the other samplers, which are faster.

Own, as no library moves many chains whose likelihoods are computed together.

References
----------
Murray, Adams and MacKay, AISTATS 2010 (arXiv 1001.0175).
"""

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.posterior.coordinates import WishartCoordinates
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.hamiltonian import GROUP, GROUPS, chain_length
from mfattn.paths.posterior.streams import ELLIPTICAL, over_threads, stream

THINNING = 8
"""Steps from one draw that is kept to the next."""


def sample_elliptical(density: Density, draws: int, warm_up: int, seed: int, threads: int) -> Array:
    """Points (chains, draws, d): DRAWS at least in all chains, which start from the prior and warm up first.

    Chains are as long as Hamiltonian ones. Results do not depend on the number of threads. One draw in `THINNING` is
    kept, of the warming up too.

    Raises
    ------
    ValueError
        If a width is not an integer.
    """
    if any(width != int(width) for width in density.prior.network.widths):
        raise ValueError(f"elliptical slices need integer widths, found {density.prior.network.widths}")
    length = chain_length(draws)

    def group(index: int) -> Array:
        return _chains(density, length, warm_up, stream(seed, ELLIPTICAL, index))

    return np.concatenate(over_threads(group, GROUPS, threads))


def _chains(density: Density, length: int, warm_up: int, random: np.random.Generator) -> Array:
    """Points (GROUP, length, d) of one group."""
    prior = density.prior
    sizes = [rows * int(width) for (rows, _), width in zip(prior.shapes, prior.network.widths, strict=True)]
    weights = random.standard_normal((GROUP, sum(sizes)))
    log_likelihood = _log_likelihood(density, weights)
    points = np.empty((GROUP, length, prior.size))
    for number in range(-warm_up, length):
        for _ in range(THINNING):
            weights, log_likelihood = _moved(density, weights, log_likelihood, random)
        if number >= 0:
            points[:, number] = _coordinates(prior, weights)
    return points


def _moved(density: Density, weights: Array, log_likelihood: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """The chains after one step each, and their likelihoods."""
    other = random.standard_normal(weights.shape)
    least = log_likelihood - random.exponential(size=len(weights))
    angles = random.uniform(0.0, 2 * np.pi, len(weights))
    low, high = angles - 2 * np.pi, angles.copy()
    found, values = np.empty_like(weights), np.empty_like(log_likelihood)
    open_chains = np.arange(len(weights))
    while len(open_chains):
        turns = angles[open_chains][:, None]
        found[open_chains] = weights[open_chains] * np.cos(turns) + other[open_chains] * np.sin(turns)
        values[open_chains] = _log_likelihood(density, found[open_chains])
        open_chains = open_chains[values[open_chains] < least[open_chains]]
        failed = angles[open_chains]
        low[open_chains] = np.where(failed < 0, failed, low[open_chains])
        high[open_chains] = np.where(failed < 0, high[open_chains], failed)
        angles[open_chains] = random.uniform(low[open_chains], high[open_chains])
    return found, values


def _log_likelihood(density: Density, weights: Array) -> Array:
    """Logarithm of the density of the labels at weights (n, ...)."""
    order = density.prior.order_parameters(_coordinates(density.prior, weights))[0]
    return -0.5 * density.energies(order)


def _coordinates(prior: WishartCoordinates, weights: Array) -> Array:
    """Coordinates (n, d) of weights (n, ...), block after block."""
    matrices, start = [], 0
    for (rows, columns), width in zip(prior.shapes, prior.network.widths, strict=True):
        stop = start + rows * int(width)
        block = weights[:, start:stop].reshape(len(weights), rows, int(width)) / np.sqrt(width)
        matrices.append(_triangles(block) if rows == columns else block)
        start = stop
    return prior.from_matrices(matrices)


def _triangles(blocks: Array) -> Array:
    """Lower Cholesky factors of B B^T for blocks (n, rows, columns), which cannot fail where rows nearly depend."""
    upper: Array = np.linalg.qr(blocks.swapaxes(1, 2)).R
    return (upper * np.sign(np.einsum("nii->ni", upper))[:, :, None]).swapaxes(1, 2)
