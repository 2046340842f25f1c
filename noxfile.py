"""Sessions: 'nox' checks everything once, 'nox -s NAME' runs one, 'nox -l' lists them."""

import os
import shutil
import subprocess
from pathlib import Path

import nox
import nox.command

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml("pyproject.toml")

#: Pythons that vzcptcheck is tested on where they are installed; vzcptsim wants 3.11.
PYTHONS = [f"3.{minor}" for minor in range(6, 16)]
FLOOR = "3.6"
SIMULATOR_FLOOR = 11
#: What atheris is there for, oldest first.
FUZZ_PYTHONS = ("3.11", "3.12", "3.13")
#: What the node's tool is run by.
NODE_PYTHON = "/usr/bin/python3"
#: Files for CI services, by the schema that each service publishes.
CI_FILES = {
    "github-workflows": (".github/workflows/ci.yml", "examples/ci/github-actions.yml"),
    "gitlab-ci": ("examples/ci/gitlab-ci.yml",),
}

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["checks"]


def _at_hand() -> list[str]:
    """List the Pythons that start: a version manager's shims are there for all of them."""
    found = [(version, shutil.which(f"python{version}")) for version in PYTHONS]
    return [version for version, path in found if path and _starts(path)]


def _starts(path: str) -> bool:
    return subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0


def _install(session: nox.Session, *groups: str, package: str = "") -> None:
    """Install dependency groups, and the project itself where ``package`` names it."""
    requirements = nox.project.dependency_groups(PYPROJECT, *groups) if groups else ()
    session.install("--quiet", *requirements, *([package] if package else []))


@nox.session
def checks(session: nox.Session) -> None:
    """Check style and types, and run the whole suite: the README's command for the tests.

    Where MEASURE_COVERAGE is set, a branch of either package that no test takes is a failure.
    """
    _install(session, "lint", "types", "tests", package="-e.[sim]")
    _lint(session)
    session.run("mypy")
    coverage = ("--cov", "--cov-report=term") if os.environ.get("MEASURE_COVERAGE") else ()
    _pytest(session, *coverage)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests: vzcptcheck's on every Python, the simulator's from 3.11 on."""
    if int(str(session.python).split(".")[1]) < SIMULATOR_FLOOR:
        # The pip that Python 3.6 brings takes the newest of everything, and cannot install it.
        session.install("--quiet", "--upgrade", "pip<22")
        _install(session, "node-tests")
        session.run("python", "-m", "pytest", "-q", "tests/vzcptcheck", *session.posargs)
    else:
        _install(session, "tests", package=".[sim]")
        _pytest(session)


def _pytest(session: nox.Session, *options: str, default: tuple[str, ...] = ()) -> None:
    """Run tests on all cores: those that the command line names, or else the default ones."""
    on_all_cores = ("--numprocesses=auto", "--dist=worksteal")
    chosen = session.posargs or default
    command = ("python", "-m", "pytest", "-q", *on_all_cores, *options, *chosen)
    session.run(*command, env={"CHECKOUT": str(ROOT)})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, shell scripts, and that vzcptcheck runs on Python 3.6."""
    _install(session, "lint")
    _lint(session)


def _lint(session: nox.Session) -> None:
    session.run("ruff", "check", "--quiet", ".")
    session.run("ruff", "format", "--quiet", "--check", ".")
    # pytest imports its plugin anywhere; packages are built on EL7.
    builders = (
        "build_packages",
        "build_zipapp",
        "changelog",
        "completions",
        "node_files",
        "programs",
    )
    on_nodes = ("vzcptcheck", "simulator/pytest_plugin.py", *(f"tools/{it}.py" for it in builders))
    session.run("vermin", "--quiet", "--violations", f"-t={FLOOR}-", "--no-tips", *on_nodes)
    session.run("lint-imports", silent=True)
    folders = ("examples/*.sh", "gather/*.sh")
    scripts = [str(path) for folder in folders for path in Path().glob(folder)]
    session.run("shellcheck", *scripts, ".ci/run")
    for service, files in CI_FILES.items():
        session.run("check-jsonschema", f"--builtin-schema=vendor.{service}", *files)


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    _install(session, "types", "tests", package="-e.[sim]")
    session.run("mypy")


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Compare all pairs of recorded nodes, capture qemu-user's CPU models and a fleet by Ansible.

    'nox -s exhaustive -- tests/matrix' runs the first of these three alone.
    """
    _install(session, "tests", "ansible-tests", package="-e.[sim]")
    session.run("python", "tools/compose_fixtures.py", "--check")
    _pytest(session, default=("tests/matrix", "tests/emulated"))
    if not session.posargs:
        # One after the other: each of these looks at what is left in /tmp.
        session.run("python", "-m", "pytest", "-q", "tests/ansible")


@nox.session
def browser(session: nox.Session) -> None:
    """Drive the HTML report in a real Chromium; without one, its tests are skipped and say so."""
    _install(session, "browser-tests", package="-e.[sim]")
    session.run("python", "-m", "pytest", "-q", "tests/browser", *session.posargs)


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the README's pictures anew, the page's in a real Chromium."""
    _install(session, "browser-tests", package="-e.[sim]")
    session.run("python", "-m", "tools.pictures")


