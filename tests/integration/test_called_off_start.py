"""Ctrl-C while the private PostgreSQL is being made: nothing goes on running, and the next start is a first one."""

import asyncio
from pathlib import Path

import pytest

from filmroom.app.core import open_core
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.settings import load


async def test_a_start_that_is_called_off_leaves_nothing_running(tmp_path: Path) -> None:
    settings = load({"FILMROOM_DATA": str(tmp_path)})
    cluster = tmp_path / "postgres" / "cluster"

    async def begin() -> None:
        async with open_core(settings):
            raise AssertionError("it was called off before")

    task = asyncio.create_task(begin())
    async with asyncio.timeout(60):
        while not cluster.exists():
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (cluster / "postmaster.pid").exists()
    async with open_core(settings) as core, core.database.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1


def test_a_running_cluster_without_its_database_is_completed(tmp_path: Path) -> None:
    """Its maker was killed between the two."""
    first, second = EmbeddedPostgres(tmp_path / "postgres"), EmbeddedPostgres(tmp_path / "postgres")
    first.start()
    try:
        binaries = first._binaries()
        connect = ["-h", str(first._sockets), "-U", "filmroom", "-d", "postgres"]
        first._psql([str(binaries.folder / "psql"), *connect, "-c", "DROP DATABASE filmroom"])
        (tmp_path / "postgres" / "database-made").unlink()
        second.start()
        asked = [*connect[:-1], "filmroom", "-At", "-c", "SELECT 1"]
        assert first._psql([str(binaries.folder / "psql"), *asked]).strip() == "1"
    finally:
        second.stop()
        first.stop()
