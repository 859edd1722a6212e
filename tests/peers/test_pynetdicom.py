"""pynetdicom as requestor, and as the destination of a move."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.servers import Server, free_port
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, Association, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from tests.fixtures.corpus import Ward, fresh_samples
from tests.fixtures.server import stored_in

_PENDING = (0xFF00, 0xFF01)


@contextmanager
def _associated(archive: Server, *abstract: str, **more: object) -> Iterator[Association]:
    ae = AE(ae_title="PYNETDICOM")
    for uid in abstract:
        ae.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    association = ae.associate("127.0.0.1", archive.dicom_port, ae_title=archive.ae, **more)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()
        ae.shutdown()


def _identifier(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


@pytest.mark.capability("1.5.1")
def test_echo(archive: Server) -> None:
    with _associated(archive, Verification) as association:
        assert association.send_c_echo().Status == 0


@pytest.mark.capability("1.1.1", "1.1.2")
def test_store_of_compressed_objects(archive: Server, tmp_path: Path) -> None:
    """One context per class and syntax, data sets handed over as pydicom read them."""
    chosen = [each for each in fresh_samples() if ".4." in each.transfer_syntax][:12]
    assert len(chosen) == 12
    ae = AE(ae_title="PYNETDICOM")
    for sop_class, syntax in sorted({(each.sop_class, each.transfer_syntax) for each in chosen}):
        ae.add_requested_context(sop_class, syntax)
    association = ae.associate("127.0.0.1", archive.dicom_port, ae_title=archive.ae)
    assert association.is_established
    try:
        for sample in chosen:
            file = tmp_path / f"{sample.sop_uid}.dcm"
            file.write_bytes(sample.data)
            assert association.send_c_store(str(file)).Status == 0, sample.name
    finally:
        association.release()
    assert all(sample.sop_uid in stored_in(archive, sample.study_uid) for sample in chosen)


@pytest.mark.capability("1.2.1", "1.2.5", "1.2.8")
def test_find(archive: Server, ward: Ward) -> None:
    study = ward.ct
    with _associated(archive, StudyRootQueryRetrieveInformationModelFind) as association:
        query = _identifier("STUDY", PatientName=f"{study.patient_name[:12]}*", StudyInstanceUID="", StudyDate="")
        answers = list(association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind))
    assert answers[-1][0].Status == 0
    found = [identifier for status, identifier in answers if status.Status in _PENDING]
    assert study.uid in [each.StudyInstanceUID for each in found if each]
    assert all(each.QueryRetrieveLevel == "STUDY" for each in found if each)


@pytest.mark.capability("1.2.1")
def test_a_missing_unique_key_is_refused(filmroom: Server) -> None:
    """PS3.4 C.4.1.2.1: the unique keys of the levels above are required; the archive says A900, or finds nothing."""
    with _associated(filmroom, PatientRootQueryRetrieveInformationModelFind) as association:
        query = _identifier("IMAGE", SOPInstanceUID="2.25.4")
        answers = list(association.send_c_find(query, PatientRootQueryRetrieveInformationModelFind))
    assert answers[-1][0].Status in (0x0000, 0xA900)
    assert len(answers) == 1


@pytest.mark.capability("1.4.1", "1.0.5")
def test_get_with_role_selection(archive: Server, ward: Ward) -> None:
    received: list[str] = []

    def on_store(event: evt.Event) -> int:
        received.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    more = {"ext_neg": [build_role(CTImageStorage, scp_role=True)], "evt_handlers": [(evt.EVT_C_STORE, on_store)]}
    model = StudyRootQueryRetrieveInformationModelGet
    with _associated(archive, model, CTImageStorage, **more) as association:
        answers = list(association.send_c_get(_identifier("STUDY", StudyInstanceUID=ward.ct.uid), model))
    assert answers[-1][0].Status == 0
    assert answers[-1][0].NumberOfCompletedSuboperations == 4
    assert sorted(received) == sorted(item.sop_uid for item in ward.sets[0])


@contextmanager
def _destination(archive: Server, status_of: dict[str, int]) -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    def on_store(event: evt.Event) -> int:
        received.append(event.request.DataSet.getvalue())
        return status_of.get(str(event.request.AffectedSOPInstanceUID), 0)

    ae = AE(ae_title="PYNETSINK")
    ae.supported_contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian)]
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    archive.add_destination("PYNETSINK", port)
    try:
        yield "PYNETSINK", received
    finally:
        server.shutdown()


@pytest.mark.capability("1.3.1", "1.3.2")
def test_move_to_pynetdicom(archive: Server, ward: Ward) -> None:
    model = StudyRootQueryRetrieveInformationModelMove
    with _destination(archive, {}) as (title, received), _associated(archive, model) as association:
        answers = list(association.send_c_move(_identifier("STUDY", StudyInstanceUID=ward.ct.uid), title, model))
        assert answers[-1][0].Status == 0
        assert answers[-1][0].NumberOfCompletedSuboperations == 4
        assert sorted(received) == sorted(item.dataset for item in ward.sets[0])


@pytest.mark.capability("1.3.2")
def test_a_move_goes_on_when_one_object_fails(filmroom: Server, ward: Ward) -> None:
    """PS3.4 C.4.2.1.5: B000, the counts, and the list of what failed; the rest arrives."""
    model = StudyRootQueryRetrieveInformationModelMove
    bad = ward.sets[0][1].sop_uid
    with _destination(filmroom, {bad: 0xA700}) as (title, received), _associated(filmroom, model) as association:
        answers = list(association.send_c_move(_identifier("STUDY", StudyInstanceUID=ward.ct.uid), title, model))
        status, identifier = answers[-1]
        assert len(received) == 4
    assert status.Status == 0xB000
    assert (status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations) == (3, 1)
    assert identifier is not None
    assert identifier.FailedSOPInstanceUIDList == bad
