"""A program of a few dozen bytes that executes CPUID and nothing else: no compiler, no libc.

It is for emulators, which run only whole programs, and what it writes is what they answer.
Sources: System V ABI, generic and its supplements for i386 and AMD64 (the file); Intel 64 and
IA-32 Architectures Software Developer's Manual, volume 2 (the instructions); the kernel's
unistd_32.h and unistd_64.h (write and exit).
"""

import struct
from collections.abc import Sequence
from enum import Enum

from simulator.facts.cpuid import Key, Registers

ELF_MAGIC = b"\x7fELF"

_CLASS = 4
_BYTE_ORDER = 5
_LITTLE_ENDIAN = 1
_MACHINE = slice(18, 20)

_BASE = 0x0040_0000
_PAGE = 0x1000
_LOAD = 1
_EXECUTE, _WRITE, _READ = 1, 2, 4

#: What a leaf and a subleaf take, and then the four registers in their place.
_SLOT = struct.Struct("<4I")


class ElfClass(Enum):
    """A kind of x86 programs: EI_CLASS (1: 32 bits, 2: 64) and e_machine."""

    I386 = (1, 3)
    X86_64 = (2, 62)


def parse_elf_class(start: bytes) -> ElfClass | None:
    """Tell from a file's first 20 bytes or more which programs it is of; None where of no x86's.

    x32, which is 32 bits of an x86-64, is none of them.
    """
    if not start.startswith(ELF_MAGIC) or start[_BYTE_ORDER : _BYTE_ORDER + 1] != b"\x01":
        return None
    found = (start[_CLASS], int.from_bytes(start[_MACHINE], "little"))
    return next((one for one in ElfClass if one.value == found), None)


def build_probe(keys: Sequence[Key], elf_class: ElfClass) -> bytes:
    """Make a static program that writes what CPUID answers to these, in their order, and exits.

    It writes 16 bytes for each key to standard output: EAX, EBX, ECX, EDX, as
    ``parse_answers`` takes them. The table of keys lies behind the code and is overwritten.
    """
    code_end = _headers_size(elf_class) + len(_code(elf_class, 0, 0))
    code = _code(elf_class, _BASE + _PAGE + code_end, len(keys))
    slots = b"".join(_SLOT.pack(leaf, subleaf, 0, 0) for leaf, subleaf in keys)
    return _headers(elf_class, code_end, len(slots)) + code + slots


def parse_answers(keys: Sequence[Key], output: bytes) -> dict[Key, Registers]:
    """Parse what the program wrote; ValueError where that is not one answer for each key."""
    if len(output) != len(keys) * _SLOT.size:
        raise ValueError(f"{len(output)} bytes are not the answers to {len(keys)} questions")
    answers = (Registers(*slot) for slot in _SLOT.iter_unpack(output))
    return dict(zip(keys, answers, strict=True))


#: The file's header, and that of a segment.
_FILE = {
    ElfClass.I386: struct.Struct("<4s3B9xHHIIIIIHHHHHH"),
    ElfClass.X86_64: struct.Struct("<4s3B9xHHIQQQIHHHHHH"),
}
_SEGMENT = {ElfClass.I386: struct.Struct("<8I"), ElfClass.X86_64: struct.Struct("<2I6Q")}


def _headers_size(elf_class: ElfClass) -> int:
    return _FILE[elf_class].size + 2 * _SEGMENT[elf_class].size


def _headers(elf_class: ElfClass, code_end: int, table_size: int) -> bytes:
    bits, machine = elf_class.value
    file = _FILE[elf_class].pack(
        *(ELF_MAGIC, bits, _LITTLE_ENDIAN, 1),
        # ET_EXEC: it is at its addresses and nowhere else.
        *(2, machine, 1, _BASE + _headers_size(elf_class)),
        *(_FILE[elf_class].size, 0, 0),
        *(_FILE[elf_class].size, _SEGMENT[elf_class].size, 2, 0, 0, 0),
    )
    code = _segment(elf_class, _READ | _EXECUTE, 0, _BASE, code_end)
    table_address = _BASE + _PAGE + code_end
    table = _segment(elf_class, _READ | _WRITE, code_end, table_address, table_size)
    return file + code + table


def _segment(elf_class: ElfClass, flags: int, offset: int, address: int, size: int) -> bytes:
    """Write the header of a segment that lies in memory as it does in the file."""
    place = (offset, address, address, size, size)
    if elf_class is ElfClass.I386:
        return _SEGMENT[elf_class].pack(_LOAD, *place, flags, _PAGE)
    return _SEGMENT[elf_class].pack(_LOAD, flags, *place, _PAGE)


def _code(elf_class: ElfClass, table: int, count: int) -> bytes:
    """Write the code; its loop is spelled such that both kinds of programs read it alike."""
    loop = (
        b"\xbf%b"  #       mov   edi, table
        b"\xbe%b"  #       mov   esi, count
        b"\x8b\x07"  #     mov   eax, [edi]      the leaf; rdi, where there are 64 bits
        b"\x8b\x4f\x04"  # mov   ecx, [edi+4]    the subleaf
        b"\x0f\xa2"  #     cpuid
        b"\xab"  #         stosd
        b"\x93"  #         xchg  eax, ebx
        b"\xab"  #         stosd
        b"\x91"  #         xchg  eax, ecx
        b"\xab"  #         stosd
        b"\x92"  #         xchg  eax, edx
        b"\xab"  #         stosd
        b"\xff\xce"  #     dec   esi
        b"\x75\xee"  #     jnz   the leaf
    )
    return loop % (_word(table), _word(count)) + _ENDS[elf_class] % (
        _word(table),
        _word(count * _SLOT.size),
    )


_ENDS = {
    ElfClass.I386: (
        b"\xb8\x04\0\0\0"  # mov   eax, 4      write
        b"\xbb\x01\0\0\0"  # mov   ebx, 1      standard output
        b"\xb9%b"  #         mov   ecx, table
        b"\xba%b"  #         mov   edx, size
        b"\xcd\x80"  #       int   0x80
        b"\xb8\x01\0\0\0"  # mov   eax, 1      exit
        b"\x31\xdb"  #       xor   ebx, ebx
        b"\xcd\x80"  #       int   0x80
    ),
    ElfClass.X86_64: (
        b"\xb8\x01\0\0\0"  # mov   eax, 1      write
        b"\xbf\x01\0\0\0"  # mov   edi, 1      standard output
        b"\xbe%b"  #         mov   esi, table
        b"\xba%b"  #         mov   edx, size
        b"\x0f\x05"  #       syscall
        b"\xb8\x3c\0\0\0"  # mov   eax, 60     exit
        b"\x31\xff"  #       xor   edi, edi
        b"\x0f\x05"  #       syscall
    ),
}


def _word(number: int) -> bytes:
    return number.to_bytes(4, "little")
