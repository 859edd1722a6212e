"""One stored data set and its pixels, behind a ``read(offset, length)``, so that only what is asked for is read."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from filmroom.base.errors import LimitReached, NotReadable, Unsupported
from filmroom.base.limits import MAX_EXPANSION_RATIO
from filmroom.dicom.frames import (
    EncapsulatedFrames,
    FrameIndex,
    NativeFrames,
    Read,
    encapsulated_frames,
    native_frames,
    read_spans,
)
from filmroom.dicom.pixels import Decoded, decode_frame
from filmroom.dicom.pixels_codecs import GE_BIG_ENDIAN_PIXELS
from filmroom.dicom.pixels_elements import PIXEL_TAGS, Attributes, Element, Encoding, Truncated
from filmroom.dicom.pixels_format import PixelFormat, pixel_format
from filmroom.dicom.transfersyntax import lookup

# Most headers fit the first read; a header with per-frame items of thousands of frames takes a few more.
_FIRST_READ_BYTES = 64 * 1024

# A small deflated object may expand further than the ratio allows (an empty mask: 1 to 1000), up to this.
_SMALL_INFLATED_BYTES = 64 * 2**20

_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A data set: its elements before the pixels, and the pixel element if it has one.

    Offsets count from the first byte of the (inflated) data set, ``length`` bytes long.
    """

    read: Read
    length: int
    transfer_syntax: str
    attributes: Attributes
    pixel_element: Element | None

    @classmethod
    def open(cls, read: Read, length: int, transfer_syntax: str) -> "StoredObject":
        """Scan the header of a data set. Raises NotReadable or LimitReached."""
        syntax = lookup(transfer_syntax)
        if syntax.deflated:
            inflated = inflate(read(0, length))
            read, length = _reader(inflated), len(inflated)
        encoding = Encoding(syntax.implicit, syntax.big_endian)
        size = min(length, _FIRST_READ_BYTES)
        while True:
            try:
                attributes = Attributes.scan(read(0, size), encoding)
            except Truncated:
                if size >= length:
                    raise
                size = min(length, size * 8)
                continue
            pixel = next((attributes.found[tag] for tag in PIXEL_TAGS if tag in attributes.found), None)
            if pixel is not None or size >= length:
                return cls(read, length, transfer_syntax, attributes, pixel)
            size = min(length, size * 8)

    @classmethod
    def of(cls, data: bytes | memoryview, transfer_syntax: str) -> "StoredObject":
        """Open a data set held in memory."""
        return cls.open(_reader(data), len(data), transfer_syntax)

    def pixels(self) -> "StoredPixels":
        """The frames. Raises NotReadable when there are none or they cannot be told apart."""
        element = self.pixel_element
        if element is None:
            raise NotReadable("the object has no pixels")
        pixels = pixel_format(self.attributes)
        index: FrameIndex
        if element.undefined:
            index = encapsulated_frames(
                self.read,
                element.value,
                self.length,
                1 if lookup(self.transfer_syntax).video else pixels.frames,  # one stream, whatever it shows
                offsets=self.attributes.raw(_EXTENDED_OFFSETS),
                lengths=self.attributes.raw(_EXTENDED_LENGTHS),
            )
        else:
            index = native_frames(pixels, element.value, min(element.value_end, self.length))
        return self.with_index(index, pixels)

    def with_index(self, index: FrameIndex, pixels: PixelFormat | None = None) -> "StoredPixels":
        """The frames by an index made earlier."""
        assert self.pixel_element is not None
        syntax = self.transfer_syntax
        if not self.pixel_element.undefined and lookup(syntax).encapsulated:
            # Compressed syntax named, native pixels written: the value's form is the witness.
            syntax = "1.2.840.10008.1.2.1"
        return StoredPixels(self, pixels or pixel_format(self.attributes), index, syntax)


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """The frames of a stored object."""

    source: StoredObject
    format: PixelFormat
    index: FrameIndex
    transfer_syntax: str

    @property
    def big_endian(self) -> bool:
        """Whether native samples are written most significant byte first."""
        return self.source.attributes.encoding.big or self.source.transfer_syntax == GE_BIG_ENDIAN_PIXELS

    @property
    def swapped_bytes(self) -> bool:
        """Whether 8-bit samples were written as big endian words (VR OW): each two are exchanged."""
        element = self.source.pixel_element
        return self.big_endian and self.format.bits_allocated <= 8 and element is not None and element.vr == "OW"

    def encoded(self, frame: int) -> bytes:
        """The bytes of one frame as they are stored, counted from 0."""
        spans = self.index.spans(frame)
        if not self.swapped_bytes or not isinstance(self.index, NativeFrames):
            return read_spans(self.source.read, spans)
        start, (offset, length) = self.index.start, spans[0]
        low = start + (offset - start) // 2 * 2
        high = min(start + math.ceil((offset + length - start) / 2) * 2, self.source.length)
        return swap(self.source.read(low, high - low), 2)[offset - low : offset - low + length]

    def decoded(self, frame: int) -> Decoded:
        """One decoded frame, counted from 0."""
        if isinstance(self.index, EncapsulatedFrames) and self.index.frames != self.format.frames:
            raise Unsupported("the frames of a video stream cannot be told apart")
        bit = self.index.bit_offset(frame) if isinstance(self.index, NativeFrames) else 0
        return decode_frame(
            self.encoded(frame), self.transfer_syntax, self.format, big_endian=self.big_endian, bit_offset=bit
        )

    def all_decoded(self) -> Iterator[Decoded]:
        """The frames one after another."""
        return (self.decoded(frame) for frame in range(self.format.frames))

    def single(self) -> PixelFormat:
        """The format of one frame by itself."""
        return replace(self.format, frames=1)


def inflate(data: bytes) -> bytes:
    """Inflate a data set of a deflated transfer syntax (PS3.5 A.5), with a cap. Raises NotReadable or LimitReached."""
    limit = max(_SMALL_INFLATED_BYTES, len(data) * MAX_EXPANSION_RATIO)
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = machine.decompress(data, limit)
    except zlib.error as error:
        raise NotReadable("the deflated data set cannot be inflated") from error
    if machine.unconsumed_tail:
        raise LimitReached("the deflated data set expands beyond reason")
    return inflated


def swap(data: bytes, width: int) -> bytes:
    """Exchange the byte order of each ``width`` bytes; a rest shorter than that stays as it is."""
    whole = len(data) // width * width
    swapped = bytearray(data)
    for byte in range(width):
        swapped[byte:whole:width] = data[width - 1 - byte : whole : width]
    return bytes(swapped)


def _reader(data: bytes | memoryview) -> Read:
    return lambda offset, length: bytes(data[offset : offset + length])
