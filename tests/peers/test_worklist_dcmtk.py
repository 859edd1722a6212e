"""DCMTK at both ends of the worklist: findscu asks, and wlmscpfs answers the same queries over the same steps."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pydicom
import pytest
from bench.servers import free_port
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from tests.fixtures.clinic import CT_HEAD, Clinic, open_clinic, order, step
from tests.fixtures.server_tools import Peer, program, run_tool, running

from filmroom.db.pool import Database
from filmroom.workflow.candidates import Candidates, entries

CALLED = "FILMROOM"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 7, day, hour, minute)  # noqa: DTZ001


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(database) as opened:
        people = [("DOE^JANE", "P1"), ("ROE^RICHARD^A", "P2"), ("DOE^JOHN", "P3"), ("SMITHERS^WAYLON", "P4")]
        stations = [("CT", "CT1"), ("MR", "MR1"), ("US", "US1"), ("CT", "CT2")]
        for n in range(16):
            name, patient = people[n % 4]
            modality, station = stations[(n // 4 + n) % 4]
            scheduled = step(
                modality,
                station,
                at(1 + n % 5, 7 + n, 15 * (n % 4)),
                performing="HOUSE^GREGORY" if n % 3 else "WILSON^JAMES",
                location=f"Room {n % 3}",
                protocols=(CT_HEAD,) if modality == "CT" else (),
                description=f"{modality} step",
                comments="urgent" if n % 5 == 0 else "",
                station_names=(f"{station}NAME",),
            )
            ordered = order(scheduled, name=name, patient_id=patient, accession=f"ACC{n:02}", admission_id=f"V{n % 2}")
            procedure = dataclasses.replace(ordered.procedures[0], priority="STAT" if n % 4 == 0 else "ROUTINE")
            await opened.add(dataclasses.replace(ordered, procedures=(procedure,)))
        yield opened


@contextlib.contextmanager
def wlmscpfs(folder: Path, items: list[Dataset]) -> Iterator[Peer]:
    """DCMTK's worklist server over ``items``, one file each."""
    place = folder / CALLED
    place.mkdir(parents=True)
    (place / "lockfile").touch()
    for number, item in enumerate(items):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.276.0.7230010.3.1.0.1", generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = FileDataset(str(place / f"{number}.wl"), item, file_meta=meta, preamble=b"\0" * 128)
        file.save_as(place / f"{number}.wl", enforce_file_format=True)
    port = free_port()
    with running([program("wlmscpfs"), "-q", "-dfr", "-dfp", str(folder), str(port)], port):
        yield Peer(CALLED, port, place)


async def worklist_items(clinic: Clinic) -> list[Dataset]:
    """Every step's whole worklist item."""
    async with clinic.database.connection() as connection:
        return [Dataset.from_json(entry.item) for entry in await entries(connection, Candidates(), 1000)]


SPS = "ScheduledProcedureStepSequence[0]."


def ask(folder: Path, port: int, *keys: str) -> list[Dataset]:
    """What findscu is answered."""
    folder.mkdir(parents=True)
    asked = [part for key in ("PatientName", f"{SPS}ScheduledProcedureStepID", *keys) for part in ("-k", key)]
    run_tool("findscu", "-W", "-X", "-od", folder, "-aet", "CT1", "-aec", CALLED, *asked, "127.0.0.1", port)
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def steps(answers: list[Dataset]) -> list[str]:
    return sorted(str(each.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID) for each in answers)


