"""Exact posterior of networks of finite width, from draws of the low-dimensional order parameter.

The samplers are our own: no library computes the densities of many draws or chains together, which is what makes them
fast here, and those that sample well bring a language and a compiler of their own.
"""

from mfattn.paths.posterior.density import NoDensity
from mfattn.paths.posterior.estimates import Estimate
from mfattn.paths.posterior.result import Posterior, Prediction
from mfattn.paths.posterior.sampling import ChainsDisagree, sample_posterior
from mfattn.paths.posterior.weights import NetworkWeights

__all__ = [
    "ChainsDisagree",
    "Estimate",
    "NetworkWeights",
    "NoDensity",
    "Posterior",
    "Prediction",
    "sample_posterior",
]
