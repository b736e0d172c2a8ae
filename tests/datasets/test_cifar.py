"""Batches of CIFAR-10: read in grey, and nothing that a pickle says is ever done."""

import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.datasets import BadData, cifar_files, load_cifar
from mfattn.datasets.cifar import NAMES, grey, plain_values

from .helpers import batch, python2_pickle, write_batches

HAPPENED = []


def side_effect(*arguments):
    """What must not be called."""
    HAPPENED.append(arguments)


class Calls:
    """Pickled as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class HasState:
    """Pickled as a value whose state is set."""

    def __init__(self, value, state):
        self.value, self.state = value, state

    def __reduce__(self):
        return self.value, (), self.state


def test_weights_of_the_colours_are_those_of_pillow():
    image = pytest.importorskip("PIL.Image")
    colours = np.random.default_rng(1).integers(0, 256, (1000, 3), dtype=np.uint8)
    expected = np.asarray(image.fromarray(colours[np.newaxis], "RGB").convert("L"))[0]
    assert (grey(colours) == expected).all()


@pytest.mark.parametrize("protocol", [1, 2, 3, 4])
def test_all_batches_of_a_part_are_read_in_order(tmp_path, protocol):
    batches = write_batches(tmp_path, protocol=protocol)
    for part, chosen in (("train", batches[:5]), ("test", batches[5:])):
        images = load_cifar(tmp_path, part)
        planes = np.concatenate([one[b"data"] for one in chosen]).reshape(-1, 3, 32, 32)
        assert (images.pixels == grey(planes)).all() and images.size == (32, 32)
        assert images.labels.tolist() == [label for one in chosen for label in one[b"labels"]]


def test_a_batch_of_python_2_is_read(tmp_path):
    one = batch()
    (tmp_path / "test_batch").write_bytes(python2_pickle(one[b"data"], one[b"labels"]))
    images = load_cifar(tmp_path, "test")
    assert images.labels.tolist() == one[b"labels"]
    assert (images.pixels == grey(one[b"data"].reshape(-1, 3, 32, 32))).all()


def test_old_and_new_names_of_numpy_are_read(tmp_path):
    one = batch()
    content = pickle.dumps(one, protocol=2)
    names = (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n")
    assert names[1] in content
    for name in names:
        (tmp_path / "test_batch").write_bytes(content.replace(names[1], name))
        assert load_cifar(tmp_path, "test").labels.tolist() == one[b"labels"]


def test_a_missing_batch_is_named(tmp_path):
    write_batches(tmp_path)
    (tmp_path / "data_batch_4").unlink()
    assert cifar_files(tmp_path, "test") == (tmp_path / "test_batch",)
    with pytest.raises(BadData, match=r"no file data_batch_4$"):
        load_cifar(tmp_path, "train")


def refusal(folder, content):
    """The message about CONTENT as a batch."""
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(BadData) as caught:
        load_cifar(folder, "test")
    assert str(caught.value).startswith(f"{folder / 'test_batch'}: ") and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 'test_batch'}: ")


DATA = batch()[b"data"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"data": DATA[:, :3000]}, "data must be an array of uint8 (N, 3072), found shape (20, 3000)"),
        ({b"data": DATA.ravel()}, "an array of 61,440 bytes must have rows and columns that make as many"),
        ({b"data": DATA.tolist()}, "data must be an array of uint8 (N, 3072), found list"),
        ({b"data": DATA.astype(np.int8)}, "an array must be of type 'u1', found 'i1'"),
        ({b"data": DATA.astype(float)}, "an array must be of type 'u1', found 'f8'"),
        ({b"data": DATA.astype(object)}, "an array must be of type 'u1', found 'O8'"),
        ({b"data": np.asfortranarray(DATA)}, "an array must hold plain bytes, row by row"),
        ({b"data": DATA[:0]}, "a batch holds arrays and plain values; refused is '__builtin__.bytes'"),
        ({b"labels": [1] * 19}, "labels must be a list of 20, found 19 of them"),
        ({b"labels": [1] * 19 + [10]}, "labels must be 0 to 9, found 10"),
        ({b"labels": [1] * 19 + [-1]}, "labels must be 0 to 9, found -1"),
        ({b"labels": [1] * 19 + [True]}, "labels must be 0 to 9, found bool"),
        ({b"labels": [1] * 19 + [10**600]}, "labels must be 0 to 9, found 10000000000000000000"),
        ({b"labels": None}, "labels must be a list of 20, found NoneType"),
        ({b"labels": [1] * 19 + [1.0]}, "a batch holds arrays and plain values; refused is the instruction BINFLOAT"),
    ],
)
def test_a_batch_of_something_else_says_what(tmp_path, change, message):
    assert refusal(tmp_path, pickle.dumps({**batch(), **change}, protocol=2)) == message


@pytest.mark.parametrize("value", [None, [], 7, b"data", "data"])
def test_a_batch_is_a_dict(tmp_path, value):
    assert "a batch is a dict with data and labels" in refusal(tmp_path, pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "hostile",
    [
        Calls(side_effect, "called"),
        Calls(os.system, "exit 1"),
        Calls(eval, "1 + 1"),
        Calls(getattr, Calls(__import__, "os"), "system"),
        Calls(np.load, "x"),
        Calls(np.frombuffer, b"x"),
        Calls(np.dtype, Calls(side_effect)),
        HasState(side_effect, {"__class__": 1}),
        [{"data": (Calls(side_effect, "nested"),)}],
        side_effect,
        np.float64(1),
        slice(1),
        object(),
    ],
    ids=lambda hostile: type(hostile).__name__,
)
def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(tmp_path, protocol, hostile):
    message = refusal(tmp_path, pickle.dumps({**batch(), b"more": hostile}, protocol=protocol))
    assert "refused is" in message or "instruction" in message or "must be" in message
    assert HAPPENED == []


def names(module, name):
    """The instruction that names something."""
    return f"c{module}\n{name}\n".encode()


@pytest.mark.parametrize(("module", "name"), NAMES)
@pytest.mark.parametrize("state", [b"}", b"N}U\x08__call__NsU\x0d__setstate__Ns\x86", b"}U\x08__dict__}s", b"N"])
def test_what_stands_for_a_name_cannot_be_changed(tmp_path, module, name, state):
    one = batch()
    hostile = b"\x80\x02" + names(module, name) + state + b"b."
    assert refusal(tmp_path, hostile)
    (tmp_path / "test_batch").write_bytes(python2_pickle(one[b"data"], one[b"labels"]))
    assert load_cifar(tmp_path, "test").labels.tolist() == one[b"labels"]


@pytest.mark.parametrize(
    "content",
    [
        names("numpy.core.multiarray", "_reconstruct") + names("numpy", "dtype") + b"\x85R",
        names("numpy.core.multiarray", "_reconstruct") + b")R",
        names("_codecs", "encode") + b"U\x01aU\x05rot13\x86R",
        names("_codecs", "encode") + b"X\x01\0\0\0aX\x05\0\0\0rot13\x86R",
        names("numpy", "dtype") + b"U\x01O\x85R",
        names("numpy", "ndarray") + b")R" + b"}b",
        names("builtins", "eval.__call__"),
        names("numpy", "dtype.__class__"),
        b"\x8c\x05numpy\x8c\x10ndarray.__class__\x93",
        b"(ios\nsystem\n",
        b"I1\nP0\n",
        b"]\x82\x01",
    ],
)
def test_other_tricks_are_refused(tmp_path, content):
    assert refusal(tmp_path, b"\x80\x04" + content + b".")


@pytest.mark.parametrize(
    "content",
    [
        b"Nr\xff\xff\xff\x7f",
        b"Np2147483647\n",
        b"\x96\xff\xff\xff\x7f\0\0\0\0",
        b"\x8e\xff\xff\xff\x7f\0\0\0\0",
        b"\x95\xff\xff\xff\x7f\0\0\0\0",
        b"T\xff\xff\xff\x7f",
    ],
)
def test_memory_is_taken_only_for_what_the_file_holds(tmp_path, content):
    tracemalloc.start()
    assert refusal(tmp_path, b"\x80\x04" + content + b".")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("nested", [b")" + b"\x85" * 10**6, b"]" * 10**5 + b"a" * (10**5 - 1)])
def test_values_inside_one_another_do_no_harm(tmp_path, nested):
    assert refusal(tmp_path, b"\x80\x02}" + nested + b"Ns.")
    assert refusal(tmp_path, b"\x80\x02" + nested + b".")


@pytest.mark.parametrize("width", [2, 1000])
@pytest.mark.parametrize("depth", [19, 200])
def test_a_key_that_takes_ever_longer_to_hash_is_refused(tmp_path, width, depth):
    # A tuple of the last one, many times: a hash follows every path through them.
    level = b"h\0" * (width - 1) + b"tq\0"
    assert refusal(tmp_path, b"\x80\x02}" + b"(" * depth + b"K\1q\0" + level * depth + b"Ns.")


def test_a_batch_that_ends_early_is_refused_wherever_it_ends(tmp_path):
    one = batch(1)
    content = python2_pickle(one[b"data"], one[b"labels"])
    for end in range(0, len(content), 10):
        assert refusal(tmp_path, content[:end])


def test_a_batch_is_of_bounded_size(tmp_path):
    with (tmp_path / "test_batch").open("wb") as file:
        file.truncate(2**28)
    with pytest.raises(BadData, match="more than 134,217,728 bytes"):
        load_cifar(tmp_path, "test")


@given(st.data())
def test_a_mutated_batch_is_read_or_refused(data):
    protocol = data.draw(st.sampled_from([None, 2, 4]))
    one = batch(1)
    content = bytearray(
        python2_pickle(one[b"data"], one[b"labels"]) if protocol is None else pickle.dumps(one, protocol=protocol)
    )
    raw = content.find(struct.pack("<i", 3072)) if protocol is None else -1
    for _ in range(data.draw(st.integers(1, 4))):
        # Mostly the instructions, which are few beside the pixels.
        last = data.draw(st.sampled_from([len(content), 260 if raw < 0 else raw + 4]))
        start = data.draw(st.integers(0, min(last, len(content))))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        plain_values(bytes(content))
    except BadData as error:
        assert "\n" not in str(error)
    assert HAPPENED == []
