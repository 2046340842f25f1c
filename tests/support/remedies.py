"""Remedies as they are printed, applied to nodes by somebody who reads them."""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from simulator.profiles.changes import (
    hiding_boot_options,
    upgrade,
    upgrades_of,
    with_ipv6,
    with_module,
    with_slm_module,
    without_boot_option,
    without_need,
    write_mask,
)
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.migrations import Migration, NodePair
from simulator.verdicts.remedies import Remedies
from simulator.verdicts.verdict import Help, Judgement, Outcome, Weight

Sides = tuple[NodeProfile, NodeProfile]

_UPGRADE = re.compile(r"Upgrade (\S+)'s kernel to (\S+) or later\.")
_LIFT = re.compile(r"Lift the mask on (\S+): 'echo > /proc/vz/cpuid_override'\.")
_BOOT = re.compile(r"Boot (\S+) without (\S+)\.")
_LOAD = re.compile(r"Load (?:it|the module|IPv6) on (\S+): 'modprobe (\w+)'\.")
_WRITE = re.compile(r"Write these lines to /proc/vz/cpuid_override on (\S+), and start the")
_ACTIONS = (_UPGRADE, _LIFT, _BOOT, _LOAD, _WRITE)


def read(help_: Help, sides: Sides, ctid: int | None) -> Sides:
    """Do what a remedy says; the text has to name a node and what to do, or be the container's."""
    found = sorted(
        (match.start(), match) for one in _ACTIONS for match in one.finditer(help_.remedy.action)
    )
    for _, match in found:
        sides = _done(match, sides, help_.remedy.lines)
    if not found:
        assert ctid is not None
        bits = 0
        for reason in help_.turns_away:
            bits |= 1 << int(reason.place.removeprefix("capability bit "))
        sides = without_need(sides[0], ctid, bits), sides[1]
    return sides


def _done(match: re.Match[str], sides: Sides, lines: str) -> Sides:
    name, *more = match.groups()
    source, destination = sides
    # What a remedy may be about on both sides is told by what there is to be done on either.
    is_source = name == source.name and not (name == destination.name and match.re is not _WRITE)
    node = source if is_source else destination
    if match.re is _UPGRADE:
        node = upgrade(node, f"2.6.32-{more[0]}")
    elif match.re is _LIFT:
        node = write_mask(node, "\n")
    elif match.re is _BOOT:
        node = without_boot_option(node, more[0])
    elif match.re is _WRITE:
        node = write_mask(node, lines)
    elif more[0] == "ipv6":
        node = with_ipv6(node)
    elif more[0] == "slm_dmprst":
        node = with_slm_module(node)
    else:
        node = with_module(node, more[0])
    return (node, destination) if is_source else (source, node)


def judge(sides: Sides, migration: Migration) -> Judgement:
    """Judge a migration between nodes as they are now."""
    pair = NodePair(*sides)
    if migration.ctid is None:
        return pair.judge_nodes().judgement
    return pair.judge_one(migration.ctid).judgement


def against(judgement: Judgement) -> set[tuple[int, str]]:
    """Return what counts against a migration: of which verdict, and the feature or the code."""
    return {
        (number, reason.feature or reason.code)
        for number, opinion in enumerate(judgement)
        for reason in opinion.reasons
        if reason.weight is not Weight.REMARK
    }


def require_true(source: NodeProfile, destination: NodeProfile) -> int:
    """Check every remedy of every kind of container between two nodes; return how many."""
    if source.name == destination.name:
        return 0
    remedies = Remedies(source, destination)
    count = 0
    for migration in _kinds(NodePair(source, destination)):
        helps = remedies.of(migration)
        count += len(helps)
        for help_ in helps:
            _require_help(help_, (source, destination), migration)
        if not any(one.outcome is Outcome.SAFE for one in helps):
            _require_hopeless((source, destination), migration)
    return count


def _kinds(pair: NodePair) -> Iterator[Migration]:
    """Yield the migrations that are not safe, one of those that are judged alike."""
    seen = set()
    for migration in pair.judge_all():
        unsafe = migration.judgement.outcome() is not Outcome.SAFE
        if unsafe and migration.judgement not in seen:
            seen.add(migration.judgement)
            yield migration


def _require_help(help_: Help, sides: Sides, migration: Migration) -> None:
    after = judge(read(help_, sides, migration.ctid), migration)
    turned = {
        (number, reason.feature or reason.code)
        for number, opinion in enumerate(migration.judgement)
        for reason in help_.turns_away
        if reason in opinion.reasons
    }
    assert turned, help_
    assert against(after) <= against(migration.judgement) - turned, help_
    assert after.outcome() is help_.outcome, help_


def _require_hopeless(sides: Sides, migration: Migration) -> None:
    """Try every single change of either node, and find none that makes the migration safe."""
    for changed in _single_changes(*sides):
        assert judge(changed, migration).outcome() is not Outcome.SAFE, (
            changed[0].origin.source,
            changed[1].origin.source,
        )


def _single_changes(source: NodeProfile, destination: NodeProfile) -> Iterator[Sides]:
    for release in upgrades_of(source):
        yield upgrade(source, release), destination
    for release in upgrades_of(destination):
        yield source, upgrade(destination, release)
    for option in hiding_boot_options(destination):
        yield source, without_boot_option(destination, option)
    if destination.cpuid_override:
        yield source, write_mask(destination, "")
    for module in {"vzcpt", "vzrst"} - destination.kernel.modules:
        yield source, with_module(destination, module)
    for module in {"vzcpt", "vzrst"} - source.kernel.modules:
        yield with_module(source, module), destination
    if not destination.kernel.ipv6:
        loaded = replace(destination.kernel, ipv6=True)
        yield source, replace(destination, kernel=loaded)
