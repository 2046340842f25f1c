"""What is known of a CPU in part: cpuid's words, /proc/cpuinfo, CRIU's image."""

import json
import re
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import cpuid_text, cpuinfo
from simulator.dumps.criu import parse_fields, parse_varints
from simulator.dumps.model import ALL_BITS, EVERY_BIT, CpuDump, PartialAnswer
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import Registers
from simulator.sources.files import Lines
from support.dumps import is_parsed_or_refused, refusal, refused_at
from support.samples import sample

NAMES = Registers._fields


def bits(dump: CpuDump, leaf: int, subleaf: int, register: str) -> tuple[int, int]:
    """Return a register's bits, and which of them are known."""
    answer = dump.answers()[leaf, subleaf]
    return getattr(answer.values, register), getattr(answer.known, register)


# cpuid in words: cpuid 20230120 of Debian on a machine with an EPYC 7763, some of its lines

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
    [dump] = cpuid_text.parse(Lines(text.encode()))
    assert list(dict(dump.partial)) == [(1, 0)]


NOT_UNDERSTOOD = [
    "x87 FPU on chip = maybe", "x87 FPU on chip = 0x2 (2)", "a flag of tomorrow = true",
    "x87 FPU on chip",
]  # fmt: skip


@pytest.mark.parametrize("line", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_unknown(line: str) -> None:
    text = f"   feature information (1/edx):\n      {line}\n      IA64 = false\n"
    [dump] = cpuid_text.parse(Lines(text.encode()))
    assert bits(dump, 1, 0, "edx") == (0, 1 << 30)


@pytest.mark.parametrize("vendor", ["", "\\0" * 12, "\u00e9" * 12])
def test_a_vendor_that_is_no_name_is_unknown(vendor: str) -> None:
    text = f'   vendor_id = "{vendor}"\n   feature information (1/edx):\n      IA64 = false\n'
    assert [key for key, _ in cpuid_text.parse(Lines(text.encode()))[0].partial] == [(1, 0)]


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
    [dump] = cpuid_text.parse(Lines("".join(lines).encode()))
    for (leaf, subleaf, register, bit), value in expected.items():
        values, known = bits(dump, leaf, subleaf, register)
        assert known >> bit & 1
        assert bool(values >> bit & 1) == value


# /proc/cpuinfo

EPYC_CPUINFO = sample("epyc-9004.cpuinfo.txt")

XEON_CPUINFO = sample("xeon-e5345.cpuinfo.txt")


def test_cpuinfo() -> None:
    first, second = parse_dump(EPYC_CPUINFO.encode())
    assert (first.cpus, first.form, first.model_name) == ("0", "/proc/cpuinfo", "AMD EPYC")
    assert first.microcode == "0xa101148"
    assert first.table is not None
    assert first.table[0, 0] == Registers(28, 0x6874_7541, 0x444D_4163, 0x6974_6E65)
    assert bits(first, 1, 0, "eax") == (0x00A1_0F11, 0x0FFF_0FFF)
    assert bits(first, 1, 0, "ecx") == (1 << 26 | 1 << 19 | 1, 1 << 26 | 1 << 19 | 1)
    assert bits(first, 7, 0, "edx") == (1 << 4, 1 << 4)
    assert bits(first, 7, 1, "eax") == (1 << 5, 1 << 5)
    assert bits(first, 0xD, 1, "eax") == (1, 1)
    assert bits(first, 0x8000_0008, 0, "ebx") == (1, 1)
    assert (second.cpus, second.table, second.microcode) == ("1", None, None)


def test_an_old_cpuinfo() -> None:
    [dump] = parse_dump(XEON_CPUINFO.encode())
    assert (dump.cpus, dump.mode) == ("3", "64-bit")
    assert dump.model_name == "Intel(R) Xeon(R) CPU E5345 @ 2.33GHz"
    # The registers of the recorded E5345: hwloc, Intel-Core-2xXeon-E5345.tar.bz2.
    assert bits(dump, 1, 0, "eax") == (0x0000_06F7, 0x000F_0FFF)
    values, known = bits(dump, 1, 0, "edx")
    assert (values, known) == (0x3FEB_FBFF, 0x3FEB_FBFF)


def test_no_word_that_is_not_there_is_a_zero() -> None:
    for dump in parse_dump(EPYC_CPUINFO.encode()) + parse_dump(XEON_CPUINFO.encode()):
        for key, answer in dump.partial:
            if key not in {(0, 0), (1, 0)}:
                assert answer.values == answer.known
        signature = dict(dump.partial)[1, 0]
        assert signature.values[1:] == signature.known[1:]


#: Words of /proc/cpuinfo, old and new, and their places.
PLACES = {
    **dict.fromkeys(("cr8legacy", "altmovcr8", "cr8_legacy"), (0x8000_0001, "ecx", 4)),
    "ffxsr": (0x8000_0001, "edx", 25),
    "perfctr_l2": (0x8000_0001, "ecx", 28),
    "sse5": (0x8000_0001, "ecx", 11),
    "mwaitx": (0x8000_0001, "ecx", 29),
    "3dnow": (0x8000_0001, "edx", 31),
    "rdrand": (0x1, "ecx", 30),
    "pbe": (0x1, "edx", 31),
    "avx512vl": (0x7, "ebx", 31),
    "sgx_lc": (0x7, "ecx", 30),
    "arch_capabilities": (0x7, "edx", 29),
    "wbnoinvd": (0x8000_0008, "ebx", 9),
    "lrti": (0x8086_0001, "edx", 3),
    "pmm_en": (0xC000_0001, "edx", 13),
}


@pytest.mark.parametrize("flag", PLACES)
def test_words_of_old_and_new_kernels(flag: str) -> None:
    leaf, register, bit = PLACES[flag]
    [dump] = cpuinfo.parse(f"processor: 0\nflags: {flag}\n".encode())
    assert bits(dump, leaf, 0, register) == (1 << bit, 1 << bit)


@pytest.mark.parametrize(
    "flag", ["hypervisor", "arat", "constant_tsc", "ibpb", "ibrs", "stibp", "ssbd", "cppc", "nopl"]
)
def test_words_that_kernels_set_themselves_tell_nothing(flag: str) -> None:
    [dump] = cpuinfo.parse(f"processor: 0\nflags: fpu {flag}\n".encode())
    assert dict(dump.partial) == dict(cpuinfo.parse(b"processor: 0\nflags: fpu\n")[0].partial)


@pytest.mark.parametrize(
    ("family", "model", "stepping", "value", "known"),
    [
        (5, 4, 3, 0x543, 0xFFF),
        (6, 143, 8, 0x0008_06F8, 0x000F_0FFF),
        (15, 65, 2, 0x0004_0F12, 0x0FFF_0FFF),
        (25, 17, 1, 0x00A1_0F11, 0x0FFF_0FFF),
    ],
)
def test_signature(family: int, model: int, stepping: int, value: int, known: int) -> None:
    """The extended family counts from 15 on, the extended model from 6 on."""
    text = f"processor:0\nflags:\ncpu family:{family}\nmodel:{model}\nstepping:{stepping}\n"
    assert bits(cpuinfo.parse(text.encode())[0], 1, 0, "eax") == (value, known)


NOT_KNOWN = [
    "stepping: unknown", "vendor_id: unknown", "cpuid level: -1", "model name: unknown",
    "cpu family: 4\nmodel: 1\nstepping: unknown",
]  # fmt: skip


@pytest.mark.parametrize("line", NOT_KNOWN)
def test_what_cpuinfo_does_not_know_is_unknown(line: str) -> None:
    [dump] = cpuinfo.parse(f"processor: 0\nflags: fpu\n{line}".encode())
    assert (dump.table, dump.model_name) == (None, None)
    assert [key for key, _ in dump.partial] == [(1, 0)]
    assert bits(dump, 1, 0, "eax") == (0, 0)


def test_flags_that_are_none_tell_nothing() -> None:
    text = "processor: 0\nflags: \u00b5"
    assert "nothing is told of its registers" in refusal(text.encode()).message


@pytest.mark.parametrize("name", ["  Shanghai  ", "SiS SiS SiS ", "CentaurHauls"])
def test_spaces_around_a_vendor_are_its_name(name: str) -> None:
    [dump] = cpuinfo.parse(f"processor: 0\nvendor_id: {name}\ncpuid level: 7\n".encode())
    assert dump.table is not None
    assert dump.table.vendor == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("processor : 0\nFeatures : fp asimd\n", "cpuinfo: no line is 'vendor_id : ...'"),
        ("flags : fpu\n", "cpuinfo: no line is 'processor : 0'"),
        (EPYC_CPUINFO + "half a line", "no colon in b'half a line'"),
        (EPYC_CPUINFO.replace(": 25", ": x"), "processor 0: 'cpu family' is no number: 'x'"),
        (EPYC_CPUINFO.replace(": 25", ": 999"), "processor 0: no CPU is of family 999, model 17"),
        (EPYC_CPUINFO.replace(": 25", ": 5"), "processor 0: no CPU is of family 5, model 17"),
        (EPYC_CPUINFO.replace("stepping\t: 1", "stepping\t: 16"), "model 17, stepping 16"),
        (EPYC_CPUINFO.replace("processor\t: 1", "processor\t: one"), "processor one: 'processor'"),
        ("processor: 0\nvendor_id:\n", "CPU 0: nothing is told of its registers"),
    ],
)
def test_cpuinfo_is_refused(text: str, message: str) -> None:
    assert message in refusal(text.encode(), "cpuinfo").message