@nox.session
def mutation(session: nox.Session) -> None:
    """Mutate the modules that decide: each mutant must fail a test."""
    _install(session, "mutation", package="-e.[sim]")
    session.run("python", "tools/mutation.py", *session.posargs)


@nox.session(python=next((one for one in _at_hand() if one in FUZZ_PYTHONS), FUZZ_PYTHONS[0]))
def fuzz(session: nox.Session) -> None:
    """Give hostile input to every parser: 'nox -s fuzz -- SECONDS [TARGET...]', 600 in all."""
    _install(session, "fuzz", package=".[sim]")
    folder = session.create_tmp()
    session.run("python", "-m", "fuzz.large", *session.posargs[1:])
    session.run("python", "-m", "fuzz.run", folder, *(session.posargs or ("600",)))


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, the sdist and the zipapp into dist/."""
    _build(session)


@nox.session
def packages(session: nox.Session) -> None:
    """Build the RPM and the Debian package into dist/; it takes rpmbuild and dpkg-deb."""
    _build_packages(session)


@nox.session
def fresh(session: nox.Session) -> None:
    """Run the README's two commands on a fresh Debian that has what the README names.

    It takes root, and debootstrap with the mirror that apt uses.
    """
    _install(session, "tests", package=".[sim]")
    options = ("-q", "-rP", "--durations=5", "tests/installed/test_fresh.py")
    session.run("python", "-m", "pytest", *options, *session.posargs)


@nox.session
def criu(session: nox.Session) -> None:
    """Ask the real CRIU, as Debian packages it, what the CRIU engine says it answers.

    It takes root; where this system's CRIU does not start, debootstrap with the mirror that apt
    uses. Without either its tests are skipped, and say why.
    """
    _install(session, "tests", package="-e.[sim]")
    session.run("python", "-m", "pytest", "-q", "-rPs", "tests/criu", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Build all that is released, twice; install it where it is to run; try it, and remove it.

    It takes root, rpm, debootstrap with the mirror that apt uses, lintian, and some minutes.
    """
    _install(session, "tests", package=".[sim]")
    session.run("python", "tools/changelog.py")
    _build(session)
    _build_packages(session)
    tests = ("tests/project/test_release.py", "tests/project/test_node_tool.py", "tests/installed")
    environment = {"COMPILERS": os.pathsep.join(_compilers())}
    options = (
        "-q",
        "--numprocesses=auto",
        "--dist=loadfile",
        "--durations=5",
        *tests,
        *session.posargs,
    )
    session.run("python", "-m", "pytest", *options, env=environment)


def _build(session: nox.Session) -> None:
    session.install("--quiet", "build")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist", silent=True)
    tool = ("dist/vzcptcheck.pyz", NODE_PYTHON)
    session.run("python", "tools/build_zipapp.py", *tool, *_compilers())


def _build_packages(session: nox.Session) -> None:
    for kind in ("rpm", "deb"):
        session.run("python", "-m", "tools.build_packages", kind, "dist", *_compilers())


def _compilers() -> list[str]:
    """Return the Pythons that the node's tool is compiled for: EL7's, and this system's.

    On all others it runs as well, and starts slower. It is the same for the same two versions.
    """
    candidates = [f"python{FLOOR}", NODE_PYTHON]
    starting = [path for path in map(shutil.which, candidates) if path and _starts(path)]
    return [_executable(path) for path in starting]


def _executable(path: str) -> str:
    """Return what a version manager's shim starts."""
    command = [path, "-c", "import sys; print(sys.executable)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@nox.session
def bench(session: nox.Session) -> None:
    """Measure start-up, what 'vzcptsim run' costs, and how large fleets are read and judged."""
    session.install("--quiet", ".[sim]")
    folder = Path(session.virtualenv.location)
    node, python = folder / "node", folder / "bin" / "python"
    laid_out = (str(node), str(python), "share/zsh/site-functions")
    session.run("python", "-m", "tools.node_files", *laid_out, silent=True)
    exceeding = []
    starts = ("startup", str(folder), str(node))
    for script, *arguments in (starts, ("supervisor",), ("matrix",), ("engines",)):
        try:
            session.run("python", f"benchmarks/{script}.py", *arguments)
        except nox.command.CommandFailed:
            exceeding.append(script)
    if exceeding:
        session.error(f"over a limit, or not measured: {', '.join(exceeding)}")
