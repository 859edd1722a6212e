"""Storage commitment that we ask of others: after sending, or when somebody wants to know."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import structlog

from filmroom.archive import lanes
from filmroom.archive.commitment import RETRIED, open_transaction, result_of
from filmroom.archive.commitment_model import COMMITTED, Reference, Result, Transaction
from filmroom.archive.devices import Devices
from filmroom.archive.lanes import Lane, NotSentYet, is_last_chance
from filmroom.archive.ports import CommitmentPeer
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Unsupported
from filmroom.base.facts import CommitmentAnswered
from filmroom.db import feed
from filmroom.db.jobs import Job, Report
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.settings import DeliverySettings
from filmroom.wire.dimse.status import StatusClass, status_class, status_name

_sql = load("filmroom.archive", "commitment.sql")
log = structlog.get_logger()

ASK = "ask-commitment"
# More references make a request that some archives choke on.
REFERENCES_AT_ONCE = 1000
# Our request before this one may have arrived without our seeing the answer: then the peer knows its UID already.
DUPLICATE_TRANSACTION = 0x0131


class Heard(Enum):
    """What a report was to us."""

    TAKEN = "taken"
    AGAIN = "again"  # we had it before
    UNKNOWN = "unknown"  # of no transaction that we opened with this peer


class AskedCommitments:
    """Requests of ours, and what came back."""

    def __init__(
        self,
        database: Database,
        devices: Devices,
        settings: DeliverySettings,
        clock: Clock,
        *,
        ae_title: str,
        new_uid: Callable[[], str],
    ) -> None:
        self._database = database
        self._devices = devices
        self._settings = settings
        self._clock = clock
        self._ae_title = ae_title
        self._new_uid = new_uid

    async def ask(
        self, tx: Connection, peer: str, references: Sequence[Reference], at: datetime, delivery_pk: int | None = None
    ) -> list[int]:
        """Ask a device to commit to objects that it was sent, in the caller's transaction; the requests' numbers."""
        until = at + timedelta(hours=self._settings.commitment_retry_hours)
        opened: list[int] = []
        for start in range(0, len(references), REFERENCES_AT_ONCE):
            transaction = Transaction(self._new_uid(), tuple(references[start : start + REFERENCES_AT_ONCE]))
            pk = await open_transaction(tx, "scu", peer, self._ae_title, transaction, "asking", at, delivery_pk)
            assert pk is not None, "a new UID was used before"
            await lanes.add(tx, peer, ASK, {"commitment": pk}, at=at, retry_until=until)
            opened.append(pk)
        return opened

    async def result(self, pk: int) -> Result:
        """What the peer said so far."""
        return await result_of(self._database, pk, "", "")

    async def heard(self, peer: str, result: Result) -> Heard:
        """A report came, on whichever association. Durable when this returns."""
        now = self._clock.now()
        verdicts = [(each.sop_uid, COMMITTED) for each in result.committed]
        verdicts += [(each.reference.sop_uid, each.reason) for each in result.failed]
        async with self._database.transaction() as tx:
            row = await _sql.of_transaction.one(tx, side="scu", peer=peer, uid=result.transaction_uid)
            if row is None:
                return Heard.UNKNOWN
            if row["state"] == "answered":
                return Heard.AGAIN
            pk = row["pk"]
            await _sql.decide_by_uid.run(
                tx, pk=pk, uids=[uid for uid, _ in verdicts], reasons=[reason for _, reason in verdicts]
            )
            await _sql.step.run(tx, pk=pk, before=[row["state"]], after="answered", trouble="", at=now)
            rows = await _sql.items.all(tx, pk=pk)
            committed = sum(row["reason"] == COMMITTED for row in rows)
            fact = CommitmentAnswered(commitment_id=pk, peer=peer, committed=committed, failed=len(rows) - committed)
            await feed.append(tx, [fact], now)
        log.info("commitment answered", peer=peer, commitment=pk, committed=committed, failed=len(rows) - committed)
        return Heard.TAKEN

    # The job that asks, in the lane of the device

    def asker(self, peer: CommitmentPeer) -> lanes.LaneHandler:
        """What does jobs of kind ASK."""

        async def ask(lane: Lane, job: Job, _: Report) -> None:
            pk = job.body["commitment"]
            async with self._database.connection() as connection:
                row = await _sql.get.one(connection, pk=pk)
                items = await _sql.items.all(connection, pk=pk)
            if row is None or row["state"] != "asking":
                return
            references = tuple(Reference(item["sop_class"], item["sop_uid"]) for item in items)
            trouble, again = await self._ask(lane, peer, row, Transaction(row["transaction_uid"], references), job)
            if not trouble:
                await self._step(pk, "asked", "")
            elif again and not is_last_chance(job, self._clock.now()):
                raise NotSentYet(trouble)
            else:
                log.warning("commitment refused", peer=row["peer"], commitment=pk, reason=trouble)
                await self._step(pk, "refused", trouble)

        return ask

    async def _ask(
        self, lane: Lane, peer: CommitmentPeer, row: Any, transaction: Transaction, job: Job
    ) -> tuple[str, bool]:
        """What kept the request back ('' when nothing did), and whether to try again."""
        device = await self._devices.find(lane.ae_title)
        if device is None or not device.enabled:
            return f"no device is registered as {lane.ae_title}", True
        try:
            code = await peer.ask(device, row["our_ae"], transaction)
        except Unsupported as error:
            return str(error), False
        except FilmroomError as error:
            return str(error) or type(error).__name__, True
        await lane.is_well()
        if code == DUPLICATE_TRANSACTION and job.attempt > 1:
            return "", False
        if status_class(code) is not StatusClass.FAILURE:
            return "", False
        return f"the device answered {code:04X}H: {status_name(code)}", code in RETRIED

    async def _step(self, pk: int, after: str, trouble: str) -> None:
        async with self._database.transaction() as tx:
            await _sql.step.run(tx, pk=pk, before=["asking"], after=after, trouble=trouble, at=self._clock.now())
