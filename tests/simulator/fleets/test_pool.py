"""Groups of nodes, and the smallest change that makes one of them, proven on the nodes."""

import re
from collections.abc import Iterable
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.errors import UserError
from simulator.facts.cpuid import CpuidTable
from simulator.facts.features import MASKS, features_in
from simulator.facts.override import MAX_ENTRIES, apply_override, format_override, parse_override
from simulator.fleets import pool_change, pool_options
from simulator.fleets.pool import Rule, Stage, count_pairs, differences, unlocked
from simulator.fleets.pool_change import (
    Boot,
    Change,
    Pool,
    PoolError,
    Upgrade,
    loss_of,
    make_pool,
    obstacles,
)
from simulator.kernel.containers import Container, Needs
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles import changes as profile_changes
from simulator.profiles.masking import Basis, basis_of, make_lines, with_dependents
from simulator.profiles.profile import NodeProfile, Origin, OriginKind
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.store import load_node
from simulator.verdicts.verdict import Verdict
from support.simulated_nodes import AMD, BASELINE, caps, cpu, maskable, plain, with_xsave
from support.simulated_profiles import recorded_nodes

OLD, EARLY, V088 = "2.6.18-028stab056.1", "2.6.32-042stab061.9", "2.6.32-042stab088.4"
MASKING = "042stab141.3.SandyBridge.forced_cpuid_faulting"
PENRYN = "042stab141.3.Penryn.default"

FPU = ("101:fpu",)
#: The least capability number of the nodes here: CMOV, FXSR, SSE, SSE2, MMX, SEP, EMT64, SYSCALL,
#: SEP32, NAMESPACES.
LEAST = 0x2159F
SSE4, AES, XSAVE, AVX, RDRAND = 3 << 13, 1 << 27, 1 << 25, 1 << 26, 1 << 29
SANDY = ("sse4_1", "sse4_2", "aesni", "xsave", "avx")


#: A CPU that has AVX, and no XSAVE to save it.
ODD = cpu(*BASELINE, "sse4_1", "sse4_2", "aesni", "avx")


def pool(*profiles: NodeProfile, **rule: Any) -> Pool:
    """Make a pool by restore alone, unless the rule says otherwise."""
    return make_pool(profiles, Rule(**{"restore_only": True, **rule}))


def groups(stage: Stage) -> list[str]:
    """Return each group's names, which are of one letter."""
    return ["".join(stage.name(group)) for group in stage.groups]


def changed(*profiles: NodeProfile, **rule: Any) -> Change:
    change = pool(*profiles, **rule).change
    assert change is not None
    return change


def texts(change: Change) -> dict[str, str]:
    """Return what is to be written, by node."""
    nodes = change.after.nodes
    return {nodes[number].name: mask.text for mask in change.masks for number in mask.nodes}


def numbers(stage: Stage) -> list[int | None]:
    return [one.profile.answers.capability_number for one in stage.nodes]


# Groups


def test_nodes_that_are_alike_are_one_group() -> None:
    made = pool(plain("a"), plain("b"), plain("c"))
    assert groups(made.now) == ["abc"]
    assert (made.now.possible_pairs, made.now.verdict) == (6, Verdict.POSSIBLE)
    assert made.change is None


def test_a_node_is_one_group_whatever_it_is() -> None:
    made = pool(plain("a", release=OLD))
    assert groups(made.now) == ["a"]
    assert (made.now.possible_pairs, made.now.verdict) == (0, Verdict.POSSIBLE)


def test_a_node_without_containers_counts_for_one_that_uses_all_it_has() -> None:
    made = pool(plain("a", "aesni"), plain("b"))
    assert groups(made.now) == ["a", "b"]
    assert (made.now.possible_pairs, made.now.verdict) == (1, Verdict.NOT_POSSIBLE)


def test_what_may_come_to_a_64_bit_kernel_is_of_64_bits() -> None:
    wide, narrow = pool(plain("a"), plain("b", machine="i686")).now.nodes
    assert wide.behaviour.needs ^ narrow.behaviour.needs == caps("EMT64", "SYSCALL")


