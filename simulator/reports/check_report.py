"""Judged migrations: for people, the outcome, both verdicts and the next steps; and as JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct

from simulator.kernel.restore import Answer
from simulator.reports.terminal import DIM, HEADING, Line, line, styled_word
from simulator.verdicts.codes import find_code
from simulator.verdicts.engine import Engine
from simulator.verdicts.migrations import Check, Migration
from simulator.verdicts.verdict import (
    Help,
    Judgement,
    Opinion,
    Outcome,
    Reason,
    Remedy,
    Verdict,
    Weight,
)

FORMAT = 2

#: A reason's effect on its verdict.
_WORDS = {
    Weight.REFUSES: Verdict.NOT_POSSIBLE.value,
    Weight.UNKNOWN: Verdict.UNKNOWN.value,
    Weight.REMARK: "remark",
}
_MORE = "--verbose tells where these are, and who needs them."


class _Found(Struct, frozen=True):
    """A reason, and the migrations that it was found for."""

    reason: Reason
    migrations: tuple[Migration, ...]


#: Reasons of one code and weight, that one paragraph is about.
_Paragraph = list[_Found]


def check_lines(check: Check, *, is_verbose: bool = False) -> Iterator[Line]:
    """Write a check: the outcome first, then all reasons, each once."""
    yield line(0, styled_word(check.outcome.value), f": {check.source} to {check.destination}")
    yield line(0, _why(check))
    yield from _outcome_lines(check)
    yield from _answer_lines(check.migrations)
    yield from (line(2, words) for words in engine_words(check.engine))
    if check.waived:
        yield line(2, f"waived: {', '.join(check.waived)}")
    restore = [(one, one.judgement.restore) for one in check.migrations]
    yield from _opinion_lines("Restore:", restore, is_verbose=is_verbose)
    yield from _other_reports(check.migrations)
    programs = [(one, one.judgement.programs) for one in check.migrations]
    title = "Programs, left out by --restore-only:" if check.restore_only else "Programs:"
    yield from _opinion_lines(title, programs, is_verbose=is_verbose)
    yield from _help_lines(check)


def engine_words(engine: Engine[Any]) -> Iterator[str]:
    """Say what another engine than CPT is asked, and what its yes leaves out: of CPT nothing."""
    if engine.scope:
        yield f"By the rules of {engine.name}, '{engine.command}': {engine.scope}"


def engine_document(engine: Engine[Any]) -> dict[str, Any]:
    """Return the same as a part of a document; of CPT nothing."""
    told = {"name": engine.name, "command": engine.command, "scope": engine.scope}
    return {"engine": told} if engine.scope else {}


def said_words(reasons: Iterable[Reason]) -> Iterator[str]:
    """Yield what an engine writes of reasons, each sentence once."""
    return (f"it says: {said}" for said in dict.fromkeys(one.said for one in reasons) if said)


def _why(check: Check) -> str:
    """Say in a sentence where the outcome comes from, and for how many containers."""
    worst = [one.judgement for one in check.migrations]
    worst = [one for one in worst if one.outcome(restore_only=check.restore_only) is check.outcome]
    if check.outcome is Outcome.SAFE:
        return "It restores, and programs survive." if not check.restore_only else "It restores."
    sentences = Counter(main_reason(one, restore_only=check.restore_only) for one in worst)
    ((sentence, count),) = sentences.most_common(1)
    every = len(check.migrations)
    return sentence if every == 1 else f"{sentence} ({count} of {every} containers)"


def main_reason(judgement: Judgement, *, restore_only: bool = False) -> str:
    """Say in a sentence why a migration is not safe: the first reason, with its features."""
    restore, programs = judgement
    outcome = judgement.outcome(restore_only=restore_only)
    verdict = Verdict.UNKNOWN if outcome is Outcome.UNKNOWN else Verdict.NOT_POSSIBLE
    opinion = restore if restore.verdict is verdict else programs
    reasons = [reason for reason in opinion.reasons if reason.verdict is verdict]
    code = reasons[0].code
    features = " ".join(reason.feature for reason in reasons if reason.code == code)
    return find_code(code).summary + (f": {features}" if features else "")


def name_containers(ctids: Sequence[int]) -> str:
    """Name containers by their numbers, three in a row as 1-3; none means any container."""
    if not ctids:
        return "any container"
    return f"container{'s' if len(ctids) > 1 else ''} {', '.join(_runs(ctids))}"


def _runs(numbers: Iterable[int]) -> Iterator[str]:
    for _, found in groupby(enumerate(numbers), lambda entry: entry[1] - entry[0]):
        run = [number for _, number in found]
        yield from [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)


def _name(migrations: Iterable[Migration]) -> str:
    """Name the containers of migrations; these are alike: suspended or not, numbered or not."""
    members = list(migrations)
    if members[0].image is not None:
        return "the image"
    named = name_containers([one.ctid for one in members if one.ctid is not None])
    return f"suspended {named}" if members[0].is_suspended else named


def _outcome_lines(check: Check) -> Iterator[Line]:
    """Write the outcomes, and the verdicts; containers that have them in common share a line."""
    groups: dict[tuple[Verdict, Verdict], list[Migration]] = {}
    for one in check.migrations:
        key = one.judgement.restore.verdict, one.judgement.programs.verdict
        groups.setdefault(key, []).append(one)
    for (restore, programs), members in groups.items():
        outcome = members[0].judgement.outcome(restore_only=check.restore_only)
        yield line(
            2,
            f"{_name(members)}: ",
            styled_word(outcome.value),
            ", restore ",
            styled_word(restore.value),
            ", programs ",
            styled_word(programs.value),
        )


def _answer_lines(migrations: Iterable[Migration]) -> Iterator[Line]:
    """Write restore's result, its diagnostics, and the check that it stops at."""
    for migration in migrations:
        if migration.image is None or migration.image.answer is None:
            continue
        answer = migration.image.answer
        if answer.result is None:
            yield line(2, "what restore answers is not known")
        else:
            yield line(2, f"restore answers {answer.result} {answer.errno}".rstrip(), _stop(answer))
            yield from (line(4, text) for text in answer.diagnostics or ())


