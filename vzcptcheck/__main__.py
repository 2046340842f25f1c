"""Run the command line: ``python -m vzcptcheck``."""

import sys

if __name__ == "__main__":
    try:
        from vzcptcheck.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # It came while modules were imported, or at the end.
        sys.exit(130)
