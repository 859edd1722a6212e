"""Share links: some studies, for somebody without an account, for a time, a number of openings, with a PIN or without.

Whoever opens one becomes a principal whose only grant is a scope of these studies: every door decides by that, as it
does for everybody else.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.audit import AuditKind, Recording, about
from filmroom.security.model import SignedIn
from filmroom.security.passwords import Hasher
from filmroom.security.policy import Action, demand, dressed, may
from filmroom.security.principals import Kind, Principal
from filmroom.security.remembered import Remembered, digest
from filmroom.security.roles import Grant
from filmroom.security.scopes import Scope

sql = queries.load("filmroom.security", "shares.sql")

LINK_BYTES: Final = 24
MAX_STUDIES: Final = 50
MAX_LASTS: Final = timedelta(days=90)
WRONG_PINS: Final = 5
ROLE: Final = "share"
# An opened link shows for this long; then it is opened, and counted, again.
SESSION: Final = timedelta(hours=8)


class BadShare(FilmroomError):
    """What is asked for cannot be a share link."""


class ShareRefused(FilmroomError):
    """The link is not, or no longer, good, or the PIN is wrong (the cases are not told apart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAsked:
    """A link to be made."""

    studies: tuple[str, ...]
    lasts: timedelta
    label: str = ""
    pin: str = ""
    max_opens: int | None = None
    download: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A link that was opened: the cookie to come back with, until when, and what it shows."""

    cookie: str
    expires_at: datetime
    studies: tuple[str, ...]


class Shares:
    """Use cases."""

    def __init__(self, database: Database, clock: Clock, pins: Hasher, record: Recording) -> None:
        self._database = database
        self._clock = clock
        self._pins = pins
        self._record = record
        self._known: Remembered[SignedIn] = Remembered(clock)

    async def make(self, who: Principal, asked: ShareAsked, seen: Sequence[str]) -> tuple[int, str]:
        """A new link: its number, and the secret part of its address, which is kept nowhere.

        ``seen`` are those of the studies that ``who`` may share. Raises Forbidden, NotFound, BadShare.
        """
        demand(who, Action.SHARE)
        if not 0 < len(asked.studies) <= MAX_STUDIES:
            raise BadShare(f"a link is for 1 to {MAX_STUDIES} studies")
        if not timedelta(0) < asked.lasts <= MAX_LASTS:
            raise BadShare(f"a link lasts up to {MAX_LASTS.days} days")
        if asked.pin and not (asked.pin.isascii() and 4 <= len(asked.pin) <= 32):
            raise BadShare("a PIN has 4 to 32 characters")
        if asked.max_opens is not None and asked.max_opens < 1:
            raise BadShare("a link can be opened at least once")
        if asked.download:
            demand(who, Action.EXPORT)
        if set(asked.studies) - set(seen):
            raise NotFound("there is no such study")
        secret = secrets.token_urlsafe(LINK_BYTES)
        now = self._clock.now()
        pin = await self._pins.make(asked.pin) if asked.pin else None
        async with self._database.transaction() as tx:
            pk: int = await sql.add.value(
                tx,
                digest=digest(secret),
                studies=list(asked.studies),
                label=asked.label,
                pin_hash=pin,
                download=asked.download,
                max_opens=asked.max_opens,
                made_by=who.id,
                made_by_name=who.name,
                now=now,
                expires_at=now + asked.lasts,
            )
            detail = {"share": pk, "expires_at": (now + asked.lasts).isoformat(), "pin": pin is not None}
            await self._record(
                tx, about(who, AuditKind.SHARED, now, what="link made", studies=asked.studies, detail=detail)
            )
        return pk, secret

    async def open(self, secret: str, pin: str = "") -> Opened:
        """Open a link; counts. Raises ShareRefused."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            row = await sql.by_digest.one(connection, digest=digest(secret), now=now)
        if row is None:
            raise ShareRefused("the link is not valid")
        who = _principal(row)
        if row["pin_hash"] is not None and not await self._pins.check(pin, row["pin_hash"]):
            async with self._database.connection() as connection:
                await sql.wrong_pin.value(connection, pk=row["pk"], most=WRONG_PINS, now=now)
            refused = about(who, AuditKind.LOGIN_REFUSED, now, what="wrong PIN", outcome=4, studies=row["studies"])
            await self._record(None, refused)
            raise ShareRefused("the link is not valid")
        async with self._database.transaction() as tx:
            if await sql.opened.value(tx, pk=row["pk"], now=now) is None:
                raise ShareRefused("the link is not valid")
            cookie = secrets.token_urlsafe(LINK_BYTES)
            ends = min(row["expires_at"], now + SESSION)
            await sql.forget_sessions.run(tx, now=now)
            await sql.add_session.run(tx, digest=digest(cookie), pk=row["pk"], expires_at=ends)
            await self._record(tx, about(who, AuditKind.LOGIN, now, what="link opened", studies=row["studies"]))
        return Opened(cookie=cookie, expires_at=ends, studies=tuple(row["studies"]))

    async def find(self, cookie: str) -> SignedIn | None:
        """Who opened a link and was given this cookie; None when the link has ended."""
        key = digest(cookie)
        if (known := self._known.get(key)) is not None:
            return known
        async with self._database.connection() as connection:
            row = await sql.session.one(connection, digest=key, now=self._clock.now())
        if row is None:
            return None
        found = SignedIn(principal=_principal(row), expires_at=row["ends_at"])
        self._known.put(key, found)
        return found

    async def made(self, who: Principal) -> Sequence[Mapping[str, Any]]:
        """One's own links; a security officer sees everybody's."""
        demand(who, Action.SHARE if not may(who, Action.SECURITY) else Action.SECURITY)
        async with self._database.connection() as connection:
            return [dict(row) for row in await sql.shares.all(connection, made_by=_own(who))]

    async def revoke(self, who: Principal, pk: int) -> None:
        """End a link at once. Raises NotFound."""
        async with self._database.transaction() as tx:
            if await sql.revoke.value(tx, pk=pk, now=self._clock.now(), made_by=_own(who)) is None:
                raise NotFound(f"no link in force has the number {pk}")
            now = self._clock.now()
            await self._record(tx, about(who, AuditKind.SHARED, now, what="link revoked", detail={"share": pk}))
        self._known.clear()


def _own(who: Principal) -> str | None:
    return None if may(who, Action.SECURITY) else who.id


def _principal(row: Mapping[str, Any]) -> Principal:
    actions = frozenset({Action.VIEW, Action.EXPORT} if row["download"] else {Action.VIEW})
    bare = Principal(f"share:{row['pk']}", f"link {row['pk']} of {row['made_by_name']}", Kind.PERSON)
    # Who may see the study made the link: a protected patient's is shown to who was given it.
    grant = Grant(ROLE, actions, (Scope(studies=frozenset(row["studies"])),))
    return dressed(bare, [grant], names=frozenset(), protecting=False)
