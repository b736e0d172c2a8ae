"""Reference runs of the memories."""

import json
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parent.parent / "data" / "sdm"


@pytest.fixture(scope="session")
def arrays():
    with np.load(DATA / "convergence_data.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def summary():
    return json.loads((DATA / "convergence.json").read_text())


def unpacked(rows, n):
    """Bits of the reference files, as one list of rows."""
    return np.unpackbits(rows, axis=-1, count=n, bitorder="little").reshape(-1, n)
