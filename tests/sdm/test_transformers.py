"""Attention heads: equations in NumPy, a user's files, and models of the library transformers."""

import contextlib
import json
import math
import os
import pickle
import socket
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from mfattn.sdm.geometry import log_intersection
from mfattn.sdm.sphere import log_double_cap, radius_to_angle
from mfattn.sdm.temperatures import fit_beta
from mfattn.sdm.transformers import (
    BadFile,
    BadModel,
    Head,
    ModelShape,
    Replacement,
    causal_head,
    compare_weights,
    equivalent_radius,
    head_statistics,
    load_model,
    load_tokenizer,
    model_shape,
    random_model,
    read_texts,
    read_tokens,
)
from mfattn.sdm.transformers.files import file_digest, has_tokenizer, model_digest, model_files
from mfattn.sdm.transformers.heads import WEIGHT_BINS, largest_logits
from mfattn.sdm.transformers.models import mean_divergence, mean_loss
from mfattn.sdm.transformers.scales import HENRY, parse_scales, read_scales
from mfattn.sdm.transformers.substitution import WEIGHTINGS

from .tiny_models import (
    HEADS,
    LAYERS,
    POSITIONS,
    TOKENS,
    WIDTH,
    libraries,
    write_config,
    write_gpt2,
    write_llama,
    write_tokenizer,
)

# Heads, in NumPy.


def random_head(tokens=20, dimension=16, spread=2.0, seed=1):
    q, k, v = spread * np.random.default_rng(seed).standard_normal((3, tokens, dimension))
    return causal_head(q, k, v)


def test_logits_are_temperatures_times_cosines():
    head = random_head()
    assert_allclose(head.betas * head.cosines, head.logits, atol=1e-12)
    assert_allclose(head.betas[3, 5], np.linalg.norm(head.queries[3]) * np.linalg.norm(head.keys[5]) / 4)
    weights = np.exp(head.log_weights)
    assert_allclose(weights.sum(axis=1), 1)
    assert_allclose(weights[7, :8], special.softmax(head.logits[7, :8]))
    assert not weights[7, 8:].any()


def test_queries_of_length_0_have_cosines_0():
    head = causal_head(np.zeros((2, 4)), np.ones((2, 4)), np.ones((2, 4)))
    assert not head.cosines.any() and not head.betas.any()
    assert math.isnan(head.logit_slope)


def test_equal_lengths_give_one_temperature_which_is_also_the_slope():
    rng = np.random.default_rng(3)
    q, k = rng.standard_normal((2, 30, 64))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    k /= np.linalg.norm(k, axis=1, keepdims=True)
    head = causal_head(q, k, k, scale=14.4)
    found = head_statistics(head)
    assert_allclose(found["effective_beta"], [14.4, 0, 14.4, 14.4, 14.4], atol=1e-12)
    assert_allclose(found["logit_slope"], 14.4)
    assert found["equivalent_radius"] == 11


def test_statistics_are_over_the_pairs_that_are_seen():
    head = random_head(tokens=6)
    found = head_statistics(head)
    seen = np.tri(6, dtype=bool)
    assert_allclose(found["effective_beta"][[0, 2, 4]], [f(head.betas[seen]) for f in (np.mean, np.min, np.max)])
    assert_allclose(found["cosine"][3], np.median(head.cosines[seen]))
    assert_allclose(found["largest_logit"][0], np.mean([head.logits[i, : i + 1].max() for i in range(6)]))
    without = [head.logits[i, 1 : i + 1].max() for i in range(1, 6)]
    assert_allclose(found["largest_logit_without_sink"][[0, 4]], [np.mean(without), np.max(without)])
    excess = [head.logits[i, : i + 1].max() - head.logits[i, : i + 1].mean() for i in range(6)]
    assert_allclose(found["logit_excess"][0], np.mean(excess))
    weights = np.exp(head.log_weights)
    assert_allclose(found["sink_weight"], weights[:, 0].mean())
    assert_allclose(found["entropy"], special.entr(weights).sum(axis=1).mean())
    assert found["pairs_by_weight"].sum() == seen.sum()
    norms = np.linalg.norm(head.values, axis=1)
    total = np.nansum(found["pairs_by_weight"] * found["value_norm_by_weight"])
    assert_allclose(total, np.broadcast_to(norms, (6, 6))[seen].sum())
    assert len(found["pairs_by_weight"]) == WEIGHT_BINS


