"""Worklist queries as read: what is matched, what a device's policy changes, what goes back."""

import pytest

from filmroom.archive.devices import DevicePolicy, WorklistPolicy
from filmroom.dicom.question import Range, Single
from filmroom.workflow.asking import answer, read, satisfied, step_question
from filmroom.workflow.attributes import START_DATE, STATION, STEP_SEQUENCE, element
from filmroom.workflow.model import OPEN, StepStatus

STEP = element(STATION, "CT1") | element(START_DATE, "20260706") | element(0x00080060, "CT")
ITEM = element(0x00100010, "DOE^JANE") | element(STEP_SEQUENCE, STEP)


@pytest.mark.capability("1.7.4")
def test_a_policy_survives_its_row() -> None:
    policy = DevicePolicy(
        worklist=WorklistPolicy(True, 2, frozenset({"CT"}), frozenset({"STARTED"}), "GBK"), strict_mpps=True
    )
    assert DevicePolicy.from_row(policy.to_row()) == policy
    assert DevicePolicy.from_row({}) == DevicePolicy()
    assert DevicePolicy().to_row() == {}


@pytest.mark.capability("1.7.1")
def test_universal_keys_ask_nothing() -> None:
    asked = read(element(0x00100010) | element(STEP_SEQUENCE, element(STATION, "*")), calling_ae="CT1")
    assert asked.keys == ()
    assert satisfied(asked, ITEM, step_question(asked))


@pytest.mark.capability("1.7.4")
def test_the_start_date_is_widened_both_ways() -> None:
    wanted = element(STEP_SEQUENCE, element(START_DATE, "20260101"))
    asked = read(wanted, calling_ae="CT1", policy=WorklistPolicy(more_days=1))
    assert asked.step_match(START_DATE) == Range("20251231", "20260102")
    half = read(element(STEP_SEQUENCE, element(START_DATE, "20260101-")), calling_ae="X", policy=asked.policy)
    assert half.step_match(START_DATE) == Range("20251231", "")


@pytest.mark.capability("1.7.4")
def test_a_station_that_is_named_stays() -> None:
    policy = WorklistPolicy(own_station=True)
    assert read({}, calling_ae="CT9", policy=policy).step_match(STATION) == Single("CT9")
    named = read(element(STEP_SEQUENCE, element(STATION, "CT1")), calling_ae="CT9", policy=policy)
    assert named.step_match(STATION) == Single("CT1")


@pytest.mark.capability("1.7.3")
def test_a_policy_hides_statuses_until_one_is_asked() -> None:
    policy = WorklistPolicy(hidden=frozenset({"STARTED"}))
    assert read({}, calling_ae="X", policy=policy).statuses == OPEN - {StepStatus.STARTED}
    wanted = element(STEP_SEQUENCE, element(0x00400020, "STARTED"))
    assert read(wanted, calling_ae="X", policy=policy).statuses == frozenset(StepStatus)


@pytest.mark.capability("1.7.1")
def test_what_is_asked_goes_back_and_nothing_else() -> None:
    wanted = {"00080005": {"vr": "CS", "Value": ["GBK"]}} | element(0x00100010) | element(0x00100020)
    asked = read(wanted | element(STEP_SEQUENCE, element(0x00080060)), calling_ae="X")
    assert asked.charset == "GBK"
    assert answer(asked.wanted, ITEM) == {
        **element(0x00100010, "DOE^JANE"),
        **element(0x00100020),
        **element(STEP_SEQUENCE, element(0x00080060, "CT")),
    }
