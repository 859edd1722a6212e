"""Performed procedure steps: what modalities say they did, and the scheduled steps that follow (PS3.4 annex F)."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from filmroom.archive import lanes
from filmroom.base.clock import Clock, SystemClock
from filmroom.base.facts import Fact, StepPerformed
from filmroom.base.ids import SopUid, StudyUid, is_uid, new_uid
from filmroom.db import feed
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import Statement, load
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.index.narrowed import rows_seen
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.workflow import store
from filmroom.workflow.attributes import first, items
from filmroom.workflow.model import NEXT, StepEvent
from filmroom.workflow.mpps_rules import (
    SCHEDULED,
    STATION,
    Fault,
    Finding,
    PerformedStatus,
    judge_change,
    judge_creation,
    status_of,
)
from filmroom.workflow.orders import change
from filmroom.workflow.sight import performed_seen

_sql = load("filmroom.workflow", "mpps.sql")

_EVENT: Final = {
    PerformedStatus.IN_PROGRESS: StepEvent.BEGUN,
    PerformedStatus.COMPLETED: StepEvent.DONE,
    PerformedStatus.DISCONTINUED: StepEvent.BROKEN_OFF,
}

# Event Type ID (PS3.4 table F.9.2-1).
EVENT_TYPE: Final = {
    PerformedStatus.IN_PROGRESS: 1,
    PerformedStatus.COMPLETED: 2,
    PerformedStatus.DISCONTINUED: 3,
}
UPDATED: Final = 4
FORWARD_MPPS, NOTIFY_MPPS = "forward-mpps", "notify-mpps"

UNSCHEDULED: Final = "unscheduled"
NO_SUCH_STEP: Final = "no-such-step"
OTHER_PATIENT: Final = "other-patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What became of a request. ``finding`` refuses or warns; ``attributes`` are the object's, for N-GET."""

    sop_uid: SopUid
    finding: Finding | None = None
    attributes: JsonDataset | None = None
    charset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedRow:
    """A performed step as it is listed."""

    pk: int
    sop_uid: str
    status: str
    station: str
    source: str
    study_uids: list[str]
    remarks: list[str]
    attributes: JsonDataset
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class _Meant:
    """The scheduled steps that a performed step refers to, and what is odd about it."""

    steps: tuple[int, ...]
    studies: tuple[StudyUid, ...]
    remarks: tuple[str, ...]


class PerformedSteps:
    """The use cases of MPPS. Creating and setting needs the right to store, reading the right to view."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        *,
        random_128_bits: Callable[[], int] = lambda: uuid.uuid4().int,
        retry_hours: float = 24.0,
    ) -> None:
        self._database = database
        self._retry = timedelta(hours=retry_hours)
        self._clock = clock or SystemClock()
        self._random = random_128_bits

    async def create(
        self,
        who: Principal,
        sop_uid: str,
        given: JsonDataset,
        *,
        source: str = "",
        charset: str = "",
        strict: bool = False,
    ) -> Performed:
        """A modality begins; the steps it refers to are started (F.7.2.1). ``sop_uid`` '': one is made.

        Raises Unavailable, Forbidden.
        """
        demand(who, Action.STORE)
        uid = SopUid(sop_uid or new_uid(self._random))
        if not is_uid(uid):
            return Performed(sop_uid=uid, finding=Finding(Fault.BAD_INSTANCE))
        judged = judge_creation(given, strict=strict)
        if not judged.taken:
            return Performed(sop_uid=uid, finding=judged.finding)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            meant = await _meant(tx, judged.attributes)
            pk = await _sql.add.value(
                tx,
                at=at,
                sop_uid=uid,
                status=PerformedStatus.IN_PROGRESS.value,
                station=str(first(judged.attributes, STATION)),
                source=source,
                charset=charset,
                study_uids=list(meant.studies),
                remarks=list(meant.remarks),
                attributes=judged.attributes,
            )
            if pk is None:
                return Performed(sop_uid=uid, finding=Finding(Fault.DUPLICATE))
            await _sql.link.run(tx, performed_pk=pk, step_pks=list(meant.steps))
            await self._pass_on(tx, at, source, uid, pk, EVENT_TYPE[PerformedStatus.IN_PROGRESS])
            await _follow(tx, at, who, uid, pk, PerformedStatus.IN_PROGRESS, meant.studies)
        return Performed(sop_uid=uid, finding=judged.finding)

    async def set(self, who: Principal, sop_uid: str, given: JsonDataset, *, strict: bool = False) -> Performed:
        """A modality goes on or ends, and every step it refers to follows (F.7.2.2). Raises Unavailable, Forbidden."""
        demand(who, Action.STORE)
        uid, at = SopUid(sop_uid), self._clock.now()
        async with self._database.transaction() as tx:
            row = await _one(tx, _sql.lock, who, Action.STORE, uid)
            if row is None:
                return Performed(sop_uid=uid, finding=Finding(Fault.NO_SUCH_INSTANCE))
            judged = judge_change(row["attributes"], given, strict=strict)
            if not judged.taken:
                return Performed(sop_uid=uid, finding=judged.finding)
            status = status_of(judged.attributes)
            assert status is not None
            await _sql.set.run(tx, at=at, pk=row["pk"], status=status.value, attributes=judged.attributes)
            event = UPDATED if status is PerformedStatus.IN_PROGRESS else EVENT_TYPE[status]
            await self._pass_on(tx, at, row["source"], uid, row["pk"], event)
            await _follow(tx, at, who, uid, row["pk"], status, tuple(map(StudyUid, row["study_uids"])))
        return Performed(sop_uid=uid, finding=judged.finding)

    async def get(self, who: Principal, sop_uid: str, tags: Sequence[int] = ()) -> Performed:
        """The object, or those of its attributes that are asked (F.8.2). Raises Unavailable, Forbidden."""
        demand(who, Action.VIEW)
        uid = SopUid(sop_uid)
        async with self._database.connection() as connection:
            row = await _one(connection, _sql.find, who, Action.VIEW, uid)
        if row is None:
            return Performed(sop_uid=uid, finding=Finding(Fault.NO_SUCH_INSTANCE))
        held: JsonDataset = row["attributes"]
        asked = [tag for tag in tags if tag != 0x00080005]  # written by whoever encodes the answer
        unknown = tuple(tag for tag in asked if hex_key(tag) not in held)
        chosen = {hex_key(tag): held[hex_key(tag)] for tag in asked if tag not in unknown} if tags else held
        finding = Finding(Fault.UNKNOWN_ATTRIBUTES, unknown) if unknown else None
        return Performed(sop_uid=uid, finding=finding, attributes=chosen, charset=row["charset"])

    async def listed(
        self,
        who: Principal,
        *,
        status: str = "",
        study_uid: str = "",
        source: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> list[PerformedRow]:
        """Performed steps, newest first. Raises Unavailable, Forbidden."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            rows = await rows_seen(
                connection,
                _sql.list,
                lambda at: performed_seen(view_for(who, Action.VIEW), at, who),
                status=status,
                study_uid=study_uid,
                source=source,
                before=before,
                limit=limit,
            )
        return [PerformedRow(**dict(row)) for row in rows]

    async def _pass_on(self, tx: Connection, at: datetime, source: str, uid: SopUid, pk: int, event: int) -> None:
        """Queue what other nodes are to hear of it."""
        until = at + self._retry
        for row in await _sql.forwarded_to.all(tx, source=source):
            await lanes.add(tx, row["ae_title"], FORWARD_MPPS, {"performed": pk}, at=at, priority=5, retry_until=until)
        for row in await _sql.notified.all(tx):
            body = {"sop_uid": uid, "event": event}
            await lanes.add(tx, row["ae_title"], NOTIFY_MPPS, body, at=at, priority=5, retry_until=until)

    async def exists(self, sop_uid: str) -> bool:
        """Whether there is such an object."""
        async with self._database.connection() as connection:
            return await _sql.find.one(connection, sop_uid=sop_uid) is not None