def test_the_last_query_is_what_was_published():
    head = random_head(tokens=9)
    last = head.last()
    assert_allclose(largest_logits(last, last.visible), [head.logits[-1].max()])
    assert_allclose(head_statistics(last)["largest_logit"], [head.logits[-1].max(), 0] + [head.logits[-1].max()] * 3)


def test_a_single_token_has_nothing_but_itself():
    found = head_statistics(random_head(tokens=1))
    assert found["sink_weight"] == 1 and found["entropy"] == 0
    assert np.isnan(found["largest_logit_without_sink"]).all() and np.isnan(found["effective_beta_without_sink"]).all()
    assert math.isnan(found["logit_slope"]) and math.isnan(found["value_norm_correlation"])


def test_logits_of_any_size_give_weights():
    head = random_head(spread=1e3)
    assert_allclose(np.exp(head.log_weights).sum(axis=1), 1)
    assert all(np.isfinite(head_statistics(head)[name]).all() for name in ("entropy", "logit_slope", "cosine"))


@pytest.mark.parametrize("change", ["shape", "nan", "scale", "vector"])
def test_wrong_heads_are_refused(change):
    q = k = v = np.ones((3, 4))
    scale = 0.5
    if change == "shape":
        k = np.ones((3, 5))
    elif change == "nan":
        q = np.full((3, 4), np.nan)
    elif change == "scale":
        scale = 0.0
    else:
        v = np.ones(3)
    with pytest.raises(ValueError, match=r"must (be|fit)"):
        Head(q, k, v, np.tri(3, dtype=bool), scale)


def test_equivalent_radii_invert_the_fit():
    for d in (6, 11, 15, 20, 30):
        assert equivalent_radius(64, fit_beta(64, d).beta) == d
        assert equivalent_radius(64, fit_beta(64, d, kind="cap").beta, kind="cap") == d
    assert [equivalent_radius(64, beta) for beta in (0.0, -3.0, math.nan, math.inf, 0.4, 90.0)] == [-1] * 6
    assert equivalent_radius(7, 2.0) == -1


# Weights in the place of softmax.


def test_balls_and_caps_weigh_by_what_they_share():
    head = random_head(tokens=12, dimension=16)
    balls = np.exp(Replacement("balls", radius=6).log_weights(head))
    caps = np.exp(Replacement("caps", radius=6).log_weights(head))
    cosines = head.cosines[11]
    distances = np.rint(8 * (1 - cosines)).astype(int)
    shares = np.exp(log_intersection(16, 6))[distances]
    assert_allclose(balls[11], shares / shares.sum(), rtol=1e-10)
    shares = np.exp(log_double_cap(16, radius_to_angle(16, 6), cosines))
    assert_allclose(caps[11], shares / shares.sum(), rtol=1e-6)
    assert not balls[3, 4:].any() and not caps[3, 4:].any()


def test_what_no_ball_meets_reads_nothing():
    rows = np.eye(16)
    head = causal_head(rows, -rows, rows)
    logs = Replacement("balls", radius=2).log_weights(head)
    assert np.isneginf(logs).all()
    found = compare_weights(head, logs)
    assert (found.total_variation, found.agreement, found.empty) == (1.0, 0.0, 1.0)
    assert math.isnan(found.divergence)


