"""When all of a study is here, and telling so (PS3.4 annex R; CAPABILITIES 1.1.15, 1.7.8).

A study is complete when it has come to rest, when the performed steps that speak of it are over and all their objects
are here, or when it has as many objects as somebody expects; said once for each version of it, whoever says it first.
What is worked out follows the feed by a cursor, so that a crash repeats nothing and forgets nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import structlog

from filmroom.archive import lanes
from filmroom.base.clock import Clock, SystemClock
from filmroom.base.errors import RemoteFault
from filmroom.base.facts import AvailabilityNotified, Fact, InstancesStored, StepPerformed, StudyComplete, StudyQuiet
from filmroom.base.ids import StudyUid, is_uid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch, Recorded
from filmroom.db.following import Follower
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.question import JsonDataset
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.workflow.attributes import first, items

_sql = load("filmroom.workflow", "availability.sql")
log = structlog.get_logger()

READER: Final = "completeness"
SEND_IAN: Final = "send-ian"
# Facts dealt with in one transaction.
# One process works at it at a time; the others find nothing to do.
LOCK: Final = 0x434F4D50


class Noted(Enum):
    """What became of a notification that somebody sent us."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    BAD_INSTANCE = "bad-instance"
    INCOMPLETE = "incomplete"


class Availability:
    """Notifications of others, and counts that somebody expects."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def note(self, who: Principal, sop_uid: str, given: JsonDataset, *, source: str = "") -> tuple[Noted, str]:
        """Record an N-CREATE of table R.3.2-1, and its instance UID. Raises Forbidden, Unavailable."""
        demand(who, Action.STORE)
        if not is_uid(sop_uid):
            return Noted.BAD_INSTANCE, sop_uid
        study = str(first(given, 0x0020000D))
        if not is_uid(study) or not items(given, 0x00081115):
            return Noted.INCOMPLETE, sop_uid
        at = self._clock.now()
        held = {name: one for name, one in given.items() if name != "00080005"}
        async with self._database.transaction() as tx:
            pk = await _sql.note.value(tx, at=at, sop_uid=sop_uid, source=source, study_uid=study, attributes=held)
            if pk is None:
                return Noted.DUPLICATE, sop_uid
            fact = AvailabilityNotified(notice_id=pk, study_uid=StudyUid(study), source=source)
            await feed.append(tx, [fact], at)
        return Noted.TAKEN, sop_uid

    async def expect(self, who: Principal, study_uid: str, n_instances: int) -> None:
        """Say how many objects a study will have. Raises RemoteFault, Forbidden, Unavailable."""
        demand(who, Action.STORE)
        if not is_uid(study_uid) or not 0 < n_instances < 2**31:
            raise RemoteFault("a study UID and a number from 1 are needed")
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await _sql.expect.run(tx, at=at, study_uid=study_uid, n_instances=n_instances, source=who.id)
            facts = await judge(tx, at, [study_uid], timedelta(hours=24))
            await feed.append(tx, facts, at)


@dataclass(frozen=True, slots=True)
class _Step:
    """A performed step, and the objects it speaks of."""

    pk: int
    sop_uid: str
    status: str
    studies: frozenset[str]
    objects: frozenset[str]
    told: bool


class CompletenessReader(Follower):
    """Follows the feed and says which studies are complete."""

    def __init__(self, database: Database, watch: FeedWatch, clock: Clock, *, retry_hours: float = 24.0) -> None:
        super().__init__(database, watch, READER)
        self._clock = clock
        self._retry = timedelta(hours=retry_hours)

    async def _deal(self, seen: int, facts: Sequence[Recorded]) -> int:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return 0
            if await feed.cursor(tx, READER) != seen:
                return len(facts)
            new: list[Fact] = []
            for each in facts:
                if isinstance(each.fact, StudyQuiet):
                    new += await complete(tx, at, each.fact.study_uid, "quiet", self._retry)
            concerned = {uid for each in facts for uid in _studies(each.fact)}
            new += await judge(tx, at, sorted(concerned), self._retry)
            await feed.advance(tx, READER, facts[-1].seq)
            await feed.append(tx, new, at)
        return len(facts)


def _studies(fact: Fact) -> Iterable[str]:
    if isinstance(fact, InstancesStored):
        return (fact.study_uid,)
    return fact.study_uids if isinstance(fact, StepPerformed) else ()


async def judge(tx: Connection, at: datetime, studies: Sequence[str], retry: timedelta) -> list[Fact]:
    """Which of ``studies`` are complete by what was performed or is expected; the facts are the caller's to append."""
    if not studies:
        return []
    new: list[Fact] = []
    rows = await _sql.performed.all(tx, study_uids=list(studies))
    steps = [_step(row) for row in rows]
    named = {uid for step in steps if step.status != "IN PROGRESS" for uid in step.objects}
    present = {row["sop_uid"] for row in await _sql.present.all(tx, sop_uids=list(named))} if named else set()
    for step in steps:
        here = step.status == "COMPLETED" and step.objects and step.objects <= present
        if here and not step.told and await _sql.is_available.value(tx, at=at, pk=step.pk):
            for study in sorted(step.studies):
                await _notify(tx, at, study, step.sop_uid, retry)
    for study in studies:
        if _performed(study, steps, present):
            new += await complete(tx, at, study, "performed", retry)
    for row in await _sql.expected.all(tx, study_uids=list(studies)):
        new += await complete(tx, at, row["study_uid"], "expected", retry)
    return new


