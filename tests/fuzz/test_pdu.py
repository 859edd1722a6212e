"""Whatever bytes come in: PDUs, negotiation, command sets and fragments raise nothing but RemoteFault."""

import contextlib
import itertools
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filmroom.base.errors import RemoteFault
from filmroom.wire.dimse.assembler import Assembler
from filmroom.wire.dimse.fragments import command_parts, data_parts
from filmroom.wire.dimse.messages import CFindRq, CStoreRq, NGetRq, decode
from filmroom.wire.ul.items import (
    AnsweredContext,
    AsyncWindow,
    CommonExtended,
    Extended,
    ProposedContext,
    Role,
    UserIdentity,
    UserInformation,
)
from filmroom.wire.ul.machine import Aborted, AssociateIndication, Side, UpperLayer
from filmroom.wire.ul.negotiation import Offer, Terms, agreement, answer
from filmroom.wire.ul.pdu import Abort, AssociateAc, AssociateRq, ReleaseRp, ReleaseRq
from filmroom.wire.ul.pdu import decode as decode_pdu
from filmroom.wire.ul.reader import Fragment, PduReader
from filmroom.wire.ul.states import State

# Many more by night: FILMROOM_FUZZ=100000.
EXAMPLES = int(os.environ.get("FILMROOM_FUZZ", "300"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

USER = UserInformation(
    max_length=16_384,
    implementation_class_uid="1.2.3",
    implementation_version="FUZZ",
    async_window=AsyncWindow(0, 3),
    roles=(Role("1.2.1", True, True),),
    extended=(Extended("1.2.1", b"\x01"),),
    common_extended=(CommonExtended("1.2.1", "1.2.2", ("1.2.3",)),),
    user_identity=UserIdentity(2, True, b"name", b"word"),
)
RQ = AssociateRq(
    called_ae="FILMROOM",
    calling_ae="FUZZ",
    contexts=tuple(ProposedContext(n, "1.2.1", ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")) for n in (1, 3, 5)),
    user=USER,
)
AC = AssociateAc(
    called_ae="FILMROOM", calling_ae="FUZZ", contexts=(AnsweredContext(1, 0, "1.2.840.10008.1.2"),), user=USER
)
STORE = CStoreRq(message_id=1, sop_class="1.2.1", sop_uid="1.2.3", has_data=True)
FIND = CFindRq(message_id=2, sop_class="1.2.1", has_data=True)
GET = NGetRq(message_id=3, sop_class="1.2.1", sop_uid="1.2", attributes=(0x00100010, 0x00100020))
MESSAGES = b"".join(
    [
        *command_parts(1, STORE.encode(), 64),
        *data_parts(1, bytes(range(200)), 64, last=True),
        *command_parts(3, FIND.encode(), 1000),
        *data_parts(3, b"identifier", 1000, last=True),
        *command_parts(5, GET.encode(), 30),
    ]
)
CONVERSATIONS = [
    RQ.encode() + MESSAGES + ReleaseRq().encode(),
    RQ.encode() + MESSAGES + Abort(0, 0).encode(),
    AC.encode() + MESSAGES + ReleaseRp().encode(),
]
TERMS = Terms(
    offer=lambda uid: Offer(transfer_syntaxes=("1.2.840.10008.1.2",), requestor_scp=True, extended=lambda info: info),
    max_length=16_384,
    implementation_class_uid="1.2.3",
    implementation_version="US",
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real conversation with bytes changed, cut, doubled or put in."""
    wire = bytearray(draw(st.sampled_from(CONVERSATIONS)))
    for _ in range(draw(st.integers(1, 6))):
        if not wire:
            break
        at = draw(st.integers(0, len(wire) - 1))
        size = draw(st.integers(1, 8))
        match draw(st.integers(0, 4)):
            case 0:
                wire[at] = draw(st.integers(0, 255))
            case 1:
                wire[at : at + size] = draw(st.sampled_from([b"\0", b"\xff"])) * size
            case 2:
                del wire[at : at + size]
            case 3:
                wire[at:at] = draw(st.binary(max_size=8))
            case _:
                wire[at:at] = wire[at : at + size]
    return bytes(wire)


def in_pieces(wire: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[a:b] for a, b in itertools.pairwise(edges)]


def converse(layer: UpperLayer, pieces: list[bytes]) -> None:
    """Do with one side what the shell does, as far as no socket is needed."""
    assembler = Assembler({1, 3, 5})
    for piece in pieces:
        for effect in layer.receive(piece):
            if isinstance(effect, AssociateIndication):
                answered = answer(effect.request, TERMS)
                if isinstance(answered, AssociateAc):
                    agreement(effect.request, answered, Side.ACCEPTOR)
                    answered.encode()
                    if layer.state is State.STA3:
                        layer.accept(answered)
            elif isinstance(effect, Fragment):
                with contextlib.suppress(RemoteFault):
                    assembler.receive(effect)
            elif isinstance(effect, Aborted):
                assert effect.source in range(256)
    layer.closed()
    assert layer.state is State.STA1


@many
@given(wire=damaged(), cuts=st.lists(st.integers(0, 2000), max_size=6))
@pytest.mark.capability("1.0.11")
def test_an_acceptor_survives_damaged_conversations(wire: bytes, cuts: list[int]) -> None:
    layer = UpperLayer(Side.ACCEPTOR, 16_384)
    layer.connected()
    converse(layer, in_pieces(wire, cuts))


@many
@given(wire=damaged(), cuts=st.lists(st.integers(0, 2000), max_size=6))
@pytest.mark.capability("1.0.11")
def test_a_requestor_survives_damaged_conversations(wire: bytes, cuts: list[int]) -> None:
    layer = UpperLayer(Side.REQUESTOR, 16_384)
    layer.request(RQ)
    layer.connected()
    converse(layer, in_pieces(wire, cuts))


@many
@given(wire=st.one_of(damaged(), st.binary(max_size=200)), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_cutting_the_stream_elsewhere_reads_the_same(wire: bytes, cuts: list[int]) -> None:
    def read(pieces: list[bytes]) -> tuple[list[Any], bool]:
        reader = PduReader(16_384)
        seen: list[Any] = []
        try:
            for piece in pieces:
                out: list[Any] = []
                try:
                    reader.receive_into(out, piece)
                finally:
                    seen += [(e.context_id, e.is_command, b, e.last) if isinstance(e, Fragment) else e
                             for e in out for b in ([bytes(e.data)] if isinstance(e, Fragment) else [b""])]  # fmt: skip
        except RemoteFault:
            return seen, True
        return seen, False

    def joined(events: list[Any]) -> list[Any]:
        out: list[Any] = []
        for event in events:
            if (
                out
                and isinstance(event, tuple)
                and isinstance(out[-1], tuple)
                and out[-1][:2] == event[:2]
                and not out[-1][3]
            ):
                out[-1] = (*event[:2], out[-1][2] + event[2], event[3])
            else:
                out.append(event)
        return out

    whole, faulty = read([wire])
    cut, cut_faulty = read(in_pieces(wire, cuts))
    assert (joined(whole), faulty) == (joined(cut), cut_faulty)


@many
@given(kind=st.integers(0, 255), body=st.binary(max_size=400))
def test_any_pdu_body(kind: int, body: bytes) -> None:
    with contextlib.suppress(RemoteFault):
        decode_pdu(kind, body)


@many
@given(raw=st.one_of(st.binary(max_size=200), st.builds(lambda at, b: STORE.encode()[:at] + b + STORE.encode()[at:],
                                                        st.integers(0, 100), st.binary(max_size=20))))  # fmt: skip
@pytest.mark.capability("1.0.11")
def test_any_command_set(raw: bytes) -> None:
    try:
        message = decode(raw)
    except RemoteFault:
        return
    assert decode(message.encode()) is not None
