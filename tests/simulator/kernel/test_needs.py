"""What a container needs: each kind of process, device and mount, on each generation."""

from typing import Any

import pytest

from simulator.facts.generations import identify
from simulator.kernel.containers import Contents, Entered, Needs, Process
from simulator.kernel.decision import gather
from support.simulated_nodes import (
    AMD,
    EAGER_RELEASE,
    EVERYTHING,
    INTEL,
    RELEASES,
    SINCE_042STAB,
    SINCE_088,
    SINCE_101,
    caps,
    node_facts,
    process,
)

NEWEST = "042stab107"
BEFORE_042STAB = tuple(one for one in RELEASES if one not in SINCE_042STAB)

#: A 32-bit process without a vdso needs nothing for itself.
PLAIN: dict[str, Any] = {"bits": 32, "vdso": False}
LATER: dict[str, Any] = {"pid": 7, "host_pid": 1007}

HERE = "inside CT (e.g. vzctl enter or vzctl exec)."


def needs(generation: str, *processes: Process, **traits: Any) -> Needs:
    """Gather what processes need on a node whose CPU has everything."""
    return gather(Contents(processes), node_facts(generation, *EVERYTHING, **traits))


def always(generation: str) -> int:
    return caps("CMOV", "SYSCALL") if generation in SINCE_042STAB else caps("CMOV")


def needs_beside(generation: str, **traits: Any) -> Needs:
    """Gather what one otherwise plain process needs beyond what every container does."""
    gathered = needs(generation, process(**{**PLAIN, **traits}))
    return Needs(gathered.caps & ~always(generation), gathered.reports)


# Always


def test_every_container_needs_cmov_and_from_042stab_syscall(generation: str) -> None:
    assert needs(generation) == Needs(always(generation))


def test_nothing_is_needed_that_the_node_lacks(generation: str) -> None:
    contents = Contents((process(used_fpu=True, bits=32),))
    gathered = gather(contents, node_facts(generation))
    assert gathered.caps & ~caps("SYSCALL", "SSE2", "SYSCALL32") == 0


def test_no_ipv6_is_carried_from_088_on(generation: str) -> None:
    carried = needs(generation, has_ipv6=False).caps & caps("NO_IPV6")
    assert bool(carried) == (generation in SINCE_088)


def test_slm_without_its_module_is_said_on_2_6_32(generation: str) -> None:
    gathered = needs(generation, slm_without_module=True)
    if generation == "2.6.32":
        assert gathered.caps & caps("SLM_DMPRST")
        assert gathered.reports == ("SLM is enabled, but slm_dmprst module is not loaded",)
    else:
        assert gathered == needs(generation)


# Processes


def test_a_64bit_process_needs_emt64_and_on_2_6_32_syscall(generation: str) -> None:
    expected = caps("EMT64", "SYSCALL") if generation == "2.6.32" else caps("EMT64")
    assert needs_beside(generation, bits=64) == Needs(expected & ~always(generation))


@pytest.mark.parametrize(
    ("vendor", "needed"), [(INTEL, caps("SEP")), (AMD, caps("SYSCALL32"))], ids=["intel", "amd"]
)
def test_a_32bit_process_with_a_vdso_needs_the_vendors_way_in(
    generation: str, vendor: str, needed: int
) -> None:
    gathered = needs(generation, process(bits=32), vendor=vendor)
    expected = 0 if generation == "028stab" else needed
    assert gathered == Needs(always(generation) | expected)


def test_a_32bit_process_without_a_vdso_needs_nothing(generation: str) -> None:
    assert needs_beside(generation) == Needs(0)


FPU = {
    "028stab": caps("CMOV", "FXSR", "SSE", "SSE2", "MMX", "3DNOW", "3DNOW2", "SEP"),
    "2.6.32": caps("FXSR", "SSE", "SSE2", "MMX", "3DNOW", "3DNOW2"),
}
FPU_042 = FPU["2.6.32"] | caps("SSE4_1", "SSE4_2", "SSE4A", "XSAVE", "AVX", "AESNI")
FPU_101 = FPU_042 | caps("RDRAND")


