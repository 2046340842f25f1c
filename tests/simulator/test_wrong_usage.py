"""Wrong usages of both programs: a status, one line that says what, where and what to do."""

import re
import shlex
from pathlib import Path

import pytest

from simulator.cli import _COMMANDS as SIMULATORS
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node
from support.programs import Said, replay, vzcptsim
from support.running import NODE
from support.simulated_nodes import node
from vzcptcheck.cli import _COMMANDS as NODES

HASWELL = "042stab141.3.Haswell.default"
PAIR = f"{NODE} {HASWELL}"
CPU = "intel-xeon-e5-2680-v3"
NEW = "042stab141.3"

#: A command line; what its last message says; what it says to do, in the message or the usage.
WRONG = [
    # Words that are no commands.
    ("vzcptsim", "required: COMMAND", "COMMAND ..."),
    ("vzcptsim chek", "no command 'chek'", "did you mean check?"),
    ("vzcptsim CHECK", "no command 'CHECK'", "did you mean check?"),
    ("vzcptsim ''", "no command ''", "see vzcptsim help"),
    ("vzcptsim -v", "no option '-v'", "usage: vzcptsim"),
    ("vzcptsim help matrx", "no command 'matrx'", "did you mean matrix?"),
    ("vzcptsim help check nodes", "not 'check nodes'", "help takes a command's name"),
    ("vzcptsim help --all", "not '--all'", "help takes a command's name"),
    ("vzcptcheck versoin", "unknown property 'versoin'", "did you mean version?"),
    ("vzcptcheck help caps", "help takes no argument", "Usage: "),
    # Options that are none, too many, in the wrong place, or without their value.
    ("vzcptsim nodes --jason", "no option '--jason'", "did you mean --json?"),
    ("vzcptsim --json nodes", "--json comes after the command", "vzcptsim nodes --json"),
    ("vzcptsim check --jsn", "no option '--jsn'", "did you mean --json?"),
    (f"vzcptsim check {PAIR} --json=1", "--json: ignored explicit", "[--json]"),
    (f"vzcptsim run --node {NODE} --node {HASWELL} -- id", "--node: it is given twice", "--node"),
    (f"vzcptsim matrix {PAIR} -o a -o b", "-o/--output: it is given twice", "[-o FILE]"),
    (f"vzcptsim check {PAIR} --ct 1 --ct 2", "--ct: it is given twice", "[--ct ID"),
    (f"vzcptsim matrix {PAIR} -o", "-o/--output: expected one argument", "[-o FILE]"),
    ("vzcptcheck capture -o a -o b", "-o is given twice", "capture: -o"),
    ("vzcptcheck capture --mode 600 --mode 644", "--mode is given twice", "capture: --mode"),
    ("vzcptcheck capture --anonymise", "argument '--anonymise'", "did you mean --anonymize?"),
    ("vzcptcheck explain caps 511 --jsno", "argument '--jsno'", "did you mean --json?"),
    ("vzcptcheck image --jsn a.json", "argument '--jsn'", "did you mean --json?"),
    # Words too few or too many.
    ("vzcptsim kernels x", "'x' is one word too many", "usage: vzcptsim kernels"),
    (f"vzcptsim check {NODE}", "required: DESTINATION", "SOURCE DESTINATION"),
    (f"vzcptsim check {PAIR} more", "'more' is one word too many", "SOURCE DESTINATION"),
    (f"vzcptsim check {PAIR} -- --ct 1", "'--ct' is one word too many", "SOURCE DESTINATION"),
    ("vzcptsim diff a.json", "required: NEW", "OLD NEW [NODE ...]"),
    ("vzcptsim pool", "required: NODE", "NODE [NODE ...]"),
    (f"vzcptsim matrix {NODE}", "a pair takes two nodes or more", "matrix: "),
    ("vzcptsim import", "required: FILE", "[FORMAT] FILE"),
    ("vzcptsim schema", "required: NAME", "usage: vzcptsim schema"),
    ("vzcptsim compose", "required: --kernel", "--kernel RELEASE"),
    ("vzcptcheck version 1 2", "at most 1 argument, not 2", "vzcptcheck version [NUM]"),
    ("vzcptcheck caps 1 2 3", "at most 2 arguments, not 3", "caps [[CTID] CAPNUM]"),
    ("vzcptcheck explain", "explain takes", "'version NUM' or 'caps NUM [OTHER]'"),
    ("vzcptcheck image", "image takes one file", "image FILE"),
    ("vzcptcheck capture -o", "-o takes a value", "-o FILE"),
    # A command for a node, and --.
    (f"vzcptsim run --node {NODE}", "no command after --", "run: "),
    (f"vzcptsim run --node {NODE} -- ''", "no command after --", "run: "),
    (f"vzcptsim run --node {NODE} true", "'true' is no option", "comes after --"),
    (f"vzcptsim run --node {NODE} ls -h", "'ls' is no option", "comes after --"),
    (f"vzcptsim run --node {NODE} --status-fd 1 -- true", "'1' is no open descriptor", "from 3 on"),
    (
        f"vzcptsim run --node {NODE} --status-fd 987 -- true",
        "'987' is no open descriptor",
        "from 3",
    ),
    (f"vzcptsim run {NODE} -- true", "required: --node", "--node NODE"),
    (f"vzcptsim replay {NODE} caps", "'caps' is no option", "comes after --"),
    (f"vzcptsim replay {NODE} caps --help", "'caps' is no option", "comes after --"),
    # Values that are none.
    (f"vzcptsim check {PAIR} --ct 0", "'0' is no container's number", "--ct ID"),
    (f"vzcptsim check {PAIR} --ct 1e5", "'1e5' is no container's number", "--ct ID"),
    (f"vzcptsim check {PAIR} --ct {'9' * 5000}", "is no container's number", "--ct ID"),
    (f"vzcptsim check {PAIR} --ct 7", "has no container 7", "there are: 101, 102,"),
    (f"vzcptsim where {NODE}:0 {HASWELL}", "'0' is no container's number", f"{NODE}:0"),
    (f"vzcptsim where {PAIR}", "say which container", "NODE:ID, --ct ID, or --any"),
    (f"vzcptsim where {NODE}:101", "no node to move to", "name others"),
    (f"vzcptsim where --ct 9 {PAIR}", "no node that is given has a container 9", "name its node"),
    (f"vzcptsim where --ct 101 {PAIR}", "several nodes have a container 101", "as NODE:101"),
    (f"vzcptsim run --node {NODE} --user root -- id", "'root' is no user's number", "--user"),
    (f"vzcptsim run --node {NODE} --user 4294967295 -- id", "is no user's number", "--user"),
    (f"vzcptsim replay --user -1 {NODE} -- caps", "'-1' is no user's number", "--user"),
    (f"vzcptsim run --node {NODE} --inside 7 -- id", "has no container 7", "there are: 101"),
    (f"vzcptsim replay --inside -1 {NODE} -- caps", "'-1' is no container's", "--inside"),
    (f"vzcptsim run --node {NODE} --node-for b -- id", "'b' is no HOST=NODE", "run: "),
    ("vzcptsim cpus --family x", "'x' is no number", "--family N"),
    ("vzcptsim cpus --family 99", "no CPU is known to be such a one", "of the 3"),
    ("vzcptsim cpus --has avx9", "no feature is known as 'avx9'", "there are: avx, avx2"),
    ("vzcptsim cpus zzzz", "no CPU is recorded as 'zzzz'", "see 'vzcptsim cpus'"),
    ("vzcptsim nodes zzzz", "no node is recorded as 'zzzz'", "see 'vzcptsim nodes'"),
    ("vzcptsim nodes --json haswell", "no node is recorded as 'haswell'", "'*haswell*' (nodes: "),
    ("vzcptsim nodes 'Haswel.*'", "no node is recorded as 'Haswel.*'", "did you mean haswell?"),
    ("vzcptsim nodes ''", "no node is recorded as ''", "there are 1"),
    ("vzcptsim schema chek", "invalid choice: 'chek'", "did you mean check?"),
    (f"vzcptsim check {PAIR} --waive module-mising", "no code 'module-mising'", "module-missing"),
    (f"vzcptsim pool {PAIR} --waive module-missing", "restore refuses", "programs alone can be"),
    ("vzcptsim check --explain cpu-featur-missing", "no code 'cpu-", "did you mean cpu-feature-"),
    (f"vzcptsim matrix {PAIR} --format yaml", "invalid choice: 'yaml'", "'csv', 'markdown'"),
    (f"vzcptsim compose --kernel 5.4.0 --cpuid {CPU}", "'5.4.0' is none that", "042stab"),
    (f"vzcptsim check --kernel zz {PAIR}", "'zz' is none that is known", "042stab"),
    (f"vzcptsim compose --kernel {NEW} --cpuid {CPU} --ct 1:zz", "'zz' is no word", "CTID[:WORD"),
    (f"vzcptsim compose --kernel {NEW} --cpuid {CPU} --processor 9", "no --processor 9", "is 0"),
    ("vzcptcheck version x", "image version 'x' is not a number", "Write it in decimal"),
    ("vzcptcheck caps -1", "'-1' is negative", "as the other node printed it"),
    ("vzcptcheck caps 0 511", "container 0 is the node itself", "from 1"),
    ("vzcptcheck caps 101 99999999999", "is too large", "at most 2147483647"),
    ("vzcptcheck caps 9999 511", "container 9999", "see 'vzlist -a'"),
    ("vzcptcheck capture --mode 999", "not '999'", "an octal number as chmod does"),
    ("vzcptcheck capture --ct 9999", "no container 9999", "Those that run: "),
    # Options that contradict each other.
    (f"vzcptsim check {PAIR} --ct 1 --suspended 2", "not allowed with", "--ct ID | --suspended"),
    (f"vzcptsim where {NODE}:101 {HASWELL} --any", "names a container", "no --ct, no --any"),
    (f"vzcptsim matrix {PAIR} --update", "--update takes --expect", "--expect FILE"),
    (f"vzcptsim matrix {PAIR} --fail-on any", "--fail-on takes --expect", "--expect FILE"),
    (
        f"vzcptsim matrix {PAIR} --expect x --update --fail-on any",
        "with --update nothing is compared",
        "leave --fail-on out",
    ),
    (
        f"vzcptsim matrix {PAIR} --format csv -o x --expect x --update",
        "--output and --expect are the same file",
        "matrix: ",
    ),
    ("vzcptcheck capture --cpus --ct 1", "--cpus has no containers", "leave the rest out"),
    ("vzcptcheck capture --instruction", "--instruction goes with --cpus", "--cpus"),
    # Nodes and files that are none.
    (f"vzcptsim check {NODE} nowhere", "no node is recorded as 'nowhere'", "see 'vzcptsim nodes'"),
    (f"vzcptsim check {NODE} 042stab141.3.Haswel.default", "no node is", "did you mean 042stab"),
    (f"vzcptsim check {NODE} ''", "a NODE is empty", "a variable that is not set?"),
    (f"vzcptsim check {NODE} folder", "folder: a folder without profiles", "folder@RELEASE"),
    (f"vzcptsim check {NODE} empty", "empty: no profile", "empty@RELEASE"),
    (f"vzcptsim check {NODE} loop", "no node is recorded as 'loop'", "see 'vzcptsim nodes'"),
    (f"vzcptsim check binary {NODE}", "binary: it is neither a profile nor", "--image"),
    (f"vzcptsim pool {NODE} a.json a.json", "two nodes are named a", "each node once"),
    ("vzcptsim matrix - -", "standard input (-) is named twice", "can be read once"),
    ("vzcptsim import nosuch", "nosuch: No such file", "nosuch"),
    ("vzcptsim import binary", "binary: not a register dump", "tried"),
    ("vzcptsim import gathered binary", "not the archive that", "vzcptcheck-gather.sh"),
    (f"vzcptsim compose --kernel {NEW} --cpuid zz", "zz: no such file", "see 'vzcptsim cpus'"),
    (f"vzcptsim matrix {PAIR} --expect nosuch", "nosuch: there is no such file", "--update keeps"),
    (f"vzcptsim matrix {PAIR} --expect empty", "empty: line 1: ", "keep the matrix anew"),
    (f"vzcptsim matrix {PAIR} --expect binary", "binary: not UTF-8 at byte 0", "no matrix that"),
    (f"vzcptsim matrix {PAIR} --expect folder", "folder: Is a directory", "folder"),
    (f"vzcptsim matrix {PAIR} -o folder", "folder: Is a directory", "folder"),
    (f"vzcptsim matrix {PAIR} -o ''", "the name of the file to write is empty", "file to write"),
    (f"vzcptsim matrix {PAIR} --format html -o no/x", "no/x: No such file or directory", "no/x"),
    (f"vzcptsim matrix {PAIR} -o /dev/full", "/dev/full: No space left on device", "/dev/full"),
    (f"vzcptsim run --node {NODE} --node-for b=zz -- id", "no node is recorded as 'zz'", "see"),
    ("vzcptcheck image nosuch", "nosuch: stat: No such file", "(ENOENT)"),
    ("vzcptcheck capture -o no/such/x", "no/such/x: create: No such file", "make it first"),
    ("vzcptcheck capture -o ''", "-o takes a file's name", "'-' for standard output"),
]

