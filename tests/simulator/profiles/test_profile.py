"""A profile makes a node that runs; what its kernel's rules make of its facts."""

import errno
from typing import Any

import pytest
from msgspec.structs import replace

from simulator.facts.generations import ASKED_VERSIONS, UnknownReleaseError
from simulator.facts.override import OverrideError, parse_override
from simulator.kernel.calls import Request
from simulator.kernel.containers import Container, Needs, State
from simulator.kernel.tree import CPT, CPUID_OVERRIDE, CPUINFO, RST
from simulator.profiles.profile import (
    Answers,
    KernelFacts,
    NodeProfile,
    derive_answers,
    derive_needs,
)
from simulator.profiles.profile_json import parse_profile
from simulator.run.in_process import SimulatedSyscalls
from support.simulated_nodes import RELEASES, SINCE_042STAB, Client, caps, container, cpu, failing
from support.simulated_profiles import WORDS, encoded, good_document


def profile(**traits: Any) -> NodeProfile:
    """Return the good profile with other facts about its kernel."""
    good = parse_profile(encoded(good_document()), "node", "node.json")
    return replace(good, kernel=replace(good.kernel, **traits))


def on(generation: str) -> NodeProfile:
    return replace(profile(release=RELEASES[generation], vz_version=None), cpuid_override=None)


def test_a_kernel_has_both_modules_and_ipv6_unless_said() -> None:
    kernel = KernelFacts(release="2.6.32", machine="x86_64", vz_version=None)
    assert kernel.modules == {"vzcpt", "vzrst"}
    assert kernel.ipv6
    assert not kernel.slm_without_module
    assert kernel.boot_options == ()


# Facts


def test_what_the_kernel_decides_by_is_what_the_profile_says() -> None:
    facts = profile().facts()
    assert facts.release.generation.name == "042stab107"
    assert facts.machine == "x86_64"
    assert facts.cpuid == cpu(*WORDS)
    assert facts.boot_options == ("nordrand", "ipv6.disable=1")
    assert facts.override == parse_override("1: 0 0 fdffffff ffffffff")
    assert not facts.has_ipv6
    assert facts.slm_without_module
    assert not facts.traces


def test_a_bare_release_is_told_by_the_vz_version() -> None:
    assert profile(release="2.6.32").facts().release.generation.name == "042stab107"
    with pytest.raises(UnknownReleaseError, match="--vz-version"):
        profile(release="2.6.32", vz_version=None).facts()


def test_a_node_without_cpus_has_no_cpuid() -> None:
    assert replace(profile(machine="ia64"), cpus=()).facts().cpuid is None


def test_facts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UnknownReleaseError):
        profile(release="5.4.0", vz_version=None).facts()
    with pytest.raises(OverrideError):
        replace(profile(), cpuid_override="garbage").facts()


# The node that it makes


def test_it_runs_its_containers() -> None:
    states = {ctid: one.state for ctid, one in profile().boot().containers.items()}
    expected = dict.fromkeys((101, 102, 103, 104), State.RUNNING) | {102: State.LOCKED}
    assert states == expected


def test_it_answers_as_the_profile_says() -> None:
    kernel = profile().boot()
    answers = profile().answers
    assert Client(kernel).ask(Request.TEST_VERSION) == answers.image_version
    restorer = Client(kernel, RST)
    assert restorer.ask(Request.TEST_CAPS) == answers.capability_number
    accepted = [one for one in ASKED_VERSIONS if restorer.ask(Request.TEST_VERSION, one)]
    assert tuple(accepted) == answers.accepted_versions


@pytest.mark.parametrize(("module", "path"), [("vzcpt", CPT), ("vzrst", RST)])
def test_a_module_that_is_not_loaded_has_no_file(module: str, path: str) -> None:
    caller = SimulatedSyscalls(profile(modules=frozenset({"vzcpt", "vzrst"} - {module})).boot())
    assert not caller.exists(path)
    assert caller.exists(CPT) != caller.exists(RST)


def test_it_has_an_override_where_the_profile_knows_one() -> None:
    assert SimulatedSyscalls(profile().boot()).exists(CPUID_OVERRIDE)
    without = replace(profile(), cpuid_override=None)
    assert not SimulatedSyscalls(without.boot()).exists(CPUID_OVERRIDE)


def test_its_cpuinfo_has_every_processor() -> None:
    caller = SimulatedSyscalls(profile().boot())
    text = caller.read(caller.open(CPUINFO, 0), 1 << 16).decode()
    assert [line for line in text.splitlines() if line.startswith("processor")] == [
        f"processor\t: {number}" for number in (0, 1, 2, 3, 8, 4, 5, 6, 7)
    ]
    assert "\n\nprocessor\t: 1\n" in text


# What the rules make of it


@pytest.mark.parametrize("generation", RELEASES)
def test_versions_can_be_asked_from_042stab_on(generation: str) -> None:
    answers = derive_answers(on(generation))
    assert (answers.image_version is not None) == (generation in SINCE_042STAB)
    assert (answers.accepted_versions is not None) == (generation in SINCE_042STAB)
    assert answers.capability_number is not None


@pytest.mark.parametrize(
    ("modules", "known"),
    [
        ({"vzcpt", "vzrst"}, (True, True, True)),
        ({"vzcpt"}, (True, False, False)),
        ({"vzrst"}, (False, True, True)),
        (set(), (False, False, False)),
    ],
)
def test_a_module_that_is_not_loaded_cannot_be_asked(
    modules: set[str], known: tuple[bool, bool, bool]
) -> None:
    answers = derive_answers(profile(modules=frozenset(modules)))
    told = (answers.image_version, answers.accepted_versions, answers.capability_number)
    assert tuple(one is not None for one in told) == known


def test_the_good_profiles_answers_are_those_of_the_rules() -> None:
    assert derive_answers(profile()) == Answers(
        0x803, (0x303, 0x304, 0x800, 0x801, 0x802, 0x803), 0x1602759F
    )


def test_needs_are_gathered_where_the_contents_are_known() -> None:
    needs = derive_needs(profile(), replace(container(), needs=Needs(0)))
    assert needs == Needs(caps("CMOV", "SYSCALL", "EMT64", "NO_IPV6"))


def test_needs_are_as_stated_where_they_are_not() -> None:
    assert derive_needs(profile(), Container(ctid=1, needs=Needs(5))) == Needs(5)
    assert derive_needs(profile(), Container(ctid=1)) is None


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_nobody_can_be_asked_about_a_container_that_does_not_run(state: State) -> None:
    assert derive_needs(profile(), replace(container(), state=state)) is None


def test_nobody_can_be_asked_without_vzcpt() -> None:
    assert derive_needs(profile(modules=frozenset({"vzrst"})), container()) is None


def test_a_running_container_of_which_nothing_is_known_is_an_error_to_the_tool() -> None:
    client = Client(profile().boot())
    client.ask(Request.SET_VEID, 104)
    with failing(errno.EIO):
        client.ask(Request.TEST_VECAPS, 0)
