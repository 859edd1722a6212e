"""The audit trail: records go in in batches off the hot path, are chained and signed, and never change again."""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.base.facts import AuditAlert, Fact, InstancesStored
from filmroom.db import feed, queries
from filmroom.db.pool import Connection, Database
from filmroom.security.audit import AuditEvent, AuditKind, AuditPatient, about, noted
from filmroom.security.audit_chain import Seal, Signer, columns_of, link, text_of
from filmroom.security.audit_keys import CHECKPOINT_EVERY, AuditFolder
from filmroom.security.audit_spool import AuditSpool
from filmroom.security.ports import AccountEvent
from filmroom.security.principals import SYSTEM, Kind, Principal

log = structlog.get_logger()
sql = queries.load("filmroom.security", "audit.sql")

# Records waiting for the database. Beyond it whoever acts waits, and is refused after a while: what cannot be recorded
# is not done.
MAX_WAITING: Final = 20_000
ROOM_WITHIN_S: Final = 10.0
BATCH: Final = 1000
GATHER_S: Final = 0.5  # a look costs a question little then: what waits is safe in its file
AGAIN_S: Final = 1.0
# The journal, deliveries and newly stored objects are taken over this often.
FOLLOW_S: Final = 2.0
READER: Final = "audit"

_ACCOUNT_KINDS: Final[Mapping[str, AuditKind]] = {
    "login": AuditKind.LOGIN,
    "login-refused": AuditKind.LOGIN_REFUSED,
    "logout": AuditKind.LOGOUT,
}


