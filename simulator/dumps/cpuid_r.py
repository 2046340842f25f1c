"""``cpuid -r`` by Todd Allen: ``0x0000000d 0x01: eax=0x0000000f ebx=...``, by leaf and subleaf."""

from collections.abc import Iterable

from simulator.dumps.lines import LineForm, has_rows, parse_lines, pattern
from simulator.dumps.model import CpuDump

NAME = "cpuid -r"

_HEX = "0x(?P<{}>[0-9A-F]{{1,8}})"

_FORM = LineForm(
    name=NAME,
    start=pattern(r"0x[0-9A-F]{1,8}(?:\s+0x[0-9A-F]{1,8})?\s*(?::\s*e|\s+eax|:$)"),
    row=pattern(
        # Before subleaves were shown, the leaf stood alone.
        rf"{_HEX.format('leaf')}(?:\s+{_HEX.format('subleaf')})?\s*:\s+"
        + r"\s+".join(f"{name}={_HEX.format(name)}" for name in ("eax", "ebx", "ecx", "edx"))
    ),
    # With -1, which asks one CPU only, there is no number.
    headings=(pattern(r"CPU(?: *#?(?P<cpu>[0-9]{1,6}))?:"),),
)


def why_not(lines: Iterable[str]) -> str | None:
    """Return why a text is not that program's; None where it is."""
    return None if has_rows(_FORM, lines) else "no line begins like '0x00000001 0x00: eax='"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse every CPU."""
    return parse_lines(_FORM, lines)
