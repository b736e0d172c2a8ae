r"""Hamiltonian Monte Carlo of the order parameter, with the scales of the Laplace approximation.

The weights are integrated out, and the coordinates are whitened by the curvature at the mode, so that a few leapfrog
steps give a draw that is all but independent.

Own, as libraries want the density in a language of their own for derivatives, and move their chains one by one, where
here the kernels of all chains of a group are computed together.

References
----------
Neal, in Handbook of Markov Chain Monte Carlo (2011), arXiv 1206.1901.
"""

from dataclasses import dataclass

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.streams import HAMILTONIAN, over_threads, stream
from mfattn.paths.posterior.student import Mixture, Student

GROUP = 16
"""Chains that move together, from one random stream."""

GROUPS = 2
"""Of chains."""

SHORTEST = 32
"""Draws of a chain at least: R-hat compares halves of chains, which are noise if they are short."""

LENGTH = 1.6
"""Of a trajectory, in units of the whitened coordinates: a quarter of the period of a Gaussian."""

LONGEST = 100
"""Leapfrog steps of a trajectory at most."""

FIRST_STEP = 0.2
"""Length of the first leapfrog steps."""

ACCEPTANCE = 0.85
"""That the length of the steps is tuned for, while the chains warm up."""


@dataclass(frozen=True, eq=False)
class _State:
    """Points of a group of chains, with the density and its gradient by whitened coordinates."""

    x: Array  # (GROUP, d)
    log_joint: Array  # (GROUP,)
    slope: Array  # (GROUP, d)


def sample_hamiltonian(density: Density, laws: Mixture, draws: int, warm_up: int, seed: int, threads: int) -> Array:
    """Points (chains, draws, d): DRAWS at least in all chains, which start from LAWS and warm up first.

    Every chain has `SHORTEST` at least. Results do not depend on the number of threads.
    """
    length = chain_length(draws)

    def group(index: int) -> Array:
        random = stream(seed, HAMILTONIAN, index)
        return _chains(density, laws, length, warm_up, random)

    return np.concatenate(over_threads(group, GROUPS, threads))


def chain_length(draws: int) -> int:
    """Draws of every chain, for so many in all.

    >>> chain_length(256), chain_length(4096)
    (32, 128)
    """
    return max(SHORTEST, -(-draws // (GROUP * GROUPS)))


def _chains(density: Density, laws: Mixture, length: int, warm_up: int, random: np.random.Generator) -> Array:
    """Points (GROUP, length, d) of one group."""
    scales = laws.laws[0]
    state = _state(density, scales, laws.draw(random, GROUP))
    step = FIRST_STEP
    points = np.empty((GROUP, length, density.prior.size))
    for number in range(-warm_up, length):
        state, acceptance = _moved(density, scales, state, step, random)
        if number < 0:
            step *= float(np.exp((acceptance - ACCEPTANCE) / np.sqrt(number + warm_up + 1)))
        else:
            points[:, number] = state.x
    return points


def _state(density: Density, scales: Student, x: Array) -> _State:
    """Points with their density and its slopes."""
    values, gradients = density.log_joint_and_gradient(x)
    return _State(x, values, gradients @ scales.root)


def _moved(
    density: Density, scales: Student, state: _State, step: float, random: np.random.Generator
) -> tuple[_State, float]:
    """The chains after one trajectory each, and the mean acceptance."""
    momentum = random.standard_normal(state.x.shape)
    jittered = step * random.uniform(0.8, 1.2)
    new, end = _leapfrog(density, scales, state, momentum, jittered)
    with np.errstate(over="ignore", invalid="ignore"):
        gain = new.log_joint - state.log_joint + 0.5 * ((momentum**2).sum(axis=1) - (end**2).sum(axis=1))
        probability = np.nan_to_num(np.exp(np.minimum(gain, 0.0)), nan=0.0)
    taken = random.random(GROUP) < probability
    mixed = _State(
        np.where(taken[:, None], new.x, state.x),
        np.where(taken, new.log_joint, state.log_joint),
        np.where(taken[:, None], new.slope, state.slope),
    )
    return mixed, float(probability.mean())


def _leapfrog(density: Density, scales: Student, state: _State, momentum: Array, step: float) -> tuple[_State, Array]:
    """Ends of trajectories, and the momenta there."""
    momentum = momentum + 0.5 * step * state.slope
    for left in reversed(range(min(LONGEST, int(np.ceil(LENGTH / step))))):
        state = _state(density, scales, state.x + step * momentum @ scales.root.T)
        momentum = momentum + (step if left else 0.5 * step) * state.slope
    return state, momentum
