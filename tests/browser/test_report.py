"""The HTML report in a real Chromium: its four questions, filters, keys, colours, paper."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from simulator.fleets.fleet import Group, gather_fleet
from simulator.fleets.matrix import Alike, Outcomes, Pair
from simulator.fleets.pool import Rule
from simulator.fleets.pool_change import Pool, make_pool
from simulator.fleets.routes import Ways
from simulator.fleets.safe_pools import find_pools
from simulator.profiles.profile import NodeProfile
from simulator.reports.as_html import CHANGES
from simulator.reports.check_report import override_command_lines
from simulator.reports.pool_report import apart_lines, change_lines
from simulator.reports.terminal import text_of
from simulator.reports.view import View, container_words
from simulator.verdicts.codes import CODES
from simulator.verdicts.traits import NodeTraits
from simulator.verdicts.verdict import Judgement, Outcome, Reason, Verdict
from support.simulated_nodes import STRONG, WEAK, maskable
from support.simulated_profiles import captured_nodes, recorded_nodes

pytest.importorskip("selenium", reason="selenium is not installed")

from support.needed import needs
from support.report_page import Chromium, ReportPage, notes_on, started, write_report
from support.running import temporary_folder

pytestmark = needs("chromium", "chromedriver")
#: What .ci/run takes of these tests.
short = pytest.mark.short

LARGE_SIZE = 200
LIMIT_MS = 500
HOSTILE_NAMES = (
    "<script>window.x=1</script>",
    '"><img src=x onerror=window.x=1>',
    "</script><script>window.x=1</script><!--",
    "javascript:window.x=1//'`${window.x=1}",
    "\u2028\u202e{{window.x=1}}",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with started(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Chromium]:
    """Give a browser as at first, in which nothing goes wrong."""
    chromium.prefer(color_scheme="light")
    chromium.resize(1400, 1000)
    chromium.problems()
    yield chromium
    assert chromium.problems() == []


class Report:
    """A report on nodes: what it must say, and its page."""

    def __init__(self, nodes: list[NodeProfile], **options: Any) -> None:
        self.nodes = nodes
        self._options = options

    @cached_property
    def view(self) -> View:
        return View(gather_fleet(self.nodes), **self._options)

    @cached_property
    def pairs(self) -> list[Pair]:
        return list(self.view.matrix.pairs())

    @property
    def groups(self) -> tuple[Group, ...]:
        return self.view.matrix.groups

    @property
    def names(self) -> list[str]:
        """The first name of each row."""
        return [group.nodes[0] for group in self.groups]

    @cached_property
    def path(self) -> Path:
        path = temporary_folder() / "report.html"
        return write_report(self.view, path, notes_on(self.nodes), self.pool)

    @cached_property
    def pool(self) -> Pool | None:
        """What makes one pool of the nodes, unless they are many."""
        rule = Rule(restore_only=self.view.restore_only)
        return make_pool(self.nodes, rule) if len(self.nodes) <= len(CAPTURED.nodes) else None

    def open(self, browser: Chromium, fragment: str = "") -> ReportPage:
        browser.open(self.path, fragment)
        return ReportPage(browser)

    def counts(self, pair: Pair) -> Outcomes:
        """Count a pair's migrations by outcome."""
        return pair.summary.outcomes(restore_only=self.view.restore_only)

    def traits(self, group: Group) -> NodeTraits:
        return self.view.fleet.classes[group.node_class].traits

    def outcome(self, alike: Alike) -> Outcome:
        both = (self.view.matrix.opinions[one] for one in (alike.restore, alike.programs))
        return Judgement(*both).outcome(restore_only=self.view.restore_only)


def named(node: NodeProfile, name: str) -> NodeProfile:
    """Return a node of another name, whose CPUs have it too."""
    cpus = tuple(replace(cpu, model_name=name) for cpu in node.cpus)
    return replace(node, name=name, cpus=cpus)


FEW = Report(captured_nodes()[::7])
CAPTURED = Report(captured_nodes())
CLASSES = Report(captured_nodes(), is_by_class=True)
RESTORED = Report(captured_nodes(), restore_only=True)
HOSTILE = Report(list(map(named, captured_nodes()[::7], HOSTILE_NAMES)))
SAFE = Report([replace(captured_nodes()[24], name=name, containers=()) for name in ("one", "two")])
RECORDED = list(recorded_nodes().values())
TWINS = [replace(node, name=f"{node.name}.too") for node in RECORDED[: LARGE_SIZE - len(RECORDED)]]
LARGE = Report([*RECORDED, *TWINS], is_by_class=False)


