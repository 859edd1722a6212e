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
from typing import TYPE_CHECKING

import structlog

from filmroom.archive.changes import Changes
from filmroom.archive.commitment import REPORT, Commitments
from filmroom.archive.commitment_asked import ASK, AskedCommitments
from filmroom.archive.commitment_web import WebCommitments
from filmroom.archive.corrections import Corrections
from filmroom.archive.deidentification import Deidentification
from filmroom.archive.delete import RECLAIM, Deleting
from filmroom.archive.devices import Device, Devices
from filmroom.archive.devices_callers import Callers
from filmroom.archive.devices_live import LiveBoard, LiveList
from filmroom.archive.devices_local import LocalAes
from filmroom.archive.export import EXPORT, Exports
from filmroom.archive.export_work import ExportWork
from filmroom.archive.ingest import Ingest
from filmroom.archive.lanes import Lanes
from filmroom.archive.listing import Listing
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.quarantine import Quarantine
from filmroom.archive.query import Query
from filmroom.archive.quiet import QuietWatch
from filmroom.archive.recordings import Recordings
from filmroom.archive.recovery import forget_versions
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.retrieve_frames import FrameReader
from filmroom.archive.retrieve_parts import FrameExtraction, WithoutBulk
from filmroom.archive.rules import StoreRules
from filmroom.archive.rules_book import RuleBook
from filmroom.archive.safekeeping import Safekeeping
from filmroom.archive.sending import SEND, Sending
from filmroom.archive.sending_rules_book import ForwardRules
from filmroom.archive.sending_rules_work import Forwarding
from filmroom.archive.sending_work import SendingWork
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.allocator import keep_freed_memory
from filmroom.base.clock import Clock, SystemClock
from filmroom.base.errors import FilmroomError
from filmroom.base.ids import new_uid
from filmroom.db import feed
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.feed import FeedWatch
from filmroom.db.feed_tail import FeedTail
from filmroom.db.jobs import Worker
from filmroom.db.migrate import migrate
from filmroom.db.pool import Database
from filmroom.db.repeats import Repeats
from filmroom.integration.webhooks import Webhooks
from filmroom.integration.webhooks_work import WebhookWork
from filmroom.ops.figures import Figures
from filmroom.ops.upkeep import Upkeep
from filmroom.ops.work import Work
from filmroom.security.accounts import Accounts
from filmroom.security.audit_outbox import AuditOutbox
from filmroom.security.people import People
from filmroom.security.principals import SYSTEM
from filmroom.security.signin import DirectoryRules
from filmroom.security.tokens import Tokens
from filmroom.security.vouching import mapping
from filmroom.settings import BadSetting, Settings
from filmroom.storage.blobs import Blobs
from filmroom.storage.online import OnlineStore
from filmroom.workflow.availability import Availability, CompletenessReader
from filmroom.workflow.debugger import WorklistDebugger
from filmroom.workflow.housekeeping import Housekeeping
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mwl import Worklist
from filmroom.workflow.notices import Notices
from filmroom.workflow.orders import Orders
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions

