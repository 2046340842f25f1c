"""Which form a dump is of, and what is said of what is none."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.dumps.recognise import FORMS, KEYS, parse_dump
from support.dumps import is_parsed_or_refused, refusal
from support.samples import sample

NEHEMIAH = "CPUID 00000000 : 00000001 746E6543 736C7561 48727561\n"
ROW = ["0x00000000", "0x0", "0x00000001", "0x746e6543", "0x736c7561", "0x48727561"]

#: The same CPU in every form that has a leaf 0.
SAMPLES = {
    "aida64": NEHEMIAH,
    "cpuid-r": "   0x00000000 0x00: eax=0x00000001 ebx=0x746e6543 ecx=0x736c7561 edx=0x48727561\n",
    "libcpuid": "basic_cpuid[0]=00000001 746e6543 736c7561 48727561\n",
    "hwloc": "1 0 0 0 0 => 1 746e6543 736c7561 48727561\n",
    "libvirt": "<cpudata><cpuid eax_in='0' eax='1' ebx='0x746e6543' ecx='0x736c7561' "
    "edx='0x48727561'/></cpudata>",
    "cpuinfo": "processor\t: 0\nvendor_id\t: CentaurHauls\ncpuid level\t: 1\n",
    "rjcp": '<cpuid><register eax="0">1,746e6543,736c7561,48727561</register></cpuid>',
    "firecracker": json.dumps(
        {
            "cpuid_modifiers": [
                {
                    "leaf": "0x0",
                    "subleaf": "0x0",
                    "modifiers": [
                        {"register": name, "bitmap": f"0b{value:032b}"}
                        for name, value in (
                            ("eax", 1),
                            ("ebx", 0x746E_6543),
                            ("ecx", 0x736C_7561),
                            ("edx", 0x4872_7561),
                        )
                    ],
                }
            ]
        }
    ),
    "json": json.dumps([{"cpuid": [ROW]}]),
}
#: Forms that do not tell of a leaf 0 that is whole, as these samples have it.
IN_PART = {
    "cpuid": "   feature information (1/edx):\n      x87 FPU on chip = true\n",
    "criu": '{"magic": "CPUINFO", "entries": [{"x86_entry": [{"vendor_id": "INTEL", "model": 45, '
    '"cpu_family": 6, "stepping": 7, "capability_ver": 2, "capability": [1]}]}]}',
    "lscpu": "Vendor ID: GenuineIntel\nFlags: fpu\n",
    "qmp": '{"return": {"model": {"props": {"fpu": true}}}}',
    "xen": "hw_caps : 00000001:00000000:20000000:00000000\n",
    "freebsd": "Features=0x1<FPU>\n",
}
#: Real ones, in part.
REAL = (
    *("w7-2475x.instlatx64", "celeron-g1610.aida64", "athlon-ii-x4-620.aida64"),
    *("epyc-9004.cpuid-r", "a8-7680.libcpuid", "epyc-7763.cpuid", "epyc-9004.cpuinfo"),
)


def test_the_forms_have_names() -> None:
    assert set(KEYS) == {*SAMPLES, *IN_PART}
    assert {form.key for form in FORMS} == set(KEYS)


@pytest.mark.parametrize("key", SAMPLES)
def test_each_form_is_recognised_and_can_be_named(key: str) -> None:
    data = SAMPLES[key].encode()
    [dump] = parse_dump(data)
    assert dump.table is not None
    assert dump.table.rows() == [ROW]
    assert parse_dump(data, key) == [dump]


@pytest.mark.parametrize("key", IN_PART)
def test_each_form_that_tells_a_part_is_recognised(key: str) -> None:
    data = IN_PART[key].encode()
    [dump] = parse_dump(data)
    assert dump.partial
    assert parse_dump(data, key) == [dump]


@pytest.mark.parametrize("key", SAMPLES)
def test_what_is_of_another_form_is_refused_with_what_was_tried(key: str) -> None:
    other = "aida64" if key == "json" else "json"
    error = refusal(SAMPLES[key].encode(), other)
    assert error.message.startswith("not a register dump in any form known here; tried\n  ")
    assert error.message.count("\n") == 1
    assert f"\n  {other}: " in error.message


def test_an_unknown_form_lists_all_that_were_tried_and_why() -> None:
    error = refusal(b"no dump\n")
    first, *tried = error.message.split("\n")
    assert first == "not a register dump in any form known here; tried"
    assert {line.partition(":")[0].strip() for line in tried} == set(KEYS)
    assert "  aida64: no line begins like 'CPUID 00000001'" in tried
    assert error.line is None


def test_of_an_unsound_dump_the_nearest_form_complains_first() -> None:
    error = refusal(NEHEMIAH.encode() + b"CPUID 00000001 : 00000694 0000000\n")
    first, *tried = str(error).split("\n")
    assert first.startswith("line 2: aida64: not an answer as AIDA64 or InstLatx64 writes them")
    assert tried[0] == "  tried too"
    assert len(tried) == len(FORMS)


def test_a_dump_that_is_unsound_of_one_form_may_be_sound_of_another() -> None:
    assert parse_dump(SAMPLES["cpuid-r"].encode() + b"CPUID 00000000 is leaf 0\n")


def test_two_forms_may_complain() -> None:
    error = refusal(b"CPUID 00000000 is leaf 0\nbasic_cpuid[0]=1\n")
    assert error.line == 1
    assert "\n  libcpuid: line 2: not an answer" in error.message


def test_named_alone_a_form_complains_alone() -> None:
    error = refusal(b"CPUID 00000000 is leaf 0\n", "aida64")
    assert "tried" not in error.message


@pytest.mark.parametrize(
    ("source", "reason"), [({"pu": b""}, "it is a folder"), (b"BZh9", "it is an archive")]
)
def test_what_is_no_file_of_text_is_of_hwloc_or_of_none(source: bytes, reason: str) -> None:
    error = refusal(source)
    assert f"\n  aida64: {reason}" in error.message


@given(st.binary() | st.text('[]{}:,"0x1 \n-CPUIDE#axbcd=', min_size=1).map(str.encode))
@example(b"[" * 900 + b"]" * 900)
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    assert is_parsed_or_refused(data)


WHOLE = [text.encode() * 3 for text in (SAMPLES | IN_PART).values()]
WHOLE += [sample(f"{name}.txt").encode() for name in REAL]


@given(st.sampled_from(WHOLE), st.binary(max_size=20), st.data())
def test_any_damage_is_parsed_or_refused(whole: bytes, damage: bytes, data: st.DataObject) -> None:
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    assert is_parsed_or_refused(whole[:begin] + damage + whole[end:])


#: What forms are made of.
PIECES = [
    "CPUID 00000000", ": ", "0000000D-756E6547-6C65746E-49656E69", "[SL 01]", "\n", "CPU 0:",
    "   0x00000000 0x00: eax=0x1 ebx=0x2 ecx=0x3 edx=0x4", "   feature information (1/edx):",
    "      x87 FPU on chip = true", '   vendor_id = "GenuineIntel"', "basic_cpuid[0]=",
    "intel_fn4[0]=", "1 2 3 4", "1 0 0 0 0 => 1 2 3 4", "<cpudata>",
    "<cpuid eax_in='0' eax='1' ebx='2' ecx='3' edx='4'/>", "</cpudata>", "processor : 0",
    "vendor_id : GenuineIntel", "cpu family : 6", "model : 15", "stepping : 1", "flags : fpu",
    '{"magic": "CPUINFO", "entries": ', '[{"x86_entry": [', '{"vendor_id": 1}', "]}]}",
    '[{"cpuid": ', '"partial": ', json.dumps([ROW]), "----------",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)))
def test_any_mixture_of_forms_is_parsed_or_refused(pieces: list[str]) -> None:
    assert is_parsed_or_refused("".join(pieces).encode())
    assert is_parsed_or_refused("\n".join(pieces).encode())
