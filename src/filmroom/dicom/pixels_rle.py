"""RLE Lossless (PS3.5 annex G): segments of PackBits, one for each byte of each sample, most significant first."""

import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from filmroom.base.errors import NotReadable
from filmroom.dicom.pixels_format import PixelFormat

_HEADER_BYTES = 64


def decode_rle(data: bytes, pixels: PixelFormat) -> NDArray[np.generic]:
    """One frame as rows x columns (x samples). Raises NotReadable when a segment lies or is too short."""
    width = pixels.bits_allocated // 8
    bounds = _segments(data, width * pixels.samples)
    planes = np.empty((pixels.samples, pixels.pixels, width), np.uint8)
    for number, (start, stop) in enumerate(bounds):
        sample, byte = divmod(number, width)
        planes[sample, :, width - 1 - byte] = _unpack(data[start:stop], pixels.pixels)
    samples = planes.view(pixels.dtype).reshape(pixels.samples, pixels.rows, pixels.columns)
    return samples[0] if pixels.samples == 1 else np.ascontiguousarray(np.moveaxis(samples, 0, -1))


def encode_rle(frame: NDArray[np.generic]) -> bytes:
    """One frame, each row packed by itself (PS3.5 G.3.1)."""
    planes = np.atleast_3d(frame)
    segments = []
    for sample in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[:, :, sample])
        octets = plane.view(np.uint8).reshape(*plane.shape, plane.dtype.itemsize)
        for byte in reversed(range(plane.dtype.itemsize)):
            packed = imagecodecs.packbits_encode(octets[:, :, byte].copy())
            segments.append(packed + b"\0" * (len(packed) % 2))
    offsets, position = [], _HEADER_BYTES
    for segment in segments:
        offsets.append(position)
        position += len(segment)
    header = struct.pack("<I", len(segments)) + struct.pack(f"<{len(offsets)}I", *offsets)
    return header.ljust(_HEADER_BYTES, b"\0") + b"".join(segments)


def _segments(data: bytes, expected: int) -> list[tuple[int, int]]:
    if len(data) < _HEADER_BYTES:
        raise NotReadable("the RLE header is cut short")
    count, *offsets = struct.unpack_from("<16I", data)
    if count != expected or count > 15:
        raise NotReadable("the RLE frame has another number of segments than its format needs")
    starts = offsets[:count]
    bounds = list(zip(starts, [*starts[1:], len(data)], strict=True))
    if any(not _HEADER_BYTES <= start < stop <= len(data) for start, stop in bounds):
        raise NotReadable("the RLE segments lie outside their frame")
    return bounds


def _unpack(segment: bytes, size: int) -> NDArray[np.uint8]:
    try:
        unpacked = imagecodecs.packbits_decode(segment, out=size)
    except RuntimeError:
        unpacked = _unpack_slowly(segment, size)
    if len(unpacked) < size:
        raise NotReadable("an RLE segment is cut short")
    return np.frombuffer(unpacked, np.uint8, size)


def _unpack_slowly(segment: bytes, size: int) -> bytes:
    """For segments whose padding the fast decoder takes for a broken run: stops when the plane is full."""
    plane = bytearray()
    position = 0
    while len(plane) < size and position + 1 < len(segment):
        control = segment[position]
        if control < 128:
            plane += segment[position + 1 : position + 2 + control]
            position += 2 + control
        elif control > 128:
            plane += segment[position + 1 : position + 2] * (257 - control)
            position += 2
        else:
            position += 1
    return bytes(plane)
