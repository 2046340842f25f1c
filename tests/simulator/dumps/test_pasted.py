"""Dumps as mails, web pages and terminals make them: each tells what the file did."""

import html
import quopri
import re
import textwrap
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.model import CpuDump
from simulator.dumps.pasted import as_document, as_lines, as_text, read_lines
from simulator.dumps.recognise import parse_dump
from support.dumps import refusal
from support.samples import sample

WORDS = """\
CPU 0:
   vendor_id = "GenuineIntel"
   feature information (1/edx):
      x87 FPU on chip                        = true
      CMOV: conditional move/compare instr   = true
   feature information (1/ecx):
      AES instruction                         = false
"""

#: A dump in every form that has one answer a line.
DUMPS = {
    "aida64": sample("celeron-g1610.aida64.txt"),
    "cpuid-r": sample("epyc-9004.cpuid-r.txt"),
    "cpuid": WORDS,
    "libcpuid": sample("a8-7680.libcpuid.txt").partition("-----")[0],
    "hwloc": "5 0 0 0 0 => d 756e6547 6c65746e 49656e69\n5 7 0 0 0 => 0 281 0 0\n",
    "cpuinfo": sample("epyc-9004.cpuinfo.txt"),
}


def prefixed(prefix: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{prefix}{line}\n" for line in text.splitlines())


def numbered(text: str) -> str:
    return "".join(f"{number:6}\t{line}\n" for number, line in enumerate(text.splitlines(), 1))


#: What happens to text on its way.
WAYS: dict[str, Callable[[str], str]] = {
    "prompt": lambda text: f"[root@node7 ~]# cat it\n{text}[root@node7 ~]# \n",
    "comment": lambda text: f"# the node in rack 7\n// mine\n{text}# end\n",
    "indented": prefixed("\t   "),
    "quoted": prefixed("> "),
    "quoted twice": prefixed("> >> "),
    "quoted by initials": prefixed("JD> "),
    "quoted and answered": lambda text: f"> {text.replace(chr(10), f'{chr(10)}> ')}\nThanks!\n",
    "fenced": lambda text: f"It is:\n\n```text\n{text}```\n",
    "escaped": lambda text: text.replace("_", r"\_"),
    "commented out": prefixed("# "),
    "bar": prefixed("| "),
    "added in a patch": prefixed("+"),
    "numbers of lines": numbered,
    "log": prefixed("[    0.123456] "),
    "system log": prefixed("Nov 28 19:00:01 node7 kernel: "),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "pre": lambda text: f"<html><body><p>It is</p><pre>{html.escape(text)}</pre></body></html>",
    "br": lambda text: "<div>" + html.escape(text).replace("\n", "<br />\n") + "</div>",
    "quoted HTML": lambda text: "<p>" + "\n".join(
        f"&gt;&nbsp;{html.escape(line)}<br>" for line in text.splitlines()
    ),
    "spaces of the web": lambda text: text.replace(" ", "\u00a0"),
    "colours": lambda text: "".join(f"\x1b[01;31m{line}\x1b[0m\n" for line in text.splitlines()),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "quoted twice over": lambda text: quopri.encodestring(prefixed("> ")(text).encode()).decode(),
    "journal": prefixed("Nov 28 19:00:01 node7 sosreport[123]: "),
    "stamps": prefixed("2026-11-28T19:00:01.5+00:00 "),
    "pdsh": prefixed("node7: "),
    "grep of a file": prefixed("nodes/node7/it:"),
    "typeset": lambda text: text.replace(":", "\uff1a").replace("-", "\u2013"),
    "twice": lambda text: f"\n\n{text}",
}  # fmt: skip


def told(dumps: list[CpuDump]) -> list[object]:
    return [(dump.answers(), dump.model_name) for dump in dumps]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", DUMPS)
def test_a_dump_tells_the_same_whatever_way_it_came(form: str, way: str) -> None:
    expected = parse_dump(DUMPS[form].encode(), form)
    assert told(parse_dump(WAYS[way](DUMPS[form]).encode())) == told(expected)


def wrapped(text: str, width: int) -> str:
    """Break lines at spaces, as mails do."""
    lines = text.splitlines()
    return "\n".join(
        "\n".join(textwrap.wrap(line, width, break_on_hyphens=False)) or "" for line in lines
    )


def cut(text: str, width: int) -> str:
    """Break lines anywhere, as terminals do."""
    return re.sub(rf"(.{{{width}}})(?=.)", "\\1\n", text)


@pytest.mark.parametrize("width", [48, 60, 72, 80])
@pytest.mark.parametrize("form", ["aida64", "cpuid-r", "libcpuid", "cpuinfo"])
def test_lines_that_mails_wrap_are_joined(form: str, width: int) -> None:
    expected = told(parse_dump(DUMPS[form].encode(), form))
    short = wrapped(DUMPS[form], width)
    assert told(parse_dump(short.encode())) == expected
    assert told(parse_dump(prefixed("> ")(short).encode())) == expected


@pytest.mark.parametrize("width", [50, 64, 80])
@pytest.mark.parametrize("form", ["cpuid-r", "libcpuid", "cpuinfo"])
def test_lines_that_terminals_cut_are_joined(form: str, width: int) -> None:
    expected = told(parse_dump(DUMPS[form].encode(), form))
    assert told(parse_dump(cut(DUMPS[form], width).encode())) == expected


@pytest.mark.parametrize(
    "text", [WORDS.replace("= true", "=\n  true"), WORDS.replace("= true", "\n   = true")]
)
def test_bits_in_words_are_joined(text: str) -> None:
    assert told(parse_dump(text.encode())) == told(parse_dump(WORDS.encode()))


#: What Linux 6.1 prints for a Xeon E5-2680 v3; many words are of its own.
MODERN = (
    "flags\t\t: "
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush dts acpi mmx "
    "fxsr sse sse2 ss ht tm pbe syscall nx pdpe1gb rdtscp lm constant_tsc arch_perfmon pebs bts "
    "rep_good nopl xtopology nonstop_tsc cpuid aperfmperf pni pclmulqdq dtes64 monitor ds_cpl vmx "
    "smx est tm2 ssse3 sdbg fma cx16 xtpr pdcm pcid dca sse4_1 sse4_2 x2apic movbe popcnt "
    "tsc_deadline_timer aes xsave avx f16c rdrand lahf_lm abm cpuid_fault epb invpcid_single pti "
    "intel_ppin ssbd ibrs ibpb stibp tpr_shadow vnmi flexpriority ept vpid ept_ad fsgsbase "
    "tsc_adjust bmi1 avx2 smep bmi2 erms invpcid cqm xsaveopt cqm_llc cqm_occup_llc dtherm ida "
    "arat pln pts md_clear flush_l1d"
)
MODERN_CPUINFO = f"processor\t: 0\nvendor_id\t: GenuineIntel\n{MODERN}\nbugs\t\t: x\n"


@pytest.mark.parametrize("width", range(40, 100, 7))
def test_flags_with_words_of_the_kernels_own_are_joined(width: int) -> None:
    expected = parse_dump(MODERN_CPUINFO.encode())
    for text in wrapped(MODERN_CPUINFO, width), cut(MODERN_CPUINFO, width):
        assert parse_dump(text.encode()) == expected


def table(text: str, row: str) -> str:
    cells = (re.split(r"\s*:\s*", line, maxsplit=1) for line in text.splitlines())
    return "".join(row.format(*map(html.escape, cell)) for cell in cells)


def test_tables_are_read_as_what_is_in_them() -> None:
    expected = parse_dump(MODERN_CPUINFO.encode())
    for text in (
        "| key | value |\n|---|---|\n" + table(MODERN_CPUINFO, "| {} | {} |\n"),
        f"<table>{table(MODERN_CPUINFO, '<tr><td>{}</td><td>{}</td></tr>')}</table>",
        f"<table>{table(MODERN_CPUINFO, '<tr><th>{} :</th><td> : {}</td></tr>')}</table>",
    ):
        assert parse_dump(text.encode()) == expected
    figures = "0x0000000d|0x756e6547|0x6c65746e|0x49656e69"
    rows = f"| leaf | eax | ebx | ecx | edx |\n| `0x00000000` | {figures.replace('|', ' | ')} |\n"
    [dump] = parse_dump(f"{rows}|0x00000007|0x01|{figures}|\n".encode())
    assert dump.table is not None
    assert list(dump.table) == [(0x0, 0), (0x7, 1)]
    assert dump.table[0x7, 1] == (0xD, 0x756E6547, 0x6C65746E, 0x49656E69)


def test_machines_whose_lines_are_mixed_are_not_taken_for_one() -> None:
    lines = MODERN_CPUINFO.splitlines()
    one_by_one = "".join(f"a: {line}\n" for line in lines) + "".join(f"b: {x}\n" for x in lines)
    assert len(parse_dump(one_by_one.encode())) == 2
    mixed = "".join(f"a: {line}\nb: {line}\n" for line in lines)
    assert refusal(mixed.encode()).message.startswith("looks like cpuinfo")


def test_names_before_lines_are_of_machines_and_not_of_each_line() -> None:
    lines = [f"line{number}: processor : {number}" for number in range(20_000)]
    assert as_lines("\n".join(lines)) == lines
    assert as_lines("\n".join(lines[:3])) == lines[:3]


def test_a_text_larger_than_any_mail_is_read_line_by_line() -> None:
    block = MODERN_CPUINFO.replace("\n", "\r\n").encode("utf-16")
    small, large = as_lines(as_text(block)), read_lines(block + b" \0" * (5 << 20))
    assert large[: len(small) - 1] == small[:-1]
    assert set(large[len(small) :]) == {""}


def test_xml_that_a_page_shows_is_read() -> None:
    xml = sample("core-i7-2600.libvirt.xml")
    expected = told(parse_dump(xml.encode()))
    assert told(parse_dump(f"<p>It is</p><pre>{html.escape(xml)}</pre>".encode())) == expected
    typeset = xml.replace("'", "\u2019").replace('"', "\u201d")
    assert told(parse_dump(typeset.encode())) == expected


def test_what_begins_with_an_equals_sign_is_joined_to_a_line_that_says_something() -> None:
    assert as_lines("\n= true\nx =\n= false") == ["", "= true", "x =", "= false"]


def test_joined_lines_keep_the_numbers_of_the_rest() -> None:
    row = "CPUID 00000000: 00000001-756E6547-\n6C65746E-49656E69\n"
    assert refusal(f"{row}CPUID 00000001: 1\n".encode()).line == 3


def test_a_word_that_was_cut_is_no_other() -> None:
    [dump] = parse_dump(b"processor: 0\nflags: fpu vme de fma\n4 pse tsc\nthe cpu has no avx\n")
    assert dump.answers()[0x8000_0001, 0].values.ecx == 1 << 16
    assert dump.answers()[1, 0].values == (0, 0, 0, 0x1F)


def test_flags_alone_tell_a_processor() -> None:
    [dump] = parse_dump(b"$ grep flags /proc/cpuinfo\nflags\t\t: fpu vme de pse tsc msr\n")
    assert dump.answers()[1, 0].values == (0, 0, 0, 0x3F)


def test_two_machines_in_a_file_are_two() -> None:
    text = "node1:\n" + DUMPS["cpuinfo"] + "node2:\n" + DUMPS["cpuinfo"]
    assert [dump.cpus for dump in parse_dump(text.encode())] == ["0", "1", "2", "3"]


JSON = '[{"cpuid": [["0x0", "0x0", "0x1", "0x746e6543", "0x736c7561", "0x48727561"]]}]'


@pytest.mark.parametrize(
    "text",
    [
        f"It is:\n```json\n{JSON}\n```\nor [not]\n",
        f"[root@node7 ~]# cat it\n{JSON}\n[root@node7 ~]# ",
        prefixed("> ")(JSON.replace(", ", ",\n")),
        quopri.encodestring(JSON.replace(": ", " = ").encode()).decode().replace(" =3D ", ": "),
    ],
)
def test_json_is_found_in_a_text(text: str) -> None:
    assert told(parse_dump(text.encode())) == told(parse_dump(JSON.encode()))


def test_xml_is_found_in_a_text() -> None:
    xml = sample("core-i7-2600.libvirt.xml")
    for text in f"$ virsh it\n{xml}$ \n", prefixed("> ")(xml):
        assert told(parse_dump(text.encode())) == told(parse_dump(xml.encode()))


@pytest.mark.parametrize(
    ("text", "begin", "line"),
    [
        ("on\n eax=0x1 ebx=0x2", "looks like cpuid-r, but no leaf stands before", 2),
        ("00000001: 00000016-756E6547-6C65746E-49656E69", "looks like aida64, but no 'CPUID", 1),
        ("x87 FPU on chip = true", "looks like cpuid, but no heading", 1),
        ("\n\n00000016 756e6547 6c65746e 49656e69", "looks like libcpuid, but no 'basic_", 3),
        ("fpu vme de pse tsc msr", "looks like cpuinfo, but no 'flags :'", 1),
    ],
)
def test_what_is_nearly_a_form_is_told_which(text: str, begin: str, line: int) -> None:
    error = refusal(text.encode())
    assert error.message.startswith(begin)
    assert error.line == line
    assert "; tried\n" in error.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lscpus": []}', "JSON with the keys ['lscpus'], and of no form known here"),
        ('{"a": 1}\n{"b": [\n{}]}\n', "JSON with the keys ['a'], and of no form known here"),
        ("[1, 2]", "JSON, and of no form known here"),
        ("<?xml version='1.0'?>\n<a:b/>", "XML with the root <a:b>, and of no form known here"),
    ],
)
def test_json_and_xml_of_others_are_no_broken_dumps(text: str, message: str) -> None:
    assert refusal(text.encode()).message == message


@given(st.text('>|#" \n\t`<br/>&gt;=3D{}[]CPUID0x:flagsfma4\\_', max_size=300))
def test_any_text_is_tidied_once_and_for_all(text: str) -> None:
    plain = as_text(text.encode())
    lines = as_lines(plain)
    assert all(line == line.strip() for line in lines)
    assert as_document(plain) is not None


def test_a_row_that_is_cut_in_three_is_joined() -> None:
    rows = as_lines(
        "CPUID 00000001: 000306E4-\n00100800-\n7FBAE3FF-BFEBFBFF\n"
        "CPUID 00000002: 76036301-\n00F0B5FF-\nand nothing more\n"
    )
    assert "CPUID 00000001: 000306E4-00100800-7FBAE3FF-BFEBFBFF" in [
        row.replace("- ", "-") for row in rows
    ]
