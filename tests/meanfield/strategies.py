"""Random weights, starts and parameters for property-based tests."""

import numpy as np
from hypothesis import strategies as st

from mfattn.meanfield import (
    Context,
    Weights,
    assigned_weights,
    gaussian_weights,
    product_weights,
    random_weights,
    segmented_weights,
)

seeds = st.integers(0, 2**32 - 1)
gains = st.floats(0, 4)


SIZES = st.integers(1, 6)
BITS = st.integers(0, 6)


@st.composite
def weights(draw, features=SIZES, position_bits=BITS) -> Weights:
    """An instance of any of the five ensembles."""
    ensemble = draw(st.sampled_from(["segments", "random", "gaussian", "product", "assigned"]))
    m, p, seed = draw(features), draw(position_bits), draw(seeds)
    rng = draw(st.sampled_from(["legacy", "modern"]))
    if ensemble == "segments":
        segments = draw(st.integers(1, 12))
        return segmented_weights(m, p, template=8 * segments, segments=segments, seed=seed, rng=rng)
    if ensemble == "assigned":
        generator = np.random.default_rng(seed)
        base = draw(st.integers(1, 5))
        patterns = {name: generator.integers(0, base, m) for name in ("output", "value", "query", "key")}
        return assigned_weights(base, patterns, generator.choice([-1.0, 1.0], (4, m, p)))
    if ensemble == "random":
        return random_weights(m, p, template=draw(st.integers(1, 60)), seed=seed, rng=rng)
    make = {"gaussian": gaussian_weights, "product": product_weights}[ensemble]
    return make(min(m, 3), p, template=20, seed=seed, rng=rng)


@st.composite
def contexts(draw, instance: Weights, scale: float = 0.5) -> Context:
    """A context of any filling at any position that it can have."""
    length = instance.context_length
    filled = draw(st.one_of(st.just(length), st.integers(1, length)))
    position = draw(st.integers(0, length - 1))
    generator = np.random.default_rng(draw(seeds))
    return Context(generator.normal(0, scale, (filled, instance.features)), position)


@st.composite
def epsilons(draw, instance: Weights) -> float:
    """A share of the position that the instance allows."""
    return 0.0 if instance.position_bits == 0 else draw(st.floats(0, 1))
