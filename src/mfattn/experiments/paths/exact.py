"""The exact posterior as experiments draw it, and distances of theory from it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.paths.config import PosteriorConfig
from mfattn.paths.action import Action
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from mfattn.paths.posterior import Estimate, Posterior


def posterior_of(action: Action, config: PosteriorConfig) -> "Posterior | None":
    """Draws, also from chains that disagree, as their R-hat tells; None where the density cannot be computed."""
    from mfattn.paths.posterior import ChainsDisagree, NoDensity, sample_posterior

    try:
        return sample_posterior(
            action, method=config.method, draws=config.draws, warm_up=config.warm_up, seed=config.seed
        )
    except ChainsDisagree as disagreement:
        return disagreement.posterior
    except NoDensity:
        return None


def importance_mistakes(config: PosteriorConfig, width: int, paths: int) -> Iterator[tuple[KeyPath, str]]:
    """Importance sampling at a least width that is below the number of paths."""
    if config.method == "importance" and width < paths:
        yield ("method",), f"another than importance where a width is below the number of paths ({paths})"


def relative_distance(name: str, theory: NDArray[np.float64], exact: "Estimate") -> dict[str, float]:
    """Distance relative to the size of what is exact, `NAME_deviation`, and the noise of the latter, `NAME_noise`.

    The noise adds to the square of the distance, from which it is taken off; where it is larger, the distance is 0.
    """
    size, noise = float(np.linalg.norm(exact.value)), float(np.linalg.norm(exact.error))
    if size == 0:
        return {f"{name}_deviation": np.nan, f"{name}_noise": np.nan}
    square = float(np.linalg.norm(theory - exact.value)) ** 2 - noise**2
    return {f"{name}_deviation": max(square, 0.0) ** 0.5 / size, f"{name}_noise": noise / size}
