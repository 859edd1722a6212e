"""Associations that we open: the client side of C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET."""

import asyncio
import dataclasses
import ipaddress
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final

from filmroom.archive.devices import Device, NotAsked
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Unsupported
from filmroom.base.limits import MAX_PRESENTATION_CONTEXTS
from filmroom.dicom.transfersyntax import EXPLICIT_LE, IMPLICIT_LE
from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.dialogue import Dialogue
from filmroom.net.dimse.errors import (
    AssociationLost,
    AssociationRejected,
    BadAnswer,
    PeerTimeout,
    PeerUnreachable,
    TlsFailed,
)
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.line import Answer, Call, Exchange, Intake, Provider, Providers
from filmroom.net.dimse.models import VERIFICATION
from filmroom.net.dimse.offers import implementation
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.registry import AssociationReport, report_of
from filmroom.net.dimse.tls import SHUTDOWN_TIMEOUT_S, Certificates, ClientTls, DeviceTls
from filmroom.net.dimse.tls_words import handshake_fault
from filmroom.wire.dimse import status
from filmroom.wire.dimse.assembler import Command, Data
from filmroom.wire.dimse.messages import (
    CEchoRq,
    CEchoRsp,
    CFindRq,
    CFindRsp,
    CGetRq,
    CGetRsp,
    CMoveRq,
    CMoveRsp,
    CStoreRq,
    CStoreRsp,
    Request,
    Response,
)
from filmroom.wire.dimse.status import StatusClass, status_class
from filmroom.wire.ul.items import Extended, ProposedContext, Role, UserInformation
from filmroom.wire.ul.machine import Aborted, Side
from filmroom.wire.ul.negotiation import Context, agreement
from filmroom.wire.ul.pdu import AssociateAc, AssociateRj, AssociateRq
from filmroom.wire.ul.states import State

PLAIN: Final = (EXPLICIT_LE, IMPLICIT_LE)


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to call; ``tls`` says how, None for a plain connection."""

    host: str
    port: int
    ae_title: str
    tls: ClientTls | None = None

    @classmethod
    def of(cls, device: Device, certificates: Certificates | None, service: str = "") -> "Peer":
        """As the device is registered, to ask it for a service (of archive.devices.SERVICES).

        Raises NotAsked when its policy has no such service, Unsupported when it wants TLS and there is none here.
        """
        if service and service not in device.policy.outgoing:
            raise NotAsked(f"{device.ae_title} is not asked for {service}: that is no service of its policy (outgoing)")
        terms = DeviceTls.of(device)
        if terms.use and certificates is None:
            raise Unsupported(f"{device.ae_title} is to be called over TLS, which is not set up here")
        tls = certificates.client(device.host, terms) if terms.use and certificates is not None else None
        return cls(device.host, device.port, device.ae_title, tls)

    @classmethod
    def each_of(cls, device: Device, certificates: Certificates | None, service: str = "") -> "list[Peer]":
        """Where the device can be reached: its own address, then its others (policy ``failover``). Raises as ``of``."""
        found = [cls.of(device, certificates, service)]
        for each in device.policy.failover:
            title, _, place = each.rpartition("@")
            host, _, port = place.rpartition(":")
            other = dataclasses.replace(device, host=host.strip("[]"), port=int(port))
            found.append(dataclasses.replace(cls.of(other, certificates), ae_title=title or device.ae_title))
        return found

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context to propose. ``scp``: we also want to be sent such objects (C-GET)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...] = PLAIN
    scp: bool = False
    extended: bytes = b""


@dataclass(frozen=True, slots=True)
class Received:
    """An object that came on our own association (C-GET). The answer is its status, 0000H for kept."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    data: bytes


Receiver = Callable[[Received], Awaitable[int]]


