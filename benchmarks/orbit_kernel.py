"""Time of a step of the orbit kernel, as a ratio to the floor that its exp and tanh calls set.

The floor of a step is J tanh + L exp at NumPy's own elementwise speed on 4,096 doubles, measured in the same run; J is
the model's number of column classes. One thread, 64 points.

    python benchmarks/orbit_kernel.py
"""

import time
from collections.abc import Callable

import numpy as np

from mfattn.meanfield import Context, Orbits, Weights, segmented_weights
from mfattn.meanfield.observe import OBSERVED, Observer, Raster
from mfattn.pipeline.provenance import machine

POINTS = 64
REPEATS = 5


def best(call: Callable[[], object], per: int) -> float:
    """Least time of a call, in nanoseconds per unit of work."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / per


def elementwise(function: np.ufunc) -> float:
    """Nanoseconds of NumPy's FUNCTION on one of 4,096 doubles."""
    values = np.random.default_rng(1).normal(size=4096)
    out, calls = np.empty_like(values), 500

    def call() -> None:
        for _ in range(calls):
            function(values, out)

    return best(call, calls * values.size)


def floor(weights: Weights) -> float:
    """Nanoseconds of J tanh and L exp."""
    return len(weights.classes.signs) * elementwise(np.tanh) + weights.context_length * elementwise(np.exp)


def orbits_of(weights: Weights) -> Orbits:
    """Orbits over the zoom's range of beta, past their first steps."""
    window = np.random.default_rng(0).normal(0, 0.2, (weights.context_length, weights.features))
    beta = np.linspace(1.24, 1.28, POINTS)
    orbits = Orbits(weights, beta=beta, gamma=220, epsilon=0.02, starts=Context(window, weights.context_length - 1))
    orbits.advance(20_000)
    return orbits


def report_steps() -> None:
    print(f"{'M':>2} {'L':>3} {'J':>3} {'step':>9} {'floor':>9} {'ratio':>6}")
    for features, position_bits, segments in ((3, 2, 3), (3, 5, 3), (6, 3, 3), (6, 3, 33)):
        weights = segmented_weights(features, position_bits, template=99, segments=segments, seed=1, rng="legacy")
        orbits, steps = orbits_of(weights), 400_000 // weights.context_length
        below = floor(weights)
        step = best(lambda: orbits.advance(steps), steps * POINTS)  # noqa: B023 -- called at once
        below = min(below, floor(weights))
        classes = len(weights.classes.signs)
        sizes = f"{features:>2} {weights.context_length:>3} {classes:>3}"
        print(f"{sizes} {step:>6.1f} ns {below:>6.1f} ns {step / below:>6.2f}")


def report_recording() -> None:
    print("\nrecording, M = 3, L = 4, 2,000 bins, 3 features, section width 0.001")
    print(f"{'observables':<32} {'step':>9} {'recorded':>9} {'ratio':>6}")
    weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    for observables in (OBSERVED[:1], OBSERVED):
        orbits, steps = orbits_of(weights), 50_000
        observer = Observer(
            orbits, raster=Raster(2000, -0.6, 0.6), width=1e-3, features=[0, 1, 2], observables=observables
        )
        observer.observe(1)
        step = best(lambda: orbits.advance(steps), steps * POINTS)  # noqa: B023 -- called at once
        recorded = best(lambda: observer.observe(steps), steps * POINTS)  # noqa: B023
        step = min(step, best(lambda: orbits.advance(steps), steps * POINTS))  # noqa: B023
        print(f"{', '.join(observables):<32} {step:>6.1f} ns {recorded:>6.1f} ns {recorded / step:>6.2f}")


def main() -> None:
    features = [name for name, present in np._core._multiarray_umath.__cpu_features__.items() if present]
    print(f"{machine()['processor']}, NumPy {np.__version__}, {' '.join(features)}\n")
    report_steps()
    report_recording()


if __name__ == "__main__":
    main()