# CRIU: an image that criu 3.17.1 of Debian wrote on a virtual machine with an EPYC 7763

WORDS = [395049983, 802421759, 0, 34668544, 4294586883, 0, 4195315, 0, 0, 563873707, 15]
WORDS += [4195972, 0, 268435461, 4, 0, 0, 0, 16]
IMAGE = bytes.fromhex(
    "1943565413404061610000000a5f0802101918012001280230fff7afbc0130fff7cffe023000308080c41030"
    "83e4e8ff0f300030f38780023000300030ab8ff08c02300f30848d8002300030858080800130043000300030"
    "0030103a08414d442045505943400548c00650c006"
)
ENTRY: dict[str, object] = {
    "vendor_id": "AMD",
    "cpu_family": 25,
    "model": 1,
    "stepping": 1,
    "capability_ver": 2,
    "capability": WORDS,
    "model_id": "AMD EPYC",
    "xfeatures_mask": 5,
    "xsave_size": 832,
}


def as_json(*entries: object) -> bytes:
    return json.dumps({"magic": "CPUINFO", "entries": [{"x86_entry": list(entries)}]}).encode()


def entry(**changes: object) -> dict[str, object]:
    return {**ENTRY, **changes}


def words(**changes: int) -> list[int]:
    """Return the words with some changed: ``w9=0``."""
    return [changes.get(f"w{number}", word) for number, word in enumerate(WORDS)]


