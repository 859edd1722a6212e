"""Storage commitment asked of us (PS3.4 annex J): kept as a transaction, answered at once, checked by a job, reported.

A request may come before its last object: what is missing is waited for, within a window, before it fails. The report
goes out on the association of the request while that stands, or on a new one to the device of that AE title, which is
tried for hours and across restarts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any

import structlog

from filmroom.archive import commitment_checks as checks
from filmroom.archive import lanes
from filmroom.archive.commitment_checks import Copy, Held, Verdict
from filmroom.archive.commitment_model import COMMITTED, NO_SUCH_INSTANCE, Failure, Reference, Result, Transaction
from filmroom.archive.devices import DevicePolicy, Devices
from filmroom.archive.lanes import Lane, NotSentYet, is_last_chance
from filmroom.archive.ports import CommitmentPeer, OpenLines
from filmroom.archive.sight_lists import commitment_seen
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.base.facts import CommitmentReported
from filmroom.db import feed, jobs
from filmroom.db.jobs import Job, Report, Worker
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.index.narrowed import rows_seen
from filmroom.index.query_view import in_sight
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.settings import DeliverySettings
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange
from filmroom.wire.dimse.status import StatusClass, status_class, status_name

_sql = load("filmroom.archive", "commitment.sql")
log = structlog.get_logger()

QUEUE = "commitment"
CHECK, REPORT = "check-commitment", "report-commitment"

# Requests that are checked at the same time: the work is the disk's.
CHECKS_AT_ONCE = 4
# Threads that hash the objects of one request.
HASHERS = 2
# How soon to look again for objects that have not arrived, growing with the time already waited.
SOONEST_S, LATEST_S = 0.5, 5.0
# Reports go before images.
REPORT_PRIORITY = 10


class Taken(Enum):
    """What became of a request."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # the peer has used this transaction UID before


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentState:
    """One transaction as it stands. ``side`` is 'scp' when it was asked of us, 'scu' when we asked."""

    pk: int
    side: str
    peer: str
    transaction_uid: str
    state: str
    trouble: str
    delivery_pk: int | None
    asked_at: datetime
    finished_at: datetime | None
    total: int
    committed: int
    failed: int


