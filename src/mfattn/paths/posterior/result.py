"""What the draws of a posterior tell: order parameters, predictions, evidence, weights."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mfattn.paths.checks import Array, checked_array, checked_integer
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.diagnostics import bulk_effective_size, kish_effective_size, r_hat
from mfattn.paths.posterior.estimates import Estimate, total_variance, weighted_mean
from mfattn.paths.posterior.streams import WEIGHTS, over_threads, stream
from mfattn.paths.posterior.weights import NetworkWeights, draw_weights
from mfattn.paths.symmetric import to_vector

Method = Literal["importance", "hamiltonian", "elliptical"]

NUMBERS = 2**24
"""Of kernels between the examples and others that are held at once."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Posterior of the noise-free outputs, (Q,) or (Q, C), with standard errors of sampling."""

    mean: Estimate
    variance: Estimate  # mean of the variances given U, and variance of the means


class Posterior:
    """Weighted draws of the order parameter.

    Means over the weights of the network are taken exactly given U, so that only U is sampled. Errors come from the
    differences between pieces: blocks of importance sampling, or chains.

    Attributes
    ----------
    method : str
        Sampler that made the draws.
    reason : str
        Why it was that sampler.
    x : (pieces, draws, d) array
        Coordinates, `Density.prior` of DENSITY.
    log_weights : (pieces, draws) array
        Logarithms of unnormalised weights, zero for chains.
    log_evidence : Estimate
        Logarithm of the density of the labels.
    effective_size : float
        Of Kish for weights; for chains the least bulk effective size of the entries of U_1.
    r_hat : float
        For chains the largest of the entries of U_1, and NaN for weights.
    """

    def __init__(self, density: Density, method: Method, x: Array, log_weights: Array, log_evidence: Estimate) -> None:
        self.density, self.method, self.x, self.log_weights = density, method, x, log_weights
        self.log_evidence, self.reason = log_evidence, "it was asked for"
        self._weights = np.exp(log_weights - log_weights.max())
        self._blocks = density.prior.order_parameters(x.reshape(-1, x.shape[2]))
        if method == "importance":
            self.effective_size, self.r_hat = kish_effective_size(log_weights), float("nan")
        else:
            entries = to_vector(self._blocks[0]).reshape(*x.shape[:2], -1)
            chains = [entries[:, :, index] for index in range(entries.shape[2])]
            self.effective_size = min(map(bulk_effective_size, chains))
            self.r_hat = max(map(r_hat, chains))

    def order_parameter(self, layer: int = 1) -> Estimate:
        """Mean of U_l, (p_l, p_l), from layer 1 to the read-out L + 1."""
        block = self._blocks[checked_integer("layer", layer, 1, len(self._blocks)) - 1]
        values = block.reshape(*self.x.shape[:2], *block.shape[1:])
        return weighted_mean(self._weights.sum(axis=1), np.einsum("bn,bnij->bij", self._weights, values))

    def kernel(self) -> Array:
        """Mean of the kernel K(U) of the examples, (P C, P C), without the temperature."""
        return self.density.action.kernels.kernel(self.order_parameter().value)

    def predict(self, features: ArrayLike, threads: int = 1) -> Prediction:
        """Outputs for features (Q, D, paths); the number of threads does not change them."""
        checked_integer("threads", threads, 1)
        kernels, outputs = self.density.action.kernels, self.density.action.network.outputs
        others = checked_array("features", features, ("Q", kernels.inputs, kernels.paths))
        step = max(1, NUMBERS // (len(self._blocks[0][0]) ** 2 * self.density.rows * outputs))
        cuts = range(0, len(others), step)
        moments = [self._moments(others[cut : cut + step], threads) for cut in cuts]
        means, squares = (np.concatenate(part, axis=1) for part in zip(*moments, strict=True))
        if outputs > 1:
            means, squares = (part.reshape(len(part), -1, outputs) for part in (means, squares))
        weights = self._weights.sum(axis=1)
        return Prediction(weighted_mean(weights, means), total_variance(weights, means, squares))

    def sample_weights(self, number: int, seed: int = 0) -> NetworkWeights:
        """Draws of all weights of the network, for integer widths.

        Order parameters are chosen from those that were drawn, with replacement, so that some repeat and no more are
        independent than the effective size; given these the weights are independent.
        """
        random = stream(checked_integer("seed", seed, 0), WEIGHTS)
        weights = self._weights.ravel()
        chosen = random.choice(len(weights), checked_integer("number", number, 1), p=weights / weights.sum())
        x = self.x.reshape(-1, self.x.shape[2])[chosen]
        return draw_weights(self.density.action, self.density.prior, x, random)

    def _moments(self, others: Array, threads: int) -> tuple[Array, Array]:
        """Weighted sums (pieces, Q C) of the means and of the second moments of the outputs."""
        tables = self.density.cross_tables(others)
        orders = self._blocks[0].reshape(*self.x.shape[:2], *self._blocks[0].shape[1:])

        def piece(index: int) -> tuple[Array, Array]:
            kept = self._weights[index] > 0
            weights = self._weights[index, kept]
            mean, variance = self.density.predictions(orders[index, kept], *tables)
            return weights @ mean, weights @ (variance + mean**2)

        means, squares = zip(*over_threads(piece, len(orders), threads), strict=True)
        return np.stack(means), np.stack(squares)
