"""Orthanc as neighbour: it queries, fetches from and stores to the archive; the archive sends to it."""

from pathlib import Path

import pytest
from bench import dimse
from bench.corpus import dataset
from bench.servers import Filmroom, Server
from bench.waiting import until
from tests.fixtures.corpus import Ward, new_ward
from tests.fixtures.orthanc import OrthancPeer
from tests.fixtures.server import stored_in


def _upload(orthanc: OrthancPeer, ward: Ward) -> list[str]:
    return [str(orthanc.call("POST", "/instances", item.part10())["ID"]) for item in ward.every()]


@pytest.mark.capability("1.5.1")
def test_orthanc_echoes(archive: Server, orthanc: OrthancPeer) -> None:
    orthanc.call("POST", "/modalities/archive/echo", {})


@pytest.mark.capability("1.1.1", "1.1.4")
def test_orthanc_stores_to_us(archive: Server, orthanc: OrthancPeer) -> None:
    ward = new_ward()
    answer = orthanc.call("POST", "/modalities/archive/store", _upload(orthanc, ward))
    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (8, 0)
    for study, items in zip(ward.studies, ward.sets, strict=True):
        assert stored_in(archive, study.uid) == {item.sop_uid for item in items}


@pytest.mark.capability("1.2.1", "1.2.2", "1.3.1", "1.3.3")
def test_orthanc_queries_and_moves_from_us(archive: Server, orthanc: OrthancPeer, ward: Ward) -> None:
    study = ward.ct
    asked = {"Level": "Study", "Query": {"PatientName": study.patient_name, "StudyInstanceUID": ""}}
    query = orthanc.call("POST", "/modalities/archive/query", asked)["ID"]
    answers = orthanc.call("GET", f"/queries/{query}/answers?expand&simplify")
    assert [each["StudyInstanceUID"] for each in answers] == [study.uid]
    orthanc.call("POST", f"/queries/{query}/retrieve", {"TargetAet": orthanc.ae, "Synchronous": True})
    assert orthanc.has_study(study.uid) == 4


@pytest.mark.capability("1.2.1", "1.2.3")
@pytest.mark.parametrize("level", ["Series", "Instance"])
def test_orthanc_queries_below_the_study(level: str, archive: Server, orthanc: OrthancPeer, ward: Ward) -> None:
    keys = {"StudyInstanceUID": ward.ct.uid, "SeriesInstanceUID": "", "Modality": ""}
    if level == "Instance":
        keys = {"StudyInstanceUID": ward.ct.uid, "SeriesInstanceUID": ward.ct.series_uid, "SOPInstanceUID": ""}
    query = orthanc.call("POST", "/modalities/archive/query", {"Level": level, "Query": keys})["ID"]
    answers = orthanc.call("GET", f"/queries/{query}/answers?expand&simplify")
    assert len(answers) == (1 if level == "Series" else 4)


@pytest.mark.capability("1.3.1", "1.1.17")
def test_a_move_to_orthanc_arrives_there(archive: Server, orthanc: OrthancPeer, ward: Ward) -> None:
    study = ward.studies[1]
    identifier = dataset({0x00080052: ("CS", "STUDY"), 0x0020000D: ("UI", study.uid)})
    with dimse.Association.open(archive.dicom, archive.ae, [dimse.STUDY_MOVE]) as association:
        final = association.move(identifier, orthanc.ae)
    assert (final.status, final.number(0x1021)) == (0, 3)
    assert orthanc.has_study(study.uid) == 3


@pytest.mark.capability("1.1.17", "1.2.1", "1.3.1")
def test_we_send_find_and_move(filmroom: Filmroom, orthanc: OrthancPeer, tmp_path: Path) -> None:
    """``filmroom send`` a folder, ``find`` it there by patient id, ``move`` it home."""
    ward = new_ward()
    ward.write(tmp_path)
    peer = f"{orthanc.ae}@127.0.0.1:{orthanc.dicom_port}"
    filmroom.cli("send", peer, str(tmp_path))
    assert [orthanc.has_study(study.uid) for study in ward.studies] == [4, 3, 1]
    assert ward.ct.uid in filmroom.cli("find", peer, f"PatientID={ward.ct.patient_id}", "StudyInstanceUID", "--json")
    orthanc.knows("home", filmroom.ae, filmroom.dicom_port)
    filmroom.cli("move", peer, filmroom.ae, f"StudyInstanceUID={ward.ct.uid}")
    until(lambda: len(stored_in(filmroom, ward.ct.uid)) == 4, what="the moved study here")


@pytest.mark.capability("6.2.5")
def test_orthanc_stores_to_us_by_stow(filmroom: Filmroom, orthanc: OrthancPeer) -> None:
    """Orthanc's DICOMweb client, with our bearer token."""
    ward = new_ward()
    server = {
        "Url": f"http://127.0.0.1:{filmroom.http_port}/dicom-web/",
        "HttpHeaders": filmroom.authorization,
    }
    orthanc.call("PUT", "/dicom-web/servers/archive", server)
    job = {"Resources": _upload(orthanc, ward), "Synchronous": True}
    orthanc.call("POST", "/dicom-web/servers/archive/stow", job)
    assert len(stored_in(filmroom, ward.ct.uid)) == 4
