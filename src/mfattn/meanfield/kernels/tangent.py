"""Tangent vectors carried along orbits: the companion structure, and their re-orthonormalisation."""

from typing import NamedTuple

import numpy as np

from mfattn.compilation import compiled, inlined
from mfattn.meanfield.kernels.elementary import logarithm, tangent_and_slope
from mfattn.meanfield.kernels.lanes import (
    LANES,
    absolute,
    any_less,
    everywhere,
    fma,
    larger,
    load,
    round_down,
    scalar,
    square_root,
    store,
    where_less,
)
from mfattn.meanfield.kernels.step import (
    BETA,
    KEY,
    LOGIT_SCALE,
    QUERY,
    SEMANTIC_SHARE,
    VALUE,
    attend,
    couple,
    new_rows,
    new_scratch,
    number,
    project,
)

UNDERFLOW, RESCALE = 1.0e-280, 2.0**500
"""Squared lengths below the first have lost digits, and are computed anew from a vector times the second."""

SMALLEST = 1.0e-300
"""Lengths below this are 0."""

PANEL = 8
"""Tangent vectors that are orthogonalised together."""

WIDEST = np.exp(20.0)
"""Ratio R_11 / R_ii beyond which the interval is halved: well before the digits are lost at exp(30)."""


class Tangents(NamedTuple):
    """Tangent vectors of the packs, whose rows are those of `Window.attention`, and what is known of their growth."""

    vectors: np.ndarray  # (packs, k, L, M, LANES)
    growth: np.ndarray  # (packs, k, LANES) sum of log R_ii
    spread: np.ndarray  # (packs, k, LANES) largest R_11 / R_ii
    interval: np.ndarray  # (packs, LANES) steps between re-orthonormalisations
    age: np.ndarray  # (packs, LANES) steps since the last one


class TangentScratch(NamedTuple):
    """Working memory of one pack: what the tangent vectors of a step share, and the cached images of each."""

    slopes: np.ndarray  # (L, J, LANES) of the tokens' tanh, with the factors beta (1 - epsilon)
    values: np.ndarray  # (k, L, M, LANES) images of value fields
    keys: np.ndarray  # (k, L, M, LANES) images of key fields
    query: np.ndarray  # (M, LANES) image of the newest token's query field
    logits: np.ndarray  # (L, LANES) images of the logits, without their share through the query
    deviations: np.ndarray  # (L, M, LANES) p_d (m^v_d - A')
    query_response: np.ndarray  # (M, M, LANES) dA' / dm^q
    classes: np.ndarray  # (J, LANES) images of the overlaps with the classes
    shares: np.ndarray  # (k, LANES) what is still to be subtracted in a re-orthonormalisation


@inlined
def _new_tangent_scratch(tables, vectors):
    features, classes, context = number(tables.features), tables.signs.shape[0], tables.position_fields.shape[0]
    window = context * features
    return TangentScratch(
        new_rows(context * classes).reshape(context, classes, LANES),
        new_rows(vectors * window).reshape(vectors, context, features, LANES),
        new_rows(vectors * window).reshape(vectors, context, features, LANES),
        new_rows(features).reshape(features, LANES),
        new_rows(context).reshape(context, LANES),
        new_rows(window).reshape(context, features, LANES),
        new_rows(features * features).reshape(features, features, LANES),
        new_rows(classes).reshape(classes, LANES),
        new_rows(vectors).reshape(vectors, LANES),
    )


@inlined
def _gain(parameters):
    """Factor of every derivative of the fields; where it is 0, the map forgets its state."""
    return load(parameters, SEMANTIC_SHARE) * load(parameters, BETA)


@inlined
def _activate(tables, parameters, attention, position, scratch, slopes):
    """tanh of the token at POSITION, as the step computes it, and its slopes."""
    newest, first = position * number(tables.features), position * tables.signs.shape[0]
    beta, gain = load(parameters, BETA), _gain(parameters)
    for j in range(tables.signs.shape[0]):
        tanh, slope = tangent_and_slope(beta * project(tables, attention, newest, j))
        store(scratch.tanh, j, tanh)
        store(slopes, first + j, gain * slope)


@inlined
def _field_image(tables, classes, feature, field):
    """delta m^alpha_a = Sum_j G^alpha_{j,a} delta tanh_j."""
    first = feature * tables.signs.shape[0] * 4 + field
    image = scalar(tables.couplings, first) * load(classes, 0)
    for j in range(1, tables.signs.shape[0]):
        image = fma(scalar(tables.couplings, first + 4 * j), load(classes, j), image)
    return image


@inlined
def _cache_images(tables, vectors, i, position, own):
    """Images of the value and key fields of the token at POSITION, along tangent vector I."""
    features, classes = number(tables.features), tables.signs.shape[0]
    first = (i * tables.position_fields.shape[0] + position) * features
    for j in range(classes):
        store(own.classes, j, load(own.slopes, position * classes + j) * project(tables, vectors, first, j))
    for a in range(features):
        store(own.values, first + a, _field_image(tables, own.classes, a, VALUE))
        store(own.keys, first + a, _field_image(tables, own.classes, a, KEY))


