"""Interrupt a program at many moments of its run: the way its own code passes, and not the clock.

Usage: python interrupted.py PROGRAM MOMENTS FOLDER [ARGUMENT...]

Each run is a process of its own, in FOLDER, which is empty before. Prints a line of JSON for each:
the exit status, what was said on standard error and output, the files that are left, and how many
processes are.
"""

import ctypes
import json
import os
import runpy
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36

#: The functions that the two programs start by.
_FIRST = ("script", "start")


class _Alarm:
    """Interrupts this process at one call of a function, of all from the program's first one on."""

    def __init__(self, moment: int) -> None:
        self.moment = moment
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (self.count or frame.f_code.co_name in _FIRST):
            self.count += 1
            if self.count == self.moment:
                signal.raise_signal(signal.SIGINT)


def _start(program: str, arguments: list[str], alarm: _Alarm) -> None:
    sys.argv = [program, *arguments]
    sys.setprofile(alarm)
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def _child(program: str, arguments: list[str], moment: int, said: tuple[int, int]) -> None:
    """Be the program; its status is what this process ends with."""
    for number, fd in enumerate(said, 1):
        os.dup2(fd, number)
    alarm = _Alarm(moment)
    if not moment:
        # Count its calls: the program ends the process by itself.
        end = os._exit

        def tell(status: int) -> None:
            sys.setprofile(None)
            Path("calls").write_text(str(alarm.count), "utf-8")
            end(status)

        os._exit = tell  # type: ignore[assignment]
    try:
        _start(program, arguments, alarm)
    except SystemExit as ended:
        sys.setprofile(None)
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    os._exit(99)  # A traceback would have been printed.


def _run(program: str, arguments: list[str], moment: int, folder: Path) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        pid = os.fork()
        if not pid:
            _child(program, arguments, moment, (stdout.fileno(), stderr.fileno()))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return {
        "moment": moment,
        "status": status,
        "stdout": len(texts[0]),
        "stderr": texts[1],
        "files": {path.name: path.stat().st_size for path in folder.iterdir()},
        "processes": _left(),
    }


def _left() -> int:
    """Count the processes that are left, after a while in which they may end."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return 0
        time.sleep(0.01)
    return 1


def main() -> None:
    """Run the program whole, then once for each moment."""
    program, moments, folder, *arguments = sys.argv[1:]
    place = Path(folder).resolve() / "work"
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    whole = _run(program, arguments, 0, place)
    calls = int((place / "calls").read_text("utf-8"))
    del whole["files"]["calls"]
    _print({**whole, "moment": calls})
    for number in range(int(moments)):
        # The first call is the program's own, of which nothing has happened yet.
        moment = 2 + (calls - 1) * number // int(moments)
        _print(_run(program, arguments, moment, place))


def _print(document: dict[str, Any]) -> None:
    """Print it at once: what is kept for later, the next child would print too."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
