"""Import of a file, a folder (a CD with its DICOMDIR) or a ZIP through the same door as everything else.

An import may be broken off and begun again: what is filed already is known by a journal in the data folder, and where
that is missing by its digest.
"""

import asyncio
import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn, Protocol

import structlog

from filmroom.archive.door import Ingest
from filmroom.archive.model import Outcome, Stored
from filmroom.base.errors import FilmroomError, NotReadable
from filmroom.dicom.part10 import read_meta
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal

log = structlog.get_logger()

# Enough to keep a disk and the database busy; more only holds memory.
IN_FLIGHT = 8
PIECE_BYTES = 1 << 20
# What is read to tell DICOM from other files; the longest real file header is far shorter.
SNIFF_BYTES = 4096
# A member of a ZIP may grow so much, and the whole ZIP to so many members, before it is taken for an attack.
MAX_ZIP_RATIO = 1000
MAX_ZIP_MEMBERS = 2_000_000
MAX_MEMBER_BYTES = 64 * 2**30


@dataclass(slots=True)
class Summary:
    """What became of the files of an import."""

    filed: int = 0
    already: int = 0
    conflicts: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)  # by reason
    skipped: int = 0  # not DICOM
    directories: int = 0  # DICOMDIR files: the folder's files themselves are imported
    failed: Counter[str] = field(default_factory=Counter)  # by reason; worth another try
    bytes_read: int = 0

    @property
    def total(self) -> int:
        return (
            self.filed
            + self.already
            + self.conflicts
            + self.quarantined.total()
            + self.skipped
            + self.directories
            + self.failed.total()
        )


