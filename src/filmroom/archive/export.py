"""Exports: studies taken out to a ZIP file, a folder or a device, as they are or de-identified, and who did so and why.

What is ordered is written down with its objects and its reason, in the transaction of its job; ``export_work`` does it.
A record is never deleted; only its files are.
"""

import asyncio
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from filmroom.archive.deidentification import BadExport, Deidentification
from filmroom.archive.devices import Devices, NoSuchDevice
from filmroom.archive.retrieve import Located, Retrieve
from filmroom.archive.sight_lists import export_seen
from filmroom.base.clock import Clock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import jobs
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.index.narrowed import rows_seen
from filmroom.security.audit import AuditKind, Recording, about, unrecorded
from filmroom.security.policy import Action, demand, may, view_for
from filmroom.security.principals import Kind, Principal

_sql = load("filmroom.archive", "export.sql")
log = structlog.get_logger()

EXPORT: Final = "export"
# What one export may hold: a DICOMDIR offset has 32 bits, and a person wants to see an end.
MAX_OBJECTS: Final = 1_000_000
# ZIP files are kept for so long after they were made.
KEEP_FILES = timedelta(days=7)
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export as it stands. ``state``: waiting, done, failed, cancelled.

    ``report``: attribute -> what was done -> how often.
    """

    pk: int
    kind: str
    destination: str
    state: str
    principal: str
    reason: str
    project: str | None
    trust: bool
    total: int
    written: int
    withheld: int
    failed: int
    size_bytes: int
    report: Mapping[str, Mapping[str, int]]
    path: str | None
    job_pk: int | None
    delivery_pk: int | None
    trouble: str
    created_at: datetime
    finished_at: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that is not in the export, and why."""

    n: int
    study_uid: str
    sop_uid: str
    state: str
    comment: str


