"""Tables of recorded nodes and of kernels, for people and as JSON.

What matters most comes first: a narrow terminal gets the first columns alone.
"""

from typing import TYPE_CHECKING, Any, TextIO

from msgspec import Struct

from simulator.facts.generations import GENERATIONS, Generation
from simulator.reports.terminal import render_listing
from vzcptcheck import versions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.profiles.profile import NodeProfile


class Listing(Struct, frozen=True):
    """A table: its columns' titles, and rows of the same length with plain values.

    ``for_people`` are the columns that people see, where that is not all of them.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    for_people: tuple[str, ...] = ()

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
        return render_listing(titles, rows, stream)


def node_listing(profiles: "Iterable[NodeProfile]") -> Listing:
    """List recorded nodes."""
    columns = ("node", "cpu", "generation", "origin", "containers", "capability_number")
    rows = (
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
    return Listing(columns, tuple(rows))


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
