"""Results as tables."""

import numpy as np

from mfattn.experiments.tables import curves_table


def test_curves_are_unrolled_over_their_axis():
    arrays = {"axis": np.arange(3), "point": np.array([10, 20]), "curve": np.arange(6.0).reshape(2, 3)}
    table = curves_table(arrays, 2)
    assert table.columns == ["point", "axis", "curve"]
    assert list(table.rows) == [(10, 0, 0.0), (10, 1, 1.0), (10, 2, 2.0), (20, 0, 3.0), (20, 1, 4.0), (20, 2, 5.0)]


def test_without_an_axis_there_are_no_curves():
    assert curves_table({"point": np.arange(2), "pair": np.zeros((2, 5))}, 2) is None