def test_a_node_with_containers_counts_for_what_they_use() -> None:
    # Container 101 has not used the FPU.
    nodes = plain("a", "aesni", containers=("101",)), plain("b", containers=("101",))
    assert groups(pool(*nodes).now) == ["ab"]
    assert groups(pool(*nodes, any_container=True).now) == ["a", "b"]


def test_vendors_are_apart_for_the_32_bit_programs_that_may_come() -> None:
    made = pool(plain("a"), plain("b", vendor=AMD))
    assert groups(made.now) == ["a", "b"]
    assert made.change is None
    found = differences(made.now, *made.now.groups)
    assert [(one.feature, one.sources, one.destinations) for one in found] == [
        ("sysenter", (0,), (1,)),
        ("syscall32", (1,), (0,)),
    ]
    assert obstacles(made.now, found) == {}


@pytest.mark.parametrize(
    ("one", "other", "now"),
    [
        # Vendors are together where no 32-bit program runs.
        ({"containers": FPU}, {"vendor": AMD, "containers": FPU}, ["ab"]),
        # 042stab early: a node without IPv6 does not pass its own number.
        ({"release": EARLY, "ipv6": False}, {"release": EARLY, "ipv6": False}, ["a", "b"]),
        # Early kernels among themselves are not upgraded.
        ({"release": EARLY, "containers": FPU}, {"release": EARLY, "containers": FPU}, ["ab"]),
    ],
)
def test_two_nodes_are_together_or_not(
    one: dict[str, Any], other: dict[str, Any], now: list[str]
) -> None:
    assert groups(pool(plain("a", **one), plain("b", **other)).now) == now


def test_all_that_can_migrate_to_each_other_is_no_chain() -> None:
    # a and b fit each other, and so do b and c; a's container needs what c lacks.
    a = plain("a", "aesni", containers=FPU)
    b = plain("b", "aesni", containers=("101",))
    c = plain("c", containers=FPU)
    made = pool(a, b, c)
    assert groups(made.now) == ["ab", "c"]
    assert made.now.possible_pairs == 5


@pytest.mark.parametrize("spec", ["101:locked", "101:stopped", "101:suspended", "101:stopping"])
def test_a_container_of_which_nothing_is_known_splits_nothing(spec: str) -> None:
    made = pool(plain("a", containers=(spec,)), plain("b"))
    assert groups(made.now) == ["ab"]
    assert [(one.node, one.ctid, one.why) for one in made.uncounted] == [
        ("a", 101, spec.partition(":")[2])
    ]


def test_a_running_container_that_was_not_described_is_not_counted() -> None:
    profile = replace(plain("a"), containers=(Container(ctid=7),))
    made = pool(profile, plain("b"))
    assert [(one.ctid, one.why) for one in made.uncounted] == [(7, "needs not known")]
    assert groups(made.now) == ["ab"]


@pytest.mark.parametrize(
    "word", ["entered", "traced", "policy=fifo", "mount=nfs", "device=tun0", "mempolicy", "keys"]
)
def test_what_cannot_be_moved_anywhere_splits_nothing_but_for_its_cpu(word: str) -> None:
    spec = f"101:fpu,{word}"
    assert groups(pool(plain("a", containers=(spec,)), plain("b")).now) == ["ab"]
    assert groups(pool(plain("a", "aesni", containers=(spec,)), plain("b")).now) == ["a", "b"]


def test_private_mounts_are_the_containers_own_matter_before_042stab_and_asked_after() -> None:
    spec = ("101:private-mounts",)
    made = pool(
        plain("a", release=V088, containers=spec), plain("b", release="2.6.32-dzhanibekov.1")
    )
    found = differences(made.now, *made.now.groups)
    assert ("destination-namespaces", (0,)) in [(one.code, one.sources) for one in found]


