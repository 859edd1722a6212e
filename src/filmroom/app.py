"""The composition root: settings -> database -> slices -> listeners. Nothing but the command line imports it."""

import asyncio
import logging
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from filmroom.archive.commitment import REPORT, Commitments
from filmroom.archive.commitment_asked import ASK, AskedCommitments
from filmroom.archive.devices import Devices
from filmroom.archive.ingest import Ingest
from filmroom.archive.lanes import Lanes
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.quarantine import Quarantine
from filmroom.archive.query import Query
from filmroom.archive.quiet import QuietWatch
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.retrieve_frames import FrameReader
from filmroom.archive.sending import SEND, Sending
from filmroom.archive.sending_work import SendingWork
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.allocator import keep_freed_memory
from filmroom.base.clock import Clock, SystemClock
from filmroom.base.errors import FilmroomError
from filmroom.base.ids import new_uid
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.feed import FeedWatch
from filmroom.db.migrate import migrate
from filmroom.db.pool import Database
from filmroom.security.accounts import Accounts
from filmroom.security.passwords import Passwords
from filmroom.security.sessions import Sessions
from filmroom.security.tokens import Tokens
from filmroom.settings import Settings
from filmroom.storage.blobs import Blobs
from filmroom.storage.online import OnlineStore
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mwl import Worklist

log = structlog.get_logger()

ROLES = frozenset({"dimse", "web", "work"})


class BadRole(FilmroomError):
    """There is no such role."""


