r"""Weights of the network, drawn from the posterior.

Given the coordinates of the order parameter, the overlaps of all weights are known: their directions are uniform, what
does not reach the output is Gaussian as in the prior, and the first weights, from which the output is read linearly,
are Gaussian given the labels. No weight needs a Markov chain.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), effective weights of the paths. Matheron's rule
for Gaussians given a linear observation: Wilson et al., ICML 2020 (arXiv 2002.09309).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.action import Action
from mfattn.paths.checks import Array, checked_array
from mfattn.paths.network import Network
from mfattn.paths.posterior.coordinates import WishartCoordinates, below


@dataclass(frozen=True, eq=False)
class NetworkWeights:
    """Draws of all weights, in units in which the variances are those of the prior."""

    network: Network
    first: Array  # (draws, N_1, D) V_0, for the D inputs of the features
    values: tuple[Array, ...]  # for every layer (draws, H_l, N_{l+1}, N_l)
    readout: Array  # (draws, C, N_a)

    @property
    def effective(self) -> Array:
        r"""Effective weights :math:`w_\pi`, (draws, paths C, N_1), whose overlaps over N_1 are U_1."""
        found = self.readout
        for values, width in zip(reversed(self.values), self.network.widths[:0:-1], strict=True):
            found = np.einsum("dpi,dhij->dhpj", found, values).reshape(len(found), -1, values.shape[3]) / math.sqrt(
                width
            )
        return found

    def outputs(self, features: ArrayLike) -> Array:
        """Outputs (draws, Q, C) for features (Q, D, paths)."""
        inputs, paths = self.first.shape[2], self.network.paths
        others = checked_array("features", features, ("Q", inputs, paths))
        effective = self.effective.reshape(len(self.first), paths, self.network.outputs, -1)
        maps = np.einsum("dni,dpcn->dipc", self.first, effective)
        maps /= math.sqrt(self.network.widths[0] * self.network.variances[0])
        return np.einsum("qip,dipc->dqc", others, maps, optimize=True)


def draw_weights(action: Action, prior: WishartCoordinates, x: Array, random: np.random.Generator) -> NetworkWeights:
    """Weights given coordinates (n, d) and the labels.

    Raises
    ------
    ValueError
        If a width is not an integer.
    """
    network = action.network
    if any(width != int(width) for width in network.widths):
        raise ValueError(f"weights need integer widths, found {network.widths}")
    values: list[Array] = []
    above, frame = np.ones((1, 1, 1)), np.ones((len(x), 1, 1))
    widths = [int(width) for width in network.widths]
    scales = np.sqrt(network.variances[1:])
    for matrix, width, heads, scale in reversed(
        list(zip(prior.matrices(x), widths, network.branches, scales, strict=True))
    ):
        own_frame = _frame(matrix, width, random)
        inside = scale * math.sqrt(width) * matrix @ own_frame
        rank, outer = frame.shape[1:]
        free = scale * random.standard_normal((len(x), heads, outer, width))
        inside = inside.reshape(len(x), heads, rank, width) - frame[:, None] @ free
        values.insert(0, free + frame.swapaxes(1, 2)[:, None] @ inside)
        above, frame = scale * below(above, matrix), own_frame
    effective = math.sqrt(widths[0]) * above @ frame
    first = _first_weights(action, above @ above.swapaxes(1, 2), effective, random)
    readout = values[-1][:, :, 0]
    return NetworkWeights(network, first, tuple(values[:-1]), readout)


def _frame(matrix: Array, width: int, random: np.random.Generator) -> Array:
    """Orthonormal rows (n, rows, width) of uniform directions; the axes themselves for a matrix of this width."""
    rows = matrix.shape[2]
    if rows == width:
        return np.tile(np.eye(width), (len(matrix), 1, 1))
    gaussian = random.standard_normal((len(matrix), width, rows))
    basis, triangle = np.linalg.qr(gaussian)
    signs = np.sign(np.einsum("nii->ni", triangle))
    return (basis * signs[:, None]).swapaxes(1, 2)


def _first_weights(action: Action, orders: Array, effective: Array, random: np.random.Generator) -> Array:
    """V_0 given the effective weights (n, p_1, N_1) and the labels: a draw of the prior, moved by what it misses."""
    kernels, network = action.kernels, action.network
    width = effective.shape[2]
    split = effective.reshape(len(effective), network.paths, network.outputs, width)
    found = random.standard_normal((len(effective), width, kernels.inputs))
    noise = math.sqrt(action.temperature) * random.standard_normal((len(effective), *action.labels.shape))
    scale = 1 / math.sqrt(width)
    for first, weights, order, error in zip(found, split, orders, noise, strict=True):
        outputs = scale * np.einsum("mip,ni,pcn->mc", kernels.features, first, weights, optimize=True)
        missing = _solved(action, order, action.labels - outputs - error)
        first += scale * np.einsum("mc,mip,pcn->ni", missing, kernels.features, weights, optimize=True)
    return math.sqrt(network.variances[0]) * found


def _solved(action: Action, order: Array, residuals: Array) -> Array:
    """(K + T)^{-1} times residuals (P, C), without the part that no feature sees."""
    from scipy import linalg

    basis, _ = action.kernels.compressed
    inside = residuals if basis is None else basis.T @ residuals
    solved = linalg.cho_solve((action.regression(order).factor, True), inside.ravel()).reshape(inside.shape)
    return solved if basis is None else basis @ solved
