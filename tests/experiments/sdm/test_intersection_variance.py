"""Signal and noise of real neurons against theory and reference simulations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.sdm.simulations import simulate_overlap, simulate_signal

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

NAME = "sdm_variance"
SMALL = ("overlaps.draws=60", "memories={patterns: 100, draws: 60, queries: 10}")


@pytest.fixture(scope="module")
def small(root):
    run = experiment_of(root, NAME, *SMALL)
    return run, complete(run)


def test_theory_is_that_of_the_reference(root, small):
    run, arrays = small
    case = reference(root, "variance_comparison")
    v = np.array(case["params"]["dv"])
    assert run.config.distances == tuple(v)
    assert_allclose(arrays["expected_overlap"][v], case["signal_exact"], rtol=1e-10)
    assert_allclose(arrays["sigma_paper"][v], case["sigma_appendix"], rtol=1e-10)
    assert_allclose(arrays["sigma_exact"][v], case["sigma_exact_random_patterns"], rtol=1e-10)
    assert_allclose(arrays["sigma_book"][v], case["sigma_book_old"], rtol=1e-10)


def test_simulations_agree_with_theory_and_with_the_reference(root, small):
    run, arrays = small
    v = np.array(run.config.distances)
    for name in ("overlap", "signal"):
        low, high = arrays[f"{name}_band"].T
        room = (high - low) / 2
        assert ((low - room < arrays["expected_overlap"][v]) & (arrays["expected_overlap"][v] < high + room)).all(), (
            name
        )
    # A sum of independent neurons has the variance of its mean.
    assert_allclose(arrays["overlap_variance"][:6], arrays["expected_overlap"][v[:6]], rtol=0.7)
    for row, distance in enumerate(v):
        case = reference(root, "mc_variance_n100")[str(distance)]
        assert arrays["sigma"][row] == pytest.approx(case["sigma_total"], rel=0.06)
        expected = case["mean_signal"] / case["sigma_total"]
        low, high = arrays["signal_to_noise_band"][row]
        assert low - (high - low) < expected < high + (high - low)
    # The appendix is too small far away, the book near by.
    assert (arrays["sigma_band"][5:, 0] > arrays["sigma_paper"][v[5:]]).all()
    assert (arrays["sigma_band"][:6, 0] > arrays["sigma_book"][v[:6]]).all()


def test_bands_of_ratios_have_the_width_of_their_parts():
    found = simulate_signal(100, 35, 2000, 20, [0, 10], draws=30, queries=10, seed=3)
    assert_allclose(found.ratio, found.signal / found.sigma)
    assert (found.ratio_band[0] < found.ratio).all() and (found.ratio < found.ratio_band[1]).all()
    relative = [
        np.ptp(band, axis=0) / value
        for band, value in (
            (found.ratio_band, found.ratio),
            (found.signal_band, found.signal),
            (found.sigma_band, found.sigma),
        )
    ]
    assert (relative[0] < relative[1] + relative[2]).all()


def test_overlaps_of_the_same_address_are_a_ball(root):
    found = simulate_overlap(64, 64, 500, [0, 3], draws=2)
    assert found.mean.tolist() == [500, 500] and found.variance.tolist() == [0, 0]
    # No failure in a thousand trials has a probability of at most 0.37 %.
    assert_allclose(found.band, [[498.16, 498.16], [500, 500]], atol=0.01)
    nothing = simulate_overlap(64, 0, 500, [9], draws=2)
    assert_allclose(nothing.band[:, 0], [0, 1.84], atol=0.01)
    with pytest.raises(ValueError, match="draws must be at least 2"):
        simulate_overlap(64, 3, 5, [0], draws=1)


def test_a_distance_does_not_depend_on_the_others(root, small):
    alone = complete(experiment_of(root, NAME, *SMALL, "distances=[8]"))
    for name in alone.keys() & small[0].point_layout().keys():
        assert np.array_equal(alone[name][0], small[1][name][3]), name
    other = complete(experiment_of(root, NAME, *SMALL, "distances=[8]", "seed=2"))
    assert other["sigma"][0] != alone["sigma"][0]


def test_blocks_figures_tables_and_findings(root, small, monkeypatch):
    check_results(*small, [""], monkeypatch)
    tiny = ("overlaps.draws=3", "memories={patterns: 5, draws: 3, queries: 5}")
    check_blocks(experiment_of(root, NAME, *tiny), 3)
    # Where all neurons are always active, all numbers of a panel are the same.
    run = experiment_of(root, NAME, *tiny, "bits=3", "radius=3", "distances=[3]", "neurons=10")
    assert run.draw(complete(run))


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["radius=101"], "radius", "at most bits (100), found 101"),
        (["distances=[1, 101]"], "distances[1]", "at most bits (100), found 101"),
        (["distances=[1, 1]"], "distances", "different numbers, found 1, 1"),
        (["memories.queries=101"], "memories.queries", "at most the 100 patterns, found 101"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
