"""The filing desk: takes every object that has arrived whole since it last looked, and files them all at once.

Two desks in a row: at the first the bytes of a batch become durable with one sync, at the second its rows with one
statement, and then it is answered. Each takes all that waits before it as soon as it is free. So a busy archive pays
for a sync and for a commit once per batch, and an object that comes alone waits for nobody. Small objects wait a moment
for company: a batch costs as much as forty of them, and their senders come back in step with the answers
(docs/decisions/0010-ingest.md).
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, replace
from typing import Any

import structlog

from filmroom.archive.model import Outcome, Stored
from filmroom.archive.ports import Quarantining
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NoSpace, Unavailable
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.dicom.attributes import QuickKeys, full_record
from filmroom.dicom.headertap import Header
from filmroom.index import store as index
from filmroom.index.store import BatchSeries, Known, NewInstance, SeriesKeys
from filmroom.storage.blobs import Blobs
from filmroom.storage.disk import as_fault
from filmroom.storage.model import LOCAL, BlobRange
from filmroom.storage.online import OnlineStore
from filmroom.storage.pack import NewMember
from filmroom.storage.spool import SpoolFile

log = structlog.get_logger()

# A batch is as large as a disk likes to be fed; more only makes the first of it wait longer.
BATCH_OBJECTS = 256
BATCH_BYTES = 16 * 2**20
# A batch smaller than this is worth waiting for company, for so long; a larger one keeps the disk busy by itself.
COMPANY_BYTES = 512 * 1024
COMPANY_S = 0.002
# Series in progress at one time, with room: forgetting one costs a longer statement.
REMEMBERED_SERIES = 4096
ATTEMPTS = 4


@dataclass(slots=True, eq=False)
class Arrival:
    """An object that is whole. Its bytes are ``head`` and ``parts``, or in ``spool`` when it was too large to hold.

    ``place`` and ``digest`` (SHA-256 of the data set) come about on the way.
    """

    door: str
    source: str
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    header: Header
    keys: QuickKeys
    head: bytes
    parts: Sequence[bytes]
    size_bytes: int
    answer: asyncio.Future[Outcome]
    spool: SpoolFile | None = None
    digest: bytes = b""
    place: BlobRange | None = None
    warnings: tuple[str, ...] = ()
    suspect: bool = False  # the same UID was on its way already
    replaces: Known | None = None  # the index has it, its bytes are lost

    def outcome(self, result: Stored, comment: str = "") -> Outcome:
        keys = self.keys
        return Outcome(
            result, self.sop_class, self.sop_uid, keys.study_uid, keys.series_uid, comment[:64], self.warnings
        )

    def settle(self, result: Stored, comment: str = "") -> None:
        """Answer, if somebody still waits."""
        if not self.answer.done():
            self.answer.set_result(self.outcome(result, comment))


@dataclass(slots=True)
class _Series:
    """A series that was filed into lately. ``aged``: it may hold objects from before, or has been sent twice."""

    keys: SeriesKeys
    aged: bool


class Desk:
    """Files arrivals. ``file`` answers when bytes and rows are durable."""

    def __init__(
        self,
        database: Database,
        online: OnlineStore,
        blobs: Blobs,
        quarantine: Quarantining,
        feed: FeedWatch,
        clock: Clock,
    ) -> None:
        self._database = database
        self._online = online
        self._blobs = blobs
        self._quarantine = quarantine
        self._feed = feed
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._packs = online.pack_writer()
        self._thread = ThreadPoolExecutor(1, "filing")
        self._waiting: list[Arrival] = []  # before the first desk
        self._written: list[Arrival] = []  # before the second
        self._writing = False
        self._indexing = False
        self._expected = 0  # arrivals that will wait before the first desk once all who had an answer are back
        self._patience_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[str] = set()  # SOP Instance UIDs
        self._work: set[asyncio.Task[None]] = set()
        self._series: OrderedDict[bytes, _Series] = OrderedDict()
        self._database_lost = False

    async def file(self, arrival: Arrival) -> Outcome:
        """What became of it. Never raises for foreseeable faults; may be abandoned, the filing goes on."""
        if arrival.spool is None:
            self._waiting.append(arrival)
            self._pump()
        else:
            self._run(self._large(arrival, arrival.spool))
        return await arrival.answer

    async def stop(self) -> None:
        """Finish what is under way and close the pack."""
        while self._work or self._waiting:
            await asyncio.gather(asyncio.sleep(COMPANY_S), *self._work, return_exceptions=True)
        await self._loop.run_in_executor(self._thread, self._packs.close)
        self._thread.shutdown(wait=False)

    def _pump(self) -> None:
        if self._waiting and not self._writing and not self._better_wait() and (batch := self._take_batch()):
            self._writing = True
            self._run(self._write_batch(batch))
        if self._written and not self._indexing:
            self._indexing = True
            self._run(self._index_what_is_written())

    def _better_wait(self) -> bool:
        """Whether those that wait should wait for more."""
        enough = not self._indexing and len(self._waiting) >= self._expected
        large = self._waiting[0].size_bytes * len(self._waiting) >= COMPANY_BYTES
        if enough or large or self._patience_over:
            self._patience_over = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return False
        if self._timer is None:
            self._timer = self._loop.call_later(COMPANY_S, self._lose_patience)
        return True

    def _lose_patience(self) -> None:
        self._timer = None
        self._patience_over = True
        self._pump()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _take_batch(self) -> list[Arrival]:
        batch: list[Arrival] = []
        left: list[Arrival] = []
        size = 0
        for arrival in self._waiting:
            if arrival.sop_uid in self._under_way:
                arrival.suspect = True
                left.append(arrival)
            elif len(batch) >= BATCH_OBJECTS or size >= BATCH_BYTES:
                left.append(arrival)
            else:
                self._under_way.add(arrival.sop_uid)
                batch.append(arrival)
                size += arrival.size_bytes
        self._waiting = left
        return batch

    async def _write_batch(self, batch: list[Arrival]) -> None:
        """The first desk."""
        async with self._answering(batch):
            if self._database_lost:
                await self._await_database()
            rest = await self._set_apart_known(batch, self._thread)
            if rest:
                await self._loop.run_in_executor(self._thread, self._write, rest)
                self._written += rest
        self._writing = False
        self._over(batch)
        self._pump()

    async def _large(self, arrival: Arrival, spool: SpoolFile) -> None:
        """A large object is worth a question first, and a thread of its own to become durable in."""
        async with self._answering([arrival]):
            if self._database_lost:
                await self._await_database()
            if await self._set_apart_known([arrival], None):
                await asyncio.to_thread(self._keep, arrival, spool)
                self._written.append(arrival)
                self._pump()

    async def _index_what_is_written(self) -> None:
        """The second desk."""
        while self._written:
            # A UID once in a batch: a large object may have met its like on the way.
            batch = list({arrival.sop_uid: arrival for arrival in self._written[:BATCH_OBJECTS]}.values())
            taken = set(map(id, batch))
            self._written = [arrival for arrival in self._written if id(arrival) not in taken]
            async with self._answering(batch):
                await self._index(batch)
            self._over(batch)
            self._expected = len(batch) + len(self._waiting)
        self._indexing = False
        self._pump()

    def _over(self, batch: Sequence[Arrival]) -> None:
        """Those that have their answer are not under way any more."""
        self._under_way.difference_update([arrival.sop_uid for arrival in batch if arrival.answer.done()])

    @asynccontextmanager
    async def _answering(self, batch: Sequence[Arrival]) -> AsyncIterator[None]:
        """Turn what goes wrong into the answer to all of the batch that have none yet."""
        try:
            yield
        except OSError as error:
            log.error("writing failed", error=error.strerror, objects=len(batch))
            self._settle(batch, as_fault(error))
        except FilmroomError as fault:
            self._settle(batch, fault)
        except Exception as error:
            log.exception("filing failed", objects=len(batch))
            self._settle(batch, error)

    def _settle(self, batch: Sequence[Arrival], fault: Exception) -> None:
        self._database_lost |= isinstance(fault, Unavailable)
        for arrival in batch:
            arrival.settle(Stored.NO_SPACE if isinstance(fault, NoSpace) else Stored.UNAVAILABLE, str(fault))

    async def _await_database(self) -> None:
        """Before anything is written that could not be indexed; raises Unavailable."""
        async with self._database.connection() as connection:
            await connection.execute("SELECT 1")
        self._database_lost = False

    # -- objects that may be here already ---------------------------------------------------------------------------

    async def _set_apart_known(self, batch: list[Arrival], thread: ThreadPoolExecutor | None) -> list[Arrival]:
        """Deal with what the index has; what remains is to be written."""
        doubtful = [arrival for arrival in batch if self._may_be_known(arrival)]
        if not doubtful:
            return batch
        async with self._database.connection() as connection:
            known = await index.known_objects(connection, LOCAL, [arrival.sop_uid for arrival in doubtful])
        if not known:
            return batch
        again = [arrival for arrival in doubtful if arrival.sop_uid in known]
        here = await self._loop.run_in_executor(thread, self._examine, again, known)
        rest = [arrival for arrival in batch if arrival.sop_uid not in known]
        for arrival, present in zip(again, here, strict=True):
            found = known[arrival.sop_uid]
            if found.state != "visible":
                await self._end(arrival, "refused")
            elif found.digest != arrival.digest:
                await self._end(arrival, "conflict")
            elif present:
                await self._end(arrival, "already")
            else:
                log.warning("lost bytes come again", instance=found.pk)
                arrival.replaces = found
                rest.append(arrival)
        return rest

    def _may_be_known(self, arrival: Arrival) -> bool:
        if arrival.spool is not None or arrival.suspect:
            return True
        series = self._series.get(arrival.keys.signature)
        return series is None or series.aged

    def _examine(self, again: Sequence[Arrival], known: dict[str, Known]) -> list[bool]:
        present = []
        for arrival in again:
            _digest(arrival)
            where = known[arrival.sop_uid].where
            present.append(where is not None and self._blobs.present(BlobRange(*where)))
        return present

    # -- bytes -------------------------------------------------------------------------------------------------------

    def _write(self, batch: Sequence[Arrival]) -> None:
        """Have every object of the batch durable in its place. Raises OSError or Unavailable: then none of it is."""
        for arrival in batch:
            _digest(arrival)
        members = [NewMember([arrival.head, *arrival.parts], arrival.size_bytes) for arrival in batch]
        for arrival, place in zip(batch, self._packs.append(members), strict=True):
            arrival.place = place
        self._online.space.taken(sum(arrival.size_bytes for arrival in batch))

    def _keep(self, arrival: Arrival, spool: SpoolFile) -> None:
        try:
            _digest(arrival)
            arrival.place = spool.keep(self._online.root, self._online.new_key("file"))
        except (OSError, Unavailable):
            spool.discard()
            raise

    # -- rows --------------------------------------------------------------------------------------------------------

    async def _index(self, batch: Sequence[Arrival]) -> None:
        """Write the rows and answer; an object that the index cannot take does not keep the others from it."""
        new = [arrival for arrival in batch if arrival.replaces is None]
        try:
            if new:
                await self._file_rows(new)
        except index.NotIndexable as fault:
            if len(new) == 1:
                log.warning("not indexable", reason=str(fault))
                await self._end(new[0], "not-indexable", str(fault))
            else:
                for arrival in new:
                    await self._index([arrival])
        for arrival in batch:
            if arrival.replaces is not None:
                await self._replace(arrival)

    async def _file_rows(self, batch: Sequence[Arrival]) -> None:
        for attempt in range(ATTEMPTS):
            slots: dict[tuple[str, str], int] = {}
            series: list[BatchSeries] = []
            signatures: list[set[bytes]] = []
            rows = [self._row(arrival, slots, series, signatures) for arrival in batch]
            try:
                async with self._database.connection() as connection:
                    filed = await index.file_objects(connection, self._clock.now(), LOCAL, series, rows)
                break
            except index.StaleKeys:
                for signature in set().union(*signatures):
                    self._series.pop(signature, None)
            except index.Collided:
                log.info("batch collided", attempt=attempt)
        else:
            raise Unavailable("other senders of the same study are in the way")
        self._feed.appended()
        self._remember(filed, signatures)
        for place, arrival in enumerate(batch):
            if (exception := filed.exceptions.get(place)) is None:
                arrival.settle(Stored.NEW)
            else:
                self._mark_aged(arrival)
                await self._end(arrival, exception)

    def _row(
        self,
        arrival: Arrival,
        slots: dict[tuple[str, str], int],
        series: list[BatchSeries],
        signatures: list[set[bytes]],
    ) -> NewInstance:
        keys, place = arrival.keys, arrival.place
        assert place is not None
        uids = (keys.study_uid, keys.series_uid)
        slot = slots.get(uids)
        if slot is None:
            slot = slots[uids] = len(series)
            remembered = self._series.get(keys.signature)
            series.append(
                BatchSeries(*uids, remembered.keys, None) if remembered else BatchSeries(*uids, None, _record(arrival))
            )
            signatures.append(set())
        signatures[slot].add(keys.signature)
        image = keys.image
        return NewInstance(
            slot + 1,
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
            _blob_digest(arrival),
        )

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

    async def _replace(self, arrival: Arrival) -> None:
        assert arrival.replaces is not None
        assert arrival.place is not None
        async with self._database.transaction() as tx:
            where = index.Place(*astuple(arrival.place))
            await index.replace_bytes(tx, arrival.replaces.pk, where, _blob_digest(arrival), len(arrival.head))
        arrival.settle(Stored.ALREADY, "its lost bytes were restored")

    # -- exceptions --------------------------------------------------------------------------------------------------

    async def _end(self, arrival: Arrival, kind: str, detail: str = "") -> None:
        """Answer for an object that is not filed as a new one."""
        if kind in ("conflict", "not-indexable"):
            result, comment = _KEPT_APART[kind]
            await self._quarantine.take(
                door=arrival.door,
                source=arrival.source,
                reason=kind,
                detail=detail or comment,
                sop_class=arrival.sop_class,
                sop_uid=arrival.sop_uid,
                transfer_syntax=arrival.transfer_syntax,
                parts=[arrival.head, *arrival.parts],
                spool=arrival.spool,
                digest=arrival.digest,
            )
            arrival.settle(result, comment)
            return
        if arrival.spool is not None:
            await asyncio.to_thread(arrival.spool.discard)
        if kind == "already":
            arrival.settle(Stored.ALREADY)
        else:
            arrival.settle(Stored.REFUSED, "the study or object is withdrawn or being deleted")


_KEPT_APART = {
    "conflict": (Stored.CONFLICT, "SOP Instance UID is here with other content"),
    "not-indexable": (Stored.QUARANTINED, "an attribute cannot be indexed"),
}


def _digest(arrival: Arrival) -> None:
    if arrival.digest:
        return
    if arrival.spool is not None:
        arrival.digest = arrival.spool.digest()
        return
    digest = hashlib.sha256()
    for part in arrival.parts:
        digest.update(part)
    arrival.digest = digest.digest()


def _blob_digest(arrival: Arrival) -> bytes:
    return hashlib.sha256(hashlib.sha256(arrival.head).digest() + arrival.digest).digest()


def _record(arrival: Arrival) -> dict[str, Any]:
    """The patient, study and series of an object as JSON for the database."""
    record = full_record(arrival.header, quick=arrival.keys)
    patient = record.patient
    if not patient.patient_id and not patient.issuer:
        # Nobody's identifier is not somebody's: each such study has a patient of its own.
        patient = replace(patient, issuer=f"study:{record.study_uid}")
    return {"patient": patient, "study": record.study, "series": record.series}