class AuditTrail:
    """Writes. ``record`` is for what happens on its own, ``__call__`` with a transaction for what changes data."""

    def __init__(self, database: Database, clock: Clock, folder: Path, *, follows: bool = True) -> None:
        self._database = database
        self._clock = clock
        self.folder = AuditFolder(folder)
        self._signer: Signer = self.folder.signer()
        self._spool = AuditSpool(folder / "spool")
        self._waiting: list[tuple[AuditEvent, Fact | None]] = []
        self._left: list[Path] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._writing = asyncio.Lock()
        self._room.set()
        self._follows = follows
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take over what dead processes left, and begin."""
        for path, events in self._spool.left_by_others():
            self._left.append(path)
            self._waiting += [(event, None) for event in events]
        self._tasks = [asyncio.create_task(self._run())]
        if self._follows:
            self._tasks.append(asyncio.create_task(self._follow()))

    async def stop(self) -> None:
        """Write what waits; what cannot be written now stays in its file for the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(FilmroomError):
            if self._follows:
                await self.follow()
            await self.flush()
        self._spool.close(empty=not self._waiting)

    async def record(self, event: AuditEvent | AccountEvent, fact: Fact | None = None) -> None:
        """Take a record; when it returns, no end of this process can lose it. Raises Unavailable."""
        made = event if isinstance(event, AuditEvent) else _of_account(event, self._clock.now())
        if len(self._waiting) >= MAX_WAITING:
            self._room.clear()
            try:
                async with asyncio.timeout(ROOM_WITHIN_S):
                    await self._room.wait()
            except TimeoutError:
                raise Unavailable("the audit trail cannot be written, and nothing is done unrecorded") from None
        try:
            self._spool.put(made)
        except OSError as error:
            raise Unavailable("the audit trail cannot be written, and nothing is done unrecorded") from error
        self._waiting.append((made, fact))
        self._news.set()
        noted(made)

    async def __call__(self, tx: Connection | None, event: AuditEvent) -> None:
        """Record in a transaction: it is kept if and only if what it tells of is. Without one, ``record``."""
        if tx is None:
            await self.record(event)
            return
        await self._append(tx, [event])
        self._news.set()
        noted(event)

    async def flush(self) -> None:
        """Write everything that waits. Raises Unavailable."""
        async with self._writing:  # two at a time would take the same records, and forget others
            while self._waiting:
                await self._write(self._waiting[:BATCH])
            await self._know_the_end()

    async def follow(self) -> int:
        """Take over what the journal and the deliveries entered and what was stored; how many records."""
        async with self._database.transaction() as tx:
            if not await sql.may_follow.value(tx):
                return 0  # another process is at it
            events = await self._pending(tx)
            facts = await feed.read(self._database, after := await feed.cursor(tx, READER))
            events += _stored(
                [each.fact for each in facts if isinstance(each.fact, InstancesStored)], self._clock.now()
            )
            if facts:
                after = facts[-1].seq
                await feed.advance(tx, READER, after)
            await self._append(tx, await self._named(tx, events))
        self._news.set()
        return len(events) + len(facts)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_S)
            self._news.clear()
            try:
                await self.flush()
            except Unavailable:
                self._news.set()
                await asyncio.sleep(AGAIN_S)
            except Exception:
                log.exception("audit records not written", waiting=len(self._waiting))
                self._news.set()
                await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        while True:
            try:
                while await self.follow() >= BATCH:
                    pass
            except FilmroomError as error:
                log.warning("audit does not follow", error=type(error).__name__)
            except Exception:
                log.exception("audit does not follow")
            await asyncio.sleep(FOLLOW_S)

    async def _write(self, batch: Sequence[tuple[AuditEvent, Fact | None]]) -> None:
        async with self._database.transaction() as tx:
            events = [event for event, _ in batch]
            fresh = await self._append(tx, events)
            facts = [fact for event, fact in batch if fact is not None and event.id in fresh]
            await feed.append(tx, facts, self._clock.now())
        del self._waiting[: len(batch)]
        if len(self._waiting) < MAX_WAITING:
            self._room.set()
        if not self._waiting:
            self._spool.clear()
            for path in self._left:
                path.unlink(missing_ok=True)
            self._left.clear()

    async def _append(self, tx: Connection, events: Sequence[AuditEvent]) -> set[str]:
        """Chain records to the end; those that are there already are left out. Their ids."""
        if not events:
            return set()
        head = await sql.lock_head.one(tx)
        assert head is not None
        signed = self.folder.head()  # looked at before anything is written over a gap
        if signed is not None and signed.seq > head["seq"]:
            self._cut(signed, head["seq"])
        known = {row[0] for row in await sql.known_ids.all(tx, ids=[event.id for event in events])}
        fresh = list({event.id: event for event in events if event.id not in known}.values())
        if not fresh:
            return set()
        seq, hashed = head["seq"], head["hash"]
        texts, hashes = [], []
        for event in fresh:
            seq += 1
            text = text_of(event)
            hashed = link(hashed, seq, text)
            texts.append(text)
            hashes.append(hashed)
        copies = list(zip(*(columns_of(event) for event in fresh), strict=True))
        await sql.append.run(
            tx,
            seqs=list(range(head["seq"] + 1, seq + 1)),
            ids=copies[0],
            ats=copies[1],
            kinds=copies[2],
            outcomes=copies[3],
            whos=copies[4],
            names=copies[5],
            doors=copies[6],
            patients=[orjson.dumps(each) for each in copies[7]],
            studies=[orjson.dumps(each) for each in copies[8]],
            bodies=texts,
            hashes=hashes,
        )
        at = self._clock.now()
        seal = self._signer.seal(seq, hashed, at, "head")
        await sql.set_head.run(tx, seq=seq, hash=hashed, at=at, key_id=seal.key_id, signature=seal.signature)
        if seq // CHECKPOINT_EVERY > head["seq"] // CHECKPOINT_EVERY:
            await self._checkpoint(tx, self._signer.seal(seq, hashed, at, "checkpoint"))
        return {event.id for event in fresh}

    async def sealed_as_pruned(self, tx: Connection, seq: int, hashed: bytes) -> None:
        """Everything up to ``seq`` was forgotten in time: from its hash the chain goes on."""
        await self._checkpoint(tx, self._signer.seal(seq, hashed, self._clock.now(), "pruned"))

    async def _checkpoint(self, tx: Connection, seal: Seal) -> None:
        await sql.add_checkpoint.run(
            tx,
            seq=seal.seq,
            hash=seal.hash,
            at=seal.at,
            kind=seal.kind,
            key_id=seal.key_id,
            signature=seal.signature,
        )

    async def _know_the_end(self) -> None:
        """The signed end as it is committed goes into a file beside the database."""
        known = self.folder.head()  # read first: the database can only be further on
        async with self._database.connection() as connection:
            row = await sql.head.one(connection)
        if row is not None and known is not None and known.seq > row["seq"]:
            self._cut(known, row["seq"])
        elif row is not None and row["signature"] is not None:
            seal = Seal(row["seq"], row["hash"], row["at"], "head", row["key_id"], row["signature"])
            await asyncio.to_thread(self.folder.went_on, seal)

    def _cut(self, known: Seal, seq: int) -> None:
        """The database knows less than was signed: cut, or put back from a backup. The proof is kept."""
        if self.folder.keep(known):
            log.error("the audit trail ends before its signed end", signed=known.seq, found=seq)

    async def _pending(self, tx: Connection) -> list[AuditEvent]:
        events = []
        for row in await sql.take_pending.all(tx, limit=BATCH):
            kind, _, key = row["target"].partition(":")
            studies: list[str] = []
            if kind == "delivery":
                studies = [each[0] for each in await sql.studies_of_delivery.all(tx, pk=int(key))]
            elif kind in ("study", "series", "instance"):
                found = await sql.study_of_target.value(tx, kind=kind, uid=key)
                studies = [found] if found else [key] if kind == "study" else []
            who = row["who"]
            name = await sql.name_of_person.value(tx, who=who) if who.startswith("person:") else None
            events.append(
                AuditEvent(
                    id=str(uuid.uuid4()),
                    at=row["at"],
                    kind=AuditKind(row["kind"]),
                    who=who,
                    who_name=name or who,
                    who_kind=who.partition(":")[0] if ":" in who else "person",
                    patients=await _patients_of(tx, kind, key),
                    what=row["what"],
                    studies=tuple(studies),
                    instances=row["detail"].pop("instances", None),
                    destination=row["detail"].pop("destination", ""),
                    detail={"target": row["target"], **row["detail"]},
                )
            )
        return events

    async def _named(self, tx: Connection, events: Sequence[AuditEvent]) -> list[AuditEvent]:
        """The same with the patients whose studies they are about."""
        wanted = sorted({uid for event in events if not event.patients for uid in event.studies})
        found = await patients_of(tx, wanted) if wanted else {}
        return [
            dataclasses.replace(
                event, patients=tuple(dict.fromkeys(found[uid][0] for uid in event.studies if uid in found))
            )
            if not event.patients
            else event
            for event in events
        ]


