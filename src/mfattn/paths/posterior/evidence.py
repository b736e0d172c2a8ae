r"""Log evidence of the labels with its standard error, from importance weights or from chains.

Chains need a bridge to a law q of known normalisation. With ratios :math:`w = p(Y, x) / q(x)`, n draws of the posterior
and m of q, the evidence is the fixed point of

.. math:: p(Y) = \frac{m^{-1} \sum_{x \sim q} w / (n w + m\, p(Y))}{n^{-1} \sum_{x \sim p} 1 / (n w + m\, p(Y))}.

References
----------
Meng and Wong, Statistica Sinica 6, 831 (1996).
"""

import numpy as np
from scipy import special

from mfattn.paths.checks import Array
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.estimates import Estimate, weighted_mean
from mfattn.paths.posterior.laplace import averaged
from mfattn.paths.posterior.streams import BRIDGE, stream
from mfattn.paths.posterior.student import Student

ROUNDS = 1000
"""Of the fixed point, at most."""


def importance_evidence(log_weights: Array) -> Estimate:
    """Logarithm of the mean of weights (pieces, draws)."""
    largest = log_weights.max()
    weights = np.exp(log_weights - largest)
    mean = weighted_mean(np.full(len(weights), float(weights.shape[1])), weights.sum(axis=1))
    return Estimate(np.log(mean.value) + largest, mean.error / mean.value)


def bridge_evidence(density: Density, chains: Array, seed: int) -> Estimate:
    """Log evidence from chains (chains, draws, d): the first half of each tells q, the second half is bridged to it."""
    half = chains.shape[1] // 2
    law = _fitted(density, chains[:, :half])
    draws = chains[:, half:]
    chosen = law.draw(stream(seed, BRIDGE), draws.shape[0] * draws.shape[1]).reshape(draws.shape)
    from_posterior, from_law = _log_ratios(density, law, draws), _log_ratios(density, law, chosen)
    log_evidence = float(np.median(from_posterior))
    for _ in range(ROUNDS):
        above, below = _bridged(from_law, from_posterior, log_evidence)
        new = float(np.log(above.value) - np.log(below.value))
        if abs(new) < 1e-10:
            break
        log_evidence += new
    error = np.hypot(above.error / above.value, below.error / below.value)
    return Estimate(np.array(log_evidence), error)


def _bridged(from_law: Array, from_posterior: Array, log_evidence: float) -> tuple[Estimate, Estimate]:
    """Means above and below the bar, with w in units of the evidence."""
    pieces = np.full(len(from_law), float(from_law.shape[1]))
    above = special.expit(from_law - log_evidence)
    below = special.expit(log_evidence - from_posterior)
    return weighted_mean(pieces, above.sum(axis=1)), weighted_mean(pieces, below.sum(axis=1))


def _log_ratios(density: Density, law: Student, x: Array) -> Array:
    """Logarithms of w at points (pieces, draws, d)."""
    flat = x.reshape(-1, x.shape[2])
    return (density.log_joint(flat) - law.log_density(flat)).reshape(x.shape[:2])


def _fitted(density: Density, draws: Array) -> Student:
    """Student's t with the mean and the covariance of draws (pieces, draws, d), and the symmetry of the posterior."""
    flat = draws.reshape(-1, draws.shape[2])
    prior = density.prior
    centre = flat.mean(axis=0)
    for part, (rows, columns) in zip(prior.slices, prior.shapes, strict=True):
        if rows != columns:
            centre[part] = 0.0
    covariance = (flat - centre).T @ (flat - centre) / len(flat)
    if prior.is_singular:
        covariance = averaged(prior, covariance)
    size = len(centre)
    return Student(centre, np.linalg.inv(covariance + 1e-10 * np.trace(covariance) / size * np.eye(size)), 8.0 + size)
