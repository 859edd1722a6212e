"""Protected patients, and breaking the glass: seeing for a reason and a time what is kept out of sight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound
from filmroom.db import feed, queries
from filmroom.db.pool import Connection, Database
from filmroom.security.audit import AuditEvent, AuditKind, AuditPatient, Recording, about
from filmroom.security.audit_trail import alert
from filmroom.security.policy import Action, demand, may
from filmroom.security.principals import Principal
from filmroom.security.roles_book import RoleBook

sql = queries.load("filmroom.security", "rights.sql")

KINDS: Final = ("vip", "staff")
MIN_REASON: Final = 5
MAX_REASON: Final = 500


class BadGlass(FilmroomError):
    """What is asked for cannot be done: the reason, the time or the kind is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A glass that was broken. ``patient`` counts how many patient records that opened."""

    pks: tuple[int, ...]
    expires_at: datetime


class Glass:
    """Use cases. What is broken counts at every door of every node, for nobody else, and no longer than was said."""

    def __init__(self, database: Database, clock: Clock, book: RoleBook, record: Recording, *, most: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._book = book
        self._record = record
        self._most = most

    async def break_(
        self,
        who: Principal,
        *,
        reason: str,
        patient_id: str = "",
        issuer: str | None = None,
        study: str = "",
        accession: str = "",
        lasts: timedelta | None = None,
    ) -> Broken:
        """Open a patient's records to ``who``, found by identifier, study or accession number.

        Everybody who should know is told. Raises Forbidden, BadGlass, NotFound.
        """
        demand(who, Action.BREAK_GLASS)
        reason = reason.strip()
        if not MIN_REASON <= len(reason) <= MAX_REASON:
            raise BadGlass(f"the reason has {MIN_REASON} to {MAX_REASON} characters")
        lasts = min(lasts or self._most, self._most)
        if lasts <= timedelta(0):
            raise BadGlass("it must last some time")
        now = self._clock.now()
        async with self._database.transaction() as tx:
            patients = await self._patients(tx, patient_id, issuer, study, accession)
            if not patients:
                await self._record(None, self._event(who, "no such patient", patient_id, reason, outcome=4))
                raise NotFound("there is no such patient")
            pks = []
            for patient in patients:
                pks.append(
                    await sql.break_glass.value(
                        tx,
                        principal=who.id,
                        name=who.name,
                        patient_pk=patient,
                        reason=reason,
                        now=now,
                        expires_at=now + lasts,
                    )
                )
            event = self._event(who, "broken", patient_id, reason, studies=(study,) if study else ())
            told, fact = alert(who, "glass-broken", now, count=len(patients), patient=patient_id, study=study)
            await self._record(tx, event)
            await self._record(tx, told)
            await self._book.told(tx)
            await feed.append(tx, [fact], now)
        self._book.forget()
        return Broken(pks=tuple(pks), expires_at=now + lasts)

    async def mend(self, who: Principal, pk: int) -> None:
        """End it before its time: one's own, or as a security officer anybody's. Raises NotFound."""
        own = None if may(who, Action.SECURITY) else who.id
        async with self._database.transaction() as tx:
            found = await sql.mend_glass.value(tx, pk=pk, by=who.id, now=self._clock.now(), principal=own)
            if found is None:
                raise NotFound("no broken glass of yours has this number")
            await self._record(tx, self._event(who, "ended", "", "", detail={"id": pk}))
            await self._book.told(tx)
        self._book.forget()

    async def broken(self, who: Principal) -> Sequence[Mapping[str, Any]]:
        """What was broken, newest first: one's own, or all of it for who audits or looks after security."""
        everybody = may(who, Action.SECURITY) or may(who, Action.AUDIT)
        async with self._database.connection() as connection:
            rows = await sql.broken_glass.all(connection, principal=None if everybody else who.id)
        return [dict(row) for row in rows]

    async def protect(self, who: Principal, patient_id: str, issuer: str, kind: str, *, why: str = "") -> None:
        """Keep a patient out of sight of all but those who may see protected ones. Raises NotFound, BadGlass."""
        demand(who, Action.SECURITY)
        if kind not in KINDS:
            raise BadGlass(f"a patient is protected as {' or '.join(KINDS)}")
        async with self._database.transaction() as tx:
            pk = await sql.patient_by_id.value(tx, patient_id=patient_id, issuer=issuer)
            if pk is None:
                raise NotFound("there is no such patient")
            await sql.protect.run(tx, pk=pk, kind=kind, why=why, by=who.id, now=self._clock.now())
            await self._changed(tx, who, f"protected as {kind}", patient_id, issuer, why)
        self._book.forget()

    async def unprotect(self, who: Principal, patient_id: str, issuer: str) -> None:
        """Let a patient be seen like others again. Raises NotFound."""
        demand(who, Action.SECURITY)
        async with self._database.transaction() as tx:
            pk = await sql.patient_by_id.value(tx, patient_id=patient_id, issuer=issuer)
            if pk is None or await sql.unprotect.value(tx, pk=pk) is None:
                raise NotFound("there is no such protected patient")
            await self._changed(tx, who, "no longer protected", patient_id, issuer, "")
        self._book.forget()

    async def protected(self, who: Principal) -> Sequence[Mapping[str, Any]]:
        """Every protected patient."""
        demand(who, Action.SECURITY)
        async with self._database.connection() as connection:
            return [dict(row) for row in await sql.protected_patients.all(connection)]

    async def _patients(
        self, tx: Connection, patient_id: str, issuer: str | None, study: str, accession: str
    ) -> list[int]:
        if patient_id:
            rows = await sql.patients_by_id.all(tx, patient_id=patient_id, issuer=issuer)
            return [row["patient_pk"] for row in rows]
        found = await sql.patient_of_study.value(tx, study=study, accession=accession)
        return [found] if found is not None else []

    async def _changed(self, tx: Connection, who: Principal, what: str, patient_id: str, issuer: str, why: str) -> None:
        await self._book.told(tx)
        event = about(
            who,
            AuditKind.RIGHTS_CHANGED,
            self._clock.now(),
            what=what,
            patients=(AuditPatient(patient_id, issuer),),
            detail={"why": why} if why else {},
        )
        await self._record(tx, event)

    def _event(self, who: Principal, what: str, patient_id: str, reason: str, **more: Any) -> AuditEvent:
        detail = {**more.pop("detail", {}), **({"reason": reason} if reason else {})}
        patients = (AuditPatient(patient_id),) if patient_id else ()
        return about(
            who, AuditKind.GLASS_BROKEN, self._clock.now(), what=what, patients=patients, detail=detail, **more
        )
