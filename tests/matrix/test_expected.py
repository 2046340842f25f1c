"""The program's verdicts against the kept expectation, which the rules alone have written."""

import csv
import functools
from collections import Counter

import pytest

from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import fixture_names, load_node
from simulator.verdicts.restore import restore_opinion
from simulator.verdicts.traits import SUSPENDED, container_traits, node_traits
from support.expectation import EXPECTED, GENERATIONS, POSSIBLE, Row, choose, format_rows, nodes
from support.samples import read_vectors


@functools.cache
def kept() -> list[Row]:
    """Read the kept expectation."""
    lines = [line for line in EXPECTED.read_text("utf-8").splitlines() if line[0] != "#"]
    return [Row(**row) for row in csv.DictReader(lines, delimiter="\t")]


@functools.cache
def profile_of(name: str) -> NodeProfile:
    """Return a recorded node."""
    return load_node(name)


def judged(row: Row) -> Row:
    """Judge the same migration by the program."""
    source = profile_of(row.source)
    one, other = node_traits(source).kernel, node_traits(profile_of(row.destination)).kernel
    moved = SUSPENDED
    if row.container != "suspended":
        (container,) = [one for one in source.containers if str(one.ctid) == row.container]
        moved = container_traits(source, container)
    nodes_alone = restore_opinion(one, other).verdict.value
    verdict = restore_opinion(one, other, moved).verdict.value
    return Row(row.source, row.destination, row.container, nodes_alone, verdict)


@pytest.mark.parametrize("source", fixture_names())
def test_the_program_says_what_is_expected(source: str) -> None:
    expected = [row for row in kept() if row.source == source]
    assert expected
    assert [judged(row) for row in expected] == expected


def test_the_expectation_is_what_the_rules_make_of_the_recorded_nodes() -> None:
    assert EXPECTED.read_text("utf-8") == format_rows(choose())


def test_the_expectation_covers_the_generations_and_the_verdicts() -> None:
    assert len(kept()) >= 300
    generations = {name: node.generation for name, node in nodes().items()}
    pairs = {(generations[row.source], generations[row.destination]) for row in kept()}
    assert len(pairs) == len(set(GENERATIONS.values())) ** 2
    assert {row.source for row in kept()} == {row.destination for row in kept()} == set(nodes())
    assert min(Counter(row.verdict for row in kept()).values()) >= 100


@pytest.mark.parametrize("name", sorted({row.source for row in kept()}))
def test_the_transcript_of_versions_is_the_kernels_own(name: str) -> None:
    """Each version that is written, asked of each kernel: data/versions.tsv has the answers."""
    source = nodes()[name]
    told = {
        (row["generation"], int(row["version"])): row["test_version"]
        for row in read_vectors("versions.tsv")
    }
    for row in kept():
        if row.source == name and row.version != "unknown":
            written = 0x801 if source.generation == "042stab" else 0x803
            answer = told[nodes()[row.destination].generation, written]
            assert (row.version == POSSIBLE) == (answer in ("1", "-22"))
