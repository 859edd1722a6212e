"""When a study has come to rest: a fact once no object has arrived for the configured time, or its device's own.

What is still to come to rest stands in the database, so that a restart forgets nothing and several processes may look:
each study is locked by one of them.
"""

import asyncio

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.base.facts import StudyQuiet
from filmroom.db import feed
from filmroom.db.background import Background
from filmroom.db.pool import Database
from filmroom.db.queries import load

_sql = load("filmroom.archive", "quiet.sql")
log = structlog.get_logger()

AT_ONCE = 200
MOST_S, LEAST_S = 5.0, 0.2


class QuietWatch(Background):
    """Looks for studies that have come to rest."""

    def __init__(self, database: Database, clock: Clock, quiet_s: float) -> None:
        self._database = database
        self._clock = clock
        self._quiet_s = quiet_s

    async def sweep(self) -> int:
        """Record every study that is quiet now; how many."""
        total = 0
        while count := await self._sweep_some():
            total += count
        return total

    async def _sweep_some(self) -> int:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await _sql.quiet_studies.all(tx, now=now, quiet_s=self._quiet_s, limit=AT_ONCE)
            if rows:
                await _sql.settled.run(tx, pks=[row["pk"] for row in rows])
                facts = [StudyQuiet(study_uid=row["study_uid"], version=row["version"]) for row in rows]
                await feed.append(tx, facts, now)
        return len(rows)

    async def _run(self) -> None:
        # A device may have a shorter time than all others.
        every_s = min(max(self._quiet_s / 10, LEAST_S), MOST_S)
        while True:
            try:
                await self.sweep()
            except FilmroomError as fault:
                log.warning("quiet studies not looked for", reason=str(fault))
            except Exception:
                log.exception("quiet studies not looked for")
            await asyncio.sleep(every_s)
