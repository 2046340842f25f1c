"""Tables of recorded nodes and of kernels, for people and as JSON.

What matters most comes first: a narrow terminal gets the first columns alone.
"""

from typing import TYPE_CHECKING, Any, TextIO

from msgspec import Struct

from simulator.facts.generations import GENERATIONS, Generation
from simulator.reports.terminal import line, render, render_listing, width_of
from vzcptcheck import versions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.profiles.profile import NodeProfile


#: More rows than these are a list to search: a terminal shows first how to.
MANY = 20


class Listing(Struct, frozen=True):
    """A table: its columns' titles, and rows of the same length with plain values.

    ``for_people`` are the columns that people see, where that is not all of them; ``summary`` is
    what a terminal shows first.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    for_people: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()

    def as_json(self) -> str:
        """Return the table as a list of objects, keyed by the columns' titles."""
        import json

        documents = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return json.dumps(documents, indent=2, ensure_ascii=False) + "\n"

    def as_table(self, stream: TextIO | None) -> str:
        """Return the table as text for a stream; a narrow terminal gets the first columns."""
        shown = [self.columns.index(column) for column in self.for_people or self.columns]
        titles = [self.columns[number].replace("_", " ") for number in shown]
        rows = [[_cell(row[number]) for number in shown] for row in self.rows]
        table = render_listing(titles, rows, stream)
        if width_of(stream) is None or not self.summary:
            return table
        return render([*(line(0, text) for text in self.summary), line(0)], stream) + table


def node_listing(profiles: "Iterable[NodeProfile]") -> Listing:
    """List recorded nodes."""
    columns = ("node", "cpu", "generation", "origin", "containers", "capability_number")
    rows = tuple(
        (
            profile.name,
            profile.cpus[0].model_name if profile.cpus else None,
            profile.facts().release.generation.name,
            profile.origin.kind.value,
            [container.ctid for container in profile.containers],
            profile.answers.capability_number,
        )
        for profile in profiles
    )
    many = f"{len(rows)} nodes: {_counts(row[3] for row in rows)}"
    by_kernel = f"by kernel: {_counts(row[2] for row in rows)}"
    finding = "'vzcptsim nodes PATTERN...' lists those whose names match, as in '*141.3*' '*xeon*'"
    summary = (many, by_kernel, finding) if len(rows) > MANY else ()
    return Listing(columns, rows, summary=summary)


def _counts(words: "Iterable[str]") -> str:
    from collections import Counter

    return ", ".join(f"{word} {count}" for word, count in Counter(words).items())


def kernel_listing() -> Listing:
    """List the generations of kernels."""
    columns = (
        *("generation", "releases", "writes", "restores"),
        *("test_version", "test_caps_on_cpt", "test_vecaps2", "trees"),
    )
    return Listing(columns, tuple(map(_kernel_row, GENERATIONS)))


def _kernel_row(generation: Generation) -> tuple[Any, ...]:
    compared = generation.test_caps_bits
    return (
        generation.name,
        generation.releases,
        versions.describe(generation.image_version),
        [versions.NAMES[one] for one in sorted(versions.NAMES) if generation.restores(one)],
        "yes" if generation.has_test_version else "EINVAL",
        "ENOSYS" if compared is None else f"{compared.bit_count()} words",
        generation.vecaps2.value,
        list(generation.trees),
    )


def _cell(value: object) -> str:
    if isinstance(value, list):
        numbers = sorted(one for one in value if isinstance(one, int))
        return _ranges(numbers) if numbers else " ".join(value)
    return "" if value is None else str(value)


def _ranges(numbers: "list[int]") -> str:
    from vzcptcheck.processors import format_ranges

    return format_ranges(numbers).replace(",", " ")
