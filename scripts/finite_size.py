"""Run finite networks beside the mean field, as a config describes: python scripts/finite_size.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("finite_size", "finite_size_bifurcation"))
