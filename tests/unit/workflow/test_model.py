"""The life of a scheduled step, as its table says, and identifiers."""

from datetime import UTC, datetime

import pytest

from filmroom.workflow.model import CLOSED, NEXT, OPEN, BadOrder, StepEvent, StepStatus, StudyUidRule, WrongState, after
from filmroom.workflow.numbers import identifier, study_uid

NOW = datetime(2026, 7, 6, tzinfo=UTC)


@pytest.mark.capability("1.7.3")
def test_every_status_can_be_reached_from_the_first() -> None:
    reached, fresh = {StepStatus.SCHEDULED}, {StepStatus.SCHEDULED}
    while fresh:
        fresh = {to for (status, _), to in NEXT.items() if status in fresh} - reached
        reached |= fresh
    assert reached == set(StepStatus)


@pytest.mark.capability("1.7.3")
def test_what_happened_is_stronger_than_the_plan() -> None:
    """Whatever the plan says, a modality that begins or ends is believed."""
    for status in StepStatus:
        assert after(status, StepEvent.BEGUN) is StepStatus.STARTED
        assert after(status, StepEvent.DONE) is StepStatus.COMPLETED


@pytest.mark.capability("1.7.3")
def test_the_usual_day() -> None:
    status = StepStatus.SCHEDULED
    for event in (StepEvent.ARRIVED, StepEvent.PREPARED, StepEvent.BEGUN, StepEvent.LEFT, StepEvent.DONE):
        status = after(status, event)
    assert status is StepStatus.COMPLETED


@pytest.mark.capability("1.7.3")
def test_nothing_is_undone_without_being_reopened() -> None:
    for status in CLOSED:
        with pytest.raises(WrongState):
            after(status, StepEvent.ARRIVED)
        assert after(status, StepEvent.REOPENED) is StepStatus.SCHEDULED
    assert set(StepStatus) == OPEN | CLOSED


@pytest.mark.capability("1.7.5")
def test_identifiers_follow_their_pattern_within_16_characters() -> None:
    assert identifier("A{at:%y%m%d}{n:06d}", 7, NOW) == "A260706000007"
    for bad in ("{x}", "", "0123456789ABCDEF{n}", "{n:q}"):
        with pytest.raises(BadOrder):
            identifier(bad, 7, NOW)


@pytest.mark.capability("1.7.5")
def test_a_study_uid_from_the_accession_number_is_always_the_same() -> None:
    def made(accession: str, issuer: str = "", procedure: str = "R1") -> str:
        return study_uid(StudyUidRule.FROM_ACCESSION, accession, issuer, procedure, 0)

    assert made("A1") == made("A1")
    assert len({made("A1"), made("A2"), made("A1", "X"), made("A1", procedure="R2")}) == 4
    assert all(len(made(f"A{n}")) <= 64 for n in range(100))
    assert study_uid(StudyUidRule.GENERATE, "A1", "", "R1", 7) == "2.25.7"
