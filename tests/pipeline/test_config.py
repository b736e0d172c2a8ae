"""Validation of configs: one line for each mistake, with its place, what is allowed and what was found."""

import pytest

from mfattn.experiments import CONFIGS
from mfattn.pipeline.config import load
from mfattn.pipeline.errors import InputError

VALID = """\
experiment: bifurcation
model:
  features: 3
  position_bits: 2
  gamma: 220
  epsilon: 0.02
  weights: {ensemble: segments, template: 99, segments: 3, seed: 1}
start: {prompt: {from: output, row: 0}}
sweep: {parameter: beta, start: 0, stop: 3, num: 11}
steps: {transient: 10, record: 20}
observe:
  raster: {bins: 20, range: [-1, 1]}
"""

ASSIGNED = """\
experiment: trajectory
model:
  features: 2
  position_bits: 1
  beta: 2
  gamma: 5
  epsilon: 0.1
  weights:
    ensemble: assigned
    base_patterns: 2
    patterns: {output: [0, 1], value: [1, 0], query: [0, 1], key: [0, 1]}
    position: {output: [[1], [-1]], value: [[1], [-1]], query: [[1], [-1]], key: [[1], [-1]]}
start: {pattern: 0}
steps: {transient: 0, record: 20}
"""


def mistakes_of(tmp_path, text, *assignments):
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load(path, CONFIGS, assignments)
    return [mistake.replace(f"{path}:", "") for mistake in error.value.mistakes]


@pytest.mark.parametrize("text", [VALID, ASSIGNED])
def test_the_examples_are_valid(tmp_path, text):
    (tmp_path / "f.yaml").write_text(text)
    load(tmp_path / "f.yaml", CONFIGS)


