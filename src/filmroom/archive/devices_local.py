"""The AE titles that the archive itself answers to on its port, each with its own rules and its own view."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from filmroom.archive.devices import AWAY_S, CACHE_S, LOOKUP_S
from filmroom.archive.devices_model import BadDevice, ChangedSince, merged
from filmroom.archive.devices_policy import SERVICES, WRITING_SERVICES
from filmroom.archive.devices_rules import (
    BadValue,
    Fault,
    Rules,
    code,
    flag,
    known_of,
    one_of,
    rule,
    set_of,
    whole,
    words,
)
from filmroom.base.errors import NotFound, Unavailable
from filmroom.base.ids import AeTitle, ae_title
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.security.view import View

log = structlog.get_logger()

# Each is a set of rules that somebody must oversee, and all are kept in memory.
MAX_LOCAL_AES: Final = 256


class NoSuchLocalAe(NotFound):
    """The archive has no AE title of this name beside the one of its settings."""


@dataclass(frozen=True, slots=True)
class LocalPolicy(Rules):
    """What is offered at an AE title of ours, and what is seen there."""

    services: frozenset[str] = rule(
        set_of(one_of(SERVICES)), "Services offered here.", default=SERVICES, unreadable=known_of(SERVICES)
    )
    strangers: frozenset[str] = rule(
        set_of(one_of(SERVICES)),
        "Services that callers who are no registered device may ask of it; empty to refuse them.",
        default=frozenset(),
        unreadable=known_of(()),
    )
    read_only: bool = rule(flag, "Nothing is stored or reported here.", default=False)
    show_rejected: bool = rule(flag, "Rejected objects are seen here.", default=False)
    as_received: bool = rule(flag, "Objects are handed out as received, without corrections.", default=False)
    stations: frozenset[str] = rule(
        set_of(words), "Only series of these station names (0008,1010) are seen.", default=frozenset()
    )
    departments: frozenset[str] = rule(
        set_of(words), "Only studies of these departments are seen.", default=frozenset()
    )
    modalities: frozenset[str] = rule(set_of(code), "Only series of these modalities are seen.", default=frozenset())
    max_age_days: int | None = rule(whole(1, 40_000), "Only studies dated within so many days are seen.")
    quarantine: str = rule(words, "Kept for the rules of filing.", default="")

    @property
    def offered(self) -> frozenset[str]:
        """The services, without those that write where nothing may be written."""
        return self.services - WRITING_SERVICES if self.read_only else self.services

    def view(self) -> View:
        """What callers see here."""
        return View(
            show_rejected=self.show_rejected,
            as_received=self.as_received,
            stations=self.stations,
            departments=self.departments,
            modalities=self.modalities,
            max_age_days=self.max_age_days,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAe:
    """An AE title of ours. ``version`` is 0 for the one that stands in the settings alone."""

    ae_title: AeTitle
    description: str = ""
    enabled: bool = True
    policy: LocalPolicy = field(default_factory=LocalPolicy)
    pk: int = 0
    version: int = 0
    changed_at: datetime | None = None


def described(local: LocalAe) -> dict[str, Any]:
    """An AE title of ours as JSON."""
    return {
        "ae_title": str(local.ae_title),
        "description": local.description,
        "enabled": local.enabled,
        "policy": local.policy.to_row(),
    }


def asked(title: AeTitle, body: Mapping[str, Any]) -> LocalAe:
    """The AE title that ``body`` asks for. Raises BadDevice with everything that is wrong."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    if body.get("ae_title", title) != title:
        faults.append(Fault("/ae_title", "cannot be changed"))
    for name in body.keys() - {"ae_title", "description", "enabled", "policy"}:
        faults.append(Fault(f"/{name}", "is no key of an AE title"))
    for name, read in (("description", words), ("enabled", flag)):
        if body.get(name) is not None:
            try:
                values[name] = read(body[name])
            except BadValue as bad:
                faults.append(Fault(f"/{name}", str(bad)))
    policy = LocalPolicy.parse(body.get("policy") or {}, faults, "/policy")
    if faults:
        raise BadDevice(faults)
    return LocalAe(ae_title=title, policy=policy, **values)


