"""Run the phase diagram that a config describes: python scripts/phase_diagram.py CFG."""

import sys

from mfattn.cli import script

if __name__ == "__main__":
    sys.exit(script("phase_diagram"))
