"""Who hears of work items, and what they are told (PS3.4 CC.2.3 and CC.2.4, PS3.18 11.10 to 11.13).

A receiver is an AE title: of a registered device, which gets N-EVENT-REPORT on an association of ours, or of a web
client, which reads its reports from a channel. Both kinds stand in the same tables.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from filmroom.archive import lanes
from filmroom.base.clock import Clock, SystemClock
from filmroom.base.errors import Forbidden
from filmroom.base.facts import WorkitemChanged
from filmroom.base.ids import SopUid, ae_title
from filmroom.db import feed
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.question import JsonDataset
from filmroom.index.narrowed import rows_seen
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.workflow import ups_find
from filmroom.workflow import ups_rules as rules
from filmroom.workflow.attributes import element
from filmroom.workflow.sight import item_seen
from filmroom.workflow.ups_model import FILTERED_GLOBAL, GLOBAL, Done, EventType, Fault, Finding

_sql = load("filmroom.workflow", "ups.sql")

UPS_EVENT: Final = "ups-event"
# Items looked at in one go for a global subscription.
AT_ONCE: Final = 1000


class Events:
    """Writes event reports and queues their delivery, in the transaction of what they tell of."""

    def __init__(self, retry_hours: float) -> None:
        self._retry = timedelta(hours=retry_hours)

    async def tell(
        self,
        tx: Connection,
        at: datetime,
        pk: int,
        uid: SopUid,
        state: str,
        events: Sequence[rules.Event],
        *,
        only: str = "",
    ) -> WorkitemChanged:
        """Report ``events`` to the subscribers of an item, or to one of them; the fact is the caller's to append,
        last of all."""
        receivers = [only] if only else [row["receiver"] for row in await _sql.receivers.all(tx, pk=pk)]
        numbers = []
        for kind, attributes in events if receivers else ():
            numbers.append(await self._add(tx, at, uid, kind, attributes, receivers))
        return WorkitemChanged(sop_uid=uid, state=state, events=tuple(numbers))

    async def heard(self, tx: Connection, pk: int) -> bool:
        """Whether anybody hears of an item."""
        return bool(await _sql.receivers.all(tx, pk=pk))

    async def provider(self, tx: Connection, at: datetime, status: str) -> int:
        """SCP Status Change (RESTARTED, GOING DOWN) to everybody who hears of anything: lists and items are all still
        here (CC.2.4.3). How many they are."""
        receivers = [row["receiver"] for row in await _sql.listeners.all(tx)]
        if receivers:
            told = element(0x00741242, status) | element(0x00741244, "WARM START")
            told |= element(0x00741246, "WARM START")
            number = await self._add(tx, at, SopUid(GLOBAL), EventType.PROVIDER_STATUS, told, receivers)
            await feed.append(tx, [WorkitemChanged(sop_uid=SopUid(GLOBAL), state="", events=(number,))], at)
        return len(receivers)

    async def _add(
        self,
        tx: Connection,
        at: datetime,
        uid: SopUid,
        kind: EventType,
        attributes: JsonDataset,
        receivers: Sequence[str],
    ) -> int:
        number: int = await _sql.add_event.value(
            tx, at=at, sop_uid=uid, event_type=kind.value, attributes=attributes, receivers=list(receivers)
        )
        for row in await _sql.dimse_receivers.all(tx, titles=list(receivers)):
            body = {"event": number}
            await lanes.add(tx, row["ae_title"], UPS_EVENT, body, at=at, priority=5, retry_until=at + self._retry)
        return number


async def enrol(tx: Connection, pk: int, held: JsonDataset) -> None:
    """Subscribe those to a new item who subscribed to all, or to such."""
    for row in await _sql.globals.all(tx):
        if not row["filtered"] or ups_find.meets(ups_find.asked(row["keys"]), held):
            await _sql.subscribe_new.run(tx, pks=[pk], receiver=row["receiver"], deletion_lock=row["deletion_lock"])


class Subscriptions:
    """Subscribing, unsubscribing and suspending (table CC.2.3-2). Needs the right to view."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        *,
        retry_hours: float = 24.0,
        event_reports: bool = True,
    ) -> None:
        """``event_reports``: whether devices are told by N-EVENT-REPORT."""
        self._database = database
        self._clock = clock or SystemClock()
        self._events = Events(retry_hours)
        self._reports = event_reports

    async def subscribe(
        self,
        who: Principal,
        target: str,
        receiver: str,
        *,
        deletion_lock: bool = False,
        keys: JsonDataset | None = None,
        must_be_device: bool = False,
    ) -> Done:
        """``receiver`` hears of one item, of all, or of those that meet ``keys``.

        ``must_be_device``: a receiver that is no registered device is unknown. Raises RemoteFault, Forbidden.
        """
        demand(who, Action.VIEW)
        uid, at = SopUid(target), self._clock.now()
        if must_be_device and not self._reports:
            return Done(sop_uid=uid, finding=Finding(Fault.NO_REPORTS, (), "event reports are not sent"))
        async with self._database.transaction() as tx:
            if not await self._known(tx, receiver, must_be_device):
                return Done(sop_uid=uid, finding=Finding(Fault.UNKNOWN_RECEIVER, (0x00741234,)))
            if target in (GLOBAL, FILTERED_GLOBAL):
                _demand_all(who)
                wanted = {n: one for n, one in (keys or {}).items() if n not in _NOT_FILTER}
                await self._globally(tx, at, target == FILTERED_GLOBAL, receiver, deletion_lock, wanted)
                return Done(sop_uid=uid)
            row = await ups_find.one_item(tx, _sql.lock, view_for(who, Action.VIEW), target)
            if row is None or row["deleted_at"] is not None:
                return _absent(uid, row)
            await _sql.subscribe.run(tx, pk=row["pk"], receiver=receiver, deletion_lock=deletion_lock)
            report = [rules.state_report(row["attributes"])]
            fact = await self._events.tell(tx, at, row["pk"], uid, row["state"], report, only=receiver)
            await feed.append(tx, [fact], at)
        return Done(sop_uid=uid)

    async def unsubscribe(self, who: Principal, target: str, receiver: str, *, must_be_device: bool = False) -> Done:
        """``receiver`` hears no more of one item, or of any. Raises Forbidden."""
        demand(who, Action.VIEW)
        uid = SopUid(target)
        async with self._database.transaction() as tx:
            if not await self._known(tx, receiver, must_be_device):
                return Done(sop_uid=uid, finding=Finding(Fault.UNKNOWN_RECEIVER, (0x00741234,)))
            if target in (GLOBAL, FILTERED_GLOBAL):
                await _sql.subscribing.run(tx)
                await _sql.drop_global.run(tx, receiver=receiver, filtered=None)
                await _sql.unsubscribe_all.run(tx, receiver=receiver)
                return Done(sop_uid=uid)
            row = await ups_find.one_item(tx, _sql.lock, view_for(who, Action.VIEW), target)
            if row is None or row["deleted_at"] is not None:
                return _absent(uid, row)
            await _sql.unsubscribe.run(tx, pk=row["pk"], receiver=receiver)
        return Done(sop_uid=uid)

    async def suspend(self, who: Principal, target: str, receiver: str, *, must_be_device: bool = False) -> Done:
        """``receiver`` does not hear of new items; of those it hears already it hears on. Raises Forbidden."""
        demand(who, Action.VIEW)
        uid = SopUid(target)
        if target not in (GLOBAL, FILTERED_GLOBAL):
            return Done(sop_uid=uid, finding=Finding(Fault.NOT_FOR_THIS, (), "only a global subscription is suspended"))
        async with self._database.transaction() as tx:
            if not await self._known(tx, receiver, must_be_device):
                return Done(sop_uid=uid, finding=Finding(Fault.UNKNOWN_RECEIVER, (0x00741234,)))
            await _sql.subscribing.run(tx)
            await _sql.drop_global.run(tx, receiver=receiver, filtered=None if target == GLOBAL else True)
        return Done(sop_uid=uid)

    async def reports(
        self, who: Principal, numbers: Sequence[int], receiver: str
    ) -> list[tuple[int, str, int, JsonDataset]]:
        """Of these event reports those for ``receiver``, of items in sight: number, item, event type, attributes."""
        demand(who, Action.VIEW)
        seen = partial(item_seen, view_for(who, Action.VIEW))
        async with self._database.connection() as connection:
            rows = await rows_seen(connection, _sql.events_for, seen, pks=list(numbers), receiver=receiver)
        return [(row["pk"], row["sop_uid"], row["event_type"], row["attributes"]) for row in rows]

    async def listed(self, who: Principal, receiver: str = "", limit: int = 1000) -> list[Any]:
        """Subscriptions to single items: receiver, sop_uid, deletion_lock. Raises Forbidden."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            seen = partial(item_seen, view_for(who, Action.VIEW))
            return await rows_seen(connection, _sql.subscriptions, seen, receiver=receiver, limit=limit)

    async def _globally(
        self, tx: Connection, at: datetime, filtered: bool, receiver: str, lock: bool, keys: JsonDataset
    ) -> None:
        question = ups_find.asked(keys)  # said to be wrong before anything is done
        await _sql.subscribing.run(tx)
        await _sql.put_global.run(tx, receiver=receiver, filtered=filtered, deletion_lock=lock, keys=keys)
        after, facts = 0, []
        while rows := await _sql.existing.all(tx, after=after, limit=AT_ONCE):
            after = rows[-1]["pk"]
            wanted = {row["pk"]: row for row in rows if not filtered or ups_find.meets(question, row["attributes"])}
            new = await _sql.subscribe_new.all(tx, pks=list(wanted), receiver=receiver, deletion_lock=lock)
            for row in (wanted[one["workitem_pk"]] for one in new):
                report = rules.state_report(row["attributes"])
                state = rules.text(row["attributes"], rules.STATE)
                facts.append(await self._events.tell(tx, at, row["pk"], row["sop_uid"], state, [report], only=receiver))
        await feed.append(tx, facts, at)

    async def _known(self, tx: Connection, receiver: str, must_be_device: bool) -> bool:
        try:
            ae_title(receiver)
        except ValueError:
            return False
        return not must_be_device or bool(await _sql.dimse_receivers.all(tx, titles=[receiver]))


# Of the action information of a filtered subscription: what is no matching key.
_NOT_FILTER: Final = frozenset({"00741234", "00741230", "00080005"})


def _demand_all(who: Principal) -> None:
    """Who sees a part of the archive hears of single items: nobody narrows what comes in an hour from now."""
    if view_for(who, Action.VIEW).narrow:
        raise Forbidden("a subscription to all work items needs the right to see all of them")


def _absent(uid: SopUid, row: Any | None) -> Done:
    return Done(sop_uid=uid, finding=Finding(Fault.NO_SUCH_ITEM if row is None else Fault.DELETED))
