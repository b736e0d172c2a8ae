"""Continuation diagrams against a plain walk from value to value, and what must not change them."""

import csv
import io
import pickle

import numpy as np
import pytest

from mfattn.experiments import CONFIGS, make_experiment
from mfattn.experiments.meanfield.continuation import Continuation
from mfattn.meanfield import Context, Orbits
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import missing_value

SMALL = (
    "sweep={parameter: beta, start: 1.24, stop: 1.28, num: 7}",
    "chain={steps: 300, link: 3}",
    "steps={transient: 0, record: 400}",
    "lyapunov={exponents: 2}",
    "observe.raster.bins=60",
)


def experiment_of(root, *assignments, config="continuation_zoom"):
    return make_experiment(load(root / "cfgs" / f"{config}.yaml", CONFIGS, [*SMALL, *assignments]))


def nothing(steps):
    pass


def walked(experiment):
    """The arrays of all links, walked one after the other."""
    links = []
    for link in range(experiment.chain.links):
        links.append(experiment.chain.walk(link, links[-1] if links else None, nothing))
        layout = experiment.chain.layout(link)
        assert {name: (a.shape, a.dtype) for name, a in links[-1].items()} == {n: tuple(v) for n, v in layout.items()}
    return links


def result_of(experiment, block_size=64):
    """The result, computed in blocks."""
    ready = experiment.chain.experiment_from(walked(experiment))
    points = range(experiment.points)
    blocks = [ready.compute(points[i : i + block_size], nothing) for i in points[::block_size]]
    arrays = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]} | experiment.constants()
    return arrays | experiment.derive(arrays)


def states_of(experiment):
    """Context of every chain and value after the walk."""
    return experiment.chain.experiment_from(walked(experiment))._states


def plain_walk(experiment, chain, values):
    """Contexts of one walk, one orbit at a time."""
    config = experiment.config
    grid = config.sweep.grid
    context = config.chains[chain].start.context_of(experiment.weights, config.model.epsilon)
    for value in values:
        orbits = Orbits(
            experiment.weights, beta=grid[value], gamma=config.model.gamma, epsilon=config.model.epsilon, starts=context
        )
        orbits.advance(config.chain.steps)
        (context,) = orbits.contexts()
        yield value, context


def assert_same(first, second):
    assert first.position == second.position
    assert np.array_equal(first.attention, second.attention)


def test_every_value_starts_from_its_neighbours_last_context(root):
    experiment = experiment_of(root)
    states = states_of(experiment)
    for chain, origin in enumerate(experiment.origins):
        for walk in (range(origin, 7), range(origin, -1, -1)):
            for value, context in plain_walk(experiment, chain, walk):
                assert_same(states[7 * chain + value], context)
    assert experiment.origins == [6, 0, 3]


@pytest.mark.parametrize("link", [1, 2, 7, 100])
def test_links_change_no_bit(root, link):
    expected, cut = experiment_of(root), experiment_of(root, f"chain.link={link}")
    for first, second in zip(states_of(expected), states_of(cut), strict=True):
        assert_same(first, second)


def test_a_chain_does_not_depend_on_the_others(root):
    together = states_of(experiment_of(root))
    prompt = "{prompt: {from: output, row: 0}}"
    alone = experiment_of(root, f"chains=[{{name: lone, from: 1.28, start: {prompt}}}]")
    pair = f"chains=[{{name: a, from: 1.25, start: {prompt}}}, {{name: lone, from: 1.28, start: {prompt}}}]"
    both = experiment_of(root, pair)
    for first, second in zip(states_of(alone), states_of(both)[7:], strict=True):
        assert_same(first, second)
    assert len(together) == 21


def test_blocks_change_no_bit(root):
    experiment = experiment_of(root)
    whole, cut = result_of(experiment), result_of(experiment, 5)
    assert whole.keys() == cut.keys()
    assert all(np.array_equal(whole[name], cut[name], equal_nan=whole[name].dtype.kind == "f") for name in whole)


