"""Firecracker's templates, which leave bits to the host, and fingerprints, which are whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import Registers
from support.dumps import Answers, bits, numbers, refusal, registers


def modifier(leaf: str, subleaf: str, **bitmaps: str) -> dict[str, object]:
    bits_of = [{"register": name, "bitmap": f"0b{bitmap}"} for name, bitmap in bitmaps.items()]
    return {"leaf": leaf, "subleaf": subleaf, "flags": 1, "modifiers": bits_of}


TEMPLATE = {
    "cpuid_modifiers": [
        modifier("0x7", "0x0", ebx="x" * 16 + "0" * 15 + "1"),
        modifier("1", "0b0", ecx="1" + "x" * 31, edx="x" * 32),
    ],
    "msr_modifiers": [{"addr": "0x10a", "bitmap": "0b" + "x" * 64}],
}


def config(*leaves: object) -> str:
    return json.dumps({"cpuid_modifiers": leaves})


def test_a_template_leaves_bits_to_the_host() -> None:
    [dump] = parse_dump(json.dumps(TEMPLATE).encode())
    assert (dump.form, dump.table, dump.microcode) == ("Firecracker", None, None)
    assert bits(dump, 7, 0, "ebx") == (1, 0xFFFF)
    assert bits(dump, 1, 0, "ecx") == (1 << 31, 1 << 31)
    assert bits(dump, 1, 0, "edx") == (0, 0)


@given(st.dictionaries(st.tuples(numbers, numbers), registers))
def test_a_fingerprint_is_whole(answers: Answers) -> None:
    answers[0, 0] = Registers(1, 2, 3, 4)
    leaves = [
        modifier(
            f"{leaf:#x}",
            f"{subleaf:#x}",
            **{name: f"{value:032b}" for name, value in answer._asdict().items()},
        )
        for (leaf, subleaf), answer in answers.items()
    ]
    fingerprint = {"microcode_version": "0x1", "guest_cpu_config": {"cpuid_modifiers": leaves}}
    [dump] = parse_dump(json.dumps(fingerprint).encode())
    assert dump.table is not None
    assert dict(dump.table.items()) == answers
    assert (dump.partial, dump.microcode) == ((), "0x1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"msr_modifiers": []}', 'firecracker: it has no "cpuid_modifiers"'),
        ('{"cpuid_modifiers": 5}', "there is no list of cpuid_modifiers"),
        ('{"guest_cpu_config": 5, "cpuid_modifiers": []}', "there is no list of cpuid_modifiers"),
        ('[{"cpuid_modifiers": 5}]', "there is no list of cpuid_modifiers"),
        (config(), "nothing is told of its registers"),
        (config(5), "not a leaf or subleaf: None"),
        (config({"leaf": "0x1ffffffff", "subleaf": "0x0"}), "not a leaf or subleaf: '0x1ffffffff'"),
        (config({"leaf": "0x1", "subleaf": "0x0"}), "32 bits of 0, 1 or x: None"),
        (config(modifier("0x1", "0x0", eax="01")), "not a register with 32 bits of 0, 1 or x"),
        (config(modifier("0x1", "0x0", rax="0" * 32)), "not a register with 32 bits"),
        (
            config(modifier("1", "0", eax="0" * 32), modifier("1", "0", eax="1" * 32)),
            "eax is told twice",
        ),
    ],
)
def test_firecracker_is_refused(text: str, message: str) -> None:
    assert message in str(refusal(text.encode(), "firecracker"))
