"""What makes nodes and containers alike, and what tells them apart."""

import pytest
from msgspec import structs

from simulator.facts.cpuid import CpuidTable
from simulator.facts.generations import BY_NAME
from simulator.kernel.containers import Container, Needs, State
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import KernelFacts, NodeProfile
from simulator.verdicts.programs import programs_opinion
from simulator.verdicts.restore import restore_opinion
from simulator.verdicts.traits import (
    SUSPENDED,
    ContainerTraits,
    KernelTraits,
    container_traits,
    needs_of,
    node_traits,
)
from support.simulated_nodes import RELEASES, SINCE_042STAB, caps, container, cpu
from support.simulated_profiles import recorded_nodes

CPU = cpu("lm", "syscall", "cmov", "fxsr", "sse", "sse2", "mmx", "sse4_1", "xsave", "avx")


def profile(
    release: str = RELEASES["042stab107"],
    *,
    table: CpuidTable = CPU,
    modules: frozenset[str] = frozenset({"vzcpt", "vzrst"}),
    machine: str = "x86_64",
    containers: tuple[Container, ...] = (),
) -> NodeProfile:
    """Compose a node."""
    kernel = KernelFacts(release=release, machine=machine, vz_version=None, modules=modules)
    return compose("node", CpuSource(table, "somewhere", "64-bit"), kernel, containers)


def kernel_of(node: NodeProfile) -> KernelTraits:
    return node_traits(node).kernel


def test_a_kernels_side() -> None:
    assert kernel_of(profile()) == KernelTraits(
        generation_name="042stab107",
        has_cpt=True,
        has_rst=True,
        is_64_bit=True,
        caps=caps(
            *("CMOV", "FXSR", "SSE", "SSE2", "MMX", "EMT64", "SYSCALL"),
            *("SSE4_1", "XSAVE", "AVX", "NAMESPACES"),
        ),
    )


@pytest.mark.parametrize("name", RELEASES)
def test_a_side_leads_back_to_its_generation(name: str) -> None:
    traits = kernel_of(profile(RELEASES[name]))
    assert traits.generation is BY_NAME[traits.generation_name]
    assert traits.generation_name == {"042stab092": "042stab088"}.get(name, name)


def test_092_differs_from_088_in_nothing_that_a_verdict_asks() -> None:
    one, other = BY_NAME["042stab092"], BY_NAME["042stab088"]
    named = structs.replace(other, name=one.name, trees=one.trees, releases=one.releases)
    # What a CPU's traits and a restorer are made of is the release's own.
    of_releases = {"xcr0": one.xcr0, "section_ends": one.section_ends}
    assert structs.replace(named, vecaps2=one.vecaps2, **of_releases) == one


def test_modules_and_how_wide_a_kernel_is() -> None:
    restores = kernel_of(profile(modules=frozenset({"vzrst"})))
    dumps = kernel_of(profile(modules=frozenset({"vzcpt"})))
    assert (restores.has_cpt, restores.has_rst) == (False, True)
    assert (dumps.has_cpt, dumps.has_rst) == (True, False)
    assert not kernel_of(profile(machine="i686")).is_64_bit


def test_a_node_that_cannot_restore_tells_its_number_to_its_own_suspended_alone() -> None:
    words = caps("CMOV", "FXSR", "SSE", "SSE2", "MMX", "SSE4_1", "XSAVE", "AVX")
    expected = {
        "028stab": caps("CMOV", "FXSR", "SSE", "SSE2", "MMX"),
        "2.6.32": caps("CMOV", "FXSR", "SSE", "SSE2", "MMX"),
        "042stab": words,
        "042stab088": words,
        "042stab092": words,
        "042stab101": 0,  # ENOSYS
        "042stab107": words | caps("EMT64", "SYSCALL"),
    }
    for name, release in RELEASES.items():
        without_rst = kernel_of(profile(release, modules=frozenset({"vzcpt"})))
        assert without_rst.caps == expected[name], name
        assert kernel_of(profile(release, modules=frozenset())).caps == 0
        assert kernel_of(profile(release, modules=frozenset({"vzrst"}))).caps & words


@pytest.mark.parametrize("name", ["042stab", "042stab088", "042stab092"])
def test_where_sse4_2_is_not_looked_at_it_makes_no_difference(name: str) -> None:
    more = cpu("lm", "syscall", "cmov", "sse4_2")
    less = cpu("lm", "syscall", "cmov")
    modules = frozenset({"vzcpt"})
    one, other = (profile(RELEASES[name], table=table, modules=modules) for table in (more, less))
    assert kernel_of(one) == kernel_of(other)


def test_the_cpus_of_a_node_are_all_looked_at() -> None:
    node = profile()
    second = structs.replace(node.cpus[0], processors="1", cpuid=cpu("lm", "syscall", "sse4_2"))
    mixed = structs.replace(node, cpus=(*node.cpus, second))
    assert node_traits(mixed).cpu.usable < node_traits(node).cpu.usable
    assert node_traits(mixed).kernel == node_traits(node).kernel


