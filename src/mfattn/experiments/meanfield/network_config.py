"""Config section of finite networks, and what it builds."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn import meanfield
from mfattn.experiments.meanfield.config import ModelConfig, StartConfig
from mfattn.experiments.meanfield.weights_config import (
    LARGEST_SEED,
    AssignedWeights,
    RandomWeights,
    SegmentedWeights,
    Tuple,
)
from mfattn.meanfield import Context, Weights
from mfattn.meanfield.network import MOST_BITS
from mfattn.pipeline.config import Config
from mfattn.pipeline.yaml_text import KeyPath


class NetworkConfig(Config):
    """Finite networks beside the mean field."""

    bits: Tuple[Annotated[int, Field(ge=1, le=MOST_BITS)]] = Field(
        min_length=1,
        max_length=24,
        description="Numbers N of semantic bits: multiples of the weights' columns, which are repeated.",
    )
    replicas: int = Field(1, ge=1, le=100_000, description="Independent networks of each size.")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="Seed of the bits that are drawn.")

    def describe(self, weights: Weights) -> str:
        """A line that tells a user the networks."""
        sizes, classes = ", ".join(f"{bits:,}" for bits in self.bits), len(weights.joint_classes[1])
        return f"N = {sizes}; {self.replicas:,} of each, seed {self.seed}; {classes:,} classes of bits"

    def streams(self, keys: Sequence[tuple[int, ...]]) -> NDArray[np.uint64]:
        """Random streams, one a network, by whatever names it."""
        return meanfield.streams(self.seed, keys)


class SharingNetworkConfig(NetworkConfig):
    """Finite networks, and the share of the position in their tokens."""

    share: Literal["epsilon", "bits"] = Field(
        "epsilon",
        description="Share of the position: `epsilon` of the model, or with `bits` that of P among N + P equal bits.",
    )


def network_mistakes(network: NetworkConfig, model: ModelConfig) -> Iterator[tuple[KeyPath, str]]:
    """Ensembles without weights, and sizes that do not fit."""
    weights = model.weights
    if not isinstance(weights, SegmentedWeights | RandomWeights | AssignedWeights):
        allowed = "segments, random or assigned: a network needs weights, not correlations"
        yield ("model", "weights", "ensemble"), f"{allowed}, found '{weights.ensemble}'"
        return
    columns = 2 ** (weights.base_patterns - 1) if isinstance(weights, AssignedWeights) else weights.template
    for number, bits in enumerate(network.bits):
        if bits % columns:
            yield ("network", "bits", number), f"a multiple of the weights' {columns:,} columns, found {bits:,}"
    if len(set(network.bits)) != len(network.bits):
        yield ("network", "bits"), f"different numbers, found {', '.join(map(str, network.bits))}"


def network_start(start: StartConfig, weights: Weights, epsilon: float) -> Context:
    """The start of a network at one parameter point: a prompt stays in the window."""
    if start.context is not None:
        return start.context_of(weights, epsilon)
    if start.pattern is not None:
        return meanfield.context_after_prompt(weights, meanfield.pattern_fields(weights, start.pattern))
    assert start.prompt is not None
    token = meanfield.prompt_token(weights, start.prompt.source, start.prompt.row)
    return meanfield.context_after_prompt(weights, meanfield.token_fields(weights, token, epsilon))
