"""Deliveries: objects that are to go to another node, kept until each has its answer.

What is ordered is written down with the order of its objects, cut into parts, each the job of one association; see
``sending_work`` for how they leave. Nothing is lost, and what may have arrived twice says so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import partial
from typing import Any

from filmroom.archive import lanes
from filmroom.archive.devices import Device, DevicePolicy, Devices, NoSuchDevice
from filmroom.archive.lanes import queue_of
from filmroom.archive.retrieve import Located, Retrieve
from filmroom.archive.sending_hours import opening
from filmroom.archive.sight_lists import delivery_seen
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.base.facts import DeliveryEnded
from filmroom.db import feed, jobs
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.index.narrowed import rows_seen
from filmroom.security.policy import Action, demand, may, view_for
from filmroom.security.principals import Principal
from filmroom.settings import DeliverySettings

_sql = load("filmroom.archive", "sending.sql")

SEND = "send"
# Objects of one job: something urgent that comes later waits for at most so many.
PART_OBJECTS = 256


class Priority(IntEnum):
    """As PS3.7 names them."""

    LOW = -1
    MEDIUM = 0
    HIGH = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery as it stands. ``sent`` counts ``warned`` too; ``repeated``: objects with an attempt that had no
    answer, which the destination may have got twice. ``state``: waiting, done, failed, cancelled."""

    pk: int
    ae_title: str
    priority: int
    state: str
    principal: str
    reason: str
    commit: bool
    trouble: str
    created_at: datetime
    finished_at: datetime | None
    total: int
    sent: int
    warned: int
    failed: int
    waiting: int
    repeated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryItem:
    """One object of a delivery. ``status`` is the destination's last answer, None when there was none."""

    n: int
    series_uid: str
    sop_class: str
    sop_uid: str
    state: str
    attempts: int
    unsure: bool
    status: int | None
    comment: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """How a destination is treated, and how it is. ``waiting``: objects that are still to go there."""

    ae_title: str
    associations: int
    bytes_per_s: int | None
    paused: bool
    failures: int
    away_until: datetime | None
    trouble: str
    waiting: int


