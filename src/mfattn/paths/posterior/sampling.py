"""The posterior of one action: the sampler that fits it, and its draws."""

from typing import Literal

import numpy as np

from mfattn.paths.action import Action
from mfattn.paths.checks import Array, checked_choice, checked_integer
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.elliptical import sample_elliptical
from mfattn.paths.posterior.evidence import bridge_evidence, importance_evidence
from mfattn.paths.posterior.hamiltonian import sample_hamiltonian
from mfattn.paths.posterior.importance import sample_importance
from mfattn.paths.posterior.laplace import laplace
from mfattn.paths.posterior.result import Method, Posterior
from mfattn.paths.posterior.student import Mixture

LEAST_EFFICIENCY = 0.1
"""Effective share of importance draws below which chains take over."""

PIECE = 32
"""Draws of importance sampling in one piece of the errors."""


def sample_posterior(
    action: Action,
    *,
    method: Method | Literal["auto"] = "auto",
    draws: int = 4096,
    warm_up: int = 200,
    starts: int = 8,
    seed: int = 0,
    threads: int = 1,
) -> Posterior:
    """Draws from the exact posterior of a network of finite width.

    Parameters
    ----------
    action : Action
    method : {"auto", "importance", "hamiltonian", "elliptical"}
        Importance sampling from the Laplace approximation, Hamiltonian Monte Carlo, or elliptical slices. "auto" takes
        the first, unless a layer is so narrow that the order parameter is singular, or too few draws would count; then
        the second.
    draws : int
        At least 256, in all; rounded up to whole blocks or chains.
    warm_up : int
        Draws that every chain leaves out first.
    starts : int
        Draws of the prior, besides the limit of infinite width, from which modes are searched.
    seed : int
    threads : int
        They change no result.

    Returns
    -------
    Posterior

    Raises
    ------
    ValueError
        If an argument is out of range, importance sampling is asked for a singular order parameter, or a width below
        the rows of its block is not an integer.
    RuntimeError
        If the density cannot be computed.

    Examples
    --------
    >>> from mfattn.paths.kernels import PathKernels
    >>> from mfattn.paths.network import Network
    >>> action = Action(Network((1,), (10, 10)), PathKernels([[[1.0]], [[-1.0]]]), [1.0, -1.0], 0.1)
    >>> posterior = sample_posterior(action, draws=1024)
    >>> posterior.method, posterior.effective_size > 800
    ('importance', True)
    """
    checked_choice("method", method, Literal["auto", "importance", "hamiltonian", "elliptical"])
    checked_integer("draws", draws, 256)
    checked_integer("warm_up", warm_up, 0)
    checked_integer("starts", starts, 0)
    checked_integer("seed", seed, 0)
    checked_integer("threads", threads, 1)
    density = Density(action)
    if method == "elliptical":
        return _from_chains(density, method, sample_elliptical(density, draws, warm_up, seed, threads), seed)
    if method == "importance" and density.prior.is_singular:
        raise ValueError("importance sampling needs layers as wide as the rows of their blocks, take hamiltonian")
    laws = laplace(density, starts, seed)
    if method == "importance" or (method == "auto" and not density.prior.is_singular):
        weighted = _from_importance(density, laws, draws, seed, threads)
        if method == "importance" or weighted.effective_size >= LEAST_EFFICIENCY * weighted.log_weights.size:
            return weighted
    chains = sample_hamiltonian(density, laws, draws, warm_up, seed, threads)
    return _from_chains(density, "hamiltonian", chains, seed)


def _from_importance(density: Density, laws: Mixture, draws: int, seed: int, threads: int) -> Posterior:
    """Posterior of weighted draws."""
    points, log_weights = sample_importance(density, laws, draws, seed, threads)
    pieces = log_weights.reshape(-1, PIECE)
    return Posterior(density, "importance", points.reshape(*pieces.shape, -1), pieces, importance_evidence(pieces))


def _from_chains(density: Density, method: Method, chains: Array, seed: int) -> Posterior:
    """Posterior of chains."""
    return Posterior(density, method, chains, np.zeros(chains.shape[:2]), bridge_evidence(density, chains, seed))