@inlined
def _cache_window(tables, vectors, position, own):
    """Images of all tokens but the newest, whose are made in the step, along every tangent vector."""
    for i in range(vectors.shape[0]):
        for row in range(tables.position_fields.shape[0]):
            if row != position:
                _cache_images(tables, vectors, i, row, own)


@inlined
def _share_step(tables, parameters, attention, produced, scratch, own):
    """What the tangent vectors share: deviations of the values from A', and the response of A' to the query."""
    features, context = number(tables.features), tables.position_fields.shape[0]
    scale = load(parameters, LOGIT_SCALE)
    total = load(scratch.weights, 0)
    for d in range(1, context):
        total = total + load(scratch.weights, d)
    inverse = 1.0 / total
    for d in range(context):
        weight = load(scratch.weights, d) * inverse
        store(scratch.weights, d, weight)
        for a in range(features):
            deviation = load(scratch.values, d * features + a) - load(attention, produced * features + a)
            store(own.deviations, d * features + a, scale * (weight * deviation))
    for a in range(features):
        for b in range(features):
            response = load(own.deviations, a) * load(scratch.keys, b)
            for d in range(1, context):
                response = fma(load(own.deviations, d * features + a), load(scratch.keys, d * features + b), response)
            store(own.query_response, a * features + b, response)


@inlined
def _push(tables, vectors, i, position, produced, scratch, own):
    """delta A' along tangent vector I; it takes the place of the oldest token's share."""
    features, context = number(tables.features), tables.position_fields.shape[0]
    first = i * context * features
    _cache_images(tables, vectors, i, position, own)
    for a in range(features):
        store(own.query, a, _field_image(tables, own.classes, a, QUERY))
    for d in range(context):
        logit = load(scratch.query, 0) * load(own.keys, first + d * features)
        for a in range(1, features):
            logit = fma(load(scratch.query, a), load(own.keys, first + d * features + a), logit)
        store(own.logits, d, logit)
    for a in range(features):
        direct = load(own.query_response, a * features) * load(own.query, 0)
        for b in range(1, features):
            direct = fma(load(own.query_response, a * features + b), load(own.query, b), direct)
        indirect = load(own.deviations, a) * load(own.logits, 0)
        direct = fma(load(scratch.weights, 0), load(own.values, first + a), direct)
        for d in range(1, context):
            indirect = fma(load(own.deviations, d * features + a), load(own.logits, d), indirect)
            direct = fma(load(scratch.weights, d), load(own.values, first + d * features + a), direct)
        store(vectors, first + produced * features + a, direct + indirect)


@inlined
def _tangent_step(tables, window, pack, scratch, vectors, own):
    """One step of a pack and of its tangent vectors; the window is full."""
    context = tables.position_fields.shape[0]
    position, parameters, attention = window.position[pack], window.parameters[pack], window.attention[pack]
    produced = position + 1 if position + 1 < context else 0
    _activate(tables, parameters, attention, position, scratch, own.slopes)
    couple(tables, parameters, position, scratch)
    attend(tables, parameters, position, context, scratch, attention, produced)
    _share_step(tables, parameters, attention, produced, scratch, own)
    for i in range(vectors.shape[0]):
        _push(tables, vectors, i, position, produced, scratch, own)
    window.position[pack] = produced


@inlined
def _subtract_and_project(vectors, rows, share, j, i, k):
    """Add SHARE times vector J to vector I, and return the inner product of the sum with vector K."""
    total = everywhere(0.0)
    for row in range(rows):
        entry = fma(share, load(vectors, j * rows + row), load(vectors, i * rows + row))
        store(vectors, i * rows + row, entry)
        total = fma(load(vectors, k * rows + row), entry, total)
    return total


@inlined
def _subtract_and_project_two(vectors, rows, shares, j, i, k):
    """The same for the vectors I and I + 1 at once, which halves the loads of the other two."""
    share, next_share = load(shares, i), load(shares, i + 1)
    total, next_total = everywhere(0.0), everywhere(0.0)
    for row in range(rows):
        subtracted, other = load(vectors, j * rows + row), load(vectors, k * rows + row)
        entry = fma(share, subtracted, load(vectors, i * rows + row))
        next_entry = fma(next_share, subtracted, load(vectors, (i + 1) * rows + row))
        store(vectors, i * rows + row, entry)
        store(vectors, (i + 1) * rows + row, next_entry)
        total, next_total = fma(other, entry, total), fma(other, next_entry, next_total)
    return total, next_total


