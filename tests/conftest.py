"""What every test may ask for: a PostgreSQL of the session, and a fresh migrated schema of the test."""

import asyncio
import inspect
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.migrate import migrate
from filmroom.db.pool import Database


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A private PostgreSQL for this test process; it goes with the session."""
    with tempfile.TemporaryDirectory(prefix="filmroom-test-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        asyncio.run(_without_syncing(server.url))
        yield server.url
        server.stop()


async def _without_syncing(url: str) -> None:
    """What is thrown away after the tests need not outlive a loss of power; stopping took a minute."""
    database = await Database.open(url, size=1)
    async with database.connection() as connection:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("ALTER SYSTEM SET full_page_writes = off")
        await connection.execute("SELECT pg_reload_conf()")
    await database.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with all migrations in a schema of its own."""
    schema = f"test_{uuid.uuid4().hex[:12]}"
    plain = await Database.open(database_url, size=1)
    async with plain.connection() as connection:
        await connection.execute(f"CREATE SCHEMA {schema}")
    opened = await Database.open(database_url, size=8, schema=schema)
    await migrate(opened)
    yield opened
    await opened.close()
    async with plain.connection() as connection:
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await plain.close()


@pytest.fixture(autouse=True)
def _connections_end(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("connections_end")


@pytest.fixture
async def connections_end() -> AsyncIterator[None]:
    """A connection that outlives its test fails that test, not the one in which the collector happens to find it."""
    yield
    loop = asyncio.get_running_loop()
    until = loop.time() + 5.0
    while (left := _open_transports(loop)) and loop.time() < until:
        await asyncio.sleep(0.01)
    said = [repr(transport) for transport in left]
    for transport in left:
        transport.abort()
    await asyncio.sleep(0)
    assert not said, f"connections that nobody closed: {said}"


def _open_transports(loop: asyncio.AbstractEventLoop) -> list[asyncio.WriteTransport]:
    """What asyncio itself keeps, and tells nobody."""
    known = getattr(loop, "_transports", {})
    return [transport for transport in known.values() if getattr(transport, "_sock", None) is not None]
