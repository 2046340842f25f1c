"""Judged migrations as JSON, for machines to read; schema/check.schema.json is its shape."""

import json
from collections.abc import Iterable
from typing import Any

from simulator.kernel.restore import Answer
from simulator.verdicts.codes import find_code
from simulator.verdicts.migrations import Check, Migration
from simulator.verdicts.verdict import Opinion, Reason
from vzcptcheck.image_command import image_facts

FORMAT = 1


def format_check(check: Check) -> str:
    """Write a check."""
    return format_document(
        {
            "format": FORMAT,
            "source": check.source,
            "destination": check.destination,
            "strict": check.is_strict,
            "waived": list(check.waived),
            "verdict": check.verdict.value,
            "migrations": [_migration(one, is_strict=check.is_strict) for one in check.migrations],
            "codes": code_documents(
                reason
                for one in check.migrations
                for opinion in (one.judgement.kernel, one.judgement.ours)
                for reason in opinion.reasons
            ),
        }
    )


def format_document(document: dict[str, Any]) -> str:
    """Return plain data as ASCII: names must not control a terminal."""
    return json.dumps(document, indent=2) + "\n"


def code_documents(reasons: Iterable[Reason]) -> dict[str, dict[str, str]]:
    """Return the documentation of the reasons' codes, by code."""
    codes = map(find_code, sorted({reason.code for reason in reasons}))
    return {
        code.name: {
            "opinion": code.opinion,
            "summary": code.summary,
            "explanation": code.explanation,
            "next_step": code.next_step,
        }
        for code in codes
    }


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
    }


def _migration(migration: Migration, *, is_strict: bool) -> dict[str, Any]:
    judgement = migration.judgement
    return {
        "container": migration.ctid,
        "suspended": migration.is_suspended,
        "verdict": judgement.verdict(strict=is_strict).value,
        "kernel": _opinion(migration, judgement.kernel),
        "ours": _opinion(migration, judgement.ours),
        "other_reports": list(migration.reports_on("")),
        "image": migration.restore and image_facts(migration.restore.image),
        "restore": migration.restore and _answer(migration.restore.answer),
    }


def _answer(answer: Answer | None) -> dict[str, Any] | None:
    return None if answer is None else answer._asdict()


def _opinion(migration: Migration, opinion: Opinion) -> dict[str, Any]:
    return {
        "verdict": opinion.verdict.value,
        "reasons": [
            {**reason_document(reason), "reports": list(migration.reports_on(reason.code))}
            for reason in opinion.reasons
        ],
    }