QUERIES: list[tuple[str, ...]] = [
    (),
    (f"{SPS}ScheduledStationAETitle=CT1",),
    (f"{SPS}ScheduledStationAETitle=XX9",),
    (f"{SPS}Modality=MR",),
    (f"{SPS}ScheduledProcedureStepStartDate=20260703",),
    (f"{SPS}ScheduledProcedureStepStartDate=20260702-20260704",),
    (f"{SPS}ScheduledProcedureStepStartDate=20260704-",),
    (f"{SPS}ScheduledProcedureStepStartDate=-20260702",),
    (f"{SPS}ScheduledProcedureStepStartTime=120000-",),
    (f"{SPS}ScheduledProcedureStepStartTime=081500",),
    (f"{SPS}ScheduledProcedureStepStartDate=20260702", f"{SPS}ScheduledProcedureStepStartTime=090000-150000"),
    (f"{SPS}ScheduledProcedureStepStartDate=20260702-20260704", f"{SPS}ScheduledProcedureStepStartTime=1000-1400"),
    (f"{SPS}ScheduledPerformingPhysicianName=HOUSE^GREGORY",),
    (f"{SPS}ScheduledPerformingPhysicianName=W*",),
    ("PatientName=DOE^JANE",),
    ("PatientName=DOE^J*",),
    ("PatientName=?OE*",),
    ("PatientName=*SMITHERS*",),
    ("PatientID=P3",),
    ("PatientID=P9",),
    ("AccessionNumber=ACC07",),
    ("AdmissionID=V1",),
    ("RequestedProcedurePriority=STAT",),
    ("PatientSex=F",),
    ("PatientSex=M",),
    (f"{SPS}ScheduledStationAETitle=CT1", f"{SPS}Modality=CT", f"{SPS}ScheduledProcedureStepStartDate=20260701-"),
    (f"{SPS}ScheduledStationAETitle=CT1", "PatientName=DOE^*"),
]
# Keys that PS3.4 leaves optional: wlmscpfs gives them back and does not match them.
WE_MATCH_MORE: list[tuple[str, ...]] = [
    (f"{SPS}ScheduledProcedureStepLocation=Room 1",),
    (f"{SPS}ScheduledStationName=CT1NAME", "AccessionNumber=ACC0*"),
]


@pytest.mark.capability("1.7.1")
async def test_both_servers_find_the_same_steps(clinic: Clinic, tmp_path: Path) -> None:
    items = await worklist_items(clinic)
    assert len(items) == 16
    different = {}
    with wlmscpfs(tmp_path / "wl", items) as reference:
        for number, keys in enumerate(QUERIES):
            ours = await asyncio.to_thread(ask, tmp_path / f"ours{number}", clinic.port, *keys)
            theirs = await asyncio.to_thread(ask, tmp_path / f"theirs{number}", reference.port, *keys)
            if steps(ours) != steps(theirs):
                different[keys] = (steps(ours), steps(theirs))
        for number, keys in enumerate(WE_MATCH_MORE):
            ours = await asyncio.to_thread(ask, tmp_path / f"more{number}", clinic.port, *keys)
            theirs = await asyncio.to_thread(ask, tmp_path / f"fewer{number}", reference.port, *keys)
            assert set(steps(ours)) < set(steps(theirs)), keys
    assert different == {}


@pytest.mark.capability("1.7.1")
async def test_both_servers_answer_the_same_attributes(clinic: Clinic, tmp_path: Path) -> None:
    keys = [
        "AccessionNumber=ACC04",
        *("PatientID", "PatientBirthDate", "PatientSex", "RequestedProcedureID", "StudyInstanceUID", "AdmissionID"),
        *("RequestedProcedurePriority", "RequestedProcedureDescription", "PatientWeight", "MedicalAlerts"),
        *(f"{SPS}{one}" for one in ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate")),
        *(f"{SPS}{one}" for one in ("ScheduledProcedureStepStartTime", "ScheduledProcedureStepLocation")),
        *(f"{SPS}{one}" for one in ("ScheduledStationName", "PreMedication", "ScheduledProtocolCodeSequence")),
    ]
    with wlmscpfs(tmp_path / "wl", await worklist_items(clinic)) as reference:
        (ours,) = await asyncio.to_thread(ask, tmp_path / "ours", clinic.port, *keys)
        (theirs,) = await asyncio.to_thread(ask, tmp_path / "theirs", reference.port, *keys)
    wanted = {each.tag for each in theirs if each.tag.group > 8 or each.keyword == "AccessionNumber"}
    for tag in wanted - {0x00400100}:
        assert str(ours[tag].value or "") == str(theirs[tag].value or ""), ours[tag].keyword
    mine, other = ours.ScheduledProcedureStepSequence[0], theirs.ScheduledProcedureStepSequence[0]
    for each in other:
        if each.VR != "SQ":
            assert str(mine[each.tag].value or "") == str(each.value or ""), each.keyword


@pytest.mark.capability("1.7.1", "1.2.10")
async def test_findscu_may_cancel(clinic: Clinic) -> None:
    keys = ("-k", "PatientName", "-k", f"{SPS}Modality")
    address = ("127.0.0.1", clinic.port)
    said = await asyncio.to_thread(run_tool, "findscu", "-v", "-W", "--cancel", 1, "-aec", CALLED, *keys, *address)
    assert "Find Response" in said
