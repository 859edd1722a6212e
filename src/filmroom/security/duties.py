"""Separated duties: system, security and audit are three people's, and none of them looks at patients (GB/T 22239-2019
8.1.4, the three administrators). What somebody holds in all, from every side, decides."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from filmroom.base.errors import FilmroomError, Forbidden
from filmroom.db import queries
from filmroom.db.pool import Connection
from filmroom.security.principals import Principal
from filmroom.security.roles import READY, SEPARATED, Action

sql = queries.load("filmroom.security", "duties.sql")

DUTIES: Final = {Action.ADMINISTER: "system", Action.SECURITY: "security", Action.AUDIT: "audit"}
# What looks at patients, or lets somebody do so.
_LOOKING: Final = frozenset({Action.VIEW, Action.EXPORT, Action.BREAK_GLASS, Action.PROTECTED, Action.SHARE})


class DutiesClash(FilmroomError):
    """One person would hold what must be several people's."""


def clash(actions: Collection[Action]) -> str:
    """What is wrong with somebody who may do all of this; '' when nothing is."""
    held = [name for action, name in DUTIES.items() if action in actions]
    if len(held) > 1:
        return f"{' and '.join(held)} are different people's duties"
    if held and _LOOKING & set(actions):
        return f"whoever has the duty of {held[0]} does not look at patients"
    return ""


def actions_of(role: str, own: Collection[Action] = (), *, separate: bool) -> frozenset[Action]:
    """What a role allows: a ready one, or one of this archive that allows ``own``."""
    if role not in READY:
        return frozenset(own)
    return READY[role].actions - SEPARATED if separate and role == "administrator" else READY[role].actions


class Duties:
    """Keeps duties apart where ``separate``."""

    def __init__(self, *, separate: bool) -> None:
        self.separate = separate

    def demand_other(self, who: Principal, principal: str) -> None:
        """Raise Forbidden for somebody who would change what they may do themselves."""
        if self.separate and who.id == principal:
            raise Forbidden("nobody changes their own rights")

    async def demand_apart(
        self, tx: Connection, principal: str, *, roles: Collection[str] | None = None, also: Collection[str] = ()
    ) -> None:
        """Raise DutiesClash when a person would hold too much with the account's ``roles`` (None: as they are) and
        ``also``."""
        if not self.separate or not principal.startswith("person:"):
            return
        row: Any = await sql.held.one(tx, principal=principal)
        names = {*also, *row["granted"], *(row["roles"] if roles is None else roles)}
        self._demand(_actions(names, {each["name"]: each["actions"] for each in row["own"]}, self.separate))

    async def demand_role(self, tx: Connection, name: str, actions: Collection[Action]) -> None:
        """Raise DutiesClash when a role would give too much, by itself or to somebody who has it."""
        if not self.separate:
            return
        self._demand(actions)
        for principal in await sql.holders.all(tx, role=name):
            row: Any = await sql.held.one(tx, principal=principal["principal"])
            names = {*row["granted"], *row["roles"]} - {name}
            known = {each["name"]: each["actions"] for each in row["own"]}
            self._demand({*actions, *_actions(names, known, self.separate)})

    def _demand(self, actions: Collection[Action]) -> None:
        if text := clash(actions):
            raise DutiesClash(text)


def _actions(names: Iterable[str], own: dict[str, list[str]], separate: bool) -> frozenset[Action]:
    known = {action.value: action for action in Action}
    found: set[Action] = set()
    for name in names:
        found |= actions_of(name, [known[each] for each in own.get(name, ()) if each in known], separate=separate)
    return frozenset(found)
