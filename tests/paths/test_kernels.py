"""Kernels in all their forms, against sums as the equation has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.paths.kernels import PathKernels, _Features, _Gram, _Packed
from mfattn.paths.symmetric import mirrored, to_matrix, to_vector
from tests.paths.references import random_features, random_order, reference, relative

sizes = st.tuples(st.integers(1, 7), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))


def plain_kernel(order, left, right):
    """Sum over pairs of paths and of outputs."""
    outputs = len(order) // left.shape[2]
    blocks = order.reshape(left.shape[2], outputs, right.shape[2], outputs)
    return np.einsum("mia,acbd,nib->mcnd", left, blocks, right).reshape(len(left) * outputs, len(right) * outputs)


@given(sizes, st.integers(0, 10**6))
def test_kernels_are_sums_over_pairs_of_paths(size, seed):
    examples, inputs, paths, outputs = size
    features, order = random_features(seed, examples, inputs, paths), random_order(seed, paths * outputs)
    kernels = PathKernels(features)
    np.testing.assert_allclose(kernels.kernel(order), plain_kernel(order, features, features), atol=1e-13)
    other = random_features(seed + 1, 3, inputs, paths)
    np.testing.assert_allclose(kernels.cross(order, other), plain_kernel(order, features, other), atol=1e-13)
    own = plain_kernel(order, other, other).diagonal()
    np.testing.assert_allclose(kernels.diagonal(order, other), own, atol=1e-13)


@given(sizes, st.integers(0, 10**6))
def test_pull_back_is_the_transpose(size, seed):
    examples, inputs, paths, outputs = size
    kernels = PathKernels(random_features(seed, examples, inputs, paths))
    order, matrix = random_order(seed, paths * outputs), random_order(seed + 1, examples * outputs)
    pulled = kernels.pull_back(np.tril(matrix))
    np.testing.assert_allclose(pulled, pulled.T)
    assert np.sum(pulled * order) == pytest.approx(np.sum(matrix * kernels.kernel(order)), rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 2])
def test_forms_agree(outputs):
    features = random_features(1, 6, 5, 3)
    kernels = PathKernels(features)
    forms = [_Gram(kernels.path_path() / 3), _Features(features)]
    if outputs == 1:
        forms.append(_Packed(kernels.packed, 3, 6))
    order, matrix = random_order(2, 3 * outputs), random_order(3, 6 * outputs)
    for form in forms:
        np.testing.assert_allclose(form.kernel(order), forms[0].kernel(order), atol=1e-14)
        np.testing.assert_allclose(form.pull_back(matrix), forms[0].pull_back(matrix), atol=1e-14)


def test_memory_decides_the_form():
    features, order = random_features(1, 30, 40, 3), random_order(2, 3)
    large, small = PathKernels(features), PathKernels(features, limit=0)
    assert large.is_packed
    assert not small.is_packed
    np.testing.assert_allclose(large.kernel(order), small.kernel(order), atol=1e-13)
    np.testing.assert_allclose(large.kernel(np.eye(6)), small.kernel(np.eye(6)), atol=1e-13)


def test_path_path_kernels_of_the_small_chain():
    data = reference("hmc_small")
    kernels = PathKernels(data["Z_last_token"])
    assert relative(kernels.path_path(), data["C_pathpath"]) < 1e-14
    order = random_order(0, 4)
    expected = np.einsum("ab,abmn->mn", order, data["C_pathpath"]) / 4
    assert relative(kernels.kernel(order), expected) < 1e-13


def test_null_space_is_left_out():
    features = random_features(5, 12, 2, 3)
    features[:, :, 2] = features[:, :, 1]
    kernels = PathKernels(features)
    basis, compressed = kernels.compressed
    assert basis.shape == (12, 4)
    order = random_order(1, 3)
    np.testing.assert_allclose(basis @ compressed.kernel(order) @ basis.T, kernels.kernel(order), atol=1e-14)


def test_more_inputs_than_can_differ_are_turned_away():
    kernels = PathKernels(random_features(5, 3, 50, 2))
    basis, compressed = kernels.compressed
    assert basis is None
    assert compressed.features.shape == (3, 6, 2)
    order = random_order(1, 2)
    np.testing.assert_allclose(compressed.kernel(order), kernels.kernel(order), atol=1e-14)


def test_nothing_to_leave_out():
    kernels = PathKernels(random_features(5, 3, 4, 2))
    assert kernels.compressed == (None, kernels)


@given(st.integers(1, 6), st.integers(0, 100))
def test_vectors_of_symmetric_matrices_keep_the_inner_product(size, seed):
    one, other = random_order(seed, size), random_order(seed + 1, size)
    assert to_vector(one) @ to_vector(other) == pytest.approx(np.sum(one * other))
    np.testing.assert_allclose(to_matrix(to_vector(one), size), one)
    np.testing.assert_allclose(mirrored(np.tril(one)), one)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PathKernels(np.ones((2, 3))), "features must have shape"),
        (lambda: PathKernels([[[np.nan]]]), "features must be finite"),
        (lambda: PathKernels([[[1.0, 2.0], [3.0]]]), "features must be an array of real numbers"),
        (lambda: PathKernels(np.full((1, 1, 1), 1j)), "features must be an array of real numbers"),
        (lambda: PathKernels(np.ones((2, 3, 4))).kernel(np.eye(3)), "square with 4 rows"),
        (lambda: PathKernels(np.ones((2, 3, 4))).pull_back(np.eye(3)), "2 rows per output"),
        (lambda: PathKernels(np.ones((2, 3, 4))).cross(np.eye(4), np.ones((2, 3, 2))), "features must have shape"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
