"""The filing desk: takes every object that has arrived whole since it last looked, and files them all at once.

Two desks in a row: at the first the bytes of a batch become durable with one sync, at the second its rows with one
statement, and then it is answered. Each takes all that waits before it as soon as it is free. So a busy archive pays
for a sync and for a commit once per batch, and an object that comes alone waits for nobody. Small objects wait a moment
for company: a batch costs as much as forty of them, and their senders come back in step with the answers
(docs/decisions/0010-ingest.md).
"""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final

import structlog

from filmroom.archive.apart import Apart
from filmroom.archive.arrival import Arrival
from filmroom.archive.hand import Hand
from filmroom.archive.model import Outcome, Stored
from filmroom.archive.ports import Quarantining
from filmroom.archive.rows import Rows
from filmroom.archive.rules import Admission
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NoSpace, Unavailable
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.index.store import NotIndexable
from filmroom.storage.blobs import Blobs
from filmroom.storage.disk import as_fault
from filmroom.storage.online import OnlineStore
from filmroom.storage.pack import NewMember
from filmroom.storage.spool import SpoolFile

log = structlog.get_logger()

# A batch is as large as a disk likes to be fed; more only makes the first of it wait longer.
BATCH_OBJECTS: Final = 256
BATCH_BYTES: Final = 16 * 2**20
# A batch smaller than this is worth waiting for company, for so long; a larger one keeps the disk busy by itself.
COMPANY_BYTES: Final = 512 * 1024
COMPANY_S: Final = 0.002
# From this size on an object's digest is made in a thread of its own, beside the writing: a CT slice takes 0.35 ms.
DIGEST_APART_BYTES: Final = 65_536
# The longest that a sender is left without an answer: more than the deadlines of the database and less than those of
# modalities. Nobody has met it; whoever does is told to send again, and the log what stood in the way.
ANSWER_WITHIN_S: Final = 150.0
LOOK_EVERY_S: Final = 10.0


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
        rules: Admission | None = None,
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._database = database
        self._online = online
        self._rows = Rows(database, feed, clock, rules)
        self._apart = Apart(self._rows, blobs, quarantine)
        self._loop = asyncio.get_running_loop()
        self._packs = online.pack_writer()
        self._writer = Hand("filing")
        self._digester = Hand("digests")
        self._waiting: list[Arrival] = []  # before the first desk
        self._written: list[Arrival] = []  # before the second
        self._writing = False
        self._indexing = False
        self._expected = 0  # arrivals that will wait before the first desk once all who had an answer are back
        self._patience_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[str] = set()  # SOP Instance UIDs
        self._work: set[asyncio.Task[None]] = set()
        self._database_lost = False
        self._unanswered: set[Arrival] = set()
        self._answer_within_s = answer_within_s
        self._watch: asyncio.TimerHandle | None = None

    async def file(self, arrival: Arrival) -> Outcome:
        """What became of it. Never raises for foreseeable faults; may be abandoned, the filing goes on."""
        arrival.since = self._loop.time()
        self._unanswered.add(arrival)
        if self._watch is None:
            self._watch = self._loop.call_later(min(LOOK_EVERY_S, self._answer_within_s), self._look_for_late)
        if arrival.spool is None:
            if arrival.size_bytes >= DIGEST_APART_BYTES:
                arrival.digesting = self._digester.do(arrival.make_digest)
            self._waiting.append(arrival)
            self._pump()
        else:
            self._run(self._large(arrival, arrival.spool))
        try:
            return await arrival.answer
        finally:
            self._unanswered.discard(arrival)

    async def warm(self) -> None:
        """Do ahead what the first objects would wait for. Raises Unavailable."""
        await self._writer.do(self._packs.prepare)
        await self._rows.warm()

    async def stop(self) -> None:
        """Finish what is under way and close the pack."""
        while self._work or self._waiting:
            await asyncio.gather(asyncio.sleep(COMPANY_S), *self._work, return_exceptions=True)
        if self._watch is not None:
            self._watch.cancel()
        await self._writer.do(self._packs.close)
        self._writer.stop()
        self._digester.stop()

    # -- who is next -------------------------------------------------------------------------------------------------

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

    def _over(self, batch: Sequence[Arrival]) -> None:
        """Those that have their answer are not under way any more."""
        self._under_way.difference_update([each.sop_uid for each in batch if each.answer.done() and not each.spool])

    # -- the desks ---------------------------------------------------------------------------------------------------

    async def _write_batch(self, batch: list[Arrival]) -> None:
        """The first desk."""
        try:
            if self._database_lost:
                await self._await_database()
            rest = await self._apart.set_apart(batch)
            if rest:
                await self._writer.do(partial(self._write, rest))
                for arrival in rest:
                    if arrival.digesting is not None:
                        await arrival.digesting
                self._written += rest
        except BaseException as error:
            self._settle(batch, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._writing = False
            self._over(batch)
            self._pump()

    async def _large(self, arrival: Arrival, spool: SpoolFile) -> None:
        """A large object is worth a question first, and a thread of its own to become durable in."""
        try:
            if self._database_lost:
                await self._await_database()
            if await self._apart.set_apart([arrival]):
                await asyncio.to_thread(self._keep, arrival, spool)
                self._written.append(arrival)
                self._pump()
        except BaseException as error:
            self._settle([arrival], error)
            if not isinstance(error, Exception):
                raise

    async def _index_what_is_written(self) -> None:
        """The second desk."""
        try:
            while self._written:
                # A UID once in a batch: a large object may have met its like on the way.
                batch = list({arrival.sop_uid: arrival for arrival in self._written[:BATCH_OBJECTS]}.values())
                taken = set(map(id, batch))
                self._written = [arrival for arrival in self._written if id(arrival) not in taken]
                await self._index_batch(batch)
                self._expected = len(batch) + len(self._waiting)
        finally:
            self._indexing = False
            self._pump()

    async def _index_batch(self, batch: Sequence[Arrival]) -> None:
        try:
            await self._index(batch)
        except BaseException as error:
            self._settle(batch, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._over(batch)

    def _settle(self, batch: Sequence[Arrival], error: BaseException) -> None:
        """What went wrong is the answer to all of the batch that have none yet."""
        fault: BaseException = error
        if isinstance(error, OSError):
            log.error("writing failed", error=error.strerror, objects=len(batch))
            fault = as_fault(error)
        elif not isinstance(error, FilmroomError):
            log.error("filing failed", objects=len(batch), exc_info=error)
        self._database_lost |= isinstance(error, Unavailable)
        text = str(fault) if isinstance(fault, FilmroomError) else "internal fault"
        for arrival in batch:
            arrival.settle(Stored.NO_SPACE if isinstance(fault, NoSpace) else Stored.UNAVAILABLE, text)

    async def _await_database(self) -> None:
        """Before anything is written that could not be indexed; raises Unavailable."""
        async with self._database.connection() as connection:
            await connection.execute("SELECT 1")
        self._database_lost = False

    def _look_for_late(self) -> None:
        """No wait is without an end: who waited too long is told to send again."""
        self._watch = None
        now = self._loop.time()
        late = [each for each in self._unanswered if now - each.since >= self._answer_within_s]
        if late:
            log.error(
                "objects were not filed in time",
                objects=len(late),
                waiting=len(self._waiting),
                written=len(self._written),
                writing=self._writing,
                indexing=self._indexing,
            )
        for arrival in late:
            arrival.settle(Stored.UNAVAILABLE, "the archive did not get to it in time")
        if self._unanswered:
            self._watch = self._loop.call_later(min(LOOK_EVERY_S, self._answer_within_s), self._look_for_late)

    # -- bytes, then rows --------------------------------------------------------------------------------------------

    def _write(self, batch: Sequence[Arrival]) -> None:
        """Have every object of the batch durable in its place. Raises OSError or Unavailable: then none of it is."""
        for arrival in batch:
            if arrival.digesting is None:
                arrival.make_digest()
        members = [NewMember([arrival.head, *arrival.parts], arrival.size_bytes) for arrival in batch]
        for arrival, place in zip(batch, self._packs.append(members), strict=True):
            arrival.place = place
        self._online.space.taken(sum(arrival.size_bytes for arrival in batch))

    def _keep(self, arrival: Arrival, spool: SpoolFile) -> None:
        try:
            arrival.make_digest()
            arrival.place = spool.keep(self._online.root, self._online.new_key("file"))
        except (OSError, Unavailable):
            spool.discard()
            raise

    async def _index(self, batch: Sequence[Arrival]) -> None:
        """Write the rows and answer; an object that the index cannot take does not keep the others from it."""
        new = [arrival for arrival in batch if arrival.replaces is None]
        try:
            if new:
                await self._file_new(new)
        except NotIndexable as fault:
            if len(new) == 1:
                log.warning("not indexable", reason=str(fault))
                await self._apart.end(new[0], "not-indexable", str(fault))
            else:
                for arrival in new:
                    await self._index_batch([arrival])
        for arrival in batch:
            if arrival.replaces is None or arrival.answer.done():
                continue
            if arrival.displaces is not None:
                await self._rows.displace(arrival, arrival.replaces, arrival.displaces)
                arrival.settle(Stored.NEW)
            elif arrival.supersedes:
                await self._rows.supersede(arrival, arrival.replaces)
                arrival.settle(Stored.NEW)
            else:
                await self._rows.replace(arrival, arrival.replaces)
                arrival.settle(Stored.ALREADY, "its lost bytes were restored")

    async def _file_new(self, batch: Sequence[Arrival]) -> None:
        exceptions = await self._rows.file(batch)
        for place, arrival in enumerate(batch):
            if place not in exceptions:
                arrival.settle(Stored.NEW)  # before anything else can go wrong: it is durable
        for place, kind in exceptions.items():
            await self._except(batch[place], kind)
        if self._rows.to_take_over:
            self._run(self._rows.take_over())

    async def _except(self, arrival: Arrival, kind: str) -> None:
        """An object that turned out not to be new when its bytes were written already."""
        if kind != "conflict":
            await self._apart.end(arrival, kind)
        else:
            await self._apart.decide_late(arrival)
