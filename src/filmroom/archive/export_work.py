"""The job of an export: each object becomes a file in a folder that nobody sees yet, then the whole takes its place.

A job that was interrupted begins again with an empty folder. One object that cannot be read or must be withheld is
named and does not stop the others.
"""

import asyncio
import shutil
import uuid
import zipfile
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from filmroom.archive.deidentification import Deidentification
from filmroom.archive.devices import Device, Devices, NoSuchDevice
from filmroom.archive.export import clear, folder_of
from filmroom.archive.export_media import MediaFile, dicomdir, file_ids, page
from filmroom.archive.export_task import Making, make_file
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.pixeltasks import StoredData
from filmroom.archive.ports import SentObject
from filmroom.archive.retrieve import ANY, Handout, Located, Retrieve
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Retry, Unavailable, Unsupported
from filmroom.base.ids import new_uid
from filmroom.db.jobs import Job, Report
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.part10 import read_meta
from filmroom.dicom.transcode import transcode
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup
from filmroom.security.principals import SYSTEM
from filmroom.security.principals import job as job_principal

_sql = load("filmroom.archive", "export.sql")
log = structlog.get_logger()

# Objects in work at a time: enough to keep the pixel workers busy.
AT_A_TIME = 4
REPORT_EVERY = 25
# A cine of some hundred megabytes whose frames are decoded and blackened.
MAKE_TIMEOUT_S = 600.0
CHUNK_BYTES = 1 << 20


class FileSender(Protocol):
    """Sends objects that ``retrieve`` hands out to a device."""

    def send(
        self, to: Device, items: Sequence[Located], *, retrieve: Any = None
    ) -> AsyncGenerator[SentObject, None]: ...


@dataclass(slots=True)
class _Outcome:
    """What is known of the export so far."""

    files: list[MediaFile] = field(default_factory=list)
    made: dict[int, tuple[Located, Path]] = field(default_factory=dict)
    ns: list[int] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    report: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, n: int, state: str, comment: str = "") -> None:
        self.ns.append(n)
        self.states.append(state)
        self.comments.append(comment[:500])


