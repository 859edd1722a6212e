"""Jobs as resources."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.fixtures.served import PASSWORD, Served

from filmroom.base.clock import SystemClock
from filmroom.base.errors import NoSpace
from filmroom.db import jobs
from filmroom.db.jobs import Job, Report, Worker
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def add(database: Database, kind: str = "note", **options: Any) -> int:
    async with database.transaction() as tx:
        return await jobs.add(tx, kind, {"n": 1}, at=options.pop("at", NOW), **options)


@pytest.mark.capability("5.2.1")
async def test_jobs_are_listed_filtered_and_paged(served: Served, database: Database) -> None:
    numbers = [await add(database, kind=kind) for kind in ("note", "other", "note", "note")]
    page = (await served.client.get("/api/v1/jobs?kind=note&state=waiting,running&limit=2")).json()
    assert [each["id"] for each in page["jobs"]] == [numbers[3], numbers[2]]
    rest = (await served.client.get(page["next"])).json()
    assert ([each["id"] for each in rest["jobs"]], rest["next"]) == ([numbers[0]], None)
    assert (await served.client.get("/api/v1/jobs?state=asleep")).status_code == 422
    queues = (await served.client.get("/api/v1/jobs/queues")).json()["queues"]
    assert queues[0] | {"oldest_due": None} == {
        "queue": "default", "waiting": 4, "running": 0, "dead": 0, "oldest_due": None,
    }  # fmt: skip


@pytest.mark.capability("5.2.1")
async def test_a_job_is_hastened_called_off_and_done_again(served: Served, database: Database) -> None:
    number = await add(database, retry_until=NOW + timedelta(hours=2))
    address = f"/api/v1/jobs/{number}"
    assert (await served.client.patch(address, json={"priority": 5})).json()["priority"] == 5
    assert (await served.client.post(f"{address}/retry")).status_code == 409
    assert (await served.client.post(f"{address}/cancel")).json()["state"] == "cancelled"
    assert (await served.client.post(f"{address}/cancel")).status_code == 409
    revived = (await served.client.post(f"{address}/retry")).json()
    assert (revived["state"], revived["attempts"]) == ("waiting", 0)
    left = datetime.fromisoformat(revived["retry_until"]) - datetime.fromisoformat(revived["due_at"])
    assert left == timedelta(hours=2)
    assert (await served.client.get("/api/v1/jobs/999999")).status_code == 404


@pytest.mark.capability("5.2.1")
async def test_a_dead_job_says_in_words_what_went_wrong(served: Served, database: Database) -> None:
    async def fails(job: Job, report: Report) -> None:
        await report({"done": 3, "of": 9})
        raise NoSpace("the disk of FAR")

    number = await add(database, max_attempts=1)
    worker = Worker(database, {"note": fails}, SystemClock(), name="test", look_every_s=0.01)
    await worker.start()
    async with asyncio.timeout(20):
        while (found := (await served.client.get(f"/api/v1/jobs/{number}")).json())["state"] != "dead":
            await asyncio.sleep(0.02)
    await worker.stop()
    assert found["last_error"] == "The store has no room left. (the disk of FAR)"
    assert found["progress"] == {"done": 3, "of": 9}
    assert [each["id"] for each in (await served.client.get("/api/v1/jobs?state=dead")).json()["jobs"]] == [number]


async def test_others_see_and_call_off_only_their_own(served: Served, database: Database) -> None:
    rita, _ = await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
    hers = await add(database, principal=rita.principal().id)
    foreign = await add(database)
    async with served.stranger(auth=("rita", PASSWORD)) as client:
        listed = (await client.get("/api/v1/jobs")).json()["jobs"]
        assert [each["id"] for each in listed] == [hers]
        assert (await client.get(f"/api/v1/jobs/{foreign}")).status_code == 404
        assert (await client.post(f"/api/v1/jobs/{foreign}/cancel")).status_code == 404
        assert (await client.patch(f"/api/v1/jobs/{hers}", json={"priority": 9})).status_code == 403
        assert (await client.post(f"/api/v1/jobs/{hers}/cancel")).status_code == 200


@pytest.mark.capability("5.2.1")
async def test_queues_of_destinations_are_paused_called_off_and_sent_again(served: Served) -> None:
    study, _ = await served.stored(count=2)
    await served.client.put("/api/v1/devices/FAR", json={"host": "127.0.0.1", "port": 1})
    assert (
        await served.client.post("/api/v1/deliveries", json={"to": "NOBODY", "studies": [study.uid]})
    ).status_code == 422
    order = await served.client.post(
        "/api/v1/deliveries", json={"to": "FAR", "studies": [study.uid], "priority": "high"}
    )
    made = order.json()
    assert (order.status_code, made["total"], made["priority"]) == (201, 2, "high")
    address = order.headers["location"]
    assert (await served.client.post("/api/v1/destinations/FAR/pause")).json()["state"] == "paused"
    assert (await served.client.post("/api/v1/destinations/FAR/resume")).json()["state"] == "in use"
    [job] = (await served.client.get("/api/v1/jobs?kind=send")).json()["jobs"]
    part = await served.client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert part.status_code == 409
    assert "deliveries" in part.json()["detail"]
    assert (await served.client.post(f"{address}/cancel")).json()["state"] == "cancelled"
    assert (await served.client.post(f"{address}/cancel")).status_code == 409
    items = (await served.client.get(f"{address}/items?limit=1")).json()
    assert items["items"][0]["state"] == "cancelled"
    assert len((await served.client.get(items["next"])).json()["items"]) == 1
    assert (await served.client.post(f"{address}/retry")).json() == {"objects": 2}