if TYPE_CHECKING:
    from filmroom.net.dimse.limits import ChannelLimits
    from filmroom.net.dimse.live import LiveHere
    from filmroom.net.dimse.pacing import Traffic
    from filmroom.net.dimse.reactor import Reactor
    from filmroom.net.dimse.recorder import Recorder
    from filmroom.net.dimse.scp.parts import Parts
    from filmroom.net.dimse.sender import Sender
    from filmroom.net.dimse.tls import Certificates
    from filmroom.net.notify.syslog import SyslogSender

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
    people: People
    keeping: Safekeeping
    accounts: Accounts
    tokens: Tokens
    devices: Devices
    local_aes: LocalAes
    callers: Callers
    live: LiveList
    quarantine: Quarantine
    ingest: Ingest
    query: Query
    pixels: PixelPool
    retrieve: Retrieve
    sending: Sending
    exports: Exports
    commitments: Commitments
    asked_commitments: AskedCommitments
    recordings: Recordings
    documents: SeriesDocuments
    corrections: Corrections
    rules: StoreRules
    rule_book: RuleBook
    forward_rules: ForwardRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. ``first_password`` is set the first time only."""

    core: Core
    roles: frozenset[str]
    dicom_port: int
    http_port: int
    first_password: str | None


@asynccontextmanager
async def open_core(settings: Settings, *, log_from: str = "warning", follows: bool = False) -> AsyncIterator[Core]:
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
        rules = StoreRules(database, clock)
        ingest = Ingest(database, online, blobs, quarantine, feed, settings.storage, clock, rules)
        pixels = PixelPool(settings.archive.pixel_workers)
        devices = Devices(database)
        keeping = Safekeeping.of(database, clock, settings, follows=follows)
        retrieve = Retrieve(database, blobs, pixels, sight=keeping.sight, looks=keeping.looks)
        people = People.of(
            database,
            clock,
            settings,
            directory=_directory(settings),
            audit=keeping.trail,
            dress=keeping.book.dress,
        )
        core = Core(
            settings=settings,
            clock=clock,
            database=database,
            feed=feed,
            online=online,
            blobs=blobs,
            people=people,
            accounts=people.accounts,
            tokens=people.tokens,
            devices=devices,
            local_aes=LocalAes(database, settings.dimse.ae_title),
            callers=Callers(database, devices, clock),
            live=LiveList(database),
            quarantine=quarantine,
            ingest=ingest,
            query=Query(database, retrieve_ae_title=settings.dimse.ae_title, asked=keeping.looks.asked),
            keeping=keeping,
            pixels=pixels,
            retrieve=retrieve,
            sending=Sending(database, retrieve, devices, settings.delivery, clock),
            exports=Exports(
                database,
                retrieve,
                devices,
                Deidentification(database, clock),
                clock,
                root=settings.data / "exports",
                record=keeping.trail,
            ),
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
            recordings=Recordings(database, clock, settings.recordings),
            corrections=Corrections(database, clock),
            rules=rules,
            rule_book=RuleBook(database, clock),
            forward_rules=ForwardRules(database, retrieve, blobs, clock),
            documents=SeriesDocuments(database, blobs, pixels, clock, feed, sight=keeping.sight, looks=keeping.looks),
        )
        for start, stop in _parts(core):
            await start()
            closing.push_async_callback(stop)
        yield core


def _directory(settings: Settings) -> DirectoryRules | None:
    """Where people are asked for beside our own accounts."""
    if not settings.people.ldap.url:
        return None
    from filmroom.net.identity.ldap import LdapDirectory

    ldap = settings.people.ldap
    try:
        roles = dict(mapping(ldap.roles))
    except ValueError as error:
        raise BadSetting(f"people.ldap.roles: {error}") from error
    return DirectoryRules(directory=LdapDirectory(ldap), roles=roles, default_role=ldap.default_role)


def _parts(core: Core) -> list[tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
    """What has a life of its own: how each begins and ends, lowest first."""

    async def nothing() -> None:
        pass

    return [
        (core.keeping.start, core.keeping.stop),
        (core.feed.start, core.feed.stop),
        (core.rules.start, core.rules.stop),
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
        core = await closing.enter_async_context(open_core(settings, log_from="info", follows="work" in roles))
        await closing.enter_async_context(_on_record(core))
        first_password = await _first_administrator(core)
        wire = await closing.enter_async_context(_wire(core))
        dicom_port = http_port = 0
        await closing.enter_async_context(_warming(core.pixels))
        if "work" in roles:
            await closing.enter_async_context(_work(core, wire))
        if "web" in roles:
            http_port = await closing.enter_async_context(_web(core, wire))
        if "dimse" in roles:
            dicom_port = await closing.enter_async_context(_dimse(core, wire))
        yield Server(core=core, roles=roles, dicom_port=dicom_port, http_port=http_port, first_password=first_password)


@asynccontextmanager
async def _on_record(core: Core) -> AsyncIterator[None]:
    """The audit trail says when the server ran."""
    await core.keeping.opened("started")
    try:
        yield
    finally:
        await core.keeping.opened("stopped")


@asynccontextmanager
async def _warming(pixels: PixelPool) -> AsyncIterator[None]:
    """Start the pixel workers beside everything else, so that no request waits for one."""
    task = asyncio.create_task(pixels.warm())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What every association of this process shares."""

    certificates: "Certificates"
    recorder: "Recorder | None"
    live: "LiveHere"
    traffic: "Traffic"