def shown(page_pairs: list[Pair]) -> str:
    """Say what the filters leave, as the page does."""
    sources = {pair.source.number for pair in page_pairs}
    destinations = {pair.destination.number for pair in page_pairs}
    return (
        f"{_counted(len(page_pairs), 'pair')}: {_counted(len(sources), 'source')}, "
        f"{_counted(len(destinations), 'destination')}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counts_words(counts: Outcomes) -> str:
    present = [(count, one.value) for count, one in zip(counts, Outcome, strict=True) if count]
    if len(present) == 1:
        return present[0][1]
    return ", ".join(f"{count} of {sum(counts)} {outcome}" for count, outcome in present)


def pair_fragment(source: Group, destination: Group, view: str = "fleet") -> str:
    """Return the address of a pair."""
    both = {"view": view, "from": source.nodes[0], "to": destination.nodes[0]}
    return f"#{urlencode(both)}"


def outcome_of(report: Report, source: int, destination: int, container: int | None) -> Outcome:
    """Return a migration's outcome; nodes and containers are by their classes."""
    judgement = report.view.matrix.judge(source, destination, container)
    return judgement.outcome(restore_only=report.view.restore_only)


def counting(judgement: Judgement) -> set[Reason]:
    """Return the reasons that an outcome comes from."""
    reasons = chain(judgement.restore.reasons, judgement.programs.reasons)
    return {one for one in reasons if one.verdict is not Verdict.POSSIBLE}


FLEET = "#/view=fleet"


@pytest.fixture
def few(browser: Chromium) -> ReportPage:
    return FEW.open(browser, FLEET)


@pytest.fixture
def page(browser: Chromium) -> ReportPage:
    return CAPTURED.open(browser, FLEET)


@short
class TestSaysWhatTheMatrixSays:
    def test_of_every_pair_of_nodes(self, page: ReportPage) -> None:
        expected = {(one, one): f"{one} → {one}; the node itself" for one in CAPTURED.names}
        for pair in CAPTURED.pairs:
            one, other = pair.source.nodes[0], pair.destination.nodes[0]
            expected[one, other] = f"{one} → {other}; {counts_words(CAPTURED.counts(pair))}"
        assert page.read_all() == [expected[both] for both in product(CAPTURED.names, repeat=2)]

    @pytest.mark.parametrize("report", [CLASSES, RESTORED], ids=["classes", "restore only"])
    def test_of_every_pair_of_classes_and_where_programs_are_left_out(
        self, browser: Chromium, report: Report
    ) -> None:
        read = report.open(browser, FLEET).read_all()
        said = [text.split("; ", 1)[1] for text in read if not text.endswith("; the node itself")]
        assert said == [counts_words(report.counts(pair)) for pair in report.pairs]

    @pytest.mark.parametrize("report", [CAPTURED, RESTORED], ids=["outcomes", "restore"])
    def test_of_one_way_pairs(self, browser: Chromium, report: Report) -> None:
        page = report.open(browser, f"{FLEET}&one-way=yes")
        ways = Ways(report.groups, restore_only=report.view.restore_only)
        watched = list(chain.from_iterable(ways.watch(report.view.matrix.rows())))
        one_way = {
            (group.number, other.number) for group in report.groups for other in ways.one_way(group)
        }
        left = [
            pair for pair in watched if (pair.source.number, pair.destination.number) in one_way
        ]
        assert left
        assert page.found() == shown(left)
        assert f"{len(left):,} pairs are one-way" in page.text("#panel")


class TestWhere:
    @pytest.mark.parametrize("report", [FEW, CLASSES, RESTORED], ids=["few", "classes", "restore"])
    def test_every_destination_of_every_container_is_told(
        self, browser: Chromium, report: Report
    ) -> None:
        page = report.open(browser)
        for member in report.view.fleet.members[::4]:
            for ctid, container in member.containers[::3] or ((None, None),):
                page.go(f"#{urlencode({'of': member.name} | ({'ct': ctid} if ctid else {}))}")
                expected: dict[str, list[str]] = {}
                for group in report.groups:
                    if group.nodes != (member.name,):
                        outcome = outcome_of(report, member.node_class, group.node_class, container)
                        expected.setdefault(outcome.value, []).append(group.nodes[0])
                assert page.destinations() == {
                    outcome: sorted(names) for outcome, names in expected.items()
                }

    def test_what_is_in_the_way_stands_beside_each_destination(self, browser: Chromium) -> None:
        member = CAPTURED.view.fleet.members[25]
        ctid, container = member.containers[1]
        page = CAPTURED.open(browser, f"#{urlencode({'of': member.name, 'ct': ctid})}")
        seen = set()
        for names, text in page.blocks():
            for name in names:
                (other,) = (one for one in CAPTURED.view.fleet.members if one.name == name)
                judgement = CAPTURED.view.matrix.judge(
                    member.node_class, other.node_class, container
                )
                reasons = counting(judgement)
                assert {CODES[one.code].summary in text for one in reasons} <= {True}
                assert all(one.feature in text and one.hidden_by in text for one in reasons)
                seen |= {one.code for one in reasons}
        helps = page.text("#answer .remedies")
        assert len(seen) > 3
        assert all(CODES[code].next_step in helps for code in seen)

    def test_the_best_is_first_of_the_same_cpu_and_the_nearest_kernel(
        self, browser: Chromium
    ) -> None:
        name = "042stab141.3.SandyBridge.default"
        page = CAPTURED.open(browser, f"#{urlencode({'of': name, 'ct': 102})}")
        safe = page.texts("#answer .block:first-of-type .place")
        assert "Sandy" in safe[0]
        assert "Haswell" in safe[-1]

    def test_a_number_finds_its_containers_and_enter_takes_the_first(
        self, browser: Chromium
    ) -> None:
        page = FEW.open(browser)
        page.type("#find", "107")
        rows = page.texts("#answer tbody tr")
        holding = [
            member.name
            for member in FEW.view.fleet.members
            if any(str(ctid).startswith("107") for ctid, _ in member.containers)
        ]
        assert len(rows) == len(holding) > 1
        assert page.text("#matches") == _counted(len(holding), "node")
        page.browser.press("Enter")
        page.browser.frame()
        assert page.text("#answer h2") == f"107 on {holding[0]}"

    def test_by_keys_alone_a_destination_opens_the_panel_and_escape_leads_back(
        self, browser: Chromium
    ) -> None:
        page = FEW.open(browser, f"#{urlencode({'of': FEW.names[1], 'ct': 102})}")
        browser.run("document.querySelector('#answer .place').focus()")
        browser.press("Enter")
        browser.frame(2)
        assert page.focused() == "panel"
        browser.press("Escape")
        browser.frame()
        assert browser.run("return document.activeElement.className") == "place"
        assert not page.is_seen("#close")

    def test_a_part_of_a_name_finds_its_nodes(self, browser: Chromium) -> None:
        page = CAPTURED.open(browser)
        page.type("#find", "sandyBRIDGE")
        found = [name for name in CAPTURED.names if "SandyBridge" in name]
        assert len(page.texts("#answer tbody tr")) == len(found)
        page.push("#answer tbody a")
        assert page.text("#answer h2") == found[0]
        assert page.texts("#answer .chips a")[0] == "All"

    def test_of_what_is_not_there_it_says_so(self, browser: Chromium) -> None:
        page = FEW.open(browser)
        page.type("#find", "no such node")
        assert page.text("#answer") == "No node and no container is called that."
        page.browser.press("Enter")
        assert page.text("#answer") == "No node and no container is called that."

    @pytest.mark.parametrize("fragment", ["#of=nobody", "#of=042stab061.9.Opteron_G3.default&ct=7"])
    def test_what_is_not_there_any_more_gives_the_list(
        self, browser: Chromium, fragment: str
    ) -> None:
        assert len(FEW.open(browser, fragment).texts("#answer tbody tr")) == len(FEW.nodes)

    def test_a_destination_opens_the_pair(self, browser: Chromium) -> None:
        name = FEW.names[1]
        page = FEW.open(browser, f"#{urlencode({'of': name, 'ct': 102})}")
        page.push("#answer .place")
        assert page.text("#panel-title").startswith(f"{name} → ")
        (section,) = page.texts("#panel .migration")
        assert section.startswith("Container 102: ")
        page.push('#views a[data-view="fleet"]')
        page.click(1, 0)
        assert len(page.texts("#panel .migration")) > 1
        page.back()
        page.back()
        page.push("#close")
        assert page.text("#panel-title") == name


class TestObstacles:
    @pytest.fixture
    def obstacles(self, browser: Chromium) -> ReportPage:
        return CAPTURED.open(browser, "#view=obstacles")

    @staticmethod
    def judged(report: Report) -> Iterator[tuple[Pair, set[Reason], int]]:
        """Yield each migration that is not safe, what counts against it, and how many are alike."""
        for pair in report.pairs:
            for load in pair.source.loads:
                ends = pair.source.node_class, pair.destination.node_class
                judgement = report.view.matrix.judge(*ends, load.container)
                if judgement.outcome() is not Outcome.SAFE:
                    others = len(pair.destination.nodes) - (pair.source is pair.destination)
                    yield pair, counting(judgement), load.count * others

    @pytest.mark.parametrize("report", [CAPTURED, CLASSES], ids=["nodes", "classes"])
    def test_every_code_is_counted(self, browser: Chromium, report: Report) -> None:
        page = report.open(browser, "#view=obstacles")
        stops: Counter[str] = Counter()
        alone: Counter[str] = Counter()
        pairs: dict[str, set[int]] = {}
        for pair, reasons, times in self.judged(report):
            codes = {one.code for one in reasons}
            for code in codes:
                stops[code] += times
                alone[code] += times * (len(codes) == 1)
                pairs.setdefault(code, set()).add(id(pair))
        expected = {
            f"{CODES[code].summary} {code} {stops[code]:,} {alone[code]:,} {len(pairs[code]):,}"
            for code in stops
        }
        assert set(page.texts("#obstacles tbody tr")) == expected

    def test_a_code_shows_its_features_and_its_pairs(self, obstacles: ReportPage) -> None:
        code = "feature-hidden-by-boot-option"
        obstacles.go(f"#view=obstacles&code={code}")
        panel = obstacles.text("#panel")
        assert CODES[code].next_step in panel
        features: Counter[tuple[str, str, str]] = Counter()
        pairs = set()
        for pair, reasons, times in self.judged(CAPTURED):
            for one in reasons:
                if one.code == code:
                    features[one.feature, one.place, one.hidden_by] += times
                    pairs.add((pair.source.nodes[0], pair.destination.nodes[0]))
        rows = obstacles.texts("#panel tbody tr")
        assert set(rows) == {f"{' '.join(about)} {times:,}" for about, times in features.items()}
        obstacles.push_all("#panel .more")
        assert len(obstacles.texts("#panel .pairs a")) == len(pairs)
        obstacles.push("#panel .pairs a")
        assert " → " in obstacles.text("#panel-title")
        obstacles.push("#close")
        assert obstacles.text("#panel-title") == CODES[code].summary
        obstacles.push("#close")
        assert obstacles.text("#panel-title") == "What one change would free"

    def test_what_one_change_frees(self, obstacles: ReportPage) -> None:
        freed: Counter[tuple[str, str]] = Counter()
        for pair, reasons, times in self.judged(CAPTURED):
            for change in CHANGES:
                codes = {f"{one.code} {one.feature}" for one in reasons}
                if all(one in change.codes or one.split()[0] in change.codes for one in codes):
                    group = pair.source if change.side == "source" else pair.destination
                    freed[change.action, group.nodes[0]] += times
        actions = list(dict.fromkeys(action for (action, _), _ in freed.most_common()))
        assert obstacles.texts("#panel h3") == actions
        ((_, most),) = freed.most_common(1)
        rows = obstacles.texts("#panel tbody tr")
        assert {f"{name} {times:,}" for (_, name), times in freed.items()} >= set(rows)
        assert rows[0].endswith(f" {most:,}")
        assert len(rows) == sum(
            min(5, sum(one == action for one, _ in freed)) for action in actions
        )

    def test_where_all_is_safe_nothing_is_in_the_way(self, browser: Chromium) -> None:
        page = SAFE.open(browser, "#view=obstacles")
        assert page.text("#obstacles") == "Nothing: every migration is safe."
        assert "no change of one node" in page.text("#panel")

    def test_a_code_that_does_not_come_up_is_passed_over(self, obstacles: ReportPage) -> None:
        obstacles.go("#view=obstacles&code=image-hz")
        assert obstacles.text("#panel-title") == "What one change would free"


class TestPools:
    @pytest.mark.parametrize("report", [CAPTURED, CLASSES, RESTORED], ids=["nodes", "classes", "r"])
    def test_are_those_of_the_matrix(self, browser: Chromium, report: Report) -> None:
        page = report.open(browser, "#view=pools")
        pools = find_pools(report.view.matrix, restore_only=report.view.restore_only)
        sizes = [sum(len(report.groups[one].nodes) for one in pool) for pool in pools]
        titles = page.texts("#pools section:not(.change) h3")
        expected = [f"Pool {at} {_counted(size, 'node')}" for at, size in enumerate(sizes, 1)]
        left = len(report.nodes) - sum(sizes)
        assert titles == [*expected, f"In no pool {_counted(left, 'node')}"]
        names = [report.groups[one].nodes for one in pools[0]]
        assert page.texts("#pools section:not(.change) .name")[: len(names)] == [
            nodes[0] + (f" +{len(nodes) - 1}" if len(nodes) > 1 else "") for nodes in names
        ]

    def test_what_makes_one_of_them_is_told_as_the_command_tells_it(
        self, browser: Chromium
    ) -> None:
        nodes = [maskable("strong", *STRONG), maskable("weak", *WEAK)]
        report = Report(nodes)
        page = report.open(browser, "#view=pools")
        assert report.pool is not None
        told = [" ".join(text_of(one).split()) for one in change_lines(report.pool)]
        shown = page.text("#pools .change")
        assert [one for one in told if one not in shown] == []
        (command,) = browser.run(
            "return [...document.querySelectorAll('#pools pre')].map((one) => one.textContent)"
        )
        (mask,) = (one for one in report.pool.change.masks if one.text)
        assert command == "\n".join(
            text_of(one) if number == 0 else f"  {text_of(one)}"
            for number, one in enumerate(override_command_lines(mask.text))
        )

    def test_what_stays_apart_is_folded_away(self, browser: Chromium) -> None:
        page = FEW.open(browser, "#view=pools")
        assert FEW.pool is not None
        first, *others = apart_lines(FEW.pool)
        assert page.texts("#pools .change h3")[-1] == text_of(first)
        assert not page.is_seen("#pools details p")
        page.push("#pools .change summary")
        assert page.is_seen("#pools details p")
        assert len(page.texts("#pools details p")) == len(others)

    def test_of_many_nodes_the_command_is_named(self, browser: Chromium) -> None:
        assert "vzcptsim pool NODE" in LARGE.open(browser, "#view=pools").text("#panel")
        assert "vzcptsim pool NODE" not in FEW.open(browser, "#view=pools").text("#panel")


HASWELL = "Intel Core Processor (Haswell)"
HASWELLS = {node.name for node in CAPTURED.nodes if node.cpus[0].model_name == HASWELL}

#: What is filled in, and which pairs are left.
FILTERS: dict[str, tuple[dict[str, str], Callable[[Pair], bool]]] = {
    "parts of names": (
        {"source-name": " hasWELL ", "destination-name": "141"},
        lambda pair: "Haswell" in pair.source.nodes[0] and "141" in pair.destination.nodes[0],
    ),
    "kernel": (
        {"destination-kernel": "042stab101"},
        lambda pair: CAPTURED.traits(pair.destination).kernel.generation_name == "042stab101",
    ),
    "vendor": (
        {"source-cpu": "AuthenticAMD"},
        lambda pair: CAPTURED.traits(pair.source).cpu.vendor == "AuthenticAMD",
    ),
    "model": ({"source-cpu": HASWELL}, lambda pair: pair.source.nodes[0] in HASWELLS),
}


class TestFilters:
    @pytest.mark.parametrize("name", FILTERS)
    def test_by_what_nodes_are(self, page: ReportPage, name: str) -> None:
        fields, is_left = FILTERS[name]
        for field, value in fields.items():
            page.fill(field, value)
        left = list(filter(is_left, CAPTURED.pairs))
        assert left
        assert page.found() == shown(left)
        assert page.text("#filters-title") == f"Filters ({len(fields)})"

    @pytest.mark.parametrize("kind", ["safe", "partly", "risky", "refused", "unknown"])
    def test_by_outcome(self, page: ReportPage, kind: str) -> None:
        def matches(counts: Outcomes) -> bool:
            is_mixed = 0 < counts.safe < sum(counts)
            if kind == "partly":
                return is_mixed
            return not is_mixed and counts.outcome.value == kind

        page.fill("outcome", kind)
        left = [pair for pair in CAPTURED.pairs if matches(CAPTURED.counts(pair))]
        assert page.found() == shown(left)
        assert page.is_seen("#nothing") is (not left)

    def test_are_folded_away_until_wanted(self, page: ReportPage) -> None:
        assert not page.is_seen("#filters")
        page.push("#filters-title")
        assert page.is_seen("#filters")

    def test_where_nothing_is_left_it_says_so_and_can_be_cleared(self, page: ReportPage) -> None:
        page.fill("source-name", "no such node")
        assert page.text("#nothing") == "No pair is left by these filters."
        assert not page.is_seen("#grid")
        page.push("#clear")
        assert not page.is_seen("#nothing")
        assert page.found() == shown(CAPTURED.pairs)
        assert page.fragment() == FLEET

    def test_the_order_can_be_by_pool(self, page: ReportPage) -> None:
        page.fill("order", "pool")
        pools = find_pools(CAPTURED.view.matrix)
        read = page.read_all()
        pooled = [CAPTURED.names[one] for one in chain.from_iterable(pools)]
        names = pooled + [name for name in CAPTURED.names if name not in pooled]
        assert [text.split(" → ")[0] for text in read[:: len(names)]] == names

    @pytest.mark.parametrize("order", ["name", "kernel", "cpu"])
    def test_an_order_leaves_nothing_out(self, page: ReportPage, order: str) -> None:
        before = page.read_all()
        page.fill("order", order)
        assert sorted(page.read_all()) == sorted(before)

    def test_the_state_is_in_the_address(self, page: ReportPage) -> None:
        page.fill("source-name", "a&b=c <d>")
        page.fill("source-name", "Haswell")
        page.fill("outcome", "risky")
        page.fill("one-way", True)
        page.fill("size", "32")
        found, fragment = page.found(), page.fragment()
        CAPTURED.open(page.browser, fragment)
        assert page.found() == found
        assert page.fragment() == fragment

    @pytest.mark.parametrize(
        "fragment",
        ["&from=x&to=y", "&outcome=%3Cb%3E&no-such=1", "&%", "&view=x&from=__proto__", "&code=%"],
    )
    def test_an_address_that_makes_no_sense_is_passed_over(
        self, browser: Chromium, fragment: str
    ) -> None:
        page = CAPTURED.open(browser, FLEET + fragment)
        assert page.found() == shown(CAPTURED.pairs)
        assert page.text("#panel-title") == "At a glance"

    def test_an_unknown_view_is_the_first(self, browser: Chromium) -> None:
        for fragment in ("#view=nothing", "#view=constructor", ""):
            page = CAPTURED.open(browser, fragment)
            assert page.is_seen("#view-where")
            assert not page.is_seen("#view-fleet")

    def test_going_to_another_address_of_the_page_follows_it(self, page: ReportPage) -> None:
        page.go(pair_fragment(CAPTURED.groups[21], CAPTURED.groups[3]) + "&source-name=Haswell")
        assert page.text("#panel-title") == f"{CAPTURED.names[21]} → {CAPTURED.names[3]}"
        assert "3 sources" in page.found()

    def test_the_way_back_in_the_browser_leads_back(self, page: ReportPage) -> None:
        page.push('#views a[data-view="pools"]')
        assert page.is_seen("#view-pools")
        page.back()
        assert page.is_seen("#view-fleet")


class TestPair:
    def test_a_click_shows_both_verdicts_with_all_reasons(self, few: ReportPage) -> None:
        few.click(1, 3)
        assert few.text("#panel-title") == f"{FEW.names[1]} → {FEW.names[3]}"
        self._compare(few, FEW.groups[1], FEW.groups[3])

    def test_of_every_pair_all_is_there(self, few: ReportPage) -> None:
        for pair in FEW.pairs:
            few.go(pair_fragment(pair.source, pair.destination))
            self._compare(few, pair.source, pair.destination)

    def _compare(self, page: ReportPage, source: Group, destination: Group) -> None:
        matrix = FEW.view.matrix
        sections = page.texts("#panel .migration")
        migrations = matrix.alike(source, destination)
        assert len(sections) == len(migrations)
        steps = page.texts("#panel .next")
        for section, alike in zip(sections, migrations, strict=True):
            labels = ", ".join(map(str, alike.labels[:12]))
            title = f"Container{'s' if len(alike.labels) > 1 else ''} {labels}"
            if labels == "None":
                title = "Any container"
            assert section.startswith(title)
            assert f": {FEW.outcome(alike).value} " in section
            for load in source.loads:
                if load.container is not None and load.label in alike.labels:
                    container = FEW.view.fleet.containers[load.container]
                    assert container_words(container) in section
            for about, number in (("Restore", alike.restore), ("Programs", alike.programs)):
                reasons = matrix.opinions[number].reasons
                if reasons:
                    assert f"{about}: {matrix.verdicts[number].value}" in section
                for reason in reasons:
                    code = CODES[reason.code]
                    said = (code.summary, reason.feature, reason.place, reason.hidden_by)
                    values = (reason.source, reason.destination, reason.needed_by)
                    missing = [text for text in (*said, *values) if text not in section]
                    assert not missing
                    assert steps.count(code.next_step) == 1

    def test_the_way_back_is_a_link_away(self, few: ReportPage) -> None:
        few.click(0, 4)
        few.push("#way-back")
        way_back = f"{FEW.names[4]} → {FEW.names[0]}"
        assert few.text("#panel-title") == way_back
        assert few.active().startswith(way_back)

    def test_one_way_pairs_are_marked_from_both_ends(self, few: ReportPage) -> None:
        ways = Ways(FEW.groups)
        list(ways.watch(FEW.view.matrix.rows()))
        source = FEW.groups[0]
        other = ways.one_way(source)[0]
        few.click(source.number, other.number)
        assert "One way: something can go there safely, and nothing back" in few.text("#panel")
        few.push("#way-back")
        assert "One way: something can come back safely, and nothing go there" in few.text("#panel")

    def test_a_node_and_itself_is_no_pair(self, few: ReportPage) -> None:
        few.click(2, 2)
        assert few.text("#panel-title") == "At a glance"
        assert few.active().endswith("the node itself")

    def test_a_class_names_its_nodes(self, browser: Chromium) -> None:
        fragment = pair_fragment(CLASSES.groups[4], CLASSES.groups[7])
        page = CLASSES.open(browser, fragment)
        page.push_all("#panel .sides summary")
        for group in (CLASSES.groups[4], CLASSES.groups[7]):
            assert len(group.nodes) == 1 or ", ".join(group.nodes) in page.text("#panel")
        assert any(len(group.nodes) > 1 for group in (CLASSES.groups[4], CLASSES.groups[7]))

    def test_pointing_tells_the_names_and_the_outcome(self, few: ReportPage) -> None:
        few.point(*few.place(0, 1))
        (pair,) = (
            one for one in FEW.pairs if (one.source.number, one.destination.number) == (0, 1)
        )
        words = counts_words(FEW.counts(pair))
        assert few.text("#tip") == f"{FEW.names[0]} → {FEW.names[1]} {words}"
        few.point(1, 1)
        assert not few.is_seen("#tip")


class TestShortNames:
    @pytest.mark.parametrize(
        ("names", "short", "words"),
        [
            (
                ["hn-01.dc1.example.com", "hn-02.dc1.example.com"],
                ["01", "02"],
                "Names are without “hn-” before and “.dc1.example.com” behind them.",
            ),
            (["node1", "node12"], ["node1", "node12"], ""),
            (["a.x", "a.y"], ["x", "y"], "Names are without “a.” before them."),
            (["a-a", "a-a-a"], ["a", "a-a"], "Names are without “a-” before them."),
            (["one.lan", "two.lan"], ["one", "two"], "Names are without “.lan” behind them."),
        ],
    )
    def test_are_without_what_all_begin_and_end_with(
        self, browser: Chromium, names: list[str], short: list[str], words: str
    ) -> None:
        nodes = [replace(captured_nodes()[25], name=name) for name in names]
        page = Report(nodes).open(browser)
        assert page.texts("#answer .sources .name") == short
        assert page.texts("#answer p.quiet") == ([words] if words else [])
        page.push('#views a[data-view="fleet"]')
        assert page.text("#cut") == words
        assert page.read_all()[1].startswith(f"{names[0]} → {names[1]}; ")

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["a.x", "b.x", "c.y"], "Most names are without “.x” at their end."),
            (["a.x", "b.x", "a.y"], "Most names are without “.x” at their end."),
            (["a.x", "b.x", "a"], ""),
            (["n-a.x.z", "n-b.x.z", "n-c.y.z"], "Names are without “n-” before and “.z” behind "
             "them, and most without “.x” at their end."),
            (["a.x", "b.y", "c.z"], ""),
            ([".x", "b.x", "c.y"], ""),
        ],
    )  # fmt: skip
    def test_in_the_grid_most_are_without_what_most_end_with(
        self, browser: Chromium, names: list[str], words: str
    ) -> None:
        nodes = [replace(captured_nodes()[25], name=name) for name in names]
        page = Report(nodes).open(browser, "#view=fleet")
        assert page.text("#cut") == words

    def test_a_cpu_is_called_by_what_tells_it_apart(self, browser: Chromium) -> None:
        nodes = [
            named(captured_nodes()[25], name)
            for name in (
                "Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz",
                "AMD EPYC 7742 64-Core Processor",
            )
        ]
        texts = Report(nodes).open(browser).texts("#answer .about")
        assert [text.split(" · ")[0] for text in texts] == [
            "Intel Xeon E5-2670 v3",
            "AMD EPYC 7742",
        ]


