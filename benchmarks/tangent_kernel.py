"""Time of a step with tangent vectors, as a ratio to the step of the orbit alone, measured in the same run.

One thread, 64 points (16 for the full spectrum of n = 96). The exponents are resolved at the parameters chosen, so that
the interval stays at 5 steps; at the published hard softmax (gamma = 220) a full spectrum shortens it to 1 by itself.

    python benchmarks/tangent_kernel.py
"""

import numpy as np
from orbit_kernel import best

from mfattn.meanfield import Context, Orbits, Tangents, segmented_weights
from mfattn.pipeline.provenance import machine

EVERY = 5
CASES = (  # position bits, exponents, points, steps, most and aimed-at ratio
    (2, 1, 64, 60_000, None, None),
    (2, 3, 64, 30_000, 8, 4),
    (2, 12, 64, 10_000, 25, 8),
    (5, 3, 64, 6_000, 12, 9),
    (5, 96, 16, 200, 900, 500),
)


def orbits_of(position_bits: int, points: int) -> Orbits:
    """Orbits past their first steps, at a soft attention."""
    weights = segmented_weights(3, position_bits, template=99, segments=3, seed=1, rng="legacy")
    length = weights.context_length
    window = np.random.default_rng(0).normal(0, 0.2, (length, 3))
    beta = np.linspace(0.9, 1.2, points)
    orbits = Orbits(weights, beta=beta, gamma=5, epsilon=0.02, starts=Context(window, length - 1))
    orbits.advance(2000)
    return orbits


def main() -> None:
    print(f"{machine()['processor']}, NumPy {np.__version__}\n")
    print(f"{'n':>3} {'exponents':>9} {'step':>10} {'with tangents':>14} {'ratio':>7} {'gate':>5} {'aim':>5}")
    for position_bits, exponents, points, steps, gate, aim in CASES:
        orbits, plain = orbits_of(position_bits, points), orbits_of(position_bits, points)
        tangents = Tangents(orbits, exponents, every=EVERY)
        tangents.advance(1)
        plain_steps = 400_000 // plain.weights.context_length
        step = best(lambda: plain.advance(plain_steps), plain_steps * points)  # noqa: B023 -- called at once
        with_tangents = best(lambda: tangents.advance(steps), steps * points)  # noqa: B023
        step = min(step, best(lambda: plain.advance(plain_steps), plain_steps * points))  # noqa: B023
        assert (tangents.interval == EVERY).all()
        n, bounds = 3 * plain.weights.context_length, f"{gate or '':>5} {aim or '':>5}"
        print(f"{n:>3} {exponents:>9} {step:>7.1f} ns {with_tangents:>11.1f} ns {with_tangents / step:>7.2f} {bounds}")


if __name__ == "__main__":
    main()
