"""Evidence of CPUs as people have it, in whole commands: files, names, and what failed once.

tests/data/cpuinfo has twelve /proc/cpuinfo, made by hand.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.programs import mistake, vzcptsim
from support.samples import FOLDER

RELEASE = "042stab141.3"
FILES = sorted(path.name for path in (FOLDER / "cpuinfo").glob("[0-9]*"))

#: Words of instruction sets of which a kernel of 2012 knows each.
INSTRUCTIONS = frozenset(
    (
        *("cmov", "fxsr", "sse", "sse2", "pni", "ssse3", "sse4_1", "sse4_2", "sse4a", "popcnt"),
        *("pclmulqdq", "aes", "xsave", "avx", "fma", "f16c", "rdrand", "bmi1", "movbe", "cx16"),
        *("3dnow", "3dnowext", "abm", "misalignsse", "xop", "fma4", "tbm"),
    )
)


@pytest.fixture
def cpuinfo(here: Path) -> Path:
    """Return a folder that has the files, which is the working one."""
    shutil.copytree(FOLDER / "cpuinfo", here, dirs_exist_ok=True)
    return here


def outcomes(*arguments: str) -> dict[tuple[str, str], str]:
    """Return the outcome of each pair of a matrix: the worst of the source's containers."""
    said = vzcptsim("matrix", *arguments, "--format", "json", "--by", "node")
    assert said.status == 0, said.stderr
    document = json.loads(said.stdout)
    names = [group["nodes"] for group in document["groups"]]
    order = ("safe", "unknown", "risky", "refused")
    found: dict[tuple[str, str], str] = {}
    for pair in document["pairs"]:
        for source in names[pair["source"]]:
            for destination in names[pair["destination"]]:
                key = source.partition("@")[0], destination.partition("@")[0]
                found[key] = max(found.get(key, "safe"), pair["outcome"], key=order.index)
    return found


def words(file: str) -> set[str]:
    """Return the words of the flags, that are on a line or quoted over several."""
    text = (FOLDER / "cpuinfo" / file).read_text("utf-8").replace("\n> ", " ")
    return set(text.partition("flags")[2].partition("bugs")[0].split("bogomips")[0].split())


# The matrix of many


def test_twelve_cpuinfo_are_one_command(cpuinfo: Path) -> None:
    found = outcomes(*FILES, "--kernel", RELEASE)
    assert len(FILES) == 12
    assert {pair for pair in found if pair[0] != pair[1]} == {
        (one, other) for one in FILES for other in FILES if one != other
    }
    for (source, destination), outcome in found.items():
        lost = words(source) & INSTRUCTIONS - words(destination)
        # What else there may be is not told: no kernel says which one printed them.
        assert outcome == ("risky" if lost else "unknown"), (source, destination, lost)


def test_where_it_is_known_what_printed_them_more_is_told(cpuinfo: Path) -> None:
    files = [file for file in FILES if "linux-6" in file]
    found = outcomes(*files, "--kernel", RELEASE, "--printed-by", "6.1.0-47-amd64")
    haswell, skylake, icelake, zen2, zen4 = files
    assert found[haswell, zen2] == "safe"
    assert found[zen2, haswell] == "risky"
    # AVX-512's area is larger, and /proc/cpuinfo does not tell where it ends.
    assert found[haswell, skylake] == found[haswell, icelake] == found[haswell, zen4] == "unknown"
    # RTM and MPX were taken away; AVX-512 has come since.
    assert found[skylake, icelake] == found[icelake, skylake] == "risky"


def test_a_fleet_file_says_what_printed_each(cpuinfo: Path) -> None:
    found = outcomes("fleet.csv")
    names = {name for pair in found for name in pair}
    assert len(names) == 15
    # By name, by its /proc/cpuinfo, and recorded: each goes to the others of its kind.
    assert found["haswell", "haswell-by-name"] == found["haswell-by-name", "haswell"] == "safe"
    assert found["sandybridge-by-name", "sandybridge"] == "safe"
    assert found["sandybridge-by-name", "haswell"] == "safe"
    assert found["haswell", "zen2"] == "safe"
    assert found["haswell", "sandybridge"] == found["k10", "zen4"] == "refused"
    assert found["haswell", "ivybridge"] == "risky"


def test_what_printed_them_may_be_said_of_each_command(cpuinfo: Path) -> None:
    haswell, zen2 = "06-haswell-linux-6.1", "11-zen2-linux-6.1"
    printed = ("--kernel", RELEASE, "--printed-by", "6.1.0-47-amd64")
    assert vzcptsim("check", haswell, zen2, *printed).status == 0
    assert vzcptsim("check", haswell, zen2, "--kernel", RELEASE).status == 3
    said = json.loads(vzcptsim("where", "--any", haswell, zen2, *printed, "--json").stdout)
    assert [one["outcome"] for one in said["destinations"]] == ["safe"]
    assert mistake("check", haswell, zen2, "--kernel", RELEASE, "--printed-by", "stretch") == (
        "'stretch' is no kernel's release, as uname -r prints it"
    )


# What failed once: small inputs of what people have, made up


def case(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, "utf-8")
    return name


def checked(*arguments: str) -> tuple[int, dict[str, Any]]:
    said = vzcptsim("check", *arguments, "--json")
    return said.status, json.loads(said.stdout)


def instructions(document: dict[str, Any], code: str) -> set[str]:
    reasons = document["migrations"][0]["programs"]["reasons"]
    return {word for one in reasons if one["code"] == code for word in one["feature"].split()}


