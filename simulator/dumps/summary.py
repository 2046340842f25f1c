"""What a dump tells of a machine: processors of one kind, how kinds differ, what is unknown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from simulator.dumps.model import (
    NOTHING_KNOWN,
    CpuDump,
    PartialAnswer,
    bits_of,
    describe_unknown,
    format_key,
)
from simulator.facts.cpu_traits import COMPONENTS
from simulator.facts.cpuid import (
    BRAND_LEAVES,
    EXTENDED_LEAF,
    PROCESSORS_OWN,
    REGISTERS,
    SIGNATURE_LEAF,
    VENDOR_LEAF,
    XSAVE_LEAF,
    Key,
    MissingLeafError,
    RegisterName,
    Registers,
    processor_ranges,
    user_components,
)
from simulator.facts.features import JUDGED_LEAVES
from vzcptcheck.processors import format_ranges

#: Linux has at most 8192; who writes more writes a name.
_MOST_PROCESSORS = 1 << 16
_PROCESSORS = re.compile("[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")

_Kind = tuple[object, ...]

#: To AVX every CPU gives the same place.
_AVX = 2


def group(dumps: Iterable[CpuDump]) -> list[CpuDump]:
    """Return one CPU for each kind, the first of it, with the numbers of all as in 0-3,8.

    CPUs that have a name instead of numbers are machines of their own, and stay apart.
    """
    kinds: dict[_Kind, list[CpuDump]] = {}
    for dump in dumps:
        named = () if numbers_of(dump) else (dump.cpus,)
        kinds.setdefault((*named, *_kind(dump)), []).append(dump)
    return [_merged(members) for members in kinds.values()]


def differences(one: CpuDump, other: CpuDump) -> Iterator[str]:
    """Name the registers in which two kinds differ, by leaf."""
    answers, others = _comparable(one), _comparable(other)
    for key in sorted(answers.keys() | others.keys()):
        own, its = answers.get(key, NOTHING_KNOWN), others.get(key, NOTHING_KNOWN)
        names = [name for name in REGISTERS if _of(own, name) != _of(its, name)]
        if names:
            yield f"{format_key(key)} {', '.join(names)}"


def unknown_answers(dump: CpuDump) -> list[str]:
    """Return what is unknown, in order: leaves and subleaves, with registers where some are known.

    Leaves and subleaves that the CPU lacks are known: they are zeros.
    """
    texts = {key: format_key(key) for key in _untold_keys(dump)}
    texts |= {key: describe_unknown(key, answer) for key, answer in dump.partial}
    return [text for _, text in sorted(texts.items()) if text]


def summarize_unknown(dumps: Iterable[CpuDump]) -> str:
    """Return in few words what is unknown of some of these CPUs."""
    texts: dict[Key, str] = {}
    for dump in dumps:
        in_part = (key for key, answer in dump.partial if not answer.is_whole())
        texts |= {key: f"bits of {format_key(key)}" for key in in_part}
        texts |= {key: format_key(key) for key in _untold_keys(dump)}
    return ", ".join(text for _, text in sorted(texts.items())) or "nothing that is looked at"


def numbers_of(dump: CpuDump) -> list[int]:
    """Return the numbers of a CPU's processors; none where it has a name instead."""
    if not _PROCESSORS.fullmatch(dump.cpus):
        return []
    ranges = list(processor_ranges(dump.cpus))
    if not all(ranges) or sum(map(len, ranges)) > _MOST_PROCESSORS:
        return []
    return list(chain.from_iterable(ranges))


def _merged(members: Sequence[CpuDump]) -> CpuDump:
    numbers = [number for member in members for number in numbers_of(member)]
    return members[0]._replace(cpus=format_ranges(sorted(set(numbers)))) if numbers else members[0]


def _kind(dump: CpuDump) -> _Kind:
    """Return all that processors of one kind have in common."""
    told = dump.mode, dump.form, dump.model_name, dump.microcode, dump.image
    return (*told, dump.table is None, tuple(_comparable(dump).items()))


def _comparable(dump: CpuDump) -> dict[Key, PartialAnswer]:
    """Return the answers without the values of what is the processor's own."""
    return {key: _without_own(key, answer) for key, answer in dump.answers().items()}


def _without_own(key: Key, answer: PartialAnswer) -> PartialAnswer:
    leaf, _ = key
    masks = (PROCESSORS_OWN.get((leaf, name), 0) for name in REGISTERS)
    values = (value & ~mask for value, mask in zip(answer.values, masks, strict=True))
    return answer._replace(values=Registers(*values))


def _of(answer: PartialAnswer, name: RegisterName) -> tuple[int, int]:
    return getattr(answer.values, name), getattr(answer.known, name)


def _untold_keys(dump: CpuDump) -> list[Key]:
    """Return the leaves and subleaves, of those that are looked at, that a dump is silent about."""
    partial = dict(dump.partial)
    return [key for key in _read_keys(dump) if key not in partial and not _is_known(dump, key)]


def _read_keys(dump: CpuDump) -> Iterator[Key]:
    """Yield each leaf and subleaf that some part of this program reads."""
    for leaf in (VENDOR_LEAF, SIGNATURE_LEAF, EXTENDED_LEAF, *BRAND_LEAVES, XSAVE_LEAF):
        yield leaf, 0
    yield from JUDGED_LEAVES
    answer = dump.answers().get((XSAVE_LEAF, 0), NOTHING_KNOWN)
    present = bits_of(user_components(answer.values))
    yield from ((XSAVE_LEAF, number) for number in present if number in COMPONENTS.keys() - {_AVX})


def _is_known(dump: CpuDump, key: Key) -> bool:
    if dump.table is None:
        return False
    try:
        dump.table.answer(*key)
    except MissingLeafError:
        return False
    return True
