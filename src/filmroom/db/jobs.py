"""Durable work: enqueued in the transaction of its reason, done by whichever process claims it, retried by the class of
what went wrong.

A worker holds a lease that it keeps renewing; when its process dies the lease runs out and the job is due again, so a
job must bear being done twice. Of jobs with the same serial key one runs at a time, in the order of their numbers.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound, Retry, Unavailable
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load

_sql = load("filmroom.db", "jobs.sql")
log = structlog.get_logger()

LEASE_S = 60.0
# How often an idle worker looks for work; a notice would be faster, no job here is in such a hurry.
LOOK_EVERY_S = 1.0
# How often in the time of a lease a worker looks for jobs whose worker is gone.
LOST_LOOKS = 12
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    pk: int
    kind: str
    body: dict[str, Any]
    principal: str
    attempt: int
    max_attempts: int
    retry_until: datetime | None


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as seen from outside. ``state`` is waiting, running, done, dead or cancelled."""

    pk: int
    kind: str
    state: str
    attempts: int
    progress: Any
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """Everything that is known of a job."""

    pk: int
    kind: str
    body: Mapping[str, Any]
    queue: str
    priority: int
    principal: str
    state: str
    due_at: datetime
    attempts: int
    max_attempts: int
    retry_until: datetime | None
    progress: Any
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What is open in a queue. ``oldest_due``: since when the next has been due, or when it will be."""

    queue: str
    waiting: int
    running: int
    dead: int
    oldest_due: datetime | None


Report: TypeAlias = Callable[[Any], Awaitable[None]]
Handler: TypeAlias = Callable[[Job, Report], Awaitable[None]]


async def add(
    tx: Connection,
    kind: str,
    body: Mapping[str, Any],
    *,
    at: datetime,
    due: datetime | None = None,
    queue: str = "default",
    serial_key: str | None = None,
    priority: int = 0,
    principal: str = "system",
    max_attempts: int = 10,
    retry_until: datetime | None = None,
) -> int:
    """Enqueue in the caller's transaction; the job's number. ``at`` is now, ``due`` when it may begin."""
    pk: int = await _sql.add.value(
        tx,
        kind=kind,
        body=dict(body),
        queue=queue,
        serial_key=serial_key,
        priority=priority,
        principal=principal,
        due=due or at,
        max_attempts=max_attempts,
        retry_until=retry_until,
        at=at,
    )
    return pk


async def get(database: Database, pk: int) -> JobState:
    """How a job stands. Raises NotFound."""
    async with database.connection() as connection:
        row = await _sql.get.one(connection, pk=pk)
    if row is None:
        raise NotFound(f"no job has the number {pk}")
    return JobState(row["pk"], row["kind"], row["state"], row["attempts"], row["progress"], row["last_error"])


async def cancel(database: Database, pk: int, at: datetime) -> bool:
    """Whether the job was still to be ended; one that runs is interrupted when its lease is renewed."""
    async with database.connection() as connection:
        return await _sql.cancel.value(connection, pk=pk, now=at) is not None


async def page(
    database: Database,
    *,
    before: int | None = None,
    pk: int | None = None,
    states: Sequence[str] | None = None,
    kind: str | None = None,
    queue: str | None = None,
    principal: str | None = None,
    limit: int = 100,
) -> list[JobView]:
    """Jobs, newest first, from below number ``before``."""
    async with database.connection() as connection:
        rows = await _sql.page.all(
            connection,
            before=before,
            pk=pk,
            states=None if states is None else list(states),
            kind=kind,
            queue=queue,
            principal=principal,
            limit=limit,
        )
    return [JobView(**row) for row in rows]


async def revive(database: Database, pk: int, at: datetime) -> bool:
    """Do a dead or cancelled job again, from the beginning; whether there was one."""
    async with database.connection() as connection:
        return await _sql.revive.value(connection, pk=pk, now=at) is not None


async def set_priority(database: Database, pk: int, priority: int) -> bool:
    """Let a waiting job go before others, or after them; whether it was still waiting."""
    async with database.connection() as connection:
        return await _sql.set_priority.value(connection, pk=pk, priority=priority) is not None


async def depths(database: Database) -> list[Depth]:
    """What is open in each queue."""
    async with database.connection() as connection:
        return [Depth(**row) for row in await _sql.depths.all(connection)]


async def hasten(tx: Connection, queue: str, at: datetime) -> None:
    """Whatever waits in a queue for another attempt may begin at once: what it waited for has come about."""
    await _sql.hasten.run(tx, queue=queue, now=at)


def retry_after_s(attempt: int) -> float:
    """Seconds before the next attempt: doubling, with a ceiling."""
    return float(min(FIRST_RETRY_S * 2 ** min(attempt - 1, 20), LONGEST_RETRY_S))


class Worker:
    """Does the jobs of one queue whose kinds it has handlers for, ``concurrency`` at a time."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        name: str,
        queue: str = "default",
        concurrency: int = 2,
        lease_s: float = LEASE_S,
        look_every_s: float = LOOK_EVERY_S,
        gate: Callable[[], bool] = lambda: True,
    ) -> None:
        """``gate`` is asked before each job is claimed: while it says no, none is."""
        self._database = database
        self._handlers = dict(handlers)
        self._gate = gate
        self._news = asyncio.Event()
        self._clock = clock
        self._name = name
        self._queue = queue
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._look_every_s = look_every_s
        self._lease = timedelta(seconds=lease_s)
        self._lost_looked: datetime | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work(f"{self._name}/{n}")) for n in range(self._concurrency)]

    async def stop(self) -> None:
        """Interrupt what runs; it is due again at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def wake(self) -> None:
        """There may be a job: look at once."""
        self._news.set()

    async def _work(self, worker: str) -> None:
        while True:
            try:
                job = await self._claim(worker) if self._gate() else None
                if job is not None:
                    await self._do(job, worker)
                    continue
            except Unavailable as fault:
                log.warning("no work while the database is away", reason=str(fault))
            except Exception:
                log.exception("the worker stumbled")
            await self._rest()

    async def _rest(self) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_every_s):
                await self._news.wait()

    async def _claim(self, worker: str) -> Job | None:
        now = self._clock.now()
        async with self._database.connection() as connection:
            if self._lost_looked is None or now - self._lost_looked >= self._lease / LOST_LOOKS:
                self._lost_looked = now
                await _sql.release_lost.run(connection, now=now)
            row = await _sql.claim.one(
                connection,
                worker=worker,
                queue=self._queue,
                kinds=list(self._handlers),
                now=now,
                lease_until=now + timedelta(seconds=self._lease_s),
            )
        return None if row is None else Job(*row)

    async def _do(self, job: Job, worker: str) -> None:
        async def report(progress: Any) -> None:
            async with self._database.connection() as connection:
                await _sql.progress.run(connection, pk=job.pk, worker=worker, progress=progress)

        work = asyncio.ensure_future(self._handlers[job.kind](job, report))
        lease = asyncio.ensure_future(self._keep_lease(job, worker, work))
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait([work])
            with contextlib.suppress(FilmroomError):
                await self._again(job, worker, self._clock.now(), "interrupted")
            raise
        finally:
            lease.cancel()
        await self._settle(job, worker, work)

    async def _keep_lease(self, job: Job, worker: str, work: "asyncio.Future[None]") -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            until = self._clock.now() + timedelta(seconds=self._lease_s)
            with contextlib.suppress(Unavailable):
                async with self._database.connection() as connection:
                    held = await _sql.renew.value(connection, pk=job.pk, worker=worker, lease_until=until)
                if held is None:  # cancelled, or taken over
                    work.cancel()
                    return

    async def _settle(self, job: Job, worker: str, work: "asyncio.Future[None]") -> None:
        if work.cancelled():
            return
        error, now = work.exception(), self._clock.now()
        if error is None:
            await self._finish(job, worker, "done", None)
            return
        log.warning("job failed", job=job.pk, kind=job.kind, attempt=job.attempt, error=type(error).__name__)
        due = now + timedelta(seconds=retry_after_s(job.attempt))
        repeatable = isinstance(error, FilmroomError) and error.retry is Retry.SAFE
        in_time = job.retry_until is None or due <= job.retry_until
        if repeatable and in_time and job.attempt < job.max_attempts:
            await self._again(job, worker, due, str(error))
        else:
            await self._finish(job, worker, "dead", f"{type(error).__name__}: {error}")

    async def _finish(self, job: Job, worker: str, state: str, error: str | None) -> None:
        async with self._database.connection() as connection:
            await _sql.finish.run(connection, pk=job.pk, worker=worker, state=state, error=error, now=self._clock.now())

    async def _again(self, job: Job, worker: str, due: datetime, error: str) -> None:
        async with self._database.connection() as connection:
            await _sql.again.run(connection, pk=job.pk, worker=worker, due=due, error=error)
