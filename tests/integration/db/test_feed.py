"""The feed has no gaps, keeps the order of commits, and wakes who waits."""

import asyncio
from datetime import UTC, datetime

import pytest

from filmroom.base.facts import InstancesStored, ObjectQuarantined, StudyQuiet
from filmroom.base.ids import SeriesUid, SopUid, StudyUid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch, UnknownFact
from filmroom.db.pool import Database

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def quiet(number: int) -> StudyQuiet:
    return StudyQuiet(study_uid=StudyUid(f"1.{number}"), version=number)


@pytest.mark.capability("3.3.2", "3.3.3")
async def test_facts_come_back_as_they_were(database: Database) -> None:
    stored = InstancesStored(
        study_uid=StudyUid("1.2"), series_uid=SeriesUid("1.3"), sop_uids=(SopUid("1.4"), SopUid("1.5")), source="CT"
    )
    facts = [stored, ObjectQuarantined(quarantine_id=7, reason="conflict"), quiet(3)]
    async with database.transaction() as tx:
        assert await feed.append(tx, facts, NOW) == 1
    recorded = await feed.read(database, 0)
    assert [each.fact for each in recorded] == facts
    assert [(each.seq, each.at) for each in recorded] == [(1, NOW), (2, NOW), (3, NOW)]
    assert [each.seq for each in await feed.read(database, 1, limit=1)] == [2]


@pytest.mark.capability("3.3.3")
async def test_no_gap_after_a_rollback_and_among_many_writers(database: Database) -> None:
    async def write(number: int) -> None:
        try:
            async with database.transaction() as tx:
                await feed.append(tx, [quiet(number), quiet(number)], NOW)
                if number % 3 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    await asyncio.gather(*(write(number) for number in range(30)))
    assert [each.seq for each in await feed.read(database, 0)] == list(range(1, 41))
    assert await feed.head(database) == 40


async def test_a_cursor_only_goes_forward(database: Database) -> None:
    async with database.transaction() as tx:
        assert await feed.cursor(tx, "arrivals") == 0
        await feed.advance(tx, "arrivals", 5)
        await feed.advance(tx, "arrivals", 3)
        assert await feed.cursor(tx, "arrivals") == 5


async def test_a_fact_of_a_later_release_is_not_lost(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("SELECT feed_append(now(), '{Teleported}', $1::jsonb[])", [{"to": "Mars"}])
    (recorded,) = await feed.read(database, 0)
    assert recorded.fact == UnknownFact(kind="Teleported", body={"to": "Mars"})


async def test_who_waits_is_woken_and_who_is_behind_does_not_wait(database: Database) -> None:
    watch = FeedWatch(database)
    await watch.start()
    try:
        assert not await watch.wait(0, 0.01)
        waiting = asyncio.ensure_future(watch.wait(0, 30))
        async with database.transaction() as tx:
            await feed.append(tx, [quiet(1)], NOW)
        async with asyncio.timeout(10):
            assert await waiting
        assert await watch.wait(0, 0)
    finally:
        await watch.stop()


async def test_what_one_process_files_wakes_the_others_and_not_itself_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LOOK_ANYWAY_S", 600.0)
    here, there = FeedWatch(database), FeedWatch(database)
    heard: list[str] = []
    monkeypatch.setattr(here, "_heard", lambda *notice: (heard.append(notice[-1]), FeedWatch._heard(here, *notice)))
    await here.start()
    await there.start()
    try:
        async with asyncio.timeout(20):
            while not (_resting(here) and _resting(there)):
                await asyncio.sleep(0.01)
            async with database.transaction() as tx:
                await tx.execute("SELECT feed_append(now(), '{StudyQuiet}', $1::jsonb[])", [{}])
            here.appended()
            assert await here.wait(0, 10)
            assert await there.wait(0, 10)
            while not heard or not _resting(here):
                await asyncio.sleep(0.01)
            assert not here._stale.is_set()
    finally:
        await here.stop()
        await there.stop()


async def test_a_stop_that_meets_news_is_a_stop(database: Database) -> None:
    watch = FeedWatch(database)
    await watch.start()
    async with asyncio.timeout(20):
        while watch.latest < 0 or not _resting(watch):
            await asyncio.sleep(0.01)
        watch._stale.set()
        await watch.stop()


def _resting(watch: FeedWatch) -> bool:
    """Whether the look waits for news; only then could a cancellation meet them."""
    return bool(watch._stale._waiters)
