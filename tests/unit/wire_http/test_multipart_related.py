"""multipart/related: whole, byte by byte, and with more following."""

import pytest

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.wire.http.mediatypes import parse
from filmroom.wire.http.multipart import (
    MAX_BOUNDARY,
    MAX_PART_HEADER,
    Event,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    close,
    content_type,
    open_part,
    reader,
)

Part = tuple[dict[str, str], bytes]


def parts_of(pieces: list[bytes], boundary: str = "b") -> list[Part]:
    """The parts that a reader sees in ``pieces``; every part must have ended."""
    talk = MultipartReader(boundary)
    found: list[Part] = []
    body: list[bytes] = []
    headers: dict[str, str] = {}
    for piece in pieces:
        for event in talk.receive(piece):
            match event:
                case PartBegin():
                    headers, body = dict(event.headers), []
                case PartData():
                    body.append(bytes(event.data))
                case PartEnd():
                    found.append((headers, b"".join(body)))
    talk.finish()
    return found


def three_ways(wire: bytes, expected: list[Part]) -> None:
    assert parts_of([wire]) == expected
    assert parts_of([wire[i : i + 1] for i in range(len(wire))]) == expected
    assert parts_of([wire + b"more that follows\r\n--b--\r\n"]) == expected
    for cut in range(1, len(wire)):
        assert parts_of([wire[:cut], wire[cut:]]) == expected


def written(*bodies: bytes) -> bytes:
    pieces = []
    for index, body in enumerate(bodies):
        pieces += [open_part("b", {"Content-Type": "application/dicom"}, first=index == 0), body]
    return b"".join(pieces) + close("b", empty=not bodies)


@pytest.mark.capability("6.2.4")
def test_what_the_writer_writes_the_reader_reads():
    bodies = [b"one", b"", b"\r\n--", b"\r\n--bb\r\n", b"\r\n-", b"--b\r\n", bytes(range(256))]
    three_ways(written(*bodies), [({"content-type": "application/dicom"}, body) for body in bodies])


def test_a_preamble_padding_folded_and_missing_headers_are_read():
    wire = b"This is MIME\r\n--b \t\r\nContent-Type: a/b;\r\n x=y\r\nX: 1\r\n\r\nA\r\n--b\r\n\r\nB\r\n--b--"
    three_ways(wire, [({"content-type": "a/b; x=y", "x": "1"}, b"A"), ({}, b"B")])


def test_the_writer_is_exact():
    assert content_type("application/dicom", "x1") == 'multipart/related; type="application/dicom"; boundary=x1'
    assert open_part("x", {"Content-Type": "a/b"}, first=True) == b"--x\r\nContent-Type: a/b\r\n\r\n"
    assert open_part("x", {}, first=False) == b"\r\n--x\r\n\r\n"
    assert close("x") == b"\r\n--x--\r\n"


def test_no_part_at_all_is_a_complete_body():
    three_ways(b"--b--\r\n", [])


@pytest.mark.parametrize("wire", [b"", b"--b\r\n\r\nunended", b"--b\r\n\r\nA\r\n--b", b"--b\r\nContent-"])
def test_a_body_that_ends_early_is_not_readable(wire: bytes):
    with pytest.raises(NotReadable):
        parts_of([wire])


def test_limits_have_an_outcome():
    with pytest.raises(LimitReached):
        parts_of([b"--b\r\n" + b"x" * (MAX_PART_HEADER + 10)])
    with pytest.raises(NotReadable):
        parts_of([b"no boundary here " * 10_000])
    with pytest.raises(NotReadable):
        reader(parse("multipart/related"))
    with pytest.raises(NotReadable):
        MultipartReader("b" * (MAX_BOUNDARY + 1))


def test_data_is_passed_on_without_being_held():
    talk = MultipartReader("b")
    talk.receive(b"--b\r\n\r\n")
    events: list[Event] = talk.receive(b"x" * 1_000_000)
    assert sum(len(each.data) for each in events if isinstance(each, PartData)) > 999_900
