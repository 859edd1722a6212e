"""The rows of a batch: put together, written in one statement, and which series were filed into lately.

Nearly every object belongs to a series that the one before it belonged to, and is new: for those the database is told
the keys it gave before, and looks nothing up. Whatever else a batch holds goes the longer way, whole.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import structlog

from filmroom.archive import duplicates_store
from filmroom.archive.arrival import Arrival
from filmroom.archive.corrections_model import Target
from filmroom.archive.duplicates import Copy
from filmroom.archive.rules import Admission
from filmroom.archive.rules_update import UpdatePolicy, updated
from filmroom.archive.rules_update_store import take_over
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.base.facts import InstancesDeleted, InstancesStored
from filmroom.base.ids import SeriesUid, SopUid, StudyUid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.dicom.attributes import full_record
from filmroom.index import store as index
from filmroom.index.store import BatchSeries, Group, Known, NewInstance, SeriesKeys
from filmroom.storage.model import LOCAL

log = structlog.get_logger()

# Series in progress at one time, with room: forgetting one costs a longer statement.
REMEMBERED_SERIES = 4096
ATTEMPTS = 4
ELSEWHERE = "the SOP Instance UID is here elsewhere; both are kept"
# Less than the database takes to look for a deadlock (1 s): what nobody waits for gives way.
TAKE_OVER_WAITS_MS = 200


@dataclass(slots=True)
class _Series:
    """A series that was filed into lately. ``aged``: it may hold objects from before, or has been sent twice."""

    keys: SeriesKeys
    aged: bool


class Rows:
    """Writes batches into the index. Raises Unavailable, NoSpace or index.NotIndexable; then nothing was written."""

    def __init__(self, database: Database, watch: FeedWatch, clock: Clock, rules: Admission | None = None) -> None:
        self._database = database
        self._feed = watch
        self._clock = clock
        self._rules = rules
        self._series: OrderedDict[bytes, _Series] = OrderedDict()
        self._taking_over = False
        # Series of which an object said something that was not heard before, each with that object.
        self.to_take_over: dict[tuple[StudyUid, SeriesUid], Arrival] = {}

    async def file(self, batch: Sequence[Arrival]) -> dict[int, str]:
        """Write the rows of ``batch``. By place (from 0) those that are not new, and why: 'already', 'conflict' or
        'refused'."""
        exceptions = await self._file_known(batch) if self._all_known(batch) else None
        if exceptions is None:
            exceptions = await self._file_any(batch)
        self._feed.appended()
        for place in exceptions:
            self._mark_aged(batch[place])
        return exceptions

    async def warm(self) -> None:
        """Have the statements of filing planned on the connection that filing keeps."""
        async with self._database.kept() as connection:
            await index.warm(connection, self._clock.now(), LOCAL)

    async def known(self, sop_uids: Sequence[str]) -> dict[str, Known]:
        """Those of ``sop_uids`` that the index has."""
        async with self._database.connection() as connection:
            return await index.known_objects(connection, LOCAL, sop_uids)

    async def replace(self, arrival: Arrival, known: Known) -> None:
        """An object whose bytes were lost has come again."""
        place = arrival.place
        assert place is not None
        async with self._database.transaction() as tx:
            where = index.Place(place.store, place.key, place.start, place.size_bytes)
            await index.replace_bytes(tx, known.pk, where, arrival.blob_digest(), len(arrival.head))

    async def copy_here(self, arrival: Arrival) -> tuple[int, Copy] | None:
        """What the index has of an object, for a decision about another under its UID: its key, and what it is."""
        keys = arrival.keys
        async with self._database.connection() as connection:
            return await duplicates_store.here_for(connection, arrival.sop_uid, keys.study_uid, keys.series_uid)

    async def note_ignored(self, arrival: Arrival, here: Copy, reason: str) -> None:
        """Write down that an object was not kept although its sender is told that all is well."""
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await duplicates_store.note(
                tx, arrival.sop_uid, here, arrival.copy(), action="ignore", reason=reason, at=at
            )

    async def displace(self, arrival: Arrival, known: Known, here: Copy) -> None:
        """The object is filed under a UID that is here in another series: in place of that one, which stays as an older
        version, when it ``supersedes``; or else beside it."""
        decision, at = arrival.decision, self._clock.now()
        assert decision is not None
        for attempt in range(ATTEMPTS):
            series, signatures, rows = self._by_series([arrival])
            try:
                async with self._database.transaction() as tx:
                    await duplicates_store.lock_studies(tx, [here.study_uid, arrival.keys.study_uid])
                    gone = None
                    if arrival.supersedes:
                        days = decision.policy.duplicates.kept_days
                        gone = await duplicates_store.give_way(
                            tx, known.pk, reason=arrival.supersedes, at=at, kept_days=days
                        )
                    else:
                        await duplicates_store.step_aside(tx, arrival.sop_uid)
                    filed = await index.file_objects(tx, at, LOCAL, series, rows)
                    if filed.exceptions:
                        raise Unavailable("another object of this UID is in the way")
                    if self._rules is not None and arrival.coerced:
                        await self._rules.record(tx, at, [(arrival.sop_uid, decision)])
                    action, why = ("replace", arrival.supersedes) if arrival.supersedes else ("beside", ELSEWHERE)
                    coming = arrival.copy()
                    await duplicates_store.note(tx, arrival.sop_uid, here, coming, action=action, reason=why, at=at)
                    if gone is not None:
                        await duplicates_store.recount(tx, gone)
                        left = InstancesDeleted(study_uid=StudyUid(here.study_uid), sop_uids=(SopUid(arrival.sop_uid),))
                        await feed.append(tx, [left], at)
                self._remember(filed, signatures)
                self._feed.appended()
                return
            except index.StaleKeys:
                for signature in set().union(*signatures):
                    self._series.pop(signature, None)
            except index.Collided:
                log.info("batch collided", attempt=attempt)
        raise Unavailable("other senders of the same study are in the way")

    async def supersede(self, arrival: Arrival, known: Known) -> None:
        """The object takes the place of the one that is here, which stays as an older version."""
        place, decision = arrival.place, arrival.decision
        assert place is not None
        version = duplicates_store.Version(
            sop_class=arrival.sop_class,
            transfer_syntax=arrival.transfer_syntax,
            dataset_offset=len(arrival.head),
            header_bytes=arrival.header.header_bytes,
            digest=arrival.digest,
            blob_digest=arrival.blob_digest(),
            source=arrival.source,
            where=place,
        )
        at, keys = self._clock.now(), arrival.keys
        stored = InstancesStored(
            study_uid=keys.study_uid,
            series_uid=keys.series_uid,
            sop_uids=(SopUid(arrival.sop_uid),),
            source=arrival.source,
        )
        async with self._database.transaction() as tx:
            kept_days = decision.policy.duplicates.kept_days if decision is not None else 0
            await duplicates_store.supersede(
                tx, known.pk, version, reason=arrival.supersedes, at=at, kept_days=kept_days
            )
            if self._rules is not None and decision is not None:
                await self._rules.record(tx, at, [(arrival.sop_uid, decision)])
            await feed.append(tx, [stored], at)

    async def take_over(self) -> None:
        """What objects say of patients, studies and series that were here before them, as their policies allow.

        Nobody waits for it, and no promise hangs on it: what fails is left out.
        """
        if self._taking_over:
            return
        self._taking_over = True
        try:
            while self.to_take_over:
                _, arrival = self.to_take_over.popitem()
                try:
                    await self._take_over(arrival)
                except FilmroomError as fault:
                    log.warning("attributes not taken over", reason=str(fault))
                except asyncpg.PostgresError as fault:  # somebody holds the row, and matters more
                    log.info("attributes not taken over", reason=type(fault).__name__)
        finally:
            self._taking_over = False

    async def _take_over(self, arrival: Arrival) -> None:
        update = arrival.decision.policy.update if arrival.decision is not None else UpdatePolicy()
        record, at = full_record(arrival.header, quick=arrival.keys), self._clock.now()
        identifier = (record.patient.patient_id, record.patient.issuer)
        async with self._database.connection() as connection:
            here = await duplicates_store.said(connection, record.study_uid, record.series_uid, identifier)
        if here is None:
            return
        levels = [
            (Target.STUDY, record.study_uid, here["study"], record.study.attributes, update.study, 0),
            (Target.SERIES, record.series_uid, here["series"], record.series.attributes, update.series, 0),
        ]
        if (pk := here["patient_pk"]) is not None:
            levels.append((Target.PATIENT, "", here["patient"], record.patient.attributes, update.patient, pk))
        for level, target, before, coming, how, key in levels:
            if updated(before, coming, how) is not before:  # rows are locked only for what is news
                async with self._database.transaction() as tx:
                    await tx.execute(f"SET LOCAL lock_timeout = '{TAKE_OVER_WAITS_MS}ms'")
                    await take_over(tx, level, target, coming, how, at, pk=key)

    def may_have(self, arrival: Arrival) -> bool:
        """Whether the index may have the object already, by what its series is known for."""
        series = self._series.get(arrival.keys.signature)
        return series is None or series.aged

    # -- all of it in series that are known --------------------------------------------------------------------------

    def _all_known(self, batch: Sequence[Arrival]) -> bool:
        series = self._series
        return all(arrival.keys.signature in series and not arrival.coerced for arrival in batch)

    async def _file_known(self, batch: Sequence[Arrival]) -> dict[int, str] | None:
        """The short way. None when something in the batch is not as it was thought to be: nothing was written then."""
        groups, rows = self._grouped(batch)
        try:
            async with self._database.kept() as connection:
                await index.file_known(connection, self._clock.now(), LOCAL, groups, rows)
        except index.StaleKeys:
            for arrival in batch:
                self._series.pop(arrival.keys.signature, None)
            return None
        except (index.NotIndexable, index.Collided):  # an object that is here already, for one
            return None
        return {}

    def _grouped(self, batch: Sequence[Arrival]) -> tuple[list[Group], list[NewInstance]]:
        """Groups by study UID and objects by UID: the order in which rows are locked everywhere."""
        of_group: dict[tuple[StudyUid, SeriesUid, str, str], list[Arrival]] = {}
        for arrival in batch:
            keys = arrival.keys
            name = (keys.study_uid, keys.series_uid, arrival.source, arrival.sop_class)
            of_group.setdefault(name, []).append(arrival)
        groups: list[Group] = []
        rows: list[NewInstance] = []
        for name in sorted(of_group):
            members = of_group[name]
            found = self._series[members[0].keys.signature]
            groups.append(
                Group(*name, found.keys, [each.sop_uid for each in members], sum(m.size_bytes for m in members))
            )
            rows += [_row(each, len(groups)) for each in members]
        rows.sort(key=_by_uid)
        return groups, rows

    # -- anything ----------------------------------------------------------------------------------------------------

    async def _file_any(self, batch: Sequence[Arrival]) -> dict[int, str]:
        for attempt in range(ATTEMPTS):
            series, signatures, rows = self._by_series(batch)
            try:
                filed = await self._file_objects(batch, series, rows)
                break
            except index.StaleKeys:
                for signature in set().union(*signatures):
                    self._series.pop(signature, None)
            except index.Collided:
                log.info("batch collided", attempt=attempt)
        else:
            raise Unavailable("other senders of the same study are in the way")
        for arrival in batch:
            if arrival.keys.signature not in self._series:
                self.to_take_over[arrival.keys.study_uid, arrival.keys.series_uid] = arrival
        self._remember(filed, signatures)
        return filed.exceptions

    async def _file_objects(
        self, batch: Sequence[Arrival], series: list[BatchSeries], rows: list[NewInstance]
    ) -> index.Filed:
        """With what was decided about the objects, in one transaction."""
        coerced = [place for place, arrival in enumerate(batch) if arrival.coerced]
        if not coerced or self._rules is None:
            async with self._database.kept() as connection:
                return await index.file_objects(connection, self._clock.now(), LOCAL, series, rows)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            filed = await index.file_objects(tx, at, LOCAL, series, rows)
            new = [batch[place] for place in coerced if place not in filed.exceptions]
            await self._rules.record(tx, at, [(each.sop_uid, each.decision) for each in new if each.decision])
        return filed

    def _by_series(self, batch: Sequence[Arrival]) -> tuple[list[BatchSeries], list[set[bytes]], list[NewInstance]]:
        slots: dict[tuple[str, str], int] = {}
        series: list[BatchSeries] = []
        signatures: list[set[bytes]] = []
        rows: list[NewInstance] = []
        for arrival in batch:
            keys = arrival.keys
            uids = (keys.study_uid, keys.series_uid)
            slot = slots.get(uids)
            if slot is None:
                slot = slots[uids] = len(series)
                known = self._series.get(keys.signature)
                series.append(
                    BatchSeries(*uids, known.keys, None) if known else BatchSeries(*uids, None, _record(arrival))
                )
                signatures.append(set())
            signatures[slot].add(keys.signature)
            rows.append(_row(arrival, slot + 1))
        return series, signatures, rows

    def _remember(self, filed: index.Filed, signatures: Sequence[set[bytes]]) -> None:
        for slot, found in filed.series.items():
            for signature in signatures[slot]:
                if found is not None:
                    self._series[signature] = _Series(found.keys, aged=not found.new)
        while len(self._series) > REMEMBERED_SERIES:
            self._series.popitem(last=False)

    def _mark_aged(self, arrival: Arrival) -> None:
        if series := self._series.get(arrival.keys.signature):
            series.aged = True


def _by_uid(row: NewInstance) -> str:
    return row.sop_uid


def _row(arrival: Arrival, slot: int) -> NewInstance:
    place, image = arrival.place, arrival.keys.image
    assert place is not None
    return NewInstance(
        slot,
        arrival.sop_uid,
        arrival.sop_class,
        arrival.transfer_syntax,
        image.instance_number,
        image.rows,
        image.columns,
        image.bits_allocated,
        image.frames,
        image.content_date,
        image.content_time,
        image.attributes,
        len(arrival.head),
        arrival.header.header_bytes,
        arrival.size_bytes,
        arrival.digest,
        arrival.source,
        place.key,
        place.start,
        arrival.blob_digest(),
    )


def _record(arrival: Arrival) -> dict[str, Any]:
    """The patient, study and series of an object as JSON for the database, and who sent it."""
    record = full_record(arrival.header, quick=arrival.keys)
    patient = record.patient
    if not patient.patient_id and not patient.issuer:
        # Nobody's identifier is not somebody's: each such study has a patient of its own.
        patient = replace(patient, issuer=f"study:{record.study_uid}")
    return {"patient": patient, "study": record.study, "series": record.series, "source": arrival.source}
