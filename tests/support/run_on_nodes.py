"""Run vzcptcheck under ``vzcptsim run``, many commands on each of many nodes.

Usage: python run_on_nodes.py < [[NODE, [COMMAND, ...]], ...] (JSON)

For each node one process is started under the supervisor, which carries the commands out by the
real system calls. Printed is, for each node, a list of [status, stdout, stderr] (JSON).
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from simulator.profiles.store import load_node
from simulator.run.session import run

#: What runs on the node; it knows nothing of any simulator.
_GUEST = """
import io, json, sys
from vzcptcheck.cli import main
answers = []
for command in json.loads(sys.argv[1]):
    stdout, stderr = io.StringIO(), io.StringIO()
    status = main(command, None, stdout, stderr)
    answers.append([status, stdout.getvalue(), stderr.getvalue()])
with open(sys.argv[2], "w") as file:
    json.dump(answers, file)
"""


def main() -> None:
    """Run what standard input asks for."""
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, commands in json.load(sys.stdin):
            output = Path(folder) / name
            guest = [sys.executable, "-S", "-c", _GUEST, json.dumps(commands), str(output)]
            status = run(load_node(name).boot(), guest)
            assert os.waitstatus_to_exitcode(status) == 0, name
            answers[name] = json.loads(output.read_text("utf-8"))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
