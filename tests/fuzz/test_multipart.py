"""Whatever arrives, the readers of HTTP bodies and headers raise nothing but RemoteFault, and hold nothing."""

import random

from hypothesis import given
from hypothesis import strategies as st

from filmroom.base.errors import RemoteFault
from filmroom.wire.http.mediatypes import choices, encodings, parse
from filmroom.wire.http.multipart import MultipartReader

FRAGMENT = st.sampled_from(
    [b"\r\n--b", b"--b", b"--", b"\r\n", b"\r", b"-", b"Content-Type: a/b", b":", b" ", b"b", b"\0"]
)
PIECES = st.lists(st.one_of(FRAGMENT, st.binary(max_size=40)), max_size=40)


@given(PIECES)
def test_the_multipart_reader_is_the_same_however_the_bytes_are_cut(pieces: list[bytes]):
    assert _outcome(pieces) == _outcome([b"".join(pieces)])


def _outcome(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    talk = MultipartReader("b")
    seen: list[tuple[str, bytes]] = []
    try:
        for piece in pieces:
            for event in talk.receive(piece):
                name, data = type(event).__name__, bytes(getattr(event, "data", b""))
                if name == "PartData" and seen and seen[-1][0] == name:
                    seen[-1] = (name, seen[-1][1] + data)
                else:
                    seen.append((name, data))
        talk.finish()
    except RemoteFault as fault:
        if talk._at.name != "BODY":
            seen.append((type(fault).__name__, b""))
    # An unended part may stand at another byte, as what could be a delimiter is held back.
    while seen and seen[-1][0] == "PartData":
        seen.pop()
    return seen


@given(st.text(max_size=300))
def test_headers_never_raise_anything_else(text: str):
    choices(text, [text])
    encodings(text)
    try:
        parse(text)
    except RemoteFault:
        return


def test_random_bytes_by_the_thousand():
    dice = random.Random(7)
    for _ in range(2000):
        talk = MultipartReader("b")
        try:
            for _ in range(dice.randrange(6)):
                talk.receive(dice.randbytes(dice.randrange(200)) + b"\r\n--b" * dice.randrange(3))
            talk.finish()
        except RemoteFault:
            continue