@short
class TestAtAGlance:
    def test_the_best_takers_are_first_and_those_cut_off_are_named(self, page: ReportPage) -> None:
        safe: Counter[str] = Counter()
        for pair in CAPTURED.pairs:
            safe[pair.destination.nodes[0]] += CAPTURED.counts(pair).safe
            safe[pair.source.nodes[0]] += 0
        names = page.texts("#panel .takers .name")
        everything = {
            name: sum(
                sum(CAPTURED.counts(pair))
                for pair in CAPTURED.pairs
                if pair.destination.nodes[0] == name
            )
            for name in CAPTURED.names
        }
        share = {name: safe[name] / everything[name] for name in CAPTURED.names}
        best = sorted(share.values(), reverse=True)[:5]
        assert [share[name] for name in names] == best
        assert page.texts("#panel .takers td:last-child") == [
            f"{int(100 * one + 0.5)} %" for one in best
        ]


@short
class TestKeyboard:
    def test_tab_comes_by_the_grid_and_the_panel(self, few: ReportPage) -> None:
        few.browser.run("document.getElementById('filters-title').focus()")
        few.browser.press("Tab")
        assert few.focused() == "grid"
        few.browser.press("Tab")
        assert few.browser.run("return document.activeElement.closest('#panel') !== null")

    def test_keys_move_within_the_map(self, page: ReportPage) -> None:
        names = CAPTURED.names
        last = len(names) - 1
        page.focus()
        for key, ctrl, row, column in (
            ("ArrowLeft", False, 0, 0),
            ("ArrowUp", False, 0, 0),
            ("ArrowRight", False, 0, 1),
            ("ArrowDown", False, 1, 1),
            ("End", False, 1, last),
            ("ArrowRight", False, 1, last),
            ("PageDown", False, 11, last),
            ("Home", False, 11, 0),
            ("End", True, last, last),
            ("PageDown", False, last, last),
            ("PageUp", False, last - 10, last),
            ("Home", True, 0, 0),
            ("ArrowDown", True, last, 0),
            ("ArrowRight", True, last, last),
            ("ArrowUp", True, 0, last),
            ("ArrowLeft", True, 0, 0),
        ):
            page.browser.press(key, ctrl=ctrl)
            assert page.active().startswith(f"{names[row]} → {names[column]};"), (key, ctrl)

    def test_enter_goes_to_the_panel_and_escape_back(self, few: ReportPage) -> None:
        few.focus()
        few.browser.press("ArrowRight")
        few.browser.press("Enter")
        few.browser.frame()
        assert few.focused() == "panel"
        assert few.text("#panel-title").endswith(FEW.names[1])
        few.browser.press("Escape")
        assert few.focused() == "grid"
        few.browser.press("ArrowRight")
        few.browser.press(" ")
        assert few.text("#panel-title").endswith(FEW.names[2])

    def test_other_keys_are_the_browser_s(self, few: ReportPage) -> None:
        few.focus()
        before = few.active()
        few.browser.press("x")
        assert few.active() == before

    def test_the_active_cell_is_a_cell_of_a_grid_with_its_headers(self, page: ReportPage) -> None:
        page.focus()
        page.browser.press("End", ctrl=True)
        *_, last = names = CAPTURED.names
        assert page.attribute("#grid", "aria-rowcount") == str(len(names) + 1)
        assert page.attribute("#grid [role=gridcell]", "aria-colindex") == str(len(names) + 1)
        assert page.texts("#grid [role=columnheader]") == [last]
        assert page.texts("#grid [role=rowheader]") == [last]


