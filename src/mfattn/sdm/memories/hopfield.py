r"""Hopfield networks: classic, dense with polynomial energies, and modern with exponential ones.

States and patterns are signs :math:`\sigma, \xi^\mu \in \{-1, 1\}^n`, and the energy is
:math:`E = -\sum_\mu F(\xi^\mu \cdot \sigma)`. A bit takes the value of lower energy while all others stay,

.. math:: \sigma_i' = \mathrm{sign} \sum_\mu \big[F(\xi_i^\mu + h_i^\mu) - F(-\xi_i^\mu + h_i^\mu)\big],
          \qquad h_i^\mu = \sum_{j \ne i} \xi_j^\mu \sigma_j,

and all bits do so at once. F(x) = x^2 is the classic network, with weights :math:`\sum_\mu \xi^\mu_i \xi^\mu_j` between
different bits and none of a bit to itself.

References
----------
Hopfield, PNAS 79, 2554 (1982); Krotov and Hopfield, NeurIPS 2016; Demircigil et al., J. Stat. Phys. 168, 288 (2017).
"""

from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mfattn.sdm.checks import checked_choice, checked_integer
from mfattn.sdm.memories.attention import checked_beta, signs_of_exponential_sums
from mfattn.sdm.memories.bits import Bits
from mfattn.sdm.memories.interface import Array, Integers, Mask, Signs, Ties, signs_of
from mfattn.sdm.memories.patterns import (
    UNSURE,
    Distances,
    PatternMemory,
    counted_by_distance,
    product,
    signs_of_integer_sums,
)

Energy = Literal["classic", "polynomial", "exponential"]

MOST_DEGREE = 200
"""Degree up to which the powers of overlaps, relative to the largest, are not all lost below the smallest float."""


