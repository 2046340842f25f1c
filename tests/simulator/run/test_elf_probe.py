"""The program that executes CPUID: as this machine runs it, and by its headers."""

import errno
import os
import re
import subprocess
from pathlib import Path

import pytest

from simulator.facts.cpuid import Key, Registers
from simulator.run.elf_probe import ElfClass, build_probe, parse_answers, parse_elf_class
from support.needed import needs
from support.running import succeed, write_program
from vzcptcheck.instruction import execute_cpuid

#: Answers that are the same on every processor of a machine, some of one leaf's subleaves.
KEYS: list[Key] = [
    (0x0, 0),
    (0x8000_0000, 0),
    (0x8000_0002, 0),
    (0x8000_0003, 0),
    (0x8000_0004, 0),
    (0xD, 2),
    (0x7, 0),
]

#: The first bytes of files: ELF, 32 or 64 bits, little-endian, version; type; machine.
STARTS = {
    ElfClass.I386: b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x02\x00\x03\x00",
    ElfClass.X86_64: b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00",
}

both_classes = pytest.mark.parametrize("elf_class", ElfClass, ids=lambda one: one.name)


def execute(program: Path) -> bytes:
    """Execute a program here, where this machine does that."""
    try:
        ended = subprocess.run([str(program)], capture_output=True, check=True, timeout=60)
    except OSError as error:
        if error.errno in (errno.ENOEXEC, errno.EACCES):
            pytest.skip(f"this machine does not execute it: {error.strerror}")
        raise
    return ended.stdout


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="this machine is no x86-64")
@both_classes
def test_it_answers_as_the_instruction_does(elf_class: ElfClass, tmp_path: Path) -> None:
    program = write_program(tmp_path / "probe", build_probe(KEYS, elf_class))
    answers = parse_answers(KEYS, execute(program))
    assert answers == {key: Registers(*execute_cpuid(*key)) for key in KEYS}


@needs("readelf")
@both_classes
def test_other_programs_read_its_headers(elf_class: ElfClass, tmp_path: Path) -> None:
    program = tmp_path / "probe"
    program.write_bytes(build_probe(KEYS, elf_class))
    words = ["readelf", "--wide", "--file-header", "--segments", str(program)]
    read = re.findall(r"Type: +(\w+)|^ +LOAD .*? (R \S|RW) ", succeed(words), re.MULTILINE)
    assert read == [("EXEC", ""), ("", "R E"), ("", "RW")]


@both_classes
def test_the_class_of_programs_for_an_x86(elf_class: ElfClass) -> None:
    assert parse_elf_class(build_probe(KEYS, elf_class)) is elf_class
    assert parse_elf_class(STARTS[elf_class]) is elf_class


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="empty file"),
        pytest.param(b"#!/bin/sh\n# twenty bytes", id="script"),
        pytest.param(b"\x7fELF", id="cut off"),
        pytest.param(STARTS[ElfClass.X86_64][:18], id="cut off before the machine"),
        pytest.param(STARTS[ElfClass.X86_64][:18] + b"\xb7\x00", id="aarch64"),
        pytest.param(STARTS[ElfClass.I386][:18] + b"\x3e\x00", id="x32"),
        pytest.param(b"\x7fELF\x01\x02\x01" + bytes(9) + b"\x00\x02\x00\x14", id="powerpc"),
    ],
)
def test_other_files(start: bytes) -> None:
    assert parse_elf_class(start) is None


def test_registers_come_in_order() -> None:
    output = b"".join(number.to_bytes(4, "little") for number in range(1, 9))
    assert parse_answers([(0x7, 0), (0x7, 1)], output) == {
        (0x7, 0): Registers(1, 2, 3, 4),
        (0x7, 1): Registers(5, 6, 7, 8),
    }


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_an_output_that_is_cut_off_or_too_long(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are not the answers to 1 questions"):
        parse_answers([(0, 0)], bytes(size))
