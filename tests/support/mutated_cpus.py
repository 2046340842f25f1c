"""CPUs that never were, made of those that CRIU was asked about: whole, and known in part."""

from hypothesis import strategies as st

from simulator.facts.cpuid import ALL_BITS, CpuidTable, Key, Registers
from support.criu import recorded_cpus
from support.criu_rules import Cpuid

#: The registers that CRIU reads, and how they are mutated.
_LEAVES: tuple[Key, ...] = (
    *((leaf, 0) for leaf in (1, 6, 7, 0xD, 0xF)),
    *((leaf, 1) for leaf in (0xD, 0xF)),
    *((0x8000_0000 + leaf, 0) for leaf in (1, 7, 8, 0xA)),
)
_VENDORS = ("GenuineIntel", "AuthenticAMD", "HygonGenuine", "CentaurHauls")
_LAST = (0, 1, 5, 6, 7, 0xC, 0xD, 0xE, 0xF, 0x1F, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_LAST_EXTENDED = (0, *(0x8000_0000 + one for one in (0, 1, 6, 7, 8, 9, 0xA, 0x21)), 0xFFFFFFFF)
_FAMILIES = (0x0F47, 0x0F48, 0x0F4F, 0x0F50, 0x0F57, 0x0F58, 0x0F60, 0x106A3, 0x800F12, 0x5A2)

_masks = (
    st.integers(0, ALL_BITS)
    | st.sampled_from([0, ALL_BITS])
    | st.integers(0, 31).map(lambda bit: 1 << bit)
)


@st.composite
def mutated(draw: st.DrawFn) -> CpuidTable:
    """Draw a CPU: a recorded one, with other bits, leaves, family and vendor."""
    table = draw(st.sampled_from([cpu.table for cpu in recorded_cpus().values()]))
    answers = dict(table.items())
    for key in draw(st.lists(st.sampled_from(_LEAVES), max_size=4)):
        values = draw(st.tuples(_masks, _masks, _masks, _masks))
        own = answers.get(key, Registers(0, 0, 0, 0))
        answers[key] = Registers(*(one ^ other for one, other in zip(own, values, strict=True)))
    first = answers[0, 0]
    if draw(st.booleans()):
        name = draw(st.sampled_from(_VENDORS)).encode()
        ebx, edx, ecx = (int.from_bytes(name[at : at + 4], "little") for at in (0, 4, 8))
        first = first._replace(ebx=ebx, ecx=ecx, edx=edx)
    if draw(st.booleans()):
        first = first._replace(eax=draw(st.sampled_from(_LAST)))
    if draw(st.booleans()):
        answers[1, 0] = answers[1, 0]._replace(eax=draw(st.sampled_from(_FAMILIES)))
    if draw(st.booleans()):
        last = draw(st.sampled_from(_LAST_EXTENDED))
        answers[0x80000000, 0] = answers[0x80000000, 0]._replace(eax=last)
    answers[0, 0] = first
    return CpuidTable(answers.items())


def cpuid_of(table: CpuidTable) -> Cpuid:
    """Return the instruction, as CRIU executes it: it looks at the last leaves itself."""
    answers = dict(table.items())
    return lambda leaf, subleaf: answers.get((leaf, subleaf), Registers(0, 0, 0, 0))


def in_part(table: CpuidTable, data: st.DataObject) -> CpuidTable:
    """Return a CPU of which some registers are known in part, or not at all."""
    # What a CPU answers to a leaf that it lacks is not its own, and no dump of it has that.
    answers, partial = dict(table.without_foreign().items()), {}
    # Of a CPU whose last leaf is not known it is taken that it has leaf 1, no negative number, and
    # leaf 0xD if it has XSAVE.
    keys = [(0, 0), *_LEAVES] if 0xD <= answers[0, 0].eax < 1 << 31 else _LEAVES
    for key in data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=4)):
        own = answers.pop(key, Registers(0, 0, 0, 0))
        known = Registers(*data.draw(st.tuples(_masks, _masks, _masks, _masks)))
        if key == (0, 0):
            known = Registers(known.eax, ALL_BITS, ALL_BITS, ALL_BITS)
        values = Registers(*(one & mask for one, mask in zip(own, known, strict=True)))
        if known == Registers(*[ALL_BITS] * 4):
            answers[key] = own
        elif any(known):
            partial[key] = values, known
    return CpuidTable(answers.items(), partial.items())
