"""The connection test: TCP, TLS, association, C-ECHO, C-FIND and what the peer would take, each with a finding."""

import asyncio
import errno
import socket
import ssl
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from filmroom.base.errors import FilmroomError
from filmroom.base.ids import new_uid
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.net.dimse.errors import AssociationLost, AssociationRejected, ContextMissing, PeerTimeout, TlsFailed
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.models import STUDY_ROOT, VERIFICATION
from filmroom.net.dimse.probe_words import sentence
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.scu import Association, Peer, Proposal, connect_tcp
from filmroom.net.dimse.tls_words import handshake_fault
from filmroom.wire.dimse.messages import CFindRsp
from filmroom.wire.dimse.status import C_FIND, status_name
from filmroom.wire.ul.items import ContextResult
from filmroom.wire.ul.pdu import AssociateAc

# A person waits for the answer.
LIMITS: Final = ChannelLimits(
    connect_timeout_s=5.0, artim_timeout_s=10.0, idle_timeout_s=30.0, pdu_timeout_s=10.0, response_timeout_s=10.0
)

_IMAGE = "1.2.840.10008.5.1.4.1.1."
# What modalities and viewers of every kind make: CR, DX, MG, CT, MR, US, NM, PET, RT, SC, XA, SR and others.
COMMON_CLASSES: Final = tuple(
    _IMAGE + each
    for each in (
        *("1", "1.1", "1.2", "1.3", "2", "2.1", "3.1", "4", "4.1", "6.1", "7", "7.2", "12.1", "12.2", "13.1.3", "20"),
        *("77.1.1", "77.1.4", "77.1.5.1", "77.1.6", "88.11", "88.22", "88.33", "88.67", "104.1", "11.1", "128", "66.4"),
        *("481.1", "481.2", "481.3", "481.5"),
    )
)
_PLAIN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_PACKED = tuple(f"1.2.840.10008.1.2.{each}" for each in ("4.70", "4.80", "4.90", "4.91", "4.50", "4.51", "5"))

_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_HTTP, _ALERT, _HANDSHAKE = "PDU type 48H", "PDU type 15H", "PDU type 16H"

# OpenSSL's codes of X509_V_ERR_*.
_EXPIRED, _EARLY, _NAMES = 10, 9, {62, 64}


@dataclass(frozen=True, slots=True)
class Step:
    """What one step found. ``outcome``: ok, warning or failed."""

    name: str
    outcome: str
    code: str
    ms: float
    parameters: Mapping[str, object] = field(default_factory=dict)

    def told(self, language: str = "en") -> str:
        return sentence(self.code, self.parameters, language)


async def probe(
    peer: Peer, *, calling_ae: str, limits: ChannelLimits = LIMITS, recorder: Recorder | None = None
) -> AsyncGenerator[Step, None]:
    """Go through the steps; the last one that is told failed, or all are."""
    test = _Probe(peer, calling_ae, limits, recorder)
    began = time.perf_counter()
    line = None
    try:
        async with asyncio.timeout(limits.connect_timeout_s):
            line = await connect_tcp(peer.host, peer.port)
    except (OSError, TimeoutError) as error:
        yield test.step("tcp", "failed", _tcp_code(error), began, reason=_reason(error))
        return
    address = line.getpeername()[0]
    yield test.step("tcp", "ok", "connected", began, address=address)
    association = test.new([Proposal(VERIFICATION), Proposal(STUDY_ROOT.find)])
    async for step in test.associate(association, line):
        yield step
        if step.outcome == "failed":
            return
    async for step in test.ask(association):
        yield step
    with suppress(FilmroomError):
        await association.release()
    yield await test.offer()


