"""Circle intersections as an experiment: exact counts, weighted variants, figures and mistakes."""

import math

import numpy as np
import pytest

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

NAME = "sdm_circles_64"


def test_shares_are_the_exact_counts(root):
    run = experiment_of(root, NAME)
    arrays = complete(run)
    counts = reference(root, "circle_intersection")["n64_all_d_all_dv_counts"]
    for radius, logs in zip(arrays["radius"], arrays["log_share"], strict=True):
        exact = [int(count) for count in counts[str(radius)]]
        expected = [math.log(count) - 64 * math.log(2) if count else -math.inf for count in exact]
        np.testing.assert_allclose(logs, expected, rtol=1e-11)


def test_fractions_choose_the_published_radii(root):
    run = experiment_of(root, "sdm_circles")
    assert run.constants()["radius"].tolist() == [411, 433, 451, 480]
    assert dict(run.findings(complete(run)))["d = 451"] == "p = 0.001072, r p = 1072"


def test_a_cosine_weight_is_a_quarter_of_a_linear_one(root):
    linear, cosine = (
        complete(experiment_of(root, NAME, f"weighting={weighting}"))["log_share"] for weighting in ("linear", "cosine")
    )
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose((linear - cosine)[np.isfinite(linear)], math.log(4), rtol=1e-12)


def test_blocks_do_not_matter(root):
    check_blocks(experiment_of(root, NAME), 2)


@pytest.mark.parametrize("assignments", [(), ("figure={neurons: 1, distance: 10}",)])
def test_results_are_drawn(root, monkeypatch, assignments):
    run = experiment_of(root, NAME, *assignments)
    check_results(run, complete(run), [""], monkeypatch)


@pytest.mark.parametrize(
    ("assignment", "key", "message"),
    [
        ("balls.radii=[65]", "balls.radii[0]", "at most bits (64), found 65"),
        ("balls.radii=[-1]", "balls.radii[0]", "a whole number from 0"),
        ("balls.radii=[5, 5]", "balls.radii", "different numbers"),
        ("balls.bits=0", "balls.bits", "a whole number from 1"),
        ("balls.fractions=[0.5]", "balls", "only one of radii and fractions"),
        ("balls={bits: 64}", "balls", "one of radii and fractions is needed"),
        ("balls={bits: 64, fractions: [0.1, 0.11]}", "balls.fractions", "different radii"),
        ("figure.neurons=0", "figure.neurons", "a finite number from 1"),
        ("rate=.nan", "rate", "a finite number"),
        ("weighting=cubic", "weighting", "one of"),
    ],
)
def test_mistakes_name_their_key(root, assignment, key, message):
    check_mistake(root, NAME, [assignment], key, message)
