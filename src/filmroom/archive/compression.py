"""Compression: objects are kept in another form, without loss, at once or later.

What is replaced stays as an older version for a while. Before it is replaced the compressed form is durable, and its
decoded pixels and its attributes have been proven the same. An object that cannot be compressed, or that would not get
smaller, stays as it is, and why is written down.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from filmroom.archive import compression_work, duplicates_store
from filmroom.archive.compression_model import Chosen
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.pixeltasks import StoredData
from filmroom.base.clock import Clock
from filmroom.base.errors import Corrupt, LimitReached, NotFound, NotReadable, Unsupported
from filmroom.base.facts import InstancesCompressed
from filmroom.base.ids import SeriesUid, SopUid, StudyUid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.part10 import write_meta
from filmroom.storage.blobs import Blobs
from filmroom.storage.disk import as_fault
from filmroom.storage.model import LOCAL, BlobRange
from filmroom.storage.online import OnlineStore
from filmroom.storage.pack import NewMember, PackWriter

_sql = load("filmroom.archive", "compression.sql")
log = structlog.get_logger()

# The slowest honest object is a cine of some hundred megabytes to JPEG 2000.
TIMEOUT_S: Final = 600.0
# A sender has its answer after this long whatever its object needs: the object is durable, compression goes on.
RECEIPT_WAIT_S: Final = 20.0
# Whoever reads the older form has this long to finish.
KEPT_AT_LEAST: Final = timedelta(hours=1)
_COPY_BYTES: Final = 1 << 20
# What is the object's own: trying again changes nothing.
_ITS_OWN: Final = (Unsupported, NotReadable, Corrupt, NotFound, LimitReached)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An object that is here and may be compressed."""

    pk: int
    series_pk: int
    study_pk: int
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    transfer_syntax: str
    dataset_offset: int
    header_bytes: int
    size_bytes: int
    digest: bytes
    source: str
    received_at: Any
    where: BlobRange

    @classmethod
    def of(cls, row: Any) -> "Candidate":
        """From a row."""
        values = dict(row)
        store, key, start = values.pop("store"), values.pop("key"), values.pop("start")
        return cls(**values, where=BlobRange(store, key, start, values["size_bytes"]))

    @property
    def dataset(self) -> BlobRange:
        """Where its data set is."""
        where, skip = self.where, self.dataset_offset
        return BlobRange(where.store, where.key, where.start + skip, where.size_bytes - skip)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one object; ``reason`` says why it was left as it is."""

    before_bytes: int
    after_bytes: int
    reason: str = ""

    @property
    def saved_bytes(self) -> int:
        return self.before_bytes - self.after_bytes


class Compressor:
    """Compresses one object at a time; ``stop`` after the last."""

    def __init__(
        self,
        database: Database,
        online: OnlineStore,
        blobs: Blobs,
        pixels: PixelPool,
        watch: FeedWatch,
        clock: Clock,
        *,
        receipt_wait_s: float = RECEIPT_WAIT_S,
    ) -> None:
        self._database = database
        self._online = online
        self._blobs = blobs
        self._pixels = pixels
        self._watch = watch
        self._clock = clock
        self._receipt_wait_s = receipt_wait_s
        self._packs: PackWriter | None = None
        self._thread = ThreadPoolExecutor(1, "compression")
        self._work: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """Finish what is under way and close the pack."""
        while self._work:
            await asyncio.gather(*self._work, return_exceptions=True)
        if self._packs is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._packs.close)
            self._packs = None
        self._thread.shutdown(wait=False)

    async def at_receipt(self, study_uid: str, series_uid: str, sop_uid: str, chosen: Chosen) -> None:
        """Compress an object that has just become durable, before its sender is told; never raises.

        What takes too long goes on by itself; what fails now is done by the rule's next round.
        """
        task = self._begun(self._by_uid(study_uid, series_uid, sop_uid, chosen))
        await asyncio.wait({task}, timeout=self._receipt_wait_s)
        if task.done() and (fault := task.exception()) is not None:
            log.warning("not compressed at receipt", error=type(fault).__name__)

    async def compress(self, found: Candidate, chosen: Chosen) -> Result:
        """What came of it. Raises Unavailable or NoSpace: then it may be tried again."""
        return await asyncio.shield(self._begun(self._compress(found, chosen)))

    def _begun(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _by_uid(self, study_uid: str, series_uid: str, sop_uid: str, chosen: Chosen) -> Result:
        async with self._database.connection() as connection:
            row = await _sql.candidate.one(
                connection, study_uid=study_uid, series_uid=series_uid, sop_uid=sop_uid, store=LOCAL
            )
        if row is None:
            return Result(0, 0, "it is gone")
        found = Candidate.of(row)
        return await self._compress(found, chosen) if chosen.how.takes(found.transfer_syntax) else Result(0, 0)

    async def _compress(self, found: Candidate, chosen: Chosen) -> Result:
        try:
            with tempfile.TemporaryDirectory(prefix="compress-") as folder:
                path = Path(folder) / "dataset"
                made = await self._made(found, chosen.how.target, path)
                head = write_meta(found.sop_class, found.sop_uid, chosen.how.target, "")
                size = len(head) + made["size_bytes"]
                if size >= found.size_bytes:
                    return await self.leave(found, chosen, "it would not get smaller")
                await self._begin(found, chosen, made, size)
                where = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._write, head, path, made, size
                )
            return await self._replace(found, chosen, made, head, where)
        except _ITS_OWN as fault:
            if isinstance(fault, compression_work.NotTheSame):
                log.error("compression would have changed an object", instance=found.pk, target=chosen.how.target)
            return await self.leave(found, chosen, str(fault))

    async def _made(self, found: Candidate, target: str, path: Path) -> dict[str, Any]:
        stored = found.dataset
        local, start = self._blobs.path(stored)
        where = StoredData(str(local), start, stored.size_bytes, found.transfer_syntax)
        made: dict[str, Any] = await self._pixels.run(
            compression_work.compress, where, target, str(path), timeout_s=TIMEOUT_S
        )
        return made

    async def leave(self, found: Candidate, chosen: Chosen, reason: str, *, state: str = "left") -> Result:
        """Write down why an object stays as it is; ``derived``: because another was made of it."""
        async with self._database.connection() as connection:
            await _sql.leave.run(
                connection, **_named(found, chosen), state=state, reason=reason[:200], at=self._clock.now()
            )
        return Result(found.size_bytes, found.size_bytes, reason)

    async def _begin(self, found: Candidate, chosen: Chosen, made: dict[str, Any], size_bytes: int) -> None:
        async with self._database.connection() as connection:
            await _sql.begin.run(
                connection,
                **_named(found, chosen),
                made_digest=bytes.fromhex(made["digest"]),
                made_bytes=size_bytes,
                pixels=bytes.fromhex(made["pixels"]),
                at=self._clock.now(),
            )

    def _write(self, head: bytes, path: Path, made: dict[str, Any], size_bytes: int) -> BlobRange:
        """Have the compressed form durable; blocks."""
        self._online.space.check()
        try:
            if size_bytes < self._online.settings.pack_below_bytes:
                where, digest = self._pack(head, path.read_bytes())
            else:
                where, digest = self._own_file(head, path)
        except OSError as error:
            raise as_fault(error) from error
        if digest.hex() != made["digest"]:
            raise Corrupt("the compressed form was not written as it was made")
        self._online.space.taken(size_bytes)
        return where

    def _pack(self, head: bytes, data: bytes) -> tuple[BlobRange, bytes]:
        self._packs = self._packs or self._online.pack_writer()
        (where,) = self._packs.append([NewMember([head, data], len(head) + len(data))])
        return where, hashlib.sha256(data).digest()

    def _own_file(self, head: bytes, path: Path) -> tuple[BlobRange, bytes]:
        spool = self._online.spool()
        try:
            spool.skip_digest(len(head))
            spool.write([head])
            with path.open("rb") as file:
                while piece := file.read(_COPY_BYTES):
                    spool.write([piece])
            return spool.keep(self._online.root, self._online.new_key("file")), spool.digest()
        except BaseException:
            spool.discard()
            raise

    async def _replace(
        self, found: Candidate, chosen: Chosen, made: dict[str, Any], head: bytes, where: BlobRange
    ) -> Result:
        """Let the compressed form take the place of the other, if that is still what it was made of."""
        digest, at = bytes.fromhex(made["digest"]), self._clock.now()
        version = duplicates_store.Version(
            sop_class=found.sop_class,
            transfer_syntax=chosen.how.target,
            dataset_offset=len(head),
            header_bytes=made["header_bytes"],
            digest=digest,
            blob_digest=hashlib.sha256(hashlib.sha256(head).digest() + digest).digest(),
            source=found.source,
            where=where,
        )
        fact = InstancesCompressed(
            study_uid=StudyUid(found.study_uid),
            series_uid=SeriesUid(found.series_uid),
            sop_uids=(SopUid(found.sop_uid),),
            rule=chosen.rule,
            transfer_syntax=chosen.how.target,
            saved_bytes=found.size_bytes - where.size_bytes,
        )
        place = found.where
        async with self._database.transaction() as tx:
            there = await _sql.lock_study.one(tx, pk=found.study_pk)
            same = there is not None and await _sql.still.value(
                tx, pk=found.pk, store=place.store, digest=found.digest, key=place.key, start=place.start
            )
            if same:
                kept = max(timedelta(days=chosen.how.kept_days), KEPT_AT_LEAST)
                reason = f"compressed by rule {chosen.rule}"
                await duplicates_store.recode(
                    tx, found.pk, version, reason=reason, at=at, received_at=found.received_at, kept=kept
                )
                await _sql.done.run(tx, pk=found.pk, at=at)
                await feed.append(tx, [fact], at)
        if not same:
            return await self.leave(found, chosen, "it changed meanwhile")
        self._watch.appended()
        return Result(found.size_bytes, where.size_bytes)


def _named(found: Candidate, chosen: Chosen) -> dict[str, Any]:
    return {
        "pk": found.pk,
        "rule": chosen.rule,
        "target": chosen.how.target,
        "digest": found.digest,
        "syntax": found.transfer_syntax,
        "size_bytes": found.size_bytes,
    }
