"""Roles as data: the ready ones, those of this archive, who has which with what scope. Read once, remembered while
nothing changes, so that a request costs a look into a dictionary."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound
from filmroom.db import queries
from filmroom.db.pool import Connection, Database
from filmroom.dicom.names import normalise_name
from filmroom.security.audit import AuditEvent, AuditKind, Recording, about, unrecorded
from filmroom.security.duties import Duties, actions_of
from filmroom.security.policy import Action, demand, dressed
from filmroom.security.principals import Kind, Principal
from filmroom.security.roles import READY, Grant, Role
from filmroom.security.scopes import WHOLE, Scope, narrowed, scope_from
from filmroom.security.second import SecondPerson

log = structlog.get_logger()
sql = queries.load("filmroom.security", "rights.sql")

# Other nodes see a change within this time; the node that makes it, at once.
LOOK_AGAIN: Final = timedelta(seconds=5)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,63}")
_PRINCIPAL: Final = re.compile(r"(person:\d{1,18}|device:[\x21-\x7e]{1,16})")
MAX_DRESSED: Final = 20_000


class BadRole(FilmroomError):
    """What is asked for cannot be a role or a grant."""


class RoleInUse(FilmroomError):
    """Somebody has the role: take it from them first."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything of one version."""

    version: int = 0
    roles: Mapping[str, Role] = field(default_factory=dict)
    grants: Mapping[str, Mapping[str, Scope]] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    protecting: bool = False


