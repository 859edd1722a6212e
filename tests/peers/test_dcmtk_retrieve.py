"""DCMTK fetches: movescu to a storescp, getscu; the bytes that arrive are the bytes that were sent."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from bench.corpus import Object
from bench.servers import Server
from tests.fixtures.corpus import Ward, dataset_of
from tests.fixtures.server_tools import Peer, run_tool


def _check(received: Iterable[Path], sent: Iterable[Object]) -> None:
    expected = sorted(item.dataset for item in sent)
    got = sorted(dataset_of(path.read_bytes()) for path in received)
    assert got == expected


def _keys(level: str, ward: Ward) -> list[str]:
    study = ward.ct
    keys = {
        "PATIENT": [f"PatientID={study.patient_id}"],
        "STUDY": [f"StudyInstanceUID={study.uid}"],
        "SERIES": [f"StudyInstanceUID={study.uid}", f"SeriesInstanceUID={study.series_uid}"],
        "IMAGE": [
            f"StudyInstanceUID={study.uid}",
            f"SeriesInstanceUID={study.series_uid}",
            f"SOPInstanceUID={study.sop_uid(2)}",
        ],
    }[level]
    return [part for key in (f"QueryRetrieveLevel={level}", *keys) for part in ("-k", key)]


@pytest.mark.capability("1.3.1", "1.3.2", "1.3.3")
@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
def test_movescu_moves_to_storescp(level: str, archive: Server, ward: Ward, destination: Peer) -> None:
    root = "-P" if level == "PATIENT" else "-S"
    address = ("127.0.0.1", archive.dicom_port)
    run_tool("movescu", root, "-aec", archive.ae, "-aem", destination.ae, *_keys(level, ward), *address)
    _check(destination.files(), ward.sets[0][1:2] if level == "IMAGE" else ward.sets[0])


@pytest.mark.capability("1.3.1")
def test_a_list_of_studies_is_moved(archive: Server, ward: Ward, destination: Peer) -> None:
    uids = "\\".join(study.uid for study in ward.studies)
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uids}")
    run_tool("movescu", "-S", "-aec", archive.ae, "-aem", destination.ae, *keys, "127.0.0.1", archive.dicom_port)
    _check(destination.files(), ward.every())


@pytest.mark.capability("1.3.1", "1.3.3")
def test_an_unknown_destination_is_named_as_such(filmroom: Server, ward: Ward) -> None:
    address = ("127.0.0.1", filmroom.dicom_port)
    said = run_tool(
        "movescu", "-d", "-S", "-aec", filmroom.ae, "-aem", "NOBODY", *_keys("STUDY", ward), *address, check=False
    )
    assert "0xa801" in said.lower() or "MoveDestinationUnknown" in said


@pytest.mark.capability("1.4.1")
@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
def test_getscu_gets(level: str, archive: Server, ward: Ward, tmp_path: Path) -> None:
    root = "-P" if level == "PATIENT" else "-S"
    address = ("127.0.0.1", archive.dicom_port)
    run_tool("getscu", root, "+B", "-od", tmp_path, "-aec", archive.ae, *_keys(level, ward), *address)
    _check(tmp_path.iterdir(), ward.sets[0][1:2] if level == "IMAGE" else ward.sets[0])
