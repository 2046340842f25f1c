"""Nodes after one change: a newer kernel, a mask lifted or written, a boot option less."""

import pytest
from msgspec.structs import replace

from simulator.facts.capabilities import eager_fpu, node_capabilities
from simulator.facts.cpuid import CpuidTable
from simulator.facts.generations import EXAMPLES, UPGRADES, UnknownReleaseError, age_of
from simulator.kernel.containers import Container, Needs, State
from simulator.profiles.changes import (
    MAX_KEPT,
    Obstacle,
    hiding_boot_options,
    lift_mask,
    obstacle_to_masking,
    upgrade,
    upgrades_of,
    without_boot_option,
    write_mask,
)
from simulator.profiles.profile import NodeProfile, Origin, OriginKind
from simulator.profiles.profile_checks import check_profile
from support.simulated_nodes import AMD, BASELINE, caps, cpu, maskable, plain
from support.simulated_profiles import recorded_nodes

OLD, EARLY, V092 = "2.6.18-028stab056.1", "2.6.32-042stab061.9", "2.6.32-042stab092.1"
SINCE_101 = "2.6.32-042stab101.5"
EAGER = "2.6.32-042stab141.3"
FULL = "".join(f"8000000{number}: 0 0 0 0\n" for number in range(2, 9)) + "2: 0 0 0 0\n"


def signed(signature: int, *words: str) -> CpuidTable:
    """Make a CPU of a family, a model and a stepping."""
    table = cpu(*BASELINE, *words)
    return table.replace({(1, 0): table[1, 0]._replace(eax=signature)})


# Signatures: Intel SDM volume 4, table 2-1, and Intel's lists of CPUs.
IVY_BRIDGE, SANDY_BRIDGE_EP, NOCONA, DIAMOND_RAPIDS = 0x306A9, 0x206D7, 0xF41, 0x400F10
PENTIUM = 0x543


# Whether a node can hide features


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (maskable("a"), None),
        (maskable("a", override=FULL), None),
        (maskable("a", override=FULL + "3: 0 0 0 0\n"), Obstacle.FULL),
        (plain("a", release=V092, table=signed(IVY_BRIDGE)), Obstacle.KERNEL),
        (plain("a", release=V092, table=signed(SANDY_BRIDGE_EP)), Obstacle.CPU),
        (plain("a", release=V092, vendor=AMD), Obstacle.CPU),
        (plain("a", table=signed(IVY_BRIDGE)), Obstacle.NOT_TOLD),
        (plain("a", table=signed(DIAMOND_RAPIDS)), Obstacle.NOT_TOLD),
        (plain("a", table=signed(SANDY_BRIDGE_EP)), Obstacle.CPU),
        (plain("a", table=signed(NOCONA)), Obstacle.CPU),
        (plain("a", machine="i686", table=signed(PENTIUM)), Obstacle.CPU),
        (plain("a", vendor=AMD), Obstacle.CPU),
        (plain("a", machine="ia64"), Obstacle.CPU),
    ],
)
def test_who_can_be_masked(profile: NodeProfile, why: Obstacle | None) -> None:
    assert obstacle_to_masking(profile) is why
    assert why is None or why.remedy


@pytest.mark.parametrize("kind", [OriginKind.CAPTURED, OriginKind.GATHERED])
def test_a_node_that_was_looked_at_and_has_no_file_cannot(kind: OriginKind) -> None:
    profile = plain("a", table=signed(IVY_BRIDGE))
    seen = replace(profile, origin=Origin(kind, "a node"))
    assert obstacle_to_masking(seen) is Obstacle.FILE


def test_how_to_find_out_names_the_option_that_says_it() -> None:
    remedy = Obstacle.NOT_TOLD.remedy
    assert "/proc/vz/cpuid_override" in remedy
    assert "compose --cpuid-override" in remedy


def test_so_many_lines_may_stay() -> None:
    assert FULL.count("\n") == MAX_KEPT


# A newer kernel


