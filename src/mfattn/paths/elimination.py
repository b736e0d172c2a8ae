r"""Upper blocks of the order parameter, given the first: the minimum of the entropy in closed form.

The entropy
:math:`\sum_l N_l(\mathrm{tr}[(I \otimes U_{l+1})^{-1} U_l]/\sigma_l^2 - \log\det U_l + H_l \log\det U_{l+1})` is
jointly geodesically convex, so its minimum over :math:`U_2, ..., U_{L+1}` is unique. Given its neighbours a block
solves the Riccati equation

.. math:: U B U + b U = a M, \qquad B = (N_l/\sigma_l^2)\, I \otimes U_{l+1}^{-1}, \quad b = N_{l-1} H_{l-1} - N_l,
          \quad a = N_{l-1} / \sigma_{l-1}^2,

with M the trace of :math:`U_{l-1}` over the heads of layer l - 1. One layer takes one such equation, two layers and one
output one scalar equation for the read-out; other networks take a few sweeps, and Newton steps to the end.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), saddle-point equations.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.coordinates import expanded, partial_trace, to_triangles
from mfattn.paths.network import Network
from mfattn.paths.symmetric import cholesky, inverse, solution, symmetrised, to_matrix, to_vector

SWEEPS = 3
"""Sweeps of Riccati equations before Newton steps, which need to begin near enough."""

STEPS = 100
"""Newton steps at most; a handful is usual."""


def eliminate(network: Network, order: Array) -> tuple[Array, ...]:
    """Blocks U_2 ... U_L, U_a at which the entropy is least, given U_1.

    Parameters
    ----------
    network : Network
    order : (p_1, p_1) array
        Symmetric and positive definite.

    Returns
    -------
    tuple of (p_l, p_l) array
        The last one, U_a, has the size of the outputs.

    Raises
    ------
    LinAlgError
        If no minimum is found, which only a matrix that is not positive definite should do.

    Examples
    --------
    At infinite width the order parameter is a multiple of the identity, and so are the others:

    >>> upper = eliminate(Network((2, 2), (10, 10, 10), (1, 2, 3, 5)), 30 * np.eye(4))
    >>> [block.round(6).tolist() for block in upper]
    [[[15.0, 0.0], [0.0, 15.0]], [[5.0]]]
    """
    if network.depth == 1:
        return (_block(network, 1, partial_trace(order, network.sizes[1]), np.eye(1)),)
    if network.depth == 2 and network.outputs == 1:
        return _two_blocks(network, order)
    return _newton(network, order, _swept(network, order))


def riccati(scale: Array, linear: float, constant: float, middle: Array) -> Array:
    """Positive solution of U B U + b U = a M with B = (I ⊗ S S^T)^{-1}, for S = scale, without cancellation.

    >>> riccati(np.eye(1), 1.0, 2.0, np.array([[3.0]]))
    array([[2.]])
    """
    white = inverse(scale)
    values, vectors = np.linalg.eigh(symmetrised(expanded(white, expanded(white, middle).T)))
    half = expanded(scale, vectors)
    return symmetrised((half * _positive_root(1.0, linear, constant * np.maximum(values, 0.0))) @ half.T)


class Chain:
    r"""Second-order geometry of the entropy at given blocks, in whitened coordinates.

    A block moves as :math:`U_l \to C_l e^{X_l} C_l^T` with symmetric :math:`X_l`, where :math:`U_l = C_l C_l^T`. With
    the triangles :math:`A_l` of `mfattn.paths.coordinates` the gradient by :math:`X_l` is

    .. math:: g_l = N_l (A_l^T A_l - I) + N_{l-1} (H_{l-1} I - \mathrm{tr}_h[A_{l-1} A_{l-1}^T])

    and the second derivative joins neighbours only.

    Parameters
    ----------
    network : Network
    blocks : sequence of (p_l, p_l) array
        U_1 ... U_L, U_a, positive definite, or a LinAlgError is raised.
    """

    def __init__(self, network: Network, blocks: Sequence[Array]) -> None:
        self.network, self.blocks = network, list(blocks)
        self.triangles = to_triangles(network, blocks)
        self.widths = network.widths
        self.unknowns = [size * (size + 1) // 2 for size in network.sizes[1:]]

    def gradient(self, layer: int) -> Array:
        """Gradient by X_{layer + 1}, symmetric; that of U_1 without the energy for layer 0."""
        triangle = self.triangles[layer]
        identity = np.eye(len(triangle))
        own = self.widths[layer] * (triangle.T @ triangle - identity)
        if layer == 0:
            return own
        heads = self.network.branches[layer - 1]
        return own + self.widths[layer - 1] * (heads * identity - self._overlap_below(layer))

    def moved(self, steps: Array) -> list[Array]:
        """Blocks after steps X_2 ... X_{L+1}, given as one vector."""
        parts = np.split(steps, np.cumsum(self.unknowns)[:-1])
        factors = [cholesky(block) for block in self.blocks[1:]]
        return [self.blocks[0]] + [
            along_geodesic(factor, to_matrix(part, len(factor))) for factor, part in zip(factors, parts, strict=True)
        ]

    def upper_gradient(self) -> Array:
        """Gradients of all blocks but the first, as one vector."""
        return np.concatenate([to_vector(self.gradient(layer)) for layer in range(1, len(self.triangles))])

    @cached_property
    def upper_hessian(self) -> Array:
        """Second derivatives by X_2 ... X_{L+1}, as a matrix between vectors."""
        ends = np.cumsum([0, *self.unknowns])
        hessian = np.zeros((ends[-1], ends[-1]))
        for layer in range(1, len(self.triangles)):
            here = slice(ends[layer - 1], ends[layer])
            basis = to_matrix(np.eye(self.unknowns[layer - 1]), len(self.triangles[layer]))
            curvature = self.widths[layer - 1] * self._overlap_below(layer)
            curvature += self.widths[layer] * self.triangles[layer].T @ self.triangles[layer]
            hessian[here, here] = to_vector(symmetrised(curvature @ basis))
            if layer > 1:
                below = slice(ends[layer - 2], ends[layer - 1])
                hessian[here, below] = to_vector(self._down(layer - 1, basis))
                hessian[below, here] = hessian[here, below].T
        return hessian

    def reduced_product(self, directions: Array) -> Array:
        """Second derivative by X_1, (k, p, p) to the same, where the upper blocks follow to stay at the minimum."""
        triangle = self.triangles[0]
        own = self.widths[0] * symmetrised(triangle.T @ triangle @ directions)
        size = len(self.triangles[1])
        pulled = np.zeros((sum(self.unknowns), len(directions)))
        pulled[: self.unknowns[0]] = to_vector(
            self.widths[0] * partial_trace(triangle @ directions @ triangle.T, size)
        ).T
        response = solution(self.upper_hessian, pulled)[: self.unknowns[0]].T
        return own + self._down(0, to_matrix(response, size))

    def _down(self, layer: int, directions: Array) -> Array:
        """How the gradient by X_{layer + 1} moves as the block above it does."""
        triangle = self.triangles[layer]
        return -self.widths[layer] * (triangle.T @ expanded(directions, triangle))

    def _overlap_below(self, layer: int) -> Array:
        """Trace over heads of A A^T in the layer below."""
        triangle = self.triangles[layer - 1]
        return partial_trace(triangle @ triangle.T, len(self.triangles[layer]))


def along_geodesic(factor: Array, step: Array) -> Array:
    """Block C e^X C^T, symmetric."""
    values, vectors = np.linalg.eigh(step)
    half = factor @ vectors * np.exp(0.5 * values)
    return half @ half.T


def _positive_root(quadratic: Array | float, linear: float, constant: Array) -> Array:
    """Positive root of quadratic x^2 + linear x = constant, of which all but the second are positive."""
    root = np.sqrt(linear * linear + 4 * quadratic * constant)
    return 2 * constant / (linear + root) if linear > 0 else (root - linear) / (2 * quadratic)


def _equation(network: Network, layer: int) -> tuple[float, float, float]:
    """N_l / sigma_l^2, and the coefficients b and a of the equation of block U_l, l = layer + 1."""
    width, below = network.widths[layer], network.widths[layer - 1]
    return (
        width / network.variances[layer + 1],
        below * network.branches[layer - 1] - width,
        below / network.variances[layer],
    )


def _block(network: Network, layer: int, below: Array, above: Array) -> Array:
    """One block from the trace of the one below and from the one above."""
    stiffness, linear, constant = _equation(network, layer)
    return riccati(cholesky(above) / math.sqrt(stiffness), linear, constant, below)


def _two_blocks(network: Network, order: Array) -> tuple[Array, Array]:
    """U_2, which has the eigenvectors of the trace of U_1, and the read-out U_a = e^t of a monotone equation for t."""
    values, vectors = np.linalg.eigh(partial_trace(order, network.sizes[1]))
    stiffness, linear, constant = _equation(network, 1)
    last_stiffness, last_linear, _ = _equation(network, 2)
    forces = constant * np.maximum(values, 0.0)

    def slope(t: float) -> tuple[float, float]:
        quadratic = stiffness * math.exp(-t)
        root = np.sqrt(linear * linear + 4 * quadratic * forces)
        pull = quadratic * _positive_root(quadratic, linear, forces)
        return (
            last_stiffness * math.exp(t) + last_linear - float(pull.sum()),
            last_stiffness * math.exp(t) + quadratic * float((forces / root).sum()),
        )

    start = math.log(network.variances[3])
    readout = math.exp(_rising_root(slope, start))
    half = vectors * np.sqrt(_positive_root(stiffness / readout, linear, forces))
    return half @ half.T, np.array([[readout]])


def _rising_root(function: Callable[[float], tuple[float, float]], start: float) -> float:
    """Root of a rising function that is given with its slope: Newton steps, of at most 2, and halving."""
    below, above, here = -math.inf, math.inf, start
    for _ in range(STEPS):
        value, slope = function(here)
        below, above = (here, above) if value < 0 else (below, here)
        step = max(-2.0, min(2.0, -value / slope))
        new = here + step
        if not below <= new <= above:
            new = (below + above) / 2
        if abs(new - here) <= 4e-16 * max(1.0, abs(here)):
            return new
        here = new
    return here


def _swept(network: Network, order: Array) -> list[Array]:
    """All blocks after a few sweeps, from those of infinite width."""
    scales = np.cumprod(network.variances[:0:-1])[::-1]
    blocks = [scale * np.eye(size) for scale, size in zip(scales, network.sizes, strict=True)]
    blocks[0] = order
    for _ in range(SWEEPS):
        for layer in range(1, len(blocks)):
            above = blocks[layer + 1] if layer + 1 < len(blocks) else np.eye(1)
            blocks[layer] = _block(network, layer, partial_trace(blocks[layer - 1], len(blocks[layer])), above)
    return blocks


def _newton(network: Network, order: Array, blocks: list[Array]) -> tuple[Array, ...]:
    """The minimum by Newton steps in whitened coordinates, which geodesic convexity makes safe."""
    chain = Chain(network, blocks)
    size = np.abs(chain.upper_gradient()).max()
    for _ in range(STEPS):
        step = -solution(chain.upper_hessian, chain.upper_gradient())
        step *= min(1.0, 1.0 / np.abs(step).max(initial=1e-300))
        new = Chain(network, chain.moved(step))
        new_size = np.abs(new.upper_gradient()).max()
        if new_size < size or new_size > 1e-5 * max(network.widths):
            chain, size = new, new_size
        else:
            return tuple(chain.blocks[1:])
    raise np.linalg.LinAlgError("the upper blocks do not converge")
