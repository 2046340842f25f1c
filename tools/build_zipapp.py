"""Build vzcptcheck.pyz: the node's tool as one file.

Usage: python tools/build_zipapp.py OUTPUT [PYTHON]

PYTHON is the interpreter that the file names, /usr/bin/python3 where none is given. The file is
a shell script of two lines with a zip archive behind it. The shell hands the archive to Python
as a place to import from, which starts faster than an archive that Python is told to run: for
that Python imports runpy (benchmarks/startup.py measures both). 'python3 vzcptcheck.pyz' works
too. Inside are the sources and what the building interpreter compiles of them; another Python
passes over the latter. The same commit and interpreter give the same bytes.
"""

import py_compile
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "vzcptcheck"
DEFAULT_PYTHON = "/usr/bin/python3"

_START = "import sys; from vzcptcheck.cli import main; sys.exit(main())"
_MAIN = f"{_START}\n"

#: -I: nothing from PYTHON* or the working folder; -S: nothing from site-packages.
_PRELUDE = """\
#!/bin/sh
exec {python} -IS -c 'import sys; sys.path.insert(0, sys.argv.pop(1)); {start}' "$0" "$@"
"""

#: The earliest time that a zip archive can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


def main(arguments: list[str]) -> int:
    """Build the file that the arguments name."""
    output = Path(arguments[0])
    python = arguments[1] if arguments[1:] else DEFAULT_PYTHON
    build(output, python)
    return 0


def build(output: Path, python: str) -> None:
    """Write the prelude and the archive, and make the file executable."""
    output.write_text(_PRELUDE.format(python=python, start=_START), "utf-8")
    with zipfile.ZipFile(output, "a", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for source in sorted(PACKAGE.glob("*.py")):
            name = f"vzcptcheck/{source.name}"
            _add(archive, name, source.read_bytes())
            _add(archive, f"{name}c", _compiled(source, name))
    output.chmod(0o755)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file with nothing in it that differs from build to build."""
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)


def _compiled(source: Path, name: str) -> bytes:
    """Compile a source without its time and its place on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "compiled"
        py_compile.compile(
            str(source),
            str(target),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        return target.read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