def test_criu() -> None:
    [dump] = parse_dump(IMAGE)
    assert (dump.cpus, dump.form, dump.model_name) == ("0", "CRIU cpuinfo image", "AMD EPYC")
    # The same machine's registers, by hwloc-gather-cpuid and cpuid -r.
    assert bits(dump, 1, 0, "eax") == (0x00A0_0F11, 0x0FFF_0FFF)
    assert bits(dump, 1, 0, "ecx") == (0xFFFA_3203, ALL_BITS)
    assert bits(dump, 1, 0, "edx") == (0x178B_FBFF, 0x7FFF_FFFF)
    assert bits(dump, 7, 0, "ebx") == (0x219C_07AB, ALL_BITS)
    assert bits(dump, 7, 0, "ecx") == (0x0040_0684, ALL_BITS)
    assert bits(dump, 7, 0, "edx") == (0x10, ALL_BITS)
    assert bits(dump, 0xD, 1, "eax") == (0xF, ALL_BITS)
    assert bits(dump, 0x8000_0001, 0, "ecx") == (0x0040_03F3, ALL_BITS)
    assert bits(dump, 0x8000_0001, 0, "edx") == (0x2FD3_FBFF, ALL_BITS)
    assert bits(dump, 0x8000_0008, 0, "ebx") == (0x1000_0005, ALL_BITS)
    assert bits(dump, 6, 0, "eax") == (4, ALL_BITS)
    # CRIU leaves out what it cannot restore, and has no place for the last leaf.
    assert bits(dump, 0xD, 0, "eax") == (5, 5)
    assert bits(dump, 0, 0, "eax") == (0, 0)
    assert bits(dump, 0, 0, "ebx") == (0x6874_7541, ALL_BITS)


