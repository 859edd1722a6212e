"""Studies that another archive has: fetched while the asker waits, counted, and sent on."""

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bench import dimse
from bench.corpus import CT_IMAGE, Object, Study, fresh_run, objects
from bench.servers import Filmroom, free_port
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from tests.fixtures.server import new_archive, stored_in
from tests.fixtures.server_tools import dcmqrscp, run_tool, storescp
from tests.fixtures.storing import storing

GET = "1.2.840.10008.5.1.4.1.2.2.3"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Filmroom]:
    server = new_archive(tmp_path)
    assert isinstance(server, Filmroom)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fill(ae: str, port: int, count: int, kind: str = "ct") -> list[str]:
    """A study that the other archive has; its UID and those of its objects."""
    study = Study(fresh_run(), 1)
    made = list(objects(kind, study, count))
    with dimse.Association.open(("127.0.0.1", port), ae, [made[0].sop_class]) as association:
        for each in made:
            assert association.store(each) == dimse.SUCCESS
    return [study.uid, *(each.sop_uid for each in made)]


def stands_in(server: Filmroom, ae: str, port: int, **policy: object) -> None:
    body = json.dumps({"host": "127.0.0.1", "port": port, "policy": {"fallback": True, **policy}}).encode()
    with server.web() as connection:
        answer = connection.request(
            "PUT", f"/api/v1/devices/{ae}", headers={"Content-Type": "application/json"}, body=body
        )
    assert answer.status in (200, 201), answer.body


@pytest.mark.capability("1.3.4")
@pytest.mark.parametrize("outgoing", [["find", "get"], ["find", "move"]])
def test_a_study_of_another_archive_is_fetched_and_moved_on(
    ours: Filmroom, tmp_path: Path, outgoing: list[str]
) -> None:
    """DCMTK's dcmqrscp has it; movescu asks us for it and storescp gets it. By C-GET, and by C-MOVE to ourselves."""
    moves_to = [(ours.ae, ours.dicom_port)]
    with dcmqrscp(tmp_path / "other", moves_to=moves_to) as other, storescp(tmp_path / "got") as destination:
        stands_in(ours, other.ae, other.port, outgoing=outgoing)
        ours.add_destination(destination.ae, destination.port)
        study, *uids = fill(other.ae, other.port, 5)
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
        run_tool("movescu", "-S", "-aec", ours.ae, "-aem", destination.ae, *keys, "127.0.0.1", ours.dicom_port)
        assert len(destination.files()) == 5
    assert stored_in(ours, study) == set(uids)


@pytest.mark.capability("1.3.4")
def test_nobody_has_it_and_nobody_can_be_asked(ours: Filmroom, tmp_path: Path) -> None:
    with dcmqrscp(tmp_path / "other") as other, storing() as destination:
        stands_in(ours, other.ae, other.port)
        stands_in(ours, "AWAY", 1)
        ours.add_destination("STORER", destination.port)
        answers = retrieve(ours, MOVE, "2.25.1234567890", "STORER")
    assert [each.Status for each in answers] == [0]
    assert answers[0].NumberOfCompletedSuboperations == 0


@pytest.mark.capability("1.3.4")
def test_what_the_other_archive_has_and_does_not_give_is_named_as_failed(ours: Filmroom) -> None:
    """It lists three objects and hands out two."""
    run = fresh_run()
    made = list(objects("ct", Study(run, 1), 3))
    with half_hearted(made) as port, storing() as destination:
        stands_in(ours, "HALF", port)
        ours.add_destination("STORER", destination.port)
        answers = retrieve(ours, MOVE, made[0].study_uid, "STORER")
    final = answers[-1]
    assert final.Status == 0xB000
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (2, 1)
    assert "HALF has it" in final.ErrorComment
    assert sorted(destination.taken) == sorted(each.sop_uid for each in made[:2])


