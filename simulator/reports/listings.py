"""Tables of recorded nodes, of kernels and of CPUs, for people and as JSON.

What matters most comes first: a narrow terminal gets the first columns alone.
"""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from msgspec import Struct

from simulator.dumps.model import as_64bit
from simulator.facts.capabilities import X86_64, NodeFacts, node_capabilities
from simulator.facts.generations import EXAMPLES, GENERATIONS, Generation, identify
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import RecordedCpu
from simulator.reports.terminal import render_listing
from vzcptcheck import versions
from vzcptcheck.processors import format_ranges


class Listing(Struct, frozen=True):
    """A table: its columns' titles, and rows of the same length with plain values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def as_json(self) -> str:
        """Return the table as a list of objects, keyed by the columns' titles."""
        documents = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return json.dumps(documents, indent=2, ensure_ascii=False) + "\n"

    def as_table(self, stream: TextIO | None) -> str:
        """Return the table as text for a stream; a narrow terminal gets the first columns."""
        titles = [column.replace("_", " ") for column in self.columns]
        return render_listing(titles, [list(map(_cell, row)) for row in self.rows], stream)


def node_listing(profiles: Iterable[NodeProfile]) -> Listing:
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


def cpu_listing(cpus: Iterable[RecordedCpu]) -> Listing:
    """List real CPUs, each with its capability number on the newest kernels."""
    newest = identify(EXAMPLES[GENERATIONS[-1].name])
    columns = ("cpu", "vendor", "brand", "capability_number", "dump_mode", "source")
    rows = (
        (
            cpu.name,
            cpu.vendor,
            cpu.brand,
            node_capabilities(NodeFacts(release=newest, machine=X86_64, cpuid=as_64bit(cpu.table))),
            cpu.dump_mode,
            cpu.source,
        )
        for cpu in cpus
    )
    return Listing(columns, tuple(rows))


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
        return format_ranges(numbers).replace(",", " ") if numbers else " ".join(value)
    return "" if value is None else str(value)