def test_releases_are_of_some_age() -> None:
    ages = [age_of(release) for release in UPGRADES]
    assert ages == sorted(set(ages))
    assert sorted(EXAMPLES.values(), key=age_of)[:3] == list(EXAMPLES.values())[:3]
    assert age_of("2.6.32", "042stab113.5") == age_of("2.6.32-042stab113.5")
    with pytest.raises(UnknownReleaseError):
        age_of("6.1.0")


def test_a_kernel_is_upgraded_to_what_is_newer() -> None:
    assert upgrades_of(plain("a", release=OLD)) == UPGRADES
    assert upgrades_of(plain("a", release=EAGER)) == ()
    newer = upgrades_of(plain("a", release="2.6.32", vz_version="042stab108.1"))
    assert newer == ("2.6.32-042stab108.2", EAGER)


def test_there_is_no_newer_kernel_for_ia64() -> None:
    assert upgrades_of(plain("a", release=OLD, machine="ia64")) == ()


@pytest.mark.parametrize("release", [EARLY, SANDY := "2.6.32-042stab113.5"])
def test_a_kernel_is_never_downgraded(release: str) -> None:
    with pytest.raises(ValueError, match="not newer"):
        upgrade(plain("a", release=SANDY), release)


def test_a_newer_kernel_shows_what_the_older_one_did_not() -> None:
    before = plain("a", "rdrand", release=V092, containers=("101:fpu", "102"))
    after = upgrade(before, SINCE_101)
    assert (before.answers.capability_number or 0) & caps("RDRAND") == 0
    assert (after.answers.capability_number or 0) & caps("RDRAND")
    first, second = after.containers
    assert first.needs is not None
    assert first.needs.caps & caps("RDRAND")
    assert second.needs is not None
    assert not second.needs.caps & caps("RDRAND")
    assert after.kernel.release == SINCE_101
    assert after.origin.source.endswith(f"; upgraded to {SINCE_101}")
    assert check_profile(after, "a") is after


def test_boot_options_and_lines_outlast_an_upgrade() -> None:
    before = maskable("a", "aesni", "rdrand", release=SINCE_101, boot_options=("nordrand",))
    masked = write_mask(before, "1: 206d7 0 40000000 7808800")
    after = upgrade(masked, EAGER)
    assert after.kernel.boot_options == ("nordrand",)
    assert after.cpuid_override == masked.cpuid_override
    assert after.answers.capability_number == masked.answers.capability_number


def test_a_captured_node_that_is_changed_is_a_composed_one() -> None:
    captured = recorded_nodes()["042stab061.9.SandyBridge.default"]
    assert captured.origin.kind is OriginKind.CAPTURED
    after = upgrade(captured, EAGER)
    assert after.origin.kind is OriginKind.COMPOSED
    assert all(one.flags is None for one in after.cpus)
    assert check_profile(after, "a") is after


def test_eager_fpu_counts_for_those_whose_needs_alone_were_recorded() -> None:
    before = plain("a", "aesni", release=V092, containers=("101",))
    (container,) = before.containers
    assert container.needs is not None
    recorded = replace(before, containers=(Container(ctid=101, needs=container.needs),))
    (after,) = upgrade(recorded, EAGER).containers
    assert after.needs is not None
    assert after.needs.caps & caps("FXSR", "AESNI") == caps("FXSR", "AESNI")


@pytest.mark.parametrize("release", [*UPGRADES[1:]])
def test_needs_that_were_recorded_alone_change_as_those_of_contents(release: str) -> None:
    for before in recorded_nodes().values():
        if release not in upgrades_of(before) or not _is_recorded_for(release, before):
            continue
        bare = replace(before, containers=tuple(map(_without_contents, before.containers)))
        after, told = upgrade(bare, release), upgrade(before, release)
        for container, other in zip(after.containers, told.containers, strict=True):
            if _is_told(other, before):
                assert _of_cpu(container) == _of_cpu(other), (before.name, other.ctid)


def _is_recorded_for(release: str, before: NodeProfile) -> bool:
    return eager_fpu(upgrade(before, release).facts()) is not None


