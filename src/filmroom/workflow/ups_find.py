"""Search for work items: the selective keys in SQL, all keys on what comes back (PS3.4 CC.2.8)."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Final

from filmroom.db.pool import Connection, Database
from filmroom.db.queries import Statement
from filmroom.dicom.asking import question_from_dataset
from filmroom.dicom.matching import matches_all
from filmroom.dicom.question import JsonDataset, Key, Level, Question, SequenceMatch, Universal
from filmroom.index.narrowed import rows_seen
from filmroom.index.query_terms import Parameters, text_condition
from filmroom.security.view import View
from filmroom.workflow import ups_rules as rules
from filmroom.workflow.sight import item_seen

PAGE: Final = 500

_COLUMNS: Final[Mapping[int, str]] = {
    rules.SOP_INSTANCE: "w.sop_uid",
    rules.STATE: "w.state",
    rules.LABEL: "w.label",
    rules.WORKLIST_LABEL: "w.worklist_label",
    rules.PRIORITY: "w.priority",
    rules.READINESS: "w.readiness",
    rules.START: "w.start_at",
    0x00100020: "w.patient_id",
    0x0020000D: "w.study_uid",
}
# Cannot be asked (table CC.2.5-3), and what only says how to answer.
NOT_KEYS: Final = frozenset({"00081195", "00080005", "00080201", "00080052", "00080053"})


def asked(identifier: JsonDataset, *, fuzzy: bool = False) -> Question:
    """A C-FIND identifier, or the keys of a filtered subscription, as a question. Raises RemoteFault."""
    keys = {name: element for name, element in identifier.items() if name not in NOT_KEYS}
    return question_from_dataset(keys, Level.STUDY, fuzzy=fuzzy, multiple_values=False)


def meets(question: Question, held: JsonDataset) -> bool:
    """Whether an item satisfies every key."""
    return matches_all(question, held)


def condition(question: Question, at: Parameters) -> str:
    """The WHERE of a question; wider than it, never narrower."""
    parts = ["w.deleted_at IS NULL"]
    parts += [each for key in question.keys if (each := _of(key, at)) is not None]
    return " AND ".join(parts)


def _of(key: Key, at: Parameters) -> str | None:
    column = _COLUMNS.get(key.path[0])
    if column is None or isinstance(key.match, SequenceMatch | Universal):
        return None
    return text_condition(column, key.match, at)


async def page(
    connection: Connection, view: View, question: Question, after: tuple[str, int] | None, limit: int
) -> list[tuple[tuple[str, int], JsonDataset]]:
    """Up to ``limit`` candidates by start, those that follow ``after``, with their place."""
    at = Parameters()
    where = f"{condition(question, at)} AND {item_seen(view, at)}"
    if after is not None:
        where += f" AND (w.start_at, w.pk) > ({at.add(after[0])}, {at.add(after[1], 'bigint')})"
    rows: list[Any] = await connection.fetch(
        f"SELECT w.pk, w.start_at, w.attributes FROM workitem w WHERE {where}"
        f" ORDER BY w.start_at, w.pk LIMIT {int(limit)}",
        *at.values,
    )
    return [((row["start_at"], row["pk"]), row["attributes"]) for row in rows]


async def found(database: Database, view: View, question: Question) -> AsyncIterator[JsonDataset]:
    """Every match, whole; no connection is held between pages."""
    place: tuple[str, int] | None = None
    while True:
        async with database.connection() as connection:
            candidates = await page(connection, view, question, place, PAGE)
        for _, held in candidates:
            if meets(question, held):
                yield held
        place = candidates[-1][0] if candidates else None
        if len(candidates) < PAGE:
            return


async def one_item(connection: Connection, statement: Statement, view: View, sop_uid: str) -> Any | None:
    """The row of an item; None also where it is out of sight."""
    rows = await rows_seen(connection, statement, partial(item_seen, view), sop_uid=sop_uid)
    return rows[0] if rows else None
