"""Run the attractor census that a config describes: python scripts/census.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("census"))
