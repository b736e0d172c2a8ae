r"""Attention heads as they are found in a trained network: at which inverse temperature their softmax works.

A head weights the key j for the query i by the softmax of its logits

.. math:: s_{ij} = \frac{q_i \cdot k_j}{\sqrt{n}} = \beta_{ij} \cos(q_i, k_j), \qquad
          \beta_{ij} = \frac{|q_i| |k_j|}{\sqrt{n}},

in n dimensions. Were all vectors of unit length, one :math:`\beta` would stand before all cosines, as for a sparse
distributed memory; in a network it is of the pair. The published measurement is the largest logit of the last token,
which has the lengths and the cosine in one number; here are both by themselves. A softmax knows no constant: what it
does depends on differences of logits alone, so `Head.logit_slope` and the excess over the mean are what it sees.

References
----------
Bricken and Pehlevan, Attention approximates sparse distributed memory, NeurIPS 2021.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from mfattn.sdm.checks import Array, checked_number
from mfattn.sdm.temperatures import Kind, fit_beta, radius_for_beta

Mask = NDArray[np.bool_]

STATISTICS = ("mean", "standard deviation", "minimum", "median", "maximum")
"""What `statistics_of` gives, in order."""

SMALLEST_DIMENSION = 8
"""Of a head for which an equivalent radius is looked for."""

WEIGHT_DECADES = 8
"""Powers of ten that the bins of attention weights span, below 1."""

BINS_PER_DECADE = 4
WEIGHT_BINS = WEIGHT_DECADES * BINS_PER_DECADE


def weight_edges() -> Array:
    """Edges of the bins of attention weights; the first bin has all smaller ones as well.

    >>> weight_edges()[[0, 1, -1]].round(12).tolist()
    [1e-08, 1.7783e-08, 1.0]
    """
    return 10.0 ** np.linspace(-WEIGHT_DECADES, 0, WEIGHT_BINS + 1)


@dataclass(frozen=True, eq=False)
class Head:
    """Queries of one head, and the keys and values that they see.

    Parameters
    ----------
    queries : (queries, dimension) array
    keys : (tokens, dimension) array
    values : (tokens, any) array
    visible : (queries, tokens) array of bool
        Which keys a query sees.
    scale : float
        Factor of the logits, finite and above 0.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a number is not finite.
    """

    queries: Array
    keys: Array
    values: Array
    visible: Mask
    scale: float

    def __post_init__(self) -> None:
        shapes = self.queries.shape, self.keys.shape, self.values.shape, self.visible.shape
        if any(len(shape) != 2 for shape in shapes):
            raise ValueError(f"queries, keys, values and visible must be matrices, found shapes {shapes}")
        (queries, dimension), (tokens, length), (rows, _), seen = shapes
        if dimension != length or rows != tokens or seen != (queries, tokens):
            raise ValueError(f"queries, keys, values and visible must fit each other, found shapes {shapes}")
        if not all(np.isfinite(array).all() for array in (self.queries, self.keys, self.values)):
            raise ValueError("queries, keys and values must be finite")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be finite and above 0, found {self.scale!r}")

    @property
    def dimension(self) -> int:
        """Dimension n of queries and keys."""
        return self.queries.shape[1]

    @cached_property
    def query_norms(self) -> Array:
        """Lengths of the queries."""
        return np.asarray(np.linalg.norm(self.queries, axis=1))

    @cached_property
    def key_norms(self) -> Array:
        """Lengths of the keys."""
        return np.asarray(np.linalg.norm(self.keys, axis=1))

    @cached_property
    def logits(self) -> Array:
        """Logits (queries, tokens), also of the pairs that are not seen; summed in order, whatever the threads."""
        # It takes a while to import, and describing a run does not need it.
        from mfattn.sdm import kernels

        products = np.empty((len(self.queries), len(self.keys)))
        left, right = np.ascontiguousarray(self.queries), np.ascontiguousarray(self.keys.T)
        kernels.ordered_product(left, right, 0, len(left), products)
        return self.scale * products

    @cached_property
    def betas(self) -> Array:
        """Inverse temperatures (queries, tokens) that stand before the cosines."""
        return np.asarray(self.scale * self.query_norms[:, np.newaxis] * self.key_norms)

    @cached_property
    def cosines(self) -> Array:
        """Cosines (queries, tokens) from -1 to 1; 0 where a vector is 0."""
        ratios = np.divide(self.logits, self.betas, out=np.zeros_like(self.logits), where=self.betas > 0)
        return np.clip(ratios, -1.0, 1.0)

    @cached_property
    def log_weights(self) -> Array:
        """Logarithms of the attention weights (queries, tokens); minus infinity where nothing is seen."""
        return log_softmax(self.logits, self.visible)

    @property
    def without_sink(self) -> Mask:
        """Pairs (queries, tokens) that are seen, but for the first token, which draws attention that is not needed."""
        seen = self.visible.copy()
        seen[:, 0] = False
        return seen

    @property
    def mean_beta(self) -> float:
        """Mean inverse temperature of the pairs that are seen; NaN if there is none."""
        return float(self.betas[self.visible].mean()) if self.visible.any() else math.nan

    @property
    def logit_slope(self) -> float:
        """Slope of the logits over the cosines of a query, by least squares over all queries, each with its own mean.

        It is the inverse temperature that the softmax sees; NaN where no query sees two cosines.
        """
        seen = self.visible.any(axis=1)
        pairs = self.visible[seen]
        cosines = self.cosines[seen]
        means = (cosines * pairs).sum(axis=1, keepdims=True) / pairs.sum(axis=1, keepdims=True)
        deviations = (cosines - means) * pairs
        squares = float(np.square(deviations).sum())
        return float((deviations * self.logits[seen]).sum()) / squares if squares > 0 else math.nan

    def last(self) -> "Head":
        """The same with the last query alone."""
        return Head(self.queries[-1:], self.keys, self.values, self.visible[-1:], self.scale)


def causal_head(queries: ArrayLike, keys: ArrayLike, values: ArrayLike, *, scale: float | None = None) -> Head:
    r"""A head whose queries see the keys up to their own.

    Parameters
    ----------
    queries, keys, values : (tokens, dimension) arrays
    scale : float, optional
        Factor of the logits, :math:`1/\\sqrt{n}` if left out.

    Examples
    --------
    >>> head = causal_head([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [3.0, 4.0]], np.eye(2), scale=0.5)
    >>> head.betas.tolist(), head.logits.tolist(), head.cosines.round(3).tolist()
    ([[1.5, 2.5], [3.0, 5.0]], [[1.5, 1.5], [0.0, 4.0]], [[1.0, 0.6], [0.0, 0.8]])
    """
    q, k, v = (np.asarray(array, dtype=np.float64) for array in (queries, keys, values))
    visible = np.tri(len(q), dtype=np.bool_)
    return Head(q, k, v, visible, 1.0 / math.sqrt(q.shape[-1]) if scale is None else checked_number("scale", scale))


def log_softmax(logits: Array, visible: Mask) -> Array:
    """Logarithms of the softmax of every row over what is visible; minus infinity elsewhere, or if nothing has weight.

    >>> np.exp(log_softmax(np.zeros((2, 2)), np.tri(2, dtype=bool))).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    masked = np.where(visible, logits, -np.inf)
    totals = special.logsumexp(masked, axis=1, keepdims=True)
    return np.where(np.isfinite(totals), masked - np.where(np.isfinite(totals), totals, 0.0), -np.inf)


