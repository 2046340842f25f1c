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


NOT_RECORDED = "leaf 0x80000001 subleaf 0x0 was not recorded"
NOT_64_BIT = "the kernel is 64-bit, and this CPU is not"
TWICE = ": a range runs backwards, or a number comes twice"
RULES = " is stated, and by the kernel's rules it is "
NOBODY_ASKED = " is stated, and where files were gathered, nobody asked the kernel"
NUMBER = "answers.capability_number"
CPU, OTHER_CPU, OVERRIDE = "cpus[0].cpuid", "cpus[1].cpuid", "cpuid_override"
NEEDS, PROCESSES = "containers[0].needs", "containers[0].origin.processes"
READS_AS = '"0x00000001: 0x00000000 0x00000000 0xfdffffff 0xffffffff\\n"'

#: A kernel that shows no flags, on a 32-bit machine, and is not asked by vzrst.
SHORT = each(update("kernel", machine="i686"), short_processes)
SHORT_WITHOUT_FLAGS = each(SHORT, update("cpus", 0, flags=None))
WITHOUT_VZRST = each(
    update("kernel", modules=["vzcpt"]),
    update("answers", accepted_versions=None, capability_number=None),
)
SECOND_PROCESS = ("containers", 0, "origin", "processes", 1)

#: What is changed, where that is found, and what is said.
CONTRADICTIONS = {
    "unknown release": (
        update("kernel", release="3.10.0-1160.el7", vz_version=None),
        "kernel.release",
        "kernel release '3.10.0-1160.el7' is none that is known: 2.6.18-*028stab*, ",
    ),
    "ipv6 and ipv6.disable=1": (
        update("kernel", ipv6=True),
        "kernel.ipv6",
        "IPv6 is there, but boot_options has ipv6.disable=1",
    ),
    "ia64 with CPUs": (
        update("kernel", machine="ia64"),
        "cpus",
        "2 CPUs with CPUID, on machine ia64",
    ),
    "no CPUs": (update(cpus=[]), "cpus", "0 CPUs with CPUID, on machine x86_64"),
    "override on a kernel without": (
        update("kernel", release="2.6.32-042stab092.1"),
        OVERRIDE,
        "a kernel of generation 042stab092 has no such file",
    ),
    "override not as it reads back": (
        update(cpuid_override="1: 0 0 fdffffff ffffffff\n"),
        OVERRIDE,
        f"the file would read as {READS_AS}",
    ),
    "override that no kernel takes": (
        update(cpuid_override="garbage"),
        OVERRIDE,
        "line 1: 'garbage' is no ",
    ),
    **{
        f"processors {text} of CPU {number}": (
            update("cpus", number, processors=text),
            f"cpus[{number}].processors",
            text + TWICE,
        )
        for number, text in ((0, "3-0"), (0, "0-9999,0-9999"), (1, "8"))
    },
    "32-bit CPU": (cpuid_row("0x80000001", NO_LONG_MODE), CPU, NOT_64_BIT),
    "32-bit second CPU": (cpuid_row("0x80000001", NO_LONG_MODE, cpu=1), OTHER_CPU, NOT_64_BIT),
    "Intel without SYSCALL": (
        cpuid_row("0x80000001", NO_SYSCALL),
        CPU,
        "SYSCALL (0x80000001 edx bit 11) is missing",
    ),
    "flag without its bit": (
        update("cpus", 0, flags="fpu sse4a"),
        "cpus[0].flags",
        "sse4a is there, but not in CPUID",
    ),
    "sep without sysenter's bit": (
        each(cpuid_row("0x00000001", NO_FEATURES), update("cpus", 0, flags="sep")),
        "cpus[0].flags",
        "sep is there, but not in CPUID",
    ),
    **{
        f"leaf {leaf} of CPU {number} missing": (
            cpuid_row(leaf, None, cpu=number),
            f"cpus[{number}].cpuid",
            f"leaf {leaf} subleaf 0x0 was not recorded",
        )
        for leaf, number in (
            ("0x00000001", 0),
            ("0x00000001", 1),
        )
    },
    "a bit that no leaf can have that is missing": (
        each(
            update("cpus", 0, flags=None),
            cpuid_row("0x80000001", None),
            update("answers", capability_number=0x1602759F | 0x20000000),
        ),
        NUMBER,
        f"{0x1602759F | 0x20000000}{RULES}null",
    ),
    "image version off": (
        update("answers", image_version=0x801),
        "answers.image_version",
        f"2049{RULES}2051",
    ),
    "accepted versions off": (
        update("answers", accepted_versions=[0x800]),
        "answers.accepted_versions",
        f"[2048]{RULES}[771,",
    ),
    "capability number off": (
        update("answers", capability_number=1),
        NUMBER,
        f"1{RULES}{0x1602759F}",
    ),
    "capability number of a composed node left out": (
        each(update("origin", kind="composed"), update("answers", capability_number=None)),
        NUMBER,
        f"null{RULES}{0x1602759F}",
    ),
    "answer of a kernel that was not asked": (
        update("origin", kind="gathered"),
        "answers.image_version",
        f"2051{NOBODY_ASKED}",
    ),
    "needs that were not asked for": (
        each(update("origin", kind="gathered"), without_answers),
        NEEDS,
        NOBODY_ASKED,
    ),
    "answer of a module that is not loaded": (
        update("kernel", modules=["vzrst"]),
        "answers.image_version",
        f"2051{RULES}null",
    ),
    "ctid twice": (add_container(ctid=101), "containers[4].ctid", "container 101 comes twice"),
    "pid twice": (update(*SECOND_PROCESS, pid=1), PROCESSES, "two processes have the same pid"),
    "host pid twice": (
        update(*SECOND_PROCESS, host_pid=1001),
        PROCESSES,
        "two processes have the same host_pid",
    ),
    "needs off": (
        update("containers", 0, "needs", caps=1),
        NEEDS,
        '{"caps":1,"reports":["unsupported netdevice tun0",',
    ),
    "reports left out": (
        update("containers", 0, "needs", reports=[]),
        NEEDS,
        f'{{"caps":282395649,"reports":[]}}{RULES}{{"caps":',
    ),
    **{
        f"needs of a {state} container": (
            add_container(state=state),
            "containers[4].needs",
            f"no kernel tells what a {state} container needs",
        )
        for state in ("stopping", "stopped", "locked", "suspended")
    },
    "no needs of a running container whose contents are known": (
        update("containers", 0, needs=None),
        NEEDS,
        f"null{RULES}{{",
    ),
    "64-bit process on a 32-bit kernel": (
        each(SHORT, WITHOUT_VZRST, update("containers", 0, "origin", "processes", 0, bits=64)),
        PROCESSES,
        "the kernel is 32-bit, and a process is not",
    ),
    "needs without vzcpt": (
        each(update("kernel", modules=["vzrst"]), update("answers", image_version=None)),
        NEEDS,
        "and by the kernel's rules it is null",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_refused(name: str) -> None:
    change, path, problem = CONTRADICTIONS[name]
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
        *(
            pytest.param(
                each(update("cpus", 0, flags=None), how, cpuid_row(leaf, None)),
                id=f"leaf {leaf} missing, {how is gather}",
            )
            for leaf in ("0x80000001", "0x80000000")
            for how in (gather, update("cpus", 0, flags=None))
        ),
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


def test_where_leaf_0xd_1_decides_and_was_not_recorded_needs_may_be_either_way() -> None:
    check(changed(EAGER_AMD))
    without = each(EAGER_AMD, cpuid_row("0x0000000d 0x1", None))
    check(changed(without))
    lazy = {"caps": 0x10000501, "reports": []}
    check(changed(each(without, update("containers", 0, needs=lazy))))
    lacking = {"caps": 0x10000500, "reports": []}
    for wrong in (lacking, {"caps": 0x30000501, "reports": []}, {**lazy, "reports": ["x"]}):
        error = refusal(each(without, update("containers", 0, needs=wrong)))
        assert error.path == "containers[0].needs"


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