def test_what_is_not_known_is_no_yes() -> None:
    made = pool(plain("a", modules=frozenset()), plain("b", modules=frozenset()))
    assert groups(made.now) == ["a", "b"]
    assert made.now.verdict is Verdict.UNKNOWN
    assert made.change is None
    found = differences(made.now, *made.now.groups)
    assert [(one.code, one.feature) for one in found[:2]] == [
        ("module-missing", "vzcpt"),
        ("module-missing", "vzrst"),
    ]


def test_two_nodes_of_one_name_are_a_mistake() -> None:
    with pytest.raises(UserError, match="two nodes are named a"):
        pool(plain("a"), plain("b"), plain("a"))


# Lines


def test_the_recorded_node_that_masks_goes_with_an_older_cpu() -> None:
    made = pool(load_node(MASKING), load_node(PENRYN))
    change = made.change
    assert change is not None
    # Leaf 1 ECX 9e982203 without SSE4.2 (20), AES (25), XSAVE (26), OSXSAVE (27), AVX (28).
    assert texts(change) == {
        MASKING: "0x00000001: 0x000206a1 0x00000800 0x80882203 0x078bfbfd\n"
        "0x0000000d: 0x00000000 0x00000000 0x00000000 0x00000000\n"
    }
    assert numbers(change.after) == [144799, 144799]
    assert change.after.groups == ((0, 1),)
    assert made.now.possible_pairs == 1
    (pair,) = unlocked(made.now, change.after)
    assert (pair.sources, pair.destinations) == ((0,), (1,))
    assert unlocked(change.after, made.now) == ()
    loss = loss_of(made.now.nodes[0], change.after.nodes[0])
    assert {row.name for row in loss.features} == {"sse4_2", "aes", "xsave", "avx", "xsaveopt"}
    assert (loss.number_before, loss.number_after) == (235042207, 144799)


def test_nodes_get_the_same_number_where_each_has_what_another_lacks() -> None:
    change = changed(maskable("a", "aesni"), maskable("b", "rdrand"), maskable("c"))
    assert groups(change.after) == ["abc"]
    assert numbers(change.after) == [LEAST] * 3
    assert set(texts(change)) == {"a", "b"}


def test_nodes_alike_get_one_text() -> None:
    change = changed(maskable("a", "aesni"), maskable("b", "aesni"), plain("c"))
    (mask,) = change.masks
    assert mask.nodes == (0, 1)
    assert [count_pairs(unlocked(change.after, change.after))] == [0]


def test_a_node_that_cannot_mask_is_what_the_others_come_down_to() -> None:
    change = changed(maskable("a", *SANDY, "rdrand"), plain("b", "sse4_1", "aesni"))
    assert numbers(change.after) == [LEAST | 1 << 13 | AES] * 2
    assert set(texts(change)) == {"a"}


def test_a_node_that_cannot_mask_and_has_more_stays_out() -> None:
    made = pool(maskable("a", "aesni"), plain("b", "aesni"), plain("c"))
    assert groups(made.now) == ["ab", "c"]
    assert made.change is None
    # a and c alone could be one group, and then b would be left.
    assert made.pairs == ((0, 2),)
    found = differences(made.now, *made.now.groups)
    assert {(one.feature, one.sources, one.destinations) for one in found} == {
        ("aesni", (0, 1), (2,))
    }
    assert [(why.name, members) for why, members in obstacles(made.now, found).items()] == [
        ("CPU", (1,))
    ]


def test_a_node_hides_what_another_has_to_hide() -> None:
    # c lacks AES, so a hides it; then a lacks it for b.
    a, b = maskable("a", "aesni"), maskable("b", "aesni", containers=FPU)
    change = changed(a, b, plain("c"))
    assert numbers(change.after) == [LEAST] * 3


def test_a_node_hides_what_goes_with_what_another_lacks() -> None:
    # One has AVX and lacks XSAVE, as some hypervisors let it look: XSAVE takes AVX along.
    odd = maskable("b", table=ODD)
    assert odd.answers.capability_number == LEAST | SSE4 | AES | AVX
    change = changed(maskable("a", *SANDY), odd)
    assert numbers(change.after) == [LEAST | SSE4 | AES] * 2


