"""Kanerva's table against reference numbers."""

import pytest
from numpy.testing import assert_allclose

from .helpers import check_blocks, check_mistake, check_results, complete, experiment_of, reference

NAME = "sdm_kanerva_table"


def test_the_table_is_that_of_the_reference(root):
    run = experiment_of(root, NAME)
    case = reference(root, "circle_intersection")["kanerva_table"]
    table = run.tables(complete(run))["table"]
    assert table.columns == ["radius", "distance", "expected_neurons", "expected_neurons_book", "printed"]
    _, distance, exact, book, printed = zip(*table.rows, strict=True)
    assert list(distance) == case["dv"] and list(printed) == case["kanerva_book_printed"]
    assert_allclose(exact, case["exact"], rtol=1e-11)
    assert_allclose(book, case["continuous_book_integral_mp"], rtol=1e-9)


def test_blocks_figures_tables_and_findings(root, monkeypatch):
    run = experiment_of(root, NAME)
    check_results(run, complete(run), [""], monkeypatch)
    several = experiment_of(root, NAME, "balls={bits: 64, radii: [5, 11, 32]}", "distances=[0, 30]", "printed=[]")
    check_blocks(several, 1)
    assert len(several.findings(complete(several))) == 6


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["balls.radii=[1, 2]"], "printed", "nothing with several radii"),
        (["distances=[1]"], "printed", "a number for each of the 1 distances, found 10"),
        (["distances=[1001]", "printed=[]"], "distances[0]", "at most balls.bits (1,000), found 1,001"),
        (["balls.radii=[1001]"], "balls.radii[0]", "at most bits (1,000), found 1,001"),
    ],
)
def test_mistakes_have_their_place(root, settings, key, message):
    check_mistake(root, NAME, settings, key, message)
