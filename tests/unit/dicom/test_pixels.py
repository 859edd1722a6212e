"""Every codec both ways, against pydicom where pydicom can, and against hostile frames."""

import contextlib
import struct
import warnings
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array
from tests.fixtures import phantom

from filmroom.base.errors import LimitReached, NotReadable, RemoteFault, Unsupported
from filmroom.dicom import pixels_codecs as codecs
from filmroom.dicom.pixels import Decoded, decode_frame
from filmroom.dicom.pixels_encode import encode_frame
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_object import StoredObject

pytestmark = pytest.mark.capability("1.1.2")

LOSSLESS = [
    codecs.RLE,
    codecs.JPEG_LOSSLESS,
    codecs.JPEG_LOSSLESS_SV1,
    codecs.JPEG_LS,
    codecs.JPEG_2000_LOSSLESS,
    codecs.HTJ2K_LOSSLESS,
    codecs.HTJ2K_LOSSLESS_RPCL,
    codecs.JPEG_XL_LOSSLESS,
    codecs.DEFLATED_FRAMES,
    codecs.ENCAPSULATED_UNCOMPRESSED,
]
LOSSY = [
    codecs.JPEG_BASELINE,
    codecs.JPEG_EXTENDED,
    codecs.JPEG_LS_NEAR,
    codecs.JPEG_2000,
    codecs.HTJ2K,
    codecs.JPEG_XL,
]


def grey(stored: int, allocated: int, *, signed: bool = False, rows: int = 24, columns: int = 30) -> Decoded:
    top = 2 ** (stored - signed) - 1
    dtype = f"<{'i' if signed else 'u'}{allocated // 8}"
    pixels = PixelFormat(rows=rows, columns=columns, bits_allocated=allocated, bits_stored=stored, signed=signed)
    return Decoded(phantom.slope(rows, columns, top=top, dtype=dtype), pixels)


def rgb(photometric: str = "RGB") -> Decoded:
    array = phantom.colours()
    return Decoded(array, PixelFormat(rows=24, columns=30, samples=3, photometric=photometric))


SHAPES = [
    grey(8, 8),
    grey(12, 16),
    grey(16, 16),
    grey(16, 16, signed=True),
    grey(12, 16, signed=True),
    grey(10, 16, rows=1, columns=1),
    grey(8, 8, rows=7, columns=513),
    rgb(),
    rgb("YBR_FULL"),
    replace(grey(8, 8), format=replace(grey(8, 8).format, photometric="PALETTE COLOR")),
]


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("frame", SHAPES, ids=lambda f: f"{f.format.photometric}-{f.array.dtype}-{f.array.shape}")
def test_lossless_round_trips_are_exact(frame: Decoded, syntax: str):
    encoded = encode_frame(frame, syntax)
    back = decode_frame(encoded.data, syntax, encoded.format)
    np.testing.assert_array_equal(back.array, frame.array)
    assert back.array.dtype == frame.array.dtype
    assert back.format.photometric == frame.format.photometric


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_bits_above_bits_stored_survive(syntax: str):
    frame = grey(12, 16)
    array = frame.array | np.uint16(0x8000)  # an old overlay plane
    encoded = encode_frame(replace(frame, array=array), syntax)
    np.testing.assert_array_equal(decode_frame(encoded.data, syntax, encoded.format).array, array)


@pytest.mark.parametrize("syntax", LOSSY)
@pytest.mark.parametrize("frame", [grey(8, 8), grey(12, 16), rgb()], ids=["grey8", "grey12", "rgb"])
def test_lossy_round_trips_stay_near(frame: Decoded, syntax: str):
    if syntax == codecs.JPEG_BASELINE and frame.format.bits_stored > 8:
        with pytest.raises(Unsupported):
            encode_frame(frame, syntax)
        return
    encoded = encode_frame(frame, syntax)
    back = decode_frame(encoded.data, syntax, encoded.format)
    difference = np.abs(back.array.astype(int) - frame.array.astype(int))
    assert difference.mean() < 2**frame.format.bits_stored * 0.02
    assert back.format.photometric == frame.format.photometric


