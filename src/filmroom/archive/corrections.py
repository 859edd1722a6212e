"""Correct what was received, without touching it: attributes, and patients that are one. Everything can be undone.

The index rows hold the corrected view, so every question is answered with it; objects and metadata are corrected on
their way out (corrections_out). The journal holds who, when, why, before and after.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from filmroom.archive.corrections_columns import IMAGE_COLUMNS, columns, image_column
from filmroom.archive.corrections_model import (
    BadCorrection,
    CannotUndo,
    Element,
    Entry,
    Target,
    correctable,
    element_of,
)
from filmroom.archive.sight_lists import demand_target, entry_seen
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.base.facts import AttributesCorrected
from filmroom.base.ids import StudyUid
from filmroom.db import feed
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.indextags import IMAGE_TAGS
from filmroom.index.narrowed import rows_seen
from filmroom.security.policy import Action, demand, may, view_for
from filmroom.security.principals import Principal

_sql = load("filmroom.archive", "corrections.sql")
log = structlog.get_logger()

CORRECT, MERGE, UNDO = "correct", "merge", "undo"
MAX_WHY_CHARACTERS = 500
MAX_CHANGES = 100


class Corrections:
    """Use cases. Each raises Forbidden, NotFound, Unavailable where it applies."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def correct(
        self,
        who: Principal,
        level: Target,
        target: str,
        values: Mapping[str, Any],
        *,
        why: str,
        issuer: str | None = None,
    ) -> Entry:
        """Set attributes (by keyword or tag) of a patient (its identifier), study, series or instance (its UID).

        None removes one. All or none of them are set. Raises BadCorrection.
        """
        demand(who, Action.EDIT)
        changes = _changes(level, values)
        async with self._database.transaction() as tx:
            pk = await _patient(tx, target, issuer) if level is Target.PATIENT else 0
            await demand_target(tx, who, Action.EDIT, _name(level, target, pk))
            row = await lock_entity(tx, level, target, pk)
            before = {
                "attributes": _known(level, row, changes),
                "held": await _held(tx, level, row["pk"], list(changes)),
            }
            name = _name(level, target, row["pk"])
            at = self._clock.now()
            entry = await _write(tx, at, who, why, CORRECT, name, before, {"attributes": dict(changes)})
            await set_entity(tx, level, row, changes, at)
            await _sql.hold.run(
                tx,
                level=level.value,
                target_pk=row["pk"],
                tags=list(changes),
                elements=list(changes.values()),
                at=at,
                journal_pk=entry.pk,
            )
            await self._tell(tx, entry, await _touch(tx, level, row["pk"]))
        return entry

    async def merge(
        self, who: Principal, source: str, into: str, *, why: str, issuers: tuple[str | None, str | None] = (None, None)
    ) -> Entry:
        """Two patients are one: studies and identifiers of ``source`` become those of ``into``."""
        demand(who, Action.MERGE)
        async with self._database.transaction() as tx:
            one, other = await _patient(tx, source, issuers[0]), await _patient(tx, into, issuers[1])
            for each in (one, other):
                await demand_target(tx, who, Action.MERGE, f"patient:{each}")
            if one == other:
                raise BadCorrection("they are the same patient already")
            rows = await _sql.lock_pair.all(tx, pks=[one, other])
            if any(row["merged_into"] is not None for row in rows):
                raise BadCorrection("one of them was merged before")
            at = self._clock.now()
            identifiers = [[row["pk"], row["is_primary"]] for row in await _sql.identifiers_of.all(tx, pk=one)]
            studies = [row["pk"] for row in await _sql.move_studies.all(tx, pk=one, into=other)]
            await _sql.move_identifiers.run(tx, pk=one, into=other)
            await _sql.set_merged.run(tx, pk=one, into=other, at=at)
            before = {"patient": one, "studies": studies, "identifiers": identifiers}
            entry = await _write(tx, at, who, why, MERGE, f"patient:{one}", before, {"patient": other})
            await self._tell(tx, entry, await _touch(tx, Target.PATIENT, other))
        return entry

    async def undo(self, who: Principal, number: int, *, why: str) -> Entry:
        """Take an entry of the journal back. Raises CannotUndo when something later depends on it."""
        demand(who, Action.EDIT if may(who, Action.EDIT) else Action.MERGE)
        async with self._database.transaction() as tx:
            row = await _sql.lock_entry.one(tx, pk=number)
            if row is None or row["action"] not in (CORRECT, MERGE):
                raise NotFound(f"the journal has no entry {number} that can be undone")
            if row["undone_by"] is not None:
                raise CannotUndo(f"entry {number} was undone by entry {row['undone_by']}")
            needed = Action.EDIT if row["action"] == CORRECT else Action.MERGE
            demand(who, needed)
            await demand_target(tx, who, needed, row["target"])
            undone = _entry(row)
            at = self._clock.now()
            take_back = _uncorrect if undone.action == CORRECT else _unmerge
            entry = await _write(tx, at, who, why, UNDO, undone.target, undone.after, {"undone": number})
            uids = await take_back(tx, undone, at)
            await _sql.mark_undone.run(tx, pk=number, by=entry.pk)
            await self._tell(tx, entry, uids)
        return entry

    async def journal(
        self, who: Principal, *, target: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """The newest entries, of all or of one ``target`` ('study:1.2.3'), or those older than entry ``before``."""
        action = _reading(who)
        async with self._database.connection() as connection:
            seen = partial(entry_seen, view_for(who, action))
            rows = await rows_seen(connection, _sql.entries, seen, target=target, before=before or 2**62, limit=limit)
        return [_entry(row) for row in rows]

    async def entry(self, who: Principal, number: int) -> Entry:
        """One entry."""
        action = _reading(who)
        async with self._database.connection() as connection:
            rows = await rows_seen(connection, _sql.entry, partial(entry_seen, view_for(who, action)), pk=number)
        if not rows:
            raise NotFound(f"the journal has no entry {number}")
        return _entry(rows[0])

    async def _tell(self, tx: Connection, entry: Entry, uids: Sequence[str]) -> None:
        fact = AttributesCorrected(
            journal_id=entry.pk, action=entry.action, study_uids=tuple(StudyUid(uid) for uid in uids)
        )
        await feed.append(tx, [fact], entry.at)
        log.info("corrected", entry=entry.pk, action=entry.action, studies=len(uids))


def _reading(who: Principal) -> Action:
    """The right by which somebody reads the journal: that of correcting, of merging, or of running the archive."""
    found = next((each for each in (Action.EDIT, Action.MERGE) if may(who, each)), Action.ADMINISTER)
    demand(who, found)
    return found


def _changes(level: Target, values: Mapping[str, Any]) -> dict[str, Element | None]:
    if not 0 < len(values) <= MAX_CHANGES:
        raise BadCorrection(f"give 1 to {MAX_CHANGES} attributes")
    found: dict[str, Element | None] = {}
    for name, value in values.items():
        tag = correctable(level, name)
        found[f"{tag:08X}"] = element_of(tag, value)
    return found


def _name(level: Target, target: str, pk: int) -> str:
    return f"patient:{pk}" if level is Target.PATIENT else f"{level.value}:{target}"


async def _patient(tx: Connection, identifier: str, issuer: str | None) -> int:
    if issuer is not None:
        pk = await _sql.patient_of.value(tx, value=identifier, issuer=issuer)
        found = [] if pk is None else [pk]
    else:
        found = [row["patient_pk"] for row in await _sql.patients_of.all(tx, value=identifier)]
    if not found:
        raise NotFound("there is no such patient")
    if len(found) > 1:
        raise BadCorrection("patients of several issuers have this identifier: say which")
    return int(found[0])


async def lock_entity(tx: Connection, level: Target, target: str, pk: int) -> Any:
    """The row of what is to be changed: a patient by its key, all else by UID. Raises NotFound."""
    if level is Target.PATIENT:
        row = await _sql.lock_patient.one(tx, pk=pk)
    else:
        statement = {Target.STUDY: _sql.lock_study, Target.SERIES: _sql.lock_series}.get(level, _sql.lock_instance)
        row = await statement.one(tx, uid=target)
    if row is None:
        raise NotFound(f"there is no such {level.value}")
    return row


def _known(level: Target, row: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the index has of the attributes that change; null where it has none."""
    found = {name: row["attributes"].get(name) for name in changes}
    if level is Target.INSTANCE:
        found |= {name: {"column": row[column]} for name, column in IMAGE_COLUMNS.items() if name in changes}
    return found


async def _held(tx: Connection, level: Target, pk: int, tags: Sequence[str]) -> dict[str, Any]:
    rows = await _sql.held.all(tx, level=level.value, target_pk=pk, tags=tags)
    return {
        row["tag"]: {"element": row["element"], "at": row["at"].isoformat(), "journal": row["journal_pk"]}
        for row in rows
    }


async def set_entity(
    tx: Connection, level: Target, row: Any, changes: Mapping[str, Element | None], at: datetime
) -> None:
    """Have the index show an entity with these attributes changed; its search columns follow."""
    attributes = dict(row["attributes"])
    for name, element in changes.items():
        if level is Target.INSTANCE and int(name, 16) not in IMAGE_TAGS:
            continue
        attributes.pop(name, None)
        if element is not None:
            attributes[name] = element
    match level:
        case Target.PATIENT:
            await _sql.set_patient.run(tx, pk=row["pk"], at=at, attributes=attributes, **columns(level, attributes))
        case Target.STUDY:
            await _sql.set_study.run(tx, pk=row["pk"], attributes=attributes, **columns(level, attributes))
        case Target.SERIES:
            await _sql.set_series.run(tx, pk=row["pk"], attributes=attributes, **columns(level, attributes))
            if "00080060" in changes:
                await _sql.set_modalities.run(tx, series_pk=row["pk"])
        case Target.INSTANCE:
            values = {column: row[column] for column in IMAGE_COLUMNS.values()}
            for name, element in changes.items():
                if name in IMAGE_COLUMNS:
                    kept = element.get("column", ...) if element is not None else ...
                    values[IMAGE_COLUMNS[name]] = image_column(name, element) if kept is ... else kept
            await _sql.set_instance.run(tx, pk=row["pk"], attributes=attributes or None, **values)


async def _touch(tx: Connection, level: Target, pk: int) -> list[str]:
    statement = {
        Target.PATIENT: _sql.touch_patient,
        Target.STUDY: _sql.touch_study,
        Target.SERIES: _sql.touch_series,
        Target.INSTANCE: _sql.touch_instance,
    }[level]
    return [row["study_uid"] for row in await statement.all(tx, pk=pk)]


async def _uncorrect(tx: Connection, entry: Entry, at: datetime) -> list[str]:
    tags = set(entry.after["attributes"])
    for later in await _sql.later.all(tx, target=entry.target, pk=entry.pk, actions=[CORRECT]):
        if tags & later["after"]["attributes"].keys():
            raise CannotUndo(f"entry {later['pk']} changed the same attributes afterwards: undo that first")
    kind, _, target = entry.target.partition(":")
    level = Target(kind)
    row = await lock_entity(tx, level, target, int(target) if level is Target.PATIENT else 0)
    await set_entity(tx, level, row, entry.before["attributes"], at)
    held = entry.before["held"]
    await _sql.let_go.run(tx, level=level.value, target_pk=row["pk"], tags=sorted(tags - held.keys()))
    for tag, earlier in held.items():
        await _sql.hold.run(
            tx,
            level=level.value,
            target_pk=row["pk"],
            tags=[tag],
            elements=[earlier["element"]],
            at=datetime.fromisoformat(earlier["at"]),
            journal_pk=earlier["journal"],
        )
    return await _touch(tx, level, row["pk"])


async def _unmerge(tx: Connection, entry: Entry, at: datetime) -> list[str]:
    one, other = entry.before["patient"], entry.after["patient"]
    rows = await _sql.lock_pair.all(tx, pks=[one, other])
    if {row["pk"]: row["merged_into"] for row in rows} != {one: other, other: None}:
        raise CannotUndo("the patient was merged further: undo that first")
    await _sql.move_back.run(tx, pks=entry.before["studies"], into=one)
    pairs = entry.before["identifiers"]
    await _sql.identifiers_back.run(tx, pks=[pk for pk, _ in pairs], primary=[flag for _, flag in pairs], into=one)
    await _sql.set_merged.run(tx, pk=one, into=None, at=at)
    uids = [row["study_uid"] for row in await _sql.touch_studies.all(tx, pks=entry.before["studies"])]
    return uids + await _touch(tx, Target.PATIENT, other)


async def _write(
    tx: Connection,
    at: datetime,
    who: Principal,
    why: str,
    action: str,
    target: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Entry:
    why = " ".join(why.split())
    if not 0 < len(why) <= MAX_WHY_CHARACTERS:
        raise BadCorrection(f"say why, in at most {MAX_WHY_CHARACTERS} characters")
    pk = await _sql.write.value(
        tx, at=at, who=who.name, why=why, action=action, target=target, before=dict(before), after=dict(after)
    )
    return Entry(pk, at, who.name, why, action, target, before, after, None)


def _entry(row: Any) -> Entry:
    return Entry(
        row["pk"],
        row["at"],
        row["who"],
        row["why"],
        row["action"],
        row["target"],
        row["before"] or {},
        row["after"] or {},
        row["undone_by"],
    )
