"""The mean-field map in plain NumPy, as the equations read: the reference for every compiled kernel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.classes import FIELDS
from mfattn.meanfield.weights import Weights

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Context:
    """State of the map: the attention vectors in the window, newest first, and the position of the newest.

    Parameters
    ----------
    attention : (n, M) array
        1 <= n <= L vectors; fewer than L where the window is still filling after a prompt.
    position : int
        Position r of the newest token, 0 <= r < L.
    """

    attention: Array
    position: int

    def __post_init__(self) -> None:
        attention = np.array(self.attention, dtype=np.float64, order="C")
        if attention.ndim != 2 or attention.shape[0] == 0:
            raise ValueError(f"attention must have shape (n, M) with n >= 1, found {attention.shape}")
        if not np.isfinite(attention).all():
            raise ValueError("attention must be finite")
        object.__setattr__(self, "attention", attention)

    def check(self, weights: Weights) -> None:
        """Raise ValueError where the context does not fit WEIGHTS."""
        length, features = weights.context_length, weights.features
        if self.attention.shape[0] > length or self.attention.shape[1] != features:
            raise ValueError(f"attention must have shape ({length}, {features}), found {self.attention.shape}")
        if not 0 <= self.position < length:
            raise ValueError(f"position must be 0 to {length - 1}, found {self.position}")


@dataclass(frozen=True, eq=False)
class Fields:
    """Mean fields of a token, each (..., M); `output_semantic` is the first term of `output` alone."""

    output: Array
    output_semantic: Array
    value: Array
    query: Array
    key: Array


@dataclass(frozen=True, eq=False)
class Orbit:
    """Recorded steps, each array (steps, M), or (points, steps, M) for a batch.

    Row t holds the attention vector that step t returns, and the fields of the token that was the newest before it.
    """

    attention: Array
    overlap_o: Array
    overlap_o_semantic: Array
    overlap_v: Array
    overlap_q: Array
    overlap_k: Array


OBSERVABLES = ("attention", "overlap_o", "overlap_o_semantic", "overlap_v", "overlap_q", "overlap_k")


class Model:
    r"""The map at one parameter point.

    With the window's attention vectors :math:`A_0` (newest) .. :math:`A_{n-1}` at positions :math:`r_d = (r - d) \bmod
    L`, a token's mean fields and the step are

    .. math::

        m^\alpha_a(A, r) &= (1 - \epsilon) \sum_j G^\alpha_{j,a} \tanh(\beta\, S_j \cdot A)
                           + \frac{\epsilon}{P} \sum_j \Pi^\alpha_{a,j} c_{r,j}, \\
        \ell_d &= \frac{\gamma}{\sqrt M} \sum_a m^q_a(A_0, r_0)\, m^k_a(A_d, r_d), \\
        A'_a &= \sum_d \mathrm{softmax}(\ell)_d\, m^v_a(A_d, r_d).

    Parameters
    ----------
    weights : Weights
    beta : float
        Output inverse temperature.
    gamma : float
        Attention inverse temperature.
    epsilon : float
        Share of the position in every field, 0 to 1; 0 where there are no positional bits.
    output_scale : float
        Factor of beta.

    Raises
    ------
    ValueError
        For a parameter that is not finite, or epsilon out of its range.

    References
    ----------
    Poc-López and Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*, arXiv 2406.07247.
    """

    def __init__(
        self, weights: Weights, *, beta: float, gamma: float, epsilon: float, output_scale: float = 1.0
    ) -> None:
        check_parameters(weights, beta, gamma, epsilon, output_scale)
        self.weights = weights
        self.beta, self.gamma, self.epsilon, self.output_scale = beta, gamma, epsilon, output_scale
        self._position_fields = weights.position_fields

    def _semantic(self, attention: Array) -> Array:
        """Semantic share of the four fields, (4, ..., M)."""
        classes = self.weights.classes
        activity = np.tanh(self.beta * self.output_scale * (attention @ classes.signs.T))
        return (1.0 - self.epsilon) * np.stack([activity @ coupling for coupling in classes.couplings])

    def fields(self, attention: ArrayLike, position: ArrayLike) -> Fields:
        """Mean fields of tokens with given attention vectors (..., M) at given positions (...)."""
        attention, position = np.asarray(attention, dtype=np.float64), np.asarray(position)
        semantic = self._semantic(attention)
        total = semantic + self.epsilon * self._position_fields[:, position]
        output, value, query, key = total
        return Fields(output, semantic[FIELDS.index("output")], value, query, key)

    def _positions(self, context: Context) -> NDArray[np.int64]:
        return (context.position - np.arange(len(context.attention))) % self.weights.context_length

    def _attend(self, context: Context) -> tuple[Array, Fields, Array]:
        """Softmax weights (n,), fields of the window's tokens and the new attention vector."""
        fields = self.fields(context.attention, self._positions(context))
        scale = self.gamma * self.weights.logit_scale
        logits = scale * (fields.key @ fields.query[0])
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        return weights, fields, weights @ fields.value

    def step(self, context: Context) -> Context:
        """The context one step later: the new attention vector enters, and the oldest leaves a full window."""
        _, _, attention = self._attend(context)
        length = self.weights.context_length
        window = np.vstack([attention, context.attention])[:length]
        return Context(window, (context.position + 1) % length)

    def orbit(self, context: Context, steps: int) -> tuple[Orbit, Context]:
        """Record STEPS steps from CONTEXT; also the context after them."""
        context.check(self.weights)
        rows = {name: np.empty((steps, self.weights.features)) for name in OBSERVABLES}
        for t in range(steps):
            fields = self.fields(context.attention[0], context.position)
            context = self.step(context)
            rows["attention"][t] = context.attention[0]
            rows["overlap_o"][t], rows["overlap_o_semantic"][t] = fields.output, fields.output_semantic
            rows["overlap_v"][t], rows["overlap_q"][t], rows["overlap_k"][t] = fields.value, fields.query, fields.key
        return Orbit(**rows), context

    def jacobian(self, context: Context) -> Array:
        r"""Derivative of the step with respect to the window, an (n, n) matrix with n = M L.

        A block companion matrix: M dense rows over a shift. Rows and columns are ordered by slot, newest first, then
        feature. With :math:`p` the softmax,

        .. math:: \delta A' = \sum_d p_d \left[\delta m^v_d + (m^v_d - A')\,\tfrac{\gamma}{\sqrt M}
                  (m^q \cdot \delta m^k_d + m^k_d \cdot \delta m^q)\right].

        Raises
        ------
        ValueError
            If the window is not full.
        """
        length, features = self.weights.context_length, self.weights.features
        if len(context.attention) != length:
            raise ValueError(f"the window must hold {length} tokens, found {len(context.attention)}")
        weights, fields, attention = self._attend(context)
        scale = self.gamma * self.weights.logit_scale
        _, value, query, key = np.moveaxis(self._field_derivatives(context.attention), 1, 0)
        logits = scale * np.einsum("a,dab->db", fields.query[0], key)
        deviation = weights[:, np.newaxis] * (fields.value - attention)
        top = np.einsum("d,dab->adb", weights, value) + np.einsum("da,db->adb", deviation, logits)
        top[:, 0] += scale * np.einsum("da,dc,cb->ab", deviation, fields.key, query[0])
        shift = np.eye(features * (length - 1), features * length)
        return np.vstack([top.reshape(features, -1), shift])

    def _field_derivatives(self, attention: Array) -> Array:
        """Derivatives of the four fields of each token by its attention vector, (n, 4, M, M)."""
        classes = self.weights.classes
        gain = self.beta * self.output_scale
        slope = gain / np.cosh(np.minimum(np.abs(gain * (attention @ classes.signs.T)), 350.0)) ** 2
        return (1.0 - self.epsilon) * np.einsum("fja,dj,jb->dfab", classes.couplings, slope, classes.signs)


def check_parameters(
    weights: Weights, beta: ArrayLike, gamma: ArrayLike, epsilon: ArrayLike, output_scale: ArrayLike
) -> None:
    """Raise ValueError for parameters that the map does not allow, at any of their points."""
    named: dict[str, ArrayLike] = {"beta": beta, "gamma": gamma, "epsilon": epsilon, "output_scale": output_scale}
    for name, value in named.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite, found {value!r}")
    with np.errstate(over="ignore"):
        if not np.isfinite(np.multiply(beta, output_scale)).all():
            raise ValueError(f"output_scale * beta must be finite, found {output_scale!r} * {beta!r}")
    if not ((np.asarray(epsilon) >= 0).all() and (np.asarray(epsilon) <= 1).all()):
        raise ValueError(f"epsilon must lie from 0 to 1, found {epsilon!r}")
    if weights.position_bits == 0 and np.any(epsilon):
        raise ValueError(f"epsilon must be 0 where there are no positional bits, found {epsilon!r}")