def test_an_ia64_node() -> None:
    traits = node_traits(recorded_nodes()["ia64.028stab056.1"])
    assert (traits.kernel.is_64_bit, traits.kernel.caps) == (True, caps("IA64", "FXSR"))
    assert traits.cpu.vendor == ""


def test_nodes_that_are_alike_are_one() -> None:
    newer = profile("2.6.32-042stab120.1")
    assert node_traits(newer) == node_traits(profile())
    assert hash(node_traits(newer)) == hash(node_traits(profile()))


# Containers


def test_a_running_container_is_its_needs() -> None:
    node = profile(containers=(container(used_fpu=True),))
    needs = needs_of(node, node.containers[0])
    assert needs is not None
    assert needs.caps & caps("CMOV", "FXSR", "AVX") == caps("CMOV", "FXSR", "AVX")
    assert container_traits(node, node.containers[0]) == ContainerTraits(State.RUNNING, needs.caps)


def test_needs_that_were_recorded_stand_where_the_contents_are_not_known() -> None:
    known = Container(ctid=101, needs=Needs(1, ("said",)))
    assert needs_of(profile(), known) == known.needs
    assert container_traits(profile(), known) == ContainerTraits(State.RUNNING, 1)


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_of_one_that_does_not_run_the_needs_are_not_known(state: State) -> None:
    node = profile()
    assert container_traits(node, structs.replace(container(), state=state)) == ContainerTraits(
        state
    )


def test_without_vzcpt_the_needs_are_not_known() -> None:
    node = profile(modules=frozenset({"vzrst"}))
    assert container_traits(node, container(used_fpu=True)) == ContainerTraits()


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (ContainerTraits(caps=caps("CMOV", "FXSR")), True),
        (ContainerTraits(caps=caps("CMOV", "SSE", "EMT64")), False),
        (ContainerTraits(caps=0), False),
        (ContainerTraits(), True),
        (ContainerTraits(State.LOCKED), True),
        (SUSPENDED, True),
    ],
)
def test_who_may_have_used_the_fpu(traits: ContainerTraits, *, expected: bool) -> None:
    assert traits.may_have_used_fpu is expected


def test_a_suspended_container_is_told_from_one_that_is_being_suspended() -> None:
    assert ContainerTraits(State.SUSPENDED) != SUSPENDED


# Classes of the recorded nodes


def test_classes_are_few() -> None:
    nodes = recorded_nodes().values()
    distinct = {node_traits(node) for node in nodes}
    containers = {container_traits(node, one) for node in nodes for one in node.containers}
    assert len({traits.kernel for traits in distinct}) <= 80
    assert len({traits.cpu for traits in distinct}) <= 72
    assert len(containers) <= 148


def test_every_difference_between_kernels_makes_one_somewhere() -> None:
    """No two distinct of kernels answer alike to all: as a source and as a destination."""
    kernels = list({node_traits(node).kernel for node in recorded_nodes().values()})
    needs = [ContainerTraits(caps=1 << bit) for bit in range(32)]
    moved = [None, SUSPENDED, ContainerTraits(State.LOCKED), *needs]
    probes = [KernelTraits("042stab107", True, True, True, caps=number) for number in (0, 1)]
    probes += [KernelTraits(name, True, True, True, 1 << 17) for name in RELEASES]
    probes += [KernelTraits("042stab107", True, True, True, ~(1 << bit)) for bit in range(32)]
    seen = {
        (
            tuple(restore_opinion(kernel, probe, SUSPENDED) for probe in probes),
            tuple(restore_opinion(probes[1], kernel, one) for one in moved),
            tuple(restore_opinion(probe, kernel, SUSPENDED) for probe in probes[2:9]),
            kernel.is_64_bit,
        )
        for kernel in kernels
    }
    assert len(seen) == len(kernels)


def test_every_difference_between_cpus_makes_one_somewhere() -> None:
    distinct = {node_traits(node).cpu: node_traits(node) for node in recorded_nodes().values()}
    probes = list(distinct.values())
    kernel = probes[0].kernel
    alike = [structs.replace(traits, kernel=kernel) for traits in probes]
    seen = {
        tuple(
            (programs_opinion(traits, probe), programs_opinion(probe, traits))
            for probe in (structs.replace(one, kernel=kernel) for one in probes)
        )
        for traits in alike
    }
    assert len(seen) == len(distinct)


@pytest.mark.parametrize("name", SINCE_042STAB)
def test_a_missing_leaf_of_the_kernels_own_leaves_its_bits_unknown(name: str) -> None:
    node = profile(RELEASES[name])
    answers = {key: answer for key, answer in CPU.items() if key != (0x1, 0)}
    hole = structs.replace(node.cpus[0], cpuid=CpuidTable(answers.items()))
    whole = node_traits(node).kernel
    kernel = node_traits(structs.replace(node, cpus=(hole,))).kernel
    # That there is AVX, and so XSAVE, leaf 0xd tells.
    assert kernel.may_caps & caps("AESNI", "AVX", "XSAVE") == caps("AESNI")
    assert not whole.caps & ~(kernel.caps | kernel.may_caps)
