"""Browser sessions: a random cookie outside, its SHA-256 in the table, a cache of a few seconds between."""

import secrets
from datetime import timedelta
from typing import Any

from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.accounts import Accounts
from filmroom.security.model import Account, Owes, SessionRow, SignedIn
from filmroom.security.policy import Action, demand, may
from filmroom.security.ports import AccountEvent, Auditing, Dresses, as_is
from filmroom.security.principals import Principal
from filmroom.security.remembered import Remembered, digest
from filmroom.settings import PeopleSettings

sql = queries.load("filmroom.security", "security.sql")

COOKIE_BYTES = 32
# How long the second step may take.
STEP_LASTS = timedelta(minutes=10)
# A session's last use is written this often at most.
SEEN_EVERY = timedelta(seconds=60)
MAX_LISTED = 1000
MAX_AGENT = 300
# What proves two things at once, or is vouched for by somebody who asks for them.
STRONG = frozenset({"code", "passkey", "oidc"})


class Sessions:
    """Open sessions. What this node remembers of one is at most a few seconds old (``remembered``)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        accounts: Accounts,
        settings: PeopleSettings,
        audit: Auditing,
        *,
        lasts: timedelta,
        dress: Dresses = as_is,
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._audit = audit
        self._dress = dress
        self._lasts = lasts
        self._idle = timedelta(minutes=settings.idle_minutes) if settings.idle_minutes else lasts
        self._strong_roles = frozenset(filter(None, (each.strip() for each in settings.factor_roles.split(","))))
        self._known: Remembered[SignedIn] = Remembered(clock)

    async def open(
        self,
        account: Account,
        peer: str,
        *,
        agent: str = "",
        method: str = "password",
        owes_factor: bool = False,
        provider: str = "",
        provider_id: str = "",
    ) -> str:
        """A new session; the cookie's value, which is kept nowhere. With ``owes_factor`` it opens the second step
        only, and for minutes."""
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await sql.end_old_sessions.run(tx, now=now, idle_since=now - self._idle)
            await sql.add_session.value(
                tx,
                digest=digest(cookie),
                account_pk=account.pk,
                now=now,
                expires_at=now + (STEP_LASTS if owes_factor else self._lasts),
                peer=peer,
                agent=agent[:MAX_AGENT],
                method=method,
                owes_factor=owes_factor,
                provider=provider,
                provider_id=provider_id,
            )
        return cookie

    async def find(self, cookie: str) -> SignedIn | None:
        """Whose session this is; None when there is none, it has ended or stood idle, or the account is closed."""
        key = digest(cookie)
        if (known := self._known.get(key)) is not None:
            return known
        now = self._clock.now()
        async with self._database.connection() as connection:
            row = await sql.session.one(connection, digest=key, now=now, idle_since=now - self._idle)
            if row is not None and row["last_seen"] + SEEN_EVERY <= now:
                await sql.seen.run(connection, pk=row["session_pk"], now=now)
        if row is None:
            return None
        found = await self._signed_in(row)
        self._known.put(key, found)
        return found

    async def list(self, who: Principal, *, everybody: bool = False) -> list[SessionRow]:
        """One's own open sessions, or everybody's. Raises Forbidden."""
        if everybody:
            demand(who, Action.SECURITY)
        now = self._clock.now()
        async with self._database.connection() as connection:
            rows = await sql.sessions.all(
                connection,
                now=now,
                idle_since=now - self._idle,
                account_pk=None if everybody else own_account(who),
                most=MAX_LISTED,
            )
        return [SessionRow(**dict(row)) for row in rows]

    async def close(self, cookie: str, peer: str = "") -> None:
        """Sign out: here at once and on other nodes within seconds."""
        found = await self.find(cookie)
        key = digest(cookie)
        self._known.forget(key)
        async with self._database.connection() as connection:
            await sql.end_session.run(connection, digest=key)
        if found is not None:
            await self._audit.record(
                AccountEvent(kind="logout", who=found.principal, about=found.principal.name, peer=peer)
            )

    async def drop(self, cookie: str) -> None:
        """Forget a session that another takes the place of."""
        self._known.forget(digest(cookie))
        async with self._database.connection() as connection:
            await sql.end_session.run(connection, digest=digest(cookie))

    async def end(self, who: Principal, pk: int) -> None:
        """End a session of one's own; an administrator anybody's. Raises NotFound."""
        limit = None if may(who, Action.SECURITY) else own_account(who)
        async with self._database.connection() as connection:
            name = await sql.end_session_by_pk.value(connection, pk=pk, account_pk=limit)
        if name is None:
            raise NotFound(f"there is no session {pk}")
        await self._ended(who, name)

    async def end_all(self, who: Principal, name: str = "", *, keep: int = 0) -> int:
        """End every session of an account but ``keep``; how many those were. Raises NotFound, Forbidden."""
        account = await self._accounts.get(who, name or who.name)
        async with self._database.connection() as connection:
            tag = await sql.end_sessions_of.run(connection, account_pk=account.pk, keep=keep)
        await self._ended(who, account.name)
        return int(tag.rpartition(" ")[2])

    async def end_of_provider(self, provider: str, *, sid: str = "", subject: str = "") -> None:
        """The provider says that somebody signed out there (OpenID Connect back-channel logout)."""
        async with self._database.connection() as connection:
            await sql.end_sessions_of_provider.run(connection, provider=provider, sid=sid, subject=subject)
        self.forget()

    def forget(self) -> None:
        """Ask the table again for every session: after a password change or a closed account."""
        self._known.clear()

    def owes(self, account: Account, method: str, *, owes_factor: bool = False) -> Owes:
        """What somebody must do next who came in this way."""
        if owes_factor:
            return Owes.FACTOR
        if account.must_change and method != "oidc":
            return Owes.PASSWORD
        if account.roles & self._strong_roles and not account.has_factor and method not in STRONG:
            return Owes.ENROLMENT
        return Owes.NOTHING

    def demands_factor(self, account: Account) -> bool:
        """Whether a password alone must not open it: it has a second factor, or a role demands one."""
        return account.has_factor or bool(account.roles & self._strong_roles)

    async def _signed_in(self, row: Any) -> SignedIn:
        account = self._accounts.read(row)
        return SignedIn(
            principal=await self._dress(account.principal()),
            must_change=account.must_change,
            expires_at=row["expires_at"],
            owes=self.owes(account, row["method"], owes_factor=row["owes_factor"]),
            session=row["session_pk"],
            method=row["method"],
            provider=row["via"],
        )

    async def _ended(self, who: Principal, name: str) -> None:
        self.forget()
        await self._audit.record(AccountEvent(kind="session-ended", who=who, about=name))


def own_account(who: Principal) -> int:
    """The key of a person's own account; 0, which nobody has, for other kinds."""
    _, _, pk = who.id.partition("person:")
    return int(pk) if pk.isdecimal() else 0
