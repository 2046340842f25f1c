"""Tell, before a live migration of an OpenVZ container, whether it can be restored elsewhere.

This package runs as root on production nodes. It uses the standard library alone, on
Python 3.6 and later, and imports as little of it as it can: vzmigrate waits for the answer.
"""

__version__ = "1.0.0"


def start() -> "None":
    """Run the command line of this process, and end it; an interrupt is a line and a status."""
    import sys

    try:
        from vzcptcheck.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # It came while modules were imported, or at the end.
        if sys.stderr is not None:
            sys.stderr.write("vzcptcheck: interrupted\n")
        sys.exit(130)