class ExportWork:
    """Does exports."""

    def __init__(
        self,
        database: Database,
        retrieve: Retrieve,
        pixels: PixelPool,
        devices: Devices,
        projects: Deidentification,
        clock: Clock,
        *,
        root: Path,
        sender: FileSender | None = None,
    ) -> None:
        self._database = database
        self._retrieve = retrieve
        self._pixels = pixels
        self._devices = devices
        self._projects = projects
        self._clock = clock
        self._root = root
        self._sender = sender

    async def run(self, job: Job, report: Report) -> None:
        """Handle one job. Raises FilmroomError when it is to be tried again, or has failed for good."""
        pk = int(job.body["export"])
        async with self._database.connection() as connection:
            order = await _sql.order_of.one(connection, pk=pk)
            rows = await _sql.items.all(connection, pk=pk)
        if order is None or order["state"] != "waiting":
            return
        making = self._root / f"making-{pk}"
        await asyncio.to_thread(clear, making)
        outcome = _Outcome()
        try:
            method = Making()
            if order["project_pk"] is not None:
                found = await self._projects.method(order["project_pk"])
                method = Making(recipe=found.recipe, templates=found.templates, trust_pixels=order["trust"])
            await self._make(rows, method, making, outcome, report)
            path, size = await self._put(pk, order, making, outcome)
        except Exception as error:
            again = isinstance(error, FilmroomError) and error.retry is Retry.SAFE and job.attempt < job.max_attempts
            if not again:
                said = str(error) if isinstance(error, FilmroomError) else ""
                await self._finish(pk, "failed", outcome, trouble=said or type(error).__name__)
            raise
        finally:
            await asyncio.to_thread(clear, making)
        await self._finish(pk, "done" if outcome.files else "failed", outcome, path=path, size_bytes=size)
        await report({"done": len(rows), "total": len(rows)})
        log.info("export done", export=pk, written=len(outcome.files), total=len(rows), bytes=size)

    async def _make(self, rows: Sequence[Any], method: Making, making: Path, outcome: _Outcome, report: Report) -> None:
        """Every object as a file below ``making``."""
        who = job_principal("export", SYSTEM)
        located = {each.sop_uid: each for each in await self._retrieve.locate(who, instances=_uids(rows))}
        here = [row for row in rows if row["sop_uid"] in located]
        for row in rows:
            if row["sop_uid"] not in located:
                outcome.add(row["n"], "failed", "no longer in the archive")
        items = [located[row["sop_uid"]] for row in here]
        ids = file_ids([(item.study_uid, item.series_uid) for item in items])
        waiting: deque[asyncio.Task[Any]] = deque()
        done = 0
        try:
            for row, item, file_id in zip(here, items, ids, strict=True):
                if len(waiting) >= AT_A_TIME:
                    await waiting.popleft()
                waiting.append(asyncio.create_task(self._one(row["n"], item, file_id, method, making, outcome)))
                done += 1
                if done % REPORT_EVERY == 0:
                    await report({"done": done - len(waiting), "total": len(rows)})
            while waiting:
                await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        outcome.files.sort(key=lambda file: file.file_id)

    async def _one(
        self, n: int, item: Located, file_id: tuple[str, ...], method: Making, making: Path, outcome: _Outcome
    ) -> None:
        target = making.joinpath("medium", *file_id)
        scratch = making / f"scratch-{n}"
        try:
            source = await self._source(item, scratch, deidentify=method.recipe is not None)
            said = await self._pixels.run(make_file, source, method, str(target), timeout_s=MAKE_TIMEOUT_S)
        except Unavailable:
            raise
        except FilmroomError as error:
            outcome.add(n, "failed", str(error))
            return
        finally:
            await asyncio.to_thread(scratch.unlink, missing_ok=True)
        if "withheld" in said:
            outcome.add(n, "withheld", said["withheld"])
            return
        outcome.add(n, "written")
        keys, syntax = said["keys"], said["transfer_syntax"]
        outcome.files.append(MediaFile(file_id, keys, syntax))
        outcome.made[n] = (replace(item, sop_uid=keys["00080018"], transfer_syntax=syntax, edit=None), target)
        for name, counts in said["report"].items():
            outcome.report.setdefault(name, Counter()).update(counts)

    async def _source(self, item: Located, scratch: Path, *, deidentify: bool) -> StoredData:
        """Where a worker finds the data set as it goes out: where it is stored, or in a scratch file."""
        syntax = lookup(item.transfer_syntax)
        plain = not deidentify or not (syntax.big_endian or syntax.deflated)
        if item.edit is None and plain:
            return self._retrieve.stored_data(item)
        made = await self._retrieve.handout(item, (ANY,) if plain else (EXPLICIT_LE,))
        scratch.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with scratch.open("wb") as file:
            async for chunk in made.chunks:
                size += await asyncio.to_thread(file.write, chunk)
        return StoredData(str(scratch), 0, size, made.transfer_syntax)

    async def _put(self, pk: int, order: Any, making: Path, outcome: _Outcome) -> tuple[str | None, int]:
        """What was made, where it was to go; the path and size of it."""
        size = sum(path.stat().st_size for _, path in outcome.made.values())
        if not outcome.files:
            return None, 0
        if order["kind"] == "device":
            await self._send(order["destination"], outcome)
            return None, size
        medium = making / "medium"
        left_out = sum(state != "written" for state in outcome.states)
        deidentified = order["project_pk"] is not None
        await asyncio.to_thread(_write_medium, medium, outcome.files, deidentified, left_out)
        if order["kind"] == "folder":
            target = folder_of(self._root, order["destination"])
            await asyncio.to_thread(_moved, medium, target)
            return str(target), size
        target = self._root / f"export-{pk}.zip"
        await asyncio.to_thread(_zipped, medium, target)
        return str(target), target.stat().st_size

    async def _send(self, ae_title: str, outcome: _Outcome) -> None:
        device = await self._devices.find(ae_title)
        if device is None or not device.enabled:
            raise NoSuchDevice(f"no device is registered as {ae_title}")
        if self._sender is None:
            raise Unsupported("nothing is sent from here")
        numbers = sorted(outcome.made)
        items = [outcome.made[n][0] for n in numbers]
        source = _Files({item.sop_uid: path for item, path in outcome.made.values()})
        place = {n: at for at, n in enumerate(outcome.ns)}
        trouble = ""
        async with aclosing(self._sender.send(device, items, retrieve=source)) as results:
            at = 0
            async for sent in results:
                if sent.status is None or (sent.status and sent.status >> 12 != 0xB):
                    said = sent.comment or (f"{sent.status:04X}H" if sent.status else "no answer")
                    outcome.states[place[numbers[at]]] = "failed"
                    outcome.comments[place[numbers[at]]] = said[:500]
                    trouble = said if sent.away else trouble
                at += 1
        if trouble:
            raise Unavailable(trouble)

    async def _finish(
        self, pk: int, state: str, outcome: _Outcome, *, path: str | None = None, size_bytes: int = 0, trouble: str = ""
    ) -> None:
        async with self._database.transaction() as tx:
            await _sql.record.run(tx, pk=pk, ns=outcome.ns, states=outcome.states, comments=outcome.comments)
            done = await _sql.finish.value(
                tx,
                pk=pk,
                state=state,
                trouble=trouble or ("" if outcome.files else "nothing could be exported"),
                at=self._clock.now(),
                path=path,
                size_bytes=size_bytes,
                report={name: dict(counts) for name, counts in sorted(outcome.report.items())},
                delivery_pk=None,
            )
        if done is None and path is not None:  # called off meanwhile
            await asyncio.to_thread(_gone, Path(path))


class _Files:
    """The files that were made, handed out as data sets."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths

    async def handout(self, item: Any, acceptable: Sequence[str] = (ANY,)) -> Handout:
        """The data set in its own transfer syntax, or in the first that is acceptable and without loss."""
        data = await asyncio.to_thread(self._paths[item.sop_uid].read_bytes)
        meta = read_meta(data, complete=True)
        assert meta is not None
        body, syntax = memoryview(data)[meta.dataset_offset :], meta.transfer_syntax
        if ANY not in acceptable and syntax not in acceptable:
            made = await asyncio.to_thread(transcode, body, syntax, next(iter(acceptable)))
            body, syntax = memoryview(made.data), made.transfer_syntax
        return Handout(syntax, len(body), _pieces(body))


async def _pieces(data: memoryview) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield bytes(data[start : start + CHUNK_BYTES])


def _uids(rows: Sequence[Any]) -> list[str]:
    return [row["sop_uid"] for row in rows]


def _write_medium(folder: Path, files: Sequence[MediaFile], deidentified: bool, left_out: int) -> None:
    (folder / "DICOMDIR").write_bytes(dicomdir(files, new_uid(lambda: uuid.uuid4().int)))
    (folder / "README.HTM").write_text(page(files, deidentified=deidentified, left_out=left_out), encoding="utf-8")


def _moved(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    shutil.move(folder, target)


def _zipped(folder: Path, target: Path) -> None:
    """Stored, not compressed: pixels do not shrink twice."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    with zipfile.ZipFile(half, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    half.chmod(0o600)
    half.rename(target)


def _gone(path: Path) -> None:
    if path.is_dir():
        clear(path)
    else:
        path.unlink(missing_ok=True)
