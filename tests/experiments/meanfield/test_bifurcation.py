"""The bifurcation and trajectory experiments against the theory that they drive."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.experiments.meanfield import stepping
from mfattn.experiments.meanfield.stepping import pieces, step_seconds
from mfattn.meanfield import Context, Model, Orbits, context_from_token, prompt_token, segmented_weights
from mfattn.meanfield.model import OBSERVABLES
from mfattn.pipeline.config import load

SMALL = ("sweep.num=7", "steps.transient=50", "steps.record=60", "observe.raster.bins=40", "lyapunov=null")


def experiment(root, name, *assignments):
    return make_experiment(load(root / "cfgs" / f"{name}.yaml", CONFIGS, assignments))


def compute(experiment):
    steps = []
    arrays = experiment.compute(range(experiment.points), steps.append)
    assert sum(steps) == experiment.points * experiment.steps_per_point
    return arrays | experiment.derive(arrays | experiment.constants())


def plain_orbit(weights, start, beta, gamma, epsilon, transient=50, record=60):
    model = Model(weights, beta=beta, gamma=gamma, epsilon=epsilon)
    _, context = model.orbit(start, transient)
    return model.orbit(context, record)[0]


def test_the_grid_is_evenly_spaced_and_exact_at_its_ends(root):
    values = experiment(root, "smoke", "sweep.num=11", "sweep.start=1", "sweep.stop=2").constants()["beta"]
    assert values.tolist() == [1 + (2 - 1) * i / 10 for i in range(11)]
    assert experiment(root, "smoke", "sweep.num=1").constants()["beta"].tolist() == [1.24]


@pytest.mark.parametrize(
    ("assignments", "parameters"),
    [
        (("sweep.parameter=beta", "sweep.start=0.5", "sweep.stop=0.9"), lambda x: (x, 220, 0.02)),
        (("model.beta=0.8", "sweep.parameter=gamma", "sweep.start=0", "sweep.stop=90"), lambda x: (0.8, x, 0.02)),
        (("model.beta=0.8", "sweep.parameter=epsilon", "sweep.start=0", "sweep.stop=1"), lambda x: (0.8, 220, x)),
        (("sweep.start=0.5", "sweep.stop=0.9", "sweep.gamma_per_beta=100"), lambda x: (x, 100 * x, 0.02)),
    ],
    ids=["beta", "gamma", "epsilon", "both"],
)
def test_the_four_modes_sweep_what_they_say(root, assignments, parameters):
    settings = [*SMALL, *assignments, "start={prompt: {from: value, row: 1}}"]
    run = experiment(root, "smoke", *settings)
    arrays = compute(run)
    weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    swept = run.constants()[run.config.sweep.parameter]
    for point, value in enumerate(swept):
        beta, gamma, epsilon = parameters(value)
        start = context_from_token(weights, prompt_token(weights, "value", 1), epsilon)
        orbit = plain_orbit(weights, start, beta, gamma, epsilon)
        assert arrays["mean_attention"][point] == pytest.approx(orbit.attention.mean(axis=0), abs=1e-9)
        assert arrays["maximum_overlap_o_semantic"][point] == pytest.approx(
            orbit.overlap_o_semantic.max(axis=0), abs=1e-9
        )


def test_kept_orbits_are_the_orbits_that_were_reduced(root):
    run = experiment(root, "smoke", *SMALL, "observe.keep_orbits=[1.2401, 1.27]")
    arrays = compute(run)
    assert arrays["orbit_point"].tolist() == [0, 4]
    for orbit, point in zip(arrays["orbit_attention"], arrays["orbit_point"], strict=True):
        assert orbit.shape == (60, 3)
        assert np.array_equal(orbit.max(axis=0), arrays["maximum_attention"][point])
        assert np.array_equal(orbit[-1], arrays["final_attention"][point][0])


def test_blocks_have_the_layout_that_they_announce(root):
    run = experiment(root, "smoke", *SMALL, "observe.keep_orbits=[1.27]", "observe.features=[3, 1]", "figure={}")
    for points in (range(0, 3), range(3, 7)):
        arrays = run.compute(points, lambda steps: None)
        assert {name: (array.shape, array.dtype) for name, array in arrays.items()} == run.layout(points)


def test_any_feature_can_be_observed_and_drawn(root):
    run = experiment(
        root,
        "smoke",
        *SMALL,
        "model.features=5",
        "model.weights.segments=9",
        "start={prompt: {from: output, row: 0}}",
        "observe.features=[5, 2]",
        "figure={features: [5], observables: [attention], section: [2]}",
    )
    arrays = {**compute(run), **run.constants()}
    assert arrays["raster_attention"].shape == (7, 2, 40)
    assert arrays["section_pairs"].tolist() == [[5, 2], [2, 5]]
    figure = run.figure(arrays)
    assert figure.axes[0].get_ylabel() == "$A_{5}$"


def test_figures_name_the_swept_parameter_and_the_features(root):
    run = experiment(root, "smoke", *SMALL)
    figure = run.figure({**compute(run), **run.constants()})
    labels = [axes.get_ylabel() for axes in figure.axes[:6]]
    assert labels == ["$m^o_{1}$", "$A_{1}$", "$m^o_{2}$", "$A_{2}$", "$m^o_{3}$", "$A_{3}$"]
    assert figure.axes[4].get_xlabel() == r"output inverse temperature $\beta$"


def test_a_single_value_and_a_descending_sweep_can_be_drawn(root):
    for assignments in (["sweep.num=1"], ["sweep.start=1.28", "sweep.stop=1.24"]):
        run = experiment(root, "smoke", *SMALL, *assignments)
        low, high = run.figure({**compute(run), **run.constants()}).axes[0].get_xlim()
        assert low < high


def test_a_short_run_from_a_prompt_has_a_final_window_that_is_not_full(root):
    run = experiment(root, "smoke", *SMALL, "start={prompt: {from: output, row: 0}}", "steps={transient: 0, record: 2}")
    arrays = compute(run)
    assert np.isnan(arrays["final_attention"]).any(axis=2).tolist() == [[False, False, False, True]] * 7


def test_final_contexts_continue_the_orbits(root):
    first = compute(experiment(root, "smoke", *SMALL, "steps.record=20"))
    whole = compute(experiment(root, "smoke", *SMALL, "sweep.num=7", "steps.record=50", "observe.keep_orbits=[1.28]"))
    weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    start = Context(first["final_attention"][6], int(first["final_position"][6]))
    continued = Orbits(weights, beta=1.28, gamma=220, epsilon=0.02, starts=start).record(30)
    assert np.array_equal(continued.attention[0], whole["orbit_attention"][0, 20:])


def test_trajectories_along_a_sweep(root):
    run = experiment(
        root,
        "trajectory",
        "sweep={parameter: beta, start: 0.5, stop: 0.9, num: 3}",
        "steps={transient: 20, record: 30}",
        "lyapunov=null",
    )
    arrays = compute(run)
    assert arrays["overlap_k"].shape == (3, 30, 3)
    weights = segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
    start = Context(np.array(run.config.start.context.attention), 3)
    for point, beta in enumerate(run.constants()["beta"]):
        orbit = plain_orbit(weights, start, beta, 220, 0.02, 20, 30)
        for name in OBSERVABLES:
            assert arrays[name][point] == pytest.approx(getattr(orbit, name), abs=1e-9)


@pytest.mark.parametrize("steps", [0, 1, 12_345_678])
def test_pieces_add_up(published, steps):
    cut = list(pieces(steps, 50 * step_seconds(published)))
    assert sum(cut) == steps
    assert all(piece > 0 for piece in cut)


def test_recording_in_pieces_is_recording_at_once(published, monkeypatch):
    monkeypatch.setattr(stepping, "PIECE_BYTES", 100_000)

    def orbits():
        return Orbits(published, beta=[1.2, 1.3], gamma=220, epsilon=0.02, starts=Context(np.full((4, 3), 0.1), 0))

    told = []
    found = stepping.record_orbits(orbits(), 101, ("attention", "overlap_k"), told.append)
    whole = orbits().record(101)
    assert np.array_equal(found["attention"], whole.attention)
    assert np.array_equal(found["overlap_k"], whole.overlap_k)
    assert len(told) > 2
    assert sum(told) == 202


def test_sweeps_do_not_round_beyond_their_ends(root):
    for stop in np.arange(1, 100) / 100:
        for num in (4, 7, 50):
            words = [f"sweep={{parameter: epsilon, start: {stop}, stop: 0, num: {num}}}", "model.beta=1"]
            values = experiment(root, "smoke", *words).constants()["epsilon"]
            assert values.min() >= 0
            assert values.max() <= stop


def test_values_outside_the_rasters_are_warned_of(root):
    run = experiment(root, "smoke", *SMALL, "observe.raster.range=[5, 6]")
    assert run.warnings({**compute(run), **run.constants()}) == [
        "100.00% of the recorded values of overlap_o_semantic lie outside observe.raster.range",
        "100.00% of the recorded values of attention lie outside observe.raster.range",
    ]
    inside = experiment(root, "smoke", *SMALL)
    assert inside.warnings({**compute(inside), **inside.constants()}) == []


def test_every_visited_bin_leaves_ink_in_the_saved_figure(root, tmp_path):
    run = experiment(root, "smoke", *SMALL, "sweep={parameter: beta, start: 0.2, stop: 0.3, num: 900}")
    (tmp_path / "f.png").write_bytes(run.draw({**compute(run), **run.constants()})[".png"])
    picture = plt.imread(tmp_path / "f.png")[..., :3]
    assert picture.shape[1] > 2000
    # The locked cycle at zero spans every panel of the left column without a gap.
    left = picture[:, int(0.08 * picture.shape[1]) : int(0.40 * picture.shape[1])]
    inked = (left.min(axis=2) < 0.8).all(axis=1)
    frames = 4
    assert inked.sum() > 3 * frames
