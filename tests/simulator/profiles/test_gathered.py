"""Gathered files become a profile: what they say, and nothing that only a kernel would tell."""

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.facts.features import BY_NAME
from simulator.kernel.containers import Container, State
from simulator.profiles.gathered import (
    MOST_BYTES,
    Gathered,
    GatheredError,
    cpuid_file,
    load_gathered,
    make_profile,
    read_files,
    read_folder,
    read_packed,
)
from simulator.profiles.profile import Answers, NodeProfile, OriginKind, ProfileError
from simulator.profiles.profile_json import format_profile, parse_profile
from simulator.reports.listings import node_listing
from support.gathered import FILES, TOP, cpuinfo, packed, rows
from support.programs import vzcptsim
from support.samples import add
from support.simulated_nodes import cpu
from support.simulated_profiles import ROWS, WORDS, rows_of

NOT_ASKED = (
    "nobody asked the kernel: its answers, and what containers need, are recorded as unknown"
)

OTHER_ROWS = rows(*rows_of(cpu(*WORDS[:8])))


def gathered(changes: Mapping[str, bytes | None] | None = None) -> Gathered:
    files = {**FILES, **(changes or {})}
    return make_profile({name: data for name, data in files.items() if data is not None}, "here")


def profile_of(changes: Mapping[str, bytes | None]) -> NodeProfile:
    return gathered(changes).profile


def about(**changes: str | None) -> bytes:
    told = dict(line.split(" ", 1) for line in FILES["about"].decode().splitlines())
    return rows(*(f"{key} {text}" for key, text in {**told, **changes}.items() if text is not None))


#: What kernels before 042stab do not have.
OLD_KERNEL = {"proc/vz/version": None, "proc/vz/cpuid_override": None}


class TestTheNode:
    def test_it_is_marked_as_gathered_and_says_where_and_when(self) -> None:
        origin = gathered().profile.origin
        assert origin.kind is OriginKind.GATHERED
        assert origin.source == "vzcptcheck-gather.sh 1.0.0 on node1, 2026-11-23"
        nameless = profile_of({"about": about(host=None)}).origin
        assert nameless.source == "vzcptcheck-gather.sh 1.0.0, 2026-11-23"
        listing = node_listing([gathered().profile])
        assert listing.rows[0][listing.columns.index("origin")] == "gathered"

    def test_the_kernel_is_what_its_files_say(self) -> None:
        kernel = gathered().profile.kernel
        assert kernel.release == "2.6.32-042stab113.5"
        assert kernel.machine == "x86_64"
        assert kernel.vz_version == "042stab113_5"
        assert kernel.boot_options == ("nordrand", "clearcpuid=154")
        assert kernel.modules == {"vzcpt", "vzrst"}
        assert kernel.ipv6
        assert not kernel.slm_without_module

    def test_a_file_that_is_not_there_is_a_fact(self) -> None:
        names = ("proc/vz/version", "proc/cpt", "proc/rst", "proc/net/if_inet6", "proc/cmdline")
        more = ("proc/vz/cpuid_override", "proc/vz/veinfo", "proc/version")
        node = profile_of(dict.fromkeys((*names, *more)))
        assert node.kernel.vz_version is None
        assert node.kernel.modules == frozenset()
        assert not node.kernel.ipv6
        assert node.kernel.boot_options == ()
        assert node.cpuid_override is None
        assert node.containers == ()

    def test_a_file_that_is_empty_is_there(self) -> None:
        node = profile_of({"proc/cpt": b"", "proc/vz/cpuid_override": b"", "proc/vz/veinfo": b""})
        assert node.kernel.modules == {"vzcpt", "vzrst"}
        assert node.cpuid_override == ""
        assert node.containers == ()

    def test_nobody_asked_its_kernel(self) -> None:
        assert gathered().profile.answers == Answers(None, None, None)

    @pytest.mark.parametrize(
        ("changes", "remarks"),
        [
            ({}, (NOT_ASKED,)),
            ({"notes": b"one\n\n \ntwo\n"}, ("one", "two", NOT_ASKED)),
            (
                {**OLD_KERNEL, "about": about(release="2.6.32-dzhanibekov.1")},
                (NOT_ASKED, "whether SLM is enabled without its module is not known: taken for no"),
            ),
        ],
        ids=["nothing", "notes", "SLM"],
    )
    def test_what_is_not_known_and_what_the_script_noted_is_said(
        self, changes: dict[str, bytes | None], remarks: tuple[str, ...]
    ) -> None:
        assert gathered(changes).remarks == remarks

    def test_it_boots_and_answers_by_its_kernels_rules(self) -> None:
        node = gathered().profile
        # Of 0x1602759F, which has neither RDRAND (nordrand) nor AESNI (the override): IPv6 is
        # there (bit 28), and XSAVE is not (clearcpuid=154 is leaf 1 ecx bit 26).
        assert node.boot().capabilities() == 0x0402759F

    def test_a_machine_without_cpuid(self) -> None:
        changes = {
            **OLD_KERNEL,
            "about": about(machine="ia64", release="2.6.18-028stab056.1"),
            "proc/cpuinfo": b"processor  : 0\nvendor     : GenuineIntel\n",
            "cpuid/0": None,
        }
        assert profile_of(changes).cpus == ()


