"""One association's upper layer (PS3.8 section 9): bytes and requests in, effects and indications out.

The shell around it does what the effects say, in their order, and passes back what happens to the transport and to
the ARTIM timer. Nothing here waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from filmroom.base.errors import FilmroomError
from filmroom.wire.ul.items import AbortReason, PduFault
from filmroom.wire.ul.pdu import Abort, AbortSource, AssociateAc, AssociateRj, AssociateRq, Pdu, ReleaseRp, ReleaseRq
from filmroom.wire.ul.reader import Fragment, PduReader
from filmroom.wire.ul.states import NEXT_STATE, TRANSITIONS, Action, Event, State


class NotNow(FilmroomError):
    """The association is not in a state in which this can be asked of it."""


class Side(Enum):
    """Who opened the association."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the transport."""

    data: bytes


class Do(Enum):
    """Effects without a value."""

    CONNECT = "open the transport connection"
    CLOSE = "close the transport connection"
    START_ARTIM = "(re)start the ARTIM timer"
    STOP_ARTIM = "stop the ARTIM timer"


@dataclass(frozen=True, slots=True)
class AssociateIndication:
    """The peer asks for an association; answer with ``accept`` or ``reject``."""

    request: AssociateRq


@dataclass(frozen=True, slots=True)
class AssociateConfirmation:
    """The peer's answer to our request."""

    answer: AssociateAc | AssociateRj


class Released(Enum):
    """Indications of an orderly release (PS3.8 7.2)."""

    ASKED = "the peer asks for release; answer with answer_release"
    CONFIRMED = "the peer confirmed our release"


@dataclass(frozen=True, slots=True)
class Aborted:
    """The association is gone: ``by_peer`` tells an A-ABORT received from one of our own or a lost connection."""

    source: int
    reason: int
    by_peer: bool
    comment: str = ""


Indication = AssociateIndication | AssociateConfirmation | Fragment | Released | Aborted
Effect = Send | Do | Indication


