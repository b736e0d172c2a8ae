"""`python -m mfattn`."""

import sys

from mfattn.cli import main

if __name__ == "__main__":
    sys.exit(main())
