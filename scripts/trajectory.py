"""Run the trajectory that a config describes: python scripts/trajectory.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("trajectory"))