class UpperLayer:
    """The state machine of one association on one side.

    Raises NotNow when a request does not fit the state; the peer's faults come out as ``Aborted``.
    """

    def __init__(self, side: Side, max_length: int) -> None:
        self.side = side
        self.state = State.STA1
        self._reader = PduReader(max_length)
        self._deaf = False  # after a framing fault the stream has no meaning any more
        self._answer_owed = False  # a release answered while Sta10 still waits for the peer's
        self._request: AssociateRq | None = None
        self._out: list[Effect] = []

    @property
    def established(self) -> bool:
        """Whether data may be sent."""
        return self.state in (State.STA6, State.STA8)

    @property
    def mid_pdu(self) -> bool:
        """Whether the peer has begun a PDU and not ended it."""
        return self._reader.mid_pdu

    @property
    def pdus_begun(self) -> int:
        """How many PDUs the peer has begun: tells a slow PDU from a stream of them."""
        return self._reader.begun

    # What the transport and the timer report

    def connected(self) -> list[Effect]:
        """The transport connection is open."""
        confirmed = self.side is Side.REQUESTOR
        return self._step(Event.TRANSPORT_CONFIRMED if confirmed else Event.TRANSPORT_INDICATED)

    def receive(self, data: bytes | bytearray | memoryview) -> list[Effect]:
        """Bytes came. Fragments refer to ``data`` and are valid until the next call."""
        if self._deaf:
            return []
        read: list[Pdu | Fragment] = []
        fault: PduFault | None = None
        try:
            self._reader.receive_into(read, data)
        except PduFault as error:
            fault = error
        for pdu in read:
            if self.state is State.STA1:  # closed by what came before: the rest has no one to go to
                break
            if isinstance(pdu, Fragment):
                self._fragment(pdu)
            else:
                self._advance(_EVENT_OF[type(pdu)], pdu)
        if self.state is State.STA1:
            self._deaf = True
        elif fault is not None:
            self._deaf = True
            self._advance(Event.INVALID_PDU, fault)
        return self._flush()

    def closed(self) -> list[Effect]:
        """The transport connection is gone."""
        return [] if self.state is State.STA1 else self._step(Event.TRANSPORT_CLOSED)

    def artim_expired(self) -> list[Effect]:
        return self._step(Event.ARTIM_EXPIRED)

    # What the local user asks for

    def request(self, request: AssociateRq) -> list[Effect]:
        self._request = request
        return self._step(Event.ASSOCIATE_REQUEST)

    def accept(self, answer: AssociateAc) -> list[Effect]:
        return self._step(Event.ASSOCIATE_ACCEPT, answer)

    def reject(self, answer: AssociateRj) -> list[Effect]:
        return self._step(Event.ASSOCIATE_REJECT, answer)

    def send(self, data: bytes) -> list[Effect]:
        """P-DATA-TF PDUs, already encoded."""
        return self._step(Event.DATA_REQUEST, Send(data))

    def release(self) -> list[Effect]:
        return self._step(Event.RELEASE_REQUEST)

    def answer_release(self) -> list[Effect]:
        """Agree to a release; in a collision the acceptor's answer goes out when it may (Sta10 -> Sta12)."""
        if self.state is State.STA10:
            self._answer_owed = True
            return []
        return self._step(Event.RELEASE_ANSWER)

    def abort(self, source: AbortSource = AbortSource.USER, reason: int = AbortReason.NOT_SPECIFIED) -> list[Effect]:
        return self._step(Event.ABORT_REQUEST, Abort(source, reason))

    # The machine

    def _step(self, event: Event, value: object = None) -> list[Effect]:
        self._advance(event, value)
        return self._flush()

    def _advance(self, event: Event, value: object = None) -> None:
        action = TRANSITIONS.get((event, self.state))
        if action is None:
            raise NotNow(f"{event.name} does not fit the state: {self.state.value}")
        decided = NEXT_STATE[action]
        if decided is not None:
            self.state = decided
        if action is Action.AA8 and event is not Event.INVALID_PDU:
            value = PduFault(f"{event.name} was not expected", AbortReason.UNEXPECTED_PDU)
        _PERFORM[action](self, value)

    def _fragment(self, fragment: Fragment) -> None:
        if self.state is State.STA6:  # DT-2, the path of nearly every byte
            self._out.append(fragment)
        else:
            self._advance(Event.DATA_PDU, fragment)

    def _flush(self) -> list[Effect]:
        out, self._out = self._out, []
        return out

    # Actions, PS3.8 tables 9-6 to 9-9; those that emit fixed effects stand in _PERFORM

    def _ae2(self, _: object) -> None:
        if self._request is None:
            raise NotNow("the transport opened before an association was requested")
        self._out.append(Send(self._request.encode()))

    def _ae6(self, value: object) -> None:
        self.state = State.STA3
        assert isinstance(value, AssociateRq)
        self._out += (Do.STOP_ARTIM, AssociateIndication(value))

    def _confirm(self, value: object) -> None:
        assert isinstance(value, AssociateAc | AssociateRj)
        self._out.append(AssociateConfirmation(value))
        if isinstance(value, AssociateRj):
            self._out.append(Do.CLOSE)

    def _send_pdu(self, value: object) -> None:
        assert isinstance(value, AssociateAc | AssociateRj)
        self._out.append(Send(value.encode()))
        if isinstance(value, AssociateRj):
            self._out.append(Do.START_ARTIM)

    def _pass_on(self, value: object) -> None:
        assert isinstance(value, Fragment | Send)
        self._out.append(value)

    def _ar8(self, _: object) -> None:
        self.state = State.STA9 if self.side is Side.REQUESTOR else State.STA10
        self._out.append(Released.ASKED)

    def _ar10(self, _: object) -> None:
        self._out.append(Released.CONFIRMED)
        if self._answer_owed:
            self._advance(Event.RELEASE_ANSWER)

    def _aa1(self, value: object) -> None:
        """In Sta2 the standard leaves the choice: a PDU that cannot come first is the provider's abort."""
        if isinstance(value, Abort):
            self._out += (Send(value.encode()), Do.START_ARTIM)
            return
        fault = value if isinstance(value, PduFault) else PduFault("not a request", AbortReason.UNEXPECTED_PDU)
        self._out += (Send(Abort(AbortSource.PROVIDER, fault.reason).encode()), Do.START_ARTIM)

    def _aa3(self, value: object) -> None:
        assert isinstance(value, Abort)
        self._out += (Aborted(value.source, value.reason, by_peer=True), Do.CLOSE)

    def _aa4(self, _: object) -> None:
        comment = "the connection was lost"
        self._out.append(Aborted(AbortSource.PROVIDER, AbortReason.NOT_SPECIFIED, by_peer=False, comment=comment))

    def _aa7(self, value: object) -> None:
        reason = value.reason if isinstance(value, PduFault) else AbortReason.UNEXPECTED_PDU
        self._out.append(Send(Abort(AbortSource.PROVIDER, reason).encode()))

    def _aa8(self, value: object) -> None:
        assert isinstance(value, PduFault)
        self._out += (
            Send(Abort(AbortSource.PROVIDER, value.reason).encode()),
            Aborted(AbortSource.PROVIDER, value.reason, by_peer=False, comment=str(value)),
            Do.START_ARTIM,
        )