def test_a_change_that_makes_no_fewer_groups_is_none() -> None:
    # As above, but the odd one cannot mask: what it needs would not be there any more.
    made = pool(maskable("a", *SANDY), plain("b", table=ODD))
    assert groups(made.now) == ["a", "b"]
    assert made.change is None
    assert made.pairs == ()


def test_containers_that_do_not_need_it_let_a_node_keep_a_feature() -> None:
    a = maskable("a", "aesni", "rdrand", containers=("101",))
    b = maskable("b", "aesni", "rdrand", containers=FPU)
    c = plain("c", containers=FPU)
    change = changed(a, b, c)
    assert numbers(change.after) == [LEAST | AES | RDRAND, LEAST, LEAST]
    both = changed(a, b, c, any_container=True)
    assert numbers(both.after) == [LEAST] * 3


def test_needs_that_were_recorded_alone_go_down_with_the_node() -> None:
    a = maskable("a", "aesni")
    a = replace(a, containers=(Container(ctid=101, needs=Needs(AES | 1 << 1)),))
    change = changed(a, plain("b"))
    assert groups(change.after) == ["ab"]
    assert change.after.nodes[0].profile.containers[0].needs == Needs(1 << 1)


def test_each_vendor_gets_a_pool_of_its_own() -> None:
    change = changed(
        maskable("a", "aesni"),
        plain("b"),
        maskable("c", "aesni", vendor=AMD),
        plain("d", vendor=AMD),
    )
    assert groups(change.after) == ["ab", "cd"]


def test_pairs_that_a_change_takes_away_are_named() -> None:
    # b needs AES and cannot mask, so it cannot be with c; a could take from b, and hides AES.
    nodes = maskable("a", "aesni"), plain("b", "aesni"), plain("c"), maskable("d", "rdrand")
    made = pool(*nodes)
    assert groups(made.now) == ["ab", "c", "d"]
    assert made.change is not None
    assert groups(made.change.after) == ["acd", "b"]
    (lost,) = unlocked(made.change.after, made.now)
    assert (lost.sources, lost.destinations) == ((1,), (0,))


# Programs


def test_programs_count_unless_they_are_left_out() -> None:
    names = ("masked-nothing.042stab113.5", "042stab141.3.SandyBridge.default")
    haswell, sandy = map(load_node, names)
    restored = make_pool([haswell, sandy], Rule(restore_only=True))
    assert restored.change is not None
    loss = loss_of(restored.now.nodes[0], restored.change.after.nodes[0])
    assert {row.name for row in loss.features} == {"rdrand"}
    both = make_pool([haswell, sandy], Rule())
    assert both.change is not None
    assert both.change.after.verdict is Verdict.POSSIBLE
    loss = loss_of(both.now.nodes[0], both.change.after.nodes[0])
    lost = {row.name for row in loss.features}
    assert {"rdrand", "fma", "movbe", "f16c", "bmi1", "avx2", "bmi2", "abm"} <= lost
    waived = make_pool([haswell, sandy], Rule(waived=("instructions-missing",)))
    assert waived.change is not None
    loss = loss_of(waived.now.nodes[0], waived.change.after.nodes[0])
    assert {row.name for row in loss.features} == {"rdrand", "abm"}


def test_what_was_never_shown_is_in_no_area() -> None:
    made = pool(load_node(MASKING), load_node(PENRYN), restore_only=False)
    found = {one.code for one in differences(made.now, *made.now.groups)}
    assert {"xsave-area-smaller", "xsave-component-missing"} <= found
    assert made.change is not None
    assert len(made.change.after.groups) == 1
    assert "0x0000000d:" + " 0x00000000" * 4 in texts(made.change)[MASKING].splitlines()


def test_where_nobody_can_be_asked_the_fpu_may_be_used() -> None:
    nodes = map(load_node, (MASKING, PENRYN))
    unasked = [replace(one, kernel=replace(one.kernel, modules=frozenset())) for one in nodes]
    made = pool(*unasked, restore_only=False)
    found = {one.code for one in differences(made.now, *made.now.groups)}
    assert {"module-missing", "xsave-area-smaller"} <= found


