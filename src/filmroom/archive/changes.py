"""The change feed for programs: what happened, in order and without gaps, with what has become of it since."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from filmroom.base import facts
from filmroom.base.errors import FilmroomError
from filmroom.db import feed
from filmroom.db.feed import Record, Span
from filmroom.db.feed_tail import FeedTail
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.index.query_view import studies_in_sight
from filmroom.security.policy import Action, demand, may
from filmroom.security.principals import Principal
from filmroom.security.view import View

_sql = load("filmroom.archive", "changes.sql")

# Kinds that whoever may look at images may know of; every other kind, one of a newer release included, is for
# administrators.
FOR_VIEWERS: frozenset[str] = frozenset(
    kind.__name__
    for kind in (
        facts.InstancesStored,
        facts.InstancesCompressed,
        facts.InstancesDeleted,
        facts.InstancesRestored,
        facts.StudyQuiet,
        facts.StudyComplete,
        facts.AttributesCorrected,
        facts.DeliveryEnded,
        facts.OrderScheduled,
        facts.OrderCancelled,
        facts.StepChanged,
        facts.StepPerformed,
    )
)


class StudiesSeen(Protocol):
    """Which of these studies are in sight."""

    async def __call__(self, connection: Connection, view: View, uids: Sequence[str], /) -> set[str]: ...


class TooOld(FilmroomError):
    """The changes asked for are kept no longer: read the archive anew, then follow from its present end."""

    def __init__(self, first: int) -> None:
        super().__init__(f"changes before number {first} are kept no longer; read the archive anew, then go on from it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A fact, and the state of what it speaks of now: current, replaced, deleted, partly (some of it is gone), or None
    where that means nothing."""

    seq: int
    at: datetime
    kind: str
    data: Mapping[str, Any]
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """``after`` is where to go on; ``first`` and ``last`` are the numbers there are."""

    changes: Sequence[Change]
    after: int
    first: int
    last: int


def visible_kinds(who: Principal) -> frozenset[str] | None:
    """The kinds of facts that somebody may know of; None for all."""
    if may(who, Action.ADMINISTER):
        return None
    return FOR_VIEWERS if may(who, Action.VIEW) else frozenset()


class Changes:
    """Reading the feed."""

    def __init__(self, database: Database, tail: FeedTail, *, expected: StudiesSeen = studies_in_sight) -> None:
        """``expected``: which studies that are not here yet are in sight, by their orders."""
        self._database = database
        self._tail = tail
        self._expected = expected

    @property
    def tail(self) -> FeedTail:
        """The feed's live end."""
        return self._tail

    async def in_sight(self, who: Principal, records: Sequence[Record]) -> Sequence[Record]:
        """Of these facts those that ``who`` may know of, for what they are about."""
        if not who.view.narrow or not records:
            return records
        async with self._database.connection() as connection:
            return await self._in_sight(connection, who, records)

    async def after_moment(self, who: Principal, moment: datetime) -> int:
        """The number after which the facts of a moment and later follow."""
        demand(who, Action.VIEW)
        return await feed.number_before(self._database, moment)

    async def page(
        self,
        who: Principal,
        *,
        after: int,
        limit: int,
        kinds: Sequence[str] = (),
        wait_s: float = 0.0,
        states: bool = True,
    ) -> ChangePage:
        """Up to ``limit`` changes that follow number ``after``; when there is none, the first within ``wait_s``.

        Raises Forbidden, TooOld.
        """
        demand(who, Action.VIEW)
        wanted = _wanted(who, kinds)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        while True:
            there = await feed.span(self._database)
            found = await self._read(after, there, wanted, limit)
            if found or loop.time() >= end:
                break
            after = max(after, there.last)
            await self._tail.wait(after, end - loop.time())
        ends = found[-1].seq if len(found) == limit else max(after, there.last)
        async with self._database.connection() as connection:
            if who.view.narrow:
                found = await self._in_sight(connection, who, found)
            became = await _states(connection, found) if states and found else {}
        changes = [
            Change(seq=each.seq, at=each.at, kind=each.kind, data=each.body, state=became.get(each.seq))
            for each in found
        ]
        return ChangePage(changes=changes, after=ends, first=there.first, last=there.last)

    async def _in_sight(self, connection: Connection, who: Principal, records: Sequence[Record]) -> list[Record]:
        """Facts of studies that are in sight; a page ends where it would have ended, with less in it.

        A fact that names no study, or several of which one is out of sight, is left out.
        """
        of = {each.seq: _studies_of(each) for each in records}
        wanted = {uid for uids in of.values() for uid in uids}
        seen = await studies_in_sight(connection, who.view, sorted(wanted))
        if missing := wanted - seen:
            seen |= await self._expected(connection, who.view, sorted(missing))
        return [each for each in records if of[each.seq] and of[each.seq] <= seen]

    async def _read(self, after: int, there: Span, kinds: Sequence[str] | None, limit: int) -> list[Record]:
        if after < there.first - 1:
            raise TooOld(there.first)
        async with self._database.connection() as connection:
            return await feed.records(connection, after, there.last, kinds=kinds, limit=limit)


def _wanted(who: Principal, kinds: Sequence[str]) -> list[str] | None:
    visible = visible_kinds(who)
    if visible is None:
        return sorted(kinds) or None
    return sorted(visible & set(kinds) if kinds else visible)


def _studies_of(record: Record) -> set[str]:
    one = record.body.get("study_uid")
    return {*record.body.get("study_uids", ()), *([one] if one else [])}


async def _states(connection: Connection, records: Sequence[Record]) -> dict[int, str]:
    sops = {uid for record in records for uid in record.body.get("sop_uids", ())}
    studies = {record.body["study_uid"] for record in records if "study_uid" in record.body}
    rows = await _sql.states_of_instances.all(connection, sop_uids=sorted(sops)) if sops else []
    instances = {row["sop_uid"]: row["state"] for row in rows}
    rows = await _sql.states_of_studies.all(connection, study_uids=sorted(studies)) if studies else []
    of_studies = {row["study_uid"]: (row["state"], row["version"]) for row in rows}
    return {record.seq: state for record in records if (state := became(record.body, instances, of_studies))}


def became(body: Mapping[str, Any], instances: Mapping[str, str], studies: Mapping[str, tuple[str, int]]) -> str | None:
    """What has become of what a fact speaks of; None for a fact of no object and no study."""
    if uids := body.get("sop_uids"):
        there = sum(instances.get(uid) == "visible" for uid in uids)
        return "current" if there == len(uids) else "partly" if there else "deleted"
    if "version" in body and "study_uid" in body:
        state, version = studies.get(body["study_uid"], ("deleted", 0))
        return "deleted" if state != "visible" else "replaced" if version > body["version"] else "current"
    return None
