"""Build vzcptcheck.pyz: the node's tool as one file.

Usage: python tools/build_zipapp.py OUTPUT [PYTHON [COMPILER]...]

PYTHON is the interpreter that the file names, /usr/bin/python3 where none is given. The file is
a shell script of two lines with a zip archive behind it. The shell hands the archive to Python
as a place to import from, which starts faster than an archive that Python is told to run: for
that Python imports runpy (benchmarks/startup.py measures both). 'python3 vzcptcheck.pyz' works
too, but then it is for the caller to say -IS.

Inside are the sources, for any Python, and what each COMPILER makes of them, for Pythons of its
version; the interpreter that builds is the COMPILER where none is given. The same sources and
versions of compilers give the same bytes, anywhere and at any time. This runs on Python 3.6.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vzcptcheck"
DEFAULT_PYTHON = "/usr/bin/python3"

#: What an interpreter finds first: what was compiled for it, or else the sources.
_FIND = 'sys.path[:0] = [archive + "/" + sys.implementation.cache_tag, archive]'
_START = "from vzcptcheck import start; start()"
_MAIN = f"import sys; archive = sys.path.pop(0); {_FIND}; {_START}\n"

#: -I: nothing from PYTHON* or the working folder; -S: nothing from site-packages; -B: nothing
#: is written beside the standard library, where its compiled files should be missing.
_PRELUDE = """\
#!/bin/sh
exec {python} -IBS -c 'import sys; archive = sys.argv.pop(1); {find}; {start}' "$0" "$@"
"""

#: A compiler runs this: its tag, then the length of each compiled file and the file. Without a
#: source beside it, a compiled file's time and size are not looked at: they are zeros.
_COMPILE = """
import importlib.util, marshal, sys
zeros = bytes(8 if sys.version_info < (3, 7) else 12)
answer = sys.stdout.buffer
answer.write(sys.implementation.cache_tag.encode() + b"\\n")
for path, name in zip(sys.argv[1::2], sys.argv[2::2]):
    with open(path, "rb") as source:
        code = compile(source.read(), name, "exec", dont_inherit=True, optimize=2)
    compiled = importlib.util.MAGIC_NUMBER + zeros + marshal.dumps(code)
    answer.write(b"%d\\n" % len(compiled) + compiled)
"""

#: The order of a set's members in compiled files comes from this seed.
_COMPILER_ENVIRONMENT = {"PYTHONHASHSEED": "0"}

#: The earliest time that a zip archive can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


def main(arguments: "Sequence[str]") -> "int":
    """Build the file that the arguments name."""
    if not arguments:
        sys.stderr.write(__doc__)
        return 1
    python = arguments[1] if arguments[1:] else DEFAULT_PYTHON
    build(Path(arguments[0]), python, arguments[2:] or [sys.executable])
    return 0


def build(output: "Path", python: "str", compilers: "Sequence[str]") -> "None":
    """Write the prelude and the archive, and make the file executable."""
    sources = sorted(PACKAGE.glob("*.py"))
    members = {"__main__.py": _MAIN.encode(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
    for compiler in compilers:
        members.update(_compiled(compiler, sources))
    members.update((f"vzcptcheck/{source.name}", source.read_bytes()) for source in sources)
    output.write_text(_PRELUDE.format(python=python, find=_FIND, start=_START), "utf-8")
    with zipfile.ZipFile(str(output), "a", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(members.items()):
            _add(archive, name, data)
    output.chmod(0o755)


def _add(archive: "zipfile.ZipFile", name: "str", data: "bytes") -> "None":
    """Add a file with nothing in it that differs from build to build."""
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)


def _compiled(compiler: "str", sources: "Sequence[Path]") -> "dict[str, bytes]":
    """Compile the sources without their times and places on this machine; return the members."""
    words = [word for source in sources for word in (str(source), f"vzcptcheck/{source.name}")]
    answer = subprocess.run(
        [os.path.realpath(compiler), "-S", "-s", "-c", _COMPILE, *words],
        stdout=subprocess.PIPE,
        check=True,
        env=_COMPILER_ENVIRONMENT,
        cwd="/",
    ).stdout
    tag, _, rest = answer.partition(b"\n")
    members = {}
    for source in sources:
        length, _, rest = rest.partition(b"\n")
        members[f"{tag.decode()}/vzcptcheck/{source.name}c"] = rest[: int(length)]
        rest = rest[int(length) :]
    return members


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
