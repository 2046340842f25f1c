"""Build a node's packages: an RPM or a Debian package.

Usage: python -m tools.build_packages rpm|deb FOLDER [COMPILER]...

The package is written to FOLDER. /usr/bin/python3 runs its tool, which is compiled for each
COMPILER (default: that Python). The RPM takes rpmbuild of EL7 or later, the Debian package
dpkg-deb. Variables of the environment: NODE_PYTHON is the interpreter in place of /usr/bin/python3
(EL6 has its Python 3.6 elsewhere), SOURCE_DATE_EPOCH the time of the package (default: the day of
the newest release in CHANGELOG.md), DEBFULLNAME and DEBEMAIL its maintainer. The same sources,
compilers and tools give the same bytes. This runs on Python 3.6.
"""

import datetime as dt
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path

from tools import build_zipapp, changelog, node_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = build_zipapp.ROOT
PACKAGING = ROOT / "packaging"
DOCUMENTS = "usr/share/doc/vzcptcheck"
#: Where Debian's zsh looks for what other packages bring; elsewhere it is site-functions.
DEBIAN_ZSH = "share/zsh/vendor-completions"

#: What the RPM is built from.
_SOURCES = (
    "LICENSE",
    "CHANGELOG.md",
    "vzcptcheck/*.py",
    "man/vzcptcheck.[1-9]",
    "completions/engine.*",
    "tools/build_zipapp.py",
    "tools/completions.py",
    "tools/node_files.py",
    "tools/programs.py",
)


def main(arguments: "Sequence[str]") -> "int":
    """Build what the arguments name; exit status 1 and a message where that fails."""
    builders = {"rpm": build_rpm, "deb": build_deb}
    if len(arguments) < 2 or arguments[0] not in builders:
        sys.stderr.write(__doc__)
        return 1
    python = os.environ.get("NODE_PYTHON", build_zipapp.DEFAULT_PYTHON)
    try:
        build = builders[arguments[0]]
        build(Path(arguments[1]).resolve(), python, arguments[2:] or [python], _time())
    except changelog.ChangelogError as error:
        sys.stderr.write(f"{error}\n")
    except FileNotFoundError as error:
        sys.stderr.write(f"{error.filename} is not there\n")
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{error.cmd[0]} failed: {error.returncode}\n")
    else:
        return 0
    return 1


def build_rpm(folder: "Path", python: "str", compilers: "Sequence[str]", time: "int") -> "None":
    """Run rpmbuild; --nodeps, because on Debian its database does not have the spec's Python."""
    version = changelog.read_version()
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        sources = [path for pattern in _SOURCES for path in ROOT.glob(pattern)]
        _write_tarball(top / f"vzcptcheck-{version}.tar.gz", sorted(sources), time)
        spec = top / "vzcptcheck.spec"
        template = (PACKAGING / "vzcptcheck.spec.in").read_text("utf-8")
        spec.write_text(_fill(template, {"VERSION": version, "CHANGELOG": _rpm_changelog()}))
        os.utime(str(spec), (time, time))
        defines = {
            "_topdir": place,
            "_sourcedir": place,
            "_rpmdir": str(folder),
            "_rpmfilename": "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
            "node_python": python,
            "compilers": " ".join(compilers),
        }
        options = [word for item in defines.items() for word in ("--define", " ".join(item))]
        _run(["rpmbuild", "--quiet", "--nodeps", "-bb", *options, str(spec)], time)