@inlined
def _length(vectors, rows, i, squares):
    """Length of vector I, whose square is SQUARES unless it underflows."""
    length = square_root(squares)
    if any_less(squares, UNDERFLOW):
        scaled = everywhere(0.0)
        for row in range(rows):
            entry = RESCALE * load(vectors, i * rows + row)
            scaled = fma(entry, entry, scaled)
        length = where_less(squares, UNDERFLOW, square_root(scaled) / RESCALE, length)
    return length


@inlined
def _normalise(gain, vectors, i, squares, due, growth):
    """Divide vector I by its length in the lanes that are DUE, add log(length) to its growth, and return the length.

    A length that is 0 is true where the GAIN of the map is 0; elsewhere the digits are lost, the length is next to
    nothing, and the vector begins anew.
    """
    rows = vectors.shape[1] * vectors.shape[2]
    length = where_less(0.0, due, _length(vectors, rows, i, squares), 1.0)
    present = larger(length, SMALLEST)
    inverse, increment = 1.0 / present, logarithm(present)
    for row in range(i * rows, (i + 1) * rows):
        store(vectors, row, inverse * load(vectors, row))
    if any_less(length, SMALLEST):
        gone, row = where_less(0.0, absolute(gain), increment, -np.inf), i * rows + i % rows
        increment = where_less(length, SMALLEST, gone, increment)
        anew = where_less(0.0, absolute(gain), 1.0, 0.0)
        store(vectors, row, where_less(length, SMALLEST, anew, load(vectors, row)))
    store(growth, i, load(growth, i) + increment)
    return present


@inlined
def _orthonormalise(gain, vectors, tangents, pack, shares):
    """Modified Gram-Schmidt in the lanes whose interval is over; elsewhere every factor is exactly 0 or 1.

    Vectors are taken in panels that stay in the cache. The subtraction of one projection and the inner product for
    the next share a pass: SHARES holds what is still to be subtracted.
    """
    growth, spread, age, interval = (
        tangents.growth[pack],
        tangents.spread[pack],
        tangents.age[pack],
        tangents.interval[pack],
    )
    number_of_vectors, rows = vectors.shape[0], vectors.shape[1] * vectors.shape[2]
    due = where_less(load(age, 0), load(interval, 0), 0.0, 1.0)
    leading, widest = everywhere(1.0), everywhere(1.0)
    for first in range(0, number_of_vectors, PANEL):
        last = min(first + PANEL, number_of_vectors)
        for i in range(first, last):
            store(shares, i, everywhere(0.0))
        for j in range(last):
            before = max(j - 1, 0)
            if j >= first:
                squares = _subtract_and_project(vectors, rows, load(shares, j), before, j, j)
                length = _normalise(gain, vectors, j, squares, due, growth)
                if j == 0:
                    leading = where_less(SMALLEST, length, length, 1.0)
                store(spread, j, larger(leading / length, load(spread, j)))
                widest = larger(leading / length, widest)
            i = max(first, j + 1)
            while i + 1 < last:
                overlap, next_overlap = _subtract_and_project_two(vectors, rows, shares, before, i, j)
                store(shares, i, (0.0 - due) * overlap)
                store(shares, i + 1, (0.0 - due) * next_overlap)
                i += 2
            if i < last:
                overlap = _subtract_and_project(vectors, rows, load(shares, i), before, i, j)
                store(shares, i, (0.0 - due) * overlap)
    shorter = larger(round_down(0.5 * load(interval, 0)), 1.0)
    store(interval, 0, where_less(WIDEST, widest, shorter, load(interval, 0)))
    store(age, 0, where_less(0.0, due, 0.0, load(age, 0)))


@compiled
def advance_tangents(tables, window, steps, tangents):
    """Advance every pack and its tangent vectors by STEPS steps, in place."""
    context = tables.position_fields.shape[0]
    scratch, own = new_scratch(tables), _new_tangent_scratch(tables, tangents.vectors.shape[1])
    for pack in range(window.position.size):
        parameters, attention, vectors = window.parameters[pack], window.attention[pack], tangents.vectors[pack]
        age, interval, gain = tangents.age[pack], tangents.interval[pack], _gain(parameters)
        for row in range(context):
            _activate(tables, parameters, attention, row, scratch, own.slopes)
            couple(tables, parameters, row, scratch)
        _cache_window(tables, vectors, window.position[pack], own)
        for _ in range(steps):
            _tangent_step(tables, window, pack, scratch, vectors, own)
            store(age, 0, load(age, 0) + 1.0)
            if any_less(load(interval, 0), load(age, 0) + 0.5):
                _orthonormalise(gain, vectors, tangents, pack, own.shares)
                _cache_window(tables, vectors, window.position[pack], own)


@compiled
def orthonormalise_tangents(tables, window, tangents):
    """Re-orthonormalise every lane now, whatever its age."""
    shares = new_rows(tangents.vectors.shape[1]).reshape(-1, LANES)
    for pack in range(window.position.size):
        store(tangents.age[pack], 0, everywhere(np.inf))
        _orthonormalise(_gain(window.parameters[pack]), tangents.vectors[pack], tangents, pack, shares)
