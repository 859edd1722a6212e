"""The modality worklist: which scheduled steps a modality's query finds, one worklist item each (PS3.4 annex K)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from filmroom.base.clock import Clock, SystemClock
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.question import JsonDataset
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.workflow.asking import Asked, answer, satisfied, step_question
from filmroom.workflow.candidates import entries
from filmroom.workflow.model import NoSuchOrder

_sql = load("filmroom.workflow", "worklist.sql")

# Candidates per round trip: the first page is small, for most worklists are.
FIRST_PAGE: Final = 100
PAGE: Final = 1000

# Queries kept for the debugger: about a day of forty modalities that ask every few minutes is more than this, but the
# one that a person telephones about is a moment old.
KEPT_QUERIES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One query as it was asked. ``status`` is the final one, ``took_ms`` until then."""

    pk: int
    at: datetime
    calling_ae: str
    identifier: JsonDataset
    fuzzy: bool
    matches: int
    status: int
    took_ms: float


# Groups of the patient's attributes, and what else names somebody.
_PERSONAL: Final = ("0010", "00380010", "00080050", "0020000D")
MASK: Final = "***"


def masked(identifier: JsonDataset) -> JsonDataset:
    """A query without what it asks of a patient: each such value becomes ``***``, and one that is empty stays so."""
    kept: JsonDataset = {}
    for name, element in identifier.items():
        if name.startswith(_PERSONAL) and element.get("Value"):
            value: object = {"Alphabetic": MASK} if element.get("vr") == "PN" else MASK
            kept[name] = {"vr": element.get("vr"), "Value": [value]}
        else:
            kept[name] = element
    return kept


class Worklist:
    """Answers worklist queries, and remembers the last of them as they were asked."""

    def __init__(self, database: Database, clock: Clock | None = None, *, keep_values: bool = True) -> None:
        """``keep_values``: remembered queries keep what they ask of the patient."""
        self._database = database
        self._keep_values = keep_values
        self._clock = clock or SystemClock()

    async def find(self, who: Principal, asked: Asked) -> AsyncIterator[JsonDataset]:
        """The answers by start date and time. No connection is held between pages. Raises Unavailable, Forbidden."""
        demand(who, Action.VIEW)
        wanted, place, limit = replace(asked.candidates, view=view_for(who, Action.VIEW)), None, FIRST_PAGE
        asked_of_step, attributes = step_question(asked), asked.wanted
        while True:
            async with self._database.connection() as connection:
                page = await entries(connection, wanted, limit, place)
            for entry in page:
                if satisfied(asked, entry.item, asked_of_step):
                    yield answer(attributes, entry.item)
            if len(page) < limit:
                return
            place, limit = page[-1].place, PAGE

    async def remember(self, asked: Asked, *, matches: int, status: int, took_ms: float) -> None:
        """Keep a query for the debugger; the oldest one goes."""
        async with self._database.transaction() as tx:
            # Losing the last second of these in a crash hurts nobody; waiting for the disk would.
            await tx.execute("SET LOCAL synchronous_commit = off")
            await _sql.add_query.run(
                tx,
                at=self._clock.now(),
                calling_ae=asked.calling_ae,
                identifier=asked.identifier if self._keep_values else masked(asked.identifier),
                fuzzy=asked.fuzzy,
                matches=matches,
                status=status,
                took_ms=took_ms,
                keep=KEPT_QUERIES,
            )

    async def captured(self, who: Principal, calling_ae: str = "", limit: int = 50) -> list[Captured]:
        """The last queries, newest first; of one AE title when named. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            rows = await _sql.queries.all(connection, calling_ae=calling_ae, limit=limit)
        return [_captured(row, who) for row in rows]

    async def captured_query(self, who: Principal, pk: int) -> Captured:
        """One of them. Raises NoSuchOrder, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            row = await _sql.query.one(connection, pk=pk)
        if row is None:
            raise NoSuchOrder("no such worklist query is remembered")
        return _captured(row, who)


def _captured(row: Any, who: Principal) -> Captured:
    """A query as remembered; who sees a part of the archive reads no names in it."""
    found = Captured(**dict(row))
    narrow = view_for(who, Action.ADMINISTER).narrow
    return replace(found, identifier=masked(found.identifier)) if narrow else found
