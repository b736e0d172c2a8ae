"""Attention heads of trained language models beside sparse distributed memories.

`heads` and `substitution` are equations in NumPy, for queries, keys and values from anywhere; `models` gets them from
models of the library transformers, which is an extra: ``pip install 'mfattn[transformers]'``.
"""

from mfattn.sdm.transformers.files import BadFile, ModelShape, model_shape, read_texts, read_tokens
from mfattn.sdm.transformers.heads import Head, causal_head, equivalent_radius, head_statistics
from mfattn.sdm.transformers.models import (
    BadModel,
    LanguageModel,
    MissingExtra,
    load_model,
    load_tokenizer,
    random_model,
)
from mfattn.sdm.transformers.substitution import Comparison, Replacement, compare_weights

__all__ = [
    "BadFile",
    "BadModel",
    "Comparison",
    "Head",
    "LanguageModel",
    "MissingExtra",
    "ModelShape",
    "Replacement",
    "causal_head",
    "compare_weights",
    "equivalent_radius",
    "head_statistics",
    "load_model",
    "load_tokenizer",
    "model_shape",
    "random_model",
    "read_texts",
    "read_tokens",
]