class Association:
    """An open association with a peer. Use as ``async with await Association.open(...)``: leaving it releases it.

    One operation at a time. Every method raises AssociationLost or PeerTimeout when the association ends first, and
    ContextMissing when the peer did not accept what is needed.
    """

    def __init__(
        self,
        limits: ChannelLimits,
        reactor: Reactor,
        request: AssociateRq,
        receiver: Receiver | None,
        providers: Providers | None = None,
        recorder: Recorder | None = None,
        caller: object = None,
    ) -> None:
        self.dialogue: Dialogue | None = None
        self._recorder = recorder
        self._caller = caller
        self.answered: AssociateAc | AssociateRj | None = None
        self._request = request
        self._receiver = receiver
        self._providers = providers
        self._limits = limits
        self._reactor = reactor
        self._since = reactor.loop.time()
        self._opened: asyncio.Future[None] = reactor.loop.create_future()
        self._released: asyncio.Future[None] = reactor.loop.create_future()
        self._closed: asyncio.Future[None] = reactor.loop.create_future()
        self.channel = Channel(Side.REQUESTOR, limits, reactor, self)
        if recorder is not None:
            self.channel.recording = recorder.open(self.channel, outgoing=True)
            self.channel.recording.asked(request)
        self.channel.request(request)

    @classmethod
    async def open(
        cls,
        peer: Peer,
        proposals: Sequence[Proposal],
        *,
        calling_ae: str,
        limits: ChannelLimits | None = None,
        reactor: Reactor | None = None,
        receiver: Receiver | None = None,
        providers: Providers | None = None,
        recorder: Recorder | None = None,
        caller: object = None,
    ) -> "Association":
        """Call a peer; ``providers`` serve what it asks on this association, C-STORE too unless there is a receiver,
        and know the peer as ``caller``.

        Raises PeerUnreachable, TlsFailed, AssociationRejected, AssociationLost, PeerTimeout.
        """
        limits = limits or ChannelLimits()
        reactor = reactor or Reactor.for_timeouts(limits.timeouts_s())
        asked = _request(peer, proposals, calling_ae, limits)
        association = cls(limits, reactor, asked, receiver, providers, recorder, caller)
        try:
            line = await _connected(peer, limits)
            await association.connect(peer, line)
        except BaseException as error:
            association.not_connected(error)
            raise
        await association.opened()
        return association

    @classmethod
    def make(
        cls,
        peer: Peer,
        proposals: Sequence[Proposal],
        *,
        calling_ae: str,
        limits: ChannelLimits,
        reactor: Reactor,
        recorder: Recorder | None = None,
    ) -> "Association":
        """One that is not connected yet: ``connect`` it, then wait for ``opened``."""
        return cls(limits, reactor, _request(peer, proposals, calling_ae, limits), None, None, recorder)

    async def connect(self, peer: Peer, line: socket.socket) -> None:
        """Secure an open connection where the peer asks for that, and ask for the association. Raises TlsFailed."""
        loop = asyncio.get_running_loop()
        tls = peer.tls
        if tls is None:
            await loop.create_connection(lambda: self.channel, sock=line)
            return
        try:
            await loop.create_connection(
                lambda: self.channel,
                sock=line,
                ssl=tls.context,
                server_hostname=tls.server_name,
                ssl_handshake_timeout=self._limits.connect_timeout_s,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except (OSError, TimeoutError) as error:
            raise TlsFailed(f"{peer.host}:{peer.port}: {handshake_fault(error)}") from error

    async def opened(self) -> None:
        """Return when the peer has accepted. Raises AssociationRejected, AssociationLost, PeerTimeout."""
        try:
            await self._opened
        except BaseException:
            self.abort()
            raise

    def not_connected(self, error: BaseException) -> None:
        """Note in the recording that it came to nothing."""
        if self._recorder is not None and self.channel.recording is not None:
            self.channel.recording.unreachable = not isinstance(error, TlsFailed)
            self.channel.recording.fault = str(error) or type(error).__name__
            self._recorder.close(self.channel.recording)

    async def __aenter__(self) -> "Association":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or kind is GeneratorExit:
            await self.release()
        else:
            self.abort()

    @property
    def line(self) -> Dialogue:
        assert self.dialogue is not None
        return self.dialogue

    @property
    def contexts(self) -> list[Context]:
        """What the peer accepted."""
        return list(self.line.agreement.contexts.values())

    # Services

    async def echo(self) -> int:
        """C-ECHO; the status."""
        context = self.line.context_for(VERIFICATION)
        call = self.line.call(context, CEchoRq(message_id=self.line.new_id(), sop_class=VERIFICATION))
        response = (await call.only_answer()).response
        if not isinstance(response, CEchoRsp):
            raise BadAnswer("a C-ECHO was answered by another message")
        return response.status

    async def store(
        self, sop_class: str, sop_uid: str, transfer_syntax: str, chunks: AsyncIterator[bytes] | bytes
    ) -> CStoreRsp:
        """C-STORE of a data set in the transfer syntax it is written in."""
        context = self.line.context_for(sop_class, transfer_syntax=transfer_syntax)
        request = CStoreRq(message_id=self.line.new_id(), sop_class=sop_class, sop_uid=sop_uid, has_data=True)
        if isinstance(chunks, bytes):
            call = self.line.call(context, request, chunks)
            await self.line.writable()
        else:
            call = await self.line.call_stream(context, request, chunks)
        response = (await call.only_answer()).response
        if not isinstance(response, CStoreRsp):
            raise BadAnswer("a C-STORE was answered by another message")
        return response

    def find(self, sop_class: str, identifier: bytes) -> AsyncGenerator[Answer, None]:
        """C-FIND; each answer with its identifier, the final one last. Closing the iterator early cancels.

        ``identifier`` is in the transfer syntax of ``line.context_for(sop_class)``.
        """
        request = CFindRq(message_id=self.line.new_id(), sop_class=sop_class, has_data=True)
        return self._ask(request, identifier, CFindRsp)

    def move(self, sop_class: str, identifier: bytes, destination: str) -> AsyncGenerator[Answer, None]:
        """C-MOVE; each answer tells the counts, the final one last. Closing the iterator early cancels."""
        message_id = self.line.new_id()
        request = CMoveRq(message_id=message_id, sop_class=sop_class, destination=destination, has_data=True)
        return self._ask(request, identifier, CMoveRsp)

    def get(self, sop_class: str, identifier: bytes) -> AsyncGenerator[Answer, None]:
        """C-GET; the objects go to the receiver, the answers tell the counts. Closing the iterator early cancels."""
        request = CGetRq(message_id=self.line.new_id(), sop_class=sop_class, has_data=True)
        return self._ask(request, identifier, CGetRsp)

    async def release(self) -> None:
        """Release in good order; abort when the peer does not agree in time, or nobody waits for it any more."""
        try:
            if self.channel.state is State.STA6:
                self.channel.release()
                try:
                    await self._released
                except AssociationLost:
                    self.channel.close()
            await self._closed
        except asyncio.CancelledError:
            self.abort()
            raise

    def report(self) -> AssociationReport:
        """For the list of open associations."""
        age_s = self._reactor.loop.time() - self._since
        return report_of(
            self.channel,
            self.dialogue,
            id=0,
            calling_ae=self._request.calling_ae,
            called_ae=self._request.called_ae,
            opened_at=SystemClock().now() - timedelta(seconds=age_s),
            age_s=age_s,
            outgoing=True,
        )

    async def gone(self) -> None:
        """Return when the connection has ended, whoever ended it."""
        await asyncio.shield(self._closed)

    def abort(self) -> None:
        self.channel.abort("ended by us")
        self.channel.close()

    async def _ask(
        self, request: CFindRq | CMoveRq | CGetRq, identifier: bytes, kind: type[Response]
    ) -> AsyncGenerator[Answer, None]:
        call = self.line.call(self.line.context_for(request.sop_class), request, identifier)
        finished = False
        try:
            while not finished:
                answer = await call.answer()
                if not isinstance(answer.response, kind):
                    raise BadAnswer(f"a {type(request).__name__} was answered by {type(answer.response).__name__}")
                finished = status_class(answer.response.status) is not StatusClass.PENDING
                yield answer
        finally:
            if not finished:
                await self._cancel(call)
            call.close()

    async def _cancel(self, call: Call) -> None:
        """Ask to stop and take what still comes, so that the association can be used on."""
        with suppress(AssociationLost):
            call.cancel()
            while status_class((await call.answer()).response.status) is StatusClass.PENDING:
                pass

    # ChannelUser

    def on_requested(self, request: AssociateRq) -> None:
        raise AssertionError("a requestor is not asked")

    def on_answered(self, answer: AssociateAc | AssociateRj) -> None:
        self.answered = answer
        if self.channel.recording is not None:
            self.channel.recording.answered_with(answer)
        if isinstance(answer, AssociateRj):
            self._fail(AssociationRejected(answer))
            return
        self._reactor.calls.add(self)
        agreed = agreement(self._request, answer, Side.REQUESTOR)
        self.dialogue = Dialogue(self.channel, agreed, self._provider, self._caller, 1)
        if not self._opened.done():
            self._opened.set_result(None)

    def on_command(self, command: Command) -> None:
        self.line.on_command(command)

    def on_data(self, data: Data) -> None:
        self.line.on_data(data)

    def on_release_asked(self) -> None:
        self.line.on_release_asked()

    def on_released(self) -> None:
        if self.channel.recording is not None:
            self.channel.recording.released = True
        if not self._released.done():
            self._released.set_result(None)

    def on_aborted(self, why: Aborted) -> None:
        late = why.comment == "the peer does not answer"
        who = "the peer aborted" if why.by_peer else why.comment or "the association was aborted"
        self._fail((PeerTimeout if late else AssociationLost)(who))

    def on_closed(self) -> None:
        self._reactor.calls.discard(self)
        if self._recorder is not None and self.channel.recording is not None:
            self._recorder.close(self.channel.recording)
        self._fail(AssociationLost("the connection was closed"))
        if not self._closed.done():
            self._closed.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self.dialogue is not None:
            self.dialogue.on_over()
        for future in (self._opened, self._released):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits sees it; nobody waiting is no fault

    def _provider(self, request: Request, context: Context) -> Provider | None:
        if isinstance(request, CStoreRq) and self._receiver is not None:
            return self
        return self._providers(request, context) if self._providers is not None else None

    def begin(self, exchange: Exchange) -> Intake:
        """An object comes in for our C-GET."""
        assert self._receiver is not None
        return _Receive(exchange, self._receiver)


class _Receive:
    """Gathers one object for the receiver of a C-GET."""

    survives = False
    full = False

    def __init__(self, exchange: Exchange, receiver: Receiver) -> None:
        self._exchange = exchange
        self._receiver = receiver
        self._data = bytearray()

    def write(self, chunk: memoryview) -> None:
        self._data += chunk

    async def drain(self) -> None:
        pass

    async def run(self) -> None:
        request = self._exchange.request
        assert isinstance(request, CStoreRq)
        syntax = self._exchange.context.transfer_syntax
        try:
            code = await self._receiver(Received(request.sop_class, request.sop_uid, syntax, bytes(self._data)))
        except OSError:
            code = status.OUT_OF_RESOURCES
        self._exchange.respond(
            CStoreRsp(
                responding_to=request.message_id, status=code, sop_class=request.sop_class, sop_uid=request.sop_uid
            )
        )

    async def discard(self) -> None:
        pass


async def _connected(peer: Peer, limits: ChannelLimits) -> socket.socket:
    """A TCP connection. Raises PeerUnreachable."""
    try:
        async with asyncio.timeout(limits.connect_timeout_s):
            return await connect_tcp(peer.host, peer.port)
    except (OSError, TimeoutError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise PeerUnreachable(f"{peer.host}:{peer.port} cannot be reached: {reason}") from error


# What tells a machine of a cloud its own secrets. Link-local as such stays: a modality on a cable of its own has it.
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "169.254.170.2")))


