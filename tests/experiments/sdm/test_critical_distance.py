"""Critical distances over the numbers of a memory, against reference numbers and simulations."""

import numpy as np
import pytest

from mfattn.sdm.simulations import simulate_one_step, simulated_critical_distance
from mfattn.sdm.theory import critical_distance, interpolated_critical_distance

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

BOOK = "memory={bits: 1000, neurons: 1000000}"
FEW = ("sweep={parameter: radius, values: [11, 15]}", "simulation={draws: 2, queries: 8, seed: 2}")
SIMULATED = ("sweep={parameter: radius, values: [11, 15]}", "simulation={draws: 4, queries: 64, seed: 2}")


@pytest.mark.parametrize("place", range(7))
def test_distances_over_the_radius_are_those_of_the_reference(root, place):
    case = reference(root, "critical_distance")["tables"][place]
    neurons = float(int(case["r"]))
    kept = slice(None, None, 1 if case["n"] == 64 else 7)
    settings = (
        f"memory={{bits: {case['n']}, neurons: {neurons}}}",
        f"sweep={{parameter: radius, values: {case['d'][kept]}}}",
        f"curves={{parameter: patterns, values: [{case['m']}]}}",
    )
    arrays = complete(experiment_of(root, "sdm_vary_radius", *settings))
    names = {
        "crit_paper_variance": "critical_distance_paper_strict",
        "crit_exact_variance": "critical_distance_exact_strict",
        "crit_basin_paper": "critical_distance_paper_basin",
        "crit_repo_rule": "critical_distance_paper_paper",
    }
    compared = [name for name in names if case.get(name)]
    assert "crit_paper_variance" in compared
    for name in compared:
        assert arrays[names[name]].tolist() == case[name][kept], name


def test_distances_over_the_patterns_are_those_of_the_reference(root):
    case = reference(root, "critical_distance")["vary_m"]
    values = f"sweep={{parameter: patterns, values: {case['m']}}}"
    arrays = complete(experiment_of(root, "sdm_vary_patterns", values, "curves={parameter: radius, values: [451]}"))
    assert arrays["critical_distance_paper_strict"].tolist() == case["crit_paper_variance"]
    assert arrays["critical_distance_paper_basin"].tolist() == case["crit_basin_paper"]
    assert arrays["patterns"].tolist() == case["m"]


def test_published_numbers_at_1000_bits(root):
    sweep = "sweep={parameter: radius, values: [432, 433, 447, 448, 449, 451, 456, 457]}"
    arrays = complete(experiment_of(root, "sdm_vary_radius", sweep, "curves={parameter: patterns, values: [10000]}"))
    assert arrays["critical_distance_paper_paper"].tolist() == [0, 56, 174, 176, 176, 164, 38, 0]
    assert arrays["critical_distance_exact_strict"][5] == 152 and arrays["critical_distance_book_strict"][5] == 212


@pytest.mark.parametrize("parameter", ["bits", "radius", "fraction", "patterns", "neurons"])
def test_whatever_is_swept_the_same_memory_has_the_same_distances(root, parameter):
    numbers = {"bits": 200, "radius": 80, "patterns": 500, "neurons": 1e5}
    if parameter == "fraction":
        numbers = numbers | {"fraction": 0.0028}
        del numbers["radius"]
    given = ", ".join(f"{name}: {value}" for name, value in numbers.items() if name != parameter)
    sweep = f"sweep={{parameter: {parameter}, values: [{numbers[parameter]}]}}"
    run = experiment_of(root, "sdm_vary_radius", f"memory={{{given}}}", sweep, "curves=null")
    arrays = complete(run)
    assert arrays["radius"].tolist() == [80] and run.memory(0) == (200, 80, 500, 1e5)
    for noise in ("paper", "exact", "closed", "book"):
        found = critical_distance(200, 80, 1e5, 500, noise=noise)
        assert arrays[f"critical_distance_{noise}_strict"].tolist() == [found] and found > 0


def test_curves_follow_each_other_and_whole_numbers_are_not_repeated(root):
    sweep = "sweep={parameter: radius, grid: {start: 440, stop: 443, num: 10}}"
    run = experiment_of(root, "sdm_vary_radius", BOOK, sweep, "curves={parameter: patterns, values: [100, 1000]}")
    assert [run.memory(point).radius for point in range(run.points)] == [440, 441, 442, 443] * 2
    assert run.constants()["patterns"].tolist() == [100] * 4 + [1000] * 4
    spaced = experiment_of(root, "sdm_vary_neurons", "sweep.grid.num=3").config.sweep
    assert spaced.numbers == pytest.approx((1e4, 1e12, 1e20)) and spaced.logarithmic