class RoleBook:
    """Who has what. ``changed`` is called when rights changed: whoever remembers decisions forgets them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        separate_duties: bool = False,
        second: SecondPerson | None = None,
        record: Recording = unrecorded,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._duties = Duties(separate=separate_duties)
        self._second = second
        if second is not None:
            second.performs |= {
                ("rights", "put"): self._put_agreed,
                ("rights", "remove"): lambda who, body: self.remove(who, body["name"]),
                ("rights", "give"): lambda who, body: self.give(
                    who, body["principal"], body["role"], scope_from(body["scope"])
                ),
                ("rights", "take"): lambda who, body: self.take(who, body["principal"], body["role"]),
            }
        self._record = record
        self._changed = changed
        self._known: _Known | None = None
        self._look_at = clock.now()
        self._dressed: dict[Principal, Principal] = {}

    async def dress(self, who: Principal) -> Principal:
        """The principal with its grants and the view that follows from them."""
        if who.kind not in (Kind.PERSON, Kind.DEVICE) or (who.grants is not None):
            return who
        known = await self._now()
        made = self._dressed.get(who)
        if made is None:
            if len(self._dressed) >= MAX_DRESSED:
                self._dressed.clear()
            made = self._dressed[who] = self._dress(who, known)
        return made

    async def roles(self, who: Principal) -> dict[str, Role]:
        """Every role there is, the ready ones first."""
        demand(who, Action.SECURITY)
        return {**READY, **(await self._now()).roles}

    async def put(self, who: Principal, name: str, role: Role) -> None:
        """Make a role, or change one. Raises BadRole, Forbidden."""
        demand(who, Action.SECURITY)
        if not _NAME.fullmatch(name) or name in READY:
            raise BadRole("a role's name has 2 to 64 small letters, digits or -, and is not one of the ready roles'")
        if not role.scopes or len(role.scopes) > 20:
            raise BadRole("a role has 1 to 20 scopes")
        await self._asked(who, "put", name=name, role=_row(role))
        async with self._database.transaction() as tx:
            await self._duties.demand_role(tx, name, role.actions)
            await sql.put_role.run(
                tx,
                name=name,
                actions=sorted(action.value for action in role.actions),
                scopes=[scope.to_row() for scope in role.scopes],
                help=role.help,
                now=self._clock.now(),
            )
            detail = {"role": name, "actions": sorted(action.value for action in role.actions)}
            await self._told(tx, who, "role changed", detail)

    async def remove(self, who: Principal, name: str) -> None:
        """Take a role away for good. Raises NotFound, RoleInUse, Forbidden."""
        demand(who, Action.SECURITY)
        await self._asked(who, "remove", name=name)
        async with self._database.transaction() as tx:
            if await sql.role_in_use.value(tx, name=name):
                raise RoleInUse(f"somebody has the role {name}")
            if await sql.delete_role.value(tx, name=name) is None:
                raise NotFound(f"no role of this archive's own is called {name}")
            await self._told(tx, who, "role removed", {"role": name})

    async def grants(self, who: Principal, principal: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Who was given which role with what scope, beyond the roles of accounts."""
        demand(who, Action.SECURITY)
        async with self._database.connection() as connection:
            return [dict(row) for row in await sql.grants.all(connection, principal=principal)]

    async def give(self, who: Principal, principal: str, role: str, scope: Scope = WHOLE) -> None:
        """Give a role, narrowed by a scope; the same role is given once. Raises BadRole, Forbidden."""
        demand(who, Action.SECURITY)
        if not _PRINCIPAL.fullmatch(principal):
            raise BadRole("a role is given to person:<account's number> or device:<AE title>")
        if role not in READY and role not in (await self._now()).roles:
            raise BadRole(f"no role is called {role}")
        self._duties.demand_other(who, principal)
        await self._asked(who, "give", principal=principal, role=role, scope=scope.to_row())
        async with self._database.transaction() as tx:
            await self._duties.demand_apart(tx, principal, also=[role])
            await sql.put_grant.value(tx, principal=principal, role=role, scope=scope.to_row(), now=self._clock.now())
            await self._told(tx, who, "role given", {"principal": principal, "role": role, "scope": scope.to_row()})

    async def take(self, who: Principal, principal: str, role: str) -> None:
        """Take a role that was given here. Raises NotFound, Forbidden."""
        demand(who, Action.SECURITY)
        self._duties.demand_other(who, principal)
        await self._asked(who, "take", principal=principal, role=role)
        async with self._database.transaction() as tx:
            if await sql.delete_grant.value(tx, principal=principal, role=role) is None:
                raise NotFound(f"{principal} was not given {role} here")
            await self._told(tx, who, "role taken", {"principal": principal, "role": role})

    async def known_as(self, who: Principal, principal: str, names: Sequence[str]) -> None:
        """The person names (``Smith^Jane``) under which somebody refers patients."""
        demand(who, Action.SECURITY)
        folded = sorted({normalise_name(name) for name in names if name.strip()})
        async with self._database.transaction() as tx:
            await sql.forget_referring_names.run(tx, principal=principal)
            await sql.put_referring_names.run(tx, principal=principal, names=folded)
            await self._told(tx, who, "referring names", {"principal": principal, "count": len(folded)})

    async def assign(self, who: Principal, study: str, principal: str, *, off: bool = False) -> None:
        """Assign a study to somebody, or take it off them. Raises NotFound, Forbidden."""
        demand(who, Action.SECURITY)
        statement = sql.unassign if off else sql.assign
        async with self._database.transaction() as tx:
            if await statement.value(tx, study=study, principal=principal) is None:
                raise NotFound("there is no such study")
            await self._told(tx, who, "study taken off" if off else "study assigned", {"principal": principal}, study)

    async def mark(self, who: Principal, study: str, sensitivity: int) -> None:
        """How sensitive a study is (0 to 9): scopes may leave out what is above a number. Raises NotFound, BadRole."""
        demand(who, Action.SECURITY)
        if not 0 <= sensitivity <= 9:
            raise BadRole("sensitivity is a number from 0 to 9")
        async with self._database.transaction() as tx:
            if await sql.set_sensitivity.value(tx, study=study, sensitivity=sensitivity) is None:
                raise NotFound("there is no such study")
            await self._told(tx, who, "sensitivity", {"sensitivity": sensitivity}, study)

    async def put_list(self, who: Principal, name: str, patients: Sequence[tuple[str, str]]) -> None:
        """A patient list with exactly these patients (identifier, issuer); identifiers nobody has are left out."""
        demand(who, Action.SECURITY)
        if not 0 < len(name) <= 100:
            raise BadRole("a list's name has 1 to 100 characters")
        async with self._database.transaction() as tx:
            pk = await sql.put_list.value(tx, name=name)
            await sql.clear_list.run(tx, pk=pk)
            await sql.put_members.run(
                tx,
                pk=pk,
                values=[each[0] for each in patients if each[0]],
                issuers=[each[1] for each in patients if each[0]],
            )
            await self._told(tx, who, "patient list", {"list": name, "patients": len(patients)})

    async def lists(self, who: Principal) -> Sequence[Mapping[str, Any]]:
        """Patient lists with how many patients each has."""
        demand(who, Action.SECURITY)
        async with self._database.connection() as connection:
            return [dict(row) for row in await sql.lists.all(connection)]

    def forget(self) -> None:
        """Read everything anew."""
        self._known = None
        self._dressed.clear()
        self._changed()

    async def told(self, tx: Connection) -> None:
        """Say in a transaction that rights change with it."""
        await sql.rights_changed.run(tx)

    async def _told(
        self, tx: Connection, who: Principal, what: str, detail: Mapping[str, Any], study: str = ""
    ) -> None:
        await self.told(tx)
        studies = (study,) if study else ()
        event: AuditEvent = about(
            who, AuditKind.RIGHTS_CHANGED, self._clock.now(), what=what, studies=studies, detail=detail
        )
        await self._record(tx, event)
        self.forget()

    async def _asked(self, who: Principal, do: str, **body: Any) -> None:
        if self._second is not None:
            await self._second(who, "rights", do, body)

    async def _put_agreed(self, who: Principal, body: Mapping[str, Any]) -> None:
        await self.put(who, body["name"], _role(body["role"]))

    async def _now(self) -> _Known:
        now = self._clock.now()
        known = self._known
        if known is not None and now < self._look_at:
            return known
        async with self._database.connection() as connection:
            version = await sql.rights_version.value(connection)
            if known is None or known.version != version:
                known = await self._read(connection, version)
                self._dressed.clear()
                self._changed()
        self._known, self._look_at = known, now + LOOK_AGAIN
        return known

    async def _read(self, connection: Connection, version: int) -> _Known:
        roles = {row["name"]: _role(row) for row in await sql.roles.all(connection)}
        grants: dict[str, dict[str, Scope]] = {}
        for row in await sql.grants.all(connection, principal=None):
            grants.setdefault(row["principal"], {})[row["role"]] = scope_from(row["scope"])
        names: dict[str, set[str]] = {}
        for row in await sql.referring_names.all(connection, principal=None):
            names.setdefault(row["principal"], set()).add(row["name"])
        return _Known(
            version=version,
            roles=roles,
            grants=grants,
            names={principal: frozenset(each) for principal, each in names.items()},
            protecting=await sql.any_protected.value(connection),
        )

    def _dress(self, who: Principal, known: _Known) -> Principal:
        given = known.grants.get(who.id, {})
        names = known.names.get(who.id, frozenset())
        if who.kind is Kind.DEVICE and not given:
            return dressed(who, None, names=names, protecting=known.protecting)
        grants = []
        for name in sorted({*who.roles, *given}):
            role = READY.get(name) or known.roles.get(name)
            if role is None:
                continue
            actions = actions_of(name, role.actions, separate=self._duties.separate)
            grants.append(Grant(name, actions, narrowed(role.scopes, given.get(name, WHOLE))))
        return dressed(who, grants, names=names, protecting=known.protecting)


def _row(role: Role) -> dict[str, Any]:
    return {
        "actions": sorted(action.value for action in role.actions),
        "scopes": [scope.to_row() for scope in role.scopes],
        "help": role.help,
    }


def _role(row: Any) -> Role:
    known = {action.value: action for action in Action}
    return Role(
        actions=frozenset(known[name] for name in row["actions"] if name in known),
        scopes=tuple(scope_from(each) for each in row["scopes"]),
        help=row["help"],
    )
