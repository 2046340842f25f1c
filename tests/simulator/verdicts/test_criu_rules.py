"""Which CRIU is asked, and what --cpu-cap comes to, as CRIU spells it."""

import pytest

from simulator.errors import UsageError
from simulator.facts.cpu_image import FPU_BITS, INSTRUCTIONS
from simulator.verdicts.criu_rules import (
    CPU_MODE,
    FPU_MODE,
    INS_MODE,
    Rules,
    make_rules,
    parse_version,
)

FPU, INS, CPU = FPU_MODE, INS_MODE, CPU_MODE


@pytest.mark.parametrize(
    ("cpu_cap", "modes", "of_check", "reads_image"),
    [
        (None, FPU | INS, FPU | INS, False),
        ("none", 0, FPU | INS | CPU, False),
        ("fpu", FPU | INS, FPU | INS, True),
        ("ins", FPU | INS, FPU | INS, True),
        ("cpu", FPU | INS | CPU, FPU | INS | CPU, True),
        ("all", FPU | INS | CPU, FPU | INS | CPU, True),
        ("none,fpu", FPU, FPU, True),
        ("none,ins", INS, INS, True),
        ("none,cpu", CPU, CPU, True),
        ("none,fpu,cpu", FPU | CPU, FPU | CPU, True),
        ("cpu,none", 0, FPU | INS | CPU, True),
        ("cpu,none,ins", INS, INS, True),
        ("^ins", FPU, FPU, True),
        ("^fpu", INS, INS, True),
        ("^cpu", FPU | INS, FPU | INS, True),
        ("^fpu,ins", 0, FPU | INS | CPU, True),
        ("^all", 0, FPU | INS | CPU, True),
        ("^none", FPU | INS | CPU, FPU | INS | CPU, False),
    ],
)
def test_modes_add_up(cpu_cap: str | None, modes: int, of_check: int, reads_image: bool) -> None:
    rules, check = (make_rules("", cpu_cap, is_check=is_check) for is_check in (False, True))
    assert (rules.modes, rules.reads_image, rules.is_check) == (modes, reads_image, False)
    assert (check.modes, check.reads_image, check.is_check) == (of_check, True, True)


@pytest.mark.parametrize("cpu_cap", ["", "x", "fpu,", "fpu ins", "FPU", "^", "^^fpu", "fpu,^ins"])
def test_a_mode_that_is_none_is_refused(cpu_cap: str) -> None:
    with pytest.raises(UsageError, match=r"^--cpu-cap: '.*' is none of fpu, ins, cpu, all, none"):
        make_rules("", cpu_cap)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.11", (3, 11)),
        ("3.13.1", (3, 13)),
        ("3.19", (3, 19)),
        ("4.0", (4, 0)),
        ("4.2.1", (4, 2)),
    ],
)
def test_releases_whose_rules_are_known(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == make_rules(text).version == version


@pytest.mark.parametrize(
    "text", ["3.10", "3.20", "4.3", "5.0", "2.6", "4", "4.1rc1", "4.", "x", "\u0664.\u0661"]
)
def test_a_release_whose_rules_are_not_known_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_version(text)
    assert str(caught.value).endswith("are not known; known are 3.11 to 3.19, 4.0 to 4.2")


def test_what_is_compared() -> None:
    assert make_rules().compared == make_rules("", "none").compared == 0
    assert make_rules("", "^all").compared == 0
    assert make_rules("", "none,fpu").compared == FPU_BITS
    assert make_rules("", "none,ins").compared == INSTRUCTIONS
    assert make_rules("", "fpu").compared == FPU_BITS | INSTRUCTIONS
    assert make_rules("", "none,cpu").compared == ~0
    areas = [make_rules("", one).compares_area for one in (None, "none", "none,ins", "none,fpu")]
    assert areas == [False, False, False, True]


def test_generations() -> None:
    releases = ("3.12", "3.13", "3.14", "4.1", "4.2")
    rules = [make_rules(one) for one in releases]
    assert [one.knows_hygon for one in rules] == [False, True, True, True, True]
    assert [one.compares_sets for one in rules] == [False, False, True, True, True]
    assert [one.tells_of_missing_image for one in rules] == [False, False, False, False, True]
    assert Rules() == make_rules("4.2")


@pytest.mark.parametrize(
    ("cpu_cap", "check", "command"),
    [
        (None, False, "criu restore"),
        ("none", False, "criu restore --cpu-cap=none"),
        ("fpu", False, "criu restore --cpu-cap=none,fpu,ins"),
        ("all", False, "criu restore --cpu-cap=all"),
        (None, True, "criu cpuinfo check"),
        ("^ins", True, "criu cpuinfo check --cpu-cap=none,fpu"),
        ("none", True, "criu cpuinfo check --cpu-cap=all"),
    ],
)
def test_the_command_that_is_asked(cpu_cap: str | None, check: bool, command: str) -> None:
    rules = make_rules("", cpu_cap, is_check=check)
    assert rules.command == command
    _, _, value = command.partition("--cpu-cap=")
    assert make_rules("", value or None, is_check=check) == rules
