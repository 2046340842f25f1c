"""What every form of register dump is read into: a CPU's answers, whole, in part, or unknown."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar, get_args

from simulator.errors import UserError
from simulator.facts.cpuid import (
    ALL_BITS,
    EVERY_BIT,
    INTEL,
    REGISTERS,
    CpuidTable,
    Key,
    RegisterName,
    Registers,
)
from simulator.facts.features import LONG_MODE, SYSCALL
from vzcptcheck.cpuinfo import MOST_PROCESSORS
from vzcptcheck.outcome import printable
from vzcptcheck.processors import format_ranges

if TYPE_CHECKING:
    from simulator.facts.cpu_image import CpuImage

Mode = Literal["64-bit", "32-bit", "unknown"]
MODES: tuple[Mode, ...] = get_args(Mode)

_T = TypeVar("_T")

#: What a document begins with, on a line that a session of QMP may mark.
_OPENING = re.compile(r"^[ \t]*(?:<-|->|\(QEMU\))?[ \t]*(?P<document>[\[{])", re.MULTILINE)

#: In a dump, of all its CPUs together, those of 1,000 processors of today; and of one CPU, which
#: has some hundred.
MOST_ANSWERS = 1 << 16
MOST_ANSWERS_OF_CPU = 1 << 12

#: An error shows no more of a line.
_LONGEST_SHOWN = 100

#: Where in the vendor's name the characters of a register of leaf 0 begin.
_VENDOR_REGISTERS: tuple[tuple[RegisterName, int], ...] = (("ebx", 0), ("edx", 4), ("ecx", 8))
_FEATURES: Key = (0x8000_0001, 0)
_SYSCALL = 1 << SYSCALL.bit
_LONG_MODE = 1 << LONG_MODE.bit

#: What tells the mode: the vendor, whether there are features beyond leaf 1, and those.
_TELLING_MODE: tuple[Key, ...] = ((0x0, 0), (0x8000_0000, 0), _FEATURES)


class DumpError(UserError):
    """A text is not a register dump, or not a sound one.

    ``line`` counts from 1; it is None where no line in particular is to blame.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.message = message
        self.line = line