def statistics_of(values: ArrayLike) -> Array:
    """Mean, standard deviation (over all of them), minimum, median and maximum; NaN of nothing.

    >>> statistics_of([1.0, 3.0]).tolist()
    [2.0, 1.0, 1.0, 2.0, 3.0]
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if not numbers.size:
        return np.full(len(STATISTICS), np.nan)
    return np.array([numbers.mean(), numbers.std(), numbers.min(), np.median(numbers), numbers.max()])


def largest_logits(head: Head, visible: Mask) -> Array:
    """Largest logit of every query that sees anything: the last one's is the published "effective beta"."""
    some = visible.any(axis=1)
    return np.asarray(np.where(visible, head.logits, -np.inf)[some].max(axis=1))


def equivalent_radius(dimension: int, beta: float, *, kind: Kind = "binary") -> int:
    """Radius of the sparse distributed memory that a softmax of an inverse temperature stands for.

    Returns
    -------
    int
        -1 if no radius does: the inverse temperature is not a number, above that of the smallest ball or below that of
        one that holds half the space; or the dimension is below 8.

    Examples
    --------
    >>> [equivalent_radius(64, beta) for beta in (28.4, 14.4, 9.4, 0.1, 1000.0)]
    [5, 11, 15, -1, -1]
    """
    if dimension < SMALLEST_DIMENSION or not math.isfinite(beta) or beta <= 0:
        return -1
    least, most = _range_of_betas(dimension, kind)
    return radius_for_beta(dimension, beta, kind=kind) if least <= beta <= most else -1


