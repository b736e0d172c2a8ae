"""The step of the map, and orbits of it."""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from mfattn.compilation import compiled, inlined
from mfattn.meanfield.kernels.draws import DRAW_ROWS, draw_mean
from mfattn.meanfield.kernels.elementary import exponential, hyperbolic_tangent
from mfattn.meanfield.kernels.lanes import LANES, address, everywhere, fma, larger, load, scalar, store

OUTPUT, VALUE, QUERY, KEY = range(4)
CACHE_LINE = 8
"""Doubles in a line of the cache: a vector across two lines takes twice the time."""

BETA, LOGIT_SCALE, SEMANTIC_SHARE, POSITION_SHARE = range(4)


class Tables(NamedTuple):
    """What all points share: the sizes and the column classes.

    `features` is a tuple of length M where M <= 3 (its length is a constant to the compiler, and loops over features
    unroll) and the number M elsewhere.
    """

    features: tuple[int, ...] | int
    signs: np.ndarray  # (J, M)
    couplings: np.ndarray  # (M, J, 4)
    position_fields: np.ndarray  # (L, M, 4)


class Window(NamedTuple):
    """State of the packs; the token at position r stands in row r."""

    attention: np.ndarray  # (packs, L, M, LANES)
    position: np.ndarray  # (packs,) of the newest token
    filled: np.ndarray  # (packs,) tokens in the window
    parameters: np.ndarray  # (packs, 4, LANES): beta, gamma/sqrt(M), 1 - epsilon, epsilon


class NetworkWindow(NamedTuple):
    """State of packs of finite networks: the newest token's attention vector, from which it is yet to be drawn.

    Of the older tokens, which were drawn, the value and key fields are kept.
    """

    attention: np.ndarray  # (packs, L, M, LANES)
    position: np.ndarray  # (packs,) of the newest token
    filled: np.ndarray  # (packs,) tokens in the window
    parameters: np.ndarray  # (packs, 4, LANES), as of `Window`
    values: np.ndarray  # (packs, L, M, LANES)
    keys: np.ndarray  # (packs, L, M, LANES)
    bits: np.ndarray  # (packs, J, LANES) bits of each column class
    streams: np.ndarray  # (packs, 4, LANES) words of state


class Scratch(NamedTuple):
    """Working memory of one pack."""

    tanh: np.ndarray  # (J, LANES), or the means of the bits that were drawn
    query: np.ndarray  # (M, LANES) of the newest token
    values: np.ndarray  # (L, M, LANES)
    keys: np.ndarray  # (L, M, LANES)
    weights: np.ndarray  # (L, LANES) the logits, then the softmax before it is normalised
    draw: np.ndarray  # (DRAW_ROWS, LANES)


def number(features):
    """The number of features, from either form of `Tables.features`."""
    return len(features) if isinstance(features, tuple) else features


@overload(number, inline="always")
def _number(features):
    if isinstance(features, types.BaseTuple):
        constant = len(features)
        return lambda features: constant
    return lambda features: features


