"""Files with trained networks: what is written is read, torch or not, and other files are named."""

import pickle

import numpy as np
import pytest

from mfattn.paths.tasks import dump as dumps
from mfattn.paths.tasks.dump import WEIGHTS, BadDump, Dump, Examples, read_dump, write_dump

from .test_tasks_trained import forward, random_network

RNG = np.random.default_rng(0)


def some_dump():
    network = random_network(heads=(2, 2), widths=(4, 4, 4))
    examples = {
        name: Examples(RNG.standard_normal((6, 5, 7)), np.array([1.0, -1, -1, 1, -1, 1]))
        for name in ("train", "test_mnist")
    }
    return Dump(network, examples, "two layers of two heads")


def content():
    """What the published program would dump of it."""
    dump = some_dump()
    arrays = {
        "w_q_weigts": np.stack(dump.network.queries).transpose(0, 1, 3, 2),
        "w_k_weigts": np.stack(dump.network.keys).transpose(0, 1, 3, 2),
        "w_v_weigts": np.stack(dump.network.values),
        "input_projection_weights": dump.network.projection,
        "readout_weights": dump.network.read_out[np.newaxis],
    }
    for name, examples in dump.examples.items():
        arrays[f"x_zeros_{name}"] = examples.tokens.transpose(0, 2, 1)
        arrays[f"y_labels_{name}"] = examples.labels
    return arrays


def same(found, expected):
    assert list(found.examples) == list(expected.examples) and found.info == expected.info
    for name, examples in expected.examples.items():
        assert (found.examples[name].tokens == examples.tokens).all()
        assert (found.examples[name].labels == examples.labels).all()
    tokens = expected.examples["train"].tokens
    outputs = found.network.outputs(found.network.features(tokens))
    assert np.allclose(outputs, forward(expected.network, tokens), rtol=1e-12)


def test_what_is_written_is_read(tmp_path):
    dump = some_dump()
    write_dump(tmp_path / "some.npz", dump)
    same(read_dump(tmp_path / "some.npz"), dump)


@pytest.mark.parametrize("precision", ["float64", "float32", "float16"])
def test_files_of_torch_are_read(tmp_path, precision):
    torch = pytest.importorskip("torch")
    arrays = {name: torch.tensor(array).to(getattr(torch, precision)) for name, array in content().items()}
    torch.save({**arrays, "info_string": "two layers of two heads", "args": [1]}, tmp_path / "some.pt")
    dump = read_dump(tmp_path / "some.pt")
    assert (dump.network.queries[1] == arrays["w_q_weigts"][1].double().numpy().transpose(0, 2, 1)).all()
    assert (dump.examples["train"].tokens == arrays["x_zeros_train"].double().numpy().transpose(0, 2, 1)).all()
    assert dump.network.readout == "average_pooling" and dump.info == "two layers of two heads"
    write_dump(tmp_path / "same.npz", dump)
    same(read_dump(tmp_path / "same.npz"), dump)


class Hostile:
    def __reduce__(self):
        return print, ("called",)


def test_a_file_of_torch_that_calls_something_is_refused(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save({"w_q_weigts": Hostile()}, tmp_path / "hostile.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"w_q_weigts": Hostile()}))
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("hostile", "plain", "list", "empty", "missing"):
        with pytest.raises(BadDump, match="cannot be read as a dictionary of plain tensors"):
            read_dump(tmp_path / f"{name}.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *[({name: None}, f"{name} must be an array .*, found none") for name in WEIGHTS],
        ({"w_q_weigts": np.zeros((2, 5))}, r"w_q_weigts must be an array \(L, H, N0, G\), found float64 \(2, 5\)"),
        ({"w_q_weigts": np.zeros((1, 2, 5, 2))}, "queries, keys and values must be of as many layers"),
        ({"w_v_weigts": np.zeros((2, 2, 3, 3))}, "values of layer 1 must have shape"),
        ({"readout_weights": np.full((1, 4), np.nan)}, "readout_weights must hold finite numbers"),
        ({"readout_weights": np.array([["text"]])}, "readout_weights must be an array"),
        ({"y_labels_train": None}, r"y_labels_train must be an array \(P,\), found none"),
        ({"y_labels_train": np.ones(5)}, "y_labels_train must be 6 labels, 1 or -1"),
        ({"y_labels_train": np.arange(6)}, "y_labels_train must be 6 labels"),
        ({"x_zeros_train": np.zeros((6, 7, 4))}, "x_zeros_train must be of tokens of 5 numbers"),
    ],
)
def test_an_array_of_another_shape_is_named(tmp_path, change, message):
    path = tmp_path / "some.npz"
    np.savez(path, **{name: array for name, array in {**content(), **change}.items() if array is not None})
    with pytest.raises(BadDump, match=message) as caught:
        read_dump(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "some.npz"
    with pytest.raises(BadDump, match="cannot be read as npz: FileNotFoundError"):
        read_dump(path)
    np.savez(path, w_q_weigts=np.array([Hostile()]))
    with pytest.raises(BadDump, match="cannot be read as npz: ValueError"):
        read_dump(path)
    write_dump(path, some_dump())
    written = path.read_bytes()
    for end in range(0, len(written), 97):
        path.write_bytes(written[:end])
        with pytest.raises(BadDump, match="cannot be read as npz"):
            read_dump(path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write_dump(tmp_path / "some.npz", some_dump())
    monkeypatch.setattr(dumps, "LARGEST_DUMP", 100)
    with pytest.raises(BadDump, match=r"some.npz: arrays of [0-9,]+ bytes; allowed are 100"):
        read_dump(tmp_path / "some.npz")
    torch = pytest.importorskip("torch")
    torch.save({"readout_weights": torch.zeros(1, dtype=torch.int8).expand(2**50)}, tmp_path / "some.pt")
    with pytest.raises(BadDump, match=r"some.pt: arrays of [0-9,]+ bytes; allowed are 100"):
        read_dump(tmp_path / "some.pt")


def test_what_no_dump_holds_is_not_written(tmp_path):
    dump = some_dump()
    with pytest.raises(BadDump, match=r"'x_zeros_a\$b': names are of"):
        write_dump(tmp_path / "some.npz", Dump(dump.network, {"a$b": dump.examples["train"]}))
    with pytest.raises(BadDump, match=r"must end in \.npz"):
        write_dump(tmp_path / "some.pt", dump)
    for network in (random_network(), random_network(heads=(2, 2), widths=(4, 4, 4), readout="last_token")):
        with pytest.raises(BadDump, match="layers of the same sizes, and of the mean over tokens"):
            write_dump(tmp_path / "some.npz", Dump(network, dump.examples))


def test_the_first_examples_of_each_label():
    examples = Examples(np.arange(6.0).reshape(6, 1, 1), np.array([-1.0, 1, 1, -1, -1, 1]))
    chosen = examples.first_of_each_label(2)
    assert chosen.labels.tolist() == [1, 1, -1, -1] and chosen.tokens.ravel().tolist() == [1, 2, 0, 3]
    with pytest.raises(BadDump, match="there are 3 and 3 examples"):
        examples.first_of_each_label(4)
