"""CPUs that are known in part: the model, its JSON, what is unknown, processors of one kind."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import own_json
from simulator.dumps.model import (
    MODES,
    CpuDump,
    DumpError,
    KnownBits,
    PartialAnswer,
    describe_unknown,
    infer_mode,
    make_dump,
    table_of,
)
from simulator.dumps.recognise import parse_dump
from simulator.dumps.summary import differences, group, summarize_unknown, unknown_answers
from simulator.facts.cpuid import ALL_BITS, EVERY_BIT, CpuidTable, Registers
from support.dumps import numbers, registers
from support.programs import validator

Answers = dict[tuple[int, int], PartialAnswer]

INTEL = Registers(0xD, 0x756E_6547, 0x6C65_746E, 0x4965_6E69)
ZEROS = Registers(0, 0, 0, 0)
NO_BIT = ZEROS


def whole(*figures: int) -> PartialAnswer:
    return PartialAnswer(Registers(*figures), EVERY_BIT)


def in_part(register: str, value: int, known: int) -> PartialAnswer:
    return PartialAnswer(ZEROS._replace(**{register: value}), NO_BIT._replace(**{register: known}))


def dump(answers: Answers, **traits: Any) -> CpuDump:
    return make_dump("0", answers, "form", **traits)


# Bits


def test_bits_are_gathered() -> None:
    known = KnownBits()
    known.add((7, 0), "ebx", 0b1111, 0b0110)
    known.add((7, 0), "ebx", 0b0011, 0b1011)
    known.add((1, 0), "ecx", 5)
    assert known.answers() == {
        (1, 0): in_part("ecx", 5, ALL_BITS),
        (7, 0): in_part("ebx", 0b0111, 0b1111),
    }


def test_bits_that_contradict_are_refused() -> None:
    known = KnownBits()
    known.add((7, 1), "eax", 0b10, 0b11)
    with pytest.raises(ValueError, match="leaf 0x00000007 subleaf 0x1 eax is told twice"):
        known.add((7, 1), "eax", 0b00, 0b10)


def test_what_is_known_whole_goes_to_the_table() -> None:
    made = dump({(0, 0): whole(*INTEL), (1, 0): in_part("eax", 1, 1), (7, 0): whole(1, 2, 3, 4)})
    assert made.table == CpuidTable([((0, 0), INTEL), ((7, 0), Registers(1, 2, 3, 4))])
    assert made.partial == (((1, 0), in_part("eax", 1, 1)),)


def test_without_leaf_0_there_is_no_table() -> None:
    answers = {
        (0, 0): in_part("ebx", 1, 1),
        (7, 0): whole(1, 2, 3, 4),
        (9, 0): in_part("eax", 0, 0),
    }
    made = dump(answers)
    assert made.table is None
    assert [key for key, _ in made.partial] == [(0, 0), (7, 0)]
    assert made.answers() == {key: answers[key] for key in [(0, 0), (7, 0)]}


def test_a_cpu_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(DumpError, match="CPU 0: nothing is told of its registers"):
        dump({(1, 0): PartialAnswer(ZEROS, NO_BIT)})


@pytest.mark.parametrize(
    ("vendor", "known", "value", "mode"),
    [
        (INTEL, 1 << 29 | 1 << 11, 1 << 29 | 1 << 11, "64-bit"),
        (INTEL, 1 << 29 | 1 << 11, 1 << 29, "32-bit"),
        (INTEL, 1 << 29 | 1 << 11, 0, "unknown"),
        (INTEL, 1 << 29, 1 << 29, "unknown"),
        (INTEL, 1 << 11, 1 << 11, "unknown"),
        (INTEL._replace(ebx=1), ALL_BITS, ALL_BITS, "unknown"),
    ],
)
def test_mode_by_the_bits_that_tell(vendor: Registers, known: int, value: int, mode: str) -> None:
    answers = {(0, 0): whole(*vendor), (0x8000_0001, 0): in_part("edx", value, known)}
    assert dump(answers).mode == mode
    assert dump(answers, mode="32-bit").mode == "32-bit"


def test_unknown_bits_are_described() -> None:
    answer = PartialAnswer(ZEROS, Registers(ALL_BITS, 0, 0xFFFF_00FE, ALL_BITS))
    assert describe_unknown((0xD, 1), answer) == "0x0000000d subleaf 0x1 ebx, ecx bits 0,8-15"
    assert describe_unknown((0xD, 0), answer._replace(known=EVERY_BIT)) == ""


# Composing


def test_a_cpu_that_is_known_whole_is_its_table() -> None:
    made = dump({(0, 0): whole(*INTEL)})
    assert table_of(made) is made.table


def test_a_cpu_that_is_known_in_part_has_each_answer_as_far_as_it_is() -> None:
    part = in_part("edx", 0, 0x7FFF_FFFE)
    table = table_of(dump({(0, 0): whole(*INTEL), (1, 0): part, (9, 1): whole(1, 1, 1, 1)}))
    assert dict(table.items()) == {(0, 0): INTEL, (9, 1): (1, 1, 1, 1)}
    assert dict(table.partial) == {(1, 0): part}
    vendor = PartialAnswer(INTEL._replace(eax=0), Registers(0, ALL_BITS, ALL_BITS, ALL_BITS))
    assert table_of(dump({(0, 0): vendor, (1, 0): part})).vendor == "GenuineIntel"


def test_the_vendor_has_to_be_told() -> None:
    for answers in ({(0, 0): in_part("ebx", 0, ALL_BITS)}, {(1, 0): whole(1, 1, 1, 1)}):
        with pytest.raises(DumpError, match="form does not tell the vendor of CPU 0, which kernel"):
            table_of(dump(answers))


# What is unknown

LEAVES: Answers = {
    (0, 0): whole(*INTEL),
    (1, 0): whole(0, 0, 0, 0),
    (7, 0): whole(0, 0, 0, 0),
    (0xD, 0): whole(0xE7, 0, 0, 0),
    (0x8000_0000, 0): whole(0x8000_0001, 0, 0, 0),
    (0x8000_0001, 0): whole(0, 0, 0, 0),
}


def test_unknown_are_leaves_that_are_looked_at_and_not_those_that_the_cpu_lacks() -> None:
    made = dump(LEAVES)
    expected = [f"0x0000000d subleaf {number:#x}" for number in (1, 5, 6, 7)]
    assert unknown_answers(made) == expected
    assert summarize_unknown([made]) == ", ".join(expected)


def test_unknown_bits_stand_beside_unknown_leaves() -> None:
    answers = LEAVES | {(0xD, 0): whole(7, 0, 0, 0), (0xD, 1): in_part("eax", 1, 1)}
    other = dump(LEAVES | {(0xD, 0): whole(7, 0, 0, 0), (0xD, 1): whole(1, 0, 0, 0)})
    made = dump(answers)
    assert unknown_answers(made) == ["0x0000000d subleaf 0x1 eax bits 1-31, ebx, ecx, edx"]
    assert summarize_unknown([other, made]) == "bits of 0x0000000d subleaf 0x1"
    assert summarize_unknown([other]) == "nothing that is looked at"


def test_without_a_table_all_is_unknown_that_is_not_said() -> None:
    made = dump({(7, 0): whole(0, 0, 0, 0)})
    assert unknown_answers(made)[:3] == ["0x00000000", "0x00000001", "0x00000007 subleaf 0x1"]
    assert "0x00000007" not in unknown_answers(made)


# The project's JSON


SCHEMA = validator("dump")

PARTIAL_ROW = ["0x7", "0x1", "0x5/0x7", None, "0x1", "0x00000000/0x80000000"]


def test_json_of_a_cpu_that_is_known_in_part() -> None:
    entry = {
        "processors": "0-3,8",
        "form": "/proc/cpuinfo",
        "model_name": "VIA",
        "microcode": "0x1",
        "cpuid": CpuidTable([((0, 0), INTEL)]).rows(),
        "partial": [PARTIAL_ROW],
    }
    [made] = parse_dump(json.dumps(entry).encode())
    assert (made.cpus, made.form) == ("0-3,8", "/proc/cpuinfo")
    assert (made.model_name, made.microcode) == ("VIA", "0x1")
    assert made.partial == (
        ((7, 1), PartialAnswer(Registers(5, 0, 1, 0), Registers(7, 0, ALL_BITS, 1 << 31))),
    )


def test_what_is_written() -> None:
    made = dump({(0, 0): whole(*INTEL), (7, 1): in_part("ecx", 5, 7)}, microcode="0x1")
    text = own_json.format_dumps([made])
    assert text.startswith(
        '[\n  {\n    "processors": "0",\n    "form": "form",\n    "mode": "unknown",\n'
        '    "microcode": "0x1",\n    "cpuid": [\n'
        '      ["0x00000000", "0x0", "0x0000000d", "0x756e6547", "0x6c65746e", "0x49656e69"]\n'
        '    ],\n    "partial": [\n'
        '      ["0x00000007", "0x1", null, null, "0x00000005/0x00000007", null]\n'
        '    ],\n    "unknown": [\n      "0x00000001",\n'
    )
    SCHEMA.validate(json.loads(text))


def test_where_nothing_is_unknown_the_list_is_empty() -> None:
    made = dump(LEAVES | {(0xD, 0): whole(7, 0, 0, 0), (0xD, 1): whole(1, 0, 0, 0)})
    assert own_json.format_dumps([made]).endswith('    "unknown": []\n  }\n]\n')


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"partial": 5}, "CPU 0: not a list of partial rows: 5"),
        ({"partial": [5]}, "CPU 0: partial row 0: not a leaf, a subleaf and four registers"),
        ({"partial": [PARTIAL_ROW, PARTIAL_ROW[:5]]}, "partial row 1: not a leaf"),
        ({"partial": [["0x7/0x7", *PARTIAL_ROW[1:]]]}, "partial row 0: not a leaf"),
        ({"partial": [[None, *PARTIAL_ROW[1:]]]}, "partial row 0: not a leaf"),
        ({"partial": [[*PARTIAL_ROW[:5], "7"]]}, "partial row 0: not a leaf"),
        ({"partial": [[*PARTIAL_ROW[:5], 7]]}, "partial row 0: not a leaf"),
        ({"partial": [[*PARTIAL_ROW[:5], "0x1/"]]}, "partial row 0: not a leaf"),
        (
            {"partial": [PARTIAL_ROW, PARTIAL_ROW]},
            "leaf 0x00000007 subleaf 0x1 has two answers, one of them in part",
        ),
        (
            {"cpuid": [["0x0"] * 6], "partial": [["0x0", "0x0", "0x1", None, None, None]]},
            "leaf 0x00000000 has two answers",
        ),
        ({"partial": []}, "CPU 0: not a list of CPUID rows: None"),
        ({"partial": [["0x7", "0x1", None, None, None, None]]}, "nothing is told"),
        ({"cpuid": [["0x0"] * 6], "form": 5}, "CPU 0: the form is not a string: 5"),
        ({"cpuid": [], "processors": 5}, "CPU 0: the processors is not a string: 5"),
        ({"cpuid": [], "id": "a", "microcode": []}, "CPU a: the microcode is not a string: []"),
        ({"cpuid": [], "model_name": {}}, "CPU 0: the model_name is not a string"),
    ],
)
def test_json_is_refused(entry: object, message: str) -> None:
    with pytest.raises(DumpError) as caught:
        parse_dump(json.dumps(entry).encode(), "json")
    assert message in caught.value.message


masks = st.just(EVERY_BIT) | st.builds(
    Registers, *[st.sampled_from([0, ALL_BITS, 1, 0xFF00]) for _ in range(4)]
)
partial_answers = st.builds(
    lambda values, known: PartialAnswer(
        Registers(*(value & mask for value, mask in zip(values, known, strict=True))), known
    ),
    registers,
    masks.filter(any),
)
dumps = st.builds(
    make_dump,
    st.text(),
    st.dictionaries(st.tuples(numbers, numbers) | st.just((0, 0)), partial_answers, min_size=1),
    st.text(min_size=1),
    mode=st.sampled_from(MODES),
    model_name=st.none() | st.text(min_size=1),
    microcode=st.none() | st.text(min_size=1),
)


@given(st.lists(dumps, min_size=1, max_size=3))
def test_what_is_written_is_read_back(cpus: list[CpuDump]) -> None:
    text = own_json.format_dumps(cpus)
    assert own_json.parse(text) == cpus
    SCHEMA.validate(json.loads(text))


# Processors of one kind


def processor(number: int, answers: dict[tuple[int, int], Registers], **traits: Any) -> CpuDump:
    table = CpuidTable({(0, 0): INTEL, **answers}.items())
    return CpuDump(str(number), table, infer_mode(table), "form", **traits)


#: What is the processor's own: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E; Todd
#: Allen's cpuid for VIA's leaves.
OWN = [
    (0x1, 0, "ebx", 0xFF00_0000),
    (0x3, 0, "edx", ALL_BITS),
    (0x6, 0, "edx", 0xFFFF_0000),
    (0xB, 1, "edx", ALL_BITS),
    (0x1F, 2, "edx", ALL_BITS),
    (0x4000_0004, 0, "ebx", ALL_BITS),
    (0x4000_0104, 0, "ebx", ALL_BITS),
    (0x8000_001E, 0, "eax", ALL_BITS),
    (0x8000_001E, 0, "ebx", 0xFF),
    (0x8000_001E, 0, "ecx", 0xFF),
    (0x8000_001F, 0, "edx", ALL_BITS),
    (0x8000_0026, 3, "edx", ALL_BITS),
    (0xC000_0002, 0, "eax", ALL_BITS),
    (0xC000_0004, 0, "eax", ALL_BITS),
    (0xC000_0004, 0, "ebx", ALL_BITS),
]


@pytest.mark.parametrize(("leaf", "subleaf", "register", "mask"), OWN)
def test_processors_of_one_kind(leaf: int, subleaf: int, register: str, mask: int) -> None:
    cpus = [
        processor(number, {(leaf, subleaf): ZEROS._replace(**{register: value})})
        for number, value in enumerate([0, mask, 0])
    ]
    assert group(cpus) == [cpus[0]._replace(cpus="0-2")]
    assert list(differences(*cpus[:2])) == []


@pytest.mark.parametrize(
    ("leaf", "register", "value"),
    [
        (0x1, "ebx", 1 << 23),
        (0x6, "edx", 1 << 15),
        (0x8000_001E, "ebx", 1 << 8),
        (0x8000_001F, "ecx", 1),
        (0xB, "ebx", 1),
        (0x1A, "eax", 1),
        (0xC000_0001, "edx", 1),
    ],
)
def test_kinds(leaf: int, register: str, value: int) -> None:
    one = processor(0, {(leaf, 0): ZEROS})
    other = processor(1, {(leaf, 0): ZEROS._replace(**{register: value})})
    third = processor(8, {(leaf, 0): ZEROS})
    assert [kind.cpus for kind in group([one, other, third])] == ["0,8", "1"]
    assert list(differences(one, other)) == [f"{leaf:#010x} {register}"]


def test_a_leaf_that_one_lacks_makes_two_kinds() -> None:
    one, other = processor(0, {(7, 0): ZEROS}), processor(1, {})
    assert len(group([one, other])) == 2
    assert list(differences(one, other)) == ["0x00000007 eax, ebx, ecx, edx"]


@pytest.mark.parametrize(
    "traits",
    [{"microcode": "0x1"}, {"model_name": "x"}, {"partial": (((7, 0), in_part("eax", 0, 1)),)}],
)
def test_what_is_said_beside_the_registers_tells_kinds_apart(traits: dict[str, Any]) -> None:
    assert len(group([processor(0, {}), processor(1, {}, **traits)])) == 2


def test_machines_that_have_names_stay_apart() -> None:
    rows = CpuidTable([((0, 0), INTEL)]).rows()
    names = ["a", "b", "3-1", "0-", "", "1-99999", "\u0663", "123456"]
    entries = [{"id": name, "cpuid": rows} for name in names]
    cpus = parse_dump(json.dumps(entries).encode())
    assert [kind.cpus for kind in group(cpus)] == names


def test_lists_of_processors_are_joined() -> None:
    rows = CpuidTable([((0, 0), INTEL)]).rows()
    entries = [{"processors": name, "cpuid": rows} for name in ("0-3,8", "9-10", "4")]
    assert [kind.cpus for kind in group(parse_dump(json.dumps(entries).encode()))] == ["0-4,8-10"]
