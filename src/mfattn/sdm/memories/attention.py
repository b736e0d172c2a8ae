r"""Attention of bits: patterns weighted by the exponential of their cosine with the query.

Bits as signs over :math:`\sqrt n` are unit vectors with cosine 1 - 2 dv / n, so that

.. math:: q_i' = \Big[2 \sum_j a_j v_{ji} > 1\Big], \qquad a = \mathrm{softmax}_j\, \beta (1 - 2 |p_j - q| / n).

References
----------
Bricken and Pehlevan, Attention approximates sparse distributed memory, NeurIPS 2021.
"""

import math
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from fractions import Fraction
from typing import Unpack

import numpy as np

from mfattn.sdm.memories.interface import Array, BinarySettings, Integers, Signs
from mfattn.sdm.memories.patterns import UNSURE, Distances, WeightedMemory, counted_by_distance, weights_at


def checked_beta(beta: float) -> float:
    """BETA as a float; ValueError unless it is a finite number.

    >>> checked_beta(10)
    10.0
    """
    if isinstance(beta, bool) or not isinstance(beta, int | float | np.integer | np.floating) or not np.isfinite(beta):
        raise ValueError(f"beta must be a finite number, found {beta!r}")
    return float(beta)


class BinaryAttention(WeightedMemory):
    r"""Softmax attention over bits.

    Parameters
    ----------
    n : int
        Bits.
    beta : float
        Inverse temperature of the cosine, as of `fit_beta`; finite.
    value_length, ties, tie_seed, threads
        As of `BinaryMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    A bit ties where as many patterns at every distance have a 1 as have a 0. Nothing else does: at a rational beta
    other than 0, :math:`e^{-2 \beta / n}` is transcendental, no root of a polynomial with integer coefficients.

    Examples
    --------
    >>> from mfattn.sdm.memories import BinaryAttention
    >>> memory = BinaryAttention(8, beta=4)
    >>> memory.write([[0] * 8, [1] * 8])
    >>> memory.iterate([[1, 1, 0, 0, 0, 0, 0, 0]]).state.tolist()
    [[0, 0, 0, 0, 0, 0, 0, 0]]
    """

    def __init__(self, n: int, beta: float, **settings: Unpack[BinarySettings]) -> None:
        super().__init__(n, **settings)
        self.beta = checked_beta(beta)
        self._logs = self.beta * (1.0 - 2.0 * np.arange(self.n + 1) / self.n)

    def _weights(self, distances: Distances) -> Array:
        return weights_at(self._logs, distances)

    def _exact_signs(self, distances: Distances, weights: Array, signs: Signs) -> Signs:
        found, counts = counted_by_distance(distances, signs)
        if self.beta == 0:
            return np.sign(counts.sum(axis=0)).astype(np.int8)
        return signs_of_exponential_sums(Fraction(-2 * Fraction(self.beta), self.n), found, counts)


def signs_of_exponential_sums(rate: Fraction, steps: Integers, counts: Integers) -> Signs:
    """Signs of the sums over g of whole counts (g, f) times exp(rate * steps (g)), 0 where all counts are 0.

    No other sum is 0, as the rate is not: so it is evaluated with more and more digits until its sign is clear.

    >>> steps, counts = np.array([0, 1, 2]), np.array([[0, 1, 1], [0, -1, -2], [0, 0, 1]])
    >>> signs_of_exponential_sums(Fraction(1, 10**40), steps, counts).tolist()
    [0, -1, 1]
    """
    return np.array([_sign_of_exponential_sum(rate, steps, column) for column in counts.T], dtype=np.int8)


def _sign_of_exponential_sum(rate: Fraction, steps: Integers, counts: Integers) -> int:
    occurring = counts != 0
    if not occurring.any():
        return 0
    steps, counts = steps[occurring], counts[occurring]
    largest = int(steps.max() if rate > 0 else steps.min())
    terms = np.exp(float(rate) * (steps - largest)) * counts
    total = math.fsum(terms)
    if abs(total) > UNSURE * np.abs(terms).sum():
        return int(np.sign(total))
    digits = 50
    while True:
        with localcontext(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX):
            exponents = (rate * (int(step) - largest) for step in steps)
            weights = [(Decimal(x.numerator) / x.denominator).exp() for x in exponents]
            sums = sum((weight * int(count) for weight, count in zip(weights, counts, strict=True)), Decimal(0))
            if abs(sums) > Decimal(10) ** (12 - digits) * int(np.abs(counts).sum()):
                return 1 if sums > 0 else -1
        digits *= 2