@inlined
def new_rows(count):
    """Memory of a number of rows of lanes, each of which begins where a line of the cache does."""
    memory = np.empty(count * LANES + CACHE_LINE)
    skip = (-address(memory) // 8) % CACHE_LINE
    return memory[skip : skip + count * LANES]


@inlined
def new_scratch(tables):
    """Working memory for packs of the sizes of TABLES."""
    features, classes, context = number(tables.features), tables.signs.shape[0], tables.position_fields.shape[0]
    return Scratch(
        new_rows(classes).reshape(classes, LANES),
        new_rows(features).reshape(features, LANES),
        new_rows(context * features).reshape(context, features, LANES),
        new_rows(context * features).reshape(context, features, LANES),
        new_rows(context).reshape(context, LANES),
        new_rows(DRAW_ROWS).reshape(DRAW_ROWS, LANES),
    )


@inlined
def _semantic_output(tables, parameters, tanh, feature):
    """(1 - epsilon) Sum_j G^o_{j,a} tanh_j."""
    total = tables.couplings[feature, 0, OUTPUT] * load(tanh, 0)
    for j in range(1, tables.signs.shape[0]):
        total = fma(tables.couplings[feature, j, OUTPUT], load(tanh, j), total)
    return load(parameters, SEMANTIC_SHARE) * total


def activate(tables, window, pack, newest, scratch):
    """Activity of each column class in the token whose attention vector begins in row NEWEST.

    In the mean field it is the tanh of the class's field; in a network, the mean of bits that are drawn with that mean.
    """


@overload(activate, jit_options={"forceinline": True, "error_model": "numpy"})
def _activate(tables, window, pack, newest, scratch):
    if window.instance_class is NetworkWindow:
        return _draw_activity
    return _expect_activity


def _expect_activity(tables, window, pack, newest, scratch):
    attention, beta = window.attention[pack], load(window.parameters[pack], BETA)
    for j in range(tables.signs.shape[0]):
        store(scratch.tanh, j, hyperbolic_tangent(beta * project(tables, attention, newest, j)))


def _draw_activity(tables, window, pack, newest, scratch):
    attention, beta = window.attention[pack], load(window.parameters[pack], BETA)
    bits, streams = window.bits[pack], window.streams[pack]
    for j in range(tables.signs.shape[0]):
        field = beta * project(tables, attention, newest, j)
        store(scratch.tanh, j, draw_mean(field, load(bits, j), streams, scratch.draw))


@inlined
def project(tables, vectors, newest, j):
    """S_j . A of the vector A that begins in row NEWEST."""
    first = j * number(tables.features)
    overlap = scalar(tables.signs, first) * load(vectors, newest)
    for b in range(1, number(tables.features)):
        overlap = fma(scalar(tables.signs, first + b), load(vectors, newest + b), overlap)
    return overlap


@inlined
def couple(tables, parameters, position, scratch):
    """Value, query and key fields of the token at POSITION, from its tanh; its value and key enter the ring."""
    features, classes = number(tables.features), tables.signs.shape[0]
    newest = position * features
    semantic_share, share = load(parameters, SEMANTIC_SHARE), load(parameters, POSITION_SHARE)
    for a in range(features):
        coupling, code = tables.couplings[a], tables.position_fields[position, a]
        tanh = load(scratch.tanh, 0)
        value, query, key = coupling[0, VALUE] * tanh, coupling[0, QUERY] * tanh, coupling[0, KEY] * tanh
        for j in range(1, classes):
            tanh = load(scratch.tanh, j)
            value = fma(coupling[j, VALUE], tanh, value)
            query = fma(coupling[j, QUERY], tanh, query)
            key = fma(coupling[j, KEY], tanh, key)
        store(scratch.query, a, fma(share, code[QUERY], semantic_share * query))
        store(scratch.values, newest + a, fma(share, code[VALUE], semantic_share * value))
        store(scratch.keys, newest + a, fma(share, code[KEY], semantic_share * key))


@inlined
def _compute_fields(tables, window, pack, position, scratch):
    """Value, query and key fields of the token at POSITION; its value and key enter the ring."""
    activate(tables, window, pack, position * number(tables.features), scratch)
    couple(tables, window.parameters[pack], position, scratch)


@inlined
def attend(tables, parameters, position, filled, scratch, attention, produced):
    """A' = Sum_d softmax(logits)_d m^v_d, written to the row of position PRODUCED."""
    features, context = number(tables.features), tables.position_fields.shape[0]
    scale = load(parameters, LOGIT_SCALE)
    # A full window is read in the order of its rows; one that is filling begins at its oldest token.
    oldest = 0 if filled == context else (position - filled + 1) % context
    top = everywhere(-np.inf)
    for d in range(filled):
        token = (oldest + d if oldest + d < context else oldest + d - context) * features
        overlap = load(scratch.query, 0) * load(scratch.keys, token)
        for a in range(1, features):
            overlap = fma(load(scratch.query, a), load(scratch.keys, token + a), overlap)
        logit = scale * overlap
        store(scratch.weights, d, logit)
        top = larger(top, logit)
    total = everywhere(0.0)
    result = produced * features
    for a in range(features):
        store(attention, result + a, total)
    for d in range(filled):
        token = (oldest + d if oldest + d < context else oldest + d - context) * features
        weight = exponential(load(scratch.weights, d) - top)
        store(scratch.weights, d, weight)
        total = total + weight
        for a in range(features):
            store(attention, result + a, fma(weight, load(scratch.values, token + a), load(attention, result + a)))
    inverse = 1.0 / total
    for a in range(features):
        store(attention, result + a, load(attention, result + a) * inverse)


@inlined
def _compute_older(tables, window, pack, scratch):
    """Values and keys of all tokens but the newest, from the attention vectors of the window."""
    context = tables.position_fields.shape[0]
    for age in range(1, window.filled[pack]):
        _compute_fields(tables, window, pack, (window.position[pack] - age) % context, scratch)


def open_pack(tables, window, pack, scratch):
    """Working memory that holds the values and keys of all tokens but the newest."""


@overload(open_pack, jit_options={"forceinline": True, "error_model": "numpy"})
def _open_pack(tables, window, pack, scratch):
    if window.instance_class is NetworkWindow:
        return _resume
    return _recompute


def _recompute(tables, window, pack, scratch):
    _compute_older(tables, window, pack, scratch)
    return scratch


def _resume(tables, window, pack, scratch):
    return Scratch(scratch.tanh, scratch.query, window.values[pack], window.keys[pack], scratch.weights, scratch.draw)


@inlined
def _step(tables, window, pack, scratch):
    """One step of a pack, on the rings that `open_pack` filled."""
    context = tables.position_fields.shape[0]
    position, filled = window.position[pack], window.filled[pack]
    _compute_fields(tables, window, pack, position, scratch)
    produced = position + 1 if position + 1 < context else 0
    attend(tables, window.parameters[pack], position, filled, scratch, window.attention[pack], produced)
    window.position[pack] = produced
    window.filled[pack] = min(filled + 1, context)


@compiled
def draw_older(tables, window, pack):
    """Draw all tokens of a network's pack but the newest, each from its attention vector."""
    scratch = open_pack(tables, window, pack, new_scratch(tables))
    _compute_older(tables, window, pack, scratch)


@compiled
def advance(tables, window, steps):
    """Advance every pack by STEPS steps, in place."""
    memory = new_scratch(tables)
    for pack in range(window.position.size):
        scratch = open_pack(tables, window, pack, memory)
        for _ in range(steps):
            _step(tables, window, pack, scratch)


@compiled
def record_attention(tables, window, records):
    """Advance every pack and write A' of every step; RECORDS has shape (packs, steps, M, LANES)."""
    features = number(tables.features)
    memory = new_scratch(tables)
    for pack in range(window.position.size):
        scratch = open_pack(tables, window, pack, memory)
        attention, record = window.attention[pack], records[pack]
        for step in range(records.shape[1]):
            _step(tables, window, pack, scratch)
            produced = window.position[pack] * features
            for a in range(features):
                store(record, step * features + a, load(attention, produced + a))


@inlined
def observed_step(tables, window, pack, scratch, record):
    """One step; A' and the semantic output field of the newest token before it go to rows 0 and 1 of the record."""
    features = number(tables.features)
    _step(tables, window, pack, scratch)
    produced = window.position[pack] * features
    for a in range(features):
        store(record, a, load(window.attention[pack], produced + a))
        store(record, features + a, _semantic_output(tables, window.parameters[pack], scratch.tanh, a))


@compiled
def record_orbits(tables, window, records):
    """Advance every pack and write A', then the semantic output, value, query and key fields of every step.

    RECORDS has shape (packs, steps, 5, M, LANES).
    """
    features = number(tables.features)
    memory = new_scratch(tables)
    for pack in range(window.position.size):
        scratch = open_pack(tables, window, pack, memory)
        for step in range(records.shape[1]):
            record, newest = records[pack, step], window.position[pack] * features
            observed_step(tables, window, pack, scratch, record)
            for a in range(features):
                store(record, 2 * features + a, load(scratch.values, newest + a))
                store(record, 3 * features + a, load(scratch.query, a))
                store(record, 4 * features + a, load(scratch.keys, newest + a))