# Upgrades


def test_a_kernel_that_takes_no_newer_image_is_upgraded() -> None:
    made = pool(plain("a"), plain("b", release=EARLY))
    change = made.change
    assert change is not None
    assert change.masks == ()
    assert change.upgrades == (Upgrade(V088, or_later=True, nodes=(1,)),)
    assert groups(change.after) == ["ab"]
    assert change.after.nodes[1].profile.kernel.release == V088


def test_where_one_has_to_be_upgraded_no_other_is_left_behind() -> None:
    change = changed(plain("a", release=EARLY), plain("b", release=OLD), plain("c", release=V088))
    assert change.upgrades == (Upgrade(V088, or_later=True, nodes=(0, 1)),)
    assert groups(change.after) == ["abc"]


def test_there_is_no_newer_kernel_for_ia64() -> None:
    made = pool(plain("a", release=OLD, machine="ia64"), plain("b", release=EARLY))
    assert made.change is None
    made = pool(plain("a", release=OLD, machine="ia64"), plain("b", release=EARLY), plain("c"))
    assert made.change is not None
    assert groups(made.change.after) == ["bc", "a"]


def test_lines_and_upgrades_go_together() -> None:
    made = pool(maskable("a", "aesni"), plain("b", release=EARLY))
    change = made.change
    assert change is not None
    assert (set(texts(change)), [one.nodes for one in change.upgrades]) == ({"a"}, [(1,)])
    assert groups(change.after) == ["ab"]


def test_a_32_bit_kernel_is_of_another_pool() -> None:
    made = pool(plain("a", containers=FPU), plain("b", machine="i686", containers=FPU))
    assert made.change is None
    features = {one.feature for one in differences(made.now, *made.now.groups)}
    assert "emt64" in features


def test_the_same_cpu_under_an_older_kernel_takes_a_newer_one() -> None:
    # RDRAND: a kernel shows its bit from 042stab101.5 on.
    made = pool(plain("a", "rdrand"), plain("b", "rdrand", release="2.6.32-042stab092.1"))
    assert made.change is not None
    assert made.change.upgrades == (Upgrade("2.6.32-042stab101.5", or_later=True, nodes=(1,)),)
    assert made.change.masks == ()
    assert groups(made.change.after) == ["ab"]


def test_many_old_kernels_stay_where_one_new_one_can_hide_what_they_do_not_show() -> None:
    old = [plain(name, "rdrand", release="2.6.32-042stab092.1") for name in "bcd"]
    change = changed(maskable("a", "rdrand"), *old)
    assert set(texts(change)) == {"a"}
    assert change.upgrades == ()


def test_a_later_kernel_does_not_always_do_as_well() -> None:
    # The newest one counts every process as having used the FPU, and c's then needs AES.
    early = plain("c", "aesni", release=EARLY, containers=("101",))
    change = changed(early, plain("a"), plain("b"))
    assert change.upgrades == (Upgrade(V088, or_later=False, nodes=(0,)),)


def test_a_kernel_that_may_ask_for_more_may_not_do_as_well() -> None:
    # Whether the newest one counts every process as having used the FPU depends on XSAVEOPT.
    whole = cpu(*BASELINE, "xsave", "aesni", vendor=AMD)
    table = CpuidTable((key, one) for key, one in whole.items() if key != (13, 1))
    early = plain("b", release=EARLY, table=table, containers=("101",))
    change = changed(plain("a", vendor=AMD, containers=("101",)), early)
    assert change.upgrades == (Upgrade(V088, or_later=False, nodes=(1,)),)


def test_the_newest_kernel_is_proposed_where_nothing_older_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only = "2.6.32-042stab101.5"
    for module, name, value in [
        (profile_changes, "UPGRADES", (only,)),
        (pool_options, "UPGRADES", (only,)),
        (pool_change, "NEWEST", only),
    ]:
        monkeypatch.setattr(module, name, value)
    change = changed(plain("a", "rdrand"), plain("b", "rdrand", release="2.6.32-042stab092.1"))
    assert change.upgrades == (Upgrade(only, or_later=True, nodes=(1,)),)


