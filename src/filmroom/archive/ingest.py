"""The one door for objects: C-STORE, STOW-RS and import all come in here.

Bytes are taken in whatever pieces they arrive. A small object is held in memory until it is whole, a large one goes to
a file of its own meanwhile; its header is read while it passes. The answer comes when the object is durable.
"""

import asyncio
from typing import Final

import structlog

from filmroom.archive.filing import Arrival, Desk
from filmroom.archive.model import MAX_COMMENT_CHARACTERS, Outcome, Stored
from filmroom.archive.quarantine import Quarantine
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NoSpace, NotReadable, RemoteFault
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.dicom.attributes import QuickKeys, quick_keys
from filmroom.dicom.headertap import Header, HeaderTap
from filmroom.dicom.part10 import PREAMBLE_BYTES, PREFIX, FileMeta, plain_preamble, read_meta, write_meta
from filmroom.index import store as index
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.settings import StorageSettings
from filmroom.storage.blobs import Blobs
from filmroom.storage.disk import as_fault
from filmroom.storage.model import LOCAL
from filmroom.storage.online import OnlineStore
from filmroom.storage.spool import SpoolFile

log = structlog.get_logger()

# One write to a spool file: large enough that a thread is worth its switch.
STEP_BYTES: Final = 1 << 20
# What one object may have waiting for its file before its sender has to wait.
WAITING_BYTES: Final = 4 << 20


class Ingest:
    """Takes objects in. One per process; ``start`` before the first, ``stop`` after the last."""

    def __init__(
        self,
        database: Database,
        online: OnlineStore,
        blobs: Blobs,
        quarantine: Quarantine,
        feed: FeedWatch,
        settings: StorageSettings,
        clock: Clock,
    ) -> None:
        self._database = database
        self.online = online
        self.quarantine = quarantine
        self.settings = settings
        self.desk = Desk(database, online, blobs, quarantine, feed, clock)
        self.held_bytes = 0

    async def start(self) -> None:
        """Take the store into use. Raises storage.online.StoreNotThere when it is not the one the database knows."""
        async with self._database.connection() as connection:
            expected = await index.has_objects(connection, LOCAL)
        await asyncio.to_thread(self.online.open, expected=expected)

    async def stop(self) -> None:
        """Finish what has arrived; nothing may begin any more."""
        await self.desk.stop()
        await asyncio.to_thread(self.online.close)

    def begin(
        self,
        who: Principal,
        *,
        door: str,
        source: str,
        transfer_syntax: str | None,
        sop_class: str = "",
        sop_uid: str = "",
        part10: bool,
    ) -> "Incoming":
        """An object begins to arrive by ``door`` (dimse, stow, import): a file when ``part10``, or else a bare data
        set in ``transfer_syntax`` whose UIDs the message has named.

        Raises Forbidden, NoSpace or Unavailable.
        """
        demand(who, Action.STORE)
        self.online.space.check()
        return Incoming(self, door, source, None if part10 else transfer_syntax or "", sop_class, sop_uid)


