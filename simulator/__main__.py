"""Start vzcptsim: ``python -m simulator``."""

import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

_FLOOR = (3, 11)

_INTERRUPTED = 130

#: Seconds until an interrupt is looked at again.
_SOON = 0.005


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


def _interrupt(_: int, frame: "FrameType | None") -> None:
    """Raise KeyboardInterrupt, but not while a module is imported: then soon.

    msgspec makes a type that is not whole of a class whose making was interrupted, and the process
    ends later by a segmentation fault (seen with 0.22).
    """
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            signal.signal(signal.SIGALRM, _interrupt)
            signal.setitimer(signal.ITIMER_REAL, _SOON)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def script() -> "NoReturn":
    """Run the command line, and end this process at once.

    Looking for garbage while modules are imported, and freeing every object at the end, take a
    tenth of a command that answers at once.
    """
    gc.set_threshold(500_000)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        status = run()
    except KeyboardInterrupt:  # It came while modules were imported.
        sys.stderr.write("vzcptsim: interrupted\n")
        status = _INTERRUPTED
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        sys.exit(status)  # Python says at its own end what could not be written.
    os._exit(status)


if __name__ == "__main__":
    script()
