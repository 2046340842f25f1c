"""What reasons come to, and what waiving them does."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.verdicts.verdict import Judgement, Opinion, Reason, Verdict, Weight

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


def test_ours_counts_only_where_it_is_asked_to() -> None:
    judgement = Judgement(kernel=Opinion((REMARK,)), ours=Opinion((REFUSES,)))
    assert judgement.verdict() is Verdict.POSSIBLE
    assert judgement.verdict(strict=True) is Verdict.NOT_POSSIBLE


def test_the_kernels_refusal_counts_either_way() -> None:
    judgement = Judgement(kernel=Opinion((REFUSES,)), ours=Opinion())
    assert judgement.verdict() is Verdict.NOT_POSSIBLE
    assert judgement.verdict(strict=True) is Verdict.NOT_POSSIBLE


@given(opinions, waived_codes)
def test_waiving_only_weakens(opinion: Opinion, codes: set[str]) -> None:
    after = opinion.waive(codes)
    assert ORDER.index(after.verdict) >= ORDER.index(opinion.verdict)
    assert [one.code for one in after.reasons] == [one.code for one in opinion.reasons]
    assert after.waive(codes) == after


@given(opinions, opinions)
def test_strict_is_the_worse_of_both(kernel: Opinion, ours: Opinion) -> None:
    strict = Judgement(kernel, ours).verdict(strict=True)
    assert strict is min(kernel.verdict, ours.verdict, key=ORDER.index)


@given(opinions)
def test_an_opinion_counts_its_reasons(opinion: Opinion) -> None:
    assert opinion.size == len(opinion.reasons)
    assert opinion.findings == opinion.reasons