@pytest.mark.skipif(
    importlib.util.find_spec("axe_selenium_python") is None,
    reason="axe-selenium-python, which brings axe-core, is not installed",
)
class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1400, pytest.param(420, marks=short)])
    def test_axe_has_nothing_against_it(self, browser: Chromium, scheme: str, width: int) -> None:
        browser.prefer(color_scheme=scheme)
        browser.resize(width, 900)
        browser.devtools("Page.setBypassCSP", enabled=True)
        try:
            fragment = pair_fragment(FEW.groups[0], FEW.groups[3])
            for address in (
                "",
                f"#{urlencode({'of': FEW.names[0]})}",
                fragment,
                f"{FLEET}&outcome=risky",
                "#view=obstacles",
                "#view=obstacles&code=instructions-missing",
                "#view=pools",
            ):
                page = FEW.open(browser, address)
                page.push("#filters-title")
                assert page.violations(_axe()) == "[]", address
        finally:
            browser.devtools("Page.setBypassCSP", enabled=False)


def _axe() -> str:
    spec = importlib.util.find_spec("axe_selenium_python")
    assert spec is not None
    assert spec.origin is not None
    (script,) = Path(spec.origin).parent.rglob("axe.min.js")
    return script.read_text("utf-8")


class TestColours:
    def test_the_map_has_the_page_s_colours_in_light_and_dark(self, few: ReportPage) -> None:
        wanted = next(pair for pair in FEW.pairs if _all_are(pair, Outcome.REFUSED))
        left = _left_of(few, wanted.source.number, wanted.destination.number)
        seen = {}
        for scheme in ("light", "dark"):
            few.browser.prefer(color_scheme=scheme)
            few.browser.frame(2)
            seen[scheme] = few.colour(*left)
            assert seen[scheme] == few.variable("refused")
        assert seen["light"] != seen["dark"]

    def test_a_reason_has_the_colour_of_the_outcome_that_it_makes(self, browser: Chromium) -> None:
        pair = next(one for one in CAPTURED.pairs if CAPTURED.counts(one).risky)
        CAPTURED.open(browser, pair_fragment(pair.source, pair.destination, "fleet"))
        reason, risky = browser.run("""
          const style = (selector) => getComputedStyle(document.querySelector(selector));
          const reason = style("#content .programs .reason.refuses").borderLeftColor;
          return [reason, style("#legend .sign.risky").backgroundColor];""")
        assert reason == risky

    def test_outcomes_differ_in_more_than_their_hue(self, few: ReportPage) -> None:
        """Told apart without colours: by lightness, beside the glyphs."""
        for scheme in ("light", "dark"):
            few.browser.prefer(color_scheme=scheme)
            safe, refused = (_lightness(few.variable(name)) for name in ("safe", "refused"))
            brighter, darker = max(safe, refused), min(safe, refused)
            assert (brighter + 0.05) / (darker + 0.05) > 2.4, scheme

    def test_the_legend_has_every_outcome_and_counts_it(self, page: ReportPage) -> None:
        found: Counter[Outcome] = Counter()
        for pair in CAPTURED.pairs:
            found.update(dict(zip(Outcome, CAPTURED.counts(pair), strict=True)))
        assert page.texts("#legend li") == [f"{found[one]:,} {one.value}" for one in Outcome]

    def test_what_is_filtered_out_of_a_row_is_paler(self, page: ReportPage) -> None:
        kept = [
            pair
            for pair in CAPTURED.pairs
            for counts in (CAPTURED.counts(pair),)
            if 0 < counts.safe < sum(counts)
        ]
        rows = sorted({pair.source.number for pair in kept})
        columns = sorted({pair.destination.number for pair in kept})
        wanted = next(
            pair
            for pair in CAPTURED.pairs
            if _all_are(pair, Outcome.REFUSED)
            and pair.source.number in rows
            and pair.destination.number in columns
        )
        page.fill("outcome", "partly")
        source, destination = wanted.source.number, wanted.destination.number
        left = _left_of(page, rows.index(source), columns.index(destination))
        full, surface = page.variable("refused"), page.variable("surface")
        assert _lightness(full) < _lightness(page.colour(*left)) < _lightness(surface)