def test_a_point_is_measured_from_its_state(root):
    experiment = experiment_of(root)
    arrays, states = result_of(experiment), states_of(experiment)
    point = 9
    orbits = Orbits(
        experiment.weights,
        beta=arrays["beta"][point],
        gamma=220.0,
        epsilon=0.02,
        starts=Context(states[point].attention, states[point].position),
    )
    recorded = orbits.record(400).attention[0]
    assert np.allclose(arrays["mean_attention"][point], recorded.mean(axis=0), rtol=1e-12, atol=1e-15)
    assert arrays["maximum_attention"][point].tolist() == recorded.max(axis=0).tolist()
    assert arrays["chain_name"][arrays["chain"][point]] == "up"


def test_progress_counts_the_steps_that_are_walked(root):
    experiment = experiment_of(root)
    counted = []
    link, before = experiment.chain, None
    for number in range(link.links):
        before = link.walk(number, before, counted.append)
    assert sum(counted) == link.steps == 3 * 8 * 300


@pytest.mark.slow
def test_chains_find_the_hysteresis_of_the_published_zoom(root):
    # Chaos and a torus coexist in 1.2655 to 1.267: one is reached from above, the other from below.
    experiment = experiment_of(
        root, "sweep={parameter: beta, start: 1.262, stop: 1.28, num: 37}", "chain.steps=20000", "steps.record=20000",
        "chains=[{name: up, from: 1.262, start: {prompt: {from: output, row: 0}}},"
        " {name: down, from: 1.28, start: {prompt: {from: output, row: 0}}}]",
    )  # fmt: skip
    arrays = result_of(experiment)
    up, down = arrays["exponents"][:, 0].reshape(2, -1)
    at = np.argmin(np.abs(arrays["beta"][:37] - 1.2665))
    assert down[at] > 0.03 and abs(up[at]) < 0.01
    assert arrays["chain_distance"][0, at] > 0.05
    assert arrays["chain_apart"][0, at] and not arrays["chain_apart"][0, 0]
    found = dict(experiment.findings(arrays))
    assert "chaotic" in found["chain down"]
    assert found["up and down apart"].startswith("beta = 1.2")


def test_equal_chains_are_nowhere_apart(root):
    prompt = "{prompt: {from: output, row: 0}}"
    chains = f"chains=[{{name: a, from: 1.25, start: {prompt}}}, {{name: b, from: 1.25, start: {prompt}}}]"
    experiment = experiment_of(root, chains)
    arrays = result_of(experiment)
    assert not arrays["chain_distance"].any()
    assert dict(experiment.findings(arrays))["a and b apart"] == "nowhere"


def test_the_figure_draws_whole_and_partial_results(root):
    experiment = experiment_of(root)
    arrays = result_of(experiment)
    files = experiment.draw(arrays)
    assert files[".png"].startswith(b"\x89PNG") and files[".pdf"].startswith(b"%PDF")
    partial = dict(arrays)
    for name in experiment.layout(range(experiment.points)):
        partial[name] = arrays[name].copy()
        partial[name][5:12] = missing_value(arrays[name].dtype)
    partial |= experiment.derive(partial)
    assert experiment.draw(partial, ", partial")[".png"] != files[".png"]
    assert np.isnan(partial["chain_distance"]).any()