def _stop(answer: Answer) -> str:
    """Name the check that restore stops at; it does not make the later ones."""
    if not answer.result:
        return ""
    if answer.stopped_at is None:
        return ", at which check is not known"
    return f" at {answer.stopped_at}, and looks no further"


def _opinion_lines(
    title: str, opinions: Sequence[tuple[Migration, Opinion]], *, is_verbose: bool
) -> Iterator[Line]:
    yield line(0)
    paragraphs = _paragraphs(_merge(opinions))
    nothing = "" if paragraphs else " nothing against it"
    yield line(0, (title, HEADING), nothing)
    everybody = tuple(migration for migration, _ in opinions)
    is_cut = False
    for found in paragraphs:
        if _is_short(found) and not is_verbose:
            is_cut = True
            yield _short_line(found)
        else:
            yield from _paragraph_lines(found, everybody)
    if is_cut:
        yield line(2, _MORE)


def _merge(opinions: Iterable[tuple[Migration, Opinion]]) -> list[_Found]:
    """Gather the migrations of each distinct reason."""
    found: dict[Reason, list[Migration]] = {}
    for migration, opinion in opinions:
        for reason in opinion.reasons:
            found.setdefault(reason, []).append(migration)
    return [_Found(reason, tuple(migrations)) for reason, migrations in found.items()]


def _paragraphs(found: Iterable[_Found]) -> list[_Paragraph]:
    """Sort reasons by code and weight; remarks about features come last."""
    sorted_reasons: dict[tuple[str, Weight, bool], _Paragraph] = {}
    for one in found:
        key = one.reason.code, one.reason.weight, one.reason.is_waived
        sorted_reasons.setdefault(key, []).append(one)
    return sorted(sorted_reasons.values(), key=_is_short)


def _is_short(paragraph: _Paragraph) -> bool:
    """Return whether the features' names are enough: no verdict depends on them."""
    reason = paragraph[0].reason
    return reason.weight is Weight.REMARK and bool(reason.feature)


def _short_line(paragraph: _Paragraph) -> Line:
    reason = paragraph[0].reason
    names = list(dict.fromkeys(one.reason.feature for one in paragraph))
    return line(2, *_mark(reason), f": {len(names)}: {' '.join(names)}")