@contextlib.contextmanager
def half_hearted(made: Sequence[Object]) -> Iterator[int]:
    """pynetdicom as an archive that lists all objects of a study and hands out all but the last; its port."""
    port = free_port()

    def on_find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level = event.identifier.QueryRetrieveLevel
        for each in made if level == "IMAGE" else made[:1]:
            match = Dataset()
            match.QueryRetrieveLevel, match.StudyInstanceUID = level, each.study_uid
            match.SeriesInstanceUID = each.series_uid
            match.SOPInstanceUID, match.SOPClassUID = each.sop_uid, each.sop_class
            yield 0xFF00, match

    def on_get(event: evt.Event) -> Iterator[int | tuple[int, Dataset]]:
        given = made[:-1]
        yield len(given)
        for each in given:
            yield 0xFF00, dcmread(io.BytesIO(each.part10()))

    entity = AE(ae_title="HALF")
    entity.add_supported_context(FIND)
    entity.add_supported_context(GET)
    entity.add_supported_context(CT_IMAGE, scu_role=True, scp_role=True)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, on_find), (evt.EVT_C_GET, on_get)]
    )
    try:
        yield port
    finally:
        server.shutdown()


def retrieve(server: Filmroom, model: str, study: str, destination: str) -> list[Dataset]:
    """Every answer of pynetdicom's C-MOVE."""
    entity = AE(ae_title="ASKER")
    entity.add_requested_context(model)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", study
    association = entity.associate("127.0.0.1", server.dicom_port, ae_title=server.ae)
    assert association.is_established
    found = [status for status, _ in association.send_c_move(asked, destination, model)]
    association.release()
    return found


@pytest.mark.capability("1.3.4")
def test_what_other_archives_have_of_a_patient_is_fetched_beside_what_is_here(ours: Filmroom, tmp_path: Path) -> None:
    """PATIENT level: the other archive is asked which studies it has of the patient (C-FIND), and gives the rest."""
    run = fresh_run()
    here, there = (list(objects("ct", Study(run, number), 2)) for number in (1, 2))
    patient = str(dcmread(io.BytesIO(here[0].part10())).PatientID)
    there = [with_patient(each, patient) for each in there]
    with dcmqrscp(tmp_path / "other") as other, storing() as destination:
        stands_in(ours, other.ae, other.port, outgoing=["find", "get"])
        ours.add_destination("STORER", destination.port)
        for port, ae, sent in ((ours.dicom_port, ours.ae, here), (other.port, other.ae, there)):
            with dimse.Association.open(("127.0.0.1", port), ae, [CT_IMAGE]) as association:
                for each in sent:
                    assert association.store(each) == dimse.SUCCESS
        final = retrieve_patient(ours, patient, "STORER")
        assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 4)
        assert sorted(destination.taken) == sorted(each.sop_uid for each in [*here, *there])
        assert stored_in(ours, there[0].study_uid) == {each.sop_uid for each in there}
        # Nothing is left to fetch: the second time all of it comes from here.
        assert retrieve_patient(ours, patient, "STORER").NumberOfCompletedSuboperations == 4


def with_patient(each: Object, patient: str) -> Object:
    """The same of another patient, whose identifier is as long."""
    own = str(dcmread(io.BytesIO(each.part10())).PatientID)
    assert len(own) == len(patient)
    return replace(each, header=each.header.replace(own.encode(), patient.encode()))


def retrieve_patient(server: Filmroom, patient: str, destination: str) -> Dataset:
    """The last answer to pynetdicom's C-MOVE of a whole patient."""
    entity = AE(ae_title="ASKER")
    model = "1.2.840.10008.5.1.4.1.2.1.2"
    entity.add_requested_context(model)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientID = "PATIENT", patient
    association = entity.associate("127.0.0.1", server.dicom_port, ae_title=server.ae)
    assert association.is_established
    found = [status for status, _ in association.send_c_move(asked, destination, model)]
    association.release()
    return found[-1]
