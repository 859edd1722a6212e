"""Unified procedure steps: created, searched, changed, claimed, ended, cancelled (PS3.4 annex CC, PS3.18 chapter 11).

The transaction UID that the performer brings is the lock on an item in progress; it is never given back.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from filmroom.base.clock import Clock, SystemClock
from filmroom.base.facts import WorkitemChanged
from filmroom.base.ids import SopUid, is_uid, new_uid
from filmroom.db import feed
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.question import ALL, JsonDataset, Question, hex_key
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.workflow import ups_find
from filmroom.workflow import ups_rules as rules
from filmroom.workflow.asking import projected
from filmroom.workflow.attributes import element
from filmroom.workflow.ups_events import Events, enrol
from filmroom.workflow.ups_find import one_item
from filmroom.workflow.ups_model import FINAL, GLOBAL, NEXT, Ask, Done, Fault, Finding, State

_sql = load("filmroom.workflow", "ups.sql")

COMMENTS: Final = {
    Fault.ENDED: "the UPS may no longer be updated",
    Fault.WRONG_TRANSACTION: "the correct Transaction UID was not provided",
    Fault.UNDER_WAY: "the UPS is already IN PROGRESS",
    Fault.NOT_BACK: "the UPS may only become SCHEDULED via N-CREATE",
    Fault.NO_SUCH_ITEM: "no such UPS instance",
    Fault.DELETED: "the UPS instance has been deleted",
    Fault.NOT_UNDER_WAY: "the UPS is not IN PROGRESS",
    Fault.COMPLETED_ALREADY: "the UPS is already COMPLETED",
    Fault.CANCELED_BEFORE: "the UPS is already CANCELED",
    Fault.COMPLETED_BEFORE: "the UPS is already COMPLETED",
    Fault.PERFORMER_AWAY: "the performer cannot be contacted",
}


class Workitems:
    """The use cases of work items. Reading needs the right to view, all else the right to store."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        *,
        retry_hours: float = 24.0,
        random_128_bits: Callable[[], int] = lambda: uuid.uuid4().int,
    ) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._random = random_128_bits
        self._events = Events(retry_hours)

    async def create(
        self, who: Principal, sop_uid: str, given: JsonDataset, *, source: str = "", charset: str = ""
    ) -> Done:
        """A new item, SCHEDULED (CC.2.5). ``sop_uid`` '': one is made. Raises Unavailable, Forbidden."""
        demand(who, Action.STORE)
        uid, at = SopUid(sop_uid or new_uid(self._random)), self._clock.now()
        if not is_uid(uid) or uid.startswith(GLOBAL):
            return _refused(uid, Fault.BAD_INSTANCE)
        judged = rules.judge_creation(given, uid, at)
        if not judged.taken:
            return Done(sop_uid=uid, finding=judged.finding)
        async with self._database.transaction() as tx:
            await _sql.creating.run(tx)
            pk = await _sql.add.value(
                tx,
                at=at,
                sop_uid=uid,
                source=source or who.name,
                charset=charset,
                attributes=judged.attributes,
                **rules.columns(judged.attributes),
            )
            if pk is None:
                return _refused(uid, Fault.DUPLICATE)
            await enrol(tx, pk, judged.attributes)
            events = [rules.state_report(judged.attributes)]
            if rules.assigned(judged.attributes)[1]:
                events.append(rules.assigned(judged.attributes))
            fact = await self._events.tell(tx, at, pk, uid, State.SCHEDULED.value, events)
            await feed.append(tx, [fact], at)
        return Done(sop_uid=uid, finding=judged.finding)

    async def get(self, who: Principal, sop_uid: str, tags: Sequence[int] = ()) -> Done:
        """The item, or those of its attributes that are asked (CC.2.7). Raises Unavailable, Forbidden."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            row: Any = await one_item(connection, _sql.get, view_for(who, Action.VIEW), sop_uid)
        if (gone := _gone(sop_uid, row)) is not None:
            return gone
        held: JsonDataset = row["attributes"]
        asked = [tag for tag in tags if tag != rules.CHARACTER_SET]
        unknown = tuple(tag for tag in asked if hex_key(tag) not in held)
        chosen = {hex_key(tag): held[hex_key(tag)] for tag in asked if tag not in unknown} if tags else held
        finding = Finding(Fault.UNKNOWN_ATTRIBUTES, unknown) if unknown else None
        return Done(sop_uid=SopUid(sop_uid), finding=finding, attributes=chosen, charset=row["charset"])

    async def set(self, who: Principal, sop_uid: str, given: JsonDataset, *, transaction_uid: str = "") -> Done:
        """Change attributes (CC.2.6); an item in progress by whoever holds its lock. Raises Unavailable, Forbidden."""
        demand(who, Action.STORE)
        uid, at = SopUid(sop_uid), self._clock.now()
        key = rules.text(given, rules.TRANSACTION_UID) or transaction_uid
        async with self._database.transaction() as tx:
            row: Any = await one_item(tx, _sql.lock, view_for(who, Action.STORE), uid)
            if (gone := _gone(uid, row)) is not None:
                return gone
            state = State(row["state"])
            if state in FINAL:
                return _refused(uid, Fault.ENDED)
            if state is State.SCHEDULED and key:
                return _refused(uid, Fault.NOT_UNDER_WAY)
            if state is State.IN_PROGRESS and key != row["transaction_uid"]:
                return _refused(uid, Fault.WRONG_TRANSACTION)
            judged = rules.judge_change(row["attributes"], given, at)
            if not judged.taken:
                return Done(sop_uid=uid, finding=judged.finding)
            held = judged.attributes
            await _sql.set.run(tx, at=at, pk=row["pk"], attributes=held, **rules.columns(held))
            events = list(rules.events_of(row["attributes"], held))
            fact = await self._events.tell(tx, at, row["pk"], uid, state.value, events)
            await feed.append(tx, [fact], at)
        return Done(sop_uid=uid, finding=judged.finding)

    async def change_state(self, who: Principal, sop_uid: str, given: JsonDataset) -> Done:
        """Claim, complete or cancel as its performer (CC.2.1). Raises Unavailable, Forbidden."""
        demand(who, Action.STORE)
        uid = SopUid(sop_uid)
        try:
            wanted = State(rules.text(given, rules.STATE))
        except ValueError:
            return _refused(uid, Fault.BAD_VALUE, (rules.STATE,))
        key = rules.text(given, rules.TRANSACTION_UID)
        async with self._database.transaction() as tx:
            row: Any = await one_item(tx, _sql.lock, view_for(who, Action.STORE), uid)
            if (gone := _gone(uid, row)) is not None:
                return gone
            state = State(row["state"])
            result = NEXT[state, _ask(wanted, key, row)]
            if isinstance(result, Fault):
                return _refused(uid, result)
            at, held = self._clock.now(), row["attributes"]
            if result is State.CANCELED:
                held = rules.cancelled(held, at)
            if result in FINAL and (lack := rules.final_lack(held, result)):
                return _refused(uid, Fault.FINAL_LACKS, lack)
            _, fact = await self._become(tx, at, row, result, key, held)
            await feed.append(tx, [fact], at)
        return Done(sop_uid=uid)

    async def request_cancel(self, who: Principal, sop_uid: str, given: JsonDataset, *, asked_by: str = "") -> Done:
        """Ask that an item be cancelled: done at once while nobody performs it, else reported (CC.2.2).

        Raises Unavailable, Forbidden.
        """
        demand(who, Action.STORE)
        uid, at = SopUid(sop_uid), self._clock.now()
        async with self._database.transaction() as tx:
            row: Any = await one_item(tx, _sql.lock, view_for(who, Action.STORE), uid)
            if (gone := _gone(uid, row)) is not None:
                return gone
            result = NEXT[State(row["state"]), Ask.REQUEST_CANCEL]
            if isinstance(result, Fault):
                return _refused(uid, result)
            if result is State.IN_PROGRESS and not await self._events.heard(tx, row["pk"]):
                return _refused(uid, Fault.PERFORMER_AWAY)
            asked = rules.cancel_report((asked_by or who.name)[:16], given)
            facts = [await self._events.tell(tx, at, row["pk"], uid, row["state"], [asked])]
            if result is State.CANCELED:  # through IN PROGRESS, as the standard says (CC.2.2.3)
                key = new_uid(self._random)
                claimed, begun = await self._become(tx, at, row, State.IN_PROGRESS, key, row["attributes"])
                ended = rules.cancelled_by_us(claimed, at, given)
                _, over = await self._become(tx, at, row, State.CANCELED, key, ended)
                facts += [begun, over]
            await feed.append(tx, facts, at)
        return Done(sop_uid=uid)

    async def find(self, who: Principal, identifier: JsonDataset, *, fuzzy: bool = False) -> AsyncIterator[JsonDataset]:
        """C-FIND: the attributes of the request and no others. Raises RemoteFault, Unavailable, Forbidden."""
        demand(who, Action.VIEW)
        wanted = {name: one for name, one in identifier.items() if name not in ups_find.NOT_KEYS}
        question = ups_find.asked(identifier, fuzzy=fuzzy)
        async for held in ups_find.found(self._database, view_for(who, Action.VIEW), question):
            yield projected(wanted, held)

    async def search(self, who: Principal, question: Question, limit: int) -> list[JsonDataset]:
        """A page of matches, ``question.offset`` skipped. Raises Unavailable, Forbidden."""
        demand(who, Action.VIEW)
        page: list[JsonDataset] = []
        skip = question.offset
        async for held in ups_find.found(self._database, view_for(who, Action.VIEW), question):
            if skip:
                skip -= 1
                continue
            page.append(held if question.returns is ALL else _returned(question, held))
            if len(page) == limit:
                break
        return page

    async def expire(self, keep: timedelta, *, at: datetime | None = None) -> int:
        """Delete finished items that nobody holds (CC.2.1.3); how many."""
        now = at or self._clock.now()
        async with self._database.transaction() as tx:
            rows = await _sql.expired.all(tx, at=now, before=now - keep)
            await _sql.forget_subscriptions.run(tx, pks=[row["pk"] for row in rows])
        return len(rows)

    async def _become(
        self, tx: Connection, at: datetime, row: Any, state: State, key: str, held: JsonDataset
    ) -> tuple[JsonDataset, WorkitemChanged]:
        """Set the state, and tell; the item as it is now, and the fact, which is the caller's to append."""
        after = {**held, **element(rules.STATE, state.value), **element(rules.MODIFIED_AT, rules.moment(at))}
        await _sql.set_state.run(
            tx,
            at=at,
            pk=row["pk"],
            state=state.value,
            transaction_uid=key,
            attributes=after,
            finished_at=at if state in FINAL else None,
        )
        report = [rules.state_report(after)]
        return after, await self._events.tell(tx, at, row["pk"], row["sop_uid"], state.value, report)