class Progress(Protocol):
    """Told after each file; ``total`` is None until the number of files is known."""

    def __call__(self, summary: Summary, total: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class _Source:
    """A file to look at: where it is known under, and how to open it. ``stamp`` changes when the file does."""

    stamp: bytes
    size_bytes: int
    open: Callable[[], IO[bytes]]


class Journal:
    """Which files were imported: 16 bytes each, in a file that is only appended to. Losing it costs time, no more."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: set[bytes] = set()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "Journal":
        if self._path is not None:
            data = self._path.read_bytes() if self._path.exists() else b""
            whole = len(data) - len(data) % 16  # a crash may have cut off the last
            self._known = {data[start : start + 16] for start in range(0, whole, 16)}
            self._file = self._path.open("ab", buffering=0)
            self._file.truncate(whole)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, stamp: bytes) -> bool:
        return stamp in self._known

    def add(self, stamp: bytes) -> None:
        self._known.add(stamp)
        if self._file is not None:
            self._file.write(stamp)


async def import_path(
    ingest: Ingest, who: Principal, path: Path, progress: Progress | None = None, *, journal: Path | None = None
) -> Summary:
    """File everything DICOM under ``path``. ``journal`` is where to remember it (in the data folder).

    Raises Forbidden or FileNotFoundError. What else goes wrong stands in the summary, and does not stop the rest.
    """
    demand(who, Action.STORE)
    await asyncio.to_thread(path.stat)
    with Journal(journal) as known:
        run = _Run(ingest, who, known, progress, source=path.name[:64])
        await run.all(path)
    return run.summary


class _Run:
    def __init__(self, ingest: Ingest, who: Principal, known: Journal, progress: Progress | None, source: str) -> None:
        self._ingest = ingest
        self._who = who
        self._known = known
        self._progress = progress
        self._source = source
        self.summary = Summary()
        self._total: int | None = None
        self._seen = 0

    async def all(self, path: Path) -> None:
        async with asyncio.TaskGroup() as group, aclosing(_in_thread(sources(path))) as found:
            places = asyncio.Semaphore(IN_FLIGHT)
            async for source in found:
                await places.acquire()
                self._seen += 1
                group.create_task(self._one(source, places))
        self._total = self._seen
        self._tell()

    async def _one(self, source: _Source, places: asyncio.Semaphore) -> None:
        try:
            if source.stamp in self._known:
                self.summary.already += 1
            else:
                await self._import(source)
        except FilmroomError as fault:
            self.summary.failed[str(fault)] += 1
        except (
            OSError,
            zipfile.BadZipFile,
            EOFError,
            RuntimeError,
            NotImplementedError,
            zipfile.LargeZipFile,
        ) as error:
            self.summary.failed[f"cannot be read ({type(error).__name__})"] += 1
        finally:
            places.release()
        self._tell()

    async def _import(self, source: _Source) -> None:
        file = await asyncio.to_thread(source.open)
        try:
            start = await asyncio.to_thread(file.read, SNIFF_BYTES)
            if not self._is_dicom(start, complete=len(start) < SNIFF_BYTES):
                return
            outcome = await self._stream(file, start, source.size_bytes)
        finally:
            await asyncio.to_thread(file.close)
        self._count(outcome)
        if outcome.safe:
            self._known.add(source.stamp)

    def _is_dicom(self, start: bytes, *, complete: bool) -> bool:
        try:
            meta = read_meta(start, complete=complete)
        except NotReadable:
            self.summary.skipped += 1
            return False
        if meta is not None and meta.is_dicomdir:
            self.summary.directories += 1
            return False
        return True

    async def _stream(self, file: IO[bytes], start: bytes, size_bytes: int) -> Outcome:
        incoming = self._ingest.begin(self._who, door="import", source=self._source, transfer_syntax=None, part10=True)
        try:
            piece, read = start, 0
            while piece:
                incoming.write(piece)
                read += len(piece)
                if read > size_bytes:
                    raise NotReadable("the file grows while it is read")
                if incoming.full:
                    await incoming.drain()
                piece = await asyncio.to_thread(file.read, PIECE_BYTES)
        except BaseException:
            await incoming.discard()
            raise
        self.summary.bytes_read += read
        return await incoming.finish()

    def _count(self, outcome: Outcome) -> None:
        summary = self.summary
        match outcome.result:
            case Stored.NEW:
                summary.filed += 1
            case Stored.ALREADY:
                summary.already += 1
            case Stored.CONFLICT:
                summary.conflicts += 1
            case Stored.QUARANTINED:
                summary.quarantined[outcome.comment] += 1
            case _:
                summary.failed[outcome.comment] += 1

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.summary, self._total)


def sources(path: Path) -> Iterator[_Source]:
    """Every file that ``path`` stands for. Links are not followed out of a folder."""
    if path.is_dir():
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in sorted(files):
                each = Path(folder) / name
                if each.is_file() and not each.is_symlink():
                    yield from _file_or_zip(each)
    else:
        yield from _file_or_zip(path)


def _file_or_zip(path: Path) -> Iterator[_Source]:
    try:
        if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            yield from _members(path)
            return
        found = path.stat()
    except (NotReadable, OSError) as error:
        fault = NotReadable(str(error))
        yield _Source(b"", 0, lambda: _raise(fault))
        return
    stamp = _stamp(str(path.absolute()), found.st_size, found.st_mtime_ns)
    yield _Source(stamp, found.st_size, lambda: path.open("rb"))


def _raise(fault: Exception) -> NoReturn:
    raise fault


def _members(path: Path) -> Iterator[_Source]:
    """The members of a ZIP; their names are never used as paths, so none can lead out of anywhere."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise NotReadable(f"the ZIP cannot be read: {error}") from error
    found = path.stat()
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_ZIP_MEMBERS:
        raise NotReadable(f"the ZIP has more than {MAX_ZIP_MEMBERS} members")
    for info in infos:
        if info.file_size > MAX_MEMBER_BYTES or info.file_size > MAX_ZIP_RATIO * max(info.compress_size, 1):
            raise NotReadable("the ZIP grows beyond all measure")
        stamp = _stamp(f"{path.absolute()}!{info.filename}", info.file_size, found.st_mtime_ns ^ info.CRC)
        yield _Source(stamp, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]


def _stamp(name: str, size_bytes: int, mark: int) -> bytes:
    text = f"{name}|{size_bytes}|{mark}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).digest()


async def _in_thread(items: Iterator[_Source]) -> AsyncGenerator[_Source, None]:
    """Walk a slow iterator without holding up the event loop."""
    done = object()
    while (item := await asyncio.to_thread(next, items, done)) is not done:
        assert isinstance(item, _Source)
        yield item
