"""Reading the audit trail: search, who saw a patient, verification, forgetting in time. Reading is recorded too."""

import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from filmroom.base.clock import Clock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.audit import AuditEvent, AuditKind, AuditPatient, about
from filmroom.security.audit_chain import START, Fault, Row, Seal, Verifier, event_of, genuine
from filmroom.security.audit_trail import AuditTrail
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Kind, Principal

sql = queries.load("filmroom.security", "audit.sql")

PAGE: Final = 2000
MAX_FOUND: Final = 1000
# What counts as having seen somebody's images or data.
SEEN: Final = (AuditKind.ACCESSED, AuditKind.TRANSFERRED, AuditKind.EXPORTED, AuditKind.CHANGED, AuditKind.GLASS_BROKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record in its place."""

    seq: int
    event: AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is searched for; empty fields say nothing. ``before`` goes on from an earlier answer."""

    patient: str = ""
    study: str = ""
    who: str = ""
    kinds: tuple[AuditKind, ...] = ()
    failed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found: ``records`` were read, the chain ends at ``last`` with ``hash``."""

    records: int
    last: int
    hash: str
    checkpoints: int
    faults: tuple[Fault, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


class AuditReading:
    """Use cases of those who audit. Every method raises Forbidden."""

    def __init__(self, database: Database, clock: Clock, trail: AuditTrail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    async def search(self, who: Principal, asked: Asked, limit: int = 100) -> list[Found]:
        """Records, newest first."""
        demand(who, Action.AUDIT)
        limit = min(limit, MAX_FOUND)
        async with self._database.connection() as connection:
            rows = await sql.search.all(
                connection,
                before=asked.before,
                patient=asked.patient or None,
                study=asked.study or None,
                who=asked.who or None,
                kinds=[kind.value for kind in asked.kinds] or None,
                failed=asked.failed,
                since=asked.since,
                until=asked.until,
                limit=limit,
            )
        await self._read(who, "search", patient=asked.patient, study=asked.study)
        return [Found(seq=row["seq"], event=event_of(row["body"])) for row in rows]

    async def one(self, who: Principal, number: str) -> Found:
        """The record with this id. Raises NotFound."""
        demand(who, Action.AUDIT)
        try:
            wanted = str(uuid.UUID(number))
        except ValueError:
            raise NotFound("there is no such record") from None
        async with self._database.connection() as connection:
            row = await sql.one.one(connection, id=wanted)
        if row is None:
            raise NotFound("there is no such record")
        await self._read(who, "read")
        return Found(seq=row["seq"], event=event_of(row["body"]))

    async def who_saw(
        self, who: Principal, patient: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Everybody who saw something of a patient (Patient ID): how often, when first and last, by which doors."""
        demand(who, Action.AUDIT)
        async with self._database.connection() as connection:
            rows = await sql.who_saw.all(
                connection, patient=patient, kinds=[kind.value for kind in SEEN], since=since, until=until
            )
        await self._read(who, "who saw", patient=patient)
        return [dict(row) for row in rows]

    async def export(self, who: Principal, asked: Asked) -> AsyncGenerator[Found, None]:
        """Every record that fits, newest first, however many."""
        demand(who, Action.AUDIT)
        await self._read(who, "export", patient=asked.patient, study=asked.study)
        before = asked.before
        while True:
            async with self._database.connection() as connection:
                rows = await sql.search.all(
                    connection,
                    before=before,
                    patient=asked.patient or None,
                    study=asked.study or None,
                    who=asked.who or None,
                    kinds=[kind.value for kind in asked.kinds] or None,
                    failed=asked.failed,
                    since=asked.since,
                    until=asked.until,
                    limit=PAGE,
                )
            for row in rows:
                yield Found(seq=row["seq"], event=event_of(row["body"]))
            if len(rows) < PAGE:
                return
            before = rows[-1]["seq"]

    async def verify(self, who: Principal, *, written_down: tuple[int, str] | None = None) -> Verdict:
        """Go along the whole chain. ``written_down``: a number and a hash that somebody noted earlier."""
        demand(who, Action.AUDIT)
        folder, keys = self._trail.folder, self._trail.folder.keys()
        outside = [*folder.checkpoints(), *([head] if (head := folder.head()) is not None else [])]
        async with self._database.connection() as connection:
            row = await sql.head.one(connection)
            inside = [Seal(**each) for each in await sql.checkpoints.all(connection)]
        assert row is not None
        faults: list[Fault] = []
        if row["signature"] is not None:
            inside.append(Seal(row["seq"], row["hash"], row["at"], "head", row["key_id"], row["signature"]))
        for seal in [*inside, *outside]:
            if not genuine(seal, keys):
                faults.append(Fault(seal.seq, f"the {seal.kind} at {seal.seq} was not signed by this archive"))
        good = [seal for seal in [*inside, *outside] if genuine(seal, keys)]
        if row["seq"] and folder.head() is None:
            faults.append(Fault(row["seq"], "the file audit/head is missing: the end cannot be vouched for"))
        start = max((seal for seal in good if seal.kind == "pruned"), key=lambda each: each.seq, default=None)
        verifier = Verifier(
            start.seq if start else 0,
            start.hash if start else START,
            [*good, *([_noted(written_down)] if written_down else [])],
        )
        count = await self._along(verifier, row["seq"])
        faults += verifier.finish([*good, *([_noted(written_down)] if written_down else [])])
        if verifier.seq == row["seq"] and count and verifier.hash != row["hash"]:
            faults.append(Fault(row["seq"], "the end of the chain is not the one that was written"))
        await self._read(who, "verified", faults=len(faults))
        return Verdict(
            records=count,
            last=verifier.seq,
            hash=verifier.hash.hex(),
            checkpoints=len(good),
            faults=tuple(sorted(faults, key=lambda fault: fault.seq)),
        )

    async def forget(self, who: Principal, before: datetime) -> int:
        """Delete records older than ``before``; the place is signed, so that the rest still verifies. How many."""
        demand(who, Action.AUDIT)
        if who.kind is Kind.PERSON:
            raise Forbidden("records are forgotten by age, and by nobody's hand")
        async with self._database.transaction() as tx:
            row = await sql.seq_before.one(tx, before=before)
            if row is None:
                return 0
            await sql.allow_prune.value(tx)
            tag = await sql.prune.run(tx, upto=row["seq"])
            await self._trail.sealed_as_pruned(tx, row["seq"], row["hash"])
            await sql.prune_checkpoints.run(tx, upto=row["seq"])
            count = int(tag.rpartition(" ")[2])
            if count:
                event = about(
                    who, AuditKind.AUDIT_PRUNED, self._clock.now(), what="forgotten", detail={"upto": row["seq"]}
                )
                await self._trail(tx, event)
        return count

    async def _along(self, verifier: Verifier, upto: int) -> int:
        count, after = 0, verifier.seq
        while True:
            async with self._database.connection() as connection:
                rows = await sql.rows_after.all(connection, after=after, limit=PAGE)
            for row in rows:
                if row["seq"] > upto:
                    return count  # came while we were reading
                columns = tuple(row)[1:10]
                count += 1
                if not verifier.feed(Row(row["seq"], row["body"], row["hash"], columns)):
                    return count
            if len(rows) < PAGE:
                return count
            after = rows[-1]["seq"]

    async def _read(self, who: Principal, what: str, *, patient: str = "", study: str = "", **more: Any) -> None:
        event = about(
            who,
            AuditKind.AUDIT_READ,
            self._clock.now(),
            what=what,
            patients=(AuditPatient(patient),) if patient else (),
            studies=(study,) if study else (),
            detail=more,
        )
        await self._trail.record(event)


def _noted(written: tuple[int, str]) -> Seal:
    """What somebody wrote down needs no signature: they vouch for it."""
    return Seal(written[0], bytes.fromhex(written[1]), datetime.fromtimestamp(0, UTC), "noted", "", b"")
