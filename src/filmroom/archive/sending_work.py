"""How objects leave: one part of a delivery over one association, each object with its result.

An object is marked before it may leave and gets its result after its answer, some at a time; so what a kill interrupts
is known, sent again, and said to have been. What fails is sorted by whose fault it is: the destination's (away, full:
all wait, for hours), nobody's yet (no answer, a processing failure: again, a few times), the object's own (never).
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import structlog

from filmroom.archive import lanes
from filmroom.archive.commitment_asked import AskedCommitments
from filmroom.archive.commitment_model import Reference
from filmroom.archive.devices import Devices
from filmroom.archive.lanes import Lane, NotSentYet, is_last_chance
from filmroom.archive.ports import ObjectSender, SentObject
from filmroom.archive.retrieve import Located, Retrieve
from filmroom.archive.sending_hours import opening
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Retry
from filmroom.base.facts import DeliveryEnded
from filmroom.db import feed
from filmroom.db.jobs import Job, Report
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.principals import SYSTEM
from filmroom.security.principals import job as job_principal
from filmroom.wire.dimse.status import (
    C_STORE,
    DUPLICATE_SOP_INSTANCE,
    PROCESSING_FAILURE,
    StatusClass,
    status_class,
    status_name,
)

_sql = load("filmroom.archive", "sending.sql")
log = structlog.get_logger()

# Objects that are marked as leaving at a time: as many may be sent twice after a kill -9.
WINDOW = 16
# Results are written down at least this often, so that a person sees progress.
RECORD_EVERY_S = 0.5
# Attempts that an object gets when no answer comes, or one that says nothing of a cause.
MAX_ATTEMPTS = 4

RESOURCE_LIMITATION = 0x0213


class Fate(Enum):
    """What becomes of an object after one attempt."""

    SENT = "sent"
    WARNED = "warning"
    AGAIN = "again"  # later, with the rest of its part
    WAIT = "wait"  # the destination takes nothing now: the whole part waits
    FAILED = "failed"


def fate(sent: SentObject, attempts: int, unsure: bool) -> Fate:
    """PS3.4 table B.2-1, read for the sender. ``attempts`` counts this one; ``unsure``: one before had no answer."""
    code = sent.status
    if code is None:
        if sent.away:
            return Fate.WAIT
        again = sent.retry is not Retry.NEVER and attempts < MAX_ATTEMPTS
        return Fate.AGAIN if again else Fate.FAILED
    if (kind := status_class(code)) is not StatusClass.FAILURE:
        return Fate.SENT if kind is StatusClass.SUCCESS else Fate.WARNED
    if code == DUPLICATE_SOP_INSTANCE and unsure:  # the attempt that had no answer did arrive
        return Fate.WARNED
    if 0xA700 <= code <= 0xA7FF or code == RESOURCE_LIMITATION:
        return Fate.WAIT
    if code == PROCESSING_FAILURE and attempts < MAX_ATTEMPTS:
        return Fate.AGAIN
    return Fate.FAILED


@dataclass(frozen=True, slots=True)
class _Item:
    n: int
    attempts: int
    unsure: bool
    located: Located


@dataclass(frozen=True, slots=True)
class _Record:
    """What is written down of one attempt."""

    n: int
    state: str
    status: int | None = None
    comment: str = ""
    left_us: bool = True
    unsure: bool = False


class SendingWork:
    """Does jobs of kind ``sending.SEND``."""

    def __init__(
        self,
        database: Database,
        retrieve: Retrieve,
        devices: Devices,
        sender: ObjectSender,
        commitments: AskedCommitments,
        clock: Clock,
    ) -> None:
        self._database = database
        self._retrieve = retrieve
        self._devices = devices
        self._sender = sender
        self._commitments = commitments
        self._clock = clock

    async def send(self, lane: Lane, job: Job, report: Report) -> None:
        """One part of a delivery, as far as it goes now."""
        del report
        pk, part = job.body["delivery"], job.body["part"]
        priority, items = await self._items(pk, part)
        if not items:
            await self._close(pk)
            return
        hours = await self._hours(lane.ae_title, priority)
        if (later := self._opening(hours)) is not None:
            await self._postpone(lane.ae_title, job, priority, later)
            return
        try:
            trouble = await self._send(lane, pk, items, priority, hours)
        except FilmroomError:
            raise
        except Exception as error:
            log.exception("a fault of ours stops a delivery", delivery=pk, part=part)
            trouble = f"internal fault: {type(error).__name__}"
        await self._settle(job, pk, part, trouble)

    async def _hours(self, ae_title: str, priority: int) -> Sequence[str]:
        """The hours that a part has to keep to: none when it is urgent."""
        device = await self._devices.find(ae_title)
        return () if device is None or priority > 0 else device.policy.hours

    def _opening(self, hours: Sequence[str]) -> datetime | None:
        """When the hours begin again; None when this is one of them."""
        now = self._clock.now().astimezone()
        found = opening(hours, now)
        return None if found == now else found

    async def _postpone(self, ae_title: str, job: Job, priority: int, due: datetime) -> None:
        """The part waits for the hours of its destination, which takes nothing of its time."""
        now = self._clock.now()
        until = None if job.retry_until is None else max(job.retry_until, now) + (due - now)
        async with self._database.transaction() as tx:
            await lanes.add(
                tx,
                ae_title,
                job.kind,
                job.body,
                at=now,
                due=due,
                priority=priority,
                principal=job.principal,
                retry_until=until,
            )
            await _sql.interrupted.run(tx, pk=job.body["delivery"], trouble=f"waits for its hours, {due:%a %H:%M}")

    async def _items(self, pk: int, part: int) -> tuple[int, list[_Item]]:
        """The priority, and what is still to be sent. What is not in the archive any more has failed."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            delivery = await _sql.delivery.one(tx, pk=pk)
            if delivery is None or delivery["state"] != "waiting":
                return 0, []
            await _sql.reopen_part.run(tx, pk=pk, part=part, at=now)
            rows = await _sql.waiting_of_part.all(tx, pk=pk, part=part)
        uids = [row["sop_uid"] for row in rows]
        who = job_principal("send", SYSTEM)
        located = {each.sop_uid: each for each in await self._retrieve.locate(who, instances=uids)}
        gone = [row["n"] for row in rows if row["sop_uid"] not in located]
        if gone:
            comment = "no longer in the archive"
            await self._write(pk, [_Record(n, "failed", comment=comment, left_us=False) for n in gone])
        return delivery["priority"], [
            _Item(row["n"], row["attempts"], row["unsure"], located[row["sop_uid"]])
            for row in rows
            if row["sop_uid"] in located
        ]

    async def _send(self, lane: Lane, pk: int, items: Sequence[_Item], priority: int, hours: Sequence[str]) -> str:
        """Send until the end, or until there is a reason to stop; that reason, or ''."""
        device = await self._devices.find(lane.ae_title)
        if device is None or not device.enabled:
            trouble = f"no device is registered as {lane.ae_title}"
            await lane.went_away(trouble)
            return trouble
        if "store" not in device.policy.outgoing:
            trouble = f"nothing may be sent to {lane.ae_title}"
            await lane.went_away(trouble)
            return trouble
        log_book = _LogBook(self, pk, items)
        located = [each.located for each in items]
        pace = lane.pace if lane.bytes_per_s is not None else None
        try:
            await log_book.begin()
            async with aclosing(self._sender.send(device, located, pace=pace, priority=priority)) as results:
                async for sent in results:
                    fate = log_book.add(sent)
                    if fate is Fate.WAIT:
                        trouble = _said(sent)
                        await log_book.flush()
                        await lane.went_away(trouble)
                        return trouble
                    await lane.is_well()
                    if lane.closing:
                        return "paused" if lane.paused else "the archive is being stopped"
                    if hours and self._opening(hours) is not None:
                        return "its hours are over"
                    if not await log_book.keep_up():
                        return ""
        except FilmroomError as error:
            log_book.lost(str(error) or type(error).__name__)
            return str(error) or type(error).__name__
        except BaseException:
            log_book.lost("interrupted while it was being sent")
            raise
        finally:
            await log_book.end()
        return log_book.trouble

    async def _settle(self, job: Job, pk: int, part: int, trouble: str) -> None:
        """The part is done, or there is another attempt, or there was the last one."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            left = await _sql.waiting_of_part.all(tx, pk=pk, part=part)
            state = await _sql.state.value(tx, pk=pk)
            if left and state == "waiting":
                await _sql.interrupted.run(tx, pk=pk, trouble=trouble[:500])
                if is_last_chance(job, now):
                    await _sql.give_up_part.run(tx, pk=pk, part=part, comment=trouble[:500], at=now)
                    left = []
        if left and state == "waiting":
            raise NotSentYet(trouble or "the destination did not take all of it")
        await self._close(pk)

    async def _close(self, pk: int) -> None:
        """Say so when this was the last part; ask for commitment where that was wanted."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            closed = await _sql.close.one(tx, pk=pk, at=now)
            if closed is None:
                return
            if closed["commit"]:
                sent = [Reference(row["sop_class"], row["sop_uid"]) for row in await _sql.sent_of.all(tx, pk=pk)]
                await self._commitments.ask(tx, closed["ae_title"], sent, now, delivery_pk=pk)
            fact = DeliveryEnded(delivery_id=pk, destination=closed["ae_title"], state=closed["state"])
            await feed.append(tx, [fact], now)
        log.info("delivery ended", delivery=pk, destination=closed["ae_title"], state=closed["state"])

    async def _write(
        self, pk: int, records: Sequence[_Record], begin: Sequence[int] = (), back: Sequence[int] = ()
    ) -> bool:
        """Results, and what is marked as leaving next or as not having left; whether the delivery goes on."""
        async with self._database.transaction() as tx:
            if records:
                await _sql.record.run(tx, pk=pk, at=self._clock.now(), **_columns(records))
            if back:
                await _sql.not_begun.run(tx, pk=pk, ns=list(back))
            if begin:
                await _sql.begin.run(tx, pk=pk, ns=list(begin))
            goes_on: bool = await _sql.state.value(tx, pk=pk) == "waiting"
        return goes_on


