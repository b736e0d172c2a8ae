"""Run the bifurcation that a config describes: python scripts/bifurcation.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("bifurcation"))