def test_all_mistakes_are_named_at_once(tmp_path):
    text = VALID.replace("features: 3", "features: '3'").replace("gamma: 220", "gama: 220").replace("num: 11", "num: 0")
    text = text.replace("steps: {", "bogus: 1\nsteps: {transient: 3, ")
    found = mistakes_of(tmp_path, text)
    assert sorted(found) == [
        "10:1: bogus: unknown key; allowed are "
        "experiment, slurm, model, start, sweep, steps, lyapunov, observe, figure",
        "11:23: steps.transient: given twice (first on line 11)",
        "3:13: model.features: a whole number from 1 to 64, found '3' (text)",
        "5:3: model.gama: unknown key; did you mean 'gamma'?",
        "9:50: sweep.num: a whole number from 1 to 10,000,000, found 0",
    ]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "experiment: bifurcation\n",
            "",
            f"1:1: experiment: missing; one of {', '.join(CONFIGS)}",
        ),
        (
            ": bifurcation",
            ": bifurcate",
            f"1:13: experiment: one of {', '.join(CONFIGS)}, found 'bifurcate' (text)",
        ),
        (
            ": bifurcation",
            ": 3",
            f"1:13: experiment: one of {', '.join(CONFIGS)}, found 3",
        ),
        ("start: 0, ", "", "9:8: sweep.start: missing"),
        ("features: 3", "features: 3.0", "3:13: model.features: a whole number from 1 to 64, found 3.0"),
        ("features: 3", "features: true", "3:13: model.features: a whole number from 1 to 64, found true"),
        ("bits: 2", "bits: -1", "4:18: model.position_bits: a whole number from 0 to 12, found -1"),
        ("gamma: 220", "gamma: .nan", "5:10: model.gamma: a finite number from -1e+100 to 1e+100, found nan"),
        ("gamma: 220", "gamma: -.inf", "5:10: model.gamma: a finite number from -1e+100 to 1e+100, found -inf"),
        ("gamma: 220", "gamma: 1e999", "5:10: model.gamma: a finite number from -1e+100 to 1e+100, found inf"),
        ("gamma: 220", "gamma: nan", "5:10: model.gamma: a finite number from -1e+100 to 1e+100, found 'nan' (text)"),
        ("gamma: 220", "gamma: true", "5:10: model.gamma: a finite number from -1e+100 to 1e+100, found true"),
        ("gamma: 220", "gamma:", "5:9: model.gamma: missing"),
        (
            "gamma: 220",
            "gamma: 1" + "0" * 350,
            "5:10: model.gamma: a finite number from -1e+100 to 1e+100, found a larger one",
        ),
        ("epsilon: 0.02", "epsilon: 1.5", "6:12: model.epsilon: a finite number from 0 to 1, found 1.5"),
        ("bits: 2", "bits: 0", "6:12: model.epsilon: 0 where position_bits is 0, found 0.02"),
        ("segments: 3", "segments: 4", "7:57: model.weights.segments: a divisor of template (99), found 4"),
        (", segments: 3", "", "7:12: model.weights.segments: missing"),
        (
            "ensemble: segments",
            "ensemble: segment",
            "7:23: model.weights.ensemble: one of assigned, gaussian, product, random, segments, found 'segment'",
        ),
        (
            "ensemble: segments, ",
            "",
            "7:12: model.weights.ensemble: missing; one of assigned, gaussian, product, random, segments",
        ),
        ("seed: 1", "seed: -1", "7:66: model.weights.seed: a whole number from 0 to 4,294,967,295, found -1"),
        ("seed: 1", "seed: 1, rng: old", "7:74: model.weights.rng: one of modern, legacy, found 'old' (text)"),
        (
            "segments, template: 99, segments: 3",
            "gaussian, template: 99, scale: -1",
            "7:54: model.weights.scale: a finite number of at least 0, found -1",
        ),
        (
            "weights: {ensemble: segments, template: 99, segments: 3",
            "weights: {ensemble: product, template: 99",
            None,
        ),
        ("from: output", "from: outputs", "8:24: start.prompt.from: one of output, value, query, key, random, found"),
        ("row: 0", "row: 3", "8:37: start.prompt.row: a whole number from 0 to 2, found 3"),
        ("prompt: {from: output, row: 0}", "pattern: 0", "8:18: start.pattern: only with the ensemble 'assigned'"),
        (
            "{prompt: {from: output, row: 0}}",
            "{}",
            "8:8: start: exactly one of prompt, pattern and context, found none",
        ),
        ("row: 0}", "row: 0}, pattern: 1", "8:8: start: exactly one of prompt, pattern and context, found prompt and"),
        (
            "prompt: {from: output, row: 0}",
            "context: {newest_position: 0, attention: [[1, 2, 3], [1, 2]]}",
            "8:50: start.context.attention: 4 vectors of 3 numbers (L, M), found 2 of [2, 3]",
        ),
        (
            "prompt: {from: output, row: 0}",
            "context: {newest_position: 4, attention: [[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]}",
            "8:36: start.context.newest_position: a whole number from 0 to 3, found 4",
        ),
        (
            "prompt: {from: output, row: 0}",
            "context: {newest_position: 0, attention: [[1, x, 3]]}",
            "8:55: start.context.attention[0][1]: a finite number, found 'x' (text)",
        ),
        ("parameter: beta", "parameter: betta", "9:20: sweep.parameter: one of beta, gamma, epsilon, found 'betta'"),
        ("parameter: beta", "parameter: epsilon", "3:3: model.beta: missing"),
        ("stop: 3", "stop: 1e200", "9:42: sweep.stop: a range within ±1e+100, found 0 to 1e+200"),
        ("num: 11", "num: 11, gamma_per_beta: 1e100", "9:42: sweep.stop: a range within ±1e+100"),
        ("range: [-1, 1]", "range: [0, 1e-310]", "12:29: observe.raster.range: an ascending pair of finite extent"),
        (
            "num: 11",
            "num: 11, gamma_per_beta: x",
            "9:70: sweep.gamma_per_beta: a finite number from",
        ),
        ("stop: 3", "stop: .inf", "9:42: sweep.stop: a finite number, found inf"),
        ("steps: {transient: 10, record: 20}", "steps: 3", "10:8: steps: a mapping, found 3"),
        ("record: 20", "record: 0", "10:32: steps.record: a whole number from 1 to 4,294,967,295, found 0"),
        ("transient: 10", "transient: -1", "10:20: steps.transient: a whole number from 0 to"),
        ("range: [-1, 1]", "range: [1, -1]", "12:29: observe.raster.range: an ascending pair of finite extent, found"),
        (
            "range: [-1, 1]",
            "range: [1]",
            "12:29: observe.raster.range: a list of 2, each a finite number, found a list of 1",
        ),
        (
            "range: [-1, 1]",
            "range: [1, 2, 3]",
            "12:29: observe.raster.range: a list of 2, each a finite number, found a list",
        ),
        ("bins: 20", "bins: 0", "12:18: observe.raster.bins: a whole number from 1 to 100,000, found 0"),
        ("observe:", "observe:\n  section: {width: -1}", "12:20: observe.section.width: a finite number of at least 0"),
        ("observe:", "observe:\n  features: [4]", "12:13: observe.features: features of the model (1, 2, 3), found 4"),
        ("observe:", "observe:\n  features: [1, 1]", "12:13: observe.features: different ones, found 1, 1"),
        ("observe:", "observe:\n  features: []", "12:13: observe.features: a list of at least 1"),
        (
            "observe:",
            "observe:\n  keep_orbits: [7]",
            "12:17: observe.keep_orbits[0]: a value inside the sweep, 0 to 3, found 7",
        ),
        (
            "observe:",
            "figure: {features: [9]}\nobserve:",
            "11:20: figure.features: observed features (1, 2, 3), found 9",
        ),
        ("num: 11", "num: 100000, gamma_per_beta: 100", None),
        (
            "num: 11}\nsteps: {transient: 10, record: 20}",
            "num: 10000000}\nsteps: {transient: 10, record: 70000}",
            "9:50: sweep.num: a result of at most 8 GiB, found 1",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, mistake):
    assert old in VALID
    text = VALID.replace(old, new)
    if mistake is None:
        (tmp_path / "f.yaml").write_text(text)
        load(tmp_path / "f.yaml", CONFIGS)
        return
    found = mistakes_of(tmp_path, text)
    assert any(line.startswith(mistake) for line in found), found


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("output: [0, 1]", "output: [0, 2]", "11:24: model.weights.patterns.output: numbers from 0 to 1, found 2"),
        ("value: [1, 0]", "value: [1]", "11:39: model.weights.patterns.value: a list of 2, one a feature, found 1"),
        (
            "output: [[1], [-1]]",
            "output: [[1], [0]]",
            "12:30: model.weights.position.output[1]: entries -1 and 1, found [0]",
        ),
        (
            "output: [[1], [-1]]",
            "output: [[1]]",
            "12:24: model.weights.position.output: 2 rows of 1, found rows of [1]",
        ),
        ("pattern: 0", "pattern: 2", "13:18: start.pattern: a pattern that some feature holds, found 2"),
        ("pattern: 0", "prompt: {from: output, row: 0}", "13:17: start.prompt: not with the ensemble 'assigned'"),
        (
            "base_patterns: 2",
            "base_patterns: 2\n    base_of: [0, 2]",
            "11:14: model.weights.base_of: numbers from 0 to 1",
        ),
        (
            "base_patterns: 2",
            "base_patterns: 3\n    convention: published",
            "11:17: model.weights.convention: 'published'",
        ),
        ("record: 20", "record: 4000000000", "14:31: steps.record: a result of at most 8 GiB, found"),
    ],
)
def test_mistakes_of_the_assigned_ensemble(tmp_path, old, new, mistake):
    found = mistakes_of(tmp_path, ASSIGNED.replace(old, new))
    assert any(line.startswith(mistake) for line in found), found


