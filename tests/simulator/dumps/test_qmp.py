"""QEMU's answers: feature words, which are whole, and models, which tell of bits that are set."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import REGISTERS
from support.dumps import bits, numbers, refusal

ALL = 0xFFFF_FFFF

PROPS = {
    "avx": True,
    "sse4.1": True,
    "sse4-2": True,
    "pclmulqdq": True,
    "lahf_lm": True,
    "avx2": False,
    "x2apic": True,
    "kvm": True,
    "hypervisor": True,
    "rtm": True,
    "vendor": "GenuineIntel",
    "family": 6,
    "model": 62,
    "stepping": 4,
    "level": 13,
    "model-id": "Made-up  CPU",
}
EXPANDED = json.dumps({"return": {"model": {"name": "base", "props": PROPS}}})
WORDS = [
    {"cpuid-register": "EDX", "cpuid-input-eax": 1, "features": 0x178B_FBFF},
    {"cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 0, "features": 0x281},
]
SESSION = f"""\
{{"QMP": {{"version": {{}}, "capabilities": []}}}}
{{"return": {{}}}}
(QEMU) {EXPANDED}
<- {json.dumps({"return": WORDS})}
"""


def test_an_expanded_model() -> None:
    [dump] = parse_dump(EXPANDED.encode())
    assert (dump.form, dump.model_name, dump.table) == ("QMP", "Made-up CPU", None)
    assert bits(dump, 1, 0, "ecx") == (0x1018_0002, 0x1018_0002)
    assert bits(dump, 1, 0, "eax") == (0x0003_06E4, 0x000F_0FFF)
    assert bits(dump, 0, 0, "eax") == (0, 0)
    assert bits(dump, 0x8000_0001, 0, "ecx") == (1, 1)
    assert (7, 0) not in dump.answers()


def test_feature_words() -> None:
    [dump] = parse_dump(json.dumps(WORDS).encode())
    assert bits(dump, 1, 0, "edx") == (0x178B_FBFF, ALL)
    assert bits(dump, 1, 0, "ecx") == (0, 0)
    assert bits(dump, 7, 0, "ebx") == (0x281, ALL)


def test_a_session_has_several_answers() -> None:
    model, words = parse_dump(SESSION.encode())
    assert model.answers() == parse_dump(EXPANDED.encode())[0].answers()
    assert words.answers() == parse_dump(json.dumps(WORDS).encode())[0].answers()


def test_a_model_without_a_name_has_none() -> None:
    for name in " ", 5:
        [dump] = parse_dump(json.dumps({"props": {"avx": True, "model-id": name}}).encode())
        assert dump.model_name is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"properties": {}}', 'qmp: no answer has "props" or "cpuid-register"'),
        ('[{"cpuid-register": 5}, 5]', "no answer is an expanded model or a list of feature words"),
        ('{"return": 5, "props": 5}', "no answer is an expanded model"),
        ('{"return": {"model": 5}, "props": 5}', "no answer is an expanded model"),
        ('[{"cpuid-register": 5}]', "answer 0: not a feature word: {'cpuid-register': 5}"),
        (json.dumps([WORDS[0] | {"features": True}]), "answer 0: not a feature word"),
        (json.dumps([WORDS[0] | {"features": 1 << 32}]), "answer 0: not a feature word"),
        (json.dumps([WORDS[0] | {"features": 2}]), "these are no feature-words"),
        (json.dumps([WORDS[1], WORDS[1] | {"features": 1}]), "ebx is told twice"),
        (EXPANDED.replace("62", "333"), "no CPU is of family 6, model 333"),
        ('{"props": {}}', "nothing is told of its registers"),
        ('{"props": }', "not JSON"),
        ('{"props": ' + "1" * 5000 + "}", "not JSON of a register dump"),
    ],
)
def test_qmp_is_refused(text: str, message: str) -> None:
    assert message in str(refusal(text.encode(), "qmp"))


words = st.tuples(numbers, numbers, st.sampled_from(REGISTERS))


@given(st.dictionaries(words, numbers, min_size=1))
def test_feature_words_are_registers(registers: dict[tuple[int, int, str], int]) -> None:
    registers = {key: value | 1 for key, value in registers.items()}
    answer = [
        {
            "cpuid-register": name.upper(),
            "cpuid-input-eax": leaf,
            "cpuid-input-ecx": subleaf,
            "features": value,
        }
        for (leaf, subleaf, name), value in registers.items()
    ]
    [dump] = parse_dump(json.dumps({"return": answer}).encode())
    for (leaf, subleaf, name), value in registers.items():
        assert bits(dump, leaf, subleaf, name) == (value, ALL)