class Hopfield(PatternMemory):
    r"""A Hopfield network, updated synchronously.

    Parameters
    ----------
    n : int
        Bits.
    energy : {'classic', 'polynomial', 'exponential'}
        F(x) = x^2, x^degree or exp(beta x).
    degree : int, optional
        Of the polynomial, 2 to 200.
    beta : float, optional
        Of the exponential, above 0; 1 if left out.
    ties : {'keep', 'zero', 'random'}
        As of `BinaryMemory`: a bit without a field keeps its value unless told otherwise.
    tie_seed, threads
        As of `BinaryMemory`.

    Raises
    ------
    ValueError
        If an argument is out of range, or does not go with the energy.

    Notes
    -----
    Ties are exact: in integers for powers, and for exponentials because only equal numbers of equal terms cancel.
    Synchronous updates of a classic network end in a fixed point or a cycle of two states. The continuous network of
    Ramsauer et al. is `ContinuousAttention` with `norms="kept"`.

    Examples
    --------
    >>> from mfattn.sdm.memories import Hopfield, random_bits
    >>> patterns = random_bits(5, 100, seed=1)
    >>> network = Hopfield(100)
    >>> network.write(patterns)
    >>> bool((network.iterate(patterns).state == patterns).all())
    True
    """

    def __init__(
        self,
        n: int,
        energy: Energy = "classic",
        *,
        degree: int | None = None,
        beta: float | None = None,
        ties: Ties = "keep",
        tie_seed: int = 0,
        threads: int | None = None,
    ) -> None:
        super().__init__(n, ties=ties, tie_seed=tie_seed, threads=threads)
        checked_choice("energy", energy, Energy)
        if (degree is not None) != (energy == "polynomial"):
            raise ValueError("a degree goes with the polynomial energy, and only with it")
        if beta is not None and energy != "exponential":
            raise ValueError("beta goes with the exponential energy")
        self.energy = energy
        self.degree = (
            None
            if energy == "exponential"
            else checked_integer("degree", 2 if degree is None else degree, 2, MOST_DEGREE)
        )
        self.beta = checked_beta(1.0 if beta is None else beta) if energy == "exponential" else None
        if self.beta is not None and self.beta <= 0:
            raise ValueError(f"beta must be above 0, found {beta!r}")
        self._gains = [] if self.degree is None else self._gains_of_power(self.degree)

    def _gains_of_power(self, degree: int) -> list[int]:
        """Differences (h + 1)^degree - (h - 1)^degree for h = -n - 1, ..., n + 1."""
        return [(h + 1) ** degree - (h - 1) ** degree for h in range(-self.n - 1, self.n + 2)]

    def write(self, addresses: ArrayLike, values: ArrayLike | None = None) -> None:
        """Store patterns, (m, n); a network has no other values."""
        if values is not None:
            raise ValueError("a Hopfield network stores patterns, it takes no values")
        super().write(addresses)

    def _signs_of_block(self, queries: Bits) -> tuple[Signs, Mask]:
        distances, (_, patterns) = self._distances(queries), self._gather()
        state = signs_of(queries)
        gains = self._gains_by_power if self.beta is None else self._gains_by_exponential
        sums, unsure = gains(distances.astype(np.int64), state, patterns)
        signs = (np.sign(sums) * state).astype(np.int8)
        for row in np.flatnonzero(unsure.any(axis=1)):
            columns = np.flatnonzero(unsure[row])
            own = state[row, columns]
            signs[row, columns] = own * self._exact_gain(distances[row], patterns[:, columns] == own)
        return signs, np.zeros(len(queries), dtype=np.bool_)

    def _gains_by_power(self, distances: Integers, state: Signs, patterns: Signs) -> tuple[Array, Mask]:
        """What F gains, in some unit, if bits (Q, n) stay, from distances (Q, m), and where rounding may decide."""
        largest = self._gains[-1]
        table = np.array([gain / largest if largest >= 2**53 else gain for gain in self._gains], dtype=np.float64)
        agreeing, disagreeing = table[2 * (self.n - distances)], table[2 * (self.n - distances) + 2]
        common = (agreeing - disagreeing).sum(axis=1, keepdims=True)
        sums = common + state * product(agreeing + disagreeing, patterns)
        sizes = (np.abs(agreeing) + np.abs(disagreeing)).sum(axis=1, keepdims=True)
        unsure = np.abs(sums) <= UNSURE * sizes
        # Sums of whole numbers below 2^53 are not rounded.
        return sums, unsure if largest >= 2**53 else unsure & (sizes >= 2.0**53)

    def _gains_by_exponential(self, distances: Integers, state: Signs, patterns: Signs) -> tuple[Array, Mask]:
        """The same, from the patterns that agree and those that do not, apart: nothing cancels within either sum."""
        nearest = distances.min(axis=1, keepdims=True)
        agreeing = np.exp(-2.0 * (self.beta or 0.0) * (distances - nearest + 1))
        # A pattern at distance 0 disagrees nowhere.
        disagreeing = np.where(distances == 0, 0.0, np.exp(-2.0 * (self.beta or 0.0) * (distances - nearest)))
        up, down = patterns > 0, patterns < 0
        for_it = np.where(state > 0, product(agreeing, up), product(agreeing, down))
        against = np.where(state > 0, product(disagreeing, down), product(disagreeing, up))
        return for_it - against, np.abs(for_it - against) <= UNSURE * (for_it + against)

    def _exact_gain(self, distances: Distances, agrees: Mask) -> Signs:
        """Signs (f,) of the gains of keeping bits, with which the patterns agree (m, f) or not."""
        found, agreeing = counted_by_distance(distances, agrees.astype(np.int8))
        _, disagreeing = counted_by_distance(distances, (~agrees).astype(np.int8))
        if self.beta is not None:
            return self._exact_exponential_gain(found, agreeing, disagreeing)
        right = [self._gains[2 * (self.n - distance)] for distance in found]
        wrong = [-self._gains[2 * (self.n - distance) + 2] for distance in found]
        return signs_of_integer_sums(right + wrong, np.concatenate([agreeing, disagreeing]))

    def _exact_exponential_gain(self, found: Integers, agreeing: Integers, disagreeing: Integers) -> Signs:
        # A pattern that disagrees gains as much as one that agrees and is one bit nearer.
        counts = np.zeros((self.n + 2, agreeing.shape[1]), dtype=np.int64)
        counts[found + 1] += agreeing
        counts[found] -= disagreeing
        return signs_of_exponential_sums(-2 * Fraction(self.beta or 0), np.arange(self.n + 2), counts)