def _mark(reason: Reason) -> tuple[tuple[str, str], ...]:
    """Return a reason's effect on the verdict, and its code."""
    word = _WORDS[reason.weight]
    if reason.is_waived:
        marked = ("waived", HEADING)
    elif reason.weight is Weight.REMARK:
        marked = (word, DIM)
    else:
        marked = styled_word(word)
    return marked, (": ", ""), (reason.code, HEADING)


def _paragraph_lines(paragraph: _Paragraph, everybody: tuple[Migration, ...]) -> Iterator[Line]:
    reason = paragraph[0].reason
    code = find_code(reason.code)
    yield line(2, *_mark(reason), f": {code.summary}")
    groups: dict[tuple[tuple[Migration, ...], str], list[Reason]] = {}
    for one in paragraph:
        key = one.migrations, one.reason.needed_by
        groups.setdefault(key, []).append(one.reason)
    for (migrations, needed_by), reasons in groups.items():
        yield from _group_lines(migrations, needed_by, reasons, everybody)
    yield from (line(6, words) for words in said_words(one.reason for one in paragraph))
    yield from _report_lines(paragraph)
    if not all(_is_helped(found) for found in paragraph):
        yield line(4, f"Next: {code.next_step}")


def _is_helped(found: _Found) -> bool:
    """Tell whether some remedy turns a reason away wherever it was found."""
    return all(
        any(found.reason in one.turns_away for one in migration.helps)
        for migration in found.migrations
    )


def _group_lines(
    migrations: tuple[Migration, ...],
    needed_by: str,
    reasons: Sequence[Reason],
    everybody: tuple[Migration, ...],
) -> Iterator[Line]:
    """Write reasons that share containers and needs, below a line that names these."""
    who = [] if migrations == everybody else [_name(migrations)]
    who += [f"needed by {needed_by}"] if needed_by else []
    if who:
        yield line(4, f"{', '.join(who)}:")
    features = max(len(reason.feature) for reason in reasons)
    places = max(len(reason.place) for reason in reasons)
    for reason in reasons:
        columns = [reason.feature.ljust(features), reason.place.ljust(places), _values(reason)]
        words = "  ".join(column for column in columns if column).rstrip()
        if words:
            yield line(6, words)


def _values(reason: Reason) -> str:
    sides = (("source", reason.source), ("destination", reason.destination))
    values = [f"{side}: {value}" for side, value in sides if value]
    return ", ".join(values + [f"hidden by {reason.hidden_by}"] * bool(reason.hidden_by))


def _help_lines(check: Check) -> Iterator[Line]:
    """Write what helps, each remedy once, with the containers that it helps."""
    found: dict[Remedy, list[tuple[Migration, Help]]] = {}
    for migration in check.migrations:
        for one in migration.helps:
            found.setdefault(one.remedy, []).append((migration, one))
    if found:
        yield line(0)
        yield line(0, ("What helps, as tried on the simulated nodes:", HEADING))
    for remedy, helped in found.items():
        yield line(2, remedy.action)
        if remedy.lines:
            yield from override_command_lines(remedy.lines)
        yield from _effect_lines(helped)
        if remedy.cost:
            yield line(4, f"Cost: {remedy.cost}.")
        if remedy.condition:
            yield line(4, remedy.condition)


def override_command(text: str) -> str:
    """Return the shell command that writes a table; a single write, as the kernel requires."""
    if not text:
        # A write of no bytes would not reach the kernel.
        return "echo > /proc/vz/cpuid_override"
    return "printf '%s\\n' " + " ".join(_quoted(text)) + " > /proc/vz/cpuid_override"


def override_command_lines(text: str, indent: int = 4) -> Iterator[Line]:
    """Write that command on short lines, which no terminal folds: it is to be copied."""
    yield _command_line(indent, "printf '%s\\n' \\")
    for one in _quoted(text):
        yield _command_line(indent + 2, f"{one} \\")
    yield _command_line(indent + 2, "> /proc/vz/cpuid_override")


def _command_line(indent: int, text: str) -> Line:
    return Line(indent, (text,), is_to_be_copied=True)


