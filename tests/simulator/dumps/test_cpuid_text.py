"""What cpuid prints in words: here version 20230120 on a machine with an EPYC 7763, in part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import cpuid_text
from simulator.dumps.model import PartialAnswer
from simulator.dumps.pasted import as_lines
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import ALL_BITS, EVERY_BIT, Registers
from support.dumps import bits, refusal, refused_at
from support.samples import sample

EPYC_IN_WORDS = sample("epyc-7763.cpuid.txt")
TWICE = EPYC_IN_WORDS.replace("IA64  ", "x87 FPU on chip")


def test_cpuid_in_words() -> None:
    first, second = parse_dump(EPYC_IN_WORDS.encode())
    assert (first.cpus, first.form, first.mode) == ("0", "cpuid in words", "unknown")
    assert first.model_name == "AMD EPYC 7763"
    assert bits(first, 1, 0, "eax") == (0x00A0_0F11, 0x0FFF_3FFF)
    assert bits(first, 1, 0, "edx") == (1 << 15 | 1, 1 << 30 | 1 << 15 | 1)
    assert bits(first, 1, 0, "ecx") == (1 << 19, 1 << 19 | 1 << 5)
    assert bits(first, 7, 0, "ebx") == (1 << 5, 1 << 16 | 1 << 5)
    assert bits(first, 7, 0, "ecx") == (0, 0x1F << 17)
    assert bits(first, 0xD, 1, "eax") == (1, 0b101)
    assert bits(first, 0xD, 1, "ecx") == (0x1800, ALL_BITS)
    assert bits(first, 0xD, 1, "edx") == (1, ALL_BITS)
    assert bits(first, 0x8000_0001, 0, "ecx") == (1 << 6, 1 << 6)
    assert bits(first, 0x8000_0001, 0, "edx") == (0x2000_0801, 0x2000_0801)
    assert dict(first.partial)[0xD, 0] == PartialAnswer(
        Registers(0x207, 0x340, 0x988, 0), EVERY_BIT
    )
    assert second.cpus == "1"


def test_the_number_of_the_last_leaf_is_not_printed() -> None:
    first = parse_dump(EPYC_IN_WORDS.encode())[0]
    assert first.table is None
    vendor = Registers(0, 0x6874_7541, 0x444D_4163, 0x6974_6E65)
    assert dict(first.partial)[0, 0] == PartialAnswer(
        vendor, Registers(0, ALL_BITS, ALL_BITS, ALL_BITS)
    )


def test_older_versions_of_cpuid_have_shorter_words() -> None:
    old = (
        "CPU:\n   feature information (1/edx):\n"
        "      conditional move/compare instruction   = true\n"
        "      time stamp counter                     = false\n"
        "   XSAVE features (0xd/0):\n"
        "      XCR0 lower 32 bits valid bit field mask = 0x00000007\n"
        "      XCR0 upper 32 bits valid bit field mask = 0x40000000\n"
    )
    [dump] = parse_dump(old.encode())
    assert bits(dump, 1, 0, "edx") == (1 << 15, 1 << 15 | 1 << 4)
    assert bits(dump, 0xD, 0, "eax") == (7, ALL_BITS)
    assert bits(dump, 0xD, 0, "edx") == (0x4000_0000, ALL_BITS)


HEADINGS = [
    "version information (1/eax):", "feature information (1/ecx):", "extended feature flags (7):",
    "XSAVE features (0xd/0):", "extended feature flags (0x80000001/edx):",
    "AMD feature flags (0x80000001/ecx):",
]  # fmt: skip


@pytest.mark.parametrize("heading", HEADINGS)
def test_one_leaf_alone_is_recognised(heading: str) -> None:
    text = f"CPU:\n   {heading}\n      nothing that is known = true\n"
    assert "no line says anything in words that are known" in refusal(text.encode()).message


def test_a_word_of_one_register_is_none_of_another() -> None:
    """Leaf 0x80000001 has an FPU in edx alone."""
    text = (
        "   feature information (1/edx):\n      x87 FPU on chip = true\n"
        "   AMD feature flags (0x80000001/ecx):\n      x87 FPU on chip = true\n"
    )
    [dump] = cpuid_text.parse(as_lines(text))
    assert list(dict(dump.partial)) == [(1, 0)]


NOT_UNDERSTOOD = [
    "x87 FPU on chip = maybe", "x87 FPU on chip = 0x2 (2)", "a flag of tomorrow = true",
    "x87 FPU on chip",
]  # fmt: skip


@pytest.mark.parametrize("line", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_unknown(line: str) -> None:
    text = f"   feature information (1/edx):\n      {line}\n      IA64 = false\n"
    [dump] = cpuid_text.parse(as_lines(text))
    assert bits(dump, 1, 0, "edx") == (0, 1 << 30)


@pytest.mark.parametrize("vendor", ["", "\\0" * 12, "\u00e9" * 12])
def test_a_vendor_that_is_no_name_is_unknown(vendor: str) -> None:
    text = f'   vendor_id = "{vendor}"\n   feature information (1/edx):\n      IA64 = false\n'
    assert [key for key, _ in cpuid_text.parse(as_lines(text))[0].partial] == [(1, 0)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (TWICE, 16, "CPU 0: leaf 0x00000001 subleaf 0x0 edx is told twice"),
        ("   feature information (1/edx):\n", None, "no line says anything in words"),
    ],
)
def test_cpuid_in_words_is_refused(text: str, line: int | None, message: str) -> None:
    assert message in refused_at(text.encode(), "cpuid", line)


def labels() -> list[tuple[int, int, str, int, int, str]]:
    """Return what has a label: its leaf, subleaf, registers, lowest bit, width, and the label."""
    return [
        (leaf, one.subleaf, f"{one.high}:{one.register}", one.bit, one.width, label)
        for leaf, label, one in cpuid_text.labelled_fields()
    ]


def test_the_labels_are_of_different_bits() -> None:
    """But for those that another vendor, or an older version, has another word for."""
    places: dict[object, list[str]] = {}
    for *place, label in labels():
        places.setdefault(tuple(place), []).append(label)
    several = [sorted(words) for words in places.values() if len(words) > 1]
    assert sorted(several) == [
        ["64-bit extensions technology available", "AA-64", "long mode (AA-64)"],
        ["CMOV: conditional move/compare instr", "conditional move/compare instruction"],
        ["FP conditional move instructions", "page attribute table"],
        ["FXSAVE/FXRSTOR", "extended MMX"],
        ["execution disable", "no-execute page protection"],
        ["family/generation", "generation"],
        ["stepping", "stepping id"],
    ]


MANUALS = sample("labels-by-the-manuals.txt")


def test_labels_by_the_manuals() -> None:
    found = {
        f"{leaf:#010x} {registers.removeprefix('None:')} {bit} {label}"
        for leaf, _, registers, bit, _, label in labels()
    }
    assert set(MANUALS.splitlines()) <= found


@given(st.sets(st.integers(0, len(labels()) - 1)))
def test_cpuid_in_words_round_trips(chosen: set[int]) -> None:
    # The same bit has two words at times: those are to agree.
    lines: list[str] = []
    expected: dict[tuple[int, int, str, int], bool] = {}
    for number, (leaf, label, one) in enumerate(cpuid_text.labelled_fields()):
        value = number in chosen
        place = leaf, one.subleaf, one.register, one.bit
        if one.width == 1 and expected.setdefault(place, value) == value:
            lines.append(f"   heading ({leaf:#x}):\n      {label} = {str(value).lower()}\n")
    [dump] = cpuid_text.parse(as_lines("".join(lines)))
    for (leaf, subleaf, register, bit), value in expected.items():
        values, known = bits(dump, leaf, subleaf, register)
        assert known >> bit & 1
        assert bool(values >> bit & 1) == value
