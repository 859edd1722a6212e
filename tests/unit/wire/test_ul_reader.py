"""Cutting a byte stream into PDUs (PS3.8 9.3.1)."""

import struct
import tracemalloc
from typing import Any

import pytest
from tests.fixtures.three_ways import feed_three_ways

from filmroom.wire.ul.items import AbortReason, PduFault, ProposedContext, UserInformation
from filmroom.wire.ul.pdu import Abort, AssociateRq, ReleaseRq
from filmroom.wire.ul.reader import MAX_ASSOCIATE_BYTES, Fragment, PduReader


def pdv(context_id: int, flags: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, flags) + data


def pdata(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(body)) + body


def joined(events: list[Any]) -> list[Any]:
    """Pieces of one value put together; as (context, is command, bytes) once it is whole."""
    out: list[Any] = []
    gathered = b""
    for event in events:
        if isinstance(event, Fragment):
            gathered += bytes(event.data)
            if event.last:
                out.append((event.context_id, event.is_command, gathered))
                gathered = b""
        else:
            out.append(event)
    return out


RQ = AssociateRq(
    called_ae="A", calling_ae="B", contexts=(ProposedContext(1, "1.2", ("1.3",)),), user=UserInformation(max_length=0)
)


def test_several_pdus_in_any_cut() -> None:
    wire = RQ.encode() + pdata(pdv(1, 3, b"command!")) + pdata(pdv(1, 0, b"da")) + pdata(pdv(1, 2, b"ta"))
    wire += ReleaseRq().encode() + Abort(0, 0).encode()
    expected = [RQ, (1, True, b"command!"), (1, False, b"data"), ReleaseRq(), Abort(0, 0)]
    feed_three_ways(lambda: PduReader(1000), wire, expected, join=joined)


def test_several_values_in_one_pdu() -> None:
    wire = pdata(pdv(1, 3, b"abc"), pdv(1, 0, b"12"), pdv(1, 2, b"345"))
    feed_three_ways(lambda: PduReader(1000), wire, [(1, True, b"abc"), (1, False, b"12345")], join=joined)


def test_an_empty_value_can_be_the_last() -> None:
    wire = pdata(pdv(3, 0, b"12")) + pdata(pdv(3, 2, b""))
    feed_three_ways(lambda: PduReader(1000), wire, [(3, False, b"12")], join=joined)


def test_data_is_not_copied() -> None:
    wire = pdata(pdv(1, 2, bytes(500)))
    (fragment,) = PduReader(1000).receive(wire)
    assert isinstance(fragment, Fragment)
    assert fragment.data.obj is wire


def test_a_slow_pdu_is_told_from_a_stream_of_them() -> None:
    reader = PduReader(1000)
    reader.receive(pdata(pdv(1, 0, b"12"))[:9])
    assert reader.mid_pdu
    assert reader.begun == 1
    reader.receive(pdata(pdv(1, 0, b"12"))[9:] + pdata(pdv(1, 0, b"12"))[:13])
    assert reader.mid_pdu
    assert reader.begun == 2


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (struct.pack(">BxI", 8, 4), AbortReason.UNRECOGNIZED_PDU),
        (struct.pack(">BxI", 0, 4), AbortReason.UNRECOGNIZED_PDU),
        (struct.pack(">BxI", 4, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 4, 5) + bytes(5), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 4, 1001), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 4, 0xFFFFFFFF), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 1, MAX_ASSOCIATE_BYTES + 1), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 1, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 5, 5), AbortReason.INVALID_PARAMETER),
        (pdata(struct.pack(">IBB", 1, 1, 0)), AbortReason.INVALID_PARAMETER),
        (pdata(struct.pack(">IBB", 0, 1, 0)), AbortReason.INVALID_PARAMETER),
        (pdata(struct.pack(">IBB", 3, 1, 0)), AbortReason.INVALID_PARAMETER),
        (pdata(struct.pack(">IBB", 0xFFFFFFFF, 1, 0)), AbortReason.INVALID_PARAMETER),
        (pdata(pdv(1, 0, b"12") + b"\0\0\0"), AbortReason.INVALID_PARAMETER),
    ],
)
@pytest.mark.capability("1.0.11")
def test_what_is_no_pdu_is_a_fault_at_its_header(wire: bytes, reason: AbortReason) -> None:
    with pytest.raises(PduFault) as fault:
        PduReader(1000).receive(wire)
    assert fault.value.reason is reason


@pytest.mark.capability("1.0.11")
def test_a_length_allocates_nothing() -> None:
    reader = PduReader(0xFFFFFFFF)
    tracemalloc.start()
    reader.receive(struct.pack(">BxIIBB", 4, 0xFFFFFFF0, 0xFFFFFFEC, 1, 0))
    reader.receive(bytes(1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000


def test_what_came_before_a_fault_is_kept() -> None:
    out: list[Any] = []
    with pytest.raises(PduFault):
        PduReader(1000).receive_into(out, ReleaseRq().encode() + struct.pack(">BxI", 9, 4))
    assert out == [ReleaseRq()]
