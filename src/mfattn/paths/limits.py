r"""Infinite width, and order parameters that are held to fewer numbers.

As the widths grow at a fixed number of examples, every block of the order parameter becomes a multiple of the identity,
:math:`U_l = \sigma_a^2 \prod_{k \ge l} \sigma_k^2 I`: kernels of two different paths drop out, and all paths count the
same. What the network gains beyond that is measured by holding U_1 to a family of matrices.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), Gaussian-process limit.
Li and Sompolinsky, Phys. Rev. X 11, 031059 (2021), where the order parameter is one number.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.checks import Array, checked_choice
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.optimise import quasi_newton
from mfattn.paths.points import ReducedPoint, reduced_point
from mfattn.paths.solve import SolveError, solve
from mfattn.paths.starts import SCALES, gaussian_process_order

__all__ = ["Constrained", "Family", "constrained", "gaussian_process_kernel", "gaussian_process_order"]

Family = Literal["full", "diagonal", "equal_diagonal", "scalar"]

TOLERANCE = 1e-6
"""Largest gradient per width by the parameters of a family."""


def gaussian_process_kernel(network: Network, kernels: PathKernels) -> Array:
    """Kernel of infinite width, the mean of the kernels of all paths times all variances but the first."""
    return kernels.kernel(gaussian_process_order(network))


@dataclass(frozen=True, eq=False)
class Constrained:
    """Least action within a family: U_1, the other blocks, 2S, and the gradient by its parameters per width."""

    U1: Array
    upper: tuple[Array, ...]
    Ua: Array
    value: float
    gradient_norm: float


def constrained(action: Action, family: Family) -> Constrained:
    r"""Least action where U_1 is held to a family of positive definite matrices, and the other blocks are free.

    ==============  ================================================================================
    full            all of them, as `mfattn.paths.solve.solve` finds it
    diagonal        no overlap of different paths
    equal_diagonal  paths of equal size, with any correlations
    scalar          a multiple of the identity: the kernel of infinite width but for a factor
    ==============  ================================================================================

    Parameters
    ----------
    action : Action
    family : {'full', 'diagonal', 'equal_diagonal', 'scalar'}

    Raises
    ------
    SolveError
        If no minimum is found.

    Examples
    --------
    >>> features = [[[1.0, 0.2]], [[-1.0, 0.1]], [[0.5, 0.3]]]
    >>> action = Action(Network((2,), (2, 2)), PathKernels(features), [1.0, -1.0, 1.0], 0.1)
    >>> [round(constrained(action, family).value, 4) for family in ("scalar", "diagonal", "full")]
    [5.5679, 5.5636, 5.4183]
    """
    checked_choice("family", family, Family)
    if family == "full":
        solution = solve(action)
        return Constrained(solution.U1, solution.upper, solution.Ua, solution.value, solution.certificate.gradient_norm)
    several = action.labels.size > min(action.network.widths)
    widths = max(action.network.widths)
    found = []
    for scale in (1.0, *(SCALES if several else ())):
        point = _start(action, family, scale)
        if point is not None:
            found.append(quasi_newton(point, 1e-10 * math.sqrt(widths), 2000))
    if not found:
        raise SolveError(f"no start of the family {family} has a finite action")
    slopes = [float(np.abs(point.gradient).max() * point.scale) / widths for point in found]
    ends = [end for end in zip(found, slopes, strict=True) if end[1] <= TOLERANCE]
    if not ends:
        raise SolveError(f"the gradient per width within the family {family} is {min(slopes):.1e} at least")
    best, gradient_norm = min(ends, key=lambda end: end[0].value)
    blocks = best.reduced.chain.blocks
    return Constrained(blocks[0], tuple(blocks[1:-1]), blocks[-1], best.value, gradient_norm)


class _Member:
    """2S within a family, as a function of free parameters: logarithms of sizes, then entries of a triangle."""

    def __init__(self, reduced: ReducedPoint, family: Family, parameters: Array) -> None:
        self.reduced, self.family, self.parameters = reduced, family, parameters
        self.value = reduced.value
        self.scale = math.sqrt(reduced.action.network.widths[0])

    @cached_property
    def gradient(self) -> Array:
        """Gradient by the parameters, of unit scale."""
        return _pulled_back(self.family, self.parameters, self.reduced.order, self.reduced.order_gradient) / self.scale

    def length(self, step: Array) -> float:
        """Length of a step of parameters."""
        return float(np.abs(step).max()) / self.scale

    def moved(self, step: Array) -> "_Member | None":
        """The member after a step, None where the action is infinite."""
        return _member(self.reduced.action, self.family, self.parameters + step / self.scale)


def _start(action: Action, family: Family, scale: float) -> _Member | None:
    """Member of a family that is a multiple of the order parameter of infinite width."""
    size = action.network.sizes[0]
    logarithm = math.log(scale * action.network.gaussian_process_scale)
    if family == "equal_diagonal":
        return _member(action, family, np.r_[logarithm, np.zeros(size * (size - 1) // 2)])
    return _member(action, family, np.full(size if family == "diagonal" else 1, logarithm))


def _member(action: Action, family: Family, parameters: Array) -> _Member | None:
    """Member of a family, None where the action is infinite."""
    with np.errstate(over="ignore"):
        order = _order(family, parameters, action.network.sizes[0])
    reduced = reduced_point(action, order) if np.isfinite(order).all() else None
    return None if reduced is None else _Member(reduced, family, parameters)


def _order(family: Family, parameters: Array, size: int) -> Array:
    """U_1 of a member."""
    if family == "equal_diagonal":
        rows = _unit_rows(parameters[1:], size)[0]
        return np.exp(parameters[0]) * (rows @ rows.T)
    return np.diag(np.exp(parameters)) if family == "diagonal" else np.exp(parameters[0]) * np.eye(size)


def _pulled_back(family: Family, parameters: Array, order: Array, gradient: Array) -> Array:
    """Gradient by the parameters from that by U_1."""
    if family == "diagonal":
        return gradient.diagonal() * order.diagonal()
    size = np.array([np.sum(gradient * order)])
    if family == "scalar":
        return size
    rows, lengths = _unit_rows(parameters[1:], len(order))
    slopes = 2 * np.exp(parameters[0]) * gradient @ rows
    slopes -= (slopes * rows).sum(axis=1, keepdims=True) * rows
    return np.r_[size, (slopes / lengths)[np.tril_indices(len(order), -1)]]


def _unit_rows(entries: Array, size: int) -> tuple[Array, Array]:
    """Rows of length one of a triangle with these entries below a diagonal of ones; and their lengths before."""
    rows = np.eye(size)
    rows[np.tril_indices(size, -1)] = entries
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths, lengths
