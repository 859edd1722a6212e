"""The archive without its listeners: what a command and the server both work with."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from filmroom.app.logs import log_to_stderr
from filmroom.archive.commitment import Commitments
from filmroom.archive.commitment_asked import AskedCommitments
from filmroom.archive.compression import Compressor
from filmroom.archive.compression_lossy import LossyCompression
from filmroom.archive.compression_rounds import Rounds
from filmroom.archive.corrections import Corrections
from filmroom.archive.deidentification import Deidentification
from filmroom.archive.delete import Deleting
from filmroom.archive.devices import Devices
from filmroom.archive.devices_callers import Callers
from filmroom.archive.devices_live import LiveList
from filmroom.archive.devices_local import LocalAes
from filmroom.archive.export import Exports
from filmroom.archive.ingest import Ingest
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.quarantine import Quarantine
from filmroom.archive.query import Query
from filmroom.archive.query_private import PrivateAttributes
from filmroom.archive.recordings import Recordings
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.rules import StoreRules
from filmroom.archive.rules_book import RuleBook
from filmroom.archive.safekeeping import Safekeeping
from filmroom.archive.sending import Sending
from filmroom.archive.sending_rules_book import ForwardRules
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.allocator import keep_freed_memory
from filmroom.base.clock import Clock, SystemClock
from filmroom.base.errors import Unavailable
from filmroom.base.ids import new_uid
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.feed import FeedWatch
from filmroom.db.migrate import migrate
from filmroom.db.pool import Database
from filmroom.integration.webhooks import Webhooks
from filmroom.security.accounts import Accounts
from filmroom.security.people import People
from filmroom.security.signin import DirectoryRules
from filmroom.security.tokens import Tokens
from filmroom.security.vouching import mapping
from filmroom.settings import BadSetting, Settings
from filmroom.storage.blobs import Blobs
from filmroom.storage.online import OnlineStore


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
    compressor: Compressor
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


@asynccontextmanager
async def open_core(settings: Settings, *, log_from: str = "warning", follows: bool = False) -> AsyncIterator[Core]:
    """The archive, opened; closed in the opposite order at the end. Raises FilmroomError.

    ``log_from`` is the lowest level that is logged; FILMROOM_LOG overrides it.
    """
    log_to_stderr(os.environ.get("FILMROOM_LOG") or log_from)
    keep_freed_memory()
    clock = SystemClock()
    async with AsyncExitStack() as closing:
        _make_folder(settings.data)
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
        pixels = PixelPool(settings.archive.pixel_workers)
        compressor = Compressor(database, online, blobs, pixels, feed, clock)
        ingest = Ingest(database, online, blobs, quarantine, feed, settings.storage, clock, rules, compressor)
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
            second=keeping.second,
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
            callers=Callers(database, devices, clock, keeping.trail),
            live=LiveList(database),
            quarantine=quarantine,
            ingest=ingest,
            compressor=compressor,
            query=Query(
                database,
                retrieve_ae_title=settings.dimse.ae_title,
                asked=keeping.looks.asked,
                private=PrivateAttributes(blobs),
            ),
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
        (nothing, core.compressor.stop),
    ]


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
        usable = os.access(data, os.W_OK | os.X_OK)
    except OSError as error:
        raise Unavailable(f"the data folder {data}: {error.strerror}; FILMROOM_DATA names another") from error
    if not usable:
        raise Unavailable(f"the data folder {data} cannot be written to; FILMROOM_DATA names another")


async def _database_url(settings: Settings, closing: AsyncExitStack) -> str:
    if settings.database.url:
        return settings.database.url
    private = EmbeddedPostgres(settings.data / "postgres")
    closing.push_async_callback(asyncio.to_thread, private.stop)
    starting = asyncio.create_task(asyncio.to_thread(private.start))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:  # Ctrl-C: a thread cannot be called off, and what it starts must be stopped
        await asyncio.wait([starting])
        raise
    return private.url


def deleting(core: Core) -> Deleting:
    return Deleting(core.database, core.online, core.clock, second=core.keeping.second)


def compression_rounds(core: Core) -> Rounds:
    """Compression of what is here."""
    lossy = LossyCompression(
        core.blobs,
        core.pixels,
        core.ingest,
        deleting(core),
        core.compressor,
        lambda: new_uid(lambda: uuid.uuid4().int),
    )
    return Rounds(core.database, core.blobs, core.rules, core.compressor, lossy, core.clock)


def webhooks_of(core: Core) -> Webhooks:
    """Telling other programs."""
    from filmroom.net.notify.webhook import WebhookClient, networks

    settings = core.settings.feed
    try:
        client = WebhookClient(networks(settings.webhook_networks))
    except ValueError as error:
        raise BadSetting(f"feed.webhook_networks: {error}") from error
    source = core.settings.web.public_url or f"urn:filmroom:{core.settings.dimse.ae_title}"
    return Webhooks(core.database, client, settings, core.clock, source=source)


def process_name() -> str:
    """Unique among the processes of an archive."""
    return f"{os.uname().nodename}/{os.getpid()}/{uuid.uuid4().hex[:6]}"
