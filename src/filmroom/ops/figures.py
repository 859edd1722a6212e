"""Figures of the running archive that cost next to nothing: estimates and what the system keeps count of."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filmroom.base.clock import Clock
from filmroom.db import feed, jobs
from filmroom.db.jobs import Depth
from filmroom.db.pool import Database
from filmroom.db.queries import load

_sql = load("filmroom.ops", "figures.sql")

# A certificate takes a hospital some weeks to renew.
CERTIFICATE_DAYS = 30

# Tables whose rows are told, by the name they are told under.
COUNTED: Mapping[str, str] = {
    "patients": "patient",
    "studies": "study",
    "series": "series",
    "instances": "instance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How the archive is. Counts are the database's own estimates, exact after its next analysis."""

    started_at: datetime
    uptime_s: float
    database_version: str
    database_bytes: int
    counts: Mapping[str, int]
    store_total_bytes: int
    store_free_bytes: int
    queues: Sequence[Depth]
    quarantined: int
    last_seq: int
    certificates: Mapping[str, int]

    @property
    def warnings(self) -> Sequence[str]:
        """What somebody should see to, in words."""
        soon = sorted((days, name) for name, days in self.certificates.items() if days <= CERTIFICATE_DAYS)
        told = [
            f"the {name} certificate " + (f"ends in {days} days" if days >= 0 else "has ended") for days, name in soon
        ]
        if dead := sum(each.dead for each in self.queues):
            told.append(f"{dead} jobs failed for good")
        if self.quarantined:
            told.append(f"{self.quarantined} objects wait in quarantine")
        return told


class Figures:
    """Reads them. ``certificates`` tells the days that each certificate has left."""

    def __init__(
        self,
        database: Database,
        store: Path,
        clock: Clock,
        certificates: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._certificates = certificates
        self._started = clock.now()

    async def take(self) -> Snapshot:
        """The figures of this moment."""
        async with self._database.connection() as connection:
            row = await _sql.figures.one(connection)
            assert row is not None
            estimates = await _sql.estimates.all(connection, tables=list(COUNTED.values()))
        rows = {each["name"]: each["rows"] for each in estimates}
        counts = {name: rows.get(table, 0) for name, table in COUNTED.items()}
        space = shutil.disk_usage(self._store if self._store.exists() else self._store.parent)
        now = self._clock.now()
        return Snapshot(
            started_at=self._started,
            uptime_s=round((now - self._started).total_seconds(), 1),
            database_version=row["version"],
            database_bytes=row["bytes"],
            counts=counts,
            store_total_bytes=space.total,
            store_free_bytes=space.free,
            queues=await jobs.depths(self._database),
            quarantined=row["quarantined"],
            last_seq=await feed.head(self._database),
            certificates=self._certificates(),
        )
