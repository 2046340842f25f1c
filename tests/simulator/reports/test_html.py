"""The report as HTML: what is in the file. What it does in a browser is in tests/browser."""

import base64
import hashlib
import json
import re
from collections import Counter
from functools import cache
from itertools import permutations, product
from typing import Any

import html5lib
import pytest
from msgspec.structs import replace

from simulator.fleets.fleet import gather_fleet
from simulator.fleets.pool import Rule
from simulator.fleets.pool_change import make_pool
from simulator.profiles.profile import NodeProfile
from simulator.reports.as_html import CHANGES, html_text
from simulator.reports.view import Note, View, note_on
from simulator.verdicts.codes import CODES
from simulator.verdicts.verdict import Opinion, Outcome, Reason, Verdict, Weight, worst_outcome
from support.simulated_nodes import STRONG, WEAK, maskable
from support.simulated_profiles import captured_nodes

HOSTILE = (
    "<script>window.x=1</script>",
    '"><img src=x onerror=window.x=1>',
    "</script><script>window.x=1</script><!--",
    "\u2028\u202emoc.{{ 7 * 7 }}&amp;",
)

_XHTML = "{http://www.w3.org/1999/xhtml}"


@cache
def nodes() -> tuple[NodeProfile, ...]:
    return tuple(captured_nodes()[::4])


def named(*names: str) -> list[NodeProfile]:
    return [replace(one, name=name) for one, name in zip(nodes(), names, strict=False)]


def view_of(profiles: Any, **options: Any) -> View:
    return View(gather_fleet(profiles), **options)


def text_of(view: View, **options: Any) -> str:
    return "".join(html_text(view, **options))


def parsed(text: str) -> Any:
    """Parse as a browser does, and fail at what it would have to mend."""
    return html5lib.HTMLParser(strict=True).parse(text)


def all_of(document: Any, tag: str) -> list[Any]:
    return list(document.iter(f"{_XHTML}{tag}"))


def data_of(text: str) -> Any:
    (data,) = (one for one in all_of(parsed(text), "script") if one.get("type"))
    return json.loads(data.text)


def script_of(document: Any) -> str:
    (script,) = (one.text for one in all_of(document, "script") if not one.get("type"))
    return str(script)


def words_of(document: Any) -> str:
    """Return what the head of the page says."""
    head = document.find(f".//{_XHTML}header")
    return " ".join("".join(head.itertext()).split())


def text_by_id(document: Any, name: str) -> str:
    (found,) = (one for one in document.iter() if one.get("id") == name)
    return " ".join("".join(found.itertext()).split())


@cache
def plain() -> Any:
    return parsed(text_of(view_of(nodes())))


class TestDocument:
    @pytest.mark.parametrize("is_by_class", [False, True])
    def test_nothing_in_it_has_to_be_mended(self, is_by_class: bool) -> None:
        parsed(text_of(view_of(nodes(), is_by_class=is_by_class)))

    def test_the_same_matrix_gives_the_same_text(self) -> None:
        assert text_of(view_of(nodes())) == text_of(view_of(nodes()))

    def test_it_refers_to_nothing_outside(self) -> None:
        document = plain()
        references = [
            value
            for one in document.iter()
            for name, value in one.attrib.items()
            if name in {"src", "href", "srcset", "action", "data", "poster"}
        ]
        assert [one for one in references if not one.startswith("#")] == ["data:,"]
        (style,) = all_of(document, "style")
        assert not re.search(r"url\(|@import", style.text)
        assert not re.search(r"https?:|fetch\(|XMLHttpRequest|WebSocket", script_of(document))

    def test_no_text_is_ever_made_markup_by_the_script(self) -> None:
        script = script_of(plain())
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)

    def test_ids_are_unique_and_labels_lead_somewhere(self) -> None:
        document = plain()
        ids = [one.get("id") for one in document.iter() if one.get("id")]
        assert len(ids) == len(set(ids))
        assert {one.get("aria-labelledby") for one in document.iter()} - {None} <= set(ids)

    def test_the_script_finds_what_it_looks_for(self) -> None:
        document = plain()
        ids = {one.get("id") for one in document.iter()}
        assert set(re.findall(r'find\("([^"]+)"\)', script_of(document))) <= ids


