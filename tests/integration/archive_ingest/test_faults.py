"""What fails at the n-th call, for every n: nothing acknowledged is lost, no row is without its bytes."""

import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.model import Stored
from filmroom.base.errors import NoSpace, Unavailable
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.migrate import migrate
from filmroom.db.pool import Connection, Database
from filmroom.settings import StorageSettings
from filmroom.storage.disk import Disk, Piece


class FailingDisk(Disk):
    """Fails at the n-th call from when it is armed; a failing write has written half."""

    def __init__(self) -> None:
        self.calls = 0
        self.fail_at = 0
        self.error = errno.EIO
        self._lock = threading.Lock()

    def arm(self, fail_at: int, error: int) -> None:
        self.calls, self.fail_at, self.error = 0, fail_at, error

    def _count(self) -> None:
        with self._lock:
            self.calls += 1
            if self.calls == self.fail_at:
                raise OSError(self.error, os.strerror(self.error))

    def create(self, path: Path) -> int:
        self._count()
        return super().create(path)

    def write(self, fd: int, buffers: Sequence[Piece], offset: int) -> int:
        try:
            self._count()
        except OSError:
            data = b"".join(buffers)
            self.use_cache(fd)
            os.pwrite(fd, data[: len(data) // 2], offset)
            raise
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        self._count()
        super().sync(fd)

    def link(self, source: Path, target: Path) -> None:
        self._count()
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._count()
        super().sync_folder(folder)


class FailingDatabase(Database):
    """The connection is lost at the n-th use: before the statement, or after it with nobody knowing."""

    uses = 0
    fail_at = 0
    late = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with self._failing(super().connection()) as connection:
            yield connection

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[Connection]:
        async with self._failing(super().kept()) as connection:
            yield connection

    @asynccontextmanager
    async def _failing(self, real: AbstractAsyncContextManager[Connection]) -> AsyncIterator[Connection]:
        self.uses += 1
        failing = self.uses == self.fail_at
        if failing and not self.late:
            raise Unavailable("lost before")
        async with real as connection:
            yield connection
        if failing:
            raise Unavailable("lost after")


def some_objects() -> list[Object]:
    run = fresh_run()
    return [
        *objects("tiny", Study(run, 1), 3),
        *objects("ct", Study(run, 2), 2),
        *objects("cine-small", Study(run, 3), 1),
    ]


async def check(rig: Rig, sent: Sequence[Object], results: Sequence[Stored]) -> None:
    """Everything acknowledged is there bit for bit, no row lacks its bytes, and another try files the rest."""
    assert await rig.faults() == []
    for each, result in zip(sent, results, strict=True):
        assert result in (Stored.NEW, Stored.NO_SPACE, Stored.UNAVAILABLE)
        if result is Stored.NEW:
            assert (await rig.stored(each.sop_uid))[1] == each.dataset
    again = [outcome.result for outcome in await rig.store_all(sent)]
    assert set(again) <= {Stored.NEW, Stored.ALREADY}
    for each in sent:
        assert (await rig.stored(each.sop_uid))[1] == each.dataset
    assert await rig.faults() == []


@pytest.mark.capability("1.1.4", "2.1.2")
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
async def test_every_call_on_the_disk_fails_once(database: Database, tmp_path: Path, error: int) -> None:
    disk = FailingDisk()
    failures = fail_at = 0
    async with taking_in(database, tmp_path, disk=disk) as rig:
        while True:
            fail_at += 1
            sent = some_objects()
            disk.arm(fail_at, error)
            results = [outcome.result for outcome in await rig.store_all(sent)]
            if disk.calls < fail_at:
                break
            failures += set(results) != {Stored.NEW}
            if error == errno.ENOSPC:
                assert Stored.UNAVAILABLE not in results
            await check(rig, sent, results)
    assert failures >= 6


@pytest.mark.capability("1.1.4")
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_every_use_of_the_database_fails_once(
    database: Database, tmp_path: Path, late: bool, failing: Callable[[], Any]
) -> None:
    lossy = failing()
    fail_at = 0
    async with taking_in(lossy, tmp_path) as rig:
        while True:
            fail_at += 1
            sent = some_objects()
            lossy.uses, lossy.fail_at, lossy.late = 0, fail_at, late
            results = [outcome.result for outcome in await rig.store_all(sent)]
            if lossy.uses < fail_at:
                break
            lossy.fail_at = 0
            await check(rig, sent, results)
    assert fail_at > 3
    for connection in lossy._kept:  # the pool is the fixture's
        await lossy._let_go(connection)


@pytest.fixture
def failing(database: Database) -> Callable[[], FailingDatabase]:
    return lambda: FailingDatabase(database._pool)


@pytest.mark.capability("1.1.3", "2.1.2")
async def test_no_space_is_answered_and_ends_when_space_returns(database: Database, tmp_path: Path) -> None:
    class Full(Disk):
        free = 10 << 20

        def free_bytes(self, path: Path) -> int:
            return self.free

    disk, now = Full(), [0.0]
    (first,), (second,) = objects("tiny", Study(fresh_run(), 1), 1), objects("cine-small", Study(fresh_run(), 2), 1)
    async with taking_in(database, tmp_path, settings=StorageSettings(reserve_bytes=5 << 20), disk=disk) as rig:
        rig.online.space._monotonic = lambda: now[0]
        assert (await rig.store(first)).result is Stored.NEW
        # A large object runs into the reserve on its way: it is refused at its end and leaves nothing.
        assert (await rig.store(second)).result is Stored.NO_SPACE
        disk.free = 1 << 20
        now[0] += 10
        with pytest.raises(NoSpace):
            rig.begin(first)
        left = [path for path in (rig.online.root / "incoming").rglob("*") if path.is_file() and path.name != "lock"]
        assert left == []
        disk.free = 1 << 40
        now[0] += 10
        assert (await rig.store(second)).result is Stored.NEW


@pytest.mark.capability("1.1.4")
async def test_the_database_goes_away_and_comes_back(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    try:
        database = await Database.open(server.url, size=4)
        await migrate(database)
        async with taking_in(database, tmp_path / "store") as rig:
            run = fresh_run()
            one, two, large = *objects("tiny", Study(run, 1), 2), *objects("cine-small", Study(run, 2), 1)
            assert (await rig.store(one)).result is Stored.NEW
            server.stop()
            for each in (one, two, large):
                assert (await rig.store(each)).result is Stored.UNAVAILABLE
            written = sum(path.stat().st_size for path in rig.online.root.rglob("*.tar"))
            assert (await rig.store(two)).result is Stored.UNAVAILABLE
            assert sum(path.stat().st_size for path in rig.online.root.rglob("*.tar")) == written
            server.start()
            results = [outcome.result for outcome in await rig.store_all([one, two, large])]
            assert results == [Stored.ALREADY, Stored.NEW, Stored.NEW]
            assert await rig.faults() == []
        await database.close()
    finally:
        server.stop()
