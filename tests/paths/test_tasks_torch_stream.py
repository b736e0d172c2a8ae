"""The stream of torch, which these numbers were drawn with, and which is asked itself where it is installed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.paths.tasks.torch_stream import TorchStream


def test_numbers_that_torch_drew():
    stream = TorchStream(27)
    assert stream.uniforms(3).tolist() == [0.8774506954200296, 0.2674908232309611, 0.09365485570796572]
    expected = [-0.2863734045320789, -0.5252027735459626, 0.6993566626639856]
    assert np.allclose(stream.normals(3), expected, rtol=0, atol=1e-15)
    assert stream.uniforms(1).tolist() == [0.4966633851845722]
    assert np.allclose(stream.normals(2), [-0.34436586760203725, -0.0408685692184805], rtol=0, atol=1e-15)
    expected = [
        -0.4210675820803206,
        0.11412883613809613,
        -1.5756331886989428,
        -0.759284550226129,
        0.22237771987002528,
    ]
    assert np.allclose(stream.normals(19)[[0, 2, 3, 15, 18]], expected, rtol=0, atol=1e-15)
    assert stream.uniforms(1).tolist() == [0.4856211942350229]


@given(
    st.integers(0, 2**32 - 1),
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.integers(0, 50), st.sampled_from([2**14 - 1, 2**14 + 1]))), max_size=8
    ),
)
def test_any_draws_are_those_of_torch(seed, draws):
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    stream = TorchStream(seed)
    for uniform, number in draws:
        if uniform:
            assert (stream.uniforms(number) == torch.rand(number, dtype=torch.float64).numpy()).all()
        else:
            expected = torch.randn(number, dtype=torch.float64).numpy()
            assert np.allclose(stream.normals(number), expected, rtol=0, atol=1e-14)


def test_shapes():
    stream = TorchStream(0)
    assert stream.normals(3, 4, 5).shape == (3, 4, 5) and stream.normals(2, 2).shape == (2, 2)
    assert stream.normals(0).shape == (0,) and stream.uniforms(0).shape == (0,) and stream.normals().shape == ()
    assert (TorchStream(5).normals(4, 8).ravel() == TorchStream(5).normals(32)).all()


def test_moments():
    stream = TorchStream(1)
    for normals in (stream.normals(100_003), np.concatenate([stream.normals(15) for _ in range(3000)])):
        error = 5 / np.sqrt(len(normals))
        assert abs(normals.mean()) < error and abs(normals.var() - 1) < 1.5 * error


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True])
def test_seeds_are_words(seed):
    with pytest.raises(ValueError, match="seed must be"):
        TorchStream(seed)


def test_numbers_are_not_negative():
    with pytest.raises(ValueError, match="number must be at least 0"):
        TorchStream(0).uniforms(-1)
    with pytest.raises(ValueError, match="shape must be at least 0"):
        TorchStream(0).normals(2, -1)
