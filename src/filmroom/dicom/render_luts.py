"""Look-up tables and the values around them: modality, VOI, palette (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5, C.7.9.2).

Every index into a table is clamped to it; a table shorter than its descriptor says is NotReadable.
"""

import struct
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from filmroom.base.errors import NotReadable
from filmroom.dicom.pixels_elements import Attributes

_DESCRIPTOR, _DATA = 0x00283002, 0x00283006
_PALETTE_DESCRIPTORS = (0x00281101, 0x00281102, 0x00281103)
_PALETTE_DATA = (0x00281201, 0x00281202, 0x00281203)
_SEGMENTED_DATA = (0x00281221, 0x00281222, 0x00281223)

# A table has at most this many entries (PS3.3 C.11.1.1.1: 0 stands for 2^16).
_MAX_ENTRIES = 65_536


class Shape(Enum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A window in units after the modality transformation."""

    center: float
    width: float
    shape: Shape = Shape.LINEAR

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values to 0..1 (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
        if self.shape is Shape.SIGMOID:
            exponent = np.clip(-4.0 * (values - self.center) / max(self.width, 1e-9), -700.0, 700.0)
            sigmoid: NDArray[np.float64] = 1.0 / (1.0 + np.exp(exponent))
            return sigmoid
        if self.shape is Shape.LINEAR:
            center, width = self.center - 0.5, self.width - 1.0
        else:
            center, width = self.center, self.width
        if width <= 0:
            return (values > center).astype(np.float64)
        linear: NDArray[np.float64] = np.clip((values - center) / width + 0.5, 0.0, 1.0)
        return linear


@dataclass(frozen=True, slots=True)
class Lut:
    """A table of ``bits`` wide entries; the first is for the input value ``first``."""

    table: NDArray[np.uint16]
    first: int
    bits: int

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Entries for the values, as they stand in the table."""
        index = np.clip(np.nan_to_num(values) - self.first, 0, len(self.table) - 1).astype(np.int64)
        return self.table[index].astype(np.float64)

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Entries for the values as parts of the table's full range, 0..1."""
        parts: NDArray[np.float64] = np.clip(self.apply(values) / (2**self.bits - 1), 0.0, 1.0)
        return parts


def lut(item: Attributes, *, signed: bool) -> Lut | None:
    """The table of a Modality LUT or VOI LUT item; None where there is none or it is empty. Raises NotReadable."""
    if _DESCRIPTOR not in item.found or not item.raw(_DATA):
        return None
    entries, first, bits = _descriptor(item, _DESCRIPTOR, signed)
    return Lut(_entries(item, _DATA, entries, bits), first, bits)


def _descriptor(item: Attributes, tag: int, signed: bool) -> tuple[int, int, int]:
    values = [int(v) for v in item.numbers(tag)]
    if len(values) < 3:
        raise NotReadable("a look-up table has no descriptor")
    entries, first, bits = values[0] % 65_536 or _MAX_ENTRIES, values[1], values[2]
    if signed and first > 32_767:
        first -= 65_536
    if not 1 <= bits <= 16:
        raise NotReadable("a look-up table has an impossible width")
    return entries, first, bits


def _entries(item: Attributes, tag: int, entries: int, bits: int) -> NDArray[np.uint16]:
    words = _words(item, tag)
    if len(words) >= entries:
        return words[:entries]
    octets = item.raw(tag)
    if bits <= 8 and len(octets) >= entries:  # two entries a word
        return np.frombuffer(octets, np.uint8, entries).astype(np.uint16)
    raise NotReadable("a look-up table is shorter than its descriptor says")


def _words(item: Attributes, tag: int) -> NDArray[np.uint16]:
    raw = item.raw(tag)
    stored = np.dtype(">u2" if item.encoding.big else "<u2")
    return np.frombuffer(raw, stored, len(raw) // 2).astype(np.uint16)


@dataclass(frozen=True, slots=True)
class Palette:
    """Three 8-bit tables beside each other, entries x 3; the first entry is for ``first``."""

    table: NDArray[np.uint8]
    first: int

    def apply(self, indices: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Indices to RGB; those outside the table take its nearest end (PS3.3 C.7.6.3.1.5)."""
        index = np.clip(indices.astype(np.int64) - self.first, 0, len(self.table) - 1)
        return self.table.take(index, axis=0)


def palette(attributes: Attributes, *, signed: bool) -> Palette:
    """The palette of a PALETTE COLOR image, plain or segmented. Raises NotReadable."""
    channels, first = [], 0
    for descriptor, plain, segmented in zip(_PALETTE_DESCRIPTORS, _PALETTE_DATA, _SEGMENTED_DATA, strict=True):
        entries, first, bits = _descriptor(attributes, descriptor, signed)
        if plain in attributes.found:
            channel = _entries(attributes, plain, entries, bits)
        else:
            channel = expand_segments(_segment_values(attributes, segmented, bits), entries, wide=bits > 8)
        # Writers of 16-bit descriptors over 8-bit values exist.
        channels.append(channel >> 8 if bits > 8 and channel.max(initial=0) > 255 else channel)
    size = min(len(channel) for channel in channels)
    return Palette(np.stack([channel[:size] for channel in channels], axis=-1).astype(np.uint8), first)


def _segment_values(attributes: Attributes, tag: int, bits: int) -> list[int]:
    if bits <= 8:
        return list(attributes.raw(tag))
    return [int(word) for word in _words(attributes, tag)]


def expand_segments(values: list[int], entries: int, *, wide: bool = True) -> NDArray[np.uint16]:
    """A segmented palette written out (PS3.3 C.7.9.2): discrete, linear and indirect segments.

    ``wide`` values are words, else bytes; an offset takes two words or four bytes.
    """
    out: list[int] = []
    _expand(values, 0, entries, out, offset_length=2 if wide else 4)
    if len(out) < entries:
        raise NotReadable("a segmented palette is shorter than its descriptor says")
    return np.array(out[:entries], np.uint16)


def _expand(
    values: list[int], position: int, entries: int, out: list[int], *, offset_length: int, segments: int = 2**16
) -> None:
    """Append segments from ``position`` on until the table is full. ``offset_length`` 0: no further indirection."""
    while position + 2 < len(values) and len(out) < entries and segments > 0:
        segments -= 1
        opcode, count = values[position], values[position + 1]
        position += 2
        if opcode == 0:
            out.extend(values[position : position + count])
            position += count
        elif opcode == 1 and out:
            out.extend(round(v) for v in np.linspace(out[-1], values[position], count + 1)[1:])
            position += 1
        elif opcode == 2 and offset_length:
            offset = _offset(values[position : position + offset_length])
            position += offset_length
            _expand(values, offset, entries, out, offset_length=0, segments=count)
        else:
            raise NotReadable("a segmented palette has a segment that cannot stand there")


def _offset(parts: list[int]) -> int:
    if len(parts) == 4:
        return int(struct.unpack("<I", bytes(parts))[0])
    return sum(part << 16 * number for number, part in enumerate(parts))
