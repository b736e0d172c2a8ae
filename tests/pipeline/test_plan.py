"""Plans: every point in exactly one block; identity by content."""

from hypothesis import given
from hypothesis import strategies as st

from mfattn.pipeline.plan import Plan, run_hash

from .helpers import small_experiment


@given(st.integers(1, 5000), st.integers(1, 600))
def test_every_point_stands_in_exactly_one_block(points, block_size):
    plan = Plan("run", points, block_size)
    ranges = list(plan.ranges())
    assert [point for block in ranges for point in block] == list(range(points))
    assert len(ranges) == plan.blocks
    assert all(0 < len(block) <= block_size for block in ranges)


@given(st.integers(1, 5000), st.integers(1, 600))
def test_plans_come_back_from_their_text(points, block_size):
    plan = Plan("run", points, block_size)
    assert Plan.from_json(plan.to_json()) == plan


def hash_with(root, *assignments):
    return run_hash(small_experiment(root, *assignments).identity())


def test_what_changes_the_numbers_changes_the_hash(root):
    changes = [
        "model.gamma=221",
        "model.output_scale=2",
        "model.weights.seed=2",
        "start.context.newest_position=2",
        "sweep.stop=1.29",
        "sweep.num=71",
        "steps.transient=301",
        "steps.record=401",
        "observe.raster.bins=51",
        "observe.section.width=0.01",
        "observe={features: [1, 2, 3], observables: [attention]}",
        "observe.keep_orbits=[1.25]",
    ]
    assert len({hash_with(root), *(hash_with(root, change) for change in changes)}) == len(changes) + 1


def test_what_changes_no_number_does_not_change_the_hash(root):
    plain = hash_with(root)
    assert hash_with(root, "figure.features=[1]") == plain
    assert hash_with(root, "figure.section=[]") == plain
    assert hash_with(root, "model.beta=7") == plain
    assert hash_with(root, "observe.features=[1, 2, 3]") == plain
    assert hash_with(root, "observe.section.width=1e-3") == plain
