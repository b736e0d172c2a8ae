r"""The finite network: bit by bit, and exactly in law through the classes of exchangeable bits.

A token has N semantic bits and P positional ones, all ±1. Its fields are

.. math::

    m^\alpha = (1 - \epsilon)\, W^\alpha x_\mathrm{sem} / N
               + \frac{\epsilon}{P}\, \Pi^\alpha x_\mathrm{pos},

the attention of its window is that of `Model`, and semantic bit i of the next token is drawn with mean
:math:`\tanh(\beta\, W^o_{\cdot,i} \cdot A)`. As N grows the overlaps converge to the mean field, with fluctuations
of order :math:`N^{-1/2}`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.classes import FIELDS
from mfattn.meanfield.model import Array, Context, Orbit, check_parameters
from mfattn.meanfield.orbits import Batch, aligned, broadcast_points, check_starts, check_steps
from mfattn.meanfield.weights import Weights, position_codes

MOST_BITS = 10**10
"""Semantic bits up to which the rounding of float64 distorts no probability by more than some millionths."""

MOST_DENSE_BITS = 2**24
"""Semantic bits up to which sums of ±1 are exact in the single precision of the dense network."""


@dataclass(frozen=True, eq=False)
class DrawnContext(Context):
    """State of a network: a context whose tokens were all drawn but the newest.

    Parameters
    ----------
    attention : (n, M) array
        As of `Context`; only the newest vector, from which the next token will be drawn, matters.
    position : int
        Position of the newest token.
    values, keys : (n - 1, M) array
        Value and key fields of the older tokens, newest first.
    """

    values: Array
    keys: Array

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("values", "keys"):
            array = np.array(getattr(self, name), dtype=np.float64, order="C")
            expected = (len(self.attention) - 1, self.attention.shape[1])
            if array.shape != expected or not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite, of shape {expected}, found shape {array.shape}")
            object.__setattr__(self, name, array)


def context_after_prompt(weights: Weights, fields: ArrayLike) -> DrawnContext:
    """The network's context after a prompt, which stays in the window at position 0 and attends to itself alone.

    Parameters
    ----------
    weights : Weights
    fields : (4, M) array
        Of the prompt, as `token_fields` or `pattern_fields` gives them.

    Returns
    -------
    DrawnContext
        The token at position 1 (0 where L = 1, and the prompt has left) is yet to be drawn from the prompt's value.

    Raises
    ------
    ValueError
        If the fields have another shape.
    """
    fields = np.asarray(fields, dtype=np.float64)
    if fields.shape != (len(FIELDS), weights.features):
        raise ValueError(f"fields must have shape {(len(FIELDS), weights.features)}, found {fields.shape}")
    value, key = fields[FIELDS.index("value")], fields[FIELDS.index("key")]
    kept = min(weights.context_length - 1, 1)
    attention = np.vstack([value, np.zeros((kept, weights.features))])
    return DrawnContext(attention, kept, np.tile(value, (kept, 1)), np.tile(key, (kept, 1)))


def share_of_equal_bits(bits: ArrayLike, position_bits: int) -> Array:
    """The share of the position where every bit of a token weighs the same: epsilon = P / (N + P).

    With it, `Orbits` iterates the published deterministic mean field of finite N: the map on the column classes of N
    columns, which repeat the template's and so have its classes.

    Parameters
    ----------
    bits : int or (...) array of int
        Semantic bits N.
    position_bits : int
        P.

    Examples
    --------
    >>> share_of_equal_bits([98, 998], 2)
    array([0.02 , 0.002])
    """
    return np.asarray(position_bits / (np.asarray(bits) + position_bits))


def streams(seed: int, keys: Iterable[tuple[int, ...]]) -> NDArray[np.uint64]:
    """States of independent random streams, one for each key, that depend on nothing but the seed and the key.

    Parameters
    ----------
    seed : int
        Entropy of the `SeedSequence`.
    keys : iterable of tuples of int
        Spawn keys.

    Returns
    -------
    (number of keys, 4) array
        Words of NumPy's SFC64.
    """
    sequences = (np.random.SeedSequence(seed, spawn_key=key) for key in keys)
    words = [np.random.SFC64(sequence).state["state"]["state"] for sequence in sequences]
    return np.array(words, dtype=np.uint64).reshape(-1, 4)


def check_bits(weights: Weights, bits: ArrayLike, most: int = MOST_BITS) -> NDArray[np.int64]:
    """Numbers of semantic bits as integers; ValueError where they are not multiples of the columns from 1 to MOST."""
    number = weights.own_columns.number
    found = np.asarray(bits)
    if not np.isin(found.dtype.kind, ["i", "u"]) or not ((found >= 1) & (found <= most) & (found % number == 0)).all():
        raise ValueError(f"bits must be multiples of the {number} columns, {number} to {most:,}, found {bits!r}")
    return found.astype(np.int64)


class FiniteNetwork(Batch):
    """Networks at a batch of points, through one binomial draw a class of exchangeable bits and step.

    The process is that of `DenseNetwork`, exactly in law: bits whose columns in all four weights agree are drawn with
    one mean and enter the overlaps through their sum. The cost does not depend on N. A point's orbit depends on its
    parameters, its start and its stream alone, not on its neighbours in the batch, on how the steps are cut into calls,
    or on the processor.

    Parameters
    ----------
    weights : Weights
        Of an ensemble that has weights.
    bits : int or (points,) array of int
        Semantic bits N: multiples of the number of columns, up to `MOST_BITS`.
    beta, gamma, epsilon : float or (points,) array
        Parameters of `Model`.
    starts : Context or sequence of Context
        Of a `Context` all tokens are drawn, each from its attention vector; a `DrawnContext` goes on from what was
        drawn.
    streams : (points, 4) array
        As `streams` makes them.
    output_scale : float
        Factor of beta.

    Raises
    ------
    ValueError
        For an ensemble without weights, bits that are no multiple of the columns or too many, no streams, or what
        `Orbits` refuses.

    Examples
    --------
    >>> from mfattn.meanfield import Context, FiniteNetwork, segmented_weights, streams
    >>> weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    >>> start = Context([[0.1, 0.1, 0.1]] * 4, position=3)
    >>> replicas = streams(seed=1, keys=[(replica,) for replica in range(8)])
    >>> network = FiniteNetwork(
    ...     weights, bits=990_000, beta=1.27, gamma=220, epsilon=0.02, starts=start, streams=replicas
    ... )
    >>> network.advance(1000)
    >>> network.record(10).attention.shape
    (8, 10, 3)
    """

    def __init__(
        self,
        weights: Weights,
        *,
        bits: ArrayLike,
        beta: ArrayLike,
        gamma: ArrayLike,
        epsilon: ArrayLike,
        starts: Context | Sequence[Context],
        streams: NDArray[np.uint64],
        output_scale: float = 1.0,
    ) -> None:
        check_parameters(weights, beta, gamma, epsilon, output_scale)
        several = check_starts(weights, starts)
        streams = np.asarray(streams)
        if streams.ndim != 2 or streams.shape[1] != 4 or len(streams) == 0:
            raise ValueError(f"streams must have shape (points, 4) with at least one point, found {streams.shape}")
        if streams.dtype != np.uint64:
            raise ValueError(f"streams must be of type uint64, found {streams.dtype}")
        checked = check_bits(weights, bits)
        indices = np.arange(len(several)), np.arange(len(streams))
        beta, gamma, epsilon, number, start, stream = broadcast_points(beta, gamma, epsilon, checked, *indices)
        if len(stream) != len(streams):
            raise ValueError(f"streams must be one a point, found {len(streams)} for {len(stream)} points")
        classes, self._sizes = weights.joint_classes
        self.bits = number.astype(np.int64)
        self._streams = streams[stream.astype(np.int64)]
        super().__init__(weights, classes, beta, gamma, epsilon, output_scale, [several[int(i)] for i in start])

    def _make_window(self, starts: Sequence[Context]) -> Any:
        window = super()._make_window(starts)
        before = (window.position - 1) % self.weights.context_length
        drawn = [start if isinstance(start, DrawnContext) else None for start in starts]
        empty = np.empty((0, self.weights.features))
        values = self._ring([empty if start is None else start.values for start in drawn], before)
        keys = self._ring([empty if start is None else start.keys for start in drawn], before)
        copies = self.bits // self.weights.own_columns.number
        bits = aligned(self.pack(np.outer(copies, self._sizes).astype(np.float64)))
        window = self.kernels.NetworkWindow(*window, values, keys, bits, self.pack(self._streams))
        for pack, points in enumerate(self._packing.point):
            if drawn[points[0]] is None:
                self.kernels.draw_older(self._tables, window, pack)
        return window

    def restarted(self, points: NDArray[np.int64], starts: Sequence[Context]) -> Self:
        """Networks at some of the points, from other contexts, on the present states of the streams."""
        return type(self)(
            self.weights,
            bits=self.bits[points],
            beta=self.beta[points],
            gamma=self.gamma[points],
            epsilon=self.epsilon[points],
            starts=starts,
            streams=self.streams[points],
            output_scale=self.output_scale,
        )

    def contexts(self) -> list[DrawnContext]:
        """Present state of every point; with `streams`, a network started from it continues with the same bits."""
        window, contexts = self._window, []
        for pack, lane in zip(self._packing.pack, self._packing.lane, strict=True):
            rings = (window.attention, window.values, window.keys)
            attention, values, keys = (self._newest_first(ring, pack, lane) for ring in rings)
            contexts.append(DrawnContext(attention, int(window.position[pack]), values[1:], keys[1:]))
        return contexts

    @property
    def streams(self) -> NDArray[np.uint64]:
        """Present states of the random streams, (points, 4)."""
        return self.unpack(self._window.streams)


class DenseNetwork:
    """One network, bit by bit, as its equations read: the check of `FiniteNetwork`.

    Parameters
    ----------
    weights : Weights
        Of an ensemble that has weights; their columns are repeated.
    bits : int
        Semantic bits N: a multiple of the number of columns, up to `MOST_DENSE_BITS`.
    beta, gamma, epsilon : float
        Parameters of `Model`.
    start : Context or (number of columns + P,) array of ±1
        A context, of which every token is drawn, or a prompt token, as `prompt_token` makes it, whose semantic bits are
        repeated like the columns.
    generator : numpy.random.Generator
        Source of the bits.
    output_scale : float
        Factor of beta.

    Raises
    ------
    ValueError
        For an ensemble without weights, bits that are no multiple of the columns or too many, a start that does not fit
        the weights, or parameters that `Model` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from mfattn.meanfield import DenseNetwork, prompt_token, segmented_weights
    >>> weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    >>> prompt, generator = prompt_token(weights, "output", 0), np.random.default_rng(1)
    >>> network = DenseNetwork(
    ...     weights, bits=990, beta=1.27, gamma=220, epsilon=0.02, start=prompt, generator=generator
    ... )
    >>> network.record(10).attention.shape
    (10, 3)
    """

    def __init__(
        self,
        weights: Weights,
        *,
        bits: int,
        beta: float,
        gamma: float,
        epsilon: float,
        start: Context | ArrayLike,
        generator: np.random.Generator,
        output_scale: float = 1.0,
    ) -> None:
        check_parameters(weights, beta, gamma, epsilon, output_scale)
        columns = weights.own_columns
        self.bits = int(check_bits(weights, bits, MOST_DENSE_BITS))
        copies = self.bits // columns.number
        self.weights, self.epsilon = weights, epsilon
        self._gain, self._scale = beta * output_scale, gamma * weights.logit_scale
        self._inside = np.tile(columns.inside, copies).astype(np.float32)
        self._semantic_weights = np.tile(columns.weights, copies).astype(np.float32)
        self._codes = position_codes(weights.position_bits)
        self._generator = generator
        if isinstance(start, DrawnContext):
            raise ValueError("start must be a context, every token of which is drawn, or a prompt token")
        if isinstance(start, Context):
            start.check(weights)
            positions = (start.position - np.arange(len(start.attention))) % weights.context_length
            self.position = start.position
            self.tokens = [self._draw(*pair) for pair in zip(start.attention, positions, strict=True)]
        else:
            semantic, code = np.split(_check_token(weights, start), [columns.number])
            self.position = 0
            self.tokens = [np.concatenate([np.tile(semantic, copies), code]).astype(np.float32)]
        self._fields = [self._fields_of(token) for token in self.tokens]

    def _draw(self, attention: Array, position: Any) -> NDArray[np.float32]:
        """A token: every semantic bit drawn by itself, then the code of its position."""
        mean = np.tanh(self._gain * (attention @ self._inside))
        semantic = np.where(self._generator.random(self.bits) < 0.5 * (1.0 + mean), 1.0, -1.0)
        return np.concatenate([semantic, self._codes[position]]).astype(np.float32)

    def _fields_of(self, token: NDArray[np.float32]) -> Array:
        """Semantic output field of a token, then its four fields: (5, M)."""
        semantic = (1.0 - self.epsilon) * (self._semantic_weights @ token[: self.bits]).astype(np.float64) / self.bits
        fields = semantic.copy()
        if self.weights.position_bits:
            position = self.weights.position_weights @ token[self.bits :] / self.weights.position_bits
            rectified = self.weights.pattern_order is not None
            fields += self.epsilon * (np.maximum(position, 0.0) if rectified else position)
        return np.concatenate([semantic[:1], fields])

    def step(self) -> Array:
        """Attend to the window's tokens and draw the next one; returns the attention vector A'."""
        _, _, values, queries, keys = np.stack(self._fields, axis=1)
        logits = self._scale * (keys @ queries[0])
        weights = np.exp(logits - logits.max())
        attention = (weights / weights.sum()) @ values
        self.position = (self.position + 1) % self.weights.context_length
        token = self._draw(attention, self.position)
        self.tokens = [token, *self.tokens][: self.weights.context_length]
        self._fields = [self._fields_of(token), *self._fields][: self.weights.context_length]
        return attention

    def record(self, steps: int) -> Orbit:
        """Take STEPS steps and keep every observable: arrays (steps, M).

        From a prompt, the first row holds the fields of the prompt itself.
        """
        records = np.empty((6, check_steps(steps), self.weights.features))
        for t in range(steps):
            records[1:, t] = self._fields[0]
            records[0, t] = self.step()
        attention, semantic, output, value, query, key = records
        return Orbit(attention, output, semantic, value, query, key)


def _check_token(weights: Weights, token: ArrayLike) -> Array:
    token = np.asarray(token, dtype=np.float64)
    expected = (weights.own_columns.number + weights.position_bits,)
    if token.shape != expected or not (np.abs(token) == 1.0).all():
        raise ValueError(f"token must have shape {expected} and entries -1 and 1, found shape {token.shape}")
    return token
