"""Studies taken out: whole, openable media; de-identified ones without the patient; and who did so and why."""

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet
from tests.fixtures.served import Served, serve

from filmroom.archive.export import EXPORT
from filmroom.archive.export_work import ExportWork
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db.jobs import Job
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM, person

pytestmark = [pytest.mark.capability("7.4.2"), pytest.mark.timeout(120)]


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path) as running:
        yield running


def _medium(dicomdir: Path) -> list[Path]:
    """The files that a DICOMDIR names, by a reader that checks its structure."""
    files = FileSet(dicomdir)
    try:
        return [Path(each.path) for each in files]
    finally:
        files._stage["t"].cleanup()


async def _done(served: Served, database: Database, tmp_path: Path, pk: int) -> Any:
    services = served.services
    assert services.exports is not None
    work = ExportWork(
        database,
        services.retrieve,  # type: ignore[arg-type]
        services.pixels,
        services.devices,
        services.exports.projects,
        services.clock,
        root=tmp_path / "exports",
    )
    told = []

    async def report(progress: Any) -> None:
        told.append(progress)

    await work.run(Job(1, EXPORT, {"export": pk}, "system", 1, 5, None), report)
    assert told[-1]["done"] == told[-1]["total"]
    return await services.exports.get(SYSTEM, pk)


async def test_a_zip_opens_as_a_medium_and_holds_what_was_stored(
    served: Served, database: Database, tmp_path: Path
) -> None:
    study, items = await served.stored("ct", 3)
    asked = await served.client.post("/api/v1/exports", json={"studies": [study.uid], "reason": "second opinion"})
    assert asked.status_code == 202, asked.text
    export = await _done(served, database, tmp_path, asked.json()["id"])
    assert (export.state, export.written, export.reason) == ("done", 3, "second opinion")
    got = await served.client.get(f"/api/v1/exports/{export.pk}/file")
    archive = zipfile.ZipFile(io.BytesIO(got.content))
    archive.extractall(tmp_path / "medium")
    kept = {item.sop_uid: item.dataset for item in items}
    medium = {dcmread(path).SOPInstanceUID: path for path in _medium(tmp_path / "medium" / "DICOMDIR")}
    assert medium.keys() == kept.keys()
    assert all(path.read_bytes().endswith(kept[uid]) for uid, path in medium.items())
    assert study.uid not in (page := archive.read("README.HTM").decode())
    assert "患者" in page


async def test_a_deidentified_export_has_nothing_of_the_patient(
    served: Served, database: Database, tmp_path: Path
) -> None:
    study, items = await served.stored("ct", 3)
    made = await served.client.post(
        "/api/v1/deidentification-projects", json={"name": "lung", "options": ["retain-modified-dates"]}
    )
    assert made.status_code == 201, made.text
    order = {"studies": [study.uid], "reason": "research", "project": "lung", "kind": "folder", "destination": "lung-1"}
    asked = await served.client.post("/api/v1/exports", json=order)
    assert asked.status_code == 202, asked.text
    export = await _done(served, database, tmp_path, asked.json()["id"])
    assert (export.state, export.written) == ("done", 3)
    assert export.report["(0010,0020) PatientID"] == {"replaced": 3}
    folder = Path(export.path)
    source = dcmread(io.BytesIO(items[0].part10()))
    secrets = [str(source.PatientName), source.PatientID, study.uid, source.AccessionNumber, source.PatientBirthDate]
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for secret in filter(None, secrets):
            assert secret.encode() not in data, (path, secret)
    medium = [dcmread(path) for path in _medium(folder / "DICOMDIR")]
    assert len({each.StudyInstanceUID for each in medium}) == 1
    assert len({each.SOPInstanceUID for each in medium}) == 3
    pixels = sorted(each.PixelData for each in medium)
    assert pixels == sorted(item.pixels[-len(pixels[0]) :] for item in items)


async def test_who_exported_a_study_is_known_and_files_go_but_records_stay(
    served: Served, database: Database, tmp_path: Path
) -> None:
    study, _ = await served.stored("ct", 1)
    exports = served.services.exports
    assert exports is not None
    asked = await served.client.post("/api/v1/exports", json={"studies": [study.uid], "reason": "court"})
    export = await _done(served, database, tmp_path, asked.json()["id"])
    assert (await served.client.delete(f"/api/v1/exports/{export.pk}")).status_code == 204
    assert (await served.client.get(f"/api/v1/exports/{export.pk}/file")).status_code == 404
    listed = (await served.client.get("/api/v1/exports", params={"study": study.uid})).json()["exports"]
    assert [(each["reason"], each["principal"]) for each in listed] == [("court", export.principal)]
    with pytest.raises(NotFound):
        await exports.get(person(999, "other", frozenset({"radiologist"})), export.pk)
    with pytest.raises(Forbidden):
        await exports.order(person(998, "viewer", frozenset({"viewer"})), "zip", studies=[study.uid], reason="x")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"reason": ""}, 422),
        ({"kind": "folder", "destination": "../up"}, 403),
        ({"project": "none"}, 404),
        ({"studies": ["1.2.3"]}, 404),
        ({"kind": "device", "destination": "NOBODY"}, 404),
    ],
)
async def test_what_cannot_be_ordered_is_said(served: Served, change: dict[str, Any], status: int) -> None:
    study, _ = await served.stored("tiny", 1)
    body = {"studies": [study.uid], "reason": "why", **change}
    assert (await served.client.post("/api/v1/exports", json=body)).status_code == status


async def test_what_may_be_written_on_is_withheld_and_named(served: Served, database: Database, tmp_path: Path) -> None:
    study, items = await served.stored("cine-small", 1)
    await served.client.post("/api/v1/deidentification-projects", json={"name": "echo"})
    body = {"studies": [study.uid], "reason": "research", "project": "echo"}
    asked = (await served.client.post("/api/v1/exports", json=body)).json()
    export = await _done(served, database, tmp_path, asked["id"])
    assert (export.state, export.withheld) == ("failed", 1)
    left = (await served.client.get(f"/api/v1/exports/{export.pk}/left-out")).json()["objects"]
    assert [each["sop_uid"] for each in left] == [items[0].sop_uid]
    assert "burned in" in left[0]["comment"]
