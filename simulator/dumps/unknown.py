"""What a dump does not tell of its CPU, of all that this program reads."""

from collections.abc import Iterable, Iterator

from simulator.dumps.model import (
    NOTHING_KNOWN,
    CpuDump,
    bits_of,
    describe_unknown,
    format_key,
)
from simulator.facts.cpuid import (
    BRAND_LEAVES,
    EXTENDED_LEAF,
    SIGNATURE_LEAF,
    VENDOR_LEAF,
    XSAVE_LEAF,
    Key,
    MissingLeafError,
    user_components,
)
from simulator.facts.features import JUDGED_LEAVES
from simulator.facts.instructions import COMPONENTS

_AVX = COMPONENTS.index("AVX")


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
    components = user_components(answer.values) & ((1 << len(COMPONENTS)) - 1)
    # Those before have their places on every CPU.
    yield from ((XSAVE_LEAF, number) for number in bits_of(components) if number > _AVX)


def _is_known(dump: CpuDump, key: Key) -> bool:
    if dump.table is None:
        return False
    try:
        dump.table.answer(*key)
    except MissingLeafError:
        return False
    return True
