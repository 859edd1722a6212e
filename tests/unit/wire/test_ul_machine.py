"""Conversations with the upper layer (PS3.8 9.2), each test one of them."""

import struct
from typing import Any

import pytest

from filmroom.wire.ul.items import AbortReason, AnsweredContext, ProposedContext, UserInformation
from filmroom.wire.ul.machine import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    Do,
    NotNow,
    Released,
    Send,
    Side,
    UpperLayer,
)
from filmroom.wire.ul.pdu import (
    REJECTED_CALLED_AE,
    Abort,
    AbortSource,
    AssociateAc,
    AssociateRq,
    ReleaseRp,
    ReleaseRq,
)
from filmroom.wire.ul.reader import Fragment
from filmroom.wire.ul.states import State

RQ = AssociateRq(
    called_ae="A", calling_ae="B", contexts=(ProposedContext(1, "1.2", ("1.3",)),), user=UserInformation(max_length=0)
)
AC = AssociateAc(
    called_ae="A", calling_ae="B", contexts=(AnsweredContext(1, 0, "1.3"),), user=UserInformation(max_length=0)
)
DATA = struct.pack(">BxIIBB", 4, 10, 6, 1, 2) + b"abcd"
UNKNOWN = struct.pack(">BxI", 99, 4) + bytes(4)
PROVIDER, USER = AbortSource.PROVIDER, AbortSource.USER


def plain(effects: list[Any]) -> list[Any]:
    """Effects with fragments as bytes."""
    return [bytes(e.data) if isinstance(e, Fragment) else e for e in effects]


def acceptor(state: State = State.STA6) -> UpperLayer:
    layer = UpperLayer(Side.ACCEPTOR, 1000)
    layer.connected()
    if state is not State.STA2:
        layer.receive(RQ.encode())
        if state is not State.STA3:
            layer.accept(AC)
    return layer


def requestor(state: State = State.STA6) -> UpperLayer:
    layer = UpperLayer(Side.REQUESTOR, 1000)
    layer.request(RQ)
    if state is not State.STA4:
        layer.connected()
        if state is not State.STA5:
            layer.receive(AC.encode())
    return layer


def test_an_association_from_the_requestor() -> None:
    layer = UpperLayer(Side.REQUESTOR, 1000)
    assert layer.request(RQ) == [Do.CONNECT]
    assert layer.state is State.STA4
    assert layer.connected() == [Send(RQ.encode())]
    assert layer.state is State.STA5
    assert layer.receive(AC.encode()) == [AssociateConfirmation(AC)]
    assert layer.state is State.STA6
    assert layer.send(DATA) == [Send(DATA)]
    assert plain(layer.receive(DATA)) == [b"abcd"]
    assert layer.release() == [Send(ReleaseRq().encode())]
    assert layer.state is State.STA7
    assert plain(layer.receive(DATA)) == [b"abcd"]  # AR-6: what was on its way still counts
    assert layer.receive(ReleaseRp().encode()) == [Released.CONFIRMED, Do.CLOSE]
    assert layer.state is State.STA1


def test_an_association_from_the_acceptor() -> None:
    layer = UpperLayer(Side.ACCEPTOR, 1000)
    assert layer.connected() == [Do.START_ARTIM]
    assert layer.state is State.STA2
    assert layer.receive(RQ.encode()) == [Do.STOP_ARTIM, AssociateIndication(RQ)]
    assert layer.state is State.STA3
    assert layer.accept(AC) == [Send(AC.encode())]
    assert plain(layer.receive(DATA)) == [b"abcd"]
    assert layer.receive(ReleaseRq().encode()) == [Released.ASKED]
    assert layer.state is State.STA8
    assert layer.send(DATA) == [Send(DATA)]  # AR-7
    assert layer.answer_release() == [Send(ReleaseRp().encode()), Do.START_ARTIM]
    assert layer.state is State.STA13
    assert layer.closed() == [Do.STOP_ARTIM]
    assert layer.state is State.STA1


def test_the_acceptor_rejects() -> None:
    layer = acceptor(State.STA3)
    assert layer.reject(REJECTED_CALLED_AE) == [Send(REJECTED_CALLED_AE.encode()), Do.START_ARTIM]
    assert layer.state is State.STA13


def test_the_requestor_is_rejected() -> None:
    layer = requestor(State.STA5)
    effects = layer.receive(REJECTED_CALLED_AE.encode())
    assert effects == [AssociateConfirmation(REJECTED_CALLED_AE), Do.CLOSE]
    assert layer.state is State.STA1


def test_release_collision_requestor() -> None:  # PS3.8 9.2.3: Sta7 -> Sta9 -> Sta11 -> Sta1
    layer = requestor()
    layer.release()
    assert layer.receive(ReleaseRq().encode()) == [Released.ASKED]
    assert layer.state is State.STA9
    assert layer.answer_release() == [Send(ReleaseRp().encode())]
    assert layer.state is State.STA11
    assert layer.receive(ReleaseRp().encode()) == [Released.CONFIRMED, Do.CLOSE]
    assert layer.state is State.STA1


def test_release_collision_acceptor() -> None:  # Sta7 -> Sta10 -> Sta12 -> Sta13
    layer = acceptor()
    layer.release()
    assert layer.receive(ReleaseRq().encode()) == [Released.ASKED]
    assert layer.state is State.STA10
    assert layer.receive(ReleaseRp().encode()) == [Released.CONFIRMED]
    assert layer.state is State.STA12
    assert layer.answer_release() == [Send(ReleaseRp().encode()), Do.START_ARTIM]
    assert layer.state is State.STA13