# Boot options


@pytest.mark.parametrize(
    ("words", "facts", "option"),
    [
        (("rdrand",), {"boot_options": ("quiet", "nordrand")}, "nordrand"),
        (("aesni",), {"boot_options": ("clearcpuid=153",)}, "clearcpuid=153"),
        ((), {"boot_options": ("ipv6.disable=1",), "ipv6": False}, "ipv6.disable=1"),
    ],
)
def test_a_boot_option_that_hides_something_goes(
    words: tuple[str, ...], facts: dict[str, Any], option: str
) -> None:
    change = changed(plain("a", *words), plain("b", *words, **facts))
    assert change.boots == (Boot((option,), (1,)),)
    assert (change.masks, change.upgrades) == ((), ())
    assert groups(change.after) == ["ab"]


def test_boot_options_that_are_not_in_the_way_stay() -> None:
    other = plain("b", "rdrand", "aesni", boot_options=("nordrand", "clearcpuid=153"))
    change = changed(plain("a", "rdrand"), plain("c", "rdrand"), other, any_container=True)
    assert groups(change.after) == ["acb"] or groups(change.after) == ["abc"]
    assert change.boots == (Boot(("nordrand",), (2,)),)


# Masks that are lifted or widened


def test_a_mask_on_the_same_cpu_is_lifted() -> None:
    text = "1: 206d7 0 0 7808800\n80000002: 1 2 3 4\n"
    change = changed(plain("a", "aesni"), maskable("b", "aesni", override=text))
    (mask,) = change.masks
    assert mask.text == "0x80000002: 0x00000001 0x00000002 0x00000003 0x00000004\n"
    assert (mask.hides, mask.is_certain, mask.nodes) == (False, True, (1,))
    assert groups(change.after) == ["ab"]


def test_a_mask_is_widened_where_a_third_node_still_needs_a_part_of_it() -> None:
    masked = maskable("b", "aesni", "rdrand", override="1: 206d7 0 0 7808800\n")
    change = changed(plain("a", "aesni"), masked, plain("c", "aesni"))
    (mask,) = change.masks
    # RDRAND (30) stays hidden, AES (25) is shown.
    assert mask.text == "0x00000001: 0x000206d7 0x00000000 0x02000000 0x07808800\n"
    assert (mask.hides, mask.nodes) == (False, (1,))


def test_a_mask_that_a_third_node_needs_stays() -> None:
    masked = maskable("b", "aesni", override="1: 206d7 0 0 7808800\n")
    change = changed(maskable("a", "aesni"), masked, plain("c"))
    assert set(texts(change)) == {"a"}
    assert groups(change.after) == ["abc"]


# Nodes of which a dump does not tell whether they can mask


def ivy_bridge(*words: str) -> CpuidTable:
    table = cpu(*BASELINE, *words)
    return table.replace({(1, 0): table[1, 0]._replace(eax=0x306A9)})


def test_lines_are_conditional_where_nobody_knows_of_the_file() -> None:
    change = changed(plain("a", table=ivy_bridge("aesni")), plain("b"))
    (mask,) = change.masks
    assert (mask.hides, mask.is_certain, mask.nodes) == (True, False, (0,))
    assert groups(change.after) == ["ab"]


def test_what_is_certain_goes_before_what_is_not() -> None:
    # Upgrading b does it; so would lines on a, if it had the file.
    old = plain("b", "rdrand", release="2.6.32-042stab092.1")
    change = changed(plain("a", table=ivy_bridge("rdrand")), old)
    assert change.masks == ()
    assert change.upgrades[0].nodes == (1,)


def test_a_node_that_was_looked_at_and_has_no_file_is_given_no_lines() -> None:
    seen = replace(
        plain("a", table=ivy_bridge("aesni")), origin=Origin(OriginKind.CAPTURED, "a node")
    )
    assert pool(seen, plain("b")).change is None


