"""Run the continuation that a config describes: python scripts/continuation.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("continuation"))