def test_labels_after_encoding_colour():
    assert encode_frame(rgb(), codecs.JPEG_BASELINE).format.photometric == "YBR_FULL_422"
    assert encode_frame(rgb(), codecs.JPEG_2000_LOSSLESS).format.photometric == "YBR_RCT"
    assert encode_frame(rgb(), codecs.JPEG_2000).format.photometric == "YBR_ICT"
    assert encode_frame(rgb(), codecs.HTJ2K_LOSSLESS).format.photometric == "YBR_RCT"
    assert encode_frame(rgb("YBR_FULL"), codecs.JPEG_2000_LOSSLESS).format.photometric == "YBR_FULL"


def test_htj2k_rpcl_has_progression_and_tile_part_lengths():  # PS3.5 A.4.7: RPCL, TLM
    data = encode_frame(grey(12, 16, rows=256, columns=256), codecs.HTJ2K_LOSSLESS_RPCL).data
    cod = data.index(b"\xff\x52")
    assert data[cod + 5] == 2
    assert b"\xff\x55" in data[: data.index(b"\xff\x93")]


def test_lossy_htj2k_clamps_instead_of_wrapping():
    array = np.zeros((64, 64), "u1")
    array[::2, ::3] = 255
    frame = Decoded(array, PixelFormat(rows=64, columns=64))
    encoded = encode_frame(frame, codecs.HTJ2K)
    back = decode_frame(encoded.data, codecs.HTJ2K, encoded.format).array.astype(int)
    assert np.abs(back - array).max() < 128


@pytest.mark.parametrize("syntax", LOSSLESS[1:8])
def test_what_a_syntax_cannot_hold_is_unsupported(syntax: str):
    wide = Decoded(np.zeros((4, 4), "<u4"), PixelFormat(rows=4, columns=4, bits_allocated=32, bits_stored=32))
    bits = Decoded(np.zeros((4, 4), "u1"), PixelFormat(rows=4, columns=4, bits_allocated=1, bits_stored=1))
    for frame in (wide, bits):
        with pytest.raises(Unsupported):
            encode_frame(frame, syntax)


def _readable_samples() -> list[str]:
    names = []
    for path in sorted(phantom.SAMPLES.glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            if "PixelData" not in dataset or "TransferSyntaxUID" not in dataset.file_meta:
                continue
            if "FileMetaInformationGroupLength" in dataset.file_meta and "Rows" in dataset:
                names.append(path.name)
    return names


# Cut short on purpose, and one with a delimiter written over its image size.
BROKEN = {"MR_truncated.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _readable_samples())
def test_samples_decode_as_pydicom_decodes_them(name: str):
    data, syntax = phantom.sample(name)
    stored = StoredObject.of(data, syntax)
    if name in BROKEN:
        with pytest.raises(NotReadable):
            stored.pixels().decoded(0)
        return
    frames = [frame.array for frame in stored.pixels().all_decoded()]
    converted = stored.pixels().decoded(0).format.photometric == "RGB" != stored.pixels().format.photometric
    try:
        expected = pixel_array(pydicom.dcmread(phantom.SAMPLES / name), raw=not converted)
    except (RuntimeError, ValueError, AttributeError):
        return  # pydicom has no decoder for it here; that it decodes at all is the test
    ours = np.stack(frames) if len(frames) > 1 else frames[0]
    # Colour conversion of YCbCr differs in rounding and in how chroma is spread.
    tolerance = 40 if converted and "422" in stored.pixels().format.photometric else 3 if converted else 0
    np.testing.assert_allclose(ours.astype(float), expected.astype(float), atol=tolerance)


@pytest.mark.parametrize(
    ("rows", "columns", "extra", "error"),
    [
        (0, 5, {}, NotReadable),
        (65_536, 5, {}, NotReadable),
        (2**31, 2**31, {}, NotReadable),
        (65_535, 65_535, {}, LimitReached),
        (5, 5, {"bits_allocated": 12}, Unsupported),
        (5, 5, {"bits_stored": 9}, NotReadable),
        (5, 5, {"samples": 2}, NotReadable),
        (5, 5, {"samples": 3}, NotReadable),
        (5, 5, {"frames": 2**31}, LimitReached),
    ],
)
@pytest.mark.capability("1.1.2")
def test_impossible_formats_are_refused_before_anything_is_allocated(
    rows: int, columns: int, extra: dict[str, int], error: type[Exception]
):
    with pytest.raises(error):
        PixelFormat(rows=rows, columns=columns, **extra)  # type: ignore[arg-type]


def rle(count: int, offsets: list[int], body: bytes = b"\x03abcd") -> bytes:
    return struct.pack("<16I", count, *offsets, *[0] * (15 - len(offsets))) + body


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        rle(1, [64])[:50],
        rle(2, [64, 66]),
        rle(1, [63]),
        rle(1, [2**32 - 1]),
        rle(1, [64], b"\x7fab"),
        rle(1, [64], b"\x81"),
        rle(1, [64], b""),
        rle(16, [64]),
        rle(2**32 - 1, [64]),
    ],
)
def test_rle_segments_that_lie_are_not_readable(frame: bytes):
    with pytest.raises(NotReadable):
        decode_frame(frame, codecs.RLE, PixelFormat(rows=4, columns=4))


