"""A pytest plugin: test suites of other programs run them on simulated nodes.

    def test_my_check_refuses(simulated_node):
        node = simulated_node("042stab141.3.SandyBridge.default")
        ended = node.run(["./my-check", "102"])
        assert ended.returncode == 2

pytest finds it wherever vzcptcheck is installed; so it imports nothing but the standard library
and pytest until a test asks for it. Running takes what 'vzcptsim run' takes.
"""

import subprocess
import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class SimulatedNode:
    """A node that commands can be run on: a recorded one's name, or a profile's path.

    Each run boots it anew. ``user`` is who runs it to the node (root if not said), ``inside``
    the container that it runs in; ``node_for`` and ``sshd_for`` are other nodes that its ssh
    reaches, by host name, directly or through a real sshd.
    """

    def __init__(
        self,
        node: "str",
        *,
        user: "int | None" = None,
        inside: "int" = 0,
        node_for: "Mapping[str, str] | None" = None,
        sshd_for: "Mapping[str, str] | None" = None,
    ) -> "None":
        self.options = ["--node", str(node)]
        if user is not None:
            self.options += ["--user", str(user)]
        if inside:
            self.options += ["--inside", str(inside)]
        for option, hosts in (("--node-for", node_for), ("--sshd-for", sshd_for)):
            for host, other in (hosts or {}).items():
                self.options += [option, "{}={}".format(host, other)]

    def command_line(self, command: "Sequence[str]") -> "list[str]":
        """Return what to start, by any means, to run a command on the node."""
        # -P: a folder 'simulator' where the tests run is not meant.
        vzcptsim = [sys.executable, "-P", "-m", "simulator"]
        return [*vzcptsim, "run", *self.options, "--", *map(str, command)]

    def run(self, command: "Sequence[str]", **options: "Any") -> "subprocess.CompletedProcess[str]":
        """Run a command on the node to its end; options are those of ``subprocess.run``.

        Its output is captured as text, and no status raises, unless they say otherwise.
        """
        defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        status_raises = options.pop("check", False)
        settings = {**defaults, **options}
        return subprocess.run(self.command_line(command), check=status_raises, **settings)


@pytest.fixture
def simulated_node() -> "Callable[..., SimulatedNode]":
    """Make a simulated node to run commands on; see ``SimulatedNode`` for what to give."""
    return SimulatedNode