def test_tables_name_the_chain_of_each_row(root):
    experiment = experiment_of(root)
    tables = experiment.tables(result_of(experiment))
    assert list(tables) == ["diagram", "values", "distances"]
    rows = list(tables["diagram"].rows)
    assert {row[0] for row in rows} == {"up", "down", "middle"}
    steps = sum(row[5] for row in rows if row[0] == "up" and row[2] == "attention" and row[3] == 1)
    assert steps == 7 * 400
    text = io.StringIO()
    csv.writer(text).writerows(tables["values"].rows)
    assert len(text.getvalue().splitlines()) == 21
    distances = list(tables["distances"].rows)
    assert [row[:3] for row in distances[:2]] == [(1.24, "down", "up"), (experiment.config.sweep.grid[1], "down", "up")]
    assert len(distances) == 3 * 7


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("chain.steps=3", "chain.steps: at least 4 (the window's length), found 3"),
        ("chains=[]", "chains: a list of at least 1"),
        ("chains=[{name: a, from: 9, start: {pattern: 0}}]", "chains[0].from: a value inside the sweep, 1.24 to 1.28"),
        ("chains=[{name: a, from: 1.25, start: {}}]", "chains[0].start: exactly one of prompt, pattern and context"),
        ("chains=[{name: a, from: 1.25, start: {pattern: 0}}]", "chains[0].start.pattern: only with the ensemble"),
        ("chains=[{name: 'a/b', from: 1.25, start: {pattern: 0}}]", "chains[0].name: text such as 'up'"),
        ("observe.keep_orbits=[1.25]", "observe.keep_orbits: unknown key"),
    ],
)
def test_a_mistake_is_named(root, assignment, message):
    with pytest.raises(InputError) as error:
        experiment_of(root, assignment)
    assert message in str(error.value)


def test_two_chains_of_one_name_are_refused(root):
    one = "{name: a, from: 1.25, start: {prompt: {from: output, row: 0}}}"
    with pytest.raises(InputError, match="a name of its own, found 'a' again"):
        experiment_of(root, f"chains=[{one}, {one}]")


def test_five_positional_bits_walk_as_well(root):
    experiment = experiment_of(root, "sweep={parameter: beta, start: 0, stop: 3, num: 5}", config="continuation_p5")
    assert isinstance(experiment, Continuation)
    arrays = result_of(experiment)
    assert arrays["final_attention"].shape == (15, 32, 3)


def test_a_chain_at_an_end_walks_one_way(root):
    first, *_, last = walked(
        experiment_of(root, "chains=[{name: up, from: 1.24, start: {prompt: {from: key, row: 2}}}]")
    )
    assert (first["position"] >= 0).tolist() == [[True, True], [True, False], [True, False]]
    assert np.isnan(first["attention"][1:, 1]).all()
    assert (last["position"] >= 0).tolist() == [[True, False]]


def test_a_sweep_of_one_value_has_one_link(root):
    start = "{prompt: {from: output, row: 0}}"
    experiment = experiment_of(
        root,
        "sweep={parameter: beta, start: 1.26, stop: 1.26, num: 1}",
        f"chains=[{{name: a, from: 1.26, start: {start}}}]",
    )
    arrays = result_of(experiment)
    assert experiment.chain.links == 1
    assert arrays["chain_distance"].shape == arrays["chain_apart"].shape == (0, 1)
    assert experiment.draw(arrays)


