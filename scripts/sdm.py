"""Run an experiment on attention as Sparse Distributed Memory, as a config describes: python scripts/sdm.py CFG."""

import sys

from mfattn.cli import script
from mfattn.experiments import THEORIES

if __name__ == "__main__":
    sys.exit(script(*THEORIES["sdm"], kind="experiment on Sparse Distributed Memory", example="cfgs/sdm_circles.yaml"))