# What a search returns of an item beside its keys and includefield (table CC.2.5-3, return key type 1 and 2 of a
# worklist's first screen).
_ALWAYS: Final = (
    *(rules.SOP_CLASS, rules.SOP_INSTANCE, rules.STATE, rules.PRIORITY, rules.LABEL, rules.WORKLIST_LABEL),
    *(rules.START, rules.READINESS, rules.STATIONS, rules.PERFORMERS, 0x00404018, 0x00404011, 0x00100010, 0x00100020),
    *(0x00100021, 0x00100030, 0x00100040, 0x00380010, 0x0040A370, 0x00404021, 0x0020000D, 0x00404010),
)


def _returned(question: Question, held: JsonDataset) -> JsonDataset:
    paths = question.returns if isinstance(question.returns, tuple) else ()
    wanted = {*_ALWAYS, *(path[0] for path in paths), *(key.path[0] for key in question.keys)}
    return {name: one for name, one in held.items() if int(name, 16) in wanted}


def _ask(wanted: State, key: str, row: Any) -> Ask:
    """The row of table CC.1.1-2. To claim an item any transaction UID is correct: it becomes the item's."""
    match wanted:
        case State.SCHEDULED:
            return Ask.BACK
        case State.IN_PROGRESS:
            return Ask.START if is_uid(key) else Ask.START_KEYLESS
    right = bool(key) and (key == row["transaction_uid"] or not row["transaction_uid"])
    if wanted is State.COMPLETED:
        return Ask.COMPLETE if right else Ask.COMPLETE_KEYLESS
    return Ask.CANCEL if right else Ask.CANCEL_KEYLESS


def _gone(sop_uid: str, row: Any | None) -> Done | None:
    if row is None:
        return _refused(SopUid(sop_uid), Fault.NO_SUCH_ITEM)
    return _refused(SopUid(sop_uid), Fault.DELETED) if row["deleted_at"] is not None else None


def _refused(uid: SopUid, fault: Fault, tags: tuple[int, ...] = ()) -> Done:
    return Done(sop_uid=uid, finding=Finding(fault, tags, COMMENTS.get(fault, "")))
