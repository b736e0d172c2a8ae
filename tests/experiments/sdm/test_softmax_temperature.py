"""Inverse temperatures over the radius, against the published table and reference fits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.experiments.sdm.softmax_temperature import cap_radius

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

SMALL = ("radii={first: 5, last: 15, step: 5}", "figure={radii: [5, 15], lines: [10, 25], taylor_multiple: 3}")


def test_the_published_table_is_reproduced(root):
    run = experiment_of(root, "sdm_temperature_64", "fitted=to_radius", "estimators=[paper]", "kinds=[binary]")
    stored = reference(root, "beta_fits")["paper"]["stored_outputs"]["n64_table_dv_1_to_d"]
    assert_allclose(complete(run)["beta_binary_paper"], list(stored.values()), atol=1e-6)


def test_fits_are_those_of_the_reference(root):
    data = reference(root, "beta_fits")
    run = experiment_of(root, "sdm_temperature_64", "estimators=[ols, paper, softmax, kl]")
    arrays = complete(run)
    cases = {case["d"]: case for case in data["rows"] if case["n"] == 64}
    compared = 0
    for row, radius in enumerate(arrays["radius"].tolist()):
        if radius in cases:
            compared += 1
            assert_allclose(arrays["beta_binary_ols"][row], cases[radius]["beta_ols"], rtol=1e-9)
            assert_allclose(arrays["beta_binary_paper"][row], cases[radius]["beta_repo_definition"], rtol=1e-9)
            assert_allclose(arrays["beta_binary_softmax"][row], cases[radius]["beta_softmax_mse"], rtol=1e-4)
    assert compared >= 5
    for case in reference(root, "cap_intersection")["beta_fits"]:
        if case["n"] == 64:
            row = arrays["radius"].tolist().index(case["d"])
            assert_allclose(arrays["beta_cap_ols"][row], case["beta_ols"], rtol=1e-8)


def test_the_paper_prints_what_its_estimator_gives(root):
    run = experiment_of(root, "sdm_temperature_64", *SMALL, "radii={first: 5, last: 15, step: 1}", "kinds=[binary]")
    arrays = complete(run)
    rows = np.isin(arrays["radius"], (5, 11, 15))
    assert arrays["beta_binary_paper"][rows].round(1).tolist() == [35.5, 15.9, 10.1]
    assert arrays["beta_binary_ols"][rows].round(2).tolist() == [28.39, 14.41, 9.44]
    assert arrays["r_squared_binary_ols"][rows].round(3).tolist() == [0.887, 0.972, 0.984]
    assert any("35.48" in text for _, text in run.findings(arrays))


def test_caps_can_hold_the_same_share(root):
    run = experiment_of(root, "sdm_temperature_64", *SMALL, "caps=fraction")
    same = complete(experiment_of(root, "sdm_temperature_64", *SMALL))
    arrays = complete(run)
    assert cap_radius(64, 11, "fraction") == pytest.approx(12.675, abs=1e-3)
    # Caps of the same share are wider than those of the same radius, and so less steep.
    assert (arrays["beta_cap_ols"] < same["beta_cap_ols"]).all()
    assert_allclose(arrays["beta_binary_ols"], same["beta_binary_ols"])


def test_blocks_and_partial_results(root, monkeypatch):
    run = experiment_of(root, "sdm_temperature_64", *SMALL)
    check_blocks(run, 2)
    check_results(run, complete(run), [""], monkeypatch)


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["radii={first: 1, last: 9}"], "radii.first", "at least 2"),
        (["radii={first: 3, last: 9}", "estimators=[levels]", "fitted=to_radius"], "radii.first", "at least 4"),
        (["radii={first: 9, last: 5}"], "radii.last", "from radii.first (9) to 64"),
        (["radii={first: 9, last: 64}", "caps=fraction"], "radii.last", "to 63"),
        (["kinds=[cap, cap]"], "kinds", "different ones"),
        (["bits=20000"], "bits", "10,000"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, "sdm_temperature_64", assignments, key, message)
