"""A run that stays: a node from which tests reach others by ssh, script after script."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.running import MASKING_NODE, ROOT, command_line, wait_for

NEWER = "042stab141.3.Haswell.default"
OLD = "042stab061.9.SandyBridge.default"
HOSTS = {"dest": NEWER, "old": OLD, "masking": MASKING_NODE}

#: What runs on the source: it carries scripts out, and knows nothing of any simulator.
_GUEST = """
import json, os, subprocess, sys
for line in sys.stdin:
    script, given, environment = json.loads(line)
    ended = subprocess.run(["sh", "-c", script.encode("latin-1")], input=given.encode("latin-1"),
                           capture_output=True, env={**os.environ, **environment}, timeout=100)
    said = [ended.returncode, ended.stdout.decode("latin-1"), ended.stderr.decode("latin-1")]
    print(json.dumps(said), flush=True)
"""


@dataclass(frozen=True)
class Said:
    """How a script ended."""

    status: int
    stdout: str
    stderr: str


class Lab:
    """Carries scripts out on the source; texts stand for bytes (latin-1)."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self("true")
        self._at_first = self._open_files()

    def __call__(self, script: str, given: str = "", **environment: str) -> Said:
        """Carry a script out."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([script, given, environment]) + "\n")
        self._process.stdin.flush()
        return Said(*json.loads(self._process.stdout.readline()))

    def python(self, source: str) -> Said:
        """Carry a Python program out, which has the client's module."""
        path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        program = path + textwrap.dedent(source)
        return self(f'exec "{sys.executable}" -IS -c "$PROGRAM"', PROGRAM=program)

    def has_nothing_left_open(self) -> bool:
        """Wait until the supervisor has open what it had at first."""
        wait_for(lambda: self._open_files() == self._at_first)
        return True

    def _open_files(self) -> list[str]:
        """List what is open; the memory of a few threads may be, which its reader bounds."""
        folder = Path(f"/proc/{self._process.pid}/fd")
        links = [str(link.readlink()) for link in folder.iterdir()]
        return sorted(link.partition(":")[0] for link in links if not link.endswith("/mem"))


def options(kind: str, hosts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command line's options for hosts."""
    return tuple(word for host, node in hosts.items() for word in (kind, f"{host}={node}"))


@contextmanager
def laboratory(
    kind: str, hosts: Mapping[str, str] = HOSTS, path: str = "", without: Container[str] = ()
) -> Iterator[Lab]:
    """Start a run with hosts of a kind, ``--node-for`` or ``--sshd-for``.

    ``path`` comes first on PATH; ``without`` are variables that it does not have.
    """
    command = command_line(sys.executable, "-ISc", _GUEST, options=options(kind, hosts))
    kept = {name: value for name, value in os.environ.items() if name not in without}
    search = os.pathsep.join(filter(None, (path, os.environ["PATH"])))
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**kept, "PATH": search, "TERM": "vt100"},
    )
    with process:
        yield Lab(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=100) == 0
