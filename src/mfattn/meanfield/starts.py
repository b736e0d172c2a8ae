"""Starts of the map: from a prompt token, or from a pattern of the assigned ensemble."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mfattn.meanfield.classes import FIELDS
from mfattn.meanfield.model import Array, Context
from mfattn.meanfield.weights import Weights

PromptSource = Literal["output", "value", "query", "key", "random"]
RANDOM_PROMPTS = 10


def prompt_token(weights: Weights, source: PromptSource, row: int) -> Array:
    """A prompt token of ±1: N semantic bits, then P positional bits, which are all -1.

    Parameters
    ----------
    weights : Weights
        With a template.
    source : {'output', 'value', 'query', 'key', 'random'}
        The kind of weights whose row is the semantic part; 'random' takes one of ten fixed random tokens (seed 0 of
        NumPy's RandomState), as the published runs do.
    row : int
        0 to M - 1, or 0 to 9 for a random token.

    Raises
    ------
    ValueError
        If the weights have no template, the source is unknown, or the row is out of range.
    """
    if weights.template is None:
        raise ValueError("these weights have no template to make a prompt token of; start from a pattern instead")
    if source not in get_args(PromptSource):
        raise ValueError(f"source must be one of {', '.join(get_args(PromptSource))}, found {source!r}")
    rows = RANDOM_PROMPTS if source == "random" else weights.features
    if not 0 <= row < rows:
        raise ValueError(f"row must be 0 to {rows - 1}, found {row}")
    number = weights.template.shape[2]
    if source == "random":
        tokens = np.random.RandomState(0).randint(2, size=(RANDOM_PROMPTS, number + weights.position_bits)) * 2.0 - 1.0
        semantic = tokens[row, :number]
    else:
        semantic = weights.template[FIELDS.index(source), row]
    return np.concatenate([semantic, -np.ones(weights.position_bits)])


def token_fields(weights: Weights, token: ArrayLike, epsilon: float) -> Array:
    r"""The four fields of a token, (4, M) in the order of `FIELDS`.

    .. math:: m^\alpha = (1 - \epsilon)\, W^\alpha x_\mathrm{sem} / N + \frac{\epsilon}{P}\, \Pi^\alpha x_\mathrm{pos}

    Parameters
    ----------
    weights : Weights
        With a template of N columns.
    token : (N + P,) array of ±1
        Semantic, then positional bits, as `prompt_token` makes them.
    epsilon : float
        Share of the position.

    Raises
    ------
    ValueError
        If the weights have no template or the token has another length.
    """
    if weights.template is None:
        raise ValueError("these weights have no template, and a prompt token has no fields")
    token = np.asarray(token, dtype=np.float64)
    number = weights.template.shape[2]
    if token.shape != (number + weights.position_bits,):
        raise ValueError(f"token must have shape ({number + weights.position_bits},), found {token.shape}")
    fields = (1.0 - epsilon) * (weights.template @ token[:number]) / number
    if weights.position_bits:
        fields += epsilon / weights.position_bits * (weights.position_weights @ token[number:])
    return fields


def context_from_token(weights: Weights, token: ArrayLike, epsilon: float) -> Context:
    r"""Context after a prompt token, which attends to itself alone: :math:`A_0 = m^v(x)` at position 0.

    The token itself is not kept in the window. Parameters and errors are those of `token_fields`.
    """
    return Context(token_fields(weights, token, epsilon)[np.newaxis, FIELDS.index("value")], 0)


def pattern_fields(weights: Weights, pattern: int) -> Array:
    r"""The four fields, (4, M), of a prompt that is a pattern of the assigned ensemble.

    :math:`m^\alpha_a = 1` where feature a of the weights of that kind holds the pattern, else 0; they carry no
    positional share.

    Parameters
    ----------
    weights : Weights
        Of the assigned ensemble.
    pattern : int
        Index of the pattern.

    Raises
    ------
    ValueError
        If the weights are not of the assigned ensemble, or no list of patterns names the index.
    """
    if weights.pattern_order is None:
        raise ValueError("only the assigned ensemble has patterns to start from")
    if pattern not in weights.pattern_order:
        raise ValueError(f"pattern must be one that a feature holds, found {pattern}")
    return (weights.pattern_order == pattern).astype(np.float64)


def context_from_pattern(weights: Weights, pattern: int) -> Context:
    r"""Context after a prompt that is a pattern of the assigned ensemble: :math:`A_0 = m^v` at position 0.

    Parameters and errors are those of `pattern_fields`.
    """
    return Context(pattern_fields(weights, pattern)[np.newaxis, FIELDS.index("value")], 0)
