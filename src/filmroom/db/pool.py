"""Connections to PostgreSQL, and the one place where losing one becomes ``Unavailable``."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import orjson

from filmroom.base.errors import Unavailable

# A statement of the interactive paths that runs longer than this is a fault; long work sets its own limit.
STATEMENT_TIMEOUT_MS = 60_000

LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncio.TimeoutError,
)

Connection: TypeAlias = Any  # asyncpg.Connection, or the pool's proxy of one: the library has no types


class Database:
    """A pool of connections. Every method raises Unavailable when the database cannot be reached."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._kept: list[Connection] = []

    @classmethod
    async def open(cls, url: str, *, size: int = 12, schema: str | None = None) -> "Database":
        """Connect to ``url``; ``schema`` sets the search path (tests use one each)."""
        settings = {"application_name": "filmroom", "statement_timeout": str(STATEMENT_TIMEOUT_MS), "jit": "off"}
        if schema is not None:
            settings["search_path"] = f"{schema}, public"
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                server_settings=settings,
                init=_prepare,
                reset=_leave_as_is,
                timeout=10,
                command_timeout=120,
            )
        except LOST as error:
            raise Unavailable(f"the database does not answer: {error}") from error
        return cls(pool)

    async def close(self) -> None:
        """Close every connection; those in use are given a moment to finish."""
        kept, self._kept = self._kept, []
        for connection in kept:
            await self._let_go(connection)
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except (TimeoutError, *LOST):
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection without a transaction, for reading."""
        try:
            # A deadline costs a task and a timer of its own: only who really has to wait gets one.
            async with self._pool.acquire(timeout=None if self._pool.get_idle_size() else 30) as connection:
                yield connection
        except LOST as error:
            raise Unavailable(f"the database does not answer: {type(error).__name__}") from error

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[Connection]:
        """A connection for single statements of who comes again all the time: it is not given back to the pool in
        between, and has its plans ready. There come to be as many as are used at once."""
        connection = None
        try:
            while self._kept and connection is None:
                connection = self._kept.pop()
                if connection.is_closed():
                    await self._let_go(connection)
                    connection = None
            if connection is None:
                connection = await self._pool.acquire(timeout=30)
            yield connection
        except BaseException as error:
            if connection is not None:
                await self._let_go(connection)
            if isinstance(error, LOST):
                raise Unavailable(f"the database does not answer: {type(error).__name__}") from error
            raise
        self._kept.append(connection)

    async def _let_go(self, connection: Connection) -> None:
        with contextlib.suppress(*LOST):
            await self._pool.release(connection, timeout=5)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed when the block ends well, rolled back otherwise."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def listen(self, channel: str, heard: Callable[..., None]) -> AsyncIterator[asyncio.Future[None]]:
        """Call ``heard`` for each notice on ``channel``; what is yielded ends when the connection does."""
        async with self.connection() as connection:
            closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def ended(*_: object) -> None:
                if not closed.done():
                    closed.set_result(None)

            await connection.add_listener(channel, heard)
            connection.add_termination_listener(ended)
            try:
                yield closed
            finally:
                connection.remove_termination_listener(ended)
                with contextlib.suppress(*LOST):
                    await connection.remove_listener(channel, heard)


async def _leave_as_is(connection: Any) -> None:
    """Skip the library's reset query, a round trip for each use: nobody here sets session state on a pooled
    connection (LISTEN has its own; ``SET LOCAL`` and locks end with their transaction or are undone by hand)."""


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + (value if isinstance(value, bytes) else orjson.dumps(value))


def _decode_jsonb(value: bytes) -> Any:
    return orjson.loads(value[1:])
