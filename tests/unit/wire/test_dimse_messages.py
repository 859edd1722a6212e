"""Command sets and messages (PS3.7 sections 6.3, 9.3 and 10.3, annex E)."""

import dataclasses
import io
import struct

import pynetdicom.dimse_messages
import pytest
from pynetdicom.dsutils import decode as oracle_decode

from filmroom.wire.dimse import commandset, messages
from filmroom.wire.dimse.commandset import CommandFault
from filmroom.wire.dimse.messages import (
    MESSAGES,
    RESPONSES,
    CCancelRq,
    CEchoRq,
    CEchoRsp,
    CFindRsp,
    CGetRsp,
    CMoveRq,
    CMoveRsp,
    CStoreRq,
    CStoreRsp,
    Message,
    NActionRq,
    NCreateRq,
    NEventReportRq,
    NGetRq,
    NSetRsp,
    decode,
    refusal,
)

SAMPLES: list[Message] = [
    CEchoRq(message_id=7, sop_class="1.2.840.10008.1.1"),
    CEchoRsp(responding_to=7, status=0, sop_class="1.2.840.10008.1.1"),
    CStoreRq(
        message_id=65535, sop_class="1.2", sop_uid="1.2.3", has_data=True, move_originator_ae="A", move_originator_id=1
    ),
    CStoreRsp(
        responding_to=1, status=0xA700, sop_class="1.2", sop_uid="1.2.3", comment="full", offending=(0x00100010,)
    ),
    CFindRsp(responding_to=1, status=0xFF00, has_data=True),
    CGetRsp(responding_to=1, status=0xB000, completed=1, failed=2, warning=0, has_data=True),
    CMoveRq(message_id=1, sop_class="1.2", destination="WORKSTATION", priority=1, has_data=True),
    CMoveRsp(responding_to=1, status=0xFF00, remaining=0, completed=1, failed=0, warning=0),
    CCancelRq(responding_to=9),
    NEventReportRq(message_id=1, sop_class="1.2", sop_uid="1.3", event_type=2, has_data=True),
    NGetRq(message_id=1, sop_class="1.2", sop_uid="1.3", attributes=(0x00100010, 0x7FE00010)),
    NSetRsp(responding_to=1, status=0x0110, sop_uid="1.3", error_id=5),
    NActionRq(message_id=1, sop_class="1.2", sop_uid="1.3", action_type=1, has_data=True),
    NCreateRq(message_id=1, sop_class="1.2", has_data=True),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)
def test_a_message_comes_back_as_it_was_written(message: Message) -> None:
    assert decode(message.encode()) == message


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)
def test_pydicom_reads_the_same(message: Message) -> None:
    raw = message.encode()
    dataset = oracle_decode(io.BytesIO(raw), True, True)
    assert dataset.CommandGroupLength == len(raw) - 12
    assert dataset.CommandField == message.COMMAND
    assert (dataset.CommandDataSetType != 0x0101) == message.has_data
    assert [e.tag for e in dataset] == sorted(e.tag for e in dataset)


def test_there_is_a_message_for_every_command_field_of_the_standard() -> None:
    theirs = {field: name for field, (name, _) in pynetdicom.dimse_messages._MESSAGE_TYPES.items()}
    ours = {field: kind.__name__.lower() for field, kind in MESSAGES.items()}
    assert ours == {field: name.lower().replace("-", "").replace("_", "") for field, name in theirs.items()}


def test_every_request_has_its_response() -> None:
    assert {rq.COMMAND | 0x8000 for rq in RESPONSES} == {rsp.COMMAND for rsp in RESPONSES.values()}
    assert len(RESPONSES) == 11


def test_uids_are_padded_with_nul_and_text_with_space() -> None:
    raw = CMoveRq(message_id=1, sop_class="1.2", destination="ABC").encode()
    assert b"1.2\0" in raw
    assert b"ABC " in raw


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


ECHO = element(0x0002, b"1.2\0") + element(0x0100, b"\x30\0") + element(0x0110, b"\x01\0") + element(0x0800, b"\1\1")


def test_the_group_length_is_not_believed() -> None:
    wrong = element(0, struct.pack("<I", 0xFFFFFFFF)) + ECHO
    assert decode(wrong) == CEchoRq(message_id=1, sop_class="1.2")


def test_retired_and_unknown_elements_are_skipped() -> None:
    assert decode(ECHO + element(0x5010, b"x ")) == CEchoRq(message_id=1, sop_class="1.2")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        ECHO[:-1],
        ECHO + b"\0\0",
        element(0x0100, b"\x30\0"),
        ECHO + element(0x0100, b"\x99\x99"),
        element(0x0100, b"\x30\0\0") + element(0x0110, b"\x01\0"),
        ECHO[:24] + element(0x0800, b"\1\1"),
        element(0x0010, b"\0\0", group=8) + ECHO,
        struct.pack("<HHI", 0, 0x0902, 0xFFFFFFFF) + ECHO,
    ],
)
@pytest.mark.capability("1.0.11")
def test_what_is_no_command_set_is_a_fault(raw: bytes) -> None:
    with pytest.raises(CommandFault):
        decode(raw)


def test_bytes_that_are_no_ascii_do_not_hurt() -> None:
    found = commandset.decode(element(0x0902, "忙".encode()) + element(0x0600, b"\xff\xfe"))
    assert found[0x0600] == "\xff\xfe"


def test_a_refusal_repeats_what_the_request_was_about() -> None:
    request = CStoreRq(message_id=5, sop_class="1.2", sop_uid="1.3", has_data=True)
    expected = CStoreRsp(responding_to=5, status=0x0124, sop_class="1.2", sop_uid="1.3", comment="no")
    assert refusal(request, 0x0124, "no") == expected


def test_messages_are_values() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SAMPLES[0].has_data = True  # type: ignore[misc]
    assert messages.PRIORITY_MEDIUM == 0
