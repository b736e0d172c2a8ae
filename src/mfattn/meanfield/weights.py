"""Weight ensembles: random instances of the semantic and positional weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfattn.meanfield.classes import (
    FIELDS,
    ColumnClasses,
    Columns,
    classes_from_columns,
    classes_from_correlations,
    joint_classes,
    sign_vectors,
)

Seeding = Literal["legacy", "modern"]


def position_codes(position_bits: int) -> NDArray[np.float64]:
    """Codes c_r of the L = 2^P positions: the P binary digits of r, most significant first, 0 written as -1.

    Parameters
    ----------
    position_bits : int
        P >= 0.

    Returns
    -------
    (2^P, P) array of ±1

    Examples
    --------
    >>> position_codes(2)
    array([[-1., -1.],
           [-1.,  1.],
           [ 1., -1.],
           [ 1.,  1.]])
    """
    positions = np.arange(2**position_bits)[:, np.newaxis]
    digits = (positions >> np.arange(position_bits)[::-1]) & 1
    return np.asarray(2.0 * digits - 1.0)


@dataclass(frozen=True, eq=False)
class Weights:
    r"""One instance of the network's weights, as the mean field sees it.

    Parameters
    ----------
    classes : ColumnClasses
        The semantic weights.
    position_weights : (4, M, P) array of ±1
        :math:`\Pi^\alpha`, in the order of `FIELDS`.
    template : (4, M, N) array of ±1, optional
        The drawn semantic weights; prompts are made of them.
    pattern_order : (4, M) array of int, optional
        For assigned patterns: the pattern that each feature holds. A prompt may then be a pattern's index, and the
        two conventions of that ensemble hold: rectified positions, and logits without 1/sqrt(M).
    columns : Columns, optional
        The columns that a finite network repeats; ensembles of correlations have none.

    Raises
    ------
    ValueError
        If the shape of the positional weights does not fit the classes.
    """

    classes: ColumnClasses
    position_weights: NDArray[np.float64]
    template: NDArray[np.float64] | None = None
    pattern_order: NDArray[np.int64] | None = None
    columns: Columns | None = None

    def __post_init__(self) -> None:
        position_weights = np.asarray(self.position_weights, dtype=np.float64)
        expected = (len(FIELDS), self.features)
        if position_weights.ndim != 3 or position_weights.shape[:2] != expected:
            raise ValueError(
                f"position_weights must have shape (4, {self.features}, P), found {position_weights.shape}"
            )
        object.__setattr__(self, "position_weights", position_weights)

    @property
    def features(self) -> int:
        """Number of features M."""
        return self.classes.features

    @property
    def position_bits(self) -> int:
        """Number of positional bits P."""
        return self.position_weights.shape[2]

    @property
    def context_length(self) -> int:
        """Context length L = 2^P."""
        return 2**self.position_bits

    @property
    def logit_scale(self) -> float:
        """Factor of gamma in the attention logits: 1/sqrt(M), or 1 for assigned patterns."""
        return 1.0 if self.pattern_order is not None else 1.0 / np.sqrt(self.features)

    @cached_property
    def joint_classes(self) -> tuple[ColumnClasses, NDArray[np.int64]]:
        """Classes of exchangeable bits and their sizes, as `mfattn.meanfield.joint_classes` gives them.

        ValueError for ensembles without columns.
        """
        return joint_classes(self.own_columns)

    @property
    def own_columns(self) -> Columns:
        """The columns that a network repeats; ValueError where the ensemble has none."""
        if self.columns is None:
            raise ValueError("a network needs weights, and this ensemble has correlations alone")
        return self.columns

    @property
    def position_fields(self) -> NDArray[np.float64]:
        r"""The (4, L, M) table :math:`\frac1P \sum_j \Pi^\alpha_{a,j} c_{r,j}`; zero where P = 0.

        For assigned patterns it is rectified, its negative entries replaced by 0.
        """
        if self.position_bits == 0:
            return np.zeros((len(FIELDS), 1, self.features))
        codes = position_codes(self.position_bits)
        table = np.einsum("faj,rj->fra", self.position_weights, codes) / self.position_bits
        return np.maximum(table, 0.0) if self.pattern_order is not None else table


def _weights_of(columns: Columns, position_weights: NDArray[np.float64], **more: NDArray[Any]) -> Weights:
    """The weights that have given columns."""
    return Weights(classes_from_columns(columns.inside, columns.weights), position_weights, columns=columns, **more)


class _Draws(Protocol):
    """The random numbers that an ensemble needs."""

    def signs(self, *shape: int) -> NDArray[np.float64]: ...
    def normal(self, scale: float, *shape: int) -> NDArray[np.float64]: ...
    def uniform(self, *shape: int) -> NDArray[np.float64]: ...


class _LegacyDraws:
    """NumPy's RandomState, on the stream of the published instances."""

    def __init__(self, seed: int, features: int, template: int) -> None:
        self._state = np.random.RandomState(seed)
        # The published program draws one array of weights that it never uses.
        self.signs(features, template)

    def signs(self, *shape: int) -> NDArray[np.float64]:
        return np.asarray(self._state.randint(2, size=shape) * 2.0 - 1.0)

    def normal(self, scale: float, *shape: int) -> NDArray[np.float64]:
        return self._state.normal(0.0, scale, shape)

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        return self._state.rand(*shape)


