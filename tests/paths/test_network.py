"""Sizes of networks, and what is refused."""

import numpy as np
import pytest

from mfattn.paths.network import Network


def test_sizes_of_blocks():
    network = Network((2, 3, 4), (5, 6, 7, 8), (1, 2, 3, 4, 5), outputs=2)
    assert network.depth == 3
    assert network.paths == 24
    assert network.branches == (2, 3, 4, 2)
    assert network.sizes == (48, 24, 8, 2)
    assert network.gaussian_process_scale == 120


def test_arrays_and_numbers_are_taken():
    network = Network(np.array([2, 1]), np.array([10, 20, 30]), np.float64(2))
    assert network == Network((2, 1), (10.0, 20.0, 30.0), (2.0,) * 4)
    assert network.with_widths(np.float64(7)).widths == (7.0, 7.0, 7.0)
    assert network.with_widths((1, 2, 3)).widths == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": ()}, "at least one layer"),
        ({"heads": 2}, "heads must be a list of numbers, found 2"),
        ({"widths": 10}, "widths must be a list of numbers, found 10"),
        ({"widths": (10, float("nan"), 10)}, "widths must be a number, found nan"),
        ({"heads": (2, 0)}, "heads must be at least 1, found 0"),
        ({"heads": (2, 2.5)}, "heads must be an integer"),
        ({"widths": (10, 10)}, "widths must be 3 numbers for 2 layers, found 2"),
        ({"widths": (10, 0, 10)}, "widths must be above 0, found 0"),
        ({"widths": (10, float("inf"), 10)}, "widths must be finite"),
        ({"variances": (1, 1, 1)}, "variances must be 4 numbers for 2 layers, found 3"),
        ({"variances": -1.0}, "variances must be above 0"),
        ({"outputs": 0}, "outputs must be at least 1"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Network(**{"heads": (2, 2), "widths": (10, 10, 10), **settings})
