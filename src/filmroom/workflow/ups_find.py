"""Search for work items: the selective keys in SQL, all keys on what comes back (PS3.4 CC.2.8)."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from filmroom.db.pool import Connection, Database
from filmroom.dicom.asking import question_from_dataset
from filmroom.dicom.matching import matches_all
from filmroom.dicom.question import JsonDataset, Key, Level, Question, SequenceMatch, Universal
from filmroom.index.query_terms import Parameters, text_condition
from filmroom.workflow import ups_rules as rules

PAGE: Final = 500

_COLUMNS: Final[Mapping[int, str]] = {
    rules.SOP_INSTANCE: "sop_uid",
    rules.STATE: "state",
    rules.LABEL: "label",
    rules.WORKLIST_LABEL: "worklist_label",
    rules.PRIORITY: "priority",
    rules.READINESS: "readiness",
    rules.START: "start_at",
    0x00100020: "patient_id",
    0x0020000D: "study_uid",
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
    parts = ["deleted_at IS NULL"]
    parts += [each for key in question.keys if (each := _of(key, at)) is not None]
    return " AND ".join(parts)


def _of(key: Key, at: Parameters) -> str | None:
    column = _COLUMNS.get(key.path[0])
    if column is None or isinstance(key.match, SequenceMatch | Universal):
        return None
    return text_condition(column, key.match, at)


async def page(
    connection: Connection, question: Question, after: tuple[str, int] | None, limit: int
) -> list[tuple[tuple[str, int], JsonDataset]]:
    """Up to ``limit`` candidates by start, those that follow ``after``, with their place."""
    at = Parameters()
    where = condition(question, at)
    if after is not None:
        where += f" AND (start_at, pk) > ({at.add(after[0])}, {at.add(after[1], 'bigint')})"
    rows: list[Any] = await connection.fetch(
        f"SELECT pk, start_at, attributes FROM workitem WHERE {where} ORDER BY start_at, pk LIMIT {int(limit)}",
        *at.values,
    )
    return [((row["start_at"], row["pk"]), row["attributes"]) for row in rows]


async def found(database: Database, question: Question) -> AsyncIterator[JsonDataset]:
    """Every match, whole; no connection is held between pages."""
    place: tuple[str, int] | None = None
    while True:
        async with database.connection() as connection:
            candidates = await page(connection, question, place, PAGE)
        for _, held in candidates:
            if meets(question, held):
                yield held
        place = candidates[-1][0] if candidates else None
        if len(candidates) < PAGE:
            return