def _emit(*effects: Effect) -> Callable[[UpperLayer, object], None]:
    def perform(layer: UpperLayer, _: object) -> None:
        layer._out.extend(effects)

    return perform


_EVENT_OF: dict[type[Pdu], Event] = {
    AssociateRq: Event.ASSOCIATE_RQ_PDU,
    AssociateAc: Event.ASSOCIATE_AC_PDU,
    AssociateRj: Event.ASSOCIATE_RJ_PDU,
    ReleaseRq: Event.RELEASE_RQ_PDU,
    ReleaseRp: Event.RELEASE_RP_PDU,
    Abort: Event.ABORT_PDU,
}

_PERFORM: dict[Action, Callable[[UpperLayer, object], None]] = {
    Action.AE1: _emit(Do.CONNECT),
    Action.AE2: UpperLayer._ae2,
    Action.AE3: UpperLayer._confirm,
    Action.AE4: UpperLayer._confirm,
    Action.AE5: _emit(Do.START_ARTIM),
    Action.AE6: UpperLayer._ae6,
    Action.AE7: UpperLayer._send_pdu,
    Action.AE8: UpperLayer._send_pdu,
    Action.DT1: UpperLayer._pass_on,
    Action.DT2: UpperLayer._pass_on,
    Action.AR1: _emit(Send(ReleaseRq().encode())),
    Action.AR2: _emit(Released.ASKED),
    Action.AR3: _emit(Released.CONFIRMED, Do.CLOSE),
    Action.AR4: _emit(Send(ReleaseRp().encode()), Do.START_ARTIM),
    Action.AR5: _emit(Do.STOP_ARTIM),
    Action.AR6: UpperLayer._pass_on,
    Action.AR7: UpperLayer._pass_on,
    Action.AR8: UpperLayer._ar8,
    Action.AR9: _emit(Send(ReleaseRp().encode())),
    Action.AR10: UpperLayer._ar10,
    Action.AA1: UpperLayer._aa1,
    Action.AA2: _emit(Do.STOP_ARTIM, Do.CLOSE),
    Action.AA3: UpperLayer._aa3,
    Action.AA4: UpperLayer._aa4,
    Action.AA5: _emit(Do.STOP_ARTIM),
    Action.AA6: _emit(),
    Action.AA7: UpperLayer._aa7,
    Action.AA8: UpperLayer._aa8,
}
