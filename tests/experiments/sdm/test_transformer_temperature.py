"""Temperatures of the heads of a language model, and what becomes of bad models and texts."""

import json
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfattn.cli import main
from mfattn.pipeline.errors import BAD_INPUT, COMPLETE
from mfattn.pipeline.plan import run_hash

from ...sdm.tiny_models import HEADS, LAYERS, libraries, write_config, write_gpt2, write_llama, write_tokenizer
from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of

NAME = "sdm_transformer"
RANDOM = (
    "model={random: {layers: 2, heads: 2, width: 32, spread: 0.3}}",
    "texts={random: {number: 3, tokens: 12}, longest: 10}",
)


def of_folder(root, folder, texts, *more):
    """The experiment on a model and texts of a user."""
    return experiment_of(root, NAME, f"model={{folder: {folder}}}", f"texts={texts}", *more)


def write_texts(folder, *lines):
    path = folder / "texts.txt"
    path.write_text("\n".join(lines))
    return f"{{file: {path}}}"


def write_tokens(folder, rows):
    path = folder / "tokens.json"
    path.write_text(json.dumps(rows))
    return f"{{tokens: {path}}}"


@pytest.mark.parametrize("positions", ["last", "all"])
def test_blocks_and_partial_results(root, monkeypatch, positions):
    libraries()
    run = experiment_of(root, NAME, *RANDOM, f"positions={positions}")
    check_blocks(run, 2)
    arrays = complete(run)
    check_results(run, arrays, [""], monkeypatch)
    assert arrays["tokens"].tolist() == [10] * 3 and arrays["tokens_given"].tolist() == [12] * 3
    assert run.warnings(arrays) == ["3 of 3 texts are longer than the 10 tokens read of them"]
    assert arrays["reconstruction_error"].max() < 1e-6


def test_the_published_measurement_is_the_largest_logit_of_the_last_token(root, tmp_path):
    torch, transformers = libraries()
    folder = write_gpt2(tmp_path / "gpt2")
    rows = [[5, 3, 8, 1, 4], [7, 7, 96]]
    run = of_folder(root, folder, write_tokens(tmp_path, rows))
    arrays = complete(run)
    network = transformers.GPT2LMHeadModel.from_pretrained(folder)
    for text, row in enumerate(rows):
        seen = []
        hooks = [
            layer.attn.c_attn.register_forward_hook(lambda *call, seen=seen: seen.append(call[-1]))
            for layer in network.transformer.h
        ]
        with torch.inference_mode():
            network(torch.tensor([row]))
        for hook in hooks:
            hook.remove()
        q, k, v = np.moveaxis(np.stack([part[0].numpy() for part in seen]).reshape(LAYERS, -1, 3, HEADS, 8), 2, 0)
        logits = np.einsum("lhd,lthd->lht", q[:, -1], k) / np.sqrt(8)
        assert_allclose(arrays["published_beta"][text], logits.max(axis=2), rtol=1e-4, atol=1e-5)
        assert_allclose(arrays["published_beta_without_sink"][text], logits[..., 1:].max(axis=2), rtol=1e-4, atol=1e-5)
        norms = np.linalg.norm(k, axis=-1)
        assert_allclose(arrays["key_norm"][text][..., 0], norms.mean(axis=1), rtol=1e-4)
        assert_allclose(arrays["sink_key_norm"][text], norms[:, 0], rtol=1e-4)
        assert_allclose(arrays["value_norm"][text][..., 4], np.linalg.norm(v, axis=-1).max(axis=1), rtol=1e-4)
    assert (arrays["pairs_by_weight"].sum(axis=-1) == np.array([15, 6])[:, None, None]).all()


def test_queries_of_all_tokens_hold_that_of_the_last(root):
    libraries()
    last, whole = (complete(experiment_of(root, NAME, *RANDOM, f"positions={kind}")) for kind in ("last", "all"))
    assert_allclose(last["published_beta"], last["largest_logit"][..., 0])
    assert np.array_equal(last["published_beta"], whole["published_beta"])
    assert (whole["largest_logit"][..., 4] >= last["largest_logit"][..., 0]).all()
    assert (whole["pairs_by_weight"].sum(axis=-1) == 55).all() and (last["pairs_by_weight"].sum(axis=-1) == 10).all()


def test_other_architectures_and_words(root, tmp_path):
    folder = write_tokenizer(write_llama(tmp_path / "llama"))
    run = of_folder(root, folder, write_texts(tmp_path, "1 2 3 4", "", "5", "6 x"))
    arrays = complete(run)
    assert arrays["published_beta"].shape == (3, 2, 4)
    assert arrays["tokens"].tolist() == [4, 1, 2]
    assert np.isfinite(arrays["loss"]).tolist() == [True, False, True]
    assert arrays["reconstruction_error"].max() < 1e-6
    assert any("llama" in text for _, text in run.describe())


def test_texts_are_cut_where_the_model_ends(root, tmp_path):
    folder = write_gpt2(tmp_path / "gpt2")
    run = of_folder(root, folder, write_tokens(tmp_path, [list(range(90))]))
    arrays = complete(run)
    assert (arrays["tokens"][0], arrays["tokens_given"][0]) == (64, 90)
    assert run.warnings(arrays) == ["1 of 1 texts are longer than the 64 tokens read of them"]


