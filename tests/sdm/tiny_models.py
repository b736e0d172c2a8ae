"""Tiny language models with random weights, in folders as transformers writes them."""

import json

import pytest

TOKENS, POSITIONS = 97, 64
LAYERS, HEADS, WIDTH = 3, 4, 32


def libraries():
    """The modules torch and transformers; without them the test is skipped."""
    return pytest.importorskip("torch"), pytest.importorskip("transformers")


def write_gpt2(folder, **settings):
    """A GPT-2 in a folder."""
    torch, transformers = libraries()
    shape = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "n_positions": POSITIONS, "vocab_size": TOKENS}
    none = {"bos_token_id": None, "eos_token_id": None}
    config = transformers.GPT2Config(**{**shape, **none, "initializer_range": 0.2, **settings})
    torch.manual_seed(1)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def write_llama(folder):
    """A model like LLaMA, two heads of which share their keys and values."""
    torch, transformers = libraries()
    config = transformers.LlamaConfig(
        vocab_size=TOKENS,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=POSITIONS,
        initializer_range=0.2,
    )
    torch.manual_seed(1)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_tokenizer(folder):
    """A tokenizer of words, which knows the numbers from 0 to 89."""
    _, transformers = libraries()
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[UNK]": 0, **{str(number): number + 1 for number in range(90)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder)
    return folder


def write_config(folder, **settings):
    """A folder that has the files of a GPT-2, but no weights in them: enough for whatever does not load it."""
    folder.mkdir(exist_ok=True)
    shape = {"model_type": "gpt2", "n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH}
    content = {**shape, "n_positions": POSITIONS, "vocab_size": TOKENS, **settings}
    (folder / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    (folder / "model.safetensors").write_bytes(b"")
    return folder