class Exports:
    """Ordering exports and looking after them."""

    def __init__(
        self,
        database: Database,
        retrieve: Retrieve,
        devices: Devices,
        projects: Deidentification,
        clock: Clock,
        *,
        root: Path,
        record: Recording = unrecorded,
    ) -> None:
        """``root`` is where ZIP files and named folders lie."""
        self._database = database
        self._retrieve = retrieve
        self._devices = devices
        self.projects = projects
        self._clock = clock
        self._root = root
        self._record = record

    async def order(
        self,
        who: Principal,
        kind: str,
        destination: str = "",
        *,
        studies: Sequence[str] = (),
        series: Sequence[str] = (),
        instances: Sequence[str] = (),
        reason: str,
        project: str | None = None,
        trust_pixels: bool = False,
    ) -> int:
        """Take out what is there now; the export's number. Durable and recorded when it returns.

        ``project``: de-identified for it. ``trust_pixels``: who asks has looked, nothing is burned in.
        Raises Forbidden, NotFound, NoSuchDevice, BadExport.
        """
        demand(who, Action.EXPORT)
        if not reason.strip():
            raise BadExport("an export needs a reason")
        await self._destination(who, kind, destination)
        chosen = None if project is None else await self.projects.get(who, project)
        items = await self._retrieve.locate(
            who, studies=studies, series=series, instances=instances, action=Action.EXPORT
        )
        if not items:
            raise NotFound("there is nothing to export")
        if len(items) > MAX_OBJECTS:
            raise BadExport(f"an export holds at most {MAX_OBJECTS} objects")
        now = self._clock.now()
        async with self._database.transaction() as tx:
            pk: int = await _sql.add.value(
                tx,
                kind=kind,
                destination=destination,
                principal=who.id,
                reason=reason.strip(),
                project_pk=None if chosen is None else chosen.pk,
                trust=trust_pixels,
                total=len(items),
                at=now,
            )
            await _sql.add_items.run(
                tx, pk=pk, study_uids=[each.study_uid for each in items], sop_uids=[each.sop_uid for each in items]
            )
            job = await jobs.add(tx, EXPORT, {"export": pk}, at=now, queue=EXPORT, principal=who.id, max_attempts=5)
            await _sql.set_job.run(tx, pk=pk, job_pk=job)
            await self._record(tx, _event(who, pk, kind, destination, reason, project, items, now))
        log.info("export ordered", export=pk, kind=kind, objects=len(items), project=project or "", by=who.id)
        return pk

    async def listed(
        self, who: Principal, *, study: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Export]:
        """Exports, newest first; an administrator sees everybody's, others their own."""
        demand(who, Action.EXPORT)
        return await self._list(who, study=study, before=before, limit=limit)

    async def get(self, who: Principal, pk: int) -> Export:
        """One export. Raises NotFound."""
        demand(who, Action.EXPORT)
        found = await self._list(who, pk=pk, limit=1)
        if not found:
            raise NotFound(f"no export has the number {pk}")
        return found[0]

    async def left_out(self, who: Principal, pk: int, limit: int = 1000) -> list[LeftOut]:
        """What is not in an export, with the reasons."""
        await self.get(who, pk)
        async with self._database.connection() as connection:
            rows = await _sql.not_written.all(connection, pk=pk, limit=limit)
        return [LeftOut(**row) for row in rows]

    async def file(self, who: Principal, pk: int) -> Path:
        """The finished ZIP file, for whoever ordered it or administers. Raises NotFound."""
        found = await self.get(who, pk)
        if found.kind != "zip" or found.path is None or not await asyncio.to_thread(Path(found.path).is_file):
            raise NotFound("the export has no file, or not any more")
        return Path(found.path)

    async def cancel(self, who: Principal, pk: int) -> bool:
        """Call an export off; false when it was at its end."""
        await self.get(who, pk)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            job = await _sql.cancel.value(tx, pk=pk, at=now)
        if job is not None:
            await jobs.cancel(self._database, job, now)
        return job is not None

    async def remove(self, who: Principal, pk: int) -> None:
        """Delete the ZIP file; the record stays. A folder belongs to who asked for it, and is left alone."""
        found = await self.get(who, pk)
        if found.kind == "zip" and found.path is not None:
            await self._forget(pk, Path(found.path))

    async def prune(self) -> None:
        """Delete ZIP files whose time is over."""
        async with self._database.connection() as connection:
            rows = await _sql.old_files.all(connection, before=self._clock.now() - KEEP_FILES)
        for row in rows:
            await self._forget(row["pk"], Path(row["path"]))

    async def _forget(self, pk: int, path: Path) -> None:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        async with self._database.transaction() as tx:
            await _sql.removed.run(tx, pk=pk, at=self._clock.now())

    async def _destination(self, who: Principal, kind: str, destination: str) -> None:
        if kind == "device":
            if await self._devices.find(destination) is None:
                raise NoSuchDevice(f"no device is registered as {destination}")
        elif kind == "folder":
            path = folder_of(self._root, destination)
            if who.kind is not Kind.SYSTEM:
                demand(who, Action.ADMINISTER)
                if not _FOLDER.fullmatch(destination):
                    raise Forbidden("a folder is a name of letters, digits, dot, dash and underscore")
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise BadExport("the folder is there already and is not empty")
        elif kind != "zip":
            raise BadExport("an export goes to zip, folder or device")

    async def _list(
        self,
        who: Principal,
        *,
        pk: int | None = None,
        study: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Export]:
        principal = None if may(who, Action.ADMINISTER) else who.id
        async with self._database.connection() as connection:
            seen = partial(export_seen, view_for(who, Action.EXPORT))
            rows = await rows_seen(
                connection, _sql.list, seen, pk=pk, study=study, before=before, principal=principal, limit=limit
            )
        return [Export(**row) for row in rows]


def folder_of(root: Path, destination: str) -> Path:
    """Where a folder export goes: below ``root`` unless it is an absolute path."""
    return Path(destination) if destination.startswith("/") else root / "folders" / destination


def clear(path: Path) -> None:
    """Nothing is there any more."""
    shutil.rmtree(path, ignore_errors=True)


def _event(
    who: Principal,
    pk: int,
    kind: str,
    destination: str,
    reason: str,
    project: str | None,
    items: Sequence[Located],
    at: datetime,
) -> Any:
    detail = {"export": pk, "reason": reason.strip(), "deidentified_for": project or ""}
    studies = {each.study_uid for each in items}
    return about(
        who,
        AuditKind.EXPORTED,
        at,
        what=f"{kind} export",
        studies=studies,
        instances=len(items),
        destination=destination,
        detail=detail,
    )
