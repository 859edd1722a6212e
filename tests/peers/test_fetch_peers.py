"""C-GET as SCU from DCMTK's dcmqrscp, Orthanc and pynetdicom; the doctor and the recordings from the terminal."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench.servers import Filmroom, Orthanc, free_port
from bench.waiting import until
from pydicom import dcmread
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)
from tests.fixtures.corpus import Ward, new_ward
from tests.fixtures.server import stored_in
from tests.fixtures.server_tools import dcmqrscp, storescp

from filmroom.archive.recordings_text import JSON_MARK
from filmroom.net.dimse.fetch import CLASSES_AT_ONCE, Series, _batches, proposals


@pytest.mark.capability("1.4.2")
def test_get_from_dcmqrscp(filmroom: Filmroom, tmp_path: Path) -> None:
    ward = new_ward()
    ward.write(tmp_path / "files")
    with dcmqrscp(tmp_path / "peer") as peer:
        filmroom.cli("send", peer.at, str(tmp_path / "files"))
        for study, items in zip(ward.studies, ward.sets, strict=True):
            said = filmroom.cli("get", peer.at, f"StudyInstanceUID={study.uid}")
            assert f"{len(items)} objects taken in" in said
            assert stored_in(filmroom, study.uid) == {item.sop_uid for item in items}
        said = filmroom.cli("get", peer.at, "StudyInstanceUID=1.2.3.4.5.6", check=False)
        assert "nothing that matches" in said


@pytest.mark.capability("1.4.2")
def test_get_from_orthanc(filmroom: Filmroom, orthanc: Orthanc, tmp_path: Path) -> None:
    ward = new_ward()
    ward.write(tmp_path / "files")
    at = f"{orthanc.ae}@127.0.0.1:{orthanc.dicom_port}"
    filmroom.cli("send", at, str(tmp_path / "files"))
    said = filmroom.cli("get", at, f"PatientID={ward.ct.patient_id}")
    assert " 0 failed" in said
    assert stored_in(filmroom, ward.ct.uid) == {item.sop_uid for item in ward.sets[0]}


@contextmanager
def pynetdicom_archive(folder: Path, ward: Ward) -> Iterator[tuple[str, list[list[str]]]]:
    """Answers each level from files; notes which SOP classes each C-GET association proposed."""
    datasets = [dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    wanted = {item.sop_uid for item in ward.sets[0]}
    datasets = [each for each in datasets if each.SOPInstanceUID in wanted]
    proposed: list[list[str]] = []

    def find(event: Any) -> Iterator[Any]:
        level = event.identifier.QueryRetrieveLevel
        name = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
        for each in {dataset[name].value: dataset for dataset in datasets}.values():
            answer = type(event.identifier)()
            answer.QueryRetrieveLevel = level
            setattr(answer, name, each[name].value)
            if level == "IMAGE":
                answer.SOPClassUID = each.SOPClassUID
            yield 0xFF00, answer

    def get(event: Any) -> Iterator[Any]:
        roles = event.assoc.requestor.role_selection
        proposed.append(sorted({str(each.abstract_syntax) for each in event.assoc.requestor.requested_contexts}))
        assert all(role.scp_role and not role.scu_role for role in roles.values())
        yield len(datasets)
        for each in datasets:
            yield 0xFF00, each

    ae = AE("PYGET")
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
    for each in {dataset.SOPClassUID for dataset in datasets}:
        assert build_role(each, scp_role=True)
        ae.add_supported_context(each, scu_role=False, scp_role=True)
    port = free_port()
    server = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find), (evt.EVT_C_GET, get)]
    )
    try:
        yield f"PYGET@127.0.0.1:{port}", proposed
    finally:
        server.shutdown()


@pytest.mark.capability("1.4.2")
def test_get_from_pynetdicom_proposes_what_was_found(filmroom: Filmroom, tmp_path: Path) -> None:
    ward = new_ward()
    ward.write(tmp_path)
    with pynetdicom_archive(tmp_path, ward) as (at, proposed):
        filmroom.cli("get", at, f"StudyInstanceUID={ward.ct.uid}")
    classes = {item.sop_class for item in ward.sets[0]}
    assert proposed[0] == sorted({StudyRootQueryRetrieveInformationModelGet, *classes})
    assert stored_in(filmroom, ward.ct.uid) == {item.sop_uid for item in ward.sets[0]}


@pytest.mark.capability("1.4.2")
def test_more_classes_than_contexts_go_on_more_associations() -> None:
    series = [Series("1.2", f"1.2.{n}", frozenset({f"1.3.{n}"}), 1) for n in range(CLASSES_AT_ONCE + 5)]
    batches = _batches(series)
    assert [len(classes) for _, classes in batches] == [CLASSES_AT_ONCE, 5]
    assert [each for batch, _ in batches for each in batch] == series
    assert max(len(proposals(classes)) for _, classes in batches) <= 128


@pytest.mark.capability("1.5.1")
def test_the_doctor_tells_what_is_right_and_what_is_not(filmroom: Filmroom, tmp_path: Path) -> None:
    with storescp(tmp_path / "peer") as peer:
        said = filmroom.cli("doctor", "device", peer.at)
        assert "would take" in said
    said = filmroom.cli("doctor", "device", f"X@127.0.0.1:{free_port()}", check=False)
    assert "nothing listens on port" in said
    said = filmroom.cli("doctor", "device", f"WRONG@127.0.0.1:{filmroom.dicom_port}", check=False)
    assert "does not go by the AE title WRONG" in said


@pytest.mark.capability("1.5.1", "1.0.10")
def test_the_test_and_the_recordings_over_the_api(filmroom: Filmroom, tmp_path: Path) -> None:
    with storescp(tmp_path / "peer", ae="APITEST") as peer:
        filmroom.cli("device", "add", peer.ae, "127.0.0.1", str(peer.port))
        with filmroom.web() as connection:
            answer = connection.request("POST", f"/api/v1/devices/{peer.ae}/test")
            found = json.loads(answer.body)
    assert found["ok"] is True
    assert [step["step"] for step in found["steps"]] == ["tcp", "association", "echo", "find", "store"]
    assert found["steps"][0]["text"]["zh"]


@pytest.mark.capability("1.0.10")
def test_recordings_from_the_terminal(filmroom: Filmroom, tmp_path: Path) -> None:
    filmroom.cli("echo", f"FILMROOM@127.0.0.1:{filmroom.dicom_port}", "--as", "RECORDED")

    def number() -> str:
        listed = filmroom.cli("recordings", "list", "--ae", "RECORDED", "--json")
        return next((str(json.loads(line)["id"]) for line in listed.splitlines()), "")

    until(number, what="the recording written", every_s=0.5)
    shown = filmroom.cli("recordings", "show", number())
    assert "C-ECHO-RQ" in shown
    file = tmp_path / "for-vendor.txt"
    filmroom.cli("recordings", "export", number(), "--to", str(file))
    assert JSON_MARK in file.read_text(encoding="utf-8")