def fpu(generation: str) -> int:
    return FPU.get(generation, FPU_101 if generation in SINCE_101 else FPU_042)


def test_a_process_that_used_the_fpu_needs_what_it_may_have_touched(generation: str) -> None:
    gathered = needs_beside(generation, used_fpu=True)
    assert gathered == Needs(fpu(generation) & ~always(generation))


def test_one_process_that_used_the_fpu_is_enough(generation: str) -> None:
    both = needs(generation, process(**PLAIN), process(pid=2, used_fpu=True, **PLAIN))
    assert both.caps == always(generation) | fpu(generation)


def test_with_an_eager_fpu_every_process_has_used_it() -> None:
    release = identify(EAGER_RELEASE)
    gathered = needs(NEWEST, process(**PLAIN), release=release)
    assert gathered.caps == always(NEWEST) | FPU_101
    lazy = needs(NEWEST, process(**PLAIN), release=release, boot_options=("eagerfpu=off",))
    assert lazy.caps == always(NEWEST)


def test_an_eager_fpu_needs_a_process_to_count(generation: str) -> None:
    assert needs(generation, release=identify(EAGER_RELEASE)).caps == always(NEWEST)


def test_what_an_override_or_a_boot_option_took_is_not_needed() -> None:
    gathered = needs(NEWEST, process(used_fpu=True), boot_options=("noxsave", "clearcpuid=15"))
    assert gathered.caps & caps("XSAVE", "CMOV", "AVX") == caps("AVX")


@pytest.mark.parametrize("used_fpu", [False, True])
def test_kernel_threads_are_skipped_from_042stab_on(generation: str, used_fpu: bool) -> None:
    thread = process(kernel_thread=True, used_fpu=used_fpu, policy="fifo")
    skipped = needs(generation, thread) == needs(generation)
    assert skipped == (generation in SINCE_042STAB)


def test_a_process_that_comes_after_a_kernel_thread_counts(generation: str) -> None:
    thread = process(kernel_thread=True, **PLAIN)
    traced = process(pid=2, host_pid=1002, name="perl", traced=True, **PLAIN)
    gathered = needs(generation, thread, traced)
    assert gathered.reports == ("task 1002/2(perl) is ptraced from host system",)


@pytest.mark.parametrize(
    ("vendor", "needed"), [(INTEL, caps("SEP")), (AMD, 0)], ids=["intel", "amd"]
)
def test_on_i386_no_process_needs_a_way_in_that_its_kernel_lacks(
    generation: str, vendor: str, needed: int
) -> None:
    """SYSCALL32 and EMT64 are of x86_64 kernels, IA64 of the other architecture."""
    gathered = needs(generation, process(bits=32), machine="i686", vendor=vendor)
    ways = gathered.caps & caps("SEP", "SYSCALL32", "EMT64", "IA64")
    assert ways == (0 if generation == "028stab" else needed)


@pytest.mark.parametrize(("used_fpu", "needed"), [(False, ["IA64"]), (True, ["IA64", "FXSR"])])
def test_on_ia64_a_process_needs_ia64_and_for_the_fpu_fxsr(
    generation: str, used_fpu: bool, needed: list[str]
) -> None:
    gathered = needs(generation, process(used_fpu=used_fpu), machine="ia64", cpuid=None)
    assert gathered.caps == caps(*needed)


# What cannot be checkpointed


WORDS_OF_GUESTS = {
    Entered.PROCESS: "external process",
    Entered.GROUP: "external process group",
    Entered.SESSION: "external process session",
    Entered.FOREIGN: "foreign process",
}


@pytest.mark.parametrize("kind", Entered)
def test_a_process_from_outside(generation: str, kind: Entered) -> None:
    gathered = needs_beside(generation, **LATER, name="bash", entered=kind)
    report = f"{WORDS_OF_GUESTS[kind]} 7/1007(bash) {HERE}"
    assert gathered == Needs(caps("EXTERNAL_PROCESS"), (report,))


