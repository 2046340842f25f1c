"""A matrix for people: the grid, the destinations, what stands in the way; all of it in files."""

import io

import pytest
from msgspec import structs

from simulator.fleets.fleet import gather_fleet
from simulator.profiles.profile import NodeProfile
from simulator.reports.as_text import table_text
from simulator.reports.view import MOST_NODES, View
from support.programs import SGR, Terminal
from support.simulated_nodes import WEAK, node, small_nodes

DESTINATIONS = "Where containers can go, the best destination first"
OBSTACLES = "What stands in the way: how many migrations it stops, alone or not"
ONE_WAY = "One-way: something can go there safely, and nothing back"
ISLANDS = "Islands: no migration in or out is safe"


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("NO_COLOR", raising=False)


def view(*nodes: NodeProfile, by_class: bool | None = False) -> View:
    return View(gather_fleet(nodes), is_by_class=by_class)


def on(stream: io.StringIO | None, one: View, *, is_verbose: bool = False) -> str:
    return "".join(table_text(one, stream, is_verbose=is_verbose))


def parts(text: str) -> dict[str, list[str]]:
    """Return the lines of each part by its first line."""
    found = {}
    for part in text.split("\n\n"):
        title, *lines = part.removeprefix("\n").splitlines()
        found[title] = lines
    return found


def one_way_nodes() -> tuple[NodeProfile, ...]:
    return node("a", "1:fpu"), node("b", "2:fpu", words=WEAK), node("c", modules=frozenset())


def test_elsewhere_all_is_there() -> None:
    text = on(None, view(*one_way_nodes()))
    headline, legend, grid, *others = text.split("\n\n")
    assert headline.startswith("3 nodes, 2 containers, 6 ordered pairs. ")
    assert grid.splitlines() == ["   a  b  c", "a  .  x  ?", "b  +  .  ?", "c  ?  ?  ."]
    assert legend.startswith("+ safe   x refused   ? unknown\n")
    found = parts("\n\n".join(others))
    assert list(found) == [DESTINATIONS, OBSTACLES, ONE_WAY, ISLANDS, "Pairs"]
    assert found[DESTINATIONS] == [
        "a",
        "  container 1: nowhere",
        "b",
        "  container 2: a",
        "c",
        "  any container: nowhere",
    ]
    assert found[OBSTACLES][0].split() == ["code", "stops", "alone", "what", "it", "is"]
    assert found[OBSTACLES][1].split()[:3] == ["module-missing", "4", "3"]
    assert found[ONE_WAY] == ["b -> a"]
    assert found[ISLANDS] == ["c"]
    assert found["Pairs"][0].split()[:3] == ["source", "destinations", "containers"]


def test_a_terminal_gets_pairs_where_they_are_asked_for_alone() -> None:
    short = SGR.sub("", on(Terminal(), view(*one_way_nodes())))
    whole = SGR.sub("", on(Terminal(), view(*one_way_nodes()), is_verbose=True))
    assert "\nPairs\n" not in short
    assert short.splitlines()[-1].startswith("--verbose has every destination and every pair")
    assert "\nPairs\n" in whole
    assert "--verbose" not in whole


def test_a_terminal_gets_colours_and_signs_and_a_file_does_not() -> None:
    plain, coloured = (on(stream, view(*small_nodes())) for stream in (io.StringIO(), Terminal()))
    assert plain.isascii()
    assert "\x1b" not in plain
    assert "\x1b[1;31m\u2717" in coloured
    assert "\x1b[32m\u2713" in coloured


def test_a_terminal_that_wants_ascii_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert on(Terminal(), view(*small_nodes())).isascii()


def test_nothing_is_told_of_ways_and_obstacles_that_are_not_there() -> None:
    text = on(None, view(node("a", "1"), node("b")))
    assert list(parts(text.split("\n\n", 3)[3])) == [DESTINATIONS, "Pairs"]


def test_containers_that_go_the_same_way_are_told_in_ranges() -> None:
    text = on(None, view(node("a", "1:fpu", "2:fpu", "3:fpu", "7:fpu"), node("b")))
    assert "\na\n  containers 1-3 7: b\n" in text


def test_a_terminal_gets_the_best_destinations() -> None:
    nodes = [node(name, "1:fpu") for name in "abcdefg"]
    short = SGR.sub("", on(Terminal(), view(*nodes)))
    assert "\na\n  container 1: b, c, d, e and 2 more\n" in short
    assert "\na\n  container 1: b, c, d, e, f, g\n" in on(None, view(*nodes))


def test_one_way_destinations_are_cut_on_a_terminal_alone() -> None:
    nodes = [node(name, "1:fpu") for name in "abcde"]
    weak = node("w", "1:fpu", words=WEAK)
    short, whole = (SGR.sub("", on(one, view(weak, *nodes))) for one in (Terminal(), None))
    assert "\nw -> a, b, c, d and 1 more\n" in short
    assert "\nw -> a, b, c, d, e\n" in whole


def test_by_class_numbers_stand_for_groups() -> None:
    weak = [node(f"weak{number}", "2:fpu", words=WEAK) for number in range(2)]
    one = view(node("a", "1:fpu"), *weak, node("idle", words=WEAK), by_class=True)
    text = on(None, one)
    assert "0 (a)\n  class 0: nowhere\n" in text
    assert "1 (weak0 and 2 more)\n  class 1 and any other: 1 0\n" in text
    assert "\n1 (weak0 and 2 more) -> 0\n" in text
    assert "          a  weak0 +2\n" in text
    titles = list(parts(text.split("\n\n", 3)[3]))
    assert titles[-3:] == ["Classes of nodes", "Classes of containers", "Pairs of classes"]
    shown = list(parts(SGR.sub("", on(Terminal(), one)).split("\n\n", 3)[3]))
    assert shown[-2] == "Classes of containers"


def test_many_groups_are_counted_and_make_no_grid() -> None:
    twins = [node(f"twin{number}", "1:fpu") for number in range(2)]
    others = [node(f"n{number}", words=WEAK) for number in range(MOST_NODES)]
    lines = on(None, view(*twins, *others)).splitlines()
    assert lines[2:7] == [
        "+ safe   ~ partly (some containers are safe)   ! risky   x refused   ? unknown",
        "",
        "class    to how many nodes",
        "0 twin0  1+ 64x",
        "1 twin1  1+ 64x",
    ]


def test_of_many_classes_the_other_nodes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.reports.as_text.MOST_NODES", 1)
    nodes = node("a", "1:fpu"), node("b", words=WEAK), node("twin", "2:fpu")
    lines = on(None, view(*nodes, by_class=True)).splitlines()
    assert lines[4:7] == ["class   to how many nodes", "0 a +1  1+ 1x", "1 b     2+"]


def test_a_terminal_is_told_nothing_but_colours() -> None:
    names = ["\x1b[31mred\x07", "[bold]not[/bold] :smile:", "half\udcff", "\u202egnp"]
    nodes = [structs.replace(node("x", "1:fpu"), name=name) for name in names]
    for by_class in (False, True):
        text = SGR.sub("", on(Terminal(), view(*nodes, by_class=by_class), is_verbose=True))
        assert all(char.isprintable() for char in text.replace("\n", ""))
        assert "[bold]not[/bold] :smile:" in text