async def _one(connection: Connection, statement: Statement, who: Principal, action: Action, uid: SopUid) -> Any | None:
    rows = await rows_seen(
        connection, statement, lambda at: performed_seen(view_for(who, action), at, who), sop_uid=uid
    )
    return rows[0] if rows else None


async def _meant(tx: Connection, held: JsonDataset) -> _Meant:
    """All scheduled steps of all items, not the first one's alone; none when the step was not scheduled."""
    wanted = items(held, SCHEDULED)
    step_ids, studies, accessions = (
        [str(first(item, tag)) for item in wanted] for tag in (0x00400009, 0x0020000D, 0x00080050)
    )
    modality = str(first(held, 0x00080060))
    rows = await _sql.referenced.all(
        tx, step_ids=step_ids, study_uids=studies, accessions=accessions, modality=modality
    )
    remarks = list(_remarks(held, step_ids, rows))
    unique = tuple(dict.fromkeys(StudyUid(uid) for uid in studies if uid))
    return _Meant(tuple(sorted({row["pk"] for row in rows})), unique, tuple(remarks))


def _remarks(held: JsonDataset, step_ids: Sequence[str], rows: Sequence[Any]) -> Iterable[str]:
    if not rows and not any(step_ids):
        yield UNSCHEDULED
    found = {row["n"] for row in rows}
    if any(step and n not in found for n, step in enumerate(step_ids, 1)):
        yield NO_SUCH_STEP
    patient = str(first(held, 0x00100020))
    if patient and any(row["patient_id"] != patient for row in rows):
        yield OTHER_PATIENT


async def _follow(
    tx: Connection,
    at: datetime,
    who: Principal,
    uid: SopUid,
    performed_pk: int,
    status: PerformedStatus,
    studies: tuple[StudyUid, ...],
) -> None:
    """Let the scheduled steps follow, and tell."""
    pks = [row["step_pk"] for row in await _sql.linked.all(tx, performed_pk=performed_pk)]
    held = await store.lock_steps(tx, pks)
    others = await _sql.others.all(tx, step_pks=pks, performed_pk=performed_pk)
    facts: list[Fact] = []
    for step in held:
        event = _event(status, [PerformedStatus(row["status"]) for row in others if row["step_pk"] == step.pk])
        result = NEXT.get((step.status, event)) if event is not None else None
        if event is not None and result is not None and result is not step.status:
            facts.append(await change(tx, at, who, step, event, f"performed step {uid}"))
    told = StepPerformed(
        sop_uid=uid, status=status.value, study_uids=studies, step_ids=tuple(step.step_id for step in held)
    )
    await feed.append(tx, [*facts, told], at)


def _event(status: PerformedStatus, others: Sequence[PerformedStatus]) -> StepEvent | None:
    """What one performed step means for its scheduled step, beside ``others`` of the same scheduled step.

    While one is in progress nothing is over; and a step that was completed once is not undone by a later attempt.
    """
    if status is PerformedStatus.IN_PROGRESS:
        return StepEvent.BEGUN
    if PerformedStatus.IN_PROGRESS in others:
        return None
    if PerformedStatus.COMPLETED in others:
        return StepEvent.DONE
    return _EVENT[status]