def build_deb(folder: "Path", python: "str", compilers: "Sequence[str]", time: "int") -> "None":
    """Lay out the files and have dpkg-deb make a package of them."""
    version = changelog.read_version()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        list(node_files.lay_out(root, python, DEBIAN_ZSH, compilers))
        _write(root / DOCUMENTS / "copyright", (PACKAGING / "debian" / "copyright").read_bytes())
        _write(root / DOCUMENTS / "changelog.gz", node_files.compress(_debian_changelog()))
        files = sorted(path for path in root.glob("**/*") if path.is_file())
        values = {
            "VERSION": version,
            "MAINTAINER": _maintainer(),
            "INSTALLED_SIZE": str(sum(_kibibytes(path) for path in root.glob("**/*"))),
        }
        template = (PACKAGING / "debian" / "control.in").read_text("utf-8")
        _write(root / "DEBIAN" / "control", _fill(template, values).encode())
        _write(root / "DEBIAN" / "md5sums", _md5sums(root, files))
        for path in [root, *root.glob("**/*")]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(str(path), (time, time))
        package = folder / f"vzcptcheck_{version}_all.deb"
        folder.mkdir(parents=True, exist_ok=True)
        _run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", place, str(package)], time)


def _time() -> "int":
    """Return SOURCE_DATE_EPOCH, or the newest release's time."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if given.isdigit() else changelog.release_time(changelog.read_releases()[0])


def _maintainer() -> "str":
    """Return a name and an address; .invalid is an address that is nobody's."""
    name = os.environ.get("DEBFULLNAME", "The vzcptcheck maintainers")
    return f"{name} <{os.environ.get('DEBEMAIL', 'maintainers@vzcptcheck.invalid')}>"


def _run(command: "Sequence[str]", time: "int") -> "None":
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time), "LC_ALL": "C"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _write(path: "Path", data: "bytes") -> "None":
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)


def _write_tarball(path: "Path", sources: "Iterable[Path]", time: "int") -> "None":
    """Write the sources below one folder, without names, times and modes of this machine."""
    folder = path.name[: -len(".tar.gz")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tarball:
        for source in sources:
            info = tarfile.TarInfo(f"{folder}/{source.relative_to(ROOT)}")
            info.size, info.mtime, info.mode = source.stat().st_size, time, 0o644
            with source.open("rb") as content:
                tarball.addfile(info, content)
    path.write_bytes(node_files.compress(buffer.getvalue()))
    os.utime(str(path), (time, time))


def _fill(template: "str", values: "Mapping[str, str]") -> "str":
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def _rpm_changelog() -> "str":
    """Return the releases as rpm wants them."""
    entries = []
    for release in changelog.read_releases():
        day = _day(release, "%a %b %d %Y")
        items = (f"- {item}".replace("%", "%%") for item in changelog.all_items(release))
        entries.append("\n".join([f"* {day} {_maintainer()} - {release.name}-1", *items]))
    return "\n\n".join(entries)


def _debian_changelog() -> "bytes":
    """Return the releases as deb-changelog(5) wants them."""
    entries = []
    for release in changelog.read_releases():
        day = _day(release, "%a, %d %b %Y %H:%M:%S +0000")
        head = f"vzcptcheck ({release.name}) unstable; urgency=medium\n"
        items = [_wrapped(item) for item in changelog.all_items(release)]
        entries.append("\n".join([head, *items, f"\n -- {_maintainer()}  {day}\n"]))
    return "\n".join(entries).encode()


def _day(release: "changelog.Release", form: "str") -> "str":
    moment = dt.datetime.fromtimestamp(changelog.release_time(release), dt.timezone.utc)
    return moment.strftime(form)


def _wrapped(item: "str") -> "str":
    """Break an item into lines of less than 80 characters."""
    return textwrap.fill(item, 78, initial_indent="  * ", subsequent_indent="    ")


def _kibibytes(path: "Path") -> "int":
    """Return what Installed-Size counts of a file: kibibytes, begun ones too."""
    return (path.stat().st_size + 1023) // 1024 if path.is_file() else 1


def _md5sums(root: "Path", files: "Iterable[Path]") -> "bytes":
    """Return what dpkg --verify compares: it knows no other digest."""
    lines = (
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n"  # noqa: S324
        for path in files
    )
    return "".join(lines).encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
