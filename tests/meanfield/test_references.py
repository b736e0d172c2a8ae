"""Published instances against reference numbers: weights, prompts, plain model and kernel."""

import json
from pathlib import Path

import numpy as np
import pytest

from mfattn.meanfield import (
    FIELDS,
    Model,
    Orbits,
    assigned_weights,
    context_from_pattern,
    context_from_token,
    gaussian_weights,
    product_weights,
    prompt_token,
    random_weights,
    segmented_weights,
)

DATA = Path(__file__).parent.parent / "data"
CASES = json.loads((DATA / "cases.json").read_text())["trajectories"]
ASSIGNED = json.loads((DATA / "assigned_cases.json").read_text())
SOURCES = {"W^o": "output", "W^v": "value", "W^q": "query", "W^k": "key", "random": "random"}
ENSEMBLES = {
    "segments": lambda *sizes, **options: segmented_weights(*sizes, segments=3, **options),
    "random": random_weights,
    "gaussian": gaussian_weights,
    "product": product_weights,
}
NAMES = {
    "att": "attention",
    "mo": "overlap_o",
    "mo_se": "overlap_o_semantic",
    "mv": "overlap_v",
    "mq": "overlap_q",
    "mk": "overlap_k",
}


def number(case) -> str:
    return f"{case['case']:02d}"


def instance(case):
    make = ENSEMBLES[case["ensemble"]]
    return make(case["M"], case["pe_bits"], template=99, seed=case["seed"], rng="legacy")


def parameters(case) -> dict:
    gamma = case["beta_att"] * case["scaling_att"]
    return {"beta": case["beta"], "gamma": gamma, "epsilon": case["epsilon_pe"]}


def orbit_of(weights, start, parameters, steps, how):
    if how == "plain":
        return Model(weights, **parameters).orbit(start, steps)[0]
    batch = Orbits(weights, starts=start, **parameters).record(steps)
    return type(batch)(**{name: array[0] for name, array in vars(batch).items()})


@pytest.mark.parametrize("case", CASES, ids=number)
def test_legacy_seeding_draws_the_published_weights_and_prompt(case):
    data = np.load(DATA / f"trajectory_{number(case)}.npz")
    weights = instance(case)
    for index, letter in enumerate("ovqk"):
        assert np.array_equal(weights.template[index], data[f"W{letter}_se"])
        assert np.array_equal(weights.position_weights[index], data[f"W{letter}_pe"])
    source = SOURCES[case["initial_token_from"].split()[0]]
    assert np.array_equal(prompt_token(weights, source, 0), data["x0"])


@pytest.mark.parametrize("case", CASES, ids=number)
def test_column_classes_are_those_of_the_reference(case):
    data = np.load(DATA / f"trajectory_{number(case)}.npz")
    classes = instance(case).classes
    ours, theirs = np.lexsort(classes.signs.T), np.lexsort(data["classes_S"].T)
    assert np.array_equal(classes.signs[ours], data["classes_S"][theirs])
    for index, letter in enumerate("ovqk"):
        assert classes.couplings[index][ours] == pytest.approx(data[f"classes_G{letter}"][theirs], abs=1e-15)


@pytest.mark.parametrize("how", ["plain", "kernel"])
@pytest.mark.parametrize("case", CASES, ids=number)
def test_orbits_from_a_prompt(case, how):
    data = np.load(DATA / f"trajectory_{number(case)}.npz")
    weights = instance(case)
    start = context_from_token(weights, data["x0"], case["epsilon_pe"])
    orbit = orbit_of(weights, start, parameters(case), case["steps"], how)
    for short, name in NAMES.items():
        difference = np.abs(getattr(orbit, name) - data[f"traj_{short}"])
        assert difference[:12].max() < 1e-12, name
        # Case 0 is chaotic: by step 60 a last bit has grown to 1e-10.
        assert difference.max() < (2e-9 if case["case"] == 0 else 1e-12), name


@pytest.mark.parametrize("how", ["plain", "kernel"])
@pytest.mark.parametrize("case", ASSIGNED, ids=number)
def test_orbits_of_assigned_patterns_in_the_published_convention(case, how):
    data = np.load(DATA / f"assigned_{number(case)}.npz")
    stored = ("query", "key", "value", "output")
    order = [stored.index(name) for name in FIELDS]
    bases = data["P_alpha"].argmax(axis=-1)
    assert (bases == bases[0]).all()
    patterns = dict(zip(FIELDS, data["orders_B"][order], strict=True))
    weights = assigned_weights(
        case["base_patterns"], patterns, data["W_pe"][order], base_of=bases[0], convention="published"
    )
    start = context_from_pattern(weights, case["first_pattern"])
    named = {name: case[name] for name in ("beta", "gamma", "epsilon")}
    orbit = orbit_of(weights, start, named, case["steps"], how)
    assert np.abs(orbit.attention - data["traj_att"]).max() < 1e-12
    assert np.abs(orbit.overlap_o - data["traj_mo"]).max() < 1e-12
