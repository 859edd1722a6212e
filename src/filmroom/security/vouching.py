"""People for whom somebody else vouches: accounts made the first time they come, roles from their groups each time."""

import re
from collections.abc import Mapping

import structlog

from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.accounts import KEEPING, Accounts
from filmroom.security.model import Account, SignInRefused
from filmroom.security.ports import AccountEvent, Auditing, Vouched
from filmroom.security.roles import ROLES

log = structlog.get_logger()
sql = queries.load("filmroom.security", "security.sql")

_UNUSABLE = re.compile(r"[^\w.@+-]+")


def mapping(text: str) -> Mapping[str, str]:
    """``group=role`` pairs, separated by semicolons: a directory's group names hold commas. Raises ValueError."""
    found = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        group, equals, role = part.rpartition("=")
        if not equals or role.strip() not in ROLES:
            raise ValueError(f"{part!r} is not GROUP=ROLE; the roles are {', '.join(ROLES)}")
        found[group.strip().casefold()] = role.strip()
    return found


def roles_of(groups: frozenset[str], by_group: Mapping[str, str], default: str) -> frozenset[str]:
    """The roles that groups give. A group of a directory counts by its whole name (DN) and by its first part (CN)."""
    names = {name for group in groups for name in (group.casefold(), _first_part(group).casefold())}
    found = frozenset(by_group[name] for name in names if name in by_group)
    return found or frozenset(filter(None, [default]))


def _first_part(group: str) -> str:
    first = group.partition(",")[0]
    return first.partition("=")[2] if "=" in first else first


class Vouching:
    """Let in whom a provider vouches for."""

    def __init__(self, database: Database, accounts: Accounts, audit: Auditing) -> None:
        self._database = database
        self._accounts = accounts
        self._audit = audit

    async def admit(self, person: Vouched, roles: frozenset[str]) -> Account:
        """The account of who came. Raises SignInRefused: no role, or closed here."""
        async with self._database.transaction() as tx:
            await sql.lock_accounts.run(tx)
            row = await sql.account_by_subject.one(tx, provider=person.provider, subject=person.subject)
            if row is None and not roles:
                raise SignInRefused("no group of this person has a role here")
            if text := self._accounts.apart(roles):
                raise SignInRefused(f"the groups of this person clash: {text}")
            if row is None:
                pk = await self._add(tx, person, roles)
            else:
                pk = row["pk"]
                kept = roles | (KEEPING & set(row["roles"]) if row["last_administrator"] else set())
                if kept != set(row["roles"]):
                    await sql.set_roles.run(tx, pk=pk, roles=sorted(kept))
                if person.display_name and person.display_name != row["display_name"]:
                    await sql.set_display_name.run(tx, pk=pk, display_name=person.display_name)
        account = await self._accounts.of(pk)
        if row is None or set(row["roles"]) != account.roles:
            change = {"change": "added" if row is None else "roles", "after": ",".join(sorted(account.roles))}
            who = account.principal()
            await self._audit.record(AccountEvent(kind="account-changed", who=who, about=account.name, detail=change))
        if not account.enabled or not account.roles:
            raise SignInRefused("this account is closed, or has no role any more")
        return account

    async def _add(self, tx: object, person: Vouched, roles: frozenset[str]) -> int:
        """A new account under its own name; somebody else's name is never taken over, so it may get an ending."""
        plain = _UNUSABLE.sub("-", person.name).strip("-.@+")[:48] or "person"
        for name in (plain, f"{plain}@{person.provider}"[:64], *(f"{plain}-{n}" for n in range(2, 100))):
            pk: int | None = await sql.add_vouched.value(
                tx,
                name=name,
                display_name=person.display_name[:200],
                roles=sorted(roles),
                provider=person.provider,
                subject=person.subject,
            )
            if pk is not None:
                log.info("account added", provider=person.provider, account=pk)
                return pk
        raise SignInRefused("no name is free for this account")
