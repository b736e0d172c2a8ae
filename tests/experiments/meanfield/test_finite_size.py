"""Experiments with finite networks: blocks, streams, the mean field beside them, laws, mistakes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.experiments.meanfield import finite_size_bifurcation
from mfattn.experiments.meanfield.finite_size import ONE_CONTEXT, OWN_WAY
from mfattn.experiments.meanfield.network_config import network_start
from mfattn.meanfield import Context, FiniteNetwork, Orbits, streams
from mfattn.meanfield.finite_size import CHUNK, Scaling, contexts_after, fit_line, follow, power_law
from mfattn.meanfield.model import OBSERVABLES
from mfattn.meanfield.observe import OBSERVED
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError

from .test_bifurcation import compute

SMALL = {
    "finite_size_law": (
        "network={bits: [99, 990, 9900], replicas: 3, seed: 7}",
        "steps={transient: 300, record: 200}",
        "follow={steps: 1500, forget: 100, window: 20}",
        "figure.fit_from=0",
    ),
    "finite_size_bifurcation": (
        "sweep.num=5",
        "network={bits: [99, 9900], replicas: 2, seed: 3}",
        "steps={transient: 300, record: 200}",
        "observe.raster.bins=60",
        "lyapunov.exponents=1",
    ),
}


def experiment(root, name, *assignments):
    return make_experiment(load(root / "cfgs" / f"{name}.yaml", CONFIGS, [*SMALL[name], *assignments]))


@pytest.mark.parametrize("name", SMALL)
def test_blocks_of_any_size_give_the_same_arrays(root, name):
    run = experiment(root, name)
    whole = run.compute(range(run.points), lambda steps: None)
    for size in (1, 2, 4):
        blocks = [range(first, min(first + size, run.points)) for first in range(0, run.points, size)]
        parts = [run.compute(points, lambda steps: None) for points in blocks]
        for key, array in whole.items():
            joined = np.concatenate([part[key] for part in parts])
            assert np.array_equal(joined, array, equal_nan=array.dtype.kind == "f"), key


@pytest.mark.parametrize("name", SMALL)
def test_arrays_have_the_layout_that_was_announced_and_progress_adds_up(root, name):
    run, done = experiment(root, name), []
    arrays = run.compute(range(run.points), done.append)
    assert sum(done) == run.points * run.steps_per_point
    layout = run.layout(range(run.points))
    assert arrays.keys() == layout.keys()
    for key, (shape, dtype) in layout.items():
        assert arrays[key].shape == shape and arrays[key].dtype == dtype, key


@pytest.mark.parametrize("name", SMALL)
def test_figures_tables_and_findings(root, name):
    run = experiment(root, name)
    arrays = compute(run) | run.constants()
    files = run.draw(arrays)
    assert files and all(content[:4] in (b"\x89PNG", b"%PDF") for content in files.values())
    for table in run.tables(arrays).values():
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert run.findings(arrays)


def test_a_single_network_has_a_page_and_no_laws(root):
    run = experiment(root, "finite_size_law", "network={bits: [990], replicas: 1, seed: 7}")
    arrays = compute(run) | run.constants()
    assert set(run.draw(arrays)) == {".png", ".pdf"}
    assert run.scaling(arrays).deviation_law is None


def test_a_network_depends_on_its_size_and_number_alone(root):
    before = compute(experiment(root, "finite_size_law"))
    after = compute(experiment(root, "finite_size_law", "network={bits: [9900, 99], replicas: 4, seed: 7}"))
    other = compute(experiment(root, "finite_size_law", "network.seed=8"))
    for key in ("deviation", "mean_attention", "followed_overlap_v", "divergence_time"):
        # Sizes of three replicas in the one, of four in the other.
        assert np.array_equal(before[key][:3], after[key][4:7]), key
        assert np.array_equal(before[key][6:], after[key][:3]), key
    assert not np.isin(other["deviation"], before["deviation"]).any()


def test_networks_and_mean_field_are_those_of_the_theory(root):
    run = experiment(root, "finite_size_law", "start={prompt: {from: value, row: 1}}")
    arrays, config, weights = compute(run), run.config, run._weights
    parameters = {"beta": 1.0, "gamma": 220, "epsilon": 0.02}
    mean_field = Orbits(weights, starts=config.start.context_of(weights, 0.02), **parameters)
    mean_field.advance(300)
    network = FiniteNetwork(
        weights,
        bits=990,
        starts=network_start(config.start, weights, 0.02),
        streams=streams(7, [(990, replica, OWN_WAY) for replica in range(3)]),
        **parameters,
    )
    network.advance(300)
    followers = FiniteNetwork(
        weights,
        bits=990,
        starts=mean_field.contexts() * 3,
        streams=streams(7, [(990, replica, ONE_CONTEXT) for replica in range(3)]),
        **parameters,
    )
    followed = followers.record(20)
    assert np.array_equal(arrays["followed_overlap_q"][3:6], followed.overlap_q)
    orbit, beside = network.record(200), mean_field.record(200)
    for name in OBSERVABLES:
        assert np.array_equal(arrays[f"orbit_{name}"][1], getattr(orbit, name)[0])
        assert np.array_equal(arrays[f"mean_field_orbit_{name}"][1], getattr(beside, name)[0])
    for name in OBSERVED:
        assert_allclose(arrays[f"mean_{name}"][3:6], getattr(orbit, name).mean(axis=1), atol=1e-12)
        assert_allclose(arrays[f"variance_{name}"][3:6], getattr(orbit, name).var(axis=1), atol=1e-12)


def test_with_equal_bits_the_share_of_the_position_falls_with_their_number(root):
    run = experiment(root, "finite_size_law", "network.share=bits", "model.epsilon=null")
    assert_allclose(run.constants()["epsilon"], [2 / 101, 2 / 992, 2 / 9902])
    arrays = compute(run)
    for row, epsilon in enumerate(run.constants()["epsilon"]):
        start = run.config.start.context_of(run._weights, epsilon)
        orbits = Orbits(run._weights, beta=1.0, gamma=220, epsilon=epsilon, starts=start)
        orbits.advance(300)
        assert np.array_equal(arrays["mean_field_orbit_attention"][row], orbits.record(200).attention[0])
    assert run.draw(arrays | run.constants())


def test_the_mean_field_of_the_diagram_is_that_of_bifurcation(root):
    run = experiment(root, "finite_size_bifurcation")
    plain = make_experiment(
        load(
            root / "cfgs" / "smoke.yaml",
            CONFIGS,
            [
                *("sweep={parameter: beta, start: 1.2, stop: 1.6, num: 5}", "steps={transient: 300, record: 200}"),
                *("observe={raster: {bins: 60, range: [-1, 1]}}", "lyapunov={exponents: 1}"),
            ],
        )
    )
    arrays, expected = compute(run), compute(plain)
    for name in OBSERVED:
        assert np.array_equal(arrays[f"raster_{name}"], expected[f"raster_{name}"])
        totals = arrays[f"network_raster_{name}"].sum(axis=-1) + arrays[f"network_outside_{name}"].sum(axis=-1)
        assert (totals == 2 * 200).all()
    wide = arrays["network_variance_overlap_o_semantic"]
    assert (wide[0, 0] > 10 * wide[0, 1]).all(), "below the first bifurcation fluctuations fall with N"


@pytest.mark.parametrize(
    "assignments",
    [
        ("start={context: {newest_position: 0, attention: [[0.1, 0.2, 0.3]]}}", "model.position_bits=0"),
        ("start={prompt: {from: random, row: 3}}", "model.position_bits=0"),
        ("model.weights={ensemble: random, template: 33, seed: 1}", "start={prompt: {from: key, row: 0}}"),
        (
            "model.weights={ensemble: assigned, base_patterns: 2, patterns: {output: [0, 1, 1], value: [1, 0, 1], "
            "query: [0, 1, 0], key: [1, 1, 0]}, position: {output: [[1, 1], [1, -1], [-1, -1]], value: [[1, 1], "
            "[1, -1], [-1, -1]], query: [[1, 1], [1, -1], [-1, -1]], key: [[1, 1], [1, -1], [-1, -1]]}}",
            "start={pattern: 1}",
            "network.bits=[2, 100]",
        ),
    ],
)
def test_starts_and_ensembles_of_all_kinds_run(root, assignments):
    if "model.position_bits=0" in assignments:
        assignments = (*assignments, "model.epsilon=0")
    run = experiment(root, "finite_size_law", *assignments, "steps={transient: 0, record: 30}")
    arrays = compute(run)
    assert np.isfinite(arrays["deviation"]).all()
    assert run.draw(arrays | run.constants())


def test_networks_at_the_ends_of_their_range_have_a_distance(root):
    weights = "model.weights={ensemble: segments, template: 9, segments: 1, seed: 1}"
    saturated = ("model.epsilon=0", "model.beta=20", weights, "network.bits=[9]")
    arrays = compute(experiment(root, "finite_size_law", *saturated, "start={prompt: {from: output, row: 0}}"))
    assert (np.abs(arrays["mean_field_orbit_overlap_o"]) == 1).any()
    assert np.isfinite(arrays["density_distance_overlap_o_semantic"]).all()


def test_what_of_the_networks_lies_outside_the_rasters_is_said(root):
    run = experiment(root, "finite_size_bifurcation", "observe.raster.range=[-0.1, 0.1]", "sweep.stop=1.22")
    arrays = compute(run) | run.constants()
    assert any("networks' values of attention lie outside" in line for line in run.warnings(arrays))


def test_replicas_are_pooled_alike_however_many_run_together(root, monkeypatch):
    run = experiment(root, "finite_size_bifurcation", "network.replicas=5")
    whole = compute(run)
    monkeypatch.setattr(finite_size_bifurcation, "NETWORKS_TOGETHER", 7)
    parts = compute(run)
    for name, array in whole.items():
        assert np.array_equal(array, parts[name], equal_nan=array.dtype.kind == "f"), name


def test_laws_leave_out_small_sizes_where_told(root):
    run = experiment(root, "finite_size_law", "figure.fit_from=990", "follow.threshold=1.0e-9")
    arrays = compute(run) | run.constants()
    law = run.scaling(arrays).deviation_law
    assert law.slope == pytest.approx(power_law([990, 9900], run.scaling(arrays).deviation[1:]).slope)
    assert any(what == "deviation at N = 99" for what, _ in run.findings(arrays))
    nothing = experiment(root, "finite_size_law", "figure.fit_from=1000000", "follow.threshold=1.0e-9")
    assert nothing.scaling(arrays).divergence_law is None


GAUSSIAN = "model.weights={ensemble: gaussian, template: 99, seed: 1}"


@pytest.mark.parametrize(
    ("name", "assignment", "mistake"),
    [
        ("law", "network.bits=[100]", "network.bits[0]: a multiple of the weights' 99 columns, found 100"),
        ("law", "network.bits=[99, 99]", "network.bits: different numbers, found 99, 99"),
        ("law", "network.bits=[0]", "network.bits[0]: a whole number from 1 to 10,000,000,000, found 0"),
        ("law", "network.bits=[99000000000000]", "network.bits[0]: a whole number from 1 to 10,000,000,000, found"),
        ("law", "network.bits=[]", "network.bits: "),
        ("law", "network.replicas=0", "network.replicas: a whole number from 1 to 100,000, found 0"),
        ("law", "network.share=half", "network.share: "),
        ("law", "network.share=bits", "model.epsilon: nothing with 'share: bits', which sets it, found 0.02"),
        ("law", GAUSSIAN, "model.weights.ensemble: segments, random or assigned: a network needs weights"),
        ("law", "follow.forget=1500", "follow.forget: less than steps (1,500), found 1,500"),
        ("law", "follow.window=1501", "follow.window: at most steps (1,500), found 1,501"),
        ("law", "follow.threshold=0", "follow.threshold: "),
        ("law", "network.replicas=100000", "network.replicas: a result of at most"),
        ("law", "steps.transient=auto", "steps.transient: "),
        ("bifurcation", "steps={transient: auto, limit: 5000, record: 10}", "networks never settle, found 'auto'"),
        ("bifurcation", GAUSSIAN, "model.weights.ensemble: segments, random or assigned"),
        ("bifurcation", "network.bits=[33]", "network.bits[0]: a multiple of the weights' 99 columns, found 33"),
    ],
)
def test_mistakes_are_named(root, name, assignment, mistake):
    window = ("follow.window=300",) if "100000" in assignment else ()
    with pytest.raises(InputError) as caught:
        experiment(root, f"finite_size_{name}", *window, assignment)
    assert any(mistake in line for line in caught.value.mistakes), caught.value.mistakes


def pair_of(published, number):
    start = Context(np.full((4, 3), 0.1), 3)
    parameters = {"beta": np.full(number, 1.4), "gamma": 220, "epsilon": 0.02, "starts": start}
    network = FiniteNetwork(published, bits=990, streams=streams(1, [(i,) for i in range(number)]), **parameters)
    return network, Orbits(published, **parameters)


def test_following_is_what_the_recorded_orbits_say(published):
    steps = CHUNK + 300
    network, reference = pair_of(published, 4)
    deviations = np.sqrt(np.square(network.record(steps).attention - reference.record(steps).attention).mean(axis=2))
    told = []
    following = follow(
        *pair_of(published, 4), steps=steps, forget=50, threshold=0.2, keep=CHUNK + 10, advance=told.append
    )
    assert sum(told) == steps
    assert_allclose(following.deviation, np.sqrt(np.square(deviations[:, 50:]).mean(axis=1)))
    assert_allclose(following.first, deviations[:, : CHUNK + 10])
    assert np.array_equal(following.divergence_time, (deviations > 0.2).argmax(axis=1) + 1)
    for piece in (1, 7, 250):
        again = follow(*pair_of(published, 4), steps=steps, forget=50, threshold=0.2, keep=1, piece=piece)
        assert np.array_equal(again.deviation, following.deviation)
    with pytest.raises(ValueError, match="forget and keep must fit into 10 steps"):
        follow(*pair_of(published, 4), steps=10, forget=10, threshold=0.2, keep=1)
    never = follow(*pair_of(published, 4), steps=steps, forget=50, threshold=10.0, keep=1)
    assert (never.divergence_time == -1).all()


def test_each_point_has_its_context_after_its_own_steps(published):
    _, reference = pair_of(published, 3)
    contexts = contexts_after(reference, np.array([2, 0, 2]), np.array([14, 0, 7]))
    _, other = pair_of(published, 3)
    for steps, point, index in ((0, 0, 1), (7, 2, 2), (7, 2, 0)):
        other.advance(steps)
        assert np.array_equal(contexts[index].attention, other.contexts()[point].attention)


def test_lines_are_fitted_with_their_errors():
    generator = np.random.default_rng(1)
    x = np.arange(6.0)
    inside = 0
    for _ in range(400):
        law = fit_line(x, 2.0 - 0.5 * x + generator.normal(0, 0.1, 6))
        inside += abs(law.slope + 0.5) <= law.error
    # 95 % of 400 are 380, with a standard deviation of 4.4.
    assert 358 <= inside <= 400
    assert np.isnan(fit_line([0, 1], [0, 1]).error)
    assert fit_line([1, 1], [0, 1]) is None
    assert power_law([10, 100, 1000, 10_000], [1.0, 0.1, 0.0, np.nan]).slope == pytest.approx(-1)


def test_missing_replicas_are_left_out_of_the_summary():
    deviation = np.array([[0.1, 0.1, np.nan], [np.nan] * 3])
    times = np.array([[5, -1, -1], [-1] * 3])
    scaling = Scaling.of(np.array([99, 990]), deviation=deviation, distance=deviation, times=times, steps=50)
    assert_allclose(scaling.deviation, [0.1, np.nan])
    assert_allclose(scaling.divergence_time, [27.5, np.nan])
    assert_allclose(scaling.diverged, [0.5, np.nan])
    assert scaling.deviation_law is None
