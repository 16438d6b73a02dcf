"""`python -m spikecheck`: the same as the console script."""

import sys

from spikecheck.cli import main

if __name__ == "__main__":
    sys.exit(main())