def _quoted(text: str) -> list[str]:
    return [f"'{one}'" for one in text.splitlines()]


def _effect_lines(helped: Iterable[tuple[Migration, Help]]) -> Iterator[Line]:
    """Write what a remedy turns away, and what is left of it."""
    effects: dict[tuple[str, Outcome], list[Migration]] = {}
    for migration, one in helped:
        codes = " ".join(dict.fromkeys(reason.code for reason in one.turns_away))
        effects.setdefault((codes, one.outcome), []).append(migration)
    for (codes, outcome), migrations in effects.items():
        away = "" if outcome is Outcome.SAFE else f", turns away {codes}"
        yield line(4, f"{_name(migrations)}: then ", styled_word(outcome.value), away)


def _report_lines(paragraph: _Paragraph) -> Iterator[Line]:
    """Write the kernel's diagnostics on the containers."""
    code = paragraph[0].reason.code
    for migration in dict.fromkeys(one for found in paragraph for one in found.migrations):
        for report in migration.reports_on(code):
            yield line(6, f"container {migration.ctid}: {report}")


def _other_reports(migrations: Iterable[Migration]) -> Iterator[Line]:
    for migration in migrations:
        for report in migration.reports_on(""):
            yield line(2, f"it says of container {migration.ctid}: {report}")


# As JSON


def format_check(check: Check) -> str:
    """Write a check; schema/check.schema.json is its shape."""
    return format_document(
        {
            "format": FORMAT,
            "source": check.source,
            "destination": check.destination,
            **engine_document(check.engine),
            "restore_only": check.restore_only,
            "waived": list(check.waived),
            "outcome": check.outcome.value,
            "migrations": [
                _migration(one, restore_only=check.restore_only) for one in check.migrations
            ],
            "codes": code_documents(
                reason
                for one in check.migrations
                for opinion in one.judgement
                for reason in opinion.reasons
            ),
        }
    )


def format_document(document: dict[str, Any]) -> str:
    """Return plain data as ASCII: names must not control a terminal."""
    import json

    return json.dumps(document, indent=2) + "\n"


def code_documents(reasons: Iterable[Reason]) -> dict[str, dict[str, str]]:
    """Return the documentation of the reasons' codes, by code."""
    names = sorted({reason.code for reason in reasons})
    prose = ("verdict", "summary", "explanation", "hidden_by", "next_step")
    return {name: {key: getattr(find_code(name), key) for key in prose} for name in names}


def reason_document(reason: Reason) -> dict[str, Any]:
    """Return a reason as plain data."""
    return {
        "code": reason.code,
        "weight": reason.weight.value,
        "waived": reason.is_waived,
        "feature": reason.feature,
        "place": reason.place,
        "source": reason.source,
        "destination": reason.destination,
        "needed_by": reason.needed_by,
        "hidden_by": reason.hidden_by,
        **({"said": reason.said} if reason.said else {}),
    }


def _migration(migration: Migration, *, restore_only: bool) -> dict[str, Any]:
    from vzcptcheck.image_command import image_facts

    judgement, image = migration.judgement, migration.image
    return {
        "container": migration.ctid,
        "suspended": migration.is_suspended,
        "outcome": judgement.outcome(restore_only=restore_only).value,
        "restore": verdict_document(migration, judgement.restore),
        "programs": verdict_document(migration, judgement.programs),
        "remedies": list(map(help_document, migration.helps)),
        "other_reports": list(migration.reports_on("")),
        "image": image and image_facts(image.image),
        "answer": image and image.answer and image.answer._asdict(),
    }


def verdict_document(migration: Migration, opinion: Opinion) -> dict[str, Any]:
    """Return a verdict and all its reasons as plain data."""
    return {
        "verdict": opinion.verdict.value,
        "reasons": [
            {**reason_document(reason), "reports": list(migration.reports_on(reason.code))}
            for reason in opinion.reasons
        ],
    }


def help_document(found: Help) -> dict[str, Any]:
    """Return a remedy as plain data."""
    return {
        **found.remedy._asdict(),
        "turns_away": [
            {"code": reason.code, "feature": reason.feature} for reason in found.turns_away
        ],
        "outcome": found.outcome.value,
    }
