"""What reasons come to, and what waiving them does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.verdicts.verdict import (
    Judgement,
    Opinion,
    Outcome,
    Reason,
    Verdict,
    Weight,
    worst,
    worst_outcome,
)

REFUSES = Reason("one", Weight.REFUSES)
UNKNOWN = Reason("two", Weight.UNKNOWN)
REMARK = Reason("three", Weight.REMARK)

#: From the worst on.
ORDER = [Verdict.NOT_POSSIBLE, Verdict.UNKNOWN, Verdict.POSSIBLE]

reasons = st.builds(
    Reason, st.sampled_from(["a", "b", "c"]), st.sampled_from(Weight), is_waived=st.booleans()
)
opinions = st.builds(Opinion, st.lists(reasons, max_size=5).map(tuple))
waived_codes = st.sets(st.sampled_from(["a", "b", "c", "none"]))


def test_nothing_against_it_is_a_yes() -> None:
    assert Opinion().verdict is Verdict.POSSIBLE
    assert Opinion((REMARK,)).verdict is Verdict.POSSIBLE


def test_what_could_not_be_checked_is_never_a_yes() -> None:
    assert Opinion((REMARK, UNKNOWN)).verdict is Verdict.UNKNOWN


def test_a_refusal_outweighs_what_is_not_known() -> None:
    assert Opinion((UNKNOWN, REFUSES, REMARK)).verdict is Verdict.NOT_POSSIBLE


def test_a_waived_reason_stays_and_no_longer_counts() -> None:
    waived = Opinion((UNKNOWN, REFUSES)).waive(["one"])
    assert [(reason.code, reason.is_waived) for reason in waived.reasons] == [
        ("two", False),
        ("one", True),
    ]
    assert waived.verdict is Verdict.UNKNOWN


def test_waiving_what_is_not_there_changes_nothing() -> None:
    assert Opinion((REFUSES,)).waive(["two"]) == Opinion((REFUSES,))


@pytest.mark.parametrize(
    ("restore", "programs", "outcome", "restore_alone"),
    [
        ((REMARK,), (), Outcome.SAFE, Outcome.SAFE),
        ((), (REFUSES,), Outcome.RISKY, Outcome.SAFE),
        ((), (UNKNOWN,), Outcome.UNKNOWN, Outcome.SAFE),
        ((UNKNOWN,), (), Outcome.UNKNOWN, Outcome.UNKNOWN),
        ((UNKNOWN,), (REFUSES,), Outcome.UNKNOWN, Outcome.UNKNOWN),
        ((REFUSES,), (), Outcome.REFUSED, Outcome.REFUSED),
        ((REFUSES,), (REFUSES, UNKNOWN), Outcome.REFUSED, Outcome.REFUSED),
    ],
)
def test_two_verdicts_make_one_outcome(
    restore: tuple[Reason, ...],
    programs: tuple[Reason, ...],
    outcome: Outcome,
    restore_alone: Outcome,
) -> None:
    judgement = Judgement(Opinion(restore), Opinion(programs))
    assert judgement.outcome() is outcome
    assert judgement.outcome(restore_only=True) is restore_alone


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], Verdict.POSSIBLE),
        ([Verdict.POSSIBLE, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.UNKNOWN, Verdict.NOT_POSSIBLE, Verdict.POSSIBLE], Verdict.NOT_POSSIBLE),
    ],
)
def test_a_no_outranks_what_is_not_known(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst(verdicts) is expected


@given(st.lists(st.sampled_from(Outcome)))
def test_the_worst_outcome_is_the_first_there_is_of_these(outcomes: list[Outcome]) -> None:
    order = [Outcome.REFUSED, Outcome.RISKY, Outcome.UNKNOWN, Outcome.SAFE]
    assert worst_outcome(outcomes) is next((one for one in order if one in outcomes), Outcome.SAFE)


@given(opinions, waived_codes)
def test_waiving_only_weakens(opinion: Opinion, codes: set[str]) -> None:
    after = opinion.waive(codes)
    assert ORDER.index(after.verdict) >= ORDER.index(opinion.verdict)
    assert [one.code for one in after.reasons] == [one.code for one in opinion.reasons]
    assert after.waive(codes) == after


@given(opinions)
def test_an_opinion_counts_its_reasons(opinion: Opinion) -> None:
    assert opinion.size == len(opinion.reasons)
    assert opinion.findings == opinion.reasons
