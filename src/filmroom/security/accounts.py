"""Accounts: the first administrator, adding and changing people, their passwords."""

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import queries
from filmroom.db.pool import Connection, Database
from filmroom.security.duties import Duties, DutiesClash, actions_of, clash
from filmroom.security.duties import sql as duties_sql
from filmroom.security.lockout import Attempts, factor_key, name_key
from filmroom.security.model import Account, LastAdministrator, NameTaken
from filmroom.security.passwords import Hasher, PasswordRefused, accept_new, one_time_password
from filmroom.security.policy import Action, demand
from filmroom.security.ports import AccountEvent, Auditing, NoAudit
from filmroom.security.principals import Principal
from filmroom.security.roles import ROLES
from filmroom.security.second import SecondPerson
from filmroom.settings import PeopleSettings

log = structlog.get_logger()
sql = queries.load("filmroom.security", "security.sql")

FIRST_NAME = "admin"
ADMINISTRATOR = "administrator"
# Whoever is the last to have one of these keeps it.
KEEPING = frozenset({ADMINISTRATOR, "security-officer"})
_NAME = re.compile(r"[\w][\w.@+-]{0,63}")


class Accounts:
    """People and programs that may sign in. ``on_change`` is called after every change of what somebody may."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        passwords: Hasher,
        settings: PeopleSettings | None = None,
        audit: Auditing | None = None,
        *,
        duties: Duties | None = None,
        second: SecondPerson | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._settings = settings or PeopleSettings()
        self._audit = audit or NoAudit()
        self._duties = duties or Duties(separate=False)
        self._second = second
        if second is not None:
            second.performs["rights", "roles"] = lambda who, body: self.set_roles(who, body["name"], body["roles"])
        self._attempts = Attempts(database, clock)
        self.on_change: list[Callable[[], None]] = []

    async def ensure_first_administrator(self, password: str = "") -> str | None:
        """Make ``admin`` when there is no account at all.

        With an empty ``password`` a one-time password is made, which must be changed at the first sign-in; it is the
        return value, and None in every other case.
        """
        one_time = "" if password else one_time_password()
        async with self._database.transaction() as tx:
            await sql.lock_accounts.run(tx)
            await duties_sql.keeps.run(tx, separate=self._duties.separate)
            if await sql.any_account.value(tx):
                return None
            stored = await self._passwords.make(password or one_time)
            # Nobody else could give another: this one does not run out.
            await self._insert(tx, FIRST_NAME, "", stored, [ADMINISTRATOR], must_change=bool(one_time), until=None)
        log.info("first administrator made", account=FIRST_NAME, one_time=bool(one_time))
        return one_time or None

    async def add(
        self, who: Principal, name: str, *, roles: Collection[str], password: str = "", display_name: str = ""
    ) -> tuple[Account, str | None]:
        """A new account, and the one-time password made for it when none is given.

        Raises NameTaken, PasswordRefused, Forbidden, ValueError for an unknown role or an unusable name.
        """
        demand(who, Action.SECURITY)
        if not _NAME.fullmatch(name):
            raise ValueError("a name has 1 to 64 letters, digits or . @ + - _ and begins with a letter or digit")
        _demand_known(roles)
        if text := self.apart(roles):
            raise DutiesClash(text)
        if password:
            accept_new(password, name, display_name, min_length=self._settings.password_min_length)
        one_time = None if password else one_time_password()
        stored = await self._passwords.make(password or str(one_time))
        async with self._database.transaction() as tx:
            until = None if one_time is None else self._one_time_until()
            must = one_time is not None
            pk = await self._insert(tx, name, display_name, stored, sorted(roles), must_change=must, until=until)
        if pk is None:
            raise NameTaken(f"there is an account called {name} already")
        await self._tell(who, name, "added", roles=",".join(sorted(roles)))
        return await self.of(pk), one_time

    async def set_password(self, who: Principal, name: str, password: str, *, must_change: bool = False) -> None:
        """Give an account a password; every session of it ends. Raises NotFound, Forbidden, PasswordRefused."""
        demand(who, Action.SECURITY)
        account = await self._local(name)
        accept_new(password, account.name, account.display_name, min_length=self._settings.password_min_length)
        await self._set_password(account.pk, password, must_change=must_change)
        await self._attempts.succeeded(name_key(account.name))
        await self._tell(who, account.name, "password set", kind="password-changed")

    async def reset_password(self, who: Principal, name: str) -> str:
        """A one-time password in place of a forgotten one: it is shown once, runs out, and opens nothing but its own
        change. Sessions end, locks too. Raises NotFound, Forbidden."""
        demand(who, Action.SECURITY)
        account = await self._local(name)
        one_time = one_time_password()
        # Nobody could give the last one another: his does not run out.
        until = None if account.last_administrator else self._one_time_until()
        await self._set_password(account.pk, one_time, must_change=True, until=until)
        await self._attempts.succeeded(name_key(account.name))
        await self._tell(who, account.name, "password reset", kind="password-changed")
        return one_time

    async def replace_password(self, account: Account, new: str, *, keep_session: int = 0) -> Account:
        """One's own new password, the old one being proved already. Other sessions end. Raises PasswordRefused."""
        accept_new(new, account.name, account.display_name, min_length=self._settings.password_min_length)
        if await self._passwords.check(new, account.password_hash):
            raise PasswordRefused("same", "the new password is the old one")
        for old in await self._old_passwords(account.pk):
            if await self._passwords.check(new, old):
                raise PasswordRefused("used", "this password was used before")
        await self._set_password(account.pk, new, must_change=False, keep_session=keep_session)
        await self._tell(account.principal(), account.name, "password changed", kind="password-changed")
        return await self.of(account.pk)

    async def choose_password(self, who: Principal, new: str, *, keep_session: int = 0) -> Account:
        """Replace one's own one-time password, having signed in with it. Raises Forbidden when nothing is owed."""
        account = await self._get(who.name)
        if not account.must_change or account.principal().id != who.id:
            raise Forbidden("the present password must be given to change it")
        return await self.replace_password(account, new, keep_session=keep_session)

    async def set_enabled(self, who: Principal, name: str, enabled: bool) -> None:
        """Open or close an account; closing ends its sessions. Raises NotFound, Forbidden, LastAdministrator."""
        demand(who, Action.SECURITY)
        async with self._database.transaction() as tx:
            account = await self._locked(tx, name)
            if not enabled and account.last_administrator:
                raise LastAdministrator
            await sql.set_enabled.run(tx, pk=account.pk, enabled=enabled)
            if not enabled:
                await sql.end_sessions_of.run(tx, account_pk=account.pk, keep=0)
        await self._tell(who, account.name, "enabled" if enabled else "disabled")

    async def set_roles(self, who: Principal, name: str, roles: Collection[str]) -> Account:
        """Give an account these roles in place of what it had. Raises NotFound, Forbidden, LastAdministrator,
        ValueError."""
        demand(who, Action.SECURITY)
        _demand_known(roles)
        self._duties.demand_other(who, (await self._get(name)).principal().id)
        if self._second is not None:
            await self._second(who, "rights", "roles", {"name": name, "roles": sorted(roles)})
        async with self._database.transaction() as tx:
            account = await self._locked(tx, name)
            if account.last_administrator and (account.roles & KEEPING) - set(roles):
                raise LastAdministrator
            await self._duties.demand_apart(tx, account.principal().id, roles=roles)
            await sql.set_roles.run(tx, pk=account.pk, roles=sorted(roles))
        before = ",".join(sorted(account.roles))
        await self._tell(who, account.name, "roles", before=before, after=",".join(sorted(roles)))
        return await self.of(account.pk)

    async def set_display_name(self, who: Principal, name: str, display_name: str) -> Account:
        """The name people read. Raises NotFound, Forbidden."""
        demand(who, Action.SECURITY)
        account = await self._get(name)
        async with self._database.connection() as connection:
            await sql.set_display_name.run(connection, pk=account.pk, display_name=display_name)
        await self._tell(who, account.name, "display name")
        return await self.of(account.pk)

    async def unlock(self, who: Principal, name: str) -> None:
        """Forget an account's wrong attempts. Raises NotFound, Forbidden."""
        demand(who, Action.SECURITY)
        account = await self._get(name)
        await self._attempts.succeeded(name_key(account.name))
        await self._attempts.succeeded(factor_key(account.pk))
        await self._tell(who, account.name, "unlocked")

    async def list(self, who: Principal) -> list[Account]:
        """Every account, by name. Raises Forbidden."""
        demand(who, Action.SECURITY)
        locks = await self._attempts.locks()
        async with self._database.connection() as connection:
            rows = await sql.accounts.all(connection)
        return [self.read(row, locked_until=locks.get(name_key(row["name"]))) for row in rows]

    async def get(self, who: Principal, name: str) -> Account:
        """One account. Raises NotFound, Forbidden."""
        if who.name.casefold() != name.casefold():
            demand(who, Action.SECURITY)
        return await self._get(name)

    async def of(self, pk: int) -> Account:
        """The account with this key. Raises NotFound."""
        async with self._database.connection() as connection:
            row = await sql.account_by_pk.one(connection, pk=pk)
        if row is None:
            raise NotFound("the account is gone")
        return self.read(row)

    async def named(self, name: str) -> Account | None:
        """The account of this name, for whoever checks its password."""
        if "\0" in name:
            return None
        async with self._database.connection() as connection:
            row = await sql.account_by_name.one(connection, name=name)
        return None if row is None else self.read(row)

    def read(self, row: Any, *, locked_until: datetime | None = None) -> Account:
        """A row of ``person``. An expired password must be changed like a one-time one."""
        days, since = self._settings.password_days, row["password_at"]
        expired = bool(days) and since is not None and since + timedelta(days=days) <= self._clock.now()
        return Account(
            pk=row["pk"],
            name=row["name"],
            display_name=row["display_name"],
            roles=frozenset(row["roles"]),
            enabled=row["enabled"],
            must_change=row["must_change"] or (expired and not row["provider"]),
            created_at=row["created_at"],
            provider=row["provider"],
            has_totp=row["has_totp"],
            passkeys=row["passkeys"],
            last_administrator=row["last_administrator"],
            last_sign_in=row["last_sign_in"],
            password_at=since,
            one_time_until=row["one_time_until"],
            locked_until=locked_until,
            password_hash=row["password_hash"],
        )

    def apart(self, roles: Collection[str]) -> str:
        """Why these roles are not one person's, where duties are separated; '' when they may be."""
        separate = self._duties.separate
        actions = {action for role in roles for action in actions_of(role, separate=separate)}
        return clash(actions) if separate else ""

    async def _get(self, name: str) -> Account:
        account = await self.named(name)
        if account is None:
            raise NotFound(f"no account is called {name}")
        return account

    async def _local(self, name: str) -> Account:
        account = await self._get(name)
        if account.provider:
            raise ValueError(f"the password of {account.name} is kept by {account.provider}")
        return account

    async def _locked(self, tx: Connection, name: str) -> Account:
        await sql.lock_accounts.run(tx)
        row = None if "\0" in name else await sql.account_by_name.one(tx, name=name)
        if row is None:
            raise NotFound(f"no account is called {name}")
        return self.read(row)

    async def _insert(
        self,
        tx: Connection,
        name: str,
        display: str,
        stored: str,
        roles: Collection[str],
        *,
        must_change: bool,
        until: datetime | None,
    ) -> int | None:
        pk: int | None = await sql.add_account.value(
            tx,
            name=name,
            display_name=display,
            password_hash=stored,
            must_change=must_change,
            roles=[*roles],
            now=self._clock.now(),
            one_time_until=until,
        )
        return pk

    async def _set_password(
        self, pk: int, password: str, *, must_change: bool, until: datetime | None = None, keep_session: int = 0
    ) -> None:
        stored, now = await self._passwords.make(password), self._clock.now()
        async with self._database.transaction() as tx:
            await sql.keep_old_password.run(tx, pk=pk, now=now)
            if self._settings.password_history:
                await sql.forget_old_passwords.run(tx, pk=pk, most=self._settings.password_history)
            await sql.set_password.run(
                tx, pk=pk, password_hash=stored, must_change=must_change, now=now, one_time_until=until
            )
            await sql.end_sessions_of.run(tx, account_pk=pk, keep=keep_session)

    async def _old_passwords(self, pk: int) -> Collection[str]:
        async with self._database.connection() as connection:
            rows = await sql.old_passwords.all(connection, pk=pk, most=self._settings.password_history)
        return [row["password_hash"] for row in rows]

    def _one_time_until(self) -> datetime:
        return self._clock.now() + timedelta(hours=self._settings.one_time_hours)

    async def _tell(self, who: Principal, about: str, what: str, *, kind: str = "account-changed", **more: str) -> None:
        for each in self.on_change:
            each()
        log.info("account changed", what=what, by=who.id)
        await self._audit.record(AccountEvent(kind=kind, who=who, about=about, detail={"change": what, **more}))


def _demand_known(roles: Collection[str]) -> None:
    if unknown := set(roles) - set(ROLES):
        raise ValueError(f"no role is called {min(unknown)}; there are {', '.join(ROLES)}")
