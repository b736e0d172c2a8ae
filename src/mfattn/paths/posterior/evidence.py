r"""Log evidence of the labels with its standard error, from importance weights or from chains.

Chains need a bridge to a law q of known normalisation. With ratios :math:`w = p(Y, x) / q(x)` at as many draws of the
posterior as of q, the evidence is the only solution of

.. math:: \langle w / (w + p(Y)) \rangle_{x \sim q} = \langle p(Y) / (w + p(Y)) \rangle_{x \sim p}.

q is half the Laplace approximation and half a Student's t with mean and covariance of draws. The first has the right
shape in wide networks, also where draws are too few for a covariance; the second has the right width where the order
parameter is singular.

References
----------
Meng and Wong, Statistica Sinica 6, 831 (1996), bridges. Ledoit and Wolf, Journal of Multivariate Analysis 88, 365
(2004), covariances from few draws.
"""

import numpy as np
from scipy import optimize, special

from mfattn.paths.checks import Array
from mfattn.paths.posterior.coordinates import WishartCoordinates
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.diagnostics import kish_effective_size
from mfattn.paths.posterior.estimates import Estimate, weighted_mean
from mfattn.paths.posterior.laplace import averaged
from mfattn.paths.posterior.streams import BRIDGE, stream
from mfattn.paths.posterior.student import Mixture, Student

FEWEST = 30
"""Draws that must count effectively on both sides of a bridge: with fewer, errors do not tell how wrong it is."""

MOST_OVERLAP = 0.6
"""What both sides may be. They are half where q is the posterior, else less; more tells that chains are elsewhere."""


def log_mean(log_weights: Array) -> Estimate:
    """Logarithm of the mean of weights (pieces, draws): the log evidence, for those of importance."""
    largest = log_weights.max()
    weights = np.exp(log_weights - largest)
    mean = weighted_mean(np.full(len(weights), float(weights.shape[1])), weights.sum(axis=1))
    return Estimate(np.log(mean.value) + largest, mean.error / mean.value)


def bridge_evidence(density: Density, laws: Mixture, chains: Array, seed: int) -> Estimate:
    """Log evidence from chains (chains, draws, d) and their Laplace approximation; NaN ± ∞ where these do not overlap.

    The first half of each chain tells q, the second half is bridged to it.
    """
    half = chains.shape[1] // 2
    law = _bridge(density.prior, laws, chains[:, :half])
    draws = chains[:, half:]
    chosen = law.draw(stream(seed, BRIDGE), draws.shape[0] * draws.shape[1]).reshape(draws.shape)
    from_posterior, from_law = _log_ratios(density, law, draws), _log_ratios(density, law, chosen)
    possible = from_law[np.isfinite(from_law)]
    if not len(possible) or not np.isfinite(from_posterior).all():
        return _unknown()

    def sides(log_evidence: float) -> tuple[Array, Array]:
        return special.log_expit(from_law - log_evidence), special.log_expit(log_evidence - from_posterior)

    def difference(log_evidence: float) -> float:
        above, below = sides(log_evidence)
        return float(special.logsumexp(above) - special.logsumexp(below))

    ratios = np.append(possible, from_posterior)
    log_evidence = optimize.brentq(difference, ratios.min() - np.log(2 * from_law.size), ratios.max())
    above, below = sides(log_evidence)
    upper, lower = log_mean(above), log_mean(below)
    effective = min(kish_effective_size(above), kish_effective_size(below))
    if effective < FEWEST or np.exp(upper.value) > MOST_OVERLAP:
        return _unknown()
    return Estimate(np.array(log_evidence), np.hypot(upper.error, lower.error))


def _unknown() -> Estimate:
    """What no draws tell."""
    return Estimate(np.array(np.nan), np.array(np.inf))


def _log_ratios(density: Density, law: Mixture, x: Array) -> Array:
    """Logarithms of w at points (pieces, draws, d)."""
    flat = x.reshape(-1, x.shape[2])
    return (density.log_joint(flat) - law.log_density(flat)).reshape(x.shape[:2])


def _bridge(prior: WishartCoordinates, laws: Mixture, draws: Array) -> Mixture:
    """Mixture of LAWS and of one that is fitted to draws (pieces, draws, d), with the symmetry of the posterior."""
    flat = draws.reshape(-1, draws.shape[2])
    centre = flat.mean(axis=0)
    for part, (rows, columns) in zip(prior.slices, prior.shapes, strict=True):
        if rows != columns:
            centre[part] = 0.0
    scales = laws.laws[0]
    covariance = scales.root @ _covariance((flat - centre) @ scales.inverse_root.T) @ scales.root.T
    if prior.is_singular:
        covariance = averaged(prior, covariance)
    fitted = Student(centre, np.linalg.inv(covariance), 8.0 + len(centre))
    return Mixture([fitted, *laws.laws], np.array([1.0, *laws.shares]))


def _covariance(points: Array) -> Array:
    """Covariance of centred points (n, d), drawn to one by as much as is noise by Ledoit and Wolf."""
    number, size = points.shape
    found, one = points.T @ points / number, np.eye(size)
    noise = float((((points**2).sum(axis=1) ** 2).mean() - (found**2).sum()) / number)
    share = min(1.0, noise / float(((found - one) ** 2).sum()))
    return (1 - share) * found + share * one
