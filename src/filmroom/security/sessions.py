"""Browser sessions: a random cookie outside, its SHA-256 in the table, a cache of a few seconds between."""

import secrets
from datetime import timedelta

from filmroom.base.clock import Clock
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.model import Account, SignedIn
from filmroom.security.principals import person
from filmroom.security.remembered import Remembered, digest

sql = queries.load("filmroom.security")

COOKIE_BYTES = 32


class Sessions:
    """Open sessions. What this node remembers of one is at most a few seconds old (``remembered``)."""

    def __init__(self, database: Database, clock: Clock, *, lasts: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._lasts = lasts
        self._known: Remembered[SignedIn] = Remembered(clock)

    async def open(self, account: Account, peer: str) -> str:
        """A new session; the cookie's value, which is kept nowhere."""
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await sql.end_old_sessions.run(tx, now=now)
            await sql.add_session.run(
                tx, digest=digest(cookie), account_pk=account.pk, now=now, expires_at=now + self._lasts, peer=peer
            )
        return cookie

    async def find(self, cookie: str) -> SignedIn | None:
        """Whose session this is; None when there is none, it has ended, or the account is closed."""
        key = digest(cookie)
        if (known := self._known.get(key)) is not None:
            return known
        async with self._database.connection() as connection:
            row = await sql.session.one(connection, digest=key, now=self._clock.now())
        if row is None:
            return None
        who = person(row["pk"], row["name"], frozenset(row["roles"]))
        found = SignedIn(principal=who, must_change=row["must_change"], expires_at=row["expires_at"])
        self._known.put(key, found)
        return found

    async def close(self, cookie: str) -> None:
        """End one session, here at once and on other nodes within seconds."""
        key = digest(cookie)
        self._known.forget(key)
        async with self._database.connection() as connection:
            await sql.end_session.run(connection, digest=key)

    def forget(self) -> None:
        """Ask the table again for every session: after a password change or a closed account."""
        self._known.clear()
