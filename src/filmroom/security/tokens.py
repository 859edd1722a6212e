"""Bearer tokens for programs: ``fr_...``, shown once, SHA-256 in the table."""

import dataclasses
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.model import SignedIn, TokenRow
from filmroom.security.policy import Action, demand, may
from filmroom.security.ports import AccountEvent, Auditing, Dresses, NoAudit, as_is
from filmroom.security.principals import Kind, Principal, person
from filmroom.security.remembered import Remembered, digest
from filmroom.security.sessions import own_account

log = structlog.get_logger()
sql = queries.load("filmroom.security", "security.sql")

# The prefix lets a secret scanner find a token in a repository or a log.
# The role of accounts that are programs.
PROGRAM = "integration"
PREFIX = "fr_"
TOKEN_BYTES = 32
# A token's last use is written this often at most.
USED_EVERY = timedelta(seconds=60)


class Tokens:
    """Tokens in force."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Auditing | None = None,
        *,
        dress: Dresses = as_is,
        separate: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._separate = separate
        self._audit = audit or NoAudit()
        self._dress = dress
        self._known: Remembered[SignedIn] = Remembered(clock)

    async def issue(
        self,
        who: Principal,
        account: str,
        *,
        label: str = "",
        lasts: timedelta | None = None,
        actions: Collection[Action] | None = None,
    ) -> str:
        """A new token that acts as ``account``, in ``actions`` only where those are given: its text, which is kept
        nowhere. Raises NotFound; Forbidden also for a token that would make a token which may more than itself."""
        if who.only is not None and (actions is None or not set(actions) <= who.only):
            raise Forbidden("a token makes no token that may more than itself")
        async with self._database.connection() as connection:
            row = await sql.account_by_name.one(connection, name=account)
            mine = row is not None and person(row["pk"], row["name"], frozenset()).id == who.id
            if not mine:
                demand(who, Action.SECURITY)
            if row is None:
                raise NotFound(f"no account is called {account}")
            if self._separate and who.kind is Kind.PERSON and not mine and PROGRAM not in row["roles"]:
                raise Forbidden("where duties are separated, a token acts as a program's account or one's own")
            text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
            now = self._clock.now()
            pk = await sql.add_token.value(
                connection,
                digest=digest(text),
                account_pk=row["pk"],
                label=label,
                now=now,
                expires_at=now + lasts if lasts is not None else None,
                actions=None if actions is None else sorted(action.value for action in actions),
            )
        log.info("token issued", token=pk, account=row["pk"], by=who.id)
        limits = "all" if actions is None else ",".join(sorted(action.value for action in actions))
        await self._tell(who, row["name"], "token-issued", token=str(pk), actions=limits)
        return text

    async def find(self, text: str, peer: str = "") -> SignedIn | None:
        """Who acts with this token; None when it is unknown, expired, revoked, or the account is closed."""
        if not text.startswith(PREFIX):
            return None
        key = digest(text)
        if (known := self._known.get(key)) is not None:
            return known
        now = self._clock.now()
        async with self._database.connection() as connection:
            row = await sql.token.one(connection, digest=key, now=now)
            if row is not None and (row["last_used"] is None or row["last_used"] + USED_EVERY <= now):
                await sql.token_used.run(connection, pk=row["token_pk"], now=now, peer=peer)
        if row is None:
            return None
        found = SignedIn(principal=await self._principal(row), expires_at=row["expires_at"], method="token")
        self._known.put(key, found)
        return found

    async def list(self, who: Principal) -> list[TokenRow]:
        """One's own tokens; whoever administers accounts sees everybody's."""
        async with self._database.connection() as connection:
            rows = await sql.tokens.all(connection, account_pk=_own(who))
        return [_listed(row) for row in rows]

    async def revoke(self, who: Principal, pk: int) -> None:
        """End a token: at once here, within seconds on other nodes. Raises NotFound for another's token."""
        async with self._database.connection() as connection:
            ended = await sql.revoke_token.value(connection, pk=pk, now=self._clock.now(), account_pk=_own(who))
        if ended is None:
            raise NotFound(f"there is no token {pk} in force")
        self._known.clear()
        log.info("token revoked", token=pk, by=who.id)
        await self._tell(who, who.name, "token-revoked", token=str(pk))

    def forget(self) -> None:
        """Ask the table again for every token: after an account was closed."""
        self._known.clear()

    async def _principal(self, row: Any) -> Principal:
        who = await self._dress(person(row["pk"], row["name"], frozenset(row["roles"])))
        if row["actions"] is None:
            return who
        known = {action.value: action for action in Action}
        # An action that this release does not know is no leave to do anything.
        return dataclasses.replace(who, only=frozenset(known[name] for name in row["actions"] if name in known))

    async def _tell(self, who: Principal, about: str, kind: str, **detail: str) -> None:
        await self._audit.record(AccountEvent(kind=kind, who=who, about=about, detail=detail))


def _listed(row: Any) -> TokenRow:
    return TokenRow(
        pk=row["pk"],
        account=row["account"],
        label=row["label"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        actions=None if row["actions"] is None else frozenset(row["actions"]),
        last_used=row["last_used"],
        last_peer=row["last_peer"],
    )


def _own(who: Principal) -> int | None:
    """The account a principal is confined to; None for whoever administers accounts."""
    return None if may(who, Action.SECURITY) else own_account(who)
