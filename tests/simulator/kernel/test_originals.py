"""The original program's recorded answers, against vzcptcheck on the simulated node.

Statuses and stdout are the same, but for what SANCTIONED lists: the original took garbage for a
number (its atoi) or an unknown for a yes.
"""

import json
from collections.abc import Sequence

import pytest

from support.programs import Said, replay
from support.recorded import NAMES, Player, Row, bare_kernel, read_rows, text

USERS = {"root": (0, 0), "nobody": (65534, 0), "inside": (0, 201)}

#: Arguments that the original's atoi() made a number of, and why each is an error here.
GARBAGE = {
    "abc": "not a number: atoi made 0 of it",
    "": "empty: atoi made 0 of it",
    "2051x": "not a number: atoi stopped at the x",
    "4294967295": "larger than the kernel's int: it was cut to -1",
    "4294969347": "larger than the kernel's int: it was cut to 2051",
    "99999999999": "larger than the kernel's int: it was cut to 1215752191",
}


def sanctioned(name: str, row: Row, arguments: Sequence[str]) -> tuple[int, str] | None:
    """Return our status where it may differ, and why; None where it may not."""
    for argument in arguments[1:]:
        if argument in GARBAGE:
            return 1, GARBAGE[argument]
        if argument.startswith("-"):
            return 1, "negative: no node has bit 31, no version and no container is below 0"
    if arguments[1:] == ["0x803"]:
        takes_803 = not name.startswith("042stab061.9")
        return (0 if takes_803 else 2), "hexadecimal is understood: atoi made 0 of it"
    if row.cell(0) == "32" and arguments[:1] == ["version"] and len(arguments) == 2:
        return 1, "a 32-bit program cannot ask a 64-bit kernel: the original took EINVAL for yes"
    return None


def agrees(said: Said, stdout: str, arguments: Sequence[str]) -> bool:
    """Tell whether stdout is the same; the usage is our own."""
    if stdout == "USAGE":
        return said.stdout.startswith("Usage: vzcptcheck") and arguments in ([], ["help"])
    return said.stdout == stdout


@pytest.mark.parametrize("name", NAMES)
def test_vzcptcheck_answers_as_the_original_did(name: str) -> None:
    player = Player(bare_kernel(name))
    for row in read_rows(name):
        player.play(row)
        if row.kind == "original":
            compare(name, row, player)


def compare(name: str, row: Row, player: Player) -> None:
    """Run the same command here, and compare."""
    arguments = json.loads(row.cell(4))
    uid, ctid = USERS[row.cell(1)]
    said = replay(player.kernel, *arguments, uid=uid, ctid=ctid, pointer_bits=int(row.cell(0)))
    difference = sanctioned(name, row, arguments)
    if difference is not None:
        status, _ = difference
        assert (said.status, said.stdout) == (status, ""), (name, row)
        assert said.stderr or status == 0
    else:
        assert said.status == int(row.cell(2)), (name, row, said)
        assert agrees(said, text(row.cell(3)), arguments), (name, row, said)


def test_every_kind_of_garbage_was_recorded() -> None:
    """A difference that nothing recorded needs is no sanctioned one."""
    seen = set()
    for name in NAMES:
        for row in read_rows(name):
            if row.kind == "original":
                seen.update(json.loads(row.cell(4)))
    assert set(GARBAGE) <= seen
