"""What a command has to say."""

import pytest

from vzcptcheck.outcome import ExitStatus, Outcome


def test_the_statuses_are_those_that_vzmigrate_reads():
    assert (ExitStatus.YES, ExitStatus.ERROR, ExitStatus.NO) == (0, 1, 2)


def test_an_outcome_says_nothing_unless_told():
    outcome = Outcome(ExitStatus.NO)
    assert (outcome.status, outcome.answer, outcome.remarks, outcome.usage) == (2, "", [], "")


def test_remarks_belong_to_one_outcome():
    remarks = ["first"]
    outcome = Outcome(ExitStatus.YES, "770\n", remarks)
    outcome.remarks.append("second")
    assert remarks == ["first"]
    assert Outcome(ExitStatus.YES).remarks == []


def test_a_misspelt_attribute_is_an_error():
    with pytest.raises(AttributeError):
        Outcome(ExitStatus.YES).remark = "lost"