def test_the_unit_softmax_is_the_softmax_where_all_lengths_are_equal():
    rng = np.random.default_rng(3)
    q, k = rng.standard_normal((2, 30, 16))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    k /= np.linalg.norm(k, axis=1, keepdims=True)
    head = causal_head(q, k, k, scale=5.0)
    found = compare_weights(head, Replacement.of_head("unit_softmax", head).log_weights(head))
    assert found.total_variation < 1e-12 and abs(found.divergence) < 1e-12 and found.agreement == 1


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_distances_of_weights_keep_their_bounds(weighting):
    for seed in range(5):
        head = random_head(tokens=15, spread=1.0, seed=seed)
        found = compare_weights(head, Replacement.of_head(weighting, head).log_weights(head))
        assert 0 <= found.total_variation <= 1 and 0 <= found.agreement <= 1 and 0 <= found.empty <= 1
        if found.empty == 0:
            # Pinsker's inequality, which holds for the mean as the square is convex.
            assert found.total_variation**2 <= found.divergence / 2 + 1e-15


def test_the_matched_radius_follows_the_temperature():
    rows = np.eye(64)
    for d in (6, 11, 20):
        head = causal_head(rows, rows, rows, scale=fit_beta(64, d).beta)
        assert Replacement.of_head("balls", head).radius == d
        assert Replacement.of_head("balls", head, 7).radius == 7
    with pytest.raises(ValueError, match="weighting must be one of"):
        Replacement("softmin")


def test_losses_and_divergences():
    rng = np.random.default_rng(1)
    first, second = special.log_softmax(rng.standard_normal((2, 150, 7)), axis=-1)
    tokens = rng.integers(0, 7, 150)
    assert_allclose(mean_loss(first, tokens), -np.mean([first[i, tokens[i + 1]] for i in range(149)]))
    assert_allclose(mean_divergence(first, second), special.rel_entr(np.exp(first), np.exp(second)).sum() / 150)
    assert math.isnan(mean_loss(first[:1], tokens[:1]))


def test_no_bits_depend_on_the_threads_of_blas():
    program = """
import numpy as np
from mfattn.sdm.transformers import causal_head, head_statistics
vectors = np.random.default_rng(1).standard_normal((3, 200, 64))
head = causal_head(*vectors)
found = head_statistics(head)
print(head.logits.tobytes().hex()[-99:], *(np.asarray(found[name]).tobytes().hex() for name in sorted(found)))
"""
    printed = set()
    for threads in ("1", "2"):
        bounds = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | bounds, capture_output=True, text=True, check=True
        )
        printed.add(done.stdout)
    assert len(printed) == 1


# A user's files.