class TestContainers:
    def test_one_that_a_context_holds_is_suspended_and_of_others_it_is_not_known(self) -> None:
        assert gathered().profile.containers == (
            Container(ctid=101, state=State.UNKNOWN),
            Container(ctid=102, state=State.SUSPENDED),
        )

    @pytest.mark.parametrize("state", ["2", "3", "1", "-1"])
    def test_by_the_contexts_state(self, state: str) -> None:
        header = b"Ctx      Id       VE       State\n"
        context = header + f"ffff88003ee00000 00000066 101      {state}\n".encode()
        expected = State.SUSPENDED if state in "23" else State.UNKNOWN
        assert profile_of({"proc/cpt": context}).containers[0].state is expected

    def test_without_names_they_have_numbers_alone(self) -> None:
        changes = {"proc/vz/veinfo": b"102\n101\n", "proc/cpt": b"- 0 102 2\n"}
        assert profile_of(changes).containers == gathered().profile.containers


class TestProcessors:
    def test_one_is_what_it_answered_and_what_cpuinfo_says(self) -> None:
        (one,) = gathered().profile.cpus
        assert one.processors == "0"
        assert one.cpuid == cpu(*WORDS)
        assert (one.model_name, one.microcode) == ("Some CPU", "0x15")
        assert one.flags == "fpu cmov sep lm"

    @pytest.mark.parametrize("text", [b"processor : 0\n", None])
    def test_what_cpuinfo_does_not_say_is_not_known(self, text: bytes | None) -> None:
        (one,) = profile_of({"proc/cpuinfo": text}).cpus
        assert (one.processors, one.model_name, one.microcode, one.flags) == ("0", *[None] * 3)

    def test_those_of_a_kind_are_one(self) -> None:
        changes = {"proc/cpuinfo": cpuinfo("a", "a", "b", "a"), "cpuid/2": OTHER_ROWS}
        first, second = profile_of(changes).cpus
        assert (first.processors, second.processors) == ("0-1,3", "2")
        assert (first.cpuid, second.cpuid) == (cpu(*WORDS), cpu(*WORDS[:8]))

    def test_any_of_a_kind_may_have_answered(self) -> None:
        changes = {"proc/cpuinfo": cpuinfo("a", "a"), "cpuid/0": None, "cpuid/1": FILES["cpuid/0"]}
        assert [one.processors for one in profile_of(changes).cpus] == ["0-1"]

    def test_they_come_in_any_order(self) -> None:
        blocks = cpuinfo("a", "b", "a").split(b"\n\n")
        changes = {"proc/cpuinfo": b"\n\n".join([blocks[2], blocks[1], blocks[0]])}
        node = gathered({**changes, "cpuid/1": OTHER_ROWS})
        assert [one.processors for one in node.profile.cpus] == ["0,2", "1"]

    def test_a_kind_that_was_not_asked_and_has_no_vendor_is_left_out(self) -> None:
        told = cpuinfo("a", "b", "b").replace(b"vendor_id", b"vendor")
        node = gathered({"proc/cpuinfo": told})
        assert [one.processors for one in node.profile.cpus] == ["0"]
        said = "processors 1-2: CPUID was not asked: they are left out"
        assert node.remarks == (said, NOT_ASKED)

    def test_a_kind_that_was_not_asked_is_known_as_far_as_cpuinfo_tells(self) -> None:
        node = gathered({"proc/cpuinfo": TOLD, "cpuid/0": None})
        (one,) = node.profile.cpus
        assert one.cpuid.has_bit(0x1, 0, "ecx", 19)
        # The node's kernel knows AVX, and not SHA's instructions.
        assert not one.cpuid.has_bit(0x1, 0, "ecx", 28)
        assert BY_NAME["sha_ni"].is_in(one.cpuid) is None
        said = "processors 0: CPUID was not asked: it is known as far as proc/cpuinfo tells"
        assert node.remarks == (said, NOT_ASKED)

    def test_what_had_no_answer_is_unknown_and_said(self) -> None:
        unknown = rows(*(f"0x{leaf:08x} 0x0: no answer" for leaf in (2, 3, 4, 5, 6, 8)))
        node = gathered({"cpuid/0": FILES["cpuid/0"] + unknown})
        assert node.profile.cpus[0].cpuid == cpu(*WORDS)
        assert node.remarks[0] == (
            "6 of CPUID's answers could not be read, and are recorded as unknown: 0x2 subleaf 0, "
            "0x3 subleaf 0, 0x4 subleaf 0, 0x5 subleaf 0, 0x6 subleaf 0, and others"
        )

    def test_a_device_that_knows_no_subleaves_is_not_believed(self) -> None:
        kept = [row for row in ROWS if not row.startswith("0x0000000d 0x1")]
        caches = [f"0x00000004 0x{subleaf:x}: 0x00000121 0x01c0003f 0x0000003f 0x00000001"
                  for subleaf in range(3)]  # fmt: skip
        zeros = "0x0000000b 0x1: 0x00000000 0x00000000 0x00000000 0x00000000"
        node = gathered({"cpuid/0": rows(*kept, *caches, zeros)})
        table = node.profile.cpus[0].cpuid
        assert (0x4, 0) in table
        assert (0xB, 1) in table
        assert not {(0x4, 1), (0x4, 2)} & set(table)
        assert node.remarks[0] == (
            "processors 0: this kernel's cpuid device knows no subleaves: those beyond 0 are "
            "recorded as unknown"
        )

    def test_subleaves_that_differ_are_believed_even_where_two_are_alike(self) -> None:
        caches = [f"0x00000004 0x{subleaf:x}: 0x{eax:08x} 0x01c0003f 0x0000003f 0x00000001"
                  for subleaf, eax in enumerate((0x121, 0x122, 0x121))]  # fmt: skip
        node = gathered({"cpuid/0": FILES["cpuid/0"] + rows(*caches)})
        assert {(0x4, 0), (0x4, 1), (0x4, 2)} <= set(node.profile.cpus[0].cpuid)
        assert node.remarks == (NOT_ASKED,)