def test_crits_json_says_the_same() -> None:
    indented = json.dumps(json.loads(as_json(ENTRY)), indent=4).encode()
    for data in (as_json(ENTRY), indented, as_json(entry(vendor_id=2))):
        assert parse_dump(data) == parse_dump(IMAGE)


@pytest.mark.parametrize("number", [11, 13, 14, 18, 9, 0, 6])
def test_a_word_of_zeros_may_be_one_that_was_not_filled_in(number: int) -> None:
    [dump] = parse_dump(as_json(entry(capability=words(**{f"w{number}": 0}))))
    [whole] = parse_dump(IMAGE)
    unknown = [
        (key, name)
        for key, answer in whole.answers().items()
        for name in NAMES
        if getattr(answer.known, name) and not bits_or_none(dump, key, name)
    ]
    assert len(unknown) == 1


def bits_or_none(dump: CpuDump, key: tuple[int, int], name: str) -> int:
    answer = dump.answers().get(key)
    return 0 if answer is None else getattr(answer.known, name)


def test_what_criu_clears_is_no_zero() -> None:
    """3DNow!'s old bit on AMD's CPUs, XSAVE without leaf 0xd, ERMS on Intel's family 15."""
    changed = words(w0=WORDS[0] & ~(1 << 31), w4=WORDS[4] & ~(1 << 26), w9=WORDS[9] & ~(1 << 9))
    [dump] = parse_dump(as_json(entry(capability=changed)))
    assert bits(dump, 1, 0, "edx")[1] == ALL_BITS & ~(1 << 31)
    assert bits(dump, 1, 0, "ecx")[1] == ALL_BITS & ~(1 << 26)
    assert bits(dump, 7, 0, "ebx")[1] == ALL_BITS & ~(1 << 9)


def test_the_first_version_has_other_words_from_10_on() -> None:
    [dump] = parse_dump(as_json(entry(capability_ver=1, capability=WORDS[:12])))
    assert bits(dump, 7, 0, "ebx") == (0x219C_07AB, ALL_BITS)
    assert bits(dump, 7, 0, "ecx") == (0, 0)
    assert (0xD, 1) not in dump.answers()


@pytest.mark.parametrize(
    ("vendor", "family", "name"),
    [
        ("INTEL", 6, b"GenuineIntel"),
        ("AMD", 23, b"AuthenticAMD"),
        ("AMD", 24, None),  # Which may be Hygon's.
        ("UNKNOWN", 6, None),
        (7, 6, None),
    ],
)
def test_vendor(vendor: object, family: int, name: bytes | None) -> None:
    [dump] = parse_dump(as_json(entry(vendor_id=vendor, cpu_family=family)))
    answer = dict(dump.partial).get((0, 0))
    told = answer and struct.pack("<3I", answer.values.ebx, answer.values.edx, answer.values.ecx)
    assert told == name


def test_several_cpus_of_an_image() -> None:
    assert [dump.cpus for dump in parse_dump(as_json(ENTRY, entry(model_id=None)))] == ["0", "1"]
    message = IMAGE[12:]
    twice = IMAGE[:8] + struct.pack("<I", 2 * len(message)) + message * 2
    assert [dump.cpus for dump in parse_dump(twice)] == ["0", "1"]
    assert [dump.cpus for dump in parse_dump(IMAGE + IMAGE[8:])] == ["0", "1"]