def test_release_collision_acceptor_answers_early() -> None:  # the answer waits for the requestor's
    layer = acceptor()
    layer.release()
    layer.receive(ReleaseRq().encode())
    assert layer.answer_release() == []
    assert layer.state is State.STA10
    expected = [Released.CONFIRMED, Send(ReleaseRp().encode()), Do.START_ARTIM]
    assert layer.receive(ReleaseRp().encode()) == expected
    assert layer.state is State.STA13


def test_both_sides_of_a_collision_end_in_order() -> None:
    ours, theirs = requestor(), acceptor()
    to_theirs, to_ours = ours.release(), theirs.release()
    for _ in range(3):
        moving, to_theirs = to_theirs, []
        for effect in moving:
            if isinstance(effect, Send):
                back = theirs.receive(effect.data)
                to_ours += back
                to_ours += theirs.answer_release() if Released.ASKED in back else []
        moving, to_ours = to_ours, []
        for effect in moving:
            if isinstance(effect, Send):
                back = ours.receive(effect.data)
                to_theirs += back
                to_theirs += ours.answer_release() if Released.ASKED in back else []
    assert ours.state is State.STA1
    assert theirs.state is State.STA13


def test_the_peer_aborts() -> None:
    layer = acceptor()
    assert layer.receive(Abort(USER, 0).encode()) == [Aborted(USER, 0, by_peer=True), Do.CLOSE]
    assert layer.state is State.STA1


def test_what_follows_an_abort_is_not_read() -> None:
    layer = acceptor()
    layer.receive(Abort(USER, 0).encode() + DATA + ReleaseRq().encode())
    assert layer.state is State.STA1
    assert layer.receive(DATA) == []
    assert layer.closed() == []


def test_we_abort() -> None:
    layer = requestor()
    assert layer.abort() == [Send(Abort(USER, 0).encode()), Do.START_ARTIM]
    assert layer.state is State.STA13
    assert layer.receive(DATA) == []  # AA-6
    assert layer.artim_expired() == [Do.STOP_ARTIM, Do.CLOSE]
    assert layer.state is State.STA1


def test_aborting_before_the_connection_stands_closes_it() -> None:
    assert requestor(State.STA4).abort() == [Do.STOP_ARTIM, Do.CLOSE]


def test_the_connection_is_lost() -> None:
    layer = requestor()
    (effect,) = layer.closed()
    assert effect == Aborted(PROVIDER, AbortReason.NOT_SPECIFIED, by_peer=False, comment="the connection was lost")
    assert layer.state is State.STA1


@pytest.mark.capability("1.0.8")
def test_artim_ends_a_silent_connection() -> None:
    layer = acceptor(State.STA2)
    assert layer.artim_expired() == [Do.STOP_ARTIM, Do.CLOSE]
    assert layer.state is State.STA1


@pytest.mark.parametrize("wire", [DATA, ReleaseRq().encode(), AC.encode(), REJECTED_CALLED_AE.encode()])
def test_nothing_may_come_before_the_request(wire: bytes) -> None:  # AA-1
    layer = acceptor(State.STA2)
    assert layer.receive(wire) == [Send(Abort(PROVIDER, AbortReason.UNEXPECTED_PDU).encode()), Do.START_ARTIM]
    assert layer.state is State.STA13


def test_an_abort_before_the_request_closes() -> None:
    assert acceptor(State.STA2).receive(Abort(USER, 0).encode()) == [Do.STOP_ARTIM, Do.CLOSE]


def test_data_before_our_answer_aborts() -> None:
    layer = acceptor(State.STA3)
    send, aborted, artim = layer.receive(DATA)
    assert send == Send(Abort(PROVIDER, AbortReason.UNEXPECTED_PDU).encode())
    assert isinstance(aborted, Aborted)
    assert artim is Do.START_ARTIM


def test_bytes_without_meaning_abort_and_are_not_read_on() -> None:
    layer = acceptor()
    send, aborted, artim = layer.receive(UNKNOWN + DATA)
    assert send == Send(Abort(PROVIDER, AbortReason.UNRECOGNIZED_PDU).encode())
    assert isinstance(aborted, Aborted)
    assert artim is Do.START_ARTIM
    assert layer.receive(RQ.encode()) == []


def test_what_came_before_the_nonsense_counts() -> None:
    assert plain(acceptor().receive(DATA + UNKNOWN))[0] == b"abcd"


def test_a_second_request_aborts() -> None:
    layer = acceptor()
    assert layer.receive(RQ.encode())[0] == Send(Abort(PROVIDER, AbortReason.UNEXPECTED_PDU).encode())


def test_a_request_while_closing_is_aborted_again() -> None:  # AA-7
    layer = acceptor()
    layer.abort()
    assert layer.receive(RQ.encode()) == [Send(Abort(PROVIDER, AbortReason.UNEXPECTED_PDU).encode())]
    assert layer.state is State.STA13


@pytest.mark.parametrize(
    "ask", [lambda a: a.send(DATA), lambda a: a.release(), lambda a: a.answer_release(), lambda a: a.accept(AC)]
)
def test_asking_at_the_wrong_time_is_our_own_fault(ask: Any) -> None:
    with pytest.raises(NotNow):
        ask(acceptor(State.STA2))