def _all_are(pair: Pair, outcome: Outcome) -> bool:
    """Tell whether all of a pair's migrations have one outcome."""
    counts = pair.summary.outcomes(restore_only=False)
    return dict(zip(Outcome, counts, strict=True))[outcome] == sum(counts)


def _left_of(page: ReportPage, row: int, column: int) -> tuple[float, float]:
    """Return a point of a cell that has neither a glyph nor a mark."""
    x, y = page.place(row, column)
    return x - page.size() * 0.35, y


def _lightness(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@short
class TestPaper:
    def test_prints_the_whole_grid(self, few: ReportPage) -> None:
        few.browser.prefer(color_scheme="dark")
        script = """
          window.printed = [];
          window.addEventListener("beforeprint", () => {
            const canvas = document.querySelector("#printed canvas");
            const { width, height } = canvas;
            const { buffer } = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            printed.push(width, height, new Set(new Uint32Array(buffer)).size);
          });"""
        few.browser.run(script)
        few.print()
        width, height, colours = few.browser.run("return printed")
        assert min(width, height) > 100
        assert colours > 5

    @pytest.mark.parametrize("view", ["where", "fleet", "obstacles", "pools"])
    def test_every_question_can_be_printed_without_controls(
        self, browser: Chromium, view: str
    ) -> None:
        page = FEW.open(browser, f"#view={view}")
        browser.prefer(media="print")
        for selector in ("#views", "#find", "#filters", "#grid", "#panel", "#close"):
            assert not page.is_seen(selector), selector
        assert page.is_seen(f"#view-{view}")
        assert page.is_seen("#legend")
        page.print()

    def test_shows_the_chosen_pair_on_paper_below_the_grid(self, browser: Chromium) -> None:
        browser.resize(700, 1000)
        page = FEW.open(browser, pair_fragment(FEW.groups[0], FEW.groups[1]))
        browser.run("dispatchEvent(new Event('beforeprint'))")
        browser.prefer(media="print")
        script = "return document.querySelector(arguments[0]).getBoundingClientRect()[arguments[1]]"
        printed = browser.run(script, "#printed canvas", "bottom")
        assert browser.run(script, "#panel", "top") >= printed
        assert page.is_seen("#panel")
        assert not page.is_seen("#close")

    def test_prints_nothing_of_a_grid_without_pairs(self, few: ReportPage) -> None:
        few.fill("source-name", "no such node")
        few.print()

    def test_prints_what_was_never_looked_at(self, browser: Chromium) -> None:
        FEW.open(browser, "#view=pools").print()


@short
class TestHostileNames:
    def test_names_are_text_everywhere(self, browser: Chromium) -> None:
        page = HOSTILE.open(browser, FLEET)
        page.read_all()
        for row, name in enumerate(HOSTILE_NAMES):
            page.click(row, (row + 1) % len(HOSTILE_NAMES))
            assert name[:20].strip("\u2028\u202e") in page.text("#panel-title")
            assert page.text("#tip")
        page.print()
        for side in ("source", "destination"):
            for name in HOSTILE_NAMES[:4]:
                page.fill(f"{side}-name", name)
                alike = sum(name in other for other in HOSTILE_NAMES)
                assert _counted(alike, side) in page.found()
            page.push("#clear")
        HOSTILE.open(browser, page.fragment())
        for view in ("where", "obstacles&code=instructions-missing", "pools"):
            HOSTILE.open(browser, f"#view={view}")
        for name in HOSTILE_NAMES[:4]:
            page.go(f"#{urlencode({'of': name})}")
            assert page.text("#answer h2") == " ".join(name.split())
        assert browser.run("return typeof window.x") == "undefined"
        assert browser.run("return document.scripts.length") == 2
        assert browser.run("return document.images.length") == 0

    def test_an_inline_script_would_be_refused(self, chromium: Chromium) -> None:
        HOSTILE.open(chromium)
        chromium.problems()
        for attempt in (
            'document.body.setAttribute("onclick", "window.x = 1")',
            'document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=window.x=1>")',
            'document.createElement("script").text = "window.x = 1"',
        ):
            script = f"try {{ {attempt}; }} catch (error) {{ return error.name; }}"
            assert chromium.run(script) == "TypeError", attempt
        assert chromium.run("return typeof window.x") == "undefined"
        assert chromium.problems()


class TestLarge:
    @pytest.mark.parametrize(
        "view", ["where", pytest.param("fleet", marks=short), "obstacles", "pools"]
    )
    def test_can_be_used_within_half_a_second(
        self, browser: Chromium, capsys: pytest.CaptureFixture[str], view: str
    ) -> None:
        script = "return performance.getEntriesByName('interactive')[0].startTime"
        waited, spent = [], []
        for _ in range(7):
            LARGE.open(browser, f"#view={view}")
            waited.append(browser.run(script))
            spent.append(browser.busy())
        with capsys.disabled():
            each = ", ".join(f"{one:.0f}" for one in sorted(waited))
            print(
                f"\n{LARGE_SIZE} x {LARGE_SIZE}, {view}: "
                f"{LARGE.path.stat().st_size / 2**20:.2f} MiB, interactive after {each} ms, "
                f"the page's thread busy for {min(spent):.0f} ms"
            )
        # Other programs of the machine make the page wait, but do not make its thread busy.
        assert 0 < min(spent) < LIMIT_MS

    def test_filters_and_keys_answer_at_once(self, browser: Chromium) -> None:
        LARGE.open(browser, FLEET)
        script = """
          const [name, value] = arguments;
          const field = document.forms.filters.elements[name];
          const begun = performance.now();
          field.value = value;
          field.dispatchEvent(new Event("input", { bubbles: true }));
          return performance.now() - begun;"""
        for name, value in (("outcome", "safe"), ("source-name", "e5"), ("size", "6")):
            assert browser.run(script, name, value) < 1000, name

    def test_the_far_corner_is_in_reach(self, browser: Chromium) -> None:
        page = LARGE.open(browser, f"{FLEET}&size=14")
        page.focus()
        browser.press("End", ctrl=True)
        browser.frame()
        script = """
          const { scrollTop, scrollLeft, clientHeight, clientWidth, scrollHeight, scrollWidth } =
            document.getElementById("grid");
          const below = scrollHeight - scrollTop - clientHeight;
          return [below, scrollWidth - scrollLeft - clientWidth];"""
        assert all(abs(rest) <= 1 for rest in browser.run(script))
        corner = """
          const box = document.getElementById("grid").getBoundingClientRect();
          return [box.left + document.getElementById("grid").clientWidth - 5,
                  box.top + document.getElementById("grid").clientHeight - 30];"""
        browser.run("document.getElementById('grid').scrollIntoView()")
        browser.click(*browser.run(corner))
        browser.frame()
        assert page.text("#panel-title").endswith(f"→ {TWINS[-1].name}")

    def test_long_lists_are_given_in_parts(self, browser: Chromium) -> None:
        page = LARGE.open(browser)
        assert len(page.texts("#answer tbody tr")) == 60
        assert "And 140 other nodes: type to find them." in page.text("#answer")


@short
class TestWindow:
    @pytest.mark.parametrize("width", [2560, 1400, 800, 400])
    @pytest.mark.parametrize("view", ["where", "fleet", "obstacles", "pools"])
    def test_nothing_sticks_out(self, browser: Chromium, width: int, view: str) -> None:
        browser.resize(width, 800)
        fragment = pair_fragment(CAPTURED.groups[0], CAPTURED.groups[5], view)
        CAPTURED.open(browser, fragment)
        script = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.run(script) <= 0

    def test_in_a_narrow_one_a_tap_opens_the_panel_over_the_grid(self, browser: Chromium) -> None:
        browser.resize(400, 800)
        page = CAPTURED.open(browser, FLEET)
        before = browser.run("return document.documentElement.scrollHeight")
        page.click(0, 1)
        top, bottom, over = browser.run(
            """
            const { top, bottom } = document.getElementById("panel").getBoundingClientRect();
            const panel = document.elementFromPoint(200, 700).closest("#panel");
            return [top, bottom, panel !== null];"""
        )
        assert 0 < top < 300
        assert bottom == 800
        assert over
        assert page.focused() == "panel"
        page.push("#close")
        assert page.text("#panel-title") == "At a glance"
        assert browser.run("return document.documentElement.scrollHeight") == before

    def test_cells_are_large_enough_for_a_finger(self, browser: Chromium) -> None:
        browser.resize(400, 800)
        assert CAPTURED.open(browser, FLEET).size() >= 20

    def test_the_grid_follows_the_window(self, page: ReportPage) -> None:
        page.browser.resize(1400, 900)
        page.browser.frame(2)
        before = page.size()
        page.browser.resize(2560, 900)
        page.browser.frame(2)
        assert page.size() > before
        page.browser.resize(500, 900)
        page.browser.frame(2)
        script = "return document.getElementById('canvas').getBoundingClientRect().right"
        assert page.browser.run(script) <= 500

    def test_asks_nothing_of_any_network(self, few: ReportPage) -> None:
        assert few.browser.run("return performance.getEntriesByType('resource').length") == 0
