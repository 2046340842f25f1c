"""lscpu's text and JSON: the bits of the flags that it repeats."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.cpuinfo import clear_absent
from simulator.dumps.recognise import parse_dump
from simulator.facts.features import FEATURES
from support.dumps import bits, refusal

LSCPU = """\
Architecture:            x86_64
  CPU op-mode(s):        32-bit, 64-bit
Vendor ID:               GenuineIntel
  Model name:            Made-up  CPU
    CPU family:          6
    Model:               62
    Stepping:            4
    Flags:               fpu vme cx8 lm constant_tsc hypervisor avx
Vulnerabilities:
  Meltdown:              Mitigation; PTI
"""
#: The same, as newer versions nest it.
FIELDS = [
    {"field": "Architecture:", "data": "x86_64"},
    {"field": "CPU(s):", "data": None},
    {
        "field": "Vendor ID:",
        "data": "GenuineIntel",
        "children": [
            {
                "field": "Model name:",
                "data": "Made-up CPU",
                "children": [
                    {"field": "CPU family:", "data": "6"},
                    {"field": "Model:", "data": "62"},
                    {"field": "Stepping:", "data": "4"},
                    {"field": "Flags:", "data": "fpu vme cx8 lm constant_tsc hypervisor avx"},
                ],
            }
        ],
    },
]


@pytest.mark.parametrize("text", [LSCPU, json.dumps({"lscpu": FIELDS})])
def test_lscpu(text: str) -> None:
    [dump] = parse_dump(text.encode())
    assert (dump.cpus, dump.form, dump.model_name, dump.table) == (
        "0",
        "lscpu",
        "Made-up CPU",
        None,
    )
    assert bits(dump, 0, 0, "ebx") == (0x756E_6547, 0xFFFF_FFFF)
    assert bits(dump, 1, 0, "eax") == (0x0003_06E4, 0x000F_0FFF)
    assert bits(dump, 1, 0, "edx") == (0x103, 0x103)
    assert bits(dump, 1, 0, "ecx") == (1 << 28, 1 << 28)
    assert bits(dump, 0x8000_0001, 0, "edx") == (1 << 29, 1 << 29)
    assert set(dump.answers()) == {(0, 0), (1, 0), (0x8000_0001, 0)}


def test_labels_in_another_language_are_found_by_their_words() -> None:
    [dump] = parse_dump(b"Architektur: x86_64\nMarkierungen: fpu vme de pse tsc msr\n")
    assert bits(dump, 1, 0, "edx") == (0x3F, 0x3F)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LSCPU.replace("x86_64", "aarch64"),
            "lscpu: the CPU is of another architecture: 'aarch64'",
        ),
        ("CPUs: 8\n", "lscpu: no line is 'Vendor ID: ...'"),
        (LSCPU.replace("62", "sixty"), "processor 0: 'model' is no number: 'sixty'"),
        ("Vendor ID: no\n", "CPU 0: nothing is told of its registers"),
        ('{"lscpu": 5}', "CPU 0: nothing is told of its registers"),
        ('{"lscpu": [5, {"field": 5}, {"field": "Flags:"}]}', "nothing is told"),
        ('{"lscpu": [{"field": "Architecture:", "data": "ppc"}]}', "another architecture: 'ppc'"),
        ('{"lscpus": []}', 'lscpu: it does not begin with {"lscpu":'),
        ('{"lscpu": [}', "not JSON"),
    ],
)
def test_lscpu_is_refused(text: str, message: str) -> None:
    assert message in refusal(text.encode(), "lscpu").message


TOLD = [feature for feature in FEATURES if feature.is_told]


@given(st.lists(st.sampled_from(TOLD), min_size=1))
def test_the_flags_of_lscpu_are_the_bits(features: list[object]) -> None:
    words = " ".join(feature.name for feature in features)
    as_json = json.dumps({"lscpu": [{"field": "Flags:", "data": words}]})
    [dump], [same] = (
        parse_dump(text.encode()) for text in (f"Byte Order: Little\nFlags: {words}\n", as_json)
    )
    assert dump.answers() == same.answers()
    for feature in features:
        values, known = bits(dump, feature.leaf, feature.subleaf, feature.register)
        assert values == known
        assert values >> feature.bit & 1


def test_the_vendor_is_found_in_any_language() -> None:
    german = LSCPU.replace("Vendor ID:", "Anbieterkennung:").replace("Flags:", "Markierungen:")
    [dump] = parse_dump(german.encode())
    assert bits(dump, 0, 0, "ebx") == (0x756E_6547, 0xFFFF_FFFF)
    assert dump == parse_dump(LSCPU.encode())[0]


def test_flags_that_others_pick_out_are_not_all_that_there_are() -> None:
    """What inxi prints begins with AVX, and has a few of them."""
    [dump] = parse_dump(b"CPU: 12-Core Made-up\n Flags: avx avx2 lm nx pae sse sse2 vmx\n")
    assert dump.form == "lscpu, whose flags may be cut short"
    [dump] = parse_dump(LSCPU.partition("Vulnerabilities")[0].replace(" avx\n", " avx").encode())
    assert dump.form == "lscpu, whose flags may be cut short"
    assert not dump.answers()[1, 0].values.ecx


def test_a_word_that_lscpu_does_not_print_is_clear_where_the_kernel_knows_it() -> None:
    dump = clear_absent(parse_dump(LSCPU.encode())[0])
    assert bits(dump, 1, 0, "ecx")[1] >> 12 & 1
