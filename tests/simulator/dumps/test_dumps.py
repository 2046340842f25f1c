"""Register dumps: every form and its variants, what is inferred, and what is refused."""

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.lines import LEAVES_WITH_SUBLEAVES
from simulator.dumps.model import CpuDump, infer_mode, load_documents
from simulator.dumps.own_json import format_dumps
from simulator.dumps.recognise import parse_dump as parse_source
from simulator.facts.cpuid import ZEROS, CpuidTable, MissingLeafError, Registers, parse_rows
from simulator.facts.features import as_32bit, as_64bit
from support.dumps import Answers, numbers, refusal, registers
from support.samples import sample

Writer = Callable[[CpuidTable], str]

AIDA64 = "AIDA64 or InstLatx64"

W7_2475X = sample("w7-2475x.instlatx64.txt")

CELERON_G1610 = sample("celeron-g1610.aida64.txt")

ATHLON_II_X4 = sample("athlon-ii-x4-620.aida64.txt")

# libcpuid's tests, an AIDA64 report of an Athlon (K7), some of its lines.
ATHLON_K7 = """\
------[ Logical CPU #0 ]------
CPUID 00000000 00000001-68747541-444D4163-69746E65
CPUID 00000001 00000612-00000000-00000000-0081F9FF
"""

# InstLatx64, a VIA Nehemiah, some of its lines.
NEHEMIAH = """\
CPUID 00000000 : 00000001 746E6543 736C7561 48727561
CPUID 00000001 : 00000694 00000000 00000000 0380B13D
"""

EPYC_CPUID_R = sample("epyc-9004.cpuid-r.txt")

JSON_ROW = ["0x00000000", "0x0", "0x00000001", "0x746e6543", "0x736c7561", "0x48727561"]
SAMPLES = [W7_2475X, CELERON_G1610, ATHLON_II_X4, ATHLON_K7, NEHEMIAH, EPYC_CPUID_R]
SAMPLES += [json.dumps([{"id": "via", "cpuid": [JSON_ROW], "mode": "32-bit"}])]


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def parse_dump(text: str) -> list[CpuDump]:
    return parse_source(encoded(text))


def cpus_of(text: str) -> list[str]:
    return [dump.cpus for dump in parse_dump(text)]


def subleaves(table: CpuidTable, leaf: int) -> list[int]:
    return [key[1] for key in table if key[0] == leaf]


def unmarked(text: str) -> str:
    return "\n".join(line.partition(" [SL ")[0] for line in text.split("\n"))


# Samples of each form


def test_instlatx64() -> None:
    first, second = parse_dump(W7_2475X)
    assert (first.cpus, first.mode, first.form) == ("0", "32-bit", AIDA64)
    assert first.table[7, 2] == Registers(0, 0, 0, 0x17)
    assert first.table[0x8000_0006, 0].ecx == 0x0800_7040
    assert subleaves(first.table, 4) == [0, 1]
    assert subleaves(first.table, 0xD) == [*range(3), *range(5, 13), 14, 15, 17, 18]
    assert (second.cpus, second.mode, len(second.table)) == ("1", "unknown", 1)


def test_aida64_numbers_cpus_by_the_affinity_mask() -> None:
    first, second = parse_dump(CELERON_G1610)
    assert (first.cpus, second.cpus) == ("0", "1")
    assert first.mode == "32-bit"
    assert subleaves(first.table, 4) == [0, 1]
    assert first.table[4, 1].eax == 0x1C00_4122


@pytest.mark.parametrize(("mask", "cpus"), [("3", "0,1"), ("8000000000000000", "63"), ("0", "0")])
def test_affinity_mask(mask: str, cpus: str) -> None:
    assert cpus_of(f"CPU#000 AffMask: 0x{mask}\n{NEHEMIAH}") == [cpus]


@pytest.mark.parametrize(
    ("text", "cpus", "vendor"),
    [
        (ATHLON_II_X4, ["1", "2"], "AuthenticAMD"),
        (ATHLON_K7, ["0"], "AuthenticAMD"),
        (NEHEMIAH, ["0"], "CentaurHauls"),
    ],
    ids=["tabs", "a space for the colon", "spaces between registers"],
)
def test_aida64_variants(text: str, cpus: list[str], vendor: str) -> None:
    assert cpus_of(text) == cpus
    assert {dump.table.vendor for dump in parse_dump(text)} == {vendor}
    assert {dump.mode for dump in parse_dump(text)} == {"unknown"}


