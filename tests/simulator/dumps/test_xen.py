"""Xen's sets of features: which words they are, and what a clear bit tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.recognise import parse_dump
from support.dumps import bits, numbers, refusal

ALL = 0xFFFF_FFFF

#: What leaf 1 EDX has and leaf 0x80000001 EDX has not: AMD APM volume 3, appendix E; Intel SDM.
NEVER_EXTENDED = 1 << 10 | 1 << 18 | 1 << 21 | 1 << 28

XL_INFO = """\
host                   : node7
nr_cpus                : 8
hw_caps                : bfebfbff:77bef3ff:2c100800:00000021:00000001:00000281:00000000:00000100
virt_caps              : pv hvm hvm_directio
"""
OLD_XL_INFO = "hw_caps : bfebfbff:2c100800:00000000:00003f00:77bee3ff:00000000:00000001:00000281\n"

XE = """\
cpu_count       : 8
    socket_count: 1
          vendor: GenuineIntel
           speed: 2600.040
       modelname: Made-up  CPU
          family: 6
           model: 62
        stepping: 4
           flags: fpu de tsc
        features: 77bee3ff-bfebfbff-00000001-2c100800
     features_pv: 1fc9cbf5-f6b83203-2c100800-00000021-00000001-00000201-00000000-00000000
    features_hvm: 1fcbfbff-f7ba3223-2c100800-00000021-00000001-00000a91-00000000-00000000
"""
XEN_CPUID = """\
nr_features: 12
KEY       1d       1c      e1d      e1c      Da1      7b0
Static sets:
Known                           f7ffffff:fffeffff:efdbfbff:035fffff:0000001f:ffffffff
Dynamic sets:
Raw                             bfebfbff:77bee3ff:2c100800:00000021:00000001:00000281
Host                            b7ebfbff:77bef3ff:2c100800:00000021:00000001:00000281
"""


def test_the_words_of_today() -> None:
    [dump] = parse_dump(XL_INFO.encode())
    assert (dump.form, dump.table) == ("Xen's featureset", None)
    edx = 0xBFEB_FBFF & ~(1 << 9)
    assert bits(dump, 1, 0, "edx") == (edx, edx)
    ecx = 0x77BE_F3FF & ~(1 << 21 | 1 << 22 | 1 << 24 | 1 << 27)
    assert bits(dump, 1, 0, "ecx") == (ecx, ecx)
    assert bits(dump, 0x8000_0001, 0, "edx") == (0x2C10_0800, 0x2C10_0800)
    assert bits(dump, 0x8000_0001, 0, "ecx") == (0x21, 0x21)
    assert bits(dump, 0xD, 1, "eax") == (1, 1)
    assert bits(dump, 7, 0, "ebx") == (0x281, 0x281)
    assert (0x8000_0007, 0) not in dump.answers()


def test_the_words_before() -> None:
    [dump] = parse_dump(OLD_XL_INFO.encode())
    assert bits(dump, 0x8000_0001, 0, "edx") == (0x2C10_0800, 0x2C10_0800)
    assert bits(dump, 0x8000_0001, 0, "ecx") == (1, 1)
    assert bits(dump, 1, 0, "ecx")[0] & 0x77BE_E3FF == bits(dump, 1, 0, "ecx")[1]
    assert set(dump.answers()) == {(1, 0), (0x8000_0001, 0)}


def test_xe_host_cpu_info() -> None:
    [dump] = parse_dump(XE.encode())
    assert dump.model_name == "Made-up CPU"
    assert bits(dump, 0, 0, "ebx") == (0x756E_6547, ALL)
    assert bits(dump, 1, 0, "eax") == (0x0003_06E4, 0x000F_0FFF)
    # Without HLE and RTM, which the greatest set of guests has whatever the CPU has.
    assert bits(dump, 7, 0, "ebx") == (0x281, 0x281)
    assert bits(dump, 1, 0, "edx")[0] & 0x1FCB_F9FF == 0x1FCB_F9FF


def test_raw_of_xen_cpuid_is_whole_registers() -> None:
    [dump] = parse_dump(XEN_CPUID.encode())
    assert bits(dump, 1, 0, "edx") == (0xBFEB_FBFF, ALL)
    assert bits(dump, 1, 0, "ecx") == (0x77BE_E3FF, ALL)
    assert bits(dump, 7, 0, "ebx") == (0x281, ALL)


def test_two_hosts_are_two() -> None:
    assert len(parse_dump((XL_INFO * 2).encode())) == 2


def test_xe_host_list_has_all_in_one_line() -> None:
    facts = "; ".join(" ".join(line.split()) for line in XE.splitlines())
    [dump] = parse_dump(f"cpu_info (MRO): {facts}\n".encode())
    assert dump == parse_dump(XE.encode())[0]


def test_words_in_another_order_are_not_taken_for_others() -> None:
    """Leaf 1 EDX has bits where leaf 0x80000001 has long mode and SYSCALL: TM and SEP."""
    words = "77fef3ff-bfebfbff-00000021-2c100800-00000001-000037ab"
    message = "line 1: xen: the words are in no order that is known"
    assert message in str(refusal(f"features : {words}".encode()))
    # Other sets tell.
    text = XE.replace("77bee3ff-bfebfbff-00000001-2c100800", words)
    [dump] = parse_dump(text.encode())
    assert bits(dump, 1, 0, "edx") == (0x1FCB_F9FF,) * 2


def test_flags_beside_sets_are_masked() -> None:
    text = f"{XE.replace('fpu de tsc', 'fpu vme de pse tsc msr')}features : 7-7\n"
    assert "cpuinfo: it has sets of Xen's, and flags that" in str(refusal(text.encode(), "cpuinfo"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("xen\n", "xen: no line is 'hw_caps : bfebfbff:...'"),
        (XL_INFO.replace("2c100800", "2c10080"), "line 3: xen: not words of 32 bits: 'hw_caps"),
        (XE.replace("stepping: 4", "stepping: 44"), "no CPU is of family 6, model 62, stepping 44"),
        ("Host 00000000:00000000:20000000:00000000:1\n", "not words of 32 bits"),
        (f"{XL_INFO}Raw 00000000:00000000:20000000:00000000\n", "is told twice"),
    ],
)
def test_xen_is_refused(text: str, message: str) -> None:
    assert message in str(refusal(text.encode(), "xen"))


@given(st.lists(numbers, min_size=8, max_size=20), st.sampled_from(["hw_caps :", "Host ", "Raw "]))
def test_each_bit_that_is_told_is_in_the_word(words: list[int], name: str) -> None:
    words[0] |= 1
    words[2] = words[2] & ~NEVER_EXTENDED | 1 << 29
    [dump] = parse_dump(f"{name}{':'.join(f'{word:08x}' for word in words)}\n".encode())
    assert bits(dump, 1, 0, "edx")[0] & ~words[0] == 0
    assert bits(dump, 0x8000_0001, 0, "edx")[0] == words[2]
    if name == "Raw ":
        assert bits(dump, 1, 0, "edx") == (words[0], ALL)
