"""Run the escape experiment that a config describes: python scripts/escape.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("escape"))