def test_an_old_kernel_is_upgraded_and_then_given_lines() -> None:
    # 061.9 takes no image of 088's; b's programs have to find AES wherever they come.
    old = plain("a", table=ivy_bridge("aesni"), release=EARLY)
    change = changed(old, plain("b"))
    assert change.upgrades == (Upgrade("2.6.32-042stab101.5", or_later=True, nodes=(0,)),)
    (mask,) = change.masks
    assert (mask.is_certain, mask.nodes) == (False, (0,))
    assert groups(change.after) == ["ab"]


# XSAVE's area


def test_nodes_on_both_sides_of_avx512_are_one_group_with_lines_on_both() -> None:
    smaller, larger = with_xsave(with_avx512=False), with_xsave(with_avx512=True)
    made = pool(maskable("a", table=smaller), maskable("b", table=larger), restore_only=False)
    assert groups(made.now) == ["a", "b"]
    assert made.now.possible_pairs == 0
    assert made.change is not None
    assert groups(made.change.after) == ["ab"]
    assert texts(made.change) == {
        # Programs have room for what XSAVE writes on b.
        "a": "0x0000000d 0x00000000: 0x00000007 0x00000a80 0x00000a80 0x00000000\n",
        # Programs do not use what a does not save: AVX-512F (16) goes, AVX2 (5) stays.
        "b": "0x00000007 0x00000000: 0x00000000 0x00000020 0x00000000 0x00000000\n",
    }
    assert [(mask.area, mask.hides) for mask in made.change.masks] == [(2688, True), (0, True)]


def test_an_upgrade_that_enables_the_same_state_does_without_lines() -> None:
    table = with_xsave(with_avx512=True)
    old = plain("a", table=table, release="2.6.32-042stab092.1")
    change = changed(old, plain("b", table=table), restore_only=False)
    assert change.upgrades == (Upgrade("2.6.32-042stab108.1", or_later=True, nodes=(0,)),)
    assert change.masks == ()


# Errors of the program


def test_a_node_that_answers_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(_: SimulatedKernel, __: str) -> None:
        """Take a table, and do nothing."""

    monkeypatch.setattr(SimulatedKernel, "write_override", forget)
    with pytest.raises(PoolError, match="a: with its lines"):
        pool(maskable("a", "aesni"), plain("b"))


# Any fleet of nodes that can mask

_CLOSED = {"sse4_2": "sse4_1", "avx": "sse4_2 xsave", "3dnowext": "3dnow", "xsaveopt": "xsave"}
_WORDS = ("sse4_1", "sse4_2", "aesni", "xsave", "avx", "rdrand", "sse4a", "3dnow", "3dnowext")
_SPECS = st.lists(st.sampled_from(["101", "102:fpu", "103:32bit", "104:fpu,entered"]), unique=True)


@st.composite
def _cpus(draw: st.DrawFn) -> list[str]:
    words = draw(st.sets(st.sampled_from([*_WORDS, "xsaveopt"])))
    for word in (*_WORDS, "xsaveopt"):
        if not set(_CLOSED.get(word, "").split()) <= words:
            words.discard(word)
    return sorted(words)


@st.composite
def fleets(draw: st.DrawFn) -> list[NodeProfile]:
    count = draw(st.integers(2, 5))
    return [
        maskable(chr(97 + number), *draw(_cpus()), containers=tuple(draw(_SPECS)))
        for number in range(count)
    ]


def written(fleet: Iterable[NodeProfile], change: Change) -> list[NodeProfile]:
    """Return the nodes as profiles that say so themselves."""
    own = texts(change)
    return [
        profile
        if profile.name not in own
        else check_profile(change.after.nodes[number].profile, profile.name)
        for number, profile in enumerate(fleet)
    ]


