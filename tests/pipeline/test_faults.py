"""A few faults of each kind; `fault_injection.py` does hundreds."""

import random

import pytest

from .fault_injection import FAULTS, HARM


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_does_no_harm(tmp_path, name):
    counts = FAULTS[name](tmp_path, 4, random.Random(2))
    assert sum(counts.values()) > 0
    assert {what: count for what, count in counts.items() if what in HARM and count} == {}
