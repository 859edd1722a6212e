"""Messages into fragments and back (PS3.7 annex F, PS3.8 annex E)."""

import struct
from typing import Any

import pytest
from tests.fixtures.three_ways import feed_three_ways

from filmroom.wire.dimse.assembler import MAX_COMMAND_BYTES, Assembler, Command, Data
from filmroom.wire.dimse.commandset import CommandFault
from filmroom.wire.dimse.fragments import MAX_SENT_LENGTH, command_parts, data_parts, piece_size
from filmroom.wire.dimse.messages import CEchoRq, CStoreRq
from filmroom.wire.ul.reader import Fragment, PduReader

STORE = CStoreRq(message_id=1, sop_class="1.2.840.10008.5.1.4.1.1.2", sop_uid="1.2.3", has_data=True)
ECHO = CEchoRq(message_id=2, sop_class="1.2.840.10008.1.1")


class Reading:
    """A reader and an assembler together; pieces of data sets come out joined."""

    def __init__(self, max_length: int = 2**20) -> None:
        self._reader = PduReader(max_length)
        self._assembler = Assembler({1, 3})
        self._data = b""

    def receive(self, wire: bytes) -> list[Any]:
        out: list[Any] = []
        for fragment in self._reader.receive(wire):
            assert isinstance(fragment, Fragment)
            event = self._assembler.receive(fragment)
            if isinstance(event, Command):
                out.append(event)
            elif isinstance(event, Data):
                self._data += bytes(event.data)
                if event.last:
                    out.append(self._data)
                    self._data = b""
        return out


def message(data: bytes, size: int, cut: int = 10**9) -> bytes:
    parts = command_parts(1, STORE.encode(), size)
    chunks = [data[i : i + cut] for i in range(0, len(data), cut)] or [b""]
    for number, chunk in enumerate(chunks, 1):
        parts += data_parts(1, chunk, size, last=number == len(chunks))
    return b"".join(parts)


@pytest.mark.parametrize("size", [2, 50, 120, 10_000])
@pytest.mark.parametrize("data", [b"", b"ab", bytes(range(256)) * 2])
def test_a_message_comes_together_again(size: int, data: bytes) -> None:
    wire = message(data, size) + b"".join(command_parts(3, ECHO.encode(), size))
    feed_three_ways(Reading, wire, [Command(1, STORE), data, Command(3, ECHO)])


def test_chunks_of_any_size_are_one_data_set() -> None:
    data = bytes(range(250)) * 4
    for cut in (2, 98, 100, 102, 500):
        assert Reading().receive(message(data, 100, cut)) == [Command(1, STORE), data]


def pdus(wire: bytes) -> list[int]:
    lengths, position = [], 0
    while position < len(wire):
        (length,) = struct.unpack_from(">2xI", wire, position)
        lengths.append(length)
        position += 6 + length
    return lengths


@pytest.mark.parametrize("peer_max_length", [8, 100, 16_384, 131_072])
def test_no_pdu_is_longer_than_the_peer_takes(peer_max_length: int) -> None:  # the six bytes of PDV header included
    lengths = pdus(message(bytes(300_000), piece_size(peer_max_length)))
    assert max(lengths) == peer_max_length
    assert all(length % 2 == 0 for length in lengths)


def test_no_limit_means_ours() -> None:
    assert piece_size(0) == MAX_SENT_LENGTH - 6
    assert piece_size(0xFFFFFFFF) == MAX_SENT_LENGTH - 6


def test_an_odd_limit_gives_even_fragments() -> None:
    assert piece_size(101) == 94


def test_an_empty_chunk_in_the_middle_makes_no_pdu() -> None:
    assert data_parts(1, b"", 100, last=False) == []


def fragment(context_id: int, is_command: bool, last: bool, data: bytes) -> Fragment:
    return Fragment(context_id, is_command, last, memoryview(data))


@pytest.mark.parametrize(
    "fragments",
    [
        [fragment(1, False, True, b"data")],
        [fragment(5, True, True, ECHO.encode())],
        [fragment(1, True, False, b"12"), fragment(3, True, True, b"34")],
        [fragment(1, True, True, STORE.encode()), fragment(1, True, True, ECHO.encode())],
        [fragment(1, True, True, STORE.encode()), fragment(3, False, True, b"data")],
        [fragment(1, True, True, ECHO.encode()), fragment(1, False, True, b"data")],
        [fragment(1, True, True, b"nonsense")],
        [fragment(1, True, False, bytes(MAX_COMMAND_BYTES)), fragment(1, True, False, b"12")],
    ],
    ids=[
        "data without a command",
        "a context that was not accepted",
        "two messages mixed",
        "a command where data is due",
        "data of another context",
        "data that was not announced",
        "no command set",
        "a command set without end",
    ],
)
@pytest.mark.capability("1.0.11")
def test_fragments_out_of_order_are_a_fault(fragments: list[Fragment]) -> None:
    assembler = Assembler({1, 3})
    for each in fragments[:-1]:
        assembler.receive(each)
    with pytest.raises(CommandFault):
        assembler.receive(fragments[-1])


def test_it_knows_when_a_message_is_in_progress() -> None:
    assembler = Assembler({1})
    assembler.receive(fragment(1, True, True, STORE.encode()))
    assert assembler.mid_message
    assembler.receive(fragment(1, False, True, b""))
    assert not assembler.mid_message