class Incoming:
    """One object on its way in. End it with ``finish`` or ``discard``, once."""

    __slots__ = (
        "_dataset_bytes",
        "_door",
        "_fault",
        "_head",
        "_held",
        "_ingest",
        "_io_fault",
        "_job",
        "_meta",
        "_odd_head",
        "_parts",
        "_prefix",
        "_reading",
        "_sop_class",
        "_sop_uid",
        "_source",
        "_spool",
        "_spooling",
        "_syntax",
        "_tap",
        "_waiting",
    )

    def __init__(
        self, ingest: Ingest, door: str, source: str, transfer_syntax: str | None, sop_class: str, sop_uid: str
    ) -> None:
        self._ingest = ingest
        self._door = door
        self._source = source
        self._sop_class = sop_class
        self._sop_uid = sop_uid
        self._prefix: bytearray | None = bytearray() if transfer_syntax is None else None
        self._meta: FileMeta | None = None
        self._head = b""
        self._odd_head = b""  # what came before the data set and will not do as file header
        self._syntax = transfer_syntax or ""
        self._tap: HeaderTap | None = HeaderTap(transfer_syntax) if transfer_syntax is not None else None
        self._reading = transfer_syntax is not None
        self._fault: RemoteFault | None = None
        self._parts: list[bytes] = []
        self._waiting = 0  # bytes in ``_parts``
        self._held = 0  # of the budget of all that arrive
        self._dataset_bytes = 0
        self._spooling = False
        self._spool: SpoolFile | None = None
        self._job: asyncio.Task[None] | None = None
        self._io_fault: FilmroomError | None = None

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. Never waits; ``full`` says when the caller must."""
        data = chunk if type(chunk) is bytes else bytes(chunk)
        if self._prefix is None:
            self._take(data)
        else:
            self._prefix += data
            self._open_file(complete=False)

    @property
    def full(self) -> bool:
        """Whether the caller must ``drain`` before it writes more."""
        if not self._spooling:
            return False
        over = self._ingest.held_bytes > self._ingest.settings.ingest_memory_bytes
        return self._waiting >= (STEP_BYTES if over else WAITING_BYTES)

    async def drain(self) -> None:
        """Wait until there is room for more."""
        while self.full and self._job is not None:
            await asyncio.shield(self._job)

    async def finish(self) -> Outcome:
        """The object is whole: what became of it. NEW and ALREADY are durable; never raises for foreseeable faults."""
        try:
            return await self._finish()
        except NoSpace as fault:
            return self._outcome(Stored.NO_SPACE, str(fault))
        except FilmroomError as fault:
            return self._outcome(Stored.UNAVAILABLE, str(fault))
        finally:
            self._release()

    async def discard(self) -> None:
        """The sender is gone before the end: nothing of the object stays."""
        self._release()
        self._parts = []
        if self._job is not None:
            await asyncio.wait([self._job])
        if self._spool is not None:
            await asyncio.to_thread(self._spool.discard)

    # -- taking bytes ------------------------------------------------------------------------------------------------

    def _open_file(self, *, complete: bool) -> None:
        """Read the file header once it is all there; what follows it is the data set."""
        prefix = bytes(self._prefix or b"")
        try:
            meta = read_meta(prefix, complete=complete)
        except RemoteFault as fault:
            self._fault, self._prefix = fault, None
            self._take(prefix)
            return
        if meta is None:
            return
        self._prefix = None
        self._meta = meta
        self._syntax = meta.transfer_syntax
        self._tap, self._reading = HeaderTap(meta.transfer_syntax), True
        if meta.had_meta and not meta.guessed:
            self._head = _kept_head(meta, prefix)
        else:
            self._odd_head = prefix[: meta.dataset_offset]
        if len(prefix) > meta.dataset_offset:
            self._take(prefix[meta.dataset_offset :])

    def _take(self, data: bytes) -> None:
        if self._reading:
            assert self._tap is not None
            try:
                self._reading = self._tap.feed(data)
            except RemoteFault as fault:
                self._fault, self._reading = fault, False
        size = len(data)
        ingest = self._ingest
        self._parts.append(data)
        self._waiting += size
        self._dataset_bytes += size
        self._held += size
        ingest.held_bytes += size
        if self._spooling:
            if self._waiting >= STEP_BYTES and self._job is None:
                self._spill()
        elif (
            self._waiting >= ingest.settings.pack_below_bytes or ingest.held_bytes > ingest.settings.ingest_memory_bytes
        ):
            self._begin_spooling()

    def _begin_spooling(self) -> None:
        self._spooling = True
        if self._meta is None and self._fault is None and self._sop_uid:
            self._head = write_meta(self._sop_class, self._sop_uid, self._syntax, self._source_ae())
        if self._head:
            self._parts.insert(0, self._head)
            self._waiting += len(self._head)
        self._spill()

    def _spill(self) -> None:
        self._job = asyncio.get_running_loop().create_task(self._write_out())

    async def _write_out(self) -> None:
        """Write what waits, in steps, until less than a step is left."""
        try:
            while self._waiting and self._io_fault is None:
                parts, size = self._parts, self._waiting
                self._parts, self._waiting = [], 0
                await asyncio.to_thread(self._write_step, parts)
                self._give_back(size)
                self._ingest.online.space.taken(size)
                self._ingest.online.space.check()
                if self._waiting < STEP_BYTES:
                    break
        except OSError as error:
            self._io_fault = as_fault(error)
        except FilmroomError as fault:
            self._io_fault = fault
        finally:
            self._job = None
            if self._io_fault is not None:  # the rest only passes through; its sender is told at the end
                self._parts, self._waiting = [], 0
                self._release()

    def _write_step(self, parts: list[bytes]) -> None:
        if self._spool is None:
            self._spool = self._ingest.online.spool()
            self._spool.skip_digest(len(self._head))
        self._spool.write(parts)

    def _give_back(self, size: int) -> None:
        size = min(size, self._held)
        self._held -= size
        self._ingest.held_bytes -= size

    def _release(self) -> None:
        self._give_back(self._held)

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _finish(self) -> Outcome:
        if self._prefix is not None:
            self._open_file(complete=True)
        if self._spooling:
            await self._write_rest()
        try:
            header, keys = self._read_header()
        except _Unfit as unfit:
            return await self._set_aside(unfit.reason, str(unfit))
        except RemoteFault as fault:
            return await self._set_aside("not-readable", str(fault))
        if not self._head:
            await self._make_head()
        arrival = Arrival(
            door=self._door,
            source=self._source,
            sop_class=self._sop_class,
            sop_uid=self._sop_uid,
            transfer_syntax=self._syntax,
            header=header,
            keys=keys,
            head=self._head,
            parts=self._parts,
            size_bytes=len(self._head) + self._dataset_bytes,
            answer=asyncio.get_running_loop().create_future(),
            spool=self._spool,
            warnings=("the pixel data ends early",) if header.truncated else (),
        )
        return await self._ingest.desk.file(arrival)

    def _read_header(self) -> tuple[Header, QuickKeys]:
        if self._fault is not None:
            raise self._fault
        assert self._tap is not None
        header = self._tap.finish(self._dataset_bytes)
        keys = quick_keys(header)
        if self._meta is None and self._sop_uid not in ("", keys.sop_uid):
            raise _Unfit("uid-differs", "the data set is of another object than the message says")
        self._sop_uid, self._sop_class = keys.sop_uid, keys.sop_class
        return header, keys

    async def _make_head(self) -> None:
        """A file header of our own, for an object that came without one."""
        self._head = write_meta(self._sop_class, self._sop_uid, self._syntax, self._source_ae())
        if self._spool is not None:  # too late to put it in front: the object is written once more
            bare, headed = self._spool, await asyncio.to_thread(self._ingest.online.spool)
            try:
                await asyncio.to_thread(headed.copy_behind, self._head, bare)
            except OSError as error:
                await asyncio.to_thread(headed.discard)
                raise as_fault(error) from error
            finally:
                await asyncio.to_thread(bare.discard)
            self._spool = headed

    async def _write_rest(self) -> None:
        while self._job is not None:
            await asyncio.shield(self._job)
        if self._waiting and self._io_fault is None:
            await self._write_out()
        if self._io_fault is not None:
            if self._spool is not None:
                await asyncio.to_thread(self._spool.discard)
            raise self._io_fault

    async def _set_aside(self, reason: str, detail: str) -> Outcome:
        """To quarantine."""
        head = self._head or self._odd_head
        if self._meta is None and self._syntax and not head:
            head = write_meta(self._sop_class, self._sop_uid, self._syntax, self._source_ae())
        await self._ingest.quarantine.take(
            door=self._door,
            source=self._source,
            reason=reason,
            detail=detail,
            sop_class=self._sop_class,
            sop_uid=self._sop_uid,
            transfer_syntax=self._syntax,
            parts=[head, *self._parts],
            spool=self._spool,
        )
        return self._outcome(Stored.QUARANTINED, detail)

    def _source_ae(self) -> str:
        return self._source if self._door == "dimse" else ""

    def _outcome(self, result: Stored, comment: str) -> Outcome:
        return Outcome(result, self._sop_class, self._sop_uid, comment=comment[:MAX_COMMENT_CHARACTERS])


class _Unfit(NotReadable):
    """The object lacks what filing needs."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _kept_head(meta: FileMeta, prefix: bytes) -> bytes:
    """The file header as it came, with a preamble that cannot be run (PS3.10 7.5)."""
    start = PREAMBLE_BYTES if meta.had_preamble else 0
    group_2 = prefix[start : meta.dataset_offset]
    if not group_2.startswith(PREFIX):
        group_2 = PREFIX + group_2
    return plain_preamble(meta.preamble) + group_2
