"""Signing in with name and password: counted, checked in the same time whoever is named, told to the audit."""

from dataclasses import dataclass

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import Unavailable
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.accounts import Accounts
from filmroom.security.lockout import (
    BY_ADDRESS,
    BY_LAST_ADMINISTRATOR,
    BY_NAME,
    Attempts,
    address_key,
    name_key,
)
from filmroom.security.model import Account, AccountLocked, SignInRefused
from filmroom.security.passwords import Hasher
from filmroom.security.ports import AccountEvent, Auditing, Directory
from filmroom.security.vouching import Vouching, roles_of

log = structlog.get_logger()
sql = queries.load("filmroom.security", "security.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRules:
    """A directory, and which of its groups have which role here."""

    directory: Directory
    roles: dict[str, str]
    default_role: str = ""


class SignIn:
    """The one place where a password is checked to let somebody in."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        accounts: Accounts,
        passwords: Hasher,
        vouching: Vouching,
        audit: Auditing,
        directory: DirectoryRules | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._passwords = passwords
        self._vouching = vouching
        self._audit = audit
        self._directory = directory
        self._attempts = Attempts(database, clock)

    async def by_password(self, name: str, password: str, peer: str = "") -> Account:
        """The account whose name and password these are.

        Raises SignInRefused; AccountLocked while the name or the address is locked; Unavailable when the directory
        that keeps the password is away.
        """
        account = await self._accounts.named(name)
        address, named = address_key(peer), name_key(name)
        limit = BY_LAST_ADMINISTRATOR if account is not None and account.last_administrator else BY_NAME
        try:
            await self._attempts.begin(address, BY_ADDRESS)
            await self._attempts.begin(named, limit)
        except AccountLocked:
            await self._refused(name, peer, "locked")
            raise
        try:
            right = await self._right(account, name, password)
        except Unavailable:
            await self._attempts.take_back(named)
            await self._attempts.take_back(address)
            raise
        if right is None:
            await self._refused(name, peer, "wrong name or password")
            raise SignInRefused("wrong name or password")
        await self._attempts.succeeded(named)
        await self._attempts.take_back(address)
        return right

    async def entered(self, account: Account, peer: str, method: str) -> None:
        """Somebody is in, everything being shown: note it."""
        async with self._database.connection() as connection:
            await sql.signed_in.run(connection, pk=account.pk, now=self._clock.now())
        log.info("signed in", account=account.pk, method=method)
        who = account.principal()
        await self._audit.record(
            AccountEvent(kind="login", who=who, about=account.name, peer=peer, detail={"method": method})
        )

    async def refused(self, about: str, peer: str, why: str) -> None:
        """Somebody was turned away elsewhere: by a second factor, or by a provider."""
        await self._refused(about, peer, why)

    async def _right(self, account: Account | None, name: str, password: str) -> Account | None:
        asks_directory = account is None or account.provider == "ldap"
        if asks_directory and self._directory is not None:
            return await self._by_directory(self._directory, name, password)
        local = account is not None and account.provider == ""
        stored = account.password_hash if account is not None and local else None
        right = await self._passwords.check(password, stored)
        if account is None or not right or not account.enabled:
            return None
        if account.one_time_until is not None and account.one_time_until <= self._clock.now():
            return None
        return account

    async def _by_directory(self, rules: DirectoryRules, name: str, password: str) -> Account | None:
        if not password or "\0" in name + password:
            return None
        person = await rules.directory.check(name, password)
        if person is None:
            return None
        try:
            return await self._vouching.admit(person, roles_of(person.groups, rules.roles, rules.default_role))
        except SignInRefused as refused:
            log.warning("a person of the directory may not sign in", why=str(refused))
            return None

    async def _refused(self, name: str, peer: str, why: str) -> None:
        log.warning("sign-in refused", why=why, peer=peer)
        await self._audit.record(
            AccountEvent(kind="login-refused", who=None, about=name[:64], worked=False, peer=peer, detail={"why": why})
        )
