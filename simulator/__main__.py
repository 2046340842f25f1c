"""Start vzcptsim: ``python -m simulator``."""

import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sys import UnraisableHookArgs
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
    """Raise KeyboardInterrupt, once, but not while a module is imported: then soon.

    msgspec makes a type that is not whole of a class whose making was interrupted, and the process
    ends later by a segmentation fault (seen with 0.22).
    """
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            _interrupt_soon()
            return
        frame = frame.f_back
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # What is half done is put away in peace.
    raise KeyboardInterrupt


def _interrupt_soon() -> None:
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _SOON)


def _interrupt_again(ignored: "UnraisableHookArgs") -> None:
    """Interrupt once more where that came while an object was freed, which no exception stops."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        _interrupt_soon()
    else:
        sys.__unraisablehook__(ignored)


def script() -> "NoReturn":
    """Run the command line, and end this process at once.

    Looking for garbage while modules are imported, and freeing every object at the end, take a
    tenth of a command that answers at once.
    """
    try:
        gc.set_threshold(500_000)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
            sys.unraisablehook = _interrupt_again
        status = run()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The answer is there: only its end is left.
    except KeyboardInterrupt:  # It came while modules were imported, or just before that.
        status = _INTERRUPTED
        if sys.stderr is not None:
            sys.stderr.write("vzcptsim: interrupted\n")
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        sys.exit(status)  # Python says at its own end what could not be written.
    os._exit(status)


if __name__ == "__main__":
    script()
