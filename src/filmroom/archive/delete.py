"""Deleting studies, series and objects: gone at once for everybody, undone until the bytes are given back.

Marking, journal, new versions, fact and the job that gives back the room are one transaction. The rows themselves go
with the bytes, so that the same objects can be sent again; the journal keeps what was deleted, by whom and why.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from filmroom.archive.sight_lists import deletion_seen, demand_all
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound
from filmroom.base.facts import InstancesDeleted, InstancesRestored
from filmroom.base.ids import SopUid, StudyUid
from filmroom.db import feed, jobs
from filmroom.db.jobs import Job, Report
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.index.narrowed import rows_seen
from filmroom.index.query_view import studies_in_sight
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.security.second import SecondPerson
from filmroom.storage.model import BlobRange
from filmroom.storage.online import OnlineStore
from filmroom.storage.reclaim import reclaim

log = structlog.get_logger()

RECLAIM = "reclaim-deleted"
# Objects whose rows and bytes go in one transaction.
BATCH = 200
MAX_REASON_CHARACTERS = 500


class DeletionOver(FilmroomError):
    """The deletion was undone before, or its bytes are given back: nothing can be undone."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What one deletion did. ``entry`` is its number in the journal, by which it is undone until ``final_at``."""

    entry: int
    instances: int
    final_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDeletion:
    """A deletion as the journal has it. ``final``: its bytes are given back; ``final_at`` None: not known any more."""

    entry: int
    at: datetime
    who: str
    why: str
    target: str
    study: str
    instances: int
    final_at: datetime | None
    undone: bool
    final: bool