def test_rle_beyond_its_plane_is_cut():
    frame = rle(1, [64], b"\x81a" * 4)
    assert decode_frame(frame, codecs.RLE, PixelFormat(rows=2, columns=2)).array.tolist() == [[97, 97], [97, 97]]


@pytest.mark.parametrize("syntax", [s for s in LOSSLESS + LOSSY if s != codecs.ENCAPSULATED_UNCOMPRESSED])
def test_damaged_frames_never_raise_anything_else(syntax: str):
    frame = grey(8, 8)
    data = encode_frame(frame, syntax).data
    rng = np.random.default_rng(7)
    for _ in range(60):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            damaged[place] = rng.integers(0, 256)
        cut = bytes(damaged[: rng.integers(1, len(data) + 1)])
        with contextlib.suppress(RemoteFault, Unsupported):
            decode_frame(cut, syntax, frame.format)


def test_a_cut_jpeg_ls_stream_is_refused_at_once():
    frame = grey(8, 8)
    data = encode_frame(frame, codecs.JPEG_LS).data
    for length in (100, 200, 300, len(data) - 3):
        with pytest.raises(NotReadable):
            decode_frame(data[:length], codecs.JPEG_LS, frame.format)


@pytest.mark.parametrize("syntax", [codecs.JPEG_2000_LOSSLESS, codecs.HTJ2K_LOSSLESS, codecs.HTJ2K_LOSSLESS_RPCL])
def test_a_cut_jpeg_2000_stream_is_refused_and_not_filled_up(syntax: str):
    frame = grey(12, 16, rows=64, columns=64)
    data = encode_frame(frame, syntax).data
    for length in (len(data) // 2, len(data) - 20):
        with pytest.raises(NotReadable):
            decode_frame(data[:length], syntax, frame.format)


def test_errors_inside_htj2k_blocks_do_not_show_unwritten_memory():
    frame = grey(12, 16, rows=64, columns=64)
    data = bytearray(encode_frame(frame, codecs.HTJ2K_LOSSLESS).data)
    body = data.index(b"\xff\x93") + 2
    data[body : body + 200] = b"\xff\x7f" * 100
    with pytest.raises(NotReadable):
        decode_frame(bytes(data), codecs.HTJ2K_LOSSLESS, frame.format)


@pytest.mark.parametrize("syntax", LOSSLESS[1:7])
def test_a_stream_of_another_size_is_refused_by_its_header(syntax: str):
    data = encode_frame(grey(8, 8), syntax).data
    with pytest.raises(NotReadable, match="size"):
        decode_frame(data, syntax, PixelFormat(rows=24, columns=31))


def test_a_deflated_frame_longer_than_its_format_is_refused():
    data = encode_frame(grey(8, 8, rows=500, columns=500), codecs.DEFLATED_FRAMES).data
    with pytest.raises(LimitReached):
        decode_frame(data, codecs.DEFLATED_FRAMES, PixelFormat(rows=5, columns=5))


def test_big_endian_words_of_octets_are_exchanged():
    data, syntax = phantom.sample("SC_rgb_small_odd_big_endian.dcm")
    plain, plain_syntax = phantom.sample("SC_rgb_small_odd.dcm")
    np.testing.assert_array_equal(
        StoredObject.of(data, syntax).pixels().decoded(0).array,
        StoredObject.of(plain, plain_syntax).pixels().decoded(0).array,
    )