class PortTaken(FilmroomError):
    """A listener's address is in use or not ours; another Filmroom may be running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The archive without its listeners: what a command and the server both work with."""

    settings: Settings
    clock: Clock
    database: Database
    feed: FeedWatch
    online: OnlineStore
    blobs: Blobs
    accounts: Accounts
    tokens: Tokens
    devices: Devices
    quarantine: Quarantine
    ingest: Ingest
    query: Query
    pixels: PixelPool
    retrieve: Retrieve
    sending: Sending
    commitments: Commitments
    asked_commitments: AskedCommitments
    documents: SeriesDocuments


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. ``first_password`` is set the first time only."""

    core: Core
    roles: frozenset[str]
    dicom_port: int
    http_port: int
    first_password: str | None


@asynccontextmanager
async def open_core(settings: Settings, *, log_from: str = "warning") -> AsyncIterator[Core]:
    """The archive, opened; closed in the opposite order at the end. Raises FilmroomError.

    ``log_from`` is the lowest level that is logged; FILMROOM_LOG overrides it.
    """
    _log_to_stderr(os.environ.get("FILMROOM_LOG") or log_from)
    keep_freed_memory()
    clock = SystemClock()
    async with AsyncExitStack() as closing:
        settings.data.mkdir(parents=True, exist_ok=True)
        database = await Database.open(await _database_url(settings, closing), size=settings.database.pool_size)
        closing.push_async_callback(database.close)
        await migrate(database)
        feed = FeedWatch(database)
        root = Path(settings.storage.path) if settings.storage.path else settings.data / "store"
        online = OnlineStore(
            root, settings.storage, clock=clock, monotonic=time.monotonic, unique=lambda: uuid.uuid4().hex
        )
        blobs = Blobs([online.store])
        quarantine = Quarantine(database, online, blobs, clock)
        ingest = Ingest(database, online, blobs, quarantine, feed, settings.storage, clock)
        pixels = PixelPool(settings.archive.pixel_workers)
        devices = Devices(database)
        retrieve = Retrieve(database, blobs, pixels)
        core = Core(
            settings=settings,
            clock=clock,
            database=database,
            feed=feed,
            online=online,
            blobs=blobs,
            accounts=Accounts(database, clock, Passwords()),
            tokens=Tokens(database, clock),
            devices=devices,
            quarantine=quarantine,
            ingest=ingest,
            query=Query(database, retrieve_ae_title=settings.dimse.ae_title),
            pixels=pixels,
            retrieve=retrieve,
            sending=Sending(database, retrieve, devices, settings.delivery, clock),
            commitments=Commitments(
                database,
                blobs,
                devices,
                settings.delivery,
                clock,
                ae_title=settings.dimse.ae_title,
                accept_unknown=settings.dimse.accept_unknown_sop_classes,
            ),
            asked_commitments=AskedCommitments(
                database,
                devices,
                settings.delivery,
                clock,
                ae_title=settings.dimse.ae_title,
                new_uid=lambda: new_uid(lambda: uuid.uuid4().int),
            ),
            documents=SeriesDocuments(database, blobs, pixels, clock, feed),
        )
        for start, stop in _parts(core):
            await start()
            closing.push_async_callback(stop)
        yield core


def _parts(core: Core) -> list[tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
    """What has a life of its own: how each begins and ends, lowest first."""

    async def nothing() -> None:
        pass

    return [
        (core.feed.start, core.feed.stop),
        (core.ingest.start, core.ingest.stop),
        (nothing, core.pixels.close),
    ]


async def _database_url(settings: Settings, closing: AsyncExitStack) -> str:
    if settings.database.url:
        return settings.database.url
    private = EmbeddedPostgres(settings.data / "postgres")
    await asyncio.to_thread(private.start)
    closing.push_async_callback(asyncio.to_thread, private.stop)
    return private.url


@asynccontextmanager
async def open_server(settings: Settings, roles: frozenset[str]) -> AsyncIterator[Server]:
    """The whole server, or the roles of it asked for; ready when yielded. Raises FilmroomError."""
    if unknown := roles - ROLES:
        raise BadRole(f"{min(unknown)!r} is not a role; the roles are {', '.join(sorted(ROLES))}")
    async with AsyncExitStack() as closing:
        core = await closing.enter_async_context(open_core(settings, log_from="info"))
        first_password = await _first_administrator(core)
        dicom_port = http_port = 0
        if "work" in roles:
            await closing.enter_async_context(_work(core))
        if "web" in roles:
            http_port = await closing.enter_async_context(_web(core))
        if "dimse" in roles:
            dicom_port = await closing.enter_async_context(_dimse(core))
        yield Server(core=core, roles=roles, dicom_port=dicom_port, http_port=http_port, first_password=first_password)


@asynccontextmanager
async def _work(core: Core) -> AsyncIterator[None]:
    """What goes on behind the doors."""
    quiet = QuietWatch(core.database, core.clock, core.settings.archive.quiet_s)
    await quiet.start()
    warming = asyncio.create_task(core.pixels.warm())
    await core.documents.start()
    lanes = _lanes(core)
    await lanes.start()
    try:
        yield
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        await lanes.stop()
        await core.documents.stop()
        await quiet.stop()


def _lanes(core: Core) -> Lanes:
    """What goes out to other nodes."""
    from filmroom.net.dimse.commit_scu import CommitmentCaller
    from filmroom.net.dimse.limits import ChannelLimits
    from filmroom.net.dimse.reactor import Reactor
    from filmroom.net.dimse.sender import Sender

    settings = core.settings.dimse
    limits = ChannelLimits.of(settings)
    reactor = Reactor.for_timeouts(limits.timeouts_s())
    sender = Sender(core.retrieve, calling_ae=settings.ae_title, limits=limits, reactor=reactor)
    caller = CommitmentCaller(
        core.asked_commitments,
        calling_ae=settings.ae_title,
        limits=limits,
        reactor=reactor,
        wait_s=core.settings.delivery.commitment_wait_s,
    )
    work = SendingWork(core.database, core.retrieve, core.devices, sender, core.asked_commitments, core.clock)
    handlers = {
        SEND: work.send,
        REPORT: core.commitments.reporter(caller),
        ASK: core.asked_commitments.asker(caller),
    }
    return Lanes(core.database, core.clock, handlers, name=_process_name())


def _process_name() -> str:
    """Unique among the processes of an archive."""
    return f"{os.uname().nodename}/{os.getpid()}/{uuid.uuid4().hex[:6]}"


@asynccontextmanager
async def _web(core: Core) -> AsyncIterator[int]:
    from filmroom.net.web.app import build_app
    from filmroom.net.web.ports import WebServices
    from filmroom.net.web.server import WebServer

    async def database_answers() -> None:
        async with core.database.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def store_takes() -> None:
        await asyncio.to_thread(core.online.space.ask)
        core.online.space.check()

    services = WebServices(
        settings=core.settings,
        clock=core.clock,
        accounts=core.accounts,
        sessions=Sessions(core.database, core.clock, lasts=timedelta(hours=core.settings.web.session_hours)),
        tokens=core.tokens,
        query=core.query,
        retrieve=core.retrieve,
        frames=FrameReader(core.retrieve, core.blobs, core.pixels),
        documents=core.documents,
        ingest=core.ingest,
        blobs=core.blobs,
        pixels=core.pixels,
        devices=core.devices,
        quarantine=core.quarantine,
        checks={"database": database_answers, "store": store_takes},
    )
    server = WebServer(build_app(services), core.settings.web)
    port = await server.start()
    try:
        yield port
    finally:
        await server.stop()


@asynccontextmanager
async def _dimse(core: Core) -> AsyncIterator[int]:
    # Listeners are imported where they are started: a command that needs none starts faster.
    from filmroom.net.dimse.listener import DimseListener, DimseServices

    services = DimseServices(
        ingest=core.ingest,
        query=core.query,
        retrieve=core.retrieve,
        devices=core.devices,
        commitments=core.commitments,
        asked_commitments=core.asked_commitments,
        worklist=Worklist(core.database, core.clock),
        performed=PerformedSteps(core.database, core.clock),
    )
    listener = DimseListener(core.settings.dimse, services, clock=core.clock)
    await _listening(listener.start(), "DICOM", core.settings.dimse.host, core.settings.dimse.port)
    await core.commitments.start(listener.open_lines, name=_process_name())
    try:
        yield listener.port
    finally:
        await core.commitments.stop()
        await listener.stop()


async def _listening(start: Awaitable[None], what: str, host: str, port: int) -> None:
    try:
        await start
    except OSError as error:
        raise PortTaken(
            f"{what} cannot listen on {host}:{port}: {error.strerror or error}; FILMROOM_DICOM_PORT names another"
        ) from error


async def _first_administrator(core: Core) -> str | None:
    made = await core.accounts.ensure_first_administrator(core.settings.admin_password)
    path = core.settings.data / "admin-password"
    if made is not None:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        os.write(descriptor, f"{made}\n".encode())
        os.close(descriptor)
    return made


def _log_to_stderr(level: str) -> None:
    """One JSON object a line, or on a terminal something for people. Patient data has no place in it."""
    if structlog.is_configured():
        return
    lowest = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering() -> list[structlog.typing.Processor]:
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