class TestPolicy:
    def test_only_this_style_and_this_script_are_allowed(self) -> None:
        document = plain()
        (policy,) = (
            one.get("content")
            for one in all_of(document, "meta")
            if one.get("http-equiv") == "Content-Security-Policy"
        )
        (style,) = all_of(document, "style")
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules == {
            "default-src": "'none'",
            "script-src": f"'sha256-{_digest(script_of(document))}'",
            "style-src": f"'sha256-{_digest(style.text)}'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }

    def test_there_are_no_inline_styles_or_handlers(self) -> None:
        document = plain()
        names = {name for one in document.iter() for name in one.attrib}
        assert not {name for name in names if name == "style" or name.startswith("on")}


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class TestNames:
    def test_names_are_never_markup(self) -> None:
        text = text_of(view_of(named(*HOSTILE)), made=HOSTILE[0])
        document = parsed(text)
        assert len(all_of(document, "script")) == 2
        assert not all_of(document, "img")
        assert HOSTILE[0] in words_of(document)

    def test_names_are_shown_as_they_are_but_for_what_cannot_be_seen(self) -> None:
        names = [node[0] for node in data_of(text_of(view_of(named(*HOSTILE))))["nodes"]]
        assert names == [*HOSTILE[:3], "\\u2028\\u202emoc.{{ 7 * 7 }}&amp;"]

    def test_data_cannot_leave_its_element(self) -> None:
        notes = {name: Note(HOSTILE[2], HOSTILE[3]) for name in HOSTILE}
        text = text_of(view_of(named(*HOSTILE)), notes=notes)
        begin = text.index('id="data">') + len('id="data">')
        data = text[begin : text.index("</script>", begin)]
        assert not set(data) & set("<>&\u2028\u2029\u202e")
        assert json.loads(data)["nodes"][0][2] == HOSTILE[2]


class TestHead:
    def test_says_how_many_there_are_and_when_it_was_made(self) -> None:
        view = view_of(nodes())
        containers = sum(len(one.containers) for one in nodes())
        words = words_of(parsed(text_of(view, made="2026-11-03 09:12")))
        assert f"{len(nodes())} nodes, {containers} containers." in words
        assert "Made 2026-11-03 09:12." in words
        assert "Made" not in words_of(plain())

    def test_one_is_not_many(self) -> None:
        alone = replace(nodes()[0], containers=nodes()[0].containers[:1])
        assert "1 node, 1 container." in words_of(parsed(text_of(view_of([alone]))))

    @pytest.mark.parametrize("waived", [(), ("vendor-differs", "instructions-missing")])
    @pytest.mark.parametrize("restore_only", [False, True])
    def test_says_what_counts_where_that_was_asked_for(
        self, waived: tuple[str, ...], restore_only: bool
    ) -> None:
        view = view_of(nodes(), waived=waived, restore_only=restore_only)
        words = words_of(parsed(text_of(view)))
        assert ("Programs are left out: restore alone counts." in words) is restore_only
        assert ("Waived: vendor-differs, instructions-missing." in words) is bool(waived)

    @pytest.mark.parametrize("restore_only", [False, True])
    @pytest.mark.parametrize("is_by_class", [False, True])
    def test_counts_migrations_by_outcome(self, is_by_class: bool, restore_only: bool) -> None:
        doubled = [*nodes(), *(replace(one, name=f"{one.name}.too") for one in nodes())]
        view = view_of(doubled, is_by_class=is_by_class, restore_only=restore_only)
        found: Counter[Outcome] = Counter()
        kinds: Counter[str] = Counter()
        for source, destination in permutations(view.fleet.members, 2):
            outcomes = [
                view.matrix.judge(source.node_class, destination.node_class, container).outcome(
                    restore_only=restore_only
                )
                for _, container in source.containers or ((None, None),)
            ]
            found.update(outcomes)
            is_partly = Outcome.SAFE in outcomes and set(outcomes) != {Outcome.SAFE}
            kinds["partly" if is_partly else worst_outcome(outcomes).value] += 1
        document = parsed(text_of(view))
        assert text_by_id(document, "migrations") == f"{found.total():,} migrations of containers"
        assert text_by_id(document, "legend") == " ".join(
            f"{found[one]:,} {one.value}" for one in Outcome
        )
        if not is_by_class:
            pairs = text_by_id(document, "pairs")
            words = re.findall(r"([\d,]+) (safe|partly|risky|refused|unknown)", pairs)
            assert {kind: int(count.replace(",", "")) for count, kind in words} == {
                "safe": 0,
                **kinds,
            }
            assert pairs.startswith(f"{kinds.total():,} pairs of nodes: ")

    def test_a_class_is_partly_safe_where_some_of_its_containers_are(self) -> None:
        view = view_of(captured_nodes(), is_by_class=True)
        pairs = text_by_id(parsed(text_of(view)), "pairs")
        kinds: Counter[str] = Counter()
        for pair in view.matrix.pairs():
            outcomes = pair.summary.outcomes(restore_only=False)
            is_partly = 0 < outcomes.safe < sum(outcomes)
            others = len(pair.destination.nodes) - (pair.source is pair.destination)
            kind = "partly" if is_partly else outcomes.outcome.value
            kinds[kind] += len(pair.source.nodes) * others
        assert all(f"{count:,} {kind}" in pairs for kind, count in kinds.items())

    def test_the_bar_s_parts_are_as_wide_as_their_shares(self) -> None:
        document = plain()
        (bar,) = document.iter("{http://www.w3.org/2000/svg}svg")
        ends = [
            (float(one.get("x").rstrip("%")), float(one.get("width").rstrip("%"))) for one in bar
        ]
        begin = 0.0
        for left, width in ends:
            assert left == pytest.approx(begin, abs=0.01)
            begin += width
        assert begin == pytest.approx(100, abs=0.01)
        assert len(ends) == len(Outcome)

    def test_a_single_node_has_no_pairs(self) -> None:
        words = words_of(parsed(text_of(view_of(nodes()[:1]))))
        assert "0 safe 0 risky 0 refused 0 unknown" in words
        assert words.endswith("0 pairs of nodes: 0 safe, 0 partly.")


class _Reader:
    """Reads the data as the script does, to compare them with the matrix."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def migration(self, source: int, destination: int, container: int | None) -> list[Any]:
        """Return what is found on a migration between classes: on restore, and on programs."""
        key = "null" if container is None else str(container)
        restore, programs = self.data["classes"][source]["found"][key]
        kernel, rows = self.data["classes"][destination]["kernel"], self.data["rows"]
        return [self.opinion(rows[restore][kernel]), self.opinion(rows[programs][destination])]

    def opinion(self, number: int) -> tuple[Verdict, Opinion]:
        verdict, reasons = self.data["opinions"][number]
        read = (self.data["reasons"][one] for one in reasons)
        reasons = (
            Reason(one[0], list(Weight)[one[1]], *one[2:8], is_waived=bool(one[8])) for one in read
        )
        return list(Verdict)[verdict], Opinion(tuple(reasons))


@pytest.mark.parametrize("is_by_class", [False, True])
class TestData:
    def view(self, is_by_class: bool) -> View:
        return view_of(captured_nodes(), waived=("vendor-differs",), is_by_class=is_by_class)

    def test_has_every_node_with_its_containers(self, is_by_class: bool) -> None:
        view = self.view(is_by_class)
        found = data_of(text_of(view))["nodes"]
        assert [(one[0], one[1], one[4]) for one in found] == [
            (one.name, one.node_class, [list(both) for both in one.containers])
            for one in view.fleet.members
        ]

    def test_says_whether_programs_are_left_out(self, is_by_class: bool) -> None:
        view = view_of(nodes(), is_by_class=is_by_class, restore_only=True)
        assert data_of(text_of(view))["restoreOnly"] is True
        assert data_of(text_of(self.view(is_by_class)))["restoreOnly"] is False

    def test_has_both_verdicts_on_every_migration(self, is_by_class: bool) -> None:
        view = self.view(is_by_class)
        reader = _Reader(data_of(text_of(view)))
        for source, destination in product(view.fleet.members, view.fleet.classes):
            for _, container in source.containers or ((None, None),):
                judgement = view.matrix.judge(source.node_class, destination.number, container)
                found = reader.migration(source.node_class, destination.number, container)
                assert found == [(one.verdict, Opinion(one.reasons)) for one in judgement]

    def test_explains_each_code_that_comes_up(self, is_by_class: bool) -> None:
        data = data_of(text_of(self.view(is_by_class)))
        assert {reason[0] for reason in data["reasons"]} == set(data["codes"])
        assert all(code["next_step"] and code["summary"] for code in data["codes"].values())

    def test_says_each_thing_once(self, is_by_class: bool) -> None:
        data = data_of(text_of(self.view(is_by_class)))
        for key in ("rows", "reasons", "opinions"):
            entries = [json.dumps(entry) for entry in data[key]]
            assert len(entries) == len(set(entries)), key


class TestNotes:
    def test_what_is_known_of_kernels_and_cpus_is_noted(self) -> None:
        one, other = nodes()[:2]
        (cpu,) = one.cpus
        notes = {one.name: note_on(one)}
        first, second = data_of(text_of(view_of([one, other]), notes=notes))["nodes"]
        assert first[2:4] == [one.kernel.release, cpu.model_name]
        assert second[2:4] == ["", ""]

    def test_a_node_may_have_several_cpus_or_none_that_is_named(self) -> None:
        (cpu,) = nodes()[0].cpus
        several = [replace(cpu, model_name=name) for name in ("One", None, "Two", "One")]
        assert note_on(replace(nodes()[0], cpus=tuple(several))).cpu == "One, Two"
        assert note_on(replace(nodes()[0], cpus=())).cpu == ""


class TestChanges:
    def test_every_code_that_a_change_may_turn_away_is_one(self) -> None:
        codes = [code.split()[0] for change in CHANGES for code in change.codes]
        assert set(codes) <= set(CODES)

    def test_each_code_is_turned_away_by_one_change(self) -> None:
        codes = [code for change in CHANGES for code in change.codes]
        assert len(codes) == len(set(codes))

    def test_what_hides_a_feature_can_be_changed(self) -> None:
        hiding = {
            code.name
            for code in CODES.values()
            if code.hidden_by
            and not code.name.startswith("criu-")
            and not code.hidden_by.startswith(("nothing", "the destination's CPU"))
        }
        assert "instructions-not-enabled" in hiding
        assert hiding <= {code for change in CHANGES for code in change.codes}


class TestPool:
    def test_what_to_do_and_what_it_leaves_are_lines_with_what_is_to_be_copied(self) -> None:
        profiles = [maskable("strong", *STRONG), maskable("weak", *WEAK)]
        text = text_of(view_of(profiles), pool=make_pool(profiles, Rule()))
        steps, apart = data_of(text)["change"]
        assert steps[0] == [0, "The smallest change makes one group:", False]
        assert [4, "printf '%s\\n' \\", True] in steps
        assert apart == []

    def test_of_nodes_that_nobody_looked_at_nothing_is_said(self) -> None:
        assert data_of(text_of(view_of(nodes())))["change"] is None
