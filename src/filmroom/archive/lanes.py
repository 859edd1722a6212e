"""One lane for each destination: what is queued for it is worked off by itself, so that a destination that hangs,
refuses or is full keeps nothing from any other.

A lane is a job queue with workers of its own. One process at a time keeps a destination's lane; when it dies another
takes it over. A destination that is away is left alone for a time that grows, whatever is queued for it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Retry, Unavailable
from filmroom.db import jobs
from filmroom.db.jobs import Handler, Job, Report, Worker
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load

_sql = load("filmroom.archive", "lanes.sql")
log = structlog.get_logger()

LOOK_EVERY_S = 0.5
# After kill -9 another process, or the next start, goes on after this long.
LEASE_S = 12.0
# Looks without work after which a lane is closed.
IDLE_LOOKS = 20
# How long a stop waits for objects that are on their way.
GRACE_S = 5.0
FIRST_AWAY_S, LONGEST_AWAY_S = 5.0, 600.0
# What waits for a destination has its own time limit: the count of attempts never ends it.
ATTEMPTS = 1_000_000


class NotSentYet(FilmroomError):
    """The destination did not take all of it; the rest is tried again."""

    retry = Retry.SAFE


LaneHandler = Callable[["Lane", Job, Report], Awaitable[None]]


def queue_of(ae_title: str) -> str:
    """The job queue of a destination."""
    return f"send:{ae_title}"


async def add(
    tx: Connection,
    ae_title: str,
    kind: str,
    body: Mapping[str, Any],
    *,
    at: datetime,
    due: datetime | None = None,
    priority: int = 0,
    principal: str = "system",
    retry_until: datetime | None = None,
) -> int:
    """Enqueue work for a destination in the caller's transaction; the job's number."""
    await _sql.need.run(tx, ae_title=ae_title)
    return await jobs.add(
        tx,
        kind,
        body,
        at=at,
        due=due,
        queue=queue_of(ae_title),
        priority=priority,
        principal=principal,
        max_attempts=ATTEMPTS,
        retry_until=retry_until,
    )


def is_last_chance(job: Job, now: datetime) -> bool:
    """Whether the next attempt of a job would come too late."""
    return job.retry_until is not None and now + timedelta(seconds=jobs.retry_after_s(job.attempt)) > job.retry_until


def away_s(failures: int) -> float:
    """Seconds for which a destination is left alone after so many failures in a row."""
    return float(min(FIRST_AWAY_S * 2 ** min(failures - 1, 20), LONGEST_AWAY_S))


class Lane:
    """One destination, while this process works for it."""

    def __init__(self, ae_title: str, database: Database, clock: Clock) -> None:
        self.ae_title = ae_title
        self.associations = 1
        self.bytes_per_s: int | None = None
        self.paused = False
        self.stopping = False
        self.failures = 0
        self.away_until: datetime | None = None
        self.busy = 0
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.idle_looks = 0
        self.worker: Worker | None = None
        self._database = database
        self._clock = clock
        self._free_at = 0.0

    @property
    def open(self) -> bool:
        """Whether the next job may begin."""
        away = self.away_until is not None and self._clock.now() < self.away_until
        return not (away or self.closing)

    @property
    def closing(self) -> bool:
        """Whether work in progress must come to an end."""
        return self.paused or self.stopping

    def update(self, row: Mapping[str, Any]) -> None:
        """As the database has it."""
        self.bytes_per_s, self.paused = row["bytes_per_s"], row["paused"]
        self.failures, self.away_until = row["failures"], row["away_until"]

    async def pace(self, size_bytes: int) -> None:
        """Wait until so many bytes may go; all associations of the lane share its bandwidth."""
        if self.bytes_per_s is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + size_bytes / self.bytes_per_s
        await asyncio.sleep(self._free_at - now)

    async def went_away(self, trouble: str) -> None:
        """No association can be had, or there is no room at the other end: leave it alone for a while."""
        self.failures += 1
        self.away_until = self._clock.now() + timedelta(seconds=away_s(self.failures))
        log.warning("destination is away", destination=self.ae_title, reason=trouble, failures=self.failures)
        async with self._database.connection() as connection:
            await _sql.away.run(
                connection, ae_title=self.ae_title, failures=self.failures, until=self.away_until, trouble=trouble[:500]
            )

    async def is_well(self) -> None:
        """It answers: what waited for that may go on."""
        if not self.failures:
            return
        self.failures, self.away_until = 0, None
        async with self._database.transaction() as tx:
            await _sql.well.run(tx, ae_title=self.ae_title)
            await jobs.hasten(tx, queue_of(self.ae_title), self._clock.now())


class Lanes:
    """The lanes that this process keeps. ``name`` is unique among the processes of an archive."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        handlers: Mapping[str, LaneHandler],
        *,
        name: str,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._handlers = handlers
        self._name = name
        self._look_every_s = look_every_s
        self._lanes: dict[str, Lane] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let objects that are on their way arrive, for GRACE_S; what is left is due again."""
        for lane in self._lanes.values():
            lane.stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await asyncio.gather(*(lane.quiet.wait() for lane in self._lanes.values()))
        await asyncio.gather(*(self._close(lane) for lane in tuple(self._lanes.values())))

    async def look(self) -> None:
        """Open the lanes that have work, close those that have had none for a while."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            rows = await _sql.take.all(
                connection,
                owner=self._name,
                until=now + timedelta(seconds=LEASE_S),
                now=now,
                busy=[lane.ae_title for lane in self._lanes.values() if lane.busy],
            )
        wanted = {row["ae_title"]: row for row in rows}
        for lane in tuple(self._lanes.values()):
            row = wanted.get(lane.ae_title)
            lane.idle_looks = lane.idle_looks + 1 if row is None else 0
            resized = row is not None and row["associations"] != lane.associations and not lane.busy
            if resized or (lane.idle_looks > IDLE_LOOKS and not lane.busy):
                await self._close(lane)
        for row in rows:
            lane = self._lanes.get(row["ae_title"]) or await self._open(row)
            lane.update(row)
            if lane.worker is not None:
                lane.worker.wake()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as fault:
                log.warning("queues not looked at", reason=str(fault))
            except Exception:
                log.exception("queues not looked at")
            await asyncio.sleep(self._look_every_s)

    async def _open(self, row: Mapping[str, Any]) -> Lane:
        lane = Lane(row["ae_title"], self._database, self._clock)
        lane.update(row)
        lane.associations = row["associations"]
        lane.worker = Worker(
            self._database,
            {kind: _in_lane(lane, handler) for kind, handler in self._handlers.items()},
            self._clock,
            name=f"{self._name}:{lane.ae_title}",
            queue=queue_of(lane.ae_title),
            concurrency=lane.associations,
            lease_s=LEASE_S,
            look_every_s=5 * self._look_every_s,  # it is woken when there is something
            gate=lambda: lane.open,
        )
        self._lanes[lane.ae_title] = lane
        await lane.worker.start()
        return lane

    async def _close(self, lane: Lane) -> None:
        del self._lanes[lane.ae_title]
        if lane.worker is not None:
            await lane.worker.stop()
        with contextlib.suppress(Unavailable):
            async with self._database.connection() as connection:
                await _sql.let_go.run(connection, ae_title=lane.ae_title, owner=self._name)


def _in_lane(lane: Lane, handler: LaneHandler) -> Handler:
    async def handle(job: Job, report: Report) -> None:
        lane.busy += 1
        lane.quiet.clear()
        try:
            await handler(lane, job, report)
        finally:
            lane.busy -= 1
            if not lane.busy:
                lane.quiet.set()

    return handle
