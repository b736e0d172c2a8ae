"""Maps that depend on one parameter, as the search for their cycles and bifurcations takes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mfattn.meanfield.lyapunov import Tangents
from mfattn.meanfield.model import Array, Context
from mfattn.meanfield.orbits import Orbits
from mfattn.meanfield.weights import Weights


@dataclass(frozen=True, eq=False)
class Family:
    """A map of states (n,) that depends on one parameter; all its functions raise ValueError where it is not defined.

    Parameters
    ----------
    step : callable
        State and parameter to the next state.
    jacobian : callable
        State and parameter to the derivative of the step by the state, (n, n).
    several : callable, optional
        State, parameter and a number of steps to what `power` returns, where there is a faster way.
    """

    step: Callable[[Array, float], Array]
    jacobian: Callable[[Array, float], Array]
    several: Callable[[Array, float, int], tuple[Array, Array]] | None = None

    def power(self, state: Array, parameter: float, steps: int) -> tuple[Array, Array]:
        """State after a number of steps, and its derivative by the first."""
        if self.several is not None:
            return self.several(state, parameter, steps)
        product = np.eye(len(state))
        for _ in range(steps):
            product = self.jacobian(state, parameter) @ product
            state = self.step(state, parameter)
        return state, product


def attention_family(
    weights: Weights,
    parameter: Literal["beta", "gamma", "epsilon"],
    position: int = 0,
    *,
    beta: float,
    gamma: float,
    epsilon: float,
    output_scale: float = 1.0,
    gamma_per_beta: float | None = None,
    steps: int | None = None,
) -> Family:
    """The attention map with one parameter free, iterated until the position is the same again.

    States are full windows as flat (M L,) arrays, newest token first: ``context.attention.ravel()``. After L steps the
    newest token has its position again, so that the L-step map is autonomous; at epsilon = 0 a single step is. The map
    and its derivative, the product of `Model.jacobian` along the steps, run on the compiled kernels.

    Parameters
    ----------
    weights : Weights
    parameter : 'beta', 'gamma' or 'epsilon'
        The free one; the value given for it is not used.
    position : int
        Position of the newest token of a state.
    beta, gamma, epsilon, output_scale : float
        As for `Model`.
    gamma_per_beta : float
        With beta free: gamma is this multiple of it.
    steps : int
        Steps of the model in one of the family; by default 1 where epsilon is 0 and not free, else L.

    Raises
    ------
    ValueError
        For an unknown parameter, `gamma_per_beta` where beta is not free, or steps that change the position where
        epsilon may differ from 0.
    """
    if parameter not in ("beta", "gamma", "epsilon") or (gamma_per_beta is not None and parameter != "beta"):
        raise ValueError(f"parameter must be beta, or gamma or epsilon without gamma_per_beta, found {parameter!r}")
    window, unit = (weights.context_length, weights.features), 1
    if parameter == "epsilon" or epsilon != 0:
        unit = weights.context_length
    applied = unit if steps is None else steps
    if applied < 1 or applied % unit:
        raise ValueError(f"steps must be a positive multiple of {unit}, found {steps}")
    fixed = {"beta": beta, "gamma": gamma, "epsilon": epsilon, "output_scale": output_scale}

    def power(state: Array, value: float, times: int) -> tuple[Array, Array]:
        free = {parameter: value} if gamma_per_beta is None else {"beta": value, "gamma": gamma_per_beta * value}
        orbits = Orbits(weights, starts=Context(state.reshape(window), position), **(fixed | free))
        # Never re-orthonormalised, the tangent vectors become the columns of the product of the Jacobians.
        tangents = Tangents(orbits, state.size, every=applied * times + 1)
        tangents.advance(applied * times)
        return orbits.contexts()[0].attention.ravel(), tangents.basis[0]

    return Family(lambda state, value: power(state, value, 1)[0], lambda state, value: power(state, value, 1)[1], power)
