"""One association that a peer opened: admitted, negotiated, served, ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from filmroom.archive.devices_callers import Reason
from filmroom.base.clock import Clock
from filmroom.net.dimse.admission import Admission, Caller
from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.dialogue import Dialogue
from filmroom.net.dimse.identity import Identities
from filmroom.net.dimse.limits import OPERATIONS_WINDOW, ChannelLimits
from filmroom.net.dimse.line import Providers
from filmroom.net.dimse.offers import implementation, offers
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.registry import AssociationRegistry, AssociationReport, report_of
from filmroom.net.dimse.tls import tls_refusal
from filmroom.settings import DimseSettings
from filmroom.wire.dimse.assembler import Command, Data
from filmroom.wire.ul.machine import Aborted, Side
from filmroom.wire.ul.negotiation import Terms, agreement, answer
from filmroom.wire.ul.pdu import REJECTED_LOCAL_LIMIT, AssociateAc, AssociateRj, AssociateRq
from filmroom.wire.ul.states import State

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What every session of a listener shares."""

    settings: DimseSettings
    limits: ChannelLimits
    reactor: Reactor
    admission: Admission
    identities: Identities
    registry: AssociationRegistry
    providers: Providers
    clock: Clock
    recorder: Recorder | None = None


class Session:
    """Serves one association; enters the registry when it is accepted and leaves it with the connection."""

    def __init__(self, house: House, on_gone: Callable[["Session"], None]) -> None:
        self.channel = Channel(Side.ACCEPTOR, house.limits, house.reactor, self)
        if house.recorder is not None:
            self.channel.recording = house.recorder.open(self.channel, outgoing=False)
        self.dialogue: Dialogue | None = None
        self._house = house
        self._on_gone = on_gone
        self._caller: Caller | None = None
        self._request: AssociateRq | None = None
        self._id = 0
        self._opened_at: datetime = house.clock.now()
        self._opened = house.reactor.loop.time()
        self._admitting: asyncio.Task[None] | None = None

    @property
    def calling_ae(self) -> str:
        return self._caller.ae_title if self._caller is not None else ""

    @property
    def quiet(self) -> bool:
        """Whether nothing would be lost by ending now."""
        return self.dialogue is None or self.dialogue.quiet

    def report(self) -> AssociationReport:
        return report_of(
            self.channel,
            self.dialogue,
            id=self._id,
            calling_ae=self.calling_ae,
            called_ae=self._request.called_ae if self._request is not None else "",
            opened_at=self._opened_at,
            age_s=self._house.reactor.loop.time() - self._opened,
        )

    def abort(self) -> None:
        """End it from our side."""
        self.channel.abort("ended by us")

    async def finished(self) -> None:
        """Return when no work of it is left."""
        if self.dialogue is not None:
            await self.dialogue.finished()

    # ChannelUser

    def on_requested(self, request: AssociateRq) -> None:
        self._request = request
        if self.channel.recording is not None:
            self.channel.recording.asked(request)
        self._admitting = self._house.reactor.loop.create_task(self._admit(request))

    def on_answered(self, answer: AssociateAc | AssociateRj) -> None:
        raise AssertionError("an acceptor asks for nothing")

    def on_command(self, command: Command) -> None:
        assert self.dialogue is not None
        self.dialogue.on_command(command)

    def on_data(self, data: Data) -> None:
        assert self.dialogue is not None
        self.dialogue.on_data(data)

    def on_release_asked(self) -> None:
        if self.channel.recording is not None:
            self.channel.recording.released = True
        if self.dialogue is None:
            self.channel.answer_release()
        else:
            self.dialogue.on_release_asked()

    def on_released(self) -> None:
        pass

    def on_aborted(self, why: Aborted) -> None:
        if self._caller is not None:
            who = "peer" if why.by_peer else "us"
            log.info("association aborted", id=self._id, calling_ae=self.calling_ae, by=who, comment=why.comment)
        if self.dialogue is not None:
            self.dialogue.on_over()

    def on_closed(self) -> None:
        if self._house.recorder is not None and self.channel.recording is not None:
            self._house.recorder.close(self.channel.recording)
        if self._admitting is not None:
            self._admitting.cancel()
        if self.dialogue is not None:
            self.dialogue.on_over()
        if self._id:
            self._house.registry.remove(self._id)
            log.info(
                "association closed",
                id=self._id,
                calling_ae=self.calling_ae,
                messages=self.dialogue.messages_in if self.dialogue is not None else 0,
                bytes_in=self.channel.bytes_in,
                bytes_out=self.channel.bytes_out,
            )
        self._on_gone(self)

    # Admission

    async def _admit(self, request: AssociateRq) -> None:
        house = self._house
        try:
            caller = await house.admission.judge(request, self.channel.peer_host)
        except Exception:
            log.exception("a caller could not be judged")
            caller = REJECTED_LOCAL_LIMIT
        if self.channel.state is not State.STA3:
            return
        if isinstance(caller, Caller):
            refused = tls_refusal(caller.device, self.channel.secured)
            if refused is not None:
                house.admission.remember(request, caller.host, Reason.TLS, refused.comment)
            caller = refused or caller
        if isinstance(caller, Caller):
            refused = await house.identities.refusal(request.user.user_identity, self.channel.peer_host)
            if refused is not None:
                house.admission.remember(request, caller.host, Reason.IDENTITY, refused.comment)
            caller = refused or caller
            if self.channel.state is not State.STA3:
                return
        if isinstance(caller, AssociateRj):
            self._reject(request, caller)
            return
        class_uid, version = implementation()
        terms = Terms(
            offer=offers(caller.policy, accept_unknown=house.settings.accept_unknown_sop_classes),
            max_length=house.limits.max_pdu_bytes,
            implementation_class_uid=class_uid,
            implementation_version=version,
            window=OPERATIONS_WINDOW,
        )
        answered = answer(request, terms)
        if isinstance(answered, AssociateRj):
            self._reject(request, answered)
        else:
            self._accept(request, house.identities.answered(request.user.user_identity, answered), caller)

    def _reject(self, request: AssociateRq, why: AssociateRj) -> None:
        log.info(
            "association rejected",
            peer=self.channel.peer_host,
            calling_ae=request.calling_ae,
            called_ae=request.called_ae,
            reason=why.comment,
        )
        if self.channel.recording is not None:
            self.channel.recording.answered_with(why)
        self.channel.reject(why)

    def _accept(self, request: AssociateRq, answered: AssociateAc, caller: Caller) -> None:
        agreed = agreement(request, answered, Side.ACCEPTOR)
        self._caller = caller
        self.channel.limit(self._house.limits.of_device(caller.policy))
        self._house.admission.remember_refused(request, answered, caller)
        self._id = self._house.registry.add(self)
        self.dialogue = Dialogue(self.channel, agreed, self._house.providers, caller, agreed.window.invoked)
        log.info(
            "association accepted",
            id=self._id,
            peer=caller.host,
            calling_ae=caller.ae_title,
            contexts=len(agreed.contexts),
            implementation=agreed.peer_implementation[1],
        )
        if self.channel.recording is not None:
            self.channel.recording.answered_with(answered)
        self.channel.accept(answered)