def test_a_run_is_known_by_what_is_in_its_files(root, tmp_path):
    folder = write_config(tmp_path / "model")
    texts = write_tokens(tmp_path, [[1, 2]])
    first = run_hash(of_folder(root, folder, texts).identity())
    moved = folder.rename(tmp_path / "elsewhere")
    assert run_hash(of_folder(root, moved, texts).identity()) == first
    write_tokens(tmp_path, [[1, 3]])
    assert run_hash(of_folder(root, moved, texts).identity()) != first


def test_a_model_that_attends_by_more_than_its_logits_is_named(root):
    libraries()
    run = experiment_of(root, NAME, *RANDOM)
    arrays = complete(run)
    arrays["reconstruction_error"][1] = 0.25
    assert run.warnings(arrays)[-1].startswith("the model attends by more than the softmax of its logits")


def test_paths_are_looked_for_from_where_the_command_runs(root, tmp_path, monkeypatch):
    write_config(tmp_path / "model")
    write_tokens(tmp_path, [[1, 2]])
    monkeypatch.chdir(tmp_path)
    run = of_folder(root, "model", "{tokens: tokens.json}")
    assert run.config.model_dump(mode="json")["model"]["folder"] == str(tmp_path / "model")


@pytest.mark.parametrize(
    ("assignments", "key", "message"),
    [
        (["model={}"], "model", "one of folder and random is needed"),
        (["model.folder=/none"], "model", "only one of folder and random, found both"),
        (["model={folder: /none}"], "model.folder", "an existing folder is needed, found '/none'"),
        (["model={folder: 3}"], "model.folder", "text, found 3"),
        (["model.random.width=510"], "model.random.width", "a multiple of heads (8), found 510"),
        (["model.random={layers: 100, heads: 1, width: 4096}"], "model.random.width", "at most 268,435,456 weights"),
        (["texts={}"], "texts", "one of file, tokens and random is needed"),
        (["texts.file=/none"], "texts", "only one of file, tokens and random, found file and random"),
        (["texts={file: /none.txt}"], "texts.file", "an existing file is needed, found '/none.txt'"),
        (["texts={tokens: /none.json}"], "texts.tokens", "an existing file is needed"),
        (["texts={tokens: /dev/zero}"], "texts.tokens", "a file is needed, this is something else"),
        (["texts={random: {number: 1, tokens: 16384}, longest: 16384}"], "texts.longest", "of at most 8 GiB"),
        (["texts.random.number=100000", "model.random={layers: 100, heads: 50, width: 100}"], "texts", "fewer texts"),
        (["lines.radii=[5, 40]"], "lines.radii[1]", "at most half the bits (32), found 40"),
    ],
)
def test_mistakes(root, assignments, key, message):
    check_mistake(root, NAME, assignments, key, message)


@pytest.mark.parametrize(
    ("file", "content", "key", "message"),
    [
        ("config.json", "{", "model.folder", "it is not JSON"),
        ("model.safetensors", None, "model.folder", "safetensors are needed; pytorch_model.bin may hold code"),
        ("tokens.json", "[[97]]", "texts.tokens", "token ids below 97, as the model has, found 97"),
        ("tokens.json", "[]", "texts.tokens", "1 to 100,000 texts are needed, not 0, found"),
    ],
)
def test_mistakes_in_files(root, tmp_path, file, content, key, message):
    folder = write_config(tmp_path)
    (folder / "pytorch_model.bin").write_bytes(b"")
    texts = write_tokens(folder, [[1, 2]])
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    check_mistake(root, NAME, [f"model={{folder: {folder}}}", f"texts={texts}"], key, message)


def test_words_need_a_tokenizer(root, tmp_path):
    texts = write_texts(tmp_path, "words")
    check_mistake(root, NAME, [f"texts={texts}"], "texts.file", "the model has no tokenizer")
    folder = write_config(tmp_path / "model")
    words = [f"model={{folder: {folder}}}", f"texts={texts}"]
    check_mistake(root, NAME, words, "texts.file", "the model has no tokenizer")
    (folder / "tokenizer.json").write_text("{}")
    assert experiment_of(root, NAME, *words).points == 1


def small_run(root, out):
    settings = [word for assignment in RANDOM for word in ("--set", assignment)]
    return ["run", str(root / "cfgs" / f"{NAME}.yaml"), "--out", str(out), "--jobs", "1", *settings]


def test_the_command(root, tmp_path, capsys):
    libraries()
    assert main(small_run(root, tmp_path)) == COMPLETE
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {f"{NAME}.png", f"{NAME}.pdf"}
    assert main(["export", *small_run(root, tmp_path)[1:4], *small_run(root, tmp_path)[6:]]) == COMPLETE
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.count(",") > 20 for line in lines) == 1 + 3 * 2 * 2


def test_without_the_extra_one_line_says_how_to_get_it(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(small_run(root, tmp_path)) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "reading a model needs the extra mfattn[transformers]: pip install 'mfattn[transformers]'"


def test_a_config_is_known_without_the_libraries(root):
    code = "import sys; from mfattn.cli import main; assert main(sys.argv[1:]) == 0; "
    code += "assert not {'torch', 'transformers'} & set(sys.modules)"
    configs = [str(root / "cfgs" / f"{name}.yaml") for name in (NAME, "sdm_substitution")]
    subprocess.run([sys.executable, "-c", code, "check", *configs], check=True, capture_output=True)