def load_json(text: str) -> object:
    """Return what a text of JSON says; DumpError where it is none."""
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise DumpError(f"not JSON: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, brackets nested by the thousand.
        raise DumpError(f"not JSON of a register dump: {error}") from None
    return document


def load_documents(text: str) -> Iterator[object]:
    """Yield each document of a text that has several, each on lines of its own.

    DumpError where one is not sound.
    """
    decoder = json.JSONDecoder()
    position = 0
    for begin in _OPENING.finditer(text):
        if begin.end() <= position:
            continue
        try:
            document, position = decoder.raw_decode(text, begin.start("document"))
        except json.JSONDecodeError as error:
            raise DumpError(f"not JSON: {error.msg}", error.lineno) from None
        except (ValueError, RecursionError) as error:
            raise DumpError(f"not JSON of a register dump: {error}") from None
        yield document


def is_json(text: str) -> bool:
    """Tell whether a text is sound JSON, or has several documents that are."""
    try:
        return any(True for _ in load_documents(text))
    except DumpError:
        return False


class PartialAnswer(NamedTuple):
    """An answer of which some bits are known: those set in ``known``; ``values`` has no others."""

    values: Registers
    known: Registers

    def is_whole(self) -> bool:
        """Tell whether all four registers are known."""
        return self.known == EVERY_BIT


#: Of a leaf that a dump says nothing about.
NOTHING_KNOWN = PartialAnswer(Registers(0, 0, 0, 0), Registers(0, 0, 0, 0))


class CpuDump(NamedTuple):
    """One CPU of a dump.

    ``cpus`` says which: its number as the dump counts, several where one entry stands for
    them (``0,1``), or its name. ``mode`` is the mode in which CPUID was executed, ``form``
    how the dump is written. ``table`` has the answers that are known whole; ``partial`` those
    known in part, by leaf and subleaf, so that no bit that is unknown reads as zero. Without
    leaf 0 known whole there is no table, and all that is known is in ``partial``.
    ``model_name`` and ``microcode`` are what a dump says of them beside the registers, ``image``
    what CRIU has stored of the CPU.
    """

    cpus: str
    table: CpuidTable | None
    mode: Mode
    form: str
    partial: tuple[tuple[Key, PartialAnswer], ...] = ()
    model_name: str | None = None
    microcode: str | None = None
    image: "CpuImage | None" = None

    def answers(self) -> dict[Key, PartialAnswer]:
        """Return all that is known, in order."""
        whole = () if self.table is None else self.table.items()
        known = {key: PartialAnswer(registers, EVERY_BIT) for key, registers in whole}
        return dict(sorted((known | dict(self.partial)).items()))


class KnownBits:
    """What is known of a CPU, gathered bit by bit."""

    def __init__(self) -> None:
        self._bits: dict[tuple[Key, RegisterName], tuple[int, int]] = {}

    def add(self, key: Key, register: RegisterName, value: int, known: int = ALL_BITS) -> None:
        """Add bits of one register, those set in ``known``; ValueError where they contradict."""
        value &= known
        old_value, old_known = self._bits.get((key, register), (0, 0))
        if (value ^ old_value) & known & old_known:
            leaf, subleaf = key
            raise ValueError(f"leaf {leaf:#010x} subleaf {subleaf:#x} {register} is told twice")
        self._bits[key, register] = old_value | value, old_known | known

    def add_vendor(self, name: str) -> None:
        """Add what the vendor's name, of 12 characters, says of leaf 0."""
        data = name.encode("latin-1")
        for register, start in _VENDOR_REGISTERS:
            self.add((0, 0), register, int.from_bytes(data[start : start + 4], "little"))

    def add_signature(self, family: int, model: int, stepping: int) -> None:
        """Add what a family, model and stepping as Linux counts them say of leaf 1.

        Linux adds the extended family to 15 alone, and has the extended model count from
        family 6 on (``CpuidTable.family``, ``CpuidTable.model``): what does not count is
        unknown, as are the type and the reserved bits. ValueError where there is no such CPU.
        """
        largest_model = 0xFF if family >= 0x6 else 0xF
        if not (0 <= family <= 0xF + 0xFF and 0 <= model <= largest_model and 0 <= stepping <= 0xF):
            raise ValueError(f"no CPU is of family {family}, model {model}, stepping {stepping}")
        value, known = stepping | (model & 0xF) << 4 | min(family, 0xF) << 8, 0xFFF
        if family >= 0x6:
            value, known = value | model >> 4 << 16, known | 0xF_0000
        if family >= 0xF:
            value, known = value | (family - 0xF) << 20, known | 0xFF0_0000
        self.add((0x1, 0), "eax", value, known)

    def answers(self) -> dict[Key, PartialAnswer]:
        """Return what has been gathered."""
        return {key: self._answer(key) for key in sorted({key for key, _ in self._bits})}

    def _answer(self, key: Key) -> PartialAnswer:
        bits = [self._bits.get((key, name), (0, 0)) for name in REGISTERS]
        return PartialAnswer(
            Registers(*(value for value, _ in bits)), Registers(*(known for _, known in bits))
        )


def make_dump(  # noqa: PLR0913 (the facts of a CPU)
    cpus: str,
    answers: dict[Key, PartialAnswer],
    form: str,
    *,
    mode: Mode = "unknown",
    model_name: str | None = None,
    microcode: str | None = None,
    image: "CpuImage | None" = None,
) -> CpuDump:
    """Make a CPU of answers known whole or in part; a mode that is unknown is inferred.

    DumpError where no bit is known, and no image.
    """
    whole = {key: answer.values for key, answer in answers.items() if answer.is_whole()}
    table = CpuidTable(whole.items()) if (0, 0) in whole else None
    rest = answers if table is None else {k: one for k, one in answers.items() if k not in whole}
    partial = tuple(sorted((key, one) for key, one in rest.items() if any(one.known)))
    if table is None and not partial and image is None:
        raise DumpError(f"CPU {printable(cpus)}: nothing is told of its registers")
    if mode == "unknown":
        mode = _inferred(answers)
    return CpuDump(cpus, table, mode, form, partial, model_name, microcode, image)


def told_apart(dumps: Iterable[CpuDump]) -> list[CpuDump]:
    """Return CPUs of different names: numbered as they come, where a dump repeats a number.

    Each group of processors may count anew, or several machines are in one text. DumpError where
    they are more, or have more answers, than any machine's.
    """
    taken = list(_bounded(dumps))
    if len({dump.cpus for dump in taken}) == len(taken):
        return taken
    return [dump._replace(cpus=str(position)) for position, dump in enumerate(taken)]


def _bounded(dumps: Iterable[CpuDump]) -> Iterator[CpuDump]:
    count = 0
    for number, dump in enumerate(dumps, start=1):
        if number > MOST_PROCESSORS:
            raise DumpError(f"over {MOST_PROCESSORS} CPUs, which no machine has")
        count += len(dump.partial) + (0 if dump.table is None else len(dump.table))
        if count > MOST_ANSWERS:
            raise DumpError(
                f"over {MOST_ANSWERS} answers, which no machine has: take a dump of some processors"
            )
        yield dump


def bounded_answers(answers: Iterable[_T]) -> Iterator[_T]:
    """Yield the answers of a CPU; DumpError where they are more than any CPU's."""
    for count, answer in enumerate(answers, start=1):
        if count > MOST_ANSWERS_OF_CPU:
            raise too_many_answers()
        yield answer


def too_many_answers(line: int | None = None) -> DumpError:
    """Return the error of a CPU that goes on and on; ``line`` is where it was too much."""
    return DumpError(f"over {MOST_ANSWERS_OF_CPU} answers of one CPU, which none has", line)


def unsound_answer(form: str, number: int, line: str) -> DumpError:
    """Return the error of a line, by its number, that should be an answer and is none."""
    return DumpError(f"not an answer as {form} writes them: {line[:_LONGEST_SHOWN]!r}", number)


def make_whole_dump(
    cpus: str, answers: Iterable[tuple[Key, Registers]], form: str, line: int | None = None
) -> CpuDump:
    """Make a CPU of answers known whole, the first of them on ``line``.

    DumpError where leaf 0 is not among them, or one of them contradicts another.
    """
    try:
        table = CpuidTable(answers)
    except ValueError as error:
        begins = "" if line is None else ", which begins here"
        raise DumpError(f"CPU {cpus}{begins}: {error}", line) from None
    return CpuDump(cpus, table, infer_mode(table), form)


def infer_mode(table: CpuidTable) -> Mode:
    """Tell in which mode a program ran that was given these answers.

    An Intel CPU reports SYSCALL to 64-bit programs only (Intel SDM volume 2A, CPUID leaf
    80000001H, EDX bit 11), so one with long mode but without SYSCALL was asked by a 32-bit
    program. Other vendors' CPUs, and one that was not asked, tell nothing.
    """
    recorded = ((key, table[key]) for key in _TELLING_MODE if key in table)
    return _inferred({key: PartialAnswer(registers, EVERY_BIT) for key, registers in recorded})


def _inferred(answers: Mapping[Key, PartialAnswer]) -> Mode:
    """Infer the mode of answers that may be known in part."""
    vendor, last, features = (answers.get(key, NOTHING_KNOWN) for key in _TELLING_MODE)
    if last.known.eax == ALL_BITS and last.values.eax < _FEATURES[0]:
        return "unknown"
    told = CpuidTable([((0, 0), vendor.values)]).vendor == INTEL
    needed = _SYSCALL | _LONG_MODE
    if not told or features.known.edx & needed != needed:
        return "unknown"
    if not features.values.edx & _LONG_MODE:
        return "unknown"
    return "64-bit" if features.values.edx & _SYSCALL else "32-bit"


def table_of(dump: CpuDump) -> CpuidTable:
    """Return the answers of a CPU, those that are known in part among them.

    DumpError where its vendor is not told: no kernel's rules can be followed then.
    """
    if dump.table is not None and not dump.partial:
        return dump.table
    whole = () if dump.table is None else dump.table.items()
    try:
        return CpuidTable(whole, dump.partial)
    except ValueError:
        raise DumpError(
            f"{printable(dump.form)} does not tell the vendor of CPU {printable(dump.cpus)}, which "
            "kernels go by: say it in a dump that has leaf 0, as of cpuid -r, AIDA64 or "
            "/proc/cpuinfo (vendor_id)"
        ) from None


def describe_unknown(key: Key, answer: PartialAnswer) -> str:
    """Write which bits of an answer are unknown, as in ``0x00000001 eax bits 12-15,28-31``.

    It is empty where there are none; registers of which nothing is known are named alone.
    """
    missing = {name: ALL_BITS & ~getattr(answer.known, name) for name in REGISTERS}
    parts = [
        name if mask == ALL_BITS else f"{name} bits {format_ranges(bits_of(mask))}"
        for name, mask in missing.items()
        if mask
    ]
    return f"{format_key(key)} {', '.join(parts)}" if parts else ""


def format_key(key: Key) -> str:
    """Write a leaf, and its subleaf but for the first."""
    leaf, subleaf = key
    return f"{leaf:#010x} subleaf {subleaf:#x}" if subleaf else f"{leaf:#010x}"


def bits_of(mask: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
