"""DCMTK asks: findscu by name, date and UID, at every level and in both information models."""

from pathlib import Path

import pydicom
import pytest
from bench.servers import Server
from pydicom.dataset import Dataset
from tests.fixtures.corpus import Ward
from tests.fixtures.server_tools import run_tool


def _find(archive: Server, folder: Path, level: str, *keys: str, root: str = "-S") -> list[Dataset]:
    folder.mkdir(exist_ok=True)
    asked = [part for key in (f"QueryRetrieveLevel={level}", *keys) for part in ("-k", key)]
    address = ("127.0.0.1", archive.dicom_port)
    run_tool("findscu", root, "-X", "-od", folder, "-aec", archive.ae, *asked, *address)
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def _studies(found: list[Dataset]) -> set[str]:
    return {str(each.StudyInstanceUID) for each in found}


@pytest.mark.capability("1.2.1", "1.2.2", "1.2.5")
@pytest.mark.parametrize("how", ["name", "name-wildcard", "name-case", "id", "uid", "accession", "date", "date-range"])
def test_a_study_is_found_by(how: str, archive: Server, ward: Ward, tmp_path: Path) -> None:
    study = ward.ct
    family = study.patient_name.split("^")[0]
    key = {
        "name": f"PatientName={study.patient_name}",
        "name-wildcard": f"PatientName={family[:-2]}*",
        "name-case": f"PatientName={study.patient_name.upper()}",
        "id": f"PatientID={study.patient_id}",
        "uid": f"StudyInstanceUID={study.uid}",
        "accession": f"AccessionNumber={study.accession}",
        "date": f"StudyDate={study.date}",
        "date-range": f"StudyDate={study.date[:6]}01-{study.date[:6]}31",
    }[how]
    keys = [key] if key.startswith("StudyInstanceUID") else [key, "StudyInstanceUID"]
    found = _find(archive, tmp_path / "out", "STUDY", *keys, "PatientBirthDate", "StudyDescription")
    assert study.uid in _studies(found)
    one = next(each for each in found if study.uid == each.StudyInstanceUID)
    assert one.StudyDescription == "CT thorax and abdomen with contrast"


@pytest.mark.capability("1.2.5")
def test_nothing_matches_what_is_not_there(archive: Server, ward: Ward, tmp_path: Path) -> None:
    assert _find(archive, tmp_path / "a", "STUDY", "PatientID=%", "StudyInstanceUID") == []
    assert _find(archive, tmp_path / "b", "STUDY", "StudyInstanceUID=2.25.1") == []
    wrong = ward.ct.patient_id[:-1] + "_"
    assert _find(archive, tmp_path / "c", "STUDY", f"PatientID={wrong}", "StudyInstanceUID") == []


@pytest.mark.capability("1.2.5")
def test_a_list_of_uids_finds_each_of_them(archive: Server, ward: Ward, tmp_path: Path) -> None:
    uids = [study.uid for study in ward.studies]
    found = _find(archive, tmp_path / "out", "STUDY", "StudyInstanceUID=" + "\\".join(uids))
    assert _studies(found) == set(uids)


@pytest.mark.capability("1.2.1", "1.2.8")
def test_patient_root_finds_the_patient_and_descends(archive: Server, ward: Ward, tmp_path: Path) -> None:
    study = ward.ct
    patient = _find(archive, tmp_path / "p", "PATIENT", f"PatientID={study.patient_id}", "PatientName", root="-P")
    assert [str(each.PatientName) for each in patient] == [study.patient_name]
    keys = (f"PatientID={study.patient_id}", "StudyInstanceUID")
    assert _studies(_find(archive, tmp_path / "s", "STUDY", *keys, root="-P")) == {study.uid}


@pytest.mark.capability("1.2.1", "1.2.3", "1.2.8")
def test_series_and_images_are_found_below_their_study(archive: Server, ward: Ward, tmp_path: Path) -> None:
    study, items = ward.ct, ward.sets[0]
    above = f"StudyInstanceUID={study.uid}"
    counts = ("Modality", "NumberOfSeriesRelatedInstances")
    series = _find(archive, tmp_path / "series", "SERIES", above, "SeriesInstanceUID", *counts)
    assert [str(each.SeriesInstanceUID) for each in series] == [study.series_uid]
    assert series[0].Modality == "CT"
    assert series[0].NumberOfSeriesRelatedInstances == len(items)
    keys = (above, f"SeriesInstanceUID={study.series_uid}", "SOPInstanceUID", "InstanceNumber")
    images = _find(archive, tmp_path / "images", "IMAGE", *keys)
    assert {str(each.SOPInstanceUID) for each in images} == {item.sop_uid for item in items}
    assert sorted(each.InstanceNumber for each in images) == [1, 2, 3, 4]


@pytest.mark.capability("1.2.2", "1.2.8")
def test_computed_attributes_are_right(archive: Server, ward: Ward, tmp_path: Path) -> None:
    keys = ("NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries", "ModalitiesInStudy")
    found = _find(archive, tmp_path / "out", "STUDY", f"StudyInstanceUID={ward.ct.uid}", *keys)
    assert len(found) == 1
    assert (found[0].NumberOfStudyRelatedInstances, found[0].NumberOfStudyRelatedSeries) == (4, 1)
    assert found[0].ModalitiesInStudy == "CT"


@pytest.mark.capability("1.2.2")
def test_modalities_in_study_is_a_key(archive: Server, ward: Ward, tmp_path: Path) -> None:
    uids = "StudyInstanceUID=" + "\\".join(study.uid for study in ward.studies)
    found = _find(archive, tmp_path / "out", "STUDY", uids, "ModalitiesInStudy=MR")
    assert _studies(found) == {ward.studies[1].uid}


@pytest.mark.capability("1.2.10")
def test_findscu_may_cancel(archive: Server, ward: Ward, tmp_path: Path) -> None:
    asked = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-k", "PatientName")
    run_tool("findscu", "-S", "--cancel", 1, "-aec", archive.ae, *asked, "127.0.0.1", archive.dicom_port)