def test_the_shape_of_a_model_is_read_without_loading_it(tmp_path):
    assert model_shape(write_config(tmp_path)) == ModelShape("gpt2", LAYERS, HEADS, 8, WIDTH, TOKENS, POSITIONS)
    llama = {"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 48, "head_dim": 16}
    (tmp_path / "config.json").write_text(json.dumps({**llama, "vocab_size": 50}))
    assert model_shape(tmp_path) == ModelShape("llama", 2, 4, 16, 48, 50, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "config.json: it is not JSON"),
        ("[" * 100_000, "config.json: it is not JSON"),
        ("[1]", "config.json: a mapping is needed"),
        ("{}", "config.json: it names no number of heads"),
        ('{"n_head": 4, "n_embd": 32, "n_layer": "3"}', "config.json: n_layer: a whole number from 1 to 1,000"),
        ('{"n_head": 0}', "config.json: n_head: a whole number from 1 to 1,000 is needed"),
        (" " * (2**20 + 1), "config.json: a file of at most 1 MiB is needed"),
    ],
)
def test_configs_of_models_that_are_none(tmp_path, content, message):
    write_config(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(BadFile) as error:
        model_shape(tmp_path)
    assert str(error.value).startswith(message)


def test_folders_without_a_model(tmp_path):
    for path in (tmp_path / "none", tmp_path / ("x" * 5000), tmp_path / "a\0b"):
        with pytest.raises(BadFile, match="an existing folder is needed"):
            model_files(path)
    with pytest.raises(BadFile, match=r"a folder with a config\.json is needed"):
        model_files(tmp_path)
    write_config(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(BadFile, match=r"safetensors are needed; pytorch_model\.bin may hold code"):
        model_shape(tmp_path)


def test_a_digest_follows_what_makes_the_model(tmp_path):
    folder = write_config(tmp_path / "model")
    digest = model_digest(folder)
    (folder / "README.md").write_text("words")
    assert model_digest(folder) == digest
    assert model_digest(folder.rename(tmp_path / "elsewhere")) == digest
    (tmp_path / "elsewhere" / "model.safetensors").write_bytes(b"other")
    assert model_digest(tmp_path / "elsewhere") != digest


def test_texts_are_lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("one text\n\n  another β \n")
    assert read_texts(path) == ("one text", "another β")
    digest = file_digest(path)
    path.write_text("other")
    assert read_texts(path) == ("other",) and file_digest(path) != digest


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe"])
def test_files_without_texts_are_refused(tmp_path, content):
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"1 to 100,000 texts|UTF-8"):
        read_texts(path)


def test_files_that_are_none_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(BadFile, match="something else"):
            read_texts(path)
    for path in (tmp_path / "none", tmp_path / "a\0b"):
        with pytest.raises(BadFile, match="an existing file"):
            read_tokens(path)


def test_tokens_are_lists_or_arrays(tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text("[[1, 2, 3], [4]]")
    assert [row.tolist() for row in read_tokens(path)] == [[1, 2, 3], [4]]
    for array, rows in (([[1, 2], [3, 4]], 2), ([5, 6, 7], 1)):
        np.save(tmp_path / "tokens.npy", np.array(array, dtype=np.uint16))
        found = read_tokens(tmp_path / "tokens.npy")
        assert len(found) == rows and found[0].dtype == np.int64


@pytest.mark.parametrize(
    "content",
    ["", "{", "3", "[]", "[1]", "[[]]", "[[1.5]]", "[[true]]", "[[-1]]", "[[2147483648]]", '[["1"]]', "[" * 9999],
)
def test_files_without_tokens_are_refused(tmp_path, content):
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(BadFile):
        read_tokens(path)


class Malice:
    def __reduce__(self):
        return exec, ("raise SystemExit('run')",)


@pytest.mark.parametrize("kind", ["pickle", "objects", "floats", "cut", "claims", "empty", "negative", "npz"])
def test_arrays_without_tokens_are_refused(tmp_path, kind):
    path = tmp_path / "tokens.npy"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Malice()))
    elif kind == "npz":
        np.savez(tmp_path / "tokens.npz", a=np.arange(3))
        (tmp_path / "tokens.npz").rename(path)
    else:
        arrays = {"objects": np.array([Malice()]), "floats": np.ones(3), "empty": np.zeros(0, int)}
        np.save(path, arrays.get(kind, np.arange(-1, 8)), allow_pickle=True)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    if kind == "claims":
        path.write_bytes(path.read_bytes().replace(b"(9,)", b"(99999999999,)"))
    with pytest.raises(BadFile):
        read_tokens(path)


@pytest.mark.parametrize(
    "shape", [b"(99999999999999999999999, 8)", b"(True, 3)", b"(4611686018427387904, 8)", b"(-1, 3)", b"(9, "]
)
def test_arrays_with_a_damaged_header_are_refused(tmp_path, shape):
    path = tmp_path / "tokens.npy"
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': " + shape + (b", }" if shape[-1:] == b")" else b"")
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(72))
    with pytest.raises(BadFile, match=r"^an array that NumPy reads without pickle is needed$"):
        read_tokens(path)


