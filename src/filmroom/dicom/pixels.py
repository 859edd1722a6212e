"""Decode one frame of any transfer syntax to an array whose meaning is fully told by its PixelFormat.

After decoding, samples are interleaved (planar configuration 0), the photometric interpretation is what the samples
now are (PS3.5 8.2.1 to 8.2.16), and integers are little endian with the sign the format says. Whatever the bytes are,
only NotReadable, LimitReached or Unsupported come out; sizes are checked against the stream's header before a decoder
allocates. Native samples keep bits above Bits Stored (old overlays live there).
"""

import sys
import zlib
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from filmroom.base.errors import FilmroomError, LimitReached, NotReadable, Unsupported
from filmroom.dicom.pixels_codecs import Codec, coding
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_rle import decode_rle
from filmroom.dicom.pixels_streams import StreamHeader, is_jpeg, is_jpeg_2000, jpeg_2000_header, jpeg_header

Pixels = NDArray[np.generic]

# Two threads halve the wait for one JPEG 2000 frame (43 to 22 ms for a CT); more gain nothing.
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame, rows x columns (x samples), and the format it now has (``frames`` is that of the object)."""

    array: Pixels
    format: PixelFormat

    def to_native(self) -> bytes:
        """Native bytes, little endian, samples interleaved; one-bit pixels packed least significant bit first."""
        if self.format.bits_allocated == 1:
            return np.packbits(self.array.reshape(-1).astype(np.uint8), bitorder="little").tobytes()
        return np.ascontiguousarray(self.array, self.format.dtype).tobytes()


def decode_frame(
    data: bytes, transfer_syntax: str, pixels: PixelFormat, *, big_endian: bool = False, bit_offset: int = 0
) -> Decoded:
    """Decode the bytes of one frame. ``bit_offset`` is where a native one-bit frame begins in its first byte."""
    codec = coding(transfer_syntax).codec
    try:
        if codec is Codec.NATIVE:
            return _native(data, pixels, big_endian, bit_offset)
        if codec is Codec.RLE:
            return _settled(decode_rle(data, pixels), pixels)
        if codec is Codec.DEFLATED_FRAMES:
            return _native(_inflate(data, pixels), pixels, False, 0)
        if codec is Codec.OPAQUE:
            raise Unsupported("frames of this transfer syntax cannot be decoded")
        return _stream(data, pixels)
    except FilmroomError:
        raise
    except MemoryError as error:
        raise LimitReached("decoding the frame takes more memory than it may") from error
    except Exception as error:
        # Codecs raise types of their own; whatever they choke on came from outside.
        raise NotReadable("the frame cannot be decoded") from error


def _native(data: bytes, pixels: PixelFormat, big_endian: bool, bit_offset: int) -> Decoded:
    if len(data) * 8 < pixels.frame_bits + bit_offset:
        raise NotReadable("the pixel data is shorter than its frames")
    shape: tuple[int, ...] = (pixels.rows, pixels.columns)
    if pixels.bits_allocated == 1:
        count = pixels.pixels * pixels.samples
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=bit_offset + count, bitorder="little")[bit_offset:]
        return _settled(bits.reshape(shape if pixels.samples == 1 else (*shape, pixels.samples)), pixels)
    stored = pixels.dtype.newbyteorder(">") if big_endian else pixels.dtype
    samples = np.frombuffer(data, stored, pixels.frame_bits // pixels.bits_allocated)
    if big_endian:
        samples = samples.astype(pixels.dtype)
    if pixels.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        return _settled(_spread_422(samples, shape), pixels)
    if pixels.samples == 1:
        return _settled(samples.reshape(shape), pixels)
    if pixels.planar:
        return _settled(np.ascontiguousarray(np.moveaxis(samples.reshape(pixels.samples, *shape), 0, -1)), pixels)
    return _settled(samples.reshape(*shape, pixels.samples), pixels)


def _settled(array: Pixels, pixels: PixelFormat, photometric: str = "") -> Decoded:
    """What decoding leaves behind: full chroma, interleaved."""
    name = photometric or {"YBR_FULL_422": "YBR_FULL", "YBR_PARTIAL_422": "YBR_PARTIAL"}.get(
        pixels.photometric, pixels.photometric
    )
    return Decoded(array, replace(pixels, photometric=name, planar=False))


def _spread_422(samples: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Y1 Y2 Cb Cr to three samples a pixel (PS3.3 C.7.6.3.1.2: chroma is that of the first of the two pixels)."""
    groups = samples.reshape(-1, 4)
    full = np.empty((len(groups) * 2, 3), samples.dtype)
    full[:, 0] = groups[:, :2].reshape(-1)
    full[:, 1] = np.repeat(groups[:, 2], 2)
    full[:, 2] = np.repeat(groups[:, 3], 2)
    return full.reshape(*shape, 3)


def _inflate(data: bytes, pixels: PixelFormat) -> bytes:
    """Deflated Image Frame Compression (PS3.5 A.4.12): raw deflate (RFC 1951), a frame by itself."""
    needed = -(-pixels.frame_bits // 8)
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, needed + 2)
    if len(inflated) > needed + needed % 2:
        raise LimitReached("the deflated frame is longer than its format says")
    return inflated


def _stream(data: bytes, pixels: PixelFormat) -> Decoded:
    """A frame in a self-describing stream. What the stream is counts, not what the transfer syntax calls it."""
    if pixels.bits_allocated == 1 or pixels.real:
        raise NotReadable("this pixel format cannot be held by the stream")
    if is_jpeg(data):
        header = jpeg_header(data)
        _check(header, pixels)
        return _jpeg_ls(data, header, pixels) if header.jpeg_ls else _jpeg(data, header, pixels)
    if is_jpeg_2000(data):
        header = jpeg_2000_header(data)
        _check(header, pixels)
        return _jpeg_2000(data, header, pixels)
    if data.startswith((b"\x00\x00\x00\x0cJXL", b"\xff\x0a")):
        return _jpeg_xl(data, pixels)
    raise NotReadable("the frame is in no known compression")