def test_simulations_lie_between_the_exact_and_the_published_variance(root):
    arrays = complete(experiment_of(root, "sdm_simulated_64", *SIMULATED))
    found, (lower, upper) = arrays["critical_distance_simulated"], arrays["critical_distance_simulated_band"].T
    assert (lower <= found).all() and (found <= upper).all()
    assert (arrays["critical_distance_exact_interpolated"] < lower).all()
    assert (upper < arrays["critical_distance_paper_interpolated"]).all()
    # The mean new distances of an independent simulation cross the diagonal at 21.2 and 21.97.
    assert (lower[1] < 21.97 < upper[1]) and abs(found[0] - 21.2) < 0.4


def test_a_simulated_memory_does_not_depend_on_the_others(root):
    both = complete(experiment_of(root, "sdm_simulated_64", *FEW))
    one = complete(experiment_of(root, "sdm_simulated_64", *FEW, "sweep={parameter: radius, values: [15]}"))
    other = complete(experiment_of(root, "sdm_simulated_64", *FEW, "simulation.seed=3"))
    name = "critical_distance_simulated_band"
    assert np.array_equal(both[name][1], one[name][0]) and not np.array_equal(both[name], other[name])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sdm_vary_fraction", ("sweep.grid.num=3", "curves.values=[100, 10000]", "figure.rules=[strict, basin]")),
        ("sdm_simulated_64", FEW),
        (
            "sdm_simulated_64",
            (*FEW, "memory={bits: 64, neurons: 1e19}", "curves={parameter: patterns, values: [99]}"),
        ),
    ],
    ids=["curves", "simulated", "simulated curves"],
)
def test_blocks_figures_tables_and_findings(root, monkeypatch, name, settings):
    run = experiment_of(root, name, *settings)
    if "simulation" not in str(settings):
        check_blocks(run, 2)
    check_results(run, complete(run), [""], monkeypatch)


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["memory={bits: 1000}"], "memory", "neurons is needed here, or as the parameter of sweep or curves"),
        (["memory.radius=3"], "sweep.parameter", "nothing that is given already, found radius beside memory.radius"),
        (["memory.fraction=0.1"], "sweep.parameter", "found radius beside memory.fraction"),
        (["sweep.values=[3]"], "sweep", "only one of values and grid, found both"),
        (["sweep={parameter: radius, values: [3, 3.5]}"], "sweep.values[1]", "a whole number from 0 to 100,000"),
        (["sweep={parameter: radius, values: [3, 3]}"], "sweep.values", "different numbers"),
        (["sweep.grid.start=-1"], "sweep.grid.start", "a whole number from 0 to 100,000, found -1"),
        (["sweep.grid={start: 0, stop: 9, num: 3, spacing: logarithmic}"], "sweep.grid.spacing", "linear where"),
        (["memory.bits=480"], "sweep.grid.stop", "at most the 480 bits, found 495"),
        (["memory.bits=480", "sweep={parameter: radius, values: [3, 495]}"], "sweep.values[1]", "at most the 480 bits"),
        (
            ["memory={radius: 451, neurons: 1e6}", "sweep={parameter: bits, values: [999, 450]}"],
            "sweep.values[1]",
            "at least the radius (451), found 450",
        ),
        (
            ["curves={parameter: patterns, grid: {start: 1, stop: 99, num: 30}}"],
            "curves",
            "at most 20 values, found 30",
        ),
        (
            ["simulation={seed: 1, queries: 200}", "curves.values=[100]"],
            "simulation.queries",
            "at most the 100 patterns, found 200",
        ),
        (
            ["simulation={seed: 1, queries: 9, spacing: 600}", "curves.values=[100]"],
            "simulation.spacing",
            "at most half of the 1,000 bits",
        ),
        (["simulation={seed: 1, queries: 9}", "curves.values=[100000]"], "simulation", "at most 33,255 patterns"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, "sdm_vary_radius", settings, key, message)


def test_an_interpolated_distance_needs_distances():
    with pytest.raises(ValueError, match="distances must be there, and above 0"):
        interpolated_critical_distance([0, 2], [0.0, 0.0])
    with pytest.raises(ValueError, match="one of the distances must be above 0"):
        simulated_critical_distance(simulate_one_step(64, 11, 8, [0], draws=2, queries=2))
    # A query that shares nothing with any pattern stays where it is, which leads nowhere.
    lost = simulate_one_step(64, 2, 8, [2, 40], draws=2, queries=8)
    assert simulated_critical_distance(lost).tolist() == [40, 40, 40] and lost.empty.tolist() == [0, 1]
