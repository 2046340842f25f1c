"""Start vzcptsim: ``python -m simulator``."""

import sys

_FLOOR = (3, 11)


def run() -> int:
    """Run the command line, or say which Python it takes (this file runs on older ones too)."""
    if sys.version_info < _FLOOR:
        sys.stderr.write("vzcptsim: Python 3.11 or later is needed; vzcptcheck runs on 3.6\n")
        return 1
    try:
        from simulator.cli import main

        return main()
    except ImportError as error:
        if not error.name or error.name.startswith("simulator"):
            raise
        problem = "the package {} is missing: pip install 'vzcptcheck[sim]'"
        sys.stderr.write("vzcptsim: " + problem.format(error.name) + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(run())
