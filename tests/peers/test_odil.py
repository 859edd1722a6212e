"""odil (Debian's python3-odil and odil): a C++ toolkit of its own line, neither DCMTK nor pynetdicom."""

from pathlib import Path

import pydicom
import pytest
from bench.servers import Server
from tests.fixtures.corpus import Ward, new_ward
from tests.fixtures.server import stored_in
from tests.fixtures.server_tools import run_tool


def _odil(archive: Server, command: str, *arguments: str | Path, options: tuple[str, ...] = ()) -> str:
    where = ("127.0.0.1", archive.dicom_port, "ODIL", archive.ae)
    return run_tool("odil", command, *options, *where, *arguments)


@pytest.mark.capability("1.5.1")
def test_echo(archive: Server) -> None:
    _odil(archive, "echo")


@pytest.mark.capability("1.1.1", "1.1.4")
def test_store(archive: Server, tmp_path: Path) -> None:
    ward = new_ward()
    _odil(archive, "store", *ward.write(tmp_path))
    for study, items in zip(ward.studies, ward.sets, strict=True):
        assert stored_in(archive, study.uid) == {item.sop_uid for item in items}


@pytest.mark.capability("1.2.1", "1.2.5")
@pytest.mark.parametrize("root", ["patient", "study"])
def test_find_by_name(root: str, archive: Server, ward: Ward) -> None:
    study = ward.ct
    level = "PATIENT" if root == "patient" else "STUDY"
    keys = [f"QueryRetrieveLevel={level}", f"PatientName={study.patient_name.split('^')[0]}*", "PatientID"]
    assert study.patient_id in _odil(archive, "find", root, *keys)


@pytest.mark.capability("1.2.1")
def test_find_images_by_uid(archive: Server, ward: Ward) -> None:
    study = ward.ct
    above = [f"StudyInstanceUID={study.uid}", f"SeriesInstanceUID={study.series_uid}"]
    said = _odil(archive, "find", "study", "QueryRetrieveLevel=IMAGE", *above, "SOPInstanceUID")
    assert all(item.sop_uid in said for item in ward.sets[0])


@pytest.mark.capability("1.4.1")
def test_get_a_study(archive: Server, ward: Ward, tmp_path: Path) -> None:
    keys = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={ward.ct.uid}")
    _odil(archive, "get", "study", *keys, options=("-d", str(tmp_path)))
    got = {}
    for path in (each for each in tmp_path.rglob("*") if each.is_file()):
        item = pydicom.dcmread(path)
        got[str(item.SOPInstanceUID)] = bytes(item.PixelData)
    assert got == {item.sop_uid: item.pixels for item in ward.sets[0]}
