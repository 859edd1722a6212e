"""Several processes on one archive, and one that is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.taking_in import taking_in

from filmroom.archive.model import Stored
from filmroom.db.pool import Database

DEADLINE_S = 60


@asynccontextmanager
async def another(
    url: str, schema: str, folder: Path, run: int, first: int, count: int, kind: str = "tiny"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A storing process that is ready to begin."""
    arguments = [url, schema, str(folder), str(run), str(first), str(count), kind]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-m", "tests.fixtures.storing_process", *arguments],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line  # it may log before
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def schema_of(database: Database) -> str:
    async with database.connection() as connection:
        return str(await connection.fetchval("SELECT current_schema()"))


@pytest.mark.capability("1.1.16")
async def test_two_processes_race_for_one_new_study(database: Database, database_url: str, tmp_path: Path) -> None:
    schema, run = await schema_of(database), fresh_run()
    # They share 60 objects: each of those is new for one of them and there already for the other.
    async with (
        another(database_url, schema, tmp_path, run, 1, 150) as one,
        another(database_url, schema, tmp_path, run, 91, 150) as two,
    ):
        async with asyncio.timeout(DEADLINE_S):
            printed = await asyncio.gather(one.communicate(b"\n"), two.communicate(b"\n"))
    lines = [line.split() for out, _ in printed for line in out.decode().splitlines()]
    results = [line[1] for line in lines if len(line) == 2]
    assert results.count("new") == 240
    assert results.count("already") == 60
    async with taking_in(database, tmp_path) as rig:
        assert await rig.rows("SELECT n_series, n_instances FROM study") == [(1, 240)]
        assert await rig.rows("SELECT n_instances FROM series") == [(240,)]
        assert await rig.value("SELECT count(*) FROM patient") == 1
        assert await rig.value("SELECT count(*) FROM location") == 240
        assert await rig.faults() == []


@pytest.mark.capability("1.1.4")
async def test_killed_in_the_middle_nothing_acknowledged_is_lost(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    schema, run = await schema_of(database), fresh_run()
    acknowledged: list[str] = []
    for attempt, kind in enumerate(("tiny", "ct", "cine-small")):
        count = {"tiny": 4000, "ct": 300, "cine-small": 30}[kind]
        first = 1 + 10_000 * attempt
        async with another(database_url, schema, tmp_path, run, first, count, kind) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"\n")
            enough = {"tiny": 40, "ct": 15, "cine-small": 4}[kind]
            while enough:
                async with asyncio.timeout(DEADLINE_S):
                    line = await process.stdout.readline()
                acknowledged += [line.split()[0].decode()] if line.endswith(b"new\n") else []
                enough -= 1
            process.kill()
            async with asyncio.timeout(DEADLINE_S):
                rest = await process.stdout.read()
            acknowledged += [each.split()[0].decode() for each in rest.splitlines(True) if each.endswith(b"new\n")]
    async with taking_in(database, tmp_path) as rig:
        stored = {uid for (uid,) in await rig.rows("SELECT sop_uid FROM instance")}
        assert set(acknowledged) <= stored
        assert await rig.faults() == []
        assert await rig.value("SELECT sum(n_instances) FROM study") == len(stored)
        left = list((rig.online.root / "incoming").iterdir())
        assert len(left) == 1  # its own
        (again,) = objects("tiny", Study(run, 1), 1)
        assert (await rig.store(again)).result in (Stored.NEW, Stored.ALREADY)


@pytest.mark.capability("1.1.3")
async def test_a_300_mb_object_needs_little_memory(database: Database, database_url: str, tmp_path: Path) -> None:
    """Measured in a process of its own that makes the object piece by piece."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-m", "tests.fixtures.large_object", database_url, await schema_of(database), str(tmp_path)],
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    async with asyncio.timeout(DEADLINE_S):
        out, _ = await process.communicate()
    result, peak_mb = out.decode().split()[-2:]
    assert result == "new"
    assert float(peak_mb) < 200
