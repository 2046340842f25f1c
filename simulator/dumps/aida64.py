"""AIDA64's reports, as InstLatx64 collects them: ``CPUID LEAF: EAX-EBX-ECX-EDX``.

Versions differ: a colon, a tab or a space comes after the leaf, dashes or spaces between the
registers, ``[SL 01]`` after them or nothing; a CPU begins with one of three headings, or with
its leaf 0. Sources: the collection of InstLatx64, and the reports among libcpuid's tests.
"""

from collections.abc import Iterable

from simulator.dumps.lines import LineForm, has_rows, parse_lines, pattern
from simulator.dumps.model import CpuDump

NAME = "AIDA64 or InstLatx64"


def why_not(lines: Iterable[str]) -> str | None:
    """Return why a text is none of these reports; None where it is one."""
    return None if has_rows(_FORM, lines) else "no line begins like 'CPUID 00000001'"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse every CPU of a report, in the order written."""
    return parse_lines(_FORM, lines)


_HEX = "(?:0x)?[0-9A-F]{8}"

_FORM = LineForm(
    name=NAME,
    start=pattern(r"CPUID\s+(?:0x)?[0-9A-F]{8}\b"),
    row=pattern(
        rf"CPUID\s+(?P<leaf>{_HEX})(?:\s*:\s*|\s+)"
        rf"(?P<eax>{_HEX})(?:\s*-\s*|\s+)(?P<ebx>{_HEX})(?:\s*-\s*|\s+)"
        rf"(?P<ecx>{_HEX})(?:\s*-\s*|\s+)(?P<edx>{_HEX})"
        # Then come remarks, of which one may say the subleaf.
        r"(?:\s*\[(?:.*\[)?SL (?P<subleaf>[0-9A-F]{1,8})\].*|\s*\[.*)?"
    ),
    headings=(
        pattern(r"[-_=]*\[? *(?:CPUID Registers */ *)?Logical CPU #(?P<cpu>[0-9]{1,6})\b.*"),
        pattern(r"CPUID Registers \(CPU #(?P<cpu>[0-9]{1,6})\b.*"),
        # The number is 000 for each of them: the mask tells them apart.
        pattern(r"CPU *#[0-9]+ +AffMask: *(?:0x)?(?P<mask>[0-9A-F]{1,256})\b.*"),
    ),
)