async def _patients_of(tx: Connection, kind: str, key: str) -> tuple[AuditPatient, ...]:
    if kind not in ("patient", "order", "step") or not key.isdecimal():
        return ()
    rows = await sql.patient_of_target.all(tx, kind=kind, key=int(key))
    return tuple(AuditPatient(row["id"], row["issuer"], _shown(row)) for row in rows)


def _shown(row: Any) -> str:
    return "=".join(part for part in (row["name_alphabetic"], row["name_ideographic"]) if part)


async def patients_of(connection: Connection, studies: Sequence[str]) -> dict[str, tuple[AuditPatient, bool]]:
    """Whose studies these are, and whether the patient is protected."""
    rows = await sql.patients_of_studies.all(connection, studies=list(studies))
    return {
        row["study_uid"]: (
            AuditPatient(
                row["patient_id"] or "",
                row["issuer"] or "",
                _shown(row),
            ),
            row["protected"],
        )
        for row in rows
    }


def alert(who: Principal, alert_kind: str, at: datetime, *, count: int, **more: Any) -> tuple[AuditEvent, AuditAlert]:
    """The record of an alert, and the fact that tells others of it."""
    event = about(who, AuditKind.ALERT, at, what=alert_kind, detail={"count": count, **more})
    return event, AuditAlert(alert=alert_kind, who=who.id, count=count, audit_id=event.id)


def _of_account(event: AccountEvent, now: datetime) -> AuditEvent:
    who = event.who or Principal("unknown", event.about, Kind.PERSON)
    kind = _ACCOUNT_KINDS.get(event.kind, AuditKind.ACCOUNT_CHANGED)
    made = about(
        who,
        kind,
        now,
        what=event.kind,
        outcome=0 if event.worked else 4,
        detail={"account": event.about, **event.detail},
    )
    return dataclasses.replace(made, address=event.peer or made.address)


def _stored(facts: Sequence[InstancesStored], now: datetime) -> list[AuditEvent]:
    counts: dict[tuple[str, str], int] = {}
    for fact in facts:
        counts[fact.study_uid, fact.source] = counts.get((fact.study_uid, fact.source), 0) + len(fact.sop_uids)
    return [
        AuditEvent(
            id=str(uuid.uuid4()),
            at=now.astimezone(UTC),
            kind=AuditKind.STORED,
            who=f"source:{source}",
            who_name=source or SYSTEM.name,
            who_kind="device",
            what="stored",
            studies=(study,),
            instances=count,
        )
        for (study, source), count in counts.items()
    ]
