"""How events leave: facts become deliveries with a job each, in one transaction with the place in the feed."""

import asyncio
from datetime import timedelta

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.db import feed, jobs
from filmroom.db.background import Background
from filmroom.db.feed import FeedWatch
from filmroom.db.jobs import Job, Report, Worker
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.integration.webhooks import DELIVER, QUEUE, Webhooks
from filmroom.integration.webhooks_model import matches

_sql = load("filmroom.integration", "webhooks.sql")
log = structlog.get_logger()

AT_ONCE = 200
# Events that may wait for one subscription. Beyond it the feed itself is the queue: the place in it stands still.
MAX_WAITING = 1000
# Facts of a burst are spread together.
TOGETHER_S = 0.2
LOOK_S = 5.0
# Subscriptions served at once; each has one event under way.
CONCURRENCY = 4
LEASE_S = 60.0


class WebhookWork(Background):
    """Looks for events, and delivers them. Any number of processes may."""

    def __init__(self, database: Database, watch: FeedWatch, webhooks: Webhooks, clock: Clock, *, name: str) -> None:
        self._database = database
        self._watch = watch
        self._webhooks = webhooks
        self._clock = clock
        self._worker = Worker(
            database,
            {DELIVER: self._deliver},
            clock,
            name=f"{name}:webhooks",
            queue=QUEUE,
            concurrency=CONCURRENCY,
            lease_s=LEASE_S,
        )

    async def start(self) -> None:
        await self._worker.start()
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        await self._worker.stop()

    async def spread(self) -> int:
        """Make deliveries of all facts there are; how many."""
        async with self._database.connection() as connection:
            behind = [row["pk"] for row in await _sql.behind.all(connection)]
        total = 0
        for pk in behind:
            while (count := await self._spread_some(pk)) is not None:
                total += count
        if total:
            self._worker.wake()
        return total

    async def _spread_some(self, pk: int) -> int | None:
        """Deliveries made of the next facts; None when there is nothing more to do for this subscription now."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            row = await _sql.take.one(tx, pk=pk)
            if row is None or row["seq"] >= row["head"] or row["waiting"] >= MAX_WAITING:
                return None
            records = await feed.records(tx, row["seq"], row["head"], kinds=row["kinds"] or None, limit=AT_ONCE)
            wanted = [each for each in records if matches(row["condition"], each.body)]
            for each in wanted:
                delivery = await _sql.add_delivery.value(
                    tx, webhook_pk=pk, seq=each.seq, kind=each.kind, at=each.at, body=each.body, now=now
                )
                await self._webhooks.enqueue(tx, pk, delivery)
            await _sql.advance.run(tx, pk=pk, seq=records[-1].seq if len(records) == AT_ONCE else row["head"])
        return len(wanted)

    async def prune(self, before_days: float) -> None:
        """Forget lines of the log that are older."""
        async with self._database.connection() as connection:
            await _sql.prune.run(connection, before=self._clock.now() - timedelta(days=before_days))

    async def _deliver(self, job: Job, report: Report) -> None:
        del report
        again = self._clock.now() + timedelta(seconds=jobs.retry_after_s(job.attempt))
        await self._webhooks.deliver(job.body["delivery"], last=job.retry_until is not None and again > job.retry_until)

    async def _run(self) -> None:
        seen = -1
        while True:
            try:
                seen = await feed.head(self._database)
                await self.spread()
                await self._watch.wait(seen, LOOK_S)
                await asyncio.sleep(TOGETHER_S)
            except FilmroomError as fault:
                log.warning("webhooks not looked after", reason=str(fault))
                await asyncio.sleep(LOOK_S)
            except Exception:
                log.exception("webhooks not looked after")
                await asyncio.sleep(LOOK_S)
