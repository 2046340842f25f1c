"""What FreeBSD prints of a CPU: registers, and those of its bits that it may have cleared."""

import pytest
from hypothesis import given

from simulator.dumps.recognise import parse_dump
from support.dumps import bits, numbers, refusal

DMESG = """\
FreeBSD 10.1-RELEASE #0 r274401: Tue Nov 11 21:02:49 UTC 2014
CPU: Made-up CPU (2600.04-MHz K8-class CPU)
  Origin = "GenuineIntel"  Id = 0x306e4  Family = 0x6  Model = 0x3e  Stepping = 4
  Features=0xafebfbff<FPU,VME,DE,PSE,TSC,MSR,
  PAE,MCE>
  Features2=0x7fbee3f7<SSE3,PCLMULQDQ,DTES64,DS_CPL,VMX,SMX>
  AMD Features=0x2c100800<SYSCALL,NX,Page1GB,RDTSCP,LM>
  AMD Features2=0x1<LAHF>
  Structured Extended Features=0x280<SMEP,ERMS>
  XSAVE Features=0x1<XSAVEOPT>
  VT-x: PAT,HLT,MTF,PAUSE,EPT,UG,VPID,VID,PostIntr
  TSC: P-state invariant, performance statistics
"""
ALL = 0xFFFF_FFFF


def test_freebsd() -> None:
    [dump] = parse_dump(DMESG.encode())
    assert (dump.form, dump.model_name, dump.mode) == ("FreeBSD's dmesg", "Made-up CPU", "64-bit")
    assert bits(dump, 0, 0, "edx") == (0x4965_6E69, ALL)
    assert bits(dump, 1, 0, "eax") == (0x0003_06E4, ALL)
    assert bits(dump, 1, 0, "edx") == (0xAFEB_FBFF, ALL & ~(1 << 28))
    assert bits(dump, 1, 0, "ecx") == (0x7FBE_E3F7, ALL & ~(1 << 3))
    assert bits(dump, 7, 0, "ebx") == (0x280, ALL & ~1)
    assert bits(dump, 7, 0, "ecx") == (0, 0)
    assert bits(dump, 0xD, 1, "eax") == (1, ALL)
    assert bits(dump, 0x8000_0001, 0, "edx") == (0x2C10_0800, ALL)
    assert bits(dump, 0x8000_0001, 0, "ecx") == (1, ALL)


def test_each_boot_in_a_log_is_a_cpu() -> None:
    both = parse_dump((DMESG + DMESG.replace("0x306e4", "0x306e7")).encode())
    assert [bits(dump, 1, 0, "eax")[0] for dump in both] == [0x306E4, 0x306E7]


def test_a_vendor_that_is_no_name_is_unknown() -> None:
    [dump] = parse_dump(DMESG.replace("GenuineIntel", "G\u00e9nuineIntel").encode())
    assert (0, 0) not in dump.answers()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CPU: it (5-MHz)\n", "freebsd: no line is 'Features=0x...<FPU,...>'"),
        (DMESG.replace("0x280", "0x28g"), "line 9: freebsd: not a number of 32 bits: 0x28g"),
        (DMESG.replace("0x1<LAHF>", "0x100000000"), "line 8: freebsd: not a number of 32 bits"),
        (DMESG + DMESG.partition("\n  ")[2].replace("0x306e4", "0x1"), "eax is told twice"),
        ("Features=0xg<>\n", "not a number of 32 bits: 0xg"),
        ("Features9=0x1\n", "freebsd: no CPU is told of"),
    ],
)
def test_freebsd_is_refused(text: str, message: str) -> None:
    assert message in str(refusal(text.encode(), "freebsd"))


@given(numbers, numbers, numbers)
def test_registers_of_freebsd_are_read(edx: int, ecx: int, ebx: int) -> None:
    text = f"Features={edx:#x}<FPU>\nFeatures2={ecx:#x}<>\nStructured Extended Features={ebx:#x}\n"
    [dump] = parse_dump(text.encode())
    for leaf, register, value in ((1, "edx", edx), (1, "ecx", ecx), (7, "ebx", ebx)):
        values, known = bits(dump, leaf, 0, register)
        assert values == value & known
        assert values == value