class _LogBook:
    """What is known of the objects of one part while they leave, and what of that is written down."""

    def __init__(self, work: SendingWork, pk: int, items: Sequence[_Item]) -> None:
        self.trouble = ""
        self._work = work
        self._pk = pk
        self._items = items
        self._marked = 0
        self._done = 0
        self._unwritten: list[_Record] = []
        self._written_at = asyncio.get_running_loop().time()

    async def begin(self) -> bool:
        """Mark the next objects as leaving; whether the delivery goes on."""
        window = [each.n for each in self._items[self._marked : self._marked + WINDOW]]
        goes_on = await self._flush(window)
        self._marked += len(window)
        return goes_on

    def add(self, sent: SentObject) -> Fate:
        """The result of the next object."""
        item = self._items[self._done]
        self._done += 1
        left_us = not sent.away and (sent.status is not None or sent.retry is Retry.UNSURE)
        what = fate(sent, item.attempts + left_us, item.unsure)
        if sent.status is None and not left_us and what is Fate.AGAIN:  # ours: the store is away, say
            left_us = True
        state = "waiting" if what in (Fate.AGAIN, Fate.WAIT) else what.value
        comment = _said(sent)
        if what in (Fate.AGAIN, Fate.WAIT):
            self.trouble = comment
        unsure = sent.status is None and sent.retry is Retry.UNSURE
        self._unwritten.append(_Record(item.n, state, sent.status, comment, left_us, unsure))
        return what

    async def keep_up(self) -> bool:
        """Before the next object: it is marked, and results are not older than RECORD_EVERY_S."""
        if self._done == self._marked and self._marked < len(self._items):
            return await self.begin()
        if asyncio.get_running_loop().time() - self._written_at > RECORD_EVERY_S:
            return await self._flush()
        return True

    def lost(self, comment: str) -> None:
        """The object in progress has no result."""
        if self._done < self._marked:
            item = self._items[self._done]
            self._done += 1
            self.trouble = comment
            state = "waiting" if item.attempts + 1 < MAX_ATTEMPTS else "failed"
            self._unwritten.append(_Record(item.n, state, None, comment, unsure=True))

    async def flush(self) -> None:
        await self._flush()

    async def end(self) -> None:
        """Nothing leaves any more: what was marked and has not left waits again."""
        back = [each.n for each in self._items[self._done : self._marked]]
        await self._flush(back=back)

    async def _flush(self, begin: Sequence[int] = (), back: Sequence[int] = ()) -> bool:
        records, self._unwritten = self._unwritten, []
        self._written_at = asyncio.get_running_loop().time()
        return await self._work._write(self._pk, records, begin, back)


def _said(sent: SentObject) -> str:
    """What the destination, or what kept us from it, said; '' for plain success."""
    if sent.status is None:
        return sent.comment[:500]
    if sent.status == 0:
        return f"sent to {sent.through}" if sent.through else sent.comment
    return f"{sent.status:04X}H {status_name(sent.status, C_STORE)}" + (f": {sent.comment}" if sent.comment else "")


def _columns(records: Sequence[_Record]) -> dict[str, Any]:
    return {
        "ns": [each.n for each in records],
        "states": [each.state for each in records],
        "statuses": [each.status for each in records],
        "comments": [each.comment for each in records],
        "left_us": [int(each.left_us) for each in records],
        "unsure": [each.unsure for each in records],
    }
