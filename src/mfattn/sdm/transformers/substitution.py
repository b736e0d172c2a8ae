r"""Heads whose softmax is replaced by the weights of a sparse distributed memory, and what that changes.

A memory of radius d weights a key by what the balls, or caps, around it and the query share. Which radius stands for a
head is told by the inverse temperature at which the head works: `Replacement.of_head` takes the radius whose softmax
fit is nearest to the head's mean :math:`|q||k|/\sqrt n`. Between the two stands a control: the softmax of that single
inverse temperature times the cosines, which has lost the lengths of queries and keys, but not the exponential.

A memory is empty where no ball around a key meets that of the query. Then nothing is read: all weights are 0, and the
residual stream of the network goes on unchanged, as a query stays itself in a memory that is read again and again.

References
----------
Bricken and Pehlevan, Attention approximates sparse distributed memory, NeurIPS 2021.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from mfattn.sdm.checks import Array, checked_choice
from mfattn.sdm.geometry import cosine_to_hamming, log_intersection
from mfattn.sdm.sphere import CapTable
from mfattn.sdm.temperatures import radius_for_beta
from mfattn.sdm.transformers.heads import Head, log_softmax

Weighting = Literal["softmax", "unit_softmax", "balls", "caps"]
"""The head's own softmax; that of unit vectors at one inverse temperature; intersections of balls; those of caps."""

WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)

STEEPEST, FLATTEST = 1e6, 1e-6
"""Bounds of the inverse temperatures for which a radius is looked for: heads beyond them are at an end already."""


@dataclass(frozen=True)
class Replacement:
    """Weights that take the place of a head's own.

    Parameters
    ----------
    weighting : {'softmax', 'unit_softmax', 'balls', 'caps'}
    beta : float
        Inverse temperature of 'unit_softmax'.
    radius : int
        Radius of 'balls' and 'caps', which for caps is above 0.

    Raises
    ------
    ValueError
        If there is no such weighting.
    """

    weighting: Weighting
    beta: float = math.nan
    radius: int = -1

    def __post_init__(self) -> None:
        checked_choice("weighting", self.weighting, Weighting)

    @classmethod
    def of_head(cls, weighting: Weighting, head: Head, radius: int | None = None) -> "Replacement":
        """That of a head, by its mean inverse temperature; or with a radius that is given.

        Examples
        --------
        >>> from mfattn.sdm.transformers.heads import causal_head
        >>> head = causal_head(14.4 * np.eye(64), np.eye(64), np.eye(64), scale=1.0)
        >>> [Replacement.of_head(weighting, head).radius for weighting in WEIGHTINGS]
        [-1, -1, 11, 13]
        """
        beta = head.mean_beta
        if weighting in ("softmax", "unit_softmax"):
            return cls(weighting, beta)
        if radius is None:
            kind: Literal["binary", "cap"] = "binary" if weighting == "balls" else "cap"
            radius = radius_for_beta(head.dimension, min(max(beta, FLATTEST), STEEPEST), kind=kind)
        return cls(weighting, beta, radius)

    def log_weights(self, head: Head) -> Array:
        """Logarithms of the normalised weights (queries, tokens); minus infinity in all of an empty row.

        Examples
        --------
        >>> from mfattn.sdm.transformers.heads import causal_head
        >>> head = causal_head(np.eye(8), np.eye(8), np.eye(8))
        >>> np.exp(Replacement("balls", radius=2).log_weights(head))[1, :2].round(3).tolist()
        [0.14, 0.86]
        """
        if self.weighting == "softmax":
            return head.log_weights
        if self.weighting == "unit_softmax":
            return log_softmax(self.beta * head.cosines, head.visible)
        if self.weighting == "balls":
            distances = cosine_to_hamming(head.dimension, head.cosines)
            return log_softmax(log_intersection(head.dimension, self.radius)[distances], head.visible)
        return log_softmax(_cap_table(head.dimension, self.radius)(head.cosines), head.visible)


@lru_cache(maxsize=256)
def _cap_table(dimension: int, radius: int) -> CapTable:
    return CapTable(dimension, radius)


@dataclass(frozen=True)
class Comparison:
    """How far weights are from those of a head's softmax, on average over its queries.

    Parameters
    ----------
    total_variation : float
        Largest difference of the weight of any set of keys, 0 to 1; that to an empty row is 1.
    divergence : float
        Kullback-Leibler divergence of the weights w from the softmax a, the sum of w log(w/a), where there are any.
    agreement : float
        Share of the queries whose heaviest key is the same.
    empty : float
        Share of the queries that read nothing.
    """

    total_variation: float
    divergence: float
    agreement: float
    empty: float


def compare_weights(head: Head, log_weights: Array) -> Comparison:
    """Weights beside those of a head's softmax.

    Parameters
    ----------
    head : Head
        Every query of which sees something.
    log_weights : (queries, tokens) array
        Logarithms of weights, as of `Replacement.log_weights`.

    Examples
    --------
    >>> from mfattn.sdm.transformers.heads import causal_head
    >>> head = causal_head(8 * np.eye(8), np.eye(8), np.eye(8))
    >>> compare_weights(head, head.log_weights)
    Comparison(total_variation=0.0, divergence=0.0, agreement=1.0, empty=0.0)
    """
    full = np.isfinite(log_weights).any(axis=1)
    own, other = np.exp(head.log_weights), np.exp(log_weights)
    differences = own - other
    over, under = np.maximum(differences, 0.0).sum(axis=1), np.maximum(-differences, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        terms = np.where(other > 0, other * (log_weights - head.log_weights), 0.0)
    same = full & (head.log_weights.argmax(axis=1) == log_weights.argmax(axis=1))
    return Comparison(
        total_variation=float(np.maximum(over, under).mean()),
        divergence=float(terms.sum(axis=1)[full].mean()) if full.any() else math.nan,
        agreement=float(same.mean()),
        empty=float(1.0 - full.mean()),
    )