ENTRIES = IMAGE[:8] + b"\x02\0\0\0"
UNSOUND = {
    "cut": (IMAGE[:-1], "the entry at byte 8 is longer than the image"),
    "no entry": (IMAGE[:8], "no x86 CPU is in the image"),
    "ppc64": (ENTRIES + b"\x12\0", "no x86 CPU is in the image"),
    "number": (ENTRIES + b"\x08\x05", "an entry is a number"),
    "too long": (ENTRIES + b"\x0a\x05", "longer than the message"),
    "empty": (ENTRIES + b"\x0a\0", "vendor_id is no number"),
    "json without": (as_json(), "no x86 CPU is in the image"),
    "json": (b'{"magic": "CPUINFO"}', "there is no list of entries"),
    "entries": (b'{"magic": "CPUINFO", "entries": [5, {"x86_entry": 5}]}', "no x86 CPU"),
    "json cut": (b'{"magic": "CPUINFO"', "not JSON"),
    "no object": (as_json(5), "CPU 0: not an entry: 5"),
    "model_id": (as_json(entry(model_id=5)), "CPU 0: not an entry"),
    "capability": (as_json(entry(capability=5)), "CPU 0: not an entry"),
    "bool": (as_json(entry(capability=[True])), "capability is no number"),
    "large": (as_json(entry(capability=[1 << 64])), "capability is no number"),
    "vendor": (as_json(entry(vendor_id="VIA")), "vendor_id is no number"),
    "model": (as_json(entry(model=None)), "model is no number"),
    "stepping": (as_json(entry(stepping=77)), "no CPU is of family 25"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_criu_is_refused(name: str) -> None:
    data, message = UNSOUND[name]
    assert message in refusal(data, "criu").message


# Protocol buffers


def varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def write_fields(fields: Iterable[tuple[int, int | bytes]]) -> bytes:
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.integers(0, (1 << 64) - 1) | st.binary())))
def test_fields_round_trip(fields: list[tuple[int, int | bytes]]) -> None:
    assert list(parse_fields(write_fields(fields))) == fields


def test_fields_of_fixed_sizes() -> None:
    assert list(parse_fields(b"\x0d\x01\0\0\0\x11\x02\0\0\0\0\0\0\0")) == [(1, 1), (2, 2)]


def test_a_packed_field() -> None:
    assert list(parse_varints(b"\x05\xac\x02\0")) == [5, 300, 0]
    packed = write_fields(
        [(1, 2), (2, 25), (3, 1), (4, 1), (5, 2), (6, b"".join(map(varint, WORDS)))]
    )
    message = write_fields([(1, packed)])
    image = IMAGE[:8] + struct.pack("<I", len(message)) + message
    [dump] = parse_dump(image)
    assert bits(dump, 7, 0, "ebx") == (0x219C_07AB, ALL_BITS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80", "a number at byte 0 has no end"),
        (b"\xff" * 11, "a number at byte 0 has no end"),
        (b"\x08", "a number at byte 1 has no end"),
        (b"\x00\x00", "a field without a number"),
        (b"\x0b", "a field of unknown kind 3"),
        (b"\x0a\x02x", "longer than the message"),
        (b"\x0d\0\0", "longer than the message"),
    ],
)
def test_bad_fields(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        list(parse_fields(data))


@given(st.binary(max_size=100), st.integers(0, 110))
def test_a_damaged_image_is_parsed_or_refused(damage: bytes, where: int) -> None:
    damaged = IMAGE[:where] + damage + IMAGE[where + len(damage) :]
    assert is_parsed_or_refused(damaged, "criu")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(ENTRY)), inner),
    )
)
def test_any_entry_is_parsed_or_refused(fields: object) -> None:
    assert is_parsed_or_refused(as_json(fields), "criu")
