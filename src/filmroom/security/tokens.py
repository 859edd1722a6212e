"""Bearer tokens for programs: ``fr_...``, shown once, SHA-256 in the table."""

import secrets
from datetime import timedelta

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.model import SignedIn, TokenRow
from filmroom.security.policy import Action, demand, may
from filmroom.security.principals import Principal, person
from filmroom.security.remembered import Remembered, digest

log = structlog.get_logger()
sql = queries.load("filmroom.security")

# The prefix lets a secret scanner find a token in a repository or a log.
PREFIX = "fr_"
TOKEN_BYTES = 32


class Tokens:
    """Tokens in force."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: Remembered[SignedIn] = Remembered(clock)

    async def issue(self, who: Principal, account: str, *, label: str = "", lasts: timedelta | None = None) -> str:
        """A new token that acts as ``account``: its text, which is kept nowhere. Raises NotFound, Forbidden."""
        async with self._database.connection() as connection:
            row = await sql.account_by_name.one(connection, name=account)
            if row is None or person(row["pk"], row["name"], frozenset()).id != who.id:
                demand(who, Action.ADMINISTER)
            if row is None:
                raise NotFound(f"no account is called {account}")
            text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
            now = self._clock.now()
            expires_at = now + lasts if lasts is not None else None
            pk = await sql.add_token.value(
                connection, digest=digest(text), account_pk=row["pk"], label=label, now=now, expires_at=expires_at
            )
        log.info("token issued", token=pk, account=row["pk"], by=who.id)
        return text

    async def find(self, text: str) -> SignedIn | None:
        """Who acts with this token; None when it is unknown, expired, revoked, or the account is closed."""
        if not text.startswith(PREFIX):
            return None
        key = digest(text)
        if (known := self._known.get(key)) is not None:
            return known
        async with self._database.connection() as connection:
            row = await sql.token.one(connection, digest=key, now=self._clock.now())
        if row is None:
            return None
        who = person(row["pk"], row["name"], frozenset(row["roles"]))
        found = SignedIn(principal=who, must_change=False, expires_at=row["expires_at"])
        self._known.put(key, found)
        return found

    async def list(self, who: Principal) -> list[TokenRow]:
        """One's own tokens; an administrator sees everybody's."""
        async with self._database.connection() as connection:
            rows = await sql.tokens.all(connection, account_pk=_own(who))
        return [
            TokenRow(
                pk=row["pk"],
                account=row["account"],
                label=row["label"],
                created_at=row["created_at"],
                expires_at=row["expires_at"],
                revoked_at=row["revoked_at"],
            )
            for row in rows
        ]

    async def revoke(self, who: Principal, pk: int) -> None:
        """End a token: at once here, within seconds on other nodes. Raises NotFound for another's token."""
        async with self._database.connection() as connection:
            ended = await sql.revoke_token.value(connection, pk=pk, now=self._clock.now(), account_pk=_own(who))
        if ended is None:
            raise NotFound(f"there is no token {pk} in force")
        self._known.clear()
        log.info("token revoked", token=pk, by=who.id)

    def forget(self) -> None:
        """Ask the table again for every token: after an account was closed."""
        self._known.clear()


def _own(who: Principal) -> int | None:
    """The account a principal is confined to; None for administrators. 0, which nobody has, for other kinds."""
    if may(who, Action.ADMINISTER):
        return None
    _, _, pk = who.id.partition("person:")
    return int(pk) if pk else 0