@asynccontextmanager
async def _wire(core: Core) -> AsyncIterator[Wire]:
    from filmroom.net.dimse.live import LiveHere
    from filmroom.net.dimse.pacing import Traffic
    from filmroom.net.dimse.recorder import Recorder
    from filmroom.net.dimse.tls import Certificates

    certificates = Certificates.of(core.settings.dimse)
    recorder = Recorder(core.recordings, core.clock) if core.settings.recordings.enabled else None
    if recorder is not None:
        await recorder.start()
    here = LiveHere(core.clock)
    board = LiveBoard(core.database, uuid.uuid4().hex[:8], here.handles)
    await board.start()
    try:
        traffic = Traffic(core.settings.delivery.bytes_per_s)
        yield Wire(certificates=certificates, recorder=recorder, live=here, traffic=traffic)
    finally:
        await board.stop()
        if recorder is not None:
            await recorder.stop()


@asynccontextmanager
async def _work(core: Core, wire: "Wire") -> AsyncIterator[None]:
    """What goes on behind the doors."""
    quiet = QuietWatch(core.database, core.clock, core.settings.archive.quiet_s)
    await quiet.start()
    await core.documents.start()
    lanes = _lanes(core, wire)
    await lanes.start()
    forwarding = Forwarding(core.database, core.feed, core.retrieve, core.blobs, core.devices, core.sending, core.clock)
    await forwarding.start()
    hours = core.settings.workflow.notice_retry_hours
    completeness = CompletenessReader(core.database, core.feed, core.clock, retry_hours=hours)
    await completeness.start()
    webhooks = WebhookWork(core.database, core.feed, _webhooks(core), core.clock, name=_process_name())
    await webhooks.start()
    upkeep = _upkeep(core, webhooks)
    await upkeep.start()
    repository = _audit_repository(core)
    if repository is not None:
        await repository.start()
    reclaiming = Worker(
        core.database, {RECLAIM: _deleting(core).reclaim}, core.clock, name=_process_name(), concurrency=1
    )
    await reclaiming.start()
    exporting = _exporting(core, wire)
    await exporting.start()
    try:
        yield
    finally:
        await exporting.stop()
        await reclaiming.stop()
        if repository is not None:
            await repository.stop()
        await upkeep.stop()
        await webhooks.stop()
        await completeness.stop()
        await forwarding.stop()
        await lanes.stop()
        await core.documents.stop()
        await quiet.stop()


def _deleting(core: Core) -> Deleting:
    return Deleting(core.database, core.online, core.clock)


def _sender(core: Core, wire: "Wire") -> "tuple[Sender, ChannelLimits, Reactor]":
    """What opens associations to send, and what it keeps to."""
    from filmroom.net.dimse.limits import ChannelLimits
    from filmroom.net.dimse.reactor import Reactor
    from filmroom.net.dimse.sender import Sender

    limits = ChannelLimits.of(core.settings.dimse)
    reactor = Reactor.for_timeouts(limits.timeouts_s())
    wire.live.add_calls(reactor)
    sender = Sender(
        core.retrieve,
        calling_ae=core.settings.dimse.ae_title,
        limits=limits,
        reactor=reactor,
        certificates=wire.certificates,
        recorder=wire.recorder,
        traffic=wire.traffic,
    )
    return sender, limits, reactor


def _exporting(core: Core, wire: "Wire") -> Worker:
    """What is taken out to files, and de-identified to devices."""
    sender, _, _ = _sender(core, wire)
    work = ExportWork(
        core.database,
        core.retrieve,
        core.pixels,
        core.devices,
        core.exports.projects,
        core.clock,
        root=core.settings.data / "exports",
        sender=sender,
    )
    handlers = {EXPORT: work.run}
    return Worker(core.database, handlers, core.clock, name=_process_name(), queue=EXPORT, concurrency=1)