@lru_cache(maxsize=64)
def _range_of_betas(dimension: int, kind: Kind) -> tuple[float, float]:
    """Least and greatest inverse temperature of the radii from 2 to half the dimension."""
    return fit_beta(dimension, dimension // 2, kind=kind).beta, fit_beta(dimension, 2, kind=kind).beta


def head_statistics(head: Head) -> dict[str, Any]:
    r"""Temperatures, lengths, cosines and weights of a head.

    Returns
    -------
    dict of str to float, int or array
        Each as `statistics_of` gives it where nothing else is said, over queries, keys, or pairs that are seen:

        ==============================  ==================================================================
        largest_logit                   largest logit of a query
        largest_logit_without_sink      the same without the first token
        logit_excess                    largest logit of a query less its mean: no constant changes it
        effective_beta                  inverse temperatures of the pairs
        effective_beta_without_sink     the same without the first token
        query_norm, key_norm            lengths of queries and keys
        value_norm                      lengths of values
        cosine, cosine_without_sink     cosines of the pairs
        logit_slope                     one number: `Head.logit_slope`
        sink_key_norm, sink_value_norm  one number each: of the first token
        sink_weight                     one number: mean attention weight of the first token
        entropy                         one number: mean entropy of the weights of a query, in nats
        equivalent_radius               one integer: `equivalent_radius` of the mean inverse temperature
        value_norm_correlation          one number: of the lengths of values with the logarithms of weights
        pairs_by_weight                 (WEIGHT_BINS,) integers: pairs in each bin of attention weights
        value_norm_by_weight            (WEIGHT_BINS,) mean length of their values; NaN of no pairs
        ==============================  ==================================================================

    Examples
    --------
    >>> vectors = np.eye(64)
    >>> found = head_statistics(causal_head(10 * vectors, vectors, vectors, scale=1.0))
    >>> found["effective_beta"].tolist(), float(found["largest_logit"][0]), found["equivalent_radius"]
    ([10.0, 0.0, 10.0, 10.0, 10.0], 10.0, 15)
    """
    pairs, others = head.visible, head.without_sink
    keys = pairs.any(axis=0)
    value_norms = np.linalg.norm(head.values, axis=1)
    return {
        "largest_logit": statistics_of(largest_logits(head, pairs)),
        "largest_logit_without_sink": statistics_of(largest_logits(head, others)),
        "logit_excess": statistics_of(largest_logits(head, pairs) - _row_means(head.logits, pairs)),
        "effective_beta": statistics_of(head.betas[pairs]),
        "effective_beta_without_sink": statistics_of(head.betas[others]),
        "query_norm": statistics_of(head.query_norms),
        "key_norm": statistics_of(head.key_norms[keys]),
        "value_norm": statistics_of(value_norms[keys]),
        "cosine": statistics_of(head.cosines[pairs]),
        "cosine_without_sink": statistics_of(head.cosines[others]),
        "logit_slope": head.logit_slope,
        "sink_key_norm": head.key_norms[0],
        "sink_value_norm": value_norms[0],
        "equivalent_radius": equivalent_radius(head.dimension, head.mean_beta),
        **_weight_statistics(head, value_norms),
    }


def _row_means(values: Array, visible: Mask) -> Array:
    """Mean of every row over what is visible, of the rows that see anything."""
    some = visible.any(axis=1)
    return np.asarray((values * visible)[some].sum(axis=1) / visible[some].sum(axis=1))


def _weight_statistics(head: Head, value_norms: Array) -> dict[str, Any]:
    """What depends on the attention weights."""
    logs, pairs = head.log_weights, head.visible
    some = pairs.any(axis=1)
    weights = np.exp(logs[some])
    entropies = -(weights * np.where(pairs[some], logs[some], 0.0)).sum(axis=1)
    decades = logs[pairs] / math.log(10.0)
    norms = np.broadcast_to(value_norms, pairs.shape)[pairs]
    bins = np.clip(((decades + WEIGHT_DECADES) * BINS_PER_DECADE).astype(np.int64), 0, WEIGHT_BINS - 1)
    counts = np.bincount(bins, minlength=WEIGHT_BINS)
    sums = np.bincount(bins, weights=norms, minlength=WEIGHT_BINS)
    return {
        "sink_weight": float(weights[:, 0].mean()) if some.any() else math.nan,
        "entropy": float(entropies.mean()) if some.any() else math.nan,
        "value_norm_correlation": _correlation(decades, norms),
        "pairs_by_weight": counts,
        "value_norm_by_weight": np.divide(sums, counts, out=np.full(WEIGHT_BINS, np.nan), where=counts > 0),
    }


def _correlation(x: Array, y: Array) -> float:
    """Correlation of two lists; NaN where one of them does not vary."""
    if not x.size or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    dx, dy = x - x.mean(), y - y.mean()
    # No product of BLAS, whose order of summation depends on the number of threads.
    return float((dx * dy).sum()) / math.sqrt(float(np.square(dx).sum()) * float(np.square(dy).sum()))
