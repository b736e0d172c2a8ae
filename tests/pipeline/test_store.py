"""Files: whole or not at all, and never silently wrong."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mfattn.pipeline import store
from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.experiment import ArrayLayout
from mfattn.pipeline.folder import RunFolder
from mfattn.pipeline.plan import Plan
from mfattn.pipeline.store import InvalidFile, pack_arrays, read_arrays, result_hash, set_aside, write_file

PLAN = Plan("0" * 64, 10, 4)
BLOCK = {"x": np.arange(8.0).reshape(4, 2), "n": np.arange(4)}
LAYOUT = {name: ArrayLayout(array.shape, array.dtype) for name, array in BLOCK.items()}


names = st.from_regex("[a-z]{1,8}", fullmatch=True)
any_array = arrays.arrays(
    st.sampled_from([np.float64, np.uint16, np.int64]), arrays.array_shapes(min_dims=0, min_side=0)
)


@given(st.dictionaries(names, any_array, max_size=4))
def test_arrays_come_back_as_they_were(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("store") / "a.npz"
    path.write_bytes(pack_arrays(content))
    found = read_arrays(path)
    with np.load(path, allow_pickle=False) as archive:
        for name, array in content.items():
            assert found[name].dtype == archive[name].dtype == array.dtype
            assert found[name].tobytes() == archive[name].tobytes() == array.tobytes()
            assert found[name].shape == archive[name].shape == array.shape
    assert found.keys() == content.keys()


def test_the_same_arrays_give_the_same_bytes():
    assert pack_arrays(BLOCK) == pack_arrays(dict(reversed(BLOCK.items())))


@given(st.data())
def test_every_flipped_bit_is_found(tmp_path_factory, data):
    content = bytearray(pack_arrays(BLOCK))
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.mktemp("store") / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match="checksum"):
        read_arrays(path)


@given(st.data())
def test_every_truncation_is_found(tmp_path_factory, data):
    content = pack_arrays(BLOCK)
    path = tmp_path_factory.mktemp("store") / "a.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InvalidFile, match="checksum"):
        read_arrays(path)


def test_a_block_of_another_run_range_or_shape_is_refused(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open(PLAN)
    folder.block(PLAN, 0, LAYOUT).write(BLOCK, {"host": "here"})
    folder.block(PLAN, 0, LAYOUT).check()
    found, about = folder.block(PLAN, 0, LAYOUT).read()
    assert about == {"host": "here"}
    assert all(np.array_equal(found[name], BLOCK[name]) for name in BLOCK)
    folder.block_path(0).rename(folder.block_path(1))
    with pytest.raises(InvalidFile, match="another run or range"):
        folder.block(PLAN, 1, LAYOUT).read()
    folder.block_path(1).rename(folder.block_path(0))
    with pytest.raises(InvalidFile, match="another run or range"):
        folder.block(Plan("1" * 64, 10, 4), 0, LAYOUT).read()
    with pytest.raises(InvalidFile, match="arrays are not the plan's"):
        folder.block(PLAN, 0, {**LAYOUT, "more": LAYOUT["x"]}).read()
    write_file(folder.block_path(0), pack_arrays(BLOCK))
    with pytest.raises(InvalidFile, match="does not say which block"):
        folder.block(PLAN, 0, LAYOUT).read()


def test_a_plan_is_kept_once_it_is_written(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert folder.kept_plan(PLAN) is None
    assert folder.open(PLAN) == PLAN
    assert folder.open(Plan(PLAN.run, 10, 7)) == PLAN
    for other in (Plan("1" * 64, 10, 4), Plan(PLAN.run, 11, 4)):
        with pytest.raises(InvalidFile, match="plan of another run"):
            folder.kept_plan(other)
    assert [path.name for path in folder.path.iterdir() if path.is_file()] == ["plan.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"run": "x", "points": 0, "block_size": 1}', '{"run": 1}', "[" * 200_000]
)
def test_a_broken_plan_is_named(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InvalidFile, match="not a plan"):
        RunFolder(tmp_path).kept_plan(PLAN)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, call, number):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store.os, call, fail)
    with pytest.raises(RunError, match=r"a\.npz: cannot be written: .*run again") as error:
        write_file(tmp_path / "a.npz", b"content")
    assert ("no space left" in str(error.value)) == (number != errno.EIO)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_at_once(tmp_path):
    write_file(tmp_path / "a", b"old")
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_setting_aside_takes_the_first_free_name(tmp_path):
    folders = []
    for _ in range(2):
        (tmp_path / "run").mkdir()
        folders.append(set_aside(tmp_path / "run").name)
    assert folders == ["run.1", "run.2"]
    names = []
    for _ in range(3):
        (tmp_path / "b.npz").write_bytes(b"")
        names.append(set_aside(tmp_path / "b.npz", ".bad").name)
    assert names == ["b.npz.bad", "b.npz.bad.1", "b.npz.bad.2"]


def test_folders_that_cannot_be_written_are_refused_before_anything_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        with pytest.raises(InputError, match="file is a file; choose another with --out DIR"):
            store.check_writable(folder)
    store.check_writable(tmp_path / "new" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_hash_of_a_result_sees_names_types_shapes_and_bytes():
    base = {"a": np.zeros((2, 3)), "b": np.arange(4)}
    others = [
        {"a": np.zeros((3, 2)), "b": np.arange(4)},
        {"a": np.zeros((2, 3), np.float32), "b": np.arange(4)},
        {"c": np.zeros((2, 3)), "b": np.arange(4)},
        {"a": np.zeros((2, 3)), "b": np.arange(4)[::-1]},
    ]
    assert result_hash(base) == result_hash(dict(reversed(base.items())))
    assert len({result_hash(arrays) for arrays in [base, *others]}) == 5