@settings(deadline=None, max_examples=30)
@given(fleets(), st.booleans())
def test_any_fleet_that_can_mask_becomes_one_group(fleet: list[NodeProfile], any_one: bool) -> None:
    made = pool(*fleet, any_container=any_one)
    if made.change is None:
        assert len(made.now.groups) == 1
        return
    change = made.change
    assert change.upgrades == ()
    assert len(change.after.groups) == 1
    assert change.after.verdict is Verdict.POSSIBLE
    assert len(pool(*written(fleet, change), any_container=any_one).now.groups) == 1
    if any_one:
        assert len(set(numbers(change.after))) == 1
    for profile in fleet:
        text = texts(change).get(profile.name, "")
        entries = parse_override(text)
        assert len(entries) <= MAX_ENTRIES
        assert len(text) < 1024
        own = profile.cpus[0].cpuid
        for entry in entries:
            answer = own.answer(entry.leaf, entry.subleaf or 0)
            seen = entry.registers
            osxsave = 1 << 27 if entry.leaf == 1 else 0
            assert not seen.ecx & ~answer.ecx & ~osxsave
            assert not seen.edx & ~answer.edx
            assert not seen.ebx & ~answer.ebx
        masked = apply_override(own, entries)
        for word, needed in _CLOSED.items():
            if masked.has_bit(*place(word)):
                assert all(masked.has_bit(*place(one)) for one in needed.split())


def place(word: str) -> tuple[int, int, Any, int]:
    (row,) = features_in(MASKS[word])
    return row.leaf, row.subleaf, row.register, row.bit


@settings(deadline=None, max_examples=15)
@given(fleets(), st.booleans())
def test_no_smaller_change_would_do(fleet: list[NodeProfile], any_one: bool) -> None:
    change = pool(*fleet, any_container=any_one).change
    if change is None:
        return
    after = written(fleet, change)
    for number, profile in enumerate(fleet):
        if profile.name not in texts(change):
            continue
        loss = loss_of(*(stage.nodes[number] for stage in (_now(fleet, any_one), change.after)))
        hidden = sum(MASKS[row.name] for row in loss.features)
        for row in loss.features:
            kept = hidden & ~MASKS[row.name]
            if with_dependents(kept) != kept:
                continue  # It cannot be without what else is hidden.
            smaller = list(after)
            smaller[number] = _with_hidden(profile, kept)
            assert len(pool(*smaller, any_container=any_one).now.groups) > 1


def _now(fleet: Iterable[NodeProfile], any_one: bool) -> Stage:
    return pool(*fleet, any_container=any_one).now


def _with_hidden(profile: NodeProfile, hidden: int) -> NodeProfile:
    basis = basis_of(profile)
    assert isinstance(basis, Basis)
    text = format_override(make_lines(basis, hidden))
    return pool_change.write_mask(profile, text)


# All recorded nodes


def test_no_group_of_recorded_nodes_holds_a_pair_that_is_not_possible() -> None:
    now = make_pool(recorded_nodes().values(), Rule(restore_only=True)).now
    assert sorted(number for group in now.groups for number in group) == list(range(len(now.nodes)))
    for group in now.groups:
        for one, other in product(group, repeat=2):
            source, destination = now.nodes[one].behaviour, now.nodes[other].behaviour
            assert one == other or now.is_possible(source, destination)
    assert all(len(one) >= len(other) for one, other in pairwise(now.groups))


def test_a_thousand_nodes_take_no_longer_than_their_classes() -> None:
    kinds = [maskable("x", "aesni"), maskable("x", "rdrand"), plain("x"), plain("x", vendor=AMD)]
    fleet = [replace(kinds[number % 4], name=f"n{number}") for number in range(1000)]
    made = make_pool(fleet, Rule(restore_only=True))
    assert [len(group) for group in made.now.groups] == [250] * 4
    assert made.change is not None
    assert [len(group) for group in made.change.after.groups] == [750, 250]
    assert made.change.after.possible_pairs == 750 * 749 + 250 * 249
    assert count_pairs(unlocked(made.now, made.change.after)) == 4 * 250 * 250
    assert re.fullmatch(r"n\d+", made.change.after.name(made.change.masks[0].nodes)[0])