def test_of_a_leaf_that_the_newer_kernel_asks_for_and_nobody_recorded_needs_are_not_known() -> None:
    whole = cpu(*BASELINE, "xsave", vendor=AMD)
    table = CpuidTable((key, one) for key, one in whole.items() if key != (13, 1))
    upgraded = upgrade(plain("a", release=V092, table=table, containers=("101",)), EAGER)
    assert upgraded.containers[0].needs is None


def _without_contents(container: Container) -> Container:
    return replace(container, contents=None)


def _of_cpu(container: Container) -> int:
    """Return the bits of needs that are of the CPU: none of 16 to 24 is."""
    assert container.needs is not None
    return container.needs.caps & ~0x1FF0000


def _is_told(container: Container, before: NodeProfile) -> bool:
    """Tell whether what a container needs says which processes it has."""
    if container.contents is None or container.needs is None:
        return False
    if not before.facts().release.generation.sees_vdso:
        # A 32-bit process beside a 64-bit one leaves no trace there, and a vdso leaves none.
        processes = container.contents.processes
        return len({one.bits for one in processes}) == 1 and all(one.vdso for one in processes)
    return True


# Boot options


def test_only_options_that_hide_something_are_taken_away() -> None:
    words = ("rdrand", "xsave")
    options = ("quiet", "noxsave", "nordrand", "clearcpuid=158", "eagerfpu=on", "clearcpuid=9999")
    profile = plain("a", *words, boot_options=options)
    assert hiding_boot_options(profile) == ("noxsave", "nordrand", "clearcpuid=158")
    assert hiding_boot_options(plain("a", boot_options=options)) == ()


def test_what_an_option_hid_is_there_without_it() -> None:
    before = plain("a", "rdrand", boot_options=("quiet", "nordrand"), containers=("101:fpu",))
    after = without_boot_option(before, "nordrand")
    assert after.kernel.boot_options == ("quiet",)
    assert node_capabilities(after.facts()) & caps("RDRAND")
    (container,) = after.containers
    assert container.needs is not None
    assert container.needs.caps & caps("RDRAND")
    assert check_profile(after, "a") is after


def test_ipv6_is_back_without_the_option_that_took_it() -> None:
    before = plain("a", boot_options=("ipv6.disable=1",), ipv6=False)
    assert hiding_boot_options(before) == ("ipv6.disable=1",)
    assert without_boot_option(before, "ipv6.disable=1").kernel.ipv6
    other = plain("a", boot_options=("nordrand",), ipv6=False)
    assert not without_boot_option(other, "nordrand").kernel.ipv6


# Masks


def test_a_lifted_mask_hides_nothing_and_leaves_other_lines() -> None:
    text = "1: 206d7 0 0 7808800\n80000002: 1 2 3 4\nd: 0 0 0 0\n7 0: 0 0 0 0\n"
    before = maskable("a", "aesni", override=text, containers=("101:fpu",))
    after = lift_mask(before)
    assert after.cpuid_override == "0x80000002: 0x00000001 0x00000002 0x00000003 0x00000004\n"
    assert after.answers.capability_number == maskable("a", "aesni").answers.capability_number
    (container,) = after.containers
    assert container.needs is not None
    assert container.needs.caps & caps("AESNI")


def test_needs_that_were_recorded_alone_grow_with_what_is_shown() -> None:
    text = "1: 206d7 0 0 7808800\n"
    before = maskable("a", "aesni", override=text)
    used, unused = caps("FXSR", "SSE", "CMOV"), caps("CMOV")
    containers = (
        Container(ctid=1, needs=Needs(used, ("said",))),
        Container(ctid=2, needs=Needs(unused)),
        Container(ctid=3, state=State.LOCKED),
    )
    first, second, third = lift_mask(replace(before, containers=containers)).containers
    assert first.needs == Needs(used | caps("AESNI"), ("said",))
    assert second.needs == Needs(unused)
    assert third.needs is None


def test_a_mask_that_is_written_gives_the_node_the_file() -> None:
    after = write_mask(plain("a", "aesni"), "1: 206d7 0 0 7808800")
    assert after.cpuid_override == "0x00000001: 0x000206d7 0x00000000 0x00000000 0x07808800\n"
    assert not node_capabilities(after.facts()) & caps("AESNI")
