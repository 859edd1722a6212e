"""Acts that two people do together: one asks, another agrees, and only then it is done. Who runs the server itself
(the command line) is not asked twice."""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Forbidden, NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.audit import AuditKind, Recording, about
from filmroom.security.policy import Action, demand, may
from filmroom.security.principals import Kind, Principal

log = structlog.get_logger()
sql = queries.load("filmroom.security", "second.sql")

# What may be asked for, and the right that both need.
ACTS: Final[Mapping[str, Action]] = MappingProxyType({"delete": Action.DELETE, "rights": Action.SECURITY})
LASTS: Final = timedelta(days=7)
MAX_WAITING: Final = 1000

# What was agreed to is done in this context, and not asked again.
_AGREED: Final[ContextVar[bool]] = ContextVar("agreed", default=False)

Performs = Callable[[Principal, Mapping[str, Any]], Awaitable[object]]


class Waits(FilmroomError):
    """It waits, under a number, for somebody else to agree."""

    def __init__(self, number: int) -> None:
        super().__init__(f"somebody else has to agree first: it waits as number {number}")
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asked for. ``state``: waiting, done, refused."""

    pk: int
    act: str
    body: Mapping[str, Any]
    why: str
    asked_by: str
    asked_name: str
    asked_at: datetime
    expires_at: datetime
    state: str
    by: str
    by_name: str
    at: datetime | None


class SecondPerson:
    """Use cases. ``performs`` is filled by those whose acts these are: by act and what is done."""

    def __init__(self, database: Database, clock: Clock, record: Recording, acts: str = "") -> None:
        """``acts``: those of ACTS that need two people, separated by commas. Raises ValueError."""
        self._database = database
        self._clock = clock
        self._record = record
        self._acts = frozenset(filter(None, (each.strip() for each in acts.split(","))))
        if unknown := self._acts - ACTS.keys():
            raise ValueError(f"{min(unknown)} is nothing that a second person agrees to; there are {', '.join(ACTS)}")
        self.performs: dict[tuple[str, str], Performs] = {}

    async def __call__(self, who: Principal, act: str, do: str, body: Mapping[str, Any], why: str = "") -> None:
        """Return when it may be done now. Raises Waits: it is written down and waits."""
        if act not in self._acts or who.kind is not Kind.PERSON or _AGREED.get():
            return
        now = self._clock.now()
        async with self._database.transaction() as tx:
            number: int | None = await sql.ask.value(
                tx,
                act=act,
                body={"do": do, **body},
                why=why,
                who=who.id,
                name=who.name,
                now=now,
                expires_at=now + LASTS,
                most=MAX_WAITING,
            )
            if number is None:
                raise Forbidden("too much waits for a second person")
            await self._tell(tx, who, f"{act} asked for", number, do)
        log.info("waits for a second person", number=number, act=act, do=do, by=who.id)
        raise Waits(number)

    async def waiting(self, who: Principal) -> list[Asked]:
        """What waits, and what was decided last, that one has a right to. Newest first."""
        acts = [act for act, right in ACTS.items() if may(who, right)]
        if not acts:
            raise Forbidden(f"{who.name} agrees to nothing")
        async with self._database.connection() as connection:
            rows = await sql.asked.all(connection, acts=acts, now=self._clock.now())
        return [Asked(**row) for row in rows]

    async def agree(self, who: Principal, number: int) -> None:
        """Do what another asked for. Raises NotFound, Forbidden (who asked does not agree), and what the act raises."""
        asked = await self._decide(who, number, "done")
        performs = self.performs[asked.act, asked.body["do"]]
        why = f"{asked.why} (asked by {asked.asked_name}, agreed by {who.name})".strip()
        token = _AGREED.set(True)
        try:
            await performs(who, {**asked.body, "why": why})
        except BaseException:
            async with self._database.connection() as connection:
                await sql.undecided.run(connection, pk=number)
            raise
        finally:
            _AGREED.reset(token)

    async def refuse(self, who: Principal, number: int) -> None:
        """Say no; who asked may take it back. Raises NotFound, Forbidden."""
        await self._decide(who, number, "refused")

    async def _decide(self, who: Principal, number: int, state: str) -> Asked:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            row = await sql.lock.one(tx, pk=number, now=now)
            if row is None or not may(who, ACTS[row["act"]]):
                raise NotFound(f"nothing waits as number {number}")
            demand(who, ACTS[row["act"]])
            if state == "done" and row["asked_by"] == who.id:
                raise Forbidden("somebody else has to agree")
            await sql.decide.run(tx, pk=number, state=state, who=who.id, name=who.name, now=now)
            said = "agreed" if state == "done" else "refused"
            await self._tell(tx, who, f"{row['act']} {said}", number, row["body"]["do"])
        return Asked(**row)

    async def _tell(self, tx: Any, who: Principal, what: str, number: int, do: str) -> None:
        detail = {"number": number, "do": do}
        await self._record(tx, about(who, AuditKind.RIGHTS_CHANGED, self._clock.now(), what=what, detail=detail))