HEADINGS = [
    "------[ Logical CPU #7 ]------",
    "------[ CPUID Registers / Logical CPU #7 ]------",
    "------[ CPUID Registers / Logical CPU #7 / P-Core ]------",
    "CPUID Registers (CPU #7):",
    "CPUID Registers (CPU #7 Virtual):",
    "CPU#000 AffMask: 0x0000000000000080",
    "CPU #003 AffMask: 80",
]


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        *((f"{heading}\n{NEHEMIAH}", ["7"]) for heading in HEADINGS),
        # Leaf 0 again begins a CPU.
        (NEHEMIAH * 3, ["0", "1", "2"]),
        # Numbers that come twice are no names: each group of 64 processors has a mask of its own.
        (CELERON_G1610 * 2, ["0", "1", "2", "3"]),
        # One CPU has no number with cpuid -r.
        (EPYC_CPUID_R.replace("CPU 0:", "CPU:"), ["0", "1"]),
    ],
)
def test_headings(text: str, cpus: list[str]) -> None:
    assert cpus_of(text) == cpus


def test_a_text_of_another_system() -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        data = W7_2475X.replace("\n", "\r\n").encode(encoding)
        assert parse_source(data) == parse_dump(W7_2475X)
    big_endian = b"\xfe\xff" + NEHEMIAH.encode("utf-16-be")
    assert parse_source(big_endian) == parse_dump(NEHEMIAH)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The subleaf may stand after other remarks; a first line without mark is subleaf 0.
        ("[SL 01] [L1I: 32 KB]", "[L1I: 32 KB] [SL 01]"),
        (" [SL 00]", ""),
    ],
)
def test_where_the_subleaf_stands(old: str, new: str) -> None:
    assert old in W7_2475X
    assert parse_dump(W7_2475X.replace(old, new)) == parse_dump(W7_2475X)


def test_cpuid_r_before_it_showed_subleaves() -> None:
    old = (
        "CPU:\n   0x00000000: eax=0x0000000b ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69\n"
        "   0x00000004: eax=0x1c004121 ebx=0x01c0003f ecx=0x0000003f edx=0x00000000\n"
        "   0x00000004: eax=0x1c004122 ebx=0x01c0003f ecx=0x0000003f edx=0x00000000\n"
    )
    [dump] = parse_dump(old)
    assert subleaves(dump.table, 4) == [0, 1]
    assert dump.table[4, 1].eax == 0x1C00_4122


def test_cpuid_r() -> None:
    first, second = parse_dump(EPYC_CPUID_R)
    assert (first.cpus, second.cpus, first.form) == ("0", "1", "cpuid -r")
    assert first.table[0xD, 0xB] == Registers(0x10, 0, 1, 0)


@pytest.mark.parametrize(("begin", "newline"), [("\ufeff", "\n"), ("", "\r\n"), ("\n ", "\n")])
def test_marks_of_other_systems_do_no_harm(begin: str, newline: str) -> None:
    for text in SAMPLES:
        assert parse_dump(begin + text.replace("\n", newline)) == parse_dump(text)


def test_json_of_one_cpu() -> None:
    entry = {"cpuid": [JSON_ROW], "brand": "64-bit, so it says"}
    assert parse_dump(json.dumps(entry)) == [
        CpuDump("0", parse_rows([JSON_ROW]), "unknown", "JSON")
    ]


def test_json_mode_is_inferred_where_it_is_unknown() -> None:
    rows = parse_dump(W7_2475X)[0].table.rows()
    entries = [{"id": mode, "cpuid": rows, "mode": mode} for mode in ("unknown", "64-bit")]
    assert [dump.mode for dump in parse_dump(json.dumps(entries))] == ["32-bit", "64-bit"]


# Leaf 0xD without marks

STATE: Answers = {
    (0xD, 0): Registers(0b110_0111, 0x340, 0x340, 0),
    (0xD, 1): Registers(0xF, 0, 0b1_0000_0000, 0),
    (0xD, 2): Registers(0x100, 0x240, 0, 0),
    (0xD, 5): Registers(0x40, 0x340, 0, 0),
    (0xD, 6): Registers(0x200, 0x380, 0, 0),
    (0xD, 8): Registers(0x80, 0, 1, 0),
}
NONE_3_4: Answers = {(0xD, 3): ZEROS, (0xD, 4): ZEROS}


def aida64(answers: Answers) -> str:
    """Write answers, in order of subleaves and without marks, as AIDA64 does."""
    return "CPUID 00000000: 0000000D-00000000-00000000-00000000\n" + "".join(
        f"CPUID {leaf:08X}: {'-'.join(f'{value:08X}' for value in answers[leaf, subleaf])}\n"
        for leaf, subleaf in sorted(answers)
    )


