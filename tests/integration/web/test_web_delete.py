"""Deleting: gone at once through every door, undone until the bytes are given back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.fixtures.served import Served

from filmroom.archive.delete import RECLAIM, DeletionOver
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import jobs
from filmroom.db.jobs import Worker
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM, Kind, Principal


async def status(served: Served, path: str) -> int:
    return (await served.client.get("/dicom-web" + path)).status_code


async def counts(served: Served, study: str) -> tuple[int, int]:
    [found] = (await served.client.get(f"/dicom-web/studies?StudyInstanceUID={study}")).json()
    return found["00201206"]["Value"][0], found["00201208"]["Value"][0]


@asynccontextmanager
async def working(served: Served, database: Database) -> AsyncIterator[None]:
    deleting = served.services.deleting
    assert deleting is not None
    worker = Worker(database, {RECLAIM: deleting.reclaim}, SystemClock(), name="test", look_every_s=0.01)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


@pytest.mark.capability("6.2.6")
async def test_an_instance_vanishes_and_comes_back(served: Served) -> None:
    study, items = await served.stored("tiny", 3)
    series = f"/studies/{study.uid}/series/{study.series_uid}"
    path = f"{series}/instances/{items[0].sop_uid}"
    before = (await served.client.get(f"/dicom-web{series}/metadata")).headers["etag"]
    answer = await served.client.delete(f"/dicom-web{path}?reason=blurred")
    assert answer.status_code == 204
    assert answer.headers["deleted-instances"] == "1"
    for each in (path, f"{path}/metadata", f"{path}/frames/1", f"{path}/rendered"):
        assert await status(served, each) == 404
    assert await counts(served, study.uid) == (1, 2)
    found = await served.client.get(f"/dicom-web{series}/metadata", headers={"if-none-match": before})
    assert len(found.json()) == 2
    assert len((await served.client.get(f"/dicom-web{series}/instances")).json()) == 2
    assert (await served.client.delete(f"/dicom-web{path}")).status_code == 404
    refused = await served.store([items[0]])
    assert (refused.status_code, refused.json()["00081198"]["Value"][0]["00081197"]["Value"]) == (409, [0x0124])
    deleting = served.services.deleting
    assert deleting is not None
    entry = int(answer.headers["deletion"])
    assert await deleting.undo(SYSTEM, entry) == 1
    assert await status(served, path) == 200
    assert await counts(served, study.uid) == (1, 3)
    with pytest.raises(DeletionOver):
        await deleting.undo(SYSTEM, entry)


@pytest.mark.capability("6.2.6")
@pytest.mark.parametrize("level", ["study", "series"])
async def test_a_study_vanishes_from_every_search(level: str, served: Served) -> None:
    study, _ = await served.stored("tiny", 2)
    path = f"/studies/{study.uid}" + (f"/series/{study.series_uid}" if level == "series" else "")
    answer = await served.client.delete(f"/dicom-web{path}", headers={"x-reason": "wrong patient"})
    assert answer.status_code == 204
    for search in (f"/studies?StudyInstanceUID={study.uid}", f"/instances?StudyInstanceUID={study.uid}"):
        assert (await served.client.get(f"/dicom-web{search}")).content in {b"", b"[]"}
    for each in ("", "/metadata", "/rendered", "/thumbnail"):
        assert await status(served, f"/studies/{study.uid}{each}") == 404
    deleting = served.services.deleting
    assert deleting is not None
    await deleting.undo(SYSTEM, int(answer.headers["deletion"]))
    assert await counts(served, study.uid) == (1, 2)


@pytest.mark.capability("6.2.6")
async def test_bytes_go_and_the_same_may_come_again(served: Served, database: Database) -> None:
    study, items = await served.stored("tiny", 2)
    answer = await served.client.delete(f"/dicom-web/studies/{study.uid}?undo=no")
    entry = int(answer.headers["deletion"])
    deleting = served.services.deleting
    assert deleting is not None
    async with working(served, database), database.connection() as connection:
        while await connection.fetchval("SELECT count(*) FROM job WHERE kind = $1 AND state <> 'done'", RECLAIM):
            pass
        for table in ("instance", "location", "series", "study", "study_settling"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        kept = await connection.fetchrow("SELECT action, why, target FROM journal WHERE pk = $1", entry)
        assert tuple(kept) == ("delete", "", f"study:{study.uid}")
    with pytest.raises(DeletionOver):
        await deleting.undo(SYSTEM, entry)
    assert (await served.store(items)).status_code == 200
    assert await counts(served, study.uid) == (1, 2)
    assert (await jobs.get(database, 1)).state == "done"


@pytest.mark.capability("6.2.6")
async def test_only_who_may_delete_does(served: Served) -> None:
    study, _ = await served.stored("tiny", 1)
    deleting = served.services.deleting
    assert deleting is not None
    reader = Principal(id="person:7", kind=Kind.PERSON, name="reader", roles=frozenset({"radiologist"}))
    with pytest.raises(Forbidden):
        await deleting.delete(reader, study.uid)
    with pytest.raises(NotFound):
        await deleting.delete(SYSTEM, "1.2.3")
    assert await status(served, f"/studies/{study.uid}") == 200
