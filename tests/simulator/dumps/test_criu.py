"""CRIU's image, here as criu 3.17.1 of Debian wrote it on a machine with an EPYC 7763."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.model import CpuDump
from simulator.dumps.own_json import format_dumps
from simulator.dumps.recognise import parse_dump
from simulator.dumps.summary import group
from simulator.facts.cpu_image import CpuImage
from simulator.facts.cpuid import ALL_BITS, Registers
from support.criu_images import cpuinfo, image, message, real_checkpoint, varint
from support.dumps import bits, is_parsed_or_refused, refusal

NAMES = Registers._fields

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
    "xsave_size_max": 832,
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
        ("AMD", 24, b"HygonGenuine"),
        ("UNKNOWN", 6, None),
        (7, 6, None),
    ],
)
def test_vendor(vendor: object, family: int, name: bytes | None) -> None:
    [dump] = parse_dump(as_json(entry(vendor_id=vendor, cpu_family=family)))
    answer = dict(dump.partial).get((0, 0))
    told = answer and struct.pack("<3I", answer.values.ebx, answer.values.edx, answer.values.ecx)
    assert told == name


# The image as CRIU takes it


def test_the_image_is_kept_as_it_is() -> None:
    [dump] = parse_dump(IMAGE)
    assert dump.image == CpuImage("AMD", tuple(WORDS), 5, 832, 832)
    assert bits(dump, 0xD, 0, "ebx") == (832, ALL_BITS)
    assert bits(dump, 0xD, 0, "ecx") == (832, ALL_BITS)
    [real] = parse_dump(real_checkpoint()["cpuinfo.img"])
    assert real.image is not None
    assert (real.image.xfeatures_mask, real.image.xsave_size, real.image.xsave_size_max) == (
        *(0xE5, 2432),
        2432,
    )
    assert len(real.image.words) == 19


def test_what_an_older_criu_does_not_write_is_none() -> None:
    without = {name: value for name, value in ENTRY.items() if not name.startswith("x")}
    [dump] = parse_dump(as_json({**without, "capability_ver": 1, "capability": WORDS[:12]}))
    assert dump.image == CpuImage("AMD", tuple(WORDS[:12]), None, None, None)
    [none] = parse_dump(as_json(without))
    assert none.image == CpuImage("AMD", tuple(WORDS), None, None, None)
    assert bits_or_none(none, (0xD, 0), "ebx") == 0


def test_sizes_without_xsave_are_no_registers() -> None:
    [dump] = parse_dump(as_json(entry(xfeatures_mask=0, xsave_size=0, xsave_size_max=0)))
    assert dump.image == CpuImage("AMD", tuple(WORDS), 0, 0, 0)
    assert bits_or_none(dump, (0xD, 0), "ebx") == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"capability_ver": 3},
        {"capability": WORDS[:18]},
        {"capability_ver": 1},
        {"vendor_id": "UNKNOWN"},
        {"vendor_id": 7},
    ],
)
def test_what_criu_does_not_take_is_no_image(changes: dict[str, object]) -> None:
    [dump] = parse_dump(as_json(entry(**changes)))
    assert dump.image is None


def test_criu_takes_an_image_of_one_cpu_alone() -> None:
    assert [dump.image for dump in parse_dump(as_json(ENTRY, ENTRY))] == [None, None]


@pytest.mark.parametrize("vendor", [1, 2])
def test_an_image_of_a_vendor_that_criu_does_not_know_tells_nothing(vendor: int) -> None:
    """So CRIU 4.1.1 wrote that of a Zhaoxin KH-40000, as of a CPU of Intel's."""
    [dump] = parse_dump(cpuinfo(vendor, (0, 0, 0), [0] * 19, (8, 0), (9, 0), (10, 0)))
    assert dump.image == CpuImage("", (0,) * 19, 0, 0, 0)
    assert (dump.table, dump.partial) == (None, ())


def test_what_is_imported_keeps_the_image() -> None:
    images = (IMAGE, as_json(entry(xsave_size=None)), cpuinfo(2, (0, 0, 0), [0] * 19))
    for data in images:
        dumps = parse_dump(data)
        assert parse_dump(format_dumps(dumps).encode()) == dumps


STORED = {"vendor": "AMD", "words": ["0x1"] * 19}


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (5, "not what CRIU stores of a CPU: 5"),
        ({**STORED, "vendor": "VIA"}, "not what CRIU stores of a CPU"),
        ({**STORED, "words": 5}, "CRIU stores 19 words, or 12"),
        ({**STORED, "words": ["0x1"] * 13}, "CRIU stores 19 words, or 12"),
        ({**STORED, "words": [5] * 19}, "not a number as CRIU stores them: 5"),
        ({**STORED, "words": ["0x123456789"] * 12}, "not a number as CRIU stores them"),
        ({**STORED, "xsave_size": 832}, "not a number as CRIU stores them: 832"),
    ],
)
def test_an_image_in_our_own_form_is_refused(stored: object, problem: str) -> None:
    said = refusal(json.dumps([{"criu": stored}]).encode(), "json").message
    assert f"json: CPU 0: {problem}" in said


def test_kinds_of_cpus_differ_in_what_criu_stored() -> None:
    [one], [other] = parse_dump(IMAGE), parse_dump(as_json(entry(xsave_size=2432)))
    assert len(group([one, one])) == 1
    assert len(group([one, other])) == 2


def test_several_cpus_of_an_image() -> None:
    assert [dump.cpus for dump in parse_dump(as_json(ENTRY, entry(model_id=None)))] == ["0", "1"]
    message = IMAGE[12:]
    twice = IMAGE[:8] + struct.pack("<I", 2 * len(message)) + message * 2
    assert [dump.cpus for dump in parse_dump(twice)] == ["0", "1"]
    assert [dump.cpus for dump in parse_dump(IMAGE + IMAGE[8:])] == ["0", "1"]


def test_a_packed_field() -> None:
    packed = message((1, 2), (2, 25), (3, 1), (4, 1), (5, 2), (6, b"".join(map(varint, WORDS))))
    [dump] = parse_dump(image("cpuinfo.img", message((1, packed))))
    assert bits(dump, 7, 0, "ebx") == (0x219C_07AB, ALL_BITS)


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
