"""The change feed and its live end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from tests.fixtures.served import PASSWORD, Served

from filmroom.archive.changes import Changes
from filmroom.base.facts import InstancesStored, ObjectQuarantined, StudyQuiet
from filmroom.base.ids import SeriesUid, SopUid, StudyUid
from filmroom.db import feed
from filmroom.db.feed_tail import FeedTail, FellBehind
from filmroom.db.pool import Database
from filmroom.net.web import sse
from filmroom.net.web.errors import Refused
from filmroom.security.principals import SYSTEM

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def happen(database: Database, count: int = 1, at: datetime = NOW) -> None:
    async with database.transaction() as tx:
        facts = [StudyQuiet(study_uid=StudyUid(f"1.2.{n}"), version=1) for n in range(count)]
        await feed.append(tx, facts, at)


async def events(response: httpx2.Response) -> AsyncIterator[dict[str, str]]:
    """The events of a stream; comments as {'': text}."""
    found: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            found[name] = value.strip()
        elif found:
            yield found
            found = {}


@pytest.mark.capability("3.3.3", "5.2.1")
async def test_changes_are_read_in_order_and_resumed_without_gaps(served: Served) -> None:
    study, items = await served.stored(count=3)
    first = (await served.client.get("/api/v1/changes?after=0&limit=1")).json()
    [change] = first["changes"]
    assert (change["seq"], change["kind"], change["state"]) == (1, "InstancesStored", "current")
    assert change["data"]["study_uid"] == study.uid
    assert datetime.fromisoformat(change["at"]).tzinfo is not None
    await served.stored()
    seen, address = [1], first["next"]
    while (page := (await served.client.get(address)).json())["changes"]:
        seen += [each["seq"] for each in page["changes"]]
        address = page["next"]
    assert seen == list(range(1, page["last"] + 1))
    assert items


@pytest.mark.capability("3.3.3")
async def test_a_filter_skips_what_it_leaves_out_for_good(served: Served, database: Database) -> None:
    await happen(database, 3)
    page = (await served.client.get("/api/v1/changes?kind=InstancesStored")).json()
    assert (page["changes"], page["next_after"]) == ([], 3)
    both = (await served.client.get("/api/v1/changes?kind=InstancesStored,StudyQuiet&limit=2")).json()
    assert [each["seq"] for each in both["changes"]] == [1, 2]
    assert both["next_after"] == 2


@pytest.mark.capability("3.3.3")
async def test_a_change_says_what_became_of_it(served: Served, database: Database) -> None:
    async with database.transaction() as tx:
        _, items = await served.stored(count=2)
        uids = tuple(SopUid(each.sop_uid) for each in items)
        fact = InstancesStored(study_uid=StudyUid("1.2"), series_uid=SeriesUid("1.3"), sop_uids=uids, source="CT1")
        await feed.append(tx, [fact, StudyQuiet(study_uid=StudyUid("1.2"), version=1)], NOW)

    async def states() -> list[str]:
        changes = (await served.client.get("/api/v1/changes?limit=500")).json()["changes"]
        return [each["state"] for each in changes[-2:]]

    assert await states() == ["current", "deleted"]
    async with database.connection() as connection:
        await connection.execute("UPDATE instance SET state = 'deleted' WHERE pk = (SELECT min(pk) FROM instance)")
    assert await states() == ["partly", "deleted"]
    async with database.connection() as connection:
        await connection.execute("UPDATE instance SET state = 'deleted'")
    assert await states() == ["deleted", "deleted"]


@pytest.mark.capability("3.3.3")
async def test_waiting_ends_with_the_first_change(served: Served, database: Database) -> None:
    asking = asyncio.create_task(served.client.get("/api/v1/changes?after=0&wait=20"))
    await asyncio.sleep(0)
    await happen(database)
    async with asyncio.timeout(10):
        page = (await asking).json()
    assert [each["seq"] for each in page["changes"]] == [1]
    empty = (await served.client.get("/api/v1/changes?after=1&wait=0.05")).json()
    assert empty["changes"] == []


@pytest.mark.capability("3.3.3")
async def test_from_a_moment_on(served: Served, database: Database) -> None:
    for hour in range(6):
        await happen(database, 2, NOW + timedelta(hours=hour))
    moment = (NOW + timedelta(hours=3)).isoformat().replace("+", "%2B")
    page = (await served.client.get(f"/api/v1/changes?since={moment}")).json()
    assert [each["seq"] for each in page["changes"]] == [7, 8, 9, 10, 11, 12]
    both = await served.client.get(f"/api/v1/changes?since={moment}&after=1")
    assert both.status_code == 422


@pytest.mark.capability("3.3.3")
async def test_what_is_kept_no_longer_is_gone(served: Served, database: Database) -> None:
    await happen(database, 5, NOW)
    await happen(database, 5, NOW + timedelta(days=2))
    async with database.transaction() as tx:
        await feed.advance(tx, "somebody", 3)
    assert await feed.prune(database, NOW + timedelta(days=1)) == 3
    async with database.transaction() as tx:
        await feed.advance(tx, "somebody", 10)
    assert await feed.prune(database, NOW + timedelta(days=1)) == 2
    gone = await served.client.get("/api/v1/changes?after=0")
    assert gone.status_code == 410
    assert "number 6" in gone.json()["detail"]
    assert (await served.client.get("/api/v1/events?after=2")).status_code == 410
    page = (await served.client.get("/api/v1/changes?after=5")).json()
    assert [each["seq"] for each in page["changes"]] == [6, 7, 8, 9, 10]
    assert (page["first"], page["last"]) == (6, 10)


@pytest.mark.capability("3.3.3")
async def test_a_viewer_does_not_hear_of_the_quarantine(served: Served, database: Database) -> None:
    await served.services.accounts.add(SYSTEM, "vera", roles=["viewer"], password=PASSWORD)
    async with database.transaction() as tx:
        await feed.append(tx, [ObjectQuarantined(quarantine_id=1, reason="no-uid")], NOW)
    await happen(database)
    async with served.stranger(auth=("vera", PASSWORD)) as vera:
        page = (await vera.get("/api/v1/changes")).json()
        assert [each["kind"] for each in page["changes"]] == ["StudyQuiet"]
        asked = (await vera.get("/api/v1/changes?kind=ObjectQuarantined")).json()
        assert asked["changes"] == []
        async with vera.stream("GET", "/api/v1/events?after=0") as stream, asyncio.timeout(10):
            async for event in events(stream):
                if "data" in event:
                    assert event["event"] == "StudyQuiet"
                    break


@pytest.mark.capability("3.3.3")
async def test_events_come_as_they_happen_and_resume_where_they_were_cut(served: Served, database: Database) -> None:
    await happen(database, 3)
    async with asyncio.timeout(20):
        async with served.client.stream("GET", "/api/v1/events?after=1") as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            numbers: list[str] = []
            async for event in events(stream):
                if "data" in event:
                    numbers.append(event["id"])
                    assert orjson.loads(event["data"])["seq"] == int(event["id"])
                if len(numbers) == 2:
                    await happen(database)
                if len(numbers) == 3:
                    break
        assert numbers == ["2", "3", "4"]
        await happen(database, 2)
        headers = {"last-event-id": "4"}
        async with served.client.stream("GET", "/api/v1/events?after=0", headers=headers) as stream:
            numbers = []
            async for event in events(stream):
                if "data" in event:
                    numbers.append(event["id"])
                if len(numbers) == 2:
                    break
        assert numbers == ["5", "6"]


async def test_events_without_a_place_begin_at_the_present(served: Served, database: Database) -> None:
    await happen(database, 3)
    changes = served.services.changes
    assert changes is not None
    assert await changes.tail.wait(2, 10)
    async with asyncio.timeout(10), served.client.stream("GET", "/api/v1/events?kind=StudyQuiet") as stream:
        async for event in events(stream):
            if "retry" in event:
                assert event["id"] == "3"
                await happen(database)
            else:
                assert event["id"] == "4"
                break


async def test_one_account_has_so_many_streams_and_no_more() -> None:
    following = sse.Following(sse.MAX_EACH + 1)
    with contextlib.ExitStack() as open_streams:
        for _ in range(sse.MAX_EACH):
            open_streams.enter_context(following.enter(SYSTEM).taken())
        with pytest.raises(Refused) as refused:
            following.enter(SYSTEM)
        assert refused.value.status == 429
    following.enter(SYSTEM)
    assert following.count == 0


async def test_a_client_that_does_not_read_is_cut(
    served: Served, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "SLOW_S", 0.05)
    changes = served.services.changes
    assert changes is not None
    following = sse.Following(10)
    stream = sse.EventStream(changes, SYSTEM, after=0, kinds=(), place=following.enter(SYSTEM))
    taken = 0

    async def send(message: Any) -> None:
        nonlocal taken
        taken += 1
        if taken > 2:  # the head and the greeting fit into the socket's buffers, nothing after
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    await happen(database, 10)
    async with asyncio.timeout(10):
        await stream({"type": "http", "method": "GET"}, receive, send)
    assert following.count == 0


async def test_who_falls_behind_the_ring_goes_on_from_the_database(database: Database) -> None:
    watch = feed.FeedWatch(database)
    await watch.start()
    tail = FeedTail(database, watch, ring=4)
    await tail.start()
    await happen(database, 10)
    assert await tail.wait(9, 10)
    assert [each.seq for each in tail.after(6)] == [7, 8, 9, 10]
    assert tail.after(10) == ()
    with pytest.raises(FellBehind):
        tail.after(5)
    stream = sse.EventStream(Changes(database, tail), SYSTEM, after=0, kinds=(), place=sse.Following(1).enter(SYSTEM))
    blocks: list[bytes] = []

    async def send(message: Any) -> None:
        blocks.append(message.get("body", b""))

    async def receive() -> Any:
        async with asyncio.timeout(10):
            while b"id: 10\n" not in b"".join(blocks):
                await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    await stream({"type": "http", "method": "GET"}, receive, send)
    numbers = [line for line in b"".join(blocks).split(b"\n") if line.startswith(b"id: ")]
    assert numbers == [b"id: %d" % n for n in range(11)]
    await tail.stop()
    await watch.stop()
