"""A pytest plugin: test suites of other programs run them on simulated nodes.

    def test_my_check_refuses(simulated_node):
        node = simulated_node("042stab141.3.SandyBridge.default")
        ended = node.run(["./my-check", "102"])
        assert ended.returncode == 2

pytest finds it wherever vzcptcheck is installed; so it imports nothing but the standard library
and pytest until a test asks for it. Running takes what 'vzcptsim run' takes.
"""

import functools
import os
import subprocess
import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

#: A recorded node, to try whether programs can be run on any.
_PROBE = "042stab141.3.SandyBridge.default"

#: -P: a folder 'simulator' where the tests run is not meant.
_VZCPTSIM = (sys.executable, "-P", "-m", "simulator")


class SimulationError(Exception):
    """A node cannot be simulated here: no status that a test may take for its program's answer."""


class Judged:
    """What 'vzcptsim check' says of a migration.

    ``outcome`` is safe, risky, refused or unknown; ``codes`` are those of the reasons that count,
    in order, each once.
    """

    def __init__(self, outcome: "str", codes: "Sequence[str]") -> "None":
        self.outcome = outcome
        self.codes = tuple(codes)

    def __repr__(self) -> "str":
        return " ".join([self.outcome, *self.codes])


class SimulatedNode:
    """A node that commands can be run on: one NODE of the command line (a recorded one's name...).

    Each run boots it anew. ``user`` is who runs it to the node (root if not said), ``inside``
    the container that it runs in; ``node_for`` and ``sshd_for`` are other nodes that its ssh
    reaches, by host name, directly or through a real sshd; ``root_for`` are folders with what such
    a host has of its own. SimulationError is raised where there is no such node, or what it takes
    is not installed.
    """

    def __init__(  # noqa: PLR0913 (each is an option of its own)
        self,
        node: "str",
        *,
        user: "int | None" = None,
        inside: "int" = 0,
        node_for: "Mapping[str, str] | None" = None,
        sshd_for: "Mapping[str, str] | None" = None,
        root_for: "Mapping[str, str] | None" = None,
    ) -> "None":
        self.profile = _load(_absolute(str(node)))
        self.options = ["--node", _absolute(str(node))]
        if user is not None:
            self.options += ["--user", str(user)]
        if inside:
            self.options += ["--inside", str(inside)]
        for option, hosts in (("--node-for", node_for), ("--sshd-for", sshd_for)):
            for host, other in (hosts or {}).items():
                _load(_absolute(str(other)))
                self.options += [option, "{}={}".format(host, _absolute(str(other)))]
        for host, folder in (root_for or {}).items():
            self.options += ["--root-for", "{}={}".format(host, os.path.abspath(folder))]

    @property
    def caps(self) -> "int | None":
        """The node's capability number; None where its kernel gives none. No process is started."""
        number: "int | None" = self.profile.answers.capability_number
        return number

    def check(self, destination: "str", ct: "int | None" = None) -> "Judged":
        """Judge moving a container, or any container, to another node; nothing is started.

        SimulationError is raised where there is no such node or container.
        """
        from simulator.errors import UserError
        from simulator.verdicts.migrations import NodePair

        pair = NodePair(self.profile, _load(str(destination)))
        try:
            judgement = (pair.judge_nodes() if ct is None else pair.judge_one(ct)).judgement
        except UserError as error:
            raise SimulationError(str(error)) from None
        codes = dict.fromkeys(reason.code for reason in judgement.counted())
        return Judged(judgement.outcome().value, list(codes))

    def command_line(self, command: "str | Sequence[str]") -> "list[str]":
        """Return what to start, by any means, to run a command on the node."""
        return [*_VZCPTSIM, "run", *self.options, "--", *_words(command)]

    def run(
        self, command: "str | Sequence[str]", **options: "Any"
    ) -> "subprocess.CompletedProcess[Any]":
        """Run a command on the node to its end; options are those of ``subprocess.run``.

        Its output is captured as text, and no status raises, unless they say otherwise.
        SimulationError is raised where the command was not started on the node, for whatever
        reason: no status is given that is not the command's own.
        """
        _require_running()
        settings = {"text": not isinstance(options.get("input"), bytes), **options}
        if "capture_output" not in options:
            settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
        status_raises = settings.pop("check", False)
        if settings.pop("shell", False):
            command = ["/bin/sh", "-c", *_words(command)]
        reading, writing = os.pipe()
        settings["pass_fds"] = (*settings.get("pass_fds", ()), writing)
        to_start = [*_VZCPTSIM, "run", "--status-fd", str(writing), *self.options, "--"]
        with open(reading, "rb") as told:
            try:
                ended = subprocess.run(to_start + _words(command), check=False, **settings)
            finally:
                os.close(writing)
            if not told.read():
                raise SimulationError(_not_started(command, ended))
        if status_raises:
            ended.check_returncode()
        return ended


def _words(command: "str | Sequence[str]") -> "list[str]":
    return [command] if isinstance(command, str) else [os.fsdecode(word) for word in command]


def _not_started(
    command: "str | Sequence[str]", ended: "subprocess.CompletedProcess[Any]"
) -> "str":
    """Say that a command was not started, and why, as far as that was captured."""
    said = ended.stderr or "status {}".format(ended.returncode)
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    return "{}: it was not run on the node: {}".format(_words(command)[:1], said.strip())


def _absolute(node: "str") -> "str":
    """Return a NODE that means the same in every folder."""
    path, at, kernel = node.rpartition("@")
    if os.path.exists(node):
        return os.path.abspath(node)
    return os.path.abspath(path) + at + kernel if path and os.path.exists(path) else node


def _load(node: "str") -> "Any":
    """Return a node's profile; SimulationError says why there is none."""
    try:
        from simulator.profiles.nodes import load_one
    except ImportError as error:
        raise SimulationError(
            "{}: simulated nodes take pip install 'vzcptcheck[sim]'".format(error)
        ) from error
    from simulator.errors import UserError

    try:
        return load_one(node)
    except (UserError, OSError) as error:
        raise SimulationError(str(error)) from None


@functools.lru_cache(maxsize=None)
def _require_running() -> "None":
    """Run nothing on a node, once: what does not go well is no program's doing."""
    probe = [*_VZCPTSIM, "run", "--node", _PROBE, "--", "true"]
    ended = subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip()
        raise SimulationError("programs cannot be run on simulated nodes here: {}".format(said))


@pytest.fixture
def simulated_node() -> "Callable[..., SimulatedNode]":
    """Make a simulated node to run commands on; see ``SimulatedNode`` for what to give."""
    return SimulatedNode
