"""Accounts: the first administrator, adding people, passwords, signing in."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import queries
from filmroom.db.pool import Connection, Database
from filmroom.security.model import Account, AccountLocked, NameTaken, SignInRefused
from filmroom.security.passwords import Hasher, PasswordRefused, accept_new, one_time_password
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.security.roles import ROLES

log = structlog.get_logger()
sql = queries.load("filmroom.security")

# Five wrong passwords in a row lock an account for a quarter of an hour: 480 guesses a day.
WRONG_PASSWORDS = 5
LOCKED_FOR = timedelta(minutes=15)

FIRST_NAME = "admin"
_NAME = re.compile(r"[\w][\w.@+-]{0,63}")


class Accounts:
    """People and programs that may sign in."""

    def __init__(self, database: Database, clock: Clock, passwords: Hasher) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords

    async def ensure_first_administrator(self, password: str = "") -> str | None:
        """Make ``admin`` when there is no account at all.

        With an empty ``password`` a one-time password is made, which must be changed at the first sign-in; it is the
        return value, and None in every other case.
        """
        one_time = "" if password else one_time_password()
        stored = None
        async with self._database.transaction() as tx:
            await sql.lock_accounts.run(tx)
            if await sql.any_account.value(tx):
                return None
            stored = await self._passwords.make(password or one_time)
            await self._insert(tx, FIRST_NAME, "", stored, ["administrator"], must_change=bool(one_time))
        log.info("first administrator made", account=FIRST_NAME, one_time=bool(one_time))
        return one_time or None

    async def add(
        self, who: Principal, name: str, *, roles: Collection[str], password: str = "", display_name: str = ""
    ) -> tuple[Account, str | None]:
        """A new account, and the one-time password made for it when none is given.

        Raises NameTaken, PasswordRefused, Forbidden, ValueError for an unknown role or an unusable name.
        """
        demand(who, Action.ADMINISTER)
        if not _NAME.fullmatch(name):
            raise ValueError("a name has 1 to 64 letters, digits or . @ + - _ and begins with a letter or digit")
        if unknown := set(roles) - set(ROLES):
            raise ValueError(f"no role is called {min(unknown)}; there are {', '.join(ROLES)}")
        if password:
            accept_new(password, name)
        one_time = None if password else one_time_password()
        stored = await self._passwords.make(password or str(one_time))
        async with self._database.transaction() as tx:
            row = await self._insert(tx, name, display_name, stored, sorted(roles), must_change=one_time is not None)
        if row is None:
            raise NameTaken(name)
        log.info("account added", account=name, roles=sorted(roles), by=who.id)
        return _account(row), one_time

    async def sign_in(self, name: str, password: str) -> Account:
        """The account whose name and password these are. Raises SignInRefused, or AccountLocked while it is locked."""
        now = self._clock.now()
        row = await self._row(name)
        if row is not None and row["locked_until"] is not None and row["locked_until"] > now:
            raise AccountLocked(row["locked_until"])
        right = await self._passwords.check(password, row["password_hash"] if row is not None else None)
        if row is None:
            raise SignInRefused("wrong name or password")
        if not right:
            async with self._database.connection() as connection:
                until = now + LOCKED_FOR
                await sql.sign_in_failed.run(connection, pk=row["pk"], now=now, most=WRONG_PASSWORDS, until=until)
            log.warning("sign-in refused", account=row["pk"])
            raise SignInRefused("wrong name or password")
        if not row["enabled"]:
            raise SignInRefused("wrong name or password")
        if row["failed_logins"]:
            async with self._database.connection() as connection:
                await sql.sign_in_worked.run(connection, pk=row["pk"])
        return _account(row)

    async def change_password(self, name: str, old: str, new: str) -> Account:
        """Replace one's own password; every session of the account ends. Raises SignInRefused, PasswordRefused."""
        account = await self.sign_in(name, old)
        accept_new(new, account.name)
        if old == new:
            raise PasswordRefused("the new password is the old one")
        await self._set_password(account.pk, new, must_change=False)
        return await self._get(account.name)

    async def choose_password(self, who: Principal, new: str) -> Account:
        """Replace one's own one-time password, having signed in with it. Raises Forbidden when nothing is owed."""
        account = await self._get(who.name)
        if not account.must_change or account.principal().id != who.id:
            raise Forbidden("the present password must be given to change it")
        accept_new(new, account.name)
        if await self._passwords.check(new, account.password_hash):
            raise PasswordRefused("the new password is the old one")
        await self._set_password(account.pk, new, must_change=False)
        return await self._get(account.name)

    async def set_password(self, who: Principal, name: str, password: str, *, must_change: bool = False) -> None:
        """Give an account a password; every session of it ends. Raises NotFound, Forbidden, PasswordRefused."""
        demand(who, Action.ADMINISTER)
        account = await self._get(name)
        accept_new(password, account.name)
        await self._set_password(account.pk, password, must_change=must_change)
        log.info("password set", account=account.pk, by=who.id)

    async def set_enabled(self, who: Principal, name: str, enabled: bool) -> None:
        """Open or close an account; closing ends its sessions. Raises NotFound, Forbidden."""
        demand(who, Action.ADMINISTER)
        account = await self._get(name)
        async with self._database.transaction() as tx:
            await sql.set_enabled.run(tx, pk=account.pk, enabled=enabled)
            if not enabled:
                await sql.end_sessions_of.run(tx, account_pk=account.pk)
        log.info("account enabled" if enabled else "account disabled", account=account.pk, by=who.id)

    async def list(self, who: Principal) -> list[Account]:
        """Every account, by name. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            return [_account(row) for row in await sql.accounts.all(connection)]

    async def get(self, who: Principal, name: str) -> Account:
        """One account. Raises NotFound, Forbidden."""
        if who.name.casefold() != name.casefold():
            demand(who, Action.ADMINISTER)
        return await self._get(name)

    async def _get(self, name: str) -> Account:
        row = await self._row(name)
        if row is None:
            raise NotFound(f"no account is called {name}")
        return _account(row)

    async def _row(self, name: str) -> Any | None:
        if "\0" in name:
            return None
        async with self._database.connection() as connection:
            return await sql.account_by_name.one(connection, name=name)

    async def _insert(
        self, tx: Connection, name: str, display: str, stored: str, roles: Collection[str], *, must_change: bool
    ) -> Any | None:
        return await sql.add_account.one(
            tx, name=name, display_name=display, password_hash=stored, must_change=must_change, roles=[*roles]
        )

    async def _set_password(self, pk: int, password: str, *, must_change: bool) -> None:
        stored = await self._passwords.make(password)
        async with self._database.transaction() as tx:
            await sql.set_password.run(tx, pk=pk, password_hash=stored, must_change=must_change)
            await sql.end_sessions_of.run(tx, account_pk=pk)


def _account(row: Any) -> Account:
    return Account(
        pk=row["pk"],
        name=row["name"],
        display_name=row["display_name"],
        roles=frozenset(row["roles"]),
        enabled=row["enabled"],
        must_change=row["must_change"],
        created_at=row["created_at"],
        locked_until=row["locked_until"],
        password_hash=row["password_hash"],
    )