class _ModernDraws:
    """A generator seeded through SeedSequence."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(np.random.SeedSequence(seed))

    def signs(self, *shape: int) -> NDArray[np.float64]:
        return np.asarray(self._generator.integers(0, 2, size=shape) * 2.0 - 1.0)

    def normal(self, scale: float, *shape: int) -> NDArray[np.float64]:
        return self._generator.normal(0.0, scale, shape)

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        return self._generator.random(shape)


def _draws(rng: Seeding, seed: int, features: int, template: int) -> _Draws:
    if rng == "legacy":
        return _LegacyDraws(seed, features, template)
    if rng == "modern":
        return _ModernDraws(seed)
    raise ValueError(f"rng must be 'legacy' or 'modern', found {rng!r}")


def _check_sizes(features: int, position_bits: int, template: int) -> None:
    for name, size, least in (
        ("features", features, 1),
        ("position_bits", position_bits, 0),
        ("template", template, 1),
    ):
        if size < least:
            raise ValueError(f"{name} must be at least {least}, found {size}")


def _signs_by_field(draws: _Draws, *shape: int) -> NDArray[np.float64]:
    return np.array([draws.signs(*shape) for _ in FIELDS])


def random_weights(features: int, position_bits: int, *, template: int, seed: int, rng: Seeding = "modern") -> Weights:
    """Independent, equally likely ±1 weights at a finite number N of semantic bits.

    Parameters
    ----------
    features, position_bits : int
        M >= 1 and P >= 0.
    template : int
        N >= 1, the number of columns.
    seed : int
        Seed of the instance.
    rng : {'modern', 'legacy'}
        'legacy' reproduces the published instances from NumPy's RandomState; 'modern' draws from a `SeedSequence`.

    Raises
    ------
    ValueError
        For a size below its least value, or an unknown rng.
    """
    _check_sizes(features, position_bits, template)
    draws = _draws(rng, seed, features, template)
    semantic = _signs_by_field(draws, features, template)
    positional = _signs_by_field(draws, features, position_bits)
    return _weights_of(Columns(semantic[0], semantic), positional, template=semantic)


def segmented_weights(
    features: int, position_bits: int, *, template: int, segments: int, seed: int, rng: Seeding = "modern"
) -> Weights:
    """Weights that are constant on equal segments of the template: one random sign per kind, feature and segment.

    The published runs take a template of 99 columns in 3 segments, with seed 1 and legacy seeding; there the positional
    weights are the last P columns of the drawn template, before its segments are overwritten.

    Parameters
    ----------
    features, position_bits, template, seed, rng
        As in `random_weights`.
    segments : int
        Number of segments; divides `template`.

    Raises
    ------
    ValueError
        For a size below its least value, an unknown rng, segments that do not divide the template, or, with legacy
        seeding, more positional bits than columns.
    """
    _check_sizes(features, position_bits, template)
    if segments < 1 or template % segments:
        raise ValueError(f"segments must divide the template of {template} columns, found {segments}")
    draws = _draws(rng, seed, features, template)
    if rng == "legacy":
        if position_bits > template:
            raise ValueError(f"legacy positional weights need a template of {position_bits} columns, found {template}")
        drawn = _signs_by_field(draws, features, template)
        positional = drawn[:, :, template - position_bits :]
    else:
        positional = _signs_by_field(draws, features, position_bits)
    signs = draws.signs(len(FIELDS), features, segments)
    semantic = np.repeat(signs, template // segments, axis=2)
    return _weights_of(Columns(semantic[0], semantic), positional, template=semantic)


def gaussian_weights(
    features: int, position_bits: int, *, template: int, seed: int, scale: float = 0.5, rng: Seeding = "modern"
) -> Weights:
    r"""No weights but correlations: :math:`E_i[W^o_b W^\alpha_a]` drawn as normal(0, scale) and clipped to [-1, 1].

    The diagonal of the output-output correlations is 1; for M = 3 the fourth-order row is the product over b of each
    column. The template makes prompts only.

    Parameters
    ----------
    features, position_bits, template, seed, rng
        As in `random_weights`, with M <= 3.
    scale : float
        Standard deviation of the correlations.

    Raises
    ------
    ValueError
        As `random_weights`, and for more than 3 features or a scale that is negative or not finite.
    """
    _check_sizes(features, position_bits, template)
    if not 0 <= scale < np.inf:
        raise ValueError(f"scale must be a finite number of at least 0, found {scale}")
    draws = _draws(rng, seed, features, template)
    semantic = _signs_by_field(draws, features, template)
    positional = _signs_by_field(draws, features, position_bits)
    # The published stream holds oo, ov, ok, oq: key before query.
    drawn = {name: draws.normal(scale, features, features) for name in ("output", "value", "key", "query")}
    pairs = np.clip(np.array([drawn[name] for name in FIELDS]), -1.0, 1.0)
    np.fill_diagonal(pairs[0], 1.0)
    if features == 3:
        pairs = np.concatenate([pairs, pairs.prod(axis=1, keepdims=True)], axis=1)
    return Weights(classes_from_correlations(pairs), positional, semantic)


def product_weights(features: int, position_bits: int, *, template: int, seed: int, rng: Seeding = "modern") -> Weights:
    r"""Correlations that factor into uniform(0, 1) means: :math:`E[W^o_b W^\alpha_a] = \mu^o_b \mu^\alpha_a`.

    The diagonal of the output-output correlations is 1. For M = 3 the fourth-order row is
    :math:`\mu^o_1 \mu^o_2 \mu^o_3 \mu^\alpha_a` for value, query and key and, for the output, the product of the two
    other means. The template makes prompts only.

    Parameters
    ----------
    features, position_bits, template, seed, rng
        As in `random_weights`, with M <= 3.

    Raises
    ------
    ValueError
        As `random_weights`, and for more than 3 features.
    """
    _check_sizes(features, position_bits, template)
    draws = _draws(rng, seed, features, template)
    semantic = _signs_by_field(draws, features, template)
    positional = _signs_by_field(draws, features, position_bits)
    means = np.array([draws.uniform(features) for _ in FIELDS])
    output = means[0]
    pairs = output[np.newaxis, :, np.newaxis] * means[:, np.newaxis, :]
    np.fill_diagonal(pairs[0], 1.0)
    if features == 3:
        fourth = output.prod() * means
        fourth[0] = [output[1] * output[2], output[0] * output[2], output[0] * output[1]]
        pairs = np.concatenate([pairs, fourth[:, np.newaxis, :]], axis=1)
    return Weights(classes_from_correlations(pairs), positional, semantic)


def assigned_weights(
    base_patterns: int,
    patterns: Mapping[str, Sequence[int]],
    position: ArrayLike,
    *,
    base_of: Sequence[int] | None = None,
    convention: Literal["weights", "published"] = "weights",
) -> Weights:
    r"""Weights that are given patterns: :math:`W^\alpha_a = \xi_{\pi_\alpha(a)}`, with iid ±1 base patterns, N → ∞.

    As published for this ensemble, the positional share of the fields is rectified and the logits take gamma without
    1/sqrt(M).

    Parameters
    ----------
    base_patterns : int
        Number B of independent patterns, 1 to 16: the expectation runs over their 2^(B-1) sign vectors.
    patterns : mapping of 'output', 'value', 'query', 'key' to M ints
        Pattern that each feature holds.
    position : (4, M, P) array of ±1
        Positional weights, in the order of `FIELDS`.
    base_of : sequence of int, optional
        Base pattern of which pattern k is a copy; by default pattern k is base pattern k. So
        :math:`\pi_\alpha(a)` = base_of[patterns[α][a]].
    convention : {'weights', 'published'}
        'weights' has the output weights inside the tanh. 'published' has what the published program computes,
        :math:`\sum_k \sigma_{P(k)} A_{o(k)}` with the output order o and P = base_of: the order itself where the
        weights have its transpose. They differ for orders that are not symmetric.

    Raises
    ------
    ValueError
        For an index out of range, lists of unequal lengths, or, in the published convention, a number of patterns
        other than M.
    """
    if not 1 <= base_patterns <= 16:
        raise ValueError(f"base_patterns must be 1 to 16, found {base_patterns}")
    if convention not in ("weights", "published"):
        raise ValueError(f"convention must be 'weights' or 'published', found {convention!r}")
    base = np.arange(base_patterns) if base_of is None else np.asarray(base_of, dtype=np.int64)
    if base.size == 0 or base.min() < 0 or base.max() >= base_patterns:
        raise ValueError(f"base_of must hold numbers from 0 to {base_patterns - 1}")
    if len({len(patterns[name]) for name in FIELDS}) != 1:
        raise ValueError("patterns must name as many features for output, value, query and key")
    order = np.array([patterns[name] for name in FIELDS], dtype=np.int64)
    if order.size == 0 or order.min() < 0 or order.max() >= base.size:
        raise ValueError(f"patterns must hold numbers from 0 to {base.size - 1}")
    features = order.shape[1]
    sigma = sign_vectors(base_patterns).T
    semantic = sigma[base[order]]
    columns = semantic[0]
    if convention == "published":
        if base.size != features:
            raise ValueError(f"the published convention needs as many patterns as features, found {base.size}")
        columns = np.zeros_like(columns)
        np.add.at(columns, order[0], sigma[base])
    return _weights_of(Columns(columns, semantic), np.asarray(position, dtype=np.float64), pattern_order=order)
