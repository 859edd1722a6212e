"""PS3.4 annex K, a test a sentence: pynetdicom asks the worklist over the wire."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.fixtures.clinic import CT_HEAD, Clinic, find, names, open_clinic, order, query, step

from filmroom.archive.devices import DevicePolicy, WorklistPolicy
from filmroom.db.pool import Database
from filmroom.dicom.dictionary import vr_of
from filmroom.security.principals import SYSTEM
from filmroom.workflow.candidates import Candidates
from filmroom.workflow.model import OrderedPatient, StepEvent, StepStatus
from filmroom.workflow.worklist_table import ITEM, STEP


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 7, day, hour, minute)  # noqa: DTZ001


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    """Five steps of four patients, on three days, at three stations."""
    async with open_clinic(database) as opened:
        await opened.add(
            order(
                step(protocols=(CT_HEAD,), performing="HOUSE^GREG", location="Room 1", start=at(5, 10)),
                accession="A1",
                patient_location="Ward 3",
                referring="WHO^DOCTOR",
                admission_id="V1",
            )
        )
        await opened.add(order(step(start=at(6, 8)), name="ROE^RICHARD", patient_id="P2", accession="A2"))
        await opened.add(
            order(step("MR", "MR1", at(7, 18)), step("MR", "MR1", at(7, 19)), name="POE^EDGAR", patient_id="P3")
        )
        wide = dataclasses.replace(step(start=at(6, 23)), stations=("CT1", "CT2"))
        await opened.add(order(wide, name="王^小东=Wang^XiaoDong", patient_id="P4"))
        yield opened


ALL = {"DOE^JANE", "ROE^RICHARD", "POE^EDGAR", "王^小东=Wang^XiaoDong"}


# K.2.2.1.1.1


REQUIRED = [
    ("", {"ScheduledStationAETitle": "MR1"}, {"POE^EDGAR"}),
    ("", {"ScheduledStationAETitle": "CT2"}, {"王^小东=Wang^XiaoDong"}),
    ("", {"ScheduledProcedureStepStartDate": "20260705"}, {"DOE^JANE"}),
    ("", {"ScheduledProcedureStepStartDate": "20260706-"}, ALL - {"DOE^JANE"}),
    ("", {"ScheduledProcedureStepStartDate": "-20260705"}, {"DOE^JANE"}),
    ("", {"ScheduledProcedureStepStartTime": "0800"}, {"ROE^RICHARD"}),
    ("", {"ScheduledProcedureStepStartTime": "100000-185959"}, {"DOE^JANE", "POE^EDGAR"}),
    ("", {"Modality": "MR"}, {"POE^EDGAR"}),
    ("", {"Modality": "mr"}, set()),
    ("", {"ScheduledPerformingPhysicianName": "HOUSE^GREG"}, {"DOE^JANE"}),
    ("", {"ScheduledPerformingPhysicianName": "hou*"}, {"DOE^JANE"}),
    ("PatientName=DOE^JANE", {}, {"DOE^JANE"}),
    ("PatientName=?OE*", {}, {"DOE^JANE", "ROE^RICHARD", "POE^EDGAR"}),
    ("PatientID=P3", {}, {"POE^EDGAR"}),
    ("PatientID=P", {}, set()),
]


@pytest.mark.capability("1.7.1")
async def test_every_required_matching_key_is_matched(clinic: Clinic) -> None:
    for keys, step_keys, found in REQUIRED:
        asked = query(keys if "PatientName" in keys else f"{keys} PatientName", **step_keys)
        answers, statuses = await find(clinic, asked)
        assert names(answers) == found, (keys, step_keys)
        assert statuses == [0xFF00] * len(answers) + [0x0000]


@pytest.mark.capability("1.7.1")
async def test_a_supported_optional_key_is_matched_as_a_required_one(clinic: Clinic) -> None:
    for key in (
        "AccessionNumber=A1",
        "AdmissionID=V1",
        "PatientBirthDate=19700102 PatientID=P1",
        "RequestedProcedureDescription=H??d AccessionNumber=A1",
        "ReferringPhysicianName=who^*",
    ):
        answers, _ = await find(clinic, query(key + " PatientName"))
        assert names(answers) == {"DOE^JANE"}, key


@pytest.mark.capability("1.7.1")
@pytest.mark.parametrize(
    "keys", [{"ScheduledProcedureStepLocation": "Room 1"}, {"ScheduledProcedureStepDescription": "CT head*"}]
)
async def test_optional_keys_of_the_step_are_matched(clinic: Clinic, keys: dict[str, str]) -> None:
    answers, _ = await find(clinic, query("PatientName", **keys))
    assert names(answers) == {"DOE^JANE"}


@pytest.mark.capability("1.7.1")
async def test_a_code_sequence_is_matched_by_its_item(clinic: Clinic) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "CTHEAD", "99LOCAL"
    answers, _ = await find(clinic, query("PatientName", ScheduledProtocolCodeSequence=[code]))
    assert names(answers) == {"DOE^JANE"}
    code.CodeValue = "OTHER"
    assert await find(clinic, query("PatientName", ScheduledProtocolCodeSequence=[code])) == ([], [0x0000])


@pytest.mark.capability("1.7.1")
async def test_an_unknown_value_fails_to_match_any_key(clinic: Clinic) -> None:
    answers, _ = await find(clinic, query("PatientName", ScheduledProcedureStepLocation="*?"))
    assert names(answers) == {"DOE^JANE"}


@pytest.mark.capability("1.7.1")
async def test_a_single_wildcard_also_finds_unknown_values(clinic: Clinic) -> None:
    answers, _ = await find(clinic, query("PatientName=*", ScheduledProcedureStepLocation="*"))
    assert names(answers) == ALL


# K.2.2.1.1.2


@pytest.mark.capability("1.7.1")
async def test_an_optional_key_that_is_not_supported_is_ignored_for_matching(clinic: Clinic) -> None:
    answers, statuses = await find(clinic, query("PatientName=DOE* Manufacturer=ACME"))
    assert names(answers) == {"DOE^JANE"}
    assert answers[0].Manufacturer in (None, "")
    assert statuses == [0xFF01, 0x0000]


# K.2.2.1.2


@pytest.mark.capability("1.7.1")
async def test_matching_keys_are_return_keys_too(clinic: Clinic) -> None:
    answers, _ = await find(clinic, query("PatientID=P1", Modality="CT"))
    assert answers[0].PatientID == "P1"
    assert answers[0].ScheduledProcedureStepSequence[0].Modality == "CT"


@pytest.mark.capability("1.7.1")
@pytest.mark.parametrize("how", ["zero-length", "empty-item"])
async def test_a_sequence_is_asked_with_zero_length_or_an_empty_item(clinic: Clinic, how: str) -> None:
    asked = Dataset()
    asked.PatientName = "ROE*"
    asked.ScheduledProcedureStepSequence = [] if how == "zero-length" else [Dataset()]
    (answer,), _ = await find(clinic, asked)
    (item,) = answer.ScheduledProcedureStepSequence
    for tag, row in STEP.items():
        assert row.returns not in ("1", "2") or tag in item, row.name
    assert (item.Modality, item.ScheduledStationAETitle) == ("CT", "CT1")


@pytest.mark.capability("1.7.1")
async def test_every_attribute_of_type_1_and_2_is_returned_when_asked(clinic: Clinic) -> None:
    asked = query("PatientID=P2")
    for tag, row in ITEM.items():
        if row.returns[0] in "12" and tag not in asked:
            asked.add_new(tag, vr_of(tag), [] if vr_of(tag) == "SQ" else None)
    inner = Dataset()
    for tag, row in STEP.items():
        if row.returns[0] in "12":
            inner.add_new(tag, vr_of(tag), [] if vr_of(tag) == "SQ" else None)
    asked.ScheduledProcedureStepSequence = [inner]
    (answer,), _ = await find(clinic, asked)
    for table, dataset in ((ITEM, answer), (STEP, answer.ScheduledProcedureStepSequence[0])):
        for tag, row in table.items():
            if row.returns[0] in "12":
                assert tag in dataset, row.name
            if row.returns == "1":
                assert not dataset[tag].is_empty, row.name


# K.2.2.2, K.4.1.1.3.2


@pytest.mark.capability("1.7.1", "1.7.4")
@pytest.mark.parametrize("charset", ["GB18030", "GBK", "ISO_IR 192", "ISO 2022 IR 58"])
async def test_the_character_set_is_never_matched_and_the_answer_comes_in_it(clinic: Clinic, charset: str) -> None:
    asked = query("PatientName=王*")
    asked.SpecificCharacterSet = charset if "2022" not in charset else ["", charset]
    (answer,), statuses = await find(clinic, asked)
    assert statuses == [0xFF00, 0x0000]
    assert charset in str(answer.SpecificCharacterSet)
    if "IR 58" not in charset:  # which pydicom cannot decode
        assert str(answer.PatientName) == "王^小东=Wang^XiaoDong"


@pytest.mark.capability("1.7.1")
async def test_the_answer_has_no_attribute_that_was_not_asked(clinic: Clinic) -> None:
    (answer,), _ = await find(clinic, query("PatientID=P1", Modality=""))
    assert [each.keyword for each in answer] == ["PatientID", "ScheduledProcedureStepSequence"]
    assert [each.keyword for each in answer.ScheduledProcedureStepSequence[0]] == ["Modality"]


# K.2.2.3


@pytest.mark.capability("1.7.1")
async def test_when_one_of_several_values_matches_all_are_returned(clinic: Clinic) -> None:
    (answer,), _ = await find(clinic, query("PatientName", ScheduledStationAETitle="CT2"))
    assert list(answer.ScheduledProcedureStepSequence[0].ScheduledStationAETitle) == ["CT1", "CT2"]


# K.4.1.3


@pytest.mark.capability("1.7.1")
async def test_no_match_gets_one_response_of_success(clinic: Clinic) -> None:
    assert await find(clinic, query("PatientName=NOBODY")) == ([], [0x0000])


@pytest.mark.capability("1.7.1")
async def test_an_identifier_that_cannot_be_understood_is_refused(clinic: Clinic) -> None:
    answers, statuses = await find(clinic, query("PatientName", ScheduledProcedureStepStartDate="MONDAY"))
    assert (answers, statuses) == ([], [0xA900])


@pytest.mark.capability("1.7.1")
async def test_more_matches_than_allowed_end_in_out_of_resources(database: Database) -> None:
    async with open_clinic(database, max_find_results=2) as small:
        for n in range(3):
            await small.add(order(patient_id=f"P{n}"))
        answers, statuses = await find(small, query("PatientName"))
        assert (len(answers), statuses) == (2, [0xFF00, 0xFF00, 0xA700])


# K.5.1


@pytest.mark.capability("1.7.1", "1.2.6")
async def test_fuzzy_names_are_matched_when_negotiated(clinic: Clinic) -> None:
    asked = query("PatientName=jane")
    assert await find(clinic, asked) == ([], [0x0000])
    answers, _ = await find(clinic, asked, fuzzy=True)
    assert names(answers) == {"DOE^JANE"}


# K.6.1.2.1


@pytest.mark.capability("1.7.1")
async def test_a_scheduled_step_appears_in_one_response_of_one_item(clinic: Clinic) -> None:
    answers, _ = await find(clinic, query("PatientName=POE*", ScheduledProcedureStepID=""))
    assert [len(each.ScheduledProcedureStepSequence) for each in answers] == [1, 1]
    assert len({each.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for each in answers}) == 2


# Table K.6-1


@pytest.mark.capability("1.7.1")
async def test_date_and_time_ranges_are_one_period(clinic: Clinic) -> None:
    """July 5, 10 am until July 7, 6 pm."""
    keys = {"ScheduledProcedureStepStartDate": "20260705-20260707", "ScheduledProcedureStepStartTime": "1000-1800"}
    answers, _ = await find(clinic, query("PatientName", **keys))
    assert names(answers) == ALL
    assert len(answers) == 4  # all but the MR of July 7, 7 pm
    keys["ScheduledProcedureStepStartTime"] = "100001-175959"
    answers, _ = await find(clinic, query("PatientName", **keys))
    assert names(answers) == {"ROE^RICHARD", "王^小东=Wang^XiaoDong"}


@pytest.mark.capability("1.7.1")
async def test_the_procedure_code_sequence_has_a_single_item(clinic: Clinic) -> None:
    ordered = order(patient_id="P8", name="CODE^CARLA")
    procedure = dataclasses.replace(ordered.procedures[0], code=CT_HEAD)
    await clinic.add(dataclasses.replace(ordered, procedures=(procedure,)))
    asked = query("PatientID=P8")
    asked.RequestedProcedureCodeSequence = []
    (answer,), _ = await find(clinic, asked)
    (code,) = answer.RequestedProcedureCodeSequence
    assert (code.CodeValue, code.CodeMeaning) == ("CTHEAD", "CT head without contrast")


@pytest.mark.capability("1.7.1")
async def test_the_issuer_of_patient_id_is_a_key(clinic: Clinic) -> None:
    patient = OrderedPatient(id="P1", issuer="OTHER", name="TWIN^ID")
    await clinic.add(dataclasses.replace(order(), patient=patient))
    answers, _ = await find(clinic, query("PatientName PatientID=P1 IssuerOfPatientID=OTHER"))
    assert names(answers) == {"TWIN^ID"}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
async def test_each_plain_transfer_syntax_is_spoken(clinic: Clinic, syntax: str) -> None:
    answers, _ = await find(clinic, query("PatientName=DOE*"), syntax=syntax)
    assert names(answers) == {"DOE^JANE"}


# Beyond the standard: what is hidden, and what helps modalities that ask wrongly


@pytest.mark.capability("1.7.3")
async def test_closed_steps_are_hidden_unless_their_status_is_asked(clinic: Clinic) -> None:
    answers, _ = await find(clinic, query("PatientName AccessionNumber=A1", ScheduledProcedureStepStatus=""))
    assert answers[0].ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "SCHEDULED"
    (found,) = [one for one in await clinic.orders.steps(SYSTEM, _any()) if one.accession == "A1"]
    await clinic.orders.tell(SYSTEM, found.pk, StepEvent.DONE)
    assert "DOE^JANE" not in names((await find(clinic, query("PatientName")))[0])
    answers, _ = await find(clinic, query("PatientName", ScheduledProcedureStepStatus="COMPLETED"))
    assert names(answers) == {"DOE^JANE"}


def _any() -> Candidates:
    return Candidates(statuses=frozenset(StepStatus))


@pytest.mark.capability("1.7.4")
async def test_by_policy_a_query_without_station_is_for_the_caller(clinic: Clinic) -> None:
    assert names((await find(clinic, query("PatientName"), calling="MR1"))[0]) == ALL
    clinic.know("MR1", DevicePolicy(worklist=WorklistPolicy(own_station=True)))
    assert names((await find(clinic, query("PatientName"), calling="MR1"))[0]) == {"POE^EDGAR"}
    named, _ = await find(clinic, query("PatientName", ScheduledStationAETitle="CT2"), calling="MR1")
    assert names(named) == {"王^小东=Wang^XiaoDong"}
    bare = Dataset()
    bare.PatientName = ""
    assert names((await find(clinic, bare, calling="MR1"))[0]) == {"POE^EDGAR"}


@pytest.mark.capability("1.7.4")
async def test_by_policy_the_start_date_is_widened_and_modalities_are_grouped(clinic: Clinic) -> None:
    asked = query("PatientName", ScheduledProcedureStepStartDate="20260706")
    clinic.know("CT1", DevicePolicy(worklist=WorklistPolicy(more_days=1)))
    assert names((await find(clinic, asked))[0]) == ALL
    clinic.know("CT1", DevicePolicy(worklist=WorklistPolicy(more_days=1, modalities=frozenset({"MR"}))))
    assert names((await find(clinic, asked))[0]) == {"POE^EDGAR"}


@pytest.mark.capability("1.7.4")
async def test_by_policy_the_character_set_is_what_the_modality_can_read(clinic: Clinic) -> None:
    clinic.know("CT1", DevicePolicy(worklist=WorklistPolicy(character_set="GBK")))
    (answer,), _ = await find(clinic, query("PatientName PatientID=P4"))
    assert answer.SpecificCharacterSet == "GBK"