def _check(header: StreamHeader, pixels: PixelFormat) -> None:
    if (header.rows, header.columns, header.samples) != (pixels.rows, pixels.columns, pixels.samples):
        raise NotReadable("the compressed frame has another size than its data set says")
    if header.precision > pixels.bits_allocated:
        raise NotReadable("the compressed frame has more bits than its data set allows")


def _jpeg(data: bytes, header: StreamHeader, pixels: PixelFormat) -> Decoded:
    if pixels.samples == 1:
        return _settled(_fit(imagecodecs.jpeg8_decode(data), header, pixels), pixels)
    if pixels.samples != 3:
        raise Unsupported("JPEG with four samples a pixel")
    if header.lossless or not _holds_ycbcr(header, pixels):
        # Passing the same space twice keeps libjpeg from converting anything.
        array = imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB")
        # Without a transform in the stream, the label is the only witness; a lossy one labelled YBR_RCT or so is RGB.
        name = pixels.photometric if pixels.photometric == "YBR_FULL" else "RGB"
        return _settled(_fit(array, header, pixels), pixels, name)
    array = imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="RGB")
    return _settled(_fit(array, header, pixels), pixels, "RGB")


def _holds_ycbcr(header: StreamHeader, pixels: PixelFormat) -> bool:
    """Whether a lossy colour JPEG needs YCbCr to RGB. Markers in the stream outrank the label, which often lies."""
    if header.adobe_transform is not None:
        return header.adobe_transform == 1
    if header.jfif or header.subsampled:
        return True
    if header.component_ids == b"RGB":
        return False
    return pixels.photometric != "RGB"


def _jpeg_ls(data: bytes, header: StreamHeader, pixels: PixelFormat) -> Decoded:
    # Where a stream is cut short, CharLS searches for a marker for seconds, beyond what it was given; one is put there.
    array = imagecodecs.jpegls_decode(data + b"\xff\xd9")
    if pixels.samples > 1 and array.shape[0] == pixels.samples and array.shape[-1] != pixels.samples:
        array = np.moveaxis(array, 0, -1)
    return _settled(_fit(array, header, pixels), pixels)


def _jpeg_2000(data: bytes, header: StreamHeader, pixels: PixelFormat) -> Decoded:
    stop = data.rfind(b"\xff\xd9")
    if 0 < stop < len(data) - 2:  # bytes behind the end of codestream confuse the decoder
        data = data[: stop + 2]
    # The HT decoder wraps instead of clamping where the wavelet is lossy; OpenJPEG reads both kinds.
    fast = header.lossless and _is_high_throughput(data)
    array = _htj2k(data) if fast else imagecodecs.jpeg2k_decode(data, numthreads=_THREADS)
    if array.ndim == 3 and array.shape[0] == pixels.samples and array.shape != (*array.shape[:2], pixels.samples):
        array = np.moveaxis(array, 0, -1)
    name = "RGB" if pixels.photometric in ("YBR_ICT", "YBR_RCT") or header.colour_transform else ""
    return _settled(_fit(array, header, pixels), pixels, name if pixels.samples == 3 else "")


def _htj2k(data: bytes) -> Pixels:
    """Decode by OpenJPH. Its binding loses errors in the coded data and would hand out unwritten memory as pixels;
    they surface only at the interpreter's hook for exceptions that nobody can catch."""
    lost: list[object] = []
    previous, sys.unraisablehook = sys.unraisablehook, lambda problem: lost.append(problem.exc_type)
    try:
        array: Pixels = imagecodecs.htj2k_decode(data)
    finally:
        sys.unraisablehook = previous
    if lost:
        raise NotReadable("the frame cannot be decoded")
    return array


def _is_high_throughput(data: bytes) -> bool:
    """Whether the codestream carries a CAP segment (ISO 15444-15), which stands right behind SIZ."""
    start = max(0, data.find(b"\xff\x4f\xff\x51"))
    after = start + 4 + int.from_bytes(data[start + 4 : start + 6], "big")
    return data[after : after + 2] == b"\xff\x50"


def _jpeg_xl(data: bytes, pixels: PixelFormat) -> Decoded:
    array = imagecodecs.jpegxl_decode(data)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype.kind != "u":
        raise Unsupported("JPEG XL with float samples")
    precision = min(pixels.bits_allocated, array.dtype.itemsize * 8)
    header = StreamHeader(rows=pixels.rows, columns=pixels.columns, samples=pixels.samples, precision=precision)
    name = "RGB" if pixels.samples == 3 and pixels.photometric != "YBR_FULL" else ""
    return _settled(_fit(array, header, pixels), pixels, name)


def _fit(array: Pixels, header: StreamHeader, pixels: PixelFormat) -> Pixels:
    """Into the data set's sample type: a sign the stream could not carry is restored from its top bit."""
    shape = (pixels.rows, pixels.columns) if pixels.samples == 1 else (pixels.rows, pixels.columns, pixels.samples)
    if array.shape != shape:
        raise NotReadable("the compressed frame has another size than its data set says")
    if header.signed or not pixels.signed:
        return np.ascontiguousarray(array).astype(pixels.dtype, copy=False)
    unused = pixels.bits_allocated - header.precision
    moved = np.left_shift(array.astype(f"<u{pixels.bits_allocated // 8}"), unused)
    restored: Pixels = np.right_shift(moved.view(pixels.dtype), unused)
    return restored
