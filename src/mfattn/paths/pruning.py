r"""Networks that lose heads, one after the other: in which order, and what the theory says of those that are left.

Values are learnt anew by the posterior of the smaller network, whose kernel is the mean over fewer paths. This is not
the same as to silence heads of a network whose values stay as they are (`mfattn.paths.observables.silenced`).

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), pruning of heads, figure 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.attention import paths_through
from mfattn.paths.checks import Array, checked_array
from mfattn.paths.kernels import PathKernels
from mfattn.paths.observables import pruned
from mfattn.paths.solve import Solution, solve
from mfattn.paths.starts import gaussian_process_order
from mfattn.paths.tasks.trained import without_heads

Dropped = Sequence[tuple[int, int]]
"""Heads that are dropped, by layer and head from 0 on."""


def dropping_order(ranking: Sequence[int], heads: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Layer and head, both from 0 on, of what is dropped one after the other: every layer keeps its last.

    Parameters
    ----------
    ranking : sequence of int
        All heads, counted through the layers, the first to drop first.
    heads : sequence of int
        Numbers of heads of the layers.

    Raises
    ------
    ValueError
        If the ranking does not have every head once.

    Examples
    --------
    >>> dropping_order([4, 0, 1, 2, 3], (2, 3))
    ((1, 2), (0, 0), (1, 0))
    """
    places = [(layer, head) for layer, number in enumerate(heads) for head in range(number)]
    if sorted(ranking) != list(range(len(places))):
        raise ValueError(f"ranking must have each of {len(places)} heads once, found {list(ranking)}")
    left, dropped = list(heads), []
    for layer, head in (places[place] for place in ranking):
        if left[layer] > 1:
            left[layer] -= 1
            dropped.append((layer, head))
    return tuple(dropped)


class Pruned(NamedTuple):
    """The action of a smaller network, and its solution."""

    action: Action
    solution: Solution


def solve_pruned(action: Action, order: Array, dropped: Dropped) -> Pruned:
    """The network without some heads, solved anew.

    Parameters
    ----------
    action : Action
        Of the whole network.
    order : (p_1, p_1) array
        Its order parameter, positive definite: the search starts from what it has for the paths that are left, and
        from infinite width.
    dropped : sequence of (int, int)

    Warns
    -----
    SeveralMinima
        If the two starts ended in different minima; the certificate of the solution has them.

    Raises
    ------
    ValueError
        If there is no such head, or a layer is left without one.
    SolveError
        If no minimum is found.

    Examples
    --------
    >>> from mfattn.paths.network import Network
    >>> features = [[[1.0, 0.2]], [[-1.0, 0.1]]]
    >>> action = Action(Network((2,), (8, 8)), PathKernels(features), [1.0, -1.0], 0.1)
    >>> smaller = solve_pruned(action, np.eye(2), [(0, 1)])
    >>> smaller.action.network.heads, smaller.solution.U1.shape
    ((1,), (1, 1))
    """
    whole, size = action.network, action.network.sizes[0]
    kept = paths_through(whole.heads, without_heads(whole.heads, dropped))
    rows = np.add.outer(kept * whole.outputs, np.arange(whole.outputs)).ravel()
    start = checked_array("order", order, (size, size))[np.ix_(rows, rows)]
    network, features = pruned(whole, action.kernels.features, dropped)
    smaller = Action(network, PathKernels(features, action.kernels.limit), action.labels, action.temperature)
    return Pruned(smaller, solve(smaller, starts=[start, gaussian_process_order(network)]))
