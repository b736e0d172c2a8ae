r"""Jaeckel's designs: neurons that look at a few coordinates instead of at all of them.

In Kanerva's design a neuron has a whole address, and the geometry of balls says which addresses it shares. In the
selected-coordinate design it looks at k of the n coordinates and expects a value in each; in the hyperplane design it
is active where k chosen coordinates of a sparse address are all one. Reading costs k operations instead of n, and the
fraction of neurons that two addresses share falls differently with their distance.

References
----------
Jaeckel, An alternative design for a sparse distributed memory, RIACS technical report 89.28 (1989), and A class of
designs for a sparse distributed memory, RIACS technical report 89.30 (1989).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.sdm.checks import Array, Integers, checked_distances, checked_integer
from mfattn.sdm.geometry import (
    log_ball_fraction,
    log_binomial,
    log_expected_neurons,
    log_of_finite_neurons,
    radius_for_fraction,
)


@dataclass(frozen=True)
class SelectedCoordinates:
    r"""Neurons that are active where at least l of the k coordinates that they look at have the value they expect.

    Parameters
    ----------
    n : int
        Coordinates of an address, at least 1.
    k : int
        Coordinates that a neuron looks at, 1 to n.
    threshold : int
        l, 0 to k.

    Raises
    ------
    ValueError
        If one of them is out of range.

    Examples
    --------
    >>> design = SelectedCoordinates(1000, 10, 10)
    >>> design.activation
    0.0009765625
    >>> design.both([0, 100, 1000]).round(9).tolist()
    [0.000976562, 0.000338797, 0.0]
    """

    n: int
    k: int
    threshold: int

    def __post_init__(self) -> None:
        n = checked_integer("n", self.n, 1)
        k = checked_integer("k", self.k, 1, n)
        checked_integer("threshold", self.threshold, 0, k)

    @classmethod
    def for_fraction(cls, n: int, k: int, p: float) -> "SelectedCoordinates":
        """The design with the highest threshold at which at least a fraction p of the neurons is active.

        >>> SelectedCoordinates.for_fraction(1000, 20, 0.001).threshold
        17
        """
        return cls(n, k, k - radius_for_fraction(checked_integer("k", k, 1, checked_integer("n", n, 1)), p))

    @property
    def activation(self) -> float:
        r"""Probability that an address activates a neuron, :math:`2^{-k} \sum_{a \ge l} \binom ka`."""
        return float(np.exp(log_ball_fraction(self.k, self.k - self.threshold)))

    def log_both(self, dv: ArrayLike | None = None) -> Array:
        r"""Logarithm of the probability that two addresses activate the same neuron.

        Of the k coordinates, h are among the dv in which the addresses differ. Both activate the neuron if what it
        expects there is within k - l of both, which are h apart: Kanerva's geometry in k dimensions,

        .. math:: P(dv) = \sum_h \frac{\binom{dv}{h} \binom{n-dv}{k-h}}{\binom nk}\, \frac{I(k, k - l, h)}{2^k}.

        Parameters
        ----------
        dv : array of int, optional
            Distances from 0 to n; all of them if left out.

        Returns
        -------
        array
            Like dv; minus infinity where no neuron can be active for both.
        """
        v = checked_distances(self.n, dv)[..., np.newaxis]
        h = np.arange(self.k + 1)
        chosen = log_binomial(v, h) + log_binomial(self.n - v, self.k - h) - log_binomial(self.n, self.k)
        return np.asarray(special.logsumexp(chosen + log_expected_neurons(self.k, self.k - self.threshold), axis=-1))

    def both(self, dv: ArrayLike | None = None) -> Array:
        """Probability that two addresses at distances from 0 to n activate the same neuron."""
        return np.exp(self.log_both(dv))

    def log_random(self) -> Array:
        """Logarithms of the probabilities of all distances, 0 to n, of random addresses."""
        return log_binomial(self.n, np.arange(self.n + 1))


@dataclass(frozen=True)
class Hyperplanes:
    r"""Neurons that are active where all of the k coordinates that they look at are one, for sparse addresses.

    Parameters
    ----------
    n : int
        Coordinates of an address, at least 1.
    k : int
        Coordinates that a neuron looks at, 1 to n.
    ones : int
        w, how many coordinates of every address are one, 0 to n.

    Raises
    ------
    ValueError
        If one of them is out of range.

    Examples
    --------
    >>> design = Hyperplanes(1000, 3, 100)
    >>> round(design.activation, 9)
    0.000973117
    >>> design.both([100, 50, 2]).round(9).tolist()
    [0.000973117, 0.000117954, 0.0]
    """

    n: int
    k: int
    ones: int

    def __post_init__(self) -> None:
        n = checked_integer("n", self.n, 1)
        checked_integer("k", self.k, 1, n)
        checked_integer("ones", self.ones, 0, n)

    @property
    def activation(self) -> float:
        r"""Probability that an address activates a neuron, :math:`\binom wk / \binom nk`."""
        return float(np.exp(self.log_both(self.ones)))

    def log_both(self, shared: ArrayLike) -> Array:
        r"""Logarithm of the probability :math:`\binom sk / \binom nk` that two addresses activate the same neuron.

        Parameters
        ----------
        shared : array of int
            s, how many ones the addresses share, from 0 to `ones`: their Hamming distance is 2 (w - s).
        """
        s = checked_distances(self.ones, shared, name="shared")
        shift = (s - self.n) * math.log(2.0)
        return log_binomial(s, self.k) - log_binomial(self.n, self.k) + shift

    def both(self, shared: ArrayLike) -> Array:
        """Probability that two addresses which share a number of ones activate the same neuron."""
        return np.exp(self.log_both(shared))

    def log_random(self) -> Array:
        r"""Logarithms of the probabilities that random addresses share 0 to w ones, which are hypergeometric.

        >>> np.exp(Hyperplanes(4, 1, 2).log_random()).round(12).tolist()
        [0.166666666667, 0.666666666667, 0.166666666667]
        """
        s = np.arange(self.ones + 1)
        rest = log_binomial(self.n - self.ones, self.ones - s)
        return log_binomial(self.ones, s) + rest - log_binomial(self.n, self.ones)

    def shared_ones(self, dv: ArrayLike) -> Integers:
        """How many ones two addresses share at even Hamming distances, of at most 2 w.

        >>> Hyperplanes(1000, 3, 100).shared_ones([0, 100]).tolist()
        [100, 50]
        """
        distances = checked_distances(2 * self.ones, dv)
        if (distances % 2).any():
            raise ValueError("addresses with equally many ones are an even distance apart")
        return self.ones - distances // 2


def design_snr(log_both: Array, log_random: Array, r: float, m: int, log_signal: ArrayLike | None = None) -> Array:
    r"""Ratio of signal to noise of any design, :math:`\mu / \sqrt{\mu + (m - 1)(E[\mu] + E[\mu^2])}`.

    With Kanerva's balls it is `mfattn.sdm.theory.snr` with the exact noise.

    Parameters
    ----------
    log_both : (cases,) array
        Logarithms of the probabilities that two addresses activate the same neuron, :math:`\mu / r`.
    log_random : (cases,) array
        Logarithms of the probabilities of these cases for random addresses.
    r : int or float
        Neurons, above 0 and finite.
    m : int
        Patterns, at least 1.
    log_signal : array, optional
        As log_both, where the ratio is asked; there if left out.

    Returns
    -------
    array
        0 where there is no signal.

    Raises
    ------
    ValueError
        If r or m is out of range.

    Examples
    --------
    >>> design = SelectedCoordinates(1000, 10, 10)
    >>> design_snr(design.log_both(), design.log_random(), 10**6, 10_000)[[0, 100]].round(3).tolist()
    [6.812, 2.401]
    """
    log_r, m = log_of_finite_neurons(r), checked_integer("m", m, 1)
    signal = np.asarray(log_both if log_signal is None else log_signal, dtype=np.float64)
    first = float(special.logsumexp(log_random + log_both))
    second = float(special.logsumexp(log_random + 2.0 * log_both))
    others = float(np.logaddexp(first - log_r, second)) + (math.log(m - 1) if m > 1 else -math.inf)
    with np.errstate(invalid="ignore"):
        ratio = np.exp(signal - 0.5 * np.logaddexp(signal - log_r, others))
    return np.where(np.isneginf(signal), 0.0, ratio)
