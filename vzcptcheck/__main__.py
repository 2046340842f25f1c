"""Run the command line: ``python -m vzcptcheck``."""

import sys

from vzcptcheck.cli import main

if __name__ == "__main__":
    sys.exit(main())
