r"""Minimum of the action by Adam, as it was published: a baseline to measure `mfattn.paths.solve` against.

The published program holds the blocks :math:`U_1, ..., U_L` as plain matrices, which it makes symmetric, and the
read-out at the positive root of

.. math:: U_a^2 + \sigma_a^2 \left(\frac{H_L N_L}{N_a} - 1\right) U_a
          = \frac{\sigma_a^2 N_L}{N_a \sigma_L^2} \mathrm{tr}\, U_L.

From infinite width it takes Adam steps on :math:`F = 2S / \max_l N_l` at a constant rate, 0.1 for the chains of hidden
states and 0.008 for images, until no entry of the gradient is above 1e-5, and 50,000 of them at most. At every step it
contracts all features anew, of order :math:`P N_0 \Pi^2 + P^2 N_0 \Pi + P^3` operations.

This is a re-implementation of that design, not the published program. Gradients here are formulas, which take two
contractions a step where automatic differentiation takes about three, and nothing but a step's own work is done: it is
faster than the original. It ends where K + T is not positive definite, where the original goes on with the determinant
of a matrix that no kernel has.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), and the settings of its programs.
Kingma and Ba, ICLR 2015 (arXiv 1412.6980).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.checks import Array, checked_integer, checked_number
from mfattn.paths.coordinates import partial_trace
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.regression import NotPositiveDefinite, Regression
from mfattn.paths.symmetric import inverse, symmetrised

FIRST, SECOND, SMALL = 0.9, 0.999, 1e-8
"""Decay of the two moments, and what is added to the root of the second."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Where Adam stopped.

    Parameters
    ----------
    U1 : (p_1, p_1) array
    upper : tuple of array
        U_2 ... U_L.
    Ua : (1, 1) array
    gradient : float
        Largest entry of the gradient of F at the last look, before the last step where steps ran out; NaN where it
        could not be computed.
    steps : int
    converged : bool
        Whether the gradient came below the tolerance.
    """

    U1: Array
    upper: tuple[Array, ...]
    Ua: Array
    gradient: float
    steps: int
    converged: bool


def adam(action: Action, *, rate: float = 0.1, tolerance: float = 1e-5, steps: int = 50_000) -> Descent:
    """Order parameter by Adam, from infinite width.

    Parameters
    ----------
    action : Action
        Of one output.
    rate : float
        Of learning, above 0.
    tolerance : float
        Largest entry of the gradient of 2S over the largest width at which to stop.
    steps : int
        Steps at most.

    Returns
    -------
    Descent
        With `converged` false if steps ran out, or the kernel ceased to be positive definite.

    Raises
    ------
    ValueError
        If the network has several outputs, or a number is out of range.

    Examples
    --------
    >>> action = Action(Network((1,), (4, 4)), PathKernels([[[1.0]], [[-1.0]]]), [1.0, -1.0], 0.1)
    >>> found = adam(action, rate=0.01)
    >>> found.converged, round(float(found.U1[0, 0]), 3)
    (True, 0.984)
    """
    rate, tolerance = checked_number("rate", rate, above=0), checked_number("tolerance", tolerance, above=0)
    steps = checked_integer("steps", steps, 1)
    if action.network.outputs != 1:
        raise ValueError(f"the network must have one output, found {action.network.outputs}")
    kernels = PathKernels(action.kernels.features, limit=0)
    blocks = _start(action.network)
    firsts, seconds = ([np.zeros_like(block) for block in blocks] for _ in range(2))
    size, step = math.nan, 0
    for step in range(1, steps + 1):
        gradients = _gradients(action, kernels, blocks)
        size = math.nan if gradients is None else max(float(np.abs(gradient).max()) for gradient in gradients)
        if gradients is None or not size >= tolerance:
            break
        for block, gradient, first, second in zip(blocks, gradients, firsts, seconds, strict=True):
            first += (1 - FIRST) * (gradient - first)
            second += (1 - SECOND) * (gradient**2 - second)
            block -= rate / (1 - FIRST**step) * first / (np.sqrt(second / (1 - SECOND**step)) + SMALL)
    readout = _readout(action.network, blocks[-1])
    return Descent(blocks[0], tuple(blocks[1:]), np.array([[readout]]), size, step, size < tolerance)


def _start(network: Network) -> list[Array]:
    """U_1 ... U_L of infinite width."""
    scales = [math.prod(network.variances[layer + 1 :]) for layer in range(network.depth)]
    return [scale * np.eye(size) for scale, size in zip(scales, network.sizes[:-1], strict=True)]


def _readout(network: Network, last: Array) -> float:
    """U_a at its minimum, NaN if there is none."""
    width, readout = network.widths[-2:]
    variance, readout_variance = network.variances[-2:]
    half = 0.5 * readout_variance * (network.heads[-1] * width / readout - 1)
    constant = readout_variance * width * float(np.trace(last)) / (readout * variance)
    square = half**2 + constant
    return math.sqrt(square) - half if square > 0 else math.nan


def _gradients(action: Action, kernels: PathKernels, blocks: Sequence[Array]) -> list[Array] | None:
    """Gradients of F by U_1 ... U_L, None where they cannot be computed."""
    network = action.network
    chain = [*blocks, np.array([[_readout(network, blocks[-1])]])]
    try:
        energy = Regression(kernels, action.labels[:, 0], action.temperature, blocks[0]).gradient
        inverses = [inverse(block) for block in chain]
    except (NotPositiveDefinite, np.linalg.LinAlgError):
        return None
    gradients = [
        _entropy_gradient(network, layer, inverses, blocks[layer - 1] if layer else None)
        for layer in range(network.depth)
    ]
    gradients[0] = gradients[0] + energy
    return [symmetrised(gradient) / max(network.widths) for gradient in gradients]


def _entropy_gradient(network: Network, layer: int, inverses: Sequence[Array], below: Array | None) -> Array:
    """Gradient of the entropy by U_l, l = layer + 1, from the inverses of all blocks and the block below."""
    width, own = network.widths[layer], inverses[layer]
    gradient = width * (np.kron(np.eye(network.heads[layer]), inverses[layer + 1]) / network.variances[layer + 1] - own)
    if below is None:
        return gradient
    trace = partial_trace(below, len(own)) / network.variances[layer]
    return gradient + network.widths[layer - 1] * (network.heads[layer - 1] * own - own @ trace @ own)
