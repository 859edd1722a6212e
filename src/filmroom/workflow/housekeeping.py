"""What is put away by age: finished work items, jobs, deliveries, commitments, reports; and what is overdue."""

from datetime import timedelta

from filmroom.base.clock import Clock
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.settings import WorkflowSettings
from filmroom.workflow.ups import Workitems

_sql = load("filmroom.workflow", "housekeeping.sql")

# Who asks for a deleted item hears for this long that it once was.
TOMBSTONE_DAYS = 365
# Whoever gets it does the round; another process that finds it taken leaves it.
LOCK = 0x484F5553
# A round may delete a month at once.
STATEMENT_MS = 600_000


class Housekeeping:
    """A round, by one process of the archive at a time."""

    def __init__(self, database: Database, settings: WorkflowSettings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._workitems = Workitems(database, clock)

    async def round(self) -> dict[str, int]:
        """Put away what is old; how much of each."""
        now, settings = self._clock.now(), self._settings
        done = {"workitems": await self._workitems.expire(timedelta(days=settings.workitem_days), at=now)}
        old = now - timedelta(days=settings.history_days)
        async with self._database.transaction() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return done
            await tx.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
            overdue = now - timedelta(hours=settings.commitment_overdue_hours)
            done["overdue"] = _count(await _sql.overdue.run(tx, before=overdue))
            for name in (
                "events",
                "jobs",
                "delivery_items",
                "deliveries",
                "commitment_items",
                "commitments",
                "notices",
            ):
                done[name] = _count(await getattr(_sql, name).run(tx, before=old))
            gone = now - timedelta(days=TOMBSTONE_DAYS)
            done["tombstones"] = _count(await _sql.tombstones.run(tx, before=gone))
        return done


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2] or 0)