class Sending:
    """Ordering deliveries and looking after them."""

    def __init__(
        self, database: Database, retrieve: Retrieve, devices: Devices, settings: DeliverySettings, clock: Clock
    ) -> None:
        self._database = database
        self._retrieve = retrieve
        self._devices = devices
        self._settings = settings
        self._clock = clock

    async def order(
        self,
        who: Principal,
        to: str,
        *,
        studies: Sequence[str] = (),
        series: Sequence[str] = (),
        instances: Sequence[str] = (),
        priority: Priority | None = None,
        commit: bool = False,
        reason: str = "",
        due: datetime | None = None,
    ) -> int:
        """Send what is there now of the studies, series or instances; the delivery's number. Durable when it returns.

        ``priority``: None for that of the device. ``commit``: ask for storage commitment of what was sent. Raises
        Forbidden, NoSuchDevice, or NotFound when there is nothing to send.
        """
        demand(who, Action.EXPORT)
        device = await self._devices.find(to)
        if device is None:
            raise NoSuchDevice(f"no device is registered as {to}")
        items = await self._retrieve.locate(
            who, studies=studies, series=series, instances=instances, action=Action.EXPORT
        )
        if not items:
            raise NotFound("there is nothing to send")
        async with self._database.transaction() as tx:
            return await self.place(
                tx, who, to, device, items, priority=priority, commit=commit, reason=reason, due=due
            )

    async def place(
        self,
        tx: Connection,
        who: Principal,
        to: str,
        device: Device | None,
        items: Sequence[Located],
        *,
        priority: int | None,
        commit: bool,
        reason: str,
        due: datetime | None,
    ) -> int:
        """Order these objects in the caller's transaction; the delivery's number. Without a ``device`` they wait."""
        policy = DevicePolicy() if device is None else device.policy
        urgency = Priority[policy.priority.upper()] if priority is None else Priority(priority)
        now = self._clock.now()
        begin = max(now, due or now)
        if urgency < Priority.HIGH:
            begin = opening(policy.hours, begin.astimezone()) or begin
        until = begin + timedelta(hours=self._settings.retry_hours)
        associations = await _sql.destination.value(tx, ae_title=to) or 1
        cut = parts([each.series_uid for each in items], associations)
        pk: int = await _sql.order.value(
            tx,
            ae_title=to,
            priority=int(urgency),
            principal=who.id,
            reason=reason,
            commit=commit,
            n_items=len(items),
            at=now,
            retry_until=until,
        )
        await _sql.order_items.run(
            tx,
            pk=pk,
            parts=cut,
            series_uids=[each.series_uid for each in items],
            sop_classes=[each.sop_class for each in items],
            sop_uids=[each.sop_uid for each in items],
        )
        for part in range(cut[-1] + 1):
            await _enqueue(tx, to, pk, part, urgency, who.id, now, until, begin)
        return pk

    async def deliveries(
        self,
        who: Principal,
        *,
        to: str | None = None,
        state: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Delivery]:
        """Deliveries, newest first, from below number ``before``."""
        demand(who, Action.VIEW)
        return await self._list(who, Action.VIEW, to=to, state=state, before=before, limit=limit)

    async def get(self, who: Principal, pk: int) -> Delivery:
        """How a delivery stands. Raises NotFound."""
        return await self._get(who, Action.VIEW, pk)

    async def items(
        self, who: Principal, pk: int, *, state: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[DeliveryItem]:
        """The objects of a delivery with what became of each, in the order of sending, from place ``after`` on."""
        await self.get(who, pk)
        async with self._database.connection() as connection:
            rows = await _sql.items.all(connection, pk=pk, state=state, after=after, limit=limit)
        return [DeliveryItem(**row) for row in rows]

    async def resend(self, who: Principal, pk: int) -> int:
        """Send again what failed or was called off; how many objects. Raises Forbidden, NotFound."""
        await self._get(who, Action.EXPORT, pk)
        now = self._clock.now()
        until = now + timedelta(hours=self._settings.retry_hours)
        async with self._database.transaction() as tx:
            row = await _sql.reopen.one(tx, pk=pk, retry_until=until)
            if row is None:
                raise NotFound(f"delivery {pk} has nothing that failed")
            reopened = await _sql.reopen_items.all(tx, pk=pk)
            for part in sorted({item["part"] for item in reopened}):
                await _enqueue(tx, row["ae_title"], pk, part, row["priority"], row["principal"], now, until)
        return len(reopened)

    async def cancel(self, who: Principal, pk: int) -> bool:
        """Call a delivery off; false when it was at its end. An object that is on its way still arrives."""
        await self._get(who, Action.EXPORT, pk)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            ae_title = await _sql.cancel.value(tx, pk=pk, at=now)
            if ae_title is None:
                return False
            await _sql.cancel_items.run(tx, pk=pk, at=now)
            await feed.append(tx, [DeliveryEnded(delivery_id=pk, destination=ae_title, state="cancelled")], now)
        return True

    # Destinations

    async def destinations(self, who: Principal) -> list[Destination]:
        """Every destination that anything was ever queued for."""
        action = Action.VIEW if may(who, Action.VIEW) else Action.ADMINISTER
        demand(who, action)
        async with self._database.connection() as connection:
            seen = partial(delivery_seen, view_for(who, action), alias="o")
            return [Destination(**row) for row in await rows_seen(connection, _sql.destinations, seen)]

    async def configure(
        self, who: Principal, ae_title: str, *, associations: int = 1, bytes_per_s: int | None = None
    ) -> None:
        """How many associations at a time a destination gets, and how much of its line. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.transaction() as tx:
            await _sql.configure.run(tx, ae_title=ae_title, associations=associations, bytes_per_s=bytes_per_s)

    async def pause(self, who: Principal, ae_title: str) -> None:
        """Send nothing more to a destination until ``go_on``; an object that is on its way still arrives."""
        await self._pause(who, ae_title, True)

    async def go_on(self, who: Principal, ae_title: str) -> None:
        """End a pause; a destination that was left alone because it was away is tried at once."""
        await self._pause(who, ae_title, False)

    async def _pause(self, who: Principal, ae_title: str, paused: bool) -> None:
        demand(who, Action.ADMINISTER)
        async with self._database.transaction() as tx:
            await _sql.pause.run(tx, ae_title=ae_title, paused=paused)
            if not paused:
                await jobs.hasten(tx, queue_of(ae_title), self._clock.now())

    async def _get(self, who: Principal, action: Action, pk: int) -> Delivery:
        demand(who, action)
        found = await self._list(who, action, pk=pk)
        if not found:
            raise NotFound(f"no delivery has the number {pk}")
        return found[0]

    async def _list(
        self,
        who: Principal,
        action: Action,
        *,
        to: str | None = None,
        state: str | None = None,
        pk: int | None = None,
        before: int | None = None,
        limit: int = 1,
    ) -> list[Delivery]:
        async with self._database.connection() as connection:
            seen = partial(delivery_seen, view_for(who, action))
            rows: list[Any] = await rows_seen(
                connection, _sql.list, seen, ae_title=to, state=state, pk=pk, before=before, limit=limit
            )
        return [Delivery(**row) for row in rows]


def parts(series: Sequence[str], associations: int) -> list[int]:
    """Which job sends each object, given its series in the order of sending.

    A series stays whole where it can: a part ends with a series once the next would make it larger than one
    association's share, and inside a series only at PART_OBJECTS.
    """
    share = min(PART_OBJECTS, -(-len(series) // associations))
    left = Counter(series)
    found: list[int] = []
    part = size = 0
    for place, uid in enumerate(series):
        begins = place > 0 and series[place - 1] != uid
        if size >= PART_OBJECTS or (begins and size + left[uid] > share):
            part, size = part + 1, 0
        found.append(part)
        size += 1
        left[uid] -= 1
    return found


async def _enqueue(
    tx: Connection,
    ae_title: str,
    delivery_pk: int,
    part: int,
    priority: int,
    principal: str,
    at: datetime,
    retry_until: datetime,
    due: datetime | None = None,
) -> None:
    body = {"delivery": delivery_pk, "part": part}
    await lanes.add(
        tx,
        ae_title,
        SEND,
        body,
        at=at,
        due=due,
        priority=int(priority),
        principal=principal,
        retry_until=retry_until,
    )
