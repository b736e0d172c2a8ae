"""Run the trajectories that a config describes, or all published ones: python scripts/trajectory.py [CFG]."""

import sys
from pathlib import Path

from mfattn.cli import script

PUBLISHED = Path(__file__).resolve().parents[1] / "cfgs" / "trajectory.yaml"

if __name__ == "__main__":
    sys.exit(script("trajectory", default=PUBLISHED))
