"""Importance sampling of the posterior from a mixture that is easy to draw from.

Own, as no library samples importance with a density that is computed for a block of draws at once.
"""

import numpy as np

from mfattn.paths.checks import Array
from mfattn.paths.posterior.density import Density, NoDensity
from mfattn.paths.posterior.streams import IMPORTANCE, over_threads, stream
from mfattn.paths.posterior.student import Mixture

BLOCK = 128
"""Draws of one random stream."""


def sample_importance(density: Density, law: Mixture, draws: int, seed: int, threads: int) -> tuple[Array, Array]:
    """Points (blocks, BLOCK, d), DRAWS at least, and the logarithms (blocks, BLOCK) of joint density over that of LAW.

    The mean of the ratios is the evidence. Results do not depend on the number of threads.

    Raises
    ------
    NoDensity
        If the density can be computed at none of the draws.
    """

    def block(index: int) -> tuple[Array, Array]:
        x = law.draw(stream(seed, IMPORTANCE, index), BLOCK)
        return x, density.log_joint(x) - law.log_density(x)

    points, log_weights = map(np.stack, zip(*over_threads(block, -(-draws // BLOCK), threads), strict=True))
    if not np.isfinite(log_weights).any():
        raise NoDensity("the posterior density cannot be computed at any of the draws")
    return points, log_weights