def test_real_unmarked_state_components_are_told() -> None:
    assert parse_dump(unmarked(W7_2475X))[0] == parse_dump(W7_2475X)[0]


# InstLatx64, GenuineIntel00306A9_IvyBridgeWS_CPUID.txt and GenuineIntel00306E4_IvyBridgeEP: leaf
# 0xD as they list it, and an AMD CPU's with LWP (libcpuid's tests, A8-7680, and hwloc's of 6272).
AVX = Registers(0x100, 0x240, 0, 0)
LWP = Registers(0x80, 0x340, 0, 0)


#: What is listed of leaf 0xd, and which subleaves those are.
LISTED: dict[str, tuple[list[Registers], list[int]]] = {
    "e3-1230-v2": ([Registers(7, 0x240, 0x340, 0), AVX], [0, 2]),
    "e5-2697-v2": ([Registers(7, 0x340, 0x340, 0), AVX], [0, 2]),
    "components": ([Registers(7, 0x340, 0x3C0, 0x4000_0000), AVX, LWP], [0, 2, 62]),
    "every number": (
        [Registers(0x27, 0x340, 0x3C0, 0), AVX, ZEROS, ZEROS, Registers(0x40, 0x340, 0, 0)],
        [0, 2, 3, 4, 5],
    ),
    "cannot be told": (
        [Registers(0xE7, 0x340, 0x3C0, 0), AVX, Registers(0x40, 0x340, 0, 0)],
        [0, 2],
    ),
    "haswell": ([Registers(7, 0x340, 0x340, 0), Registers(1, 0, 0, 0), AVX], [0, 1, 2]),
}


@pytest.mark.parametrize("name", LISTED)
def test_avx_after_subleaf_0_is_no_subleaf_1(name: str) -> None:
    """Old versions leave subleaf 1 out: whether there is XSAVEOPT is unknown then."""
    answers, told = LISTED[name]
    rows = "".join(
        f"CPUID 0000000D: {'-'.join(f'{value:08X}' for value in answer)}\n" for answer in answers
    )
    [dump] = parse_dump("CPUID 00000000: 0000000D-756E6547-6C65746E-49656E69\n" + rows)
    assert subleaves(dump.table, 0xD) == told
    assert [dump.table[0xD, number] for number in told] == answers[: len(told)]
    if told[1] != 1:
        with pytest.raises(MissingLeafError, match="leaf 0x0000000d subleaf 0x1"):
            dump.table.answer(0xD, 1)
    assert dump.table.answer(0xD, 2) == AVX


SHOWN = {
    "first only": [0],
    "no component": [0, 1],
    "XCR0 and XSS": [0, 1, 2, 5, 6, 8],
    "XCR0 only": [0, 1, 2, 5, 6],
    "every number": [0, 1, 2, 3, 4, 5, 6],
    "cut off": [0, 1, 2],
    "cannot be told": [0, 1, 2, 5],
}


@pytest.mark.parametrize("name", SHOWN)
def test_unmarked_state_components(name: str) -> None:
    shown, every = SHOWN[name], STATE | NONE_3_4
    told = [0, 1] if name == "cannot be told" else shown
    [dump] = parse_dump(aida64({(0xD, subleaf): every[0xD, subleaf] for subleaf in shown}))
    assert subleaves(dump.table, 0xD) == told
    assert all(dump.table[0xD, subleaf] == every[0xD, subleaf] for subleaf in told)


# Refusals