class Deleting:
    """The use cases. ``keep_days``: how long a deletion can be undone."""

    def __init__(
        self,
        db: Database,
        online: OnlineStore,
        clock: Clock,
        *,
        keep_days: float = 7.0,
        second: SecondPerson | None = None,
    ) -> None:
        """``second``: asked before anything is deleted."""
        self._db = db
        self._second = second
        if second is not None:
            second.performs["delete", "delete"] = self._agreed
        self._online = online
        self._clock = clock
        self._keep = timedelta(days=keep_days)
        self._sql = load("filmroom.archive", "delete.sql")

    @property
    def keep_days(self) -> float:
        """How long a deletion can be undone."""
        return self._keep / timedelta(days=1)

    async def delete(
        self,
        who: Principal,
        study: str,
        series: str | None = None,
        instance: str | None = None,
        *,
        reason: str = "",
        for_good: bool = False,
    ) -> Deletion:
        """Delete a study, one series or one object of it. Raises Forbidden, NotFound, Unavailable, Waits.

        What is deleted is refused when it is sent again, until it is undone or its bytes are given back; ``for_good``
        gives them back at once.
        """
        demand(who, Action.DELETE)
        if self._second is not None:
            body = {"study": study, "series": series, "instance": instance, "for_good": for_good}
            await self._second(who, "delete", "delete", body, reason)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            row = await self._sql.lock_study.one(tx, study=study)
            view = view_for(who, Action.DELETE)
            if row is None or (view.narrow and not await studies_in_sight(tx, view, [study])):
                raise NotFound("there is no such resource")
            marked = await self._sql.mark.all(tx, study_pk=row["pk"], series=series, instance=instance)
            if not marked:
                raise NotFound("there is no such resource")
            await demand_all(tx, who, Action.DELETE, [each["pk"] for each in marked], "resource")
            await self._recount(tx, row["pk"], marked)
            target = f"instance:{instance}" if instance else f"series:{series}" if series else f"study:{study}"
            pks = [each["pk"] for each in marked]
            uids = tuple(SopUid(each["sop_uid"]) for each in marked)
            final_at = now if for_good else now + self._keep
            entry: int = await self._sql.journal.value(
                tx,
                at=now,
                who=who.name,
                why=reason[:MAX_REASON_CHARACTERS],
                action="delete",
                target=target,
                before=None,
                after={"study": study, "pks": pks, "sop_uids": list(uids), "final_at": final_at.isoformat()},
            )
            await jobs.add(
                tx, RECLAIM, {"entry": entry}, at=now, due=final_at, principal=who.id, serial_key=f"study:{study}"
            )
            await feed.append(tx, [InstancesDeleted(study_uid=StudyUid(study), sop_uids=uids)], now)
        log.info("deleted", entry=entry, instances=len(pks))
        return Deletion(entry, len(pks), final_at)

    async def _agreed(self, who: Principal, body: Mapping[str, Any]) -> None:
        await self.delete(
            who,
            body["study"],
            body["series"],
            body["instance"],
            reason=body["why"],
            for_good=body["for_good"],
        )

    async def undo(self, who: Principal, entry: int) -> int:
        """Bring back what a deletion took; how many objects. Raises Forbidden, NotFound, DeletionOver."""
        demand(who, Action.DELETE)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            row = await self._sql.entry.one(tx, pk=entry)
            if row is None:
                raise NotFound("there is no such deletion")
            pks = row["after"]["pks"]
            await demand_all(tx, who, Action.DELETE, pks, "deletion")
            study = await self._sql.lock_study_of_instances.one(tx, pks=pks)
            if row["undone_by"] is not None or study is None:
                raise DeletionOver("the deletion is undone already, or its bytes are given back")
            back = await self._sql.unmark.all(tx, pks=pks)
            if not back:
                raise DeletionOver("the bytes are given back")
            await self._recount(tx, study["pk"], back)
            by = await self._sql.journal.value(
                tx, at=now, who=who.name, why="", action="undelete", target=row["target"], before=None, after=None
            )
            await self._sql.undone.run(tx, pk=entry, by=by)
            uids = tuple(SopUid(each["sop_uid"]) for each in back)
            restored = InstancesRestored(study_uid=StudyUid(study["study_uid"]), sop_uids=uids)
            await feed.append(tx, [restored], now)
        return len(back)

    async def past(self, who: Principal, *, before: int | None = None, limit: int = 100) -> list[PastDeletion]:
        """What was deleted, newest first, or older than entry ``before``. Raises Forbidden."""
        demand(who, Action.DELETE)
        now = self._clock.now()
        async with self._db.connection() as connection:
            seen = partial(deletion_seen, view_for(who, Action.DELETE))
            rows = await rows_seen(connection, self._sql.past, seen, before=before or 2**62, limit=limit)
        return [_past(row, now) for row in rows]

    async def reclaim(self, job: Job, report: Report) -> None:
        """The job: rows and bytes of a deletion go, a batch at a time; what was undone stays."""
        done = 0
        async with self._db.transaction() as tx:
            row = await self._sql.entry.one(tx, pk=job.body["entry"])
        if row is None or row["undone_by"] is not None:
            return
        while places := await self._forget_batch(row["after"]["pks"], job.body["entry"]):
            # The rows are gone: should this be cut off here, the consistency check finds the bytes as orphans.
            await asyncio.to_thread(self._give_back, places)
            done += len(places)
            await report({"reclaimed": done})

    async def _forget_batch(self, pks: Sequence[int], entry: int) -> list[BlobRange]:
        async with self._db.transaction() as tx:
            study = await self._sql.lock_study_of_instances.one(tx, pks=list(pks))
            row = await self._sql.entry.one(tx, pk=entry)
            if study is None or row is None or row["undone_by"] is not None:
                return []
            rows = await self._sql.still_deleted.all(tx, pks=list(pks), limit=BATCH)
            batch = [each["pk"] for each in rows]
            if not batch:
                return []
            places = await self._sql.places.all(tx, pks=batch)
            await self._sql.forget_places.run(tx, pks=batch)
            await self._sql.forget.run(tx, pks=batch)
            await self._sql.forget_series.run(tx, pks=sorted({each["series_pk"] for each in rows}))
            await self._sql.forget_study.run(tx, study_pk=rows[0]["study_pk"])
        return [BlobRange(each["store"], each["key"], each["start"], each["size_bytes"]) for each in places]

    def _give_back(self, places: Sequence[BlobRange]) -> None:
        for where in places:
            if where.store == self._online.store.name:
                reclaim(self._online, where)

    async def _recount(self, tx: Connection, study_pk: int, changed: Sequence[Mapping[str, Any]]) -> None:
        await self._sql.recount_series.run(tx, pks=sorted({each["series_pk"] for each in changed}))
        await self._sql.recount_study.run(tx, study_pk=study_pk)


def _past(row: Mapping[str, Any], now: datetime) -> PastDeletion:
    told = row["final_at"]
    final_at = None if told is None else datetime.fromisoformat(told)
    return PastDeletion(
        entry=row["pk"],
        at=row["at"],
        who=row["who"],
        why=row["why"],
        target=row["target"],
        study=row["study"],
        instances=row["instances"],
        final_at=final_at,
        undone=row["undone_by"] is not None,
        final=row["undone_by"] is None and (final_at is None or now >= final_at),
    )
