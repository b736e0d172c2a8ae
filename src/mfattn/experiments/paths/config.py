"""Config sections that the experiments on attention paths share."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from mfattn.experiments.sections import Seed, distinct_mistakes
from mfattn.paths.network import Network
from mfattn.pipeline.config import Config, Tuple
from mfattn.pipeline.yaml_text import KeyPath

Width = Annotated[int, Field(ge=1, le=1_000_000)]
Temperature = Annotated[float, Field(ge=1e-10, le=1e6)]
Variance = Annotated[float, Field(ge=1e-6, le=1e6)]

Widths = Annotated[Tuple[Width], Field(min_length=1, max_length=100)]
Temperatures = Annotated[Tuple[Temperature], Field(min_length=1, max_length=100)]
Variances = Annotated[Tuple[Variance], Field(min_length=3, max_length=6)]
"""Prior variances of V_0, V_1 ... V_L and a."""


def variance_mistakes(variances: Sequence[float] | None, heads: Sequence[int]) -> Iterator[tuple[KeyPath, str]]:
    """Not as many variances as there are kinds of weights."""
    wanted = len(heads) + 2
    if variances is not None and len(variances) != wanted:
        yield ("variances",), f"{wanted} numbers, of V_0 to V_{len(heads)} and a, found {len(variances)}"


def network_of(heads: Sequence[int], width: float, variances: Sequence[float] | None) -> Network:
    """The network whose widths are all the same."""
    return Network(heads, (width,) * (len(heads) + 1), 1.0 if variances is None else variances)


def input_scale(variances: Sequence[float] | None) -> float:
    """Standard deviation σ_0 of V_0, which the features carry."""
    return 1.0 if variances is None else float(variances[0]) ** 0.5


class SolverConfig(Config):
    """How the action is minimised."""

    method: Literal["noncentred", "reduced"] = Field(
        "noncentred", description="L-BFGS and Newton in non-centred coordinates, or Riemannian Newton on U_1."
    )
    starts: Literal["auto", "gp", "all"] = Field(
        "auto",
        description="From infinite width; from more where several minima may be; or from random ones too.",
    )
    random_starts: int = Field(32, ge=0, le=1000, description="Random starts, with `starts: all`.")
    seed: Seed = Field(0, description="Seed of the random starts.")


class PosteriorConfig(Config):
    """The exact posterior of finite networks."""

    method: Literal["auto", "importance", "hamiltonian", "elliptical"] = Field(
        "auto", description="Sampler; `auto` takes the one that fits."
    )
    draws: int = Field(
        4096, ge=256, le=1_000_000, description="Draws of the order parameter, in all; of chains 1,024 at least."
    )
    warm_up: int = Field(200, ge=0, le=100_000, description="Draws that every chain leaves out first.")
    seed: Seed = Field(0, description="Seed.")


def sweep_mistakes(**lists: Sequence[float] | None) -> Iterator[tuple[KeyPath, str]]:
    """Numbers that repeat themselves in the lists of these keys."""
    for name, values in lists.items():
        yield from distinct_mistakes((name,), values)