def test_a_private_mount_namespace_is_said_on_028stab_alone(generation: str) -> None:
    gathered = needs_beside(generation, **LATER, name="udevd", private_mounts=True)
    text = "namespaces are not supported: process 7/1007(udevd)"
    assert gathered == Needs(caps("NAMESPACES"), (text,) if generation == "028stab" else ())


@pytest.mark.parametrize("policy", ["normal", "batch", "idle", "fifo", "rr"])
def test_a_scheduling_policy(generation: str, policy: str) -> None:
    fine = {"normal", "batch", "idle"} if generation in SINCE_042STAB else {"normal"}
    text = "scheduler policy is not supported 7/1007(cron)"
    refused = Needs(caps("SCHEDULER_POLICY"), (text,))
    gathered = needs_beside(generation, **LATER, name="cron", policy=policy)
    assert gathered == (Needs(0) if policy in fine else refused)


def test_a_process_traced_from_the_node_names_the_nodes_pid_first(generation: str) -> None:
    gathered = needs_beside(generation, **LATER, name="perl", traced=True)
    text = "task 1007/7(perl) is ptraced from host system"
    assert gathered == Needs(caps("PTRACED_FROM_VE0"), (text,))


def test_a_kernel_without_utrace_cannot_tell_a_traced_process(generation: str) -> None:
    assert needs(generation, process(traced=True), traces=False) == needs(generation, process())


@pytest.mark.parametrize(
    ("trait", "words"), [("mempolicy", "NUMA mempolicy is"), ("keys", "keys are")]
)
def test_pids_of_two_diagnostics_are_the_nodes_twice_from_088_on(
    generation: str, trait: str, words: str
) -> None:
    gathered = needs_beside(generation, **LATER, name="numad", **{trait: True})
    pids = "1007,1007" if generation in SINCE_088 else "1007,7"
    assert gathered == Needs(caps("UNSUPPORTED_MISC"), (f"{words} used by {pids}(numad)",))


# Devices and mounts


@pytest.mark.parametrize(
    ("contents", "need", "reports"),
    [
        (
            Contents((), unsupported_devices=("tun9", "tun10")),
            "UNSUPPORTED_NETDEV",
            ("unsupported netdevice tun9",),
        ),
        (
            Contents((), unsupported_mounts=("nfs", "ramfs")),
            "UNSUPPORTED_FSTYPE",
            ("Unsupported filesystem nfs", "Unsupported filesystem ramfs"),
        ),
    ],
    ids=["the first device", "every mount"],
)
def test_unsupported_devices_and_mounts_are_named(
    generation: str, contents: Contents, need: str, reports: tuple[str, ...]
) -> None:
    gathered = gather(contents, node_facts(generation, *EVERYTHING))
    assert gathered == Needs(always(generation) | caps(need), reports)


# Order


def test_reports_come_in_the_kernels_order() -> None:
    traits = dict.fromkeys(("private_mounts", "traced", "mempolicy", "keys"), True)
    troubled = process(name="first", entered=Entered.PROCESS, policy="rr", **traits)
    traced = process(pid=2, host_pid=1002, name="second", traced=True)
    contents = Contents((troubled, traced), ("tun0",), ("nfs",))
    facts = node_facts("2.6.32", *EVERYTHING, slm_without_module=True)
    assert gather(contents, facts).reports == (
        "SLM is enabled, but slm_dmprst module is not loaded",
        "unsupported netdevice tun0",
        f"external process 1/1001(first) {HERE}",
        "scheduler policy is not supported 1/1001(first)",
        "task 1001/1(first) is ptraced from host system",
        "NUMA mempolicy is used by 1001,1(first)",
        "keys are used by 1001,1(first)",
        "task 1002/2(second) is ptraced from host system",
        "Unsupported filesystem nfs",
    )
