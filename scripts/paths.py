"""Run an experiment on the attention paths of deep networks, as a config describes: python scripts/paths.py CFG."""

import sys

from mfattn.cli import script
from mfattn.experiments import THEORIES

if __name__ == "__main__":
    sys.exit(script(*THEORIES["paths"], kind="experiment on attention paths", example="cfgs/paths_four_paths.yaml"))