def _lanes(core: Core, wire: "Wire") -> Lanes:
    """What goes out to other nodes."""
    from filmroom.net.dimse.commit_scu import CommitmentCaller
    from filmroom.net.dimse.notices import NoticeCaller

    settings = core.settings.dimse
    sender, limits, reactor = _sender(core, wire)
    caller = CommitmentCaller(
        core.asked_commitments,
        calling_ae=settings.ae_title,
        limits=limits,
        reactor=reactor,
        wait_s=core.settings.delivery.commitment_wait_s,
        certificates=wire.certificates,
        recorder=wire.recorder,
    )
    work = SendingWork(core.database, core.retrieve, core.devices, sender, core.asked_commitments, core.clock)
    handlers = {
        SEND: work.send,
        REPORT: core.commitments.reporter(caller),
        ASK: core.asked_commitments.asker(caller),
        **Notices(
            core.database,
            core.devices,
            NoticeCaller(
                calling_ae=settings.ae_title,
                limits=limits,
                reactor=reactor,
                certificates=wire.certificates,
                recorder=wire.recorder,
            ),
            core.clock,
            ae_title=settings.ae_title,
            new_uid=lambda: new_uid(lambda: uuid.uuid4().int),
        ).handlers(),
    }
    return Lanes(core.database, core.clock, handlers, name=_process_name())


def _webhooks(core: Core) -> Webhooks:
    """Telling other programs."""
    from filmroom.net.notify.webhook import WebhookClient, networks

    settings = core.settings.feed
    try:
        client = WebhookClient(networks(settings.webhook_networks))
    except ValueError as error:
        raise BadSetting(f"feed.webhook_networks: {error}") from error
    source = core.settings.web.public_url or f"urn:filmroom:{core.settings.dimse.ae_title}"
    return Webhooks(core.database, client, settings, core.clock, source=source)


def _audit_repository(core: Core) -> "SyslogSender | None":
    """Where audit messages are sent, if anywhere."""
    from filmroom.net.notify.syslog import SyslogSender, tls_context

    rules = core.settings.security
    if not rules.syslog_host:
        return None
    try:
        tls_context(rules.syslog_ca, rules.syslog_certificate, rules.syslog_key)
    except OSError as error:
        raise BadSetting(f"security.syslog_*: {error}") from error
    return SyslogSender(
        AuditOutbox(core.database, source=core.settings.dimse.ae_title),
        rules.syslog_host,
        rules.syslog_port,
        tls=lambda: tls_context(rules.syslog_ca, rules.syslog_certificate, rules.syslog_key),
        name=os.uname().nodename,
    )


def _upkeep(core: Core, webhooks: WebhookWork) -> Upkeep:
    """What is forgotten in time."""
    settings = core.settings.feed
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "audit records": core.keeping.forget,
        "facts": lambda: feed.prune(core.database, core.clock.now() - timedelta(days=settings.keep_days)),
        "idempotency keys": Repeats(core.database, core.clock).prune,
        "exported files": core.exports.prune,
        "failed sign-ins": core.people.attempts.prune,
        "webhook log": lambda: webhooks.prune(settings.webhook_log_days),
        "finished work": Housekeeping(core.database, core.settings.workflow, core.clock).round,
    }
    work["replaced versions"] = lambda: forget_versions(core.database, core.online, core.clock)
    if days := core.settings.archive.quarantine_days:
        work["quarantine"] = lambda: core.quarantine.expire(SYSTEM, days=days)
    return Upkeep(work)


def _process_name() -> str:
    """Unique among the processes of an archive."""
    return f"{os.uname().nodename}/{os.getpid()}/{uuid.uuid4().hex[:6]}"


