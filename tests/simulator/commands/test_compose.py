"""vzcptsim compose of /proc/cpuinfo: which words tell by their absence."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.programs import answer, mistake, vzcptsim

KERNEL = "2.6.32-042stab141.3"

#: Two made-up machines: the second has what AVX2 came with, and the first has not.
OLD = (
    "fpu cmov fxsr mmx sse sse2 syscall nx lm lahf_lm pni ssse3 sse4_1 sse4_2 popcnt aes xsave "
    "avx xsaveopt"
)
NEW = f"{OLD} fma f16c rdrand abm bmi1 avx2 bmi2"


def write(path: Path, flags: str) -> None:
    lines = (
        "processor\t: 0",
        "vendor_id\t: GenuineIntel",
        "cpu family\t: 6",
        "model\t\t: 63",
        "model name\t: Made-up CPU",
        "stepping\t: 2",
        "microcode\t: 0x49",
        "cpuid level\t: 15",
        f"flags\t\t: {flags}",
    )
    path.write_text("".join(f"{line}\n" for line in lines))


def compose(name: str, *options: str) -> dict[str, Any]:
    arguments = ("--cpuid", f"{name}.cpuinfo", "--kernel", KERNEL, "--ct", "1:fpu", *options)
    text = answer("compose", *arguments)
    Path(f"{name}.json").write_text(text)
    document: dict[str, Any] = json.loads(text)
    return document


def checked(one: str, other: str) -> tuple[str, set[str]]:
    said = json.loads(vzcptsim("check", f"{one}.json", f"{other}.json", "--json").stdout)
    (migration,) = said["migrations"]
    reasons = [*migration["restore"]["reasons"], *migration["programs"]["reasons"]]
    return migration["outcome"], {f"{one['code']} {one['feature']}" for one in reasons}


@pytest.fixture(autouse=True)
def machines(here: Path) -> None:
    write(here / "old.cpuinfo", OLD)
    write(here / "new.cpuinfo", NEW)


def test_what_is_said_beside_the_registers_is_kept() -> None:
    (cpu,) = compose("new")["cpus"]
    assert (cpu["model_name"], cpu["microcode"]) == ("Made-up CPU", "0x49")
    assert cpu["flags"] is None


def test_flags_alone_may_refuse() -> None:
    compose("new")
    compose("old")
    outcome, reasons = checked("new", "old")
    assert outcome == "refused"
    for name in ("fma", "f16c", "bmi1", "rdrand"):
        assert f"instructions-missing {name}" in reasons
    assert "cpu-feature-missing rdrand" in reasons
    assert "instructions-missing avx2" not in reasons  # An older kernel does not know the word.


def test_the_kernel_that_printed_it_tells_more() -> None:
    compose("new", "--printed-by", "6.1.0-47-amd64")
    compose("old", "--printed-by", "6.1.0-47-amd64")
    outcome, reasons = checked("new", "old")
    assert (outcome, "instructions-missing avx2" in reasons) == ("refused", True)
    outcome, reasons = checked("old", "new")
    assert outcome == "safe", reasons


def test_what_no_known_kernel_tells_leaves_it_unknown() -> None:
    compose("new")
    compose("old")
    outcome, reasons = checked("old", "new")
    assert outcome == "unknown"
    assert {one.split()[0] for one in reasons} == {"cpuid-not-recorded"}


def test_what_is_no_release_is_an_error() -> None:
    said = mistake("compose", "--cpuid", "new.cpuinfo", "--kernel", KERNEL, "--printed-by", "x")
    assert "'x' is no kernel's release" in said