HEADER = "Ctx      Id       VE       State\n"
TOLD = b"processor : 0\nvendor_id : GenuineIntel\ncpuid level : 13\nflags : fpu sse4_1\n"
ALIEN = {"proc/cpuinfo": cpuinfo("a"), "cpuid/9": FILES["cpuid/0"]}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"about": None}, "about: it is not there: this is not what vzcptcheck-gather.sh gathers"),
        ({"about": b"\xff\n"}, "about: it is not there"),
        ({"about": about(format="2")}, "about: its format is not 1: take the script of this"),
        ({"about": about(format=None)}, "about: its format is not 1"),
        ({"about": about(release=None)}, "about: no release is told"),
        ({"about": about(script=None)}, "about: no script is told"),
        ({"about": about(date=None)}, "about: no date is told"),
        ({"about": about(machine="")}, "about: no machine is told"),
        ({"about": about(machine="armv7l")}, "about: machine 'armv7l' is none of OpenVZ's"),
        ({"proc/vz/veinfo": b"101 0 1\nx 0 1\n"}, "veinfo: line 2: no container's number in 'x 0"),
        ({"proc/vz/veinfo": b"\n\n"}, "veinfo: line 1: no container's number in ''"),
        ({"proc/vz/veinfo": b"2147483648\n"}, "no container's number in '2147483648'"),
        ({"proc/vz/veinfo": "\u0661\n".encode()}, "no container's number in"),
        ({"proc/vz/veinfo": b"9" * 5000}, "no container's number in '" + "9" * 60 + "'"),
        ({"proc/cpt": b"1 2 3\n"}, "proc/cpt: line 1: no checkpoint context in '1 2 3'"),
        ({"proc/cpt": f"{HEADER}- 0 x 2\n".encode()}, "proc/cpt: line 2: no checkpoint context"),
        ({"proc/cpt": f"{HEADER}- 0 1 x\n".encode()}, "proc/cpt: line 2: no checkpoint context"),
        ({"proc/cpt": f"{HEADER}- 0 1 --2\n".encode()}, "proc/cpt: line 2: no checkpoint context"),
        ({"proc/cpuinfo": b"x\n"}, "proc/cpuinfo: cpuinfo, line 1: no colon in b'x'"),
        ({"proc/cpuinfo": b"processor : 10000\n"}, "'10000' is no number of another processor"),
        ({"proc/cpuinfo": b"processor : x\n"}, "proc/cpuinfo: 'x' is no number of another"),
        ({"proc/cpuinfo": b"processor : 0\n\nprocessor : 0\n"}, "'0' is no number of another"),
        (ALIEN, "cpuid/9: proc/cpuinfo lists no such processor"),
        (
            {"about": about(release="mine"), "proc/cpuinfo": TOLD, "cpuid/0": None},
            "about: 'mine' is no kernel's release",
        ),
        (
            {"cpuid/0": None, "proc/cpuinfo": None},
            "cpuid/0: processor 0 was not asked, by which the kernel goes: load",
        ),
        ({"cpuid/0": b""}, "cpuid/0: leaf 0x00000000 is not there"),
        ({"cpuid/0": b"0x0 0x0: no\n"}, "cpuid/0: line 1: no answer of CPUID in '0x0 0x0: no'"),
        (
            {"cpuid/0": FILES["cpuid/0"] + rows(ROWS[0])},
            f"cpuid/0: line {len(ROWS) + 1}: leaf 0x00000000 0x0 comes twice",
        ),
        (
            {"cpuid/0": FILES["cpuid/0"] + rows(*["0x00000002 0x0: no answer"] * 2)},
            f"cpuid/0: line {len(ROWS) + 2}: leaf 0x00000002 0x0 comes twice",
        ),
    ],
)
def test_what_cannot_be_names_its_file(changes: dict[str, bytes | None], error: str) -> None:
    with pytest.raises(GatheredError) as caught:
        gathered(changes)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"about": about(release="3.10.0"), "proc/vz/version": None}, "kernel.release"),
        ({"proc/cmdline": b"ipv6.disable=1\n"}, "kernel.ipv6"),
        ({"proc/vz/veinfo": b"101\n101\n"}, "containers[1].ctid"),
        ({"proc/vz/cpuid_override": b"x\n"}, "cpuid_override"),
        ({"cpuid/0": rows(ROWS[0])}, "cpus[0].cpuid"),
    ],
)
def test_contradicting_facts_are_refused(changes: dict[str, bytes | None], path: str) -> None:
    with pytest.raises(ProfileError) as caught:
        gathered(changes)
    assert (caught.value.where, caught.value.path) == ("here", path)


