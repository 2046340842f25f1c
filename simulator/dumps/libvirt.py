"""libvirt's CPUID in XML: ``<cpudata arch='x86'>`` with a ``<cpuid .../>`` for each answer.

Source: libvirt's tests (cputestdata). Their older files say ``function`` for the leaf, and no
subleaf; newer ones have model-specific registers beside, which are no answers of CPUID. Leaves
past the CPU's last are listed too, with the answer that an Intel CPU repeats for them.
"""

import re
from collections.abc import Mapping
from xml.parsers import expat

from simulator.dumps.model import CpuDump, DumpError, infer_mode
from simulator.facts.cpuid import CpuidTable, Key, Registers

NAME = "libvirt"

_ROOT = "cpudata"
_ARCHITECTURES = ("x86", "x86_64", "i686")
_LEAF_NAMES = ("eax_in", "function")

_START = re.compile(r"<\s*cpudata\b")
_NUMBER = re.compile(r"(?:0x)?[0-9a-fA-F]{1,8}", re.ASCII)


def why_not(text: str) -> str | None:
    """Return why a text is no CPUID data of libvirt's; None where it is."""
    return None if _START.search(text) else "it has no element <cpudata>"


def parse(text: str) -> list[CpuDump]:
    """Parse the one CPU. DumpError where it is not sound, or declares anything of its own."""
    try:
        table = CpuidTable(_Reader().read(text))
    except ValueError as error:
        raise DumpError(str(error)) from None
    return [CpuDump("0", table, infer_mode(table), NAME)]


class _Reader:
    """Takes the answers out of the XML, element by element: no tree is built of it."""

    def __init__(self) -> None:
        # Whatever the text says of the bytes that it came from.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        # Entities, which could make gigabytes of a few lines, are declared there and nowhere else.
        self._parser.StartDoctypeDeclHandler = self._refuse_declarations
        self._depth = 0
        self._answers: list[tuple[Key, Registers]] = []

    def read(self, text: str) -> list[tuple[Key, Registers]]:
        """Return the answers, in the order written."""
        try:
            self._parser.Parse(text.encode("utf-8", "replace"), True)
        except expat.ExpatError as error:
            raise DumpError(f"not XML: {expat.ErrorString(error.code)}", error.lineno) from None
        return self._answers

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if self._depth == 0:
            self._check_root(name, attributes)
        elif self._depth == 1 and name == "cpuid":
            self._answers.append(self._answer(attributes))
        self._depth += 1

    def _end(self, _: str) -> None:
        self._depth -= 1

    def _refuse_declarations(self, *_: object) -> None:
        raise self._error("a document type is declared, which this data never has")

    def _check_root(self, name: str, attributes: Mapping[str, str]) -> None:
        if name != _ROOT:
            raise self._error(f"<{name}> stands where <{_ROOT}> should")
        architecture = attributes.get("arch", _ARCHITECTURES[0])
        if architecture not in _ARCHITECTURES:
            raise self._error(f"a CPU of another architecture: {architecture[:20]!r}")

    def _answer(self, attributes: Mapping[str, str]) -> tuple[Key, Registers]:
        leaf = next((name for name in _LEAF_NAMES if name in attributes), _LEAF_NAMES[0])
        subleaf = self._number(attributes, "ecx_in") if "ecx_in" in attributes else 0
        registers = Registers(*(self._number(attributes, name) for name in Registers._fields))
        return (self._number(attributes, leaf), subleaf), registers

    def _number(self, attributes: Mapping[str, str], name: str) -> int:
        value = attributes.get(name)
        if value is None:
            raise self._error(f"<cpuid> without {name}")
        if not _NUMBER.fullmatch(value):
            raise self._error(f"{name} is no number of 32 bits: {value[:20]!r}")
        return int(value, 16)

    def _error(self, problem: str) -> DumpError:
        return DumpError(problem, self._parser.CurrentLineNumber)
