"""Tables of nodes, kernels and CPUs: what is in them, how they look."""

import io
import json

import pytest
from msgspec.structs import replace

from simulator.profiles.profile_json import parse_profile
from simulator.reports.listings import Listing, kernel_listing, node_listing
from support.programs import SGR, Terminal
from support.simulated_nodes import RELEASES
from support.simulated_profiles import CAPABILITY_NUMBER, encoded, good_document

GOOD = parse_profile(encoded(good_document()), "node", "node.json")

LISTING = Listing(("name", "some_list", "maybe"), (("a", ["x", "y"], None), ("b[c]", [], 7)))


def test_people_see_the_columns_that_are_for_them() -> None:
    listing = Listing(LISTING.columns, LISTING.rows, ("maybe", "name"))
    assert listing.as_table(None).split() == ["maybe", "name", "a", "7", "b[c]"]
    assert listing.as_json() == LISTING.as_json()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make terminals 40 columns wide."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def lines(listing: Listing) -> list[str]:
    return [line.rstrip() for line in listing.as_table(io.StringIO()).splitlines()]


# Any table


def test_json_is_a_list_of_objects() -> None:
    assert json.loads(LISTING.as_json()) == [
        {"name": "a", "some_list": ["x", "y"], "maybe": None},
        {"name": "b[c]", "some_list": [], "maybe": 7},
    ]
    assert LISTING.as_json().endswith("]\n")


def test_json_keeps_characters_as_they_are() -> None:
    assert "Ω" in Listing(("name",), (("Ω",),)).as_json()


def test_a_table_has_titles_in_words_and_a_line_a_row() -> None:
    assert lines(LISTING) == ["name  some list  maybe", "a     x y", "b[c]             7"]


def test_a_table_without_rows_is_its_titles() -> None:
    assert lines(Listing(("name",), ())) == ["name"]


def test_a_table_is_as_wide_as_it_needs_where_it_is_no_terminal(narrow: None) -> None:
    wide = Listing(("name",), (("x" * 500,),))
    assert lines(wide) == ["name", "x" * 500]
    assert wide.as_table(None).splitlines()[1].rstrip() == "x" * 500


def test_on_a_terminal_a_name_is_whole_and_columns_are_left_out(narrow: None) -> None:
    text = Listing(("name", "what"), (("x" * 100, "y"),)).as_table(Terminal())
    assert SGR.sub("", text).splitlines() == [
        "name",
        "x" * 100,
        "Left out, as the terminal is narrow:",
        "what.",
    ]


def test_containers_are_told_in_ranges() -> None:
    listing = Listing(("node", "containers"), (("a", [101, 103, 102, 7]), ("b", [])))
    assert lines(listing)[1:] == ["a     7 101-103", "b"]


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/x]", ":smile:", "\\[x]"])
def test_a_cell_is_text_and_nothing_else(text: str) -> None:
    assert lines(Listing(("name",), ((text,),)))[1] == text


# Nodes


def test_a_node_in_the_list() -> None:
    (node,) = json.loads(node_listing([GOOD]).as_json())
    assert node == {
        "node": "node",
        "origin": "captured",
        "generation": "042stab107",
        "cpu": "Some CPU",
        "capability_number": CAPABILITY_NUMBER,
        "containers": [101, 102, 103, 104],
    }


def test_a_node_without_cpus_in_the_list() -> None:
    bare = replace(GOOD, cpus=(), containers=())
    (node,) = json.loads(node_listing([bare]).as_json())
    assert (node["cpu"], node["containers"]) == (None, [])


# Kernels


@pytest.fixture(scope="module")
def kernels() -> dict[str, dict[str, object]]:
    """Return the list of kernels by generation."""
    return {row["generation"]: row for row in json.loads(kernel_listing().as_json())}


def test_every_generation_is_in_the_list(kernels: dict[str, dict[str, object]]) -> None:
    assert list(kernels) == list(RELEASES)


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        (
            "028stab",
            {
                "releases": "2.6.18-*028stab*",
                "writes": "0x302 (18_2)",
                "restores": ["8", "9", "9_1", "9_2", "16", "18", "18_1", "18_2"],
                "test_version": "EINVAL",
                "test_caps_on_cpt": "8 words",
                "test_vecaps2": "no such request",
                "trees": ["028stab056.1"],
            },
        ),
        (
            "042stab101",
            {
                "releases": "042stab101.5 to 106, and 108.1",
                "writes": "0x803 (32_3)",
                "restores": ["18_3", "18_4", "32", "32_1", "32_2", "32_3"],
                "test_version": "yes",
                "test_caps_on_cpt": "ENOSYS",
                "test_vecaps2": "always",
                "trees": ["042stab108.1"],
            },
        ),
    ],
)
def test_a_kernel_in_the_list(
    kernels: dict[str, dict[str, object]], generation: str, expected: dict[str, object]
) -> None:
    assert kernels[generation] == {"generation": generation, **expected}