def test_chains_and_experiments_travel_to_workers(root):
    experiment = experiment_of(root)
    links = walked(experiment)
    here = experiment.chain.experiment_from(links)
    there = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(experiment.chain)).experiment_from(links)))
    first, second = (run.compute(range(2, 5), nothing) for run in (here, there))
    assert all(np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f") for name in first)


@pytest.mark.parametrize(
    "assignment",
    [
        "chain.steps=301",
        "steps.record=401",
        "sweep.num=8",
        "chains=[{name: a, from: 1.25, start: {prompt: {from: key, row: 0}}}]",
    ],
)
def test_what_changes_numbers_changes_the_identity(root, assignment):
    assert experiment_of(root, assignment).identity() != experiment_of(root).identity()
    assert experiment_of(root, "figure={section: []}").identity() == experiment_of(root).identity()


PITCHFORK = """\
experiment: continuation
model:
  features: 1
  position_bits: 0
  gamma: 0
  epsilon: 0
  weights:
    ensemble: assigned
    base_patterns: 1
    patterns: {output: [0], value: [0], query: [0], key: [0]}
    position: {output: [[]], value: [[]], query: [[]], key: [[]]}
sweep: {parameter: beta, start: 0.5, stop: 2, num: 31}
chain: {steps: 400}
chains:
  - {name: plus, from: 2, start: {context: {newest_position: 0, attention: [[0.9]]}}}
  - {name: minus, from: 2, start: {context: {newest_position: 0, attention: [[-0.9]]}}}
  - {name: again, from: 1.5, start: {pattern: 0}}
steps: {transient: 0, record: 1200}
lyapunov: {exponents: 1}
observe: {raster: {bins: 1000, range: [-1, 1]}}
"""


def positive_branch(beta):
    """Fixed point of A -> tanh(βA) that is reached from 1."""
    state = 1.0
    for _ in range(20_000):
        state = np.tanh(beta * state)
    return state


def test_hysteresis_is_that_of_a_pitchfork(tmp_path):
    # A -> tanh(βA): beyond β = 1 chains from above and below stay on the branches ±A*, 2 A* apart.
    path = tmp_path / "pitchfork.yaml"
    path.write_text(PITCHFORK)
    experiment = make_experiment(load(path, CONFIGS))
    arrays = result_of(experiment)
    values = experiment.config.sweep.grid
    away, beyond = np.abs(values - 1) > 0.02, values > 1.02
    branches = np.array([positive_branch(beta) for beta in values[away]])
    for mean, sign in zip(arrays["mean_attention"].reshape(3, -1), (1, -1, 1), strict=True):
        assert mean[away] == pytest.approx(sign * branches, abs=1e-6)
    opposite, equal, also_opposite = arrays["chain_distance"]
    bins = min(np.count_nonzero(arrays[f"raster_{name}"].any(axis=0)) for name in experiment.config.observe.observables)
    assert opposite[away] == pytest.approx(2 * branches / (0.002 * bins), abs=1 / bins)
    assert np.array_equal(opposite[away], also_opposite[away])
    assert equal[away].max() < 1e-3
    assert np.array_equal(arrays["chain_apart"][0][away], beyond[away])
    assert not arrays["chain_apart"][1].any()
    found = dict(experiment.findings(arrays))
    assert found["plus and again apart"] == "nowhere"
    assert found["plus and minus apart"] in ("beta = 1 to 2", "beta = 1.05 to 2")
    assert "rest (locked)" in found["chain plus"]


@pytest.mark.parametrize("missing", [slice(0, 7), slice(1, None, 2), slice(1, None)])
def test_what_was_not_computed_stays_blank(root, missing):
    experiment = experiment_of(root)
    arrays = result_of(experiment)
    gone = np.zeros(21, dtype=bool)
    gone[missing] = True
    for name in experiment.layout(range(0)):
        arrays[name] = arrays[name].copy()
        arrays[name][gone] = missing_value(arrays[name].dtype)
    arrays |= experiment.derive(arrays)
    lost = gone.reshape(3, 7)[arrays["chain_pair"]].any(axis=1)
    assert np.array_equal(np.isnan(arrays["chain_distance"]), lost)
    assert not arrays["chain_apart"][lost].any()
    assert experiment.draw(arrays, ", partial")
    assert experiment.findings(arrays)


@pytest.mark.parametrize(
    ("name", "positional_bits", "published"),
    [
        ("continuation", 2, {3.0}),
        ("continuation_zoom", 2, {1.28}),
        ("continuation_zoom2", 2, {1.277, 1.26608}),
        ("continuation_p5", 5, {3.0}),
        ("continuation_p5_zoom", 5, {1.548}),
        ("continuation_p5_zoom2", 5, {1.43}),
    ],
)
def test_the_published_chains_start_where_they_did(root, name, positional_bits, published):
    config = load(root / "cfgs" / f"{name}.yaml", CONFIGS)
    assert config.model.position_bits == positional_bits
    assert (config.sweep.num, config.chain.steps, config.steps.record) == (501, 100_512, 150_000)
    assert published <= {chain.origin for chain in config.chains}
