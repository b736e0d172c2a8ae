"""The published second zoom, attractor by attractor, and its transient chaos.

The published numbers are no part of this repository: these tests are skipped where they are not beside it.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from mfattn.meanfield import Context, Orbits, Tangents, segmented_weights, spectrum
from mfattn.meanfield.motion import measure_motion
from mfattn.meanfield.regimes import Regime
from mfattn.meanfield.settling import settle

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT.parent / "shared" / "reference" / "meanfield" / "published_zoom2.json"
ESCAPED = {668, 682, 688, 693}
"""Points whose published exponents are averages over an escape that happened while they were measured."""

POINTS = json.loads(PUBLISHED.read_text())["points"] if PUBLISHED.exists() else []
needs_numbers = pytest.mark.skipif(not POINTS, reason=f"{PUBLISHED.name} is not part of the repository")
HARD = {"gamma": 220.0, "epsilon": 0.02}


def weights():
    return segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")


def random_starts(number, seed):
    windows = np.random.default_rng(seed).uniform(-1, 1, (number, 4, 3))
    return [Context(window, 3) for window in windows]


def exponents_of(point):
    """Published exponents above -1: those that float64 resolves."""
    exponents = np.array(point["spectrum_sorted"])[:6]
    return exponents[exponents > -1]


def published_context():
    context = yaml.safe_load((ROOT / "cfgs" / "zoom2.yaml").read_text())["start"]["context"]
    return np.array(context["attention"]), context["newest_position"]


@needs_numbers
@pytest.mark.slow
def test_fifteen_published_points_lie_on_attractors_that_random_starts_reach():
    points = [point for point in POINTS if point["index"] not in ESCAPED]
    assert len(points) == 15
    beta = np.repeat([point["beta"] for point in points], 100)
    starts = [start for number in range(len(points)) for start in random_starts(100, number)]
    settling = settle(Orbits(weights(), beta=beta, starts=starts, **HARD), first=20_000, limit=400_000)
    motion = measure_motion(settling.orbits, 6, 50_000, settled=settling.settled)
    for number, point in enumerate(points):
        expected = exponents_of(point)
        rows = slice(100 * number, 100 * (number + 1))
        found, resolved = motion.spectrum.exponents[rows, : len(expected)], motion.spectrum.resolved[rows]
        distance = np.abs(found - expected).max(axis=1)
        assert resolved[:, : len(expected)].all(axis=1)[distance.argmin()]
        assert distance.min() < 1e-3, point["beta"]


@needs_numbers
@pytest.mark.slow
@pytest.mark.parametrize("index", sorted(ESCAPED))
def test_four_published_points_are_averages_over_an_escape(index):
    """They lie between the exponents of the chaotic saddle and those of the attractor that is reached from it."""
    point = next(point for point in POINTS if point["index"] == index)
    window, position = published_context()
    noise = np.random.default_rng(index).normal(0, 1e-7, (96, *window.shape))
    starts = [Context(window + small, position) for small in noise]
    orbits = Orbits(weights(), beta=point["beta"], starts=starts, **HARD)
    orbits.advance(100_000)
    motion = measure_motion(orbits, 3, 75_000, alignment=0)
    blocks = motion.spectrum.finite_time
    last_chaotic = np.array([np.flatnonzero(row > 0.05).max(initial=-1) for row in blocks[..., 0]])
    during = np.flatnonzero((last_chaotic >= 8) & (last_chaotic < 56))
    assert len(during) >= 3
    assert (motion.regime[during] == Regime.UNSETTLED).all()
    assert (motion.regime[last_chaotic == -1] == Regime.PERIODIC).all()
    chaos = np.concatenate([blocks[row, : last_chaotic[row]] for row in during]).mean(axis=0)
    reached = blocks[during, -4:].mean(axis=1)
    # Our own averages over an escape scatter about the line between the two by the length of the spell of chaos.
    own = [excess(*pair, chaos) for pair in zip(motion.spectrum.exponents[during], reached, strict=True)]
    published = np.array(point["spectrum_sorted"][:3])
    distances = [excess(published, attractor, chaos) / np.std(own, axis=0) for attractor in reached]
    assert np.abs(distances).max(axis=1).min() < 3


def excess(average, attractor, chaos):
    """Second and third exponent above those of the mixture of chaos and attractor that has the first one."""
    share = (average[0] - attractor[0]) / (chaos[0] - attractor[0])
    assert 0 < share < 1.1
    return (average - share * chaos - (1 - share) * attractor)[1:]


SURVIVORS = {1.2742: (11, 5, 1), 1.275: (10, 7, 0), 1.276: (12, 11, 9), 1.278: (12, 12, 12), 1.3: (12, 12, 12)}
"""Of 12 random starts, those with a leading exponent above 0.02 over 4,000 steps after 2 10^4, 10^5 and 10^6 steps."""


@pytest.mark.slow
@pytest.mark.parametrize("beta", SURVIVORS)
def test_chaos_lasts_as_long_as_the_specification_counted(beta):
    orbits = Orbits(weights(), beta=beta, starts=random_starts(48, 5), **HARD)
    done = 0
    for steps, expected in zip((20_000, 100_000, 1_000_000), SURVIVORS[beta], strict=True):
        orbits.advance(steps - done)
        leading = spectrum(Tangents(orbits, 1), 4000, alignment=0).exponents[:, 0]
        done = steps + 4000
        chaotic = int(np.count_nonzero(leading > 0.02))
        # Two draws, of 12 and of 48, from one probability: a difference beyond 3.5 of its standard errors is none.
        pooled = (chaotic + expected) / 60
        error = math.sqrt(max(pooled * (1 - pooled), 1 / 60) * (1 / 12 + 1 / 48))
        assert abs(chaotic / 48 - expected / 12) < 3.5 * error, (steps, chaotic, expected)
