"""Time of a step of the finite network: drawn by classes of bits, against bit by bit, and against the mean field.

All on one thread, in one run; 64 networks unless said otherwise. A class costs a binomial draw, whatever N.

    python benchmarks/network.py
"""

import time
from collections.abc import Callable

import numpy as np

from mfattn.meanfield import (
    Context,
    DenseNetwork,
    FiniteNetwork,
    Orbits,
    Weights,
    context_after_prompt,
    prompt_token,
    random_weights,
    segmented_weights,
    streams,
    token_fields,
)
from mfattn.pipeline.provenance import machine

PUBLISHED_BITS, PUBLISHED_STEPS = 990_000, 120_000
NETWORKS, REPEATS = 64, 5
PARAMETERS = {"beta": 1.26405, "gamma": 220.0, "epsilon": 0.02}


def best(call: Callable[[], object], per: int) -> float:
    """Least time of a call, in nanoseconds per unit of work."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / per


def start_of(weights: Weights) -> Context:
    window = np.random.default_rng(0).normal(0, 0.2, (weights.context_length, weights.features))
    return Context(window, weights.context_length - 1)


def mean_field_step(weights: Weights, points: int = NETWORKS) -> float:
    orbits, steps = Orbits(weights, starts=[start_of(weights)] * points, **PARAMETERS), 20_000
    orbits.advance(steps)
    return best(lambda: orbits.advance(steps), steps * points)


def network_step(weights: Weights, bits: int, networks: int = NETWORKS) -> float:
    keys = [(number,) for number in range(networks)]
    network = FiniteNetwork(weights, bits=bits, starts=start_of(weights), streams=streams(1, keys), **PARAMETERS)
    steps = max(20, 20_000 // len(weights.joint_classes[1]))
    network.advance(steps)
    return best(lambda: network.advance(steps), steps * networks)


def dense_step(weights: Weights, bits: int) -> float:
    network = DenseNetwork(
        weights, bits=bits, start=start_of(weights), generator=np.random.default_rng(1), **PARAMETERS
    )
    network.record(5)
    return best(lambda: network.record(5), 5)


def published_comparison(weights: Weights) -> float:
    """Seconds of one network's published run from its prompt."""
    fields = token_fields(weights, prompt_token(weights, "output", 0), PARAMETERS["epsilon"])
    start = time.perf_counter()
    network = FiniteNetwork(
        weights,
        bits=PUBLISHED_BITS,
        starts=context_after_prompt(weights, fields),
        streams=streams(1, [(0,)]),
        **PARAMETERS,
    )
    network.advance(PUBLISHED_STEPS - 20_000)
    network.record(20_000)
    return time.perf_counter() - start


def report_published() -> None:
    weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    print(f"published network, {len(weights.joint_classes[1])} joint classes\n")
    print(f"{'bits':>11} {'together':>8} {'mean field':>10} {'step':>10} {'ratio':>6}")
    for bits, networks in ((99, NETWORKS), (9900, NETWORKS), (PUBLISHED_BITS, 1), (PUBLISHED_BITS, NETWORKS)):
        step, mean_field = network_step(weights, bits, networks), mean_field_step(weights, networks)
        print(f"{bits:>11,} {networks:>8} {mean_field:>7.1f} ns {step:>7.0f} ns {step / mean_field:>6.1f}")
    dense = dense_step(weights, PUBLISHED_BITS)
    print(f"\nbit by bit at {PUBLISHED_BITS:,} bits: {1e-6 * dense:.1f} ms a step, {dense / step:,.0f} times the last")
    print(f"published comparison, {PUBLISHED_STEPS:,} steps of one network: {published_comparison(weights):.2f} s\n")


def report_classes() -> None:
    print(f"{'joint classes':>13} {'bits':>11} {'mean field':>10} {'step':>10} {'a class':>9}")
    for template, bits in ((99, 99), (99, PUBLISHED_BITS), (9900, 9900), (9900, PUBLISHED_BITS)):
        weights = random_weights(3, 2, template=template, seed=1)
        classes, mean_field = len(weights.joint_classes[1]), mean_field_step(weights)
        step = network_step(weights, bits)
        print(f"{classes:>13,} {bits:>11,} {mean_field:>7.0f} ns {step:>7,.0f} ns {step / classes:>6.1f} ns")


def main() -> None:
    print(f"{machine()['processor']}, NumPy {np.__version__}\n")
    report_published()
    report_classes()


if __name__ == "__main__":
    main()
