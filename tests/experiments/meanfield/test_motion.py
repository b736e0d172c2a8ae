"""Experiments that measure motion: exponents in diagrams, phase diagrams, census, escape, trajectories."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.meanfield import Orbits, Tangents, spectrum
from mfattn.meanfield.regimes import Regime
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError

from .test_bifurcation import compute


def experiment(root, name, *assignments):
    return make_experiment(load(root / "cfgs" / f"{name}.yaml", CONFIGS, assignments))


SMALL = {
    "smoke": ("sweep.num=5", "steps={transient: 1200, record: 400}", "observe.raster.bins=40"),
    "phase_diagram": ("plane.x.num=4", "plane.y.num=3", "steps={transient: 1200, record: 400}"),
    "census": ("sweep.num=2", "starts.number=5", "steps={transient: 1200, record: 400}"),
    "escape": ("sweep={parameter: beta, values: [1.0, 1.3]}", "starts.number=5", "saddle.limit=40000"),
    "trajectory": ("sweep.values=[1.0, 1.4]", "steps={transient: 1200, record: 400}"),
}


@pytest.mark.parametrize("name", SMALL)
def test_blocks_of_any_size_give_the_same_arrays(root, name):
    run = experiment(root, name, *SMALL[name])
    whole = run.compute(range(run.points), lambda steps: None)
    for point in range(run.points):
        alone = run.compute(range(point, point + 1), lambda steps: None)
        for key, array in alone.items():
            if len(array):
                assert np.array_equal(array[0], whole[key][point], equal_nan=array.dtype.kind == "f"), key


@pytest.mark.parametrize("name", SMALL)
def test_arrays_have_the_layout_that_was_announced_and_figures_are_drawn(root, name):
    run = experiment(root, name, *SMALL[name])
    arrays = compute(run)
    for key, (shape, dtype) in run.layout(range(run.points)).items():
        assert arrays[key].shape == shape and arrays[key].dtype == dtype, key
    files = run.draw({**arrays, **run.constants()})
    assert files and all(content[:4] in (b"\x89PNG", b"%PDF") for content in files.values())


def test_exponents_are_those_of_the_recorded_steps(root):
    run = experiment(root, "smoke", *SMALL["smoke"], "lyapunov.exponents=3")
    arrays = compute(run)
    config = run.config
    start = config.start.context_of(run._weights, 0.02)
    orbits = Orbits(run._weights, beta=config.sweep.grid, gamma=220, epsilon=0.02, starts=start)
    orbits.advance(200)
    expected = spectrum(Tangents(orbits, 3), 400, alignment=1000)
    assert np.array_equal(arrays["exponents"], expected.exponents)
    assert np.array_equal(arrays["finite_time_exponents"], expected.finite_time)


def test_the_published_bifurcation_is_found_by_the_sweep(root):
    sweep = "sweep={parameter: beta, start: 1.242, stop: 1.246, num: 21}"
    run = experiment(root, "smoke", sweep, "steps={transient: 30000, record: 20000}")
    arrays = compute(run)
    found = arrays["bifurcation_kind"] == "Neimark-Sacker"
    assert_allclose(arrays["bifurcation_parameter"][found], [1.2434445478], atol=2e-10)
    assert_allclose(arrays["bifurcation_angle"][found], [0.24194], atol=5e-6)
    assert arrays["bifurcation_period"][found].tolist() == [4]
    beta = run.constants()["beta"]
    locked, torus = beta < 1.243, beta > 1.2441
    assert (arrays["regime"][locked] == Regime.REST).all()
    assert (arrays["regime"][torus] == Regime.QUASI_PERIODIC).all()


def test_an_automatic_transient_ends_when_each_point_has_settled(root):
    run = experiment(root, "smoke", "sweep.num=4", "steps={transient: auto, limit: 100000, record: 2000}")
    arrays = run.compute(range(run.points), lambda steps: None)
    chaotic = arrays["regime"] >= Regime.CHAOTIC
    assert (arrays["transient"][chaotic] == 100_000).all()
    assert arrays["transient"][0] < 100_000 and arrays["settled"].all()


def test_kept_orbits_follow_an_automatic_transient(root):
    steps = "steps={transient: auto, limit: 30000, record: 50}"
    run = experiment(root, "smoke", "sweep.num=3", steps, "observe.keep_orbits=[1.26]")
    arrays = run.compute(range(run.points), lambda steps: None)
    assert arrays["orbit_attention"].shape == (1, 50, 3)
    assert np.array_equal(arrays["orbit_attention"][0, -1], arrays["final_attention"][1, 0])


def test_points_that_had_not_settled_are_warned_of(root):
    run = experiment(root, "smoke", *SMALL["smoke"])
    arrays = compute(run)
    arrays["regime"] = np.full(5, Regime.UNSETTLED)
    arrays["exponents"][0] = np.nan
    warnings = run.warnings({**arrays, **run.constants()})
    assert any(warning.startswith("5 of 5 orbits had not settled") for warning in warnings)
    assert any("1 of 5 leading exponents are not finite" in warning for warning in warnings)


def test_phase_diagrams_run_over_x_fastest(root):
    run = experiment(root, "phase_diagram", *SMALL["phase_diagram"])
    constants = run.constants()
    assert constants["beta"].reshape(3, 4).tolist() == [[0, 1, 2, 3]] * 3
    assert constants["gamma"].reshape(3, 4)[:, 0].tolist() == [0, 150, 300]


def test_random_starts_depend_on_seed_and_point_alone(root):
    config = experiment(root, "census", *SMALL["census"]).config
    weights = config.model.build()
    first, again, other = (config.starts.contexts(weights, point) for point in (0, 0, 1))
    assert all(np.array_equal(a.attention, b.attention) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].attention, other[0].attention)


def test_a_census_counts_one_attractor_where_there_is_one(root):
    words = ("sweep={parameter: beta, values: [1.0, 1.255]}", "starts.number=6")
    arrays = compute(experiment(root, "census", *words, "steps={transient: 30000, record: 10000}"))
    assert arrays["attractor"].max() == 0
    assert arrays["regime"].tolist() == [[Regime.REST] * 6, [Regime.QUASI_PERIODIC] * 6]


def test_regimes_are_told_apart_by_colour(root, tmp_path):
    run = experiment(root, "phase_diagram", "plane.x.num=2", "plane.y.num=1", "steps={transient: 1200, record: 2000}")
    arrays = {**compute(run), **run.constants()}
    assert arrays["regime"].tolist() == [Regime.REST, Regime.QUASI_PERIODIC]
    (tmp_path / "f.png").write_bytes(run.draw(arrays)[".png"])
    picture = plt.imread(tmp_path / "f.png")[..., :3]
    for colour in ((0x56, 0xB4, 0xE9), (0x00, 0x9E, 0x73)):
        assert (np.abs(picture - np.array(colour) / 255).max(axis=2) < 0.01).sum() > 1000


@pytest.mark.parametrize(
    ("name", "assignment", "mistake"),
    [
        ("smoke", "lyapunov.exponents=13", "lyapunov.exponents: a whole number from 1 to 12 (M L), found 13"),
        ("smoke", "lyapunov.every=0", "lyapunov.every: a whole number from 1 to 100, found 0"),
        ("smoke", "lyapunov.expnents=1", "lyapunov.expnents: unknown key; did you mean 'exponents'?"),
        ("smoke", "steps.transient=auto", "steps.limit: missing; needed with 'transient: auto'"),
        ("smoke", "steps.limit=2000", "steps.limit: only with 'transient: auto', found 2000"),
        ("smoke", "steps.transient=later", "steps.transient: a whole number from 0 to"),
        ("smoke", "sweep={parameter: beta, values: [1, 2]}", "sweep.values: not here"),
        ("smoke", "sweep.values=[1.25]", "sweep.values: either values or start, stop and num"),
        ("phase_diagram", "plane.y.parameter=beta", "plane.y: a parameter that x does not set, found beta in both"),
        ("phase_diagram", "plane.x.num=0", "plane.x.num: a whole number from 1"),
        ("phase_diagram", "plane.z=1", "plane.z: unknown key"),
        ("census", "starts.number=0", "starts.number: a whole number from 1 to 100,000, found 0"),
        ("census", "start={prompt: {from: output, row: 0}}", "start: unknown key; did you mean 'starts'?"),
        ("escape", "saddle.window=5000000", "saddle.window: at most limit (4,000,000), found 5,000,000"),
        ("trajectory", "sweep={parameter: beta, start: 1, stop: 2}", "sweep.num: missing"),
    ],
)
def test_mistakes_of_the_new_keys_are_named(root, name, assignment, mistake):
    with pytest.raises(InputError) as caught:
        load(root / "cfgs" / f"{name}.yaml", CONFIGS, [assignment])
    assert any(mistake in line for line in caught.value.mistakes), caught.value.mistakes


@pytest.mark.parametrize("transient", [3, 4, 5, 500, 1004])
def test_tangent_vectors_are_aligned_whatever_the_transient(root, transient):
    start = "start={prompt: {from: output, row: 0}}"
    steps = f"steps={{transient: {transient}, record: 3000}}"
    arrays = compute(experiment(root, "smoke", "sweep.num=3", "sweep.start=0.3", "sweep.stop=0.9", start, steps))
    orbits = arrays["final_attention"]
    assert np.isfinite(orbits).all()
    # Fixed points: the exponents do not depend on when they are measured, if the vectors are aligned.
    assert_allclose(arrays["exponents"], [[-0.4944] * 2, [-0.2653] * 2, [-0.1215] * 2], atol=2e-3)


def test_a_census_of_unsettled_starts_alone_is_drawn(root):
    run = experiment(root, "census", *SMALL["census"])
    arrays = compute(run) | run.constants()
    arrays["attractor"] = np.full_like(arrays["attractor"], -1)
    assert run.draw(arrays)[".png"][:4] == b"\x89PNG"


def test_pages_of_close_values_have_names_of_their_own(root):
    run = experiment(root, "trajectory", "sweep.values=[1.25, 1.250000000001]", "steps={transient: 5, record: 5}")
    assert len({run._page_name(0), run._page_name(1)}) == 2
