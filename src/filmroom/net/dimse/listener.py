"""The DICOM port: accepts connections and gives each a session; stops in good order."""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from filmroom.archive.devices import Device
from filmroom.archive.door import Ingest
from filmroom.base.clock import Clock, SystemClock
from filmroom.net.dimse.admission import Admission
from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.fallback import Fallback
from filmroom.net.dimse.fetch import Asker
from filmroom.net.dimse.identity import Identify, Identities
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.line import Provider, Providers
from filmroom.net.dimse.models import (
    AVAILABILITY,
    COMMITMENT,
    FIND_MODELS,
    GET_MODELS,
    MODALITY_WORKLIST,
    MOVE_MODELS,
    MPPS,
    MPPS_RETRIEVE,
    PARTS_GET,
    PARTS_MOVE,
    VERIFICATION,
)
from filmroom.net.dimse.pacing import Traffic
from filmroom.net.dimse.ports import CallerBook, Devices, LocalAes, Query, Retrieve
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.registry import AssociationRegistry
from filmroom.net.dimse.scp.availability import AvailabilityScp, Notified
from filmroom.net.dimse.scp.commit import AskedCommitments, Commitments, CommitReports, CommitScp, OpenLines
from filmroom.net.dimse.scp.echo import EchoScp
from filmroom.net.dimse.scp.find import FindScp
from filmroom.net.dimse.scp.get import GetScp
from filmroom.net.dimse.scp.move import IsOurs, MoveScp
from filmroom.net.dimse.scp.mpps import MppsScp, PerformedSteps
from filmroom.net.dimse.scp.parts import Parts, PartsScp
from filmroom.net.dimse.scp.store import StoreScp
from filmroom.net.dimse.scp.ups import SERVED, Subscriptions, UpsScp, Workitems
from filmroom.net.dimse.scp.worklist import Worklist, WorklistScp
from filmroom.net.dimse.sender import Sender
from filmroom.net.dimse.session import House, Session
from filmroom.net.dimse.tls import Certificates
from filmroom.net.dimse.tls_door import TlsDoor
from filmroom.security.ports import Dresses
from filmroom.settings import DimseSettings
from filmroom.wire.dimse.messages import (
    CEchoRq,
    CFindRq,
    CGetRq,
    CMoveRq,
    CStoreRq,
    NActionRq,
    NCreateRq,
    NEventReportRq,
    NGetRq,
    NSetRq,
    Request,
)
from filmroom.wire.ul.negotiation import Context

log = structlog.get_logger()

# Connections that may stand without an association, beside those that have one; a silent one costs about 8 kB.
SILENT_CONNECTIONS = 2000

# Files, database connections and the rest of the process, beside the sockets.
OTHER_FILES = 512

BACKLOG = 1024

# After the grace period: for objects that are complete and being filed.
LAST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DimseServices:
    """What the listener serves from."""

    ingest: Ingest
    query: Query
    retrieve: Retrieve
    devices: Devices
    worklist: Worklist | None = None
    performed: PerformedSteps | None = None
    workitems: Workitems | None = None
    subscriptions: Subscriptions | None = None
    notified: Notified | None = None
    commitments: Commitments | None = None
    asked_commitments: AskedCommitments | None = None
    parts: Parts | None = None
    local_aes: LocalAes | None = None
    callers: CallerBook | None = None
    recorder: Recorder | None = None
    certificates: Certificates | None = None
    identify: Identify | None = None
    dress: Dresses | None = None
    traffic: Traffic | None = None
    archives: Callable[[], Awaitable[Sequence[Device]]] | None = None  # every device, for those to fall back on