def test_other_arrays_are_named(tmp_path):
    np.save(tmp_path / "tokens.npy", np.ones(3))
    with pytest.raises(BadFile, match=r"are needed, not float64 \(3,\)$"):
        read_tokens(tmp_path / "tokens.npy")


# Learnt scales.


def test_scales_of_lists_mappings_and_what_torch_prints():
    assert parse_scales("[1, 2.5]")["unnamed"].tolist() == [1, 2.5]
    text = """
    encoder.0.scale tensor(13.2098, device='cuda:0', grad_fn=<MulBackward0>)
    {'b': tensor(1.5e1), 'c': tensor( -2. )}
    ar-en:
    Parameter containing: tensor([17.5, .5], requires_grad=True)
    """
    found = parse_scales(text)
    assert {name: group.tolist() for name, group in found.items()} == {
        "unnamed": [13.2098, 15.0, -2.0],
        "ar-en": [17.5, 0.5],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        "[]",
        "{}",
        '["1"]',
        "[true]",
        "[[1]]",
        "[NaN]",
        "[1e999]",
        "[" + "9" * 400 + "]",
        "tensor(",
        "tensor()",
        "tensor(nan)",
        "tensor(__import__('os').system('exit 1'))",
        "tensor([1, x])",
    ],
)
def test_files_without_scales_are_refused(tmp_path, text):
    path = tmp_path / "scales"
    path.write_text(text)
    with pytest.raises(BadFile) as error:
        read_scales(path)
    assert "\n" not in str(error.value)


def test_the_published_scales_lie_between_the_best_radii_for_distance_and_for_memory():
    memory, noise, distance = (fit_beta(64, d).beta for d in (5, 11, 15))
    assert distance < HENRY.minimum < HENRY.median < HENRY.maximum < memory
    assert abs(HENRY.mean - noise) < HENRY.standard_deviation / 2


# Models of the library.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Loaded models by name."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "gpt2": load_model(write_gpt2(folder / "gpt2")),
        "gpt2 by layer": load_model(write_gpt2(folder / "scaled", scale_attn_by_inverse_layer_idx=True)),
        "gpt2 without scale": load_model(write_gpt2(folder / "unscaled", scale_attn_weights=False)),
        "llama": load_model(write_llama(folder / "llama")),
    }


NAMES = ("gpt2", "gpt2 by layer", "gpt2 without scale", "llama")


def tokens(number=40, seed=1):
    return np.random.default_rng(seed).integers(0, TOKENS, number)


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_of_all_heads_are_those_that_the_model_gives_out(tiny, name):
    model = tiny[name]
    own, heads = model.attentions(tokens()), model.heads(tokens())
    assert [len(layer) for layer in heads] == [model.shape.heads] * model.shape.layers
    for layer, weights in zip(heads, own, strict=True):
        assert_allclose([np.exp(head.log_weights) for head in layer], weights, atol=1e-6)


def test_queries_keys_and_values_are_those_of_the_projections(tiny):
    model = tiny["gpt2 by layer"]
    torch, _ = libraries()
    seen = []
    layers = model.network.transformer.h
    hooks = [layer.attn.c_attn.register_forward_hook(lambda *call: seen.append(call[-1])) for layer in layers]
    with torch.inference_mode():
        model.network(torch.from_numpy(tokens())[None])
    for hook in hooks:
        hook.remove()
    for number, (layer, projected) in enumerate(zip(model.heads(tokens()), seen, strict=True)):
        q, k, v = projected[0].double().numpy().reshape(40, 3, HEADS, 8).transpose(1, 2, 0, 3)
        for head, parts in zip(layer, zip(q, k, v, strict=True), strict=True):
            assert_allclose((head.queries, head.keys, head.values), parts, atol=1e-6)
            assert_allclose(head.scale, 1 / math.sqrt(8) / (number + 1))
            assert np.array_equal(head.visible, np.tri(40, dtype=bool))