@given(
    st.dictionaries(
        st.sampled_from([*FILES, "notes", "cpuid/1"]),
        st.none() | st.binary(max_size=40) | st.sampled_from(sorted(FILES.values())),
        max_size=3,
    )
)
@settings(max_examples=150)
def test_any_files_make_a_sound_profile_or_none(changes: dict[str, bytes | None]) -> None:
    with suppress(GatheredError, ProfileError):
        profile = gathered(changes).profile
        again = parse_profile(format_profile(profile).encode(), "gathered", "here")
        assert again == profile


class TestTheCommand:
    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        path = tmp_path / "node.tar"
        path.write_bytes(packed(FILES))
        return path

    def test_the_profile_is_written_and_what_is_unknown_is_said(self, archive: Path) -> None:
        status, stdout, stderr = vzcptsim("import", "gathered", str(archive))
        assert (status, stderr) == (0, f"vzcptsim: {archive}: {NOT_ASKED}\n")
        assert stdout == format_profile(gathered().profile)

    def test_it_is_read_from_standard_input(
        self, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = SimpleNamespace(buffer=io.BytesIO(archive.read_bytes()))
        monkeypatch.setattr("sys.stdin", given)
        status, stdout, _ = vzcptsim("import", "gathered", "-")
        assert (status, stdout) == (0, format_profile(gathered().profile))

    def test_an_error_names_the_archive_and_the_file_in_it(self, tmp_path: Path) -> None:
        path = tmp_path / "node.tar"
        path.write_bytes(packed({**FILES, "proc/cpt": b"x\n"}))
        output = tmp_path / "node.json"
        status, stdout, stderr = vzcptsim("import", "gathered", str(path), "-o", str(output))
        said = "proc/cpt: line 1: no checkpoint context in 'x'"
        assert (status, stdout, stderr) == (1, "", f"vzcptsim: {path}: {said}\n")
        assert not output.exists()

    def test_the_path_is_loaded_as_the_command_does(self, archive: Path) -> None:
        assert load_gathered(str(archive)) == gathered()

    def test_what_a_container_needs_is_not_known(self, archive: Path, tmp_path: Path) -> None:
        source = str(tmp_path / "node.json")
        destination = "042stab141.3.Haswell.default"
        assert vzcptsim("import", "gathered", str(archive), "-o", source)[0] == 0
        status, stdout, _ = vzcptsim("check", source, destination, "--ct", "101")
        assert status == 3
        assert "container-state-unknown" in stdout
        status, stdout, _ = vzcptsim("matrix", source, destination, "--format", "csv")
        assert status == 0
        assert "container-state-unknown" in stdout


# The files, of an archive or a folder


#: What of the files is read: /proc/version is for people.
READ = {name: data for name, data in FILES.items() if name != "proc/version"}


def write(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, data in (files or dict(FILES)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_an_archive_is_read_compressed_or_not(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(packed(FILES, mode))
    assert read_files(str(path)) == READ


def test_names_may_begin_with_the_working_folder() -> None:
    assert read_packed(packed(FILES, top=f"./{TOP}")) == READ


def test_a_folder_is_read_or_the_one_in_it(tmp_path: Path) -> None:
    write(tmp_path / TOP)
    assert read_files(str(tmp_path)) == READ
    assert read_files(str(tmp_path / TOP)) == READ


@pytest.mark.parametrize("others", [{}, dict.fromkeys(["cpuid/x", "cpuid/.0", "other"], b"x")])
def test_names_in_a_folder_that_are_none_of_the_scripts_are_passed_over(
    others: dict[str, bytes], tmp_path: Path
) -> None:
    write(tmp_path, {"about": b"x", **others})
    assert read_folder(tmp_path) == {"about": b"x"}


def test_the_file_of_a_processor_has_its_number() -> None:
    assert cpuid_file(12) == "cpuid/12"


def test_what_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_files(str(tmp_path / "none"))


OTHER_NAMES = [
    "../about", f"/{TOP}/about", f"{TOP}/../about", f"{TOP}/../{TOP}/about",
    f"{TOP}/proc/../about", f"{TOP}/cpuid/../about", f"{TOP}/cpuid/x", f"{TOP}/cpuid/12345",
    f"{TOP}/cpuid/\u0661", f"{TOP}/etc/shadow", "about", TOP,
]  # fmt: skip
OTHER_KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        *((name, {}) for name in OTHER_NAMES),
        *((f"{TOP}/about", {"type": kind, "linkname": "/etc/passwd"}) for kind in OTHER_KINDS),
    ],
)
def test_no_other_name_or_kind_is_looked_at(name: str, traits: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        add(archive, name, b"" if traits else b"evil", **traits)
    assert read_packed(buffer.getvalue()) == {}


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_link, "a link, and no plain file"),
        (Path.mkdir, "no plain file"),
        (os.mkfifo, "no plain file"),
    ],
)
def test_what_is_no_plain_file_in_a_folder_is_refused(
    make: Callable[[Path], None], problem: str, tmp_path: Path
) -> None:
    make(tmp_path / "about")
    with pytest.raises(GatheredError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == f"about: {problem}"


def test_a_folder_that_cannot_be_read_is_the_systems_error(tmp_path: Path) -> None:
    write(tmp_path, {"proc": b"a file"})
    with pytest.raises(NotADirectoryError):
        read_folder(tmp_path)


MANY_PROCESSORS = {f"cpuid/{number}": b"" for number in range(30)}
LARGE = {"proc/cpuinfo": bytes(MOST_BYTES), "about": b"x"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param(MANY_PROCESSORS, "cpuid: more than 16 processors", id="processors"),
        pytest.param(LARGE, "files of more than 2 MiB", id="bytes"),
    ],
)
def test_there_are_bounds(files: dict[str, bytes], problem: str, tmp_path: Path) -> None:
    for read in (
        lambda: read_packed(packed(files, "w:gz")),
        lambda: read_folder(write(tmp_path, files)),
    ):
        with pytest.raises(GatheredError) as caught:
            read()
        assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not the archive that vzcptcheck-gather.sh writes"),
        (b"#!/bin/sh\n", "not the archive that vzcptcheck-gather.sh writes"),
        (packed(FILES, "w:gz")[:-20], "what is compressed here ends too early"),
    ],
)
def test_what_is_no_archive_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(GatheredError) as caught:
        read_packed(data)
    assert problem in str(caught.value)


@given(data=st.data())
@settings(max_examples=60)
def test_a_spoiled_archive_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(packed(FILES, data.draw(st.sampled_from(["w", "w:gz"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    with suppress(GatheredError):
        assert set(read_packed(bytes(whole[:end]))) <= set(READ)