def _performed(study: str, steps: Sequence[_Step], present: set[str]) -> bool:
    """Whether all that was performed for a study is over, and here."""
    mine = [step for step in steps if study in step.studies]
    over = all(step.status != "IN PROGRESS" and step.objects <= present for step in mine)
    return over and any(step.status == "COMPLETED" and step.objects for step in mine)


def _step(row: Any) -> _Step:
    objects = frozenset(referenced(row["attributes"]))
    return _Step(row["pk"], row["sop_uid"], row["status"], frozenset(row["study_uids"]), objects, row["told"])


def referenced(performed: JsonDataset) -> Iterable[str]:
    """The objects that a performed step speaks of (Performed Series Sequence)."""
    for series in items(performed, 0x00400340):
        for sequence in (0x00081140, 0x00400220):
            yield from (uid for one in items(series, sequence) if (uid := str(first(one, 0x00081155))))


async def complete(tx: Connection, at: datetime, study: str, reason: str, retry: timedelta) -> list[Fact]:
    """Say that a study is complete, unless that was said of this version of it."""
    version = await _sql.complete.value(tx, at=at, study_uid=study, reason=reason)
    if version is None:
        return []
    await _notify(tx, at, study, "", retry)
    return [StudyComplete(study_uid=StudyUid(study), version=version, reason=reason)]


async def _notify(tx: Connection, at: datetime, study: str, performed: str, retry: timedelta) -> None:
    for row in await _sql.recipients.all(tx):
        body = {"study_uid": study, "performed": performed}
        await lanes.add(tx, row["ae_title"], SEND_IAN, body, at=at, priority=1, retry_until=at + retry)


async def notification(connection: Connection, study: str, performed: str, retrieve_ae: str) -> JsonDataset | None:
    """The N-CREATE's attributes (table R.3.2-1): a study's objects, or those of one performed step; None without."""
    named = None
    if performed:
        row = await _sql.performed_one.one(connection, sop_uid=performed)
        named = list(referenced(row["attributes"])) if row is not None else []
    rows = await _sql.objects.all(connection, study_uid=study, sop_uids=named)
    if not rows:
        return None
    series: dict[str, list[JsonDataset]] = {}
    for one in rows:
        series.setdefault(one["series_uid"], []).append(_object(one, retrieve_ae))
    steps = await _sql.performed_of_study.all(connection, study_uid=study, sop_uid=performed)
    return {
        "00081111": _sequence([_performed_item(one["sop_uid"]) for one in steps]),
        "0020000D": {"vr": "UI", "Value": [study]},
        "00081115": _sequence(
            [
                {"0020000E": {"vr": "UI", "Value": [uid]}, "00081199": _sequence(objects)}
                for uid, objects in series.items()
            ]
        ),
    }


def _object(row: Any, retrieve_ae: str) -> JsonDataset:
    return {
        "00081150": {"vr": "UI", "Value": [row["sop_class"]]},
        "00081155": {"vr": "UI", "Value": [row["sop_uid"]]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080054": {"vr": "AE", "Value": [retrieve_ae]},
    }


def _performed_item(sop_uid: str) -> JsonDataset:
    return {
        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.3.1.2.3.3"]},
        "00081155": {"vr": "UI", "Value": [sop_uid]},
        "00404019": {"vr": "SQ"},
    }


def _sequence(found: list[JsonDataset]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": found} if found else {"vr": "SQ"}