@pytest.mark.parametrize("name", NAMES)
def test_the_own_weights_in_place_of_themselves_change_nothing(tiny, name):
    model = tiny[name]
    usual = model.log_probabilities(tokens())
    assert np.array_equal(model.log_probabilities(tokens(), lambda layer, heads: None), usual)
    same = model.log_probabilities(tokens(), lambda layer, heads: np.exp([head.log_weights for head in heads]))
    assert_allclose(same, usual, atol=2e-4)
    assert mean_divergence(usual, same) < 1e-9
    assert np.array_equal(model.log_probabilities(tokens()), usual)


def test_other_weights_change_what_comes_next(tiny):
    usual = tiny["gpt2"].log_probabilities(tokens())
    first = tiny["gpt2"].log_probabilities(tokens(), lambda layer, heads: np.tile(np.eye(1, 40), (len(heads), 40, 1)))
    assert mean_divergence(usual, first) > 1e-3
    assert_allclose(usual[0], first[0], atol=2e-5)


def test_what_goes_wrong_while_a_model_attends_leaves_it_as_it_was(tiny):
    usual = tiny["gpt2"].log_probabilities(tokens())

    def fail(layer, heads):
        raise KeyError(layer)

    with pytest.raises(KeyError):
        tiny["gpt2"].log_probabilities(tokens(), fail)
    assert np.array_equal(tiny["gpt2"].log_probabilities(tokens()), usual)


def test_random_models_depend_on_their_seed_alone():
    torch, _ = libraries()
    shape = ModelShape("gpt2", 1, 2, 8, 16, TOKENS, 16)
    state = torch.random.get_rng_state()
    first, again, other = (random_model(shape, spread=0.5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    logs = [model.log_probabilities(tokens(16)) for model in (first, again, other)]
    assert np.array_equal(logs[0], logs[1]) and not np.array_equal(logs[0], logs[2])


def test_nothing_is_looked_for_on_the_network(tmp_path, monkeypatch):
    libraries()

    def connect(*arguments):
        raise AssertionError(f"a connection was asked for: {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    model = load_model(write_tokenizer(write_gpt2(tmp_path)))
    assert load_tokenizer(tmp_path)("3 5 β").tolist() == [4, 6, 0]
    assert len(model.heads(tokens(5))) == LAYERS
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadModel, match="transformers cannot load it"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_code_in_a_folder_is_never_run(tmp_path, known):
    folder = write_tokenizer(write_gpt2(tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    classes = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.T", "evil.T"]}
    config |= {"auto_map": classes} | ({} if known else {"model_type": "evil"})
    (folder / "config.json").write_text(json.dumps(config))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"auto_map": classes}))
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'run')!r}).touch()\n")
    if known:
        assert load_model(folder).shape.layers == LAYERS
    else:
        with pytest.raises(BadModel, match="transformers cannot load it"):
            load_model(folder)
    with contextlib.suppress(BadModel):
        load_tokenizer(folder)("1 2")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["cut", "other shape", "missing"])
def test_damaged_models_are_refused(tmp_path, damage):
    folder = write_gpt2(tmp_path)
    if damage == "cut":
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "other shape":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"n_embd": 64}))
    else:
        files = pytest.importorskip("safetensors.torch")
        weights = files.load_file(folder / "model.safetensors")
        del weights["transformer.h.1.attn.c_attn.weight"]
        files.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadModel) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


def test_architectures_that_attend_in_their_own_way_are_refused(tmp_path):
    _, transformers = libraries()
    config = transformers.BloomConfig(vocab_size=TOKENS, hidden_size=16, n_layer=1, n_head=2)
    transformers.BloomForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(BadModel, match="kind bloom do not let their attention be seen"):
        load_model(tmp_path).heads(tokens(4))


def test_a_folder_without_a_tokenizer_has_none(tmp_path):
    assert not has_tokenizer(write_config(tmp_path))
    with pytest.raises(BadModel, match="no tokenizer; give token ids"):
        load_tokenizer(tmp_path)