class LocalAes:
    """The AE titles of ours. Looking up is open to everybody inside; changing needs the right to administer."""

    def __init__(self, db: Database, own: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._own = LocalAe(ae_title=ae_title(own), description="of the settings")
        self._sql = load("filmroom.archive", "local_aes.sql")
        self._journal_sql = load("filmroom.archive", "devices.sql")
        self._monotonic = monotonic
        self._known: dict[str, LocalAe] = {self._own.ae_title: self._own}
        self._until = float("-inf")

    async def find(self, title: str) -> LocalAe | None:
        """The AE title of ours that is called, as it was at most CACHE_S ago; while the database is away, as it last
        was (before it was ever read, the one of the settings only)."""
        if self._monotonic() >= self._until:
            try:
                async with asyncio.timeout(LOOKUP_S):
                    self._known = {each.ae_title: each for each in await self.list()}
                self._until = self._monotonic() + CACHE_S
            except (Unavailable, TimeoutError):
                self._until = self._monotonic() + AWAY_S
        return self._known.get(title)

    async def list(self) -> list[LocalAe]:
        """Every one, that of the settings first."""
        async with self._db.connection() as connection:
            found = [_from_row(row) for row in await self._sql.local_aes.all(connection)]
        own = [each for each in found if each.ae_title == self._own.ae_title] or [self._own]
        return own + [each for each in found if each.ae_title != self._own.ae_title]

    async def get(self, title: str) -> LocalAe:
        """The one of this title as it is now. Raises NoSuchLocalAe."""
        for each in await self.list():
            if each.ae_title == title:
                return each
        raise NoSuchLocalAe(f"{title} is no AE title of this archive")

    async def replace(
        self, title: AeTitle, body: Mapping[str, Any], *, expected: int | None = None, who: Principal
    ) -> LocalAe:
        """Answer to this AE title from now on, or change how. Raises BadDevice, ChangedSince, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, title, expected)
            made = await self._write(tx, before, asked(title, body), who)
        self._until = float("-inf")
        return made

    async def patch(
        self, title: AeTitle, patch: Mapping[str, Any], *, expected: int | None = None, who: Principal
    ) -> LocalAe:
        """Change what a JSON merge patch says. Raises NoSuchLocalAe, BadDevice, ChangedSince, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, title, expected)
            present = before or (self._own if title == self._own.ae_title else None)
            if present is None:
                raise NoSuchLocalAe(f"{title} is no AE title of this archive")
            made = await self._write(tx, before, asked(title, merged(described(present), patch)), who)
        self._until = float("-inf")
        return made

    async def remove(self, title: AeTitle, *, expected: int | None = None, who: Principal) -> None:
        """Answer to it no more; that of the settings is as the settings have it again.

        Raises NoSuchLocalAe, ChangedSince, Forbidden.
        """
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, title, expected)
            if before is None:
                raise NoSuchLocalAe(f"{title} is no AE title of this archive")
            await self._sql.remove_local_ae.run(tx, ae_title=title)
            await self._journal(tx, "local-ae.removed", title, described(before), None, who)
        self._until = float("-inf")

    async def _locked(self, tx: Connection, title: str, expected: int | None) -> LocalAe | None:
        await self._sql.lock_local_ae.value(tx, ae_title=title)
        row = await self._sql.local_ae.one(tx, ae_title=title)
        found = None if row is None else _from_row(row)
        if expected is not None and expected != (0 if found is None else found.version):
            raise ChangedSince("it was changed since; read it again, then change it")
        return found

    async def _write(self, tx: Connection, before: LocalAe | None, wanted: LocalAe, who: Principal) -> LocalAe:
        if before is not None and described(before) == described(wanted):
            return before
        rows: Sequence[Any] = await self._sql.local_aes.all(tx)
        if before is None and len(rows) >= MAX_LOCAL_AES:
            raise BadDevice([Fault("", f"would be one AE title more than {MAX_LOCAL_AES}")])
        await self._sql.put_local_ae.run(
            tx,
            ae_title=wanted.ae_title,
            description=wanted.description,
            enabled=wanted.enabled,
            policy=wanted.policy.to_row(),
        )
        made = _from_row(await self._sql.local_ae.one(tx, ae_title=wanted.ae_title))
        action = "local-ae.added" if before is None else "local-ae.changed"
        old = None if before is None else described(before)
        await self._journal(tx, action, wanted.ae_title, old, described(made), who)
        return made

    async def _journal(
        self,
        tx: Connection,
        action: str,
        title: AeTitle,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        who: Principal,
    ) -> None:
        await self._journal_sql.note_change.run(
            tx, who=who.id, action=action, target=f"local-ae:{title}", before=before, after=after
        )
        log.info(action, ae_title=title, who=who.id)


def _from_row(row: Any) -> LocalAe:
    return LocalAe(
        pk=row["pk"],
        ae_title=AeTitle(row["ae_title"]),
        description=row["description"],
        enabled=row["enabled"],
        policy=LocalPolicy.from_row(row["policy"]),
        version=row["version"],
        changed_at=row["changed_at"],
    )
