"""Shared settings and fixtures."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mfattn.meanfield import Weights, segmented_weights

ROOT = Path(__file__).parent.parent

# Tests that run side by side, or in the background, ignore interrupts; the programs that they start must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example of a test may compile a kernel, so no example has a deadline.
settings.register_profile("mfattn", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mfattn")


@pytest.fixture(scope="session")
def root() -> Path:
    """Top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def published() -> Weights:
    """The published instance: 99 columns in 3 segments, seed 1."""
    return segmented_weights(3, 2, template=99, segments=3, seed=1, rng="legacy")