class _Probe:
    """One run."""

    def __init__(self, peer: Peer, calling_ae: str, limits: ChannelLimits, recorder: Recorder | None) -> None:
        self._peer = peer
        self._calling_ae = calling_ae
        self._limits = limits
        self._recorder = recorder
        self._reactor = Reactor.for_timeouts(limits.timeouts_s())

    def step(self, step: str, outcome: str, code: str, began: float, /, **parameters: object) -> Step:
        peer = self._peer
        known: dict[str, object] = {
            "host": peer.host,
            "port": peer.port,
            "called": peer.ae_title,
            "calling": self._calling_ae,
            "seconds": f"{self._seconds(step):g}",
        }
        return Step(step, outcome, code, round((time.perf_counter() - began) * 1000, 1), known | parameters)

    def _seconds(self, step: str) -> float:
        early = step in ("tcp", "tls")
        return self._limits.connect_timeout_s if early else self._limits.response_timeout_s

    def new(self, proposals: list[Proposal]) -> Association:
        return Association.make(
            self._peer,
            proposals,
            calling_ae=self._calling_ae,
            limits=self._limits,
            reactor=self._reactor,
            recorder=self._recorder,
        )

    async def associate(self, association: Association, line: socket.socket) -> AsyncGenerator[Step, None]:
        """TLS where it is wanted, and the association."""
        began = time.perf_counter()
        try:
            await association.connect(self._peer, line)
        except TlsFailed as error:
            association.not_connected(error)
            code, reason = _tls_code(error.__cause__)
            name = self._peer.tls.server_name if self._peer.tls is not None else ""
            yield self.step("tls", "failed", code, began, reason=reason, name=name)
            return
        secured = association.channel.secured
        if secured is not None:
            yield self.step("tls", "ok", "secured", began, version=secured.version, cipher=secured.cipher)
        began = time.perf_counter()
        try:
            await association.opened()
        except FilmroomError as error:
            code, reason = await self._association_code(association, error)
            yield self.step("association", "failed", code, began, reason=reason)
            return
        class_uid, version = association.line.agreement.peer_implementation
        yield self.step("association", "ok", "associated", began, implementation=version or class_uid)

    async def _association_code(self, association: Association, error: FilmroomError) -> tuple[str, str]:
        if isinstance(error, AssociationRejected):
            answer = error.answer
            codes = {(1, 3): "calling_ae", (1, 7): "called_ae", (3, 1): "busy", (3, 2): "busy"}
            return codes.get((answer.source, answer.reason), "rejected"), (
                f"result {answer.result}, source {answer.source}, reason {answer.reason}"
            )
        end = association.channel.end
        comment = end.comment if end is not None else ""
        if comment.startswith(_HTTP):
            return "http", comment
        if comment.startswith((_ALERT, _HANDSHAKE)):
            return "wants_tls", comment
        if comment.startswith("PDU type"):
            return "not_dicom", comment
        lost = association.channel.lost
        if isinstance(lost, ssl.SSLError):
            return "tls_refuses_us", handshake_fault(lost)
        if self._peer.tls is None and (end is None or not end.by_peer) and await self._speaks_tls():
            return "wants_tls", comment
        if isinstance(error, PeerTimeout):
            return "no_answer", comment
        if end is not None and end.by_peer:
            return "aborted", f"source {end.source}, reason {end.reason}"
        return ("closed", comment) if isinstance(error, AssociationLost) else ("not_dicom", str(error))

    async def _speaks_tls(self) -> bool:
        """Whether the port goes into a TLS handshake; nothing is verified and nothing said."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                line = await connect_tcp(self._peer.host, self._peer.port)
                _, writer = await asyncio.open_connection(sock=line, ssl=context, server_hostname="")
            writer.transport.abort()
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "").upper()
        except (OSError, TimeoutError):
            return False
        return True

    async def ask(self, association: Association) -> AsyncGenerator[Step, None]:
        """C-ECHO and C-FIND."""
        began = time.perf_counter()
        try:
            status = await association.echo()
        except ContextMissing:
            said = _results(association).get(1, "")
            yield self.step("echo", "warning", "echo_not_taken", began, reason=said)
        except FilmroomError as error:
            yield self.step("echo", "failed", "stopped", began, reason=str(error))
            return
        else:
            ok, words = status == 0, status_name(status)
            code, outcome = ("echo_ok", "ok") if ok else ("echo_status", "failed")
            yield self.step("echo", outcome, code, began, status=f"{status:04X}H", reason=words)
        yield await self._find(association)

    async def _find(self, association: Association) -> Step:
        """A question that nothing answers to: for a study whose UID was made just now."""
        began = time.perf_counter()
        uid = new_uid(lambda: uuid.uuid4().int)
        keys = {"00080052": {"vr": "CS", "Value": ["STUDY"]}, "0020000D": {"vr": "UI", "Value": [uid]}}
        status, comment = 0, ""
        try:
            context = association.line.context_for(STUDY_ROOT.find)
            identifier = json_to_dataset(keys, context.transfer_syntax, "ISO_IR 192")
            async for answer in association.find(STUDY_ROOT.find, identifier):
                assert isinstance(answer.response, CFindRsp)
                status, comment = answer.response.status, answer.response.comment
        except ContextMissing:
            return self.step("find", "warning", "find_not_taken", began, reason=_results(association).get(3, ""))
        except FilmroomError as error:
            return self.step("find", "failed", "stopped", began, reason=str(error))
        if status == 0:
            return self.step("find", "ok", "find_ok", began)
        reason = comment or status_name(status, C_FIND)
        return self.step("find", "warning", "find_status", began, status=f"{status:04X}H", reason=reason)

    async def offer(self) -> Step:
        """Which images it would take: negotiated, and none sent."""
        began = time.perf_counter()
        proposals = [Proposal(each, syntaxes) for each in COMMON_CLASSES for syntaxes in (_PLAIN, _PACKED)]
        association = self.new(proposals)
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                line = await connect_tcp(self._peer.host, self._peer.port)
            await association.connect(self._peer, line)
            await association.opened()
        except (FilmroomError, OSError, TimeoutError) as error:
            association.not_connected(error)
            return self.step("store", "warning", "store_rejected", began, reason=_reason(error))
        taken = {each.abstract_syntax for each in association.contexts}
        packed = {each.abstract_syntax for each in association.contexts if each.transfer_syntax in _PACKED}
        asked = association.line.agreement.results
        known = [each for each, result in asked.items() if result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED]
        with suppress(FilmroomError):
            await association.release()
        if taken:
            counts = {"count": len(taken), "asked": len(COMMON_CLASSES), "packed": len(packed)}
            return self.step("store", "ok", "store_ok", began, **counts, classes=sorted(taken))
        if known:
            return self.step("store", "failed", "store_syntax", began, count=len({(each - 1) // 4 for each in known}))
        return self.step("store", "warning", "store_none", began)


def _results(association: Association) -> dict[int, str]:
    """What the peer said of each context."""
    recorded = association.answered
    if not isinstance(recorded, AssociateAc):
        return {}
    return {each.id: _result_name(each.result) for each in recorded.contexts}


def _result_name(code: int) -> str:
    try:
        return ContextResult(code).name.lower().replace("_", " ")
    except ValueError:
        return f"result {code}"


def _tcp_code(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "name_unknown"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "tcp_timeout"
    return "no_route" if error.errno in _NO_ROUTE else "tcp_failed"


def _tls_code(error: BaseException | None) -> tuple[str, str]:
    if error is None:
        return "tls_failed", ""
    words = handshake_fault(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (_EXPIRED, _EARLY):
            return ("tls_expired" if error.verify_code == _EXPIRED else "tls_early"), words
        return ("tls_name" if error.verify_code in _NAMES else "tls_untrusted"), error.verify_message or words
    if "does not speak TLS" in words or "speaks HTTP" in words:
        return "tls_not_spoken", words
    if "our certificate" in words or "from us" in words:
        return "tls_refuses_us", words
    if "go through" in words:
        return "tls_timeout", words
    return ("tls_failed" if isinstance(error, ssl.SSLError) else "tls_closed"), words


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
