"""The pure parts of the web door."""

from collections.abc import AsyncIterator
from xml.etree import ElementTree

import pytest

from filmroom.net.web.dicomweb.frames import frame_numbers
from filmroom.net.web.dicomweb.parts import Piece, Slice, gathered
from filmroom.net.web.dicomweb.ranges import asked_range
from filmroom.net.web.dicomweb.xml import native_model
from filmroom.net.web.door import safe_next
from filmroom.net.web.errors import Refused
from filmroom.net.web.site import _HASHED
from filmroom.net.web.words import LANGUAGES, WORDS, choose
from filmroom.storage.model import BlobRange


def test_every_language_says_everything():
    assert set(WORDS) == set(LANGUAGES)
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    assert all(text.strip() for words in WORDS.values() for text in words.values())


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        ("zh", "en", "en", "zh"),
        ("", "zh", "en", "zh"),
        ("", "", "zh-TW,en;q=0.5", "zh"),
        ("", "", "fr, en;q=0.1, zh;q=0.2", "zh"),
        ("", "", "en;q=0,zh;q=odd", "en"),
        ("xx", "yy", "", "en"),
    ],
)
def test_the_language_of_a_page(asked: str, remembered: str, accepted: str, expected: str):
    assert choose(asked, remembered, accepted, "en") == expected


@pytest.mark.parametrize("target", ["/", "/viewer/viewer?StudyInstanceUIDs=1.2", "/console/studies#x"])
def test_paths_of_this_site_are_kept(target: str):
    assert safe_next(target) == target


@pytest.mark.parametrize(
    "target", ["", "x", "//e", "/\\e", "\\\\e", "http://e", "/a\\b", "/a\nb", "/login?next=/login"]
)
def test_all_else_leads_home(target: str):
    assert safe_next(target) == "/"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=0-1,5-6", None),
        ("bytes=5-2", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 90)),
        ("bytes=-5", (95, 5)),
        ("bytes=-500", (0, 100)),
        ("Bytes=0-1", None),
        ("bytes=90-500", (90, 10)),
    ],
)
def test_ranges(header: str | None, expected: tuple[int, int] | None):
    assert asked_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=500-600"])
def test_a_range_outside_is_416(header: str):
    with pytest.raises(Refused) as refused:
        asked_range(header, 100)
    assert refused.value.status == 416


def test_frame_lists():
    assert frame_numbers("3,1, 2") == (3, 1, 2)


class Store:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[int] = []

    def read_sync(self, where: BlobRange, offset: int = 0, length: int | None = None) -> bytes:
        assert length is not None
        self.reads.append(length)
        return self.data[where.start + offset : where.start + offset + length]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 1000])
async def test_pieces_come_out_in_order_whatever_the_chunk(chunk_bytes: int):
    data = bytes(range(256)) * 4
    store = Store(data)
    where = BlobRange("local", "key", 0, len(data))
    pieces: list[Piece] = [b"head", Slice(where, 0, 300), b"", b"middle", Slice(where, 300, 700), b"tail"]

    async def source() -> AsyncIterator[Piece]:
        for piece in pieces:
            yield piece

    found = [chunk async for chunk in gathered(store, source(), chunk_bytes)]
    assert b"".join(found) == b"head" + data[:300] + b"middle" + data[300:1000] + b"tail"
    assert max(store.reads) <= chunk_bytes


async def test_a_reader_that_fails_ends_the_stream():
    class Broken:
        def read_sync(self, where: BlobRange, offset: int = 0, length: int | None = None) -> bytes:
            raise OSError("gone")

    async def source() -> AsyncIterator[Piece]:
        yield Slice(BlobRange("local", "key", 0, 10), 0, 10)

    with pytest.raises(OSError, match="gone"):
        [chunk async for chunk in gathered(Broken(), source())]


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("app.bundle.0f6159c501addfe9.js", True),
        ("5130ccb17e3f3f5b.wasm", True),
        ("index-BNf1-8Jl.js", True),
        ("app.bundle.css", False),
        ("dicomMicroscopyViewer.min.js", False),
        ("index.html", False),
        ("init-service-worker.js", False),
    ],
)
def test_names_that_hold_a_digest_are_kept_for_ever(name: str, hashed: bool):
    assert bool(_HASHED.search(name)) is hashed


def test_the_native_model_escapes_and_names():
    found = native_model(
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A&B^<c>", "Ideographic": "张^伟"}]},
            "00081115": {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1.2"]}}]},
            "00080061": {"vr": "CS", "Value": ["CT", None, "MR"]},
            "7FE00010": {"vr": "OW", "BulkDataURI": "/x?a&b"},
        }
    ).decode()
    assert "<FamilyName>A&amp;B</FamilyName><GivenName>&lt;c&gt;</GivenName>" in found
    assert '<DicomAttribute tag="00081115" vr="SQ" keyword="ReferencedSeriesSequence"><Item number="1">' in found
    assert '<Value number="1">CT</Value><Value number="3">MR</Value>' in found
    assert '<BulkData uri="/x?a&amp;b"/>' in found


def test_the_native_model_is_xml_whatever_the_text():
    """Characters that XML 1.0 has no way to write are replaced, outside the plane of ASCII too."""
    text = "\x01\x1b\ufffe\uffff\ud800 ok"
    document = native_model({"00081030": {"vr": "LO", "Value": [text]}})
    assert ElementTree.fromstring(document)[0][0].text == "\ufffd" * 5 + " ok"
