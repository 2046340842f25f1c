"""XML element by element: no tree is built, and nothing that is declared is believed."""

from typing import NamedTuple
from xml.parsers import expat

from simulator.dumps.model import MOST_ANSWERS, DumpError

#: Elements that are inside of others, at most.
_DEEPEST = 32


class Element(NamedTuple):
    """An element that has ended: the names of those around it and its own, and what it holds."""

    path: tuple[str, ...]
    attributes: dict[str, str]
    text: str
    line: int


class _Open:
    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name, self.attributes, self.line = name, attributes, line
        self.text: list[str] = []


def read_elements(text: str) -> list[Element]:
    """Return the elements in the order in which they begin; DumpError where it is no XML."""
    return _Reader().read(text)


class _Reader:
    def __init__(self) -> None:
        # Whatever the text says of the bytes that it came from.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add
        # Entities, which could make gigabytes of a few lines, are declared there and nowhere else.
        self._parser.StartDoctypeDeclHandler = self._refuse_declarations
        self._open: list[_Open] = []
        self._elements: dict[int, Element] = {}
        self._begun: list[int] = []
        self._count = 0

    def read(self, text: str) -> list[Element]:
        try:
            self._parser.Parse(text.encode("utf-8", "replace"), True)
        except expat.ExpatError as error:
            raise DumpError(f"not XML: {expat.ErrorString(error.code)}", error.lineno) from None
        return [self._elements[number] for number in sorted(self._elements)]

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(_Open(name, attributes, self._parser.CurrentLineNumber))
        self._begun.append(self._count)
        self._count += 1
        if len(self._open) > _DEEPEST or self._count > MOST_ANSWERS:
            raise self._error("more elements than any description of a CPU has")

    def _add(self, text: str) -> None:
        self._open[-1].text.append(text)

    def _end(self, _: str) -> None:
        path = tuple(one.name for one in self._open)
        one = self._open.pop()
        element = Element(path, one.attributes, "".join(one.text).strip(), one.line)
        self._elements[self._begun.pop()] = element

    def _refuse_declarations(self, *_: object) -> None:
        raise self._error("a document type is declared, which this data never has")

    def _error(self, problem: str) -> DumpError:
        return DumpError(problem, self._parser.CurrentLineNumber)
