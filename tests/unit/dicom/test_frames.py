"""Where frames lie: native and encapsulated, with every kind of table, lying tables included."""

import struct

import numpy as np
import pytest
from tests.fixtures import phantom

from filmroom.base.errors import NotFound, NotReadable
from filmroom.dicom.frames import EncapsulatedFrames, NativeFrames, Span, encapsulated_frames, read_spans
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_object import StoredObject

pytestmark = pytest.mark.capability("6.1.2")

RLE = "1.2.840.10008.1.2.5"
JPEG = b"\xff\xd8\xff"


def item(data: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data


END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def index(value: bytes, frames: int, **tables: bytes) -> tuple[EncapsulatedFrames, list[bytes]]:
    def read(offset: int, length: int) -> bytes:
        return value[offset : offset + length]

    made = encapsulated_frames(read, 0, len(value), frames, **tables)
    return made, [read_spans(read, made.spans(n)) for n in range(made.frames)]


def test_one_fragment_a_frame_without_table():
    made, frames = index(item(b"") + item(b"aaaa") + item(b"bb") + END, 2)
    assert frames == [b"aaaa", b"bb"]
    assert made.end == 8 + 12 + 10 + 8


def test_basic_table_joins_fragments():
    table = struct.pack("<2I", 0, 22)
    _, frames = index(item(table) + item(b"aaaa") + item(b"bb") + item(b"cc") + END, 2)
    assert frames == [b"aaaabb", b"cc"]


@pytest.mark.parametrize("lie", [(0, 12), (0, 9), (4, 22), (22, 0), (0, 2**31)])
def test_a_lying_table_falls_back_to_start_markers(lie: tuple[int, int]):
    parts = [JPEG + b"a", b"more", JPEG + b"b", b"rest"]
    _, frames = index(item(struct.pack("<2I", *lie)) + b"".join(map(item, parts)) + END, 2)
    assert len(frames) == 2
    if lie != (0, 12):  # that one is a fragment boundary: nothing tells it from the truth
        assert frames == [JPEG + b"amore", JPEG + b"brest"]


def test_frames_told_apart_by_end_markers():
    _, frames = index(item(b"") + item(b"aa") + item(b"b\xff\xd9\0") + item(b"cc\xff\xd9") + END, 2)
    assert frames == [b"aab\xff\xd9\0", b"cc\xff\xd9"]


def test_extended_table_gives_true_lengths():
    made, frames = index(
        item(b"") + item(b"aaa\0") + item(b"bb") + END,
        2,
        offsets=struct.pack("<2Q", 0, 12),
        lengths=struct.pack("<2Q", 3, 2),
    )
    assert frames == [b"aaa", b"bb"]
    assert EncapsulatedFrames.from_bytes(made.to_bytes()) == made


def test_all_fragments_of_a_single_frame_belong_to_it():
    assert index(item(b"") + item(b"aa") + item(b"bb") + END, 1)[1] == [b"aabb"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        item(b""),
        item(b"") + END,
        item(b"") + item(b"aaaa")[:-1],
        item(b"") + item(b"aaaa") + b"\xfe\xff",
        item(b"") + b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
        item(b"") + b"garbage-garbage",
    ],
)
def test_cut_or_broken_fragments_are_not_readable(value: bytes):
    with pytest.raises(NotReadable):
        index(value, 1)


def test_fragments_that_fit_no_frames_are_not_readable():
    with pytest.raises(NotReadable):
        index(item(b"") + item(b"aa") + item(b"bb") + item(b"cc") + END, 2)


def test_a_missing_delimiter_is_forgiven():
    assert index(item(b"") + item(b"aa"), 1)[1] == [b"aa"]


@pytest.mark.parametrize("table", ["basic", "extended", "no"])
def test_tables_that_pydicom_writes(table: str):
    pixels = np.zeros((3, 4, 4), "u1")
    frames = [b"abcd", b"efgh12", b"ij"]
    pixels_of = StoredObject.of(phantom.compressed(pixels, frames, table=table), RLE).pixels()
    assert [pixels_of.encoded(n) for n in range(3)] == frames


def test_an_index_is_built_by_small_reads():
    value = item(b"") + b"".join(item(bytes(200_000)) for _ in range(50)) + END
    taken = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal taken
        taken += length
        return value[offset : offset + length]

    assert encapsulated_frames(read, 0, len(value), 50).frames == 50
    assert taken < 52 * 4096


def test_native_frames():
    frames = NativeFrames(100, 16 * 8, 3, 100 + 48)
    assert frames.spans(1) == [Span(116, 16)]
    with pytest.raises(NotFound):
        frames.spans(3)
    with pytest.raises(NotReadable):
        NativeFrames(100, 16 * 8, 3, 147).spans(2)


def test_one_bit_frames_share_bytes():
    pixels = np.random.default_rng(3).integers(0, 2, (5, 3, 7)).astype("u1")
    packed = np.packbits(pixels.reshape(-1), bitorder="little").tobytes()
    data = phantom.native(
        pixels, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed + b"\0" * (len(packed) % 2)
    )
    stored = StoredObject.of(data, phantom.EXPLICIT).pixels()
    assert stored.index.spans(1)[0].length == 4
    assert [frame.array.tolist() for frame in stored.all_decoded()] == pixels.tolist()


def test_frame_bits_of_subsampled_colour():
    assert PixelFormat(rows=2, columns=4, samples=3, photometric="YBR_FULL_422").frame_bits == 2 * 4 * 2 * 8
