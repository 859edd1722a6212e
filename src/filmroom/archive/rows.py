"""The rows of a batch: put together, written in one statement, and which series were filed into lately.

Nearly every object belongs to a series that the one before it belonged to, and is new: for those the database is told
the keys it gave before, and looks nothing up. Whatever else a batch holds goes the longer way, whole.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from filmroom.archive.arrival import Arrival
from filmroom.base.clock import Clock
from filmroom.base.errors import Unavailable
from filmroom.base.ids import SeriesUid, StudyUid
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


@dataclass(slots=True)
class _Series:
    """A series that was filed into lately. ``aged``: it may hold objects from before, or has been sent twice."""

    keys: SeriesKeys
    aged: bool


class Rows:
    """Writes batches into the index. Raises Unavailable, NoSpace or index.NotIndexable; then nothing was written."""

    def __init__(self, database: Database, feed: FeedWatch, clock: Clock) -> None:
        self._database = database
        self._feed = feed
        self._clock = clock
        self._series: OrderedDict[bytes, _Series] = OrderedDict()

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

    def may_have(self, arrival: Arrival) -> bool:
        """Whether the index may have the object already, by what its series is known for."""
        series = self._series.get(arrival.keys.signature)
        return series is None or series.aged

    # -- all of it in series that are known --------------------------------------------------------------------------

    def _all_known(self, batch: Sequence[Arrival]) -> bool:
        series = self._series
        return all(arrival.keys.signature in series for arrival in batch)

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
                async with self._database.kept() as connection:
                    filed = await index.file_objects(connection, self._clock.now(), LOCAL, series, rows)
                break
            except index.StaleKeys:
                for signature in set().union(*signatures):
                    self._series.pop(signature, None)
            except index.Collided:
                log.info("batch collided", attempt=attempt)
        else:
            raise Unavailable("other senders of the same study are in the way")
        self._remember(filed, signatures)
        return filed.exceptions

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
    """The patient, study and series of an object as JSON for the database."""
    record = full_record(arrival.header, quick=arrival.keys)
    patient = record.patient
    if not patient.patient_id and not patient.issuer:
        # Nobody's identifier is not somebody's: each such study has a patient of its own.
        patient = replace(patient, issuer=f"study:{record.study_uid}")
    return {"patient": patient, "study": record.study, "series": record.series}