_MESSAGE = re.compile(r"(?s)(?P<usage>(?:[uU]sage: .*\n)?)(vzcptsim|vzcptcheck): (?P<problem>.*)\n")

#: What is about a whole text goes on in lines below it.
_OF_SEVERAL_LINES = ("--ct 1:zz", "import binary")


@pytest.fixture
def files(here: Path) -> None:
    """Put what is no node beside one that is."""
    (here / "a.json").write_text(format_profile(node("a", "1")), "utf-8")
    (here / "empty").touch()
    (here / "binary").write_bytes(b"\xff\x00" * 500)
    (here / "folder").mkdir()
    (here / "loop").symlink_to("loop")


def said_by(line: str) -> Said:
    program, *words = shlex.split(line)
    if program == "vzcptsim":
        return vzcptsim(*words)
    return replay(load_node(NODE).boot(), *words)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("line", "what", "help_"), WRONG, ids=[line[:70] for line, _, _ in WRONG])
def test_a_wrong_usage_is_told_in_one_line_after_the_usage(
    line: str, what: str, help_: str
) -> None:
    before = sorted(Path().iterdir())
    status, stdout, stderr = said_by(line)
    assert (status, stdout) == (1, "")
    message = _MESSAGE.fullmatch(stderr)
    assert message, stderr
    assert (message[2], what in message["problem"]) == (line.partition(" ")[0], True)
    assert help_ in stderr
    first, *more = message["problem"].split("\n")
    assert len(first) < 500
    assert all(one.startswith("  ") for one in more) or line.endswith(_OF_SEVERAL_LINES)
    assert sorted(Path().iterdir()) == before


def test_the_table_has_every_command_of_both_programs() -> None:
    used = {tuple(shlex.split(line)[:2]) for line, _, _ in WRONG}
    assert {("vzcptsim", name) for name in SIMULATORS} <= used
    assert {("vzcptcheck", name) for name in NODES} <= used
    assert len({line for line, _, _ in WRONG}) == len(WRONG) > 100
