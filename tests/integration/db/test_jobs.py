"""Jobs: once each, in order where asked, again where that is safe."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from filmroom.base.clock import SystemClock
from filmroom.base.errors import NotFound, RemoteFault, Unavailable
from filmroom.db import jobs
from filmroom.db.jobs import Handler, Job, JobState, Report, Worker
from filmroom.db.pool import Database

CLOCK = SystemClock()


async def add(database: Database, kind: str = "note", **options: Any) -> int:
    async with database.transaction() as tx:
        return await jobs.add(tx, kind, options.pop("body", {}), at=CLOCK.now(), **options)


async def until(database: Database, pk: int, condition: Callable[[JobState], bool]) -> JobState:
    async with asyncio.timeout(20):
        while not condition(state := await jobs.get(database, pk)):
            await asyncio.sleep(0.01)
    return state


@asynccontextmanager
async def working(database: Database, handler: Handler, **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(database, {"note": handler}, CLOCK, name="test", **{"look_every_s": 0.01, **options})
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def test_a_job_is_done_once_with_its_body_and_progress(database: Database) -> None:
    done: list[dict[str, Any]] = []

    async def handler(job: Job, report: Report) -> None:
        await report({"part": 1})
        done.append(job.body)

    pks = [await add(database, body={"n": number}) for number in range(20)]
    async with working(database, handler, concurrency=4):
        for pk in pks:
            state = await until(database, pk, lambda each: each.state == "done")
            assert state.progress == {"part": 1}
    assert sorted(each["n"] for each in done) == list(range(20))


async def test_a_job_of_a_rolled_back_transaction_never_was(database: Database) -> None:
    numbers: list[int] = []

    async def fail_after_adding() -> None:
        async with database.transaction() as tx:
            numbers.append(await jobs.add(tx, "note", {}, at=CLOCK.now()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_adding()
    with pytest.raises(NotFound):
        await jobs.get(database, numbers[0])


@pytest.mark.parametrize(
    ("error", "attempts", "state"),
    [(Unavailable("away"), 1, "waiting"), (RemoteFault("refused"), 1, "dead"), (ValueError("a bug"), 1, "dead")],
)
async def test_the_class_of_the_error_decides_about_another_try(
    database: Database, error: Exception, attempts: int, state: str
) -> None:
    async def handler(job: Job, report: Report) -> None:
        raise error

    pk = await add(database)
    async with working(database, handler):
        found = await until(database, pk, lambda each: each.last_error is not None)
    assert (found.state, found.attempts) == (state, attempts)


async def test_attempts_are_limited(database: Database) -> None:
    async def handler(job: Job, report: Report) -> None:
        raise Unavailable("away")

    pk = await add(database, max_attempts=1)
    async with working(database, handler):
        assert (await until(database, pk, lambda each: each.last_error is not None)).state == "dead"
    assert [jobs.retry_after_s(attempt) for attempt in (1, 2, 3, 50)] == [5, 10, 20, 3600]


async def test_jobs_with_a_serial_key_run_one_at_a_time_in_order(database: Database) -> None:
    order: list[int] = []
    running = 0

    async def handler(job: Job, report: Report) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await report({})
        order.append(job.pk)
        running -= 1

    pks = [await add(database, serial_key="study:1.2", priority=number) for number in range(6)]
    async with working(database, handler, concurrency=4):
        await until(database, pks[-1], lambda each: each.state == "done")
    assert order == pks


async def test_more_urgent_first_and_not_before_its_time(database: Database) -> None:
    order: list[int] = []

    async def handler(job: Job, report: Report) -> None:
        order.append(job.pk)

    later = await add(database, due=CLOCK.now() + timedelta(hours=1), priority=9)
    low, high = await add(database), await add(database, priority=5)
    async with working(database, handler, concurrency=1):
        await until(database, low, lambda each: each.state == "done")
    assert order == [high, low]
    assert (await jobs.get(database, later)).state == "waiting"


async def test_a_job_whose_worker_is_gone_is_done_by_another(database: Database) -> None:
    pk = await add(database)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE job SET state = 'running', worker = 'gone', lease_until = now() - '1 s'::interval"
        )

    async def handler(job: Job, report: Report) -> None:
        assert job.attempt == 1

    async with working(database, handler):
        await until(database, pk, lambda each: each.state == "done")


async def test_stopping_a_worker_gives_its_job_back(database: Database) -> None:
    begun = asyncio.Event()

    async def handler(job: Job, report: Report) -> None:
        begun.set()
        await asyncio.Event().wait()

    pk = await add(database)
    async with working(database, handler):
        async with asyncio.timeout(20):
            await begun.wait()
    assert (await jobs.get(database, pk)).state == "waiting"


async def test_cancelling_ends_a_waiting_and_a_running_job(database: Database) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(job: Job, report: Report) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting, running = await add(database, kind="other"), await add(database)
    assert await jobs.cancel(database, waiting, CLOCK.now())
    assert not await jobs.cancel(database, waiting, CLOCK.now())
    async with working(database, handler, lease_s=0.06):
        async with asyncio.timeout(20):
            await begun.wait()
        assert await jobs.cancel(database, running, CLOCK.now())
        async with asyncio.timeout(20):
            await ended.wait()
    assert (await jobs.get(database, running)).state == "cancelled"


async def test_a_closed_gate_lets_no_job_begin(database: Database) -> None:
    opened = asyncio.Event()
    asked = 0

    def gate() -> bool:
        nonlocal asked
        asked += 1
        return opened.is_set()

    async def handler(job: Job, report: Report) -> None:
        assert opened.is_set()

    pk = await add(database)
    async with working(database, handler, gate=gate):
        async with asyncio.timeout(20):
            while asked < 5:
                await asyncio.sleep(0.01)
        assert (await jobs.get(database, pk)).state == "waiting"
        opened.set()
        await until(database, pk, lambda each: each.state == "done")


async def test_a_worker_that_is_woken_looks_at_once(database: Database) -> None:
    async def handler(job: Job, report: Report) -> None:
        pass

    async with working(database, handler, look_every_s=600) as worker:
        await asyncio.sleep(0)
        pk = await add(database)
        async with asyncio.timeout(20):
            while (await jobs.get(database, pk)).state != "done":
                worker.wake()
                await asyncio.sleep(0.01)


async def test_what_waits_for_another_attempt_can_be_hastened_and_what_was_planned_is_not(database: Database) -> None:
    later = CLOCK.now() + timedelta(hours=1)
    tried, planned, elsewhere = [
        await add(database, kind="other", due=later, queue=queue) for queue in ("send:A", "send:A", "send:B")
    ]
    async with database.transaction() as tx:
        await tx.execute("UPDATE job SET attempts = 1 WHERE pk = ANY ($1)", [tried, elsewhere])
        await jobs.hasten(tx, "send:A", CLOCK.now())
        rows = await tx.fetch("SELECT pk FROM job WHERE due_at <= $1", CLOCK.now())
    assert [row["pk"] for row in rows] == [tried]
    assert planned != tried
