"""Features by the names that hypervisors give them, and bits that they offer on their own account.

QEMU's names stand in facts/features.txt; libvirt spells most of them alike, with underscores in
some. A name that is there is a bit that is set; one that is not there says nothing: a hypervisor
may be older than the name, or hide the feature.

What a hypervisor offers to guests, it may emulate or keep for guests from elsewhere: those bits
tell nothing of the CPU. Sources: Linux arch/x86/kvm/cpuid.c (x2apic, tsc_deadline_timer, umip,
tsc_adjust, movbe, rdpid, speculation control), QEMU target/i386/cpu.c (hypervisor, arat), Xen
xen/arch/x86/cpu-policy.c (x2apic, itsc, hle, rtm, mpx, arch_capabilities in its greatest sets).
"""

from collections.abc import Iterable

from simulator.dumps.model import KnownBits
from simulator.facts.cpuid import Key, RegisterName
from simulator.facts.features import BY_NAME, FEATURES

_OFFERED_NAMES = (
    *("hypervisor", "x2apic", "tsc_deadline_timer", "osxsave", "apic", "movbe", "tsc_adjust"),
    *("umip", "ospke", "rdpid", "hle", "rtm", "mpx", "md_clear", "arch_capabilities", "spec_ctrl"),
    *("stibp", "ssbd", "amd_ibpb", "amd_ibrs", "amd_stibp", "amd_ssbd", "virt_ssbd", "invtsc"),
    *("arat", "avx10"),
)

#: Bits that hypervisors offer on their own account, by register.
_OFFERED: dict[tuple[Key, RegisterName], int] = {}
for _one in map(BY_NAME.__getitem__, _OFFERED_NAMES):
    _place = (_one.leaf, _one.subleaf), _one.register
    _OFFERED[_place] = _OFFERED.get(_place, 0) | 1 << _one.bit

#: Names that QEMU or libvirt have beside those of the table.
_ALIASES = {
    "sse3": "pni",
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
    "pclmuldq": "pclmulqdq",
    "cmt": "cqm",
}

_BY_NAME = {one.qemu_name: one for one in FEATURES if one.name and one.name not in _OFFERED_NAMES}


def add_names(known: KnownBits, names: Iterable[str]) -> None:
    """Add the features of these names as bits that are set; other names tell nothing."""
    for name in names:
        spelled = name.replace("_", "-")
        feature = _BY_NAME.get(_ALIASES.get(spelled, spelled))
        if feature is not None:
            bit = 1 << feature.bit
            known.add((feature.leaf, feature.subleaf), feature.register, bit, bit)


def add_offered(known: KnownBits, key: Key, register: RegisterName, value: int) -> None:
    """Add the bits that are set in what a hypervisor offers, but for those of its own account."""
    bits = value & ~_OFFERED.get((key, register), 0)
    known.add(key, register, bits, bits)