class DimseListener:
    """Listens for associations. ``associations`` is the live list; ``sender`` sends for others too."""

    def __init__(self, settings: DimseSettings, services: DimseServices, *, clock: Clock | None = None) -> None:
        self.associations = AssociationRegistry()
        self.open_lines = OpenLines()
        self.reactor: Reactor | None = None
        self._settings = settings
        self._services = services
        self._clock = clock or SystemClock()
        self._server: asyncio.Server | None = None
        self._door: TlsDoor | None = None
        self._sessions: set[Session] = set()
        self._one_left: asyncio.Future[None] | None = None  # whoever waits for a session to end
        self._house: House | None = None
        self._sender: Sender | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        if self._server is None or not self._server.sockets:
            return self._settings.port
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def tls_port(self) -> int:
        """The port for TLS, 0 when there is none."""
        return self._door.port if self._door is not None else 0

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The connections that stand, with or without an association."""
        return tuple(self._sessions)

    @property
    def sender(self) -> Sender:
        assert self._sender is not None, "the listener has not been started"
        return self._sender

    async def start(self, *, reuse_port: bool = False) -> None:
        """Open the port. Raises OSError. ``reuse_port`` lets several processes share it."""
        settings, services = self._settings, self._services
        allow_files(settings.max_associations + SILENT_CONNECTIONS + OTHER_FILES)
        limits = ChannelLimits.of(settings)
        reactor = self.reactor = Reactor.for_timeouts(limits.timeouts_s())
        self._sender = Sender(
            services.retrieve,
            calling_ae=settings.ae_title,
            limits=limits,
            reactor=reactor,
            certificates=services.certificates,
            recorder=services.recorder,
            traffic=services.traffic,
        )
        self._house = House(
            settings=settings,
            limits=limits,
            reactor=reactor,
            admission=Admission(
                settings,
                services.devices,
                self.associations,
                local_aes=services.local_aes,
                callers=services.callers,
                dress=services.dress,
            ),
            identities=Identities(settings, services.identify),
            registry=self.associations,
            providers=providers(settings, services, self._sender, self.open_lines),
            clock=self._clock,
            recorder=services.recorder,
        )
        self._server = await reactor.loop.create_server(
            self._accept, settings.host, settings.port, backlog=BACKLOG, reuse_port=reuse_port or None
        )
        self._listen_tls(reuse_port=reuse_port)
        log.info("listening for associations", host=settings.host, port=self.port, ae_title=settings.ae_title)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more; let requests in progress finish for ``grace_s``; then abort what is left."""
        if self._server is not None:
            self._server.close()
        if self._door is not None:
            await self._door.close()
        for session in tuple(self._sessions):
            if session.quiet:
                session.abort()
        try:
            async with asyncio.timeout(grace_s):
                await self._until_quiet()
        except TimeoutError:
            log.warning("associations aborted in the middle of a request", count=len(self._sessions))
        for session in tuple(self._sessions):
            session.abort()
            session.channel.close()
        await self._until_gone(LAST_WAIT_S)
        for session in tuple(self._sessions):  # their peers do not read what was written
            session.channel.drop()
        await self._until_gone(LAST_WAIT_S)

    def _listen_tls(self, *, reuse_port: bool) -> None:
        settings, certificates = self._settings, self._services.certificates
        if certificates is None or not certificates.serves:
            return
        recorder = self._services.recorder
        self._door = TlsDoor(
            certificates,
            self._accept,
            timeout_s=settings.artim_timeout_s,
            on_failed=recorder.not_secured if recorder is not None else None,
        )
        self._door.open(settings.host, settings.tls_port, backlog=BACKLOG, reuse_port=reuse_port)
        certificates.remind()
        log.info("listening for associations over TLS", host=settings.host, port=self.tls_port)

    async def _until_gone(self, patience_s: float) -> None:
        """Return when every connection has ended and the work it left is done, or patience has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                for session in tuple(self._sessions):
                    await session.finished()
                while self._sessions:
                    self._one_left = asyncio.get_running_loop().create_future()
                    await self._one_left

    async def _until_quiet(self) -> None:
        while busy := [session for session in self._sessions if not session.quiet]:
            await asyncio.wait([asyncio.ensure_future(session.finished()) for session in busy])
            await asyncio.sleep(0)

    def _accept(self) -> Channel:
        assert self._house is not None
        session = Session(self._house, self._left)
        self._sessions.add(session)
        if len(self._sessions) > self._settings.max_associations + SILENT_CONNECTIONS:
            log.warning("connection dropped: too many stand open", count=len(self._sessions))
            self._house.reactor.loop.call_soon(session.channel.drop)
        return session.channel

    def _left(self, session: Session) -> None:
        self._sessions.discard(session)
        if self._one_left is not None and not self._one_left.done():
            self._one_left.set_result(None)


def allow_files(wanted: int) -> None:
    """Raise this process's limit of open files as far as it may; too low, accepting would fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY and soft < wanted:
        log.warning("few open files are allowed", allowed=soft, wanted=wanted)


