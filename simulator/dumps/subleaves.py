"""Which subleaf a row is of, where the line does not say it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulator.dumps.model import DumpError, bits_of
from simulator.facts.cpuid import XSAVE_LEAF, Key, Registers, supervisor_components, user_components

#: Leaves that look at ECX: where a dump repeats one of them, the subleaf counts up
#: (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
LEAVES_WITH_SUBLEAVES = frozenset(
    {0x4, 0x7, 0xB, 0xD, 0xF, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1A, 0x1B, 0x1D, 0x1E, 0x1F, 0x20}
    | {0x23, 0x24, 0x27, 0x28, 0x29, 0x8000_001D, 0x8000_0020, 0x8000_0026}
)

#: AVX's component has this size and this place on every CPU (Intel SDM volume 1, 13.4.2).
_AVX = (0x100, 0x240)
_AVX_COMPONENT = 2


class Row(NamedTuple):
    """An answer as a line gives it; ``subleaf`` is None where the line does not say."""

    line: int
    leaf: int
    subleaf: int | None
    registers: Registers


def number_rows(rows: Sequence[Row]) -> Iterator[tuple[Key, Registers]]:
    """Yield the answers of a CPU by leaf and subleaf, as far as that can be told.

    A row may leave its subleaf unsaid. Then a leaf that has subleaves counts them up from 0,
    leaf 0xD names components of the state that XSAVE saves (those that the CPU says it has, in
    order; where this cannot be told, only those that can are taken), and any other leaf may be
    repeated with the same answer only. DumpError where only some rows of a leaf say theirs.
    """
    leaves: dict[int, list[Row]] = {}
    for row in rows:
        leaves.setdefault(row.leaf, []).append(row)
    for leaf, repeats in leaves.items():
        # Shorter where some subleaves cannot be told: those rows are left out.
        for subleaf, row in zip(_subleaves(leaf, repeats), repeats, strict=False):
            yield (leaf, subleaf), row.registers


def _subleaves(leaf: int, rows: Sequence[Row]) -> Sequence[int]:
    """Return the subleaf of each of a leaf's rows, as far as it can be told."""
    said = [row.subleaf for row in rows if row.subleaf is not None]
    if len(said) == len(rows):
        return said
    if said:
        return _complete(said, rows)
    if leaf == XSAVE_LEAF:
        return _number_xsave([row.registers for row in rows])
    return range(len(rows)) if leaf in LEAVES_WITH_SUBLEAVES else [0] * len(rows)


def _complete(said: list[int], rows: Sequence[Row]) -> Sequence[int]:
    """Take the first row for subleaf 0 where all others say another."""
    if len(said) == len(rows) - 1 and rows[0].subleaf is None and 0 not in said:
        return [0, *said]
    raise DumpError(f"only some lines of leaf {rows[0].leaf:#010x} say the subleaf", rows[0].line)


def _number_xsave(answers: Sequence[Registers]) -> Sequence[int]:
    """Return the subleaf of each answer of leaf 0xD, as far as it can be told.

    Old versions list subleaf 0, and then the components: AVX's answer there is no subleaf 1,
    which has flags of XSAVE's instructions in EAX. Others list subleaf 1 between them.
    """
    if answers[1:] and answers[1][:2] == _AVX:
        return [0, *(_number_components(answers, 1, 0) or [_AVX_COMPONENT])]
    supervisor = sum(map(supervisor_components, answers[1:2]))
    return [0, 1, *(_number_components(answers, 2, supervisor) or [])]


def _number_components(
    answers: Sequence[Registers], begin: int, supervisor: int
) -> Sequence[int] | None:
    """Return the component of each answer from ``begin`` on; None where it cannot be told.

    There is one subleaf for each component from 2 on. A program may show those that XCR0 or
    IA32_XSS may have, or XCR0's only; as many answers as components tell which. Or it shows
    every number, zeros where there is no component.
    """
    user = user_components(answers[0])
    shown = answers[begin:]
    for components in _component_lists(user, supervisor):
        if len(components) == len(shown):
            return components
    numbers = range(_AVX_COMPONENT, _AVX_COMPONENT + len(shown))
    both = user | supervisor
    fits = all(
        any(one) == bool(both >> number & 1) for number, one in zip(numbers, shown, strict=True)
    )
    return numbers if fits else None


def _component_lists(user: int, supervisor: int) -> Iterator[list[int]]:
    yield bits_of((user | supervisor) & ~3)
    yield bits_of(user & ~3)
