"""The ready-made metadata of a series: one compressed DICOM JSON document per version, never a read of N files."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
import zstandard

from filmroom.archive.corrections_out import edits_of
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.seriesdoc_growing import MAX_PART_OBJECTS, Growing
from filmroom.archive.seriesdoc_work import PIXEL_HEADER_BYTES, ROOT, Made, Source, make_document
from filmroom.archive.sight import Looks, Sight, unwatched
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound, Unavailable
from filmroom.base.facts import InstancesStored
from filmroom.db import feed
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import SYSTEM, Principal
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange

log = structlog.get_logger()

# Compressed documents kept in memory: 40 KB for 500 CT slices.
CACHE_BYTES = 24 * 2**20
# A series with no new object for this long gets its document made, before anybody asks.
QUIET_S = 1.5
# From this many objects on a worker process makes the document, so that nobody else waits for the interpreter.
BY_WORKER_FROM = 100
MAX_UNPACKED_OBJECTS = 1000
MAKE_TIMEOUT_S = 300.0
# A larger document cannot be a value of the database's; series of some hundred thousand objects do not exist.
MAX_DOCUMENT_BYTES = 512 * 2**20

_CHUNK_BYTES = 1 << 20
_ADDRESS = b'"BulkDataURI":"' + ROOT.encode()


@dataclass(frozen=True, slots=True)
class SeriesDocument:
    """The metadata of the visible objects of a series: a JSON array with one object a line.

    Addresses of bulk data are absolute paths without host (RFC 3986 4.2): they are right for whoever fetched the
    document from this server. ``with_origin`` gives whole URIs to clients that need them.
    """

    study_uid: str
    series_uid: str
    series_pk: int
    version: int
    compressed: bytes  # zstd (RFC 8878)

    @property
    def etag(self) -> str:
        """Names this version of this series; without quotes."""
        return f"{self.series_pk}-{self.version}"

    @property
    def json(self) -> bytes:
        """The document, plain: about 12 KB for each CT slice."""
        return zstandard.ZstdDecompressor().decompressobj().decompress(self.compressed)

    def chunks(self) -> Iterator[bytes]:
        """The document, plain, in pieces that end with a line; holds one of them at a time."""
        reader = zstandard.ZstdDecompressor().stream_reader(self.compressed)
        rest = b""
        while block := reader.read(_CHUNK_BYTES):
            end = block.rfind(b"\n") + 1
            if end:
                yield rest + block[:end]
                rest = block[end:]
            else:
                rest += block
        yield rest

    def with_origin(self, origin: str) -> bytes:
        """The document, plain, with ``origin`` (``https://host``) before each address of bulk data."""
        place = b'"BulkDataURI":"' + origin.encode("ascii", "ignore") + ROOT.encode()
        return b"".join(chunk.replace(_ADDRESS, place) for chunk in self.chunks())

    def instance(self, sop_uid: str) -> bytes | None:
        """The metadata of one object as a JSON array of one; None when it is not of the series."""
        mark = b'"00080018":{"vr":"UI","Value":["' + sop_uid.encode("ascii", "ignore") + b'"]}'
        for chunk in self.chunks():
            at = chunk.find(mark)
            if at >= 0:
                start, end = chunk.rfind(b"\n", 0, at) + 1, chunk.find(b"\n", at)
                line = chunk[start : end if end >= 0 else len(chunk)].strip(b"\n,")
                return b"[" + line.removeprefix(b"[").removesuffix(b"]") + b"]"
        return None


class SeriesDocuments:
    """Gives the documents, makes them when first asked for, and ahead of that in the background (``start``)."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        pixels: PixelPool,
        clock: Clock,
        feed_watch: FeedWatch,
        *,
        sight: Sight | None = None,
        looks: Looks = unwatched,
    ) -> None:
        self._db = db
        self._sight = sight or Sight(time.monotonic)
        self._looks = looks
        self._blobs = blobs
        self._pixels = pixels
        self._clock = clock
        self._watch = feed_watch
        self._sql = load("filmroom.archive", "seriesdoc.sql")
        self._kept: OrderedDict[tuple[int, int], SeriesDocument] = OrderedDict()
        self._kept_bytes = 0
        self._growing = Growing()
        self._making: dict[tuple[int, int], asyncio.Task[SeriesDocument]] = {}
        self._saving: set[asyncio.Task[None]] = set()
        self._builder: asyncio.Task[None] | None = None

    async def series_metadata(self, who: Principal, study: str, series: str) -> SeriesDocument:
        """The document of a series as it is now. Raises NotFound, Forbidden, Unavailable."""
        demand(who, Action.VIEW)
        async with self._db.connection() as connection:
            row = await self._sql.series_now.one(connection, study=study, series=series)
            if row is None or not await self._sight.of(connection, who.view, [row["pk"]]):
                raise NotFound("there is no such series")
        await self._looks(who, Action.VIEW, (study,))
        return await self._document(study, series, row)

    async def study_metadata(self, who: Principal, study: str) -> list[SeriesDocument]:
        """The documents of every series of a study, by series number. Raises NotFound, Forbidden, Unavailable."""
        demand(who, Action.VIEW)
        async with self._db.connection() as connection:
            rows = await self._sql.series_of_study.all(connection, study=study)
            seen = await self._sight.of(connection, who.view, [row["pk"] for row in rows])
        rows = [row for row in rows if row["pk"] in seen]
        if not rows:
            raise NotFound("there is no such study")
        await self._looks(who, Action.VIEW, (study,))
        return [await self._document(study, row["series_uid"], row) for row in rows]

    async def start(self) -> None:
        """Begin to make documents of series that have gone quiet; idle workers load what that takes."""
        idle = (self._pixels.run(make_document, "", "", []) for _ in self._pixels.pids())
        await asyncio.gather(*idle, return_exceptions=True)
        self._builder = asyncio.create_task(self._build_ahead())

    async def stop(self) -> None:
        """End it; what is being made is dropped."""
        tasks = [*self._making.values(), *([self._builder] if self._builder is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._saving, return_exceptions=True)

    async def _document(self, study: str, series: str, row: Any) -> SeriesDocument:
        key = (row["pk"], row["version"])
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        if row["made"] == row["version"]:
            async with self._db.connection() as connection:
                body = await self._sql.document.value(connection, series_pk=key[0], version=key[1])
            if body is not None:
                return self._keep(SeriesDocument(study, series, *key, body))
        # Everybody who asks meanwhile waits for the same one; it is finished even if they go away.
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(study, series, *key))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _make(self, study: str, series: str, series_pk: int, version: int) -> SeriesDocument:
        async with self._db.connection() as connection:
            rows = await self._sql.headers.all(connection, series_pk=series_pk)
            sources = await self._sources(connection, rows)
        made = await self._by_worker_or_thread(study, series, sources, self._growing.parts((study, series)))
        complete, body = made[:1] == b"\1", made[1:]
        document = self._keep(SeriesDocument(study, series, series_pk, version, body), complete)
        if not complete:
            log.warning("series document is not complete", series_pk=series_pk)
            return document
        self._growing.whole((study, series), Made(sources, body), max((row["pk"] for row in rows), default=0))
        if len(body) <= MAX_DOCUMENT_BYTES:  # nobody needs to wait for that
            saving = asyncio.create_task(self._save(document))
            self._saving.add(saving)
            saving.add_done_callback(self._saving.discard)
        return document

    async def _save(self, document: SeriesDocument) -> None:
        with contextlib.suppress(Unavailable):
            async with self._db.connection() as connection:
                await self._sql.keep_document.run(
                    connection,
                    series_pk=document.series_pk,
                    version=document.version,
                    body=document.compressed,
                    made_at=self._clock.now(),
                )

    async def _by_worker_or_thread(
        self, study: str, series: str, sources: Sequence[Source], made: Sequence[Made] = ()
    ) -> bytes:
        # A worker that must be started first, or that is busy, would cost more than it saves.
        if len(sources) >= BY_WORKER_FROM and self._pixels.pids():
            with contextlib.suppress(Unavailable):
                call = (make_document, study, series, sources, made)
                document: bytes = await self._pixels.run(*call, timeout_s=MAKE_TIMEOUT_S)
                return document
        # What was made before is unpacked as a whole: a large series would be too much here.
        known = made if len(sources) <= MAX_UNPACKED_OBJECTS else ()
        return await asyncio.to_thread(make_document, study, series, sources, known)

    async def _sources(self, connection: Connection, rows: Sequence[Any]) -> tuple[Source, ...]:
        corrected = [row["pk"] for row in rows if row["corrected"]]
        edits = await edits_of(connection, corrected) if corrected else {}
        files: dict[tuple[str, str], str] = {}
        return tuple(self._source(row, files)._replace(edit=edits.get(row["pk"])) for row in rows)

    def _source(self, row: Any, files: dict[tuple[str, str], str]) -> Source:
        """``files`` are the paths that are known by now."""
        store, key, size_bytes = row["store"], row["key"], row["size_bytes"]
        path = files.get((store, key))
        if path is None:
            path = files[store, key] = str(self._blobs.path(BlobRange(store, key, 0, 0))[0])
        skip = row["dataset_offset"]
        length = min(row["header_bytes"] + PIXEL_HEADER_BYTES, size_bytes - skip)
        return Source(row["sop_uid"], path, row["start"] + skip, max(0, length), row["transfer_syntax"])

    def _keep(self, document: SeriesDocument, complete: bool = True) -> SeriesDocument:
        key = (document.series_pk, document.version)
        if complete and key not in self._kept:
            self._kept[key] = document
            self._kept_bytes += len(document.compressed)
        while self._kept_bytes > CACHE_BYTES and self._kept:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1].compressed)
        return document

    async def _build_ahead(self) -> None:
        """Follow the feed; a series with no news for QUIET_S gets its document."""
        loop = asyncio.get_running_loop()
        last_news: dict[tuple[str, str], float] = {}
        seq: int | None = None
        while True:
            try:
                seq = await feed.head(self._db) if seq is None else seq
                await self._watch.wait(seq, QUIET_S / 2 if last_news else 3600.0)
                for recorded in await feed.read(self._db, seq):
                    seq = recorded.seq
                    if isinstance(fact := recorded.fact, InstancesStored):
                        last_news[fact.study_uid, fact.series_uid] = loop.time()
                        self._growing.news((fact.study_uid, fact.series_uid), len(fact.sop_uids))
                for (study, series), last_pk in self._growing.due():
                    await self._grow(study, series, last_pk)
                quiet = [each for each, at in last_news.items() if loop.time() - at >= QUIET_S]
                for study, series in quiet:
                    del last_news[study, series]
                    with contextlib.suppress(NotFound):
                        await self.series_metadata(SYSTEM, study, series)
                await asyncio.sleep(0.1)  # a busy archive has news all the time
            except FilmroomError as error:
                log.warning("series document was not made", error=type(error).__name__)
                await asyncio.sleep(QUIET_S)

    async def _grow(self, study: str, series: str, last_pk: int) -> None:
        """Make the part of a document that is of objects behind ``last_pk``."""
        if not self._pixels.pids():  # they have better things to do
            return
        async with self._db.connection() as connection:
            rows = await self._sql.headers_behind.all(
                connection, study=study, series=series, last_pk=last_pk, limit=MAX_PART_OBJECTS
            )
            sources = await self._sources(connection, rows)
        if len(sources) >= BY_WORKER_FROM // 2:
            made = await self._by_worker_or_thread(study, series, sources)
            if made[:1] == b"\1":
                self._growing.add((study, series), Made(sources, made[1:]), rows[-1]["pk"])
