"""PS3.4 annex F, a test a sentence: pynetdicom tells of performed procedure steps over the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, Association
from tests.fixtures.clinic import Clinic, find, open_clinic, order, query, step

from filmroom.archive.devices import DevicePolicy
from filmroom.base.facts import StepPerformed
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.net.dimse.models import MPPS
from filmroom.net.dimse.models import MPPS_RETRIEVE as RETRIEVE
from filmroom.net.dimse.scp.mpps import MPPS_STATUS
from filmroom.security.principals import SYSTEM
from filmroom.workflow.candidates import Candidates
from filmroom.workflow.model import Step, StepStatus
from filmroom.workflow.mpps_rules import Fault


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    """One order of two steps."""
    async with open_clinic(database) as opened:
        await opened.add(order(step(), step(), accession="A1"))
        yield opened


async def scheduled(clinic: Clinic) -> list[Step]:
    return await clinic.orders.steps(SYSTEM, Candidates(statuses=frozenset(StepStatus)))


def scheduled_item(one: Step | None) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = one.study_uid if one else generate_uid()
    item.ReferencedStudySequence = []
    item.AccessionNumber = one.accession if one else ""
    item.RequestedProcedureID = one.procedure_id if one else ""
    item.RequestedProcedureDescription = ""
    item.ScheduledProcedureStepID = one.step_id if one else ""
    item.ScheduledProcedureStepDescription = ""
    item.ScheduledProtocolCodeSequence = []
    return item


def creation(*steps: Step) -> Dataset:
    """A whole N-CREATE of table F.7.2-1; of no step: unscheduled."""
    made = Dataset()
    made.ScheduledStepAttributesSequence = [scheduled_item(one) for one in steps or (None,)]
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "DOE^JANE", "P1", "19700102", "F"
    made.ReferencedPatientSequence = []
    made.PerformedProcedureStepID = "PPS1"
    made.PerformedStationAETitle, made.PerformedStationName, made.PerformedLocation = "CT1", "", ""
    made.PerformedProcedureStepStartDate, made.PerformedProcedureStepStartTime = "20260706", "093000"
    made.PerformedProcedureStepStatus = "IN PROGRESS"
    made.PerformedProcedureStepDescription = made.PerformedProcedureTypeDescription = ""
    made.ProcedureCodeSequence = []
    made.PerformedProcedureStepEndDate = made.PerformedProcedureStepEndTime = ""
    made.Modality, made.StudyID = "CT", ""
    made.PerformedProtocolCodeSequence, made.PerformedSeriesSequence = [], []
    return made


def ending(status: str = "COMPLETED") -> Dataset:
    """What every final state must have."""
    series = Dataset()
    series.PerformingPhysicianName = series.OperatorsName = series.SeriesDescription = series.RetrieveAETitle = ""
    series.ProtocolName, series.SeriesInstanceUID = "HEAD", generate_uid()
    series.ReferencedImageSequence, series.ReferencedNonImageCompositeSOPInstanceSequence = [], []
    changed = Dataset()
    changed.PerformedProcedureStepStatus = status
    changed.PerformedProcedureStepEndDate, changed.PerformedProcedureStepEndTime = "20260706", "094500"
    changed.PerformedSeriesSequence = [series]
    return changed


async def talk(clinic: Clinic, work: Callable[[Association], Any]) -> Any:
    """What ``work`` makes of an association."""

    def run() -> Any:
        entity = AE(ae_title="CT1")
        entity.add_requested_context(MPPS)
        entity.add_requested_context(RETRIEVE)
        association = entity.associate("127.0.0.1", clinic.port, ae_title=clinic.ae)
        assert association.is_established
        try:
            return work(association)
        finally:
            association.release()

    return await asyncio.to_thread(run)


async def create(clinic: Clinic, made: Dataset, uid: str | None = None) -> tuple[Dataset, str]:
    """The status of an N-CREATE, and the instance."""
    uid = uid or generate_uid()
    status, _ = await talk(clinic, lambda association: association.send_n_create(made, MPPS, uid))
    return status, uid


async def change(clinic: Clinic, uid: str, changed: Dataset) -> Dataset:
    """The status of an N-SET."""
    status, _ = await talk(clinic, lambda association: association.send_n_set(changed, MPPS, uid))
    return status


async def fetch(clinic: Clinic, uid: str, *tags: int) -> tuple[Dataset, Dataset | None]:
    status, held = await talk(clinic, lambda association: association.send_n_get(list(tags), RETRIEVE, uid))
    return status, held


async def statuses(clinic: Clinic) -> list[StepStatus]:
    return [one.status for one in await scheduled(clinic)]


def test_every_fault_has_a_status() -> None:
    assert set(MPPS_STATUS) == set(Fault)


# F.7.2.1


@pytest.mark.capability("1.7.6", "1.7.3")
async def test_creation_starts_the_scheduled_step(clinic: Clinic) -> None:
    first, _ = await scheduled(clinic)
    status, uid = await create(clinic, creation(first))
    assert status.Status == 0x0000
    assert await statuses(clinic) == [StepStatus.STARTED, StepStatus.SCHEDULED]
    told = [each.fact for each in await feed.read(clinic.database, 0) if isinstance(each.fact, StepPerformed)]
    assert [(one.sop_uid, one.status, one.step_ids) for one in told] == [(uid, "IN PROGRESS", (first.step_id,))]


@pytest.mark.capability("1.7.6")
async def test_all_referenced_scheduled_steps_follow(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation(*await scheduled(clinic)))
    assert await statuses(clinic) == [StepStatus.STARTED, StepStatus.STARTED]
    assert (await change(clinic, uid, ending())).Status == 0x0000
    assert await statuses(clinic) == [StepStatus.COMPLETED, StepStatus.COMPLETED]
    assert await find(clinic, query("PatientName")) == ([], [0x0000])


@pytest.mark.capability("1.7.6")
async def test_a_step_that_was_not_scheduled_is_accepted(clinic: Clinic) -> None:
    status, uid = await create(clinic, creation())
    assert status.Status == 0x0000
    assert (await change(clinic, uid, ending())).Status == 0x0000
    assert await statuses(clinic) == [StepStatus.SCHEDULED, StepStatus.SCHEDULED]


@pytest.mark.capability("1.7.6")
async def test_creation_is_accepted_only_in_progress(clinic: Clinic) -> None:
    """F.7.2.1.3: invalid attribute value, with an attribute list."""
    made = creation()
    made.PerformedProcedureStepStatus = "COMPLETED"
    status, uid = await create(clinic, made)
    assert status.Status == 0x0106
    assert (await fetch(clinic, uid))[0].Status == 0x0112


@pytest.mark.capability("1.7.6")
async def test_an_instance_is_created_once(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    assert (await create(clinic, creation(), uid))[0].Status == 0x0111


@pytest.mark.capability("1.7.6")
async def test_a_missing_required_attribute_is_named(clinic: Clinic) -> None:
    made = creation()
    del made.PerformedStationAETitle
    status, _ = await create(clinic, made)
    assert status.Status == 0x0120
    assert status.ErrorComment == "missing: PerformedStationAETitle"


@pytest.mark.capability("1.7.6")
async def test_a_missing_required_value_is_refused(clinic: Clinic) -> None:
    made = creation()
    made.PerformedProcedureStepID = ""
    assert (await create(clinic, made))[0].Status == 0x0121
    made = creation()
    made.ScheduledStepAttributesSequence[0].StudyInstanceUID = ""
    assert (await create(clinic, made))[0].Status == 0x0121


@pytest.mark.capability("1.7.6")
async def test_type_2_attributes_are_demanded_of_strict_devices_only(clinic: Clinic) -> None:
    made = creation()
    del made.PerformedLocation
    assert (await create(clinic, made))[0].Status == 0x0000
    clinic.know("CT1", DevicePolicy(strict_mpps=True))
    status, _ = await create(clinic, made)
    assert (status.Status, status.ErrorComment) == (0x0120, "missing: PerformedLocation")


@pytest.mark.capability("1.7.6")
async def test_a_value_that_cannot_be_kept_is_left_out_with_a_warning(clinic: Clinic) -> None:
    made = creation()
    made.PatientBirthDate = "19701332"
    status, uid = await create(clinic, made)
    assert status.Status == 0x0116
    assert (await fetch(clinic, uid))[1].PatientBirthDate in ("", None)  # type: ignore[union-attr]


@pytest.mark.capability("1.7.6")
async def test_an_instance_uid_that_is_none_is_invalid(clinic: Clinic) -> None:
    done = await clinic.performed.create(SYSTEM, "not-a-uid", {})
    assert done.finding is not None
    assert MPPS_STATUS[done.finding.fault] == 0x0117


# F.7.2.2


@pytest.mark.capability("1.7.6")
async def test_values_are_set_while_in_progress(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    changed = Dataset()
    changed.PerformedProcedureStepDescription = "Schädel"
    changed.SpecificCharacterSet = "ISO_IR 100"
    assert (await change(clinic, uid, changed)).Status == 0x0000
    _, held = await fetch(clinic, uid)
    assert held is not None
    assert held.PerformedProcedureStepDescription == "Schädel"
    assert held.PerformedProcedureStepStatus == "IN PROGRESS"


@pytest.mark.capability("1.7.6")
async def test_an_unknown_instance_cannot_be_set(clinic: Clinic) -> None:
    assert (await change(clinic, "1.2.3", ending())).Status == 0x0112


@pytest.mark.capability("1.7.6")
@pytest.mark.parametrize("final", ["COMPLETED", "DISCONTINUED"])
async def test_after_the_final_state_it_may_no_longer_be_updated(clinic: Clinic, final: str) -> None:
    """Table F.7.2-2: processing failure with Error ID A710."""
    _, uid = await create(clinic, creation())
    assert (await change(clinic, uid, ending(final))).Status == 0x0000
    status = await change(clinic, uid, ending("COMPLETED"))
    assert (status.Status, status.ErrorID) == (0x0110, 0xA710)
    assert status.ErrorComment == "Performed Procedure Step Object may no longer be updated"


@pytest.mark.capability("1.7.6")
async def test_a_status_of_no_table_is_invalid(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    assert (await change(clinic, uid, ending("DONE"))).Status == 0x0106


@pytest.mark.capability("1.7.6")
async def test_what_is_not_allowed_in_n_set_is_not_set(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    changed = ending()
    changed.PatientID = "OTHER"
    changed.Modality = "CT"  # as created: no matter
    status = await change(clinic, uid, changed)
    assert (status.Status, status.AttributeIdentifierList) == (0x0107, 0x00100020)
    _, held = await fetch(clinic, uid)
    assert held is not None
    assert (held.PatientID, held.PerformedProcedureStepStatus) == ("P1", "COMPLETED")


@pytest.mark.capability("1.7.6")
async def test_the_final_state_has_its_requirements(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    bare = Dataset()
    bare.PerformedProcedureStepStatus = "COMPLETED"
    clinic.know("CT1", DevicePolicy(strict_mpps=True))
    assert (await change(clinic, uid, bare)).Status == 0x0121
    clinic.know("CT1", DevicePolicy())
    assert (await change(clinic, uid, bare)).Status == 0x0116  # taken: the worklist must not keep it for ever
    assert (await fetch(clinic, uid))[1].PerformedProcedureStepStatus == "COMPLETED"  # type: ignore[union-attr]


@pytest.mark.capability("1.7.6")
async def test_a_discontinued_step_says_why(clinic: Clinic) -> None:
    first, _ = await scheduled(clinic)
    made = creation(first)
    made.PerformedProcedureStepDiscontinuationReasonCodeSequence = []
    _, uid = await create(clinic, made)
    reason = Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = "110514", "DCM", "Incorrect worklist entry"
    changed = ending("DISCONTINUED")
    changed.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
    assert (await change(clinic, uid, changed)).Status == 0x0000
    assert (await statuses(clinic))[0] is StepStatus.DISCONTINUED
    _, held = await fetch(clinic, uid)
    assert held is not None
    assert held.PerformedProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110514"


@pytest.mark.capability("1.7.3", "1.7.6")
async def test_a_scheduled_step_is_over_when_all_that_performs_it_is(clinic: Clinic) -> None:
    first, _ = await scheduled(clinic)
    _, one = await create(clinic, creation(first))
    _, two = await create(clinic, creation(first))
    await change(clinic, one, ending("COMPLETED"))
    assert (await statuses(clinic))[0] is StepStatus.STARTED
    await change(clinic, two, ending("DISCONTINUED"))
    assert (await statuses(clinic))[0] is StepStatus.COMPLETED


# F.8


@pytest.mark.capability("1.7.6")
async def test_an_instance_is_retrieved_whole_or_by_attributes(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    status, held = await fetch(clinic, uid, 0x00100020, 0x00400252)
    assert held is not None
    assert (status.Status, [each.keyword for each in held]) == (0, ["PatientID", "PerformedProcedureStepStatus"])
    status, held = await fetch(clinic, uid)
    assert held is not None
    assert status.Status == 0x0000
    assert len(held) == len(creation())


@pytest.mark.capability("1.7.6")
async def test_attributes_that_are_not_there_are_warned_of(clinic: Clinic) -> None:
    _, uid = await create(clinic, creation())
    status, held = await fetch(clinic, uid, 0x00100020, 0x00400280)
    assert status.Status == 0x0001
    assert held is not None
    assert held.PatientID == "P1"


@pytest.mark.capability("1.7.6")
async def test_no_such_object_instance(clinic: Clinic) -> None:
    assert (await fetch(clinic, "1.2.3"))[0].Status == 0x0112


@pytest.mark.capability("1.7.6")
async def test_the_class_must_be_that_of_the_instance(clinic: Clinic) -> None:
    """PS3.7 10.1.3.1.9: class-instance conflict."""
    _, uid = await create(clinic, creation())

    def wrong(association: Association) -> Any:
        return association.send_n_set(ending(), RETRIEVE, uid, meta_uid=MPPS)

    status, _ = await talk(clinic, wrong)
    assert status.Status == 0x0119


@pytest.mark.capability("1.7.6")
async def test_a_device_that_may_not_is_refused_the_context(clinic: Clinic) -> None:
    clinic.know("CT1", DevicePolicy(services=frozenset({"echo", "worklist"})))

    def accepted() -> list[str]:
        entity = AE(ae_title="CT1")
        entity.add_requested_context(MPPS)
        entity.add_requested_context("1.2.840.10008.1.1")
        association = entity.associate("127.0.0.1", clinic.port, ae_title=clinic.ae)
        found = [str(context.abstract_syntax) for context in association.accepted_contexts]
        association.release()
        return found

    assert await asyncio.to_thread(accepted) == ["1.2.840.10008.1.1"]
