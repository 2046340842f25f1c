"""What libvirt says of a host's CPU: old and new, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import libvirt
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import ZEROS, CpuidTable, MissingLeafError, Registers
from support.dumps import Answers, dumped, numbers, refused_at, registers
from support.samples import sample

CORE_I7_2600 = sample("core-i7-2600.libvirt.xml")


def test_libvirt() -> None:
    [dump] = parse_dump(CORE_I7_2600.encode())
    assert (dump.cpus, dump.mode, dump.form) == ("0", "64-bit", "libvirt")
    assert dump.table[0xD, 1].eax == 1
    assert dump.table.family == 6


def test_another_leafs_answer_is_no_feature() -> None:
    """Leaf 0xd of this Intel CPU, its last, comes for Transmeta's and Centaur's first leaves."""
    [dump] = parse_dump(CORE_I7_2600.encode())
    assert dump.table[0xC000_0000, 0].eax == 7
    for leaf in (0xC000_0000, 0xC000_0001, 0x8086_0000, 0x8086_0001):
        assert dump.table.answer(leaf, 0) == ZEROS
    assert not {0xC000_0000, 0x8086_0000} & {leaf for leaf, _ in dump.table.without_foreign()}


def test_old_libvirt_says_function_and_no_subleaf() -> None:
    old = CORE_I7_2600.replace("eax_in", "function").replace(" ecx_in='0x00'", "")
    old = old.replace(" ecx_in='0x01'", "").replace(" arch='x86'", "")
    [dump] = parse_dump(old.encode())
    assert dump.table[0xD, 0].eax == 1
    with pytest.raises(MissingLeafError):
        dump.table[0xD, 1]


def test_an_encoding_that_is_declared_is_that_of_the_file() -> None:
    text = f"<?xml version='1.0' encoding='UTF-16'?>\n{CORE_I7_2600}"
    assert parse_dump(text.encode("utf-16"))[0] == parse_dump(CORE_I7_2600.encode())[0]


#: A megabyte of nothing for each &b;, if it were believed.
LAUGHS = "<!DOCTYPE cpudata [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;'>]>\n"
ROW = "<cpuid eax_in='0' ecx_in='0' eax='0x1' ebx='0x756e6547' ecx='0x6c65746e' edx='0x49656e69'/>"


DOCTYPE = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>\n<cpudata>"
WITHOUT_LEAF = "<cpudata>\n" + ROW.replace("eax_in='0' ", "")
WITHOUT_EDX = "<cpudata>\n" + ROW.replace(" edx='0x49656e69'", "")
LARGE = "<cpudata>" + ROW.replace("0x1", "0x100000000")
TWO_ANSWERS = f"<cpudata>{ROW}{ROW.replace('0x1', '0x2')}</cpudata>"
REFUSED: dict[str, tuple[str, int | None, str]] = {
    "entities": (LAUGHS + CORE_I7_2600, 1, "a document type is declared"),
    "doctype": (DOCTYPE, 1, "a document type"),
    "entity": ("<cpudata>\n&b;", 2, "not XML: undefined entity"),
    "cut": ("<cpudata>\n", 2, "not XML: no element found"),
    "empty": ("<cpudata/>", None, "leaf 0x00000000 is not there"),
    "root": ("\n<cpu><cpudata/></cpu>", 2, "<cpu> stands where <cpudata>"),
    "arch": ("<cpudata arch='ppc64'/>", 1, "another architecture: 'ppc64'"),
    "leaf": (WITHOUT_LEAF, 2, "<cpuid> without eax_in"),
    "register": (WITHOUT_EDX, 2, "without edx"),
    "33 bits": (LARGE, 1, "eax is no number of 32"),
    "sign": ("<cpudata>" + ROW.replace("0x1", "-1"), 1, "eax is no number"),
    "two answers": (TWO_ANSWERS, None, "leaf 0x00000000 subleaf 0x0 has two different answers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_libvirt_is_refused(name: str) -> None:
    text, line, message = REFUSED[name]
    assert message in refused_at(text.encode(), "libvirt", line)


def test_what_is_inside_of_an_answer_is_none() -> None:
    nested = f"<cpudata>{ROW}<cpuset>{ROW.replace('0x1', '0x2')}</cpuset></cpudata>"
    assert libvirt.parse(nested) == libvirt.parse(f"<cpudata>{ROW}</cpudata>")


@given(st.dictionaries(st.tuples(numbers, numbers), registers))
def test_libvirt_round_trips(answers: Answers) -> None:
    table = CpuidTable({(0, 0): Registers(1, 2, 3, 4), **answers}.items())
    rows = "".join(
        f"<cpuid eax_in='{leaf:#010x}' ecx_in='{subleaf:#04x}' "
        + " ".join(
            f"{name}='{value:#010x}'" for name, value in zip(Registers._fields, answer, strict=True)
        )
        + "/>\n"
        for (leaf, subleaf), answer in table.items()
    )
    text = f"<cpudata arch='x86'>\n{rows}</cpudata>\n"
    assert parse_dump(text.encode()) == [dumped(0, table, "libvirt")]