class Commitments:
    """Takes requests and checks what is behind them. ``start`` and ``stop`` the checking where requests come in."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        devices: Devices,
        settings: DeliverySettings,
        clock: Clock,
        *,
        ae_title: str,
        accept_unknown: bool = True,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._devices = devices
        self._settings = settings
        self._clock = clock
        self._ae_title = ae_title
        self._accept_unknown = accept_unknown
        self._lines: OpenLines | None = None
        self._worker: Worker | None = None

    async def start(self, lines: OpenLines, *, name: str) -> None:
        """Check and report from this process, on the open associations of ``lines`` where that is wanted."""
        self._lines = lines
        self._worker = Worker(
            self._database, {CHECK: self._check}, self._clock, name=name, queue=QUEUE, concurrency=CHECKS_AT_ONCE
        )
        await self._worker.start()

    async def stop(self) -> None:
        if self._worker is not None:
            await self._worker.stop()

    async def take(self, who: Principal, peer: str, our_ae: str, transaction: Transaction) -> Taken:
        """Keep a request durably. Raises Forbidden, Unavailable."""
        demand(who, Action.STORE)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            pk = await open_transaction(tx, "scp", peer, our_ae, transaction, "checking", now)
            if pk is None:
                return Taken.DUPLICATE
            await keep_out(tx, who, pk)
            until = now + timedelta(hours=self._settings.commitment_retry_hours)
            body = {"commitment": pk}
            await jobs.add(tx, CHECK, body, at=now, queue=QUEUE, max_attempts=lanes.ATTEMPTS, retry_until=until)
        return Taken.ACCEPTED

    def look(self) -> None:
        """A request was taken and answered: begin with it now."""
        if self._worker is not None:
            self._worker.wake()

    async def transactions(
        self, who: Principal, *, side: str | None = None, delivery_pk: int | None = None, limit: int = 100
    ) -> list[CommitmentState]:
        """Transactions, newest first."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            seen = partial(commitment_seen, view_for(who, Action.VIEW))
            rows = await rows_seen(connection, _sql.list, seen, side=side, delivery_pk=delivery_pk, limit=limit)
        return [CommitmentState(**row) for row in rows]

    # The job that checks

    async def _check(self, job: Job, report: Report) -> None:
        del report
        async with self._database.connection() as connection:
            row = await _sql.get.one(connection, pk=job.body["commitment"])
        if row is None or row["state"] not in ("checking", "reporting"):
            return
        device = await self._devices.find(row["peer"])
        policy = DevicePolicy() if device is None else device.policy
        if row["state"] == "checking" and not await self._decide(row, policy, job):
            return
        await self._tell(row, policy)

    async def _decide(self, row: Any, policy: DevicePolicy, job: Job) -> bool:
        """Check what is undecided; whether nothing is left to wait for."""
        pk = row["pk"]
        async with self._database.connection() as connection:
            undecided = [item for item in await _sql.items.all(connection, pk=pk) if item["reason"] is None]
        references = [Reference(item["sop_class"], item["sop_uid"]) for item in undecided]
        verdicts = await self._judge(references, policy.commit_check)
        now = self._clock.now()
        waited = now - row["asked_at"]
        over = waited >= timedelta(seconds=self._settings.commitment_window_s)
        decided = [
            (item["n"], verdict.reason)
            for item, verdict in zip(undecided, verdicts, strict=True)
            if verdict.final or over
        ]
        async with self._database.transaction() as tx:
            await _sql.decide.run(tx, pk=pk, ns=[n for n, _ in decided], reasons=[reason for _, reason in decided])
            if len(decided) == len(undecided):
                await _sql.step.run(tx, pk=pk, before=["checking"], after="reporting", trouble="", at=now)
                return True
            due = now + timedelta(seconds=self._pause_s(waited.total_seconds()))
            await jobs.add(
                tx,
                CHECK,
                job.body,
                at=now,
                due=due,
                queue=QUEUE,
                max_attempts=lanes.ATTEMPTS,
                retry_until=job.retry_until,
            )
        return False

    def _pause_s(self, waited_s: float) -> float:
        left_s = self._settings.commitment_window_s - waited_s
        return max(0.0, min(left_s, max(SOONEST_S, min(waited_s / 2, LATEST_S))))

    async def _judge(self, references: Sequence[Reference], check: str) -> list[Verdict]:
        async with self._database.connection() as connection:
            rows = await _sql.held.all(connection, uids=[each.sop_uid for each in references])
        held = _held(rows)
        size = -(-len(references) // HASHERS) or 1
        shares = [references[start : start + size] for start in range(0, len(references), size)]
        judged = await asyncio.gather(
            *(
                asyncio.to_thread(checks.judge, share, held, self._blobs, check, accept_unknown=self._accept_unknown)
                for share in shares
            )
        )
        return [verdict for share in judged for verdict in share]

    async def _tell(self, row: Any, policy: DevicePolicy) -> None:
        """Report on the association of the request, or see to it that somebody reports on a new one."""
        if row["side"] == "web":  # fetched by whoever asked
            async with self._database.transaction() as tx:
                now = self._clock.now()
                await _sql.step.run(tx, pk=row["pk"], before=["reporting"], after="reported", trouble="", at=now)
            return
        result = await self._result(row)
        if policy.commit != "new" and self._lines is not None and await self._lines.report(row["peer"], result):
            await self._reported(row, result)
            return
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if policy.commit == "same":
                trouble = "the association of the request does not stand, and the device takes no other"
                await _sql.step.run(
                    tx, pk=row["pk"], before=["reporting"], after="undelivered", trouble=trouble, at=now
                )
                log.warning("commitment not reported", peer=row["peer"], commitment=row["pk"], reason=trouble)
            elif await _sql.step.value(tx, pk=row["pk"], before=["reporting"], after="delivering", trouble="", at=now):
                await lanes.add(
                    tx,
                    row["peer"],
                    REPORT,
                    {"commitment": row["pk"]},
                    at=now,
                    priority=REPORT_PRIORITY,
                    retry_until=now + timedelta(hours=self._settings.commitment_retry_hours),
                )

    async def _result(self, row: Any) -> Result:
        return await result_of(self._database, row["pk"], row["transaction_uid"], row["our_ae"] or self._ae_title)

    async def _reported(self, row: Any, result: Result) -> None:
        now = self._clock.now()
        committed, failed = len(result.committed), len(result.failed)
        async with self._database.transaction() as tx:
            before = ["reporting", "delivering"]
            if await _sql.step.value(tx, pk=row["pk"], before=before, after="reported", trouble="", at=now):
                fact = CommitmentReported(commitment_id=row["pk"], peer=row["peer"], committed=committed, failed=failed)
                await feed.append(tx, [fact], now)
        log.info("commitment reported", peer=row["peer"], commitment=row["pk"], committed=committed, failed=failed)

    # The job that reports on a new association, in the lane of the device

    def reporter(self, peer: CommitmentPeer) -> lanes.LaneHandler:
        """What does jobs of kind REPORT."""

        async def report(lane: Lane, job: Job, _: Report) -> None:
            async with self._database.connection() as connection:
                row = await _sql.get.one(connection, pk=job.body["commitment"])
            if row is None or row["state"] != "delivering":
                return
            result = await self._result(row)
            trouble, again = await self._report(lane, peer, row, result)
            if not trouble:
                await self._reported(row, result)
            elif again and not is_last_chance(job, self._clock.now()):
                async with self._database.connection() as connection:
                    await _sql.note.run(connection, pk=row["pk"], trouble=trouble)
                raise NotSentYet(trouble)
            else:
                await self._give_up(row, trouble)

        return report

    async def _report(self, lane: Lane, peer: CommitmentPeer, row: Any, result: Result) -> tuple[str, bool]:
        """What kept the report back ('' when nothing did), and whether to try again.

        Repeating is harmless, for a report names its transaction: so whatever goes wrong with the association, whoever
        is at fault, is tried again.
        """
        device = await self._devices.find(lane.ae_title)
        if device is None or not device.enabled:
            return f"no device is registered as {lane.ae_title}", True
        try:
            code = await peer.report(device, row["our_ae"], result)
        except FilmroomError as error:
            return str(error) or type(error).__name__, True
        await lane.is_well()
        if status_class(code) is not StatusClass.FAILURE:
            return "", False
        return f"the device answered {code:04X}H: {status_name(code)}", code in RETRIED

    async def _give_up(self, row: Any, trouble: str) -> None:
        log.warning("commitment not reported", peer=row["peer"], commitment=row["pk"], reason=trouble)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await _sql.step.run(tx, pk=row["pk"], before=["delivering"], after="undelivered", trouble=trouble, at=now)


# Answers to an N-EVENT-REPORT or N-ACTION after which the same may succeed later (PS3.7 C.5.13, C.5.16).
RETRIED = frozenset({0x0110, 0x0213})


async def keep_out(tx: Connection, who: Principal, pk: int) -> None:
    """Of objects that who asks does not see, the answer is that of objects that are not there."""
    view = view_for(who, Action.STORE)
    if not view.narrow:
        return
    found = {row["sop_uid"]: row["pk"] for row in await _sql.instances.all(tx, pk=pk)}
    seen = await in_sight(tx, view, list(found.values()))
    hidden = [uid for uid, instance in found.items() if instance not in seen]
    await _sql.decide_by_uid.run(tx, pk=pk, uids=hidden, reasons=[NO_SUCH_INSTANCE] * len(hidden))


async def open_transaction(
    tx: Connection,
    side: str,
    peer: str,
    our_ae: str,
    transaction: Transaction,
    state: str,
    at: datetime,
    delivery_pk: int | None = None,
) -> int | None:
    """Write a transaction down; None when its UID is taken."""
    pk: int | None = await _sql.open.value(
        tx,
        side=side,
        peer=peer,
        our_ae=our_ae,
        uid=transaction.uid,
        state=state,
        delivery_pk=delivery_pk,
        at=at,
    )
    if pk is not None:
        await _sql.refer.run(
            tx,
            pk=pk,
            sop_classes=[each.sop_class for each in transaction.references],
            sop_uids=[each.sop_uid for each in transaction.references],
        )
    return pk


async def result_of(database: Database, pk: int, transaction_uid: str, retrieve_ae: str) -> Result:
    """What is decided of a transaction."""
    async with database.connection() as connection:
        rows = await _sql.items.all(connection, pk=pk)
    found = [(Reference(row["sop_class"], row["sop_uid"]), row["reason"]) for row in rows]
    committed = tuple(reference for reference, reason in found if reason == COMMITTED)
    failed = tuple(Failure(reference, reason) for reference, reason in found if reason)
    return Result(transaction_uid, committed, failed, retrieve_ae)


def _held(rows: Sequence[Any]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for row in rows:
        copies = held[row["sop_uid"]].copies if row["sop_uid"] in held else ()
        if row["store"] is not None:
            where = BlobRange(row["store"], row["key"], row["start"], row["size_bytes"])
            copies += (Copy(where, row["digest"], row["dataset_digest"], row["dataset_offset"]),)
        held[row["sop_uid"]] = Held(row["sop_class"], copies)
    return held