def test_mistakes_of_the_command_line_name_the_option(tmp_path):
    found = mistakes_of(tmp_path, VALID, "sweep.num=x", "sweep.stpo=3")
    assert found == [
        "--set sweep.num=x: sweep.num: a whole number from 1 to 10,000,000, found 'x' (text)",
        "--set sweep.stpo=3: sweep.stpo: unknown key; did you mean 'stop'?",
    ]


def test_features_beyond_three_need_an_ensemble_of_weights(tmp_path):
    text = VALID.replace("features: 3", "features: 4").replace(
        "segments, template: 99, segments: 3", "product, template: 9"
    )
    assert mistakes_of(tmp_path, text) == ["3:13: model.features: at most 3 with the ensemble 'product', found 4"]


def test_names_with_line_breaks_stay_on_one_line(tmp_path):
    text = VALID.replace("gamma: 220", r'"a\nb\u2028": 1').replace("seed: 1", r'seed: "\e[0m\r\n"')
    found = mistakes_of(tmp_path, text)
    assert any(line.startswith(r"5:3: model.a\nb\u2028: unknown key") for line in found)
    assert any(line.endswith(r"found '\x1b[0m\r\n' (text)") for line in found)
    assert len("\n".join(found).splitlines()) == len(found)


@pytest.mark.parametrize(
    ("name", "assignments", "mistake"),
    [
        (
            "random_weights",
            ["model.features=64", "model.weights.template=62501"],
            "model.weights.template: at most 62,500 with 64 features, found 62,501",
        ),
        (
            "phase_diagram",
            ["plane.y.num=5", "plane.x.num=2000001"],
            "plane.x.num: a grid of at most 10,000,000 points, found 10,000,005",
        ),
        (
            "escape",
            ["sweep={parameter: beta, start: 1, stop: 2, num: 10000000}", "starts.number=100000"],
            "starts.number: a result of at most 8 GiB, found 7,450.7 GiB; sweep fewer values or starts",
        ),
    ],
)
def test_runs_too_large_for_the_memory_are_refused(root, name, assignments, mistake):
    with pytest.raises(InputError) as error:
        load(root / "cfgs" / f"{name}.yaml", CONFIGS, assignments)
    assert error.value.mistakes == [f"--set {assignments[-1]}: {mistake}"]


def test_a_swept_parameter_needs_no_value_and_both_can_be_swept(tmp_path):
    text = VALID.replace("  gamma: 220\n", "").replace("num: 11", "num: 11, gamma_per_beta: 100")
    (tmp_path / "f.yaml").write_text(text)
    assert load(tmp_path / "f.yaml", CONFIGS).model.gamma is None
    mistakes = mistakes_of(tmp_path, text, "sweep.parameter=gamma")
    assert any("sweep.gamma_per_beta: only with 'parameter: beta', found 'gamma'" in line for line in mistakes)


def test_every_config_of_the_project_is_valid(root):
    for path in sorted((root / "cfgs").glob("*.yaml")):
        load(path, CONFIGS)
