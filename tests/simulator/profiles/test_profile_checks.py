"""Contradictions: a good profile with one fact changed is refused, and the error says where."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import parse_profile
from support.simulated_profiles import Document, encoded, good_document, profiles

WHERE = "some/node.json"

#: Spoils a good document.
Change = Callable[[Document], Any]


def check(document: Document) -> NodeProfile:
    return check_profile(parse_profile(encoded(document), "node", WHERE), WHERE)


def changed(change: Change) -> Document:
    document = good_document()
    change(document)
    return document


def refusal(change: Change) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        check(changed(change))
    assert str(caught.value) == f"{WHERE}: {caught.value.path}: {caught.value.problem}"
    return caught.value


def update(*path: str | int, **values: Any) -> Change:
    """Give members of one object other values."""

    def change(document: Any) -> None:
        for step in path:
            document = document[step]
        document.update(values)

    return change


def each(*changes: Change) -> Change:
    def change(document: Document) -> None:
        for one in changes:
            one(document)

    return change


def short_processes(document: Document) -> None:
    """Make 32-bit processes of all, as a 32-bit kernel runs no others."""
    for container in document["containers"]:
        for one in container.get("origin", {}).get("processes", ()):
            one["bits"] = 32


def without_answers(document: Document) -> None:
    document["answers"] = dict.fromkeys(document["answers"])


def gather(document: Document) -> None:
    """Leave out what only a kernel tells."""
    document["origin"]["kind"] = "gathered"
    without_answers(document)
    for container in document["containers"]:
        container["needs"] = None
        container.pop("origin", None)


def cpuid_row(leaf: str, row: str | None, cpu: int = 0) -> Change:
    """Replace what CPUID answers to a leaf (and subleaf), or leave it out."""

    def change(document: Document) -> None:
        rows = document["cpus"][cpu]["cpuid"]
        kept = [one for one in rows if not one.startswith(leaf)]
        assert len(kept) == len(rows) - 1
        document["cpus"][cpu]["cpuid"] = kept + ([row] if row else [])

    return change


AMD = "0x00000000 0x0: 0x0000000d 0x68747541 0x444d4163 0x69746e65"
NO_FEATURES = "0x00000001 0x0: 0x000206d7 0x00000000 0x00000000 0x00000000"
NO_LONG_MODE = "0x80000001 0x0: 0x00000000 0x00000000 0x00000000 0x00000800"
NO_SYSCALL = "0x80000001 0x0: 0x00000000 0x00000000 0x00000000 0x20000000"
ALIVE = {"pid": 1, "host_pid": 1001, "name": "init"}
RUNNING = {"ctid": 105, "state": "running", "needs": {"caps": 0x10000501, "reports": []}}


def add_container(**traits: Any) -> Change:
    return lambda document: document["containers"].append({**RUNNING, **traits})


@pytest.mark.parametrize(
    ("change", "path", "problem"),
    [
        pytest.param(
            update("kernel", release="3.10.0-1160.el7", vz_version=None),
            "kernel.release",
            "kernel release '3.10.0-1160.el7' is none that is known: 2.6.18-*028stab*, ",
            id="unknown release",
        ),
        pytest.param(
            update("kernel", ipv6=True),
            "kernel.ipv6",
            "IPv6 is there, but boot_options has ipv6.disable=1",
            id="ipv6 and ipv6.disable=1",
        ),
        pytest.param(
            update("kernel", machine="ia64"),
            "cpus",
            "2 CPUs with CPUID, on machine ia64",
            id="ia64 with CPUs",
        ),
        pytest.param(update(cpus=[]), "cpus", "0 CPUs with CPUID, on machine x86_64", id="no CPUs"),
        pytest.param(
            update("kernel", release="2.6.32-042stab092.1"),
            "cpuid_override",
            "a kernel of generation 042stab092 has no such file",
            id="override on a kernel without",
        ),
        pytest.param(
            update(cpuid_override="1: 0 0 fdffffff ffffffff\n"),
            "cpuid_override",
            r'the file would read as "0x00000001: 0x00000000 0x00000000 0xfdffffff 0xffffffff\n"',
            id="override not as it reads back",
        ),
        pytest.param(
            update(cpuid_override="garbage"),
            "cpuid_override",
            "line 1: 'garbage' is no ",
            id="override that no kernel takes",
        ),
        pytest.param(
            update("cpus", 0, processors="3-0"),
            "cpus[0].processors",
            "3-0: a range runs backwards, or a number comes twice",
            id="processors backwards",
        ),
        pytest.param(
            update("cpus", 0, processors="0-9999,0-9999"),
            "cpus[0].processors",
            "0-9999,0-9999: a range runs backwards, or a number comes twice",
            id="processor twice",
        ),
        pytest.param(
            update("cpus", 1, processors="8"),
            "cpus[1].processors",
            "8: a range runs backwards, or a number comes twice",
            id="processor of two CPUs",
        ),
        pytest.param(
            cpuid_row("0x80000001", NO_LONG_MODE),
            "cpus[0].cpuid",
            "the kernel is 64-bit, and this CPU is not",
            id="32-bit CPU",
        ),
        pytest.param(
            cpuid_row("0x80000001", NO_LONG_MODE, cpu=1),
            "cpus[1].cpuid",
            "the kernel is 64-bit, and this CPU is not",
            id="32-bit second CPU",
        ),
        pytest.param(
            cpuid_row("0x80000001", NO_SYSCALL),
            "cpus[0].cpuid",
            "SYSCALL (0x80000001 edx bit 11) is missing",
            id="Intel without SYSCALL",
        ),
        pytest.param(
            update("cpus", 0, flags="fpu sse4a"),
            "cpus[0].flags",
            "sse4a is there, but not in CPUID",
            id="flag without its bit",
        ),
        pytest.param(
            each(
                cpuid_row("0x00000001", NO_FEATURES),
                update("cpus", 0, flags="sep"),
            ),
            "cpus[0].flags",
            "sep is there, but not in CPUID",
            id="sep without sysenter's bit",
        ),
        pytest.param(
            cpuid_row("0x00000001", None),
            "cpus[0].cpuid",
            "leaf 0x00000001 subleaf 0x0 was not recorded",
            id="leaf 0x1 missing",
        ),
        pytest.param(
            cpuid_row("0x00000001", None, cpu=1),
            "cpus[1].cpuid",
            "leaf 0x00000001 subleaf 0x0 was not recorded",
            id="leaf 0x1 of the second CPU missing",
        ),
        pytest.param(
            cpuid_row("0x80000001", None),
            "cpus[0].cpuid",
            "leaf 0x80000001 subleaf 0x0 was not recorded",
            id="leaf 0x80000001 missing",
        ),
        pytest.param(
            cpuid_row("0x80000000", None),
            "cpus[0].cpuid",
            "leaf 0x80000000 subleaf 0x0 was not recorded",
            id="leaf 0x80000000 missing",
        ),
        pytest.param(
            each(
                update("kernel", machine="i686"),
                short_processes,
                update("cpus", 0, flags=None),
                cpuid_row("0x80000001", None),
            ),
            "cpus[0].cpuid",
            "leaf 0x80000001 subleaf 0x0 was not recorded, and this kernel asks for it",
            id="leaf 0x80000001 missing, 32-bit kernel",
        ),
        pytest.param(
            each(
                update("kernel", machine="i686", modules=["vzcpt"]),
                short_processes,
                update("answers", accepted_versions=None, capability_number=None),
                update("cpus", 0, flags=None),
                cpuid_row("0x80000001", None),
            ),
            "cpus[0].cpuid",
            "leaf 0x80000001 subleaf 0x0 was not recorded, and this kernel asks for it",
            id="leaf 0x80000001 missing, without vzrst",
        ),
        pytest.param(
            update("answers", image_version=0x801),
            "answers.image_version",
            "2049 is stated, and by the kernel's rules it is 2051",
            id="image version off",
        ),
        pytest.param(
            update("answers", accepted_versions=[0x800]),
            "answers.accepted_versions",
            "[2048] is stated, and by the kernel's rules it is [771,",
            id="accepted versions off",
        ),
        pytest.param(
            update("answers", capability_number=1),
            "answers.capability_number",
            f"1 is stated, and by the kernel's rules it is {0x1602759F}",
            id="capability number off",
        ),
        pytest.param(
            each(update("origin", kind="composed"), update("answers", capability_number=None)),
            "answers.capability_number",
            f"null is stated, and by the kernel's rules it is {0x1602759F}",
            id="capability number of a composed node left out",
        ),
        pytest.param(
            update("origin", kind="gathered"),
            "answers.image_version",
            "2051 is stated, and where files were gathered, nobody asked the kernel",
            id="answer of a kernel that was not asked",
        ),
        pytest.param(
            each(update("origin", kind="gathered"), without_answers),
            "containers[0].needs",
            " is stated, and where files were gathered, nobody asked the kernel",
            id="needs that were not asked for",
        ),
        pytest.param(
            each(gather, cpuid_row("0x80000001", None)),
            "cpus[0].cpuid",
            "leaf 0x80000001 subleaf 0x0 was not recorded",
            id="gathered without a leaf",
        ),
        pytest.param(
            update("kernel", modules=["vzrst"]),
            "answers.image_version",
            "2051 is stated, and by the kernel's rules it is null",
            id="answer of a module that is not loaded",
        ),
        pytest.param(
            add_container(ctid=101),
            "containers[4].ctid",
            "container 101 comes twice",
            id="ctid twice",
        ),
        pytest.param(
            update("containers", 0, "origin", "processes", 1, pid=1),
            "containers[0].origin.processes",
            "two processes have the same pid",
            id="pid twice",
        ),
        pytest.param(
            update("containers", 0, "origin", "processes", 1, host_pid=1001),
            "containers[0].origin.processes",
            "two processes have the same host_pid",
            id="host pid twice",
        ),
        pytest.param(
            update("containers", 0, "needs", caps=1),
            "containers[0].needs",
            '{"caps":1,"reports":["unsupported netdevice tun0",',
            id="needs off",
        ),
        pytest.param(
            update("containers", 0, "needs", reports=[]),
            "containers[0].needs",
            '{"caps":282395649,"reports":[]} is stated, and by the kernel\'s rules it is {"caps":',
            id="reports left out",
        ),
        *(
            pytest.param(
                add_container(state=state),
                "containers[4].needs",
                f"no kernel tells what a {state} container needs",
                id=f"needs of a {state} container",
            )
            for state in ("stopping", "stopped", "locked", "suspended")
        ),
        pytest.param(
            update("containers", 0, needs=None),
            "containers[0].needs",
            "null is stated, and by the kernel's rules it is {",
            id="no needs of a running container whose contents are known",
        ),
        pytest.param(
            each(
                short_processes,
                update("kernel", machine="i686", modules=["vzcpt"]),
                update("answers", accepted_versions=None, capability_number=None),
                update("containers", 0, "origin", "processes", 0, bits=64),
            ),
            "containers[0].origin.processes",
            "the kernel is 32-bit, and a process is not",
            id="64-bit process on a 32-bit kernel",
        ),
        pytest.param(
            each(
                update("kernel", modules=["vzrst"]),
                update("answers", image_version=None),
            ),
            "containers[0].needs",
            "and by the kernel's rules it is null",
            id="needs without vzcpt",
        ),
    ],
)
def test_a_contradiction_is_refused(change: Change, path: str, problem: str) -> None:
    error = refusal(change)
    assert error.path == path
    assert problem in error.problem


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda document: None, id="as it is"),
        pytest.param(
            each(
                update("kernel", release="2.6.32-042stab092.1"),
                update(cpuid_override=None),
                # Registers alone count: AESNI is back.
                update("answers", capability_number=0x1602759F | 1 << 27),
            ),
            id="older kernel without override",
        ),
        pytest.param(update("cpus", 0, flags=None, model_name=None), id="flags not known"),
        *(
            pytest.param(update("answers", **{name: None}), id=f"{name} was not asked for")
            for name in ("image_version", "accepted_versions", "capability_number")
        ),
        pytest.param(gather, id="gathered"),
        pytest.param(cpuid_row("0x0000000d 0x1", None), id="leaf 0xd/1 that nobody asks for"),
        pytest.param(
            add_container(origin={"processes": [ALIVE]}), id="one container more, with needs"
        ),
        pytest.param(
            add_container(state="stopped", needs=None, origin={"processes": [ALIVE]}),
            id="a stopped container with contents",
        ),
    ],
)
def test_a_profile_without_contradiction_is_taken(change: Change) -> None:
    assert check(changed(change)).name == "node"


#: An AMD node on which XSAVEOPT decides whether every process has used the FPU.
EAGER_AMD = each(
    update("kernel", release="2.6.32-042stab141.3"),
    update("cpus", 0, flags=None),
    cpuid_row("0x00000000", AMD),
    # SYSCALL32 in place of SEP and SEP32.
    update("answers", capability_number=0x1602759F & ~0x1080 | 0x800),
    update(
        containers=[
            {
                **RUNNING,
                # CMOV, EMT64, SYSCALL, NO_IPV6, and of the FPU's what the node has.
                "needs": {"caps": 0x10000501 | 0x0600601E, "reports": []},
                "origin": {"processes": [ALIVE]},
            }
        ]
    ),
)


def test_leaf_0xd_1_is_asked_for_where_the_fpu_may_be_eager() -> None:
    check(changed(EAGER_AMD))
    error = refusal(each(EAGER_AMD, cpuid_row("0x0000000d 0x1", None)))
    assert error.path == "cpus[0].cpuid"
    assert error.problem.startswith("leaf 0x0000000d subleaf 0x1 was not recorded")


def test_the_errors_text_names_the_file_and_the_path() -> None:
    error = refusal(update("answers", image_version=0x801))
    assert str(error).startswith("some/node.json: answers.image_version: 2049 is stated")


def test_an_error_about_the_whole_names_the_file_alone() -> None:
    assert str(ProfileError("a.json", "", "not JSON")) == "a.json: not JSON"


@given(profiles)
@settings(max_examples=60)
def test_any_profile_is_taken_or_refused(profile: NodeProfile) -> None:
    try:
        checked = check_profile(profile, WHERE)
    except ProfileError as refusal:
        where = refusal.where
    else:
        where = WHERE
        assert checked is profile
    assert where == WHERE
