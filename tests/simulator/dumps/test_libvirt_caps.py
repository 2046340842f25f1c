"""libvirt's capabilities: what is named is set, and what a model stands for is unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.model import KnownBits
from simulator.dumps.named import add_names
from simulator.dumps.recognise import parse_dump
from support.dumps import bits, refusal

CAPABILITIES = """\
<capabilities>
  <host>
    <uuid>00000000-0000-0000-0000-000000000000</uuid>
    <cpu>
      <arch>x86_64</arch>
      <model>SandyBridge-IBRS</model>
      <vendor>Intel</vendor>
      <microcode version='1064'/>
      <signature family='6' model='62' stepping='4'/>
      <topology sockets='1' dies='1' cores='4' threads='2'/>
      <feature name='vme'/>
      <feature name='pcid'/>
      <feature name='tsc_adjust'/>
      <feature name='fsgsbase'/>
      <feature name='ds_cpl'/>
      <pages unit='KiB' size='4'/>
    </cpu>
  </host>
  <guest><arch name='i686'/><feature name='avx2'/></guest>
</capabilities>
"""
DOMAIN = """\
<domainCapabilities>
  <arch>x86_64</arch>
  <cpu>
    <mode name='host-passthrough' supported='yes'><feature name='avx512f'/></mode>
    <mode name='host-model' supported='yes'>
      <model fallback='forbid'>EPYC</model>
      <vendor>AMD</vendor>
      <feature policy='require' name='x2apic'/>
      <feature policy='require' name='topoext'/>
      <feature policy='disable' name='svm'/>
    </mode>
    <mode name='custom' supported='yes'><model usable='yes'>486</model></mode>
  </cpu>
</domainCapabilities>
"""


def test_capabilities() -> None:
    [dump] = parse_dump(CAPABILITIES.encode())
    assert (dump.form, dump.table, dump.microcode) == ("libvirt's capabilities", None, "0x428")
    assert bits(dump, 0, 0, "ebx") == (0x756E_6547, 0xFFFF_FFFF)
    assert bits(dump, 1, 0, "eax") == (0x0003_06E4, 0x000F_0FFF)
    assert bits(dump, 1, 0, "edx") == (2, 2)
    assert bits(dump, 1, 0, "ecx") == (1 << 17 | 1 << 4, 1 << 17 | 1 << 4)
    assert bits(dump, 7, 0, "ebx") == (1, 1)


def test_domain_capabilities() -> None:
    [dump] = parse_dump(DOMAIN.encode())
    assert bits(dump, 0, 0, "ebx") == (0x6874_7541, 0xFFFF_FFFF)
    assert bits(dump, 0x8000_0001, 0, "ecx") == (1 << 22, 1 << 22)
    assert set(dump.answers()) == {(0, 0), (0x8000_0001, 0)}


def test_a_cpu_by_itself() -> None:
    text = "<cpu mode='custom'><model>Nehalem</model><feature name='aes' policy='force'/></cpu>"
    [dump] = parse_dump(text.encode())
    assert bits(dump, 1, 0, "ecx") == (1 << 25, 1 << 25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<cpu/>", "libvirt: it has no element <capabilities>, <domainCapabilities> or <cpu>"),
        ("<a><cpu><model/></cpu></a>", "<a> is none of capabilities, domainCapabilities, cpu"),
        (
            CAPABILITIES.replace("x86_64", "ppc64le"),
            "line 5: libvirt: a CPU of another architecture",
        ),
        (DOMAIN.replace("x86_64", "aarch64"), "a CPU of another architecture: 'aarch64'"),
        (CAPABILITIES.replace("'62'", "'300'"), "no CPU is of family 6, model 300"),
        ("<cpu><model/><signature family='six'/></cpu>", "nothing is told of its registers"),
        ("<cpu><model></cpu>", "not XML: mismatched tag"),
        ("<!DOCTYPE cpu>\n<cpu><model/></cpu>", "a document type is declared"),
        (f"<cpu><model/>{'<a>' * 99}{'</a>' * 99}</cpu>", "more elements than any description"),
    ],
)
def test_libvirts_capabilities_are_refused(text: str, message: str) -> None:
    assert message in str(refusal(text.encode(), "libvirt"))


@given(st.lists(st.sampled_from(["avx", "sse4.2", "lahf_lm", "xsaveopt", "x2apic", "no-such"])))
def test_named_features_are_the_only_ones(names: list[str]) -> None:
    known = KnownBits()
    add_names(known, names)
    features = "".join(f"<feature name='{name}'/>" for name in ["fpu", *names])
    [dump] = parse_dump(f"<cpu><model>qemu64</model>{features}</cpu>".encode())
    answers = dump.answers()
    for key, answer in known.answers().items():
        for value, told in zip(answer.values, answers[key].values, strict=True):
            assert value & ~told == 0
    assert all(one.values == one.known for one in answers.values())