@asynccontextmanager
async def _web(core: Core, wire: "Wire") -> AsyncIterator[int]:
    from filmroom.net.dimse.probe import Step, probe
    from filmroom.net.dimse.scu import Peer
    from filmroom.net.web.app import build_app
    from filmroom.net.web.ports import WebServices
    from filmroom.net.web.server import WebServer

    async def database_answers() -> None:
        async with core.database.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def store_takes() -> None:
        await asyncio.to_thread(core.online.space.ask)
        core.online.space.check()

    tail = FeedTail(core.database, core.feed)

    def tested(device: Device) -> AsyncIterator[Step]:
        to = Peer.of(device, wire.certificates, "echo")
        return probe(to, calling_ae=core.settings.dimse.ae_title, recorder=wire.recorder)

    services = WebServices(
        deleting=_deleting(core),
        listing=Listing(core.database, core.query),
        changes=Changes(core.database, tail),
        work=Work(core.database, core.clock),
        sending=core.sending,
        exports=core.exports,
        webhooks=_webhooks(core),
        repeats=Repeats(core.database, core.clock),
        figures=Figures(core.database, core.online.root, core.clock),
        tail=tail,
        workitems=Workitems(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        subscriptions=Subscriptions(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        orders=Orders(core.database, core.clock),
        worklist=Worklist(core.database, core.clock, keep_values=core.settings.workflow.keep_query_values),
        worklist_debugger=WorklistDebugger(core.database, core.clock),
        performed=PerformedSteps(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        availability=Availability(core.database, core.clock),
        commitments=core.commitments,
        web_commitments=WebCommitments(
            core.database, core.settings.delivery, core.clock, ae_title=core.settings.dimse.ae_title
        ),
        settings=core.settings,
        clock=core.clock,
        accounts=core.accounts,
        sessions=core.people.sessions,
        tokens=core.tokens,
        people=core.people,
        keeping=core.keeping,
        query=core.query,
        retrieve=core.retrieve,
        frames=FrameReader(core.retrieve, core.blobs, core.pixels),
        documents=core.documents,
        ingest=core.ingest,
        blobs=core.blobs,
        pixels=core.pixels,
        devices=core.devices,
        local_aes=core.local_aes,
        callers=core.callers,
        live=core.live,
        quarantine=core.quarantine,
        corrections=core.corrections,
        rules=core.rule_book,
        forward_rules=core.forward_rules,
        recordings=core.recordings,
        device_test=tested,
        checks={"database": database_answers, "store": store_takes},
    )
    server = WebServer(build_app(services), core.settings.web)
    await tail.start()
    port = await server.start()
    try:
        yield port
    finally:
        await server.stop()
        await tail.stop()


@asynccontextmanager
async def _dimse(core: Core, wire: "Wire") -> AsyncIterator[int]:
    # Listeners are imported where they are started: a command that needs none starts faster.
    from filmroom.net.dimse.listener import DimseListener, DimseServices

    services = DimseServices(
        certificates=wire.certificates,
        traffic=wire.traffic,
        identify=core.people.identify,
        archives=core.devices.list,
        recorder=wire.recorder,
        dress=core.keeping.book.dress,
        parts=_parts_of(core),
        ingest=core.ingest,
        query=core.query,
        retrieve=core.retrieve,
        devices=core.devices,
        local_aes=core.local_aes,
        callers=core.callers,
        commitments=core.commitments,
        asked_commitments=core.asked_commitments,
        worklist=Worklist(core.database, core.clock, keep_values=core.settings.workflow.keep_query_values),
        performed=PerformedSteps(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        workitems=Workitems(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        subscriptions=Subscriptions(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        notified=Availability(core.database, core.clock),
    )
    listener = DimseListener(core.settings.dimse, services, clock=core.clock)
    await _listening(listener.start(), "DICOM", core.settings.dimse.host, core.settings.dimse.port)
    wire.live.add_listener(listener)
    await core.commitments.start(listener.open_lines, name=_process_name())
    try:
        yield listener.port
    finally:
        await core.commitments.stop()
        await listener.stop()
        await core.callers.stop()


def _parts_of(core: Core) -> "Parts":
    """Retrieval in part (PS3.4 annex Y and Z)."""
    from filmroom.net.dimse.scp.parts import Parts

    frames = FrameReader(core.retrieve, core.blobs, core.pixels)
    extraction = FrameExtraction(core.retrieve, frames, core.clock, lambda: new_uid(lambda: uuid.uuid4().int))
    return Parts(WithoutBulk(core.retrieve), extraction)


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
        # Its own tracebacks show local variables, and patients with them.
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