CPUINFO = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: {model}\n"
    "model name\t: Made-up CPU\nstepping\t: 2\ncpuid level\t: 15\n"
    "flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
    "mmx fxsr sse sse2 syscall nx lm pni pclmulqdq ssse3 {more} cx16 sse4_1 sse4_2 popcnt aes "
    "xsave avx {newer} lahf_lm\n"
)
NEW = CPUINFO.format(model=63, more="fma", newer="f16c rdrand abm bmi1 avx2 bmi2 xsaveopt")
OLD = CPUINFO.format(model=45, more="", newer="xsaveopt")


def test_two_machines_of_which_cpuinfo_is_all_there_is(here: Path) -> None:
    new, old = case(here, "new", NEW), case(here, "old", OLD)
    status, document = checked(new, old, "--kernel", RELEASE)
    assert status == 2
    lost = instructions(document, "instructions-missing") | instructions(
        document, "instructions-differ"
    )
    assert lost >= {"fma", "bmi1", "rdrand", "f16c", "abm"}
    # Of these, the oldest kernel that may have printed it has no words.
    assert instructions(document, "cpuid-not-recorded") >= {"avx2", "bmi2"}
    status, document = checked(old, new, "--kernel", RELEASE)
    assert status == 3
    assert instructions(document, "instructions-missing") == set()
    status, document = checked(new, old, "--kernel", RELEASE, "--printed-by", "6.1.0-47-amd64")
    assert instructions(document, "instructions-missing") >= lost - {"abm"} | {"avx2", "bmi2"}


AMD_WITHOUT_0XD_1 = """\
------[ Logical CPU #0 ]------

CPUID 00000000: 0000000D-68747541-444D4163-69746E65
CPUID 00000001: 00600F12-00200800-1E98220B-178BFBFF
CPUID 00000007: 00000000-00000000-00000000-00000000
CPUID 0000000D: 00000007-00000340-000003C0-40000000
CPUID 0000000D: 00000100-00000240-00000000-00000000 [SL 02]
CPUID 80000000: 80000001-68747541-444D4163-69746E65
CPUID 80000001: 00600F12-30000000-01C9BFFF-2FD3FBFF
"""


@pytest.mark.parametrize("option", ["noxsave", "eagerfpu=on", "eagerfpu=off", ""])
def test_amds_with_xsave_compose_without_what_tells_of_xsaveopt(here: Path, option: str) -> None:
    file = case(here, "amd.txt", AMD_WITHOUT_0XD_1)
    options = ("--boot-option", option) if option else ()
    said = vzcptsim(
        "compose", "--cpuid", file, "--kernel", RELEASE, "--ct", "1", *options, "-o", "amd.json"
    )
    assert said.status == 0
    profile = json.loads((here / "amd.json").read_text("utf-8"))
    assert (profile["containers"][0]["needs"] is None) == (option == "")
    same = json.loads(vzcptsim("check", "amd.json", "amd.json", "--json").stdout)
    assert same["outcome"] == "safe"


def test_processors_with_rows_of_their_own_in_the_feedback_table_are_one_kind(here: Path) -> None:
    rows = "".join(
        f"------[ Logical CPU #{number} ]------\n\n"
        "CPUID 00000000: 00000006-756E6547-6C65746E-49656E69\n"
        f"CPUID 00000001: 00090675-{number:02X}040800-7FFAF3BF-BFEBFBFF\n"
        f"CPUID 00000006: 00DF8FF7-00000002-00000409-{number:04X}0003\n"
        for number in range(4)
    )
    said = vzcptsim("import", case(here, "hfi.txt", rows), "-o", "hfi.json")
    assert "4 processors, 1 kind of CPU" in said.stderr
    assert json.loads((here / "hfi.json").read_text("utf-8"))[0]["processors"] == "0-3"


QUOTED = """\
> CPU 0:
>    0x00000000 0x00: eax=0x00000001 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
>    0x00000001 0x00: eax=0x000006f6 ebx=0x00020800 ecx=0x0000e3bd edx=0xbfebfbff
"""


@pytest.mark.parametrize(
    ("text", "form"),
    [(QUOTED, "cpuid -r"), (f"$ cat /proc/cpuinfo\n{NEW}$ \n", "/proc/cpuinfo")],
)
def test_what_is_quoted_or_has_a_prompt_is_imported(here: Path, text: str, form: str) -> None:
    said = vzcptsim("import", case(here, "it.txt", text))
    assert said.status == 0
    assert f"it.txt: {form}: 1 processor, 1 kind of CPU" in said.stderr


def test_json_of_lscpu_is_read_and_that_of_nobody_here_is_called_that(here: Path) -> None:
    fields = [{"field": "Vendor ID:", "data": "AuthenticAMD"}, {"field": "Flags:", "data": "fpu x"}]
    assert vzcptsim("import", case(here, "lscpu.json", json.dumps({"lscpu": fields}))).status == 0
    message = mistake("import", case(here, "other.json", '{"blockdevices": []}'))
    assert message.endswith("JSON with the keys ['blockdevices'], and of no form known here")


def test_a_cpu_of_which_little_is_told_makes_a_node(here: Path) -> None:
    """libvirt names what the model of the host has not: the rest is unknown, leaf 1 as well."""
    xml = (
        "<domainCapabilities><arch>x86_64</arch><cpu><mode name='host-model' supported='yes'>"
        "<model fallback='forbid'>EPYC</model><vendor>AMD</vendor>"
        "<feature policy='require' name='avx2'/></mode></cpu></domainCapabilities>"
    )
    file = case(here, "domain.xml", xml)
    status, document = checked(file, "intel-xeon-x5550", "--kernel", RELEASE)
    assert (status, document["outcome"]) == (2, "risky")
    # There is no AVX2 without these.
    assert instructions(document, "instructions-missing") == {"xsave", "avx", "avx2"}
    assert checked("intel-xeon-x5550", file, "--kernel", RELEASE)[0] == 3
