r"""Minimum of the action: the order parameter of a network.

Two methods, which agree to rounding:

* ``noncentred``: L-BFGS and then Newton steps in the coordinates of `mfattn.paths.coordinates`, all blocks at once;
* ``reduced``: Riemannian Newton steps :math:`U_1 \to C e^X C^T` on the positive definite matrices, where the other
  blocks follow in closed form (`mfattn.paths.elimination`).

The entropy and :math:`\log\det(K + T)` are geodesically convex, :math:`Y^T (K + T)^{-1} Y` is not: narrow networks may
have several minima, which is why several starts are tried there, and reported.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), saddle-point equations.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from mfattn.paths.action import Action
from mfattn.paths.certificate import Certificate, End, Minimum, SolveError
from mfattn.paths.checks import Array, checked_choice, checked_integer
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.points import Method, expansion_at, minimised
from mfattn.paths.starts import continued, cooled, drawn, gaussian_process_order, scaled
from mfattn.paths.symmetric import checked_positive_definite

__all__ = [
    "Certificate",
    "Method",
    "Minimum",
    "SeveralMinima",
    "Solution",
    "SolveError",
    "Starts",
    "solve",
    "solve_grid",
]

Starts = Literal["auto", "gp", "all"]

ILL_CONDITIONED = 1e8
"""Condition of a Hessian from which several minima are looked for."""

SADDLES = 4
"""Descents from one start at most, all but the first from beside a saddle."""

WARMTHS = (1e2, 1e4, 1e6)
"""Factors of the temperature from which a minimum is approached anew if none has been reached."""


class SeveralMinima(UserWarning):
    """Starts ended in different minima."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Order parameter at the least minimum that was found.

    Parameters
    ----------
    U1 : (p_1, p_1) array
        The order parameter of the paths.
    upper : tuple of array
        U_2 ... U_L.
    Ua : (C, C) array
        That of the read-out.
    value, energy, entropy : float
        2S and its two parts.
    x : array
        Non-centred coordinates.
    certificate : Certificate
    """

    U1: Array
    upper: tuple[Array, ...]
    Ua: Array
    value: float
    energy: float
    entropy: float
    x: Array
    certificate: Certificate

    @property
    def blocks(self) -> tuple[Array, ...]:
        """All blocks, U_1 ... U_L, U_a."""
        return (self.U1, *self.upper, self.Ua)


def solve(
    action: Action,
    *,
    method: Method = "noncentred",
    starts: Starts | Sequence[Array] = "auto",
    random_starts: int = 32,
    seed: int = 0,
) -> Solution:
    """Order parameter at the least minimum of the action that is found.

    Parameters
    ----------
    action : Action
    method : {'noncentred', 'reduced'}
    starts : {'auto', 'gp', 'all'} or sequence of (p_1, p_1) array
        'gp' starts at infinite width alone. 'auto' does so too, and goes on where several minima are possible, which
        is with more labels than the least width or an ill-conditioned Hessian: it comes down from larger widths, up
        from smaller temperatures, and tries multiples of the order parameter of infinite width. 'all' always tries
        these and random ones. Else the matrices U_1 to start from, positive definite.
    random_starts : int
        How many random ones, drawn from priors of 0.1 to 100 times the variance.
    seed : int
        Of the random ones.

    Returns
    -------
    Solution

    Warns
    -----
    SeveralMinima
        If starts ended in different minima; `Certificate.minima` has them.

    Raises
    ------
    SolveError
        If no start ends in a minimum.
    ValueError
        If a start is not positive definite, or another argument is wrong.

    Examples
    --------
    >>> action = Action(Network((1,), (4, 4)), PathKernels([[[1.0]], [[-1.0]]]), [1.0, -1.0], 0.1)
    >>> solution = solve(action)
    >>> round(float(solution.U1[0, 0]), 4), solution.certificate.gradient_norm < 1e-12
    (0.9843, True)
    """
    checked_choice("method", method, Method)
    random_starts, seed = checked_integer("random_starts", random_starts, 0), checked_integer("seed", seed, 0)
    search = _Search(action, method)
    if not isinstance(starts, str):
        if len(starts) == 0:
            raise ValueError("starts must hold at least one U_1, found none")
        size = action.network.sizes[0]
        search.begin_all(checked_positive_definite("starts", order, size) for order in starts)
    else:
        checked_choice("starts", starts, Starts)
        search.begin(gaussian_process_order(action.network))
        if search.goes_on(starts):
            search.begin_all(continued(action, method), near=True)
            search.begin_all(scaled(action.network))
        if starts == "all":
            search.begin_all(drawn(action.network, random_starts, seed))
    solution = search.solution()
    minima = solution.certificate.minima
    if len(minima) > 1:
        values = ", ".join(f"{minimum.value:.6f} ({minimum.hits})" for minimum in minima)
        warnings.warn(f"several minima of 2S, with the starts that ended there: {values}", SeveralMinima, stacklevel=2)
    return solution


def solve_grid(
    networks: Sequence[Network],
    kernels: PathKernels,
    labels: ArrayLike,
    temperatures: Sequence[float],
    *,
    method: Method = "noncentred",
    starts: Literal["auto", "gp", "all"] = "auto",
    random_starts: int = 32,
    seed: int = 0,
) -> list[list[Solution]]:
    """Solutions of networks that share heads, at several temperatures.

    Every one starts from that of the next wider network and, with 'auto' and 'all', from that of the next smaller
    temperature, beside the starts of `solve`. Several minima are reported in the certificates, without a warning.

    Parameters
    ----------
    networks : sequence of Network
        In any order, such as ``[network.with_widths(width) for width in widths]``.
    kernels, labels
        As of `Action`.
    temperatures : sequence of float
        In any order.
    method, starts, random_starts, seed
        As of `solve`.

    Returns
    -------
    list of list of Solution
        One list per network, one solution per temperature.

    Raises
    ------
    SolveError
        If one of them is not found.
    ValueError
        If there is no network or no temperature, or the networks differ in heads or outputs.
    """
    checked_choice("starts", starts, Starts)
    if len(networks) == 0 or len(temperatures) == 0:
        raise ValueError("a grid must have networks and temperatures, found none")
    if len({(network.heads, network.outputs) for network in networks}) > 1:
        raise ValueError("networks of a grid must have the same heads and outputs")
    columns: dict[int, list[Solution]] = {}
    colder: list[Solution] | None = None
    widest = sorted(range(len(networks)), key=lambda index: -min(networks[index].widths))
    for column in sorted(range(len(temperatures)), key=lambda index: temperatures[index]):
        searches: dict[int, _Search] = {}
        order = gaussian_process_order(networks[0])
        for row in widest:
            search = searches[row] = _Search(Action(networks[row], kernels, labels, temperatures[column]), method)
            search.begin(order)
            if search.goes_on(starts):
                if colder is not None:
                    search.begin(colder[row].U1, near=True)
                search.begin_all(scaled(networks[row]))
            if starts == "all":
                search.begin_all(drawn(networks[row], random_starts, seed))
            order = search.best.order
        for row in reversed(widest):
            if searches[row].goes_on(starts):
                searches[row].begin(order, near=True)
            order = searches[row].best.order
        colder = columns[column] = [searches[row].solution() for row in range(len(networks))]
    return [[columns[column][row] for column in range(len(temperatures))] for row in range(len(networks))]


class _Search:
    """Minima that several starts lead to."""

    def __init__(self, action: Action, method: Method) -> None:
        self.action, self.method = action, method
        self.ends: list[End] = []

    def begin_all(self, orders: Iterator[Array], near: bool = False) -> None:
        """Descend from several U_1."""
        for order in orders:
            self.begin(order, near)

    def begin(self, order: Array, near: bool = False) -> None:
        """Descend from U_1, and from beside every saddle that this leads to."""
        for _ in range(SADDLES):
            point = minimised(self.action, self.method, order, near)
            if point is None:
                return
            end = End(expansion_at(point))
            known = next((other for other in self.ends if other.has_value_of(end)), None)
            if known is not None:
                self.ends[self.ends.index(known)] = known.joined(end)
                return
            if not end.is_saddle:
                break
            order = self.action.to_order_parameters(end.beside())[0]
        self.ends.append(end)

    def goes_on(self, starts: Starts) -> bool:
        """Whether more starts are wanted: many labels per width, or an ill-conditioned Hessian, may mean more."""
        return starts == "all" or (
            starts == "auto"
            and (
                not self.ends
                or self.action.labels.size > min(self.action.network.widths)
                or self.best.largest_curvature > ILL_CONDITIONED * self.best.smallest_curvature
            )
        )

    @property
    def best(self) -> "End":
        """The end of least action, or a SolveError."""
        if not self.ends:
            raise SolveError(f"no start ends in a minimum: numbers are not finite from all of them ({self._case})")
        return min(self.ends, key=lambda end: end.expansion.value)

    def solution(self) -> Solution:
        """The best end with its certificate, or a SolveError."""
        for warmth in WARMTHS:
            if self.ends and self.best.is_converged:
                break
            lower = self._cooled(warmth)
            if lower is not None:
                self.begin(lower, near=True)
        best = self.best
        if not best.is_converged:
            raise SolveError(
                f"no minimum is certain: where the action is least, the gradient per width is "
                f"{best.gradient_norm:.1e}, of which rounding explains {best.rounding:.1e}, and the least curvature "
                f"is {best.smallest_curvature:.1e} ({self._case})"
            )
        minima = sorted((end for end in self.ends if end.is_converged), key=lambda end: end.expansion.value)
        blocks = self.action.to_order_parameters(best.expansion.x)
        return Solution(
            U1=blocks[0],
            upper=blocks[1:-1],
            Ua=blocks[-1],
            value=best.expansion.value,
            energy=best.expansion.energy,
            entropy=best.expansion.entropy,
            x=best.expansion.x,
            certificate=Certificate(
                gradient_norm=best.gradient_norm,
                residual=best.residual,
                rounding=best.rounding,
                smallest_curvature=best.smallest_curvature,
                largest_curvature=best.largest_curvature,
                starts=sum(end.hits for end in self.ends),
                minima=tuple(Minimum(end.expansion.value, end.order, end.hits) for end in minima),
                spread=best.spread,
            ),
        )

    def _cooled(self, warmth: float) -> Array | None:
        """U_1 approached from a higher temperature: from the best end, or where that is no use from infinite width."""
        orders = [self.best.order] if self.ends else []
        for order in (*orders, gaussian_process_order(self.action.network)):
            lower = cooled(self.action, order, warmth)
            if lower is not None:
                return lower
        return None

    @property
    def _case(self) -> str:
        """Widths and temperature, for messages."""
        return (
            f"widths {', '.join(f'{width:g}' for width in self.action.network.widths)}, T = {self.action.temperature:g}"
        )
