"""Power is lost while objects come in: of the store only what was synced is left, or any part of what was not.

The database keeps what it has committed (its own log is synced, and PostgreSQL's own tests are for that); what is
shown here is that every answer, and every row, came after the sync of its bytes.
"""

import asyncio
import os
import random
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from tests.fixtures.taking_in import taking_in

from filmroom.archive.model import Stored
from filmroom.db.pool import Database
from filmroom.settings import StorageSettings
from filmroom.storage.disk import Disk, Piece

_SECTOR = 512
_Write = tuple[int, bytes]


@dataclass
class _File:
    """One file: what is on the medium for certain, and what was written since. Its names come and go apart from it."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[_Write] = field(default_factory=list)
    cut_to: int | None = None  # an unsynced change of the length
    image: bytes = b""  # ``synced`` as it is now, shared by all moments until the next sync


@dataclass(frozen=True)
class Moment:
    """The medium when the power goes: names that are durable, what each file is known to hold, and what it may hold."""

    files: dict[Path, tuple[bytes, tuple[_Write, ...]]]
    acknowledged: dict[str, Object]


class RecordingDisk(Disk):
    """Writes for real, and keeps a second account in which only a sync makes anything last."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: dict[int, _File] = {}
        self._names: dict[Path, _File] = {}  # as a process sees them
        self._durable: dict[Path, _File] = {}  # as the medium has them
        self.acknowledged: dict[str, Object] = {}
        self.moments: list[Moment] = []

    def create(self, path: Path) -> int:
        with self._lock:
            fd = super().create(path)
            self._names[path] = self._open[fd] = _File()
            self._tick()
            return fd

    def write(self, fd: int, buffers: Sequence[Piece], offset: int) -> int:
        data = b"".join(bytes(memoryview(each)) for each in buffers)
        with self._lock:
            self._open[fd].since.append((offset, data))
            size = super().write(fd, buffers, offset)
            self._tick()
            return size

    def truncate(self, fd: int, size_bytes: int) -> None:
        with self._lock:
            super().truncate(fd, size_bytes)
            file = self._open[fd]
            file.cut_to = size_bytes
            file.since = [(at, data[: max(0, size_bytes - at)]) for at, data in file.since if at < size_bytes]

    def sync(self, fd: int) -> None:
        super().sync(fd)
        with self._lock:
            file = self._open[fd]
            for write in file.since:
                _lay(file.synced, *write)
            if file.cut_to is not None:
                del file.synced[file.cut_to :]
            file.since, file.cut_to, file.image = [], None, bytes(file.synced)
            self._tick()

    def close(self, fd: int) -> None:
        with self._lock:
            del self._open[fd]
            super().close(fd)

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            super().rename(source, target)
            self._names[target] = self._names.pop(source)

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            super().link(source, target)
            self._names[target] = self._names[source]

    def remove(self, path: Path) -> None:
        with self._lock:
            super().remove(path)
            self._names.pop(path, None)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        with self._lock:
            for path in [path for path in self._durable if path.parent == folder and path not in self._names]:
                del self._durable[path]
            self._durable |= {path: file for path, file in self._names.items() if path.parent == folder}
            self._tick()

    def _tick(self) -> None:
        """After every call is a moment at which the power may go."""
        files = {path: (file.image, tuple(file.since)) for path, file in self._durable.items()}
        self.moments.append(Moment(files, dict(self.acknowledged)))


def _lay(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _after(synced: bytes, since: Sequence[_Write], chance: random.Random | None) -> bytes:
    """The file when power is back: without what was not synced, or with any of its sectors (``chance``)."""
    if chance is None or not since:
        return synced
    content = bytearray(synced)
    for offset, data in since:
        for start in range(0, len(data), _SECTOR):
            if chance.random() < 0.5:
                _lay(content, offset + start, data[start : start + _SECTOR])
    return bytes(content)


@pytest.mark.capability("1.1.4", "1.1.5", "2.1.2")
@pytest.mark.parametrize("order", ["alone", "together"])
async def test_what_was_answered_with_success_survives_the_loss_of_power(
    order: str, database: Database, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    disk = RecordingDisk()
    run = fresh_run()
    sent = [*objects("tiny", Study(run, 1), 24), *objects("mr", Study(run, 2), 6), *objects("ct", Study(run, 3), 3)]
    sent += objects("cine-small", Study(run, 4), 1)
    chance.shuffle(sent)
    settings = StorageSettings(reserve_bytes=0, pack_size_bytes=1 << 20, pack_below_bytes=1 << 20)
    root = tmp_path / "store"
    async with taking_in(database, root, settings=settings, disk=disk) as rig:

        async def store(each: Object) -> None:
            outcome = await rig.store(each)
            assert outcome.result is Stored.NEW
            with disk._lock:
                disk.acknowledged[each.sop_uid] = each

        for start in range(0, len(sent), size := 1 if order == "alone" else 6):
            await asyncio.gather(*(store(each) for each in sent[start : start + size]))
        places = await rig.rows(
            "SELECT i.sop_uid, i.dataset_offset, l.key, l.start, l.size_bytes "
            "FROM instance i JOIN location l ON l.instance_pk = i.pk"
        )
    where = {sop_uid: (root / key, start + offset, start + size) for sop_uid, offset, key, start, size in places}
    assert len(disk.moments) > len(sent)
    checked: dict[Path, int] = defaultdict(int)
    for moment in disk.moments:
        for source in (None, chance):
            medium = {path: _after(*file, source) for path, file in moment.files.items()}
            for sop_uid, each in moment.acknowledged.items():
                path, start, end = where[sop_uid]
                assert path in medium, f"seed {seed}: the name of {path.name} is not durable"
                assert medium[path][start:end] == each.dataset, f"seed {seed}: {sop_uid} is lost"
                checked[path] += 1
    assert len(checked) > 2, "more than one pack, and a file of its own"


@pytest.mark.capability("1.1.4")
async def test_a_disk_that_does_not_sync_is_found_out(database: Database, tmp_path: Path) -> None:
    """The same account with syncs that do nothing: the test above would notice."""

    class Lying(RecordingDisk):
        def sync(self, fd: int) -> None:
            os.fdatasync(fd)

    disk = Lying()
    async with taking_in(database, tmp_path / "store", disk=disk) as rig:
        (sent,) = objects("tiny", Study(fresh_run(), 1), 1)
        assert (await rig.store(sent)).result is Stored.NEW
        assert not any(file.synced for file in disk._durable.values())