SHORT = NEHEMIAH.replace("48727561", "4872756")
LATE = "\n" + NEHEMIAH.replace("00000000 :", "00000005 :")
TWO_ANSWERS = NEHEMIAH + "CPUID 00000001 : 00000000 00000000 00000000 00000000"
DIFFERENT = "CPU 0, which begins here: leaf 0x00000001 subleaf 0x0 has two different answers"
REFUSED: dict[str, tuple[str, int | None, str]] = {
    "empty": ("", None, "not a register dump in any form known here; tried\n"),
    "no form": ("flags : fpu vme\n", None, "not a register dump in any form"),
    "short": (SHORT, 1, "CPUID 00000000 : 00000001"),
    "no registers": (NEHEMIAH + "CPUID 00000002\n", 3, "'CPUID 00000002'"),
    "remark": (NEHEMIAH.replace("0380B13D", "0380B13D ?"), 2, "0380B13D ?"),
    "cpuid -r": (EPYC_CPUID_R.replace("0x0b:", "0x0b"), 4, "as cpuid -r writes"),
    "leaf 0": (LATE, 2, "no CPU is without"),
    "two answers": (TWO_ANSWERS, 1, DIFFERENT),
    "marks": (W7_2475X.replace(" [SL 01]", ""), 12, "only some lines of leaf 0x00000004"),
    "json empty": ("[]", None, "JSON, and of no form known here"),
    "json syntax": ('[{"cpuid"\n: ]', 2, "not JSON: Expecting value"),
    "json digits": ("[" + "1" * 5000 + "]", None, "not JSON of a register dump"),
    "json nested": ("[" * 99999, None, "not JSON of a register dump"),
    "json number": ('[5, {"cpuid": []}]', None, "CPU 0: not an object: 5"),
    "json no cpuid": ('{"cpuid": null}', None, "CPU 0: not a list of CPUID rows: None"),
    "json row": ('{"id": "via", "cpuid": [["0x0"]]}', None, "CPU via: CPUID row 0"),
    "json id": ('{"id": 5, "cpuid": []}', None, "CPU 0: the id is not a string: 5"),
    "json mode": ('{"mode": [], "cpuid": []}', None, "CPU 0: the mode is none of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, line, message = REFUSED[name]
    error = refusal(encoded(text))
    assert error.line == line
    assert message in error.message
    assert str(error) == (error.message if line is None else f"line {line}: {error.message}")


# The mode


def features(vendor: Sequence[int], answers: Answers) -> CpuidTable:
    ebx, edx, ecx = vendor
    return CpuidTable({(0, 0): Registers(1, ebx, ecx, edx), **answers}.items())


INTEL = (0x756E_6547, 0x4965_6E69, 0x6C65_746E)
AMD = (0x6874_7541, 0x6974_6E65, 0x444D_4163)
HAS_FEATURES: Answers = {(0x8000_0000, 0): Registers(0x8000_0001, 0, 0, 0)}


#: A vendor, what EDX of leaf 0x80000001 is, the mode that this tells, and what EDX is in 64-bit
#: mode and in 32-bit mode.
MODES = {
    "intel, 64-bit": (INTEL, 0x2C10_0800, "64-bit", 0x2C10_0800, 0x2C10_0000),
    "intel, 32-bit": (INTEL, 0x2C10_0000, "32-bit", 0x2C10_0800, 0x2C10_0000),
    "intel without long mode": (INTEL, 0x0010_0000, "unknown", 0x0010_0000, 0x0010_0000),
    "amd": (AMD, 0x2FD3_FBFF, "unknown", 0x2FD3_FBFF, 0x2FD3_FBFF),
    "amd without syscall": (AMD, 0x2FD3_F3FF, "unknown", 0x2FD3_F3FF, 0x2FD3_F3FF),
}


@pytest.mark.parametrize("name", MODES)
def test_mode_and_what_programs_of_each_see(name: str) -> None:
    vendor, edx, mode, in_64bit, in_32bit = MODES[name]
    key = (0x8000_0001, 0)
    table = features(vendor, {**HAS_FEATURES, key: Registers(1, 2, 3, edx)})
    assert infer_mode(table) == mode
    assert as_64bit(table) == table.replace({key: Registers(1, 2, 3, in_64bit)})
    assert as_32bit(table) == table.replace({key: Registers(1, 2, 3, in_32bit)})


def test_mode_of_a_cpu_that_was_not_asked() -> None:
    table = features(INTEL, HAS_FEATURES)
    assert infer_mode(table) == "unknown"
    with pytest.raises(MissingLeafError, match="leaf 0x80000001"):
        as_64bit(table)


def test_mode_of_a_cpu_without_extended_leaves() -> None:
    table = features(INTEL, {(0x8000_0000, 0): ZEROS})
    assert infer_mode(table) == "unknown"
    assert as_64bit(table) == table


def test_another_leafs_answer_tells_no_mode() -> None:
    """Intel's CPUs answer the last basic leaf where there is none, whatever its bits mean."""
    foreign = {
        (0x8000_0000, 0): Registers(4, 0, 0, 0),
        (0x8000_0001, 0): Registers(*[0x2000_0800] * 4),
    }
    table = features(INTEL, foreign)
    assert infer_mode(table) == "unknown"
    written = format_dumps([CpuDump("0", table, "unknown", AIDA64)])
    assert [dump.mode for dump in parse_source(written.encode())] == ["unknown"]


# Properties


def table_of(answers: Answers, first: Registers) -> CpuidTable:
    kept = {key: value for key, value in answers.items() if key[0] != 0}
    return CpuidTable({**kept, (0, 0): first}.items())


tables = st.builds(
    table_of, st.dictionaries(st.tuples(numbers, st.integers(0, 0x40)), registers), registers
)


def repeated(answers: dict[int, list[Registers]]) -> Answers:
    return {
        (leaf, subleaf): value
        for leaf, values in answers.items()
        for subleaf, value in enumerate(values if leaf in LEAVES_WITH_SUBLEAVES else values[:1])
    }


#: Tables whose subleaves can be told without marks; leaf 0xD has tests of its own.
plain_tables = st.builds(
    table_of,
    st.dictionaries(
        st.sampled_from(sorted(LEAVES_WITH_SUBLEAVES - {0xD})) | st.integers(0x100, 0xFFFF),
        st.lists(registers, min_size=1, max_size=4),
    ).map(repeated),
    registers,
)

separators = st.sampled_from([": ", " : ", " ", "  \t", ":\t"])
dashes = st.sampled_from(["-", " ", "  "])
remarks = st.sampled_from(["", " [GenuineIntel]", "\t[]", " [L2: 2048 KB] / L3: 0 KB]", "  "])
headings = st.sampled_from(
    [
        "------[ Logical CPU #{number} ]------",
        "------[ CPUID Registers / Logical CPU #{number} ]------\n\nallcpu: Package 0: Valid\n",
        "CPUID Registers (CPU #{number}):",
        "CPU#000 AffMask: 0x{mask:016X}",
    ]
)
letters = st.sampled_from([str.upper, str.lower])


@st.composite
def aida64_writers(draw: st.DrawFn, *, marked: bool) -> Writer:
    """Draw one way to write a CPU as AIDA64 and InstLatx64 do."""
    separator, dash, remark = draw(separators), draw(dashes), draw(remarks)
    case = draw(letters)

    def write(table: CpuidTable) -> str:
        lines = []
        for (leaf, subleaf), answer in table.items():
            mark = f" [SL {subleaf:02X}]" if marked else ""
            figures = dash.join(case(f"{value:08x}") for value in answer)
            lines.append(f"CPUID {case(f'{leaf:08x}')}{separator}{figures}{mark}{remark}\n")
        return "".join(lines)

    return write


def write_cpuid_r(table: CpuidTable) -> str:
    return "".join(
        f"   {leaf:#010x} {subleaf:#04x}:"
        + "".join(
            f" {name}={value:#010x}" for name, value in zip(Registers._fields, answer, strict=True)
        )
        + "\n"
        for (leaf, subleaf), answer in table.items()
    )


def headed(heading: str, parts: list[str]) -> str:
    return "".join(
        f"{heading.format(number=number, mask=1 << number)}\n{part}\n"
        for number, part in enumerate(parts)
    )


def expected(cpus: list[CpuidTable], form: str) -> list[CpuDump]:
    return [
        CpuDump(str(number), table, infer_mode(table), form) for number, table in enumerate(cpus)
    ]


@given(st.lists(tables, min_size=1, max_size=3), aida64_writers(marked=True), headings)
def test_aida64_with_marks_round_trips(cpus: list[CpuidTable], write: Writer, heading: str) -> None:
    text = headed(heading, [write(table) for table in cpus])
    assert parse_dump(text) == expected(cpus, AIDA64)


@given(st.lists(plain_tables, min_size=1, max_size=3), aida64_writers(marked=False))
def test_aida64_without_marks_round_trips(cpus: list[CpuidTable], write: Writer) -> None:
    assert parse_dump("".join(map(write, cpus))) == expected(cpus, AIDA64)


@given(st.lists(tables, min_size=1, max_size=3))
def test_cpuid_r_round_trips(cpus: list[CpuidTable]) -> None:
    text = headed("CPU {number}:", [write_cpuid_r(table) for table in cpus])
    assert parse_dump(text) == expected(cpus, "cpuid -r")


@given(
    st.lists(
        st.tuples(st.text(), tables, st.sampled_from(["32-bit", "64-bit"])).map(
            lambda told: CpuDump(*told, "JSON")
        ),
        min_size=1,
        max_size=3,
    )
)
def test_json_round_trips(dumps: list[CpuDump]) -> None:
    entries = [{"id": dump.cpus, "cpuid": dump.table.rows(), "mode": dump.mode} for dump in dumps]
    assert parse_dump(json.dumps(entries)) == dumps


def test_a_document_within_another_is_no_document_of_its_own() -> None:
    assert list(load_documents('{"a":\n{"b": 1}}\n{"c": 2}\n')) == [{"a": {"b": 1}}, {"c": 2}]