def providers(settings: DimseSettings, services: DimseServices, sender: Sender, lines: OpenLines) -> Providers:
    """The service class provider of each request, by message and SOP class of its context."""
    find = FindScp(services.query, ae_title=settings.ae_title, max_results=settings.max_find_results)
    fallback = _fallback(settings, services)
    move = MoveScp(services.retrieve, services.devices, sender, _is_ours(settings, services), fallback)
    get = GetScp(services.retrieve, fallback)
    by_class: dict[tuple[type[Request], str], Provider] = {
        (CEchoRq, VERIFICATION): EchoScp(),
        **{(CFindRq, sop_class): find for sop_class in FIND_MODELS},
        **{(CMoveRq, sop_class): move for sop_class in MOVE_MODELS},
        **{(CGetRq, sop_class): get for sop_class in GET_MODELS},
    }
    by_class |= _parts(services, sender)
    by_class |= _workflow(settings, services)
    by_class |= _commitment(services, lines)
    not_stored = {sop_class for _, sop_class in by_class}
    store = StoreScp(services.ingest)

    def provider(request: Request, context: Context) -> Provider | None:
        if isinstance(request, CStoreRq):
            return None if context.abstract_syntax in not_stored else store
        return by_class.get((type(request), context.abstract_syntax))

    return provider


def _fallback(settings: DimseSettings, services: DimseServices) -> Fallback | None:
    """Fetching from other archives what is not here."""
    if services.archives is None:
        return None
    asker = Asker(settings.ae_title, ChannelLimits.of(settings), services.recorder)
    return Fallback(services.archives, services.ingest, asker, services.certificates)


def _is_ours(settings: DimseSettings, services: DimseServices) -> IsOurs:
    async def ours(title: str) -> bool:
        known = services.local_aes
        return title == settings.ae_title or (known is not None and await known.find(title) is not None)

    return ours


def _parts(services: DimseServices, sender: Sender) -> Mapping[tuple[type[Request], str], Provider]:
    """Retrieval in part, where the archive has it."""
    if services.parts is None:
        return {}
    parts = PartsScp(services.retrieve, services.parts, services.devices, sender)
    found: dict[tuple[type[Request], str], Provider] = {(CGetRq, sop_class): parts for sop_class in PARTS_GET}
    return found | {(CMoveRq, sop_class): parts for sop_class in PARTS_MOVE}


def _workflow(settings: DimseSettings, services: DimseServices) -> Mapping[tuple[type[Request], str], Provider]:
    """Worklist and performed procedure steps, where the archive has them."""
    found: dict[tuple[type[Request], str], Provider] = {}
    if services.worklist is not None:
        found[CFindRq, MODALITY_WORKLIST] = WorklistScp(services.worklist, max_results=settings.max_find_results)
    if services.performed is not None:
        performed = MppsScp(services.performed)
        found[NCreateRq, MPPS] = found[NSetRq, MPPS] = found[NGetRq, MPPS_RETRIEVE] = performed
    if services.workitems is not None and services.subscriptions is not None:
        ups = UpsScp(services.workitems, services.subscriptions)
        found |= dict.fromkeys(SERVED, ups)
    if services.notified is not None:
        found[NCreateRq, AVAILABILITY] = AvailabilityScp(services.notified)
    return found


def _commitment(services: DimseServices, lines: OpenLines) -> Mapping[tuple[type[Request], str], Provider]:
    """Storage commitment both ways, where the archive has it."""
    found: dict[tuple[type[Request], str], Provider] = {}
    if services.commitments is not None:
        found[NActionRq, COMMITMENT] = CommitScp(services.commitments, lines)
    if services.asked_commitments is not None:
        found[NEventReportRq, COMMITMENT] = CommitReports(services.asked_commitments)
    return found
