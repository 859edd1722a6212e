"""PDUs and their items, both ways (PS3.8 9.3, PS3.7 annex D.3.3)."""

import dataclasses
import struct

import pytest

from filmroom.wire.ul.items import (
    AbortReason,
    AnsweredContext,
    AsyncWindow,
    CommonExtended,
    Extended,
    PduFault,
    ProposedContext,
    Role,
    UserIdentity,
    UserInformation,
    item,
)
from filmroom.wire.ul.pdu import (
    HEADER,
    Abort,
    AssociateAc,
    AssociateRj,
    AssociateRq,
    Pdu,
    ReleaseRp,
    ReleaseRq,
    decode,
)

EVERYTHING = UserInformation(
    max_length=16_384,
    implementation_class_uid="1.2.3",
    implementation_version="PEER_1",
    async_window=AsyncWindow(5, 0),
    roles=(Role("1.2.840.10008.5.1.4.1.1.2", False, True), Role("1.2.840.10008.5.1.4.1.1.4", True, True)),
    extended=(Extended("1.2.840.10008.5.1.4.1.2.2.1", b"\x01\x00\x01"),),
    common_extended=(CommonExtended("1.2.9", "1.2.840.10008.4.2", ("1.2.8", "1.2.7")),),
    user_identity=UserIdentity(2, True, b"anna", b"secret"),
)
REQUEST = AssociateRq(
    called_ae="FILMROOM",
    calling_ae="CT1",
    contexts=(
        ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),
        ProposedContext(255, "1.2.840.10008.5.1.4.1.1.2", ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")),
    ),
    user=EVERYTHING,
)
ACCEPTANCE = AssociateAc(
    called_ae="FILMROOM",
    calling_ae="CT1",
    contexts=(AnsweredContext(1, 0, "1.2.840.10008.1.2"), AnsweredContext(255, 4, "1.2.840.10008.1.2.1")),
    user=dataclasses.replace(EVERYTHING, user_identity=None, common_extended=(), user_identity_answer=b"ok"),
)


def body_of(pdu: Pdu) -> tuple[int, bytes]:
    raw = pdu.encode()
    kind, length = HEADER.unpack_from(raw)
    assert length == len(raw) - 6
    return kind, raw[6:]


@pytest.mark.parametrize(
    "pdu",
    [REQUEST, ACCEPTANCE, AssociateRj(2, 3, 2), ReleaseRq(), ReleaseRp(), Abort(2, 6)],
    ids=lambda p: type(p).__name__,
)
@pytest.mark.capability("1.0.5")
def test_a_pdu_comes_back_as_it_was_written(pdu: Pdu) -> None:
    assert decode(*body_of(pdu)) == pdu


def test_the_bytes_of_a_request_are_those_of_the_standard() -> None:  # PS3.8 table 9-11
    raw = REQUEST.encode()
    assert raw[:2] == b"\x01\x00"
    assert raw[6:8] == b"\x00\x01"
    assert raw[10:26] == b"FILMROOM        "
    assert raw[26:42] == b"CT1             "
    assert raw[42:74] == bytes(32)
    assert raw[74:99] == b"\x10\x00\x00\x151.2.840.10008.3.1.1.1"


def test_unknown_items_are_skipped() -> None:  # PS3.8 9.3.1
    kind, body = body_of(REQUEST)
    assert decode(kind, body + item(0x77, b"new in 2040")) == REQUEST


def test_unknown_user_items_are_skipped() -> None:
    plain = dataclasses.replace(REQUEST, user=UserInformation(max_length=1000))
    kind, body = body_of(plain)
    assert body.endswith(item(0x50, item(0x51, struct.pack(">I", 1000))))
    longer = body[: -len(item(0x50, item(0x51, bytes(4))))] + item(0x50, item(0x7F, b"x") + item(0x51, b"\0\0\x03\xe8"))
    assert decode(kind, longer) == plain


def test_a_missing_user_item_means_no_limit() -> None:
    kind, body = body_of(dataclasses.replace(REQUEST, user=UserInformation()))
    without = body[: -len(item(0x50, item(0x51, bytes(4))))]
    decoded = decode(kind, without)
    assert isinstance(decoded, AssociateRq)
    assert decoded.user.max_length == 0


@pytest.mark.parametrize("padding", [b" ", b"\0"])
@pytest.mark.capability("1.0.3")
def test_padding_of_ae_titles_is_dropped(padding: bytes) -> None:
    kind, body = body_of(REQUEST)
    padded = body[:4] + b"FILMROOM" + padding * 8 + b" CT1".ljust(16, padding) + body[36:]
    decoded = decode(kind, padded)
    assert isinstance(decoded, AssociateRq)
    assert (decoded.called_ae, decoded.calling_ae) == ("FILMROOM", "CT1")


def test_control_characters_in_ae_titles_are_kept_to_be_judged() -> None:
    kind, body = body_of(REQUEST)
    decoded = decode(kind, body[:4] + b"FILM\nROOM       " + body[20:])
    assert isinstance(decoded, AssociateRq)
    assert decoded.called_ae == "FILM\nROOM"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        body_of(REQUEST)[1][:60],
        body_of(REQUEST)[1][:-1],
        body_of(REQUEST)[1] + b"\x50",
        body_of(REQUEST)[1] + b"\x20\x00\x00\x02\x01\x00",
    ],
    ids=["empty", "cut in the fixed part", "cut in an item", "half a header", "short context"],
)
@pytest.mark.capability("1.0.11")
def test_lengths_that_do_not_fit_are_a_fault(body: bytes) -> None:
    with pytest.raises(PduFault):
        decode(1, body)


@pytest.mark.parametrize("ids", [(2,), (0,), (1, 1)])
def test_context_ids_are_odd_and_unique(ids: tuple[int, ...]) -> None:  # PS3.8 9.3.2.2
    contexts = tuple(ProposedContext(id, "1.2", ("1.3",)) for id in ids)
    with pytest.raises(PduFault):
        decode(*body_of(dataclasses.replace(REQUEST, contexts=contexts)))


@pytest.mark.parametrize("kind", [3, 5, 6, 7])
@pytest.mark.parametrize("size", [0, 3, 5])
def test_short_pdus_have_four_bytes(kind: int, size: int) -> None:
    with pytest.raises(PduFault):
        decode(kind, bytes(size))


def test_an_unknown_pdu_type_has_its_own_reason() -> None:
    with pytest.raises(PduFault) as fault:
        decode(8, b"")
    assert fault.value.reason is AbortReason.UNRECOGNIZED_PDU


def test_a_passcode_does_not_show_in_logs() -> None:
    assert "secret" not in repr(EVERYTHING)
    assert "anna" not in repr(EVERYTHING)
