"""Order parameters from which minima of the action are looked for."""

import math
from collections.abc import Iterator

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.checks import Array
from mfattn.paths.coordinates import Coordinates
from mfattn.paths.network import Network
from mfattn.paths.points import Method, followed, minimised

SCALES = (0.01, 0.1, 10.0, 100.0, 1000.0)
"""Multiples of the order parameter of infinite width."""

CONTINUATIONS = (
    ((16.0, 4.0, 2.0), (1.0, 1.0, 1.0)),
    ((1 / 8, 1 / 4, 1 / 2, 0.7), (1.0, 1.0, 1.0, 1.0)),
    ((1.0, 1.0, 1.0), (1e-4, 1e-2, 0.1)),
)
"""Factors of the widths and of the temperature on the ways from which a minimum is approached."""


def gaussian_process_order(network: Network) -> Array:
    """Order parameter U_1 of infinite width.

    >>> gaussian_process_order(Network((2,), (10, 10), (1, 2, 3))).tolist()
    [[6.0, 0.0], [0.0, 6.0]]
    """
    return network.gaussian_process_scale * np.eye(network.sizes[0])


def scaled(network: Network) -> Iterator[Array]:
    """Multiples of U_1 of infinite width."""
    for scale in SCALES:
        yield scale * gaussian_process_order(network)


def continued(action: Action, method: Method) -> Iterator[Array]:
    """U_1 that are reached from larger widths, from smaller ones, and from smaller temperatures.

    Steps in between are Newton's, which stay on their branch; a branch that they lose, or that ends, is given up.
    """
    for widths, temperatures in CONTINUATIONS:
        order: Array | None = gaussian_process_order(action.network)
        for width, temperature in zip(widths, temperatures, strict=True):
            network = action.network.with_widths([width * own for own in action.network.widths])
            between = Action(network, action.kernels, action.labels, temperature * action.temperature)
            order = None if order is None else followed(between, method, order)
        if order is not None:
            yield order


def cooled(action: Action, order: Array, warmth: float) -> Array | None:
    """U_1 that is reached from another one at WARMTH times the temperature, in steps of the root of 10.

    Narrow networks of many paths may fit the labels by an order parameter of low rank, with the other eigenvalues in
    proportion to the temperature: a valley that is best followed down from where it is wide.
    """
    for half_decades in range(math.ceil(2 * math.log10(warmth)), 0, -1):
        warm = Action(action.network, action.kernels, action.labels, action.temperature * 10 ** (half_decades / 2))
        point = minimised(warm, "noncentred", order, near=True)
        if point is None:
            return None
        order = point.order
    return order


def drawn(network: Network, count: int, seed: int) -> Iterator[Array]:
    """Draws of U_1 from the prior, of no fewer degrees of freedom than it has rows, times 0.1 to 100."""
    coordinates = Coordinates(network)
    for index in range(count):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        x = rng.normal(size=coordinates.size) / np.sqrt(coordinates.weights)
        for places, width in zip(coordinates.log_diagonals, network.widths, strict=True):
            degrees = np.maximum(width - np.arange(len(places)), 1.0)
            x[places] = 0.5 * np.log(rng.chisquare(degrees) / width)
        yield 10 ** rng.uniform(-1, 2) * coordinates.order_parameters(x)[0]