def no_peer(text: str) -> bool:
    """Whether a resolved address is none that a device may have: it is judged here and connected to as it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_unspecified or address.is_multicast or address in _METADATA


async def connect_tcp(host: str, port: int) -> socket.socket:
    """A connection to the first of the host's addresses that takes one. Raises OSError of the last that did not."""
    loop = asyncio.get_running_loop()
    trouble: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if no_peer(str(address[0])):
            trouble = OSError(f"{host} is at an address that no DICOM node has")
            continue
        line = socket.socket(family, kind, protocol)
        line.setblocking(False)
        try:
            await loop.sock_connect(line, address)
        except BaseException as error:
            line.close()
            if not isinstance(error, OSError):
                raise
            trouble = error
        else:
            return line
    raise trouble


def _request(peer: Peer, proposals: Sequence[Proposal], calling_ae: str, limits: ChannelLimits) -> AssociateRq:
    if not 1 <= len(proposals) <= MAX_PRESENTATION_CONTEXTS:
        raise ValueError(f"{len(proposals)} presentation contexts; 1 to {MAX_PRESENTATION_CONTEXTS} can be proposed")
    class_uid, version = implementation()
    contexts = tuple(
        ProposedContext(2 * number + 1, p.abstract_syntax, p.transfer_syntaxes) for number, p in enumerate(proposals)
    )
    return AssociateRq(
        called_ae=peer.ae_title,
        calling_ae=calling_ae,
        contexts=contexts,
        user=UserInformation(
            max_length=limits.max_pdu_bytes,
            implementation_class_uid=class_uid,
            implementation_version=version,
            roles=tuple(Role(uid, scu=False, scp=True) for uid in dict.fromkeys(_scp(proposals))),
            extended=tuple(Extended(p.abstract_syntax, p.extended) for p in proposals if p.extended),
        ),
    )


def _scp(proposals: Iterable[Proposal]) -> list[str]:
    return [p.abstract_syntax for p in proposals if p.scp]


def for_retrieval(sop_classes: Iterable[str], transfer_syntaxes: tuple[str, ...] = PLAIN) -> list[Proposal]:
    """Proposals to be sent objects of these classes in a C-GET."""
    return [dataclasses.replace(Proposal(uid, transfer_syntaxes), scp=True) for uid in sop_classes]
