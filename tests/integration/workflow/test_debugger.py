"""The worklist debugger: which key removed each step, and what strikes about the query itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.fixtures.clinic import DAY, Clinic, find, open_clinic, order, query, step

from filmroom.archive.devices import WorklistPolicy
from filmroom.base.errors import Forbidden
from filmroom.db.pool import Database
from filmroom.dicom.question import JsonDataset
from filmroom.security.principals import SYSTEM, person
from filmroom.workflow.asking import read
from filmroom.workflow.attributes import STEP_SEQUENCE, element
from filmroom.workflow.candidates import Candidates
from filmroom.workflow.debugger import HINTS, REASONS, Diagnosis, WorklistDebugger
from filmroom.workflow.model import StepEvent


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(database) as opened:
        await opened.add(order(step(location="Room 1"), accession="A0007"))
        await opened.add(order(step("MR", "MR1"), name="ROE^RICHARD", patient_id="P2"))
        await opened.add(order(step(start=DAY + timedelta(days=1)), name="POE^EDGAR", patient_id="P3"))
        yield opened


def asked(outer: JsonDataset, inner: JsonDataset) -> JsonDataset:
    return outer | element(STEP_SEQUENCE, inner)


async def explain(
    clinic: Clinic,
    identifier: JsonDataset,
    *,
    calling: str = "CT1",
    policy: WorklistPolicy | None = None,
    day: str = "",
) -> Diagnosis:
    wanted = read(identifier, calling_ae=calling, policy=policy)
    found = await WorklistDebugger(clinic.database).explain(SYSTEM, wanted, day=day)
    for verdict in found.verdicts:
        assert {reason.code for reason in verdict.reasons} <= set(REASONS)
    assert set(found.hints) <= set(HINTS)
    return found


def killed(found: Diagnosis) -> dict[str, list[tuple[str, str]]]:
    return {one.step.patient_name: [(reason.keyword, reason.code) for reason in one.reasons] for one in found.verdicts}


@pytest.mark.capability("1.7.11")
async def test_each_key_that_removed_a_step_is_named(clinic: Clinic) -> None:
    outer = element(0x00100010, "doe*") | element(0x00080050, "7")
    inner = element(0x00400002, "20260706") | element(0x00080060, "CT") | element(0x00400001, "CT1")
    found = await explain(clinic, asked(outer, inner))
    assert killed(found) == {
        "DOE^JANE": [("AccessionNumber", "differs")],
        "ROE^RICHARD": [
            ("PatientName", "differs"),
            ("AccessionNumber", "differs"),
            ("Modality", "differs"),
            ("ScheduledStationAETitle", "differs"),
        ],
    }
    assert found.shown == 0
    assert found.kills["AccessionNumber"] == 2
    assert found.alone == {"AccessionNumber": 1}


@pytest.mark.capability("1.7.11")
async def test_near_misses_are_told_apart(clinic: Clinic) -> None:
    day = element(0x00400002, "20260706")
    cases = {
        "differs-in-case": asked({}, day | element(0x00400001, "ct1")),
        "differs-in-form": asked(element(0x00100020, "P-1"), day),
        "no-value": asked(element(0x00380010, "V1"), day),
        "is-a-pattern": asked(element(0x0020000D, "1.2.3"), day),
    }
    for code, identifier in cases.items():
        reasons = killed(await explain(clinic, identifier))["DOE^JANE"]
        assert [one for _, one in reasons] == [code if code != "is-a-pattern" else "differs"], code


@pytest.mark.capability("1.7.11")
async def test_date_and_time_are_explained_as_one_moment(clinic: Clinic) -> None:
    inner = element(0x00400002, "20260706-20260707") | element(0x00400003, "100000-120000")
    found = await explain(clinic, asked({}, inner))
    assert killed(found) == {
        "DOE^JANE": [("ScheduledProcedureStepStartTime", "moment")],
        "ROE^RICHARD": [("ScheduledProcedureStepStartTime", "moment")],
        "POE^EDGAR": [],
    }
    late = await explain(clinic, asked({}, element(0x00400002, "20260708-")), day="20260707")
    assert killed(late) == {"POE^EDGAR": [("ScheduledProcedureStepStartDate", "before")]}


@pytest.mark.capability("1.7.11")
async def test_what_a_policy_did_is_said(clinic: Clinic) -> None:
    policy = WorklistPolicy(own_station=True, modalities=frozenset({"CT"}))
    found = await explain(clinic, asked({}, element(0x00400002, "20260706")), calling="CT9", policy=policy)
    assert "station-from-policy" in found.hints
    assert "station-unknown" in found.hints
    reasons = {one.step.patient_name: one.reasons for one in found.verdicts}
    assert [(one.code, one.by_policy) for one in reasons["ROE^RICHARD"]] == [
        ("other-modality-group", True),
        ("differs", True),
    ]


@pytest.mark.capability("1.7.11")
async def test_what_strikes_about_the_query(clinic: Clinic) -> None:
    found = await explain(clinic, asked(element(0x00100010, "王*") | element(0x00080070, "ACME"), {}), day="20260801")
    assert set(found.hints) == {"nothing-scheduled", "no-charset", "unsupported-keys", "no-date"}
    other = await explain(clinic, asked({}, element(0x00400001, "MR1") | element(0x00400002, "20260706")))
    assert other.hints == ("other-station-calls",)


@pytest.mark.capability("1.7.11", "1.7.3")
async def test_steps_that_are_over_are_shown_to_be(clinic: Clinic) -> None:
    (first, *_) = await clinic.orders.steps(SYSTEM, Candidates())
    await clinic.orders.tell(SYSTEM, first.pk, StepEvent.DONE)
    found = await explain(clinic, asked({}, element(0x00400002, "20260706")))
    assert killed(found)["DOE^JANE"] == [("", "closed")]


@pytest.mark.capability("1.7.11")
async def test_a_query_off_the_wire_is_kept_and_replayed(clinic: Clinic) -> None:
    wanted = query("PatientName=王*", Modality="CT", ScheduledProcedureStepStartDate="20260706")
    wanted.SpecificCharacterSet = "GB18030"
    await find(clinic, wanted)
    async with asyncio.timeout(10):
        while not (captured := await clinic.worklist.captured(SYSTEM, "CT1")):
            await asyncio.sleep(0)  # it is kept beside the answer
    (kept,) = captured
    assert (kept.calling_ae, kept.matches, kept.status) == ("CT1", 0, 0)
    again = await clinic.worklist.captured_query(SYSTEM, kept.pk)
    found = await explain(clinic, again.identifier)
    assert killed(found)["DOE^JANE"] == [("PatientName", "differs")]


@pytest.mark.capability("1.7.11")
async def test_shown_is_what_the_worklist_shows(clinic: Clinic) -> None:
    for keys in ({"Modality": "CT"}, {"ScheduledStationAETitle": "MR1"}, {"ScheduledProcedureStepStartTime": "09-"}):
        answers, _ = await find(clinic, query("PatientName", ScheduledProcedureStepStartDate="20260706", **keys))
        inner = {"00400002": {"vr": "DA", "Value": ["20260706"]}}
        for keyword, value in keys.items():
            tag = {"Modality": 0x00080060, "ScheduledStationAETitle": 0x00400001}.get(keyword, 0x00400003)
            inner |= element(tag, value)
        assert (await explain(clinic, asked({}, inner))).shown == len(answers)


async def test_only_administrators_look(clinic: Clinic) -> None:
    reader = person(1, "viewer", frozenset({"viewer"}))
    with pytest.raises(Forbidden):
        await clinic.worklist.captured(reader)
    with pytest.raises(Forbidden):
        await WorklistDebugger(clinic.database).explain(reader, read({}, calling_ae="CT1"))
